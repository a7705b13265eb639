"""Pods as they will run: all three kinds of containers in one list, each with the security settings that hold for it.

Field meanings: Kubernetes API reference v1.36, Pod, SecurityContext and PodSecurityContext; default of the restart policy of init
containers from the page about sidecar containers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from cnamm_scan.paths import MalformedError
from cnamm_scan.providers import host_paths
from cnamm_scan.providers.embedded import parse_json
from cnamm_scan.providers.images import reference
from cnamm_scan.providers.kubernetes.amounts import amounts
from cnamm_scan.providers.kubernetes.parts import listed, mapping, mappings, optional, text, whole
from cnamm_scan.providers.kubernetes.podspec import listeners, named_ports, system
from cnamm_scan.providers.kubernetes.volumes import secret_volumes, token_volumes, volume
from cnamm_scan.providers.kubernetes.workload import workload
from cnamm_scan.providers.secrets.found import of_files, of_settings, of_words
from cnamm_scan.providers.secrets.names import is_password

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


def pod(document: Json) -> Json:
    """A Pod, or a template with `metadata` and `spec`: the same, with `effectiveContainers` beside its spec.

    Each is the container as the API gave it, with `kind` (init, sidecar, regular, ephemeral), `securityContext` as it holds after the
    pod's own was laid under it, `imageReference` and, where the pod runs, `imageID`. Raises MalformedError for what is no pod.
    """
    spec = mapping(document, "spec")
    volumes = list(mappings(spec, "volumes"))
    kinds = sorted({str(name) for each in volumes for name in each if name != "name"})
    phase = optional(document, "status").get("phase")
    mounted = dict(secret_volumes(volumes))
    secrets = sorted({name for names in mounted.values() for name in names})
    tokens, doors = list(token_volumes(volumes)), list(token_volumes(volumes, for_api=True))
    return {
        **document,
        "spec": named(spec),
        "effectiveContainers": list(_containers(document, spec, volumes, mounted)),
        "volumeKinds": kinds,
        "isFinished": phase in ("Succeeded", "Failed"),
        "workload": workload(optional(document, "metadata")),
        **system(spec),
        **named_ports(spec),
        **listeners(spec),
        **({"secretVolumes": secrets} if secrets else {}),
        **({"tokenVolumes": tokens} if tokens else {}),
        **({"apiTokenVolumes": doors} if doors else {}),
    }


def named(spec: Mapping[str, Json]) -> Mapping[str, Json]:
    """The spec of a pod with its account under one name: `serviceAccount` is an old alias that counts where the other is silent."""
    alias = spec.get("serviceAccount")
    return {**spec, "serviceAccountName": alias} if alias and not spec.get("serviceAccountName") else spec


def _containers(
    document: Mapping[str, Json], spec: Mapping[str, Json], there: Sequence[Mapping[str, Json]], secrets: Mapping[str | None, list[str]]
) -> Iterator[dict[str, Json]]:
    above = optional(spec, "securityContext")
    volumes = {text(each, "name"): each["hostPath"].get("path") for each in there if isinstance(each.get("hostPath"), dict)}
    if not spec.get("containers"):
        raise MalformedError("spec.containers")  # the API server refuses a pod without any
    inherited = {name: above[name] for name in INHERITED if above.get(name) is not None}
    room = _Room(inherited, optional(spec, "resources"), volumes, secrets)
    annotations = optional(optional(document, "metadata"), "annotations")
    status = optional(document, "status")
    for field, kind in KINDS:
        if spec.get(field) is None:
            continue
        images = {text(each, "name"): each.get("imageID") for each in mappings(status, _STATUSES[field])}
        for container in mappings(spec, field):
            name = text(container, "name")
            made = {**container, **_told(container, kind, annotations.get(f"{APPARMOR}{name}") if annotations else None, room)}
            if spec.get("hostNetwork") is True and container.get("ports"):
                made["ports"] = [_of_the_node(port) for port in mappings(container, "ports")]
            if images.get(name):
                made["imageID"] = images[name]
            yield made


def _of_the_node(port: Mapping[str, Json]) -> Mapping[str, Json]:
    """A port of a pod in its node's network: the API server opens it on the node where it says nothing."""
    return port if port.get("hostPort") else {**port, "hostPort": port.get("containerPort")}


@dataclass(frozen=True, slots=True)
class _Room:
    """What a pod lays under each of its containers."""

    settings: Mapping[str, Json]
    resources: Mapping[str, Json]
    volumes: Mapping[str | None, Json]
    """Name of a volume -> the path of the node that it is."""
    secrets: Mapping[str | None, list[str]]
    """Name of a volume -> the secrets in it."""


