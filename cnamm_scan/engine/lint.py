"""What can be said about content without a cloud: does it parse, bind, keep NULL; and do its own tests pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cnamm_scan import paths
from cnamm_scan.content import ENGINE_TABLES, columns_of, line_of
from cnamm_scan.content.starter import ABOUT, OBJECTIVE, left_over
from cnamm_scan.content.wording import hole, wording
from cnamm_scan.engine import ages, alternatives, dated, lineage, regions
from cnamm_scan.engine.bounds import Bounds, StoreError
from cnamm_scan.engine.evaluate import CompiledRule, compile_rule, results
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import quoted, read_ahead, read_column, read_expression
from cnamm_scan.engine.store import Store
from cnamm_scan.errors import ContentError, did_you_mean
from cnamm_scan.model import Column, Content, Reason, Rule, Table, Target, Verdict

TEST_TIME = "2026-01-01T00:00:00"
TEST_REGION = "test-region"
BOUNDS = Bounds(seconds=20.0, memory="500MB", spill="1GB", growth=2 << 30)
"""For SQL over no rows, or over those of a rule's own tests."""

NOTHING_SEEN = "a row of which nothing was seen"
"""A case of every rule: where it passes all the same no value turns it, since what holds of nothing seen holds of whatever is there."""

Case = tuple[str, Verdict, Mapping[str, Any]]
"""(name, expected verdict, row) of one case of a rule's tests."""


def lint(content: Content, known: Set[str] = frozenset()) -> list[ContentError]:
    """Every problem of tables, views and rules, each with its file and line. Empty when the content is sound.

    Those of `known` names, which read nothing but each other, were found sound before and are not looked at again.
    """
    return [_with_line(content, problem) for problem in _problems(content, known)]


_PLACE = re.compile(r"(?P<file>\S+\.yaml) \((?P<id>[a-z0-9_.-]+)\)(?:\.(?P<column>\w+))?(?: (?P<key>where|pass):)?")


def _with_line(content: Content, problem: ContentError) -> ContentError:
    """The problem with the line of its rule's key or its table's column behind the file."""
    said = _PLACE.fullmatch(problem.where)
    if said is None:
        return problem
    name, column = said["id"], said["column"] or ""
    if name not in content.rules and name not in content.tables and name not in content.views:
        name, _, column = name.rpartition(".")
    line = line_of(content, name, said["key"] or column)
    file = said["file"] if line is None else f"{said['file']}:{line}"
    key = f" {said['key']}:" if said["key"] else ""
    return ContentError(problem.what, where=f"{file} ({name}{'.' if column else ''}{column}){key}", do=problem.do)


def _problems(content: Content, known: Set[str]) -> list[ContentError]:
    problems: list[ContentError] = []
    tables = [table for table in content.tables.values() if table.id not in known]
    for table in tables:
        problems += _columns(content, table)
        with suppress(ContentError):  # a path that cannot be read: the reader of content has said so, and looked on
            problems += list(_table(content, table))
    for objective in content.objectives.values():
        if OBJECTIVE in objective.title:
            where = f"mappings ({objective.id})"
            problems.append(ContentError("still as it was made: title", where=where, do="say it in your own words"))
    unread: list[ContentError] = []
    views = _sound_views(content, unread, known)
    problems += unread
    there = {*content.tables, *content.views, *ENGINE_TABLES}
    read_ahead(content, (rule for rule in content.rules.values() if rule.id not in known))
    with Store(content, {*content.tables, *views, *ENGINE_TABLES}, scan_time=TEST_TIME, bounds=BOUNDS) as store:
        store.lock()  # before the first word of SQL that somebody else wrote
        for view in views:
            if view in known:
                continue
            spec = content.views[view]
            if spec.made is not None:
                continue  # no SELECT to bind: what its function reads was looked at already
            problems += _view(store, view, spec.select, f"{spec.source} ({view})")
        for table in tables:
            problems += _derived(store, table)
        for rule in content.rules.values():
            if rule.for_each in there and rule.id not in known:  # else the reader of content has said so
                problems += _rule(content, store, rule)
    return problems or [
        *_spared(content, known),
        *regions.problems(content, known),
        *lineage.problems(content, known),
        *ages.problems(content, known),
        *dated.problems(content, known),
    ]


