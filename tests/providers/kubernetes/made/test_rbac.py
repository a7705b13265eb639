"""Rows of bindings, roles and subjects: what each says, what is passed over as shipped, and what stays open where not all was seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cnamm_scan.providers.kubernetes.made import rbac_room as room
from cnamm_scan.providers.kubernetes.made.rbac import ends_at, lasts_hours
from tests.providers.kubernetes.made.given import made_by, tables
from tests.providers.kubernetes.policies.rbac.given import U, account, binding, group, role, rule, user

Json = Any
R = [role("r", rule("get", "pods")), binding("r", U)]
ADMIN = "rbac.authorization.k8s.io"


def subjects(*objects: Json, **how: Any) -> dict[str, dict[str, Any]]:
    missing, scope = how.pop("missing", None), how.pop("scope", None)
    return made_by("rbac_subjects", tables(objects, **how), missing, scope)


def test_powers_are_those_of_all_roles_together_in_the_whole_cluster() -> None:
    both = [role("a", rule("create", "pods")), role("b", rule("list", "secrets")), binding("a", U), binding("b", U)]
    found = subjects(*both, binding("edit", group("team"), namespace="shop"))
    assert {name for name, value in found["User u"].items() if value is True} == {"makes_pods", "reads_secrets", "becomes_administrator"}
    assert {name for name, value in found["Group team"].items() if value is True} == set()
    assert (found["Group team"]["reach"], found["Group team"]["namespaces"]) == ("namespace", ["shop"])


def test_a_namespace_of_the_platform_is_as_wide_as_the_cluster_but_for_who_lives_there() -> None:
    namespaces = {"kyverno": {"name": "kyverno", "is_system": True}, "shop": {"name": "shop", "is_system": False}}
    given = [role("s", rule("get", "secrets"), namespace=space) for space in ("kyverno", "kube-system", "shop")]
    given += [
        binding("s", account("kyverno", "kyverno"), group("team"), namespace=space, kind="Role", name=space) for space in ("kyverno",)
    ]
    given += [binding("s", account("kube-system", "addon"), namespace="kube-system", kind="Role", name="x")]
    given += [binding("s", user("v"), namespace="shop", kind="Role", name="x")]
    found = subjects(*given, **{room.NAMESPACE: namespaces})
    assert {name: row["reads_secrets"] for name, row in found.items()} == {
        "ServiceAccount kyverno/kyverno": False,
        "Group team": True,
        "ServiceAccount kube-system/addon": True,
        "User v": False,
    }


def test_emergency_bindings_are_left_out() -> None:
    emergency = binding("cluster-admin", U, name="glass")
    emergency["metadata"]["labels"] = {"break-glass": "true"}
    assert subjects(*R, emergency)["User u"]["becomes_administrator"] is False
    assert made_by("rbac_bindings", tables([*R, emergency]))["ClusterRoleBinding glass"]["is_break_glass"]


SCHEDULER = "system:kube-scheduler"


def as_shipped(*rules: Json, **changed: Any) -> tuple[Json, Json]:
    """A role with these rules and its binding as the API server ships them but for what is changed: the scheduler's, or those of `own`."""
    labels, own = {"kubernetes.io/bootstrapping": "rbac-defaults"}, changed.get("own", SCHEDULER)
    made = role(own, *rules, labels=labels)
    made["metadata"]["writer"] = changed.get("writer", "kube-apiserver")
    bound = binding(changed.get("role", own), changed.get("subject", user(own)), name=changed.get("name", own))
    bound["metadata"]["labels"] = changed.get("labels", labels)
    return made, bound


def test_only_the_server_s_own_binding_to_its_own_part_is_shipped() -> None:
    def shipped(**changed: Any) -> bool:
        made, bound = as_shipped(rule("get", "pods"), **changed)
        [row] = subjects(made, bound).values()
        return bool(row["is_shipped"])

    assert shipped()
    assert not shipped(writer="kubectl-edit")
    assert not shipped(role="cluster-admin")
    assert not shipped(subject=group("system:nodes"))
    assert not shipped(name="my-scheduler")
    assert not shipped(labels={})


def test_what_is_bound_by_hand_to_a_part_of_the_server_counts_beside_what_is_shipped() -> None:
    name = SCHEDULER
    made, bound = as_shipped(rule("create", "pods/binding"))
    row = subjects(made, bound, role("r", rule("list", "secrets")), binding("r", user(name)))[f"User {name}"]
    assert (row["is_shipped"], row["reads_secrets"], row["becomes_administrator"], row["ways"]) == (False, True, True, "list secrets")


