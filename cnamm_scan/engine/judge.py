"""Judges the rules of a plan over loaded facts: for who asks, or with every result written down as evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from cnamm_scan.doing import doing
from cnamm_scan.engine.evaluate import FEW, CompiledRule, blocks, count, population, tally
from cnamm_scan.engine.store import Store
from cnamm_scan.model import Content, Coverage, Reason, ResultBlock, Tally, Target, Verdict
from cnamm_scan.model.old import STALE_PART


class ResultWriter(Protocol):
    """Where results go: the evidence writer."""

    def result(self, block: ResultBlock, rule_sha256: str) -> None:
        """Store a block of results."""
        ...

    def population(self, table: str, target: str, region: str, keys: Sequence[str]) -> None:
        """Store whom "the rest" of a table's results means."""
        ...

    def coverage(self, line: Coverage) -> None:
        """Store a line of the coverage ledger."""
        ...


KEPT = 20_000
"""Results that are held in memory, of all rules together: some megabytes."""


class Judging:
    """The rules of a plan over loaded facts. Who counts, reports and lists asks each rule several times: what it said of few is kept."""

    def __init__(self, store: Store, rules: Sequence[CompiledRule], targets: Sequence[Target]) -> None:
        self._store = store
        self._rules = rules
        self._targets = targets
        self._kept: dict[str, tuple[ResultBlock, ...]] = {}
        self._room = KEPT

    def tallies(self) -> Iterator[Tally]:
        """What each rule counts in each target that it concerns."""
        doing(f"judging {len(self._rules)} rules")
        for rule in self._rules:
            few = self._few(rule)
            yield from tally(self._store, rule, self._targets) if few is None else count(rule, self._targets, few)

    def blocks(self, verdicts: frozenset[Verdict], only: str | None, named: bool) -> Iterator[ResultBlock]:
        """What each rule says, or one; all, or some verdicts; without `named` of very many only how many there are."""
        for rule in self._rules:
            if only in (None, rule.rule.id):
                few = self._few(rule)
                found = blocks(self._store, rule, self._targets, compact=not named) if few is None else few
                yield from (block for block in found if not verdicts or block.verdict in verdicts)

    def _few(self, rule: CompiledRule) -> tuple[ResultBlock, ...] | None:
        """All that a rule says where that is little, which has one form only; None where it has to be asked for what is wanted of it."""
        kept = self._kept.get(rule.rule.id)
        if kept is None and self._store.size(rule.rule.for_each) <= FEW:
            kept = tuple(blocks(self._store, rule, self._targets))
            size = sum(len(block.resources) for block in kept)
            if size <= self._room:
                self._room -= size
                self._kept[rule.rule.id] = kept
        return kept


def judge_and_write(
    content: Content,
    store: Store,
    rules: Sequence[CompiledRule],
    targets: Sequence[Target],
    writer: ResultWriter,
    *,
    wanted: Callable[[], bool] = lambda: False,
) -> tuple[list[Tally], list[str]]:
    """The tallies, with every result stored on its way; and the rules that were judged. It ends early when somebody `wanted` it to."""
    for line in (*broken(store, targets), *stale(store)):
        writer.coverage(line)
    tallies: list[Tally] = []
    told: set[str] = set()
    judged: list[str] = []
    doing(f"judging {len(rules)} rules")
    for rule in rules:
        if wanted():
            break
        judged.append(rule.rule.id)
        tallies += count(rule, targets, _written(writer, rule, blocks(store, rule, targets, compact=True), told))
    for view in sorted(told & content.views.keys()):
        for target, region, keys in population(store, view):
            writer.population(view, target, region, keys)
    return tallies, judged


def broken(store: Store, targets: Sequence[Target]) -> Iterator[Coverage]:
    """Tables and views that content describes wrongly, as lines of the coverage ledger."""
    for table, what in sorted(store.broken.items()):
        for target in targets:
            yield Coverage(
                target=target.id,
                region="global",
                table=table,
                part="load",
                operation="<load>",
                status=Reason.COLLECTOR_BUG.value,
                complete=False,
                gaps={Reason.COLLECTOR_BUG.value: 1},
                code=what[:300],
            )


def stale(store: Store) -> Iterator[Coverage]:
    """Rows that were too old to be judged, as lines of the coverage ledger: one for each table and place."""
    for table in sorted(store.tables & store.content.tables.keys()):
        for (target, region), (number, oldest) in sorted(store.stale(table).items()):
            yield Coverage(
                target=target,
                region=region,
                table=table,
                part=STALE_PART,
                operation=store.content.tables[table].list.operation,
                status=Reason.STALE.value,
                complete=False,
                items=number,
                gaps={Reason.STALE.value: number},
                oldest_at=oldest,
            )


def _written(writer: ResultWriter, rule: CompiledRule, found: Iterable[ResultBlock], told: set[str]) -> Iterator[ResultBlock]:
    """Store blocks on their way; `told` gathers the tables of which some rule tells a rest."""
    for block in found:
        writer.result(block, rule.rule.sha256)
        if not block.resources:
            told.add(block.table)
        yield block
