"""Policies over traffic out of collected tables, and what they come to for pods and namespaces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cnamm_scan.model import ASSUME_WHOLE, MadeRow, Target
from cnamm_scan.providers.interface import SeenGroup, SeenRow, SeenTables, rows_if_read
from cnamm_scan.providers.kubernetes.policies.labels import Labels, selector
from cnamm_scan.providers.kubernetes.policies.network import antrea, calico, cilium, kubernetes, openshift
from cnamm_scan.providers.kubernetes.policies.network.evaluate import Network, unread
from cnamm_scan.providers.kubernetes.policies.network.model import NAME_LABEL, Direction, Layer, Level, Pod, Policy
from cnamm_scan.providers.openness import NO_ADDRESSES, Openness, addresses, judge
from cnamm_scan.providers.truths import Truth

NETWORK_POLICY = "kubernetes.networking.network_policy"
KINDS: Mapping[str, str] = {
    NETWORK_POLICY: "NetworkPolicy",
    "kubernetes.cilium.network_policy": "CiliumNetworkPolicy",
    "kubernetes.cilium.clusterwide_network_policy": "CiliumClusterwideNetworkPolicy",
    "kubernetes.calico.network_policy": "Calico NetworkPolicy",
    "kubernetes.calico.global_network_policy": "GlobalNetworkPolicy",
    "kubernetes.network_policy_api.admin_network_policy": "AdminNetworkPolicy",
    "kubernetes.network_policy_api.baseline_admin_network_policy": "BaselineAdminNetworkPolicy",
    "kubernetes.network_policy_api.cluster_network_policy": "ClusterNetworkPolicy",
    "kubernetes.antrea.cluster_network_policy": "Antrea ClusterNetworkPolicy",
    "kubernetes.antrea.network_policy": "Antrea NetworkPolicy",
    "kubernetes.ovn.egress_firewall": "EgressFirewall",
    "kubernetes.openshift_sdn.egress_network_policy": "EgressNetworkPolicy",
    "kubernetes.network_products.aws_cluster_network_policy": "ClusterNetworkPolicy of Amazon EKS",
    "kubernetes.network_products.aws_application_network_policy": "ApplicationNetworkPolicy",
    "kubernetes.network_products.fqdn_network_policy": "FQDNNetworkPolicy",
    "kubernetes.network_products.nsx_security_policy": "SecurityPolicy of NSX",
    "kubernetes.network_products.neuvector_rule": "NvSecurityRule",
    "kubernetes.network_products.neuvector_cluster_rule": "NvClusterSecurityRule",
}
OPAQUE: Mapping[str, tuple[Direction, ...]] = {
    "ClusterNetworkPolicy of Amazon EKS": tuple(Direction),
    "ApplicationNetworkPolicy": tuple(Direction),
    "FQDNNetworkPolicy": (Direction.EGRESS,),
    "SecurityPolicy of NSX": tuple(Direction),
    "NvSecurityRule": tuple(Direction),
    "NvClusterSecurityRule": tuple(Direction),
}
"""Kinds whose rules nobody reads -> the directions in which one that is there leaves everything open to doubt."""
FIREWALLS = {"EgressFirewall", "EgressNetworkPolicy"}
ADMINS = ("kubernetes.network_policy_api.admin_network_policy", "kubernetes.network_policy_api.cluster_network_policy")
TIER = "kubernetes.antrea.tier"
AGENTS: Mapping[str, str] = {
    "cilium": "cilium",
    "anetd": "cilium",
    "calico-node": "calico",
    "canal": "calico",
    "rke2-canal": "calico",
    "antrea-agent": "antrea",
    "ovnkube-node": "ovn",
    "sdn": "openshift_sdn",
}
"""Daemon sets by which a product is known to run: its policies mean nothing without it."""
ENFORCES = re.compile(
    "cilium|anetd|calico-node|canal|rke2-canal|antrea-agent|kube-router|ovnkube-node|azure-npm|weave-net|kube-network-policies"
)
"""Daemon sets of which any enforces the API's own policies; kubernetes.networking.policy_engine tells them by the same names."""
NAMESPACE, POD, DAEMON_SET = "kubernetes.core.namespace", "kubernetes.core.pod", "kubernetes.apps.daemon_set"
CLUSTER = "kubernetes.cluster.cluster"
EGRESS_GATEWAY = "kubernetes.cilium.egress_gateway_policy"


