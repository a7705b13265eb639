"""Whether strangers get in to buckets and datasets: pairs that differ in one detail, each with its known answer."""

from __future__ import annotations

import pytest

from cnamm_scan.providers.gcp.policies.public import ANYBODY, is_bucket_open, is_dataset_open, is_prevented


def opened(
    *members: str, prevention: str = "inherited", by_policy: bool | None = False, uniform: bool = True, acl: bool | None = None
) -> bool | None:
    """Whether a bucket is open whose policy names these."""
    given = not ANYBODY.isdisjoint(members)
    return is_bucket_open(given, is_prevented=is_prevented(prevention, by_policy), is_uniform=uniform, acl=acl)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (opened("allUsers"), True),
        (opened("allAuthenticatedUsers"), True),
        (opened("allUsers", prevention="enforced"), False),
        (opened("allUsers", prevention="enforced", by_policy=None), False),
        (opened("allUsers", by_policy=True), False),
        (opened("allUsers", by_policy=None), None),
        (opened("domain:shop.example"), False),
        (opened("projectViewer:shop"), False),
        # ACLs count where access is not uniform; of objects they are not read
        (opened(uniform=False, acl=True), True),
        (opened(uniform=True, acl=True), False),
        (opened(uniform=False, acl=False), False),
        (opened(uniform=False), None),
        (opened(uniform=False, prevention="enforced"), False),
        (opened("allUsers", uniform=False), True),
    ],
)
def test_whether_a_bucket_is_open(found: bool | None, answer: bool | None) -> None:
    assert found is answer


@pytest.mark.parametrize(
    ("entries", "answer"),
    [
        ([{"role": "READER", "specialGroup": "allAuthenticatedUsers"}], True),
        ([{"role": "READER", "specialGroup": "projectReaders"}], False),
        ([{"role": "READER", "iamMember": "allUsers"}], True),
        ([{"role": "READER", "domain": "shop.example"}, {"view": {"tableId": "v"}}], False),
        ([], False),
        (None, None),
    ],
)
def test_whether_a_dataset_is_open(entries: list[dict[str, object]] | None, answer: bool | None) -> None:
    assert is_dataset_open(entries) is answer
