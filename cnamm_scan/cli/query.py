"""`cnamm-scan query`."""

from __future__ import annotations

from pathlib import Path

import click

from cnamm_scan.cli.asked import Command, Only, Option, one_of
from cnamm_scan.cli.common import BUNDLE, Number, as_text, console, written


@click.command("query", cls=Command)
@BUNDLE
@click.argument("sql")
@click.option("--format", "out_format", type=click.Choice(["table", "jsonl", "csv"]), default="table", show_default=True)
@click.option(
    "--record",
    cls=Option,
    only=Only(one_of("out_format", "table"), "outside --format table"),
    is_flag=True,
    help="In a table: one row beneath the other, a line for each column. So are rows that a terminal is too narrow for.",
)
@click.option(
    "--timeout",
    type=Number(min=0.1, max=86_400),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop the SQL after so much work.",
)
@click.pass_context
def command(context: click.Context, bundle: Path, sql: str, out_format: str, record: bool, timeout: float) -> None:
    """Ask a bundle in SQL: one SELECT over its fact tables, and its results, scores and coverage; in a sandbox without files or network.

    SHOW TABLES names every table that holds something, with its rows; DESCRIBE TABLE its columns.

    \b
    Examples:
      cnamm-scan query SCAN.cnamm "SHOW TABLES"
      cnamm-scan query SCAN.cnamm "SELECT name, versioning FROM aws.s3.bucket"
      cnamm-scan query SCAN.cnamm "SELECT region, count(*) FROM aws.ec2.instance GROUP BY ALL" --format csv
      cnamm-scan query SCAN.cnamm "SELECT rule, count(*) FROM results WHERE verdict = 'fail' GROUP BY ALL ORDER BY 2 DESC"
      cnamm-scan query SCAN.cnamm "SELECT function, low, high FROM scores WHERE target = '' AND practice IS NULL"
    """
    from cnamm_scan import api

    with api.load_bundle(bundle) as done:
        names, rows = done.query_table(as_text(sql, "SQL"), timeout)
        if out_format == "jsonl":
            written(dict(zip(names, row, strict=True)) for row in rows)
        elif out_format == "csv":
            from cnamm_scan.report.tabular import csv_lines

            for line in csv_lines(names, rows):
                click.echo(line)
        else:
            from cnamm_scan.cli.tables import show_rows

            found = list(rows)
            show_rows(console(context), names, found, records=record)
            click.echo(f"{len(found)} row{'' if len(found) == 1 else 's'}", err=True)
