"""What nodes and agents say of a cluster, through whole scans: the system of its nodes and pods, its version, pools, and who keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.demo.cluster.bed.server import ClusterBed
from tests.clusters import cluster, scan, thing, verdicts

Json = dict[str, Any]
SHOP = thing("Namespace", "shop", status={"phase": "Active"})


def node(name: str, labels: Json, *, system: str = "linux", image: str = "Ubuntu 24.04.1 LTS", kernel: str = "6.8.0") -> Json:
    info = {"operatingSystem": system, "architecture": "amd64", "kubeletVersion": "v1.36.1", "osImage": image, "kernelVersion": kernel}
    return thing("Node", name, metadata={"labels": labels}, status={"nodeInfo": info})


def judged(folder: Path, rule: str, *objects: Json) -> list[str]:
    with ClusterBed(cluster(SHOP, *objects)) as bed, scan(bed, folder, rules=[rule]) as done:
        return sorted(verdict for verdict, _ in verdicts(done).values() if verdict != "not_applicable")


@pytest.mark.parametrize(("system", "pinned", "expected"), [("windows", True, []), ("linux", True, ["fail"]), ("windows", False, ["fail"])])
def test_a_pod_of_a_pool_is_of_the_system_of_its_node(system: str, pinned: bool, expected: list[str], tmp_path: Path) -> None:
    more = {"nodeSelector": {"agentpool": "pool2"}} if pinned else {}
    spec = {"nodeName": "n1", "containers": [{"name": "web", "image": "web:1"}], **more}
    pod = thing("Pod", "web", "shop", spec=spec, status={"phase": "Running"})
    there = node("n1", {"agentpool": "pool2"}, system=system)
    assert judged(tmp_path, "kubernetes.core.container_cannot_escalate", there, pod) == expected


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (["1.50.0 (aws-k8s-1.36)", "1.50.0 (aws-k8s-1.36-nvidia)", "1.51.0 (aws-k8s-1.36)", "1.51.0 (aws-k8s-1.36-nvidia)"], ["pass"]),
        (["1.49.0 (aws-k8s-1.36)", "1.50.0 (aws-k8s-1.36)", "1.51.0 (aws-k8s-1.36)"], ["fail"]),
    ],
)
def test_a_variant_of_a_system_for_devices_is_the_same_system(images: list[str], expected: list[str], tmp_path: Path) -> None:
    made = [node(f"n{i}", {"karpenter.sh/nodepool": "web"}, image=f"Bottlerocket OS {each}") for i, each in enumerate(images)]
    assert judged(tmp_path, "kubernetes.node.pool_is_uniform", *made) == expected


@pytest.mark.parametrize(
    ("images", "expected"), [(["202510.19.1", "202511.02.0"], ["pass"]), (["202509.01.0", "202510.19.1", "202511.02.0"], ["fail"])]
)
def test_images_of_aks_are_told_apart_though_they_name_one_system(images: list[str], expected: list[str], tmp_path: Path) -> None:
    labels = {"kubernetes.azure.com/agentpool": "web"}
    told = [{**labels, "kubernetes.azure.com/node-image-version": f"AKSUbuntu-2204gen2containerd-{each}"} for each in images]
    made = [node(f"n{i}", each, image="Ubuntu 22.04.5 LTS") for i, each in enumerate(told)]
    assert judged(tmp_path, "kubernetes.node.pool_is_uniform", *made) == expected


@pytest.mark.parametrize(
    ("kernel", "expected"), [("6.1.112+", "fail"), ("6.6.93+", "unknown"), ("6.12.46+", "pass"), ("5.15.146+", "fail")]
)
def test_container_optimized_os_is_told_by_its_kernel(kernel: str, expected: str, tmp_path: Path) -> None:
    made = node("n1", {}, image="Container-Optimized OS from Google", kernel=kernel)
    assert judged(tmp_path, "kubernetes.core.node_os_is_supported", made) == [expected]


@pytest.mark.parametrize(("available", "expected"), [(1, ["pass"]), (0, ["unknown"])])
def test_an_agent_of_a_hub_counts_while_a_pod_of_it_is_available(available: int, expected: list[str], tmp_path: Path) -> None:
    template = {
        "metadata": {"labels": {"app": "agent"}},
        "spec": {"containers": [{"name": "agent", "image": "rancher/rancher-agent:v2.12.1"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "agent"}}, "template": template}
    agent = thing("Deployment", "cattle-cluster-agent", "cattle-system", api="apps/v1", spec=spec, status={"availableReplicas": available})
    space = thing("Namespace", "cattle-system", status={"phase": "Active"})
    assert judged(tmp_path, "kubernetes.cluster.in_inventory", space, agent) == expected
