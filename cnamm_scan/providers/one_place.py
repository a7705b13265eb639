"""What providers share whose targets have no regions: a cluster is one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cnamm_scan.model import Content, Region, Target
from cnamm_scan.providers.defaults import Defaults
from cnamm_scan.providers.interface import Unread

EVERYWHERE = "global"
"""Where everything of such a target is."""


class OnePlace(Defaults):
    """A target without regions. Its heirs set `target`."""

    region_table: str | None = None
    target: Target

    @property
    def targets(self) -> Sequence[Target]:
        """The one."""
        return (self.target,)

    def regions(self, target: Target) -> Sequence[Region]:
        """None."""
        return ()

    def default_regions(self) -> Sequence[str]:
        """None."""
        return ()

    def home_region(self) -> str:
        """The one place."""
        return EVERYWHERE

    def variables(self, target: Target, region: str) -> Mapping[str, str]:
        """`$account` (the target's own name), `$region` and `$target`."""
        return {"$account": target.name, "$region": region, "$partition": "", "$target": target.id}

    def sent(self) -> Mapping[str, int]:
        """Nothing."""
        return {}

    def unread(self, content: Content, tables: Iterable[str]) -> Mapping[str, Unread]:
        """Nothing: answers are read as they come, by no SDK's description."""
        return {}
