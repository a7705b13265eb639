"""The evaluator and a second SubjectAccessReview, over random users of random clusters: they say the same of every request."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings

from cnamm_scan.providers.kubernetes.policies.rbac.asking import Ask
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import Subject
from tests.examples import drawn
from tests.providers.kubernetes.policies.rbac import given as given_
from tests.providers.kubernetes.policies.rbac import naive
from tests.providers.kubernetes.policies.rbac.strategies import asked_clusters, clusters, one_cluster, one_request

Json = Any
repeatable = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


ASKERS = [
    *(given_.user(name) for name in ("u", "a", "stranger", "system:anonymous", "system:serviceaccount:shop")),
    *(given_.group(name) for name in ("team", "system:masters", "system:authenticated", "system:unauthenticated")),
    *(given_.group(name) for name in ("system:serviceaccounts", "system:serviceaccounts:shop")),
    *(given_.account(space, name) for space, name in (("shop", "a"), ("shop", "b"), ("kube-system", "a"))),
]
"""Asked in every cluster. Users of nodes and bootstrap tokens bring groups that only their authenticator knows: they are asked apart."""


@settings(repeatable, max_examples=drawn(250))
@given(asked_clusters())
def test_both_say_the_same_of_every_request(given_cluster: tuple[list[Json], list[dict[str, str]]]) -> None:
    objects, asked = given_cluster
    made = given_.cluster(objects)
    for asker in ASKERS:
        subject, (user, groups) = Subject.of(asker["kind"], asker["name"], asker.get("namespace", "")), naive.identity(asker)
        for request in asked:
            assert made.allows(subject, Ask(**request)) is naive.review(objects, user, groups, request), (asker, request)


def test_nodes_and_bootstrap_tokens_bring_their_groups() -> None:
    objects = [given_.role("r", given_.rule("get", "pods")), given_.binding("r", given_.group("system:nodes"))]
    assert given_.cluster(objects).allows(Subject("User", "system:node:one"), Ask("get", "", "pods"))
    assert given_.cluster(objects).allows(Subject("User", "system:bootstrap:abc"), Ask("get", "", "pods")) is False


@settings(repeatable, max_examples=drawn(100))
@given(asked_clusters(), clusters())
def test_what_is_certain_stays_so_whatever_else_comes_to_light(
    given_cluster: tuple[list[Json], list[dict[str, str]]], others: list[Json]
) -> None:
    objects, asked = given_cluster
    seen = {(each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")) for each in objects}
    unseen = [each for each in others if (each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")) not in seen]
    dark, whole = given_.cluster(objects, given_.DARK), given_.cluster([*objects, *unseen])
    for request in asked:
        for subject in (Subject("User", "u"), Subject("ServiceAccount", "a", "shop")):
            found = dark.allows(subject, Ask(**request))
            assert found is None or found is whole.allows(subject, Ask(**request))


def test_many_of_the_random_requests_are_admitted() -> None:
    """An agreement of which nearly every answer is no would show nothing."""
    chance, answers = Random(0), []
    for _ in range(50):
        objects = one_cluster(chance)
        asked = [one_request(chance, objects) for _ in range(20)]
        askers = [naive.identity(asker) for asker in ASKERS if asker["name"] != "system:masters"]
        answers += [naive.review(objects, *asker, request) for asker in askers for request in asked]
    assert sum(answers) > 0.05 * len(answers)