@dataclass
class Cluster:
    """One target's policies, read from what was collected."""

    seen: SeenTables
    target: Target
    facts: dict[str, str] = field(default_factory=dict)
    """Key of a policy -> the id of its fact."""
    rows: dict[str, SeenRow] = field(default_factory=dict)
    network: Network = field(init=False)

    def __post_init__(self) -> None:
        policies = list(self._policies())
        labels: dict[str, Labels | None] = {}
        for row in self.listed(NAMESPACE):
            name, given = str(row.values["name"]), _labels(row)
            labels[name] = None if given is None else {**given, NAME_LABEL: name}
        hidden = [_opaque(f"unseen {kind}", kind) for table, kind in KINDS.items() if table != NETWORK_POLICY and self._is_hidden(table)]
        self.network = Network([*policies, *hidden], labels, not self.seen.dark(NAMESPACE, self.target.id))

    def listed(self, table: str) -> Sequence[SeenRow]:
        """What was seen of a table in this target."""
        return rows_if_read(self.seen, table, self.target.id)

    @property
    def is_files(self) -> bool:
        """Whether only manifests were read: what they do not hold is taken not to undo what they say."""
        return "manifests" in self.target.scope

    def _is_hidden(self, table: str, namespace: str | None = None) -> bool:
        """Whether a policy of a table may be there that was not seen: in a namespace, or anywhere that the scan looks at."""
        if self.is_files or not self.seen.dark(table, self.target.id):
            return False
        scope = self.target.scope
        named, left = scope.get("namespaces") or (), scope.get("excluded_namespaces") or ()
        if (named or left) and self.listed(table):  # it was listed: what lies outside of the scope is left out
            return namespace is not None and (namespace in left or bool(named and namespace not in named))
        return True

    def _tiers(self) -> Mapping[str, float]:
        """Antrea's tiers that somebody made, by name in small letters."""
        rows = ((row.values["name"], row.values["priority"]) for row in self.listed(TIER))
        return {str(name).lower(): float(priority) for name, priority in rows if priority is not None}

    def hidden(self, namespace: str) -> Truth:
        """Whether NetworkPolicies of a namespace may be there that were not seen; None where files do not hold them.

        Files that are said to be all there is hold them all.
        """
        if self.is_files:
            return False if self.target.scope.get(ASSUME_WHOLE) else None
        return self._is_hidden(NETWORK_POLICY, namespace)

    def _policies(self) -> Iterator[Policy]:
        running = self.listed(DAEMON_SET)
        agents = {AGENTS[str(row.values["name"])] for row in running if row.values["name"] in AGENTS}
        is_managed = any(row.values["managed_by"] for row in self.listed(CLUSTER))
        heeded = () if _heeds_none(running, is_managed=is_managed) else ("networking", "network_policy_api")
        admins, tiers = any(self.listed(table) for table in ADMINS), self._tiers()
        for table, kind in KINDS.items():
            product = table.split(".")[1]
            for row in self.listed(table):
                key = f"{kind}/{row.key}"
                self.facts[key], self.rows[key] = row.fact, row
                for policy in _read(key, kind, row, tiers):
                    sure = product in (*agents, *heeded) and not (kind in FIREWALLS and admins)
                    yield policy if sure else _doubted(policy)


def _opaque(key: str, kind: str, namespace: str = "") -> Policy:
    """A policy whose rules nobody reads: in each direction in which its kind speaks it may shut and open whatever there is."""
    if kind in FIREWALLS:
        return openshift.unseen(key, kind)
    made, told = unread(key, kind, namespace), OPAQUE.get(kind, tuple(Direction))
    return replace(made, sides={direction: made.sides[direction] for direction in told})


def _heeds_none(agents: Sequence[SeenRow], *, is_managed: bool) -> bool:
    """Whether the network is one that enforces no policy, or of which that was not seen, with nothing beside it that does.

    Then policies are texts. A managed cluster of EKS, GKE or AKS enforces none unless it is told to, and may hide what runs on its nodes:
    there something that enforces them has to be seen. An own cluster may have it inside of another program, as K3s has.
    """
    told = [_enforces(row) for row in agents]
    return True not in told and (is_managed or False in told)


