"""One cheap call for each service and target: which objectives would these credentials leave unknown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cnamm_scan.engine.collect.calls import Values
from cnamm_scan.engine.plan import Plan, Source, split_operation, tables_of
from cnamm_scan.engine.schedule import answered
from cnamm_scan.model import Target
from cnamm_scan.providers.interface import CallFailedError, Provider, Request


def preflight(plan: Plan, provider: Provider, started: datetime) -> Iterator[dict[str, Any]]:
    """For each service and target: the call that was tried, `ok` or why not, and the objectives that rest on the service's tables.

    The call is a listing without parameters of an item, in the home region, first page only: what is denied there is denied to the scan.
    What is listed once for the whole connection is tried once, and told of each target.
    """
    objectives = _objectives(plan)
    tried: dict[str, Source] = {}
    for root in plan.sources.get(provider.name, ()):
        for each in root.tables:
            if root.call.call and (each.table.service not in tried or _cost(root) < _cost(tried[each.table.service])):
                tried[each.table.service] = root
    values = Values(provider, started)
    for service, source in sorted(tried.items()):
        client, operation = split_operation(source.call, source.client)
        for target, status in _tried(provider, source, values):
            yield {
                "service": service,
                "target": target.id,
                "operation": f"{client}:{operation}",
                "status": status,
                "objectives": sorted(objectives.get(service, ())),
            }


def _tried(provider: Provider, source: Source, values: Values) -> Iterator[tuple[Target, str]]:
    """Each target, and how the call went for it."""
    if source.once_per == "connection":
        said, dark = _asked(provider, source, values, None)
        for target in provider.targets:
            yield target, dark.get(target.name, said)
        return
    for target in provider.targets:
        yield target, _asked(provider, source, values, target)[0]


def _asked(provider: Provider, source: Source, values: Values, target: Target | None) -> tuple[str, dict[str, str]]:
    """How the call went, and how for targets whose share is missing, by name."""
    client, operation = split_operation(source.call, source.client)
    place = provider.home_region()
    parameters, _ = values.parameters(source.call, {}, target, place)
    try:
        answer = answered(provider.call, Request(client, operation, place, parameters, target=target.id if target is not None else ""))
    except CallFailedError as failure:
        return "ok" if provider.matches(failure, source.call.absent_on) else _told(failure), {}
    return "ok", {name: _told(failure) for name, failure in answer.dark.items()}


def _told(failure: CallFailedError) -> str:
    return f"{failure.reason.value} ({failure.code})"


def _cost(source: Source) -> int:
    """Calls with time windows or that start work come last."""
    return len(source.call.with_) * 2 + len(source.call.fixed)


def _objectives(plan: Plan) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for rule in plan.rules:
        for table in tables_of(plan.content, rule):
            if table in plan.tables:
                found.setdefault(plan.tables[table].table.service, set()).add(rule.rule.objective)
    return found