def _spared(content: Content, known: Set[str]) -> Iterator[ContentError]:
    """A table that is asked only when another could not be read says nothing by itself: empty means that it was not needed."""
    spared = {table.id: table.list.unless for table in content.tables.values() if table.list.unless}
    views = [view for view in content.views.values() if view.id not in known]
    rules = [rule for rule in content.rules.values() if rule.id not in known]
    readers = [(view.source, view.id, read_view(content, view.id).tables, view.made is not None) for view in views]
    readers += [(rule.source, rule.id, frozenset(compile_rule(content, rule).reads), False) for rule in rules]
    for source, name, tables, is_made in readers:
        for table in sorted(tables & spared.keys()):
            if not is_made or spared[table] not in tables:
                yield ContentError(
                    f"'{table}' is asked only where '{spared[table]}' could not be read",
                    where=f"{source} ({name})",
                    do="read what is made of both",
                )


def _sound_views(content: Content, problems: list[ContentError], known: Set[str]) -> list[str]:
    """The views whose SQL may run, each after those that it reads. What is wrong with the others goes to `problems`."""
    sources: dict[str, frozenset[str]] = {}
    sound = [view for view in content.views if view in known]
    for view in (name for name in content.views if name not in known):
        try:
            sources[view] = read_view(content, view).tables & content.views.keys()
        except ContentError as error:
            problems.append(error)
    while more := [view for view, read in sources.items() if view not in sound and read <= set(sound)]:
        sound += more
    waiting = {view for view in sources if view not in sound}
    while freed := {view for view in waiting if not sources[view] & waiting}:  # these wait for one that is refused, not for themselves
        waiting -= freed
    for view in sorted(waiting):
        where = f"{content.views[view].source} ({view})"
        problems.append(ContentError(f"view '{view}' reads itself", where=where, do="break the circle"))
    return sound


def _columns(content: Content, table: Table) -> Iterator[ContentError]:
    """What is wrong with the columns that are made from others."""
    where = f"{table.source} ({table.id})"
    waiting: dict[str, frozenset[str]] = {}
    for name, column in table.columns.items():
        if column.is_:
            try:
                waiting[name] = read_column(content, table.id, column.is_, where=f"{where}.{name}").reads.get(table.id, frozenset())
            except ContentError as error:
                yield error
    while freed := {name for name, reads in waiting.items() if not reads & waiting.keys()}:
        waiting = {name: reads for name, reads in waiting.items() if name not in freed}
    for name in sorted(waiting):
        yield ContentError(f"column '{name}' is made from itself", where=f"{where}.{name}", do="break the circle")


def _table(content: Content, table: Table) -> Iterator[ContentError]:
    where = f"{table.source} ({table.id})"
    names: dict[tuple[str, ...], str] = {}
    for name, column in table.columns.items():
        if column.path and not column.path.startswith("$"):
            path = paths.parse(column.path)
            if path.is_many and column.from_ and column.type not in ("list", "json"):
                yield ContentError(f"column '{name}': a path through [] gives many values", where=where, do="make it a list, or use each:")
            folded = tuple(key.lower() for key in path.keys)
            for length in range(1, len(folded) + 1):
                seen = names.setdefault(folded[:length], ".".join(path.keys[:length]))
                if seen != ".".join(path.keys[:length]):
                    yield ContentError(f"paths '{seen}' and '{column.path}' differ in case only", where=where, do="use one spelling")
    if ABOUT in table.about:
        yield ContentError("still as it was made: about", where=where, do="say it in your own words")
    for key in table.then:
        if any(column.path and paths.parse(column.path).head == key for column in table.columns.values() if _is_path(column)):
            continue
        used_by_each = table.each and paths.parse(table.each).head == key
        used_later = any(
            _is_value_path(text) and paths.parse(text).head == key for call in table.then.values() for text in call.with_.values()
        )
        from_child = any(
            other.list.for_ == table.id and any(text.startswith(f"parent.{key}.") for text in other.list.with_.values())
            for other in content.tables.values()
        )
        if not (used_by_each or used_later or from_child or _through_parent(table, key)):
            yield ContentError(f"part '{key}' feeds no column", where=where, do="read a column from it, or remove the call")


def _through_parent(table: Table, key: str) -> bool:
    return bool(table.each) and any(
        column.path and column.path.startswith((f"parent.{key}.", f"parent.parent.{key}.")) for column in table.columns.values()
    )


