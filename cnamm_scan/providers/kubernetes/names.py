"""What things are called: namespaces of the platform itself, annotations that copy an object, the plural of a kind."""

from __future__ import annotations

SYSTEM_NAMESPACES = frozenset(
    # Kubernetes and its distributions
    "kube-system kube-public kube-node-lease kube-flannel cattle-system cattle-fleet-system fleet-system rancher-operator-system"
    # managed clusters
    " gke-managed-system gke-managed-cim gke-managed-filestorecsi gke-managed-volumepopulator gke-gmp-system gmp-system gmp-public"
    " gke-connect config-management-system config-management-monitoring aks-command amazon-cloudwatch amazon-guardduty"
    " azure-arc app-routing-system azuremonitor"
    # network and mesh
    " calico-system calico-apiserver tigera-operator cilium cilium-secrets cilium-spire istio-system istio-operator linkerd linkerd-viz"
    " metallb-system openshift-ovn-kubernetes"
    # admission, sensors, certificates, storage
    " gatekeeper-system kyverno falco falco-system cert-manager trivy-system kubescape neuvector spire spire-system"
    " longhorn-system rook-ceph local-path-storage".split()
)
"""Namespaces that hold the platform itself. Judged apart: what runs there often needs what nothing else should have.

Matched by whole names; a person adds their own with --system-namespace.
"""

COPIES = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        "kapp.k14s.io/original",
        "objectset.rio.cattle.io/applied",
        "banzaicloud.com/last-applied",
    )
)
"""Annotations that hold the whole object once more, with every value in it: their names are kept, what they hold goes no further."""


def plural(kind: str) -> str:
    """The resource of a kind, as the API server names it: NetworkPolicy -> networkpolicies, Ingress -> ingresses, Gateway -> gateways."""
    name = kind.lower()
    if name == "endpoints":
        return name
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return f"{name}es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}s"
