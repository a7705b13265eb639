"""The fake API server over a real socket: through the official client, and raw where that hides the bytes."""

from __future__ import annotations

import gzip
import http.client
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kubernetes import client, config, dynamic
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from cnamm_scan.demo.certificate import certificate
from cnamm_scan.demo.cluster.bed.groups import built_in, version_rank
from cnamm_scan.demo.cluster.bed.server import ANONYMOUS, Cluster, ClusterBed, Resource, Rights, Trouble, stale_read
from tests.benchmarks.scale_cluster import scale

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
WIDGETS = Resource("widgets", "Widget", namespaced=True, short_names=("wd",))


class Said(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(bed: ClusterBed, path: str, *, token: str = "", accept: str = "", method: str = "GET", body: object = None, **headers: str) -> Said:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent |= {"Authorization": f"Bearer {token}"} if token else {}
    sent |= {"Accept": accept} if accept else {}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(bed.url + path, data=data, headers=sent, method=method)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
            return Said(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Said(error.code, dict(error.headers), error.read())


def pod(name: str, namespace: str = "shop", *, node: str = "n1", labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace} | ({"labels": dict(labels)} if labels else {}),
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "registry.example.com/main:1"}]},
        "status": {"phase": "Running"},
    }


def shop(pods: int = 7) -> Cluster:
    cluster = Cluster()
    cluster.add(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}, "status": {"phase": "Active"}},
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}},
        *(pod(f"p{number}", labels={"n": str(number), "parity": "even" if number % 2 == 0 else "odd"}) for number in range(pods)),
        pod("other", "bank", node="n2"),
    )
    return cluster


@pytest.fixture
def bed() -> Iterator[ClusterBed]:
    with ClusterBed(shop()) as bed:
        yield bed


def connect(bed: ClusterBed, folder: Path, **how: Any) -> Any:
    """The official client, from a kubeconfig and without its own retries."""
    api = config.new_client_from_config(str(bed.kubeconfig(folder, **how)))
    api.configuration.retries = False
    return client.ApiClient(api.configuration)


def names(answer: Any) -> list[str]:
    return [item["metadata"]["name"] for item in answer["items"]]


# --- discovery -----------------------------------------------------------------------------------


@pytest.mark.parametrize("slash", ["", "/"])
def test_legacy_discovery(bed: ClusterBed, slash: str) -> None:
    core = ask(bed, f"/api{slash}").json
    assert core["kind"] == "APIVersions"
    assert core["versions"] == ["v1"]
    groups = ask(bed, f"/apis{slash}").json
    assert groups["kind"] == "APIGroupList"
    assert [group["name"] for group in groups["groups"]][:3] == ["apiregistration.k8s.io", "apps", "events.k8s.io"]
    assert len(groups["groups"]) == 20
    group = ask(bed, f"/apis/autoscaling{slash}").json
    assert [one["version"] for one in group["versions"]] == ["v2", "v1"]
    assert group["preferredVersion"] == {"groupVersion": "autoscaling/v2", "version": "v2"}
    apps = ask(bed, f"/apis/apps/v1{slash}").json
    assert (apps["kind"], apps["apiVersion"], apps["groupVersion"]) == ("APIResourceList", "v1", "apps/v1")
    scale_row = next(row for row in apps["resources"] if row["name"] == "deployments/scale")
    assert scale_row == {
        "name": "deployments/scale",
        "singularName": "",
        "namespaced": True,
        "group": "autoscaling",
        "version": "v1",
        "kind": "Scale",
        "verbs": ["get", "patch", "update"],
    }
    pods = next(row for row in ask(bed, f"/api/v1{slash}").json["resources"] if row["name"] == "pods")
    assert (pods["singularName"], pods["shortNames"], pods["categories"]) == ("pod", ["po"], ["all"])


