"""What one rule of a security group or a network ACL says, in numbers: its ports, and a network ACL's first match.

https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html, https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES, Addresses, Openness, judge
from cnamm_scan.providers.ports import ALL_PORTS, LAST, NO_PORTS, PROTOCOLS, Ports, atoms, joined, ports

NUMBERS: Mapping[str, str] = {"6": "tcp", "17": "udp", "132": "sctp", "1": "icmp", "58": "icmpv6"}
"""Protocols by their numbers. https://www.iana.org/assignments/protocol-numbers/"""


def ports_of(protocol: str, first: int, last: int) -> Ports:
    """The ports of a rule. All of them where the protocol is -1; none of a protocol without ports; -1 to -1 of one with ports is all."""
    named = NUMBERS.get(protocol.strip(), protocol.strip().lower())
    if named in ("-1", "all"):
        return ALL_PORTS
    if first < 0 and last < 0:
        first, last = 0, LAST
    return ports(named, first, last)


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule of a network ACL, for one direction. `who` is None where it could not be read, and so is `allows`."""

    number: int
    allows: bool | None
    ports: Ports
    who: Addresses | None


@dataclass(frozen=True, slots=True)
class Through:
    """Whom a network ACL lets through on some ports: certainly, and at most."""

    sure: Addresses
    possible: Addresses

    def within(self, other: Through) -> Through:
        """Who gets through both."""
        return Through(self.sure.within(other.sure), self.possible.within(other.possible))


ANYBODY = Through(NO_ADDRESSES, EVERYWHERE)
"""Nothing was read of it."""


def through(entries: Sequence[Entry]) -> list[tuple[Ports, Through]]:
    """The first rule by number that matches decides; what none matches is refused. Pieces of ports with whom they admit."""
    ordered = sorted(entries, key=lambda entry: entry.number)
    made = []
    known: dict[tuple[int, ...], Through] = {}
    for protocol in PROTOCOLS:
        for first, last in atoms(entry.ports.of(protocol) for entry in ordered):
            at = ports(protocol, first, last)
            met = tuple(n for n, entry in enumerate(ordered) if entry.ports.meets(at))
            if met not in known:
                known[met] = _first_match(ordered[n] for n in met)
            made.append((at, known[met]))
    return made


def _first_match(entries: Iterable[Entry]) -> Through:
    sure, possible = NO_ADDRESSES, NO_ADDRESSES
    certain, maybe = EVERYWHERE, EVERYWHERE  # who arrives at the rule
    for entry in entries:
        least, most = (NO_ADDRESSES, EVERYWHERE) if entry.who is None else (entry.who, entry.who)
        if entry.allows is not False:
            possible = possible.joined(maybe.within(most))
        if entry.allows:
            sure = sure.joined(certain.within(least))
        certain, maybe = certain.without(most), maybe.without(least)
    return Through(sure, possible)


def admitted_at(pieces: Iterable[tuple[Ports, Through]], at: Ports) -> Through:
    """Whom a network ACL admits to one of these ports."""
    sure, possible = NO_ADDRESSES, NO_ADDRESSES
    for held, each in pieces:
        if held.meets(at):
            sure, possible = sure.joined(each.sure), possible.joined(each.possible)
    return Through(sure, possible)


def open_ports(pieces: Iterable[tuple[Ports, Through]], level: Openness) -> tuple[Ports, Ports]:
    """The ports on which that many are let through: certainly, and at most."""
    sure, possible = [], []
    for held, each in pieces:
        if judge(each.sure).rank >= level.rank:
            sure.append(held)
        if judge(each.possible).rank >= level.rank:
            possible.append(held)
    return (joined(sure) if sure else NO_PORTS), (joined(possible) if possible else NO_PORTS)
