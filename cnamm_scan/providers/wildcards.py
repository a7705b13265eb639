"""Texts with `*` (any run of signs) and `?` (one sign): how policies of every wing name many things at once."""

from __future__ import annotations

import re
from functools import lru_cache

FEW = 3
"""Stars up to which a regular expression is used: with more its time grows with a power of their number."""


@lru_cache(maxsize=65536)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"([*?])", re.sub(r"\*+", "*", pattern))
    return re.compile("".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in parts), re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern, in time that grows with their product; upper and lower case differ."""
    if pattern == "*":
        return True
    if "*" not in pattern and "?" not in pattern:
        return pattern == text
    if "?" not in pattern:
        return _fits(pattern, text)
    if pattern.count("*") <= FEW:
        return _compiled(pattern).fullmatch(text) is not None
    place = mark = 0
    star = -1
    spot = 0
    while spot < len(text):
        if place < len(pattern) and pattern[place] == "*":
            star, mark, place = place, spot, place + 1
        elif place < len(pattern) and pattern[place] in ("?", text[spot]):
            place, spot = place + 1, spot + 1
        elif star >= 0:
            mark += 1
            place, spot = star + 1, mark
        else:
            return False
    return not pattern[place:].strip("*")


def _fits(pattern: str, text: str) -> bool:
    """The same of a pattern that has stars alone: its pieces one after the other, each as early as it comes."""
    first, *middle, last = pattern.split("*")
    end = len(text) - len(last)
    if len(first) > end or not text.startswith(first) or not text.endswith(last):
        return False
    spot = len(first)
    for piece in middle:
        spot = text.find(piece, spot, end)
        if spot < 0:
            return False
        spot += len(piece)
    return True
