"""What the world reaches of each interface with a public address, or behind a public load balancer, through all that guards it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.azure.made.balancers import Sent, sent_to
from cnamm_scan.providers.azure.policies.groups import ALL, NOBODY, UNREAD, Pieces, Rule, both, pieces_of, rule_of
from cnamm_scan.providers.first_match import Through, opened_by
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES
from cnamm_scan.providers.ports import ALL_PORTS, Ports

Row = dict[str, Any]

GROUP = "azure.network.security_group"
SUBNET = "azure.virtualnetwork.subnet"
INTERFACE = "azure.network.interface"
ADDRESS = "azure.virtualnetwork.public_ip"
BALANCER = "azure.network.load_balancer"
_MAYBE_ALL: Pieces = ((ALL_PORTS, Through(NO_ADDRESSES, EVERYWHERE)),)


def interface_exposure(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each interface that is reached from the internet, or may be: what the world reaches of it through the groups of both."""
    groups = {(row.target, row.key): _pieces(row) for row in seen.rows(GROUP)}
    subnets = {(row.target, str(row.values.get("id"))): row.values.get("nsg_id") for row in seen.rows(SUBNET)}
    kinds = {(row.target, row.key): row.values.get("sku") for row in seen.rows(ADDRESS)}
    balancers = {(row.target, row.key): row for row in seen.rows(BALANCER)}
    for row in seen.rows(INTERFACE):
        public = row.values.get("public_ips")
        sent = [] if public else sent_to(row, balancers)
        if public is not None and not public and not sent:
            continue
        guards = _guards(row, subnets)
        kind = _kind(row, public, kinds)
        pieces: Pieces = ALL
        for guard in guards:
            pieces = both(pieces, _MAYBE_ALL if guard is None else groups.get((row.target, guard), UNREAD))
        ways: list[Pieces] = []
        if public is None or public:
            ways.append(pieces if guards else UNREAD if kind is None else ALL if kind == "basic" else NOBODY)
        if sent:
            ways.append(both(pieces, _arriving(sent, is_guarded=bool(guards))))
        found = _agreed([_opened(way) for way in ways])
        if not public and (public is None or not any(each.is_sure for each in sent)):  # it may be reached by nobody
            public = None
            found = {name: None if value is True else [] if isinstance(value, list) else value for name, value in found.items()}
        carried = {name: row.values.get(name) for name in ("name", "group", "machine")}
        made = {**found, **carried, "public_ips": public, "is_guarded": None if None in guards else bool(guards)}
        yield MadeRow(row.target, row.region, row.key, made, (row.fact,))


def _agreed(ways: Sequence[Row]) -> Row:
    """What is so in whichever way an interface is reached, where that is not known."""
    first, *others = ways
    return {name: value if all(other[name] == value for other in others) else None for name, value in first.items()}


def _arriving(sent: Sequence[Sent], *, is_guarded: bool) -> Pieces:
    """What load balancers send on. Where no group stands before an interface, one of the Basic SKU alone does."""
    made: list[tuple[Ports, Through]] = []
    for each in sent:
        if is_guarded or each.is_basic is not False:
            is_sure = each.is_sure and (is_guarded or each.is_basic is True)
            made.append((each.ports, Through(EVERYWHERE if is_sure else NO_ADDRESSES, EVERYWHERE)))
    return made


def _guards(row: SeenRow, subnets: dict[tuple[str, str], str | None]) -> list[str | None]:
    """The groups that stand before an interface; None for one of which it was not read whether it is there."""
    own, behind = row.values.get("nsg_id"), row.values.get("subnets")
    found: list[str | None] = [] if own == "" else [own]
    if behind is None:
        return [*found, None]
    for subnet in behind:
        group = subnets.get((row.target, subnet))
        found += [] if group == "" else [group]
    return found


def _kind(row: SeenRow, public: Sequence[str] | None, kinds: dict[tuple[str, str], str | None]) -> str | None:
    """Of which kind its addresses are: basic where one is, since that is open by itself; None: not read."""
    found = [kinds.get((row.target, each)) for each in public or ()]
    if any(each is not None and each.lower() == "basic" for each in found):
        return "basic"
    return None if None in found or not found else "standard"


def _rules(row: SeenRow) -> list[Rule] | None:
    said = row.values.get("rules")
    if not isinstance(said, list):
        return None
    try:
        return [rule for each in said if (rule := rule_of(each)) is not None]
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _pieces(row: SeenRow) -> Pieces:
    rules = _rules(row)
    return UNREAD if rules is None else pieces_of(rules)


def _opened(pieces: Iterable[tuple[Ports, Through]]) -> Row:
    """The columns of what these pieces open."""
    made, administers = opened_by(pieces)
    return {**made, "opens_ssh_or_rdp": administers}
