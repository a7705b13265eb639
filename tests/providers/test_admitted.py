"""Openings that act together: the halves are both part of the world, the office beside them is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.admitted import Opening, parts
from cnamm_scan.providers.openness import Openness, addresses, judge
from cnamm_scan.providers.ports import Ports, ports

SSH = ports("tcp", 22, 22)


def world(*openings: tuple[Ports, list[str] | None], unread: int = 0) -> list[tuple[bool, bool]]:
    """Of each opening: whether it is certainly, and possibly, part of opening a port to the world."""
    made = parts([Opening(where, None if who is None else addresses(who)) for where, who in openings], unread=unread)
    return [(not each.sure[Openness.WORLD].is_empty, not each.possible[Openness.WORLD].is_empty) for each in made]


YES, NO, MAYBE = (True, True), (False, False), (False, True)


def test_halves_are_both_to_blame_and_the_office_beside_them_is_not() -> None:
    assert world((SSH, ["0.0.0.0/1"]), (SSH, ["128.0.0.0/1"]), (SSH, ["192.0.2.0/24"]), (SSH, ["198.18.5.0/24"])) == [YES, YES, NO, NO]
    assert world((SSH, ["0.0.0.0/0"]), (SSH, ["93.184.216.0/24"])) == [YES, NO]


def test_many_small_ones_come_to_the_world_together() -> None:
    eighths = [(SSH, [f"{n}.0.0.0/8"]) for n in range(20, 60)]
    assert world(*eighths, (SSH, ["93.184.216.0/24"])) == [*[YES] * 40, NO]
    assert world(*eighths[:8]) == [NO] * 8


def test_halves_on_different_ports_do_not_add_up_where_they_do_not_meet() -> None:
    sixteenths = [(ports("tcp", 22, 22), ["16.0.0.0/4"]), (ports("tcp", 23, 23), ["32.0.0.0/4"])]
    assert world(*sixteenths) == [NO, NO]
    meeting = parts([Opening(ports("tcp", 20, 25), addresses(["16.0.0.0/4"])), Opening(ports("tcp", 22, 30), addresses(["32.0.0.0/4"]))])
    assert [each.sure[Openness.WORLD] for each in meeting] == [ports("tcp", 22, 25)] * 2


def test_what_was_not_read_may_be_the_world_but_does_not_blame_the_office() -> None:
    assert world((SSH, None), (SSH, ["93.184.216.0/24"]), (SSH, ["16.0.0.0/4"])) == [MAYBE, NO, MAYBE]
    assert world((SSH, ["93.184.216.0/24"]), unread=1000) == [NO]
    assert world((SSH, ["0.0.0.0/0"]), (SSH, None)) == [YES, MAYBE]


def test_one_whose_ports_were_not_read_may_be_here_or_elsewhere() -> None:
    def both(first: str, second: str) -> list[tuple[bool, bool]]:
        found = parts([Opening(SSH, addresses([first])), Opening(SSH, addresses([second]), is_read=False)])
        return [(not each.sure[Openness.WORLD].is_empty, not each.possible[Openness.WORLD].is_empty) for each in found]

    assert both("16.0.0.0/4", "32.0.0.0/4") == [MAYBE, MAYBE]
    assert both("0.0.0.0/0", "32.0.0.0/4") == [YES, NO]
    assert both("93.184.216.0/24", "0.0.0.0/0") == [NO, MAYBE]


def test_families_are_judged_apart() -> None:
    assert world((SSH, ["::/0"]), (SSH, ["93.184.216.0/24"])) == [YES, NO]
    assert world((SSH, ["2000::/4", "93.184.216.0/24"])) == [YES]


cidrs = st.builds(lambda start, bits: f"{start}.0.0.0/{bits}", st.integers(1, 223), st.integers(1, 16))
where = st.tuples(st.integers(1, 6), st.integers(0, 3)).map(lambda pair: ports("tcp", pair[0], sum(pair)))


@given(st.lists(st.tuples(where, st.lists(cidrs, min_size=1, max_size=3)), min_size=1, max_size=7))
def test_a_port_is_open_to_the_world_where_and_only_where_somebody_is_to_blame(given_: list[tuple[Ports, list[str]]]) -> None:
    found = parts([Opening(at, addresses(who)) for at, who in given_])
    for port in range(1, 10):
        here = ports("tcp", port, port)
        everybody = [cidr for at, who in given_ if at.meets(here) for cidr in who]
        for level in (Openness.WIDE, Openness.WORLD):
            opened = judge(addresses(everybody)).rank >= level.rank
            blamed = [n for n, each in enumerate(found) if each.sure[level].meets(here)]
            assert bool(blamed) is opened
            rest = [cidr for n, (at, who) in enumerate(given_) if at.meets(here) and n not in blamed for cidr in who]
            assert judge(addresses(rest)).rank < level.rank


@given(st.lists(st.tuples(where, st.lists(cidrs, min_size=1, max_size=2)), min_size=1, max_size=5), st.lists(cidrs, min_size=1, max_size=3))
def test_what_an_unread_one_turns_out_to_be_was_thought_possible(given_: list[tuple[Ports, list[str]]], turned: list[str]) -> None:
    known = [Opening(at, addresses(who)) for at, who in given_]
    all_of_them = ports("tcp", 1, 9)
    before, after = parts([*known, Opening(all_of_them, None)]), parts([*known, Opening(all_of_them, addresses(turned))])
    for early, late in zip(before, after, strict=True):
        for level in (Openness.WIDE, Openness.WORLD):
            assert late.sure[level].without(early.possible[level]).is_empty


@given(st.lists(st.tuples(where, st.lists(cidrs, min_size=1, max_size=2), st.booleans()), min_size=1, max_size=5), where)
def test_wherever_an_unread_range_of_ports_turns_out_to_be_was_thought_possible(
    given_: list[tuple[Ports, list[str], bool]], turned: Ports
) -> None:
    everywhere = ports("tcp", 1, 9)
    before = parts([Opening(at if is_read else everywhere, addresses(who), is_read) for at, who, is_read in given_])
    after = parts([Opening(at if is_read else turned, addresses(who)) for at, who, is_read in given_])
    for early, late in zip(before, after, strict=True):
        for level in (Openness.WIDE, Openness.WORLD):
            assert late.sure[level].without(early.possible[level]).is_empty
            assert early.sure[level].without(late.sure[level]).is_empty
