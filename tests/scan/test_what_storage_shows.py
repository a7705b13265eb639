"""Volumes, their classes, backups, budgets and doors of a small cluster, through whole scans: what its objects can tell, and what not."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.demo.cluster.bed.server import ClusterBed, Resource
from tests.clusters import cluster, pod, scan, thing, verdicts

Document = dict[str, Any]
SERVED = (
    ("velero.io/v1", Resource("schedules", "Schedule")),
    ("velero.io/v1", Resource("restores", "Restore")),
    ("snapshot.storage.k8s.io/v1", Resource("volumesnapshotclasses", "VolumeSnapshotClass", namespaced=False)),
)


def ago(days: float) -> str:
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def judged(folder: Path, rules: list[str], *objects: Document) -> dict[tuple[str, str], str]:
    """(rule's last name, resource) -> verdict."""
    made = cluster(*(thing("Namespace", name, status={"phase": "Active"}) for name in ("shop", "velero")))
    for version, resource in SERVED:
        made.serve(version, resource)
    made.add(*objects)
    with ClusterBed(made) as bed, scan(bed, folder, rules=rules) as done:
        return {name: verdict for name, (verdict, _) in verdicts(done).items()}


def claimed(name: str, driver: str, where: Document | None = None) -> list[Document]:
    """A claim of a class of its own, and its volume."""
    volume = f"pvc-{name}"
    claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": name, "volumeName": volume}
    spec = {"claimRef": {"namespace": "shop", "name": name}, **(where or {"csi": {"driver": driver}})}
    return [
        thing("StorageClass", name, api="storage.k8s.io/v1", provisioner=driver),
        thing("PersistentVolumeClaim", name, "shop", spec=claim, status={"phase": "Bound"}),
        thing("PersistentVolume", volume, spec=spec, metadata={"annotations": {"pv.kubernetes.io/provisioned-by": driver}}),
    ]


def test_a_volume_is_judged_by_its_driver(tmp_path: Path) -> None:
    folder = {"hostPath": {"path": "/var/lib/rancher/k3s/storage/pvc-local_shop_local"}}
    objects = [
        *claimed("gp3", "ebs.csi.aws.com"),
        *claimed("efs", "efs.csi.aws.com"),
        *claimed("local", "rancher.io/local-path", folder),
        thing("PersistentVolume", "by-hand", spec={"hostPath": {"path": "/mnt/data"}}),
        thing("VolumeSnapshotClass", "ebs", api="snapshot.storage.k8s.io/v1", driver="ebs.csi.aws.com"),
        thing(
            "Schedule",
            "all",
            "velero",
            api="velero.io/v1",
            spec={"schedule": "@daily", "template": {"defaultVolumesToFsBackup": False}},
            status={"phase": "Enabled"},
        ),
        thing(
            "Deployment",
            "velero",
            "velero",
            api="apps/v1",
            spec={"template": {"spec": {"containers": [{"name": "velero", "image": "velero/velero:v1.17.0"}]}}},
            status={"availableReplicas": 1},
        ),
    ]
    names = ["storage.storage_class_allowed_topologies", "core.persistent_volume_not_host_path", "velero.claims_are_backed_up"]
    found = judged(tmp_path, [f"kubernetes.{name}" for name in names], *objects)
    restricted = {name: verdict for (rule, name), verdict in found.items() if rule == "storage_class_allowed_topologies"}
    assert restricted == {"gp3": "fail", "efs": "not_applicable", "local": "not_applicable"}
    shown = {name: verdict for (rule, name), verdict in found.items() if rule == "persistent_volume_not_host_path"}
    assert shown == {"pvc-gp3": "pass", "pvc-efs": "pass", "pvc-local": "pass", "by-hand": "fail"}
    kept = {name: verdict for (rule, name), verdict in found.items() if rule == "claims_are_backed_up"}
    assert kept == {"shop/gp3": "pass", "shop/efs": "fail", "shop/local": "fail"}


@pytest.mark.parametrize(
    ("kept", "restored", "verdict"),
    [
        ("720h0m0s", None, "unknown"),
        ("720h0m0s", 10, "pass"),
        ("2400h0m0s", None, "fail"),
        ("2400h0m0s", 95, "fail"),
        (None, 95, "unknown"),
    ],
)
def test_a_restore_that_went_with_its_backup_is_not_missed(tmp_path: Path, kept: str | None, restored: float | None, verdict: str) -> None:
    template = {"ttl": kept} if kept else {}
    plan = thing(
        "Schedule", "all", "velero", api="velero.io/v1", spec={"schedule": "@daily", "template": template}, status={"phase": "Enabled"}
    )
    status = {"phase": "Completed", "completionTimestamp": ago(restored or 0)}
    done = [thing("Restore", "r", "velero", api="velero.io/v1", spec={}, status=status)] if restored is not None else []
    assert list(judged(tmp_path, ["kubernetes.velero.restore_tested"], plan, *done).values()) == [verdict]


@pytest.mark.parametrize(
    ("spec", "pods", "verdict"),
    [
        ({"maxUnavailable": 0}, 3, "fail"),
        ({"maxUnavailable": 0}, 0, "unknown"),
        ({"maxUnavailable": 1}, 0, "pass"),
        ({"minAvailable": "100%"}, 3, "fail"),
        ({"minAvailable": 1}, 1, "fail"),
        ({"minAvailable": 1}, 2, "pass"),
    ],
)
def test_a_budget_that_holds_nothing_back_now_may_do_so_later(tmp_path: Path, spec: Document, pods: int, verdict: str) -> None:
    status = {"expectedPods": pods, "desiredHealthy": 1 if "minAvailable" in spec and spec["minAvailable"] == 1 else pods}
    budget = thing("PodDisruptionBudget", "web", "shop", api="policy/v1", spec={"selector": {}, **spec}, status=status)
    assert list(judged(tmp_path, ["kubernetes.policy.pdb_allows_eviction"], budget).values()) == [verdict]


def test_a_door_is_judged_by_what_answers_behind_it(tmp_path: Path) -> None:
    def service(name: str, kind: str, port: Document) -> Document:
        return thing("Service", name, "shop", spec={"type": kind, "selector": {"app": name}, "ports": [port]})

    def answering(name: str, image: str, number: int) -> Document:
        listens = [{"name": "main", "image": image, "ports": [{"containerPort": number, "name": "main"}]}]
        return pod(name, metadata={"labels": {"app": name}}, containers=listens)

    objects = [
        service("web", "NodePort", {"port": 22, "targetPort": 8080, "nodePort": 30022}),
        answering("web", "acme/web:1", 8080),
        service("jump", "NodePort", {"port": 80, "targetPort": "main", "nodePort": 30080}),
        answering("jump", "acme/jump:1", 22),
        service("shop", "LoadBalancer", {"port": 3000, "targetPort": 3000}),
        answering("shop", "acme/shop:1", 3000),
        service("charts", "LoadBalancer", {"port": 3000, "targetPort": 3000}),
        answering("charts", "grafana/grafana:12", 3000),
    ]
    found = judged(tmp_path, ["kubernetes.core.service_admin_port_not_public"], *objects)
    assert {name: verdict for (_, name), verdict in found.items()} == {
        "shop/web": "pass",
        "shop/jump": "fail",
        "shop/shop": "pass",
        "shop/charts": "fail",
    }
