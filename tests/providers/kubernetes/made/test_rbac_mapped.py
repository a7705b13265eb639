"""Roles and users of AWS that aws-auth maps: what they hold by the names that they come as, and when that is known."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.kubernetes.made import rbac_room as room
from tests.providers.kubernetes.made.given import made_by, tables
from tests.providers.kubernetes.policies.rbac.given import binding, group, role, rule, user

Json = Any
ARN = "arn:aws:iam::111122223333:role/"
SERVER = "https://ABC.gr7.eu-central-1.eks.amazonaws.com"
ADMINS = [role("cluster-admin", rule("*", "*", group="*")), binding("cluster-admin", group("platform"), name="platform")]


def cluster(*objects: Json, maps: Json, mode: str | None = "API_AND_CONFIG_MAP", managed_by: str = "eks", **how: Any) -> Json:
    """A cluster where each `name: (user, groups)` of `maps` is a role of AWS; `mode` is what EKS says, None where it was not asked."""
    rows = {
        name: {
            "part": f"mapRoles[{name}]",
            "kind": "role",
            "principal": said and ARN + name,
            "username": said and said[0],
            "groups": said and said[1],
        }
        for name, said in maps.items()
    }
    clusters = {} if mode is None else {"c": {"endpoint": SERVER, "sign_in": mode}}
    shop = {"minor": 36, "managed_by": managed_by, "git_version": "v1.36.1", "server": SERVER}
    return tables(objects, **{room.MAPPING: rows, room.EKS_CLUSTER: clusters, room.CLUSTER: {"shop": shop}, **how})


def subject(given: Json, name: str) -> dict[str, Any]:
    return made_by("rbac_subjects", given)[f"IAM {ARN}{name}"]


def test_who_comes_as_a_master_holds_everything_past_all_bindings() -> None:
    found = subject(cluster(maps={"admin": ("admin", ["system:masters"])}), "admin")
    assert (found["holds_everything"], found["becomes_administrator"], found["is_shipped"], found["reach"]) == (
        True,
        True,
        False,
        "administrator",
    )


def test_all_groups_of_one_identity_and_its_user_are_joined() -> None:
    given = [role("a", rule("create", "pods")), role("b", rule("list", "secrets")), role("c", rule("create", "serviceaccounts/token"))]
    given += [binding("a", group("a")), binding("b", group("b")), binding("c", user("c"))]
    found = subject(cluster(*given, maps={"x": ("c", ["a", "b"]), "y": ("", ["a"])}), "x")
    assert (found["makes_pods"], found["reads_secrets"], found["makes_tokens"]) == (True, True, True)


@pytest.mark.parametrize(
    ("mode", "managed_by", "holds"),
    [("CONFIG_MAP", "eks", True), ("API_AND_CONFIG_MAP", "eks", True), (None, "eks", None), ("API", "eks", "nobody"), ("", "eks", None),
     (None, "", None), (None, "gke", "nobody")],
)  # fmt: skip
def test_a_mapping_holds_where_the_cluster_is_known_to_read_it(mode: str | None, managed_by: str, holds: Json) -> None:
    given = cluster(maps={"admin": ("", ["system:masters"]), "idle": ("", [])}, mode=mode, managed_by=managed_by)
    found = made_by("rbac_subjects", given)
    if holds == "nobody":
        assert not [name for name in found if name.startswith("IAM")]
        return
    assert found[f"IAM {ARN}admin"]["becomes_administrator"] is holds
    assert found[f"IAM {ARN}idle"]["becomes_administrator"] is False, "who holds nothing if it is read holds nothing if it is not"


def test_the_mode_is_that_of_the_cluster_at_the_same_address() -> None:
    given = cluster(maps={"admin": ("", ["system:masters"])}) | {room.EKS_CLUSTER: {"d": {"endpoint": "https://XYZ", "sign_in": "API"}}}
    assert subject(given, "admin")["becomes_administrator"] is None


def test_a_session_s_name_is_chosen_by_whoever_takes_the_role() -> None:
    given = [*ADMINS, binding("cluster-admin", user("dev-pat"), name="pat"), binding("cluster-admin", user("ops/lee"), name="lee")]
    maps = {
        "dev": ("dev-{{SessionName}}", []),
        "ops": ("ops-{{SessionName}}", []),
        "any": ("", ["{{SessionName}}"]),
        "me": ("{{AccountID}}", []),
    }
    made = cluster(*given, binding("cluster-admin", user("111122223333"), name="me"), maps=maps)
    assert {name: subject(made, name)["holds_everything"] for name in maps} == {"dev": True, "ops": False, "any": True, "me": True}


def test_a_node_s_role_is_a_part_of_the_cluster() -> None:
    maps = {"node": ("system:node:{{EC2PrivateDNSName}}", ["system:bootstrappers", "system:nodes"]), "dev": ("dev", ["dev"])}
    assert [subject(cluster(maps=maps), name)["is_component"] for name in maps] == [True, False]


def test_an_entry_that_cannot_be_read_may_be_anybody() -> None:
    given = cluster(maps={"0": None})
    found = made_by("rbac_subjects", given)["IAM mapRoles[0]"]
    assert (found.get("becomes_administrator"), found["is_shipped"], found["ways"]) == (None, False, "unknown")
    assert made_by("rbac_administrators", cluster(maps={"0": None}, managed_by=""))["shop"]["at_most"] is None


def test_a_group_counts_as_one_however_many_identities_are_in_it_and_a_master_by_himself() -> None:
    maps = {"a": ("", ["platform"]), "b": ("", ["platform"]), "c": ("", ["system:masters"]), "d": ("", ["dev"])}
    found = made_by("rbac_administrators", cluster(*ADMINS, maps=maps))["shop"]
    assert found == {"at_least": 2, "at_most": None, "names": ["Group platform", f"IAM {ARN}c"]}
    assert made_by("rbac_administrators", cluster(*ADMINS, maps=maps, mode=None))["shop"]["names"] == ["Group platform"]


@pytest.mark.parametrize(("mode", "way"), [("CONFIG_MAP", True), ("API", False), (None, None)])
def test_who_writes_the_config_map_lets_himself_in_where_it_is_read(mode: str | None, way: bool | None) -> None:
    given = [
        role("w", rule("update", "configmaps"), namespace="kube-system"),
        binding("w", user("w"), namespace="kube-system", kind="Role"),
    ]
    assert made_by("rbac_subjects", cluster(*given, maps={}, mode=mode))["User w"]["becomes_administrator"] is way


@pytest.mark.parametrize("kind", ["eks", "gke", "aks"])
def test_on_every_managed_cluster_somebody_may_be_let_in_by_the_cloud_and_nobody_is_never_certain(kind: str) -> None:
    found = made_by("rbac_subjects", cluster(maps={}, managed_by=kind))[f"Cloud {kind}"]
    assert {name for name, value in found.items() if value is True} == set()
    assert found["ways"] == "unknown"
    assert "becomes_administrator" not in found
    assert made_by("rbac_administrators", cluster(maps={}, managed_by=kind))["shop"]["at_most"] is None


@pytest.mark.parametrize(
    ("version", "labels", "kind"),
    [
        ("v1.33.1-aliyun.1", {}, "ack"),
        ("v1.33.1+IKS", {}, "iks"),
        ("v1.33.1", {"doks.digitalocean.com/node-pool": "a"}, "doks"),
        ("v1.33.1", {"kubernetes.azure.com/cluster": "a"}, "aks"),
        ("v1.33.1", {"eks.amazonaws.com/nodegroup": "a"}, "eks"),
        ("v1.33.1", {"node-role.kubernetes.io/control-plane": ""}, ""),
    ],
)
def test_a_cloud_is_told_by_the_version_or_by_the_nodes_and_may_be_there_where_these_were_not_seen(
    version: str, labels: Json, kind: str
) -> None:
    server = {"minor": 33, "managed_by": "", "git_version": version}
    given = tables([]) | {room.CLUSTER: {"shop": server}, room.NODE: {"n": {"labels": labels}}}
    assert list(made_by("rbac_subjects", given)) == ([f"Cloud {kind}"] if kind else [])
    given[room.NODE] = {}
    expected = kind if "-" in version or "+" in version else "unknown"
    assert list(made_by("rbac_subjects", given, missing={room.NODE: "denied"})) == [f"Cloud {expected}"]


def test_one_identity_among_roles_and_users_is_two_rows() -> None:
    given = cluster(maps={"a": ("", ["a"]), "b": ("", ["b"])})
    for row in given[room.MAPPING].values():
        row["principal"] = ARN + "a"
    found = [name for name in made_by("rbac_subjects", given) if name.startswith("IAM")]
    assert found == [f"IAM {ARN}a", f"IAM {ARN}a (mapRoles[b])"]
