"""One cheap call for each service: which objectives would these credentials leave unknown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cnamm_scan.engine.collect import moment
from cnamm_scan.engine.plan import Plan, Source, split_operation, tables_of
from cnamm_scan.providers.interface import CallFailedError, Provider, Request


def preflight(plan: Plan, provider: Provider, started: datetime) -> Iterator[dict[str, Any]]:
    """For each service: the call that was tried, `ok` or why not, and the objectives that rest on the service's tables.

    The call is a listing without parameters of an item, in the home region, first page only: what is denied there is denied to the scan.
    """
    objectives = _objectives(plan)
    tried: dict[str, Source] = {}
    for root in plan.sources.get(provider.name, ()):
        for each in root.tables:
            if root.call.call and (each.table.service not in tried or _cost(root) < _cost(tried[each.table.service])):
                tried[each.table.service] = root
    for service, source in sorted(tried.items()):
        client, operation = split_operation(source.call, source.client)
        place = provider.home_region()
        variables = provider.variables(place)
        parameters = {
            **source.call.fixed,
            **{name: moment(text, started) if text.startswith("$now") else variables[text] for name, text in source.call.with_.items()},
        }
        status = "ok"
        try:
            provider.call(Request(client, operation, place, parameters))
        except CallFailedError as failure:
            if not provider.matches(failure, source.call.absent_on):
                status = f"{failure.reason.value} ({failure.code})"
        yield {
            "service": service,
            "operation": f"{client}:{operation}",
            "status": status,
            "objectives": sorted(objectives.get(service, ())),
        }


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
