"""Random clusters: few names, so that things meet, and the spellings that mean something else than they seem to."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Json = Any
SPACES = ["shop", "web", "kube-system"]
NAMES = ["a", "b", "system:masters", "cluster-admin", "view"]
GROUPS = ["", "apps", "rbac.authorization.k8s.io", "authentication.k8s.io", "*"]
RESOURCES = [
    "pods", "pods/exec", "pods/*", "*/exec", "*", "secrets", "serviceaccounts", "serviceaccounts/token", "deployments", "users", "groups",
    "clusterroles", "clusterrolebindings", "roles", "rolebindings", "nodes/proxy", "Pods",
]  # fmt: skip
VERBS = [
    "get", "list", "create", "update", "patch", "delete", "deletecollection", "*", "impersonate", "bind", "escalate", "Get",
    "impersonate:user-info", "impersonate-on:user-info:create", "impersonate-on:user-info:*",
]  # fmt: skip
URLS = ["/healthz", "/api/*", "*", "/metrics*", "/api"]
LABELS = ["x", "y"]
_names = st.sampled_from(NAMES)


def _some(values: list[str], most: int = 3, least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=most, unique=True)


@st.composite
def rules(draw: st.DrawFn) -> Json:
    """One rule: over resources, or over URLs."""
    if draw(st.integers(0, 7)) == 0:
        return {"verbs": draw(_some(["get", "*", "post"])), "nonResourceURLs": draw(_some(URLS))}
    made = {"verbs": draw(_some(VERBS)), "apiGroups": draw(_some(GROUPS, 2)), "resources": draw(_some(RESOURCES))}
    if draw(st.booleans()):
        made["resourceNames"] = draw(_some(NAMES, 2))
    return made


@st.composite
def _selectors(draw: st.DrawFn) -> Json:
    test = st.one_of(
        st.fixed_dictionaries({"key": st.sampled_from(LABELS), "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
        st.fixed_dictionaries(
            {"key": st.sampled_from(LABELS), "operator": st.sampled_from(["In", "NotIn"]), "values": _some(["true", "false"], 2)}
        ),
    )
    return draw(
        st.fixed_dictionaries(
            {},
            optional={
                "matchLabels": st.dictionaries(st.sampled_from(LABELS), st.sampled_from(["true", "false"]), max_size=2),
                "matchExpressions": st.lists(test, max_size=2),
            },
        )
    )


@st.composite
def roles(draw: st.DrawFn, name: str, namespace: str = "") -> Json:
    """A role of this name; a ClusterRole may be aggregated, with rules of its own that mean nothing."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    if draw(st.booleans()):
        metadata["labels"] = draw(st.dictionaries(st.sampled_from(LABELS), st.sampled_from(["true", "false"]), max_size=2))
    made = {"kind": "Role" if namespace else "ClusterRole", "metadata": metadata, "rules": draw(st.lists(rules(), max_size=3))}
    if not namespace and draw(st.integers(0, 3)) == 0:
        made["aggregationRule"] = {"clusterRoleSelectors": draw(st.lists(_selectors(), min_size=1, max_size=2))}
    return made


def subjects() -> st.SearchStrategy[Json]:
    """A binding's subject."""
    users = st.sampled_from(["u", "a", "system:anonymous", "system:serviceaccount:shop:a", "system:serviceaccount:shop", "system:node:n"])
    groups = st.sampled_from(
        [
            "team",
            "system:masters",
            "system:authenticated",
            "system:unauthenticated",
            "system:serviceaccounts",
            "system:serviceaccounts:shop",
        ]
    )
    return st.one_of(
        st.builds(lambda name: {"kind": "User", "name": name}, users),
        st.builds(lambda name: {"kind": "Group", "name": name}, groups),
        st.builds(lambda space, name: {"kind": "ServiceAccount", "name": name, "namespace": space}, st.sampled_from(SPACES), _names),
    )


@st.composite
def clusters(draw: st.DrawFn) -> list[Json]:
    """Roles, and bindings to them and to some that are not there."""
    wide = [draw(roles(name)) for name in draw(_some(["r1", "r2", "r3", "view-more"], 4))]
    local = [draw(roles("r1", space)) for space in draw(_some(SPACES, 2, 0))]
    bindings = []
    for number in range(draw(st.integers(1, 4))):
        space = draw(st.sampled_from(["", "", *SPACES]))
        kind = draw(st.sampled_from(["ClusterRole", "Role"])) if space else "ClusterRole"
        metadata = {"name": f"b{number}", **({"namespace": space} if space else {})}
        bindings.append(
            {
                "kind": "RoleBinding" if space else "ClusterRoleBinding",
                "metadata": metadata,
                "roleRef": {"kind": kind, "name": draw(st.sampled_from(["r1", "r2", "r3", "view-more", "none"]))},
                "subjects": draw(st.lists(subjects(), max_size=3)),
            }
        )
    return [*wide, *local, *bindings]


@st.composite
def requests(draw: st.DrawFn) -> dict[str, str]:
    """A request: of a URL, or of a resource with or without a subresource, name and namespace."""
    if draw(st.integers(0, 7)) == 0:
        return {
            "verb": draw(st.sampled_from(["get", "post"])),
            "path": draw(st.sampled_from(["/healthz", "/api", "/api/v1", "/metrics/x"])),
        }
    resource, _, sub = draw(st.sampled_from([each for each in RESOURCES if "*" not in each])).partition("/")
    return {
        "verb": draw(st.sampled_from([each for each in VERBS if each != "*"])),
        "group": draw(st.sampled_from(GROUPS[:-1])),
        "resource": resource,
        "subresource": sub,
        "name": draw(st.sampled_from(["", *NAMES])),
        "namespace": draw(st.sampled_from(["", *SPACES])),
    }
