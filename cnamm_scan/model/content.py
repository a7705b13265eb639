"""What content says: tables, views, rules, objectives and maturity models, as frozen types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cnamm_scan.model.words import Severity, Verdict

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
    once_for: str | None = None
    """Of a listing that is made for items of another table: the path to what is asked about, once for each that they name together."""
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

    def of(self, client: str) -> tuple[str, str]:
        """(client, operation): `kms:ListKeys` names its own client, any other call is of its file's. An operation may have a colon too."""
        named, colon, operation = (self.call or "").partition(":")
        return (named, operation) if colon else (client, self.operation)


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
    as_of: str | None = None
    """The path to when a row's source last found it to be so; None: what is listed is as it is now."""
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
class Message:
    """What a result says, by its verdict: sentences that stand alone in a ticket, with columns of the row in braces.

    Of what passed no values are kept: its sentence has the resource's key, region and target, and parameters. Of a rule written as one text
    that is what it says of a fail; the others are then made of its title.
    """

    fail: str
    pass_: str = ""
    unknown: str = ""

    @property
    def templates(self) -> tuple[str, ...]:
        """All of them."""
        return (self.fail, self.pass_, self.unknown)


@dataclass(frozen=True, slots=True)
class Named:
    """Rows of another table: those in the same place for which `if_` is true, each as `say` makes a text of its columns."""

    of: str
    say: str
    columns: tuple[str, ...]
    """Those of `of` that stand in `say`."""
    if_: str
    else_: str | None = None
    """What is said where there is none."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a message says where `if_`, an expression like that of a pass, is true; without one, where none of the others was."""

    say: str
    if_: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What one name of a message stands for: causes, of which the first that was found is said or every one, or rows of another table."""

    causes: tuple[Cause, ...] = ()
    every: bool = False
    named: Named | None = None

    def asked(self, *, estate: bool) -> tuple[str, ...]:
        """Its conditions as expressions of a rule; of rows, whether there is one."""
        if self.named is None:
            return tuple(cause.if_ for cause in self.causes if cause.if_ is not None)
        place = "" if estate else " WHERE one.target = this.target"
        read = "".join(f"one.{name} = one.{name} AND " for name in self.named.columns)
        return (f"true = ANY (SELECT {read}(\n{self.named.if_}\n) FROM {self.named.of} one{place})",)


@dataclass(frozen=True, slots=True)
class Fix:
    """How to mend what fails, by where it is done; columns of the row stand in braces. At least one of them says something."""

    cli: tuple[str, ...] = ()
    """Commands of the vendor's command line, one after another."""
    kubernetes: tuple[str, ...] = ()
    """Commands of kubectl."""
    terraform: tuple[str, ...] = ()
    """`RESOURCE: ATTRIBUTE = VALUE` of the vendor's Terraform provider."""
    console: str = ""
    """The way through the vendor's console."""
    advice: str = ""
    """What no command does: a sentence."""
    region_flag: str = ""
    """How a command under `cli` is told its region."""

    @property
    def templates(self) -> tuple[str, ...]:
        """All that it says, the shortest way first."""
        return tuple(text for text in (*self.cli, *self.kubernetes, self.console, self.advice, *self.terraform) if text)


_LEFT_OPEN = re.compile(r"(?:^|[.)] )Unknown (where .+?)[.](?: |$)")


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
    message: Message
    why: str
    fix: Fix
    references: tuple[str, ...]
    tests: RuleTests
    note: str = ""
    """What counts and what does not, and what cannot be seen: for who wants to check a verdict."""
    where: str | None = None
    scope: Literal["target", "estate"] = "target"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    overrides: str | None = None
    across_regions: Mapping[str, str] = field(default_factory=dict)
    """Tables whose rows of every region may be meant for a row of one, each with why."""
    tags: tuple[str, ...] = ()
    """Words to find it by, of a closed list (`content/tags.py`)."""
    aliases: tuple[str, ...] = ()
    """Ids that it had before: whoever names one means this rule."""
    says: Mapping[str, Said] = field(default_factory=dict)
    """What its messages name besides columns of the row. It decides nothing."""
    source: str = ""
    sha256: str = ""

    @property
    def provider(self) -> str:
        """The provider whose targets the rule judges; 'estate' judges every target."""
        return self.for_each.split(".", 1)[0]

    @property
    def left_open(self) -> str:
        """Of its note what leaves it open though all was read: `where the task names no user`; empty where no sentence says so."""
        found = _LEFT_OPEN.search(self.note)
        return found[1] if found is not None else ""

    @property
    def asked(self) -> tuple[tuple[str, str], ...]:
        """(key, text) of each of its expressions."""
        found = [("where", self.where), ("pass", self.pass_)]
        estate = self.scope == "estate"
        found += [(f"says.{name}", text) for name, said in self.says.items() for text in said.asked(estate=estate)]
        return tuple((key, text) for key, text in found if text is not None)

    @property
    def templates(self) -> tuple[str, ...]:
        """Everything that is filled in from the row."""
        return (*self.message.templates, *(cause.say for said in self.says.values() for cause in said.causes), *self.fix.templates)


@dataclass(frozen=True, slots=True)
class Objective:
    """What an organisation wants to be true. `basis` says whether CNAMM states it or we do."""

    id: str
    title: str
    level: int
    stream: Literal["A", "B"]
    basis: Literal["cnamm", "ours"] = "ours"
    short: str = ""
    """Its name where room is narrow; the title where it has none."""
    aliases: tuple[str, ...] = ()
    """Ids that it had before."""


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

    @property
    def asks(self) -> tuple[str, ...]:
        """The objectives that it asks for, in order, each once."""
        return tuple(dict.fromkeys(placed.objective for practice in self.practices for placed in practice.placements))


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

    @property
    def is_shipped(self) -> bool:
        """Whether all of it came with this product, word for word."""
        return all(each.keys() <= self.shipped for each in (self.rules, self.tables, self.views))

    def asked_in(self) -> dict[str, list[str]]:
        """Objective -> the functions that ask for it, in the order of the models."""
        found: dict[str, list[str]] = {}
        for model in self.models:
            for function in model.functions:
                for name in function.asks:
                    if function.id not in found.setdefault(name, []):
                        found[name].append(function.id)
        return found

    def now_called(self, name: str) -> str:
        """What a rule or objective is called that had this id before, or was merged into another; else the name itself."""
        if name in self.rules or name in self.objectives:
            return name
        named: list[Rule | Objective] = [*self.rules.values(), *self.objectives.values()]
        return next((each.id for each in named if name in each.aliases), self.merged.get(name, name))

    def rules_named(self, name: str) -> list[Rule]:
        """The rules that somebody means by an id, by how ids begin (`aws.iam`, `aws.iam.*`) or by an id of before; none: a typo."""
        start = name.rstrip(".*") + "."
        found = [rule for rule in self.rules.values() if rule.id == name or rule.id.startswith(start)]
        return found or [rule for rule in self.rules.values() if name in rule.aliases]
