"""Manifests instead of a cluster: files, folders or standard input, judged before they land.

The objects are the population: each that is there is judged. What only a cluster adds (status, managers, ages) is unknown, and so is
whatever is looked up and not found: it may be in the cluster already, unless somebody says that what is given is all there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cnamm_scan.errors import UsageError
from cnamm_scan.model import ASSUME_WHOLE, WOULD_SHOW, Content, Reason, Target
from cnamm_scan.providers.interface import Absent, Answer, CallFailedError, Origin, Request, code_matches
from cnamm_scan.providers.kubernetes import files, templates
from cnamm_scan.providers.kubernetes.files import Written
from cnamm_scan.providers.kubernetes.names import COPIES, SYSTEM_NAMESPACES, plural
from cnamm_scan.providers.kubernetes.needs import Resource, read_by, resource_of
from cnamm_scan.providers.kubernetes.pods import NORMALISERS
from cnamm_scan.providers.one_place import OnePlace

Json = Any
BLIND: Mapping[str, Reason] = {"status": Reason.ONLY_IN_CLUSTER, "silence": Reason.ONLY_IN_CLUSTER}
"""What manifests never say, whatever is in them."""
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
RETIRED: Mapping[str, str] = {"apps": "extensions", "networking.k8s.io": "extensions", "policy": "extensions"}
"""Groups -> where their kinds stood before: an object of there is of the kind, in a version that no table reads."""
POLICY_GROUPS = ("kyverno.io", "gatekeeper.sh", "admissionregistration.k8s.io")
"""Groups whose objects hold containers as patterns of what is allowed, and make none."""


@dataclass(frozen=True, slots=True)
class _Object:
    """One object as the API server would have it, and where it stands."""

    written: Written
    document: Mapping[str, Json]
    mark: str
    """What tells it from others of the same kind and name, here: empty for the first."""

    @property
    def origin(self) -> Origin:
        """Where its facts say that it was written."""
        return Origin(self.written.file, self.written.line, self.mark)


class ManifestProvider(OnePlace):
    """A file, a folder or `-` as a target. Raises UsageError for what is not there, cannot be read or holds no object."""

    name = "kubernetes"
    normalisers = NORMALISERS

    def __init__(
        self,
        source: str,
        *,
        namespaces: Sequence[str] = (),
        excluded_namespaces: Sequence[str] = (),
        system_namespaces: Sequence[str] = (),
        assume_whole: bool = False,
        skip_unreadable: bool = False,
    ) -> None:
        self._namespaces = frozenset(namespaces)
        self._excluded = frozenset(excluded_namespaces)
        self._system = SYSTEM_NAMESPACES | frozenset(system_namespaces)
        found = files.read(source)
        if found.unread and not skip_unreadable:
            raise files.refuse(source, found.unread)
        if not found.objects:
            raise _nothing(source, found)
        self._objects: dict[tuple[str, str], list[_Object]] = {}
        self._called: dict[tuple[str, str], list[_Object]] = {}
        """(kind, name) -> the objects that are so called."""
        for each in self._marked(found.objects):
            self._objects.setdefault((each.written.group, plural(each.written.kind)), []).append(each)
            self._called.setdefault((each.written.kind, _name_of(each.document)[1]), []).append(each)
        self._is_partial = bool(found.unread or found.changed or found.patches)
        """Whether there is more here than the objects: whatever they say, they are not all."""
        self._unjudged = [each for each in self._every() if self._is_unjudged(each)]
        scope: dict[str, Any] = {"manifests": source, "objects": len(found.objects)}
        named = {"namespaces": self._namespaces, "excluded_namespaces": self._excluded, "system_namespaces": frozenset(system_namespaces)}
        scope.update({name: sorted(values) for name, values in named.items() if values})
        if assume_whole:
            scope[ASSUME_WHOLE] = True
        there = {_namespace_of(each) for each in self._every()}
        self._absent, may_be_gone = (
            [Absent(name, flag, "namespace", sorted(there - {""})) for name in sorted(named - there)]
            for flag, named in (("--namespace", self._namespaces), ("--exclude-namespace", self._excluded))
        )
        notes = [*_of_files(found), *_of_pods(self._unjudged), *(each.note for each in (*self._absent, *may_be_gone))]
        if assume_whole and self._is_partial:
            notes.append("what was not read may hold anything: in spite of --assume-whole nothing is taken to be absent")
        if self._is_partial:
            scope[WOULD_SHOW] = "; ".join(_ways(found))
        if found.unread:
            scope["unreadable"] = [{"file": each.where, "why": each.what} for each in found.unread]
        if notes:
            scope["notes"] = notes
        self.target = Target(f"kubernetes:{source}", "kubernetes", source, "", scope)

    def absentees(self) -> Sequence[Absent]:
        """Namespaces that alone were to be looked at, and that no object is in. One that is to be left out may have gone already."""
        return self._absent

    def files(self) -> Mapping[str, str]:
        """Those that objects were read from, by their resolved paths; none of standard input."""
        named = {each.written.file for each in self._every()} - {files.STDIN}
        return {str(Path(name).resolve()): name for name in sorted(named)}

    def _every(self) -> Iterator[_Object]:
        for _, several in sorted(self._objects.items()):
            yield from several

    def _marked(self, objects: Iterable[Written]) -> Iterator[_Object]:
        """Each object as the server would have it, and told from others of its kind and name: one in several files is several."""
        marks: dict[tuple[str, str, str, str], set[str]] = {}
        for each in objects:
            document = self._placed(each.kind, each.document)
            taken = marks.setdefault(_identity(each, document), set())
            mark = _free("" if not taken else f"@{each.within}", taken)
            taken.add(mark)
            yield _Object(each, document, mark)

    def hear(self, content: Content) -> None:
        """Which kinds tables read: the target says of which kinds none does."""
        known = read_by(content)
        others = Counter(
            _kind_name(each.written)
            for each in self._every()
            if not templates.makes_pods(each.written.group, each.written.kind)
            and not known(each.written.group, plural(each.written.kind), each.written.version)
        )
        if others:
            every = sum(map(len, self._objects.values()))
            said = ", ".join(f"{count} {name}" for name, count in sorted(others.items()))
            note = f"{sum(others.values())} of {every} objects are of kinds that no table reads: {said}"
            scope = {**self.target.scope, "unread_kinds": [{"kind": name, "objects": count} for name, count in sorted(others.items())]}
            scope["notes"] = [*self.target.scope.get("notes", ()), note]
            self.target = replace(self.target, scope=scope)

    def call(self, request: Request) -> Answer:
        """All objects of a kind. Raises CallFailedError where there is none: the cluster may have some."""
        try:
            resource = resource_of(request.client, request.operation)
        except ValueError as error:
            raise CallFailedError(Reason.COLLECTOR_BUG, "NoResource", str(error)) from error
        if resource.full in ("secrets", "*"):
            # the listing of secrets is for what a cluster holds; those in manifests would be read with their values
            raise CallFailedError(Reason.EXCLUDED, "Secrets")
        if resource.sub:
            raise CallFailedError(Reason.ONLY_IN_CLUSTER, "NotInManifests")
        found, others = self._found(resource)
        unjudged: Sequence[_Object] = ()
        if resource.full == "pods":
            found, unjudged = self._with_pods(found), self._unjudged
        kept = [(document, origin) for document, origin in found if self._in_scope(document, resource)]
        hidden = [each for each in unjudged if self._in_scope(each.document, resource)]
        unseen = Reason.NOT_COLLECTED if self._is_partial else Reason.NOT_IN_MANIFESTS
        if not kept and not hidden:
            if found:
                raise CallFailedError(Reason.EXCLUDED, "OutOfScope")
            raise CallFailedError(Reason.UNSUPPORTED, "UnreadVersion") if others else CallFailedError(unseen, "NotInManifests")
        left_out = Reason.UNSUPPORTED if others or hidden else Reason.EXCLUDED if len(kept) < len(found) else None
        return Answer(
            {"items": [document for document, _ in kept]},
            rest=unseen,
            left_out=left_out,
            left_out_count=max(1, others + len(hidden)),
            blind=BLIND,
            origins=[origin for _, origin in kept],
        )

    def _found(self, resource: Resource) -> tuple[list[tuple[dict[str, Json], Origin]], int]:
        """The objects in one of the versions asked for, and how many there are in others."""
        if resource.name == "*":
            there = [each for each in self._every() if each.written.group == resource.group]
        else:
            there = [*self._objects.get((resource.group, resource.name), [])]
            there += self._objects.get((RETIRED.get(resource.group, "-"), resource.name), [])
        fitting = [each for each in there if each.written.group == resource.group and each.written.version in resource.versions]
        return [(dict(each.document), each.origin) for each in fitting], len(there) - len(fitting)

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

    # ---- pods --------------------------------------------------------------------------------------------------------

    def _with_pods(self, found: Sequence[tuple[dict[str, Json], Origin]]) -> list[tuple[dict[str, Json], Origin]]:
        """The pods that are there, and one for each template: what its object will make, under that object's name, once."""
        made = [(_defaulted(document), origin) for document, origin in found]
        owners: dict[tuple[str, str], tuple[str, str]] = {_name_of(document): ("", "Pod") for document, _ in found}
        taken: dict[tuple[str, str], set[str]] = {}
        for document, origin in found:
            taken.setdefault(_name_of(document), set()).add(origin.mark)
        for each in self._every():
            if self._is_owned(each):
                continue
            group, kind = each.written.group, each.written.kind
            for template in templates.pods_of(group, kind, each.document):
                pod = self._pod(each, template)
                if pod is None:
                    continue
                name = _name_of(pod)
                theirs = "" if owners.setdefault(name, (group, kind)) == (group, kind) else f"~{kind.lower()}"
                mark = _free(theirs + each.mark, taken.setdefault(name, set()))
                taken[name].add(mark)
                made.append((_defaulted(pod), replace(each.origin, mark=mark)))
        return made

    def _pod(self, each: _Object, template: templates.Template) -> dict[str, Json] | None:
        """The pod of a template; None where its object has no name to make it under."""
        above = each.document.get("metadata")
        if not isinstance(above, Mapping):
            return None
        pod = template.pod if isinstance(template.pod, Mapping) else {}
        own = pod.get("metadata")
        name = str(above.get("name") or "")
        return {
            **pod,
            "metadata": {
                **(own if isinstance(own, Mapping) else {}),
                "name": f"{name}~{template.part}" if template.part else name,
                "namespace": str(above.get("namespace") or "default"),
                "ownerReferences": [{"kind": each.written.kind, "name": above.get("name"), "controller": True}],
            },
            "inSystemNamespace": each.document.get("inSystemNamespace", False),
            "madeFrom": {"metadata": {name: above.get(name) for name in ("labels", "annotations")}},  # says who answers for it, if need be
        }

    def _is_owned(self, each: _Object) -> bool:
        """Whether another object that is here makes it, and its pods are found with that one's. What owns itself in the end is its own."""
        return any(
            templates.makes_pods(owner.written.group, owner.written.kind) and not self._owns(each, owner) for owner in self._owners(each)
        )

    def _owns(self, each: _Object, other: _Object) -> bool:
        """Whether an object stands above another, or is that one."""
        above, seen = [other], set()
        while above:
            one = above.pop()
            if one is each:
                return True
            if id(one) not in seen:
                seen.add(id(one))
                above += self._owners(one)
        return False

    def _owners(self, each: _Object) -> Iterator[_Object]:
        """The objects here that it names as its owners."""
        metadata = each.document.get("metadata")
        named = metadata.get("ownerReferences") if isinstance(metadata, Mapping) else None
        for owner in named if isinstance(named, list) else ():
            if isinstance(owner, Mapping):
                group = str(owner.get("apiVersion") or "").rpartition("/")[0]
                for found in self._called.get((str(owner.get("kind")), str(owner.get("name"))), ()):
                    if group in (found.written.group, "") and _name_of(found.document)[0] in (_name_of(each.document)[0], ""):
                        yield found

    def _is_unjudged(self, each: _Object) -> bool:
        """Whether it may make pods that are not found: a kind that nobody here knows, with containers in it."""
        group, kind = each.written.group, each.written.kind
        if (group, kind) == ("", "Pod") or templates.makes_pods(group, kind) or group.endswith(POLICY_GROUPS):
            return False
        return templates.holds_containers(each.document) and not self._is_owned(each)

    def _in_scope(self, item: Mapping[str, Json], resource: Resource) -> bool:
        metadata = item.get("metadata")
        if not isinstance(metadata, Mapping):
            return True
        namespace = metadata.get("name") if resource.full == "namespaces" else metadata.get("namespace")
        if not isinstance(namespace, str):
            return True
        return namespace in self._namespaces if self._namespaces else namespace not in self._excluded

    def read(self, name: str, request: Request) -> Answer:
        """The cluster is what the manifests are for: a row to ask "is there one" of, with nothing known of it but the name.

        It serves the kinds of the objects that are given, and those that their CRDs define; others, unless these are all, too.
        """
        if name == "api_resources":
            served = self._served()
            unseen = Reason.NOT_COLLECTED if self._is_partial else Reason.NOT_IN_MANIFESTS
            return Answer([kind for kind, _ in served], rest=unseen, blind=BLIND, origins=[origin for _, origin in served])
        if name != "cluster":
            raise CallFailedError(Reason.ONLY_IN_CLUSTER, "NotInManifests")
        return Answer([{"name": self.target.name}], blind={**BLIND, "version": Reason.ONLY_IN_CLUSTER, "managedBy": Reason.ONLY_IN_CLUSTER})

    def _served(self) -> list[tuple[dict[str, Json], Origin]]:
        """The kinds that are served where these objects are, each with the first that says so: a CRD, which says more, before an object."""
        found: dict[tuple[str, str, str], tuple[dict[str, Json], Origin]] = {}
        every = list(self._every())
        told = [(each.written, kind) for each in every for kind in _defined(each)]
        for written, kind in (*told, *((each.written, _own_kind(each.written)) for each in every)):
            found.setdefault((kind["group"], kind["version"], kind["resource"]), (kind, Origin(written.file, written.line)))
        return [found[key] for key in sorted(found)]

    def matches(self, failure: CallFailedError, codes: Sequence[str]) -> bool:
        """As `absent_on:` says."""
        return code_matches(failure, codes)

    def close(self) -> None:
        """Nothing is open."""


