"""What things are called: namespaces of the platform itself, annotations that copy an object, the plural of a kind."""

from __future__ import annotations

SYSTEM_NAMESPACES = frozenset(
    # Kubernetes and its distributions
    "kube-system kube-public kube-node-lease kube-flannel cattle-system cattle-fleet-system fleet-system rancher-operator-system"
    " cattle-impersonation-system cattle-provisioning-capi-system cattle-resources-system cattle-ui-plugin-system cattle-turtles-system"
    " cattle-local-user-passwords cattle-global-data cattle-dashboards cattle-monitoring-system cattle-gatekeeper-system cattle-cis-system"
    " cattle-fleet-clusters-system cattle-fleet-local-system fleet-local fleet-default rke2-system harvester-system"
    # OpenShift
    " openshift openshift-apiserver openshift-apiserver-operator openshift-authentication openshift-authentication-operator"
    " openshift-catalogd openshift-cloud-controller-manager openshift-cloud-controller-manager-operator openshift-cloud-credential-operator"
    " openshift-cloud-network-config-controller openshift-cluster-csi-drivers openshift-cluster-machine-approver"
    " openshift-cluster-node-tuning-operator openshift-cluster-olm-operator openshift-cluster-samples-operator"
    " openshift-cluster-storage-operator openshift-cluster-version openshift-config openshift-config-managed openshift-config-operator"
    " openshift-console openshift-console-operator openshift-console-user-settings openshift-controller-manager"
    " openshift-controller-manager-operator openshift-dns openshift-dns-operator openshift-etcd openshift-etcd-operator"
    " openshift-host-network openshift-image-registry openshift-infra openshift-ingress openshift-ingress-canary"
    " openshift-ingress-operator openshift-insights openshift-kni-infra openshift-kube-apiserver openshift-kube-apiserver-operator"
    " openshift-kube-controller-manager openshift-kube-controller-manager-operator openshift-kube-scheduler"
    " openshift-kube-scheduler-operator openshift-kube-storage-version-migrator openshift-kube-storage-version-migrator-operator"
    " openshift-machine-api openshift-machine-config-operator openshift-marketplace openshift-monitoring openshift-multus"
    " openshift-network-console openshift-network-diagnostics openshift-network-node-identity openshift-network-operator openshift-node"
    " openshift-nutanix-infra openshift-oauth-apiserver openshift-openstack-infra openshift-operator-controller"
    " openshift-operator-lifecycle-manager openshift-ovirt-infra openshift-route-controller-manager openshift-sdn openshift-service-ca"
    " openshift-service-ca-operator openshift-user-workload-monitoring openshift-vsphere-infra openshift-azure-operator"
    " openshift-azure-logging openshift-managed-upgrade-operator openshift-addon-operator openshift-deployment-validation-operator"
    " openshift-managed-node-metadata-operator openshift-must-gather-operator openshift-ocm-agent-operator openshift-osd-metrics"
    " openshift-rbac-permissions openshift-route-monitor-operator openshift-splunk-forwarder-operator openshift-sre-pruning"
    " openshift-validation-webhook openshift-velero openshift-backplane openshift-customer-monitoring openshift-security"
    # managed clusters
    " gke-managed-system gke-managed-cim gke-managed-filestorecsi gke-managed-volumepopulator gke-gmp-system gmp-system gmp-public"
    " gke-managed-dpv2-observability gke-managed-networking-dra-driver gke-managed-parallelstorecsi gke-managed-lustrecsi"
    " gke-managed-checkpointing gke-managed-kuberay gke-mcs asm-system anthos-identity-service"
    " gke-connect config-management-system config-management-monitoring aks-command amazon-cloudwatch amazon-guardduty"
    " azure-arc app-routing-system azuremonitor aks-istio-system aks-istio-egress dataprotection-microsoft azure-extensions-usage-system"
    " amazon-network-flow-monitor aws-observability ibm-system ibm-observe ibm-operators ibm-services-system ibm-cert-store"
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
