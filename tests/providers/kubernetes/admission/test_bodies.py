"""The forms in which the engines' documentation forbids something: each refuses what it is about, and what is left out of it gets in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cnamm_scan.providers.kubernetes.policies.admission import NEW, Answer, BoundPolicy, Place, PodSecurity, refused
from cnamm_scan.providers.kubernetes.policies.admission.cel import ERROR, FALSE, TRUE, Scope, outcomes
from cnamm_scan.providers.kubernetes.policies.admission.gatekeeper import Constraint, Settings
from cnamm_scan.providers.kubernetes.policies.admission.gatekeeper_library import LIBRARY
from cnamm_scan.providers.kubernetes.policies.admission.kyverno import Policy, Rule, ValidatingPolicy
from cnamm_scan.providers.kubernetes.policies.admission.kyverno_match import CelExcepted, Excepted, kind_parts
from cnamm_scan.providers.kubernetes.policies.admission.matching import in_rules
from cnamm_scan.providers.kubernetes.policies.admission.pod_security import BASELINE, RESTRICTED
from cnamm_scan.providers.kubernetes.policies.admission.questions import QUESTIONS
from cnamm_scan.providers.kubernetes.policies.admission.requests import Guard, Request
from cnamm_scan.providers.kubernetes.policies.admission.webhooks import Engine, Webhook
from cnamm_scan.providers.wildcards import matches
from tests.providers.kubernetes.admission.strategies import EVERYTHING, GATEKEEPER, KYVERNO

Json = Any
SHOP = Place("shop", {})
KINDS = ("=(ephemeralContainers)", "=(initContainers)", "containers")
KERNEL = {"=(name)": "kernel.shm_rmid_forced | net.ipv4.ping_group_range"}
ALLOWED = ["CHOWN", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]
EVERY_CONTAINER = "request.object.spec.[ephemeralContainers, initContainers, containers][]"


ANY_POD = {"kinds": ["Pod"]}
ENFORCED = Policy("p", action="Enforce")


def rule(validate: Json, policy: Policy = ENFORCED, exceptions: Sequence[Excepted] = (), *, is_first: bool = True, **more: Json) -> Rule:
    """A rule of Kyverno about pods, unless `more` says otherwise."""
    made = {"name": "r", "match": {"any": [{"resources": ANY_POD}]}, "validate": {"message": "no", **validate}, **more}
    return Rule(policy, made, KYVERNO, exceptions, is_first=is_first)


def each(inner: Json, **spec: Json) -> Json:
    """A pattern of all containers."""
    return {"pattern": {"spec": {**{kind: [inner] for kind in KINDS}, **spec}}}


def context(**settings: Json) -> Json:
    """A pattern of security contexts, of containers and of the pod, where they say something."""
    asked = {"=(securityContext)": {f"=({name})": value for name, value in settings.items()}}
    return each(asked, **asked)


def denied(key: str, operator: str, value: Json) -> Json:
    """A rule that denies under a condition."""
    return {"deny": {"conditions": {"all": [{"key": key, "operator": operator, "value": value}]}}}


def dropped() -> Json:
    """A rule that goes over containers."""
    asked = {"key": "ALL", "operator": "AnyNotIn", "value": "{{ element.securityContext.capabilities.drop[].to_upper(@) || `[]` }}"}
    return {"foreach": [{"list": EVERY_CONTAINER, "deny": {"conditions": {"all": [asked]}}}]}


def either(setting: str, value: Json) -> Json:
    """The pod says so and no container takes it back, or all containers say so."""
    own = {kind: [{"=(securityContext)": {f"=({setting})": value}}] for kind in KINDS}
    return {
        "anyPattern": [
            {"spec": {"securityContext": {setting: value}, **own}},
            {"spec": {kind: [{"securityContext": {setting: value}}] for kind in KINDS}},
        ]
    }


RULES: tuple[tuple[str, Json], ...] = (
    ("privileged", context(privileged="false")),
    ("privileged", {"podSecurity": {"level": "restricted"}}),
    ("privileged", {"deny": {}}),
    ("privileged", denied("{{ request.object.spec.[containers, initContainers][].securityContext.privileged || `[]` }}", "AnyIn", [True])),
    ("privileged", {"cel": {"expressions": [{"expression": "object.spec.containers.all(c, false)"}]}}),
    ("privileged", each({"securityContext": {"allowPrivilegeEscalation": "false"}})),
    ("privilege_escalation", each({"securityContext": {"allowPrivilegeEscalation": "false"}})),
    ("host_namespaces", {"pattern": {"spec": {"=(hostPID)": "false", "=(hostIPC)": "false", "=(hostNetwork)": "false"}}}),
    ("host_path", {"pattern": {"spec": {"=(volumes)": [{"X(hostPath)": "null"}]}}}),
    ("host_ports", each({"=(ports)": [{"=(hostPort)": 0}]})),
    ("host_process", context(windowsOptions={"=(hostProcess)": "false"})),
    ("capabilities", denied(f"{{{{ {EVERY_CONTAINER}.securityContext.capabilities.add[] }}}}", "AnyNotIn", ALLOWED)),
    ("kept_capabilities", dropped()),
    ("apparmor", context(appArmorProfile={"=(type)": "RuntimeDefault | Localhost"})),
    ("seccomp", context(seccompProfile={"=(type)": "RuntimeDefault | Localhost"})),
    ("no_seccomp", either("seccompProfile", {"type": "RuntimeDefault | Localhost"})),
    ("run_as_non_root", either("runAsNonRoot", True)),
    ("root_user", context(runAsUser=">0")),
    ("proc_mount", context(procMount="Default")),
    ("sysctls", {"pattern": {"spec": {"=(securityContext)": {"=(sysctls)": [KERNEL]}}}}),
    ("volume_types", denied("{{ request.object.spec.volumes[].keys(@)[] || '' }}", "AnyNotIn", ["name", "emptyDir", "secret", ""])),
    ("other_registry", each({"image": "ours.example/* | mirror.example/*"})),
    ("privileged_debug", context(privileged="false")),
    ("privileged_template", context(privileged="false")),
)


@pytest.mark.parametrize(("question", "validate"), RULES, ids=[f"{name}-{number}" for number, (name, _) in enumerate(RULES)])
def test_a_rule_of_kyverno_refuses_what_it_is_about(question: str, validate: Json) -> None:
    assert refused(question, SHOP, [rule(validate), PodSecurity()]) is Answer.YES
    assert refused("load_balancer", SHOP, [rule(validate), PodSecurity()]) is Answer.NO


def test_two_rules_refuse_together_what_neither_does_alone() -> None:
    tagged, not_latest = rule(each({"image": "*:*"})), rule(each({"image": "!*:latest"}))
    assert refused("loose_tag", SHOP, [tagged]) is refused("loose_tag", SHOP, [not_latest]) is Answer.PARTLY
    assert refused("loose_tag", SHOP, [tagged, not_latest]) is Answer.YES


def test_a_rule_about_something_else_neither_refuses_nor_hides_that() -> None:
    """A pod without limits is refused, privileged or not: whoever can run a pod at all can run a privileged one."""
    for other in (each({"resources": {"limits": {"nvidia.com/gpu": "?*"}}}), {"pattern": {"metadata": {"labels": {"cost-centre": "?*"}}}}):
        assert refused("privileged", SHOP, [rule(other)]) is Answer.NO
    assert refused("loose_tag", SHOP, [rule(each({"image": "ours.example/*"}))]) is not Answer.YES


def test_preconditions_count() -> None:
    always = {"all": [{"key": "{{ request.operation || 'BACKGROUND' }}", "operator": "NotEquals", "value": "DELETE"}]}
    only_updates = {"all": [{"key": "{{ request.operation }}", "operator": "Equals", "value": "UPDATE"}]}
    for_ci = {"any": [{"key": "{{ request.userInfo.username }}", "operator": "NotEquals", "value": "ci"}]}
    answers = [
        refused("privileged", SHOP, [rule(context(privileged="false"), preconditions=asked)]) for asked in (always, only_updates, for_ci)
    ]
    assert answers == [Answer.YES, Answer.NO, Answer.PARTLY]


def test_once_a_rule_was_applied_the_others_may_be_left_out() -> None:
    policy = Policy("p", action="Enforce", first_only=True)
    assert refused("privileged", SHOP, [rule(context(privileged="false"), policy)]) is Answer.YES
    assert refused("privileged", SHOP, [rule(context(privileged="false"), policy, is_first=False)]) is not Answer.YES


@pytest.mark.parametrize(
    ("match", "answer"),
    [
        ({"any": [{"resources": {"kinds": ["Pod"]}}]}, Answer.YES),
        ({"any": [{"resources": {"kinds": ["Pod"], "selector": {"matchLabels": {"a": "b"}}}}]}, Answer.NO),
        ({"any": [{"resources": {"kinds": ["Pod", "Deployment"]}}]}, Answer.PARTLY),
        ({"any": [{"resources": {"kinds": ["Pod"]}}, {"resources": {"kinds": ["Pod"], "names": ["x"]}}]}, Answer.NO),
    ],
)
def test_kyverno_repeats_a_rule_on_pods_for_what_makes_them(match: Json, answer: Answer) -> None:
    said = refused("privileged_template", SHOP, [rule(context(privileged="false"), match=match)])
    assert said is answer or (answer is Answer.PARTLY and said is not Answer.YES)
    silent = Policy("p", action="Enforce", repeated_for="none")
    assert refused("privileged_template", SHOP, [rule(context(privileged="false"), silent, match=match)]) is not Answer.YES


LIMITED = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
STANDARD = {"key": "pod-security.kubernetes.io/enforce", "allowedRegex": "^(baseline|restricted)$"}
TEMPLATES: tuple[tuple[str, str, Json, Answer], ...] = (
    ("K8sPSPPrivilegedContainer", "privileged", {}, Answer.YES),
    ("K8sPSPPrivilegedContainer", "privileged", {"exemptImages": ["ours.example/agent*"]}, Answer.PARTLY),
    ("K8sPSPPrivilegedContainer", "host_path", {}, Answer.NO),
    ("K8sPSPHostNamespace", "host_namespaces", {}, Answer.PARTLY),
    ("K8sPSPHostFilesystem", "host_path", {}, Answer.YES),
    ("K8sPSPHostFilesystem", "host_path", {"allowedHostPaths": [{"pathPrefix": "/var/log"}]}, Answer.PARTLY),
    ("K8sPSPHostNetworkingPorts", "host_ports", {"min": 0, "max": 0}, Answer.YES),
    ("K8sPSPHostNetworkingPorts", "host_ports", {}, Answer.NO),
    ("K8sPSPCapabilities", "capabilities", {"allowedCapabilities": ["CHOWN"]}, Answer.YES),
    ("K8sPSPCapabilities", "capabilities", {"allowedCapabilities": ["*"]}, Answer.NO),
    ("K8sPSPCapabilities", "kept_capabilities", {"requiredDropCapabilities": ["ALL"]}, Answer.YES),
    ("K8sPSPAllowPrivilegeEscalationContainer", "privilege_escalation", {}, Answer.YES),
    ("K8sPSPAllowedUsers", "root_user", {"runAsUser": {"rule": "RunAsAny"}}, Answer.UNKNOWN),
    ("K8sPSPProcMount", "proc_mount", {}, Answer.YES),
    ("K8sPSPProcMount", "proc_mount", {"procMount": "Unmasked"}, Answer.NO),
    ("K8sPSPSELinuxV2", "selinux", {}, Answer.YES),
    ("K8sPSPVolumeTypes", "volume_types", {"volumes": ["configMap", "secret"]}, Answer.YES),
    ("K8sPSPVolumeTypes", "volume_types", {"volumes": ["*"]}, Answer.NO),
    ("K8sAllowedRepos", "other_registry", {"repos": ["ours.example/"]}, Answer.YES),
    ("K8sAllowedRepos", "other_registry", {"repos": [""]}, Answer.NO),
    ("K8sDisallowedRepos", "other_registry", {"repos": ["docker.io/"]}, Answer.NO),
    ("K8sDisallowedTags", "loose_tag", {"tags": ["latest"]}, Answer.YES),
    ("K8sImageDigests", "loose_tag", {}, Answer.YES),
    ("K8sBlockNodePort", "node_port", {}, Answer.YES),
    ("K8sBlockLoadBalancer", "load_balancer", {}, Answer.YES),
    ("K8sExternalIPs", "external_ips", {"allowedIPs": []}, Answer.YES),
    ("K8sRequiredLabels", "unlabelled_namespace", {"labels": [STANDARD]}, Answer.YES),
    ("K8sRequiredLabels", "unlabelled_namespace", {"labels": [{"key": "team"}]}, Answer.NO),
    ("K8sRestrictRoleBindings", "cluster_admin", {"restrictedRole": LIMITED}, Answer.YES),
    ("OurOwnTemplate", "privileged", {}, Answer.UNKNOWN),
)


@pytest.mark.parametrize(("kind", "question", "parameters", "answer"), TEMPLATES)
def test_a_template_of_the_library_refuses_what_its_parameters_leave(kind: str, question: str, parameters: Json, answer: Answer) -> None:
    assert refused(question, SHOP, [Constraint(kind, {"parameters": parameters}, Settings(GATEKEEPER)), PodSecurity()]) is answer


def test_older_templates_do_not_visit_ephemeral_containers() -> None:
    old = "input.review.object.spec.containers initContainers securityContext.privileged"
    for text, answer in ((old, Answer.NO), (f"{old} ephemeralContainers", Answer.YES), ("spec.containers privileged", Answer.UNKNOWN)):
        settings = Settings(GATEKEEPER, templates={"K8sPSPPrivilegedContainer": text})
        assert refused("privileged_debug", SHOP, [Constraint("K8sPSPPrivilegedContainer", {}, settings)]) is answer
    assert refused("privileged_debug", SHOP, [Constraint("K8sPSPPrivilegedContainer", {}, Settings(GATEKEEPER))]) is Answer.UNKNOWN


def test_every_template_is_asked_about_at_least_once() -> None:
    assert set(LIBRARY) <= {kind for kind, *_ in TEMPLATES}


def policy(expression: str, *, resources: str = "pods", group: str = "", **more: Json) -> Guard:
    """A policy of the API server that holds everywhere."""
    rules = [{"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resources]}]
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": expression}], **more}
    return BoundPolicy(spec, {"validationActions": ["Deny"]})


RBAC = "rbac.authorization.k8s.io"
EXPRESSIONS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("node_port", "object.spec.?type.orValue('ClusterIP') in ['ClusterIP', 'LoadBalancer']", {"resources": "services"}),
    ("load_balancer", "object.spec.type != 'LoadBalancer' || has(object.spec.loadBalancerSourceRanges)", {"resources": "services"}),
    ("external_ips", "!has(object.spec.externalIPs) || size(object.spec.externalIPs) == 0", {"resources": "services"}),
    ("token_secret", "object.type != 'kubernetes.io/service-account-token'", {"resources": "secrets"}),
    (
        "cluster_admin",
        "object.roleRef.name != 'cluster-admin' || request.userInfo.username == 'root'",
        {"resources": "clusterrolebindings", "group": RBAC},
    ),
    ("wildcard_role", "object.rules.all(r, !('*' in r.verbs) && !('*' in r.resources))", {"resources": "clusterroles", "group": RBAC}),
    (
        "ingress_class",
        "object.spec.?ingressClassName.orValue('') in ['internal']",
        {"resources": "ingresses", "group": "networking.k8s.io"},
    ),
    ("storage_class", "object.spec.storageClassName.startsWith('encrypted-')", {"resources": "persistentvolumeclaims"}),
    (
        "unlabelled_namespace",
        "object.metadata.?labels[?'pod-security.kubernetes.io/enforce'].orValue('') in ['baseline', 'restricted']",
        {"resources": "namespaces"},
    ),
    (
        "loose_tag",
        "object.spec.containers.all(c, c.image.contains(':') && !c.image.endsWith(':latest')) && !has(object.spec.initContainers)",
        {},
    ),
    (
        "other_registry",
        "(object.spec.containers + object.spec.?initContainers.orValue([])).all(c, c.image.startsWith('ours.example/'))",
        {},
    ),
)


BY_NAME = "object.roleRef.name != 'cluster-admin'"


@pytest.mark.parametrize(
    ("question", "expression", "resources", "operations", "answer"),
    [
        ("cluster_admin", BY_NAME, "clusterrolebindings", ["CREATE", "UPDATE"], Answer.YES),
        ("cluster_admin", BY_NAME, "clusterrolebindings", ["CREATE"], Answer.PARTLY),
        ("cluster_admin", BY_NAME, "rolebindings", ["CREATE", "UPDATE"], Answer.NO),
        ("cluster_admin", f"{BY_NAME} || object.subjects.all(s, s.kind != 'User')", "clusterrolebindings", ["*"], Answer.PARTLY),
        ("wildcard_role", "object.rules.all(r, !('*' in r.verbs))", "clusterroles", ["*"], Answer.PARTLY),
        ("wildcard_role", "object.rules.all(r, !('*' in r.verbs) && !('*' in r.resources))", "clusterroles", ["CREATE"], Answer.PARTLY),
        ("wildcard_role", "object.rules.all(r, !('*' in r.verbs) && !('*' in r.resources))", "roles", ["*"], Answer.NO),
    ],
)
def test_rights_are_refused_whoever_gets_them_and_however_they_are_spelt(
    question: str, expression: str, resources: str, operations: list[str], answer: Answer
) -> None:
    rules = [{"apiGroups": [RBAC], "apiVersions": ["v1"], "operations": operations, "resources": [resources]}]
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": expression}]}
    assert refused(question, NEW, [BoundPolicy(spec, {"validationActions": ["Deny"]})]) is answer


@pytest.mark.parametrize(("question", "expression", "where"), EXPRESSIONS)
def test_an_expression_refuses_what_it_is_about(question: str, expression: str, where: Mapping[str, str]) -> None:
    assert refused(question, NEW, [policy(expression, **where), PodSecurity()]) is Answer.YES
    assert refused(question, NEW, [policy("true", **where), PodSecurity()]) is Answer.NO


def test_a_validating_policy_of_kyverno_needs_the_webhook_of_its_kind() -> None:
    spec = {"matchConstraints": {"resourceRules": [{**EVERYTHING[0], "resources": ["pods"]}]}, "validations": [{"expression": "false"}]}
    assert refused("privileged", SHOP, [ValidatingPolicy("p", "", spec, KYVERNO)]) is Answer.NO


@pytest.mark.parametrize("question", [*BASELINE, *RESTRICTED])
def test_the_standards_refuse_their_controls_and_no_others(question: str) -> None:
    def at(**labels: str) -> Answer:
        return refused(
            question,
            Place("shop", {f"pod-security.kubernetes.io/{name}": value for name, value in labels.items()}),
            [PodSecurity(server=36)],
        )

    assert at(enforce="restricted") is Answer.YES
    assert at(enforce="baseline") is (Answer.YES if question in BASELINE else Answer.NO)
    assert at(enforce="privileged") is at(warn="restricted", audit="restricted") is Answer.NO
    assert at(enforce="Baseline") is Answer.UNKNOWN


def test_hosts_of_probes_are_looked_at_since_a_version() -> None:
    def at(server: int | None, **labels: str) -> Answer:
        place = Place(
            "shop",
            {
                "pod-security.kubernetes.io/enforce": "baseline",
                **{f"pod-security.kubernetes.io/{n.replace('_', '-')}": v for n, v in labels.items()},
            },
        )
        return refused("host_probes", place, [PodSecurity(server=server)])

    assert (at(33), at(34), at(None), at(36, enforce_version="v1.30")) == (Answer.NO, Answer.YES, Answer.UNKNOWN, Answer.NO)


def test_labels_that_were_not_seen_and_defaults_that_are_hidden_leave_it_open() -> None:
    assert refused("privileged", Place("shop", None), [PodSecurity()]) is Answer.UNKNOWN
    assert refused("privileged", SHOP, [PodSecurity(default_is_hidden=True)]) is Answer.UNKNOWN
    assert refused("privileged", SHOP, [PodSecurity(default_is_hidden=None)]) is Answer.UNKNOWN
    assert refused("privileged_template", Place("shop", {"pod-security.kubernetes.io/enforce": "restricted"}), [PodSecurity()]) is Answer.NO


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        ("pods", True),
        ("*", True),
        ("*/*", True),
        ("pods/*", None),
        ("pods/exec", False),
        ("*/exec", False),
        ("services", False),
        ("services/*", False),
    ],
)
def test_resources_of_rules(resources: str, found: bool | None) -> None:
    """`pods/*` is subresources in the reference, and pods as well in the API server's matcher: it proves nothing either way."""
    request = Request("Pod", "pods", {"metadata": {}}, place=SHOP)
    assert in_rules([{**EVERYTHING[0], "resources": [resources]}], request) is found


