"""Reads a rule's SQL without running it: what it asks for, and whether it may be asked.

DuckDB's own parser does the reading (`json_serialize_sql`), so what is judged here is what will run. Everything that is not
named as allowed is refused: expressions come from third-party packs.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import duckdb

from cnamm_scan.content import ENGINE_TABLES, columns_of
from cnamm_scan.errors import ContentError, did_you_mean
from cnamm_scan.model import Column, Content, Made

ALLOWED_FUNCTIONS = frozenset(
    # comparison, text and patterns
    "~~ !~~ ~~* !~~* ~~~ ! lower upper trim ltrim rtrim length strlen substring substr left right replace split_part split string_split"
    " starts_with prefix ends_with suffix contains instr position regexp_matches regexp_full_match regexp_extract regexp_replace"
    " reverse lpad rpad || "
    # arithmetic
    " + - * / // % ** abs round floor ceil trunc sign mod "
    # time, always from a column
    " date_diff datediff date_sub date_trunc date_part datepart epoch year month day hour to_days to_hours to_minutes"
    " to_months to_years to_seconds to_weeks make_timestamp strptime strftime "
    # lists, structs and JSON
    " len array_length cardinality list_value list_contains list_has array_contains list_has_any list_has_all array_has_any"
    " array_has_all list_filter filter list_transform list_apply list_extract list_element list_distinct list_sort"
    " list_slice list_position list_unique flatten && @> <@ ^@ range struct_pack struct_extract row map_keys map_values map_extract"
    " -> ->> json_extract json_extract_string json_extract_path json_extract_path_text json_array_length json_keys json_type"
    " json_contains json_exists json_valid cast".split()
)
"""Functions that a rule may use: each gives NULL for NULL and depends on its arguments alone."""

ALLOWED_AGGREGATES = frozenset(
    "count count_star sum avg min max median quantile_cont bool_or bool_and count_if"
    " coalesce nullif ifnull if greatest least concat unnest".split()
)
"""What a view may use besides: a view's author answers for NULL. None depends on the order of rows, as mode or any_value would."""

_BY_ORDER = frozenset("any_value first last mode list array_agg string_agg arg_max arg_min max_by min_by".split())
"""Aggregates that give another answer for another order of rows: refused in views too."""

_SWALLOWS = {
    "coalesce": "COALESCE",
    "ifnull": "IFNULL",
    "nullif": "NULLIF",
    "concat": "concat",
    "concat_ws": "concat_ws",
    "greatest": "greatest",
    "least": "least",
    "if": "if",
}
_CLOCKS = frozenset(
    "now today age current_date current_time current_timestamp localtime localtimestamp get_current_timestamp random uuid".split()
)
_NODE_CLASSES = frozenset(
    "COLUMN_REF CONSTANT COMPARISON CONJUNCTION FUNCTION OPERATOR CAST SUBQUERY BETWEEN PARAMETER LAMBDA TYPE".split()
)
_VIEW_CLASSES = _NODE_CLASSES | {"CASE", "STAR", "WINDOW"}
_REFUSED_OPERATORS = {
    "OPERATOR_IS_NULL": "IS NULL",
    "OPERATOR_IS_NOT_NULL": "IS NOT NULL",
    "OPERATOR_COALESCE": "COALESCE",
    "OPERATOR_TRY": "TRY",
    "COMPARE_DISTINCT_FROM": "IS DISTINCT FROM",
    "COMPARE_NOT_DISTINCT_FROM": "IS NOT DISTINCT FROM",
}
_WRAPS = frozenset("list_value row struct_pack".split())
"""Put NULL inside a value that is not NULL itself: [NULL] = ['x'] is false."""
_HONEST = "write what the API's silence means with absent: in the collector; NULL must stay NULL here"

Node = dict[str, Any]


class _Parser(threading.local):
    """DuckDB's parser, one connection a thread."""

    def __init__(self) -> None:
        self.ahead: dict[str, str] = {}
        self.connection = duckdb.connect(":memory:", config={"enable_external_access": "false", "lock_configuration": "true"})

    def __call__(self, sql: str) -> dict[str, Any]:
        read = self.ahead.pop(sql, None)
        if read is None:
            read = self.connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0][0]
        return dict(json.loads(read))

    def read_ahead(self, texts: list[str]) -> None:
        """Read many at once: a third of the time of one by one. What is read waits as text, which is a tenth of a parsed tree."""
        rows = self.connection.execute("SELECT x, json_serialize_sql(x) FROM (SELECT unnest(?) AS x)", [texts]).fetchall()
        self.ahead.update(rows)


