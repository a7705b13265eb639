"""Holds that documents are evaluated and not matched: no pattern over the text of a policy, however many columns and views lie between.

A policy says the same in many spellings, so a pattern over its text always lets one of them through. What a wing calls a document
(`Kind.documents`, `Kind.document_keys`) is followed from its path through `is:` columns, SELECTs and rules to what looks at text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import partial

from cnamm_scan import paths
from cnamm_scan.content import documents_of
from cnamm_scan.engine.parser import Node, children, nodes, statements
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Column, Content, Table, View

Taint = frozenset[str]
"""The columns of a table, or of a SELECT, in which a document's text may stand."""

LOOKS = frozenset(
    "regexp_matches regexp_full_match regexp_extract regexp_extract_all regexp_replace regexp_split_to_array regexp_split_to_table"
    " ~~ !~~ ~~* !~~* ~~~ ~~~~ like_escape not_like_escape ilike_escape not_ilike_escape starts_with ^@ prefix suffix ends_with contains"
    " instr position strpos split split_part string_split str_split string_split_regex str_split_regex string_to_array"
    " substring substr left right replace translate levenshtein editdist3 jaccard hamming mismatches".split()
)
"""Functions that take a text to pieces or look for one in it."""
_NO_TEXT = frozenset(
    "regexp_matches regexp_full_match ~~ !~~ ~~* !~~* ~~~ ~~~~ starts_with ^@ prefix suffix ends_with contains instr position strpos"
    " len length strlen array_length cardinality json_array_length list_contains list_has array_contains list_has_any list_has_all"
    " array_has_any array_has_all && @> <@ list_position json_contains json_exists json_valid json_type bool_or bool_and count count_star"
    " count_if date_diff datediff date_sub"
    " seconds_since hours_since days_since days_until was_used is_used_or_new epoch ! + - * / // %".split()
)
"""Functions whose value is a truth, a number or a time, whatever they are given."""
_LOOK = re.compile(
    r"regexp|like|~|glob|similar|\^@|fix|with|contains|instr|pos|split|substr|left|right|replace|translate|lev|edit|jacc|ham|mis|string_to",
    re.I,
)
"""What stands in every text that calls one of them, in some spelling."""
_TABLE = re.compile(r"[a-z][a-z0-9]*(?:[.][a-z0-9_]+)+")
_NO_TEXT_CLASSES = frozenset({"COMPARISON", "CONJUNCTION", "BETWEEN", "CONSTANT", "PARAMETER"})
_HOLDS_TEXT = frozenset({"text", "list", "json"})
"""Types of column in which text of a document may stand."""
_PLAIN = frozenset({"sid", "effect", "version"})
"""What in a document is a plain name or word."""
_ADVICE = "say what it means with a function of the wing (made:), or read it by its paths"


def problems(content: Content, known: Set[str] = frozenset()) -> Iterator[ContentError]:
    """Each place that looks at a document's text, but for `known` names. Content has to bind: what cannot be read is passed over here."""
    return _Lineage(content).problems(known)


