"""Where resources were written: places stand beside the facts of a bundle, and are looked up when results are told.

A row of a view has no fact: it is found by the facts that it rests on, or by its key, which is made of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from cnamm_scan.evidence.bundle import Bundle
from cnamm_scan.evidence.form import decode_line
from cnamm_scan.model import Content, Place, Result, Target, fact_id

_PIECES = re.compile(r"[^ |#]+|[ |#]+")


class Places:
    """Reads the places of a table when the first of its results asks for one."""

    def __init__(self, bundle: Bundle, content: Content) -> None:
        self._bundle = bundle
        self._content = content
        self._by_table: dict[str, Mapping[tuple[str, str], Place]] = {}
        self._rests_on: Mapping[str, tuple[str, ...]] | None = None
        self._by_fact: dict[str, Place] = {}

    def of(self, result: Result, table: str) -> Place | None:
        """The place of what a result is about; None where nothing says it."""
        if not result.resource:
            return None
        if table not in self._content.views:
            return self._table(table).get((result.target, result.resource))
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

    def _table(self, table: str) -> Mapping[tuple[str, str], Place]:
        """(target, key) -> place, and the same under keys without the number of their element: all of an object stand at one place."""
        known = self._by_table.get(table)
        if known is None:
            made: dict[tuple[str, str], Place] = {}
            for line in map(decode_line, self._bundle.facts().lines(table)):
                if line.get("place"):
                    place = Place(line["place"]["file"], line["place"]["line"])
                    made[line["target"], line["key"]] = self._by_fact[line["id"]] = place
                    made.setdefault((line["target"], line["key"].rpartition("#")[0] or line["key"]), place)
            known = self._by_table[table] = made
        return known

    def _made(self) -> Mapping[str, tuple[str, ...]]:
        """Row of a made view -> the facts that it rests on."""
        if self._rests_on is None:
            self._rests_on = {line["id"]: tuple(line["rests_on"]) for line in self._bundle.entries("made")}
        return self._rests_on


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
