"""Texts with `*` (any run of signs) and `?` (one sign): how policies of every wing name many things at once."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=65536)
def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression that never takes back what a star took: a piece is as well found where it first comes."""
    first, *rest = (".".join(map(re.escape, piece.split("?"))) for piece in pattern.split("*"))
    taken = [f"(?>.*?{piece})" for piece in rest[:-1] if piece]
    return re.compile("".join((first, *taken, *(f".*{last}" for last in rest[-1:]))), re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern, in time that grows with their product; upper and lower case differ."""
    if pattern == "*":
        return True
    if "?" in pattern:
        return _compiled(pattern).fullmatch(text) is not None
    return _fits(pattern, text) if "*" in pattern else pattern == text


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
