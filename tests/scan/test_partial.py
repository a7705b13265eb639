"""What a source says of what it does not show, from its answer to the verdicts: less seen never looks like less there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.model import Reason, Tally
from cnamm_scan.providers import catalog
from cnamm_scan.providers.catalog import KINDS
from tests.answers import Teller, Told, listed, refused
from tests.packs import BOX, LOCK, asked, collector, files, table, write

LOCKS = f"FROM {LOCK} t WHERE t.target = this.target"
BOXES = table(
    {
        "name": {"type": "text", "from": "Name"},
        "size": {"type": "integer", "from": "spec.Size"},
        "color": {"type": "text", "from": "spec.Color", "absent": "none"},
        "state": {"type": "text", "from": "status.State", "absent": "Never"},
        "is_new": {"type": "boolean", "exists": "status.New"},
        "marks": {"type": "list", "from": "Marks", "absent": []},
        "owner": {"type": "text", "from": "Marks.owner", "absent": "nobody"},
        "has_team": {"type": "boolean", "exists": "Marks.team"},
        "has_part": {"type": "boolean", "exists": "Parts[0]"},
        "lock_id": {"type": "text", "from": "LockId", "absent": ""},
    },
    once_per="account",
)
OWN_LOCKS = table(
    {"lock_id": {"type": "text", "from": "LockId"}, "strong": {"type": "boolean", "from": "Strong"}},
    once_per="account",
    key="{LockId}",
    list={"call": "ListLocks", "items": "Locks", "needs": "lab:ListLocks", "absent_on": ["NoLocks"]},
)
PILE = {
    "about": "One row for each box, with its locks.",
    "columns": {"n": {"type": "integer"}},
    "select": f"SELECT b.target, b.region, b.key, count(l.key) AS n FROM {BOX} b LEFT JOIN {LOCK} l USING (target, region) GROUP BY ALL",
}
RULES = {
    "on": asked("state = 'On'", id="aws.lab.on"),
    "sized": asked("size > 0", id="aws.lab.sized"),
    "red": asked("color = 'red'", id="aws.lab.red"),
    "new": asked("is_new", id="aws.lab.new"),
    "any": asked(f"true = ANY (SELECT t.strong {LOCKS})", id="aws.lab.any"),
    "all": asked(f"true = ALL (SELECT t.strong {LOCKS})", id="aws.lab.all"),
    "own": asked(f"true = ANY (SELECT t.strong {LOCKS} AND t.lock_id = this.lock_id)", id="aws.lab.own"),
    "strong": asked("strong", id="aws.lab.strong", for_each=LOCK),
    "piled": asked("n > 0", id="aws.lab.piled", for_each="aws.lab.pile"),
}
A = {"Name": "a", "spec": {"Size": 1, "Color": "red"}, "status": {"State": "On", "New": {}}, "LockId": "x"}
STRONG, WEAK = {"LockId": "x", "Strong": True}, {"LockId": "y", "Strong": False}

Said = Mapping[str, Sequence[tuple[str, str, str]]]
Tell = Callable[..., Said]


class Scanned:
    """Scans of a source that answers as it is told to."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch, self.number = folder, patch, 0
        pack = write(folder / "pack", files(*RULES.values(), collector=collector({BOX: BOXES, LOCK: OWN_LOCKS}, {"aws.lab.pile": PILE})))
        patch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: pack)

    def __call__(self, things: Told, locks: Told | None = None) -> api.Scan:
        """The scan, after a look that its bundle says the same when it is read and when it is judged again."""
        self.number += 1
        answers: dict[str, Told] = {"ListThings": things, "ListLocks": locks or listed("Locks")}
        self.patch.setattr(catalog, "KINDS", {"aws": replace(KINDS["aws"], connect=lambda *_: Teller(answers))})
        done = api.scan(["aws"], output=self.folder / f"out{self.number}")
        assert done.path is not None
        with api.evaluate(done.path) as again, api.load_bundle(done.path) as read:
            assert said(again) == said(read) == said(done)
            assert sorted(again.tallies, key=str) == sorted(read.tallies, key=str) == sorted(done.tallies, key=str)
            assert again.models == read.models == done.models
        return done


def said(done: api.Scan) -> dict[str, list[tuple[str, str, str]]]:
    """Rule -> (resource, verdict, reason) of each of its results."""
    found: dict[str, list[tuple[str, str, str]]] = {name: [] for name in RULES}
    for result in done.results():
        found[result.rule.rpartition(".")[2]].append((result.resource, result.verdict.value, result.reason))
    return {name: sorted(results) for name, results in found.items()}


@pytest.fixture
def scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scanned:
    return Scanned(tmp_path, monkeypatch)


