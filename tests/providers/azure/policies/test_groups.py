"""Network security groups: pairs that differ in one detail, each with what the world then reaches."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.azure.made.networks import _opened
from cnamm_scan.providers.azure.policies.groups import ALL, NOBODY, UNREAD, both, pieces_of, rule_of
from cnamm_scan.providers.ports import LISTS
from tests import examples


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
        (group(rule("Deny", 200, "0.0.0.0/0"), rule("Allow", 300, "0.0.0.0/0")), False),
        (group(rule("Deny", 200, "/0"), rule("Allow", 300, "Internet")), None),
        (group(rule("Deny", 200, ["0.0.0.0/1", "128.0.0.0/1"]), rule("Allow", 300, "Internet")), True),
        (group(rule("Deny", 200, ["0.0.0.0/1", "128.0.0.0/1"]), rule("Allow", 300, "0.0.0.0/0")), None),
        (group(rule("Deny", 200, ["::/1", "8000::/1"]), rule("Allow", 300, "Internet")), True),
        (group(rule("Deny", 200, "0:0::/0"), rule("Allow", 300, ["10.0.0.0/8", "Any"])), True),
        (group(rule("Deny", 200, "*", destinationAddressPrefix="0::/0"), rule("Allow", 300, "*")), True),
        (
            group(
                rule("Deny", 200, "*", destinationAddressPrefix="", destinationAddressPrefixes=["::/0", "10.0.0.4"]),
                rule("Allow", 300, "*"),
            ),
            True,
        ),
        (
            group(
                rule("Deny", 200, "*", destinationAddressPrefix="", destinationAddressPrefixes=["::/0", "0.0.0.0/0"]),
                rule("Allow", 300, "*"),
            ),
            False,
        ),
        (group(rule("Deny", 200, "*", destinationAddressPrefix="VirtualNetwork"), rule("Allow", 300, "*")), False),
        # a tag, however wide, is not everybody
        (group(rule("Deny", 200, "AzureCloud"), rule("Allow", 300, "*")), True),
        (group(rule("Deny", 200, "VirtualNetwork"), rule("Allow", 300, "*")), True),
        (group(rule("Deny", 200, "Internet"), rule("Allow", 300, "*")), False),
        (group(rule("Deny", 200, "*"), rule("Allow", 300, "Internet")), False),
        (group(rule("Deny", 200, "", sourceApplicationSecurityGroups=[{"id": "/a"}]), rule("Allow", 300, "*")), True),
        (group(rule("Allow", 300, "", sourceApplicationSecurityGroups=[{"id": "/a"}])), False),
        # nor is one protocol, or one port, every one
        (group(rule("Deny", 200, "*", protocol="Udp"), rule("Allow", 300, "*", protocol="*")), True),
        (group(rule("Deny", 200, "*", protocol="Icmp"), rule("Allow", 300, "*", protocol="*")), True),
        (group(rule("Deny", 200, "*", protocol="*"), rule("Allow", 300, "*", protocol="TCP")), False),
        (group(rule("Deny", 200, "*", "23"), rule("Allow", 300, "*", "20-30")), True),
        (group(rule("Deny", 200, "*", "20-30"), rule("Allow", 300, "*", "*")), True),
        (group(rule("Allow", 300, "*", protocol="6")), None),
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
        (group(rule("Deny", 200, "*", sourcePortRanges=["0-1023", "1024-65534"]), rule("Allow", 300, "*")), True),
        (group(rule("Deny", 200, "*", sourcePortRanges=["0-65535"]), rule("Allow", 300, "*")), False),
        (group(rule("Allow", 300, "*", sourcePortRange="53")), True),
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


@pytest.mark.parametrize(
    "odd",
    [
        {"access": "Perhaps"},
        {"direction": ""},
        {"sourceAddressPrefix": ""},
        {"destinationAddressPrefix": ""},
        {"destinationApplicationSecurityGroups": ["a"]},
        {"priority": None},
    ],
)
def test_what_is_no_rule_is_not_read_as_one(odd: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        rule_of(rule("Deny", 200, "*", **odd))


# ---- the law: first match, packet by packet ------------------------------------------------------------------------------

QUARTERS = ("20.0.0.1", "90.0.0.1", "150.0.0.1", "210.0.0.1")
"""One address out of each quarter of IPv4: who lets in all four lets in the world."""
MACHINES = ({"10.0.0.4", "fd00::4", "/groups/a"}, {"10.0.0.5", "fd00::5", "/groups/b"})
SOURCES = ("*", "Internet", "0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "VirtualNetwork", "AzureCloud", "198.51.100.7")
WHERE: tuple[dict[str, Any], ...] = (
    *({"destinationAddressPrefix": each} for each in ("*", "VirtualNetwork", "0.0.0.0/0", "::/0", "10.0.0.4", "10.0.0.0/24", "fd00::/64")),
    {"destinationAddressPrefix": "", "destinationAddressPrefixes": ["::/0", "10.0.0.5"]},
    *(machines(*each) for each in ("a", "b", "ab")),
)
FROM: tuple[dict[str, Any], ...] = ({"sourcePortRange": "*"}, {"sourcePortRange": "53"}, {"sourcePortRanges": ["0-65535"]})


def holds(prefix: str, address: str, reads_all: bool) -> bool:
    """Whether a source or a destination is for an address; `reads_all`: Azure takes 0.0.0.0/0 for everybody."""
    if prefix in ("*", "Internet") or (reads_all and prefix == "0.0.0.0/0"):
        return True
    return prefix[0].isdigit() | (":" in prefix) and ip_address(address) in ip_network(prefix)


def admits(rules: list[dict[str, Any]], source: str, machine: set[str], reads_all: bool) -> bool:
    """Whether a packet from a high port of a stranger gets to port 22 of a machine."""
    own = next(each for each in machine if each[0] != "/" and (":" in each) == (":" in source))
    for each in sorted((each["properties"] for each in rules), key=lambda each: each["priority"]):
        prefixes = [each["destinationAddressPrefix"], *each.get("destinationAddressPrefixes", ())]
        groups = {one["id"] for one in each.get("destinationApplicationSecurityGroups", ())}
        is_here = "VirtualNetwork" in prefixes or groups & machine or any(holds(one, own, reads_all) for one in prefixes if one)
        is_from = any(holds(one, source, reads_all) for one in each["sourceAddressPrefixes"])
        is_port = each["destinationPortRange"] in ("22", "*", "20-30") and each["protocol"] in ("Tcp", "*")
        if is_here and is_from and is_port and each.get("sourcePortRange") != "53":
            return bool(each["access"] == "Allow")
    return False


@st.composite
def groups(draw: st.DrawFn) -> list[dict[str, Any]]:
    return [
        rule(
            draw(st.sampled_from(("Allow", "Deny"))),
            100 + number,
            draw(st.lists(st.sampled_from(SOURCES), min_size=1, max_size=2, unique=True)),
            draw(st.sampled_from(("22", "20-30", "*", "*", "23"))),
            protocol=draw(st.sampled_from(("Tcp", "Tcp", "*", "*", "Udp", "Icmp"))),
            **draw(st.sampled_from(WHERE)),
            **draw(st.sampled_from(FROM)),
        )
        for number in range(draw(st.integers(2, 4)))
    ]


@settings(max_examples=examples.drawn(600))
@given(groups())
def test_what_the_world_gets_to_never_passes(rules: list[dict[str, Any]]) -> None:
    answers = [
        any(
            all(admits(rules, each, machine, reads_all) for each in QUARTERS) or admits(rules, "2001:db8::1", machine, reads_all)
            for machine in MACHINES
        )
        for reads_all in (False, True)
    ]
    found = _opened(group(*rules))["opens_ssh_or_rdp"]
    assert found is not False or answers == [False, False]


def test_who_lets_in_all_of_azure_lets_in_strangers() -> None:
    for tag, strangers in (("AzureCloud", True), ("AzureCloud.westeurope", True), ("AzureLoadBalancer", False), ("Storage", False)):
        made = rule_of(rule("Allow", 300, tag))
        assert made is not None
        assert made.admits_azure is strangers
