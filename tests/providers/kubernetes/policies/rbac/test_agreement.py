"""The evaluator and a second SubjectAccessReview, over random users of random clusters: they say the same of every request."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.kubernetes.policies.rbac.asking import Ask
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import Subject
from tests.providers.kubernetes.policies.rbac import given as given_
from tests.providers.kubernetes.policies.rbac import naive
from tests.providers.kubernetes.policies.rbac.strategies import clusters, requests

Json = Any
repeatable = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


ASKERS = [
    *(given_.user(name) for name in ("u", "a", "stranger", "system:anonymous", "system:serviceaccount:shop")),
    *(given_.group(name) for name in ("team", "system:masters", "system:authenticated", "system:unauthenticated")),
    *(given_.group(name) for name in ("system:serviceaccounts", "system:serviceaccounts:shop")),
    *(given_.account(space, name) for space, name in (("shop", "a"), ("shop", "b"), ("kube-system", "a"))),
]
"""Asked in every cluster. Users of nodes and bootstrap tokens bring groups that only their authenticator knows: they are asked apart."""


@settings(repeatable, max_examples=150)
@given(clusters(), st.lists(requests(), min_size=20, max_size=20))
def test_both_say_the_same_of_every_request(objects: list[Json], asked: list[dict[str, str]]) -> None:
    made = given_.cluster(objects)
    for asker in ASKERS:
        subject, (user, groups) = Subject.of(asker["kind"], asker["name"], asker.get("namespace", "")), naive.identity(asker)
        for request in asked:
            assert made.allows(subject, Ask(**request)) is naive.review(objects, user, groups, request), (asker, request)


def test_nodes_and_bootstrap_tokens_bring_their_groups() -> None:
    objects = [given_.role("r", given_.rule("get", "pods")), given_.binding("r", given_.group("system:nodes"))]
    assert given_.cluster(objects).allows(Subject("User", "system:node:one"), Ask("get", "", "pods"))
    assert given_.cluster(objects).allows(Subject("User", "system:bootstrap:abc"), Ask("get", "", "pods")) is False


@settings(repeatable, max_examples=60)
@given(clusters(), clusters(), st.lists(requests(), min_size=20, max_size=20))
def test_what_is_certain_stays_so_whatever_else_comes_to_light(
    objects: list[Json], others: list[Json], asked: list[dict[str, str]]
) -> None:
    seen = {(each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")) for each in objects}
    unseen = [each for each in others if (each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")) not in seen]
    dark, whole = given_.cluster(objects, given_.DARK), given_.cluster([*objects, *unseen])
    for request in asked:
        for subject in (Subject("User", "u"), Subject("ServiceAccount", "a", "shop")):
            found = dark.allows(subject, Ask(**request))
            assert found is None or found is whole.allows(subject, Ask(**request))
