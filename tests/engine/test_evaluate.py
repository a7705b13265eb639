from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.engine.evaluate import compile_rule, count, results, tally
from cnamm_scan.engine.store import Store
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Reason, Rule, Tally, Target, Verdict
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
    ([_lock(True), ghost(LOCK, region="r2")], "unknown"),
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


@given(own=Three, locks=st.lists(st.tuples(Three, st.booleans(), st.booleans()), max_size=6))
def test_three_valued_logic(own: bool | None, locks: list[tuple[bool | None, bool, bool]]) -> None:
    """ANY and ALL over rows (value, is a ghost, is of another region) against the logic in Python, alone and combined."""
    said = {"any": _any(), "all": _all(), "here": _any(HERE), "not_any": f"NOT {_any()}"}
    said |= {"and": f"sealed AND {_any()}", "or": f"sealed OR {_all()}"}
    made = content(*(asked(text, id=f"aws.lab.{name}") for name, text in said.items()))
    with Store(made, made.tables, scan_time=NOW, threads=1) as store:
        store.add_rows(BOX, [{"target": A, "region": "r1", "key": "k", "sealed": own}])
        for value, is_ghost, is_away in locks:
            region = "r2" if is_away else "r1"
            if is_ghost:
                store.add_ghosts(LOCK, [(A, region, Reason.DENIED, False)])
            else:
                store.add_rows(LOCK, [{"target": A, "region": region, "key": "k", "strong": value}])
        got = {each: verdicts(store, made.rules[f"aws.lab.{each}"])[0][0] for each in said}
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
    assert (result.rule, result.target, result.region, result.resource, result.fact) == ("aws.lab.r", A, "r1", "k", f"{BOX}/{A}/r1/k")
    assert result.values == {"name": "n", "size": 5, "tags": ["a", "b"]}
    assert result.parameters == {"most": 3}
    assert (looser.verdict, looser.parameters) == (Verdict.PASS, {"most": 9})


def test_an_unknown_says_why(tmp_path: Path) -> None:
    made = content(rule())
    with filled(made, tmp_path, [_box(gaps={"detail": "denied"}), ghost(BOX, "throttled", region="r2")]) as store:
        assert [result.message for result in judged(store, made.rules["aws.lab.r"])] == [
            "k: could not be judged (denied)",
            "r2: could not be judged (throttled)",
        ]


def test_a_message_cannot_drive_a_terminal(tmp_path: Path) -> None:
    made = content(rule())
    with filled(made, tmp_path, [_box(Name="a\x1b[2Jb", detail={"State": "On"})]) as store:
        [result] = judged(store, made.rules["aws.lab.r"])
    assert "\x1b" not in result.message


def test_results_are_ordered_and_may_be_narrowed(tmp_path: Path) -> None:
    made = content(rule())
    facts = [
        _box(target=target, region=region, key=key, detail={"State": "On" if key == "a" else "Off"})
        for target in (B, A)
        for region in ("r2", "r1")
        for key in "ba"
    ]
    with filled(made, tmp_path, facts) as store:
        compiled = compile_rule(made, made.rules["aws.lab.r"])
        targets = [Target(A, "aws", "a"), Target(B, "aws", "b")]
        found = [(each.target, each.region, each.resource) for each in results(store, compiled, targets)]
        failed = [each.resource for each in results(store, compiled, targets, frozenset({Verdict.FAIL}))]
    assert found == sorted(found)
    assert len(found) == 8
    assert failed == ["b"] * 4


# ---- tallies -----------------------------------------------------------------------------------------------------------------------


def _tallies(store: Store, rule: Rule) -> tuple[list[Tally], list[Tally]]:
    targets = [Target(A, "aws", "a"), Target(B, "aws", "b"), Target("gcp:x", "gcp", "x")]
    compiled = compile_rule(store.content, rule)
    return tally(store, compiled, targets), count(compiled, targets, results(store, compiled, targets))


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
        counted, summed = _tallies(store, made.rules["aws.lab.r"])
    assert (one.verdict, one.reason, one.target, other.target) == (Verdict.ERROR, "rule_bug", A, B)
    assert one.message.startswith("the rule broke: ")
    assert "not a number" in one.message
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
