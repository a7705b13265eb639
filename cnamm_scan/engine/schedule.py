"""Runs calls on a few threads: tokens by service, retries that wait without holding a thread, and a deadline for each.

Whatever a call raises is the end of that call alone, and nobody who stops a scan waits for an answer that does not come.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cnamm_scan.errors import CredentialsError
from cnamm_scan.model import Reason
from cnamm_scan.providers.bounds import LISTING_SECONDS, PAGES
from cnamm_scan.providers.interface import Answer, CallFailedError, NotYetError, Request

RETRY_BASE = 0.4
RETRY_CAP = 20.0
DARK_AFTER = 3
"""So many services unreachable in a region, and none reached, make the region dark: the rest is not asked."""
DARK_ATTEMPTS = 24
"""So do so many attempts in vain, should they all be of a service or two."""
GRACE = 1.0
"""Seconds that a stopped scan gives to the answers under way; then it goes on without them."""

Ask = Callable[[Request], Answer]
Then = Callable[["Outcome"], None]
Place = tuple[str, str]
"""Target and region."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard a scan may pull."""

    concurrency: int = 16
    rate: float = 100.0
    """Calls a second for each (target, region, service)."""
    burst: float = 50.0
    attempts: int = 5
    deadline: float = 60.0
    """Seconds that one call may take with all its retries, to the last byte of its answer."""
    pages: int = PAGES
    """Most pages of one listing, or of one part."""
    listing: float = LISTING_SECONDS
    """Seconds that the pages of one listing may take together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call: an answer, or the reason why not."""

    answer: Answer | None
    failure: CallFailedError | None
    retries: int
    at: float
    """When it ended, in seconds since the epoch."""
    seconds: float = 0.0
    """How long it took from its first attempt on."""


def answered(ask: Ask, request: Request) -> Answer:
    """Ask once. Raises CallFailedError, whatever the provider or its SDK raises: only KeyboardInterrupt and SystemExit are no answers."""
    try:
        return ask(request)
    except (CallFailedError, KeyboardInterrupt, SystemExit):
        raise
    except CredentialsError as error:
        raise CallFailedError(Reason.CREDENTIALS, type(error).__name__) from error
    except RecursionError as error:
        raise CallFailedError(Reason.MALFORMED, "NestedTooDeep") from error
    except MemoryError as error:
        raise CallFailedError(Reason.TRUNCATED, "OutOfMemory") from error
    except NotImplementedError as error:
        raise CallFailedError(Reason.UNSUPPORTED, type(error).__name__) from error
    except BaseException as error:
        raise CallFailedError(Reason.COLLECTOR_BUG, type(error).__name__) from error


def pause_before(attempts: int, after: float | None, left: float) -> float | None:
    """Seconds until a call that failed so often is asked again; None where it has less than that `left`.

    `after` is what the provider wants. Nobody comes back before it; and as all who were turned away together were told the same, they
    come back spread over as long again.
    """
    if after is None:
        # full jitter: callers that were turned away together must not come back together
        pause = random.uniform(0, min(RETRY_CAP, RETRY_BASE * 2**attempts))
        return pause if pause <= left else None
    return after + random.uniform(0, min(RETRY_CAP, after, left - after)) if after <= left else None


def pause_of(after: float) -> float:
    """Seconds until a call that was not sent is tried: those who wait for the same moment come soon after it, one by one."""
    return after + random.uniform(0, min(1.0, after))


