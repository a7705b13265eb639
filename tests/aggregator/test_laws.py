"""What the score of today and the one that it was both hold: the steps that are alike by hand, and the laws over generated estates.

That those of today hold on what ships: `test_shipped.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction as F
from types import ModuleType
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cnamm_scan.aggregator import score, staged1
from cnamm_scan.model import Function, Interval, Model, Practice, Severity, Tally
from tests.scores import SEVERITIES, Estate, estates, interval, moved, node_pairs, placed, rule, units


@dataclass(frozen=True)
class Method:
    """A way to score."""

    steps: ModuleType
    said: Callable[..., Any]
    """An interval as its steps tell it; one number means that both bounds meet."""

    def of(self, estate: Estate) -> Estate:
        """The estate as it is scored by this method."""
        return replace(estate, by=self.steps.Scorer)


each_method = pytest.mark.parametrize("method", [Method(staged1, interval), Method(score, units)], ids=["staged/1", "staged/2"])


# ---- by hand -------------------------------------------------------------------------------------------------------------


@each_method
@pytest.mark.parametrize(
    ("tally", "expected"),
    [
        (Tally("r", "t", pass_=3, fail=1), (F(3, 4),)),
        (Tally("r", "t", pass_=1, fail=1, unknown=2), (F(1, 4), F(3, 4), F(1, 2))),
        (Tally("r", "t", pass_=1, fail=1, error=2), (F(1, 4), F(3, 4), F(1, 2))),
        (Tally("r", "t", pass_=1, not_applicable=99), (1,)),
        (Tally("r", "t", unknown=1), (0, 1, 0)),
        (Tally("r", "t", not_applicable=5), None),
        (Tally("r", "t"), None),
    ],
)
def test_step_1_a_rule_in_a_target(method: Method, tally: Tally, expected: tuple[F | int, ...] | None) -> None:
    assert method.steps.rule_in_target(tally) == (None if expected is None else method.said(*expected))


@each_method
def test_step_2_severity_weighs_and_resource_counts_do_not(method: Method) -> None:
    tallies = [Tally("critical", "t", fail=1), Tally("low", "t", pass_=5000)]
    assert method.steps.objective_in_target(tallies, SEVERITIES) == method.said(F(1, 9))


@each_method
def test_step_2_each_severity_has_its_weight(method: Method) -> None:
    tallies = [
        Tally("critical", "t", pass_=1),
        Tally("high", "t", fail=1),
        Tally("medium", "t", pass_=1, fail=1),
        Tally("low", "t", unknown=1),
    ]
    # (8·1 + 4·0 + 2·½ + 1·0) / 15, and the low rule may still be whole
    assert method.steps.objective_in_target(tallies, SEVERITIES) == method.said(F(9, 15), F(10, 15), F(14, 15))


@each_method
def test_step_2_a_rule_that_does_not_apply_has_no_weight(method: Method) -> None:
    tallies = [Tally("critical", "t", not_applicable=3), Tally("low", "t", pass_=1, fail=1)]
    assert method.steps.objective_in_target(tallies, SEVERITIES) == method.said(F(1, 2))
    assert method.steps.objective_in_target(tallies[:1], SEVERITIES) is None


@each_method
def test_step_6_functions_are_means_of_practices_and_the_profile_weighs_functions(method: Method) -> None:
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
    made = method.steps.Scorer(rules, tallies, function_weights={"f": F(2), "g": F(1, 2)}).model(model)
    # levels 2 … 5 have no rule. f: practices 1 … 5 and 0 … 0; g: only its first practice applies, 0 … 0
    assert [each.interval for each in made.functions] == [Interval(F(1, 2), F(5, 2), F(1, 5)), Interval(F(0), F(0), F(1, 5))]
    assert made.interval == Interval(F(4, 10), F(2), F(1, 5))
    assert made.mean == (made.interval if method.steps is score else None)
    assert made.drag is None


@each_method
def test_mean_of_nothing_is_none(method: Method) -> None:
    assert method.steps.mean([]) is None


# ---- the laws ------------------------------------------------------------------------------------------------------------


def _moved(data: st.DataObject, estate: Estate, source: str, goal: str) -> Estate:
    """The estate with one resource's verdict changed."""
    able = [n for n, tally in enumerate(estate.tallies) if getattr(tally, source)]
    assume(able)
    at = data.draw(st.sampled_from(able))
    return estate.with_tallies(moved(tally, source, goal) if n == at else tally for n, tally in enumerate(estate.tallies))


def _assert_each(before: Estate, after: Estate, holds: Callable[[Interval, Interval], bool]) -> None:
    """`holds` at every node."""
    for path, old, new in node_pairs(before.score(), after.score()):
        assert holds(old, new), (path, old, new)


@each_method
@given(estates(), st.data())
def test_an_unknown_that_turns_out_to_pass_lowers_nothing(method: Method, estate: Estate, data: st.DataObject) -> None:
    estate = method.of(estate)
    after = _moved(data, estate, "unknown", "pass_")
    _assert_each(estate, after, lambda old, new: new.low >= old.low and new.high >= old.high and new.coverage >= old.coverage)


