"""What the spec of a pod says of it as a whole: the system that it is for, its account, and what answers on its ports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnamm_scan.providers.images import reference
from cnamm_scan.providers.kubernetes.parts import listed, mappings, optional

Json = Any

_SYSTEM_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def system(spec: Mapping[str, Json]) -> str:
    """The system that its containers are programs of: by its own word, the nodes that it asks for, or settings of Windows."""
    said = optional(spec, "os").get("name")
    if isinstance(said, str) and said:
        return said
    selector = optional(spec, "nodeSelector")
    for label in _SYSTEM_LABELS:
        if selector.get(label):
            return str(selector[label])
    if _asks_for_windows(spec):
        return "windows"
    settings = [optional(spec, "securityContext")]
    settings += [optional(each, "securityContext") for field in _CONTAINERS for each in mappings(spec, field)]
    return "windows" if any(each.get("windowsOptions") for each in settings) else "linux"


def _asks_for_windows(spec: Mapping[str, Json]) -> bool:
    """Whether each of the terms by which it chooses its node wants one of Windows."""
    affinity = optional(optional(spec, "affinity"), "nodeAffinity")
    terms = list(mappings(optional(affinity, "requiredDuringSchedulingIgnoredDuringExecution"), "nodeSelectorTerms"))
    return bool(terms) and all(
        any(
            each.get("key") in _SYSTEM_LABELS and each.get("operator") == "In" and each.get("values") == ["windows"]
            for each in mappings(term, "matchExpressions")
        )
        for term in terms
    )


def named_ports(spec: Mapping[str, Json]) -> dict[str, Json]:
    """The ports of its containers that have a name, by which services find them."""
    made = [port for field in ("containers", "initContainers") for each in spec.get(field) or () if isinstance(each, dict)
            for port in listed(each, "ports") if isinstance(port, dict) and port.get("name")]  # fmt: skip
    return {"namedPorts": made} if made else {}


def listeners(spec: Mapping[str, Json]) -> dict[str, Json]:
    """What answers on which port: the image of each container that keeps running, and the ports that it names."""
    made = []
    for field in ("containers", "initContainers"):
        for each in mappings(spec, field):
            said = reference(each.get("image"))
            if said and (field == "containers" or each.get("restartPolicy") == "Always"):
                numbers = [port["containerPort"] for port in mappings(each, "ports") if isinstance(port.get("containerPort"), int)]
                made.append({"image": said["repository"], "ports": numbers})
    return {"listeners": made} if made else {}
