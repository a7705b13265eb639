"""What somebody holds, out of all that hangs on him: rows in, rows out, in both tellings, and with what was not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cnamm_scan.providers.interface import SeenRow
from tests.providers.aws.made.given import policy
from tests.providers.aws.made.identities import ALL, EC2, IAM, READ, TARGET, Identities, Seen, rows

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
NOT_IAM = {"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}
GIVER = {"Effect": "Allow", "Action": "iam:Attach*", "Resource": "*"}
POLICIES = {
    ADMIN: policy(ALL),
    "stars": policy({"Effect": "Allow", "Action": "*:*", "Resource": "*"}),
    "iam": policy({"Effect": "Allow", "Action": "IAM:**", "Resource": "*"}),
    "power": policy(NOT_IAM),
    "giver": policy(GIVER),
    "reader": policy(READ),
    "ceiling": policy({"Effect": "Allow", "Action": ["s3:*", "ec2:Describe*"], "Resource": "*"}),
    "no-ceiling": policy(ALL),
}


def own(name: str) -> str:
    return f"{IAM}policy/{name}"


def role(*attached: str, boundary: str = "none", **more: Any) -> dict[str, Any]:
    return {
        "attached": [each if each.startswith("arn:") else own(each) for each in attached],
        "boundary": boundary,
        "trust": policy(EC2),
        **more,
    }


EVERYBODY = Identities(
    policies=POLICIES,
    users={
        "ann": {"groups": ["ops"]},
        "bob": {"inline": {"all": policy({"Effect": "Allow", "NotAction": "nosuch:Thing", "Resource": "*"})}},
        "cleo": {"attached": [own("iam")], "tags": ["Break-Glass"]},
        "dan": {"attached": [own("reader")], "groups": ["readers"]},
        "eve": {"attached": [ADMIN], "boundary": own("ceiling")},
    },
    groups={"ops": {"attached": [ADMIN]}, "readers": {"inline": {"read": policy(READ)}}},
    roles={
        "admin": role(ADMIN),
        "power": role("power"),
        "giver": role("giver"),
        "bounded": role("giver", boundary=own("ceiling")),
        "unbounded": role("giver", boundary=own("no-ceiling")),
        "reader": role("reader"),
        "linked": role(ADMIN, path="/aws-service-role/x.amazonaws.com/"),
    },
)
TELLINGS = pytest.mark.parametrize("longer", [False, True], ids=["bulk", "longer way"])
MAKERS_OF_RIGHTS = (
    "iam_user_rights",
    "iam_group_rights",
    "iam_role_rights",
    "iam_policy_rights",
    "iam_inline_rights",
    "iam_administrators",
)


@pytest.mark.parametrize("maker", [*MAKERS_OF_RIGHTS, "iam_users", "iam_roles", "iam_boundaries"])
def test_both_tellings_of_an_account_come_to_the_same(maker: str) -> None:
    assert rows(maker, EVERYBODY.told()) == rows(maker, EVERYBODY.told(longer=True))
    assert rows(maker, EVERYBODY.told())


@TELLINGS
def test_all_that_hangs_on_a_user_counts(longer: bool) -> None:
    made = rows("iam_user_rights", EVERYBODY.told(longer=longer))
    found = {
        name: (made[f"user/{name}"]["is_administrator"], made[f"user/{name}"]["is_administrator_directly"]) for name in EVERYBODY.users
    }
    assert found == {"ann": (True, False), "bob": (True, True), "cleo": (True, True), "dan": (False, False), "eve": (False, False)}
    assert [made[f"user/{name}"]["is_break_glass"] for name in ("ann", "cleo")] == [False, True]


@TELLINGS
def test_a_boundary_takes_away_and_only_one_that_bounds_is_a_bound(longer: bool) -> None:
    made = rows("iam_role_rights", EVERYBODY.told(longer=longer))
    assert "role/aws-service-role/x.amazonaws.com/linked" not in made
    found = {
        name: tuple(made[f"role/{name}"][what] for what in ("gives_rights", "is_bounded", "can_raise"))
        for name in ("giver", "bounded", "unbounded")
    }
    assert found == {"giver": (True, False, True), "bounded": (True, True, False), "unbounded": (True, False, True)}
    assert [made[f"role/{name}"]["holds_all_services"] for name in ("admin", "power", "reader")] == [True, True, False]
    assert [made[f"role/{name}"]["is_administrator"] for name in ("admin", "power", "reader")] == [True, False, False]


@TELLINGS
def test_administrators_are_counted_whichever_way_they_came_by_it(longer: bool) -> None:
    (made,) = rows("iam_administrators", EVERYBODY.told(longer=longer)).values()
    assert (made["at_least"], made["at_most"]) == (4, 4)
    assert sorted(made["names"]) == ["role admin", "user ann", "user bob", "user cleo"]


@TELLINGS
def test_roles_by_which_control_tower_and_stack_sets_act_are_no_administrators_of_ours(longer: bool) -> None:
    names = ("AWSControlTowerExecution", "stacksets-exec-0123456789abcdef", "control")
    given = Identities(roles={name: {"attached": [own("p")]} for name in names}, policies={"p": policy(ALL)})
    (made,) = rows("iam_administrators", given.told(longer=longer)).values()
    assert made["names"] == ["role control"]
    rights = rows("iam_role_rights", given.told(longer=longer))
    assert [rights[f"role/{name}"]["is_kept_by_aws"] for name in names] == [True, True, False]


def test_administrators_are_at_most_unknown_where_somebody_may_be_missing() -> None:
    (made,) = rows("iam_administrators", EVERYBODY.told("role_single", longer=True)).values()
    assert (made["at_least"], made["at_most"]) == (4, None)
    partly = replace(EVERYBODY, policies={**POLICIES, "reader": None})
    (made,) = rows("iam_administrators", partly.told()).values()
    assert (made["at_least"], made["at_most"]) == (4, 6)  # dan and the role that reads may hold more


@pytest.mark.parametrize("unseen", ["role_attachment", "role_inline_single"])
def test_what_was_not_listed_may_give_more_and_take_all(unseen: str) -> None:
    made = rows("iam_role_rights", EVERYBODY.told(unseen, longer=True))
    assert made["role/admin"]["is_administrator"] is None
    reader = made["role/reader"]
    columns = (
        "is_administrator",
        "holds_all_services",
        "can_raise",
        "gives_rights",
        "passes_roles",
        "takes_roles",
        "holds_sensitive_service",
        "holds_other_service",
    )
    assert [reader[name] for name in (*columns, "decrypts_everywhere", "reads_objects_everywhere")] == [None] * 10


def test_a_policy_that_was_not_read_may_deny_what_another_gives() -> None:
    given = Identities(users={"u": {"attached": [own("p")], "inline": {"all": policy(ALL)}}}, policies={"p": None})
    for longer in (False, True):
        made = rows("iam_user_rights", given.told(longer=longer))["user/u"]
        assert (made["is_administrator"], made["holds_everything"], made["can_raise"], made["ways"]) == (None, None, None, [])
        (counted,) = rows("iam_administrators", given.told(longer=longer)).values()
        assert (counted["at_least"], counted["at_most"]) == (0, 1)


@pytest.mark.parametrize("kind", ["user", "group", "role"])
def test_an_attachment_of_which_nobody_knows_whose_it_is_may_be_anybody_s(kind: str) -> None:
    given = Identities(**{f"{kind}s": {"x": {"attached": [ADMIN]}, "y": {}}}, policies={ADMIN: policy(ALL)}).told(longer=True)
    table = f"aws.iam.{kind}_attachment"
    nameless = [replace(row, values={**row.values, "holder_name": None}) for row in given.tables[table]]
    made = rows(f"iam_{kind}_rights", replace(given, tables={**given.tables, table: nameless}))
    assert [made[f"{kind}/{name}"]["is_administrator"] for name in "xy"] == [None, None]


def test_a_group_of_which_the_name_was_not_read_may_be_any() -> None:
    given = Identities(users={"x": {"groups": ["ops"]}, "y": {}}, groups={"ops": {}}).told(longer=True)
    table = "aws.iam.group_member_single"
    nameless = [replace(row, values={**row.values, "group_name": None}) for row in given.tables[table]]
    seen = replace(given, tables={**given.tables, table: nameless})
    assert [rows("iam_users", seen)[f"user/{name}"]["groups"] for name in "xy"] == [None, []]
    assert [rows("iam_user_rights", seen)[f"user/{name}"]["is_administrator"] for name in "xy"] == [None, False]


def test_a_way_that_a_boundary_may_leave_is_open_whoever_is_strong() -> None:
    passing = policy({"Effect": "Allow", "Action": ["iam:PassRole", "lambda:*"], "Resource": "*"})
    found = {}
    for bound in ("none", own("unread")):
        given = Identities(roles={"r": role("p", boundary=bound)}, policies={"p": passing, "unread": None})
        found[bound] = rows("iam_role_rights", given.told())["role/r"]["can_raise"]
    assert list(found.values()) == [True, None]


def test_a_group_that_was_not_read_may_give_anything() -> None:
    made = rows("iam_user_rights", EVERYBODY.told(only=("user_detail", "role_detail", "policy_detail")))
    assert made["user/dan"]["is_administrator"] is None
    assert made["user/bob"]["is_administrator"] is True
    assert made["user/dan"]["is_administrator_directly"] is False


def test_a_boundary_that_was_not_read_leaves_open_what_it_could_take() -> None:
    partly = replace(EVERYBODY, policies={**POLICIES, "ceiling": None})
    assert rows("iam_user_rights", partly.told())["user/eve"]["is_administrator"] is None
    bounded = rows("iam_role_rights", partly.told())["role/bounded"]
    assert (bounded["gives_rights"], bounded["is_bounded"], bounded["can_raise"]) == (True, None, None)


def test_users_groups_and_members_that_were_not_listed_stay_open() -> None:
    made = rows("iam_users", EVERYBODY.told("user_attachment", "group_member_single", longer=True))["user/dan"]
    assert (made["attached_policies"], made["policies_direct"], made["groups"], made["inline_policies"]) == (None, None, None, [])
    assert rows("iam_user_rights", EVERYBODY.told("group_member_single", longer=True))["user/dan"]["is_administrator"] is None


def test_the_bulk_row_wins_and_the_rest_comes_the_longer_way() -> None:
    bulk, longer = EVERYBODY.told(), EVERYBODY.told(longer=True)
    first = {name: seen[:1] for name, seen in bulk.tables.items()}
    both = Seen({**longer.tables, **first}, unseen=longer.unseen)
    assert rows("iam_role_rights", both) == rows("iam_role_rights", bulk)


def test_each_policy_of_ours_is_taken_alone() -> None:
    everybody = replace(EVERYBODY, roles={**EVERYBODY.roles, "more": role("stars", "iam", "power", "reader", "ceiling")})
    made = rows("iam_policy_rights", everybody.told())
    assert set(made) == {f"policy/{name}" for name in ("stars", "iam", "power", "reader", "giver", "ceiling")}
    assert {name: row["holds_everything"] for name, row in made.items() if row["holds_everything"]} == {"policy/stars": True}
    assert [made[f"policy/{name}"]["holds_sensitive_service"] for name in ("iam", "power", "reader", "ceiling")] == [
        True,
        True,
        False,
        True,
    ]


def test_a_policy_names_who_holds_it_where_all_holders_were_seen() -> None:
    everybody = replace(EVERYBODY, roles={**EVERYBODY.roles, "more": role("stars"), "also": role("stars", "iam")})
    for longer in (False, True):
        told = everybody.told(longer=longer)
        made = rows("iam_policy_rights", told)
        assert [name for name in made["policy/stars"]["holders"] if name.startswith("role ")][:2] == ["role also", "role more"]
        assert "role also" in made["policy/iam"]["holders"]
        hidden = Seen(told.tables, unseen=told.unseen | {"aws.iam.group_detail", "aws.iam.group_single"})
        assert {row["holders"] for row in rows("iam_policy_rights", hidden).values()} == {None}


def test_inline_policies_are_keyed_by_whom_they_hang_on() -> None:
    made = rows("iam_inline_rights", EVERYBODY.told())
    assert {(key, row["holder_kind"], row["holds_all_services"]) for key, row in made.items()} == {
        ("user/bob/all", "user", True),
        ("group/readers/read", "group", False),
    }


def test_an_inline_policy_that_could_not_be_read_is_a_row_that_knows_nothing() -> None:
    unread = Identities(roles={"r": {"inline": {"p": None}, "trust": policy(EC2)}})
    for longer in (False, True):
        made = rows("iam_inline_rights", unread.told(longer=longer))["role/r/p"]
        assert (made["holds_sensitive_service"], made["holds_all_services"], made["passes_roles"]) == (None, None, None)


def test_boundaries_say_what_they_leave() -> None:
    denies = policy(ALL, {"Effect": "Deny", "Action": "iam:DeleteRolePermissionsBoundary", "Resource": "*"})
    stops = policy(ALL, {"Effect": "Deny", "Action": "iam:*", "Resource": "*"})
    everybody = replace(
        EVERYBODY,
        policies={**POLICIES, "denies": denies, "stops": stops},
        users={name: {"boundary": own(name)} for name in ("denies", "unread", "stops", "power", "stars")},
    )
    everybody.policies["unread"] = None
    made = rows("iam_boundaries", everybody.told())
    asked = ("allows_everything", "denies_something", "leaves_administrator")
    found = {name.removeprefix("policy/"): tuple(map(row.get, asked)) for name, row in made.items()}
    assert found == {
        "denies": (True, True, True),
        "stops": (True, True, False),
        "unread": (None, None, None),
        "power": (True, True, False),
        "stars": (True, False, True),
        "ceiling": (False, True, False),
        "no-ceiling": (True, False, True),
    }


def sets(*policies: Any, unseen: frozenset[str] = frozenset(), **said: Any) -> dict[str, Any]:
    place = (TARGET, "eu-west-1")
    own_row = {
        "arn": "ps-1",
        "name": "n",
        "session_minutes": 60,
        "instance_arn": "i",
        "inline": {},
        "customer_policies": [],
        "has_boundary": False,
        **said,
    }
    tables = {
        "aws.sso_admin.permission_set": [SeenRow(*place, "ps-1", "f1", own_row)],
        "aws.sso_admin.managed_policy": [
            SeenRow(*place, f"ps-1/{n}", f"p{n}", {"permission_set_arn": "ps-1", "document": each}) for n, each in enumerate(policies)
        ],
    }
    (made,) = rows("sso_permission_sets", Seen(tables, unseen=unseen)).values()
    return made


def test_permission_sets_come_to_all_that_they_hold() -> None:
    assert sets(policy(ALL))["is_administrator"] is True
    assert sets(policy(NOT_IAM))["holds_all_services"] is True
    assert sets(policy(READ), inline=policy(ALL))["is_administrator"] is True
    assert sets(policy(READ))["is_administrator"] is False
    assert sets(policy(READ))["session_minutes"] == 60


@pytest.mark.parametrize(
    "made",
    [
        sets(policy(READ), customer_policies=["shop"]),
        sets(policy(READ), customer_policies=None),
        sets(policy(READ), inline=None),
        sets(policy(READ), None),
        sets(policy(ALL), has_boundary=True),
        sets(policy(ALL), has_boundary=None),
        sets(policy(READ), unseen=frozenset({"aws.sso_admin.managed_policy"})),
    ],
    ids=["customer's", "customer's unread", "inline unread", "document unread", "boundary", "boundary unread", "dark"],
)
def test_what_of_a_permission_set_was_not_seen_leaves_it_open(made: dict[str, Any]) -> None:
    assert made["is_administrator"] is None


@pytest.mark.parametrize(
    "statements",
    [
        [{"Effect": "Allow", "Action": "sts:A*Role", "Resource": "*"}],
        [{"Effect": "Allow", "Action": "STS:assumerole", "Resource": "arn:aws:iam::*:role/*"}],
        [
            {"Effect": "Allow", "NotAction": "s3:*", "NotResource": "arn:aws:iam::*:role/one"},
            {"Effect": "Deny", "Action": "iam:*", "Resource": "*"},
        ],
    ],
)
def test_taking_every_role_is_seen_however_it_is_written(statements: list[Any]) -> None:
    everybody = Identities(roles={"r": {"inline": {"p": policy(*statements)}, "trust": policy(EC2)}})
    assert rows("iam_inline_rights", everybody.told())["role/r/p"]["takes_roles"] == "all"
