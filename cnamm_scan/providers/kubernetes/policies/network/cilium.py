"""Policies of Cilium: what any of them allows, minus what any denies, once one of them or of Kubernetes' selects a pod.

https://docs.cilium.io/en/stable/security/policy/language/, https://docs.cilium.io/en/stable/security/policy/deny/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cnamm_scan.providers.kubernetes.policies.labels import ALL, UNREAD, Selector, Term, selector
from cnamm_scan.providers.kubernetes.policies.network.evaluate import unread
from cnamm_scan.providers.kubernetes.policies.network.kubernetes import ODD, cidrs, items
from cnamm_scan.providers.kubernetes.policies.network.model import NAME_LABEL, Action, Direction, PodPeer, Policy, Rule, Side
from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES, Addresses, addresses
from cnamm_scan.providers.ports import ALL_PORTS, NO_PORTS, Ports, joined, ports

Json = Any
NAMESPACE = "io.kubernetes.pod.namespace"
OF_NAMESPACE = "io.cilium.k8s.namespace.labels."
WORLDS = {"world": EVERYWHERE, "world-ipv4": Addresses(EVERYWHERE.ipv4), "world-ipv6": Addresses((), EVERYWHERE.ipv6)}
NAMED = frozenset({"host", "remote-node", "kube-apiserver", "ingress", "init", "health", "unmanaged", "none"})
PEERS = {
    Direction.INGRESS: ("fromEndpoints", "fromEntities", "fromCIDR", "fromCIDRSet", "fromNodes", "fromGroups", "fromRequires"),
    Direction.EGRESS: ("toEndpoints", "toEntities", "toCIDR", "toCIDRSet", "toNodes", "toGroups", "toRequires", "toServices", "toFQDNs"),
}


def policies(key: str, kind: str, namespace: str, spec: Json, specs: Json) -> Iterator[Policy]:
    """The policies of one object, which may hold several. Those over nodes select no pod."""
    for one in [*([spec] if spec else []), *(specs if isinstance(specs, list) else [specs])]:
        if not isinstance(one, Mapping):
            yield unread(key, kind, namespace)
        elif "nodeSelector" not in one:
            try:
                yield _policy(key, kind, namespace, one)
            except ODD:
                yield unread(key, kind, namespace)


def _policy(key: str, kind: str, namespace: str, spec: Mapping[str, Json]) -> Policy:
    where, what = _split(spec.get("endpointSelector") or {})
    sides = {}
    for direction in Direction:
        name = direction.value
        allowed, denied = spec.get(name), spec.get(f"{name}Deny")
        wanted = spec.get("enableDefaultDeny")
        said = wanted.get(name) if isinstance(wanted, Mapping) else None
        if not allowed and not denied and said is None:
            continue
        try:
            rules = [rule for each in items(allowed) for rule in _rules(each, direction, namespace, Action.ALLOW)]
            rules += [rule for each in items(denied) for rule in _rules(each, direction, namespace, Action.DENY)]
            sides[direction] = Side(True if said is None else bool(said), tuple(rules))
        except ODD:
            sides[direction] = unread(key, kind).sides[direction]
    return Policy(key, kind, namespace, where, what, sides)


def _split(written: Json) -> tuple[Selector, Selector]:
    """A selector over endpoints as one over their namespaces and one over their own labels. Labels may name their source."""
    read = selector(written)
    where, what = list[Term](), list[Term]()
    for term in read.terms:
        source, _, rest = term.key.partition(":")
        key = rest if source in ("k8s", "any") and rest else term.key.removeprefix("k8s.").removeprefix("any.")
        if key == NAMESPACE:
            where.append(Term(NAME_LABEL, term.operator, term.values))
        elif key.startswith(OF_NAMESPACE):
            where.append(Term(key.removeprefix(OF_NAMESPACE), term.operator, term.values))
        elif ":" in key or key.startswith("io.cilium."):  # reserved:host, or an account: not to be seen here
            return UNREAD, UNREAD
        else:
            what.append(Term(key, term.operator, term.values))
    return (ALL if not where else Selector(tuple(where))), Selector(tuple(what), read.is_whole)


def _rules(rule: Mapping[str, Json], direction: Direction, namespace: str, action: Action) -> Iterator[Rule]:
    """One rule. Without anybody at the other end its ports are open to everybody; without ports either it matches nothing."""
    held, names, less = _to_ports(rule)
    named = [name for name in PEERS[direction] if name in rule]
    more, first = False, action is Action.DENY
    if not named:
        if "toPorts" in rule:
            yield Rule(action, True, ports=held, port_names=names, may_match_less=less, comes_first=first)
        return
    who, pods, others, everybody = NO_ADDRESSES, list[PodPeer](), False, False
    for name in named:
        for each in rule[name] or ():
            if name.endswith("Endpoints"):
                where, what = _split(each or {})
                bound = where.terms or not where.is_whole
                pods.append(PodPeer(where if bound or not namespace else None, what))
            elif name.endswith("Entities"):
                everybody = everybody or each == "all"
                pods += [PodPeer(ALL)] if each == "cluster" else []
                who = who.joined(WORLDS.get(each, NO_ADDRESSES))
                others = others or each in NAMED
                more = more or not (each in ("all", "cluster") or each in WORLDS or each in NAMED)
            elif name.endswith("CIDR"):
                who = who.joined(addresses([str(each)]))
            elif name.endswith("CIDRSet"):
                more = more or "cidr" not in each
                who = who.joined(cidrs(each)) if "cidr" in each else who
            elif name.endswith("Requires"):
                less = True
            elif name == "toFQDNs":
                open_name = _is_any_host(str(each.get("matchPattern") or each.get("matchName") or ""))
                who, others = (EVERYWHERE if open_name else who), True
            else:
                others = True
    yield Rule(action, everybody, who, tuple(pods), others, held, names, more, less, first)


def _is_any_host(pattern: str) -> bool:
    """Whether a pattern over host names leaves strangers' names in: fewer than two labels of it are fixed."""
    return sum(bool(label) and "*" not in label for label in pattern.strip(".").split(".")) < 2 and "*" in pattern


def _to_ports(rule: Mapping[str, Json]) -> tuple[Ports, frozenset[str], bool]:
    """Ports by number and name, and whether the rule may match less than they say: it looks into what is asked too."""
    if "toPorts" not in rule:
        return (NO_PORTS if rule.get("icmps") else ALL_PORTS), frozenset(), False
    made: list[Ports] = [NO_PORTS]
    names = set()
    for each in items(rule["toPorts"]):
        if not each.get("ports"):
            made.append(ALL_PORTS)
        for port in items(each.get("ports")):
            protocol = str(port.get("protocol") or "ANY").lower()
            number, end = str(port.get("port") or "0"), port.get("endPort")
            if not number.isdigit():
                names.add(number)
                continue
            first, last = int(number), int(end or number)
            if first == 0:
                first, last = 0, 65535
            made += [ports(one, first, last) for one in (("tcp", "udp", "sctp") if protocol == "any" else (protocol,))]
    return joined(made), frozenset(names), False
