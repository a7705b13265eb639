"""Principal access boundary policies through the real client: two listings at most, and what they take from who may do what."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.demo.gcp.bed.contents import Cloud, Listed
from cnamm_scan.demo.gcp.bed.server import GcpBed
from tests.gcps import ONE, ORGANIZATION, cloud, scan

OWNER = "gcp.iam.few_administrators"
HOME_POLICY = "organizations/9/locations/global/principalAccessBoundaryPolicies/home"


def _bounded(*resources: str, condition: str = "", **said: Any) -> Cloud:
    """An organization whose principals are kept to some resources, and a project with five owners."""
    made = cloud(**said)
    owners = [f"user:{name}@shop.example" for name in ("ada", "grace", "barbara", "katherine", "dorothy")]
    made.add(made.asset("cloudresourcemanager.googleapis.com/Project", "projects/111", f"projects/{ONE}", iam={"roles/owner": owners}))
    for asset in made.assets["cloudresourcemanager.googleapis.com/Organization"]:
        asset["resource"]["data"]["displayName"] = "shop.example"
    rules = [{"effect": "ALLOW", "resources": [f"//cloudresourcemanager.googleapis.com/{each}" for each in resources]}]
    policy = {"name": HOME_POLICY, "displayName": "Home", "details": {"rules": rules, "enforcementVersion": "latest"}}
    binding: dict[str, Any] = {
        "name": "organizations/9/locations/global/policyBindings/all",
        "target": {"principalSet": "//cloudresourcemanager.googleapis.com/organizations/9"},
        "policy": HOME_POLICY,
        **({"condition": {"expression": condition}} if condition else {}),
    }
    listing = "iam/v3/organizations/9/locations/global/principalAccessBoundaryPolicies"
    made.answer(listing, Listed("principalAccessBoundaryPolicies", [policy]))
    made.answer(f"iam/v3/{HOME_POLICY}:searchPolicyBindings", Listed("policyBindings", [binding]))
    return made


@pytest.mark.parametrize(
    ("made", "verdict", "stays"),
    [
        (_bounded("organizations/9"), "fail", "pass"),
        (_bounded("folders/5"), "fail", "pass"),
        # whether a boundary can block granting is not known; who is kept out may be no administrator here
        (_bounded("organizations/8"), "unknown", "fail"),
        (_bounded("organizations/9", "organizations/8"), "fail", "fail"),
        (_bounded("organizations/9", "folders/77"), "fail", "unknown"),
        (_bounded("organizations/8", condition="principal.type == 'iam.googleapis.com/ServiceAccount'"), "fail", "fail"),
        (_bounded("organizations/8", condition="principal.subject != 'ada@shop.example'"), "unknown", "fail"),
        (_bounded("organizations/8", denied={ORGANIZATION: ("iam.principalAccessBoundaryPolicies.*",)}), "unknown", "unknown"),
    ],
)
def test_boundaries_take_from_what_members_may_do_and_never_give(made: Cloud, verdict: str, stays: str) -> None:
    rules = [OWNER, "gcp.iam.principals_stay_in_organization"]
    with GcpBed(made) as bed, scan(bed, ORGANIZATION, rules=rules) as done:
        found = {(each.rule, each.target): str(each.verdict) for each in done.results()}
        assert found[OWNER, f"gcp:{ONE}"] == verdict
        assert found[rules[1], f"gcp:{ORGANIZATION}"] == stays
        assert len([each for each in bed.requests if "rincipalAccessBoundary" in each.path]) <= 2, "one for all, and one for each policy"


def test_a_project_alone_asks_for_no_boundaries_and_is_judged_without() -> None:
    with GcpBed(_bounded("organizations/8")) as bed, scan(bed, ONE, rules=[OWNER]) as done:
        assert [str(each.verdict) for each in done.results()] == ["fail"]
        assert not [each for each in bed.requests if each.path.startswith("iam/v3")]
