"""The whole way in one call: what the command line does, for notebooks and tests.

from cnamm_scan import scan
done = scan(["aws"], rules=["aws.s3"])
for result in done.results(): ...
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cnamm_scan import content as reader
from cnamm_scan.aggregator.roadmap import roadmap
from cnamm_scan.aggregator.score import Scorer
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.errors import BundleError, CnammError, UsageError, did_you_mean
from cnamm_scan.evidence.bundle import Bundle, BundleWriter, merged_files, open_bundle, tool
from cnamm_scan.evidence.canonical import utc
from cnamm_scan.model import (
    ESTATE_TABLE,
    SCORING_MODEL,
    Content,
    Coverage,
    ModelScore,
    Reason,
    Region,
    Result,
    ResultBlock,
    Roadmap,
    Rule,
    Tally,
    Target,
    Verdict,
)
from cnamm_scan.providers.catalog import TargetOptions, connect, kind_of, refuse_foreign
from cnamm_scan.providers.interface import CallFailedError

if TYPE_CHECKING:
    from cnamm_scan.engine.collect import Collected, Progress
    from cnamm_scan.engine.evaluate import CompiledRule
    from cnamm_scan.engine.plan import Plan
    from cnamm_scan.engine.store import Store
    from cnamm_scan.providers.interface import Provider

FEW_BYTES = 30_000_000
"""Stored facts below this are judged on one thread: sharing so little costs more than it saves."""


@dataclass
class Scan:
    """A scan that has been judged: its results, scores and facts. A context manager: `close` gives its memory back."""

    content: Content
    scan: Mapping[str, Any]
    """The manifest's account: id, times, targets, content, method, tool."""
    targets: Sequence[Target]
    tallies: Sequence[Tally]
    models: Sequence[ModelScore]
    roadmaps: Mapping[str, Roadmap]
    coverage: Sequence[Coverage]
    path: Path | None = None
    """The bundle, when it was kept."""
    bundle: Bundle | None = None
    interrupted: bool = False
    _blocks: Callable[[frozenset[Verdict], str | None, bool], Iterator[ResultBlock]] = field(default=lambda *_: iter(()), repr=False)
    _store: Store | None = field(default=None, repr=False)
    _compiled: Sequence[CompiledRule] = field(default=(), repr=False)
    _stack: ExitStack = field(default_factory=ExitStack, repr=False)

    def results(self, *verdicts: Verdict | str, rule: str | None = None) -> Iterator[Result]:
        """What each rule said about each resource; all, or those of some verdicts or of one rule."""
        for block in self.blocks(*verdicts, rule=rule):
            yield from self.expand(block)

    def expand(self, block: ResultBlock) -> Iterator[Result]:
        """The results of a block, one for each resource."""
        from cnamm_scan.engine.evaluate import expand_block

        return expand_block(self.content, block)

    def blocks(self, *verdicts: Verdict | str, rule: str | None = None, named: bool = True) -> Iterator[ResultBlock]:
        """As `results`, several resources that a rule said the same of at a time; without `named` some only say how many there are."""
        yield from self._blocks(frozenset(Verdict(verdict) for verdict in verdicts), rule, named)

    def score(self, function: str | None = None, model: str = "cnamm") -> tuple[float, float, float] | None:
        """(low, high, coverage) of a function, or of the whole model; None where it is N/A."""
        scored = next((each for each in self.models if each.id == model), None)
        if scored is None:
            raise UsageError(f"no model '{model}'", do=did_you_mean(model, [each.id for each in self.models]))
        interval = scored.interval
        if function is not None:
            found = next((each for each in scored.functions if each.id == function), None)
            if found is None:
                raise UsageError(f"no function '{function}'", do=did_you_mean(function, [each.id for each in scored.functions]))
            interval = found.interval
        return None if interval is None else (float(interval.low), float(interval.high), float(interval.coverage))

    def report(self) -> dict[str, Any]:
        """The JSON report, schema `cnamm-scan/report/1`."""
        from cnamm_scan.report.data import report

        return report(self)

    def models_of(self, target: Target) -> list[ModelScore]:
        """The scores of one target by itself."""
        own = [tally for tally in self.tallies if tally.target == target.id]
        return list(_scored(self.content, own, [target]).models)

    def unknown_rules(self) -> dict[str, set[str]]:
        """Table -> the rules that were run, have unknowns and read it, straight or through a view."""
        from cnamm_scan.engine.plan import compile_rules, tables_of

        unknown = {tally.rule for tally in self.tallies if tally.unknown or tally.error}
        rules: Iterable[CompiledRule] = self._compiled
        if not rules and self.bundle is not None:
            run = unknown & set(self.bundle.manifest["plan"]["rules"])
            rules = compile_rules(self.content, [rule for rule in self.content.rules.values() if rule.id in run])
        found: dict[str, set[str]] = {}
        for rule in rules:
            if rule.rule.id in unknown:
                for table in tables_of(self.content, rule):
                    found.setdefault(table, set()).add(rule.rule.id)
        return found

    def query(self, sql: str) -> list[dict[str, Any]]:
        """One SELECT over the fact tables, sandboxed.

        Raises UsageError for SQL that does not bind, StoreError for what breaks on the way.
        """
        names, rows = self.query_table(sql)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def query_table(self, sql: str, seconds: float | None = None) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """As `query`: column names, and rows as a stream. Raises BoundError after `seconds` of work (None: 60)."""
        from cnamm_scan.engine.bounds import BoundError, StoreError
        from cnamm_scan.engine.select import read_query

        store = self.store(read_query(self.content, sql).tables)
        try:
            return store.table(sql, seconds)
        except BoundError:
            raise
        except StoreError as error:
            raise UsageError(error.what, where="query", do=error.do) from error

    def store(self, tables: Iterable[str] | None = None) -> Store:
        """The loaded fact tables: those that are named and what they are made from, or all."""
        wanted = frozenset({*self.content.tables, *self.content.views, *reader.ENGINE_TABLES} if tables is None else tables)
        if self._store is None or not wanted <= self._store.tables:
            if self.bundle is None:
                raise BundleError("the scan has no facts at hand", do="load its bundle")
            # what was loaded before stays open: its rows may still be read
            self._store = self._stack.enter_context(_load(self.bundle, self.content, wanted))
        return self._store

    def close(self) -> None:
        """Give memory, spill space and temporary bundles back."""
        self._stack.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        self.close()


