"""Manifests instead of a cluster: files, folders or standard input, judged before they land.

The objects are the population: each that is there is judged. What only a cluster adds (status, managers, ages) is unknown, and so is
whatever is looked up and not found: it may be in the cluster already.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cnamm_scan import yamls
from cnamm_scan.errors import UsageError
from cnamm_scan.model import Reason, Target
from cnamm_scan.providers.interface import Answer, CallFailedError, Request, code_matches
from cnamm_scan.providers.kubernetes.names import COPIES, SYSTEM_NAMESPACES, plural
from cnamm_scan.providers.kubernetes.needs import Resource, resource_of
from cnamm_scan.providers.kubernetes.pods import NORMALISERS
from cnamm_scan.providers.kubernetes.templates import TEMPLATES, templates
from cnamm_scan.providers.one_place import OnePlace

Json = Any
ENDINGS = (".yaml", ".yml", ".json")
LIMITS = yamls.MANIFESTS.limits
BLIND: Mapping[str, Reason] = {"status": Reason.NOT_IN_MANIFESTS, "silence": Reason.NOT_IN_MANIFESTS}
CLUSTER_SCOPED = frozenset(
    "Namespace Node PersistentVolume ClusterRole ClusterRoleBinding StorageClass IngressClass PriorityClass RuntimeClass CSIDriver"
    " CustomResourceDefinition APIService ValidatingWebhookConfiguration MutatingWebhookConfiguration ValidatingAdmissionPolicy"
    " ValidatingAdmissionPolicyBinding MutatingAdmissionPolicy MutatingAdmissionPolicyBinding ClusterPolicy ClusterCleanupPolicy"
    " ConstraintTemplate ClusterIssuer ClusterSecretStore ClusterExternalSecret GatewayClass ClusterTrustBundle DeviceClass NodePool"
    " EC2NodeClass CiliumClusterwideNetworkPolicy GlobalNetworkPolicy AdminNetworkPolicy BaselineAdminNetworkPolicy"
    " ClusterNetworkPolicy TracingPolicy ClusterSPIFFEID ClusterImagePolicy CertificateSigningRequest FlowSchema"
    " PriorityLevelConfiguration VolumeSnapshotClass VolumeSnapshotContent".split()
)
"""Kinds that have no namespace: a manifest cannot tell, and what has one and names none goes to `default`."""


@dataclass(frozen=True, slots=True)
class _Object:
    """One object and the file that it stands in."""

    group: str
    version: str
    kind: str
    document: Mapping[str, Json]


class ManifestProvider(OnePlace):
    """A file, a folder or `-` as a target. Raises UsageError for what is not there, cannot be parsed or holds no object."""

    name = "kubernetes"
    normalisers = NORMALISERS

    def __init__(
        self,
        source: str,
        *,
        namespaces: Sequence[str] = (),
        excluded_namespaces: Sequence[str] = (),
        system_namespaces: Sequence[str] = (),
    ) -> None:
        self._namespaces = frozenset(namespaces)
        self._excluded = frozenset(excluded_namespaces)
        self._system = SYSTEM_NAMESPACES | frozenset(system_namespaces)
        self._objects: dict[tuple[str, str], list[_Object]] = {}
        count = 0
        for found in _read(source):
            self._objects.setdefault((found.group, plural(found.kind)), []).append(found)
            count += 1
        if not count:
            raise UsageError(
                "holds no Kubernetes object", where=f"kubernetes:{source}", do="name manifests: documents with apiVersion and kind"
            )
        scope: dict[str, Any] = {"manifests": source, "objects": count}
        named = {"namespaces": self._namespaces, "excluded_namespaces": self._excluded, "system_namespaces": frozenset(system_namespaces)}
        scope.update({name: sorted(values) for name, values in named.items() if values})
        self.target = Target(f"kubernetes:{source}", "kubernetes", source, "", scope)

    def call(self, request: Request) -> Answer:
        """All objects of a kind. Raises CallFailedError where there is none: the cluster may have some."""
        try:
            resource = resource_of(request.client, request.operation)
        except ValueError as error:
            raise CallFailedError(Reason.COLLECTOR_BUG, "NoResource", str(error)) from error
        if resource.sub or resource.full == "secrets":
            # the listing of secrets is for what a cluster holds; those in manifests would be read with their values
            raise CallFailedError(Reason.NOT_IN_MANIFESTS, "NotInManifests")
        found, others = self._found(resource)
        if resource.full == "pods":
            found = [*found, *self._pods()]
        kept = [item for item in found if self._in_scope(item, resource)]
        if found and not kept:
            raise CallFailedError(Reason.EXCLUDED, "OutOfScope")
        if not kept and others:
            raise CallFailedError(Reason.UNSUPPORTED, "UnreadVersion")
        if not kept:
            raise CallFailedError(Reason.NOT_IN_MANIFESTS, "NotInManifests")
        left_out = Reason.EXCLUDED if len(kept) < len(found) else Reason.UNSUPPORTED if others else None
        return Answer({"items": kept}, rest=Reason.NOT_IN_MANIFESTS, left_out=left_out, blind=BLIND)

    def _found(self, resource: Resource) -> tuple[list[dict[str, Json]], int]:
        """The objects in one of the versions asked for, and how many there are in others."""
        if resource.name == "*":
            there = [each for (group, _), several in sorted(self._objects.items()) if group == resource.group for each in several]
        else:
            there = self._objects.get((resource.group, resource.name), [])
        fitting = [each for each in there if each.version in resource.versions]
        return [self._placed(each.kind, each.document) for each in fitting], len(there) - len(fitting)

    def _placed(self, kind: str, document: Mapping[str, Json]) -> dict[str, Json]:
        """The object with its namespace, and whether that is the platform's."""
        metadata = document.get("metadata")
        if not isinstance(metadata, Mapping):
            return dict(document)
        made = {**metadata}
        if made.get("name") is None and made.get("generateName") is not None:
            made["name"] = made["generateName"]  # the API server adds letters to it
        annotations = made.get("annotations")
        if isinstance(annotations, Mapping) and not COPIES.isdisjoint(annotations):
            made["annotations"] = {**annotations, **dict.fromkeys(COPIES & annotations.keys(), "")}
        if kind not in CLUSTER_SCOPED:
            made["namespace"] = made.get("namespace") or "default"
        belongs = made.get("name") if kind == "Namespace" else made.get("namespace") if kind not in CLUSTER_SCOPED else None
        system = {"inSystemNamespace": belongs in self._system} if isinstance(belongs, str) else {}
        return {**document, "metadata": made, **system}

    def _pods(self) -> Iterator[dict[str, Json]]:
        """A pod for each template: what the object will make, under the object's name, once."""
        taken: set[tuple[str, str]] = set()
        known = [(group, plural(kind)) for group, kind in TEMPLATES]
        for group, several in [*known, *sorted(self._objects.keys() - set(known))]:
            for each in self._objects.get((group, several), ()):
                owner = self._placed(each.kind, each.document)
                above = owner.get("metadata")
                if not isinstance(above, Mapping) or self._is_owned(each):
                    continue  # what owns it makes the pods
                for number, template in enumerate(templates(group, each.kind, owner)):
                    own = template.get("metadata")
                    name, namespace = str(above.get("name") or ""), str(above.get("namespace"))
                    if number:
                        name = f"{name}~{number}"
                    if (namespace, name) in taken:
                        name = f"{name}~{each.kind.lower()}"
                    taken.add((namespace, name))
                    yield {
                        **template,
                        "metadata": {
                            **(own if isinstance(own, Mapping) else {}),
                            "name": name,
                            "namespace": namespace,
                            "ownerReferences": [{"kind": each.kind, "name": above.get("name"), "controller": True}],
                        },
                        "inSystemNamespace": owner.get("inSystemNamespace", False),
                    }

    def _is_owned(self, thing: _Object) -> bool:
        """Whether another object of the manifests makes this one; an owner that is not among them says nothing of what it would make."""
        own = thing.document.get("metadata")
        owners = own.get("ownerReferences") if isinstance(own, Mapping) else None
        if not isinstance(owners, list) or not owners:
            return False
        wanted = {(str(each.get("kind")), str(each.get("name"))) for each in owners if isinstance(each, Mapping)}
        return any(
            (each.kind, str(metadata.get("name"))) in wanted
            for several in self._objects.values()
            for each in several
            if isinstance(metadata := each.document.get("metadata"), Mapping)
        )

    def _in_scope(self, item: Mapping[str, Json], resource: Resource) -> bool:
        metadata = item.get("metadata")
        if not isinstance(metadata, Mapping):
            return True
        namespace = metadata.get("name") if resource.full == "namespaces" else metadata.get("namespace")
        if not isinstance(namespace, str):
            return True
        return namespace in self._namespaces if self._namespaces else namespace not in self._excluded

    def read(self, name: str, request: Request) -> Answer:
        """The cluster is what the manifests are for: a row to ask "is there one" of, with nothing known of it but the name."""
        if name != "cluster":
            raise CallFailedError(Reason.NOT_IN_MANIFESTS, "NotInManifests")
        return Answer(
            [{"name": self.target.name}], blind={**BLIND, "version": Reason.NOT_IN_MANIFESTS, "managedBy": Reason.NOT_IN_MANIFESTS}
        )

    def matches(self, failure: CallFailedError, codes: Sequence[str]) -> bool:
        """As `absent_on:` says."""
        return code_matches(failure, codes)

    def close(self) -> None:
        """Nothing is open."""