_TELLING = frozenset(
    "image securityContext command args env envFrom resources restartPolicy livenessProbe readinessProbe startupProbe lifecycle".split()
)
"""Fields of a container that `_made` reads; its mounts too, where its pod has volumes that tell: their names differ from pod to pod."""
_TELLING_MOUNTS = _TELLING | {"volumeMounts"}


def _told(container: Mapping[str, Json], kind: str, profile: Json, room: _Room) -> Mapping[str, Json]:
    """As `_made`, once for all containers that are alike: the pods of one template come one after the other."""
    telling = _TELLING_MOUNTS if room.volumes or room.secrets else _TELLING
    given = {field: value for field, value in container.items() if field in telling}
    try:
        said = msgspec.msgpack.encode((given, kind, profile, room.settings, room.resources, room.volumes, room.secrets))
    except (OverflowError, UnicodeEncodeError):  # a number beyond 64 bits, half of a letter
        return _made(container, kind, profile, room)
    return _of_alike(said)


@lru_cache(maxsize=4096)
def _of_alike(said: bytes) -> Mapping[str, Json]:
    """Worked out of the text alone, so that it holds for whatever was said in the same words."""
    container, kind, profile, *room = msgspec.msgpack.decode(said)
    return _made(container, kind, profile, _Room(*room))


def _made(container: Mapping[str, Json], kind: str, profile: Json, room: _Room) -> Mapping[str, Json]:
    """What a container has beside its own fields, and in place of them; but for what each pod of a template has for itself."""
    own, inherited = optional(container, "securityContext"), room.settings
    context = {**inherited, **_said(own)}
    if "windowsOptions" in inherited and own.get("windowsOptions"):  # these are laid over each other one by one
        context["windowsOptions"] = {**optional(inherited, "windowsOptions"), **_said(optional(own, "windowsOptions"))}
    if isinstance(profile, str) and profile and own.get("appArmorProfile") is None:  # it goes before what the pod says
        context["appArmorProfile"] = _apparmor(profile)
    made: dict[str, Json] = {"securityContext": context, "imageReference": reference(container.get("image"))}
    words = tuple(str(word) for field in ("command", "args") if container.get(field) is not None for word in listed(container, field))
    made.update(_seen_in(container, room.volumes, words))
    made.update(_secrets_of(container, room.secrets, words))
    if held := amounts(optional(container, "resources"), room.resources):
        made["amounts"] = held
    made["kind"] = "sidecar" if kind == "init" and container.get("restartPolicy") == "Always" else kind
    return made


def _seen_in(
    container: Mapping[str, Json], volumes: Mapping[str | None, Json], words: Sequence[str]
) -> Iterator[tuple[str, Sequence[Json]]]:
    """What no path can say about a container: what of its node it reaches, what it asks for. Empty lists are left out."""
    if words:
        yield "commandNames", _flags(words)
    if volumes:
        yield from _mounts(container, volumes)
    resources = optional(container, "resources")
    requested = {*optional(resources, "requests"), *optional(resources, "limits")}
    if extended := sorted(str(name) for name in requested if "/" in str(name)):
        yield "extendedResources", extended
    if calls := _probe_calls(container):
        yield "probeHosts", sorted(set(calls.values()))
        yield "probeCalls", [f"{name} calls {host}" for name, host in calls.items()]


def _mounts(container: Mapping[str, Json], volumes: Mapping[str | None, Json]) -> Iterator[tuple[str, Sequence[Json]]]:
    given = mappings(container, "volumeMounts")
    mounts = [(_mounted(volumes[name], each), each) for each in given if (name := text(each, "name")) in volumes]
    writable = [path for path, mount in mounts if not mount.get("readOnly")]
    yield from (
        (name, value)
        for name, value in (
            ("hostPathMounts", [path for path, _ in mounts]),
            ("writableHostPaths", writable),
            ("criticalHostPaths", [path for path in writable if host_paths.is_critical(str(path))]),
            ("hostDisks", [path for path, _ in mounts if host_paths.is_disk(str(path))]),
            ("socketMounts", [path for path, _ in mounts if host_paths.reaches_socket(str(path))]),
            ("distantSockets", [path for path, mount in mounts if mount.get("readOnly") and host_paths.is_far_above_socket(str(path))]),
        )
        if value
    )


def _mounted(path: Json, mount: Mapping[str, Json]) -> Json:
    """The path of the node that a mount shows: a part of the volume where it says so."""
    below = mount.get("subPath")
    return f"{path}/{below}" if isinstance(path, str) and isinstance(below, str) and below else path


