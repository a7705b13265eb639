"""Rows of keys, file systems, vaults and search domains."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.aws.made.stores import TAGGED
from tests.providers.aws.made.given import ME, OURS, PARTNER, allow, deny, made_by, policy

ROOT, ROLE, ADMIN = (f"arn:aws:iam::{ME}:{each}" for each in ("root", "role/app", "role/admin"))
KEY = f"arn:aws:kms:eu-central-1:{ME}:key/1"
IMAGE = "ab" * 48


def _key(*statements: Any, tags: Any = None, unread: tuple[str, ...] = (), policy_is_seen: bool = True) -> dict[str, Any]:
    rows = {KEY: {"policy": policy(*statements) if policy_is_seen else None, "manager": "CUSTOMER", "state": "Enabled"}}
    tagged = {} if tags is None else {KEY: {"arn": KEY, "tag_keys": tags}}
    (made,) = made_by("keys", "aws.kms.key", rows, unread=unread, aws__tagging__resource=tagged).values()
    return made


USE = ["kms:Decrypt", "kms:GenerateDataKey*"]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([allow({"AWS": ROOT}, action="kms:*")], []),
        ([allow({"AWS": ME}, action="kms:*"), allow({"AWS": ROLE}, action=USE)], []),
        ([allow({"AWS": ROLE}, action="kms:*")], [ROLE]),
        ([allow({"AWS": ROLE}, action="KMS:*")], [ROLE]),
        ([allow({"AWS": ROLE}, action="*")], [ROLE]),
        ([allow({"AWS": ROLE}, NotAction="kms:Encrypt", action=[])], [ROLE]),
        ([allow({"AWS": ROLE}, action=["kms:Put*", "kms:?ecrypt"])], [ROLE]),
        ([allow({"AWS": ROLE}, action=USE), allow({"AWS": [ROLE, ADMIN]}, action="kms:ScheduleKeyDeletion")], [ROLE]),
        ([allow({"AWS": ADMIN}, action=["kms:Put*", "kms:Schedule*"]), allow({"AWS": ROLE}, action=USE)], []),
        ([allow({"AWS": ROLE}, action="kms:*"), deny(action="kms:PutKeyPolicy"), deny(action="kms:Schedule*")], []),
        ([allow({"AWS": [ROOT, PARTNER]}, action="kms:*")], [PARTNER]),
        ([allow({"Service": "x.amazonaws.com"}, action="kms:*")], ["x.amazonaws.com"]),
    ],
)
def test_who_manages_a_key_and_uses_it_too(statements: list[Any], expected: list[str]) -> None:
    made = _key(*statements)
    assert (made["holders_of_all"], made["mixes_rights"]) == (expected, bool(expected))


def test_a_key_whose_policy_was_not_seen() -> None:
    made = _key(policy_is_seen=False)
    assert (made.get("mixes_rights"), made.get("attestation"), made["is_for_enclaves"], made["manager"]) == (None, None, None, "CUSTOMER")


def _attested(operator: str, *values: str) -> Any:
    return {operator: {"kms:RecipientAttestation:ImageSha384": list(values)}}


@pytest.mark.parametrize(
    ("statements", "tags", "expected"),
    [
        ([allow({"AWS": ROLE}, _attested("StringEqualsIgnoreCase", IMAGE), "kms:Decrypt")], None, (True, "pinned")),
        ([allow({"AWS": ROLE}, _attested("StringEqualsIgnoreCase", IMAGE), "kms:Decrypt")], ["Enclave"], (True, "pinned")),
        ([allow({"AWS": ROLE}, _attested("StringLike", "*"), "kms:Decrypt")], None, (True, "some")),
        ([allow({"AWS": ROLE}, _attested("StringNotEquals", IMAGE), "kms:Decrypt")], None, (True, "none")),
        ([allow({"AWS": ROLE}, _attested("StringEqualsIfExists", IMAGE), "kms:Decrypt")], None, (True, "none")),
        ([allow({"AWS": ROLE}, action="kms:Decrypt"), deny(_attested("StringNotEquals", IMAGE), "kms:Decrypt")], None, (True, "pinned")),
        (
            [allow({"AWS": ROLE}, _attested("StringEquals", IMAGE), "kms:decrypt"), allow({"AWS": ROOT}, action="kms:*")],
            None,
            (True, "none"),
        ),
        ([allow({"AWS": ROOT}, action="kms:*")], None, (False, "none")),
        ([allow({"AWS": ROOT}, action="kms:*")], ["team"], (False, "none")),
        ([allow({"AWS": ROOT}, action="kms:*")], ["team", "nitro-enclave"], (True, "none")),
    ],
)
def test_what_a_key_asks_of_an_enclave(statements: list[Any], tags: list[str] | None, expected: tuple[bool, str]) -> None:
    made = _key(*statements, tags=tags)
    assert (made["is_for_enclaves"], made["attestation"]) == expected


def test_a_tag_that_was_not_seen_may_call_a_key_one_for_enclaves() -> None:
    plain = allow({"AWS": ROOT}, action="kms:*")
    assert _key(plain, unread=(TAGGED,))["is_for_enclaves"] is None
    assert _key(plain, unread=(TAGGED,), tags=["team"])["is_for_enclaves"] is False
    assert _key(allow({"AWS": ROLE}, _attested("StringEquals", IMAGE)), unread=(TAGGED,))["is_for_enclaves"] is True


def _file_system(*statements: Any) -> dict[str, Any]:
    rows = {"arn:fs": {"name": "fs", "policy": policy(*statements) if statements else {}}}
    (made,) = made_by("file_systems", "aws.efs.file_system", rows).values()
    return made


MOUNT = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
PLAIN, TLS = {"Bool": {"aws:SecureTransport": "false"}}, {"Bool": {"aws:SecureTransport": "true"}}
TARGET = {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}


@pytest.mark.parametrize(
    ("statements", "refuses", "unsigned"),
    [
        ([], False, False),
        ([allow({"AWS": "*"}, TARGET, MOUNT[1])], True, True),
        ([allow({"AWS": "*"}, TARGET, MOUNT), deny(PLAIN)], True, True),
        ([allow({"AWS": "*"}, TARGET, MOUNT), deny({"Bool": {**PLAIN["Bool"], **TARGET["Bool"]}}, MOUNT[0])], True, True),
        ([allow({"AWS": "*"}, TARGET, MOUNT), deny({**PLAIN, "IpAddress": {"aws:SourceIp": "192.0.2.1"}})], False, True),
        ([allow({"AWS": "*"}, TARGET, MOUNT), deny(PLAIN, principal={"AWS": ROLE})], False, True),
        ([allow({"AWS": "*"}, TARGET, MOUNT), deny(PLAIN, MOUNT[1])], False, True),
        ([allow({"AWS": "*"}, TARGET, MOUNT), deny(TLS)], False, True),
        ([allow({"AWS": "*"}, TARGET, MOUNT)], False, True),
        ([allow({"AWS": "*"}, {"Bool": {**TLS["Bool"], **TARGET["Bool"]}}, MOUNT)], True, True),
        ([allow({"AWS": ROLE}, TARGET, MOUNT)], True, False),
        ([allow({"AWS": "*"}, {"StringEquals": {"aws:PrincipalOrgID": OURS}}, MOUNT)], True, False),
        ([allow({"AWS": "*"}, {"StringNotEquals": {"aws:PrincipalOrgID": OURS}}, MOUNT)], False, True),
    ],
)
def test_who_mounts_a_file_system(statements: list[Any], refuses: bool, unsigned: bool) -> None:
    made = _file_system(*statements)
    assert (made["has_policy"], made["refuses_plaintext"], made["admits_unsigned"]) == (bool(statements), refuses, unsigned)


@pytest.mark.parametrize(
    ("statements", "asks"),
    [
        ([], False),
        ([allow({"AWS": "*"}, TARGET, MOUNT)], False),
        ([allow({"AWS": "*"}, TARGET, ["elasticfilesystem:ClientRootAccess", MOUNT[1]])], True),
        ([allow({"AWS": "*"}, action="elasticfilesystem:*")], False),
        ([allow({"AWS": "*"}, TARGET, MOUNT), deny({"Null": {"aws:PrincipalArn": "true"}}, MOUNT[0])], False),
        ([deny(PLAIN)], True),
        ([allow({"AWS": ROLE}, TARGET, MOUNT)], True),
        ([allow({"AWS": "*"}, {"StringEquals": {"aws:PrincipalOrgID": OURS}}, MOUNT)], True),
    ],
)
def test_mounting_alone_is_what_a_file_system_asks_for(statements: list[Any], asks: bool) -> None:
    assert _file_system(*statements)["asks_who_mounts"] is asks


def test_a_file_system_whose_policy_was_not_seen() -> None:
    made = made_by("file_systems", "aws.efs.file_system", {"arn:fs": {"name": "fs", "policy": None}})
    assert made == {"arn:fs": {"arn": "arn:fs", "name": "fs"}}


DELETE = ["backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle", "backup:PutBackupVaultAccessPolicy"]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], False),
        ([deny(action=DELETE)], True),
        ([deny(action=["BACKUP:Delete*", "backup:Update*", "backup:Put*"])], True),
        ([deny(action=DELETE[:1])], False),
        ([deny(action=DELETE[:2])], False),
        ([deny(action=DELETE[0]), deny(action=DELETE[1:])], True),
        ([deny(action="backup:UpdateRecoveryPointLifecycle")], False),
        ([deny({"StringNotEquals": {"aws:PrincipalArn": ADMIN}}, DELETE)], True),
        ([deny({"StringNotLike": {"aws:userId": ["AROAABCDEFGHIJKLMNOPQ:*"]}}, DELETE)], True),
        ([deny({"StringNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ME}:role/*"}}, DELETE)], False),
        ([deny({"StringEquals": {"aws:PrincipalArn": ROLE}}, DELETE)], False),
        ([deny({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, DELETE)], False),
        ([deny(action=DELETE, principal={"AWS": ROLE})], False),
        ([allow({"AWS": ME}, action="backup:*")], False),
    ],
)
def test_whether_backups_can_be_deleted(statements: list[Any], expected: bool) -> None:
    rows = {"arn:v": {"name": "v", "policy": policy(*statements), "kind": "BACKUP_VAULT", "recovery_points": 1, "is_locked": False}}
    (made,) = made_by("vaults", "aws.backup.vault", rows).values()
    assert made["refuses_deletion"] is expected
    (unseen,) = made_by("vaults", "aws.backup.vault", {"arn:v": {**rows["arn:v"], "policy": None}}).values()
    assert unseen.get("refuses_deletion") is None


@pytest.mark.parametrize(
    ("inside", "written", "expected"),
    [
        (False, policy(allow(action="es:*")), True),
        (True, policy(allow(action="es:*")), False),
        (None, policy(allow(action="es:*")), None),
        (None, policy(allow({"AWS": ROLE})), False),
        (False, policy(allow(condition={"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "0.0.0.0/0"]}})), True),
        (False, policy(allow(condition={"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}})), False),
        (False, {}, False),
        (False, None, None),
        (True, None, False),
    ],
)
def test_whether_a_search_domain_is_open(inside: bool | None, written: Any, expected: bool | None) -> None:
    rows = {"arn:d": {"name": "d", "policy": written, "is_in_vpc": inside, "knows_its_users": False}}
    (made,) = made_by("search_domains", "aws.opensearch.domain", rows).values()
    assert made.get("is_public") is expected
