"""What a scan says of the door of a cluster: each namespace has its own policies, each of them a trap or a guard that holds."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.demo.cluster.bed.server import ClusterBed, Trouble
from tests.clusters import cluster, crd, pod, scan, thing, verdicts

Json = Any
ADMISSION = "admissionregistration.k8s.io/v1"
RULES = [
    f"kubernetes.admission.{name}"
    for name in ("privileged_pods_refused", "new_namespaces_are_covered", "namespaces_have_policy", "namespaces_enforce_baseline")
]
SAFE = (
    "(object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []))"
    ".all(c, !has(c.securityContext) || !has(c.securityContext.privileged) || !c.securityContext.privileged)"
)
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}
CI = {"name": "not-ci", "expression": "request.userInfo.username != 'ci'"}
KUBELETS = {"name": "kubelets", "expression": "!('system:nodes' in request.userInfo.groups)"}
MISSING = {"name": "gone", "namespace": "x"}
SERVER = pod("kube-apiserver", "kube-system", containers=[{"name": "s", "image": "k", "command": ["kube-apiserver", "--v=2"]}])
"""The API server's own pod, which shows that its plug-in has no defaults."""


def space(name: str, **labels: str) -> Json:
    """A namespace, with the label that the API server gives it."""
    return thing("Namespace", name, metadata={"labels": {"kubernetes.io/metadata.name": name, **labels}}, status={"phase": "Active"})


def rule(**more: Json) -> Json:
    """A rule on pods, with something else."""
    return {"resourceRules": [{**PODS, **more}]}


def bound(name: str, policy: Mapping[str, Json] | None = None, binding: Mapping[str, Json] | None = None) -> list[Json]:
    """A policy on privilege with a binding that holds for the namespace of its name."""
    spec = {"failurePolicy": "Fail", "matchConstraints": rule(), "validations": [{"expression": SAFE}], **(policy or {})}
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    more = {"policyName": name, "validationActions": ["Deny"], **(binding or {})}
    more["matchResources"] = {**where, **more.get("matchResources", {})}
    return [
        thing("ValidatingAdmissionPolicy", name, api=ADMISSION, spec=spec),
        thing("ValidatingAdmissionPolicyBinding", name, api=ADMISSION, spec=more),
    ]


def expressed(*texts: str, **more: Json) -> Mapping[str, Json]:
    """A policy with other validations."""
    return {"validations": [{"expression": text} for text in texts], **more}


