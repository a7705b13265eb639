"""Typed fact tables in DuckDB: load, shut the doors, then let the SQL of content packs run and answer SELECTs.

Columns are extracted when facts are loaded, never while judging. No word of a pack runs before `lock()`: derived columns and views are made
after it, when no SQL reaches a file, the network or the configuration, and under bounds of time and memory.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cnamm_scan.content import ENGINE_TABLES, columns_of
from cnamm_scan.engine.bounds import BoundError, Bounds, StoreError
from cnamm_scan.engine.counts import LEAST
from cnamm_scan.engine.dated import AS_OF, IS_STALE, gaps_by_age, when_young
from cnamm_scan.engine.extract import SQL_TYPES, extract, literal, quoted_key, structure
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sparing import Sparing
from cnamm_scan.engine.sql import expand, quoted, read_column
from cnamm_scan.engine.unread import FEW_BYTES, Unread, dark, is_shipped, read_lines, says_nothing_of_places
from cnamm_scan.model import ESTATE_TABLE, GHOST_PART, OUTSIDE, REST_PART, ROOM, UNREAD, Column, Content, Reason, Table
from cnamm_scan.model.old import oldest_judged, read_moment

_INTERNAL = (
    '"_fact" VARCHAR, "_ghost" VARCHAR, "_gaps" MAP(VARCHAR, VARCHAR), "_shadow" BOOLEAN, "_weight" BIGINT DEFAULT 1, "_outside" VARCHAR[],'
    f' "{LEAST}" MAP(VARCHAR, BIGINT)'
)
_FACT_COLUMNS = (
    "kind: 'VARCHAR', id: 'VARCHAR', target: 'VARCHAR', region: 'VARCHAR', key: 'VARCHAR', data: 'JSON', gaps: 'MAP(VARCHAR, VARCHAR)'"
)
LARGE = 200_000
"""Bytes of stored facts from which on a table is compressed in memory."""
FEW_ROWS = 1000
"""Unread rows up to which they are put in when the table is first read; more of them stand in tables of their own, which several share."""
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


class Store(Sparing):
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
        super().__init__(threads=threads, bounds=bounds)
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
        self.whole: frozenset[str] = frozenset()
        """Targets of which somebody said that what was given is all there is: nothing more may be there. Set before facts are loaded."""
        self.max_age: timedelta | None = None
        """How old a fact may be by its source's own word, to be judged; None: as old as it is. Set before facts are loaded."""
        self.places: Mapping[str, Sequence[str]] = {}
        """Target id -> every region that a row of it may name."""
        self._dark: dict[tuple[str, tuple[str, ...]], dict[tuple[str, str | None], str]] = {}
        self._rooms: dict[str, Rooms | None] = {}
        self._stale: dict[str, Mapping[tuple[str, str], tuple[int, str]]] = {}
        self._unread_are: dict[str, Mapping[str, bool]] = {}
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

    @property
    def oldest(self) -> str:
        """The earliest moment, as facts write one, that is not too old to be judged; empty where none is."""
        return "" if self.max_age is None else oldest_judged(read_moment(self.scan_time), self.max_age)

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
        missing = {name for name, column in columns.items() if column.path and not _was_kept(column.path, spec, shards)}
        missing |= {name for name, column in columns.items() if column.is_ and missing & expand(self.content, table, [name])}
        self.uncollected[table] = frozenset(missing)
        hidden = {name for name, column in columns.items() if column.path in shards.unsupported}
        hidden |= {name for name, column in columns.items() if column.is_ and hidden & expand(self.content, table, [name])}
        self.unsupported[table] = frozenset(hidden)
        kept = {name: column for name, column in columns.items() if name not in missing}
        insertion: tuple[str, str] | None = None
        size = 0
        try:
            for turn in itertools.chain((first,), turns):
                size += sum(file.stat().st_size for file in turn)
                if size <= FEW_BYTES and self._are_unread(table, turn):
                    continue
                insertion = insertion or self._insertion(table, spec, kept)
                files = ", ".join(literal(str(file)) for file in turn)
                self.run(files.join(insertion))
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

    def _insertion(self, table: str, spec: Table | None, kept: Mapping[str, Column]) -> tuple[str, str]:
        """The statement that reads facts from files into a table: what stands before the files, and behind."""
        form, shape = structure(column for column in kept.values() if column.path)
        values = {name: extract(column, spec, shape) for name, column in kept.items() if column.path}
        is_dated = spec is not None and spec.as_of is not None and bool(self.oldest)
        if spec is not None and is_dated:
            values = when_young(spec, values)
        extracted = [f"{value} AS {quoted(name)}" for name, value in values.items()]
        self._underived[table] = [(name, column) for name, column in self._in_order(table, kept) if column.is_]
        document = f"json_transform(data, '{form}')" if form != "{}" else "NULL"
        is_seen = f"g['{GHOST_PART}'] IS NULL" + (f" OR {IS_STALE}" if is_dated else "")
        gaps = f"COALESCE(gaps, {NO_GAPS})"
        said = gaps_by_age(gaps, self.oldest) if is_dated else gaps
        fixed = [
            "target",
            "region",
            f"CASE WHEN COALESCE(g['{GHOST_PART}'], g['{REST_PART}']) IS NULL THEN key END AS key",
            f"TIMESTAMP '{self.scan_time}' AS scan_time",
            "id AS _fact",
            f"COALESCE(g['{GHOST_PART}'], g['{REST_PART}']) AS _ghost",
            "g AS _gaps",
            f"g['{REST_PART}'] IS NOT NULL AS _shadow",
            f"CASE WHEN {is_seen} THEN 1 ELSE COALESCE(TRY_CAST(data ->> '{UNREAD}' AS BIGINT), 1) END AS _weight",
            f"CASE WHEN NOT ({is_seen}) THEN from_json(data -> '{OUTSIDE}', '[\"VARCHAR\"]') END AS _outside",
        ]
        absent = ""
        if self.whole:  # "there may be more" is not so there; whatever else was not read stays unread
            named = ", ".join(literal(target) for target in sorted(self.whole))
            why = f"COALESCE(g['{GHOST_PART}'], g['{REST_PART}'])"
            absent = f" WHERE target NOT IN ({named}) OR {why} IS DISTINCT FROM {literal(Reason.NOT_IN_MANIFESTS.value)}"
        facts = f"SELECT target, region, key, id, data, {said} AS g, {document} AS d FROM read_json(["
        columns = f"{{{_FACT_COLUMNS}, as_of: 'VARCHAR'}}" if is_dated else f"{{{_FACT_COLUMNS}}}"
        return (
            f"INSERT INTO {quoted(table)} BY NAME SELECT {', '.join(fixed + extracted)} FROM ({facts}",
            f"], format = 'newline_delimited', columns = {columns})){absent}",
        )

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

    def clear(self, table: str) -> None:
        """Take every row out of a table."""
        super().clear(table)
        self._dark.clear()
        self._rooms.clear()
        self._unread_are.clear()
        self._stale.clear()

    def lock(self) -> None:
        """Shut files, network, extensions and settings, then derive columns. There is no way back; whoever asks does it first."""
        super().lock()
        for table in sorted(self._underived):
            self._derive(table)

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


def _values(row: Mapping[str, Any], columns: Mapping[str, Column]) -> Iterator[Any]:
    """A row's values in the order of its columns, then those that every row has."""
    for name, column in columns.items():
        value = row.get(name)
        yield json.dumps(value) if column.type == "json" and value is not None else value
    gaps = row.get("_gaps") or {}
    yield from (row.get("_fact", ""), row.get("_ghost"), list(gaps), list(gaps.values()))


def _was_kept(path: str, spec: Table | None, shards: Shards) -> bool:
    """Whether the bundle's facts can hold the path: its part was asked for, and the path was among those kept."""
    if spec is None:
        return True
    head = path.split(".", 1)[0].split("[", 1)[0]
    if shards.parts is not None and head in spec.then and head not in shards.parts:
        return False
    return shards.paths is None or path in shards.paths
