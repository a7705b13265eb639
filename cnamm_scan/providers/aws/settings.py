"""Settings inside answers, judged while they are collected: of a value nothing stays but the names of settings that hold a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cnamm_scan.providers.containers import read
from cnamm_scan.providers.host_paths import is_critical, is_disk, reaches_socket
from cnamm_scan.providers.secrets.found import of_script, of_settings
from cnamm_scan.providers.secrets.names import Says, says
from cnamm_scan.providers.secrets.verdict import Is, judge

Json = Any


def lambda_environment(value: Json) -> Json:
    """A function's environment as `{holding, named, unsure, shapes}`: names of variables by what their values are."""
    if not isinstance(value, Mapping):
        return None
    if value.get("Error"):  # the key that it is encrypted with is not for whoever asks
        return {"holding": [], "named": [], "unsure": ["all variables"], "shapes": []}
    variables = value.get("Variables")
    return of_settings(_texts(variables) if isinstance(variables, Mapping) else ()).document()


def _texts(values: Mapping[str, Json]) -> Iterator[tuple[str, str | None]]:
    """Variables with their values; one that is no text was not shown."""
    for name, value in values.items():
        yield str(name), value if isinstance(value, str) else None


def ecs_container(value: Json) -> Json:
    """A container of a task definition with `found` (as of an environment, of its variables and its commands) and `imageReference`."""
    if not isinstance(value, Mapping):
        return None
    pairs = [(str(each.get("name")), each.get("value") or "") for each in value.get("environment") or () if isinstance(each, Mapping)]
    names = {str(each.get("valueFrom")) for each in value.get("secrets") or () if isinstance(each, Mapping)}
    words = [str(word) for field in ("entryPoint", "command") for word in value.get(field) or ()]
    check = value.get("healthCheck")
    words += [str(word) for word in (check.get("command") if isinstance(check, Mapping) else None) or ()][1:]  # the first says how it runs
    return read(value, pairs, words, names)


def ecs_task_definition(value: Json) -> Json:
    """A task definition with `coreHostPaths`: the paths of its host by which one of its containers owns that."""
    if not isinstance(value, Mapping):
        return None
    core = []
    for volume in _mappings(value, "volumes"):
        path, is_bound_read_only = _host_path(volume)
        owned = reaches_socket(path) or is_disk(path)
        if owned or (is_critical(path) and not is_bound_read_only and not _is_only_read(str(volume.get("name")), value)):
            core.append(path)
    devices = (each for one in _mappings(value, "containerDefinitions") for each in _mappings(one.get("linuxParameters"), "devices"))
    core += sorted({path for path in (str(each.get("hostPath") or "") for each in devices) if is_disk(path)} - {*core})
    return {**value, "coreHostPaths": core}


def _mappings(value: Json, field: str) -> list[Mapping[str, Json]]:
    listed = value.get(field) if isinstance(value, Mapping) else None
    return [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []


def _host_path(volume: Mapping[str, Json]) -> tuple[str, bool]:
    """The path of the host behind a volume, empty for none, and whether the volume itself is read-only.

    A volume of Docker's own driver is one too where its options bind a folder, or mount a disk.
    https://docs.docker.com/reference/cli/docker/volume/create/#opt
    """
    host, docker = volume.get("host"), volume.get("dockerVolumeConfiguration")
    if isinstance(host, Mapping):
        return str(host.get("sourcePath") or ""), False
    options = docker.get("driverOpts") if isinstance(docker, Mapping) and docker.get("driver") in (None, "local") else None
    if not isinstance(options, Mapping):
        return "", False
    device = str(options.get("device") or "")
    return (device if device.startswith("/") else ""), "ro" in str(options.get("o") or "").split(",")


def _is_only_read(volume: str, task: Mapping[str, Json]) -> bool:
    """Whether containers mount it, and none of them to write; what nobody is told of may still be written."""
    mounts = [each for one in _mappings(task, "containerDefinitions") for each in _mappings(one, "mountPoints")]
    modes = [each.get("readOnly") is True for each in mounts if each.get("sourceVolume") == volume]
    return bool(modes) and all(modes)


def setting_name(value: Json) -> Json:
    """The name of a setting whose value nobody asks for, as `{name, saysSecret}`."""
    return {"name": value, "saysSecret": says(value) is Says.SECRET} if isinstance(value, str) else None


def topic_arn(value: Json) -> Json:
    """Where a message goes, when that is an ARN; an e-mail address is somebody's own and stands there empty."""
    return (value if value.startswith("arn:") else "") if isinstance(value, str) else None


def codebuild_variable(value: Json) -> Json:
    """A variable of a build as `{name, type, says, byName}`: what its value is, and whether its name says that it is a secret."""
    if not isinstance(value, Mapping):
        return None
    name, kind = str(value.get("name")), value.get("type") or "PLAINTEXT"
    content = value.get("value")
    verdict = judge(name, content if isinstance(content, str) else None)
    said = verdict.is_ if kind == "PLAINTEXT" else Is.REFERENCE
    return {"name": name, "type": kind, "says": said.value, "byName": verdict.by_name}


def start_script(value: Json) -> Json:
    """User data, in base64 and maybe packed, as `{holding, named, unsure, shapes}`: of a script the names of what it sets."""
    return of_script(value).document() if isinstance(value, str) else None


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {
    "lambda_environment": lambda_environment,
    "ecs_container": ecs_container,
    "ecs_task_definition": ecs_task_definition,
    "setting_name": setting_name,
    "topic_arn": topic_arn,
    "codebuild_variable": codebuild_variable,
    "start_script": start_script,
}
"""What collectors may name under `normalise:` beside the forms of documents."""