def _secrets_of(
    container: Mapping[str, Json], volumes: Mapping[str | None, list[str]], words: tuple[str, ...]
) -> Iterator[tuple[str, Sequence[Json]]]:
    """Where a container has secrets: written out in its settings, filled in from objects, mounted. Values go no further."""
    plain: list[tuple[str, str]] = []
    secret: list[Json] = []
    if container.get("env") is not None:
        for each in mappings(container, "env"):
            source = each.get("valueFrom")
            if source is None:
                if each.get("value"):
                    plain.append((str(each.get("name")), str(each["value"])))
            elif isinstance(source, dict) and isinstance(source.get("secretKeyRef"), dict):
                secret.append(source["secretKeyRef"].get("name"))
    if container.get("envFrom") is not None:
        elsewhere = []
        for each in mappings(container, "envFrom"):
            if isinstance(each.get("secretRef"), dict):
                secret.append(each["secretRef"].get("name"))
                elsewhere.append(f"Secret {each['secretRef'].get('name')}")
            elif isinstance(each.get("configMapRef"), dict):
                elsewhere.append(f"ConfigMap {each['configMapRef'].get('name')}")
        if elsewhere:
            yield "envFromNames", elsewhere
    mounted: list[str] = []
    if volumes:
        mounted = sorted({name for each in mappings(container, "volumeMounts") for name in volumes.get(text(each, "name"), ())})
        if mounted:
            yield "mountedSecrets", mounted
    if secret:
        yield "secretEnv", secret
    passwords = [str(each["name"]) for each in container.get("env") or () if is_password(str(each.get("name")))]
    if passwords:
        yield "passwordEnv", passwords
    if plain:
        yield "plainEnv", [name for name, _ in plain]
    if plain or words:
        yield from _judged(tuple(plain), words, (*map(str, secret), *mounted) if plain else ())


@lru_cache(maxsize=4096)
def _judged(plain: tuple[tuple[str, str], ...], words: tuple[str, ...], known: tuple[str, ...]) -> tuple[tuple[str, list[str]], ...]:
    """What settings come to: the pods of one template have the same."""
    found = of_words(words, of_settings(plain, frozenset(known)))
    several = (("holding", found.holding), ("named", found.named), ("unsure", found.unsure), ("shapes", found.shapes))
    return tuple((name, value) for name, value in several if value)


def _flags(words: Sequence[str], *, settled: bool = False) -> list[str]:
    """The program and the names of its flags: what stands behind one may be a password. With `settled`, whether it is true or false too."""
    found = []
    for number, word in enumerate(words):
        name, _, value = word.partition("=")
        if (number == 0 or name.startswith("--") or (len(name) == 2 and name[0] == "-")) and not any(map(str.isspace, name)):
            found.append(f"{name}={value}" if settled and value in ("true", "false") else name)
    return found


_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")


def _probe_calls(container: Mapping[str, Json]) -> dict[str, str]:
    """The probes and hooks that name a host, and the host."""
    lifecycle = optional(container, "lifecycle")
    found = {}
    for place, names in ((container, _PROBES), (lifecycle, _HOOKS)):
        for name in names:
            handler = place.get(name)
            if isinstance(handler, dict):
                asked = handler.get("httpGet") or handler.get("tcpSocket")
                if isinstance(asked, dict) and asked.get("host"):
                    found[name] = str(asked["host"])
    return found


def _said(context: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in context.items() if value is not None}


def _apparmor(profile: str) -> dict[str, str]:
    if profile == "runtime/default":
        return {"type": "RuntimeDefault"}
    if profile.startswith("localhost/"):
        return {"type": "Localhost", "localhostProfile": profile.removeprefix("localhost/")}
    return {"type": "Unconfined"}


def changes(document: Json) -> Json:
    """The same with `changes` beside it: who wrote fields of the object when, its status left out: [{manager, operation, time}].

    And with `flags`: the names of its containers' flags, with true or false where that is all they say; and `movingImages`: those of the
    images of all its containers, also those that run before or beside them, that are named by nothing but a tag that is meant to move;
    `publicImages` those of its containers of registries for everybody; and `probes`: how many of its containers have one,
    {liveness, readiness}.
    """
    entries = listed(optional(whole(document), "metadata"), "managedFields")
    made = [
        {name: entry[name] for name in ("manager", "operation", "time") if entry.get(name) is not None}
        for entry in entries
        if isinstance(entry, dict) and entry.get("subresource") != "status"
    ]
    spec = optional(whole(document), "spec")
    template = optional(optional(spec, "template"), "spec")
    if template.get("serviceAccount"):
        document = {**document, "spec": {**spec, "template": {**optional(spec, "template"), "spec": named(template)}}}
    flags = [
        flag for each in mappings(template, "containers") for flag in _flags(["", *map(str, listed(each, "args"))], settled=True) if flag
    ]
    images = list(_images(template, "containers"))
    moving = [image for image, said in (*images, *_images(template, "initContainers")) if said["moves"]]
    public = [image for image, said in images if said["isPublic"]]
    probes = {
        kind: sum(_is_probed(each, f"{kind}Probe") for each in mappings(template, "containers")) for kind in ("liveness", "readiness")
    }
    told = (
        ("changes", made, entries),
        ("flags", flags, flags),
        ("movingImages", moving, moving),
        ("publicImages", public, public),
        ("probes", probes, any(probes.values())),
    )
    return {**document, **{name: value for name, value, there in told if there}}