def test_kinds_as_rules_of_kyverno_name_them() -> None:
    named = {
        "Pod": ("*", "*", "Pod", ""),
        "v1/Pod": ("*", "v1", "Pod", ""),
        "*/Pod": ("*", "*", "Pod", ""),
        "apps/v1/Deployment": ("apps", "v1", "Deployment", ""),
        "Pod/exec": ("*", "*", "Pod", "exec"),
        "v1/Pod/ephemeralcontainers": ("*", "v1", "Pod", "ephemeralcontainers"),
        "*/*": ("*", "*", "*", "*"),
        "*": ("*", "*", "*", ""),
    }
    assert {name: kind_parts(name) for name in named} == named


def test_a_pattern_of_many_stars_ends() -> None:
    assert not matches("*a" * 40 + "b", "a" * 5000)
    assert matches("*a*" * 20, "a" * 100)
    assert not matches("?a" * 3 + "*a?" * 40 + "b", "a" * 5000)
    assert matches("*a?*" * 20, "a" * 100)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 + 2 == 3 && 'ab'.size() == 2 && [1, 2].exists(x, x == 2)", TRUE),
        ("{'a': 1}.a == 1 && 'a' in {'a': 1} && !('b' in {'a': 1})", TRUE),
        ("object.missing", ERROR),
        ("false && object.missing", FALSE),
        ("object.missing || true", TRUE),
        ("has(object.a.b)", ERROR),
        ("object.?a.?b.hasValue()", FALSE),
        ("'x\\u0041' == 'xA' && r'\\d' == '\\\\d' && '''a'b''' == \"a'b\"", TRUE),
        ("'a1'.matches('^[a-z][0-9]$')", TRUE),
        ("'a'.matches('(a+)+$')", TRUE | FALSE),
        ("1 == 1.0 && '1' != 1", TRUE),
        ("[1, 2, 3].filter(x, x > 1).map(x, x - 1) == [1, 2]", TRUE),
        ("true ? object.missing : 1", ERROR),
        ("nonsense(", TRUE | FALSE | ERROR),
        ("(" * 500 + "true" + ")" * 500, TRUE | FALSE | ERROR),
    ],
)
def test_expressions_come_out_as_the_language_says(text: str, found: int) -> None:
    assert outcomes(text, Scope({"object": {}})) == found


