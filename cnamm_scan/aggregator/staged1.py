"""The score as it was, `staged/1`, with its roadmap: kept as it ran, so that a bundle that was scored by it still says what it said.

Nothing new is scored by it. In exact fractions; each step is done twice, for what the evidence supports (low) and cannot rule out (high).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations

from cnamm_scan.aggregator.roadmap import MOST, in_order
from cnamm_scan.model import (
    ATTAINED_AT,
    LEVELS,
    STREAM_WEIGHTS,
    Function,
    FunctionRoadmap,
    FunctionScore,
    Interval,
    LevelScore,
    Model,
    ModelScore,
    ObjectiveScore,
    Placement,
    Practice,
    PracticeScore,
    Roadmap,
    Rule,
    Severity,
    Step,
    Tally,
)

ZERO, ONE = Fraction(0), Fraction(1)
NOTHING_SEEN = Interval(ZERO, ONE, ZERO)
SATISFIED = Interval(ONE, ONE, ONE)

Weighted = tuple[Fraction, Interval]


def mean(parts: Iterable[Weighted]) -> Interval | None:
    """The weighted mean of intervals, bound by bound; None of nothing."""
    weighted = list(parts)
    total = sum((weight for weight, _ in weighted), ZERO)
    if total == 0:
        return None
    return Interval(
        sum((weight * part.low for weight, part in weighted), ZERO) / total,
        sum((weight * part.high for weight, part in weighted), ZERO) / total,
        sum((weight * part.coverage for weight, part in weighted), ZERO) / total,
    )


def rule_in_target(tally: Tally) -> Interval | None:
    """Step 1: over the resources that the rule applies to. None: not applicable."""
    n = tally.judged
    if n == 0:
        return None
    known = tally.pass_ + tally.fail
    return Interval(Fraction(tally.pass_, n), Fraction(n - tally.fail, n), Fraction(known, n))


def objective_in_target(tallies: Iterable[Tally], severities: Mapping[str, Severity]) -> Interval | None:
    """Step 2: the mean of its applicable rules, weighted by severity."""
    parts = ((Fraction(severities[tally.rule].weight), rule_in_target(tally)) for tally in tallies)
    return mean((weight, part) for weight, part in parts if part is not None)


def objective_in_estate(
    tallies: Iterable[Tally], severities: Mapping[str, Severity], weights: Mapping[str, Fraction] | None = None
) -> Interval | None:
    """Step 3: the mean over the targets where it applies; target weights default to 1."""
    by_target: dict[str, list[Tally]] = {}
    for tally in tallies:
        by_target.setdefault(tally.target, []).append(tally)
    parts = ((target, objective_in_target(own, severities)) for target, own in by_target.items())
    return mean(((weights or {}).get(target, ONE), part) for target, part in parts if part is not None)


def level(objectives: Sequence[ObjectiveScore]) -> Interval | None:
    """Step 4: A(L), streams A and B at 0.6 and 0.4, over what applies. None: nothing at this level was judged.

    Objectives without a rule are left out of both bounds and count as nothing seen in coverage.
    """
    bounds, coverages = [], []
    for stream, weight in STREAM_WEIGHTS.items():
        own = [each for each in objectives if each.stream == stream]
        judged = mean((ONE, each.interval) for each in own if each.interval is not None)
        if judged is not None:
            bounds.append((weight, judged))
        seen = mean((ONE, each.interval or NOTHING_SEEN) for each in own if each.interval is not None or each.unjudged)
        if seen is not None:
            coverages.append((weight, seen))
    whole, seen_whole = mean(bounds), mean(coverages)
    if whole is None or seen_whole is None:
        return None
    return Interval(whole.low, whole.high, seen_whole.coverage)


def staged(levels: Mapping[int, Interval | None]) -> Interval | None:
    """Step 5: the sum over L of min(A(1) … A(L)). None: no level was judged.

    A level that nobody judged adds nothing to low, everything the levels beneath allow to high, caps no other level,
    and counts as nothing seen: so low and high meet exactly when coverage is whole.
    """
    if all(levels.get(number) is None for number in LEVELS):
        return None
    low = high = coverage = ZERO
    cap_low = cap_high = ONE
    for number in LEVELS:
        here = levels.get(number)
        if here is None:
            high += cap_high
            continue
        cap_low, cap_high = min(cap_low, here.low), min(cap_high, here.high)
        low += cap_low
        high += cap_high
        coverage += here.coverage
    return Interval(low, high, coverage / len(LEVELS))


def attained(levels: Sequence[LevelScore]) -> int:
    """The highest judged level such that every judged one up to it reaches 0.8 and no critical finding stands up to it; 0 for none."""
    reached = 0
    for each in levels:
        if each.has_critical:
            break
        if each.interval is None:
            continue
        if each.interval.low < ATTAINED_AT:
            break
        reached = each.level
    return reached


class Scorer:
    """Scores models from tallies. Holds what does not change between scores of one scan, so that `roadmap` can ask again."""

    def __init__(
        self,
        rules: Iterable[Rule],
        tallies: Iterable[Tally],
        target_weights: Mapping[str, Fraction] | None = None,
        function_weights: Mapping[str, Fraction] | None = None,
    ) -> None:
        """`rules` are those of the scanned providers, run or not; `tallies` what they gave. Weights come from a profile."""
        self.severities = {rule.id: rule.severity for rule in rules}
        self.function_weights = dict(function_weights or {})
        self._objective_of = {rule.id: rule.objective for rule in rules}
        by_objective: dict[str, list[Tally]] = {}
        for tally in tallies:
            by_objective.setdefault(self._objective_of[tally.rule], []).append(tally)
        self.tallies = by_objective
        self._with_rules = set(self._objective_of.values())
        self._intervals = {objective: objective_in_estate(own, self.severities, target_weights) for objective, own in by_objective.items()}
        self._criticals = {
            objective: any(tally.fail and self.severities[tally.rule] is Severity.CRITICAL for tally in own)
            for objective, own in by_objective.items()
        }

    def objective(self, placed: Placement, satisfied: frozenset[str] = frozenset()) -> ObjectiveScore:
        """One objective where it is asked for; one in `satisfied` counts as fully met."""
        name = placed.objective
        if name in satisfied:
            return ObjectiveScore(name, placed.level, placed.stream, SATISFIED, unjudged=False, critical=False)
        return ObjectiveScore(
            name,
            placed.level,
            placed.stream,
            self._intervals.get(name),
            unjudged=name not in self._with_rules,
            critical=self._criticals.get(name, False),
        )

    def practice(self, practice: Practice, satisfied: frozenset[str] = frozenset()) -> PracticeScore:
        """Steps 4 and 5 for one practice."""
        scored = [self.objective(placed, satisfied) for placed in practice.placements]
        levels = []
        for number in LEVELS:
            own = tuple(each for each in scored if each.level == number)
            levels.append(LevelScore(number, level(own), own, any(each.critical for each in own)))
        return PracticeScore(
            practice.id, practice.title, staged({each.level: each.interval for each in levels}), attained(levels), tuple(levels)
        )

    def function(self, function: Function, satisfied: frozenset[str] = frozenset()) -> FunctionScore:
        """Step 6 for one function: the mean of its practices; attained is what all of them have attained."""
        return self.fold(function, [self.practice(each, satisfied) for each in function.practices])

    def fold(self, function: Function, practices: Sequence[PracticeScore]) -> FunctionScore:
        """A function from practices that are scored already."""
        interval = mean((ONE, each.interval) for each in practices if each.interval is not None)
        return FunctionScore(function.id, function.title, interval, function_attained(practices), tuple(practices))

    def model(self, model: Model) -> ModelScore:
        """Step 6 for a whole model."""
        return self.fold_model(model, [self.function(each) for each in model.functions])

    def fold_model(self, model: Model, functions: Sequence[FunctionScore]) -> ModelScore:
        """A model from functions that are scored already."""
        interval = mean((self.function_weights.get(each.id, ONE), each.interval) for each in functions if each.interval is not None)
        return ModelScore(model.id, model.title, interval, tuple(functions))


def function_attained(practices: Sequence[PracticeScore]) -> int:
    """The highest level that some practice judges and that no practice falls short of."""
    reached = 0
    for number in LEVELS:
        here = [practice.levels[number - 1] for practice in practices]
        if any(each.has_critical for each in here):
            break
        judged = [each for each in here if each.interval is not None]
        if any(each.interval is not None and each.interval.low < ATTAINED_AT for each in judged):
            break
        if judged:
            reached = number
    return reached


# ---- what to do next ---------------------------------------------------------------------------------------------------------


def roadmap(scorer: Scorer, model: Model, score: ModelScore, most: int = MOST) -> Roadmap:
    """Plan the next steps of a scored model. `best` holds every open critical, and `most` others."""
    ways = []
    for function, scored in zip(model.functions, score.functions, strict=True):
        if scored.interval is None:
            continue
        way = _way(scorer, model, score, function, scored)
        if way is not None:
            ways.append(way)
    scored_ones = (
        each for function in score.functions for practice in function.practices for at in practice.levels for each in at.objectives
    )
    return in_order(ways, _single_steps(scorer, model, score), {each.objective for each in scored_ones if each.critical}, most)


def _single_steps(scorer: Scorer, model: Model, score: ModelScore) -> list[Step]:
    """Each open objective by itself."""
    found = {}
    for function in model.functions:
        for practice in function.practices:
            for placed in practice.placements:
                if placed.objective not in found and is_open(scorer.objective(placed)):
                    found[placed.objective] = _step(scorer, model, score, function, practice, placed.objective, placed.level)
    return list(found.values())


def is_open(objective: ObjectiveScore) -> bool:
    """Whether something is left to do or to see: it applies, is judged, and its low bound is not whole."""
    return objective.interval is not None and objective.interval.low < ONE


def _step(scorer: Scorer, model: Model, score: ModelScore, function: Function, practice: Practice, objective: str, at: int) -> Step:
    """The gain of one objective, wherever in the model it is asked for."""
    met = frozenset({objective})
    changed = {}
    for each, scored in zip(model.functions, score.functions, strict=True):
        if any(placed.objective == objective for own in each.practices for placed in own.placements):
            practices = [
                scorer.practice(own, met) if any(placed.objective == objective for placed in own.placements) else before
                for own, before in zip(each.practices, scored.practices, strict=True)
            ]
            changed[each.id] = scorer.fold(each, practices)
    after = scorer.fold_model(model, [changed.get(each.id, each) for each in score.functions])
    before = next(each for each in score.functions if each.id == function.id)
    return Step(objective, at, practice.id, _low(changed[function.id]) - _low(before), _low(after) - _low(score))


def _low(scored: FunctionScore | ModelScore) -> Fraction:
    return scored.interval.low if scored.interval is not None else Fraction(0)


def _way(scorer: Scorer, model: Model, score: ModelScore, function: Function, scored: FunctionScore) -> FunctionRoadmap | None:
    goal = next(
        (
            number
            for number in LEVELS
            if number > scored.attained and any(p.levels[number - 1].interval is not None for p in scored.practices)
        ),
        None,
    )
    if goal is None:
        return None
    chosen: dict[str, tuple[Practice, int]] = {}
    for practice, own in zip(function.practices, scored.practices, strict=True):
        for each in own.levels[:goal]:
            for objective in _smallest(each, frozenset(chosen)):
                chosen.setdefault(objective, (practice, each.level))
    for name in list(chosen):  # an objective that a later practice needs too may make an earlier choice needless
        rest = {other: at for other, at in chosen.items() if other != name}
        if function_attained(scorer.function(function, frozenset(rest)).practices) >= goal:
            chosen = rest
    steps = [_step(scorer, model, score, function, practice, name, at) for name, (practice, at) in chosen.items()]
    steps.sort(key=lambda step: (-step.function_gain, step.level, step.objective))
    after = scorer.function(function, frozenset(chosen))
    return FunctionRoadmap(function.id, scored.attained, function_attained(after.practices), tuple(steps), _low(after))


def _smallest(each: LevelScore, met: frozenset[str]) -> Sequence[str]:
    """The fewest open objectives that lift a level over the bar and clear its critical findings: subsets are tried, small ones first."""
    if each.interval is None:
        return ()
    must = [o.objective for o in each.objectives if o.critical and o.objective not in met]
    open_ones = [o for o in each.objectives if is_open(o) and o.objective not in met]
    # most to gain first, so that among sets of one size the most telling is found
    open_ones.sort(key=lambda o: (o.interval.low if o.interval else ONE, o.objective))
    names = [o.objective for o in open_ones]
    for size in range(len(must), len(names) + 1):
        for subset in combinations(names, size):
            if set(must) <= set(subset) and _reaches(each.objectives, frozenset(subset) | met):
                return subset
    return names


def _reaches(objectives: Sequence[ObjectiveScore], met: frozenset[str]) -> bool:
    tried = [
        ObjectiveScore(
            o.objective, o.level, o.stream, SATISFIED if o.objective in met and o.interval is not None else o.interval, o.unjudged, False
        )
        for o in objectives
    ]
    interval = level(tried)
    return interval is None or interval.low >= ATTAINED_AT
