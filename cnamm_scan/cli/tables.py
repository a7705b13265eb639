"""Tables for a person: columns that always hold a word, and where a terminal is too narrow for that, one record after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnamm_scan.text import safe

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LEAST = 20
"""Columns that a cell gets at the least, or as many as its longest value has: a table that cannot give so much is shown as records."""
GAP = 2
"""Columns between two cells."""

Style = Callable[[str, str], str]
"""(name of the column, value) -> how it is styled."""


def fits(console: Console, names: Sequence[str], rows: Sequence[Sequence[Any]], uncut: Collection[str] = ()) -> list[int] | None:
    """What each column gets at the least, where a table of them fits; None where it does not."""
    wanted = []
    for number, name in enumerate(names):
        longest = max([len(name), *(len(_shown(row[number])) for row in rows)])
        wanted.append(longest if name in uncut else min(longest, LEAST))
    return wanted if sum(wanted) + GAP * (len(wanted) - 1) <= console.width else None


def show_rows(
    console: Console,
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    uncut: Collection[str] = (),
    style: Style = lambda name, value: "",
    records: bool = False,
) -> None:
    """Print rows as a table, or as records where they were asked for or the table would show slivers."""
    widths = None if records else fits(console, names, rows, uncut)
    if widths is None:
        _records(console, names, rows, style)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for name, width in zip(names, widths, strict=True):
        table.add_column(safe(name), overflow="fold", no_wrap=name in uncut, min_width=width)
    for row in rows:
        table.add_row(*(_text(name, value, style) for name, value in zip(names, row, strict=True)))
    console.print(table)


def show_stacked(console: Console, rows: Sequence[Mapping[str, str]]) -> None:
    """Print each row on two lines: what it is called and what is short, then its words beneath."""
    from rich.padding import Padding
    from rich.text import Text

    for row in rows:
        (first, *short), (last,) = list(row.values())[:-1], list(row.values())[-1:]
        console.print(Text.assemble((safe(first), "bold"), *(f"  {safe(each)}" for each in short if each)), overflow="fold")
        console.print(Padding(Text(safe(last)), (0, 0, 0, 4)))


def _records(console: Console, names: Sequence[str], rows: Sequence[Sequence[Any]], style: Style) -> None:
    from rich.table import Table

    widest = min(max(map(len, names), default=0), console.width // 3)
    for number, row in enumerate(rows):
        if number:
            console.print()
        grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_header=False)
        grid.add_column(style="dim", overflow="fold", width=widest)
        grid.add_column(overflow="fold", ratio=1)
        for name, value in zip(names, row, strict=True):
            grid.add_row(safe(name), _text(name, value, style))
        console.print(grid)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "NULL" if value is None else safe(str(value))


def _text(name: str, value: Any, style: Style) -> Text:
    from rich.text import Text

    return Text("NULL", style="dim") if value is None else Text(_shown(value), style=style(name, str(value)))
