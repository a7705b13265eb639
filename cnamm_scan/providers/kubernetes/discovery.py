"""What a cluster serves: aggregated discovery in two calls, or the older way, one group at a time.

Source: Kubernetes documentation, "The Kubernetes API", section Discovery API (apidiscovery.k8s.io/v2, v1.30 and later).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.kubernetes.needs import Resource

ACCEPT = ",".join(
    (
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    )
)
"""Servers before 1.26 know the last form only, and give it."""
ATTEMPTS = 3
"""So often discovery is tried when it fails for a reason that may pass; then listings are asked blindly."""

Json = Any
Get = Callable[[str, str], Json]
"""(path, Accept) -> the parsed body. Raises CallFailedError."""


@dataclass(frozen=True, slots=True)
class Served:
    """One resource in one version, as discovery tells it."""

    group: str
    version: str
    name: str
    kind: str
    namespaced: bool
    fresh: bool
    verbs: frozenset[str]


@dataclass
class _Version:
    """One group and version; `resources` is None until the older discovery has asked for it."""

    fresh: bool = True
    resources: dict[str, Served] | None = None
    in_vain: bool = False
    """Whether it was asked and did not say: it is asked no second time."""


@dataclass
class Discovery:
    """Asks when it is first needed, and keeps the answer. Used from many threads."""

    get: Get
    _groups: dict[str, dict[str, _Version]] | None = None
    """Group -> version -> what it holds, versions in the server's order of preference. None: not asked yet."""
    _blind: CallFailedError | None = None
    """Why it is known no better, once it has been tried often enough."""
    _failures: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def find(self, resource: Resource) -> Served | None:
        """The resource in the first of its versions that is served; None where discovery itself is refused: then just ask.

        Raises CallFailedError: NotServed where the cluster has no such thing, UnservedVersion where it has it in other versions only.
        """
        groups = self.groups()
        if groups is None:
            return None
        versions = groups.get(resource.group)
        if versions is None:
            raise not_served(resource.full)
        for version in resource.versions:
            if version not in versions:
                continue
            known = self._resources(resource.group, version, versions[version])
            if known is None:
                # nobody says what this version holds: just ask; but what is known to be down is not asked again and again
                stale = Served(resource.group, version, resource.name, "", True, False, frozenset())
                return None if versions[version].fresh else stale
            if resource.name in known:
                return known[resource.name]
        elsewhere = [name for name, version in versions.items() if resource.name in (self._resources(resource.group, name, version) or ())]
        if elsewhere:
            raise CallFailedError(Reason.UNSUPPORTED, "UnservedVersion", f"{resource.full} is served as {', '.join(elsewhere)}")
        raise not_served(resource.full)

    def everything(self, group: str, version: str) -> list[Served]:
        """What a group holds that can be listed, by name. Raises CallFailedError: NotServed where there is no such group."""
        groups = self.groups()
        if groups is None:
            raise self._refused()
        found = groups.get(group, {}).get(version)
        known = self._resources(group, version, found) if found is not None else {}
        if known is None:
            raise CallFailedError(Reason.SERVER_ERROR, "DiscoveryFailed")
        listed = sorted((served for served in known.values() if "list" in served.verbs), key=lambda served: served.name)
        if not listed:
            raise not_served(f"*.{group}")
        return listed

    def all(self) -> Iterator[Served]:
        """Every resource of every version. Raises CallFailedError where discovery is refused or a group did not answer."""
        groups = self.groups()
        if groups is None:
            raise self._refused()
        for group, versions in sorted(groups.items()):
            for name, version in versions.items():
                known = self._resources(group, name, version)
                if known is None:
                    yield Served(group, name, "", "", False, False, frozenset())
                else:
                    yield from known.values()

    def groups(self) -> dict[str, dict[str, _Version]] | None:
        """What was found, asked on first use; None where it is refused. Raises CallFailedError while trying again may help."""
        with self._lock:
            if self._groups is None and self._blind is None:
                try:
                    self._groups = {**self._ask("/api"), **self._ask("/apis")}
                except CallFailedError as failure:
                    self._failures += 1
                    if failure.reason is Reason.CREDENTIALS or (failure.retry and self._failures < ATTEMPTS):
                        raise
                    self._blind = failure
            return self._groups

    def _refused(self) -> CallFailedError:
        return CallFailedError(self._blind.reason if self._blind is not None else Reason.DENIED, "DiscoveryRefused")

    def _ask(self, root: str) -> dict[str, dict[str, _Version]]:
        body = self.get(root, ACCEPT)
        kind = body.get("kind") if isinstance(body, Mapping) else None
        try:
            if kind == "APIGroupDiscoveryList":
                return {item.get("metadata", {}).get("name", ""): _versions(item) for item in body["items"]}
            if kind == "APIVersions":
                return {"": {name: _Version() for name in body["versions"]}}
            if kind == "APIGroupList":
                return {item["name"]: {version["version"]: _Version() for version in item["versions"]} for item in body["groups"]}
        except (KeyError, TypeError, AttributeError) as error:
            raise CallFailedError(Reason.MALFORMED, "MalformedDiscovery", retry=True) from error
        raise CallFailedError(Reason.MALFORMED, "MalformedDiscovery", retry=True)

    def _resources(self, group: str, name: str, version: _Version) -> dict[str, Served] | None:
        """What a version holds; None when its own discovery failed."""
        with self._lock:
            if version.resources is None and not version.in_vain:
                path = f"/apis/{group}/{name}" if group else f"/api/{name}"
                try:
                    body = self.get(path, "application/json")
                    version.resources = {
                        item["name"]: Served(
                            group, name, item["name"], item["kind"], bool(item["namespaced"]), True, frozenset(item.get("verbs") or ())
                        )
                        for item in body["resources"]
                        if "/" not in item["name"]
                    }
                except CallFailedError as failure:
                    if failure.code == "NotServed":
                        version.resources = {}
                    elif failure.reason is Reason.CREDENTIALS:
                        raise
                    else:
                        version.in_vain = True
                        version.fresh = version.fresh and failure.code not in ("503", "ServiceUnavailable")
                except (KeyError, TypeError, AttributeError):
                    version.in_vain = True
            return version.resources


def _versions(item: Mapping[str, Json]) -> dict[str, _Version]:
    group = item.get("metadata", {}).get("name", "")
    made: dict[str, _Version] = {}
    for version in item["versions"]:
        fresh = version.get("freshness", "Current") == "Current"
        resources = {
            each["resource"]: Served(
                group,
                version["version"],
                each["resource"],
                each.get("responseKind", {}).get("kind", ""),
                each.get("scope") == "Namespaced",
                fresh,
                frozenset(each.get("verbs") or ()),
            )
            for each in version.get("resources") or ()
        }
        # a stale version may be listed without what it holds: that says nothing about it
        made[version["version"]] = _Version(fresh, resources if resources or fresh else None)
    return made


def not_served(what: str) -> CallFailedError:
    """What the cluster does not have: a fact, which `matches` takes for an empty listing."""
    return CallFailedError(Reason.UNSUPPORTED, "NotServed", f"{what} is not served")
