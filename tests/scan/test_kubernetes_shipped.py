"""A scan of a cluster with all that is shipped: the least rights suffice, nothing is asked twice, and no secret is kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan import content as reader
from cnamm_scan.demo.cluster.bed.server import Cluster, ClusterBed, Resource
from cnamm_scan.engine.plan import Selection, make_plan
from cnamm_scan.providers.kubernetes.needs import resource_of
from tests.clusters import asked, cluster, config_of, guarded_bed, pod, thing
from tests.least import TOKEN, compare, files_of, rights_of, told

CANARY = "canary-51c9"


def everything() -> Cluster:
    """A cluster that serves whatever shipped collectors read, and holds marked secrets in many places."""
    content = reader.load()
    plan = make_plan(content, Selection(), ["kubernetes"])
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"p": f"{CANARY}-applied"}})}
    container = {
        "name": "main",
        "image": "registry.example.com/main:1",
        "env": [{"name": "DB_PASSWORD", "value": f"{CANARY}-env"}],
        "args": [f"--password={CANARY}-args"],
        "command": ["run", f"--token={CANARY}-command"],
    }
    more: dict[str, Any] = {"metadata": {"annotations": applied}}
    template = {"metadata": {"labels": {"app": "web"}, "annotations": applied}, "spec": {"containers": [container]}}
    made = cluster(
        pod("web", containers=[container], **more),
        thing("Secret", "s", "shop", data={"p": f"{CANARY}-secret"}, **more),
        thing("ConfigMap", "m", "shop", data={"p": f"{CANARY}-map", "url": f"postgres://u:{CANARY}-dsn@db/"}, **more),
        thing("Service", "web", "shop", spec={"type": "ClusterIP"}, **more),
        thing("Node", "n1", **more),
        thing("ServiceAccount", "default", "shop", **more),
        *(
            thing(kind, "web", "shop", api="apps/v1", spec={"template": template}, **more)
            for kind in ("Deployment", "StatefulSet", "DaemonSet")
        ),
        thing("Job", "web", "shop", api="batch/v1", spec={"template": template}, **more),
        thing("CronJob", "web", "shop", api="batch/v1", spec={"jobTemplate": {"spec": {"template": template}}}, **more),
        thing("Ingress", "web", "shop", api="networking.k8s.io/v1", spec={}, **more),
        thing("NetworkPolicy", "web", "shop", api="networking.k8s.io/v1", spec={"podSelector": {}}, **more),
    )
    for root in plan.sources["kubernetes"]:
        for source in root.walk():
            if source.call.call is None:
                continue
            resource = resource_of(*source.call.of(source.client))
            version = f"{resource.group}/{resource.versions[0]}" if resource.group else resource.versions[0]
            name = "things" if resource.name == "*" else resource.name
            if name not in (made.resources(version) or {}):
                made.serve(version, Resource(name, name.removesuffix("s").title()))
    return made


@dataclass(frozen=True)
class Shipped:
    """A scan with what is shipped and the least rights for it."""

    bed: ClusterBed
    role: Mapping[str, Any]
    bundle: Path
    scan: api.Scan
    out: str


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    folder = tmp_path_factory.mktemp("shipped")
    role = json.loads(told("plan", "kubernetes", "--permissions")[1])
    with guarded_bed(everything(), {TOKEN: rights_of(role)}) as bed:
        config = config_of(bed, folder, token=TOKEN)
        code, out, err = told("scan", "kubernetes", "--kubeconfig", config, "--output", str(folder / "out"), "--api-budget", "1000")
        assert code == 0, err
        (bundle,) = (folder / "out").iterdir()
        with api.load_bundle(bundle) as done:
            yield Shipped(bed, role, bundle, done, out + err)


def test_the_least_rights_suffice_for_all_that_is_shipped(shipped: Shipped) -> None:
    compare(shipped.bed, shipped.role)
    assert [(line.table, line.gaps) for line in shipped.scan.coverage if "denied" in line.gaps] == []
    assert {seen.status for seen in shipped.bed.requests} <= {200, 201}


def test_every_kind_is_listed_once(shipped: Shipped) -> None:
    listed = Counter(seen.path for seen in shipped.bed.requests)
    assert {path: count for path, count in listed.items() if count > 1} == {}
    assert len(asked(shipped.bed)) > 50


def test_nothing_of_what_must_be_asked_for_is_read(shipped: Shipped) -> None:
    assert not [seen.path for seen in shipped.bed.requests if {"secrets", "proxy"} & set(seen.path.split("/"))]
    opt_in = {table.id for table in shipped.scan.content.tables.values() if table.opt_in}
    about = [result for result in shipped.scan.results() if shipped.scan.content.rules[result.rule].for_each in opt_in]
    assert {(result.verdict.value, result.reason) for result in about} <= {("unknown", "excluded")}


def test_no_planted_secret_is_in_the_bundle_or_printed(shipped: Shipped) -> None:
    found = list(files_of(shipped.bundle))
    assert any(b"registry.example.com/main:1" in raw for raw in found)  # what is kept can be seen
    assert [raw[:80] for raw in found if CANARY.encode() in raw] == []
    assert CANARY not in shipped.out
    bundle = str(shipped.bundle)
    for arguments in (
        *(["report", bundle, "--format", kind, "--findings", "10000"] for kind in ("text", "markdown")),
        ["report", bundle, "--format", "json"],
        *(["results", bundle, "--format", kind] for kind in ("jsonl", "csv")),
    ):
        code, out, err = told(*arguments)
        assert code == 0, err
        assert CANARY not in out + err, arguments


# ---- what shipped rules say of what is said to be whole ----------------------------------------------------------------------


@pytest.mark.parametrize(("whole", "verdict"), [(False, "unknown"), (True, "fail")])
def test_a_pod_that_no_policy_selects_is_open_where_nothing_more_can_be(tmp_path: Path, whole: bool, verdict: str) -> None:
    (tmp_path / "web.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\n"
        "spec: {containers: [{name: a, image: 'x:1'}]}\n"
    )
    options = api.TargetOptions(assume_whole=whole)
    with api.scan([f"kubernetes:{tmp_path}"], rules=["kubernetes.networking.pod_has_network_policy"], options=options) as done:
        found = [result.verdict.value for result in done.results() if result.resource == "shop/web"]
    assert found == [verdict]
