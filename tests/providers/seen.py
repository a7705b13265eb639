"""What tables of a test answer a maker alike, whatever wing and shape they are of."""

from __future__ import annotations

from collections.abc import Sequence

from cnamm_scan.providers.interface import SeenGroup, SeenRow


class Plain:
    """Tables of few rows, whose missing ones all have one reason."""

    def rows(self, table: str) -> Sequence[SeenRow]:
        """What was seen of a table."""
        raise NotImplementedError

    def groups(self, table: str) -> Sequence[SeenGroup]:
        """Each row by itself."""
        return [SeenGroup(row, 1) for row in self.rows(table)]

    def dark(self, table: str, target: str, region: str | None = None) -> bool:
        """Whether more of a table may be there than was seen."""
        raise NotImplementedError

    def why(self, table: str, target: str) -> frozenset[str]:
        """Why more of it may be there; hardly a maker asks."""
        return frozenset({"denied"}) if self.dark(table, target) else frozenset()
