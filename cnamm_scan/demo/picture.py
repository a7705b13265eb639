"""Draws a bundle's text report as the README's picture: `python -m cnamm_scan.demo.picture BUNDLE docs/demo.svg`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

WIDTH = 112
LINES = 46
"""What fits a page of a browser: the whole summary of eight functions."""


def draw(bundle: Path, picture: Path) -> None:
    """Write the SVG. The bundle's path is shown by its name alone."""
    from rich.console import Console
    from rich.text import Text

    from cnamm_scan import api
    from cnamm_scan.report.text import render

    with api.load_bundle(bundle) as done:
        drawn = Console(file=io.StringIO(), width=WIDTH, force_terminal=True, color_system="truecolor", highlight=False)
        render(done.report(), drawn, path=f"./{bundle.name}")
        lines = drawn.file.getvalue().splitlines()  # type: ignore[attr-defined]
    console = Console(record=True, file=io.StringIO(), width=WIDTH, force_terminal=True, color_system="truecolor", highlight=False)
    console.print("[bold]$ make demo[/bold]")
    for line in [*lines[:LINES], *(["…"] if len(lines) > LINES else [])]:
        console.print(Text.from_ansi(line))
    picture.write_text(console.export_svg(title="cnamm-scan demo"))


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
