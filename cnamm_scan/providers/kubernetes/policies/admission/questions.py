"""What is asked of the door: one offence at a time, each as every object that commits it, and as one object that commits nothing else.

An offence is written once, as a patch. Laid over nothing it makes an object of which all else is open: what refuses that refuses every such
object. Laid over a hardened object it makes one that nothing but the offence can be held against: what admits that admits the offence.
Offences of pods are those of the Pod Security Standards: https://kubernetes.io/docs/concepts/security/pod-security-standards/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnamm_scan.providers.kubernetes.policies.admission.pod_security import BASELINE, LABEL, RESTRICTED
from cnamm_scan.providers.kubernetes.policies.admission.requests import ANYBODY, NODES, SOMEBODY, Request, Twist
from cnamm_scan.providers.kubernetes.policies.admission.values import ABSENT, AtLeast, Partial, Some, Text, Value

Patch = Mapping[str, Any]
IMAGE = "registry.example.invalid/team/app:1.0.0@sha256:" + "0" * 64
_CONTEXT: Patch = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_RESOURCES: Patch = {
    "requests": {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "16Mi"},
    "limits": {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "16Mi"},
}
_PROBE: Patch = {"tcpSocket": {"port": 8080}}
_INIT: Patch = {"name": "init", "image": IMAGE, "imagePullPolicy": "Always", "resources": _RESOURCES, "securityContext": _CONTEXT}
_MAIN: Patch = {**_INIT, "name": "main", "livenessProbe": _PROBE, "readinessProbe": _PROBE}
_DEBUG: Patch = {"name": "debug", "image": IMAGE, "imagePullPolicy": "Always", "securityContext": _CONTEXT}
_HARDENED = {"containers": _MAIN, "initContainers": _INIT, "ephemeralContainers": _DEBUG}
_SPEC: Patch = {
    "serviceAccountName": "default",
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "fsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
}
_METADATA: Patch = {"name": "probe-of-the-door", "labels": {"app": "probe"}, "annotations": {"note": "probe"}}


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to commit an offence."""

    open: Request
    """Every object that commits it so."""
    closed: Request
    """One that does nothing else."""
    innocent: Request
    """The same without the offence."""
    how: str = ""
    """Where in the object it is committed, where there are several places."""


@dataclass(frozen=True, slots=True)
class Question:
    """Whether an offence is refused, in every way in which it can be committed."""

    name: str
    variants: Sequence[Variant]


def opened(patch: Value, path: str) -> Value:
    """A patch with everything else open. Tuples are whole lists, lists hold others besides."""
    if isinstance(patch, Mapping):
        return Partial({name: opened(each, f"{path}.{name}") for name, each in patch.items()}, path)
    if isinstance(patch, tuple):
        return [opened(each, f"{path}[{number}]") for number, each in enumerate(patch)]
    if isinstance(patch, list):
        return Some([opened(each, f"{path}[{number}]") for number, each in enumerate(patch)], path)
    return patch


def laid_over(below: Value, patch: Value) -> Value:
    """A patch over a whole object; what it says is ABSENT is taken away."""
    if isinstance(patch, Mapping) and isinstance(below, Mapping):
        made = {
            **below,
            **{name: laid_over(below.get(name, {} if isinstance(each, Mapping) else None), each) for name, each in patch.items()},
        }
        return {name: each for name, each in made.items() if each is not ABSENT}
    if isinstance(patch, Mapping):
        return laid_over({}, patch)
    return [laid_over({}, each) if isinstance(each, Mapping) else each for each in patch] if isinstance(patch, list | tuple) else patch


# ---- pods ----------------------------------------------------------------------------------------------------------------


def _spec(where: str, container: Patch, spec: Patch) -> Patch:
    made: dict[str, Any] = dict(spec)
    made[where] = [container]
    made.setdefault("containers", [{}])  # the API knows no pod without one
    return made


def _whole(where: str, container: Patch, spec: Patch) -> Patch:
    made = laid_over(_SPEC, spec)
    made["containers"] = [_MAIN]
    if container:
        made[where] = [laid_over(_HARDENED[where], container)]
    return dict(made)