# ---- files ---------------------------------------------------------------------------------------------------------------


def _read(source: str) -> Iterator[_Object]:
    for name, text in _texts(source):
        for document in _documents(name, text):
            yield from _objects(document)


def _texts(source: str) -> Iterator[tuple[str, str]]:
    """(name, text) of each file. Raises UsageError."""
    if source == "-":
        if sys.stdin is None:
            raise UsageError("standard input is closed", where="kubernetes:-", do="pipe manifests in: helm template … | …")
        yield "standard input", _text("standard input", sys.stdin.buffer, "pipe manifests in: helm template … | …")
        return
    path = Path(source).expanduser()
    if path.is_dir():
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix in ENDINGS and file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
        )
    elif path.is_file():
        files = [path]
    else:
        raise UsageError("no such file or folder", where=f"kubernetes:{source}", do="name manifests that are there, or a context")
    for file in files:
        try:
            opened = file.open("rb")
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", where=str(file), do="check its permissions") from error
        with opened:
            yield str(file), _text(str(file), opened, "save the file as UTF-8, or name the others")


def _text(name: str, opened: IO[bytes], otherwise: str) -> str:
    try:
        raw = opened.read(LIMITS.size + 1)
        if len(raw) > LIMITS.size:
            raise UsageError(f"larger than {LIMITS.size >> 20} MiB", where=name, do="make it several files")
        return raw.decode()
    except UnicodeDecodeError as error:
        raise UsageError("not UTF-8 text", where=name, do=otherwise) from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=name, do="name a file, a folder or a pipe") from error


