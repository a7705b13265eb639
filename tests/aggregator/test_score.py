"""The score `staged/2`: what is its own, step by step by hand, then over generated estates. What all methods hold: `test_laws.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction as F

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cnamm_scan.aggregator.score import (
    STREAMS,
    UNIT,
    Cell,
    Found,
    Scorer,
    Units,
    attained,
    critical_in_target,
    half_and,
    held,
    interval,
    level,
    objective_in_estate,
    rule_in_target,
    staged,
    target_weights,
)
from cnamm_scan.model import Drag, Interval, Severity, Tally
from tests.scores import SEVERITIES, Estate, estates, one_function, placed, rule, units

RULES = {name: rule(name, "f.o", severity) for name, severity in SEVERITIES.items()}
EQUAL = dict.fromkeys("abcdefghijt", 1)


# ---- by hand -------------------------------------------------------------------------------------------------------------


def test_step_1_rounds_down() -> None:
    assert rule_in_target(Tally("r", "t", pass_=1, fail=2)) == Units(333_333_333_333, 333_333_333_333, UNIT)


def test_step_2_critical_rules_drag_by_the_mean_share_that_fails() -> None:
    severities = {**SEVERITIES, "other": Severity.CRITICAL}
    tallies = [Tally("critical", "t", pass_=3, fail=1, unknown=4), Tally("other", "t", pass_=1), Tally("high", "t", fail=9)]
    assert critical_in_target(tallies, severities) == (UNIT // 16, UNIT * 5 // 16)
    assert critical_in_target([Tally("critical", "t", not_applicable=1), Tally("high", "t", fail=1)], severities) is None


def test_step_3_a_target_weighs_as_what_applies_in_it() -> None:
    always = replace(rule("always", "f.o", Severity.HIGH), for_each="aws.account.account")
    rules = {**RULES, "always": always}
    tallies = [
        *(Tally(name, "full", pass_=9) for name in ("critical", "low", "always")),
        *(Tally(name, "empty", not_applicable=1) for name in ("critical", "low")),
        Tally("always", "empty", fail=1),
        Tally("low", "dark", unknown=1),
    ]
    assert target_weights(tallies, rules, {"aws.account.account"}) == {"full": 9, "empty": 1, "dark": 1}
    assert target_weights(tallies, rules) == {"full": 13, "empty": 4, "dark": 1}


def test_step_3_the_mean_over_targets_where_it_applies() -> None:
    tallies = [Tally("medium", "a", pass_=100), Tally("low", "b", fail=1), Tally("low", "c", not_applicable=1)]
    assert objective_in_estate(tallies, SEVERITIES, {"a": 3, "b": 1, "c": 99}) == Found(units(F(3, 4)), weight=2)
    assert objective_in_estate(tallies[2:], SEVERITIES, {"c": 99}) is None


def test_step_3_a_critical_finding_anywhere_drags_by_half_and_by_more_as_more_fails() -> None:
    tallies = [Tally("critical", "a", pass_=1), Tally("critical", "b", pass_=1, fail=1), Tally("low", "c", pass_=1)]
    found = objective_in_estate(tallies, SEVERITIES, {"a": 3, "b": 1, "c": 4})
    # ½ of b fails, which is a quarter of the targets that a critical rule judges
    assert found == Found(units(F(3 * 2 + 1 + 4 * 2, 16)), 8, half_and(UNIT // 8), half_and(UNIT // 8), can_drag=True, is_critical=True)
    assert half_and(UNIT // 8) == UNIT * 9 // 16
    unseen = objective_in_estate([Tally("critical", "a", pass_=9, unknown=1)], SEVERITIES, EQUAL)
    assert unseen == Found(units(F(9, 10), 1, F(9, 10)), 8, 0, UNIT * 55 // 100, can_drag=True)


def test_step_3_a_profile_weighs_targets() -> None:
    scorer = Scorer([rule("r", "f.o")], [Tally("r", "a", pass_=1), Tally("r", "b", fail=1)], profile={"a": F(2), "b": F(1, 2)})
    assert scorer.found["f.o"].bounds == units(F(4, 5))


def test_step_4_an_objective_weighs_as_its_heaviest_rule_and_its_stream() -> None:
    heavy, light = Found(units(1), 8), Found(units(0), 1)
    assert level([(STREAMS["A"] * 8, heavy), (STREAMS["B"] * 1, light)]) == units(F(48, 52))
    assert level([(STREAMS["B"] * 8, heavy), (STREAMS["A"] * 1, light)]) == Units(UNIT * 32 // 38, UNIT * 32 // 38, UNIT)
    assert level([(STREAMS["B"], light)]) == units(0)


def test_step_4_a_level_is_no_higher_than_its_worst_critical_finding_lets_it_be() -> None:
    fine, dragged = Found(units(1), 8), Found(units(F(9, 10), 1), 8, most=UNIT * 55 // 100)
    assert level([(8, fine), (8, dragged)]) == units(F(45, 100), 1)
    assert level([(8, fine), (8, dragged._replace(least=UNIT // 2))]) == units(F(45, 100), F(1, 2))


def test_step_4_an_objective_without_a_rule_is_left_out_but_lowers_coverage() -> None:
    assert level([(6 * 2, Found(units(1), 2))], unjudged=6 * 2) == units(1, 1, F(1, 2))
    assert level([(6 * 8, Found(units(1), 8))], unjudged=4 * 2) == units(1, 1, F(48, 56))


def test_step_4_nothing_that_applies_is_no_level() -> None:
    assert level([]) is None
    assert level([], unjudged=12) is None


def _cells(*lows: F | int | str, critical: Sequence[int] = ()) -> list[Cell]:
    """A number: judged; `-`: known not to apply; `?`: without a rule."""
    made = []
    for number, low in enumerate(lows, 1):
        known = None if isinstance(low, str) else units(low)
        made.append(Cell(known, low != "?", number in critical))
    return made


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (_cells(1, F(1, 2), 1, F(1, 4), 1), units(1 + F(1, 2) + F(1, 2) + F(1, 4) + F(1, 4))),
        (_cells(0, 1, 1, 1, 1), units(0)),
        (_cells(F(1, 2), "-", "-", "-", "-"), units(F(5, 2))),  # neither gives nor takes
        (_cells("-", "-", 1, F(1, 2), "-"), units(3 + 2 * F(1, 2))),  # before the first judged: as that one
        (_cells("-", "-", "-", "-", 1), units(5)),
        (_cells(1, "?", 1, 1, 1), units(4, 5, F(4, 5))),  # nobody knows: the interval widens
        (_cells("?", F(1, 2), "-", "?", F(1, 4)), units(F(5, 4), 1 + F(7, 4), F(2, 4))),
        (_cells("-", "-", "-", "-", "-"), None),
        (_cells("?", "?", "-", "-", "?"), None),
    ],
)
def test_step_5_by_hand(cells: list[Cell], expected: Units | None) -> None:
    assert staged(cells) == expected


def test_step_6_critical_findings_take_up_to_half() -> None:
    whole = units(4, 5, 1)
    assert held(whole, []) == (whole, (0, 0))
    assert held(whole, [(0, 0), (0, UNIT // 2)]) == (units(4 * F(7, 8), 5, 1), (0, UNIT // 8))
    assert held(whole, [(UNIT, UNIT)] * 3) == (units(2, F(5, 2), 1), (UNIT // 2, UNIT // 2))


def test_step_6_an_objective_that_is_asked_for_twice_counts_in_both_places_and_drags_once() -> None:
    model = one_function([placed("f.o", 1)], [placed("f.o", 2, "B")], [placed("f.p", 1)])
    rules = [rule("r", "f.o", Severity.CRITICAL), rule("p", "f.p", Severity.CRITICAL)]
    score = Scorer(rules, [Tally("r", "t", fail=1), Tally("p", "t", pass_=1)]).model(model)
    assert [each.interval for each in score.functions[0].practices] == [
        Interval(F(0), F(0), F(1, 5)),
        Interval(F(0), F(1), F(1, 5)),
        Interval(F(1), F(5), F(1, 5)),
    ]
    assert score.drag == Drag(F(1, 4), F(1, 4))
    assert score.mean is not None
    assert score.interval == interval(held(Units(UNIT // 3, 2 * UNIT, UNIT // 5), [(UNIT, UNIT), (0, 0)])[0])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (_cells(1, 1, 1, 1, 1), 5),
        (_cells(F(8, 10), F(79, 100), 1, 1, 1), 1),
        (_cells(F(79, 100), 1, 1, 1, 1), 0),
        (_cells(1, "-", "-", "-", "-"), 1),
        (_cells("-", 1, "-", 1, "-"), 4),
        (_cells("-", "-", "-", 1, "-"), 0),  # one level of four says nothing about the other three
        (_cells("?", "?", "?", 1, 1), 0),
        (_cells("-", "-", 1, 1, "-"), 4),  # at 3 it is one of three, at 4 half
        (_cells("-", "-", "-", "-", "-"), 0),
        (_cells(1, 1, 1, 1, 1, critical=[1]), 0),
        (_cells(1, 1, 1, 1, 1, critical=[3]), 2),
    ],
)
def test_attained_by_hand(cells: list[Cell], expected: int) -> None:
    assert attained([cells]) == expected


def test_a_function_has_attained_what_no_practice_falls_short_of() -> None:
    assert attained([_cells(1, 1, "-", "-", "-"), _cells(1, "-", 1, "-", "-")]) == 3
    assert attained([_cells(1, 1, 1, 1, 1), _cells(1, 0, "-", "-", "-")]) == 1
    assert attained([_cells(1, 1, 1, 1, 1), _cells("-", "-", "-", "-", "-")]) == 5  # a practice of which nothing applies is left out
    assert attained([_cells("-", "-", "-", 1, "-"), _cells(1, 1, "-", "-", "-")]) == 2
    assert attained([]) == 0


def test_a_level_that_a_report_shows_at_the_bar_is_at_the_bar() -> None:
    """Rounding down at each step may leave it a few units beneath."""
    assert attained([[Cell(Units(UNIT * 8 // 10 - 3, UNIT, UNIT))]]) == 1
    assert attained([[Cell(Units(UNIT * 8 // 10 - UNIT // 10**6, UNIT, UNIT))]]) == 0


def test_a_critical_finding_stops_attainment_and_so_does_one_that_could_be() -> None:
    model = one_function([placed("f.o", 1), placed("f.high", 2)])
    rules = [rule("root", "f.o", Severity.CRITICAL), rule("other", "f.high", Severity.HIGH)]
    seen = Tally("other", "t", pass_=1)
    for almost in (Tally("root", "t", pass_=99, fail=1), Tally("root", "t", pass_=99, unknown=1)):
        function = Scorer(rules, [almost, seen]).model(model).functions[0]
        scored = function.practices[0].levels[0].interval
        assert scored is not None
        assert scored.low == F(495, 1000)
        assert function.attained == function.practices[0].attained == 0
    assert Scorer(rules, [Tally("root", "t", pass_=1), seen]).model(model).functions[0].attained == 2


@given(st.integers(1, 40), st.lists(st.integers(0, 1), min_size=1))
def test_all_critical_rules_failing_leave_at_most_half_in_whatever_model(number: int, more: list[int]) -> None:
    """By construction: whatever else passes."""
    names = [f"f.{n}" for n in range(number)]
    model = one_function(*([placed(name, 5)] for name in names), *([placed(f"f.fine{n}", 1)] for n in range(len(more))))
    rules = [*(rule(name, name, Severity.CRITICAL) for name in names), *(rule(f"fine{n}", f"f.fine{n}") for n in range(len(more)))]
    tallies = [
        Tally(each.id, "t", fail=int(each.severity is Severity.CRITICAL), pass_=int(each.severity is not Severity.CRITICAL))
        for each in rules
    ]
    score = Scorer(rules, tallies).model(model)
    assert score.interval is not None
    assert score.interval.high <= F(5, 2)


# ---- the laws ------------------------------------------------------------------------------------------------------------


@given(estates())
def test_a_flawless_estate_of_any_shape_reads_five_where_each_level_has_a_rule(estate: Estate) -> None:
    flawless = estate.with_tallies(Tally(t.rule, t.target, pass_=t.judged, not_applicable=t.not_applicable) for t in estate.tallies)
    for function in flawless.score().functions:
        for practice in function.practices:
            if practice.interval is not None:
                assert practice.interval.high == 5
                assert practice.interval.low == sum(each.has_rule for each in practice.levels)


cells = st.lists(
    st.one_of(
        st.builds(Cell, st.none(), st.booleans()),
        st.builds(
            lambda pair, critical: Cell(Units(UNIT * min(pair) // 10, UNIT * max(pair) // 10, UNIT), True, critical),
            st.tuples(st.integers(0, 10), st.integers(0, 10)),
            st.booleans(),
        ),
    ),
    min_size=5,
    max_size=5,
)


@given(cells, st.integers(0, 4))
def test_a_level_that_does_not_apply_neither_gives_nor_takes(levels: list[Cell], at: int) -> None:
    """Where it were judged as well as what stands beneath it (or, with nothing beneath, what comes first), the sum would be the same."""
    levels[at] = Cell(None, has_rule=True)
    judged = [each.bounds for each in levels if each.bounds is not None]
    beneath = [each.bounds for each in levels[:at] if each.bounds is not None] or judged[:1]
    if not judged:
        assert staged(levels) is None
        return
    as_well = Units(min(each.low for each in beneath), min(each.high for each in beneath), UNIT)
    filled = staged([*levels[:at], Cell(as_well), *levels[at + 1 :]])
    scored = staged(levels)
    assert scored is not None
    assert filled is not None
    first = next(n for n, each in enumerate(levels) if each.bounds is not None)
    assert scored.low == filled.low
    assert scored.high == filled.high or any(not each.has_rule for each in levels[:first])  # these are beneath nothing that was judged


@given(cells, st.integers(0, 10))
def test_a_rule_for_a_level_that_has_none_lands_beneath_the_high_bound(levels: list[Cell], tenths: int) -> None:
    assume(levels[0].bounds is not None)
    scored = staged(levels)
    ruled = staged([each if each.has_rule else Cell(Units(UNIT * tenths // 10, UNIT * tenths // 10, UNIT)) for each in levels])
    assert scored is not None
    assert ruled is not None
    assert ruled.high <= scored.high
    assert tenths < 10 or ruled.low >= scored.low


@given(st.lists(cells, max_size=3))
def test_attained_is_the_highest_level_with_everything_beneath_it(practices: list[list[Cell]]) -> None:
    applying = [own for own in practices if any(each.bounds is not None for each in own)]
    fits = [0]
    for top in range(1, 6):
        beneath = [each for own in applying for each in own[:top]]
        judged = [each.bounds.low for each in beneath if each.bounds is not None]
        here = any(own[top - 1].bounds is not None for own in applying)
        if here and all(low >= UNIT * 8 // 10 for low in judged) and not any(each.is_critical for each in beneath):
            fits += [top] * (len(judged) >= F(len(beneath), 2))
    assert attained(practices) == max(fits)
