"""What a Kubernetes API server of release 1.36 answers: a request and a cluster in, status, headers and body out."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnamm_scan.demo.cluster.bed.contents import Cluster, Entry, Matcher, SelectorError, Snapshot, by_fields, by_labels, dumps
from cnamm_scan.demo.cluster.bed.groups import Resource, split
from cnamm_scan.demo.cluster.bed.requests import REVIEWS, Answer, Refused, Request, decode, encode, plain, status
from cnamm_scan.demo.cluster.bed.rights import Rights

VERSION: Mapping[str, str] = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.1",
    "gitCommit": "3b9b2f0d1c5e4a6789d0f1e2a3b4c5d6e7f80912",
    "gitTreeState": "clean",
    "buildDate": "2026-05-13T10:12:31Z",
    "goVersion": "go1.26.2",
    "compiler": "gc",
    "platform": "linux/amd64",
}
HEALTH = ("/healthz", "/livez", "/readyz")
WHOLE = frozenset({"status", "resize", "ephemeralcontainers", "approval"})
"""Subresources whose GET gives the object itself."""
EXPIRED_PAGE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
EXPIRED_LIST = "The resourceVersion for the provided list is too old."
TOO_LARGE: Mapping[str, Any] = {
    "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
    "retryAfterSeconds": 1,
}
"""The details of the 504 of a server that is behind the resourceVersion it is asked for."""
NO_METHOD = "the server does not allow this method on the requested resource"
NO_RESOURCE = "the server could not find the requested resource"
DISCOVERY = "apidiscovery.k8s.io"


class Pages:
    """The states of the cluster that continue tokens speak of; one expires after `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str, int], tuple[Snapshot, float]] = {}

    def keep(self, group: str, resource: str, snapshot: Snapshot) -> None:
        """Hold a state for the pages that follow."""
        with self._lock:
            self._kept.setdefault((group, resource, snapshot.version), (snapshot, time.monotonic()))

    def find(self, group: str, resource: str, version: int) -> Snapshot | None:
        """The state at a resourceVersion; None when it has expired."""
        with self._lock:
            known = self._kept.get((group, resource, version))
        return None if known is None or time.monotonic() - known[1] >= self.seconds else known[0]

    def clear(self) -> None:
        """Let all expire."""
        with self._lock:
            self._kept.clear()


@dataclass
class Api:
    """The server without its sockets."""

    cluster: Cluster
    pages: Pages
    aggregated_discovery: bool
    version: Mapping[str, str]
    address: str = ""

    def answer(self, rights: Rights | None, request: Request) -> Answer:
        """Who asks, may they, and then what there is."""
        if rights is None:
            return status(401, "Unauthorized")
        if not rights.allows(request.ask):
            return forbidden(rights, request)
        try:
            return self._resource(rights, request) if request.resource else self._path(request)
        except Refused as refused:
            return refused.answer

    def _path(self, request: Request) -> Answer:
        """Discovery, health, version, and what `Cluster.raw` set."""
        path = request.path.rstrip("/")
        parts = path.split("/")[1:]
        if request.method not in {"GET", "HEAD"}:
            return not_served()
        raw = self.cluster.raw_answer(path)
        if raw is not None:
            return Answer(200, *raw)
        if not path:
            return Answer(200, dumps({"paths": [*self.cluster.paths(), *HEALTH, "/version"]}) + b"\n")
        if path == "/version":
            return Answer(200, json.dumps(dict(self.version), indent=2).encode())
        if path in HEALTH:
            listed = f"[+]ping ok\n[+]log ok\n[+]etcd ok\n{path[1:]} check passed\n"
            return plain(200, listed if "verbose" in request.query else "ok")
        if path in {"/api", "/apis"}:
            return self._discovery(request, core=path == "/api")
        if len(parts) == 2 and parts[0] == "apis":
            return self._document(request, self.cluster.group(parts[1]))
        if (len(parts), parts[0]) in {(2, "api"), (3, "apis")}:
            group_version = "/".join(parts[1:])  # of /api/v1 or /apis/apps/v1
            if self.cluster.is_down(group_version):
                return plain(503, "service unavailable\n")
            return self._document(request, self.cluster.resource_list(group_version))
        return self._unserved(request)

    def _document(self, request: Request, document: Mapping[str, Any] | None) -> Answer:
        if document is None:
            return self._unserved(request)
        request.accepts(_is_plain)
        return Answer(200, dumps(document) + b"\n")

    def _discovery(self, request: Request, core: bool) -> Answer:
        said = request.accepts(lambda said: _is_plain(said) or (self.aggregated_discovery and _is_discovery(said)))
        if "as" in said:
            document = self.cluster.aggregated(core) | {"apiVersion": f"{DISCOVERY}/{said['v']}"}
            body = dumps(document) + b"\n"
            tag = '"' + hashlib.sha512(body).hexdigest().upper() + '"'
            kind = f"application/json;g={DISCOVERY};v={said['v']};as=APIGroupDiscoveryList"
            unchanged = request.headers.get("if-none-match") == tag
            return Answer(304 if unchanged else 200, b"" if unchanged else body, kind, {"Etag": tag, "Vary": "Accept"})
        if core:
            document = {
                "kind": "APIVersions",
                "versions": ["v1"],
                "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self.address}],
            }
        else:
            document = self.cluster.group_list()
        return Answer(200, dumps(document) + b"\n", headers={"Vary": "Accept"})

    def _resource(self, rights: Rights, request: Request) -> Answer:
        """Answer a request that names a resource. Raises Refused."""
        table = self.cluster.resources(request.group_version)
        if table is not None and self.cluster.is_down(request.group_version):
            return plain(503, "service unavailable\n")
        resource = None if table is None else table.get(request.resource)
        if table is None or resource is None or not _is_scoped(resource, request) or request.full not in table:
            return self._unserved(request)
        if request.method == "POST" and request.resource in REVIEWS and not request.name:
            return _review(rights, request)
        verb = request.ask.verb
        known = table[request.full].verbs
        if request.method not in {"GET", "HEAD"} or verb == "watch" or verb not in known:
            raise Refused(405, NO_METHOD, details={})
        if not request.name:
            return self._list(resource, request)
        entry = self._entry(resource, request)
        if request.sub:
            return self._subresource(resource, request, entry)
        said = request.accepts(lambda said: _is_plain(said) or _is_partial(said, "PartialObjectMetadata"))
        return Answer(200, (_partial(entry) if "as" in said else self._object(resource, request, entry)) + b"\n")

    def _unserved(self, request: Request) -> Answer:
        """404: a Status below /api and built-in groups, whose router knows what is missing; plain text elsewhere."""
        start, group = [*request.path.split("/")[1:], "", ""][:2]
        built_in = {split(version)[0] for version in self.cluster.built_in_versions()}
        if start == "api" or (start == "apis" and group in built_in):
            return status(404, NO_RESOURCE, details={})
        return not_served()

    def _entry(self, resource: Resource, request: Request) -> Entry:
        entry = self.cluster.find(request.group, resource.name, request.namespace if resource.namespaced else "", request.name)
        if entry is None:
            kind = f"{request.resource}.{request.group}" if request.group else request.resource
            raise Refused(404, f'{kind} "{request.name}" not found', details=request.details)
        return entry

    def _object(self, resource: Resource, request: Request, entry: Entry) -> bytes:
        return self._head(resource, request.group_version) + entry.body[1:]

    def _head(self, resource: Resource, group_version: str) -> bytes:
        """The start of an object, up to its metadata."""
        words = (group_version.encode(), resource.kind.encode())
        if self.cluster.is_custom(group_version):
            return b'{"apiVersion":"%b","kind":"%b",' % words
        return b'{"kind":"%b","apiVersion":"%b",' % words[::-1]

    def _subresource(self, resource: Resource, request: Request, entry: Entry) -> Answer:
        raw = self.cluster.raw_answer(request.path)
        if raw is not None:
            return Answer(200, *raw)
        if request.sub in WHOLE:
            return Answer(200, self._object(resource, request, entry) + b"\n")
        return not_served()

    def _list(self, resource: Resource, request: Request) -> Answer:
        """One page of a list. Raises Refused for selectors, tokens and versions that cannot be served."""
        said = request.accepts(lambda said: _is_plain(said) or _is_partial(said, "PartialObjectMetadataList"))
        tests = _tests(request)
        snapshot, start = self._state(request)
        lower, upper = snapshot.bounds(request.namespace)
        if start is not None:
            lower = max(lower, snapshot.after(start))
        entries, upto = _take(snapshot, lower, upper, _limit(request), tests)
        metadata: dict[str, Any] = {"resourceVersion": str(snapshot.version)}
        if upto < upper:
            self.pages.keep(request.group, resource.name, snapshot)
            metadata["continue"] = encode(snapshot.version, snapshot.keys[upto - 1], request.page + 1)
            if not tests:
                metadata["remainingItemCount"] = upper - upto
        parts = {b"metadata": dumps(metadata), b"kind": resource.kind.encode(), b"version": request.group_version.encode()}
        if "as" in said:
            parts[b"items"] = b",".join(map(_partial, entries))
            head = b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1"'
            return Answer(200, head + b',"metadata":%(metadata)b,"items":[%(items)b]}\n' % parts)
        if not self.cluster.is_custom(request.group_version):
            parts[b"items"] = b",".join([entry.body for entry in entries])
            body = b'{"kind":"%(kind)bList","apiVersion":"%(version)b","metadata":%(metadata)b,"items":[%(items)b]}\n' % parts
            return Answer(200, body)
        head = self._head(resource, request.group_version)
        parts[b"items"] = b",".join([head + entry.body[1:] for entry in entries])
        return Answer(200, b'{"apiVersion":"%(version)b","items":[%(items)b],"kind":"%(kind)bList","metadata":%(metadata)b}\n' % parts)

    def _state(self, request: Request) -> tuple[Snapshot, str | None]:
        """The state of the cluster to list, and the key to start after. Raises Refused."""
        now = self.cluster.snapshot(request.group, request.resource)
        wanted, match, token = request.one("resourceVersion"), request.one("resourceVersionMatch"), request.one("continue")
        if match and (token or not wanted):
            why = "when continue is provided" if token else "unless resourceVersion is provided"
            message = f"resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden {why}"
            raise Refused(422, f'ListOptions.meta.k8s.io "" is invalid: {message}')
        if token:
            version, start, page = decode(token)
            if wanted not in {"", "0"}:
                raise Refused(400, "specifying resource version is not allowed when using continue")
            kept = now if version < 0 else self.pages.find(request.group, request.resource, version)
            if kept is None:
                raise Refused(410, EXPIRED_PAGE, token=encode(-1, start, page))
            return kept, start
        if wanted and not wanted.isdigit():
            raise Refused(400, f'Invalid value: "{wanted}": strconv.ParseUint: parsing "{wanted}": invalid syntax')
        version = int(wanted or 0)
        if version > now.version:
            raise Refused(504, f"Timeout: Too large resource version: {version}, current: {now.version}", details=TOO_LARGE)
        # a version with a limit and no word on how to match means that very version
        if version and version != now.version and (match == "Exact" or (not match and _limit(request))):
            kept = self.pages.find(request.group, request.resource, version)
            if kept is None:
                raise Refused(410, EXPIRED_LIST)
            return kept, None
        return now, None


def forbidden(rights: Rights, request: Request) -> Answer:
    """The 403 that says who may not do what."""
    return status(403, request.ask.refusal(rights.user), details=request.details)


def expired(request: Request) -> Answer:
    """The 410 of a later page, with a token that carries on from a newer state."""
    try:
        _, start, page = decode(request.one("continue"))
    except Refused as refused:
        return refused.answer
    return status(410, EXPIRED_PAGE, token=encode(-1, start, page))


def not_served() -> Answer:
    """What a path answers that nobody serves."""
    return plain(404, "404 page not found\n")


def _is_plain(said: Mapping[str, str]) -> bool:
    return said.keys().isdisjoint({"as", "g", "v"})


def _is_discovery(said: Mapping[str, str]) -> bool:
    return (said.get("as"), said.get("g")) == ("APIGroupDiscoveryList", DISCOVERY) and said.get("v") in {"v2", "v2beta1"}


def _is_partial(said: Mapping[str, str], kind: str) -> bool:
    return (said.get("as"), said.get("g"), said.get("v")) == (kind, "meta.k8s.io", "v1")


def _is_scoped(resource: Resource, request: Request) -> bool:
    """Whether the path has a namespace where the resource wants one."""
    if request.resource == "namespaces":
        return True
    return bool(request.namespace) or not request.name if resource.namespaced else not request.namespace


def _partial(entry: Entry) -> bytes:
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":%b}' % entry.meta


def _tests(request: Request) -> list[Matcher]:
    try:
        tests = by_labels(request.one("labelSelector")), by_fields(request.one("fieldSelector"), request.group, request.resource)
    except SelectorError as error:
        raise Refused(400, str(error)) from error
    return [test for test in tests if test is not None]


def _take(snapshot: Snapshot, lower: int, upper: int, limit: int, tests: Sequence[Matcher]) -> tuple[Sequence[Entry], int]:
    """The entries of a page, and the place of the next one.

    With selectors a full page ends at its last match, so that the page after it may be empty, as on a real server.
    """
    if not tests:
        upto = max(lower, min(upper, lower + limit) if limit else upper)
        return snapshot.entries[lower:upto], upto
    found: list[Entry] = []
    for place in range(lower, upper):
        entry = snapshot.entries[place]
        if all(test(entry) for test in tests):
            found.append(entry)
            if len(found) == limit:
                return found, place + 1
    return found, upper


def _limit(request: Request) -> int:
    """How many items at most; 0 is no limit. Raises Refused."""
    said = request.one("limit")
    if said and not re.fullmatch(r"-?\d+", said):
        raise Refused(400, f'strconv.ParseInt: parsing "{said}": invalid syntax')
    if request.one("resourceVersion") == "0" and not request.one("continue"):
        return 0  # a list at version 0 comes from the watch cache, whole
    return max(0, int(said or 0))


def _review(rights: Rights, request: Request) -> Answer:
    """Answer one of the reviews of oneself. Raises Refused for one that makes no sense."""
    try:
        given = json.loads(request.body)
        spec = given.get("spec") or {}
    except (ValueError, AttributeError) as error:
        raise Refused(400, "the request body is not a review") from error
    said: dict[str, Any] = {"kind": given.get("kind"), "apiVersion": request.group_version, "metadata": {}}
    if request.resource == "selfsubjectreviews":
        said["status"] = rights.review_self()
    elif request.resource == "selfsubjectrulesreviews":
        if not spec.get("namespace"):
            raise Refused(400, "no namespace on request")
        said |= {"spec": {}, "status": rights.review_rules(spec["namespace"])}
    else:
        if (spec.get("resourceAttributes") is None) == (spec.get("nonResourceAttributes") is None):
            raise Refused(422, "exactly one of nonResourceAttributes or resourceAttributes must be specified")
        said |= {"spec": spec, "status": rights.review_access(spec)}
    return Answer(201, dumps(said) + b"\n")
