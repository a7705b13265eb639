"""The front door of evidence: what others use of bundles, whichever room it stands in."""

from __future__ import annotations

from cnamm_scan.evidence.form import tool
from cnamm_scan.evidence.parts import Facts
from cnamm_scan.evidence.reader import Bundle, open_bundle, verify
from cnamm_scan.evidence.writer import BundleWriter

__all__ = ["Bundle", "BundleWriter", "Facts", "open_bundle", "tool", "verify"]
