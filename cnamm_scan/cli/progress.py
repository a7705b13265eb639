"""Says what is going on, on stderr: a collection as it goes, and any other work that is silent for long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cnamm_scan.cli.streams import say
from cnamm_scan.doing import heard

if TYPE_CHECKING:
    from rich.console import Console

EVERY = 5.0
"""Seconds between plain lines."""
SILENCE = 2.0
"""Seconds that a terminal may be silent; elsewhere it is `EVERY`: whoever reads a log is in no hurry."""
COLLECTING = "collecting"


class Silence:
    """Says what is being done once it has taken long: one line for each piece of work, none for what is quick."""

    def __init__(self, after: float) -> None:
        self._after = after
        self._timer: threading.Timer | None = None

    def phase(self, what: str) -> None:
        """Something begins; nothing: something ends."""
        self.end()
        if what:
            self._timer = threading.Timer(self._after, say, (f"{what} …",))
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """Nothing is being done any more, or its outcome is about to be printed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@contextmanager
def told_of_silence() -> Iterator[None]:
    """Meanwhile work that is silent for long says what it is."""
    silence = Silence(SILENCE if sys.stderr is not None and sys.stderr.isatty() else EVERY)
    try:
        with heard(silence.phase):
            yield
    finally:
        silence.end()


class Shown:
    """Progress of a scan on stderr. A context manager; `queued` and `done` are called from many threads, `phase` by who scans."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], int] = {}
        self._queued = self._done = 0
        self._said = time.monotonic()
        self._bar: object | None = None
        self._phase = ""
        self._silence = Silence(EVERY)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start the bar where there is a terminal."""
        self._stack.enter_context(heard(self.phase))
        if self.console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("[dim]{task.fields[now]}"),
                console=self.console,
                transient=True,
            )
            self._task = bar.add_task("beginning", total=None, now="")
            bar.start()
            self._bar = bar
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take the bar away."""
        self._stack.close()
        self._silence.end()
        if self._bar is not None:
            self._bar.stop()  # type: ignore[attr-defined]

    def phase(self, what: str) -> None:
        """Something else begins: on a terminal the bar says so, elsewhere a line does, where it takes long."""
        with self._lock:
            if what in ("", self._phase):
                return
            self._phase = what
            if self._bar is not None:
                self._bar.update(self._task, description=what, now="")  # type: ignore[attr-defined]
            elif what == COLLECTING:  # which says by itself how it goes
                self._silence.end()
            else:
                self._silence.phase(what)

    def queued(self, service: str, region: str) -> None:
        """One more listing is under way."""
        with self._lock:
            self._queued += 1
            self._open[service, region] = self._open.get((service, region), 0) + 1
            self._tell(f"{service} {region}")

    def done(self, service: str, region: str) -> None:
        """One listing has ended."""
        with self._lock:
            self._done += 1
            left = self._open.get((service, region), 1) - 1
            self._open[service, region] = left
            if left <= 0:
                self._open.pop((service, region), None)
            self._tell(" · ".join(f"{name} {place}" for name, place in list(self._open)[:3]))

    def _tell(self, now: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, total=self._queued, now=now)  # type: ignore[attr-defined]
        elif time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            self.console.print(f"{COLLECTING}: {self._done} of {self._queued} listings, now {now}")
