"""What a collection that never ended leaves unread: everything of the target that it might still have been asked."""

from __future__ import annotations

from collections.abc import Sequence

from cnamm_scan.engine.collect import GLOBAL, FactWriter
from cnamm_scan.engine.plan import Plan
from cnamm_scan.model import ESTATE_TABLE, GHOST_PART, Coverage, Reason, Region, Target

KEY = "unread#end"
"""Collections number what they could not read; this is beyond any number."""


def darken(plan: Plan, target: Target, region_table: str | None, regions: Sequence[Region], writer: FactWriter) -> None:
    """Leave a gap in every table of the plan and the rows that the end of a collection makes.

    No listing is known to have come to its end: what was read is judged, and nothing is taken to be absent. `regions` are those of which
    something was read.
    """

    def fact(table: str, region: str, key: str, data: dict[str, str], reason: Reason | None = None) -> None:
        gaps = {} if reason is None else {GHOST_PART: reason}
        writer.fact(table=table, target=target.id, region=region, key=key, data=data, gaps=gaps, calls=(), redact=())

    fact(ESTATE_TABLE, GLOBAL, target.id, {"name": target.name, "provider": target.provider})
    if region_table is not None:
        for region in regions:
            fact(region_table, region.name, region.name, {"name": region.name, "seen": region.seen})
        fact(region_table, GLOBAL, KEY, {}, Reason.INTERRUPTED)
    for name, table in sorted(plan.tables.items()):
        if table.table.provider != target.provider:
            continue
        places = [region.name for region in regions] if table.table.once_per == "region" else []
        for place in places or [GLOBAL]:
            fact(name, place, KEY, {}, Reason.INTERRUPTED)
            writer.coverage(
                Coverage(
                    target=target.id,
                    region=place,
                    table=name,
                    part=GHOST_PART,
                    operation=table.table.list.operation,
                    status=Reason.INTERRUPTED.value,
                    complete=False,
                    gaps={Reason.INTERRUPTED.value: 1},
                    code="Killed",
                )
            )
