"""What a mesh, a gateway or a workload does hangs on objects beside it: policies of the mesh's root, routes, services, nodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.demo.cluster.bed.server import ClusterBed
from tests.clusters import cluster, crd, pod, scan, thing, verdicts

Json = dict[str, Any]
SECURITY, ISTIO, APPS, INGRESS = "security.istio.io/v1", "networking.istio.io/v1", "apps/v1", "networking.k8s.io/v1"
KINDS = [
    crd("peerauthentications", "PeerAuthentication", "v1", group="security.istio.io"),
    crd("authorizationpolicies", "AuthorizationPolicy", "v1", group="security.istio.io"),
    crd("gateways", "Gateway", "v1", group="networking.istio.io"),
    crd("virtualservices", "VirtualService", "v1", group="networking.istio.io"),
]
PROXY = {"name": "istio-proxy", "image": "istio/proxyv2:1.27.0"}
NAMED: Json = {"from": [{"source": {"principals": ["cluster.local/ns/web/sa/web"]}}]}


def judged(tmp_path: Path, rule: str, *objects: Json) -> dict[str, str]:
    """Resource -> verdict of one rule."""
    with ClusterBed(cluster(*objects)) as bed, scan(bed, tmp_path, rules=[f"kubernetes.{rule}"]) as done:
        return {resource: verdict for (_, resource), (verdict, _) in verdicts(done).items()}


# ---- meshes -------------------------------------------------------------------------------------------------------------


def meshed(name: str, annotations: Json | None = None) -> Json:
    containers = [{"name": "main", "image": "registry.example.com/main:1"}, PROXY]
    return pod(name, containers=containers, metadata={"labels": {"app": name}, "annotations": annotations or {}})


def policy(namespace: str, *rules: Json, selector: Json | None = None) -> Json:
    spec = {"rules": list(rules), **({"selector": {"matchLabels": selector}} if selector else {})}
    return thing("AuthorizationPolicy", f"p{len(rules)}", namespace, api=SECURITY, spec=spec)


def tried(policy: Json) -> Json:
    """A policy that Istio only tells of."""
    return policy | {"metadata": {**policy["metadata"], "annotations": {"istio.io/dry-run": "true"}}}


def mesh(*more: Json, pods: Sequence[Json] = (meshed("a"), meshed("b"))) -> list[Json]:
    services = [thing("Service", name, "shop", spec={"selector": {"app": name}, "ports": [{"port": 80}]}) for name in ("a", "b")]
    strict = thing("PeerAuthentication", "default", "istio-system", api=SECURITY, spec={"mtls": {"mode": "STRICT"}})
    return [*KINDS, strict, *services, *pods, *more]


@pytest.mark.parametrize(
    ("proxies", "labelled", "expected"),
    [(True, ("a", "b"), "pass"), (True, ("a",), "fail"), (True, (), "fail"), (False, ("a", "b"), "unknown")],
)
def test_a_pod_may_ask_for_the_ambient_mesh_itself(tmp_path: Path, proxies: bool, labelled: Sequence[str], expected: str) -> None:
    """Its label counts where its namespace has none, as long as ztunnel is there to heed it."""
    containers = [{"name": "istio-proxy", "image": "istio/ztunnel:1.27.0"}]
    ztunnel = [pod("ztunnel-x", "istio-system", containers=containers)] if proxies else []
    mode = {"istio.io/dataplane-mode": "ambient"}
    pods = [pod(name, metadata={"labels": {"app": name, **(mode if name in labelled else {})}}) for name in ("a", "b")]
    assert judged(tmp_path, "istio.pods_in_mesh", *mesh(*ztunnel, pods=pods))["shop"] == expected


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([policy("shop", NAMED)], "pass"),
        ([policy("istio-system", NAMED)], "pass"),
        ([policy("shop", NAMED), policy("istio-system", {})], "fail"),
        ([policy("shop", NAMED), policy("istio-system", {}, selector={"istio": "ingressgateway"})], "pass"),
        ([policy("shop", {}), policy("istio-system", NAMED)], "fail"),
        ([policy("istio-system")], "fail"),
        ([policy("shop", NAMED, selector={"app": "a"})], "fail"),
        ([policy("shop", NAMED, selector={"app": "a"}), policy("shop", NAMED, NAMED, selector={"app": "b"})], "pass"),
        ([policy("shop", NAMED, selector={"app": "a"}), policy("istio-system")], "pass"),
        (
            [policy("shop", {"from": [{"source": {"principals": ["p"], "namespaces": ["n"]}}, {"source": {"ipBlocks": ["0.0.0.0/0"]}}]})],
            "fail",
        ),
        ([tried(policy("shop", NAMED))], "fail"),
    ],
    ids=[
        "own",
        "the root's",
        "the root lets all in",
        "of the gateway alone",
        "own lets all in",
        "nobody is named",
        "of one workload",
        "of each workload",
        "of one workload, nothing else is let in",
        "one of two sources names nobody",
        "only tried",
    ],
)
def test_policies_of_the_root_hold_for_every_namespace(tmp_path: Path, policies: list[Json], expected: str) -> None:
    labels = {"labels": {"istio-injection": "enabled"}}
    shop = thing("Namespace", "shop", metadata=labels, status={"phase": "Active"})
    assert judged(tmp_path, "istio.callers_are_named", shop, *mesh(*policies))["shop"] == expected


@pytest.mark.parametrize(("pods", "expected"), [([meshed("a"), meshed("b")], "pass"), ([meshed("a"), pod("b")], "fail")])
def test_a_pod_outside_of_the_mesh_heeds_no_policy_of_it(tmp_path: Path, pods: list[Json], expected: str) -> None:
    assert judged(tmp_path, "istio.calls_are_denied_by_default", *mesh(policy("shop"), pods=pods))["shop"] == expected


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, "pass"),
        ({"traffic.sidecar.istio.io/excludeInboundPorts": "15020, 15090"}, "pass"),
        ({"traffic.sidecar.istio.io/includeInboundPorts": "*"}, "pass"),
        ({"traffic.sidecar.istio.io/excludeInboundPorts": "15020,8080"}, "unknown"),
        ({"traffic.sidecar.istio.io/includeInboundPorts": ""}, "unknown"),
        ({"sidecar.istio.io/interceptionMode": "NONE"}, "unknown"),
    ],
)
def test_an_annotation_may_let_calls_past_the_proxy(tmp_path: Path, annotations: Json, expected: str) -> None:
    """Strict mutual TLS is asked of what comes through the proxy alone; ports of the proxy itself are never led through it."""
    pods = [meshed("a"), meshed("b", annotations)]
    assert judged(tmp_path, "istio.mutual_tls_required", *mesh(pods=pods))["shop"] == expected


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([policy("shop")], "pass"),
        ([policy("shop"), policy("shop", NAMED, selector={"app": "a"})], "pass"),
        ([policy("shop"), policy("shop", {}, selector={"app": "a"})], "unknown"),
        ([policy("shop"), policy("istio-system", {}, selector={"app": "a"})], "unknown"),
        ([policy("shop"), policy("shop", {}, selector={"istio": "ingressgateway"})], "pass"),
    ],
)
def test_what_one_policy_denies_another_may_open_for_some_pods(tmp_path: Path, policies: list[Json], expected: str) -> None:
    door = thing("Ingress", "front", "shop", api=INGRESS, spec={"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}})
    assert judged(tmp_path, "gateway.backend_restricted", *mesh(door, *policies)) == {"shop/a": expected}


LINKERD = "policy.linkerd.io/v1alpha1"
GUARD = crd("authorizationpolicies", "AuthorizationPolicy", "v1alpha1", group="policy.linkerd.io")


@pytest.mark.parametrize(
    ("asked", "annotations", "expected"),
    [
        (["MeshTLSAuthentication"], {}, "pass"),
        (["NetworkAuthentication"], {}, "unknown"),
        ([], {}, "unknown"),
        (["MeshTLSAuthentication"], {"config.linkerd.io/skip-inbound-ports": "4190"}, "pass"),
        (["MeshTLSAuthentication"], {"config.linkerd.io/skip-inbound-ports": "3306"}, "unknown"),
        (["MeshTLSAuthentication"], {"config.linkerd.io/default-inbound-policy": "all-unauthenticated"}, "fail"),
    ],
)
def test_linkerd_asks_who_calls_unless_a_policy_or_a_pod_says_otherwise(
    tmp_path: Path, asked: list[str], annotations: Json, expected: str
) -> None:
    what = {"config.linkerd.io/default-inbound-policy": "all-authenticated"}
    shop = thing("Namespace", "shop", metadata={"annotations": what}, status={"phase": "Active"})
    refs = [{"kind": kind, "name": "who"} for kind in asked]
    spec = {"targetRef": {"kind": "Server", "name": "web"}, "requiredAuthenticationRefs": refs}
    containers = [{"name": "main", "image": "registry.example.com/main:1"}, {"name": "linkerd-proxy", "image": "linkerd/proxy:edge"}]
    pods = [pod(name, containers=containers, metadata={"annotations": annotations}) for name in ("a", "b")]
    found = judged(
        tmp_path,
        "istio.mutual_tls_required",
        GUARD,
        shop,
        *mesh(thing("AuthorizationPolicy", "p", "shop", api=LINKERD, spec=spec), pods=pods),
    )
    assert found["shop"] == expected


# ---- ways in ------------------------------------------------------------------------------------------------------------


def gateway(protocol: str, **tls: Any) -> Json:
    server = {"port": {"number": 80, "name": "p", "protocol": protocol}, "hosts": ["*"], **({"tls": tls} if tls else {})}
    return thing("Gateway", "web", "infra", api=ISTIO, spec={"selector": {"istio": "ingress"}, "servers": [server]})


def routes(namespace: str, gateway: str, **what: Any) -> Json:
    return thing("VirtualService", "r", namespace, api=ISTIO, spec={"hosts": ["*"], "gateways": [gateway], "http": [what]})


def before(*, tls: bool) -> list[Json]:
    """An ingress that leads to the gateway's service."""
    backend = {"service": {"name": "gate", "port": {"number": 80}}}
    spec: Json = {"ingressClassName": "alb", "rules": [{"host": "a.example.org", "http": {"paths": [{"path": "/", "backend": backend}]}}]}
    if tls:
        spec["tls"] = [{"hosts": ["a.example.org"], "secretName": "a"}]
    service = thing("Service", "gate", "infra", spec={"selector": {"istio": "ingress"}, "ports": [{"port": 80}]})
    return [service, thing("Ingress", "front", "infra", api=INGRESS, spec=spec)]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([gateway("HTTP")], "fail"),
        ([gateway("GRPC", mode="SIMPLE", credentialName="x")], "fail"),
        ([gateway("HTTP", httpsRedirect=True)], "pass"),
        ([gateway("HTTP"), routes("shop", "infra/web", redirect={"scheme": "https"})], "unknown"),
        ([gateway("HTTP"), routes("infra", "web", redirect={"scheme": "https"})], "unknown"),
        ([gateway("HTTP"), routes("shop", "web", redirect={"scheme": "https"})], "fail"),
        ([gateway("HTTP"), routes("infra", "web", redirect={"authority": "b.example.org"})], "fail"),
        ([gateway("HTTP"), *before(tls=True)], "unknown"),
        ([gateway("HTTP"), *before(tls=False)], "fail"),
    ],
)
def test_a_port_of_plain_http_may_be_sent_on_or_stand_behind_tls(tmp_path: Path, objects: list[Json], expected: str) -> None:
    proxy = pod("proxy", "infra", containers=[PROXY], metadata={"labels": {"istio": "ingress"}})
    assert list(judged(tmp_path, "istio.gateway_has_tls", *KINDS, proxy, *objects).values()) == [expected]


