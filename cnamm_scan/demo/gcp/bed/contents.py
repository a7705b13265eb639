"""What stands in an organization: its projects and folders, assets as Asset Inventory tells them, and answers of the services' own APIs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cnamm_scan.demo.dated import Clock, Document, clock, documents
from cnamm_scan.errors import UsageError

Json = Any
Asset = dict[str, Any]
"""One of Asset Inventory, in the spelling of its REST reference."""

MANAGER = "cloudresourcemanager.googleapis.com"
CONTENTS = {
    "RESOURCE": ("resource",),
    "IAM_POLICY": ("iamPolicy",),
    "ORG_POLICY": ("orgPolicy",),
    "ACCESS_POLICY": ("accessPolicy", "accessLevel", "servicePerimeter"),
    "OS_INVENTORY": ("osInventory",),
}
"""Content that can be asked for -> the members of an asset that hold it."""
_COMPUTE = "https://www.googleapis.com/compute/v1/"
_LEVELS = {"projects": "Project", "folders": "Folder", "organizations": "Organization"}
_ASSET = frozenset("type name in at data parent iam audit org access level perimeter os changed".split())
_ANSWER = frozenset("get items list is".split())
_AS_IS = {
    "org": "orgPolicy",
    "access": "accessPolicy",
    "level": "accessLevel",
    "perimeter": "servicePerimeter",
    "os": "osInventory",
}
_NUMBER = re.compile(r"projects(/|%2F)(\d+)(?=/|:|$)")


@dataclass(frozen=True)
class Place:
    """A project, a folder or an organization."""

    name: str
    """As Google writes it: projects/ID, folders/NUMBER, organizations/NUMBER."""
    parent: str = ""
    """The folder or the organization above it; empty: nothing."""
    number: str = ""
    """A project's number; what stands above projects is named by its own."""
    title: str = ""

    @property
    def numbered(self) -> str:
        """As `ancestors` of an asset name it."""
        return f"projects/{self.number}" if self.number else self.name


@dataclass(frozen=True)
class Listed:
    """What a path of a service's API lists."""

    items: str
    """The member that holds it: sinks."""
    each: Sequence[Json] = ()


