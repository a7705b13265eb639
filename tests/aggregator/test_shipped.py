"""What the score must hold on what ships: severity reaches the headline, the laws over random estates, how little it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction as F
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnamm_scan import content as reader
from cnamm_scan.aggregator.roadmap import roadmap
from cnamm_scan.aggregator.score import Scorer
from cnamm_scan.aggregator.weights import Cost, all_criticals_failing, costs, flawless, gaps
from cnamm_scan.judged import scoring
from cnamm_scan.judged.scan import Scan
from cnamm_scan.judged.scoring import Judged, scored, standing
from cnamm_scan.model import Content, Interval, ModelScore, Rule, Severity, Tally, Target
from tests.examples import drawn
from tests.scores import moved, node_pairs

ESTATES = (("aws",), ("kubernetes",), ("aws", "kubernetes"))
each_estate = pytest.mark.parametrize("providers", ESTATES, ids="+".join)


@cache
def shipped() -> Content:
    return reader.load()


@cache
def always() -> frozenset[str]:
    return standing(shipped())


@cache
def rules_of(providers: Sequence[str]) -> list[Rule]:
    return scoring.rules_of(shipped(), providers)


@cache
def costs_of(providers: Sequence[str]) -> list[Cost]:
    return costs(shipped().models[0], rules_of(providers), always())


def score(providers: Sequence[str], tallies: Sequence[Tally]) -> ModelScore:
    return Scorer(rules_of(tuple(providers)), tallies, always()).model(shipped().models[0])


# ---- bounds that hold as content grows -----------------------------------------------------------------------------------


@each_estate
def test_no_failing_critical_costs_less_than_any_failing_low(providers: Sequence[str]) -> None:
    """Not even one resource in a million: a stranger at the data matters more than a practice that is missing everywhere."""
    found = costs_of(providers)
    cheapest = min((each for each in found if each.rule.severity is Severity.CRITICAL), key=lambda each: each.least)
    dearest = max((each for each in found if each.rule.severity is Severity.LOW), key=lambda each: each.most)
    assert cheapest.least >= dearest.most, (cheapest.rule.id, float(cheapest.least), dearest.rule.id, float(dearest.most))


@pytest.mark.parametrize("providers", [own for own in ESTATES if "aws" in own], ids="+".join)
def test_root_without_a_second_factor_alone_is_felt_overall(providers: Sequence[str]) -> None:
    (root,) = [each for each in costs_of(providers) if each.rule.id == "aws.account.root_mfa"]
    assert root.most >= F(1, 10)


@each_estate
def test_all_criticals_failing_and_all_else_passing_leave_at_most_half(providers: Sequence[str]) -> None:
    assert all_criticals_failing(shipped().models[0], rules_of(providers), always()) <= F(5, 2)


@each_estate
def test_a_flawless_estate_reads_five_but_for_the_levels_without_a_rule(providers: Sequence[str]) -> None:
    made = score(providers, flawless(rules_of(providers)))
    missing = Counter((gap.function, gap.practice) for gap in gaps(shipped().models[0], rules_of(providers)))
    for function in made.functions:
        for practice in function.practices:
            assert practice.interval is not None
            assert (practice.interval.low, practice.interval.high) == (F(5 - missing[function.id, practice.id]), F(5))
    assert made.interval is not None
    assert made.interval.high == 5


# ---- targets ---------------------------------------------------------------------------------------------------------------


def _beside_empty_ones(empty: int) -> Interval:
    """A perfect account with so many others of which only what every account has applies, and fails: no trail, root without MFA."""
    rules = rules_of(("aws",))
    tallies = [Tally(rule.id, "aws:perfect", pass_=1) for rule in rules]
    for n in range(empty):
        tallies += [
            Tally(rule.id, f"aws:empty{n}", fail=1) if rule.for_each in always() else Tally(rule.id, f"aws:empty{n}") for rule in rules
        ]
    made = score(("aws",), tallies).interval
    assert made is not None
    return made


def test_nine_empty_accounts_beside_a_perfect_one_change_little() -> None:
    assert _beside_empty_ones(0).low > F(49, 10)
    assert _beside_empty_ones(9).low >= F(35, 10)
    assert _beside_empty_ones(9).low < _beside_empty_ones(1).low < _beside_empty_ones(0).low


# ---- laws over random estates of real rules --------------------------------------------------------------------------------


@st.composite
def estates(draw: st.DrawFn) -> tuple[Sequence[str], list[Tally]]:
    """Several targets in which random rules were judged: mostly passing, mostly failing, or anything."""
    providers = draw(st.sampled_from(ESTATES))
    random = draw(st.randoms(use_true_random=False))
    tallies = []
    for n in range(draw(st.integers(1, 3))):
        provider = random.choice(providers)
        share, fails, unseen = random.random(), random.choice((0.02, 0.5, 0.9)), random.choice((0.0, 0.1, 0.5))
        for rule in rules_of((provider,)):
            if random.random() < share:
                counts: Counter[str] = Counter()
                for _ in range(random.randint(1, 4)):
                    drawn = random.random()
                    counts["unknown" if drawn < unseen else "fail" if random.random() < fails else "pass_"] += 1
                tallies.append(Tally(rule.id, f"{provider}:{n}", **counts))
            else:
                tallies.append(Tally(rule.id, f"{provider}:{n}", not_applicable=random.randint(0, 2)))
    return providers, tallies


MOVES: Mapping[str, tuple[str, str]] = {
    "an unknown turns out to pass": ("unknown", "pass_"),
    "an unknown turns out to fail": ("unknown", "fail"),
    "a fail is fixed": ("fail", "pass_"),
    "a pass is lost from sight": ("pass_", "unknown"),
    "a fail is lost from sight": ("fail", "unknown"),
}
few = settings(max_examples=drawn(6), deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("move", MOVES)
@few
@given(estate=estates(), data=st.data())
def test_the_laws_hold_on_what_ships(move: str, estate: tuple[Sequence[str], list[Tally]], data: st.DataObject) -> None:
    providers, tallies = estate
    source, goal = MOVES[move]
    able = [n for n, tally in enumerate(tallies) if getattr(tally, source)]
    if not able:
        return
    chosen = set(data.draw(st.lists(st.sampled_from(able), min_size=1, max_size=5)))
    after = [moved(tally, source, goal) if n in chosen else tally for n, tally in enumerate(tallies)]
    for _, old, new in node_pairs(score(providers, tallies), score(providers, after)):
        assert 0 <= new.low <= new.high <= 5
        assert new.coverage < 1 or new.low == new.high
        if goal == "pass_":
            assert new.low >= old.low
            assert new.high >= old.high
        elif goal == "fail":
            assert new.low <= old.low
            assert new.high <= old.high
        else:
            assert new.low <= old.low
            assert new.high >= old.high


@few
@given(estates(), st.integers(2, 4), st.randoms(use_true_random=False))
def test_doubling_and_order_change_nothing_on_what_ships(estate: tuple[Sequence[str], list[Tally]], times: int, random: object) -> None:
    providers, tallies = estate
    grown = [
        Tally(t.rule, t.target, t.pass_ * times, t.fail * times, t.unknown * times, t.not_applicable * times) for t in reversed(tallies)
    ]
    assert score(providers, grown) == score(providers, tallies)


# ---- how much is counted ---------------------------------------------------------------------------------------------------


@each_estate
def test_a_step_of_the_roadmap_adds_up_only_the_practices_that_it_touches(
    providers: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many steps are open: a practice is added up once as it stands, and once for each step that is asked for in it."""
    rules, model = rules_of(providers), shipped().models[0]
    failing = [replace(tally, pass_=1, fail=1) for tally in flawless(rules)]
    scorer = Scorer(rules, failing, always())
    counted: Counter[str] = Counter()
    cells = Scorer.cells

    def count(self: Scorer, practice: object, changed: object = None) -> object:
        counted["touched" if changed and len(changed) == 1 else "whole" if not changed else "ways"] += 1  # type: ignore[arg-type]
        return cells(self, practice, changed)  # type: ignore[arg-type]

    monkeypatch.setattr(Scorer, "cells", count)
    made = roadmap(scorer, model, most=999)
    practices = [practice for function in model.functions for practice in function.practices]
    places = Counter(name for practice in practices for name in {placed.objective for placed in practice.placements})
    steps = [each.objective for each in made.best] + [each.objective for way in made.functions for each in way.steps]
    assert counted["whole"] == len(practices)
    assert counted["touched"] <= sum(places[name] for name in scorer.found) + sum(places[name] for name in steps)
    assert counted["ways"] <= 3 * len(practices) * (1 + max(len(way.steps) for way in made.functions))


def test_the_scores_of_targets_read_each_count_once_and_plan_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = rules_of(("kubernetes",))
    targets = [Target(f"kubernetes:{n}", "kubernetes", str(n)) for n in range(3)]
    tallies = [Tally(rule.id, target.id, pass_=1) for rule in rules for target in targets]
    whole = scored(shipped(), tallies, targets)
    made = Scan(shipped(), {}, targets, tallies, whole.models, whole.roadmaps, (), weights=whole.weights)
    read: list[int] = []

    def count(content: Content, own: Sequence[Tally], of: Sequence[Target], method: str, *, ways: bool) -> Judged:
        assert not ways
        read.append(len(own))
        return scored(content, own, of, method, ways=ways)

    monkeypatch.setattr("cnamm_scan.judged.scan.scored", count)
    for target in targets:
        (alone,) = made.models_of(target)
        assert alone.interval == whole.models[0].interval
    assert read == [len(rules)] * 3
    assert len(set(whole.weights.values())) == 1
    of_one = Scan(shipped(), {}, targets[:1], tallies[::3], whole.models, whole.roadmaps, ())
    assert of_one.models_of(targets[0]) == whole.models
    assert len(read) == 3
