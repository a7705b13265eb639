"""Asks as little as tells what these credentials would leave unknown: of each kind where rights are by kind, else of each service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from cnamm_scan.engine.collect.calls import Values
from cnamm_scan.engine.plan import Plan, Source, tables_of
from cnamm_scan.engine.schedule import answered
from cnamm_scan.model import Target
from cnamm_scan.providers.interface import Answer, CallFailedError, Provider, Request

OK = "ok"
NOT_THERE = "not there"
"""There is no such thing to ask for, which is an answer. Each provider has its own word for it."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One small call that was made in place of those of the scan, and what rests on its answer."""

    services: tuple[str, ...]
    target: str
    """The target's id."""
    operation: str
    status: str
    """`ok`, `not there`, or why not: `denied (Forbidden)`."""
    needs: tuple[str, ...]
    """The rights that it takes."""
    tables: tuple[str, ...]
    """The tables that it fills."""
    rules: tuple[str, ...]
    """The rules that may be unknown without it."""
    objectives: tuple[str, ...]

    @property
    def is_refused(self) -> bool:
        """Whether something would be unknown."""
        return self.status not in (OK, NOT_THERE)

    def row(self, lacking: str) -> dict[str, Any]:
        """As JSON tells it; `lacking` is the provider's word for what is not there."""
        return {
            "service": ", ".join(self.services),
            "target": self.target,
            "operation": self.operation,
            "status": lacking if self.status == NOT_THERE else self.status,
            "needs": list(self.needs),
            "tables": list(self.tables),
            "rules": list(self.rules),
            "objectives": list(self.objectives),
        }


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was tried, and what was not: nothing is promised of that."""

    tried: tuple[Tried, ...]
    untried: tuple[str, ...]
    """Rights that the scan needs besides those that were tried."""
    by_kind: bool
    """Whether every kind that is listed was tried, and not one call for a whole service."""

    @property
    def asked(self) -> list[Tried]:
        """What there was something to ask for: all that was tried, without kinds that are not there."""
        return [each for each in self.tried if each.status != NOT_THERE]


def preflight(plan: Plan, provider: Provider, started: datetime) -> Preflight:
    """Try it. Listings are asked without the parameters of an item, in the home region, their first page only.

    What is listed once for the whole connection is tried once, and told of each target.
    """
    rests = _Rests(plan)
    values = Values(provider, started)
    roots = [root for root in plan.sources.get(provider.name, ()) if root.call.call]
    by_kind, tried = _of_kinds(provider, roots, rests, values)
    tried += _of_services(provider, [root for root in roots if id(root) not in by_kind], rests, values)
    had = {right for each in tried for right in each.needs}
    # a kind that is not there takes no right, and a right in one namespace is the right to that kind
    had = {right.partition(" in ")[0] for right in had}
    untried = sorted(set(plan.needs(provider.name)) - had)
    return Preflight(tuple(tried), tuple(untried), bool(by_kind))


class _Rests:
    """Which rules and objectives rest on which tables."""

    def __init__(self, plan: Plan) -> None:
        self._rules: dict[str, set[str]] = {}
        self._objective: dict[str, str] = {}
        for rule in plan.rules:
            self._objective[rule.rule.id] = rule.rule.objective
            for table in tables_of(plan.content, rule):
                if table in plan.tables:
                    self._rules.setdefault(table, set()).add(rule.rule.id)

    def on(self, tables: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(rules, objectives)."""
        rules = sorted({rule for table in tables for rule in self._rules.get(table, ())})
        return tuple(rules), tuple(sorted({self._objective[rule] for rule in rules}))


def _of_kinds(provider: Provider, roots: Sequence[Source], rests: _Rests, values: Values) -> tuple[set[int], list[Tried]]:
    """Every kind that is listed, each once: (the sources that were tried so, how it went)."""
    alike: dict[tuple[str, str], list[Source]] = {}
    for root in roots:
        alike.setdefault(root.call.of(root.client), []).append(root)
    done: set[int] = set()
    found: list[Tried] = []
    for (client, operation), sources in sorted(alike.items()):
        told = partial(_tried, rests, sources, f"{client}:{operation}")
        own = tuple(sorted({right for source in sources for right in source.call.needs}))
        for target in provider.targets:
            try:
                trials = provider.trials(_request(provider, sources[0], values, target))
            except CallFailedError as failure:
                found.append(told(target, _failed(provider, sources[0], failure, NOT_THERE), own))
            else:
                if trials is None:
                    break
                for trial in trials:
                    status, _ = _asked(provider, sources[0], trial.request, NOT_THERE)
                    found.append(told(target, status, (trial.needs,) if trial.needs else own))
            done |= set(map(id, sources))
    return done, found


def _of_services(provider: Provider, roots: Sequence[Source], rests: _Rests, values: Values) -> list[Tried]:
    """The cheapest call of each service, on which its other tables are then taken to rest too."""
    of: dict[str, list[Source]] = {}
    for root in roots:
        for service in {each.table.service for each in root.tables}:
            of.setdefault(service, []).append(root)
    found: list[Tried] = []
    for service, sources in sorted(of.items()):
        source = min(sources, key=_cost)
        client, operation = source.call.of(source.client)
        for target, status in _each(provider, source, values):
            needs = tuple(sorted(source.call.needs))
            found.append(_tried(rests, sources, f"{client}:{operation}", target, status, needs, service))
    return found


def _tried(
    rests: _Rests, sources: Sequence[Source], operation: str, target: Target, status: str, needs: tuple[str, ...], service: str = ""
) -> Tried:
    plans = [table for root in sources for source in root.walk() for table in source.tables]
    tables = sorted({each.table.id for each in plans if service in ("", each.table.service)})
    services = (service,) if service else tuple(sorted({each.table.service for each in plans}))
    return Tried(services, target.id, operation, status, needs, tuple(tables), *rests.on(tables))


def _each(provider: Provider, source: Source, values: Values) -> Iterator[tuple[Target, str]]:
    """Each target, and how the call went for it."""
    if source.once_per == "connection":
        said, dark = _asked(provider, source, _request(provider, source, values, None), OK)
        for target in provider.targets:
            yield target, dark.get(target.name, said)
        return
    for target in provider.targets:
        yield target, _asked(provider, source, _request(provider, source, values, target), OK)[0]


def _request(provider: Provider, source: Source, values: Values, target: Target | None) -> Request:
    """A listing without the parameters of an item, in the home region; None: for the whole connection."""
    client, operation = source.call.of(source.client)
    place = provider.home_region()
    parameters, _ = values.parameters(source.call, {}, target, place)
    return Request(client, operation, place, parameters, target=target.id if target is not None else "")


def _asked(provider: Provider, source: Source, request: Request, absent: str) -> tuple[str, Mapping[str, str]]:
    """How a call went, and how for targets whose share is missing, by name; `absent`: where there is no such thing to ask for."""
    try:
        answer: Answer = answered(provider.call, request)
    except CallFailedError as failure:
        return _failed(provider, source, failure, absent), {}
    return OK, {name: _told(failure) for name, failure in answer.dark.items()}


def _failed(provider: Provider, source: Source, failure: CallFailedError, absent: str) -> str:
    return absent if provider.matches(failure, source.call.absent_on) else _told(failure)


def _told(failure: CallFailedError) -> str:
    return f"{failure.reason.value} ({failure.code})"


def _cost(source: Source) -> int:
    """Calls with time windows or that start work come last."""
    return len(source.call.with_) * 2 + len(source.call.fixed)
