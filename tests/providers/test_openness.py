from __future__ import annotations

from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers import openness as o
from cnamm_scan.providers.openness import Openness


def _all_but(*left_out: str) -> list[str]:
    parts = [IPv4Network("0.0.0.0/0")]
    for each in map(IPv4Network, left_out):
        parts = [piece for part in parts for piece in (part.address_exclude(each) if each.subnet_of(part) else [part])]
    return list(map(str, parts))


ALL_BUT_PRIVATE = _all_but("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
REGISTRIES = ["2400::/12", "2600::/12", "2800::/12", "2a00::/12", "2c00::/12"]


@pytest.mark.parametrize(
    ("cidrs", "expected"),
    [
        (["0.0.0.0/0"], Openness.WORLD),
        (["::/0"], Openness.WORLD),
        (["2000::/3"], Openness.WORLD),
        (["::/1"], Openness.WORLD),
        (["0.0.0.0/1", "128.0.0.0/1"], Openness.WORLD),
        (["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2"], Openness.WORLD),
        (ALL_BUT_PRIVATE, Openness.WORLD),
        (["128.0.0.0/1", "64.0.0.0/2"], Openness.WORLD),
        (["0.0.0.0/1"], Openness.WORLD),
        (["128.0.0.0/1"], Openness.WORLD),
        (["64.0.0.0/2"], Openness.WORLD),
        (["32.0.0.0/3"], Openness.WORLD),
        (["16.0.0.0/4", "32.0.0.0/4"], Openness.WORLD),
        (["16.0.0.0/4"], Openness.WIDE),
        (["14.0.0.0/7"], Openness.WIDE),
        (["14.0.0.0/8", "15.0.0.0/8"], Openness.WIDE),
        (["15.0.0.0/8", "16.0.0.0/8"], Openness.BOUNDED),
        (["15.0.0.0/8"], Openness.BOUNDED),
        (["93.184.216.0/24"], Openness.BOUNDED),
        (["93.184.216.34"], Openness.BOUNDED),
        (["93.184.216.34/24"], Openness.BOUNDED),
        (["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], Openness.PRIVATE),
        (["10.0.0.5/8"], Openness.PRIVATE),
        (["100.64.0.0/10"], Openness.PRIVATE),
        (["224.0.0.0/3"], Openness.NONE),
        ([], Openness.NONE),
        (["2000::/4"], Openness.WORLD),
        (REGISTRIES, Openness.WORLD),
        (["2600::/12"], Openness.WORLD),
        (["2001::/16"], Openness.WIDE),
        (["2600:1f00::/24"], Openness.WIDE),
        (["2600:1f00::/32"], Openness.BOUNDED),
        (["8000::/1", "93.184.216.0/24"], Openness.BOUNDED),
        (["8000::/1"], Openness.PRIVATE),
        (["fc00::/7"], Openness.PRIVATE),
        (["::ffff:0:0/96"], Openness.WORLD),
        (["64:ff9b::/96"], Openness.WORLD),
    ],
)
def test_a_set_is_judged_by_its_share(cidrs: list[str], expected: Openness) -> None:
    assert o.openness(cidrs) is expected


@pytest.mark.parametrize(
    ("cidrs", "four", "six"),
    [
        (["0.0.0.0/0"], 1.0, 0.0),
        (ALL_BUT_PRIVATE, 1.0, 0.0),
        (["128.0.0.0/1", "64.0.0.0/2"], 0.7190, 0.0),
        (["0.0.0.0/1"], 0.5653, 0.0),
        (["32.0.0.0/3"], 0.1450, 0.0),
        (["14.0.0.0/7"], 0.00906, 0.0),
        (["2000::/4"], 0.0, 0.4999),
        (REGISTRIES, 0.0, 0.00977),
        (["2600::/12"], 0.0, 0.0019534),
    ],
)
def test_shares(cidrs: list[str], four: float, six: float) -> None:
    assert o.shares(o.addresses(cidrs)) == pytest.approx((four, six), rel=1e-3)


def test_the_public_space_of_ipv4_is_counted() -> None:
    assert sum(last - first + 1 for first, last in o.PUBLIC.ipv4) == 3_702_258_432


def test_what_is_taken_away_does_not_count() -> None:
    assert o.openness(["0.0.0.0/0"], minus=["0.0.0.0/1", "128.0.0.0/1"]) is Openness.NONE
    assert o.openness(["0.0.0.0/0"], minus=["0.0.0.0/1"]) is Openness.WORLD
    assert o.openness(["14.0.0.0/7"], minus=["14.1.2.3/32"]) is Openness.BOUNDED


def test_a_text_that_is_no_network_has_no_share() -> None:
    with pytest.raises(ValueError, match=r"'10\.0\.0\.0/33' is no network"):
        o.addresses(["10.0.0.0/33"])
    assert not o.is_network("everywhere")


networks = st.builds(lambda base, length: str(ip_network((base, length), strict=False)), st.integers(0, 2**32 - 1), st.integers(0, 32))
sets = st.lists(networks, max_size=6)


@settings(derandomize=True, deadline=None)
@given(sets, networks)
def test_one_more_network_never_makes_less_of_a_set(held: list[str], more: str) -> None:
    assert o.openness([*held, more]).rank >= o.openness(held).rank
    assert o.openness(held, minus=[more]).rank <= o.openness(held).rank


@settings(derandomize=True, deadline=None)
@given(sets)
def test_halves_are_the_whole(held: list[str]) -> None:
    cut = [str(half) for each in held for half in (ip_network(each).subnets() if ip_network(each).prefixlen < 32 else [ip_network(each)])]
    assert o.addresses(cut) == o.addresses(held)
    assert o.openness(reversed(cut)) is o.openness(held)
