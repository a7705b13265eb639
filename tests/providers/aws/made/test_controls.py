"""Rows of member accounts out of rows of an organisation: what reaches whom, and what stays open where something was not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from cnamm_scan.model import Target
from cnamm_scan.providers.aws.made.columns import MAKERS
from cnamm_scan.providers.aws.made.controls import member_accounts
from cnamm_scan.providers.interface import SeenRow
from tests.providers.seen import Given

Json = Any
TOP, ORG = "aws:999999999999", "o-abcdef1234"
FULL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ACCOUNT, OU = "aws.organizations.account", "aws.organizations.ou"


@dataclass
class Seen(Given):
    """Tables as a maker sees them."""

    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    over: Sequence[str] = field(default=(ACCOUNT,), kw_only=True)
    targets: Sequence[Target] = field(default=(Target(TOP, "aws", "999999999999"),), kw_only=True)
    reads: Mapping[str, Sequence[str]] = field(default_factory=lambda: {"aws.account.account": ["organization_id"]}, kw_only=True)

    def rows(self, table: str) -> Sequence[SeenRow]:
        return [SeenRow(TOP, "global", f"{table}/{at}", f"f-{table}-{at}", values) for at, values in enumerate(self.tables.get(table, ()))]


def account(number: str, parent: str | None, **more: Json) -> dict[str, Json]:
    made = {"account_id": number * 12, "arn": f"arn:aws:organizations::999999999999:account/{ORG}/{number * 12}", "name": f"n{number}"}
    kind = None if parent is None else "ROOT" if parent.startswith("r-") else "ORGANIZATIONAL_UNIT"
    return {**made, "state": "ACTIVE", "parent_id": parent, "parent_type": kind, "is_management": number == "9", **more}


def deny(*actions: str, **more: Json) -> dict[str, Json]:
    return {"Effect": "Deny", "Action": list(actions), "Resource": "*", **more}


POLICIES: Mapping[str, Json] = {
    "p-full": {"Version": "2012-10-17", "Statement": [FULL]},
    "p-leave": {"Version": "2012-10-17", "Statement": [deny("organizations:Leave*")]},
    "p-market": {"Version": "2012-10-17", "Statement": [deny("aws-marketplace:*")]},
    "p-copy": {"Version": "2012-10-17", "Statement": [FULL]},
    "p-list": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]},
    "p-unread": None,
}


def attached(*pairs: tuple[str, str]) -> list[dict[str, Json]]:
    return [{"policy_id": policy, "target_id": place, "is_aws_managed": policy == "p-full"} for policy, place in pairs]


def seen(accounts: Sequence[Json], *pairs: tuple[str, str], unseen: Sequence[str] = (), rcp: Json = None) -> Seen:
    everywhere = attached(*(("p-full", place) for place in ("r-1", "ou-1", "ou-2", "1" * 12, "2" * 12, "3" * 12)))
    return Seen(
        {
            "aws.account.account": [{"organization_id": ORG}],
            ACCOUNT: accounts,
            OU: [{"id": "ou-1", "parent_id": "r-1"}, {"id": "ou-2", "parent_id": "ou-1"}],
            "aws.organizations.scp": [{"id": name, "policy": policy} for name, policy in POLICIES.items()],
            "aws.organizations.scp_target": [*everywhere, *attached(*pairs)],
            "aws.organizations.rcp": [{"id": "p-rcp", "policy": rcp}] if rcp else [],
            "aws.organizations.rcp_target": attached(("p-rcp", "ou-1")) if rcp else [],
        },
        unseen=frozenset(unseen),
    )


def made(tables: Seen) -> dict[str, dict[str, Json]]:
    rows = list(member_accounts(tables))
    columns = MAKERS["member_accounts"].columns
    assert all(set(row.values) <= set(columns) for row in rows)
    return {str(row.values["account_id"])[0]: dict(row.values) for row in rows}


def test_policies_come_down_from_root_and_units_to_the_account() -> None:
    accounts = [account("9", "r-1"), account("1", "r-1"), account("2", "ou-1"), account("3", "ou-2")]
    rows = made(seen(accounts, ("p-leave", "ou-1"), ("p-market", "3" * 12)))
    assert {name: row["denies_leaving"] for name, row in rows.items()} == {"1": False, "2": True, "3": True}
    assert {name: row["denies_marketplace"] for name, row in rows.items()} == {"1": False, "2": False, "3": True}
    assert {name: row["in_unit"] for name, row in rows.items()} == {"1": False, "2": True, "3": True}
    assert {name: (row["has_guardrail"], row["is_bound"]) for name, row in rows.items()} == {
        "1": (False, False),
        "2": (True, True),
        "3": (True, True),
    }


def test_what_hangs_on_the_account_itself_binds_it_and_is_not_inherited() -> None:
    row = made(seen([account("1", "r-1")], ("p-leave", "1" * 12)))["1"]
    assert (row["denies_leaving"], row["has_guardrail"], row["is_bound"]) == (True, False, True)


def test_the_management_account_and_closed_ones_have_no_row() -> None:
    accounts = [account("9", "r-1"), account("1", "r-1", state="SUSPENDED"), account("2", "r-1", state="PENDING_CLOSURE")]
    assert made(seen(accounts, ("p-leave", "r-1"))) == {}


def test_a_copy_of_allow_everything_is_no_guardrail_and_a_list_of_what_is_allowed_is() -> None:
    assert made(seen([account("2", "ou-1")], ("p-copy", "ou-1")))["2"]["has_guardrail"] is False
    tables = seen([account("2", "ou-1")], ("p-list", "ou-1"))
    assert made(tables)["2"]["limits_services"] is False  # everything is allowed beside it
    targets = [
        each for each in tables.tables["aws.organizations.scp_target"] if (each["policy_id"], each["target_id"]) != ("p-full", "ou-1")
    ]
    alone = Seen({**tables.tables, "aws.organizations.scp_target": targets})
    row = made(alone)["2"]
    assert (row["limits_services"], row["has_guardrail"], row["denies_leaving"]) == (True, True, True)


@pytest.mark.parametrize("table", ["aws.organizations.scp", "aws.organizations.scp_target"])
def test_where_more_may_be_attached_a_promise_holds_and_its_lack_is_open(table: str) -> None:
    row = made(seen([account("2", "ou-1")], ("p-leave", "r-1"), unseen=[table]))["2"]
    assert (row["denies_leaving"], row["denies_marketplace"], row["limits_services"]) == (True, None, None)
    assert (row["has_guardrail"], row["is_bound"]) == (True, True)
    bare = made(seen([account("2", "ou-1")], unseen=[table]))["2"]
    assert (bare["denies_leaving"], bare["has_guardrail"], bare["is_bound"]) == (None, None, None)


@pytest.mark.parametrize("parent", [None, "ou-gone"])
def test_where_the_way_up_is_not_known_nothing_is_certain_but_what_was_seen(parent: str | None) -> None:
    row = made(seen([account("1", parent)], ("p-leave", "1" * 12), ("p-market", "r-1")))["1"]
    assert (row["denies_leaving"], row["denies_marketplace"], row["has_guardrail"]) == (True, None, None)
    assert row["guards_data"] is None


def test_a_policy_that_could_not_be_read_may_refuse_anything() -> None:
    row = made(seen([account("2", "ou-1")], ("p-leave", "r-1"), ("p-unread", "ou-1")))["2"]
    assert (row["denies_leaving"], row["denies_marketplace"], row["is_bound"]) == (True, None, True)


def test_resource_control_policies_reach_accounts_too() -> None:
    strangers = {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": ORG}, "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}
    rcp = {"Version": "2012-10-17", "Statement": [deny("S3:*", Principal="*", Condition=strangers)]}
    rows = made(seen([account("1", "r-1"), account("2", "ou-1")], rcp=rcp))
    assert [(row["guards_data"], row["guards_roles"], row["is_bound"], row["has_guardrail"]) for row in rows.values()] == [
        (False, False, False, False),
        (True, False, True, False),
    ]
    dark = made(seen([account("1", "r-1"), account("2", "ou-1")], rcp=rcp, unseen=["aws.organizations.rcp_target"]))
    assert [(row["guards_data"], row["guards_roles"]) for row in dark.values()] == [(None, None), (True, None)]


def test_an_account_whose_state_was_not_seen_has_a_row_without_promises() -> None:
    assert made(seen([account("1", "r-1", state=None)], ("p-leave", "r-1"))) == {"1": {"account_id": "1" * 12}}


def test_accounts_that_a_policy_exempts_are_told_apart() -> None:
    tables = seen([account("1", "r-1"), account("2", "r-1")], ("p-some", "r-1"))
    condition = {"StringNotEquals": {"aws:PrincipalAccount": ["1" * 12]}}
    some = {"id": "p-some", "policy": {"Version": "2012-10-17", "Statement": [deny("*", Condition=condition)]}}
    tables = Seen({**tables.tables, "aws.organizations.scp": [*tables.tables["aws.organizations.scp"], some]})
    assert {name: row["denies_leaving"] for name, row in made(tables).items()} == {"1": False, "2": True}


def test_a_row_rests_on_the_account_the_attachments_and_the_policies() -> None:
    (row,) = member_accounts(seen([account("1", "r-1")], ("p-leave", "r-1")))
    assert {each.rpartition("-")[0] for each in row.rests_on} == {
        "f-aws.organizations.account",
        "f-aws.organizations.scp",
        "f-aws.organizations.scp_target",
    }
