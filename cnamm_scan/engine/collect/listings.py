"""Listings page by page: whose each item is, what lives beneath it, and a gap for each target that a page was not read for."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from cnamm_scan import paths
from cnamm_scan.engine.collect.calls import Calls, Pages, Values, told
from cnamm_scan.engine.collect.gone import Gone
from cnamm_scan.engine.collect.ledger import Ledger
from cnamm_scan.engine.collect.parts import Parts
from cnamm_scan.engine.collect.rows import Item, Rows
from cnamm_scan.engine.collect.streams import Stream
from cnamm_scan.engine.schedule import Limits, Outcome
from cnamm_scan.model import GHOST_PART, OUTSIDE_PART, REST_PART, Call, Reason, Target
from cnamm_scan.providers.interface import Answer, CallFailedError, LeftOut, Origin, Provider, Request

Json = Any


class Progress(Protocol):
    """Told as the collection moves on; shows it to a person."""

    def queued(self, service: str, region: str) -> None:
        """One more listing of a service is under way."""
        ...

    def done(self, service: str, region: str) -> None:
        """One listing has ended."""
        ...


@dataclass(frozen=True, slots=True)
class _Parent:
    """The item that a listing is made for: its document with its parts, what of it was not read, and the calls that it came by."""

    document: Mapping[str, Json]
    gaps: Mapping[str, Reason]
    calls: Sequence[Mapping[str, Any]]
    stream: Stream
    item: Item
    """By which it can be listed once more."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """One listing under way: the page to ask, where its rows say that they are, for whom, and what came before."""

    stream: Stream
    request: Request
    region: str
    target: Target | None
    """Whose it is; None: of the whole connection, where each item says whose it is."""
    parent: _Parent | None
    pages: Pages
    before: int = 0
    dark: set[str] = field(default_factory=set)
    """Names of targets whose share was said to be missing."""


class Listings:
    """Asks for listings, of one target or of the whole connection, and for everything that lives on their items."""

    def __init__(
        self, provider: Provider, calls: Calls, ledger: Ledger, values: Values, rows: Rows, limits: Limits, progress: Progress | None
    ) -> None:
        self.provider = provider
        self.targets = tuple(provider.targets)
        self.by_name = {target.name: target for target in self.targets}
        self.calls = calls
        self.ledger = ledger
        self.values = values
        self.rows = rows
        self.limits = limits
        self.progress = progress
        self.parts = Parts(provider, calls, ledger, values, limits, self._finished)
        self._begun: set[tuple[int, str, str]] = set()
        """(listing, target, what it is about): of those that are made once for what several items have in common."""
        self._beginning = threading.Lock()
        self.gone = Gone(provider, calls, values, rows, ledger, limits, lambda call, answer: _documents(_items(call, answer), answer))

    def begin(self, stream: Stream, place: str, region: str, target: Target | None, parent: _Parent | None = None) -> None:
        """Ask for a listing in a place; `region` is what its rows say (GLOBAL for once-per-target things). No target: of all."""
        above = parent.gaps if parent is not None else {}
        document = {"parent": parent.document if parent else None}
        parameters, missing = self.values.parameters(stream.source.call, document, target, place)
        if missing is not None:
            # a parameter that the parent could not give: unread if the parent's part was unread, else there is nothing to list
            wanted = missing.removeprefix("parent.")
            reason = next((reason for gap, reason in above.items() if wanted.startswith(f"{gap}.") or wanted == gap), None)
            if reason is not None:
                self._dark(stream, self._whose(target), region, CallFailedError(reason, "ParentNotRead"), parent)
            return
        if stream.source.unread:
            self._dark(stream, self._whose(target), region, CallFailedError(Reason.UNSUPPORTED, stream.source.unread), parent)
            return
        for each in self._whose(target):
            self._say_unread(stream, each, region, parent)
        if self.progress:
            self.progress.queued(stream.service, region)
        request = Request(stream.client, stream.operation, place, parameters, target=target.id if target is not None else "")
        self._page(_Listing(stream, request, region, target, parent, Pages(self.limits)))

    def _say_unread(self, stream: Stream, target: Target, region: str, parent: _Parent | None) -> None:
        """What the SDK could not show of the rows to come is a line of the ledger; where it cannot show the rows, they are a ghost."""
        for plan in stream.source.tables:
            if plan.unread is None:
                continue
            failure = CallFailedError(Reason.UNSUPPORTED, plan.unread.code)
            for name in (*([GHOST_PART] if plan.unread.each else []), *sorted(plan.unread.paths)):
                self.ledger.note(target.id, region, plan.table.id, name, stream.operation, outcome=None, failure=failure)
            if plan.unread.each:
                self.rows.ghost(plan, target, region, failure.reason, {"parent": parent.document} if parent is not None else {})

    def _whose(self, target: Target | None) -> tuple[Target, ...]:
        return self.targets if target is None else (target,)

    def _page(self, listing: _Listing) -> None:
        # a later page waits until the items of this one have their parts: memory then holds a page of each listing
        depth = listing.stream.depth if listing.request.page is None else listing.stream.depth - 1
        self.calls.ask(listing.stream.source.call, listing.request, lambda outcome: self._paged(listing, outcome), depth)

    def _paged(self, listing: _Listing, outcome: Outcome) -> None:
        stream, call, failure, answer = listing.stream, listing.stream.source.call, outcome.failure, outcome.answer
        if failure is not None and call.gone_on and self.provider.matches(failure, call.gone_on) and listing.parent is not None:
            parent = listing.parent
            self._note_page(listing, parent.item.target, outcome, 0)
            unproven = CallFailedError(Reason.NOT_FOUND, failure.code)
            self.gone.say_parent(
                parent.stream,
                parent.item,
                stream,
                listing.region,
                lambda: self._dark(stream, (parent.item.target,), listing.region, unproven, parent),
            )
            self._listed(listing)
            return
        if failure is not None and not self.provider.matches(failure, call.absent_on):
            self._dark(stream, self._whose(listing.target), listing.region, failure, listing.parent, outcome)
            self._listed(listing)
            return
        raws = _items(call, answer) if answer is not None else []
        following = answer.next_page if answer is not None else None
        if call.at_most is not None and listing.before + len(raws) >= call.at_most:
            raws, following = raws[: call.at_most - listing.before], None
        calls = [*(listing.parent.calls if listing.parent else ()), told(listing.request, outcome)]
        if listing.target is not None:
            self._note_page(listing, listing.target, outcome, len(raws))
            own = listing.target
            origins = answer.origins if answer is not None and answer.origins else itertools.repeat(None)
            made: Iterator[Item] = (
                self._item(listing, own, document, calls, answer, origin)
                for document, origin in zip(_documents(raws, answer), origins, strict=False)
            )
        else:
            made = iter(self._sorted_out(listing, raws, calls, outcome))
        if stream.parts:
            self.parts.ask(stream, list(made))
        else:
            for item in made:  # one by one: each is written before the next is made
                self._finished(stream, item)
        if answer is not None and answer.rest is not None:
            self._more_unseen(listing, answer.rest, REST_PART)
        if answer is not None and answer.left_out is not None:
            for each in answer.left_out_where or (LeftOut({}, answer.left_out_count),):
                self._more_unseen(listing, answer.left_out, GHOST_PART, each.count, known=each.known, outside=each.outside)
        if answer is None or following is None:
            self._listed(listing)
            return
        endless = listing.pages.turned(answer, outcome.seconds)
        if endless is not None:
            self._dark(stream, self._whose(listing.target), listing.region, endless, listing.parent)
            self._listed(listing)
        else:
            self._page(replace(listing, request=replace(listing.request, page=following), before=listing.before + len(raws)))

    def _note_page(self, listing: _Listing, target: Target, outcome: Outcome, items: int) -> None:
        code = outcome.failure.code if outcome.failure is not None else outcome.answer.note if outcome.answer is not None else ""
        for plan in listing.stream.source.tables:
            self.ledger.note(
                target.id, listing.region, plan.table.id, GHOST_PART, listing.stream.operation, outcome=outcome, items=items, code=code
            )

    def _sorted_out(self, listing: _Listing, raws: Sequence[Json], calls: list[Mapping[str, Any]], outcome: Outcome) -> list[Item]:
        """The items of a page that was asked for the whole connection, each with whose it is; what is nobody's here is counted.

        An item that does not say whose it is could be anybody's: one that was not read, of each target.
        """
        answer, stream = outcome.answer, listing.stream
        made: list[Item] = []
        counts = dict.fromkeys((target.id for target in self.targets), 0)
        outside = nobodys = 0
        for document in _documents(raws, answer):
            name = paths.get(document, stream.belongs) if stream.belongs is not None else None
            target = self.by_name.get(name) if isinstance(name, str) else None
            if target is not None:
                counts[target.id] += 1
                made.append(self._item(listing, target, document, calls, answer))
            elif isinstance(name, str) and name:
                outside += 1
            else:
                nobodys += 1
        missing = answer.dark if answer is not None else {}
        for target in self.targets:
            withheld = missing.get(target.name)
            if withheld is None:
                self._note_page(listing, target, outcome, counts[target.id])
            elif target.name not in listing.dark:
                listing.dark.add(target.name)
                self._dark(stream, (target,), listing.region, withheld, listing.parent, outcome)
        if outside:
            for plan in stream.source.tables:
                self.ledger.note("", listing.region, plan.table.id, OUTSIDE_PART, stream.operation, outcome=None, items=outside)
        if nobodys:
            self._more_unseen(listing, Reason.MALFORMED, GHOST_PART, nobodys, code="NoTarget")
        return made

    def _more_unseen(
        self,
        listing: _Listing,
        reason: Reason,
        part: str,
        count: int = 1,
        code: str = "Partial",
        known: Mapping[str, Json] | None = None,
        outside: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """There is more than the rows that were read, or may be: they are judged, and lookups into them take nothing to be absent.

        `known` is what an item of it would say, as far as that is known, and `outside` what it would not.
        """
        failure = CallFailedError(reason, code)
        for target in self._whose(listing.target):
            self._unseen(listing.stream, target, listing.region, failure, known or {}, part=part, count=count, outside=outside)

    def _listed(self, listing: _Listing) -> None:
        if self.progress:
            self.progress.done(listing.stream.service, listing.region)

    def _item(
        self,
        listing: _Listing,
        target: Target,
        document: dict[str, Json],
        calls: list[Mapping[str, Any]],
        answer: Answer | None,
        origin: Origin | None = None,
    ) -> Item:
        region, place, above = listing.region, listing.request.region, dict(answer.blind) if answer is not None else {}
        if listing.parent is not None:
            document["parent"] = listing.parent.document
            above.update({f"parent.{name}": reason for name, reason in listing.parent.gaps.items()})
        if listing.stream.source.call.in_region:
            where = paths.get(document, paths.parse(listing.stream.source.call.in_region))
            if isinstance(where, str) and where:
                region = place = where
        own = list(calls) if listing.stream.parts else calls
        return Item(document, target, region, place, own, listing.request, above=above, origin=origin)

    def _dark(
        self,
        stream: Stream,
        targets: Sequence[Target],
        region: str,
        failure: CallFailedError,
        parent: _Parent | None,
        outcome: Outcome | None = None,
    ) -> None:
        """Leave a ghost in every table that lives on a listing that failed, for each target that it was for."""
        item = {"parent": parent.document} if parent is not None else {}
        for target in targets:
            self._unseen(stream, target, region, failure, item, outcome=outcome)

    def _unseen(
        self,
        stream: Stream,
        target: Target,
        region: str,
        failure: CallFailedError,
        known: Mapping[str, Json],
        *,
        part: str = GHOST_PART,
        count: int = 1,
        outcome: Outcome | None = None,
        outside: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """A ghost for what was not read, and for all that lives beneath it; `known` is what an item of it would say."""
        for plan in stream.source.tables:
            self.ledger.note(target.id, region, plan.table.id, part, stream.operation, outcome=outcome, failure=failure)
            self.rows.ghost(plan, target, region, failure.reason, known, part=part, count=count, outside=outside)
        for child in stream.children:
            self._unseen(child, target, region, failure, {"parent": known} if known else {}, part=part, count=count)

    # ---- items -------------------------------------------------------------------------------------------------------

    def _finished(self, stream: Stream, item: Item) -> None:
        """An item has all its parts: write its facts, and list what lives beneath it."""
        if item.passed_over:
            return
        if item.said_gone:
            self.gone.say_item(stream, item, self._write)
            return
        self._write(stream, item)

    def _write(self, stream: Stream, item: Item) -> None:
        for plan in stream.source.tables:
            if plan.unread is None or not plan.unread.each:
                self.rows.write(plan, stream, item)
        for child in stream.children:
            parent = self._as_parent(stream, child, item)
            if child.source.call.once_for is None or self._is_first(child, item.target, parent):
                self.begin(child, item.place, item.region, item.target, parent)

    def _is_first(self, child: Stream, target: Target, parent: _Parent) -> bool:
        """Whether nobody has asked yet about what an item has in common with others."""
        about = paths.get({"parent": parent.document}, paths.parse(child.source.call.once_for or ""))
        mark = (id(child), target.id, str(about))
        with self._beginning:
            if mark in self._begun:
                return False
            self._begun.add(mark)
        return True

    def _as_parent(self, stream: Stream, child: Stream, item: Item) -> _Parent:
        """The item as its children see it: with the parts under the names that the table of `for:` gives them."""
        names = stream.names.get(child.source.call.for_ or "", {})
        document = {**item.document, **{name: item.parts[key] for name, key in names.items() if key in item.parts}}
        gaps = {name: item.gaps[key] for name, key in names.items() if key in item.gaps}
        return _Parent(document, {**gaps, **item.above}, item.calls, stream, item)


def _items(call: Call, answer: Answer) -> list[Json]:
    if call.items in (None, paths.SELF):
        return answer.data if isinstance(answer.data, list) else [answer.data]
    found: list[Json] = []
    for value in paths.find(answer.data, paths.parse(call.items or "")):
        if isinstance(value, list):
            found.extend(value)
        else:
            found.append(value)
    return found


def _documents(raws: Sequence[Json], answer: Answer | None) -> Iterator[dict[str, Json]]:
    """Items as documents. One that the provider cannot make an item of is an odd item, and costs itself."""
    for raw in raws:
        item = raw
        if answer is not None and answer.decode is not None:
            try:
                item = answer.decode(raw)
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
                item = None
        yield dict(item) if isinstance(item, Mapping) else {paths.SELF: item}
