"""Assets as documents: Google's messages, spelled as its REST reference spells them, each with the target that it belongs to.

The object of a service stands in a protobuf Struct. It is unpacked here by hand: protobuf's own way to JSON takes twice as long, and
proto-plus four times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cnamm_scan import paths
from cnamm_scan.model import Content
from cnamm_scan.providers.gcp.needs import Assets, asked
from cnamm_scan.providers.reads import read_of

Json = Any

_PROJECT = re.compile(r"projects/([^/]+)")


class Whose:
    """To which target an asset belongs: assets name projects by their numbers, and people know them by their ids."""

    def __init__(self, scope: str, ids: Mapping[str, str]) -> None:
        self._scope = scope
        """What is listed: `projects/shop-prod`, `organizations/9`."""
        self._ids = {**ids, **{id_: id_ for id_ in ids.values()}}

    def of(self, ancestors: Iterable[str], name: str) -> str | None:
        """The name of a target; of what is nobody's here, what it belongs to instead; None where nothing tells."""
        above = list(ancestors)
        for each in above:
            if each.startswith("projects/"):
                number = each.removeprefix("projects/")
                return self._ids.get(number, number)
        if above:
            return self._scope if self._scope in above else above[0]
        for found in _PROJECT.finditer(name):
            if found[1] in self._ids:
                return self._ids[found[1]]
        # what is listed beneath a project is the project's
        return self._ids.get(self._scope.removeprefix("projects/")) if self._scope.startswith("projects/") else None


class Documents:
    """Makes documents of the assets of one page."""

    def __init__(self, whose: Whose, content: str, seen_at: str, members: Sequence[str] | None = None) -> None:
        """`members`: those of a service's object that are unpacked; None: all."""
        self._whose = whose
        self._members = members
        self._is_resource = content == "RESOURCE"
        self._seen_at = seen_at

    def of(self, asset: Any) -> dict[str, Json]:
        """An asset as a document. Raises ValueError for one without a name."""
        name, ancestors = asset.name, list(asset.ancestors)
        if not name:
            raise ValueError("an asset without a name")
        made: dict[str, Json] = {} if self._is_resource else _spelled(asset)
        made["name"] = name
        made["assetType"] = asset.asset_type
        made["ancestors"] = ancestors
        if asset.HasField("update_time"):
            made["updateTime"] = asset.update_time.ToJsonString()
        if self._is_resource:
            made["resource"] = self._resource(asset.resource)
        made["project"] = self._whose.of(ancestors, name)
        made["id"] = name.removeprefix("//").partition("/")[2]
        if self._is_resource and asset.resource.location and made["project"] and "/" not in made["project"]:
            made["place"] = f"projects/{made['project']}/locations/{asset.resource.location}"
        if self._seen_at:
            made["seenAt"] = self._seen_at
        return made

    def _resource(self, resource: Any) -> dict[str, Json]:
        made: dict[str, Json] = {}
        if resource.version:
            made["version"] = resource.version
        if resource.discovery_name:
            made["discoveryName"] = resource.discovery_name
        if resource.parent:
            made["parent"] = resource.parent
        if resource.location:
            made["location"] = resource.location
        if resource.HasField("data"):
            fields = resource.data.fields
            names = fields if self._members is None else (name for name in self._members if name in fields)
            made["data"] = {name: _value(fields[name]) for name in names}
        return made

    def target_of(self, asset: Any) -> str | None:
        """To which target an asset belongs."""
        return self._whose.of(asset.ancestors, asset.name)


def _value(value: Any) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "struct_value":
        fields = value.struct_value.fields
        return {name: _value(fields[name]) for name in fields}
    if kind == "list_value":
        return [_value(each) for each in value.list_value.values]
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return None


def _spelled(asset: Any) -> dict[str, Json]:
    """A policy or an inventory: messages of many kinds, none of them a Struct."""
    from google.protobuf.json_format import MessageToDict

    made: dict[str, Json] = MessageToDict(asset)
    return made


def is_truncated(asset: Any, unknown: Any) -> bool:
    """Whether Asset Inventory says that it has left out a part of an asset.

    Its API has `assetExceptions` for it, which Google's library does not know yet: the field then stands among the unknown ones, as a
    message whose first field holds 1, TRUNCATION.
    """
    return any(field.wire_type == 2 and field.data[:2] == b"\x08\x01" for field in unknown(asset))


def members_by(content: Content) -> dict[str, tuple[str, ...] | None]:
    """Type -> the members of its service's object that collectors read; None: all of it."""
    read: dict[str, set[str]] = {}
    for table in content.tables.values():
        if table.provider != "gcp" or table.list.call is None:
            continue
        meant = asked(*table.list.of(table.client))
        if isinstance(meant, Assets) and meant.content == "RESOURCE":
            read.setdefault(meant.type, set()).update(map(_member, read_of(content, table)))
    return {kind: None if _ALL in found else tuple(sorted(found - {""})) for kind, found in read.items()}


_ALL = "*"


def _member(text: str) -> str:
    """The member of a service's object that a path leads through; nothing where it leads elsewhere."""
    if text == paths.SELF:
        return _ALL
    steps = paths.parse(text).steps
    if steps[:2] == ("resource", "data") and len(steps) > 2 and isinstance(steps[2], str) and steps[2] != paths.EACH:
        return steps[2]
    return _ALL if steps[:2] in (("resource", "data"), ("resource",)) else ""
