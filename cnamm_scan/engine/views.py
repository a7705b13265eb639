"""Views over loaded tables, NULL-honest: where a table beneath was not read, a view's row may be missing, and is unread itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import msgspec

from cnamm_scan.content import ENGINE_TABLES
from cnamm_scan.engine.bounds import BoundError, StoreError
from cnamm_scan.engine.extract import SQL_TYPES, literal
from cnamm_scan.engine.growing import only_grows
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.store import NO_GAPS, Store
from cnamm_scan.model import ESTATE_TABLE, GHOST_PART, REST_PART, SILENCE_PART, MadeRow, View, fact_id

ROWS_AT_ONCE = 2000
"""Rows of a function that are put in together."""


def make_views(store: Store, fill: Callable[[Store, View], None] | None = None) -> None:
    """Compute every view over the loaded tables, NULL-honest about listings that failed. Shuts the doors first.

    `fill` makes the rows of a view that is made by a function; without it such a view stays as it is.
    """
    store.lock()
    for view in store.views:
        spec = store.content.views[view]
        try:
            for table in sorted(read_view(store.content, view).tables & store.stopped.keys()):
                raise BoundError(f"it reads '{table}', which was stopped", do="mend that one")
            if spec.made is None:
                _make_view(store, view)
            elif fill is not None:
                fill(store, spec)
                _add_unread(store, view, _decisive(store, spec.made.over), keeps=True)
        except StoreError as error:
            store.give_up(view, error)
    if store.large and store.views:
        for catalog in sorted({view.split(".")[0] for view in store.views if view.count(".") == 2}):
            store.run(f"CHECKPOINT {quoted(catalog)}")


def _make_view(store: Store, view: str) -> None:
    spec = store.content.views[view]
    bases = sorted(read_view(store.content, view).tables)
    casts = ", ".join(f"CAST({quoted(name)} AS {SQL_TYPES[column.type]}) AS {quoted(name)}" for name, column in spec.columns.items())
    store.run(
        f"INSERT INTO {quoted(view)} BY NAME SELECT target, region, key, TIMESTAMP '{store.scan_time}' AS scan_time, '' AS _fact,"
        f" NULL AS _ghost, {NO_GAPS} AS _gaps, false AS _shadow, {casts} FROM (\n{spec.select}\n)"
    )
    # whether it only grows is asked where something was not read: it costs a parse
    keeps = any(store.dark(base, ()) for base in bases) and only_grows(spec.select, f"{spec.source} ({view})")
    dark, match = _add_unread(store, view, bases, keeps=keeps)
    under = "v.key IS NULL" if keeps else f"v.key IS NULL OR EXISTS (SELECT 1 FROM ({dark}) AS d WHERE {match})"
    store.run(f"DELETE FROM {quoted(view)} AS v WHERE v._ghost IS NULL AND ({under})")


def _decisive(store: Store, over: Sequence[str]) -> list[str]:
    """The tables whose gaps a made view has: where another is asked in place of one that was not read whole, its gaps alone."""
    listed = {base: store.content.tables[base].list.unless for base in over if base in store.content.tables}
    return [base for base in over if base not in listed.values()]


def _add_unread(store: Store, view: str, bases: Sequence[str], *, keeps: bool) -> tuple[str, str]:
    """Leave unread rows where one of the tables that it is made over has some; gives the SQL of those places, and how they match.

    `keeps`: its rows stay; whatever more there is would have made rows of its own.
    """
    unread = (
        f"SELECT target, region, _ghost, _shadow, _weight, _gaps['{REST_PART}'] IS NOT NULL AS _rest FROM {{}} WHERE _ghost IS NOT NULL"
    )
    dark = " UNION ALL ".join(unread.format(quoted(base)) for base in bases)
    regional = all(_is_regional(store, base) for base in bases)
    match = "d.target = v.target" + (" AND d.region = v.region" if regional else "")
    # rows that more of a kind could have made other ones are one unread row together: a shadow alone would make them vanish
    lost = f"_rest AND EXISTS (SELECT 1 FROM {quoted(view)} AS v WHERE {match} AND v.key IS NOT NULL)"
    if keeps:
        lost = "false"
    store.run(
        f"INSERT INTO {quoted(view)} BY NAME SELECT target, region, TIMESTAMP '{store.scan_time}' AS scan_time, '' AS _fact, _ghost,"
        f" MAP([CASE WHEN _rest THEN '{REST_PART}' ELSE '{GHOST_PART}' END], [_ghost]) AS _gaps,"
        f" _shadow AND NOT ({lost}) AS _shadow, _weight FROM (SELECT target, region, min(_ghost) AS _ghost,"
        " bool_and(_shadow) AS _shadow, bool_or(_rest) AS _rest, max(_weight) AS _weight"
        f" FROM ({dark}) GROUP BY ALL) AS d"
    )
    return dark, match


def fill(store: Store, view: str, rows: Sequence[tuple[MadeRow, str]]) -> None:
    """Put in the rows that a function made, each with why something of it is not known."""
    columns = store.content.views[view].columns
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
        store.run(
            f"INSERT INTO {quoted(view)} BY NAME SELECT t.target, t.region, t.key, TIMESTAMP '{store.scan_time}' AS scan_time,"
            f" t._fact AS _fact, NULL AS _ghost, {gaps} AS _gaps,"
            f" false AS _shadow, {', '.join(chosen)} FROM (SELECT unnest(from_json(?, {literal(shape)})) AS t)",
            [msgspec.json.encode(given).decode()],
        )


def _is_regional(store: Store, table: str) -> bool:
    if table in store.content.tables:
        return store.content.tables[table].once_per == "region"
    if table in ENGINE_TABLES:
        return table != ESTATE_TABLE
    return table in store.content.views and all(_is_regional(store, base) for base in read_view(store.content, table).tables)
