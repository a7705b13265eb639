"""Runs a plan against a target: pages, parts of items, listings beneath items; facts and gaps stream out as they come."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from cnamm_scan import paths
from cnamm_scan.content import key_paths
from cnamm_scan.engine.plan import Plan, Source, TablePlan, split_operation
from cnamm_scan.engine.schedule import Limits, Outcome, Scheduler
from cnamm_scan.model import ESTATE_TABLE, GHOST_PART, REST_PART, SILENCE_PART, UNREAD, Call, Coverage, Reason, Region, Target
from cnamm_scan.providers.interface import Answer, CallFailedError, Provider, Request

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
    ) -> None:
        """Redact and store one fact: of `data` what `keep` names, and `also`. Raises MalformedError for data of another shape."""
        ...

    def coverage(self, line: Coverage) -> None:
        """Store how one planned call went."""
        ...


class Progress(Protocol):
    """Told as the collection moves on; shows it to a person."""

    def queued(self, service: str, region: str) -> None:
        """One more listing of a service is under way."""
        ...

    def done(self, service: str, region: str) -> None:
        """One listing has ended."""
        ...


@dataclass
class _Line:
    """One line of the coverage ledger while it grows."""

    operation: str
    calls: int = 0
    pages: int = 0
    items: int = 0
    retries: int = 0
    ok: int = 0
    complete: bool = True
    gaps: Counter[str] = field(default_factory=Counter)
    code: str = ""


class Ledger:
    """How every planned call went, folded by (region, table, part)."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._lines: dict[tuple[str, str, str], _Line] = {}
        self._lock = threading.Lock()

    def note(
        self,
        region: str,
        table: str,
        part: str,
        operation: str,
        *,
        outcome: Outcome | None,
        items: int = 0,
        failure: CallFailedError | None = None,
        code: str = "",
    ) -> None:
        """Add one call's end. `failure` is None when it counts as answered (also when its error meant "not configured").

        `code` is what the provider called something that is no gap: an error that means "none", a snapshot that moved.
        """
        with self._lock:
            line = self._lines.setdefault((region, table, part), _Line(operation))
            if outcome is not None:
                asked = outcome.failure is None or outcome.failure.code not in ("NotAsked", "RegionIsDark")
                line.calls += asked
                line.retries += outcome.retries
            line.items += items
            line.code = line.code or code
            if failure is None:
                line.pages += outcome is not None
                line.ok += 1
            else:
                line.gaps[failure.reason.value] += 1
                line.code = failure.code if line.complete else line.code  # the first gap's, before any note
                line.complete = False

    def lines(self) -> Iterator[Coverage]:
        """The ledger, sorted."""
        for (region, table, part), line in sorted(self._lines.items()):
            yield Coverage(
                target=self.target,
                region=region,
                table=table,
                part=part,
                operation=line.operation,
                status="ok" if not line.gaps else line.gaps.most_common(1)[0][0],
                complete=line.complete,
                calls=line.calls,
                pages=line.pages,
                items=line.items,
                retries=line.retries,
                gaps=dict(sorted(line.gaps.items())),
                code=line.code,
            )

    def seen(self, region: str) -> str:
        """How a region was seen: listed when anything there answered, else by what stood in the way."""
        with self._lock:
            lines = [line for (name, _, _), line in self._lines.items() if name == region]
        reasons = {reason for line in lines for reason in line.gaps}
        if not lines or any(line.ok for line in lines):
            return "listed"
        if reasons <= {Reason.REGION_DISABLED.value}:
            return "off"
        if reasons <= {Reason.UNREACHABLE.value, Reason.TIMED_OUT.value}:
            return "unreachable"
        return "denied" if Reason.DENIED.value in reasons else "listed"


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection was: its regions, and how many calls and retries it took."""

    regions: tuple[Region, ...]
    calls: int
    retries: int
    interrupted: bool = False


def collect(
    plan: Plan,
    provider: Provider,
    writer: FactWriter,
    *,
    started: datetime,
    regions: Sequence[str] = (),
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Collected:
    """Ask a target everything in the plan. `regions` narrows it; what is left out stays visible as excluded.

    A call that fails is a gap, never an exception. Ctrl-C ends it early: all that was collected is written, and `interrupted` says so.
    """
    return _Collection(plan, provider, writer, started, limits or Limits(), progress).run(regions)


@dataclass
class _Item:
    """One listed item while its parts come in."""

    document: dict[str, Json]
    region: str
    """What its facts say: the region it lives in, or GLOBAL."""
    place: str
    """Where its parts are asked."""
    calls: list[Mapping[str, Any]]
    """What it was read with; items without parts share their page's."""
    parts: dict[str, Json] = field(default_factory=dict)
    """Part key -> its answer."""
    gaps: dict[str, Reason] = field(default_factory=dict)
    """Part key -> why it was not read."""
    above: Mapping[str, Reason] = field(default_factory=dict)
    """Gaps of the item that this one was listed for, by the names that a path would use."""
    gone: bool = False
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
class _Part:
    """One part as asked: `key` is the same for tables that declare the same call under different names."""

    key: str
    call: Call
    client: str
    operation: str
    after: tuple[str, ...]
    """Keys of the parts whose answers its parameters use."""
    names: Mapping[str, str]
    """Name of a part in its table -> part key: how `with:` finds earlier answers."""
    users: tuple[tuple[str, str], ...]
    """(table, part name) pairs that read it."""


