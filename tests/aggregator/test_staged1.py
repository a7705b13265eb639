"""The score as it was, `staged/1`: each step by hand, then its laws over generated estates. Old bundles are told by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction as F
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cnamm_scan.aggregator.staged1 import (
    Scorer,
    attained,
    function_attained,
    is_open,
    level,
    mean,
    objective_in_estate,
    objective_in_target,
    roadmap,
    rule_in_target,
    staged,
)
from cnamm_scan.model import Function, Interval, LevelScore, Model, ObjectiveScore, Practice, PracticeScore, Severity, Tally
from tests.scores import Estate, estates, interval, one_function, placed, rule

SEVERITIES = {"critical": Severity.CRITICAL, "high": Severity.HIGH, "medium": Severity.MEDIUM, "low": Severity.LOW}


# ---- by hand -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tally", "expected"),
    [
        (Tally("r", "t", pass_=3, fail=1), interval(F(3, 4))),
        (Tally("r", "t", pass_=1, fail=1, unknown=2), interval(F(1, 4), F(3, 4), F(1, 2))),
        (Tally("r", "t", pass_=1, fail=1, error=2), interval(F(1, 4), F(3, 4), F(1, 2))),
        (Tally("r", "t", pass_=1, not_applicable=99), interval(1)),
        (Tally("r", "t", unknown=1), interval(0, 1, 0)),
        (Tally("r", "t", not_applicable=5), None),
        (Tally("r", "t"), None),
    ],
)
def test_step_1_a_rule_in_a_target(tally: Tally, expected: Interval | None) -> None:
    assert rule_in_target(tally) == expected


def test_step_2_severity_weighs_and_resource_counts_do_not() -> None:
    tallies = [Tally("critical", "t", fail=1), Tally("low", "t", pass_=5000)]
    assert objective_in_target(tallies, SEVERITIES) == interval(F(1, 9))


def test_step_2_each_severity_has_its_weight() -> None:
    tallies = [
        Tally("critical", "t", pass_=1),
        Tally("high", "t", fail=1),
        Tally("medium", "t", pass_=1, fail=1),
        Tally("low", "t", unknown=1),
    ]
    # (8·1 + 4·0 + 2·½ + 1·0) / 15, and the low rule may still be whole
    assert objective_in_target(tallies, SEVERITIES) == Interval(F(9, 15), F(10, 15), F(14, 15))


def test_step_2_a_rule_that_does_not_apply_has_no_weight() -> None:
    tallies = [Tally("critical", "t", not_applicable=3), Tally("low", "t", pass_=1, fail=1)]
    assert objective_in_target(tallies, SEVERITIES) == interval(F(1, 2))
    assert objective_in_target(tallies[:1], SEVERITIES) is None


def test_step_3_the_mean_over_targets_where_it_applies() -> None:
    tallies = [Tally("low", "a", pass_=100), Tally("low", "b", fail=1), Tally("low", "c", not_applicable=1)]
    assert objective_in_estate(tallies, SEVERITIES) == interval(F(1, 2))


def test_step_3_a_profile_weighs_targets() -> None:
    tallies = [Tally("low", "a", pass_=1), Tally("low", "b", fail=1)]
    assert objective_in_estate(tallies, SEVERITIES, {"a": F(2), "b": F(1, 2)}) == interval(F(4, 5))


def _objective(stream: Any, made: Interval | None, *, unjudged: bool = False) -> ObjectiveScore:
    return ObjectiveScore("o", 1, stream, made, unjudged, critical=False)


def test_step_4_streams_weigh_six_to_four() -> None:
    scored = level([_objective("A", interval(1)), _objective("A", interval(F(1, 2))), _objective("B", interval(0, 1, 0))])
    # 0.6 · 0.75 + 0.4 · (0 … 1)
    assert scored == Interval(F(45, 100), F(85, 100), F(60, 100))


@pytest.mark.parametrize("stream", ["A", "B"])
def test_step_4_one_stream_alone_is_the_whole_level(stream: str) -> None:
    other = "B" if stream == "A" else "A"
    assert level([_objective(stream, interval(F(1, 3))), _objective(other, None)]) == interval(F(1, 3))


def test_step_4_an_objective_without_a_rule_is_left_out_but_lowers_coverage() -> None:
    assert level([_objective("A", interval(1)), _objective("A", None, unjudged=True)]) == Interval(F(1), F(1), F(1, 2))
    assert level([_objective("A", interval(1)), _objective("B", None, unjudged=True)]) == Interval(F(1), F(1), F(6, 10))


def test_step_4_nothing_that_applies_is_no_level() -> None:
    assert level([]) is None
    assert level([_objective("A", None), _objective("B", None, unjudged=True)]) is None


def test_step_5_credit_is_capped_by_the_weakest_level_beneath() -> None:
    scored = staged({1: interval(1), 2: interval(F(1, 2)), 3: interval(1), 4: interval(F(1, 4)), 5: interval(1)})
    assert scored == interval(1 + F(1, 2) + F(1, 2) + F(1, 4) + F(1, 4))


def test_step_5_nobody_leads_on_missing_basics() -> None:
    assert staged({1: interval(0), 2: interval(1), 3: interval(1), 4: interval(1), 5: interval(1)}) == interval(0)


def test_step_5_an_unjudged_level_adds_to_high_only_and_caps_nothing() -> None:
    scored = staged({1: interval(F(1, 2)), 2: None, 3: interval(F(1, 2), 1, F(1, 2)), 4: None, 5: None})
    # low ½ + ½; high ½ at every level, for level 1 caps it; seen 1 and ½ of five levels
    assert scored == Interval(F(1), F(5, 2), F(3, 10))


def test_step_5_no_judged_level_is_no_score() -> None:
    assert staged(dict.fromkeys(range(1, 6))) is None
    assert staged({}) is None


def test_step_6_functions_are_means_of_practices_and_the_profile_weighs_functions() -> None:
    functions = tuple(
        Function(name, name, (Practice(f"{name}-p", "", (placed(f"{name}.o", 1),)), Practice(f"{name}-q", "", (placed(f"{name}.q", 1),))))
        for name in ("f", "g")
    )
    model = Model("m", "Model", "1", functions)
    rules = [rule(f"r-{name}", name) for name in ("f.o", "f.q", "g.o", "g.q")]
    tallies = [
        Tally("r-f.o", "t", pass_=1),
        Tally("r-f.q", "t", fail=1),
        Tally("r-g.o", "t", fail=1),
        Tally("r-g.q", "t", not_applicable=1),
    ]
    score = Scorer(rules, tallies, function_weights={"f": F(2), "g": F(1, 2)}).model(model)
    # f: practices 1 … 5 and 0 … 0; g: only its first practice applies, 0 … 0
    assert [each.interval for each in score.functions] == [Interval(F(1, 2), F(5, 2), F(1, 5)), Interval(F(0), F(0), F(1, 5))]
    assert score.interval == Interval(F(4, 10), F(2), F(1, 5))


def _levels(*lows: F | int | None, critical: Sequence[int] = ()) -> list[LevelScore]:
    return [LevelScore(n, None if low is None else interval(low, 1), (), n in critical) for n, low in enumerate(lows, 1)]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (_levels(1, 1, 1, 1, 1), 5),
        (_levels(F(8, 10), F(79, 100), 1, 1, 1), 1),
        (_levels(F(79, 100), 1, 1, 1, 1), 0),
        (_levels(None, 1, None, 1, None), 4),
        (_levels(1, None, None, None, None), 1),
        (_levels(None, None, None, None, None), 0),
        (_levels(1, 1, 1, 1, 1, critical=[1]), 0),
        (_levels(1, 1, 1, 1, 1, critical=[3]), 2),
    ],
)
def test_attained_by_hand(levels: list[LevelScore], expected: int) -> None:
    assert attained(levels) == expected
    assert function_attained([PracticeScore("p", "", None, expected, tuple(levels))]) == expected


def test_a_function_has_attained_what_no_practice_falls_short_of() -> None:
    def practice(*lows: F | int | None) -> PracticeScore:
        return PracticeScore("p", "", None, 0, tuple(_levels(*lows)))

    assert function_attained([practice(1, 1, None, None, None), practice(1, None, 1, None, None)]) == 3
    assert function_attained([practice(1, 1, 1, 1, 1), practice(1, 0, None, None, None)]) == 1
    assert function_attained([]) == 0


def test_a_critical_finding_stops_attainment_even_where_the_level_is_nearly_whole() -> None:
    model = one_function([placed("f.o", 1), placed("f.high", 2)])
    rules = [rule("root", "f.o", Severity.CRITICAL), rule("other", "f.high", Severity.HIGH)]
    seen = Tally("other", "t", pass_=1)
    almost = Scorer(rules, [Tally("root", "t", pass_=99, fail=1), seen]).model(model)
    assert almost.functions[0].practices[0].levels[0].interval == interval(F(99, 100))
    assert almost.functions[0].attained == almost.functions[0].practices[0].attained == 0
    unknown = Scorer(rules, [Tally("root", "t", pass_=99, unknown=1), seen]).model(model)
    assert unknown.functions[0].attained == 2


def test_an_objective_that_is_asked_for_twice_counts_in_both_places() -> None:
    model = one_function([placed("f.o", 1)], [placed("f.o", 2, "B")])
    score = Scorer([rule("r", "f.o")], [Tally("r", "t", pass_=1, fail=1)]).model(model)
    first, second = score.functions[0].practices
    assert first.interval == Interval(F(1, 2), F(5, 2), F(1, 5))
    assert second.interval == Interval(F(1, 2), 1 + F(1, 2) * 4, F(1, 5))


def test_mean_of_nothing_is_none() -> None:
    assert mean([]) is None


def test_its_roadmap_is_as_it_was() -> None:
    model = one_function([placed("f.a", 1), placed("f.b", 1, "B")], [placed("f.c", 1)])
    scorer = Scorer(
        [rule("a", "f.a"), rule("b", "f.b"), rule("c", "f.c")],
        [Tally("a", "t", pass_=1, fail=1), Tally("b", "t", pass_=1), Tally("c", "t", pass_=1)],
    )
    made = roadmap(scorer, model, scorer.model(model))
    # level 1 of the first practice is 0.6 · ½ + 0.4 = 0.7; met, it is 1: +0.3 of one practice in two
    (way,) = made.functions
    assert (way.function, way.attained, way.next_level, way.after) == ("f", 0, 1, F(1))
    (step,) = way.steps
    assert (step.objective, step.level, step.practice) == ("f.a", 1, "p0")
    assert step.function_gain == step.overall_gain == F(3, 20)
    assert made.best == (step,)


def test_open_means_something_is_left_to_do_or_to_see() -> None:
    scored = Estate(one_function([placed("f.a", 1)]), (rule("a", "f.a"),), (Tally("a", "t", pass_=1, unknown=1),), Scorer).score()
    (objective,) = scored.functions[0].practices[0].levels[0].objectives
    assert objective.interval == Interval(F(1, 2), F(1), F(1, 2))
    assert is_open(objective)


# ---- the laws ------------------------------------------------------------------------------------------------------------

Moved = Callable[[Tally], Tally]
TO_PASS: Moved = lambda t: replace(t, unknown=t.unknown - 1, pass_=t.pass_ + 1)  # noqa: E731
TO_FAIL: Moved = lambda t: replace(t, unknown=t.unknown - 1, fail=t.fail + 1)  # noqa: E731
FIXED: Moved = lambda t: replace(t, fail=t.fail - 1, pass_=t.pass_ + 1)  # noqa: E731
PASS_LOST: Moved = lambda t: replace(t, pass_=t.pass_ - 1, unknown=t.unknown + 1)  # noqa: E731
FAIL_LOST: Moved = lambda t: replace(t, fail=t.fail - 1, unknown=t.unknown + 1)  # noqa: E731


def _moved(data: st.DataObject, estate: Estate, field: str, move: Moved) -> Estate:
    """The estate with one resource's verdict changed."""
    able = [n for n, tally in enumerate(estate.tallies) if getattr(tally, field)]
    assume(able)
    at = data.draw(st.sampled_from(able))
    return estate.with_tallies(move(tally) if n == at else tally for n, tally in enumerate(estate.tallies))