def test_a_gateway_that_selects_no_pod_opens_no_port(tmp_path: Path) -> None:
    made = {"creationTimestamp": "2025-12-01T00:00:00Z"}
    unused = gateway("HTTP") | {"metadata": {"name": "web", "namespace": "infra", **made}}
    assert list(judged(tmp_path, "istio.gateway_has_tls", *KINDS, meshed("a"), unused).values()) == ["unknown"]


def test_an_ingress_that_answers_a_challenge_is_not_asked_for_tls(tmp_path: Path) -> None:
    spec = {"ingressClassName": "nginx", "rules": [{"host": "a.example.org"}]}
    objects = [thing("Ingress", name, "shop", api=INGRESS, spec=spec) for name in ("web", "cm-acme-http-solver-x7k2p")]
    found = judged(tmp_path, "gateway.ingress_has_tls", *objects)
    assert found == {"shop/web": "fail", "shop/cm-acme-http-solver-x7k2p": "not_applicable"}
    assert list(judged(tmp_path, "gateway.public_route_authenticated", *objects)) == ["Ingress/shop/web"]


# ---- workloads ----------------------------------------------------------------------------------------------------------


def deployment(name: str, **spec: Any) -> Json:
    inside = {"containers": [{"name": "main", "image": "registry.example.com/main:1.2"}], **spec.pop("inside", {})}
    template = {"metadata": {"labels": {"app": name}}, "spec": inside}
    metadata = {"creationTimestamp": "2026-01-01T00:00:00Z"}
    said = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    return thing("Deployment", name, "shop", api=APPS, metadata=metadata, spec=said)