BOUND: Mapping[str, tuple[str, list[Json]]] = {
    "whole": ("pass", bound("whole")),
    "all-resources": ("pass", bound("all-resources", {"matchConstraints": rule(resources=["*/*"])})),
    "star": ("pass", bound("star", {"matchConstraints": rule(resources=["*"], apiGroups=["*"], operations=["*"], apiVersions=["*"])})),
    "named-scope": ("pass", bound("named-scope", {"matchConstraints": rule(scope="Namespaced")})),
    "lenient": ("pass", bound("lenient", {"failurePolicy": "Ignore"})),
    "kubelets-aside": ("pass", bound("kubelets-aside", {"matchConditions": [KUBELETS]})),
    "nobody": ("pass", bound("nobody", expressed("false"))),
    "variables": (
        "pass",
        bound(
            "variables",
            expressed(
                "variables.every.all(c, c.?securityContext.?privileged.orValue(false) == false)",
                variables=[{"name": "every", "expression": "object.spec.containers + object.spec.?initContainers.orValue([])"}],
            ),
        ),
    ),
    "two-halves": (
        "pass",
        bound(
            "two-halves",
            expressed(
                "object.spec.containers.all(c, !(has(c.securityContext) && c.securityContext.?privileged.orValue(false)))",
                "object.spec.?initContainers.orValue([]).all(c, c.?securityContext.?privileged != optional.of(true))",
                "!has(object.spec.initContainers) || !object.spec.initContainers.exists(c, c.?securityContext.?privileged.orValue(false))",
            ),
        ),
    ),
    "param-missing-deny": (
        "pass",
        bound(
            "param-missing-deny",
            {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}},
            {"paramRef": {**MISSING, "parameterNotFoundAction": "Deny"}},
        ),
    ),
    "exec-only": ("fail", bound("exec-only", {"matchConstraints": rule(operations=["CONNECT"], resources=["pods/exec"])})),
    "delete-only": ("fail", bound("delete-only", {"matchConstraints": rule(operations=["DELETE"])})),
    "update-only": ("fail", bound("update-only", {"matchConstraints": rule(operations=["UPDATE"])})),
    "deployments": ("fail", bound("deployments", {"matchConstraints": rule(apiGroups=["apps"], resources=["deployments"])})),
    "wrong-group": ("fail", bound("wrong-group", {"matchConstraints": rule(apiGroups=["apps"])})),
    "cluster-scope": ("fail", bound("cluster-scope", {"matchConstraints": rule(scope="Cluster")})),
    "one-name": ("fail", bound("one-name", {"matchConstraints": rule(resourceNames=["web"])})),
    "not-ci": ("fail", bound("not-ci", {"matchConditions": [CI]})),
    "not-their-group": (
        "fail",
        bound("not-their-group", {"matchConditions": [{"name": "g", "expression": "!('ops' in request.userInfo.groups)"}]}),
    ),
    "opt-in-label": ("fail", bound("opt-in-label", {}, {"matchResources": {"objectSelector": {"matchLabels": {"check": "yes"}}}})),
    "opt-out-label": (
        "fail",
        bound(
            "opt-out-label",
            {"matchConstraints": {**rule(), "objectSelector": {"matchExpressions": [{"key": "exempt", "operator": "DoesNotExist"}]}}},
        ),
    ),
    "excluded": ("fail", bound("excluded", {"matchConstraints": {**rule(), "excludeResourceRules": [PODS]}})),
    "narrowed-away": ("fail", bound("narrowed-away", {}, {"matchResources": {"excludeResourceRules": [{**PODS, "operations": ["*"]}]}})),
    "param-missing-allow": (
        "fail",
        bound(
            "param-missing-allow",
            {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}},
            {"paramRef": {**MISSING, "parameterNotFoundAction": "Allow"}},
        ),
    ),
    "warns": ("fail", bound("warns", {}, {"validationActions": ["Warn", "Audit"]})),
    "other-spaces": ("fail", bound("other-spaces", {}, {"matchResources": {"namespaceSelector": {"matchLabels": {"env": "prod"}}}})),
    "first-kind-only": (
        "fail",
        bound("first-kind-only", expressed("object.spec.containers.all(c, !c.?securityContext.?privileged.orValue(false))")),
    ),
    "first-one-only": (
        "fail",
        bound("first-one-only", expressed("!object.spec.containers[0].?securityContext.?privileged.orValue(false)")),
    ),
    "trusted-image": (
        "fail",
        bound("trusted-image", expressed(f"object.spec.containers.all(c, c.image.startsWith('ours.example/')) || {SAFE}")),
    ),
    "says-so-itself": ("fail", bound("says-so-itself", expressed(f"object.metadata.?labels[?'trusted'].orValue('') == 'true' || {SAFE}"))),
    "true": ("fail", bound("true", expressed("true"))),
    "another-subject": ("fail", bound("another-subject", expressed("!has(object.spec.hostNetwork) || !object.spec.hostNetwork"))),
    "unreadable": ("unknown", bound("unreadable", expressed("object.spec.containers.all(c, nobody.knows(c.securityContext))"))),
    "asks-others": ("unknown", bound("asks-others", expressed("authorizer.group('').resource('nodes').check('proxy').allowed()"))),
    "param-unseen": (
        "unknown",
        bound(
            "param-unseen",
            {"paramKind": {"apiVersion": "example.com/v1", "kind": "Limit"}},
            {"paramRef": {**MISSING, "parameterNotFoundAction": "Allow"}},
        ),
    ),
    "labelled": ("pass", []),
    "labelled-privileged": ("fail", []),
    "warned": ("fail", []),
    "nothing": ("fail", []),
}
"""Namespace -> (whether a privileged pod is refused in it, the policies that hold there)."""
LABELS = {
    "labelled": {"pod-security.kubernetes.io/enforce": "restricted"},
    "labelled-privileged": {"pod-security.kubernetes.io/enforce": "privileged"},
    "warned": {"pod-security.kubernetes.io/warn": "restricted", "pod-security.kubernetes.io/audit": "baseline"},
}


