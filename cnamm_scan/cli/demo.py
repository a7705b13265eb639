"""`cnamm-scan demo`: an embedded, imperfect account, subscription, organization and cluster, scanned by real clients over real sockets."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import click

from cnamm_scan.cli.asked import Command
from cnamm_scan.cli.common import console, show
from cnamm_scan.doing import doing

QUERIES = (
    "SELECT name, versioning FROM aws.s3.bucket",
    "SELECT namespace, pod, image FROM kubernetes.core.container WHERE privileged",
    "SELECT principal_type, roles, is_administrator FROM azure.authorization.principal_rights",
    "SELECT name, zone, ssh_keys, secrets_written FROM gcp.compute.instance",
)
"""What a person may ask the facts first."""
_NOT_OURS = frozenset(
    "AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_DEFAULT_PROFILE HTTP_PROXY HTTPS_PROXY ALL_PROXY GRPC_PROXY".split()
)
"""Variables that would lead elsewhere, in capitals; small ones count too."""
_NOT_OURS_EITHER = ("AZURE_", "GOOGLE_", "CLOUDSDK_")
"""How others of them begin."""


@click.command("demo", cls=Command)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the bundle goes.  [default: a new temporary folder]",
)
@click.pass_context
def command(context: click.Context, output: Path | None) -> None:
    """Scan an embedded estate and show everything: no account, no cluster, no credentials, no network.

    It starts moto's server, a fake tenant of Azure, a fake organization of Google Cloud and a fake Kubernetes API server on free ports of
    127.0.0.1, seeds an account of two regions with some 270 resources, a subscription, three projects and a cluster of some 430 objects,
    denies a few things in each, scans all four with boto3, azure-identity, google-auth and the kubernetes client, and prints the report.
    Nothing of yours is read: no profile, no login, no kubeconfig.

    \b
    Examples:
      cnamm-scan demo
      cnamm-scan demo --output bundles/
    """
    from cnamm_scan.providers.sdk import need

    need("moto", "demo")
    need("azure.identity", "demo")
    need("google.cloud.asset_v1", "demo")
    need("kubernetes", "demo")
    from cnamm_scan import api
    from cnamm_scan.cli.common import tune_process
    from cnamm_scan.cli.progress import Shown
    from cnamm_scan.demo.aws.bed.proxy import FaultProxy
    from cnamm_scan.demo.aws.bed.server import MotoServer
    from cnamm_scan.demo.aws.estate.shop import ANSWERS, demo_faults, demo_rewrite, seed
    from cnamm_scan.demo.azure.bed.server import AzureBed
    from cnamm_scan.demo.azure.shop import shop as tenant
    from cnamm_scan.demo.cluster.shop import CONTEXT, served, shop
    from cnamm_scan.demo.gcp.bed.server import GcpBed
    from cnamm_scan.demo.gcp.shop import ORGANIZATION
    from cnamm_scan.demo.gcp.shop import shop as cloud
    from cnamm_scan.report.markdown import render

    tune_process()
    err = console(context, err=True)
    folder = output or Path(tempfile.mkdtemp(prefix="cnamm-scan-demo-"))
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")
    for name in [name for name in os.environ if name.upper() in _NOT_OURS or name.upper().startswith(_NOT_OURS_EITHER)]:
        del os.environ[name]
    progress = Shown(err)
    with tempfile.TemporaryDirectory(prefix="cnamm-scan-") as private, ThreadPoolExecutor(1) as beside, ExitStack() as stack:
        stack.enter_context(progress)
        # while moto starts, which takes longer
        reading, filling, founding = beside.submit(shop), beside.submit(tenant), beside.submit(lambda: GcpBed(cloud()))
        doing("starting an AWS account, a subscription of Azure, an organization of Google Cloud and a Kubernetes cluster")
        with (
            MotoServer(answers=ANSWERS) as moto,
            AzureBed(filling.result()) as azure,
            founding.result() as gcp,
            served(cluster := reading.result(), Path(private)) as kubeconfig,
        ):
            os.environ.update(azure.environment() | gcp.environment())
            doing("filling them with an imperfect estate")
            seeded = seed(moto.url)
            account = f"an embedded AWS account of {seeded.resources} resources in {' and '.join(seeded.regions)}"
            subscription = f"a subscription of Azure of {azure.tenant.size} resources"
            organization = f"an organization of Google Cloud of {gcp.cloud.size} assets"
            err.print(f"{account}, {subscription}, {organization} and a Kubernetes cluster of {cluster.size} objects are up; scanning them")
            trusted = Path(private, "authorities.pem")
            trusted.write_bytes(azure.ca.read_bytes() + gcp.ca.read_bytes())
            with FaultProxy(moto.url, faults=demo_faults(), rewrite=demo_rewrite) as proxy:
                done = api.scan(
                    ["aws", "azure", f"gcp:{ORGANIZATION}", f"kubernetes:{CONTEXT}"],
                    output=folder,
                    options=api.TargetOptions(
                        endpoint_url=proxy.url,
                        kubeconfig=str(kubeconfig),
                        with_secret_metadata=True,
                        with_kubelet_config=True,
                        **(azure.options() | gcp.options() | gcp.directory_options() | {"ca_bundle": str(trusted)}),
                    ),
                    limits=api.Limits(rate=1000, burst=1000, deadline=10),
                    progress=progress,
                )
    with done:
        show(done, "text", context)
        report = folder / "report.md"
        report.write_text(render(done.report()))
        click.echo(f"open the report: {report}", err=True)
        for number, query in enumerate(QUERIES):
            click.echo(f'{"" if number else "ask the facts:":16} cnamm-scan query {done.path} "{query}"', err=True)
