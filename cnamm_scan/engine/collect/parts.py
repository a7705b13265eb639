"""What `then:` asks of each item, one call for each or many items in one, as soon as what its parameters need is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cnamm_scan import paths
from cnamm_scan.engine.collect.calls import Calls, Pages, Values, told
from cnamm_scan.engine.collect.ledger import Ledger
from cnamm_scan.engine.collect.rows import Item
from cnamm_scan.engine.collect.streams import Part, Stream, canonical, joined
from cnamm_scan.engine.schedule import Limits, Outcome
from cnamm_scan.model import Call, Reason
from cnamm_scan.providers.interface import CallFailedError, Provider, Request

Json = Any
Grouped = dict[tuple[str, str, str, str], tuple[Part, dict[str, Any], list[tuple[Item, Any]]]]
"""(part, target, place, parameters) -> items that one call may describe, each with the value that names it."""


class Parts:
    """Asks the parts of items; `finished` gets each item when it has them all, on a worker thread."""

    def __init__(
        self,
        provider: Provider,
        calls: Calls,
        ledger: Ledger,
        values: Values,
        limits: Limits,
        finished: Callable[[Stream, Item], None],
    ) -> None:
        self._provider = provider
        self._calls = calls
        self._ledger = ledger
        self._values = values
        self._limits = limits
        self._finished = finished

    def ask(self, stream: Stream, batch: Sequence[Item]) -> None:
        """Ask every part whose parameters are at hand; called again for an item whenever one of its parts has come."""
        grouped: Grouped = {}
        ready: list[Item] = []
        for item in batch:
            with item.lock:
                todo = self._askable(stream, item)
                if not todo and not item.finished and all(key in item.parts or key in item.gaps for key in stream.parts):
                    item.finished = True  # two parts may come at the same moment on two threads
                    ready.append(item)
            for part, parameters in todo:
                if part.call.many:
                    value = paths.get(item.document, paths.parse(next(iter(part.call.many.values()))))
                    alike = (part.key, item.target.id, item.place, canonical(parameters))
                    grouped.setdefault(alike, (part, parameters, []))[2].append((item, value))
                else:
                    request = Request(part.client, part.operation, item.place, parameters, target=item.target.id)
                    self._ask_one(stream, part, item, request, Pages(self._limits), [])
        for part, parameters, members in grouped.values():
            for start in range(0, len(members), part.call.size):
                self._ask_many(stream, part, members[start : start + part.call.size], parameters)
        for item in ready:
            self._finished(stream, item)

    def _askable(self, stream: Stream, item: Item) -> list[tuple[Part, dict[str, Any]]]:
        """The parts that may be asked now, with their parameters."""
        todo: list[tuple[Part, dict[str, Any]]] = []
        changed = True
        while changed:  # a part that needs no call may free the next one
            changed = False
            for part in stream.parts.values():
                if part.key in item.asked or not all(key in item.parts or key in item.gaps for key in part.after):
                    continue
                item.asked.add(part.key)
                parameters = self._parameters(part, item)
                if parameters is None:
                    changed = True
                else:
                    todo.append((part, parameters))
        return todo

    def _parameters(self, part: Part, item: Item) -> dict[str, Any] | None:
        """The parameters of a part's call; None when it needs no call: then its answer or gap is already noted."""
        if part.unread:
            item.gaps[part.key] = Reason.UNSUPPORTED
            self._note(part, item, None, CallFailedError(Reason.UNSUPPORTED, part.unread))
            return None
        seen = {**item.document, **{name: item.parts[key] for name, key in part.names.items() if key in item.parts}}
        parameters, missing = self._values.parameters(part.call, seen, item.target, item.place)
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

    def _ask_one(self, stream: Stream, part: Part, item: Item, request: Request, pages: Pages, before: list[Json]) -> None:
        def then(outcome: Outcome) -> None:
            self._came(stream, part, item, request, outcome, pages, before)

        self._calls.ask(part.call, request, then, stream.depth + 1)

    def _came(self, stream: Stream, part: Part, item: Item, request: Request, outcome: Outcome, pages: Pages, before: list[Json]) -> None:
        failure, answer = outcome.failure, outcome.answer
        if answer is not None and answer.next_page is not None:
            failure = pages.turned(answer, outcome.seconds)
            if failure is None:
                self._note(part, item, outcome, None)
                self._ask_one(stream, part, item, replace(request, page=answer.next_page), pages, [*before, answer.data])
                return
            answer = None
        with item.lock:
            item.calls.append(told(request, outcome))
            if answer is not None:
                item.parts[part.key] = joined([*before, answer.data])
                failure = None
            elif failure is not None and self._provider.matches(failure, part.call.absent_on):
                item.parts[part.key] = {}
                failure = None
            elif failure is not None and self._provider.matches(failure, part.call.gone_on):
                _say_gone(part, item, failure.code)
                failure = None
            elif failure is not None:
                item.gaps[part.key] = failure.reason
        self._note(part, item, outcome, failure)
        self.ask(stream, [item])

    def _note(self, part: Part, item: Item, outcome: Outcome | None, failure: CallFailedError | None) -> None:
        for table, name in part.users:
            self._ledger.note(item.target.id, item.region, table, name, part.operation, outcome=outcome, failure=failure)

    def _ask_many(self, stream: Stream, part: Part, members: Sequence[tuple[Item, Any]], parameters: Mapping[str, Any]) -> None:
        first = members[0][0]
        named = {next(iter(part.call.many)): [value for _, value in members]}
        request = Request(part.client, part.operation, first.place, {**parameters, **named}, target=first.target.id)

        def then(outcome: Outcome) -> None:
            failure = outcome.failure
            is_gone = failure is not None and len(members) == 1 and self._provider.matches(failure, part.call.gone_on)
            is_none = failure is not None and self._provider.matches(failure, part.call.absent_on)
            found = _by_value(part.call, outcome.answer.data) if outcome.answer is not None else {}
            for item, value in members:
                own = found.get(canonical(value))
                with item.lock:
                    item.calls.append(told(request, outcome))
                    if failure is not None and is_gone:
                        _say_gone(part, item, failure.code)
                    elif failure is not None and not is_none:
                        item.gaps[part.key] = failure.reason
                    elif own is not None or is_none:
                        item.parts[part.key] = {} if own is None else own
                    elif part.call.left_out == "no_row":
                        item.parts[part.key] = {}
                        item.passed_over = True
                    else:
                        _say_gone(part, item, "NotNamed")
            self._note(part, first, outcome, None if is_gone or is_none else failure)
            self.ask(stream, [item for item, _ in members])

        self._calls.ask(part.call, request, then, stream.depth + 1)


def _say_gone(part: Part, item: Item, code: str) -> None:
    """Until it is proven a part that says so was not read: nobody takes what it would have told for silence."""
    item.gaps[part.key] = Reason.NOT_FOUND
    item.said_gone[part.key] = CallFailedError(Reason.NOT_FOUND, code)


def _by_value(call: Call, data: Json) -> dict[str, Json]:
    """The answers of a `many` call by the value that each is for; whatever stands there in place of a value is only another one."""
    by, found = paths.parse(call.by or ""), {}
    for value in paths.find(data, paths.parse(call.items or "")):
        for element in value if isinstance(value, list) else [value]:
            found[canonical(paths.get(element, by))] = element
    return found
