"""How much of the public internet a set of networks covers: one definition for everything that is opened to addresses.

*Public space* is IPv4 and IPv6 without what the registries of IANA set aside; the lists are written out since the standard library's own
opinion (`is_global`) changed between versions. https://www.iana.org/assignments/iana-ipv4-special-registry/,
https://www.iana.org/assignments/iana-ipv6-special-registry/, https://www.rfc-editor.org/rfc/rfc6890
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

Spans = tuple[tuple[int, int], ...]
"""Addresses as sorted spans that do not touch, first and last included."""

WORLD_SHARE_IPV4 = 0.10
"""Some 370 million addresses, more than any single holder has: such a set cannot be one's own networks."""
WORLD_SHARE_IPV6 = 0.001
"""Half of one registry's /12; the space in use is five to seven of them."""
WIDE_IPV4, WIDE_IPV6 = 8, 32
"""A block with a shorter prefix than this is one that S3 calls public.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status
"""

SPECIAL_IPV4 = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
)  # fmt: skip
GLOBAL_IPV6 = "2000::/3"
SPECIAL_IPV6 = ("2001::/32", "2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "2002::/16", "3fff::/20")
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10")
"""Addresses that are routed inside networks and never on the internet."""
IPV4_IN_IPV6 = ("::ffff:0:0/96", "64:ff9b::/96")
"""IPv4-mapped and NAT64 addresses: each stands for the IPv4 address in its last 32 bits."""

_ALL_IPV4: Spans = ((0, (1 << 32) - 1),)


class Openness(Enum):
    """What a set of networks amounts to, from narrow to wide."""

    NONE = "none"
    """Empty, or nothing that anybody can have as an address."""
    PRIVATE = "private"
    BOUNDED = "bounded"
    WIDE = "wide"
    """Not the world, yet a block broader than /8 or /32."""
    WORLD = "world"

    @property
    def rank(self) -> int:
        """Its place from narrow to wide."""
        return _ORDER.index(self)


_ORDER = tuple(Openness)


def merge(spans: Iterable[tuple[int, int]]) -> Spans:
    """The same addresses as sorted spans that do not touch."""
    made: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], last))
        else:
            made.append((first, last))
    return tuple(made)


def subtract(spans: Spans, taken: Spans) -> Spans:
    """What is in the first and not in the second."""
    made: list[tuple[int, int]] = []
    for first, last in spans:
        start = first
        for low, high in taken:
            if high < start or low > last:
                continue
            if low > start:
                made.append((start, low - 1))
            start = high + 1
        if start <= last:
            made.append((start, last))
    return tuple(made)


def intersect(spans: Spans, others: Spans) -> Spans:
    """What is in both."""
    return merge((max(a, c), min(b, d)) for a, b in spans for c, d in others if max(a, c) <= min(b, d))


@dataclass(frozen=True, slots=True)
class Addresses:
    """A set of addresses of both families."""

    ipv4: Spans = ()
    ipv6: Spans = ()

    def without(self, other: Addresses) -> Addresses:
        """These addresses minus the other's."""
        return Addresses(subtract(self.ipv4, other.ipv4), subtract(self.ipv6, other.ipv6))

    def joined(self, other: Addresses) -> Addresses:
        """Both together."""
        return Addresses(merge((*self.ipv4, *other.ipv4)), merge((*self.ipv6, *other.ipv6)))

    def within(self, other: Addresses) -> Addresses:
        """Those that the other has too."""
        return Addresses(intersect(self.ipv4, other.ipv4), intersect(self.ipv6, other.ipv6))

    @property
    def is_empty(self) -> bool:
        """Whether it holds no address."""
        return not self.ipv4 and not self.ipv6


@lru_cache(maxsize=8192)
def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _ends(text: str) -> tuple[int, int]:
    network = ip_network(text)
    return int(network.network_address), int(network.broadcast_address)


_EMBEDDED = tuple(map(_ends, IPV4_IN_IPV6))
_PUBLIC_IPV4 = subtract(_ALL_IPV4, merge(map(_ends, SPECIAL_IPV4)))
_PUBLIC_IPV6 = subtract((_ends(GLOBAL_IPV6),), merge(map(_ends, SPECIAL_IPV6)))
NO_ADDRESSES = Addresses()
EVERYWHERE = Addresses(_ALL_IPV4, ((0, (1 << 128) - 1),))
PUBLIC = Addresses(_PUBLIC_IPV4, _PUBLIC_IPV6)
_PRIVATE = Addresses(merge(_ends(each) for each in PRIVATE if ":" not in each), merge(_ends(each) for each in PRIVATE if ":" in each))


def is_network(text: str) -> bool:
    """Whether the text is an address or a network in CIDR notation."""
    return _network(text) is not None


def addresses(cidrs: Iterable[str]) -> Addresses:
    """The addresses of these networks together. Host bits may be set, a bare address is a network of one.

    Raises ValueError for a text that is no network: a set with an unread part has no share.
    """
    four: list[tuple[int, int]] = []
    six: list[tuple[int, int]] = []
    for text in cidrs:
        network = _network(text)
        if network is None:
            raise ValueError(f"'{text}' is no network; expected a CIDR such as 192.0.2.0/24")
        first, last = int(network.network_address), int(network.broadcast_address)
        if isinstance(network, IPv4Network):
            four.append((first, last))
            continue
        six.append((first, last))
        four += [(first - low, last - low) for low, high in _EMBEDDED if low <= first and last <= high]
    return Addresses(merge(four), merge(six))


def _size(spans: Spans) -> int:
    return sum(last - first + 1 for first, last in spans)


def shares(held: Addresses) -> tuple[float, float]:
    """Which parts of public IPv4 and of public IPv6 these are, each from 0 to 1."""
    public = held.within(PUBLIC)
    return _size(public.ipv4) / _size(PUBLIC.ipv4), _size(public.ipv6) / _size(PUBLIC.ipv6)


def _has_wide_block(spans: Spans, public: Spans, size: int) -> bool:
    """Whether an aligned block of more than `size` addresses lies in the set and holds a public one."""
    block = size * 2
    for first, last in spans:
        for low, high in intersect(((first, last),), public):
            start = low // block * block
            if start < first:  # the block that the first public address is in begins outside: the next one may be whole
                start += block
            if start <= high and start + block - 1 <= last:
                return True
    return False


def judge(held: Addresses) -> Openness:
    """What these addresses amount to; both families are judged apart, either suffices."""
    four, six = shares(held)
    if four >= WORLD_SHARE_IPV4 or six >= WORLD_SHARE_IPV6:
        return Openness.WORLD
    if four or six:
        wide = _has_wide_block(held.ipv4, PUBLIC.ipv4, 1 << (32 - WIDE_IPV4)) or _has_wide_block(
            held.ipv6, PUBLIC.ipv6, 1 << (128 - WIDE_IPV6)
        )
        return Openness.WIDE if wide else Openness.BOUNDED
    private = held.within(_PRIVATE)
    return Openness.NONE if private.is_empty else Openness.PRIVATE


def openness(cidrs: Iterable[str], *, minus: Iterable[str] = ()) -> Openness:
    """What a set of networks, `minus` others, amounts to. Raises ValueError for a text that is no network."""
    return judge(addresses(cidrs).without(addresses(minus)))
