"""Kubernetes through the official client: its configuration, authentication and transport; answers as raw JSON, errors as reasons."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from cnamm_scan.errors import UsageError, did_you_mean
from cnamm_scan.model import Reason, Target
from cnamm_scan.providers.bounds import BOUNDS, Bounds
from cnamm_scan.providers.interface import Absent, Answer, CallFailedError, LeftOut, Provider, Request, Trial, code_matches
from cnamm_scan.providers.kubernetes.answers import METADATA_ONLY, ServerSaidError, items_of, name_of, object_of
from cnamm_scan.providers.kubernetes.discovery import Discovery, Served
from cnamm_scan.providers.kubernetes.door import enter, look_for, notes_of
from cnamm_scan.providers.kubernetes.kind import is_path
from cnamm_scan.providers.kubernetes.link import Access, Impersonation, Link
from cnamm_scan.providers.kubernetes.names import COPIES, SYSTEM_NAMESPACES
from cnamm_scan.providers.kubernetes.needs import Resource, hands_out, resource_of
from cnamm_scan.providers.kubernetes.pods import NORMALISERS
from cnamm_scan.providers.one_place import OnePlace
from cnamm_scan.providers.reading import Within
from cnamm_scan.providers.sdk import need
from cnamm_scan.text import address

Json = Any

PAGE = 500
"""Objects asked at once: what kubectl asks too."""
SMALLEST_PAGE = 5
"""So many are asked at once before a page that is too large is given up."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to reach a cluster, and how much of it."""

    kubeconfig: str | None = None
    namespaces: tuple[str, ...] = ()
    """Only these; empty: all."""
    excluded_namespaces: tuple[str, ...] = ()
    system_namespaces: tuple[str, ...] = ()
    assume_whole: bool = False
    """Of manifests: what is given is all there is."""
    skip_unreadable: bool = False
    """Of manifests: go on without files that cannot be read."""
    call_timeout: float = 20.0
    """Seconds to wait for one answer."""
    connections: int = 16
    bounds: Bounds = BOUNDS


def connect(name: str, options: Options) -> Provider:
    """Open `kubernetes:NAME`: a context; nothing: the current one, or the cluster around us; a file, a folder or `-`: manifests.

    Raises UsageError, CredentialsError or ProviderError.
    """
    if options.namespaces and options.excluded_namespaces:
        raise UsageError("--namespace and --exclude-namespace do not go together", do="name what to scan, or what to leave out")
    if name == "-" or is_path(name):
        return _manifests(name, options)
    if not name or not Path(name).exists():
        _refuse_of_manifests(options)
    need("kubernetes", "kubernetes")
    from cnamm_scan.providers.kubernetes.config import IN_CLUSTER, Kubeconfig, in_cluster_access, kubeconfig_files

    files = kubeconfig_files(options.kubeconfig)
    known = Kubeconfig(files) if files else None
    if name and known is not None and name in known.contexts:
        _refuse_of_manifests(options)
        return KubernetesProvider(name, known.access(name, timeout=options.call_timeout, connections=options.connections), options)
    if name and name != IN_CLUSTER:
        if Path(name).exists():
            return _manifests(name, options)
        contexts = known.contexts if known else []
        raise UsageError(
            f"no context '{name}', and no file of that name",
            where=f"kubernetes:{name}",
            do=did_you_mean(name, contexts) if contexts else "name a kubeconfig with --kubeconfig",
        )
    if not name and known is not None:
        if not known.current:
            raise UsageError(
                "the kubeconfig has no current context",
                where=known.where,
                do=f"name one: kubernetes:{'|'.join(known.contexts) or 'CONTEXT'}",
            )
        access = known.access(known.current, timeout=options.call_timeout, connections=options.connections)
        return KubernetesProvider(known.current, access, options)
    return KubernetesProvider(IN_CLUSTER, in_cluster_access(connections=options.connections), options)


