"""Manifests into the bed: the estate is valid, what is wrong says where, and a cluster adds what clusters add."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cnamm_scan.demo.cluster.bed.contents import Cluster
from cnamm_scan.demo.cluster.bed.manifests import load, manifests
from cnamm_scan.demo.cluster.shop import ESTATE
from cnamm_scan.demo.dated import clock
from cnamm_scan.errors import UsageError

Thing = dict[str, Any]
NOW = datetime(2026, 3, 9, 11, 42, 7, tzinfo=UTC)
DAY = "2026-03-{:02}T11:42:07Z"
FILES = sorted(ESTATE.glob("*.yaml"))


def node(name: str, zone: str) -> Thing:
    labels = {"topology.kubernetes.io/zone": zone, "topology.kubernetes.io/region": "eu"}
    status = {"addresses": [{"type": "InternalIP", "address": f"10.0.{ord(zone) - 97}.9"}], "nodeInfo": {"kubeletVersion": "v1.36.1"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta(name, labels=labels), "status": status}


def meta(name: str, namespace: str = "", **more: Any) -> Thing:
    return {"name": name, "creationTimestamp": "5d ago"} | ({"namespace": namespace} if namespace else {}) | more


def workload(kind: str = "Deployment", annotations: Mapping[str, str] | None = None, **spec: Any) -> Thing:
    own = {"app": "web"}
    template = {"metadata": {"labels": own}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    marks = {"annotations": dict(annotations)} if annotations else {}
    whole = {"selector": {"matchLabels": own}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta("web", "shop", **marks), "spec": whole}


BASE: list[Thing] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": meta("shop")},
    node("one", "a"),
    node("two", "b"),
]


def loaded(folder: Path, *things: Thing) -> Cluster:
    (folder / "some.yaml").write_text(yaml.safe_dump_all([*BASE, *things]))
    return load(folder, NOW)


def listed(cluster: Cluster, resource: str, group: str = "") -> list[Thing]:
    return [json.loads(entry.body) for entry in cluster.snapshot(group, resource).entries]


# ---- the estate ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_file_says_what_it_shows_and_holds_manifests(file: Path, tmp_path: Path) -> None:
    assert file.read_text().startswith("# ")
    (tmp_path / file.name).write_bytes(file.read_bytes())
    found = list(manifests(tmp_path, clock(NOW)))
    assert found
    assert len(file.read_text().splitlines()) <= 450


def test_every_object_of_the_estate_is_in_the_cluster() -> None:
    cluster = load(ESTATE, NOW)
    written = [each.thing for each in manifests(ESTATE, clock(NOW)) if each.what[1] not in ("APIResourceList", "KubeletConfiguration")]
    assert len(written) > 300
    there = set()
    for group, versions in {"": ["v1"], **cluster.groups()}.items():
        for version in versions:
            for row in (cluster.resources(f"{group}/{version}".lstrip("/")) or {}).values():
                if not row.is_sub and "list" in row.verbs:
                    there |= {(group, row.kind, entry.key) for entry in cluster.snapshot(group, row.name).entries}
    for thing in written:
        where = "/".join(filter(None, (thing["metadata"].get("namespace"), thing["metadata"]["name"])))
        assert (thing["apiVersion"].rpartition("/")[0], thing["kind"], where) in there


def test_nothing_that_is_for_the_bed_alone_is_given_out() -> None:
    cluster = load(ESTATE, NOW)
    for group in ("", *cluster.groups()):
        for version in cluster.groups().get(group, ["v1"]):
            for name in cluster.resources(f"{group}/{version}".lstrip("/")) or {}:
                for entry in cluster.snapshot(group, name).entries:
                    assert b"demo/" not in entry.body, entry.key
                    assert b" ago" not in entry.meta, entry.key


# ---- what is wrong ---------------------------------------------------------------------------------------------------------


def without(thing: Thing, *path: str) -> Thing:
    copy: Thing = json.loads(json.dumps(thing))
    inside = copy
    for step in path[:-1]:
        inside = inside[step]
    del inside[path[-1]]
    return copy


CONFIG: Thing = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("c", "shop"), "data": {}}
OWNED = {"ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "gone"}]}
WRONG: list[tuple[Thing, str]] = [
    ({"kind": "ConfigMap"}, "is no manifest"),
    ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}, "got a ConfigMap without a name"),
    (without(CONFIG, "metadata", "creationTimestamp"), "got '', expected an age(.|\n)*ConfigMap c, creationTimestamp"),
    (CONFIG | {"metadata": meta("c", "shop") | {"creationTimestamp": "yesterday"}}, "got 'yesterday', expected an age"),
    (CONFIG | {"metadata": meta("c", "shop") | {"creationTimestamp": "2026-01-01T00:00:00Z"}}, "got the fixed date 2026-01-01"),
    (CONFIG | {"data": {"until": "in 3 weeks"}}, "got 'in 3 weeks', expected an age"),
    (CONFIG | {"metadata": meta("c", "shop", annotations={"demo/writer": "helm"})}, "'demo/writer'(.|\n)*did you mean 'demo/writers'"),
    (CONFIG | {"metadata": meta("c", "shop", annotations={"demo/writers": "helm 3 days ago"})}, "got '3 days ago', expected an age"),
    (CONFIG | {"metadata": meta("c", "shopp")}, "c is in no namespace(.|\n)*did you mean 'shop'"),
    (CONFIG | {"metadata": meta("c", "shop", **OWNED)}, "ConfigMap c has no owner gone"),
    (CONFIG | {"kind": "Widget"}, "expected a kind that is served(.|\n)*document 4"),
    (workload(annotations={"demo/nodes": "one, three"}), "got node 'three', expected one of: one, two"),
    (workload(annotations={"demo/pods": "long"}), "got 'long', expected an age"),
    (without(workload(), "spec", "template"), "got a Deployment web that lacks or mistakes a field: 'template'"),
    (node("one", "b"), "stands there twice: Node one(.|\n)*do: it is in some.yaml, document 2 too"),
]


@pytest.mark.parametrize(("thing", "message"), WRONG, ids=[message[:30] for _, message in WRONG])
def test_what_is_wrong_says_where(tmp_path: Path, thing: Thing, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        loaded(tmp_path, thing)
    assert caught.value.where.startswith("some.yaml, document 4")


def test_a_folder_without_manifests_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no manifest"):
        load(tmp_path, NOW)


# ---- what a cluster adds ---------------------------------------------------------------------------------------------------


def test_pods_run_since_the_last_write_unless_told_and_go_round_the_nodes(tmp_path: Path) -> None:
    cluster = loaded(tmp_path, workload(replicas=3, annotations={"demo/writers": "helm, kubectl-edit 2d ago"}))
    pods = listed(cluster, "pods")
    assert {pod["metadata"]["creationTimestamp"] for pod in pods} == {DAY.format(7)}
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["one", "one", "two"]
    assert {pod["status"]["hostIP"] for pod in pods} == {"10.0.0.9", "10.0.1.9"}
    [made] = listed(cluster, "deployments", "apps")
    managers = [(each["manager"], each["time"], each.get("subresource", "")) for each in made["metadata"]["managedFields"]]
    assert managers[:2] == [("helm", DAY.format(4), ""), ("kubectl-edit", DAY.format(7), "")]
    assert managers[2][::2] == ("kube-controller-manager", "status")
    assert made["status"]["readyReplicas"] == 3
    assert made["metadata"]["annotations"] == {"meta.helm.sh/release-name": "shop"}


def test_pods_are_where_and_since_when_a_manifest_says(tmp_path: Path) -> None:
    pods = listed(loaded(tmp_path, workload(replicas=2, annotations={"demo/pods": "1d ago", "demo/nodes": "two"})), "pods")
    assert [(pod["spec"]["nodeName"], pod["status"]["startTime"]) for pod in pods] == [("two", DAY.format(8))] * 2


def test_a_daemon_set_has_a_pod_on_each_node(tmp_path: Path) -> None:
    pods = listed(loaded(tmp_path, workload("DaemonSet")), "pods")
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["one", "two"]


def test_a_stateful_set_has_its_claims_bound_in_the_zone_of_their_pod(tmp_path: Path) -> None:
    storage = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": meta("fast"), "provisioner": "disks.example.com"}
    claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}
    cluster = loaded(
        tmp_path, storage, workload("StatefulSet", replicas=2, volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": claim}])
    )
    assert [pod["metadata"]["name"] for pod in listed(cluster, "pods")] == ["web-0", "web-1"]
    claims = {each["metadata"]["name"]: each["spec"]["volumeName"] for each in listed(cluster, "persistentvolumeclaims")}
    assert [*claims] == ["data-web-0", "data-web-1"]
    volumes = {each["metadata"]["name"]: each["spec"] for each in listed(cluster, "persistentvolumes")}
    affinity = [volumes[name]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0] for name in claims.values()]
    assert [each["values"] for each in affinity] == [["a"], ["b"]]
    assert {spec["csi"]["driver"] for spec in volumes.values()} == {"disks.example.com"}


def test_an_account_with_a_role_signs_its_pods_in(tmp_path: Path) -> None:
    marks = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/r"}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("web", "shop", annotations=marks)}
    one = workload(replicas=1)
    one["spec"]["template"]["spec"]["serviceAccountName"] = "web"
    cluster = loaded(tmp_path, account, one)
    [pod] = listed(cluster, "pods")
    assert {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::123456789012:role/r"} in pod["spec"]["containers"][0]["env"]
    [made] = listed(cluster, "deployments", "apps")
    assert "env" not in made["spec"]["template"]["spec"]["containers"][0]


def test_argo_lists_what_it_wrote_in_the_application_of_the_namespace_or_in_the_one_that_takes_the_rest(tmp_path: Path) -> None:
    kinds = {
        "apiVersion": "v1",
        "kind": "APIResourceList",
        "groupVersion": "argoproj.io/v1alpha1",
        "resources": [{"name": "applications", "kind": "Application", "namespaced": True}],
    }

    def application(name: str, destination: Thing, **status: Any) -> Thing:
        marks = meta(name, "shop", annotations={"demo/writers": "argocd-server"})
        what = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
        return what | {"metadata": marks, "spec": {"destination": destination}, "status": status}

    drifted = {"group": "", "kind": "ConfigMap", "name": "c", "namespace": "shop", "status": "OutOfSync"}
    by_hand = CONFIG | {"metadata": meta("d", "shop", annotations={"demo/writers": "kubectl-edit"})}
    ours, rest = application("ours", {"namespace": "shop"}, resources=[drifted]), application("rest", {})
    found = {
        each["metadata"]["name"]: each
        for each in listed(loaded(tmp_path, kinds, ours, rest, CONFIG, by_hand), "applications", "argoproj.io")
    }
    assert found["ours"]["status"]["resources"] == [drifted]
    assert [each["name"] for each in found["rest"]["status"]["resources"]] == ["shop", "one", "two"]


CONVERSIONS: list[tuple[Thing, Callable[[Cluster], Any], Any]] = [
    (
        CONFIG | {"kind": "Secret", "metadata": meta("s", "shop"), "stringData": {"a": "b"}},
        lambda cluster: listed(cluster, "secrets")[0]["data"],
        {"a": "Yg=="},
    ),
    (
        CONFIG | {"metadata": meta("nightly-2d-ago", "shop")},
        lambda cluster: listed(cluster, "configmaps")[0]["metadata"]["name"],
        "nightly-20260307114207",
    ),
    (
        {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "metadata": {"name": "one"}, "readOnlyPort": 1},
        lambda cluster: cluster.raw_answer("/api/v1/nodes/one/proxy/configz"),
        (b'{"kubeletconfig":{"readOnlyPort":1}}', "application/json"),
    ),
    (
        {"apiVersion": "v1", "kind": "Service", "metadata": meta("web", "shop"), "spec": {"ports": [{"port": 80}]}},
        lambda cluster: [listed(cluster, "services")[0]["spec"][key] for key in ("type", "ports")],
        ["ClusterIP", [{"port": 80, "protocol": "TCP"}]],
    ),
]


@pytest.mark.parametrize(("thing", "read", "expected"), CONVERSIONS, ids=["secret", "name", "kubelet", "service"])
def test_a_manifest_is_kept_as_a_server_keeps_it(tmp_path: Path, thing: Thing, read: Callable[[Cluster], Any], expected: Any) -> None:
    assert read(loaded(tmp_path, thing)) == expected
