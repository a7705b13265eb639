"""What the functions about traffic are called in content, and what the columns of their rows mean. Imports none of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cnamm_scan.model import Column
from cnamm_scan.providers.interface import Maker
from cnamm_scan.providers.makers import later
from cnamm_scan.providers.ports import LISTS

LEVELS = "nobody, named, namespace, private, bounded, cluster (every pod of it), wide (a block broader than /8 or /32), world"
SELECTED: Mapping[str, Column] = {
    "kind": Column("text", about="NetworkPolicy, CiliumNetworkPolicy, GlobalNetworkPolicy of Calico …"),
    "namespace": Column("text", about="Empty for those of the whole cluster."),
    "selector": Column("text", about="Which pods it selects, as written."),
    "selects_all": Column("boolean", about="It selects every pod of the namespaces that it holds in."),
    "isolates_ingress": Column("boolean", about="What it does not allow is refused on the way in."),
    "isolates_egress": Column("boolean"),
    "callers": Column("text", about=f"The widest that its own rules let in: {LEVELS}."),
    "destinations": Column("text", about="The widest that its own rules let out to, questions to name servers left out."),
    "reaches_world": Column("boolean", about="Its own rules together let more than DNS out to the world."),
}
POLICY: Mapping[str, Column] = {**SELECTED, "is_system": Column("boolean")}
APPLIED: Mapping[str, Column] = {**SELECTED}
RESTRICTED: Mapping[str, Column] = {
    "namespace": Column("text"),
    "label_text": Column("text", about="Their labels, as one text."),
    "host_network": Column("boolean"),
    "on_ingress": Column("boolean", about="Policies keep callers out: not all pods, nor the world, get in on more than 1,024 ports."),
    "on_egress": Column("boolean", about="The same for what they may reach."),
    "callers": Column("text", about=f"The widest that reaches them on any port: {LEVELS}."),
    "destinations": Column("text", about="The widest that they reach, questions to name servers left out."),
}
NAMESPACE: Mapping[str, Column] = {
    "namespace": Column("text"),
    "is_system": Column("boolean"),
    "pods": Column("integer", about="How many pods run in it."),
    "own_pods": Column("integer", about="How many of them are not on their node's network: policies hold for these alone."),
    "has_own_pods": Column("boolean", about="Whether one of them certainly is not, however many are."),
    "policies": Column("integer", about="How many policies certainly isolate pods in it."),
    "restricts_pods": Column("boolean", about="Policies isolate at least one of the pods that run in it, one way or the other."),
    "denies_ingress": Column(
        "boolean", about="Every pod in it refuses what no policy names; what holds for all names neither all pods nor the world."
    ),
    "denies_egress": Column("boolean"),
    "keeps_in": Column(
        "boolean", about="No pod that there may be in it gets out to the world by more than DNS; it may reach the whole cluster."
    ),
    "reaches_world": Column("boolean", about="A policy, or several together for one pod, let more than DNS out to the world."),
    "leaves_by_gateway": Column(
        "boolean", about="What its pods send to the world leaves through nodes that Cilium's egress gateway names."
    ),
}
OPENS: Mapping[str, Column] = {
    f"opens_{name}": Column("boolean", about=f"A port behind it, its name, or the program that answers is of the list {name}.")
    for name in LISTS
}
SERVICE: Mapping[str, Column] = {
    "namespace": Column("text"),
    "name": Column("text"),
    "labels": Column("json"),
    "is_system": Column("boolean"),
    "type": Column("text"),
    "selector": Column("json"),
    "ports": Column("list"),
    "protocols": Column("list", about="What its ports speak: TCP, UDP, SCTP."),
    "target_ports": Column(
        "list", about="Ports by which it tells what it is: those of pods, names looked up, and its own where callers use these."
    ),
    "is_web": Column("boolean", about="These are 80, 443, 8080 and 8443 alone."),
    "programs": Column("list", about="Images that may answer on them, such as grafana/grafana."),
    "source_ranges": Column("list"),
    "external_ips": Column("list"),
    "is_exposed": Column("boolean", about="It is reached from outside the cluster."),
    "is_internal": Column("boolean", about="Its load balancer stands inside the network."),
    "admitted": Column("text", about="Whom its load balancer lets in: none, private, bounded, wide or world."),
    "is_public": Column(
        "boolean", about="Strangers reach it: by a node's port, an external address, or a load balancer that admits the world."
    ),
    **OPENS,
    "lists": Column("list", about="Lists of which it certainly opens a port."),
}
BACKEND: Mapping[str, Column] = {
    "namespace": Column("text"),
    "ingress": Column("text"),
    "service": Column("text"),
    "is_system": Column("boolean"),
    "addresses": Column("list", about="Hosts and paths by which the ingress leads to it; * is any host."),
    "ports": Column("list", about="Ports of the pods behind it."),
    **OPENS,
    "lists": Column("list"),
}

_later = partial(later, "kubernetes")

MAKERS: Mapping[str, Maker] = {
    "network_policies": Maker(_later("network", "network_policies"), POLICY),
    "applied_policies": Maker(_later("network", "applied_policies"), APPLIED),
    "restricted_pods": Maker(_later("network", "restricted_pods"), RESTRICTED),
    "restricted_namespaces": Maker(_later("network", "restricted_namespaces"), NAMESPACE),
    "service_doors": Maker(_later("services", "service_doors"), SERVICE),
    "ingress_ports": Maker(_later("services", "ingress_ports"), BACKEND),
}
