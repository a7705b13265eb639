"""Each way to raise one's rights, and the half of it that leads nowhere: in the whole cluster, in a namespace, on named objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cnamm_scan.providers.kubernetes.policies.rbac import ways
from cnamm_scan.providers.kubernetes.policies.rbac.cluster import Features
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import Subject
from tests.providers.kubernetes.policies.rbac.given import (
    PLAIN,
    U,
    account,
    binding,
    group,
    outcome,
    role,
    rule,
    user,
    wide,
    within,
)

Json = Any
RBAC, AUTH, CERT, ADMIT = ways.RBAC, ways.AUTHENTICATION, ways.CERTIFICATES, ways.ADMISSION
APPROVES = [rule("create", "certificatesigningrequests", CERT), rule("patch", "certificatesigningrequests/approval", CERT)]


@pytest.mark.parametrize(
    "rules",
    [
        [rule("*", "*", "*")],
        [rule("get", "nodes/proxy")],
        [rule("create", "*/proxy", names="node-1")],
        [rule("create", "pods")],
        [rule("patch", "pods")],
        [rule("update", "deployments", "apps")],
        [rule("create", "replicationcontrollers")],
        [rule("create", "cronjobs", "batch")],
        [rule("get", "pods/exec")],
        [rule("create", "*/attach")],
        [rule("patch", "pods/ephemeralcontainers")],
        [rule("create", "serviceaccounts/token")],
        [rule("*", "*/token")],
        [rule("watch", "secrets")],
        [rule("create", "secrets"), rule("get", "secrets", names="mine")],
        [rule("impersonate", "users")],
        [rule("impersonate", "serviceaccounts", "*")],
        [rule("impersonate", "users", names="alice"), rule("impersonate", "groups")],
        [rule("impersonate", "serviceaccounts", names="default"), rule("impersonate", "groups", names="system:masters")],
        [rule("impersonate", "users", names="system:serviceaccount:shop:a"), rule("*", "users groups")],
        [rule("bind", "clusterroles", RBAC), rule("patch", "clusterrolebindings", RBAC)],
        [rule("bind", "clusterroles", RBAC, "admin"), rule("create", "clusterrolebindings", RBAC)],
        [rule("bind", "clusterroles", RBAC), rule("create", "rolebindings", RBAC)],
        [rule("bind", "clusterroles", RBAC, "edit"), rule("create", "rolebindings", RBAC)],
        [rule("escalate update", "clusterroles", RBAC)],
        [rule("escalate update", "clusterroles", RBAC, "r")],
        [rule("escalate update", "*", RBAC)],
        [*APPROVES, rule("approve", "signers", CERT, "kubernetes.io/*")],
        [*APPROVES, rule("*", "signers", CERT)],
        [rule("update", "validatingwebhookconfigurations", ADMIT)],
        [rule("create", "mutatingadmissionpolicies mutatingadmissionpolicybindings", ADMIT)],
        [rule("impersonate:user-info", "users groups", AUTH), rule("impersonate-on:user-info:patch", "clusterroles", RBAC)],
        [rule("impersonate:user-info", "users groups", AUTH), rule("impersonate-on:user-info:create", "pods")],
        [
            rule("impersonate:user-info", "users", AUTH, "bob"),
            rule("impersonate:user-info", "groups", AUTH, "system:masters"),
            rule("*", "nodes/proxy"),
        ],
    ],
)
def test_in_the_whole_cluster_it_leads_to_the_administrator(rules: list[Json]) -> None:
    found = wide(*rules)
    assert found.reach == "administrator"
    assert found.ways


@pytest.mark.parametrize(
    "rules",
    [
        [rule("get list watch", "pods nodes services configmaps")],
        [rule("*", "pods/*")],
        [rule("Create", "pods")],
        [rule("create", "Pods")],
        [rule("create", "pods", "apps")],
        [rule("create", "pods", names="x")],
        [rule("create", "pods/portforward pods/log")],
        [rule("create", "pods/eviction")],
        [rule("update", "deployments/scale", "apps")],
        [rule("get", "nodes/metrics nodes/stats nodes/log")],
        [rule("create delete", "serviceaccounts")],
        [rule("create", "secrets")],
        [rule("update patch delete", "secrets")],
        [rule("impersonate", "groups", names="system:masters")],
        [rule("impersonate", "users groups", AUTH)],
        [rule("impersonate", "uids userextras/scopes", AUTH)],
        [rule("impersonate", "users", names="system:serviceaccount:kube-system:x"), rule("impersonate", "groups", names="system:masters")],
        [rule("impersonate", "users", names="alice")],
        [rule("bind", "clusterroles", RBAC)],
        [rule("bind", "roles", RBAC), rule("create", "clusterrolebindings", RBAC)],
        [rule("bind", "clusterroles", RBAC, "view"), rule("create", "clusterrolebindings rolebindings", RBAC)],
        [rule("create update patch", "clusterrolebindings rolebindings", RBAC)],
        [rule("escalate", "clusterroles", RBAC)],
        [rule("escalate create", "clusterroles", RBAC)],
        [rule("escalate update", "clusterroles", RBAC, "other")],
        [rule("escalate", "clusterroles", RBAC), rule("update", "roles", RBAC)],
        [*APPROVES],
        [*APPROVES, rule("approve", "signers", CERT, "kubernetes.io/kubelet-serving")],
        [rule("create", "certificatesigningrequests", CERT), rule("approve", "signers", CERT)],
        [rule("create", "persistentvolumes")],
        [rule("get list", "validatingwebhookconfigurations", ADMIT)],
        [rule("impersonate:user-info", "users groups", AUTH), rule("impersonate-on:user-info:*", "*", "*")],
        [rule("impersonate:user-info", "users groups", AUTH), rule("impersonate-on:serviceaccount:create", "pods")],
        [rule("impersonate:user-info", "groups", AUTH), rule("impersonate-on:user-info:create", "clusterrolebindings", RBAC)],
        [rule("impersonate:user-info", "users groups"), rule("impersonate-on:user-info:create", "clusterrolebindings", RBAC)],
    ],
)  # fmt: skip
def test_half_of_a_way_leads_nowhere(rules: list[Json]) -> None:
    found = wide(*rules)
    assert (found.reach, found.ways, found.possible_ways) == ("none", (), ())


@pytest.mark.parametrize(
    "rules",
    [
        [rule("patch", "namespaces")],
        [rule("delete", "validatingadmissionpolicies", ADMIT)],
        [rule("patch", "validatingadmissionpolicybindings", ADMIT, "one")],
        [rule("update", "customresourcedefinitions", "apiextensions.k8s.io")],
        [rule("create", "apiservices", "apiregistration.k8s.io")],
        [rule("get", "secrets", names="maybe-a-token")],
        [rule("create", "pods/exec", names="some-pod")],
        [rule("patch", "daemonsets", "apps", "agent")],
        [rule("create", "workflows", "argoproj.io")],
        [rule("patch", "mutatingwebhookconfigurations", ADMIT, "own")],
        [*APPROVES, rule("approve", "signers", CERT, "kubernetes.io/kube-apiserver-client-kubelet")],
        [rule("impersonate:arbitrary-node", "nodes", AUTH), rule("impersonate-on:arbitrary-node:get", "secrets")],
    ],
)
def test_where_more_than_rights_decides_it_is_unknown(rules: list[Json]) -> None:
    found = wide(*rules)
    assert found.reach == "unknown"
    assert found.possible_ways


@pytest.mark.parametrize(
    "rules",
    [
        [rule("create", "pods")],
        [rule("create", "jobs", "batch")],
        [rule("create", "pods/exec")],
        [rule("create", "serviceaccounts/token")],
        [rule("impersonate", "serviceaccounts")],
        [rule("create get", "secrets")],
        [rule("*", "*", "*")],
        [rule("escalate patch", "roles", RBAC)],
        [rule("bind", "clusterroles", RBAC), rule("create", "rolebindings", RBAC)],
    ],
)
def test_in_a_namespace_it_leads_to_that_and_in_the_control_planes_to_everything(rules: list[Json]) -> None:
    assert (within(*rules).reach, within(*rules).namespaces) == ("namespace", ("shop",))
    assert within(*rules, namespace="kube-system").reach == "administrator"


def test_escalate_and_bind_lift_the_bound_of_a_namespace_and_pods_do_not() -> None:
    assert within(rule("escalate update", "roles", RBAC)).owns_namespace
    assert within(rule("bind", "clusterroles", RBAC), rule("create", "rolebindings", RBAC)).owns_namespace
    assert within(rule("create", "pods"), rule("impersonate", "serviceaccounts")).owns_namespace is False


def test_what_has_no_namespace_is_not_given_in_one() -> None:
    for rules in ([rule("get", "nodes/proxy")], [rule("impersonate", "users groups")], [rule("escalate patch", "clusterroles", RBAC)]):
        assert within(*rules).reach == "none"


def test_an_account_that_is_reached_takes_its_rights_along() -> None:
    strong = [binding("cluster-admin", account("shop", "deployer"))]
    through = [role("hop", rule("create", "serviceaccounts/token")), binding("hop", account("web", "hop"), namespace="shop")]
    makes = [role("m", rule("create", "pods"), namespace="web"), binding("m", U, namespace="web", kind="Role")]
    assert outcome(*strong, *through, *makes).becomes_administrator
    assert outcome(*strong, *makes).becomes_administrator is False
    assert "of shop" in outcome(*strong, *through, *makes).ways[0] or "→" in outcome(*strong, *through, *makes).ways[0]
    one = [
        role("t", rule("create", "serviceaccounts/token", names="deployer"), namespace="shop"),
        binding("t", U, namespace="shop", kind="Role"),
    ]
    assert outcome(*strong, *one).becomes_administrator
    assert outcome(*one).reach == "account"


def test_a_group_of_accounts_makes_every_account_as_strong() -> None:
    everybody = binding("cluster-admin", group("system:serviceaccounts:shop"))
    makes = [role("m", rule("create", "pods"), namespace="shop"), binding("m", U, namespace="shop", kind="Role")]
    assert outcome(everybody, *makes).becomes_administrator
    assert outcome(everybody, of=Subject("ServiceAccount", "unnamed", "shop")).holds_everything


def test_a_user_that_may_be_acted_as_takes_his_rights_along() -> None:
    acts = [role("r", rule("impersonate", "users", names="alice")), binding("r", U)]
    assert outcome(*acts, binding("cluster-admin", user("alice"))).is_administrator
    assert outcome(*acts, binding("view", user("alice"))).becomes_administrator is False
    team = rule("impersonate", "groups", names="admins")
    assert outcome(role("r", acts[0]["rules"][0], team), binding("r", U), binding("cluster-admin", group("admins"))).is_administrator


def test_an_account_that_is_acted_as_for_some_requests_has_to_hold_them_itself() -> None:
    acts = [
        role(
            "r",
            rule("impersonate:serviceaccount", "serviceaccounts", AUTH, "deployer"),
            rule("impersonate-on:serviceaccount:create", "pods"),
        ),
        binding("r", U),
    ]
    assert outcome(*acts, binding("edit", account("ops", "deployer"))).becomes_administrator
    assert outcome(*acts, binding("view", account("ops", "deployer"))).becomes_administrator is False


def test_roles_that_are_not_there_give_nothing_and_those_that_were_not_read_are_unknown() -> None:
    assert outcome(binding("none", U)).reach == "none"
    unread = {**role("r"), "rules": "odd"}
    assert outcome(unread, binding("r", U)).reach == "unknown"


def test_who_may_make_what_his_binding_waits_for_holds_it() -> None:
    makes = [role("r", rule("escalate create", "clusterroles", RBAC)), binding("r", U)]
    assert outcome(*makes, binding("later", U)).becomes_administrator
    aggregated = role("all", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"into": "all"}}]})
    assert outcome(*makes, aggregated, binding("all", U)).becomes_administrator


def test_rules_come_in_by_labels_and_what_stands_in_an_aggregated_role_itself_means_nothing() -> None:
    def selected(*selectors: Json) -> str:
        into = role("all", rule("*", "nodes/proxy"), aggregationRule={"clusterRoleSelectors": list(selectors)})
        part = role("part", rule("create", "pods"), labels={"into": "all", "tier": "two"})
        return outcome(into, part, binding("all", U)).reach

    assert selected({"matchLabels": {"into": "all"}}) == "administrator"
    assert selected({"matchLabels": {"into": "none"}}) == "none"
    assert (
        selected({"matchLabels": {"into": "all"}, "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["two"]}]}) == "none"
    )
    assert selected({"matchLabels": {"into": "none"}}, {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}) == "administrator"
    assert selected({"matchExpressions": [{"key": "no", "operator": "DoesNotExist"}]}) == "administrator"
    assert selected({"matchExpressions": [{"key": "tier", "operator": "Gt", "values": ["1"]}]}) == "unknown"


def test_what_comes_into_edit_comes_into_admin_and_a_role_binding_keeps_it_in_its_namespace() -> None:
    more = role("more", rule("escalate patch", "clusterroles", RBAC), labels={"rbac.authorization.k8s.io/aggregate-to-edit": "true"})
    edit = role("edit", rule("get", "pods"), labels={"rbac.authorization.k8s.io/aggregate-to-admin": "true"})
    into = [{"matchLabels": {f"rbac.authorization.k8s.io/aggregate-to-{name}": "true"}} for name in ("edit", "admin")]
    edit["aggregationRule"] = {"clusterRoleSelectors": into[:1]}
    admin = role("admin", aggregationRule={"clusterRoleSelectors": into[1:]})
    assert outcome(more, edit, admin, binding("admin", U)).is_administrator
    assert outcome(more, edit, admin, binding("admin", U, namespace="shop")).reach == "none"


@pytest.mark.parametrize(
    ("name", "reach"), [("cluster-admin", "administrator"), ("admin", "namespace"), ("edit", "namespace"), ("view", "none")]
)
def test_the_built_in_roles_in_a_teams_own_namespace(name: str, reach: str) -> None:
    found = outcome(binding(name, U, namespace="shop")).reach
    assert found == (reach if name != "cluster-admin" else "namespace")
    assert outcome(binding(name, U)).reach == ("none" if name == "view" else "administrator")


def test_what_the_cluster_is_decides() -> None:
    workflow, secrets = rule("create", "workflows", "argoproj.io"), rule("list", "secrets")
    assert wide(workflow, features=Features(kinds=frozenset())).reach == "none"
    assert wide(workflow, features=Features(kinds=frozenset({("argoproj.io", "workflows")}))).reach == "administrator"
    acts = [rule("impersonate:user-info", "users groups", AUTH), rule("impersonate-on:user-info:create", "clusterrolebindings", RBAC)]
    for on, reach in ((True, "administrator"), (False, "none"), (None, "unknown")):
        assert wide(*acts, features=replace(PLAIN, constrained_impersonation=on)).reach == reach
    maps = rule("patch", "configmaps", names="aws-auth")
    for there, reach in ((True, "administrator"), (False, "none"), (None, "unknown")):
        assert wide(maps, features=replace(PLAIN, has_aws_auth=there)).reach == reach
    strong = binding("cluster-admin", account("shop", "deployer"))
    reads = [role("s", secrets, namespace="shop"), binding("s", U, namespace="shop", kind="Role")]
    assert outcome(strong, *reads).becomes_administrator is None
    for tokens, becomes in (
        ({("shop", "t", "deployer")}, True),
        ({("shop", "t", "other"), ("web", "t", "deployer")}, False),
        (set(), False),
    ):
        features = replace(PLAIN, token_secrets=frozenset(tokens))
        assert outcome(strong, *reads, features=features).becomes_administrator is becomes
