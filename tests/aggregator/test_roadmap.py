"""The roadmap: every gain is what a score made from scratch gives, and every set is enough and not too much."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction as F
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.aggregator.roadmap import roadmap
from cnamm_scan.model import FunctionRoadmap, FunctionScore, ModelScore, ObjectiveScore, Roadmap, Severity, Tally
from tests.scores import Estate, estates, one_function, placed, rule


def _roadmap(estate: Estate, most: int = 5) -> Roadmap:
    return roadmap(estate.scorer(), estate.model, most)


def _low(scored: FunctionScore | ModelScore) -> F:
    return scored.interval.low if scored.interval else F(0)


def _reachable(function: FunctionScore) -> list[int]:
    """The levels that can be attained at all: judged themselves, and of all levels up to them at least half."""
    applying = [p for p in function.practices if p.interval is not None]
    found = []
    for top in range(1, 6):
        judged = [each.level for p in applying for each in p.levels[:top] if each.interval is not None]
        if top in judged and len(judged) >= F(top * len(applying), 2):
            found.append(top)
    return found


def _goal(estate: Estate, way: FunctionRoadmap) -> int:
    return min(number for number in _reachable(estate.function(way.function)) if number > way.attained)


def _home(estate: Estate, practice: str) -> str:
    return next(f.id for f in estate.model.functions if any(p.id == practice for p in f.practices))


# ---- by hand -------------------------------------------------------------------------------------------------------------


def test_one_open_objective_by_hand() -> None:
    estate = Estate(
        one_function([placed("f.a", 1), placed("f.b", 1, "B")], [placed("f.c", 1)]),
        (rule("a", "f.a"), rule("b", "f.b"), rule("c", "f.c")),
        (Tally("a", "t", pass_=1, fail=1), Tally("b", "t", pass_=1), Tally("c", "t", pass_=1)),
    )
    made = _roadmap(estate)
    # level 1 of the first practice is 0.6 · ½ + 0.4 = 0.7, for both objectives weigh the same; met, it is 1: +0.3 of one practice in two
    (way,) = made.functions
    assert (way.function, way.attained, way.next_level, way.after) == ("f", 0, 1, F(1))
    (step,) = way.steps
    assert (step.objective, step.level, step.practice) == ("f.a", 1, "p0")
    assert step.function_gain == step.overall_gain == F(3, 20)
    assert made.best == (step,)
    assert step.because == "blocks"


def test_the_fewest_objectives_that_reach_the_bar() -> None:
    names = ("f.a", "f.b", "f.c", "f.d", "f.e")
    estate = Estate(
        one_function([placed(name, 1) for name in names]),
        tuple(rule(name, name) for name in names),
        tuple(Tally(name, "t", pass_=int(name in ("f.d", "f.e")), fail=int(name not in ("f.d", "f.e"))) for name in names),
    )
    (way,) = _roadmap(estate).functions
    # two of five are met; four of five are 0.8
    assert len(way.steps) == 2
    assert (way.next_level, way.after) == (1, F(4, 5))


def test_a_critical_finding_must_go_even_above_the_bar() -> None:
    estate = Estate(one_function([placed("f.a", 1)]), (rule("a", "f.a", Severity.CRITICAL),), (Tally("a", "t", pass_=99, fail=1),))
    (way,) = _roadmap(estate).functions
    assert [step.objective for step in way.steps] == ["f.a"]
    assert way.next_level == 1
    # one in a hundred is a drag of ½ + ½ · 1/100: level 1 is 0.495, of which half the drag is taken once more overall
    assert way.steps[0].function_gain == 1 - F(495, 1000)
    assert way.steps[0].overall_gain == 1 - F(370013, 10**6)  # 0.495 · (1 - 0.2525), to six places


def test_an_objective_that_serves_two_practices_is_done_once() -> None:
    # f.a would lift the first practice alone, but f.b is needed in the second and lifts both
    estate = Estate(
        one_function([placed("f.a", 1), placed("f.b", 1)], [placed("f.b", 1)]),
        (rule("a", "f.a"), rule("b", "f.b")),
        (Tally("a", "t", pass_=6, fail=4), Tally("b", "t", pass_=7, fail=3)),
    )
    (way,) = _roadmap(estate).functions
    assert [step.objective for step in way.steps] == ["f.b"]
    assert way.next_level == 1


def test_what_cannot_be_seen_is_a_step_too() -> None:
    estate = Estate(one_function([placed("f.a", 1)]), (rule("a", "f.a"),), (Tally("a", "t", unknown=1),))
    (way,) = _roadmap(estate).functions
    assert [step.objective for step in way.steps] == ["f.a"]


def test_there_is_no_way_where_all_is_reached_or_nothing_applies() -> None:
    estate = Estate(one_function([placed("f.a", 1)]), (rule("a", "f.a"),), (Tally("a", "t", pass_=1),))
    assert _roadmap(estate) == Roadmap((), ())
    assert _roadmap(estate.with_tallies([Tally("a", "t", not_applicable=1)])) == Roadmap((), ())


def test_best_holds_as_many_as_asked_for() -> None:
    names = [f"f.{n}" for n in range(6)]
    estate = Estate(
        one_function([placed(name, 1) for name in names]), tuple(rule(n, n) for n in names), tuple(Tally(n, "t", fail=1) for n in names)
    )
    assert [len(_roadmap(estate, most).best) for most in (0, 2, 9)] == [0, 2, 6]


# ---- the laws ------------------------------------------------------------------------------------------------------------


@given(estates())
def test_each_gain_is_that_of_a_score_made_from_scratch(estate: Estate) -> None:
    made = _roadmap(estate, most=99)
    before = estate.score()
    steps = [(way.function, step) for way in made.functions for step in way.steps]
    steps += [(_home(estate, step.practice), step) for step in made.best]
    for function, step in steps:
        after = estate.satisfying([step.objective])
        assert step.overall_gain == _low(after.score()) - _low(before)
        assert step.function_gain == _low(after.function(function)) - _low(estate.function(function))
        places = [p for f in estate.model.functions for p in f.practices if p.id == step.practice]
        assert (step.objective, step.level) in [(each.objective, each.level) for each in places[0].placements]


def _criticals(estate: Estate) -> set[str]:
    functions = estate.score().functions
    return {o.objective for f in functions for p in f.practices for each in p.levels for o in each.objectives if o.critical}


@given(estates())
def test_best_is_every_critical_then_every_blocker_then_every_gain(estate: Estate) -> None:
    made = _roadmap(estate, most=99)
    asked = {each.objective for f in estate.model.functions for p in f.practices for each in p.placements}
    worth = {name for name in asked if _low(estate.satisfying([name]).score()) > _low(estate.score())}
    waited_for = {step.objective for way in made.functions for step in way.steps}
    expected = dict.fromkeys(worth, "gain") | dict.fromkeys(waited_for, "blocks") | dict.fromkeys(_criticals(estate), "critical")
    assert {step.objective: step.because for step in made.best} == expected
    assert len(made.best) == len(expected)
    order = ["critical", "blocks", "gain"]
    assert [order.index(step.because) for step in made.best] == sorted(order.index(step.because) for step in made.best)
    for because in ("blocks", "gain"):
        gains = [step.overall_gain for step in made.best if step.because == because]
        assert gains == sorted(gains, reverse=True)
    levels = [step.level for step in made.best if step.because == "critical"]
    assert levels == sorted(levels)
    assert {step.objective: step.because for way in made.functions for step in way.steps}.items() <= expected.items()


@given(estates(), st.integers(0, 2))
def test_no_critical_is_left_out_for_want_of_room(estate: Estate, most: int) -> None:
    whole, short = _roadmap(estate, most=99).best, _roadmap(estate, most).best
    criticals = [step for step in whole if step.because == "critical"]
    assert list(short) == [*criticals, *[step for step in whole if step.because != "critical"][:most]]
    assert {step.objective for step in criticals} == _criticals(estate)


@given(estates())
def test_each_way_reaches_the_level_that_it_says(estate: Estate) -> None:
    ways = {way.function: way for way in _roadmap(estate).functions}
    for function in estate.score().functions:
        assert (function.id in ways) == any(number > function.attained for number in _reachable(function))
    for way in ways.values():
        reached = estate.satisfying(step.objective for step in way.steps).function(way.function)
        assert reached.attained == way.next_level >= _goal(estate, way) > way.attained
        assert way.attained == estate.function(way.function).attained
        assert _low(reached) == way.after


def _is_open(objective: ObjectiveScore) -> bool:
    return objective.interval is not None and objective.interval.low < 1


def _fewer(names: list[str], most: int) -> Iterator[tuple[str, ...]]:
    for size in range(most):
        yield from combinations(names, size)


@given(estates())
def test_no_part_of_a_way_is_enough(estate: Estate) -> None:
    for way in _roadmap(estate).functions:
        goal = _goal(estate, way)
        names = [step.objective for step in way.steps]
        assert len(set(names)) == len(names)
        for subset in _fewer(names, len(names)):
            assert estate.satisfying(subset).function(way.function).attained < goal, subset


@given(estates(shared=False))
def test_no_other_way_is_shorter_where_each_objective_is_asked_for_once(estate: Estate) -> None:
    for way in _roadmap(estate).functions:
        goal = _goal(estate, way)
        own = [o for p in estate.function(way.function).practices for each in p.levels[:goal] for o in each.objectives]
        for subset in _fewer([each.objective for each in own if _is_open(each)], len(way.steps)):
            assert estate.satisfying(subset).function(way.function).attained < goal, subset
