"""The evaluator agrees with a second one on random policies and pods, and what it calls refused nobody gets in."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.kubernetes.policies.admission.decide import Answer, refused
from cnamm_scan.providers.kubernetes.policies.admission.requests import ADMITS, EITHER, REFUSES, Place, Request, judge
from tests.examples import drawn
from tests.providers.kubernetes.admission import naive
from tests.providers.kubernetes.admission.strategies import guard, places, pods, policies, refuses, users

Json = Any
COMMITS = {
    "privileged": naive.is_privileged,
    "host_namespaces": naive.takes_the_host,
    "host_path": naive.mounts_the_host,
    "privilege_escalation": naive.escalates,
}


@settings(max_examples=drawn(150), deadline=None)
@given(st.lists(policies, min_size=1, max_size=4), st.lists(pods, min_size=4, max_size=8), places, users)
def test_whole_requests_are_judged_as_by_the_second_evaluator(cases: list[Json], objects: list[Json], place: Place, user: Json) -> None:
    """150 times up to 4 policies with up to 8 pods: some 2,500 pairs."""
    for case in cases:
        made = guard(case)
        for pod in objects:
            said = judge(made, Request("Pod", "pods", pod, place=place, user=user))
            assert said != EITHER, (case, pod)
            assert (said == REFUSES) is refuses(case, pod, place, user), (case, pod, place, user)


@settings(max_examples=drawn(150), deadline=None)
@given(st.lists(policies, min_size=1, max_size=4), st.lists(pods, min_size=6, max_size=10), places, st.lists(users, min_size=2, max_size=3))
def test_what_is_called_refused_nobody_gets_in(cases: list[Json], objects: list[Json], place: Place, people: list[Json]) -> None:
    guards = [guard(case) for case in cases]
    for question, commits in COMMITS.items():
        if refused(question, place, guards) is not Answer.YES:
            continue
        for pod in objects:
            for user in people:
                if commits(pod):
                    assert any(refuses(case, pod, place, user) for case in cases), (question, pod, user)


@settings(max_examples=drawn(80), deadline=None)
@given(st.lists(policies, max_size=3), st.lists(pods, min_size=4, max_size=8), places, users)
def test_what_every_policy_lets_in_is_never_called_refused(cases: list[Json], objects: list[Json], place: Place, user: Json) -> None:
    guards = [guard(case) for case in cases]
    for question, commits in COMMITS.items():
        gets_in = any(commits(pod) and not any(refuses(case, pod, place, user) for case in cases) for pod in objects)
        if gets_in:
            assert refused(question, place, guards) is not Answer.YES, question


def test_no_policy_lets_everything_in() -> None:
    request = Request("Pod", "pods", {"metadata": {}, "spec": {"containers": []}}, place=Place("shop", {}))
    assert refused("privileged", Place("shop", {}), []) is Answer.NO
    assert judge(guard({"engine": "gatekeeper", "kind": "K8sPSPHostNamespace", "spec": {"enforcementAction": "dryrun"}}), request) == ADMITS