def test_aggregated_discovery(bed: ClusterBed) -> None:
    said = ask(bed, "/apis", accept=AGGREGATED)
    assert said.headers["Content-Type"] == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    assert said.json["kind"] == "APIGroupDiscoveryList"
    assert said.json["apiVersion"] == "apidiscovery.k8s.io/v2"
    apps = next(item for item in said.json["items"] if item["metadata"]["name"] == "apps")
    [version] = apps["versions"]
    assert (version["version"], version["freshness"]) == ("v1", "Current")
    deployments = next(row for row in version["resources"] if row["resource"] == "deployments")
    assert deployments["responseKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert deployments["scope"] == "Namespaced"
    assert [sub["subresource"] for sub in deployments["subresources"]] == ["scale", "status"]
    core = ask(bed, "/api/", accept=AGGREGATED).json
    assert "pods" in [row["resource"] for row in core["items"][0]["versions"][0]["resources"]]
    unchanged = ask(bed, "/apis", accept=AGGREGATED, If_None_Match=said.headers["Etag"])
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert ask(bed, "/apis", accept=AGGREGATED.replace("v=v2;", "v=v2beta1;")).json["apiVersion"] == "apidiscovery.k8s.io/v2beta1"


def test_a_server_without_aggregated_discovery_answers_the_legacy_document() -> None:
    with ClusterBed(shop(), aggregated_discovery=False) as bed:
        said = ask(bed, "/apis", accept=AGGREGATED)
        assert (said.headers["Content-Type"], said.json["kind"]) == ("application/json", "APIGroupList")
        assert ask(bed, "/apis", accept=AGGREGATED.partition(",")[0]).status == 406


def test_discovery_through_the_client(bed: ClusterBed, tmp_path: Path) -> None:
    api = connect(bed, tmp_path)
    assert client.CoreApi(api).get_api_versions().versions == ["v1"]
    assert "apps" in [group.name for group in client.ApisApi(api).get_api_versions().groups]
    assert "Deployment" in [row.kind for row in client.AppsV1Api(api).get_api_resources().resources]


def test_the_dynamic_client_finds_its_way(bed: ClusterBed, tmp_path: Path) -> None:
    bed.cluster.serve("example.com/v1", WIDGETS)
    bed.cluster.add({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "shop"}})
    api = dynamic.DynamicClient(connect(bed, tmp_path), cache_file=str(tmp_path / "discovery.json"))
    assert len(api.resources.get(api_version="v1", kind="Pod").get(namespace="shop").items) == 7
    [widget] = api.resources.get(api_version="example.com/v1", kind="Widget").get().items
    assert widget.metadata.name == "w"
    custom = client.CustomObjectsApi(connect(bed, tmp_path)).list_cluster_custom_object("example.com", "v1", "widgets")
    assert names(custom) == ["w"]


def test_every_built_in_resource_can_be_listed_by_its_document(bed: ClusterBed) -> None:
    for group_version in built_in():
        path = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
        rows = ask(bed, path).json["resources"]
        listable = [row for row in rows if "list" in row["verbs"]]
        answers = [ask(bed, f"{path}/{row['name']}") for row in listable]
        assert [answer.json["kind"] for answer in answers] == [row["kind"] + "List" for row in listable]


def test_version_ranks_as_kubernetes_does() -> None:
    assert sorted(["foo10", "v1alpha2", "v1", "v2beta1", "v10", "v1beta2", "v2"], key=version_rank) == [
        "v10", "v2", "v1", "v2beta1", "v1beta2", "v1alpha2", "foo10",
    ]  # fmt: skip


def test_version_and_health(bed: ClusterBed, tmp_path: Path) -> None:
    version = client.VersionApi(connect(bed, tmp_path)).get_code()
    assert (version.major, version.minor, version.emulation_minor, version.min_compatibility_minor) == ("1", "36", "36", "35")
    assert set(ask(bed, "/version").json) == {
        "major", "minor", "emulationMajor", "emulationMinor", "minCompatibilityMajor", "minCompatibilityMinor", "gitVersion",
        "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform",
    }  # fmt: skip
    for path in ("/healthz", "/readyz", "/livez"):
        assert ask(bed, path)[::2] == (200, b"ok")
    assert ask(bed, "/readyz?verbose").body.endswith(b"readyz check passed\n")


# --- lists ---------------------------------------------------------------------------------------


def test_lists_through_the_client(bed: ClusterBed, tmp_path: Path) -> None:
    core = client.CoreV1Api(connect(bed, tmp_path))
    everywhere = core.list_pod_for_all_namespaces()
    assert [item.metadata.name for item in everywhere.items] == ["other", *(f"p{number}" for number in range(7))]
    assert everywhere.metadata.resource_version == str(bed.cluster.version)
    assert len(core.list_namespaced_pod("shop").items) == 7
    assert core.list_namespaced_pod("nowhere").items == []
    one = core.read_namespaced_pod("p3", "shop")
    assert (one.kind, one.api_version, one.metadata.labels["n"]) == ("Pod", "v1", "3")
    assert one.metadata.uid
    assert one.metadata.creation_timestamp
    assert core.read_namespace("shop").metadata.name == "shop"
    assert [seen[:3] for seen in bed.requests[:2]] == [("GET", "/api/v1/pods", ""), ("GET", "/api/v1/namespaces/shop/pods", "")]
    assert bed.requests[0].status == 200
    assert "python" in bed.requests[0].agent


def test_items_of_built_in_lists_have_no_kind_and_those_of_custom_resources_have() -> None:
    cluster = shop()
    cluster.serve("example.com/v1", WIDGETS)
    cluster.add({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "shop"}, "spec": {"size": 1}})
    with ClusterBed(cluster) as bed:
        pods = ask(bed, "/api/v1/pods").json
        assert (pods["kind"], pods["apiVersion"]) == ("PodList", "v1")
        assert set(pods["items"][0]) == {"metadata", "spec", "status"}
        widgets = ask(bed, "/apis/example.com/v1/widgets").json
        assert widgets["kind"] == "WidgetList"
        [widget] = widgets["items"]
        assert (widget["apiVersion"], widget["kind"], widget["spec"]) == ("example.com/v1", "Widget", {"size": 1})
        assert ask(bed, "/apis/example.com/v1/namespaces/shop/widgets/w").json == widget
        assert "example.com" in [group["name"] for group in ask(bed, "/apis").json["groups"]]
        cluster.remove_group("example.com")
        assert ask(bed, "/apis/example.com/v1/widgets").status == 404


