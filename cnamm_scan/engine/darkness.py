"""What of a store's tables was not read: where, why, in which rooms of a target, and what is too old to be judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cnamm_scan.content import columns_of
from cnamm_scan.engine.bounds import Bounds
from cnamm_scan.engine.dated import AS_OF
from cnamm_scan.engine.extract import literal
from cnamm_scan.engine.sparing import Sparing
from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.unread import dark
from cnamm_scan.model import ROOM, Content, Reason
from cnamm_scan.model.old import oldest_judged, read_moment


@dataclass(frozen=True, slots=True)
class Rooms:
    """Where in a target something was not read."""

    inside: frozenset[str] = frozenset()
    """In these rooms."""
    elsewhere: frozenset[str] | None = None
    """And in any but these; None: in no other."""

    @classmethod
    def of(cls, places: Iterable[tuple[Any, ...]]) -> Rooms | None:
        """All that unread rows say of their room, and of where it is not. None where one of them says neither."""
        inside: set[str] = set()
        elsewhere: frozenset[str] | None = None
        for room, outside in places:
            if room is not None:
                inside.add(room)
            elif outside:
                elsewhere = frozenset(outside) if elsewhere is None else elsewhere & frozenset(outside)
            else:
                return None
        return cls(frozenset(inside), elsewhere)

    def is_dark(self, room: str) -> bool:
        """Whether this room may hold something."""
        return room in self.inside or (self.elsewhere is not None and room not in self.elsewhere)

    def are_dark(self, room: str) -> str:
        """SQL of whether a room, as this SQL tells it, may hold something; true where it does not tell."""
        named = ", ".join(map(literal, sorted(self.inside)))
        either = [f"{room} IN ({named})"] if named else []
        if self.elsewhere is not None:
            either.append(f"{room} NOT IN ({', '.join(map(literal, sorted(self.elsewhere)))})" if self.elsewhere else "true")
        return f"COALESCE({' OR '.join(either)}, true)" if either else "false"


class Darkness(Sparing):
    """A database of fact tables that is asked what they lack. An answer is kept until a table is cleared."""

    def __init__(self, content: Content, *, threads: int | None = None, bounds: Bounds | None = None) -> None:
        """An empty database. Raises StoreError for what DuckDB cannot make."""
        super().__init__(threads=threads, bounds=bounds)
        self.content = content
        self.max_age: timedelta | None = None
        """How old a fact may be by its source's own word, to be judged; None: as old as it is. Set before facts are loaded."""
        self._dark: dict[tuple[str, tuple[str, ...]], dict[tuple[str, str | None], str]] = {}
        self._rooms: dict[str, Rooms | None] = {}
        self._stale: dict[str, Mapping[tuple[str, str], tuple[int, str]]] = {}
        self._unread_are: dict[str, Mapping[str, bool]] = {}

    @property
    def oldest(self) -> str:
        """The earliest moment, as facts write one, that is not too old to be judged; empty where none is."""
        return "" if self.max_age is None else oldest_judged(read_moment(self.scan_time), self.max_age)

    def clear(self, table: str) -> None:
        """As before; what is known of its darkness goes too."""
        super().clear(table)
        self._dark.clear()
        self._rooms.clear()
        self._unread_are.clear()
        self._stale.clear()

    def dark(self, table: str, parts: tuple[str, ...]) -> Mapping[tuple[str, str | None], str]:
        """Why something of a table was not read: by (target, region), and by (target, None) for anywhere in the target.

        `parts` are the names of gaps that matter besides a listing that failed.
        """
        rows = self.unread(table)
        if rows is not None:
            return dark(rows)
        known = self._dark.get((table, parts))
        if known is None:
            gaps = ", ".join(["_ghost", *(f"_gaps[{literal(part)}]" for part in parts)])
            known = {}
            first = f"min(COALESCE({gaps}, NULL))"
            sql = f"SELECT target, region, {first} FROM {quoted(table)} GROUP BY ALL HAVING {first} IS NOT NULL"
            for target, region, reason in sorted(self.rows(sql)):
                known[target, region] = reason
                known.setdefault((target, None), reason)
            self._dark[table, parts] = known
        return known

    def stale(self, table: str) -> Mapping[tuple[str, str], tuple[int, str]]:
        """(target, region) -> how many rows of a table were too old to be judged there, and when the oldest of them was true."""
        spec = self.content.tables.get(table)
        if spec is None or spec.as_of is None or not self.oldest or self.unread(table) is not None:
            return {}
        known = self._stale.get(table)
        if known is None:
            sql = f"SELECT target, region, count(*), min({AS_OF}) FROM {quoted(table)} WHERE _ghost = '{Reason.STALE}' GROUP BY ALL"
            known = self._stale[table] = {(target, region): (number, oldest) for target, region, number, oldest in self.rows(sql)}
        return known

    def dark_rooms(self, table: str) -> Rooms | None:
        """In which rooms of a target rows of a table were not read; None where that may be any."""
        columns = columns_of(self.content, table)
        if ROOM not in columns or columns[ROOM].type != "text" or self.unread(table):
            return None
        if table not in self._rooms:
            sql = f"SELECT DISTINCT {quoted(ROOM)}, _outside FROM {quoted(table)} WHERE _ghost IS NOT NULL"
            self._rooms[table] = Rooms.of(self.rows(sql))
        return self._rooms[table]

    def unread_are(self, table: str) -> Mapping[str, bool]:
        """Columns that say the same of every unread row of a table: all that was not read may be in the platform's own namespaces."""
        if self.dark_rooms(table) is None:
            return {}
        if table not in self._unread_are:
            names = [name for name, column in columns_of(self.content, table).items() if column.type == "boolean"]
            said = ", ".join(f"CASE WHEN count({each}) = count(*) THEN list(DISTINCT {each}) END" for each in map(quoted, names))
            (row,) = list(self.rows(f"SELECT {said} FROM {quoted(table)} WHERE _ghost IS NOT NULL")) if names else [()]
            self._unread_are[table] = {name: found[0] for name, found in zip(names, row, strict=True) if found and len(found) == 1}
        return self._unread_are[table]
