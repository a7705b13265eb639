"""The whole way in one call: what the command line does, for notebooks and tests.

from cnamm_scan import scan
done = scan(["aws"], rules=["aws.s3"])
for result in done.results(): ...
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnamm_scan import content as reader
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.errors import CnammError, UsageError, did_you_mean
from cnamm_scan.evidence.bundle import BundleWriter, open_bundle, tool
from cnamm_scan.evidence.canonical import utc
from cnamm_scan.judged.scan import Scan, facts_of, of_bundle
from cnamm_scan.judged.scoring import scored, unselected, write_scores
from cnamm_scan.model import SCORING_MODEL, Region, ResultBlock, Tally, Verdict
from cnamm_scan.providers.catalog import TargetOptions, connect, kind_of, makers, refuse_foreign
from cnamm_scan.providers.interface import CallFailedError

if TYPE_CHECKING:
    from cnamm_scan.engine.collect import Collected, Progress, TargetCollected
    from cnamm_scan.engine.plan import Plan
    from cnamm_scan.providers.interface import Provider


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
        for provider in {provider.name: provider for provider in connected}.values():  # one SDK a kind
            own = [name for name, each in plan.tables.items() if each.table.provider == provider.name]
            plan = plan.without(provider.unread(whole, own))
        _refuse_unknown_regions(connected, regions)
        writer = BundleWriter(Path(output), scan_id(started))
        on_failure.callback(writer.abandon)
        collected: list[Collected] = []
        for provider in connected:
            collected.append(collect(plan, provider, writer, started=started, regions=regions, limits=limits, progress=progress))
            provider.close()
            if collected[-1].interrupted:
                break
        finished = _judge_and_seal(plan, writer, collected, started, collected[-1].interrupted)
        on_failure.pop_all()
    finished.stack.push(temporary)
    return finished


def load_bundle(path: Path | str) -> Scan:
    """A scan as its bundle tells it: nothing is judged again. Raises BundleError for a bundle that is not as it was written."""
    bundle = open_bundle(Path(path))
    content = reader.load_files(bundle.method())
    tallies = [
        Tally(line["rule"], line["target"], line["pass"], line["fail"], line["unknown"], line["not_applicable"], line["error"])
        for line in bundle.entries("tally")
    ]
    return _told(of_bundle(scored(content, tallies, bundle.targets()), bundle.scan, bundle))


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
    from cnamm_scan.engine.judge import broken, judge
    from cnamm_scan.engine.load import open_store
    from cnamm_scan.engine.made import Makers
    from cnamm_scan.engine.plan import Selection, make_plan

    bundle = open_bundle(Path(path))
    whole = reader.load_files(bundle.method()) if content is None else reader.load([Path(pack) for pack in content])
    targets = bundle.targets()
    selected = Selection(tuple(rules), tuple(functions), parameters or {})
    if not rules and not functions and content is None:
        selected = Selection(tuple(bundle.manifest["plan"]["rules"]), (), parameters or {})
    plan = make_plan(whole, selected, {target.provider for target in targets})
    store = open_store(whole, plan.read_tables, facts_of(bundle), Makers(makers(), targets))
    judged = scored(whole, [*judge(store, plan.rules, targets), *unselected(whole, plan.rule_ids, targets)], targets)
    found = _told(of_bundle(judged, bundle.scan, bundle))
    found.stack.callback(store.close)
    found.coverage = [*found.coverage, *broken(store, targets)]

    def judged_blocks(verdicts: frozenset[Verdict], only: str | None, named: bool) -> Iterator[ResultBlock]:
        for rule in plan.rules:
            if only in (None, rule.rule.id):
                yield from (block for block in blocks(store, rule, targets, compact=not named) if not verdicts or block.verdict in verdicts)

    found.judged_blocks = judged_blocks
    found.compiled = plan.rules
    return found


def _judge_and_seal(plan: Plan, writer: BundleWriter, collected: Sequence[Collected], started: datetime, interrupted: bool) -> Scan:
    from cnamm_scan.engine.judge import judge_and_write
    from cnamm_scan.engine.load import Facts, open_store
    from cnamm_scan.engine.made import Makers

    of_targets = [each for done in collected for each in done.targets]
    targets = [each.target for each in of_targets]
    regions = {each.target.id: each.regions for each in of_targets}
    facts = Facts(started, writer.settle(), plan.describe(), regions, targets)
    with open_store(plan.content, plan.read_tables, facts, Makers(makers(), targets, writer.made)) as store:
        tallies = judge_and_write(plan.content, store, plan.rules, targets, writer)
        judged = scored(plan.content, [*tallies, *unselected(plan.content, plan.rule_ids, targets)], targets)
        write_scores(writer, judged)
        account = {
            "id": writer.scan_id,
            "started_at": utc(started),
            "finished_at": utc(datetime.now(UTC)),
            "interrupted": interrupted,
            "targets": [_told_of(each) for each in of_targets],
            **_shared(collected),
            "content": {"version": plan.content.version, "sha256": plan.content.sha256},
            "method": SCORING_MODEL,
            "tool": tool(),
        }
        manifest = {"scan": account, "plan": {"rules": list(plan.rule_ids), "tables": plan.describe()}}
        path = writer.finish(plan.content, manifest)
    # the store held only what the rules read; a query loads every table of the bundle
    done = _told(of_bundle(judged, account, open_bundle(path)))
    done.compiled = plan.rules
    return done


def _told_of(done: TargetCollected) -> dict[str, Any]:
    """What a manifest says of a target."""
    target = done.target
    return {
        "id": target.id,
        "provider": target.provider,
        "name": target.name,
        "identity": target.identity,
        **({"scope": dict(target.scope)} if target.scope else {}),
        "regions": [{"name": r.name, "state": r.state, "seen": r.seen, "opt_in": r.opt_in} for r in done.regions],
        "calls": done.calls,
        "retries": done.retries,
    }


def _shared(collected: Sequence[Collected]) -> dict[str, Any]:
    """The calls that were made once for all targets of a connection, which no target's own count holds; nothing where there were none."""
    shared = [
        {"targets": [each.target.id for each in done.targets], "calls": done.calls, "retries": done.retries}
        for done in collected
        if done.calls
    ]
    return {"shared": shared} if shared else {}


