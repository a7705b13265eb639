"""NetworkPolicies asked path by path, as the documentation tells it: one pod, one other end, one port. Shares no code with the evaluator.

https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Any
Labels = Mapping[str, str]


@dataclass(frozen=True)
class End:
    """A pod, or an address."""

    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    address: str = ""


def picks(selector: Json, labels: Labels) -> bool:
    """Whether a LabelSelector picks these labels."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for asked in selector.get("matchExpressions") or ():
        has, among = asked["key"] in labels, labels.get(asked["key"]) in (asked.get("values") or ())
        if not {"In": has and among, "NotIn": not among, "Exists": has, "DoesNotExist": not has}[asked["operator"]]:
            return False
    return True


def goes(
    policies: Sequence[Json], namespaces: Mapping[str, Labels], pod: End, other: End, direction: str, protocol: str, port: int
) -> bool:
    """Whether a connection is let through at the pod's end."""
    isolated = False
    for policy in policies:
        spec = policy["spec"]
        if policy["namespace"] != pod.namespace or not picks(spec.get("podSelector") or {}, dict(pod.labels)):
            continue
        types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        if direction.capitalize() not in types:
            continue
        isolated = True
        for rule in spec.get(direction) or ():
            if _port(rule.get("ports") or (), protocol, port) and _end(rule, direction, policy["namespace"], namespaces, other):
                return True
    return not isolated


def _port(listed: Sequence[Json], protocol: str, port: int) -> bool:
    if not listed:
        return True
    for each in listed:
        if each.get("protocol", "TCP") != protocol:
            continue
        if "port" not in each or each["port"] <= port <= each.get("endPort", each["port"]):
            return True
    return False


def _end(rule: Json, direction: str, own: str, namespaces: Mapping[str, Labels], other: End) -> bool:
    peers = rule.get("from" if direction == "ingress" else "to")
    if not peers:
        return True
    for peer in peers:
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            if (
                other.address
                and _inside(other.address, block["cidr"])
                and not any(_inside(other.address, each) for each in block.get("except", ()))
            ):
                return True
            continue
        if other.address:
            continue
        here = picks(peer["namespaceSelector"], namespaces[other.namespace]) if "namespaceSelector" in peer else other.namespace == own
        if here and picks(peer.get("podSelector") or {}, dict(other.labels)):
            return True
    return False


def _inside(address: str, cidr: str) -> bool:
    one, many = ipaddress.ip_address(address), ipaddress.ip_network(cidr)
    return one.version == many.version and one in many
