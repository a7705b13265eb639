"""What the engine asks of a provider: a connection to one target, or to many at once. Foreign errors are translated at this door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from cnamm_scan.model import Column, Content, MadeRow, Reason, Region, Target


@dataclass(frozen=True, slots=True)
class Request:
    """One call: an operation of a client, in a region of a target, with its parameters. `page` continues a listing."""

    client: str
    operation: str
    region: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    page: Any = None
    target: str = ""
    """The id of the target that is asked; empty for what is asked once for the whole connection."""
    ends: float | None = field(default=None, compare=False)
    """By when (time.monotonic) the whole answer must be there; None: the provider's own patience."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an item was written, of a source that is text: kept beside its facts, not in what they say."""

    file: str
    line: int
    mark: str = ""
    """What tells it from others of its name, where one source holds several: the end of its key."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Items that are known to be there and were not read, and what is known of each of them: where they are."""

    known: Mapping[str, Any]
    """As an item's document would say it, with nothing in it but this."""
    count: int
    outside: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Path into the document -> values that none of them has there, where no more is known: everywhere but where somebody looked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the parsed body, the provider's id of the request, and how to ask for the next page (None: no more)."""

    data: Any
    request_id: str = ""
    next_page: Any = None
    rest: Reason | None = None
    """Why there may be more of this kind than the source could show. The rows stand; their absence says nothing."""
    left_out: Reason | None = None
    """Why there is more of this kind that was not read: an unread row stands for each of `left_out_count`."""
    left_out_count: int = 1
    left_out_where: Sequence[LeftOut] = ()
    """Where they are, when that is known of all of them: it stands in place of their count."""
    blind: Mapping[str, Reason] = field(default_factory=dict)
    """Heads of paths that this source never shows, by why; `silence` for whatever else it does not say."""
    decode: Callable[[Any], Any] | None = None
    """Makes an item of what stands in `data`, where items come one by one: used at once, each is still in the processor's cache."""
    note: str = ""
    """Something about the answer that the coverage ledger should keep: a provider's code."""
    token: Any = None
    """What `next_page` is told apart by, where it holds more than the server's own token. A token seen before ends the listing as a gap."""
    origins: Sequence[Origin] = ()
    """Of a source that is text: where each item was written. One for each item, or none at all."""
    dark: Mapping[str, CallFailedError] = field(default_factory=dict)
    """Of an answer for the whole connection: the names of targets whose share is missing, and why. A gap of each of these alone."""


@dataclass(frozen=True, slots=True)
class Unread:
    """What an SDK cannot show of a table: the silence of what it does not know says nothing."""

    code: str
    """Names the SDK and its version, for the coverage ledger."""
    listing: bool = False
    """Whether it cannot show the items themselves, or ask for them."""
    each: bool = False
    """Whether it cannot show the elements that the table has a row for."""
    parts: frozenset[str] = frozenset()
    """Parts that it cannot ask, or whose answers it cannot tell apart."""
    paths: frozenset[str] = frozenset()
    """Paths of columns that it does not have."""


class CallFailedError(Exception):
    """A call without an answer. `retry` says whether asking again may help; `after` how many seconds the provider wants first."""

    def __init__(self, reason: Reason, code: str, message: str = "", *, retry: bool = False, after: float | None = None) -> None:
        super().__init__(f"{reason.value}: {code}")
        self.reason = reason
        self.code = code
        self.message = message
        """The provider's own words: matched against `absent_on`, never stored."""
        self.retry = retry
        self.after = after


class NotYetError(CallFailedError):
    """A call that was not sent, since the provider knows that it would be turned away before so many seconds are over.

    It was no attempt: nobody counts it, and the time of the call has not begun.
    """

    def __init__(self, code: str, after: float) -> None:
        super().__init__(Reason.THROTTLED, code, retry=True, after=after)


@dataclass(frozen=True, slots=True)
class SeenRow:
    """A row of a collected table as a maker sees it. A value of None was not seen."""

    target: str
    region: str
    key: str
    fact: str
    """The id of its fact; empty for a row of a view."""
    values: Mapping[str, Any]
    """Column -> text, number, boolean, datetime, list or parsed JSON."""


@dataclass(frozen=True, slots=True)
class SeenGroup:
    """Rows of one target that are alike in every column that a maker reads of their table."""

    first: SeenRow
    """The first of them by region and key."""
    count: int


