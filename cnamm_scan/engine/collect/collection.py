"""A collection: the regions of each target, every listing of the plan begun where it is asked, and what came of it in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cnamm_scan.engine.collect.calls import Calls, Values
from cnamm_scan.engine.collect.ledger import Ledger
from cnamm_scan.engine.collect.listings import Listings, Progress
from cnamm_scan.engine.collect.rows import GLOBAL, FactWriter, Rows, Shape
from cnamm_scan.engine.collect.streams import stream
from cnamm_scan.engine.plan import Plan, Source
from cnamm_scan.engine.schedule import Limits, Outcome, Scheduler
from cnamm_scan.model import ESTATE_TABLE, GHOST_PART, Reason, Region, Target
from cnamm_scan.providers.interface import Answer, Provider, Request


@dataclass(frozen=True, slots=True)
class TargetCollected:
    """What the collection of one target was: its regions, how many requests were sent for it alone, and how many calls were asked again."""

    target: Target
    regions: tuple[Region, ...]
    calls: int
    retries: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection was. The calls of all targets and those made once for all of them add up to the requests that were sent."""

    targets: tuple[TargetCollected, ...]
    calls: int
    """Calls of listings that were asked once for the whole connection."""
    retries: int
    interrupted: bool = False


def collect(
    plan: Plan,
    provider: Provider,
    writer: FactWriter,
    *,
    started: datetime,
    regions: Sequence[str] = (),
    limits: Limits | None = None,
    progress: Progress | None = None,
    wanted: Callable[[], bool] = lambda: False,
) -> Collected:
    """Ask a connection everything in the plan. `regions` narrows it; what is left out stays visible as excluded.

    A call that fails is a gap, never an exception. Ctrl-C, or `wanted` when somebody wants it to end, ends it early: all that was collected
    is written, and `interrupted` says so.
    """
    return _Collection(plan, provider, writer, started, Scheduler(limits or Limits(), wanted), progress).run(regions)


class _Collection:
    def __init__(
        self, plan: Plan, provider: Provider, writer: FactWriter, started: datetime, scheduler: Scheduler, progress: Progress | None
    ) -> None:
        self.plan = plan
        self.provider = provider
        self.targets = tuple(provider.targets)
        self.writer = writer
        self.interrupted = False
        self.scheduler = scheduler
        self.ledger = Ledger()
        own = [table for table in plan.tables.values() if table.table.provider == provider.name]
        values = Values(provider, started)
        rows = Rows(writer, self.ledger, values, {table.table.id: Shape.of(table, provider.normalisers) for table in own})
        calls = Calls(provider, self.scheduler, plan.shared)
        self.listings = Listings(provider, calls, self.ledger, values, rows, scheduler.limits, progress)

    def run(self, only: Sequence[str]) -> Collected:
        regions = self._regions(only)
        sources = self.plan.sources.get(self.provider.name, ())
        for source in sources:
            if source.call.unless is None:
                for place, region, target in self._places(source, regions):
                    self.listings.begin(stream(source), place, region, target)
        self._work()
        # what tells the same in fewer calls has been asked: only where it could not, the longer way is gone
        for source in sources:
            if source.call.unless is not None:
                for place, region, target in self._places(source, regions):
                    if target is not None and self.ledger.whole(target.id, region, source.call.unless):
                        for table in source.tables:
                            self.ledger.spare(target.id, region, table.table.id, source.call.operation)
                    else:
                        self.listings.begin(stream(source), place, region, target)
        self._work()
        seen = self.ledger.seen()
        made_of = {
            target.id: tuple(_seen_as(region, seen.get((target.id, region.name), "listed")) for region in regions[target.id])
            for target in self.targets
        }
        for target in self.targets:
            self._own_facts(target, made_of[target.id])
        for line in self.ledger.lines():
            self.writer.coverage(line)
        calls, retries = self.provider.sent(), self.scheduler.retries_of
        told_of = (TargetCollected(each, made_of[each.id], calls.get(each.id, 0), retries[each.id]) for each in self.targets)
        return Collected(tuple(told_of), calls.get("", 0), retries[""], self.interrupted)

    def _places(self, source: Source, regions: Mapping[str, Sequence[Region]]) -> Iterator[tuple[str, str, Target | None]]:
        """Where a listing is asked, where its rows say that they are, and for whom."""
        home = self.provider.home_region()
        if source.once_per == "connection":
            yield home, GLOBAL, None
            return
        for target in self.targets:
            if source.once_per == "region":
                yield from ((region.name, region.name, target) for region in regions[target.id] if region.seen == "listed")
            else:
                yield home, GLOBAL, target

    def _work(self) -> None:
        """Ask all that is queued; then have it proven what was said to have gone, until nothing is."""
        self._ask_all()
        while self.listings.gone.ask():
            self._ask_all()

    def _ask_all(self) -> None:
        try:
            self.scheduler.run()
        except KeyboardInterrupt:
            self.interrupted = True
        self.interrupted = self.interrupted or self.scheduler.stopped is Reason.INTERRUPTED

    # ---- regions -----------------------------------------------------------------------------------------------------

    def _regions(self, only: Sequence[str]) -> dict[str, list[Region]]:
        """The regions of each target, by its id."""
        table = self.provider.region_table
        found: dict[str, list[Region]] = {target.id: [] for target in self.targets}
        if table is None:
            return found
        outcomes: dict[str, Outcome] = {}
        for target in self.targets:
            self._ask_regions(target, outcomes)
        self._ask_all()  # with their retries
        for target in self.targets:
            outcome = outcomes[target.id]
            if outcome.failure is not None:
                # naming regions is a courtesy of the API: who may not ask for them still goes to those that were named, or the usual ones
                self.ledger.note(target.id, GLOBAL, table, GHOST_PART, "regions", outcome=outcome, failure=outcome.failure)
            known = (
                outcome.answer.data
                if outcome.answer is not None
                else [Region(name, None) for name in sorted({*only, *self.provider.default_regions()})]
            )
            if only:
                known = [each if each.name in only or each.state == "opt_in_off" else _seen_as(each, "excluded") for each in known]
            found[target.id] = known
        return found

    def _ask_regions(self, target: Target, outcomes: dict[str, Outcome]) -> None:
        def then(outcome: Outcome) -> None:
            outcomes[target.id] = outcome

        request = Request("regions", "regions", GLOBAL, target=target.id)
        self.scheduler.submit(request, lambda _: Answer(list(self.provider.regions(target))), then, depth=0)

    def _own_facts(self, target: Target, regions: Sequence[Region]) -> None:
        """What the engine itself knows of a target: that there is it, and its regions."""
        said: dict[str, Any] = {"name": target.name, "provider": target.provider}
        told_of = [(ESTATE_TABLE, GLOBAL, target.id, said)]
        if self.provider.region_table is not None:
            for region in regions:
                said = {"name": region.name, "state": region.state, "seen": region.seen, "opt_in": region.opt_in}
                said = {name: value for name, value in said.items() if value is not None}
                told_of.append((self.provider.region_table, region.name, region.name, said))
        for table, place, key, data in told_of:
            self.writer.fact(table=table, target=target.id, region=place, key=key, data=data, gaps={}, calls=(), redact=())


def _seen_as(region: Region, seen: str) -> Region:
    return replace(region, seen=seen) if region.seen == "listed" else region  # type: ignore[arg-type]
