"""What is in the fake Kubernetes cluster: objects as JSON bytes, in the order that a real server lists them."""

from __future__ import annotations

import json
import re
import threading
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnamm_scan.demo.cluster.bed.groups import Resource, aggregated_group, built_in, legacy_group, legacy_resources, split, version_rank

CREATED = "2026-01-05T08:00:00Z"
"""When objects were made that do not say so."""
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_UIDS = uuid.UUID("6f2b1b44-6c61-4d5e-9f0a-2f8f3c1d7a10")
_META_FIELDS = ("metadata.name", "metadata.namespace")
_FIELDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    ("", "events"): (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("", "namespaces"): ("status.phase",),
    ("", "nodes"): ("spec.unschedulable",),
    ("", "replicationcontrollers"): ("status.replicas",),
    ("", "secrets"): ("type",),
    ("", "services"): ("spec.clusterIP", "spec.type"),
    ("apps", "replicasets"): ("status.replicas",),
    ("batch", "jobs"): ("status.successful",),
    ("certificates.k8s.io", "certificatesigningrequests"): ("spec.signerName",),
}
"""What a field selector may name besides metadata.name and metadata.namespace."""
_DEFAULTS = {"spec.unschedulable": "false", "spec.hostNetwork": "false", "status.replicas": "0", "status.successful": "0"}
_REQUIREMENT = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<key1>[\w./-]+)|(?P<key2>[\w./-]+)\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)"
    r"|(?P<key3>[\w./-]+)\s*(?P<op>==|=|!=)\s*(?P<value>[\w.-]*)|(?P<key4>[\w./-]+))\s*"
)


class SelectorError(ValueError):
    """A selector that the server refuses; the text is the message of the 400."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: its JSON without apiVersion and kind, `{"metadata":…}`, and what selectors look at."""

    key: str  # namespace/name, or the name
    body: bytes
    meta: bytes  # the JSON of metadata alone
    labels: Mapping[str, str]
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Snapshot:
    """All objects of one resource at one time, by key."""

    version: int  # the resourceVersion of a list made of it
    keys: Sequence[str]
    entries: Sequence[Entry]

    def bounds(self, namespace: str) -> tuple[int, int]:
        """Where the objects of a namespace begin and end; "" is all."""
        if not namespace:
            return 0, len(self.keys)
        return bisect_left(self.keys, f"{namespace}/"), bisect_left(self.keys, f"{namespace}0")  # "0" follows "/"

    def after(self, key: str) -> int:
        """The place of the first object past this key."""
        return bisect_right(self.keys, key)


Matcher = Callable[[Entry], bool]


