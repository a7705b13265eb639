"""What a person asks of a judged scan in SQL: its facts, and beside them its results, scores and coverage as tables."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cnamm_scan.content import ENGINE_TABLES, TOLD_TABLES, columns_of
from cnamm_scan.doing import doing
from cnamm_scan.engine.bounds import BoundError, StoreError
from cnamm_scan.engine.extract import SQL_TYPES, literal
from cnamm_scan.engine.select import read_query
from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.worth import INTERNAL
from cnamm_scan.errors import UsageError, did_you_mean
from cnamm_scan.model import Interval

if TYPE_CHECKING:
    from cnamm_scan.engine.select import ViewSource
    from cnamm_scan.engine.store import Store
    from cnamm_scan.judged.scan import Scan

Answer = tuple[list[str], Iterator[tuple[Any, ...]]]
Told = Iterator[tuple[Any, ...]]
ROWS_AT_ONCE = 2000
"""Rows of such a table that are put in together."""
_SHOW = re.compile(r"\s*show\s+(all\s+)?tables\s*;?\s*", re.IGNORECASE)
_DESCRIBES = re.compile(r"\s*(describe|desc|show|summarize)\b", re.IGNORECASE)
_NO_COLUMN = re.compile(r'referenced column "([^"]+)" not found|does not have a column named "([^"]+)"', re.IGNORECASE)


def query_table(scan: Scan, sql: str, seconds: float | None = None) -> Answer:
    """Column names, and rows as a stream. Only the tables that the SQL names are loaded.

    Raises UsageError for SQL that does not bind, BoundError after so many seconds of work (None: 60), StoreError for what breaks.
    """
    if _SHOW.fullmatch(sql):
        return _tables(scan)
    source = read_query(scan.content, sql)
    store = scan.store(source.tables)
    for name in sorted(source.told - store.told):
        tell(store, name, _TELLERS[name](scan))
    doing("asking")
    try:
        names, rows = store.table(sql, seconds)
    except BoundError:
        raise
    except StoreError as error:
        raise _misnamed(scan, source, error) from error
    return _without_internals(sql, names, map(_aware, rows))


def _misnamed(scan: Scan, source: ViewSource, error: StoreError) -> UsageError:
    missing = _NO_COLUMN.search(error.what)
    if missing is None:
        return UsageError(error.what, where="query", do=error.do)
    name = missing.group(1) or missing.group(2)
    known = {column for table in source.tables for column in columns_of(scan.content, table)}
    known |= {column for table in source.told for column in TOLD_TABLES[table][1]}
    return UsageError(f"no column '{name}'", where="query", do=did_you_mean(name, known))


def _aware(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row whose times say that they are UTC's, as all times of facts are."""
    return tuple(value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value for value in row)


def _without_internals(sql: str, names: list[str], rows: Iterator[tuple[Any, ...]]) -> Answer:
    """The answer without the columns of every table that are the engine's own, but for those that the SQL names."""
    said = {name for name in INTERNAL if re.search(rf"\b{name}\b", sql)}
    if _DESCRIBES.match(sql):
        rows = (row for row in rows if row[0] not in INTERNAL)
    keep = [number for number, name in enumerate(names) if name not in INTERNAL or name in said]
    if len(keep) == len(names):
        return names, rows
    return [names[number] for number in keep], (tuple(row[number] for number in keep) for row in rows)


def _tables(scan: Scan) -> Answer:
    """Every table that can be asked and holds something, with how many rows it has and how many listings of it were not read."""
    store = scan.store()
    doing("counting rows")
    found: list[tuple[Any, ...]] = []
    abouts = {name: table.about for name, table in scan.content.tables.items()}
    abouts |= {name: view.about for name, view in scan.content.views.items()}
    abouts |= {name: about for name, (about, _) in ENGINE_TABLES.items()}
    for name in sorted(abouts):
        unread = store.unread(name)
        if unread is not None:
            rows, dark = 0, len([each for each in unread if each.fact or not each.shadow])
        else:
            sql = f"SELECT count(*) FILTER (_ghost IS NULL), count(*) FILTER (_ghost IS NOT NULL AND NOT _shadow) FROM {quoted(name)}"
            ((rows, dark),) = store.rows(sql)
        if rows or dark:
            found.append((name, rows, dark, abouts[name].split(". ")[0].rstrip(".")))
    for name, (about, _) in TOLD_TABLES.items():
        found.append((name, sum(1 for _ in _TELLERS[name](scan)), 0, about.rstrip(".")))
    return ["table", "rows", "unread", "about"], iter(found)


def tell(store: Store, name: str, rows: Told) -> None:
    """Put a table of what is told beside the facts into a store. Raises StoreError."""
    doing(f"loading {name}")
    columns = {column: SQL_TYPES[spec.type] for column, spec in TOLD_TABLES[name][1].items()}
    store.run(f"CREATE OR REPLACE TABLE {quoted(name)} ({', '.join(f'{quoted(each)} {kind}' for each, kind in columns.items())})")
    shape = literal(json.dumps([columns]))
    for some in iter(lambda: list(itertools.islice(rows, ROWS_AT_ONCE)), []):
        said = json.dumps([dict(zip(columns, row, strict=True)) for row in some], default=str)
        store.run(f"INSERT INTO {quoted(name)} SELECT unnest(from_json($rows, {shape}), recursive := true)", {"rows": said})
    store.told |= {name}


# ---- what is told ----------------------------------------------------------------------------------------------------------


def _results(scan: Scan) -> Told:
    functions = scan.content.asked_in()
    for result in scan.results():
        rule = scan.content.rules.get(result.rule)
        yield (
            result.rule,
            rule.title if rule else "",
            result.target,
            result.region,
            result.resource,
            result.verdict.value,
            result.severity.value,
            result.objective,
            next(iter(functions.get(result.objective, ())), ""),
            result.message,
            result.reason,
            result.fact,
            result.place.file if result.place is not None else None,
            result.place.line if result.place is not None else None,
            dict(result.values),
        )


def _scores(scan: Scan) -> Told:
    wholes = [("", scan.models)]
    wholes += [(target.id, scan.models_of(target)) for target in scan.targets] if len(scan.targets) > 1 else []
    for target, models in wholes:
        for model in models:
            yield (target, model.id, None, None, None, None, *_bounds(model.interval), None)
            for function in model.functions:
                yield (target, model.id, function.id, None, None, None, *_bounds(function.interval), function.attained)
                for practice in function.practices:
                    yield (target, model.id, function.id, practice.id, None, None, *_bounds(practice.interval), practice.attained)
                    for level in practice.levels:
                        where = (target, model.id, function.id, practice.id, level.level)
                        yield (*where, None, *_bounds(level.interval), None)
                        for each in level.objectives:
                            yield (*where, each.objective, *_bounds(each.interval), None)


def _bounds(interval: Interval | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if interval is None else (float(interval.low), float(interval.high), float(interval.coverage))


def _coverage(scan: Scan) -> Told:
    for line in scan.coverage:
        counts = (line.calls, line.pages, line.items, line.retries, line.gone)
        where = (line.target, line.region, line.table, line.part, line.operation)
        yield (*where, line.status, line.complete, line.code, *counts, dict(line.gaps), line.oldest_at.rstrip("Z") or None, line.undated)


_TELLERS: Mapping[str, Callable[[Scan], Told]] = {"results": _results, "scores": _scores, "coverage": _coverage}


def as_dicts(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows as dictionaries by column."""
    return [dict(zip(names, row, strict=True)) for row in rows]
