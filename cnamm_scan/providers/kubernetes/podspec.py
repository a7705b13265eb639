"""What the spec of a pod says of it as a whole: the system that it is for, its account, and what answers on its ports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cnamm_scan.providers.images import reference
from cnamm_scan.providers.kubernetes.parts import listed, mappings, optional

Json = Any

_SYSTEM_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")
_BUILD = "node.kubernetes.io/windows-build"
_SAYS_NOTHING = frozenset(("kubernetes.io/arch", "beta.kubernetes.io/arch", "topology.kubernetes.io/zone", "topology.kubernetes.io/region"))
"""Labels by which a node is chosen that nobody tells two systems apart by."""
_WINDOWS_PATH = re.compile(r"(?:mcr\.microsoft\.com/)?(?:windows(?:/.*)?|dotnet/framework/.*)|.*/windows/(?:nanoserver|servercore)/.*")
_WINDOWS_NAME = re.compile(r"(?:^|-)(?:(?:windows)?nanoserver(?=-|$)|windowsservercore(?=-|$)|servercore$)")
_WINDOWS_TAG = re.compile(r"(?:^|-)(?:windows)?(?:nanoserver|servercore)(?=[-@]|$)|ltsc20[0-9]{2}")
"""Images of Windows by the names that Microsoft gives to what they are built on: a whole path, the last part of one, or a tag."""
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


def system(spec: Mapping[str, Json]) -> dict[str, Json]:
    """`{osName: …}`, of which its containers are programs: by its own word, the nodes that it asks for, or what only Windows has.

    With `pinnedTo: NODE` where the pod itself does not tell, and bears to be on Windows or asks for its node by labels that may: a pool's,
    a class's. The node that it runs on then tells. Pods of a daemon set ask for theirs by its name, which says nothing.
    """
    said = _said(spec) or ("windows" if _looks_like_windows(spec) else None)
    if said:
        return {"osName": said}
    node, bears = spec.get("nodeName"), any(str(each.get("value")).lower() == "windows" for each in mappings(spec, "tolerations"))
    if not node:
        return {"osName": "windows" if bears else "linux"}
    asked = {str(label) for label in optional(spec, "nodeSelector")}
    asked |= {str(each.get("key")) for term in _terms(spec) for each in mappings(term, "matchExpressions")}
    may_be = bears or asked - _SAYS_NOTHING or spec.get("runtimeClassName")
    return {"osName": "linux", "pinnedTo": str(node)} if may_be else {"osName": "linux"}


def _said(spec: Mapping[str, Json]) -> str | None:
    said = optional(spec, "os").get("name")
    if isinstance(said, str) and said:
        return said
    selector = optional(spec, "nodeSelector")
    for label in _SYSTEM_LABELS:
        if selector.get(label):
            return str(selector[label])
    for name in ("windows", "linux"):
        if _asks_for(spec, name):
            return name
    return None


def _looks_like_windows(spec: Mapping[str, Json]) -> bool:
    if _BUILD in optional(spec, "nodeSelector") or "windows" in str(spec.get("runtimeClassName") or "").lower():
        return True
    containers = [each for field in _CONTAINERS for each in mappings(spec, field)]
    settings = [optional(spec, "securityContext"), *(optional(each, "securityContext") for each in containers)]
    return any(each.get("windowsOptions") for each in settings) or any(
        isinstance(image := each.get("image"), str) and _is_of_windows(image) for each in containers
    )


def _is_of_windows(image: str) -> bool:
    name, _, tag = image.rpartition("/")[2].partition(":")
    return bool(_WINDOWS_PATH.fullmatch(image) or _WINDOWS_NAME.search(name.partition("@")[0]) or _WINDOWS_TAG.search(tag))


def _terms(spec: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    affinity = optional(optional(spec, "affinity"), "nodeAffinity")
    return list(mappings(optional(affinity, "requiredDuringSchedulingIgnoredDuringExecution"), "nodeSelectorTerms"))


def _asks_for(spec: Mapping[str, Json], name: str) -> bool:
    """Whether each of the terms by which it chooses its node wants one of this system."""
    terms = _terms(spec)
    return bool(terms) and all(
        any(
            each.get("key") in _SYSTEM_LABELS and each.get("operator") == "In" and each.get("values") == [name]
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
