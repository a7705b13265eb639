"""Judges rules: one SELECT each, five verdicts, and for every unknown the reason."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnamm_scan.content import ENGINE_TABLES, columns_of
from cnamm_scan.engine.bounds import BoundError, StoreError
from cnamm_scan.engine.dated import AS_OF, KEY, is_dated
from cnamm_scan.engine.extract import literal
from cnamm_scan.engine.lookups import Subquery
from cnamm_scan.engine.reasons import SPOKEN, Reasons, Values
from cnamm_scan.engine.says import Saying, sayings
from cnamm_scan.engine.sql import Expression, quoted, read_expression
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.unread import is_shipped
from cnamm_scan.errors import ContentError
from cnamm_scan.model import REASON_WORDS, Content, Reason, Result, ResultBlock, Rule, Tally, Target, Verdict, fact_id, own_name
from cnamm_scan.model.old import too_old
from cnamm_scan.text import fill, placeholders, safe, unsaid


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its expressions read: what it needs, and the SELECT that judges it."""

    rule: Rule
    reads: Mapping[str, frozenset[str]]
    values: tuple[str, ...]
    """Columns of the row that a result shows."""
    said: tuple[str, ...]
    """What it shows besides, by name."""
    causes: frozenset[str]
    """Those of them that name what is known of the row."""
    parameters: Mapping[str, Any]
    judged: str
    """SQL: one row a resource with `_v`, its verdict."""
    subqueries: tuple[Subquery, ...]
    is_blind: bool = False
    """Whether it is unknown for every row of which nothing is known but its place."""
    is_dated: bool = False
    """Whether its rows say how old they are."""

    @property
    def shown(self) -> tuple[str, ...]:
        """All that a result shows."""
        return (*self.values, *self.said)


def compile_rule(content: Content, rule: Rule, overrides: Mapping[str, Any] | None = None) -> CompiledRule:
    """Read a rule's expressions. `overrides` replaces defaults of its parameters. Raises ContentError with rule and file."""
    place = f"{rule.source} ({rule.id})"
    estate = rule.scope == "estate"
    expressions: list[Expression] = []
    for name, text in (("where", rule.where), ("pass", rule.pass_)):
        if text is not None:
            expressions.append(read_expression(content, rule.for_each, text, where=f"{place} {name}:", estate=estate))
    reads: dict[str, set[str]] = {rule.for_each: set()}
    for expression in expressions:
        for table, columns in expression.reads.items():
            reads.setdefault(table, set()).update(columns)
    own = columns_of(content, rule.for_each)
    says = sayings(content, rule, where=place)
    beside = [expression for saying in says.values() for expression in saying.read]
    for expression in beside:
        for table, columns in expression.reads.items():
            reads.setdefault(table, set()).update(columns)
    said = [name for template in rule.templates for name in placeholders(template)]
    for name in said:
        if name not in own and name not in rule.parameters and name not in says:
            raise ContentError(
                f"'{{{name}}}' in message or fix is no column of {rule.for_each}", where=place, do=f"use one of: {', '.join(own)}"
            )
        if name in own:
            reads[rule.for_each].add(name)
    for name in says:
        if name not in said:
            raise ContentError(f"'{name}' is said nowhere", where=place, do=f"write {{{name}}} into the message, or remove it")
    used = {name for expression in (*expressions, *beside) for name in expression.parameters}
    for name in sorted(used):
        if name not in rule.parameters:
            raise ContentError(
                f"parameter '${name}' is not declared", where=place, do="declare it under parameters: with a default and its source"
            )
    unused = sorted(set(rule.parameters) - used - set(said))
    if unused:
        raise ContentError(f"parameter '{unused[0]}' is not used", where=place, do="use it in where or pass, or remove it")
    parameters = {name: spec.default for name, spec in rule.parameters.items()}
    parameters.update({name: value for name, value in (overrides or {}).items() if name in parameters})
    subqueries = tuple(subquery for expression in expressions for subquery in expression.subqueries)
    values = tuple(sorted(reads[rule.for_each] - {"target", "region", "key", "scan_time"}))
    return CompiledRule(
        rule=rule,
        reads={table: frozenset(columns) for table, columns in reads.items()},
        values=values,
        parameters={name: parameters[name] for name in used} | {},
        said=tuple(says),
        causes=frozenset(name for name, saying in rule.says.items() if saying.named is None),
        judged=_judged(content, rule, values, says, *(expression.text for expression in expressions)),
        subqueries=subqueries,
        is_blind=rule.where is None or expressions[0].is_blind,
        is_dated=is_dated(content, rule.for_each),
    )