def test_items_are_in_the_order_of_their_keys() -> None:
    cluster = Cluster()
    cluster.add(pod("z", "a"), pod("a", "a-b"), pod("b", "a"), pod("c", "b"))
    with ClusterBed(cluster) as bed:
        items = ask(bed, "/api/v1/pods").json["items"]
        # "-" sorts before "/"
        assert [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items] == [
            ("a-b", "a"), ("a", "b"), ("a", "z"), ("b", "c"),
        ]  # fmt: skip
        assert names(ask(bed, "/api/v1/namespaces/a/pods").json) == ["b", "z"]


def test_pages(bed: ClusterBed, tmp_path: Path) -> None:
    core = client.CoreV1Api(connect(bed, tmp_path))
    seen, token, counts, versions = [], "", [], set()
    while True:
        page = core.list_namespaced_pod("shop", limit=3, _continue=token) if token else core.list_namespaced_pod("shop", limit=3)
        seen += [item.metadata.name for item in page.items]
        counts.append((len(page.items), page.metadata.remaining_item_count))
        versions.add(page.metadata.resource_version)
        token = page.metadata._continue or ""
        if not token:
            break
        bed.cluster.add(pod(f"p0-late-{len(counts)}"), pod("p9"))  # of a newer state: not for these pages
    assert seen == [f"p{number}" for number in range(7)]
    assert counts == [(3, 4), (3, 1), (1, None)]
    assert len(versions) == 1