def said(
    folder: Path, *objects: Json, denied: str = "", rules: list[str] = RULES, **options: Json
) -> dict[tuple[str, str], tuple[str, str]]:
    """What a scan of a cluster says."""
    troubles = [Trouble(resource=denied, status=403)] if denied else []
    with ClusterBed(cluster(*objects), troubles=troubles) as bed, scan(bed, folder, rules=rules, options=options) as done:
        return verdicts(done)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], tuple[str, str]]]:
    """One scan of all namespaces."""
    spaces = [space(name, **LABELS.get(name, {})) for name in BOUND]
    yield said(tmp_path_factory.mktemp("bound"), SERVER, *spaces, *(each for _, policies in BOUND.values() for each in policies))


@pytest.mark.parametrize(
    ("command", "verdict"),
    [
        (["kube-apiserver", "--v=2"], "fail"),
        (["/usr/local/bin/kube-apiserver", "--v=2"], "fail"),
        (["/usr/local/bin/kube-apiserver", "--admission-control-config-file=/system/config/admission.yaml"], "unknown"),
        (["kube-controller-manager"], "unknown"),
    ],
)
def test_a_label_on_one_namespace_tells_nothing_of_the_default_of_others(tmp_path: Path, command: list[str], verdict: str) -> None:
    server = pod("kube-apiserver", "kube-system", containers=[{"name": "s", "image": "k", "command": command}])
    found = said(tmp_path, server, space("shop"), space("labelled", **LABELS["labelled"]))
    assert found["privileged_pods_refused", "shop"][0] == verdict
    assert found["privileged_pods_refused", "labelled"][0] == "pass"


@pytest.mark.parametrize("name", BOUND)
def test_a_privileged_pod_is_refused_by_what_matches_it_and_by_nothing_else(
    whole: dict[tuple[str, str], tuple[str, str]], name: str
) -> None:
    assert whole["privileged_pods_refused", name][0] == BOUND[name][0]


@pytest.mark.parametrize(("action", "there", "verdict"), [("Allow", True, "pass"), ("Allow", False, "fail"), ("Deny", False, "pass")])
def test_a_policy_that_lets_all_in_without_its_parameter_fails_open_once_that_is_gone(
    tmp_path: Path, action: str, there: bool, verdict: str
) -> None:
    kind = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}
    policy = bound("tuned", kind, {"paramRef": {"name": "limits", "namespace": "ops", "parameterNotFoundAction": action}})
    told = [thing("ConfigMap", "limits" if there else "other", "ops", data={"most": "3"})]
    found = said(tmp_path, SERVER, space("tuned"), *policy, *told, rules=["kubernetes.admission.enforcement_fails_closed"])
    assert {answer for (_, _), (answer, _) in found.items()} == {verdict}


def test_what_holds_for_named_namespaces_does_not_hold_tomorrow(whole: dict[tuple[str, str], tuple[str, str]]) -> None:
    assert whole["new_namespaces_are_covered", "demo"][0] == "fail"


def test_what_only_warns_judges_all_the_same(whole: dict[tuple[str, str], tuple[str, str]]) -> None:
    judged = {name: whole["namespaces_have_policy", name][0] for name in BOUND}
    assert {judged[name] for name in ("whole", "warns", "warned", "labelled", "not-ci")} == {"pass"}
    assert {judged[name] for name in ("one-name", "opt-in-label")} == {"unknown"}, "some of the pods are judged"
    assert {judged[name] for name in ("nothing", "exec-only", "delete-only", "excluded", "other-spaces")} == {"fail"}


def test_a_policy_for_the_whole_cluster_holds_tomorrow_too(tmp_path: Path) -> None:
    policy, binding = copy.deepcopy(bound("everywhere"))
    del binding["spec"]["matchResources"]
    found = said(tmp_path, SERVER, space("shop"), policy, binding)
    assert found["privileged_pods_refused", "shop"][0] == found["new_namespaces_are_covered", "demo"][0] == "pass"


