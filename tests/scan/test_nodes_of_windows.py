"""Pods that say nothing of their system: the node that they were pinned to tells, through whole scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.demo.cluster.bed.server import ClusterBed
from tests.clusters import cluster, scan, thing, verdicts

RULE = "kubernetes.core.container_cannot_escalate"


def judged(folder: Path, system: str, **spec: Any) -> dict[tuple[str, str], str]:
    info = {"operatingSystem": system, "kubeletVersion": "v1.36.1", "osImage": "x"}
    made = cluster(
        thing("Namespace", "shop", status={"phase": "Active"}),
        thing("Node", "n1", metadata={"labels": {"agentpool": "pool2"}}, status={"nodeInfo": info}),
        thing(
            "Pod",
            "web",
            "shop",
            spec={"nodeName": "n1", "containers": [{"name": "web", "image": "web:1"}], **spec},
            status={"phase": "Running"},
        ),
    )
    with ClusterBed(made) as bed, scan(bed, folder, rules=[RULE]) as done:
        return {name: verdict for name, (verdict, _) in verdicts(done).items()}


@pytest.mark.parametrize(
    ("system", "pinned", "expected"), [("windows", True, set()), ("linux", True, {"fail"}), ("windows", False, {"fail"})]
)
def test_a_pod_of_a_pool_is_of_the_system_of_its_node(system: str, pinned: bool, expected: set[str], tmp_path: Path) -> None:
    more = {"nodeSelector": {"agentpool": "pool2"}} if pinned else {}
    assert set(judged(tmp_path, system, **more).values()) - {"not_applicable"} == expected
