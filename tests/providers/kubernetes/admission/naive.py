"""A second evaluator, written from the documentation for whole requests alone: two-valued, without any of the first one's parts."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Json = Any
Pod = Mapping[str, Json]


def containers(pod: Pod) -> list[Json]:
    """All containers of a pod."""
    return [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]


def is_privileged(pod: Pod, *, every: bool = True) -> bool:
    """Whether a container is privileged; init containers are left out unless `every`."""
    looked = containers(pod) if every else pod["spec"]["containers"]
    return any(each.get("securityContext", {}).get("privileged") for each in looked)


def takes_the_host(pod: Pod) -> bool:
    """Whether it shares a namespace of the node."""
    return any(pod["spec"].get(each) for each in ("hostNetwork", "hostPID", "hostIPC"))


def mounts_the_host(pod: Pod) -> bool:
    """Whether a folder of the node is a volume."""
    return any("hostPath" in each for each in pod["spec"].get("volumes", []))


def escalates(pod: Pod) -> bool:
    """Whether a container does not forbid escalation."""
    return any(each.get("securityContext", {}).get("allowPrivilegeEscalation") is not False for each in containers(pod))


def has_no_team(pod: Pod) -> bool:
    """Whether it lacks a label."""
    return "team" not in pod["metadata"].get("labels", {})


def by_ci(user: Mapping[str, Json]) -> bool:
    """Whether a robot asks."""
    return bool(user["username"] == "ci")


# ---- the API server's own ------------------------------------------------------------------------------------------------

Refuses = Callable[[Pod], bool]
CEL: Mapping[str, tuple[str, Refuses]] = {
    "privileged": (
        "(object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []))"
        ".all(c, !has(c.securityContext) || !has(c.securityContext.privileged) || !c.securityContext.privileged)",
        is_privileged,
    ),
    "privileged, optional": (
        "(object.spec.containers + object.spec.?initContainers.orValue([])).all(c, c.?securityContext.?privileged.orValue(false) == false)",
        is_privileged,
    ),
    "privileged, one by one": (
        "!object.spec.containers.exists(c, has(c.securityContext) && has(c.securityContext.privileged)"
        " && c.securityContext.privileged == true)",
        lambda pod: is_privileged(pod, every=False),
    ),
    "host": (
        "!(has(object.spec.hostNetwork) && object.spec.hostNetwork) && !(has(object.spec.hostPID) && object.spec.hostPID)"
        " && object.spec.?hostIPC.orValue(false) != true",
        takes_the_host,
    ),
    "host path": ("!has(object.spec.volumes) || object.spec.volumes.filter(v, has(v.hostPath)).size() == 0", mounts_the_host),
    "team": ("has(object.metadata.labels) && 'team' in object.metadata.labels", has_no_team),
    "everything": ("false", lambda pod: True),
    "nothing": ("size(object.spec.containers) > 0", lambda pod: False),
}
CONDITIONS: Mapping[str, tuple[str, Callable[[Pod, Mapping[str, Json]], bool]]] = {
    "not for ci": ("request.userInfo.username != 'ci'", lambda pod, user: not by_ci(user)),
    "not for kubelets": ("!('system:nodes' in request.userInfo.groups)", lambda pod, user: "system:nodes" not in user["groups"]),
    "labelled": (
        "has(object.metadata.labels) && object.metadata.labels.exists(k, k == 'check')",
        lambda pod, user: "check" in pod["metadata"].get("labels", {}),
    ),
    "always": ("true", lambda pod, user: True),
}


def selected(selector: Json, labels: Mapping[str, str]) -> bool:
    """Label selectors."""
    if not selector:
        return True
    for name, value in selector.get("matchLabels", {}).items():
        if labels.get(name) != value:
            return False
    for each in selector.get("matchExpressions", []):
        there, value = each["key"] in labels, labels.get(each["key"])
        wanted = {
            "In": there and value in each.get("values", []),
            "NotIn": not (there and value in each.get("values", [])),
            "Exists": there,
            "DoesNotExist": not there,
        }[each["operator"]]
        if not wanted:
            return False
    return True


def in_rule(rule: Json, pod: Pod, operation: str) -> bool:
    """One rule of resources, of a pod that is made or changed."""
    return (
        bool({"*", operation} & set(rule["operations"]))
        and bool({"*", ""} & set(rule["apiGroups"]))
        and bool({"*", "v1"} & set(rule["apiVersions"]))
        and bool({"*", "*/*", "pods"} & set(rule["resources"]))
        and rule.get("scope", "*") in ("*", "Namespaced")
        and (not rule.get("resourceNames") or pod["metadata"]["name"] in rule["resourceNames"])
    )


def in_match(match: Json, pod: Pod, space: Mapping[str, str], operation: str) -> bool:
    """matchConstraints or matchResources."""
    if any(in_rule(rule, pod, operation) for rule in match.get("excludeResourceRules", [])):
        return False
    if match.get("resourceRules") and not any(in_rule(rule, pod, operation) for rule in match["resourceRules"]):
        return False
    return selected(match.get("namespaceSelector"), space) and selected(match.get("objectSelector"), pod["metadata"].get("labels", {}))


def bound_refuses(case: Json, pod: Pod, space: Mapping[str, str], user: Mapping[str, Json], operation: str = "CREATE") -> bool:
    """Whether a policy with a binding refuses."""
    policy, binding = case["policy"], case["binding"]
    if "Deny" not in binding["validationActions"]:
        return False
    if not in_match(policy["matchConstraints"], pod, space, operation) or not in_match(
        binding.get("matchResources", {}), pod, space, operation
    ):
        return False
    if not all(CONDITIONS[each][1](pod, user) for each in case["conditions"]):
        return False
    return any(CEL[each][1](pod) for each in case["bodies"])


# ---- Kyverno and Gatekeeper ----------------------------------------------------------------------------------------------

_SAFE = {"=(securityContext)": {"=(privileged)": "false"}}
PATTERNS: Mapping[str, tuple[Json, Refuses]] = {
    "privileged": ({"pattern": {"spec": {"=(initContainers)": [_SAFE], "containers": [_SAFE]}}}, is_privileged),
    "first kind only": ({"pattern": {"spec": {"containers": [_SAFE]}}}, lambda pod: is_privileged(pod, every=False)),
    "host": ({"pattern": {"spec": {"=(hostNetwork)": "false", "=(hostPID)": False, "=(hostIPC)": "false"}}}, takes_the_host),
    "host path": ({"pattern": {"spec": {"=(volumes)": [{"X(hostPath)": "null"}]}}}, mounts_the_host),
    "escalation": (
        {
            "pattern": {
                "spec": {key: [{"securityContext": {"allowPrivilegeEscalation": "false"}}] for key in ("=(initContainers)", "containers")}
            }
        },
        escalates,
    ),
    "denied": (
        {
            "deny": {
                "conditions": {
                    "any": [
                        {
                            "key": "{{ request.object.spec.[initContainers, containers][].securityContext.privileged }}",
                            "operator": "AnyIn",
                            "value": [True],
                        }
                    ]
                }
            }
        },
        is_privileged,
    ),
    "team": ({"pattern": {"metadata": {"labels": {"team": "?*"}}}}, has_no_team),
    "everything": ({"deny": {}}, lambda pod: True),
}


def fits(patterns: Sequence[str], text: str) -> bool:
    """Wildcards."""
    return any(fnmatch.fnmatchcase(text, each) for each in patterns)


def in_filter(block: Json, pod: Pod, name: str, space: Mapping[str, str], user: Mapping[str, Json], operation: str) -> bool:
    """One filter of a match or exclude of Kyverno."""
    what = block.get("resources", {})
    if not what and not block.get("subjects"):
        return False
    if "kinds" in what and not {"*", "Pod", "v1/Pod", "*/Pod", "P*", "*/*"} & set(what["kinds"]):
        return False
    if "names" in what and not fits(what["names"], pod["metadata"]["name"]):
        return False
    if "namespaces" in what and not fits(what["namespaces"], name):
        return False
    if "operations" in what and operation not in what["operations"]:
        return False
    if not selected(what.get("selector"), pod["metadata"].get("labels", {})) or not selected(what.get("namespaceSelector"), space):
        return False
    subjects = block.get("subjects")
    return not subjects or any(
        each["name"] == user["username"] if each["kind"] == "User" else each["name"] in user["groups"] for each in subjects
    )


def in_block(block: Json, *asked: Any) -> bool:
    """A match or exclude."""
    if block.get("any"):
        return any(in_filter(each, *asked) for each in block["any"])
    return bool(block.get("all")) and all(in_filter(each, *asked) for each in block["all"])


def rule_refuses(case: Json, pod: Pod, name: str, space: Mapping[str, str], user: Mapping[str, Json], operation: str = "CREATE") -> bool:
    """Whether a rule of Kyverno refuses."""
    action = case["action"]
    for each in case["overrides"]:
        if fits(each["namespaces"], name):
            action = each["action"]
            break
    asked = (pod, name, space, user, operation)
    if action.lower() != "enforce" or not in_block(case["match"], *asked) or in_block(case["exclude"], *asked):
        return False
    return PATTERNS[case["body"]][1](pod)


TEMPLATES: Mapping[str, tuple[Json, Refuses]] = {
    "K8sPSPPrivilegedContainer": ({}, is_privileged),
    "K8sPSPHostNamespace": ({}, lambda pod: any(pod["spec"].get(each) for each in ("hostPID", "hostIPC"))),
    "K8sPSPHostFilesystem": ({}, mounts_the_host),
    "K8sPSPAllowPrivilegeEscalationContainer": ({}, escalates),
}


def globbed(pattern: str, text: str) -> bool:
    """Gatekeeper's: a star in front or behind."""
    if pattern.startswith("*"):
        return text.endswith(pattern[1:])
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == text


def constraint_refuses(case: Json, pod: Pod, name: str, space: Mapping[str, str]) -> bool:
    """Whether a constraint refuses."""
    match = case["spec"].get("match", {})
    if case["spec"].get("enforcementAction", "deny") != "deny":
        return False
    if match.get("kinds") and not any(
        {"Pod", "*"} & set(each["kinds"]) and {"", "*"} & set(each.get("apiGroups", ["*"])) for each in match["kinds"]
    ):
        return False
    if match.get("namespaces") and not any(globbed(each, name) for each in match["namespaces"]):
        return False
    if any(globbed(each, name) for each in match.get("excludedNamespaces", [])):
        return False
    if match.get("scope") == "Cluster":
        return False
    if not selected(match.get("labelSelector"), pod["metadata"].get("labels", {})) or not selected(match.get("namespaceSelector"), space):
        return False
    return TEMPLATES[case["kind"]][1](pod)
