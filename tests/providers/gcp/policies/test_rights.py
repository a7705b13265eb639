"""What allow and deny policies come to: pairs that differ in one detail, each with its known answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.gcp.policies.conditions import Ask, allows
from cnamm_scan.providers.gcp.policies.rights import EVERYBODY, Denial, Grant, Rights, among
from cnamm_scan.providers.gcp.policies.roles import STRONG, WEAK, held_by, spelled
from cnamm_scan.providers.gcp.policies.ways import KNOWN
from tests import examples

NOW = datetime(2026, 11, 29, tzinfo=UTC)
MINE = "projects/shop/roles/mine"
PERSON = "user:kim@shop.example"
KEYS = "iam.serviceAccountKeys.create"


def holder(*permissions: str, level: str = "projects", condition: str = "") -> Rights:
    """Somebody with a custom role."""
    return Rights(PERSON, (Grant(level, MINE, condition),), NOW, custom={MINE: permissions})


def given_roles(*roles: str, condition: str = "", level: str = "projects", **more: object) -> Rights:
    return Rights(PERSON, tuple(Grant(level, each, condition) for each in roles), NOW, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("permissions", "answer"),
    [
        (["resourcemanager.projects.setIamPolicy"], True),
        (["iam.serviceAccounts.getAccessToken"], True),
        (["iam.serviceAccounts.signJwt"], True),
        (["iam.serviceAccounts.setIamPolicy"], True),
        ([KEYS], True),
        # an account is of use only to who makes it run something
        (["iam.serviceAccounts.actAs"], False),
        (["iam.serviceAccounts.actAs", "compute.instances.create", "compute.disks.create", "compute.subnetworks.use"], True),
        (["compute.instances.create", "compute.disks.create", "compute.subnetworks.use"], False),
        (["iam.serviceAccounts.actAs", "compute.instances.create"], None),
        (["cloudfunctions.functions.create", "cloudfunctions.functions.sourceCodeSet"], False),
        (["cloudfunctions.functions.create", "cloudfunctions.functions.sourceCodeSet", "iam.serviceAccounts.actAs"], True),
        (["iam.serviceAccounts.actAs", "cloudfunctions.functions.create"], None),
        # he widens the role by which he may
        (["iam.roles.update"], True),
        (["iam.serviceAccounts.get", "iam.serviceAccounts.list"], False),
        (["deploymentmanager.deployments.create"], True),
        (["deploymentmanager.deployments.list"], False),
        # as strong as the account of a build
        (["cloudbuild.builds.create"], None),
        (["cloudbuild.builds.list"], False),
        # folders are given roles on folders
        (["resourcemanager.folders.setIamPolicy"], False),
    ],
)
def test_who_comes_to_all_rights(permissions: list[str], answer: bool | None) -> None:
    assert holder(*permissions).can_raise is answer


@pytest.mark.parametrize(
    ("rights", "answer"),
    [
        (given_roles("roles/owner"), True),
        (given_roles("roles/admin"), True),
        (given_roles("roles/editor"), False),
        (given_roles("roles/viewer"), False),
        (given_roles("roles/resourcemanager.projectIamAdmin"), True),
        (given_roles("roles/iam.securityAdmin"), True),
        (given_roles("roles/resourcemanager.folderIamAdmin"), False),
        (given_roles("roles/resourcemanager.folderIamAdmin", level="folders"), True),
        (given_roles("roles/resourcemanager.organizationAdmin", level="organizations"), True),
        (given_roles("roles/storage.objectViewer", "roles/logging.logWriter"), False),
        (given_roles("roles/nobody.knows"), None),
        (given_roles("roles/nobody.knowsViewer"), False),
        (given_roles("roles/viewer", is_whole=False), None),
        (given_roles("roles/owner", is_whole=False), True),
        (holder("resourcemanager.projects.setIamPolicy"), True),
        (given_roles(MINE), None),  # a custom role that was not read
        (given_roles(MINE, custom={MINE: None}), None),
        # conditions
        (given_roles("roles/owner", condition="request.time < timestamp('2025-01-01T00:00:00Z')"), False),
        (given_roles("roles/owner", condition="request.time < timestamp('2027-01-01T00:00:00Z')"), True),
        (given_roles("roles/owner", condition="resource.name.startsWith('projects/_/buckets/a')"), None),
        (given_roles("roles/owner", condition="false"), False),
        (Rights(PERSON, (Grant("projects", "roles/owner", None),), NOW), None),
        (Rights(PERSON, (Grant("projects", None),), NOW), None),
    ],
)
def test_who_is_an_administrator(rights: Rights, answer: bool | None) -> None:
    assert rights.is_administrator is answer


ONLY = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([%s])"


@pytest.mark.parametrize(
    ("roles", "answer"),
    [
        ("'roles/storage.objectViewer'", False),
        ("'roles/storage.objectViewer', 'roles/owner'", True),
        ("'roles/iam.serviceAccountTokenCreator'", True),
        ("'roles/cloudbuild.builds.editor'", None),
        ("'roles/nobody.knows'", None),
        ("", False),
    ],
)
def test_who_may_give_weak_roles_only_is_no_administrator(roles: str, answer: bool | None) -> None:
    assert given_roles("roles/resourcemanager.projectIamAdmin", condition=ONLY % roles).is_administrator is answer


def test_who_is_an_administrator_for_some_hours_stands_at_the_end_without() -> None:
    for condition, answer in (("", True), ("request.time < timestamp('2027-01-01T00:00:00Z')", False), ("resource.type == 'x'", None)):
        assert given_roles("roles/owner", condition=condition).later().is_administrator is answer


@pytest.mark.parametrize(
    ("denial", "answer"),
    [
        (None, True),
        (Denial((EVERYBODY,), (), ("iam.googleapis.com/serviceAccountKeys.create",)), False),
        (Denial((EVERYBODY,), ("principal://goog/subject/kim@shop.example",), ("iam.googleapis.com/serviceAccountKeys.create",)), True),
        (Denial((EVERYBODY,), ("principalSet://goog/group/ops@shop.example",), ("iam.googleapis.com/serviceAccountKeys.create",)), None),
        (Denial(("principal://goog/subject/kim@shop.example",), (), ("iam.googleapis.com/serviceAccountKeys.*",)), False),
        (Denial(("principal://goog/subject/lee@shop.example",), (), ("iam.googleapis.com/serviceAccountKeys.*",)), True),
        (Denial(("principalSet://goog/group/all@shop.example",), (), ("iam.googleapis.com/serviceAccountKeys.create",)), None),
        (Denial((EVERYBODY,), (), ("iam.googleapis.com/serviceAccountKeys.delete",)), True),
        (Denial((EVERYBODY,), (), ("iam.googleapis.com/*.*",), ("iam.googleapis.com/serviceAccountKeys.create",)), True),
        (Denial((EVERYBODY,), (), ("iam.googleapis.com/*.*",), (), "resource.matchTag('9/env', 'prod')"), None),
        (Denial((EVERYBODY,), ("principal://goog/subject/Kim@Shop.example",), ("iam.googleapis.com/serviceAccountKeys.create",)), True),
    ],
)
def test_deny_goes_before_allow(denial: Denial | None, answer: bool | None) -> None:
    rights = given_roles("roles/iam.serviceAccountKeyAdmin", denials=() if denial is None else (denial,))
    assert rights.holds(KEYS) is answer
    assert given_roles("roles/iam.serviceAccountKeyAdmin", denials_are_whole=False).holds(KEYS) is None
    assert given_roles("roles/viewer", denials_are_whole=False).holds(KEYS) is False


def test_a_deny_rule_is_read_as_the_api_writes_it() -> None:
    said = {"deniedPrincipals": [EVERYBODY], "deniedPermissions": ["cloudresourcemanager.googleapis.com/projects.setIamPolicy"]}
    assert given_roles("roles/owner", denials=(Denial.read(said),)).is_administrator is False
    assert given_roles("roles/owner", denials=(Denial.read({**said, "denialCondition": {"expression": "x"}}),)).is_administrator is None


def test_who_is_named_by_a_deny_policy() -> None:
    account = "serviceAccount:ci@shop.iam.gserviceaccount.com"
    assert among(["principal://iam.googleapis.com/projects/-/serviceAccounts/ci@shop.iam.gserviceaccount.com"], account) is True
    assert among(["principalSet://goog/cloudIdentityCustomerId/C1"], account) is False
    assert among(["principalSet://goog/cloudIdentityCustomerId/C1"], PERSON) is None
    assert among([], PERSON) is False


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("", True),
        (" ", True),
        ("request.time >= timestamp('2027-01-01T00:00:00Z')", False),
        ("timestamp('2027-01-01T00:00:00Z') > request.time", True),
        ('request.time < timestamp("2027-01-01T00:00:00Z")', True),
        ("request.time < timestamp('soon')", None),
        ("request.time < timestamp('2025-01-01T00:00:00Z') && resource.name == 'a'", False),
        ("request.time < timestamp('2027-01-01T00:00:00Z') || resource.name == 'a'", True),
        ("request.time < timestamp('2027-01-01T00:00:00Z') && resource.name == 'a || b'", None),
        ("(request.time < timestamp('2025-01-01T00:00:00Z')) || (false)", False),
        ("!(request.time < timestamp('2025-01-01T00:00:00Z'))", True),
        ("!resource.matchTag('9/env', 'prod')", None),
        ("true && (", None),
        ("true &&", None),
        ("a) || (true", None),
        ("(" * 100 + "true" + ")" * 100, None),
    ],
)
def test_what_a_condition_lets_through(expression: str, answer: bool | None) -> None:
    assert allows(expression, Ask(NOW)) is answer


ATOMS = ("true", "false", "request.time < timestamp('2027-01-01T00:00:00Z')", "resource.name == ')||('")


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> tuple[str, str]:
    """An expression in CEL, and the same for Python with X for what is not known."""
    if depth == 0 or draw(st.booleans()):
        atom = draw(st.sampled_from(ATOMS))
        return atom, {"true": "True", "false": "False"}.get(atom, "True" if atom.startswith("request") else "X")
    one, two = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    sign, word = draw(st.sampled_from((("&&", "and"), ("||", "or"))))
    if draw(st.booleans()):
        return f"!({one[0]})", f"(not ({one[1]}))"
    return f"({one[0]}) {sign} ({two[0]})", f"(({one[1]}) {word} ({two[1]}))"


@settings(max_examples=examples.drawn(300))
@given(expressions())
def test_a_condition_is_what_it_is_whatever_was_not_known_in_it(made: tuple[str, str]) -> None:
    found = allows(made[0], Ask(NOW))
    answers = {eval(made[1], {"X": each}) for each in (True, False)}
    assert found is None or answers == {found}
    assert "X" in made[1] or found is not None


def test_the_table_of_roles_names_permissions_that_matter() -> None:
    assert all(held <= KNOWN for held in STRONG.values())
    assert not WEAK & STRONG.keys()
    assert held_by("roles/editor", {}) is not None
    assert "resourcemanager.projects.setIamPolicy" not in STRONG["roles/editor"]
    assert held_by("roles/gkehub.gatewayAdmin", {}) is None


def test_a_permission_that_is_written_with_its_host_is_the_same() -> None:
    assert spelled("iam.googleapis.com/workloadIdentityPoolProviders.update") == "iam.workloadIdentityPoolProviders.update"
    assert spelled("iam.roles.update") == "iam.roles.update"


def test_whoever_is_in_a_group_may_be_excepted_from_what_the_group_is_denied() -> None:
    denial = Denial((EVERYBODY,), ("principal://goog/subject/kim@shop.example",), ("iam.googleapis.com/serviceAccountKeys.create",))
    assert denial.refuses("user:lee@shop.example", KEYS) is True
    assert [denial.refuses(each, KEYS) for each in ("group:ops@shop.example", "domain:shop.example", "allUsers")] == [None] * 3


def test_a_pattern_denies_only_what_can_be_denied() -> None:
    """Not every permission can, and which can is a list that grows."""
    denial = Denial((EVERYBODY,), (), ("*",))
    assert denial.refuses("user:lee@shop.example", "resourcemanager.projects.setIamPolicy") is True
    assert denial.refuses("user:lee@shop.example", "deploymentmanager.deployments.create") is None


@pytest.mark.parametrize(
    "rule", [{"deniedPrincipals": "x"}, {"deniedPermissions": 7}, {"denialCondition": "x"}, {"exceptionPrincipals": {"a": 1}}]
)
def test_a_rule_that_is_written_in_another_way_is_none(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="as the API writes it"):
        Denial.read(rule)


@pytest.mark.parametrize(
    ("principals", "excepted", "answer"),
    [
        ((EVERYBODY,), ("principalSet://goog/group/root@shop.example",), True),
        (("principalSet://cloudresourcemanager.googleapis.com/organizations/9",), (), True),
        (("principalSet://goog/cloudIdentityCustomerId/C0",), (), True),
        (("principalSet://goog/group/developers@shop.example",), (), False),
        ((EVERYBODY,), (EVERYBODY,), False),
    ],
)
def test_who_is_left_by_a_denial(principals: tuple[str, ...], excepted: tuple[str, ...], answer: bool) -> None:
    denial = Denial(principals, excepted, ("cloudresourcemanager.googleapis.com/*.setIamPolicy",))
    assert denial.refuses_all_but_some("resourcemanager.projects.setIamPolicy") is answer
    assert denial.refuses_all_but_some(KEYS) is False