class _Bucket:
    """A token bucket whose rate halves when the provider throttles, and grows back by and by."""

    def __init__(self, rate: float, burst: float) -> None:
        self.ceiling = self.rate = rate
        self.burst = burst
        self.tokens = burst
        self.at = time.monotonic()

    def take(self, now: float) -> float:
        """0.0 when a token was taken, else the seconds until there is one."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.rate

    def slow_down(self) -> None:
        self.rate = max(0.5, self.rate / 2)
        self.tokens = min(self.tokens, 0.0)

    def recover(self) -> None:
        if self.rate < self.ceiling:
            self.rate = min(self.ceiling, self.rate * 1.05)


@dataclass(order=True, slots=True)
class _Task:
    depth: int
    number: int
    request: Request = field(compare=False)
    then: Then = field(compare=False)
    ask: Ask = field(compare=False)
    attempts: int = field(default=0, compare=False)
    started: float = field(default=0.0, compare=False)


class Scheduler:
    """A pool of threads over a queue of calls. Deeper calls go first, so that memory holds a page of each listing, not all."""

    def __init__(self, limits: Limits, wanted: Callable[[], bool] = lambda: False) -> None:
        """`wanted` is asked now and then: whether somebody wants it all to end."""
        self.limits = limits
        self._is_wanted = wanted
        self.retries_of: Counter[str] = Counter()
        """Calls that were asked again, by target; those for a whole connection under the empty name."""
        self._ready: list[_Task] = []
        self._waiting: list[tuple[float, int, _Task]] = []
        self._asking: dict[int, _Task] = {}
        """Tasks whose answer a thread waits for."""
        self._open = 0
        self._number = 0
        self._wake = threading.Condition()
        self._buckets: dict[tuple[Place, str], _Bucket] = {}
        self._reached: set[Place] = set()
        self._unreached: dict[Place, set[str]] = {}
        self._in_vain: dict[Place, int] = {}
        self._stopped: Reason | None = None
        self._broken: BaseException | None = None

    def submit(self, request: Request, ask: Ask, then: Then, *, depth: int) -> None:
        """Queue a call. `then` gets its outcome on a worker thread, exactly once."""
        with self._wake:
            self._number += 1
            self._open += 1
            heapq.heappush(self._ready, _Task(-depth, self._number, request, then, ask))
            self._wake.notify()

    def stop(self, reason: Reason) -> None:
        """Make no more calls: everything still queued ends with this reason."""
        with self._wake:
            self._stopped = self._stopped or reason
            self._wake.notify_all()

    @property
    def stopped(self) -> Reason | None:
        """Why no more calls are made, or None."""
        return self._stopped

    def run(self) -> None:
        """Work until nothing is queued. Raises what a callback raised: a bug of ours, never a provider's failure.

        Somebody who wants it to end, and KeyboardInterrupt, end it within moments, also while answers are under way: every call has had its
        outcome by then. The interrupt is raised again.
        """
        threads = [threading.Thread(target=self._work, name=f"call-{n}", daemon=True) for n in range(self.limits.concurrency)]
        try:
            for thread in threads:
                thread.start()
            while (working := next((thread for thread in threads if thread.is_alive()), None)) is not None:
                working.join(0.2)
                if self._is_wanted():
                    self._go_without(threads)
                    break
        except KeyboardInterrupt:
            self._go_without(threads)
            raise
        if self._broken is not None:
            raise self._broken

    def _go_without(self, threads: list[threading.Thread]) -> None:
        """End what is under way: after a moment, the calls whose answers have not come are over, and whoever waits for them waits alone."""
        self.stop(Reason.INTERRUPTED)
        patience = time.monotonic() + GRACE
        for thread in threads:
            if thread.ident is not None:  # else it was never started
                thread.join(max(0.0, patience - time.monotonic()))
        with self._wake:
            left = list(self._asking.values())
            self._asking.clear()
        for task in left:
            self._end(task, None, CallFailedError(Reason.INTERRUPTED, "NotWaitedFor"))
        self._work()  # what they had yet to ask: it is not asked, and says so

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                self._do(task)
            except BaseException as error:  # noqa: BLE001 (handed to run(), which raises it)
                with self._wake:
                    self._broken = self._broken or error
                    self._stopped = self._stopped or Reason.COLLECTOR_BUG
            with self._wake:
                self._wake.notify_all() if self._open == 0 else self._wake.notify()

    def _next(self) -> _Task | None:
        """The next task whose service has a token; None when there is nothing left to do."""
        with self._wake:
            while True:
                now = time.monotonic()
                while self._waiting and (self._waiting[0][0] <= now or self._stopped):
                    heapq.heappush(self._ready, heapq.heappop(self._waiting)[2])
                while self._ready:
                    task = heapq.heappop(self._ready)
                    if self._stopped or self._is_dark(_place(task.request)):
                        return task
                    wait = self._bucket(task.request).take(now)
                    if wait == 0.0:
                        return task
                    heapq.heappush(self._waiting, (now + wait, task.number, task))
                if self._open == 0 or self._broken is not None:
                    self._wake.notify_all()
                    return None
                self._wake.wait(max(0.001, self._waiting[0][0] - now) if self._waiting else 0.5)

    def _bucket(self, request: Request) -> _Bucket:
        key = (_place(request), request.client)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self.limits.rate, self.limits.burst)
        return bucket

    def _is_dark(self, place: Place) -> bool:
        if place in self._reached:
            return False
        return len(self._unreached.get(place, ())) >= DARK_AFTER or self._in_vain.get(place, 0) >= DARK_ATTEMPTS

    def _do(self, task: _Task) -> None:
        if self._stopped:
            self._end(task, None, CallFailedError(self._stopped, "NotAsked"))
            return
        if self._is_dark(_place(task.request)):
            self._end(task, None, CallFailedError(Reason.UNREACHABLE, "RegionIsDark"))
            return
        if not task.started:
            task.started = time.monotonic()
            task.request = replace(task.request, ends=task.started + self.limits.deadline)
        task.attempts += 1
        failure: CallFailedError | None = None
        answer: Answer | None = None
        self._asking[task.number] = task
        try:
            answer = answered(task.ask, task.request)
        except CallFailedError as error:
            failure = error
        if self._is_over(task, failure):
            self._end(task, answer, failure)

    def _end(self, task: _Task, answer: Answer | None, failure: CallFailedError | None) -> None:
        took = time.monotonic() - task.started if task.started else 0.0
        try:
            task.then(Outcome(answer, failure, max(0, task.attempts - 1), time.time(), took))
        finally:
            with self._wake:
                self._open -= 1

    def _is_over(self, task: _Task, failure: CallFailedError | None) -> bool:
        """Count the attempt; False when the call was queued again, or nobody waits for its answer any more."""
        request, place = task.request, _place(task.request)
        with self._wake:
            if self._asking.pop(task.number, None) is None:
                return False
            bucket = self._bucket(request)
            if failure is None or failure.reason not in (Reason.UNREACHABLE, Reason.TIMED_OUT):
                self._reached.add(place)
            else:
                self._unreached.setdefault(place, set()).add(request.client)
                self._in_vain[place] = self._in_vain.get(place, 0) + 1
            if failure is None:
                bucket.recover()
                return True
            if isinstance(failure, NotYetError) and not self._stopped:
                task.attempts -= 1
                if task.attempts == 0:
                    task.started = 0.0
                self._wait(task, time.monotonic() + pause_of(failure.after or 0.0))
                return False
            if failure.reason is Reason.THROTTLED:
                bucket.slow_down()
            if failure.reason is Reason.CREDENTIALS:
                self._stopped = self._stopped or Reason.CREDENTIALS
            now = time.monotonic()
            pause = pause_before(task.attempts, failure.after, self.limits.deadline - (now - task.started))
            if not failure.retry or self._stopped or task.attempts >= self.limits.attempts or pause is None:
                return True
            self.retries_of[request.target] += 1
            self._wait(task, now + pause)
            return False

    def _wait(self, task: _Task, until: float) -> None:
        heapq.heappush(self._waiting, (until, task.number, task))
        self._wake.notify()


def _place(request: Request) -> Place:
    return request.target, request.region