def _images(spec: Mapping[str, Json], field: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """(image, what its name says) of the containers in a field of a pod's spec."""
    for each in mappings(spec, field):
        if said := reference(each.get("image")):
            yield str(each["image"]), said


def _is_probed(container: Mapping[str, Json], probe: str) -> bool:
    """Whether a probe is there and says what to ask."""
    said = optional(container, probe)
    ports = [optional(said, how).get("port") for how in ("httpGet", "tcpSocket", "grpc")]
    return any(port not in (None, "") for port in (*ports, *listed(optional(said, "exec"), "command")[:1]))


def package(document: Json) -> Json:
    """An object that installs a package by the name of an image, with `packageReference`: what that name says."""
    made = reference(optional(whole(document), "spec").get("package"))
    return {**document, "packageReference": made} if made else document


def model(document: Json) -> Json:
    """A model of KServe, with `storageReference` where an image holds it: what the image's name says."""
    spec = optional(whole(document), "spec")
    of_language, served = optional(spec, "model"), optional(optional(spec, "predictor"), "model")
    storage = of_language.get("uri") or served.get("storageUri")
    if isinstance(storage, str) and storage.lower().startswith("oci://"):
        return {**document, "storageReference": reference(storage[len("oci://") :])}
    return document


TELLING = (
    "service.beta.kubernetes.io/",
    "service.kubernetes.io/",
    "networking.gke.io/",
    "cloud.google.com/",
    "oci-network-load-balancer.oraclecloud.com/",
    "load-balancer.hetzner.cloud/",
    "yandex.cloud/load-balancer-type",
)
"""Domains of annotations by which clouds are told what a service's load balancer is to be."""


def service(document: Json) -> Json:
    """A Service whose annotations keep their names, and their values only where these tell a cloud about its load balancer."""
    metadata = optional(whole(document), "metadata")
    annotations = optional(metadata, "annotations")
    kept = {name: value if str(name).startswith(TELLING) else "" for name, value in annotations.items()}
    return {**document, "metadata": {**metadata, "annotations": kept}} if annotations else document


def bare_url(address: Json) -> Json:
    """An address without its query, which may hold a token."""
    return address.partition("?")[0] if isinstance(address, str) else address


_KYVERNO_FILTER = re.compile(r"\[ *([^][, ]*) *, *([^][, ]*) *, *([^][, ]*) *\]")
"""https://kyverno.io/docs/installation/customization/#resource-filters"""
_KYVERNO_SPARES = {"excludeGroups": "Group", "excludeUsernames": "User", "excludeRoles": "roles", "excludeClusterRoles": "clusterRoles"}


def config_map(document: Json) -> Json:
    """The same with `secrets`: the names under which its values are secrets, are named like some, or may be. Values go no further.

    But for what its engine leaves alone where it is Kyverno's configuration: `kyvernoFilters`, each as `Kind,Namespace,Name`, and
    `kyvernoSpares`, each as `Group NAME`, `User NAME`, `roles NAME` or `clusterRoles NAME`.
    """
    data = optional(whole(document), "data")
    found = of_files(data, optional(document, "binaryData"))
    filters = [",".join(parts) for parts in _KYVERNO_FILTER.findall(str(data.get("resourceFilters") or ""))]
    spares = [
        f"{what} {name}" for key, what in _KYVERNO_SPARES.items() for each in str(data.get(key) or "").split(",") if (name := each.strip())
    ]
    more = {name: told for name, told in (("kyvernoFilters", filters), ("kyvernoSpares", spares)) if told}
    return {**document, "secrets": found.document(), **more}


def aws_auth(written: Json) -> Json:
    """See aws_auth.py: its YAML reader is heavy, and few config maps are that one."""
    from cnamm_scan.providers.kubernetes.aws_auth import aws_auth as read

    return read(written)


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {
    "json": parse_json,
    "pod": pod,
    "changes": changes,
    "package": package,
    "model": model,
    "config_map": config_map,
    "aws_auth": aws_auth,
    "service": service,
    "bare_url": bare_url,
    "volume": volume,
}
