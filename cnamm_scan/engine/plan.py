"""From rules to calls: only what a selected rule reads is asked, and nothing is asked twice."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cnamm_scan import paths
from cnamm_scan.content import ENGINE_TABLES
from cnamm_scan.doing import doing
from cnamm_scan.engine.evaluate import CompiledRule, compile_rule
from cnamm_scan.engine.parameters import replaced
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import expand, read_ahead
from cnamm_scan.errors import UsageError, did_you_mean
from cnamm_scan.model import Call, Content, Function, Rule, Table
from cnamm_scan.providers.interface import Unread

READ_AT_ONCE = 64
"""Rules whose expressions are parsed together: most of what batching saves, and little memory."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rules to run. Empty tuples mean all; deprecated rules run only when they are named."""

    rules: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Values that replace defaults of rules' parameters: `max_days` of all that have one, or `RULE.max_days` of one."""
    opted: frozenset[str] = frozenset()
    """What is read only when somebody asks for it, and was asked for: names of collectors' `opt_in:`."""


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One fact table of the plan: which of its parts are asked, and which paths a fact keeps."""

    table: Table
    parts: tuple[str, ...]
    kept: tuple[str, ...]
    """The paths of every column whose part is asked: what stays of an answer."""
    unread: Unread | None = None
    """What the provider's SDK cannot show of it."""


@dataclass
class Source:
    """One listing and all who live on it: tables that share its items, and listings made for each of them."""

    call: Call
    client: str
    once_per: str
    tables: list[TablePlan] = field(default_factory=list)
    children: list[Source] = field(default_factory=list)
    unread: str = ""
    """Why the provider's SDK cannot list it: a code that names the SDK; empty when it can."""

    def walk(self) -> Iterable[Source]:
        """Itself and everything beneath."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a scan will ask and judge."""

    content: Content
    rules: tuple[CompiledRule, ...]
    tables: Mapping[str, TablePlan]
    sources: Mapping[str, tuple[Source, ...]]
    """Provider -> its listings."""
    shared: frozenset[tuple[str, str]]
    """(client, operation) that several declared calls use: their answers are kept and given to each."""

    @property
    def rule_ids(self) -> tuple[str, ...]:
        """The rules that will be judged, in order."""
        return tuple(rule.rule.id for rule in self.rules)

    @property
    def read_tables(self) -> frozenset[str]:
        """The tables and views that these rules name."""
        return frozenset(table for rule in self.rules for table in rule.reads)

    def needs(self, provider: str) -> list[str]:
        """The rights that the plan needs of a provider, sorted, each once."""
        found: set[str] = set()
        for source in self.sources.get(provider, ()):
            for each in source.walk():
                found.update(each.call.needs)
                for table in each.tables:
                    found.update(right for part in table.parts for right in table.table.then[part].needs)
        return sorted(found)

    def operations(self, provider: str) -> dict[str, frozenset[str]]:
        """The operations that the plan asks, by client: what an SDK needs to know of its services."""
        found: dict[str, set[str]] = {}
        for root in self.sources.get(provider, ()):
            for source in root.walk():
                calls = [(source.call, source.client)]
                calls += [(each.table.then[part], each.table.client) for each in source.tables for part in each.parts]
                for call, client in calls:
                    if call.call is not None:
                        named, operation = call.of(client)
                        found.setdefault(named, set()).add(operation)
        return {client: frozenset(operations) for client, operations in found.items()}

    def describe(self) -> dict[str, Any]:
        """What a bundle's manifest keeps of the plan: for each table the parts asked and the paths kept."""
        told: dict[str, Any] = {}
        for name, plan in sorted(self.tables.items()):
            told[name] = {"parts": sorted(plan.parts), "paths": sorted(plan.kept)}
            if plan.unread is not None and plan.unread.paths:
                told[name]["unsupported"] = sorted(plan.unread.paths)
        return told

    def without(self, unread: Mapping[str, Unread]) -> Plan:
        """The plan without what an SDK cannot show: it is not kept as if it were silence, but unread, and said so."""
        if not unread:
            return self
        tables = {name: _without(plan, unread.get(name)) for name, plan in self.tables.items()}
        sources = {provider: tuple(_source_of(root, tables) for root in roots) for provider, roots in self.sources.items()}
        return replace(self, tables=tables, sources=sources)


def _without(plan: TablePlan, unread: Unread | None) -> TablePlan:
    if unread is None:
        return plan
    return replace(plan, kept=tuple(path for path in plan.kept if path not in unread.paths), unread=unread)