def _judged(content: Content, rule: Rule, values: Sequence[str], says: Mapping[str, Saying], *said: str) -> str:
    key = f"COALESCE(this.key, this.{KEY}) AS key" if is_dated(content, rule.for_each) else "this.key"
    shown = "".join(f", this.{quoted(name)}" for name in values)
    # of what was not seen nothing is said
    shown += "".join(f", CASE WHEN this._ghost IS NULL THEN {each.sql} END AS {quoted(name)}" for name, each in says.items())
    where = f"(\n{said[0]}\n)" if rule.where is not None else "true"
    return (
        f"SELECT target, region, key, _fact, _ghost, _gaps, _weight{''.join(', ' + quoted(name) for name in (*values, *says))},"
        " CASE WHEN _w = false THEN 'not_applicable' WHEN _ghost IS NOT NULL OR _w IS NULL OR _p IS NULL THEN 'unknown'"
        " WHEN _p THEN 'pass' ELSE 'fail' END AS _v"
        f" FROM (SELECT this.target, this.region, {key}, this._fact, this._ghost, this._gaps, this._weight{shown},"
        f" {where} AS _w, (\n{said[-1]}\n) AS _p FROM {quoted(rule.for_each)} AS this WHERE NOT this._shadow)"
    )


def tally(store: Store, compiled: CompiledRule, targets: Iterable[Target]) -> list[Tally]:
    """How often the rule gives each verdict, for each target that it concerns. A rule that breaks gives one `error` each."""
    counts: dict[str, dict[str, int]] = {target: {} for target in _concerned(compiled.rule, targets)}
    try:
        _refuse_stopped(store, compiled)
        told = _told(store, compiled)
        if told is not None:
            for target, _, verdict, _, weight, *_ in told:
                if target in counts:
                    counts[target][verdict] = counts[target].get(verdict, 0) + weight
            return _tallies(compiled.rule, counts)
        rows = store.rows(f"SELECT target, _v, sum(_weight) FROM ({compiled.judged}) GROUP BY ALL", compiled.parameters)
        for target, verdict, number in rows:
            if target in counts:
                counts[target][verdict] = int(number)
    except StoreError:
        counts = {target: {Verdict.ERROR: 1} for target in counts}
    return _tallies(compiled.rule, counts)


def _refuse_stopped(store: Store, compiled: CompiledRule) -> None:
    """Raise BoundError when something that the rule reads was stopped half-way: what is missing there was not unread, it was never made."""
    for table in sorted(compiled.reads.keys() & store.stopped.keys()):
        raise BoundError(f"'{table}', which it reads: {store.stopped[table]}", do="mend that one")


def count(compiled: CompiledRule, targets: Iterable[Target], found: Iterable[ResultBlock]) -> list[Tally]:
    """As `tally`, from results that are at hand: each is counted once, those that could not be told apart too."""
    counts: dict[str, dict[str, int]] = {target: {} for target in _concerned(compiled.rule, targets)}
    for block in found:
        own = counts.get(block.target)
        if own is not None:
            own[block.verdict] = own.get(block.verdict, 0) + block.count
    return _tallies(compiled.rule, counts)


def _concerned(rule: Rule, targets: Iterable[Target]) -> list[str]:
    return [target.id for target in targets if rule.provider in ("estate", target.provider)]


