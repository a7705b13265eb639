"""The tables of rights as a scan makes them, out of a tenant that is read through the real clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cnamm_scan import api
from cnamm_scan.demo.azure.bed.contents import Subscription, Tenant
from cnamm_scan.demo.azure.bed.server import AzureBed, Trouble
from tests.azures import ONE, TWO, scan, tenant

OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
GIVER = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CUSTOM = "c0000000-0000-4000-8000-000000000001"
OWN = f"/subscriptions/{ONE}"
ROLES = {
    OWNER: ["*"],
    GIVER: ["*/read", "Microsoft.Authorization/*"],
    READER: ["*/read"],
    CUSTOM: ["Microsoft.Authorization/roleAssignments/write"],
}


def role(id_: str, subscription: str = ONE) -> dict[str, Any]:
    kind = "CustomRole" if id_ == CUSTOM else "BuiltInRole"
    said = {"roleName": f"role {id_[:2]}", "type": kind, "permissions": [{"actions": ROLES[id_]}], "assignableScopes": ["/"]}
    return {"id": f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{id_}", "properties": said}


def given(name: str, id_: str, *, scope: str = OWN, kind: str = "User", what: str = "roleAssignments", **more: Any) -> dict[str, Any]:
    own = f"/subscriptions/{TWO if TWO in scope else ONE}"
    named = f"{own}/providers/Microsoft.Authorization/roleDefinitions/{id_}"
    said = {
        "principalId": name,
        "principalType": kind,
        "roleDefinitionId": named,
        "scope": scope,
        "createdOn": "2026-01-01T00:00:00Z",
        **more,
    }
    made = {"id": f"{scope}/providers/Microsoft.Authorization/{what}/{name}-{id_[:2]}", "properties": said}
    return made if scope == own else {**made, "demo/under": [f"{own}/providers/Microsoft.Authorization/{what}"]}


def contents(*things: Mapping[str, Any]) -> Tenant:
    return tenant(*map(role, ROLES), *things, subscriptions=(Subscription(ONE, "one"),))


@contextmanager
def scanned(made: Tenant, *troubles: Trouble) -> Iterator[api.Scan]:
    with AzureBed(made, troubles=troubles) as bed:
        with scan(bed, rules=["azure.authorization.*"]) as done:
            yield done
        asked = [each.path.lower() for each in bed.requests if "/roledefinitions/" in each.path.lower()]
        assert len(asked) == len(set(asked)) or troubles, "a role is asked for once, however often it was given"


def rows(done: api.Scan, table: str) -> dict[str, dict[str, Any]]:
    answer = done.query(f"SELECT * FROM azure.authorization.{table}")
    return {row["key"]: row for row in answer}


def test_who_administers_and_who_may_come_to_more() -> None:
    condition = "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}))"
    condition += " OR (@Request[x:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {%s}))"
    made = contents(
        given("boss", OWNER),
        given("above", OWNER, scope="/providers/Microsoft.Management/managementGroups/top", kind="Group"),
        given("reader", READER),
        given("local", OWNER, scope=f"{OWN}/resourceGroups/web"),
        given("giver", CUSTOM, kind="ServicePrincipal"),
        given("bound", CUSTOM, condition=condition % READER),
    )
    with scanned(made) as done:
        found = rows(done, "principal_rights")
        assert {key: row["is_administrator"] for key, row in found.items()} == {
            "boss": True,
            "above": True,
            "reader": False,
            "local": False,
            "giver": False,
            "bound": False,
        }
        assert found["local"]["administers_beneath"] == [f"{OWN}/resourcegroups/web".lower()]
        assert {key for key, row in found.items() if row["can_raise"]} == {"giver"}
        assert found["bound"]["can_raise"] is False
        assert found["giver"]["ways"] == ["Microsoft.Authorization/roleAssignments/write"]
        assert {key for key, row in found.items() if row["is_above"]} == {"above"}
        (counted,) = rows(done, "administrators").values()
        assert (counted["at_least"], counted["at_most"], counted["standing"], counted["eligible"]) == (2, 2, 2, 0)
        assert counted["names"] == ["Group above", "User boss"]
        (custom,) = rows(done, "custom_role_rights").values()
        assert (custom["is_administrator"], custom["can_raise"], custom["assigned"]) == (False, True, 2)


def test_who_asks_for_it_administers_for_some_hours() -> None:
    active = given("kim", OWNER)
    schedule = {
        "id": f"{OWN}/providers/Microsoft.Authorization/roleAssignmentScheduleInstances/1",
        "properties": {
            "principalId": "kim",
            "assignmentType": "Activated",
            "originRoleAssignmentId": active["id"],
            "endDateTime": "2027-01-01T00:00:00Z",
        },
    }
    made = contents(active, given("lee", OWNER), given("ana", OWNER, what="roleEligibilityScheduleInstances"), schedule)
    with scanned(made) as done:
        found = rows(done, "principal_rights")
        assert {key: row["is_standing_administrator"] for key, row in found.items()} == {"kim": False, "lee": True, "ana": False}
        assert {key: row["can_become_administrator"] for key, row in found.items()} == {"kim": False, "lee": False, "ana": True}
        (counted,) = rows(done, "administrators").values()
        assert (counted["at_least"], counted["standing"], counted["eligible"]) == (2, 1, 1)


def test_what_may_be_the_service_that_people_ask_is_no_administrator_for_certain() -> None:
    made = contents(
        given("boss", OWNER),
        given("pim", GIVER, kind="ServicePrincipal"),
        given("pipeline", OWNER, kind="ServicePrincipal"),
        given("both", GIVER, kind="ServicePrincipal"),
        given("both", READER, kind="ServicePrincipal"),
        given("kim", GIVER),
    )
    with scanned(made) as done:
        found = rows(done, "principal_rights")
        assert all(row["is_administrator"] for row in found.values())
        assert {key for key, row in found.items() if row["may_be_pim"]} == {"pim"}
        (counted,) = rows(done, "administrators").values()
        assert (counted["at_least"], counted["at_most"], counted["standing"]) == (4, 5, 4)
        assert "ServicePrincipal pim" not in counted["names"]
        rule = "azure.authorization.application_not_administrator"
        verdicts = {each.resource.rpartition("/")[2]: each.verdict.value for each in done.results() if each.rule == rule}
        not_asked = dict.fromkeys(("boss", "kim"), "not_applicable")
        assert verdicts == {"pim": "unknown", "pipeline": "fail", "both": "fail", **not_asked}


def test_a_tenant_without_a_licence_has_nobody_who_asks() -> None:
    missing = Trouble(400, "AadPremiumLicenseRequired", path="Schedule(Instances)?")
    with scanned(contents(given("lee", OWNER)), missing) as done:
        (row,) = rows(done, "principal_rights").values()
        assert (row["is_standing_administrator"], row["can_become_administrator"]) == (True, False)


def test_what_was_not_read_is_not_known() -> None:
    made = contents(given("boss", OWNER), given("reader", READER))
    with scanned(made, Trouble(403, "AuthorizationFailed", path="denyAssignments")) as done:
        found = rows(done, "principal_rights")
        assert {key: row["is_administrator"] for key, row in found.items()} == {"boss": None, "reader": False}
    with scanned(made, Trouble(404, "RoleDefinitionDoesNotExist", path=f"roleDefinitions/{OWNER}")) as done:
        found = rows(done, "principal_rights")
        assert {key: row["is_administrator"] for key, row in found.items()} == {"boss": None, "reader": False}
        (counted,) = rows(done, "administrators").values()
        assert (counted["at_least"], counted["at_most"]) == (0, 1)
    with scanned(made, Trouble(403, "AuthorizationFailed", path="roleAssignments")) as done:
        (counted,) = rows(done, "administrators").values()
        assert (counted["at_least"], counted["at_most"]) == (0, None)


def test_what_a_role_asks_is_asked_once_for_all_who_may_activate_it() -> None:
    """By the role and the scope; of a role without a policy there, and of a policy that may not be read, nothing is known."""
    eligible = [
        given("ann", OWNER, what="roleEligibilityScheduleInstances"),
        given("bob", OWNER, what="roleEligibilityScheduleInstances"),
        given("cid", READER, what="roleEligibilityScheduleInstances"),
    ]
    rules = [
        {"id": "Expiration_EndUser_Assignment", "maximumDuration": "PT4H"},
        {"id": "Enablement_EndUser_Assignment", "enabledRules": ["MultiFactorAuthentication"]},
        {"id": "Approval_EndUser_Assignment", "setting": {"isApprovalRequired": True}},
    ]
    policy = {
        "id": f"{OWN}/providers/Microsoft.Authorization/roleManagementPolicies/p",
        "properties": {"roleDefinitionId": eligible[0]["properties"]["roleDefinitionId"], "effectiveRules": rules},
    }
    for troubles in ((), (Trouble(403, "AuthorizationFailed", path="roleManagementPolicies"),)):
        with AzureBed(contents(*eligible, policy), troubles=troubles) as bed, scan(bed, rules=["azure.authorization.*"]) as done:
            found = {
                row["principal_id"]: (row["active_for"], row["asks_factor"], row["asks_approval"])
                for row in rows(done, "role_eligibility").values()
            }
            asked = [each.query for each in bed.requests if each.path.endswith("/roleManagementPolicies")]
            assert len(asked) == len(set(asked)) == 2 or troubles
        known = (None, None, None) if troubles else (4, True, True)
        assert found == {"ann": known, "bob": known, "cid": (None, None, None)}
