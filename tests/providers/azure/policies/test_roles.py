"""What roles come to: pairs that differ in one detail, each with its known answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.azure.granted import Permission, allows, covers
from cnamm_scan.providers.azure.policies.conditions import Ask, parsed
from cnamm_scan.providers.azure.policies.roles import (
    OWNER,
    Assignment,
    Denial,
    Rights,
    applies,
    is_within,
    permissions_of,
)
from cnamm_scan.providers.azure.policies.ways import ASSIGN, DEFINE

SUB = "/subscriptions/s"
GROUP = f"{SUB}/resourceGroups/g"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
MINE = "33333333-3333-3333-3333-333333333333"
OWN = Permission(actions=("*",))
CONTRIBUTOR = Permission(
    ("*",), ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action")
)
READS = Permission(("*/read",))
ACCESS = Permission(("*/read", "Microsoft.Authorization/*"))
GIVES = Permission((ASSIGN,))


def only(text: str) -> str:
    """A condition that bounds roleAssignments/write to roles that meet `text`."""
    asked = f"@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] {text}"
    return f"((!(ActionMatches{{'{ASSIGN}'}})) OR ({asked}))"


def held(*permissions: Permission, scope: str = SUB, condition: str | None = "", **more: Any) -> Rights:
    return Rights((Assignment(scope, permissions, condition),), **more)


def raises(rights: Rights, scope: str = SUB) -> bool | None:
    certain, possible = rights.ways(scope)
    return True if certain else None if possible else False


@pytest.mark.parametrize(
    ("rights", "answer"),
    [
        (held(OWN), True),
        (held(CONTRIBUTOR), False),
        (held(ACCESS), True),
        (held(GIVES), False),
        (held(Permission((ASSIGN, DEFINE))), True),
        (held(OWN, scope=GROUP), False),
        (held(OWN, scope="/"), True),
        (held(OWN, scope="/providers/Microsoft.Management/managementGroups/m"), True),
        (held(OWN, scope="/subscriptions/so"), False),
        (held(OWN, condition=None), None),
        (held(OWN, condition="this is no condition"), None),
        (held(READS, is_whole=False), None),
        (Rights((Assignment(SUB, None),)), None),
    ],
)
def test_who_is_an_administrator(rights: Rights, answer: bool | None) -> None:
    assert rights.administers(SUB) is answer


@pytest.mark.parametrize(
    ("rights", "answer"),
    [
        (held(CONTRIBUTOR), None),
        (held(READS), False),
        (held(READS, Permission(("Microsoft.Storage/storageAccounts/listKeys/action",))), False),
        (held(GIVES), True),
        (held(Permission(("microsoft.authorization/ROLEASSIGNMENTS/write",))), True),
        (held(Permission(("Microsoft.Authorization/*",))), True),
        (held(Permission((DEFINE,))), True),
        (held(Permission(("Microsoft.Authorization/elevateAccess/action",))), False),
        (held(Permission(("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",))), False),
        (
            held(Permission(("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "Microsoft.Compute/virtualMachines/write"))),
            None,
        ),
        (held(Permission(("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",))), None),
        (held(GIVES, condition=only(f"ForAnyOfAnyValues:GuidEquals {{{READER}}}")), False),
        (held(GIVES, condition=only(f"ForAnyOfAnyValues:GuidEquals {{{READER}, {OWNER}}}")), True),
        (held(GIVES, condition=only(f"ForAnyOfAnyValues:GuidEquals {{{MINE}}}")), None),
        (held(GIVES, condition=only(f"ForAnyOfAnyValues:GuidEquals {{{MINE}}}"), knows_roles=True), False),
        (held(GIVES, condition=only(f"ForAnyOfAnyValues:GuidEquals {{{MINE}}}"), strong=(MINE,)), True),
        (held(GIVES, condition=only(f"ForAnyOfAllValues:GuidNotEquals {{{OWNER}}}")), True),
        (
            held(
                GIVES,
                condition=only(
                    "ForAnyOfAllValues:GuidNotEquals {8e3af657-a8ff-443c-a75c-2fe8c4bcb635, 18d7d88d-d35e-4fb5-a5c3-7773c20a72d9, "
                    "f58310d9-a9f6-439a-9e8d-f62e7b41a168}"
                ),
            ),
            None,
        ),
        # a clause for another operation bounds nothing
        (held(GIVES, condition=only(f"ForAnyOfAnyValues:GuidEquals {{{READER}}}").replace("/write'", "/delete'")), True),
        # a role may bound itself, whoever holds it
        (held(Permission((ASSIGN,), condition=only(f"ForAnyOfAnyValues:GuidEquals {{{READER}}}"))), False),
        (held(GIVES, condition="@Request[a:PrincipalType] StringEqualsIgnoreCase 'ServicePrincipal'"), True),
        (held(GIVES, condition="@Environment[isPrivateLink] BoolEquals true"), None),
    ],
)
def test_who_comes_to_more(rights: Rights, answer: bool | None) -> None:
    assert raises(rights) is answer


def test_what_one_role_leaves_out_another_gives() -> None:
    one = Assignment(SUB, (Permission(("*",), ("Microsoft.Compute/virtualMachines/delete",)),))
    other = Assignment(SUB, (Permission(("Microsoft.Compute/*",)),))
    delete = "Microsoft.Compute/virtualMachines/delete"
    assert Rights((one,)).holds(delete, SUB) is False
    assert Rights((one, other)).holds(delete, SUB) is True


def test_a_denial_goes_before_all_that_is_given_and_holds_where_it_is() -> None:
    denial = Denial(GROUP, (Permission(("*",), ("*/read",)),))
    rights = held(OWN, denials=(denial,))
    assert rights.holds("x/y/write", f"{GROUP}/providers/x/y/z") is False
    assert rights.holds("x/y/read", GROUP) is True
    assert rights.holds("x/y/write", SUB) is True
    assert held(OWN, denials=(Denial(GROUP, denial.permissions, beneath=False),)).holds("x/y/write", f"{GROUP}/a") is True
    assert held(OWN, denials=(Denial(SUB, denial.permissions, applies=None),)).administers(SUB) is None


def test_for_whom_a_denial_is() -> None:
    everybody = {"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}
    assert applies([everybody], [], "p") is True
    assert applies([everybody], [{"id": "P", "type": "User"}], "p") is False
    assert applies([everybody], [{"id": "g", "type": "Group"}], "p") is None
    assert applies([{"id": "g", "type": "Group"}], [], "p") is None
    assert applies([{"id": "q", "type": "User"}], [], "p") is False


def test_data_needs_rights_of_its_own() -> None:
    assert held(OWN).holds("Microsoft.Storage/x/blobs/read", SUB, data=True) is False
    assert held(Permission(data=("*",))).holds("Microsoft.Storage/x/blobs/read", SUB, data=True) is True


def test_scopes_are_paths_and_no_prefixes() -> None:
    assert is_within("/subscriptions/S/resourceGroups/G", "/subscriptions/s")
    assert not is_within("/subscriptions/s2", "/subscriptions/s")
    assert is_within(SUB, "/")


def test_what_is_no_list_of_permissions_was_not_read() -> None:
    assert permissions_of(None) is permissions_of([1]) is permissions_of({"actions": []}) is None
    assert permissions_of([{"actions": ["*"], "notActions": None}]) == (OWN,)


_TEXTS = st.text("ab*/.", max_size=6)


@given(_TEXTS, _TEXTS)
def test_a_pattern_holds_what_it_says_in_any_case(pattern: str, operation: str) -> None:
    assert covers(pattern, operation) == covers(pattern.upper(), operation)
    assert covers(f"{pattern}*", operation) or not covers(pattern, operation)
    assert covers(operation, operation)
    assert covers("*", operation)


@given(st.lists(st.tuples(_TEXTS, _TEXTS), max_size=4), _TEXTS)
def test_more_permissions_never_take_away(said: list[tuple[str, str]], operation: str) -> None:
    entries = [Permission((action,), (left_out,)) for action, left_out in said]
    for count in range(len(entries)):
        assert not allows(entries[:count], operation) or allows(entries, operation)


@given(st.text("()!&|'{}@[]:ANDORab ", max_size=60))
def test_whatever_a_condition_says_it_is_answered(text: str) -> None:
    assert parsed(text)(Ask(ASSIGN, {})) in (True, False, None)


def test_a_condition_that_nests_without_end_is_not_known() -> None:
    assert parsed("!" * 500 + "(ActionMatches{'a'})")(Ask("a", {})) is None
