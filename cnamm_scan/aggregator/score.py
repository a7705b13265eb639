"""The score, `staged/1`: every step of SCORING.md as a function, in exact fractions. Checkable with a pencil.

Each step is done twice, for what the evidence supports (low) and for what it cannot rule out (high).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from cnamm_scan.model import (
    ATTAINED_AT,
    LEVELS,
    STREAM_WEIGHTS,
    Function,
    FunctionScore,
    Interval,
    LevelScore,
    Model,
    ModelScore,
    ObjectiveScore,
    Placement,
    Practice,
    PracticeScore,
    Rule,
    Severity,
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
