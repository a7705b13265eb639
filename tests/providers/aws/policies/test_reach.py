"""Documents in pairs that differ in one detail, with whom they admit. The answers follow the vendor's pages that the modules cite."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.aws.policies.admission import Admission, Reach
from cnamm_scan.providers.aws.policies.documents import read
from cnamm_scan.providers.aws.policies.evaluate import reach
from cnamm_scan.providers.aws.policies.setting import Place, Setting, Truth

Json = Any
ME, PARTNER, OURS = "111111111111", "222222222222", "o-abcdef1234"
QUEUE = f"arn:aws:sqs:eu-central-1:{ME}:orders"
CANONICAL = "0f" * 32


def _reach(principal: Json, condition: Json = None, *more: Json, version: str | None = "2012-10-17", **setting: Any) -> Admission:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Resource": QUEUE}
    document: dict[str, Json] = {"Statement": [{**statement, **({"Condition": condition} if condition else {})}, *more]}
    if version:
        document["Version"] = version
    return reach(read(document), Setting(ME, **{"organisation": OURS, **setting}))


def _word(found: Admission) -> str:
    return found.reach.value if found.reach is found.may_reach else "unknown"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, "anybody"),
        ({"StringEquals": {"aws:SourceAccount": ME}}, "account"),
        ({"StringLike": {"aws:SourceAccount": [ME, "*"]}}, "anybody"),
        ({"StringLike": {"aws:SourceAccount": "????????????"}}, "anybody"),
        ({"StringLike": {"aws:PrincipalAccount": "1111*"}}, "anybody"),
        ({"StringEquals": {"aws:PrincipalAccount": "????????????"}}, "nobody"),
        ({"StringEqualsIgnoreCase": {"AWS:PrincipalOrgId": OURS.upper()}}, "organisation"),
        ({"StringEquals": {"aws:PrincipalOrgID": [OURS, "o-zzzzzzzzzz"]}}, "named"),
        ({"StringLike": {"aws:PrincipalOrgID": f"{OURS}*"}}, "anybody"),
        ({"StringEquals": {"aws:SourceOrgID": OURS}}, "organisation"),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{OURS}/r-ab12/*"}}, "organisation"),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*/r-ab12/*"}}, "anybody"),
        ({"ForAnyValue:StringNotLike": {"aws:PrincipalOrgPaths": f"{OURS}/*"}}, "anybody"),
        ({"ForAllValues:StringEquals": {"aws:SourceAccount": ME}}, "anybody"),
        ({"ForAllValues:StringEquals": {"aws:SourceAccount": ME}, "Null": {"aws:SourceAccount": "false"}}, "account"),
        ({"ForAllValues:StringEquals": {"aws:SourceAccount": ME}, "Null": {"aws:SourceAccount": "true"}}, "anybody"),
        ({"Null": {"aws:SourceAccount": ["true", "false"]}}, "anybody"),
        ({"StringEqualsIfExists": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}, "anybody"),
        ({"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}, "network"),
        ({"StringLike": {"aws:SourceVpce": "vpce-0123456789abcde??"}}, "anybody"),
        ({"StringEquals": {"aws:VpceAccount": ME}}, "network"),
        ({"StringLike": {"aws:VpceAccount": "*"}}, "anybody"),
        ({"StringEquals": {"aws:VpceOrgID": OURS}}, "network"),
        ({"ArnEquals": {"aws:SourceVpcArn": f"arn:aws:ec2:eu-central-1:{ME}:vpc/vpc-0123456789abcdef0"}}, "network"),
        ({"ArnLike": {"aws:SourceVpcArn": "arn:aws:ec2:*:*:vpc/*"}}, "anybody"),
        ({"IpAddress": {"aws:SourceIp": "198.41.0.0/24"}}, "network"),
        ({"IpAddress": {"aws:SourceIp": ["198.41.0.0/24", "::/0"]}}, "anybody"),
        ({"IpAddress": {"aws:SourceIp": ["0.0.0.0/2", "64.0.0.0/3"]}}, "anybody"),
        ({"IpAddress": {"aws:SourceIp": "192.168.0.0/16"}}, "nobody"),
        ({"IpAddress": {"aws:SourceIp": "not a network"}}, "nobody"),
        ({"NotIpAddress": {"aws:SourceIp": "0.0.0.0/0"}}, "anybody"),
        ({"NotIpAddress": {"aws:SourceIp": "198.41.0.0/24"}, "IpAddress": {"aws:SourceIp": "198.41.0.0/23"}}, "network"),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ME}:role/*"}}, "account"),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci"}}, "anybody"),
        ({"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ME}:role/*"}}, "anybody"),
        ({"StringLike": {"aws:PrincipalArn": f"arn:aws:iam::{ME}:*"}}, "account"),
        ({"StringLike": {"aws:PrincipalArn": f"arn:*:{ME}:*"}}, "anybody"),
        ({"StringLike": {"aws:PrincipalArn": f"arn:aws:iam::{ME}*"}}, "account"),
        ({"StringLike": {"aws:PrincipalArn": f"arn:aws:iam::{ME[:-1]}*"}}, "anybody"),
        ({"ArnEquals": {"aws:SourceArn": f"arn:aws:sns:eu-central-1:{PARTNER}:news"}}, "named"),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::invoices"}}, "source"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:invoices"}}, "source"),
        ({"StringLike": {"aws:SourceArn": "arn:aws:s3:*:*:invoices"}}, "source"),
        ({"ArnLike": {"aws:SourceArn": "arn:*:s3:*:*:invoices"}, "StringEquals": {"aws:SourceAccount": ME}}, "account"),
        ({"ArnNotLike": {"aws:SourceArn": "arn:aws:s3:*:*:invoices"}}, "anybody"),
        ({"ArnLikeIfExists": {"aws:SourceArn": "arn:aws:s3:*:*:invoices"}}, "anybody"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:invoices-*"}}, "anybody"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:accesspoint/invoices"}}, "anybody"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:invoices"}}, "anybody"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::invoices-?"}}, "anybody"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:invoices*"}}, "anybody"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:invoices"}, "StringEquals": {"aws:SourceAccount": ME}}, "account"),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:s3:::invoices"}, "StringEquals": {"aws:SourceAccount": ME}}, "account"),
        ({"ArnLike": {"aws:SourceArn": ["arn:aws:s3:::invoices", "*"]}}, "anybody"),
        ({"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}}, "organisation"),
        ({"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}, "account"),
        ({"StringEquals": {"aws:PrincipalOrgID": "${aws:PrincipalOrgID}"}}, "anybody"),
        ({"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceTag/owner}"}}, "anybody"),
        ({"StringEquals": {"aws:PrincipalAccount": "${aws:Nothing, '111111111111'}"}}, "anybody"),
        ({"StringLike": {"aws:PrincipalAccount": "${*}"}}, "nobody"),
        ({"StringEquals": {"aws:PrincipalAccount": "${$}{aws:PrincipalAccount}"}}, "nobody"),
        ({"StringEquals": {"aws:userid": "AROAABCDEFGHIJKLMNOPQ:ci"}}, "unknown"),
        ({"StringLike": {"aws:userid": "AROAABCDEFGHIJKLMNOPQ:*"}}, "unknown"),
        ({"StringLike": {"aws:userid": "AROA*"}}, "anybody"),
        ({"StringEquals": {"aws:PrincipalTag/team": "shop"}}, "anybody"),
        ({"StringEquals": {"aws:Referer": "https://shop.example"}}, "anybody"),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, "anybody"),
        ({"Bool": {"aws:PrincipalIsAWSService": "true"}, "StringEquals": {"aws:SourceAccount": ME}}, "account"),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, "anybody"),
        ({"DateLessThan": {"aws:EpochTime": "1577836800"}}, "nobody"),
        ({"NumericLessThan": {"s3:max-keys": "10"}}, "anybody"),
        ({"StringEquals": {"s3:DataAccessPointAccount": ME}}, "source"),
        ({"StringLike": {"s3:DataAccessPointAccount": "*"}}, "anybody"),
        ({"StringMatches": {"aws:PrincipalOrgID": OURS}}, "unknown"),
        ({"StringEquals": {"aws:PrincipalAccount": []}}, "nobody"),
    ],
)
def test_whom_a_grant_to_everybody_admits(condition: Json, expected: str) -> None:
    assert _word(_reach("*", condition)) == expected


@pytest.mark.parametrize(
    ("principal", "condition", "expected"),
    [
        ({"AWS": [ME, "*"]}, None, "anybody"),
        ({"AWS": ME}, None, "account"),
        ({"AWS": f"arn:aws:iam::{PARTNER}:root"}, None, "named"),
        ({"AWS": f"arn:aws:iam::{ME}:role/export-{PARTNER}"}, None, "account"),
        (
            {"AWS": f"arn:aws:sts::{PARTNER}:assumed-role/ci/run"},
            {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{PARTNER}:role/ci"}},
            "named",
        ),
        ({"AWS": "AROAABCDEFGHIJKLMNOPQ"}, None, "nobody"),
        ({"AWS": "arn:aws:iam::*:root"}, None, "unknown"),
        ({"AWS": "somebody"}, None, "unknown"),
        ({"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"}, None, "source"),
        ({"CanonicalUser": CANONICAL}, None, "unknown"),
        ({"AWS": PARTNER}, {"StringEquals": {"aws:PrincipalOrgID": OURS}}, "organisation"),
        ({"AWS": PARTNER}, {"StringEquals": {"aws:PrincipalAccount": ME}}, "nobody"),
        ({"Service": "sns.amazonaws.com"}, None, "service"),
        ({"Service": "sns.amazonaws.com"}, {"StringEquals": {"aws:SourceAccount": ME}}, "account"),
        ({"Service": "sns.amazonaws.com"}, {"StringEqualsIfExists": {"aws:SourceAccount": ME}}, "service"),
        ({"Service": "sns.amazonaws.com"}, {"StringNotEquals": {"aws:SourceAccount": PARTNER}}, "service"),
        ({"Service": "sns.amazonaws.com"}, {"StringEquals": {"aws:PrincipalOrgID": OURS}}, "nobody"),
        ({"Service": "alexa-appkit.amazon.com"}, {"StringEquals": {"lambda:EventSourceToken": "amzn1.ask.skill.1"}}, "source"),
        ({"Service": "alexa-appkit.amazon.com"}, {"StringLike": {"lambda:EventSourceToken": "amzn1.*"}}, "service"),
        ({"Federated": "graph.facebook.com"}, None, "anybody"),
        ({}, None, "nobody"),
    ],
)
def test_whom_a_grant_by_name_admits(principal: Json, condition: Json, expected: str) -> None:
    assert _word(_reach(principal, condition)) == expected


def _deny(condition: Json, **more: Json) -> Json:
    return {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*", "Condition": condition, **more}


@pytest.mark.parametrize(
    ("deny", "expected"),
    [
        (_deny({"StringNotEquals": {"aws:PrincipalOrgID": OURS}}), "organisation"),
        (_deny({"ForAnyValue:StringNotEquals": {"aws:PrincipalOrgID": OURS}}), "anybody"),
        (_deny({"ForAllValues:StringNotEquals": {"aws:PrincipalOrgID": OURS}}), "organisation"),
        (_deny({"StringNotLike": {"aws:PrincipalOrgID": "o-*"}}), "anybody"),
        (_deny({"StringNotEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}), "network"),
        (_deny({"NotIpAddress": {"aws:SourceIp": "198.41.0.0/24"}}), "network"),
        (_deny({"NotIpAddressIfExists": {"aws:SourceIp": "198.41.0.0/24"}}), "network"),
        (_deny({"IpAddress": {"aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"]}}), "anybody"),
        (_deny({"IpAddress": {"aws:SourceIp": ["0.0.0.0/0", "::/0"]}, "Null": {"aws:SourceIp": "false"}}), "anybody"),
        (_deny({"Null": {"aws:PrincipalArn": "true"}}), "anybody"),
        (_deny({"Bool": {"aws:SecureTransport": "false"}}), "anybody"),
        (_deny({"StringNotEquals": {"aws:PrincipalAccount": ME}}, Action="sqs:ReceiveMessage"), "anybody"),
        (_deny({"StringNotEquals": {"aws:PrincipalAccount": ME}}, Action="SQS:send*"), "account"),
        (_deny({"StringNotEquals": {"aws:PrincipalAccount": ME}}, Resource=f"{QUEUE}-dlq"), "anybody"),
        (_deny({"StringNotEquals": {"aws:PrincipalAccount": ME}, "Bool": {"aws:SecureTransport": "false"}}), "anybody"),
        (_deny({"StringNotEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}), "account"),
        (_deny({"StringMatches": {"aws:PrincipalOrgID": OURS}}), "unknown"),
        ({"Effect": "Deny", "NotPrincipal": {"AWS": [f"arn:aws:iam::{ME}:role/app"]}, "Action": "*", "Resource": "*"}, "account"),
        ({"Effect": "Deny", "Principal": {"AWS": PARTNER}, "Action": "*", "Resource": "*"}, "anybody"),
        ({"Effect": "Deny", "Principal": "*", "NotAction": "sqs:ReceiveMessage", "Resource": "*"}, "nobody"),
        ({"Effect": "Deny", "Principal": "*", "Action": "*", "NotResource": QUEUE}, "anybody"),
    ],
)
def test_what_a_denial_leaves_of_a_grant_to_everybody(deny: Json, expected: str) -> None:
    assert _word(_reach("*", None, deny)) == expected


def test_variables_are_text_before_their_version() -> None:
    condition = {"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}}
    assert _word(_reach("*", condition, version=None)) == "nobody"
    assert _word(_reach("*", condition, version="2008-10-17")) == "nobody"


def test_what_the_account_knows_settles_what_was_unknown() -> None:
    session = {"StringEquals": {"aws:userid": "AROAABCDEFGHIJKLMNOPQ:ci"}}
    assert _word(_reach("*", session, unique_ids=frozenset({"AROAABCDEFGHIJKLMNOPQ"}))) == "account"
    user = {"CanonicalUser": CANONICAL}
    assert _word(_reach(user, canonical_id=CANONICAL)) == "account"
    assert _reach(user, canonical_id="ab" * 32).accounts == {CANONICAL}
    assert _word(_reach({"AWS": PARTNER}, members=frozenset({ME, PARTNER}))) == "organisation"
    assert _word(_reach({"AWS": "AROAABCDEFGHIJKLMNOPQ"}, applied=False)) == "unknown"


def test_an_unknown_organisation_is_never_taken_for_nobody() -> None:
    found = _reach("*", {"StringEquals": {"aws:PrincipalOrgID": OURS}}, organisation="")
    assert (found.reach, set(found.organisations)) == (Reach.NAMED, {OURS})


def test_small_networks_of_many_statements_add_up_to_the_world() -> None:
    eighths = [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": "*",
            "Condition": {"IpAddress": {"aws:SourceIp": f"{each}.0.0.0/8"}},
        }
        for each in range(60, 110)
    ]
    document = read({"Version": "2012-10-17", "Statement": eighths[:1]})
    assert reach(document, Setting(ME)).reach is Reach.NETWORK
    assert reach(read({"Version": "2012-10-17", "Statement": eighths}), Setting(ME)).reach is Reach.ANYBODY


def test_a_named_partner_is_told_by_his_account() -> None:
    found = _reach("*", {"StringEquals": {"aws:PrincipalAccount": [ME, PARTNER]}})
    assert (set(found.accounts), found.leaves_account, found.is_public) == ({PARTNER}, Truth.YES, Truth.NO)
    assert _reach("*", None, {"Effect": "Deny", "Principal": {"AWS": PARTNER}, "Action": "x:y", "Resource": "*"}).accounts == frozenset()


def test_unsigned_requests_are_told_apart() -> None:
    url = {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}
    assert _reach("*", url).anonymous is Truth.NO
    assert _reach("*", url).is_public is Truth.YES
    assert _reach("*", {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}).anonymous is Truth.YES
    assert _reach("*", {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}, url_auth=frozenset()).is_public is Truth.NO


def test_inside_a_network_everybody_is_those_who_are_in_it() -> None:
    assert _word(_reach({"AWS": "*"}, in_network=True)) == "network"
    mounted = {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}
    assert _word(_reach({"AWS": "*"}, mounted)) == "network"


@pytest.mark.parametrize(
    ("principal", "condition", "expected"),
    [
        ({"AWS": "*"}, {"StringEquals": {"sts:ExternalId": "x"}}, "anybody"),
        ({"AWS": "*"}, {"StringEquals": {"aws:PrincipalAccount": ME}}, "account"),
        ({"AWS": "*"}, {"ForAllValues:StringEquals": {"sts:ExternalId": "x"}}, "anybody"),
        ({"AWS": PARTNER}, {"StringEquals": {"sts:ExternalId": "x"}}, "named"),
        ({"Service": "ec2.amazonaws.com"}, None, "account"),
        ({"Service": "rolesanywhere.amazonaws.com"}, None, "account"),
        (
            {"Service": "rolesanywhere.amazonaws.com"},
            {"ArnEquals": {"aws:SourceArn": f"arn:aws:rolesanywhere:eu-central-1:{ME}:trust-anchor/1"}},
            "source",
        ),
    ],
)
def test_who_may_take_a_role(principal: Json, condition: Json, expected: str) -> None:
    statement = {"Effect": "Allow", "Principal": principal, "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": condition or {}}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    assert _word(reach(read(document), Setting(ME, organisation=OURS, place=Place.TRUST))) == expected


def test_a_role_is_taken_by_the_action_for_it_alone() -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:TagSession"}
    assert reach(read({"Version": "2012-10-17", "Statement": statement}), Setting(ME, place=Place.TRUST)).reach is Reach.NOBODY
