"""`cnamm-scan scan`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import click

from cnamm_scan.cli import completion
from cnamm_scan.cli.asked import Command, Option, refuse_idle
from cnamm_scan.cli.common import (
    FORMAT,
    NETWORK,
    PARAMETERS,
    Number,
    Reach,
    as_age,
    console,
    gates,
    parsed_parameters,
    reach,
    selection,
    show,
)
from cnamm_scan.cli.gates import Gates, check_gates
from cnamm_scan.cli.streams import say
from cnamm_scan.errors import CredentialsError, InterruptedScanError
from cnamm_scan.model import Coverage, Reason
from cnamm_scan.model.old import DEFAULT_MAX_AGE, written


@click.command("scan", cls=Command)
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=completion.targets)
@reach()
@selection
@PARAMETERS
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="The folder that the bundle goes into, or its own name as one file: NAME.cnamm.zip.  [default: this folder]",
)
@click.option(
    "--concurrency",
    cls=Option,
    only=NETWORK,
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    metavar="N",
    help="Calls under way at once.",
)
@click.option(
    "--owner-tag",
    "owner_tags",
    multiple=True,
    metavar="KEY",
    help="A tag, label or annotation that says who answers for a resource: its value is kept, and findings name it. May be repeated.",
)
@click.option(
    "--api-budget",
    cls=Option,
    only=NETWORK,
    type=Number(min=0.1),
    default=100.0,
    show_default=True,
    metavar="CALLS_PER_SECOND",
    help="Most calls a second for each service in each region.",
)
@click.option(
    "--max-age",
    callback=as_age,
    default=written(DEFAULT_MAX_AGE),
    show_default=True,
    metavar="AGE",
    help="Facts that their own source calls older, such as 8d or 36h, are not judged.",
)
@gates
@FORMAT
@click.pass_context
def command(
    context: click.Context,
    targets: tuple[str, ...],
    reached: Reach,
    functions: tuple[str, ...],
    rules: tuple[str, ...],
    packs: tuple[Path, ...],
    parameters: tuple[str, ...],
    output: Path,
    owner_tags: tuple[str, ...],
    concurrency: int,
    api_budget: float,
    max_age: timedelta,
    asked: Gates,
    out_format: str,
) -> None:
    """Scan targets and say how mature they are.

    {targets} Several targets make one bundle and one score.

    The evidence bundle is written to a folder of its own, or to a zip; the report goes to stdout.

    \b
    Examples:
      cnamm-scan scan aws
      cnamm-scan scan aws:prod --region eu-west-1 --region us-east-1 --output bundles/
      cnamm-scan scan aws --role-arn arn:aws:iam::111122223333:role/audit --external-id 42
      cnamm-scan scan azure:shop-production --output bundles/
      cnamm-scan scan gcp:shop-prod --quota-project shop-tools
      cnamm-scan scan aws kubernetes:prod --owner-tag Owner --owner-tag app.kubernetes.io/part-of
      cnamm-scan scan kubernetes --namespace shop --with-secret-metadata
      helm template ./chart | cnamm-scan scan kubernetes:-
      cnamm-scan scan aws --function identity --min-coverage 80 --fail-under 2.0
      cnamm-scan scan aws --format json > report.json
    """
    from cnamm_scan import api
    from cnamm_scan.cli.common import tune_process
    from cnamm_scan.cli.progress import Shown
    from cnamm_scan.evidence.recover import left_behind
    from cnamm_scan.providers.catalog import refuse_foreign
    from cnamm_scan.stopping import Stopping

    refuse_foreign(targets, reached.options(), reached.regions)
    refuse_idle(context, late=True)
    tune_process()
    for path in left_behind(output.parent if output.suffix == ".zip" else output):
        click.echo(f"unfinished scan {path}: seal what it has collected with  cnamm-scan evaluate {path}", err=True)
    bursts = max(1.0, min(50.0, api_budget))
    with Shown(console(context, err=True)) as progress:
        done = api.scan(
            targets,
            rules=rules,
            functions=functions,
            content=packs,
            parameters=parsed_parameters(parameters),
            regions=reached.regions,
            output=output,
            owner_tags=owner_tags,
            max_age=max_age,
            options=reached.options(concurrency),
            limits=api.Limits(concurrency=concurrency, rate=api_budget, burst=bursts, deadline=max(60.0, reached.call_timeout)),
            progress=progress,
            stopping=Stopping(every=True, told=_told_to_stop),
        )
    with done:
        try:
            show(done, out_format, context, functions=functions)
        except OSError:
            say(f"evidence bundle: {done.path}")  # the report may be lost, what it cost to collect is not
            raise
        if out_format != "text":
            click.echo(f"evidence bundle: {done.path}", err=True)
        stopped = credentials_ended(done.coverage)
        if done.interrupted:
            if stopped:
                click.echo(stopped, err=True)
            raise InterruptedScanError(
                "stopped before its end", where=str(done.path), do="what was collected is in the bundle: cnamm-scan report BUNDLE"
            )
        if stopped:
            raise CredentialsError(stopped, where=str(done.path), do="sign in again and scan once more; what was read is in the bundle")
        check_gates(done, asked, functions=functions, rules=rules)


def _told_to_stop() -> None:
    click.echo("stopping: what was collected is judged and kept; once more ends at once", err=True)


def credentials_ended(coverage: Iterable[Coverage]) -> str:
    """The one message about credentials that ran out during a scan; empty when they did not."""
    lines = [line for line in coverage if Reason.CREDENTIALS.value in line.gaps]
    if not lines:
        return ""
    code = next((line.code for line in lines if line.code not in ("", "NotAsked")), "")
    return f"credentials ended during the scan ({code}): {len(lines)} planned calls became gaps"
