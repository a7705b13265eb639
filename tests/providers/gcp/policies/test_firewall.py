"""Firewalls of a VPC network: pairs that differ in one detail, each with what the world then reaches; and the law, packet by packet."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.first_match import opened_by
from cnamm_scan.providers.gcp.policies.firewall import Machine, Tier, ordered, pieces_of, policy_rule, vpc_rule
from tests import examples

Json = dict[str, Any]
WORLD = ["0.0.0.0/0"]
BASE: Json = {
    "direction": "INGRESS",
    "priority": 1000,
    "is_disabled": False,
    "allowed": [],
    "denied": [],
    "source_ranges": WORLD,
    "source_tags": [],
    "source_accounts": [],
    "destination_ranges": [],
    "target_tags": [],
    "target_accounts": [],
}
SSH = [{"IPProtocol": "tcp", "ports": ["22"]}]
NETWORK = "projects/p/global/networks/n"
PLAIN = Machine(network=NETWORK)


def allow(priority: int | None = 1000, **more: Any) -> Json:
    return {**BASE, "priority": priority, "allowed": SSH, **more}


def deny(priority: int | None = 1000, **more: Any) -> Json:
    return {**BASE, "priority": priority, "denied": SSH, **more}


def policy(action: str, priority: int = 100, sources: Sequence[str] = WORLD, **more: Any) -> Json:
    """A rule of a firewall policy."""
    match = {"srcIpRanges": list(sources), "layer4Configs": [{"ipProtocol": "tcp", "ports": ["22"]}], **more.pop("match", {})}
    return {"priority": priority, "action": action, "direction": "INGRESS", "match": match, **more}


def vpc(*rules: Json, machine: Machine = PLAIN) -> Tier:
    return ordered(vpc_rule(each, machine) for each in rules)


def tier(*rules: Json, machine: Machine = PLAIN) -> Tier:
    return ordered(policy_rule(each, machine) for each in rules)


def opens(*tiers: Tier) -> bool | None:
    """Whether the world gets to SSH."""
    return opened_by(pieces_of(tiers))[1]


TAGGED = Machine(frozenset({"bastion"}), frozenset(), NETWORK)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (opens(vpc()), False),
        (opens(vpc(allow())), True),
        (opens(vpc(allow(1000), deny(900))), False),
        (opens(vpc(allow(1000), deny(1000))), False),
        (opens(vpc(allow(1000), deny(1100))), True),
        (opens(vpc(allow(is_disabled=True))), False),
        (opens(vpc(allow(1000), deny(900, is_disabled=True))), True),
        (opens(vpc(allow(direction="EGRESS"))), False),
        (opens(vpc(allow(source_ranges=["0.0.0.0/1", "128.0.0.0/1"]))), True),
        (opens(vpc(allow(source_ranges=["0.0.0.0/1"]), allow(source_ranges=["128.0.0.0/1"]))), True),
        (opens(vpc(allow(source_ranges=["198.51.100.0/24"]))), False),
        (opens(vpc(allow(source_ranges=["::/0"]))), True),
        (opens(vpc(allow(), deny(900, source_ranges=["::/0"]))), True),
        # no source at all is every IPv4 address; a tag or an account is a machine inside
        (opens(vpc(allow(source_ranges=[]))), True),
        (opens(vpc(allow(source_ranges=[], source_tags=["a"]))), False),
        (opens(vpc(allow(source_ranges=[], source_accounts=["a"]))), False),
        (opens(vpc(allow(source_ranges=WORLD, source_tags=["a"]))), True),
        (opens(vpc(allow(), deny(900, source_ranges=[], source_tags=["a"]))), True),
        # protocols and ports
        (opens(vpc(allow(allowed=[{"IPProtocol": "tcp"}]))), True),
        (opens(vpc(allow(allowed=[{"IPProtocol": "all"}]))), True),
        (opens(vpc(allow(allowed=[{"IPProtocol": "6", "ports": ["20-30"]}]))), True),
        (opens(vpc(allow(allowed=[{"IPProtocol": "udp", "ports": ["22"]}]))), False),
        (opens(vpc(allow(allowed=[{"IPProtocol": "icmp"}]))), False),
        (opens(vpc(allow(allowed=[{"IPProtocol": "xyz"}]))), None),
        (opens(vpc(allow(allowed=[{"IPProtocol": "tcp", "ports": ["80", "3389"]}]))), True),
        (opens(vpc(allow(), deny(900, denied=[{"IPProtocol": "udp"}]))), True),
        (opens(vpc(allow(), deny(900, denied=[{"IPProtocol": "all"}]))), False),
        # targets
        (opens(vpc(allow(target_tags=["bastion"]))), False),
        (opens(vpc(allow(target_tags=["bastion"]), machine=TAGGED)), True),
        (opens(vpc(allow(), deny(900, target_tags=["bastion"]), machine=TAGGED)), False),
        (opens(vpc(allow(), deny(900, target_tags=["bastion"]))), True),
        (opens(vpc(allow(target_tags=["bastion"]), machine=Machine(None, frozenset(), NETWORK))), None),
        (opens(vpc(allow(target_accounts=["a@p"]), machine=Machine(frozenset(), frozenset({"a@p"}), NETWORK))), True),
        (opens(vpc(allow(target_accounts=["a@p"]))), False),
        (opens(vpc(allow(destination_ranges=["10.0.0.4"]))), None),
        # what was not read
        (opens(vpc(allow(is_disabled=None))), None),
        (opens(vpc(allow(), deny(900, is_disabled=None))), None),
        (opens(vpc(allow(), deny(1100, is_disabled=None))), True),
        (opens(vpc(allow(), deny(900, denied=None))), None),
        (opens(vpc(allow(priority=None))), None),
        (opens(None), None),
        # policies, one behind the other
        (opens(tier(policy("deny")), vpc(allow())), False),
        (opens(tier(policy("goto_next")), vpc(allow())), True),
        (opens(tier(policy("goto_next", 100), policy("deny", 200)), vpc(allow())), True),
        (opens(tier(policy("allow")), vpc(deny(10))), True),
        (opens(tier(policy("allow", disabled=True)), vpc()), False),
        (opens(tier(policy("goto_next")), vpc()), False),
        (opens(tier(policy("deny", 100), policy("allow", 50)), vpc()), True),
        (opens(tier(policy("apply_security_profile_group")), vpc(deny(10))), None),
        (opens(None, vpc(allow())), None),
        (opens(None, vpc()), None),
        (opens(tier(policy("deny")), None), None),  # IPv6, and port 3389
        (opens(tier(policy("deny", sources=["0.0.0.0/0", "::/0"], match={"layer4Configs": [{"ipProtocol": "all"}]})), None), False),
        (opens(tier(policy("allow")), None), True),
        (opens(vpc(allow()), None), True),
        (opens(vpc(deny(denied=[{"IPProtocol": "all"}], source_ranges=["0.0.0.0/0", "::/0"])), None), False),
        (opens(tier(policy("deny", targetResources=[f"https://www.googleapis.com/compute/v1/{NETWORK}"])), vpc(allow())), False),
        (opens(tier(policy("deny", targetResources=["projects/p/global/networks/other"])), vpc(allow())), True),
        (opens(tier(policy("deny", targetServiceAccounts=["a@p"])), vpc(allow())), True),
        (opens(tier(policy("deny", targetSecureTags=[{"name": "tagValues/1"}])), vpc(allow())), None),
        (opens(tier(policy("allow", targetSecureTags=[{"name": "tagValues/1"}])), vpc()), None),
        (opens(tier(policy("deny", targetType="INTERNAL_MANAGED_LB")), vpc(allow())), True),
        (opens(tier(policy("allow", sources=[], match={"srcSecureTags": [{"name": "tagValues/1"}]})), vpc()), False),
        (opens(tier(policy("allow", sources=[], match={"srcRegionCodes": ["DE"]})), vpc()), None),
        (opens(tier(policy("deny", sources=[], match={"srcThreatIntelligences": ["iplist-tor"]})), vpc(allow())), None),
        (opens(tier(policy("allow", match={"srcNetworkContext": "INTRA_VPC"})), vpc()), False),
        (opens(tier(policy("allow", match={"destIpRanges": ["10.0.0.4"]})), vpc()), None),
        (opens(tier(policy("allow", match={"layer4Configs": [{"ipProtocol": "all"}]})), vpc()), True),
    ],
)
def test_whether_the_world_gets_to_ssh(found: bool | None, answer: bool | None) -> None:
    assert found is answer


# ---- the law: tier by tier, rule by rule, packet by packet ------------------------------------------------------------------

QUARTERS = ("20.0.0.1", "90.0.0.1", "150.0.0.1", "210.0.0.1")
"""One address out of each quarter of IPv4: who lets in all four lets in the world."""
SOURCES = ("0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "198.51.100.7/32")
ACTIONS = ("allow", "deny", "goto_next")


def _is_from(ranges: Sequence[str], source: str) -> bool:
    return any(ip_address(source) in ip_network(each) for each in ranges)


def admits(tiers: Sequence[Sequence[tuple[int, str, Sequence[str], bool]]], source: str) -> bool:
    """Whether a packet gets through, of a stranger to port 22."""
    for rules in tiers:
        for _, action, ranges, is_here in sorted(rules, key=lambda each: (each[0], each[1] == "allow")):
            if is_here and _is_from(ranges, source):
                if action != "goto_next":
                    return action == "allow"
                break
    return False


@st.composite
def rules(draw: st.DrawFn, actions: Sequence[str]) -> list[tuple[int, str, list[str], bool]]:
    made = []
    for _ in range(draw(st.integers(0, 4))):
        ranges = draw(st.lists(st.sampled_from(SOURCES), min_size=1, max_size=2, unique=True))
        made.append((draw(st.integers(1, 4)), draw(st.sampled_from(actions)), ranges, draw(st.booleans())))
    priorities = {each[0] for each in made}
    if "goto_next" in actions:  # of a policy's rules no two have one priority
        made = [next(each for each in made if each[0] == priority) for priority in sorted(priorities)]
    return made


@settings(max_examples=examples.drawn(600))
@given(rules(ACTIONS), rules(("allow", "deny")), rules(ACTIONS))
def test_what_is_said_is_what_packets_meet(
    above: list[tuple[int, str, list[str], bool]],
    own: list[tuple[int, str, list[str], bool]],
    after: list[tuple[int, str, list[str], bool]],
) -> None:
    made = [
        tier(*(policy(action, priority, ranges, disabled=not is_here) for priority, action, ranges, is_here in above)),
        vpc(
            *(
                (allow if action == "allow" else deny)(priority, source_ranges=ranges, target_tags=[] if is_here else ["other"])
                for priority, action, ranges, is_here in own
            )
        ),
        tier(
            *(
                policy(action, priority, ranges, targetServiceAccounts=[] if is_here else ["x@p"])
                for priority, action, ranges, is_here in after
            )
        ),
    ]
    whole = (above, own, after)
    answer = any(admits(whole, each) for each in QUARTERS) or admits(whole, "2001:4860::1")
    assert opens(*made) is answer
    for at in range(3):  # one of the tiers was not read: what is still said is so
        assert opens(*(None if n == at else each for n, each in enumerate(made))) in (None, answer)
