"""How collectors name the Kubernetes API: which group, version and resource a call means, and which right it needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cnamm_scan.model import Call, Content, Table

_CLIENT = re.compile(r"(?:(?P<group>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)/)?(?P<versions>v\d\w*(?:,v\d\w*)*)")
_OWN = frozenset(
    f"{name}.k8s.io"
    for name in (
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "authentication",
        "authorization",
        "certificates",
        "coordination",
        "discovery",
        "events",
        "flowcontrol.apiserver",
        "networking",
        "node",
        "policy",
        "rbac.authorization",
        "resource",
        "scheduling",
        "storage",
    )
)
"""Groups that come with the API server. Other groups of k8s.io are installed, as products are."""
METADATA_ONLY = "metadata_only"
"""The parameter that asks for names, labels and dates alone."""
_BENEATH = frozenset({"nodes/proxy/configz"})
"""All that is asked beneath one object: `namespaces/secrets` would be a listing of secrets, `pods/exec` more than reading."""
_CALL = re.compile(r"(?P<resource>[a-z0-9]+|\*)(?P<sub>(?:/[A-Za-z0-9]+)*)")


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object of the API. `versions` in the order in which they are preferred; `group` is empty for the core."""

    group: str
    versions: tuple[str, ...]
    name: str
    """Its plural name; `*` for whatever the group holds."""
    sub: str = ""
    """What follows the name of one object: `proxy/configz`; empty for a listing."""

    @property
    def full(self) -> str:
        """As kubectl writes it: `pods`, `deployments.apps`."""
        return f"{self.name}.{self.group}" if self.group else self.name


def resource_of(client: str, operation: str) -> Resource:
    """`apps/v1`, `deployments` -> the resource. Raises ValueError for what is not written so."""
    said, called = _CLIENT.fullmatch(client), _CALL.fullmatch(operation)
    if said is None or called is None:
        raise ValueError(f"{client}:{operation}")
    return Resource(said["group"] or "", tuple(said["versions"].split(",")), called["resource"], called["sub"].removeprefix("/"))


def product(table: Table) -> str:
    """The group of API that must be installed for a table to hold anything; empty for what every API server has."""
    if table.list.call is None:
        return ""
    named, _ = table.list.of(table.client)
    group, slash, _ = named.partition("/")
    return group if slash and "." in group and group not in _OWN else ""


def read_by(content: Content) -> Callable[[str, str, str], bool]:
    """Whether some table reads a kind of object, by group, plural name and version."""
    known: set[tuple[str, str, str]] = set()
    for table in content.tables.values():
        if table.provider == "kubernetes" and table.list.call is not None:
            try:
                resource = resource_of(*table.list.of(table.client))
            except ValueError:
                continue  # the linter names it
            known |= {(resource.group, resource.name, version) for version in resource.versions if not resource.sub}
    return lambda group, name, version: not known.isdisjoint({(group, name, version), (group, "*", version)})


def needs(call: Call, client: str) -> tuple[str, ...]:
    """The right that a call needs: `list deployments.apps`, or `get nodes/proxy` for what stands beneath one object."""
    if call.call is None:
        return ()
    try:
        resource = resource_of(*call.of(client))
    except ValueError:
        return ()
    if resource.sub:
        name, _, group = resource.full.partition(".")
        return (f"get {name}{'.' + group if group else ''}/{resource.sub.split('/')[0]}",)
    return (f"list {resource.full}",)


def hands_out(resource: Resource, parameters: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is wrong with a call whose answer would hold what secrets say, or do more than say something; None when nothing is."""
    asked = f"{resource.name}/{resource.sub}" if resource.sub else resource.name
    if resource.sub:
        allowed = "leave it out: beneath one object only nodes/proxy/configz is asked"
        return None if not resource.group and asked in _BENEATH else (f"'{asked}' may hand out secrets, or do more than read", allowed)
    if resource.group:
        return None
    if resource.name == "*":
        return "'*' of the core group lists secrets with their values", "write the plural name of one kind, such as pods"
    if resource.name == "secrets" and parameters.get(METADATA_ONLY) is not True:
        return "'secrets' lists secrets with their values", f"write fixed: {{{METADATA_ONLY}: true}} and opt_in: secret_metadata"
    return None


def problem(call: Call, client: str) -> tuple[str, str] | None:
    """What is wrong with how a call is written; None when nothing is."""
    if call.call is None:
        return None
    client, operation = call.of(client)
    if _CLIENT.fullmatch(client) is None:
        return f"client '{client}' is no API group and version", "write v1, apps/v1, or kyverno.io/v1,v2 where either will do"
    if _CALL.fullmatch(operation) is None:
        return f"'{operation}' is no resource", "write its plural name in small letters, such as deployments"
    if METADATA_ONLY in {*call.with_, *call.many}:
        return f"'{METADATA_ONLY}' comes from an answer", f"write fixed: {{{METADATA_ONLY}: true}}"
    return hands_out(resource_of(client, operation), call.fixed)
