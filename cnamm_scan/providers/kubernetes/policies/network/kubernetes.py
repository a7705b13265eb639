"""Policies of Kubernetes itself: NetworkPolicy, and those that an administrator lays over or under them.

https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/,
https://network-policy-api.sigs.k8s.io/api-overview/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cnamm_scan.providers.kubernetes.policies.labels import ALL, selector
from cnamm_scan.providers.kubernetes.policies.network.evaluate import unread
from cnamm_scan.providers.kubernetes.policies.network.model import Action, Direction, Layer, PodPeer, Policy, Rule, Side
from cnamm_scan.providers.openness import NO_ADDRESSES, Addresses, addresses
from cnamm_scan.providers.ports import ALL_PORTS, NO_PORTS, Ports, joined, ports

Json = Any
ODD = (ValueError, TypeError, AttributeError, LookupError, OverflowError)
"""What reading a document raises that no server would have taken: it is one that was not read."""
IN_CALICO = 1000.0
"""The order that Calico gives these policies among its own; among themselves they have none."""
ACTIONS: Mapping[str, Action] = {"allow": Action.ALLOW, "accept": Action.ALLOW, "deny": Action.DENY, "pass": Action.PASS}


def items(value: Json) -> list[Mapping[str, Json]]:
    """The mappings of a list; raises ValueError for what is none."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(each is None or isinstance(each, Mapping) for each in value):
        raise ValueError("no list of mappings")
    return [each or {} for each in value]


def cidrs(block: Mapping[str, Json]) -> Addresses:
    """`cidr` minus `except`. Raises ValueError for what is no network."""
    return addresses([str(block.get("cidr"))]).without(addresses(map(str, block.get("except") or ())))


def network_policy(key: str, namespace: str, spec: Json) -> Policy:
    """A NetworkPolicy. Ingress is always among the types that it does not name, Egress where it has rules for it."""
    try:
        return _network_policy(key, namespace, spec)
    except ODD:
        return unread(key, "NetworkPolicy", namespace)


def _network_policy(key: str, namespace: str, spec: Mapping[str, Json]) -> Policy:
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    sides = {}
    for name, direction, peers in (("Ingress", Direction.INGRESS, "from"), ("Egress", Direction.EGRESS, "to")):
        if name in types:
            try:
                sides[direction] = Side(True, tuple(_rule(each, peers) for each in items(spec.get(direction.value))))
            except ODD:
                sides[direction] = Side(True, (Rule(may_match_more=True),))
    order = (IN_CALICO, key)
    return Policy(key, "NetworkPolicy", namespace, pods=selector(spec.get("podSelector")), sides=sides, order=order)


def _rule(rule: Mapping[str, Json], peers: str) -> Rule:
    """One rule. No peers are everybody, no ports are all."""
    held, names = port_list(rule.get("ports"))
    if not rule.get(peers):
        return Rule(everybody=True, ports=held, port_names=names)
    found = [_peer(each) for each in items(rule[peers])]
    who = NO_ADDRESSES
    for each in found:
        who = who.joined(each) if isinstance(each, Addresses) else who
    pods = tuple(each for each in found if isinstance(each, PodPeer))
    return Rule(addresses=who, pods=pods, ports=held, port_names=names)


def _peer(peer: Mapping[str, Json]) -> PodPeer | Addresses:
    if "ipBlock" in peer:
        return cidrs(peer["ipBlock"])
    where = selector(peer["namespaceSelector"] or {}) if peer.get("namespaceSelector") is not None else None
    return PodPeer(where, selector(peer.get("podSelector")))


def port_list(listed: Json) -> tuple[Ports, frozenset[str]]:
    """Ports by number and by name. A list that is not given is all of them, a port that is not given all of its protocol."""
    if not listed:
        return ALL_PORTS, frozenset()
    made: list[Ports] = [NO_PORTS]
    names = set()
    for each in items(listed):
        protocol, port, end = str(each.get("protocol") or "TCP").lower(), each.get("port"), each.get("endPort")
        if port is None:
            made.append(ports(protocol, 0, 65535))
        elif isinstance(port, int) or str(port).isdigit():
            made.append(ports(protocol, int(port), int(port if end is None else end)))
        else:
            names.add(str(port))
    return joined(made), frozenset(names)


# ---- administrators' policies --------------------------------------------------------------------------------------------