def test_an_expired_token_gives_one_that_carries_on(bed: ClusterBed) -> None:
    first = ask(bed, "/api/v1/namespaces/shop/pods?limit=3").json
    bed.compact()
    bed.cluster.add(pod("p0-missed"), pod("p8"))
    bed.cluster.remove("", "pods", "p4", "shop")
    expired = ask(bed, f"/api/v1/namespaces/shop/pods?limit=3&continue={first['metadata']['continue']}")
    assert expired.status == 410
    status = expired.json
    assert (status["kind"], status["reason"], status["code"]) == ("Status", "Expired", 410)
    assert status["message"].startswith("The provided continue parameter is too old to display a consistent list result.")
    rest = ask(bed, f"/api/v1/namespaces/shop/pods?limit=3&continue={status['metadata']['continue']}").json
    assert names(rest) == ["p3", "p5", "p6"]
    assert rest["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    assert names(ask(bed, f"/api/v1/namespaces/shop/pods?continue={rest['metadata']['continue']}").json) == ["p8"]


def test_tokens_expire_with_time() -> None:
    with ClusterBed(shop(), page_snapshot_seconds=0) as bed:
        seen, path, gone = [], "/api/v1/pods?limit=3", 0
        while True:
            said = ask(bed, path)
            gone += said.status == 410
            seen += names(said.json) if said.status == 200 else []
            token = said.json["metadata"].get("continue")
            if not token:
                break
            path = f"/api/v1/pods?limit=3&continue={token}"
        assert (len(seen), gone) == (8, 2)


def test_tokens_and_versions_that_cannot_be_served(bed: ClusterBed) -> None:
    bad = ask(bed, "/api/v1/pods?continue=nonsense")
    assert (bad.status, bad.json["reason"]) == (400, "BadRequest")
    assert "continue key is not valid" in bad.json["message"]
    token = ask(bed, "/api/v1/pods?limit=1").json["metadata"]["continue"]
    assert ask(bed, f"/api/v1/pods?continue={token}&resourceVersion=7").status == 400
    assert ask(bed, "/api/v1/pods?limit=x").status == 400
    assert ask(bed, "/api/v1/pods?resourceVersion=x").status == 400
    assert ask(bed, "/api/v1/pods?resourceVersionMatch=Exact").status == 422
    old = ask(bed, "/api/v1/pods?resourceVersion=2&resourceVersionMatch=Exact")
    assert (old.status, old.json["reason"], old.json["metadata"]) == (410, "Expired", {})
    ahead = ask(bed, "/api/v1/pods?resourceVersion=999999")
    assert (ahead.status, ahead.json["reason"], ahead.headers["Retry-After"]) == (504, "Timeout", "1")
    assert ahead.json["message"] == f"Timeout: Too large resource version: 999999, current: {bed.cluster.version}"
    assert ahead.json["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    whole = ask(bed, "/api/v1/pods?resourceVersion=0&limit=2").json  # from the watch cache: the limit is ignored
    assert len(whole["items"]) == 8
    assert "continue" not in whole["metadata"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("labelSelector=parity%3Deven", ["p0", "p2", "p4", "p6"]),
        ("labelSelector=parity%3D%3Dodd,n!%3D3", ["p1", "p5"]),
        ("labelSelector=n+in+(1,2)", ["p1", "p2"]),
        ("labelSelector=parity,n+notin+(0,1,2,3,4)", ["p5", "p6"]),
        ("labelSelector=!parity", ["other"]),
        ("fieldSelector=metadata.name%3Dp3", ["p3"]),
        ("fieldSelector=metadata.namespace!%3Dshop", ["other"]),
        ("fieldSelector=spec.nodeName%3Dn2,status.phase%3D%3DRunning", ["other"]),
        ("fieldSelector=status.phase%3DPending", []),
        ("fieldSelector=spec.hostNetwork%3Dfalse&labelSelector=n%3D1", ["p1"]),
    ],
)
def test_selectors(bed: ClusterBed, selector: str, expected: list[str]) -> None:
    answer = ask(bed, f"/api/v1/pods?{selector}")
    assert names(answer.json) == expected


def test_selectors_that_the_server_refuses(bed: ClusterBed) -> None:
    pods = ask(bed, "/api/v1/pods?fieldSelector=spec.foo%3Dbar")
    assert (pods.status, pods.json["reason"], pods.json["message"]) == (400, "BadRequest", "field label not supported: spec.foo")
    roles = ask(bed, "/apis/rbac.authorization.k8s.io/v1/roles?fieldSelector=type%3Dx")
    assert roles.json["message"] == '"type" is not a known field selector: only "metadata.name", "metadata.namespace"'
    assert ask(bed, "/api/v1/pods?fieldSelector=nonsense").status == 400
    assert ask(bed, "/api/v1/pods?labelSelector=a+b").status == 400


def test_pages_with_a_selector_do_not_count_what_remains_and_the_last_may_be_empty(bed: ClusterBed) -> None:
    first = ask(bed, "/api/v1/namespaces/shop/pods?limit=3&labelSelector=parity%3Dodd").json
    assert names(first) == ["p1", "p3", "p5"]
    assert "remainingItemCount" not in first["metadata"]
    last = ask(bed, f"/api/v1/namespaces/shop/pods?labelSelector=parity%3Dodd&continue={first['metadata']['continue']}").json
    assert last["items"] == []
    assert "continue" not in last["metadata"]


def test_metadata_only(bed: ClusterBed) -> None:
    said = ask(bed, "/api/v1/pods?limit=2", accept=PARTIAL_LIST).json
    assert (said["kind"], said["apiVersion"]) == ("PartialObjectMetadataList", "meta.k8s.io/v1")
    assert said["metadata"]["remainingItemCount"] == 6
    assert [set(item) for item in said["items"]] == [{"kind", "apiVersion", "metadata"}] * 2
    one = ask(bed, "/api/v1/namespaces/shop/pods/p1", accept=PARTIAL).json
    assert (one["kind"], one["metadata"]["labels"]["n"]) == ("PartialObjectMetadata", "1")


@pytest.mark.parametrize("accept", ["text/html", "application/json;as=Table;g=meta.k8s.io;v=v1", "application/vnd.kubernetes.protobuf"])
def test_what_it_cannot_give_is_not_acceptable(bed: ClusterBed, accept: str) -> None:
    said = ask(bed, "/api/v1/pods", accept=accept)
    assert (said.status, said.json["reason"]) == (406, "NotAcceptable")
    assert ask(bed, "/api/v1/pods", accept=f"{accept}, application/json").status == 200


def test_odd_objects_go_out_as_they_came_in() -> None:
    cluster = Cluster()
    odd = pod("odd") | {"spec": {"containers": None, "ünknown": "…"}}
    odd["metadata"]["labels"] = {"count": 3}
    cluster.add(odd)
    with ClusterBed(cluster) as bed:
        [item] = ask(bed, "/api/v1/pods").json["items"]
        assert item["spec"] == odd["spec"]
        assert item["metadata"]["labels"] == {"count": 3}


def test_a_large_body_is_compressed_for_those_who_ask() -> None:
    cluster = shop(0)
    cluster.add({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "big"}, "data": {"text": "x" * 131_072}})
    with ClusterBed(cluster) as bed:
        big = ask(bed, "/api/v1/configmaps", Accept_Encoding="gzip")
        assert (big.headers["Content-Encoding"], big.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert len(json.loads(gzip.decompress(big.body))["items"]) == 1
        plain = ask(bed, "/api/v1/configmaps")
        assert plain.headers["Transfer-Encoding"] == "chunked"
        assert "Content-Encoding" not in plain.headers
        assert len(plain.json["items"]) == 1
        assert "Content-Encoding" not in ask(bed, "/api/v1/nodes", Accept_Encoding="gzip").headers


# --- what is not there ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/nowhere", "/apis/example.com", "/apis/example.com/v1", "/apis/example.com/v1/widgets", "/openapi/v3"])
def test_a_path_that_nobody_serves(bed: ClusterBed, path: str) -> None:
    said = ask(bed, path)
    assert said.status == 404
    assert said.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert said.body == b"404 page not found\n"


@pytest.mark.parametrize(
    "path", ["/api/v2", "/api/v1/foos", "/api/v1/pods/p1", "/api/v1/namespaces/shop/nodes", "/apis/apps/v1beta1/deployments"]
)
def test_a_resource_that_a_built_in_group_lacks(bed: ClusterBed, path: str) -> None:
    said = ask(bed, path)
    assert said.status == 404
    assert (said.json["reason"], said.json["details"]) == ("NotFound", {})
    assert said.json["message"] == "the server could not find the requested resource"


def test_an_object_that_is_not_there(bed: ClusterBed, tmp_path: Path) -> None:
    with pytest.raises(ApiException) as caught:
        client.AppsV1Api(connect(bed, tmp_path)).read_namespaced_deployment("gone", "shop")
    assert json.loads(caught.value.body) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'deployments.apps "gone" not found',
        "reason": "NotFound",
        "details": {"name": "gone", "group": "apps", "kind": "deployments"},
        "code": 404,
    }


