"""The score, `staged/2`: every step of docs/auditors.md as a function, in whole numbers. Checkable with a pencil.

Each step is done twice, for what the evidence supports (low) and for what it cannot rule out (high). A value is a whole number of
millionths of millionths, and every division rounds down: sums are exact, so neither order nor size of an estate changes anything, and no
step can turn more into less. What is told is rounded to six places, once, at the end: there it is what a pencil finds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from cnamm_scan.model import (
    ATTAINED_AT,
    LEVELS,
    STREAM_WEIGHTS,
    Drag,
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

UNIT = 10**12
"""A whole: 1 is so many units."""
SHOWN = UNIT // 10**6
"""What scores are told to: six places."""
BAR = int(ATTAINED_AT * UNIT) - SHOWN // 2
"""What a level needs to be attained: to be told so."""
STREAMS: Mapping[str, int] = {stream: int(weight * 10) for stream, weight in STREAM_WEIGHTS.items()}
UNJUDGED_WEIGHT = Severity.MEDIUM.weight
"""What an objective without a rule weighs in coverage: the commonest weight of those that have one."""


class Units(NamedTuple):
    """An interval in units."""

    low: int
    high: int
    coverage: int


class Found(NamedTuple):
    """What is known of an objective in the estate, values in units."""

    bounds: Units
    weight: int
    """Of its heaviest rule that applies."""
    least: int = 0
    """The drag of what failed critically."""
    most: int = 0
    """The same with what could not be seen counted as failing."""
    can_drag: bool = False
    """Whether a critical rule applies."""
    is_critical: bool = False
    """Whether a critical finding stands against it."""

    def satisfied(self) -> Found:
        """The same when all of it passes and was seen."""
        return self._replace(bounds=Units(UNIT, UNIT, UNIT), least=0, most=0, is_critical=False)


def mean(parts: Sequence[tuple[int, Units]]) -> Units | None:
    """The weighted mean, bound by bound; None of nothing."""
    total = low = high = coverage = 0
    for weight, part in parts:
        total += weight
        low += weight * part.low
        high += weight * part.high
        coverage += weight * part.coverage
    return Units(low // total, high // total, coverage // total) if total else None


def rule_in_target(tally: Tally) -> Units | None:
    """Step 1: over the resources that the rule applies to. None: not applicable."""
    n = tally.judged
    if n == 0:
        return None
    return Units(tally.pass_ * UNIT // n, (n - tally.fail) * UNIT // n, (tally.pass_ + tally.fail) * UNIT // n)


def objective_in_target(tallies: Iterable[Tally], severities: Mapping[str, Severity]) -> Units | None:
    """Step 2: the mean of its applicable rules, weighted by severity."""
    parts = ((severities[tally.rule].weight, rule_in_target(tally)) for tally in tallies)
    return mean([(weight, part) for weight, part in parts if part is not None])


def critical_in_target(tallies: Iterable[Tally], severities: Mapping[str, Severity]) -> tuple[int, int] | None:
    """Step 2 for its critical rules: the mean share that failed, and that failed or was not seen. None: no critical rule applies."""
    count = failed = doubted = 0
    for tally in tallies:
        n = tally.judged
        if n and severities[tally.rule] is Severity.CRITICAL:
            count += 1
            failed += tally.fail * UNIT // n
            doubted += (n - tally.pass_) * UNIT // n
    return (failed // count, doubted // count) if count else None


def target_weights(tallies: Iterable[Tally], rules: Mapping[str, Rule], standing: Collection[str] = ()) -> dict[str, int]:
    """Step 3: what a target weighs: as the rules that apply to what is in it, by severity; at least 1.

    Rules over `standing` tables apply in every target, also in an empty one, and count for nothing.
    """
    weights: dict[str, int] = {}
    for tally in tallies:
        rule = rules[tally.rule]
        counts = tally.judged and rule.for_each not in standing
        weights[tally.target] = weights.get(tally.target, 0) + (rule.severity.weight if counts else 0)
    return {target: max(1, weight) for target, weight in weights.items()}


def objective_in_estate(tallies: Iterable[Tally], severities: Mapping[str, Severity], weights: Mapping[str, int]) -> Found | None:
    """Step 3: the mean over the targets where it applies. A critical finding anywhere drags by a half, and by more as more of it fails."""
    by_target: dict[str, list[Tally]] = {}
    for tally in tallies:
        by_target.setdefault(tally.target, []).append(tally)
    parts: list[tuple[int, Units]] = []
    heaviest = total = failed = doubted = 0
    for target, own in by_target.items():
        part = objective_in_target(own, severities)
        if part is None:
            continue
        weight = weights[target]
        parts.append((weight, part))
        heaviest = max(heaviest, *(severities[tally.rule].weight for tally in own if tally.judged))
        shares = critical_in_target(own, severities)
        if shares is not None:
            total += weight
            failed += weight * shares[0]
            doubted += weight * shares[1]
    bounds = mean(parts)
    if bounds is None:
        return None
    least, most = (half_and(share // total) if share else 0 for share in (failed, doubted)) if total else (0, 0)
    return Found(bounds, heaviest, least, most, total > 0, failed > 0)


def half_and(share: int) -> int:
    """A drag: a half for being there at all, the other half by how much of it."""
    return (UNIT + share) // 2


def level(parts: Sequence[tuple[int, Found]], unjudged: int = 0) -> Units | None:
    """Step 4: A(L), the mean of what applies by (stream x weight), no higher than its worst critical finding lets it be.

    None: nothing at this level was judged. `unjudged`: what objectives without a rule weigh, nothing of which was seen.
    """
    whole = mean([(weight, found.bounds) for weight, found in parts])
    if whole is None:
        return None
    total = sum(weight for weight, _ in parts)
    return Units(
        min(whole.low, UNIT - max(found.most for _, found in parts)),
        min(whole.high, UNIT - max(found.least for _, found in parts)),
        whole.coverage * total // (total + unjudged),
    )


class Cell(NamedTuple):
    """A level of a practice as it is added up."""

    bounds: Units | None
    has_rule: bool = True
    is_critical: bool = False


def staged(cells: Sequence[Cell]) -> Units | None:
    """Step 5: the sum over L of min(A(1) … A(L)). None: no level was judged.

    A level that is known not to apply repeats what stands beneath it (before the first that was judged: what stands there), so it neither
    gives nor takes. One without a rule adds nothing to low, all that stands beneath it to high, and counts as nothing seen.
    """
    first = next((cell.bounds for cell in cells if cell.bounds is not None), None)
    if first is None:
        return None
    low = high = coverage = counted = 0
    cap_low, cap_high, is_above = first.low, first.high, False
    for cell in cells:
        if cell.bounds is None and not cell.has_rule:
            high += cap_high if is_above else UNIT
            counted += 1
            continue
        if cell.bounds is not None:
            is_above = True
            cap_low, cap_high = min(cap_low, cell.bounds.low), min(cap_high, cell.bounds.high)
            coverage += cell.bounds.coverage
            counted += 1
        low += cap_low
        high += cap_high
    return Units(low, high, coverage // counted)


def attained(practices: Sequence[Sequence[Cell]]) -> int:
    """The highest level that some practice judges, that none falls short of, and up to which at least half of what there is was judged.

    No critical finding may stand up to it. Practices of which nothing was judged are left out; 0: not even the first.
    """
    applying = [cells for cells in practices if any(cell.bounds is not None for cell in cells)]
    reached = judged = 0
    for number, here in enumerate(zip(*applying, strict=True), 1):
        lows = [cell.bounds.low for cell in here if cell.bounds is not None]
        if any(cell.is_critical for cell in here) or any(low < BAR for low in lows):
            break
        judged += len(lows)
        if lows and is_enough(judged, number * len(applying)):
            reached = number
    return reached


def is_enough(judged: int, cells: int) -> bool:
    """Whether so many judged of so many cells can carry an attained level."""
    return 2 * judged >= cells


def held(whole: Units, drags: Sequence[tuple[int, int]]) -> tuple[Units, tuple[int, int]]:
    """Step 6: what is left of a mean of functions, and the (least, most) share that is taken: up to half, by the mean drag of `drags`."""
    if not drags:
        return whole, (0, 0)
    least = sum(own for own, _ in drags) // (2 * len(drags))
    most = sum(own for _, own in drags) // (2 * len(drags))
    return Units(whole.low * (UNIT - most) // UNIT, whole.high * (UNIT - least) // UNIT, whole.coverage), (least, most)


def told(units: int) -> Fraction:
    """A value to six places, the nearest."""
    return Fraction((units + SHOWN // 2) // SHOWN, UNIT // SHOWN)


def interval(units: Units | None) -> Interval | None:
    """An interval as it is told. A coverage of 1 is whole: what is almost seen stays beneath."""
    if units is None:
        return None
    coverage = told(units.coverage if units.coverage == UNIT else min(units.coverage, UNIT - SHOWN))
    return Interval(told(units.low), told(units.high), coverage)


def whole_numbers(weights: Mapping[str, Fraction]) -> tuple[dict[str, int], int]:
    """A profile's weights as whole numbers, and what 1 is among them."""
    one = lcm(*(weight.denominator for weight in weights.values()))
    return {name: int(weight * one) for name, weight in weights.items()}, one


