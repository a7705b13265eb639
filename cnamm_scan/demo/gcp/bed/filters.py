"""As much of the filters of Google's lists as readers use: equalities, AND, OR, NOT and parentheses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Json = Any
Test = Callable[[Json], bool]

_TOKEN = re.compile(r'\s*(?:(?P<word>\(|\)|AND\b|OR\b|NOT\b)|(?P<path>[A-Za-z_][\w.]*)\s*=\s*"(?P<value>[^"]*)")')


def passing(text: str) -> Test:
    """Whether an item passes a filter; one of another form lets all pass."""
    try:
        return _Reader(text).whole()
    except ValueError:
        return lambda _: True


class _Reader:
    """Reads a filter from the left. Raises ValueError for what it does not speak."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._at = 0

    def whole(self) -> Test:
        """The test that the whole text is."""
        made = self._either()
        if self._at < len(self._text):
            raise ValueError(self._text[self._at :])
        return made

    def _next(self) -> re.Match[str] | None:
        return _TOKEN.match(self._text, self._at)

    def _took(self, word: str) -> bool:
        found = self._next()
        if found is None or found["word"] != word:
            return False
        self._at = found.end()
        return True

    def _either(self) -> Test:
        made = self._both()
        while self._took("OR"):
            made = _or(made, self._both())
        return made

    def _both(self) -> Test:
        made = self._one()
        while self._took("AND"):
            made = _and(made, self._one())
        return made

    def _one(self) -> Test:
        if self._took("NOT"):
            meant = self._one()
            return lambda item: not meant(item)
        if self._took("("):
            made = self._either()
            if not self._took(")"):
                raise ValueError(self._text[self._at :])
            return made
        found = self._next()
        if found is None or not found["path"]:
            raise ValueError(self._text[self._at :])
        self._at = found.end()
        return _equal(found["path"].split("."), found["value"])


def _or(one: Test, other: Test) -> Test:
    return lambda item: one(item) or other(item)


def _and(one: Test, other: Test) -> Test:
    return lambda item: one(item) and other(item)


def _camel(name: str) -> str:
    """A filter says finding_class of what JSON calls findingClass."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _equal(path: list[str], value: str) -> Test:
    def test(item: Json) -> bool:
        found = item.get("finding", item)  # Security Command Center asks of the finding, and lists it beside its resource
        for step in path:
            found = found.get(_camel(step)) if isinstance(found, Mapping) else None
        return bool(found == value)

    return test