def test_the_root_lists_paths(bed: ClusterBed) -> None:
    assert {"/api/v1", "/apis/apps/v1", "/healthz", "/version"} <= set(ask(bed, "/").json["paths"])


def test_subresources(bed: ClusterBed, tmp_path: Path) -> None:
    bed.cluster.raw("/api/v1/nodes/n1/proxy/configz", {"kubeletconfig": {"readOnlyPort": 0}})
    bed.cluster.raw("/api/v1/namespaces/shop/pods/p1/log", "hello\n", "text/plain")
    assert ask(bed, "/api/v1/nodes/n1/proxy/configz").json == {"kubeletconfig": {"readOnlyPort": 0}}
    assert client.CoreV1Api(connect(bed, tmp_path)).read_namespaced_pod_log("p1", "shop") == "hello\n"
    assert ask(bed, "/api/v1/nodes/n9/proxy/configz").json["message"] == 'nodes "n9" not found'
    assert ask(bed, "/api/v1/nodes/n1/proxy/metrics").body == b"404 page not found\n"
    assert ask(bed, "/api/v1/namespaces/shop/pods/p1/status").json["status"] == {"phase": "Running"}
    assert ask(bed, "/api/v1/namespaces/shop/pods/p1/eviction").status == 405


def test_an_aggregated_api_whose_backend_is_down(bed: ClusterBed) -> None:
    bed.cluster.add(
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {"group": "metrics.k8s.io", "version": "v1beta1", "service": {"name": "metrics", "namespace": "kube-system"}},
            "status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]},
        }
    )
    assert ask(bed, "/apis/metrics.k8s.io").json["versions"] == [{"groupVersion": "metrics.k8s.io/v1beta1", "version": "v1beta1"}]
    for path in ("/apis/metrics.k8s.io/v1beta1", "/apis/metrics.k8s.io/v1beta1/nodes"):
        assert ask(bed, path)[::2] == (503, b"service unavailable\n")
    found = {item["metadata"]["name"]: item for item in ask(bed, "/apis", accept=AGGREGATED).json["items"]}
    assert found["metrics.k8s.io"]["versions"] == [{"version": "v1beta1", "freshness": "Stale"}]
    nodes = Resource("nodes", "NodeMetrics", namespaced=False, verbs=("get", "list"))
    bed.cluster.serve("metrics.k8s.io/v1beta1", nodes, custom=False)
    bed.cluster.add({"apiVersion": "metrics.k8s.io/v1beta1", "kind": "NodeMetrics", "metadata": {"name": "n1"}, "usage": {"cpu": "1"}})
    [item] = ask(bed, "/apis/metrics.k8s.io/v1beta1/nodes").json["items"]
    assert set(item) == {"metadata", "usage"}


def test_a_definition_serves_what_it_defines() -> None:
    cluster = Cluster()
    versions = [
        {"name": "v1beta1", "served": True, "storage": False},
        {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}, "scale": {}}},
        {"name": "v1alpha1", "served": False, "storage": False},
    ]
    spec = {
        "group": "example.com",
        "scope": "Cluster",
        "names": {"plural": "widgets", "kind": "Widget", "singular": "widget", "shortNames": ["wd"]},
        "versions": versions,
    }
    meta = {"name": "widgets.example.com"}
    cluster.add({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec})
    cluster.add({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}})
    with ClusterBed(cluster) as bed:
        group = ask(bed, "/apis/example.com").json
        assert [one["version"] for one in group["versions"]] == ["v1", "v1beta1"]
        rows = ask(bed, "/apis/example.com/v1").json["resources"]
        assert [row["name"] for row in rows] == ["widgets", "widgets/status", "widgets/scale"]
        for version in ("v1", "v1beta1"):
            [item] = ask(bed, f"/apis/example.com/{version}/widgets").json["items"]
            assert item["apiVersion"] == f"example.com/{version}"
    with pytest.raises(ValueError, match=r"serve it first"):
        cluster.add({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}})


# --- who may what --------------------------------------------------------------------------------

TOKENS = {
    "all": Rights(),
    "shop": Rights((("list", "", "pods", "shop"), ("get", "", "namespaces", "shop"), ("get", "", "nodes/proxy", None)), user="jane"),
    "reader": Rights((("get", "*", "*", None), ("list", "*", "*", None)), paths=("/metrics",)),
}