def test_what_was_left_out_darkens_what_it_could_change_and_no_more() -> None:
    excluded = dict.fromkeys((room.ROLE, room.ROLE_BINDING), "excluded")
    row = subjects(*R, missing=excluded, scope={"excluded_namespaces": ["old"]})["User u"]
    assert (row["owns_namespace"], row["uses_wildcards"], row["reads_secrets"], row["makes_pods"]) == (None, None, False, False)
    assert row["becomes_administrator"] is False  # no account of that namespace is strong, and bindings there give nothing elsewhere
    strong = binding("cluster-admin", account("old", "deployer"), name="x")
    row = subjects(*R, strong, missing=excluded, scope={"excluded_namespaces": ["old"]})["User u"]
    assert row["becomes_administrator"] is None
    row = subjects(*R, missing=excluded, scope={"namespaces": ["shop"]})["User u"]
    assert (row["reads_secrets"], row["proxies_nodes"]) == (None, False)
    row = subjects(*R, missing={room.ROLE_BINDING: "denied"}, scope={"excluded_namespaces": ["old"]})["User u"]
    assert (row["reads_secrets"], row["proxies_nodes"]) == (None, False)
    row = subjects(*R, missing={room.CLUSTER_ROLE_BINDING: "denied"})["User u"]
    assert (row["reads_secrets"], row["proxies_nodes"]) == (None, None)


def test_a_role_whose_rules_were_not_read_may_give_anything_where_it_is_bound() -> None:
    bound = binding("r", U, namespace="shop", kind="Role", name="x")
    named = role("r", rule("*", "*"), namespace="shop")
    named["rules"] = None
    for row in (subjects(named, bound)["User u"], subjects(bound, missing={room.ROLE: "denied"})["User u"]):
        assert (row["owns_namespace"], row["uses_wildcards"], row["reads_secrets"], row["namespaces"]) == (None, None, False, [])
        assert row["becomes_administrator"] is False  # no account there is strong
    assert subjects(bound)["User u"]["owns_namespace"] is False  # a role that is not there gives nothing


def test_who_owns_a_namespace_owns_it_whatever_else_he_turns_out_to_hold() -> None:
    given = [role("all", rule("*", "*", "*")), binding("all", U, namespace="shop")]
    more = binding("cluster-admin", U, name="more")
    unread = binding("cluster-admin", U, name="more")
    unread["subjects"] = None
    found = [subjects(*given, *others)["User u"]["owns_namespace"] for others in ([], [more], [unread])]
    assert found == [True, True, True]
    assert subjects(*R, unread)["User u"]["owns_namespace"] is None


def test_who_may_be_named_by_another_binding_is_not_known_to_be_shipped() -> None:
    name = SCHEDULER
    made, bound = as_shipped(rule("get", "pods"))
    unread = binding("r", name="unread")
    unread["subjects"] = None
    assert subjects(made, bound)[f"User {name}"]["is_shipped"] is True
    assert subjects(made, bound, unread)[f"User {name}"]["is_shipped"] is None
    assert subjects(made, bound, missing={room.ROLE_BINDING: "denied"})[f"User {name}"]["is_shipped"] is None
    assert subjects(*R, missing={room.ROLE_BINDING: "denied"})["User u"]["is_shipped"] is False


def test_administrators_are_counted_as_far_as_they_are_seen() -> None:
    strong = [*R, binding("cluster-admin", group("a"), user("b"), name="x"), binding("edit", group("c"), name="y")]

    def counted(missing: Any = None, **how: Any) -> tuple[Any, Any, Any]:
        row = made_by("rbac_administrators", tables(strong, **how), missing)["shop"]
        return row["at_least"], row["at_most"], row["names"]

    # the built-in edit, held in the whole cluster, acts as any account
    assert counted() == (3, 3, ["Group a", "Group c", "User b"])
    assert counted(managed_by="gke")[:2] == (3, None)
    assert counted({room.CLUSTER_ROLE_BINDING: "denied"})[:2] == (3, None)
    assert counted({room.NODE: "denied"})[:2] == (3, None)