def test_exec_for_the_whole_cluster_holds_nowhere(tmp_path: Path) -> None:
    policy, binding = copy.deepcopy(bound("exec", {"matchConstraints": rule(operations=["CONNECT"], resources=["pods/exec"])}))
    del binding["spec"]["matchResources"]
    found = said(tmp_path, SERVER, space("shop"), space("bank"), policy, binding)
    assert {found["privileged_pods_refused", name][0] for name in ("shop", "bank")} == {"fail"}
    assert found["new_namespaces_are_covered", "demo"][0] == "fail"


def test_bindings_that_nobody_may_list_leave_it_open(tmp_path: Path) -> None:
    found = said(tmp_path, SERVER, space("shop"), space("labelled", **LABELS["labelled"]), denied="validatingadmissionpolicybindings")
    assert found["privileged_pods_refused", "shop"][0] == "unknown"
    assert found["privileged_pods_refused", "labelled"][0] == "pass"


def test_a_default_that_no_api_shows_leaves_it_open(tmp_path: Path) -> None:
    assert said(tmp_path, space("shop"))["privileged_pods_refused", "shop"][0] == "unknown"


# ---- engines that judge by webhook ---------------------------------------------------------------------------------------

KYVERNO_CRDS = [
    crd("clusterpolicies", "ClusterPolicy", "v1", group="kyverno.io", scope="Cluster"),
    crd("policies", "Policy", "v1", group="kyverno.io"),
    crd("policyexceptions", "PolicyException", "v2", group="kyverno.io"),
    crd("validatingpolicies", "ValidatingPolicy", "v1", group="policies.kyverno.io", scope="Cluster"),
]
GATEKEEPER_CRDS = [
    crd("constrainttemplates", "ConstraintTemplate", "v1", group="templates.gatekeeper.sh", scope="Cluster"),
    crd("k8spspprivilegedcontainers", "K8sPSPPrivilegedContainer", "v1beta1", group="constraints.gatekeeper.sh", scope="Cluster"),
    crd("ourown", "OurOwn", "v1beta1", group="constraints.gatekeeper.sh", scope="Cluster"),
    crd("configs", "Config", "v1alpha1", group="config.gatekeeper.sh"),
]
EVERYTHING = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["*"]}]
REGO = "violation[x] { c := input.review.object.spec.containers[_]; c.securityContext.privileged } # initContainers, too: initContainers"
WHOLE_REGO = (
    "violation[x] { c := all[_]; c.securityContext.privileged } all[c] { c := o.containers[_] } all[c] { c := o.initContainers[_] }"
)


def webhook(configuration: str, *names: str, failure: str = "Fail", selector: Json = None, rules: Json = None) -> Json:
    """A ValidatingWebhookConfiguration."""
    made = [
        {
            "name": name,
            "clientConfig": {"service": {"namespace": "engine", "name": "engine"}},
            "rules": EVERYTHING if rules is None else rules,
            "failurePolicy": failure,
            "namespaceSelector": selector or {},
        }
        for name in names
    ]
    return thing("ValidatingWebhookConfiguration", configuration, api=ADMISSION, webhooks=made)


KYVERNO = webhook("kyverno", "validate.kyverno.svc-fail", "vpol.validate.kyverno.svc-fail")
_SAFE = {"=(securityContext)": {"=(privileged)": "false"}}
_PATTERN = {"pattern": {"spec": {"=(initContainers)": [_SAFE], "containers": [_SAFE]}}}


def ruled(name: str, *, action: str = "Enforce", exclude: Json = None, validate: Json = None, policy: Json = None, **what: Json) -> Json:
    """A ClusterPolicy on privilege for the namespace of its name."""
    made = {
        "name": "r",
        "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": [name], **what}}]},
        "validate": {"message": "no", **(validate or _PATTERN)},
        **({"exclude": {"any": [exclude]}} if exclude else {}),
    }
    return thing("ClusterPolicy", name, api="kyverno.io/v1", spec={"validationFailureAction": action, "rules": [made], **(policy or {})})