def service(name: str, *ports: str) -> Json:
    given = [{"port": 80 + n, **({"name": port} if port else {})} for n, port in enumerate(ports)]
    return thing("Service", f"{name}-{len(ports)}", "shop", spec={"selector": {"app": name}, "ports": given})


def test_a_service_for_metrics_alone_is_none_that_callers_use(tmp_path: Path) -> None:
    objects = [
        deployment("worker"),
        service("worker", "http-metrics"),
        deployment("web"),
        service("web", "http", "metrics"),
        deployment("old"),
    ]
    found = judged(tmp_path, "apps.replicas", *objects, service("old", ""))
    assert found == {"Deployment shop/web": "fail", "Deployment shop/old": "fail"}


def placed(name: str, node: str) -> Json:
    owner = {"ownerReferences": [{"apiVersion": APPS, "kind": "ReplicaSet", "name": "web-7f9c", "uid": "u", "controller": True}]}
    return pod(name, metadata={"labels": {"app": "web"}, **owner}, nodeName=node)


def node(name: str, os: str = "linux") -> Json:
    return thing("Node", name, status={"nodeInfo": {"operatingSystem": os}})


@pytest.mark.parametrize(
    ("inside", "nodes", "expected"),
    [
        ({}, [node("a"), node("b")], "fail"),
        ({"nodeSelector": {"kubernetes.io/os": "linux"}}, [node("a"), node("b")], "fail"),
        ({"nodeSelector": {"pool": "gpu"}}, [node("a"), node("b")], "unknown"),
        ({}, [node("a"), node("b", "windows")], "not_applicable"),
    ],
    ids=["free", "of a system", "of a pool", "the other node is of another system"],
)
def test_pods_that_ask_for_certain_nodes_may_find_one_alone(tmp_path: Path, inside: Json, nodes: list[Json], expected: str) -> None:
    objects = [deployment("web", replicas=2, inside=inside), service("web", "http"), placed("web-1", "a"), placed("web-2", "a"), *nodes]
    assert judged(tmp_path, "apps.spread_over_nodes", *objects) == {"Deployment shop/web": expected}


