"""Databases and control planes with a public address: from how much of the internet their authorized networks admit, taken together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.interface import SeenTables
from cnamm_scan.providers.openness import NO_ADDRESSES, Openness, addresses, judge

OWN = ("id", "name")
"""Columns that a door carries over from what it belongs to."""


def doors(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each thing of the view's table, whose columns `has_public_ip` and `networks` say whom it admits.

    Without an authorized network a public address answers nobody but connectors, which bring a token of IAM.
    https://docs.cloud.google.com/sql/docs/mysql/authorize-networks
    """
    (owner,) = seen.over
    for row in seen.rows(owner):
        made = {name: row.values[name] for name in OWN} | {"openness": _openness(row.values["has_public_ip"], row.values["networks"])}
        yield MadeRow(row.target, row.region, row.key, made, (row.fact,))


def _openness(has_public_ip: bool | None, networks: Sequence[str] | None) -> str | None:
    if has_public_ip is False:
        return Openness.NONE.value
    held, whole = NO_ADDRESSES, networks is not None
    for text in networks or ():
        try:
            held = held.joined(addresses([text]))
        except ValueError:  # no network, as far as we can read it
            whole = False
    found = judge(held)
    return found.value if has_public_ip is True and (whole or found is Openness.WORLD) else None