def admin_policy(key: str, kind: str, spec: Json) -> Policy:
    """AdminNetworkPolicy, BaselineAdminNetworkPolicy or ClusterNetworkPolicy: rules in order, the lowest priority first."""
    try:
        return _admin_policy(key, kind, spec)
    except ODD:
        return unread(key, kind)


def _admin_policy(key: str, kind: str, spec: Mapping[str, Json]) -> Policy:
    subject = spec["subject"]
    where, what = subject.get("namespaces"), ALL
    if "pods" in subject:
        pods = subject["pods"] or {}
        where, what = pods.get("namespaceSelector"), selector(pods.get("podSelector"))
    baseline = kind == "BaselineAdminNetworkPolicy" or str(spec.get("tier", "")).lower() == "baseline"
    sides = {}
    for direction, peers in ((Direction.INGRESS, "from"), (Direction.EGRESS, "to")):
        if spec.get(direction.value):
            try:
                sides[direction] = Side(False, tuple(_admin_rule(each, peers) for each in items(spec[direction.value])))
            except ODD:
                sides[direction] = unread(key, kind).sides[direction]
    layer = Layer.BASELINE if baseline else Layer.ADMIN
    order = (float(spec.get("priority") or 0), key)
    return Policy(key, kind, namespaces=selector(where), pods=what, sides=sides, layer=layer, order=order)


def _admin_rule(rule: Mapping[str, Json], peers: str) -> Rule:
    action = ACTIONS.get(str(rule.get("action")).lower())
    who, pods, others, whole = NO_ADDRESSES, list[PodPeer](), False, True
    for each in items(rule.get(peers)):
        if "namespaces" in each:
            found = _namespaces(each["namespaces"])
            whole = whole and found is not None
            pods += [found] if found is not None else []
        elif "pods" in each:
            pods.append(
                PodPeer(selector((each["pods"] or {}).get("namespaceSelector") or {}), selector((each["pods"] or {}).get("podSelector")))
            )
        elif "networks" in each:
            who = who.joined(addresses(map(str, each["networks"] or ())))
        elif "nodes" in each or "domainNames" in each:
            others = True
        else:
            whole = False
    held, names, read = _admin_ports(rule)
    less = action is None or not read
    return Rule(action or Action.ALLOW, False, who, tuple(pods), others, held, names, may_match_more=not whole or less, may_match_less=less)


def _namespaces(written: Json) -> PodPeer | None:
    """The newest form is a selector; an older one puts it under namespaceSelector, or names labels that must be the same."""
    if isinstance(written, Mapping) and "namespaceSelector" in written:
        return PodPeer(selector(written["namespaceSelector"] or {}))
    made = selector(written or {})
    return PodPeer(made) if made.is_whole else None


def _admin_ports(rule: Mapping[str, Json]) -> tuple[Ports, frozenset[str], bool]:
    made: list[Ports] = [NO_PORTS]
    names, whole = set(), True
    for each in items(rule.get("ports")):
        if isinstance(each.get("portNumber"), Mapping):
            made.append(_span(each["portNumber"].get("protocol"), each["portNumber"], "port", "port"))
        elif isinstance(each.get("portRange"), Mapping):
            made.append(_span(each["portRange"].get("protocol"), each["portRange"], "start", "end"))
        elif each.get("namedPort"):
            names.add(str(each["namedPort"]))
        else:
            whole = False
    for protocol, asked in _protocols(items(rule.get("protocols"))):
        if protocol == "destinationNamedPort":
            names.add(str(asked))
            continue
        port = (asked or {}).get("destinationPort") if isinstance(asked, Mapping | None) else None
        if protocol not in ("tcp", "udp", "sctp") or (isinstance(asked, Mapping) and set(asked) - {"destinationPort"}):
            whole = False
        elif not port:
            made.append(ports(protocol, 0, 65535))
        elif "range" in port:
            made.append(_span(protocol, port["range"], "start", "end"))
        else:
            made.append(_span(protocol, port, "number", "number"))
    if not rule.get("ports") and not rule.get("protocols"):
        return ALL_PORTS, frozenset(), True
    return (joined(made) if whole else ALL_PORTS), frozenset(names), whole


def _protocols(listed: Iterable[Mapping[str, Json]]) -> Iterator[tuple[str, Json]]:
    for each in listed:
        yield from ((str(name), asked) for name, asked in each.items())


def _span(protocol: Json, port: Mapping[str, Json], first: str, last: str) -> Ports:
    return ports(str(protocol or "TCP").lower(), int(port[first]), int(port[last]))