@dataclass
class _Lineage:
    content: Content
    known: dict[str, Taint] = field(default_factory=dict)
    found: dict[str, list[str]] = field(default_factory=dict)
    """Place -> what is looked at there, in order."""

    def problems(self, known: Set[str]) -> Iterator[ContentError]:
        for name in (*self.content.tables, *self.content.views):
            if name not in known:
                self.of(name)
        for rule in (rule for rule in self.content.rules.values() if rule.id not in known):
            for key, text in rule.asked:
                if (self.of(rule.for_each) or self._meets(text)) and _LOOK.search(text):
                    reader = _Reader(self, partial(_one_of, rule.for_each, self.of(rule.for_each)), f"{rule.source} ({rule.id}) {key}:")
                    reader.look(_selected(text))
        for where, seen in self.found.items():
            yield ContentError(f"looks at the text of a document: {', '.join(dict.fromkeys(seen))}", where=where, do=_ADVICE)

    def of(self, name: str) -> Taint:
        """The columns of a table or view that hold a document's text; places on the way that look at it are noted."""
        if name not in self.known:
            self.known[name] = frozenset()  # a view that reads itself has been refused before
            if name in self.content.tables:
                self.known[name] = self._table(self.content.tables[name])
            elif name in self.content.views:
                self.known[name] = self._view(self.content.views[name])
        return self.known[name]

    def _table(self, table: Table) -> Taint:
        held = {name for name, column in table.columns.items() if column.type in _HOLDS_TEXT and holds_document(table, column)}
        if not held:
            return frozenset()
        derived = {name: column for name, column in table.columns.items() if column.is_}
        trees = {name: _selected(column.is_ or "") for name, column in derived.items()}
        while True:  # columns stand in any order
            reader = _Reader(self, partial(_one_of, table.id, frozenset(held)))
            more = {name for name, tree in trees.items() if derived[name].type in _HOLDS_TEXT and any(map(reader.carries, tree))}
            if more <= held:
                break
            held |= more
        for name, tree in trees.items():
            _Reader(self, partial(_one_of, table.id, frozenset(held)), f"{table.source} ({table.id}.{name})").look(tree)
        return frozenset(held)

    def _view(self, view: View) -> Taint:
        kinds = {name: column.type for name, column in view.columns.items()}
        if view.made is not None:
            reads = any(self.of(table) & set(names) for table, names in view.made.reads.items())
            return frozenset(name for name, kind in kinds.items() if reads and kind == "json")
        carried: set[str] = set()
        if self._meets(view.select):
            for node in _trees(view.select):
                carried |= _Select(self, f"{view.source} ({view.id})").columns(node, {})
        return frozenset(name for name in carried if kinds.get(name) in _HOLDS_TEXT)

    def _meets(self, text: str) -> bool:
        """Whether a table with a document is named: to parse what reads none costs seconds."""
        names = [name.rstrip(".") for name in _TABLE.findall(text)]
        return any(self.of(name) for name in names)


def holds_document(table: Table, column: Column) -> bool:
    """Whether a column's path leads to a document, into one, or to something that one stands in."""
    if column.path is None or column.path.startswith("$") or column.exists:
        return False
    path = paths.parse(column.path)
    forms, keys = documents_of(table.provider)
    if path.keys[-1:] and path.keys[-1].lower() in keys:
        return True
    full = _full(table, path)
    if full is None or (full and full[-1].lower() in _PLAIN):
        return False
    documents = [_keys(paths.parse(text)) for text, form in table.normalise.items() if form in forms]
    return any(full[: len(each)] == each or each[: len(full)] == full for each in documents)


def _keys(path: paths.Path) -> tuple[str, ...]:
    return tuple(key for key in path.keys if key != paths.SELF)


def _full(table: Table, path: paths.Path) -> tuple[str, ...] | None:
    """The keys from the item down to where the path of a column leads; None where it leads to what the item was listed for."""
    keys = _keys(path)
    up = next((at for at, key in enumerate(keys) if key != "parent"), len(keys))
    around: list[tuple[str, ...]] = [()]
    if table.each:
        steps: tuple[str, ...] = ()
        for step in paths.parse(table.each).steps:
            if isinstance(step, str) and step not in (paths.EACH, paths.SELF):
                steps = (*steps, step)
            elif step == paths.EACH:
                around.insert(0, steps)
    return (*around[up], *keys[up:]) if up < len(around) else None


def _one_of(table: str, held: Taint, names: list[str]) -> str | None:
    """The column with its table, where a reference leads to a document."""
    return f"{names[-1]} of {table}" if names[-1] in held else None


Resolve = Callable[[list[str]], str | None]
"""Names of a reference -> how to call the document's column that it leads to; None where it leads to none."""


