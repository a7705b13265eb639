"""Which API groups and resources a Kubernetes 1.36 API server serves, and its discovery documents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

# name, kind (or group/version:kind when it is another group's), scope, verbs (* all), short names, categories
_TABLES: Mapping[str, str] = {
    "v1": """
        bindings Binding N create
        componentstatuses ComponentStatus C get,list cs
        configmaps ConfigMap N * cm
        endpoints Endpoints N * ep
        events Event N * ev
        limitranges LimitRange N * limits
        namespaces Namespace C create,delete,get,list,patch,update,watch ns
        namespaces/finalize Namespace C update
        namespaces/status Namespace C get,patch,update
        nodes Node C * no
        nodes/proxy NodeProxyOptions C create,delete,get,patch,update
        nodes/status Node C get,patch,update
        persistentvolumeclaims PersistentVolumeClaim N * pvc
        persistentvolumeclaims/status PersistentVolumeClaim N get,patch,update
        persistentvolumes PersistentVolume C * pv
        persistentvolumes/status PersistentVolume C get,patch,update
        pods Pod N * po all
        pods/attach PodAttachOptions N create,get
        pods/binding Binding N create
        pods/ephemeralcontainers Pod N get,patch,update
        pods/eviction policy/v1:Eviction N create
        pods/exec PodExecOptions N create,get
        pods/log Pod N get
        pods/portforward PodPortForwardOptions N create,get
        pods/proxy PodProxyOptions N create,delete,get,patch,update
        pods/resize Pod N get,patch,update
        pods/status Pod N get,patch,update
        podtemplates PodTemplate N *
        replicationcontrollers ReplicationController N * rc all
        replicationcontrollers/scale autoscaling/v1:Scale N get,patch,update
        replicationcontrollers/status ReplicationController N get,patch,update
        resourcequotas ResourceQuota N * quota
        resourcequotas/status ResourceQuota N get,patch,update
        secrets Secret N *
        serviceaccounts ServiceAccount N * sa
        serviceaccounts/token authentication.k8s.io/v1:TokenRequest N create
        services Service N * svc all
        services/proxy ServiceProxyOptions N create,delete,get,patch,update
        services/status Service N get,patch,update
    """,
    "apiregistration.k8s.io/v1": """
        apiservices APIService C * - api-extensions
        apiservices/status APIService C get,patch,update
    """,
    "apps/v1": """
        controllerrevisions ControllerRevision N *
        daemonsets DaemonSet N * ds all
        daemonsets/status DaemonSet N get,patch,update
        deployments Deployment N * deploy all
        deployments/scale autoscaling/v1:Scale N get,patch,update
        deployments/status Deployment N get,patch,update
        replicasets ReplicaSet N * rs all
        replicasets/scale autoscaling/v1:Scale N get,patch,update
        replicasets/status ReplicaSet N get,patch,update
        statefulsets StatefulSet N * sts all
        statefulsets/scale autoscaling/v1:Scale N get,patch,update
        statefulsets/status StatefulSet N get,patch,update
    """,
    "events.k8s.io/v1": "events Event N * ev",
    "authentication.k8s.io/v1": """
        selfsubjectreviews SelfSubjectReview C create
        tokenreviews TokenReview C create
    """,
    "authorization.k8s.io/v1": """
        localsubjectaccessreviews LocalSubjectAccessReview N create
        selfsubjectaccessreviews SelfSubjectAccessReview C create
        selfsubjectrulesreviews SelfSubjectRulesReview C create
        subjectaccessreviews SubjectAccessReview C create
    """,
    "autoscaling/v2": """
        horizontalpodautoscalers HorizontalPodAutoscaler N * hpa all
        horizontalpodautoscalers/status HorizontalPodAutoscaler N get,patch,update
    """,
    "autoscaling/v1": """
        horizontalpodautoscalers HorizontalPodAutoscaler N * hpa all
        horizontalpodautoscalers/status HorizontalPodAutoscaler N get,patch,update
    """,
    "batch/v1": """
        cronjobs CronJob N * cj all
        cronjobs/status CronJob N get,patch,update
        jobs Job N * - all
        jobs/status Job N get,patch,update
    """,
    "certificates.k8s.io/v1": """
        certificatesigningrequests CertificateSigningRequest C * csr
        certificatesigningrequests/approval CertificateSigningRequest C get,patch,update
        certificatesigningrequests/status CertificateSigningRequest C get,patch,update
    """,
    "networking.k8s.io/v1": """
        ingressclasses IngressClass C *
        ingresses Ingress N * ing
        ingresses/status Ingress N get,patch,update
        ipaddresses IPAddress C * ip
        networkpolicies NetworkPolicy N * netpol
        servicecidrs ServiceCIDR C *
        servicecidrs/status ServiceCIDR C get,patch,update
    """,
    "policy/v1": """
        poddisruptionbudgets PodDisruptionBudget N * pdb
        poddisruptionbudgets/status PodDisruptionBudget N get,patch,update
    """,
    "rbac.authorization.k8s.io/v1": """
        clusterrolebindings ClusterRoleBinding C *
        clusterroles ClusterRole C *
        rolebindings RoleBinding N *
        roles Role N *
    """,
    "storage.k8s.io/v1": """
        csidrivers CSIDriver C *
        csinodes CSINode C *
        csistoragecapacities CSIStorageCapacity N *
        storageclasses StorageClass C * sc
        volumeattachments VolumeAttachment C *
        volumeattachments/status VolumeAttachment C get,patch,update
        volumeattributesclasses VolumeAttributesClass C * vac
    """,
    "admissionregistration.k8s.io/v1": """
        mutatingadmissionpolicies MutatingAdmissionPolicy C * - api-extensions
        mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding C * - api-extensions
        mutatingwebhookconfigurations MutatingWebhookConfiguration C * - api-extensions
        validatingadmissionpolicies ValidatingAdmissionPolicy C * - api-extensions
        validatingadmissionpolicies/status ValidatingAdmissionPolicy C get,patch,update
        validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding C * - api-extensions
        validatingwebhookconfigurations ValidatingWebhookConfiguration C * - api-extensions
    """,
    "apiextensions.k8s.io/v1": """
        customresourcedefinitions CustomResourceDefinition C * crd,crds api-extensions
        customresourcedefinitions/status CustomResourceDefinition C get,patch,update
    """,
    "scheduling.k8s.io/v1": "priorityclasses PriorityClass C * pc",
    "coordination.k8s.io/v1": "leases Lease N *",
    "node.k8s.io/v1": "runtimeclasses RuntimeClass C *",
    "discovery.k8s.io/v1": "endpointslices EndpointSlice N *",
    "resource.k8s.io/v1": """
        deviceclasses DeviceClass C *
        resourceclaims ResourceClaim N *
        resourceclaims/status ResourceClaim N get,patch,update
        resourceclaimtemplates ResourceClaimTemplate N *
        resourceslices ResourceSlice C *
    """,
    "flowcontrol.apiserver.k8s.io/v1": """
        flowschemas FlowSchema C *
        flowschemas/status FlowSchema C get,patch,update
        prioritylevelconfigurations PriorityLevelConfiguration C *
        prioritylevelconfigurations/status PriorityLevelConfiguration C get,patch,update
    """,
}


@dataclass(frozen=True)
class Resource:
    """One row of an API version; a subresource is a row of its own, named `pods/log`.

    `response` is the group/version of the kind when that is not the one that serves it. `singular` is the
    kind in lower case unless given.
    """

    name: str
    kind: str
    namespaced: bool = True
    verbs: tuple[str, ...] = ALL_VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    singular: str = ""
    response: str = ""

    @property
    def is_sub(self) -> bool:
        """Whether this is a subresource."""
        return "/" in self.name

    def legacy(self) -> dict[str, Any]:
        """An APIResource, as an APIResourceList holds it."""
        said: dict[str, Any] = {
            "name": self.name,
            "singularName": "" if self.is_sub else self.singular or self.kind.lower(),
            "namespaced": self.namespaced,
        }
        if self.response:
            group, version = split(self.response)
            said |= ({"group": group} if group else {}) | {"version": version}
        said |= {"kind": self.kind, "verbs": list(self.verbs)}
        if self.short_names:
            said["shortNames"] = list(self.short_names)
        if self.categories:
            said["categories"] = list(self.categories)
        return said

    def response_kind(self, group_version: str) -> dict[str, str]:
        """The kind as aggregated discovery names it."""
        group, version = split(self.response or group_version)
        return {"group": group, "version": version, "kind": self.kind}

    def aggregated(self, group_version: str, subs: Sequence[Resource]) -> dict[str, Any]:
        """An APIResourceDiscovery with its subresources."""
        said: dict[str, Any] = {
            "resource": self.name,
            "responseKind": self.response_kind(group_version),
            "scope": "Namespaced" if self.namespaced else "Cluster",
            "singularResource": self.singular or self.kind.lower(),
            "verbs": list(self.verbs),
        }
        if self.short_names:
            said["shortNames"] = list(self.short_names)
        if self.categories:
            said["categories"] = list(self.categories)
        if subs:
            said["subresources"] = [
                {
                    "subresource": sub.name.partition("/")[2],
                    "responseKind": sub.response_kind(group_version),
                    "verbs": list(sub.verbs),
                }
                for sub in subs
            ]
        return said


def split(group_version: str) -> tuple[str, str]:
    """Group and version of `apps/v1`; the group of `v1` is empty."""
    group, _, version = group_version.rpartition("/")
    return group, version


def version_rank(version: str) -> tuple[int, int, int, str]:
    """A sort key that puts v2 before v1 before v1beta1 before v1alpha1 before anything else."""
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return 3, 0, 0, version
    major, stage, minor = match.groups()
    return {None: 0, "beta": 1, "alpha": 2}[stage], -int(major), -int(minor or 0), version


@cache
def built_in() -> Mapping[str, tuple[Resource, ...]]:
    """Group/version to its resources, in the order of /apis."""
    return {version: tuple(_row(line) for line in table.strip().splitlines()) for version, table in _TABLES.items()}


def _row(line: str) -> Resource:
    name, kind, scope, verbs, *rest = line.split()
    response, _, kind = kind.rpartition(":")
    return Resource(
        name=name,
        kind=kind,
        namespaced=scope == "N",
        verbs=ALL_VERBS if verbs == "*" else tuple(verbs.split(",")),
        short_names=tuple(rest[0].split(",")) if rest and rest[0] != "-" else (),
        categories=tuple(rest[1].split(",")) if len(rest) > 1 else (),
        response=response,
    )


def legacy_group(group: str, versions: Sequence[str]) -> dict[str, Any]:
    """An APIGroup without its apiVersion and kind; the first version is the preferred one."""
    said = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": said, "preferredVersion": said[0]}


def legacy_resources(group_version: str, resources: Sequence[Resource]) -> dict[str, Any]:
    """An APIResourceList; that of the core group has no apiVersion, as on a real server."""
    head = {"kind": "APIResourceList"} | ({"apiVersion": "v1"} if "/" in group_version else {})
    return head | {"groupVersion": group_version, "resources": [one.legacy() for one in resources]}


def aggregated_group(group: str, versions: Mapping[str, tuple[Sequence[Resource], bool]]) -> dict[str, Any]:
    """An APIGroupDiscovery; `versions` maps a version to its resources and whether they are current."""
    said = []
    for version, (resources, current) in versions.items():
        whole = f"{group}/{version}" if group else version
        one: dict[str, Any] = {"version": version}
        if current:
            mains = [row for row in resources if not row.is_sub]
            one["resources"] = [
                main.aggregated(whole, [row for row in resources if row.name.startswith(main.name + "/")]) for main in mains
            ]
        said.append(one | {"freshness": "Current" if current else "Stale"})
    return {"metadata": {"name": group} if group else {}, "versions": said}