def test_managed_clusters_are_told_by_their_nodes_too() -> None:
    node = {"n": {"labels": {"kubernetes.azure.com/cluster": "x"}}}
    assert subjects(*R, **{room.NODE: node})["Cloud aks"].get("becomes_administrator") is None
    assert "Cloud eks" in subjects(*R, managed_by="eks")
    assert set(subjects(*R, **{room.NODE: {"n": {"labels": {"own": "y"}}}})) == {"User u"}


def test_a_binding_s_role_is_judged_by_itself() -> None:
    given = [
        role("raises", rule("bind", "clusterroles", ADMIN), rule("create", "clusterrolebindings", ADMIN)),
        *(binding(name, U) for name in ("raises", "cluster-admin", "view", "none")),
    ]
    found = made_by("rbac_bindings", tables(given))
    assert {key.partition(" ")[2]: row["is_privileged"] for key, row in found.items()} == {
        "raises-b": True,
        "cluster-admin-b": True,
        "view-b": False,
        "none-b": False,
    }
    dark = made_by("rbac_bindings", tables(given), {room.CLUSTER_ROLE: "denied"})
    assert dark["ClusterRoleBinding none-b"]["is_privileged"] is None
    assert dark["ClusterRoleBinding cluster-admin-b"]["is_privileged"] is True


def test_a_subject_is_what_its_kind_says_it_is() -> None:
    names = [user("system:serviceaccount:shop:a"), group("system:serviceaccount:shop:b"), {"kind": "ServiceAccount", "name": "c"}]
    found = made_by("rbac_binding_subjects", tables([*R, binding("view", *names, namespace="web", name="x")]))
    assert [row["account"] for key, row in found.items() if key.startswith("RoleBinding")] == ["shop/a", "", "web/c"]


def test_rules_of_a_role_are_told_with_what_is_aggregated_into_it() -> None:
    into = role("all", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]})
    found = made_by("rbac_role_rules", tables([into, role("part", rule("create", "pods/exec"), labels={"x": "y"})]))
    assert found["ClusterRole all#0"]["enters_pods"]
    odd = {**role("odd"), "rules": None}
    assert "enters_pods" not in made_by("rbac_role_rules", tables([odd]))["ClusterRole odd#0"]


def test_whom_the_maker_of_a_cluster_binds_for_itself_is_told_apart_by_binding_and_name() -> None:
    admin = [
        binding("cluster-admin", user("eks:addon-manager"), name="eks:addon-cluster-admin"),
        binding("cluster-admin", group("kubeadm:cluster-admins"), name="kubeadm:cluster-admins"),
        binding("cluster-admin", user("clusterAdmin"), name="aks-cluster-admin-binding"),
        binding("aks-service", user("support"), name="aks-service-rolebinding"),
        binding("system:kubelet-api-admin", user("kube-apiserver"), name="kube-apiserver-kubelet-admin"),
        binding("cluster-admin", user("system:gcp-controller-manager"), name="system:gcp-controller-manager"),
        binding("cluster-admin", group("system:cluster-admins"), user("system:admin"), name="cluster-admins"),
        binding("system:node", user("kubelet"), name="kubelet-cluster-admin"),
        binding("k3s-cloud-controller-manager", user("k3s-cloud-controller-manager"), name="k3s-cloud-controller-manager"),
        binding(
            "r", user("k3s-cloud-controller-manager"), namespace="kube-system", name="k3s-cloud-controller-manager-authentication-reader"
        ),
    ]
    by_hand = [
        binding("cluster-admin", user("anna"), name="eks:anna"),
        binding("cluster-admin", user("eks:pod-identity"), name="extra"),
        binding("cluster-admin", group("system:nodes"), name="system:more-for-nodes"),
        binding("cluster-admin", user("system:anonymous"), name="system:open"),
        binding("cluster-admin", user("rke2-cloud-controller-manager"), name="rke2-cloud-controller-manager-admin"),
    ]
    found = subjects(*admin, *by_hand)
    assert {name for name, row in found.items() if row["is_makers"]} == {
        "User eks:addon-manager",
        "Group kubeadm:cluster-admins",
        "User clusterAdmin",
        "User support",
        "User kube-apiserver",
        "User system:gcp-controller-manager",
        "Group system:cluster-admins",
        "User system:admin",
        "User kubelet",
        "User k3s-cloud-controller-manager",
    }
    counted = made_by("rbac_administrators", tables([*admin, *by_hand]))["shop"]
    ours = ["Group system:nodes", "User anna", "User eks:pod-identity", "User rke2-cloud-controller-manager", "User system:anonymous"]
    assert counted["names"] == ours
    nodes = binding("system:node", group("system:nodes"), name="system:aks-client-nodes")
    assert subjects(nodes)["Group system:nodes"]["is_makers"] is True
    more = subjects(*admin, binding("view", user("eks:addon-manager"), name="extra"))
    assert more["User eks:addon-manager"]["is_makers"] is False
    dark = subjects(*admin, missing={room.ROLE_BINDING: "denied"})
    assert dark["User eks:addon-manager"]["is_makers"] is None