@dataclass
class Cloud:
    """All that a bed answers from."""

    places: dict[str, Place] = field(default_factory=dict)
    """By name."""
    allowed: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"": ("*",)})
    """Place -> patterns of permissions that the caller was given there, and beneath; the empty one: everywhere."""
    denied: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Place -> patterns of permissions that the caller lacks there, and beneath, whatever it was given."""
    disabled: dict[str, frozenset[str]] = field(default_factory=dict)
    """Project -> APIs that nobody enabled in it: logging.googleapis.com. It matters for who pays, not for who is asked about."""
    unsupported: frozenset[str] = frozenset()
    """Types that Asset Inventory does not know."""
    assets: dict[str, list[Asset]] = field(default_factory=dict)
    """By type."""
    customer: str = ""
    """Whose directory stands beside the organization: C0shop471."""
    administrators: frozenset[str] = frozenset()
    """Who administers it."""
    delegated: frozenset[str] = frozenset()
    """Scopes with which the caller may ask the directory as one of them."""
    answers: dict[str, Listed | Json] = field(default_factory=dict)
    """Path -> what it answers: logging/v2/projects/shop-prod/sinks."""

    @property
    def size(self) -> int:
        """How many assets there are."""
        return sum(map(len, self.assets.values()))

    def put(self, *places: Place) -> None:
        """Put places in, what is above others first. Raises ValueError for what is above none of them."""
        for each in places:
            if each.parent and each.parent not in self.places:
                raise ValueError(f"{each.name} is beneath {each.parent}, which is not there")
            self.places[each.name] = each

    def add(self, *assets: Asset) -> None:
        """Put assets in. Raises ValueError for one without a name or a type."""
        for asset in assets:
            if not str(asset.get("name")).startswith("//") or not asset.get("assetType"):
                raise ValueError(f"an asset has no name or type: {sorted(asset)}")
            self.assets.setdefault(asset["assetType"], []).append(asset)

    def answer(self, path: str, said: Listed | Json) -> None:
        """Say what a path answers. Raises ValueError when that is said already."""
        own = self.canonical(decoded(path))
        if own in self.answers:
            raise ValueError(f"{own} is answered already")
        self.answers[own] = said

    def close(self, seen: datetime) -> None:
        """Make assets of the places that have none."""
        there = {asset["name"] for kind in _LEVELS.values() for asset in self.assets.get(f"{MANAGER}/{kind}", ()) if "resource" in asset}
        for each in self.places.values():
            name = f"//{MANAGER}/{each.numbered}"
            if name not in there:
                kind = f"{MANAGER}/{_LEVELS[each.name.partition('/')[0]]}"
                self.add(self.asset(kind, name, each.name, data=_itself(each), changed=f"{seen - timedelta(days=400):%Y-%m-%dT%H:%M:%SZ}"))

    def asset(self, kind: str, name: str, place: str, *, data: Json = None, at: str = "", parent: str = "", **more: Json) -> Asset:
        """One asset, of which only this is said; `place` is its project, folder or organization.

        `more` may hold `changed`, `iam` (role -> members, or bindings), `audit`, `org`, `access`, `level`, `perimeter`, `os`.
        """
        host, _, noun = kind.partition("/")
        made: Asset = {"name": name if name.startswith("//") else f"//{host}/{name}", "assetType": kind}
        if more.get("changed"):
            made["updateTime"] = more["changed"]
        if data is not None:
            above = parent or f"//{MANAGER}/{self.places[place].numbered}"
            made["resource"] = {"version": "v1", "discoveryName": noun, "parent": above, "data": data}
            if at:
                made["resource"]["location"] = at
        if "iam" in more or "audit" in more:
            made["iamPolicy"] = {"version": 3, "etag": "BwYYYYYYYYY="}
            if more.get("iam"):
                made["iamPolicy"]["bindings"] = _bindings(more["iam"])
            if more.get("audit"):
                made["iamPolicy"]["auditConfigs"] = more["audit"]
        made.update({key: more[short] for short, key in _AS_IS.items() if short in more})
        made["ancestors"] = [each.numbered for each in self.chain(place)]
        return made

    def place(self, name: str) -> Place | None:
        """The place of a name; a project's may be its number."""
        return self.places.get(self.canonical(name))

    def chain(self, name: str) -> list[Place]:
        """A place and what is above it, nearest first. Raises ValueError where it is not there."""
        found: list[Place] = []
        while name:
            if name not in self.places:
                raise ValueError(f"{name} is not there")
            found.append(self.places[name])
            name = found[-1].parent
        return found

    def may(self, permission: str, place: str) -> bool:
        """Whether the caller holds a permission at a place."""
        names = ["", *(each.name for each in self.chain(place))]

        def named(said: Mapping[str, tuple[str, ...]]) -> bool:
            return any(_matches(pattern, permission) for name in names for pattern in said.get(name, ()))

        return named(self.allowed) and not named(self.denied)

    def canonical(self, path: str) -> str:
        """A path in which projects are named by their ids."""
        ids = {each.number: each.name for each in self.places.values() if each.number}
        return _NUMBER.sub(lambda found: ids[found[2]].replace("/", found[1]) if found[2] in ids else found[0], path)


def decoded(path: str) -> str:
    """A path as it was meant: what was escaped in a segment stands there as it is, but for a slash, which is no end of it."""
    return "/".join(unquote(segment).replace("%", "%25").replace("/", "%2F") for segment in path.split("/"))


def _matches(pattern: str, permission: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), permission) is not None


def _bindings(said: Json) -> list[Json]:
    return list(said) if isinstance(said, list) else [{"role": role, "members": list(members)} for role, members in said.items()]


