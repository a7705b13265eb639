"""Views that only grow: more rows beneath them make more rows of theirs, and change none. What was found in one stands, whatever was not.

Such a view filters, unites, joins by equal values and computes from one row at a time. One that counts, compares rows, keeps what has no
partner or asks what is absent is another one with every row more: it is made anew, or unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from cnamm_scan.engine import functions, parser
from cnamm_scan.engine.parser import nodes

Node = Mapping[str, Any]
_OF_ONE_ROW = functions.ALLOWED_FUNCTIONS | frozenset("coalesce nullif ifnull if greatest least concat unnest".split())
_WORDS = re.compile(r"\b(LEFT|RIGHT|FULL|GROUP|EXISTS|OVER|QUALIFY|EXCEPT|INTERSECT|count|bool_or|bool_and|max|min|sum)\b", re.IGNORECASE)
"""What most of the others have somewhere: they need no parsing. In a string or a name it costs a view that could have been kept."""
_PLACES = frozenset({"target", "region", "scan_time"})
"""Columns that rows which were not read have too: equal ones join nothing together."""


@lru_cache(maxsize=1024)
def only_grows(select: str, where: str) -> bool:
    """Whether rows of a view stay as they are whatever else is put into the tables beneath it. Raises ContentError for what is no SQL."""
    if _WORDS.search(select):
        return False
    (statement,) = parser.statements(select, where=where, do="write a single SELECT over fact tables")
    ctes = {str(entry["key"]).lower(): entry["value"]["query_node"] for node in nodes(statement) for entry in _ctes(node)}
    return all(map(_is_of_one_row, nodes(statement))) and _has_key(statement, ctes)


def _ctes(node: Node) -> list[Node]:
    found: list[Node] = node["cte_map"]["map"] if isinstance(node.get("cte_map"), dict) else []
    return found


def _is_of_one_row(node: Node) -> bool:
    """Whether one node of the tree leaves every row that it makes resting on one row of each table that it joins."""
    kind = str(node.get("type"))
    if node.get("class") in ("WINDOW", "SUBQUERY"):
        return False
    if node.get("class") == "FUNCTION":
        return str(node["function_name"]).lower() in _OF_ONE_ROW and node.get("filter") is None
    if kind == "SELECT_NODE":
        grouped = node["group_expressions"] or node["group_sets"] or node["having"] or node["qualify"]
        alone = node["aggregate_handling"] == "STANDARD_HANDLING" and node.get("sample") is None
        return not grouped and alone and all(each["type"] in ("DISTINCT_MODIFIER", "ORDER_MODIFIER") for each in node["modifiers"])
    if kind == "SET_OPERATION_NODE":
        return bool(node["setop_type"] == "UNION")
    if kind == "JOIN":
        return node["join_type"] == "INNER" and node["ref_type"] == "REGULAR" and any(map(_joins, _conditions(node["condition"])))
    return kind not in ("RECURSIVE_CTE_NODE", "PIVOT", "SHOW_REF", "LIMIT_MODIFIER") and not node.get("distinct_on_targets")


def _conditions(condition: Node | None) -> Iterator[Node]:
    if condition is None:
        return
    if condition["type"] == "CONJUNCTION_AND":
        for each in condition["children"]:
            yield from _conditions(each)
    else:
        yield condition


def _joins(condition: Node) -> bool:
    """Whether it holds for values that are equal and there: a row that was not read has none, and joins nothing."""
    sides = (condition.get("left"), condition.get("right"))
    return condition["type"] == "COMPARE_EQUAL" and all(
        isinstance(side, dict) and side["class"] == "COLUMN_REF" and side["column_names"][-1].lower() not in _PLACES for side in sides
    )


def _has_key(query: Node, ctes: Mapping[str, Node], at: int | None = None) -> bool:
    """Whether the key of each row is made of the key of a row beneath: of what was not read there is none, and so no row here."""
    if query["type"] == "SET_OPERATION_NODE":
        branches = query["children"] or [query["left"], query["right"]]
        if at is None:
            at = _place_of_key(_first(branches[0]))
        return at is not None and all(_has_key(branch, ctes, at) for branch in branches)
    columns = query["select_list"]
    if len(columns) == 1 and columns[0]["class"] == "STAR":
        table = query["from_table"]
        path = ".".join(table["qualified_name"]["path"]).lower() if table["type"] == "BASE_TABLE" else ""
        return path not in ctes or _has_key(ctes[path], ctes)
    at = _place_of_key(query) if at is None else at
    if at is None or at >= len(columns):
        return False
    made_of = list(nodes(columns[at]))
    swallows = any(node.get("class") in ("CASE", "OPERATOR") or node.get("function_name") in functions.SWALLOWS for node in made_of)
    return not swallows and any(node.get("class") == "COLUMN_REF" and node["column_names"][-1].lower() == "key" for node in made_of)


def _first(query: Node) -> Node:
    while query["type"] == "SET_OPERATION_NODE":
        query = (query["children"] or [query["left"]])[0]
    return query


def _place_of_key(query: Node) -> int | None:
    """Which column of a SELECT is its key."""
    for number, column in enumerate(query["select_list"]):
        name = column.get("alias") or (column["column_names"][-1] if column["class"] == "COLUMN_REF" else "")
        if str(name).lower() == "key":
            return number
    return None
