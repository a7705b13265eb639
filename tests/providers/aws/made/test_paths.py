"""What was not read of routes and network ACLs shuts nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cnamm_scan.providers.aws.made.paths import ACL, ACL_ENTRY, ROUTE, ROUTE_TABLE, SUBNET, Paths
from cnamm_scan.providers.openness import Openness, judge
from cnamm_scan.providers.ports import ALL_PORTS
from tests.providers.aws.made.test_trails import TARGET, Seen

PLACE = (TARGET, "r1")


def seen(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> Seen:
    """Tables of one region, read whole."""
    return Seen({name: [("r1", row) for row in rows] for name, rows in tables.items()}, reads=dict.fromkeys(tables, ()))


def entry(**said: Any) -> Mapping[str, Any]:
    every = {"cidr_ipv4": "0.0.0.0/0", "cidr_ipv6": "", "protocol": "-1", "from_port": -1, "to_port": -1}
    return {"acl_id": "acl", "is_egress": False, "number": 100, "action": "allow", **every, **said}


def acl(*entries: Mapping[str, Any]) -> Paths:
    return Paths(seen({ACL: [{"acl_id": "acl", "subnets": ["s"]}], ACL_ENTRY: entries}))


def test_a_rule_that_refuses_everybody_does() -> None:
    through = acl(entry(action="deny", number=1), entry()).let_in(*PLACE, "s", ALL_PORTS)
    assert judge(through.possible) is Openness.NONE


@pytest.mark.parametrize("column", ["protocol", "from_port", "to_port", "number", "action", "cidr_ipv4", "cidr_ipv6"])
def test_a_rule_that_was_not_read_whole_refuses_nobody(column: str) -> None:
    through = acl(entry(**{"action": "deny", "number": 1, column: None}), entry()).let_in(*PLACE, "s", ALL_PORTS)
    assert judge(through.possible) is Openness.WORLD


@pytest.mark.parametrize(("own", "expected"), [(["s"], True), ([], False), (None, None)])
def test_a_route_table_that_does_not_say_whose_it_is_may_be_a_subnets(own: list[str] | None, expected: bool | None) -> None:
    tables: list[Mapping[str, Any]] = [{"route_table_id": "main", "vpc_id": "v", "is_main": True, "subnets": []}]
    tables.append({"route_table_id": "out", "vpc_id": "v", "is_main": False, "subnets": own})
    way = {"destination_ipv4": "0.0.0.0/0", "destination_ipv6": "", "destination_list": "", "state": "active", "gateway_id": "igw-1"}
    told: Mapping[str, Sequence[Mapping[str, Any]]] = {
        SUBNET: [{"subnet_id": "s", "vpc_id": "v"}],
        ROUTE_TABLE: tables,
        ROUTE: [{"route_table_id": "out", **way}],
    }
    routed = judge(Paths(seen(told)).answers(*PLACE, "s").possible) is Openness.WORLD
    assert routed is (expected is not False)
    assert (judge(Paths(seen(told)).answers(*PLACE, "s").sure) is Openness.WORLD) is (expected is True)
