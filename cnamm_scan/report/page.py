"""A page of text as wide as a terminal: lines that never leave it, bars in three inks, and letters that its encoding has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from cnamm_scan.text import safe


class Ink(NamedTuple):
    """What a bar is drawn with: what evidence shows, what could not be seen, what is known to be missing."""

    solid: str
    shaded: str
    missing: str


UNICODE, ASCII = Ink("█", "▒", "·"), Ink("#", "/", ".")
_SPELLED = "█▒·…–±"
"""What a terminal must be able to spell to be written to as we would."""
_PLAIN = str.maketrans({"…": "..", "–": "-", "±": "+-", "\N{MINUS SIGN}": "-", "\N{NO-BREAK SPACE}": " ", "·": "."})
"""What is said instead where it cannot."""


class Page:
    """Makes lines for one console. Whatever comes from a scan is made safe to print."""

    def __init__(self, console: Console) -> None:
        self.width = max(20, console.width)
        self._console = console
        self.is_plain = console.is_dumb_terminal or not _spells(console.encoding)
        self.ink = ASCII if self.is_plain else UNICODE
        self.more = ".." if self.is_plain else "…"

    def said(self, text: str) -> str:
        """The text in letters that the console has."""
        shown = safe(text)
        return shown.translate(_PLAIN) if self.is_plain else shown

    def cut(self, text: str, room: int) -> str:
        """The text within so many cells, with a mark where something is left out."""
        shown = self.said(text)
        if cell_len(shown) <= room:
            return shown
        return set_cell_size(shown, max(0, room - len(self.more))).rstrip() + self.more

    def filled(self, text: str, room: int) -> str:
        """The text cut or filled up to so many cells."""
        return set_cell_size(self.cut(text, room), room)

    def sides(self, left: Text, right: str, style: str = "", indent: int = 0) -> Iterator[Text]:
        """Left and right on one line where both fit, else right on a line of its own."""
        shown = self.said(right)
        gap = self.width - left.cell_len - cell_len(shown)
        if gap >= 2 or not shown:
            yield Text.assemble(left, " " * gap if shown else "", (shown, style))
            return
        yield from (left, Text(" " * indent + self.cut(right, self.width - indent), style))

    def wrapped(self, text: str, indent: int = 0, style: str = "", hang: int = 0) -> Iterator[Text]:
        """Lines of at most the page's width, each after the first `hang` further in."""
        lines = Text(self.said(text), style).wrap(self._console, self.width - indent - hang)
        for number, line in enumerate(lines):
            line.rstrip()
            yield Text.assemble(" " * (indent + (hang if number else 0)), line)

    def bar(self, low: float, high: float, cells: int) -> Text:
        """A score on the scale of 0 to 5: solid to low, rounded down; shaded to high, rounded up; the rest is missing."""
        solid = int(low / 5 * cells + 1e-9)
        shaded = max(solid, -int(-(high / 5 * cells - 1e-9) // 1))
        return Text.assemble(
            (self.ink.solid * solid, "cyan"), (self.ink.shaded * (shaded - solid), "dim"), (self.ink.missing * (cells - shaded), "dim")
        )


def _spells(encoding: str) -> bool:
    try:
        _SPELLED.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
