"""`cnamm-scan query`."""

from __future__ import annotations

from pathlib import Path

import click

from cnamm_scan.cli.asked import Command
from cnamm_scan.cli.common import BUNDLE, Number, as_text, console, written


@click.command("query", cls=Command)
@BUNDLE
@click.argument("sql")
@click.option("--format", "out_format", type=click.Choice(["table", "jsonl", "csv"]), default="table", show_default=True)
@click.option(
    "--timeout",
    type=Number(min=0.1, max=86_400),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop the SQL after so much work.",
)
@click.pass_context
def command(context: click.Context, bundle: Path, sql: str, out_format: str, timeout: float) -> None:
    """Ask the facts of a bundle in SQL: one SELECT over fact tables, in a sandbox without files or network.

    \b
    Examples:
      cnamm-scan query SCAN.cnamm "SELECT name, versioning FROM aws.s3.bucket"
      cnamm-scan query SCAN.cnamm "SELECT region, count(*) FROM aws.ec2.instance GROUP BY ALL" --format csv
    """
    from cnamm_scan import api

    with api.load_bundle(bundle) as done:
        names, rows = done.query_table(as_text(sql, "SQL"), timeout)
        shown = [name for name in names if not name.startswith("_")]
        keep = [number for number, name in enumerate(names) if not name.startswith("_")]
        if out_format == "jsonl":
            written(dict(zip(shown, (row[n] for n in keep), strict=True)) for row in rows)
        elif out_format == "csv":
            from cnamm_scan.report.tabular import csv_lines

            for line in csv_lines(shown, ([row[n] for n in keep] for row in rows)):
                click.echo(line)
        else:
            from rich.table import Table
            from rich.text import Text

            from cnamm_scan.text import safe

            table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
            for name in shown:
                table.add_column(safe(name), overflow="fold")
            count = 0
            for row in rows:
                table.add_row(*(Text("NULL", style="dim") if row[n] is None else Text(safe(str(row[n]))) for n in keep))
                count += 1
            console(context).print(table)
            click.echo(f"{count} row(s)", err=True)
