"""What a view says where something beneath it was not read is what it would have said of everything, for every view that ships.

Small random tables are completed in many ways: a row that was found is there in each of them, and so is every value that it still has;
whatever more there is stands behind an unread row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan.content import columns_of
from cnamm_scan.engine.bounds import StoreError
from cnamm_scan.engine.extract import literal
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.terms import CannotTellError
from cnamm_scan.engine.views import make_view
from cnamm_scan.engine.worth import is_by_region, read_worth
from cnamm_scan.model import GHOST_PART, REST_PART, ROOM

CONTENT = reader.load()
VIEWS = sorted(view.id for view in CONTENT.views.values() if view.made is None)
NOW = "2026-01-02T03:04:05"
TARGETS, REGIONS = ("t:1", "t:2"), ("r1", "r2")
Row = Mapping[str, Any]
Place = tuple[str, str]
Dark = bool | frozenset[str] | tuple[str, ...]
"""How a place is dark: a rest of which nothing is known but that there may be more, something unread, that of some namespaces, or of
all but some."""


def _places(table: str) -> list[Place]:
    return [(target, region) for target in TARGETS for region in (REGIONS if is_by_region(CONTENT, table) else ("global",))]


def _value(random: Random, kind: str, words: Sequence[str], shapes: Sequence[Sequence[Any]]) -> Any:
    if kind == "boolean":
        return random.random() < 0.5
    if kind in ("integer", "number"):
        return random.choice([0, 1, 2, 50])
    if kind == "timestamp":
        return random.choice([datetime(2026, 1, 1), datetime(2025, 6, 1), datetime(2020, 1, 1)])
    if kind == "list":
        return random.sample(words, random.randrange(min(3, len(words))))
    if kind == "json":
        return random.choice(shapes[random.random() < 0.1])
    return random.choice(words)


def _rows(random: Random, table: str, words: Sequence[str], nulls: float) -> list[Row]:
    columns = columns_of(CONTENT, table)
    shapes: list[list[Any]] = [[{}, {"a": "b"}], [[], [{"name": random.choice(words), "value": "a"}]]]
    random.shuffle(shapes)  # what stands in a column of documents is mostly of one form
    made: list[Row] = []
    for number in range(random.choice([1, 2, 2, 3, 4])):
        target, region = random.choice(_places(table))
        row = {name: _value(random, column.type, words, shapes) for name, column in columns.items() if random.random() >= nulls}
        row |= {"target": target, "region": region, "key": random.choice([f"k{number}", f"{words[0]}/k{number}"]), "scan_time": NOW}
        made.append(row)
    return made


def _asked(store: Store, view: str, tables: Mapping[str, Sequence[Row]], dark: Mapping[str, Mapping[Place, Dark]]) -> list[dict[str, Any]]:
    """The view's rows."""
    for table in (*tables, view):
        store.clear(table)
    for table, rows in tables.items():
        if rows:
            store.add_rows(table, rows)
        for (target, region), how in dark.get(table, {}).items():
            part = REST_PART if how is True else GHOST_PART
            for room in sorted(how) if isinstance(how, frozenset) else (None,):
                where = f", {literal(room)} AS {ROOM}" if room is not None else ""
                where += f", [{', '.join(map(literal, how))}] AS _outside" if isinstance(how, tuple) else ""
                place = f"{literal(target)} AS target, {literal(region)} AS region{where}"
                store.run(
                    f"INSERT INTO {quoted(table)} BY NAME SELECT {place}, '' AS _fact, 'denied' AS _ghost,"
                    f" MAP([{literal(part)}], ['denied']) AS _gaps, {how is True} AS _shadow"
                )
    make_view(store, view)
    names = ["target", "region", "key", "_ghost", "_outside", *(name for name in CONTENT.views[view].columns)]
    found = store.rows(f"SELECT {', '.join(map(quoted, names))} FROM {quoted(view)}")
    return [dict(zip(names, row, strict=True)) for row in found]


