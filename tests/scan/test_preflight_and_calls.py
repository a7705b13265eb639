"""What a preflight promises is what a scan meets; the calls that are told are those that came; credentials that end are told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnamm_scan import api
from cnamm_scan.demo.cluster.bed.server import Cluster, ClusterBed, Rights, Trouble
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.evidence.bundle import open_bundle
from tests.clusters import KUBELET, cluster, config_of, crd, dispenser, guarded_bed, pod, probes, rule, scan, shipping, thing
from tests.examples import drawn
from tests.least import TOKEN, told

CALLS = {
    "pod": "v1:pods",
    "namespace": "v1:namespaces",
    "node": "v1:nodes",
    "service": "v1:services",
    "deployment": "apps/v1:deployments",
    "daemon_set": "apps/v1:daemonsets",
    "widget": "example.com/v1:widgets",
    "gadget": "nowhere.example.com/v1:gadgets",
}
"""Tables -> what they list; of the last there is no kind."""
TABLES = probes(CALLS) + KUBELET
TABLES += """
  kubernetes.probe.cluster:
    about: The cluster.
    once_per: target
    list: {read: cluster, needs: get /version}
    key: '{name}'
    columns: {name: {type: text, from: name}}
"""
RULES = [
    *(rule(name, f"kubernetes.probe.{name}", "name <> 'bad'") for name in CALLS),
    rule("kubelet", "kubernetes.probe.kubelet", "port = 0"),
    rule(
        "both",
        "kubernetes.probe.pod",
        "true = ANY (SELECT s.name = this.name FROM kubernetes.probe.service s WHERE s.target = this.target)",
    ),
]
DENIABLE = ("pods", "namespaces", "nodes", "services", "deployments", "daemonsets", "widgets")


@pytest.fixture(scope="module", autouse=True)
def _small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A little content instead of what is shipped."""
    with shipping(tmp_path_factory.mktemp("pack"), {"kubernetes/probe": TABLES}, RULES):
        yield


