"""What its source calls too old decides nothing: whatever it may be by now, no verdict that was given would have been another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.engine.dated import SHORTEST, as_age
from cnamm_scan.engine.evaluate import blocks, compile_rule, tally
from cnamm_scan.engine.judge import stale
from cnamm_scan.engine.lint import lint
from cnamm_scan.engine.store import Store
from cnamm_scan.errors import ContentError, UsageError
from cnamm_scan.model import Content, Target
from cnamm_scan.model.old import LONGEST, enough, moment_of, read_age, told, written
from tests.examples import drawn
from tests.packs import ACCOUNT, BOX, LOCK, NOW, A, Document, asked, content, fact, filled, judged, lab, rule

BOUND = timedelta(days=8)
BEGUN = datetime.fromisoformat(NOW).replace(tzinfo=UTC)
VIEWS = {
    "aws.lab.tally": {
        "about": "One row for each account, with its boxes.",
        "columns": {"boxes": {"type": "integer"}, "big": {"type": "integer"}, "has_big": {"type": "boolean"}},
        "select": "SELECT a.target, a.region, a.key, count(b.key) AS boxes, count_if(b.size > 3) AS big, bool_or(b.size > 3) AS has_big "
        f"FROM {ACCOUNT} a LEFT JOIN {BOX} b ON b.target = a.target GROUP BY ALL",
    },
    "aws.lab.other": {
        "about": "One row for each box that is not called a.",
        "columns": {"is_big": {"type": "boolean"}},
        "select": f"SELECT b.target, b.region, b.key, b.size > 3 AS is_big FROM {BOX} b WHERE b.name <> 'a'",
    },
}


def dated_lab() -> Document:
    """The lab, whose boxes say when they were last looked at, and what is made of them."""
    made = lab()
    box = made["facts"][BOX]
    box["as_of"] = "Seen"
    box["columns"] |= {"label": {"type": "text", "from": "Label", "absent": "none"}, "is_short": {"type": "boolean", "is": "name < 'c'"}}
    return {**made, "views": VIEWS}


def _of(name: str, for_each: str, expression: str, **more: Any) -> Document:
    cases: dict[str, list[dict[str, Any]]] = {verdict: [{}] for verdict in ("pass", "fail", "unknown", "not_applicable")}
    return asked(expression, **{"id": f"aws.lab.{name}", "for_each": for_each, "tests": cases, **more})


_HERE = f"FROM {BOX} b WHERE b.target = this.target"
RULES = (
    _of("own", BOX, "size > 3"),
    _of("some", BOX, "size > 3", where="name <> 'a'"),
    _of("silent", BOX, "label = 'none'"),
    _of("any", ACCOUNT, f"true = ANY (SELECT b.size > 3 {_HERE})"),
    _of("named", ACCOUNT, f"true = ANY (SELECT b.name = 'a' {_HERE})"),
    _of("short", ACCOUNT, f"true = ANY (SELECT b.is_short {_HERE})"),
    _of("there", ACCOUNT, f"true = ANY (SELECT b.key = b.key {_HERE})"),
    _of("all", ACCOUNT, f"true = ALL (SELECT b.size > 3 {_HERE})"),
    _of("met", LOCK, f"true = ANY (SELECT b.size > 3 {_HERE} AND b.name = this.lock_id)"),
    _of("met_by_value", LOCK, f"true = ANY (SELECT b.size > 3 {_HERE} AND b.label = this.lock_id)"),
    _of("counted", "aws.lab.tally", "big > 0"),
    _of("exact", "aws.lab.tally", "boxes = 2"),
    _of("within", "aws.lab.tally", "has_big"),
    _of("rowwise", "aws.lab.other", "is_big"),
    _of("looked_up", ACCOUNT, "true = ANY (SELECT o.is_big FROM aws.lab.other o WHERE o.target = this.target)"),
)
CONTENT = content(*RULES, collector=dated_lab())


@contextmanager
def store_of(facts: Sequence[Document], *, max_age: timedelta | None = BOUND, made: Content = CONTENT) -> Iterator[Store]:
    """The facts, beside an account and two locks."""
    account = fact(ACCOUNT, {"Alias": "main"}, region="global", key="main")
    locks = [fact(LOCK, {"LockId": each}, key=each) for each in ("a", "b")]
    with TemporaryDirectory() as folder, filled(made, Path(folder), [account, *locks, *facts], max_age=max_age) as store:
        yield store


def box(name: str, age: timedelta | None = None, **data: Any) -> Document:
    return fact(BOX, {"Name": name, **data}, key=name, as_of=None if age is None else moment_of(BEGUN - age))


def said(store: Store) -> dict[tuple[str, str], str]:
    """(rule, resource) -> verdict, of all rules."""
    found = {}
    for each in store.content.rules.values():
        found.update({(result.rule, result.resource): result.verdict.value for result in judged(store, each)})
    return found


AGES = st.sampled_from([timedelta(0), timedelta(days=7), BOUND, BOUND + timedelta(seconds=1), timedelta(days=400)])
DATA = st.fixed_dictionaries({}, optional={"Size": st.sampled_from([0, 5]), "Label": st.sampled_from(["none", "a", "b"])})
BOXES = st.dictionaries(st.sampled_from("abcd"), st.tuples(AGES, DATA), max_size=4)
THEN = st.dictionaries(st.sampled_from("abcd"), st.none() | DATA)
"""What the old ones may be by now; None: gone."""


@settings(max_examples=drawn(60), deadline=None)
@given(boxes=BOXES, then=st.lists(THEN, min_size=2, max_size=2))
def test_no_verdict_rests_on_what_is_too_old(boxes: Mapping[str, tuple[timedelta, Mapping[str, Any]]], then: Sequence[Any]) -> None:
    with store_of([box(name, age, **data) for name, (age, data) in boxes.items()]) as store:
        found = said(store)
    for now in then:
        real = []
        for name, (age, data) in boxes.items():
            truth = data if age <= BOUND else now.get(name)
            real += [] if truth is None else [box(name, **truth)]
        with store_of(real) as store:
            known = said(store)
        for which, verdict in found.items():
            if verdict != "unknown" and which in known:
                assert known[which] == verdict, (which, boxes, now)
    young = [box(name, **data) for name, (age, data) in boxes.items() if age <= BOUND]
    with store_of(young) as store:
        alone = {which: verdict for which, verdict in said(store).items() if which[0] in ("aws.lab.own", "aws.lab.silent")}
    assert {which: found[which] for which in alone} == alone  # a young row is judged as if there were no other
    old = {name for name, (age, _) in boxes.items() if age > BOUND}
    assert {resource for (name, resource), verdict in found.items() if name == "aws.lab.own" and verdict == "unknown"} >= old


@pytest.mark.parametrize(("age", "verdict"), [(BOUND, "pass"), (BOUND + timedelta(seconds=1), "unknown"), (-BOUND, "pass"), (None, "pass")])
def test_the_bound_is_met_to_the_second_and_what_says_no_age_is_judged(age: timedelta | None, verdict: str) -> None:
    with store_of([box("a", age, Size=5)]) as store:
        assert said(store)["aws.lab.own", "a"] == verdict


def test_without_a_bound_all_is_judged() -> None:
    with store_of([box("a", timedelta(days=4000), Size=5)], max_age=None) as store:
        assert said(store)["aws.lab.own", "a"] == "pass"
        assert not list(stale(store))


def test_a_result_names_what_is_too_old_with_its_age() -> None:
    facts = [box("a", timedelta(days=9, hours=-3), Size=5), box("b", timedelta(hours=1), Size=0)]
    with store_of(facts) as store:
        one, two = sorted(judged(store, CONTENT.rules["aws.lab.own"]), key=lambda result: result.resource)
        (looked,) = judged(store, CONTENT.rules["aws.lab.any"])
        (line,) = stale(store)
    assert (one.resource, one.verdict, one.reason, one.fact) == ("a", "unknown", "stale", facts[0]["id"])
    assert one.values == {"size": None, "as_of": "2025-12-23T03:00:00Z", "age": "9 days", "max_age": "8d"}
    assert one.message.endswith("(last evaluated 9 days ago, older than --max-age 8d)")
    assert (two.resource, two.verdict, two.values) == ("b", "fail", {"size": 0})
    assert (looked.verdict, looked.reason) == ("unknown", "stale")
    assert looked.message.endswith("(last evaluated 9 days ago, older than --max-age 8d)")
    assert (line.target, line.region, line.table, line.part, line.status) == (A, "r1", BOX, "stale", "stale")
    assert (line.items, line.gaps, line.oldest_at, line.complete) == (1, {"stale": 1}, "2025-12-23T03:00:00Z", False)


def test_of_what_is_too_old_it_is_known_which_it_is_and_no_more() -> None:
    with store_of([box("a", timedelta(days=9), Size=5, Label="x", outside=["r"], unread=7)]) as store:
        (row,) = store.rows(f"SELECT key, name, is_short, size, label, tags, _ghost, _weight, _outside FROM {BOX}")
    assert row == (None, "a", True, None, None, None, "stale", 1, None)


def test_a_join_by_the_key_is_darkened_by_that_one_alone() -> None:
    with store_of([box("a", timedelta(days=9), Size=5), box("b", Size=0)]) as store:
        found = said(store)
    assert (found["aws.lab.met", "a"], found["aws.lab.met", "b"]) == ("unknown", "fail")
    assert found["aws.lab.met_by_value", "b"] == "unknown"


def test_many_old_ones_are_counted_each() -> None:
    facts = [box(f"x{number}", timedelta(days=9), Size=5) for number in range(1200)]
    with store_of([*facts, box("b", Size=0)]) as store:
        (found,) = tally(store, compile_rule(CONTENT, CONTENT.rules["aws.lab.own"]), [Target(A, "aws", "1")])
        named = {result.resource for result in judged(store, CONTENT.rules["aws.lab.own"])}
        told_as = list(blocks(store, compile_rule(CONTENT, CONTENT.rules["aws.lab.own"]), [Target(A, "aws", "1")], compact=True))
    assert (found.unknown, found.fail, found.pass_) == (1200, 1, 0)
    assert len(named) == 1201
    assert sorted((block.verdict.value, block.count, len(block.resources), list(block.values)) for block in told_as) == [
        ("fail", 1, 1, [[0]]),
        ("unknown", 1200, 0, []),
    ]


# ---- the key in content --------------------------------------------------------------------------------------------------


def _with(as_of: str, *rules: Document, **columns: Any) -> Content:
    made = dated_lab()
    made["facts"][BOX]["as_of"] = as_of
    made["facts"][BOX]["columns"] |= columns
    return content(*rules, collector=made)


@pytest.mark.parametrize("path", ["$now", "$region", "Seen[]", "@", "a..b"])
def test_as_of_leads_to_one_moment_of_the_row(path: str) -> None:
    with pytest.raises(ContentError) as caught:
        _with(path)
    assert "lab.yaml" in str(caught.value)


SEEN = {"type": "timestamp", "from": "Seen"}


def test_no_verdict_may_rest_on_the_moment_itself() -> None:
    """Too old by --max-age, too old by the rule: it would be unknown where the rule means fail."""
    told_of = rule(message="{name}: state is {state}, as of {seen_at}")
    by_age = rule(**{"pass": "days_since(seen_at, scan_time) <= 30", "message": "{name} at {seen_at}", "fix": "look again"})
    assert not [each for each in lint(_with("Seen", told_of, seen_at=SEEN)) if "as_of" in each.what]
    (found,) = [each for each in lint(_with("Seen", by_age, seen_at=SEEN)) if "as_of" in each.what]
    assert "'aws.lab.box.seen_at'" in found.what
    assert "aws.lab.r" in found.where


# ---- how ages are said ---------------------------------------------------------------------------------------------------


@given(st.integers(1, 36_500), st.sampled_from("dh"))
def test_an_age_is_read_as_it_is_written(number: int, unit: str) -> None:
    age = read_age(f"{number}{unit}")
    assert age == (timedelta(days=number) if unit == "d" else timedelta(hours=number))
    assert read_age(written(age)) == age


@pytest.mark.parametrize("text", ["", "8", "d", "0d", "-1d", "8D", "1.5d", "8 d", "36501d", "9999999h", "\N{ARABIC-INDIC DIGIT EIGHT}d"])
def test_what_is_no_age_is_none(text: str) -> None:
    assert read_age(text) is None


@pytest.mark.parametrize(
    ("age", "words", "bound"),
    [
        (timedelta(0), "0 hours", "1d"),
        (timedelta(seconds=1), "1 hour", "1d"),
        (timedelta(hours=47), "47 hours", "2d"),
        (timedelta(days=2), "2 days", "2d"),
        (timedelta(days=8, seconds=1), "9 days", "9d"),
        (timedelta(days=-3), "0 hours", "1d"),
    ],
)
def test_ages_are_told_in_units_that_have_begun(age: timedelta, words: str, bound: str) -> None:
    assert (told(age), enough(age)) == (words, bound)


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9000, 1, 1), timezones=st.timezones()))
def test_moments_compare_as_their_texts_do(moment: datetime) -> None:
    text = moment_of(moment)
    assert text == moment_of(moment.isoformat())
    at = datetime.fromisoformat(text)
    assert timedelta(0) <= moment - at < timedelta(seconds=1)
    assert (text < moment_of(BEGUN)) == (at < BEGUN)


@pytest.mark.parametrize(
    "value", ["2026-01-02T03:04:05.9999999Z", "2026-01-02T04:04:05+01:00", datetime(2026, 1, 2, 3, 4, 5, 7), 1_767_323_045, 1_767_323_045.5]
)
def test_moments_come_in_many_forms(value: Any) -> None:
    assert moment_of(value) == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize("value", [None, "", "soon", True, [], {}, float("nan"), 1e18, "9999-12-31T23:59:59-23:00", b"2026"])
def test_what_is_no_moment_is_none(value: Any) -> None:
    assert moment_of(value) == ""


def test_the_longest_bound_can_be_taken_from_any_scan() -> None:
    with store_of([box("a", timedelta(days=4000), Size=5)], max_age=LONGEST) as store:
        assert said(store)["aws.lab.own", "a"] == "pass"


@pytest.mark.parametrize(
    "said",
    [8, 8.0, True, None, b"8d", [], "8", "0h", "", timedelta(microseconds=1), timedelta(minutes=59), timedelta(days=-8), timedelta.max],
)
def test_what_is_no_bound_on_ages(said: Any) -> None:
    with pytest.raises(UsageError) as caught:
        as_age(said)
    assert (caught.value.what, caught.value.where) == (f"'{said}' is no age", "--max-age")


def test_bounds_on_ages() -> None:
    assert as_age("1h") == as_age(timedelta(hours=1)) == SHORTEST
    assert as_age("36500d") == as_age(LONGEST) == LONGEST
