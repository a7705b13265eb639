"""What a view still says where a table beneath it was not read whole: read from its SELECT, before anything runs.

Rows that were found stay, as far as no row that was not seen could take them away. Of each column it is told which tables it looks up,
and which of its values could be another one if more of these had been seen. What cannot be told here is taken to be unsure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cnamm_scan.content import columns_of
from cnamm_scan.engine import parser
from cnamm_scan.engine.branches import BRANCH, Branch, branches_of, numbered
from cnamm_scan.engine.counts import LEAST
from cnamm_scan.engine.doubt import CERTAIN, FALSE, NOTHING, Tables, Worth, together, within
from cnamm_scan.engine.extract import quoted_key
from cnamm_scan.engine.needs import NO_NEEDS, Need, leaves_out, needs
from cnamm_scan.engine.parser import Node, children
from cnamm_scan.engine.readings import reading
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.terms import CannotTellError, Grouped, Relation, Scope, aggregates, names_of, worth
from cnamm_scan.engine.ties import TIES, Asked, ties, united
from cnamm_scan.engine.unions import selects_of
from cnamm_scan.model import ESTATE_TABLE, Content

PLACES = ("target", "region")
INTERNAL = ("_fact", "_ghost", "_gaps", "_shadow", "_weight", "_outside", LEAST)
"""Columns that every table has and no content names; a star has them."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the SELECTs that a view unites, each judged by itself."""

    made: Relation
    names: str
    """How its columns are called in the view, as SQL behind an alias; empty where they are called so themselves."""
    number: int
    """Its place among them."""
    branches: Mapping[str, tuple[int, tuple[Branch, ...]]]
    """Column that a CASE gives and that is in doubt -> its place in the SELECT, and the branches of the CASE."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a view's rows are worth: all of them, and those of each of its parts."""

    made: Relation
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Told:
    """A reading, or why there is none."""

    reading: Reading | None
    why: str = ""


def read_worth(
    content: Content, view: str, dark: Iterable[str] | None = None, known: Mapping[str, Mapping[str, bool]] | None = None
) -> Reading:
    """Read a view's SELECT, as far as these tables beneath it are dark; all of them where nothing is said. Raises CannotTellError.

    `known` is what columns say of all unread rows of a table: a SELECT that leaves such rows out is not touched by them.
    """
    tables = read_view(content, view).tables
    doubted = tables if dark is None else tables.intersection(dark)
    said = {table: columns for table, columns in sorted((known or {}).items()) if table in doubted and columns}
    name = f"doubt {view} of {' '.join(sorted(doubted))}"
    if said:
        name += f" where {' '.join(f'{table}.{column}={value}' for table in said for column, value in sorted(said[table].items()))}"
    told = reading(content, name, _Told, lambda: _told(content, view, doubted, said))
    if told.reading is None:
        raise CannotTellError(told.why)
    return told.reading


def _told(content: Content, view: str, dark: Tables, known: Mapping[str, Mapping[str, bool]]) -> _Told:
    try:
        return _Told(_read_worth(content, view, dark, known))
    except CannotTellError as error:
        return _Told(None, str(error))


def _read_worth(content: Content, view: str, dark: Tables, known: Mapping[str, Mapping[str, bool]]) -> Reading:
    spec = content.views[view]
    (node,) = parser.statements(spec.select, where=f"{spec.source} ({view})", do="write one SELECT")
    reader = _Reader(content, dark, known)
    made = reader.query(node, {})
    if not {"target", "region", "key"} <= made.columns.keys():
        raise CannotTellError(f"columns of {view}")
    by_name = node.get("setop_type") == "UNION_BY_NAME"
    parts = []
    for number, each in enumerate(selects_of(node)):
        relation, names = reader.query(each, {}), ""
        branches = reader.branches(each)
        if not by_name and list(relation.columns) != list(made.columns):
            if len(relation.columns) != len(made.columns):
                raise CannotTellError(f"columns of {view}")
            relation = replace(relation, columns=dict(zip(made.columns, relation.columns.values(), strict=True)))
            names = f"({', '.join(map(quoted_key, (*made.columns, *(f'{BRANCH}{place}' for place in branches))))})"
        called = list(relation.columns)
        parts.append(Part(relation, names, number, {called[place]: (place, found) for place, found in branches.items()}))
    return Reading(made, tuple(parts))