def _source_of(source: Source, tables: Mapping[str, TablePlan]) -> Source:
    own = [tables[plan.table.id] for plan in source.tables]
    why = next((plan.unread.code for plan in own if plan.unread is not None and plan.unread.listing), "")
    return replace(source, tables=own, children=[_source_of(child, tables) for child in source.children], unread=why)


def functions_named(content: Content, names: Collection[str]) -> list[Function]:
    """The business functions of these ids. Raises UsageError with the nearest ones for an id that none has."""
    known = {function.id: function for model in content.models for function in model.functions}
    for name in names:
        if name not in known:
            raise UsageError(f"no function '{name}'", where="--function", do=did_you_mean(name, known))
    return [known[name] for name in names]


def select(content: Content, selection: Selection) -> list[Rule]:
    """The selected rules. Raises UsageError with the nearest names for anything unknown: a typo must not scan nothing."""
    wanted = {objective for function in functions_named(content, selection.functions) for objective in function.asks}
    chosen: dict[str, Rule] = {}
    for name in selection.rules:
        found = content.rules_named(name)
        if not found:
            raise UsageError(f"no rule '{name}'", where="--rule", do=did_you_mean(name, content.rules))
        chosen.update((rule.id, rule) for rule in found)
    current = (rule for rule in content.rules.values() if rule.status != "deprecated")
    pool = list(chosen.values() if selection.rules else current)
    return [rule for rule in pool if not selection.functions or rule.objective in wanted]


def make_plan(content: Content, selection: Selection, providers: Iterable[str]) -> Plan:
    """The calls that the selected rules of these providers need. Raises ContentError or UsageError."""
    doing("planning")
    providers = frozenset(providers)
    chosen = [rule for rule in select(content, selection) if rule.provider in providers or rule.provider == "estate"]
    rules = tuple(compile_rules(content, chosen, replaced(content, chosen, selection.parameters)))
    wanted: dict[str, set[str]] = {}
    for rule in rules:
        for table, columns in rule.reads.items():
            _want(content, table, columns, wanted)
    tables = {
        name: _table_plan(content, content.tables[name], columns)
        for name, columns in wanted.items()
        if name in content.tables and is_read(content, content.tables[name], selection.opted)
    }
    _add_parents(content, tables)
    sources: dict[str, list[Source]] = {}
    made: dict[str, Source] = {}
    for name in sorted(tables):
        _place(content, tables, tables[name], sources, made)
    grown = {provider: tuple(roots) for provider, roots in sources.items()}
    return Plan(content, rules, tables, grown, _shared(grown))


def is_read(content: Content, table: Table, opted: frozenset[str]) -> bool:
    """Whether a table may be read: it, and what it is listed for, are always read or were asked for."""
    if table.opt_in is not None and table.opt_in not in opted:
        return False
    return table.list.for_ is None or is_read(content, content.tables[table.list.for_], opted)


