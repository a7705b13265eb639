"""The way between the internet and a subnet: routes to an internet gateway, network ACLs in and out, and the block on public access.

Whoever asks from outside has to be answered: an answer leaves by a route and through the network ACL, to whatever port the asker chose.
https://docs.aws.amazon.com/vpc/latest/userguide/nacl-ephemeral-ports.html, https://docs.aws.amazon.com/vpc/latest/userguide/security-vpc-bpa.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from cnamm_scan.providers.aws.networks.rules import ports_of
from cnamm_scan.providers.first_match import ANYBODY, Entry, Through, admitted_at, through
from cnamm_scan.providers.interface import SeenRow, SeenTables, rows_if_read
from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES, Addresses, Openness, addresses, judge
from cnamm_scan.providers.ports import ALL_PORTS, Ports, ports
from cnamm_scan.providers.truths import Truth, any_of, both

PREFIX_LIST = "aws.ec2.prefix_list"
PREFIX_ENTRY = "aws.ec2.prefix_list_entry"
ACL = "aws.ec2.network_acl"
ACL_ENTRY = "aws.ec2.network_acl_entry"
ROUTE_TABLE = "aws.ec2.route_table"
ROUTE = "aws.ec2.route"
SUBNET = "aws.ec2.subnet"
BLOCK = "aws.ec2.internet_block"
EXCLUSION = "aws.ec2.internet_block_exclusion"
BLOCKS = frozenset({"block-ingress", "block-bidirectional"})
INSPECTED = "vpce-"
"""What a route leads to where a firewall stands between a subnet and its internet gateway: an endpoint of it, which may let through."""
_ANSWERS = ports("tcp", 0, 65535)
_SETTLED = frozenset({"create-complete", "update-complete"})
_GONE = frozenset({"delete-complete", "disable-complete", "create-failed"})
Place = tuple[str, str]
Id = tuple[str, str, str]
"""Target, region and id."""
Pieces = list[tuple[Ports, Through]]
"""Ports with whom a network ACL lets through on them."""


@lru_cache(maxsize=8192)
def address_set(*cidrs: str) -> Addresses | None:
    """The addresses of these networks together; None where one is none."""
    try:
        return addresses(each for each in cidrs if each)
    except ValueError:
        return None


def is_world(passed: Through) -> Truth:
    """Whether the world is among those who get through."""
    return True if judge(passed.sure) is Openness.WORLD else None if judge(passed.possible) is Openness.WORLD else False


@dataclass
class PrefixLists:
    """What the entries of prefix lists come to."""

    seen: SeenTables
    _entries: dict[Id, list[str | None]] = field(default_factory=dict)
    _owners: dict[Id, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in self.seen.rows(PREFIX_LIST):
            self._owners[row.target, row.region, str(row.values["list_id"])] = row.values["owner_id"]
        for row in self.seen.rows(PREFIX_ENTRY):
            self._entries.setdefault((row.target, row.region, str(row.values["list_id"])), []).append(row.values["cidr"])

    def of(self, target: str, region: str, name: str) -> Addresses | None:
        """Its addresses. None where they were not read; AWS's own lists are addresses of AWS, never the world's."""
        at = (target, region, name)
        if at not in self._owners:
            return None
        if self._owners[at] == "AWS":
            return NO_ADDRESSES
        held = self._entries.get(at, [])
        known = address_set(*(each or "" for each in held))
        hidden = None in held or self.seen.dark(PREFIX_ENTRY, target, region) or self._owners[at] is None
        if hidden and known is not None and judge(known) is not Openness.WORLD:  # more entries could not take the world back
            return None
        return known


def has_ports(row: SeenRow) -> bool:
    """Whether it was read which ports a rule is about."""
    return None not in (row.values["protocol"], row.values["from_port"], row.values["to_port"])


def ports_in(row: SeenRow) -> Ports:
    """The ports of a rule; all, which it may be about, where that was not read."""
    values = row.values
    return ports_of(values["protocol"], values["from_port"], values["to_port"]) if has_ports(row) else ALL_PORTS


def destination(row: SeenRow, lists: PrefixLists) -> Addresses | None:
    """Where a route leads."""
    four, six, named = (row.values[name] for name in ("destination_ipv4", "destination_ipv6", "destination_list"))
    if named:
        return lists.of(row.target, row.region, named)
    return None if None in (four, six, named) else address_set(four, six)


@dataclass
class Paths:
    """Which subnets the internet reaches and is answered from, and whom their network ACLs let in."""

    seen: SeenTables
    _tables: dict[Id, str] = field(default_factory=dict)
    _main: dict[Id, str] = field(default_factory=dict)
    _leads: dict[Id, Through] = field(default_factory=dict)
    _acls: dict[Id, tuple[Pieces, Pieces]] = field(default_factory=dict)
    _vpcs: dict[Id, str | None] = field(default_factory=dict)
    _owned: dict[Id, tuple[Truth, str | None]] = field(default_factory=dict)
    _untold: set[Place] = field(default_factory=set)
    """Where a route table does not say whose it is: a subnet that no other names may be its own."""

    def __post_init__(self) -> None:
        seen = self.seen
        for row in seen.rows(SUBNET):
            at = (row.target, row.region, str(row.values["subnet_id"]))
            self._vpcs[at], self._owned[at] = row.values["vpc_id"], (row.values.get("is_own", True), row.values.get("block_mode"))
        for row in seen.rows(ROUTE_TABLE):
            if row.values["subnets"] is None:
                self._untold.add((row.target, row.region))
            for subnet in row.values["subnets"] or ():
                self._tables[row.target, row.region, subnet] = str(row.values["route_table_id"])
            if row.values["is_main"]:
                self._main[row.target, row.region, str(row.values["vpc_id"])] = str(row.values["route_table_id"])
        self._read_routes()
        self.inward = _walls(seen, egress=False)
        """Each network ACL with whom it lets in."""
        outward = _walls(seen, egress=True)
        for at, (row, pieces) in self.inward.items():
            for subnet in row.values["subnets"] or ():
                self._acls[row.target, row.region, subnet] = (pieces, outward[at][1])
        self._blocks = {(row.target, row.region): row.values for row in rows_if_read(seen, BLOCK)}
        self._excluded: dict[Place, list[tuple[str | None, Truth]]] = {}
        for row in rows_if_read(seen, EXCLUSION):
            told = (row.values["resource"], _lets_in(row.values["mode"], row.values["state"]))
            self._excluded.setdefault((row.target, row.region), []).append(told)

    def _read_routes(self) -> None:
        lists = PrefixLists(self.seen)
        held: dict[Id, list[tuple[Addresses | None, bool]]] = {}
        for row in self.seen.rows(ROUTE):
            values = row.values
            inspected = (values["gateway_id"] or "").startswith(INSPECTED)
            if values["state"] == "blackhole" or (is_internet(values["gateway_id"]) is False and not inspected):
                continue
            is_read = values["state"] is not None and values["gateway_id"] is not None
            at = (row.target, row.region, str(values["route_table_id"]))
            held.setdefault(at, []).append((destination(row, lists) if is_read else None, not inspected))
        for at, found in held.items():
            sure = possible = NO_ADDRESSES
            for each, leads in found:
                possible = possible.joined(EVERYWHERE if each is None else each)
                sure = sure.joined(each if each is not None and leads else NO_ADDRESSES)
            self._leads[at] = Through(sure, possible)

    def answers(self, target: str, region: str, subnet: str) -> Through:
        """Whom the subnet's route table leads to through an internet gateway."""
        if self.seen.dark(ROUTE_TABLE, target, region):
            return ANYBODY
        table = self._tables.get((target, region, subnet))
        if table is None and (target, region) not in self._untold:
            vpc = self._vpcs.get((target, region, subnet))
            table = None if vpc is None else self._main.get((target, region, vpc))
        if table is None:
            return ANYBODY
        found = self._leads.get((target, region, table), Through(NO_ADDRESSES, NO_ADDRESSES))
        return Through(found.sure, EVERYWHERE) if self.seen.dark(ROUTE, target, region) else found

    def is_answered_by_ipv6(self, target: str, region: str, subnet: str) -> Truth:
        """Whether the world is answered from the subnet by IPv6, of which every address is a public one, wherever it stands."""
        found = self.answers(target, region, subnet)
        return is_world(Through(Addresses((), found.sure.ipv6), Addresses((), found.possible.ipv6)))

    def reaches_internet(self, target: str, region: str, subnet: str) -> Truth:
        """Whether what has a public address there can be answered: a route leads to an internet gateway, and nothing blocks that."""
        return both(is_world(self.answers(target, region, subnet)), self.is_unblocked(target, region, subnet))

    def is_unblocked(self, target: str, region: str, subnet: str) -> Truth:
        """Whether the region's block on public access is off, or an exclusion lets callers into the subnet all the same.

        An account's block and exclusions are about what it owns: a subnet that another shares with it tells itself whether it is blocked.
        """
        is_own, mode = self._owned.get((target, region, subnet), (True, None))
        theirs: Truth = True if mode == "off" else None
        if is_own is False:
            return theirs
        ours = self._is_unblocked_here(target, region, subnet)
        return ours if is_own or ours is theirs else None

    def _is_unblocked_here(self, target: str, region: str, subnet: str) -> Truth:
        if self.seen.dark(BLOCK, target, region):
            return None
        told = self._blocks.get((target, region))
        if told is None or told["mode"] is None or told["is_settled"] is not True:
            return None
        if told["mode"] not in BLOCKS:
            return True if told["mode"] == "off" else None
        vpc = self._vpcs.get((target, region, subnet))
        answers: list[Truth] = [None if vpc is None or self.seen.dark(EXCLUSION, target, region) else False]
        for resource, lets_in in self._excluded.get((target, region), ()):
            name = None if resource is None else resource.rpartition("/")[2]
            answers.append(
                lets_in if name is not None and name in (subnet, vpc) else None if name is None and lets_in is not False else False
            )
        return any_of(answers)

    def let_in(self, target: str, region: str, subnet: str, at: Ports) -> Through:
        """Whom the subnet's network ACL lets in on one of these ports."""
        pieces = self._acls.get((target, region, subnet))
        return ANYBODY if pieces is None else admitted_at(pieces[0], at)

    def let_back(self, target: str, region: str, subnet: str) -> Through:
        """Who can be answered from there: by a route, and through the network ACL on the port that the asker chose."""
        pieces = self._acls.get((target, region, subnet))
        wall = ANYBODY if pieces is None else admitted_at(pieces[1], _ANSWERS)
        return wall.within(self.answers(target, region, subnet))


