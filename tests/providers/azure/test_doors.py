"""From how much of the internet a service is reached: lists of networks, ranges of a firewall, and what was not read of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from cnamm_scan.demo.azure.bed.server import AzureBed
from cnamm_scan.providers.azure.made.columns import MAKERS
from cnamm_scan.providers.azure.made.doors import PERIMETER
from cnamm_scan.providers.interface import SeenRow
from tests.azures import ONE, beneath, scan, tenant
from tests.providers.seen import Given

SERVER, RULE = "azure.sql.server", "azure.sql.firewall_rule"
ID = "/subscriptions/s/resourcegroups/g/providers/microsoft.sql/servers/orders"


@dataclass
class Seen(Given):
    """One server, and ranges of its firewall where its kind has some."""

    server: Mapping[str, Any]
    ranges: Sequence[tuple[str | None, str | None]] | None = None

    def __post_init__(self) -> None:
        self.over = (SERVER,)
        self.reads = {SERVER: ["id"], **({} if self.ranges is None else {RULE: ["owner_id", "first", "last"]})}

    def rows(self, table: str) -> Sequence[SeenRow]:
        """The server, or its ranges and one of another server."""
        if table == SERVER:
            values = {"id": ID, "name": "orders", "group": "g", "group_id": "/s/g", "is_public": True, **self.server}
            return [SeenRow("azure:s", "westeurope", ID, "f0", values)]
        own: list[dict[str, Any]] = [{"owner_id": ID, "first": first, "last": last} for first, last in self.ranges or ()]
        rows = [*own, {"owner_id": f"{ID}2", "first": "0.0.0.0", "last": "255.255.255.255"}]
        return [SeenRow("azure:s", "westeurope", f"r{n}", f"f{n + 1}", row) for n, row in enumerate(rows)]


def _door(server: Mapping[str, Any], ranges: Any = None, *, unread: bool = False, by: str = "doors") -> tuple[Any, Any]:
    (made,) = MAKERS[by].make(Seen(server, ranges, unseen=frozenset({RULE} if unread else ())))
    assert set(made.values) == set(MAKERS["doors"].columns)
    return made.values["openness"], made.values["admits_azure"]


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ([], ("none", False)),
        ([("0.0.0.0", "0.0.0.0")], ("none", True)),
        ([("0.0.0.0", "255.255.255.255")], ("world", False)),
        ([("0.0.0.0", "127.255.255.255"), ("128.0.0.0", "255.255.255.255")], ("world", False)),
        ([("1.0.0.0", "126.255.255.255")], ("world", False)),
        ([("81.2.69.142", "81.2.69.143")], ("bounded", False)),
        ([("52.0.0.0", "53.255.255.255")], ("wide", False)),
        ([("10.0.0.0", "10.255.255.255")], ("private", False)),
        ([("81.2.69.143", "81.2.69.142")], (None, None)),
        ([(None, None)], (None, None)),
        ([(None, None), ("0.0.0.0", "0.0.0.0")], (None, True)),
        ([(None, None), ("0.0.0.0", "255.255.255.255")], ("world", None)),
    ],
)
def test_ranges_of_a_firewall_are_taken_together(ranges: Any, expected: Any) -> None:
    assert _door({}, ranges) == expected


def test_ranges_that_were_not_read_leave_open_what_they_could_turn() -> None:
    assert _door({}, [], unread=True) == (None, None)
    assert _door({}, [("0.0.0.0", "255.255.255.255")], unread=True) == ("world", None)
    assert _door({"is_public": False}, [], unread=True) == ("none", False)
    assert _door({"is_public": None}, []) == (None, None)


def test_a_service_that_is_open_without_a_rule_is_closed_by_its_first() -> None:
    by = "doors_open_by_default"
    assert _door({}, [], by=by) == ("world", False)
    assert _door({}, [("81.2.69.142", "81.2.69.142")], by=by) == ("bounded", False)
    assert _door({}, [], unread=True, by=by) == (None, None)
    assert _door({"is_public": False}, [], by=by) == ("none", False)


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({"is_filtered": False, "addresses": []}, "world"),
        ({"is_filtered": False, "addresses": None}, "world"),
        ({"is_filtered": True, "addresses": []}, "none"),
        ({"is_filtered": True, "addresses": ["81.2.69.142", "10.0.0.0/8"]}, "bounded"),
        ({"is_filtered": True, "addresses": ["0.0.0.0/1", "128.0.0.0/1"]}, "world"),
        ({"is_filtered": True, "addresses": ["0.0.0.0/0", "SomeTag"]}, "world"),
        ({"is_filtered": True, "addresses": ["81.2.69.142", "SomeTag"]}, None),
        ({"is_filtered": True, "addresses": None}, None),
        ({"is_filtered": None, "addresses": []}, None),
        ({"is_filtered": None, "addresses": ["0.0.0.0/0"]}, "world"),
        ({"is_public": False, "is_filtered": False, "addresses": None}, "none"),
        ({"is_public": None, "is_filtered": False, "addresses": []}, None),
    ],
)
def test_a_list_of_networks_counts_where_something_filters_by_it(server: Any, expected: Any) -> None:
    assert _door(server)[0] == expected


def test_all_of_azure_may_stand_in_a_list_too() -> None:
    assert _door({"is_filtered": True, "addresses": ["0.0.0.0", "81.2.69.142"]}) == ("bounded", True)
    assert _door({"is_filtered": True, "addresses": ["0.0.0.0/0"]}) == ("world", False)
    assert _door({"is_filtered": True, "addresses": ["2001:500:88::/48"]}) == ("bounded", False)


@dataclass
class Fenced(Seen):
    """The same with a perimeter around it, or around something else."""

    mode: str | None = None
    around: str | None = ID

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reads = {**self.reads, PERIMETER: ["resource_id", "mode"]}

    def rows(self, table: str) -> Sequence[SeenRow]:
        """One association, or what there is beside it."""
        row = SeenRow("azure:s", "global", "p", "fp", {"resource_id": self.around, "mode": self.mode})
        return [row] if table == PERIMETER else super().rows(table)


@pytest.mark.parametrize(
    ("mode", "around", "unread", "ranges", "expected"),
    [
        ("Enforced", ID, False, [("0.0.0.0", "255.255.255.255")], (None, None)),  # by its access rules, which are not read
        ("Enforced", ID, False, [("81.2.69.142", "81.2.69.143")], (None, None)),
        ("Learning", ID, False, [("0.0.0.0", "255.255.255.255"), ("0.0.0.0", "0.0.0.0")], ("world", True)),
        ("Learning", ID, False, [("81.2.69.142", "81.2.69.143")], (None, None)),  # and whom its access rules admit
        ("Enforced", f"{ID}2", False, [("0.0.0.0", "255.255.255.255")], ("world", False)),
        (None, ID, False, [("0.0.0.0", "255.255.255.255")], (None, None)),
        ("Learning", ID, True, [("0.0.0.0", "255.255.255.255")], (None, None)),
        ("Audit", ID, False, [("81.2.69.142", "81.2.69.143")], (None, None)),
        ("Learning", f"{ID}2", False, [("81.2.69.142", "81.2.69.143")], ("bounded", False)),
        ("Enforced", None, False, [("81.2.69.142", "81.2.69.143")], (None, None)),
    ],
)
def test_a_perimeter_admits_beside_the_firewall_and_enforced_in_its_place(
    mode: Any, around: str | None, unread: bool, ranges: Any, expected: Any
) -> None:
    (made,) = MAKERS["doors"].make(Fenced({}, ranges, unseen=frozenset({PERIMETER} if unread else ()), mode=mode, around=around))
    assert (made.values["openness"], made.values["admits_azure"]) == expected
    (closed,) = MAKERS["doors"].make(Fenced({"is_public": False}, ranges, mode=mode, around=around))
    of_another = around not in (ID, None)
    assert (closed.values["openness"], closed.values["admits_azure"]) == (("none", False) if of_another else (None, None))


@pytest.mark.parametrize(("service", "kind"), [("eventhub", "EventHub"), ("servicebus", "ServiceBus")])
@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ({"defaultAction": "Deny", "ipRules": [], "virtualNetworkRules": []}, "unknown"),  # with no rule at all it may ask nobody
        ({"defaultAction": "Deny", "ipRules": [{"ipMask": "81.2.69.142", "action": "Allow"}]}, "pass_"),
        ({"defaultAction": "Deny", "virtualNetworkRules": [{"subnet": {"id": f"/subscriptions/{ONE}/x"}}]}, "pass_"),
        ({"defaultAction": "Allow", "ipRules": []}, "fail"),
    ],
)
def test_a_namespace_that_refuses_and_names_nobody_is_not_taken_for_closed(
    service: str, kind: str, said: Mapping[str, Any], verdict: str
) -> None:
    id_ = f"/subscriptions/{ONE}/resourceGroups/rg/providers/Microsoft.{kind}/namespaces/orders"
    space = {"id": id_, "location": "West Europe", "sku": {"name": "Premium"}, "properties": {"publicNetworkAccess": "Enabled"}}
    rule = f"azure.{service}.namespace_network_is_limited"
    with AzureBed(tenant(space, beneath(space, "networkRuleSets/default", properties=said))) as bed, scan(bed, rules=[rule]) as done:
        found = {each: sum(getattr(tally, each) for tally in done.tallies if tally.rule == rule) for each in ("pass_", "fail", "unknown")}
    assert found == {"pass_": 0, "fail": 0, "unknown": 0, verdict: 1}


ANY = {"ipAddress": "Any", "priority": 2147483647, "name": "rest"}
REFUSED = [{**ANY, "action": "Deny"}]


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ({"ipSecurityRestrictionsDefaultAction": "Deny", "ipSecurityRestrictions": REFUSED}, "pass_"),
        ({"ipSecurityRestrictions": [{"ipAddress": "81.2.69.142/32", "action": "Allow", "tag": "Default"}, *REFUSED]}, "unknown"),
        ({"ipSecurityRestrictionsDefaultAction": "Allow", "ipSecurityRestrictions": [{**ANY, "action": "Allow"}]}, "fail"),
        *(
            (
                {
                    "ipSecurityRestrictionsDefaultAction": "Deny",
                    "ipSecurityRestrictions": [{"ipAddress": address, "action": "Allow", "tag": tag, "name": "Deny"}, *REFUSED],
                },
                verdict,
            )
            for address, tag, verdict in [
                ("81.2.69.142/32,81.2.69.144/32", "Default", "pass_"),
                ("0.0.0.0/0", "Default", "fail"),
                ("0.0.0.0/1, 128.0.0.0/1", "Default", "fail"),
                ("AzureFrontDoor.Backend", "ServiceTag", "pass_"),
                ("AzureCloud", "ServiceTag", "unknown"),  # the machines of every customer
            ]
        ),
    ],
)
def test_restrictions_that_admit_the_world_refuse_nobody(said: Mapping[str, Any], verdict: str) -> None:
    id_ = f"/subscriptions/{ONE}/resourceGroups/rg/providers/Microsoft.Web/sites/hooks"
    site = {"id": id_, "location": "West Europe", "kind": "functionapp", "properties": {"publicNetworkAccess": "Enabled"}}
    binding = {"type": "httpTrigger", "authLevel": "anonymous"}
    function = beneath(site, "functions/pay", properties={"config": {"bindings": [binding]}})
    rule = "azure.web.function_wants_a_caller"
    things = (site, beneath(site, "config/web", properties=said), beneath(site, "config/authsettingsV2", properties={}), function)
    with AzureBed(tenant(*things)) as bed, scan(bed, rules=[rule]) as done:
        found = {each: sum(getattr(tally, each) for tally in done.tallies if tally.rule == rule) for each in ("pass_", "fail", "unknown")}
    assert found == {"pass_": 0, "fail": 0, "unknown": 0, verdict: 1}