@pytest.fixture
def guarded() -> Iterator[ClusterBed]:
    cluster = shop()
    cluster.raw("/metrics", "up 1\n", "text/plain")
    cluster.raw("/api/v1/nodes/n1/proxy/configz", {})
    with ClusterBed(cluster, tokens=TOKENS) as bed:
        yield bed


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_a_token_that_it_knows(guarded: ClusterBed, token: str) -> None:
    said = ask(guarded, "/api/v1/pods", token=token)
    assert said.status == 401
    assert said.json == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "Unauthorized",
        "reason": "Unauthorized",
        "code": 401,
    }
    assert guarded.requests[-1].status == 401


def test_anonymous_requests_where_they_are_allowed() -> None:
    with ClusterBed(shop(), tokens={"": ANONYMOUS}) as bed:
        assert ask(bed, "/version").status == 200
        said = ask(bed, "/api")
        assert (said.status, said.json["message"]) == (403, 'forbidden: User "system:anonymous" cannot get path "/api"')
        assert ask(bed, "/version", token="wrong").status == 401


def test_forbidden(guarded: ClusterBed, tmp_path: Path) -> None:
    core = client.CoreV1Api(connect(guarded, tmp_path, token="shop"))
    assert len(core.list_namespaced_pod("shop").items) == 7
    with pytest.raises(ApiException) as caught:
        core.list_pod_for_all_namespaces()
    status = json.loads(caught.value.body)
    assert status["message"] == 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" at the cluster scope'
    assert (status["reason"], status["details"], status["code"]) == ("Forbidden", {"kind": "pods"}, 403)
    one = ask(guarded, "/apis/apps/v1/namespaces/shop/deployments/web", token="shop").json
    assert one["message"] == (
        'deployments.apps "web" is forbidden: User "jane" cannot get resource "deployments" in API group "apps" in the namespace "shop"'
    )
    assert one["details"] == {"name": "web", "group": "apps", "kind": "deployments"}
    assert ask(guarded, "/api/v1/namespaces/shop/pods/p1", token="shop").status == 403  # list is not get
    assert ask(guarded, "/api/v1/namespaces/shop", token="shop").status == 200
    assert ask(guarded, "/api/v1/namespaces/bank", token="shop").status == 403
    assert ask(guarded, "/api/v1/nodes/n1/proxy/configz", token="shop").status == 200
    assert ask(guarded, "/api/v1/nodes/n1", token="shop").status == 403
    assert ask(guarded, "/api/v1/foos", token="shop").status == 403  # before it is found missing
    assert ask(guarded, "/apis/apps/v1", token="shop").status == 200
    assert ask(guarded, "/metrics", token="shop").json["message"] == 'forbidden: User "jane" cannot get path "/metrics"'
    assert ask(guarded, "/metrics", token="reader").body == b"up 1\n"
    assert ask(guarded, "/api/v1/pods?watch=1", token="reader").status == 403
    assert ask(guarded, "/api/v1/pods?watch=1", token="all").status == 405


def test_reviews_of_oneself(guarded: ClusterBed, tmp_path: Path) -> None:
    api = connect(guarded, tmp_path, token="shop")
    assert client.AuthenticationV1Api(api).create_self_subject_review({}).status.user_info.username == "jane"
    reviews = client.AuthorizationV1Api(api)

    def may(**what: str) -> bool:
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": what}}
        allowed: bool = reviews.create_self_subject_access_review(body).status.allowed
        return allowed

    assert may(verb="list", resource="pods", namespace="shop")
    assert not may(verb="list", resource="pods")
    assert not may(verb="list", resource="pods", namespace="bank")
    assert may(verb="get", resource="nodes", subresource="proxy")
    assert not may(verb="*", resource="pods", namespace="shop")
    paths = {"nonResourceAttributes": {"verb": "get", "path": "/version"}}
    assert reviews.create_self_subject_access_review({"spec": paths}).status.allowed
    rules = reviews.create_self_subject_rules_review({"spec": {"namespace": "shop"}}).status
    assert not rules.incomplete
    assert (["list"], ["pods"]) in [(rule.verbs, rule.resources) for rule in rules.resource_rules]
    assert ["pods"] not in [
        rule.resources for rule in reviews.create_self_subject_rules_review({"spec": {"namespace": "bank"}}).status.resource_rules
    ]
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    assert ask(guarded, path, token="shop", method="POST", body={"spec": {}}).json["message"] == "no namespace on request"
    assert ask(guarded, path, token="shop").status == 403
    both = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert ask(guarded, both, token="shop", method="POST", body={"spec": {}}).status == 422
    assert guarded.writes == []


def test_reviews_can_be_refused() -> None:
    with ClusterBed(shop(), tokens={"t": Rights((), basic=False)}) as bed:
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        assert ask(bed, path, token="t", method="POST", body={}).status == 403
        assert ask(bed, "/api", token="t").status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writes_are_refused_and_counted(bed: ClusterBed, method: str) -> None:
    path = "/api/v1/namespaces/shop/pods" + ("" if method == "POST" else "/p1")
    said = ask(bed, path, method=method, body={})
    assert (said.status, said.json["reason"]) == (405, "MethodNotAllowed")
    assert bed.writes == [(method, path)]
    assert len(ask(bed, "/api/v1/pods").json["items"]) == 8