def _identity(written: Written, document: Mapping[str, Json]) -> tuple[str, str, str, str]:
    """(group, kind, namespace, name): of two objects with the same, one would be written over the other."""
    return (written.group, written.kind, *_name_of(document))


def _name_of(document: Mapping[str, Json]) -> tuple[str, str]:
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return "", ""
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


def _namespace_of(each: _Object) -> str:
    """The namespace that an object is in, or makes; empty for neither."""
    namespace, name = _name_of(each.document)
    return name if each.written.kind == "Namespace" else namespace


def _free(mark: str, taken: set[str]) -> str:
    """The mark, or the first of its like that nobody has."""
    number, free = 2, mark
    while free in taken:
        free, number = f"{mark}~{number}", number + 1
    return free


def _defaulted(pod: dict[str, Json]) -> dict[str, Json]:
    """A pod as the API server stores it, in what matters here: what a container may use at most it asks for, where it says no less."""
    spec = pod.get("spec")
    if not isinstance(spec, Mapping):
        return pod
    made = dict(spec)
    for name in ("containers", "initContainers"):
        if isinstance(spec.get(name), list):
            made[name] = [_with_requests(each) for each in spec[name]]
    return {**pod, "spec": _with_requests(made)}


def _with_requests(holder: Json) -> Json:
    resources = holder.get("resources") if isinstance(holder, Mapping) else None
    if not isinstance(resources, Mapping) or not isinstance(resources.get("limits"), Mapping):
        return holder
    requests = resources.get("requests")
    if requests is not None and not isinstance(requests, Mapping):
        return holder
    return {**holder, "resources": {**resources, "requests": {**resources["limits"], **(requests or {})}}}


