"""`cnamm-scan evaluate`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from cnamm_scan.cli.asked import Command
from cnamm_scan.cli.common import BUNDLE, FORMAT, PARAMETERS, as_age, gates, parsed_parameters, selection, show
from cnamm_scan.cli.gates import Gates, check_gates


@click.command("evaluate", cls=Command)
@BUNDLE
@selection
@PARAMETERS
@click.option(
    "--installed", is_flag=True, help="Judge by the content that is installed now instead of the bundle's own. --content implies it."
)
@click.option("--assume-whole", is_flag=True, help="The bundle's manifests are all there is: what is not in them is known to be absent.")
@click.option(
    "--max-age",
    callback=as_age,
    metavar="AGE",
    help="Facts that were older when the scan began, by their source's own word, are not judged.  [default: as the scan had it]",
)
@gates
@FORMAT
@click.pass_context
def command(
    context: click.Context,
    bundle: Path,
    functions: tuple[str, ...],
    rules: tuple[str, ...],
    packs: tuple[Path, ...],
    parameters: tuple[str, ...],
    installed: bool,
    assume_whole: bool,
    max_age: timedelta | None,
    asked: Gates,
    out_format: str,
) -> None:
    """Judge and score the facts of a bundle again. Offline; no cloud SDK is needed.

    By the bundle's own rules the answer is the same as on the day. By others, what was not collected then is unknown.
    What a killed scan has left (….partial) is sealed as a bundle first.

    \b
    Examples:
      cnamm-scan evaluate bundles/SCAN.cnamm
      cnamm-scan evaluate bundles/SCAN.cnamm --content my-pack/ --format json
      cnamm-scan evaluate bundles/SCAN.cnamm --parameter max_age_days=30 --rule aws.iam
      cnamm-scan evaluate bundles/SCAN.cnamm --max-age 30d
      cnamm-scan evaluate bundles/SCAN.cnamm.partial
    """
    from cnamm_scan import api
    from cnamm_scan.model import FIRST_JUDGING, FIRST_SCORING

    with api.evaluate(
        bundle,
        content=packs if packs or installed else None,
        rules=rules,
        functions=functions,
        parameters=parsed_parameters(parameters),
        assume_whole=assume_whole,
        max_age=max_age,
    ) as done:
        if done.path is not None and done.path != bundle:
            click.echo(f"sealed: {done.path}", err=True)
        before = done.bundle.scan.get("judging", FIRST_JUDGING) if done.bundle is not None else done.scan["judging"]
        if before != done.scan["judging"]:
            click.echo(f"judged by {done.scan['judging']}; the bundle itself by {before}, which knew less", err=True)
        scored = done.bundle.scan.get("method", FIRST_SCORING) if done.bundle is not None else done.method
        if scored != done.method:
            click.echo(f"scored anew by {done.method}; the bundle itself by {scored}: their scores are not compared", err=True)
        show(done, out_format, context, functions=functions)
        check_gates(done, asked, functions=functions, rules=rules)
