"""Which branch of a CASE a row takes: what only another branch looks at leaves the row alone.

Of a whole column no more can be said than which of its values are unsure. A door of one maker is no matter of what would make another's
safe, though both say `false`: so the branch is asked of each row, by the same CASE with a number in place of each value.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnamm_scan.engine import parser
from cnamm_scan.engine.doubt import FALSE, NOTHING, TRUE, Tables, Worth, is_of_one_kind, says_something
from cnamm_scan.engine.parser import Node
from cnamm_scan.engine.terms import Scope, worth

BRANCH = "_branch"
"""With a column's place behind it: the branch that the column's CASE takes."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One of the values that a CASE may give, of CASEs within it too, in the order in which they are written."""

    elsewhere: Tables
    """Those whose unread rows could lead a row that is here into another branch."""
    own: Worth
    """What the value is worth as long as the row stays."""


def branches_of(node: Node, scope: Scope) -> tuple[Branch, ...]:
    """The branches of a CASE as it stands in a SELECT. Raises CannotTellError."""
    found = _branches(node, scope, NOTHING)
    if is_of_one_kind(node):
        return tuple(found)
    # brought to one type the values may be spelled in another way
    return tuple(Branch(each.elsewhere, each.own.of(None if each.own.unsure else each.own.unsure)) for each in found)


def _branches(node: Node, scope: Scope, elsewhere: Tables) -> list[Branch]:
    if node["class"] != "CASE":
        return [Branch(elsewhere, worth(node, scope))]
    found = []
    for check in node["case_checks"]:
        asked = worth(check["when_expr"], scope)
        stays = asked.is_certain or (asked.unsure is not None and TRUE not in asked.unsure)
        found += _branches(check["then_expr"], scope, elsewhere if stays else elsewhere | asked.tables)
        # who passed it by may yet be caught, unless it is false for good: what is NULL can always become something
        is_past = asked.unsure is not None and FALSE not in asked.unsure and says_something(check["when_expr"])
        elsewhere = elsewhere if asked.is_certain or is_past else elsewhere | asked.tables
    return found + _branches(node["else_expr"], scope, elsewhere)


def numbered(node: Node) -> Node:
    """The CASE that gives the number of the branch in place of its value."""
    return _numbered(node, 0)[0]


def _numbered(node: Node, number: int) -> tuple[Node, int]:
    if node["class"] != "CASE":
        return parser.expression(str(number)), number + 1
    checks = []
    for check in node["case_checks"]:
        then, number = _numbered(check["then_expr"], number)
        checks.append({**check, "then_expr": then})
    last, number = _numbered(node["else_expr"], number)
    return {**node, "case_checks": checks, "else_expr": last}, number
