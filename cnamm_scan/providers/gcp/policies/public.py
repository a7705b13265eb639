"""Whether strangers get in to what holds data: by IAM, by lists of its own, and what keeps them out all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnamm_scan.providers.truths import Truth, any_of, both, either, negated

Json = Any

ANYBODY = frozenset({"allUsers", "allAuthenticatedUsers"})
"""Everybody, and everybody who has a Google account: which anybody may have."""


def is_bucket_open(given: Truth, *, is_prevented: Truth, is_uniform: Truth, acl: Truth = None) -> Truth:
    """Whether strangers get in to a bucket: by what its policy gives them, or by an ACL of its own or of an object, which are not read.

    https://docs.cloud.google.com/storage/docs/public-access-prevention
    """
    by_list = both(negated(is_uniform), acl)
    return both(negated(is_prevented), either(given, by_list))


def is_prevented(prevention: str | None, by_policy: Truth) -> Truth:
    """Whether public access prevention holds for a bucket: its own, or that of an organization policy."""
    own: Truth = None if prevention is None else prevention == "enforced"
    return either(own, by_policy)


def is_dataset_open(access: Sequence[Mapping[str, Json]] | None) -> Truth:
    """Whether strangers are on a dataset's own list."""
    if access is None:
        return None
    return any_of(map(_names_anybody, access))


def _names_anybody(entry: Mapping[str, Json]) -> Truth:
    group, member = entry.get("specialGroup", ""), entry.get("iamMember", "")
    if group == "allAuthenticatedUsers" or (isinstance(member, str) and member in ANYBODY):
        return True
    return False if isinstance(group, str) and isinstance(member, str) else None