_parser: _Parser | None = None


def _the_parser() -> _Parser:
    global _parser  # noqa: PLW0603 (made when first used: importing does no work)
    if _parser is None:
        _parser = _Parser()
    return _parser


def _serialise(sql: str) -> dict[str, Any]:
    return _the_parser()(sql)


def _selecting(text: str) -> str:
    return f"SELECT (\n{text}\n)"


def read_ahead(expressions: Iterable[str]) -> None:
    """Have the parser read these expressions in one go; reading each of them afterwards costs next to nothing."""
    texts = sorted({_selecting(text) for text in expressions})
    if texts:
        _the_parser().read_ahead(texts)


@dataclass(frozen=True, slots=True)
class Subquery:
    """One `ANY (SELECT … FROM table)`: how a listing that failed touches it."""

    table: str
    by_region: bool
    joins: tuple[tuple[str, str], ...]
    """(column, column of `this`) pairs that the WHERE joins by. With none, a ghost row stays in and ANY and ALL are exact."""
    by_target: bool = True


@dataclass(frozen=True, slots=True)
class Expression:
    """An accepted expression: its text, the columns that it reads by table, its subqueries and parameters."""

    text: str
    reads: Mapping[str, frozenset[str]]
    subqueries: tuple[Subquery, ...] = ()
    parameters: frozenset[str] = frozenset()


