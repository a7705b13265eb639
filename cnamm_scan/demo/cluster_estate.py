"""The demo's Kubernetes cluster: the shop's, partly well kept, partly not, and partly closed to us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cnamm_scan.demo.aws import ACCOUNT, HOME
from cnamm_scan.demo.cluster import Cluster
from cnamm_scan.demo.cluster_bed import ClusterBed
from cnamm_scan.demo.cluster_care import add_delivery, add_rescue, add_watch
from cnamm_scan.demo.cluster_guards import add_admission, add_doors, add_network
from cnamm_scan.demo.cluster_kinds import add_kinds
from cnamm_scan.demo.cluster_rights import Grant, Rights
from cnamm_scan.demo.cluster_things import ARGO, HELM, NODES, Site, Thing, condition, rule, uid
from cnamm_scan.demo.cluster_workloads import PLANTED, add_platform, add_teams

CANARIES: tuple[str, ...] = tuple(PLANTED.values())
"""Every secret planted in the cluster; none may show up in what a scan writes or prints."""

VERSION: Mapping[str, str] = {
    "major": "1",
    "minor": "30+",
    "gitVersion": "v1.30.14-eks-3025e55",
    "gitCommit": "9f1b4c2de07a5e63d8c4b0f7a1e2938475d6c0ab",
    "gitTreeState": "clean",
    "buildDate": "2025-06-30T05:12:44Z",
    "goVersion": "go1.23.10",
    "compiler": "gc",
    "platform": "linux/amd64",
}
"""What the server says of itself: an EKS cluster that nobody upgraded in time."""

CONTEXT = "shop"
"""The one context of the demo's kubeconfig."""
TOKEN = "shop-auditors"
"""What it signs in with: a word, as nobody but the fake server takes it."""

_PARTLY = {
    "": "configmaps endpoints events limitranges namespaces nodes nodes/proxy persistentvolumeclaims persistentvolumes pods podtemplates"
    " replicationcontrollers resourcequotas serviceaccounts services",
    "admissionregistration.k8s.io": "validatingwebhookconfigurations validatingadmissionpolicies validatingadmissionpolicybindings"
    " mutatingadmissionpolicies mutatingadmissionpolicybindings",
}
"""API groups of which the token reads these kinds only; of all others it reads everything."""


def auditor(cluster: Cluster) -> Rights:
    """The rights behind the demo's token: to read, but neither secrets nor what changes objects on their way in."""
    whole = [group for group in cluster.groups() if group not in _PARTLY]
    grants: list[Grant] = [(verb, group, "*", None) for group in whole for verb in ("get", "list")]
    grants += [(verb, group, name, None) for group, names in _PARTLY.items() for name in names.split() for verb in ("get", "list")]
    user = f"arn:aws:sts::{ACCOUNT}:assumed-role/audit/cnamm-scan"
    return Rights(tuple(grants), user=user, groups=("shop-auditors", "system:authenticated"))


def shop(now: datetime | None = None) -> Cluster:
    """Some 400 objects of one cluster, at a moment; the same for the same one. All dates are relative to it, so they never age."""
    site = Site(now or datetime.now(UTC))
    add_kinds(site)
    _namespaces(site)
    _nodes(site)
    _storage(site)
    _rights(site)
    add_platform(site)
    add_teams(site)
    add_admission(site)
    add_network(site)
    add_doors(site)
    add_rescue(site)
    add_watch(site)
    add_delivery(site)  # it lists what all before it was put there by
    return site.cluster


@contextmanager
def served(cluster: Cluster, folder: Path) -> Iterator[Path]:
    """Serve the cluster on a free port of 127.0.0.1, and write a kubeconfig for it into the folder: its path."""
    with ClusterBed(cluster, tokens={TOKEN: auditor(cluster)}, version=VERSION) as bed:
        yield bed.kubeconfig(folder, context=CONTEXT, token=TOKEN)


# ---- namespaces ----------------------------------------------------------------------------------------------------------

