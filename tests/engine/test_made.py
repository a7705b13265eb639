"""How makers see collected tables and how what they make goes in: rows that are alike as one, documents once, few rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.engine import made as engine
from cnamm_scan.engine.bounds import StoreError
from cnamm_scan.engine.made import Makers
from cnamm_scan.engine.store import Store
from cnamm_scan.model import Column, Made, MadeRow, Target, View
from cnamm_scan.providers.interface import Maker, SeenGroup, SeenRow, SeenTables
from tests.examples import drawn
from tests.packs import BOX, A, B, collector, content, fact, filled, ghost, lab

READ = ("name", "doc", "tags", "lock_id")
TARGETS = (Target(A, "aws", "111111111111"), Target(B, "aws", "222222222222"))


def _filled_by(store: Store, make: Callable[[SeenTables], Iterable[MadeRow]], read: Sequence[str] = READ) -> None:
    columns = {"name": Column("text")}
    view = View("aws.lab.sort", "One row for each sort of boxes.", columns, made=Made("sorts", {BOX: tuple(read)}, (BOX,)))
    Makers({"aws:sorts": Maker(make, columns)}, TARGETS).fill(store, view)


def _seen(facts: list[dict[str, Any]], read: Sequence[str] = READ) -> tuple[list[SeenRow], list[SeenGroup]]:
    """What a maker is shown of such boxes: their rows, and their groups."""
    rows: list[SeenRow] = []
    groups: list[SeenGroup] = []

    def make(seen: SeenTables) -> Iterator[MadeRow]:
        rows.extend(seen.rows(BOX))
        groups.extend(seen.groups(BOX))
        yield from ()

    with TemporaryDirectory() as folder, filled(content(collector=lab()), Path(folder), facts, [BOX]) as store:
        _filled_by(store, make, read)
    return rows, groups


DOCUMENTS = st.sampled_from([None, {}, {"a": "b"}, {"b": "a", "a": "b"}, ["a"], "text", 'a"b'])
BOXES = st.lists(
    st.tuples(
        st.sampled_from([A, B]),
        st.sampled_from(["r1", "r2"]),
        st.sampled_from(["a", "B", "é", "b/1", "b#1", "ab"]),
        st.fixed_dictionaries(
            {},
            optional={
                "Name": st.sampled_from(["x", "y"]),
                "Doc": DOCUMENTS,
                "Tags": st.lists(st.sampled_from([{"Key": "t"}, {"Key": "u"}])),
            },
        ),
        st.sampled_from([{}, {"detail": "denied"}]),
    ),
    unique_by=lambda box: box[:3],
    max_size=8,
)


@settings(max_examples=drawn(40), deadline=None)
@given(boxes=BOXES, read=st.sampled_from([READ, ("name",), ("doc",), ()]))
def test_groups_are_the_rows_that_are_alike_led_by_the_first(boxes: list[Any], read: tuple[str, ...]) -> None:
    facts = [fact(BOX, data, target=target, region=region, key=key, gaps=gaps) for target, region, key, data, gaps in boxes]
    rows, groups = _seen(facts, read)
    assert len(rows) == len(boxes)
    expected: dict[tuple[str, str], list[SeenRow]] = {}
    for row in rows:
        expected.setdefault((row.target, repr(row.values)), []).append(row)
    assert [(group.first, group.count) for group in groups] == [(alike[0], len(alike)) for alike in expected.values()]


def test_what_was_not_read_is_in_no_group() -> None:
    assert _seen([ghost(BOX, "denied")]) == ([], [])


def test_the_document_of_a_thousand_rows_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    missing = engine._Documents.__missing__

    def reading(self: Any, text: str) -> Any:
        read.append(text)
        return missing(self, text)

    monkeypatch.setattr(engine._Documents, "__missing__", reading)
    facts = [fact(BOX, {"Name": "x", "Doc": {"a": number % 2}}, key=f"k{number:04}") for number in range(1000)]
    rows, groups = _seen(facts)
    assert (len(rows), len(groups)) == (1000, 2)
    assert len(read) == 4  # two documents, for the rows and for the groups


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_made_rows_go_in_as_they_come(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int) -> None:
    made: list[int] = []
    waiting: list[tuple[int, int]] = []
    monkeypatch.setattr(engine, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(engine, "fill", lambda store, view, rows: waiting.append((len(made), len(rows))))

    def make(seen: SeenTables) -> Iterator[MadeRow]:
        for number in range(count):
            made.append(number)
            yield MadeRow(A, "r1", str(number), {"name": "x"})

    with filled(content(collector=collector(lab()["facts"])), tmp_path, [], [BOX]) as store:
        _filled_by(store, make)
    assert [rows for _, rows in waiting] == [len(list(part)) for _, part in groupby(range(count), lambda number: number // 2)]
    assert [there for there, _ in waiting] == [min(count, 2 * number + 2) for number in range(len(waiting))]


def test_who_breaks_after_rows_went_in_breaks_the_view(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(engine, "fill", lambda store, view, rows: None)

    def make(seen: SeenTables) -> Iterator[MadeRow]:
        yield MadeRow(A, "r1", "k", {"name": "x"})
        raise LookupError("odd")

    with filled(content(collector=lab()), tmp_path, [], [BOX]) as store, pytest.raises(StoreError, match="sorts broke: LookupError: odd"):
        _filled_by(store, make)
