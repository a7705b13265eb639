"""Reads a rule's expressions without running them: what they ask for, and whether it may be asked.

DuckDB's own parser does the reading, so what is judged here is what will run. Everything that is not named as allowed is refused:
expressions come from third-party packs. Whole SELECTs (views, queries) are read in `select.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cnamm_scan.content import columns_of
from cnamm_scan.engine import counts, parser
from cnamm_scan.engine.functions import ALLOWED_AGGREGATES, ALLOWED_FUNCTIONS, BY_ORDER, CLOCKS, SWALLOWS, WRITTEN_OUT
from cnamm_scan.engine.lookups import Subquery, honest, is_exact
from cnamm_scan.engine.nothing import ANYTHING, NULL, Answers, answers, connected
from cnamm_scan.engine.parser import Node, children, conjuncts, nodes
from cnamm_scan.engine.readings import is_read, reading
from cnamm_scan.engine.select import COUNT_ADVICE, MAX_LAMBDAS, check_counts, known_tables
from cnamm_scan.errors import ContentError, did_you_mean
from cnamm_scan.model import Column, Content, Rule

_NODE_CLASSES = frozenset(
    "COLUMN_REF CONSTANT COMPARISON CONJUNCTION FUNCTION OPERATOR CAST SUBQUERY BETWEEN PARAMETER LAMBDA TYPE".split()
)
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
PLACE = frozenset({"target", "region", "scan_time"})
"""What is known of every row, of an unread one too."""
_HONEST = "write what the API's silence means with absent: in the collector; NULL must stay NULL here"


def _selecting(text: str) -> str:
    return f"SELECT (\n{text}\n)"


def read_ahead(content: Content, rules: Iterable[Rule]) -> None:
    """Have the parser read the expressions of these rules in one go; reading each of them afterwards costs next to nothing."""
    said = [(rule, text) for rule in rules for _, text in rule.asked]
    new = [text for rule, text in said if not is_read(content, _named(rule.for_each, text, estate=rule.scope == "estate"))]
    parser.read_ahead(map(_selecting, new))


@dataclass(frozen=True, slots=True)
class Expression:
    """An accepted expression: its text, the columns that it reads by table, its subqueries and parameters."""

    text: str
    """The SQL that runs: where a look-up was not read whole, its doubt stands beside it."""
    reads: Mapping[str, frozenset[str]]
    subqueries: tuple[Subquery, ...] = ()
    parameters: frozenset[str] = frozenset()
    is_blind: bool = False
    """Whether it is NULL for every row of which nothing is known but its place."""


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
    subqueries: list[tuple[Node, Subquery]] = field(default_factory=list)
    parameters: set[str] = field(default_factory=set)
    counted: list[tuple[Node, tuple[str, str]]] = field(default_factory=list)
    """Comparisons of counts of which the least may decide, and (alias, column) of the count."""
    inner: tuple[str, str] | None = None
    """(alias, table) while inside a subquery."""
    lambdas: tuple[str, ...] = ()
    """Parameters of the lambdas around."""
    depth: int = 0

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
        self._count(node)
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
            for child in children(node):
                self.walk(child)

    def _is_asked(self, node: Node) -> bool:
        """Whether a node is a column's name, and no parameter of a lambda."""
        return node.get("class") == "COLUMN_REF" and node["column_names"][0] not in self.lambdas

    def _lambda(self, node: Node) -> None:
        left = node["lhs"]
        if node.get("syntax_type") == "SINGLE_ARROW":  # `document -> 'key'`: both sides are values
            self.walk(left)
            self.walk(node["expr"])
            return
        named = [left] if left["class"] == "COLUMN_REF" else list(children(left)) if left.get("function_name") == "row" else []
        if not named or any(name["class"] != "COLUMN_REF" or len(name["column_names"]) != 1 for name in named):
            raise self.fail("a lambda whose parameters are no names", "write lambda x: …")
        outer, self.lambdas, self.depth = self.lambdas, (*self.lambdas, *(name["column_names"][0] for name in named)), self.depth + 1
        if self.depth > MAX_LAMBDAS:
            raise self.fail(f"lambdas nested more than {MAX_LAMBDAS} deep", "make a view of the collector, and unnest there")
        self.walk(node["expr"])
        self.lambdas, self.depth = outer, self.depth - 1

    def _function(self, node: Node) -> None:
        name = str(node["function_name"]).lower()
        if name in CLOCKS:
            raise self.fail(f"'{name}' gives another answer tomorrow", "use scan_time, which a replay keeps")
        if name in SWALLOWS:
            raise self.fail(f"{SWALLOWS[name]} turns 'not seen' into an answer", _HONEST)
        if name in ALLOWED_AGGREGATES | BY_ORDER:
            raise self.fail(f"aggregate '{name}' swallows what was not seen", "ask with ANY or ALL, or count in a view of the collector")
        if name not in ALLOWED_FUNCTIONS:
            raise self.fail(f"function '{name}' is not allowed in a rule", did_you_mean(name, ALLOWED_FUNCTIONS))
        if node.get("filter") is not None:
            raise self.fail("FILTER is not allowed in a rule", "filter in the collector")
        if len(node["qualified_name"]["path"]) > 1:
            raise self.fail(f"'{'.'.join(node['qualified_name']['path'])}' hides what it reads", f"write {name}(…)")
        too_much = check_counts(node)
        if too_much is not None:
            raise self.fail(too_much, COUNT_ADVICE)
        within = list(children(node))
        if name in _WRAPS and any(inner.get("class") == "COLUMN_REF" for inner in nodes(within)):
            raise self.fail(f"'{name}' hides NULL: [NULL] = ['x'] is false, not unknown", "compare the columns themselves")
        if name in WRITTEN_OUT and any(map(self._is_asked, nodes(within[WRITTEN_OUT[name] :]))):
            raise self.fail(f"'{name}' answers where this was not seen: string_split('a', NULL) is ['a']", "write that argument out")
        if name in ("list_extract", "list_element") and within[0].get("function_name") == "list_value":
            within = [*children(within[0]), *within[1:]]  # what is taken out again is not hidden
        for child in within:
            self.walk(child)

    def _column(self, names: list[str]) -> None:
        if names[0] in self.lambdas:
            if len(names) > 1:  # DuckDB asks the tables first: `lambda this: this.sealed` would read the row
                said = ".".join(names)
                raise self.fail(f"'{said}' could be a table's column", f"write {names[0]}['{names[1]}'], or rename the parameter")
            return
        if names[0].lower() in CLOCKS:
            raise self.fail(f"'{names[0]}' gives another answer tomorrow", "use scan_time, which a replay keeps")
        if self.lambdas and self.subqueries_allowed:
            raise self.fail(f"'{names[0]}' inside a lambda: its NULL would be lost in the list", "read only the element there")
        self._read(*self._place(names)[:2])

    def _place(self, names: list[str]) -> tuple[str, str, str]:
        """(table, column, alias) of a name."""
        if self.inner and (names[0] == self.inner[0] or names[0] == self.inner[1].rsplit(".", 1)[-1]):
            return self.inner[1], names[1] if len(names) > 1 else "", self.inner[0]
        if names[0] == "this" and len(names) > 1:
            return self.table, names[1], "this"
        if self.inner and names[0] in columns_of(self.content, self.inner[1]):
            return self.inner[1], names[0], self.inner[0]
        return self.table, names[0], "this"

    def _count(self, node: Node) -> None:
        """Note a comparison of a count."""
        column = counts.column_of(node)
        if column is not None and not self.lambdas and self.subqueries_allowed:
            table, name, alias = self._place(list(column["column_names"]))
            if counts.is_count(self.content, table, name):
                self.counted.append((node, (alias, name)))

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
        if self.lambdas:
            raise self.fail("a subquery inside a lambda", "make a view of the collector")
        select = node["subquery"]["node"]
        _plain_select(select, self)
        source = select["from_table"]
        if source["type"] != "BASE_TABLE":
            raise self.fail("a subquery reads one fact table", "make a view of the collector for a join")
        if source.get("sample") or source.get("column_name_alias") or source.get("at_clause"):
            raise self.fail("a subquery reads one fact table as it is", "remove TABLESAMPLE, AT and names of columns")
        path = list(source["qualified_name"]["path"])
        table = ".".join(path)
        if table not in known_tables(self.content) or table.split(".") != path:
            raise self.fail(f"no table '{table}'", did_you_mean(table, known_tables(self.content)))
        alias = str(source["alias"] or path[-1])
        if "this" in (alias.lower(), *columns_of(self.content, table)):  # `this` would then be the inner row, and join with itself
            raise self.fail("'this' is the row that is judged", f"write FROM {table} t, and no column named this")
        if len(select["select_list"]) != 1:
            raise self.fail("a subquery selects one value", "write one condition after SELECT")
        self.walk(node["child"])
        self.inner = (alias, table)
        self.reads.setdefault(table, set())
        self.walk(select["select_list"][0])
        by_target, by_region, joins = False, False, []
        for condition in conjuncts(select["where_clause"]):
            column, outer = self._join(condition)
            if (column, outer) == ("target", "target"):
                by_target = True
            elif (column, outer) == ("region", "region"):
                by_region = True
            else:
                joins.append((column, outer))
        if not by_target and not self.estate:
            raise self.fail("a subquery would see other targets", f"add WHERE {alias}.target = this.target, or write scope: estate")
        if not joins and self._would_be_found(node, select["select_list"][0]):  # with joins, unread rows are told in another way
            raise self.fail(
                "an unread row would count as one that was found: the condition does not ask the inner row",
                "ask a column of the inner table; that there is a row at all is t.key = t.key",
            )
        asked = [list(each["column_names"]) for each in nodes(select["select_list"][0]) if each.get("class") == "COLUMN_REF"]
        asks_region = any(names[-1] == "region" and names[0] != "this" for names in asked)
        self.subqueries.append((node, Subquery(table, by_region, tuple(joins), by_target, asks_region)))
        self.inner = None

    def _would_be_found(self, node: Node, condition: Node) -> bool:
        """Whether the subquery is true for a row of which nothing is known but its place: there may be no such row at all."""
        truths = connected(condition, self._of_unread) - NULL
        child = node["child"]
        if child["class"] == "CONSTANT" and child["literal"].get("kind") == "BOOLEAN":
            said = child["literal"]["text"].lower() == "true"
            return (said if node["comparison_type"] == "COMPARE_EQUAL" else not said) in truths
        return bool(truths)

    def _of_unread(self, node: Node) -> Answers:
        """What a part of a condition may come to for such a row."""
        asks = any(self._is_of_inner(list(each["column_names"])) for each in nodes(node) if each.get("class") == "COLUMN_REF")
        return NULL if asks else ANYTHING - NULL

    def _is_of_inner(self, names: list[str]) -> bool:
        """Whether a name is a column of the inner row that an unread one does not know."""
        assert self.inner is not None  # only called from within a subquery
        alias, table = self.inner
        column = names[1] if len(names) > 1 and names[0] in (alias, table.rsplit(".", 1)[-1]) else names[0]
        if names[0] == "this" or names[0] in self.lambdas or column not in columns_of(self.content, table):
            return False
        return not expand(self.content, table, [column]) <= PLACE | self._derived_of(table)

    def _derived_of(self, table: str) -> frozenset[str]:
        return frozenset(name for name, column in columns_of(self.content, table).items() if column.is_)

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


