"""Typed fact tables in DuckDB: load, shut the doors, then let the SQL of content packs run and answer SELECTs.

Columns are extracted when facts are loaded, never while judging. No word of a pack runs before `lock()`: derived columns and views are made
after it, when no SQL reaches a file, the network or the configuration, and under bounds of time and memory.
"""

from __future__ import annotations

import itertools
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import duckdb
import msgspec

from cnamm_scan.content import ENGINE_TABLES, columns_of
from cnamm_scan.engine.bounds import BoundError, Bounds, Runner, StoreError, Timer, leave_behind
from cnamm_scan.engine.extract import SQL_TYPES, extract, literal, quoted_key, structure
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import expand, quoted, read_column
from cnamm_scan.errors import did_you_mean
from cnamm_scan.model import (
    ESTATE_TABLE,
    GHOST_PART,
    REST_PART,
    SILENCE_PART,
    UNREAD,
    Column,
    Content,
    MadeRow,
    Reason,
    Table,
    View,
    fact_id,
)

T = TypeVar("T")

_INTERNAL = '"_fact" VARCHAR, "_ghost" VARCHAR, "_gaps" MAP(VARCHAR, VARCHAR), "_shadow" BOOLEAN, "_weight" BIGINT DEFAULT 1'
_FACT_COLUMNS = (
    "{kind: 'VARCHAR', id: 'VARCHAR', target: 'VARCHAR', region: 'VARCHAR', key: 'VARCHAR', data: 'JSON', gaps: 'MAP(VARCHAR, VARCHAR)'}"
)
ROWS_AT_ONCE = 2000
"""Rows of a function that are put in together."""
LARGE = 200_000
"""Bytes of stored facts from which on a table is compressed in memory."""
NO_GAPS = "MAP {}::MAP(VARCHAR, VARCHAR)"


@dataclass(frozen=True, slots=True)
class Shards:
    """The stored facts of one table: files of canonical lines, and which parts and paths were kept when they were read."""

    files: Iterable[Sequence[Path]]
    """A few at a time: memory holds what these say, not the whole table, and those of one turn may be gone in the next."""
    parts: frozenset[str] | None = None
    paths: frozenset[str] | None = None
    unsupported: frozenset[str] = frozenset()
    """Paths that were not kept because the provider's SDK does not have them."""


