"""The plan's sources made ready to run: for each listing the parts that its items need, each once though several tables want it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnamm_scan import paths
from cnamm_scan.engine.plan import Source, TablePlan
from cnamm_scan.model import Call

Json = Any


@dataclass(frozen=True, slots=True)
class Part:
    """One part as asked: `key` is the same for tables that declare the same call under different names."""

    key: str
    call: Call
    client: str
    operation: str
    after: tuple[str, ...]
    """Keys of the parts whose answers its parameters use."""
    names: Mapping[str, str]
    """Name of a part in its table -> part key: how `with:` finds earlier answers."""
    users: tuple[tuple[str, str], ...]
    """(table, part name) pairs that read it."""
    unread: str = ""
    """Why the SDK could not ask or read it: a code that names the SDK; empty when it can."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A source made ready: the parts that its items need, and how each table turns an item into facts."""

    source: Source
    client: str
    operation: str
    parts: Mapping[str, Part]
    names: Mapping[str, Mapping[str, str]]
    """Table -> name of a part in it -> part key."""
    children: tuple[Stream, ...]
    depth: int
    belongs: paths.Path | None = None
    """Where an item says whose it is: of a listing for a whole connection."""

    @property
    def service(self) -> str:
        """The service of its tables, as a person knows it."""
        return self.source.tables[0].table.service if self.source.tables else self.client


def stream(source: Source, depth: int = 0) -> Stream:
    """A source and all beneath it, made ready."""
    client, operation = source.call.of(source.client)
    parts = _parts(source)
    names: dict[str, dict[str, str]] = {}
    for part in parts.values():
        for table, name in part.users:
            names.setdefault(table, {})[name] = part.key
    children = tuple(stream(child, depth + 2) for child in source.children)
    belongs = paths.parse(source.call.target) if source.call.target else None
    return Stream(source, client, operation, parts, names, children, depth, belongs)


def _parts(source: Source) -> dict[str, Part]:
    """The parts of every table on this source; tables that declare the same call share one."""
    made: dict[str, Part] = {}
    for plan in source.tables:
        names: dict[str, str] = {}
        for name in plan.parts:
            call = plan.table.then[name]
            client, operation = call.of(plan.table.client)
            said = {p: names.get(_head(text), "") + "|" + text for p, text in call.with_.items()}
            key = canonical([client, operation, said, call.fixed, dict(call.many), call.absent_on, call.gone_on])
            after = tuple({names[_head(text)] for text in call.with_.values() if _head(text) in names})
            names[name] = key
            users = (*made[key].users, (plan.table.id, name)) if key in made else ((plan.table.id, name),)
            made[key] = Part(key, call, client, operation, after, dict(names), users, _unread(plan, name))
    return made


def _unread(plan: TablePlan, part: str) -> str:
    return plan.unread.code if plan.unread is not None and part in plan.unread.parts else ""


def _head(text: str) -> str:
    return text if text.startswith("$") else paths.parse(text).head


def canonical(value: Any) -> str:
    """The same text for the same value."""
    return json.dumps(value, sort_keys=True, default=str)


def joined(pages: Sequence[Json]) -> Json:
    """Several pages of one part as one answer: lists are strung together, the rest is the last page's."""
    if len(pages) == 1:
        return pages[0]
    whole: dict[str, Json] = {}
    for page in pages:
        for name, value in page.items() if isinstance(page, Mapping) else ():
            if isinstance(value, list) and isinstance(whole.get(name), list):
                whole[name] = [*whole[name], *value]
            else:
                whole[name] = value
    return whole
