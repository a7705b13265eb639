"""Services that are reached over a network: from how much of the internet, all that they admit taken together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.interface import SeenRow, SeenTables, rows_if_read
from cnamm_scan.providers.openness import NO_ADDRESSES, Addresses, Openness, addresses, judge, merge

PERIMETER = "azure.perimeter.association"
"""What a perimeter is drawn around is open to whom its access rules admit, which are not read, and where it is enforced to nobody else.

https://learn.microsoft.com/azure/private-link/network-security-perimeter-transition
"""
_WATCHES = frozenset({"learning", "audit"})
"""Modes of a perimeter that let in by the firewall too, where the public endpoint is on."""
_MOST = (Openness.WORLD.value, True)
"""What no further rule makes more open."""
OWN = ("id", "name", "group", "group_id")
"""Columns that a door carries over from what it belongs to."""
ALL_OF_AZURE = (0, 0)
"""0.0.0.0 to 0.0.0.0, and 0.0.0.0 in a list, is no address but every machine in Azure, other customers' too.

https://learn.microsoft.com/azure/azure-sql/database/firewall-configure#connections-from-inside-azure,
https://learn.microsoft.com/azure/cosmos-db/how-to-configure-firewall#allow-requests-from-global-azure-datacenters-or-other-sources-within-azure
"""


def doors(seen: SeenTables, open_when_empty: bool = False) -> Iterable[MadeRow]:
    """A row for each thing of the view's table, whose columns `is_public`, and `is_filtered` with `addresses`, say whom it admits.

    A second table, where the view reads one, holds ranges: `owner_id`, `first`, `last`. Things that have such a table are filtered by it,
    unless `is_filtered` says otherwise, or they are `open_when_empty` and have no range. Where the view reads perimeters too, one around
    the thing may admit more, though its public endpoint is off, and one that is enforced takes the place of all that.
    """
    (owner,) = seen.over
    other = next((table for table in seen.reads if table not in (owner, PERIMETER)), None)
    ranges: dict[tuple[str, str], list[SeenRow]] = defaultdict(list)
    for row in seen.rows(other) if other else ():
        ranges[row.target, str(row.values["owner_id"])].append(row)
    around: dict[str | None, list[SeenRow]] = defaultdict(list)
    for row in rows_if_read(seen, PERIMETER):
        around[row.values["resource_id"]].append(row)
    for row in seen.rows(owner):
        rules = ranges[row.target, str(row.values["id"])]
        unread = other is not None and seen.dark(other, row.target, row.region)
        carried = {name: row.values[name] for name in OWN}
        filtered = row.values.get("is_filtered", True)
        if open_when_empty and not rules:
            filtered = None if unread else False
        made = _judged(row.values, rules, is_filtered=filtered, unread=unread)
        drawn = around[row.values["id"]]
        dark = PERIMETER in seen.reads and seen.dark(PERIMETER, row.target)
        modes = {str(each.values["mode"]).lower() for each in (*drawn, *around[None])}  # and those of which it was not read around what
        if dark or modes:
            adds = not dark and modes <= _WATCHES and row.values["is_public"] is True
            made = {name: value if adds and value in _MOST else None for name, value in made.items()}
        yield MadeRow(row.target, row.region, row.key, {**carried, **made}, tuple(each.fact for each in (row, *rules, *drawn)))


def _judged(values: Mapping[str, Any], rules: Sequence[SeenRow], *, is_filtered: bool | None, unread: bool) -> Mapping[str, Any]:
    """How open it is, and whether all of Azure gets in; None where what was not seen decides."""
    is_public = values["is_public"]
    if is_public is False:
        return {"openness": Openness.NONE.value, "admits_azure": False}
    spans, held, whole = _listed(values.get("addresses", ()))
    for rule in rules:
        span = _span(rule.values["first"], rule.values["last"])
        if span is None:
            whole = False
        else:
            spans.append(span)
    azure = ALL_OF_AZURE in spans
    held = held.joined(Addresses(merge(span for span in spans if span != ALL_OF_AZURE)))
    whole = whole and not unread
    found: Openness | None = Openness.WORLD if is_filtered is False else judge(held)
    if is_filtered is None or not whole:
        found = found if found is Openness.WORLD else None
    return {
        "openness": found.value if found is not None and is_public is True else None,
        "admits_azure": None if is_public is None or not (azure or whole) else azure,
    }


def _listed(texts: Sequence[str] | None) -> tuple[list[tuple[int, int]], Addresses, bool]:
    """What a list of networks holds, ranges of IPv4 and the rest, and whether all of it was understood. One may be several, with commas."""
    spans: list[tuple[int, int]] = []
    held, whole = NO_ADDRESSES, texts is not None
    for text in (each.strip() for listed in texts or () for each in listed.split(",")):
        try:
            one = addresses([text])
        except ValueError:  # the name of a service, or what a newer API writes
            whole = False
            continue
        spans += one.ipv4
        held = held.joined(Addresses((), one.ipv6))
    return spans, held, whole


def _span(first: str | None, last: str | None) -> tuple[int, int] | None:
    """The ends of a range; None for what was not read or is none."""
    try:
        span = int(IPv4Address(first or "")), int(IPv4Address(last or ""))
    except ValueError:
        return None
    return span if span[0] <= span[1] else None