_SECURITY = "pod-security.kubernetes.io/"
_OWNED = {"environment": "production", "cost-center": "4711"}
_SYSTEM: Mapping[str, float] = {  # age
    "kube-system": 700,
    "kube-public": 700,
    "kube-node-lease": 700,
    "kyverno": 420,
    "falco": 400,
    "cert-manager": 610,
    "trivy-system": 380,
    "istio-system": 350,
    "amazon-cloudwatch": 600,
}
_PLATFORM: Mapping[str, tuple[float, str]] = {  # age, maker
    "argocd": (640, HELM),
    "monitoring": (500, ARGO),
    "velero": (440, HELM),
    "edge": (640, "kubectl-create"),
    "external-secrets": (250, ARGO),
}
_TEAMS: Mapping[str, tuple[float, str, Mapping[str, str]]] = {  # age, maker, labels
    "storefront": (300, ARGO, _OWNED | {"team": "storefront", "data-class": "internal"} | {f"{_SECURITY}enforce": "restricted"}),
    "checkout": (
        620,
        f"{HELM} {ARGO}@300",
        _OWNED
        | {"team": "checkout", "data-class": "restricted", "istio-injection": "enabled"}
        | {f"{_SECURITY}enforce": "baseline", f"{_SECURITY}audit": "restricted", f"{_SECURITY}warn": "restricted"},
    ),
    "catalog": (610, ARGO, _OWNED | {"team": "catalog"} | {f"{_SECURITY}enforce": "baseline", f"{_SECURITY}enforce-version": "v1.22"}),
    "fulfilment": (600, "kubectl-create", {"team": "fulfilment", f"{_SECURITY}audit": "baseline", f"{_SECURITY}warn": "baseline"}),
    "recommend": (90, "kubectl-create", {"team": "tbd", "environment": "production"}),
    "shop-dev": (120, ARGO, {"team": "storefront", "environment": "development", f"{_SECURITY}enforce": "baseline"}),
    "sandbox-lab": (70, "kubectl-create", {"shop.example.com/trust": "untrusted"}),
}
_QUOTAS: Mapping[str, tuple[str, str, str, bool]] = {  # CPU, CPU in use, pods in use of 40, defaults for containers
    "storefront": ("8", "1700m", "9", True),
    "checkout": ("6", "5600m", "5", True),
    "catalog": ("8", "2", "6", False),
    "shop-dev": ("4", "300m", "4", True),
}


def _namespaces(site: Site) -> None:
    _namespace(site, "default", 700, "kube-apiserver", {})
    for name, age in _SYSTEM.items():
        _namespace(site, name, age, "kube-apiserver" if name.startswith("kube-") else ARGO, {})
    for name, (made, by) in _PLATFORM.items():
        _namespace(site, name, made, by, {"team": "platform", **_OWNED} if name != "edge" else {})
    for name, (old, by, labels) in _TEAMS.items():
        _namespace(site, name, old, by, labels)
    for name, (cpu, used, pods, has_defaults) in _QUOTAS.items():
        age = _TEAMS[name][0]
        hard = {"requests.cpu": cpu, "requests.memory": "16Gi", "pods": "40"}
        status = {"hard": hard, "used": {"requests.cpu": used, "requests.memory": "5Gi", "pods": pods}}
        site.put("v1 ResourceQuota", "compute", name, age=age, spec={"hard": hard}, status=status)
        if has_defaults:
            limits = {"type": "Container", "default": {"memory": "256Mi"}, "defaultRequest": {"cpu": "50m", "memory": "64Mi"}}
            site.put("v1 LimitRange", "defaults", name, age=age, spec={"limits": [limits]})


def _namespace(site: Site, name: str, age: float, by: str, labels: Mapping[str, str]) -> None:
    """A namespace; where people work, with the default account that each has."""
    marked = {"kubernetes.io/metadata.name": name, **labels}
    annotations = {"shop.example.com/note": "intern project, ask Kim"} if name == "sandbox-lab" else None
    spec = {"finalizers": ["kubernetes"]}
    site.put("v1 Namespace", name, age=age, by=by, labels=marked, annotations=annotations, spec=spec, status={"phase": "Active"})
    if name in _SYSTEM:
        return
    closed = name in ("storefront", "checkout", "argocd")
    site.account(name, "default", token=False if closed else None, age=age, by=ARGO if closed else "kube-controller-manager")