RULED: Mapping[str, tuple[str, list[Json]]] = {
    "enforced": ("pass", [ruled("enforced")]),
    "small-letters": ("pass", [ruled("small-letters", action="enforce")]),
    "by-the-rule": ("pass", [ruled("by-the-rule", action="Audit", validate={**_PATTERN, "failureAction": "Enforce"})]),
    "overridden": (
        "pass",
        [
            ruled(
                "overridden", action="Audit", policy={"validationFailureActionOverrides": [{"action": "Enforce", "namespaces": ["over*"]}]}
            )
        ],
    ),
    "kinds": ("pass", [ruled("kinds", kinds=["apps/v1/Deployment", "*/Pod"])]),
    "standard": ("pass", [ruled("standard", validate={"podSecurity": {"level": "baseline", "version": "latest"}})]),
    "audited": ("fail", [ruled("audited", action="Audit")]),
    "rule-audits": ("fail", [ruled("rule-audits", validate={**_PATTERN, "failureAction": "Audit"})]),
    "softened": ("fail", [ruled("softened", policy={"validationFailureActionOverrides": [{"action": "Audit", "namespaces": ["soft*"]}]})]),
    "exec": ("fail", [ruled("exec", kinds=["Pod/exec"])]),
    "deletes": ("fail", [ruled("deletes", operations=["DELETE"])]),
    "some-names": ("fail", [ruled("some-names", names=["web-*"])]),
    "some-labels": ("fail", [ruled("some-labels", selector={"matchLabels": {"app": "web"}})]),
    "spared-space": ("fail", [ruled("spared-space", exclude={"resources": {"namespaces": ["spared*"]}})]),
    "spared-user": ("fail", [ruled("spared-user", exclude={"subjects": [{"kind": "User", "name": "ci"}]})]),
    "spared-role": ("fail", [ruled("spared-role", exclude={"clusterRoles": ["cluster-admin"]})]),
    "background-only": ("fail", [ruled("background-only", policy={"admission": False})]),
    "lenient": ("fail", [ruled("lenient", policy={"failurePolicy": "Ignore"})]),
    "first-kind": ("fail", [ruled("first-kind", validate={"pattern": {"spec": {"containers": [_SAFE]}}})]),
    "control-left-out": (
        "fail",
        [ruled("control-left-out", validate={"podSecurity": {"level": "baseline", "exclude": [{"controlName": "Privileged Containers"}]}})],
    ),
    "excepted": (
        "fail",
        [
            ruled("excepted"),
            thing(
                "PolicyException",
                "all",
                "excepted",
                api="kyverno.io/v2",
                spec={
                    "exceptions": [{"policyName": "excepted", "ruleNames": ["r"]}],
                    "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                },
            ),
        ],
    ),
    "newer": (
        "pass",
        [
            thing(
                "ValidatingPolicy",
                "newer",
                api="policies.kyverno.io/v1",
                spec={
                    "matchConstraints": {**rule(), "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "newer"}}},
                    "validations": [{"expression": SAFE}],
                },
            )
        ],
    ),
    "newer-audits": (
        "fail",
        [
            thing(
                "ValidatingPolicy",
                "newer-audits",
                api="policies.kyverno.io/v1",
                spec={
                    "validationActions": ["Audit"],
                    "matchConstraints": {**rule(), "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "newer-audits"}}},
                    "validations": [{"expression": SAFE}],
                },
            )
        ],
    ),
    "calls-out": (
        "unknown",
        [
            ruled(
                "calls-out",
                validate={
                    "deny": {"conditions": {"any": [{"key": "{{ lookup(request.object, 'x') }}", "operator": "Equals", "value": "yes"}]}}
                },
            )
        ],
    ),
}


@pytest.fixture(scope="module")
def kyverno(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], tuple[str, str]]]:
    """One scan of all namespaces in which rules of Kyverno hold."""
    objects = [each for _, policies in RULED.values() for each in policies]
    yield said(tmp_path_factory.mktemp("kyverno"), *KYVERNO_CRDS, SERVER, KYVERNO, *(space(name) for name in RULED), *objects)


@pytest.mark.parametrize("name", RULED)
def test_kyverno_refuses_where_its_rule_matches_and_enforces(kyverno: dict[tuple[str, str], tuple[str, str]], name: str) -> None:
    assert kyverno["privileged_pods_refused", name][0] == RULED[name][0]


@pytest.mark.parametrize(
    ("hooks", "verdict"),
    [
        ([], "fail"),
        ([webhook("kyverno", "validate.kyverno.svc-fail", failure="Ignore")], "fail"),
        ([webhook("kyverno", "validate.kyverno.svc-fail", selector={"matchLabels": {"judge": "me"}})], "fail"),
        ([webhook("kyverno", "validate.kyverno.svc-fail", rules=[{**EVERYTHING[0], "resources": ["deployments"]}])], "fail"),
        ([webhook("vendor", "judge.vendor.example")], "unknown"),
        ([webhook("kyverno", "validate.kyverno.svc-fail")], "pass"),
    ],
)
def test_a_rule_of_kyverno_holds_where_its_webhook_does(tmp_path: Path, hooks: list[Json], verdict: str) -> None:
    assert (
        said(tmp_path, *KYVERNO_CRDS, SERVER, space("enforced"), ruled("enforced"), *hooks)["privileged_pods_refused", "enforced"][0]
        == verdict
    )


@pytest.mark.parametrize(
    ("filters", "verdict"),
    [
        ("[Event,*,*] [*/*,kube-system,*] [Node/?*,*,*] [Pod,*,one-name]", "pass"),
        ("[Event,*,*] [*/*,enforced,*]", "fail"),
        ("[*/*,enf*,*]", "fail"),
        ("[Pod,*,*]", "fail"),
        ("[Pod/*,other,*]", "pass"),
        ("[Pod/exec,enforced,*]", "pass"),
    ],
)
def test_kyverno_leaves_alone_what_its_own_configuration_says(tmp_path: Path, filters: str, verdict: str) -> None:
    """Whatever a policy says: https://kyverno.io/docs/installation/customization/#resource-filters."""
    settings = thing("ConfigMap", "kyverno", "engine", data={"resourceFilters": filters})
    found = said(tmp_path, *KYVERNO_CRDS, SERVER, KYVERNO, settings, space("enforced"), ruled("enforced"))
    assert found["privileged_pods_refused", "enforced"][0] == verdict


@pytest.mark.parametrize(
    ("spared", "verdict"),
    [
        ({"excludeGroups": "system:nodes"}, "pass"),
        ({"excludeGroups": "system:nodes, system:serviceaccounts:ci"}, "fail"),
        ({"excludeUsernames": "ci"}, "fail"),
        ({"excludeClusterRoles": "cluster-admin"}, "fail"),
        ({"excludeUsernames": ""}, "pass"),
    ],
)
def test_kyverno_asks_nothing_of_whom_its_own_configuration_names(tmp_path: Path, spared: Json, verdict: str) -> None:
    """Kubelets make mirror pods alone, and are let through when it is installed."""
    settings = thing("ConfigMap", "kyverno", "engine", data={"resourceFilters": "[Event,*,*]", **spared})
    found = said(tmp_path, *KYVERNO_CRDS, SERVER, KYVERNO, settings, space("enforced"), ruled("enforced"))
    assert found["privileged_pods_refused", "enforced"][0] == verdict


@pytest.mark.parametrize(("asked", "verdict"), [(["pods"], "fail"), (["*/*"], "pass")])
def test_the_baseline_binds_containers_that_are_added_later(tmp_path: Path, asked: list[str], verdict: str) -> None:
    """A webhook that is not asked about them lets a running pod be given what no pod may be made with."""
    level = ruled("standard", validate={"podSecurity": {"level": "baseline", "version": "latest"}})
    hook = webhook("kyverno", "validate.kyverno.svc-fail", rules=[{**EVERYTHING[0], "resources": asked}])
    found = said(tmp_path, *KYVERNO_CRDS, SERVER, hook, space("standard"), pod("web", "standard"), level)
    assert found["privileged_pods_refused", "standard"][0] == "pass"
    assert found["namespaces_enforce_baseline", "standard"][0] == verdict


@pytest.mark.parametrize("denied", ["validatingwebhookconfigurations", "policyexceptions", "clusterpolicies", "configmaps"])
def test_what_nobody_may_list_leaves_kyverno_open_and_labels_alone(tmp_path: Path, denied: str) -> None:
    spaces = [space("enforced"), space("labelled", **LABELS["labelled"])]
    found = said(tmp_path, *KYVERNO_CRDS, SERVER, KYVERNO, *spaces, ruled("enforced"), denied=denied)
    assert found["privileged_pods_refused", "enforced"][0] == "unknown"
    assert found["privileged_pods_refused", "labelled"][0] == "pass"


def test_a_namespace_that_is_left_out_makes_no_other_one_unknown(tmp_path: Path) -> None:
    policies = [*bound("whole"), *bound("warns", {}, {"validationActions": ["Warn"]})]
    spaces = [space(name) for name in ("whole", "warns", "old")]
    found = said(tmp_path, SERVER, pod("web", "old"), pod("web", "whole"), *spaces, *policies, excluded_namespaces=("old",))
    assert found["privileged_pods_refused", "whole"][0] == "pass"
    assert ("privileged_pods_refused", "old") not in found


def verified(name: str, *, exclude: Json = None) -> Json:
    """A ClusterPolicy that asks for signatures in the namespace of its name."""
    made = {
        "name": "r",
        "match": {"any": [{"resources": {"kinds": ["Pod"], "namespaces": [name]}}]},
        "verifyImages": [
            {
                "imageReferences": ["registry.example.com/*"],
                "failureAction": "Enforce",
                "attestors": [{"entries": [{"keys": {"kms": "k"}}]}],
            }
        ],
        **({"exclude": {"any": [exclude]}} if exclude else {}),
    }
    return thing("ClusterPolicy", name, api="kyverno.io/v1", spec={"rules": [made]})


@pytest.mark.parametrize(("hooks", "verdict"), [([KYVERNO], "pass"), ([], "fail")])
def test_images_are_verified_where_the_rule_and_its_webhook_reach(tmp_path: Path, hooks: list[Json], verdict: str) -> None:
    spaces = ("signed", "spared", "unsigned")
    policies = [verified("signed"), verified("spared", exclude={"resources": {"namespaces": ["spa*"]}})]
    objects = [*(space(name) for name in spaces), *(pod("web", name) for name in spaces), *policies, *hooks]
    found = said(tmp_path, *KYVERNO_CRDS, SERVER, *objects, rules=["kubernetes.admission.running_images_signed"])
    told = {resource.partition("/")[0]: answer for (_, resource), (answer, _) in found.items()}
    assert told == {"signed": verdict, "spared": "fail", "unsigned": "fail"}


def template(kind: str, rego: str) -> Json:
    """A ConstraintTemplate."""
    spec = {"crd": {"spec": {"names": {"kind": kind}}}, "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]}
    return thing("ConstraintTemplate", kind.lower(), api="templates.gatekeeper.sh/v1", spec=spec)


def constrained(name: str, kind: str = "K8sPSPPrivilegedContainer", match: Json = None, **spec: Json) -> Json:
    """A constraint for the namespace of its name."""
    own = {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}], "namespaces": [name], **(match or {})}
    return thing(kind, name, api="constraints.gatekeeper.sh/v1beta1", spec={"match": own, **spec})


