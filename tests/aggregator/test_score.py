"""The score `staged/2`: each step by hand, then its laws over generated estates. That they hold on what ships: `test_shipped.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction as F
from typing import Any

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
    mean,
    objective_in_estate,
    objective_in_target,
    rule_in_target,
    staged,
    target_weights,
)
from cnamm_scan.model import Drag, Function, Interval, Model, Practice, Severity, Tally
from tests.scores import Estate, estates, one_function, placed, rule

SEVERITIES = {"critical": Severity.CRITICAL, "high": Severity.HIGH, "medium": Severity.MEDIUM, "low": Severity.LOW}
RULES = {name: rule(name, "f.o", severity) for name, severity in SEVERITIES.items()}
EQUAL = dict.fromkeys("abcdefghijt", 1)


def units(low: F | int, high: F | int | None = None, coverage: F | int = 1) -> Units:
    """An interval in units; one number means that both bounds meet."""
    return Units(*(int(each * UNIT) for each in (low, low if high is None else high, coverage)))


# ---- by hand -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tally", "expected"),
    [
        (Tally("r", "t", pass_=3, fail=1), units(F(3, 4))),
        (Tally("r", "t", pass_=1, fail=1, unknown=2), units(F(1, 4), F(3, 4), F(1, 2))),
        (Tally("r", "t", pass_=1, fail=1, error=2), units(F(1, 4), F(3, 4), F(1, 2))),
        (Tally("r", "t", pass_=1, not_applicable=99), units(1)),
        (Tally("r", "t", unknown=1), units(0, 1, 0)),
        (Tally("r", "t", pass_=1, fail=2), Units(333_333_333_333, 333_333_333_333, UNIT)),
        (Tally("r", "t", not_applicable=5), None),
        (Tally("r", "t"), None),
    ],
)
def test_step_1_a_rule_in_a_target(tally: Tally, expected: Units | None) -> None:
    assert rule_in_target(tally) == expected


def test_step_2_severity_weighs_and_resource_counts_do_not() -> None:
    tallies = [Tally("critical", "t", fail=1), Tally("low", "t", pass_=5000)]
    assert objective_in_target(tallies, SEVERITIES) == units(F(1, 9))


def test_step_2_each_severity_has_its_weight() -> None:
    tallies = [
        Tally("critical", "t", pass_=1),
        Tally("high", "t", fail=1),
        Tally("medium", "t", pass_=1, fail=1),
        Tally("low", "t", unknown=1),
    ]
    # (8·1 + 4·0 + 2·½ + 1·0) / 15, and the low rule may still be whole
    assert objective_in_target(tallies, SEVERITIES) == units(F(9, 15), F(10, 15), F(14, 15))


def test_step_2_a_rule_that_does_not_apply_has_no_weight() -> None:
    tallies = [Tally("critical", "t", not_applicable=3), Tally("low", "t", pass_=1, fail=1)]
    assert objective_in_target(tallies, SEVERITIES) == units(F(1, 2))
    assert objective_in_target(tallies[:1], SEVERITIES) is None


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
    # levels 2 … 5 have no rule. f: practices 1 … 5 and 0 … 0; g: only its first practice applies, 0 … 0
    assert [each.interval for each in score.functions] == [Interval(F(1, 2), F(5, 2), F(1, 5)), Interval(F(0), F(0), F(1, 5))]
    assert score.interval == score.mean == Interval(F(4, 10), F(2), F(1, 5))
    assert score.drag is None


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


def test_mean_of_nothing_is_none() -> None:
    assert mean([]) is None


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


@given(estates(), st.data())
def test_an_unknown_that_turns_out_to_pass_lowers_nothing(estate: Estate, data: st.DataObject) -> None:
    after = _moved(data, estate, "unknown", TO_PASS)
    _assert_each(estate, after, lambda old, new: new.low >= old.low and new.high >= old.high and new.coverage >= old.coverage)


@given(estates(), st.data())
def test_an_unknown_that_turns_out_to_fail_raises_nothing(estate: Estate, data: st.DataObject) -> None:
    after = _moved(data, estate, "unknown", TO_FAIL)
    _assert_each(estate, after, lambda old, new: new.low <= old.low and new.high <= old.high)


@given(estates(), st.data())
def test_fixing_lowers_nothing(estate: Estate, data: st.DataObject) -> None:
    after = _moved(data, estate, "fail", FIXED)
    _assert_each(estate, after, lambda old, new: new.low >= old.low and new.high >= old.high and new.coverage == old.coverage)


@given(estates(), st.data())
def test_fixing_never_loses_an_attained_level(estate: Estate, data: st.DataObject) -> None:
    after = _moved(data, estate, "fail", FIXED)
    for before, now in zip(estate.score().functions, after.score().functions, strict=True):
        assert now.attained >= before.attained
        assert all(new.attained >= old.attained for old, new in zip(before.practices, now.practices, strict=True))


@given(estates(), st.data(), st.sampled_from([("pass_", PASS_LOST), ("fail", FAIL_LOST)]))
def test_losing_sight_raises_no_low_bound_and_lowers_no_high_one(estate: Estate, data: st.DataObject, lost: tuple[str, Moved]) -> None:
    after = _moved(data, estate, *lost)
    _assert_each(estate, after, lambda old, new: new.low <= old.low and new.high >= old.high and new.coverage <= old.coverage)


@given(estates())
def test_every_bound_is_in_its_range(estate: Estate) -> None:
    for path, scored in estate.nodes().items():
        if scored is not None:
            assert 0 <= scored.low <= scored.high <= (1 if path[0] in ("level", "objective") else 5), path
            assert 0 <= scored.coverage <= 1, path


@given(estates(), st.booleans())
def test_bounds_meet_where_all_was_seen(estate: Estate, all_known: bool) -> None:
    if all_known:
        estate = estate.with_tallies(replace(tally, unknown=0, error=0) for tally in estate.tallies)
    for path, scored in estate.nodes().items():
        if scored is not None and scored.coverage == 1:
            assert scored.low == scored.high, path


@given(estates())
def test_a_flawless_estate_of_any_shape_reads_five_where_each_level_has_a_rule(estate: Estate) -> None:
    flawless = estate.with_tallies(Tally(t.rule, t.target, pass_=t.judged, not_applicable=t.not_applicable) for t in estate.tallies)
    for function in flawless.score().functions:
        for practice in function.practices:
            if practice.interval is not None:
                assert practice.interval.high == 5
                assert practice.interval.low == sum(each.has_rule for each in practice.levels)


@given(estates(), st.integers(2, 5))
def test_more_of_the_same_changes_nothing(estate: Estate, times: int) -> None:
    grown = estate.with_tallies(
        Tally(t.rule, t.target, t.pass_ * times, t.fail * times, t.unknown * times, t.not_applicable * times, t.error * times)
        for t in estate.tallies
    )
    assert grown.score() == estate.score()


@given(estates(), st.randoms(use_true_random=False))
def test_order_changes_nothing(estate: Estate, random: Any) -> None:
    def shuffled(parts: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(random.sample(list(parts), len(parts)))

    functions = [
        replace(f, practices=tuple(replace(p, placements=shuffled(p.placements)) for p in shuffled(f.practices)))
        for f in shuffled(estate.model.functions)
    ]
    other = Estate(replace(estate.model, functions=tuple(functions)), shuffled(estate.rules), shuffled(estate.tallies))
    assert other.nodes() == estate.nodes()
    assert {f.id: f.attained for f in other.score().functions} == {f.id: f.attained for f in estate.score().functions}


@given(estates())
def test_an_error_counts_as_unknown(estate: Estate) -> None:
    broken = estate.with_tallies(replace(t, unknown=0, error=t.unknown + t.error) for t in estate.tallies)
    assert broken.score() == estate.score()


@given(estates())
def test_what_does_not_apply_is_not_scored(estate: Estate) -> None:
    empty = estate.with_tallies(Tally(t.rule, t.target, not_applicable=t.not_applicable) for t in estate.tallies)
    assert set(empty.nodes().values()) == {None}
    assert set(estate.with_tallies(()).nodes().values()) == {None}


@given(estates())
def test_a_target_in_which_nothing_applies_changes_nothing(estate: Estate) -> None:
    more = [*estate.tallies, *(Tally(each.id, "aws:empty", not_applicable=2) for each in estate.rules)]
    assert estate.with_tallies(more).score() == estate.score()


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


@given(estates())
def test_attained_needs_the_bar_and_no_critical_finding_at_or_below(estate: Estate) -> None:
    failing = {t.rule for t in estate.tallies if t.fail}
    critical = {r.objective for r in estate.rules if r.severity is Severity.CRITICAL and r.id in failing}
    for function in estate.score().functions:
        reached = [each for p in function.practices for each in p.levels[: function.attained]]
        assert all(each.interval is None or each.interval.low >= F(4, 5) for each in reached)
        assert not critical & {o.objective for each in reached for o in each.objectives}
