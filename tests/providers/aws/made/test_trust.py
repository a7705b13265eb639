"""Who may take roles: a row a statement and a row an outside account, however the trust is spelt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.providers.aws.made.given import ACCOUNT as ACCOUNTS
from tests.providers.aws.made.given import OURS, policy
from tests.providers.aws.made.identities import ACCOUNT, EC2, Identities, rows

GITHUB = "token.actions.githubusercontent.com"
HUB = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{GITHUB}"}
OTHER = "999999999999"


def trusting(principal: Any, condition: Any = None, action: str = "sts:AssumeRole", **more: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Principal": principal, "Action": action, **more}
    return made if condition is None else {**made, "Condition": condition}


def told(*statements: Any, maker: str = "iam_role_trust", longer: bool = False) -> dict[str, dict[str, Any]]:
    return rows(maker, Identities(roles={"r": {"trust": policy(*statements)}}).told(longer=longer))


def one(*statements: Any) -> dict[str, Any]:
    (made,) = told(*statements).values()
    return made


@pytest.mark.parametrize("longer", [False, True])
def test_statements_that_allow_keep_their_place_among_all(longer: bool) -> None:
    deny = {"Effect": "Deny", "Principal": {"AWS": OTHER}, "Action": "sts:AssumeRole"}
    made = told(EC2, deny, trusting({"AWS": OTHER}), maker="iam_role_trust", longer=longer)
    assert {key: (row["is_service"], row["accounts"], row["reach"]) for key, row in made.items()} == {
        "role/r#0": (True, [], "account"),
        "role/r#2": (False, [], "nobody"),
    }


def test_a_trust_that_was_not_read_is_a_row_that_knows_nothing() -> None:
    for maker, column in (("iam_role_trust", "is_public"), ("iam_trusted_accounts", "trusted_account")):
        (made,) = rows(maker, Identities(roles={"r": {"trust": None}}).told()).values()
        assert (made["role_name"], made.get(column)) == ("r", None)


@pytest.mark.parametrize(
    ("condition", "is_public"),
    [
        (None, True),
        ({"StringEquals": {"sts:ExternalId": "secret"}}, True),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/deploy"}}, True),
        ({"StringLike": {"aws:PrincipalAccount": [ACCOUNT, "*"]}}, True),
        ({"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-abcdef1234"}}, True),
        ({"StringNotEquals": {"aws:PrincipalAccount": OTHER}}, True),
        ({"StringEqualsIgnoreCase": {"aws:PRINCIPALORGID": "o-abcdef1234"}}, False),
        ({"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}, False),
    ],
)
def test_a_star_is_everybody_unless_a_condition_names_somebody(condition: Any, is_public: bool) -> None:
    for principal in ("*", {"AWS": "*"}, {"AWS": ["*", ACCOUNT]}):
        made = one(trusting(principal, condition))
        assert (made["names_everybody"], made["is_public"]) == (True, is_public)


@pytest.mark.parametrize(
    ("condition", "is_bound", "is_exact"),
    [
        ({"StringEquals": {f"{GITHUB}:sub": "repo:acme/shop:ref:refs/heads/main"}}, True, True),
        ({"StringEquals": {f"{GITHUB}:SUB": ["repo:acme/shop:environment:a", "repo:acme/shop:environment:b"]}}, True, True),
        ({"StringLike": {f"{GITHUB}:sub": "repo:acme/shop:*"}}, True, False),
        ({"StringEquals": {f"{GITHUB}:repository_owner_id": "123"}}, True, False),
        ({"StringLike": {f"{GITHUB}:sub": ["repo:acme/shop:*", "repo:*"]}}, False, False),
        ({"StringNotEquals": {f"{GITHUB}:sub": "repo:acme/shop:ref:refs/heads/main"}}, False, False),
        ({"StringEqualsIfExists": {f"{GITHUB}:sub": "repo:acme/shop:ref:refs/heads/main"}}, False, False),
        ({"ForAllValues:StringEquals": {f"{GITHUB}:sub": "repo:acme/shop:ref:refs/heads/main"}}, False, False),
        (None, False, False),
    ],
)
def test_tokens_are_bound_and_exact_by_what_the_conditions_do(condition: Any, is_bound: bool, is_exact: bool) -> None:
    made = one(trusting(HUB, condition, "sts:AssumeRoleWithWebIdentity"))
    assert (made["is_pipeline"], made["tokens_are_bound"], made["tokens_are_exact"], made["is_oidc"]) == (True, is_bound, is_exact, True)


def test_an_audience_is_one_that_is_written_out() -> None:
    asked = [
        {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}},
        {"StringLike": {f"{GITHUB}:aud": "*"}},
        {"StringNotEquals": {f"{GITHUB}:aud": "x"}},
    ]
    assert [one(trusting(HUB, each))["asks_audience"] for each in asked] == [True, False, False]


@pytest.mark.parametrize(
    ("service", "condition", "unbounded"),
    [
        ("config.amazonaws.com", None, ["config.amazonaws.com"]),
        ("config.amazonaws.com", {"StringEquals": {"aws:SourceAccount": ACCOUNT}}, []),
        ("config.amazonaws.com", {"StringLike": {"aws:SourceAccount": "*"}}, ["config.amazonaws.com"]),
        ("config.amazonaws.com", {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}}, ["config.amazonaws.com"]),
        ("firehose.amazonaws.com", {"StringEquals": {"sts:ExternalId": ACCOUNT}}, []),
        ("states.amazonaws.com", {"ArnLike": {"aws:SourceArn": f"arn:aws:states:*:{ACCOUNT}:stateMachine:*"}}, []),
        ("states.eu-west-1.amazonaws.com", None, ["states.eu-west-1.amazonaws.com"]),
        ("states.eu-west-1.amazonaws.com", {"StringEquals": {"aws:SourceAccount": ACCOUNT}}, []),
        ("states.cn-north-1.amazonaws.com.cn", None, ["states.cn-north-1.amazonaws.com.cn"]),
        ("ec2.amazonaws.com", None, []),
    ],
)
def test_a_service_that_tells_its_source_is_to_be_asked_for_it(service: str, condition: Any, unbounded: list[str]) -> None:
    made = one(trusting({"Service": service}, condition))
    assert made["unbounded_services"] == unbounded
    assert made["is_telling_service"] is (service != "ec2.amazonaws.com")


def test_outside_accounts_are_a_row_each_with_what_is_asked_of_them() -> None:
    role = f"arn:aws:iam::{OTHER}:role/scanner"
    asks = {"StringEquals": {"sts:ExternalId": "x"}}
    made = told(
        trusting({"AWS": [OTHER, "888888888888", f"arn:aws:iam::{ACCOUNT}:root"]}, asks),
        trusting({"AWS": role}),
        trusting("*", {"StringEquals": {"aws:PrincipalAccount": OTHER}, "DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}}),
        trusting({"AWS": OTHER}, {"ArnEquals": {"aws:PrincipalArn": role}}),
        trusting({"AWS": OTHER}, {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER}:role/*"}}),
        maker="iam_trusted_accounts",
    )
    found = {key: (row["asks_external_id"], row["asks_named_principal"], row["ends_by_itself"]) for key, row in made.items()}
    assert found == {
        f"role/r#0/{OTHER}": (True, False, False),
        "role/r#0/888888888888": (True, False, False),
        f"role/r#1/{OTHER}": (False, True, False),
        f"role/r#2/{OTHER}": (False, False, True),
        f"role/r#3/{OTHER}": (False, True, False),
        f"role/r#4/{OTHER}": (False, False, False),
    }


@pytest.mark.parametrize(("own", "expected"), [("o-ours", ["o-vendor1234"]), ("none", ["o-ours", "o-vendor1234"]), (None, [None, None])])
def test_an_organisation_that_is_not_ours_is_a_row_too(own: str | None, expected: list[str | None]) -> None:
    theirs = {"StringEquals": {"aws:PrincipalOrgID": ["o-vendor1234", OURS]}}
    seen = Identities(roles={"r": {"trust": policy(trusting("*", theirs))}}).told()
    account = replace(seen.tables[ACCOUNTS][0], values={"organization_id": own})
    made = rows("iam_trusted_accounts", replace(seen, tables={**seen.tables, ACCOUNTS: [account]}))
    assert [made[key]["trusted_account"] for key in sorted(made)] == expected
    assert not any(row["asks_our_organisation"] or row["asks_named_principal"] for row in made.values())
