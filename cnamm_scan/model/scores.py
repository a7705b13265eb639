"""What results come to: scores from level to model, and the ways up, as frozen types."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal


@dataclass(frozen=True, slots=True)
class Interval:
    """A score between what the evidence supports (`low`) and what it cannot rule out (`high`), with its coverage."""

    low: Fraction
    high: Fraction
    coverage: Fraction


@dataclass(frozen=True, slots=True)
class Drag:
    """How much critical findings hold something down, 0 … 1: what did fail (`least`), and what failed or could not be seen (`most`)."""

    least: Fraction
    most: Fraction


@dataclass(frozen=True, slots=True)
class ObjectiveScore:
    """An objective in the estate. `interval` is None when it does not apply or has no rule (`unjudged`)."""

    objective: str
    level: int
    stream: Literal["A", "B"]
    interval: Interval | None
    unjudged: bool
    critical: bool
    """Whether an unwaived critical finding stands against it."""
    weight: int = 0
    """What it weighs in its level, its stream aside: as its heaviest rule that applies (`staged/2`)."""
    drag: Drag | None = None
    """How its critical findings hold its level down; None where no critical rule applies (`staged/2`)."""


@dataclass(frozen=True, slots=True)
class LevelScore:
    """A(L) of a practice. None: nothing at this level was judged."""

    level: int
    interval: Interval | None
    objectives: tuple[ObjectiveScore, ...]
    has_critical: bool
    has_rule: bool = True
    """Whether some rule judges an objective of it. Without one nobody knows; with one and no interval it is known not to apply."""


@dataclass(frozen=True, slots=True)
class PracticeScore:
    """A practice on the 0 … 5 scale. None: nothing applies."""

    id: str
    title: str
    interval: Interval | None
    attained: int
    levels: tuple[LevelScore, ...]


@dataclass(frozen=True, slots=True)
class FunctionScore:
    """The mean of a function's practices."""

    id: str
    title: str
    interval: Interval | None
    attained: int
    practices: tuple[PracticeScore, ...]


@dataclass(frozen=True, slots=True)
class ModelScore:
    """The mean of a model's functions, less what critical findings take."""

    id: str
    title: str
    interval: Interval | None
    functions: tuple[FunctionScore, ...]
    mean: Interval | None = None
    """The mean of the functions, before anything is taken; None where the method takes nothing (`staged/1`)."""
    drag: Drag | None = None
    """The share of that which critical findings take; None where no critical rule applies, or the method takes nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """One objective to satisfy. Gains are of the low bound, as the same arithmetic gives them with that objective met."""

    objective: str
    level: int
    practice: str
    function_gain: Fraction
    overall_gain: Fraction
    because: Literal["critical", "blocks", "gain"] = "gain"
    """Why it is where it is: a critical finding stands against it, some function's next level waits for it, or it gains most."""


@dataclass(frozen=True, slots=True)
class FunctionRoadmap:
    """The way from the level that a function has attained to the next that it can be judged at."""

    function: str
    attained: int
    next_level: int
    steps: tuple[Step, ...]
    after: Fraction
    """The function's low bound when every step is done."""


@dataclass(frozen=True, slots=True)
class Roadmap:
    """All functions' ways, and what to do first in the whole estate."""

    functions: tuple[FunctionRoadmap, ...]
    best: tuple[Step, ...]
    """Every open critical, the basics first; then what blocks a next level, then the rest, each by what it gains."""
