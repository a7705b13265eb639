"""The smallest cases of policies and webhooks of which something was not read: what hangs on that is open, whichever way it turns out."""

from __future__ import annotations

from typing import Any

from cnamm_scan.providers.kubernetes.made import network
from cnamm_scan.providers.kubernetes.made.admission_guards import CLUSTER, EXCEPTION, NAMESPACE, RULES, WEBHOOK
from cnamm_scan.providers.kubernetes.made.admission_images import CHECKS
from tests.providers.kubernetes.made.given import NOW, made_by

Json = Any
SPACE = {"name": "shop", "namespace": "shop", "labels": {}, "is_system": False, "enforce": "", "audit": "", "warn": ""}
HOOK = {
    "configuration": "kyverno",
    "name": "validate.kyverno.svc-fail",
    "failure_policy": "Fail",
    "timeout_seconds": 10,
    "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["*"]}],
    "conditions": [],
    "match_policy": "Equivalent",
    "namespace_selector": {},
    "object_selector": {},
    "service_namespace": "kyverno",
}
OF_PODS = {"any": [{"resources": {"kinds": ["Pod"]}}]}
CHECK = {
    "policy": "signed",
    "namespace": "",
    "rule": "signed",
    "match": OF_PODS,
    "exclude": {},
    "at_admission": True,
    "policy_action": "Enforce",
    "own_action": "",
    "policy_overrides": [],
    "preconditions": {},
    "cel_preconditions": [],
    "webhook_conditions": [],
}
RULE = {
    "policy": "guard",
    "namespace": "",
    "name": "guard",
    "autogen": "",
    "policy_action": "Enforce",
    "policy_overrides": [],
    "at_admission": True,
    "old_failure_policy": "Fail",
    "failure_policy": "",
    "apply_rules": "All",
    "webhook_conditions": [],
    "match": OF_PODS,
    "exclude": {},
    "preconditions": [],
    "cel_preconditions": [],
    "validate": {"pattern": {"spec": {"containers": [{"=(securityContext)": {"=(privileged)": "false"}}]}}},
    "has_validate": True,
    "is_enforcing": True,
    "created_at": NOW,
    "managers": [],
    "managed_fields": [],
}
SPARED = {
    "exceptions": [{"policyName": "guard", "ruleNames": ["guard"]}],
    "match": OF_PODS,
    "has_conditions": False,
    "narrows_controls": False,
}


def door(**unseen: None) -> dict[str, Json]:
    return {
        CLUSTER: {"demo": {"name": "demo", "minor": 30}},
        NAMESPACE: {"shop": SPACE},
        WEBHOOK: {"hook": {**HOOK, **unseen}},
    }


def test_a_webhook_whose_selector_was_not_read_may_pass_any_namespace_by() -> None:
    for name, about in (("namespace_selector", None), ("object_selector", 0)):
        checked = made_by("image_reach", {**door(**{name: None}), CHECKS[0]: {"signed": CHECK}})
        assert [row["covers"] for row in checked.values()] == [None]
        assert made_by("engine_webhooks", door(**{name: None}))["hook"]["missed"] is about
    assert [row["covers"] for row in made_by("image_reach", {**door(), CHECKS[0]: {"signed": CHECK}}).values()] == [True]
    assert made_by("engine_webhooks", door())["hook"]["missed"] == 0


def test_what_a_guard_may_be_about_is_not_missed_for_certain() -> None:
    """Pods are excepted and deployments are not: whether these are judged hangs on the webhook's rules."""
    tables = {RULES[0]: {"guard": RULE}, EXCEPTION: {"spared": SPARED}}
    (known,) = made_by("door_guards", {**door(), **tables}).values()
    assert (known["missed"], known["covered"]) == (0, 1)
    (open_,) = made_by("door_guards", {**door(rules=None), **tables}).values()
    assert (open_["missed"], open_["covered"]) == (None, None)


def test_policies_that_were_not_listed_may_hold_in_every_namespace() -> None:
    given: dict[str, Json] = {NAMESPACE: {"shop": SPACE}, network.NETWORK_POLICY: {}, "kubernetes.cilium.network_policy": {}}
    assert made_by("applied_policies", given) == {}
    for table in (network.NETWORK_POLICY, "kubernetes.cilium.network_policy"):
        (row,) = made_by("applied_policies", given, {table: "denied"}).values()
        assert row == {"namespace": "shop"}
    files = {"manifests": ["x.yaml"]}
    assert len(made_by("applied_policies", given, {network.NETWORK_POLICY: "not_given"}, files)) == 1


def test_a_guard_that_names_its_namespaces_is_not_one_that_exempts_others() -> None:
    def told(**changed: Json) -> tuple[Any, Any]:
        (row,) = made_by("door_guards", {**door(), RULES[0]: {"guard": {**RULE, **changed}}}).values()
        return row["is_for_all"], row["missed"]

    assert told() == (True, 0)
    assert told(exclude={"any": [{"resources": {"namespaces": ["shop"]}}]}) == (True, 1)
    assert told(match={"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["pay"]}}]}) == (False, 1)
    assert told(match={"any": [{"resources": {"kinds": ["Pod"], "namespaceSelector": {"matchLabels": {"env": "prod"}}}}]}) == (False, 1)


def test_one_pod_on_its_own_network_is_enough_to_be_judged_whatever_is_unread_of_others() -> None:
    def counted(*ways: bool | None, missing: bool = False) -> tuple[Any, Any]:
        pods = {str(n): {"namespace": "shop", "label_text": "{}", "host_network": way, "is_finished": False} for n, way in enumerate(ways)}
        given: dict[str, Json] = {NAMESPACE: {"shop": SPACE}, network.POD: pods}
        found = made_by("restricted_namespaces", given, {network.POD: "denied"} if missing else None)["shop"]
        return found["own_pods"], found["has_own_pods"]

    assert counted(False, None) == (None, True)
    assert counted(True, None) == (None, None)
    assert counted(True) == counted() == (0, False)
    assert counted(True, missing=True) == (None, None)
    assert counted(False, False, missing=True)[1] is True
