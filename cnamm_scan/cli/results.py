"""`cnamm-scan results`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnamm_scan.cli.common import BUNDLE, console, written
from cnamm_scan.errors import UsageError, did_you_mean
from cnamm_scan.model import Verdict

if TYPE_CHECKING:
    from cnamm_scan.model import Result


@click.command("results")
@BUNDLE
@click.option(
    "--verdict", "verdicts", multiple=True, type=click.Choice([v.value for v in Verdict]), help="Only this verdict. May be repeated."
)
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Only this rule, or all whose id begins so. May be repeated.")
@click.option("--format", "out_format", type=click.Choice(["jsonl", "csv", "table"]), default="jsonl", show_default=True)
@click.pass_context
def command(context: click.Context, bundle: Path, verdicts: tuple[str, ...], rules: tuple[str, ...], out_format: str) -> None:
    """List what each rule said about each resource, one line a result.

    \b
    Examples:
      cnamm-scan results SCAN.cnamm --verdict fail --format table
      cnamm-scan results SCAN.cnamm --verdict unknown --rule aws.iam
      cnamm-scan results SCAN.cnamm --format csv > results.csv
    """
    from cnamm_scan import api
    from cnamm_scan.report.tabular import RESULT_COLUMNS, csv_lines

    with api.load_bundle(bundle) as done:
        for name in rules:
            if not any(_is_of(rule, name) for rule in done.content.rules):
                raise UsageError(f"no rule '{name}'", where="--rule", do=did_you_mean(name, done.content.rules))

        def chosen() -> Iterator[Result]:
            for result in done.results(*verdicts):
                if not rules or any(_is_of(result.rule, name) for name in rules):
                    yield result

        if out_format == "jsonl":
            written(result.row() for result in chosen())
        elif out_format == "csv":
            rows = (list(result.row().values()) for result in chosen())
            for line in csv_lines(RESULT_COLUMNS, rows):
                click.echo(line)
        else:
            _table(context, chosen())


def _is_of(rule: str, name: str) -> bool:
    return rule == name or rule.startswith(name.rstrip(".*") + ".")


def _table(context: click.Context, results: Iterator[Result]) -> None:
    from rich.table import Table
    from rich.text import Text

    from cnamm_scan.report.text import SEVERITY_STYLE
    from cnamm_scan.text import safe

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("verdict", no_wrap=True)
    table.add_column("severity", no_wrap=True)
    for name in ("rule", "region", "resource", "what was seen"):
        table.add_column(name, overflow="fold")
    for result in results:
        seen = Text(safe(result.message))
        if result.place is not None:
            seen.append(f"\nat: {safe(result.place.file)}:{result.place.line}", style="dim")
        table.add_row(
            result.verdict.value,
            Text(result.severity.value, style=SEVERITY_STYLE[result.severity.value]),
            result.rule,
            Text(safe(result.region)),
            Text(safe(result.resource)),
            seen,
        )
    console(context).print(table)