def small() -> Cluster:
    return cluster(
        crd("widgets", "Widget", "v1"),
        *(pod(f"web-{number}") for number in range(7)),
        pod("db", "bank"),
        thing("Node", "n1"),
        thing("Deployment", "web", "shop", api="apps/v1", spec={"template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}}),
    )


def rights(denied: frozenset[str]) -> Rights:
    """To list everything but these kinds."""
    groups = {
        "pods": "",
        "namespaces": "",
        "nodes": "",
        "services": "",
        "deployments": "apps",
        "daemonsets": "apps",
        "widgets": "example.com",
    }
    return Rights(tuple(("list", group, name, None) for name, group in groups.items() if name not in denied))


def preflight(bed: ClusterBed, folder: Path, *more: str) -> tuple[list[dict[str, Any]], str]:
    arguments = ["plan", "kubernetes", "--kubeconfig", config_of(bed, folder, token=TOKEN), "--preflight", "--format", "json", *more]
    code, out, err = told(*arguments)
    assert code == 0, err
    return json.loads(out), err


@settings(max_examples=drawn(6), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(denied=st.frozensets(st.sampled_from(DENIABLE), max_size=4))
def test_what_a_preflight_says_of_each_kind_is_what_a_scan_meets(tmp_path: Path, denied: frozenset[str]) -> None:
    with guarded_bed(small(), {TOKEN: rights(denied)}) as bed:
        tried, err = preflight(bed, tmp_path)
        asked = len(bed.requests)
        assert {seen.query for seen in bed.requests if "limit" in seen.query} == {"limit=1"}
        with scan(bed, tmp_path, how={"token": TOKEN}) as done:
            refused = {str(each["operation"]).partition(":")[2] for each in tried if str(each["status"]).startswith("denied")}
            met = {line.operation.rpartition(":")[2] for line in done.coverage if "denied" in line.gaps}
            assert refused == met
            promised = {rule for each in tried if str(each["status"]).startswith("denied") for rule in each["rules"]}
            unknown = {result.rule for result in done.results("unknown") if result.reason == "denied"}
            assert unknown <= promised
        grants = {right for each in tried if str(each["status"]).startswith("denied") for right in each["needs"]}
        assert (f"grant: {', '.join(sorted(grants))}" in err) is bool(refused)
        assert all(right.startswith("list ") for right in grants)
        assert asked <= len(tried) + 8, "one small call a kind, besides those at the door"


def test_a_preflight_asks_in_each_namespace_that_is_scanned_by_itself(tmp_path: Path) -> None:
    grants = [("list", "", "pods", "shop"), ("list", "", "namespaces", None), ("list", "", "nodes", None)]
    with guarded_bed(small(), {TOKEN: Rights(tuple(grants))}) as bed:
        tried, err = preflight(bed, tmp_path, "--namespace", "shop", "--namespace", "bank")
    said = {" ".join(each["needs"]): each["status"] for each in tried}
    assert said["list pods in shop"] == "ok"
    assert said["list pods in bank"] == "denied (Forbidden)"
    assert said["list nodes"] == "ok"
    assert "list pods in bank" in err


def test_what_is_not_installed_is_neither_refused_nor_counted(tmp_path: Path) -> None:
    with guarded_bed(small(), {TOKEN: Rights(None)}) as bed:
        tried, err = preflight(bed, tmp_path)
    assert {each["status"] for each in tried} == {"ok", "not installed"}
    assert err.splitlines()[0] == "7 of 7 kinds answer (1 kind is not installed)"


def test_what_was_not_tried_is_not_promised(tmp_path: Path) -> None:
    with guarded_bed(small(), {TOKEN: Rights(None)}) as bed:
        _, err = preflight(bed, tmp_path, "--with-kubelet-config")
    assert "not tried, and not promised" in err
    assert "get nodes/proxy" in err


# ---- how many calls ------------------------------------------------------------------------------------------------------

TROUBLES: Mapping[str, list[Trouble]] = {
    "none": [],
    "retries": [Trouble(503, resource="pods", times=1), Trouble(500, resource="services", times=1)],
    "pages that expire": [Trouble(410, resource="pods", page=2, times=1)],
    "refusals": [Trouble(403, resource="nodes"), Trouble(403, path="^/apis$")],
    "hanging up": [Trouble(hang_up=True, resource="services", times=1)],
    "no version": [Trouble(403, path="^/version$")],
}


@pytest.mark.parametrize("scope", [{}, {"namespaces": ("shop",)}, {"excluded_namespaces": ("bank",)}], ids=str)
@pytest.mark.parametrize("name", TROUBLES)
def test_the_calls_that_are_told_are_those_that_the_server_saw(tmp_path: Path, name: str, scope: dict[str, tuple[str, ...]]) -> None:
    """With what is asked at the door, discovery, each attempt and each page: no more, no less, in the scan, its bundle and its report."""
    made = small()
    made.add(*(pod(f"more-{number}") for number in range(1100)))
    with (
        ClusterBed(made, troubles=[replace(each, fired=0) for each in TROUBLES[name]]) as bed,
        scan(bed, tmp_path, options=scope, output=tmp_path / "out") as done,
    ):
        (target,) = done.report()["scan"]["targets"]
        assert target["calls"] == len(bed.requests)
        assert done.path is not None
        (kept,) = open_bundle(done.path).manifest["scan"]["targets"]
        assert kept["calls"] == len(bed.requests)
        assert len([seen for seen in bed.requests if seen.path.endswith("/pods") and "continue" in seen.query]) >= 2
        assert target["retries"] == (2 if name == "retries" else 1 if name == "hanging up" else 0)


# ---- credentials that end ------------------------------------------------------------------------------------------------


def test_an_account_that_is_deleted_in_mid_scan_ends_it_with_an_error(tmp_path: Path) -> None:
    """The bundle stays, says why, and nobody takes it for a whole one."""
    with guarded_bed(small(), {TOKEN: Rights(None)}) as bed:
        bed.troubles[:] = [Trouble(401, path="^/api/v1/(nodes|services)")]
        arguments = ["--kubeconfig", config_of(bed, tmp_path, token=TOKEN), "--output", str(tmp_path / "out"), "--concurrency", "1"]
        code, out, err = told("scan", "kubernetes", *arguments)
    assert code == 1
    assert "credentials ended during the scan (Unauthorized)" in err
    assert "sign in again" in err
    assert "credentials ended during the scan" in out
    (bundle,) = (tmp_path / "out").glob("*.cnamm")
    assert str(bundle) in err
    with api.load_bundle(bundle) as done:
        assert {line.code for line in done.coverage if "credentials" in line.gaps} <= {"Unauthorized", "NotAsked"}
        assert "credentials" in {result.reason for result in done.results("unknown")}
    assert [seen.status for seen in bed.requests].count(401) == 1, "nothing is asked with credentials known to be dead"


def test_a_plugin_that_has_newer_credentials_saves_the_scan(tmp_path: Path) -> None:
    class Deleted(ClusterBed):
        def _trouble(self, request: object) -> Trouble | None:
            if len(self.requests) == 8:  # the first token is taken no longer, in the midst of it all
                self.tokens = {"second": Rights(None)}
            return super()._trouble(request)  # type: ignore[arg-type]

    plain = guarded_bed(small(), {"first": Rights(None), "second": Rights(None)})
    bed = Deleted(plain.cluster, tokens=plain.tokens, certificate=plain.certificate)
    with bed, scan(bed, tmp_path, how={"exec_command": dispenser(tmp_path, "first", "second")}) as done:
        assert [line.gaps for line in done.coverage if "credentials" in line.gaps] == []
        assert all(later.who == {"authorization": "Bearer second"} for _, later in pairwise(bed.requests[20:]))


# ---- namespaces that are not there ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("scan",), ("plan", "--preflight")], ids=" ".join)
@pytest.mark.parametrize("flag", ["--namespace", "--exclude-namespace"])
def test_a_namespace_that_is_not_there_ends_it_before_it_begins(tmp_path: Path, flag: str, command: tuple[str, ...]) -> None:
    with ClusterBed(small()) as bed:
        more = ["--output", str(tmp_path / "out")] if command == ("scan",) else []
        config = str(bed.kubeconfig(tmp_path))
        code, out, err = told(command[0], "kubernetes", *command[1:], "--kubeconfig", config, flag, "shpo", *more)
        assert (code, out) == (2, "")
        assert "no namespace 'shpo'" in err
        assert "did you mean 'shop'?" in err
        assert flag in err
        assert not list(tmp_path.glob("out/*"))
        assert not [seen for seen in bed.requests if seen.path == "/api/v1/pods"]


def test_a_namespace_that_one_of_two_clusters_has_is_meant(tmp_path: Path) -> None:
    """There are no options for one target alone: the other's scope says that it is not there."""
    with ClusterBed(small()) as first, ClusterBed(cluster(pod("web"))) as second:
        files = [bed.kubeconfig(tmp_path, context=name, name=name) for bed, name in ((first, "one"), (second, "two"))]
        whole = json.loads(files[0].read_text())
        for key in ("clusters", "users", "contexts"):
            whole[key] += json.loads(files[1].read_text())[key]
        (tmp_path / "both").write_text(json.dumps(whole))
        options = api.TargetOptions(kubeconfig=str(tmp_path / "both"), namespaces=("bank",))
        limits = Limits(rate=1000, burst=1000)
        with api.scan(["kubernetes:one", "kubernetes:two"], options=options, limits=limits) as done:
            notes = {target["id"]: target["scope"].get("notes") for target in done.report()["scan"]["targets"]}
    assert notes == {"kubernetes:one": None, "kubernetes:two": ["there is no namespace bank (--namespace)"]}


def test_manifests_without_the_namespace_are_told_too(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(json.dumps(pod("web")))
    code, _, err = told("scan", f"kubernetes:{tmp_path}/web.yaml", "--namespace", "shpo", "--output", str(tmp_path / "out"))
    assert code == 2
    assert "no namespace 'shpo'" in err
    code, out, _ = told("scan", f"kubernetes:{tmp_path}/web.yaml", "--exclude-namespace", "shpo", "--output", str(tmp_path / "out"))
    assert code == 0
    assert "there is no namespace shpo (--exclude-namespace)" in out


# ---- what is no cluster --------------------------------------------------------------------------------------------------


def test_what_is_no_cluster_leaves_nothing_behind(tmp_path: Path) -> None:
    with ClusterBed(small(), troubles=[Trouble(404, body=b"<html>", content_type="text/html")]) as bed:
        config = str(bed.kubeconfig(tmp_path))
        code, out, err = told("scan", "kubernetes", "--kubeconfig", config, "--output", str(tmp_path / "out"))
    assert (code, out) == (1, "")
    assert "no Kubernetes API server" in err
    assert not list(tmp_path.glob("out/*"))
