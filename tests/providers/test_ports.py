"""Ports by name: ranges meet lists, and what is meant for strangers stands in none."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.ports import ALL_PORTS, LISTS, NO_PORTS, Ports, atoms, joined, lists_of, ports


@pytest.mark.parametrize(
    ("protocol", "first", "last", "name"),
    [
        ("tcp", 20, 25, "remote_administration"),
        ("tcp", 3300, 3400, "databases"),
        ("tcp", 3300, 3400, "remote_administration"),
        ("udp", 3389, 3389, "remote_administration"),
        ("udp", 11211, 11211, "caches"),
        ("tcp", 23, 23, "remote_administration"),
        ("tcp", 139, 139, "file_sharing"),
        ("tcp", 445, 445, "file_sharing"),
        ("tcp", 389, 389, "directories"),
        ("tcp", 9092, 9092, "message_brokers"),
        ("tcp", 5439, 5439, "databases"),
        ("tcp", 27018, 27018, "databases"),
        ("tcp", 11210, 11210, "databases"),
        ("tcp", 18091, 18091, "databases"),
        ("tcp", 9300, 9300, "search_engines"),
        ("tcp", 5601, 5601, "search_engines"),
        ("tcp", 2375, 2375, "cluster_control"),
        ("udp", 47808, 47808, "industrial"),
    ],
)
def test_a_range_that_holds_a_port_of_a_list_is_told_by_its_name(protocol: str, first: int, last: int, name: str) -> None:
    assert name in lists_of(ports(protocol, first, last))


@pytest.mark.parametrize(("protocol", "port"), [("tcp", 80), ("tcp", 443), ("udp", 443), ("tcp", 8443), ("tcp", 8080), ("tcp", 465)])
def test_what_is_meant_for_strangers_stands_in_no_list(protocol: str, port: int) -> None:
    assert lists_of(ports(protocol, port, port)) == frozenset()


def test_all_ports_touch_every_list_and_none_touches_any() -> None:
    assert lists_of(ALL_PORTS) == frozenset(LISTS)
    assert lists_of(NO_PORTS) == frozenset()
    assert ALL_PORTS.is_wide
    assert ports("tcp", 0, 1024).is_wide
    assert not ports("tcp", 1, 1024).is_wide


def test_a_protocol_without_ports_has_none() -> None:
    assert ports("icmp", 8, 8) == ports("47", -1, 65535) == NO_PORTS


spans = st.tuples(st.integers(0, 65535), st.integers(0, 300)).map(lambda pair: (pair[0], min(65535, sum(pair))))
some = st.builds(lambda each, protocol: ports(protocol, *each), spans, st.sampled_from(("tcp", "udp", "sctp")))


@given(st.lists(some, max_size=6))
def test_ranges_together_touch_what_each_touches(several: list[Ports]) -> None:
    assert lists_of(joined(several)) == frozenset().union(*(lists_of(each) for each in several))


@given(some, some)
def test_what_is_taken_away_is_not_there(one: Ports, other: Ports) -> None:
    assert not one.without(other).meets(other)
    assert one.without(other).joined(one.within(other)) == one


@given(st.lists(some, max_size=6))
def test_within_a_piece_no_span_begins_or_ends(several: list[Ports]) -> None:
    pieces = list(atoms([each.tcp for each in several]))
    assert pieces[0][0] == 0 and pieces[-1][1] == 65535
    assert all(b + 1 == c for (_, b), (c, _) in itertools.pairwise(pieces))
    for first, last in pieces:
        assert all((a <= first and last <= b) or b < first or last < a for each in several for a, b in each.tcp)
