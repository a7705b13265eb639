"""A judged scan as some business functions see it: what is shown and gated on is narrowed, what a score is never is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from cnamm_scan.aggregator.roadmap import first
from cnamm_scan.aggregator.score import UNIT, mean, rule_in_target
from cnamm_scan.engine.plan import functions_named
from cnamm_scan.judged.scan import Scan, VerdictName
from cnamm_scan.model import Content, ModelScore, Result, ResultBlock, Roadmap, Target, Verdict


@dataclass(repr=False)
class Narrowed(Scan):
    """The part of a scan that concerns some functions. Overall scores stay those of the whole; `close` is for the whole to do."""

    whole: Scan | None = field(default=None, repr=False)

    @property
    def _whole(self) -> Scan:
        assert self.whole is not None  # `only` is what makes one
        return self.whole

    def expand(self, block: ResultBlock) -> Iterator[Result]:
        """As of the whole."""
        return self._whole.expand(block)

    def blocks(self, *verdicts: Verdict | VerdictName, rule: str | None = None, named: bool = True) -> Iterator[ResultBlock]:
        """Those of its rules."""
        if rule is not None and self.content.now_called(rule) not in self.content.rules:
            return iter(())
        return (block for block in self._whole.blocks(*verdicts, rule=rule, named=named) if block.rule in self.content.rules)

    def models_of(self, target: Target) -> list[ModelScore]:
        """The scores of one target, of its functions."""
        return _models(self._whole.models_of(target), self.content)

    def unknown_rules(self) -> dict[str, set[str]]:
        """Table -> those of its rules that have unknowns and read it."""
        mine = self.content.rules.keys()
        return {table: rules & mine for table, rules in self._whole.unknown_rules().items() if rules & mine}


def only(scan: Scan, functions: Collection[str]) -> Scan:
    """The scan as these functions see it; all of it where none is named. Raises UsageError for one that no model has."""
    if not functions:
        return scan
    functions_named(scan.content, functions)  # raises for one that is not there
    content = _content(scan.content, functions)
    said = {each.name: getattr(scan, each.name) for each in fields(Scan)}
    said |= {
        "content": content,
        "tallies": [tally for tally in scan.tallies if tally.rule in content.rules],
        "models": _models(scan.models, content),
        "roadmaps": {model: _way(way, content) for model, way in scan.roadmaps.items()},
    }
    narrowed = Narrowed(**said, whole=scan)
    read = narrowed.unknown_rules().keys()
    narrowed.coverage = [line for line in scan.coverage if not line.gaps or line.table in read]
    return narrowed


def _content(content: Content, functions: Collection[str]) -> Content:
    """The same content with these functions alone, and the rules that count in one of them."""
    models = tuple(
        replace(model, functions=tuple(function for function in model.functions if function.id in functions)) for model in content.models
    )
    wanted = {objective for model in models for function in model.functions for objective in function.asks}
    return replace(content, models=models, rules={rule.id: rule for rule in content.rules.values() if rule.objective in wanted})


def _models(models: Iterable[ModelScore], content: Content) -> list[ModelScore]:
    kept = {model.id: {function.id for function in model.functions} for model in content.models}
    return [replace(model, functions=tuple(each for each in model.functions if each.id in kept[model.id])) for model in models]


def _way(way: Roadmap, content: Content) -> Roadmap:
    """The ways of the content's functions, and what is to be done in them, in the order of the whole."""
    functions = [function for model in content.models for function in model.functions]
    ids = {function.id for function in functions}
    asked = {objective for function in functions for objective in function.asks}
    own = tuple(each for each in way.functions if each.function in ids)
    steps = {step.objective: step for each in own for step in each.steps}
    steps |= {step.objective: step for step in way.best if step.objective in asked}
    return Roadmap(own, tuple(sorted(steps.values(), key=first)))


def share_seen(scan: Scan, rules: Collection[str]) -> float | None:
    """How much of what some rules concern could be seen, 0 … 1, each rule weighed by its severity; None where they concern nothing."""
    severities: Mapping[str, int] = {name: scan.content.rules[name].severity.weight for name in rules if name in scan.content.rules}
    judged = ((severities[tally.rule], rule_in_target(tally)) for tally in scan.tallies if tally.rule in severities)
    seen = mean([(weight, part) for weight, part in judged if part is not None])
    return None if seen is None else seen.coverage / UNIT


def named_rules(content: Content, names: Sequence[str]) -> frozenset[str]:
    """The rules that `--rule` names: by id, by how ids begin, or by an id of before."""
    return frozenset(rule.id for name in names for rule in content.rules_named(name))
