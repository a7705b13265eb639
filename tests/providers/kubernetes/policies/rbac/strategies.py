"""Random clusters: few names, so that things meet, and the spellings that mean something else than they seem to.

Drawn by a seed: hypothesis' own draws keep to the small, where nobody is bound to anything and every answer is no.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import strategies as st

Json = Any
SPACES = ["shop", "web", "kube-system"]
NAMES = ["a", "b", "system:masters", "cluster-admin", "view"]
GROUPS = ["", "", "apps", "rbac.authorization.k8s.io", "authentication.k8s.io", "*"]
RESOURCES = [
    "pods", "pods/exec", "pods/*", "*/exec", "*", "secrets", "serviceaccounts", "serviceaccounts/token", "deployments", "users", "groups",
    "clusterroles", "clusterrolebindings", "roles", "rolebindings", "nodes/proxy", "Pods",
]  # fmt: skip
VERBS = [
    "get", "list", "create", "update", "patch", "delete", "deletecollection", "*", "impersonate", "bind", "escalate", "Get",
    "impersonate:user-info", "impersonate-on:user-info:create", "impersonate-on:user-info:*",
]  # fmt: skip
URLS = ["/healthz", "/api/*", "*", "/metrics**", "/api"]
LABELS = ["x", "y"]
USERS = ["u", "u", "a", "system:anonymous", "system:serviceaccount:shop:a", "system:serviceaccount:shop", "system:node:n"]
TEAMS = ["team", "team", "system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:serviceaccounts:shop"]


def _some(chance: Random, values: Sequence[str], most: int = 3, least: int = 1) -> list[str]:
    return list(dict.fromkeys(chance.choices(values, k=chance.randint(least, most))))


def one_rule(chance: Random) -> Json:
    """A rule: over resources, or over URLs."""
    if chance.random() < 0.12:
        return {"verbs": _some(chance, ["get", "*", "post"]), "nonResourceURLs": _some(chance, URLS)}
    made = {"verbs": _some(chance, VERBS), "apiGroups": _some(chance, GROUPS, 2), "resources": _some(chance, RESOURCES)}
    if chance.random() < 0.4:
        made["resourceNames"] = _some(chance, [*NAMES, ""], 2)
    return made


def _selector(chance: Random) -> Json:
    made: Json = {}
    if chance.random() < 0.6:
        made["matchLabels"] = _labels(chance)
    if chance.random() < 0.6:
        operator = chance.choice(["Exists", "DoesNotExist", "In", "NotIn"])
        values = {"values": _some(chance, ["true", "false"], 2)} if operator in ("In", "NotIn") else {}
        made["matchExpressions"] = [{"key": chance.choice(LABELS), "operator": operator, **values}]
    return made


def _labels(chance: Random) -> dict[str, str]:
    return {key: chance.choice(["true", "false"]) for key in LABELS if chance.random() < 0.5}


def _role(chance: Random, name: str, namespace: str = "") -> Json:
    metadata = {"name": name, "labels": _labels(chance), **({"namespace": namespace} if namespace else {})}
    rules = [one_rule(chance) for _ in range(chance.randint(1, 4))]
    made = {"kind": "Role" if namespace else "ClusterRole", "metadata": metadata, "rules": rules}
    if not namespace and chance.random() < 0.3:
        made["aggregationRule"] = {"clusterRoleSelectors": [_selector(chance) for _ in range(chance.randint(1, 2))]}
    return made


def _subject(chance: Random) -> Json:
    kind = chance.choice(["User", "Group", "ServiceAccount"])
    if kind == "ServiceAccount":
        return {"kind": kind, "name": chance.choice(NAMES[:2]), "namespace": chance.choice(SPACES)}
    return {"kind": kind, "name": chance.choice(USERS if kind == "User" else TEAMS)}


def one_cluster(chance: Random) -> list[Json]:
    """Roles, and bindings to them and to some that are not there."""
    wide = [_role(chance, name) for name in _some(chance, ["r1", "r2", "r3", "view-more"], 6)]
    local = [_role(chance, "r1", space) for space in _some(chance, SPACES, 3, 0)]
    bindings = []
    for number in range(chance.randint(4, 9)):
        space = chance.choice(["", *SPACES])
        kind = chance.choice(["ClusterRole", "Role"]) if space else "ClusterRole"
        name = chance.choice(["r1", "r1", "none"] if kind == "Role" else ["r1", "r2", "r3", "view-more", "none"])
        bindings.append(
            {
                "kind": "RoleBinding" if space else "ClusterRoleBinding",
                "metadata": {"name": f"b{number}", **({"namespace": space} if space else {})},
                "roleRef": {"kind": kind, "name": name},
                "subjects": [_subject(chance) for _ in range(chance.randint(1, 5))],
            }
        )
    return [*wide, *local, *bindings]


def one_request(chance: Random, objects: Sequence[Json]) -> dict[str, str]:
    """A request: as one of the rules there admits it, but for what chance changes."""
    rules = [rule for each in objects if "roleRef" not in each for rule in each["rules"]] or [one_rule(chance)]
    rule = chance.choice(rules)
    verb = chance.choice(rule["verbs"]) if chance.random() < 0.9 else chance.choice(VERBS)
    verb = verb if verb != "*" else "get"
    if "nonResourceURLs" in rule:
        return {"verb": verb, "path": chance.choice(["/healthz", "/api", "/api/v1", "/metrics/x", "/"])}
    resource = chance.choice(rule["resources"] if chance.random() < 0.9 else RESOURCES)
    resource = {"*": "pods", "*/exec": "pods/exec", "pods/*": chance.choice(["pods/exec", "pods"])}.get(resource, resource)
    group = chance.choice(rule["apiGroups"] if chance.random() < 0.9 else GROUPS)
    name = chance.choice([*rule.get("resourceNames", []), "", *NAMES[:2]])
    return {
        "verb": verb,
        "group": group if group != "*" else "apps",
        "resource": resource.partition("/")[0],
        "subresource": resource.partition("/")[2],
        "name": name,
        "namespace": chance.choice(["", *SPACES]),
    }


def _chances() -> st.SearchStrategy[Random]:
    return st.integers(0, 10**12).map(Random)


def clusters() -> st.SearchStrategy[list[Json]]:
    """Clusters."""
    return _chances().map(one_cluster)


def rules() -> st.SearchStrategy[Json]:
    """Rules."""
    return _chances().map(one_rule)


@st.composite
def asked_clusters(draw: st.DrawFn, requests: int = 40) -> tuple[list[Json], list[dict[str, str]]]:
    """A cluster, and requests that are close to what its rules say."""
    chance = draw(_chances())
    objects = one_cluster(chance)
    return objects, [one_request(chance, objects) for _ in range(requests)]