def _tallies(rule: Rule, counts: Mapping[str, Mapping[str, int]]) -> list[Tally]:
    return [
        Tally(
            rule.id,
            target,
            pass_=own.get(Verdict.PASS, 0),
            fail=own.get(Verdict.FAIL, 0),
            unknown=own.get(Verdict.UNKNOWN, 0),
            not_applicable=own.get(Verdict.NOT_APPLICABLE, 0),
            error=own.get(Verdict.ERROR, 0),
        )
        for target, own in counts.items()
    ]


BLOCK = 256
"""Most resources in one block."""
FEW = 1000
"""Rows of a table up to which its results are gathered by us."""
MANY = 1000
"""A group may be told as "the rest" from here on; of those that failed so many are still named, with what was seen."""


def blocks(store: Store, compiled: CompiledRule, targets: Iterable[Target], *, compact: bool = False) -> Iterator[ResultBlock]:
    """The rule's verdicts, as blocks of resources that got the same one for the same reason in the same place.

    Ordered by target, region, verdict, reason and key. A rule that breaks gives one `error` a target. With `compact` the largest group of a
    place, when it is large, is told as the rest: a block that names nobody and says how many there are besides all who are named.
    """
    rule = compiled.rule
    reasons = Reasons(store, compiled)
    base = ResultBlock(rule.id, rule.for_each, "", "", Verdict.PASS, "", rule.severity, rule.objective, compiled.parameters)
    try:
        _refuse_stopped(store, compiled)
        told = _told(store, compiled)
        if told is not None:
            rows = _gathered(told)
        elif store.size(rule.for_each) <= FEW:  # gathering a few rows here costs less than planning the SQL that would
            rows = _gathered(store.rows(_row_sql(compiled, reasons), compiled.parameters))
        else:
            rows = store.rows(_block_sql(compiled, reasons, compact=compact), compiled.parameters)
        for target, region, verdict, reason, number, named, facts, shown, first in _reasoned(rows, reasons):
            columns = compiled.shown if verdict in SPOKEN else ()
            group = replace(base, target=target, region=region, verdict=verdict, reason=reason, columns=columns)
            values = Values(store, compiled, reasons, group)
            if values.ages:
                group = replace(group, columns=(*columns, *values.ages))
            keys, seen = named or [], shown or []
            if named is None:  # the rest
                keys, seen = [each["key"] for each in first or ()], [each["seen"] for each in first or ()]
            extra = 0 if named is None else int(number) - len(keys)  # an unread row may stand for many; it has no key, and so comes first
            for start in range(0, len(keys), BLOCK):
                part = slice(start, start + BLOCK)
                yield replace(
                    group,
                    number=start // BLOCK,
                    count=len(keys[part]) + (0 if start else extra),
                    resources=tuple(keys[part]),
                    facts=tuple(facts[part]) if verdict is Verdict.UNKNOWN else (),
                    values=values.of(keys[part], seen[part]),
                )
            if named is None:
                yield replace(group, columns=(), count=int(number) - len(keys), number=-1)
    except StoreError as error:
        for concerned in targets:
            if rule.provider in ("estate", concerned.provider):
                broken = replace(base, target=concerned.id, verdict=Verdict.ERROR, reason="rule_bug", parameters={})
                yield replace(broken, count=1, resources=("",), columns=("error",), values=((error.what,),))


def _told(store: Store, compiled: CompiledRule) -> list[tuple[Any, ...]] | None:
    """The rows of `_row_sql` where they are known without asking: nothing was read of the table, and the rule needs to have read something.

    None where DuckDB has to be asked, as it has for what did not come with this product: it may refuse what it says.
    """
    rule, content = compiled.rule, store.content
    rows, shown = store.unread(rule.for_each), len(compiled.shown) + compiled.is_dated
    if rows is None or not (compiled.is_blind or all(row.shadow for row in rows)):
        return None
    if rule.id not in content.shipped or any(rule.parameters[name].default != value for name, value in compiled.parameters.items()):
        return None
    if not all(is_shipped(content, table) for table in compiled.reads):
        return None
    seen = f"[{','.join(['null'] * shown)}]" if shown else None
    found = [(row.target, row.region, Verdict.UNKNOWN.value, row.why, row.weight, "", row.fact, seen) for row in rows if not row.shadow]
    return sorted(found, key=lambda row: row[:7])


