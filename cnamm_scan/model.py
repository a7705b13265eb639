"""The words of the house as frozen types. Imports nothing of ours; anything may import it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any, Literal

LEVELS: tuple[int, ...] = (1, 2, 3, 4, 5)
LEVEL_NAMES: Mapping[int, str] = {1: "Foundation", 2: "Standardized", 3: "Optimized", 4: "Leading", 5: "Transformative"}
STREAM_WEIGHTS: Mapping[str, Fraction] = {"A": Fraction(6, 10), "B": Fraction(4, 10)}
ATTAINED_AT = Fraction(8, 10)
SCORING_MODEL = "staged/2"
"""How verdicts become scores. Scores of different ids are never compared; a bundle is shown under the one that scored it."""
FIRST_SCORING = "staged/1"
JUDGING_MODEL = "judge/2"
"""How facts become verdicts. Those of different ids are not compared as if the world had changed; a bundle without one is of the first."""
FIRST_JUDGING = "judge/1"
ESTATE_TABLE = "estate.target"
GHOST_PART = "list"
"""The name under which a fact's gaps say that its whole listing could not be read."""
UNREAD = "unread"
"""The field of such a fact that says for how many it stands, where that is known."""
REST_PART = "rest"
"""The name under which they say that there may be more than was listed: then nothing may be taken to be absent."""
SILENCE_PART = "silence"
"""The name under which they say why the source does not speak of what it could not know."""


ASSUME_WHOLE = "assume_whole"
"""In the scope of a target: somebody said that what was given is all there is, so that what is not in it is known to be absent."""


class Verdict(StrEnum):
    """What a rule says about one resource."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


class Reason(StrEnum):
    """Why something could not be read."""

    DENIED = "denied"
    THROTTLED = "throttled"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    SERVER_ERROR = "server_error"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    API_DISABLED = "api_disabled"
    REGION_DISABLED = "region_disabled"
    CREDENTIALS = "credentials"
    TRUNCATED = "truncated"
    EXCLUDED = "excluded"
    INTERRUPTED = "interrupted"
    NOT_COLLECTED = "not_collected"
    NOT_IN_ANSWER = "not_in_answer"
    NOT_FOUND = "not_found"
    NOT_IN_MANIFESTS = "not_in_manifests"
    ONLY_IN_CLUSTER = "only_in_cluster"
    COLLECTOR_BUG = "collector_bug"


class Severity(StrEnum):
    """How much a fail matters."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def weight(self) -> int:
        """The weight of a rule inside its objective (SCORING.md, step 2)."""
        return {"critical": 8, "high": 4, "medium": 2, "low": 1}[self.value]

    @property
    def rank(self) -> int:
        """0 for critical, rising as it matters less: a sort key."""
        return list(Severity).index(self)


# ---- content ---------------------------------------------------------------------------------------------------------

ColumnType = Literal["text", "integer", "number", "boolean", "timestamp", "list", "json"]


class _Unset:
    """The type of UNSET: tells "no `absent:` was written" from "`absent: null` was written"."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Any = _Unset()


@dataclass(frozen=True, slots=True)
class Column:
    """One typed column of a fact table: from a path, from a path's existence, or from other columns."""

    type: ColumnType
    from_: str | None = None
    absent: Any = UNSET
    exists: str | None = None
    is_: str | None = None
    about: str = ""
    renewed_by: str | None = None
    """Of a date: the column that says whether what it dates may have ended and begun anew since. Whoever reads the date reads it too."""

    @property
    def path(self) -> str | None:
        """The path that the column reads, or None for one derived from other columns."""
        return self.from_ or self.exists


@dataclass(frozen=True, slots=True)
class Call:
    """One declared call of a provider's API: a table's `list:` or a part under `then:`."""

    call: str | None = None
    read: str | None = None
    needs: tuple[str, ...] = ()
    with_: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    items: str | None = None
    for_: str | None = None
    absent_on: tuple[str, ...] = ()
    gone_on: tuple[str, ...] = ()
    in_region: str | None = None
    target: str | None = None
    """Of a listing for a whole connection: the path to the name of the target that an item belongs to."""
    at_most: int | None = None
    many: Mapping[str, str] = field(default_factory=dict)
    size: int = 1
    by: str | None = None
    left_out: str | None = None
    """Of `many`: what it means that an answer does not name an item. `no_row`: there is nothing of it to tell; None: it was not read."""
    unless: str | None = None
    """Of a listing: a table that tells the same in fewer calls. It is asked only where that table could not be read whole."""

    @property
    def operation(self) -> str:
        """The operation's name, or the reader's in angle brackets."""
        return self.call or f"<{self.read}>"