class SeenTables(Protocol):
    """The collected tables as a maker reads them: those that its view names under `reads:`, and no others."""

    targets: Sequence[Target]
    """The provider's targets of the scan."""
    over: Sequence[str]
    """The tables whose every row gives rows."""
    reads: Mapping[str, Sequence[str]]
    """Every table that may be read, with the columns that its rows then have."""
    now: datetime
    """When the scan began: the only clock that there is."""

    def rows(self, table: str) -> Sequence[SeenRow]:
        """What was seen of a table, in order of target, region and key."""
        ...

    def groups(self, table: str) -> Sequence[SeenGroup]:
        """The same with rows that are alike as one, in the order of the first of each: of tables with far more rows than sorts of them."""
        ...

    def dark(self, table: str, target: str, region: str | None = None) -> bool:
        """Whether more of a table may be there than was seen: in a target, or in a region of it."""
        ...

    def why(self, table: str, target: str) -> frozenset[str]:
        """Why more of a table may be there in a target: every reason, by its word; empty where it was read whole."""
        ...


def rows_if_read(seen: SeenTables, table: str, target: str | None = None) -> Sequence[SeenRow]:
    """What was seen of a table, of one target where that is named; nothing of a table that the view does not read."""
    found = seen.rows(table) if table in seen.reads else ()
    return found if target is None else [row for row in found if row.target == target]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes a view's rows from collected tables. No I/O, no clock: the same tables give the same rows, years later too."""

    make: Callable[[SeenTables], Iterable[MadeRow]]
    columns: Mapping[str, Column]
    """What its rows hold: types and meanings, for every view that it makes."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One small request in place of a listing."""

    needs: str
    """The right that it takes, as the provider spells rights, and where it takes it: what must be granted. Empty: as the collector says."""
    request: Request


@dataclass(frozen=True, slots=True)
class Absent:
    """What a person has named and is not there."""

    name: str
    flag: str
    """How it was named: `--namespace`."""
    noun: str
    """What it should be: `namespace`."""
    known: Sequence[str] = ()
    """What there is of the kind, as far as it may be known."""

    @property
    def note(self) -> str:
        """What a person should know of it."""
        return f"there is no {self.noun} {self.name} ({self.flag})"


class Provider(Protocol):
    """One connection, through which one target or many are asked. Made by the command line, used from many threads."""

    name: str
    region_table: str | None
    """The engine-made table with one row a region; None where a target has no regions."""
    normalisers: Mapping[str, Callable[[Any], Any]]
    """What `normalise:` of this provider's collectors may name."""

    @property
    def targets(self) -> Sequence[Target]:
        """The targets, at least one. Each has a name of its own: a collector's `target:` path gives it."""
        ...

    def regions(self, target: Target) -> Sequence[Region]:
        """Every region of a target with its state. Raises CallFailedError when they cannot be listed."""
        ...

    def default_regions(self) -> Sequence[str]:
        """Names to try when the regions cannot be listed."""
        ...

    def home_region(self) -> str:
        """Where things that exist once for a target, or for the connection, are asked."""
        ...

    def variables(self, target: Target, region: str) -> Mapping[str, str]:
        """The values of `$account`, `$region`, `$partition` there."""
        ...

    def hear(self, content: Content) -> None:
        """Told which tables there are, before anything is asked: what a target says of its scope may depend on it."""
        ...

    def unread(self, content: Content, tables: Iterable[str]) -> Mapping[str, Unread]:
        """What the loaded SDK cannot show of these tables though the API may: it drops the fields that it does not know."""
        ...

    def call(self, request: Request) -> Answer:
        """Ask once. Raises CallFailedError; never retries, never sleeps."""
        ...

    def read(self, name: str, request: Request) -> Answer:
        """A named reader: the items that no path can say, as a list in `data`. Raises CallFailedError."""
        ...

    def trials(self, request: Request) -> Sequence[Trial] | None:
        """The smallest requests that tell how a listing would fare, where rights are by what is listed; `call` then asks them.

        None: one right stands for many calls, and one of them is tried. Raises CallFailedError: NotServed where there is no such thing.
        """
        ...

    def sent(self) -> Mapping[str, int]:
        """Requests that were sent since the connection was opened, by the id of the target that they were for; "" for the whole connection.

        What a server would count: signing in, each attempt, each page. What was answered from memory was not sent.
        """
        ...

    def absentees(self) -> Sequence[Absent]:
        """What a person has named and this connection does not have: a scan would say nothing of it, without a word."""
        ...

    def files(self) -> Mapping[str, str]:
        """The files that its targets are made of, by what they really are -> how they were named: of two targets none may share one."""
        ...

    def matches(self, failure: CallFailedError, codes: Sequence[str]) -> bool:
        """Whether a failure is one of the collector's `absent_on:` or `gone_on:` codes."""
        ...

    def close(self) -> None:
        """Give connections back."""
        ...


def code_matches(failure: CallFailedError, codes: Sequence[str]) -> bool:
    """The shared form of `absent_on:`: `Code`, or `Code: words` that must stand in the message too."""
    for entry in codes:
        code, _, words = entry.partition(":")
        if failure.code == code.strip() and words.strip().lower() in failure.message.lower():
            return True
    return False
