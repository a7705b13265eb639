"""A second SubjectAccessReview, written plainly from the documentation over the objects as they are: slow, and of nothing else's make.

From https://kubernetes.io/docs/reference/access-authn-authz/rbac/ (roles, bindings, resource names, aggregation, default groups).
"""

from __future__ import annotations

from typing import Any

Json = Any


def review(objects: list[Json], user: str, groups: list[str], request: dict[str, str]) -> bool:
    """Whether a user in these groups may make a request of verb, group, resource, subresource, name, namespace; or of verb and path."""
    if "system:masters" in groups:
        return True
    return any(_binding_grants(objects, each, user, groups, request) for each in objects if each["kind"].endswith("Binding"))


def identity(subject: Json) -> tuple[str, list[str]]:
    """The user and the groups that a subject of a binding stands for."""
    if subject["kind"] == "ServiceAccount":
        space, name = subject["namespace"], subject["name"]
        return f"system:serviceaccount:{space}:{name}", [
            "system:serviceaccounts",
            f"system:serviceaccounts:{space}",
            "system:authenticated",
        ]
    if subject["kind"] == "User":
        is_nobody = subject["name"] == "system:anonymous"
        return subject["name"], ["system:unauthenticated" if is_nobody else "system:authenticated"]
    if subject["name"] == "system:unauthenticated":
        return "system:anonymous", ["system:unauthenticated"]
    more = ["system:serviceaccounts"] if subject["name"].startswith("system:serviceaccounts:") else []
    return "some member", [subject["name"], *more, "system:authenticated"]


def _binding_grants(objects: list[Json], binding: Json, user: str, groups: list[str], request: dict[str, str]) -> bool:
    space = binding["metadata"].get("namespace")
    if binding["kind"] == "RoleBinding" and (request.get("path") or request.get("namespace") != space):
        return False  # a RoleBinding grants nothing outside its namespace, and nothing that has none
    for subject in binding["subjects"]:
        if subject["kind"] == "User":
            named = subject["name"] == user
        elif subject["kind"] == "Group":
            named = subject["name"] in groups
        else:
            named = user == "system:serviceaccount:" + (subject.get("namespace") or space or "") + ":" + subject["name"]
        if named:
            break
    else:
        return False
    wanted = binding["roleRef"]
    for role in objects:
        if role["kind"] != wanted["kind"] or role["metadata"]["name"] != wanted["name"]:
            continue
        if role["kind"] == "Role" and role["metadata"]["namespace"] != space:
            continue
        return any(_rule_allows(rule, request) for rule in _all_rules(objects, role, []))
    return False


def _all_rules(objects: list[Json], role: Json, seen: list[str]) -> list[Json]:
    if "aggregationRule" not in role:
        return list(role["rules"])
    rules = []
    for other in objects:
        name = other["metadata"]["name"]
        if other["kind"] != "ClusterRole" or other is role or name in seen:
            continue
        selectors = role["aggregationRule"]["clusterRoleSelectors"]
        if any(_selected(selector, other["metadata"].get("labels", {})) for selector in selectors):
            rules += _all_rules(objects, other, [*seen, role["metadata"]["name"]])
    return rules


def _selected(selector: Json, labels: dict[str, str]) -> bool:
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for test in selector.get("matchExpressions", []):
        key, operator = test["key"], test["operator"]
        if operator == "Exists" and key not in labels:
            return False
        if operator == "DoesNotExist" and key in labels:
            return False
        if operator == "In" and (key not in labels or labels[key] not in test["values"]):
            return False
        if operator == "NotIn" and key in labels and labels[key] in test["values"]:
            return False
    return True


def _rule_allows(rule: Json, request: dict[str, str]) -> bool:
    verbs = rule["verbs"]
    if "*" not in verbs and request["verb"] not in verbs:
        return False
    if request.get("path"):
        for url in rule.get("nonResourceURLs", []):
            if url == request["path"] or url == "*" or (url[-1:] == "*" and request["path"].startswith(url.rstrip("*"))):
                return True
        return False
    groups, resources = rule.get("apiGroups", []), rule.get("resources", [])
    if "*" not in groups and request["group"] not in groups:
        return False
    sub = request.get("subresource", "")
    spelled = ["*", request["resource"] + ("/" + sub if sub else "")] + (["*/" + sub] if sub else [])
    if not any(each in resources for each in spelled):
        return False
    if rule.get("resourceNames"):
        if request["verb"] in ("create", "deletecollection") and not sub:
            return "" in rule["resourceNames"]  # no name is known when such a request is authorised
        return request.get("name", "") in rule["resourceNames"]
    return True
