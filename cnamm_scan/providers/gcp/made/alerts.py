"""Who hears of changes that the audit log of a project records.

By alerting policies on log-based metrics, or on the log itself: in the project, or where its log is sent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.gcp.made.hierarchy import Hierarchy, is_above
from cnamm_scan.providers.gcp.policies.alerting import Metric, names_metric, seen_by, tells
from cnamm_scan.providers.gcp.policies.audited import KINDS, Change
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.truths import Truth, all_of, any_of, both, either, negated

Json = Any

PROJECT = "gcp.project.project"
METRIC = "gcp.logging.metric"
SINK = "gcp.logging.sink"
POLICY = "gcp.monitoring.alert_policy"
CHANNEL = "gcp.monitoring.channel"
BINDING = "gcp.iam.binding"
_WRITES = ("cloudresourcemanager.googleapis.com/Project", "roles/logging.bucketWriter")
_BUCKET = re.compile(r"(?:logging\.googleapis\.com/)?projects/([^/]+)/(locations/[^/]+/buckets/[^/]+)")
_VERSION = re.compile(r"^(v1|beta)\.(?=compute\.)")
REQUIRED = "locations/global/buckets/_Required"
"""Where every project keeps what its administrators did; nobody can change that."""


class _Watch:
    """The metrics, policies, channels and sinks of a scan."""

    def __init__(self, seen: SeenTables) -> None:
        self.seen = seen
        self.hierarchy = Hierarchy(seen)
        self.rows = {table: _by_target(seen.rows(table)) for table in (METRIC, POLICY, CHANNEL)}
        self.metrics = {target: [(row, _metric(row)) for row in rows] for target, rows in self.rows[METRIC].items()}

    @cached_property
    def numbers(self) -> Mapping[str, str]:
        """A project's number -> its target's id; its id too."""
        found = {each.name: each.id for each in self.seen.targets if not is_above(each.name)}
        for row in self.seen.rows(PROJECT):
            if row.values["ancestors"]:
                found[row.values["ancestors"][0].removeprefix("projects/")] = row.target
        return found

    @cached_property
    def sinks(self) -> Mapping[str, Sequence[SeenRow]]:
        """Level -> sinks of it; under "" those of which it was not read."""
        found: dict[str, list[SeenRow]] = {}
        for row in self.seen.rows(SINK):
            found.setdefault(self.hierarchy.place(row.values["place"] or "", row.target), []).append(row)
        return found

    def bucket(self, text: str | None) -> tuple[str, str] | None:
        """The target that a log bucket is of, and what it is called there; None for what is none of a scanned project."""
        found = _BUCKET.fullmatch(text or "")
        target = self.numbers.get(found[1]) if found else None
        return None if found is None or target is None else (target, found[2])

    @cached_property
    def _writers(self) -> Mapping[tuple[str, str], Sequence[str]]:
        """(target, member) -> the conditions on which it may write into log buckets there."""
        found: dict[tuple[str, str], list[str]] = {}
        for row in self.seen.rows(BINDING):
            if (row.values["resource_type"], row.values["role"]) == _WRITES and row.values["condition"] is not None:
                for member in row.values["members"] or ():
                    found.setdefault((row.target, member), []).append(row.values["condition"])
        return found

    def may_write(self, sink: SeenRow, bucket: tuple[str, str]) -> Truth:
        """Whether a sink may write into a bucket: into one of its own project always, else by a role, which may be given above too."""
        target, name = bucket
        if sink.target == target:
            return True
        conditions = self._writers.get((target, sink.values["writer"] or ""), ())
        return True if any(not each or name.rpartition("/")[2] in each for each in conditions) else None

    def reaches(self, row: SeenRow) -> Truth:
        """Whether a policy has a channel that works."""
        wanted = row.values["channel_ids"]
        if wanted is None:
            return None
        own = self.rows[CHANNEL].get(row.target, ())
        found = any_of(each.values["reaches"] for each in own if each.values["channel_id"] in wanted)
        hides = bool(wanted) and (self.seen.dark(CHANNEL, row.target) or any(each.values["channel_id"] is None for each in own))
        return None if found is False and hides else found


def _by_target(rows: Sequence[SeenRow]) -> Mapping[str, Sequence[SeenRow]]:
    found: dict[str, list[SeenRow]] = {}
    for row in rows:
        found.setdefault(row.target, []).append(row)
    return found


def _metric(row: SeenRow) -> Metric:
    said = row.values
    return Metric(said["name"], said["filter"], said["bucket"], said["is_disabled"], said["extracts_values"])


class _Told:
    """What is heard of the changes in one project."""

    def __init__(self, watch: _Watch, target: Target) -> None:
        self.watch = watch
        self.target = target
        self.line = watch.hierarchy.above(target)
        self.rests_on: dict[str, None] = {}

    def kind(self, changes: Sequence[Change]) -> dict[str, Any]:
        """The columns of a row."""
        found = {change: self._is_told(change) for change in changes}
        missed = [change for change, truth in found.items() if truth is False]
        is_known = None not in found.values()
        return {
            "is_told": all_of(found.values()),
            "missed": _named(missed) if is_known else None,
            "counted_by": self._counted_by(missed) if is_known else None,
        }

    def _counted_by(self, changes: Sequence[Change]) -> str | None:
        """The first metric of the project that counts one of these, by its name; None where it is not known of each metric."""
        if self._hides_metrics(self.target.id):
            return None
        told = {each.name or "": any_of(each.counts(change, self.target.name) for change in changes) for _, each in self._own_metrics()}
        return None if None in told.values() else min((name for name, truth in told.items() if truth), default="")

    def _own_metrics(self) -> Sequence[tuple[SeenRow, Metric]]:
        return self.watch.metrics.get(self.target.id, ())

    def _is_told(self, change: Change) -> Truth:
        here = self._told_in(self.target.id, change)
        elsewhere = [self._told_in(other, change) for other in self._kept_in(change)]
        found = any_of([here, *elsewhere])
        return None if found is False and self._may_be_told(change) else found

    # ---- in one project --------------------------------------------------------------------------------------------------

    def _told_in(self, target: str, change: Change) -> Truth:
        """Whether a policy of a project tells of a change here."""
        watch = self.watch
        counted = {each: self._counted(each, row, target, change) for row, each in watch.metrics.get(target, ())}
        found: Truth = False
        for row in watch.rows[POLICY].get(target, ()):
            truth = both(row.values["is_enabled"], negated(row.values["is_invalid"]), watch.reaches(row))
            if truth is not False:
                truth = both(truth, self._met(row, change, counted))
            if truth is not False:
                self.rests_on[row.fact] = None
            found = either(found, truth)
        return None if found is False and watch.seen.dark(POLICY, target) else found

    def _met(self, row: SeenRow, change: Change, counted: Mapping[Metric, Truth]) -> Truth:
        """Whether the conditions of a policy are met by a change here."""
        conditions, combiner = row.values["conditions"], row.values["combiner"]
        if not isinstance(conditions, list):
            return None
        met = [self._meets(each, row.target, change, counted) for each in conditions]
        if len(met) < 2 or combiner == "OR":
            return any_of(met)
        if combiner in ("AND", "AND_WITH_MATCHING_RESOURCE"):
            return False if False in met else None
        return False if all(each is False for each in met) else None

    def _meets(self, condition: Json, target: str, change: Change, counted: Mapping[Metric, Truth]) -> Truth:
        metrics = {each.name: each for each in counted if each.name is not None}
        found = tells(condition, change, self.target.name, counted.__getitem__, metrics)
        if not isinstance(condition, dict) or found is None:
            return found
        if "conditionMatchedLog" in condition:
            # of another project's log it sees what a metric on a bucket sees, or nothing: it is not said
            return None if found and target != self.target.id else found
        return None if found is False and "conditionAbsent" not in condition and self._hides_metrics(target) else found

    def _hides_metrics(self, target: str) -> bool:
        return self.watch.seen.dark(METRIC, target) or any(each.name is None for _, each in self.watch.metrics.get(target, ()))

    def _counted(self, metric: Metric, row: SeenRow, target: str, change: Change) -> Truth:
        """Whether a metric of a project counts a change here."""
        found = metric.counts(change, self.target.name)
        if found is False:
            return False
        if metric.bucket is None:
            found = None
        elif metric.bucket:
            found = both(found, self._arrives(metric.bucket, change))
        elif target != self.target.id:
            return False
        if found is not False:
            self.rests_on[row.fact] = None
        return found

    # ---- where the log goes ----------------------------------------------------------------------------------------------

    @cached_property
    def _sinks(self) -> Sequence[tuple[SeenRow, Truth, int]]:
        """Every sink through which the log of the project goes, whether it is on, and how far above the project it stands."""
        found: list[tuple[SeenRow, Truth, int]] = []
        for at, level in enumerate(self.line or ()):
            for row in self.watch.sinks.get(level.name, ()):
                off = row.values["is_disabled"]
                found.append((row, both(None if off is None else not off, True if at == 0 else row.values["includes_children"]), at))
        return found

    def _takes(self, row: SeenRow, change: Change) -> Truth:
        """Whether a sink takes what is logged of a change; an exclusion may be switched off."""
        exclusions = row.values["exclusions"]
        if exclusions is None:
            excluded: Truth = None
        else:
            found = any_of(seen_by(each, change, self.target.name) for each in exclusions)
            excluded = None if found else found
        return both(seen_by(row.values["filter"], change, self.target.name), negated(excluded))

    def _arrives(self, bucket: str, change: Change) -> Truth:
        """Whether what is logged of a change comes into a log bucket."""
        wanted = self.watch.bucket(bucket)
        if wanted is None:
            return None
        if wanted == (self.target.id, REQUIRED):
            return True
        truths = []
        for row, is_on, at in self._sinks:
            if self.watch.bucket(row.values["destination"]) == wanted:
                truth = both(is_on, self._takes(row, change), self._gets_so_far(at, change), self.watch.may_write(row, wanted))
                truths.append(truth)
                if truth is not False:
                    self.rests_on[row.fact] = None
        found = any_of(truths)
        return None if found is False and not self._sees_sinks else found

    def _kept_in(self, change: Change) -> Sequence[str]:
        """Other projects of the scan, into a bucket of which the log goes."""
        found = (
            self.watch.bucket(row.values["destination"])
            for row, is_on, _ in self._sinks
            if both(is_on, self._takes(row, change)) is not False
        )
        return sorted({each[0] for each in found if each is not None} - {self.target.id})

    def _gets_so_far(self, at: int, change: Change) -> Truth:
        """Whether what is logged of a change gets to the sinks of a level: a sink above may take it for itself. Metrics still see it."""
        above = [(row, is_on) for row, is_on, level in self._sinks if level > at]
        found = any_of(both(row.values["intercepts"], is_on, self._takes(row, change)) for row, is_on in above)
        if found is False and not self.watch.hierarchy.shows_all(SINK, (self.line or ())[at + 1 :]):
            return None
        return negated(found)

    @cached_property
    def _sees_sinks(self) -> bool:
        targets = {level.target for level in self.line or ()}
        is_lost = any(row.target in targets for row in self.watch.sinks.get("", ()))
        return self.watch.hierarchy.shows_all(SINK, self.line) and not is_lost

    def _may_be_told(self, change: Change) -> bool:
        """Whether somebody may hear of a change by a way that is not seen here."""
        if not self._sees_sinks:
            return True
        for row, is_on, _ in self._sinks:
            if both(is_on, self._takes(row, change)) is not False and self._leads_out(row.values["destination"]):
                self.rests_on[row.fact] = None
                return True
        return self._is_scoped(change)

    def _leads_out(self, destination: str | None) -> bool:
        """Whether what a sink sends may be looked at where nobody looks for us. Buckets of Cloud Storage only keep it."""
        if destination is None:
            return True
        return not destination.startswith("storage.googleapis.com/") and self.watch.bucket(destination) is None

    def _is_scoped(self, change: Change) -> bool:
        """Whether another project's policy may look at a metric that counts a change: whose metrics a project sees is not read."""
        return any(self._is_looked_at(home, change) for home in (self.target.id, *self._kept_in(change)))

    def _is_looked_at(self, home: str, change: Change) -> bool:
        own = self.watch.metrics.get(home, ())
        names = [each.name for row, each in own if self._counted(each, row, home, change) is not False]
        names += [None] if self.watch.seen.dark(METRIC, home) else []
        if not names:
            return False
        others = [each.id for each in self.watch.seen.targets if each.id != home]
        policies = (row for each in others for row in self.watch.rows[POLICY].get(each, ()))
        return any(_looks_at(row, names) for row in policies) or any(self.watch.seen.dark(POLICY, each) for each in others)


def _named(changes: Sequence[Change]) -> list[str]:
    """What operations are called: of both versions of an API, without these."""
    names = [each.name for each in changes]
    bare = Counter(_VERSION.sub("", each) for each in names)
    return list(dict.fromkeys(found if bare[found := _VERSION.sub("", each)] > 1 else each for each in names))


def _looks_at(row: SeenRow, names: Sequence[str | None]) -> bool:
    """Whether a policy may look at metrics of these names."""
    conditions = row.values["conditions"]
    if row.values["is_enabled"] is False:
        return False
    return not isinstance(conditions, list) or any(
        name is None or names_metric(each, name) is not False for name in names for each in conditions
    )


def change_alerts(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each kind of change in each project."""
    watch = _Watch(seen)
    for target in seen.targets:
        if is_above(target.name):
            continue
        for kind, changes in KINDS.items():
            told = _Told(watch, target)
            values = {"kind": kind, **told.kind(changes)}
            yield MadeRow(target.id, "global", kind, values, tuple(told.rests_on))
