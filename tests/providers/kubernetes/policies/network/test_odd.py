"""Documents that no server would take are read to the end all the same: nothing breaks, and nothing passes by them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.kubernetes.policies.network import calico, cilium
from cnamm_scan.providers.kubernetes.policies.network.evaluate import Network
from cnamm_scan.providers.kubernetes.policies.network.kubernetes import admin_policy, network_policy
from cnamm_scan.providers.kubernetes.policies.network.model import NAME_LABEL, Direction
from tests.examples import drawn

NAMES = (
    "podSelector", "ingress", "egress", "from", "to", "ports", "port", "endPort", "protocol", "ipBlock", "cidr", "except", "matchLabels",
    "matchExpressions", "namespaceSelector", "policyTypes", "subject", "namespaces", "pods", "action", "networks", "portRange", "start",
    "end", "fromEndpoints", "toFQDNs", "fromCIDRSet", "toPorts", "endpointSelector", "selector", "source", "destination", "nets", "types",
    "order", "protocols", "tcp", "destinationPort", "priority", "enableDefaultDeny", "fromEntities",
)  # fmt: skip
leaves = st.one_of(st.none(), st.booleans(), st.integers(-1, 70000), st.sampled_from(("", "x", "0.0.0.0/0", "TCP", "Allow", "all()", "::")))
odd = st.recursive(
    leaves, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)), max_leaves=14
)


@settings(max_examples=drawn(400), deadline=None)
@given(odd)
def test_whatever_stands_there_is_judged(spec: Any) -> None:
    policies = [
        network_policy("n", "shop", spec),
        admin_policy("a", "AdminNetworkPolicy", spec),
        admin_policy("b", "ClusterNetworkPolicy", {"subject": {"namespaces": {}}, **(spec if isinstance(spec, dict) else {})}),
        *cilium.policies("c", "CiliumNetworkPolicy", "shop", spec, []),
        *cilium.policies("d", "CiliumNetworkPolicy", "shop", None, spec),
        calico.policy("e", "Calico NetworkPolicy", "shop", spec),
    ]
    for policy in policies:
        network = Network([policy], {"shop": {NAME_LABEL: "shop"}})
        for direction in Direction:
            found = network.reach(network.pod("shop", {}), direction)
            assert found.least <= found.most
            network.denies("shop", direction)
            network.of_policy(policy, direction)
