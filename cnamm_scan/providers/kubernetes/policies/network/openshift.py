"""Egress firewalls of OpenShift's two networks: what the pods of a namespace may reach outside the cluster, by the first rule that matches.

They speak of addresses outside alone, open nothing that another policy shuts, and let out what no rule takes.
https://docs.redhat.com/en/documentation/openshift_container_platform/4.14/html/network_apis/egressfirewall-k8s-ovn-org-v1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cnamm_scan.providers.kubernetes.policies.network.kubernetes import ODD, items, port_list
from cnamm_scan.providers.kubernetes.policies.network.model import Action, Direction, Layer, Policy, Rule, Side
from cnamm_scan.providers.openness import EVERYWHERE, addresses

Json = Any
ACTIONS: Mapping[str, Action] = {"Allow": Action.PASS, "Deny": Action.DENY}
"""What it allows still has to be let out by the policies of Kubernetes."""
_FIRST = float("-inf")
_UNREAD = Rule(Action.DENY, addresses=EVERYWHERE, may_match_less=True)


def firewall(key: str, kind: str, namespace: str, spec: Json) -> Policy:
    """An EgressFirewall or EgressNetworkPolicy."""
    try:
        rules = tuple(_rule(each) for each in items(spec["egress"]))
    except ODD:
        rules = (_UNREAD,)
    return Policy(key, kind, namespace, sides={Direction.EGRESS: Side(False, rules)}, layer=Layer.ADMIN, order=(_FIRST, key))


def unseen(key: str, kind: str) -> Policy:
    """Those that nobody could list: there may be one in any namespace."""
    return replace(firewall(key, kind, "", None), is_sure=False)


def _rule(rule: Mapping[str, Json]) -> Rule:
    action = ACTIONS[str(rule["type"])]
    to = rule["to"]
    held, names = port_list(rule.get("ports"))
    if names:
        raise ValueError("a port is a number")
    if to.get("cidrSelector"):
        return Rule(action, addresses=addresses([str(to["cidrSelector"])]), ports=held)
    if "dnsName" not in to and "nodeSelector" not in to:
        raise ValueError("to nobody that is known")
    # whose addresses these are nobody sees: few, but which ones
    return Rule(action, others=True, ports=held)
