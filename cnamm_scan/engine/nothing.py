"""When a SELECT gives no row and an expression no answer, whatever else it asks: read from the text, so that neither has to run.

Both are held to the safe side: what is not read here is taken to give something, and then DuckDB is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from cnamm_scan.engine import parser
from cnamm_scan.engine.functions import ALLOWED_AGGREGATES, ALLOWED_FUNCTIONS, BY_ORDER
from cnamm_scan.engine.lookups import Subquery
from cnamm_scan.engine.parser import Node, children, nodes
from cnamm_scan.engine.readings import reading
from cnamm_scan.model import Content

Recipe = bool | str | tuple["Recipe", ...]
"""When a SELECT gives no row: always, never, when a table has none, or (`all`, …) and (`any`, …) of these."""
_AGGREGATES = ALLOWED_AGGREGATES | BY_ORDER
_WRAPS = frozenset("list_value row struct_pack".split())
"""Give a value for NULL; every other function of a rule gives NULL for NULL."""
Answers = frozenset[bool | None]
"""What an expression may come to."""
ANYTHING: Answers = frozenset({True, False, None})
NULL: Answers = frozenset({None})


def gives_nothing(recipe: Recipe, is_empty: Mapping[str, bool]) -> bool:
    """Whether no row can come where these tables have none."""
    if isinstance(recipe, bool):
        return recipe
    if isinstance(recipe, str):
        return is_empty.get(recipe, False)
    how, *parts = recipe
    return (all if how == "all" else any)(gives_nothing(part, is_empty) for part in parts)


def read_recipe(content: Content, view: str) -> Recipe:
    """When a view's SELECT gives no row. The view has been read: it is one SELECT."""
    found: list[Recipe] = reading(content, f"recipe {view}", list, lambda: [_read_recipe(content, view)])
    return found[0]


def _read_recipe(content: Content, view: str) -> Recipe:
    spec = content.views[view]
    (node,) = parser.statements(spec.select, where=f"{spec.source} ({view})", do="write one SELECT")
    return _query(node, {})


def _query(node: Node, known: Mapping[str, Recipe]) -> Recipe:
    for entry in node.get("cte_map", {}).get("map", ()):
        known = {**known, str(entry["key"]).lower(): _query(entry["value"]["query_node"], known)}
    if node["type"] == "SET_OPERATION_NODE":
        parts = [_query(each, known) for each in node.get("children") or (node["left"], node["right"])]
        kind = node["setop_type"]
        if kind in ("UNION", "UNION_BY_NAME"):
            return ("all", *parts)
        return parts[0] if kind == "EXCEPT" else ("any", *parts) if kind == "INTERSECT" else False
    if node["type"] != "SELECT_NODE" or _is_of_one_row(node):
        return False
    return _from(node["from_table"], known)


def _is_of_one_row(node: Node) -> bool:
    """Whether a SELECT may gather no rows to one."""
    sets = node.get("group_sets") or []
    if any(not each for each in sets) or len(sets) > 1:
        return True
    aggregates = [any(_is_aggregate(each) for each in nodes(item)) for item in node["select_list"]]
    if node["aggregate_handling"] == "FORCE_AGGREGATES":
        return all(
            is_one or item["class"] not in ("COLUMN_REF", "STAR") for is_one, item in zip(aggregates, node["select_list"], strict=True)
        )
    return not node["group_expressions"] and (any(aggregates) or node["having"] is not None)


def _is_aggregate(node: Node) -> bool:
    return node.get("class") == "FUNCTION" and str(node["function_name"]).lower() in _AGGREGATES


def _from(node: Node, known: Mapping[str, Recipe]) -> Recipe:
    match node["type"]:
        case "BASE_TABLE":
            path = [str(part).lower() for part in node["qualified_name"]["path"]]
            return known.get(path[0], False) if len(path) == 1 else ".".join(path)
        case "SUBQUERY":
            return _query(node["subquery"]["node"], known)
        case "JOIN":
            left, right = _from(node["left"], known), _from(node["right"], known)
            if node["ref_type"] in ("REGULAR", "NATURAL", "CROSS", "DEPENDENT") and node["join_type"] in ("INNER", "LEFT"):
                return ("any", left, right) if node["join_type"] == "INNER" else left
            return ("all", left, right)
    return False


def connected(node: Node, asked: Callable[[Node], Answers]) -> Answers:
    """What an expression may come to, worked out through AND, OR, NOT, true, false and NULL; `asked` says it of all else in it."""
    kind, operator = node["class"], node["type"]
    if kind == "CONJUNCTION":
        found, *others = [connected(child, asked) for child in node["children"]]
        for more in others:
            found = frozenset(_joined(one, other, either=operator == "CONJUNCTION_OR") for one in found for other in more)
        return found
    if operator == "OPERATOR_NOT":
        return frozenset(None if one is None else not one for one in connected(node["children"][0], asked))
    if is_null(node):
        return NULL
    if kind == "CONSTANT" and node["literal"].get("kind") == "BOOLEAN":
        return frozenset({node["literal"]["text"].lower() == "true"})
    return asked(node)


def is_null(node: Node) -> bool:
    """Whether a node is the word NULL."""
    return node.get("class") == "CONSTANT" and node["literal"].get("kind") == "NULL_LITERAL"


def answers(node: Node, place: Collection[str], lookups: Sequence[tuple[Node, Subquery]]) -> Answers:
    """What an expression of a rule may come to for a row of which nothing is known but its `place`: every other column is NULL."""
    return connected(node, lambda each: _answers(each, place, lookups))


def _answers(node: Node, place: Collection[str], lookups: Sequence[tuple[Node, Subquery]]) -> Answers:
    kind, operator = node["class"], node["type"]
    if kind == "COLUMN_REF":
        names = node["column_names"]
        return ANYTHING if (names[1] if names[0] == "this" and len(names) > 1 else names[0]) in place else NULL
    if kind == "SUBQUERY":  # who joins by what he does not know finds nobody, and may have missed somebody
        return NULL if any(outer not in place for each, lookup in lookups if each is node for _, outer in lookup.joins) else ANYTHING
    if operator in ("COMPARE_IN", "ARRAY_EXTRACT", "STRUCT_EXTRACT") or kind in ("CAST", "BETWEEN"):  # 1 BETWEEN 2 AND NULL is false
        first = next(iter(children(node)), None)
        return NULL if first is not None and answers(first, place, lookups) == NULL else ANYTHING
    if kind == "COMPARISON" or (kind == "FUNCTION" and str(node["function_name"]).lower() in ALLOWED_FUNCTIONS - _WRAPS):
        within = [each for each in children(node) if each["class"] != "LAMBDA"]
        return NULL if any(answers(each, place, lookups) == NULL for each in within) else ANYTHING
    return ANYTHING


def _joined(one: bool | None, other: bool | None, *, either: bool) -> bool | None:
    """AND and OR as SQL has them."""
    if either in (one, other):
        return either
    return None if None in (one, other) else not either
