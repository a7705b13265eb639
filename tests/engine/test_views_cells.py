"""A cell of a row that was read and that nobody could see is no answer, in no view that ships: what a view says holds whatever it holds.

Aggregates pass over NULL, and a WHERE drops it. So small random tables lose cells, and the view is held to what it says when they are
filled, together with the views beneath it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest

from cnamm_scan import paths
from cnamm_scan.content import columns_of, key_paths
from cnamm_scan.engine.bounds import StoreError
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import make_view
from tests.engine.test_views_law import CONTENT, NOW, REGIONS, TARGETS, VIEWS, Row, _place, _rows, _value

Cell = tuple[str, int, str]
"""(table, number of a row, column)"""


def may_be_unread(table: str) -> frozenset[str]:
    """The columns of a table of which a row that was read may hold no value: those of its parts, of what a cluster adds, of documents.

    What the listing itself always says is there whenever the row is. Of a view that a function makes the texts are names, which it gives of
    every row. A column that may be NULL because nothing happened says so, and its NULL is an answer.
    """
    spec = CONTENT.tables.get(table)
    if spec is None:
        made = CONTENT.views.get(table)
        return frozenset(name for name, column in made.columns.items() if column.type != "text") if made is not None else frozenset()
    parent = CONTENT.tables.get(spec.list.for_ or "")
    parts = {*spec.then, *(parent.then if parent is not None else ())}
    by_part = spec.each is not None and paths.parse(spec.each).head in spec.then
    keyed = set(key_paths(spec.key))
    found = set()
    for name, column in spec.columns.items():
        if column.from_ is None or column.absent is None or column.from_ in keyed or column.from_.startswith("$"):
            continue
        head = next((key for key in paths.parse(column.from_).keys if key != "parent"), "")
        if by_part or head in parts or head == "status" or any(column.from_.startswith(path) for path in spec.normalise):
            found.add(name)
    return frozenset(found)


def without_derived(tables: Mapping[str, Sequence[Row]]) -> dict[str, list[dict[str, Any]]]:
    """The rows without the columns that the store works out from others: of what is not known they know nothing."""
    return {
        table: [{name: value for name, value in row.items() if not columns_of(CONTENT, table)[name].is_} for row in rows]
        for table, rows in tables.items()
    }


def leaves(view: str) -> list[str]:
    """The tables, and the views that functions make, on which a view rests in the end."""
    found: set[str] = set()
    for table in read_view(CONTENT, view).tables:
        spec = CONTENT.views.get(table)
        found |= set(leaves(table)) if spec is not None and spec.made is None else {table}
    return sorted(found)


def asked(store: Store, view: str, tables: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """The view's rows, made of these through all the views beneath it."""
    made = [each for each in store.views if CONTENT.views[each].made is None]
    for table in (*tables, *made):
        store.clear(table)
    for table, rows in tables.items():
        if rows:
            store.add_rows(table, rows)
    for each in made:
        make_view(store, each)
    names = ["target", "region", "key", "_ghost", *CONTENT.views[view].columns]
    return [dict(zip(names, row, strict=True)) for row in store.rows(f"SELECT {', '.join(map(quoted, names))} FROM {quoted(view)}")]


def filled(tables: Mapping[str, Sequence[Row]], cells: Mapping[Cell, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows with these cells changed."""
    return {
        table: [{name: cells.get((table, number, name), value) for name, value in row.items()} for number, row in enumerate(rows)]
        for table, rows in tables.items()
    }


def denied(found: Sequence[Row], whole: Sequence[Row]) -> str | None:
    """What of a view's rows is not so in what it says of everything; None for nothing."""
    there: dict[tuple[str, str, str], list[Row]] = {}
    for row in whole:
        if row["key"] is not None:
            there.setdefault(_place(row), []).append(row)
    unread = {(row["target"], row["region"]) for row in found if row["key"] is None}
    named = {_place(row) for row in found if row["key"] is not None}
    for row in found:
        known = {name: value for name, value in row.items() if value is not None}
        if row["key"] is None or row["_ghost"] is not None:
            continue
        if _place(row) not in there:
            if len(known) == len(row) - 1:  # all but `_ghost`: it is known to be there, and is not
                return f"is not there: {row}"
            unread.add((row["target"], row["region"]))  # it stands for what may be there under another name
        elif not any(all(each[name] == value for name, value in known.items()) for each in there[_place(row)]):
            return f"is another: {row}, {there[_place(row)]}"
    missing = [place for place in there if place not in named and place[:2] not in unread]
    return f"vanished: {missing}" if missing else None


# a try takes a fifth of a second, for each of a hundred views
@pytest.mark.parametrize("tries", [1, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_says_nothing_that_an_unseen_cell_could_deny(view: str, tries: int) -> None:
    random = Random(f"{view} {tries}")
    spec = CONTENT.views[view]
    words = sorted({"a", "b", *(word for word in re.findall(r"'([^'%]{1,40})'", spec.select) if not word.startswith("$"))})[:12]
    bases = leaves(view)
    shapes: list[list[Any]] = [[{}, {"a": "b"}], [[], [{"name": random.choice(words), "value": "a"}]]]
    counts: Counter[str] = Counter()
    if not any(may_be_unread(table) for table in bases):
        return  # nothing beneath it can lose a cell
    with Store(CONTENT, {view}, scan_time=NOW, threads=1) as store:
        store.places = dict.fromkeys(TARGETS, ("global", *REGIONS))
        for number in range(8 * tries):
            if counts["tried"] == tries:
                break
            said = [words, words, [NOW, "2025-06-01T00:00:00"]][number % 3]
            rows = without_derived({table: _rows(random, table, said, 0.0) for table in bases})
            holes = [
                (table, at, name) for table in bases for at, row in enumerate(rows[table]) for name in row if name in may_be_unread(table)
            ]
            if not holes:
                continue
            cells = random.sample(holes, min(len(holes), random.choice([1, 1, 2, 3])))
            kinds = {cell: columns_of(CONTENT, cell[0])[cell[2]].type for cell in cells}
            try:
                found = asked(store, view, filled(rows, dict.fromkeys(cells)))
                fillings = [{}, *({cell: _value(random, kinds[cell], said, shapes) for cell in cells} for _ in range(2))]
                wholes = [asked(store, view, filled(rows, each)) for each in fillings]
            except StoreError:  # what no source says: a cast of random text
                continue
            counts["tried"] += 1
            for whole in wholes:
                problem = denied(found, whole)
                assert problem is None, (problem, view, cells, rows)
