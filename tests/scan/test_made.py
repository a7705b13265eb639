"""Tables that a wing's function makes: judged, kept as evidence, made again on `evaluate`, honest about what was not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan import content as reader
from cnamm_scan.errors import ContentError
from cnamm_scan.evidence.bundle import open_bundle
from cnamm_scan.model import Column, MadeRow, Reason
from cnamm_scan.providers.catalog import KINDS
from cnamm_scan.providers.interface import Answer, Maker, SeenTables
from tests.answers import Teller, Told, listed, refused
from tests.packs import BOX, LOCK, asked, collector, files, table, write

BOXES = table(
    {
        "name": {"type": "text", "from": "Name"},
        "lock_id": {"type": "text", "from": "LockId", "absent": ""},
        "document": {"type": "json", "from": "Document"},
        "state": {"type": "text", "from": "detail.State", "absent": "Never"},
    },
    once_per="account",
    then={"detail": {"call": "GetDetail", "with": {"Name": "Name"}, "needs": "lab:GetDetail"}},
)
LOCKS = table(
    {"lock_id": {"type": "text", "from": "LockId"}, "strong": {"type": "boolean", "from": "Strong"}},
    once_per="account",
    key="{LockId}",
    list={"call": "ListLocks", "items": "Locks", "needs": "lab:ListLocks"},
)
PAIR = "aws.lab.pair"
PAIRS = {
    "about": "One row for each box, with what its lock makes of it.",
    "made": {"by": "pairs", "over": BOX, "reads": {BOX: ["name", "lock_id", "document", "state"], LOCK: ["lock_id", "strong"]}},
}
COLUMNS = {
    "open_to": Column("list"),
    "is_locked": Column("boolean"),
    "since": Column("timestamp"),
    "said": Column("json"),
    "size": Column("integer"),
    "state": Column("text"),
}
ABOVE = {
    "about": "One row for each pair: views may read what was made.",
    "columns": {"n": {"type": "integer"}},
    "select": f"SELECT target, region, key, size AS n FROM {PAIR}",
}
RULES = {
    "locked": asked("is_locked", id="aws.lab.locked", for_each=PAIR),
    "shut": asked("len(open_to) = 0", id="aws.lab.shut", for_each=PAIR),
    "on": asked("state = 'On'", id="aws.lab.on", for_each=PAIR),
    "young": asked("since > scan_time - INTERVAL 90 DAY", id="aws.lab.young", for_each=PAIR),
    "large": asked("n > 1", id="aws.lab.large", for_each="aws.lab.above"),
    "found": asked(f"true = ANY (SELECT p.is_locked FROM {PAIR} p WHERE p.target = this.target)", id="aws.lab.found"),
}
A = {"Name": "a", "LockId": "x", "Document": {"Allow": ["me", "you"], "Size": 2}}
B = {"Name": "b", "LockId": "y", "Document": {"Allow": [], "Size": 1}}
X = {"LockId": "x", "Strong": True}
DETAIL = Answer({"State": "On"})


def pairs(seen: SeenTables) -> Iterator[MadeRow]:
    assert (seen.over, seen.now.tzinfo) == ((BOX,), UTC)
    locks = {row.values["lock_id"]: row for row in seen.rows(LOCK)}
    for box in seen.rows(BOX):
        lock = locks.get(box.values["lock_id"])
        unfound = None if seen.dark(LOCK, box.target) else False
        is_locked = lock.values["strong"] if lock is not None else unfound
        document = box.values["document"]
        values: dict[str, Any] = {"is_locked": is_locked, "state": box.values["state"], "since": "2020-01-01T00:00:00Z"}
        if document is not None:
            values |= {"open_to": document["Allow"], "said": document, "size": document["Size"]}
        yield MadeRow(box.target, box.region, box.key, values, (box.fact, *([lock.fact] if lock else [])))


class Scanned:
    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch, self.number = folder, patch, 0
        self.made_by(pairs)
        made = collector({BOX: BOXES, LOCK: LOCKS}, {PAIR: PAIRS, "aws.lab.above": ABOVE})
        pack = write(folder / "pack", files(*RULES.values(), collector=made))
        patch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: pack)

    def made_by(self, make: Callable[[SeenTables], Any]) -> None:
        self.patch.setitem(KINDS, "aws", replace(KINDS["aws"], makers={"pairs": Maker(make, COLUMNS)}))

    def __call__(self, boxes: Told, locks: Told, detail: Told | None = None) -> api.Scan:
        self.number += 1
        answers = {"ListThings": boxes, "ListLocks": locks, "GetDetail": detail or DETAIL}
        self.patch.setitem(KINDS, "aws", replace(KINDS["aws"], connect=lambda *_: Teller(answers)))
        done = api.scan(["aws"], output=self.folder / f"out{self.number}")
        assert done.path is not None
        with api.evaluate(done.path) as again, api.load_bundle(done.path) as read:
            assert said(again) == said(read) == said(done)
            assert again.models == read.models == done.models
        return done


def said(done: api.Scan) -> dict[str, list[tuple[str, str, str]]]:
    found: dict[str, list[tuple[str, str, str]]] = {name: [] for name in RULES}
    for result in done.results():
        found[result.rule.rpartition(".")[2]].append((result.resource, result.verdict.value, result.reason))
    return {name: sorted(results) for name, results in found.items()}


@pytest.fixture
def scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scanned:
    return Scanned(tmp_path, monkeypatch)


def test_what_a_function_makes_is_judged_looked_into_and_read_by_views(scanned: Scanned) -> None:
    with scanned(listed("Things", A, B), listed("Locks", X)) as done:
        assert said(done) == {
            "locked": [("a", "pass", ""), ("b", "fail", "")],
            "shut": [("a", "fail", ""), ("b", "pass", "")],
            "on": [("a", "pass", ""), ("b", "pass", "")],
            "young": [("a", "fail", ""), ("b", "fail", "")],
            "large": [("a", "pass", ""), ("b", "fail", "")],
            "found": [("a", "pass", ""), ("b", "pass", "")],
        }
        assert done.query(f"SELECT key, size, said FROM {PAIR} ORDER BY key") == [
            {"key": "a", "size": 2, "said": '{"Allow":["me","you"],"Size":2}'},
            {"key": "b", "size": 1, "said": '{"Allow":[],"Size":1}'},
        ]


def test_what_is_made_is_kept_with_the_facts_that_it_rests_on(scanned: Scanned) -> None:
    with scanned(listed("Things", A, B), listed("Locks", X)) as done:
        assert done.path is not None
        bundle = open_bundle(done.path)
        facts = {line["id"]: line for line in bundle.entries("fact")}
        made = {line["key"]: line for line in bundle.entries("made")}
        assert set(made) == {"a", "b"}
        assert [facts[name]["key"] for name in made["a"]["rests_on"]] == ["a", "x"]
        assert [facts[name]["key"] for name in made["b"]["rests_on"]] == ["b"]
        assert made["a"]["data"]["said"] == A["Document"]
        (failing,) = done.results("fail", rule="aws.lab.shut")
        assert failing.fact == made["a"]["id"]


def test_a_better_function_judges_old_bundles_too(scanned: Scanned) -> None:
    done = scanned(listed("Things", A, B), listed("Locks", X))
    assert done.path is not None
    scanned.made_by(lambda seen: (replace(row, values={**row.values, "is_locked": True}) for row in pairs(seen)))
    with done, api.evaluate(done.path) as again:
        assert said(again)["locked"] == [("a", "pass", ""), ("b", "pass", "")]
        assert said(done)["locked"] == [("a", "pass", ""), ("b", "fail", "")]


def test_what_was_not_read_is_not_known_for_that_reason(scanned: Scanned) -> None:
    with scanned(listed("Things", A), listed("Locks", X), refused()) as done:
        assert said(done)["on"] == [("a", "unknown", "denied")]
        assert said(done)["locked"] == [("a", "pass", "")]


def test_a_listing_that_it_looks_into_leaves_open_only_what_hangs_on_it(scanned: Scanned) -> None:
    with scanned(listed("Things", A, B), refused()) as done:
        assert said(done)["locked"] == [("a", "unknown", "denied"), ("b", "unknown", "denied")]
        assert said(done)["shut"] == [("a", "fail", ""), ("b", "pass", "")]


def test_a_listing_that_it_is_made_over_is_one_unread_row(scanned: Scanned) -> None:
    with scanned(refused(), listed("Locks", X)) as done:
        assert said(done) == {name: [("", "unknown", "denied")] for name in RULES}


def test_where_there_may_be_more_its_rows_stay(scanned: Scanned) -> None:
    with scanned(listed("Things", A, rest=Reason.EXCLUDED), listed("Locks", X)) as done:
        assert said(done)["locked"] == [("a", "pass", "")]


def test_a_row_whose_fact_says_nothing_is_unknown(scanned: Scanned) -> None:
    with scanned(listed("Things", {"Name": "c"}), listed("Locks")) as done:
        assert said(done)["shut"] == [("c", "unknown", "not_in_answer")]


def _raises(seen: SeenTables) -> Iterator[MadeRow]:
    raise KeyError("Allow")
    yield from pairs(seen)


@pytest.mark.parametrize(
    "broken",
    [
        _raises,
        lambda seen: [*pairs(seen), *pairs(seen)],
        lambda seen: (replace(row, values={**row.values, "nosuch": 1}) for row in pairs(seen)),
        lambda seen: (replace(row, values={**row.values, "size": "many"}) for row in pairs(seen)),
        lambda seen: (MadeRow(row.target, row.region, row.key, {}) for row in seen.rows("aws.lab.elsewhere")),
    ],
    ids=["raises", "twice", "column", "type", "unread table"],
)
def test_a_function_that_breaks_is_told_loudly_and_passes_nothing(scanned: Scanned, broken: Callable[[SeenTables], Any]) -> None:
    scanned.made_by(broken)
    with scanned(listed("Things", A, B), listed("Locks", X)) as done:
        for name in ("locked", "shut", "on", "young", "large"):
            assert said(done)[name] == [("", "unknown", "collector_bug")], name
        (line,) = [line for line in done.coverage if line.table == PAIR]
        assert (line.status, line.complete) == ("collector_bug", False)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"made": {**PAIRS["made"], "by": "pars"}}, "no function 'pars'"),  # type: ignore[dict-item]
        ({"made": {**PAIRS["made"], "over": []}}, "over no table"),  # type: ignore[dict-item]
        ({"made": {**PAIRS["made"], "over": "aws.lab.wall"}}, "aws.lab.wall is not read"),  # type: ignore[dict-item]
        ({"made": {**PAIRS["made"], "reads": {BOX: ["nam"]}}}, "has no column 'nam'"),  # type: ignore[dict-item]
        ({"select": "SELECT 1"}, "either select: or made:"),
        ({"made": None}, "either select: or made:"),
        ({"made": None, "select": "SELECT 1"}, "the view has no columns"),
        ({"columns": {"x": {"type": "text"}}}, "columns come from the function"),
    ],
)
def test_lint_says_what_is_wrong_with_how_a_table_is_made(scanned: Scanned, change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    from cnamm_scan.engine.lint import lint

    changed = {name: value for name, value in {**PAIRS, **change}.items() if value is not None}
    made = collector({BOX: BOXES, LOCK: LOCKS}, {PAIR: changed})
    pack = write(tmp_path / "other", files(asked("true", id="aws.lab.one", for_each=BOX), collector=made))
    scanned.patch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: pack)
    try:
        found = [str(each) for each in lint(reader.load())]
    except ContentError as error:
        found = [str(each) for each in error.problems]
    assert any(problem in each for each in found), found
