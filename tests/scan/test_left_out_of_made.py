"""What a wing's function makes of a namespace that was left out is unknown there, and known in all others."""

from __future__ import annotations

from pathlib import Path

from cnamm_scan.demo.cluster.bed.server import ClusterBed, Resource, Trouble
from tests.clusters import cluster, pod, scan, thing, verdicts

RULES = (
    "kubernetes.networking.namespace_denies_ingress",
    "kubernetes.networking.namespace_denies_egress",
    "kubernetes.networking.quarantine_policy_ready",
    "kubernetes.admission.namespaces_enforce_baseline",
)


def test_one_namespace_that_is_left_out_hides_nothing_of_the_others(tmp_path: Path) -> None:
    spec = {"podSelector": {"matchLabels": {"q": "1"}}, "policyTypes": ["Ingress", "Egress"]}
    policy = thing("NetworkPolicy", "quarantine", "shop", api="networking.k8s.io/v1", spec=spec)
    agent = thing("DaemonSet", "kube-router", "kube-system", api="apps/v1", spec={"template": {"spec": {"containers": []}}})
    levels = {"old": "privileged", "shop": "baseline", "bare": "privileged", "kube-system": "privileged"}
    enforce = "pod-security.kubernetes.io/enforce"
    spaces = [thing("Namespace", name, metadata={"labels": {enforce: level}}, status={"phase": "Active"}) for name, level in levels.items()]
    seen = cluster(pod("web", "shop"), pod("web", "bare"), pod("gone", "old"), *spaces)
    seen.serve("networking.k8s.io/v1", Resource("networkpolicies", "NetworkPolicy"))
    seen.serve("apps/v1", Resource("daemonsets", "DaemonSet"))
    seen.add(policy)
    seen.add(agent)
    with ClusterBed(seen) as bed, scan(bed, tmp_path, rules=RULES, options={"excluded_namespaces": ("old",)}) as done:
        found = verdicts(done)
    names = [rule.rpartition(".")[2] for rule in RULES]
    assert {name: (found[name, "shop"][0], found[name, "bare"][0]) for name in names} == {
        "namespace_denies_ingress": ("fail", "fail"),  # nor could a mesh's setting for the other namespace guard these
        "namespace_denies_egress": ("fail", "fail"),
        "quarantine_policy_ready": ("pass", "fail"),
        "namespaces_enforce_baseline": ("pass", "fail"),
    }
    assert {name: found[name, ""] for name in names} == dict.fromkeys(names, ("unknown", "excluded"))


def test_a_binding_whose_role_may_not_be_listed_is_not_known_to_be_another_than_the_one_that_ships(tmp_path: Path) -> None:
    """Of the server's own group it cannot be said that somebody gave it the cluster: it may have nothing but what it always had."""
    made = {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}
    group, api = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:masters"}, "rbac.authorization.k8s.io/v1"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]
    seen = cluster(pod("web", "shop"))
    seen.serve(api, Resource("clusterroles", "ClusterRole", False), Resource("clusterrolebindings", "ClusterRoleBinding", False))
    seen.serve(api, Resource("roles", "Role"), Resource("rolebindings", "RoleBinding"))
    seen.add(thing("ClusterRole", "cluster-admin", api=api, metadata=made, rules=rules))
    seen.add(thing("ClusterRoleBinding", "cluster-admin", api=api, metadata=made, roleRef=role, subjects=[group]))
    found = []
    for troubles in ((), (Trouble(403, resource="clusterroles"),)):
        with ClusterBed(seen, troubles=troubles) as bed, scan(bed, tmp_path, rules=["kubernetes.rbac.few_create_pods"]) as done:
            found.append(verdicts(done)["few_create_pods", "Group system:masters"][0])
    assert found == ["not_applicable", "unknown"]
