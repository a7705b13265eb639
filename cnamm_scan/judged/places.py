"""Where resources were written and who answers for them: that stands beside the facts of a bundle, and is looked up when results are told.

A row of a view has no fact: it is found by the facts that it rests on, or by its key, which is made of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from cnamm_scan.evidence.bundle import Bundle
from cnamm_scan.evidence.form import decode_line
from cnamm_scan.model import Content, Place, Result, Target, fact_id
from cnamm_scan.providers.catalog import KINDS

Said = TypeVar("Said")

_PIECES = re.compile(r"[^ |#]+|[ |#]+")


class Beside(Generic[Said]):
    """Reads what stands beside the facts of a table when the first of its results asks for it."""

    def __init__(self, bundle: Bundle, content: Content, read: Callable[[Mapping[str, Any]], Said | None]) -> None:
        """`read` takes it from the line of a fact; None: nothing stands there."""
        self._bundle = bundle
        self._content = content
        self._read = read
        self._by_table: dict[str, Mapping[tuple[str, str], Said]] = {}
        self._rests_on: Mapping[str, tuple[str, ...]] | None = None
        self._by_fact: dict[str, Said] = {}

    def of(self, result: Result, table: str) -> Said | None:
        """What stands beside what a result is about; None where nothing does."""
        if not result.resource:
            return None
        if table not in self._content.views:
            known = self._table(table)
            return self._by_fact.get(result.fact) if result.fact else known.get((result.target, result.resource))
        bases = _bases(self._content, table)
        for base in bases:
            self._table(base)
        for fact in self._made().get(fact_id(table, result.target, result.region, result.resource), ()):
            if fact in self._by_fact:
                return self._by_fact[fact]
        for part in _parts(result.resource):
            for base in bases:
                found = self._table(base).get((result.target, part))
                if found is not None:
                    return found
        return None

    def at(self, table: str, target: str, key: str) -> Said | None:
        """What stands beside the fact of a table with this key."""
        return self._table(table).get((target, key))

    def _table(self, table: str) -> Mapping[tuple[str, str], Said]:
        """(target, key) -> what stands there, and the same under keys without the number of their element, which share it."""
        known = self._by_table.get(table)
        if known is None:
            made: dict[tuple[str, str], Said] = {}
            for line in map(decode_line, self._bundle.facts().lines(table)):
                said = self._read(line)
                if said is not None:
                    made[line["target"], line["key"]] = self._by_fact[line["id"]] = said
                    made.setdefault((line["target"], line["key"].rpartition("#")[0] or line["key"]), said)
            known = self._by_table[table] = made
        return known

    def _made(self) -> Mapping[str, tuple[str, ...]]:
        """Row of a made view -> the facts that it rests on."""
        if self._rests_on is None:
            self._rests_on = {line["id"]: tuple(line["rests_on"]) for line in self._bundle.entries("made")}
        return self._rests_on


def places(bundle: Bundle, content: Content) -> Beside[Place]:
    """Where resources were written."""
    return Beside(bundle, content, lambda line: Place(line["place"]["file"], line["place"]["line"]) if line.get("place") else None)


class Owners:
    """Who answers for resources: as their own facts say, or else what tells of them, such as their namespace."""

    def __init__(self, bundle: Bundle, content: Content) -> None:
        self._own: Beside[str] = Beside(bundle, content, lambda line: line.get("owner") or None)
        self._elsewhere = [
            (kind.name, table, re.compile(pattern))
            for kind in KINDS.values()
            for table, pattern in kind.owners_named_by.items()
            if table in content.tables
        ]

    def of(self, result: Result, table: str) -> str:
        """The owner of what a result is about; empty where nobody is named."""
        own = self._own.of(result, table)
        if own is not None:
            return own
        for provider, named_by, pattern in self._elsewhere:
            match = pattern.search(result.resource) if result.target.startswith(f"{provider}:") else None
            said = self._own.at(named_by, result.target, match.group(1)) if match is not None else None
            if said is not None:
                return said
        return ""


def are_written(targets: Iterable[Target]) -> bool:
    """Whether anything of a scan may have a place."""
    return any("manifests" in target.scope for target in targets)


def _bases(content: Content, view: str) -> list[str]:
    """The tables beneath a view, those that it names first before others."""
    from cnamm_scan.engine.select import read_view

    spec = content.views[view]
    named = list(spec.made.over if spec.made is not None else ()) or sorted(read_view(content, view).tables, key=spec.select.find)
    found: list[str] = []
    for table in [*named, *sorted(read_view(content, view).tables - set(named))]:
        found += _bases(content, table) if table in content.views else [table]
    return list(dict.fromkeys(found))


def _parts(key: str) -> Iterator[str]:
    """The key, then whatever stands in it between blanks, bars and number signs, the longest first; of each with a kind before it
    (`Ingress/shop/web`) or an element behind it (`shop/web/main`) the object's own.
    """
    pieces = _PIECES.findall(key)
    for length in range(len(pieces), 0, -1):
        for start in range(len(pieces) - length + 1):
            part = "".join(pieces[start : start + length])
            if part.strip(" |#") == part:
                yield part
                yield part.partition("/")[2] or part
                yield part.rpartition("/")[0] if part.count("/") > 1 else part
