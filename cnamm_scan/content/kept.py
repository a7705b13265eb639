"""Content as the user's cache keeps it: what was read of files without a mistake, for who reads the same files again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from cnamm_scan import __version__, cache
from cnamm_scan.content.source import Source
from cnamm_scan.model import UNSET, Column, Content, Function, Model, Objective, Rule, Table, View

FEWEST = 200
"""Files from which on reading them costs more than keeping what was read."""
_KIND = "content"
_held: WeakValueDictionary[tuple[str, ...], Content] = WeakValueDictionary()
"""What this process took and still has in use: who loads the same again shares what was read of its SQL too."""


@dataclass(frozen=True, slots=True)
class _Kept:
    tables: Mapping[str, Table]
    views: Mapping[str, View]
    rules: Mapping[str, Rule]
    objectives: Mapping[str, Objective]
    models: tuple[Model, ...]
    merged: Mapping[str, str]
    sha256: str
    files: Mapping[str, int]
    """Name in the content -> which of the files it is."""
    shipped: frozenset[str]
    shown: tuple[str, ...]
    """How each of the files was shown: from another folder they look otherwise."""


def key_of(sources: Sequence[Source]) -> str:
    """What content hangs on: every file of it, in order."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(f"{source.name}\0{source.is_shipped}\0".encode(errors="surrogateescape") + hashlib.sha256(source.raw).digest())
    return digest.hexdigest()


def take(sources: Sequence[Source]) -> Content | None:
    """The content of these files as it was read before; None when it was not."""
    if len(sources) < FEWEST:
        return None
    key = key_of(sources)
    here = (str(cache.folder()), key, *(source.shown for source in sources))
    found = _held.get(here)
    if found is None:
        found = _taken(sources, key)
        if found is not None:
            _held[here] = found
    return found


def _taken(sources: Sequence[Source], key: str) -> Content | None:
    kept = cache.read(_KIND, key, _Kept)
    if kept is None or len(kept.shown) != len(sources) or not all(0 <= at < len(sources) for at in kept.files.values()):
        return None
    now = dict(zip(kept.shown, (source.shown for source in sources), strict=True))
    for column in _columns(kept.tables.values(), kept.views.values()):
        if column.absent == cache.NO_VALUE:
            object.__setattr__(column, "absent", UNSET)  # nobody has seen it yet
    written: list[Table | View | Rule | Function] = [*kept.tables.values(), *kept.views.values(), *kept.rules.values()]
    for each in (*written, *_functions(kept.models)):
        object.__setattr__(each, "source", now.get(each.source, each.source))
    return Content(
        tables=kept.tables,
        views=kept.views,
        rules=kept.rules,
        objectives=kept.objectives,
        models=kept.models,
        merged=kept.merged,
        version=__version__,
        sha256=kept.sha256,
        files={name: sources[at].raw for name, at in kept.files.items()},
        shipped=kept.shipped,
    )


def put(sources: Sequence[Source], content: Content) -> None:
    """Keep content that was read of these files."""
    columns = _columns(content.tables.values(), content.views.values())
    if len(sources) < FEWEST or any(column.absent == cache.NO_VALUE for column in columns):
        return
    at = {source.raw: number for number, source in enumerate(sources)}  # by what they hold: a base was read of files of its own
    cache.write(
        _KIND,
        key_of(sources),
        _Kept(
            content.tables,
            content.views,
            content.rules,
            content.objectives,
            content.models,
            content.merged,
            content.sha256,
            {name: at[raw] for name, raw in content.files.items()},
            content.shipped,
            tuple(source.shown for source in sources),
        ),
    )


def _columns(tables: Iterable[Table], views: Iterable[View]) -> list[Column]:
    everything: list[Table | View] = [*tables, *views]
    return [column for each in everything for column in each.columns.values()]


def _functions(models: Iterable[Model]) -> list[Function]:
    return [function for model in models for function in model.functions]
