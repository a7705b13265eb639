"""Network security groups: pairs that differ in one detail, each with what the world then reaches."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.azure.made.networks import _opened
from cnamm_scan.providers.azure.policies.groups import ALL, NOBODY, UNREAD, both, pieces_of, rule_of
from cnamm_scan.providers.ports import LISTS


def rule(access: str, priority: int, source: str | list[str], port: str = "22", **more: Any) -> dict[str, Any]:
    sources = {"sourceAddressPrefixes": source} if isinstance(source, list) else {"sourceAddressPrefix": source}
    said = {"direction": "Inbound", "access": access, "priority": priority, "protocol": "Tcp", "destinationAddressPrefix": "*"}
    return {"name": "r", "properties": {**said, "destinationPortRange": port, **sources, **more}}


def machines(*groups: str) -> dict[str, Any]:
    """Application security groups as a destination; there is no prefix then."""
    return {"destinationAddressPrefix": "", "destinationApplicationSecurityGroups": [{"id": f"/groups/{each}"} for each in groups]}


def group(*rules: dict[str, Any]) -> Any:
    return pieces_of([made for each in rules if (made := rule_of(each)) is not None])


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        (group(), False),
        (group(rule("Allow", 300, "Internet"), rule("Deny", 200, "*", "*", protocol="*")), False),
        (group(rule("Allow", 300, "Internet"), rule("Deny", 400, "*", "*", protocol="*")), True),
        (group(rule("Allow", 300, "VirtualNetwork")), False),
        (group(rule("Allow", 300, "AzureCloud")), False),
        (group(rule("Allow", 300, "0.0.0.0/0", "20-30")), True),
        (group(rule("Allow", 300, "*", "20-21")), False),
        (group(rule("Allow", 300, ["0.0.0.0/1", "128.0.0.0/1"])), True),
        (group(rule("Allow", 300, "198.51.100.7")), False),
        (group(rule("Deny", 200, "0.0.0.0/1"), rule("Allow", 300, "*")), True),
        (group(rule("Deny", 200, ["0.0.0.0/1", "128.0.0.0/1", "::/0"]), rule("Allow", 300, "*")), False),
        # what keeps out one kind of address keeps out no other
        (group(rule("Deny", 200, "::/0"), rule("Allow", 300, "*")), True),
        (group(rule("Deny", 200, "::/0"), rule("Allow", 300, "0.0.0.0/0")), True),
        (group(rule("Deny", 200, "::/0"), rule("Allow", 300, "::/0")), False),
        (group(rule("Deny", 200, "*", destinationAddressPrefix="::/0"), rule("Allow", 300, "*")), True),
        (group(rule("Deny", 200, "*", destinationAddressPrefix="::/0"), rule("Allow", 300, "::/0")), False),
        (group(rule("Allow", 300, "::/0", destinationAddressPrefix="::/0")), True),
        # but 0.0.0.0/0 may be everybody to Azure, and machines may have no IPv6
        (group(rule("Deny", 200, "0.0.0.0/0"), rule("Allow", 300, "*")), None),
        (group(rule("Deny", 200, "0.0.0.0/0"), rule("Allow", 300, "::/0")), None),
        (group(rule("Deny", 200, "0.0.0.0/0"), rule("Allow", 300, "128.0.0.0/1")), False),
        (group(rule("Deny", 200, "0.0.0.0/0"), rule("Allow", 100, "*")), True),
        (group(rule("Deny", 200, ["0.0.0.0/0", "::/0"]), rule("Allow", 300, "*")), False),
        (group(rule("Deny", 200, "0.0.0.0"), rule("Allow", 300, "*")), None),
        (group(rule("Deny", 200, "*", destinationAddressPrefix="0.0.0.0/0"), rule("Allow", 300, "*")), None),
        (group(rule("Deny", 200, "*", destinationAddressPrefix="0.0.0.0/0"), rule("Allow", 300, "64.0.0.0/2")), False),
        (group(rule("Deny", 200, "0.0.0.0/0")), False),
        (group(rule("Allow", 300, "*", protocol="Udp")), False),
        (group(rule("Allow", 300, "*", protocol="*")), True),
        (group(rule("Allow", 300, "*", direction="Outbound")), False),
        (group(rule("Allow", 300, "*", destinationPortRange="", destinationPortRanges=["80", "22"])), True),
        # what keeps out one machine keeps out no other
        (group(rule("Deny", 200, "*", destinationAddressPrefix="10.0.0.4"), rule("Allow", 300, "*")), True),
        (
            group(
                rule("Deny", 200, "*", destinationAddressPrefix="10.0.0.0/24"), rule("Allow", 300, "*", destinationAddressPrefix="10.0.0.4")
            ),
            False,
        ),
        (group(rule("Deny", 200, "*", **machines("a")), rule("Allow", 300, "*", **machines("b"))), True),
        (group(rule("Deny", 200, "*", **machines("a")), rule("Allow", 300, "*", **machines("A"))), False),
        (group(rule("Deny", 200, "*", **machines("a", "b")), rule("Allow", 300, "*", **machines("b"))), False),
        (group(rule("Deny", 200, "*", **machines("a")), rule("Allow", 300, "*", **machines("a", "b"))), True),
        (group(rule("Deny", 200, "*"), rule("Allow", 300, "*", **machines("b"))), False),
        # nor does what keeps out who calls from one port
        (group(rule("Deny", 200, "*", sourcePortRange="53"), rule("Allow", 300, "*")), True),
        (group(rule("Allow", 300, "what is this")), None),
        (group(rule("Allow", 300, "*", "twenty")), None),
        (both(group(rule("Deny", 200, "*")), group(rule("Allow", 300, "*"))), False),
        (both(group(rule("Allow", 200, "*", "3389")), group(rule("Allow", 300, "*", "22"))), False),
        (both(ALL, group(rule("Allow", 300, "*"))), True),
        (both(UNREAD, group(rule("Allow", 300, "*"))), None),
        (both(NOBODY, UNREAD), False),
    ],
)
def test_whether_the_world_gets_to_ssh(pieces: Any, answer: bool | None) -> None:
    found = _opened(pieces)
    assert found["opens_ssh_or_rdp"] is answer
    assert {f"opens_{name}" for name in LISTS} < found.keys()


def test_who_lets_in_all_of_azure_lets_in_strangers() -> None:
    for tag, strangers in (("AzureCloud", True), ("AzureCloud.westeurope", True), ("AzureLoadBalancer", False), ("Storage", False)):
        made = rule_of(rule("Allow", 300, tag))
        assert made is not None
        assert made.admits_azure is strangers
