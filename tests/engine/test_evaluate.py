from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.engine import evaluate
from cnamm_scan.engine.evaluate import BLOCK, blocks, compile_rule, count, results, tally
from cnamm_scan.engine.reasons import SPOKEN
from cnamm_scan.engine.store import Store
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Reason, ResultBlock, Rule, Tally, Target, Verdict, fact_id, own_name
from tests.examples import drawn
from tests.packs import (
    ACCOUNT,
    BOX,
    LOCK,
    NOW,
    A,
    B,
    asked,
    collector,
    content,
    fact,
    filled,
    ghost,
    judged,
    lab,
    rule,
    shard,
    table,
    verdicts,
)

LOCKS = f"FROM {LOCK} t WHERE t.target = this.target"
HERE = f"{LOCKS} AND t.region = this.region"
BY_ID = f"{LOCKS} AND t.lock_id = this.lock_id"


def _any(source: str = LOCKS) -> str:
    return f"true = ANY (SELECT t.strong {source})"


def _all(source: str = LOCKS) -> str:
    return f"true = ALL (SELECT t.strong {source})"


def _box(**data: Any) -> dict[str, Any]:
    more = {key: data.pop(key) for key in ("target", "region", "key", "gaps") if key in data}
    return fact(BOX, {"Name": "n", **data}, **more)


def _lock(strong: bool | None, lock_id: str | None = "x", **more: Any) -> dict[str, Any]:
    gaps = {"info": "throttled"} if strong is None else {}
    data = {"LockId": lock_id, **({} if strong is None else {"info": {"Strong": strong}})}
    return fact(LOCK, data, gaps=gaps, **{"key": f"{lock_id}{strong}", **more})


def _account() -> dict[str, Any]:
    return fact(ACCOUNT, {"Alias": "main"}, region="global", key="main")


def _say(folder: Path, document: dict[str, Any], facts: list[dict[str, Any]], **more: Any) -> list[tuple[str, str]]:
    made = content(document)
    with filled(made, folder, facts) as store:
        return verdicts(store, made.rules[document["id"]], **more)


# ---- the five verdicts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "gaps", "expected"),
    [
        ({"detail": {"State": "On"}}, {}, ("pass", "")),
        ({"detail": {"State": "Off"}}, {}, ("fail", "")),
        ({"detail": {}}, {}, ("fail", "")),
        ({}, {"detail": "denied"}, ("unknown", "denied")),
        ({"Size": 0, "detail": {"State": "On"}}, {}, ("not_applicable", "")),
        ({"Size": 0}, {"detail": "denied"}, ("not_applicable", "")),
    ],
)
def test_verdicts(tmp_path: Path, data: dict[str, Any], gaps: dict[str, str], expected: tuple[str, str]) -> None:
    document = rule(where="size > 0")
    document["tests"]["not_applicable"] = [{"size": 0}]
    assert _say(tmp_path, document, [_box(**{"Size": 1, **data}, gaps=gaps)]) == [expected]


def test_where_that_is_unread_is_unknown(tmp_path: Path) -> None:
    document = asked("state = 'On'", where="size > 0")
    document["tests"]["not_applicable"] = [{"size": 0}]
    assert _say(tmp_path, document, [_box(detail={"State": "On"})]) == [("unknown", "not_in_answer")]


def test_a_table_listed_whole_and_empty_gives_no_result(tmp_path: Path) -> None:
    assert _say(tmp_path, rule(), []) == []


def test_a_ghost_is_the_one_unknown(tmp_path: Path) -> None:
    assert _say(tmp_path, asked("true OR state = 'On'"), [ghost(BOX, "region_disabled")]) == [("unknown", "region_disabled")]


def test_a_comment_at_the_end_swallows_nothing(tmp_path: Path) -> None:
    assert _say(tmp_path, asked("state = 'On' -- on"), [_box(detail={"State": "On"})]) == [("pass", "")]


# ---- ghosts and subqueries -------------------------------------------------------------------------------------------------------

EVERYWHERE = asked(_any(), for_each=ACCOUNT)
ALL_OF_THEM = asked(_all(), for_each=ACCOUNT)


