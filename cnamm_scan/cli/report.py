"""`cnamm-scan report`."""

from __future__ import annotations

from pathlib import Path

import click

from cnamm_scan.cli.common import BUNDLE, FORMAT, check_gates, gates, show


@click.command("report")
@BUNDLE
@FORMAT
@click.option("--function", "functions", multiple=True, metavar="F", help="Show only this business function. May be repeated.")
@click.option(
    "--findings",
    type=click.IntRange(0),
    metavar="N",
    help="Of how many rules the text shows what fails, the worst first.  [default: none where there is a score, else 8]",
)
@gates
@click.pass_context
def command(
    context: click.Context,
    bundle: Path,
    out_format: str,
    functions: tuple[str, ...],
    findings: int | None,
    fail_under: float | None,
    fail_on: str | None,
    min_coverage: float | None,
) -> None:
    """Render the report of a bundle. Nothing is judged again; see evaluate for that.

    \b
    Examples:
      cnamm-scan report bundles/SCAN.cnamm
      cnamm-scan report bundles/SCAN.cnamm --format json > report.json
      cnamm-scan report bundles/SCAN.cnamm --function identity --findings 20
    """
    from cnamm_scan import api
    from cnamm_scan.errors import UsageError, did_you_mean

    with api.load_bundle(bundle) as done:
        known = {function.id for model in done.models for function in model.functions}
        for name in functions:
            if name not in known:
                raise UsageError(f"no function '{name}'", where="--function", do=did_you_mean(name, known))
        show(done, out_format, context, functions=functions, findings=findings)
        check_gates(done, fail_under=fail_under, fail_on=fail_on, min_coverage=min_coverage)