def test_all_questions_are_answered_of_an_open_door() -> None:
    answers = {name: refused(name, NEW, [PodSecurity(server=36)]) for name in QUESTIONS}
    assert set(answers.values()) == {Answer.NO}, answers


PLAIN_POD = QUESTIONS["privileged"].variants[0].innocent
NOT_LEGACY = "request.namespace != 'legacy'"
CONDITION = {"name": "not-legacy", "expression": NOT_LEGACY}
NEWER = Engine((Webhook("k", "vpol.validate.kyverno.svc-fail", EVERYTHING),))
PODS_ONLY = {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}
OF_CEL: Mapping[str, Json] = {"matchConstraints": PODS_ONLY, "validations": [{"expression": "true"}]}
DENY: Json = {"deny": {}}
LEAVES_LEGACY_OUT: Mapping[str, Any] = {
    "a policy of the API server": BoundPolicy({**OF_CEL, "matchConditions": [CONDITION]}, {"validationActions": ["Audit"]}),
    "preconditions": rule(DENY, preconditions={"all": [{"key": "{{ request.namespace }}", "operator": "NotEquals", "value": "legacy"}]}),
    "preconditions in CEL": rule(DENY, celPreconditions=[CONDITION]),
    "conditions of the webhook": rule(DENY, Policy("p", conditions=[CONDITION])),
    "an exception": rule(DENY, exceptions=[Excepted([("p", ["*"])], {"any": [{"resources": {**ANY_POD, "namespaces": ["legacy"]}}]})]),
    "a newer policy": ValidatingPolicy("p", "", {**OF_CEL, "matchConditions": [CONDITION]}, NEWER),
    "an exception from it": ValidatingPolicy("p", "", OF_CEL, NEWER, [CelExcepted(["p"], ["request.namespace == 'legacy'"])]),
}


@pytest.mark.parametrize("what", LEAVES_LEGACY_OUT)
def test_what_conditions_or_exceptions_surely_leave_out_is_not_judged_and_the_rest_is(what: str) -> None:
    guard = LEAVES_LEGACY_OUT[what]
    assert guard.looks(PLAIN_POD.at(Place("legacy", {}))) is False
    assert guard.looks(PLAIN_POD.at(SHOP)) is True


@pytest.mark.parametrize("evaluation", [{"admission": {"enabled": False}}, {"mode": "JSON"}])
def test_a_newer_policy_that_is_off_at_the_door_judges_nothing(evaluation: Json) -> None:
    assert ValidatingPolicy("p", "", {**OF_CEL, "evaluation": evaluation}, NEWER).looks(PLAIN_POD.at(SHOP)) is False
    assert ValidatingPolicy("p", "", OF_CEL, NEWER).looks(PLAIN_POD.at(SHOP)) is True
