"""What every API server makes by itself: the roles for users, and which role it binds to which of its own components.

The roles stand here because a binding in a file names them without bringing them; a cluster lists its own. Of the bindings only what is
bound to whom is said: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cnamm_scan.providers.kubernetes.policies.rbac.asking import Rule
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import (
    ACCOUNT,
    ACCOUNTS,
    AUTHENTICATED,
    GROUP,
    MASTERS,
    UNAUTHENTICATED,
    USER,
    Subject,
)

CONTROL_PLANE = "kube-system"
"""The namespace whose accounts run the control plane: whoever is all of them is the cluster's administrator."""

_READ, _WRITE = ("get", "list", "watch"), ("create", "delete", "deletecollection", "patch", "update")


def _rules(verbs: tuple[str, ...], kinds: Mapping[str, str]) -> tuple[Rule, ...]:
    return tuple(Rule(verbs, (group,), tuple(names.split())) for group, names in kinds.items())


_VIEW = _rules(
    _READ,
    {
        "": "bindings configmaps endpoints events limitranges namespaces namespaces/status persistentvolumeclaims"
        " persistentvolumeclaims/status pods pods/log pods/status replicationcontrollers replicationcontrollers/scale"
        " replicationcontrollers/status resourcequotas resourcequotas/status serviceaccounts services services/status",
        "apps": "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets"
        " replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
        "autoscaling": "horizontalpodautoscalers horizontalpodautoscalers/status",
        "batch": "cronjobs cronjobs/status jobs jobs/status",
        "discovery.k8s.io": "endpointslices",
        "networking.k8s.io": "ingresses ingresses/status networkpolicies",
        "policy": "poddisruptionbudgets poddisruptionbudgets/status",
    },
)
_EDIT = (
    *_VIEW,
    *_rules(_READ, {"": "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"}),
    *_rules(("impersonate",), {"": "serviceaccounts"}),
    *_rules(("create",), {"": "pods/eviction serviceaccounts/token"}),
    *_rules(
        _WRITE,
        {
            "": "configmaps events persistentvolumeclaims pods pods/attach pods/exec pods/portforward pods/proxy replicationcontrollers"
            " replicationcontrollers/scale secrets serviceaccounts services services/proxy",
            "apps": "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets"
            " statefulsets/scale",
            "autoscaling": "horizontalpodautoscalers",
            "batch": "cronjobs jobs",
            "coordination.k8s.io": "leases",
            "networking.k8s.io": "ingresses networkpolicies",
            "policy": "poddisruptionbudgets",
        },
    ),
)
_ADMIN = (
    *_EDIT,
    *_rules(("create",), {"authorization.k8s.io": "localsubjectaccessreviews"}),
    *_rules((*_READ, *_WRITE), {"rbac.authorization.k8s.io": "rolebindings roles"}),
)
EVERYTHING = (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",)))
ROLES: Mapping[str, tuple[Rule, ...]] = {"cluster-admin": EVERYTHING, "admin": _ADMIN, "edit": _EDIT, "view": _VIEW}
"""The roles for users -> their rules; whatever is aggregated into them comes on top."""
AGGREGATES: Mapping[str, Mapping[str, str]] = {
    name: {f"rbac.authorization.k8s.io/aggregate-to-{name}": "true"} for name in ("admin", "edit", "view")
}
"""Built-in role -> the labels of the roles that are aggregated into it."""


def _account(name: str) -> Subject:
    return Subject(ACCOUNT, name, CONTROL_PLANE)


_MANAGER, _SCHEDULER = Subject(USER, "system:kube-controller-manager"), Subject(USER, "system:kube-scheduler")
_EVERYBODY = (Subject(GROUP, AUTHENTICATED), Subject(GROUP, UNAUTHENTICATED))
_CLUSTER: Mapping[str, tuple[str, tuple[Subject, ...]]] = {
    "cluster-admin": ("cluster-admin", (Subject(GROUP, MASTERS),)),
    "system:basic-user": ("system:basic-user", _EVERYBODY[:1]),
    "system:discovery": ("system:discovery", _EVERYBODY[:1]),
    "system:public-info-viewer": ("system:public-info-viewer", _EVERYBODY),
    "system:kube-controller-manager": ("system:kube-controller-manager", (_MANAGER,)),
    "system:kube-scheduler": ("system:kube-scheduler", (_SCHEDULER,)),
    "system:volume-scheduler": ("system:volume-scheduler", (_SCHEDULER,)),
    "system:kube-dns": ("system:kube-dns", (_account("kube-dns"),)),
    "system:node": ("system:node", ()),
    "system:node-proxier": ("system:node-proxier", (Subject(USER, "system:kube-proxy"),)),
    "system:monitoring": ("system:monitoring", (Subject(GROUP, "system:monitoring"),)),
    "system:service-account-issuer-discovery": ("system:service-account-issuer-discovery", (Subject(GROUP, ACCOUNTS),)),
}
_NAMESPACED: Mapping[tuple[str, str], tuple[str, tuple[Subject, ...]]] = {
    (CONTROL_PLANE, "system::extension-apiserver-authentication-reader"): (
        "extension-apiserver-authentication-reader",
        (_MANAGER, _SCHEDULER),
    ),
    (CONTROL_PLANE, "system::leader-locking-kube-controller-manager"): (
        "system::leader-locking-kube-controller-manager",
        (_MANAGER, _account("kube-controller-manager"), _account("leader-election-controller")),
    ),
    (CONTROL_PLANE, "system::leader-locking-kube-scheduler"): (
        "system::leader-locking-kube-scheduler",
        (_SCHEDULER, _account("kube-scheduler")),
    ),
    **{
        (place, f"system:controller:{name}"): (f"system:controller:{name}", (_account(name),))
        for place, name in (
            ("kube-public", "bootstrap-signer"),
            (CONTROL_PLANE, "bootstrap-signer"),
            (CONTROL_PLANE, "cloud-provider"),
            (CONTROL_PLANE, "token-cleaner"),
        )
    },
}
_CONTROLLER = "system:controller:"


def is_shipped(namespace: str, name: str, role_kind: str, role: str, subjects: Iterable[Subject]) -> bool:
    """Whether a binding of this name binds what the API server binds by itself, to its own component and to nobody else.

    `namespace` is empty for a ClusterRoleBinding. Says nothing of what the role holds by now.
    """
    if not namespace and name.startswith(_CONTROLLER):
        wanted: tuple[str, tuple[Subject, ...]] | None = (name, (_account(name.removeprefix(_CONTROLLER)),))
    else:
        wanted = _NAMESPACED.get((namespace, name)) if namespace else _CLUSTER.get(name)
    if wanted is None or (role_kind, role) != ("Role" if namespace else "ClusterRole", wanted[0]):
        return False
    return set(subjects) <= set(wanted[1])
