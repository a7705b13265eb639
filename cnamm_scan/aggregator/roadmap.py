"""What to do next: the smallest set of objectives that reaches a function's next level, and the exact gain of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Literal

from cnamm_scan.aggregator.score import BAR, STREAMS, UNIT, Cell, Found, Scorer, attained, is_enough, level, told
from cnamm_scan.aggregator.whatif import WhatIf
from cnamm_scan.model import LEVELS, Function, FunctionRoadmap, Model, Placement, Practice, Roadmap, Step

MOST = 100
"""Steps that a roadmap holds beside open criticals: a report names the first of those that it has something to say of."""


def roadmap(scorer: Scorer, model: Model, most: int = MOST) -> Roadmap:
    """Plan the next steps of a model. `best` holds every open critical, and `most` others."""
    what_if = WhatIf(scorer, model)
    steps: dict[str, Step] = {}
    for number, function in enumerate(model.functions):
        for practice in function.practices:
            for placed in practice.placements:
                if placed.objective not in steps and _is_open(scorer.found.get(placed.objective)):
                    steps[placed.objective] = _step(what_if, number, practice, placed.objective, placed.level)
    ways = [way for number in range(len(model.functions)) if (way := _way(what_if, model, number)) is not None]
    return in_order(ways, steps.values(), {name for name, known in scorer.found.items() if known.is_critical}, most)


def in_order(ways: Sequence[FunctionRoadmap], steps: Iterable[Step], criticals: Collection[str], most: int) -> Roadmap:
    """What to do first: open criticals, then what some function's next level waits for, then what gains most.

    A gain alone misleads: a critical finding among many gains little once it is gone, and nobody may leave it open for that. So none is
    ever left out; of the others there are at most `most`.
    """
    waited_for = {step.objective for way in ways for step in way.steps}

    def why(step: Step) -> Step:
        because: Literal["critical", "blocks", "gain"] = (
            "critical" if step.objective in criticals else "blocks" if step.objective in waited_for else "gain"
        )
        return replace(step, because=because)

    known = sorted(map(why, steps), key=first)
    open_ones = [step for step in known if step.because == "critical"]
    rest = [step for step in known if step.because == "blocks" or (step.because == "gain" and step.overall_gain > 0)]
    told = tuple(replace(way, steps=tuple(why(step) for step in way.steps)) for way in ways)
    return Roadmap(told, (*open_ones, *rest[:most]))


def first(step: Step) -> tuple[int, int, Fraction, int, str]:
    """The order of what to do first, as a sort key: open criticals by level, then what blocks and what gains, by what it gains."""
    rank = ("critical", "blocks", "gain").index(step.because)
    return rank, step.level if rank == 0 else 0, -step.overall_gain, step.level, step.objective


def _is_open(known: Found | None) -> bool:
    """Whether something is left to do or to see: it applies, is judged, and its low bound is not whole."""
    return known is not None and known.bounds.low < UNIT


def _step(what_if: WhatIf, number: int, practice: Practice, objective: str, at: int) -> Step:
    """The gain of one objective, wherever in the model it is asked for."""
    overall, functions = what_if.changed(what_if.met([objective]))
    return Step(
        objective,
        at,
        practice.id,
        told(functions[number]) - told(what_if.function(number)),
        told(overall) - told(what_if.overall),
    )


def _way(what_if: WhatIf, model: Model, number: int) -> FunctionRoadmap | None:
    function, cells = model.functions[number], what_if.cells[number]
    before = attained(cells)
    goal = _goal(cells, before)
    if goal is None:
        return None
    chosen: dict[str, tuple[Practice, int]] = {}
    for practice, own in zip(function.practices, cells, strict=True):
        for at in LEVELS[:goal]:
            if own[at - 1].bounds is not None:
                placed = [each for each in practice.placements if each.level == at]
                for objective in _smallest(what_if.scorer, placed, chosen):
                    chosen.setdefault(objective, (practice, at))
    for name in list(chosen):  # an objective that a later practice needs too may make an earlier choice needless
        rest = {other: at for other, at in chosen.items() if other != name}
        if _attained(what_if, function, rest) >= goal:
            chosen = rest
    steps = [_step(what_if, number, practice, name, at) for name, (practice, at) in chosen.items()]
    steps.sort(key=lambda step: (-step.function_gain, step.level, step.objective))
    _, after = what_if.changed(what_if.met(chosen))
    return FunctionRoadmap(
        function.id, before, _attained(what_if, function, chosen), tuple(steps), told(after.get(number, what_if.function(number)))
    )


def _attained(what_if: WhatIf, function: Function, met: Iterable[str]) -> int:
    return attained(what_if.cells_met(function, met))


def _goal(practices: Sequence[Sequence[Cell]], before: int) -> int | None:
    """The next level that can be attained at all: some practice judges it, and up to it enough was judged."""
    applying = [cells for cells in practices if any(cell.bounds is not None for cell in cells)]
    judged = 0
    for number in LEVELS:
        here = sum(cells[number - 1].bounds is not None for cells in applying)
        judged += here
        if number > before and here and is_enough(judged, number * len(applying)):
            return number
    return None


def _smallest(scorer: Scorer, placed: Sequence[Placement], met: Iterable[str]) -> list[str]:
    """The fewest open objectives that lift a level over the bar and clear its critical findings.

    Whatever holds the level down must go; then what gains most goes first. A level is a sum of what its objectives give, so that none do
    it in fewer.
    """
    known = {each.objective: scorer.found[each.objective] for each in placed if each.objective in scorer.found}
    known.update({name: known[name].satisfied() for name in met if name in known})
    weights = {each.objective: STREAMS[each.stream] * known[each.objective].weight for each in placed if each.objective in known}

    def gain(name: str) -> int:
        return weights[name] * (UNIT - known[name].bounds.low)

    must = [name for name, each in known.items() if each.most]
    others = sorted((name for name, each in known.items() if not each.most and _is_open(each)), key=lambda name: (-gain(name), name))
    chosen: list[str] = []
    for name in [*must, *others]:
        reached = level([(weights[each], found) for each, found in known.items()])
        if name not in must and reached is not None and reached.low >= BAR:
            break
        known[name] = known[name].satisfied()
        chosen.append(name)
    return chosen
