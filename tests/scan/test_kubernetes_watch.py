"""What counts as a log agent, as a zone and as the usual version in a cluster: signs that are often taken for more than they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clusters import pod, thing
from tests.scan.test_kubernetes_admission import said

Json = Any
LOGS = ["kubernetes.apps.logs_collected_on_every_node"]
ZONES = ["kubernetes.apps.nodes_multi_az"]


def node(name: str, zone: str = "") -> Json:
    """A Linux node."""
    labels = {"kubernetes.io/os": "linux", **({"topology.kubernetes.io/zone": zone} if zone else {})}
    return thing(
        "Node",
        name,
        metadata={"labels": labels, "creationTimestamp": "2025-06-01T00:00:00Z"},
        spec={},
        status={"nodeInfo": {"operatingSystem": "linux"}},
    )


def agent(image: str, *folders: str, kind: str = "DaemonSet") -> Json:
    """A workload with one container, which mounts folders of its node."""
    volumes = [{"name": f"v{at}", "hostPath": {"path": folder}} for at, folder in enumerate(folders)]
    spec = {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"spec": {"containers": [{"name": "a", "image": image}], "volumes": volumes}},
    }
    return thing(
        kind, "agent", "logs", api="apps/v1", spec=spec, status={"desiredNumberScheduled": 1, "numberReady": 1, "availableReplicas": 1}
    )


@pytest.mark.parametrize(
    ("workload", "verdict"),
    [
        (agent("cr.fluentbit.io/fluent/fluent-bit:4.0", "/var/log"), "pass"),
        (agent("gcr.io/datadoghq/agent:7", "/var/run/datadog", "/var/log/pods"), "pass"),
        (agent("gcr.io/datadoghq/agent:7", "/var/run/datadog", "/proc"), "unknown"),
        (agent("otel/opentelemetry-collector-contrib:0.110.0"), "unknown"),
        (agent("fluent/fluentd:1.17", kind="Deployment"), "unknown"),
        (agent("public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1", "/"), "unknown"),
    ],
)
def test_a_log_agent_mounts_the_logs_of_its_node(tmp_path: Path, workload: Json, verdict: str) -> None:
    found = said(tmp_path, node("a"), workload, rules=LOGS)
    assert {answer for answer, _ in found.values()} == {verdict}


def test_an_agent_that_misses_a_node_fails(tmp_path: Path) -> None:
    found = said(tmp_path, node("a"), node("b"), agent("fluent/fluent-bit:4", "/var/log"), rules=LOGS)
    assert {answer for answer, _ in found.values()} == {"fail"}


@pytest.mark.parametrize(
    ("zones", "verdict"),
    [(("eu-west-1a", "eu-west-1b"), "pass"), (("westeurope-1", "westeurope-1"), "fail"), (("0", "1"), "not_applicable")],
)
def test_a_fault_domain_of_azure_is_no_zone(tmp_path: Path, zones: tuple[str, str], verdict: str) -> None:
    found = said(tmp_path, *(node(f"n{at}", zone) for at, zone in enumerate(zones)), rules=ZONES)
    assert {answer for answer, _ in found.values()} == {verdict}


PROVIDED = ("kubernetes.admission.admission_policy_in_place",)


@pytest.mark.parametrize(
    ("objects", "verdict"),
    [
        ([thing("Namespace", "shop", metadata={"labels": {"pod-security.kubernetes.io/warn": "baseline"}})], "pass"),
        ([thing("Namespace", "kube-system", metadata={"labels": {"pod-security.kubernetes.io/enforce": "baseline"}})], "unknown"),
    ],
)
def test_a_label_on_the_platforms_own_namespace_is_no_guardrail(tmp_path: Path, objects: list[Json], verdict: str) -> None:
    """Nor does it say that the API server, of which nothing is seen here, has no default for the others."""
    found = said(tmp_path, pod("web", "bank"), *objects, rules=list(PROVIDED))
    assert {answer for answer, _ in found.values()} == {verdict}
