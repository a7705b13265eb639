"""Rules of security groups, network ACLs and routes: how far each opens, together with the others that it acts with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.admitted import Opening, Part, parts
from cnamm_scan.providers.aws.made.paths import (
    ROUTE,
    SUBNET,
    Paths,
    PrefixLists,
    address_set,
    destination,
    has_ports,
    is_internet,
    ports_in,
)
from cnamm_scan.providers.aws.networks.rules import NUMBERS
from cnamm_scan.providers.first_match import ANYBODY, Through, open_ports, opened, opened_by
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES, Addresses, Openness, judge
from cnamm_scan.providers.ports import ALL_PORTS, LAST, PROTOCOLS, SSH_AND_RDP, Ports, ports
from cnamm_scan.providers.truths import Truth, any_of, both

RULE = "aws.ec2.security_group_rule"
INTERFACE = "aws.ec2.interface_group"
MOST_RULES = 1000
"""As many as a network interface can have. https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"""
_ALL = Through(EVERYWHERE, EVERYWHERE)
_BY_NAME = {
    "SSH on TCP port 22": ports("tcp", 22, 22),
    "RDP on TCP port 3389": ports("tcp", 3389, 3389),
    "RDP on UDP port 3389": ports("udp", 3389, 3389),
}
"""What network ACLs of public subnets are asked about, in words for a sentence."""
_CARRIED = ("rule_id", "group_id", "is_egress", "protocol", "from_port", "to_port", "cidr_ipv4", "cidr_ipv6", "prefix_list")


@dataclass
class Groups:
    """Security groups by their ids, in one direction."""

    seen: SeenTables
    egress: bool = False
    rules: dict[tuple[str, str, str], list[tuple[SeenRow, Opening]]] = field(default_factory=dict)
    _lists: PrefixLists = field(init=False)

    def __post_init__(self) -> None:
        self._lists = PrefixLists(self.seen)
        for row in self.seen.rows(RULE):
            group, out = row.values["group_id"], row.values["is_egress"]
            if group is not None and out is self.egress:
                opening = Opening(ports_in(row), self.who(row), is_read=has_ports(row))
                self.rules.setdefault((row.target, row.region, group), []).append((row, opening))

    def who(self, row: SeenRow) -> Addresses | None:
        """The other side of a rule. Members of a group are inside the network."""
        values = row.values
        if values["names_group"]:
            return NO_ADDRESSES
        if values["prefix_list"]:
            return self._lists.of(row.target, row.region, values["prefix_list"])
        if None in (values["cidr_ipv4"], values["cidr_ipv6"], values["prefix_list"], values["names_group"]):
            return None
        return address_set(values["cidr_ipv4"], values["cidr_ipv6"])

    def admitted(self, target: str, region: str, groups: Sequence[str] | None, at: Ports) -> Through:
        """Whom several groups together let in on one of these ports."""
        if groups is None:
            return ANYBODY
        held = [opening for group in groups for _, opening in self.rules.get((target, region, group), ()) if opening.ports.meets(at)]
        sure = possible = NO_ADDRESSES
        for each in held:
            possible = possible.joined(ANYBODY.possible if each.who is None else each.who)
            sure = sure.joined(each.who or NO_ADDRESSES) if each.is_read else sure
        return Through(sure, ANYBODY.possible if self.seen.dark(RULE, target, region) else possible)


def group_rules(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each rule of a security group, judged together with the rules of its group that admit to the same ports."""
    for egress in (False, True):
        for (target, region, _), held in sorted(Groups(seen, egress).rules.items()):
            hidden = MOST_RULES - len(held) if seen.dark(RULE, target, region) else 0
            found = parts([opening for _, opening in held], unread=hidden)
            for (row, opening), part in zip(held, found, strict=True):
                yield MadeRow(row.target, row.region, row.key, _rule(row, opening, part), (row.fact,))
    for row in seen.rows(RULE):
        if row.values["group_id"] is None or row.values["is_egress"] is None:
            yield MadeRow(row.target, row.region, row.key, {name: row.values[name] for name in _CARRIED}, (row.fact,))


def _rule(row: SeenRow, opening: Opening, part: Part) -> dict[str, Any]:
    values = row.values
    own = None if opening.who is None else judge(opening.who)
    worldwide: Truth = True if own is Openness.WORLD or not part.sure[Openness.WORLD].is_empty else None
    if worldwide is None and own is not None and part.possible[Openness.WORLD].is_empty:
        worldwide = False
    made = {name: values[name] for name in _CARRIED}
    made["is_named"] = any_of([values["names_group"], None if values["prefix_list"] is None else values["prefix_list"] != ""])
    sides = [values["cidr_ipv4"], values["cidr_ipv6"], values["prefix_list"], values["group"]]
    made["other_side"] = next((each for each in sides if each != ""), None)  # one that was not read may be the one
    made["openness"] = None if own is None else own.value
    made["traffic"] = _traffic(values["protocol"], values["from_port"], values["to_port"])
    told = opened(part.sure, part.possible, is_worldwide=worldwide)
    if not opening.is_read:  # its ports may be any of all
        told = {name: None if value is True or name.endswith("_lists") else value for name, value in told.items()}
    return {**made, **told}