def test_a_controller_of_the_platform_is_an_account_that_runs_there_and_does_not_hold_everything() -> None:
    names = ["controller", "stronger", "idle", "default"]
    roles = [role("s", rule("list", "secrets")), *(binding("s", account("kube-system", each), name=each) for each in names)]
    roles += [
        binding("cluster-admin", account("kube-system", "stronger"), name="all"),
        binding("s", account("shop", "controller"), name="x"),
    ]
    running = [("kube-system", each) for each in names if each != "idle"] + [("shop", "controller")]
    pods = {f"{space}/{name}": {"namespace": space, "service_account": name} for space, name in running}

    def told(**how: Any) -> dict[str, Any]:
        return {name.split()[1]: row["is_platforms"] for name, row in subjects(*roles, **{room.POD: pods}, **how).items()}

    others = {"kube-system/stronger": False, "kube-system/default": False, "shop/controller": False}
    assert told() == {"kube-system/controller": True, "kube-system/idle": False, **others}
    assert told(missing={room.POD: "denied"}) == {"kube-system/controller": True, "kube-system/idle": None, **others}


def test_who_may_approve_only_what_kubelets_serve_with_approves_no_client() -> None:
    group_of = "certificates.k8s.io"
    update = rule("update", "certificatesigningrequests/approval", group_of)

    def approves(*rules: Json) -> Any:
        return subjects(role("a", *rules), binding("a", U))["User u"]["approves_certificates"]

    assert approves(update) is False
    assert approves(update, rule("approve", "signers", group_of, names="kubernetes.io/kubelet-serving")) is False
    assert approves(update, rule("approve", "signers", group_of, names="kubernetes.io/kube-apiserver-client")) is True
    assert approves(update, rule("approve", "signers", group_of)) is True


def test_operators_that_openshift_is_made_of_are_its_own_whatever_they_hold() -> None:
    places = {"openshift-dns": "dns", "openshift-ours": "dns", "kube-system": "dns", "openshift-cluster-version": "default"}
    bound = [binding("cluster-admin", account(space, name), name=space) for space, name in places.items()]
    pods = {space: {"namespace": space, "service_account": name} for space, name in places.items()}
    spaces = {space: {"name": space, "is_system": space != "openshift-ours"} for space in places}

    def counted(*kinds: str, **more: Any) -> Any:
        served = {each: {"api_group": "security.openshift.io", "resource": each} for each in kinds}
        others: dict[str, Any] = {room.POD: pods, room.NAMESPACE: spaces, room.KIND: served}
        given = tables(bound, **others | more)
        return made_by("rbac_administrators", given)["shop"]["names"]

    own = ["ServiceAccount kube-system/dns", "ServiceAccount openshift-ours/dns"]
    assert counted("securitycontextconstraints") == own
    assert len(counted()) == len(places)
    assert len(counted("securitycontextconstraints", **{room.POD: {}})) == len(places)  # nothing runs as them


@pytest.mark.parametrize(
    ("ttl", "hours"),
    [
        ("4h", 4),
        ("1d12h", 36),
        ("2weeks", 336),
        ("90m", 1.5),
        ("2026-01-03", 72),
        ("2026-01-01T003000Z", 24),
        ("", None),
        ("soon", None),
        ("5d; 5d", 120),
        ("120h; 2026-01-05", 120),
        ("9d; 2026-01-03", None),
        ("soon; 4h", None),
        ("forever; 4h", 4),
        ("forever", None),
        ("2w1month", None),
        ("9999-12-31", 69_898_608),
    ],
)
def test_a_binding_lasts_for_a_span_or_until_the_end_of_a_day(ttl: str, hours: float | None) -> None:
    assert lasts_hours(ttl, datetime(2026, 1, 1, tzinfo=UTC)) == hours
    assert lasts_hours("2026-01-03", None) is lasts_hours("9d; 2026-01-03", None) is None