def part_sql(content: Content, view: str, part: Part, dark: Tables) -> str:
    """The SELECT of a view's part in which the unread rows of these tables are left out, and the branches of its CASEs are given."""
    places = [place for place, _ in part.branches.values()]

    def written() -> str:
        spec = content.views[view]
        (node,) = parser.statements(spec.select, where=f"{spec.source} ({view})", do="write one SELECT")
        tree = selects_of(node)[part.number]
        if places:
            more = [{**numbered(tree["select_list"][place]), "alias": f"{BRANCH}{place}"} for place in places]
            tree = {**tree, "select_list": [*tree["select_list"], *more]}
        return parser.text(_without_unread(tree, dark))

    name = f"part {view} {part.number} without {' '.join(sorted(dark))}"
    return reading(content, f"{name}, branches {' '.join(map(str, places))}" if places else name, str, written)


def _without_unread(tree: Node, dark: Tables) -> Node:
    """A copy of the tree in which these tables are read without the rows that stand for what was not read."""

    def read(node: Node) -> Node | None:
        if node.get("type") != "BASE_TABLE" or (table := ".".join(node["qualified_name"]["path"])) not in dark:
            return None
        return parser.source(f'(SELECT * FROM {table} WHERE _ghost IS NULL) AS "{node["alias"] or node["table_name"]}"')

    made: Node = parser.changed(tree, read)
    return made