def _pod(
    offence: str,
    where: str = "containers",
    container: Patch | None = None,
    spec: Patch | None = None,
    *,
    shown: Patch | None = None,
    **more: Any,
) -> Variant:
    """A pod whose container, or spec, commits an offence. `shown` stands for the container in the one object where the patch is open."""
    container, spec = container or {}, spec or {}
    metadata = more.get("metadata", {})
    head = {"apiVersion": "v1", "kind": "Pod"}
    asked = Request("Pod", "pods", None, offence=offence)
    if where == "ephemeralContainers":
        asked = replace(asked, subresource="ephemeralcontainers", operation="UPDATE")
    every = opened({**head, "metadata": metadata, "spec": _spec(where, container, spec)}, "object")
    one = {**head, "metadata": laid_over(_METADATA, metadata), "spec": _whole(where, shown or container, spec)}
    innocent = {**head, "metadata": _METADATA, "spec": _whole(where, {"name": _HARDENED[where]["name"]}, {})}
    return Variant(
        replace(asked, object=every),
        replace(asked, object=one, user=SOMEBODY),
        replace(asked, object=innocent, user=SOMEBODY, offence=""),
        where if container else ", ".join(spec),
    )


def _in_both(offence: str, *contexts: Patch, field: str = "securityContext") -> list[Variant]:
    return [_pod(offence, where, {field: each}) for each in contexts for where in ("containers", "initContainers")]


def _privileged(offence: str, *places: str) -> list[Variant]:
    """The API refuses privilege without escalation: it is either allowed or not spoken of."""
    return [
        _pod(offence, where, {"securityContext": {"privileged": True, "allowPrivilegeEscalation": escalates}})
        for where in places
        for escalates in (ABSENT, True)
    ]


def _of_spec(offence: str, *specs: Patch) -> list[Variant]:
    return [_pod(offence, spec=each) for each in specs]


_UNCONFINED = {"type": "Unconfined"}
_AWAY = {"runAsNonRoot": ABSENT}
PODS: Mapping[str, Sequence[Variant]] = {
    "privileged": _privileged("privileged", "containers", "initContainers"),
    "host_namespaces": _of_spec("host_namespaces", {"hostNetwork": True}, {"hostPID": True}, {"hostIPC": True}),
    "host_path": [
        _pod("host_path", spec={"volumes": [{"name": "node", "hostPath": {"path": path}}]})
        for path in ("/", "/var/lib/kubelet", "/var/log")
    ],
    "host_ports": [
        _pod("host_ports", where, {"ports": [{"hostPort": AtLeast(1)}]}, shown={"ports": [{"containerPort": 8080, "hostPort": 8080}]})
        for where in ("containers", "initContainers")
    ],
    "host_process": [
        _pod("host_process", spec={"hostNetwork": True, "securityContext": {"windowsOptions": {"hostProcess": True}}}),
        _pod("host_process", "containers", {"securityContext": {"windowsOptions": {"hostProcess": True}}}, {"hostNetwork": True}),
    ],
    "capabilities": _in_both("capabilities", *({"capabilities": {"add": [each]}} for each in ("SYS_ADMIN", "NET_RAW", "BPF", "ALL"))),
    "host_probes": [
        _pod("host_probes", "containers", {"livenessProbe": {"httpGet": {"host": "10.0.0.1", "port": 80}}}),
        _pod("host_probes", "containers", {"lifecycle": {"postStart": {"tcpSocket": {"host": "10.0.0.1", "port": 80}}}}),
    ],
    "apparmor": [
        *_in_both("apparmor", {"appArmorProfile": _UNCONFINED}),
        *_of_spec("apparmor", {"securityContext": {"appArmorProfile": _UNCONFINED}}),
    ],
    "selinux": [
        *_in_both("selinux", {"seLinuxOptions": {"type": "spc_t"}}, {"seLinuxOptions": {"user": "system_u"}}),
        *_of_spec("selinux", {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}),
    ],
    "proc_mount": _in_both("proc_mount", {"procMount": "Unmasked"}),
    "seccomp": [
        *_in_both("seccomp", {"seccompProfile": _UNCONFINED}),
        *_of_spec("seccomp", {"securityContext": {"seccompProfile": _UNCONFINED}}),
    ],
    "sysctls": _of_spec(
        "sysctls", *({"securityContext": {"sysctls": [{"name": each, "value": "1"}]}} for each in ("kernel.msgmax", "net.core.somaxconn"))
    ),
    "volume_types": [
        _pod("volume_types", spec={"volumes": [{"name": "v", kind: {"server": "10.0.0.1", "path": "/"}}]}) for kind in ("nfs", "glusterfs")
    ],
    "privilege_escalation": _in_both("privilege_escalation", {"allowPrivilegeEscalation": True}, {"allowPrivilegeEscalation": ABSENT}),
    "run_as_non_root": [
        *(
            _pod("run_as_non_root", where, {"securityContext": _AWAY}, {"securityContext": _AWAY})
            for where in ("containers", "initContainers")
        ),
        *_in_both("run_as_non_root", {"runAsNonRoot": False}),
    ],
    "root_user": [*_in_both("root_user", {"runAsUser": 0}), *_of_spec("root_user", {"securityContext": {"runAsUser": 0}})],
    "no_seccomp": [
        _pod("no_seccomp", where, {"securityContext": {"seccompProfile": ABSENT}}, {"securityContext": {"seccompProfile": ABSENT}})
        for where in ("containers", "initContainers")
    ],
    "kept_capabilities": _in_both("kept_capabilities", {"capabilities": ABSENT}, {"capabilities": {"drop": ("NET_RAW",)}}),
    "privileged_debug": _privileged("privileged", "ephemeralContainers"),
    "loose_tag": [
        _pod("", where, {"image": image}, shown={"image": shown})
        for where in ("containers", "initContainers")
        for image, shown in (
            (Text(":latest", "@"), "registry.example.invalid/team/app:latest"),
            (Text("", "@:"), "registry.example.invalid/team/app"),
        )
    ],
    "other_registry": [
        _pod("", where, {"image": f"registry.unapproved.invalid/stranger/app:1.0.0@sha256:{'1' * 64}"})
        for where in ("containers", "initContainers")
    ],
}
"""Offences of pods. Three are of no standard: privileged_debug, loose_tag and other_registry."""


