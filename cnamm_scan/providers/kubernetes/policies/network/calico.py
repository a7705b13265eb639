"""Policies of Calico: in order, first match; what no rule of the tier takes is refused to whom one of its policies selects.

Kubernetes' own stand among them with the order 1000. Policies of other tiers than the default one are carried as what may hold.
https://docs.tigera.io/calico/latest/reference/resources/networkpolicy, https://docs.tigera.io/calico/latest/reference/resources/tier
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnamm_scan.providers.kubernetes.policies.labels import Labels
from cnamm_scan.providers.kubernetes.policies.network.evaluate import unread
from cnamm_scan.providers.kubernetes.policies.network.kubernetes import ODD, items
from cnamm_scan.providers.kubernetes.policies.network.model import NAME_LABEL, Action, Direction, PodPeer, Policy, Rule, Side
from cnamm_scan.providers.kubernetes.policies.network.selectors import EVERYTHING, Expression, expression
from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES, addresses
from cnamm_scan.providers.ports import ALL_PORTS, NO_PORTS, PROTOCOLS, Ports, joined, ports
from cnamm_scan.providers.truths import Truth

Json = Any
ACTIONS = {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS, "Log": None}
_OWN = {"projectcalico.org/orchestrator": "k8s"}


@dataclass(frozen=True, slots=True)
class Adding:
    """An expression over labels to which Calico adds its own."""

    inner: Expression
    of_namespaces: bool = False

    @property
    def is_all(self) -> bool:
        """Whether it picks whatever there is."""
        return self.inner.is_all or self.inner.root in (("has", "projectcalico.org/name"), ("==", "projectcalico.org/orchestrator", "k8s"))

    def matches(self, labels: Labels | None) -> Truth:
        """Whether it picks what has these labels."""
        if self.is_all or labels is None:
            return self.is_all or None
        added = {"projectcalico.org/name": labels.get(NAME_LABEL, "")} if self.of_namespaces else _OWN
        return self.inner.matches({**labels, **added})

    def named(self) -> Any:
        """Keys and values that it looks at."""
        return ((key, value) for key, value in self.inner.named() if not key.startswith("projectcalico.org/"))


def policy(key: str, kind: str, namespace: str, spec: Json) -> Policy:
    """A NetworkPolicy or GlobalNetworkPolicy of Calico."""
    try:
        return _policy(key, kind, namespace, spec)
    except ODD:
        return unread(key, kind, namespace)


def _policy(key: str, kind: str, namespace: str, spec: Mapping[str, Json]) -> Policy:
    types = spec.get("types") or [
        *(["Ingress"] if spec.get("ingress") or not spec.get("egress") else []),
        *(["Egress"] if spec.get("egress") else []),
    ]
    sides = {}
    for name, direction in (("Ingress", Direction.INGRESS), ("Egress", Direction.EGRESS)):
        if name in types:
            try:
                rules = (_rule(each, direction, namespace) for each in items(spec.get(direction.value)))
                sides[direction] = Side(True, tuple(rule for rule in rules if rule is not None))
            except ODD:
                sides[direction] = unread(key, kind).sides[direction]
    order = spec.get("order")
    sure = spec.get("tier") in (None, "", "default") and not any(
        spec.get(each) for each in ("serviceAccountSelector", "doNotTrack", "preDNAT", "applyOnForward")
    )
    return Policy(
        key,
        kind,
        namespace,
        Adding(expression(spec.get("namespaceSelector")), of_namespaces=True),
        Adding(expression(spec.get("selector"))),
        sides,
        order=(float("inf") if order is None else float(order), key),
        is_sure=sure,
    )


def _rule(rule: Mapping[str, Json], direction: Direction, namespace: str) -> Rule | None:
    action = ACTIONS.get(str(rule.get("action")), Action.ALLOW)
    if action is None:  # writes down and goes on
        return None
    source, target = rule.get("source") or {}, rule.get("destination") or {}
    peer, own = (source, target) if direction is Direction.INGRESS else (target, source)
    held, names, whole = _ports(rule.get("protocol"), target)
    less = (
        not whole
        or str(rule.get("action")) not in ACTIONS
        or any(rule.get(each) for each in ("notProtocol", "http", "icmp", "notICMP", "ipVersion"))
        or bool(set(own) - ({"ports"} if direction is Direction.INGRESS else set()))
        or any(peer.get(each) for each in ("notSelector", "notPorts", "serviceAccounts"))
        or bool(direction is Direction.INGRESS and peer.get("ports"))
    )
    selected = peer.get("selector") or peer.get("namespaceSelector") or peer.get("serviceAccounts") or peer.get("notSelector")
    less = less or bool(peer.get("notNets") and (peer.get("nets") or selected))
    who, pods, others, everybody, more = NO_ADDRESSES, list[PodPeer](), False, False, False
    if peer.get("domains") or peer.get("services"):
        open_name = any("*" in str(each) and str(each).strip("*.").count(".") < 1 for each in peer.get("domains") or ())
        who, others = (EVERYWHERE if open_name else who), True
    if peer.get("nets"):
        who = who.joined(addresses(map(str, peer["nets"])))
        less = less or bool(selected)
    elif peer.get("notNets") and not selected:
        who, more = EVERYWHERE.without(addresses(map(str, peer["notNets"]))), True
    elif selected:
        where = peer.get("namespaceSelector")
        outside = where is not None and expression(where).root == ("global",)
        matcher = None if where is None and namespace else Adding(expression(where), of_namespaces=True)
        what = EVERYTHING if not peer.get("selector") else expression(peer["selector"])
        pods = [] if outside else [PodPeer(matcher, Adding(what))]
        others = outside
    elif not others:
        everybody = True
    return Rule(action, everybody, who, tuple(pods), others, held, names, more, less)


def _ports(protocol: Json, target: Mapping[str, Json]) -> tuple[Ports, frozenset[str], bool]:
    """Ports by number, range (`1:1024`) and name. Without a protocol all that have ports."""
    numbers = {"6": "tcp", "17": "udp", "132": "sctp"}
    named = str(protocol).lower()
    asked = PROTOCOLS if protocol is None else (numbers.get(named, named),)
    if not target.get("ports"):
        return joined([NO_PORTS, *(ports(each, 0, 65535) for each in asked)]) if protocol is not None else ALL_PORTS, frozenset(), True
    made: list[Ports] = [NO_PORTS]
    names = set()
    for port in target["ports"]:
        first, _, last = str(port).partition(":")
        if first.isdigit():
            made += [ports(each, int(first), int(last or first)) for each in asked]
        else:
            names.add(str(port))
    return joined(made), frozenset(names), True