def _reasoned(rows: Iterable[tuple[Any, ...]], reasons: Reasons) -> Iterator[tuple[Any, ...]]:
    """Groups with their reasons. Some bear theirs, others find it around them: those that come to the same one are one."""
    for (target, region, said), groups in itertools.groupby(rows, key=lambda row: row[:3]):
        place = (target, region or "", Verdict(said))
        by_reason: dict[str, list[tuple[Any, ...]]] = {}
        for group in groups:
            reason = "" if place[2] is not Verdict.UNKNOWN else group[3] or reasons.around(target, region)
            by_reason.setdefault(reason, []).append(group[4:])
        for reason, several in sorted(by_reason.items()):
            named = [told for told in several if told[1] is not None]
            if len(named) > 1:
                things = sorted((thing for told in named for thing in zip(*told[1:4], strict=True)), key=lambda thing: thing[:2])
                named = [(sum(told[0] for told in named), *(list(each) for each in zip(*things, strict=True)), None)]
            for told in (*named, *(told for told in several if told[1] is None)):
                yield (*place, reason, *told)


def _row_sql(compiled: CompiledRule, reasons: Reasons) -> str:
    """One row a resource: target, region, verdict, reason, weight, key, fact and what was seen."""
    return f"SELECT target, region, _v, _why, _weight, key, _fact, _seen FROM ({_judged_sql(compiled, reasons)}) ORDER BY ALL"


