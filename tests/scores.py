"""Small models and generated ones, for the tests of the arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

from hypothesis import strategies as st

from cnamm_scan.aggregator.score import UNIT, Scorer, Units
from cnamm_scan.model import (
    Fix,
    Function,
    FunctionScore,
    Interval,
    Message,
    Model,
    ModelScore,
    Placement,
    Practice,
    Rule,
    RuleTests,
    Severity,
    Tally,
)

Nodes = Mapping[tuple[str, ...], Interval | None]
SEVERITIES = {severity.value: severity for severity in Severity}
STREAMS: tuple[Literal["A", "B"], ...] = ("A", "B")


def rule(name: str, objective: str, severity: Severity = Severity.MEDIUM) -> Rule:
    return Rule(
        id=name,
        title=name,
        objective=objective,
        severity=severity,
        status="stable",
        for_each="aws.s3.bucket",
        pass_="true",
        message=Message(""),
        why="",
        fix=Fix(),
        references=(),
        tests=RuleTests((), (), ()),
    )


def one_function(*practices: Sequence[Placement]) -> Model:
    """A model `m` of one function `f` whose practices are `p0`, `p1` …"""
    made = tuple(Practice(f"p{n}", f"Practice {n}", tuple(placed)) for n, placed in enumerate(practices))
    return Model("m", "Model", "1", (Function("f", "Function", made),))


@dataclass(frozen=True)
class Estate:
    """Everything that a score is made of."""

    model: Model
    rules: tuple[Rule, ...]
    tallies: tuple[Tally, ...]
    by: Callable[..., Any] = Scorer
    """What scores it: that of today, or an old one."""

    def scorer(self) -> Any:
        return self.by(self.rules, self.tallies)

    def score(self) -> ModelScore:
        made: ModelScore = self.scorer().model(self.model)
        return made

    def function(self, name: str) -> FunctionScore:
        return next(each for each in self.score().functions if each.id == name)

    def nodes(self) -> Nodes:
        return nodes(self.score())

    def with_tallies(self, tallies: Iterable[Tally]) -> Estate:
        return replace(self, tallies=tuple(tallies))

    def satisfying(self, objectives: Iterable[str]) -> Estate:
        """The same estate after the work is done: nothing of these objectives fails and all of it was seen."""
        named = set(objectives)
        done = {each.id for each in self.rules if each.objective in named}
        return self.with_tallies(
            Tally(t.rule, t.target, pass_=t.judged, not_applicable=t.not_applicable) if t.rule in done else t for t in self.tallies
        )


def nodes(score: ModelScore) -> Nodes:
    """Every node of a score tree by its path."""
    found: dict[tuple[str, ...], Interval | None] = {("model",): score.interval}
    for function in score.functions:
        found["function", function.id] = function.interval
        for practice in function.practices:
            found["practice", practice.id] = practice.interval
            for level in practice.levels:
                found["level", practice.id, str(level.level)] = level.interval
                for objective in level.objectives:
                    found["objective", practice.id, objective.objective] = objective.interval
    return found


def node_pairs(before: ModelScore, after: ModelScore) -> Iterator[tuple[tuple[str, ...], Interval, Interval]]:
    """The path of every node of two scores of one model, and how it was and is; what does not apply stays so."""
    was, now = nodes(before), nodes(after)
    assert was.keys() == now.keys()
    for path, old in was.items():
        new = now[path]
        assert (old is None) == (new is None), path
        if old is not None and new is not None:
            yield path, old, new


def moved(tally: Tally, source: str, goal: str) -> Tally:
    """The counts when one resource of a verdict turns out to have another: `pass_`, `fail` or `unknown`."""
    return replace(tally, **{source: getattr(tally, source) - 1, goal: getattr(tally, goal) + 1})


_OBJECTIVES = tuple(f"f{n // 3}.o{n}" for n in range(9))
_COUNT = st.integers(0, 3)


@st.composite
def tallies_of(draw: st.DrawFn, names: Sequence[str]) -> tuple[Tally, ...]:
    """Counts for some rules in some of three targets."""
    pairs = [(name, target) for name in names for target in ("aws:1", "aws:2", "aws:3")]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=14)) if pairs else []
    return tuple(Tally(name, target, *(draw(_COUNT) for _ in range(5))) for name, target in chosen)


@st.composite
def models(draw: st.DrawFn, *, shared: bool) -> Model:
    """One to three functions of up to three practices. With `shared`, an objective may be asked for in several places."""
    left = list(_OBJECTIVES)
    functions = []
    for f in range(draw(st.integers(1, 3))):
        practices = []
        for p in range(draw(st.integers(1, 3))):
            names = draw(st.lists(st.sampled_from(left), unique=True, max_size=4)) if left else []
            if not shared:
                left = [name for name in left if name not in names]
            placed = [Placement(name, draw(st.integers(1, 5)), draw(st.sampled_from(STREAMS))) for name in names]
            practices.append(Practice(f"f{f}p{p}", f"Practice {f}.{p}", tuple(placed)))
        functions.append(Function(f"f{f}", f"Function {f}", tuple(practices)))
    return Model("m", "Model", "1", tuple(functions))


@st.composite
def estates(draw: st.DrawFn, *, shared: bool = True) -> Estate:
    """A model, rules for most of its objectives, and what they found."""
    severities = st.sampled_from(list(Severity))
    pairs = draw(st.lists(st.tuples(st.sampled_from(_OBJECTIVES), severities), max_size=9))
    rules = tuple(rule(f"r{n}", objective, severity) for n, (objective, severity) in enumerate(pairs))
    return Estate(draw(models(shared=shared)), rules, draw(tallies_of([each.id for each in rules])))


def placed(objective: str, level: int, stream: Literal["A", "B"] = "A") -> Placement:
    return Placement(objective, level, stream)


def interval(low: Fraction | int, high: Fraction | int | None = None, coverage: Fraction | int = 1) -> Interval:
    """An interval; one number means that both bounds meet."""
    return Interval(Fraction(low), Fraction(low if high is None else high), Fraction(coverage))


def units(low: Fraction | int, high: Fraction | int | None = None, coverage: Fraction | int = 1) -> Units:
    """An interval in units; one number means that both bounds meet."""
    return Units(*(int(each * UNIT) for each in (low, low if high is None else high, coverage)))