def scan(
    targets: Sequence[str] = ("aws",),
    *,
    rules: Sequence[str] = (),
    functions: Sequence[str] = (),
    content: Sequence[Path | str] = (),
    parameters: Mapping[str, Any] | None = None,
    regions: Sequence[str] = (),
    output: Path | str | None = None,
    options: TargetOptions | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Scan:
    """Scan targets and judge them. Without `output` the bundle is temporary and goes with `close()`.

    Raises UsageError, ContentError, CredentialsError, ProviderError or BundleError before anything is asked; once it runs, what
    cannot be read is a gap. Ctrl-C ends the collection early: what was collected is judged, and `interrupted` says so.
    """
    from cnamm_scan.engine.collect import collect
    from cnamm_scan.engine.plan import Selection, make_plan

    if not targets:
        raise UsageError("no target", do="name one, such as aws or aws:PROFILE")
    options = options or TargetOptions(connections=limits.concurrency if limits else 16)
    providers = [kind_of(spec).name for spec in targets]
    refuse_foreign(targets, options, regions)
    whole = reader.load([Path(pack) for pack in content])
    plan = make_plan(whole, Selection(tuple(rules), tuple(functions), parameters or {}, options.opted), providers)
    limits = limits or Limits()
    started = datetime.now(UTC)
    temporary = ExitStack()
    with ExitStack() as stack:
        if output is None:
            output = temporary.enter_context(tempfile.TemporaryDirectory(prefix="cnamm-scan-"))
        on_failure = stack.enter_context(ExitStack())
        on_failure.push(temporary)
        connected = [
            stack.enter_context(closing(connect(spec, options, plan.operations(provider))))
            for spec, provider in zip(targets, providers, strict=True)
        ]
        _refuse_twins(connected)
        _refuse_unknown_regions(connected, regions)
        writer = BundleWriter(Path(output), scan_id(started))
        on_failure.callback(writer.abandon)
        collected: list[Collected] = []
        for provider in connected:
            collected.append(collect(plan, provider, writer, started=started, regions=regions, limits=limits, progress=progress))
            provider.close()
            if collected[-1].interrupted:
                break
        finished = _judge_and_seal(plan, writer, connected[: len(collected)], collected, started, collected[-1].interrupted)
        on_failure.pop_all()
    finished._stack.push(temporary)
    return finished


def _judge_and_seal(
    plan: Plan, writer: BundleWriter, connected: Sequence[Provider], collected: Sequence[Collected], started: datetime, interrupted: bool
) -> Scan:
    from cnamm_scan.engine.evaluate import blocks, count, population

    targets = [provider.target for provider in connected]
    regions = {provider.target.id: list(done.regions) for provider, done in zip(connected, collected, strict=True)}
    files = writer.settle()
    store = _open_store(
        plan.content,
        {table for rule in plan.rules for table in rule.reads},
        started,
        files,
        plan.describe(),
        regions,
        targets,
    )
    try:
        for line in _broken(store, targets):
            writer.coverage(line)
        tallies: list[Tally] = []
        told: set[str] = set()
        for rule in plan.rules:
            tallies += count(rule, targets, _written(writer, rule, blocks(store, rule, targets, compact=True), told))
        for view in sorted(told & plan.content.views.keys()):
            for target, region, keys in population(store, view):
                writer.population(view, target, region, keys)
        judged = _scored(plan.content, [*tallies, *_unselected(plan.content, plan.rules, targets)], targets)
        _write_scores(writer, judged)
        account = {
            "id": writer.scan_id,
            "started_at": utc(started),
            "finished_at": utc(datetime.now(UTC)),
            "interrupted": interrupted,
            "targets": [
                {
                    "id": target.id,
                    "provider": target.provider,
                    "name": target.name,
                    "identity": target.identity,
                    **({"scope": dict(target.scope)} if target.scope else {}),
                    "regions": [{"name": r.name, "state": r.state, "seen": r.seen, "opt_in": r.opt_in} for r in regions[target.id]],
                    "calls": done.calls,
                    "retries": done.retries,
                }
                for target, done in zip(targets, collected, strict=True)
            ],
            "content": {"version": plan.content.version, "sha256": plan.content.sha256},
            "method": SCORING_MODEL,
            "tool": tool(),
        }
        manifest = {"scan": account, "plan": {"rules": [rule.rule.id for rule in plan.rules], "tables": plan.describe()}}
        path = writer.finish(plan.content, manifest)
    except BaseException:
        store.close()
        raise
    store.close()  # it held only what the rules read; a query loads every table of the bundle
    done = _scan_of(judged, account, path, open_bundle(path), interrupted)
    done._compiled = plan.rules
    return done


def load_bundle(path: Path | str) -> Scan:
    """A scan as its bundle tells it: nothing is judged again. Raises BundleError for a bundle that is not as it was written."""
    bundle = open_bundle(Path(path))
    content = reader.load_files(bundle.method())
    tallies = [
        Tally(line["rule"], line["target"], line["pass"], line["fail"], line["unknown"], line["not_applicable"], line["error"])
        for line in bundle.entries("tally")
    ]
    judged = _scored(content, tallies, bundle.targets())
    return _scan_of(judged, bundle.scan, bundle.path, bundle, bool(bundle.scan.get("interrupted")))


def evaluate(
    path: Path | str,
    *,
    content: Sequence[Path | str] | None = None,
    rules: Sequence[str] = (),
    functions: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
) -> Scan:
    """Judge and score a bundle's facts again, offline.

    With `content=None` by the bundle's own method, else by the installed content and these packs.
    """
    from cnamm_scan.engine.evaluate import blocks
    from cnamm_scan.engine.plan import Selection, make_plan

    bundle = open_bundle(Path(path))
    whole = reader.load_files(bundle.method()) if content is None else reader.load([Path(pack) for pack in content])
    targets = bundle.targets()
    selected = Selection(tuple(rules), tuple(functions), parameters or {})
    if not rules and not functions and content is None:
        selected = Selection(tuple(bundle.manifest["plan"]["rules"]), (), parameters or {})
    plan = make_plan(whole, selected, {target.provider for target in targets})
    store = _load(bundle, whole, {table for rule in plan.rules for table in rule.reads})
    judged = _judge(whole, plan.rules, store, targets)
    found = _scan_of(judged, bundle.scan, bundle.path, bundle, bool(bundle.scan.get("interrupted")))
    found._stack.callback(store.close)
    found.coverage = [*found.coverage, *_broken(store, targets)]

    def judged_blocks(verdicts: frozenset[Verdict], only: str | None, named: bool) -> Iterator[ResultBlock]:
        for rule in plan.rules:
            if only in (None, rule.rule.id):
                yield from (block for block in blocks(store, rule, targets, compact=not named) if not verdicts or block.verdict in verdicts)

    found._blocks = judged_blocks
    found._compiled = plan.rules
    return found


# ---- judging -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Judged:
    content: Content
    targets: Sequence[Target]
    tallies: Sequence[Tally]
    models: Sequence[ModelScore]
    roadmaps: Mapping[str, Roadmap]


def _judge(content: Content, rules: Sequence[CompiledRule], store: Store, targets: Sequence[Target]) -> _Judged:
    from cnamm_scan.engine.evaluate import tally

    tallies = [each for rule in rules for each in tally(store, rule, targets)]
    return _scored(content, [*tallies, *_unselected(content, rules, targets)], targets)


def _unselected(content: Content, rules: Sequence[CompiledRule], targets: Sequence[Target]) -> Iterator[Tally]:
    """A rule that was not selected is not seen: a selection narrows what is known, it never lifts a score."""
    run = {rule.rule.id for rule in rules}
    for rule in _rules_of(content, targets):
        if rule.id not in run:
            yield from (Tally(rule.id, target.id, unknown=1) for target in targets if rule.provider in ("estate", target.provider))


def _broken(store: Store, targets: Sequence[Target]) -> Iterator[Coverage]:
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


def _written(writer: BundleWriter, rule: CompiledRule, found: Iterable[ResultBlock], told: set[str]) -> Iterator[ResultBlock]:
    """Store blocks on their way; `told` gathers the tables of which some rule tells a rest."""
    for block in found:
        writer.result(block, rule.rule.sha256)
        if not block.resources:
            told.add(block.table)
        yield block


def _rules_of(content: Content, targets: Sequence[Target]) -> list[Rule]:
    providers = {target.provider for target in targets} | {"estate"}
    return [rule for rule in content.rules.values() if rule.status != "deprecated" and rule.provider in providers]


def _scored(content: Content, tallies: Sequence[Tally], targets: Sequence[Target]) -> _Judged:
    named = {tally.rule for tally in tallies}
    rules = {rule.id: rule for rule in _rules_of(content, targets)}
    rules.update({name: content.rules[name] for name in named if name in content.rules})
    scorer = Scorer(rules.values(), tallies)
    models = [scorer.model(model) for model in content.models]
    ways = {model.id: roadmap(scorer, model, score) for model, score in zip(content.models, models, strict=True)}
    return _Judged(content, targets, tallies, models, ways)


def _scan_of(judged: _Judged, account: Mapping[str, Any], path: Path | None, bundle: Bundle, interrupted: bool) -> Scan:
    coverage = [Coverage(**{name: line[name] for name in Coverage.__slots__}) for line in bundle.entries("coverage")]
    return Scan(
        content=judged.content,
        scan=account,
        targets=judged.targets,
        tallies=judged.tallies,
        models=judged.models,
        roadmaps=judged.roadmaps,
        coverage=coverage,
        path=path,
        bundle=bundle,
        interrupted=interrupted,
        _blocks=lambda verdicts, rule, named: bundle.results(verdicts, rule, named=named),
    )


def _write_scores(writer: BundleWriter, judged: _Judged) -> None:
    for tally in judged.tallies:
        writer.entry(
            "tally",
            f"{tally.rule}|{tally.target}",
            {
                "rule": tally.rule,
                "target": tally.target,
                "pass": tally.pass_,
                "fail": tally.fail,
                "unknown": tally.unknown,
                "not_applicable": tally.not_applicable,
                "error": tally.error,
            },
        )
    for model in judged.models:
        for function in model.functions:
            for practice in function.practices:
                for level in practice.levels:
                    for objective in level.objectives:
                        name = f"{model.id}|{function.id}|{practice.id}|{objective.objective}"
                        body = {"objective": objective.objective, "level": objective.level, "stream": objective.stream}
                        writer.entry("objective", name, {**body, **_bounds(objective.interval), "unjudged": objective.unjudged})
                name = f"{model.id}|{function.id}|{practice.id}"
                writer.entry(
                    "score", name, {"of": name, **_bounds(practice.interval), "attained": practice.attained, "method": SCORING_MODEL}
                )
            name = f"{model.id}|{function.id}"
            writer.entry("score", name, {"of": name, **_bounds(function.interval), "attained": function.attained, "method": SCORING_MODEL})
        writer.entry("score", model.id, {"of": model.id, **_bounds(model.interval), "method": SCORING_MODEL})


def _bounds(interval: Any) -> dict[str, Any]:
    if interval is None:
        return {"low": None, "high": None, "coverage": None}
    return {"low": interval.low, "high": interval.high, "coverage": interval.coverage}


# ---- facts into the store ------------------------------------------------------------------------------------------------


def _load(bundle: Bundle, content: Content, tables: Iterable[str]) -> Store:
    started = datetime.fromisoformat(bundle.scan["started_at"])
    return _open_store(
        content,
        set(tables),
        started,
        merged_files(bundle.files("fact")),
        bundle.manifest["plan"]["tables"],
        bundle.regions(),
        bundle.targets(),
    )


def _open_store(
    content: Content,
    tables: set[str],
    started: datetime,
    files: Mapping[str, Sequence[Path]],
    collected: Mapping[str, Mapping[str, Sequence[str]]],
    regions: Mapping[str, Sequence[Region]],
    targets: Sequence[Target],
) -> Store:
    """Fact tables loaded, ghosts laid for what was never asked, views made, doors shut."""
    from cnamm_scan.engine.store import Shards, Store

    few = sum(file.stat().st_size for own in files.values() for file in own) < FEW_BYTES
    store = Store(content, tables, scan_time=utc(started).rstrip("Z"), threads=1 if few else None)
    store.places = {target.id: ("global", *(region.name for region in regions.get(target.id, ()))) for target in targets}
    try:
        for table in sorted(store.tables - set(content.views)):
            said = collected.get(table)
            if said is not None or table in (ESTATE_TABLE, *reader.ENGINE_TABLES):
                parts = frozenset(said["parts"]) if said is not None else None
                kept = frozenset(said["paths"]) if said is not None else None
                store.load(table, Shards(tuple(files.get(table, ())), parts, kept))
            store.add_ghosts(table, _never_asked(content, table, said is not None, regions, targets))
        store.make_views()
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


# ---- small things --------------------------------------------------------------------------------------------------------


def scan_id(started: datetime) -> str:
    """A scan's id: its start, and enough chance to keep two apart. Sorts by time."""
    return f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def _refuse_twins(connected: Sequence[Provider]) -> None:
    seen: set[str] = set()
    for provider in connected:
        if provider.target.id in seen:
            raise UsageError(f"target '{provider.target.id}' is named twice", do="name each account once")
        seen.add(provider.target.id)


def _refuse_unknown_regions(connected: Sequence[Provider], regions: Sequence[str]) -> None:
    if not regions:
        return
    known = {name for provider in connected if provider.region_table for name in provider.default_regions()}
    for name in regions:
        if known and name not in known and not any(name == region.name for provider in connected for region in _regions_of(provider)):
            raise UsageError(f"no region '{name}'", where="--region", do=did_you_mean(name, known))


def _regions_of(provider: Provider) -> Sequence[Region]:
    """The regions that the target itself names: newer ones than the SDK knows. Empty when it may not be asked."""
    try:
        return provider.regions() if provider.region_table else ()
    except CallFailedError:
        return ()


__all__ = ["CnammError", "Limits", "Scan", "TargetOptions", "evaluate", "load_bundle", "scan"]
