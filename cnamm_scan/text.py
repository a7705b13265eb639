"""Templates of rules: column names in braces, filled with what was seen, safe to print."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


@cache
def placeholders(template: str) -> tuple[str, ...]:
    """The column names in braces of a message or fix; braces around anything else are text."""
    return tuple(_PLACEHOLDER.findall(template))


_MOVES = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON may hold as it is and others act upon: terminals on C1 controls and marks that turn the direction of text, readers of lines and
JavaScript on U+2028 and U+2029, which end a line there."""


def safe_json(text: str) -> str:
    """The same JSON, safe to print: such characters, which stand in strings alone, are escaped."""
    return _MOVES.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


_COUNTED = re.compile(
    r"(\{([a-z_][a-z0-9_]*)\} "
    r"(?:(?!(?:of|to|in|or|and|that|with|through|ha[sd]|have|is|are|was|does|do|could|can|may)\b)[a-z]+(?:(?<!s)|(?<=ss)) )?)"
    r"(?!(?:has|is|was|does)\b)([a-z]+[a-rt-z]s)\b"
)
"""A column, and behind it what may be the plural of what it counts, with a word between at most."""


def singular(noun: str) -> str:
    """One of what a plural means: `policies`, `addresses`, `pods`."""
    for many, one in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("xes", "x"), ("s", "")):
        if noun.endswith(many):
            return noun.removesuffix(many) + one
    return noun


@cache
def _counting(template: str) -> frozenset[str]:
    return frozenset(match[2] for match in _COUNTED.finditer(template))


def fill(template: str, values: Mapping[str, Any]) -> str:
    """A message or fix with its columns filled in; NULL reads "unknown", and one of a thing is told as one: `1 day`."""
    if any(_is_one(values.get(name)) for name in _counting(template)):
        template = _COUNTED.sub(lambda match: match[1] + singular(match[3]) if _is_one(values.get(match[2])) else match[0], template)
    return safe(_PLACEHOLDER.sub(lambda match: _shown(values.get(match.group(1))), template))


def _is_one(value: Any) -> bool:
    return type(value) is int and value == 1


def unsaid(template: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of a message of which there is nothing to say: unread, or empty."""
    return tuple(name for name in placeholders(template) if values.get(name) in (None, "", [], ()))


_TOLD = 5
"""Elements of a list that a sentence names; how many more there are, it counts."""
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)[T ]\d\d:\d\d:\d\d\S*")


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        more = f" and {len(value) - _TOLD} more" if len(value) > _TOLD + 1 else ""
        return ", ".join(map(_shown, value[:_TOLD] if more else value)) + more or "none"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.2f}".rstrip("0") if abs(value) >= 0.01 else f"{value:.1g}"
    if isinstance(value, str) and (day := _DAY.fullmatch(value)):  # a date as a bundle keeps it
        return day.group(1)
    return str(value)


def command(template: str, values: Mapping[str, Any], region_flag: str = "") -> str:
    """A command line with its columns filled in, each as one word or a part of one, however odd the name: it is there to be copied into a
    shell. A column of which nothing is known stands as a name in capitals; a command that does not say its region is told the row's by
    `region_flag`. Raises ValueError for quotes that do not close.
    """
    words = [_PLACEHOLDER.sub(lambda match, word=word: _word(match.group(1), values, word), word) for word in _words(template)]  # type: ignore[misc]
    region = values.get("region")
    if region_flag and region_flag not in words and region not in (None, "", "global"):
        words += [region_flag, str(region)]
    return safe(shlex.join(words))


@cache
def _words(template: str) -> tuple[str, ...]:
    return tuple(shlex.split(template))


def _word(name: str, values: Mapping[str, Any], within: str) -> str:
    value = values.get(name)
    if value in (None, "", [], ()):
        return name.upper()
    said = ",".join(map(str, value)) if isinstance(value, list | tuple) else _shown(value)
    is_json = within[:1] in "{[" and not _PLACEHOLDER.match(within)
    return json.dumps(said)[1:-1] if is_json else said  # a quote in a name must not end a text within JSON


_LOGIN = re.compile(r"(?<=://)[^/?#]*@")


def address(url: str) -> str:
    """The URL without who logs in there: `https://user:password@host` names the host alone."""
    return safe(_LOGIN.sub("", url))


def safe(text: str) -> str:
    """The text without characters that a terminal would obey: names come from whoever made the resource."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)
