"""`cnamm-scan demo`: an embedded, imperfect AWS account, scanned through real clients over real sockets."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from cnamm_scan.cli.common import console, show


@click.command("demo")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the bundle goes.  [default: a new temporary folder]",
)
@click.pass_context
def command(context: click.Context, output: Path | None) -> None:
    """Scan an embedded estate and show everything: no account, no credentials, no network.

    It starts moto's server on a free port of 127.0.0.1, seeds an account of two regions with some 200 resources, denies one service and one
    region, scans it with boto3 over HTTP, and prints the report.

    \b
    Examples:
      cnamm-scan demo
      cnamm-scan demo --output bundles/
    """
    from cnamm_scan.providers.sdk import need

    need("moto", "demo")
    from cnamm_scan import api
    from cnamm_scan.cli.common import tune_process
    from cnamm_scan.cli.progress import Shown
    from cnamm_scan.demo.bed import MotoServer
    from cnamm_scan.demo.estate import demo_faults, demo_rewrite, seed
    from cnamm_scan.demo.proxy import FaultProxy
    from cnamm_scan.report.markdown import render

    tune_process()
    err = console(context, err=True)
    folder = output or Path(tempfile.mkdtemp(prefix="cnamm-scan-demo-"))
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_DEFAULT_PROFILE"):
        os.environ.pop(name, None)
    with MotoServer(fill_holes=True) as moto:
        seeded = seed(moto.url)
        err.print(f"an embedded account of {seeded.resources} resources in {' and '.join(seeded.regions)} is up; scanning it")
        with FaultProxy(moto.url, faults=demo_faults(), rewrite=demo_rewrite) as proxy, Shown(err) as progress:
            done = api.scan(
                ["aws"],
                output=folder,
                options=api.TargetOptions(endpoint_url=proxy.url),
                limits=api.Limits(rate=1000, burst=1000, deadline=10),
                progress=progress,
            )
    with done:
        show(done, "text", context)
        report = folder / "report.md"
        report.write_text(render(done.report()))
        click.echo(f"open the report: {report}", err=True)
        click.echo(f'ask the facts:   cnamm-scan query {done.path} "SELECT name, versioning FROM aws.s3.bucket"', err=True)
