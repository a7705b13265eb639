"""Buckets, plain text, enclaves, endpoints and control policies, and the rows that tables get."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.providers.aws import policies
from cnamm_scan.providers.aws.policies import buckets, facts, questions
from cnamm_scan.providers.aws.policies.admission import Reach
from cnamm_scan.providers.aws.policies.assuming import Role
from cnamm_scan.providers.aws.policies.buckets import Bucket, Grant, Switches, bucket_reach, is_called_public, strictest
from cnamm_scan.providers.aws.policies.documents import read
from cnamm_scan.providers.aws.policies.questions import Attestation
from cnamm_scan.providers.aws.policies.rights import Rights
from cnamm_scan.providers.aws.policies.setting import Place, Setting, Truth
from tests.providers.aws.policies.written import document

Json = Any
ME, PARTNER, OURS = "111111111111", "222222222222", "o-abcdef1234"
SETTING = Setting(ME, organisation=OURS, canonical_id="aa")
EVERYBODY = Grant("READ", group="http://acs.amazonaws.com/groups/global/AllUsers")
CUSTOMERS = Grant("READ", group="http://acs.amazonaws.com/groups/global/AuthenticatedUsers")
LOGS = Grant("WRITE", group="http://acs.amazonaws.com/groups/s3/LogDelivery")


def _read(principal: Json = "*", condition: Json = None) -> Json:
    return {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::b/*",
        "Condition": condition or {},
    }


PUBLIC = document(_read())


@pytest.mark.parametrize(
    ("bucket", "expected"),
    [
        (Bucket(PUBLIC), Truth.YES),
        (Bucket(PUBLIC, switches=Switches(restricts_public_policy=True)), Truth.NO),
        (Bucket(PUBLIC, switches=Switches(restricts_public_policy=None)), Truth.UNKNOWN),
        (Bucket(PUBLIC, switches=Switches(ignores_public_acls=True)), Truth.YES),
        (Bucket(document(), (EVERYBODY,)), Truth.YES),
        (Bucket(document(), (CUSTOMERS,)), Truth.YES),
        (Bucket(document(), (LOGS,)), Truth.NO),
        (Bucket(document(), (EVERYBODY,), switches=Switches(ignores_public_acls=True)), Truth.NO),
        (Bucket(document(), (EVERYBODY,), switches=Switches(ignores_public_acls=None)), Truth.UNKNOWN),
        (Bucket(document(), (EVERYBODY,), owner_enforced=True), Truth.NO),
        (Bucket(document(), (EVERYBODY,), owner_enforced=None), Truth.UNKNOWN),
        (Bucket(read("no json")), Truth.UNKNOWN),
        (Bucket(document(_read("*", {"StringLike": {"aws:SourceVpc": "vpc-*"}}))), Truth.YES),
    ],
)
def test_whether_a_bucket_is_open(bucket: Bucket, expected: Truth) -> None:
    assert bucket_reach(bucket, SETTING).is_open is expected


def test_a_restricted_public_policy_shuts_out_named_accounts_too() -> None:
    both = document(_read({"AWS": PARTNER}), _read())
    shut = Switches(restricts_public_policy=True)
    assert bucket_reach(Bucket(both, switches=shut), SETTING).admission.leaves_account is Truth.NO
    assert bucket_reach(Bucket(document(_read({"AWS": PARTNER})), switches=shut), SETTING).admission.accounts == {PARTNER}
    assert strictest(Switches(False, False), Switches(None, True)) == Switches(None, True)


def test_an_account_may_be_let_in_by_its_canonical_id() -> None:
    found = bucket_reach(Bucket(document(), (Grant("READ", canonical_id="aa"), Grant("READ", canonical_id="bb"))), SETTING).admission
    assert (found.reach, set(found.accounts)) == (Reach.NAMED, {"bb"})
    found = bucket_reach(Bucket(document(), (Grant("READ", canonical_id="bb"),)), Setting(ME)).admission
    assert found.leaves_account is Truth.UNKNOWN


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, Truth.YES),
        ({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, Truth.NO),
        ({"StringLike": {"aws:SourceVpc": "vpc-*"}}, Truth.YES),
        ({"StringLike": {"s3:DataAccessPointArn": f"arn:aws:s3:eu-central-1:{ME}:accesspoint/*"}}, Truth.NO),
        ({"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}}, Truth.YES),
        ({"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}, Truth.YES),
        ({"IpAddress": {"aws:SourceIp": "15.0.0.0/8"}}, Truth.NO),
        ({"IpAddress": {"aws:SourceIp": "14.0.0.0/7"}}, Truth.YES),
        ({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}, Truth.YES),
    ],
)
def test_what_s3_itself_calls_public(condition: Json, expected: Truth) -> None:
    assert is_called_public(document(_read("*", condition))) is expected


PLAIN = {"Bool": {"aws:SecureTransport": "false"}}
BOTH = ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]


def _refusal(action: Json = "s3:*", resource: Json = BOTH, condition: Json = PLAIN, principal: Json = "*") -> Json:
    return {"Effect": "Deny", "Principal": principal, "Action": action, "Resource": resource, "Condition": condition}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([_refusal()], Truth.YES),
        ([_refusal("S3:*")], Truth.YES),
        ([_refusal("*", "*")], Truth.YES),
        ([_refusal(condition={"BoolIfExists": {"aws:SecureTransport": "FALSE"}})], Truth.YES),
        ([_refusal(resource=BOTH[0]), _refusal(resource=BOTH[1])], Truth.YES),
        ([_refusal(resource=BOTH[1])], Truth.NO),
        ([_refusal("s3:GetObject")], Truth.NO),
        ([_refusal(condition={"Bool": {"aws:SecureTransport": "true"}})], Truth.NO),
        ([_refusal(condition={**PLAIN, "IpAddress": {"aws:SourceIp": "198.41.0.0/24"}})], Truth.NO),
        ([_refusal(principal={"AWS": ME})], Truth.NO),
        ([_refusal(principal={"AWS": "*"})], Truth.YES),
        ([_refusal(), _read()], Truth.YES),
    ],
)
def test_whether_plain_text_is_refused_to_everybody(written: list[Json], expected: Truth) -> None:
    assert questions.refuses(document(*written), SETTING, ["s3:*"], buckets.arns_of("b"), questions.PLAIN_TEXT) is expected


def _decrypt(condition: Json = None, effect: str = "Allow", principal: Json = None) -> Json:
    named = principal or {"AWS": f"arn:aws:iam::{ME}:role/enclave"}
    return {"Effect": effect, "Principal": named, "Action": "kms:Decrypt", "Resource": "*", "Condition": condition or {}}


IMAGE = "kms:RecipientAttestation:ImageSha384"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([_decrypt()], Attestation.NONE),
        ([_decrypt({"StringEqualsIgnoreCase": {IMAGE: "ab12"}})], Attestation.PINNED),
        ([_decrypt({"StringLike": {IMAGE: "*"}})], Attestation.SOME),
        ([_decrypt({"StringNotEquals": {IMAGE: "ab12"}})], Attestation.NONE),
        ([_decrypt({"StringEqualsIfExists": {IMAGE: "ab12"}})], Attestation.NONE),
        ([_decrypt(), _decrypt({"Null": {IMAGE: "true"}}, "Deny", "*")], Attestation.SOME),
        ([_decrypt(), _decrypt({"StringNotEqualsIgnoreCase": {IMAGE: "ab12"}}, "Deny", "*")], Attestation.PINNED),
        ([_decrypt({"StringEquals": {IMAGE: "ab12"}}), _decrypt(principal={"AWS": ME})], Attestation.NONE),
        ([_decrypt({"StringEquals": {IMAGE: "ab12"}}), {**_decrypt(), "Action": "kms:ReEncrypt*"}], Attestation.NONE),
        ([_decrypt({"StringEquals": {IMAGE: "ab12"}}), {**_decrypt(), "Action": "kms:ReEncryptTo"}], Attestation.PINNED),
    ],
)
def test_what_a_key_asks_of_an_enclave(written: list[Json], expected: Attestation) -> None:
    assert questions.attestation(document(*written), SETTING) is expected


def _through(action: Json = "*", resource: Json = "*", condition: Json = None, principal: Json = "*") -> Json:
    return {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource, "Condition": condition or {}}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (_through(), "no"),
        (_through("s3:*"), "no"),
        (_through("s3:GetObject"), "yes"),
        (_through(resource="arn:aws:s3:::b/*"), "yes"),
        (_through(resource="arn:aws:s3:::*"), "no"),
        (_through(condition={"StringEquals": {"aws:PrincipalOrgID": OURS}}), "yes"),
        (_through(condition={"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}), "yes"),
        (_through(condition={"StringEquals": {"aws:ResourceAccount": ME}}), "yes"),
        (_through(condition={"StringNotEquals": {"aws:ResourceOrgID": OURS}}), "no"),
        (_through(condition={"StringEqualsIfExists": {"aws:PrincipalOrgID": OURS}}), "partly"),
        (_through(principal={"AWS": ME}), "yes"),
    ],
)
def test_whether_an_endpoint_narrows(written: Json, expected: str) -> None:
    assert questions.endpoint_narrowing(document(written), SETTING).is_narrow == expected


def test_rows_say_what_narrows_a_statement() -> None:
    condition = {
        "StringEquals": {"aws:SourceAccount": ME, "sts:ExternalId": "x"},
        "Bool": {"aws:SecureTransport": "true", "aws:MultiFactorAuthPresent": "true"},
        "StringLike": {"aws:SourceVpce": "vpce-*", "aws:PrincipalTag/team": "*"},
        "IpAddress": {"aws:SourceIp": "198.41.0.0/24"},
    }
    row = facts.statement_rows(document(_read("*", condition)), SETTING)[0]
    assert row["narrowed_by"] == ["account", "external_id", "mfa", "network", "transport"]
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "*",
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": OURS}},
    }
    assert facts.statement_rows(document(_read(), deny), SETTING)[0]["narrowed_by"] == ["organisation"]
    assert facts.statement_rows(PUBLIC, SETTING)[0]["narrowed_by"] == []


def test_rows_of_trust_policies() -> None:
    github = f"arn:aws:iam::{ME}:oidc-provider/token.actions.githubusercontent.com"
    token = {
        "Effect": "Allow",
        "Principal": {"Federated": github},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:acme/*"}},
    }
    partner = {
        "Effect": "Allow",
        "Principal": {"AWS": PARTNER},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "x"}, "DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}},
    }
    first, second = facts.trust_rows(document(token, partner), Setting(ME, place=Place.TRUST))
    assert (first["is_pipeline"], first["tokens_are_bound"], first["narrowed_by"], first["reach"]) == (True, True, ["subject"], "source")
    assert (second["asks_external_id"], second["ends_by_itself"], second["accounts"], second["reach"]) == (True, True, [PARTNER], "named")
    assert (first["ends_at"], second["ends_at"]) == (None, "2030-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("written", "ends_at"),
    [
        ({"DateLessThan": {"aws:CurrentTime": ["2030-01-01T00:00:00Z", "2031-01-01T00:00:00+01:00"]}}, "2030-12-31T23:00:00Z"),
        (
            {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}, "DateLessThanEquals": {"aws:CurrentTime": "1767225600"}},
            "2026-01-01T00:00:00Z",
        ),
        ({"DateLessThan": {"aws:CurrentTime": "${aws:TokenIssueTime}"}}, None),
        ({"DateLessThan": {"aws:CurrentTime": "99999999999999"}}, None),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, None),
    ],
)
def test_when_a_trust_ends(written: Any, ends_at: str | None) -> None:
    partner = {"Effect": "Allow", "Principal": {"AWS": PARTNER}, "Action": "sts:AssumeRole", "Condition": written}
    (row,) = facts.trust_rows(document(partner), Setting(ME, place=Place.TRUST))
    assert row["ends_at"] == ends_at


def test_rows_of_keys_endpoints_buckets_and_principals() -> None:
    key = facts.key_row(document(_decrypt()), SETTING)
    assert (key["reach"], key["mixes_rights"], key["holders_of_all"], key["attestation"]) == ("account", False, [], "none")
    assert facts.endpoint_row(document(_through()), SETTING)["is_narrow"] == "no"
    partner = {"Effect": "Allow", "Principal": {"AWS": PARTNER}, "Action": "S3:*", "Resource": "*"}
    bucket = facts.bucket_row("b", Bucket(document(partner, _refusal())), SETTING)
    assert (bucket["is_open"], bucket["refuses_plaintext"], bucket["partners_with_all_actions"]) == (False, True, [PARTNER])
    arn = f"arn:aws:iam::{ME}:role/app"
    rights = Rights(SETTING, (document({"Effect": "Allow", "Action": "*", "Resource": "*"}),), arn=arn)
    row = facts.rights_row(rights)
    assert (row["is_administrator"], row["can_raise"], row["passes_roles"]) == (True, True, "all")
    assert "sts:AssumeRole" in row["possible_ways"]
    other = Role(f"{arn}-2", document({"Effect": "Allow", "Principal": {"AWS": ME}, "Action": "sts:AssumeRole"}), rights)
    assert facts.assume_rows([rights], [other]) == [{"holder": arn, "role": f"{arn}-2", "can": True, "by": "rights"}]


def test_rows_hold_plain_values_only() -> None:
    rows = [
        *facts.statement_rows(PUBLIC, SETTING),
        facts.document_row(PUBLIC, SETTING),
        facts.bucket_row("b", Bucket(PUBLIC), SETTING),
        facts.key_row(PUBLIC, SETTING),
        facts.rights_row(Rights(SETTING, (PUBLIC,))),
    ]
    for row in rows:
        for name, value in row.items():
            plain = isinstance(value, str | bool | None) or (isinstance(value, list) and all(isinstance(each, str) for each in value))
            assert plain, (name, value)


def test_the_library_stands_alone() -> None:
    """Nothing but the standard library, the definition of openness and the reading of documents."""
    allowed = (
        "cnamm_scan.providers.aws.policies",
        "cnamm_scan.providers.openness",
        "cnamm_scan.providers.aws.documents",
        "cnamm_scan.providers",
    )
    found = {
        node.module or ""
        for file in Path(policies.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.ImportFrom)
    }
    assert found
    assert [each for each in sorted(found) if each.startswith("cnamm_scan") and not each.startswith(allowed)] == []
