"""Rows that stand for what was not read, kept beside the database: of a table that has no others everything can be said without asking it.

In a small scan most tables are so. Making, filling and asking them takes a hundred times what is to be said of them; one that SQL must read
after all is made when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from cnamm_scan.content import ENGINE_TABLES, columns_of
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import PLACE, expand
from cnamm_scan.model import GHOST_PART, REST_PART, UNREAD, Content

FEW_BYTES = 16_000
"""Stored facts up to which a table is looked through for other rows before the database is asked to read it."""
_NAMED = re.compile(r"\b[a-z_]\w*+(?:\s*+\.\s*+\w++)+")
_CHANGED = re.compile(r"\b(?:insert\s+into|update|delete\s+from)\s+([a-z_]\w*(?:\s*\.\s*\w+)+)")


@dataclass(frozen=True, slots=True)
class Unread:
    """One row of which no more is known than its place, and why: every column of its own is NULL."""

    target: str
    region: str
    why: str
    gaps: tuple[tuple[str, str], ...]
    shadow: bool
    """Whether it stands in for look-ups only, and is not judged as a row of its own."""
    fact: str = ""
    weight: int = 1

    @property
    def is_rest(self) -> bool:
        """Whether it says that there may be more than was listed."""
        return any(part == REST_PART for part, _ in self.gaps)


@dataclass(frozen=True, slots=True)
class Place:
    """The unread rows of a table in one place, taken together."""

    target: str
    region: str
    why: str
    shadow: bool
    rest: bool
    weight: int

    def joined(self, other: Place) -> Place:
        """Both in one."""
        return Place(
            self.target,
            self.region,
            min(self.why, other.why),
            shadow=self.shadow and other.shadow,
            rest=self.rest or other.rest,
            weight=max(self.weight, other.weight),
        )


class Line(msgspec.Struct):
    """What of a stored fact tells whether it was read."""

    id: str
    target: str
    region: str
    data: msgspec.Raw
    gaps: dict[str, str] | None = None


_LINE = msgspec.json.Decoder(Line)
_WEIGHT = msgspec.json.Decoder(dict[str, int])


def read_lines(lines: bytes) -> list[Unread] | None:
    """The unread rows that stored facts are; None where one of them says more."""
    found = []
    for raw in lines.splitlines():
        try:
            line = _LINE.decode(raw)
            gaps = line.gaps or {}
            why = gaps.get(GHOST_PART, gaps.get(REST_PART))
            if why is None:
                return None
            said = _WEIGHT.decode(line.data)
        except msgspec.DecodeError:
            return None
        if said.keys() - {UNREAD}:
            return None
        weight = said.get(UNREAD, 1) if GHOST_PART in gaps else 1
        found.append(Unread(line.target, line.region, why, tuple(gaps.items()), REST_PART in gaps, line.id, weight))
    return found


def in_places(rows: Iterable[Unread]) -> list[Place]:
    """The rows of each place taken together."""
    return merged(Place(row.target, row.region, row.why, row.shadow, row.is_rest, row.weight) for row in rows)


def merged(places: Iterable[Place]) -> list[Place]:
    """Each place once."""
    found: dict[tuple[str, str], Place] = {}
    for place in places:
        known = found.get((place.target, place.region))
        found[place.target, place.region] = place if known is None else known.joined(place)
    return list(found.values())


def dark(rows: Iterable[Unread]) -> dict[tuple[str, str | None], str]:
    """Why a table of such rows was not read, as `Store.dark` tells it."""
    known: dict[tuple[str, str | None], str] = {}
    for place in sorted(in_places(rows), key=lambda place: (place.target, place.region, place.why)):
        known[place.target, place.region] = place.why
        known.setdefault((place.target, None), place.why)
    return known


def _name(found: str) -> str:
    return re.sub(r"\s", "", found)


def named(sql: str, tables: Collection[str]) -> Iterator[str]:
    """Those of the tables that SQL may name, whatever its quotes and letters."""
    for found in set(_NAMED.findall(sql.replace('"', "").lower())):
        steps = _name(found).split(".")
        for length in (2, 3):
            name = ".".join(steps[:length])
            if name in tables:
                yield name


def changed(sql: str) -> list[str]:
    """The tables whose rows a statement may change."""
    return [_name(found) for found in _CHANGED.findall(sql.replace('"', "").lower())]


@lru_cache(maxsize=4096)
def is_shipped(content: Content, table: str) -> bool:
    """Whether a table or view, and all that it is made from, came with this product: then its SQL is known to run."""
    if table in ENGINE_TABLES:
        return True
    if table not in content.shipped:
        return False
    return table not in content.views or all(is_shipped(content, base) for base in read_view(content, table).tables)


@lru_cache(maxsize=4096)
def says_nothing_of_places(content: Content, table: str) -> bool:
    """Whether no column of a table can be worked out from a row's place alone."""
    columns = columns_of(content, table)
    return all(expand(content, table, [name]) - {name} - PLACE for name, column in columns.items() if column.is_)
