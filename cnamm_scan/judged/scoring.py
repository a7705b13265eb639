"""From counts to scores: one place for a scan, for one of its targets, for a bundle that is judged again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

from cnamm_scan.aggregator import staged1
from cnamm_scan.aggregator.roadmap import roadmap
from cnamm_scan.aggregator.score import Scorer
from cnamm_scan.doing import doing
from cnamm_scan.model import (
    ESTATE_TABLE,
    FIRST_SCORING,
    SCORING_MODEL,
    Content,
    Drag,
    Interval,
    ModelScore,
    Roadmap,
    Rule,
    Tally,
    Target,
)
from cnamm_scan.providers.catalog import KINDS


class ScoreWriter(Protocol):
    """Where scores go: the evidence writer."""

    def entry(self, kind: str, name: str, body: Mapping[str, Any]) -> None:
        """Store one line of a kind under its name."""
        ...


@dataclass(frozen=True, slots=True)
class Judged:
    """What was counted, and the scores that follow from it."""

    content: Content
    targets: Sequence[Target]
    tallies: Sequence[Tally]
    models: Sequence[ModelScore]
    roadmaps: Mapping[str, Roadmap]
    method: str = SCORING_MODEL
    """How they were scored."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Target -> what it weighs; 1 where it is not named."""


def unselected(content: Content, run: Collection[str], targets: Sequence[Target]) -> Iterator[Tally]:
    """A rule that was not selected is not seen: a selection narrows what is known, it never lifts a score."""
    for rule in _rules_for(content, targets):
        if rule.id not in run:
            yield from (Tally(rule.id, target.id, unknown=1) for target in targets if rule.provider in ("estate", target.provider))


def rules_of(content: Content, providers: Collection[str]) -> list[Rule]:
    """The rules of some providers, without those that are deprecated."""
    return [rule for rule in content.rules.values() if rule.status != "deprecated" and rule.provider in providers]


def _rules_for(content: Content, targets: Sequence[Target]) -> list[Rule]:
    return rules_of(content, {"estate", *(target.provider for target in targets)})


def standing(content: Content) -> frozenset[str]:
    """The tables with a row in every target, also in an empty one: those whose listing is one answer, and those that a wing names."""
    single = {table.id for table in content.tables.values() if table.list.items == "@" and table.list.for_ is None and table.each is None}
    return frozenset({ESTATE_TABLE, *single}).union(*(kind.standing for kind in KINDS.values()))


Scored = tuple[list[ModelScore], dict[str, Roadmap], Mapping[str, int]]
"""The scores of every model; where they were wanted, model -> the ways up; target -> what it weighs."""


def _staged2(content: Content, rules: Sequence[Rule], tallies: Sequence[Tally], *, ways: bool) -> Scored:
    scorer = Scorer(rules, tallies, standing(content))
    models = [scorer.model(model) for model in content.models]
    return models, {model.id: roadmap(scorer, model) for model in content.models} if ways else {}, scorer.weights


def _staged1(content: Content, rules: Sequence[Rule], tallies: Sequence[Tally], *, ways: bool) -> Scored:
    scorer = staged1.Scorer(rules, tallies)
    models = [scorer.model(model) for model in content.models]
    pairs = zip(content.models, models, strict=True)
    return models, {model.id: staged1.roadmap(scorer, model, score) for model, score in pairs} if ways else {}, {}


METHODS: Mapping[str, Callable[..., Scored]] = {SCORING_MODEL: _staged2, FIRST_SCORING: _staged1}
"""Scoring model -> how it scores. Old ones stay, so that what was scored by them can be told as it was."""


def scored(
    content: Content, tallies: Sequence[Tally], targets: Sequence[Target], method: str = SCORING_MODEL, *, ways: bool = True
) -> Judged:
    """The scores of every model, and the ways up, from what each rule counted in each target; by a `method` of METHODS."""
    doing("scoring")
    named = {tally.rule for tally in tallies}
    rules = {rule.id: rule for rule in _rules_for(content, targets)}
    rules.update({name: content.rules[name] for name in named if name in content.rules})
    models, roadmaps, weights = METHODS[method](content, list(rules.values()), tallies, ways=ways)
    return Judged(content, targets, tallies, models, roadmaps, method, weights)


def write_scores(writer: ScoreWriter, judged: Judged) -> None:
    """Store tallies, objectives and scores as lines of evidence."""
    for tally in judged.tallies:
        writer.entry(
            "tally",
            f"{tally.rule}|{tally.target}",
            {
                "rule": tally.rule,
                "target": tally.target,
                "pass": tally.pass_,
                "fail": tally.fail,
                "unknown": tally.unknown,
                "not_applicable": tally.not_applicable,
                "error": tally.error,
            },
        )
    for model in judged.models:
        for function in model.functions:
            for practice in function.practices:
                for level in practice.levels:
                    for objective in level.objectives:
                        name = f"{model.id}|{function.id}|{practice.id}|{objective.objective}"
                        body = {"objective": objective.objective, "level": objective.level, "stream": objective.stream}
                        body |= {**_bounds(objective.interval), "unjudged": objective.unjudged}
                        writer.entry("objective", name, {**body, "weight": objective.weight, "critical": _drag(objective.drag)})
                name = f"{model.id}|{function.id}|{practice.id}"
                writer.entry(
                    "score", name, {"of": name, **_bounds(practice.interval), "attained": practice.attained, "method": judged.method}
                )
            name = f"{model.id}|{function.id}"
            writer.entry("score", name, {"of": name, **_bounds(function.interval), "attained": function.attained, "method": judged.method})
        mean = {"mean": _bounds(model.mean), "critical": _drag(model.drag)}
        writer.entry("score", model.id, {"of": model.id, **_bounds(model.interval), **mean, "method": judged.method})


def _drag(drag: Drag | None) -> dict[str, Fraction] | None:
    return {"least": drag.least, "most": drag.most} if drag is not None else None


def _bounds(interval: Interval | None) -> dict[str, Any]:
    if interval is None:
        return {"low": None, "high": None, "coverage": None}
    return {"low": interval.low, "high": interval.high, "coverage": interval.coverage}
