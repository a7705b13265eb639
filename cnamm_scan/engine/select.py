"""Reads a whole SELECT without running it: a view of a content pack, or what a person asks in `query`.

Everything that is not named here as allowed is refused. Names are resolved as DuckDB resolves them: a plain word is a WITH of its scope,
and every name with dots is a fact table, whatever a WITH or an alias is called. So no table is read that is not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cnamm_scan.content import ENGINE_TABLES, TOLD_TABLES, columns_of
from cnamm_scan.engine import functions, parser
from cnamm_scan.engine.parser import Node, nodes
from cnamm_scan.engine.readings import reading
from cnamm_scan.errors import ContentError, UsageError, did_you_mean
from cnamm_scan.model import Content, Made

MAX_COUNT = 10_000
"""The largest number that may say how much a function makes: `range(1, 10000)`."""
MAX_LAMBDAS = 3
"""Lambdas within lambdas: each multiplies the work of one call, which nothing can stop."""
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_QUERY_NODES = frozenset("SELECT_NODE SET_OPERATION_NODE RECURSIVE_CTE_NODE".split())
_VIEW_CLASSES = frozenset(
    "COLUMN_REF CONSTANT COMPARISON CONJUNCTION FUNCTION OPERATOR CAST SUBQUERY BETWEEN LAMBDA TYPE CASE STAR WINDOW".split()
)
_VIEW_SOURCES = frozenset("EMPTY BASE_TABLE SUBQUERY JOIN EXPRESSION_LIST TABLE_FUNCTION".split())
_VIEW_JOINS = frozenset("REGULAR NATURAL CROSS DEPENDENT".split())
_TELLING = frozenset(
    "EMPTY BASE_TABLE SUBQUERY JOIN EXPRESSION_LIST TABLE_FUNCTION PIVOT SHOW_REF CTE COLUMN_DATA DELIM_GET BOUND_TABLE_REF".split()
)
"""Everything that DuckDB puts behind FROM."""
_SPOKEN = {"SHOW_REF": "DESCRIBE, SHOW or SUMMARIZE", "PIVOT": "PIVOT", "POSITIONAL_REFERENCE": "#1"}


@dataclass(frozen=True, slots=True)
class _Law:
    """What one kind of SELECT may hold."""

    name: str
    functions: frozenset[str]
    windows: frozenset[str]
    classes: frozenset[str]
    sources: frozenset[str]
    joins: frozenset[str]
    by_order: bool
    """Whether an answer may depend on the order of rows, as LIMIT's does: not where a replay must say the same."""


_VIEW = _Law("a view", functions.VIEW_FUNCTIONS, functions.VIEW_WINDOWS, _VIEW_CLASSES, _VIEW_SOURCES, _VIEW_JOINS, by_order=False)
_QUERY = _Law(
    "a query",
    functions.QUERY_FUNCTIONS,
    functions.QUERY_WINDOWS,
    _VIEW_CLASSES | {"COLLATE", "POSITIONAL_REFERENCE"},
    _VIEW_SOURCES | {"PIVOT", "SHOW_REF"},
    _VIEW_JOINS | {"POSITIONAL", "ASOF"},
    by_order=True,
)


@dataclass(frozen=True, slots=True)
class ViewSource:
    """What a SELECT reads: whole tables, since a row of it may come from any column; and of each the columns that it may name."""

    tables: frozenset[str]
    columns: Mapping[str, frozenset[str]]
    told: frozenset[str] = frozenset()
    """Those of TOLD_TABLES that a query reads."""


@lru_cache(maxsize=512)
def read_view(content: Content, view: str) -> ViewSource:
    """Read how a view is made: the tables it names and the columns it may read. Raises ContentError for anything that is not allowed."""
    return reading(content, f"view {view}", ViewSource, lambda: _read_view(content, view))


def _read_view(content: Content, view: str) -> ViewSource:
    spec = content.views[view]
    if spec.made is not None:
        return _read_made(content, spec.made, f"{spec.source} ({view})")
    reader = _Reader(content, _VIEW, f"{spec.source} ({view})")
    reader.statement(spec.select)
    if not reader.tables:
        raise reader.fail("a view that reads no table makes its rows up", "select from fact tables")
    return reader.source()


