"""What content can do to a score: what each rule costs when it fails and all else passes, and which levels no rule judges."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from cnamm_scan.aggregator.score import UNIT, Scorer
from cnamm_scan.aggregator.whatif import WhatIf
from cnamm_scan.model import LEVELS, Model, Rule, Severity, Tally

MANY = 10**6
"""Resources of which one failing is as little as can fail."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a rule takes of the overall score, all else passing: when whatever it judges fails, and when one of very many does."""

    rule: Rule
    most: Fraction
    least: Fraction


def flawless(rules: Iterable[Rule]) -> list[Tally]:
    """An estate in which every rule applies and passes: one target for each provider."""
    return [Tally(rule.id, f"{rule.provider}:flawless", pass_=1) for rule in rules]


def costs(model: Model, rules: Sequence[Rule], standing: Collection[str]) -> list[Cost]:
    """The cost of every rule in a flawless estate of all their providers, the dearest first."""
    tallies = flawless(rules)
    scorer = Scorer(rules, tallies, standing)
    what_if = WhatIf(scorer, model)

    def cost(rule: Rule, failed: Tally) -> Fraction:
        known = scorer.were(rule.objective, {(rule.id, failed.target): failed})
        return Fraction(what_if.overall - what_if.changed({rule.objective: known})[0], UNIT) if known is not None else Fraction(0)

    found = [
        Cost(rule, cost(rule, replace(passed, pass_=0, fail=1)), cost(rule, replace(passed, pass_=MANY - 1, fail=1)))
        for rule, passed in zip(rules, tallies, strict=True)
    ]
    return sorted(found, key=lambda each: (-each.most, each.rule.id))


def all_criticals_failing(model: Model, rules: Sequence[Rule], standing: Collection[str]) -> Fraction:
    """What is left of a flawless estate when each of its critical rules fails."""
    failing = [
        replace(passed, pass_=0, fail=1) if rule.severity is Severity.CRITICAL else passed
        for rule, passed in zip(rules, flawless(rules), strict=True)
    ]
    return Fraction(WhatIf(Scorer(rules, failing, standing), model).overall, UNIT)


@dataclass(frozen=True, slots=True)
class Gap:
    """A level of a practice that no rule judges: it widens every score of its function."""

    function: str
    practice: str
    level: int
    objectives: tuple[str, ...]


def gaps(model: Model, rules: Iterable[Rule]) -> Iterator[Gap]:
    """The levels that none of these rules judges."""
    judged = {rule.objective for rule in rules}
    for function in model.functions:
        for practice in function.practices:
            for level in LEVELS:
                asked = tuple(placed.objective for placed in practice.placements if placed.level == level)
                if not judged.intersection(asked):
                    yield Gap(function.id, practice.id, level, asked)
