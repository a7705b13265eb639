"""Control planes of GKE: from how much of the internet their IP address is reached, all authorized networks taken together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.interface import SeenTables
from cnamm_scan.providers.openness import NO_ADDRESSES, Openness, addresses, judge

OWN = ("id", "project", "name", "place")
"""Columns that a row carries over from its cluster."""


def control_planes(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each cluster; `networks` and `networks_before` are where newer and older clusters write their authorized networks."""
    (clusters,) = seen.over
    for row in seen.rows(clusters):
        values = {**{name: row.values[name] for name in OWN}, "openness": _openness(row.values)}
        yield MadeRow(row.target, row.region, row.key, values, (row.fact,))


def _openness(values: Mapping[str, Any]) -> str | None:
    """How open it is; None where what was not seen decides."""
    is_public, is_filtered = values["is_public"], values["is_filtered"]
    if is_public is False:
        return Openness.NONE.value
    if is_public is None or is_filtered is None:
        return None
    if not is_filtered:
        return Openness.WORLD.value
    held, whole = NO_ADDRESSES, True
    for name in ("networks", "networks_before"):
        whole = whole and values[name] is not None
        for text in values[name] or ():
            try:
                held = held.joined(addresses([text]))
            except ValueError:  # what a newer API writes
                whole = False
    found = judge(held)
    return found.value if whole or found is Openness.WORLD else None
