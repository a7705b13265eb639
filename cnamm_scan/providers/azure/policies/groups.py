"""Network security groups: by priority, the first rule that matches decides; whom they let in, port by port, in three truths.

https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from cnamm_scan.providers.first_match import ANYBODY, Entry, Through, through
from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES, Addresses, addresses, is_network
from cnamm_scan.providers.ports import ALL_PORTS, LAST, NO_PORTS, PROTOCOLS, Ports, joined, ports

Json = Any
Pieces = Sequence[tuple[Ports, Through]]

_ANYBODY = frozenset({"*", "any", "internet"})
_PERHAPS_ANYBODY = frozenset({"0.0.0.0/0", "0.0.0.0", "/0"})
"""IPv4 alone by the letter; nowhere is it written that Azure does not take it for everybody."""
_EVERY_MACHINE = frozenset({"*", "any", "virtualnetwork"})
_FAMILIES = frozenset({"0.0.0.0/0", "::/0"})
"""As destinations: every machine, by its addresses of one kind."""
STRANGERS = "azurecloud"
"""The tag of every customer's machines in Azure, by itself or with a region behind a dot."""
NOBODY: Pieces = ((ALL_PORTS, Through(NO_ADDRESSES, NO_ADDRESSES)),)
"""What a standard public address has where no group says otherwise."""
ALL: Pieces = ((ALL_PORTS, Through(EVERYWHERE, EVERYWHERE)),)
"""What a basic one has, and a network without a group."""
UNREAD: Pieces = ((ALL_PORTS, ANYBODY),)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that lets in or keeps out. `ports` and `who` None: not read."""

    priority: int
    allows: bool
    ports: Ports | None
    who: Addresses | None
    """Of tags that name no addresses of the internet: none."""
    where: frozenset[str]
    """Destinations, in small letters; empty: every machine."""
    from_all_ports: bool = True
    admits_azure: bool = False
    """Whether its sources hold the machines of every customer of Azure."""
    perhaps_all: bool = False
    """Whether one that keeps out may keep out everybody, and not only `who`."""


def rule_of(said: Mapping[str, Json]) -> Rule | None:
    """An inbound rule as Resource Manager writes it; None for one that is outbound. Raises an error of Python's own for what is no rule."""
    about = said["properties"]
    if str(about.get("direction", "")).lower() != "inbound":
        return None
    allows = str(about.get("access", "")).lower() == "allow"
    sources = [each.strip().lower() for each in _both(about, "sourceAddressPrefix", "sourceAddressPrefixes")]
    who = _who(sources, allows)
    perhaps_all = not allows and not _PERHAPS_ANYBODY.isdisjoint(sources)
    where = {each.strip().lower() for each in _both(about, "destinationAddressPrefix", "destinationAddressPrefixes")}
    where |= {str(each["id"]).lower() for each in about.get("destinationApplicationSecurityGroups") or ()}
    if where & _EVERY_MACHINE:
        where = set()
    elif families := where & _FAMILIES:
        where = set()
        if not allows and who is not None and families != _FAMILIES:  # the other kind of address still gets in
            who, perhaps_all = who.within(addresses(families)), perhaps_all or "::/0" not in families
    numbers = _both(about, "sourcePortRange", "sourcePortRanges")
    return Rule(
        int(about["priority"]),
        allows,
        _ports(str(about.get("protocol", "*")), _both(about, "destinationPortRange", "destinationPortRanges")),
        who,
        frozenset(where),
        not numbers or "*" in numbers or "0-65535" in numbers,
        any(each.partition(".")[0] == STRANGERS for each in sources),
        perhaps_all,
    )


def pieces_of(rules: Sequence[Rule]) -> Pieces:
    """Whom a group lets in to some machine that it guards. A rule for some of them is asked with those that hold for them too."""
    made: list[tuple[Ports, Through]] = []
    for where in sorted({each.where for each in rules if each.allows} | {frozenset()}, key=sorted):
        entries = [
            Entry(each.priority, each.allows, ALL_PORTS if each.ports is None else each.ports, who)
            for each in rules
            if _holds_for(each, where)
            for who in ([None] if each.ports is None else [each.who, None] if each.perhaps_all else [each.who])
        ]
        made += through(entries)
    return made


def _holds_for(rule: Rule, where: frozenset[str]) -> bool:
    """Whether a rule is asked for traffic to these destinations. One that keeps out from some ports alone keeps nobody out."""
    if not rule.allows and not rule.from_all_ports:
        return False
    return not rule.where or rule.where == where or (bool(where) and all(any(_holds(each, one) for each in rule.where) for one in where))


def _holds(outer: str, inner: str) -> bool:
    if outer == inner:
        return True
    if not (is_network(outer) and is_network(inner)):
        return False
    one, other = ip_network(outer, strict=False), ip_network(inner, strict=False)
    return one.version == other.version and other.subnet_of(one)  # type: ignore[arg-type]


def both(one: Pieces, other: Pieces) -> Pieces:
    """Who gets through two groups, one behind the other."""
    return [(held, a.within(b)) for ports_a, a in one for ports_b, b in other if not (held := ports_a.within(ports_b)).is_empty]


def _both(about: Mapping[str, Json], one: str, many: str) -> list[str]:
    listed = about.get(many)
    found = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    single = about.get(one)
    return [*found, *([single] if isinstance(single, str) and single else [])]


def _who(sources: Sequence[str], allows: bool) -> Addresses | None:
    """The addresses of the internet among sources. Tags stand for networks of one's own, or of a service: they are not the world."""
    made = NO_ADDRESSES
    for text in sources:
        if text in _ANYBODY or (allows and text in _PERHAPS_ANYBODY):
            return EVERYWHERE
        if is_network(text):
            made = made.joined(addresses([text]))
        elif not text or not (text[0].isalpha() and text.replace(".", "").replace("-", "").isalnum()):
            return None
    return made


def _ports(protocol: str, ranges: Sequence[str]) -> Ports | None:
    named = protocol.lower()
    wanted = PROTOCOLS if named == "*" else (named,) if named in PROTOCOLS else ()
    made: list[Ports] = []
    for each in ranges or ("*",):
        first, dash, last = each.strip().partition("-")
        if each.strip() == "*":
            first, last = "0", str(LAST)
        elif not dash:
            last = first
        if not (first.strip().isdigit() and last.strip().isdigit()):
            return None
        made += [ports(one, int(first), int(last)) for one in wanted]
    return joined(made) if made else NO_PORTS
