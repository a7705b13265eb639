"""Pods as they will run: all three kinds of containers in one list, each with the security settings that hold for it.

Field meanings: Kubernetes API reference v1.36, Pod, SecurityContext and PodSecurityContext; default of the restart policy of init
containers from the page about sidecar containers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from cnamm_scan.paths import MalformedError
from cnamm_scan.providers.embedded import parse_json
from cnamm_scan.tokens import looks_secret

Json = Any

KINDS = (("initContainers", "init"), ("containers", "regular"), ("ephemeralContainers", "ephemeral"))
_STATUSES = {
    "initContainers": "initContainerStatuses",
    "containers": "containerStatuses",
    "ephemeralContainers": "ephemeralContainerStatuses",
}
INHERITED = ("runAsUser", "runAsGroup", "runAsNonRoot", "seccompProfile", "seLinuxOptions", "appArmorProfile", "windowsOptions")
"""Settings that a container takes from its pod when it says nothing itself."""
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
"""The annotation that named a container's AppArmor profile before Kubernetes 1.30; the API server still honours it."""
_DIGEST = re.compile(r"[a-z0-9+._-]+:[0-9a-fA-F]{32,}")


def pod(document: Json) -> Json:
    """A Pod, or a template with `metadata` and `spec`: the same, with `effectiveContainers` beside its spec.

    Each is the container as the API gave it, with `kind` (init, sidecar, regular, ephemeral), `securityContext` as it holds after the
    pod's own was laid under it, `imageReference` and, where the pod runs, `imageID`. Raises MalformedError for what is no pod.
    """
    spec = _mapping(document, "spec")
    kinds = sorted({str(name) for each in _mappings(spec, "volumes") for name in each if name != "name"})
    phase = _optional(document, "status").get("phase")
    return {
        **document,
        "effectiveContainers": list(_containers(document, spec)),
        "volumeKinds": kinds,
        "isFinished": phase in ("Succeeded", "Failed"),
    }


