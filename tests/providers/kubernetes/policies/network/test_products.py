"""Policies of each product: what its documentation says that a form means, and what cannot be seen stays open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cnamm_scan.providers.kubernetes.policies.labels import selector
from cnamm_scan.providers.kubernetes.policies.network import antrea, calico, cilium, openshift
from cnamm_scan.providers.kubernetes.policies.network.balancers import admitted, is_internal
from cnamm_scan.providers.kubernetes.policies.network.evaluate import Network
from cnamm_scan.providers.kubernetes.policies.network.kubernetes import admin_policy, network_policy
from cnamm_scan.providers.kubernetes.policies.network.model import NAME_LABEL, Direction, Level, Pod, Policy
from cnamm_scan.providers.kubernetes.policies.network.selectors import expression
from cnamm_scan.providers.openness import Openness

Json = dict[str, Any]
SPACES = {name: {NAME_LABEL: name, **more} for name, more in (("shop", {"team": "a"}), ("bank", {}), ("door", {}), ("mail", {}))}
IN, OUT = Direction.INGRESS, Direction.EGRESS
DENY = network_policy("deny", "shop", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})


def told(*policies: Policy, direction: Direction = IN, labels: Json | None = None) -> str:
    """The widest of a pod of shop; `?` where that is not certain."""
    network = Network(policies, SPACES)
    found = network.reach(network.pod("shop", {} if labels is None else labels), direction).level
    return "?" if found is None else found.name.lower()


def of_cilium(*specs: Json, namespace: str = "shop") -> list[Policy]:
    kind = "CiliumNetworkPolicy" if namespace else "CiliumClusterwideNetworkPolicy"
    return list(cilium.policies("c", kind, namespace, None, list(specs)))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([{}], "nobody"),
        ([{"fromEndpoints": []}], "nobody"),
        ([{"fromEndpoints": [{}]}], "namespace"),
        ([{"fromEndpoints": [{"matchLabels": {"app": "web"}}]}], "named"),
        ([{"fromEndpoints": [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "door"}}]}], "named"),
        ([{"fromEndpoints": [{"matchExpressions": [{"key": "io.kubernetes.pod.namespace", "operator": "Exists"}]}]}], "cluster"),
        ([{"fromEntities": ["cluster"]}], "cluster"),
        ([{"fromEntities": ["host"]}], "named"),
        ([{"fromEntities": ["world"]}], "world"),
        ([{"fromEntities": ["world-ipv4"]}], "world"),
        ([{"fromEntities": ["all"]}], "world"),
        ([{"fromCIDR": ["128.0.0.0/1"]}, {"fromCIDR": ["0.0.0.0/1"]}], "world"),
        ([{"fromCIDRSet": [{"cidr": "0.0.0.0/0", "except": ["0.0.0.0/1", "128.0.0.0/1"]}]}], "nobody"),
        ([{"fromCIDRSet": [{"cidr": "93.184.216.0/24"}]}], "bounded"),
        ([{"fromCIDRSet": [{"cidrGroupRef": "office"}]}], "?"),
        ([{"toPorts": [{"ports": [{"port": "443", "protocol": "TCP"}]}]}], "world"),
        ([{"fromEndpoints": [{"matchLabels": {"reserved:host": ""}}]}], "?"),
        ([{"fromEndpoints": "odd"}], "?"),
    ],
)
def test_rules_of_cilium(rules: list[Json], expected: str) -> None:
    assert told(*of_cilium({"endpointSelector": {}, "ingress": rules})) == expected


def test_what_cilium_denies_is_taken_from_what_any_policy_allows() -> None:
    allowed = {"endpointSelector": {}, "ingress": [{"fromEntities": ["all"]}]}
    assert told(*of_cilium(allowed, {"endpointSelector": {}, "ingressDeny": [{"fromEntities": ["all"]}]})) == "nobody"
    assert told(*of_cilium(allowed, {"endpointSelector": {}, "ingressDeny": [{"fromEntities": ["world"]}]})) == "cluster"
    assert told(*of_cilium(allowed, {"endpointSelector": {}, "ingressDeny": [{"fromCIDR": ["10.0.0.0/8"]}]})) == "world"
    opened = network_policy("n", "shop", {"podSelector": {}, "ingress": [{}]})
    assert told(opened, *of_cilium({"endpointSelector": {}, "ingressDeny": [{"fromEntities": ["all"]}]})) == "nobody"


def test_cilium_isolates_where_it_has_rules_unless_it_says_otherwise() -> None:
    rule: Json = {"endpointSelector": {}, "ingress": [{"fromEndpoints": [{}]}]}
    assert told(*of_cilium({**rule, "enableDefaultDeny": {"ingress": False}})) == "world"
    assert told(*of_cilium({"endpointSelector": {}, "enableDefaultDeny": {"ingress": True}})) == "nobody"
    assert told(*of_cilium(rule), direction=OUT) == "world"
    assert told(*of_cilium({"nodeSelector": {}, "ingress": [{}]})) == "world"
    assert (
        told(*of_cilium({**rule, "endpointSelector": {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "bank"}}}, namespace=""))
        == "world"
    )
    assert told(*of_cilium(rule, namespace="")) == "cluster"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("api.example.com", "named"), ("*.example.com", "named"), ("*", "world"), ("*.com", "world"), ("**.*", "world")],
)
def test_host_names_are_a_gate_unless_they_are_all_names(pattern: str, expected: str) -> None:
    names = [{"toFQDNs": [{"matchPattern": pattern}], "toPorts": [{"ports": [{"port": "443"}]}]}]
    assert told(*of_cilium({"endpointSelector": {}, "egress": names}), direction=OUT) == expected


def of_calico(ingress: list[Json], namespace: str = "shop", **more: Any) -> Policy:
    kind = "Calico NetworkPolicy" if namespace else "GlobalNetworkPolicy"
    return calico.policy(f"k{len(ingress)}", kind, namespace, {"types": ["Ingress"], "ingress": ingress, **more})


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], "nobody"),
        ([{"action": "Allow"}], "world"),
        ([{"action": "Log"}], "nobody"),
        ([{"action": "Deny"}, {"action": "Allow"}], "nobody"),
        ([{"action": "Allow"}, {"action": "Deny"}], "world"),
        ([{"action": "Allow", "source": {"nets": ["0.0.0.0/1"]}}, {"action": "Allow", "source": {"nets": ["128.0.0.0/1"]}}], "world"),
        ([{"action": "Allow", "source": {"nets": ["93.184.216.0/24"]}}], "bounded"),
        ([{"action": "Allow", "source": {"selector": "app == 'web'"}}], "named"),
        ([{"action": "Allow", "source": {"selector": "all()"}}], "namespace"),
        ([{"action": "Allow", "source": {"namespaceSelector": "all()"}}], "cluster"),
        ([{"action": "Allow", "source": {"namespaceSelector": "has(team)"}}], "namespace"),
        ([{"action": "Allow", "source": {"namespaceSelector": "has(division)"}}], "named"),
        ([{"action": "Allow", "source": {"notNets": ["10.0.0.0/8"]}}], "world"),
        ([{"action": "Allow", "protocol": "TCP", "destination": {"ports": [443, "8000:8010"]}}], "world"),
        ([{"action": "Deny", "source": {"nets": ["0.0.0.0/0"]}}, {"action": "Allow", "source": {"namespaceSelector": "all()"}}], "cluster"),
        ([{"action": "Allow", "http": {"methods": ["GET"]}}], "?"),
        ([{"action": "Allow", "source": {"serviceAccounts": {"names": ["a"]}}}], "?"),
        ([{"action": "Allow", "source": {"selector": "app ~ 'web'"}}], "?"),
    ],
)
def test_rules_of_calico(rules: list[Json], expected: str) -> None:
    assert told(of_calico(rules)) == expected


def test_calico_asks_its_policies_in_order_and_those_of_kubernetes_at_a_thousand() -> None:
    first, last = of_calico([{"action": "Deny"}], order=10), of_calico([{"action": "Allow"}, {"action": "Log"}], order=20)
    assert told(last, first) == "nobody"
    opened = network_policy("n", "shop", {"podSelector": {}, "ingress": [{}]})
    assert told(opened, of_calico([{"action": "Deny"}], order=2000)) == "world"
    assert told(opened, of_calico([{"action": "Deny"}], order=10)) == "nobody"
    assert told(of_calico([], tier="security"), of_calico([{"action": "Allow"}])) == "world"
    assert told(of_calico([], tier="security")) == "?"


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("app == 'web' && !has(role)", {"app": "web"}, True),
        ("app == 'web' || role in {'a', \"b\"}", {"role": "b"}, True),
        ("role not in {'a'}", {}, True),
        ("role != 'a'", {"role": "a"}, False),
        ("!(has(a) && has(b))", {"a": "1"}, True),
        ("app starts with 'we' && app ends with 'b' && app contains 'e'", {"app": "web"}, True),
        ("all()", {}, True),
        ("global()", {}, False),
        ("", {}, True),
        ("app = 'web'", {"app": "web"}, None),
        ("app == web", {"app": "web"}, None),
        ("(" * 5000 + "all()", {}, None),
    ],
)
def test_expressions_of_calico(text: str, labels: dict[str, str], expected: bool | None) -> None:
    assert expression(text).matches(labels) is expected


def test_a_selector_with_an_unread_part_can_only_be_narrower() -> None:
    odd = selector({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "x", "operator": "Gt", "values": ["1"]}]})
    assert (odd.matches({"a": "b"}), odd.matches({"a": "c"}), odd.is_all) == (None, False, False)
    assert selector("odd").matches({}) is None
    assert selector(None).is_all


def of_admin(kind: str = "AdminNetworkPolicy", **spec: Any) -> Policy:
    return admin_policy(f"a{spec.get('priority', 0)}", kind, {"subject": {"namespaces": {}}, **spec})


WORLD = [{"networks": ["0.0.0.0/0", "::/0"]}]


def test_administrators_policies_are_asked_before_and_after_the_others() -> None:
    deny, allow = {"action": "Deny", "to": WORLD}, {"action": "Allow", "to": WORLD}
    everything = [*WORLD, {"namespaces": {}}]
    assert told(of_admin(priority=2, egress=[deny]), of_admin(priority=1, egress=[allow]), direction=OUT) == "world"
    assert told(of_admin(priority=1, egress=[deny]), of_admin(priority=2, egress=[allow]), direction=OUT) == "cluster"
    assert told(DENY, of_admin(egress=[allow]), direction=OUT) == "world"
    assert told(DENY, of_admin("BaselineAdminNetworkPolicy", egress=[allow]), direction=OUT) == "nobody"
    assert told(of_admin("BaselineAdminNetworkPolicy", egress=[{"action": "Deny", "to": everything}]), direction=OUT) == "nobody"
    assert told(of_admin("ClusterNetworkPolicy", tier="Baseline", egress=[{"action": "Deny", "to": everything}]), direction=OUT) == "nobody"
    passed = of_admin(priority=1, egress=[{"action": "Pass", "to": WORLD}, deny])
    assert told(DENY, passed, direction=OUT) == "nobody"
    assert told(passed, direction=OUT) == "world"
    assert told(of_admin(egress=[{"action": "Odd", "to": WORLD}]), DENY, direction=OUT) == "?"


def test_administrators_policies_cannot_speak_of_callers_from_outside() -> None:
    everybody = [{"action": "Deny", "from": [{"namespaces": {}}]}]
    assert told(of_admin(ingress=everybody)) == "?"
    assert told(of_admin(ingress=everybody), DENY) == "nobody"
    one_port = [{"action": "Deny", "from": [{"namespaces": {}}], "ports": [{"portNumber": {"protocol": "TCP", "port": 22}}]}]
    assert told(of_admin(ingress=one_port)) == "world"
    newer = [{"action": "Accept", "from": [{"pods": {"podSelector": {}}}], "protocols": [{"tcp": {"destinationPort": {"number": 80}}}]}]
    assert told(of_admin("ClusterNetworkPolicy", ingress=newer), DENY) == "cluster"


def test_several_policies_that_leave_no_pod_out_deny_like_one_for_all() -> None:
    def only(*terms: Json) -> Policy:
        return network_policy(str(terms), "shop", {"podSelector": {"matchExpressions": list(terms)}})

    has, lacks = ({"key": "a", "operator": each} for each in ("Exists", "DoesNotExist"))
    among = {"key": "a", "operator": "In", "values": ["x"]}
    outside = {"key": "a", "operator": "NotIn", "values": ["x"]}
    for several in ((has, lacks), (among, outside)):
        assert Network([only(each) for each in several], SPACES).denies("shop", IN) is True
        assert Network([only(several[0])], SPACES).denies("shop", IN) is False
    assert Network([only(has), only(outside)], SPACES).denies("shop", IN) is True
    assert Network([only(has), only(among)], SPACES).denies("shop", IN) is False


def test_every_namespace_by_its_name_is_the_cluster_and_named_ports_are_ports() -> None:
    by_name = {"matchExpressions": [{"key": NAME_LABEL, "operator": "In", "values": sorted(SPACES)}]}
    rule = {"from": [{"namespaceSelector": by_name}]}
    assert told(network_policy("n", "shop", {"podSelector": {}, "ingress": [rule]})) == "cluster"
    assert told(network_policy("n", "shop", {"podSelector": {}, "ingress": [{"ports": [{"port": "http"}]}]})) == "world"
    out = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": [{"port": "http"}]}]}
    assert told(network_policy("n", "shop", out), direction=OUT) == "cluster"  # names are those of pods
    assert (
        told(network_policy("n", "shop", {**out, "egress": [{"ports": [{"port": "dns", "protocol": "UDP"}]}]}), direction=OUT) == "nobody"
    )


def test_labels_that_are_not_known_leave_open_what_they_decide() -> None:
    network = Network([network_policy("n", "shop", {"podSelector": {"matchLabels": {"a": "b"}}})], SPACES)
    found = network.reach(Pod("shop", None, SPACES["shop"]), IN)
    assert (found.restricts, found.level, found.most) == (None, None, Level.WORLD)
    assert network.reach(Pod("bank", None, SPACES["bank"]), IN).level is Level.WORLD


# ---- load balancers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotations", "of_class", "addresses", "expected"),
    [
        ({"service.beta.kubernetes.io/azure-load-balancer-internal": "True"}, "", [], True),
        ({"service.beta.kubernetes.io/azure-load-balancer-internal": "false"}, "", [], False),
        ({"service.beta.kubernetes.io/aws-load-balancer-internal": "0.0.0.0/0"}, "", [], True),
        ({"service.beta.kubernetes.io/aws-load-balancer-type": "external"}, "", [], True),
        (
            {
                "service.beta.kubernetes.io/aws-load-balancer-type": "external",
                "service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing",
            },
            "",
            [],
            False,
        ),
        ({"load-balancer.hetzner.cloud/disable-public-network": "true"}, "", [], True),
        ({}, "eks.amazonaws.com/nlb", [], True),
        ({}, "", [{"ip": "10.2.3.4"}], True),
        ({}, "", [{"ip": "93.184.216.7"}], False),
        ({}, "", [{"hostname": "lb.example.com"}], False),
        (None, "", [{"ip": "fd00::7"}], True),
        ({}, "", [{"ip": "10.2.3.4"}, {"ip": "fd00::7"}], True),
        ({}, "", [{"ip": "10.2.3.4"}, {"ip": "93.184.216.7"}], False),
        (None, "", [{"ip": "2a01:4f8:1::7"}, {"ip": "10.2.3.4"}], False),
        (None, "", [], None),
        ({}, None, [], None),
    ],
)
def test_where_a_load_balancer_stands(annotations: Any, of_class: Any, addresses: list[Json], expected: bool | None) -> None:
    assert is_internal(annotations, of_class, addresses) is expected


def test_whom_a_load_balancer_lets_in() -> None:
    assert admitted([], {}) is Openness.WORLD
    assert admitted(["0.0.0.0/1", "128.0.0.0/1"], {}) is Openness.WORLD
    assert admitted(["93.184.216.0/24"], {}) is Openness.BOUNDED
    assert admitted([], {"service.beta.kubernetes.io/load-balancer-source-ranges": "93.184.216.0/24, 10.0.0.0/8"}) is Openness.BOUNDED
    assert admitted(["93.184.216.0/24"], {"service.beta.kubernetes.io/azure-allowed-service-tags": "Internet"}) is Openness.WORLD
    assert admitted([], {"service.beta.kubernetes.io/azure-allowed-service-tags": "AzureCloud"}) is None
    assert admitted([], {"service.beta.kubernetes.io/aws-load-balancer-security-groups": "sg-1"}) is None
    assert admitted(["93.184.216.0/24"], {"service.beta.kubernetes.io/aws-load-balancer-security-groups": "sg-1"}) is None
    assert admitted([], {"service.beta.kubernetes.io/do-loadbalancer-allow-rules": "cidr:93.184.216.0/24"}) is None
    assert admitted(["93.184.216.0/24"], {"service.beta.kubernetes.io/do-loadbalancer-allow-rules": "cidr:1.2.3.4/32"}) is Openness.BOUNDED
    assert admitted(["odd"], {}) is None
    assert admitted(None, {}) is None


# ---- Antrea ----------------------------------------------------------------------------------------------------------------------


def of_antrea(
    ingress: list[Json] | None = None,
    *,
    applied: list[Json] | None = None,
    tier: str = "",
    priority: float = 5,
    namespace: str = "",
    egress: list[Json] | None = None,
    tiers: Mapping[str, float] | None = None,
    **more: Any,
) -> list[Policy]:
    spec = {"priority": priority, "appliedTo": [{"namespaceSelector": {}}] if applied is None else applied, **more}
    spec.update({"ingress": ingress or []}, **({"egress": egress} if egress else {}), **({"tier": tier} if tier else {}))
    return antrea.policies("a", "Antrea NetworkPolicy" if namespace else "Antrea ClusterNetworkPolicy", namespace, spec, tiers or {})


DROP: Json = {"action": "Drop"}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], "world"),  # a policy of Antrea isolates nobody
        ([DROP], "nobody"),
        ([{"action": "Reject"}], "nobody"),
        ([{"action": "Drop", "from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]}], "cluster"),
        ([{"action": "Allow", "from": [{"namespaces": {"match": "Self"}}]}, DROP], "namespace"),
        ([{"action": "Allow", "from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}, DROP], "named"),
        ([{"action": "Allow", "from": [{"podSelector": {}}]}, DROP], "cluster"),
        ([{"action": "Allow", "from": [{"namespaceSelector": {}}]}, DROP], "cluster"),
        (
            [{"action": "Allow", "from": [{"ipBlock": {"cidr": "0.0.0.0/1"}}, {"ipBlock": {"cidr": "128.0.0.0/1"}}]}, DROP],
            "?",
        ),  # at least what no pod is
        ([{"action": "Allow", "from": [{"group": "office"}]}, DROP], "?"),
        ([{"action": "Allow", "from": [{"serviceAccount": {"name": "a", "namespace": "b"}}]}, DROP], "?"),
        ([{"action": "Allow", "from": [{"namespaces": {"sameLabels": ["team"]}}]}, DROP], "?"),
        ([DROP, {"action": "Allow"}], "nobody"),
        ([{"action": "Drop", "ports": [{"protocol": "TCP"}]}], "world"),
        ([{"action": "Drop", "protocols": [{"icmp": {}}]}], "?"),
        ([{"action": "Log"}], "?"),
        ([{**DROP, "appliedTo": [{"podSelector": {}}]}], "?"),
        ("odd", "?"),
    ],
)
def test_rules_of_antrea(rules: Any, expected: str) -> None:
    assert told(*of_antrea(rules)) == expected


def test_antrea_passes_to_the_policies_of_kubernetes_which_come_before_its_baseline() -> None:
    anybody = network_policy("n", "shop", {"podSelector": {}, "ingress": [{}]})
    assert told(*of_antrea([{"action": "Allow"}]), DENY) == "world"  # what it allows nobody takes back
    assert told(*of_antrea([{"action": "Pass"}, DROP]), DENY) == "nobody"
    assert told(*of_antrea([{"action": "Pass"}, DROP]), anybody) == "world"
    assert told(*of_antrea([DROP], tier="baseline")) == "nobody"
    assert told(*of_antrea([DROP], tier="Baseline"), anybody) == "world"
    assert told(*of_antrea([{"action": "Allow"}], tier="baseline"), DENY) == "nobody"


def test_tiers_of_antrea_come_before_priorities() -> None:
    drop, allow = of_antrea([DROP], tier="application", priority=1), of_antrea([{"action": "Allow"}], tier="Emergency", priority=9)
    assert told(*drop, *allow) == "world"
    [allowed] = of_antrea([{"action": "Allow"}])
    assert told(*of_antrea([DROP], tier="ours"), allowed) == "?"
    assert told(*of_antrea([DROP], tier="ours", tiers={"ours": 20}), allowed) == "nobody"
    assert told(*of_antrea([DROP], tier="ours", tiers={"ours": 252}), allowed) == "world"


def test_whom_a_policy_of_antrea_applies_to() -> None:
    assert told(*of_antrea([DROP], applied=[{"podSelector": {"matchLabels": {"app": "web"}}}])) == "world"
    assert told(*of_antrea([DROP], applied=[{"podSelector": {"matchLabels": {"app": "web"}}}]), labels={"app": "web"}) == "nobody"
    assert told(*of_antrea([DROP], applied=[{"namespaceSelector": {"matchLabels": {"team": "a"}}}, {"group": "x"}])) == "nobody"
    assert told(*of_antrea([DROP], applied=[{"namespaceSelector": {"matchLabels": {"team": "b"}}}])) == "world"
    assert told(*of_antrea([DROP], applied=[{"group": "x"}])) == "?"
    assert told(*of_antrea([DROP], applied=[{"nodeSelector": {}}])) == "world"
    assert told(*of_antrea([DROP], applied=[])) == "?"
    assert told(*of_antrea([DROP], applied=[{"podSelector": {}}], namespace="shop")) == "nobody"
    assert told(*of_antrea([DROP], applied=[{"podSelector": {}}], namespace="bank")) == "world"
    inside = [{"action": "Allow", "from": [{"podSelector": {}}]}, DROP]
    assert told(*of_antrea(inside, applied=[{"podSelector": {}}], namespace="shop")) == "namespace"


def test_where_antrea_lets_pods_out_to() -> None:
    named = [{"action": "Allow", "to": [{"fqdn": "*.example.com"}]}, DROP]
    assert told(*of_antrea(egress=named), direction=OUT) == "named"
    assert told(*of_antrea(egress=[{"action": "Allow", "to": [{"fqdn": "*.com"}]}, DROP]), direction=OUT) == "?"
    assert (
        told(*of_antrea(egress=[{"action": "Allow", "toServices": [{"name": "db", "namespace": "bank"}]}, DROP]), direction=OUT) == "named"
    )
    assert told(*of_antrea(egress=[DROP])) == "world"
    for name in ("*", "*.com"):  # addresses have no names: who asks for one by itself gets out
        assert told(*of_antrea(egress=[{"action": "Drop", "to": [{"fqdn": name}]}]), direction=OUT) == "?"
        assert told(*of_antrea(egress=[{"action": "Pass", "to": [{"fqdn": name}]}, DROP]), direction=OUT) == "?"
    assert told(*of_antrea(egress=[{"action": "Drop", "to": [{"fqdn": "*.example.com"}]}]), direction=OUT) == "world"


# ---- egress firewalls of OpenShift ----------------------------------------------------------------------------------------------


def fire(*rules: Json, namespace: str = "shop") -> Policy:
    return openshift.firewall("f", "EgressFirewall", namespace, {"egress": list(rules)})


REFUSED: Json = {"type": "Deny", "to": {"cidrSelector": "0.0.0.0/0"}}
REFUSED_6: Json = {"type": "Deny", "to": {"cidrSelector": "::/0"}}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], "world"),
        ([REFUSED, REFUSED_6], "cluster"),  # of the cluster's own pods it does not speak
        ([REFUSED], "world"),  # IPv6 is left
        ([{"type": "Deny", "to": {"cidrSelector": "10.0.0.0/8"}}], "world"),
        ([{"type": "Allow", "to": {"cidrSelector": "0.0.0.0/0"}}, REFUSED, REFUSED_6], "world"),
        ([{"type": "Allow", "to": {"dnsName": "www.example.com"}}, REFUSED, REFUSED_6], "cluster"),
        ([{"type": "Deny", "to": {"dnsName": "www.example.com"}}], "world"),
        ([{**REFUSED, "ports": [{"protocol": "TCP", "port": 80}]}, REFUSED_6], "world"),
        ([{**REFUSED, "ports": [{"protocol": each} for each in ("TCP", "UDP", "SCTP")]}, REFUSED_6], "cluster"),
        ([{"type": "Deny", "to": {}}], "?"),
        ([{"type": "Maybe", "to": {"cidrSelector": "0.0.0.0/0"}}], "?"),
    ],
)
def test_egress_firewalls(rules: list[Json], expected: str) -> None:
    assert told(fire(*rules), direction=OUT) == expected
    assert told(fire(*rules)) == "world"  # and never of who gets in


def test_an_egress_firewall_opens_nothing_that_a_policy_shuts() -> None:
    allowed = {"type": "Allow", "to": {"cidrSelector": "0.0.0.0/0"}}
    assert told(fire(allowed), DENY, direction=OUT) == "nobody"
    outside = network_policy(
        "n", "shop", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}
    )
    assert told(outside, direction=OUT) == "world"
    assert told(fire(REFUSED), outside, direction=OUT) == "nobody"
    assert told(fire(REFUSED, REFUSED_6, namespace="bank"), direction=OUT) == "world"


@pytest.mark.parametrize(
    ("policies", "kept_in", "denied"),
    [
        ((), False, False),
        ((DENY,), True, True),
        ((DENY, network_policy("in", "shop", {"podSelector": {}, "egress": [{"to": [{"namespaceSelector": {}}]}]})), True, False),
        ((DENY, network_policy("out", "shop", {"podSelector": {"matchLabels": {"app": "web"}}, "egress": [{}]})), False, True),
        ((network_policy("web", "shop", {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"]}),), False, False),
    ],
)
def test_who_reaches_the_whole_cluster_and_nothing_beyond_is_kept_in(policies: tuple[Policy, ...], kept_in: bool, denied: bool) -> None:
    network = Network(policies, SPACES)
    assert network.confines("shop", OUT, Level.WORLD) is kept_in
    assert network.denies("shop", OUT) is denied