def _enforces(agent: SeenRow) -> Truth:
    """Whether a daemon set enforces policies; None of what is no network. What was not seen of one that may is taken for no."""
    name, flags = str(agent.values["name"]), agent.values["arguments"] or ()
    containers = agent.values["container_names"] or ()
    if name == "aws-node":
        return "--enable-network-policy=true" in flags
    if name.startswith("kube-flannel"):
        return any("network-polic" in each or "netpol" in each for each in containers)
    if name == "kube-router":
        return "--run-firewall=false" not in flags
    if name == "weave-net":
        return "weave-npc" in containers
    if name == "azure-cns":  # the network of AKS, which leaves policies to an engine that is chosen beside it
        return False
    return True if ENFORCES.fullmatch(name) else None


def _doubted(policy: Policy) -> Policy:
    return replace(policy, is_sure=False)


def _read(key: str, kind: str, row: SeenRow, tiers: Mapping[str, float]) -> Iterable[Policy]:
    namespace, spec = str(row.values.get("namespace") or ""), row.values.get("spec")
    if kind in OPAQUE:
        return [_opaque(key, kind, namespace)]
    if kind in FIREWALLS:
        return [openshift.firewall(key, kind, namespace, spec)]
    if kind.startswith("Antrea"):
        return antrea.policies(key, kind, namespace, spec, tiers)
    if kind.startswith("Cilium"):
        if row.values["specs"] is None or spec is None:
            return [unread(key, kind, namespace)]
        return cilium.policies(key, kind, namespace, spec, row.values["specs"])
    if kind == "NetworkPolicy":
        return [kubernetes.network_policy(key, namespace, spec)]
    if kind in ("Calico NetworkPolicy", "GlobalNetworkPolicy"):
        return [calico.policy(key, kind, namespace, spec)]
    return [kubernetes.admin_policy(key, kind, spec)]


def _clusters(seen: SeenTables) -> Iterator[Cluster]:
    for target in seen.targets:
        yield Cluster(seen, target)


def _selector(row: SeenRow) -> str | None:
    spec = row.values.get("spec")
    if not isinstance(spec, Mapping):
        return None
    named = {
        name: spec[name]
        for name in ("podSelector", "endpointSelector", "selector", "namespaceSelector", "subject", "appliedTo")
        if name in spec
    }
    return json.dumps(named, sort_keys=True)


def _said(cluster: Cluster, key: str, policies: Sequence[Policy], *, by_letter: bool = False) -> dict[str, Any]:
    """What the policies of one object say: the columns of one row. `by_letter`: whether or not the product runs that makes them true."""
    row, first = cluster.rows[key], policies[0]
    made: dict[str, Any] = {"kind": first.kind, "namespace": first.namespace, "selector": _selector(row)}
    made["selects_all"] = None if row.values.get("spec") is None else all(each.is_for_all for each in policies)
    for direction in Direction:
        sides = [each.sides[direction] for each in policies if direction in each.sides]
        answers = [
            side.isolates if by_letter or each.is_sure or side.isolates is False else None for each, side in _pairs(policies, direction)
        ]
        isolates: Truth = True if True in answers else None if None in answers else False
        if first.layer is not Layer.MAIN and sides:
            isolates = cluster.network.shuts(first, direction)
        made[f"isolates_{direction.value}"] = isolates
        least, most = _own_level(cluster, policies, direction)
        made["callers" if direction is Direction.INGRESS else "destinations"] = least.name.lower() if least is most else None
        if direction is Direction.EGRESS:
            made["reaches_world"] = _is_world(least, most)
    return made


def _own_level(cluster: Cluster, policies: Sequence[Policy], direction: Direction) -> tuple[Level, Level]:
    """The widest that the rules of one object let in or out, at least and at most."""
    reached = [cluster.network.of_policy(each, direction) for each in policies]
    return max(each[0] for each in reached), max(each[1] for each in reached)


def _is_world(least: Level, most: Level) -> Truth:
    return True if least is Level.WORLD else None if most is Level.WORLD else False


def _pairs(policies: Sequence[Policy], direction: Direction) -> Iterator[tuple[Policy, Any]]:
    return ((each, each.sides[direction]) for each in policies if direction in each.sides)


