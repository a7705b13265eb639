"""The demo's subscription: the shop's, partly well kept, partly not. What is in it is data: `estate/`."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from cnamm_scan.demo.azure.bed.contents import Tenant, load

ESTATE = Path(__file__).with_name("estate")
"""The objects; its README says how they are written."""


_CANARY = re.compile(r"CANARY-(?P<name>[a-z-]+)-[0-9a-f]{8}\b")


def planted() -> dict[str, str]:
    """Every secret planted in the objects, by what its place is called; none may show up in what a scan writes or prints."""
    texts = (file.read_text() for file in sorted(ESTATE.glob("*.yaml")))
    return {match["name"]: match[0] for text in texts for match in _CANARY.finditer(text)}


def shop(now: datetime | None = None) -> Tenant:
    """The tenant at a moment; the same for the same one. All dates are relative to it, so they never age."""
    return load(ESTATE, now)
