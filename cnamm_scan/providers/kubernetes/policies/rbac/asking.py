"""One request and one rule of a role, and whether the rule admits the request: the only place that knows RBAC's wildcards."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FRESH = "\ue000"
"""A verb, group, resource, namespace or name that no rule writes out: what holds for it holds for every other."""
NAMELESS = frozenset({"create", "deletecollection"})
"""Verbs whose requests carry no object's name when they are authorised, so that no list of names can admit them."""
LISTING = frozenset({"list", "watch"})
"""Verbs that carry a name only where the request selects one object by `metadata.name`."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `path` is set for a URL that is no resource; `namespace` is empty for what has none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    namespace: str = ""
    path: str = ""

    @property
    def known_name(self) -> str:
        """The object's name as the authoriser sees it: a new object's is not looked at, the object of a subresource is there already."""
        return "" if self.verb in NAMELESS and not self.subresource else self.name


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a role, as written."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def admits(self, ask: Ask) -> bool:
        """Whether this rule alone admits a request; where the rule holds is the binding's affair."""
        if not _holds(ask.verb, self.verbs):
            return False
        if ask.path:
            return any(_is_under(ask.path, url) for url in self.urls)
        return (
            _holds(ask.group, self.groups)
            and self._covers(ask.resource, ask.subresource)
            and (not self.names or ask.known_name in self.names)
        )

    def _covers(self, resource: str, subresource: str) -> bool:
        """`*` is every resource with its subresources, `*/exec` that subresource of any; `pods/*` is a name like any other."""
        if "*" in self.resources:
            return True
        if not subresource:
            return resource in self.resources
        return f"{resource}/{subresource}" in self.resources or f"*/{subresource}" in self.resources


def _holds(wanted: str, listed: Iterable[str]) -> bool:
    return any(each in (wanted, "*") for each in listed)


def _is_under(path: str, url: str) -> bool:
    return url == path or (url.endswith("*") and path.startswith(url.rstrip("*")))
