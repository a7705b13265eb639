"""Antrea's own policies: tiers in order, first match; Pass hands on to the policies of Kubernetes, which stand before the baseline tier.

They isolate nobody by themselves. What stands here in no form that is read (groups, accounts) may match anybody, and nobody for sure.
https://antrea.io/docs/main/docs/antrea-network-policy/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnamm_scan.providers.kubernetes.policies.labels import ALL, UNREAD, selector
from cnamm_scan.providers.kubernetes.policies.network.evaluate import unread
from cnamm_scan.providers.kubernetes.policies.network.kubernetes import ODD, cidrs, items, port_list
from cnamm_scan.providers.kubernetes.policies.network.model import Action, Direction, Layer, PodPeer, Policy, Rule, Side
from cnamm_scan.providers.kubernetes.policies.network.selectors import Matcher
from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES

Json = Any
ACTIONS: Mapping[str, Action] = {"Allow": Action.ALLOW, "Drop": Action.DENY, "Reject": Action.DENY, "Pass": Action.PASS}
BASELINE = "baseline"
TIERS: Mapping[str, float] = {"emergency": 50, "securityops": 100, "networkops": 150, "platform": 200, "application": 250, BASELINE: 253}
"""Those that are always there. A policy that names none is of the application tier."""
_WIDTH = 1e6
"""More than the largest priority of a policy: the tier comes first."""
_KNOWN = frozenset("action from to ports name enableLogging logLabel toServices".split())
"""What a rule may say that is read here."""


def policies(key: str, kind: str, namespace: str, spec: Json, tiers: Mapping[str, float]) -> list[Policy]:
    """One for each of those that it applies to. `tiers`: priorities of the cluster's own tiers."""
    try:
        return _policies(key, kind, namespace, spec, tiers)
    except ODD:
        return [unread(key, kind, namespace)]


def _policies(key: str, kind: str, namespace: str, spec: Mapping[str, Json], tiers: Mapping[str, float]) -> list[Policy]:
    if not items(spec.get("appliedTo")):  # then each rule says for itself
        return [unread(key, kind, namespace)]
    tier = str(spec.get("tier") or "application").lower()
    place = TIERS.get(tier, tiers.get(tier))
    layer = Layer.BASELINE if tier == BASELINE else Layer.ADMIN
    order = ((place or 0.0) * _WIDTH + float(spec["priority"]), key)
    sides = {}
    for direction, peers in ((Direction.INGRESS, "from"), (Direction.EGRESS, "to")):
        if spec.get(direction.value):
            sides[direction] = Side(False, tuple(_rule(each, peers, namespace) for each in items(spec[direction.value])))
    made = []
    for each in items(spec["appliedTo"]):
        if each.keys() & {"nodeSelector", "service", "externalEntitySelector"}:
            continue  # no pod of ours
        where, what, whole = _chosen(each, namespace)
        pods: Matcher = what if whole else UNREAD
        made.append(Policy(key, kind, namespace, where or ALL, pods, sides, layer, order, is_sure=place is not None))
    return made or [Policy(key, kind, namespace, ALL, UNREAD, {}, layer, order, is_sure=False)]


def _chosen(peer: Mapping[str, Json], namespace: str) -> tuple[Matcher | None, Matcher, bool]:
    """Namespaces (None: the policy's own), pods, and whether that is all there is to it."""
    where: Matcher | None = selector(peer["namespaceSelector"]) if peer.get("namespaceSelector") is not None else None
    if where is None and not namespace:
        where = ALL
    whole = not peer.keys() - {"podSelector", "namespaceSelector", "namespaces"} and bool(peer)
    if peer.get("namespaces") is not None:
        where, whole = None, whole and peer["namespaces"] == {"match": "Self"}
    return where, selector(peer.get("podSelector")), whole


def _rule(rule: Mapping[str, Json], peers: str, namespace: str) -> Rule:
    action = ACTIONS.get(str(rule.get("action")))
    held, names = port_list(rule.get("ports"))
    less = action is None or bool({name for name in rule if rule[name]} - _KNOWN)
    less = less or any(each.keys() & {"sourcePort", "sourceEndPort"} for each in items(rule.get("ports")))
    who, pods, more = NO_ADDRESSES, list[PodPeer](), action is None
    others = bool(rule.get("toServices"))
    listed = items(rule.get(peers))
    for each in listed:
        if each.get("ipBlock") is not None:
            who = who.joined(cidrs(each["ipBlock"]))
        elif each.get("fqdn"):
            others = True
            if str(each["fqdn"]).strip("*.").count(".") < 1 and "*" in str(each["fqdn"]):
                who = EVERYWHERE
                less = less or action is not Action.ALLOW  # an address that nobody asked for by a name is not refused
        else:
            where, what, read = _chosen(each, namespace)
            more = more or not read
            pods += [PodPeer(where, what)] if read else []
    everybody = not listed and not others
    return Rule(action or Action.ALLOW, everybody, who, tuple(pods), others, held, names, more, less)
