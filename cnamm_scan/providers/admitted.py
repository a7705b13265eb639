"""Several openings that act together: which of them let the world in on a port though each alone may look bounded.

Halves of the internet in two rules, ranges of which one goes further than the others, a rule among them that could not be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from cnamm_scan.providers.openness import (
    NO_ADDRESSES,
    PUBLIC,
    WIDE_IPV4,
    WIDE_IPV6,
    WORLD_SHARE_IPV4,
    WORLD_SHARE_IPV6,
    Addresses,
    Openness,
    Spans,
    judge,
    merge,
)
from cnamm_scan.providers.ports import NO_PORTS, PROTOCOLS, Ports, atoms, joined, ports

LEVELS = (Openness.WIDE, Openness.WORLD)
_NEEDS: Mapping[Openness, tuple[float, float]] = {
    Openness.WORLD: (WORLD_SHARE_IPV4 * sum(b - a + 1 for a, b in PUBLIC.ipv4), WORLD_SHARE_IPV6 * sum(b - a + 1 for a, b in PUBLIC.ipv6)),
    Openness.WIDE: (1 << (33 - WIDE_IPV4), 1 << (129 - WIDE_IPV6)),
}
"""How many addresses of each family a set has at least that amounts to this."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Who is let in, and where. `who` is None where that could not be read."""

    ports: Ports
    who: Addresses | None
    is_read: bool = True
    """Whether its ports were read: where not, `ports` are those that it may have, and nobody is certainly let in there."""


@dataclass(frozen=True, slots=True)
class Part:
    """The ports on which an opening is part of letting that many in: certainly, and at most."""

    sure: Mapping[Openness, Ports]
    possible: Mapping[Openness, Ports]


def parts(openings: Sequence[Opening], *, unread: int = 0) -> list[Part]:
    """What each is part of, in their order. `unread`: how many more there may be that nobody saw."""
    sure: list[dict[Openness, list[Ports]]] = [{level: [] for level in LEVELS} for _ in openings]
    possible: list[dict[Openness, list[Ports]]] = [{level: [] for level in LEVELS} for _ in openings]
    judged: dict[tuple[int, ...], tuple[Mapping[Openness, set[int]], Mapping[Openness, set[int]]]] = {}
    for protocol in PROTOCOLS:
        spans = [opening.ports.of(protocol) for opening in openings]
        for first, last in atoms(spans):
            members = tuple(n for n, each in enumerate(spans) if any(a <= first and last <= b for a, b in each))
            if not members:
                continue
            if members not in judged:
                judged[members] = _blamed({n: openings[n].who for n in members}, unread, {n for n in members if not openings[n].is_read})
            held = ports(protocol, first, last)
            for level in LEVELS:
                for n in judged[members][0][level]:
                    sure[n][level].append(held)
                for n in judged[members][1][level]:
                    possible[n][level].append(held)
    return [Part(_joined(a), _joined(b)) for a, b in zip(sure, possible, strict=True)]


def _joined(found: Mapping[Openness, Sequence[Ports]]) -> Mapping[Openness, Ports]:
    return {level: joined(each) if each else NO_PORTS for level, each in found.items()}


def _blamed(
    members: Mapping[int, Addresses | None], unread: int, elsewhere: Set[int]
) -> tuple[Mapping[Openness, set[int]], Mapping[Openness, set[int]]]:
    """Which members, that all admit to one port, are needed for a level: certainly, and whatever the unread ones say.

    Those of `elsewhere` may admit to others: to this one with the rest, or not at all.
    """
    sure: dict[Openness, set[int]] = {level: set() for level in LEVELS}
    possible: dict[Openness, set[int]] = {level: set() for level in LEVELS}
    unknown = [n for n, who in members.items() if who is None]
    hidden = len(unknown) + unread
    for family in (0, 1):
        sizes = {n: _sizes(who, family) for n, who in members.items() if who is not None and _of(who, family)}
        for level in LEVELS:
            order = sorted(sizes, key=lambda n: sizes[n][level], reverse=True)
            there = [n for n in order if n not in elsewhere]
            found = _needed([(n, members[n]) for n in there], family, level)
            if found:
                least = min(sizes[n][level] for n in found)
                sure[level] |= {n for n in there if sizes[n][level] >= least}
            possible[level] |= sure[level] | set(unknown)
            if hidden or elsewhere:
                up_to: dict[int, int] = {}  # all together that are no larger: what is larger would be needed before them
                below = 0
                for n in reversed(order):
                    below += sizes[n][level]
                    up_to[sizes[n][level]] = below
                possible[level] |= {n for n in order if up_to[size := sizes[n][level]] + hidden * size >= _NEEDS[level][family]}
    return sure, possible


def _of(who: Addresses, family: int) -> Spans:
    return who.ipv6 if family else who.ipv4


def _alone(who: Addresses, family: int) -> Addresses:
    return Addresses((), who.ipv6) if family else Addresses(who.ipv4)


def _sizes(who: Addresses, family: int) -> dict[Openness, int]:
    public = _of(who.within(PUBLIC), family)
    return {
        Openness.WORLD: sum(last - first + 1 for first, last in public),
        Openness.WIDE: sum(last - first + 1 for first, last in _of(who, family)) if public else 0,
    }


def _needed(order: Sequence[tuple[int, Addresses | None]], family: int, level: Openness) -> list[int]:
    """The largest ones without which the rest no longer amount to the level; empty where all together do not."""
    whole = merge(span for _, who in order if who is not None for span in _of(who, family))
    if judge(Addresses((), whole) if family else Addresses(whole)).rank < level.rank:
        return []
    tails = [NO_ADDRESSES]
    for _, who in reversed(order):
        assert who is not None
        tails.append(tails[-1].joined(_alone(who, family)))
    tails.reverse()  # tails[k]: all but the k largest
    low, high = 1, len(order)  # the fewest that must go: what is left only shrinks
    while low < high:
        middle = (low + high) // 2
        if judge(tails[middle]).rank < level.rank:
            high = middle
        else:
            low = middle + 1
    return [n for n, _ in order[:low]]