def compile_rules(
    content: Content, rules: Sequence[Rule], parameters: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[CompiledRule]:
    """Compile rules in order, parsing many at a time. `parameters` are those that somebody replaced, by rule. Raises ContentError."""
    for start in range(0, len(rules), READ_AT_ONCE):
        some = rules[start : start + READ_AT_ONCE]
        read_ahead(content, some)
        yield from (compile_rule(content, rule, (parameters or {}).get(rule.id)) for rule in some)


def tables_of(content: Content, rule: CompiledRule) -> set[str]:
    """The fact tables that a rule's verdict rests on, straight or through views."""
    wanted: dict[str, set[str]] = {}
    for table, columns in rule.reads.items():
        _want(content, table, columns, wanted)
    return set(wanted)


def _want(content: Content, table: str, columns: Iterable[str], wanted: dict[str, set[str]]) -> None:
    if table in ENGINE_TABLES:
        return
    if table in content.views:
        for base, read in read_view(content, table).columns.items():
            _want(content, base, read, wanted)
        return
    wanted.setdefault(table, set()).update(expand(content, table, columns))


def _table_plan(content: Content, table: Table, columns: Iterable[str], also: Iterable[str] = ()) -> TablePlan:
    asked = set(also)
    for name in columns:
        column = table.columns.get(name)
        if column is not None and column.path:
            asked |= _parts_of(table, column.path)
    if table.each:
        asked |= _parts_of(table, table.each)
    for text in _always_read(table):
        asked |= _parts_of(table, text)
    while True:
        more = {part for name in asked for text in table.then[name].with_.values() for part in _parts_of(table, text)} - asked
        if not more:
            break
        asked |= more
    parts = tuple(name for name in table.then if name in asked)
    unasked = set(table.then) - asked
    kept = {column.path for column in table.columns.values() if column.path and not _parts_of(table, column.path) & unasked}
    return TablePlan(table, parts, tuple(sorted(kept)))


def _always_read(table: Table) -> Iterator[str]:
    """The paths that a row needs whatever is asked of it: those of its key, and to when it was true."""
    from cnamm_scan.content import key_paths

    yield from key_paths(table.key)
    if table.as_of is not None:
        yield table.as_of


def _parts_of(table: Table, text: str) -> set[str]:
    """The part of this table that a path starts in, also through the `parent.` steps that `each:` adds."""
    if text.startswith("$"):
        return set()
    steps = list(paths.parse(text).keys)
    for _ in range(table.each.count("[]") if table.each and text != table.each else 0):
        if steps[0] == "parent":
            steps = steps[1:]
        else:
            return set()
    return {steps[0]} & set(table.then)


def _add_parents(content: Content, tables: dict[str, TablePlan]) -> None:
    """A listing made for each item of another table needs that table's listing, and the parts that its columns reach into."""
    todo = list(tables)
    while todo:
        plan = tables[todo.pop()]
        parent_id = plan.table.list.for_
        if parent_id is None:
            continue
        parent = content.tables[parent_id]
        reach = [*plan.kept, *plan.table.list.with_.values(), *_always_read(plan.table)]
        reach += [text for part in plan.parts for text in plan.table.then[part].with_.values()]
        hops = plan.table.each.count("[]") if plan.table.each else 0
        heads: set[str] = set()
        for text in reach:
            if text.startswith("$"):
                continue
            keys = paths.parse(text).keys
            depth = next((n for n, key in enumerate(keys) if key != "parent"), len(keys))
            if depth == hops + 1 and depth < len(keys):
                heads |= {keys[depth]} & set(parent.then)
        before = tables.get(parent_id)
        made = _table_plan(content, parent, (), also={*heads, *(before.parts if before else ())})
        if before is None or set(before.parts) != set(made.parts):
            tables[parent_id] = made
            todo.append(parent_id)


def _identity(call: Call, client: str, once_per: str, parent: str) -> str:
    said = [client, call.operation, once_per, parent, dict(call.with_), dict(call.fixed), call.items, call.at_most, call.in_region]
    said += [each for each in (call.target, call.unless, call.once_for) if each]
    return json.dumps(said, sort_keys=True, default=str)


def _place(
    content: Content, tables: Mapping[str, TablePlan], plan: TablePlan, roots: dict[str, list[Source]], made: dict[str, Source]
) -> Source:
    table = plan.table
    parent: Source | None = None
    if table.list.for_:
        parent = _place(content, tables, tables[table.list.for_], roots, made)
    identity = _identity(table.list, table.client, table.once_per, table.list.for_ or "")
    source = made.get(identity)
    if source is None:
        source = made[identity] = Source(table.list, table.client, table.once_per)
        if parent is not None:
            parent.children.append(source)
        else:
            roots.setdefault(table.provider, []).append(source)
    if all(other.table.id != table.id for other in source.tables):
        source.tables.append(plan)
    return source


def _shared(sources: Mapping[str, Iterable[Source]]) -> frozenset[tuple[str, str]]:
    """Operations that several declared calls use, and may use with the same parameters: an answer that is kept takes memory."""
    users: dict[tuple[str, str], dict[str, str]] = {}
    for roots in sources.values():
        for root in roots:
            for source in root.walk():
                call = source.call
                is_fixed = not call.with_ and call.for_ is None
                asks = json.dumps(dict(call.fixed), sort_keys=True, default=str) if is_fixed else ""
                users.setdefault(call.of(source.client), {})[f"list {id(source)}"] = asks
                for plan in source.tables:
                    for part in plan.parts:
                        call = plan.table.then[part]
                        identity = json.dumps([call.operation, dict(call.with_), dict(call.fixed)], sort_keys=True, default=str)
                        users.setdefault(call.of(plan.table.client), {})[f"{id(source)} {identity}"] = ""
    return frozenset(operation for operation, who in users.items() if len(who) > 1 and not _all_differ(list(who.values())))


def _all_differ(asks: list[str]) -> bool:
    """Whether no two of these calls can be the same; one of which nothing is known here may be like any."""
    return "" not in asks and len(set(asks)) == len(asks)