# ---- nodes and storage ---------------------------------------------------------------------------------------------------

_KUBELET: Thing = {
    "authentication": {
        "anonymous": {"enabled": False},
        "webhook": {"enabled": True},
        "x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"},
    },
    "authorization": {"mode": "Webhook"},
    "protectKernelDefaults": True,
    "makeIPTablesUtilChains": True,
    "rotateCertificates": True,
    "serverTLSBootstrap": True,
    "seccompDefault": True,
    "streamingConnectionIdleTimeout": "4h0m0s",
    "eventRecordQPS": 50,
    "podPidsLimit": 4096,
    "tlsCipherSuites": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
}
_OLD_KUBELET: Thing = _KUBELET | {
    "readOnlyPort": 10255,
    "seccompDefault": False,
    "eventRecordQPS": 1,
    "podPidsLimit": -1,
    "tlsCipherSuites": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_128_CBC_SHA"],
}
_MACHINES: tuple[tuple[float, str, str, str, Thing], ...] = (  # age, pool's label, kubelet, operating system, kubelet's settings
    (20, "eks.amazonaws.com/nodegroup=general", "v1.30.14-eks-3025e55", "Amazon Linux 2023.9.20260210", _KUBELET),
    (170, "eks.amazonaws.com/nodegroup=general", "v1.28.15-eks-113cf36", "Amazon Linux 2", _OLD_KUBELET),
    (6, "karpenter.sh/nodepool=spot", "v1.30.14-eks-3025e55", "Bottlerocket OS 1.51.0 (aws-k8s-1.30)", _KUBELET),
)


def _nodes(site: Site) -> None:
    for (host, zone), (age, pool, kubelet, system, settings) in zip(NODES, _MACHINES, strict=True):
        name = f"{host}.ec2.internal"
        key, _, value = pool.partition("=")
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "node.kubernetes.io/instance-type": "m7i.xlarge",
            "topology.kubernetes.io/region": HOME,
            "topology.kubernetes.io/zone": f"{HOME}{zone}",
            key: value,
        }
        info = {
            "architecture": "amd64",
            "bootID": uid(name, "boot"),
            "machineID": uid(name, "machine").replace("-", ""),
            "systemUUID": uid(name, "system"),
            "kubeProxyVersion": "",
            "containerRuntimeVersion": "containerd://1.7.29",
            "kernelVersion": "6.1.161-183.298.amzn2023.x86_64",
            "kubeletVersion": kubelet,
            "operatingSystem": "linux",
            "osImage": system,
        }
        spec = {"providerID": f"aws:///{HOME}{zone}/i-0{host.replace('-', '')}"}
        status = {
            "nodeInfo": info,
            "capacity": {"cpu": "4", "memory": "16Gi", "pods": "58"},
            "conditions": [condition("Ready", reason="KubeletReady")],
        }
        site.put("v1 Node", name, age=age, by="kubelet", labels=labels, spec=spec, status=status)
        site.cluster.raw(f"/api/v1/nodes/{name}/proxy/configz", {"kubeletconfig": {"readOnlyPort": 0} | settings})