class _Reader:
    def __init__(self, content: Content, dark: Tables, known: Mapping[str, Mapping[str, bool]]) -> None:
        self.content = content
        self.dark = dark
        self.known = known
        self._needs: frozenset[Need] = NO_NEEDS
        """What the SELECT that is read asks of its rows."""
        self._last: tuple[Node, Scope] | None = None
        """The SELECT that was read last and what names meant in it, where each row of it stands for itself."""

    def branches(self, node: Node) -> dict[int, tuple[Branch, ...]]:
        """Place in the SELECT that was read last -> the branches of the CASE that stands there, of those that are in doubt."""
        if self._last is None or self._last[0] is not node or node["modifiers"]:
            return {}
        items, scope = node["select_list"], self._last[1]
        if any(item["class"] == "STAR" for item in items):
            return {}  # places are not those of its columns
        cases = {place: item for place, item in enumerate(items) if item["class"] == "CASE"}
        return {place: branches_of(item, scope) for place, item in cases.items() if worth(item, scope).unsure != frozenset()}

    def _scope(self, aliases: Mapping[str, Relation]) -> Scope:
        return Scope(aliases, self.dark)

    # ---- queries -----------------------------------------------------------------------------------------------------

    def query(self, node: Node, known: Mapping[str, Relation]) -> Relation:
        for entry in node["cte_map"]["map"]:
            if entry["value"]["aliases"]:
                raise CannotTellError("columns of a WITH renamed")
            known = {**known, str(entry["key"]).lower(): self.query(entry["value"]["query_node"], known)}
        if any(modifier["type"] not in ("DISTINCT_MODIFIER", "ORDER_MODIFIER") for modifier in node["modifiers"]):
            raise CannotTellError("a modifier")
        if node["type"] == "SET_OPERATION_NODE":
            return self._union(node, known)
        if node["type"] != "SELECT_NODE" or node.get("qualify") is not None or len(node.get("group_sets") or []) > 1:
            raise CannotTellError(node["type"])
        return self._select(node, known)

    def _union(self, node: Node, known: Mapping[str, Relation]) -> Relation:
        by_name = node["setop_type"] == "UNION_BY_NAME"
        if node["setop_type"] not in ("UNION", "UNION_BY_NAME"):
            raise CannotTellError(node["setop_type"])
        several = [self.query(each, known) for each in (node["children"] if node.get("children") else (node["left"], node["right"]))]
        names = list(dict.fromkeys(name for each in several for name in each.columns)) if by_name else list(several[0].columns)
        columns: dict[str, Worth] = {}
        for at, name in enumerate(names):
            parts = [each.columns.get(name, CERTAIN) if by_name else list(each.columns.values())[at] for each in several]
            doubts = [part for part in parts if not part.is_certain]
            unsure: frozenset[str] | None = frozenset()
            for part in doubts:
                unsure = None if unsure is None or part.unsure is None else unsure | part.unsure
            columns[name] = Worth(NOTHING.union(*(part.tables for part in doubts)), unsure)
        tables = NOTHING.union(*(each.tables for each in several))
        bound = united(several, tables)
        return Relation(
            columns,
            tables,
            NOTHING.union(*(each.adds for each in several)),
            NOTHING.union(*(each.loses for each in several)),
            NOTHING.union(*(each.repeats for each in several)),
            bound.tied,
            bound.held,
        )

    def _select(self, node: Node, known: Mapping[str, Relation]) -> Relation:
        aliases: dict[str, Relation] = {}
        asked = Asked()
        around, self._needs = self._needs, needs(node["where_clause"], is_alone=node["from_table"]["type"] == "BASE_TABLE")
        whole = self._from(node["from_table"], known, aliases, asked)
        self._needs = around
        whole = self._filtered(whole, node["where_clause"], self._scope(aliases), asked)
        items = self._items(node["select_list"], aliases)
        is_grouped = bool(node["group_expressions"]) or node["aggregate_handling"] == "FORCE_AGGREGATES"
        is_whole = not is_grouped and any(aggregates(item) for _, item in items)
        scope = self._scope(aliases)
        grouping: list[Node] = []
        if node["aggregate_handling"] == "FORCE_AGGREGATES":
            grouping = [item for _, item in items if not aggregates(item)]
        elif is_grouped:
            by_name = dict(items)
            for each in node["group_expressions"]:
                names = [str(name).lower() for name in each.get("column_names", ())]
                grouping.append(by_name[names[0]] if len(names) == 1 and names[0] in by_name and scope.place(names) is None else each)
        if is_grouped or is_whole:
            scope = replace(scope, grouped=self._grouped(whole, grouping, scope))
        said: dict[str, Worth] = {}
        for name, item in items:
            said[name if name not in said else f"{name}#{len(said)}"] = worth(item, replace(scope, said=said))
        made = whole
        if is_whole:
            made = replace(whole, adds=NOTHING, loses=NOTHING, repeats=NOTHING)
        elif is_grouped:
            # who is grouped by what he did not find may be in another group; a group of one row of its owner is then that row once more
            doubt = together(worth(each, self._scope(aliases)) for each in grouping)
            assert scope.grouped is not None
            gone = NOTHING if scope.grouped.fixed else doubt.tables
            made = replace(whole, adds=whole.adds | doubt.tables, loses=whole.loses | gone, repeats=doubt.tables)
        if node["having"] is not None:
            made = self._filtered(made, node["having"], replace(scope, said=said), Asked())
        places = {name: self._scope(aliases).place(names_of(item)) for name, item in items if item["class"] == "COLUMN_REF"}
        keys = {}
        for name, place in places.items():
            if place is not None and place[1] in aliases[place[0]].keys:
                keys[name] = aliases[place[0]].keys[place[1]]
        bound = ties(places, self._scope(aliases), asked, node)
        self._last = None if is_grouped or is_whole else (node, replace(scope, said=said))
        unique = _unique(items, grouping, self._scope(aliases)) if is_grouped or is_whole else None
        return replace(made, columns=said, tied=bound.tied, held=bound.held, keys=keys, unique=unique)

    def _items(self, select: Sequence[Node], aliases: Mapping[str, Relation]) -> list[tuple[str, Node]]:
        """(name, expression) of what is selected; stars written out."""
        items: list[tuple[str, Node]] = []
        for item in select:
            if item["class"] == "STAR":
                if item.get("expr") is not None or item.get("columns") or item.get("rename_list") or item.get("qualified_exclude_list"):
                    raise CannotTellError("a star of some columns")
                instead = {str(each["key"]).lower(): each["value"] for each in item.get("replace_list") or ()}
                of = str(item.get("relation_name") or "").lower()
                left_out = {str(each).lower() for each in item.get("exclude_list") or ()}
                for alias, relation in aliases.items():
                    if not of or alias == of:
                        items += [(name, instead.get(name) or _column(alias, name)) for name in relation.columns if name not in left_out]
                continue
            name = str(item.get("alias") or (item["column_names"][-1] if item["class"] == "COLUMN_REF" else "")).lower()
            if not name and item["class"] == "FUNCTION" and item["function_name"].lower() == "struct_extract":
                name = str(item["arguments"][-1]["expression"].get("literal", {}).get("text", "")).lower()
            items.append((name or f"#{len(items)}", item))
        return items

    def _grouped(self, whole: Relation, grouping: Sequence[Node], scope: Scope) -> Grouped:
        named = [scope.place(names_of(each)) for each in grouping if each["class"] == "COLUMN_REF"]
        places = {place for place in named if place is not None}
        fixed = set()
        owners: set[str] = set()
        for alias, column in places:
            owner = scope.aliases[alias].keys.get(column)
            if owner is not None and all((alias, place) in places for place in PLACES if place in scope.aliases[alias].columns):
                fixed.add(alias)
                owners.add(owner)
        # of a group that holds one row of its owner no unread row of that owner is another member
        return Grouped((whole.adds - owners) | whole.repeats, whole.loses, frozenset(fixed))

    # ---- FROM --------------------------------------------------------------------------------------------------------

    def _from(self, node: Node, known: Mapping[str, Relation], aliases: dict[str, Relation], asked: Asked) -> Relation:
        kind = node["type"]
        if kind == "JOIN":
            return self._join(node, known, aliases, asked)
        if kind == "EMPTY":
            return Relation({}, NOTHING, NOTHING)
        alias = str(node.get("alias") or "").lower()
        if kind == "BASE_TABLE":
            if node.get("column_name_alias"):
                raise CannotTellError("columns renamed")
            path = [str(part).lower() for part in node["qualified_name"]["path"]]
            alias = alias or path[-1]
            made = known[path[0]] if len(path) == 1 and path[0] in known else self._table(".".join(path), alias)
        elif kind == "SUBQUERY":
            if node.get("column_name_alias"):
                raise CannotTellError("columns renamed")
            made = self.query(node["subquery"]["node"], known)
        elif kind in ("TABLE_FUNCTION", "EXPRESSION_LIST"):
            listed = together(worth(each, self._scope(aliases)) for each in children(node))
            names = [str(each).lower() for each in node.get("column_name_alias") or ()] or [alias or "unnest", "unnest"]
            made = Relation(
                dict.fromkeys(names, listed.of(None) if listed.unsure is None else listed),
                listed.tables,
                listed.tables,
                listed.tables if listed.unsure is None else NOTHING,
                listed.tables,
                dict.fromkeys(TIES, listed.tables),
            )
        else:
            raise CannotTellError(kind)
        alias = alias or f"#{len(aliases)}"
        if alias in aliases:
            raise CannotTellError("a name twice")
        aliases[alias] = made
        return replace(made, keys={}, tied={}, held={})

    def _table(self, table: str, alias: str) -> Relation:
        columns = dict.fromkeys((*columns_of(self.content, table), *INTERNAL), CERTAIN)
        own = NOTHING if leaves_out(self._needs, alias, self.known.get(table, {})) else self.dark & {table}
        ties = [place for place in TIES if place in columns]
        return Relation(columns, own, own, tied=dict.fromkeys(ties, own), keys={"key": table})

    def _join(self, node: Node, known: Mapping[str, Relation], aliases: dict[str, Relation], asked: Asked) -> Relation:
        if node["join_type"] not in ("INNER", "LEFT") or node["ref_type"] not in ("REGULAR", "CROSS"):
            raise CannotTellError(f"{node['ref_type']} {node['join_type']}")
        left = self._from(node["left"], known, aliases, asked)
        before, around = set(aliases), self._needs
        self._needs = around | needs(node.get("condition"))  # who does not meet it is not joined, be it an outer join
        right = self._from(node["right"], known, aliases, asked)
        self._needs = around
        new = [alias for alias in aliases if alias not in before]
        condition = node.get("condition")
        held = self._using(node["using_columns"], aliases, new)
        doubt = (
            together(worth(each, self._scope(aliases)) for each in held) if condition is None else worth(condition, self._scope(aliases))
        )
        tables, repeats = left.tables | right.tables, left.repeats | right.repeats
        for each in (*held, condition):
            asked.hear(each, frozenset(new), left=node["join_type"] == "LEFT")
        lost = right.loses | (NOTHING if within(doubt, FALSE) else doubt.tables)
        if node["join_type"] == "INNER":
            return Relation({}, tables, left.adds | right.adds | doubt.tables, left.loses | lost, repeats | doubt.tables)
        # who found nobody might have found somebody: NULL may become something, and what is there stays unless its row can go
        looked = right.adds | right.loses | doubt.tables
        again = right.repeats if self._is_met_once(new, aliases, asked) else right.repeats | looked
        for alias in new:
            relation = aliases[alias]
            aliases[alias] = replace(
                relation,
                columns={
                    name: Worth(own.tables | looked, None if lost or own.unsure is None else own.unsure, own.rises and not lost)
                    for name, own in relation.columns.items()
                },
                keys={},
            )
        return Relation({}, tables, left.adds, left.loses, left.repeats | again)

    def _is_met_once(self, new: Sequence[str], aliases: Mapping[str, Relation], asked: Asked) -> bool:
        """Whether the one alias that was joined last has at most one row for each: by what it was grouped by, or by the key of a table."""
        (alias, *others), scope = new, self._scope(aliases)
        met = set()
        for pair, of in asked.pairs:
            sides = [scope.place(names_of(side)) for side in (pair["left"], pair["right"])]
            mine = [side[1] for side in sides if side is not None and side[0] == alias]
            if alias in of and len(mine) == 1 and None not in sides:
                met.add(mine[0])
        unique = aliases[alias].unique
        if not others and unique is not None and unique <= met:
            return True
        tables = {table for column, table in aliases[alias].keys.items() if column in met}
        return not others and "target" in met and any("region" in met or not is_by_region(self.content, table) for table in tables)

    @staticmethod
    def _using(names: Sequence[str], aliases: Mapping[str, Relation], new: Sequence[str]) -> list[Node]:
        """USING, written as the comparisons that it stands for."""
        made: list[Node] = []
        for name in (str(each).lower() for each in names):
            sides = [
                next((alias for alias in several if name in aliases[alias].columns), None) for several in (set(aliases) - set(new), new)
            ]
            if None in sides:
                raise CannotTellError("USING")
            left, right = (_column(str(side), name) for side in sides)
            made.append({"class": "COMPARISON", "type": "COMPARE_EQUAL", "left": left, "right": right})
        return made

    def _filtered(self, whole: Relation, condition: Node | None, scope: Scope, asked: Asked) -> Relation:
        if condition is None:
            return whole
        doubt = worth(condition, scope)
        asked.hear(condition)
        lost = NOTHING if within(doubt, FALSE) else doubt.tables
        return replace(whole, adds=whole.adds | doubt.tables, loses=whole.loses | lost, repeats=whole.repeats | doubt.tables)


def _unique(items: Sequence[tuple[str, Node]], grouping: Sequence[Node], scope: Scope) -> frozenset[str] | None:
    """The names of all that a SELECT groups by; None where it does not give one of them."""
    if len({name for name, _ in items}) < len(items):
        return None
    names = set()
    for each in grouping:
        place = scope.place(names_of(each)) if each["class"] == "COLUMN_REF" else None
        said = (
            name
            for name, item in items
            if item is each or (place is not None and item["class"] == "COLUMN_REF" and scope.place(names_of(item)) == place)
        )
        name = next(said, None)
        if name is None:
            return None
        names.add(name)
    return frozenset(names)


def _column(alias: str, name: str) -> Node:
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "column_names": [alias, name]}


def is_by_region(content: Content, table: str) -> bool:
    """Whether rows of a table or view, and what stands for those that were not read, may stand in a region."""
    if table in content.tables:
        return content.tables[table].once_per == "region"
    if table in content.views:
        return any(is_by_region(content, base) for base in read_view(content, table).tables)
    return table != ESTATE_TABLE
