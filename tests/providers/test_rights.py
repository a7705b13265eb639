"""Least rights as each provider writes them: exactly what was asked for, in documents that fit."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.catalog import KINDS

AWS, KUBERNETES = KINDS["aws"].rights, KINDS["kubernetes"].rights
actions = st.lists(st.from_regex(r"[a-z]{2,12}:[A-Z][A-Za-z]{2,30}", fullmatch=True), max_size=400)


def _allowed(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    return [action for each in documents for statement in each["Statement"] for action in statement["Action"]]


@given(actions)
def test_parts_are_the_whole_and_each_of_them_fits(needs: list[str]) -> None:
    parts = AWS.parts(needs)
    assert _allowed(parts) == sorted({*needs, "ec2:DescribeRegions"}) == _allowed([AWS.policy(needs)])
    assert AWS.limit == 6144
    assert all(AWS.size(part) <= 6144 for part in parts)
    for part, following in itertools.pairwise(parts):  # none could have held the first action of the next
        assert AWS.size(AWS.document([*_allowed([part]), _allowed([following])[0]])) > 6144


def test_one_action_goes_into_a_part_however_long_it_is() -> None:
    (first, last) = AWS.parts([f"long:{'A' * 7000}"])
    assert _allowed([first]) == ["ec2:DescribeRegions"]
    assert _allowed([last]) == [f"long:{'A' * 7000}"]


def test_without_a_limit_there_is_one_part() -> None:
    needs = [f"list things{number}.example.org" for number in range(2000)]
    assert KUBERNETES.parts(needs) == [KUBERNETES.policy(needs)]


def test_a_cluster_role_allows_what_was_asked_and_no_more() -> None:
    needs = ["list pods", "list deployments.apps", "list statefulsets.apps", "get nodes/proxy", "list policies.x.example.org", "list pods"]
    role = KUBERNETES.policy(needs)
    assert (role["apiVersion"], role["kind"], role["metadata"]) == ("rbac.authorization.k8s.io/v1", "ClusterRole", {"name": "cnamm-scan"})
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": ["list"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
        {"apiGroups": ["x.example.org"], "resources": ["policies"], "verbs": ["list"]},
        {"nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/version"], "verbs": ["get"]},
    ]


def test_every_kind_says_how_its_rights_are_written() -> None:
    for kind in KINDS.values():
        assert kind.rights.base
        assert kind.rights.parts([]) == [kind.rights.policy([])]
        assert (kind.rights.limit is None) == (not kind.rights.limit_of)
