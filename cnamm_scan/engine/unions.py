"""The SELECTs that a query unites, each to be judged by itself."""

from __future__ import annotations

from collections.abc import Sequence

from cnamm_scan.engine import parser
from cnamm_scan.engine.parser import Node
from cnamm_scan.engine.terms import aggregates


def selects_of(node: Node) -> list[Node]:
    """The SELECTs that a UNION ALL unites, each with the WITHs around it, and each for itself where another only reads on from that union.

    Any other query is one.
    """
    return [{**part, "cte_map": {"map": list(around)}} for part, around in _pieces(node, ())]


def _pieces(node: Node, before: tuple[Node, ...]) -> list[tuple[Node, tuple[Node, ...]]]:
    """(SELECT, the WITHs that it sees) of each."""
    around = (*before, *node["cte_map"]["map"])
    alone = {**node, "cte_map": {"map": []}}
    if node["type"] == "SET_OPERATION_NODE" and node["setop_all"] and not node["modifiers"] and node.get("children"):
        return [piece for child in node["children"] for piece in _pieces(child, around)]
    names = [str(entry["key"]).lower() for entry in around]
    first = _first(node) if len(set(names)) == len(names) else ""
    if first in names and _times(first, alone, around) == 1:
        at = names.index(first)
        value = around[at]["value"]
        inner = _pieces(value["query_node"], around[:at])
        if len(inner) > 1 and len({_called(piece) for piece, _ in inner}) == 1:
            read = [(seen, {**around[at], "value": {**value, "query_node": piece}}) for piece, seen in inner]
            return [(alone, (*seen, entry, *around[at + 1 :])) for seen, entry in read]
    return [(alone, around)]


def _first(node: Node) -> str:
    """The WITH of which a SELECT keeps each row for itself, however much it joins to it or filters; empty where there is none."""
    if node["type"] != "SELECT_NODE" or node["group_expressions"] or node["modifiers"] or node["having"] or node.get("qualify"):
        return ""
    if node["aggregate_handling"] == "FORCE_AGGREGATES" or any(each.get("class") == "WINDOW" for each in parser.nodes(node["select_list"])):
        return ""
    if any(aggregates(item) for item in node["select_list"]):
        return ""
    source = node["from_table"]
    while source["type"] == "JOIN" and source["join_type"] in ("INNER", "LEFT") and source["ref_type"] in ("REGULAR", "CROSS"):
        source = source["left"]
    path: Sequence[object] = source["qualified_name"]["path"] if source["type"] == "BASE_TABLE" else ()
    return str(path[0]).lower() if len(path) == 1 else ""


def _called(select: Node) -> tuple[str, ...]:
    """How the columns of a SELECT are called, with what a star is of."""
    said = []
    for item in select["select_list"]:
        name = item.get("alias") or (item["column_names"][-1] if item["class"] == "COLUMN_REF" else item["class"])
        said.append(f"* {item.get('relation_name')} {_first(select)}" if item["class"] == "STAR" else str(name).lower())
    return tuple(said)


def _times(name: str, *read: object) -> int:
    """How often a WITH is read."""
    tables = (each["qualified_name"]["path"] for each in parser.nodes(list(read)) if each.get("type") == "BASE_TABLE")
    return sum(len(path) == 1 and str(path[0]).lower() == name for path in tables)