def _told(scan: Scan) -> Scan:
    """The same scan, able to tell its report and to make its tables again."""
    from cnamm_scan.engine.made import Makers
    from cnamm_scan.report.data import report

    scan.reporter = report
    scan.makers = Makers(makers(), scan.targets)
    return scan


def scan_id(started: datetime) -> str:
    """A scan's id: its start, and enough chance to keep two apart. Sorts by time."""
    return f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def _refuse_twins(connected: Sequence[Provider]) -> None:
    seen: set[str] = set()
    for target in (target for provider in connected for target in provider.targets):
        if target.id in seen:
            raise UsageError(f"target '{target.id}' is named twice", do="name each account once")
        seen.add(target.id)


def _refuse_unknown_regions(connected: Sequence[Provider], regions: Sequence[str]) -> None:
    if not regions:
        return
    known = {name for provider in connected if provider.region_table for name in provider.default_regions()}
    for name in regions:
        if known and name not in known and not any(name == region.name for provider in connected for region in _regions_of(provider)):
            raise UsageError(f"no region '{name}'", where="--region", do=did_you_mean(name, known))


def _regions_of(provider: Provider) -> Sequence[Region]:
    """The regions that the targets themselves name: newer ones than the SDK knows. Empty when they may not be asked."""
    try:
        return [region for target in provider.targets for region in provider.regions(target)] if provider.region_table else ()
    except CallFailedError:
        return ()


__all__ = ["CnammError", "Limits", "Scan", "TargetOptions", "evaluate", "load_bundle", "scan"]
