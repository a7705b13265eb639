"""Requests that were sent, counted where they are: by thread and target, for every wing whose calls know whom they are for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping


class Sent:
    """Requests that were sent, by whom they were for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._here = threading.local()
        self._counts: Counter[str] = Counter()

    def whose(self, target: str) -> None:
        """What this thread sends from now on is for this target."""
        self._here.target = target

    def one(self) -> None:
        """One more."""
        with self._lock:
            self._counts[getattr(self._here, "target", "")] += 1

    def one_signing_in(self) -> None:
        """One more, of signing in: for whoever it was, it was for all."""
        with self._lock:
            self._counts[""] += 1

    def all(self) -> Mapping[str, int]:
        """By target; "" for the whole connection."""
        with self._lock:
            return dict(self._counts)