# --- troubles ------------------------------------------------------------------------------------


def test_too_many_requests(bed: ClusterBed) -> None:
    bed.troubles += [Trouble(status=429, retry_after=7, times=1, resource="pods")]
    said = ask(bed, "/api/v1/pods")
    assert (said.status, said.headers["Retry-After"]) == (429, "7")
    assert said.body == b"Too many requests, please try again later.\n"
    assert ask(bed, "/api/v1/pods").status == 200
    bed.troubles = [Trouble(status=429, reason="TooManyRequests", retry_after=3)]
    status = ask(bed, "/api/v1/pods")
    assert (status.json["reason"], status.json["details"], status.headers["Retry-After"]) == (
        "TooManyRequests", {"retryAfterSeconds": 3}, "3",
    )  # fmt: skip


def test_a_trouble_on_a_later_page(bed: ClusterBed) -> None:
    bed.troubles = [Trouble(status=410, resource="pods", page=2, times=1), Trouble(status=500, page=3)]
    first = ask(bed, "/api/v1/pods?limit=3").json["metadata"]["continue"]
    expired = ask(bed, f"/api/v1/pods?limit=3&continue={first}")
    assert (expired.status, expired.json["reason"]) == (410, "Expired")
    second = ask(bed, f"/api/v1/pods?limit=3&continue={expired.json['metadata']['continue']}").json
    assert names(second) == ["p2", "p3", "p4"]
    third = ask(bed, f"/api/v1/pods?limit=3&continue={second['metadata']['continue']}")
    assert (third.status, third.json["reason"]) == (500, "InternalError")


def test_statuses_read_like_the_servers_own() -> None:
    troubles = [
        Trouble(status=403, resource="secrets"),
        Trouble(status=401, resource="nodes"),
        Trouble(status=503, resource="deployments.apps"),
        Trouble(status=418, message="short and stout", path="^/version$", method="GET"),
        stale_read(resource="services"),
    ]
    with ClusterBed(shop(), tokens=TOKENS, troubles=troubles) as bed:
        secrets = ask(bed, "/api/v1/secrets", token="all").json
        assert secrets["message"].endswith('cannot list resource "secrets" in API group "" at the cluster scope')
        assert ask(bed, "/api/v1/nodes", token="all").json["message"] == "Unauthorized"
        assert ask(bed, "/apis/apps/v1/deployments", token="all").json["reason"] == "ServiceUnavailable"
        assert ask(bed, "/version", token="all").json["message"] == "short and stout"
        stale = ask(bed, "/api/v1/services", token="all")
        assert (stale.status, stale.json["details"]["causes"][0]["reason"]) == (504, "ResourceVersionTooLarge")


def test_broken_answers(bed: ClusterBed, tmp_path: Path) -> None:
    core = client.CoreV1Api(connect(bed, tmp_path))
    bed.troubles = [Trouble(hang_up=True, times=1)]
    with pytest.raises(HTTPError):
        core.list_pod_for_all_namespaces()
    assert bed.requests[-1].status == 0
    bed.troubles = [Trouble(cut=True)]
    for path in ("/api/v1/pods", "/version"):  # in chunks, and not
        with pytest.raises(http.client.IncompleteRead):
            ask(bed, path)
    bed.troubles = [Trouble(body=b"<html>sign in</html>", content_type="text/html")]
    said = ask(bed, "/api/v1/pods")
    assert (said.status, said.headers["Content-Type"], said.body) == (200, "text/html", b"<html>sign in</html>")


def test_a_slow_answer_comes_late_and_does_not_hold_up_the_end() -> None:
    with ClusterBed(shop(), troubles=[Trouble(delay=0.05, path="/version"), Trouble(delay=60)]) as bed:
        started = time.monotonic()
        assert ask(bed, "/version").status == 200
        assert time.monotonic() - started >= 0.05
        with pytest.raises(HTTPError, match="timed out"):
            core = client.CoreV1Api(client.ApiClient(client.Configuration(host=bed.url, retries=False)))
            core.list_node(_request_timeout=0.05)
        started = time.monotonic()
    assert time.monotonic() - started < 1


