"""What providers share whose targets have no regions: a cluster is one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnamm_scan.model import Region, Target

EVERYWHERE = "global"
"""Where everything of such a target is."""


class OnePlace:
    """A target without regions. Its heirs set `target`."""

    region_table: str | None = None
    target: Target

    def regions(self) -> Sequence[Region]:
        """None."""
        return ()

    def default_regions(self) -> Sequence[str]:
        """None."""
        return ()

    def home_region(self) -> str:
        """The one place."""
        return EVERYWHERE

    def variables(self, region: str) -> Mapping[str, str]:
        """`$account` (the target's own name), `$region` and `$target`."""
        return {"$account": self.target.name, "$region": region, "$partition": "", "$target": self.target.id}
