"""Calls on their way: parameters from paths and variables, answers that several want asked once, and pages that must end."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cnamm_scan import paths
from cnamm_scan.engine.collect.streams import canonical
from cnamm_scan.engine.schedule import Limits, Outcome, Scheduler
from cnamm_scan.model import Call, Reason, Target
from cnamm_scan.providers.interface import Answer, CallFailedError, Provider, Request

Json = Any
Then = Callable[[Outcome], None]


def moment(text: str, started: datetime) -> datetime:
    """The time that `$now` or `$now-90d` names: days before the scan began."""
    _, _, back = text.partition("-")
    return started - timedelta(days=int(back.removesuffix("d")) if back else 0)


class Values:
    """What `$variables` and the paths of a call's parameters stand for."""

    def __init__(self, provider: Provider, started: datetime) -> None:
        self._provider = provider
        self._started = started
        self._known: dict[tuple[str, str], Mapping[str, str]] = {}

    def variable(self, text: str, target: Target | None, place: str) -> Any:
        """The value of `$account` and its like; of a call for the whole connection only `$now` has one."""
        if text.startswith("$now"):
            return moment(text, self._started)
        if target is None:
            return None
        known = self._known.get((target.id, place))
        if known is None:
            known = self._known[target.id, place] = self._provider.variables(target, place)
        return known.get(text)

    def parameters(self, call: Call, document: Mapping[str, Json], target: Target | None, place: str) -> tuple[dict[str, Any], str | None]:
        """The call's parameters, or the path of the first one that the document does not give."""
        parameters: dict[str, Any] = dict(call.fixed)
        for name, text in call.with_.items():
            value = self.variable(text, target, place) if text.startswith("$") else paths.get(document, paths.parse(text))
            if value is None or value == []:
                return {}, text
            _put(parameters, name, value)
        if call.many:
            for text in call.many.values():
                if paths.get(document, paths.parse(text)) is None:
                    return {}, text
        return parameters, None


def _put(parameters: dict[str, Any], name: str, value: Any) -> None:
    """Set a parameter, or with dots in its name a member of one that is a structure."""
    *outer, last = name.split(".")
    for step in outer:
        parameters[step] = dict(parameters.get(step, {}))  # what is fixed belongs to every call
        parameters = parameters[step]
    parameters[last] = value


@dataclass(slots=True)
class _Shared:
    """The outcome of a call that several want, or those who wait for it."""

    outcome: Outcome | None = None
    waiting: list[Then] = field(default_factory=list)


class Calls:
    """Queues calls; one that others make too is made once and its outcome given to all."""

    def __init__(self, provider: Provider, scheduler: Scheduler, shared: frozenset[tuple[str, str]]) -> None:
        self._provider = provider
        self._scheduler = scheduler
        self._wanted = shared
        self._shared: dict[str, _Shared] = {}
        self._lock = threading.Lock()

    def ask(self, call: Call, request: Request, then: Then, depth: int) -> None:
        """Queue a call. `then` gets its outcome, on a worker thread."""
        if (request.client, request.operation) not in self._wanted:
            self.anew(call, request, then, depth)
            return
        key = canonical([request.target, request.client, request.operation, request.region, request.parameters, request.page])
        with self._lock:
            known = self._shared.get(key)
            is_first = known is None
            if known is None:
                known = self._shared[key] = _Shared()
            elif known.outcome is None:
                known.waiting.append(then)
                return
        shared = known
        if not is_first:
            assert shared.outcome is not None  # set before it was seen above
            then(shared.outcome)
            return

        def done(outcome: Outcome) -> None:
            with self._lock:
                shared.outcome = outcome
                waiting, shared.waiting = shared.waiting, []
            then(outcome)
            for other in waiting:
                other(outcome)

        self.anew(call, request, done, depth)

    def anew(self, call: Call, request: Request, then: Then, depth: int) -> None:
        """Queue a call though somebody else made the same: the answer of now is wanted."""
        ask = self._provider.call if call.read is None else self._reader(call.read)
        self._scheduler.submit(request, ask, then, depth=depth)

    def _reader(self, name: str) -> Callable[[Request], Answer]:
        return lambda request: self._provider.read(name, request)


class Pages:
    """The pages of one listing or part so far: whether the next may still be asked."""

    __slots__ = ("_limits", "_seen", "count", "seconds")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seen: set[bytes] = set()
        self.count = 0
        self.seconds = 0.0

    def turned(self, answer: Answer, seconds: float) -> CallFailedError | None:
        """Why the page after this one is not asked, where it is not; None while it is."""
        self.count += 1
        self.seconds += seconds
        token = answer.next_page if answer.token is None else answer.token
        mark = hashlib.blake2b(canonical(token).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if mark in self._seen:
            # a service that hands a token out again, at once or in a circle, would be read for ever
            return CallFailedError(Reason.TRUNCATED, "SameTokenAgain")
        self._seen.add(mark)
        if self.count >= self._limits.pages:
            return CallFailedError(Reason.TRUNCATED, "TooManyPages")
        if self.seconds >= self._limits.listing:
            return CallFailedError(Reason.TIMED_OUT, "ListingTooLong")
        return None


def told(request: Request, outcome: Outcome) -> dict[str, Any]:
    """A call as the facts that came from it tell it."""
    at = datetime.fromtimestamp(outcome.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {"operation": f"{request.client}:{request.operation}", "request": request.parameters, "region": request.region, "at": at}
    if outcome.answer is not None and outcome.answer.request_id:
        said["request_id"] = outcome.answer.request_id
    if outcome.failure is not None:
        said["error"] = outcome.failure.code
    return said
