"""One connection to three targets: what is asked once for all of them, what each is asked, and whose every row, gap and line is."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnamm_scan import api
from cnamm_scan.engine.collect import Collected, collect
from cnamm_scan.engine.plan import Selection, make_plan
from cnamm_scan.engine.preflight import preflight
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Content, Coverage, Reason, Region, Target
from cnamm_scan.providers import catalog
from cnamm_scan.providers.interface import Answer
from tests.answers import Teller, Told, listed, refused
from tests.engine.test_collect import Kept, packed
from tests.examples import drawn

ONE, TWO, THREE = (Target(f"aws:{name}", "aws", name, f"reader of {name}") for name in ("one", "two", "three"))
ALL = (ONE, TWO, THREE)
FACTS = """
    aws.lab.thing:
      about: Listed once for all targets.
      once_per: connection
      list: {call: ListThings, items: Things, target: Owner, needs: lab:ListThings}
      key: '{Name}'
      then:
        detail: {call: GetThing, with: {Name: Name}, needs: lab:GetThing, absent_on: [NoSuchThing]}
      columns:
        name: {type: text, from: Name}
        owner: {type: text, from: $account}
        state: {type: text, from: detail.State, absent: none}
    aws.lab.piece:
      about: Listed for each thing, of its own target.
      once_per: target
      list: {for: aws.lab.thing, call: ListPieces, with: {Thing: parent.Name}, items: Pieces, needs: lab:ListPieces}
      key: '{parent.Name}/{Name}'
      columns: {name: {type: text, from: Name}}
    aws.lab.own:
      about: Listed of each target.
      once_per: account
      list: {call: ListOwn, with: {Account: $account}, items: Own, needs: lab:ListOwn}
      key: '{Name}'
      columns: {name: {type: text, from: Name}}
    aws.lab.local:
      about: Listed in each region of each target.
      once_per: region
      list: {call: ListLocal, items: Local, needs: lab:ListLocal}
      key: '{Name}'
      columns: {name: {type: text, from: Name}}
