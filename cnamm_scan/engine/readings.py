"""What was read of SQL by its text alone, kept for as long as the content is: in this process, and in the user's cache for the next.

What a view reads, what its rows are worth and what an expression asks follow from the content and from DuckDB's parser. Only what came with
this product, word for word, goes to the cache; of others' packs everything is read anew. A pack that only adds to what ships takes nothing
from what was read of that: a text that could be read there means the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from cnamm_scan import cache
from cnamm_scan.engine import parser
from cnamm_scan.model import Content

T = TypeVar("T")
_KIND = "readings"
_MOST = 16
"""Contents whose readings are held at a time, those that were asked for last."""


class _Shelf:
    """The readings of one content."""

    def __init__(self, content: Content) -> None:
        self.known: dict[str, Any] = {}
        self.key = f"{parser.VERSION} {content.sha256}" if content.is_shipped else ""
        self.stored: dict[str, msgspec.Raw] = (cache.read(_KIND, self.key, dict[str, msgspec.Raw]) if self.key else None) or {}
        self.is_new = False


_shelves: dict[Content, _Shelf] = {}


def _shelf(content: Content) -> _Shelf:
    found = _shelves.get(content)
    if found is None:
        while len(_shelves) >= _MOST:
            _shelves.pop(next(iter(_shelves)))
        found = _shelves[content] = _Shelf(content)
    elif next(reversed(_shelves)) is not content:
        _shelves[content] = _shelves.pop(content, found)  # the last of all to go
    return found


def reading(content: Content, name: str, shape: type[T], read: Callable[[], T]) -> T:
    """What `read` gives, read once. `name` tells it from all other readings of the content; `shape` is its type in the cache."""
    if content.base is not None and is_read(content.base, name):
        return reading(content.base, name, shape, read)
    shelf = _shelf(content)
    if name in shelf.known:
        found: T = shelf.known[name]
        return found
    raw = shelf.stored.get(name)
    if raw is not None:
        try:
            found = shelf.known[name] = msgspec.json.decode(raw, type=shape)
        except msgspec.DecodeError:
            del shelf.stored[name]
        else:
            return found
    found = shelf.known[name] = read()
    shelf.is_new = True
    return found


def is_read(content: Content, name: str) -> bool:
    """Whether a reading is at hand."""
    shelf = _shelf(content)
    return name in shelf.known or name in shelf.stored or (content.base is not None and is_read(content.base, name))


def share(part: Content, whole: Content) -> None:
    """What is read of the whole is also true of a part that has everything that is named in it."""
    _shelves[part] = _shelf(whole)


def keep(content: Content) -> None:
    """Put what was read into the cache, for the next process."""
    shelf = _shelf(content)
    if shelf.key and shelf.is_new:
        cache.write(_KIND, shelf.key, {**shelf.stored, **{name: value for name, value in shelf.known.items() if name not in shelf.stored}})
        shelf.is_new = False
