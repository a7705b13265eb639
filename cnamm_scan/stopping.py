"""How a scan is asked to end: the first signal is remembered and looked for, the second ends the process at once.

A signal that raises in the middle of writing evidence loses it. So from the first call until the bundle is sealed (`hold`) a signal only
says that the scan is to end; whoever works asks between two steps, and what was collected is kept.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopping:
    """Whether somebody wants the scan to end. A context manager; outside the main thread it hears nothing, as Python has it.

    `every` also hears the signals that would end the process by themselves: the command line's scan does, a library leaves them to its
    host.
    """

    def __init__(self, *, every: bool = False, told: Callable[[], None] | None = None) -> None:
        self.wanted = False
        self._holds = False
        self._every = every
        self._told = told
        self._before: dict[int, Any] = {}

    def hold(self) -> None:
        """From here on there is something to lose: remember a signal, where before it raised KeyboardInterrupt."""
        self._holds = True

    def __enter__(self) -> Self:
        """Begin to hear."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                known = signal.getsignal(number)
                if callable(known) or (self._every and known is signal.SIG_DFL):  # who ignores hang-ups goes on ignoring them
                    self._before[number] = known
                    signal.signal(number, self._hear)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Hear no more."""
        self._give_back()

    def _give_back(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if not self._holds:
            self._give_back()
            raise KeyboardInterrupt
        if self.wanted:
            self._give_back()
            signal.raise_signal(number)
            return
        self.wanted = True
        if self._told is not None:
            self._told()
