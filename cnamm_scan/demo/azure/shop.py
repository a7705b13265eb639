"""The demo's subscription: the shop's, partly well kept, partly not. What is in it is data: `estate/`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cnamm_scan.demo.azure.bed.contents import Tenant, load

ESTATE = Path(__file__).with_name("estate")
"""The objects; its README says how they are written."""


def shop(now: datetime | None = None) -> Tenant:
    """The tenant at a moment; the same for the same one. All dates are relative to it, so they never age."""
    return load(ESTATE, now)
