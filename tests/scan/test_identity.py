"""Who holds what, end to end: the bulk call in place of a call for each, the same answers where it is refused, no answer where all is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.demo.aws.bed.proxy import Fault, FaultProxy
from cnamm_scan.demo.aws.bed.server import MotoServer
from cnamm_scan.engine.schedule import Limits

Json = Any
ME, OTHER = "123456789012", "444455556666"
BULK = Fault("denied", service="iam", operation="GetAccountAuthorizationDetails")
HUB = "token.actions.githubusercontent.com"
QUICK = Limits(attempts=1, rate=1000, burst=1000, deadline=20)
FEW_OF_EACH = 4


def text(*statements: Mapping[str, Json]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Json, resource: Json = "*", **more: Json) -> dict[str, Json]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(principal: Json, condition: Json = None, action: str = "sts:AssumeRole") -> str:
    made = {"Effect": "Allow", "Principal": principal, "Action": action}
    return text(made if condition is None else {**made, "Condition": condition})


EC2 = trust({"Service": "ec2.amazonaws.com"})
FEDERATED = {"Federated": f"arn:aws:iam::{ME}:oidc-provider/{HUB}"}
TRUSTS = {
    # open, spelt in ways that look bound
    "open-like": trust("*", {"StringLike": {"aws:PrincipalOrgID": "o-*"}}),
    "open-arn": trust({"AWS": "*"}, {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/deploy"}}),
    "open-exists": trust({"AWS": ["*", ME]}, {"StringEqualsIfExists": {"aws:PrincipalAccount": ME}}),
    "bounded": trust("*", {"StringEquals": {"aws:PrincipalAccount": [ME]}}),
    "hub-not": trust(FEDERATED, {"StringNotEquals": {f"{HUB}:sub": "repo:acme/shop:ref:refs/heads/x"}}, "sts:AssumeRoleWithWebIdentity"),
    "hub-prefix": trust(FEDERATED, {"StringLike": {f"{HUB}:sub": "repo:acme*"}}, "sts:AssumeRoleWithWebIdentity"),
    "hub-bound": trust(FEDERATED, {"StringLike": {f"{HUB}:sub": "repo:acme/shop:*"}}, "sts:AssumeRoleWithWebIdentity"),
    "partner": trust({"AWS": OTHER}),
}
RIGHTS = {
    # everything, or all of IAM, spelt in ways that nobody lists
    "all-but": [{"Effect": "Allow", "NotAction": "nosuch:Thing", "Resource": "*"}],
    "not-one": [{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::nothing"}],
    "stars": [allow(["*:*"])],
    "small-iam": [allow("iAm:**")],
    "reads": [allow("ec2:Describe*"), {"Effect": "Deny", "Action": "ec2:*Image", "Resource": "*"}],
    "attaches": [allow("IAM:attachRole*")],
    "runs": [allow(["iam:PassRole", "lambda:Create*", "lambda:InvokeFunction"])],
}


def fill(client: Callable[..., Any], url: str) -> None:
    """An account with some of each."""
    iam = client("iam", url)
    for name, document in TRUSTS.items():
        iam.create_role(RoleName=f"trust-{name}", AssumeRolePolicyDocument=document)
    for name, statements in RIGHTS.items():
        iam.create_role(RoleName=f"own-{name}", AssumeRolePolicyDocument=EC2)
        iam.put_role_policy(RoleName=f"own-{name}", PolicyName="p", PolicyDocument=text(*statements))
        arn = iam.create_policy(PolicyName=name, PolicyDocument=text(allow("s3:GetObject")))["Policy"]["Arn"]
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=text(*statements), SetAsDefault=True)  # the first is harmless
        iam.create_role(RoleName=f"held-{name}", AssumeRolePolicyDocument=EC2)
        iam.attach_role_policy(RoleName=f"held-{name}", PolicyArn=arn)
    ceiling = iam.create_policy(PolicyName="ceiling", PolicyDocument=text(allow(["s3:*", "logs:*"])))["Policy"]["Arn"]
    iam.create_role(RoleName="bound", AssumeRolePolicyDocument=EC2, PermissionsBoundary=ceiling)
    iam.put_role_policy(RoleName="bound", PolicyName="p", PolicyDocument=text(allow("iam:*")))
    iam.create_group(GroupName="ops")
    iam.put_group_policy(GroupName="ops", PolicyName="all", PolicyDocument=text(allow("*")))
    for name in ("kim", "lea"):
        iam.create_user(UserName=name, Tags=[{"Key": "Break-Glass", "Value": "yes"}] if name == "lea" else [])
    iam.add_user_to_group(GroupName="ops", UserName="kim")
    iam.put_user_policy(UserName="lea", PolicyName="mine", PolicyDocument=text(*RIGHTS["not-one"]))
    iam.create_user(UserName="mia")
    iam.put_user_policy(UserName="mia", PolicyName="mine", PolicyDocument=text(*RIGHTS["all-but"]))


Found = dict[tuple[str, str], str]


@pytest.fixture(scope="module")
def account_url(client: Callable[..., Any]) -> Iterator[str]:
    """A server of its own: look, do not touch."""
    with MotoServer() as server:
        fill(client, server.url)
        yield server.url


@pytest.fixture
def scanned(account_url: str) -> Callable[..., tuple[Found, Counter[str]]]:
    def scan(*faults: Fault) -> tuple[Found, Counter[str]]:
        with FaultProxy(account_url, faults=list(faults)) as proxy:
            options = api.TargetOptions(endpoint_url=proxy.url)
            with api.scan(["aws"], rules=["aws.iam"], regions=["us-east-1"], options=options, limits=QUICK) as done:
                assert not [line for line in done.coverage if "collector_bug" in line.gaps]
                made = [(result.rule.removeprefix("aws.iam."), result.resource, result.verdict.value) for result in done.results()]
            calls = Counter(call.operation for call in proxy.calls if call.service == "iam")
        return {(rule, resource.removeprefix(f"arn:aws:iam::{ME}:")): verdict for rule, resource, verdict in made}, calls

    return scan


def test_who_holds_what_is_seen_in_four_calls_or_in_hundreds_and_is_the_same(scanned: Callable[..., tuple[Found, Counter[str]]]) -> None:
    found, calls = scanned()
    longer, more = scanned(BULK)
    assert longer == found
    asked = sum(calls.values())
    assert calls["GetAccountAuthorizationDetails"] == FEW_OF_EACH
    assert (calls["GetRole"], calls["ListEntitiesForPolicy"], calls["GetPolicyVersion"], calls["ListUsers"]) == (0, 0, 0, 0)
    assert asked < 16  # whatever there is of each, as long as a page holds it
    assert sum(more.values()) > asked + 3 * (len(TRUSTS) + 2 * len(RIGHTS))
    assert more["ListRoles"] == more["ListGroups"] == 1
    assert more["ListEntitiesForPolicy"] == len(RIGHTS)

    def of(rule: str, *resources: str) -> list[str | None]:
        return [found.get((rule, resource)) for resource in resources]

    for spelt in ("all-but", "not-one", "stars", "small-iam"):
        assert of("role_not_everything", f"role/own-{spelt}", f"role/held-{spelt}") == ["fail", "fail"], spelt
        assert of("inline_not_broad", f"role/own-{spelt}/p") == ["fail"], spelt
        assert of("policy_not_everything", f"policy/{spelt}") == ["fail" if spelt != "small-iam" else "pass"], spelt
        assert of("policy_not_whole_service", f"policy/{spelt}") == ["fail"], spelt
        assert of("permission_boundary_required", f"role/own-{spelt}") == ["fail"], spelt
    for rule in ("policy_not_everything", "policy_not_whole_service", "policy_not_every_role_passed"):
        assert of(rule, "policy/reads") == ["pass"], rule
    assert of("policy_not_every_role_passed", "policy/runs") == ["fail"]
    assert of("role_cannot_raise", "role/own-attaches", "role/held-runs", "role/own-reads", "role/bound") == [
        "fail",
        "fail",
        "pass",
        "pass",
    ]
    assert of("permission_boundary_required", "role/bound", "role/own-reads") == ["pass", "not_applicable"]
    opened = [f"role/trust-open-{spelt}#0" for spelt in ("like", "arn", "exists")]
    assert of("trust_named", *opened, "role/trust-bounded#0") == ["fail", "fail", "fail", "pass"]
    assert of("ci_trust_bound", *(f"role/trust-hub-{spelt}#0" for spelt in ("not", "prefix", "bound"))) == ["fail", "fail", "pass"]
    assert of("third_party_external_id", f"role/trust-partner#0/{OTHER}") == ["fail"]
    assert of("no_admin_users", "user/kim", "user/lea", "user/mia") == ["pass", "not_applicable", "fail"]
    assert of("group_not_everything", "group/ops") == ["fail"]
    assert of("people_inline_not_broad", "group/ops/all", "user/mia/mine") == ["fail", "fail"]
    assert of("user_rights_through_groups", "user/kim", "user/mia") == ["pass", "fail"]
    assert of("few_administrators", "root") == ["fail"]


def test_where_both_ways_are_refused_nothing_is_said(scanned: Callable[..., tuple[Found, Counter[str]]]) -> None:
    found, _ = scanned(Fault("denied", service="iam"))
    made = {verdict for (rule, _), verdict in found.items() if "key" not in rule}
    assert made == {"unknown"}


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        (
            ["GetRolePolicy", "GetGroup"],
            {
                ("inline_not_broad", "role/own-stars/p"): "unknown",
                ("role_cannot_raise", "role/own-reads"): "unknown",
                ("role_not_everything", "role/held-stars"): "fail",
                ("no_admin_users", "user/mia"): "fail",
                ("user_cannot_raise", "user/kim"): "unknown",
            },
        ),
        (
            ["GetPolicyVersion", "ListGroupPolicies"],
            {
                ("role_not_everything", "role/held-stars"): "unknown",
                ("role_not_everything", "role/own-stars"): "fail",
                ("policy_not_everything", "policy/stars"): "unknown",
                ("group_not_everything", "group/ops"): "unknown",
            },
        ),
        (
            ["ListEntitiesForPolicy", "GetUser", "GetRole"],
            {
                ("policy_not_everything", "policy/stars"): "fail",
                ("no_admin_users", "user/mia"): "unknown",
                ("permission_boundary_required", "role/own-attaches"): "unknown",
                ("role_cannot_raise", "role/own-attaches"): "unknown",
            },
        ),
    ],
    ids=["own policies", "documents", "who has them"],
)
def test_what_of_the_longer_way_is_refused_leaves_open_what_hangs_on_it(
    scanned: Callable[..., tuple[Found, Counter[str]]], operations: list[str], expected: Found
) -> None:
    found, _ = scanned(BULK, *(Fault("denied", service="iam", operation=each) for each in operations))
    assert {key: found.get(key) for key in expected} == expected