def test_many_at_once(bed: ClusterBed) -> None:
    workers = [threading.Thread(target=ask, args=(bed, "/api/v1/pods?limit=2")) for _ in range(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [seen.status for seen in bed.requests] == [200] * 20


def test_one_connection_serves_many_requests(bed: ClusterBed) -> None:
    connection = http.client.HTTPConnection(bed.url.partition("//")[2], timeout=5)
    connection.connect()
    port = connection.sock.getsockname()[1]
    for method, body in (("GET", None), ("POST", "{}"), ("GET", None)):
        connection.request(method, "/api/v1/namespaces/shop/pods", body=body)
        assert connection.getresponse().read()
        assert connection.sock.getsockname()[1] == port
    connection.close()


# --- TLS and kubeconfig --------------------------------------------------------------------------


def test_tls(tmp_path: Path) -> None:
    pair = certificate(tmp_path, "kube-apiserver")
    with ClusterBed(shop(), tokens=TOKENS, certificate=pair) as bed:
        assert bed.url.startswith("https://127.0.0.1:")
        core = client.CoreV1Api(connect(bed, tmp_path, token="all", ca=pair.certificate))
        assert len(core.list_pod_for_all_namespaces().items) == 8
        careless = client.CoreV1Api(connect(bed, tmp_path, token="all", insecure=True))
        with pytest.warns(InsecureRequestWarning):
            assert len(careless.list_node().items) == 1
        strict = client.CoreV1Api(connect(bed, tmp_path, token="all"))
        with pytest.raises(ApiException, match=r"CERTIFICATE_VERIFY_FAILED"):
            strict.list_node()


def test_kubeconfig(bed: ClusterBed, tmp_path: Path) -> None:
    path = bed.kubeconfig(tmp_path, context="prod", token="t", namespace="shop", name="kube.yaml")
    assert path == tmp_path / "kube.yaml"
    assert path.stat().st_mode & 0o777 == 0o600
    contexts, active = config.list_kube_config_contexts(str(path))
    assert len(contexts) == 1
    assert (active["name"], active["context"]["namespace"]) == ("prod", "shop")


def test_a_credential_plugin(guarded: ClusterBed, tmp_path: Path) -> None:
    said = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "all"}}
    plugin = [sys.executable, "-S", "-c", f"print({json.dumps(said)!r})"]
    core = client.CoreV1Api(connect(guarded, tmp_path, exec_command=plugin))
    assert len(core.list_pod_for_all_namespaces().items) == 8


# --- scale ---------------------------------------------------------------------------------------


def test_a_large_cluster() -> None:
    cluster = scale(pods=600, deployments=45)
    pods = [json.loads(entry.body) for entry in cluster.snapshot("", "pods").entries]
    assert len(pods) == 600
    sizes = [len(entry.body) for entry in cluster.snapshot("", "pods").entries]
    assert 3000 <= sum(sizes) / len(sizes) <= 5000
    assert 1.3 <= sum(len(one["spec"]["containers"]) for one in pods) / 600 <= 1.5
    deployments = [json.loads(entry.body) for entry in cluster.snapshot("apps", "deployments").entries]
    assert len(deployments) == 45
    assert sum(one["spec"]["replicas"] for one in deployments) == 600
    sets = {json.loads(entry.body)["metadata"]["uid"] for entry in cluster.snapshot("apps", "replicasets").entries}
    assert {one["metadata"]["ownerReferences"][0]["uid"] for one in pods} == sets
    accounts = set(cluster.snapshot("", "serviceaccounts").keys)
    assert {f"{one['metadata']['namespace']}/{one['spec']['serviceAccountName']}" for one in pods} <= accounts
    nodes = set(cluster.snapshot("", "nodes").keys)
    assert {one["spec"]["nodeName"] for one in pods} <= nodes
    for group, resource in (
        ("", "services"),
        ("policy", "poddisruptionbudgets"),
        ("networking.k8s.io", "networkpolicies"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"),
        ("rbac.authorization.k8s.io", "rolebindings"),
    ):
        assert cluster.snapshot(group, resource).keys, resource


def test_a_large_cluster_is_the_same_each_time() -> None:
    first, again, other = (scale(50, 5, seed).snapshot("", "pods") for seed in (1, 1, 2))
    assert [entry.body for entry in first.entries] == [entry.body for entry in again.entries]
    assert first.keys != other.keys
    with pytest.raises(ValueError, match="no deployment"):
        scale(1, 0)


def test_a_large_cluster_through_the_client(tmp_path: Path) -> None:
    with ClusterBed(scale(120, 6)) as bed:
        api = connect(bed, tmp_path)
        core, apps, rbac = client.CoreV1Api(api), client.AppsV1Api(api), client.RbacAuthorizationV1Api(api)
        page = core.list_pod_for_all_namespaces(limit=50)
        assert (len(page.items), page.metadata.remaining_item_count) == (50, 70)
        assert page.items[0].status.container_statuses[0].ready
        # the client's models refuse objects that lack a field which a real server always gives
        for read in (
            core.list_node,
            core.list_namespace,
            core.list_service_account_for_all_namespaces,
            core.list_service_for_all_namespaces,
            core.list_resource_quota_for_all_namespaces,
            apps.list_deployment_for_all_namespaces,
            apps.list_replica_set_for_all_namespaces,
            rbac.list_cluster_role,
            rbac.list_cluster_role_binding,
            rbac.list_role_for_all_namespaces,
            rbac.list_role_binding_for_all_namespaces,
            client.NetworkingV1Api(api).list_network_policy_for_all_namespaces,
            client.PolicyV1Api(api).list_pod_disruption_budget_for_all_namespaces,
        ):
            assert read().items, read.__name__