class Store:
    """An in-memory database of fact tables. A context manager: `close` gives memory and spill space back."""

    def __init__(
        self,
        content: Content,
        tables: Iterable[str],
        *,
        scan_time: str,
        threads: int | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        """Create empty typed tables. `scan_time` is the scan's start, ISO 8601 in UTC.

        Raises ContentError for a view that may not be asked, StoreError for what DuckDB cannot make.
        """
        self.content = content
        self.scan_time = scan_time
        self.uncollected: dict[str, frozenset[str]] = {}
        """Columns by table that this bundle does not hold, so that they are NULL for the reason 'not_collected'."""
        self.unsupported: dict[str, frozenset[str]] = {}
        """Those of them that the provider's SDK could not show, so that they are NULL for the reason 'unsupported'."""
        self.broken: dict[str, str] = {}
        """Tables and views that could not be made from their facts, with what DuckDB said: bugs in content, to be reported loudly."""
        self.stopped: dict[str, str] = {}
        """Those of them that took more than they may, and the views that read one: a rule over these has no verdict but `error`."""
        self.places: Mapping[str, Sequence[str]] = {}
        """Target id -> every region that a row of it may name."""
        self._dark: dict[tuple[str, tuple[str, ...]], dict[tuple[str, str | None], str]] = {}
        self._places_of: dict[tuple[tuple[str, str, str, bool], ...], str] = {}
        self._large: set[str] = set()
        self._sizes: dict[str, int] | None = None
        self._underived: dict[str, list[tuple[str, Column]]] = {}
        self._is_locked = False
        wanted = set(tables) | {ESTATE_TABLE}
        self.views = self._with_sources(wanted)
        self.tables = frozenset(wanted)
        self._runner = Runner(bounds or Bounds())
        self._spill = tempfile.TemporaryDirectory(prefix="cnamm-scan-")
        try:
            self._db = self._connected(self._runner.bounds, threads)
            for catalog in sorted({table.split(".")[0] for table in wanted if table.count(".") == 2}):
                self._db.execute(f"ATTACH ':memory:' AS {quoted(catalog)}")
            schemas = sorted({table.rsplit(".", 1)[0] for table in wanted})
            self._db.execute("; ".join(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}" for schema in schemas))
            self._db.execute("; ".join(map(self._definition, sorted(wanted))))
        except duckdb.Error as error:
            self._spill.cleanup()
            raise _translated(error) from error

    def _connected(self, bounds: Bounds, threads: int | None) -> duckdb.DuckDBPyConnection:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": bounds.memory,
            "temp_directory": self._spill.name,
            "max_temp_directory_size": bounds.spill,
            "python_enable_replacements": "false",  # a table must not be a variable of whoever calls
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        made = duckdb.connect(":memory:", config=settings)
        made.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false; SET TimeZone = 'UTC'")
        # what a rule has used goes back to the system, not into a reserve: a scan's peak is what its owner notices
        for name, value in (("flush_threshold", "'1MB'"), ("bulk_deallocation_flush_threshold", "'1MB'"), ("background_threads", "true")):
            made.execute(f"SET allocator_{name} = {value}")
        if threads:
            made.execute(f"SET threads = {int(threads)}")
        return made

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

    def _definition(self, table: str) -> str:
        columns = ", ".join(f"{quoted(name)} {SQL_TYPES[column.type]}" for name, column in columns_of(self.content, table).items())
        return f"CREATE TABLE {quoted(table)} ({columns}, {_INTERNAL})"

    # ---- filling -----------------------------------------------------------------------------------------------------

    def add_rows(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put rows in by column name, as tests of content do. Derived columns that a row does not name are computed."""
        self.lock()
        self._sizes = None
        columns = columns_of(self.content, table)
        derived = {name for name, column in columns.items() if column.is_}
        alike: dict[frozenset[str], list[Mapping[str, Any]]] = {}
        for row in rows:
            alike.setdefault(frozenset(derived - row.keys()), []).append(row)
        for computed, group in alike.items():
            given = {name: column for name, column in columns.items() if name not in computed}
            names = [*given, "_fact", "_ghost", "_gap_names", "_gap_reasons"]
            casts = [*(SQL_TYPES[column.type] for column in given.values()), "VARCHAR", "VARCHAR", "VARCHAR[]", "VARCHAR[]"]
            line = "(" + ", ".join(f"CAST(? AS {kind})" for kind in casts) + ")"
            outer = [
                f"{self._derived(table, name, column)} AS {quoted(name)}" if name in computed else quoted(name)
                for name, column in self._in_order(table, columns)
            ]
            values = [value for row in group for value in _values(row, given)]
            self._run(
                f"INSERT INTO {quoted(table)} BY NAME SELECT {', '.join(outer)}, _fact, _ghost, MAP(_gap_names, _gap_reasons) AS _gaps,"
                f" false AS _shadow FROM (VALUES {', '.join([line] * len(group))}) AS given({', '.join(map(quoted_key, names))})",
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
        self._run(
            f"INSERT INTO {quoted(table)} BY NAME SELECT target, region, TIMESTAMP '{self.scan_time}' AS scan_time, '' AS _fact,"
            f" reason AS _ghost, MAP(['{GHOST_PART}'], [reason]) AS _gaps, shadow AS _shadow FROM {self._written_down(rows)}"
        )

    def _written_down(self, rows: tuple[tuple[str, str, str, bool], ...]) -> str:
        """A temporary table of dark places: in a scan many tables share one set, which is then written once."""
        name = self._places_of.get(rows)
        if name is None:
            name = self._places_of[rows] = f"dark_{len(self._places_of)}"
            self._run(f"CREATE TEMP TABLE {name} (target VARCHAR, region VARCHAR, reason VARCHAR, shadow BOOLEAN)")
            self._run(f"INSERT INTO {name} VALUES {', '.join(['(?, ?, ?, ?)'] * len(rows))}", [value for row in rows for value in row])
        return name

    def load(self, table: str, shards: Shards) -> None:
        """Read a table's facts from the lines of a bundle and extract its columns; those made from others follow with `lock`."""
        self._sizes = None
        turns = iter(shards.files)
        first = next(turns, None)
        if first is None:
            return
        spec = self.content.tables.get(table)
        columns = spec.columns if spec else ENGINE_TABLES[table][1]
        missing = {name for name, column in columns.items() if column.path and not _was_kept(column.path, spec, shards)}
        missing |= {name for name, column in columns.items() if column.is_ and missing & expand(self.content, table, [name])}
        self.uncollected[table] = frozenset(missing)
        hidden = {name for name, column in columns.items() if column.path in shards.unsupported}
        hidden |= {name for name, column in columns.items() if column.is_ and hidden & expand(self.content, table, [name])}
        self.unsupported[table] = frozenset(hidden)
        kept = {name: column for name, column in columns.items() if name not in missing}
        form, shape = structure(column for column in kept.values() if column.path)
        extracted = [f"{extract(column, spec, shape)} AS {quoted(name)}" for name, column in kept.items() if column.path]
        self._underived[table] = [(name, column) for name, column in self._in_order(table, kept) if column.is_]
        document = f"json_transform(data, '{form}')" if form != "{}" else "NULL"
        fixed = [
            "target",
            "region",
            f"CASE WHEN COALESCE(g['{GHOST_PART}'], g['{REST_PART}']) IS NULL THEN key END AS key",
            f"TIMESTAMP '{self.scan_time}' AS scan_time",
            "id AS _fact",
            f"COALESCE(g['{GHOST_PART}'], g['{REST_PART}']) AS _ghost",
            "g AS _gaps",
            f"g['{REST_PART}'] IS NOT NULL AS _shadow",
            f"CASE WHEN g['{GHOST_PART}'] IS NULL THEN 1 ELSE COALESCE(TRY_CAST(data ->> '{UNREAD}' AS BIGINT), 1) END AS _weight",
        ]
        size = 0
        try:
            for turn in itertools.chain((first,), turns):
                size += sum(file.stat().st_size for file in turn)
                files = ", ".join("'" + str(file).replace("'", "''") + "'" for file in turn)
                rows = (
                    f"SELECT target, region, key, id, data, COALESCE(gaps, {NO_GAPS}) AS g, {document} AS d"
                    f" FROM read_json([{files}], format = 'newline_delimited', columns = {_FACT_COLUMNS})"
                )
                self._run(f"INSERT INTO {quoted(table)} BY NAME SELECT {', '.join(fixed + extracted)} FROM ({rows})")
        except StoreError as error:
            self._give_up(table, error)
        if size >= LARGE:
            self._large.add(table)
            self._compress(table)

    def _derive(self, table: str) -> None:
        """Compute the columns that are made from others, in rows that were read from facts."""
        todo = self._underived.pop(table)
        while todo:
            made_later = {name for name, _ in todo}
            now = [item for item in todo if not (expand(self.content, table, [item[0]]) - {item[0]}) & made_later]
            if not now:
                self._give_up(table, StoreError(f"columns made from each other: {', '.join(sorted(made_later))}"))
                return
            values = ", ".join(f"{quoted_key(name)} = {self._derived_value(table, name, column)}" for name, column in now)
            try:
                self._run(f"UPDATE {quoted(table)} SET {values} WHERE _fact <> ''")
            except StoreError as error:
                self._give_up(table, error)
                return
            todo = [item for item in todo if item not in now]
        if table in self._large:
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
            self._run(f"CHECKPOINT {quoted(table.split('.', maxsplit=1)[0])}")

    def _give_up(self, table: str, error: StoreError) -> None:
        """A table or view that content describes wrongly is unknown in every target; no other table suffers."""
        self.broken[table] = error.what
        if isinstance(error, BoundError):
            self.stopped[table] = error.what
        if self._runner.lost:
            return
        self._run(f"DELETE FROM {quoted(table)}")
        self.add_ghosts(
            table,
            [
                (target, region, Reason.COLLECTOR_BUG, number > 0)
                for target, regions in self.places.items()
                for number, region in enumerate(regions)
            ],
        )

    def make_views(self, fill: Callable[[Store, View], None] | None = None) -> None:
        """Compute every view over the loaded tables, NULL-honest about listings that failed. Shuts the doors first.

        `fill` makes the rows of a view that is made by a function; without it such a view stays as it is.
        """
        self.lock()
        self._sizes = None
        for view in self.views:
            spec = self.content.views[view]
            try:
                for table in sorted(read_view(self.content, view).tables & self.stopped.keys()):
                    raise BoundError(f"it reads '{table}', which was stopped", do="mend that one")
                if spec.made is None:
                    self._make_view(view)
                elif fill is not None:
                    fill(self, spec)
                    self._add_unread(view, self._decisive(spec.made.over))
            except StoreError as error:
                self._give_up(view, error)
        if self._large and self.views:
            for catalog in sorted({view.split(".")[0] for view in self.views if view.count(".") == 2}):
                self._run(f"CHECKPOINT {quoted(catalog)}")

    def _make_view(self, view: str) -> None:
        spec = self.content.views[view]
        bases = sorted(read_view(self.content, view).tables)
        casts = ", ".join(f"CAST({quoted(name)} AS {SQL_TYPES[column.type]}) AS {quoted(name)}" for name, column in spec.columns.items())
        self._run(
            f"INSERT INTO {quoted(view)} BY NAME SELECT target, region, key, TIMESTAMP '{self.scan_time}' AS scan_time, '' AS _fact,"
            f" NULL AS _ghost, {NO_GAPS} AS _gaps, false AS _shadow, {casts} FROM (\n{spec.select}\n)"
        )
        dark, match = self._add_unread(view, bases)
        under = f"v.key IS NULL OR EXISTS (SELECT 1 FROM ({dark}) AS d WHERE {match})"
        self._run(f"DELETE FROM {quoted(view)} AS v WHERE v._ghost IS NULL AND ({under})")

    def _decisive(self, over: Sequence[str]) -> list[str]:
        """The tables whose gaps a made view has: where another is asked in place of one that was not read whole, its gaps alone."""
        listed = {base: self.content.tables[base].list.unless for base in over if base in self.content.tables}
        return [base for base in over if base not in listed.values()]

    def _add_unread(self, view: str, bases: Sequence[str]) -> tuple[str, str]:
        """Leave unread rows where one of the tables that it is made over has some; gives the SQL of those places, and how they match."""
        unread = (
            f"SELECT target, region, _ghost, _shadow, _weight, _gaps['{REST_PART}'] IS NOT NULL AS _rest FROM {{}} WHERE _ghost IS NOT NULL"
        )
        dark = " UNION ALL ".join(unread.format(quoted(base)) for base in bases)
        regional = all(self._is_regional(base) for base in bases)
        match = "d.target = v.target" + (" AND d.region = v.region" if regional else "")
        # rows that more of a kind could have made other ones are one unread row together: a shadow alone would make them vanish
        lost = f"_rest AND EXISTS (SELECT 1 FROM {quoted(view)} AS v WHERE {match} AND v.key IS NOT NULL)"
        if self.content.views[view].made is not None:
            lost = "false"  # its rows stay: whatever more there is would have made rows of its own
        self._run(
            f"INSERT INTO {quoted(view)} BY NAME SELECT target, region, TIMESTAMP '{self.scan_time}' AS scan_time, '' AS _fact, _ghost,"
            f" MAP([CASE WHEN _rest THEN '{REST_PART}' ELSE '{GHOST_PART}' END], [_ghost]) AS _gaps,"
            f" _shadow AND NOT ({lost}) AS _shadow, _weight FROM (SELECT target, region, min(_ghost) AS _ghost,"
            " bool_and(_shadow) AS _shadow, bool_or(_rest) AS _rest, max(_weight) AS _weight"
            f" FROM ({dark}) GROUP BY ALL) AS d"
        )
        return dark, match

    def fill(self, view: str, rows: Sequence[tuple[MadeRow, str]]) -> None:
        """Put in the rows that a function made, each with why something of it is not known."""
        columns = self.content.views[view].columns
        fixed = dict.fromkeys(("target", "region", "key", "_fact", "_why"), "VARCHAR")
        plain = {name: "VARCHAR" if column.type == "timestamp" else SQL_TYPES[column.type] for name, column in columns.items()}
        shape = json.dumps([{**fixed, **{name: ["VARCHAR"] if kind == "VARCHAR[]" else kind for name, kind in plain.items()}}])
        chosen = [
            f"TRY_CAST(t.{quoted(name)} AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS {quoted(name)}"
            if column.type == "timestamp"
            else f"t.{quoted(name)} AS {quoted(name)}"
            for name, column in columns.items()
        ]
        gaps = f"CASE WHEN t._why IS NULL THEN {NO_GAPS} ELSE MAP(['{SILENCE_PART}'], [t._why]) END"
        for start in range(0, len(rows), ROWS_AT_ONCE):
            given = [
                {
                    **row.values,
                    "target": row.target,
                    "region": row.region,
                    "key": row.key,
                    "_fact": fact_id(view, row.target, row.region, row.key),
                    "_why": why or None,
                }
                for row, why in rows[start : start + ROWS_AT_ONCE]
            ]
            self._run(
                f"INSERT INTO {quoted(view)} BY NAME SELECT t.target, t.region, t.key, TIMESTAMP '{self.scan_time}' AS scan_time,"
                f" t._fact AS _fact, NULL AS _ghost, {gaps} AS _gaps,"
                f" false AS _shadow, {', '.join(chosen)} FROM (SELECT unnest(from_json(?, {literal(shape)})) AS t)",
                [msgspec.json.encode(given).decode()],
            )

    def _is_regional(self, table: str) -> bool:
        if table in self.content.tables:
            return self.content.tables[table].once_per == "region"
        if table in ENGINE_TABLES:
            return table != ESTATE_TABLE
        return table in self.content.views and all(self._is_regional(base) for base in read_view(self.content, table).tables)

    def size(self, table: str) -> int:
        """About how many rows a table or view has."""
        if self._sizes is None:
            found = self.rows("SELECT database_name, schema_name, table_name, estimated_size FROM duckdb_tables()")
            self._sizes = {}
            for database, schema, name, rows in found:
                self._sizes[f"{schema}.{name}"] = self._sizes[f"{database}.{schema}.{name}"] = int(rows)
        return self._sizes.get(table, 0)

    def clear(self, table: str) -> None:
        """Empty a table."""
        self._sizes = None
        self._run(f"DELETE FROM {quoted(table)}")
        self._dark.clear()

    def lock(self) -> None:
        """Shut files, network, extensions and settings, then derive columns. There is no way back; whoever asks does it first."""
        if self._is_locked:
            return
        self._run("SET enable_external_access = false; SET lock_configuration = true")
        self._is_locked = True
        for table in sorted(self._underived):
            self._derive(table)

    # ---- asking ------------------------------------------------------------------------------------------------------

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Iterator[tuple[Any, ...]]:
        """Run one SELECT and stream its rows. Raises StoreError."""
        _, rows = self._asked(sql, parameters)
        yield from rows

    def table(self, sql: str, seconds: float | None = None) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """Run one SELECT: its column names, and its rows as a stream. Raises StoreError; BoundError after so many seconds of work."""
        return self._asked(sql, None, seconds, self.tables)

    def _asked(
        self, sql: str, parameters: Mapping[str, Any] | None, seconds: float | None = None, tables: Iterable[str] = ()
    ) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        self.lock()
        cursor = self._db.cursor()
        timer = Timer(self._runner, cursor.interrupt, seconds)

        def ask() -> list[str]:
            cursor.execute(sql, dict(parameters) if parameters else None)
            return [column[0] for column in cursor.description or ()]

        def stream() -> Iterator[tuple[Any, ...]]:
            while batch := self._timed(timer.run, lambda: cursor.fetchmany(4096)):
                yield from batch

        return self._timed(timer.run, ask, tables), stream()

    def _timed(self, run: Callable[[Callable[[], T]], T], work: Callable[[], T], tables: Iterable[str] = ()) -> T:
        """What the work gives, with DuckDB's errors as ours."""
        try:
            return run(work)
        except (duckdb.Error, MemoryError) as error:
            raise _translated(error, tables) from error

    def dark(self, table: str, parts: tuple[str, ...]) -> Mapping[tuple[str, str | None], str]:
        """Why something of a table was not read: by (target, region), and by (target, None) for anywhere in the target.

        `parts` are the names of gaps that matter besides a listing that failed.
        """
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

    def check(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Plan the SQL without running it. Raises StoreError for what does not bind: a type, a function, a name."""
        self.lock()
        self._run(f"EXPLAIN {sql}", dict(parameters) if parameters else None)

    def _run(self, sql: str, parameters: Any = None) -> None:
        run = Timer(self._runner, self._db.interrupt).run if self._is_locked else self._at_leisure
        self._timed(run, lambda: self._db.execute(sql, parameters))

    def _at_leisure(self, work: Callable[[], T]) -> T:
        """Our own statements over whole tables: these take their time, and stop on Ctrl-C all the same."""
        return self._runner.unbounded(work, self._db.interrupt)

    def close(self) -> None:
        """Give memory and spill space back."""
        if self._runner.lost:
            leave_behind(self._db)
        else:
            self._runner.close()
            self._db.close()
        with suppress(OSError):
            self._spill.cleanup()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        self.close()


def _values(row: Mapping[str, Any], columns: Mapping[str, Column]) -> Iterator[Any]:
    """A row's values in the order of its columns, then those that every row has."""
    for name, column in columns.items():
        value = row.get(name)
        yield json.dumps(value) if column.type == "json" and value is not None else value
    gaps = row.get("_gaps") or {}
    yield from (row.get("_fact", ""), row.get("_ghost"), list(gaps), list(gaps.values()))


def _translated(error: duckdb.Error | MemoryError, tables: Iterable[str] = ()) -> StoreError:
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException):
        return BoundError("stopped: it took more memory than it may", do="make it ask less, or less of each row")
    text = str(error).split("\n\nLINE", 1)[0].split("\nLINE", 1)[0]
    what = " ".join(line.strip() for line in text.splitlines() if line.strip())
    what = what.split(" Candidate functions:", 1)[0]  # dozens of lines
    missing = re.search(r"Table with name ([\w.]+) does not exist", what)
    advice = did_you_mean(missing.group(1), tables) if missing and tables else "check the SQL against the table's page in docs/reference"
    return StoreError(what[:1].lower() + what[1:], do=advice)


def _was_kept(path: str, spec: Table | None, shards: Shards) -> bool:
    """Whether the bundle's facts can hold the path: its part was asked for, and the path was among those kept."""
    if spec is None:
        return True
    head = path.split(".", 1)[0].split("[", 1)[0]
    if shards.parts is not None and head in spec.then and head not in shards.parts:
        return False
    return shards.paths is None or path in shards.paths
