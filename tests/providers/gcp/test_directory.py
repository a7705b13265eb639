"""Cloud Identity through the real clients: a token of its own, whose directory, what is refused, and what then counts for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.oauth2.credentials import Credentials

from cnamm_scan import api
from cnamm_scan.demo.gcp.bed.contents import Cloud, Listed
from cnamm_scan.demo.gcp.bed.directory import WANTED
from cnamm_scan.demo.gcp.bed.server import GcpBed, Trouble
from cnamm_scan.model import Call, Reason
from cnamm_scan.providers.catalog import KINDS
from cnamm_scan.providers.gcp.hosts import Hosts
from cnamm_scan.providers.gcp.needs import OAUTH, problem
from cnamm_scan.providers.gcp.scopes import admin_problem
from cnamm_scan.providers.gcp.signin import Found, Signed
from cnamm_scan.providers.interface import CallFailedError
from tests.gcps import ONE, ORGANIZATION, cloud, scan
from tests.unpacked import written

ADMIN = "ada@shop.example"
POLICIES = "cloudidentity/v1/policies"
EVERYBODY, SOME = "orgUnits/all", "orgUnits/some"
ENFORCED = "gcp.cloudidentity.second_factor_is_enforced"


def policy(
    name: str, setting: str, value: dict[str, Any], unit: str = EVERYBODY, order: float = 100.0, kind: str = "ADMIN"
) -> dict[str, Any]:
    query = f"entity.org_units.exists(org_unit, org_unit.org_unit_id == orgUnitId('{unit[9:]}'))"
    return {
        "name": f"policies/{name}",
        "customer": "customers/C0shop9",
        "type": kind,
        "policyQuery": {"orgUnit": unit, "query": query, "sortOrder": order},
        "setting": {"type": f"settings/security.{setting}", "value": value},
    }


GIVEN = policy("given", "session_controls", {"webSessionDuration": "1209600s"}, order=1.0, kind="SYSTEM")
ON = policy("on", "two_step_verification_enforcement", {"enforcedFrom": "2020-01-01T00:00:00Z"})
OFF = policy("off", "two_step_verification_enforcement", {"enforcedFrom": "1970-01-01T00:00:00Z"}, SOME, 101.0)


MANY = [policy(f"challenge{n}", "login_challenges", {}, f"orgUnits/{n}", 300.0 + n) for n in range(200)]
"""More than there are on a page."""


def directory(*policies: dict[str, Any], customer: Any = "C0shop9", **said: Any) -> Cloud:
    """An organization with a directory in which the scanner may ask as an administrator."""
    named = {"owner": {"directoryCustomerId": customer}} if customer else {}
    made = cloud(**{"customer": "C0shop9", "administrators": frozenset({ADMIN}), "delegated": frozenset(WANTED.values()), **said})
    for asset in made.assets["cloudresourcemanager.googleapis.com/Organization"]:
        asset["resource"]["data"].update(named)
    made.answer(POLICIES, Listed("policies", list(policies)))
    return made


@contextmanager
def scanned(bed: GcpBed, name: str = ORGANIZATION, rule: str = ENFORCED, **options: Any) -> Iterator[api.Scan]:
    said = {"directory_admin": ADMIN, **options}
    with scan(bed, name, rules=[rule], options={key: value for key, value in said.items() if value}) as done:
        yield done


def verdicts(done: api.Scan) -> dict[str, str]:
    return {each.resource.rpartition("/")[2]: str(each.verdict) for each in done.results()}


def gap(done: api.Scan) -> tuple[str, str]:
    (line,) = [each for each in done.coverage if each.table == "gcp.cloudidentity.policy" and not each.complete]
    return next(iter(line.gaps)), line.code


def would_show(done: api.Scan) -> str:
    return " ".join(row["would_show"] for row in done.report()["unseen"])


def test_each_unit_is_judged_and_everybody_besides() -> None:
    with GcpBed(directory(GIVEN, *MANY, ON, OFF)) as bed, scanned(bed) as done:
        assert verdicts(done) == {"9": "pass", "off": "fail"}
        asked = [each for each in bed.requests if each.path == POLICIES]
        assert len(asked) == 3, "one page after the other"
        assert all("customers%2FC0shop9" in each.query for each in asked)
        assert {each.method for each in asked} == {"GET"}


def test_a_project_has_no_directory_and_asks_none() -> None:
    with GcpBed(directory(GIVEN, ON)) as bed, scanned(bed, ONE, directory_admin=None) as done:
        assert verdicts(done) == {}
        assert not [each for each in bed.requests if "cloudidentity" in each.path]


def test_a_token_for_the_directory_is_asked_for_once_and_goes_nowhere_else() -> None:
    with GcpBed(directory(GIVEN, *MANY, ON)) as bed, scanned(bed):
        assert len([each for each in bed.requests if each.path == "token"]) == 2
        assert {each.code for each in bed.requests} == {"OK"}


@pytest.mark.parametrize(
    ("said", "options", "gap_of"),
    [
        ({}, {"directory_admin": None}, ("denied", "PERMISSION_DENIED")),
        ({}, {"directory_admin": "eve@shop.example"}, ("denied", "RefreshError")),
        ({"delegated": frozenset()}, {}, ("denied", "RefreshError")),
        ({"customer": "C0other"}, {}, ("denied", "PERMISSION_DENIED")),
    ],
)
def test_who_is_not_let_in_leaves_it_unknown_and_is_told_where_it_is_opened(said: Any, options: Any, gap_of: tuple[str, str]) -> None:
    made = directory(GIVEN, ON, **said)
    with GcpBed(made) as bed, scanned(bed, **options) as done:
        assert set(verdicts(done).values()) == {"unknown"}
        assert gap(done) == gap_of
        told = would_show(done)
        assert "Domain-wide delegation" in told
        assert OAUTH["cloudidentity"] in told
        assert "--directory-admin" in told


def test_a_refused_directory_ends_no_scan() -> None:
    made, both = directory(GIVEN, ON, delegated=frozenset()), [ENFORCED, "gcp.project.in_organization"]
    with GcpBed(made) as bed, scan(bed, ORGANIZATION, rules=both, options={"directory_admin": ADMIN}) as done:
        found = {(each.rule, str(each.verdict)) for each in done.results()}
    assert ("gcp.project.in_organization", "pass") in found
    assert (ENFORCED, "unknown") in found


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Trouble("PERMISSION_DENIED", "SERVICE_DISABLED"), "api_disabled"),
        (Trouble("PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), "denied"),
        (Trouble("NOT_FOUND"), "not_found"),
        (Trouble("UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED"), "denied"),
        (Trouble(status=200, body=b"<html>"), "malformed"),
        (Trouble("INVALID_ARGUMENT", skip=1), "truncated"),
    ],
    ids=["disabled", "scope", "gone", "token", "page", "second page"],
)
def test_what_goes_wrong_is_a_gap_and_no_verdict(trouble: Trouble, reason: str) -> None:
    trouble.where = POLICIES
    with GcpBed(directory(GIVEN, *MANY, ON, OFF), troubles=[trouble]) as bed, scanned(bed) as done:
        assert gap(done)[0] == reason
        assert "pass" not in verdicts(done).values() or reason == "truncated"
        assert verdicts(done).get("9", "unknown") == "unknown"


@pytest.mark.parametrize("customer", [None, "my_customer", 'C0" || true || customer == "', 7])
def test_an_organization_that_names_no_customer_is_asked_nothing(customer: Any) -> None:
    with GcpBed(directory(GIVEN, ON, customer=customer)) as bed, scanned(bed) as done:
        assert set(verdicts(done).values()) == {"unknown"}
        assert not [each for each in bed.requests if each.path == POLICIES]


def test_the_customer_may_stand_as_the_newer_api_has_it() -> None:
    made = directory(GIVEN, ON, customer=None)
    for asset in made.assets["cloudresourcemanager.googleapis.com/Organization"]:
        asset["resource"]["data"]["directoryCustomerId"] = "C0shop9"
    with GcpBed(made) as bed, scanned(bed) as done:
        assert verdicts(done) == {"9": "pass"}


def test_where_nobody_set_anything_it_is_unknown() -> None:
    with GcpBed(directory(GIVEN)) as bed, scanned(bed) as done:
        assert verdicts(done) == {"9": "unknown"}


@pytest.mark.parametrize(
    ("rule", "setting", "value", "verdict"),
    [
        ("second_factor_is_no_phone", "two_step_verification_enforcement_factor", {"allowedSignInFactorSet": "ALL"}, "fail"),
        ("second_factor_is_no_phone", "two_step_verification_enforcement_factor", {"allowedSignInFactorSet": "NO_TELEPHONY"}, "pass"),
        ("second_factor_is_no_phone", "two_step_verification_enforcement_factor", {"allowedSignInFactorSet": "BRAIN_WAVES"}, "unknown"),
        ("enrollment_is_soon", "two_step_verification_grace_period", {"enrollmentGracePeriod": "604800s"}, "pass"),
        ("enrollment_is_soon", "two_step_verification_grace_period", {"enrollmentGracePeriod": "1209601s"}, "fail"),
        ("devices_are_asked_again", "two_step_verification_device_trust", {"allowTrustingDevice": True}, "fail"),
        ("super_admins_do_not_recover_themselves", "super_admin_account_recovery", {"enableAccountRecovery": True}, "fail"),
        ("super_admins_do_not_recover_themselves", "super_admin_account_recovery", {"enableAccountRecovery": False}, "pass"),
        ("super_admins_do_not_recover_themselves", "super_admin_account_recovery", {}, "unknown"),
        ("web_session_is_bounded", "session_controls", {"webSessionDuration": "43200s"}, "pass"),
        ("web_session_is_bounded", "session_controls", {"webSessionDuration": "0s"}, "unknown"),
    ],
)
def test_each_setting_is_read(rule: str, setting: str, value: dict[str, Any], verdict: str) -> None:
    with GcpBed(directory(GIVEN, policy("own", setting, value))) as bed, scanned(bed, rule=f"gcp.cloudidentity.{rule}") as done:
        assert verdicts(done)["9"] == verdict


def user(number: int, **said: Any) -> dict[str, Any]:
    made = {"isAdmin": False, "isEnrolledIn2Sv": True, "suspended": False, "archived": False}
    dates = {"creationTime": "2020-01-01T00:00:00.000Z", "lastLoginTime": "2020-02-01T00:00:00.000Z"}
    return {"id": f"1000{number}", "primaryEmail": f"kim{number}@shop.example", **made, **dates, **said}


USERS = ("gcp.directory.super_admin_has_second_factor", "gcp.directory.super_admin_is_used", "gcp.directory.few_super_admins")
PEOPLE = [user(1, isAdmin=True), user(2, isAdmin=True, isEnrolledIn2Sv=False), user(3), user(4, isAdmin=True, suspended=True)]


def of_users(*people: dict[str, Any], **said: Any) -> Cloud:
    made = directory(**said)
    made.answer("admin/v1/users", Listed("users", list(people)))
    return made


def test_users_are_counted_when_that_is_asked_for_and_nobody_is_named(tmp_path: Path) -> None:
    many = [user(n) for n in range(10, 600)]
    with GcpBed(of_users(*PEOPLE, *many)) as bed:
        options = {"directory_admin": ADMIN, "with_directory_users": True}
        with scan(bed, ORGANIZATION, rules=USERS, options=options, output=tmp_path) as done:
            found = Counter((each.rule.rpartition(".")[2], str(each.verdict)) for each in done.results())
            assert found["super_admin_has_second_factor", "pass"] == found["super_admin_has_second_factor", "fail"] == 1
            assert found["super_admin_is_used", "fail"] == 2
            assert found["few_super_admins", "pass"] == 1, "who is suspended is none"
        asked = [each for each in bed.requests if each.path == "admin/v1/users"]
        assert len(asked) == 2
        assert all("customer=C0shop9" in each.query and "primaryEmail" not in each.query for each in asked)
    for _, data in written(tmp_path):
        assert b"@shop.example" not in data
        assert b"10001" not in data


def test_users_that_nobody_asked_for_are_unknown_once_with_the_sentence_how() -> None:
    with GcpBed(of_users(*PEOPLE)) as bed, scan(bed, ORGANIZATION, rules=USERS, options={"directory_admin": ADMIN}) as done:
        assert [(each.target, str(each.verdict)) for each in done.results()] == [(f"gcp:{ORGANIZATION}", "unknown")] * 3
        assert "scan with --with-directory-users" in would_show(done)
        assert not [each for each in bed.requests if "admin" in each.path]


def test_users_that_are_refused_are_unknown_with_where_it_is_opened() -> None:
    made = of_users(*PEOPLE, delegated=frozenset({OAUTH["cloudidentity"]}))
    options = {"directory_admin": ADMIN, "with_directory_users": True}
    with GcpBed(made) as bed, scan(bed, ORGANIZATION, rules=USERS, options=options) as done:
        assert {str(each.verdict) for each in done.results()} == {"unknown"}
        assert OAUTH["admin"] in would_show(done)


def test_a_collector_names_the_scope_that_the_directory_wants() -> None:
    def asked(**more: Any) -> tuple[str, str] | None:
        return problem(Call(call="cloudidentity/v1:/policies", items="policies", **more), "cloudidentity/v1")

    assert asked(needs=(OAUTH["cloudidentity"],)) is None
    wrong = asked(needs=("cloudidentity.policies.list",))
    assert wrong is not None
    assert "no permission of IAM" in wrong[0]
    assert asked(needs=(OAUTH["cloudidentity"],), fixed={"of_customer": "C1"}) is not None


def signed(credentials: Any, **said: Any) -> Signed:
    return Signed(Found(credentials), None, Hosts(), **{"as_account": None, "quota_project": None, **said})


def test_a_person_has_one_token_for_all_that_he_signed_in_for() -> None:
    person = Credentials("ya29.person")
    assert signed(person).token(OAUTH["cloudidentity"]) == "ya29.person"
    with pytest.raises(CallFailedError) as caught:
        signed(person, directory_admin=ADMIN).token(OAUTH["cloudidentity"])
    assert (caught.value.reason, caught.value.code) == (Reason.DENIED, "NoDelegation"), "nobody acts as another with his own sign-in"


def test_a_borrowed_service_account_acts_as_the_administrator() -> None:
    made = signed(Credentials("ya29.person"), as_account="other@shop-prod.iam.gserviceaccount.com", directory_admin=ADMIN)
    own = made._of(OAUTH["cloudidentity"])
    assert (own._subject, own._target_scopes) == (ADMIN, [OAUTH["cloudidentity"]])


def test_a_borrowed_service_account_asks_the_directory_with_a_token_of_its_own_too() -> None:
    other = "other@shop-prod.iam.gserviceaccount.com"
    with GcpBed(directory(GIVEN, ON)) as bed:
        bed.signing.borrowed = frozenset({other})
        options = {"impersonate_service_account": other}
        with scan(bed, ORGANIZATION, rules=[ENFORCED], options=options) as done:
            # it is no administrator, and acts as none
            assert gap(done) == ("denied", "PERMISSION_DENIED")
        assert sum(each.path.endswith(":generateAccessToken") for each in bed.requests) == 2
        assert {frozenset(scopes) for scopes, _ in bed.signing.granted.values()} >= {frozenset({OAUTH["cloudidentity"]})}


def test_the_custom_role_holds_no_scope_and_says_beside_where_the_directory_is_opened() -> None:
    rights = KINDS["gcp"].rights
    needs = ["iam.denypolicies.list", *OAUTH.values()]
    assert rights.policy(needs)["includedPermissions"] == ["cloudasset.assets.listResource", "iam.denypolicies.list"]
    assert rights.parts(needs) == [rights.policy(needs)]
    beside = rights.beside(needs)
    assert len(beside) == 2
    assert all("Domain-wide delegation" in each for each in beside)
    assert rights.beside(["iam.denypolicies.list"]) == []


@pytest.mark.parametrize(("said", "is_fine"), [("ada@shop.example", True), ("ada", False), ("ada@", False), ("a b@shop.example", False)])
def test_an_administrator_is_named_by_an_address(said: str, is_fine: bool) -> None:
    assert (admin_problem(said) is None) is is_fine