def _lets_in(mode: str | None, state: str | None) -> Truth:
    """Whether an exclusion lets callers in: one for what goes out alone does not, and one that is being made or taken away may."""
    if state in _GONE or mode == "allow-egress":
        return False
    return True if mode == "allow-bidirectional" and state in _SETTLED else None


def _walls(seen: SeenTables, *, egress: bool) -> dict[Id, tuple[SeenRow, Pieces]]:
    """Each network ACL with whom it lets through, inwards or outwards; anybody, maybe, where its rules were not all read.

    Each direction of a network ACL has at least its last rule, which nobody can take away: told of none, its rules were not read.
    """
    made: dict[Id, tuple[SeenRow, list[Entry]]] = {
        (row.target, row.region, str(row.values["acl_id"])): (row, []) for row in rows_if_read(seen, ACL)
    }
    for row in rows_if_read(seen, ACL_ENTRY):
        values = row.values
        at = (row.target, row.region, str(values["acl_id"]))
        if values["is_egress"] is (not egress) or at not in made:
            continue
        four, six = values["cidr_ipv4"], values["cidr_ipv6"]
        # of a rule whose ports were not read nobody can say whom it keeps out
        is_read = None not in (four, six, values["is_egress"]) and has_ports(row)
        who = address_set(four, six) if is_read else None
        allows = None if values["action"] is None else values["action"].lower() == "allow"
        number = -1 if values["number"] is None else values["number"]
        made[at][1].append(Entry(number, None if values["number"] is None else allows, ports_in(row), who))
    return {
        at: (row, through(entries) if entries and not seen.dark(ACL_ENTRY, row.target, row.region) else [(ALL_PORTS, ANYBODY)])
        for at, (row, entries) in made.items()
    }


def is_internet(gateway: str | None) -> Truth:
    """Whether what a route leads to is an internet gateway."""
    return None if gateway is None else gateway.startswith("igw-")
