"""Bounds of time and memory for SQL that others wrote, and a way out when a statement does not end.

DuckDB stops between chunks of rows when it is told to, and counts the memory of its tables; it does neither within one call of a function.
So a statement runs on a thread of its own that can be left behind, and while it runs the process may not grow beyond a ceiling.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from cnamm_scan.errors import CnammError

if sys.platform == "linux":
    import resource

T = TypeVar("T")
Done = SimpleQueue[tuple[bool, Any]]
"""Where the outcome of a piece of work is put: (whether it worked, what it gave or raised)."""
Jobs = SimpleQueue[tuple[Callable[[], Any], Done] | None]

STATEMENT_SECONDS = 60.0
"""How long one rule, view or column may take: two thousand times what the slowest that ships takes over a million rows."""
GRACE_SECONDS = 10.0
"""How long a statement that was told to stop may take to do so."""
MEMORY = "1400MB"
"""What DuckDB may hold in memory; beyond it tables go to disk."""
SPILL = "8GB"
"""How much of them may go there."""
GROWTH = 3 << 30
"""Bytes by which the process may grow over what it was when the store was opened: DuckDB's memory, and as much again for single values."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a store gives to SQL that others wrote."""

    seconds: float = STATEMENT_SECONDS
    grace: float = GRACE_SECONDS
    memory: str = MEMORY
    spill: str = SPILL
    growth: int = GROWTH


class StoreError(CnammError):
    """SQL that DuckDB refused or could not finish."""


class BoundError(StoreError):
    """SQL that was stopped because it took more time or memory than it may."""


_left_behind: list[object] = []


def leave_behind(thing: object) -> None:
    """Keep what a statement still uses that nothing could stop: to give it up would wait for the statement."""
    _left_behind.append(thing)


def is_something_left_behind() -> bool:
    """Whether such a statement still runs: the process must then end without waiting for it."""
    return bool(_left_behind)


class Runner:
    """Runs work on a thread of its own, one piece after the other, and stops what takes too long."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.lost = False
        """Whether the thread is stuck in a statement: then nothing more can be asked."""
        self._jobs: Jobs | None = None
        self._ceiling = _data_size() + bounds.growth

    def run(self, work: Callable[[], T], interrupt: Callable[[], None], seconds: float) -> T:
        """What `work` gives. After `seconds`, and when this thread is interrupted, `interrupt` is called.

        Raises BoundError when time ran out, and whatever `work` raises; KeyboardInterrupt passes through.
        """
        with _no_larger_than(self._ceiling):
            return self.unbounded(work, interrupt, max(seconds, 0.0))

    def unbounded(self, work: Callable[[], T], interrupt: Callable[[], None], seconds: float | None = None) -> T:
        """As `run`, for work of our own: the process may grow, and it takes its time unless told otherwise."""
        if self.lost:
            raise BoundError("not run: a statement before it could not be stopped", do="look for the rule or view that was stopped first")
        done: Done = SimpleQueue()
        try:
            self._queue().put((work, done))
            worked, outcome = done.get(timeout=seconds)
        except Empty:
            self._stop(done, interrupt)
            what = "it took more time than it may, and could not be stopped" if self.lost else "stopped: it took more time than it may"
            raise BoundError(what, do="make it ask less, or less of each row") from None
        except BaseException:
            self._stop(done, interrupt)
            raise
        if worked:
            made: T = outcome
            return made
        raise outcome

    def _stop(self, done: Done, interrupt: Callable[[], None]) -> None:
        self.lost = True  # until it is known to be otherwise: a second Ctrl-C may end the wait
        interrupt()
        try:
            done.get(timeout=self.bounds.grace)
        except Empty:
            leave_behind(self)
        else:
            self.lost = False

    def _queue(self) -> Jobs:
        if self._jobs is None:
            self._jobs = SimpleQueue()
            threading.Thread(target=_work, args=(self._jobs,), name="cnamm-scan SQL", daemon=True).start()
        return self._jobs

    def close(self) -> None:
        """End the thread once it has nothing to do."""
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None


def _work(jobs: Jobs) -> None:
    while (job := jobs.get()) is not None:
        work, done = job
        try:
            done.put((True, work()))
        except BaseException as error:  # noqa: BLE001 (it is raised again where the work was asked for)
            done.put((False, error))
        del job, work, done  # a result must not live on here


class Timer:
    """The time that one statement has left, over all the pieces in which its rows are taken."""

    def __init__(self, runner: Runner, interrupt: Callable[[], None], seconds: float | None = None) -> None:
        self._runner = runner
        self._interrupt = interrupt
        self._seconds = self._left = runner.bounds.seconds if seconds is None else seconds

    def run(self, work: Callable[[], T]) -> T:
        """As `Runner.run`, with what is left of the time."""
        began = time.monotonic()
        try:
            return self._runner.run(work, self._interrupt, self._left)
        except BoundError as error:
            if self._runner.lost:
                raise
            raise BoundError(f"stopped: it took more than {self._seconds:g} seconds", do=error.do) from error
        finally:
            self._left -= time.monotonic() - began


# ---- the ceiling ---------------------------------------------------------------------------------------------------------

_holding = threading.Lock()
_holders: list[int] = []
_before: list[tuple[int, int]] = []


def _data_size() -> int:
    """Bytes that the process has for data; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[5]) * resource.getpagesize()


@contextmanager
def _no_larger_than(ceiling: int) -> Iterator[None]:
    """Let the process have no more data than `ceiling` bytes meanwhile. Only Linux keeps to it; the highest of several holds."""
    if sys.platform != "linux":
        yield
        return
    with _holding:
        if not _holders:
            _before[:] = [resource.getrlimit(resource.RLIMIT_DATA)]
        _holders.append(ceiling)
        _set_ceiling()
    try:
        yield
    finally:
        with _holding:
            _holders.remove(ceiling)
            _set_ceiling()


def _set_ceiling() -> None:
    soft, hard = _before[0]
    wanted = max(_holders) if _holders else soft
    for limit in (soft, hard):
        if limit != resource.RLIM_INFINITY and _holders:
            wanted = min(wanted, limit)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