def _isolates(cluster: Cluster, policy: Policy) -> Truth:
    """Whether a policy refuses what it does not allow, one way or the other."""
    answers = [
        side.isolates if policy.layer is Layer.MAIN else cluster.network.shuts(policy, direction)
        for direction, side in policy.sides.items()
    ]
    if not policy.is_sure:
        answers = [None if each else each for each in answers]
    return True if True in answers else None if None in answers else False


def _by_object(cluster: Cluster) -> dict[str, list[Policy]]:
    made: dict[str, list[Policy]] = {}
    for policy in cluster.network.policies:
        if policy.key in cluster.rows:
            made.setdefault(policy.key, []).append(policy)
    return made


def network_policies(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each policy of whichever product."""
    for cluster in _clusters(seen):
        for key, policies in _by_object(cluster).items():
            row = cluster.rows[key]
            system = row.values.get("is_system") if "is_system" in row.values else False
            said = _said(cluster, key, policies, by_letter=True)
            yield MadeRow(row.target, row.region, key, {**said, "is_system": system}, (row.fact,))


def applied_policies(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each namespace and each policy that holds, or may hold, for pods in it."""
    for cluster in _clusters(seen):
        said = {key: _said(cluster, key, policies) for key, policies in _by_object(cluster).items()}
        for row in cluster.listed(NAMESPACE):
            name = str(row.values["name"])
            for key in dict.fromkeys(policy.key for policy in cluster.network.applied(name)):
                facts = tuple(filter(None, (row.fact, cluster.facts.get(key))))
                yield MadeRow(row.target, row.region, f"{name} {key}", {**said.get(key, {}), "namespace": name}, facts)
            if cluster.hidden(name) is not False:  # one row for those that may be there
                yield MadeRow(row.target, row.region, f"{name} unseen NetworkPolicy", {"namespace": name}, (row.fact,))


def restricted_pods(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each group of pods that are alike: of one namespace, with the same labels, on their own network or their node's."""
    for cluster in _clusters(seen):
        for group in _groups(cluster):
            first = group.first
            values = {name: first.values[name] for name in ("namespace", "label_text", "host_network")}
            yield MadeRow(first.target, first.region, first.key, {**values, **_restricted(cluster, first)}, (first.fact,))


def _groups(cluster: Cluster) -> list[SeenGroup]:
    """The pods that run, those that policies cannot tell apart as one."""
    made: dict[tuple[Any, ...], SeenGroup] = {}
    for group in cluster.seen.groups(POD):
        values = group.first.values
        if group.first.target == cluster.target.id and not values["is_finished"]:
            kind = (values["namespace"], values["label_text"], values["host_network"])
            known = made.get(kind)  # of those of which it is not known whether they have finished, and those that have not, the first leads
            made[kind] = group if known is None else SeenGroup(known.first, known.count + group.count)
    return list(made.values())


def _labels(row: SeenRow) -> Labels | None:
    """The labels of a pod or namespace; None for what no server would have taken, as for what was not seen."""
    given = row.values["labels"] if "labels" in row.values else _parsed(row.values["label_text"])
    if not isinstance(given, Mapping):
        return None
    return given if all(type(value) is str for value in given.values()) else {name: str(value) for name, value in given.items()}


def _parsed(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def _restricted(cluster: Cluster, row: SeenRow) -> dict[str, Any]:
    namespace, host = row.values["namespace"], row.values["host_network"]
    if host or namespace is None:  # no policy covers what is on its node's network
        open_ = {"on_ingress": False, "on_egress": False, "callers": "world", "destinations": "world"}
        return open_ if host else {}
    pod = cluster.network.pod(namespace, _labels(row))
    made: dict[str, Any] = {}
    for direction, name in ((Direction.INGRESS, "callers"), (Direction.EGRESS, "destinations")):
        found = cluster.network.reach(pod, direction, hidden=cluster.hidden(namespace))
        restricts, level = found.restricts, found.level
        if host is None:
            restricts, level = (None if restricts else restricts), None
        made[f"on_{direction.value}"] = restricts
        made[name] = None if level is None else level.name.lower()
    return made


def restricted_namespaces(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each namespace: whether its pods refuse what no policy names, and whether a policy lets them out to the world."""
    for cluster in _clusters(seen):
        pods: dict[str, list[SeenGroup]] = {}
        for group in _groups(cluster):
            pods.setdefault(str(group.first.values["namespace"]), []).append(group)
        dark = seen.dark(POD, cluster.target.id)
        worlds = {key: _is_world(*_own_level(cluster, each, Direction.EGRESS)) for key, each in _by_object(cluster).items()}
        for row in cluster.listed(NAMESPACE):
            name = str(row.values["name"])
            hidden, count = cluster.hidden(name), sum(group.count for group in pods.get(name, ()))
            own, unsure = (
                sum(group.count for group in pods.get(name, ()) if group.first.values["host_network"] is way) for way in (False, None)
            )
            held = cluster.network.applied(name)
            isolating = {each.key: _isolates(cluster, each) for each in held if _isolates(cluster, each) is not False}
            restricting = [key for key, sure in isolating.items() if sure]
            made = {
                "namespace": name,
                "is_system": row.values["is_system"],
                "pods": None if dark and not count else count,
                "own_pods": None if (dark and not own) or unsure else own,
                "has_own_pods": True if own else None if dark or unsure else False,
                "policies": len(restricting) or (0 if hidden is False and not isolating else None),
                "restricts_pods": _restricts_some(cluster, name, [group.first for group in pods.get(name, ())], more=dark),
                "denies_ingress": cluster.network.denies(name, Direction.INGRESS, hidden=hidden),
                "denies_egress": cluster.network.denies(name, Direction.EGRESS, hidden=hidden),
                "keeps_in": cluster.network.confines(name, Direction.EGRESS, Level.WORLD, hidden=hidden),
                "reaches_world": _reaches_world(cluster, name, [group.first for group in pods.get(name, ())], worlds),
                "leaves_by_gateway": _by_gateway(cluster, name),
            }
            yield MadeRow(row.target, row.region, row.key, made, (row.fact,))


def _restricts_some(cluster: Cluster, name: str, pods: Sequence[SeenRow], *, more: bool) -> Truth:
    """Whether policies isolate one of these pods, one way or the other: what selects none of them does not. `more`: others may run."""
    answers: list[Truth] = [None if more else False]
    for row in pods:
        if row.values["host_network"]:
            continue
        for direction in Direction:
            found = cluster.network.reach(cluster.network.pod(name, _labels(row)), direction, hidden=cluster.hidden(name))
            answers += [found.isolated, found.restricts]
    return True if True in answers else None if None in answers else False


def _reaches_world(cluster: Cluster, name: str, pods: Sequence[SeenRow], worlds: Mapping[str, Truth]) -> Truth:
    hidden = cluster.hidden(name)
    answers: list[Truth] = [worlds[each.key] for each in cluster.network.applied(name) if each.key in worlds]
    for row in pods:
        if row.values["host_network"]:
            continue
        found = cluster.network.reach(cluster.network.pod(name, _labels(row)), Direction.EGRESS, hidden=hidden)
        if found.isolated is not False:
            answers.append(found.reaches(Level.WORLD))
    return True if True in answers else None if hidden or None in answers else False


def _by_gateway(cluster: Cluster, name: str) -> Truth:
    """Whether a policy of Cilium's egress gateway takes whatever any pod of a namespace sends to the world."""
    answers: list[Truth] = [None if cluster._is_hidden(EGRESS_GATEWAY) else False]
    pod = Pod(name, {}, cluster.network.labels_of(name))
    for row in cluster.listed(EGRESS_GATEWAY):
        spec = row.values["spec"]
        if not isinstance(spec, Mapping):
            answers.append(None)
            continue
        try:
            left = addresses(map(str, spec.get("destinationCIDRs") or ())).without(addresses(map(str, spec.get("excludedCIDRs") or ())))
        except (ValueError, TypeError):
            left = NO_ADDRESSES
        if judge(left) is not Openness.WORLD:
            continue
        for each in spec.get("selectors") or ():
            if not isinstance(each, Mapping):
                answers.append(None)
                continue
            picked, where = selector(each.get("podSelector")), selector(each.get("namespaceSelector"))
            answers.append(where.matches(pod.namespace_labels) if picked.is_all else False)
    return True if True in answers else None if None in answers else False
