"""What is said to have gone since it was listed, proven by listing once more: "not found" alone may mean much else.

A service says "not found" of a setting that was asked for by a name that nobody gave, of what was meant by another id, and of what the
asker may not see. So nobody's word is taken for it: only what its own listing, asked again and answered to the end, does not name any more
has gone. What is still named there was not read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnamm_scan import paths
from cnamm_scan.engine.collect.calls import Calls, Pages, Values
from cnamm_scan.engine.collect.ledger import Ledger
from cnamm_scan.engine.collect.rows import Item, Rows
from cnamm_scan.engine.collect.streams import Stream, canonical
from cnamm_scan.engine.schedule import Limits, Outcome
from cnamm_scan.model import GHOST_PART, Call, Target
from cnamm_scan.providers.interface import Answer, Provider, Request

Json = Any
Documents = Callable[[Call, Answer], Iterable[dict[str, Json]]]
"""Items of an answer, as documents."""


@dataclass(frozen=True, slots=True)
class _Missing:
    """An item that was said to have gone, and what is done of it."""

    stream: Stream
    item: Item
    gone: Callable[[], None]
    there: Callable[[], None]
    """For whatever is not proven: the listing names it again, could not be read to its end, or was a sample."""


@dataclass(slots=True)
class _Asked:
    """One listing asked once more, and those of its items that it has not named so far."""

    stream: Stream
    request: Request
    above: Mapping[str, Json]
    left: list[_Missing]
    pages: Pages
    read: int = 0
    is_whole: bool = True
    """Whether every page so far was shown whole, with a name for each of its items: else one of them may be any that is looked for."""


class Gone:
    """Keeps what was said to have gone until all is asked; then `ask` has it proven. Used from many threads."""

    def __init__(
        self, provider: Provider, calls: Calls, values: Values, rows: Rows, ledger: Ledger, limits: Limits, documents: Documents
    ) -> None:
        self._provider = provider
        self._calls = calls
        self._values = values
        self._rows = rows
        self._ledger = ledger
        self._limits = limits
        self._documents = documents
        self._waiting: list[_Missing] = []
        self._lock = threading.Lock()

    def say_item(self, stream: Stream, item: Item, write: Callable[[Stream, Item], None]) -> None:
        """Parts of an item say that it has gone: it is counted when that is proven, and else written with these parts unread."""
        (key, _), *_ = item.said_gone.items()
        part = stream.parts[key]
        names = dict(part.users)

        def gone() -> None:
            for plan in stream.source.tables:
                name = names.get(plan.table.id, GHOST_PART)
                self._ledger.gone(item.target.id, item.region, plan.table.id, name, part.operation)

        def there() -> None:
            for each, failure in item.said_gone.items():
                asked = stream.parts[each]
                for table, name in asked.users:
                    self._ledger.note(item.target.id, item.region, table, name, asked.operation, outcome=None, failure=failure)
            write(stream, item)

        self._say(_Missing(stream, item, gone, there))

    def say_parent(self, stream: Stream, item: Item, child: Stream, region: str, unread: Callable[[], None]) -> None:
        """Who lists what lives beneath an item is told that the item has gone: nothing is there if so, and it is `unread` if not."""

        def gone() -> None:
            for plan in child.source.tables:
                self._ledger.gone(item.target.id, region, plan.table.id, GHOST_PART, child.operation)

        self._say(_Missing(stream, item, gone, unread))

    def _say(self, missing: _Missing) -> None:
        with self._lock:
            self._waiting.append(missing)

    def ask(self) -> bool:
        """Queue each listing that named one of them once more. Whether there was any."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        asked: dict[str, list[_Missing]] = {}
        for each in waiting:
            request = each.item.listed
            own = [request.target, request.client, request.operation, request.region, request.parameters, each.stream.depth]
            asked.setdefault(canonical([*own, sorted(plan.table.id for plan in each.stream.source.tables)]), []).append(each)
        for several in asked.values():
            first = several[0].item
            above = {"parent": first.document["parent"]} if "parent" in first.document else {}
            request = replace(first.listed, page=None)
            self._page(_Asked(several[0].stream, request, above, several, Pages(self._limits)))
        return bool(waiting)

    def _page(self, asked: _Asked) -> None:
        self._calls.anew(asked.stream.source.call, asked.request, lambda outcome: self._paged(asked, outcome), asked.stream.depth)

    def _paged(self, asked: _Asked, outcome: Outcome) -> None:
        call, answer, failure = asked.stream.source.call, outcome.answer, outcome.failure
        if answer is None or failure is not None:
            is_none = failure is not None and self._provider.matches(failure, (*call.absent_on, *call.gone_on))
            _tell(asked.left, proven=is_none)
            return
        documents = [{**document, **asked.above} for document in self._documents(call, answer)]
        asked.read += len(documents)
        asked.is_whole = asked.is_whole and self._is_whole(asked, answer, documents)
        asked.left = self._unnamed(asked, documents)
        is_cut = call.at_most is not None and asked.read >= call.at_most
        if not asked.left or is_cut or answer.next_page is None or asked.pages.turned(answer, outcome.seconds) is not None:
            _tell(asked.left, proven=answer.next_page is None and not is_cut and asked.is_whole)
            return
        asked.request = replace(asked.request, page=answer.next_page)
        self._page(asked)

    def _is_whole(self, asked: _Asked, answer: Answer, documents: Sequence[Mapping[str, Json]]) -> bool:
        """Whether a page shows all that there is of it, and says of each item which it is, and whose where it is an answer for many."""
        if answer.rest is not None or answer.left_out is not None or answer.dark:
            return False
        if any(document.get(paths.SELF, document) is None for document in documents):
            return False
        stream = asked.stream
        for item in {(each.item.target.id, each.item.place): each.item for each in asked.left}.values():
            own = self._keyed(stream, item.document, item.target, item.place)
            if any(own - self._keyed(stream, document, item.target, item.place) for document in documents):
                return False
        return stream.belongs is None or all(paths.get(document, stream.belongs) for document in documents)

    def _keyed(self, stream: Stream, document: Mapping[str, Json], target: Target, place: str) -> frozenset[str]:
        """The tables in which an item has a key."""
        return frozenset(plan.table.id for plan in stream.source.tables if self._rows.name(plan, document, target, place))

    def _unnamed(self, asked: _Asked, documents: Sequence[Mapping[str, Json]]) -> list[_Missing]:
        """Those that none of these documents is; of the others it is told that they are there."""
        named: dict[tuple[str, str], frozenset[str]] = {}
        left: list[_Missing] = []
        for each in asked.left:
            item = each.item
            if (item.target.id, item.place) not in named:
                seen = (self._names(asked.stream, document, item.target, item.place) for document in documents)
                named[item.target.id, item.place] = frozenset().union(*seen)
            own = self._names(asked.stream, item.document, item.target, item.place)
            if own and not own & named[item.target.id, item.place]:
                left.append(each)
            else:
                each.there()
        return left

    def _names(self, stream: Stream, document: Mapping[str, Json], target: Target, place: str) -> frozenset[str]:
        """What an item is called: its keys, and the parameters by which its parts and what lives beneath it are asked."""
        whose = paths.get(document, stream.belongs) if stream.belongs is not None else None
        found = [["key", plan.table.id, key] for plan in stream.source.tables if (key := self._rows.name(plan, document, target, place))]
        for part in stream.parts.values():
            if not part.after:
                found += self._called(part.call, document, target, place)
        for child in stream.children:
            found += self._called(child.source.call, {"parent": document}, target, place)
        return frozenset(canonical([whose, *each]) for each in found)

    def _called(self, call: Call, document: Mapping[str, Json], target: Target, place: str) -> list[list[Json]]:
        if all(text.startswith("$") for text in (*call.with_.values(), *call.many.values())):
            return []  # what is asked without a name names nobody
        parameters, missing = self._values.parameters(call, document, target, place)
        if missing is not None:
            return []
        many = [paths.get(document, paths.parse(text)) for text in call.many.values()]
        return [["asked", call.operation, parameters, many]]


def _tell(missing: Sequence[_Missing], *, proven: bool) -> None:
    for each in missing:
        (each.gone if proven else each.there)()
