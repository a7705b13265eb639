"""Groups, network ACLs, routes, databases, listeners, endpoints: the open is found however it is spelled, the unread is open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from cnamm_scan.providers.ports import LISTS
from tests.providers.aws.made.given import made_by

RULE, ACL, ENTRY, ROUTE = "aws.ec2.security_group_rule", "aws.ec2.network_acl", "aws.ec2.network_acl_entry", "aws.ec2.route"
LIST, LISTED = "aws.ec2.prefix_list", "aws.ec2.prefix_list_entry"
Json = dict[str, Any]


def rule(four: str | None = "", first: int = 22, last: int | None = None, protocol: str = "tcp", **more: Any) -> Json:
    side = {"cidr_ipv4": four, "cidr_ipv6": "", "names_group": False, "group": "", "prefix_list": ""}
    last = first if last is None else last
    return {"rule_id": "r", "group_id": "sg", "is_egress": False, "protocol": protocol, "from_port": first, "to_port": last, **side, **more}


LISTED_ENTRIES: Json = {
    LIST: {
        "own": {"list_id": "pl-own", "owner_id": "1"},
        "front": {"list_id": "pl-front", "owner_id": "AWS"},
        "office": {"list_id": "pl-office", "owner_id": "1"},
    },
    LISTED: {
        "1": {"list_id": "pl-own", "cidr": "0.0.0.0/1"},
        "2": {"list_id": "pl-own", "cidr": "128.0.0.0/1"},
        "3": {"list_id": "pl-office", "cidr": "93.184.216.0/24"},
    },
}


def judged(*rules: Json, unread: tuple[str, ...] = (), **others: Any) -> list[Json]:
    tables = {**LISTED_ENTRIES, **others}
    rows = {str(n): each for n, each in enumerate(rules)}
    made = made_by("group_rules", RULE, rows, unread=unread, **{name.replace(".", "__"): each for name, each in tables.items()})
    return [made[str(n)] for n in range(len(rules))]


@pytest.mark.parametrize(
    "spelled",
    [
        [rule("0.0.0.0/0")],
        [rule("0.0.0.0/1"), rule("128.0.0.0/1")],
        [rule(f"{n}.0.0.0/2") for n in (0, 64, 128, 192)],
        [rule("", cidr_ipv6="::/0")],
        [rule("", cidr_ipv6="2000::/3")],
        [rule("32.0.0.0/3")],
        [rule("", prefix_list="pl-own")],
        [rule("0.0.0.0/0", 20, 25)],
        [rule("0.0.0.0/0", 3389, protocol="udp")],
        [rule("0.0.0.0/0", 3389, protocol="17")],
        [rule("0.0.0.0/0", -1, protocol="-1")],
        [rule("0.0.0.0/0", -1, protocol="tcp")],
        [rule("0.0.0.0/0", 23, protocol="6")],
        [rule("0.0.0.0/0", 0, 65535)],
        [rule("0.0.0.0/1", 1, 22), rule("128.0.0.0/1", 22, 30)],
    ],
)
def test_the_world_is_the_world_however_it_is_spelled(spelled: list[Json]) -> None:
    assert [row["opens_remote_administration"] for row in judged(*spelled, rule("93.184.216.0/24", 0, 65535))] == [
        *[True] * len(spelled),
        False,
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (rule(), "TCP port 22"),
        (rule("", 20, 25), "TCP ports 20-25"),
        (rule("", 0, 65535), "all TCP ports"),
        (rule("", -1, protocol="6"), "all TCP ports"),
        (rule("", 53, protocol="udp"), "UDP port 53"),
        (rule("", -1, protocol="-1"), "all traffic"),
        (rule("", 8, -1, protocol="icmp"), "ICMP"),
        (rule("", -1, protocol="47"), "protocol 47"),
        (rule("", -1, protocol="-1", from_port=None), None),
    ],
)
def test_a_rule_says_in_words_what_it_lets_through(given: Json, said: str | None) -> None:
    assert judged(given)[0]["traffic"] == said


@pytest.mark.parametrize(
    "bounded",
    [
        rule("198.51.100.0/24"),
        rule("10.0.0.0/8"),
        rule("15.0.0.0/8"),
        rule("", names_group=True, group="sg-2"),
        rule("", prefix_list="pl-front"),
        rule("", prefix_list="pl-office"),
        rule("0.0.0.0/0", 443),
        rule("0.0.0.0/0", 8, -1, "icmp"),
        rule("0.0.0.0/0", 8, 22, "1"),
        rule("0.0.0.0/0", -1, protocol="47"),
        rule("", cidr_ipv6="2600:1f00::/32"),
    ],
)
def test_what_is_bounded_or_no_port_of_a_list_opens_nothing(bounded: Json) -> None:
    (row,) = judged(bounded)
    assert {row[f"opens_{name}"] for name in LISTS} == {False}
    assert (row["opens_widely"], row["opens_many"], row["open_lists"]) == (False, False, [])


def test_what_was_not_read_is_open_and_darkens_nothing_that_it_could_not_change() -> None:
    unseen = [rule(None), rule("", prefix_list="pl-unseen"), rule("", prefix_list=None)]
    assert [row["opens_remote_administration"] for row in judged(*unseen, rule("93.184.216.0/24"))] == [None, None, None, False]
    assert judged(rule("", prefix_list="pl-own"), unread=(LISTED,))[0]["opens_remote_administration"] is True
    assert judged(rule("", prefix_list="pl-office"), unread=(LISTED,))[0]["opens_remote_administration"] is None
    assert judged(rule("", prefix_list="pl-front"), unread=(LISTED,))[0]["opens_remote_administration"] is False
    assert judged(rule("93.184.216.0/24"), unread=(RULE,))[0]["opens_remote_administration"] is False
    assert judged(rule("16.0.0.0/4"), unread=(RULE,))[0]["opens_remote_administration"] is None
    assert judged(rule("0.0.0.0/0", None))[0]["opens_remote_administration"] is None  # type: ignore[arg-type]


def test_a_rule_whose_ports_were_not_read_lets_nobody_in_for_certain() -> None:
    cells: list[Json] = [{"to_port": None}, {"from_port": None}, {"protocol": None}]
    for unseen in cells:
        assert database(rule("0.0.0.0/0", 5432, **unseen))["is_exposed"] is None
        assert database(rule("0.0.0.0/0", 5432, **unseen))["admitted"] is None
        assert database(rule("93.184.216.0/24", 5432, **unseen))["is_exposed"] is False
        assert listener(rule("0.0.0.0/0", 80, **unseen), security_groups=["sg"])["is_public"] is None
        # nor is a neighbour a part of the world for certain that would be one together with it
        beside = judged(rule("16.0.0.0/4"), rule("32.0.0.0/4", **unseen), rule("93.184.216.0/24"))
        assert [row["opens_remote_administration"] for row in beside] == [None, None, False]
        assert [row["is_worldwide"] for row in judged(rule("0.0.0.0/0"), rule("32.0.0.0/4", **unseen))] == [True, False]


def test_wide_is_told_apart_from_the_world() -> None:
    (row,) = judged(rule("16.0.0.0/4"))
    assert (row["opens_remote_administration"], row["opens_widely"], row["openness"]) == (False, True, "wide")
    (two, beside) = judged(rule("14.0.0.0/8"), rule("15.0.0.0/8"))
    assert (two["opens_widely"], beside["opens_widely"]) == (True, True)


def test_more_than_a_thousand_ports_are_many() -> None:
    assert [row["opens_many"] for row in judged(rule("0.0.0.0/0", 1, 65535), rule("93.184.216.0/24", 0, 65535))] == [True, False]
    assert [judged(rule("0.0.0.0/0", 1024, last))[0]["opens_many"] for last in (2047, 2048)] == [False, True]


def test_rules_of_other_groups_and_the_other_direction_do_not_add_up() -> None:
    rows = judged(rule("32.0.0.0/4", group_id="a"), rule("16.0.0.0/4", group_id="b"), rule("16.0.0.0/4", group_id="a", is_egress=True))
    assert {row["opens_remote_administration"] for row in rows} == {False}
    assert judged(rule("0.0.0.0/0", -1, protocol="-1", is_egress=True))[0]["opens_many"] is True


# ---- network ACLs and routes ---------------------------------------------------------------------------------------------


def entry(number: int | None, action: str, four: str | None = "0.0.0.0/0", first: int = -1, last: int = -1, protocol: str = "-1") -> Json:
    return {
        "acl_id": "acl",
        "is_egress": False,
        "number": number,
        "action": action,
        "protocol": protocol,
        "from_port": first,
        "to_port": last,
        "cidr_ipv4": four,
        "cidr_ipv6": "",
    }


def route(four: str = "0.0.0.0/0", gateway: str | None = "igw-1", **more: Any) -> Json:
    sides = {"destination_ipv4": four, "destination_ipv6": "", "destination_list": ""}
    ways = {"goes_through_nat": False, "goes_through_egress_only": False, "is_handed_on": False, "state": "active"}
    return {"route_table_id": "rtb", "vpc_id": "vpc", "gateway_id": gateway, **sides, **ways, **more}


def paths(*routes: Json, subnets: tuple[str, ...] = (), is_main: bool = True) -> Json:
    return {
        "aws.ec2.subnet": {"s": {"subnet_id": "subnet-a", "vpc_id": "vpc"}},
        "aws.ec2.route_table": {"t": {"route_table_id": "rtb", "vpc_id": "vpc", "subnets": list(subnets), "is_main": is_main}},
        ROUTE: {str(n): each for n, each in enumerate(routes)},
        "aws.ec2.internet_block": {"b": {"mode": "off", "is_settled": True}},
        **LISTED_ENTRIES,
    }


def acl(*entries: Json, unread: tuple[str, ...] = (), **ways: Json) -> Json:
    rows = {"acl": {"acl_id": "acl", "vpc_id": "vpc", "subnets": ["subnet-a"], "is_default": False}}
    tables = {**paths(route()), ENTRY: {str(n): each for n, each in enumerate(entries)}, **ways}
    return made_by("network_acls", ACL, rows, unread=unread, **{name.replace(".", "__"): each for name, each in tables.items()})["acl"]


def test_the_first_rule_of_a_network_acl_that_matches_decides_by_number_not_by_place() -> None:
    allow, last = entry(100, "allow"), entry(32767, "deny")
    assert acl(last, allow)["opens_ssh_or_rdp"] is True
    shut = [entry(10, "deny", first=22, last=22, protocol="6"), entry(11, "deny", first=3389, last=3389, protocol="6")]
    assert acl(allow, *shut, last)["opens_ssh_or_rdp"] is True  # RDP by UDP is left
    assert acl(allow, *shut, last)["admin_ports"] == ["RDP on UDP port 3389"]
    shut.append(entry(12, "deny", first=3389, last=3389, protocol="17"))
    assert acl(allow, *shut, last)["opens_ssh_or_rdp"] is False
    assert acl(allow, *[{**each, "number": 200 + n} for n, each in enumerate(shut)], last)["opens_ssh_or_rdp"] is True
    assert acl(allow, entry(10, "deny", "0.0.0.0/1"), entry(11, "deny", "128.0.0.0/1"), last)["opens_ssh_or_rdp"] is False
    assert acl(allow, entry(10, "deny", "0.0.0.0/1"), last)["opens_ssh_or_rdp"] is True  # the other half is the world too
    assert acl(entry(5, "allow", "93.184.216.0/24"), last)["opens_ssh_or_rdp"] is False
    assert acl(last)["opens_ssh_or_rdp"] is False


def test_a_network_acl_opens_by_a_kind_of_address_that_its_subnets_have_a_way_back_for() -> None:
    six = {**entry(20, "allow", ""), "cidr_ipv6": "::/0"}
    entries = (entry(10, "deny"), six, entry(32767, "deny"))
    assert acl(*entries)["opens_ssh_or_rdp"] is False
    both = paths(route(), route("", destination_ipv6="::/0"))
    assert acl(*entries, **both)["opens_ssh_or_rdp"] is True
    assert acl(*entries, **paths(route(), route("", None, destination_ipv6="::/0")))["opens_ssh_or_rdp"] is None


def test_what_was_not_read_of_a_network_acl_leaves_open_what_it_decides() -> None:
    last = entry(32767, "deny")
    assert acl(entry(None, "allow"), last)["opens_ssh_or_rdp"] is None
    both = (entry(1, "deny"), {**entry(2, "deny", ""), "cidr_ipv6": "::/0"})
    assert acl(*both, entry(100, "allow", None), last)["opens_ssh_or_rdp"] is False
    assert acl(entry(1, "deny", None), entry(100, "allow"), last)["opens_ssh_or_rdp"] is None
    assert acl(last, unread=(ENTRY,))["opens_ssh_or_rdp"] is None


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        (paths(route()), True),
        (paths(route("0.0.0.0/1"), route("128.0.0.0/1")), True),
        (paths(route("", destination_list="pl-own")), True),
        (paths(route("93.184.216.0/24")), False),
        (paths(route(gateway="none", goes_through_nat=True)), False),
        (paths(route(state="blackhole")), False),
        (paths(route(gateway=None)), None),
        (paths(route(), subnets=("subnet-a",), is_main=False), True),
        (paths(route(), subnets=("subnet-b",), is_main=False), None),
    ],
)
def test_a_subnet_meets_the_internet_by_its_table_or_the_main_one(ways: Json, expected: bool | None) -> None:
    assert acl(entry(100, "allow"), **ways)["meets_internet"] is expected


def leaving(*routes: Json, onward: bool = False) -> list[bool | None]:
    tables = {name.replace(".", "__"): each for name, each in LISTED_ENTRIES.items()}
    made = made_by("routes", ROUTE, {str(n): each for n, each in enumerate(routes)}, **tables)
    return [made[str(n)]["is_handed_on" if onward else "leaves_unfiltered"] for n in range(len(routes))]


def test_a_default_route_in_halves_is_one() -> None:
    assert leaving(route("0.0.0.0/1"), route("128.0.0.0/1", goes_through_nat=True, gateway="none")) == [True, True]
    assert leaving(route(gateway="vpce-1"), route("10.0.0.0/16", gateway="local")) == [False, False]
    assert leaving(route(state="blackhole"), route("", destination_list="pl-own")) == [False, True]
    assert leaving(route(gateway=None), route("93.184.216.0/24")) == [None, False]


def test_what_is_handed_on_to_another_network_is_told_apart_from_what_leaves() -> None:
    away = route(gateway="none", is_handed_on=True)
    assert leaving(away) == [False]
    assert leaving(away, route("10.0.0.0/16", gateway="tgw", is_handed_on=True), onward=True) == [True, False]
    halves = [route(half, gateway="none", is_handed_on=True) for half in ("0.0.0.0/1", "128.0.0.0/1")]
    assert leaving(*halves, onward=True) == [True, True]
    assert leaving(route(gateway="vpce-1"), route(gateway="none", is_handed_on=True, state="blackhole"), onward=True) == [False, False]
    assert leaving(route(gateway=None, is_handed_on=None), onward=True) == [None]


# ---- databases, listeners, endpoints -------------------------------------------------------------------------------------


LEAVING = ({**entry(100, "allow"), "is_egress": True}, {**entry(32767, "deny"), "is_egress": True})


def database(
    *rules: Json,
    ways: Json | None = None,
    entries: tuple[Json, ...] = (entry(100, "allow"),),
    leaving: tuple[Json, ...] = LEAVING,
    unread: tuple[str, ...] = (),
    **more: Any,
) -> Json:
    row = {"name": "db", "port": 5432, "security_groups": ["sg"], "is_public": True, "subnets": ["subnet-a"], **more}
    tables = {
        **(paths(route()) if ways is None else ways),
        RULE: {str(n): each for n, each in enumerate(rules)},
        ACL: {"acl": {"acl_id": "acl", "vpc_id": "vpc", "subnets": ["subnet-a"], "is_default": True}},
        ENTRY: {str(n): each for n, each in enumerate((*entries, *leaving))},
    }
    return made_by("exposures", "aws.rds.instance", {"db": row}, unread=unread, **{k.replace(".", "__"): v for k, v in tables.items()})[
        "db"
    ]


OPEN = (rule("0.0.0.0/1", 5432), rule("128.0.0.0/1", 5000, 6000))


def test_a_database_is_exposed_by_an_address_a_route_and_leave_of_groups_and_network_acl() -> None:
    assert database(*OPEN)["is_exposed"] is True
    assert database(*OPEN, is_public=False)["is_exposed"] is False
    assert database(*OPEN, ways=paths(route("10.9.0.0/16")))["is_exposed"] is False
    assert database(*OPEN, entries=(entry(1, "deny", first=5432, last=5432, protocol="6"), entry(100, "allow")))["is_exposed"] is False
    assert database(rule("93.184.216.0/24", 5432))["is_exposed"] is False
    assert database(rule("0.0.0.0/0", 3306))["is_exposed"] is False
    assert database(rule("0.0.0.0/0", 5432, group_id="sg-other"))["is_exposed"] is False
    assert database(rule("32.0.0.0/4", 5432), rule("16.0.0.0/4", 5432, group_id="b"), security_groups=["sg", "b"])["is_exposed"] is True


def test_an_answer_about_a_database_hangs_on_what_was_read() -> None:
    assert database(*OPEN, unread=(RULE,))["is_exposed"] is True
    assert database(unread=(RULE,))["is_exposed"] is None
    assert database(unread=(RULE,), is_public=False)["is_exposed"] is False
    assert database(*OPEN, unread=("aws.ec2.route_table",))["is_exposed"] is None
    assert database(*OPEN, subnets=[])["is_exposed"] is None
    assert database(rule("93.184.216.0/24", 5432), subnets=[])["is_exposed"] is False
    assert database(*OPEN, port=None)["is_exposed"] is None
    assert database(*OPEN, is_public=None)["is_exposed"] is None
    assert database(*OPEN, security_groups=None)["is_exposed"] is None


def test_where_a_database_stands_that_was_not_read_leaves_open_which_network_acl_stands_before_it() -> None:
    assert (database(*OPEN, subnets=None)["admitted"], database(*OPEN, subnets=None)["is_exposed"]) == (None, None)
    assert database(rule("93.184.216.0/24", 5432), subnets=None)["admitted"] is None
    assert database(rule("93.184.216.0/24", 5432), subnets=None)["is_exposed"] is False
    assert database(subnets=None)["admitted"] == "none"


def test_a_network_acl_of_which_no_rule_of_a_direction_is_told_was_not_read_there() -> None:
    assert database(*OPEN, leaving=())["is_exposed"] is None
    assert database(*OPEN, entries=())["is_exposed"] is None
    assert database(*OPEN, entries=(), leaving=())["is_exposed"] is None
    assert database(*OPEN, leaving=LEAVING[1:])["is_exposed"] is False
    assert database(*OPEN, entries=(entry(32767, "deny"),), leaving=())["is_exposed"] is False
    assert database(rule("93.184.216.0/24", 5432), leaving=())["is_exposed"] is False
    assert acl()["opens_ssh_or_rdp"] is None


def interface(*ways: Json, unread: Iterable[str] = (), **more: Any) -> Json:
    """What is made of an interface whose subnet has these routes."""
    row = {"interface_id": "eni", "group_id": "sg", "subnet_id": "subnet", "has_public_ipv4": False, "has_ipv6": True, **more}
    tables = {
        **LISTED_ENTRIES,
        "aws.ec2.subnet": {"subnet": {"subnet_id": "subnet", "vpc_id": "vpc"}},
        "aws.ec2.route_table": {"rtb": {"route_table_id": "rtb", "vpc_id": "vpc", "subnets": [], "is_main": True}},
        "aws.ec2.route": {str(n): each for n, each in enumerate(ways)},
    }
    others = {name.replace(".", "__"): given for name, given in tables.items()}
    return made_by("public_interfaces", "aws.ec2.interface_group", {"i": row}, unread=unread, **others)["i"]


def way(gateway: str | None, four: str = "", six: str = "", **more: Any) -> Json:
    made = {"route_table_id": "rtb", "destination_ipv4": four, "destination_ipv6": six, "destination_list": "", "gateway_id": gateway}
    return {**made, "state": "active", **more}


def test_an_ipv6_address_is_reached_where_its_subnet_answers_by_an_internet_gateway() -> None:
    assert interface(way("igw-1", six="::/0"))["has_public_ipv6"] is True
    assert interface(way("igw-1", six="::/1"), way("igw-1", six="8000::/1"))["has_public_ipv6"] is True
    assert interface(way("none", six="::/0"))["has_public_ipv6"] is False  # an egress-only gateway, or a NAT
    assert interface(way("igw-1", four="0.0.0.0/0"))["has_public_ipv6"] is False
    assert interface(way("igw-1", six="::/0", state="blackhole"))["has_public_ipv6"] is False
    assert interface(way("vpce-1", six="::/0"))["has_public_ipv6"] is None  # a firewall stands between
    assert interface(way("igw-1", six="::/0"), has_ipv6=False)["has_public_ipv6"] is False
    assert interface(way("igw-1", six="::/0"), subnet_id=None)["has_public_ipv6"] is None
    assert interface(way(None, six="::/0"))["has_public_ipv6"] is None
    assert interface(unread=["aws.ec2.route"])["has_public_ipv6"] is None
    assert interface(unread=["aws.ec2.route_table"])["has_public_ipv6"] is None
    assert interface(way("none", six="::/0"), has_public_ipv4=True)["has_public_ipv4"] is True


def test_a_subnet_gives_public_ipv6_addresses_where_it_has_some_and_answers_by_an_internet_gateway() -> None:
    def subnet(*ways: Json, has_ipv6: bool | None = True) -> Any:
        rows = {"s": {"subnet_id": "subnet", "vpc_id": "vpc", "has_ipv6": has_ipv6}}
        tables = {"rtb": {"route_table_id": "rtb", "vpc_id": "vpc", "subnets": ["subnet"], "is_main": False}}
        routes = {str(n): each for n, each in enumerate(ways)}
        made = made_by("public_subnets", "aws.ec2.subnet", rows, aws__ec2__route_table=tables, aws__ec2__route=routes)
        return made["s"]["gives_public_ipv6"]

    assert [subnet(way("igw-1", six="::/0"), has_ipv6=each) for each in (True, False, None)] == [True, False, None]
    assert [subnet(way("none", six="::/0"), has_ipv6=each) for each in (True, False, None)] == [False] * 3


def listener(
    *rules: Json, behind: int | None = 8080, kind: str | None = "ip", forwards: Sequence[Json] = (), unread: Iterable[str] = (), **more: Any
) -> Json:
    row = {
        "load_balancer": "lb",
        "scheme": "internet-facing",
        "protocol": "TCP",
        "port": 80,
        "security_groups": [],
        "action": "forward",
        "target_groups": ["tg"],
        "weighed_groups": [],
        **more,
    }
    tables = {
        **LISTED_ENTRIES,
        RULE: {str(n): each for n, each in enumerate(rules)},
        "aws.elbv2.listener_rule": {str(n): each for n, each in enumerate(forwards)},
        "aws.elbv2.target_group": {
            "tg": {"arn": "tg", "port": behind, "target_type": kind},
            "search": {"arn": "search", "port": 9200, "target_type": "ip"},
        },
    }
    others = {name.replace(".", "__"): given for name, given in tables.items()}
    return made_by("listeners", "aws.elbv2.listener", {"l": row}, unread=unread, **others)["l"]


def forward(*actions: str, to: str = "search", of: str = "l", **more: Any) -> Json:
    made = {
        "listener_arn": of,
        "conditions": ["host-header"],
        "actions": [*actions, "forward"],
        "target_groups": [to],
        "weighed_groups": [],
    }
    return {**made, **more}


def test_a_listener_is_judged_by_its_port_and_the_one_behind_it() -> None:
    assert listener()["opens_databases"] is False
    assert listener(behind=5432)["opens_databases"] is True
    assert listener(target_groups=[""], weighed_groups=["tg"], behind=5432)["opens_databases"] is True
    assert listener(port=5432)["opens_databases"] is True
    assert listener(port=53, protocol="UDP")["opens_amplifiers"] is None
    assert listener(port=5432, scheme="internal")["opens_databases"] is False
    assert listener(rule("93.184.216.0/24", 80), port=80, behind=5432, security_groups=["sg"])["opens_databases"] is False
    assert listener(rule("0.0.0.0/0", 80), port=80, behind=5432, security_groups=["sg"])["opens_databases"] is True
    assert listener(behind=None)["opens_databases"] is None
    assert listener(target_groups=["elsewhere"])["opens_databases"] is None


def test_targets_that_see_who_comes_may_turn_the_world_away_behind_a_balancer_without_groups() -> None:
    for kind in ("instance", "alb", None):
        assert listener(port=5432, kind=kind)["opens_databases"] is None
        assert listener(port=80, kind=kind)["opens_databases"] is False
        assert listener(rule("0.0.0.0/0", 5432), port=5432, kind=kind, security_groups=["sg"])["opens_databases"] is True
    assert listener(port=5432, target_groups=[""])["opens_databases"] is None
    assert listener(port=5432, kind="instance", scheme="internal")["opens_databases"] is False
    unread: list[Json] = [{"target_groups": None, "weighed_groups": ["tg"]}, {"weighed_groups": None}]
    assert [listener(port=5432, **more)["is_public"] for more in unread] == [None, None]  # among those may be one that sees who comes


def test_a_listener_is_judged_by_where_each_of_its_rules_leads() -> None:
    web: Json = {"protocol": "HTTPS", "port": 443, "security_groups": ["sg"]}
    all_come, turned = rule("0.0.0.0/0", 443), {"action": "fixed-response", "target_groups": [], **web}

    def found(*forwards: Json, **more: Any) -> Any:
        return listener(all_come, forwards=forwards, **{**turned, **more})["opens_search_engines"]

    assert found() is False
    assert found(forward()) is True
    assert found(forward(to="tg"), forward(conditions=["path-pattern", "http-header"], target_groups=[], weighed_groups=["search"])) is True
    assert found(forward(of="another")) is False
    assert found(forward(conditions=["host-header", "source-ip"])) is None
    assert found(forward("authenticate-oidc")) is None
    assert found(forward("jwt-validation"), forward()) is True
    assert found(action="authenticate-cognito", target_groups=["search"]) is None
    assert found(action="forward", target_groups=["search"]) is True
    assert [found({**forward(), name: None}) for name in ("conditions", "actions", "target_groups", "weighed_groups")] == [None] * 4
    assert found(action=None, target_groups=["search"]) is None
    assert found(unread=["aws.elbv2.listener_rule"]) is None
    assert found(forward(), unread=["aws.elbv2.listener_rule"]) is True
    assert found(forward(), scheme="internal") is False
    assert listener(behind=5432, protocol="TCP", unread=["aws.elbv2.listener_rule"])["opens_search_engines"] is False  # has none


def test_a_classic_balancer_without_groups_lets_everybody_in() -> None:
    row = {"load_balancer": "lb", "scheme": "internet-facing", "protocol": "TCP", "port": 80, "security_groups": [], "target_port": 5432}
    assert made_by("listeners", "aws.elb.listener", {"l": row})["l"]["opens_databases"] is True


def test_a_listener_whose_protocol_was_not_read_may_have_its_port_by_any() -> None:
    row = listener(port=5432, protocol=None, behind=3306)
    assert (row["is_public"], row["opens_databases"], row["open_lists"], row["target_ports"]) == (None, None, None, ["3306"])
    assert listener(port=5432, protocol=None, scheme="internal")["opens_databases"] is False


def test_an_endpoint_answers_the_world_by_share() -> None:
    def endpoint(public: bool | None, ranges: list[str] | None) -> bool | None:
        rows = {"c": {"name": "c", "has_public_endpoint": public, "public_ranges": ranges}}
        found: bool | None = made_by("cluster_endpoints", "aws.eks.cluster", rows)["c"]["is_open_to_world"]
        return found

    assert [endpoint(True, each) for each in (["0.0.0.0/1", "128.0.0.0/1"], [], ["::/0"], ["64.0.0.0/2"])] == [True] * 4
    assert endpoint(True, ["93.184.216.0/24"]) is False
    assert endpoint(False, ["0.0.0.0/0"]) is False
    assert endpoint(None, ["0.0.0.0/0"]) is None
    assert endpoint(None, ["93.184.216.0/24"]) is False
    assert endpoint(True, None) is None