@dataclass
class _Reader:
    """Looks through one expression, and notes under `where` what looks at a document's text."""

    lineage: _Lineage
    resolve: Resolve
    where: str = ""
    elements: Mapping[str, str] = field(default_factory=dict)
    """Names in lambdas around that stand for elements of a list, and the column of that list."""
    queries: Mapping[str, Taint] = field(default_factory=dict)
    """WITH queries that can be seen from here."""

    def carries(self, node: Node) -> list[str]:
        """The columns whose text the value of an expression may hold."""
        kind, name = node.get("class"), str(node.get("function_name") or "").lower()
        if kind == "COLUMN_REF":
            names = [str(each) for each in node["column_names"]]
            found = self.elements.get(names[0]) or self.resolve(names)
            return [found] if found else []
        if kind in _NO_TEXT_CLASSES or (kind == "FUNCTION" and name in _NO_TEXT):
            return []
        if kind == "OPERATOR" and node.get("type") not in (
            "OPERATOR_COALESCE",
            "ARRAY_EXTRACT",
            "STRUCT_EXTRACT",
            "ARRAY_SLICE",
            "ARRAY_CONSTRUCTOR",
        ):
            return []
        if kind == "CAST" and str(node.get("cast_type", {}).get("id")) in ("BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "TIMESTAMP", "DATE"):
            return []
        if kind == "CASE":
            ends = [check["then_expr"] for check in node["case_checks"]]
            return self._all([*ends, node["else_expr"]])
        if kind == "SUBQUERY":  # ANY gives a truth
            return sorted(self._subquery(node)) if node.get("subquery_type") == "SCALAR" else []
        return self._within(node)._all(children(node))  # `policy -> '$.x'` is written as a lambda is

    def _all(self, found: Iterable[Node]) -> list[str]:
        return [name for each in found for name in self.carries(each)]

    def _within(self, node: Node) -> _Reader:
        """The reader for what stands in a call: the name in a lambda is an element of the lists beside it."""
        parts = list(children(node)) if node.get("class") == "FUNCTION" else []
        lambdas = [each for each in parts if each.get("class") == "LAMBDA"]
        lists = self._all(each for each in parts if each.get("class") != "LAMBDA") if lambdas else []
        if not lists:
            return self
        names = [str(each["column_names"][-1]) for one in lambdas for each in nodes(one["lhs"]) if each.get("class") == "COLUMN_REF"]
        return _Reader(self.lineage, self.resolve, self.where, {**self.elements, **dict.fromkeys(names, lists[0])}, self.queries)

    def look(self, found: Iterable[Node]) -> None:
        """Note each function beneath that looks at the text of a document."""
        for node in found:
            if node.get("class") == "SUBQUERY":
                self._subquery(node)
                self.look([node["child"]] if node.get("child") else [])
                continue
            inside = self._within(node)
            name = str(node.get("function_name") or "").lower()
            if node.get("class") == "FUNCTION" and name in LOOKS:
                seen = inside._all(children(node))
                if seen:
                    self.lineage.found.setdefault(self.where, []).append(f"{name} over {seen[0]}")
            inside.look(children(node))

    def _subquery(self, node: Node) -> Taint:
        return _Select(self.lineage, self.where).columns(node["subquery"]["node"], self.queries, self.resolve)


@dataclass
class _Select:
    """Follows the columns of a SELECT: which of those that it gives hold a document's text."""

    lineage: _Lineage
    where: str

    def columns(self, node: Node, around: Mapping[str, Taint], outer: Resolve | None = None) -> Taint:
        """The names of such columns. `around` are WITH queries that can be seen, `outer` resolves names from outside."""
        queries = {**around}
        for entry in node.get("cte_map", {}).get("map", ()):
            queries[entry["key"]] = self._renamed(
                self.columns(_query(entry["value"]), queries, outer), _query(entry["value"]), entry["value"]
            )
        if node.get("type") == "SET_OPERATION_NODE":
            return self._union(node, queries, outer)
        if node.get("type") != "SELECT_NODE":
            return frozenset()
        sources = dict(self._sources(node["from_table"], queries, outer))

        def resolve(names: list[str]) -> str | None:
            if len(names) > 1 and names[-2] in sources:
                return f"{names[-1]} of {names[-2]}" if names[-1] in sources[names[-2]] else None
            if names[0] != "this":
                for source, held in sources.items():
                    if names[-1] in held:
                        return f"{names[-1]} of {source}"
            return outer(names) if outer is not None else None

        reader = _Reader(self.lineage, resolve, self.where, queries=queries)
        reader.look(each for key, value in node.items() if key not in ("cte_map", "from_table") for each in children({key: value}))
        reader.look(_joins(node["from_table"]))
        made: set[str] = set()
        for item in node["select_list"]:
            if item.get("class") == "STAR":
                for source, held in sources.items():
                    if item.get("relation_name") in ("", None, source):
                        made |= held
            elif reader.carries(item):
                made.add(_name(item))
        return frozenset(made)

    def _union(self, node: Node, queries: Mapping[str, Taint], outer: Resolve | None) -> Taint:
        """By position, named by the first: text in one of them is text in all."""
        sides = node.get("children") or [node["left"], node["right"]]
        held = [self.columns(side, queries, outer) for side in sides]
        first = _names(sides[0])
        made = set(held[0])
        for side, names in zip(sides[1:], held[1:], strict=True):
            own = _names(side)
            made |= {first[own.index(name)] if first and name in own and own.index(name) < len(first) else name for name in names}
        return frozenset(made)

    def _sources(self, node: Node, queries: Mapping[str, Taint], outer: Resolve | None) -> Iterator[tuple[str, Taint]]:
        kind = node.get("type")
        if kind == "JOIN":
            yield from self._sources(node["left"], queries, outer)
            yield from self._sources(node["right"], queries, outer)
        elif kind == "BASE_TABLE":
            path = [str(each) for each in node["qualified_name"]["path"]]
            name = ".".join(path)
            held = queries[name] if name in queries else self.lineage.of(name)
            yield node.get("alias") or path[-1], held
        elif kind == "SUBQUERY":
            query = node["subquery"]["node"]
            yield (
                node.get("alias") or "",
                self._renamed(self.columns(query, queries, outer), query, {"aliases": node.get("column_name_alias")}),
            )

    @staticmethod
    def _renamed(held: Taint, query: Node, entry: Node) -> Taint:
        """The same under the names that `WITH x(a, b)` or `… AS x(a, b)` give."""
        given, own = entry.get("aliases") or (), _names(query)
        return frozenset(given[own.index(name)] if name in own and own.index(name) < len(given) else name for name in held)


def _query(value: Node) -> Node:
    """The SELECT of a WITH, in either form that the parser writes."""
    return dict(value["query_node"] if "query_node" in value else value["query"]["node"])


def _name(item: Node) -> str:
    if item.get("alias"):
        return str(item["alias"])
    return str(item["column_names"][-1]) if item.get("class") == "COLUMN_REF" else ""


def _names(node: Node) -> list[str]:
    while node.get("type") == "SET_OPERATION_NODE":
        node = (node.get("children") or [node["left"]])[0]
    items = node.get("select_list", [])
    return [] if any(item.get("class") == "STAR" for item in items) else [_name(item) for item in items]


def _joins(node: Node) -> Iterator[Node]:
    if node.get("type") == "JOIN":
        yield from (children({"condition": node.get("condition")}))
        yield from _joins(node["left"])
        yield from _joins(node["right"])


def _selected(text: str) -> list[Node]:
    return [item for node in _trees(f"SELECT (\n{text}\n)") for item in node.get("select_list", ())]


def _trees(text: str) -> list[Node]:
    """The parsed statements; none where the text is no SQL, which is told elsewhere."""
    try:
        return statements(text, where="", do="")
    except ContentError:
        return []
