"""Look-ups into tables that were not read whole: `ANY (SELECT …)` is NULL only where a row that was not seen could turn it.

What was found is asked as it stands. Beside it stands the doubt: an unread row, or one whose id was not read, that may meet the condition.
True OR NULL is true, and false OR NULL is NULL: so one row that was found decides, and a look-up that found nothing is a doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnamm_scan.content import columns_of, key_paths
from cnamm_scan.engine import parser
from cnamm_scan.engine.parser import Node, nodes
from cnamm_scan.engine.worth import is_by_region
from cnamm_scan.model import ROOM, Content


@dataclass(frozen=True, slots=True)
class Subquery:
    """One `ANY (SELECT … FROM table)`: how a listing that failed touches it."""

    table: str
    by_region: bool
    joins: tuple[tuple[str, str], ...]
    """(column, column of `this`) pairs that the WHERE joins by."""
    by_target: bool = True
    asks_region: bool = False
    """Whether its condition asks the region of the inner row, so that rows of others are none."""


def is_exact(content: Content, lookup: Subquery) -> bool:
    """Whether the subquery as it is written is NULL where it must be: an unread row stays in, and no more than its place is known of it."""
    table = content.tables.get(lookup.table)
    if lookup.joins or table is None or table.as_of is not None:  # of a row that is too old it is known which one it is
        return False
    return not any((column.path or "").startswith("parent.") for column in table.columns.values())


def honest(content: Content, tree: Node, lookups: Sequence[tuple[Node, Subquery]], others: Mapping[int, Node]) -> str:
    """The expression as SQL, each of these subqueries of its tree with the doubt beside it, and `others` in place of their nodes."""
    instead = dict(others)
    for node, lookup in lookups:
        if not is_exact(content, lookup):
            instead[id(node)] = parser.changed(_with_doubt(content, node, lookup), lambda each: others.get(id(each)))
    return parser.text(parser.selecting(parser.changed(tree, lambda node: instead.get(id(node))))).removeprefix("SELECT ")


def _with_doubt(content: Content, node: Node, lookup: Subquery) -> Node:
    select = node["subquery"]["node"]
    source = select["from_table"]
    source = {**source, "alias": source["alias"] or source["qualified_name"]["path"][-1]}
    names = {"_t": source["alias"]}
    for number, (inner, outer) in enumerate(lookup.joins):
        names |= {f"_inner{number}": inner, f"_outer{number}": outer}
    read = _filled(parser.expression("_t._ghost IS NULL"), names, {})
    where = (
        read
        if select["where_clause"] is None
        else _filled(parser.expression("_one AND _other"), {}, {"_one": select["where_clause"], "_other": read})
    )
    found = {**node, "subquery": {**node["subquery"], "node": {**select, "where_clause": where}}}
    sides = {"left": _of_this(node["child"]), "right": select["select_list"][0]}
    condition = {**parser.expression("a = b"), "type": node["comparison_type"], **sides}
    text = f"_found OR (({_doubt(lookup, is_one=_is_one(content, lookup))}) AND NULL)"
    return _filled(parser.expression(text), names, {"_found": found, "_condition": condition, "_source": source})


def _doubt(lookup: Subquery, *, is_one: bool) -> str:
    """SQL of whether a row `_t` of `_source` that was not seen whole may be the one; `_condition` is what the subquery asks of a row.

    Names are numbers, so that few texts are ever parsed.
    """
    place = ["_t.target = this.target"] if lookup.by_target else []
    place += ["_t.region = this.region"] if lookup.by_region else []
    pairs = [(f"_t._inner{number}", f"this._outer{number}") for number in range(len(lookup.joins))]
    unread = " OR ".join(["_t._ghost IS NOT NULL", *(f"{inner} IS NULL" for inner, _ in pairs)])
    # an unread row whose id is known can only be missed by whoever joins that id, and one that cannot meet the condition by nobody
    may_join = [
        f"({inner} IS NULL{_elsewhere(outer) if name == ROOM else ''} OR {inner} = {outer})"
        for (inner, outer), (name, _) in zip(pairs, lookup.joins, strict=True)
    ]
    asked = " AND ".join([*place, f"({unread})", *may_join, "_condition IS DISTINCT FROM false"])
    doubt = " OR ".join([*(f"{outer} IS NULL" for _, outer in pairs), f"EXISTS (SELECT 1 FROM _source WHERE {asked})"])
    if not is_one:
        return doubt
    met = " AND ".join([*place, "_t._ghost IS NULL", *(f"{inner} = {outer}" for inner, outer in pairs)])
    return f"({doubt}) AND NOT EXISTS (SELECT 1 FROM _source WHERE {met})"


def _elsewhere(room: str) -> str:
    """SQL of whether an unread row of which the room is not known may be in this one: it may be known where it is not."""
    return f" AND NOT COALESCE(list_contains(_t._outside, {room}), false)"


def _is_one(content: Content, lookup: Subquery) -> bool:
    """Whether at most one row can be met: who found it need not look any further."""
    inner = {name for name, _ in lookup.joins}
    if not lookup.by_target or (is_by_region(content, lookup.table) and not lookup.by_region):
        return False
    if "key" in inner:
        return True
    table = content.tables.get(lookup.table)
    if table is None:
        return False
    columns = columns_of(content, lookup.table)
    return set(key_paths(table.key)) <= {
        columns[name].path for name in inner if columns[name].type == "text" and columns[name].absent is None
    }


def _of_this(node: Node) -> Node:
    """What stands before ANY, named so that it means the same inside: its plain names are columns of the row that is judged."""

    elements = {
        str(each["column_names"][0])
        for one in nodes(node)
        if one.get("class") == "LAMBDA"
        for each in nodes(one["lhs"])
        if "column_names" in each
    }

    def named(one: Node) -> Node | None:
        if one.get("class") != "COLUMN_REF" or one["column_names"][0] in ("this", *elements):
            return None
        return {**one, "column_names": ["this", *one["column_names"]]}

    made: Node = parser.changed(node, named)
    return made


def _filled(tree: Node, names: Mapping[str, str], instead: Mapping[str, Node]) -> Node:
    """A template's tree with names and whole nodes put in."""

    def put(node: Node) -> Node | None:
        if node.get("type") == "BASE_TABLE":
            return instead.get(node["table_name"])
        if node.get("class") != "COLUMN_REF":
            return None
        said = node["column_names"]
        return instead.get(said[0]) or {**node, "column_names": [names.get(name, name) for name in said]}

    made: Node = parser.changed(tree, put)
    return made