class Scorer:
    """Scores models from tallies. Holds what does not change between scores of one scan, so that others can ask what if."""

    def __init__(
        self,
        rules: Iterable[Rule],
        tallies: Iterable[Tally],
        standing: Collection[str] = (),
        profile: Mapping[str, Fraction] | None = None,
        function_weights: Mapping[str, Fraction] | None = None,
    ) -> None:
        """`rules` are those of the scanned providers, run or not; `tallies` what they gave; `standing` the tables that every target has.

        `profile` weighs targets, `function_weights` functions: 1 where they say nothing.
        """
        self.rules = {rule.id: rule for rule in rules}
        self.severities = {rule.id: rule.severity for rule in self.rules.values()}
        self._function_weights, self._one = whole_numbers(function_weights or {})
        self._by_objective: dict[str, list[Tally]] = {}
        tallies = list(tallies)
        for tally in tallies:
            self._by_objective.setdefault(self.rules[tally.rule].objective, []).append(tally)
        named, one = whole_numbers(profile or {})
        self.weights = target_weights(tallies, self.rules, standing)
        """Target -> what it weighs, before a profile."""
        self._weights = {target: weight * named.get(target, one) for target, weight in self.weights.items()}
        self.with_rules = {rule.objective for rule in self.rules.values()}
        self.found = {name: known for name in self._by_objective if (known := self.were(name)) is not None}
        """Objective -> what is known of it, of those that apply."""

    def were(self, objective: str, changed: Mapping[tuple[str, str], Tally] | None = None) -> Found | None:
        """What would be known of an objective, were some of its counts others: by (rule, target). What applies must stay the same."""
        own = self._by_objective.get(objective, [])
        if changed:
            own = [changed.get((tally.rule, tally.target), tally) for tally in own]
        return objective_in_estate(own, self.severities, self._weights)

    def objective(self, placed: Placement) -> ObjectiveScore:
        """One objective where it is asked for."""
        name, known = placed.objective, self.found.get(placed.objective)
        if known is None:
            return ObjectiveScore(name, placed.level, placed.stream, None, name not in self.with_rules, critical=False)
        drag = Drag(told(known.least), told(known.most)) if known.can_drag else None
        return ObjectiveScore(
            name,
            placed.level,
            placed.stream,
            interval(known.bounds),
            unjudged=False,
            critical=known.is_critical,
            weight=known.weight,
            drag=drag,
        )

    def cells(self, practice: Practice, changed: Mapping[str, Found] | None = None) -> list[Cell]:
        """Step 4 for each level of a practice; `changed` stands for what is known of some objectives."""
        made = []
        for number in LEVELS:
            parts: list[tuple[int, Found]] = []
            unjudged = 0
            has_rule = False
            for placed in practice.placements:
                if placed.level != number:
                    continue
                name, stream = placed.objective, STREAMS[placed.stream]
                known = changed[name] if changed and name in changed else self.found.get(name)
                if known is not None:
                    parts.append((stream * known.weight, known))
                elif name not in self.with_rules:
                    unjudged += stream * UNJUDGED_WEIGHT
                    continue
                has_rule = True
            made.append(Cell(level(parts, unjudged), has_rule, any(known.is_critical for _, known in parts)))
        return made

    def _practice(self, practice: Practice, cells: Sequence[Cell]) -> PracticeScore:
        """Steps 4 and 5 for one practice."""
        scored = [self.objective(placed) for placed in practice.placements]
        levels = tuple(
            LevelScore(number, interval(cell.bounds), tuple(o for o in scored if o.level == number), cell.is_critical, cell.has_rule)
            for number, cell in zip(LEVELS, cells, strict=True)
        )
        return PracticeScore(practice.id, practice.title, interval(staged(cells)), attained([cells]), levels)

    def _function(self, function: Function) -> tuple[FunctionScore, Units | None]:
        """Step 6 for one function: the mean of its practices; attained is what all of them have attained."""
        cells = [self.cells(practice) for practice in function.practices]
        bounds = mean_of(staged(own) for own in cells)
        practices = tuple(self._practice(practice, own) for practice, own in zip(function.practices, cells, strict=True))
        return FunctionScore(function.id, function.title, interval(bounds), attained(cells), practices), bounds

    def whole(self, model: Model, functions: Sequence[Units | None]) -> Units | None:
        """Step 6: the mean of a model's functions, of those that there are, before critical findings take of it."""
        weighed = zip(model.functions, functions, strict=True)
        return mean([(self._function_weights.get(each.id, self._one), bounds) for each, bounds in weighed if bounds is not None])

    def model(self, model: Model) -> ModelScore:
        """Step 6 for a whole model: the mean of its functions, less what critical findings take."""
        functions = [self._function(function) for function in model.functions]
        whole = self.whole(model, [bounds for _, bounds in functions])
        scores = tuple(scored for scored, _ in functions)
        if whole is None:
            return ModelScore(model.id, model.title, None, scores)
        drags = self.drags(model)
        left, (least, most) = held(whole, list(drags.values()))
        drag = Drag(told(least), told(most)) if drags else None
        return ModelScore(model.id, model.title, interval(left), scores, interval(whole), drag)

    def drags(self, model: Model) -> dict[str, tuple[int, int]]:
        """Objective -> (least, most) drag, of those of a model that a critical rule judges; each once, wherever it is asked for."""
        asked = (objective for function in model.functions for objective in function.asks)
        known = ((name, self.found.get(name)) for name in dict.fromkeys(asked))
        return {name: (each.least, each.most) for name, each in known if each is not None and each.can_drag}


def mean_of(parts: Iterable[Units | None]) -> Units | None:
    """The plain mean of those that there are."""
    return mean([(1, each) for each in parts if each is not None])
