"""What principals hold, and by which ways they could hold more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cnamm_scan.providers.aws.policies import services
from cnamm_scan.providers.aws.policies.assuming import Role, becomes_administrator, step, steps
from cnamm_scan.providers.aws.policies.documents import UNREADABLE, Document
from cnamm_scan.providers.aws.policies.escalation import can_raise, is_administrator, ways
from cnamm_scan.providers.aws.policies.facts import rights_row
from cnamm_scan.providers.aws.policies.rights import Need, Rights, decide
from cnamm_scan.providers.aws.policies.setting import Setting, Truth
from cnamm_scan.providers.aws.policies.ways import WAYS, Strength
from tests.providers.aws.policies.written import document

Json = Any
ME = "111111111111"
SETTING = Setting(ME, organisation="o-abcdef1234")
ROLE, USER = f"arn:aws:iam::{ME}:role/app", f"arn:aws:iam::{ME}:user/kim"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def _rights(*written: Json, boundary: Document | None = None, controls: tuple[tuple[Document, ...], ...] = (), arn: str = "") -> Rights:
    return Rights(SETTING, (document(*written),), boundary, controls, arn)


def _allow(actions: Json, resource: Json = "*", condition: Json = None) -> Json:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **({"Condition": condition} if condition else {})}


def _deny(actions: Json, resource: Json = "*", condition: Json = None) -> Json:
    return {**_allow(actions, resource, condition), "Effect": "Deny"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([ALL], Truth.YES),
        ([_allow("*:*")], Truth.YES),
        ([_allow("iam:**")], Truth.YES),
        ([_allow("IAM:?*")], Truth.YES),
        ([{"Effect": "Allow", "NotAction": "nosuch:Thing", "Resource": "*"}], Truth.YES),
        ([{"Effect": "Allow", "NotAction": ["iam:*", "organizations:*"], "Resource": "*"}], Truth.NO),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::secret/*"}], Truth.YES),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "*"}], Truth.NO),
        ([_allow("*", "arn:aws:s3:::*")], Truth.NO),
        ([_allow("iam:*", f"arn:aws:iam::{ME}:*")], Truth.YES),
        ([_allow("iam:*", f"arn:aws:iam::{ME}:role/app")], Truth.NO),
        ([ALL, _deny("*")], Truth.NO),
        ([ALL, _deny("iam:*")], Truth.NO),
        ([ALL, _deny("iam:DeleteUser")], Truth.YES),
        ([ALL, _deny(["iam:*Policy*", "iam:*User*", "iam:*Key*", "iam:*Profile*"])], Truth.NO),
        ([ALL, _deny("*", "*", {"StringNotEquals": {"aws:RequestedRegion": "eu-central-1"}})], Truth.YES),
        ([ALL, _deny("*", "*", {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}})], Truth.YES),
        ([_allow("*", "*", {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}})], Truth.NO),
        ([_allow("*", "*", {"StringEquals": {"aws:PrincipalTag/admin": "yes"}})], Truth.UNKNOWN),
        ([_allow("*", "*", {"StringEquals": {"aws:PrincipalOrgID": "o-abcdef1234"}})], Truth.YES),
        ([_allow("*", "*", {"StringEquals": {"aws:PrincipalOrgID": "o-zzzzzzzzzz"}})], Truth.NO),
        ([_allow(["iam:C*", "iam:A*", "iam:P*", "iam:U*", "iam:D*"])], Truth.YES),
        ([_allow(["iam:Get*", "iam:List*"])], Truth.NO),
    ],
)
def test_who_is_an_administrator(written: list[Json], expected: Truth) -> None:
    assert is_administrator(_rights(*written)) is expected


PASS = "iam:PassRole"
FIXED = {"StringEquals": {"iam:PermissionsBoundary": f"arn:aws:iam::{ME}:policy/bound"}}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([_allow("iam:CreatePolicyVersion")], Truth.YES),
        ([_allow("iam:CreatePolicyVersion", f"arn:aws:iam::{ME}:policy/x")], Truth.UNKNOWN),
        ([_allow("iam:?????eAccessKey")], Truth.YES),
        ([_allow("iam:*Policy")], Truth.YES),
        ([_allow("iam:Update*")], Truth.YES),
        ([_allow("iam:CreateAccessKey", f"arn:aws:iam::{ME}:user/${{aws:username}}")], Truth.NO),
        ([_allow("iam:CreateAccessKey", f"arn:aws:iam::{ME}:user/*")], Truth.YES),
        ([_allow("iam:PutUserPolicy", f"arn:aws:iam::{ME}:user/${{aws:username}}")], Truth.YES),
        ([_allow("iam:AttachUserPolicy", f"arn:aws:iam::{ME}:user/someone")], Truth.UNKNOWN),
        ([_allow("iam:CreateAccessKey", "arn:aws:iam::222222222222:user/*")], Truth.NO),
        ([_allow("iam:AttachRolePolicy", "*", {"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/ReadOnlyAccess"}})], Truth.NO),
        ([_allow("iam:AttachRolePolicy", "*", {"ArnLike": {"iam:PolicyARN": "arn:aws:iam::aws:policy/*"}})], Truth.YES),
        (
            [_allow("iam:AttachRolePolicy", "*", {"ArnNotEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}})],
            Truth.YES,
        ),
        ([_allow(["iam:PutRolePolicy", "iam:AttachRolePolicy"], "*", FIXED)], Truth.NO),
        ([_allow("iam:PutRolePolicy", "*", {"StringEqualsIfExists": FIXED["StringEquals"]})], Truth.YES),
        ([_allow(PASS)], Truth.NO),
        ([_allow("lambda:CreateFunction")], Truth.NO),
        ([_allow(PASS), _allow(["lambda:CreateFunction", "lambda:InvokeFunction"])], Truth.YES),
        ([_allow(PASS), _allow("lambda:CreateFunction")], Truth.NO),
        ([_allow([PASS, "lambda:*"], f"arn:aws:lambda:*:{ME}:function:*")], Truth.YES),
        (
            [_allow(PASS, f"arn:aws:iam::{ME}:role/x"), _allow(["lambda:CreateFunction", "lambda:AddPermission"])],
            Truth.UNKNOWN,
        ),
        ([_allow(PASS, "*", {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}), _allow("ec2:RunInstances")], Truth.YES),
        ([_allow(PASS, "*", {"StringEquals": {"iam:PassedToService": "ecs.amazonaws.com"}}), _allow("ec2:RunInstances")], Truth.NO),
        ([_allow(PASS, "*", {"StringLike": {"iam:PassedToService": "*.amazonaws.com"}}), _allow("glue:CreateDevEndpoint")], Truth.YES),
        ([_allow(PASS), _allow("ec2:RunInstances"), _deny("ec2:*")], Truth.NO),
        ([_allow(PASS), _allow("ec2:RunInstances"), _deny("ec2:RunInstances", f"arn:aws:ec2:*:{ME}:instance/i-1")], Truth.YES),
        ([_allow("sts:AssumeRole")], Truth.UNKNOWN),
        ([_allow("ssm:SendCommand")], Truth.YES),
        ([_allow("ssm:SendCommand", "*", {"StringEquals": {"ssm:resourceTag/team": "shop"}})], Truth.UNKNOWN),
        ([_allow(["s3:*", "sqs:*"])], Truth.NO),
    ],
)
def test_who_can_raise_his_rights(written: list[Json], expected: Truth) -> None:
    assert can_raise(_rights(*written)) is expected


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_each_way_is_opened_by_what_it_needs_and_by_nothing_less(way: Any) -> None:
    needed = [_allow(step.actions[0], "*") for step in way.steps]
    rights = Rights(SETTING, (document(*needed),), boundary=document(ALL))
    found = dict(ways(rights))
    assert found[way] is (Truth.UNKNOWN if way.strength is Strength.DEPENDS else Truth.YES)
    for left_out in needed:
        if len(needed) > 1:
            assert way not in dict(
                ways(Rights(SETTING, (document(*(each for each in needed if each is not left_out)),), boundary=document(ALL)))
            )
    assert way not in dict(ways(replace(rights, identity=(*rights.identity, document(_deny(list(way.steps[0].actions)))))))


def test_every_way_has_a_name_of_its_own_and_a_source() -> None:
    assert len({way.name for way in WAYS}) == len(WAYS) >= 30
    assert all(way.source.startswith("https://") and way.about for way in WAYS)


def test_a_boundary_caps_and_only_who_has_one_can_lose_it() -> None:
    only_s3 = document(_allow("s3:*"))
    assert is_administrator(_rights(ALL, boundary=only_s3)) is Truth.NO
    assert can_raise(_rights(ALL, boundary=only_s3)) is Truth.NO
    assert is_administrator(_rights(ALL, boundary=UNREADABLE)) is Truth.UNKNOWN
    takes = _allow("iam:DeleteRolePermissionsBoundary")
    assert can_raise(_rights(takes, arn=ROLE)) is Truth.NO
    assert can_raise(_rights(takes, arn=ROLE, boundary=document(ALL))) is Truth.YES


def test_who_may_change_himself_needs_nobody_else() -> None:
    assert can_raise(_rights(_allow("iam:PutRolePolicy", ROLE), arn=ROLE)) is Truth.YES
    assert can_raise(_rights(_allow("iam:PutRolePolicy", ROLE), arn=f"{ROLE}-2")) is Truth.UNKNOWN
    assert can_raise(_rights(_allow("iam:CreateAccessKey", USER), arn=USER)) is Truth.NO
    assert can_raise(_rights(_allow("iam:AttachUserPolicy", f"arn:aws:iam::{ME}:user/${{aws:username}}"), arn=USER)) is Truth.YES
    assert can_raise(_rights(_allow("iam:AttachUserPolicy", f"arn:aws:iam::{ME}:user/${{aws:username}}"), arn=ROLE)) is Truth.NO


def test_control_policies_have_to_allow_on_every_level() -> None:
    whole, no_iam = document(ALL), document(_deny("iam:*", "*", {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/admin"}}))
    assert can_raise(_rights(_allow("iam:*"), controls=((whole, no_iam),))) is Truth.NO
    assert can_raise(_rights(_allow("iam:*"), controls=((whole, no_iam),), arn=f"arn:aws:iam::{ME}:role/admin")) is Truth.YES
    assert is_administrator(_rights(ALL, controls=((whole,), (document(_allow("s3:*")),)))) is Truth.NO
    assert is_administrator(_rights(ALL, controls=((whole,), (whole,)))) is Truth.YES


def test_documents_add_up() -> None:
    rights = Rights(SETTING, (document(_allow(PASS)), document(_allow("ec2:RunInstances"))))
    assert can_raise(rights) is Truth.YES
    assert can_raise(replace(rights, identity=(*rights.identity, document(_deny(PASS))))) is Truth.NO


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([_allow("s3:*", "arn:aws:s3:::*")], services.Share.ALL),
        ([_allow("s3:?*")], services.Share.ALL),
        ([_allow("S3:*"), _deny("s3:DeleteBucket")], services.Share.NEARLY),
        ([_allow(["s3:Get*", "s3:List*", "s3:Put*", "s3:Delete*", "s3:Create*"])], services.Share.NEARLY),
        ([_allow(["s3:Get*", "s3:List*"])], services.Share.NONE),
        ([_allow("s3:*", ["arn:aws:s3:::b", "arn:aws:s3:::b/*"])], services.Share.NONE),
        ([{"Effect": "Allow", "NotAction": "s3:DeleteBucket", "Resource": "arn:aws:s3:::one/*"}], services.Share.NONE),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], services.Share.ALL),
        ([{"Effect": "Allow", "NotAction": "s3:DeleteBucket", "Resource": "*"}], services.Share.NEARLY),
    ],
)
def test_how_much_of_a_service_is_held(written: list[Json], expected: services.Share) -> None:
    assert services.share(_rights(*written), "s3") is expected


DECRYPT = "KMS:decrypt"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (_allow(DECRYPT), Truth.YES),
        (_allow("kms:ReEncryptFrom"), Truth.YES),
        (_allow("kms:ReEncrypt*"), Truth.YES),
        (_allow("kms:ReEncryptTo"), Truth.NO),
        (_allow("kms:Encrypt"), Truth.NO),
        (_allow(DECRYPT, "arn:aws:kms:*:*:key/*"), Truth.YES),
        (_allow(DECRYPT, f"arn:aws:kms:*:{ME}:*"), Truth.YES),
        (_allow(DECRYPT, f"arn:aws:kms:eu-central-1:{ME}:key/*"), Truth.NO),
        (_allow(DECRYPT, "arn:aws:kms:eu-*:*:key/*"), Truth.NO),
        (_allow(DECRYPT, "arn:aws:kms:*:222222222222:key/*"), Truth.NO),
        (_allow("kms:*", f"arn:aws:kms:eu-central-1:{ME}:key/1"), Truth.NO),
        (_allow(DECRYPT, "*", {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/shop"}}), Truth.NO),
        (_allow(DECRYPT, "*", {"ForAnyValue:StringLike": {"kms:ResourceAliases": ["alias/shop-*", "alias/web"]}}), Truth.NO),
        (_allow(DECRYPT, "*", {"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/*"}}), Truth.YES),
        (_allow(DECRYPT, "*", {"StringEquals": {"kms:RequestAlias": "alias/shop"}}), Truth.NO),
        (_allow(DECRYPT, "*", {"StringEqualsIfExists": {"kms:RequestAlias": "alias/shop"}}), Truth.YES),
        (_allow(DECRYPT, "*", {"StringNotEquals": {"kms:RequestAlias": "alias/shop"}}), Truth.YES),
        (_allow(DECRYPT, "*", {"StringEquals": {"aws:ResourceTag/team": "shop"}}), Truth.NO),
        (_allow(DECRYPT, "*", {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}), Truth.NO),
        (_allow(DECRYPT, "*", {"StringNotEquals": {"aws:ResourceTag/team": "shop"}}), Truth.YES),
        (_allow(DECRYPT, "*", {"StringEquals": {"aws:PrincipalTag/team": "shop"}}), Truth.UNKNOWN),
        (_allow(DECRYPT, "*", {"StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}}), Truth.YES),
    ],
)
def test_every_key_is_one_that_no_region_alias_or_tag_names(statement: Json, expected: Truth) -> None:
    assert services.decrypts_everywhere(_rights(statement)) is expected


def test_what_a_tag_picks_is_not_everything() -> None:
    tagged = {"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}
    assert services.reads_objects_everywhere(_rights(_allow("s3:GetObject", "*", tagged))) is Truth.NO
    assert services.reads_objects_everywhere(_rights(_allow("s3:*"), _deny("s3:*", "*", tagged))) is Truth.YES
    assert services.reads_objects_everywhere(_rights(_allow("s3:GetObjectVersion"))) is Truth.YES
    tagged = {"StringEquals": {"secretsmanager:ResourceTag/team": "shop"}}
    assert services.reads_secrets_everywhere(_rights(_allow("secretsmanager:*", "*", tagged))) is Truth.NO
    assert services.reads_secrets_everywhere(_rights(_allow("secretsmanager:*"))) is Truth.YES


def test_what_else_is_asked_of_rights() -> None:
    assert services.passing(_rights(_allow(PASS, f"arn:aws:iam::{ME}:role/x"))).roles == "some"
    assert services.passing(_rights(_allow("iam:Pass*"))) == services.Passing("all", Truth.YES)
    to_ec2 = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    assert services.passing(_rights(_allow(PASS, "*", to_ec2))) == services.Passing("all", Truth.NO)
    assert rights_row(_rights(_allow("iam:*")))["holds_everything"] is False
    assert rights_row(_rights(ALL))["holds_everything"] is True
    assert "sqs" in services.whole_services(_rights(_allow("sqs:*")))


def test_one_request_is_decided_by_all_documents_together() -> None:
    queue = f"arn:aws:sqs:eu-central-1:{ME}:orders"
    policy = document({"Effect": "Allow", "Principal": {"AWS": [ROLE, USER]}, "Action": "sqs:ReceiveMessage", "Resource": queue})
    bounded = _rights(_allow("s3:*"), boundary=document(_allow("s3:*")), arn=ROLE)
    assert decide(bounded, "sqs:ReceiveMessage", queue, policy) is Truth.NO
    assert decide(replace(bounded, arn=USER), "sqs:ReceiveMessage", queue, policy) is Truth.YES
    assert decide(replace(bounded, boundary=None), "sqs:ReceiveMessage", queue, policy) is Truth.YES
    assert decide(_rights(_allow("sqs:*"), arn=ROLE), "sqs:ReceiveMessage", queue) is Truth.YES
    refused = document({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"})
    assert decide(_rights(ALL, arn=ROLE), "sqs:ReceiveMessage", queue, refused) is Truth.NO
    assert Rights(SETTING, (document(ALL),)).holds_all([Need("a:b"), Need("c:d")]) is Truth.YES


def _role(name: str, principal: Json, *written: Json) -> Role:
    arn = f"arn:aws:iam::{ME}:role/{name}"
    trust = document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})
    return Role(arn, trust, _rights(*written, arn=arn))


def test_who_can_take_which_role() -> None:
    root = {"AWS": f"arn:aws:iam::{ME}:root"}
    named, handed = _role("named", {"AWS": USER}), _role("handed", root)
    nothing, holder = _rights(_allow("s3:List*"), arn=USER), _rights(_allow("sts:AssumeRole"), arn=f"arn:aws:iam::{ME}:user/sam")
    assert (step(nothing, named).can, step(nothing, named).by) == (Truth.YES, "trust")
    assert step(nothing, handed).can is Truth.NO
    assert (step(holder, handed).can, step(holder, handed).by) == (Truth.YES, "rights")
    assert step(holder, named).can is Truth.NO
    assert step(_rights(_deny("sts:*"), arn=USER), named).can is Truth.NO
    assert [(each.holder, each.role) for each in steps([nothing, holder], [named, handed])] == [(USER, named.arn), (holder.arn, handed.arn)]


def test_who_becomes_an_administrator_by_taking_roles() -> None:
    first = _role("first", {"AWS": USER}, _allow("sts:AssumeRole"))
    second = _role("second", {"AWS": first.arn}, ALL)
    lone = _rights(_allow("s3:List*"), arn=f"arn:aws:iam::{ME}:user/sam")
    found = becomes_administrator([_rights(_allow("s3:List*"), arn=USER), lone], [first, second])
    assert found == {USER: Truth.YES, lone.arn: Truth.NO, first.arn: Truth.YES, second.arn: Truth.YES}
