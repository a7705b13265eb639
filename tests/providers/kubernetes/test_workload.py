"""What a person edits to change a pod, told from the names that controllers give what they make."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.kubernetes.pods import pod
from cnamm_scan.providers.kubernetes.workload import workload

OFTEN = {"batch.kubernetes.io/job-name": "x"}
MADE = "2026-11-30T02:00:04Z"  # in the minute 29933400


def owned(kind: str, name: str, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": "p", "ownerReferences": [{"kind": kind, "name": name, "controller": True}], "labels": labels or {}, **more}


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"name": "toolbox"}, "Pod toolbox"),
        (owned("Node", "cp1"), "Pod p"),  # a static pod: its manifest lies on the node
        (owned("DaemonSet", "agent"), "DaemonSet agent"),
        (owned("ReplicaSet", "web-5d9c", {"pod-template-hash": "5d9c"}), "Deployment web"),
        (owned("ReplicaSet", "cart-9f", {"rollouts-pod-template-hash": "9f"}), "Rollout cart"),
        (owned("ReplicaSet", "web-5d9c", {"pod-template-hash": "77aa"}), "ReplicaSet web-5d9c"),
        (owned("ReplicaSet", "lone"), "ReplicaSet lone"),
        (
            owned("ReplicaSet", "a-00001-deployment-5d", {"pod-template-hash": "5d", "serving.knative.dev/service": "a"}),
            "Knative Service a",
        ),
        (owned("Job", "nightly-29933400", OFTEN, creationTimestamp=MADE), "CronJob nightly"),
        (owned("Job", "nightly-29932900", OFTEN, creationTimestamp=MADE), "CronJob nightly"),  # held up for a while
        (owned("Job", "export-20261130", OFTEN, creationTimestamp=MADE), "Job export-20261130"),  # a date
        (owned("Job", "export-30112026", OFTEN, creationTimestamp=MADE), "Job export-30112026"),  # due after it was made
        (owned("Job", "nightly-29933400", OFTEN), "Job nightly-29933400"),
        (owned("Job", "nightly-29933400", OFTEN, creationTimestamp="soon"), "Job nightly-29933400"),
        ({"name": "p", "ownerReferences": [{"kind": "Backup", "name": "b"}, {"kind": "Job", "name": "j", "controller": True}]}, "Job j"),
    ],
)
def test_it_is_what_stands_behind_replica_sets_and_jobs(metadata: dict[str, Any], said: str) -> None:
    assert workload(metadata) == said
    assert pod({"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "i"}]}})["workload"] == said
