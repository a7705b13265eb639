"""The whole way in one call: what the command line does, for notebooks and tests.

from cnamm_scan import scan
done = scan(["aws"], rules=["aws.s3"])
for result in done.results(): ...
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnamm_scan import content as reader
from cnamm_scan.doing import doing
from cnamm_scan.engine.dated import as_age
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.errors import CnammError, UsageError, did_you_mean
from cnamm_scan.evidence.bundle import Bundle, BundleWriter, open_bundle
from cnamm_scan.judged.places import are_written
from cnamm_scan.judged.scan import Scan, facts_of, max_age_of, of_bundle
from cnamm_scan.judged.scoring import scored, unselected
from cnamm_scan.model import ASSUME_WHOLE, JUDGING_MODEL, Region, Result, Severity, Tally, Target, Verdict
from cnamm_scan.model.old import DEFAULT_MAX_AGE, STALE_PART, seconds
from cnamm_scan.providers.catalog import KINDS, TargetOptions, connect, kind_of, makers, refuse_foreign
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.stopping import Stopping

if TYPE_CHECKING:
    from cnamm_scan.engine.collect import Collected, Progress
    from cnamm_scan.providers.interface import Provider


def scan(
    targets: str | Sequence[str] = ("aws",),
    *,
    rules: str | Sequence[str] = (),
    functions: str | Sequence[str] = (),
    content: Path | str | Sequence[Path | str] = (),
    parameters: Mapping[str, Any] | None = None,
    regions: str | Sequence[str] = (),
    owner_tags: str | Sequence[str] = (),
    max_age: timedelta | str = DEFAULT_MAX_AGE,
    output: Path | str | None = None,
    options: TargetOptions | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
    stopping: Stopping | None = None,
) -> Scan:
    """Scan targets and judge them. Without `output` the bundle is temporary and goes with `close()`. One name may stand for a list of one.

    `owner_tags`: keys of tags, labels or annotations whose values say who answers for a resource; all other tag values are redacted.
    `max_age`: facts that their source itself calls older, at the scan's begin, are not judged; `"8d"` and `"36h"` are ages too.

    Raises UsageError, ContentError, CredentialsError, ProviderError or BundleError before anything is asked; once it runs, what
    cannot be read is a gap. Ctrl-C, or another signal that `stopping` hears, ends it early in whatever it does: what was collected is
    judged as far as it was and sealed, and `interrupted` says so. What is left when it cannot be sealed stays beside it (`….partial`).
    """
    from cnamm_scan.engine import readings
    from cnamm_scan.engine.collect import collect
    from cnamm_scan.engine.narrow import narrowed
    from cnamm_scan.engine.plan import Selection, make_plan
    from cnamm_scan.judged.sealing import about, judge_and_seal

    targets, rules, functions, regions = map(_names, (targets, rules, functions, regions))
    age = as_age(max_age)
    if not targets:
        raise UsageError("no target", do="name one, such as aws or aws:PROFILE")
    options = options or TargetOptions(connections=limits.concurrency if limits else 16)
    providers = [kind_of(spec).name for spec in targets]
    refuse_foreign(targets, options, regions)
    whole = reader.load(_packs(content))
    plan = make_plan(whole, Selection(tuple(rules), tuple(functions), parameters or {}, options.opted), providers)
    started = datetime.now(UTC)
    temporary = ExitStack()
    with ExitStack() as stack:
        if output is None:
            output = temporary.enter_context(tempfile.TemporaryDirectory(prefix="cnamm-scan-"))
        on_failure = stack.enter_context(ExitStack())
        on_failure.push(temporary)
        heard = stack.enter_context(stopping or Stopping())
        secret_keys = {key for name in providers for key in KINDS[name].secret_keys}
        writer = BundleWriter(
            Path(output), scan_id(started), secret_keys=secret_keys, owner_tags=_names(owner_tags)
        )  # first of all: nobody is asked what could not be kept
        on_failure.callback(writer.abandon)
        doing("connecting")
        connected = [
            stack.enter_context(closing(connect(spec, options, plan.operations(provider))))
            for spec, provider in zip(targets, providers, strict=True)
        ]
        _refuse_twins(connected)
        refuse_absent(connected)
        for provider in connected:
            provider.hear(whole)
        for provider in {provider.name: provider for provider in connected}.values():  # one SDK a kind
            own = [name for name, each in plan.tables.items() if each.table.provider == provider.name]
            plan = plan.without(provider.unread(whole, own))
        _refuse_unknown_regions(connected, regions)
        plan = replace(plan, content=narrowed(plan.content, set(providers)))
        said = {
            "parameters": parameters or {},
            "opted": sorted(options.opted),
            "owner_tags": list(_names(owner_tags)),
            "max_age": seconds(age),
        }
        heard.hold()
        writer.begin(plan.content, about(writer.scan_id, started, plan, [each for one in connected for each in one.targets], said))
        collected: list[Collected] = []
        doing("collecting")
        for provider in connected:
            done = collect(
                plan,
                provider,
                writer,
                started=started,
                regions=regions,
                limits=limits,
                progress=progress,
                wanted=lambda: heard.wanted,
            )
            collected.append(done)
            for each in done.targets:
                writer.ended(each.target.id, each.regions, each.calls, each.retries)
            provider.close()
            if done.interrupted or heard.wanted:
                break
        interrupted = any(each.interrupted for each in collected)
        finished = _told(judge_and_seal(plan, writer, collected, started, stopping=heard, interrupted=interrupted, max_age=age))
        on_failure.pop_all()
    readings.keep(whole)
    finished.stack.push(temporary)
    return finished


def load_bundle(path: Path | str) -> Scan:
    """A scan as its bundle tells it, scored by the method that scored it: nothing is judged again.

    Raises BundleError for a bundle that is not as it was written.
    """
    from cnamm_scan.judged.unfinished import method, refuse_unknown_rules, scoring

    bundle = open_bundle(Path(path))
    content = method(bundle.method(), bundle.path)
    tallies = [
        Tally(line["rule"], line["target"], line["pass"], line["fail"], line["unknown"], line["not_applicable"], line["error"])
        for line in bundle.entries("tally")
    ]
    refuse_unknown_rules(bundle, content, [tally.rule for tally in tallies])
    return _told(of_bundle(scored(content, tallies, bundle.targets(), scoring(bundle)), bundle.scan, bundle))


def evaluate(
    path: Path | str,
    *,
    content: Path | str | Sequence[Path | str] | None = None,
    rules: str | Sequence[str] = (),
    functions: str | Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    assume_whole: bool = False,
    max_age: timedelta | str | None = None,
) -> Scan:
    """Judge and score a bundle's facts again, offline. What a killed scan has left (`….partial`) is sealed first, and then is a bundle.

    With `content=None` by the bundle's own method, else by the installed content and these packs. `assume_whole`: its manifests are all
    there is. Raises UsageError where it has none. `max_age`: as `scan` takes it, still counted from that scan's begin; None: as it had it.
    """
    from cnamm_scan.engine import readings
    from cnamm_scan.engine.judge import Judging, broken, stale
    from cnamm_scan.engine.load import open_store
    from cnamm_scan.engine.made import Makers
    from cnamm_scan.engine.plan import Selection, make_plan
    from cnamm_scan.judged.unfinished import method, own_method, refuse_unknown_rules, sealed

    rules, functions = _names(rules), _names(functions)
    asked = None if max_age is None else as_age(max_age)
    bundle = open_bundle(sealed(Path(path)))
    whole = method(bundle.method(), bundle.path) if content is None else reader.load(_packs(content))
    targets, account = _taken_as(bundle, whole=assume_whole)
    age = asked or max_age_of(bundle.scan) or DEFAULT_MAX_AGE
    selected = Selection(tuple(rules), tuple(functions), parameters or {})
    if not rules and not functions and content is None:
        refuse_unknown_rules(bundle, whole, bundle.manifest["plan"]["rules"])
        selected = Selection(tuple(bundle.manifest["plan"]["rules"]), (), parameters or {})
    with own_method(bundle.path) if content is None else nullcontext():
        plan = make_plan(whole, selected, {target.provider for target in targets})
    store = open_store(whole, plan.read_tables, facts_of(bundle, targets, age), Makers(makers(), targets))
    judging = Judging(store, plan.rules, targets)
    judged = scored(whole, [*judging.tallies(), *unselected(whole, plan.rule_ids, targets)], targets)
    found = _told(of_bundle(judged, {**account, "judging": JUDGING_MODEL, "max_age": seconds(age)}, bundle))
    found.stack.callback(store.close)
    found.coverage = [*(line for line in found.coverage if line.part != STALE_PART), *broken(store, targets), *stale(store)]
    found.judged_blocks = judging.blocks
    found.compiled = plan.rules
    readings.keep(whole)
    return found


def _names(said: str | Sequence[str]) -> tuple[str, ...]:
    """Names as somebody said them: one, or several. A text is one name, not its letters."""
    return (said,) if isinstance(said, str) else tuple(said)


def _packs(said: Path | str | Sequence[Path | str]) -> list[Path]:
    """Folders of packs as somebody said them: one, or several."""
    return [Path(said)] if isinstance(said, Path | str) else [Path(pack) for pack in said]


def _taken_as(bundle: Bundle, *, whole: bool) -> tuple[list[Target], Mapping[str, Any]]:
    """The targets of a bundle and its account of them; with `whole` its manifests are taken to be all there is."""
    targets = bundle.targets()
    if not whole:
        return targets, bundle.scan
    if not are_written(targets):
        raise UsageError(
            "--assume-whole says nothing about what was scanned", where=str(bundle.path), do="leave it out: it is for bundles of manifests"
        )
    taken = [replace(each, scope={**each.scope, ASSUME_WHOLE: True}) if are_written([each]) else each for each in targets]
    scopes = {each.id: dict(each.scope) for each in taken if are_written([each])}
    told = [{**said, "scope": scopes[said["id"]]} if said["id"] in scopes else said for said in bundle.scan["targets"]]
    return taken, {**bundle.scan, "targets": told}


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
    """Raise UsageError for a target that is named twice, and for two that are made of one file: what it says would be counted twice."""
    seen: set[str] = set()
    files: dict[str, str] = {}
    for provider in connected:
        for target in provider.targets:
            if target.id in seen:
                raise UsageError(f"target '{target.id}' is named twice", do="name each target once")
            seen.add(target.id)
            for file, named in provider.files().items():
                other = files.setdefault(file, target.id)
                if other != target.id:
                    what = f"it would be counted twice: '{other}' and '{target.id}' both hold it"
                    raise UsageError(what, where=named, do="name the folder or the file, and not both")


def refuse_absent(connected: Sequence[Provider]) -> None:
    """Raise UsageError for a name that no connection of its kind has; of one that some have, the others' scopes say that they have not."""
    for provider in connected:
        alike = [each for each in connected if each.name == provider.name]
        for absent in provider.absentees():
            if all(any((own.name, own.flag) == (absent.name, absent.flag) for own in each.absentees()) for each in alike):
                raise UsageError(
                    f"no {absent.noun} '{absent.name}'",
                    where=f"{absent.flag}, in {', '.join(target.id for each in alike for target in each.targets)}",
                    do=did_you_mean(absent.name, absent.known) if absent.known else f"name one that is there, or leave {absent.flag} out",
                )


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


__all__ = ["CnammError", "Limits", "Result", "Scan", "Severity", "TargetOptions", "Verdict", "evaluate", "load_bundle", "scan"]