@pytest.mark.parametrize("rule", ["namespace_has_network_policy", "namespace_denies_ingress", "namespace_denies_egress"])
def test_policies_are_asked_for_where_pods_have_a_network_of_their_own(tmp_path: Path, rule: str) -> None:
    found = judged(tmp_path, f"networking.{rule}", pod("a", "own"), pod("b", "own", hostNetwork=True), pod("c", "hosted", hostNetwork=True))
    assert found == {"own": "fail", "hosted": "not_applicable"}


@pytest.mark.parametrize(("labels", "expected"), [({"app": "a"}, "pass"), ({"app": "gone"}, "fail"), (None, "pass")])
def test_a_policy_that_selects_no_pod_is_none(tmp_path: Path, labels: Json | None, expected: str) -> None:
    spec = {"podSelector": {} if labels is None else {"matchLabels": labels}, "policyTypes": ["Ingress"]}
    wall = thing("NetworkPolicy", "wall", "shop", api="networking.k8s.io/v1", spec=spec)
    shop = thing("Namespace", "shop", status={"phase": "Active"})
    found = judged(tmp_path, "networking.namespace_has_network_policy", shop, wall, pod("a", metadata={"labels": {"app": "a"}}))
    assert found["shop"] == expected


# ---- gateways of the API ------------------------------------------------------------------------------------------------

GATEWAY = "gateway.networking.k8s.io/v1"
GATEWAY_KINDS = [
    crd("gateways", "Gateway", "v1", group="gateway.networking.k8s.io"),
    crd("httproutes", "HTTPRoute", "v1", group="gateway.networking.k8s.io"),
]


def front(**limits: Json) -> Json:
    """A gateway with a listener of plain HTTP."""
    listener = {"name": "http", "port": 80, "protocol": "HTTP", **limits}
    return thing("Gateway", "web", "infra", api=GATEWAY, spec={"gatewayClassName": "envoy", "listeners": [listener]})


