"""Rules, probes and receivers that stand in a cluster count where something selects them: by labels, by namespace, by both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.demo.cluster.bed.server import ClusterBed
from tests.clusters import cluster, crd, scan, thing, verdicts

Json = dict[str, Any]
GROUP = "monitoring.coreos.com"
KINDS = [
    crd(plural, kind, version, group=GROUP)
    for plural, kind, version in (
        ("prometheusrules", "PrometheusRule", "v1"),
        ("prometheuses", "Prometheus", "v1"),
        ("thanosrulers", "ThanosRuler", "v1"),
        ("probes", "Probe", "v1"),
        ("alertmanagers", "Alertmanager", "v1"),
        ("prometheusagents", "PrometheusAgent", "v1alpha1"),
        ("alertmanagerconfigs", "AlertmanagerConfig", "v1alpha1"),
    )
]
QUOTA = "kubernetes.monitoring.quota_alerts"
LABELS = {"release": "main", "team": "a"}


def server(name: str, **spec: Any) -> Json:
    """A stateful set whose pod runs Prometheus, and the object that it was made of."""
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "prometheus", "image": "quay.io/prometheus/prometheus:v3.5.0"}]},
    }
    more = {"serviceName": "x", "replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return thing("StatefulSet", name, "watch", api="apps/v1", spec=more, status={"availableReplicas": 1})


def rule(expression: str = "kube_resourcequota > 1", labels: Json | None = None) -> Json:
    groups = [{"name": "g", "rules": [{"alert": "Full", "expr": expression}]}]
    return thing(
        "PrometheusRule",
        "ours",
        "shop",
        api=f"{GROUP}/v1",
        metadata={"labels": LABELS if labels is None else labels},
        spec={"groups": groups},
    )


def operated(kind: str = "Prometheus", namespace: str = "watch", **spec: Any) -> Json:
    return thing(kind, "main", namespace, api=f"{GROUP}/v1", spec=spec)


SHOP = thing("Namespace", "shop", metadata={"labels": {"team": "a", "kubernetes.io/metadata.name": "shop"}}, status={"phase": "Active"})


def judged(tmp_path: Path, *objects: Json, rules: Sequence[str] = (QUOTA,)) -> str:
    made = cluster(*KINDS, SHOP, server("prometheus"), *objects)
    with ClusterBed(made) as bed, scan(bed, tmp_path, rules=rules) as done:
        return next(verdict for verdict, _ in verdicts(done).values())


def expressed(operator: str, *values: str, key: str = "team") -> Json:
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "fail"),
        ({"ruleSelector": {}}, "fail"),
        ({"ruleSelector": {}, "ruleNamespaceSelector": {}}, "pass"),
        ({"ruleSelector": {"matchLabels": {"release": "main"}}, "ruleNamespaceSelector": {}}, "pass"),
        ({"ruleSelector": {"matchLabels": {"release": "other"}}, "ruleNamespaceSelector": {}}, "fail"),
        ({"ruleSelector": {}, "ruleNamespaceSelector": {"matchLabels": {"team": "a"}}}, "pass"),
        ({"ruleSelector": {}, "ruleNamespaceSelector": {"matchLabels": {"team": "b"}}}, "fail"),
        ({"ruleSelector": expressed("In", "a", "b"), "ruleNamespaceSelector": {}}, "pass"),
        ({"ruleSelector": expressed("In", "b"), "ruleNamespaceSelector": {}}, "fail"),
        ({"ruleSelector": expressed("NotIn", "b"), "ruleNamespaceSelector": {}}, "pass"),
        ({"ruleSelector": expressed("NotIn", "a"), "ruleNamespaceSelector": {}}, "fail"),
        ({"ruleSelector": expressed("NotIn", "a", key="none"), "ruleNamespaceSelector": {}}, "pass"),
        ({"ruleSelector": expressed("Exists"), "ruleNamespaceSelector": {}}, "pass"),
        ({"ruleSelector": expressed("Exists", key="none"), "ruleNamespaceSelector": {}}, "fail"),
        ({"ruleSelector": expressed("DoesNotExist", key="none"), "ruleNamespaceSelector": {}}, "pass"),
        ({"ruleSelector": {"matchLabels": {"release": "main"}, **expressed("DoesNotExist")}, "ruleNamespaceSelector": {}}, "fail"),
    ],
)
def test_a_rule_alerts_where_a_prometheus_selects_it(tmp_path: Path, spec: Json, expected: str) -> None:
    assert judged(tmp_path, rule(), operated(**spec)) == expected


def test_what_is_not_selected_by_one_may_be_by_another(tmp_path: Path) -> None:
    ruler = operated("ThanosRuler", ruleSelector={}, ruleNamespaceSelector={})
    assert judged(tmp_path, rule(), operated(ruleSelector={}), ruler) == "pass"


def test_where_the_operator_runs_nothing_something_else_may_load_it(tmp_path: Path) -> None:
    assert judged(tmp_path, rule()) == "unknown"


def test_a_prometheus_beside_the_rule_selects_it_without_a_word_about_namespaces(tmp_path: Path) -> None:
    assert judged(tmp_path, rule(), operated(namespace="shop", ruleSelector={})) == "pass"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"alertmanagerConfigSelector": {}, "alertmanagerConfigMatcherStrategy": {"type": "None"}}, "pass"),
        (
            {"alertmanagerConfigSelector": {}, "alertmanagerConfigMatcherStrategy": {"type": "OnNamespaceExceptForAlertmanagerNamespace"}},
            "pass",
        ),
        ({"alertmanagerConfiguration": {"name": "main"}}, "pass"),
        ({"alertmanagerConfiguration": {"name": "main"}, "replicas": 0}, "unknown"),
        ({"alertmanagerConfigSelector": {}}, "unknown"),
        ({"alertmanagerConfigSelector": {"matchLabels": {"a": "b"}}, "alertmanagerConfigMatcherStrategy": {"type": "None"}}, "unknown"),
    ],
)
def test_a_receiver_hears_of_the_cluster_where_its_configuration_gets_more_than_its_own_namespace(
    tmp_path: Path, spec: Json, expected: str
) -> None:
    route = {"route": {"receiver": "all"}, "receivers": [{"name": "all", "slackConfigs": [{"channel": "#x"}]}]}
    config = thing("AlertmanagerConfig", "main", "watch", api=f"{GROUP}/v1alpha1", spec=route)
    loads = operated(ruleSelector={}, ruleNamespaceSelector={}, alerting={"alertmanagers": [{"name": "main", "port": "web"}]})
    found = judged(tmp_path, rule(), loads, operated("Alertmanager", **spec), config, rules=["kubernetes.monitoring.alerts_have_receiver"])
    assert found == expected


def test_an_alertmanager_that_no_prometheus_names_hears_of_nothing(tmp_path: Path) -> None:
    route = {"route": {"receiver": "all"}, "receivers": [{"name": "all", "slackConfigs": [{"channel": "#x"}]}]}
    config = thing("AlertmanagerConfig", "main", "watch", api=f"{GROUP}/v1alpha1", spec=route)
    loads = operated(ruleSelector={}, ruleNamespaceSelector={})
    hears = operated("Alertmanager", alertmanagerConfiguration={"name": "main"})
    assert judged(tmp_path, rule(), loads, hears, config, rules=["kubernetes.monitoring.alerts_have_receiver"]) == "unknown"