@dataclass(frozen=True, slots=True)
class Table:
    """A fact table: where its rows come from and what its columns mean."""

    id: str
    service: str
    client: str
    about: str
    once_per: Literal["account", "region", "target", "connection"]
    list: Call
    key: str
    columns: Mapping[str, Column]
    then: Mapping[str, Call] = field(default_factory=dict)
    each: str | None = None
    normalise: Mapping[str, str] = field(default_factory=dict)
    redact: tuple[str, ...] = ()
    opt_in: str | None = None
    """What must be asked for by name before this is read; None: it is always read."""
    source: str = ""

    @property
    def provider(self) -> str:
        """The first part of the id."""
        return self.id.split(".", 1)[0]


@dataclass(frozen=True, slots=True)
class Made:
    """How a function of the provider's wing makes a view's rows."""

    by: str
    """The function's name, as the wing's `kind.py` gives it."""
    reads: Mapping[str, tuple[str, ...]]
    """Table or view -> the columns that the function sees."""
    over: tuple[str, ...]
    """Those of them whose every row gives rows: what was not seen of these is not seen here either."""


@dataclass(frozen=True, slots=True)
class View:
    """Facts derived from several tables: by one SELECT, or by a function of the provider's wing."""

    id: str
    about: str
    columns: Mapping[str, Column]
    select: str = ""
    source: str = ""
    made: Made | None = None
    across_regions: Mapping[str, str] = field(default_factory=dict)
    """Tables whose rows of every region may be meant for a row of one, each with why."""

    @property
    def provider(self) -> str:
        """The first part of the id."""
        return self.id.split(".", 1)[0]


@dataclass(frozen=True, slots=True)
class MadeRow:
    """A row of a view that a function made. A column that is left out, or None, is not known."""

    target: str
    region: str
    key: str
    """Unique in its target and region."""
    values: Mapping[str, Any]
    rests_on: tuple[str, ...] = ()
    """Ids of the facts that it was made from."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A threshold of a rule: its default and where that comes from."""

    default: Any
    source: str


@dataclass(frozen=True, slots=True)
class RuleTests:
    """A rule's own cases: rows by the verdict they must get."""

    pass_: tuple[Mapping[str, Any], ...]
    fail: tuple[Mapping[str, Any], ...]
    unknown: tuple[Mapping[str, Any], ...]
    not_applicable: tuple[Mapping[str, Any], ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)

    def cases(self) -> list[tuple[Verdict, Mapping[str, Any]]]:
        """(expected verdict, row) pairs, `given` already laid under each."""
        groups = (
            (Verdict.PASS, self.pass_),
            (Verdict.FAIL, self.fail),
            (Verdict.UNKNOWN, self.unknown),
            (Verdict.NOT_APPLICABLE, self.not_applicable),
        )
        return [(verdict, {**self.given, **row}) for verdict, rows in groups for row in rows]


@dataclass(frozen=True, slots=True)
class Rule:
    """One yes/no statement over a fact table."""

    id: str
    title: str
    objective: str
    severity: Severity
    status: Literal["experimental", "stable", "deprecated"]
    for_each: str
    pass_: str
    message: str
    why: str
    fix: str
    references: tuple[str, ...]
    tests: RuleTests
    where: str | None = None
    scope: Literal["target", "estate"] = "target"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    overrides: str | None = None
    across_regions: Mapping[str, str] = field(default_factory=dict)
    """Tables whose rows of every region may be meant for a row of one, each with why."""
    source: str = ""
    sha256: str = ""

    @property
    def provider(self) -> str:
        """The provider whose targets the rule judges; 'estate' judges every target."""
        return self.for_each.split(".", 1)[0]


