"""Whom of a shared issuer's customers a pool lets in: pairs that differ in one detail, each with its known answer."""

from __future__ import annotations

import pytest

from cnamm_scan.providers.gcp.policies.federation import Provider, is_shared, issuer_of

GITHUB = "https://token.actions.githubusercontent.com"
MAPPING = {
    "google.subject": "assertion.sub",
    "attribute.repository": "assertion.repository",
    "attribute.ref": "assertion.ref",
    "attribute.owner": "assertion['repository_owner']",
    "attribute.made": "assertion.repository + '/x'",
}
POOL = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/"


def admits(condition: str, member: str = "*", issuer: str = GITHUB) -> bool | None:
    """Whether strangers get in."""
    known = issuer_of(issuer)
    assert known is not None
    return Provider(known, MAPPING, condition).admits_strangers(f"{POOL}{member}")


@pytest.mark.parametrize(
    ("condition", "member", "answer"),
    [
        ("", "*", True),
        ("assertion.repository_owner == 'shop'", "*", False),
        ("assertion.repository_owner_id == '123'", "*", False),
        ("'shop' == assertion.repository_owner", "*", False),
        ("assertion['repository_owner'] == 'shop'", "*", False),
        ("attribute.owner == 'shop'", "*", False),
        ("assertion.repository_owner in ['shop', \"shop-labs\"]", "*", False),
        ("assertion.repository_owner in []", "*", None),
        ("assertion.repository_owner != 'evil'", "*", True),
        ("assertion.repository_owner == ''", "*", True),
        # shop-evil begins so too
        ("assertion.sub.startsWith('repo:shop')", "*", True),
        ("assertion.sub.startsWith('repo:shop/')", "*", False),
        ("assertion.repository_owner.startsWith('shop')", "*", True),
        ("assertion.repository.startsWith('shop/')", "*", False),
        # a branch, an event or an audience names nobody
        ("assertion.ref == 'refs/heads/main'", "*", True),
        ("assertion.aud == 'shop'", "*", True),
        ("assertion.ref == 'refs/heads/main' && assertion.repository_owner == 'shop'", "*", False),
        ("assertion.ref == 'refs/heads/main' || assertion.repository_owner == 'shop'", "*", True),
        ("(assertion.repository == 'shop/a') || (assertion.repository == 'shop/b')", "*", False),
        ("true", "*", True),
        ("assertion.repository.matches('^shop/')", "*", None),
        ("!(assertion.repository_owner == 'shop')", "*", None),
        ("attribute.made == 'shop/a/x'", "*", None),
        # or the grant binds
        ("", "attribute.repository/shop/site", False),
        ("", "attribute.owner/shop", False),
        ("", "attribute.ref/refs/heads/main", True),
        ("", "attribute.made/a", None),
        ("", "group/a", None),
        ("", "subject/repo:shop/site:ref:refs/heads/main", False),
        ("", "subject/anything", True),
        ("assertion.repository_owner == 'shop'", "attribute.ref/refs/heads/main", False),
    ],
)
def test_whom_of_github_it_admits(condition: str, member: str, answer: bool | None) -> None:
    assert admits(condition, member) is answer


def test_who_signs_for_strangers() -> None:
    for issuer, answer in (
        (GITHUB, True),
        (f"{GITHUB}/", True),
        (f"{GITHUB}/shop", False),
        ("https://gitlab.com", True),
        ("https://app.terraform.io", True),
        ("https://login.microsoftonline.com/common/v2.0", True),
        ("https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0", False),
        ("https://container.googleapis.com/v1/projects/p/locations/l/clusters/c", False),
        ("https://sso.shop.example", None),
    ):
        assert is_shared(issuer) is answer, issuer


def test_each_shared_issuer_has_claims_of_its_own() -> None:
    for issuer, condition, answer in (
        ("https://gitlab.com", "assertion.namespace_path == 'shop'", False),
        ("https://gitlab.com", "assertion.project_path.startsWith('shop/')", False),
        ("https://gitlab.com", "assertion.ref == 'main'", True),
        ("https://app.terraform.io", "assertion.sub.startsWith('organization:shop:')", False),
        ("https://app.terraform.io", "assertion.sub.startsWith('organization:shop')", True),
        ("https://accounts.google.com", "assertion.hd == 'shop.example'", False),
    ):
        assert admits(condition, issuer=issuer) is answer, condition
