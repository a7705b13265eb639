"""Secrets planted in the demo's data, so that it can be seen that none gets out: one spelling of them in both estates."""

from __future__ import annotations

import re
from pathlib import Path

_CANARY = re.compile(r"CANARY-(?P<name>[a-z-]+)-[0-9a-f]{8}\b")


def planted(folder: Path) -> dict[str, str]:
    """Every secret planted in the `*.yaml` of a folder, by what its place is called."""
    texts = (file.read_text() for file in sorted(folder.glob("*.yaml")))
    return {match["name"]: match[0] for text in texts for match in _CANARY.finditer(text)}