def _read_made(content: Content, made: Made, where: str) -> ViewSource:
    for table, columns in made.reads.items():
        if table not in known_tables(content):
            raise ContentError(f"no table '{table}'", where=where, do=did_you_mean(table, known_tables(content)))
        own = columns_of(content, table)
        for name in columns:
            if name not in own:
                raise ContentError(f"table '{table}' has no column '{name}'", where=where, do=did_you_mean(name, own))
    return ViewSource(frozenset(made.reads), {table: frozenset(columns) for table, columns in made.reads.items()})


def read_query(content: Content, text: str) -> ViewSource:
    """Read what a person asks. Raises UsageError for anything but one SELECT over fact tables."""
    reader = _Reader(content, _QUERY, "query")
    try:
        reader.statement(text)
    except ContentError as error:
        raise UsageError(error.what, where=error.where, do=error.do) from error
    return reader.source()


def is_counted(node: Node) -> bool:
    """Whether an expression is a small number: a literal, what measures a value that is there, or sums of these."""
    match node["class"]:
        case "CONSTANT":
            text = str(node["literal"].get("text", "")).replace("_", "")
            return node["literal"].get("kind") == "INTEGER" and text.removeprefix("-").isdigit() and abs(int(text)) <= MAX_COUNT
        case "CAST":
            return is_counted(node["child"])
        case "OPERATOR":
            return node["type"] == "OPERATOR_COALESCE" and all(map(is_counted, node["children"]))
        case "FUNCTION":
            within = [each["expression"] for each in node["arguments"]]
            name = str(node["function_name"]).lower()
            return name in functions.MEASURES or (name in ("+", "-") and all(map(is_counted, within)))
    return False


def check_counts(node: Node) -> str | None:
    """What makes a function call too large for anyone to stop; None where its size is bounded."""
    name = str(node["function_name"]).lower()
    if name not in functions.COUNTED:
        return None
    places = functions.COUNTED[name]
    within = [each["expression"] for each in node["arguments"]]
    counts = within if places is None else [within[place] for place in places if place < len(within)]
    return None if all(map(is_counted, counts)) else f"'{name}' of a number that may be large"


COUNT_ADVICE = f"count with len(…), or with a number up to {MAX_COUNT}"