def route(name: str, *, redirects: bool, kind: str = "", home: str = "infra") -> Json:
    parent = {"name": "web", "namespace": "infra", **({"kind": kind} if kind else {})}
    rule: Json = {"backendRefs": [{"name": "api", "port": 80}]}
    if redirects:
        rule = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]}
    return thing("HTTPRoute", name, home, api=GATEWAY, spec={"parentRefs": [parent], "rules": [rule]})


def answered(name: str, *parents: Json, said: Sequence[tuple[Json, Json]]) -> Json:
    """A route of `infra` with what controllers said of it for which parent: condition -> status."""
    status = [
        {"parentRef": parent, "controllerName": "x/y", "conditions": [{"type": kind, "status": word} for kind, word in conditions.items()]}
        for parent, conditions in said
    ]
    spec = {"parentRefs": list(parents), "rules": [{"backendRefs": [{"name": "api", "port": 80}]}]}
    return thing("HTTPRoute", name, "infra", api=GATEWAY, spec=spec, status={"parents": status})


def test_each_gateway_of_a_route_is_there_and_has_taken_it(tmp_path: Path) -> None:
    web, side = {"name": "web"}, {"name": "side"}
    gone: Json = {"name": "gone"}
    good, vague = {"Accepted": "True", "ResolvedRefs": "True"}, {"Accepted": "True"}
    routes = {
        "one": ("pass", answered("one", web, said=[(web, good)])),
        "spelt-out": ("pass", answered("spelt-out", web, said=[({**web, "namespace": "infra", "kind": "Gateway"}, good)])),
        "two": ("pass", answered("two", web, side, said=[(web, good), (side, good)])),
        "of-a-service": (
            "pass",
            answered(
                "of-a-service",
                {"name": "api", "kind": "Service", "group": ""},
                said=[({"name": "api", "kind": "Service", "group": ""}, good)],
            ),
        ),
        "twice": ("fail", answered("twice", web, side, said=[(web, good), (web, good)])),  # two controllers spoke for one of them
        "moved": ("fail", answered("moved", side, said=[(web, good)])),  # what was said of the gateway before
        "gone": ("fail", answered("gone", gone, said=[(gone, good)])),  # nobody is left to take it back
        "elsewhere": ("fail", answered("elsewhere", {**web, "namespace": "shop"}, said=[(web, good)])),
        "half": ("fail", answered("half", web, side, said=[(web, good), (side, vague)])),
        "refused": ("fail", answered("refused", web, side, said=[(web, good), (side, {**good, "Accepted": "False"})])),
        "idle": ("fail", answered("idle", web, said=[])),
        "thinking": ("unknown", answered("thinking", web, said=[(web, {**good, "Accepted": "Unknown"})])),
    }
    doors = [front(), thing("Gateway", "side", "infra", api=GATEWAY, spec={"gatewayClassName": "envoy", "listeners": []})]
    found = judged(tmp_path, "gateway.route_resolves", *GATEWAY_KINDS, *doors, *(each for _, each in routes.values()))
    assert found == {f"infra/{name}": verdict for name, (verdict, _) in routes.items()}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([], "pass"),
        ([route("api", redirects=False)], "fail"),
        ([route("cm-acme-http-solver-x7k2p", redirects=False)], "pass"),
        ([route("api", redirects=False, kind="Service")], "pass"),
    ],
    ids=["it redirects", "a route serves", "a challenge is answered", "a route of the mesh"],
)
def test_a_listener_serves_in_plain_text_what_routes_of_a_gateway_lead_to(tmp_path: Path, more: list[Json], expected: str) -> None:
    found = judged(tmp_path, "gateway.listener_has_tls", *GATEWAY_KINDS, front(), route("redirect", redirects=True), *more)
    assert list(found.values()) == [expected]


@pytest.mark.parametrize(
    ("allowed", "expected"), [(None, "pass"), ("Same", "pass"), ("None", "pass"), ("All", "fail"), ("Selector", "unknown")]
)
def test_a_route_of_another_namespace_attaches_only_where_the_listener_lets_it(tmp_path: Path, allowed: str | None, expected: str) -> None:
    limits = {"allowedRoutes": {"namespaces": {"from": allowed}}} if allowed else {}
    found = judged(tmp_path, "gateway.listener_has_tls", *GATEWAY_KINDS, front(**limits), route("api", redirects=False, home="shop"))
    assert list(found.values()) == [expected]