@dataclass(frozen=True, slots=True)
class _Stream:
    """A source made ready: the parts that its items need, and how each table turns an item into facts."""

    source: Source
    client: str
    operation: str
    parts: Mapping[str, _Part]
    names: Mapping[str, Mapping[str, str]]
    """Table -> name of a part in it -> part key."""
    children: tuple[_Stream, ...]
    depth: int

    @property
    def service(self) -> str:
        return self.source.tables[0].table.service if self.source.tables else self.client


@dataclass(frozen=True, slots=True)
class _Parent:
    """The item that a listing is made for: its document with its parts, what of it was not read, and the calls that it came by."""

    document: Mapping[str, Json]
    gaps: Mapping[str, Reason]
    calls: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Listing:
    """One listing under way: the page to ask, where its rows say that they are, for whom, and the items seen before."""

    stream: _Stream
    request: Request
    region: str
    parent: _Parent | None
    before: int = 0


class _Collection:
    def __init__(
        self, plan: Plan, provider: Provider, writer: FactWriter, started: datetime, limits: Limits, progress: Progress | None
    ) -> None:
        self.plan = plan
        self.provider = provider
        self.target: Target = provider.target
        self.writer = writer
        self.started = started
        self.progress = progress
        self.scheduler = Scheduler(limits)
        self.ledger = Ledger(self.target.id)
        self.shared: dict[str, _Shared] = {}
        self.shared_lock = threading.Lock()
        self.ghosts: Counter[tuple[str, str]] = Counter()
        self.shapes = {
            name: _Shape.of(table, provider.normalisers) for name, table in plan.tables.items() if table.table.provider == provider.name
        }
        self.variables: dict[str, Mapping[str, str]] = {}

    def run(self, only: Sequence[str]) -> Collected:
        regions = self._regions(only)
        asked = [region.name for region in regions if region.seen == "listed"]
        for source in self.plan.sources.get(self.provider.name, ()):
            stream = _stream(source, 0)
            places = asked if source.once_per == "region" else [self.provider.home_region()]
            for place in places:
                self._list(stream, place, GLOBAL if source.once_per != "region" else place, None)
        interrupted = False
        try:
            self.scheduler.run()
        except KeyboardInterrupt:
            interrupted = True
        if self.scheduler.stopped is Reason.INTERRUPTED:
            interrupted = True
        seen = [_seen_as(region, self.ledger.seen(region.name)) for region in regions]
        self._own_facts(seen)
        for line in self.ledger.lines():
            self.writer.coverage(line)
        return Collected(tuple(seen), self.scheduler.calls, self.scheduler.retries, interrupted)

    def _regions(self, only: Sequence[str]) -> list[Region]:
        if self.provider.region_table is None:
            return []
        outcomes: list[Outcome] = []
        asked = Request("regions", "regions", GLOBAL)
        self.scheduler.submit(asked, lambda _: Answer(list(self.provider.regions())), outcomes.append, depth=0)  # with its retries
        self.scheduler.run()
        known, failure = (outcomes[0].answer.data if outcomes[0].answer is not None else []), outcomes[0].failure
        if failure is not None:
            # naming regions is a courtesy of the API: a scan that may not ask for them still goes to those it was told, or the usual ones
            self.ledger.note(GLOBAL, self.provider.region_table, GHOST_PART, "regions", outcome=outcomes[0], failure=failure)
            known = [Region(name, None) for name in sorted({*only, *self.provider.default_regions()})]
        if only:
            known = [region if region.name in only or region.state == "opt_in_off" else _seen_as(region, "excluded") for region in known]
        return known

    def _own_facts(self, regions: Sequence[Region]) -> None:
        self.writer.fact(
            table=ESTATE_TABLE,
            target=self.target.id,
            region=GLOBAL,
            key=self.target.id,
            data={"name": self.target.name, "provider": self.target.provider},
            gaps={},
            calls=(),
            redact=(),
        )
        if self.provider.region_table is None:
            return
        for region in regions:
            said = {"name": region.name, "state": region.state, "seen": region.seen, "opt_in": region.opt_in}
            self.writer.fact(
                table=self.provider.region_table,
                target=self.target.id,
                region=region.name,
                key=region.name,
                data={name: value for name, value in said.items() if value is not None},
                gaps={},
                calls=(),
                redact=(),
            )

    # ---- listings ----------------------------------------------------------------------------------------------------

    def _list(self, stream: _Stream, place: str, region: str, parent: _Parent | None) -> None:
        """Ask for a listing in a place; `region` is what its rows say (GLOBAL for once-per-target things)."""
        above = parent.gaps if parent is not None else {}
        parameters, missing = self._parameters(stream.source.call, {"parent": parent.document if parent else None}, place)
        if missing is not None:
            # a parameter that the parent could not give: unread if the parent's part was unread, else there is nothing to list
            wanted = missing.removeprefix("parent.")
            reason = next((reason for gap, reason in above.items() if wanted.startswith(f"{gap}.") or wanted == gap), None)
            if reason is not None:
                self._dark(stream, region, CallFailedError(reason, "ParentNotRead"), parent)
            return
        if self.progress:
            self.progress.queued(stream.service, region)
        self._page(_Listing(stream, Request(stream.client, stream.operation, place, parameters), region, parent))

    def _page(self, listing: _Listing) -> None:
        # a later page waits until the items of this one have their parts: memory then holds a page of each listing
        depth = listing.stream.depth if listing.request.page is None else listing.stream.depth - 1
        self._ask(listing.stream.source.call, listing.request, lambda outcome: self._paged(listing, outcome), depth)

    def _paged(self, listing: _Listing, outcome: Outcome) -> None:
        stream, request, region, before = listing.stream, listing.request, listing.region, listing.before
        call, failure, answer = stream.source.call, outcome.failure, outcome.answer
        if failure is not None and not self.provider.matches(failure, (*call.absent_on, *call.gone_on)):
            self._dark(stream, region, failure, listing.parent, outcome)
            self._listed(listing)
            return
        items = self._items(call, answer) if answer is not None else []
        following = answer.next_page if answer is not None else None
        if call.at_most is not None and before + len(items) >= call.at_most:
            items, following = items[: call.at_most - before], None
        code = failure.code if failure is not None else answer.note if answer is not None else ""
        for table in stream.source.tables:
            self.ledger.note(region, table.table.id, GHOST_PART, stream.operation, outcome=outcome, items=len(items), code=code)
        calls = [*(listing.parent.calls if listing.parent else ()), _call(request, outcome)]
        made = (self._item(listing, raw, calls if not stream.parts else list(calls), answer) for raw in items)
        if stream.parts:
            self._ask_parts(stream, list(made))
        else:
            for item in made:  # one by one: each is written before the next is made
                self._finished(stream, item)
        if answer is not None and answer.rest is not None:
            self._more_unseen(stream, region, answer.rest, REST_PART)
        if answer is not None and answer.left_out is not None:
            self._more_unseen(stream, region, answer.left_out, GHOST_PART, answer.left_out_count)
        if following is None:
            self._listed(listing)
        elif following == request.page:
            # a service that hands the same token out again would be read for ever
            self._dark(stream, region, CallFailedError(Reason.TRUNCATED, "SameTokenAgain"), listing.parent)
            self._listed(listing)
        else:
            self._page(replace(listing, request=replace(request, page=following), before=before + len(items)))

    def _more_unseen(self, stream: _Stream, region: str, reason: Reason, part: str, count: int = 1) -> None:
        """There is more than the rows that were read, or may be: they are judged, and lookups into them take nothing to be absent."""
        for plan in stream.source.tables:
            self.ledger.note(region, plan.table.id, part, stream.operation, outcome=None, failure=CallFailedError(reason, "Partial"))
            self._ghost(plan, region, reason, {}, part=part, count=count)
        for child in stream.children:
            self._more_unseen(child, region, reason, part, count)

    def _listed(self, listing: _Listing) -> None:
        if self.progress:
            self.progress.done(listing.stream.service, listing.region)

    def _items(self, call: Call, answer: Answer) -> list[Json]:
        if call.items in (None, paths.SELF):
            return answer.data if isinstance(answer.data, list) else [answer.data]
        found: list[Json] = []
        for value in paths.find(answer.data, paths.parse(call.items or "")):
            if isinstance(value, list):
                found.extend(value)
            else:
                found.append(value)
        return found

    def _item(self, listing: _Listing, raw: Json, calls: list[Mapping[str, Any]], answer: Answer | None) -> _Item:
        if answer is not None and answer.decode is not None:
            raw = answer.decode(raw)
        document: dict[str, Json] = dict(raw) if isinstance(raw, Mapping) else {paths.SELF: raw}
        region, place, above = listing.region, listing.request.region, dict(answer.blind) if answer is not None else {}
        if listing.parent is not None:
            document["parent"] = listing.parent.document
            above.update({f"parent.{name}": reason for name, reason in listing.parent.gaps.items()})
        if listing.stream.source.call.in_region:
            where = paths.get(document, paths.parse(listing.stream.source.call.in_region))
            if isinstance(where, str) and where:
                region = place = where
        return _Item(document, region, place, calls, above=above)

    def _dark(self, stream: _Stream, region: str, failure: CallFailedError, parent: _Parent | None, outcome: Outcome | None = None) -> None:
        """Leave a ghost in every table that lives on a listing that failed."""
        self._darken(stream, region, failure, {"parent": parent.document} if parent is not None else {}, outcome)

    def _darken(
        self, stream: _Stream, region: str, failure: CallFailedError, item: Mapping[str, Json], outcome: Outcome | None = None
    ) -> None:
        for plan in stream.source.tables:
            self.ledger.note(region, plan.table.id, GHOST_PART, stream.operation, outcome=outcome, failure=failure)
            self._ghost(plan, region, failure.reason, item)
        for child in stream.children:
            self._darken(child, region, failure, {"parent": item})

    def _ghost(
        self, plan: TablePlan, region: str, reason: Reason, item: Mapping[str, Json], part: str = GHOST_PART, count: int = 1
    ) -> None:
        """A row for what was not read. It keeps what is known of whom it belongs to, so that a join by that id darkens no other."""
        shape = self.shapes[plan.table.id]
        document: Mapping[str, Json] = item
        for _ in range(shape.hops):
            document = {"parent": document}
        keep = {name: subtree for name, subtree in shape.keep.items() if name == "parent"}
        try:
            known = paths.project(document, keep)
        except paths.MalformedError:  # what it belongs to is odd too
            known = {}
        if count > 1:
            known = {**known, UNREAD: count}
        with self.shared_lock:
            self.ghosts[plan.table.id, region] += 1
            number = self.ghosts[plan.table.id, region]
        self.writer.fact(
            table=plan.table.id,
            target=self.target.id,
            region=region,
            key=f"unread#{number}",
            data=known,
            gaps={part: reason},
            calls=(),
            redact=plan.table.redact,
        )

    # ---- parts -------------------------------------------------------------------------------------------------------

    def _ask_parts(self, stream: _Stream, batch: Sequence[_Item]) -> None:
        """Ask every part whose parameters are at hand; called again for an item whenever one of its parts has come."""
        grouped: dict[tuple[str, str, str], tuple[_Part, dict[str, Any], list[tuple[_Item, Any]]]] = {}
        ready: list[_Item] = []
        for item in batch:
            todo: list[tuple[_Part, dict[str, Any]]] = []
            with item.lock:
                changed = True
                while changed:  # a part that needs no call may free the next one
                    changed = False
                    for part in stream.parts.values():
                        if part.key in item.asked or not all(key in item.parts or key in item.gaps for key in part.after):
                            continue
                        item.asked.add(part.key)
                        parameters = self._part_parameters(part, item)
                        if parameters is None:
                            changed = True
                        else:
                            todo.append((part, parameters))
                if not todo and not item.finished and self._is_whole(stream, item):
                    item.finished = True  # two parts may come at the same moment on two threads
                    ready.append(item)
            for part, parameters in todo:
                if part.call.many:
                    value = paths.get(item.document, paths.parse(next(iter(part.call.many.values()))))
                    group = grouped.setdefault((part.key, item.place, _canonical(parameters)), (part, parameters, []))
                    group[2].append((item, value))
                else:
                    self._ask_part(stream, part, item, parameters)
        for (_, where, _), (part, parameters, members) in grouped.items():
            for start in range(0, len(members), part.call.size):
                self._ask_many(stream, part, members[start : start + part.call.size], where, parameters)
        for item in ready:
            self._finished(stream, item)

    def _is_whole(self, stream: _Stream, item: _Item) -> bool:
        return all(key in item.parts or key in item.gaps for key in stream.parts)

    def _part_parameters(self, part: _Part, item: _Item) -> dict[str, Any] | None:
        """The parameters of a part's call; None when it needs no call: then its answer or gap is already noted."""
        seen = {**item.document, **{name: item.parts[key] for name, key in part.names.items() if key in item.parts}}
        parameters, missing = self._parameters(part.call, seen, item.place)
        if missing is None:
            return parameters
        head = missing.split(".", 1)[0].split("[", 1)[0]
        reason = item.gaps.get(part.names.get(head, ""))
        if reason is None:
            reason = next((r for gap, r in item.above.items() if missing.startswith(f"{gap}.") or missing == gap), None)
        if reason is not None:
            item.gaps[part.key] = reason
        else:
            item.parts[part.key] = {}  # the item has nothing to ask about: silence, not a gap
        return None

    def _ask_part(self, stream: _Stream, part: _Part, item: _Item, parameters: dict[str, Any]) -> None:
        request = Request(part.client, part.operation, item.place, parameters)

        def then(outcome: Outcome) -> None:
            self._part_came(stream, part, item, request, outcome, [])

        self._ask(part.call, request, then, stream.depth + 1)

    def _part_came(self, stream: _Stream, part: _Part, item: _Item, request: Request, outcome: Outcome, pages: list[Json]) -> None:
        failure, answer = outcome.failure, outcome.answer
        if answer is not None and answer.next_page is not None and answer.next_page == request.page:
            answer, failure = None, CallFailedError(Reason.TRUNCATED, "SameTokenAgain")
        if answer is not None and answer.next_page is not None:
            following = replace(request, page=answer.next_page)
            self._note_part(part, item, outcome, None)
            collected = [*pages, answer.data]
            self._ask(
                part.call, following, lambda later: self._part_came(stream, part, item, following, later, collected), stream.depth + 1
            )
            return
        with item.lock:
            item.calls.append(_call(request, outcome))
            if answer is not None:
                item.parts[part.key] = _joined([*pages, answer.data])
                failure = None
            elif failure is not None and self.provider.matches(failure, part.call.absent_on):
                item.parts[part.key] = {}
                failure = None
            elif failure is not None and self.provider.matches(failure, part.call.gone_on):
                item.parts[part.key] = {}
                item.gone = True
                failure = None
            elif failure is not None:
                item.gaps[part.key] = failure.reason
        self._note_part(part, item, outcome, failure)
        self._ask_parts(stream, [item])

    def _note_part(self, part: _Part, item: _Item, outcome: Outcome, failure: CallFailedError | None) -> None:
        for table, name in part.users:
            self.ledger.note(item.region, table, name, part.operation, outcome=outcome, failure=failure)

    def _ask_many(
        self, stream: _Stream, part: _Part, members: Sequence[tuple[_Item, Any]], place: str, parameters: Mapping[str, Any]
    ) -> None:
        name = next(iter(part.call.many))
        request = Request(part.client, part.operation, place, {**parameters, name: [value for _, value in members]})
        by, items = paths.parse(part.call.by or ""), paths.parse(part.call.items or "")

        def then(outcome: Outcome) -> None:
            failure = outcome.failure
            if failure is not None and self.provider.matches(failure, part.call.absent_on):
                failure = None
            found: dict[Any, Json] = {}
            if outcome.answer is not None:
                for value in paths.find(outcome.answer.data, items):
                    for element in value if isinstance(value, list) else [value]:
                        found[paths.get(element, by)] = element
            for item, value in members:
                with item.lock:
                    item.calls.append(_call(request, outcome))
                    if failure is not None:
                        item.gaps[part.key] = failure.reason
                    elif value in found:
                        item.parts[part.key] = found[value]
                    else:
                        item.parts[part.key] = {}
                        item.gone = outcome.answer is not None
            self._note_part(part, members[0][0], outcome, failure)
            self._ask_parts(stream, [item for item, _ in members])

        self._ask(part.call, request, then, stream.depth + 1)

    # ---- calls -------------------------------------------------------------------------------------------------------

    def _ask(self, call: Call, request: Request, then: Callable[[Outcome], None], depth: int) -> None:
        """Queue a call; one that others make too is made once and its outcome given to all."""
        ask = self.provider.call if call.read is None else self._reader(call.read)
        if (request.client, request.operation) not in self.plan.shared:
            self.scheduler.submit(request, ask, then, depth=depth)
            return
        key = _canonical([request.client, request.operation, request.region, request.parameters, request.page])
        with self.shared_lock:
            known = self.shared.get(key)
            if known is None:
                known = self.shared[key] = _Shared()
                first = True
            else:
                first = False
                if known.outcome is None:
                    known.waiting.append(then)
                    return
        if not first:
            assert known.outcome is not None  # set before it was seen above
            then(known.outcome)
            return
        shared = known

        def done(outcome: Outcome) -> None:
            with self.shared_lock:
                shared.outcome = outcome
                waiting, shared.waiting = shared.waiting, []
            then(outcome)
            for other in waiting:
                other(outcome)

        self.scheduler.submit(request, ask, done, depth=depth)

    def _reader(self, name: str) -> Callable[[Request], Answer]:
        return lambda request: self.provider.read(name, request.region)

    def _parameters(self, call: Call, document: Mapping[str, Json], place: str) -> tuple[dict[str, Any], str | None]:
        """The call's parameters, or the path of the first one that the document does not give."""
        parameters: dict[str, Any] = dict(call.fixed)
        for name, text in call.with_.items():
            value = self._variable(text, place) if text.startswith("$") else paths.get(document, paths.parse(text))
            if value is None or value == []:
                return {}, text
            parameters[name] = value
        if call.many:
            for text in call.many.values():
                if paths.get(document, paths.parse(text)) is None:
                    return {}, text
        return parameters, None

    def _variable(self, text: str, place: str) -> Any:
        if text.startswith("$now"):
            return moment(text, self.started)
        known = self.variables.get(place)
        if known is None:
            known = self.variables[place] = self.provider.variables(place)
        return known.get(text)

    # ---- facts -------------------------------------------------------------------------------------------------------

    def _finished(self, stream: _Stream, item: _Item) -> None:
        """An item has all its parts: write its facts, and list what lives beneath it."""
        if item.gone:
            return
        for plan in stream.source.tables:
            self._facts(plan, stream, item)
        for child in stream.children:
            self._list(child, item.place, item.region, self._as_parent(stream, child, item))

    def _as_parent(self, stream: _Stream, child: _Stream, item: _Item) -> _Parent:
        """The item as its children see it: with the parts under the names that the table of `for:` gives them."""
        names = stream.names.get(child.source.call.for_ or "", {})
        document = {**item.document, **{name: item.parts[key] for name, key in names.items() if key in item.parts}}
        gaps = {name: item.gaps[key] for name, key in names.items() if key in item.gaps}
        return _Parent(document, {**gaps, **item.above}, item.calls)

    def _facts(self, plan: TablePlan, stream: _Stream, item: _Item) -> None:
        table, shape = plan.table, self.shapes[plan.table.id]
        names = stream.names.get(table.id, {})
        document: Mapping[str, Json] = item.document
        gaps: Mapping[str, Reason] = {}
        if names:
            document = {**document, **{name: item.parts[key] for name, key in names.items() if key in item.parts}}
            gaps = {name: item.gaps[key] for name, key in names.items() if key in item.gaps}
        try:
            for path, normalise in shape.normalise:
                document = item.normal(path, normalise) if document is item.document else _replaced(document, path.steps, normalise)
            key = self._key(shape, document, item.place) if not table.each else ""
            if not table.each:
                self._fact(plan, shape, item, document, {**gaps, **item.above}, key)
                return
            each, unread = paths.parse(table.each), {**gaps, **item.above}
            elements = list(_elements(document, each.steps))
            if not elements and each.head in unread:
                self._ghost(plan, item.region, unread[each.head], document)
                return
            lifted = {f"{'parent.' * shape.hops}{name}": reason for name, reason in unread.items()}
            for number, element in enumerate(elements):
                key = f"{self._key(shape, element, item.place)}#{number}"
                self._fact(plan, shape, item, element, lifted, key)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
            # an odd item, or one that our own declarations did not foresee, costs itself, not the scan
            said = f"key has no {error}" if isinstance(error, KeyError) else type(error).__name__
            reason = Reason.MALFORMED if isinstance(error, paths.MalformedError | RecursionError) else Reason.COLLECTOR_BUG
            self.ledger.note(
                item.region,
                table.id,
                GHOST_PART,
                stream.operation,
                outcome=None,
                failure=CallFailedError(reason, said.removesuffix("Error")),
            )
            self._ghost(plan, item.region, reason, {})

    def _fact(
        self, plan: TablePlan, shape: _Shape, item: _Item, document: Mapping[str, Json], gaps: Mapping[str, Reason], key: str
    ) -> None:
        self.writer.fact(
            table=plan.table.id,
            target=self.target.id,
            region=item.region,
            key=key,
            data=document,
            keep=shape.keep,
            also={name: self._variable(name, item.place) for name in shape.variables} if shape.variables else None,
            gaps=self._gaps(gaps, shape) if gaps else {},
            calls=item.calls,
            redact=plan.table.redact,
        )

    @staticmethod
    def _gaps(gaps: Mapping[str, Reason], shape: _Shape) -> dict[str, Reason]:
        """The gaps that a column of the table can meet, and why the source is silent where it is."""
        kept = {name: reason for name, reason in gaps.items() if name in shape.may_gap}
        silent = next((reason for name, reason in gaps.items() if name.rsplit(".", 1)[-1] == SILENCE_PART), None)
        return {**kept, SILENCE_PART: silent} if silent is not None else kept

    def _key(self, shape: _Shape, document: Mapping[str, Json], place: str) -> str:
        made = ""
        for text, path in shape.key:
            made += text
            if path is None:
                continue
            value = self._variable(path.text, place) if path.text.startswith("$") else paths.get(document, path)
            if value is None:
                raise KeyError(path.text)
            made += str(value)
        return made