def scoped(*points: str) -> Json:
    """Enforcement at some points."""
    return {
        "enforcementAction": "scoped",
        "scopedEnforcementActions": [{"action": "deny", "enforcementPoints": [{"name": each} for each in points]}],
    }


CONSTRAINED: Mapping[str, tuple[str, Json]] = {
    "denied": ("pass", constrained("denied")),
    "scoped": ("pass", constrained("scoped", **scoped("validation.gatekeeper.sh"))),
    "all-kinds": ("pass", constrained("all-kinds", match={"kinds": [{"apiGroups": ["*"], "kinds": ["*"]}], "scope": "Namespaced"})),
    "dry": ("fail", constrained("dry", enforcementAction="dryrun")),
    "warned": ("fail", constrained("warned", enforcementAction="warn")),
    "audit-point": ("fail", constrained("audit-point", **scoped("audit.gatekeeper.sh"))),
    "deployments": ("fail", constrained("deployments", match={"kinds": [{"apiGroups": ["apps"], "kinds": ["Deployment"]}]})),
    "excluded": ("fail", constrained("excluded", match={"excludedNamespaces": ["exclu*"]})),
    "labelled-only": ("fail", constrained("labelled-only", match={"labelSelector": {"matchLabels": {"check": "me"}}})),
    "cluster-scope": ("fail", constrained("cluster-scope", match={"scope": "Cluster"})),
    "named": ("fail", constrained("named", match={"name": "web-*"})),
    "trusted-image": ("fail", constrained("trusted-image", parameters={"exemptImages": ["ours.example/*"]})),
    "exempt-space": ("fail", constrained("exempt-space")),
    "own-rego": ("unknown", constrained("own-rego", "OurOwn")),
}


