"""What principal access boundary policies keep from whom: pairs that differ in one detail, each with its known answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cnamm_scan.providers.gcp.policies.boundaries import Bound, Home, binds, blocks, limits
from cnamm_scan.providers.gcp.policies.rights import Grant, Rights

MANAGER = "//cloudresourcemanager.googleapis.com/"
OURS, OTHERS = f"{MANAGER}organizations/9", f"{MANAGER}organizations/8"
LINE = [f"{MANAGER}{each}" for each in ("projects/111", "projects/shop-prod", "folders/5", "organizations/9")]
HOME = Home({"shop-prod": LINE, "111": LINE}, {"organizations/9": "shop.example"})
KIM, CI = "user:1f0e6c2a9b7d@shop.example", "serviceAccount:ci@shop-prod.iam.gserviceaccount.com"
POOL = "iam.googleapis.com/projects/111/locations/global/workloadIdentityPools/github"
KEYS, SETS = "iam.serviceAccountKeys.create", "resourcemanager.projects.setIamPolicy"


def bound(*resources: str, version: str = "3", to: str = OURS, condition: str = "") -> Bound:
    return Bound(resources, version, to, condition)


@pytest.mark.parametrize(
    ("member", "to", "answer"),
    [
        (KIM, OURS, True),
        ("user:1f0e6c2a9b7d@partner.example", OURS, None),
        ("user:1f0e6c2a9b7d@gmail.com", OURS, False),
        ("user:1f0e6c2a9b7d@shop.example", "//iam.googleapis.com/locations/global/workspace/C0shop", None),
        (CI, OURS, True),
        (CI, f"{MANAGER}folders/5", True),
        (CI, f"{MANAGER}folders/6", False),
        (CI, f"{MANAGER}projects/shop-prod", True),
        (CI, f"//{POOL}", False),
        ("serviceAccount:ci@elsewhere.iam.gserviceaccount.com", OURS, None),
        ("serviceAccount:111-compute@developer.gserviceaccount.com", OURS, None),
        (f"principalSet://{POOL}/attribute.repository/shop/site", f"//{POOL}", True),
        (f"principalSet://{POOL}/*", OURS, True),
        (f"principal://{POOL}/subject/x", f"{MANAGER}folders/6", False),
        ("group:1f0e6c2a9b7d@shop.example", OURS, None),
        ("domain:shop.example", OURS, None),
        ("allUsers", OURS, False),
        ("allAuthenticatedUsers", OURS, False),
    ],
)
def test_whom_one_binds(member: str, to: str, answer: bool | None) -> None:
    assert binds(bound(to=to), member, HOME) is answer


@pytest.mark.parametrize(
    ("condition", "person", "account"),
    [
        ("", True, True),
        ("principal.type == 'iam.googleapis.com/ServiceAccount'", False, True),
        ("principal.type != 'iam.googleapis.com/ServiceAccount'", True, False),
        ("principal.type in ['iam.googleapis.com/WorkspaceIdentity', 'iam.googleapis.com/WorkforcePoolIdentity']", True, False),
        ("!(principal.type == 'iam.googleapis.com/ServiceAccount')", True, False),
        ("principal.subject == '1f0e6c2a9b7d@shop.example'", True, False),
        ("principal.subject != '1f0e6c2a9b7d@shop.example'", False, True),
        ("principal.subject.endsWith('@shop.example')", True, False),
        ("principal.subject.startsWith('ci@')", None, True),
        ("principal.subject.endsWith('d@shop.example')", None, False),
        ("principal.type == 'iam.googleapis.com/ServiceAccount' || principal.subject.endsWith('@shop.example')", True, True),
        ("principal.type == 'iam.googleapis.com/ServiceAccount' && principal.subject.startsWith('ci@')", False, True),
        ("principal.shoe == 'x'", None, None),
        ("principal.type == ", None, None),
        ("(", None, None),
    ],
)
def test_conditions(condition: str, person: bool | None, account: bool | None) -> None:
    assert (binds(bound(condition=condition), KIM, HOME), binds(bound(condition=condition), CI, HOME)) == (person, account)


@pytest.mark.parametrize(
    ("version", "permission", "answer"),
    [("1", KEYS, False), ("2", KEYS, False), ("3", KEYS, True), ("latest", KEYS, True), ("newest", KEYS, None), ("3", SETS, None)],
)
def test_what_a_version_blocks(version: str, permission: str, answer: bool | None) -> None:
    assert blocks(version, permission) is answer


@pytest.mark.parametrize(
    ("bounds", "answer"),
    [
        ([], False),
        ([bound(OURS)], False),
        ([bound(f"{MANAGER}folders/5")], False),
        ([bound(f"{MANAGER}projects/shop-prod")], False),
        ([bound(OTHERS)], True),
        ([bound()], True),
        ([bound(OTHERS, version="2")], False),
        # who is bound by two may reach what either lists
        ([bound(OTHERS), bound(OURS)], False),
        ([bound(OTHERS), bound(OURS, condition="principal.type == 'iam.googleapis.com/ServiceAccount'")], True),
        ([bound(OTHERS), bound(OURS, condition="principal.shoe == 'x'")], None),
        ([bound(OTHERS, condition="principal.shoe == 'x'")], None),
        ([bound(OTHERS, to=f"{MANAGER}folders/6")], None),
    ],
)
def test_what_is_kept_from_a_person(bounds: list[Bound], answer: bool | None) -> None:
    assert limits(bounds, KIM, HOME, LINE, is_whole=True).refuses(KEYS) is answer


def test_what_was_not_read_may_take_away_unless_one_that_was_lists_the_resource() -> None:
    assert limits([], KIM, HOME, LINE, is_whole=False).refuses(KEYS) is None
    assert limits([bound(OURS)], KIM, HOME, LINE, is_whole=False).refuses(KEYS) is False
    assert limits([bound(OTHERS)], KIM, HOME, LINE, is_whole=False).refuses(KEYS) is None, "another may list it"


def test_a_boundary_takes_from_what_was_given_and_never_gives() -> None:
    def rights(*bounds: Bound, role: str = "roles/owner") -> Rights:
        now = datetime(2026, 11, 29, tzinfo=UTC)
        return Rights(KIM, (Grant("projects", role),), now, limits=limits(bounds, KIM, HOME, LINE, is_whole=True))

    assert rights(bound(OURS)).is_administrator is True
    assert rights(bound(OTHERS)).is_administrator is None, "whether it can block granting is not known"
    assert rights(bound(OTHERS)).holds(KEYS) is False
    assert rights(bound(OTHERS)).later().holds(KEYS) is False
    assert rights(bound(OURS), role="roles/viewer").holds(KEYS) is False


@pytest.mark.parametrize("rules", [None, "x", [7], [{"effect": "DENY", "resources": []}], [{"effect": "ALLOW", "resources": "x"}]])
def test_what_the_api_never_writes_is_not_read(rules: Any) -> None:
    with pytest.raises(ValueError, match=r"rule|list"):
        Bound.read(rules, "1", OURS, "")
    assert Bound.read([{"effect": "ALLOW", "resources": [OURS]}, {"effect": "ALLOW"}], "1", OURS, "").resources == (OURS,)
