"""`cnamm-scan report`."""

from __future__ import annotations

from pathlib import Path

import click

from cnamm_scan.cli import completion
from cnamm_scan.cli.asked import Command, Only, Option, one_of
from cnamm_scan.cli.common import BUNDLE, FORMAT, gates, show
from cnamm_scan.cli.gates import Gates, check_gates


@click.command("report", cls=Command)
@BUNDLE
@FORMAT
@click.option(
    "--function",
    "functions",
    multiple=True,
    metavar="F",
    shell_complete=completion.functions,
    help="Show and gate on only this business function. May be repeated.",
)
@click.option(
    "--findings",
    cls=Option,
    only=Only(
        one_of("out_format", "text", "markdown"),
        "outside --format text and markdown",
        "leave it out: the other forms hold the findings themselves",
    ),
    type=click.IntRange(0),
    metavar="N",
    help="Of how many rules to show what fails, the worst first.  [default: none where there is a score, else 8]",
)
@gates
@click.pass_context
def command(
    context: click.Context,
    bundle: Path,
    out_format: str,
    functions: tuple[str, ...],
    findings: int | None,
    asked: Gates,
) -> None:
    """Render the report of a bundle. Nothing is judged again; see evaluate for that.

    \b
    Examples:
      cnamm-scan report bundles/SCAN.cnamm
      cnamm-scan report bundles/SCAN.cnamm --format json > report.json
      cnamm-scan report bundles/SCAN.cnamm --function identity --findings 20
    """
    from cnamm_scan import api

    with api.load_bundle(bundle) as done:
        show(done, out_format, context, functions=functions, findings=findings)
        check_gates(done, asked, functions=functions)