# ---- other kinds ---------------------------------------------------------------------------------------------------------


def _thing(asked: Request, patch: Patch, below: Patch, *, user: Mapping[str, Value] = ANYBODY) -> Variant:
    head = {"apiVersion": f"{asked.group}/{asked.version}".lstrip("/"), "kind": asked.kind}
    one = laid_over({**head, "metadata": _METADATA, **below}, patch)
    return Variant(
        replace(asked, object=opened({**head, "metadata": {}, **patch}, "object"), user=user),
        replace(asked, object=one, user=SOMEBODY),
        replace(asked, object={**head, "metadata": _METADATA, **below}, user=SOMEBODY),
    )


def _templates(asked: Request) -> list[Variant]:
    """Objects that make privileged pods."""
    made = []
    for where in ("containers", "initContainers"):
        pod = _pod("privileged", where, {"securityContext": {"privileged": True, "allowPrivilegeEscalation": ABSENT}})
        inner = {"spec": _spec(where, {"securityContext": {"privileged": True, "allowPrivilegeEscalation": ABSENT}}, {})}
        whole, innocent = (
            {"spec": {"template": {"metadata": _METADATA, "spec": each.object["spec"]}}} for each in (pod.closed, pod.innocent)
        )
        variant = _thing(asked, {"spec": {"template": inner}}, innocent)
        head = {"apiVersion": f"{asked.group}/{asked.version}", "kind": asked.kind, "metadata": _METADATA}
        made.append(replace(variant, closed=replace(variant.closed, object={**head, **whole})))
    return made


def _made_or_changed(asked: Request, patch: Patch, below: Patch) -> list[Variant]:
    """Made so, or changed into it later, by somebody whom no policy names."""
    return [_thing(replace(asked, operation=each), patch, below, user=SOMEBODY) for each in ("CREATE", "UPDATE")]


