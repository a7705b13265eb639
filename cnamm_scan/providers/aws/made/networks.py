"""Rules of security groups, network ACLs and routes: how far each opens, together with the others that it acts with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.admitted import Opening, Part, parts
from cnamm_scan.providers.aws.networks.rules import ANYBODY, Entry, Through, admitted_at, open_ports, ports_of, through
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.openness import NO_ADDRESSES, Addresses, Openness, addresses, judge
from cnamm_scan.providers.ports import ALL_PORTS, LISTS, SSH_AND_RDP, Ports, lists_of

RULE = "aws.ec2.security_group_rule"
PREFIX_LIST = "aws.ec2.prefix_list"
PREFIX_ENTRY = "aws.ec2.prefix_list_entry"
ACL = "aws.ec2.network_acl"
ACL_ENTRY = "aws.ec2.network_acl_entry"
ROUTE_TABLE = "aws.ec2.route_table"
ROUTE = "aws.ec2.route"
SUBNET = "aws.ec2.subnet"
MOST_RULES = 1000
"""As many as a network interface can have. https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"""
_CARRIED = ("rule_id", "group_id", "is_egress", "protocol", "from_port", "to_port", "cidr_ipv4", "cidr_ipv6", "prefix_list")
Place = tuple[str, str]
Truth = bool | None


@lru_cache(maxsize=8192)
def _set(*cidrs: str) -> Addresses | None:
    try:
        return addresses(each for each in cidrs if each)
    except ValueError:
        return None


def either(answers: Iterable[Truth]) -> Truth:
    """Whether one is true; None where one that is not known decides."""
    held = list(answers)
    return True if True in held else None if None in held else False


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


@dataclass
class PrefixLists:
    """What the entries of prefix lists come to."""

    seen: SeenTables
    _entries: dict[tuple[str, str, str], list[str | None]] = field(default_factory=dict)
    _owners: dict[tuple[str, str, str], str | None] = field(default_factory=dict)

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
        known = _set(*(each or "" for each in held))
        hidden = None in held or self.seen.dark(PREFIX_ENTRY, target, region) or self._owners[at] is None
        if hidden and known is not None and judge(known) is not Openness.WORLD:  # more entries could not take the world back
            return None
        return known


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
                self.rules.setdefault((row.target, row.region, group), []).append((row, Opening(_ports(row), self.who(row))))

    def who(self, row: SeenRow) -> Addresses | None:
        """The other side of a rule. Members of a group are inside the network."""
        values = row.values
        if values["names_group"]:
            return NO_ADDRESSES
        if values["prefix_list"]:
            return self._lists.of(row.target, row.region, values["prefix_list"])
        if None in (values["cidr_ipv4"], values["cidr_ipv6"], values["prefix_list"], values["names_group"]):
            return None
        return _set(values["cidr_ipv4"], values["cidr_ipv6"])

    def admitted(self, target: str, region: str, groups: Sequence[str] | None, at: Ports) -> Through:
        """Whom several groups together let in on one of these ports."""
        if groups is None:
            return ANYBODY
        held = [opening for group in groups for _, opening in self.rules.get((target, region, group), ()) if opening.ports.meets(at)]
        sure = NO_ADDRESSES
        for each in held:
            sure = sure.joined(each.who or NO_ADDRESSES)
        hidden = any(each.who is None for each in held) or self.seen.dark(RULE, target, region)
        return Through(sure, ANYBODY.possible if hidden else sure)


def _ports(row: SeenRow) -> Ports:
    values = row.values
    if None in (values["protocol"], values["from_port"], values["to_port"]):
        return ALL_PORTS
    return ports_of(values["protocol"], values["from_port"], values["to_port"])


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
    made["is_named"] = either([values["names_group"], None if values["prefix_list"] is None else values["prefix_list"] != ""])
    sides = [values["cidr_ipv4"], values["cidr_ipv6"], values["prefix_list"], values["group"]]
    made["other_side"] = next((each for each in sides if each), None)
    made["openness"] = None if own is None else own.value
    told = opened(part.sure, part.possible, is_worldwide=worldwide)
    if None in (values["protocol"], values["from_port"], values["to_port"]):  # its ports may be any of all
        told = {name: None if value is True or name.endswith("_lists") else value for name, value in told.items()}
    return {**made, **told}


@dataclass
class Paths:
    """Which subnets have a route to an internet gateway, and whom their network ACLs let in."""

    seen: SeenTables
    _tables: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _main: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _out: dict[tuple[str, str, str], list[str | None]] = field(default_factory=dict)
    _acls: dict[tuple[str, str, str], list[tuple[Ports, Through]]] = field(default_factory=dict)
    _vpcs: dict[tuple[str, str, str], str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen, lists = self.seen, PrefixLists(self.seen)
        for row in seen.rows(SUBNET):
            self._vpcs[row.target, row.region, str(row.values["subnet_id"])] = row.values["vpc_id"]
        for row in seen.rows(ROUTE_TABLE):
            for subnet in row.values["subnets"] or ():
                self._tables[row.target, row.region, subnet] = str(row.values["route_table_id"])
            if row.values["is_main"]:
                self._main[row.target, row.region, str(row.values["vpc_id"])] = str(row.values["route_table_id"])
        self._routes: dict[tuple[str, str, str], Truth] = {}
        to_world: dict[tuple[str, str, str], list[Addresses | None]] = {}
        for row in seen.rows(ROUTE):
            values = row.values
            if values["state"] == "blackhole" or _is_internet(values["gateway_id"]) is False:
                continue
            sure = values["state"] is not None and values["gateway_id"] is not None
            held = to_world.setdefault((row.target, row.region, str(values["route_table_id"])), [])
            held.append(destination(row, lists) if sure else None)
        for at, held in to_world.items():
            whole = NO_ADDRESSES
            for each in held:
                whole = whole.joined(each or NO_ADDRESSES)
            self._routes[at] = True if judge(whole) is Openness.WORLD else None if None in held else False
        for (target, region, _), (row, entries) in acl_entries(seen).items():
            pieces = through(entries)
            for subnet in row.values["subnets"] or ():
                self._acls[target, region, subnet] = pieces

    def reaches_internet(self, target: str, region: str, subnet: str) -> Truth:
        """Whether what has a public address there can be answered: the subnet's table leads to an internet gateway."""
        if self.seen.dark(ROUTE_TABLE, target, region):
            return None
        table = self._tables.get((target, region, subnet))
        if table is None:
            vpc = self._vpcs.get((target, region, subnet))
            table = None if vpc is None else self._main.get((target, region, vpc))
        if table is None:
            return None
        found = self._routes.get((target, region, table), False)
        return None if found is False and self.seen.dark(ROUTE, target, region) else found

    def let_in(self, target: str, region: str, subnet: str, at: Ports) -> Through:
        """Whom the subnet's network ACL lets in on one of these ports."""
        pieces = self._acls.get((target, region, subnet))
        return ANYBODY if pieces is None else admitted_at(pieces, at)


