"""Judges rules: one SELECT each, five verdicts, and for every unknown the reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnamm_scan.content import columns_of
from cnamm_scan.engine.sql import Expression, Subquery, expand, quoted, read_expression, read_view
from cnamm_scan.engine.store import Store, StoreError, gap_key
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Content, Reason, Result, Rule, Tally, Target, Verdict
from cnamm_scan.text import fill, placeholders, safe


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its expressions read: what it needs, and the SELECT that judges it."""

    rule: Rule
    reads: Mapping[str, frozenset[str]]
    values: tuple[str, ...]
    """Columns of the row that a result shows."""
    parameters: Mapping[str, Any]
    judged: str
    """SQL: one row a resource with `_v`, its verdict."""
    subqueries: tuple[Subquery, ...]


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
    for name in (*placeholders(rule.message), *placeholders(rule.fix)):
        if name not in own and name not in rule.parameters:
            raise ContentError(
                f"'{{{name}}}' in message or fix is no column of {rule.for_each}", where=place, do=f"use one of: {', '.join(own)}"
            )
        if name in own:
            reads[rule.for_each].add(name)
    used = {name for expression in expressions for name in expression.parameters}
    for name in sorted(used):
        if name not in rule.parameters:
            raise ContentError(
                f"parameter '${name}' is not declared", where=place, do="declare it under parameters: with a default and its source"
            )
    unused = sorted(set(rule.parameters) - used - set(placeholders(rule.message)) - set(placeholders(rule.fix)))
    if unused:
        raise ContentError(f"parameter '{unused[0]}' is not used", where=place, do="use it in where or pass, or remove it")
    parameters = {name: spec.default for name, spec in rule.parameters.items()}
    parameters.update({name: value for name, value in (overrides or {}).items() if name in parameters})
    by_place = [expression.subqueries for expression in expressions]
    in_where = by_place[0] if rule.where is not None else ()
    subqueries = tuple(subquery for group in by_place for subquery in group)
    values = tuple(sorted(reads[rule.for_each] - {"target", "region", "key", "scan_time"}))
    return CompiledRule(
        rule=rule,
        reads={table: frozenset(columns) for table, columns in reads.items()},
        values=values,
        parameters={name: parameters[name] for name in used} | {},
        judged=_judged(rule, values, in_where, by_place[-1]),
        subqueries=subqueries,
    )


def _judged(rule: Rule, values: Sequence[str], in_where: Sequence[Subquery], in_pass: Sequence[Subquery]) -> str:
    # a subquery that joins by an id loses its ghost rows in the join: then what it says holds only where nothing was dark
    where_blind = " OR ".join(_blind(subquery) for subquery in in_where if subquery.joins) or "false"
    pass_blind = " OR ".join(_blind(subquery) for subquery in in_pass if subquery.joins) or "false"
    shown = "".join(f", this.{quoted(name)}" for name in values)
    where = f"(\n{rule.where}\n)" if rule.where else "true"
    return (
        f"SELECT target, region, key, _fact, _ghost, _gaps{''.join(', ' + quoted(name) for name in values)},"
        " CASE WHEN _wb THEN 'unknown' WHEN _w = false THEN 'not_applicable'"
        " WHEN _ghost IS NOT NULL OR _w IS NULL OR _p IS NULL OR _pb THEN 'unknown'"
        " WHEN _p THEN 'pass' ELSE 'fail' END AS _v"
        f" FROM (SELECT this.target, this.region, this.key, this._fact, this._ghost, this._gaps{shown},"
        f" {where} AS _w, (\n{rule.pass_}\n) AS _p, ({where_blind}) AS _wb, ({pass_blind}) AS _pb"
        f" FROM {quoted(rule.for_each)} AS this WHERE NOT this._shadow)"
    )


def _same_place(subquery: Subquery) -> str:
    place = "b.target = this.target" if subquery.by_target else "true"
    return place + (" AND b.region = this.region" if subquery.by_region else "")


def _blind(subquery: Subquery) -> str:
    # an unread row whose id is known can only be missed by whoever joins that id
    unread = " OR ".join(["b._ghost IS NOT NULL", *(f"b.{quoted(inner)} IS NULL" for inner, _ in subquery.joins)])
    may_join = " AND ".join(f"(b.{quoted(inner)} IS NULL OR b.{quoted(inner)} = this.{quoted(outer)})" for inner, outer in subquery.joins)
    unjoined = " OR ".join(f"this.{quoted(outer)} IS NULL" for _, outer in subquery.joins)
    return (
        f"({unjoined} OR EXISTS (SELECT 1 FROM {quoted(subquery.table)} AS b WHERE {_same_place(subquery)} AND ({unread}) AND {may_join}))"
    )


def tally(store: Store, compiled: CompiledRule, targets: Iterable[Target]) -> list[Tally]:
    """How often the rule gives each verdict, for each target that it concerns. A rule that breaks gives one `error` each."""
    counts: dict[str, dict[str, int]] = {target: {} for target in _concerned(compiled.rule, targets)}
    try:
        rows = store.rows(f"SELECT target, _v, count(*) FROM ({compiled.judged}) GROUP BY ALL", compiled.parameters)
        for target, verdict, number in rows:
            if target in counts:
                counts[target][verdict] = int(number)
    except StoreError:
        counts = {target: {Verdict.ERROR: 1} for target in counts}
    return _tallies(compiled.rule, counts)