def _is_path(column: Column) -> bool:
    return column.path is not None and not column.path.startswith("$")


def _is_value_path(text: str) -> bool:
    return not text.startswith("$")


def _derived(store: Store, table: Table) -> Iterator[ContentError]:
    for name, column in table.columns.items():
        if column.is_:
            try:
                read_column(store.content, table.id, column.is_, where=f"{table.source} ({table.id}).{name}")
                store.types(f"SELECT (\n{column.is_}\n) FROM {quoted(table.id)}")
            except ContentError:  # said already, and it must not run
                continue
            except StoreError as error:
                yield ContentError(error.what, where=f"{table.source} ({table.id}.{name})", do=error.do)


def _view(store: Store, view: str, select: str, where: str) -> Iterator[ContentError]:
    try:
        names, _ = store.table(f"SELECT * FROM (\n{select}\n) LIMIT 0")
    except StoreError as error:
        yield ContentError(error.what, where=where, do=error.do)
        return
    expected = ["target", "region", "key", *store.content.views[view].columns]
    for name in expected:
        if name not in names:
            yield ContentError(f"the view does not select '{name}'", where=where, do=f"select {', '.join(expected)}")


def _rule(content: Content, store: Store, rule: Rule) -> Iterator[ContentError]:
    where = f"{rule.source} ({rule.id})"
    try:
        compiled = compile_rule(content, rule)
    except ContentError as error:
        yield error
        return
    try:
        if compiled.reads.keys() - store.tables:  # a view that was refused: there is nothing to bind against
            return
        store.types(compiled.judged, compiled.parameters)
        said = f"SELECT ({rule.where or 'true'}\n) AS w, ({rule.pass_}\n) AS p FROM {quoted(rule.for_each)} AS this"
        types = store.types(said, compiled.parameters)
    except StoreError as error:
        yield ContentError(error.what, where=where, do=error.do)
    else:
        if set(types.values()) != {"BOOLEAN"}:
            yield ContentError("'where' or 'pass' is not true or false", where=where, do="write a comparison")
        else:
            yield from _turns(content, rule, where)
    for group in (rule.title, rule.why, rule.message.fail, "".join(rule.fix.templates)):
        if not group.strip():
            yield ContentError("title, why, message and fix must say something", where=where, do="write a sentence")
            break
    placeholders = left_over(rule)
    if placeholders:
        yield ContentError(f"still as it was made: {', '.join(placeholders)}", where=where, do="say it in your own words")
    if rule.title.strip().endswith("."):
        yield ContentError("a title has no full stop", where=where, do="remove it")
    for _, case in rule.tests.cases():
        yield from _case(content, compiled, case, where)
    yield from alternatives.one_product(content, rule)
    yield from wording(content, rule)


def _turns(content: Content, rule: Rule, where: str) -> Iterator[ContentError]:
    """A verdict that no value turns, and an age that begins before what it is the age of."""
    estate = rule.scope == "estate"
    decides = read_expression(content, rule.for_each, rule.pass_, where=where, estate=estate).reads
    selects = {} if rule.where is None else read_expression(content, rule.for_each, rule.where, where=where, estate=estate).reads
    if not any(decides.values()):
        yield ContentError("'pass' reads nothing, so nothing can turn it", where=where, do="a rule judges a column")
    for table in decides.keys() | selects.keys():
        columns = decides.get(table, frozenset()) | selects.get(table, frozenset())
        for name, column in _dated(content, table).items():
            if name in columns and column.renewed_by not in columns:
                yield ContentError(
                    f"'{table}.{name}' may be older than what it dates, and '{column.renewed_by}' is not asked",
                    where=where,
                    do=f"leave open what may be new: … OR ({column.renewed_by} AND NULL)",
                )


def _dated(content: Content, table: str) -> Mapping[str, Column]:
    """The dates of a table beside which another column must be read."""
    return {name: column for name, column in columns_of(content, table).items() if column.renewed_by is not None}


