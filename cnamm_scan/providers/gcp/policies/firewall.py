"""Firewalls of a VPC network: tiers of rules, one after the other, whom they let in to a machine port by port, in three truths.

Hierarchical policies from the organization down, VPC rules, the global network policy, the regional one, and at the end nobody gets in; the
network may have its policies stand before its VPC rules. https://docs.cloud.google.com/firewall/docs/firewall-policies-rule-eval-order
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from cnamm_scan.providers.first_match import Through
from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES, Addresses, addresses
from cnamm_scan.providers.ports import ALL_PORTS, LAST, NO_PORTS, PROTOCOLS, Ports, atoms, joined, ports
from cnamm_scan.providers.truths import Truth, any_of, both

Json = Any
Pieces = Sequence[tuple[Ports, Through]]

ALLOW, DENY, NEXT = "allow", "deny", "goto_next"
_NUMBERS = {"6": "tcp", "17": "udp", "132": "sctp"}
_WITHOUT_PORTS = frozenset({"icmp", "ipip", "esp", "ah", "58", "1", "50", "51", "4", "94"})
_ALL_IPV4 = Addresses(EVERYWHERE.ipv4)
_WIDENING = ("srcAddressGroups", "srcFqdns", "srcRegionCodes", "srcThreatIntelligences")
"""Sources beside ranges whose addresses are not read."""
_INSIDE = frozenset({"NON_INTERNET", "INTRA_VPC", "VPC_NETWORKS"})
_WHERE = ("destIpRanges", "destAddressGroups", "destFqdns", "destRegionCodes", "destThreatIntelligences")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule for what comes in. Whom of the internet it is for: at least, and at most."""

    priority: int
    action: str | None
    """allow, deny or goto_next; None: what happens then is not known."""
    ports: Ports
    least: Addresses
    most: Addresses

    def doubted(self) -> Rule:
        """The same of which it is not known whether it holds."""
        return Rule(self.priority, self.action, self.ports, NO_ADDRESSES, self.most)


Tier = Sequence[Rule] | None
"""Rules of which the first that matches decides; None: not read."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What rules tell machines apart by; of None it was not read."""

    tags: frozenset[str] | None = frozenset()
    accounts: frozenset[str] | None = frozenset()
    network: str = ""
    """projects/P/global/networks/N."""


UNREAD_RULE = Rule(0, None, ALL_PORTS, NO_ADDRESSES, EVERYWHERE)


def pieces_of(tiers: Sequence[Tier]) -> Pieces:
    """Whom the tiers let in, port by port; what none decides is refused."""
    asked = [[] if tier is None else tier for tier in tiers]
    made: list[tuple[Ports, Through]] = []
    known: dict[tuple[int, ...], Through] = {}
    for protocol in PROTOCOLS:
        spans = [rule.ports.of(protocol) for rules in asked for rule in rules]
        for first, last in atoms(spans):
            met = tuple(n for n, held in enumerate(spans) if any(a <= first and last <= b for a, b in held))
            if met not in known:
                known[met] = _through(_of(tiers, set(met)))
            made.append((ports(protocol, first, last), known[met]))
    return gathered(made)


def _of(tiers: Sequence[Tier], met: Set[int]) -> Iterator[Tier]:
    """The tiers with those of their rules alone whose numbers, counted through all of them, are among these."""
    number = 0
    for tier in tiers:
        if tier is None:
            yield None
        else:
            yield [rule for n, rule in enumerate(tier, number) if n in met]
            number += len(tier)


def gathered(pieces: Iterable[tuple[Ports, Through]]) -> Pieces:
    """The same with one piece for all ports on which the same is let in: what it opens is then asked once."""
    found: dict[Through, list[Ports]] = {}
    for at, each in pieces:
        found.setdefault(each, []).append(at)
    return [(joined(held), each) for each, held in found.items()]


def in_doubt(one: Pieces, other: Pieces) -> Pieces:
    """What is let in for certain, and at most, where it is not known which of two it is."""
    pairs = ((a.within(b), Through(x.sure.within(y.sure), x.possible.joined(y.possible))) for a, x in one for b, y in other)
    return gathered((at, each) for at, each in pairs if not at.is_empty)


def _through(tiers: Iterable[Tier]) -> Through:
    """Whom tiers let in where all of their rules are for the same port."""
    sure, possible = NO_ADDRESSES, NO_ADDRESSES
    certain, maybe = EVERYWHERE, EVERYWHERE  # who arrives at the rule
    for tier in tiers:
        onward, perhaps = NO_ADDRESSES, NO_ADDRESSES  # who is handed on to the next tier
        for rule in (UNREAD_RULE,) if tier is None else tier:
            arriving = maybe.within(rule.most)
            if rule.action == ALLOW:
                sure = sure.joined(certain.within(rule.least))
            if rule.action in (ALLOW, None):
                possible = possible.joined(arriving)
            if rule.action == NEXT:
                onward = onward.joined(certain.within(rule.least))
            if rule.action in (NEXT, None):
                perhaps = perhaps.joined(arriving)
            certain, maybe = certain.without(rule.most), maybe.without(rule.least)
        certain, maybe = certain.joined(onward), maybe.joined(perhaps)
    return Through(sure, possible)


# ---- rules as they are written ---------------------------------------------------------------------------------------------


