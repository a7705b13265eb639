"""What the functions about admission are called in content, and what the columns of their rows mean. Imports none of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cnamm_scan.model import Column
from cnamm_scan.providers.interface import Maker
from cnamm_scan.providers.makers import later

_POD = "Whether pods are refused that {}."
STANDARD: Mapping[str, str] = {
    "privileged": "run a privileged container",
    "host_namespaces": "share a namespace of the node: network, processes or IPC",
    "host_path": "mount a folder of the node",
    "host_ports": "take a port of the node",
    "host_process": "run as a process of a Windows node",
    "capabilities": "add a capability that the baseline does not allow",
    "host_probes": "let the kubelet probe another host",
    "apparmor": "run without AppArmor",
    "selinux": "choose an SELinux type or user",
    "proc_mount": "see all of /proc",
    "seccomp": "switch seccomp off",
    "sysctls": "set unsafe sysctls",
    "volume_types": "mount volumes of kinds that the restricted standard does not allow",
    "privilege_escalation": "do not forbid escalation",
    "run_as_non_root": "may run as root",
    "root_user": "name user 0",
    "no_seccomp": "name no seccomp profile",
    "kept_capabilities": "do not drop all capabilities",
}
"""Offence -> what the pod does. The names are those of the evaluator's questions."""
OTHERS: Mapping[str, str] = {
    "privileged_debug": "Whether privileged containers are refused that are added to a running pod.",
    "loose_tag": "Whether images are refused that name no version, or latest.",
    "other_registry": "Whether images are refused of a registry that nobody has approved.",
}
THINGS: Mapping[str, str] = {
    "privileged_template": "Whether deployments and jobs are refused that make privileged pods.",
    "load_balancer": "Whether services of type LoadBalancer are refused that are open to everybody.",
    "node_port": "Whether services of type NodePort are refused.",
    "external_ips": "Whether services are refused that claim addresses.",
    "ingress_class": "Whether ingresses are refused of a class that nobody has approved.",
    "storage_class": "Whether volume claims are refused of a class that nobody has approved.",
    "token_secret": "Whether secrets are refused that hold a token of a service account for ever.",
    "cluster_admin": "Whether ClusterRoleBindings to cluster-admin are refused, new and changed, the few apart that a policy names.",
    "wildcard_role": "Whether cluster roles with wildcards in verbs or resources are refused, the few apart that a policy names.",
    "unlabelled_namespace": "Whether namespaces are refused whose label asks for no standard.",
}
PODS: Mapping[str, Column] = {
    **{f"refuses_{name}": Column("boolean", about=_POD.format(what)) for name, what in STANDARD.items()},
    **{f"refuses_{name}": Column("boolean", about=about) for name, about in OTHERS.items()},
    "refuses_host_access": Column(
        "boolean", about="Whether pods are refused that share namespaces, folders, ports or processes of their node."
    ),
    "refuses_baseline": Column(
        "boolean",
        about="Whether every control of the baseline is kept up, for containers added later too; that of probes, which is newer, apart.",
    ),
    "refuses_restricted": Column("boolean", about="Whether every control of the restricted standard is kept up, that of probes apart."),
    "admits": Column("list", about="What is let in, or is for one name, label, requester or kind of container."),
    "privileged_way_in": Column(
        "text", about="Which privileged pods get in: every one, or those in init containers, of one name, label, image or requester."
    ),
    "unclear": Column("list", about="What may be refused or not: something there cannot be seen into."),
}
"""Columns of what is refused in one namespace: true only where no name, label, requester or kind of container gets around it."""
NAMESPACE: Mapping[str, Column] = {
    "namespace": Column("text", about="Its name."),
    "name": Column("text"),
    **PODS,
    "is_judged": Column("boolean", about="Whether something judges its pods, if only to report."),
}
DOOR: Mapping[str, Column] = {
    "name": Column("text", about="Of the cluster."),
    **PODS,
    **{f"refuses_{name}": Column("boolean", about=about) for name, about in THINGS.items()},
}
GUARD: Mapping[str, Column] = {
    "engine": Column("text", about="pod_security, validating_admission_policy, kyverno or gatekeeper."),
    "policy": Column("text", about="The policy's name."),
    "name": Column("text", about="The rule, constraint or binding that applies it."),
    "namespace": Column("text", about="The one namespace it holds for; empty: all of them."),
    "is_enforcing": Column("boolean", about="Whether it refuses; else it warns or reports."),
    "fails_closed": Column("boolean", about="Whether what it cannot judge is refused too."),
    "judges_pods": Column("boolean", about="Whether it is asked when a pod is made, in some namespace."),
    "judges_templates": Column("boolean", about="Whether it is asked when a deployment or job is made."),
    "created_at": Column("timestamp"),
    "changed_at": Column("timestamp", about="When it was last written."),
    "managers": Column("list", about="Who has written fields of it."),
    "missed": Column(
        "integer", about="How many namespaces, system ones apart, it is not asked in, or does not refuse in although it does elsewhere."
    ),
    "covered": Column("integer", about="In how many namespaces, system ones apart, it is asked, and refuses where it does elsewhere."),
    "is_for_all": Column(
        "boolean",
        about="Whether it also holds for pods, or what makes them, in a namespace that is made tomorrow under any name. Else it names those"
        " that it is for, or is about other things.",
    ),
    "is_providers": Column("boolean", about="Whether it came with the managed cluster, as its name or who wrote it tells."),
}
REACH: Mapping[str, Column] = {
    "rule": Column("text", about="The key of a rule that verifies images."),
    "namespace": Column("text"),
    "covers": Column("boolean", about="Whether it is asked about the pods of the namespace, and refuses when it does not answer."),
}
WEBHOOK: Mapping[str, Column] = {
    "name": Column("text"),
    "configuration": Column("text"),
    "failure_policy": Column("text"),
    "timeout_seconds": Column("integer"),
    "missed": Column(
        "integer", about="How many namespaces that were seen, system ones and the engine's own apart, its selector leaves out."
    ),
    "exempted": Column("list", about="The names of these."),
}

_later = partial(later, "kubernetes")
MAKERS: Mapping[str, Maker] = {
    "namespace_doors": Maker(_later("admission", "namespace_doors"), NAMESPACE),
    "cluster_doors": Maker(_later("admission", "cluster_doors"), DOOR),
    "door_guards": Maker(_later("admission", "door_guards"), GUARD),
    "engine_webhooks": Maker(_later("admission", "engine_webhooks"), WEBHOOK),
    "image_reach": Maker(_later("admission_images", "image_reach"), REACH),
}
