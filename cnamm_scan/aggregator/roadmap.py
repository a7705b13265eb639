"""What to do next: the smallest set of objectives that reaches a function's next level, and the exact gain of each."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

from cnamm_scan.aggregator.score import ONE, SATISFIED, Scorer, function_attained, level
from cnamm_scan.model import (
    ATTAINED_AT,
    LEVELS,
    Function,
    FunctionRoadmap,
    FunctionScore,
    LevelScore,
    Model,
    ModelScore,
    ObjectiveScore,
    Practice,
    Roadmap,
    Step,
)


def roadmap(scorer: Scorer, model: Model, score: ModelScore, most: int = 5) -> Roadmap:
    """Plan the next steps of a scored model. `best` holds the `most` steps with the highest gain overall."""
    ways = []
    for function, scored in zip(model.functions, score.functions, strict=True):
        if scored.interval is None:
            continue
        way = _way(scorer, model, score, function, scored)
        if way is not None:
            ways.append(way)
    best = sorted(_single_steps(scorer, model, score), key=lambda step: (-step.overall_gain, step.level, step.objective))
    return Roadmap(tuple(ways), tuple(step for step in best if step.overall_gain > 0)[:most])


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