@pytest.mark.parametrize(
    ("ttl", "made", "ends"),
    [
        ("5d; 5d", 1, "2026-01-06"),
        ("9d; 2026-01-03", 1, "2026-01-04"),
        ("soon; 2d", 1, "2026-01-03"),
        ("forever; 2d", 1, "2026-01-03"),
        ("2026-01-03", None, "2026-01-04"),
        ("2d; 2026-01-03", None, None),
        ("soon", 1, None),
        ("", 1, None),
        ("9" * 400 + "w", 1, "9999-12-31"),
        ("9999-12-31", None, "9999-12-31"),
    ],
)
def test_a_binding_ends_when_the_first_is_to_delete_it_that_heeds_what_it_is_told(ttl: str, made: int | None, ends: str | None) -> None:
    found = ends_at(ttl, made and datetime(2026, 1, made, tzinfo=UTC))
    assert (found and f"{found:%Y-%m-%d}") == ends


def test_one_named_token_pod_or_webhook_is_enough_where_one_named_secret_is_not() -> None:
    def told(*rules: Json, **place: Any) -> set[str]:
        row = subjects(role("a", *rules, **place), binding("a", U, name="x", kind="Role" if place else "ClusterRole", **place))["User u"]
        return {name for name in ("makes_tokens", "enters_pods", "changes_webhooks", "installs_kinds", "reads_secrets") if row[name]}

    control = {"namespace": "kube-system"}
    assert told(rule("create", "serviceaccounts/token", names="deployer"), **control) == {"makes_tokens"}
    assert told(rule("create", "serviceaccounts/token", names="deployer"), namespace="shop") == set()
    assert told(rule("create", "pods/exec", names="etcd-0"), **control) == {"enters_pods"}
    assert told(rule("patch", "validatingwebhookconfigurations", "admissionregistration.k8s.io", names="gate")) == {"changes_webhooks"}
    assert told(rule("update", "customresourcedefinitions", "apiextensions.k8s.io", names="shops.acme.io")) == {"installs_kinds"}
    assert told(rule("get", "secrets", names="one"), **control) == set()
    assert told(rule("get", "secrets"), **control) == {"reads_secrets"}


def test_the_role_of_everything_stays_shipped_when_somebody_annotates_it_and_not_another() -> None:
    def shipped(name: str, whom: Json) -> Any:
        made, bound = as_shipped(rule("*", "*", "*"), own=name, subject=whom, writer="kubectl-annotate")
        [row] = subjects(made, bound).values()
        return row["is_shipped"]

    assert shipped("cluster-admin", group("system:masters")) is True
    assert shipped(SCHEDULER, user(SCHEDULER)) is False


def test_more_than_two_for_emergencies_are_administrators_like_others() -> None:
    def counted(names: str) -> Any:
        given = [emergency("cluster-admin", user(name), name=name) for name in names]
        return made_by("rbac_administrators", tables([*R, *given]))["shop"]["names"]

    assert counted("ab") == []
    assert counted("abc") == ["User a", "User b", "User c"]


def emergency(gives: str, *whom: Json, **more: Any) -> Json:
    made = binding(gives, *whom, **more)
    made["metadata"]["labels"] = {"break-glass": "true"}
    return made


def test_emergencies_that_were_not_seen_whole_leave_open_how_many_administrators_there_are() -> None:
    unread_role = role("strange")
    unread_role["rules"] = None

    def counted(known: str, *others: Json) -> tuple[Any, Any]:
        given = [emergency("cluster-admin", user(name), name=name) for name in known]
        found = made_by("rbac_administrators", tables([*R, unread_role, binding("cluster-admin", user("z"), name="z"), *given, *others]))[
            "shop"
        ]
        return found["at_least"], found["at_most"]

    unread = emergency("cluster-admin", name="more")
    unread["subjects"] = None
    nameless = emergency("", user("c"), name="more")
    weak = emergency("view", name="more")
    weak["subjects"] = None
    assert counted("ab") == (1, 1)
    assert counted("ab", unread) == counted("", unread) == (1, None)
    assert counted("ab", weak) == (1, 1)
    for maybe in (emergency("strange", user("c"), name="more"), nameless):
        assert counted("ab", maybe) == (1, None)
        assert counted("a", maybe) == (1, 1)  # not more than two, whatever it gives
        assert counted("abc", maybe) == (4, 4)  # counted already
        assert counted("abd", maybe) == (4, None)


