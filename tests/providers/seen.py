"""Tables as a maker sees them, given by a test: what is the same whatever rows they hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cnamm_scan.model import Target
from cnamm_scan.providers.interface import SeenGroup, SeenRow


@dataclass(kw_only=True)
class Given(ABC):
    """Heirs say which rows there are."""

    unseen: frozenset[str] = frozenset()
    """Tables of which more may be there."""
    targets: Sequence[Target] = ()
    over: Sequence[str] = ()
    reads: Mapping[str, Sequence[str]] = field(default_factory=dict)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    @abstractmethod
    def rows(self, table: str) -> Sequence[SeenRow]:
        """What was seen of a table."""

    def groups(self, table: str) -> Sequence[SeenGroup]:
        """Each row by itself."""
        return [SeenGroup(row, 1) for row in self.rows(table)]

    def dark(self, table: str, target: str, region: str | None = None) -> bool:
        """Whether more of a table may be there than was seen."""
        return table in self.unseen

    def why(self, table: str, target: str) -> frozenset[str]:
        """Why more of it may be there."""
        return frozenset({"denied"}) if self.dark(table, target) else frozenset()
