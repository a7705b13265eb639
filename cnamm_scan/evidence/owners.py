"""Who answers for a resource, as its tags, labels or annotations say under keys that a person named: no other tag value is ever kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cnamm_scan.errors import UsageError
from cnamm_scan.evidence.redact import names_tags

DEPTH = 6
"""How deep tags are looked for: an item, its metadata, an answer about it, and what that wraps them in."""
LONGEST = 128
"""Letters of a name that are kept."""
_MOST = 2_000
"""Values that are looked at in one item: beyond these its tags are not where tags are."""
_LABELS = frozenset({"labels", "annotations"})

Json = Any


class OwnerTags:
    """Finds the owner of an item. Keys are told apart without regard to case, and the first that a person named goes first."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """Raises UsageError for a key without letters."""
        self.keys = tuple(dict.fromkeys(keys))
        for key in self.keys:
            if not key.strip():
                raise UsageError("an empty key names no tag", where="--owner-tag", do="write the key of a tag or label, such as Owner")
        self._ranks = {key.lower(): rank for rank, key in reversed(list(enumerate(self.keys)))}

    def of(self, item: Json) -> str:
        """The owner as it is written, shortened; empty where nobody is named. What stands nearest to the item's root is the item's own."""
        level, looked_at = [item], 0
        for _ in range(DEPTH):
            found: list[tuple[int, str]] = []
            below: list[Json] = []
            for value in level:
                for name, part in _parts(value):
                    looked_at += 1
                    if names_tags(name) or name.lower() in _LABELS:
                        found += self._named(part)
                    if isinstance(part, Mapping | list):
                        below.append(part)
            if found:
                return min(found)[1][:LONGEST]
            if looked_at > _MOST:
                break
            level = below
        return ""

    def _named(self, tags: Json) -> Iterator[tuple[int, str]]:
        """(rank, value) of the tags that a person named."""
        for key, value in _pairs(tags):
            rank = self._ranks.get(key.lower())
            if rank is not None and isinstance(value, str) and value.strip():
                yield rank, value.strip()


def _parts(value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield str(name), part
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, Mapping):
                yield from _parts(part)


def _pairs(tags: Json) -> Iterator[tuple[str, Json]]:
    """Key and value of each tag: of a map, or of a list of objects that are one tag each."""
    if isinstance(tags, Mapping):
        yield from ((str(key), value) for key, value in tags.items())
    elif isinstance(tags, list):
        for each in tags:
            if isinstance(each, Mapping):
                told = {str(name).lower().removeprefix("tag"): part for name, part in each.items()}
                if isinstance(told.get("key"), str):
                    yield told["key"], told.get("value")
