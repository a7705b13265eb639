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
"""IPv4 alone by the letter, or less; nowhere is it written that Azure does not take it for everybody."""
_EVERY_MACHINE = frozenset({"*", "any", "virtualnetwork"})
_FAMILIES = frozenset({"0.0.0.0/0", "::/0"})
"""As destinations: every machine, by its addresses of one kind."""
_WITHOUT_PORTS = frozenset({"icmp", "icmpv6", "esp", "ah"})
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
    """By the letter. Of tags that name no addresses of the internet: none."""
    who_at_most: Addresses | None
    """The same if Azure takes 0.0.0.0/0 for everybody."""
    where: frozenset[str]
    """Destinations, in small letters; empty: every machine."""
    from_all_ports: bool = True
    admits_azure: bool = False
    """Whether its sources hold the machines of every customer of Azure."""


def rule_of(said: Mapping[str, Json]) -> Rule | None:
    """An inbound rule as Resource Manager writes it; None for one that is outbound. Raises an error of Python's own for what is no rule."""
    about = said["properties"]
    if _one_of(about["direction"], "inbound", "outbound") == "outbound":
        return None
    allows = _one_of(about["access"], "allow", "deny") == "allow"
    sources = [each.strip().lower() for each in _both(about, "sourceAddressPrefix", "sourceAddressPrefixes")]
    if not sources and not about.get("sourceApplicationSecurityGroups"):
        raise ValueError("a rule for nobody")
    letter = _who(sources, _ANYBODY | (_PERHAPS_ANYBODY - _FAMILIES if allows else frozenset()))
    at_most = _who(sources, _ANYBODY | _PERHAPS_ANYBODY)
    named = {str(each["id"]).lower() for each in about.get("destinationApplicationSecurityGroups") or ()}
    where = named or {each.strip().lower() for each in _both(about, "destinationAddressPrefix", "destinationAddressPrefixes")}
    if not where:
        raise ValueError("a rule for no machine")
    if where & _EVERY_MACHINE:
        where = set()
    elif families := where & _FAMILIES:
        where = set()
        if not allows:  # the other kind of address still gets in
            letter = None if letter is None else letter.within(addresses(families))
            if "0.0.0.0/0" not in families:
                at_most = None if at_most is None else at_most.within(addresses(families))
    numbers = _both(about, "sourcePortRange", "sourcePortRanges")
    return Rule(
        int(about["priority"]),
        allows,
        _ports(str(about.get("protocol", "*")), _both(about, "destinationPortRange", "destinationPortRanges")),
        letter,
        at_most,
        frozenset(where),
        not numbers or "*" in numbers or "0-65535" in numbers,
        any(each.partition(".")[0] == STRANGERS for each in sources),
    )


def pieces_of(rules: Sequence[Rule]) -> Pieces:
    """Whom a group lets in to some machine that it guards. A rule for some of them is asked with those that hold for them too."""
    made: list[tuple[Ports, Through]] = []
    for where in sorted({each.where for each in rules if each.allows} | {frozenset()}, key=sorted):
        asked = [each for each in rules if _holds_for(each, where)]
        by_letter = through([_entry(each, each.who) for each in asked])
        at_most = through([_entry(each, each.who_at_most) for each in asked])
        for (at, one), (_, other) in zip(by_letter, at_most, strict=True):
            made.append((at, Through(one.sure.within(other.sure), one.possible.joined(other.possible))))
    return made


def _entry(rule: Rule, who: Addresses | None) -> Entry:
    if rule.ports is None:
        return Entry(rule.priority, rule.allows, ALL_PORTS, None)
    return Entry(rule.priority, rule.allows, rule.ports, who)


def _one_of(said: str, *words: str) -> str:
    if said.lower() not in words:
        raise ValueError(f"got '{said}'")
    return said.lower()


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


def _who(sources: Sequence[str], anybody: frozenset[str]) -> Addresses | None:
    """The addresses of the internet among sources. Tags stand for networks of one's own, or of a service: they are not the world."""
    made = NO_ADDRESSES
    for text in sources:
        if text in anybody:
            return EVERYWHERE
        if is_network(text):
            made = made.joined(addresses([text]))
        elif not text or not (text[0].isalpha() and text.replace(".", "").replace("-", "").isalnum()):
            return None
    return made


def _ports(protocol: str, ranges: Sequence[str]) -> Ports | None:
    named = protocol.lower()
    if named not in (*PROTOCOLS, *_WITHOUT_PORTS, "*"):
        return None
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
