"""From counts to scores: one place for a scan, for one of its targets, for a bundle that is judged again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cnamm_scan.aggregator.roadmap import roadmap
from cnamm_scan.aggregator.score import Scorer
from cnamm_scan.model import SCORING_MODEL, Content, ModelScore, Roadmap, Rule, Tally, Target


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


def unselected(content: Content, run: Collection[str], targets: Sequence[Target]) -> Iterator[Tally]:
    """A rule that was not selected is not seen: a selection narrows what is known, it never lifts a score."""
    for rule in _rules_of(content, targets):
        if rule.id not in run:
            yield from (Tally(rule.id, target.id, unknown=1) for target in targets if rule.provider in ("estate", target.provider))


def _rules_of(content: Content, targets: Sequence[Target]) -> list[Rule]:
    providers = {target.provider for target in targets} | {"estate"}
    return [rule for rule in content.rules.values() if rule.status != "deprecated" and rule.provider in providers]


def scored(content: Content, tallies: Sequence[Tally], targets: Sequence[Target]) -> Judged:
    """The scores of every model, and the ways up, from what each rule counted in each target."""
    scorer = _scorer(content, tallies, targets)
    models = [scorer.model(model) for model in content.models]
    ways = {model.id: roadmap(scorer, model, score) for model, score in zip(content.models, models, strict=True)}
    return Judged(content, targets, tallies, models, ways)


def models_of(content: Content, tallies: Sequence[Tally], targets: Sequence[Target]) -> list[ModelScore]:
    """The scores alone: nobody asks for the ways up of one target among several."""
    scorer = _scorer(content, tallies, targets)
    return [scorer.model(model) for model in content.models]


def _scorer(content: Content, tallies: Sequence[Tally], targets: Sequence[Target]) -> Scorer:
    named = {tally.rule for tally in tallies}
    rules = {rule.id: rule for rule in _rules_of(content, targets)}
    rules.update({name: content.rules[name] for name in named if name in content.rules})
    return Scorer(rules.values(), tallies)


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
                        writer.entry("objective", name, {**body, **_bounds(objective.interval), "unjudged": objective.unjudged})
                name = f"{model.id}|{function.id}|{practice.id}"
                writer.entry(
                    "score", name, {"of": name, **_bounds(practice.interval), "attained": practice.attained, "method": SCORING_MODEL}
                )
            name = f"{model.id}|{function.id}"
            writer.entry("score", name, {"of": name, **_bounds(function.interval), "attained": function.attained, "method": SCORING_MODEL})
        writer.entry("score", model.id, {"of": model.id, **_bounds(model.interval), "method": SCORING_MODEL})


def _bounds(interval: Any) -> dict[str, Any]:
    if interval is None:
        return {"low": None, "high": None, "coverage": None}
    return {"low": interval.low, "high": interval.high, "coverage": interval.coverage}
