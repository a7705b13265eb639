"""A database that makes a table when SQL first reads it, and knows without SQL which tables hold nothing but what was not read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cnamm_scan.engine.bounds import Bounds
from cnamm_scan.engine.database import Database
from cnamm_scan.engine.extract import literal
from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.unread import Place, Unread, changed, in_places, named
from cnamm_scan.model import REST_PART

AT_ONCE = 50
"""Rows, and tables, that one statement puts in."""


class Sparing(Database):
    """A database whose tables are told to it before they are made. Every statement goes through here, so none meets a table too few."""

    def __init__(self, *, threads: int | None = None, bounds: Bounds | None = None) -> None:
        """An empty database. Raises StoreError for what DuckDB cannot make."""
        super().__init__(threads=threads, bounds=bounds)
        self._unread: dict[str, list[Unread]] = {}
        """Tables of which it is known that they hold these rows and no others."""
        self._waiting: dict[str, list[Unread]] = {}
        """Tables that SQL cannot read yet, or not all of -> the rows that they lack."""
        self._unmade: set[str] = set()
        """Those of them that DuckDB does not have at all."""

        self.scan_time = ""
        """The scan's start, ISO 8601 in UTC, which every row bears."""

    def definition(self, table: str) -> str:
        """The statement that makes a table, empty."""
        raise NotImplementedError

    def expect(self, tables: Iterable[str]) -> None:
        """These tables may be asked for; none has a row yet."""
        self._unmade = set(tables)
        self._waiting = {table: [] for table in self._unmade}
        self._unread = {table: [] for table in self._unmade}

    def is_unmade(self, table: str) -> bool:
        """Whether DuckDB does not have the table yet."""
        return table in self._unmade

    def unread(self, table: str) -> Sequence[Unread] | None:
        """The rows of a table that stand for what was not read, where it has no others; None where it may have."""
        return self._unread.get(table)

    def unread_places(self, table: str) -> list[Place]:
        """The unread rows of a table, taken together place by place."""
        known = self._unread.get(table)
        if known is not None:
            return in_places(known)
        rows = self.rows(
            f"SELECT target, region, min(_ghost), bool_and(_shadow), bool_or(_gaps['{REST_PART}'] IS NOT NULL), max(_weight)"
            f" FROM {quoted(table)} WHERE _ghost IS NOT NULL GROUP BY ALL"
        )
        return [Place(*row) for row in rows]

    def add_unread(self, table: str, rows: Sequence[Unread]) -> None:
        """Put in rows that stand for what was not read."""
        if table in self._unread:
            self._unread[table] += rows
        self._waiting.setdefault(table, []).extend(rows)

    def holds_none(self, table: str) -> None:
        """Take note that a table, as SQL left it, has no row."""
        self._unread[table] = []

    def make(self, tables: Iterable[str]) -> None:
        """Have DuckDB hold these tables, with all of their rows. Raises StoreError."""
        todo = sorted(self._waiting.keys() & set(tables))
        statements = [self.definition(table) for table in todo if table in self._unmade]
        statements += [statement for table in todo for statement in self._insertions(table, self._waiting[table])]
        for start in range(0, len(statements), AT_ONCE):
            self._run_kept("; ".join(statements[start : start + AT_ONCE]))
        for table in todo:
            del self._waiting[table]
            self._unmade.discard(table)

    def _insertions(self, table: str, rows: Sequence[Unread]) -> Iterator[str]:
        for start in range(0, len(rows), AT_ONCE):
            values = ", ".join(map(self._values, rows[start : start + AT_ONCE]))
            yield f"INSERT INTO {quoted(table)} (target, region, scan_time, _fact, _ghost, _gaps, _shadow, _weight) VALUES {values}"

    def _values(self, row: Unread) -> str:
        gaps = [f"[{', '.join(literal(pair[side]) for pair in row.gaps)}]" for side in (0, 1)]
        said = [*map(literal, (row.target, row.region, self.scan_time, row.fact, row.why)), f"MAP({', '.join(gaps)})"]
        return f"({', '.join(said)}, {row.shadow}, {row.weight:d})"

    def _run_kept(self, sql: str, parameters: Any = None) -> None:
        """A statement that changes nothing of what is known."""
        sizes = self._sizes
        super().run(sql, parameters)
        self._sizes = sizes

    def clear(self, table: str) -> None:
        """Take every row out of a table."""
        if table not in self._unmade:
            super().run(f"DELETE FROM {quoted(table)}")
        if table in self._waiting:
            self._waiting[table] = []
        self._unread[table] = []

    def size(self, table: str) -> int:
        """About how many rows a table or view has."""
        known = self._unread.get(table)
        return super().size(table) if known is None else len(known)

    def run(self, sql: str, parameters: Any = None) -> None:
        """As before; tables that the statement names are made first."""
        self._bring(sql)
        for table in changed(sql) if self._unread else ():
            self._unread.pop(table, None)
        super().run(sql, parameters)

    def _asked(
        self, sql: str, parameters: Mapping[str, Any] | None, seconds: float | None = None, tables: Iterable[str] = ()
    ) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        self._bring(sql)
        self.make(tables)  # a person's SQL may name them in ways that its text alone does not show, with a comment within
        return super()._asked(sql, parameters, seconds, tables)

    def _bring(self, sql: str) -> None:
        if self._waiting:
            self.make(named(sql, self._waiting.keys()))