def _gathered(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The rows of `_row_sql` as those of `_block_sql`. Raises StoreError."""
    for place, group in itertools.groupby(rows, key=lambda row: row[:4]):
        several = sorted(group, key=lambda row: (row[5], row[6] or ""))
        keys, facts, seen = ([row[at] for row in several] for at in (5, 6, 7))
        yield (*place, sum(row[4] for row in several), keys, facts, seen, None)


def _judged_sql(compiled: CompiledRule, reasons: Reasons) -> str:
    spoken = ", ".join(literal(verdict.value) for verdict in SPOKEN)
    shown = [*map(quoted, compiled.shown), *([AS_OF] if compiled.is_dated else [])]
    seen = f"json_array({', '.join(shown)})::VARCHAR" if shown else "NULL"
    return (
        f"SELECT target, region, COALESCE(key, '') AS key, _weight, _v, {reasons.own('_v')} AS _why,"
        f" CASE WHEN _v IN ({spoken}) THEN {seen} END AS _seen,"
        f" CASE WHEN _v = 'unknown' THEN COALESCE(_fact, '') END AS _fact FROM ({compiled.judged}) AS this"
    )


def _block_sql(compiled: CompiledRule, reasons: Reasons, *, compact: bool) -> str:
    judged = _judged_sql(compiled, reasons)
    named = "list(key ORDER BY key, _fact){0}, list(_fact ORDER BY key, _fact){0}, list(_seen ORDER BY key, _fact){0}"
    if not compact:
        lists = named.format("")
        return (
            f"SELECT target, region, _v, _why, sum(_weight), {lists}, NULL FROM ({judged}) GROUP BY ALL ORDER BY target, region, _v, _why"
        )
    rest = "{v: _v, w: _why}"
    first = f"min({{key: key, seen: _seen}}, {MANY}) FILTER (_v = 'fail' AND {rest} = _rest)"
    return (
        f"WITH judged AS MATERIALIZED ({judged}), grouped AS (SELECT target, region, _v, _why, count(*) AS n FROM judged GROUP BY ALL"
        f" HAVING n > {MANY} AND bool_and(key <> '')),"
        f" large AS (SELECT target, region, arg_max({rest}, n) AS _rest FROM grouped GROUP BY ALL)"
        f" SELECT target, region, _v, _why, sum(_weight), {named.format(f' FILTER ({rest} IS DISTINCT FROM _rest)')}, {first}"
        " FROM judged LEFT JOIN large USING (target, region) GROUP BY ALL ORDER BY target, region, _v, _why"
    )


def population(store: Store, table: str) -> Iterator[tuple[str, str, list[str]]]:
    """(target, region, keys) of everything in a table or view that a rule over it judges and can tell apart."""
    yield from store.rows(
        f"SELECT target, COALESCE(region, ''), list(key ORDER BY key) FROM {quoted(table)}"
        " WHERE NOT _shadow AND key IS NOT NULL GROUP BY ALL ORDER BY ALL"
    )


def results(store: Store, compiled: CompiledRule, targets: Iterable[Target]) -> Iterator[Result]:
    """The rule's verdict on each resource, in the order of `blocks`."""
    content = store.content
    for block in blocks(store, compiled, targets):
        yield from expand_block(content, block)


def expand_block(content: Content, block: ResultBlock, why: str = "") -> Iterator[Result]:
    """The results of a block, one for each resource, with the message that the rule's content makes of what was seen.

    `why` says of an unknown more than its reason alone.
    """
    rule = content.rules.get(block.rule)
    view = content.views.get(block.table)
    is_fact = block.table in content.tables or block.table in ENGINE_TABLES or (view is not None and view.made is not None)
    for number, key in enumerate(block.resources):
        seen = dict(zip(block.columns, block.values[number], strict=True)) if block.columns else {}
        fact = fact_id(block.table, block.target, block.region, key) if is_fact and key else ""
        yield Result(
            rule=block.rule,
            target=block.target,
            region=block.region,
            resource=key,
            verdict=block.verdict,
            severity=block.severity,
            objective=block.objective,
            message=_message(rule, block, key, seen, why),
            fact=block.facts[number] if block.facts else fact,
            reason=block.reason,
            values={} if block.verdict is Verdict.ERROR else seen,
            parameters=block.parameters,
        )


def _message(rule: Rule | None, block: ResultBlock, key: str, seen: Mapping[str, Any], why: str) -> str:
    """What a person reads. Of what passed: what is now known to be true; that is what a title says."""
    name = key or (block.region if block.region != "global" else "") or block.target
    if block.verdict is Verdict.ERROR:
        return f"the rule broke: {seen.get('error')}"
    why = why or REASON_WORDS.get(block.reason, block.reason)
    if block.reason == Reason.STALE and seen.get("as_of"):
        why = too_old(seen["age"], seen["max_age"])
    if rule is None:
        return safe(f"{name}: could not be judged ({why})" if block.verdict is Verdict.UNKNOWN else name)
    known = {**block.parameters, **seen, "key": key or None, "region": block.region, "target": own_name(block.target)}
    if block.verdict is Verdict.FAIL:
        template = rule.message.fail
        if not known.keys() >= set(placeholders(template)):  # one of very many: what was seen stands in its fact
            return safe(f"{name}: does not hold: {rule.title}")  # or one that an older release judged, which kept less
        return fill(template, known)
    if block.verdict is Verdict.UNKNOWN:
        if block.reason == Reason.NOT_IN_ANSWER and rule.left_open:
            why = f"unknown {rule.left_open}"
        said = _whole(rule.message.unknown, known) or f"{rule.title}: could not be judged {'for' if key else 'in'} {name}"
        return safe(f"{said} ({why})")
    if block.verdict is Verdict.PASS:
        return _whole(rule.message.pass_, known) or safe(f"{name}: {rule.title}")
    return safe(f"{name}: does not concern it")


def _whole(template: str, known: Mapping[str, Any]) -> str | None:
    """The sentence with its columns filled in; None where one of them is not known, so that no sentence has a hole."""
    return fill(template, known) if template and not unsaid(template, known) else None