def _case(content: Content, compiled: CompiledRule, case: Mapping[str, Any], where: str) -> Iterator[ContentError]:
    known = columns_of(content, compiled.rule.for_each)
    for name, value in case.items():
        if "." in name:
            if name not in compiled.reads:
                yield ContentError(
                    f"test names table '{name}', which the rule does not read", where=where, do=did_you_mean(name, compiled.reads)
                )
            elif value != "unreadable":
                if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
                    yield ContentError(f"test: '{name}' is not a list of rows", where=where, do="write rows, or unreadable")
                    continue
                for row in value:
                    for column in row:
                        if column not in columns_of(content, name):
                            advice = did_you_mean(column, columns_of(content, name))
                            yield ContentError(f"test: '{name}' has no column '{column}'", where=where, do=advice)
        elif name not in known:
            yield ContentError(f"test: '{compiled.rule.for_each}' has no column '{name}'", where=where, do=did_you_mean(name, known))


# ---- a rule's own tests ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case of a rule's tests: what was expected and what came out."""

    rule: str
    case: str
    expected: Verdict
    got: str

    @property
    def passed(self) -> bool:
        """Whether every row of the case got the verdict that it must get."""
        return self.got == self.expected.value


def run_tests(content: Content, rules: Iterable[Rule]) -> Iterator[CaseResult]:
    """Judge every case of every rule. Each case is a target of its own, so a rule's cases run as one SELECT."""
    compiled = [compile_rule(content, rule) for rule in rules]
    tables = {table for rule in compiled for table in rule.reads}
    with Store(content, tables, scan_time=TEST_TIME, bounds=BOUNDS) as store:
        store.lock()
        for rule in compiled:
            yield from _run_rule(store, rule)


def _run_rule(store: Store, compiled: CompiledRule) -> Iterator[CaseResult]:
    rule = compiled.rule
    cases: list[Case] = [
        (f"{expected.value}[{number}]", expected, case)
        for expected in (Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN, Verdict.NOT_APPLICABLE)
        for number, case in enumerate(case for verdict, case in rule.tests.cases() if verdict is expected)
    ]
    if rule.scope == "estate":
        for case in cases:
            yield from _run_cases(store, compiled, [case])
    else:
        if rule.where is None:
            cases.append((NOTHING_SEEN, Verdict.UNKNOWN, {table: [{}] for table in compiled.reads if table != rule.for_each}))
        for result in _run_cases(store, compiled, cases):
            if result.case != NOTHING_SEEN or result.got == Verdict.PASS.value:
                yield result


def _run_cases(store: Store, compiled: CompiledRule, cases: list[Case]) -> Iterator[CaseResult]:
    rule = compiled.rule
    for table in compiled.reads:
        store.clear(table)
    targets = [Target(f"{rule.provider}:{name}", rule.provider, name) for name, _, _ in cases]
    try:
        _fill(store, compiled, {target.id: case for target, (_, _, case) in zip(targets, cases, strict=True)})
    except StoreError as error:
        if len(cases) > 1:  # find the row that does not fit
            for case in cases:
                yield from _run_cases(store, compiled, [case])
        else:
            yield CaseResult(rule.id, cases[0][0], cases[0][1], f"a row that does not fit: {error.what}")
        return
    got: dict[str, list[str]] = {}
    for result in results(store, compiled, targets):
        said = result.verdict.value if result.verdict is not Verdict.ERROR else result.message
        got.setdefault(result.target, []).append(hole(rule, result) or said)
    for target, (name, expected, _) in zip(targets, cases, strict=True):
        verdicts = sorted(set(got.get(target.id, ["no row"])))
        yield CaseResult(rule.id, name, expected, " and ".join(verdicts))


def _fill(store: Store, compiled: CompiledRule, cases: Mapping[str, Mapping[str, Any]]) -> None:
    """Put the rows of all cases in, a table at a time; each case is a target."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    dark: dict[str, list[tuple[str, str, Reason, bool]]] = {}
    for target, case in cases.items():
        base = {"target": target, "region": TEST_REGION, "scan_time": TEST_TIME}
        own = {name: value for name, value in case.items() if "." not in name}
        rows.setdefault(compiled.rule.for_each, []).append({**base, "key": "test", **own})
        for table, given in case.items():
            if "." in table and given == "unreadable":
                dark.setdefault(table, []).append((target, TEST_REGION, Reason.DENIED, False))
            elif "." in table:
                rows.setdefault(table, []).extend({**base, "key": f"{table}#{number}", **row} for number, row in enumerate(given))
    for table, given_rows in rows.items():
        store.add_rows(table, given_rows)
    for table, ghosts in dark.items():
        store.add_ghosts(table, ghosts)
