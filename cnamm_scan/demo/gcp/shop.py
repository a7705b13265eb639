"""The demo's organization: the shop's, partly well kept, partly not. What is in it is data: `estate/`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cnamm_scan.demo.gcp.bed.contents import Cloud, load

ESTATE = Path(__file__).with_name("estate")
"""The assets and answers; its README says how they are written."""
ORGANIZATION = "organizations/4711"


def shop(now: datetime | None = None) -> Cloud:
    """The cloud at a moment; the same for the same one. All dates are relative to it, so they never age."""
    return load(ESTATE, now)