@dataclass(frozen=True, slots=True)
class Objective:
    """What an organisation wants to be true. `basis` says whether CNAMM states it or we do."""

    id: str
    title: str
    level: int
    stream: Literal["A", "B"]
    basis: Literal["cnamm", "ours"] = "ours"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an objective is asked for: a practice, at a level, in a stream."""

    objective: str
    level: int
    stream: Literal["A", "B"]
    instead_of: str | None = None


@dataclass(frozen=True, slots=True)
class Practice:
    """One practice area of a function, with everything it asks for."""

    id: str
    title: str
    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """One business function of a model."""

    id: str
    title: str
    practices: tuple[Practice, ...]
    source: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A maturity model: its functions in order."""

    id: str
    title: str
    version: str
    functions: tuple[Function, ...]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Content:
    """All the opinions of a scan: what we read, what good is, what it means. Equal only to itself, so that it can key caches."""

    tables: Mapping[str, Table]
    views: Mapping[str, View]
    rules: Mapping[str, Rule]
    objectives: Mapping[str, Objective]
    models: tuple[Model, ...]
    merged: Mapping[str, str]
    """Objective ids that were merged away -> the id that stands for them."""
    version: str
    sha256: str
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Every file as it was read, by its path inside the packs: what the method of a bundle holds."""
    shipped: frozenset[str] = field(default=frozenset(), repr=False)
    """Rules, tables and views that are word for word those that came with this product: these are known to run, before they do."""
    base: Content | None = field(default=None, repr=False)
    """What came with this product, where packs only added to it: what was read of a part of it holds here too."""


# ---- facts and results -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """One account, subscription, project or cluster. `id` is `provider:name`."""

    id: str
    provider: str
    name: str
    identity: str = ""
    """Who asked: the caller's own id in the provider."""
    scope: Mapping[str, Any] = field(default_factory=dict)
    """What a person narrowed the scan of the target to; empty: all of it."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a target that is asked on its own, and how it was seen."""

    name: str
    state: Literal["enabled", "opt_in_off"] | None
    seen: Literal["listed", "excluded", "denied", "unreachable", "off"] = "listed"
    opt_in: str | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How one planned call went in one target and region."""

    target: str
    region: str
    table: str
    part: str
    operation: str
    status: str
    """`ok`, or the reason of the first gap."""
    complete: bool
    calls: int = 0
    pages: int = 0
    items: int = 0
    retries: int = 0
    gaps: Mapping[str, int] = field(default_factory=dict)
    code: str = ""
    """The provider's own error code of the first gap."""
    gone: int = 0
    """Items that were listed and had gone when they were asked about, as their listing, asked again, proved."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing was written, of a source that is text: a file as it was named, and a line from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Result:
    """One rule's verdict on one resource."""

    rule: str
    target: str
    region: str
    resource: str
    verdict: Verdict
    severity: Severity
    objective: str
    message: str
    fact: str
    reason: str
    values: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    place: Place | None = None
    """Where the resource was written; None where no text says it."""

    def row(self) -> dict[str, Any]:
        """The result as plain data, one value a field."""
        return {
            "rule": self.rule,
            "target": self.target,
            "region": self.region,
            "resource": self.resource,
            "verdict": self.verdict.value,
            "severity": self.severity.value,
            "objective": self.objective,
            "message": self.message,
            "reason": self.reason,
            "fact": self.fact,
            "values": dict(self.values),
            "parameters": dict(self.parameters),
            "file": self.place.file if self.place is not None else "",
            "line": self.place.line if self.place is not None else None,
        }


@dataclass(frozen=True, slots=True)
class ResultBlock:
    """What one rule said alike about several resources: the form in which results are stored."""

    rule: str
    table: str
    """The rule's `for_each`: with target, region and key it names each resource's fact."""
    target: str
    region: str
    verdict: Verdict
    reason: str
    severity: Severity
    objective: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
    """Which block of its kind it is, from 0; -1 for the rest."""
    count: int = 0
    """How many resources."""
    resources: tuple[str, ...] = ()
    """Their keys; an empty one is something that could not be told apart. None at all: every row of the table that no other block names."""
    facts: tuple[str, ...] = ()
    """Fact ids where they do not follow from the keys; empty where they do."""
    columns: tuple[str, ...] = ()
    values: tuple[Sequence[Any], ...] = ()
    """For each resource the values of `columns`; both empty where the facts say it all."""


def fact_id(table: str, target: str, region: str, key: str) -> str:
    """A fact's id: the same resource has the same id in every scan."""
    return hashlib.sha256("\0".join((table, target, region, key)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a rule gave each verdict in one target."""

    rule: str
    target: str
    pass_: int = 0
    fail: int = 0
    unknown: int = 0
    not_applicable: int = 0
    error: int = 0

    @property
    def judged(self) -> int:
        """The resources that the rule applies to: the `n` of SCORING.md."""
        return self.pass_ + self.fail + self.unknown + self.error


# ---- scores ----------------------------------------------------------------------------------------------------------


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
    """All functions' ways, and the most valuable steps of the whole estate."""

    functions: tuple[FunctionRoadmap, ...]
    best: tuple[Step, ...]
