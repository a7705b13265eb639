"""`cnamm-scan results`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnamm_scan.cli.asked import Command, Only, Option
from cnamm_scan.cli.common import BUNDLE, RULES, console, written
from cnamm_scan.doing import doing
from cnamm_scan.errors import UsageError
from cnamm_scan.model import Severity, Verdict, own_name

if TYPE_CHECKING:
    from rich.console import Console

    from cnamm_scan.api import Scan
    from cnamm_scan.model import Content, Result

EXAMPLES = 3
"""Resources that a group names."""
_WORST = {Verdict.FAIL: 0, Verdict.ERROR: 1, Verdict.UNKNOWN: 2, Verdict.PASS: 3, Verdict.NOT_APPLICABLE: 4}
_TABLE = Only(lambda said: said["out_format"] in (None, "table"), "outside --format table: the other forms hold all of each result")


@click.command("results", cls=Command)
@BUNDLE
@click.option(
    "--verdict", "verdicts", multiple=True, type=click.Choice([v.value for v in Verdict]), help="Only this verdict. May be repeated."
)
@click.option("--severity", "severities", multiple=True, type=click.Choice([s.value for s in Severity]), help="Only this. May be repeated.")
@RULES
@click.option("--resource", "resources", multiple=True, metavar="TEXT", help="Only resources whose id holds this. May be repeated.")
@click.option("--each", "each_one", cls=Option, only=_TABLE, is_flag=True, help="In a table: a row for each result, not one for each rule.")
@click.option(
    "--record", cls=Option, only=_TABLE, is_flag=True, help="In a table: all that is known of each result, one beneath the other."
)
@click.option(
    "--format",
    "out_format",
    type=click.Choice(["jsonl", "csv", "table"]),
    help="How to print them.  [default: table on a terminal, jsonl elsewhere]",
)
@click.pass_context
def command(
    context: click.Context,
    bundle: Path,
    verdicts: tuple[str, ...],
    severities: tuple[str, ...],
    rules: tuple[str, ...],
    resources: tuple[str, ...],
    each_one: bool,
    record: bool,
    out_format: str | None,
) -> None:
    """List what each rule said about each resource: the severest rules first, a table with one row a rule.

    \b
    Examples:
      cnamm-scan results SCAN.cnamm --verdict fail --severity critical --record
      cnamm-scan results SCAN.cnamm --verdict fail --rule aws.s3 --each
      cnamm-scan results SCAN.cnamm --rule aws.s3.bucket_versioning --resource invoices --record
      cnamm-scan results SCAN.cnamm --verdict unknown --rule aws.iam
      cnamm-scan results SCAN.cnamm --format csv > results.csv
    """
    from cnamm_scan import api
    from cnamm_scan.engine.plan import Selection, select
    from cnamm_scan.report.data import ages
    from cnamm_scan.report.tabular import RESULT_COLUMNS, csv_lines
    from cnamm_scan.report.words import age_line

    if each_one and record:
        raise UsageError("--each and --record do not go together", do="take one of them")
    with api.load_bundle(bundle) as done:
        wanted = {rule.id for rule in select(done.content, Selection(rules))}
        chosen = _sorted(done, verdicts, severities, lambda rule: not rules or rule in wanted, resources)
        form = out_format or ("table" if record or each_one or sys.stdout.isatty() else "jsonl")
        if form == "jsonl":
            written(result.row() for result in chosen)
        elif form == "csv":
            doing("")
            for line in csv_lines(RESULT_COLUMNS, (list(result.row().values()) for result in chosen)):
                click.echo(line)
        else:
            count = _shown(console(context), done.content, chosen, each_one=each_one, record=record)
            click.echo(f"{count} result{'' if count == 1 else 's'}", err=True)
            if line := age_line({"ages": ages(done)}):
                click.echo(line, err=True)


def _sorted(
    done: Scan, verdicts: Iterable[str], severities: Collection[str], is_wanted: Callable[[str], bool], resources: Iterable[str]
) -> Iterator[Result]:
    """The results, the severest first and by rule: one turn for each severity that is there, so that memory holds none of them."""
    judged = {
        done.content.rules[tally.rule].severity for tally in done.tallies if tally.rule in done.content.rules and is_wanted(tally.rule)
    }
    for severity in sorted((each for each in judged if not severities or each in severities), key=lambda each: each.rank):
        for block in done.blocks(*map(Verdict, verdicts)):
            if block.severity is severity and is_wanted(block.rule):
                for result in done.expand(block):
                    if not resources or any(text in result.resource for text in resources):
                        yield result


# ---- for a person ------------------------------------------------------------------------------------------------------------


def place_of(result: Result) -> str:
    """Where a resource is, as a person says it: its region, or its namespace; empty for what exists once."""
    if result.region not in ("", "global"):
        return result.region
    namespace = result.values.get("namespace")
    return namespace if isinstance(namespace, str) else ""


def _shown(out: Console, content: Content, results: Iterator[Result], *, each_one: bool, record: bool) -> int:
    if record:
        return _records(out, content, results)
    if each_one:
        return _each(out, content, results)
    return _grouped(out, content, results)


def _records(out: Console, content: Content, results: Iterator[Result]) -> int:
    from cnamm_scan.cli.tables import show_rows
    from cnamm_scan.report.data import fixes_of

    count = 0
    for count, result in enumerate(results, 1):
        rule = content.rules.get(result.rule)
        said: dict[str, Any] = {"rule": result.rule, "title": rule.title if rule else "", **result.row()}
        values, parameters = said.pop("values"), said.pop("parameters")
        said |= {f"values.{name}": value for name, value in values.items()} | {
            f"parameters.{name}": value for name, value in parameters.items()
        }
        if rule is not None:
            said |= {"why": rule.why, "note": rule.note}
            if result.verdict is Verdict.FAIL:
                said |= {f"fix.{where}": "\n".join(lines) for where, lines in fixes_of(rule.fix, result.known).items()}
        told = {name: value for name, value in said.items() if value not in ("", None) or name.startswith("values.")}
        if count > 1:
            out.print()
        show_rows(out, list(told), [list(told.values())], style=_style, records=True)
    return count


def _each(out: Console, content: Content, results: Iterator[Result]) -> int:
    from cnamm_scan.cli.tables import fits, show_rows, show_stacked

    names = ("verdict", "severity", "rule", "where", "resource", "what was seen")
    rows = [
        (
            result.verdict.value,
            result.severity.value,
            result.rule,
            place_of(result),
            result.resource,
            f"{result.message} (at {result.place.file}:{result.place.line})" if result.place is not None else result.message,
        )
        for result in results
    ]
    if rows and fits(out, names, rows, ("verdict", "severity")) is None:
        show_stacked(out, [dict(zip(names, row, strict=True)) for row in rows])
    elif rows:
        show_rows(out, names, rows, uncut=("verdict", "severity"), style=_style)
    return len(rows)


@dataclass
class _Group:
    """What one rule said alike about several resources."""

    verdict: Verdict
    severity: Severity
    rule: str
    count: int = 0
    places: set[str] = field(default_factory=set)
    targets: set[str] = field(default_factory=set)
    first: list[Result] = field(default_factory=list)


def _grouped(out: Console, content: Content, results: Iterator[Result]) -> int:
    groups: dict[tuple[str, Verdict], _Group] = {}
    for result in results:
        group = groups.setdefault((result.rule, result.verdict), _Group(result.verdict, result.severity, result.rule))
        group.count += 1
        group.places.add(place_of(result))
        group.targets.add(result.target)
        if len(group.first) < EXAMPLES:
            group.first.append(result)
    several = len({target for group in groups.values() for target in group.targets}) > 1
    for number, group in enumerate(sorted(groups.values(), key=lambda each: (_WORST[each.verdict], each.severity.rank, each.rule))):
        if number:
            out.print()
        _print_group(out, content, group, several=several)
    return sum(group.count for group in groups.values())


def _print_group(out: Console, content: Content, group: _Group, *, several: bool) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from cnamm_scan.text import safe

    rule = content.rules.get(group.rule)
    head = Text.assemble(
        (group.verdict.value.replace("_", " "), "bold"),
        "  ",
        (group.severity.value, _style("severity", group.severity.value)),
        f"  {group.rule}",
    )
    if group.count > 1:
        places = sorted(group.places - {""})
        where = f" in {', '.join(places[:3])}{f' and {len(places) - 3} more' if len(places) > 3 else ''}" if places else ""
        head.append(f"  {group.count} results{where}", style="dim")
    out.print(head)
    if rule is not None:
        out.print(Padding(Text(safe(rule.title), style="dim"), (0, 0, 0, 2)))
    for result in group.first:
        _print_result(out, result, several=several)
    if group.count > len(group.first):
        more = f"and {group.count - len(group.first)} more: --rule {group.rule} --each"
        out.print(Padding(Text(more, style="dim"), (0, 0, 0, 4)))


def _print_result(out: Console, result: Result, *, several: bool) -> None:
    """What was found, and beneath it what the sentence does not name: target, place and id; and where it was written."""
    from rich.padding import Padding
    from rich.text import Text

    from cnamm_scan.text import safe

    told = f"{result.message} {result.resource}"
    target = result.target if several and own_name(result.target) not in told else ""
    named = [target, *(part for part in (place_of(result), result.resource) if part not in result.message)]
    written = f"at: {result.place.file}:{result.place.line}" if result.place is not None else ""
    out.print(Padding(Text(safe(result.message)), (0, 0, 0, 4)))
    for line in ("  ".join(filter(None, named)), written):
        if line:
            out.print(Padding(Text(safe(line), style="dim"), (0, 0, 0, 6)))


def _style(name: str, value: str) -> str:
    from cnamm_scan.report.text import SEVERITY_STYLE

    return SEVERITY_STYLE.get(value, "") if name == "severity" else ""
