"""Shows a collection as it goes: a bar by service and region on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console

EVERY = 5.0
"""Seconds between plain lines."""


class Shown:
    """Progress on stderr. A context manager; `queued` and `done` are called from many threads."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], int] = {}
        self._queued = self._done = 0
        self._said = time.monotonic()
        self._bar: object | None = None

    def __enter__(self) -> Self:
        """Start the bar where there is a terminal."""
        if self.console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            bar = Progress(
                SpinnerColumn(),
                TextColumn("collecting"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("[dim]{task.fields[now]}"),
                console=self.console,
                transient=True,
            )
            self._task = bar.add_task("collect", total=None, now="")
            bar.start()
            self._bar = bar
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()  # type: ignore[attr-defined]

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
            self.console.print(f"collecting: {self._done} of {self._queued} listings, now {now}")
