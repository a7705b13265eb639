"""`cnamm-scan verify`."""

from __future__ import annotations

from pathlib import Path

import click

from cnamm_scan.cli.asked import Command
from cnamm_scan.cli.common import BUNDLE


@click.command("verify", cls=Command)
@BUNDLE
def command(bundle: Path) -> None:
    """Check that a bundle is whole and unchanged: every file, every line, every count and the Merkle root.

    Every other command that takes a bundle checks the same before it reads it.

    It shows that the bundle is as it was written; who wrote it is for a signature to say.

    \b
    Examples:
      cnamm-scan verify bundles/SCAN.cnamm
    """
    from cnamm_scan.evidence.bundle import open_bundle, verify

    for line in verify(open_bundle(bundle)):
        click.echo(line)
