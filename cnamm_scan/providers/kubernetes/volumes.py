"""Volumes: what stands in those of a pod, and what of its node a persistent one shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnamm_scan.providers import host_paths
from cnamm_scan.providers.kubernetes.parts import mappings, optional, text, whole

Json = Any


def token_volumes(volumes: Sequence[Mapping[str, Json]], *, for_api: bool = False) -> Iterator[str]:
    """The volumes that hold a token of the pod's account, whoever wrote them into it. With `for_api` those that the API server takes."""
    for each in volumes:
        if "projected" not in each:
            continue
        tokens = [
            source["serviceAccountToken"] for source in mappings(optional(each, "projected"), "sources") if "serviceAccountToken" in source
        ]
        if any(not for_api or not isinstance(token, dict) or not token.get("audience") for token in tokens):
            yield str(text(each, "name") or "")


def secret_volumes(volumes: Sequence[Mapping[str, Json]]) -> Iterator[tuple[str | None, list[str]]]:
    """(name of a volume, the secrets whose values stand in it)."""
    for each in volumes:
        if "secret" not in each and "projected" not in each:
            continue
        secret, projected = optional(each, "secret"), optional(each, "projected")
        found = [secret.get("secretName")]
        found += [optional(source, "secret").get("name") for source in mappings(projected, "sources")]
        if names := [str(name) for name in found if name]:
            yield text(each, "name"), names


def volume(document: Json) -> Json:
    """A PersistentVolume, with whether its local path is one that its node runs from, and whether a provisioner made the folder for it.

    A provisioner names the folder after the volume or its claim, as `…/pvc-4f1c_shop_data` or `…/shop/data`; so a folder that was
    there before is not taken for one of its own, whatever the annotation says.
    """
    spec = optional(whole(document), "spec")
    path = text(optional(spec, "local"), "path")
    folder = path or text(optional(spec, "hostPath"), "path")
    made = {**document, "localIsCritical": host_paths.is_critical(path)} if path else document
    return {**made, "isOwnFolder": _is_own_folder(document, spec, folder)} if folder else made


def _is_own_folder(document: Mapping[str, Json], spec: Mapping[str, Json], folder: str) -> bool:
    metadata, claim = optional(document, "metadata"), optional(spec, "claimRef")
    if not optional(metadata, "annotations").get("pv.kubernetes.io/provisioned-by"):
        return False
    name, namespace, claimed = (text(where, what) for where, what in ((metadata, "name"), (claim, "namespace"), (claim, "name")))
    words = host_paths.clean(folder).split("/")
    if name and name in words[-1]:
        return True
    return bool(namespace and claimed) and (words[-2:] == [namespace, claimed] or words[-1] == f"{namespace}-{claimed}")