def test_what_is_seen_whole_is_judged_whole(scanned: Scanned) -> None:
    """What follows would hold of nothing too."""
    with scanned(listed("Things", A, {"Name": "b"}), listed("Locks", STRONG, WEAK)) as done:
        assert said(done) == {
            "on": [("a", "pass", ""), ("b", "fail", "")],
            "sized": [("a", "pass", ""), ("b", "unknown", "not_in_answer")],
            "red": [("a", "pass", ""), ("b", "fail", "")],
            "new": [("a", "pass", ""), ("b", "fail", "")],
            "any": [("a", "pass", ""), ("b", "pass", "")],
            "all": [("a", "fail", ""), ("b", "fail", "")],
            "own": [("a", "pass", ""), ("b", "fail", "")],
            "strong": [("x", "pass", ""), ("y", "fail", "")],
            "piled": [("a", "pass", ""), ("b", "pass", "")],
        }


def test_what_was_left_out_is_counted_as_one_that_is_unknown(scanned: Scanned) -> None:
    with scanned(listed("Things", A, left_out=Reason.EXCLUDED), listed("Locks", STRONG)) as done:
        unread = ("", "unknown", "excluded")
        assert said(done) == {
            **{name: [unread, ("a", "pass", "")] for name in ("on", "sized", "red", "new", "any", "all", "own")},
            "strong": [("x", "pass", "")],
            "piled": [unread, ("a", "pass", "")],
        }
        assert Tally("aws.lab.on", "aws:lab", pass_=1, unknown=1) in done.tallies
        assert [(line.part, line.status, line.complete, line.gaps) for line in done.coverage if line.table == BOX] == [
            ("list", "excluded", False, {"excluded": 1})
        ]


def test_as_many_are_counted_as_are_known_to_be_left_out(scanned: Scanned) -> None:
    with scanned(listed("Things", A, left_out=Reason.EXCLUDED, left_out_count=9), listed("Locks", STRONG)) as done:
        assert said(done)["on"] == [("", "unknown", "excluded"), ("a", "pass", "")]
        assert Tally("aws.lab.on", "aws:lab", pass_=1, unknown=9) in done.tallies
        assert Tally("aws.lab.piled", "aws:lab", pass_=1, unknown=9) in done.tallies


def test_whoever_looks_among_what_was_left_out_does_not_know(scanned: Scanned) -> None:
    with scanned(listed("Things", A), listed("Locks", WEAK, left_out=Reason.UNSUPPORTED)) as done:
        found = said(done)
    unknown = [("a", "unknown", "unsupported")]
    assert (found["any"], found["all"], found["own"]) == (unknown, [("a", "fail", "")], unknown)
    assert found["strong"] == [("", "unknown", "unsupported"), ("y", "fail", "")]


def test_lookups_that_find_nothing_are_unknown_where_there_may_be_more(scanned: Scanned) -> None:
    rest = Reason.NOT_IN_MANIFESTS
    with scanned(listed("Things", A, rest=rest), listed("Locks", WEAK, rest=rest)) as done:
        found = said(done)
    unknown = [("a", "unknown", "not_in_manifests")]
    assert (found["any"], found["all"], found["own"]) == (unknown, [("a", "fail", "")], unknown)
    # of what is there every row is judged, and none of its own stands for what may be besides
    assert (found["strong"], found["on"], found["sized"]) == ([("y", "fail", "")], [("a", "pass", "")], [("a", "pass", "")])
    # a count can only rise: what was found is enough for one that asks for more than none
    assert found["piled"] == [("a", "pass", "")]


def test_lookups_that_find_what_decides_are_sure_where_there_may_be_more(scanned: Scanned) -> None:
    rest = Reason.NOT_IN_MANIFESTS
    with scanned(listed("Things", A, rest=rest), listed("Locks", STRONG, rest=rest)) as done:
        found = said(done)
    assert (found["any"], found["strong"]) == ([("a", "pass", "")], [("x", "pass", "")])
    assert found["all"] == [("a", "unknown", "not_in_manifests")]


def test_where_there_may_be_more_of_nothing_nothing_is_judged(scanned: Scanned) -> None:
    with scanned(listed("Things", rest=Reason.NOT_IN_MANIFESTS)) as done:
        assert said(done) == {name: [] for name in RULES}
        assert Tally("aws.lab.on", "aws:lab") in done.tallies
        (line,) = [line for line in done.coverage if line.table == BOX and not line.complete]
        assert (line.part, line.status) == ("rest", "not_in_manifests")


def test_what_a_source_never_shows_is_unknown_for_that_reason(scanned: Scanned) -> None:
    """Even where a column says what silence means: this source would be silent whatever there is."""
    blind = {"status": Reason.NOT_IN_MANIFESTS, "silence": Reason.DENIED}
    bare: dict[str, Any] = {"Name": "b", "spec": {}}
    with scanned(listed("Things", bare, blind=blind)) as done:
        found = said(done)
        assert list(done.query(f"SELECT state, is_new, color, size FROM {BOX}")) == [
            {"state": None, "is_new": None, "color": "none", "size": None}
        ]
    assert found["on"] == found["new"] == [("b", "unknown", "not_in_manifests")]
    # what else it does not say is silence, and the source says why it is silent
    assert found["sized"] == [("b", "unknown", "denied")]
    # but what means something where it is not said, means it here too
    assert found["red"] == [("b", "fail", "")]