@each_method
@given(estates(), st.data())
def test_an_unknown_that_turns_out_to_fail_raises_nothing(method: Method, estate: Estate, data: st.DataObject) -> None:
    estate = method.of(estate)
    after = _moved(data, estate, "unknown", "fail")
    _assert_each(estate, after, lambda old, new: new.low <= old.low and new.high <= old.high)


@each_method
@given(estates(), st.data())
def test_fixing_lowers_nothing(method: Method, estate: Estate, data: st.DataObject) -> None:
    estate = method.of(estate)
    after = _moved(data, estate, "fail", "pass_")
    _assert_each(estate, after, lambda old, new: new.low >= old.low and new.high >= old.high and new.coverage == old.coverage)


@each_method
@given(estates(), st.data())
def test_fixing_never_loses_an_attained_level(method: Method, estate: Estate, data: st.DataObject) -> None:
    estate = method.of(estate)
    after = _moved(data, estate, "fail", "pass_")
    for before, now in zip(estate.score().functions, after.score().functions, strict=True):
        assert now.attained >= before.attained
        assert all(new.attained >= old.attained for old, new in zip(before.practices, now.practices, strict=True))


@each_method
@given(estates(), st.data(), st.sampled_from(["pass_", "fail"]))
def test_losing_sight_raises_no_low_bound_and_lowers_no_high_one(method: Method, estate: Estate, data: st.DataObject, lost: str) -> None:
    estate = method.of(estate)
    after = _moved(data, estate, lost, "unknown")
    _assert_each(estate, after, lambda old, new: new.low <= old.low and new.high >= old.high and new.coverage <= old.coverage)


@each_method
@given(estates())
def test_every_bound_is_in_its_range(method: Method, estate: Estate) -> None:
    estate = method.of(estate)
    for path, scored in estate.nodes().items():
        if scored is not None:
            assert 0 <= scored.low <= scored.high <= (1 if path[0] in ("level", "objective") else 5), path
            assert 0 <= scored.coverage <= 1, path


@each_method
@given(estates(), st.booleans())
def test_bounds_meet_where_all_was_seen(method: Method, estate: Estate, all_known: bool) -> None:
    estate = method.of(estate)
    if all_known:
        estate = estate.with_tallies(replace(tally, unknown=0, error=0) for tally in estate.tallies)
    for path, scored in estate.nodes().items():
        if scored is not None and scored.coverage == 1:
            assert scored.low == scored.high, path


@each_method
@given(estates(), st.integers(2, 5))
def test_more_of_the_same_changes_nothing(method: Method, estate: Estate, times: int) -> None:
    estate = method.of(estate)
    grown = estate.with_tallies(
        Tally(t.rule, t.target, t.pass_ * times, t.fail * times, t.unknown * times, t.not_applicable * times, t.error * times)
        for t in estate.tallies
    )
    assert grown.score() == estate.score()


@each_method
@given(estates(), st.randoms(use_true_random=False))
def test_order_changes_nothing(method: Method, estate: Estate, random: Any) -> None:
    estate = method.of(estate)

    def shuffled(parts: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(random.sample(list(parts), len(parts)))

    functions = [
        replace(f, practices=tuple(replace(p, placements=shuffled(p.placements)) for p in shuffled(f.practices)))
        for f in shuffled(estate.model.functions)
    ]
    model = replace(estate.model, functions=tuple(functions))
    other = replace(estate, model=model, rules=shuffled(estate.rules), tallies=shuffled(estate.tallies))
    assert other.nodes() == estate.nodes()
    assert {f.id: f.attained for f in other.score().functions} == {f.id: f.attained for f in estate.score().functions}


@each_method
@given(estates())
def test_an_error_counts_as_unknown(method: Method, estate: Estate) -> None:
    estate = method.of(estate)
    broken = estate.with_tallies(replace(t, unknown=0, error=t.unknown + t.error) for t in estate.tallies)
    assert broken.score() == estate.score()


@each_method
@given(estates())
def test_what_does_not_apply_is_not_scored(method: Method, estate: Estate) -> None:
    estate = method.of(estate)
    empty = estate.with_tallies(Tally(t.rule, t.target, not_applicable=t.not_applicable) for t in estate.tallies)
    assert set(empty.nodes().values()) == {None}
    assert set(estate.with_tallies(()).nodes().values()) == {None}


@each_method
@given(estates())
def test_a_target_in_which_nothing_applies_changes_nothing(method: Method, estate: Estate) -> None:
    estate = method.of(estate)
    more = [*estate.tallies, *(Tally(each.id, "aws:empty", not_applicable=2) for each in estate.rules)]
    assert estate.with_tallies(more).score() == estate.score()


@each_method
@given(estates())
def test_attained_needs_the_bar_and_no_critical_finding_at_or_below(method: Method, estate: Estate) -> None:
    estate = method.of(estate)
    failing = {t.rule for t in estate.tallies if t.fail}
    critical = {r.objective for r in estate.rules if r.severity is Severity.CRITICAL and r.id in failing}
    for function in estate.score().functions:
        reached = [each for p in function.practices for each in p.levels[: function.attained]]
        assert all(each.interval is None or each.interval.low >= F(4, 5) for each in reached)
        assert not critical & {o.objective for each in reached for o in each.objectives}