def _dark(random: Random, table: str, rows: Sequence[Row]) -> dict[Place, Dark]:
    """Places of a table that are dark; of one with namespaces now and then only some of these."""
    rooms = sorted({str(row[ROOM]) for row in rows if row.get(ROOM) is not None})
    has_rooms = bool(rooms) and columns_of(CONTENT, table)[ROOM].type == "text" and random.random() < 0.6
    made: dict[Place, Dark] = {}
    for place in random.sample(_places(table), random.choice([1, 2])):
        named = random.sample(rooms, random.choice([1, min(2, len(rooms))])) if has_rooms else ()
        made[place] = random.choice([frozenset, tuple])(named) if named else random.random() < 0.4
    return made


def _may_be_unread(row: Row, how: Dark | None) -> bool:
    if isinstance(how, tuple):
        return row.get(ROOM) not in how
    return row.get(ROOM) in how if isinstance(how, frozenset) else how is not None


def _may_stand_for(unread: Row, row: Row) -> bool:
    """Whether what was not read may be this row."""
    rooms = (None, row.get(ROOM))
    return (
        (unread["target"], unread["region"]) == (row["target"], row["region"])
        and unread.get(ROOM) in rooms
        and row.get(ROOM) not in (unread["_outside"] or ())
    )


def _place(row: Row) -> tuple[str, str, str]:
    return row["target"], row["region"], row["key"]


# a try takes a tenth of a second, for each of more than a hundred views
@pytest.mark.parametrize("tries", [1, pytest.param(8, marks=pytest.mark.slow)])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_says_nothing_that_a_completion_denies(view: str, tries: int) -> None:
    random = Random(f"{view} {tries}")
    spec = CONTENT.views[view]
    words = sorted({"a", "b", *(word for word in re.findall(r"'([^'%]{1,40})'", spec.select) if not word.startswith("$"))})[:12]
    said_words = [words, words, [NOW, "2025-06-01T00:00:00"]]  # some views take texts for dates
    bases = sorted(read_view(CONTENT, view).tables)
    counts: Counter[str] = Counter()
    with Store(CONTENT, {view}, scan_time=NOW, threads=1) as store:
        store.places = dict.fromkeys(TARGETS, ("global", *REGIONS))
        for number in range(12 * tries):
            if counts["tried"] == tries:
                break
            nulls = 0.1 if number % 2 else 0.0
            whole = {table: _rows(random, table, said_words[number % 3], nulls) for table in bases}
            try:
                full = _asked(store, view, whole, {})
            except StoreError:  # what no source says: a cast of random text
                counts["broken"] += 1
                continue
            there: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
            for row in full:
                if row["key"] is not None:
                    there.setdefault(_place(row), []).append(row)
            dark: dict[str, dict[Place, Dark]] = {}
            for table in random.sample(bases, random.choice([1, 1, min(2, len(bases))])):
                dark[table] = _dark(random, table, whole[table])
            seen = {
                table: [
                    row
                    for row in rows
                    if not _may_be_unread(row, dark.get(table, {}).get((row["target"], row["region"]))) or random.random() < 0.6
                ]
                for table, rows in whole.items()
            }
            said = (view, seen, dark, whole)
            try:
                found = _asked(store, view, seen, dark)
            except StoreError:
                counts["broken"] += 1
                continue
            counts["tried"] += 1
            unread = [row for row in found if row["key"] is None]
            named = {_place(row) for row in found if row["key"] is not None}
            for row in found:
                if row["key"] is None:
                    assert row["_ghost"] is not None
                elif row["_ghost"] is None:
                    assert _place(row) in there, (row, *said)
                    known = {name: value for name, value in row.items() if value is not None and name != "_outside"}
                    assert any(all(each[name] == value for name, value in known.items()) for each in there[_place(row)]), (row, *said)
            for place, rows in there.items():
                assert place in named or any(_may_stand_for(each, row) for each in unread for row in rows), (place, *said)
    assert counts["tried"] >= tries / 4, counts


def test_most_views_are_read() -> None:
    """What cannot be told keeps no row in the dark: few may be so."""
    unread = []
    for view in VIEWS:
        try:
            read_worth(CONTENT, view)
        except CannotTellError:
            unread.append(view)
    assert len(unread) <= 6, unread