def one_expression(text: str, where: str) -> Node:
    """The parsed expression, or ContentError when the text is anything else."""
    read = parser.statements(_selecting(text), where=where, do="write one expression in DuckDB's dialect")
    node = read[0] if len(read) == 1 else {}
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
    name = _named(table, text, estate=estate)
    return reading(content, name, Expression, lambda: _read_expression(content, table, text, where=where, estate=estate))


def _named(table: str, text: str, *, estate: bool) -> str:
    return f"{'judged over all' if estate else 'judged'} {table} {text}"


def read_tree(content: Content, table: str, text: str, *, where: str, estate: bool = False) -> tuple[Node, Sequence[tuple[Node, Subquery]]]:
    """A rule's expression as its tree, and the look-ups in it. Raises ContentError as `read_expression` does."""
    tree, reader = _walked(content, table, text, where, estate=estate)
    return tree, reader.subqueries


def _walked(content: Content, table: str, text: str, where: str, *, estate: bool) -> tuple[Node, _Reader]:
    reader = _Reader(content, table, columns_of(content, table), where, estate=estate)
    tree = one_expression(text, where)
    reader.walk(tree)
    return tree, reader


def _read_expression(content: Content, table: str, text: str, *, where: str, estate: bool) -> Expression:
    tree, reader = _walked(content, table, text, where, estate=estate)
    reads = {name: frozenset(columns) for name, columns in reader.reads.items()}
    lookups = tuple(lookup for _, lookup in reader.subqueries)
    least = {id(node): counts.with_least(node, names) for node, names in reader.counted}
    sql = text if not least and all(is_exact(content, lookup) for lookup in lookups) else honest(content, tree, reader.subqueries, least)
    return Expression(sql, reads, lookups, frozenset(reader.parameters), answers(tree, PLACE, reader.subqueries) == NULL)