"""
NAMES = ("thing", "piece", "own", "local")
READS = {"thing": "state"}
HERE = (Region("here", "enabled"),)


def thing(name: str, owner: Any = "one") -> dict[str, Any]:
    return {"Name": name, **({"Owner": owner} if owner is not None else {})}


ANSWERS: Mapping[str, Told | Sequence[Told]] = {
    "ListThings": [listed("Things", thing("a"), thing("b", "two")), listed("Things", thing("c"))],
    "GetThing": Answer({"State": "x"}),
    "GetThing b": Answer({"State": "y"}),
    "ListPieces": listed("Pieces", {"Name": "x"}),
    "ListOwn": listed("Own", {"Name": "x"}),
    "ListLocal": listed("Local", {"Name": "x"}),
}


def three(answers: Mapping[str, Told | Sequence[Told]] | None = None, **more: Any) -> Teller:
    said: dict[str, Any] = {"region_table": "aws.account.region", "places": dict.fromkeys(("one", "two", "three"), HERE), **more}
    return Teller({**ANSWERS, **(answers or {})}, targets=ALL, **said)


class Done:
    """What a collection left, by table and target."""

    def __init__(self, kept: Kept, collected: Collected, teller: Teller) -> None:
        self.kept, self.collected, self.teller = kept, collected, teller

    def rows(self, table: str, target: Target | None = None) -> list[str]:
        """Keys of what was read."""
        return sorted(fact["key"] for fact in self.of(table, target) if "list" not in fact["gaps"])

    def of(self, table: str, target: Target | None = None) -> list[dict[str, Any]]:
        return [f for f in self.kept.facts if f["table"] == f"aws.lab.{table}" and (target is None or f["target"] == target.id)]

    def ghosts(self, table: str) -> list[tuple[str, Reason]]:
        return sorted((fact["target"], fact["gaps"]["list"]) for fact in self.of(table) if "list" in fact["gaps"])

    def line(self, table: str, target: Target | None, part: str = "list") -> Coverage:
        name = target.id if target else ""
        (found,) = [each for each in self.kept.lines if (each.target, each.table, each.part) == (name, f"aws.lab.{table}", part)]
        return found


def content(folder: Path) -> Content:
    return packed(folder, FACTS, *NAMES, reads=READS)


def shipped_beside(folder: Path) -> Path:
    """The same as a pack beside those that ship, which have the model."""
    content(folder)
    for file in folder.rglob("*.yaml"):
        file.write_text(file.read_text().replace("lab.things-are-well", "resilience.data-is-backed-up"))
    shutil.rmtree(folder / "mappings")
    return folder


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Content:
    return content(tmp_path_factory.mktemp("pack") / "lab")


def run(pack: Content, teller: Teller, *tables: str) -> Done:
    kept = Kept()
    rules = tuple(f"aws.lab.{table}" for table in tables or NAMES)
    plan = make_plan(pack, Selection(rules), ["aws"])
    return Done(kept, collect(plan, teller, kept, started=datetime.now(UTC), limits=Limits(attempts=1)), teller)


# ---- whose it is ---------------------------------------------------------------------------------------------------------


def test_each_item_is_a_row_of_the_target_that_it_names(pack: Content) -> None:
    done = run(pack, three())
    assert [done.rows("thing", target) for target in ALL] == [["a", "c"], ["b"], []]
    owners = {fact["key"]: fact["data"]["$account"] for fact in done.of("thing")}
    assert owners == {"a": "one", "b": "two", "c": "one"}
    assert done.ghosts("thing") == []


def test_parts_and_listings_beneath_are_asked_of_the_items_own_target(pack: Content) -> None:
    done = run(pack, three())
    asked = {(request.operation, *request.parameters.values()): request.target for request in done.teller.asked}
    assert {name: asked["GetThing", name] for name in "abc"} == {"a": ONE.id, "b": TWO.id, "c": ONE.id}
    assert {name: asked["ListPieces", name] for name in "abc"} == {"a": ONE.id, "b": TWO.id, "c": ONE.id}
    assert asked[("ListThings",)] == ""
    assert [done.rows("piece", target) for target in ALL] == [["a/x", "c/x"], ["b/x"], []]


def test_what_is_asked_of_each_is_asked_of_each(pack: Content) -> None:
    done = run(pack, three({"ListOwn @ aws:two": refused(Reason.DENIED, "No")}))
    assert [done.rows("own", target) for target in ALL] == [["x"], [], ["x"]]
    assert done.ghosts("own") == [(TWO.id, Reason.DENIED)]
    assert [done.line("own", target).status for target in ALL] == ["ok", "denied", "ok"]
    asked = sorted(request.parameters["Account"] for request in done.teller.asked if request.operation == "ListOwn")
    assert asked == ["one", "three", "two"]


def test_every_target_has_its_line_of_a_listing_for_all(pack: Content) -> None:
    done = run(pack, three())
    lines = [done.line("thing", target) for target in ALL]
    assert [(line.status, line.complete, line.calls, line.pages, line.items) for line in lines] == [
        ("ok", True, 2, 2, 2),
        ("ok", True, 2, 2, 1),
        ("ok", True, 2, 2, 0),
    ]


def test_calls_for_all_are_the_connections_and_add_up_with_those_of_each(pack: Content) -> None:
    done = run(pack, three())
    of_each = [(each.target, each.calls) for each in done.collected.targets]
    assert of_each == [
        (ONE, 2 + 2 + 1 + 1),
        (TWO, 1 + 1 + 1 + 1),
        (THREE, 1 + 1),
    ]  # those that were sent: this one names regions from memory
    assert (done.collected.calls, done.collected.retries) == (2, 0)
    assert sum(calls for _, calls in of_each) + done.collected.calls == len(done.teller.asked)


def test_each_target_has_its_own_regions(pack: Content) -> None:
    places = {"one": (*HERE, Region("there", "opt_in_off", "off")), "two": refused(Reason.DENIED, "No"), "three": HERE}
    done = run(pack, three(places=places))
    seen = {each.target.name: [(region.name, region.seen) for region in each.regions] for each in done.collected.targets}
    assert seen == {"one": [("here", "listed"), ("there", "off")], "two": [], "three": [("here", "listed")]}
    assert [done.rows("local", target) for target in ALL] == [["x"], [], ["x"]]
    lines = {line.target: line.status for line in done.kept.lines if line.table == "aws.account.region"}
    assert lines == {TWO.id: "denied"}


def test_a_region_that_is_dark_in_one_target_is_asked_in_the_others(pack: Content) -> None:
    done = run(pack, three({"ListLocal @ aws:one": refused(Reason.DENIED, "No")}), "local")
    seen = {each.target.name: each.regions[0].seen for each in done.collected.targets}
    assert seen == {"one": "denied", "two": "listed", "three": "listed"}


# ---- what was not read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [0, 1])
def test_a_listing_for_all_that_fails_is_a_gap_of_each(pack: Content, page: int) -> None:
    pages: list[Told] = [listed("Things", thing("a")), listed("Things")]
    pages[page] = refused(Reason.DENIED, "Forbidden")
    done = run(pack, three({"ListThings": pages}), "thing", "piece")
    for table in ("thing", "piece"):
        assert done.ghosts(table) == [(target.id, Reason.DENIED) for target in sorted(ALL, key=lambda each: each.id)], table
        for target in ALL:
            line = done.line(table, target)
            assert (line.complete, line.gaps, line.code) == (False, {"denied": 1}, "Forbidden")
    assert done.rows("thing", ONE) == ["a"] * page


def test_of_one_target_the_share_may_be_missing(pack: Content) -> None:
    dark = {"two": refused(Reason.API_DISABLED, "NotRegistered")}
    pages = [listed("Things", thing("a"), dark=dark), listed("Things", thing("c", "three"), dark=dark)]
    done = run(pack, three({"ListThings": pages}), "thing", "piece")
    for table in ("thing", "piece"):
        assert done.ghosts(table) == [(TWO.id, Reason.API_DISABLED)], table
        assert done.line(table, TWO).code == "NotRegistered"
    assert [done.rows("thing", target) for target in ALL] == [["a"], [], ["c"]]
    assert [done.line("thing", target).complete for target in ALL] == [True, False, True]


def test_what_belongs_to_no_target_of_the_connection_is_left_out_and_counted(pack: Content) -> None:
    things = [thing("a"), thing("x", "elsewhere"), thing("y", "elsewhere")]
    done = run(pack, three({"ListThings": listed("Things", *things)}), "thing", "piece")
    assert done.rows("thing") == ["a"]
    line = done.line("thing", None, "outside")
    assert (line.status, line.complete, line.items, line.calls) == ("ok", True, 2, 0)
    assert {request.parameters.get("Name") for request in done.teller.asked if request.operation == "GetThing"} == {"a"}
    assert all(line.complete for line in done.kept.lines)


@pytest.mark.parametrize("owner", [None, "", 5, ["one"], {"name": "one"}])
def test_what_does_not_say_whose_it_is_may_be_anybodys(pack: Content, owner: Any) -> None:
    things = [thing("a"), thing("x", owner), thing("y", owner)]
    done = run(pack, three({"ListThings": listed("Things", *things)}), "thing", "piece")
    assert done.rows("thing") == ["a"]
    assert done.ghosts("thing") == sorted((target.id, Reason.MALFORMED) for target in ALL)
    assert [fact["data"] for fact in done.of("thing") if "list" in fact["gaps"]] == [{"unread": 2}] * 3
    assert {done.line("thing", target).code for target in ALL} == {"NoTarget"}


def test_a_part_that_fails_is_a_gap_of_its_items_target_alone(pack: Content) -> None:
    done = run(pack, three({"GetThing b": refused(Reason.DENIED, "No"), "GetThing a": refused(Reason.DENIED, "NoSuchThing")}))
    assert {fact["key"]: fact["gaps"] for fact in done.of("thing")} == {"a": {}, "b": {"detail": Reason.DENIED}, "c": {}}
    assert done.line("thing", TWO, "detail").gaps == {"denied": 1}
    assert done.line("thing", ONE, "detail").complete


def test_there_may_be_more_of_each(pack: Content) -> None:
    answer = listed("Things", thing("a"), rest=Reason.NOT_COLLECTED, left_out=Reason.EXCLUDED)
    done = run(pack, three({"ListThings": answer}), "thing")
    assert done.ghosts("thing") == sorted((target.id, Reason.EXCLUDED) for target in ALL)
    assert {fact["target"] for fact in done.of("thing") if "rest" in fact["gaps"]} == {target.id for target in ALL}


OWNERS = st.sampled_from(["one", "two", "three", "elsewhere", None])


@settings(max_examples=drawn(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(OWNERS, max_size=6), min_size=1, max_size=4))
def test_every_item_is_somewhere_once(pack: Content, owners: list[list[str | None]]) -> None:
    """A row of its target, or counted: and what is asked is counted once, whoever it was for."""
    numbered = [[(f"{page}-{n}", owner) for n, owner in enumerate(each)] for page, each in enumerate(owners)]
    pages = [listed("Things", *(thing(name, owner) for name, owner in page)) for page in numbered]
    done = run(pack, three({"ListThings": pages}), "thing")
    for target in ALL:
        own = sorted(name for page in numbered for name, owner in page if owner == target.name)
        assert done.rows("thing", target) == own
        assert done.line("thing", target).items == len(own)
    counts = Counter(owner for each in owners for owner in each)
    outside = [line.items for line in done.kept.lines if line.part == "outside"]
    assert sum(outside) == counts["elsewhere"]
    unread = [fact["data"].get("unread", 1) for fact in done.of("thing", ONE) if "list" in fact["gaps"]]
    assert sum(unread) == counts[None]
    calls = done.collected.calls + sum(each.calls for each in done.collected.targets)
    assert calls == len(done.teller.asked)


# ---- the whole way -------------------------------------------------------------------------------------------------------


def verdicts(done: api.Scan) -> dict[tuple[str, str, str], tuple[str, str]]:
    return {(r.target, r.rule.rpartition(".")[2], r.resource): (r.verdict.value, r.reason) for r in done.results()}


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Teller:
    teller = three({"ListOwn @ aws:two": refused(Reason.DENIED, "No")})
    kind = replace(catalog.KINDS["aws"], connect=lambda name, reached: teller)
    monkeypatch.setitem(catalog.KINDS, "aws", kind)
    return teller


def test_three_targets_are_judged_scored_and_told_each_by_itself(connected: Teller, tmp_path: Path) -> None:
    lab = shipped_beside(tmp_path / "lab")
    with api.scan(["aws"], rules=["aws.lab"], content=[lab], output=tmp_path, limits=Limits(attempts=1)) as done:
        assert [target.id for target in done.targets] == [target.id for target in ALL]
        seen = verdicts(done)
        assert seen[ONE.id, "thing", "a"] == ("pass", "")
        assert seen[TWO.id, "thing", "b"] == ("fail", "")
        assert seen[TWO.id, "own", ""] == ("unknown", "denied")
        assert {key[0] for key in seen if key[1] == "thing"} == {ONE.id, TWO.id}
        tallies = {(tally.target, tally.rule): tally for tally in done.tallies}
        assert tallies[THREE.id, "aws.lab.thing"].judged == 0
        assert tallies[THREE.id, "aws.lab.own"].pass_ == 1
        account = {each["id"]: each for each in done.scan["targets"]}
        assert {name: each["identity"] for name, each in account.items()} == {target.id: target.identity for target in ALL}
        assert done.scan["shared"] == [{"targets": [target.id for target in ALL], "calls": 2, "retries": 0}]
        assert sum(each["calls"] for each in account.values()) + 2 == len(connected.asked)
        report = done.report()
        assert [each["id"] for each in report["targets"]] == [target.id for target in ALL]
        assert [(gap["target"], gap["reason"]) for gap in report["gaps"] if gap["reason"] == "denied"] == [(TWO.id, "denied")]
        assert done.query("SELECT target, name FROM estate.target ORDER BY target") == [
            {"target": target.id, "name": target.name} for target in sorted(ALL, key=lambda each: each.id)
        ]
        path = done.path
        assert path is not None
    assert connected.closed
    with api.evaluate(path) as again:
        assert verdicts(again) == seen
        assert {(tally.target, tally.rule): tally for tally in again.tallies} == tallies


def test_a_target_that_two_connections_reach_is_named_twice(connected: Teller, tmp_path: Path) -> None:
    with pytest.raises(api.CnammError, match="target 'aws:one' is named twice"):
        api.scan(["aws", "aws:other"], output=tmp_path / "out")


def test_preflight_tries_once_for_all_what_is_listed_once_for_all(pack: Content) -> None:
    teller = three({"ListThings": listed("Things", dark={"two": refused(Reason.API_DISABLED, "NotRegistered")})})
    plan = make_plan(pack, Selection(("aws.lab.thing",)), ["aws"])
    tried = {each.target: each.status for each in preflight(plan, teller, datetime.now(UTC)).tried}
    assert tried == {ONE.id: "ok", TWO.id: "api_disabled (NotRegistered)", THREE.id: "ok"}
    assert [request.target for request in teller.asked] == [""]


def test_preflight_tries_of_each_what_each_is_asked(pack: Content) -> None:
    class Odd(Teller):
        def call(self, request: Any) -> Answer:
            if request.target == TWO.id:
                raise RecursionError
            return super().call(request)

    teller = Odd(ANSWERS, targets=ALL)
    plan = make_plan(pack, Selection(("aws.lab.own",)), ["aws"])
    tried = {each.target: each.status for each in preflight(plan, teller, datetime.now(UTC)).tried}
    assert tried == {ONE.id: "ok", TWO.id: "malformed (NestedTooDeep)", THREE.id: "ok"}


# ---- what a collector may say --------------------------------------------------------------------------------------------

WRONG = {
    "no target": ("target: Owner, ", "", "needs 'target'"),
    "not for all": ("once_per: connection", "once_per: account", "'target' goes with once_per: connection"),
    "asked as one": ("items: Things,", "items: Things, with: {Account: $account},", "has no '\\$account'"),
    "odd path": ("target: Owner", "target: 'a..b'", "path 'a..b' is not well formed"),
    "of a part": ("with: {Name: Name}, needs", "with: {Name: Name}, target: Owner, needs", "'target', .* belong to a list"),
    "beneath": ("once_per: target\n      list: {for:", "once_per: connection\n      list: {for:", "asked for the item's own target"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_listing_for_all_says_whose_each_item_is(tmp_path: Path, name: str) -> None:
    before, after, said = WRONG[name]
    assert before in FACTS
    with pytest.raises(ContentError, match=said):
        packed(tmp_path / "lab", FACTS.replace(before, after, 1), "thing")


def test_the_time_of_the_scan_is_everybodys(tmp_path: Path) -> None:
    facts = FACTS.replace("items: Things,", "items: Things, with: {Since: $now-1d},", 1)
    pack = packed(tmp_path / "lab", facts, "thing", reads={"thing": "owner"})
    done = run(pack, three(), "thing")
    assert [done.rows("thing", target) for target in ALL] == [["a", "c"], ["b"], []]
    assert isinstance(next(request for request in done.teller.asked if request.operation == "ListThings").parameters["Since"], datetime)
