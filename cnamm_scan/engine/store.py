"""Typed fact tables in DuckDB: load, shut the doors, then let the SQL of content packs run and answer SELECTs.

Columns are extracted when facts are loaded, never while judging. No word of a pack runs before `lock()`: derived columns and views are made
after it, when no SQL reaches a file, the network or the configuration, and under bounds of time and memory.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnamm_scan.content import ENGINE_TABLES, columns_of
from cnamm_scan.engine.bounds import BoundError, Bounds, StoreError
from cnamm_scan.engine.counts import LEAST
from cnamm_scan.engine.darkness import Darkness
from cnamm_scan.engine.extract import SQL_TYPES, literal, quoted_key
from cnamm_scan.engine.facts import Shards, insertion, was_kept
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import expand, quoted, read_column
from cnamm_scan.engine.unread import FEW_BYTES, Unread, is_shipped, read_lines, says_nothing_of_places
from cnamm_scan.model import ESTATE_TABLE, GHOST_PART, Column, Content, Reason

_INTERNAL = (
    '"_fact" VARCHAR, "_ghost" VARCHAR, "_gaps" MAP(VARCHAR, VARCHAR), "_shadow" BOOLEAN, "_weight" BIGINT DEFAULT 1, "_outside" VARCHAR[],'
    f' "{LEAST}" MAP(VARCHAR, BIGINT)'
)
LARGE = 200_000
"""Bytes of stored facts from which on a table is compressed in memory."""
FEW_ROWS = 1000
"""Unread rows up to which they are put in when the table is first read; more of them stand in tables of their own, which several share."""


class Store(Darkness):
    """A database of fact tables and views."""

    def __init__(
        self,
        content: Content,
        tables: Iterable[str],
        *,
        scan_time: str,
        threads: int | None = None,
        bounds: Bounds | None = None,
        sparing: bool = True,
    ) -> None:
        """Create empty typed tables. `scan_time` is the scan's start, ISO 8601 in UTC.

        Those that came with this product are made when SQL first reads them, unless it is not to be `sparing`.
        Raises ContentError for a view that may not be asked, StoreError for what DuckDB cannot make.
        """
        super().__init__(content, threads=threads, bounds=bounds)
        self.scan_time = scan_time
        self.uncollected: dict[str, frozenset[str]] = {}
        """Columns by table that this bundle does not hold, so that they are NULL for the reason 'not_collected'."""
        self.unsupported: dict[str, frozenset[str]] = {}
        """Those of them that the provider's SDK could not show, so that they are NULL for the reason 'unsupported'."""
        self.broken: dict[str, str] = {}
        """Tables and views that could not be made from their facts, with what DuckDB said: bugs in content, to be reported loudly."""
        self.stopped: dict[str, str] = {}
        """Those of them that took more than they may, and the views that read one: a rule over these has no verdict but `error`."""
        self.whole: frozenset[str] = frozenset()
        """Targets of which somebody said that what was given is all there is: nothing more may be there. Set before facts are loaded."""
        self.places: Mapping[str, Sequence[str]] = {}
        """Target id -> every region that a row of it may name."""
        self._places_of: dict[tuple[tuple[str, str, str, bool], ...], str] = {}
        self.told: frozenset[str] = frozenset()
        """Tables beside the facts that were put in for who asks: see TOLD_TABLES."""
        self.large: set[str] = set()
        """Tables that are worth packing."""
        self._underived: dict[str, list[tuple[str, Column]]] = {}
        wanted = set(tables) | {ESTATE_TABLE}
        self.views = self._with_sources(wanted)
        self.tables = frozenset(wanted)
        try:
            for catalog in sorted({table.split(".")[0] for table in wanted if table.count(".") == 2}):
                self.run(f"ATTACH ':memory:' AS {quoted(catalog)}")
            schemas = sorted({table.rsplit(".", 1)[0] for table in wanted})
            self.run("; ".join(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}" for schema in schemas))
            self.expect(wanted)
            self.make(table for table in wanted if not (sparing and is_shipped(content, table)))
        except StoreError:
            self.close()
            raise

    def _with_sources(self, wanted: set[str]) -> list[str]:
        """Adds what views read to `wanted`; gives the views so ordered that each comes after those it reads."""
        ordered: list[str] = []

        def visit(view: str, above: tuple[str, ...]) -> None:
            if view in above:
                raise StoreError(f"view '{view}' reads itself", where=self.content.views[view].source, do="break the circle")
            for table in sorted(read_view(self.content, view).tables):
                wanted.add(table)
                if table in self.content.views:
                    visit(table, (*above, view))
            if view not in ordered:
                ordered.append(view)

        for table in sorted(wanted):
            if table in self.content.views:
                visit(table, ())
        return ordered

    def definition(self, table: str) -> str:
        """The statement that makes a table, empty."""
        columns = ", ".join(f"{quoted(name)} {SQL_TYPES[column.type]}" for name, column in columns_of(self.content, table).items())
        return f"CREATE TABLE {quoted(table)} ({columns}, {_INTERNAL})"

    # ---- filling -----------------------------------------------------------------------------------------------------

    def add_rows(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put rows in by column name, as tests of content do. Derived columns that a row does not name are computed."""
        self.lock()
        columns = columns_of(self.content, table)
        derived = {name for name, column in columns.items() if column.is_}
        alike: dict[frozenset[str], list[Mapping[str, Any]]] = {}
        for row in rows:
            alike.setdefault(frozenset(derived - row.keys()), []).append(row)
        for computed, group in alike.items():
            named = set().union(*group)  # what no row names stays NULL without being bound: a value takes DuckDB as long as a column
            given = {name: column for name, column in columns.items() if name in named}
            unnamed = sorted(expand(self.content, table, computed) - computed - named)
            nulls = "".join(f", CAST(NULL AS {SQL_TYPES[columns[name].type]}) AS {quoted_key(name)}" for name in unnamed)
            names = [*given, "_fact", "_ghost", "_gap_names", "_gap_reasons"]
            casts = [*(SQL_TYPES[column.type] for column in given.values()), "VARCHAR", "VARCHAR", "VARCHAR[]", "VARCHAR[]"]
            line = "(" + ", ".join(f"CAST(? AS {kind})" for kind in casts) + ")"
            outer = [
                f"{self._derived(table, name, column)} AS {quoted(name)}" if name in computed else quoted(name)
                for name, column in self._in_order(table, {**given, **{name: columns[name] for name in computed}})
            ]
            values = [value for row in group for value in _values(row, given)]
            self.run(
                f"INSERT INTO {quoted(table)} BY NAME SELECT {', '.join([*outer, '_fact', '_ghost'])},"
                " MAP(_gap_names, _gap_reasons) AS _gaps, false AS _shadow"
                f" FROM (SELECT *{nulls} FROM (VALUES {', '.join([line] * len(group))}) AS given({', '.join(map(quoted_key, names))}))",
                values,
            )

    def _in_order(self, table: str, columns: Mapping[str, Column]) -> list[tuple[str, Column]]:
        """Each derived column after those that it is made from: SQL knows no name before it is defined."""
        return sorted(columns.items(), key=lambda item: len(expand(self.content, table, [item[0]])))

    def _derived(self, table: str, name: str, column: Column) -> str:
        """SQL of a column made from others. Raises ContentError for what a column may not ask: it will run, so it is read again here."""
        read_column(self.content, table, column.is_ or "", where=f"{table}.{name}")
        return f"CAST((\n{column.is_}\n) AS {SQL_TYPES[column.type]})"

    def add_ghosts(self, table: str, ghosts: Iterable[tuple[str, str, Reason, bool]]) -> None:
        """Leave a row for each listing that failed: (target, region, reason, shadow).

        A shadow stands in for lookups only; it is not judged as a row of its own.
        """
        rows = tuple((target, region, reason.value, shadow) for target, region, reason, shadow in ghosts)
        if not rows:
            return
        if len(rows) <= FEW_ROWS:
            self.add_unread(table, [Unread(target, region, why, ((GHOST_PART, why),), shadow) for target, region, why, shadow in rows])
            return
        self.run(
            f"INSERT INTO {quoted(table)} BY NAME SELECT target, region, TIMESTAMP '{self.scan_time}' AS scan_time, '' AS _fact,"
            f" reason AS _ghost, MAP(['{GHOST_PART}'], [reason]) AS _gaps, shadow AS _shadow FROM {self._written_down(rows)}"
        )

    def _written_down(self, rows: tuple[tuple[str, str, str, bool], ...]) -> str:
        """A temporary table of dark places: in a scan many tables share one set, which is then written once."""
        name = self._places_of.get(rows)
        if name is None:
            name = self._places_of[rows] = f"dark_{len(self._places_of)}"
            self.run(f"CREATE TEMP TABLE {name} (target VARCHAR, region VARCHAR, reason VARCHAR, shadow BOOLEAN)")
            self.run(f"INSERT INTO {name} VALUES {', '.join(['(?, ?, ?, ?)'] * len(rows))}", [value for row in rows for value in row])
        return name

    def load(self, table: str, shards: Shards) -> None:
        """Read a table's facts from the lines of a bundle and extract its columns; those made from others follow with `lock`."""
        turns = iter(shards.files)
        first = next(turns, None)
        if first is None:
            return
        spec = self.content.tables.get(table)
        columns = spec.columns if spec else ENGINE_TABLES[table][1]
        missing = {name for name, column in columns.items() if column.path and not was_kept(column.path, spec, shards)}
        missing |= {name for name, column in columns.items() if column.is_ and missing & expand(self.content, table, [name])}
        self.uncollected[table] = frozenset(missing)
        hidden = {name for name, column in columns.items() if column.path in shards.unsupported}
        hidden |= {name for name, column in columns.items() if column.is_ and hidden & expand(self.content, table, [name])}
        self.unsupported[table] = frozenset(hidden)
        kept = {name: column for name, column in columns.items() if name not in missing}
        statement: tuple[str, str] | None = None
        size = 0
        try:
            for turn in itertools.chain((first,), turns):
                size += sum(file.stat().st_size for file in turn)
                if size <= FEW_BYTES and self._are_unread(table, turn):
                    continue
                if statement is None:
                    statement = insertion(table, spec, kept, self.scan_time, self.oldest, self.whole)
                    self._underived[table] = [(name, column) for name, column in self._in_order(table, kept) if column.is_]
                files = ", ".join(literal(str(file)) for file in turn)
                self.run(files.join(statement))
        except StoreError as error:
            self.give_up(table, error)
        if size >= LARGE:
            self.large.add(table)
            self._compress(table)

    def _are_unread(self, table: str, files: Sequence[Path]) -> bool:
        """Put in facts that all stand for what was not read, without asking DuckDB; whether they were so."""
        if not self.is_unmade(table) or not says_nothing_of_places(self.content, table):
            return False
        found: list[Unread] = []
        for file in files:
            with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
                lines = stream.read(FEW_BYTES + 1)  # of packed ones there may be more than the file is large
            rows = read_lines(lines) if len(lines) <= FEW_BYTES else None
            if rows is None:
                return False
            found += rows
        self.add_unread(table, [row for row in found if row.target not in self.whole or row.why != Reason.NOT_IN_MANIFESTS.value])
        return True

    def _derive(self, table: str) -> None:
        """Compute the columns that are made from others, in rows that were read from facts."""
        todo = self._underived.pop(table)
        while todo:
            made_later = {name for name, _ in todo}
            now = [item for item in todo if not (expand(self.content, table, [item[0]]) - {item[0]}) & made_later]
            if not now:
                self.give_up(table, StoreError(f"columns made from each other: {', '.join(sorted(made_later))}"))
                return
            values = ", ".join(f"{quoted_key(name)} = {self._derived_value(table, name, column)}" for name, column in now)
            try:
                self.run(f"UPDATE {quoted(table)} SET {values} WHERE _fact <> ''")
            except StoreError as error:
                self.give_up(table, error)
                return
            todo = [item for item in todo if item not in now]
        if table in self.large:
            self._compress(table)

    def _derived_value(self, table: str, name: str, column: Column) -> str:
        # TRY: an odd value in one row makes that row's column unknown, and no other row's
        value = f"TRY({self._derived(table, name, column)})"
        reads = read_column(self.content, table, column.is_ or "", where=f"{table}.{name}").reads.get(table, ())
        unknown = " OR ".join(f"{quoted_key(each)} IS NULL" for each in sorted(reads)) or "true"
        # of a row that was not read only what its parent says is known: `x OR true` is no answer of its
        return f"CASE WHEN _ghost IS NULL OR NOT ({unknown}) THEN {value} END"

    def _compress(self, table: str) -> None:
        """Pack a large table: columns of facts repeat themselves, and then take a tenth of the memory."""
        if table.count(".") == 2:
            self.run(f"CHECKPOINT {quoted(table.split('.', maxsplit=1)[0])}")

    def give_up(self, table: str, error: StoreError) -> None:
        """A table or view that content describes wrongly is unknown in every target; no other table suffers."""
        self.broken[table] = error.what
        if isinstance(error, BoundError):
            self.stopped[table] = error.what
        if self.runner.lost:
            return
        self.clear(table)
        self.add_ghosts(
            table,
            [
                (target, region, Reason.COLLECTOR_BUG, number > 0)
                for target, regions in self.places.items()
                for number, region in enumerate(regions)
            ],
        )

    def lock(self) -> None:
        """Shut files, network, extensions and settings, then derive columns. There is no way back; whoever asks does it first."""
        super().lock()
        for table in sorted(self._underived):
            self._derive(table)


def _values(row: Mapping[str, Any], columns: Mapping[str, Column]) -> Iterator[Any]:
    """A row's values in the order of its columns, then those that every row has."""
    for name, column in columns.items():
        value = row.get(name)
        yield json.dumps(value) if column.type == "json" and value is not None else value
    gaps = row.get("_gaps") or {}
    yield from (row.get("_fact", ""), row.get("_ghost"), list(gaps), list(gaps.values()))