@dataclass
class _Reader:
    """Walks one parsed expression in the scope of a table."""

    content: Content
    table: str
    own: Mapping[str, Column]
    where: str
    subqueries_allowed: bool = True
    estate: bool = False
    reads: dict[str, set[str]] = field(default_factory=dict)
    subqueries: list[Subquery] = field(default_factory=list)
    parameters: set[str] = field(default_factory=set)
    inner: tuple[str, str] | None = None
    """(alias, table) while inside a subquery."""
    lambdas: tuple[str, ...] = ()

    def fail(self, what: str, do: str) -> ContentError:
        """The refusal, with its place."""
        return ContentError(what, where=self.where, do=do)

    def walk(self, node: Node) -> None:
        """Read one node and all beneath it. Raises ContentError for anything that is not allowed."""
        kind, operator = node["class"], node["type"]
        if operator in _REFUSED_OPERATORS:
            raise self.fail(f"{_REFUSED_OPERATORS[operator]} turns 'not seen' into an answer", _HONEST)
        if kind == "CASE":
            raise self.fail("CASE turns 'not seen' into its ELSE", "write it with AND and OR, which keep NULL")
        if kind not in _NODE_CLASSES:
            raise self.fail(f"{kind.lower().replace('_', ' ')} is not allowed in a rule", "see 'Expressions' in docs/content.md")
        if kind == "COLUMN_REF":
            self._column(list(node["column_names"]))
        elif kind == "FUNCTION":
            self._function(node)
        elif kind == "SUBQUERY":
            self._subquery(node)
        elif kind == "PARAMETER":
            self.parameters.add(str(node["identifier"]))
        elif kind == "LAMBDA":
            self._lambda(node)
        elif kind == "CAST" and node.get("try_cast"):
            raise self.fail("TRY_CAST turns a value that was seen into NULL", "give the column the right type in the collector")
        else:
            for child in _children(node):
                self.walk(child)

    def _lambda(self, node: Node) -> None:
        left = node["lhs"]
        if node.get("syntax_type") == "SINGLE_ARROW":  # `document -> 'key'`: both sides are values
            self.walk(left)
            self.walk(node["expr"])
            return
        names = [name["column_names"][-1] for name in _nodes(left) if name.get("class") == "COLUMN_REF"]
        outer, self.lambdas = self.lambdas, (*self.lambdas, *names)
        self.walk(node["expr"])
        self.lambdas = outer

    def _function(self, node: Node) -> None:
        name = str(node["function_name"]).lower()
        if name in _CLOCKS:
            raise self.fail(f"'{name}' gives another answer tomorrow", "use scan_time, which a replay keeps")
        if name in _SWALLOWS:
            raise self.fail(f"{_SWALLOWS[name]} turns 'not seen' into an answer", _HONEST)
        if name in ALLOWED_AGGREGATES | _BY_ORDER:
            raise self.fail(f"aggregate '{name}' swallows what was not seen", "ask with ANY or ALL, or count in a view of the collector")
        if name not in ALLOWED_FUNCTIONS:
            raise self.fail(f"function '{name}' is not allowed in a rule", did_you_mean(name, ALLOWED_FUNCTIONS))
        if node.get("filter") is not None:
            raise self.fail("FILTER is not allowed in a rule", "filter in the collector")
        if len(node["qualified_name"]["path"]) > 1:
            raise self.fail(f"'{'.'.join(node['qualified_name']['path'])}' hides what it reads", f"write {name}(…)")
        children = list(_children(node))
        if name in _WRAPS and any(inner.get("class") == "COLUMN_REF" for inner in _nodes(children)):
            raise self.fail(f"'{name}' hides NULL: [NULL] = ['x'] is false, not unknown", "compare the columns themselves")
        if name in ("list_extract", "list_element") and children[0].get("function_name") == "list_value":
            children = [*_children(children[0]), *children[1:]]  # what is taken out again is not hidden
        for child in children:
            self.walk(child)

    def _column(self, names: list[str]) -> None:
        if names[0] in self.lambdas:
            return
        if names[0].lower() in _CLOCKS:
            raise self.fail(f"'{names[0]}' gives another answer tomorrow", "use scan_time, which a replay keeps")
        if self.lambdas and self.subqueries_allowed:
            raise self.fail(f"'{names[0]}' inside a lambda: its NULL would be lost in the list", "read only the element there")
        if self.inner and (names[0] == self.inner[0] or names[0] == self.inner[1].rsplit(".", 1)[-1]):
            self._read(self.inner[1], names[1] if len(names) > 1 else "")
        elif names[0] == "this" and len(names) > 1:
            self._read(self.table, names[1])
        elif self.inner and names[0] in columns_of(self.content, self.inner[1]):
            self._read(self.inner[1], names[0])
        else:
            self._read(self.table, names[0])

    def _read(self, table: str, column: str) -> None:
        known = self.own if table == self.table else columns_of(self.content, table)
        if column not in known:
            raise self.fail(f"table '{table}' has no column '{column}'", did_you_mean(column, known))
        self.reads.setdefault(table, set()).add(column)

    def _subquery(self, node: Node) -> None:
        if not self.subqueries_allowed:
            raise self.fail("a column reads its own row only", "make a view of the collector")
        kind = node["subquery_type"]
        if kind != "ANY":
            name = "EXISTS" if "EXISTS" in kind else "a scalar subquery"
            raise self.fail(f"{name} turns 'not seen' into an answer", "write true = ANY (SELECT condition FROM …), which keeps NULL")
        if self.inner:
            raise self.fail("a subquery inside a subquery", "make a view of the collector")
        select = node["subquery"]["node"]
        _plain_select(select, self)
        source = select["from_table"]
        if source["type"] != "BASE_TABLE":
            raise self.fail("a subquery reads one fact table", "make a view of the collector for a join")
        if source.get("sample") or source.get("column_name_alias") or source.get("at_clause"):
            raise self.fail("a subquery reads one fact table as it is", "remove TABLESAMPLE, AT and names of columns")
        table = ".".join(source["qualified_name"]["path"])
        if not _is_known(self.content, table):
            raise self.fail(f"no table '{table}'", did_you_mean(table, _known(self.content)))
        if len(select["select_list"]) != 1:
            raise self.fail("a subquery selects one value", "write one condition after SELECT")
        self.walk(node["child"])
        self.inner = (source["alias"] or table.rsplit(".", 1)[-1], table)
        self.reads.setdefault(table, set())
        self.walk(select["select_list"][0])
        by_target, by_region, joins = False, False, []
        for condition in _conjuncts(select["where_clause"]):
            column, outer = self._join(condition)
            if (column, outer) == ("target", "target"):
                by_target = True
            elif (column, outer) == ("region", "region"):
                by_region = True
            else:
                joins.append((column, outer))
        if not by_target and not self.estate:
            alias = self.inner[0]
            raise self.fail("a subquery would see other targets", f"add WHERE {alias}.target = this.target, or write scope: estate")
        self.subqueries.append(Subquery(table, by_region, tuple(joins), by_target))
        self.inner = None

    def _join(self, condition: Node) -> tuple[str, str]:
        """The inner and the outer column of `t.column = this.column`; anything else in a WHERE is refused."""
        assert self.inner is not None  # only called from within a subquery
        do = "put the condition after SELECT: an unread row must not vanish"
        if condition["type"] != "COMPARE_EQUAL":
            raise self.fail("the WHERE of a subquery only joins by equality with this.…", do)
        sides = [condition["left"], condition["right"]]
        if any(side["class"] != "COLUMN_REF" for side in sides):
            raise self.fail("the WHERE of a subquery only joins columns with this.…", do)
        outer = [side for side in sides if side["column_names"][0] == "this"]
        inner = [side for side in sides if side["column_names"][0] != "this"]
        if len(outer) != 1 or len(inner) != 1:
            raise self.fail("the WHERE of a subquery joins the inner table with this.…", do)
        self._column(list(outer[0]["column_names"]))
        self._column(list(inner[0]["column_names"]))
        return str(inner[0]["column_names"][-1]), str(outer[0]["column_names"][-1])


