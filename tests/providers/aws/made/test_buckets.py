"""Rows of buckets and access points: policy, list, ownership and switches taken together, open where something was not seen."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.aws.made.buckets import BUCKET, POINT
from tests.providers.aws.made.given import ACCOUNT, ME, OURS, OWN, PARTNER, allow, deny, made_by, policy

MINE, THEIRS = "aa" * 32, "bb" * 32
PLAIN: dict[str, Any] = {
    "name": "b",
    "policy": {},
    "policy_is_public": False,
    "grants": [],
    "owner_id": MINE,
    "object_ownership": "ObjectWriter",
    "ignores_public_acls": False,
    "restricts_public_policy": False,
}
OPEN = policy(allow(action="s3:GetObject", resource="arn:aws:s3:::b/*"))
READ = {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}
SIGNED = {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"}, "Permission": "WRITE"}
LOGS = {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}, "Permission": "WRITE"}


def _bucket(account: Any = OWN, **given: Any) -> dict[str, Any]:
    rows = {"arn:aws:s3:::b": {**PLAIN, **given}}
    (made,) = made_by("buckets", BUCKET, rows, **{ACCOUNT.replace(".", "__"): {"me": account} if account else {}}).values()
    return made


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, False),
        ({"policy": OPEN}, True),
        ({"policy": OPEN, "policy_is_public": True}, True),
        ({"policy": OPEN, "restricts_public_policy": True}, False),
        ({"policy": OPEN, "account": {**OWN, "restricts_public_buckets": True}}, False),
        ({"policy": OPEN, "account": {**OWN, "ignores_public_acls": True}}, True),
        ({"policy": OPEN, "account": None}, None),
        ({"policy": OPEN, "restricts_public_policy": None}, None),
        # what S3 says of a policy that was not seen, or not there when it was asked for
        ({"policy": None}, False),
        ({"policy": None, "policy_is_public": None}, None),
        ({"policy": None, "policy_is_public": True}, True),
        ({"policy": None, "policy_is_public": True, "restricts_public_policy": True}, False),
        ({"policy_is_public": True}, True),
        ({"policy_is_public": None}, False),
        # the letter decides who gets in, where it was read
        (
            {"policy": policy(allow(condition={"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}})), "policy_is_public": True},
            False,
        ),
        ({"policy": policy(allow(condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}))}, False),
        ({"policy": policy(allow(condition={"IpAddress": {"aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"]}}))}, True),
        ({"policy": policy(allow(condition={"StringEquals": {"AWS:sourceVPC": "vpc-0a1b2c3d"}}))}, False),
        ({"policy": policy(allow(), deny({"StringNotEquals": {"aws:PrincipalOrgID": OURS}}))}, False),
        # lists of grants
        ({"grants": [READ]}, True),
        ({"grants": [SIGNED]}, True),
        ({"grants": [LOGS]}, False),
        ({"grants": [READ], "ignores_public_acls": True}, False),
        ({"grants": [READ], "account": {**OWN, "ignores_public_acls": True}}, False),
        ({"grants": [READ], "ignores_public_acls": None}, None),
        ({"grants": [READ], "object_ownership": "BucketOwnerEnforced"}, False),
        ({"grants": [READ], "object_ownership": None}, None),
        ({"grants": None}, None),
        ({"grants": None, "object_ownership": "BucketOwnerEnforced"}, False),
        ({"grants": None, "ignores_public_acls": True}, False),
        ({"grants": None, "policy": OPEN}, True),
    ],
)
def test_whether_a_bucket_is_open(given: dict[str, Any], expected: bool | None) -> None:
    assert _bucket(**given)["is_open"] is expected


def test_partners_are_accounts_organisations_and_canonical_users() -> None:
    def grant(who: str, permission: str = "FULL_CONTROL") -> Any:
        return {"Grantee": {"Type": "CanonicalUser", "ID": who}, "Permission": permission}

    def told(*statements: Any, **given: Any) -> tuple[list[str], list[str]]:
        made = _bucket(policy=policy(*statements), **given)
        return made["partners"], made["partners_with_all_actions"]

    partner = {"AWS": f"arn:aws:iam::{PARTNER}:root"}
    assert told(allow(partner, action="s3:GetObject")) == ([PARTNER], [])
    assert told(allow(partner, action="S3:*")) == ([PARTNER], [PARTNER])
    assert told(allow(partner, NotAction="s3:DeleteBucket", action=[])) == ([PARTNER], [PARTNER])
    assert told(allow({"AWS": f"arn:aws:iam::{ME}:role/from-{PARTNER}"}, action="s3:*")) == ([], [])
    assert told(allow({"CanonicalUser": THEIRS}, action="s3:*")) == ([THEIRS], [THEIRS])
    assert told(allow({"CanonicalUser": MINE}, action="s3:*")) == ([], [])
    assert told(allow(condition={"StringEquals": {"aws:PrincipalOrgID": OURS}}, action="s3:*")) == ([OURS], [OURS])
    assert told(allow(partner, action="s3:*"), deny(principal=partner)) == ([], [])
    assert told(grants=[grant(MINE), grant(THEIRS)]) == ([THEIRS], [THEIRS])
    assert told(grants=[grant(THEIRS, "READ")]) == ([THEIRS], [])
    assert told(grants=[grant(THEIRS)], object_ownership="BucketOwnerEnforced") == ([], [])
    assert "partners" not in _bucket(policy=None)


def test_plain_text_is_refused_by_one_statement_or_several() -> None:
    both, tls = ["arn:aws:s3:::b", "arn:aws:s3:::b/*"], {"Bool": {"aws:SecureTransport": "false"}}

    def told(*statements: Any) -> bool | None:
        found: bool | None = _bucket(policy=policy(*statements))["refuses_plaintext"]
        return found

    assert told(deny(tls, "S3:*", both)) is True
    assert told(deny(tls, "s3:*", both[0]), deny({"BoolIfExists": {"AWS:securetransport": ["false"]}}, "*", both[1])) is True
    assert told(deny({**tls, "IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, "s3:*", both)) is False
    assert told(deny(tls, "s3:*", both[1])) is False
    assert told(deny(tls, "s3:GetObject", both)) is False
    assert told() is False
    assert _bucket(policy=None)["refuses_plaintext"] is None


def test_services_are_bound_or_not() -> None:
    cdn = {"Service": "cloudfront.amazonaws.com"}
    bound = {"StringEquals": {"AWS:SourceArn": f"arn:aws:cloudfront::{ME}:distribution/E1"}}
    assert _bucket(policy=policy(allow(cdn)))["service_is_unbounded"] is True
    assert _bucket(policy=policy(allow(cdn, bound)))["service_is_unbounded"] is False
    assert _bucket(policy=policy(allow(cdn, bound)))["services"] == ["cloudfront.amazonaws.com"]
    assert _bucket(policy=None)["service_is_unbounded"] is None
    logs = {"Service": ["logdelivery.elasticloadbalancing.amazonaws.com", "delivery.logs.amazonaws.com"]}
    both = _bucket(policy=policy(allow(cdn, bound), allow(logs)))
    assert both["unbounded_services"] == ["delivery.logs.amazonaws.com", "logdelivery.elasticloadbalancing.amazonaws.com"]
    assert "unbounded_services" not in _bucket(policy=None)


@pytest.mark.parametrize(
    ("given", "bucket", "expected"),
    [
        ({}, {}, True),
        ({"account": {**OWN, "restricts_public_buckets": True}}, {}, False),
        # of another account's bucket: what is above it is not ours
        ({"bucket_is_own": False, "account": {**OWN, "restricts_public_buckets": True}}, {"restricts_public_policy": True}, None),
        ({"bucket_is_own": None, "account": {**OWN, "restricts_public_buckets": True}}, {}, None),
        ({"bucket_is_own": False, "restricts_public_policy": True}, None, False),
        ({"restricts_public_policy": True}, {}, False),
        ({}, {"restricts_public_policy": True}, False),
        ({}, None, None),
        ({"restricts_public_policy": True}, None, False),
        ({"network_origin": "VPC"}, {}, False),
        ({"network_origin": None}, {}, None),
        ({"policy": None}, {}, None),
        ({"policy": None, "network_origin": "VPC"}, {}, None),
        ({"policy": policy(allow({"AWS": PARTNER}))}, {}, False),
    ],
)
def test_whether_an_access_point_is_open(given: dict[str, Any], bucket: dict[str, Any] | None, expected: bool | None) -> None:
    account = given.get("account", OWN)
    given = {name: value for name, value in given.items() if name != "account"}
    point = {
        "name": "p",
        "bucket": "b",
        "bucket_is_own": True,
        "network_origin": "Internet",
        "policy": OPEN,
        "ignores_public_acls": False,
        "restricts_public_policy": False,
        **given,
    }
    below = {} if bucket is None else {"arn:aws:s3:::b": {**PLAIN, **bucket}}
    (made,) = made_by("access_points", POINT, {"arn:p": point}, aws__s3__bucket=below, aws__account__account={"me": account}).values()
    assert made["is_open"] is expected
