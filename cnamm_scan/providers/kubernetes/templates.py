"""The pods that an object will make: by the places where known kinds have them, and for any other kind by what a pod's spec looks like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = Any

TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("", "ReplicationController"): ("spec", "template"),
    ("batch", "Job"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("argoproj.io", "Rollout"): ("spec", "template"),
}
"""Where the pods that an object will make are written down; one that has none there is said to be odd."""
_NOT_PODS = frozenset(
    "kyverno.io policies.kyverno.io wgpolicyk8s.io openreports.io templates.gatekeeper.sh constraints.gatekeeper.sh mutations.gatekeeper.sh"
    " admissionregistration.k8s.io apiextensions.k8s.io kustomize.config.k8s.io policy rbac.authorization.k8s.io constraints"
    " aquasecurity.github.io spdx.softwarecomposition.kubescape.io policy.sigstore.dev metrics.k8s.io config.gatekeeper.sh".split()
)
"""Groups whose objects talk about pods, and make none."""
_CORE_NOT_PODS = frozenset({"Pod", "ConfigMap", "Secret", "LimitRange", "Namespace", "Event", "Node"})
DEEPEST = 12
"""Levels of an object that are looked into: the deepest that is known has a pod's spec at the eighth."""
MOST = 200
"""Pods of one object at most."""


def templates(group: str, kind: str, document: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """Each pod template of an object: `{metadata, spec}`."""
    steps = TEMPLATES.get((group, kind))
    if steps is not None:
        template: Json = document
        for step in steps:
            template = template.get(step) if isinstance(template, Mapping) else None
        yield template if isinstance(template, Mapping) else {}
        return
    if group in _NOT_PODS or (not group and kind in _CORE_NOT_PODS):
        return
    for number, found in enumerate(_found(document, 0)):
        if number >= MOST:
            return
        yield found


def _found(value: Json, depth: int) -> Iterator[Mapping[str, Json]]:
    if depth > DEEPEST:
        return
    if isinstance(value, list):
        for each in value:
            yield from _found(each, depth + 1)
        return
    if not isinstance(value, Mapping):
        return
    spec = value.get("spec")
    if isinstance(spec, Mapping) and _are_containers(spec.get("containers")):
        metadata = value.get("metadata")
        yield {"metadata": metadata if isinstance(metadata, Mapping) and depth else {}, "spec": spec}
        return
    if _are_containers(value.get("containers")):
        yield {"spec": value}
        return
    made = _of_steps(value)
    if made is not None:
        yield {"spec": made}
        return
    for key, each in value.items():
        if key not in ("status", "metadata"):
            yield from _found(each, depth + 1)


def _are_containers(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) and "image" in each for each in value)


def _of_steps(value: Mapping[str, Json]) -> dict[str, Json] | None:
    """The pod of a step of a workflow (`container` or `script`, with sidecars) or of a task (`steps`), as their controllers make it."""
    main = [value[name] for name in ("container", "script") if isinstance(value.get(name), Mapping) and "image" in value[name]]
    steps = value.get("steps")
    if _are_containers(steps):
        main += list(steps) if isinstance(steps, list) else []
    grouped = value.get("containerSet")
    if isinstance(grouped, Mapping) and _are_containers(grouped.get("containers")):
        main += grouped["containers"]
    if not main:
        return None
    beside = value.get("sidecars")
    if _are_containers(beside):
        main += beside or []
    pod = {name: value[name] for name in ("volumes", "initContainers", "securityContext", "serviceAccountName") if name in value}
    return {**pod, "containers": list(_named(main))}


def _named(containers: Sequence[Mapping[str, Json]]) -> Iterator[Mapping[str, Json]]:
    for number, each in enumerate(containers):
        yield each if each.get("name") else {**each, "name": "main" if len(containers) == 1 else f"step-{number}"}