def _assert_each(before: Estate, after: Estate, holds: Callable[[Interval, Interval], bool]) -> None:
    """`holds` at every node; what does not apply stays so."""
    was, now = before.nodes(), after.nodes()
    assert was.keys() == now.keys()
    for path, old in was.items():
        new = now[path]
        assert (old is None) == (new is None), path
        if old is not None and new is not None:
            assert holds(old, new), (path, old, new)


@given(estates(by=Scorer), st.data())
def test_an_unknown_that_turns_out_to_pass_lowers_nothing(estate: Estate, data: st.DataObject) -> None:
    after = _moved(data, estate, "unknown", TO_PASS)
    _assert_each(estate, after, lambda old, new: new.low >= old.low and new.high >= old.high and new.coverage >= old.coverage)


@given(estates(by=Scorer), st.data())
def test_an_unknown_that_turns_out_to_fail_raises_nothing(estate: Estate, data: st.DataObject) -> None:
    after = _moved(data, estate, "unknown", TO_FAIL)
    _assert_each(estate, after, lambda old, new: new.low <= old.low and new.high <= old.high)


@given(estates(by=Scorer), st.data())
def test_fixing_lowers_nothing(estate: Estate, data: st.DataObject) -> None:
    after = _moved(data, estate, "fail", FIXED)
    _assert_each(estate, after, lambda old, new: new.low >= old.low and new.high >= old.high and new.coverage == old.coverage)