def _storage(site: Site) -> None:
    key = f"arn:aws:kms:{HOME}:{ACCOUNT}:key/5c1f0a6e-2f0d-4e0b-9a52-7d0c7f1be0a4"
    zones = [{"matchLabelExpressions": [{"key": "topology.ebs.csi.aws.com/zone", "values": [f"{HOME}{zone}" for zone in "ab"]}]}]
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    common: Thing = {"provisioner": "ebs.csi.aws.com", "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer"}
    kept = {"type": "gp3", "encrypted": "true", "kmsKeyId": key}
    site.put("storage.k8s.io/v1 StorageClass", "gp3-encrypted", parameters=kept, allowedTopologies=zones, **common)
    site.put("storage.k8s.io/v1 StorageClass", "gp2", age=700, by="eks", annotations=default, parameters={"type": "gp2"}, **common)
    site.put("storage.k8s.io/v1 CSIDriver", "ebs.csi.aws.com", by=HELM, spec={"attachRequired": True, "podInfoOnMount": False})
    site.put("node.k8s.io/v1 RuntimeClass", "gvisor", age=60, handler="runsc")
    site.put("scheduling.k8s.io/v1 PriorityClass", "shop-critical", value=100000, globalDefault=False)
    site.put(
        "v1 PersistentVolume",
        "label-spool",
        age=590,
        by="kubectl-client-side-apply",
        spec={
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "5Gi"},
            "hostPath": {"path": "/data/labels"},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "manual",
        },
        status={"phase": "Available"},
    )


# ---- who may do what -----------------------------------------------------------------------------------------------------


def _rights(site: Site) -> None:
    _builtin_rights(site)
    _rights_of_people(site)
    _rights_of_machines(site)
    request = {"signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"], "request": "", "groups": ["shop-platform"]}
    approved = {"conditions": [condition("Approved", reason="KubectlApprove")]}
    for name, user, seconds in (("alice-laptop", "alice@example.com", None), ("grace-laptop", "grace@example.com", 28800)):
        asked = request | {"username": user} | ({} if seconds is None else {"expirationSeconds": seconds})
        site.put("certificates.k8s.io/v1 CertificateSigningRequest", name, age=0.02, by="kubectl-create", spec=asked, status=approved)


def _builtin_rights(site: Site) -> None:
    everything = rule("*", "*", "*")
    workloads = "pods services configmaps persistentvolumeclaims deployments replicasets statefulsets daemonsets jobs cronjobs ingresses"
    groups = "core apps batch networking.k8s.io"
    change = "get list watch create update patch delete"
    site.role("cluster-admin", everything, {"nonResourceURLs": ["*"], "verbs": ["*"]}, builtin=True, age=700)
    site.role(
        "admin",
        rule(change, f"{workloads} secrets", groups),
        rule(change, "roles rolebindings", "rbac.authorization.k8s.io"),
        builtin=True,
        age=700,
    )
    site.role("edit", rule(change, f"{workloads} secrets", groups), rule("create", "pods/exec pods/portforward"), builtin=True, age=700)
    site.role("view", rule("get list watch", workloads, groups), builtin=True, age=700)
    paths = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
    site.role("system:public-info-viewer", {"nonResourceURLs": paths, "verbs": ["get"]}, builtin=True, age=700)
    site.role(
        "system:discovery", {"nonResourceURLs": [*paths, "/api", "/api/*", "/apis", "/apis/*"], "verbs": ["get"]}, builtin=True, age=700
    )
    reviews = rule("create", "selfsubjectaccessreviews selfsubjectrulesreviews", "authorization.k8s.io")
    site.role("system:basic-user", reviews, builtin=True, age=700)
    everybody, nobody = "Group system:authenticated", "Group system:unauthenticated"
    site.bind("cluster-admin", "cluster/cluster-admin", "Group system:masters", builtin=True, age=700)
    site.bind("system:public-info-viewer", "cluster/system:public-info-viewer", everybody, nobody, builtin=True, age=700)
    site.bind("system:discovery", "cluster/system:discovery", everybody, builtin=True, age=700)
    site.bind("system:basic-user", "cluster/system:basic-user", everybody, builtin=True, age=700)