def _containers(document: Mapping[str, Json], spec: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    above = _optional(spec, "securityContext")
    volumes = {
        _text(each, "name"): each["hostPath"].get("path") for each in _mappings(spec, "volumes") if isinstance(each.get("hostPath"), dict)
    }
    annotations = _optional(_optional(document, "metadata"), "annotations")
    status = _optional(document, "status")
    if not spec.get("containers"):
        raise MalformedError("spec.containers")  # the API server refuses a pod without any
    inherited = {name: above[name] for name in INHERITED if above.get(name) is not None}
    for field, kind in KINDS:
        if spec.get(field) is None:
            continue
        images = {_text(each, "name"): each.get("imageID") for each in _mappings(status, _STATUSES[field])}
        for container in _mappings(spec, field):
            own = _optional(container, "securityContext")
            context = {**inherited, **_said(own)}
            if "windowsOptions" in inherited and own.get("windowsOptions"):  # these are laid over each other one by one
                context["windowsOptions"] = {**_optional(inherited, "windowsOptions"), **_said(_optional(own, "windowsOptions"))}
            name = _text(container, "name")
            profile = annotations.get(f"{APPARMOR}{name}")
            if "appArmorProfile" not in context and isinstance(profile, str):
                context["appArmorProfile"] = _apparmor(profile)
            made = {**container, "securityContext": context, "imageReference": image_reference(container.get("image"))}
            made.update(_seen_in(container, volumes))
            made["kind"] = "sidecar" if kind == "init" and container.get("restartPolicy") == "Always" else kind
            if images.get(name):
                made["imageID"] = images[name]
            yield made


def _seen_in(container: Mapping[str, Json], volumes: Mapping[str | None, Json]) -> Iterator[tuple[str, list[Json] | bool]]:
    """What no path can say about a container: whose values are written out, what of its node it reaches. Empty lists are left out."""
    plain, secret, material = [], [], False
    for each in _mappings(container, "env"):
        source = each.get("valueFrom")
        if source is None:
            if each.get("value"):
                plain.append(each.get("name"))
                material = material or looks_secret(f"{each.get('name')}={each['value']}")
        elif isinstance(source, dict) and isinstance(source.get("secretKeyRef"), dict):
            secret.append(source["secretKeyRef"].get("name"))
    secret += [each["secretRef"].get("name") for each in _mappings(container, "envFrom") if isinstance(each.get("secretRef"), dict)]
    words = [str(word) for field in ("command", "args") for word in _list(container, field)]
    mounts = (
        [(volumes[_text(each, "name")], each) for each in _mappings(container, "volumeMounts") if _text(each, "name") in volumes]
        if volumes
        else []
    )
    resources = _optional(container, "resources")
    requested = {**_optional(resources, "requests"), **_optional(resources, "limits")}
    yield from (
        (name, value)
        for name, value in (
            ("plainEnv", plain),
            ("secretEnv", secret),
            ("envKeyMaterial", material or any(map(looks_secret, words))),
            ("commandNames", _flags(words)),
            ("hostPathMounts", [path for path, _ in mounts]),
            ("writableHostPaths", [path for path, mount in mounts if not mount.get("readOnly")]),
            ("socketMounts", [path for path, _ in mounts if _reaches_socket(path)]),
            ("extendedResources", sorted(str(name) for name in requested if "/" in str(name))),
            ("probeHosts", sorted(_probe_hosts(container))),
        )
        if value
    )


def _flags(words: Sequence[str], *, settled: bool = False) -> list[str]:
    """The program and the names of its flags: what stands behind one may be a password. With `settled`, whether it is true or false too."""
    found = []
    for number, word in enumerate(words):
        name, _, value = word.partition("=")
        if (number == 0 or name.startswith("--") or (len(name) == 2 and name[0] == "-")) and not any(map(str.isspace, name)):
            found.append(f"{name}={value}" if settled and value in ("true", "false") else name)
    return found


SOCKETS = (
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/var/run/crio/crio.sock",
    "/run/crio/crio.sock",
    "/var/run/containerd/containerd.sock",
)
"""Where container runtimes listen: who reaches one of them owns the node."""


def _reaches_socket(path: Json) -> bool:
    """Whether a mounted path is a runtime's socket, or a folder that holds one."""
    text = str(path).rstrip("/")
    return any(socket == text or socket.startswith(f"{text}/") for socket in SOCKETS)


_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")


def _probe_hosts(container: Mapping[str, Json]) -> set[str]:
    lifecycle = _optional(container, "lifecycle")
    found = set()
    for place, names in ((container, _PROBES), (lifecycle, _HOOKS)):
        for name in names:
            handler = place.get(name)
            if isinstance(handler, dict):
                asked = handler.get("httpGet") or handler.get("tcpSocket")
                if isinstance(asked, dict) and asked.get("host"):
                    found.add(str(asked["host"]))
    return found


def _said(context: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in context.items() if value is not None}


def _apparmor(profile: str) -> dict[str, str]:
    if profile == "runtime/default":
        return {"type": "RuntimeDefault"}
    if profile.startswith("localhost/"):
        return {"type": "Localhost", "localhostProfile": profile.removeprefix("localhost/")}
    return {"type": "Unconfined"}


@lru_cache(maxsize=8192)
def _image_reference(image: str) -> dict[str, Json]:
    """`{registry, repository, tagName, digest}` of an image's name, with the runtime's defaults: docker.io, library/, latest.

    `tagName` is empty beside a digest that stands alone.
    """
    name, _, digest = image.partition("@")
    if "/" in digest:  # no digest: a password stands before the registry
        name, _, digest = digest.partition("@")
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, path = first, rest
    else:
        registry, path = "docker.io", name if slash else f"library/{name}"
    path, colon, tag = path.rpartition(":") if ":" in path.rsplit("/", 1)[-1] else (path, "", "")
    if not colon and not digest:
        tag = "latest"
    return {"registry": registry, "repository": path, "tagName": tag, "digest": digest if _DIGEST.fullmatch(digest) else ""}


def image_reference(image: Json) -> dict[str, Json] | None:
    """As `_image_reference`; None for what names no image."""
    return _image_reference(image) if isinstance(image, str) and image else None


def changes(document: Json) -> Json:
    """The same with `changes` beside it: who wrote fields of the object when, its status left out: [{manager, operation, time}].

    And with `flags`: the names of its containers' flags, with true or false where that is all they say.
    """
    entries = _list(_optional(_object(document), "metadata"), "managedFields")
    made = [
        {name: entry[name] for name in ("manager", "operation", "time") if entry.get(name) is not None}
        for entry in entries
        if isinstance(entry, dict) and entry.get("subresource") != "status"
    ]
    template = _optional(_optional(_optional(_object(document), "spec"), "template"), "spec")
    flags = [
        flag for each in _mappings(template, "containers") for flag in _flags(["", *map(str, _list(each, "args"))], settled=True) if flag
    ]
    return {**document, **({"changes": made} if entries else {}), **({"flags": flags} if flags else {})}


TELLING = ("service.beta.kubernetes.io/", "service.kubernetes.io/", "networking.gke.io/", "cloud.google.com/")
"""Domains of annotations by which clouds are told what a service's load balancer is to be."""


def service(document: Json) -> Json:
    """A Service whose annotations keep their names, and their values only where these tell a cloud about its load balancer."""
    metadata = _optional(_object(document), "metadata")
    annotations = _optional(metadata, "annotations")
    kept = {name: value if str(name).startswith(TELLING) else "" for name, value in annotations.items()}
    return {**document, "metadata": {**metadata, "annotations": kept}} if annotations else document


def bare_url(address: Json) -> Json:
    """An address without its query, which may hold a token."""
    return address.partition("?")[0] if isinstance(address, str) else address


def config_map(document: Json) -> Json:
    """The same with `hasKeyMaterial`: whether a value is shaped like a key or password. Values go no further."""
    data = _optional(_object(document), "data")
    return {**document, "hasKeyMaterial": any(looks_secret(str(value)) for value in data.values())}


def _object(document: Json) -> Mapping[str, Json]:
    if not isinstance(document, dict):
        raise MalformedError("@")
    return document


def _mapping(document: Json, field: str) -> Mapping[str, Json]:
    value = document.get(field) if isinstance(document, dict) else None
    if not isinstance(value, dict):
        raise MalformedError(field)
    return value


def _optional(document: Mapping[str, Json], field: str) -> Mapping[str, Json]:
    value = document.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedError(field)
    return value


def _mappings(document: Mapping[str, Json], field: str) -> Iterator[Mapping[str, Json]]:
    for each in _list(document, field):
        if not isinstance(each, dict):
            raise MalformedError(f"{field}[]")
        yield each


def _text(document: Mapping[str, Json], field: str) -> str | None:
    value = document.get(field)
    if value is None or isinstance(value, str):
        return value
    raise MalformedError(field)


def _list(document: Mapping[str, Json], field: str) -> list[Json]:
    value = document.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError(field)
    return value


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {
    "json": parse_json,
    "pod": pod,
    "changes": changes,
    "config_map": config_map,
    "service": service,
    "bare_url": bare_url,
}
