"""Views that only grow: told by their SQL, and held by trying: whatever is put beneath them besides, no row of theirs changes or goes."""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan.content import columns_of
from cnamm_scan.engine.bounds import StoreError
from cnamm_scan.engine.growing import only_grows
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.store import Store
from cnamm_scan.model import Column, Content
from tests.packs import NOW, collector, content, fact, filled, rest
from tests.packs import table as facts_table

GROWING = [
    "SELECT target, region, key, name FROM aws.lab.box",
    "SELECT target, region, 'box ' || key AS key, name FROM aws.lab.box WHERE name <> '' AND coalesce(size, 0) > 3",
    "SELECT target, region, key, name FROM aws.lab.box UNION ALL SELECT target, region, key, name FROM aws.lab.lock",
    "WITH b AS (SELECT * FROM aws.lab.box) SELECT target, region, key, unnest(names) AS name FROM b",
    "SELECT b.target, b.region, b.key || ' ' || l.key AS key FROM aws.lab.box b JOIN aws.lab.lock l"
    " ON l.target = b.target AND l.box = b.name",
]
CHANGING = [
    "SELECT b.target, b.region, b.key FROM aws.lab.box b LEFT JOIN aws.lab.lock l ON l.box = b.name",
    "SELECT target, region, key, count(*) AS n FROM aws.lab.box GROUP BY ALL",
    "SELECT target, region, key FROM aws.lab.box WHERE NOT EXISTS (SELECT 1 FROM aws.lab.lock)",
    "SELECT target, region, key FROM aws.lab.box WHERE name NOT IN (SELECT box FROM aws.lab.lock)",
    "SELECT target, region, key, rank() OVER (ORDER BY name) AS n FROM aws.lab.box",
    "SELECT target, region, key FROM aws.lab.box EXCEPT SELECT target, region, key FROM aws.lab.lock",
    "SELECT target, region, list(key) AS key FROM aws.lab.box",
    # a row that was not read would join: it has a target too
    "SELECT b.target, b.region, b.key FROM aws.lab.box b JOIN aws.lab.lock l ON l.target = b.target",
    "SELECT b.target, b.region, b.key FROM aws.lab.box b CROSS JOIN aws.lab.lock l",
    # or would have a key
    "SELECT target, region, namespace || '/' || name AS key FROM aws.lab.box",
    "SELECT target, region, coalesce(key, 'none') AS key FROM aws.lab.box",
]


@pytest.mark.parametrize("select", GROWING)
def test_what_looks_at_one_row_at_a_time_grows(select: str) -> None:
    assert only_grows(select, "here")


@pytest.mark.parametrize("select", CHANGING)
def test_what_counts_compares_or_misses_does_not(select: str) -> None:
    assert not only_grows(select, "here")


# ---- what ships, tried -----------------------------------------------------------------------------------------------------


SHIPPED = reader.load([])
NAMES = sorted(name for name, view in SHIPPED.views.items() if view.made is None and only_grows(view.select, name))


def _value(column: Column, chance: random.Random, *, lists: bool) -> Any:
    """One of very few values of a type, so that rows meet. With `lists` whatever may be cast to a list of JSON can be."""
    if chance.random() < 0.15:
        return None
    match column.type:
        case "boolean":
            return chance.random() < 0.5
        case "integer" | "number":
            return chance.choice([0, 1, 50])
        case "timestamp":
            return chance.choice([datetime(2025, 1, 1), datetime(2026, 1, 1)])
        case "list":
            return chance.choice([[], ["a"], ["a", "b"]])
        case "json":
            made = [[], [{"manager": "a", "kind": "Gateway", "name": "a", "time": "2025-01-01T00:00:00Z"}]]
            return chance.choice(made if lists else [*made, {"a": "1"}])
        case _:
            return chance.choice(["[]", '[{"kind": "Gateway", "name": "a"}]'] if lists else ["a", "b", "true"])


def _rows(made: Content, table: str, chance: random.Random, start: int, *, lists: bool) -> list[dict[str, Any]]:
    columns = {name: column for name, column in columns_of(made, table).items() if name not in ("target", "region", "key", "scan_time")}
    place = {"target": "kubernetes:x", "region": "global", "scan_time": datetime(2026, 1, 1)}
    return [
        {**{name: _value(column, chance, lists=lists) for name, column in columns.items()}, **place, "key": f"{start + number}"}
        for number in range(chance.randint(1, 4))
    ]


def _found(store: Store, view: str) -> Counter[str]:
    return Counter(str(row) for row in store.rows(store.content.views[view].select))


@pytest.mark.parametrize("view", NAMES)
def test_no_row_of_a_shipped_view_that_grows_changes_by_more_beneath_it(view: str) -> None:
    _tried(view)


def _tried(view: str) -> int:
    """Puts more and more beneath a view; how many rows it has in the end."""
    try:
        return _grown(view, lists=False)
    except StoreError:  # it takes texts for lists of JSON
        return _grown(view, lists=True)


def _grown(view: str, *, lists: bool) -> int:
    chance = random.Random(view)
    bases = sorted(read_view(SHIPPED, view).tables)
    with Store(SHIPPED, [view], scan_time=NOW) as store:
        store.lock()
        before: Counter[str] = Counter()
        for turn in range(3):
            for base in bases:
                store.add_rows(base, _rows(SHIPPED, base, chance, 100 * turn, lists=lists))
            after = _found(store, view)
            assert not before.keys() - after.keys()
            before = after
        return len(before)


def test_the_property_is_tried_on_rows() -> None:
    """It would say nothing of views that stay empty."""
    assert sum(_tried(view) > 0 for view in NAMES[:12]) >= 8


# ---- what becomes of their rows --------------------------------------------------------------------------------------------


def _views(select: str) -> dict[str, Any]:
    return {"aws.lab.crate": {"about": "Boxes of a kind.", "columns": {"name": {"type": "text"}}, "select": select}}


def test_rows_that_were_found_stay_beside_what_there_may_be(tmp_path: Path) -> None:
    boxes = {"aws.lab.box": facts_table({"name": {"type": "text", "from": "Name"}})}
    select = "SELECT target, region, 'crate ' || key AS key, name FROM aws.lab.box WHERE name <> 'odd'"
    made = content(collector=collector(boxes, _views(select)))
    facts = [fact("aws.lab.box", {"Name": name}, key=name) for name in ("a", "odd")]
    with filled(made, tmp_path, [*facts, rest("aws.lab.box")], ["aws.lab.crate"]) as store:
        rows = store.rows("SELECT key, name, _ghost, _shadow FROM aws.lab.crate")
        assert sorted(rows, key=str) == [("crate a", "a", None, False), (None, None, "not_in_manifests", True)]
