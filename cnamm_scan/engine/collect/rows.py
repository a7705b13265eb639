"""Items become rows: documents in their one form, keys, elements of nested lists, and a ghost for whatever was not read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cnamm_scan import paths
from cnamm_scan.content import key_paths
from cnamm_scan.engine.collect.calls import Values
from cnamm_scan.engine.collect.ledger import Ledger
from cnamm_scan.engine.collect.streams import Stream
from cnamm_scan.engine.plan import TablePlan
from cnamm_scan.model import GHOST_PART, OUTSIDE, ROOM, SILENCE_PART, UNREAD, Coverage, Place, Reason, Target
from cnamm_scan.model.old import moment_of
from cnamm_scan.providers.interface import CallFailedError, Origin, Request

GLOBAL = "global"
"""The region of what exists once for a target."""

Json = Any


class FactWriter(Protocol):
    """Where facts and coverage go as they come: the evidence writer. Used from many threads."""

    def fact(
        self,
        *,
        table: str,
        target: str,
        region: str,
        key: str,
        data: Json,
        gaps: Mapping[str, Reason],
        calls: Sequence[Mapping[str, Any]],
        redact: Sequence[str],
        keep: paths.Tree | None = None,
        also: Mapping[str, Json] | None = None,
        place: Place | None = None,
        as_of: str = "",
    ) -> None:
        """Redact and store one fact: of `data` what `keep` names, and `also`; `place` and `as_of` stand beside it.

        Raises MalformedError for data of another shape.
        """
        ...

    def coverage(self, line: Coverage) -> None:
        """Store how one planned call went."""
        ...


@dataclass
class Item:
    """One listed item while its parts come in."""

    document: dict[str, Json]
    target: Target
    """Whose it is."""
    region: str
    """What its facts say: the region it lives in, or GLOBAL."""
    place: str
    """Where its parts are asked."""
    calls: list[Mapping[str, Any]]
    """What it was read with; items without parts share their page's."""
    listed: Request
    """The page of the listing that named it."""
    parts: dict[str, Json] = field(default_factory=dict)
    """Part key -> its answer."""
    gaps: dict[str, Reason] = field(default_factory=dict)
    """Part key -> why it was not read."""
    above: Mapping[str, Reason] = field(default_factory=dict)
    """Gaps of the item that this one was listed for, by the names that a path would use."""
    origin: Origin | None = None
    """Where it was written, of a source that is text."""
    said_gone: dict[str, CallFailedError] = field(default_factory=dict)
    """Part key -> what was answered, of parts that say that the item has gone. Until that is proven they are gaps."""
    passed_over: bool = False
    """There is nothing of it to tell: an answer for many leaves out whom it has nothing for."""
    finished: bool = False
    asked: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    formed: dict[tuple[str, Callable[[Json], Json]], dict[str, Json]] = field(default_factory=dict)

    def normal(self, path: paths.Path, normalise: Callable[[Json], Json]) -> dict[str, Json]:
        """The document with what stands at the path in its one form; worked out once for all tables that want it."""
        known = self.formed.get((path.text, normalise))
        if known is None:
            known = self.formed[path.text, normalise] = _replaced(self.document, path.steps, normalise)
        return known


@dataclass(frozen=True, slots=True)
class Shape:
    """How a table's documents become data: worked out once, used for every item."""

    keep: paths.Tree
    variables: tuple[str, ...]
    normalise: tuple[tuple[paths.Path, Callable[[Json], Json]], ...]
    key: tuple[tuple[str, paths.Path | None], ...]
    """The key's template in pieces: a text, then the path whose value follows it."""
    hops: int
    may_gap: frozenset[str]
    as_of: paths.Path | None = None
    """Where a row says when its source found it so."""

    @classmethod
    def of(cls, plan: TablePlan, normalisers: Mapping[str, Callable[[Json], Json]]) -> Shape:
        """The shape of a planned table, with its provider's forms."""
        table = plan.table
        kept = [paths.parse(text) for text in plan.kept if not text.startswith("$")]
        listed = [
            paths.parse(column.from_)
            for column in table.columns.values()
            if column.type == "list" and column.from_ in plan.kept and column.from_ and not paths.parse(column.from_).is_many
        ]
        whole = {column.from_ for column in table.columns.values() if column.from_ and column.type == "json"}
        listed = [path for path in listed if path.text not in whole]  # who wants the values wants the names too
        known = {column.from_ for column in table.columns.values() if column.from_}
        # an element that is asked for by its place is looked for in its list
        there = [path for path in kept if path.text not in known and not path.is_many and isinstance(path.steps[-1], str)]
        gaps = {_gap(path) for path in kept}
        return cls(
            keep=paths.tree((path for path in kept if path not in listed and path not in there), listed, there),
            variables=tuple(text for text in plan.kept if text.startswith("$")),
            normalise=tuple((paths.parse(text), normalisers[how]) for text, how in table.normalise.items()),
            key=_pieces(table.key),
            hops=table.each.count("[]") if table.each else 0,
            may_gap=frozenset(gaps),
            as_of=paths.parse(table.as_of) if table.as_of else None,
        )

    def gaps(self, found: Mapping[str, Reason]) -> dict[str, Reason]:
        """The gaps that a column of the table can meet, and why the source is silent where it is."""
        kept = {name: reason for name, reason in found.items() if name in self.may_gap}
        silent = next((reason for name, reason in found.items() if name.rsplit(".", 1)[-1] == SILENCE_PART), None)
        return {**kept, SILENCE_PART: silent} if silent is not None else kept