def _itself(place: Place) -> Json:
    level, _, last = place.name.partition("/")
    above, _, id_ = place.parent.partition("/")
    if level == "projects":
        made = {"projectId": last, "projectNumber": place.number, "name": place.title or last, "lifecycleState": "ACTIVE"}
        return {**made, "parent": {"type": above.removesuffix("s"), "id": id_}} if place.parent else made
    made = {"name": place.name, "displayName": place.title or last, "lifecycleState": "ACTIVE"}
    return {**made, "parent": place.parent} if place.parent else made


def load(folder: Path, now: datetime | None = None) -> Cloud:
    """A cloud with all that the `*.yaml` of a folder holds, as of a moment.

    One document has `organization`, `folders` and `projects`; all others are an asset or an answer: the README of the demo's estate says
    how they are written. Raises UsageError, which says where, for what is neither.
    """
    seen = clock(now)
    read = [each for file in sorted(folder.glob("*.yaml")) for each in documents(file)]
    heads = [each for each in read if isinstance(each.data, dict) and "projects" in each.data]
    if len(heads) != 1:
        raise UsageError("needs one document with organization, folders and projects", where=str(folder), do="write organization.yaml")
    cloud = Cloud()
    names = _put(cloud, heads[0].data, heads[0].where)
    for each in read:
        if each is heads[0]:
            continue
        try:
            _take(cloud, _aged(each, seen), names, seen)
        except (ValueError, KeyError, AttributeError) as error:
            raise UsageError(str(error), where=each.where, do="write an asset (type, name, in) or an answer (get)") from error
    cloud.close(seen.now)
    return cloud


def _aged(document: Document, seen: Clock) -> Json:
    """A document with times for its ages, and links for `$compute`."""
    write = _millis if str(document.data.get("type")).startswith("bigquery.") else _written
    return _linked(seen.aged(document.data, document.where, write))


def _linked(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _linked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_linked(each) for each in value]
    return value.replace("$compute/", _COMPUTE) if isinstance(value, str) else value


def _millis(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))


def _written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _put(cloud: Cloud, head: Mapping[str, Json], where: str) -> dict[str, str]:
    """Put the places in. Gives short name -> name."""
    top = f"organizations/{head['organization']}"
    names = {"organization": top}
    directory = head.get("directory", {})
    cloud.customer = str(directory.get("customer", ""))
    cloud.administrators, cloud.delegated = (frozenset(directory.get(each, ())) for each in ("administrators", "delegated"))
    try:
        cloud.put(Place(top, title=str(head.get("domain", ""))))
        for short, said in head.get("folders", {}).items():
            names[short] = f"folders/{said['number']}"
            cloud.put(Place(names[short], names[said.get("in", "organization")], title=short))
        for id_, said in head["projects"].items():
            names[id_] = f"projects/{id_}"
            cloud.put(Place(names[id_], names[said.get("in", "organization")], str(said["number"]), said.get("title", id_)))
            if "disabled" in said:
                cloud.disabled[names[id_]] = frozenset(said["disabled"])
        for short, patterns in head.get("denied", {}).items():
            cloud.denied[names[short]] = tuple(patterns)
    except (ValueError, KeyError) as error:
        raise UsageError(f"{error} is no place", where=where, do="write what is above others first") from error
    return names


def _take(cloud: Cloud, said: Mapping[str, Json], names: Mapping[str, str], seen: Clock) -> None:
    strange = said.keys() - (_ANSWER if "get" in said else _ASSET)
    if strange:
        raise ValueError(f"'{min(strange)}' is neither an asset's nor an answer's")
    if "get" in said:
        cloud.answer(said["get"], Listed(said["items"], said.get("list", ())) if "items" in said else said["is"])
        return
    rest = {key: value for key, value in said.items() if key not in ("type", "name", "in", "data", "at", "parent")}
    rest.setdefault("changed", _written(seen.now - timedelta(days=30)))
    where = {"at": said.get("at", ""), "parent": said.get("parent", "")}
    cloud.add(cloud.asset(said["type"], said["name"], names[said["in"]], data=said.get("data"), **where, **rest))


def fill(cloud: Cloud, assets: Iterable[Asset], seen: datetime) -> Cloud:
    """The cloud with these in it, for tests."""
    cloud.add(*assets)
    cloud.close(seen)
    return cloud
