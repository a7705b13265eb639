"""Who hears of changes in a project: by what stands there, and by what stands where its log is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cnamm_scan.model import Target
from tests.providers.gcp.policies.test_alerting import BENCHMARK
from tests.providers.gcp.test_made import ORGANIZATION, PROJECT, made

CENTRAL = Target("gcp:shop-logs", "gcp", "shop-logs")
ALL = (PROJECT, CENTRAL, ORGANIZATION)
KIND = "routes"
OPERATIONS = ["compute.routes.insert", "compute.routes.delete"]
PROJECTS = [
    {"ancestors": ["projects/1", "folders/5", "organizations/9"]},
    {"@": CENTRAL.id, "ancestors": ["projects/2", "organizations/9"]},
]
METRIC: dict[str, Any] = {"name": "r", "filter": BENCHMARK[KIND], "bucket": "", "is_disabled": False, "extracts_values": False}
LOOKS = {
    "conditionThreshold": {
        "filter": 'metric.type="logging.googleapis.com/user/r" AND resource.type="global"',
        "comparison": "COMPARISON_GT",
        "duration": "0s",
    }
}
LOOKS_AT_BUCKET = {
    "conditionThreshold": {
        **LOOKS["conditionThreshold"],
        "filter": LOOKS["conditionThreshold"]["filter"].replace("global", "logging_bucket"),
    }
}
POLICY: dict[str, Any] = {"is_enabled": True, "is_invalid": False, "channel_ids": ["1"], "conditions": [LOOKS], "combiner": "OR"}
ON_BUCKET = {**POLICY, "conditions": [LOOKS_AT_BUCKET]}
LOG = {**POLICY, "conditions": [{"conditionMatchedLog": {"filter": BENCHMARK[KIND]}}]}
CHANNEL: dict[str, Any] = {"channel_id": "1", "reaches": True}
BUCKET = "projects/2/locations/eu/buckets/audit"
SINK: dict[str, Any] = {
    "@": ORGANIZATION.id,
    "place": "organizations/9",
    "destination": "logging.googleapis.com/projects/shop-logs/locations/eu/buckets/audit",
    "filter": 'logName:"cloudaudit.googleapis.com"',
    "exclusions": [],
    "is_disabled": False,
    "includes_children": True,
    "intercepts": False,
    "writer": "serviceAccount:o9@gcp-sa-logging.iam.gserviceaccount.com",
}
MAY_WRITE: dict[str, Any] = {
    "@": CENTRAL.id,
    "resource_type": "cloudresourcemanager.googleapis.com/Project",
    "role": "roles/logging.bucketWriter",
    "members": [SINK["writer"]],
    "condition": "",
}
OWN = "projects/1/locations/eu/buckets/own"
BENEATH = {**SINK, "@": PROJECT.id, "place": "projects/shop-prod", "destination": f"logging.googleapis.com/{OWN}"}
TAKES = {**SINK, "destination": "storage.googleapis.com/kept", "intercepts": True}
THERE = {"@": CENTRAL.id}
Tables = Mapping[str, Sequence[Mapping[str, Any]]]


def told(tables: Mapping[str, Any], kind: str = KIND, **more: Any) -> Mapping[str, Any]:
    """The row of a kind in the project."""
    whole = {
        "gcp.iam.binding": [MAY_WRITE],
        "gcp.project.project": PROJECTS,
        "gcp.monitoring.channel": [CHANNEL, {**CHANNEL, **THERE}],
        **tables,
    }
    rows = made("gcp.logging.change_alert", whole, more.pop("targets", ALL), **more)
    return next(row.values for row in rows if row.target == PROJECT.id and row.key == kind)


def tables(metrics: Any = (), policies: Any = (), sinks: Any = (), channels: Any = None) -> dict[str, Any]:
    found = {"gcp.logging.metric": metrics, "gcp.monitoring.alert_policy": policies, "gcp.logging.sink": sinks}
    return found if channels is None else {**found, "gcp.monitoring.channel": channels}


CENTRALLY = tables([{**METRIC, **THERE, "bucket": BUCKET}], [{**ON_BUCKET, **THERE}], [SINK])


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (tables([METRIC], [POLICY]), True),
        (tables(policies=[LOG]), True),
        (tables(), False),
        (tables([METRIC]), False),
        (tables(policies=[POLICY]), False),
        (tables([METRIC], [{**POLICY, "is_enabled": False}]), False),
        (tables([METRIC], [{**POLICY, "is_enabled": None}]), None),
        (tables([METRIC], [{**POLICY, "is_invalid": True}]), False),
        (tables([METRIC], [{**POLICY, "channel_ids": []}]), False),
        (tables([METRIC], [POLICY], channels=[{**CHANNEL, "reaches": False}]), False),
        (tables([METRIC], [POLICY], channels=[{**CHANNEL, "reaches": None}]), None),
        (tables([METRIC], [POLICY], channels=[{**CHANNEL, "channel_id": "2"}]), False),
        (tables([METRIC], [{**POLICY, "channel_ids": ["2", "1"]}]), True),
        (tables([{**METRIC, "is_disabled": True}], [POLICY]), False),
        (tables([{**METRIC, "extracts_values": True}], [POLICY]), None),
        (tables([{**METRIC, "filter": None}], [POLICY]), None),
        # several that see a part each
        (tables([{**METRIC, "filter": BENCHMARK[KIND] + ' AND protoPayload.methodName:"insert"'}], [POLICY]), False),
        (
            tables(
                [
                    METRIC | {"filter": 'protoPayload.methodName:"routes.insert"'},
                    METRIC | {"name": "d", "filter": 'protoPayload.methodName:"routes.delete"'},
                ],
                [
                    POLICY,
                    {
                        **POLICY,
                        "conditions": [
                            {"conditionThreshold": {**LOOKS["conditionThreshold"], "filter": 'metric.type="logging.googleapis.com/user/d"'}}
                        ],
                    },
                ],
            ),
            True,
        ),
        # conditions that must be met together
        (tables([METRIC], [{**POLICY, "conditions": [LOOKS, LOOKS]}]), True),
        (tables([METRIC], [{**POLICY, "conditions": [LOOKS, LOOKS], "combiner": "AND"}]), None),
        (tables([METRIC], [{**POLICY, "conditions": [LOOKS, {"conditionAbsent": {}}], "combiner": "AND"}]), False),
        (tables([METRIC], [{**POLICY, "conditions": None}]), None),
        # where the log is sent
        (CENTRALLY, True),
        # whoever may not write there sends nothing; who may by a role above is not looked for
        ({**CENTRALLY, "gcp.iam.binding": []}, None),
        ({**CENTRALLY, "gcp.iam.binding": [{**MAY_WRITE, "@": PROJECT.id}]}, None),
        ({**CENTRALLY, "gcp.iam.binding": [{**MAY_WRITE, "members": ["serviceAccount:other@x"]}]}, None),
        ({**CENTRALLY, "gcp.iam.binding": [{**MAY_WRITE, "condition": "resource.name.endsWith('locations/eu/buckets/audit')"}]}, True),
        ({**CENTRALLY, "gcp.iam.binding": [{**MAY_WRITE, "condition": "resource.name.endsWith('locations/eu/buckets/other')"}]}, None),
        # what is counted of a bucket stands by the bucket
        ({**CENTRALLY, "gcp.monitoring.alert_policy": [{**POLICY, **THERE}]}, None),
        ({**CENTRALLY, "gcp.logging.sink": []}, False),
        ({**CENTRALLY, "gcp.logging.sink": [{**SINK, "includes_children": False}]}, False),
        ({**CENTRALLY, "gcp.logging.sink": [{**SINK, "is_disabled": True}]}, False),
        ({**CENTRALLY, "gcp.logging.sink": [{**SINK, "filter": "severity>=ERROR"}]}, False),
        ({**CENTRALLY, "gcp.logging.sink": [{**SINK, "exclusions": ['resource.type="gce_route"']}]}, None),
        ({**CENTRALLY, "gcp.logging.sink": [{**SINK, "exclusions": ['resource.type="k8s_container"']}]}, True),
        ({**CENTRALLY, "gcp.logging.metric": [{**METRIC, **THERE}]}, False),
        ({**CENTRALLY, "gcp.logging.metric": [{**METRIC, **THERE, "bucket": BUCKET.replace("audit", "other")}]}, False),
        ({**CENTRALLY, "gcp.monitoring.alert_policy": []}, False),
        ({**CENTRALLY, "gcp.monitoring.alert_policy": [{**LOG, **THERE}]}, None),
        (tables(sinks=[{**SINK, "destination": "logging.googleapis.com/projects/shop-logs"}]), None),
        (tables(sinks=[{**SINK, "destination": "pubsub.googleapis.com/projects/siem/topics/logs"}]), None),
        (tables(sinks=[{**SINK, "destination": "bigquery.googleapis.com/projects/p/datasets/logs"}]), None),
        (tables(sinks=[{**SINK, "destination": "logging.googleapis.com/projects/strange/locations/eu/buckets/audit"}]), None),
        (tables(sinks=[{**SINK, "destination": "storage.googleapis.com/kept"}]), False),
        (tables(sinks=[{**SINK, "destination": None}]), None),
        (tables(sinks=[{**SINK, "place": None}]), None),
        (tables(sinks=[{**SINK, "place": "folders/6", "destination": "pubsub.googleapis.com/projects/siem/topics/logs"}]), False),
        # a bucket of its own: what must be kept comes there
        (tables([{**METRIC, "bucket": "projects/shop-prod/locations/global/buckets/_Required"}], [ON_BUCKET]), True),
        (tables([{**METRIC, "bucket": "projects/shop-prod/locations/global/buckets/_Default"}], [ON_BUCKET]), False),
        # a sink above takes it away from the sinks beneath it
        (tables([METRIC], [POLICY], [TAKES]), True),
        (tables([{**METRIC, "bucket": OWN}], [ON_BUCKET], [BENEATH]), True),
        (tables([{**METRIC, "bucket": OWN}], [ON_BUCKET], [BENEATH, TAKES]), False),
        (tables([{**METRIC, "bucket": OWN}], [ON_BUCKET], [BENEATH, {**TAKES, "intercepts": None}]), None),
        (tables([{**METRIC, "bucket": OWN}], [ON_BUCKET], [BENEATH, {**TAKES, "filter": "severity>=ERROR"}]), True),
        # whose metrics another project sees is not read
        ({**CENTRALLY, "gcp.monitoring.alert_policy": [ON_BUCKET]}, None),
        (tables([METRIC], [{**POLICY, **THERE}]), None),
        (tables([METRIC], [{**LOG, **THERE}]), False),
    ],
)
def test_whether_somebody_is_told(given: dict[str, Any], answer: bool | None) -> None:
    assert told(given)["is_told"] is answer


def test_what_is_missed_and_what_counts_it_all_the_same() -> None:
    assert told(tables()) == {"kind": KIND, "is_told": False, "missed": OPERATIONS, "counted_by": ""}
    assert told(tables([METRIC]))["counted_by"] == "r"
    part = told(tables([{**METRIC, "filter": 'protoPayload.methodName="v1.compute.routes.insert"'}], [POLICY]))
    assert (part["is_told"], part["missed"], part["counted_by"]) == (False, ["compute.routes.delete", "beta.compute.routes.insert"], "")
    unsure = told(tables([{**METRIC, "filter": 'protoPayload.methodName:"insert" AND sample(insertId, 0.5)'}], [POLICY]))
    assert (unsure["is_told"], unsure["missed"]) == (False, None)


@pytest.mark.parametrize("table", ["gcp.logging.sink", "gcp.monitoring.alert_policy", "gcp.monitoring.channel"])
def test_what_was_not_seen_may_tell(table: str) -> None:
    assert told(tables(policies=[{**POLICY, "channel_ids": ["2"], "conditions": LOG["conditions"]}]))["is_told"] is False
    given = tables(policies=[{**POLICY, "channel_ids": ["2"], "conditions": LOG["conditions"]}])
    assert told(given, unseen=frozenset({table}))["is_told"] is None


def test_a_metric_that_was_not_seen_tells_where_a_policy_looks_at_metrics() -> None:
    unseen = frozenset({"gcp.logging.metric"})
    assert told(tables(policies=[POLICY]), unseen=unseen)["is_told"] is None
    assert told(tables(), unseen=unseen)["is_told"] is False
    assert told(tables(), unseen=unseen)["counted_by"] is None


def test_a_project_alone_does_not_see_where_its_log_is_sent() -> None:
    assert told(tables(), targets=(PROJECT,))["is_told"] is None
    assert told(tables([METRIC], [POLICY]), targets=(PROJECT,))["is_told"] is True
    assert told(tables([{**METRIC, "bucket": OWN}], [ON_BUCKET], [BENEATH]), targets=(PROJECT,))["is_told"] is None
    outside = [{"ancestors": ["projects/1"]}]
    assert told({**tables(), "gcp.project.project": outside}, targets=(PROJECT,))["is_told"] is False
    assert told({**tables(), "gcp.project.project": [{"ancestors": None}]}, targets=(PROJECT,))["is_told"] is None
