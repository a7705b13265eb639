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

DETECTORS = re.compile(
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|(?<=://)[^/\s:@]*:[^/\s]+(?=@)"
    r"|(?i:AccountKey|SharedAccessKey|aws_secret_access_key|secret_?key|password|passwd|api_?key|client_secret)[\"']?\s*[=:]\s*[\"']?[^\s;,&\"']{6,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bsk_live_[A-Za-z0-9]{16,}"
)
"""What a secret looks like wherever it stands: keys, PEM, JWT, user:pass@, AccountKey=, well-known tokens."""

HINTS = re.compile(r"AKIA|ASIA|ABIA|ACCA|PRIVATE KEY|eyJ|://|[=:]|gh[pousr]_|xox|sk_live_")
"""A quick look for what no secret lacks: most values need no closer one."""


def looks_secret(value: str) -> bool:
    """Whether a value holds something shaped like a key, a password or a token."""
    return len(value) >= 12 and HINTS.search(value) is not None and DETECTORS.search(value) is not None



def fill(template: str, values: Mapping[str, Any]) -> str:
    """A message or fix with its columns filled in; NULL reads "unknown"."""
    return safe(_PLACEHOLDER.sub(lambda match: _shown(values.get(match.group(1))), template))


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return str(value)


def safe(text: str) -> str:
    """The text without characters that a terminal would obey: names come from whoever made the resource."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)