@given(estates(by=Scorer), st.data())
def test_fixing_never_loses_an_attained_level(estate: Estate, data: st.DataObject) -> None:
    after = _moved(data, estate, "fail", FIXED)
    for before, now in zip(estate.score().functions, after.score().functions, strict=True):
        assert now.attained >= before.attained
        assert all(new.attained >= old.attained for old, new in zip(before.practices, now.practices, strict=True))


@given(estates(by=Scorer), st.data(), st.sampled_from([("pass_", PASS_LOST), ("fail", FAIL_LOST)]))
def test_losing_sight_raises_no_low_bound_and_lowers_no_high_one(estate: Estate, data: st.DataObject, lost: tuple[str, Moved]) -> None:
    after = _moved(data, estate, *lost)
    _assert_each(estate, after, lambda old, new: new.low <= old.low and new.high >= old.high and new.coverage <= old.coverage)


@given(estates(by=Scorer))
def test_every_bound_is_in_its_range(estate: Estate) -> None:
    for path, scored in estate.nodes().items():
        if scored is not None:
            assert 0 <= scored.low <= scored.high <= (1 if path[0] in ("level", "objective") else 5), path
            assert 0 <= scored.coverage <= 1, path


@given(estates(by=Scorer), st.booleans())
def test_bounds_meet_where_all_was_seen(estate: Estate, all_known: bool) -> None:
    if all_known:
        estate = estate.with_tallies(replace(tally, unknown=0, error=0) for tally in estate.tallies)
    for path, scored in estate.nodes().items():
        if scored is not None and scored.coverage == 1:
            assert scored.low == scored.high, path


