"""An organisation scanned from its top: policies spelled as people spell them, and what happens where they may not be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.demo.aws.bed.proxy import Fault, FaultProxy
from tests.conftest import MakeClient

Json = Any
RULES = [
    f"aws.organizations.{name}"
    for name in (
        "leaving_denied",
        "access_keys_denied",
        "trails_cannot_be_stopped",
        "regions_limited_everywhere",
        "location_declared",
        "guardrail_reaches_all",
    )
]
NOT_SEEN = "unknown"
"""What a rule says that only one region is asked for: an organisation's trail, which members cannot touch, may stand in another."""


class Organisation:
    """A management account, one unit and two members: one in the unit, one under the root."""

    def __init__(self, client: MakeClient, url: str) -> None:
        self.org = client("organizations", url)
        self.org.create_organization(FeatureSet="ALL")
        self.root = self.org.list_roots()["Roots"][0]["Id"]
        self.org.enable_policy_type(RootId=self.root, PolicyType="SERVICE_CONTROL_POLICY")
        self.unit = self.org.create_organizational_unit(ParentId=self.root, Name="work")["OrganizationalUnit"]["Id"]
        made = [self.org.create_account(Email=f"{name}@example.com", AccountName=name) for name in ("shop", "lab")]
        self.members = [each["CreateAccountStatus"]["AccountId"] for each in made]
        self.org.move_account(AccountId=self.members[0], SourceParentId=self.root, DestinationParentId=self.unit)

    def attach(self, name: str, statements: list[Json], place: str) -> None:
        content = json.dumps({"Version": "2012-10-17", "Statement": statements})
        made = self.org.create_policy(Content=content, Description=name, Name=name, Type="SERVICE_CONTROL_POLICY")
        self.org.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=place)


@pytest.fixture
def organisation(client: MakeClient, fresh_moto: str) -> Organisation:
    return Organisation(client, fresh_moto)


def verdicts(url: str) -> dict[str, str]:
    with api.scan(["aws"], rules=RULES, options=api.TargetOptions(endpoint_url=url), regions=["us-east-1"]) as done:
        return {result.rule.rpartition(".")[2]: result.verdict.value for result in done.results()}


ELSEWHERE = {"ForAnyValue:StringNotLike": {"AWS:requestedregion": ["eu-central-1", "eu-west-*"]}}
SPELLED: list[list[Json]] = [
    [
        {"Effect": "Deny", "Action": "organizations:??aveOrganization", "Resource": "*"},
        {"Effect": "Deny", "Action": ["IAM:*AccessKey", "CloudTrail:Stop*", "CloudTrail:Update*", "CloudTrail:Put*"], "Resource": ["*"]},
        {"Effect": "Deny", "Action": "cloudtrail:d*", "Resource": "arn:aws:cloudtrail:*:*:trail/*"},
        {"Effect": "Deny", "NotAction": ["iam:*", "support:*"], "Resource": "*", "Condition": ELSEWHERE},
    ],
    [
        {
            "Effect": "Deny",
            "NotAction": ["s3:*", "ec2:*", "rds:*", "lambda:*", "dynamodb:*"],
            "Resource": "*",
            "Condition": {"ArnNotLikeIfExists": {"aws:PrincipalArn": "arn:*:iam::*:role/break-glass"}},
        },
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringNotEqualsIfExists": {"aws:RequestedRegion": "eu-west-1"}}},
    ],
]


@pytest.mark.parametrize("statements", SPELLED)
def test_guardrails_count_however_they_are_spelled(organisation: Organisation, fresh_moto: str, statements: list[Json]) -> None:
    organisation.attach("ours", statements, organisation.root)
    assert verdicts(fresh_moto) == dict.fromkeys((name.rpartition(".")[2] for name in RULES), "pass")


OPEN: list[list[Json]] = [
    [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:*"}}}],
    [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringLike": {"aws:PrincipalTag/shut": "yes"}}}],
    [{"Effect": "Deny", "NotAction": ["*"], "Resource": "*"}],
    [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringNotLike": {"aws:RequestedRegion": ["*-*", "global"]}}}],
]


@pytest.mark.parametrize("statements", OPEN)
def test_what_looks_like_a_guardrail_and_refuses_nobody_fails(organisation: Organisation, fresh_moto: str, statements: list[Json]) -> None:
    organisation.attach("ours", statements, organisation.root)
    found = verdicts(fresh_moto)
    del found["guardrail_reaches_all"]  # a Deny of ours is there
    assert found.pop("trails_cannot_be_stopped") == NOT_SEEN
    assert set(found.values()) == {"fail"}


def test_a_policy_on_one_unit_does_not_reach_the_account_beside_it(organisation: Organisation, fresh_moto: str) -> None:
    organisation.attach("ours", SPELLED[0], organisation.unit)
    found = verdicts(fresh_moto)
    assert found.pop("location_declared") == "pass"
    assert found.pop("trails_cannot_be_stopped") == NOT_SEEN
    assert set(found.values()) == {"fail"}
    organisation.org.move_account(
        AccountId=organisation.members[1], SourceParentId=organisation.root, DestinationParentId=organisation.unit
    )
    assert set(verdicts(fresh_moto).values()) == {"pass"}


@pytest.mark.parametrize("operation", ["DescribePolicy", "ListTargetsForPolicy", "ListPolicies", "ListParents", "ListAccounts"])
def test_what_may_not_be_read_leaves_the_promises_open(organisation: Organisation, fresh_moto: str, operation: str) -> None:
    with FaultProxy(fresh_moto, faults=[Fault("denied", operation=operation)]) as proxy:
        found = verdicts(proxy.url)
    if operation == "DescribePolicy":  # that AWS wrote the only policy is known without its text
        assert found.pop("guardrail_reaches_all") == "fail"
    assert set(found.values()) == {"unknown"}


def test_an_organisation_without_member_accounts_is_not_concerned(client: MakeClient, fresh_moto: str) -> None:
    client("organizations", fresh_moto).create_organization(FeatureSet="ALL")
    assert set(verdicts(fresh_moto).values()) == {"not_applicable"}
