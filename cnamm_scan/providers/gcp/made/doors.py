"""Databases and control planes with a public address: from how much of the internet their authorized networks admit, taken together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.interface import SeenTables
from cnamm_scan.providers.openness import NO_ADDRESSES, Openness, addresses, judge

OF_DATABASE = ("id", "name")
OF_CLUSTER = ("id", "project", "name", "place")
"""Columns that a row carries over from what it belongs to."""


def databases(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each database of the view's table, whose columns `has_public_ip` and `networks` say whom it admits.

    Without an authorized network a public address answers nobody but connectors, which bring a token of IAM.
    https://docs.cloud.google.com/sql/docs/mysql/authorize-networks
    """
    return _doors(seen, OF_DATABASE, "has_public_ip", ("networks",))


def control_planes(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each cluster; `networks` and `networks_before` are where newer and older clusters write their authorized networks.

    Where `is_filtered` is false it answers everybody.
    """
    return _doors(seen, OF_CLUSTER, "is_public", ("networks", "networks_before"))


def _doors(seen: SeenTables, carried: Sequence[str], public: str, lists: Sequence[str]) -> Iterable[MadeRow]:
    (owner,) = seen.over
    for row in seen.rows(owner):
        found = _openness(row.values[public], row.values.get("is_filtered", True), [row.values[name] for name in lists])
        values: dict[str, Any] = {name: row.values[name] for name in carried}
        yield MadeRow(row.target, row.region, row.key, {**values, "openness": found.value if found is not None else None}, (row.fact,))


def _openness(is_public: bool | None, is_filtered: bool | None, lists: Sequence[Sequence[str] | None]) -> Openness | None:
    """How open it is; None where what was not seen decides."""
    if is_public is False:
        return Openness.NONE
    if is_public is None or is_filtered is None:
        return None
    if not is_filtered:
        return Openness.WORLD
    held, whole = NO_ADDRESSES, None not in lists
    for text in (text for each in lists for text in each or ()):
        try:
            held = held.joined(addresses([text]))
        except ValueError:  # no network, as far as we can read it
            whole = False
    found = judge(held)
    return found if whole or found is Openness.WORLD else None
