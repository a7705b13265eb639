"""Random policies of three engines, random pods, namespaces and requesters: what the laws and the agreement are tried on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from cnamm_scan.providers.kubernetes.policies.admission.cel_policies import BoundPolicy
from cnamm_scan.providers.kubernetes.policies.admission.gatekeeper import Constraint, Settings
from cnamm_scan.providers.kubernetes.policies.admission.kyverno import Policy, Rule
from cnamm_scan.providers.kubernetes.policies.admission.requests import Guard, Place
from cnamm_scan.providers.kubernetes.policies.admission.webhooks import Engine, Webhook
from tests.providers.kubernetes.admission import naive

Json = Any
EVERYTHING = [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}]
KYVERNO = Engine((Webhook("k", "validate.kyverno.svc-fail", EVERYTHING),))
GATEKEEPER = Engine((Webhook("g", "validation.gatekeeper.sh", EVERYTHING),))

NAMES = ("shop", "shop-dev", "bank", "kube-tools")
_KEYS, _VALUES = st.sampled_from(["env", "team", "check"]), st.sampled_from(["prod", "dev", "yes"])
LABELS = st.one_of(
    st.just({}),
    st.builds(lambda key, value: {key: value}, _KEYS, _VALUES),
    st.builds(lambda key, value, other, more: {key: value, other: more}, _KEYS, _VALUES, _KEYS, _VALUES),
)
places = st.builds(Place, st.sampled_from(NAMES), LABELS)
users = st.fixed_dictionaries(
    {
        "username": st.sampled_from(["jane", "ci", "system:serviceaccount:shop:default"]),
        "groups": st.lists(st.sampled_from(["ops", "dev"]), unique=True).map(lambda found: [*found, "system:authenticated"]),
        "uid": st.just("1"),
        "extra": st.just({}),
        "roles": st.just([]),
        "clusterRoles": st.just([]),
    }
)


def _some(**fields: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=fields)


def _valid(context: Json) -> Json:
    """The API refuses a privileged container that forbids escalation."""
    return {**context, "allowPrivilegeEscalation": True} if context.get("privileged") and "allowPrivilegeEscalation" in context else context


_context = _some(privileged=st.booleans(), allowPrivilegeEscalation=st.booleans(), runAsNonRoot=st.booleans()).map(_valid)
container = st.builds(
    lambda name, more: {"name": name, "image": "r.example.invalid/a:1", **more}, st.sampled_from("abc"), _some(securityContext=_context)
)
volume = st.sampled_from([{"name": "v", "emptyDir": {}}, {"name": "v", "hostPath": {"path": "/"}}])
spec = st.builds(
    lambda first, more: {"containers": first, **more},
    st.lists(container, min_size=1, max_size=3),
    _some(
        initContainers=st.lists(container, min_size=1, max_size=2),
        hostNetwork=st.just(True),
        hostPID=st.just(True),
        hostIPC=st.booleans(),
        volumes=st.lists(volume, min_size=1, max_size=2),
    ),
)
pods = st.builds(
    lambda name, labels, made: {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **({"labels": labels} if labels else {})},
        "spec": made,
    },
    st.sampled_from(["web", "web-1", "job"]),
    LABELS,
    spec,
)

chosen = st.one_of(
    st.builds(lambda key, value: {"matchLabels": {key: value}}, _KEYS, _VALUES),
    st.builds(
        lambda key, operator, values: {
            "matchExpressions": [{"key": key, "operator": operator, **({"values": values} if "In" in operator else {})}]
        },
        st.sampled_from(["env", "team", "check"]),
        st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
        st.lists(st.sampled_from(["prod", "dev", "yes"]), min_size=1, max_size=2, unique=True),
    ),
)
selectors = st.one_of(st.none(), chosen)
_rules = st.builds(
    lambda operations, groups, resources, more: {
        "operations": operations,
        "apiGroups": groups,
        "apiVersions": ["v1"],
        "resources": resources,
        **more,
    },
    st.sampled_from([["CREATE"], ["CREATE", "UPDATE"], ["*"], ["UPDATE"], ["DELETE"], ["CONNECT"]]),
    st.sampled_from([[""], ["*"], ["apps"], ["", "apps"]]),
    st.sampled_from([["pods"], ["*"], ["*/*"], ["pods/exec"], ["deployments"], ["pods", "deployments"], ["services"]]),
    _some(scope=st.sampled_from(["*", "Namespaced", "Cluster"]), resourceNames=st.sampled_from([[], ["web"]])),
)


def _match(rules: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.builds(
        lambda found, spared, space, labels: {
            **({"resourceRules": found} if found else {}),
            **({"excludeResourceRules": spared} if spared else {}),
            **({"namespaceSelector": space} if space else {}),
            **({"objectSelector": labels} if labels else {}),
        },
        rules,
        st.lists(_rules, max_size=1),
        selectors,
        st.one_of(st.none(), st.none(), selectors),
    )


bound = st.builds(
    lambda match, narrowed, actions, conditions, bodies, failure: {
        "engine": "bound",
        "policy": {
            "matchConstraints": match,
            "failurePolicy": failure,
            "matchConditions": [{"name": each, "expression": naive.CONDITIONS[each][0]} for each in conditions],
            "validations": [{"expression": naive.CEL[each][0]} for each in bodies],
        },
        "binding": {"validationActions": actions, "matchResources": narrowed},
        "conditions": conditions,
        "bodies": bodies,
    },
    _match(st.lists(_rules, min_size=1, max_size=2)),
    _match(st.lists(_rules, max_size=1)),
    st.sampled_from([["Deny"], ["Deny", "Audit"], ["Warn"], ["Audit", "Warn"]]),
    st.lists(st.sampled_from(sorted(naive.CONDITIONS)), max_size=1),
    st.lists(st.sampled_from(sorted(naive.CEL)), min_size=1, max_size=2, unique=True),
    st.sampled_from(["Fail", "Ignore"]),
)
_what = _some(
    kinds=st.sampled_from([["Pod"], ["v1/Pod"], ["*/Pod"], ["*"], ["Deployment"], ["Pod/exec"], ["P*"], ["apps/v1/Deployment", "Pod"]]),
    names=st.sampled_from([["web"], ["web*"]]),
    namespaces=st.sampled_from([["shop"], ["shop*"], ["*"], ["kube-*", "bank"]]),
    operations=st.sampled_from([["CREATE"], ["CREATE", "UPDATE"], ["DELETE"]]),
    selector=chosen,
    namespaceSelector=chosen,
)
_subjects = st.sampled_from([[{"kind": "User", "name": "ci"}], [{"kind": "Group", "name": "ops"}]])
_filter = st.builds(
    lambda what, who: {**({"resources": what} if what else {}), **({"subjects": who} if who else {})},
    _what,
    st.one_of(st.none(), st.none(), st.none(), _subjects),
)
_block = st.builds(lambda how, found: {how: found}, st.sampled_from(["any", "all"]), st.lists(_filter, min_size=1, max_size=2))
kyverno = st.builds(
    lambda match, exclude, action, overrides, body: {
        "engine": "kyverno",
        "match": match,
        "exclude": exclude,
        "action": action,
        "overrides": overrides,
        "body": body,
    },
    st.one_of(st.just({"any": [{"resources": {"kinds": ["Pod"]}}]}), _block),
    st.one_of(st.just({}), st.just({}), _block),
    st.sampled_from(["Enforce", "enforce", "Audit"]),
    st.lists(
        st.builds(
            lambda action, where: {"action": action, "namespaces": where},
            st.sampled_from(["Audit", "Enforce"]),
            st.sampled_from([["shop"], ["shop*"], ["bank"]]),
        ),
        max_size=2,
    ),
    st.sampled_from(sorted(naive.PATTERNS)),
)
gatekeeper = st.builds(
    lambda kind, action, match: {"engine": "gatekeeper", "kind": kind, "spec": {**action, "match": match}},
    st.sampled_from(sorted(naive.TEMPLATES)),
    st.sampled_from([{}, {"enforcementAction": "deny"}, {"enforcementAction": "dryrun"}, {"enforcementAction": "warn"}]),
    _some(
        kinds=st.sampled_from(
            [
                [{"apiGroups": [""], "kinds": ["Pod"]}],
                [{"apiGroups": ["*"], "kinds": ["*"]}],
                [{"apiGroups": ["apps"], "kinds": ["Deployment"]}],
            ]
        ),
        namespaces=st.sampled_from([["shop"], ["shop*"], ["*-dev"]]),
        excludedNamespaces=st.sampled_from([["kube-*"], ["shop"], ["*-dev"]]),
        labelSelector=chosen,
        namespaceSelector=chosen,
        scope=st.sampled_from(["*", "Namespaced", "Cluster"]),
    ),
)
policies = st.one_of(bound, kyverno, gatekeeper)


def guard(case: Mapping[str, Json]) -> Guard:
    """The guard that a random policy makes."""
    match case["engine"]:
        case "bound":
            return BoundPolicy(case["policy"], case["binding"])
        case "kyverno":
            said = {"message": "no", **naive.PATTERNS[case["body"]][0], "failureActionOverrides": case["overrides"]}
            rule = {"name": "r", "match": case["match"], "exclude": case["exclude"], "validate": said}
            return Rule(Policy("p", action=case["action"]), rule, KYVERNO)
        case _:
            return Constraint(case["kind"], case["spec"], Settings(GATEKEEPER))


def refuses(case: Mapping[str, Json], pod: Json, place: Place, user: Mapping[str, Json]) -> bool:
    """What the second evaluator says."""
    labels = {**(place.labels or {}), "kubernetes.io/metadata.name": place.name}
    match case["engine"]:
        case "bound":
            return naive.bound_refuses(case, pod, labels, user)
        case "kyverno":
            return naive.rule_refuses(case, pod, place.name, labels, user)
        case _:
            return naive.constraint_refuses(case, pod, place.name, labels)
