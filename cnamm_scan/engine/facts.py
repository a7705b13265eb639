"""Stored facts of a table, and the statement that reads them: columns are extracted while facts are loaded, never while judging."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnamm_scan.engine.dated import IS_STALE, gaps_by_age, when_young
from cnamm_scan.engine.extract import extract, literal, structure
from cnamm_scan.engine.sql import quoted
from cnamm_scan.model import GHOST_PART, OUTSIDE, REST_PART, UNREAD, Column, Reason, Table

_FACT_COLUMNS = (
    "kind: 'VARCHAR', id: 'VARCHAR', target: 'VARCHAR', region: 'VARCHAR', key: 'VARCHAR', data: 'JSON', gaps: 'MAP(VARCHAR, VARCHAR)'"
)
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


def insertion(
    table: str, spec: Table | None, kept: Mapping[str, Column], scan_time: str, oldest: str, whole: Collection[str]
) -> tuple[str, str]:
    """The statement that reads the `kept` columns of facts from files into a table: what stands before the files, and behind.

    Facts whose source is older than `oldest` are too old to be judged. `whole` are targets of which more than was given cannot be there.
    """
    form, shape = structure(column for column in kept.values() if column.path)
    values = {name: extract(column, spec, shape) for name, column in kept.items() if column.path}
    is_dated = spec is not None and spec.as_of is not None and bool(oldest)
    if spec is not None and is_dated:
        values = when_young(spec, values)
    extracted = [f"{value} AS {quoted(name)}" for name, value in values.items()]
    document = f"json_transform(data, '{form}')" if form != "{}" else "NULL"
    is_seen = f"g['{GHOST_PART}'] IS NULL" + (f" OR {IS_STALE}" if is_dated else "")
    gaps = f"COALESCE(gaps, {NO_GAPS})"
    said = gaps_by_age(gaps, oldest) if is_dated else gaps
    fixed = [
        "target",
        "region",
        f"CASE WHEN COALESCE(g['{GHOST_PART}'], g['{REST_PART}']) IS NULL THEN key END AS key",
        f"TIMESTAMP '{scan_time}' AS scan_time",
        "id AS _fact",
        f"COALESCE(g['{GHOST_PART}'], g['{REST_PART}']) AS _ghost",
        "g AS _gaps",
        f"g['{REST_PART}'] IS NOT NULL AS _shadow",
        f"CASE WHEN {is_seen} THEN 1 ELSE COALESCE(TRY_CAST(data ->> '{UNREAD}' AS BIGINT), 1) END AS _weight",
        f"CASE WHEN NOT ({is_seen}) THEN from_json(data -> '{OUTSIDE}', '[\"VARCHAR\"]') END AS _outside",
    ]
    absent = ""
    if whole:  # "there may be more" is not so there; whatever else was not read stays unread
        named = ", ".join(literal(target) for target in sorted(whole))
        why = f"COALESCE(g['{GHOST_PART}'], g['{REST_PART}'])"
        absent = f" WHERE target NOT IN ({named}) OR {why} IS DISTINCT FROM {literal(Reason.NOT_IN_MANIFESTS.value)}"
    facts = f"SELECT target, region, key, id, data, {said} AS g, {document} AS d FROM read_json(["
    columns = f"{{{_FACT_COLUMNS}, as_of: 'VARCHAR'}}" if is_dated else f"{{{_FACT_COLUMNS}}}"
    return (
        f"INSERT INTO {quoted(table)} BY NAME SELECT {', '.join(fixed + extracted)} FROM ({facts}",
        f"], format = 'newline_delimited', columns = {columns})){absent}",
    )


def was_kept(path: str, spec: Table | None, shards: Shards) -> bool:
    """Whether the bundle's facts can hold the path: its part was asked for, and the path was among those kept."""
    if spec is None:
        return True
    head = path.split(".", 1)[0].split("[", 1)[0]
    if shards.parts is not None and head in spec.then and head not in shards.parts:
        return False
    return shards.paths is None or path in shards.paths
