"""What a scan says, in a form that two of them can be compared by. Needs no SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cnamm_scan import api
from cnamm_scan.model import Result


def as_told(results: Iterator[Result]) -> list[tuple[Any, ...]]:
    """All of each result that is no id, in one order."""
    return sorted((r.rule, r.target, r.region, r.resource, r.verdict.value, r.message, r.reason) for r in results)


def all_said(scan: api.Scan) -> dict[str, Any]:
    """Results, scores and tallies, as JSON has them."""
    scores = [(model.id, model.interval, [(f.id, f.interval, f.attained) for f in model.functions]) for model in scan.models]
    said = {"results": as_told(scan.results()), "scores": scores, "tallies": sorted(map(str, scan.tallies))}
    found: dict[str, Any] = json.loads(json.dumps(said, default=str))
    return found
