"""What service and resource control policies keep one account from, however they are written and wherever they hang."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.aws.policies import controls
from cnamm_scan.providers.aws.policies.controls import REGIONS, Controls
from cnamm_scan.providers.aws.policies.documents import UNREADABLE
from cnamm_scan.providers.aws.policies.setting import Setting
from tests.examples import drawn
from tests.providers.aws.policies.written import document

Json = Any
ME, OTHER, OURS = "111111111111", "222222222222", "o-abcdef1234"
SETTING = Setting(ME, organisation=OURS)
FULL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def deny(action: Json, condition: Json = None, resource: Json = "*", **more: Json) -> Json:
    return {"Effect": "Deny", "Action": action, "Resource": resource, "Condition": condition or {}, **more}


def but(action: Json, condition: Json = None) -> Json:
    return {"Effect": "Deny", "NotAction": action, "Resource": "*", "Condition": condition or {}}


def row(*written: Json, **more: Json) -> Json:
    return controls.control_row(Controls(SETTING, [[document(FULL), document(*written)]], **more))


@pytest.mark.parametrize(
    ("written", "column", "expected"),
    [
        ([], "denies_leaving", False),
        ([deny("organizations:LeaveOrganization")], "denies_leaving", True),
        ([deny("Organizations:leave*")], "denies_leaving", True),
        ([deny("organizations:??aveOrganization")], "denies_leaving", True),
        ([but(["iam:*", "s3:*"])], "denies_leaving", True),
        ([but("organizations:*")], "denies_leaving", False),
        ([deny("organizations:LeaveOrganization", {"StringEquals": {"aws:PrincipalTag/x": "y"}})], "denies_leaving", False),
        ([deny("organizations:LeaveOrganization", {"StringNotEquals": {"aws:PrincipalTag/x": "y"}})], "denies_leaving", True),
        ([deny("organizations:LeaveOrganization", {"Bool": {"aws:MultiFactorAuthPresent": "false"}})], "denies_leaving", False),
        ([deny("organizations:LeaveOrganization", {"StringNotEquals": {"aws:PrincipalAccount": ME}})], "denies_leaving", False),
        ([deny("organizations:LeaveOrganization", {"StringNotEquals": {"aws:PrincipalAccount": OTHER}})], "denies_leaving", True),
        ([deny("iam:*", {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/break-glass"}})], "denies_access_keys", True),
        ([deny("iam:*", {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}})], "denies_access_keys", False),
        ([deny("iam:*", {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}})], "denies_access_keys", False),
        ([deny("iam:*", {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ME}:*"}})], "denies_access_keys", False),
        ([deny("iam:CreateAccessKey", resource="arn:aws:iam::*:user/*")], "denies_access_keys", True),
        ([deny("iam:CreateAccessKey", resource="arn:aws:iam::*:user/svc-*")], "denies_access_keys", False),
        ([deny("iam:CreateUser")], "denies_passwords", False),
        ([deny("iam:Create*")], "denies_passwords", True),
        ([deny("cloudtrail:StopLogging")], "denies_stopping_trails", False),
        ([deny("cloudtrail:StopLogging"), deny("cloudtrail:Delete*")], "denies_stopping_trails", False),
        ([deny(["cloudtrail:StopLogging", "cloudtrail:DeleteTrail", "cloudtrail:UpdateTrail"])], "denies_stopping_trails", False),
        (
            [deny(["cloudtrail:StopLogging", "cloudtrail:DeleteTrail", "cloudtrail:UpdateTrail", "cloudtrail:PutEventSelectors"])],
            "denies_stopping_trails",
            True,
        ),
        ([deny("cloudtrail:*")], "denies_stopping_trails", True),
        ([deny("cloudtrail:*", resource="arn:aws:cloudtrail:*:*:trail/org-*")], "denies_stopping_trails", None),
        ([deny("cloudtrail:StopLogging", resource="arn:aws:cloudtrail:*:*:trail/org-*")], "denies_stopping_trails", False),
        ([deny("guardduty:Delete*")], "denies_stopping_detectors", False),
        ([deny(["guardduty:DeleteDetector", "guardduty:UpdateDetector"])], "denies_stopping_detectors", True),
        ([deny("config:StopConfigurationRecorder")], "denies_stopping_recorders", False),
        ([deny(["config:StopConfigurationRecorder", "config:DeleteConfigurationRecorder"])], "denies_stopping_recorders", True),
        ([deny("securityhub:Disable*")], "denies_stopping_recorders", True),
        ([deny("ec2:DisableSnapshotBlockPublicAccess")], "denies_lowering_defaults", True),
        ([deny("s3:PutBucketPublicAccessBlock")], "denies_lowering_defaults", False),
        ([deny("aws-marketplace:Subscribe", {"Null": {"aws:PrincipalTag/buyer": "true"}})], "denies_marketplace", True),
        ([deny("*", {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}})], "denies_root", True),
        ([deny("*", {"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::*:root"]}})], "denies_root", True),
        (
            [deny("*", {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}, "Null": {"aws:AssumedRoot": "true"}})],
            "denies_root",
            True,
        ),
        ([deny("s3:*", {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}})], "denies_root", False),
        (
            [deny(["ram:CreateResourceShare", "ram:UpdateResourceShare"], {"Bool": {"ram:RequestedAllowsExternalPrincipals": "true"}})],
            "denies_sharing_outside",
            True,
        ),
        ([deny("ram:*", {"BoolIfExists": {"ram:RequestedAllowsExternalPrincipals": "TRUE"}})], "denies_sharing_outside", True),
        ([deny("ram:*", {"Bool": {"ram:RequestedAllowsExternalPrincipals": "false"}})], "denies_sharing_outside", False),
        ([deny("ram:CreateResourceShare")], "denies_sharing_outside", False),
        ([deny("iam:*", resource="arn:aws:iam::*:role/aws-controltower-*")], "protects_roles", True),
        ([deny("iam:*", resource="arn:aws:iam::${aws:PrincipalAccount}:role/audit")], "protects_roles", True),
        ([deny("iam:AttachRolePolicy", resource="arn:aws:iam::*:role/audit")], "protects_roles", False),
        ([deny("iam:*", resource=f"arn:aws:iam::{OTHER}:role/audit")], "protects_roles", False),
        ([deny("iam:*", resource="arn:aws:iam::*:user/audit")], "protects_roles", False),
        ([deny("*")], "limits_services", True),
        ([but(["iam:*", "s3:*"])], "limits_services", True),
        ([but(["iam:*"], {"Bool": {"aws:MultiFactorAuthPresent": "false"}})], "limits_services", False),
        ([deny("Redshift:**")], "limits_services", True),
        ([deny(["guardduty:*", "iam:*"])], "limits_services", False),
        ([deny("redshift:Create*")], "limits_services", False),
    ],
)
def test_what_is_refused_to_ordinary_principals(written: list[Json], column: str, expected: bool | None) -> None:
    assert row(*written)[column] is expected


ELSEWHERE = {"StringNotEquals": {"aws:RequestedRegion": ["eu-central-1", "us-east-1"]}}


@pytest.mark.parametrize(
    ("written", "expected", "left"),
    [
        ([but(["iam:*", "route53:*"], ELSEWHERE)], True, ["eu-central-1", "us-east-1"]),
        ([deny("*", ELSEWHERE)], True, ["eu-central-1", "us-east-1"]),
        ([deny("*", {"StringNotEqualsIfExists": {"aws:RequestedRegion": "eu-west-1"}})], True, ["eu-west-1"]),
        ([deny("*", {"ForAllValues:StringNotLike": {"aws:RequestedRegion": "eu-west-*"}})], True, ["eu-west-1", "eu-west-2", "eu-west-3"]),
        ([deny("*", {"StringNotLike": {"aws:RequestedRegion": "*"}})], False, "all"),
        ([deny("*", {"StringNotLike": {"aws:RequestedRegion": "*-*"}})], False, "all"),
        ([deny("*", {"StringNotLike": {"aws:RequestedRegion": ["??-*", "eu-west-1"]}})], False, "all"),
        ([deny("*", {"StringEquals": {"aws:RequestedRegion": "ap-east-1"}})], False, "all"),
        ([but(["ec2:*", "iam:*"], ELSEWHERE)], False, "all"),
        ([deny("ec2:*", ELSEWHERE)], False, "all"),
        ([deny("*", {**ELSEWHERE, "StringEquals": {"aws:PrincipalTag/x": "y"}})], False, "all"),
        (
            [deny("*", {**ELSEWHERE, "ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/network"}})],
            True,
            ["eu-central-1", "us-east-1"],
        ),
    ],
)
def test_where_things_can_still_be_placed(written: list[Json], expected: bool, left: Json) -> None:
    found = row(*written)
    assert found["limits_regions"] is expected
    assert sorted(found["allowed_regions"]) == sorted(REGIONS["aws"] if left == "all" else left)


OFFICE = {"NotIpAddressIfExists": {"aws:SourceIp": ["203.0.113.0/24"]}, "StringNotEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([deny("*", OFFICE)], True),
        ([deny("*", {**OFFICE, "BoolIfExists": {"aws:ViaAWSService": "false", "aws:PrincipalIsAWSService": "false"}})], True),
        ([but(["es:ES*", "dax:*"], OFFICE)], True),
        ([deny("*", {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/0"]}})], False),
        ([deny("*", {"NotIpAddress": {"aws:SourceIp": ["0.0.0.0/1"]}})], False),
        ([deny("*", {"NotIpAddress": {"aws:SourceIp": ["128.0.0.0/2", "::/0"]}})], False),
        ([deny("*", {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24"]}})], False),
        ([deny("*", {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})], True),
        ([deny("*", {"StringNotLike": {"aws:SourceVpce": "vpce-*"}})], True),
        ([deny("s3:*", OFFICE)], False),
        ([but("s3:*", OFFICE)], False),
    ],
)
def test_whether_calls_from_anywhere_are_refused(written: list[Json], expected: bool) -> None:
    assert row(*written)["limits_networks"] is expected


def test_an_allow_list_refuses_what_it_leaves_out() -> None:
    listed = document({"Effect": "Allow", "Action": ["ec2:*", "iam:*", "organizations:List*"], "Resource": "*"})
    found = controls.control_row(Controls(SETTING, [[document(FULL)], [listed]]))
    assert (found["denies_leaving"], found["limits_services"], found["denies_access_keys"]) == (True, True, False)
    both = controls.control_row(Controls(SETTING, [[document(FULL)], [listed, document(FULL)]]))
    assert (both["denies_leaving"], both["limits_services"]) == (False, False)
    here = document({**FULL, "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}})
    assert controls.control_row(Controls(SETTING, [[here]]))["allowed_regions"] == ["eu-west-1"]


def test_two_levels_keep_their_promises_together() -> None:
    root = document(FULL, deny("cloudtrail:StopLogging"))
    unit = document(FULL, deny(["cloudtrail:DeleteTrail", "cloudtrail:UpdateTrail", "cloudtrail:Put*"]))
    assert controls.control_row(Controls(SETTING, [[root], [unit]]))["denies_stopping_trails"] is True
    assert controls.control_row(Controls(SETTING, [[root]]))["denies_stopping_trails"] is False


def test_a_place_in_the_organisation_may_be_exempt() -> None:
    elsewhere = deny("*", {"ForAnyValue:StringNotLike": {"aws:PrincipalOrgPaths": f"{OURS}/r-1/ou-2/*"}})
    assert row(elsewhere, path=f"{OURS}/r-1/ou-2/")["denies_leaving"] is False
    assert row(elsewhere, path=f"{OURS}/r-1/ou-3/")["denies_leaving"] is True
    assert row(elsewhere)["denies_leaving"] is None


def test_what_was_not_seen_may_refuse_more_and_never_less() -> None:
    known = document(deny("organizations:LeaveOrganization"))
    for found in (
        controls.control_row(Controls(SETTING, [[known]], whole=False)),
        controls.control_row(Controls(SETTING, [[document(FULL), known, UNREADABLE]])),
    ):
        assert (found["denies_leaving"], found["denies_marketplace"], found["allowed_regions"]) == (True, None, None)
        assert {value for name, value in found.items() if name != "denies_leaving"} == {None}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (deny("s3:*", {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": OURS}}, Principal="*"), True),
        (deny("*", {"StringNotEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}}, Principal="*"), True),
        (deny("s3:*", {"StringNotLike": {"aws:PrincipalOrgID": "o-*"}}, Principal="*"), False),
        (deny("s3:*", {"StringNotEquals": {"aws:PrincipalOrgID": OURS}}, "arn:aws:s3:::finance-*/*", Principal="*"), False),
        (deny("s3:PutObject", {"StringNotEquals": {"aws:PrincipalOrgID": OURS}}, Principal="*"), False),
        (deny("s3:GetObject", {"StringNotEquals": {"aws:PrincipalOrgID": OURS}}, Principal="*"), False),
        (deny(["s3:Get*", "s3:Put*", "s3:List*"], {"StringNotEquals": {"aws:PrincipalOrgID": OURS}}, Principal="*"), True),
        (deny("s3:*", {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": OURS, "aws:ResourceTag/open": "yes"}}, Principal="*"), True),
        (deny("s3:*", {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": OURS, "aws:PrincipalTag/friend": "yes"}}, Principal="*"), False),
        (deny("s3:*", {"StringNotEquals": {"aws:PrincipalOrgID": OURS}, "StringEquals": {"aws:ResourceTag/x": "y"}}, Principal="*"), False),
        (
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "NotResource": ["arn:aws:s3:::www", "arn:aws:s3:::www/*"],
                "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": OURS}},
            },
            True,
        ),
    ],
)
def test_what_strangers_are_kept_from(written: Json, expected: bool) -> None:
    assert controls.resource_control_row([document(FULL), document(written)], SETTING)["guards_data"] is expected
    unseen = controls.resource_control_row([document(written), UNREADABLE], SETTING)["guards_data"]
    assert unseen is (True if expected else None)
    assert controls.resource_control_row([document(written)], SETTING, whole=False)["guards_data"] is unseen


ACTIONS = ["*", "iam:*", "IAM:Create*", "cloudtrail:StopLogging", "cloudtrail:*", "organizations:LeaveOrganization", "redshift:*"]
CONDITIONS: list[Json] = [
    {},
    ELSEWHERE,
    {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/admin"}},
    {"StringEquals": {"aws:PrincipalTag/x": "y"}},
    {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
]
STATEMENT = st.builds(
    lambda action, condition, turned: (but if turned else deny)(action, condition),
    st.sampled_from(ACTIONS),
    st.sampled_from(CONDITIONS),
    st.booleans(),
)


@settings(max_examples=drawn(40), deadline=None)
@given(st.lists(STATEMENT, max_size=3), STATEMENT, st.randoms(use_true_random=False))
def test_another_deny_takes_no_promise_back_and_where_it_hangs_decides_nothing(written: list[Json], more: Json, random: Any) -> None:
    before, after = row(*written), row(*written, more)
    for column, value in before.items():
        if value is True:
            assert after[column] is True, column
    mixed = [*written, more]
    random.shuffle(mixed)
    apart = controls.control_row(Controls(SETTING, [[document(FULL)], *([document(FULL), document(one)] for one in mixed)]))
    assert apart == after


def test_a_copy_of_everything_limits_nothing() -> None:
    assert controls.limits(document(FULL)).as_bool is False
    assert controls.limits(document(FULL, deny("iam:*"))).as_bool is True
    assert controls.limits(UNREADABLE).as_bool is None
    assert controls.allows_all([document(FULL)])
    assert not controls.allows_all([document({**FULL, "Condition": {"Bool": {"aws:ViaAWSService": "true"}}})])


def test_accounts_are_told_apart_by_their_ids_alone() -> None:
    def apart(written: Json, account: str) -> bool:
        return controls.marks(document(written)).tell_apart(account)

    assert apart(deny("*", {"StringEquals": {"aws:PrincipalAccount": ME}}), ME)
    assert not apart(deny("*", {"StringEquals": {"aws:PrincipalAccount": OTHER}}), ME)
    assert not apart(deny("*", ELSEWHERE), ME)
    assert apart(deny("*", resource="arn:aws:iam::1111*:role/x"), ME)
    assert apart(deny("*", {"StringLike": {"aws:PrincipalAccount": "1*"}}), OTHER)
    assert apart(deny("*", {"StringLike": {"aws:PrincipalOrgPaths": f"{OURS}/r-1/*"}}), ME)
