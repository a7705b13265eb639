"""What an API server makes of a manifest before it keeps it: defaults, uids, and who wrote what when."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from cnamm_scan.demo.cluster.bed.groups import split
from cnamm_scan.demo.dated import Clock

Thing = dict[str, Any]
"""An object, or a part of one, as JSON."""

WRITERS, PODS, NODES = "demo/writers", "demo/pods", "demo/nodes"
"""The annotations that are for the bed: who wrote the object, since when its pods run, and on which nodes."""
ARGO, HELM = "argocd-controller", "helm"
"""Who wrote what names no writer; and who else leaves its mark."""
RBAC = "rbac.authorization.k8s.io"
STATUS_WRITERS = {
    "Pod": "kubelet",
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"), "kube-controller-manager"),
}
"""Who keeps the status of what up to date; it writes all the time, and changes nothing that was asked for."""
_NAMES = uuid.UUID("7c0e4a52-9b1d-4c43-8a5e-2f6d1b3a9c10")
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes makes name suffixes of
_POD_DEFAULTS: Mapping[str, Any] = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
}


def uid(*parts: str) -> str:
    """The same uid for the same words."""
    return str(uuid.uuid5(_NAMES, "/".join(parts)))


def uid_of(thing: Mapping[str, Any]) -> str:
    """The uid of an object."""
    meta = thing["metadata"]
    return uid(thing["kind"], meta.get("namespace", ""), meta["name"])


def digest(text: str) -> str:
    """What stands in for the digest of an image."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def number(text: str) -> int:
    """The same number below 65,536 for the same text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:4], 16)


def suffix(text: str, length: int) -> str:
    """The end of a generated name."""
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in hashlib.sha256(text.encode()).digest()[:length])


def template(thing: Mapping[str, Any]) -> Thing | None:
    """The pod template of a built-in workload, None for anything else."""
    spec = thing.get("spec", {})
    match split(thing["apiVersion"])[0], thing["kind"]:
        case ("apps", "Deployment" | "StatefulSet" | "DaemonSet") | ("batch", "Job"):
            found: Thing = spec["template"]
        case "batch", "CronJob":
            found = spec["jobTemplate"]["spec"]["template"]
        case _:
            return None
    return found


# ---- defaults ------------------------------------------------------------------------------------------------------------


def defaulted(thing: Thing) -> None:
    """Put in what a server puts in when a manifest does not say."""
    meta, spec = thing["metadata"], thing.get("spec", {})
    where = f"{meta.get('namespace', '')}/{meta['name']}"
    found = template(thing)
    if found is not None:
        _pod_defaults(found["spec"])
    match thing["apiVersion"], thing["kind"]:
        case "v1", "Namespace":
            meta["labels"] = {"kubernetes.io/metadata.name": meta["name"], **meta.get("labels", {})}
            thing.setdefault("spec", {"finalizers": ["kubernetes"]})
            thing.setdefault("status", {"phase": "Active"})
        case "v1", "Pod":
            _pod_defaults(spec)
        case "v1", "Service":
            spec.setdefault("type", "ClusterIP")
            spec.setdefault("clusterIP", "172.20.{}.{}".format(*divmod(number(where), 256)))
            for port in spec.get("ports", ()):
                port.setdefault("protocol", "TCP")
            thing.setdefault("status", {"loadBalancer": {}})
        case "v1", "Secret":
            said = thing.pop("stringData", {})
            thing["data"] = thing.get("data", {}) | {key: base64.b64encode(text.encode()).decode() for key, text in said.items()}
        case "apps/v1", "StatefulSet":
            spec.setdefault("replicas", 1)
        case "apps/v1", "Deployment":
            spec.setdefault("replicas", 1)
            spec.setdefault("strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}})
            spec.setdefault("revisionHistoryLimit", 10)
        case "apps/v1", "DaemonSet":
            spec.setdefault("updateStrategy", {"type": "RollingUpdate"})
        case "apiextensions.k8s.io/v1", "CustomResourceDefinition":
            names = spec["names"]
            spec["names"] = {"singular": names["kind"].lower(), "listKind": f"{names['kind']}List", **names}
        case "networking.k8s.io/v1", "Ingress":
            thing.setdefault("status", {"loadBalancer": {}})
        case _, "RoleBinding" | "ClusterRoleBinding":
            for subject in thing["subjects"]:
                if subject["kind"] != "ServiceAccount":
                    subject.setdefault("apiGroup", RBAC)


def _pod_defaults(spec: Thing) -> None:
    for key, value in _POD_DEFAULTS.items():
        spec.setdefault(key, value)
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in [*spec["containers"], *spec.get("initContainers", ())]:
        container.setdefault("imagePullPolicy", "IfNotPresent")
        for port in container.get("ports", ()):
            port.setdefault("protocol", "TCP")
    for volume in spec.get("volumes", ()):
        if "hostPath" in volume:
            volume["hostPath"].setdefault("type", "")


# ---- who wrote it --------------------------------------------------------------------------------------------------------


def writers(thing: Mapping[str, Any], clock: Clock, where: str = "") -> Iterator[tuple[str, str]]:
    """Who wrote an object, and when: `argocd-controller 29d ago, kubectl-edit 4d ago`.

    A writer without an age wrote when it was made; without any word Argo CD did. Raises UsageError for an age that is none.
    """
    meta = thing["metadata"]
    for each in meta.get("annotations", {}).get(WRITERS, ARGO).split(","):
        name, _, age = each.strip().partition(" ")
        yield name, stamp(clock, age, where) if age else meta["creationTimestamp"]


def stamp(clock: Clock, age: str, where: str = "") -> str:
    """The time of an age, as Kubernetes writes it."""
    return clock.at(age, where).strftime("%Y-%m-%dT%H:%M:%SZ")


def kept(thing: Thing, clock: Clock, where: str = "") -> Thing:
    """An object as the server keeps it: with uids, the marks of Helm, and managed fields in place of the bed's annotations."""
    meta = thing["metadata"]
    meta.setdefault("uid", uid_of(thing))
    for owner in meta.get("ownerReferences", ()):
        owner.setdefault("uid", uid(owner["kind"], meta.get("namespace", ""), owner["name"]))
    written = list(writers(thing, clock, where))
    marks = {key: value for key, value in meta.pop("annotations", {}).items() if not key.startswith("demo/")}
    if written[0][0] == HELM:
        marks["meta.helm.sh/release-name"] = meta.get("namespace") or meta["name"]
    if marks:
        meta["annotations"] = marks
    fields = [key for key in thing if key not in {"apiVersion", "kind", "metadata"}]
    meta["managedFields"] = [_managed(thing, name, time, fields) for name, time in written]
    if thing["kind"] in STATUS_WRITERS:
        status = _managed(thing, STATUS_WRITERS[thing["kind"]], stamp(clock, "15m ago"), ["status"])
        meta["managedFields"].append(status | {"subresource": "status"})
    return thing


def _managed(thing: Mapping[str, Any], name: str, time: str, fields: list[str]) -> Thing:
    return {
        "manager": name,
        "operation": "Apply" if name == ARGO else "Update",
        "apiVersion": thing["apiVersion"],
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": {f"f:{field}": {} for field in fields},
    }