@pytest.mark.parametrize(
    ("locks", "any_", "all_"),
    [
        ([], "fail", "pass"),
        ([_lock(True)], "pass", "pass"),
        ([_lock(False)], "fail", "fail"),
        ([_lock(None)], "unknown", "unknown"),
        ([_lock(True), _lock(None, "y")], "pass", "unknown"),
        ([_lock(False), _lock(None, "y")], "unknown", "fail"),
        ([_lock(True), ghost(LOCK, region="r2")], "pass", "unknown"),
        ([_lock(False), ghost(LOCK, region="r2")], "unknown", "fail"),
        ([ghost(LOCK, region="r2")], "unknown", "unknown"),
        ([_lock(True, target=B)], "fail", "pass"),
        ([ghost(LOCK, target=B)], "fail", "pass"),
    ],
)
def test_any_and_all_are_exact(tmp_path: Path, locks: list[dict[str, Any]], any_: str, all_: str) -> None:
    """A lock seen in one region is still a pass; none seen and one region dark is unknown."""
    facts = [_account(), *locks]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert [verdict for verdict, _ in _say(tmp_path / "a", EVERYWHERE, facts)] == [any_]
    assert [verdict for verdict, _ in _say(tmp_path / "b", ALL_OF_THEM, facts)] == [all_]


def test_one_dark_region_blinds_no_other(tmp_path: Path) -> None:
    facts = [_box(region="r1", key="1"), _box(region="r2", key="2"), _lock(False, region="r1"), ghost(LOCK, region="r2")]
    assert _say(tmp_path, asked(_any(HERE)), facts) == [("fail", ""), ("unknown", "denied")]


JOINED = [
    ([_lock(True)], "pass"),
    ([_lock(False)], "fail"),
    ([_lock(True, "y")], "fail"),
    ([_lock(True), ghost(LOCK, region="r2")], "pass"),  # one that was found decides
    ([_lock(False), ghost(LOCK, region="r2")], "unknown"),
    ([ghost(LOCK, region="r2")], "unknown"),
    ([_lock(True, "y"), _lock(True, None)], "unknown"),
    ([_lock(False), ghost(LOCK, target=B)], "fail"),
]


@pytest.mark.parametrize(("locks", "expected"), JOINED)
def test_a_join_by_id_makes_a_dark_listing_unknown_in_pass(tmp_path: Path, locks: list[dict[str, Any]], expected: str) -> None:
    box = _box(detail={"LockId": "x"})
    assert [verdict for verdict, _ in _say(tmp_path, asked(_any(BY_ID)), [box, *locks])] == [expected]


@pytest.mark.parametrize(("locks", "expected"), JOINED)
def test_a_join_by_id_makes_a_dark_listing_unknown_in_where(tmp_path: Path, locks: list[dict[str, Any]], expected: str) -> None:
    document = asked("name = 'n'", where=_any(BY_ID))
    document["tests"]["not_applicable"] = [{"name": "n"}]
    expected = {"fail": "not_applicable"}.get(expected, expected)
    assert [verdict for verdict, _ in _say(tmp_path, document, [_box(detail={"LockId": "x"}), *locks])] == [expected]


def test_an_unread_id_of_the_row_is_unknown(tmp_path: Path) -> None:
    facts = [_box(gaps={"detail": "denied"}), _lock(False)]
    assert _say(tmp_path, asked(_any(BY_ID)), facts) == [("unknown", "denied")]
    assert _say(tmp_path, asked(f"NOT {_any(BY_ID)}"), facts) == [("unknown", "denied")]


def test_an_estate_rule_sees_every_target(tmp_path: Path) -> None:
    document = asked(f"true = ANY (SELECT t.strong FROM {LOCK} t)", for_each="estate.target", scope="estate")
    targets = [fact("estate.target", {"name": each}, target=each, region="global", key=each) for each in (A, B)]
    (tmp_path / "a").mkdir()
    assert _say(tmp_path / "a", document, [*targets, _lock(True, target=B)], targets=(A, B)) == [("pass", ""), ("pass", "")]
    dark = _say(tmp_path, document, [*targets, _lock(False), ghost(LOCK, target=B)], targets=(A, B))
    assert [verdict for verdict, _ in dark] == ["unknown", "unknown"]


def test_an_estate_rule_that_joins_by_id_is_blind_where_any_target_is(tmp_path: Path) -> None:
    joined = f"true = ANY (SELECT t.strong FROM {LOCK} t WHERE t.lock_id = this.name)"
    document = asked(joined, for_each="estate.target", scope="estate")
    facts = [fact("estate.target", {"name": "x"}, region="global"), _lock(False, "x"), ghost(LOCK, target=B)]
    assert [verdict for verdict, _ in _say(tmp_path, document, facts, targets=(A, B))] == ["unknown"]