@pytest.fixture(scope="module")
def gatekeeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], tuple[str, str]]]:
    """One scan of all namespaces in which constraints hold."""
    config = {
        "match": [
            {"excludedNamespaces": ["exempt-*"], "processes": ["webhook"]},
            {"excludedNamespaces": ["denied"], "processes": ["audit"]},
        ]
    }
    objects = [
        webhook("gatekeeper", "validation.gatekeeper.sh"),
        template("K8sPSPPrivilegedContainer", WHOLE_REGO),
        template("OurOwn", "violation[x] { false }"),
        thing("Config", "config", "gatekeeper-system", api="config.gatekeeper.sh/v1alpha1", spec=config),
    ]
    spaces = [space(name) for name in CONSTRAINED]
    yield said(
        tmp_path_factory.mktemp("gatekeeper"), *GATEKEEPER_CRDS, SERVER, *objects, *spaces, *(each for _, each in CONSTRAINED.values())
    )


@pytest.mark.parametrize("name", CONSTRAINED)
def test_gatekeeper_refuses_where_a_constraint_matches_and_denies(gatekeeper: dict[tuple[str, str], tuple[str, str]], name: str) -> None:
    assert gatekeeper["privileged_pods_refused", name][0] == CONSTRAINED[name][0]


def test_a_template_that_only_bears_the_name_proves_nothing(tmp_path: Path) -> None:
    objects = [
        webhook("gatekeeper", "validation.gatekeeper.sh"),
        space("denied"),
        constrained("denied"),
        template("K8sPSPPrivilegedContainer", REGO),
    ]
    assert said(tmp_path, *GATEKEEPER_CRDS, SERVER, *objects)["privileged_pods_refused", "denied"][0] == "unknown"


