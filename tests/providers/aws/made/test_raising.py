"""A way to raise one's rights that only may be open is one if a strong role of the account is at its end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.aws.made.given import policy
from tests.providers.aws.made.identities import ACCOUNT, ALL, IAM, READ, Identities, rows

PASS_ONE = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": f"{IAM}role/strong"}
RUN = {"Effect": "Allow", "Action": "ecs:*", "Resource": "*"}
TAKE_ONE = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"{IAM}role/strong"}
ONE_FUNCTION = {"Effect": "Allow", "Action": "lambda:UpdateFunctionCode", "Resource": f"arn:aws:lambda:*:{ACCOUNT}:function:one"}


def trusted(principal: Any) -> Any:
    return policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def asked(statements: list[Any], strong: list[Any] | None, trust: Any, *unseen: str) -> tuple[bool | None, list[str]]:
    """(can raise, ways that may be open) of a user with these statements, beside a role that holds `strong`."""
    held = {} if strong is None else {"strong": {"inline": {"p": policy(*strong)}, "trust": trust}}
    everybody = Identities(users={"kim": {"inline": {"p": policy(*statements)}}}, roles=held)
    made = rows("iam_user_rights", everybody.told(*unseen))["user/kim"]
    return made["can_raise"], made["possible_ways"]


TASKS, OWN, LAMBDA = (
    trusted({"Service": "ecs-tasks.amazonaws.com"}),
    trusted({"AWS": ACCOUNT}),
    trusted({"Service": "lambda.amazonaws.com"}),
)
WAY = "iam:PassRole+ecs:RegisterTaskDefinition"


@pytest.mark.parametrize(
    ("statements", "strong", "trust", "possible"),
    [
        ([PASS_ONE, RUN], [ALL], TASKS, [WAY]),
        ([PASS_ONE, RUN], [READ], TASKS, []),
        ([PASS_ONE, RUN], [ALL], LAMBDA, []),  # a task cannot take it
        ([PASS_ONE, RUN], None, TASKS, []),
        ([TAKE_ONE], [ALL], OWN, ["sts:AssumeRole"]),
        ([TAKE_ONE], [READ], OWN, []),
        ([TAKE_ONE], [ALL], TASKS, []),
        ([ONE_FUNCTION], [ALL], LAMBDA, ["lambda:UpdateFunctionCode"]),
        ([ONE_FUNCTION], [READ], LAMBDA, []),
        ([ONE_FUNCTION], [ALL], OWN, []),  # nothing that runs by itself can take it
    ],
)
def test_what_may_be_a_way_needs_a_strong_role_at_its_end(
    statements: list[Any], strong: list[Any] | None, trust: Any, possible: list[str]
) -> None:
    # what is on everything in these statements raises by itself, so that only the ways in question are looked at
    can, ways = asked(statements, strong, trust)
    expected = [*([WAY] if RUN in statements and possible else []), *(way for way in possible if way != WAY)]
    assert [way for way in ways if way in (WAY, "sts:AssumeRole", "lambda:UpdateFunctionCode")] == expected
    if RUN not in statements:
        assert can is (None if possible else False)


def test_a_strong_role_that_was_not_seen_may_be_there() -> None:
    assert asked([TAKE_ONE], [READ], OWN, "role_detail", "role_single") == (None, ["sts:AssumeRole"])
    assert asked([TAKE_ONE], [READ], OWN, "role_detail") == (False, [])


def test_a_role_whose_policies_were_not_read_may_be_strong() -> None:
    everybody = Identities(
        users={"kim": {"inline": {"p": policy(TAKE_ONE)}}}, roles={"strong": {"attached": [f"{IAM}policy/unread"], "trust": OWN}}
    )
    assert rows("iam_user_rights", everybody.told())["user/kim"]["can_raise"] is None


def test_a_way_that_is_certain_needs_no_strong_role() -> None:
    everything = {"Effect": "Allow", "Action": "iam:Create*", "Resource": "*"}
    assert asked([everything], [READ], OWN)[0] is True


def test_a_right_over_some_identities_stays_open_whatever_the_roles_are() -> None:
    """What hangs on them was not asked, and what can be hung on them is anything."""
    some = {"Effect": "Allow", "Action": "iam:AttachRolePolicy", "Resource": f"{IAM}role/team/*"}
    assert asked([some], [READ], OWN) == (None, ["iam:AttachRolePolicy"])


def test_nobody_raises_his_rights_by_taking_himself() -> None:
    role = {"inline": {"p": policy({**TAKE_ONE}, ALL)}, "trust": OWN}
    made = rows("iam_role_rights", Identities(roles={"strong": role}).told())["role/strong"]
    assert "sts:AssumeRole" not in made["possible_ways"]


def chain(**more: Any) -> dict[str, tuple[bool | None, bool | None]]:
    """(is administrator, becomes one) of users and roles that take one another: kim, low, middle, high."""

    def takes(name: str) -> Any:
        return policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"{IAM}role/{name}"})

    users = {"kim": {"inline": {"p": takes("low")}}, "lea": {"inline": {"p": takes("other")}}, "mia": {}}
    roles = {
        "high": {"inline": {"p": policy(ALL)}, "trust": OWN},
        "middle": {"inline": {"p": takes("high")}, "trust": OWN},
        "low": {"inline": {"p": takes("middle")}, "trust": OWN},
        "other": {"inline": {"p": policy(READ)}, "trust": OWN},
        "named": {"inline": {"p": policy(ALL)}, "trust": trusted({"AWS": f"{IAM}user/mia"})},
        **more,
    }
    everybody = Identities(users=users, roles=roles)
    made = {**rows("iam_user_rights", everybody.told()), **rows("iam_role_rights", everybody.told())}
    return {name.partition("/")[2]: (row["is_administrator"], row["becomes_administrator"]) for name, row in made.items()}


def test_who_takes_roles_one_after_the_other_becomes_what_the_last_is() -> None:
    assert chain() == {
        "kim": (False, True),
        "lea": (False, False),
        "mia": (False, True),  # the role names her: she needs no right of her own
        "high": (True, True),
        "middle": (False, True),
        "low": (False, True),
        "other": (False, False),
        "named": (True, True),
    }


def test_a_chain_is_as_certain_as_its_least_certain_step() -> None:
    unread = chain(middle={"attached": [f"{IAM}policy/unread"], "trust": OWN})
    assert [unread[name][1] for name in ("kim", "low", "middle", "lea")] == [None, None, None, False]
    closed = chain(middle={"inline": {"p": policy({**TAKE_ONE, "Resource": f"{IAM}role/high"})}, "trust": LAMBDA})
    assert [closed[name][1] for name in ("kim", "low", "middle")] == [False, False, True]


def test_roles_in_a_circle_end() -> None:
    around = chain(other={"inline": {"p": policy({**TAKE_ONE, "Resource": f"{IAM}role/*"})}, "trust": OWN})
    assert [around[name][1] for name in ("lea", "other", "kim")] == [True, True, True]


def test_where_roles_may_be_missing_nobody_is_cleared() -> None:
    made = rows("iam_user_rights", Identities(users={"kim": {}}).told("role_detail", "role_single"))["user/kim"]
    assert (made["is_administrator"], made["becomes_administrator"]) == (False, None)