def moment(text: str, started: datetime) -> datetime:
    """The time that `$now` or `$now-90d` names: days before the scan began."""
    _, _, back = text.partition("-")
    return started - timedelta(days=int(back.removesuffix("d")) if back else 0)


@dataclass
class _Shared:
    """The outcome of a call that several want, or those who wait for it."""

    outcome: Outcome | None = None
    waiting: list[Callable[[Outcome], None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a table's documents become data: worked out once, used for every item."""

    keep: paths.Tree
    variables: tuple[str, ...]
    normalise: tuple[tuple[paths.Path, Callable[[Json], Json]], ...]
    key: tuple[tuple[str, paths.Path | None], ...]
    """The key's template in pieces: a text, then the path whose value follows it."""
    hops: int
    may_gap: frozenset[str]

    @classmethod
    def of(cls, plan: TablePlan, normalisers: Mapping[str, Callable[[Json], Json]]) -> _Shape:
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
        gaps = set()
        for path in kept:
            depth = next((n for n, key in enumerate(path.keys) if key != "parent"), len(path.keys) - 1)
            gaps.add(".".join(path.keys[: depth + 1]))
        return cls(
            keep=paths.tree((path for path in kept if path not in listed and path not in there), listed, there),
            variables=tuple(text for text in plan.kept if text.startswith("$")),
            normalise=tuple((paths.parse(text), normalisers[how]) for text, how in table.normalise.items()),
            key=_pieces(table.key),
            hops=table.each.count("[]") if table.each else 0,
            may_gap=frozenset(gaps),
        )


def _pieces(template: str) -> tuple[tuple[str, paths.Path | None], ...]:
    made: list[tuple[str, paths.Path | None]] = []
    rest = template
    for name in key_paths(template):
        before, _, rest = rest.partition("{" + name + "}")
        made.append((before, paths.Path(name, ()) if name.startswith("$") else paths.parse(name)))
    return (*made, (rest, None))


def _stream(source: Source, depth: int) -> _Stream:
    client, operation = split_operation(source.call, source.client)
    parts = _parts(source)
    names: dict[str, dict[str, str]] = {}
    for part in parts.values():
        for table, name in part.users:
            names.setdefault(table, {})[name] = part.key
    return _Stream(source, client, operation, parts, names, tuple(_stream(child, depth + 2) for child in source.children), depth)


def _parts(source: Source) -> dict[str, _Part]:
    """The parts of every table on this source; tables that declare the same call share one."""
    made: dict[str, _Part] = {}
    for plan in source.tables:
        names: dict[str, str] = {}
        for name in plan.parts:
            call = plan.table.then[name]
            client, operation = split_operation(call, plan.table.client)
            said = {p: names.get(_head(text), "") + "|" + text for p, text in call.with_.items()}
            key = _canonical([client, operation, said, call.fixed, dict(call.many), call.absent_on, call.gone_on])
            after = tuple({names[_head(text)] for text in call.with_.values() if _head(text) in names})
            names[name] = key
            users = (*made[key].users, (plan.table.id, name)) if key in made else ((plan.table.id, name),)
            made[key] = _Part(key, call, client, operation, after, dict(names), users)
    return made


def _head(text: str) -> str:
    return text if text.startswith("$") else paths.parse(text).head


def _seen_as(region: Region, seen: str) -> Region:
    if region.seen != "listed":
        return region
    return Region(region.name, region.state, seen, region.opt_in)  # type: ignore[arg-type]


def _call(request: Request, outcome: Outcome) -> dict[str, Any]:
    at = datetime.fromtimestamp(outcome.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {"operation": f"{request.client}:{request.operation}", "request": request.parameters, "region": request.region, "at": at}
    if outcome.answer is not None and outcome.answer.request_id:
        said["request_id"] = outcome.answer.request_id
    if outcome.failure is not None:
        said["error"] = outcome.failure.code
    return said


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _joined(pages: Sequence[Json]) -> Json:
    """Several pages of one part as one answer: lists are strung together, the rest is the last page's."""
    if len(pages) == 1:
        return pages[0]
    whole: dict[str, Json] = {}
    for page in pages:
        for name, value in page.items():
            if isinstance(value, list) and isinstance(whole.get(name), list):
                whole[name] = [*whole[name], *value]
            else:
                whole[name] = value
    return whole


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