def _manifests(name: str, options: Options) -> Provider:
    from cnamm_scan.providers.kubernetes.manifests import ManifestProvider

    return ManifestProvider(
        name,
        namespaces=options.namespaces,
        excluded_namespaces=options.excluded_namespaces,
        system_namespaces=options.system_namespaces,
        assume_whole=options.assume_whole,
        skip_unreadable=options.skip_unreadable,
    )


def _refuse_of_manifests(options: Options) -> None:
    """Raise UsageError for what can only be said of manifests."""
    for flag, said in (("--assume-whole", options.assume_whole), ("--skip-unreadable", options.skip_unreadable)):
        if said:
            raise UsageError(f"{flag} says nothing about a cluster", where=flag, do="leave it out, or name manifests: kubernetes:FOLDER")


@dataclass(frozen=True, slots=True)
class _Page:
    """Where a listing goes on: which of its namespaces or resources, and the server's token there."""

    place: int
    token: str = ""
    seen: int = 0
    """Objects read before, in all places."""
    outside: int = 0
    """Namespaces before that are not in the scope."""
    named: tuple[str, ...] = ()
    """Their names, where the scope names those that are left out."""
    size: int = PAGE
    """Objects asked at once."""
    alone: bool = False
    """Whether nothing else is asked after it."""

    @property
    def asked(self) -> tuple[int, str, int]:
        """What tells the page apart: what was counted on the way there does not."""
        return self.place, self.token, self.size