def _own_kind(written: Written) -> dict[str, Json]:
    """The kind of an object, as the server lists it: whether it has namespaces is said of those that are known not to."""
    kind: dict[str, Json] = {
        "group": written.group,
        "version": written.version,
        "resource": plural(written.kind),
        "kind": written.kind,
    }
    return {**kind, "namespaced": False} if written.kind in CLUSTER_SCOPED else kind


def _defined(each: _Object) -> Iterator[dict[str, Json]]:
    """The kinds that a CRD has the server serve; none of another object."""
    spec = each.document.get("spec")
    if (each.written.group, each.written.kind) != ("apiextensions.k8s.io", "CustomResourceDefinition") or not isinstance(spec, Mapping):
        return
    names, versions = spec.get("names"), spec.get("versions")
    if not isinstance(names, Mapping) or not isinstance(versions, list):
        return
    for version in versions:
        said = (spec.get("group"), version.get("name") if isinstance(version, Mapping) else None, names.get("plural"), names.get("kind"))
        if all(isinstance(text, str) and text for text in said) and version.get("served") is not False:
            kind = dict(zip(("group", "version", "resource", "kind"), said, strict=True))
            yield {**kind, "namespaced": spec.get("scope") != "Cluster"}


def _kind_name(written: Written) -> str:
    """As kubectl writes a kind: `Widget.v1.example.com`."""
    return ".".join(part for part in (written.kind, written.version if written.group else "", written.group) if part)