def _traffic(protocol: str | None, first: int | None, last: int | None) -> str | None:
    """The protocol and ports of a rule in words, for a sentence: `TCP port 22`. None where they were not read."""
    if protocol is None or first is None or last is None:
        return None
    named = NUMBERS.get(protocol.strip(), protocol.strip().lower())
    if named in ("-1", "all"):
        return "all traffic"
    if named not in PROTOCOLS:
        return f"protocol {named}" if named.isdigit() else named.upper()
    if first < 0 or (first, last) == (0, LAST):
        return f"all {named.upper()} ports"
    return f"{named.upper()} port {first}" if first == last else f"{named.upper()} ports {first}-{last}"


def public_interfaces(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each security group of each network interface, with the kinds of address by which the internet may come to it."""
    paths = Paths(seen)
    for row in seen.rows(INTERFACE):
        values = row.values
        subnet = values["subnet_id"]
        answered = None if subnet is None else paths.is_answered_by_ipv6(row.target, row.region, subnet)
        made = {name: values[name] for name in ("interface_id", "group_id", "has_public_ipv4")}
        yield MadeRow(row.target, row.region, row.key, {**made, "has_public_ipv6": both(values["has_ipv6"], answered)}, (row.fact,))


def public_subnets(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each subnet, with whether what has an IPv6 address there is one that the internet may come to."""
    paths = Paths(seen)
    for row in seen.rows(SUBNET):
        subnet, has_ipv6 = row.values["subnet_id"], row.values["has_ipv6"]
        answered = None if subnet is None else paths.is_answered_by_ipv6(row.target, row.region, subnet)
        yield MadeRow(row.target, row.region, row.key, {"subnet_id": subnet, "gives_public_ipv6": both(has_ipv6, answered)}, (row.fact,))


def network_acls(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each network ACL: what the world gets through it, by first match."""
    paths = Paths(seen)
    for (target, region, acl), (row, pieces) in paths.inward.items():
        told, _ = opened_by(pieces)
        subnets = row.values["subnets"]
        made = {
            "acl_id": acl,
            "vpc_id": row.values["vpc_id"],
            "subnets": subnets,
            "is_default": row.values["is_default"],
            "meets_internet": None if subnets is None else any_of(paths.reaches_internet(target, region, each) for each in subnets),
            **_ssh_and_rdp(pieces, [paths.answers(target, region, each) for each in subnets or ()] or [_ALL]),
        }
        yield MadeRow(target, region, row.key, {**made, **told}, (row.fact,))


def _ssh_and_rdp(pieces: Sequence[tuple[Ports, Through]], answered: Iterable[Through]) -> dict[str, Any]:
    """Whether the world gets through to these ports of a subnet, by a kind of address that it has a way back for, and to which of them."""
    truths: list[Truth] = []
    named: set[str] = set()
    for each in answered:
        sure, possible = open_ports([(held, who.within(each)) for held, who in pieces], Openness.WORLD)
        truths.append(True if sure.meets(SSH_AND_RDP) else None if possible.meets(SSH_AND_RDP) else False)
        named |= {name for name, held in _BY_NAME.items() if sure.meets(held)}
    opens = any_of(truths)
    return {"opens_ssh_or_rdp": opens, "admin_ports": None if opens is None else [name for name in _BY_NAME if name in named]}


def routes(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each route. Default routes may be spelled in halves: those of a table that leave unfiltered are weighed together."""
    lists = PrefixLists(seen)
    by_table: dict[tuple[str, str, str], list[tuple[SeenRow, Truth, Truth]]] = {}
    for row in seen.rows(ROUTE):
        values = row.values
        leaves = any_of([values["goes_through_nat"], values["goes_through_egress_only"], is_internet(values["gateway_id"])])
        handed: Truth = values["is_handed_on"]
        if values["state"] == "blackhole":
            leaves = handed = False
        by_table.setdefault((row.target, row.region, str(values["route_table_id"])), []).append((row, leaves, handed))
    for held in by_table.values():
        left = parts([_way(row, leaves, lists) for row, leaves, _ in held])
        passed = parts([_way(row, handed, lists) for row, _, handed in held])
        for (row, _, _), part, onward in zip(held, left, passed, strict=True):
            values = row.values
            made = {
                "route_table_id": values["route_table_id"],
                "vpc_id": values["vpc_id"],
                "destination": next(
                    (values[each] for each in ("destination_ipv4", "destination_ipv6", "destination_list") if values[each] != ""), None
                ),
                "via": values["gateway_id"],
                "leaves_unfiltered": _to_world(part),
                "is_handed_on": _to_world(onward),
            }
            yield MadeRow(row.target, row.region, row.key, made, (row.fact,))


def _way(row: SeenRow, goes: Truth, lists: PrefixLists) -> Opening:
    """Where a route leads, if it goes that way at all."""
    return Opening(ALL_PORTS, NO_ADDRESSES if goes is False else destination(row, lists) if goes else None)


def _to_world(part: Part) -> Truth:
    """Whether a route is part of one to the world."""
    return True if not part.sure[Openness.WORLD].is_empty else None if not part.possible[Openness.WORLD].is_empty else False
