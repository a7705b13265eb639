"""Scans of clusters over a socket: whoever can become an administrator fails, by whichever way and whoever bound it; nobody else does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cnamm_scan.demo.cluster.bed.answers import VERSION
from cnamm_scan.demo.cluster.bed.server import ClusterBed
from tests.clusters import cluster, pod, scan, thing, verdicts
from tests.providers.kubernetes.policies.rbac.given import account, binding, group, role, rule, user

Json = Any
API = "rbac.authorization.k8s.io/v1"
RBAC = "rbac.authorization.k8s.io"
RAISES, ENTERS, READS = "no_privilege_escalation", "few_exec_into_pods", "few_read_secrets"
CRB = rule("create", "clusterrolebindings", RBAC)


def served(*objects: Json) -> list[Json]:
    """Roles and bindings as a server shows them."""
    made = []
    for each in objects:
        metadata = {"managedFields": [{"manager": "kubectl-create"}], **each["metadata"]}
        made.append({"apiVersion": API, **each, "metadata": metadata})
    return made


def shipped(each: Json, writer: str = "kube-apiserver") -> Json:
    """One that the API server makes itself."""
    labels = {**each["metadata"].get("labels", {}), "kubernetes.io/bootstrapping": "rbac-defaults"}
    return {**each, "metadata": {**each["metadata"], "labels": labels, "managedFields": [{"manager": writer}]}}


def judged(folder: Path, *objects: Json, rules: tuple[str, ...] = ("kubernetes.rbac",), **more: Any) -> Mapping[tuple[str, str], str]:
    """(rule's last name, resource) -> verdict."""
    folder.mkdir(exist_ok=True)
    with (
        ClusterBed(cluster(*served(*objects), *more.pop("things", ())), version={**VERSION, **more.pop("version", {})}) as bed,
        scan(bed, folder, rules=list(rules), **more) as done,
    ):
        return {place: verdict for place, (verdict, _) in verdicts(done).items()}


ATTACKS: Mapping[str, list[Json]] = {
    "every verb on accounts": [role("r", rule("*", "serviceaccounts")), binding("r", user("u"))],
    "binds the administrator's role by name": [
        role("r", rule("bind", "clusterroles", RBAC, "cluster-admin"), CRB),
        binding("r", user("u")),
    ],
    "acts as a master beside a user, by two roles": [
        role("r", rule("impersonate", "groups", names="system:masters")),
        role("s", rule("impersonate", "users", names="alice")),
        binding("r", user("u")),
        binding("s", user("u")),
    ],
    "acts as a master for the one request that it takes": [
        role("r", rule("impersonate:user-info", "users groups", "authentication.k8s.io")),
        role("s", rule("impersonate-on:user-info:create", "clusterrolebindings", RBAC)),
        binding("r", user("u")),
        binding("s", user("u")),
    ],
}
"""Each made its user cluster-admin on a real server."""


def apart(tries: Mapping[str, list[Json]]) -> list[Json]:
    """All of them in one cluster: the roles and the user of each have its number in their names."""
    made = []
    for number, objects in enumerate(tries.values()):
        for each in objects:
            metadata = {**each["metadata"], "name": f"{each['metadata']['name']}-{number}"}
            named = {**each, "metadata": metadata}
            if "roleRef" in each:
                named["roleRef"] = {**each["roleRef"], "name": f"{each['roleRef']['name']}-{number}"}
                named["subjects"] = [user(f"u{number}")]
            made.append(named)
    return made


def raised(found: Mapping[tuple[str, str], str], tries: Mapping[str, list[Json]]) -> dict[str, str]:
    return {name: found[RAISES, f"User u{number}"] for number, name in enumerate(tries)}


def test_who_became_administrator_on_a_real_server_fails(tmp_path: Path) -> None:
    assert raised(judged(tmp_path, *apart(ATTACKS)), ATTACKS) == dict.fromkeys(ATTACKS, "fail")


def test_an_older_server_knows_no_constrained_impersonation(tmp_path: Path) -> None:
    last = {"acts": list(ATTACKS.values())[-1]}
    verdict = {minor: raised(judged(tmp_path, *apart(last), version={"minor": minor}), last)["acts"] for minor in ("34", "35", "36")}
    assert verdict == {"34": "pass", "35": "unknown", "36": "fail"}


HALVES: Mapping[str, list[Json]] = {
    "accounts, without acting as them": [role("r", rule("get list create delete", "serviceaccounts")), binding("r", user("u"))],
    "bind without a binding to write": [role("r", rule("bind", "clusterroles", RBAC, "cluster-admin")), binding("r", user("u"))],
    "bindings, without bind": [role("r", CRB), binding("r", user("u"))],
    "a group without a user": [role("r", rule("impersonate", "groups", names="system:masters")), binding("r", user("u"))],
    "users of another group": [role("r", rule("impersonate", "users groups", "authentication.k8s.io")), binding("r", user("u"))],
    "the new verb without what it may be used on": [
        role("r", rule("impersonate:user-info", "users groups", "authentication.k8s.io")),
        binding("r", user("u")),
    ],
    "a star that is none": [role("r", rule("*", "pods/*")), binding("r", user("u"))],
    "a name where no name is known": [
        role("r", rule("create", "pods", names="x"), namespace="shop"),
        binding("r", user("u"), namespace="shop", kind="Role"),
    ],
}


def test_half_of_a_way_is_none(tmp_path: Path) -> None:
    assert raised(judged(tmp_path, *apart(HALVES)), HALVES) == dict.fromkeys(HALVES, "pass")


def test_on_a_managed_cluster_nobody_knows_whom_the_cloud_lets_in(tmp_path: Path) -> None:
    few, rest = "few_administrators", "no_standing_administrators"
    objects = [role("r", rule("get", "pods")), binding("r", user("u"))]
    own, managed = judged(tmp_path, *objects), judged(tmp_path, *objects, version={"gitVersion": "v1.36.1-eks-3025e55"})
    assert (own[RAISES, "User u"], managed[RAISES, "User u"]) == ("pass", "pass")
    assert (managed[RAISES, "Cloud eks"], managed[READS, "Cloud eks"]) == ("unknown", "unknown")
    assert [verdict for (name, _), verdict in own.items() if name in (few, rest)] == ["pass", "pass"]
    assert [verdict for (name, _), verdict in managed.items() if name in (few, rest)] == ["unknown", "unknown"]
    assert not any(resource.startswith("Cloud") for _, resource in own)


def test_what_was_not_listed_is_never_a_pass_and_what_was_found_stays(tmp_path: Path) -> None:
    objects = [
        role("r", rule("get", "pods")),
        binding("r", user("u")),
        binding("cluster-admin", user("v"), name="v"),
        binding("view", user("w"), namespace="old"),
    ]
    found = judged(tmp_path, *objects, options={"excluded_namespaces": ("old",)})
    assert {name: found[RAISES, f"User {name}"] for name in "uv"} == {"u": "unknown", "v": "not_applicable"}  # v holds everything already
    assert found[READS, "User v"] == "fail"
    assert (RAISES, "User w") not in found


def test_whoever_is_bound_by_hand_counts_be_it_a_part_of_the_platform(tmp_path: Path) -> None:
    named = {
        "Group system:nodes": group("system:nodes"),
        "Group system:bootstrappers": group("system:bootstrappers"),
        "Group system:authenticated": group("system:authenticated"),
        "User system:anonymous": user("system:anonymous"),
        "User system:kube-proxy": user("system:kube-proxy"),
        "ServiceAccount kube-system/deployer": account("kube-system", "deployer"),
        "ServiceAccount kyverno/kyverno": account("kyverno", "kyverno"),
    }
    objects = [
        role("r", rule("get", "secrets"), rule("create", "pods/exec")),
        *(binding("r", each, name=str(number)) for number, each in enumerate(named.values())),
    ]
    found = judged(tmp_path, *objects)
    for name in (RAISES, ENTERS, READS):
        assert {subject: found[name, subject] for subject in named} == dict.fromkeys(named, "fail")


def test_what_the_server_ships_to_its_own_parts_is_passed_over_until_it_is_changed(tmp_path: Path) -> None:
    manager, proxy = "system:kube-controller-manager", "system:node-proxier"
    objects = [
        shipped(role(manager, rule("create", "serviceaccounts/token"), rule("get list", "secrets"))),
        shipped(binding(manager, user(manager), name=manager)),
        shipped(role(proxy, rule("get", "nodes"), rule("*", "secrets")), writer="kubectl-edit"),
        shipped(binding(proxy, user("system:kube-proxy"), name=proxy)),
        shipped(role("system:node", rule("get", "secrets"))),
        shipped(binding("system:node", group("system:nodes"), name="system:node")),
        shipped(binding("cluster-admin", group("system:masters"), group("helpers"), name="cluster-admin")),
        shipped(role("cluster-admin", rule("*", "*", "*"))),
    ]
    found = judged(tmp_path, *objects)
    assert {subject: found[RAISES, subject] for rule_, subject in found if rule_ == RAISES and subject} == {
        f"User {manager}": "not_applicable",
        "Group system:masters": "not_applicable",
        "User system:kube-proxy": "fail",
        "Group system:nodes": "fail",
        "Group helpers": "not_applicable",  # who holds everything has nothing to rise to
    }
    assert found[READS, "Group helpers"] == "fail"


def test_a_team_is_its_namespace_and_no_more_unless_an_account_there_is(tmp_path: Path) -> None:
    objects = [
        binding("edit", group("shop-team"), namespace="shop", name="team"),
        binding("admin", group("web-team"), namespace="web", name="team"),
        binding("edit", group("ops-team"), namespace="ops", name="team"),
        binding("cluster-admin", account("ops", "deployer"), name="deployer"),
        role("lifts", rule("escalate patch", "roles", RBAC), namespace="bank"),
        binding("lifts", group("bank-team"), namespace="bank", kind="Role", name="team"),
    ]
    found = judged(tmp_path, *objects)
    teams = {name: found[RAISES, f"Group {name}-team"] for name in ("shop", "web", "ops", "bank")}
    assert teams == {"shop": "pass", "web": "pass", "ops": "fail", "bank": "fail"}


def test_tokens_in_secrets_are_found_by_their_type(tmp_path: Path) -> None:
    accounts = [thing("ServiceAccount", name, "shop") for name in ("by-hand", "none", "opaque")]
    annotation = {"annotations": {"kubernetes.io/service-account.name": "by-hand"}}
    secrets = [
        thing("Secret", "ci", "shop", metadata=annotation, type="kubernetes.io/service-account-token", data={"token": "aHVudGVyMg=="}),
        thing(
            "Secret",
            "pull",
            "shop",
            metadata={"annotations": {"kubernetes.io/service-account.name": "opaque"}},
            type="kubernetes.io/dockercfg",
        ),
    ]
    pods = [
        pod("by-hand", volumes=[{"name": "t", "secret": {"secretName": "ci"}}]),
        pod("tls", volumes=[{"name": "t", "secret": {"secretName": "tls"}}]),
        pod("bare"),
    ]
    rules = tuple(f"kubernetes.core.{name}" for name in ("service_account_no_token_secret", "pod_token_not_from_secret"))
    seen = judged(tmp_path / "seen", things=[*accounts, *secrets, *pods], rules=rules, options={"with_secret_metadata": True})
    unseen = judged(tmp_path / "unseen", things=[*accounts, *secrets, *pods], rules=rules)
    held, mounted = "service_account_no_token_secret", "pod_token_not_from_secret"
    assert {name: seen[held, f"shop/{name}"] for name in ("by-hand", "none", "opaque")} == {
        "by-hand": "fail",
        "none": "pass",
        "opaque": "pass",
    }
    assert {name: seen[mounted, f"shop/{name}"] for name in ("by-hand", "tls", "bare")} == {
        "by-hand": "fail",
        "tls": "pass",
        "bare": "pass",
    }
    assert {unseen[held, f"shop/{name}"] for name in ("by-hand", "none", "opaque")} == {"unknown"}
    assert {name: unseen[mounted, f"shop/{name}"] for name in ("by-hand", "tls", "bare")} == {
        "by-hand": "unknown",
        "tls": "unknown",
        "bare": "pass",
    }


def test_what_each_product_is_told_of_a_binding_is_read_by_itself(tmp_path: Path) -> None:
    four_days_ago = f"{datetime.now(UTC) - timedelta(days=4):%Y-%m-%dT%H:%M:%SZ}"

    def given(name: str, kyverno: str, janitor: str) -> Json:
        made = binding("view", user(f"{name}@gmail.com"), name=name)
        labels, annotations = {"cleanup.kyverno.io/ttl": kyverno}, {"janitor/ttl": janitor}
        return {**made, "metadata": {**made["metadata"], "labels": labels, "annotations": annotations, "creationTimestamp": four_days_ago}}

    bindings = given("both", "5d", "5d"), given("either", "9d", "2d"), given("long", "9d", "9d"), given("one", "5d", "forever")
    rules = ("kubernetes.rbac.guest_access_expires", "kubernetes.rbac.temporary_bindings_removed")
    found = judged(tmp_path / "a", role("view", rule("get", "pods")), *bindings, rules=rules)
    told = {(rule, resource.split()[1].partition("#")[0]): verdict for (rule, resource), verdict in found.items()}
    guests = {"both": "unknown", "either": "unknown", "long": "fail", "one": "unknown"}  # nobody knows whether the products run
    removed = {"both": "pass", "either": "fail", "long": "pass", "one": "pass"}
    assert told == {
        **{("guest_access_expires", name): verdict for name, verdict in guests.items()},
        **{("temporary_bindings_removed", name): verdict for name, verdict in removed.items()},
    }