@given(st.dictionaries(st.integers(1, 5), st.fractions(0, 1), min_size=5))
def test_a_practice_judged_whole_has_one_number(lows: dict[int, F]) -> None:
    scored = staged({number: interval(low) for number, low in lows.items()})
    assert scored is not None
    assert scored.low == scored.high
    assert scored.coverage == 1


@given(estates(by=Scorer), st.integers(2, 5))
def test_more_of_the_same_changes_nothing(estate: Estate, times: int) -> None:
    grown = estate.with_tallies(
        Tally(t.rule, t.target, t.pass_ * times, t.fail * times, t.unknown * times, t.not_applicable * times, t.error * times)
        for t in estate.tallies
    )
    assert grown.score() == estate.score()


@given(estates(by=Scorer), st.randoms(use_true_random=False))
def test_order_changes_nothing(estate: Estate, random: Any) -> None:
    def shuffled(parts: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(random.sample(list(parts), len(parts)))

    functions = [
        replace(f, practices=tuple(replace(p, placements=shuffled(p.placements)) for p in shuffled(f.practices)))
        for f in shuffled(estate.model.functions)
    ]
    other = Estate(replace(estate.model, functions=tuple(functions)), shuffled(estate.rules), shuffled(estate.tallies), Scorer)
    assert other.nodes() == estate.nodes()
    assert {f.id: f.attained for f in other.score().functions} == {f.id: f.attained for f in estate.score().functions}


@given(estates(by=Scorer))
def test_an_error_counts_as_unknown(estate: Estate) -> None:
    broken = estate.with_tallies(replace(t, unknown=0, error=t.unknown + t.error) for t in estate.tallies)
    assert broken.score() == estate.score()


@given(estates(by=Scorer))
def test_what_does_not_apply_is_not_scored(estate: Estate) -> None:
    empty = estate.with_tallies(Tally(t.rule, t.target, not_applicable=t.not_applicable) for t in estate.tallies)
    assert set(empty.nodes().values()) == {None}
    assert set(estate.with_tallies(()).nodes().values()) == {None}


@given(estates(by=Scorer))
def test_a_target_in_which_nothing_applies_changes_nothing(estate: Estate) -> None:
    more = [*estate.tallies, *(Tally(each.id, "aws:empty", not_applicable=2) for each in estate.rules)]
    assert estate.with_tallies(more).score() == estate.score()


maybe = st.one_of(
    st.none(),
    st.tuples(st.fractions(0, 1, max_denominator=10), st.fractions(0, 1, max_denominator=10)).map(lambda pair: interval(*sorted(pair))),
)


@given(st.tuples(maybe, maybe, maybe, maybe, maybe))
def test_an_unjudged_level_adds_nothing_to_low_and_caps_no_other(levels: tuple[Interval | None, ...]) -> None:
    scored = staged(dict(enumerate(levels, 1)))
    judged = [n for n, each in enumerate(levels) if each is not None]
    if not judged:
        assert scored is None
        return
    assert scored is not None
    assert scored.low == sum(min(each.low for each in levels[: n + 1] if each is not None) for n in judged)
    assert scored.high == sum(min([F(1), *(each.high for each in levels[: n + 1] if each is not None)]) for n in range(5))


@given(st.tuples(maybe, maybe, maybe, maybe, maybe), st.sets(st.integers(1, 5)))
def test_attained_is_the_highest_level_with_everything_beneath_it(levels: tuple[Interval | None, ...], critical: set[int]) -> None:
    made = [LevelScore(n, each, (), n in critical) for n, each in enumerate(levels, 1)]
    fits = [
        top
        for top in range(1, 6)
        if levels[top - 1] is not None
        and all(each is None or each.low >= F(4, 5) for each in levels[:top])
        and not any(n <= top for n in critical)
    ]
    assert attained(made) == max(fits, default=0)


@given(estates(by=Scorer))
def test_attained_needs_the_bar_and_no_critical_finding_at_or_below(estate: Estate) -> None:
    failing = {t.rule for t in estate.tallies if t.fail}
    critical = {r.objective for r in estate.rules if r.severity is Severity.CRITICAL and r.id in failing}
    for function in estate.score().functions:
        reached = [each for p in function.practices for each in p.levels[: function.attained]]
        assert all(each.interval is None or each.interval.low >= F(4, 5) for each in reached)
        assert not critical & {o.objective for each in reached for o in each.objectives}