@pytest.mark.parametrize(("key", "expected"), [("proxy-body-size", "fail"), ("ssl-redirect", "unknown"), ("force-ssl-redirect", "unknown")])
def test_a_redirect_may_be_laid_down_for_all_ingresses(tmp_path: Path, key: str, expected: str) -> None:
    spec = {"ingressClassName": "nginx", "rules": [{"host": "a.example.org"}]}
    settings = thing("ConfigMap", "ingress-nginx-controller", "edge", data={key: "true"})
    found = judged(tmp_path, "gateway.ingress_redirects_to_https", settings, thing("Ingress", "web", "shop", api=INGRESS, spec=spec))
    assert found == {"Ingress/shop/web": expected}


@pytest.mark.parametrize(("kind", "expected"), [("ClusterIP", "pass"), ("NodePort", "unknown"), ("LoadBalancer", "fail")])
def test_a_port_of_the_nodes_may_be_what_a_load_balancer_comes_by(tmp_path: Path, kind: str, expected: str) -> None:
    backend = {"service": {"name": "api", "port": {"number": 80}}}
    spec = {"rules": [{"host": "a.example.org", "http": {"paths": [{"path": "/", "backend": backend}]}}]}
    callers = {"from": [{"podSelector": {"matchLabels": {"app": "gate"}}}]}
    shut = thing("NetworkPolicy", "api", "shop", api=INGRESS, spec={"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [callers]})
    service = thing("Service", "api", "shop", spec={"type": kind, "selector": {"app": "api"}, "ports": [{"port": 80}]})
    objects = [thing("Ingress", "web", "shop", api=INGRESS, spec=spec), service, shut, pod("api", metadata={"labels": {"app": "api"}})]
    assert judged(tmp_path, "gateway.backend_restricted", *objects)["shop/api"] == expected


@pytest.mark.parametrize(
    ("modes", "expected"), [(["STRICT"], "pass"), (["STRICT", "PERMISSIVE"], "unknown"), (["PERMISSIVE", "PERMISSIVE"], "fail")]
)
def test_two_words_for_the_whole_mesh_leave_open_which_holds(tmp_path: Path, modes: list[str], expected: str) -> None:
    said = [
        thing("PeerAuthentication", f"p{number}", "istio-system", api=SECURITY, spec={"mtls": {"mode": mode}})
        for number, mode in enumerate(modes)
    ]
    objects = [each for each in mesh() if each.get("kind") != "PeerAuthentication"]
    root = thing("Namespace", "istio-system", status={"phase": "Active"})
    shop = thing("Namespace", "shop", metadata={"labels": {"istio-injection": "enabled"}}, status={"phase": "Active"})
    assert judged(tmp_path, "istio.mutual_tls_required", shop, root, *objects, *said)["shop"] == expected


# ---- reports of policies -------------------------------------------------------------------------------------------------


def part(name: str, *, runs: bool = True) -> Json:
    """A controller of Kyverno."""
    containers = [{"name": "main", "image": f"ghcr.io/kyverno/{name}:v1.15.2"}]
    labels = {"matchLabels": {"app": name}}
    spec = {"replicas": 1, "selector": labels, "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": containers}}}
    return thing("Deployment", name, "kyverno", api=APPS, spec=spec, status={"availableReplicas": int(runs)})


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], "unknown"),
        ([part("kyverno")], "pass"),  # as it was before version 1.10
        ([part("kyverno"), part("cleanup-controller"), part("reports-controller")], "pass"),
        ([part("kyverno"), part("cleanup-controller")], "unknown"),
        ([part("kyverno"), part("reports-controller", runs=False)], "unknown"),
    ],
    ids=["none", "in one", "in parts", "without reports", "reports at rest"],
)
def test_reports_of_kyverno_are_as_old_as_its_reports_controller(tmp_path: Path, parts: list[Json], expected: str) -> None:
    kind = crd("policyreports", "PolicyReport", "v1alpha2", group="wgpolicyk8s.io")
    result = {"source": "kyverno", "policy": "p", "rule": "r", "severity": "high", "result": "pass", "timestamp": {"seconds": 1735689600}}
    report = thing("PolicyReport", "r", "shop", api="wgpolicyk8s.io/v1alpha2", results=[result], scope={"kind": "Pod", "name": "web"})
    found = judged(tmp_path, "policy_reports.findings_fixed_in_a_month", kind, report, *parts)
    assert set(found.values()) == {expected}
