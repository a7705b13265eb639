"""Rules of which the first that matches decides: whom they let through, port by port, and what that opens, by the lists of ports.

Network ACLs and network security groups are both such lists; what differs between them is how a rule is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnamm_scan.model import Column
from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES, Addresses, Openness, judge
from cnamm_scan.providers.ports import LISTS, NO_PORTS, PROTOCOLS, SSH_AND_RDP, Ports, atoms, joined, lists_of, ports
from cnamm_scan.providers.truths import Truth

OPENS: Mapping[str, Column] = {
    f"opens_{name}": Column("boolean", about=f"The world reaches a port of the list {name} by it.") for name in LISTS
}
OPENED: Mapping[str, Column] = {
    **OPENS,
    "is_worldwide": Column("boolean", about="The world gets through it, or through it and others of its group together."),
    "opens_many": Column("boolean", about="The world, on more than 1,024 ports of a protocol."),
    "opens_widely": Column(
        "boolean", about="Not the world, but more than one holder's addresses (broader than /8 or /32) on a port of a list."
    ),
    "open_lists": Column("list", about="Lists of which the world certainly reaches a port."),
    "wide_lists": Column("list", about="Lists of which a wide range certainly reaches a port."),
}


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


def opened_by(pieces: Iterable[tuple[Ports, Through]]) -> tuple[dict[str, Any], Truth]:
    """The columns of what such pieces open by themselves, and whether the world gets in to administer: by SSH or RDP."""
    pieces = list(pieces)
    found = {level: open_ports(pieces, level) for level in (Openness.WIDE, Openness.WORLD)}
    sure, possible = ({level: pair[at] for level, pair in found.items()} for at in (0, 1))
    world, maybe = sure[Openness.WORLD], possible[Openness.WORLD]
    is_worldwide = True if not world.is_empty else None if not maybe.is_empty else False
    administers = True if world.meets(SSH_AND_RDP) else None if maybe.meets(SSH_AND_RDP) else False
    return opened(sure, possible, is_worldwide=is_worldwide), administers


def opened(sure: Mapping[Openness, Ports], possible: Mapping[Openness, Ports], *, is_worldwide: Truth) -> dict[str, Any]:
    """The columns of what opens ports: three-valued, list by list."""
    world, maybe = sure[Openness.WORLD], possible[Openness.WORLD]
    certain, thinkable = lists_of(world), lists_of(maybe)
    wide = lists_of(sure[Openness.WIDE].without(world))
    wide_maybe = lists_of(possible[Openness.WIDE])
    made: dict[str, Any] = {f"opens_{name}": True if name in certain else None if name in thinkable else False for name in LISTS}
    return {
        **made,
        "is_worldwide": is_worldwide,
        "opens_many": True if world.is_wide else None if maybe.is_wide else False,
        "opens_widely": True if wide else None if wide_maybe - certain else False,
        "open_lists": sorted(certain),
        "wide_lists": sorted(wide),
    }