def test_shadows_are_looked_into_but_not_judged(tmp_path: Path) -> None:
    made = content(EVERYWHERE, asked("strong", id="aws.lab.s", for_each=LOCK))
    with Store(made, made.tables, scan_time=NOW) as store:
        store.load(ACCOUNT, shard(tmp_path, [_account()]))
        store.load(LOCK, shard(tmp_path, [_lock(False)]))
        store.add_ghosts(LOCK, [(A, "r2", Reason.EXCLUDED, True)])
        assert verdicts(store, made.rules["aws.lab.r"]) == [("unknown", "excluded")]
        assert verdicts(store, made.rules["aws.lab.s"]) == [("fail", "")]


Three = st.sampled_from([True, False, None])


def _model_any(values: list[bool | None]) -> bool | None:
    return True if True in values else None if None in values else False


def _model_all(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


SAID = {"any": _any(), "all": _all(), "here": _any(HERE), "not_any": f"NOT {_any()}"}
SAID |= {"and": f"sealed AND {_any()}", "or": f"sealed OR {_all()}"}


@pytest.fixture(scope="module")
def combined() -> Iterator[Store]:
    """A store for all that hypothesis thinks of: who uses it empties it."""
    made = content(*(asked(text, id=f"aws.lab.{name}") for name, text in SAID.items()))
    with Store(made, made.tables, scan_time=NOW, threads=1) as store:
        yield store


@given(own=Three, locks=st.lists(st.tuples(Three, st.booleans(), st.booleans()), max_size=6))
def test_three_valued_logic(combined: Store, own: bool | None, locks: list[tuple[bool | None, bool, bool]]) -> None:
    """ANY and ALL over rows (value, is a ghost, is of another region) against the logic in Python, alone and combined."""
    for each in (BOX, LOCK):
        combined.clear(each)
    combined.add_rows(BOX, [{"target": A, "region": "r1", "key": "k", "sealed": own}])
    for value, is_ghost, is_away in locks:
        region = "r2" if is_away else "r1"
        if is_ghost:
            combined.add_ghosts(LOCK, [(A, region, Reason.DENIED, False)])
        else:
            combined.add_rows(LOCK, [{"target": A, "region": region, "key": "k", "strong": value}])
    got = {each: verdicts(combined, combined.content.rules[f"aws.lab.{each}"])[0][0] for each in SAID}
    seen = [None if is_ghost else value for value, is_ghost, _ in locks]
    here = [None if is_ghost else value for value, is_ghost, is_away in locks if not is_away]
    some, every = _model_any(seen), _model_all(seen)
    expected = {
        "any": some,
        "all": every,
        "here": _model_any(here),
        "not_any": None if some is None else not some,
        "and": _model_all([own, some]),
        "or": _model_any([own, every]),
    }
    assert got == {name: {True: "pass", False: "fail", None: "unknown"}[value] for name, value in expected.items()}


# ---- reasons ---------------------------------------------------------------------------------------------------------------------


def test_its_own_gap_comes_before_others(tmp_path: Path) -> None:
    document = asked(f"state = 'On' AND {_any()}")
    assert _say(tmp_path, document, [_box(gaps={"detail": "timed_out"}), ghost(LOCK, "denied")]) == [("unknown", "timed_out")]


def test_only_gaps_of_what_the_rule_reads_count(tmp_path: Path) -> None:
    facts = [_box(gaps={"seal": "denied", "detail": "throttled"})]
    assert _say(tmp_path, asked("sealed"), facts) == [("unknown", "denied")]
    assert _say(tmp_path, asked("is_on"), facts) == [("unknown", "throttled")]
    assert _say(tmp_path, asked("size > 1"), facts) == [("unknown", "not_in_answer")]


def test_the_reason_of_a_table_that_was_looked_into(tmp_path: Path) -> None:
    assert _say(tmp_path, asked(_any()), [_box(), ghost(LOCK, "api_disabled")]) == [("unknown", "api_disabled")]
    assert _say(tmp_path, asked(_any()), [_box(), _lock(None)]) == [("unknown", "throttled")]


def test_the_reason_is_that_of_the_same_region(tmp_path: Path) -> None:
    facts = [_box(region="r2"), ghost(LOCK, "denied", region="r1"), ghost(LOCK, "timed_out", region="r2")]
    assert _say(tmp_path, asked(_any(HERE)), facts) == [("unknown", "timed_out")]


def test_not_collected(tmp_path: Path) -> None:
    made = content(rule(), asked(_any(), id="aws.lab.s"))
    with Store(made, made.tables, scan_time=NOW) as store:
        store.load(BOX, shard(tmp_path, [_box()], parts=["seal"]))
        store.load(LOCK, shard(tmp_path, [fact(LOCK, {"LockId": "x"})], parts=[]))
        assert verdicts(store, made.rules["aws.lab.r"]) == [("unknown", "not_collected")]
        assert verdicts(store, made.rules["aws.lab.s"]) == [("unknown", "not_collected")]


def test_a_view_s_reason_is_its_ghost_s(tmp_path: Path) -> None:
    view = {
        "about": "One row for each.",
        "columns": {"n": {"type": "integer"}},
        "select": f"SELECT b.target, b.region, b.key, count(l.key) AS n FROM {BOX} b LEFT JOIN {LOCK} l USING (target) GROUP BY ALL",
    }
    made = content(asked("n > 0", for_each="aws.lab.pile"), collector=collector(lab()["facts"], {"aws.lab.pile": view}))
    with filled(made, tmp_path, [_box(), ghost(LOCK, "server_error")]) as store:
        assert verdicts(store, made.rules["aws.lab.r"]) == [("unknown", "server_error")]


# ---- what a result shows ---------------------------------------------------------------------------------------------------------


def test_a_result(tmp_path: Path) -> None:
    document = rule(
        **{"pass": "size <= $most"},
        parameters={"most": {"default": 3, "source": "ours"}},
        message="{name}: {size} of {most}, tags {tags}",
    )
    made = content(document)
    with filled(made, tmp_path, [_box(Size=5, Tags=[{"Key": "a"}, {"Key": "b"}])]) as store:
        [result] = judged(store, made.rules["aws.lab.r"])
        [looser] = judged(store, made.rules["aws.lab.r"], parameters={"most": 9, "other": 1})
    assert (result.verdict, result.message) == (Verdict.FAIL, "n: 5 of 3, tags a, b")
    assert (result.rule, result.target, result.region, result.resource) == ("aws.lab.r", A, "r1", "k")
    assert result.fact == fact_id(BOX, A, "r1", "k")
    assert result.values == {"name": "n", "size": 5, "tags": ["a", "b"]}
    assert result.parameters == {"most": 3}
    assert (looser.verdict, looser.parameters, looser.fact) == (Verdict.PASS, {"most": 9}, result.fact)
    # of what passed the title says all that there is to say: the fact has the values
    assert (looser.values, looser.message) == ({}, "k: Boxes are on")


def test_what_each_verdict_shows(tmp_path: Path) -> None:
    """Values where something is wrong or not known; a fact wherever there is one."""
    document = rule(where="size > 0")
    document["tests"]["not_applicable"] = [{"size": 0}]
    made = content(document)
    facts = [
        _box(key="a", Size=1, detail={"State": "On"}),
        _box(key="b", Size=1, detail={"State": "Off"}),
        _box(key="c", Size=1, gaps={"detail": "denied"}),
        _box(key="d", Size=0, detail={"State": "Off"}),
        ghost(BOX, "throttled"),
    ]
    with filled(made, tmp_path, facts) as store:
        found = judged(store, made.rules["aws.lab.r"])
    assert [(each.resource, each.verdict.value, each.reason, each.message, each.values) for each in found] == [
        ("b", "fail", "", "n: state is Off", {"name": "n", "size": 1, "state": "Off"}),
        ("d", "not_applicable", "", "d: does not concern it", {}),
        ("a", "pass", "", "a: Boxes are on", {}),
        ("c", "unknown", "denied", "Boxes are on: could not be judged for c (denied)", {"name": "n", "size": 1, "state": None}),
        (
            "",
            "unknown",
            "throttled",
            "Boxes are on: could not be judged in r1 (throttled beyond retries)",
            {"name": None, "size": None, "state": None},
        ),
    ]
    assert [each.fact for each in found] == [*(fact_id(BOX, A, "r1", key) for key in "bdac"), fact_id(BOX, A, "r1", "unread#1")]


def test_a_message_without_columns_is_shown_as_it_is(tmp_path: Path) -> None:
    document = asked(_any(), for_each=ACCOUNT, message="{key}: no lock of {target} is strong")
    made = content(document)
    with filled(made, tmp_path, [_account()]) as store:
        [result] = judged(store, made.rules["aws.lab.r"])
    assert (result.message, result.values) == (f"main: no lock of {own_name(A)} is strong", {})


def test_an_unread_row_that_a_rule_does_not_concern_has_no_fact_of_its_own(tmp_path: Path) -> None:
    document = rule(where="target = 'aws:0'")
    document["tests"]["not_applicable"] = [{"size": 0}]
    made = content(document)
    with filled(made, tmp_path, [ghost(BOX)]) as store:
        [result] = judged(store, made.rules["aws.lab.r"])
    assert (result.verdict, result.resource, result.fact, result.message) == (Verdict.NOT_APPLICABLE, "", "", "r1: does not concern it")


def test_a_row_of_a_view_has_no_fact(tmp_path: Path) -> None:
    view = {"about": "x", "columns": {"n": {"type": "integer"}}, "select": f"SELECT target, region, key, size AS n FROM {BOX}"}
    made = content(asked("n > 1", for_each="aws.lab.pile"), collector=collector(lab()["facts"], {"aws.lab.pile": view}))
    with filled(made, tmp_path, [_box(key="a", Size=1), _box(key="b", Size=2), _box(key="c")]) as store:
        found = judged(store, made.rules["aws.lab.r"])
    assert [(each.resource, each.verdict.value, each.fact) for each in found] == [
        ("a", "fail", ""),
        ("b", "pass", ""),
        ("c", "unknown", ""),
    ]


def test_values_that_are_no_json_are_told(tmp_path: Path) -> None:
    """What a division by nothing gives, say."""
    view = {
        "about": "x",
        "columns": {"n": {"type": "number"}},
        "select": f"SELECT target, region, key, CASE WHEN size = 0 THEN 'nan'::DOUBLE ELSE 'inf'::DOUBLE END AS n FROM {BOX}",
    }
    made = content(
        asked("n < 1", for_each="aws.lab.pile", message="{key} {n}"), collector=collector(lab()["facts"], {"aws.lab.pile": view})
    )
    with filled(made, tmp_path, [_box(key="a", Size=0), _box(key="b", Size=1)]) as store:
        assert [(each.verdict.value, each.message) for each in judged(store, made.rules["aws.lab.r"])] == [
            ("fail", "a nan"),
            ("fail", "b inf"),
        ]


def test_an_unknown_says_why(tmp_path: Path) -> None:
    made = content(rule())
    with filled(made, tmp_path, [_box(gaps={"detail": "denied"}), ghost(BOX, "throttled", region="r2")]) as store:
        assert [result.message for result in judged(store, made.rules["aws.lab.r"])] == [
            "Boxes are on: could not be judged for k (denied)",
            "Boxes are on: could not be judged in r2 (throttled beyond retries)",
        ]


def test_a_message_cannot_drive_a_terminal(tmp_path: Path) -> None:
    made = content(rule())
    states = {"On": {"State": "On"}, "Off": {"State": "Off"}}
    boxes = [_box(key=f"{state}\x1b[2J", Name="a\x1b[2Jb", detail=detail) for state, detail in states.items()]
    unread = _box(key="Unread\x1b[2J", Name="a\x1b[2Jb", gaps={"detail": "denied"})
    with filled(made, tmp_path, [*boxes, unread]) as store:
        assert [result.message for result in judged(store, made.rules["aws.lab.r"])] == [
            "a\ufffd[2Jb: state is Off",
            "On\ufffd[2J: Boxes are on",
            "Boxes are on: could not be judged for Unread\ufffd[2J (denied)",
        ]


# ---- blocks ------------------------------------------------------------------------------------------------------------------------

TARGETS = [Target(A, "aws", "a"), Target(B, "aws", "b")]


def _blocks(store: Store, rule: Rule, **more: Any) -> list[ResultBlock]:
    return list(blocks(store, compile_rule(store.content, rule), TARGETS, **more))


def _identity(block: ResultBlock) -> tuple[Any, ...]:
    return (block.target, block.region, block.verdict.value, block.reason, block.number)


def test_results_are_ordered(tmp_path: Path) -> None:
    """By target, region, verdict, reason and key, however they were read."""
    made = content(rule())
    gaps = {"c": "throttled", "d": "denied", "e": "denied"}
    facts = [
        _box(target=target, region=region, key=key, gaps={"detail": gaps[key]})
        if key in gaps
        else _box(target=target, region=region, key=key, detail={"State": "On" if key in "ax" else "Off"})
        for key in "xeadcb"
        for target in (B, A)
        for region in ("r2", "r1")
    ]
    with filled(made, tmp_path, facts) as store:
        found = [
            (r.target, r.region, r.verdict.value, r.reason, r.resource)
            for r in results(store, compile_rule(made, made.rules["aws.lab.r"]), TARGETS)
        ]
    assert found == sorted(found)
    assert [key for *_, key in found[:6]] == ["b", "a", "x", "d", "e", "c"]
    assert len(found) == 4 * 6


def test_what_got_the_same_is_told_together(tmp_path: Path) -> None:
    made = content(rule(parameters={"n": {"default": 3, "source": "ours"}}, **{"pass": "state = 'On' AND 3 = $n"}))
    facts = [_box(key=f"{n:04}", detail={"State": "Off"}) for n in reversed(range(2 * BLOCK + 10))]
    facts += [
        _box(key="x", gaps={"detail": "denied"}),
        _box(key="y", gaps={"detail": "denied"}),
        ghost(BOX, "denied"),
        _box(key="z", detail={"State": "On"}),
    ]
    with filled(made, tmp_path, facts) as store:
        [one, two, three, passed, unknown] = _blocks(store, made.rules["aws.lab.r"])
    assert [(each.number, each.count, len(each.resources), len(each.values)) for each in (one, two, three)] == [
        (0, BLOCK, BLOCK, BLOCK),
        (1, BLOCK, BLOCK, BLOCK),
        (2, 10, 10, 10),
    ]
    assert [*one.resources, *two.resources, *three.resources] == [f"{n:04}" for n in range(2 * BLOCK + 10)]
    assert one == ResultBlock(
        rule="aws.lab.r",
        table=BOX,
        target=A,
        region="r1",
        verdict=Verdict.FAIL,
        reason="",
        severity=made.rules["aws.lab.r"].severity,
        objective="safety.boxes-are-on",
        parameters={"n": 3},
        number=0,
        count=BLOCK,
        resources=one.resources,
        columns=("name", "state"),
        values=tuple(["n", "Off"] for _ in range(BLOCK)),
    )
    assert (passed.verdict, passed.resources, passed.facts, passed.columns, passed.values) == (Verdict.PASS, ("z",), (), (), ())
    assert (unknown.reason, unknown.count, unknown.resources, unknown.values) == (
        "denied",
        3,
        ("", "x", "y"),
        ([None, None], ["n", None], ["n", None]),
    )
    assert unknown.facts == tuple(fact_id(BOX, A, "r1", key) for key in ("unread#1", "x", "y"))


def test_unknowns_with_a_reason_of_their_own_and_from_around_are_one_where_it_is_the_same(tmp_path: Path) -> None:
    """One line for each in a bundle, by what it is named with; and in order."""
    made = content(asked(f"state = 'On' AND {_any()}"))
    facts = [
        _box(key="c", gaps={"detail": "denied"}),
        _box(key="a", gaps={"detail": "throttled"}),
        *(_box(key=key, detail={"State": "On"}) for key in "db"),
        ghost(LOCK, "denied"),
    ]
    with filled(made, tmp_path, facts) as store:
        found = _blocks(store, made.rules["aws.lab.r"])
    assert [(each.reason, each.resources, each.values) for each in found] == [
        ("denied", ("b", "c", "d"), (["On"], [None], ["On"])),
        ("throttled", ("a",), ([None],)),
    ]
    assert found[0].facts == tuple(fact_id(BOX, A, "r1", key) for key in "bcd")


def test_an_unread_row_that_stands_for_many_counts_as_many_and_is_shown_once(tmp_path: Path) -> None:
    made = content(rule())
    facts = [_box(key=f"{n:03}", gaps={"detail": "denied"}) for n in range(BLOCK)]
    facts += [{**ghost(BOX, "denied"), "data": {"unread": 7}}, _box(key="x", detail={"State": "On"})]
    with filled(made, tmp_path, facts) as store:
        told = _blocks(store, made.rules["aws.lab.r"])
        counted, summed = _tallies(store, made.rules["aws.lab.r"])
        shown = judged(store, made.rules["aws.lab.r"])
    assert [(each.verdict.value, each.number, each.count, len(each.resources)) for each in told] == [
        ("pass", 0, 1, 1),
        ("unknown", 0, BLOCK + 6, BLOCK),
        ("unknown", 1, 1, 1),
    ]
    assert told[1].resources[0] == ""
    assert counted == summed == [Tally("aws.lab.r", A, pass_=1, unknown=BLOCK + 7), Tally("aws.lab.r", B)]
    assert [each.resource for each in shown].count("") == 1
    assert len(shown) == BLOCK + 2


@given(
    st.lists(
        st.tuples(
            st.sampled_from([A, B]),
            st.sampled_from(["r1", "r2"]),
            st.sampled_from(["On", "Off", None, "denied", "throttled", "ghost"]),
            st.integers(0, 2),
        ),
        max_size=40,
    ),
    st.integers(1, 4),
    st.integers(1, 5),
    st.booleans(),
)
@settings(max_examples=drawn(50))
def test_blocks_hold_every_row_once(rows: list[tuple[str, str, str | None, int]], size: int, many: int, dark: bool) -> None:
    """Whatever sizes they have: each is named apart, in order, and says of every row what the tally counts."""
    document = asked(f"state = 'On' AND (size = 1 OR {_any()})", where="size > 0")
    document["tests"]["not_applicable"] = [{"size": 0}]
    made = content(document)
    compiled = compile_rule(made, made.rules["aws.lab.r"])
    with pytest.MonkeyPatch.context() as patch, Store(made, made.tables, scan_time=NOW, threads=1) as store:
        patch.setattr(evaluate, "BLOCK", size)
        patch.setattr(evaluate, "MANY", many)
        patch.setattr(evaluate, "FEW", many)  # some tables are gathered by us, some by SQL
        for number, (target, region, state, boxes) in enumerate(rows):
            row = {"target": target, "region": region, "_fact": str(number)}
            if state == "ghost":
                store.add_ghosts(BOX, [(target, region, Reason.DENIED, False)])
            elif state in ("denied", "throttled"):
                store.add_rows(BOX, [{**row, "key": f"{number:02}", "size": boxes, "_gaps": {"detail": state}}])
            else:
                store.add_rows(BOX, [{**row, "key": f"{number:02}", "size": boxes, "state": state}])
        if dark:
            store.add_ghosts(LOCK, [(A, "r1", Reason.DENIED, False)])
        whole = list(blocks(store, compiled, TARGETS))
        short = list(blocks(store, compiled, TARGETS, compact=True))
        tallies = tally(store, compiled, TARGETS)
    for found in (whole, short):
        assert count(compiled, TARGETS, found) == tallies
        assert len({_identity(each) for each in found}) == len(found)
        assert [_identity(each)[:4] for each in found] == sorted(_identity(each)[:4] for each in found)
        for each in found:
            assert len(each.resources) <= size
            assert len(each.facts) == (each.count if each.verdict is Verdict.UNKNOWN and each.resources else 0)
            assert len(each.values) == (each.count if each.verdict in SPOKEN and each.resources else 0)
    assert all(each.count == len(each.resources) > 0 for each in whole)
    named = [(*_identity(each)[:4], key) for each in whole for key in each.resources]
    assert named == sorted(named)
    assert len(named) == len(rows)
    # the short form names the same, but for one group of a place, of which it says how many there are besides all who are named
    kept = {(*_identity(each)[:4], key) for each in short for key in each.resources}
    assert kept <= set(named)
    rests = {_identity(each)[:2]: each for each in short if not each.resources}
    assert len(rests) == sum(1 for each in short if not each.resources)
    for each in rests.values():
        assert (each.number, each.columns, each.facts) == (-1, (), ())
        left = [key for *place, key in named if tuple(place) == _identity(each)[:4] and (*place, key) not in kept]
        assert len(left) == each.count > 0
        assert "" not in left
        told = [key for *place, key in kept if tuple(place) == _identity(each)[:4]]
        if each.verdict is Verdict.FAIL:
            assert len(told) == many
            assert max(told) < min(left)
        elif each.verdict is not Verdict.UNKNOWN:  # of which some may bear a reason, and others find the same around them
            assert told == []
    for group in {_identity(each)[:4] for each in whole} - {_identity(each)[:4] for each in rests.values()}:
        assert {each for each in kept if each[:4] == group} == {each for each in named if each[:4] == group}


# ---- tallies -----------------------------------------------------------------------------------------------------------------------


def _tallies(store: Store, rule: Rule) -> tuple[list[Tally], list[Tally]]:
    targets = [Target(A, "aws", "a"), Target(B, "aws", "b"), Target("gcp:x", "gcp", "x")]
    compiled = compile_rule(store.content, rule)
    return tally(store, compiled, targets), count(compiled, targets, blocks(store, compiled, targets))


def test_a_tally_counts_what_results_say(tmp_path: Path) -> None:
    document = rule(where="size > 0")
    document["tests"]["not_applicable"] = [{"size": 0}]
    made = content(document)
    facts = [
        _box(key="1", Size=1, detail={"State": "On"}),
        _box(key="2", Size=1),
        _box(key="3", Size=1, gaps={"detail": "denied"}),
        _box(key="4", Size=0),
        ghost(BOX, region="r9"),
    ]
    with filled(made, tmp_path, facts) as store:
        one, other = _tallies(store, made.rules["aws.lab.r"])
    assert one == other == [Tally("aws.lab.r", A, 1, 1, 2, 1, 0), Tally("aws.lab.r", B)]
    assert one[0].judged == 4


def test_a_rule_that_breaks_is_an_error_that_is_counted_and_seen(tmp_path: Path) -> None:
    made = content(asked("CAST(name AS INTEGER) = 1"))
    with filled(made, tmp_path, [_box(Name="not a number")]) as store:
        [one, other] = judged(store, made.rules["aws.lab.r"], targets=(A, B))
        told = _blocks(store, made.rules["aws.lab.r"])
        counted, summed = _tallies(store, made.rules["aws.lab.r"])
    assert (one.verdict, one.reason, one.target, other.target) == (Verdict.ERROR, "rule_bug", A, B)
    assert one.message.startswith("the rule broke: ")
    assert "not a number" in one.message
    assert (one.values, one.fact, one.resource) == ({}, "", "")
    assert [(each.target, each.count, each.resources, each.columns) for each in told] == [
        (A, 1, ("",), ("error",)),
        (B, 1, ("",), ("error",)),
    ]
    assert one.message == f"the rule broke: {told[0].values[0][0]}"
    assert counted == summed == [Tally("aws.lab.r", A, error=1), Tally("aws.lab.r", B, error=1)]
    assert counted[0].judged == 1


# ---- compiling -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"pass": "size > $least"}, "parameter '$least' is not declared"),
        ({"pass": "size > ?"}, "parameter '$1' is not declared"),
        ({"parameters": {"least": {"default": 1, "source": "x"}}}, "parameter 'least' is not used"),
        ({"message": "{nam}"}, "'{nam}' in message or fix is no column"),
        ({"fix": "mend {stat}"}, "'{stat}' in message or fix is no column"),
    ],
)
def test_a_rule_that_does_not_compile(more: dict[str, Any], what: str) -> None:
    made = content(rule(**more))
    with pytest.raises(ContentError) as caught:
        compile_rule(made, made.rules["aws.lab.r"])
    assert what in caught.value.what
    assert "rules/aws/lab/r.yaml (aws.lab.r)" in caught.value.where
    assert caught.value.do


def test_what_a_rule_reads_is_in_its_expressions_and_words() -> None:
    document = asked(f"{_any()} AND sealed", where="size > 1", message="{name}", fix="{state}")
    document["tests"]["not_applicable"] = [{"size": 0}]
    made = content(document)
    compiled = compile_rule(made, made.rules["aws.lab.r"])
    assert compiled.reads == {BOX: {"sealed", "size", "name", "state", "target"}, LOCK: {"strong", "target"}}
    assert compiled.values == ("name", "sealed", "size", "state")


def test_columns_may_be_named_like_words_of_sql_and_like_the_table(tmp_path: Path) -> None:
    own = table({"box": {"type": "text", "from": "a"}, "select": {"type": "text", "from": "b"}})
    made = content(asked("\"select\" = 'x' AND box = 'y'"), collector=collector({BOX: own}))
    with filled(made, tmp_path, [fact(BOX, {"a": "y", "b": "x"})]) as store:
        assert verdicts(store, made.rules["aws.lab.r"]) == [("pass", "")]