def _children(node: Any) -> Iterator[Node]:
    """The expressions directly beneath a node, wherever the serialised form keeps them."""
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, dict):
            if "class" in value:
                yield value
            else:
                yield from _children(value)
        elif isinstance(value, list):
            for element in value:
                if isinstance(element, dict):
                    if "class" in element:
                        yield element
                    else:
                        yield from _children(element)


def _conjuncts(node: Node | None) -> Iterator[Node]:
    if node is None:
        return
    if node["type"] == "CONJUNCTION_AND":
        for child in node["children"]:
            yield from _conjuncts(child)
    else:
        yield node


def _plain_select(select: Node, reader: _Reader) -> None:
    extra = {
        "a set operation": select["type"] != "SELECT_NODE",
        "WITH": bool(select.get("cte_map", {}).get("map")),
        "GROUP BY": bool(select.get("group_expressions")) or select.get("aggregate_handling") == "FORCE_AGGREGATES",
        "HAVING": select.get("having") is not None,
        "QUALIFY": select.get("qualify") is not None,
        "a sample": select.get("sample") is not None,
        "ORDER BY, LIMIT or DISTINCT": bool(select.get("modifiers")),
    }
    for name, present in extra.items():
        if present:
            raise reader.fail(f"{name} is not allowed in a rule", "a rule is one expression; make a view of the collector for more")


@lru_cache(maxsize=8)
def _known(content: Content) -> set[str]:
    return {*content.tables, *content.views, *ENGINE_TABLES}


def _is_known(content: Content, table: str) -> bool:
    return table in _known(content)


def _one_expression(text: str, where: str) -> Node:
    """The parsed expression, or ContentError when the text is anything else."""
    parsed = _serialise(_selecting(text))
    if parsed.get("error"):
        raise ContentError(
            f"not valid SQL: {parsed.get('error_message', 'cannot be read')}", where=where, do="write one expression in DuckDB's dialect"
        )
    statements = parsed["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    is_bare = (
        node.get("type") == "SELECT_NODE"
        and len(node["select_list"]) == 1
        and node["from_table"]["type"] == "EMPTY"
        and node["where_clause"] is None
        and not node["modifiers"]
        and not node["group_expressions"]
        and not node["cte_map"]["map"]
        and node["having"] is None
        and node["qualify"] is None
        and not node["select_list"][0].get("alias")
        and node["select_list"][0].get("function_name") != "row"  # nothing at all, or several
    )
    if not is_bare:
        raise ContentError("not one expression", where=where, do="a rule is one expression over its row")
    return dict(node["select_list"][0])


def read_expression(content: Content, table: str, text: str, *, where: str, estate: bool = False) -> Expression:
    """Read a rule's `where:` or `pass:` over `table`. Raises ContentError for anything that is not allowed or not known."""
    reader = _Reader(content, table, columns_of(content, table), where, estate=estate)
    reader.walk(_one_expression(text, where))
    reads = {name: frozenset(columns) for name, columns in reader.reads.items()}
    return Expression(text, reads, tuple(reader.subqueries), frozenset(reader.parameters))