def _rights_of_people(site: Site) -> None:
    site.bind("platform-admins", "cluster/cluster-admin", "Group shop-platform", annotations={"last-reviewed": site.ago(70)[:10]})
    site.bind("alice-temporary", "cluster/cluster-admin", "User alice@example.com", age=410, by="kubectl-create")
    site.bind("break-glass", "cluster/cluster-admin", "Group shop-emergency", labels={"break-glass": "true"})
    read = rule("get list watch", "*", "apps batch autoscaling policy networking.k8s.io rbac.authorization.k8s.io storage.k8s.io")
    site.role("auditor", read, rule("get list", "namespaces nodes pods services configmaps"), rule("get", "nodes/proxy"))
    site.bind("auditors", "cluster/auditor", "Group shop-auditors")
    site.role("support", rule("get list", "pods pods/log events"), rule("create get", "pods/exec"), age=500, by="kubectl-client-side-apply")
    site.bind("support", "cluster/support", "Group shop-support", age=500, by="kubectl-client-side-apply")
    site.role("metrics", rule("get list", "pods nodes", "metrics.k8s.io"))
    # an old dashboard asked for it, and nobody took it back
    site.bind("everybody-sees-metrics", "cluster/metrics", "Group system:authenticated", age=500, by="kubectl-create")
    for team in ("storefront", "checkout", "catalog"):
        site.bind("developers", "cluster/edit", f"Group shop-{team}", namespace=team)
    site.role("do-anything", rule("*", "*", "*"), namespace="shop-dev")
    site.bind("developers", "do-anything", "Group shop-storefront", "Group shop-checkout", namespace="shop-dev")
    site.bind("kim", "cluster/edit", "User kim@example.com", namespace="sandbox-lab", age=70, by="kubectl-create")
    site.bind("translations", "cluster/view", "User translations.agency@gmail.com", namespace="catalog", age=210, by="kubectl-create")
    on_call = {"cleanup.kyverno.io/ttl": "8h"}
    site.bind("incident-2041", "cluster/edit", "User grace@example.com", namespace="checkout", age=0.1, by="on-call-bot", labels=on_call)


def _rights_of_machines(site: Site) -> None:
    everything = rule("*", "*", "*")
    site.role("argocd-application-controller", everything, age=640, by=HELM)
    controller = "ServiceAccount argocd/argocd-application-controller"
    site.bind("argocd-application-controller", "cluster/argocd-application-controller", controller, age=640, by=HELM)
    watch = "get list watch"
    site.role("prometheus", rule(watch, "nodes pods services endpoints"), rule("get", "nodes/metrics"))
    site.bind("prometheus", "cluster/prometheus", "ServiceAccount monitoring/prometheus")
    site.role("external-secrets", rule(f"{watch} create update patch", "secrets"), rule("create", "serviceaccounts/token"))
    site.bind("external-secrets", "cluster/external-secrets", "ServiceAccount external-secrets/external-secrets")
    site.bind("velero", "cluster/cluster-admin", "ServiceAccount velero/velero", age=440, by=HELM)
    site.role("ingress-nginx", rule(watch, "services endpoints configmaps secrets"), rule(watch, "ingresses", "networking.k8s.io"), by=HELM)
    site.bind("ingress-nginx", "cluster/ingress-nginx", "ServiceAccount edge/ingress-nginx-controller", by=HELM)
    site.bind("eks:addon-manager", "cluster/view", "User eks:addon-manager", age=700, by="eks")
    site.account("fulfilment", "github-deploy", token=None, age=590, by="kubectl-create", secrets=[{"name": "github-deploy-token-x7k2p"}])
    site.bind(
        "github-deploy", "cluster/edit", "ServiceAccount fulfilment/github-deploy", namespace="fulfilment", age=590, by="kubectl-create"
    )
    site.bind(
        "legacy-batch", "cluster/view", "ServiceAccount fulfilment/legacy-batch", namespace="fulfilment", age=590, by="kubectl-create"
    )
    site.role("read-own-config", rule("get watch", "configmaps", resourceNames=["orders-settings"]), namespace="checkout")
    site.bind("orders", "read-own-config", "ServiceAccount checkout/orders", namespace="checkout")
    site.bind("notebooks", "cluster/view", "ServiceAccount recommend/default", namespace="recommend", age=85, by="kubectl-create")
