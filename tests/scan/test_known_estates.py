"""Estates whose score anyone can foretell, each with a sentence on why it is right: empty, hobby, flawless and failing ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction as F
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan.aggregator.weights import gaps
from cnamm_scan.engine.judge import Judging
from cnamm_scan.engine.load import Facts, open_store
from cnamm_scan.engine.made import Makers
from cnamm_scan.engine.plan import Selection, make_plan
from cnamm_scan.judged.scoring import Judged, rules_of, scored, standing
from cnamm_scan.model import ESTATE_TABLE, Content, Region, Rule, Severity, Tally, Target
from cnamm_scan.providers.catalog import makers
from cnamm_scan.report.data import bounds
from cnamm_scan.report.text import interval
from tests.packs import fact

ACCOUNT = Target("aws:111111111111", "aws", "111111111111")
CLUSTER = Target("kubernetes:home", "kubernetes", "home")
REGIONS = ("eu-west-1", "us-east-1")


@cache
def shipped() -> Content:
    return reader.load()


# ---- an empty account, from facts ------------------------------------------------------------------------------------------


class InMemory:
    """Facts that stand on no disk until they are loaded."""

    size = 0

    def __init__(self, facts: Sequence[Mapping[str, Any]]) -> None:
        self._facts = facts

    def files(self, table: str, folder: Path) -> Generator[list[Path]]:
        own = [each for each in self._facts if each["table"] == table]
        if own:
            file = folder / "facts.jsonl"
            file.write_text("".join(json.dumps(each) + "\n" for each in own))
            yield [file]


def empty_account_facts() -> list[Mapping[str, Any]]:
    """What AWS itself puts into a new account: a root user with a password; in each region a default network and settings as they come."""
    number = ACCOUNT.name

    def row(table: str, region: str, key: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        return fact(table, data, target=ACCOUNT.id, region=region, key=key)

    summary = {"SummaryMap": {"AccountMFAEnabled": 0, "AccountPasswordPresent": 1, "AccountAccessKeysPresent": 0}}
    made = [
        row(ESTATE_TABLE, "global", ACCOUNT.id, {"provider": "aws", "name": number}),
        row("aws.account.account", "global", f"arn:aws:iam::{number}:root", {"Account": number, "summary": summary}),
        row("aws.compute_optimizer.enrollment", "global", "enrollment", {"status": "Inactive"}),
    ]
    for region in REGIONS:
        settings = {
            "EbsEncryptionByDefault": False,
            "snapshot_sharing": {"State": "unblocked"},
            "image_sharing": {"ImageBlockPublicAccessState": "block-new-sharing"},
            "allowed_images": {"State": "disabled"},
            "metadata": {"AccountLevel": {}},
            "vpc_block": {"VpcBlockPublicAccessOptions": {"InternetGatewayBlockMode": "off"}},
            "serial_console": {"SerialConsoleAccessEnabled": False},
        }
        rule = {"GroupId": "sg-1", "IpProtocol": "-1", "FromPort": -1, "ToPort": -1}
        made += [
            row("aws.account.region", region, region, {"name": region, "state": "enabled", "seen": "listed"}),
            row("aws.ec2.region_settings", region, f"settings-{region}", settings),
            row("aws.ecr.registry", region, f"registry-{region}", {"scanningConfiguration": {"scanType": "BASIC", "rules": []}}),
            row("aws.ssm.public_sharing", region, f"sharing-{region}", {"ServiceSetting": {"SettingValue": "Enable"}}),
            row("aws.service_quotas.auto_management", region, f"quotas-{region}", {"OptInStatus": "Disabled"}),
            row("aws.ec2.vpc", region, f"vpc-{region}", {"VpcId": "vpc-1", "IsDefault": True, "OwnerId": number, "$account": number}),
            row(
                "aws.ec2.security_group",
                region,
                f"group-{region}",
                {"GroupId": "sg-1", "GroupName": "default", "VpcId": "vpc-1", "IpPermissions": [rule], "IpPermissionsEgress": [rule]},
            ),
            row(
                "aws.ec2.security_group_rule",
                region,
                f"in-{region}",
                {**rule, "SecurityGroupRuleId": "sgr-1", "IsEgress": False, "ReferencedGroupInfo": {"GroupId": "sg-1"}},
            ),
            row(
                "aws.ec2.security_group_rule",
                region,
                f"out-{region}",
                {**rule, "SecurityGroupRuleId": "sgr-2", "IsEgress": True, "CidrIpv4": "0.0.0.0/0"},
            ),
        ]
    return made


@cache
def empty_account() -> tuple[Tally, ...]:
    """The shipped rules' verdicts on it."""
    plan = make_plan(shipped(), Selection(), ["aws"])
    stored = InMemory(empty_account_facts())
    regions = {ACCOUNT.id: tuple(Region(name, "enabled") for name in REGIONS)}
    facts = Facts(datetime(2026, 1, 1, tzinfo=UTC), stored, plan.describe(), regions, [ACCOUNT])
    store = open_store(shipped(), plan.read_tables, facts, Makers(makers(), [ACCOUNT]))
    try:
        return tuple(Judging(store, plan.rules, [ACCOUNT]).tallies())
    finally:
        store.close()


# ---- the others, by what is in them ----------------------------------------------------------------------------------------


