"""The database beneath the fact tables: DuckDB in memory, its doors, and every statement run under bounds of time and memory."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import duckdb

from cnamm_scan.engine import ages
from cnamm_scan.engine.bounds import BoundError, Bounds, Runner, StoreError, Timer, leave_behind
from cnamm_scan.errors import did_you_mean

T = TypeVar("T")
AT_ONCE = 4096
"""Rows that are taken at a time: most answers have fewer, and are asked and taken in one go."""


class Database:
    """DuckDB in memory, with room to spill. A context manager: `close` gives memory and spill space back."""

    def __init__(self, *, threads: int | None = None, bounds: Bounds | None = None) -> None:
        """An empty database. Raises StoreError for what DuckDB cannot make."""
        self.tables: frozenset[str] = frozenset()
        """Those that an error may propose where a name is not known."""
        self.runner = Runner(bounds or Bounds())
        self._is_locked = False
        self._sizes: dict[str, int] | None = None
        self._spill = tempfile.TemporaryDirectory(prefix="cnamm-scan-")
        try:
            self._db = self._connected(self.runner.bounds, threads)
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
        made.execute(ages.definitions())
        # what a rule has used goes back to the system, not into a reserve: a scan's peak is what its owner notices. What most rules use is
        # less than this: to give it back after each of them, and to ask for it again, would take a fifth of the time of judging
        for name, value in (("flush_threshold", "'4MB'"), ("bulk_deallocation_flush_threshold", "'4MB'"), ("background_threads", "true")):
            made.execute(f"SET allocator_{name} = {value}")
        if threads:
            made.execute(f"SET threads = {int(threads)}")
        return made

    # ---- shutting ----------------------------------------------------------------------------------------------------

    def lock(self) -> None:
        """Shut files, network, extensions and settings. There is no way back; whoever asks does it first."""
        if not self._is_locked:
            self.run("SET enable_external_access = false; SET lock_configuration = true")
            self._is_locked = True

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
        timer = Timer(self.runner, cursor.interrupt, seconds)

        def ask() -> tuple[list[str], list[tuple[Any, ...]]]:
            cursor.execute(sql, dict(parameters) if parameters else None)
            return [column[0] for column in cursor.description or ()], cursor.fetchmany(AT_ONCE)

        def stream(batch: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
            while batch:
                yield from batch
                batch = self._timed(timer.run, lambda: cursor.fetchmany(AT_ONCE)) if len(batch) == AT_ONCE else []

        names, first = self._timed(timer.run, ask, tables)
        return names, stream(first)

    def _timed(self, run: Callable[[Callable[[], T]], T], work: Callable[[], T], tables: Iterable[str] = ()) -> T:
        """What the work gives, with DuckDB's errors as ours."""
        try:
            return run(work)
        except (duckdb.Error, MemoryError) as error:
            raise _translated(error, tables) from error

    def types(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, str]:
        """The columns of one SELECT with their types; it is neither planned nor run.

        Raises StoreError for what does not bind: a type, a function, a name.
        """
        return {row[0]: row[1] for row in self.rows(f"DESCRIBE {sql}", parameters)}

    def run(self, sql: str, parameters: Any = None) -> None:
        """Run a statement: at leisure while the doors are open, under bounds when content may speak. Raises StoreError."""
        self._sizes = None
        run = Timer(self.runner, self._db.interrupt).run if self._is_locked else self._at_leisure
        self._timed(run, lambda: self._db.execute(sql, parameters))

    def _at_leisure(self, work: Callable[[], T]) -> T:
        """Our own statements over whole tables: these take their time, and stop on Ctrl-C all the same."""
        return self.runner.unbounded(work, self._db.interrupt)

    def close(self) -> None:
        """Give memory and spill space back."""
        if self.runner.lost:
            leave_behind(self._db)
        else:
            self.runner.close()
            self._db.close()
        with suppress(OSError):
            self._spill.cleanup()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        self.close()

    def size(self, table: str) -> int:
        """About how many rows a table or view has."""
        if self._sizes is None:
            sizes: dict[str, int] = {}
            for database, schema, name, rows in self.rows(
                "SELECT database_name, schema_name, table_name, estimated_size FROM duckdb_tables()"
            ):
                sizes[f"{schema}.{name}"] = sizes[f"{database}.{schema}.{name}"] = int(rows)
            self._sizes = sizes
        return self._sizes.get(table, 0)


_SETTINGS = re.compile(
    r"\s*(?:Use|You can|To|Try|Consider|For more information)\b[^.]*?(?:\bSET |\bPRAGMA |\bINSTALL |\bLOAD |https?://).*"
)
"""DuckDB's advice to change what nobody here can, and its pages about that."""


def _translated(error: duckdb.Error | MemoryError, tables: Iterable[str] = ()) -> StoreError:
    if isinstance(error, MemoryError | duckdb.OutOfMemoryException):
        return BoundError("stopped: it took more memory than it may", do="make it ask less, or less of each row")
    text = str(error).split("\n\nLINE", 1)[0].split("\nLINE", 1)[0]
    what = " ".join(line.strip() for line in text.splitlines() if line.strip())
    what = what.split(" Candidate functions:", 1)[0]  # dozens of lines
    if "lambda arrow" in what:  # its advice is a SET, and settings are shut
        return StoreError("'x -> …' is no lambda, but reads JSON", do="write lambda x: …")
    what = _SETTINGS.sub("", what)
    what = re.sub(r'\s*Did you mean "[^"]*"\?', "", what)  # of its own catalogue, which nobody here knows
    missing = re.search(r"Table with name ([\w.]+) does not exist", what)
    advice = did_you_mean(missing.group(1), tables) if missing and tables else "check the SQL against the table's page in docs/reference"
    return StoreError(what[:1].lower() + what[1:], do=advice)
