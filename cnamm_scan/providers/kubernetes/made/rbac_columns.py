"""What the columns of bindings, roles and subjects mean, and how content calls the functions that make them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cnamm_scan.model import Column
from cnamm_scan.providers.interface import Maker
from cnamm_scan.providers.makers import later

_ROLE: Mapping[str, Column] = {
    "role_kind": Column("text", about="Role or ClusterRole."),
    "role_name": Column("text"),
}
_HELD: Mapping[str, Column] = {
    "created_at": Column("timestamp"),
    "managers": Column("list", about="Who has written fields of the binding."),
    "is_builtin": Column("boolean", about="The binding has the label of those that the API server makes itself."),
    "is_shipped": Column(
        "boolean", about="As the API server ships it: name, label, role and subject are its own, and nobody else wrote the role."
    ),
    "is_platforms": Column("boolean", about="Built in, or named as the makers of clusters name theirs: system:…, eks:…, kubeadm:…"),
    "is_makers": Column(
        "boolean",
        about="Made by whoever sells or installs the cluster, for its own users and groups: eks:addon-manager, kubeadm:cluster-admins.",
    ),
    "is_break_glass": Column("boolean", about="An emergency binding, named by the label or annotation break-glass or emergency-access."),
    "is_privileged": Column(
        "boolean",
        about="Its role, held in the whole cluster, is any verb on any resource, or leads there by escalate, bind or impersonate.",
    ),
    "has_expiry": Column("boolean", about="Whether a label or annotation asks a controller to delete it."),
    "removers": Column("list", about="Products that are asked to: kyverno-cleanup, janitor, ttl-controller."),
    "lasts_hours": Column(
        "number",
        about="How many hours it is to live from when it was made; unknown where nothing says so, or in no form that is known, or where"
        " several products are told different times.",
    ),
}
BINDING: Mapping[str, Column] = {
    "binding_kind": Column("text", about="RoleBinding or ClusterRoleBinding."),
    "scope": Column("text", about="Its namespace; empty for the whole cluster."),
    "name": Column("text"),
    **_ROLE,
    **_HELD,
    "ttl": Column("text"),
    "ends_at": Column("timestamp", about="When the first of the products that are told so is to delete it."),
    "reviewed_on": Column("text"),
}
_WHO: Mapping[str, Column] = {
    "subject_kind": Column("text", about="User, Group or ServiceAccount."),
    "subject_namespace": Column("text", about="Empty for users and groups."),
    "subject_name": Column("text"),
    "account": Column("text", about="The service account's NAMESPACE/NAME; empty for users and groups."),
    "is_component": Column(
        "boolean",
        about="Named as a part of the cluster: system:… or its cloud's, or an account of the platform's namespaces. Not who bound it.",
    ),
    "is_unnamed": Column("boolean", about="Whoever sends no credential at all."),
    "is_everyone": Column("boolean", about="The unnamed, all who are authenticated, or all service accounts."),
}
BINDING_SUBJECT: Mapping[str, Column] = {
    "binding_kind": Column("text"),
    "scope": Column("text", about="The binding's namespace; empty for the whole cluster."),
    "is_wide": Column("boolean", about="Whether it holds in the whole cluster, or in a namespace of the platform."),
    "binding": Column("text"),
    **_ROLE,
    **_HELD,
    **_WHO,
    "is_outsider": Column("boolean", about="A user by a private mail address, or a guest of the directory."),
}
RULE: Mapping[str, Column] = {
    "role_kind": Column("text", about="Role or ClusterRole."),
    "role_namespace": Column("text", about="Empty for a ClusterRole."),
    "role_name": Column("text"),
    "is_builtin_role": Column("boolean"),
    "verbs": Column("list"),
    "api_groups": Column("list"),
    "resources": Column("list"),
    "resource_names": Column("list"),
    "urls": Column("list"),
    "writes": Column("boolean", about="Create, update, patch or delete of something."),
    "reads_config": Column("boolean", about="Secrets or config maps."),
    "enters_pods": Column("boolean", about="Exec, attach, port-forward or debug container."),
    "proxies_nodes": Column("boolean", about="Reaches the kubelets past audit and admission."),
    "stops_sensors": Column("boolean", about="Deletes or changes daemon sets or deletes namespaces."),
}
_POWERS: Mapping[str, Column] = {
    "holds_everything": Column("boolean", about="Any verb on any resource in the whole cluster."),
    "is_administrator": Column("boolean", about="Holds everything, or comes to it by escalate, bind or impersonate."),
    "becomes_administrator": Column("boolean", about="Holds everything, or comes to it by one of the known ways."),
    "ways": Column("text", about="The ways that lead to the whole cluster, as kubectl auth can-i spells rights; none where there is none."),
    "reach": Column("text", about="The widest that it certainly comes to: administrator, namespace, account or none."),
    "namespaces": Column("list", about="The namespaces of which it comes to be every account."),
    "owns_namespace": Column("boolean", about="Escalate or bind lift RBAC's bound in a namespace."),
    "uses_wildcards": Column("boolean", about="A rule with * for verbs or resources, also where it holds in one namespace only."),
    "reads_secrets": Column("boolean"),
    "makes_pods": Column("boolean", about="Pods, or what makes pods: deployments, jobs …"),
    "enters_pods": Column("boolean", about="Exec, attach, port-forward or debug container."),
    "proxies_nodes": Column("boolean", about="Reaches the kubelets past audit and admission."),
    "approves_certificates": Column(
        "boolean", about="Of clients of the API server; who may approve those of kubelets' servers alone does not."
    ),
    "changes_webhooks": Column("boolean", about="Admission webhooks or admission policies."),
    "makes_tokens": Column("boolean", about="Tokens of service accounts."),
    "makes_volumes": Column("boolean", about="Persistent volumes, which may be a path of a node."),
    "installs_kinds": Column("boolean", about="Custom resource definitions."),
}
SUBJECT: Mapping[str, Column] = {
    "subject": Column("text", about="Such as Group platform, or ServiceAccount shop/api."),
    **_WHO,
    "is_shipped": Column("boolean", about="Named by bindings alone that are as the API server ships them."),
    "is_makers": Column(
        "boolean", about="A user or group of whoever sells or installs the cluster, named by its own bindings or shipped ones alone."
    ),
    "is_platforms": Column(
        "boolean",
        about="The same, or the account of a controller that runs in a namespace of the platform, or that a cloud"
        " runs with the control plane, short of one that holds everything"
        " and is no part of OpenShift itself, nor installs a chart that K3s or RKE2 comes with.",
    ),
    **_POWERS,
}
ADMINISTRATORS: Mapping[str, Column] = {
    "at_least": Column("integer", about="How many certainly own the cluster."),
    "at_most": Column(
        "integer", about="How many may; unknown where not everything was seen, or where a cloud lets in others by its own rules."
    ),
    "names": Column("list", about="Who certainly does."),
}

_later = partial(later, "kubernetes")

MAKERS: Mapping[str, Maker] = {
    "rbac_bindings": Maker(_later("rbac", "bindings"), BINDING),
    "rbac_binding_subjects": Maker(_later("rbac", "binding_subjects"), BINDING_SUBJECT),
    "rbac_role_rules": Maker(_later("rbac", "role_rules"), RULE),
    "rbac_subjects": Maker(_later("rbac_subjects", "subjects"), SUBJECT),
    "rbac_administrators": Maker(_later("rbac_subjects", "administrators"), ADMINISTRATORS),
}