def estate(target: Target, holds: Callable[[Rule], bool], passes: Callable[[Rule], bool]) -> tuple[Tally, ...]:
    """An estate in which rules apply to what it holds, and to what every target has."""
    always = standing(shipped())
    return tuple(
        Tally(rule.id, target.id, pass_=int(passes(rule)), fail=int(not passes(rule)))
        if rule.for_each in always or holds(rule)
        else Tally(rule.id, target.id, not_applicable=1)
        for rule in rules_of(shipped(), [target.provider])
    )


SERVERLESS = frozenset(
    "account apigateway apigatewayv2 cloudfront cloudtrail cloudwatch cognito dynamodb events iam kms lambda logs s3 secretsmanager sns sqs"
    " states wafv2".split()
)
"""The services of an account that runs functions alone: no machine, no container, no network of its own."""
AT_HOME = frozenset({"kubernetes.core.container", "kubernetes.core.pod", "kubernetes.core.namespace", "kubernetes.core.node"})


def serverless() -> tuple[Tally, ...]:
    return estate(ACCOUNT, lambda rule: rule.for_each.split(".")[1] in SERVERLESS, lambda _: True)


def hobby() -> tuple[Tally, ...]:
    """A few containers that are no danger to their node, on a cluster where nobody has set anything up."""
    kept = {Severity.CRITICAL, Severity.HIGH}
    always = standing(shipped())
    return estate(CLUSTER, lambda rule: rule.for_each in AT_HOME, lambda rule: rule.severity in kept and rule.for_each not in always)


def platform() -> tuple[Tally, ...]:
    return estate(CLUSTER, lambda _: True, lambda _: True)


def failing() -> tuple[Tally, ...]:
    return estate(ACCOUNT, lambda _: True, lambda _: False)


def _scored(tallies: Sequence[Tally], target: Target) -> Judged:
    return scored(shipped(), tallies, [target])


@pytest.mark.parametrize(
    ("tallies", "target", "shown"),
    [
        # Nothing is guarded and root has no second factor; what little passes comes so from AWS, and what others may do stays open.
        pytest.param(empty_account, ACCOUNT, "0.0 … 0.2", id="empty account"),
        # Containers are sound and nothing else is: no trail, no backup, no policy, nobody who watches.
        pytest.param(hobby, CLUSTER, "0.2 … 0.4", id="hobby cluster"),
        # All that is there is right, and what is not there takes nothing; one level of its supply chain has no rule for an account.
        pytest.param(serverless, ACCOUNT, "4.9 … 5.0", id="flawless serverless account"),
        # All is right; five levels have no rule for a cluster, and nobody knows what these are.
        pytest.param(platform, CLUSTER, "4.7 … 5.0", id="flawless platform"),
        # Nothing is right.
        pytest.param(failing, ACCOUNT, "0.0", id="fails everything"),
    ],
)
def test_a_known_estate_reads_as_it_is(tallies: Callable[[], tuple[Tally, ...]], target: Target, shown: str) -> None:
    made = _scored(tallies(), target).models[0]
    assert interval(bounds(made.interval)) == shown


def test_an_empty_account_attains_nothing() -> None:
    made = _scored(empty_account(), ACCOUNT).models[0]
    assert made.interval is not None
    assert made.interval.low <= 1
    assert {function.id: function.attained for function in made.functions} == dict.fromkeys((f.id for f in made.functions), 0)


def test_in_an_empty_account_nothing_passes_but_what_was_asked_of_the_account_itself() -> None:
    passing = {tally.rule for tally in empty_account() if tally.pass_}
    assert passing == {"aws.account.root_no_access_keys", "aws.ec2.image_sharing_blocked"}
    made = _scored(empty_account(), ACCOUNT).models[0]
    assert all(function.interval is None or function.interval.high <= 1 for function in made.functions)


@pytest.mark.parametrize(("tallies", "target"), [(serverless, ACCOUNT), (platform, CLUSTER)])
def test_a_flawless_estate_lacks_only_the_levels_that_have_no_rule(tallies: Callable[[], tuple[Tally, ...]], target: Target) -> None:
    missing = {(gap.practice, gap.level) for gap in gaps(shipped().models[0], rules_of(shipped(), [target.provider]))}
    for function in _scored(tallies(), target).models[0].functions:
        for practice in function.practices:
            if practice.interval is not None:
                own = sum(name == practice.id for name, _ in missing)
                assert (practice.interval.low, practice.interval.high) == (F(5 - own), F(5)), practice.id


def test_nine_of_it_beside_a_perfect_one_change_little() -> None:
    perfect = [replace(tally, target="aws:perfect") for tally in estate(ACCOUNT, lambda _: True, lambda _: True)]
    empty = [replace(tally, target=f"aws:{n}") for n in range(9) for tally in empty_account()]
    targets = [Target(name, "aws", name) for name in ("aws:perfect", *(f"aws:{n}" for n in range(9)))]
    judged = scored(shipped(), [*perfect, *empty], targets, ways=False)
    whole = judged.models[0].interval
    assert whole is not None
    assert whole.low >= F(35, 10), judged.weights
    assert judged.weights["aws:perfect"] > 20 * judged.weights["aws:0"]


def test_what_fails_everything_attains_nothing_and_its_roadmap_gains() -> None:
    judged = _scored(failing(), ACCOUNT)
    assert {function.attained for function in judged.models[0].functions} == {0}
    ways = judged.roadmaps["cnamm"].functions
    assert {way.next_level for way in ways} == {1}
    assert all(way.after > 0 for way in ways)