@dataclass
class _Reader:
    """Walks one parsed statement, scope by scope."""

    content: Content
    law: _Law
    where: str
    tables: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    """Every part of every name of a column, in lower case: more than is read, never less."""
    rows: dict[tuple[str, ...], set[str]] = field(default_factory=dict)
    """Name that may stand for a whole row of a table -> the tables: to read it is to read every column."""
    names: set[tuple[str, ...]] = field(default_factory=set)
    everything: bool = False
    lambdas: int = 0
    seen: set[int] = field(default_factory=set)
    """Nodes that were read: at the end nothing that matters may be left over, wherever a later DuckDB keeps it."""

    def fail(self, what: str, do: str) -> ContentError:
        """The refusal, with its place."""
        return ContentError(what, where=self.where, do=do)

    def statement(self, text: str) -> None:
        """Read a text that must be one SELECT. Raises ContentError."""
        do = "write a single SELECT over fact tables; cnamm-scan content list --kind tables names them"
        read = parser.statements(text, where=self.where, do=do)
        if len(read) != 1:
            raise self.fail("more than one statement" if read else "no statement", f"{self.law.name} is one SELECT")
        self.query(read[0], frozenset())
        for node in nodes(read[0]):
            if id(node) not in self.seen and (node.get("type") in _TELLING or "class" in node or str(node.get("type")).endswith("_NODE")):
                raise self.fail(f"{node.get('class') or node['type']} in a place that cannot be read", "write it in another way")

    def source(self) -> ViewSource:
        """What was found."""
        columns = {}
        for table in self.tables:
            own = frozenset(columns_of(self.content, table))
            whole = self.everything or any(table in self.rows.get(name, ()) and name[0] not in own for name in self.names)
            columns[table] = own if whole else own & self.named
        return ViewSource(frozenset(self.tables), columns, frozenset(self.told))

    # ---- queries and their scopes ------------------------------------------------------------------------------------

    def query(self, node: Node, scope: frozenset[str]) -> None:
        """Read one query node; `scope` are the WITHs that it sees."""
        self.seen.add(id(node))
        kind = str(node["type"])
        if kind not in _QUERY_NODES:
            what = kind.removesuffix("_NODE").removesuffix("_QUERY").replace("_", " ")
            raise self.fail(f"{what} is not allowed: {self.law.name} only reads", f"{self.law.name} is one SELECT")
        if kind == "RECURSIVE_CTE_NODE":
            scope |= {str(node["cte_name"]).lower()}
        for entry in node["cte_map"]["map"]:
            scope = self._cte(entry, scope)
        if node.get("sample") is not None:
            raise self.fail("a sample is another one each time", "remove SAMPLE")
        for modifier in node["modifiers"]:
            self._modifier(modifier, scope)
        self._within([value for name, value in node.items() if name not in ("cte_map", "modifiers")], scope)

    def _cte(self, entry: Node, scope: frozenset[str]) -> frozenset[str]:
        name = str(entry["key"]).lower()
        if not _WORD.fullmatch(name):
            raise self.fail(f'WITH "{entry["key"]}" could be taken for a table or a file', "name it with one word: letters, digits and _")
        value = entry["value"]
        self.query(value["query_node"], scope)
        self._within([value["key_targets"], value["payload_aggregates"]], scope)
        return scope | {name}

    def _modifier(self, node: Node, scope: frozenset[str]) -> None:
        kind = node["type"]
        if not self.law.by_order:
            if kind.startswith("LIMIT"):
                raise self.fail("LIMIT keeps other rows each time", "say which rows with WHERE or an aggregate")
            if node.get("distinct_on_targets"):
                raise self.fail("DISTINCT ON keeps other rows each time", "say which rows with WHERE or an aggregate")
        self._within(node, scope)

    # ---- what stands in FROM -----------------------------------------------------------------------------------------

    def _from(self, node: Node, scope: frozenset[str]) -> None:
        self.seen.add(id(node))
        kind = str(node["type"])
        if kind not in self.law.sources:
            raise self.fail(f"{_SPOKEN.get(kind, kind.replace('_', ' '))} is not allowed in {self.law.name}", "read fact tables")
        if node.get("sample") is not None:
            raise self.fail("a sample is another one each time", "remove TABLESAMPLE")
        match kind:
            case "BASE_TABLE":
                self._table(node, scope)
            case "SUBQUERY":
                self.query(node["subquery"]["node"], scope)
            case "JOIN":
                self._join(node, scope)
            case "TABLE_FUNCTION":
                call = node["function"]
                if call["class"] != "FUNCTION" or call["function_name"].lower() not in functions.TABLE_FUNCTIONS:
                    raise self.fail(f"a table function is not allowed: '{call.get('function_name', '?')}'", "read fact tables only")
                self._call(call, scope, known=functions.TABLE_FUNCTIONS)
            case "EXPRESSION_LIST":
                self._within(node["values"], scope)
            case "PIVOT":
                self.everything = True
                self._from(node["source"], scope)
                self._within([node["aggregates"], node["pivots"], node["groups"]], scope)
            case "SHOW_REF":
                if node.get("query") is None:
                    raise self.fail("SHOW is not allowed in a query", "write SHOW TABLES by itself, or DESCRIBE a table")
                self.everything = True
                self.query(node["query"], scope)

    def _table(self, node: Node, scope: frozenset[str]) -> None:
        path = [str(part).lower() for part in node["qualified_name"]["path"]]
        if node.get("at_clause") is not None:
            raise self.fail("AT is not allowed: a fact table has one version", "remove AT")
        if len(path) == 1 and path[0] in scope:
            return
        table = ".".join(path)
        if table in TOLD_TABLES and self.law is _QUERY:
            self.told.add(table)
            return
        if table not in known_tables(self.content) or table.split(".") != path:
            more = TOLD_TABLES.keys() if self.law is _QUERY else ()
            raise self.fail(f"no table '{table}'", did_you_mean(table, known_tables(self.content).union(more)))
        self.tables.add(table)
        if node.get("column_name_alias"):  # its columns go by other names from here on
            self.everything = True
        alias = str(node["alias"]).lower()
        for name in [(alias,)] if alias else [tuple(path[start:]) for start in range(len(path))]:
            self.rows.setdefault(name, set()).add(table)

    def _join(self, node: Node, scope: frozenset[str]) -> None:
        if node["ref_type"] not in self.law.joins:
            raise self.fail(f"a {node['ref_type'].lower()} join is not allowed in {self.law.name}", "join with ON")
        if node["ref_type"] in ("NATURAL", "POSITIONAL"):
            self.everything = True
        self.named.update(str(name).lower() for name in node["using_columns"])
        self._from(node["left"], scope)
        self._from(node["right"], scope)
        self._within([value for name, value in node.items() if name not in ("left", "right")], scope)

    # ---- expressions -------------------------------------------------------------------------------------------------

    def _within(self, value: object, scope: frozenset[str]) -> None:
        """Read every expression, query and table within, wherever the serialised form keeps it."""
        if isinstance(value, dict):
            kind = str(value.get("type"))
            if "class" in value:
                self._expression(value, scope)
            elif kind.endswith("_NODE"):
                self.query(value, scope)
            elif kind in _TELLING:
                self._from(value, scope)
            else:
                for each in value.values():
                    self._within(each, scope)
        elif isinstance(value, list):
            for each in value:
                self._within(each, scope)

    def _expression(self, node: Node, scope: frozenset[str]) -> None:
        self.seen.add(id(node))
        kind = str(node["class"])
        if kind == "PARAMETER":
            raise self.fail(f"{self.law.name} has no parameters", "write the value")
        if kind not in self.law.classes:
            spoken = _SPOKEN.get(kind, kind.replace("_", " ").lower())
            raise self.fail(f"{spoken} is not allowed in {self.law.name}", "see 'What SQL may do' in docs/content.md")
        match kind:
            case "COLUMN_REF":
                self._column([str(name).lower() for name in node["column_names"]])
            case "STAR":
                self.everything = True
                self._within(list(node.values()), scope)
            case "FUNCTION":
                self._call(node, scope)
            case "WINDOW":
                self._window(node, scope)
            case "SUBQUERY":
                self.query(node["subquery"]["node"], scope)
                self._within(node.get("child"), scope)
            case "LAMBDA":
                self._within(node["lhs"], scope)
                self.lambdas += 1
                if self.lambdas > MAX_LAMBDAS:
                    raise self.fail(f"lambdas nested more than {MAX_LAMBDAS} deep", "take the inner lists apart with unnest")
                self._within(node["expr"], scope)
                self.lambdas -= 1
            case _:
                self._within(list(node.values()), scope)

    def _column(self, names: list[str]) -> None:
        if len(names) == 1 and names[0] in functions.BARE_CLOCKS:
            raise self.fail(f"'{names[0]}' gives another answer tomorrow", "use scan_time")
        self.names.add(tuple(names))
        self.named.update(names)

    def _call(self, node: Node, scope: frozenset[str], known: Iterable[str] | None = None) -> None:
        self._check(str(node["function_name"]).lower(), node["qualified_name"]["path"], known or self.law.functions)
        too_much = check_counts(node)
        if too_much is not None:
            raise self.fail(too_much, COUNT_ADVICE)
        self.seen.add(id(node))
        self._within(list(node.values()), scope)

    def _window(self, node: Node, scope: frozenset[str]) -> None:
        self._check(str(node["function_name"]).lower(), node["qualified_name"]["path"], self.law.functions | self.law.windows)
        if not self.law.by_order and any("ROWS" in str(node[edge]) for edge in ("start", "end")):
            raise self.fail("a window of ROWS depends on the order of rows", "use RANGE, or an aggregate")
        self._within(list(node.values()), scope)

    def _check(self, name: str, path: list[str], known: Iterable[str]) -> None:
        if name not in known:
            if name in functions.CLOCKS:
                raise self.fail(f"function '{name}' is not allowed in {self.law.name}: it gives another answer tomorrow", "use scan_time")
            raise self.fail(f"function '{name}' is not allowed in {self.law.name}", did_you_mean(name, known))
        if len(path) > 1:
            raise self.fail(f"'{'.'.join(path)}' hides what it reads", f"write {name}(…)")


@lru_cache(maxsize=8)
def known_tables(content: Content) -> frozenset[str]:
    """Every table and view that SQL may name."""
    return frozenset({*content.tables, *content.views, *ENGINE_TABLES})


__all__ = ["COUNT_ADVICE", "MAX_LAMBDAS", "ViewSource", "check_counts", "known_tables", "nodes", "read_query", "read_view"]
