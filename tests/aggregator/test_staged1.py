"""The score as it was, `staged/1`, by which old bundles are told: what is its own, step by step. What all methods hold: `test_laws.py`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction as F
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.aggregator.staged1 import (
    Scorer,
    attained,
    function_attained,
    is_open,
    level,
    objective_in_estate,
    roadmap,
    staged,
)
from cnamm_scan.model import Interval, LevelScore, ObjectiveScore, PracticeScore, Severity, Tally
from tests.scores import SEVERITIES, Estate, interval, one_function, placed, rule

# ---- by hand -------------------------------------------------------------------------------------------------------------


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
    assert step.because == "blocks"


def test_open_means_something_is_left_to_do_or_to_see() -> None:
    scored = Estate(one_function([placed("f.a", 1)]), (rule("a", "f.a"),), (Tally("a", "t", pass_=1, unknown=1),), Scorer).score()
    (objective,) = scored.functions[0].practices[0].levels[0].objectives
    assert objective.interval == Interval(F(1, 2), F(1), F(1, 2))
    assert is_open(objective)


# ---- the laws ------------------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.integers(1, 5), st.fractions(0, 1), min_size=5))
def test_a_practice_judged_whole_has_one_number(lows: dict[int, F]) -> None:
    scored = staged({number: interval(low) for number, low in lows.items()})
    assert scored is not None
    assert scored.low == scored.high
    assert scored.coverage == 1


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
