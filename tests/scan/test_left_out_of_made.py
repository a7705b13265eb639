"""What a wing's function makes of a namespace that was left out is unknown there, and known in all others."""

from __future__ import annotations

from pathlib import Path

from cnamm_scan.demo.cluster.bed.server import ClusterBed, Resource
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
