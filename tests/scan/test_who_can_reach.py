"""Who can reach what in a cluster, by shipped content: the open fails however it is spelled, the bounded passes, the unseen is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.demo.cluster.bed.server import ClusterBed, Resource, Trouble
from tests.clusters import cluster, crd, pod, scan, thing, verdicts

Json = dict[str, Any]
NETWORKING = "networking.k8s.io/v1"
RULES = [
    f"kubernetes.{name}"
    for name in (
        "networking.namespace_denies_ingress",
        "networking.namespace_denies_egress",
        "networking.pod_has_network_policy",
        "networking.egress_policy_names_destinations",
        "networking.egress_to_named_destinations",
        "networking.egress_restricted",
        "networking.ingress_exposes_no_database",
        "networking.quarantine_policy_ready",
        "core.service_data_not_public",
        "core.service_admin_port_not_public",
        "core.service_source_ranges",
    )
]


def policy(name: str, namespace: str, **spec: Any) -> Json:
    return thing("NetworkPolicy", name, namespace, api=NETWORKING, spec=spec)


def judged(
    tmp_path: Path, *objects: Json, denied: str = "", options: Mapping[str, Any] | None = None, rules: Sequence[str] = RULES
) -> dict[tuple[str, str], tuple[str, str]]:
    troubles = [Trouble(resource=denied, status=403)] if denied else []
    with ClusterBed(cluster(*objects), troubles=troubles) as bed, scan(bed, tmp_path, rules=rules, options=options) as done:
        return verdicts(done)


HALVES = [{"ipBlock": {"cidr": "0.0.0.0/1"}}, {"ipBlock": {"cidr": "128.0.0.0/1"}}]
SECOND = {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}
OPEN: Mapping[str, list[Json]] = {
    "empty-rule": [{"podSelector": {}, "ingress": [{}]}],
    "no-peers": [{"podSelector": {}, "ingress": [{"from": []}]}],
    "halves": [{"podSelector": {}, "ingress": [{"from": HALVES}]}],
    "halves-apart": [{"podSelector": {}, "ingress": [{"from": [each]}]} for each in HALVES],
    "all-but-private": [{"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}]}],
    "sixth-version": [{"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "2000::/3"}}]}]}],
    "every-namespace": [{"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}],
    "every-name": [
        {
            "podSelector": {},
            "ingress": [
                {"from": [{"namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}]}}]}
            ],
        }
    ],
    "who-lacks-a-label": [{"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": SECOND, "podSelector": SECOND}]}]}],
    "one-port": [{"podSelector": {}, "ingress": [{"ports": [{"port": 8080}]}]}],
    "ranges": [{"podSelector": {}, "ingress": [{"ports": [{"port": 1, "endPort": 65535}]}]}],
    "nobody-selected": [{"podSelector": {"matchLabels": {"app": "none"}}}],
    "egress-only": [{"podSelector": {}, "policyTypes": ["Egress"]}],
    "opened-beside": [{"podSelector": {}}, {"podSelector": SECOND, "ingress": [{}]}],
}
SHUT: Mapping[str, list[Json]] = {
    "nothing": [{"podSelector": {}}],
    "types-left-out": [{"podSelector": {}, "egress": [{}]}],
    "an-empty-list": [{"podSelector": {"matchLabels": {}}, "policyTypes": ["Ingress"], "ingress": []}],
    "one-namespace": [
        {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "door"}}}]}]}
    ],
    "an-office": [{"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "93.184.216.0/24"}}]}]}],
    "opened-for-some": [
        {"podSelector": {}},
        {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"from": [{"podSelector": {}}]}]},
    ],
    "both-together": [
        {"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}},
        {"podSelector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}},
    ],
}


@pytest.fixture(scope="module")
def spelled(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[str, str]]:
    objects = []
    for name, specs in {**OPEN, **SHUT}.items():
        objects.append(pod("p", name, metadata={"labels": {"app": "web"}}))
        objects += [policy(f"n{n}", name, **spec) for n, spec in enumerate(specs)]
    return judged(tmp_path_factory.mktemp("spelled"), *objects)


def test_a_namespace_that_lets_all_in_fails_however_it_is_spelled(spelled: dict[tuple[str, str], tuple[str, str]]) -> None:
    assert {name: spelled["namespace_denies_ingress", name][0] for name in OPEN} == dict.fromkeys(OPEN, "fail")


def test_a_namespace_that_lets_in_whom_it_names_passes(spelled: dict[tuple[str, str], tuple[str, str]]) -> None:
    assert {name: spelled["namespace_denies_ingress", name][0] for name in SHUT} == dict.fromkeys(SHUT, "pass")


def test_a_pod_that_is_open_on_one_port_only_is_restricted(spelled: dict[tuple[str, str], tuple[str, str]]) -> None:
    narrow = {"one-port", *SHUT}
    found = {name: spelled["pod_has_network_policy", f"{name}/p"][0] for name in {**OPEN, **SHUT}}
    assert found == {name: "pass" if name in narrow else "fail" for name in {**OPEN, **SHUT}}


def test_what_may_not_be_read_is_unknown_and_a_pod_on_its_nodes_network_is_not_asked_for_any(tmp_path: Path) -> None:
    objects = [pod("p", "shop"), policy("n", "shop", podSelector={}), pod("h", "shop", hostNetwork=True)]
    found = judged(tmp_path, *objects, denied="networkpolicies")
    assert found["namespace_denies_ingress", "shop"] == ("unknown", "denied")
    assert found["pod_has_network_policy", "shop/p"][0] == "unknown"
    assert found["pod_has_network_policy", "shop/h"][0] == "not_applicable"
    assert judged(tmp_path, *objects)["pod_has_network_policy", "shop/h"][0] == "not_applicable"


def test_a_namespace_that_is_left_out_darkens_no_other(tmp_path: Path) -> None:
    objects = [pod("p", name) for name in ("shop", "bank", "old")]
    objects += [policy("n", "shop", podSelector={}), policy("n", "bank", podSelector={}, ingress=[{}]), policy("n", "old", podSelector={})]
    found = judged(tmp_path, *objects, options={"excluded_namespaces": ("old",)})
    assert found["namespace_denies_ingress", "shop"][0] == "pass"
    assert found["namespace_denies_ingress", "bank"][0] != "pass"  # a mesh that denies may be what was not seen
    assert found["namespace_denies_egress", "bank"][0] == "fail"
    assert (found["pod_has_network_policy", "shop/p"][0], found["pod_has_network_policy", "bank/p"][0]) == ("pass", "fail")


def test_the_one_namespace_that_was_asked_for_is_judged(tmp_path: Path) -> None:
    objects = [pod("p", "shop"), policy("n", "shop", podSelector={}), pod("p", "bank"), policy("n", "bank", podSelector={}, ingress=[{}])]
    found = judged(tmp_path, *objects, options={"namespaces": ("shop",)})
    assert (found["pod_has_network_policy", "shop/p"][0], found["namespace_denies_ingress", "shop"][0]) == ("pass", "pass")


# ---- on the way out ------------------------------------------------------------------------------------------------------

DNS = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
OUT_OPEN: Mapping[str, list[Json]] = {
    "out-halves": [{"egress": [{"to": HALVES}]}],
    "out-range": [{"egress": [{"ports": [{"protocol": "UDP", "port": 53, "endPort": 65535}]}]}],
    "out-quarters-apart": [
        {"egress": [{"to": [{"ipBlock": {"cidr": f"{first}.0.0.0/2"}}], "ports": [{"port": 443}]}]} for first in (0, 64, 128, 192)
    ],
    "out-named-dns": [{"egress": [{"ports": [{"port": 443}, {"protocol": "UDP", "port": 53}]}]}],
}
OUT_SHUT: Mapping[str, list[Json]] = {
    "out-dns": [{"egress": [DNS]}],
    "out-office": [{"egress": [DNS, {"to": [{"ipBlock": {"cidr": "93.184.216.0/24"}}], "ports": [{"port": 443}]}]}],
    "out-pods": [{"egress": [{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}]}]}],
}


def test_the_world_is_reached_however_it_is_spelled_and_asking_for_names_is_no_way_out(tmp_path: Path) -> None:
    objects = []
    for name, specs in {**OUT_OPEN, **OUT_SHUT}.items():
        objects.append(pod("p", name))
        objects += [policy(f"n{n}", name, podSelector={}, policyTypes=["Egress"], **spec) for n, spec in enumerate(specs)]
    found = judged(tmp_path, *objects)
    for name in OUT_OPEN:
        assert (name, found["egress_to_named_destinations", name][0]) == (name, "fail")
        assert (name, found["namespace_denies_egress", name][0]) == (name, "fail")
    for name in OUT_SHUT:
        assert (name, found["egress_to_named_destinations", name][0]) == (name, "pass")
        assert (name, found["egress_policy_names_destinations", f"NetworkPolicy/{name}/n0"][0]) == (name, "pass")
    assert found["egress_policy_names_destinations", "NetworkPolicy/out-range/n0"][0] == "fail"


def test_one_policy_in_one_namespace_is_no_gate_for_the_cluster(tmp_path: Path) -> None:
    named = {"policyTypes": ["Egress"], "egress": [DNS, {"to": [{"ipBlock": {"cidr": "93.184.216.0/24"}}]}]}
    shop = [pod("p", "shop"), policy("n", "shop", podSelector={}, **named)]
    assert {v[0] for k, v in judged(tmp_path, *shop).items() if k[0] == "egress_restricted"} == {"pass"}
    found = judged(tmp_path, *shop, pod("p", "bank"))
    assert {v[0] for k, v in found.items() if k[0] == "egress_restricted"} == {"fail"}
    found = judged(tmp_path, *shop, pod("p", "bank"), denied="networkpolicies")
    assert {v[0] for k, v in found.items() if k[0] == "egress_restricted"} == {"unknown"}


# ---- products ------------------------------------------------------------------------------------------------------------


def cilium(name: str, namespace: str, **spec: Any) -> Json:
    return thing("CiliumNetworkPolicy", name, namespace, api="cilium.io/v2", spec=spec)


CILIUM = [crd("ciliumnetworkpolicies", "CiliumNetworkPolicy", "v2", group="cilium.io")]
AGENT = thing(
    "DaemonSet",
    "cilium",
    "kube-system",
    api="apps/v1",
    spec={
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}},
    },
)


def test_policies_of_cilium_count_where_cilium_runs(tmp_path: Path) -> None:
    shut = [pod("p", "shut"), cilium("n", "shut", endpointSelector={}, ingress=[{"fromEndpoints": [{"matchLabels": {"app": "web"}}]}])]
    opened = {
        "entities": [{"fromEntities": ["world"]}],
        "every": [{"fromEntities": ["all"]}],
        "cidrs": [{"fromCIDR": ["0.0.0.0/1"]}, {"fromCIDRSet": [{"cidr": "128.0.0.0/1", "except": ["10.0.0.0/8"]}]}],
        "ports": [{"toPorts": [{"ports": [{"port": "0", "protocol": "TCP"}]}]}],
        "cluster": [{"fromEntities": ["cluster"]}],
    }
    objects = [*shut, *(pod("p", name) for name in opened)]
    objects += [cilium("n", name, endpointSelector={}, ingress=rules) for name, rules in opened.items()]
    found = judged(tmp_path, *CILIUM, AGENT, *objects)
    assert found["namespace_denies_ingress", "shut"][0] == "pass"
    assert {name: found["namespace_denies_ingress", name][0] for name in opened} == dict.fromkeys(opened, "fail")
    assert judged(tmp_path, *CILIUM, *objects)["namespace_denies_ingress", "shut"][0] == "unknown"


def test_policies_of_another_product_that_may_not_be_read_could_open_what_is_shut(tmp_path: Path) -> None:
    objects = [pod("p", "shop"), policy("n", "shop", podSelector={}), cilium("other", "bank", endpointSelector={})]
    found = judged(tmp_path, *CILIUM, AGENT, *objects, denied="ciliumnetworkpolicies")
    assert found["namespace_denies_ingress", "shop"][0] == "unknown"
    assert judged(tmp_path, *CILIUM, AGENT, *objects)["namespace_denies_ingress", "shop"][0] == "pass"


# ---- doors ---------------------------------------------------------------------------------------------------------------


def service(name: str, *ports: Json, kind: str = "LoadBalancer", **more: Any) -> Json:
    metadata = {"annotations": more.pop("annotations")} if "annotations" in more else None
    return thing("Service", name, "orders", metadata=metadata, spec={"type": kind, "ports": list(ports), **more})


def port(number: int = 5432, target: Any = None, **more: Any) -> Json:
    return {"port": number, **({} if target is None else {"targetPort": target}), **more}


BETA = "service.beta.kubernetes.io"
PUBLISHED = {
    "plain": service("plain", port()),
    "halves": service("halves", port(), loadBalancerSourceRanges=["0.0.0.0/1", "128.0.0.0/1"]),
    "sixth": service("sixth", port(), loadBalancerSourceRanges=["::/0"]),
    "behind": service("behind", port(80, 5432), kind="NodePort"),
    "by-name": service("by-name", port(80, "pg"), kind="NodePort", selector={"app": "db"}),
    "datagrams": service("datagrams", port(11211, protocol="UDP"), kind="NodePort"),
    "external": service("external", port(27018), kind="ClusterIP", externalIPs=["93.184.216.7"]),
    "facing": service(
        "facing", port(), loadBalancerClass="service.k8s.aws/nlb", annotations={f"{BETA}/aws-load-balancer-scheme": "internet-facing"}
    ),
}
KEPT = {
    "https": service("https", port(443, 8443)),
    "habit": service("habit", port(443, 3000)),
    "office": service("office", port(), loadBalancerSourceRanges=["93.184.216.0/24"]),
    "azure": service("azure", port(), annotations={f"{BETA}/azure-load-balancer-internal": "true"}),
    "google": service("google", port(), annotations={"networking.gke.io/load-balancer-type": "Internal"}),
    "oracle": service("oracle", port(), annotations={"oci-network-load-balancer.oraclecloud.com/internal": "true"}),
    "tencent": service("tencent", port(), annotations={"service.kubernetes.io/qcloud-loadbalancer-internal-subnetid": "subnet-1"}),
    "controller": service("controller", port(), loadBalancerClass="service.k8s.aws/nlb"),
    "inside": service("inside", port(), kind="ClusterIP", externalIPs=["10.0.0.7"]),
}
DATABASE = pod("db-0", "orders", metadata={"labels": {"app": "db"}}) | {
    "spec": {"containers": [{"name": "main", "image": "registry.example.com/db:1", "ports": [{"name": "pg", "containerPort": 5432}]}]}
}


def test_a_data_store_is_published_by_the_port_behind_and_to_whom_the_balancer_admits(tmp_path: Path) -> None:
    found = judged(tmp_path, DATABASE, *PUBLISHED.values(), *KEPT.values())
    data = {name: found["service_data_not_public", f"orders/{name}"][0] for name in {**PUBLISHED, **KEPT}}
    assert data == {**dict.fromkeys(PUBLISHED, "fail"), **dict.fromkeys(KEPT, "pass")}


def test_a_port_by_name_is_unknown_where_pods_may_not_be_read(tmp_path: Path) -> None:
    found = judged(tmp_path, DATABASE, PUBLISHED["by-name"], PUBLISHED["behind"], denied="pods")
    assert found["service_data_not_public", "orders/by-name"][0] == "unknown"
    assert found["service_data_not_public", "orders/behind"][0] == "fail"


def test_wide_ranges_are_told_apart_from_the_world_and_an_ingress_leads_to_no_database(tmp_path: Path) -> None:
    ingress = thing(
        "Ingress",
        "web",
        "orders",
        api=NETWORKING,
        spec={
            "rules": [
                {
                    "http": {
                        "paths": [
                            {"path": "/db", "backend": {"service": {"name": "db", "port": {"name": "sql"}}}},
                            {"path": "/", "backend": {"service": {"name": "web", "port": {"number": 80}}}},
                        ]
                    }
                }
            ]
        },
    )
    wide = service("wide", port(), loadBalancerSourceRanges=["16.0.0.0/4"])
    db = service("db", port(80, "pg", name="sql"), port(9000, name="metrics"), kind="ClusterIP", selector={"app": "db"})
    web = service("web", port(80, 8080), port(5432, 5432), kind="ClusterIP")
    found = judged(tmp_path, DATABASE, ingress, wide, db, web)
    assert found["service_data_not_public", "orders/wide"][0] == "pass"
    assert found["service_source_ranges", "orders/wide"][0] == "fail"
    assert found["ingress_exposes_no_database", "orders/web db"][0] == "fail"
    assert found["ingress_exposes_no_database", "orders/web web"][0] == "pass"


# ---- products whose policies are not Kubernetes' own -----------------------------------------------------------------------------

OUTSIDE = [policy("out", "shop", podSelector={}, policyTypes=["Egress"], egress=[{}])]
PRODUCTS: Mapping[str, tuple[str, str, str, str, bool]] = {
    "Antrea": ("crd.antrea.io/v1beta1", "clusternetworkpolicies", "ClusterNetworkPolicy", "", True),
    "Antrea in a namespace": ("crd.antrea.io/v1beta1", "networkpolicies", "NetworkPolicy", "shop", True),
    "EKS": ("networking.k8s.aws/v1alpha1", "clusternetworkpolicies", "ClusterNetworkPolicy", "", True),
    "EKS in a namespace": ("networking.k8s.aws/v1alpha1", "applicationnetworkpolicies", "ApplicationNetworkPolicy", "shop", True),
    "GKE": ("networking.gke.io/v1alpha1", "fqdnnetworkpolicies", "FQDNNetworkPolicy", "shop", False),
    "NSX": ("crd.nsx.vmware.com/v1alpha1", "securitypolicies", "SecurityPolicy", "shop", True),
    "NeuVector": ("neuvector.com/v1", "nvsecurityrules", "NvSecurityRule", "shop", True),
    "OVN-Kubernetes": ("k8s.ovn.org/v1", "egressfirewalls", "EgressFirewall", "shop", False),
    "OpenShift SDN": ("network.openshift.io/v1", "egressnetworkpolicies", "EgressNetworkPolicy", "shop", False),
}


@pytest.mark.parametrize(
    ("product", "state"),
    [
        ("EKS", "not installed"),
        ("EKS", "installed"),
        *((product, "in use") for product in PRODUCTS),
        *((product, "denied") for product in ("Antrea", "GKE", "OVN-Kubernetes")),
    ],
)
def test_a_product_that_may_shut_what_kubernetes_leaves_open_is_a_doubt_only_where_it_may(tmp_path: Path, product: str, state: str) -> None:
    version, plural, kind, namespace, both_ways = PRODUCTS[product]
    made = cluster(pod("p", "shop"), pod("p", "bank"), *OUTSIDE)
    if state != "not installed":
        made.serve(version, Resource(plural, kind, namespaced=bool(namespace)))
    if state == "in use":
        made.add(thing(kind, "default", namespace, api=version, spec={}) if namespace else thing(kind, "default", api=version, spec={}))
    troubles = [Trouble(resource=f"{plural}.{version.split('/')[0]}", status=403)] if state == "denied" else []
    with ClusterBed(made, troubles=troubles) as bed, scan(bed, tmp_path, rules=RULES) as done:
        found = verdicts(done)
    is_doubt = state in ("in use", "denied")
    assert found["namespace_denies_egress", "shop"][0] == ("fail" if not is_doubt or "Firewall" in kind or "Egress" in kind else "unknown")
    assert found["namespace_denies_ingress", "shop"][0] == ("unknown" if is_doubt and both_ways else "fail")
    other = is_doubt and (not namespace or state == "denied")
    assert found["namespace_denies_ingress", "bank"][0] == ("unknown" if other and both_ways else "fail")


@pytest.mark.parametrize(
    ("name", "containers", "flags", "desired", "expected"),
    [
        ("kube-flannel-ds", ["kube-flannel"], [], 2, "fail"),
        ("kube-flannel-ds", ["kube-flannel", "kube-network-policies"], [], 2, "pass"),
        ("canal", ["calico-node", "kube-flannel"], [], 2, "pass"),
        ("kube-router", ["kube-router"], ["--run-router=true"], 2, "pass"),
        ("kube-router", ["kube-router"], ["--run-firewall=false"], 2, "fail"),
        ("weave-net", ["weave", "weave-npc"], [], 2, "pass"),
        ("weave-net", ["weave"], [], 2, "fail"),
        ("aws-node", ["aws-node", "aws-eks-nodeagent"], ["--enable-network-policy=true"], 2, "pass"),
        ("aws-node", ["aws-node", "aws-eks-nodeagent"], ["--enable-network-policy=false"], 2, "fail"),
        ("calico-node", ["calico-node"], [], 0, "unknown"),
        ("kindnet", ["kindnet-cni"], [], 2, "unknown"),
    ],
)
def test_a_network_enforces_policies_by_what_runs_in_it(
    tmp_path: Path, name: str, containers: Sequence[str], flags: Sequence[str], desired: int, expected: str
) -> None:
    made = [{"name": each, "image": f"registry.example.com/{each}:1", "args": list(flags)} for each in containers]
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": made}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    status = {"desiredNumberScheduled": desired, "numberReady": desired, "currentNumberScheduled": desired, "numberMisscheduled": 0}
    agent = thing("DaemonSet", name, "kube-system", api="apps/v1", spec=spec, status=status)
    found = judged(tmp_path, agent, rules=["kubernetes.networking.network_policies_enforced"])
    assert [verdict for verdict, _ in found.values()] == [expected]