class KubernetesProvider(OnePlace):
    """One cluster. Raises CredentialsError when it does not know us, ProviderError when it does not answer."""

    name = "kubernetes"
    normalisers = NORMALISERS

    def __init__(self, context: str, access: Access, options: Options) -> None:
        self.options = options
        self._link = Link(access, options.call_timeout, options.bounds)
        self._system = SYSTEM_NAMESPACES | frozenset(options.system_namespaces)
        self._discovery = Discovery(lambda path, accept: self._link.get(path, accept=accept)[0])
        entered = enter(self._link, f"kubernetes:{context} ({address(self._link.host)})")
        self._version = entered.version
        named = {"--namespace": options.namespaces, "--exclude-namespace": options.excluded_namespaces}
        self._absent, unsure = look_for(self._link, named)
        scope = _scope(options, access.impersonation, [*notes_of(self._link), *unsure])
        self.target = Target(f"kubernetes:{context}", "kubernetes", context, entered.user, scope)

    def absentees(self) -> Sequence[Absent]:
        """Namespaces that were named and are not there."""
        return self._absent

    # ---- asking ------------------------------------------------------------------------------------------------------

    def call(self, request: Request) -> Answer:
        """One page of a listing, or what stands beneath one object. Raises CallFailedError."""
        with Within(self.options.bounds, request.ends):
            answer = self._call(request)
        return replace(answer, token=answer.next_page.asked) if isinstance(answer.next_page, _Page) else answer

    def _call(self, request: Request) -> Answer:
        try:
            resource = resource_of(request.client, request.operation)
        except ValueError as error:
            raise CallFailedError(Reason.COLLECTOR_BUG, "NoResource", str(error)) from error
        refused = hands_out(resource, request.parameters)
        if refused is not None:  # content says so when it is read; nobody gets here by another way either
            raise CallFailedError(Reason.COLLECTOR_BUG, "HandsOutSecrets", refused[0])
        if resource.sub:
            return self._beneath(resource, str(request.parameters["name"]))
        page = request.page or _Page(0)
        places = self._places(resource)
        found, namespace = places[page.place]
        return self._list(resource, found, namespace, request.parameters, page, len(places))

    def _places(self, resource: Resource) -> list[tuple[Served | None, str]]:
        """What a listing asks, one after the other: which resource, in which namespace. Raises CallFailedError."""
        served: Sequence[Served | None] = (
            self._discovery.everything(resource.group, resource.versions[0]) if resource.name == "*" else [self._discovery.find(resource)]
        )
        return [(each, namespace) for each in served for namespace in self._namespaces(each)]

    def trials(self, request: Request) -> Sequence[Trial]:
        """One object of each kind, in each namespace that is asked by itself: rights are by kind. Raises CallFailedError."""
        resource = resource_of(request.client, request.operation)
        asked = replace(request, parameters={**request.parameters, "limit": 1})
        return [
            Trial(
                f"list {replace(resource, name=served.name if served is not None else resource.name).full}"
                + (f" in {namespace}" if namespace else ""),
                replace(asked, page=_Page(number, alone=True)),
            )
            for number, (served, namespace) in enumerate(self._places(resource))
        ]

    def _namespaces(self, served: Served | None) -> Sequence[str]:
        """The namespaces to ask one by one; an empty one asks in all of them."""
        return self.options.namespaces if self.options.namespaces and (served is None or served.namespaced) else ("",)

    def _list(
        self, resource: Resource, served: Served | None, namespace: str, parameters: Mapping[str, Any], page: _Page, places: int
    ) -> Answer:
        version, name = (served.version, served.name) if served is not None else (resource.versions[0], resource.name)
        wanted = dict(parameters)
        metadata_only = bool(wanted.pop("metadata_only", False))
        query = {"limit": page.size, **wanted}
        if self.options.excluded_namespaces and (served is None or served.namespaced):
            others = ",".join(f"metadata.namespace!={each}" for each in self.options.excluded_namespaces)
            query["fieldSelector"] = f"{query['fieldSelector']},{others}" if "fieldSelector" in query else others
        if page.token:
            query["continue"] = page.token
        next_place = replace(page, place=page.place + 1, token="") if page.place + 1 < places and not page.alone else None
        root = _root(resource.group, version)
        try:
            path = f"{_listing(root, name, namespace)}?{urlencode(query)}"
            body, request_id = self._link.ask(path, accept=METADATA_ONLY if metadata_only else "application/json")
        except CallFailedError as failure:
            if failure.code == "TooLarge" and page.size > SMALLEST_PAGE and "limit" not in wanted:
                return Answer({"items": []}, next_page=replace(page, size=max(SMALLEST_PAGE, page.size // 10)), note="SmallerPages")
            again = failure.token if isinstance(failure, ServerSaidError) else ""
            if failure.code == "Expired" and again and again != page.token:
                # the snapshot that the token stood for is gone: the server goes on from there in a newer one
                return Answer({"items": []}, next_page=replace(page, token=again), note="ExpiredContinueToken")
            if failure.retry and served is not None and not served.fresh:
                failure.retry = False  # discovery says that whoever serves this is down: asking again and again helps nobody
            if failure.code == "NotServed" and page.token:  # what came before has been read: it is not whole, and not empty
                raise CallFailedError(Reason.TRUNCATED, "Vanished", failure.message) from failure
            if failure.code == "NotServed" and served is None:
                # discovery did not say what there is: the same thing may well be served in another version
                raise CallFailedError(Reason.UNSUPPORTED, "NotDiscovered", failure.message) from failure
            if next_place is not None and not failure.retry and failure.reason is not Reason.CREDENTIALS:
                # one namespace, or one of a group's kinds, costs itself and not those that come after it
                left_out = None if failure.code == "NotServed" else failure.reason
                known = {"metadata": {"namespace": namespace}, "inSystemNamespace": namespace in self._system}
                where = [LeftOut(known, 1)] if namespace and left_out else []
                return Answer({"items": []}, next_page=next_place, left_out=left_out, left_out_where=where, note=failure.code)
            raise
        api, kind = f"{resource.group}/{version}".lstrip("/"), served.kind if served is not None else ""
        items, token = items_of(body, metadata_only, api, kind, name)
        is_namespaces = resource.full == "namespaces"
        left, named = page.outside, page.named
        if self._is_scoped and is_namespaces:
            listed = {number: name_of(object_of(item)) for number, item in enumerate(items)}
            items = [items[number] for number, name in listed.items() if self._in_scope(name)]
            left += len(listed) - len(items)
            named += tuple(each for each in self.options.excluded_namespaces if each in listed.values())
        seen = page.seen + len(items)
        following = replace(page, token=token) if token else next_place
        outside: Sequence[LeftOut] = ()
        if following is not None:
            following = replace(following, seen=seen, outside=left, named=named)
        elif is_namespaces and self.options.namespaces:
            outside = [LeftOut({}, left, {"metadata.name": self.options.namespaces})] if left else ()
        elif is_namespaces and left == len(named):
            outside = [LeftOut({"metadata": {"name": each}, "inSystemNamespace": each in self._system}, 1) for each in named]
        elif self._is_scoped and not is_namespaces and not page.alone and (served is None or served.namespaced):
            # the server counts what remains for whole listings only
            selects = "labelSelector" in wanted or "fieldSelector" in wanted
            left, outside = self._outside(root, name, seen, metadata_only, counts=not selects)
        return Answer(
            {"items": items},
            request_id,
            following,
            left_out=Reason.EXCLUDED if following is None and left else None,
            left_out_count=left if following is None else 0,
            left_out_where=outside,
            decode=lambda raw: self._stamped(object_of(raw), is_namespaces),
        )

    @property
    def _is_scoped(self) -> bool:
        return bool(self.options.namespaces or self.options.excluded_namespaces)

    def _outside(self, root: str, name: str, seen: int, metadata_only: bool, *, counts: bool) -> tuple[int, Sequence[LeftOut]]:
        """How many objects a scope leaves out, and where they are: in each namespace that is left out, or in none that was named.

        A count is the server's of what remains after the first object. Where it does not say, there may be one.
        """
        left_out = self.options.excluded_namespaces
        left = 1
        if counts and len(left_out) != 1:
            whole = self._count(_listing(root, name), metadata_only)
            left = max(0, whole - seen) if whole is not None else 1
        if not left_out:
            return left, [LeftOut({}, left, {"metadata.namespace": self.options.namespaces})] if left else ()
        where = []
        for namespace in left_out if left else ():
            count = self._count(_listing(root, name, namespace), metadata_only) if counts else None
            if count != 0:
                known = {"metadata": {"namespace": namespace}, "inSystemNamespace": namespace in self._system}
                where.append(LeftOut(known, 1 if count is None else count))
        return sum(each.count for each in where), where

    def _count(self, path: str, metadata_only: bool) -> int | None:
        """How many objects a listing has; None where the server does not say."""
        try:
            body, _ = self._link.get(f"{path}?limit=1", accept=METADATA_ONLY if metadata_only else "application/json")
            metadata = _mapping(body.get("metadata"))
            remaining = metadata.get("remainingItemCount", 0 if not metadata.get("continue") else None)
            return len(body["items"]) + max(0, int(remaining))
        except (CallFailedError, AttributeError, KeyError, TypeError, ValueError):
            return None

    def _in_scope(self, name: str | None) -> bool:
        if name is None:
            return True  # an odd object: it shows as one that could not be read
        return name in self.options.namespaces if self.options.namespaces else name not in self.options.excluded_namespaces

    def _stamped(self, item: Json, is_namespace: bool) -> Json:
        """The object with whose namespace it is in, and without the copies of itself that tools leave in annotations."""
        metadata = item.get("metadata") if isinstance(item, dict) else None
        if isinstance(metadata, dict):
            namespace = metadata.get("name" if is_namespace else "namespace")
            if isinstance(namespace, str):
                item["inSystemNamespace"] = namespace in self._system
            annotations = metadata.get("annotations")
            if isinstance(annotations, dict) and not COPIES.isdisjoint(annotations):
                annotations.update(dict.fromkeys(COPIES & annotations.keys(), ""))
        return item

    def _beneath(self, resource: Resource, name: str) -> Answer:
        path = f"{_root(resource.group, resource.versions[0])}/{resource.name}/{quote(name, safe='')}/{resource.sub}"
        try:
            body, request_id = self._link.get(path)
        except CallFailedError as failure:
            if failure.code == "NotServed":  # said of one object's, not of a kind that is not installed
                raise CallFailedError(Reason.UNSUPPORTED, "NotFound", failure.message) from failure
            raise
        if _mapping(body).get("kind") == "Status":
            raise CallFailedError(Reason.MALFORMED, "NoAnswer", retry=True)
        return Answer(body, request_id)

    def matches(self, failure: CallFailedError, codes: Sequence[str]) -> bool:
        """What is not served is not installed, whatever the collector says; else as `absent_on:` says."""
        return failure.code == "NotServed" or code_matches(failure, codes)

    # ---- readers -----------------------------------------------------------------------------------------------------

    def read(self, name: str, request: Request) -> Answer:
        """The named readers of collectors."""
        readers: dict[str, Callable[[], list[Mapping[str, Any]]]] = {"cluster": self._cluster, "api_resources": self._api_resources}
        if name not in readers:
            raise CallFailedError(Reason.COLLECTOR_BUG, f"no reader {name}")
        with Within(self.options.bounds, request.ends):
            return Answer(readers[name]())

    def _cluster(self) -> list[Mapping[str, Any]]:
        version = self._version or _mapping(self._link.get("/version")[0])
        host = urlsplit(self._link.host).hostname or ""
        made = {"name": self.target.name, "server": address(self._link.host), "serverHost": host, "version": version}
        digits = re.match(r"\d+", str(version.get("minor", "")))
        return [
            {**made, "minor": int(digits.group()) if digits else None, "managedBy": managed_by(str(version.get("gitVersion", "")), host)}
        ]

    def _api_resources(self) -> list[Mapping[str, Any]]:
        return [
            {
                "group": each.group,
                "version": each.version,
                "resource": each.name,
                "kind": each.kind,
                "namespaced": each.namespaced,
                "fresh": each.fresh,
            }
            for each in self._discovery.all()
        ]

    def close(self) -> None:
        """Give connections back."""
        self._link.close()

    def sent(self) -> Mapping[str, int]:
        """Requests that were sent, all for the one cluster."""
        return {self.target.id: self._link.sent}


def managed_by(git_version: str, host: str) -> str:
    """Whose managed cluster it is, as the version or the server's name tells: eks, gke, aks; empty for any other."""
    if "-eks-" in git_version or host.endswith((".eks.amazonaws.com", ".eks.amazonaws.com.cn")):
        return "eks"
    if "-gke." in git_version:
        return "gke"
    return "aks" if host.endswith((".azmk8s.io", ".azmk8s.us", ".azmk8s.cn")) else ""


def _scope(options: Options, impersonation: Impersonation | None, notes: Sequence[str]) -> dict[str, Any]:
    named = {
        "namespaces": options.namespaces,
        "excluded_namespaces": options.excluded_namespaces,
        "system_namespaces": options.system_namespaces,
    }
    made: dict[str, Any] = {name: sorted(values) for name, values in named.items() if values}
    if impersonation is not None:
        made["impersonated"] = {"user": impersonation.user, "uid": impersonation.uid, "groups": list(impersonation.groups)}
        made["impersonated"]["extra"] = sorted({key for key, _ in impersonation.extra})
    return {**made, "notes": list(notes)} if notes else made


def _root(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def _listing(root: str, name: str, namespace: str = "") -> str:
    """The path of a resource, in one namespace or in all."""
    return f"{root}/namespaces/{quote(namespace, safe='')}/{name}" if namespace else f"{root}/{name}"


def _mapping(body: Json) -> Mapping[str, Json]:
    if not isinstance(body, Mapping):
        raise CallFailedError(Reason.MALFORMED, "MalformedBody", retry=True)
    return body