class Cluster:
    """The contents of a cluster, plain data; a `ClusterBed` serves it.

    Objects may come and go while it is served. The built-in groups are there from the start, without any
    object in them. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._served: dict[str, dict[str, Resource]] = {}
        self._tables: dict[tuple[str, str], dict[str, Entry]] = {}
        self._snapshots: dict[tuple[str, str], Snapshot] = {}
        self._down: set[str] = set()
        self._custom: set[str] = set()
        self._raw: dict[str, tuple[bytes, str]] = {}
        self._version = 1000
        for group_version, resources in built_in().items():
            self._served[group_version] = {resource.name: resource for resource in resources}

    @property
    def version(self) -> int:
        """The resourceVersion of the newest change."""
        return self._version

    @property
    def size(self) -> int:
        """How many objects there are."""
        with self._lock:
            return sum(map(len, self._tables.values()))

    def add(self, *objects: Mapping[str, Any]) -> None:
        """Put whole objects in, or others of the same name in their place.

        uid, resourceVersion and creationTimestamp are filled in when absent. A CustomResourceDefinition makes
        the cluster serve what it defines; an APIService with a service does so for its version, which is down
        when the condition Available is not True. Raises ValueError when a kind is not served: `serve` it first.
        """
        for given in objects:
            group_version, kind = given["apiVersion"], given["kind"]
            group = split(group_version)[0]
            with self._lock:
                resource = self._of_kind(group_version, kind)
                if resource is None:
                    message = f"got an object of {group_version} {kind}, expected a kind that is served; serve it first"
                    raise ValueError(message)
                self._version += 1
                entry = _entry(group, resource, given, self._version)
                self._tables.setdefault((group, resource.name), {})[entry.key] = entry
                self._snapshots.pop((group, resource.name), None)
                if kind == "CustomResourceDefinition":
                    self._define(given["spec"])
                elif kind == "APIService" and given["spec"].get("service"):
                    self._aggregate(given)

    def remove(self, group: str, resource: str, name: str, namespace: str = "") -> None:
        """Take one object out. Raises KeyError when there is none."""
        with self._lock:
            del self._tables[group, resource][f"{namespace}/{name}" if namespace else name]
            self._version += 1
            self._snapshots.pop((group, resource), None)

    def serve(self, group_version: str, *resources: Resource, down: bool = False, custom: bool = True) -> None:
        """Serve an API version, as a CRD or an aggregated API would; again to add resources to it.

        `down`: its backend does not answer. It stays in /apis, it is Stale, and all below it answers 503.
        Items in lists of `custom` resources have apiVersion and kind; those of aggregated APIs have none.
        """
        with self._lock:
            table = self._served.setdefault(group_version, {})
            table.update({resource.name: resource for resource in resources})
            (self._down.add if down else self._down.discard)(group_version)
            if group_version not in built_in():
                (self._custom.add if custom else self._custom.discard)(group_version)

    def remove_group(self, group: str) -> None:
        """Serve nothing of this group any more, and forget its objects."""
        with self._lock:
            self._served = {version: table for version, table in self._served.items() if split(version)[0] != group}
            self._tables = {key: table for key, table in self._tables.items() if key[0] != group}
            self._snapshots = {key: one for key, one in self._snapshots.items() if key[0] != group}

    def raw(self, path: str, body: object, content_type: str = "application/json") -> None:
        """Answer GETs of a path so: a subresource (`/api/v1/nodes/NAME/proxy/configz`) or a path like /metrics.

        Bytes and text go out as they are, anything else as JSON.
        """
        data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else dumps(body)
        with self._lock:
            self._raw[path] = (data, content_type)

    def raw_answer(self, path: str) -> tuple[bytes, str] | None:
        """Body and content type that `raw` set for the path."""
        return self._raw.get(path)

    def groups(self) -> dict[str, list[str]]:
        """The groups with their versions, the preferred first; the core group is not among them."""
        with self._lock:
            found: dict[str, list[str]] = {}
            for group_version in self._served:
                group, version = split(group_version)
                if group:
                    found.setdefault(group, []).append(version)
            return {group: sorted(versions, key=version_rank) for group, versions in found.items()}

    def paths(self) -> list[str]:
        """Where discovery documents are."""
        with self._lock:
            found = {"/api", "/apis"}
            for group_version in self._served:
                group = split(group_version)[0]
                found |= {f"/apis/{group}", f"/apis/{group_version}"} if group else {f"/api/{group_version}"}
            return sorted(found)

    def resources(self, group_version: str) -> Mapping[str, Resource] | None:
        """What a version serves, by name; None when it is not served."""
        return self._served.get(group_version)

    def is_down(self, group_version: str) -> bool:
        """Whether the backend of this version does not answer."""
        return group_version in self._down

    def is_custom(self, group_version: str) -> bool:
        """Whether these are custom resources, whose items say their apiVersion and kind."""
        return group_version in self._custom

    def built_in_versions(self) -> list[str]:
        """The built-in group/versions that are still served."""
        return [version for version in self._served if version in built_in()]

    def snapshot(self, group: str, resource: str) -> Snapshot:
        """All objects of a resource now."""
        with self._lock:
            known = self._snapshots.get((group, resource))
            if known is None:
                table = self._tables.get((group, resource), {})
                keys = sorted(table)
                known = Snapshot(self._version, keys, [table[key] for key in keys])
            elif known.version != self._version:
                known = Snapshot(self._version, known.keys, known.entries)
            self._snapshots[group, resource] = known
            return known

    def find(self, group: str, resource: str, namespace: str, name: str) -> Entry | None:
        """One object, or None."""
        return self._tables.get((group, resource), {}).get(f"{namespace}/{name}" if namespace else name)

    def group_list(self) -> dict[str, Any]:
        """The legacy answer to /apis."""
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [legacy_group(group, versions) for group, versions in self.groups().items()],
        }

    def group(self, group: str) -> dict[str, Any] | None:
        """The answer to /apis/GROUP; None when there is no such group."""
        versions = self.groups().get(group)
        return {"kind": "APIGroup", "apiVersion": "v1"} | legacy_group(group, versions) if versions else None

    def resource_list(self, group_version: str) -> dict[str, Any] | None:
        """The answer to /apis/GROUP/VERSION; None when it is not served."""
        table = self.resources(group_version)
        return None if table is None else legacy_resources(group_version, list(table.values()))

    def aggregated(self, core: bool) -> dict[str, Any]:
        """The aggregated discovery answer to /api (core) or /apis."""
        groups = {"": ["v1"]} if core and "v1" in self._served else {} if core else self.groups()
        items = []
        for group, versions in groups.items():
            named = {version: f"{group}/{version}" if group else version for version in versions}
            items.append(
                aggregated_group(
                    group, {version: (list(self._served[whole].values()), whole not in self._down) for version, whole in named.items()}
                )
            )
        return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}

    def _of_kind(self, group_version: str, kind: str) -> Resource | None:
        table = self._served.get(group_version, {})
        return next((one for one in table.values() if one.kind == kind and not one.is_sub and not one.response), None)

    def _aggregate(self, given: Mapping[str, Any]) -> None:
        spec = given["spec"]
        conditions = given.get("status", {}).get("conditions", ())
        available = any(one["type"] == "Available" and one["status"] == "True" for one in conditions)
        self.serve(f"{spec['group']}/{spec['version']}", down=not available, custom=False)

    def _define(self, spec: Mapping[str, Any]) -> None:
        names = spec["names"]
        for version in spec["versions"]:
            if not version.get("served", True):
                continue
            row = Resource(
                name=names["plural"],
                kind=names["kind"],
                namespaced=spec["scope"] == "Namespaced",
                short_names=tuple(names.get("shortNames", ())),
                categories=tuple(names.get("categories", ())),
                singular=names.get("singular", ""),
            )
            subs = version.get("subresources", {})
            rows = [row]
            if "status" in subs:
                rows.append(Resource(f"{row.name}/status", row.kind, row.namespaced, ("get", "patch", "update")))
            if "scale" in subs:
                rows.append(Resource(f"{row.name}/scale", "Scale", row.namespaced, ("get", "patch", "update"), response="autoscaling/v1"))
            self.serve(f"{spec['group']}/{version['name']}", *rows)


def dumps(value: object) -> bytes:
    """JSON as Go writes it: no spaces, UTF-8."""
    return _ENCODE(value).encode()


def field_names(group: str, resource: str) -> tuple[str, ...]:
    """What a field selector may name."""
    return _META_FIELDS + _FIELDS.get((group, resource), ())


def by_labels(selector: str) -> Matcher | None:
    """A test for a label selector, None for an empty one. Raises SelectorError."""
    tests = [_label_test(match, selector) for match in _requirements(selector)]
    return (lambda entry: all(test(entry.labels) for test in tests)) if tests else None


def by_fields(selector: str, group: str, resource: str) -> Matcher | None:
    """A test for a field selector, None for an empty one. Raises SelectorError for a field that has none."""
    wanted: list[tuple[str, str, bool]] = []
    known = field_names(group, resource)
    for term in selector.split(","):
        if not term:
            continue
        match = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", term)
        if match is None:
            message = f"invalid selector: '{selector}'; can't understand '{term}'"
            raise SelectorError(message)
        name, operator, value = match.groups()
        if name not in known:
            message = (
                f"field label not supported: {name}"
                if (group, resource) in _FIELDS
                else f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'
            )
            raise SelectorError(message)
        wanted.append((name, value, operator != "!="))
    return (lambda entry: all((entry.fields.get(name, "") == value) == same for name, value, same in wanted)) if wanted else None


def _requirements(selector: str) -> Iterator[re.Match[str]]:
    place = 0
    while place < len(selector):
        match = _REQUIREMENT.match(selector, place)
        if match is None or (match.end() < len(selector) and selector[match.end()] != ","):
            message = f"unable to parse requirement: found '{selector[place:]}', expected: identifier, in, notin, =, ==, !="
            raise SelectorError(message)
        yield match
        place = match.end() + 1


def _label_test(match: re.Match[str], selector: str) -> Callable[[Mapping[str, str]], bool]:
    said = match.groupdict()
    if said["absent"]:
        return lambda labels: said["key1"] not in labels
    if said["set"]:
        values = {value.strip() for value in said["values"].split(",")}
        if said["set"] == "in":
            return lambda labels: labels.get(said["key2"]) in values
        return lambda labels: labels.get(said["key2"]) not in values
    if said["op"] == "!=":
        return lambda labels: labels.get(said["key3"]) != said["value"]
    if said["op"]:
        return lambda labels: labels.get(said["key3"]) == said["value"]
    return lambda labels: said["key4"] in labels


def _entry(group: str, resource: Resource, given: Mapping[str, Any], version: int) -> Entry:
    metadata = dict(given["metadata"])
    name = metadata["name"]
    if resource.namespaced:
        metadata.setdefault("namespace", "default")
    key = f"{metadata['namespace']}/{name}" if resource.namespaced else name
    metadata.setdefault("uid", str(uuid.uuid5(_UIDS, f"{group}/{resource.name}/{key}")))
    metadata.setdefault("resourceVersion", str(version))
    metadata.setdefault("creationTimestamp", CREATED)
    meta = dumps(metadata)
    rest = dumps({field: value for field, value in given.items() if field not in {"apiVersion", "kind", "metadata"}})
    body = b'{"metadata":' + meta + (b"," + rest[1:] if len(rest) > 2 else b"}")
    fields = {"metadata.name": name, "metadata.namespace": metadata.get("namespace", "")}
    fields |= {path: _field(given, path) for path in _FIELDS.get((group, resource.name), ())}
    return Entry(key, body, meta, metadata.get("labels") or {}, fields)


def _field(given: Mapping[str, Any], path: str) -> str:
    value: Any = given
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    if value is None:
        return _DEFAULTS.get(path, "")
    return str(value).lower() if isinstance(value, bool) else str(value)