def destination(row: SeenRow, lists: PrefixLists) -> Addresses | None:
    """Where a route leads."""
    four, six, named = (row.values[name] for name in ("destination_ipv4", "destination_ipv6", "destination_list"))
    if named:
        return lists.of(row.target, row.region, named)
    return None if None in (four, six, named) else _set(four, six)


def acl_entries(seen: SeenTables) -> dict[tuple[str, str, str], tuple[SeenRow, list[Entry]]]:
    """The rules for what comes in of each network ACL, by (target, region, id)."""
    made: dict[tuple[str, str, str], tuple[SeenRow, list[Entry]]] = {
        (row.target, row.region, str(row.values["acl_id"])): (row, []) for row in seen.rows(ACL)
    }
    for row in seen.rows(ACL_ENTRY):
        values = row.values
        at = (row.target, row.region, str(values["acl_id"]))
        if values["is_egress"] or at not in made:
            continue
        four, six = values["cidr_ipv4"], values["cidr_ipv6"]
        who = None if None in (four, six, values["is_egress"]) else _set(four, six)
        allows = None if values["action"] is None else values["action"].lower() == "allow"
        number = -1 if values["number"] is None else values["number"]
        made[at][1].append(Entry(number, None if values["number"] is None else allows, _ports(row), who))
    return made


def network_acls(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each network ACL: what the world gets through it, by first match."""
    paths = Paths(seen)
    for (target, region, acl), (row, entries) in acl_entries(seen).items():
        pieces = [(ALL_PORTS, ANYBODY)] if seen.dark(ACL_ENTRY, target, region) else through(entries)
        levels = {level: open_ports(pieces, level) for level in (Openness.WIDE, Openness.WORLD)}
        sure, possible = ({level: each[at] for level, each in levels.items()} for at in (0, 1))
        world, maybe = sure[Openness.WORLD], possible[Openness.WORLD]
        told = opened(sure, possible, is_worldwide=True if not world.is_empty else None if not maybe.is_empty else False)
        subnets = row.values["subnets"]
        made = {
            "acl_id": acl,
            "vpc_id": row.values["vpc_id"],
            "subnets": subnets,
            "is_default": row.values["is_default"],
            "meets_internet": None if subnets is None else either(paths.reaches_internet(target, region, each) for each in subnets),
            "opens_ssh_or_rdp": True if world.meets(SSH_AND_RDP) else None if maybe.meets(SSH_AND_RDP) else False,
        }
        yield MadeRow(target, region, row.key, {**made, **told}, (row.fact,))


def routes(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each route. Default routes may be spelled in halves: those of a table that leave unfiltered are weighed together."""
    lists = PrefixLists(seen)
    by_table: dict[tuple[str, str, str], list[tuple[SeenRow, Truth]]] = {}
    for row in seen.rows(ROUTE):
        values = row.values
        leaves = either([values["goes_through_nat"], values["goes_through_egress_only"], _is_internet(values["gateway_id"])])
        if values["state"] == "blackhole":
            leaves = False
        by_table.setdefault((row.target, row.region, str(values["route_table_id"])), []).append((row, leaves))
    for held in by_table.values():
        openings = [
            Opening(ALL_PORTS, NO_ADDRESSES if leaves is False else destination(row, lists) if leaves else None) for row, leaves in held
        ]
        for (row, _), part in zip(held, parts(openings), strict=True):
            values = row.values
            found = not part.sure[Openness.WORLD].is_empty
            made = {
                "route_table_id": values["route_table_id"],
                "vpc_id": values["vpc_id"],
                "destination": next(
                    (values[each] for each in ("destination_ipv4", "destination_ipv6", "destination_list") if values[each]), None
                ),
                "via": values["gateway_id"],
                "leaves_unfiltered": True if found else None if not part.possible[Openness.WORLD].is_empty else False,
            }
            yield MadeRow(row.target, row.region, row.key, made, (row.fact,))


def _is_internet(gateway: str | None) -> Truth:
    return None if gateway is None else gateway.startswith("igw-")
