"""How far a value can be trusted where tables are dark, and what operators and functions make of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnamm_scan.engine.parser import Node

Tables = frozenset[str]
NOTHING: Tables = frozenset()
_STRICT = frozenset(
    "+ - * / // % || ~~ !~~ ~~~ !~~~ -> ->> lower upper trim ltrim rtrim length len contains starts_with ends_with prefix suffix strlen"
    " list_contains list_has array_contains regexp_matches regexp_extract regexp_replace replace split_part date_diff datediff date_part"
    " json_exists json_extract json_extract_string json_array_length json_keys json_type abs round floor ceil substring substr left right"
    " list_sort list_distinct array_length cardinality struct_extract list_extract element_at map_extract strptime try_strptime"
    " seconds_since hours_since days_since days_until day_before day_of".split()
)
"""Functions that are NULL when an argument is, and otherwise go by nothing but their arguments."""


@dataclass(frozen=True, slots=True)
class Worth:
    """How far a value can be trusted where some tables are dark."""

    tables: Tables = NOTHING
    """Those whose darkness touches it. With none it is what it is."""
    unsure: frozenset[str] | None = frozenset()
    """Its values, as text, that could be others if more had been seen; None: all of them. NULL can always become something."""
    rises: bool = False
    """It is a count: more rows can only raise it."""

    @property
    def is_certain(self) -> bool:
        """Whether no darkness touches it."""
        return not self.tables

    def of(self, unsure: frozenset[str] | None) -> Worth:
        """The same tables, other values in doubt."""
        return Worth(self.tables, unsure if self.tables else frozenset())


CERTAIN = Worth()
TRUE, FALSE = "true", "false"


def within(worth: Worth, value: str) -> bool:
    """Whether at most this value is unsure."""
    return worth.unsure is not None and worth.unsure <= {value}


def together(parts: Iterable[Worth]) -> Worth:
    """The doubt of several joined; values that are unsure are told of a whole, not of its parts."""
    several = [part for part in parts if not part.is_certain]
    tables = NOTHING.union(*(part.tables for part in several))
    return Worth(tables, frozenset() if all(part.unsure == frozenset() for part in several) else None)


def combined(node: Node, kind: str, operator: str, parts: Sequence[Worth]) -> Worth:
    """What operators and functions make of the worth of what they are given."""
    whole = together(parts)
    doubts = [part for part in parts if not part.is_certain]
    if kind == "CONJUNCTION":
        # of parts that only a false can be turned in, or only a true, the same can be turned in the whole
        turns = next((value for value in (FALSE, TRUE) if all(within(each, value) for each in doubts)), None)
        return whole if whole.unsure == frozenset() else whole.of(None if turns is None else frozenset({turns}))
    if operator == "OPERATOR_NOT":
        return whole if whole.unsure == frozenset() else whole.of(_turned(parts[0].unsure))
    if operator in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
        return whole.of(frozenset({TRUE if operator == "OPERATOR_IS_NULL" else FALSE}) if whole.unsure == frozenset() else None)
    if kind == "COMPARISON" and operator not in ("COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"):
        return _compared(node, operator, parts, whole)
    if operator == "OPERATOR_COALESCE":
        return _coalesced(node, parts, whole)
    if kind == "CASE":
        return whole.of(_chosen(node, parts))
    if kind == "CAST" and not node.get("try_cast"):
        part = parts[0]
        return part if part.rises or part.unsure is None or part.unsure <= {TRUE, FALSE} else whole.of(None)
    strict = kind in ("BETWEEN",) or (kind == "FUNCTION" and str(node["function_name"]).lower() in _STRICT)
    strict |= operator in ("COMPARE_IN", "COMPARE_NOT_IN", "ARRAY_EXTRACT", "STRUCT_EXTRACT", "OPERATOR_CAST")
    return whole if strict and whole.unsure == frozenset() else whole.of(None)


def _compared(node: Node, operator: str, parts: Sequence[Worth], whole: Worth) -> Worth:
    if whole.unsure == frozenset():
        return whole
    sides = (node["left"], node["right"])
    for at in (0, 1):
        part, other, constant = parts[at], parts[1 - at], sides[1 - at]
        if not other.is_certain or constant["class"] != "CONSTANT":
            continue
        how = operator if at == 0 else MIRRORED.get(operator, operator)
        if part.rises:
            if how in ("COMPARE_GREATERTHAN", "COMPARE_GREATERTHANOREQUALTO"):
                return whole.of(frozenset({FALSE}))
            if how in ("COMPARE_LESSTHAN", "COMPARE_LESSTHANOREQUALTO"):
                return whole.of(frozenset({TRUE}))
            if str(constant["literal"].get("text")) == "0" and how in ("COMPARE_EQUAL", "COMPARE_NOTEQUAL"):
                return whole.of(frozenset({TRUE if how == "COMPARE_EQUAL" else FALSE}))
        elif part.unsure is not None and part.unsure == {_spelled(constant)} and how in ("COMPARE_EQUAL", "COMPARE_NOTEQUAL"):
            return whole.of(frozenset({TRUE if how == "COMPARE_EQUAL" else FALSE}))
    return whole.of(None)


def _coalesced(node: Node, parts: Sequence[Worth], whole: Worth) -> Worth:
    first, *rest = parts
    fallback = node["children"][1]
    if len(rest) != 1 or not rest[0].is_certain or fallback["class"] not in ("CONSTANT", "CAST"):
        return whole.of(None)
    said = _spelled(fallback)
    if first.rises and said == "0":
        return first
    if said is None or said == "0" or first.unsure is None:
        return whole.of(None)
    return whole.of(first.unsure | {said})


def _chosen(node: Node, parts: Sequence[Worth]) -> frozenset[str] | None:
    """The values of a CASE that could be others: of a branch that stays chosen those of its own, of any other what it gives."""
    *checks, other = [*((check["when_expr"], check["then_expr"]) for check in node["case_checks"]), (None, node["else_expr"])]
    if not is_of_one_kind(node):
        return None  # brought to one type they may be spelled in another way
    unsure: frozenset[str] | None = frozenset()
    may_turn = False  # whether one before may still become true
    for (when, then), asked, given in zip(checks, parts[0::2], parts[1::2], strict=False):
        stays = not may_turn and asked.unsure is not None and TRUE not in asked.unsure
        unsure = _either(unsure, given.unsure if stays else _gives(then))
        may_turn |= not asked.is_certain and not (says_something(when) and asked.unsure is not None and FALSE not in asked.unsure)
    return _either(unsure, _gives(other[1]) if may_turn else parts[-1].unsure)


def _either(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return None if one is None or other is None else one | other


def is_of_one_kind(node: Node) -> bool:
    """Whether all values that a CASE gives are of one kind, so that each is spelled as in its own branch."""
    kinds = _kinds(node)
    return len(kinds - {"NULL_LITERAL"}) <= 1 or kinds <= {"NULL_LITERAL", "BOOLEAN", "any"}


def _kinds(node: Node) -> frozenset[str]:
    """The kinds of constants that an expression gives; that of anything else is its own."""
    if node["class"] == "CASE":
        said = [*(check["then_expr"] for check in node["case_checks"]), node["else_expr"]]
        return frozenset(kind for each in said for kind in _kinds(each))
    return frozenset({str(node["literal"].get("kind"))}) if node["class"] == "CONSTANT" else frozenset({"any"})


def _gives(node: Node) -> frozenset[str] | None:
    """The values that an expression may have; None where they cannot be told."""
    if node["class"] == "CASE":
        found: frozenset[str] | None = frozenset()
        for each in (*(check["then_expr"] for check in node["case_checks"]), node["else_expr"]):
            found = _either(found, _gives(each))
        return found
    if node["class"] in ("COMPARISON", "CONJUNCTION") or node["type"] in _TRUTHS:
        return frozenset({TRUE, FALSE})
    if node["class"] != "CONSTANT":
        return None
    kind = node["literal"].get("kind")
    return frozenset() if kind == "NULL_LITERAL" else frozenset({str(_spelled(node))}) if kind in ("BOOLEAN", "STRING") else None


def says_something(node: Node) -> bool:
    """Whether a condition is true or false and never NULL."""
    if node["class"] == "CONJUNCTION" or node["type"] == "OPERATOR_NOT":
        return all(map(says_something, node["children"]))
    return node["type"] in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM")


_TRUTHS = frozenset("OPERATOR_NOT OPERATOR_IS_NULL OPERATOR_IS_NOT_NULL COMPARE_IN COMPARE_NOT_IN".split())
MIRRORED = {
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
}
"""What a comparison asks when its sides change places."""


def _turned(unsure: frozenset[str] | None) -> frozenset[str] | None:
    return None if unsure is None or not unsure <= {TRUE, FALSE} else frozenset(TRUE if each == FALSE else FALSE for each in unsure)


def _spelled(node: Node) -> str | None:
    """A constant as SQL; None for what is none."""
    while node["class"] == "CAST":
        node = node["child"]
    if node["class"] != "CONSTANT":
        return None
    literal = node["literal"]
    text = str(literal.get("text", ""))
    if literal.get("kind") == "BOOLEAN":
        return text.lower()
    # of numbers there are several spellings; zero is asked for by counts alone
    return text if literal.get("kind") == "STRING" or text == "0" else None
