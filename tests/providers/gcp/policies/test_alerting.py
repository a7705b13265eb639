"""Alerting policies over the audit log: pairs that differ in one detail, each with its known answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.gcp.policies.alerting import Metric, names_metric, seen_by, tells
from cnamm_scan.providers.gcp.policies.audited import KINDS, Change
from cnamm_scan.providers.truths import Truth, all_of

PROJECT = "shop-prod"
FIREWALL = KINDS["firewall rules"][0]
BUCKET = KINDS["bucket permissions"][0]
DELTA = "protoPayload.serviceData.policyDelta"
OWNER = f'{DELTA}.bindingDeltas.role="roles/owner"'
RULE = 'resource.type="gce_firewall_rule"'
WHO = "protoPayload.authenticationInfo.principalEmail"
# what the benchmark writes down, kind by kind
BENCHMARK = {
    "project ownership": '(protoPayload.serviceName="cloudresourcemanager.googleapis.com") '
    "AND (ProjectOwnership OR projectOwnerInvitee) OR "
    f'({DELTA}.bindingDeltas.action="REMOVE" AND {OWNER}) OR '
    f'({DELTA}.bindingDeltas.action="ADD" AND {OWNER})',
    "audit configuration": 'protoPayload.methodName="SetIamPolicy" AND protoPayload.serviceData.policyDelta.auditConfigDeltas:*',
    "custom roles": 'resource.type="iam_role" AND (protoPayload.methodName="google.iam.admin.v1.CreateRole" OR '
    'protoPayload.methodName="google.iam.admin.v1.DeleteRole" OR protoPayload.methodName="google.iam.admin.v1.UpdateRole")',
    "firewall rules": 'resource.type="gce_firewall_rule" AND (protoPayload.methodName:"compute.firewalls.patch" OR '
    'protoPayload.methodName:"compute.firewalls.insert" OR protoPayload.methodName:"compute.firewalls.delete")',
    "routes": 'resource.type="gce_route" AND (protoPayload.methodName:"compute.routes.delete" '
    'OR protoPayload.methodName:"compute.routes.insert")',
    "networks": 'resource.type="gce_network" AND (protoPayload.methodName:"compute.networks.insert" '
    'OR protoPayload.methodName:"compute.networks.patch" OR protoPayload.methodName:"compute.networks.delete" '
    'OR protoPayload.methodName:"compute.networks.removePeering" '
    'OR protoPayload.methodName:"compute.networks.addPeering")',
    "bucket permissions": 'resource.type="gcs_bucket" AND protoPayload.methodName="storage.setIamPermissions"',
    "Cloud SQL instances": 'protoPayload.methodName="cloudsql.instances.update"',
}


def _all(text: str, kind: str) -> Truth:
    return all_of(seen_by(text, each, PROJECT) for each in KINDS[kind])


@pytest.mark.parametrize("kind", BENCHMARK)
@pytest.mark.parametrize("written", BENCHMARK)
def test_what_the_benchmark_writes_sees_its_own_kind_and_no_other(kind: str, written: str) -> None:
    # a word may stand anywhere in an entry
    open_ = (written, kind) == ("project ownership", "audit configuration")
    assert _all(BENCHMARK[written], kind) is (None if open_ else kind == written)


@pytest.mark.parametrize(
    ("kind", "text", "answer"),
    [
        # the console and Terraform call the beta too
        (
            "firewall rules",
            'protoPayload.methodName=("v1.compute.firewalls.insert" OR "v1.compute.firewalls.patch")',
            False,
        ),
        ("firewall rules", 'protoPayload.methodName=~"^(v1|beta)[.]compute[.]firewalls[.](insert|patch|delete)$"', True),
        ("firewall rules", 'resource.type="gce_firewall_rule"', True),
        ("firewall rules", 'protoPayload.serviceName="compute.googleapis.com" protoPayload.methodName:"firewalls"', True),
        ("firewall rules", 'resource.type="gce_firewall_rule" AND NOT protoPayload.methodName:"delete"', False),
        ("firewall rules", 'resource.type="gce_firewall_rule" AND severity>=ERROR', False),
        (
            "firewall rules",
            f'{RULE} AND NOT {WHO}:"gserviceaccount.com"',
            False,
        ),
        (
            "firewall rules",
            f'{RULE} AND NOT {WHO}="terraform@shop-prod.iam.gserviceaccount.com"',
            None,
        ),
        ("firewall rules", 'resource.type="gce_firewall_rule" AND operation.first=true', None),
        ("firewall rules", 'resource.type="gce_firewall_rule" AND resource.labels.project_id="shop-prod"', True),
        ("firewall rules", 'resource.type="gce_firewall_rule" AND resource.labels.project_id="shop-dev"', False),
        ("firewall rules", 'resource.type="global" AND jsonPayload.event_subtype="compute.firewalls.insert"', False),
        ("firewall rules", 'logName="projects/shop-prod/logs/cloudaudit.googleapis.com%2Factivity"', True),
        ("firewall rules", 'logName="projects/shop-prod/logs/cloudaudit.googleapis.com%2Fdata_access"', False),
        ("project ownership", 'protoPayload.methodName="SetIamPolicy"', False),
        ("project ownership", 'protoPayload.methodName=("SetIamPolicy" OR "InsertProjectOwnershipInvite")', True),
        ("project ownership", 'protoPayload.serviceName="cloudresourcemanager.googleapis.com"', True),
        ("project ownership", f"{OWNER} OR ProjectOwnership", True),
        (
            "project ownership",
            f'{OWNER} AND {DELTA}.bindingDeltas.action="ADD"',
            False,
        ),
        ("audit configuration", 'protoPayload.serviceData.policyDelta.auditConfigDeltas.service="allServices"', False),
        ("audit configuration", 'protoPayload.serviceData.policyDelta.auditConfigDeltas.action="REMOVE"', False),
        ("audit configuration", 'protoPayload.methodName:"SetIamPolicy"', True),
        ("custom roles", 'protoPayload.methodName=~"google\\.iam\\.admin\\.v1\\.(Create|Update|Delete|Undelete)Role"', True),
        ("custom roles", 'resource.type="iam_role" AND protoPayload.methodName:"CreateRole"', False),
        ("bucket permissions", 'protoPayload.methodName="storage.setIamPermissions" AND resource.labels.bucket_name="shop"', None),
        ("Cloud SQL instances", 'resource.type="cloudsql_database"', True),
    ],
)
def test_what_a_filter_sees_of_a_kind(kind: str, text: str, answer: Truth) -> None:
    assert _all(text, kind) is answer


METRIC = Metric("fw", BENCHMARK["firewall rules"])
STANDS = 'metric.type="logging.googleapis.com/user/fw" AND resource.type="global"'
ABOVE: dict[str, Any] = {"filter": STANDS, "comparison": "COMPARISON_GT", "duration": "0s"}


def _tells(said: dict[str, Any], change: Change = FIREWALL, metric: Metric = METRIC) -> Truth:
    return tells(said, change, PROJECT, lambda each: each.counts(change, PROJECT), {metric.name or "": metric})


def _aligned(**more: Any) -> list[dict[str, Any]]:
    return [{"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_DELTA", **more}]


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ({}, True),
        ({"thresholdValue": 0, "aggregations": _aligned()}, True),
        ({"thresholdValue": 0.001, "aggregations": _aligned(perSeriesAligner="ALIGN_RATE")}, True),
        ({"thresholdValue": 1, "aggregations": _aligned(perSeriesAligner="ALIGN_RATE")}, False),
        # an operation that takes its time is logged twice
        ({"thresholdValue": 1, "aggregations": _aligned()}, None),
        ({"thresholdValue": 5, "aggregations": _aligned()}, False),
        ({"thresholdValue": 0.5, "aggregations": _aligned(perSeriesAligner="ALIGN_SUM", crossSeriesReducer="REDUCE_SUM")}, True),
        ({"thresholdValue": 0, "aggregations": _aligned(perSeriesAligner="ALIGN_MIN")}, None),
        ({"thresholdValue": 0, "aggregations": _aligned(crossSeriesReducer="REDUCE_MIN")}, None),
        ({"thresholdValue": 0, "aggregations": _aligned(perSeriesAligner="ALIGN_COUNT")}, None),
        ({"thresholdValue": -1}, None),
        ({"thresholdValue": "0"}, None),
        ({"comparison": "COMPARISON_LT"}, False),
        ({"comparison": None}, None),
        # one entry is more than none for as long as the condition looks back
        ({"duration": "60s", "aggregations": _aligned(alignmentPeriod="300s")}, True),
        ({"duration": "60s", "aggregations": _aligned()}, None),
        ({"duration": "3600s", "aggregations": _aligned()}, None),
        ({"trigger": {"count": 1}}, True),
        ({"trigger": {"count": 3}}, None),
        ({"trigger": {"percent": 50}}, None),
        ({"denominatorFilter": "x"}, None),
        ({"forecastOptions": {"forecastHorizon": "3600s"}}, None),
        ({"filter": 'metric.type="logging.googleapis.com/user/other" AND resource.type="global"'}, False),
        ({"filter": 'metric.type="logging.googleapis.com/user/fw"'}, True),
        ({"filter": 'resource.type = "global" metric.type = "logging.googleapis.com/user/fw"'}, True),
        ({"filter": 'metric.type="logging.googleapis.com/user/fw" AND resource.type="gce_firewall_rule"'}, True),
        ({"filter": 'metric.type="logging.googleapis.com/user/fw" AND resource.type="gce_instance"'}, None),
        ({"filter": 'metric.type="logging.googleapis.com/user/fw" AND metric.labels.user="x"'}, None),
        ({"filter": 'metric.type="logging.googleapis.com/user/fw" AND resource.labels.project_id="shop-prod"'}, True),
        ({"filter": 'metric.type=starts_with("logging.googleapis.com/user/")'}, None),
        ({"filter": 'metric.type="logging.googleapis.com/user/fw" OR metric.type="a/b"'}, None),
        ({"filter": 'select_slo_burn_rate("projects/1/services/a/serviceLevelObjectives/b", "3600s")'}, False),
        ({"filter": None}, None),
    ],
)
def test_whether_a_threshold_on_a_metric_tells_of_one_change(more: dict[str, Any], answer: Truth) -> None:
    assert _tells({"conditionThreshold": {**ABOVE, **more}}) is answer


@pytest.mark.parametrize(
    ("metric", "answer"),
    [
        (METRIC, True),
        (Metric("fw", METRIC.filter, is_disabled=True), False),
        (Metric("fw", METRIC.filter, is_disabled=None), None),
        (Metric("fw", METRIC.filter, extracts=True), None),
        (Metric("fw", None), None),
        (Metric("fw", 'resource.type="gce_route"'), False),
        (Metric("fw", 'resource.type="gce_route"', extracts=True), False),
    ],
)
def test_whether_it_tells_by_a_metric(metric: Metric, answer: Truth) -> None:
    assert _tells({"conditionThreshold": ABOVE}, metric=metric) is answer


def test_what_monitoring_has_itself_stands_by_its_own_resource() -> None:
    metric = Metric("fw", BENCHMARK["bucket permissions"])
    assert _tells({"conditionThreshold": ABOVE}, BUCKET, metric) is None
    own = STANDS.replace("global", "gcs_bucket")
    assert _tells({"conditionThreshold": {**ABOVE, "filter": own}}, BUCKET, metric) is True


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ({"conditionMatchedLog": {"filter": BENCHMARK["firewall rules"]}}, True),
        ({"conditionMatchedLog": {"filter": BENCHMARK["routes"]}}, False),
        ({"conditionMatchedLog": {}}, None),
        ({"conditionAbsent": {"filter": STANDS}}, False),
        ({"conditionMonitoringQueryLanguage": {"query": "fetch global::logging.googleapis.com/user/fw | condition val() > 0"}}, None),
        ({"conditionMonitoringQueryLanguage": {"query": "fetch gce_instance::compute.googleapis.com/instance/cpu/utilization"}}, False),
        ({"conditionPrometheusQueryLanguage": {"query": "increase(logging_googleapis_com:user_fw[5m]) > 0"}}, None),
        ({"conditionPrometheusQueryLanguage": {"query": "up == 0"}}, False),
        ({"conditionSql": {"query": "SELECT 1"}}, None),
        ({}, None),
        ("odd", None),
    ],
)
def test_other_kinds_of_conditions(condition: Any, answer: Truth) -> None:
    assert _tells(condition) is answer


def test_a_condition_names_a_metric_of_any_project() -> None:
    assert names_metric({"conditionThreshold": {**ABOVE, "filter": 'metric.type="logging.googleapis.com/user/fw"'}}, "fw") is True
    assert names_metric({"conditionThreshold": ABOVE}, "fw") is None
    assert names_metric({"conditionThreshold": ABOVE}, "other") is False
    assert names_metric({"conditionSql": {}}, "fw") is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["conditionThreshold", "conditionMatchedLog", "conditionMonitoringQueryLanguage", "conditionAbsent"]),
    st.dictionaries(
        st.sampled_from(["filter", "comparison", "duration", "aggregations", "thresholdValue", "trigger", "query"]), _JSON, max_size=4
    ),
)
def test_nothing_that_stands_there_breaks_it(kind: str, said: Any) -> None:
    whole = {"filter": STANDS, "comparison": "COMPARISON_GT", **said}
    assert _tells({kind: whole}) in (True, False, None)
    assert names_metric({kind: whole}, "fw") in (True, False, None)