# ---- what a person should know ---------------------------------------------------------------------------------------------


def _nothing(source: str, found: files.Reading) -> UsageError:
    where = f"kubernetes:{source}"
    if found.kustomizations or found.patches:
        what = "holds parts of a kustomization, and no Kubernetes object"
        return UsageError(what, where=where, do=f"render it: {_rendering(found)}")
    if found.unread:
        return UsageError("holds no Kubernetes object that could be read", where=where, do="; ".join(sorted({e.do for e in found.unread})))
    return UsageError("holds no Kubernetes object", where=where, do="name manifests: documents with apiVersion and kind")


def _of_files(found: files.Reading) -> Iterator[str]:
    if found.unread:
        said = ", ".join(f"{each.where} ({each.what})" for each in found.unread)
        yield f"{len(found.unread)} file(s) were passed over (--skip-unreadable): {said}"
    if found.changed or found.patches:
        yield (
            f"{len(found.kustomizations)} kustomization(s) were not rendered; {len(found.patches)} file(s) of patches and settings were"
            f" passed over: {_rendering(found)}"
        )


def _ways(found: files.Reading) -> Iterator[str]:
    """What to do to see all that is here."""
    if found.changed or found.patches:
        yield f"render it first: {_rendering(found)}"
    if found.unread:
        yield "mend the files that were passed over, and scan without --skip-unreadable"


def _rendering(found: files.Reading) -> str:
    return files.KUSTOMIZE.format(found.kustomizations[0] if found.kustomizations else "DIR")


def _of_pods(unjudged: Sequence[_Object]) -> Iterator[str]:
    if unjudged:
        said = ", ".join(f"{count} {name}" for name, count in sorted(Counter(_kind_name(each.written) for each in unjudged).items()))
        yield f"{len(unjudged)} object(s) hold containers and are of kinds whose pods are not known, so these are unknown: {said}"