def test_only_what_looks_at_objects_and_is_enforced_nowhere_is_a_trial(tmp_path: Path) -> None:
    checked = {"validationActions": ["Audit"], "matchConstraints": rule(), "validations": [{"expression": SAFE}]}
    kinds = {"trial": {}, "for-a-proxy": {"evaluation": {"mode": "Envoy"}}, "for-documents": {"evaluation": {"mode": "JSON"}}}
    audit = {"validationActions": ["Audit"]}
    objects = [
        *(thing("ValidatingPolicy", name, api="policies.kyverno.io/v1", spec={**checked, **more}) for name, more in kinds.items()),
        *(constrained(name, **scoped(point)) for name, point in (("made-policy", "vap.k8s.io"), ("audited", "audit.gatekeeper.sh"))),
        *(each for name in ("machine-configuration-guards", "ours") for each in bound(name, binding=audit)),
        template("K8sPSPPrivilegedContainer", WHOLE_REGO),
    ]
    old = [{**each, "metadata": {**each["metadata"], "creationTimestamp": "2020-01-01T00:00:00Z"}} for each in objects]
    crds = [*KYVERNO_CRDS, *GATEKEEPER_CRDS]
    rules = ["kubernetes.admission.audit_only_policies_end"]
    found = said(tmp_path, *crds, SERVER, KYVERNO, webhook("gatekeeper", "validation.gatekeeper.sh"), space("shop"), *old, rules=rules)
    told = {
        name: verdict
        for name in ("trial", "for-a-proxy", "for-documents", "made-policy", "audited", "machine-configuration-guards", "ours")
        for (_, key), (verdict, _) in found.items()
        if name in key
    }
    expected = {"trial": "fail", "made-policy": "unknown", "audited": "fail", "ours": "fail"}
    assert told == {**expected, "machine-configuration-guards": "not_applicable"}
