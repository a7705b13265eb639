"""A listing that another makes needless: asked only where that other could not be read whole, and never read as "none"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan import content as reader
from cnamm_scan.engine.lint import lint
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Column, MadeRow, Reason
from cnamm_scan.providers.catalog import KINDS
from cnamm_scan.providers.interface import Answer, Maker, SeenTables
from tests.answers import Teller, Told, listed, refused
from tests.packs import asked, collector, files, table, write

BULK, SINGLE, BOX = "aws.lab.box_bulk", "aws.lab.box_single", "aws.lab.box"
STATE = {"name": {"type": "text", "from": "Name"}, "state": {"type": "text", "from": "State"}}
TABLES = {
    BULK: table(STATE, once_per="account", list={"call": "ListDetails", "items": "Details", "needs": "lab:ListDetails"}),
    SINGLE: table(
        {**STATE, "state": {"type": "text", "from": "detail.State"}},
        once_per="account",
        list={"call": "ListThings", "items": "Things", "needs": "lab:ListThings", "unless": BULK},
        then={"detail": {"call": "GetDetail", "with": {"Name": "Name"}, "needs": "lab:GetDetail"}},
    ),
}
BOTH = {BULK: ["name", "state"], SINGLE: ["name", "state"]}
VIEWS = {BOX: {"about": "Each box.", "made": {"by": "boxes", "over": [BULK, SINGLE], "reads": BOTH}}}
RULE = asked("state = 'On'", id="aws.lab.on", for_each=BOX)


def boxes(seen: SeenTables) -> Iterator[MadeRow]:
    for target in seen.targets:
        chosen = SINGLE if seen.dark(BULK, target.id) else BULK
        for row in seen.rows(chosen):
            if row.target == target.id:
                yield MadeRow(row.target, row.region, row.key, {"state": row.values["state"]}, (row.fact,))


Found = list[tuple[str, str, str]]
MAKERS = {"boxes": Maker(boxes, {"state": Column("text")})}


@pytest.fixture(autouse=True)
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "aws", replace(KINDS["aws"], makers=MAKERS))
    made = write(tmp_path / "pack", files(RULE, collector=collector(TABLES, VIEWS)))
    monkeypatch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: made)


def scanned(
    monkeypatch: pytest.MonkeyPatch, bulk: Any, things: Told, detail: Told
) -> tuple[list[tuple[str, str, str]], list[str], api.Scan]:
    teller = Teller({"ListDetails": bulk, "ListThings": things, "GetDetail": detail})
    monkeypatch.setitem(KINDS, "aws", replace(KINDS["aws"], connect=lambda *_: teller))
    done = api.scan(["aws"])
    return sorted((r.resource, r.verdict.value, r.reason) for r in done.results()), [each.operation for each in teller.asked], done


ON, A = Answer({"State": "On"}), {"Name": "a", "State": "On"}


def test_what_was_told_whole_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked_for, done = scanned(monkeypatch, listed("Details", A), listed("Things", A), ON)
    with done:
        assert found == [("a", "pass", "")]
        assert asked_for == ["ListDetails"]
        (line,) = [line for line in done.coverage if line.table == SINGLE]
        assert (line.part, line.status, line.calls, line.complete) == ("spared", "ok", 0, True)


@pytest.mark.parametrize("bulk", [refused(), [listed("Details", A), refused(Reason.THROTTLED, "Slow")]], ids=["refused", "cut short"])
def test_what_could_not_be_told_is_asked_one_by_one(monkeypatch: pytest.MonkeyPatch, bulk: Any) -> None:
    found, asked_for, done = scanned(monkeypatch, bulk, listed("Things", A, {"Name": "b"}), ON)
    with done:
        assert found == [("a", "pass", ""), ("b", "pass", "")]  # the refusal is no gap of what was told the longer way
        assert asked_for.count("GetDetail") == 2


def test_what_neither_tells_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _, done = scanned(monkeypatch, refused(), refused(), ON)
    with done:
        assert {verdict for _, verdict, _ in found} == {"unknown"}


def test_where_credentials_ended_before_it_is_unread_and_not_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    found, asked_for, done = scanned(monkeypatch, refused(Reason.CREDENTIALS, "ExpiredToken"), listed("Things", A), ON)
    with done:
        assert {verdict for _, verdict, _ in found} == {"unknown"}
        assert asked_for == ["ListDetails"]


@pytest.mark.parametrize(
    ("tables", "views", "rule", "problem"),
    [
        (TABLES, {}, asked("state = 'On'", id="aws.lab.on", for_each=SINGLE), "is asked only where"),
        (TABLES, {BOX: {**VIEWS[BOX], "made": {"by": "boxes", "over": SINGLE, "reads": {SINGLE: ["name"]}}}}, RULE, "is asked only where"),
        ({SINGLE: TABLES[SINGLE]}, {}, asked("state = 'On'", id="aws.lab.on", for_each=SINGLE), "is no other table of this file"),
        ({**TABLES, BULK: {**TABLES[BULK], "once_per": "region"}}, VIEWS, RULE, "listed as often"),
    ],
)
def test_lint_lets_nobody_read_it_alone(tables: Any, views: Any, rule: Any, problem: str, tmp_path: Path) -> None:
    made = write(tmp_path / "other", files(rule, collector=collector(tables, views)))
    try:
        found = [str(each) for each in lint(reader.load([made], bundled=False))]
    except ContentError as error:
        found = [str(each) for each in error.problems]
    assert any(problem in each for each in found), found
