"""Templates of rules: column names in braces, filled with what was seen, safe to print."""

from __future__ import annotations

import re
from collections.abc import Mapping
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


def fill(template: str, values: Mapping[str, Any]) -> str:
    """A message or fix with its columns filled in; NULL reads "unknown"."""
    return safe(_PLACEHOLDER.sub(lambda match: _shown(values.get(match.group(1))), template))


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value)) or "none"
    return str(value)


_LOGIN = re.compile(r"(?<=://)[^/?#]*@")


def address(url: str) -> str:
    """The URL without who logs in there: `https://user:password@host` names the host alone."""
    return safe(_LOGIN.sub("", url))


def safe(text: str) -> str:
    """The text without characters that a terminal would obey: names come from whoever made the resource."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)
