"""The path language of collectors: `a.b`, `a[].b`, `a[0].b`, `"odd key".b`, `@`.

A path is read here once and used three ways: to walk an answer (collect), to keep only what is named (project), and to
type a stored fact (engine/store). Walking never raises: what is not there is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cnamm_scan.errors import ContentError

EACH = "[]"
"""The step that stands for every element of a list."""

SELF = "@"
"""The key under which an item that is not an object (a queue's URL, say) stands in its own document."""

Step = str | int
Json = Any


class MalformedError(ValueError):
    """A document that is not of the shape that its API promises: a text where an object must stand. Names the place."""


_TOKEN = re.compile(r'"(?P<quoted>(?!\[\]")[^"]+)"|(?P<name>[^.\[\]"\s]+)|(?P<index>\[\d*\])|(?P<dot>\.)')


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path: `steps` are keys (text), indexes (int) or EACH."""

    text: str
    steps: tuple[Step, ...]

    @property
    def head(self) -> str:
        """The first key: the part or field that the path starts at."""
        return str(self.steps[0])

    @property
    def keys(self) -> tuple[str, ...]:
        """The path without list steps."""
        return tuple(step for step in self.steps if isinstance(step, str) and step != EACH)

    @property
    def is_many(self) -> bool:
        """Whether the path leads to several values."""
        return EACH in self.steps


@lru_cache(maxsize=8192)
def parse(text: str) -> Path:
    """Read a path. Raises ContentError for one that is not well formed."""
    steps: list[Step] = []
    position, wants_name = 0, True
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            break
        position = match.end()
        if match["dot"]:
            if wants_name:
                break
            wants_name = True
        elif match["index"]:
            if wants_name:
                break
            digits = match["index"][1:-1]
            steps.append(int(digits) if digits else EACH)
        else:
            if not wants_name:
                break
            steps.append(match["quoted"] or match["name"])
            wants_name = False
    else:
        if steps and not wants_name:
            return Path(text, tuple(steps))
    raise ContentError(f"path '{text}' is not well formed", do="write it like a.b, a[].b, a[0].b or @")


def find(document: Json, path: Path) -> Iterator[Json]:
    """Every value that the path leads to; missing and null ones are left out."""
    yield from _walk(document, path.steps)


def _walk(value: Json, steps: Sequence[Step]) -> Iterator[Json]:
    for position, step in enumerate(steps):
        if value is None:
            return
        if step == EACH:
            if isinstance(value, list):
                for element in value:
                    yield from _walk(element, steps[position + 1 :])
            return
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    if value is not None:
        yield value


def get(document: Json, path: Path) -> Json:
    """The first value of the path, or a list of all of them when the path goes through a list; None when there is none."""
    value = document
    for step in path.steps:
        if value is None:
            return [] if path.is_many else None
        if step == EACH:
            return list(find(document, path))
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


Tree = dict[str, "Tree | None"]
"""What to keep of a document: key -> subtree, None to keep everything beneath, KEYS or THERE.

A subtree that has EACH among its keys is of a map whose other entries stay as names alone: true stands for what they hold.
"""

KEYS: Tree = {}
"""What to keep where the names of a map's entries are wanted and not what they hold. Told by identity."""
THERE: Tree = {}
"""What to keep where it is enough to know that something stands: true. Told by identity."""


def tree(paths: Iterable[Path], names_only: Iterable[Path] = (), there: Iterable[Path] = ()) -> Tree:
    """Merge paths into one projection tree. The shorter of two paths wins: it keeps everything beneath it.

    Of a map at the end of one of `names_only` the keys are kept, sorted, or the map where another path goes on beneath it; of a list
    there, all. At the end of one of `there` stands true in place of what was there, unless another path keeps more of it.
    """
    root: Tree = {}
    for leaf, group in ((None, paths), (KEYS, names_only), (THERE, there)):
        for path in group:
            _graft(root, path, leaf)
    return root


def _graft(node: Tree, path: Path, leaf: Tree | None) -> None:
    *inner, last = path.keys
    for key in inner:
        if key in node and node[key] is None:
            return
        if node.get(key) is KEYS:
            node[key] = {EACH: KEYS}
        if node.get(key) is THERE:
            del node[key]  # what stands beneath tells as well that it is there
        child = node.setdefault(key, {})
        assert child is not None  # the line above left the loop in that case
        node = child
    known = node.get(last)
    if leaf is None or last not in node:
        node[last] = leaf
    elif leaf is KEYS and known:
        known[EACH] = KEYS


def project(document: Json, keep: Tree | None) -> Json:
    """A copy of the document that holds only what the tree names. Lists are gone through; order and count stay.

    Raises MalformedError where a plain value stands in the way of a path: read as silence, it would be taken for "not configured".
    """
    if keep is None or document is None:
        return document
    if keep is THERE:
        return True
    if keep is KEYS:
        return sorted(map(str, document)) if isinstance(document, Mapping) else document
    if isinstance(document, list):
        return [project(element, keep) for element in document]
    if not isinstance(document, Mapping):
        raise MalformedError(", ".join(sorted(keep.keys() - {EACH})))
    kept = {key: project(document[key], subtree) for key, subtree in keep.items() if key != EACH and document.get(key) is not None}
    if EACH not in keep:
        return kept
    return {**{str(key): True if part is not None and key not in keep else None for key, part in document.items()}, **kept}
