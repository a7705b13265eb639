"""Alerts on changes, scanned over sockets: metrics, policies and channels as Asset Inventory gives them, and as nobody planned for."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.demo.gcp.bed.contents import Asset
from cnamm_scan.demo.gcp.bed.server import GcpBed
from tests.clusters import verdicts
from tests.gcps import FOLDER, NUMBERS, ONE, ORGANIZATION, TWO, cloud, scan
from tests.providers.gcp.policies.test_alerting import BENCHMARK

RULES = "gcp.logging.route_changes_alert"
ROUTES = "route_changes_alert"
WRITER = "serviceAccount:o9@gcp-sa-logging.iam.gserviceaccount.com"
WHERE = {name: f"//cloudresourcemanager.googleapis.com/projects/{NUMBERS[name]}" for name in (ONE, TWO)}


def asset(kind: str, name: str, data: dict[str, Any], project: str = ONE) -> Asset:
    """An asset of a project, or of the organization where it is named so."""
    above = (
        [ORGANIZATION] if project == ORGANIZATION else [f"projects/{NUMBERS[project]}", *([FOLDER] if project == ONE else []), ORGANIZATION]
    )
    host, _, _ = kind.partition("/")
    place = project if project == ORGANIZATION else f"projects/{NUMBERS[project]}"
    return {"name": f"//{host}/{place}/{name}", "assetType": kind, "ancestors": above, "resource": {"version": "v1", "data": data}}


def metric(filter_: Any, project: str = ONE, **more: Any) -> Asset:
    return asset("logging.googleapis.com/LogMetric", "metrics/changes", {"name": "changes", "filter": filter_, **more}, project)


def policy(*conditions: Any, project: str = ONE, **more: Any) -> Asset:
    channels = [f"projects/{project}/notificationChannels/1"]
    data = {"displayName": "changes", "enabled": True, "combiner": "OR", "notificationChannels": channels, "conditions": list(conditions)}
    return asset("monitoring.googleapis.com/AlertPolicy", "alertPolicies/1", {**data, **more}, project)


def channel(project: str = ONE, **more: Any) -> Asset:
    return asset(
        "monitoring.googleapis.com/NotificationChannel", "notificationChannels/1", {"type": "email", "enabled": True, **more}, project
    )


def sink(destination: str, **more: Any) -> Asset:
    data = {"name": "audit", "destination": destination, "filter": 'logName:"cloudaudit.googleapis.com"', "includeChildren": True}
    data |= {"writerIdentity": WRITER}
    return asset("logging.googleapis.com/LogSink", "sinks/audit", {**data, **more}, ORGANIZATION)


COUNTED = {
    "conditionThreshold": {
        "filter": 'metric.type="logging.googleapis.com/user/changes" AND resource.type="global"',
        "comparison": "COMPARISON_GT",
        "duration": "0s",
        "aggregations": [{"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_DELTA"}],
    }
}
IN_BUCKET = {
    "conditionThreshold": {
        **COUNTED["conditionThreshold"],
        "filter": 'metric.type="logging.googleapis.com/user/changes" AND resource.type="logging_bucket"',
    }
}
MATCHED = {"conditionMatchedLog": {"filter": BENCHMARK["routes"]}}
GRANTED = {
    "name": WHERE[TWO],
    "assetType": "cloudresourcemanager.googleapis.com/Project",
    "ancestors": [f"projects/{NUMBERS[TWO]}", ORGANIZATION],
    "iamPolicy": {"bindings": [{"role": "roles/logging.bucketWriter", "members": [WRITER]}]},
}
BUCKET = f"projects/{TWO}/locations/eu/buckets/all"
CENTRAL = (
    metric(BENCHMARK["routes"], TWO, bucketName=BUCKET),
    policy(IN_BUCKET, project=TWO),
    channel(TWO),
    sink(f"logging.googleapis.com/{BUCKET}"),
)


def said(*assets: Asset, scope: str = ORGANIZATION, rule: str = ROUTES) -> str:
    """The verdict on the first project."""
    with GcpBed(cloud(*assets)) as bed, scan(bed, scope, rules=RULES) as done:
        found = {(name, resource): verdict for (name, resource), (verdict, _) in verdicts(done).items()}
    return found[rule, WHERE[ONE]]


@pytest.mark.parametrize(
    ("assets", "verdict"),
    [
        ((metric(BENCHMARK["routes"]), policy(COUNTED), channel()), "pass"),
        ((policy(MATCHED), channel(verificationStatus="VERIFIED")), "pass"),
        ((), "fail"),
        ((metric(BENCHMARK["routes"], disabled=True), policy(COUNTED), channel()), "fail"),
        ((metric(BENCHMARK["routes"]), policy(COUNTED, enabled=False), channel()), "fail"),
        ((policy(MATCHED), channel(verificationStatus="UNVERIFIED")), "fail"),
        ((policy(MATCHED, validity={"code": 3, "message": "gone"}), channel()), "fail"),
        ((policy(MATCHED),), "fail"),
        # what nobody planned for
        ((metric(17), policy(COUNTED), channel()), "unknown"),
        ((metric("resource.type=(((("), policy(COUNTED), channel()), "unknown"),
        ((policy("odd", None), channel()), "unknown"),
        ((policy({"conditionSql": {"query": "SELECT 1"}}), channel()), "unknown"),
        ((policy(MATCHED, notificationChannels=17), channel()), "unknown"),
        # where the log is sent
        ((*CENTRAL, GRANTED), "pass"),
        (CENTRAL, "unknown"),
        (CENTRAL[:3], "fail"),
        ((sink("pubsub.googleapis.com/projects/siem/topics/logs"),), "unknown"),
        ((sink("storage.googleapis.com/kept"),), "fail"),
        ((sink("pubsub.googleapis.com/projects/siem/topics/logs", filter="severity>=ERROR"),), "fail"),
    ],
)
def test_whether_somebody_is_told_of_changes_of_routes(assets: tuple[Asset, ...], verdict: str) -> None:
    assert said(*assets) == verdict


def test_a_project_alone_is_told_by_what_stands_in_it_and_else_unknown() -> None:
    assert said(policy(MATCHED), channel(), scope=ONE) == "pass"
    assert said(scope=ONE) == "unknown"
