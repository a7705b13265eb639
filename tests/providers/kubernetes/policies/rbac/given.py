"""Roles and bindings as one would write them, and the cluster that they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnamm_scan.providers.kubernetes.policies.rbac import reading
from cnamm_scan.providers.kubernetes.policies.rbac.cluster import Binding, Cluster, Features, Role, Sight
from cnamm_scan.providers.kubernetes.policies.rbac.raising import Climb, Outcome
from cnamm_scan.providers.kubernetes.policies.rbac.rights import RoleName
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import Subject

Json = Any
GROUP = "rbac.authorization.k8s.io"
WHOLE, DARK = Sight(), Sight(False, False, False, False)
PLAIN = Features()
ASKER = Subject("User", "u")


def rule(verbs: str, resources: str, group: str = "", names: str = "") -> Json:
    """One rule, its lists written with spaces; `core` in a list of groups is the core group."""
    made = {"apiGroups": ["" if each == "core" else each for each in group.split()] or [""]}
    made |= {"verbs": verbs.split(), "resources": resources.split()}
    return made | ({"resourceNames": names.split()} if names else {})


def role(name: str, *rules: Json, namespace: str = "", labels: Mapping[str, str] | None = None, **more: Any) -> Json:
    """A ClusterRole, or in a namespace a Role."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **({"labels": labels} if labels else {})}
    return {"kind": "Role" if namespace else "ClusterRole", "metadata": metadata, "rules": list(rules), **more}


def binding(role_name: str, *subjects: Json, namespace: str = "", name: str = "", kind: str = "ClusterRole") -> Json:
    """A ClusterRoleBinding, or in a namespace a RoleBinding."""
    metadata = {"name": name or f"{role_name}-b", **({"namespace": namespace} if namespace else {})}
    reference = {"apiGroup": GROUP, "kind": kind, "name": role_name}
    return {
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": reference,
        "subjects": list(subjects),
    }


def user(name: str) -> Json:
    """A user as a binding's subject."""
    return {"kind": "User", "name": name, "apiGroup": GROUP}


def group(name: str) -> Json:
    """A group as a binding's subject."""
    return {"kind": "Group", "name": name, "apiGroup": GROUP}


def account(namespace: str, name: str) -> Json:
    """A service account as a binding's subject."""
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


U = user("u")


def cluster(objects: Iterable[Json], sight: Sight = WHOLE, features: Features = PLAIN, is_served: bool = False) -> Cluster:
    """The cluster of some roles and bindings."""
    roles, bindings = [], []
    for each in objects:
        place = each["metadata"].get("namespace", "")
        name = each["metadata"]["name"]
        if "roleRef" in each:
            found = reading.subjects(each.get("subjects", []), place)
            bindings.append(Binding(place, name, each["roleRef"]["kind"], each["roleRef"]["name"], found))
            continue
        kept = RoleName(each["kind"], name, place)
        labels, selectors = each["metadata"].get("labels", {}), reading.selectors(each.get("aggregationRule"))
        roles.append(Role(kept, reading.rules(each.get("rules")), labels, selectors, is_served))
    return Cluster(roles, bindings, sight, features)


def outcome(*objects: Json, of: Subject = ASKER, **how: Any) -> Outcome:
    """What a subject, the user `u` unless told otherwise, can come to."""
    return Climb(cluster(objects, **how)).of(of)


def wide(*rules: Json, features: Features = PLAIN, sight: Sight = WHOLE) -> Outcome:
    """What `u` can come to with these rules in the whole cluster."""
    return outcome(role("r", *rules), binding("r", U), features=features, sight=sight)


def within(*rules: Json, namespace: str = "shop", features: Features = PLAIN) -> Outcome:
    """What `u` can come to with these rules in one namespace."""
    return outcome(role("r", *rules, namespace=namespace), binding("r", U, namespace=namespace, kind="Role"), features=features)
