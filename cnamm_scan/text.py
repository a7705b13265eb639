"""Templates of rules: column names in braces, filled with what was seen, safe to print."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


@cache
def placeholders(template: str) -> tuple[str, ...]:
    """The column names in braces of a message or fix; braces around anything else are text."""
    return tuple(_PLACEHOLDER.findall(template))


DETECTORS = re.compile(
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]*+\.eyJ[A-Za-z0-9_-]{8,}+\.)(?:|[A-Za-z0-9_-]*?-)eyJ[A-Za-z0-9_-]{8,}+"
    r"\.[A-Za-z0-9_-]++\.[A-Za-z0-9_-]*+"
    r"|(?<=://)[^/\s:@]*:[^/\s]+(?=@)|\A[^/\s:@]+:[^/\s@]+(?=@[A-Za-z0-9.-]+(?::[0-9]+)?/)"
    r"|(?i:AccountKey|SharedAccessKey|aws_secret_access_key|secret_?key|password|passwd|api_?key|client_secret)[\"']?\s*[=:]\s*[\"']?[^\s;,&\"']{6,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bsk_live_[A-Za-z0-9]{16,}"
)
"""What a secret looks like wherever it stands: keys, PEM, JWT, user:pass@, AccountKey=, well-known tokens.

Linear, since whoever names a resource writes these texts: no alternative may try a long run again from each place in it. So a JWT begins
where a run of its letters does, and that run is looked at further only when what must follow it is there.
"""

_SHORTEST = 12
"""What is shorter is no secret that a shape could tell."""
_MARKS = ("AKIA", "ASIA", "ABIA", "ACCA", "PRIVATE KEY", "eyJ", "://", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "xox", "sk_live_")
_NAMES = ("key", "passw", "secret")
"""One of `_MARKS` stands in every secret that DETECTORS finds, or one of these before a `:` or `=`: words that plain search finds fast."""


def may_be_secret(value: str) -> bool:
    """A quick look: false only where `looks_secret` is false too."""
    if len(value) < _SHORTEST:
        return False
    if ("=" in value or ":" in value) and ("@" in value or any(name in value.lower() for name in _NAMES)):
        return True
    for mark in _MARKS:  # noqa: SIM110 (half the time of any())
        if mark in value:
            return True
    return False


@lru_cache(maxsize=16384)
def looks_secret(value: str) -> bool:
    """Whether a value holds something shaped like a key, a password or a token."""
    return may_be_secret(value) and DETECTORS.search(value) is not None


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