_RBAC = "rbac.authorization.k8s.io"
_SERVICE = Request("Service", "services", None)
_SERVICES = (_SERVICE, replace(_SERVICE, operation="UPDATE"))
"""Made so, or made so later."""
_PORTS = {"spec": {"type": "ClusterIP", "ports": [{"port": 80}], "selector": {"app": "probe"}}}
_USER = {"apiGroup": _RBAC, "kind": "User", "name": "stranger@example.invalid"}
_VIEW = {"roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "view"}, "subjects": [_USER]}
THINGS: Mapping[str, Sequence[Variant]] = {
    "privileged_template": [
        *_templates(Request("Deployment", "deployments", None, "apps", offence="privileged")),
        *_templates(Request("Deployment", "deployments", None, "apps", operation="UPDATE", offence="privileged")),
        *_templates(Request("Job", "jobs", None, "batch", offence="privileged")),
    ],
    "load_balancer": [_thing(each, {"spec": {"type": "LoadBalancer", "loadBalancerSourceRanges": ABSENT}}, _PORTS) for each in _SERVICES],
    "node_port": [_thing(each, {"spec": {"type": "NodePort"}}, _PORTS) for each in _SERVICES],
    "external_ips": [_thing(_SERVICE, {"spec": {"externalIPs": ["198.51.100.7"]}}, _PORTS)],
    "ingress_class": [
        _thing(
            Request("Ingress", "ingresses", None, "networking.k8s.io"),
            {"spec": {"ingressClassName": "unapproved-class"}},
            {"spec": {"ingressClassName": "nginx", "rules": []}},
        )
    ],
    "storage_class": [
        _thing(
            Request("PersistentVolumeClaim", "persistentvolumeclaims", None),
            {"spec": {"storageClassName": "unapproved-class"}},
            {"spec": {"storageClassName": "standard", "accessModes": ["ReadWriteOnce"]}},
        )
    ],
    "token_secret": [
        _thing(Request("Secret", "secrets", None), {"type": "kubernetes.io/service-account-token"}, {"type": "Opaque", "data": {}})
    ],
    "cluster_admin": [
        variant
        for subject in (_USER, {**_USER, "kind": "Group"}, {"kind": "ServiceAccount", "name": "stranger", "namespace": "strangers"})
        for variant in _made_or_changed(
            Request("ClusterRoleBinding", "clusterrolebindings", None, _RBAC),
            {"roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "cluster-admin"}, "subjects": [subject]},
            _VIEW,
        )
    ],
    "wildcard_role": [
        variant
        for rule in (
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"apiGroups": ["", "apps", _RBAC], "resources": ["*"], "verbs": ["*"]},
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "create", "update", "patch", "delete", "bind", "escalate"]},
            {"apiGroups": ["", _RBAC], "resources": ["secrets", "clusterroles", "clusterrolebindings"], "verbs": ["*"]},
        )
        for variant in _made_or_changed(
            Request("ClusterRole", "clusterroles", None, _RBAC),
            {"rules": [rule]},
            {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
        )
    ],
    "unlabelled_namespace": [
        _thing(
            Request("Namespace", "namespaces", None),
            {"metadata": {"labels": {LABEL: value}}},
            {"metadata": {"labels": {LABEL: "restricted"}}},
        )
        for value in (ABSENT, "privileged")
    ],
}
"""Offences of other kinds. Rights are asked for one whom no policy names: the few who must give them may be excepted."""
ALONE = frozenset({"cluster_admin", "wildcard_role", "unlabelled_namespace"})
"""Offences of objects that belong to no namespace."""

QUESTIONS: Mapping[str, Question] = {name: Question(name, tuple(variants)) for name, variants in {**PODS, **THINGS}.items()}
STANDARD = (*BASELINE, *RESTRICTED)
"""The offences that have a control."""


def twisted(request: Request, twist: Twist) -> Request | None:
    """The one object, or its requester, as a guard may make an exception of it; None where the offence itself would change."""
    what, value = twist
    if (what == "group" and value == NODES) or (what == "user" and str(value).startswith("system:node:")):
        return None
    if what in ("user", "group", "roles", "clusterRoles"):
        user = dict(request.user)
        user["username" if what == "user" else "groups" if what == "group" else what] = (
            value if what == "user" else [*request.user["groups" if what == "group" else what], value]
        )
        return replace(request, user=user)
    thing = request.object
    metadata = dict(thing["metadata"])
    if what == "name":
        metadata["name"] = value
    elif what in ("label", "annotation"):
        metadata[f"{what}s"] = {**metadata.get(f"{what}s", {}), value[0]: value[1]}
    elif what == "image" and request.kind == "Pod":
        spec = dict(thing["spec"])
        for where in _HARDENED:
            if where in spec:
                spec[where] = [{**each, "image": value} for each in spec[where]]
        return replace(request, object={**thing, "spec": spec})
    else:
        return None
    return replace(request, object={**thing, "metadata": metadata})