def test_what_a_source_shows_all_the_same_is_seen(scanned: Scanned) -> None:
    with scanned(listed("Things", A, blind={"status": Reason.NOT_IN_MANIFESTS})) as done:
        assert said(done)["on"] == [("a", "pass", "")]


def test_very_many_of_a_kind_are_told_as_the_rest_and_read_back_by_name(scanned: Scanned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnamm_scan.engine.evaluate.FEW", 0)
    monkeypatch.setattr("cnamm_scan.engine.evaluate.MANY", 2)
    monkeypatch.setattr("cnamm_scan.report.data.FINDINGS_A_RULE", 2)
    on = [{"Name": f"on{number}", "spec": {"Size": 1}, "status": {"State": "On"}} for number in range(4)]
    off = [{"Name": f"off{number}", "spec": {}} for number in range(5)]
    with scanned(listed("Things", *on, *off, left_out=Reason.EXCLUDED), listed("Locks", STRONG)) as done:
        assert done.path is not None
        assert done.bundle is not None
        stored = [
            (line["rule"], line["verdict"], line["number"], line["count"], line["resources"]) for line in done.bundle.entries("result")
        ]
        named = [f"on{number}" for number in range(4)]
        assert [line[1:] for line in stored if line[0] == "aws.lab.on"] == [
            ("fail", 0, 2, ["off0", "off1"]),
            ("fail", -1, 3, []),
            ("pass", 0, 4, named),
            ("unknown", 0, 1, [""]),
        ]
        assert [line[1:4] for line in stored if line[0] == "aws.lab.any"] == [("pass", -1, 9), ("unknown", 0, 1)]
        assert [line[1:4] for line in stored if line[0] == "aws.lab.sized"] == [("pass", 0, 4), ("unknown", 0, 1), ("unknown", -1, 5)]
        shown = {result.resource: (result.message, result.values) for result in done.results("fail", rule="aws.lab.on")}
        with api.evaluate(done.path) as again:
            facts = [{(r.rule, r.resource): (r.fact, r.parameters) for r in scan.results()} for scan in (done, again)]
            assert facts[0] == facts[1]
            told, retold = done.report(), again.report()
    assert list(shown) == [f"off{number}" for number in range(5)]
    assert shown["off1"] == ("off1", {"state": "Never"})
    assert shown["off2"] == ("off2", {})  # what was seen stands in its fact
    assert told["findings"] == retold["findings"]
    assert (told["findings_left_out"], told["findings_by_severity"]) == (retold["findings_left_out"], retold["findings_by_severity"])
    of_rule = [finding["resource"] for finding in told["findings"] if finding["rule"] == "aws.lab.on"]
    assert of_rule == ["off0", "off1"]
    assert len(told["findings"]) + told["findings_left_out"] == sum(tally.fail for tally in done.tallies)


def test_a_note_and_a_code_that_meant_none_are_in_the_ledger(scanned: Scanned) -> None:
    with scanned(listed("Things", A, note="Expired"), refused(Reason.SERVER_ERROR, "NoLocks")) as done:
        assert {line.table: (line.status, line.complete, line.gaps, line.code) for line in done.coverage} == {
            BOX: ("ok", True, {}, "Expired"),
            LOCK: ("ok", True, {}, "NoLocks"),
        }
        found = said(done)
    assert (found["any"], found["strong"]) == ([("a", "fail", "")], [])


def test_an_odd_item_costs_its_own_row(scanned: Scanned) -> None:
    with scanned(listed("Things", A, {"Name": "b", "status": "odd"}), listed("Locks", STRONG)) as done:
        assert said(done)["sized"] == [("", "unknown", "malformed"), ("a", "pass", "")]
        assert done.report()["gaps"][0]["reason"] == "malformed"


def test_names_of_a_map_and_what_stands_beneath_one_of_them(scanned: Scanned) -> None:
    marks = {"owner": "ann", "team": "blue-canary", "zone": "z-canary"}
    with scanned(listed("Things", {"Name": "a", "Marks": marks}, {"Name": "b", "Marks": {"zone": 1}}, {"Name": "c"})) as done:
        assert done.query(f"SELECT marks, owner, has_team FROM {BOX} ORDER BY key") == [
            {"marks": ["owner", "team", "zone"], "owner": "ann", "has_team": True},
            {"marks": ["zone"], "owner": "nobody", "has_team": False},
            {"marks": [], "owner": "nobody", "has_team": False},
        ]
        assert "canary" not in str([fact["data"] for fact in (done.bundle.entries("fact") if done.bundle else ())])


def test_an_element_asked_for_by_its_place_is_there_or_not(scanned: Scanned) -> None:
    with scanned(listed("Things", {"Name": "a", "Parts": ["p"]}, {"Name": "b", "Parts": []}, {"Name": "c"})) as done:
        assert [row["has_part"] for row in done.query(f"SELECT has_part FROM {BOX} ORDER BY key")] == [True, False, False]