def vpc_rule(said: Mapping[str, Json], machine: Machine) -> Rule | None:
    """A VPC rule, by the columns of its row, as it is for a machine; None for one that certainly is not."""
    if said["is_disabled"] is True or said["direction"] == "EGRESS":
        return None
    if said["priority"] is None or not isinstance(said["allowed"], list) or not isinstance(said["denied"], list):
        return UNREAD_RULE if said["priority"] is None else Rule(int(said["priority"]), None, ALL_PORTS, NO_ADDRESSES, EVERYWHERE)
    holds = _holds(said, machine)
    if holds is False:
        return None
    action = DENY if said["denied"] else ALLOW
    found = _ports_of(said["denied"] or said["allowed"], "IPProtocol")
    least, most = _sources(said)
    is_sure = holds is True and said["is_disabled"] is False and said["direction"] == "INGRESS" and said["destination_ranges"] == []
    rule = Rule(int(said["priority"]), action, ALL_PORTS if found is None else found, least, most)
    return rule if is_sure and found is not None else rule.doubted()


def _holds(said: Mapping[str, Json], machine: Machine) -> Truth:
    """Whether a VPC rule is for a machine: it names tags, or accounts, or neither and is for all."""
    tags, accounts = said["target_tags"], said["target_accounts"]
    if tags or accounts:
        pairs = ((tags, machine.tags), (accounts, machine.accounts))
        return any_of(False if wanted == [] else _meets(wanted, own) for wanted, own in pairs)
    return None if tags is None or accounts is None else True


def _meets(wanted: Sequence[str] | None, own: frozenset[str] | None) -> Truth:
    return None if wanted is None or own is None else not own.isdisjoint(wanted)


def _sources(said: Mapping[str, Json]) -> tuple[Addresses, Addresses]:
    """Of the internet at least, and at most. Tags and accounts stand for machines inside."""
    ranges, tags, accounts = said["source_ranges"], said["source_tags"], said["source_accounts"]
    if ranges is None or (not ranges and (tags is None or accounts is None)):
        return NO_ADDRESSES, EVERYWHERE
    if not ranges:
        found = NO_ADDRESSES if tags or accounts else _ALL_IPV4
        return found, found
    return _ranges(ranges)


def _ranges(texts: Sequence[str]) -> tuple[Addresses, Addresses]:
    least = most = NO_ADDRESSES
    for text in texts:
        try:
            one = addresses([text])
        except ValueError:
            most = EVERYWHERE
            continue
        least, most = least.joined(one), most.joined(one)
    return least, most


def policy_rule(said: Mapping[str, Json], machine: Machine) -> Rule | None:
    """A rule of a firewall policy as the API writes it, for a machine; None for one that certainly is not for it.

    Raises an error of Python's own for what is no rule.
    """
    if said.get("disabled") is True or said["direction"] != "INGRESS" or said.get("targetType") == "INTERNAL_MANAGED_LB":
        return None
    holds: Truth = True
    if said.get("targetResources"):
        holds = both(holds, any(_path(each) == machine.network for each in said["targetResources"]))
    if said.get("targetServiceAccounts"):
        holds = both(holds, _meets(said["targetServiceAccounts"], machine.accounts))
    if said.get("targetSecureTags"):
        holds = both(holds, None)  # which machines are bound to a tag is not read
    if holds is False:
        return None
    match = said.get("match") or {}
    found = _ports_of(match.get("layer4Configs") or [{"ipProtocol": "all"}], "ipProtocol")
    least, most = _matched(match)
    action = str(said.get("action", "")).lower()
    rule = Rule(
        int(said.get("priority", 0)), action if action in (ALLOW, DENY, NEXT) else None, ALL_PORTS if found is None else found, least, most
    )
    is_sure = holds is True and found is not None and not any(match.get(each) for each in _WHERE)
    return rule if is_sure else rule.doubted()


def _path(url: str) -> str:
    _, found, rest = str(url).partition("projects/")
    return f"{found}{rest}"


def _matched(match: Mapping[str, Json]) -> tuple[Addresses, Addresses]:
    """Of the internet at least, and at most."""
    context = str(match.get("srcNetworkContext") or match.get("srcNetworkType") or "")
    if context in _INSIDE:
        return NO_ADDRESSES, NO_ADDRESSES
    ranges = match.get("srcIpRanges") or ()
    if any(match.get(each) for each in _WIDENING):
        return _ranges(ranges)[0], EVERYWHERE
    if not ranges:
        found = NO_ADDRESSES if match.get("srcSecureTags") else EVERYWHERE
        return found, found
    return _ranges(ranges)


def _ports_of(said: Sequence[Mapping[str, Json]], key: str) -> Ports | None:
    """The ports of protocols; None where one is not understood, or not as the API writes it."""
    made: list[Ports] = []
    if not isinstance(said, list) or not all(isinstance(each, Mapping) and isinstance(each.get("ports", []), list) for each in said):
        return None
    for each in said:
        named = str(each.get(key, "")).lower()
        named = _NUMBERS.get(named, named)
        if named == "all":
            return ALL_PORTS
        if named not in PROTOCOLS:
            if named not in _WITHOUT_PORTS and not named.isdigit():
                return None
            continue
        for text in each.get("ports") or (f"0-{LAST}",):
            first, dash, last = str(text).partition("-")
            last = last if dash else first
            if not (first.isdigit() and last.isdigit()):
                return None
            made.append(ports(named, int(first), int(last)))
    return joined(made) if made else NO_PORTS


def ordered(rules: Iterable[Rule | None]) -> Sequence[Rule]:
    """Rules as they are asked: the lower number first, and who keeps out before who lets in."""
    return sorted((each for each in rules if each is not None), key=lambda each: (each.priority, each.action == ALLOW))