@lru_cache(maxsize=4096)
def read_column(content: Content, table: str, text: str, *, where: str) -> Expression:
    """Read an `is:` expression: the columns of its own row, no subqueries, no parameters."""
    return reading(content, f"column {table} {text}", Expression, lambda: _read_column(content, table, text, where))


def _read_column(content: Content, table: str, text: str, where: str) -> Expression:
    reader = _Reader(content, table, columns_of(content, table), where, subqueries_allowed=False)
    reader.walk(one_expression(text, where))
    if reader.parameters:
        raise ContentError("a column has no parameters", where=where, do="put the threshold into the rule")
    return Expression(text, {name: frozenset(columns) for name, columns in reader.reads.items()})


def expand(content: Content, table: str, columns: Iterable[str]) -> frozenset[str]:
    """The columns and, for derived ones, those that they are derived from."""
    return frozenset().union(*(_expanded(content, table, name) for name in columns))


@lru_cache(maxsize=1 << 15)
def _expanded(content: Content, table: str, column: str) -> frozenset[str]:
    known = columns_of(content, table)
    todo, done = [column], set()
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done.add(name)
        is_ = known[name].is_
        if is_:
            where = f"{content.tables[table].source} ({table}.{name})"
            todo += read_column(content, table, is_, where=where).reads.get(table, frozenset())
    return frozenset(done)


def quoted(name: str) -> str:
    """A table or column name, each part in quotes."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
