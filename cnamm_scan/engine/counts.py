"""Counts of which only the least is known: more of what was not seen can raise them, and what is asked of the least holds of the whole.

Where a view's count is left open, `_least` holds how much of it was seen. `count > 3` is true where five were seen, whatever the count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnamm_scan.content import columns_of
from cnamm_scan.engine import parser
from cnamm_scan.engine.doubt import MIRRORED
from cnamm_scan.engine.parser import Node
from cnamm_scan.model import Content

LEAST = "_least"
"""Every table has it: column -> the least that its value can be, for columns whose value is left open."""
_DECIDED: Mapping[str, tuple[str, bool]] = {
    "COMPARE_GREATERTHAN": ("COMPARE_GREATERTHAN", True),
    "COMPARE_GREATERTHANOREQUALTO": ("COMPARE_GREATERTHANOREQUALTO", True),
    "COMPARE_LESSTHAN": ("COMPARE_GREATERTHANOREQUALTO", False),
    "COMPARE_LESSTHANOREQUALTO": ("COMPARE_GREATERTHAN", False),
    "COMPARE_EQUAL": ("COMPARE_GREATERTHAN", False),
    "COMPARE_NOTEQUAL": ("COMPARE_GREATERTHAN", True),
}
"""What is asked of a count -> what, asked of the least, decides it, and how."""


def is_count(content: Content, table: str, column: str) -> bool:
    """Whether a column may be a count of which only the least is known."""
    view = content.views.get(table)
    if view is None or view.made is not None:
        return False
    known = columns_of(content, table)
    return column in known and known[column].type == "integer"


def column_of(node: Node) -> Node | None:
    """The column that a comparison asks with a number that is written out or a parameter; None where it asks otherwise."""
    if node["class"] != "COMPARISON" or node["type"] not in _DECIDED:
        return None
    sides = [node["left"], node["right"]]
    for at in (0, 1):
        if sides[at]["class"] == "COLUMN_REF" and sides[1 - at]["class"] in ("CONSTANT", "PARAMETER"):
            column: Node = sides[at]
            return column
    return None


def with_least(node: Node, names: Sequence[str]) -> Node:
    """A comparison of a count with a number, decided by the least of it where it is open itself; `names` lead to the count."""
    on_left = node["left"]["class"] == "COLUMN_REF"
    operator = str(node["type"])
    asked = operator if on_left else MIRRORED.get(operator, operator)
    how, said = _DECIDED[asked]
    *above, name = names
    column, key = parser.expression(f"t.{LEAST}['{name}']")["children"]
    least = {**parser.expression(f"t.{LEAST}['{name}']"), "children": [{**column, "column_names": [*above, LEAST]}, key]}
    bound = {**node, "type": how, "left": least, "right": node["right"] if on_left else node["left"]}

    def put(each: Node) -> Node | None:
        if each.get("class") != "COLUMN_REF":
            return None
        return {"_asked": node, "_bound": bound}.get(each["column_names"][0])

    made: Node = parser.changed(parser.expression(f"COALESCE(_asked, CASE WHEN _bound THEN {str(said).lower()} END)"), put)
    return made
