"""To whom services of Azure open themselves: by a firewall of their own, or by ranges of addresses that are let in to a server."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, summarize_address_range
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.admitted import Opening, parts
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES, Addresses, Openness, addresses, is_network, judge
from cnamm_scan.providers.ports import ALL_PORTS

CLOSED = frozenset({"disabled", "securedbyperimeter"})
"""What publicNetworkAccess says of what has no way in from public networks."""
ALL_OF_AZURE = ("0.0.0.0", "0.0.0.0")
MOST_RANGES = 1000
"""More than a server can have."""


def firewalls(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each row of `over`: `public_network` (publicNetworkAccess), `default_action` (Allow or Deny) and `ip_rules` (networks).

    Where a service has no default action, `admits_all` says whether it lets in everybody.
    """
    for row in seen.rows(seen.over[0]):
        least, most = _let_in(row)
        low, high = judge(least), judge(most)
        level = low if low is high else None
        made = {
            "name": row.values.get("name"),
            "group": row.values.get("group"),
            "openness": level.value if level is not None else None,
            "is_open_to_world": True if low is Openness.WORLD else None if high is Openness.WORLD else False,
            "is_wide": None if level is None else level is Openness.WIDE,
        }
        yield MadeRow(row.target, row.region, row.key, made, (row.fact,))


def _let_in(row: SeenRow) -> tuple[Addresses, Addresses]:
    """Who is certainly let in, and who may be."""
    values = row.values
    network = values.get("public_network")
    if isinstance(network, str) and network.lower() in CLOSED:
        return NO_ADDRESSES, NO_ADDRESSES
    if "admits_all" in values:
        everybody = values["admits_all"]
    else:
        action = values.get("default_action")
        everybody = None if action is None else action.lower() == "allow"
    rules = values.get("ip_rules")
    named = addresses(rules) if rules is not None and all(map(is_network, rules)) else None
    least = EVERYWHERE if everybody else NO_ADDRESSES if named is None else named
    most = named if everybody is False and named is not None else EVERYWHERE
    return (least if network is not None else NO_ADDRESSES), most


def address_ranges(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each row of `over`: a range from `start` to `end` of a `server`, judged with the others of that server."""
    table = seen.over[0]
    servers: dict[tuple[str, str | None], list[SeenRow]] = {}
    for row in seen.rows(table):
        servers.setdefault((row.target, row.values.get("server")), []).append(row)
    for (target, server), rows in servers.items():
        homeless = [] if server is None else servers.get((target, None), [])
        hidden = MOST_RANGES if seen.dark(table, target) or server is None else len(homeless)
        openings = [Opening(ALL_PORTS, _range(row)) for row in rows]
        for row, opening, part in zip(rows, openings, parts(openings, unread=hidden), strict=True):
            sure, possible = part.sure[Openness.WORLD], part.possible[Openness.WORLD]
            start, end = row.values.get("start"), row.values.get("end")
            made: dict[str, Any] = {
                "name": row.values.get("name"),
                "server": server,
                "start": start,
                "end": end,
                "openness": None if opening.who is None else judge(opening.who).value,
                "is_worldwide": True if not sure.is_empty and server is not None else None if not possible.is_empty else False,
                "admits_azure": None if None in (start, end) else (start, end) == ALL_OF_AZURE,
            }
            yield MadeRow(row.target, row.region, row.key, made, (row.fact,))


def _range(row: SeenRow) -> Addresses | None:
    """The addresses of a range; none of the one that means all of Azure; None where it was not read, or is none."""
    start, end = row.values.get("start"), row.values.get("end")
    if start is None or end is None:
        return None
    if (start, end) == ALL_OF_AZURE:
        return NO_ADDRESSES
    try:
        return addresses(map(str, summarize_address_range(ip_address(start), ip_address(end))))
    except (TypeError, ValueError):
        return None