def _documents(name: str, text: str) -> Iterator[Json]:
    try:
        if text.lstrip()[:1] in ("{", "["):
            with suppress(ValueError):  # YAML may begin so too, and several JSON documents are YAML with --- between them
                document = json.loads(text, parse_constant=_refuse)
                yamls.within(document, LIMITS)
                yield document
                return
        yield from yamls.documents(text, yamls.MANIFESTS)
    except RecursionError as error:
        raise UsageError(f"nested more than {LIMITS.depth} levels deep", where=name, do="leave the file out") from error
    except yamls.YamlError as error:
        where = f"{name}:{error.line}" if error.line else name
        if "{{" in text and error.what.startswith("not well-formed"):
            raise UsageError(
                "a template, not yet a manifest", where=where, do="render it first: helm template … | cnamm-scan scan kubernetes:-"
            ) from error
        raise UsageError(error.what, where=where, do=error.do) from error


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are Python's, not JSON's


def _objects(document: Json) -> Iterator[_Object]:
    """The objects of a document: itself, or those of a List. What has no apiVersion and kind is none, and is passed over."""
    if isinstance(document, list):
        for each in document:
            yield from _objects(each)
        return
    if not isinstance(document, Mapping):
        return
    api, kind = document.get("apiVersion"), document.get("kind")
    if not isinstance(api, str) or not isinstance(kind, str):
        return
    if kind.endswith("List") and isinstance(document.get("items"), list):
        for each in document["items"]:
            if isinstance(each, Mapping):
                # items of the API server's own lists leave out what the list says already
                yield from _objects({"apiVersion": api, "kind": kind.removesuffix("List"), **each} if kind != "List" else each)
        return
    group, _, version = api.rpartition("/")
    yield _Object(group, version, kind, document)
