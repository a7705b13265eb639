"""The evaluator against one that asks path by path, and the laws that hold whatever the policies say."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.kubernetes.policies.network.evaluate import Network, unread
from cnamm_scan.providers.kubernetes.policies.network.kubernetes import network_policy
from cnamm_scan.providers.kubernetes.policies.network.model import NAME_LABEL, Direction, Level, Pod, Policy
from tests.examples import drawn
from tests.providers.kubernetes.policies.network.naive import End, goes

Json = dict[str, Any]
NAMESPACES = {name: {NAME_LABEL: name, **more} for name, more in (("shop", {"team": "a"}), ("bank", {"team": "b"}), ("door", {}))}
LABELS: tuple[dict[str, str], ...] = ({}, {"app": "web"}, {"app": "db"}, {"app": "db", "tier": "x"}, {"tier": "y"})
ADDRESSES = ("9.9.9.9", "93.184.216.34", "10.1.2.3", "10.200.0.1", "200.1.2.3", "2600:1f00::1", "fd00::5")
PORTS = (("TCP", 53), ("UDP", 53), ("TCP", 80), ("TCP", 443), ("TCP", 444), ("TCP", 5432), ("UDP", 9999), ("SCTP", 7))
CIDRS = ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "93.184.216.0/24", "::/0", "fd00::/8")


def terms(draw: random.Random, keys: tuple[str, ...]) -> Json:
    made: Json = {}
    if draw.random() < 0.5:
        made["matchLabels"] = {draw.choice(keys): draw.choice(("web", "db", "a", "b", "x", "shop"))}
    if draw.random() < 0.4:
        operator = draw.choice(("In", "NotIn", "Exists", "DoesNotExist"))
        values = {"values": draw.sample(["web", "db", "a", "x"], 2)} if operator in ("In", "NotIn") else {}
        made["matchExpressions"] = [{"key": draw.choice(keys), "operator": operator, **values}]
    return made


def peer(draw: random.Random) -> Json:
    if draw.random() < 0.35:
        cidr = draw.choice(CIDRS)
        block: Json = {"cidr": cidr}
        if cidr == "0.0.0.0/0" and draw.random() < 0.5:
            block["except"] = ["10.0.0.0/8", "128.0.0.0/2"]
        return {"ipBlock": block}
    made: Json = {}
    if draw.random() < 0.6:
        made["namespaceSelector"] = terms(draw, ("team", NAME_LABEL))
    if draw.random() < 0.6 or not made:
        made["podSelector"] = terms(draw, ("app", "tier"))
    return made


def port(draw: random.Random) -> Json:
    made: Json = {"protocol": draw.choice(("TCP", "UDP", "SCTP"))} if draw.random() < 0.7 else {}
    if draw.random() < 0.8:
        made["port"] = draw.choice((53, 80, 443, 5432))
        if draw.random() < 0.3:
            made["endPort"] = made["port"] + draw.choice((0, 1, 2000, 60000 - made["port"]))
    return made


def rule(draw: random.Random, peers: str) -> Json:
    made: Json = {}
    if draw.random() < 0.75:
        made[peers] = [peer(draw) for _ in range(draw.randrange(3))]
    if draw.random() < 0.5:
        made["ports"] = [port(draw) for _ in range(draw.randrange(1, 3))]
    return made


def policy(draw: random.Random) -> Json:
    spec: Json = {"podSelector": {} if draw.random() < 0.4 else terms(draw, ("app", "tier"))}
    if draw.random() < 0.6:
        spec["policyTypes"] = draw.choice((["Ingress"], ["Egress"], ["Ingress", "Egress"]))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        if draw.random() < 0.6:
            spec[direction] = [rule(draw, peers) for _ in range(draw.randrange(3))]
    return {"namespace": draw.choice(("shop", "shop", "bank")), "spec": spec}


def network(written: list[Json], *others: Pod, more: tuple[Policy, ...] = ()) -> Network:
    made = [network_policy(str(n), each["namespace"], each["spec"]) for n, each in enumerate(written)]
    return Network([*made, *more], NAMESPACES, others=others)


def pods() -> list[Pod]:
    return [Pod(name, labels, NAMESPACES[name]) for name in NAMESPACES for labels in LABELS]


def end(pod: Pod | str) -> End:
    return End(address=pod) if isinstance(pod, str) else End(pod.namespace, tuple(sorted((pod.labels or {}).items())))


CLUSTERS, PATHS_EACH = 400, 60


@pytest.mark.parametrize("seed", range(8))
def test_path_by_path_both_evaluators_agree(seed: int) -> None:
    draw, tried, passed = random.Random(seed), 0, 0
    for _ in range(CLUSTERS // 8):
        written = [policy(draw) for _ in range(draw.randrange(5))]
        others = pods()
        asked = network(written, *others)
        for _ in range(PATHS_EACH):
            ends: list[Pod | str] = [*others, *ADDRESSES]
            pod, other = draw.choice(others), draw.choice(ends)
            direction, (protocol, number) = draw.choice(list(Direction)), draw.choice(PORTS)
            expected = goes(written, NAMESPACES, end(pod), end(other), direction.value, protocol, number)
            found = asked.admits(pod, direction, other, protocol.lower(), number)
            assert found is expected, (written, pod, other, direction, protocol, number)
            tried, passed = tried + 1, passed + expected
    assert tried == CLUSTERS // 8 * PATHS_EACH
    assert 0.2 * tried < passed < 0.95 * tried  # both answers are tried


@pytest.mark.parametrize("seed", range(4))
def test_the_widest_that_is_told_is_what_the_paths_come_to(seed: int) -> None:
    draw = random.Random(1000 + seed)
    stranger = End("stranger")
    spaces = {**NAMESPACES, "stranger": {NAME_LABEL: "stranger"}}
    for _ in range(120):
        written = [policy(draw) for _ in range(draw.randrange(1, 5))]
        asked = network(written)
        pod, direction = draw.choice(pods()), draw.choice(list(Direction))
        found = asked.reach(pod, direction)
        assert found.least is found.most  # nothing is hidden, nothing unread
        for protocol, number in PORTS:
            if direction is Direction.EGRESS and number == 53:
                continue

            def passes(other: End, protocol: str = protocol, number: int = number, pod: Pod = pod, d: Direction = direction) -> bool:
                return goes(written, spaces, end(pod), other, d.value, protocol, number)  # noqa: B023

            if passes(stranger):
                assert found.least >= Level.CLUSTER
            if passes(End(pod.namespace)):
                assert found.least >= Level.NAMESPACE
            if sum(passes(End(address=f"{n}.77.3.9")) for n in range(1, 224) if n not in (10, 127)) > 40:
                assert found.least is Level.WORLD
            if passes(End(address="93.184.216.34")):
                assert found.least >= Level.BOUNDED
            if passes(End("door", (("app", "db"),))):
                assert found.least >= Level.NAMED


draws = st.integers(0, 1 << 32).map(random.Random)


@settings(max_examples=drawn(60), deadline=None)
@given(draws)
def test_the_order_of_policies_and_rules_never_matters(draw: random.Random) -> None:
    written = [policy(draw) for _ in range(4)]
    turned = [{**each, "spec": {**each["spec"], **{d: each["spec"][d][::-1] for d in ("ingress", "egress") if d in each["spec"]}}}
              for each in written[::-1]]  # fmt: skip
    for pod in pods():
        for direction in Direction:
            assert network(written).reach(pod, direction) == network(turned).reach(pod, direction)


@settings(max_examples=drawn(60), deadline=None)
@given(draws)
def test_one_more_rule_never_narrows_and_one_more_policy_never_opens_what_was_not_isolated(draw: random.Random) -> None:
    written = [policy(draw) for _ in range(3)]
    pod, direction = draw.choice(pods()), draw.choice(list(Direction))
    before = network(written).reach(pod, direction)
    chosen = draw.randrange(3)
    peers = "from" if direction is Direction.INGRESS else "to"
    spec = written[chosen]["spec"]
    if spec.get(direction.value) is not None and spec.get("policyTypes"):
        wider = {**spec, direction.value: [*spec[direction.value], rule(draw, peers)]}
        after = network([*written[:chosen], {**written[chosen], "spec": wider}, *written[chosen + 1 :]]).reach(pod, direction)
        assert after.least >= before.least
    if not before.isolated:
        assert network([*written, policy(draw)]).reach(pod, direction).least <= before.least


@settings(max_examples=drawn(60), deadline=None)
@given(draws)
def test_whatever_hides_turns_out_to_be_was_thought_possible(draw: random.Random) -> None:
    written, turned = [policy(draw) for _ in range(2)], policy(draw)
    for pod in pods()[:6]:
        for direction in Direction:
            truth = network([*written, turned]).reach(pod, direction)
            for doubt in (
                network(written).reach(pod, direction, hidden=True),
                network(written, more=(unread("x", "NetworkPolicy", turned["namespace"]),)).reach(pod, direction),
            ):
                if pod.namespace == turned["namespace"]:
                    assert doubt.least <= truth.least <= truth.most <= doubt.most
                    assert doubt.restricts in (None, truth.restricts)
    for name in NAMESPACES:
        for direction in Direction:
            known = network([*written, turned]).denies(name, direction)
            assert network(written).denies(name, direction, hidden=True) in (None, known)