def count(compiled: CompiledRule, targets: Iterable[Target], results: Iterable[Result]) -> list[Tally]:
    """As `tally`, from results that are at hand: each is counted once, those that could not be told apart too."""
    counts: dict[str, dict[str, int]] = {target: {} for target in _concerned(compiled.rule, targets)}
    for result in results:
        own = counts.get(result.target)
        if own is not None:
            own[result.verdict] = own.get(result.verdict, 0) + 1
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


def results(
    store: Store, compiled: CompiledRule, targets: Iterable[Target], verdicts: frozenset[Verdict] | None = None
) -> Iterator[Result]:
    """The rule's verdict on each resource, ordered by target, region and key. A rule that breaks gives one `error` a target."""
    rule = compiled.rule
    only = f"WHERE _v IN ({', '.join(repr(verdict.value) for verdict in sorted(verdicts))})" if verdicts else ""
    packed = f"to_json({{{', '.join(f'{quoted(name)}: {quoted(name)}' for name in compiled.values)}}})" if compiled.values else "'{}'"
    sql = (
        "SELECT target, region, key, _fact, _v, CASE WHEN _v = 'unknown' THEN _ghost END, CASE WHEN _v = 'unknown' THEN _gaps END,"
        f" {packed} FROM ({compiled.judged}) AS this {only} ORDER BY target, region, key, _fact"
    )
    reasons = _Reasons(store, compiled)
    try:
        for target, region, key, fact, verdict, ghost, gaps, values in store.rows(sql, compiled.parameters):
            seen = json.loads(values)
            reason = reasons.of(target, region, ghost, gaps) if verdict == Verdict.UNKNOWN else ""
            yield Result(
                rule=rule.id,
                target=target,
                region=region or "",
                resource=key or "",
                verdict=Verdict(verdict),
                severity=rule.severity,
                objective=rule.objective,
                message=_message(
                    rule, Verdict(verdict), reason, {**seen, "key": key, "region": region, "target": target}, compiled.parameters
                ),
                fact=fact or "",
                reason=reason,
                values=seen,
                parameters=compiled.parameters,
            )
    except StoreError as error:
        for concerned in targets:
            if rule.provider in ("estate", concerned.provider):
                yield Result(
                    rule=rule.id,
                    target=concerned.id,
                    region="",
                    resource="",
                    verdict=Verdict.ERROR,
                    severity=rule.severity,
                    objective=rule.objective,
                    message=f"the rule broke: {error.what}",
                    fact="",
                    reason="rule_bug",
                    values={},
                )


class _Reasons:
    """Why a row of a rule is unknown: its own gaps first, then those of the tables that the rule looked into."""

    def __init__(self, store: Store, compiled: CompiledRule) -> None:
        self.store = store
        content, rule = store.content, compiled.rule
        own = compiled.reads[rule.for_each]
        self.own_parts = _parts(content, rule.for_each, own)
        self.own_uncollected = bool(store.uncollected.get(rule.for_each, frozenset()) & own)
        looked_into = [(subquery.table, subquery.by_region) for subquery in compiled.subqueries]
        if rule.for_each in content.views:
            looked_into += [(base, False) for base in sorted(read_view(content, rule.for_each).tables)]
        self.looked_into = [(table, by_region, compiled.reads.get(table, frozenset())) for table, by_region in looked_into]

    def of(self, target: str, region: str | None, ghost: str | None, gaps: Mapping[str, str] | None) -> str:
        """The reason; `not_in_answer` when everything was read and the answer was silent."""
        if ghost is not None:
            return ghost
        for part in self.own_parts:
            if gaps and part in gaps:
                return gaps[part]
        if self.own_uncollected:
            return Reason.NOT_COLLECTED.value
        for table, by_region, columns in self.looked_into:
            found = self.store.dark(table, _parts(self.store.content, table, columns))
            reason = found.get((target, region if by_region else None))
            if reason is not None:
                return reason
            if self.store.uncollected.get(table, frozenset()) & columns:
                return Reason.NOT_COLLECTED.value
        return Reason.NOT_IN_ANSWER.value


def _parts(content: Content, table: str, columns: Iterable[str]) -> tuple[str, ...]:
    """The names under which a fact's gaps would tell that one of the columns was not read."""
    spec = content.tables.get(table)
    if spec is None:
        return ()
    keys = {gap_key(column.path) for name in expand(content, table, columns) if (column := spec.columns.get(name)) and column.path}
    return tuple(sorted(key for key in keys if key in spec.then or key.startswith("parent.")))


def _message(rule: Rule, verdict: Verdict, reason: str, values: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    if verdict is Verdict.UNKNOWN:
        name = values.get("key") or values.get("region") or values.get("target")
        return safe(f"{name}: could not be judged ({reason})")
    return fill(rule.message, {**parameters, **values})
