"""Conditions of alerting policies: whether one tells of a single change that the audit log records, in three truths.

https://docs.cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies, https://docs.cloud.google.com/monitoring/alerts/concepts-indepth
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cnamm_scan.providers.gcp.policies.audited import ON_THEIR_OWN, Change
from cnamm_scan.providers.gcp.policies.logfilter import Entry, Field, has_alternatives, matches
from cnamm_scan.providers.truths import Truth, all_of, any_of, both

Json = Any

_PREFIX = "logging.googleapis.com/user/"
_SECONDS = re.compile(r"(\d+)(?:\.\d+)?s")
_MINUTE = 60
"""How often a condition is looked at."""
_SUMS = frozenset({"ALIGN_DELTA", "ALIGN_SUM"})
_KEEPS_MORE_THAN_NONE = _SUMS | {"", "ALIGN_NONE", "ALIGN_RATE", "ALIGN_MAX", "ALIGN_MEAN"}
"""Alignments by which one entry of the log is more than none; how many points there are says nothing, where some of them are zeros."""
_REDUCES_TO_MORE_THAN_NONE = frozenset({"", "REDUCE_NONE", "REDUCE_SUM", "REDUCE_MAX", "REDUCE_MEAN"})
_OF_OBJECTIVES = "select_slo_"
"""A filter that begins so looks at a service level objective."""
_QUERIES = ("conditionMonitoringQueryLanguage", "conditionPrometheusQueryLanguage")


@dataclass(frozen=True, slots=True)
class Metric:
    """A log-based metric. What is None was not read."""

    name: str | None
    filter: str | None
    bucket: str | None = ""
    is_disabled: bool | None = False
    extracts: bool | None = False
    """It counts values that it takes out of entries, and not entries."""

    def counts(self, change: Change, project: str) -> Truth:
        """Whether it counts each entry of a change in a project, of which it sees the log."""
        if self.is_disabled is not False:
            return None if self.is_disabled is None else False
        found = seen_by(self.filter, change, project)
        return None if found and self.extracts is not False else found


def seen_by(text: str | None, change: Change, project: str) -> Truth:
    """Whether a filter matches a change in a project, whoever made it."""
    return None if text is None else all_of(matches(text, each) for each in change.entries(project))


def tells(condition: Json, change: Change, project: str, counted: Callable[[Metric], Truth], metrics: Mapping[str, Metric]) -> Truth:
    """Whether a condition is met by one change in a project, if these metrics, by name, are all there; `counted`: whether one counts it."""
    if not isinstance(condition, dict):
        return None
    if isinstance(said := condition.get("conditionMatchedLog"), dict):
        return seen_by(_text(said.get("filter")), change, project)
    if isinstance(said := condition.get("conditionThreshold"), dict):
        counting = ((each, truth) for each in metrics.values() if (truth := counted(each)) is not False)
        return any_of(both(truth, _watches(said, each, change, project), _fires(said)) for each, truth in counting)
    if "conditionAbsent" in condition:
        return False  # it tells of silence
    for kind in _QUERIES:
        if isinstance(said := condition.get(kind), dict):
            query = _plain(str(said.get("query")))
            return None if any(_plain(_PREFIX) in query and counted(each) is not False for each in metrics.values()) else False
    return None


def names_metric(condition: Json, name: str) -> Truth:
    """Whether a condition looks at a log-based metric of this name, of whichever project."""
    said = condition.get("conditionThreshold") if isinstance(condition, dict) else None
    if isinstance(said, dict):
        return _of_metric(said, name)
    return None if isinstance(condition, dict) and any(kind in condition for kind in (*_QUERIES, "conditionSql")) else False


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _plain(text: str) -> str:
    """As PromQL spells what MQL spells with slashes and dots."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower())


def _of_metric(said: Mapping[str, Json], name: str) -> Truth:
    text = _text(said.get("filter"))
    if text is None or text.lstrip().startswith(_OF_OBJECTIVES):
        return None if text is None else False
    return matches(text, Entry({("metric", "type"): Field((_PREFIX + name,))}))


def _watches(said: Mapping[str, Json], metric: Metric, change: Change, project: str) -> Truth:
    """Whether a threshold looks at what a metric counts of a change: at the metric, and at what it stands by."""
    name = metric.name or ""
    if _of_metric(said, name) is False:
        return False
    text = _text(said.get("filter"))
    if text is None or has_alternatives(text):
        return None
    series: dict[tuple[str, ...], Field] = {("metric", "type"): Field((_PREFIX + name,))}
    if metric.bucket:
        stands_by = {"logging_bucket"}
    else:
        stands_by = {change.resource} if change.resource in ON_THEIR_OWN else {change.resource, "global"}
        series[("resource", "labels", "project_id")] = Field((project,))
    found = any_of(matches(text, Entry({**series, ("resource", "type"): Field((each,))})) for each in sorted(stands_by))
    return True if found is True else None


def _fires(said: Mapping[str, Json]) -> Truth:
    """Whether one entry that a metric counts is enough."""
    if said.get("denominatorFilter") or said.get("forecastOptions"):
        return None
    if said.get("comparison") != "COMPARISON_GT":
        return False if said.get("comparison") == "COMPARISON_LT" else None
    aggregations = said.get("aggregations") or [{}]
    if not isinstance(aggregations, list) or len(aggregations) != 1 or not isinstance(aggregations[0], dict):
        return None
    first = aggregations[0]
    period = _seconds(first.get("alignmentPeriod")) or _MINUTE
    return both(
        _exceeds(said.get("thresholdValue", 0), str(first.get("perSeriesAligner", "")), period), _is_soon(said, period), _reduced(first)
    )


def _exceeds(threshold: Json, aligner: str, period: int) -> Truth:
    """Whether one entry, or the two of an operation that takes its time, is more than a threshold."""
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or threshold < 0:
        return None
    if threshold == 0:
        return True if aligner in _KEEPS_MORE_THAN_NONE else None
    one = 1 if aligner in _SUMS else 1 / period if aligner == "ALIGN_RATE" else None
    if one is None:
        return None
    return True if threshold < one else False if threshold >= 2 * one else None


def _is_soon(said: Mapping[str, Json], period: int) -> Truth:
    """Whether it is met for as long as it asks: by one entry for the time that it looks back."""
    wanted = _seconds(said.get("duration", "0s"))
    trigger = said.get("trigger") or {}
    if wanted is None or not isinstance(trigger, dict) or trigger.get("percent") or trigger.get("count", 1) != 1:
        return None
    return True if wanted == 0 or wanted + _MINUTE <= period else None


def _reduced(first: Mapping[str, Json]) -> Truth:
    return True if str(first.get("crossSeriesReducer", "")) in _REDUCES_TO_MORE_THAN_NONE else None


def _seconds(value: Json) -> int | None:
    found = _SECONDS.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else int(found[1])
