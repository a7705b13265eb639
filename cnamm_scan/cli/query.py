"""`cnamm-scan query`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cnamm_scan.cli.asked import Command, Only, Option, one_of
from cnamm_scan.cli.common import BUNDLE, Number, as_text, console, written
from cnamm_scan.errors import UsageError

LONGEST = 10_000
"""Characters of a value in a table: more than a policy has."""


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
            _refuse_twins(names)
            written({name: _spelt(value) for name, value in zip(names, row, strict=True)} for row in rows)
        elif out_format == "csv":
            from cnamm_scan.report.tabular import csv_lines

            for line in csv_lines(names, rows):
                click.echo(line)
        else:
            from cnamm_scan.cli.tables import show_rows

            found = list(rows)
            short, cut = _short(found)
            show_rows(console(context), names, short, records=record)
            click.echo(f"{len(found)} row{'' if len(found) == 1 else 's'}", err=True)
            if cut:
                several = f"{cut} value is" if cut == 1 else f"{cut} values are"
                click.echo(f"{several} cut after {LONGEST:,} characters: --format jsonl gives them whole", err=True)


def _short(rows: Sequence[Sequence[Any]]) -> tuple[list[list[Any]], int]:
    """Rows as a person may read them, and how many values were cut: to fold megabytes into lines takes longer than to find them."""
    cut = 0
    made: list[list[Any]] = []
    for row in rows:
        made.append([])
        for value in row:
            text = value if isinstance(value, str) else str(value) if isinstance(value, list | tuple | dict | bytes) else ""
            cut += len(text) > LONGEST
            made[-1].append(f"{text[:LONGEST]}…" if len(text) > LONGEST else value)
    return made, cut


def _refuse_twins(names: Sequence[str]) -> None:
    """Raise UsageError for two columns of one name: an object of JSON would keep the last alone."""
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two columns are called '{name}'", where="SQL", do="call one of them otherwise with AS, or take another --format"
            )


def _spelt(value: Any) -> Any:
    """A value as JSON has it: a number that is none or has no end is a text there."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list | tuple):
        return [_spelt(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _spelt(each) for name, each in value.items()}
    return value