@pytest.mark.parametrize(
    ("name", "is_private"),
    [
        ("pat@live.com", True),
        ("pat@live.co.uk", True),
        ("pat@proton.me", True),
        ("pat@naver.com", True),
        ("pat@free.fr", True),
        ("pat@rediffmail.com", True),
        ("pat@live.acme.io", False),
        ("pat@proton.acme.io", False),
        ("pat@zoho.acme.com", False),
        ("pat@duck.acme.com", False),
    ],
)
def test_an_address_is_private_by_the_whole_of_its_host(name: str, is_private: bool) -> None:
    found = made_by("rbac_binding_subjects", tables([*R, binding("view", user(name), name="x")]))
    assert [row["is_outsider"] for key, row in found.items() if key.startswith("ClusterRoleBinding x")] == [is_private]


@pytest.mark.parametrize(("minor", "enters"), [(34, True), (35, None), (None, None)])
def test_get_alone_enters_pods_until_create_is_asked_too(minor: int | None, enters: bool | None) -> None:
    given = tables([role("a", rule("get", "pods/exec")), role("b", rule("create", "pods/exec"))], minor=minor)
    found = made_by("rbac_role_rules", given)
    assert found["ClusterRole a#0"]["enters_pods"] is enters
    assert found["ClusterRole b#0"]["enters_pods"] is True


def test_whether_the_object_id_of_a_user_is_a_guests_is_unknown() -> None:
    known = "3f0c1d9e-5b1a-4c55-9a43-0d3c7a1b2e4f"
    names = [user(known), user("pat@gmail.com"), user("pat@acme.io"), group(known)]
    found = made_by("rbac_binding_subjects", tables([*R, binding("view", *names, name="x")]))
    assert [row["is_outsider"] for key, row in found.items() if key.startswith("ClusterRoleBinding x")] == [None, True, False, False]


@pytest.mark.parametrize(
    ("version", "name", "more", "counted"),
    [
        ("v1.34.1+rke2r1", "rke2-canal", [], False),
        ("v1.34.1+k3s1", "traefik-crd", [], False),
        ("v1.34.1", "rke2-canal", [], True),
        ("v1.34.1+k3s1", "ours", [], True),
        ("v1.34.1+k3s1", "traefik", ["ours"], True),
    ],
)
def test_what_installs_the_charts_of_a_distribution_is_its_own(version: str, name: str, more: list[str], counted: bool) -> None:
    who = account("kube-system", f"helm-{name}")
    bindings = [binding("cluster-admin", who, name=each) for each in (f"helm-kube-system-{name}", *more)]
    seen = tables([role("cluster-admin", rule("*", "*", "*")), *bindings], minor=34)
    seen[room.CLUSTER]["shop"]["git_version"] = version
    row = made_by("rbac_subjects", seen)[f"ServiceAccount kube-system/helm-{name}"]
    assert row["is_platforms"] is not counted
    assert made_by("rbac_administrators", seen)["shop"]["at_least"] == int(counted)


@pytest.mark.parametrize(
    ("managed_by", "names", "expected"),
    [
        ("aks", ["system:azure-cloud-provider-secret-getter"], True),
        ("aks", ["system:azure-cloud-provider-secret-getter", "more"], False),
        ("", ["system:azure-cloud-provider-secret-getter"], False),
    ],
)
def test_what_a_cloud_runs_with_the_control_plane_is_the_platforms(managed_by: str, names: list[str], expected: bool) -> None:
    who = account("kube-system", "azure-cloud-provider")
    given = [role("getter", rule("get", "secrets")), *(binding("getter", who, name=each) for each in names)]
    row = made_by("rbac_subjects", tables(given, managed_by=managed_by))["ServiceAccount kube-system/azure-cloud-provider"]
    assert (row["is_platforms"], row["reads_secrets"]) == (expected, True)


def test_whoever_signed_in_at_openshift_is_everyone() -> None:
    found = made_by("rbac_binding_subjects", tables([*R, binding("view", group("system:authenticated:oauth"), name="x")]))
    assert found["ClusterRoleBinding x#0"]["is_everyone"] and not found["ClusterRoleBinding x#0"]["is_component"]
