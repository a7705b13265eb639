"""Takes secrets out of an answer before anything else sees it: by path, by the shape of tags, and by what strings look like."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from cnamm_scan import paths
from cnamm_scan.evidence.canonical import plain
from cnamm_scan.text import DETECTORS, HINTS

TOKEN_PREFIX = "redacted:"

_IDS = frozenset({"AccessKeyId", "access_key_id"})
"""Fields whose value is an id that looks like a key's id, and is no secret."""
_ONE_TAG = ({"key", "value"}, {"tagkey", "tagvalue"})
"""The keys of an object that is one tag; any other object under such a name is a map of tags."""
_TAG_LISTS = ("tags", "tagset", "taglist", "tag")

Json = Any


def _names_tags(name: str) -> bool:
    return name.lower() in _TAG_LISTS or name.lower().endswith("tags")


class Redactor:
    """Cleans values for one scan. Equal secrets give the same token only at the same place of the same resource."""

    def __init__(self, key: bytes) -> None:
        """`key` is the tenant's: with the same one a changed secret shows as drift, and no secret can be guessed."""
        self._key = key
        self._trees: dict[tuple[str, ...], paths.Tree] = {}

    def clean(self, data: Json, redact: Sequence[str], resource: str) -> Json:
        """The data as canonical JSON may hold it, secrets replaced; keys, count and order stay."""
        tree: paths.Tree | None = None
        if redact:
            wanted = tuple(redact)
            if wanted not in self._trees:
                self._trees[wanted] = paths.tree(paths.parse(text) for text in wanted)
            tree = self._trees[wanted]
        return self._walk(data, tree, False, resource, "")

    def token(self, resource: str, pointer: str, value: str) -> str:
        """What stands for a secret: HMAC(tenant key, resource ‖ pointer ‖ value), shortened."""
        return TOKEN_PREFIX + hmac.digest(self._key, f"{resource}\0{pointer}\0{value}".encode("utf-8", "replace"), "sha256").hex()[:24]

    def _walk(self, value: Json, tree: paths.Tree | None, in_tags: bool, resource: str, pointer: str) -> Json:
        if isinstance(value, str):
            return self._text(value, resource, pointer)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Mapping):
            made = {}
            for key, part in value.items():
                name = str(key)
                here = f"{pointer}/{name}"
                subtree = tree.get(name, {}) if tree is not None and name in tree else None
                if (tree is not None and name in tree and subtree is None) or (in_tags and name.lower() in ("value", "tagvalue")):
                    made[name] = self._hide(part, resource, here)
                elif _names_tags(name):
                    made[name] = self._tags(part, subtree, resource, here)
                elif name in _IDS and isinstance(part, str):
                    made[name] = part
                else:
                    made[name] = self._walk(part, subtree, in_tags, resource, here)
            return made
        if isinstance(value, list | tuple):
            return [self._walk(part, tree, in_tags, resource, f"{pointer}/{n}") for n, part in enumerate(value)]
        if isinstance(value, datetime | date | bytes | int | float):
            return plain(value)
        return self._text(str(plain(value)), resource, pointer)

    def _tags(self, value: Json, tree: paths.Tree | None, resource: str, pointer: str) -> Json:
        """Tag keys say what is tagged; their values may say anything."""
        if isinstance(value, Mapping) and {str(key).lower() for key in value} not in _ONE_TAG:
            return {
                str(key): self._tags(part, None, resource, f"{pointer}/{key}")  # an answer about tags, such as {"TagSet": [...]}
                if _names_tags(str(key)) and isinstance(part, list | Mapping)
                else self._hide(part, resource, f"{pointer}/{key}")
                for key, part in value.items()
            }
        return self._walk(value, tree, True, resource, pointer)

    def _hide(self, value: Json, resource: str, pointer: str) -> Json:
        """Every value beneath, replaced; the keys, count and order stay."""
        if value is None:
            return None
        if isinstance(value, Mapping):
            return {str(key): self._hide(part, resource, f"{pointer}/{key}") for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._hide(part, resource, f"{pointer}/{n}") for n, part in enumerate(value)]
        return self.token(resource, pointer, str(plain(value)))

    def _text(self, value: str, resource: str, pointer: str) -> str:
        if not value.isascii():
            value = value.encode("utf-8", "replace").decode()  # a lone surrogate has no place in UTF-8
        if len(value) < 12 or not HINTS.search(value):
            return value
        return DETECTORS.sub(self._replacer(resource, pointer), value)

    def _replacer(self, resource: str, pointer: str) -> Callable[[re.Match[str]], str]:
        return lambda match: self.token(resource, pointer, match.group())