class Rows:
    """Writes the facts of items, and ghosts for what was not read."""

    def __init__(self, writer: FactWriter, ledger: Ledger, values: Values, shapes: Mapping[str, Shape]) -> None:
        self._writer = writer
        self._ledger = ledger
        self._values = values
        self._shapes = shapes
        self._ghosts: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()

    def write(self, plan: TablePlan, stream: Stream, item: Item) -> None:
        """The facts of an item in one table: one, or one for each element. An odd item leaves a ghost."""
        table, shape = plan.table, self._shapes[plan.table.id]
        names = stream.names.get(table.id, {})
        document: Mapping[str, Json] = item.document
        gaps: Mapping[str, Reason] = {}
        if names:
            document = {**document, **{name: item.parts[key] for name, key in names.items() if key in item.parts}}
            gaps = {name: item.gaps[key] for name, key in names.items() if key in item.gaps}
        try:
            for path, normalise in shape.normalise:
                before = document
                document = item.normal(path, normalise) if document is item.document else _replaced(document, path.steps, normalise)
                if _is_lost(path, before, document):  # silence it is not: something stood there, and says what nobody could read
                    gaps = {**gaps, _gap(path): Reason.MALFORMED}
                    failure = CallFailedError(Reason.MALFORMED, "Unreadable")
                    self._ledger.note(item.target.id, item.region, table.id, path.head, stream.operation, outcome=None, failure=failure)
            if not table.each:
                self._fact(plan, shape, stream, item, document, {**gaps, **item.above}, self._key(shape, document, item))
                return
            each, unread = paths.parse(table.each), {**gaps, **item.above}
            elements = list(_elements(document, each.steps))
            if not elements and each.head in unread:
                self.ghost(plan, item.target, item.region, unread[each.head], document)
                return
            lifted = {f"{'parent.' * shape.hops}{name}": reason for name, reason in unread.items()}
            for number, element in enumerate(elements):
                self._fact(plan, shape, stream, item, element, lifted, f"{self._key(shape, element, item)}#{number}")
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
            # an odd item, or one that our own declarations did not foresee, costs itself, not the scan
            said = f"key has no {error}" if isinstance(error, KeyError) else type(error).__name__
            reason = Reason.MALFORMED if isinstance(error, paths.MalformedError | RecursionError) else Reason.COLLECTOR_BUG
            failure = CallFailedError(reason, said.removesuffix("Error"))
            self._ledger.note(item.target.id, item.region, table.id, GHOST_PART, stream.operation, outcome=None, failure=failure)
            self.ghost(plan, item.target, item.region, reason, {})

    def _fact(
        self, plan: TablePlan, shape: Shape, stream: Stream, item: Item, document: Mapping[str, Json], gaps: Mapping[str, Reason], key: str
    ) -> None:
        as_of = _moment(document, shape.as_of) if shape.as_of is not None else ""
        also = {name: self._values.variable(name, item.target, item.place) for name in shape.variables} if shape.variables else None
        self._writer.fact(
            table=plan.table.id,
            target=item.target.id,
            region=item.region,
            key=key,
            data=document,
            keep=shape.keep,
            also=also,
            gaps=shape.gaps(gaps) if gaps else {},
            calls=item.calls,
            redact=plan.table.redact,
            place=Place(item.origin.file, item.origin.line) if item.origin is not None else None,
            as_of=as_of,
        )
        if shape.as_of is not None:
            self._ledger.aged(item.target.id, item.region, plan.table.id, stream.operation, as_of)

    def name(self, plan: TablePlan, document: Mapping[str, Json], target: Target, place: str) -> str | None:
        """The key of an item as it was listed; None where that takes more than the listing says."""
        shape = self._shapes[plan.table.id]
        try:
            return self._said(shape, _beneath(document, shape.hops), target, place)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            return None

    def _key(self, shape: Shape, document: Mapping[str, Json], item: Item) -> str:
        made = self._said(shape, document, item.target, item.place)
        return made + item.origin.mark if item.origin is not None else made

    def _said(self, shape: Shape, document: Mapping[str, Json], target: Target, place: str) -> str:
        made = ""
        for text, path in shape.key:
            made += text
            if path is None:
                continue
            value = self._values.variable(path.text, target, place) if path.text.startswith("$") else paths.get(document, path)
            if value is None:
                raise KeyError(path.text)
            made += str(value)
        return made

    def ghost(
        self,
        plan: TablePlan,
        target: Target,
        region: str,
        reason: Reason,
        item: Mapping[str, Json],
        part: str = GHOST_PART,
        count: int = 1,
        outside: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """A row for what was not read. It keeps what is known of whom it belongs to and where it is: a join by that darkens no other."""
        shape = self._shapes[plan.table.id]
        try:
            known = paths.project(_beneath(item, shape.hops), shape.keep)
        except paths.MalformedError:  # what it belongs to is odd too
            known = {}
        if count > 1:
            known = {**known, UNREAD: count}
        room = plan.table.columns.get(ROOM)
        elsewhere = (outside or {}).get(room.from_.removeprefix("parent." * shape.hops)) if room is not None and room.from_ else None
        if elsewhere:
            known = {**known, OUTSIDE: list(elsewhere)}
        with self._lock:
            self._ghosts[plan.table.id, target.id, region] += 1
            number = self._ghosts[plan.table.id, target.id, region]
        self._writer.fact(
            table=plan.table.id,
            target=target.id,
            region=region,
            key=f"unread#{number}",
            data=known,
            gaps={part: reason},
            calls=(),
            redact=plan.table.redact,
        )


def _moment(document: Mapping[str, Json], path: paths.Path) -> str:
    """When a row was true; empty where its source does not say so. Raises MalformedError for what is no moment: it may be of any age."""
    said = paths.get(document, path)
    found = moment_of(said)
    if said is not None and not found:
        raise paths.MalformedError(f"no moment at {path.text}")
    return found


def _gap(path: paths.Path) -> str:
    """The name of a gap that a path would meet: its part or field, with the way up to it."""
    depth = next((n for n, key in enumerate(path.keys) if key != "parent"), len(path.keys) - 1)
    return ".".join(path.keys[: depth + 1])


def _is_lost(path: paths.Path, before: Json, after: Json) -> bool:
    """Whether a value that stood at the path has no form: it was no JSON, or no policy."""
    if path.head == paths.SELF:
        return False
    stood, stands = paths.get(before, path), paths.get(after, path)
    return len(stands) < len(stood) if path.is_many else stood is not None and stands is None


def _pieces(template: str) -> tuple[tuple[str, paths.Path | None], ...]:
    made: list[tuple[str, paths.Path | None]] = []
    rest = template
    for name in key_paths(template):
        before, _, rest = rest.partition("{" + name + "}")
        made.append((before, paths.Path(name, ()) if name.startswith("$") else paths.parse(name)))
    return (*made, (rest, None))


def _beneath(document: Mapping[str, Json], hops: int) -> Mapping[str, Json]:
    """A document as its elements see it: `parent`, or the parent of theirs."""
    for _ in range(hops):
        document = {"parent": document}
    return document


def _elements(document: Mapping[str, Json], steps: Sequence[paths.Step]) -> Iterator[dict[str, Json]]:
    """Each element of a nested list as a document; `parent` is what it came from."""
    position = steps.index(paths.EACH) if paths.EACH in steps else len(steps)
    value = paths.get(document, paths.Path("", tuple(steps[:position])))
    rest = steps[position + 1 :]
    for element in value if isinstance(value, list) else []:
        made = {**element} if isinstance(element, Mapping) else {paths.SELF: element}
        made["parent"] = document
        if rest:
            yield from _elements(made, rest)
        else:
            yield made


def _replaced(document: Mapping[str, Json], steps: Sequence[paths.Step], change: Callable[[Json], Json]) -> dict[str, Json]:
    """A copy of the document with the value at the path changed; nothing happens where there is none."""
    key, *rest = steps
    if key == paths.SELF:  # the item itself; what it was listed for stays beside it
        above = {"parent": document["parent"]} if "parent" in document else {}
        return {**change({name: value for name, value in document.items() if name != "parent"}), **above}
    if key == paths.EACH or isinstance(key, int):
        return dict(document)
    copy = dict(document)
    value = copy.get(key)
    if value is None:
        return copy
    if not rest:
        copy[key] = change(value)
    elif rest[0] == paths.EACH and isinstance(value, list):
        copy[key] = [_replaced(v, rest[1:], change) if len(rest) > 1 and isinstance(v, Mapping) else change(v) for v in value]
    elif isinstance(value, Mapping):
        copy[key] = _replaced(value, rest, change)
    return copy
