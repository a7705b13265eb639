"""What must hold of every cluster, whatever its roles say: order never matters, giving never takes, and the unseen is never no."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.kubernetes.policies.rbac.asking import FRESH, Ask
from cnamm_scan.providers.kubernetes.policies.rbac.cluster import Sight
from cnamm_scan.providers.kubernetes.policies.rbac.givers import givers
from cnamm_scan.providers.kubernetes.policies.rbac.raising import Climb
from cnamm_scan.providers.kubernetes.policies.rbac.rights import Rights
from cnamm_scan.providers.kubernetes.policies.rbac.steps import TELLING, Looks, steps
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import Subject
from cnamm_scan.providers.truths import Truth
from tests.examples import drawn
from tests.providers.kubernetes.policies.rbac.given import DARK, binding, cluster, role, rule
from tests.providers.kubernetes.policies.rbac.strategies import asked_clusters, clusters, rules

Json = Any
Asked = tuple[list[Json], list[dict[str, str]]]
repeatable = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), max_examples=drawn(50))
ASKERS = [Subject("User", "u"), Subject("Group", "team"), Subject("ServiceAccount", "a", "shop"), Subject("Group", "system:authenticated")]


def becomes(objects: list[Json], **how: Any) -> list[Any]:
    climb = Climb(cluster(objects, **how))
    return [climb.of(subject).becomes_administrator for subject in ASKERS]


@repeatable
@given(asked_clusters(), st.randoms(use_true_random=False))
def test_order_never_matters(given_cluster: Asked, chance: Any) -> None:
    objects, asked = given_cluster
    mixed = [{**each, "rules": chance.sample(each["rules"], len(each["rules"]))} if "rules" in each else each for each in objects]
    chance.shuffle(mixed)
    one, other = cluster(objects), cluster(mixed)
    for subject in ASKERS:
        for request in asked:
            assert one.allows(subject, Ask(**request)) is other.allows(subject, Ask(**request))
    assert becomes(objects) == becomes(mixed)


@repeatable
@given(asked_clusters())
def test_a_rule_is_the_sum_of_its_parts(given_cluster: Asked) -> None:
    objects, asked = given_cluster

    def parts(whole: Json) -> list[Json]:
        return [
            {**whole, "verbs": [verb], "resources": [resource]} for verb in whole["verbs"] for resource in whole.get("resources", [])
        ] or [whole]

    split = [{**each, "rules": [part for one in each["rules"] for part in parts(one)]} if "rules" in each else each for each in objects]
    one, other = cluster(objects), cluster(split)
    for subject in ASKERS:
        for request in asked:
            assert one.allows(subject, Ask(**request)) is other.allows(subject, Ask(**request))
    assert becomes(objects) == becomes(split)


@repeatable
@given(clusters(), st.lists(rules(), min_size=1, max_size=2), st.sampled_from(["", "shop", "kube-system"]))
def test_giving_more_never_takes(objects: list[Json], more: list[Json], namespace: str) -> None:
    given_more = [*objects, role("more", *more), binding("more", {"kind": "User", "name": "u"}, namespace=namespace)]
    rank = {False: 0, None: 1, True: 2}
    for before, after in zip(becomes(objects), becomes(given_more), strict=True):
        assert rank[after] >= rank[before]


@settings(repeatable, max_examples=drawn(15))
@given(clusters(), clusters())
def test_what_raises_rights_is_certain_only_where_nothing_unseen_could_tell(objects: list[Json], others: list[Json]) -> None:
    seen = {(each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")) for each in objects}
    more = [each for each in others if (each["kind"], each["metadata"]["name"], each["metadata"].get("namespace")) not in seen]
    for dark, whole in zip(becomes(objects, sight=DARK), becomes([*objects, *more]), strict=True):
        assert dark is not False
        assert not dark or whole


@repeatable
@given(clusters())
def test_who_is_let_do_anything_is_an_administrator_and_whoever_is_him_becomes_one(objects: list[Json]) -> None:
    made = cluster(objects)
    climb = Climb(made)
    fresh = Ask("anything", "any.group", "things", "", "name", "some-namespace")
    for subject in ASKERS:
        found = climb.of(subject)
        assert found.holds_everything is made.allows(subject, fresh)
        if found.holds_everything:
            assert found.is_administrator
        if found.is_administrator:
            assert found.becomes_administrator
    maker = role("maker", rule("create", "pods"))
    given_pods = [*objects, maker, binding("maker", {"kind": "User", "name": "v"}, namespace="shop")]
    if climb.of(Subject("ServiceAccount", "a", "shop")).becomes_administrator and Subject("ServiceAccount", "a", "shop") in made.subjects():
        assert Climb(cluster(given_pods)).of(Subject("User", "v")).becomes_administrator


def test_no_way_asks_of_a_resource_that_is_not_told() -> None:
    """What is said quickly of rights that speak of none of these would be wrong otherwise."""
    asked: set[str] = set()

    class Listening(Rights):
        def can(self, ask: Ask) -> Truth:
            asked.add(f"{ask.resource}/{ask.subresource}" if ask.subresource else ask.resource)
            return None

        may = can

    held = Listening({}, lambda place: False)
    made = cluster([role("r"), binding("r", {"kind": "User", "name": "u"})])
    looks = Looks(held, made)
    assert list(givers(held, looks))
    assert list(steps(held, made))
    assert asked - {FRESH, "persistentvolumeclaims"} <= TELLING  # claims are asked of beside volumes alone


def _is_in(each: Json, namespace: str) -> bool:
    return bool(each["metadata"].get("namespace") == namespace)


@repeatable
@given(asked_clusters(), st.sampled_from(["shop", "web", "kube-system"]), st.booleans())
def test_what_a_scope_leaves_out_is_never_no(given_cluster: Asked, namespace: str, only: bool) -> None:
    objects, asked = given_cluster
    if only:
        seen = [each for each in objects if not each["metadata"].get("namespace") or _is_in(each, namespace)]
        sight = Sight(roles=False, bindings=False, shown=frozenset({namespace}))
    else:
        seen = [each for each in objects if not _is_in(each, namespace)]
        sight = Sight(roles=False, bindings=False, left_out=frozenset({namespace}))
    part, whole = cluster(seen, sight), cluster(objects)
    for subject in ASKERS:
        for request in asked:
            found = part.allows(subject, Ask(**request))
            assert found is None or found is whole.allows(subject, Ask(**request))
    for found, wanted in zip(becomes(seen, sight=sight), becomes(objects), strict=True):
        assert found is None or found is wanted
