"""What stands in a tenant: subscriptions and objects by their ids, as Resource Manager lists them and Resource Graph makes rows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cnamm_scan.demo.dated import clock, documents
from cnamm_scan.errors import UsageError

Json = Any
Thing = dict[str, Any]

TABLE, UNDER = "demo/table", "demo/under"
"""Keys of a document that are for the bed: its table of Resource Graph (empty: none), and paths that list it besides its own."""
TENANT = "00000000-7e4a-4000-8000-000000000000"
_ALONE = frozenset({"tenant", "subscriptions", "groups"})
COLUMNS = "id name kind location managedBy sku plan properties tags identity zones extendedLocation".split()


@dataclass(frozen=True)
class Subscription:
    """One subscription, and what the caller may do there."""

    id: str
    name: str = ""
    state: str = "Enabled"
    actions: tuple[str, ...] = ("*/read",)
    """Patterns of operations that the caller holds."""
    not_actions: tuple[str, ...] = ()
    is_listed: bool = True
    """Whether the caller sees it at all."""
    is_in_graph: bool = True
    registered: frozenset[str] | None = None
    """Namespaces that it is registered for, in small letters; None: all."""

    @property
    def path(self) -> str:
        """Its id as Resource Manager writes it."""
        return f"/subscriptions/{self.id}"


@dataclass
class Tenant:
    """All that a bed answers from."""

    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Management group -> subscriptions beneath it."""
    id: str = TENANT
    things: dict[str, Thing] = field(default_factory=dict)
    """By id in small letters."""
    tables: dict[str, list[Thing]] = field(default_factory=dict)
    """Table of Resource Graph -> its rows."""
    lists: dict[str, list[Thing]] = field(default_factory=dict)
    """Path of a listing in small letters -> what it lists."""

    @property
    def size(self) -> int:
        """How many objects there are."""
        return len(self.things)

    def add(self, *things: Mapping[str, Json]) -> None:
        """Put objects in. Raises ValueError for one without an id, and for one that is there."""
        for thing in things:
            own = {key: value for key, value in thing.items() if not key.startswith("demo/")}
            id_ = str(own.get("id") or "")
            if not id_.startswith("/"):
                raise ValueError(f"an object has no id: {sorted(own)}")
            if id_.lower() in self.things:
                raise ValueError(f"{id_} is there already")
            own.setdefault("name", id_.rsplit("/", 1)[1])
            own.setdefault("type", type_of(id_))
            self.things[id_.lower()] = own
            for path in (id_.rpartition("/")[0], *map(str, thing.get(UNDER, ()))):
                self.lists.setdefault(path.lower(), []).append(own)
            table = thing.get(TABLE, _table(str(own["type"])))
            if table:
                self.tables.setdefault(table, []).append(_row(own, self.id))

    def close(self) -> None:
        """Make rows of the subscriptions themselves, for those that Resource Graph knows."""
        rows = self.tables.setdefault("resourcecontainers", [])
        there = {row["id"].lower() for row in rows}
        for each in self.subscriptions.values():
            if each.path.lower() not in there:
                thing = {
                    "id": each.path,
                    "name": each.name,
                    "type": "microsoft.resources/subscriptions",
                    "properties": {"state": each.state},
                }
                rows.append(_row(thing, self.id))


def type_of(id_: str) -> str:
    """The type that an id tells: Microsoft.Storage/storageAccounts/blobServices."""
    head, _, last = id_.rpartition("/providers/")
    if not last:
        segments = head.split("/")
        return "Microsoft.Resources/subscriptions/resourceGroups" if len(segments) > 3 else "Microsoft.Resources/subscriptions"
    namespace, *rest = last.split("/")
    return "/".join([namespace, *rest[::2]])


def subscription_of(id_: str) -> str:
    """The subscription that an id or a path is in; empty for what is above them."""
    segments = id_.lower().split("/")
    return segments[2] if len(segments) > 2 and segments[1] == "subscriptions" else ""


def _table(kind: str) -> str:
    namespace, _, rest = kind.lower().partition("/")
    if kind.lower() in ("microsoft.resources/subscriptions", "microsoft.resources/subscriptions/resourcegroups"):
        return "resourcecontainers"
    if namespace == "microsoft.security":
        return "securityresources"
    if namespace == "microsoft.authorization" or "/" in rest:
        return ""  # roles and what stands beneath a resource are asked one by one
    return "resources"


def _row(thing: Thing, tenant: str) -> Thing:
    segments = str(thing["id"]).split("/")
    groups = [segments[at + 1] for at, word in enumerate(segments[:-1]) if word.lower() == "resourcegroups"]
    row: Thing = dict.fromkeys(COLUMNS)
    row.update({key: value for key, value in thing.items() if key in row})
    kind = str(thing["type"]).lower().replace("microsoft.resources/subscriptions/resourcegroups", "microsoft.resources/resourcegroups")
    return {
        **row,
        "kind": thing.get("kind", ""),
        "type": thing.get("graphType", kind),
        "tenantId": tenant,
        "subscriptionId": subscription_of(thing["id"]),
        "resourceGroup": groups[0].lower() if groups else "",
    }


def load(folder: Path, now: datetime | None = None) -> Tenant:
    """A tenant with all that the `*.yaml` of a folder holds, as of a moment.

    One document has `tenant`, `subscriptions` (short name -> what there is to say of it) and `groups`; all others are objects. `$NAME` in
    a text is the id of the subscription of that short name, `$tenant` the tenant's. Raises UsageError, which says where, for what is none.
    """
    seen = clock(now)
    read = [each for file in sorted(folder.glob("*.yaml")) for each in documents(file)]
    heads = [each for each in read if isinstance(each.data, dict) and "subscriptions" in each.data]
    if len(heads) != 1 or heads[0].data.keys() - _ALONE:
        raise UsageError("needs one document with tenant, subscriptions and groups", where=str(folder), do="write tenant.yaml")
    head = heads[0].data
    tenant = Tenant(id=str(head["tenant"]))
    names = {"tenant": tenant.id}
    for short, said in head["subscriptions"].items():
        names[short] = str(said["id"])
        tenant.subscriptions[str(said["id"])] = _subscription(said)
    tenant.groups = {name: tuple(names[each] for each in those) for name, those in head.get("groups", {}).items()}
    for each in read:
        if each.data is head:
            continue
        try:
            tenant.add(_named(seen.aged(each.data, each.where, lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")), names))
        except (ValueError, AttributeError) as error:
            raise UsageError(str(error), where=each.where, do="write an object with an id of its own") from error
    tenant.close()
    return tenant


def _subscription(said: Mapping[str, Json]) -> Subscription:
    return Subscription(
        str(said["id"]),
        said.get("name", ""),
        said.get("state", "Enabled"),
        tuple(said.get("actions", ("*/read",))),
        tuple(said.get("notActions", ())),
    )


def _named(value: Json, names: Mapping[str, str]) -> Json:
    """A copy in which `$NAME` is what it is the name of."""
    if isinstance(value, dict):
        return {_named(key, names): _named(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_named(each, names) for each in value]
    if isinstance(value, str):
        for name, id_ in names.items():
            value = value.replace(f"${name}", id_)
    return value


def fill(tenant: Tenant, things: Iterable[Mapping[str, Json]]) -> Tenant:
    """The tenant with these in it, for tests."""
    tenant.add(*things)
    tenant.close()
    return tenant