@lru_cache(maxsize=4096)
def read_column(content: Content, table: str, text: str, *, where: str) -> Expression:
    """Read an `is:` expression: the columns of its own row, no subqueries, no parameters."""
    reader = _Reader(content, table, columns_of(content, table), where, subqueries_allowed=False)
    reader.walk(_one_expression(text, where))
    if reader.parameters:
        raise ContentError("a column has no parameters", where=where, do="put the threshold into the rule")
    return Expression(text, {name: frozenset(columns) for name, columns in reader.reads.items()})


def expand(content: Content, table: str, columns: Iterable[str]) -> frozenset[str]:
    """The columns and, for derived ones, those that they are derived from."""
    known = columns_of(content, table)
    todo, done = list(columns), set()
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done.add(name)
        column = known[name]
        if column.is_:
            where = f"{content.tables[table].source} ({table}.{name})"
            todo += read_column(content, table, column.is_, where=where).reads.get(table, frozenset())
    return frozenset(done)


@dataclass(frozen=True, slots=True)
class ViewSource:
    """What a view reads: whole tables, since a row of it may come from any column."""

    tables: frozenset[str]
    columns: Mapping[str, frozenset[str]]


def _read_made(content: Content, made: Made, where: str) -> ViewSource:
    for table, columns in made.reads.items():
        if table not in _known(content):
            raise ContentError(f"no table '{table}'", where=where, do=did_you_mean(table, _known(content)))
        own = columns_of(content, table)
        for name in columns:
            if name not in own:
                raise ContentError(f"table '{table}' has no column '{name}'", where=where, do=did_you_mean(name, own))
    return ViewSource(frozenset(made.reads), {table: frozenset(columns) for table, columns in made.reads.items()})


@lru_cache(maxsize=512)
def read_view(content: Content, view: str) -> ViewSource:
    """Read a view's SELECT: the tables it names and, as far as can be told, their columns."""
    spec = content.views[view]
    where = f"{spec.source} ({view})"
    if spec.made is not None:
        return _read_made(content, spec.made, where)
    parsed = _serialise(spec.select)
    if parsed.get("error"):
        raise ContentError(f"not valid SQL: {parsed.get('error_message')}", where=where, do="write one SELECT in DuckDB's dialect")
    if len(parsed["statements"]) != 1:
        raise ContentError("more than one statement", where=where, do="a view is one SELECT")
    tables: set[str] = set()
    named: set[str] = set()
    ctes: set[str] = set()
    for node in _nodes(parsed["statements"][0]):
        if node.get("type") == "TABLE_FUNCTION":
            raise ContentError("a table function is not allowed", where=where, do="read fact tables only")
        if "cte_map" in node:
            ctes.update(entry["key"] for entry in node["cte_map"]["map"])
        if node.get("type") == "BASE_TABLE":
            tables.add(".".join(node["qualified_name"]["path"]))
        if node.get("class") == "FUNCTION":
            name = str(node["function_name"]).lower()
            if name not in ALLOWED_FUNCTIONS | ALLOWED_AGGREGATES or name in _CLOCKS:
                raise ContentError(f"function '{name}' is not allowed in a view", where=where, do=did_you_mean(name, ALLOWED_FUNCTIONS))
        if node.get("class") == "COLUMN_REF":
            if str(node["column_names"][0]).lower() in _CLOCKS:
                raise ContentError(f"'{node['column_names'][0]}' gives another answer tomorrow", where=where, do="use scan_time")
            named.add(str(node["column_names"][-1]))
        if node.get("class") == "STAR":
            named.add("*")
    tables -= ctes
    for table in tables:
        if not _is_known(content, table):
            raise ContentError(f"no table '{table}'", where=where, do=did_you_mean(table, _known(content)))
    columns = {}
    for table in tables:
        own = frozenset(columns_of(content, table))
        columns[table] = own if "*" in named else own & frozenset(named)
    return ViewSource(frozenset(tables), columns)


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from _nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child)


def quoted(name: str) -> str:
    """A table or column name, each part in quotes."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def is_one_select(text: str) -> bool:
    """Whether the text is exactly one SELECT: what `query` accepts."""
    parsed = _serialise(text)
    return not parsed.get("error") and len(parsed["statements"]) == 1
