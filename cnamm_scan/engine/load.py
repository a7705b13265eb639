"""Stored facts into a store that rules can be asked of: the same way for a scan that just ended and for a bundle years later."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from cnamm_scan.content import ENGINE_TABLES
from cnamm_scan.doing import doing
from cnamm_scan.engine.facts import Shards
from cnamm_scan.engine.made import Makers
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import make_views
from cnamm_scan.model import ASSUME_WHOLE, ESTATE_TABLE, Content, Reason, Region, Target

FEW_BYTES = 30_000_000
"""Stored facts below this are judged on one thread: sharing so little costs more than it saves."""


class StoredFacts(Protocol):
    """Facts as evidence keeps them."""

    size: int
    """Bytes of all, as they are stored."""

    def files(self, table: str, folder: Path) -> Generator[list[Path]]:
        """The facts of a table as files of lines in `folder`, a few at a time: each turn, and closing, removes the last."""
        ...


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts as they are stored, and what is known of where they came from."""

    started: datetime
    """The scan's start: the only clock that a rule has."""
    stored: StoredFacts
    collected: Mapping[str, Mapping[str, Sequence[str]]]
    """Table -> the parts asked and the paths kept, as `Plan.describe` tells them."""
    regions: Mapping[str, Sequence[Region]]
    """Target id -> its regions with how they were seen."""
    targets: Sequence[Target]
    max_age: timedelta | None = None
    """How old a fact may be by its source's own word, to be judged; None: as old as it is."""


def open_store(content: Content, tables: Iterable[str], facts: Facts, makers: Makers, *, sparing: bool = True) -> Store:
    """Fact tables loaded, ghosts laid for what was never asked, views made, doors shut. Raises ContentError or StoreError.

    Not `sparing` everything is asked of DuckDB, also what is known without: it says the same.
    """
    doing("loading facts")
    scan_time = facts.started.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    # facts are laid out in a folder of their own to be loaded; before the first word of SQL that somebody else wrote, no file can be read
    with tempfile.TemporaryDirectory(prefix="cnamm-scan-") as room:
        store = Store(content, tables, scan_time=scan_time, threads=1 if facts.stored.size < FEW_BYTES else None, sparing=sparing)
        store.places = {target.id: ("global", *(region.name for region in facts.regions.get(target.id, ()))) for target in facts.targets}
        store.max_age = facts.max_age
        store.whole = frozenset(target.id for target in facts.targets if target.scope.get(ASSUME_WHOLE))
        try:
            for table in sorted(store.tables - set(content.views)):
                said = facts.collected.get(table)
                if said is not None or table in (ESTATE_TABLE, *ENGINE_TABLES):
                    parts = frozenset(said["parts"]) if said is not None else None
                    kept = frozenset(said["paths"]) if said is not None else None
                    hidden = frozenset(said.get("unsupported", ())) if said is not None else frozenset()
                    with closing(facts.stored.files(table, Path(room))) as files:  # a table that cannot be loaded leaves none behind
                        store.load(table, Shards(files, parts, kept, hidden))
                store.add_ghosts(table, _never_asked(content, table, said is not None, facts.regions, facts.targets))
            doing("putting facts together")
            make_views(store, makers.fill)
        except BaseException:
            store.close()
            raise
    return store


def _never_asked(
    content: Content, table: str, was_planned: bool, regions: Mapping[str, Sequence[Region]], targets: Sequence[Target]
) -> Iterator[tuple[str, str, Reason, bool]]:
    """Ghosts for tables outside the plan and for regions left out of the scan.

    All the regions that a person excluded are one unread row together, but each is dark to a rule that looks into it.
    """
    spec = content.tables.get(table)
    if spec is None:
        return
    if all(target.provider != spec.provider for target in targets):
        # a rule of another provider may look in here: an account that was not scanned is not an empty account
        yield "", "global", Reason.NOT_COLLECTED, True
    for target in targets:
        if target.provider != spec.provider:
            continue
        if not was_planned:
            reason = Reason.EXCLUDED if spec.opt_in else Reason.NOT_COLLECTED
            places = [r.name for r in regions.get(target.id, ()) if r.seen != "off"] if spec.once_per == "region" else ["global"]
            for number, place in enumerate(places or ["global"]):
                yield target.id, place, reason, number > 0
        elif spec.once_per == "region":
            excluded = [region.name for region in regions.get(target.id, ()) if region.seen == "excluded"]
            for number, place in enumerate(excluded):
                yield target.id, place, Reason.EXCLUDED, number > 0
