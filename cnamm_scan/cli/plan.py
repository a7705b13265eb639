"""`cnamm-scan plan`: what a scan would ask, and the least rights for it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnamm_scan.cli import completion
from cnamm_scan.cli.asked import Command, Only, Option, given, refuse_idle
from cnamm_scan.cli.common import Reach, console, reach, selection
from cnamm_scan.cli.files import put, unwritable
from cnamm_scan.errors import UsageError
from cnamm_scan.model import Reason

if TYPE_CHECKING:
    from cnamm_scan.engine.plan import Plan, Source
    from cnamm_scan.engine.preflight import Preflight


CALLS = Only(given("preflight"), "without --preflight: plan calls nothing", "add --preflight, or leave it out", late=True)
COUNTS = Only(
    lambda said: not said["permissions"] and not said["preflight"],
    "with --permissions or --preflight: rights are those of every region, and one is tried",
    late=True,
)


@click.command("plan", cls=Command)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=completion.targets)
@reach(regions=COUNTS, calls=CALLS)
@selection
@click.option("--permissions", is_flag=True, help="Print the least policy that lets the scan read everything it plans to.")
@click.option(
    "--split-into",
    cls=Option,
    only=Only(given("permissions"), "without --permissions", "add --permissions, or leave it out"),
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="With --permissions: write as many files as the provider's size limit asks for.",
)
@click.option(
    "--preflight",
    is_flag=True,
    help="Try one small call for each kind of object, or for each service, and say what would be unknown. Needs credentials.",
)
@click.option(
    "--format",
    "out_format",
    cls=Option,
    only=Only(lambda said: said["out_format"] == "json" or not said["permissions"], "with --permissions: a policy is JSON"),
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
)
@click.pass_context
def command(
    context: click.Context,
    targets: tuple[str, ...],
    reached: Reach,
    functions: tuple[str, ...],
    rules: tuple[str, ...],
    packs: tuple[Path, ...],
    permissions: bool,
    split_into: Path | None,
    preflight: bool,
    out_format: str,
) -> None:
    """Show the tables, calls and least rights of a scan, and call nothing (but with --preflight).

    {targets}

    \b
    Examples:
      cnamm-scan plan aws
      cnamm-scan plan aws --permissions > policy.json
      cnamm-scan plan aws --permissions --split-into policies/
      cnamm-scan plan kubernetes --permissions | kubectl apply -f -
      cnamm-scan plan aws --function detection --preflight
      cnamm-scan plan gcp:organizations/123456789012 --preflight
    """
    from cnamm_scan import content as reader
    from cnamm_scan.engine.plan import Selection, make_plan
    from cnamm_scan.providers.catalog import kind_of, refuse_foreign

    options = reached.options()
    providers = [kind_of(spec).name for spec in targets]
    refuse_foreign(targets, options, reached.regions)
    if permissions and preflight:
        raise UsageError("--permissions and --preflight do not go together", do="run plan twice")
    refuse_idle(context, late=True)
    content = reader.load(packs)
    plan = make_plan(content, Selection(rules, functions, opted=options.opted), providers)
    if permissions:
        for provider in dict.fromkeys(providers):
            _permissions(provider, plan.needs(provider), split_into)
        return
    if preflight:
        _preflight(context, plan, targets, options, out_format)
        return
    described = [_described(plan, provider, len(reached.regions)) for provider in dict.fromkeys(providers)]
    if out_format == "json":
        click.echo(json.dumps(described, indent=2))
        return
    for each in described:
        _print(context, each)


def _permissions(provider: str, needs: list[str], folder: Path | None) -> None:
    """Print the least policy, or write it in parts that fit. What is too large for one policy is said on stderr."""
    from cnamm_scan.providers.catalog import KINDS

    rights = KINDS[provider].rights
    for how in rights.beside(needs):
        click.echo(f"not in it, since no such document gives it: {how}", err=True)
    if folder is None:
        whole = rights.policy(needs)
        click.echo(json.dumps(whole, indent=2))
        size = rights.size(whole)
        if rights.limit is not None and size > rights.limit:
            click.echo(f"{size} characters are more than one policy holds ({rights.limit}): --split-into DIR writes it in parts", err=True)
        return
    try:
        for number, part in enumerate(rights.parts(needs), 1):
            file = folder / f"cnamm-scan-{provider}-{number}.json"
            put(file, (json.dumps(part, indent=2) + "\n").encode())
            click.echo(str(file))
    except OSError as error:
        raise unwritable(error, folder, "choose another folder") from error


def _described(plan: Plan, provider: str, regions: int) -> dict[str, Any]:
    from cnamm_scan.providers.catalog import KINDS

    services: dict[str, dict[str, Any]] = {}
    for root in plan.sources.get(provider, ()):
        for source in root.walk():
            for each in source.tables:
                entry = services.setdefault(
                    each.table.service, {"service": each.table.service, "tables": [], "account": 0, "region": 0, "item": []}
                )
                entry["tables"].append(each.table.id)
            _count(source, services)
    return {
        "provider": provider,
        "rules": len(plan.rules),
        "regions": regions or None,
        "has_regions": KINDS[provider].region_table is not None,
        "services": [services[name] for name in sorted(services)],
        **_paced(plan, provider),
        "needs": plan.needs(provider),
    }


def _paced(plan: Plan, provider: str) -> dict[str, Any]:
    """How many of the calls are of a quota that is kept, at least, and how long that takes."""
    from cnamm_scan.providers.catalog import KINDS

    pace = KINDS[provider].pace
    if pace is None:
        return {}
    asked = {root.call.of(root.client) for root in plan.sources.get(provider, ()) if root.call.call}
    listings = Counter(client for client, _ in asked if pace.counts(client))
    calls = sum(-(-count // pace.together) for count in listings.values())
    said = {"what": pace.what, "listings": listings.total(), "calls": calls, "a_minute": pace.a_minute, "pages": pace.pages}
    return {"paced": said}


def _count(source: Source, services: dict[str, dict[str, Any]]) -> None:
    entry = services[source.tables[0].table.service] if source.tables else None
    if entry is None:
        return
    if source.call.for_:
        entry["item"].append(f"{source.call.operation} for each {source.call.for_.rsplit('.', 1)[-1]}")
    elif source.once_per == "region":
        entry["region"] += 1
    else:
        entry["account"] += 1
    asked: dict[tuple[str, str], str] = {}  # tables on one listing share a call that they declare alike
    for each in source.tables:
        for part in each.parts:
            call = each.table.then[part]
            said = f"{call.operation} for each {each.table.id.rsplit('.', 1)[-1]}" + (f" ({call.size} at a time)" if call.many else "")
            asked.setdefault((call.operation, json.dumps([dict(call.with_), dict(call.fixed)], sort_keys=True)), said)
    entry["item"].extend(asked.values())


def _print(context: click.Context, described: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    has_regions = described["has_regions"]
    columns = [
        ("service", "left"),
        ("tables", "right"),
        ("calls once", "right"),
        ("a region", "right"),
        ("and one more for each item", "left"),
    ]
    for name, justify in columns:
        if has_regions or name != "a region":
            table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for each in described["services"]:
        cells = [each["service"], str(len(each["tables"])), str(each["account"] or "–")]
        table.add_row(*cells, *([str(each["region"] or "–")] if has_regions else []), "\n".join(each["item"]))
    out = console(context)
    out.print(table)
    once = sum(each["account"] for each in described["services"])
    if "paced" in described:  # of these several are one call
        once += described["paced"]["calls"] - described["paced"]["listings"]
    regional = sum(each["region"] for each in described["services"])
    tables = sum(len(each["tables"]) for each in described["services"])
    more = (
        f", {regional} more in {described['regions'] or 'each enabled'} region{'s' if described['regions'] else ''}" if has_regions else ""
    )
    out.print(
        f"\n{described['rules']} rules read {tables} tables of {len(described['services'])} services: at least {once} calls{more},"
        " and those for items; pages add to them"
    )
    if "paced" in described:
        out.print(_told_pace(described["paced"]))
    out.print(f"{len(described['needs'])} rights: cnamm-scan plan {described['provider']} --permissions")


def _told_pace(paced: dict[str, Any]) -> str:
    minutes = max(0, paced["calls"] - 1) // paced["a_minute"]
    waits = f"they take {minutes} minute{'s' if minutes > 1 else ''} at least" if minutes else "none of them waits"
    together = paced["calls"] < paced["listings"]
    said = f"{paced['listings']} {paced['what']} where there is little of each" if together else paced["what"]
    most = f"a minute takes {paced['a_minute']} calls, so {waits}"
    return f"{paced['calls']} of them are {said}, and {paced['pages']} takes one more: {most}"


def _preflight(context: click.Context, plan: Plan, specs: Sequence[str], options: Any, out_format: str) -> None:
    from cnamm_scan.api import refuse_absent
    from cnamm_scan.engine.preflight import preflight
    from cnamm_scan.providers.catalog import KINDS, connect

    with ExitStack() as stack:
        connected = [stack.enter_context(closing(connect(spec, options))) for spec in specs]
        refuse_absent(connected)
        made = [(provider.name, preflight(plan, provider, datetime.now(UTC))) for provider in connected]
    if out_format == "json":
        click.echo(json.dumps([each.row(KINDS[provider].lacking) for provider, done in made for each in done.tried], indent=2))
    for provider, done in made:
        if out_format != "json":
            _print_tried(context, done)
        for line in _told_of(provider, done):
            click.echo(line, err=True)


def _print_tried(context: click.Context, done: Preflight) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    several = len({each.target for each in done.tried}) > 1
    for name in (
        *(["target"] if several else []),
        "right" if done.by_kind else "service",
        "tried",
        "answer",
        "objectives that would be unknown",
    ):
        table.add_column(name, overflow="fold")
    for each in done.asked:
        first = ", ".join(each.needs) if done.by_kind else ", ".join(each.services)
        unseen = "\n".join(each.objectives) if each.is_refused else ""
        table.add_row(*([each.target] if several else []), first, each.operation, each.status, unseen)
    console(context).print(table)


def _told_of(provider: str, done: Preflight) -> Iterator[str]:
    """What it comes to: how many answer, what rests on those that do not, what to grant, and what nobody tried."""
    from cnamm_scan.providers.catalog import KINDS

    asked = done.asked
    refused = [each for each in asked if each.is_refused]
    missing = len(done.tried) - len(asked)
    kinds = "1 kind is" if missing == 1 else f"{missing} kinds are"
    none = f" ({kinds} {KINDS[provider].lacking})" if missing else ""
    yield f"{len(asked) - len(refused)} of {len(asked)} {'kinds' if done.by_kind else 'services'} answer{none}"
    if refused:
        rules = {rule for each in refused for rule in each.rules}
        objectives = {objective for each in refused for objective in each.objectives}
        yield f"{len(rules)} rules, of {len(objectives)} objectives, would be unknown in part or whole"
    by_code = {f"{Reason.DENIED.value} ({code})": rights for code, rights in KINDS[provider].rights.by_code.items()}
    denied = sorted({right for each in refused if each.status.startswith(Reason.DENIED) for right in by_code.get(each.status, each.needs)})
    if denied:
        yield f"grant: {', '.join(denied)}"
        yield f"all rights of the scan: cnamm-scan plan {provider} --permissions"
    if any(each.status.startswith(Reason.API_DISABLED) for each in refused):
        yield f"API or service not enabled: {KINDS[provider].enabling}"
    if done.untried:
        few = ", ".join(done.untried[:5]) + (" …" if len(done.untried) > 5 else "")
        why = "asked of one object each" if done.by_kind else "one call stands for its service"
        yield f"not tried, and not promised ({why}): {len(done.untried)} further rights: {few}"
