"""What most providers say to questions that few have an answer of their own to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnamm_scan.model import Content
from cnamm_scan.providers.interface import Absent, Request, Trial


class Defaults:
    """The answers of a provider that nothing else is known of."""

    def hear(self, content: Content) -> None:
        """Nothing depends on it."""

    def trials(self, request: Request) -> Sequence[Trial] | None:
        """None: one right stands for many calls."""
        return None

    def absentees(self) -> Sequence[Absent]:
        """None."""
        return ()

    def files(self) -> Mapping[str, str]:
        """None."""
        return {}
