"""The known ways to come to more rights than one holds, each with its source, and where each leads.

A way is named by the rights that it takes, as `kubectl auth can-i` spells them. Where a right holds in one namespace, it leads to what is
in that namespace; in the whole cluster, or in that of the control plane, to the whole cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_DOCS = "https://kubernetes.io/docs/"
GOOD_PRACTICES = f"{_DOCS}concepts/security/rbac-good-practices/#privilege-escalation-risks"
ROLES = f"{_DOCS}reference/access-authn-authz/rbac/#restrictions-on-role-creation-or-update"
BINDINGS = f"{_DOCS}reference/access-authn-authz/rbac/#restrictions-on-role-binding-creation-or-update"
IMPERSONATION = f"{_DOCS}reference/access-authn-authz/user-impersonation/"
CONSTRAINED = f"{_DOCS}reference/access-authn-authz/user-impersonation/#constrained-impersonation"
WORKLOADS = f"{_DOCS}concepts/workloads/controllers/"
TOKENS = f"{_DOCS}reference/access-authn-authz/service-accounts-admin/"
SIGNERS = f"{_DOCS}reference/access-authn-authz/certificate-signing-requests/"
EPHEMERAL = f"{_DOCS}concepts/workloads/pods/ephemeral-containers/"
AGGREGATION = f"{_DOCS}concepts/extend-kubernetes/api-extension/apiserver-aggregation/"
MUTATING = f"{_DOCS}reference/access-authn-authz/mutating-admission-policy/"
CONVERSION = f"{_DOCS}tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/"
AWS_AUTH = "https://docs.aws.amazon.com/eks/latest/userguide/auth-configmap.html"

RBAC, AUTHENTICATION, CERTIFICATES = "rbac.authorization.k8s.io", "authentication.k8s.io", "certificates.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
CREATES, CHANGES, READS = ("create",), ("update", "patch"), ("get", "list", "watch")


@dataclass(frozen=True, slots=True)
class Into:
    """A right that leads to the accounts of its namespace: any of these verbs on such an object, whatever its name."""

    verbs: tuple[str, ...]
    group: str
    resource: str
    subresource: str = ""
    source: str = GOOD_PRACTICES
    is_builtin: bool = True
    """Of a kind that comes with Kubernetes."""
    is_named_too: bool = False
    """Leads to some account where it is held on named objects alone."""
    older_verbs: tuple[str, ...] = ()
    """Verbs that are enough too where `Features.get_enters_pods`."""

    @property
    def of(self) -> str:
        """The resource as `kubectl auth can-i` writes it: `pods/exec`, `deployments.apps`."""
        return written(self.group, self.resource, self.subresource)


def written(group: str, resource: str, subresource: str = "") -> str:
    """A resource as `kubectl auth can-i` writes it."""
    return f"{resource}{'.' if group else ''}{group}{'/' if subresource else ''}{subresource}"


_MAKERS: Mapping[str, str] = {
    "apps": "deployments daemonsets statefulsets replicasets",
    "batch": "jobs cronjobs",
    "extensions": "deployments daemonsets replicasets",
}
_CUSTOM_MAKERS: Mapping[str, str] = {
    "actions.github.com": "autoscalingrunnersets ephemeralrunnersets ephemeralrunners",
    "apps.kruise.io": "advancedcronjobs broadcastjobs clonesets daemonsets statefulsets",
    "apps.openshift.io": "deploymentconfigs",
    "argoproj.io": "workflows cronworkflows rollouts sensors eventsources",
    "batch.volcano.sh": "jobs",
    "flink.apache.org": "flinkdeployments",
    "jobset.x-k8s.io": "jobsets",
    "keda.sh": "scaledjobs",
    "kubeflow.org": "mpijobs mxjobs notebooks paddlejobs pytorchjobs tfjobs xgboostjobs",
    "kubevirt.io": "virtualmachines virtualmachineinstances virtualmachineinstancereplicasets",
    "leaderworkerset.x-k8s.io": "leaderworkersets",
    "monitoring.coreos.com": "alertmanagers prometheuses prometheusagents thanosrulers",
    "opentelemetry.io": "opentelemetrycollectors",
    "ray.io": "rayclusters rayjobs rayservices",
    "serving.knative.dev": "services configurations",
    "serving.kserve.io": "inferenceservices",
    "sparkoperator.k8s.io": "sparkapplications scheduledsparkapplications",
    "tekton.dev": "taskruns pipelineruns",
    "workspace.devfile.io": "devworkspaces",
}
"""Kinds of others whose controllers make pods from a template, or with an account, that the object's author chooses."""

MAKES_PODS: tuple[Into, ...] = (
    Into(CREATES, "", "pods"),
    Into(CREATES, "", "replicationcontrollers", source=WORKLOADS),
    *(Into(CREATES, group, name, source=WORKLOADS) for group, names in _MAKERS.items() for name in names.split()),
    *(Into(CREATES, group, name, source=WORKLOADS, is_builtin=False) for group, names in _CUSTOM_MAKERS.items() for name in names.split()),
)
"""Makes a pod, which may run as any account of its namespace and mount its secrets."""
CHANGES_PODS: tuple[Into, ...] = (
    Into(CHANGES, "", "pods", is_named_too=True),
    *(
        Into(CHANGES, each.group, each.resource, source=each.source, is_builtin=each.is_builtin, is_named_too=each.is_builtin)
        for each in MAKES_PODS[1:]
    ),
)
"""Puts an image of one's own into what runs, or an account of one's choice into its template."""
ENTERS_PODS: tuple[Into, ...] = (
    Into(CREATES, "", "pods", "exec", is_named_too=True, older_verbs=("get",)),
    Into(CREATES, "", "pods", "attach", is_named_too=True, older_verbs=("get",)),
    Into(CHANGES, "", "pods", "ephemeralcontainers", source=EPHEMERAL, is_named_too=True),
)
"""Runs code beside what runs already, with its account."""


@dataclass(frozen=True, slots=True)
class Over:
    """Rights on what has no namespace that lead to the whole cluster, all of `rights` together."""

    rights: tuple[tuple[tuple[str, ...], str, str, str], ...]
    """(verbs, of which one is enough; group; resource; subresource)."""
    source: str
    is_sure: bool = True
    """False where more than rights decides whether it leads anywhere."""
    is_named_too: bool = False
    """Held on named objects it may lead as far."""

    @property
    def name(self) -> str:
        """The rights that it takes."""
        return " + ".join(f"{verbs[0]} {written(group, resource, sub)}" for verbs, group, resource, sub in self.rights)


_WRITES = (*CREATES, *CHANGES)
_REMOVES = ("delete", "deletecollection", *CHANGES)
OVER_THE_CLUSTER: tuple[Over, ...] = (
    Over(((("get", "create"), "", "nodes", "proxy"),), GOOD_PRACTICES, is_named_too=True),
    Over(((_WRITES, ADMISSION, "mutatingwebhookconfigurations", ""),), GOOD_PRACTICES, is_named_too=True),
    Over(((_WRITES, ADMISSION, "validatingwebhookconfigurations", ""),), GOOD_PRACTICES, is_named_too=True),
    Over(((CREATES, ADMISSION, "mutatingadmissionpolicies", ""), (CREATES, ADMISSION, "mutatingadmissionpolicybindings", "")), MUTATING),
    Over(((CHANGES, ADMISSION, "mutatingadmissionpolicies", ""),), MUTATING, is_sure=False, is_named_too=True),
    Over(((CHANGES, "", "namespaces", ""),), GOOD_PRACTICES, is_sure=False, is_named_too=True),
    Over(((_REMOVES, ADMISSION, "validatingadmissionpolicies", ""),), GOOD_PRACTICES, is_sure=False, is_named_too=True),
    Over(((_REMOVES, ADMISSION, "validatingadmissionpolicybindings", ""),), GOOD_PRACTICES, is_sure=False, is_named_too=True),
    Over(
        ((("delete", "deletecollection"), ADMISSION, "validatingwebhookconfigurations", ""),),
        GOOD_PRACTICES,
        is_sure=False,
        is_named_too=True,
    ),
    Over(((CHANGES, "apiextensions.k8s.io", "customresourcedefinitions", ""),), CONVERSION, is_sure=False, is_named_too=True),
    Over(((_WRITES, "apiregistration.k8s.io", "apiservices", ""),), AGGREGATION, is_sure=False, is_named_too=True),
)
"""Webhooks see and change whatever is admitted; what merely takes a guard away leads on only where somebody stands behind it."""

SIGNS = "create certificatesigningrequests + update certificatesigningrequests/approval + approve signers"
CLIENT_SIGNERS = ("kubernetes.io/kube-apiserver-client", "kubernetes.io/*")
"""Signers of certificates of any user; the second admits every signer of that domain."""
NODE_SIGNERS = ("kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/legacy-unknown")
USER_MODE, ACCOUNT_MODE = "user-info", "serviceaccount"
NODE_MODES = ("arbitrary-node", "associated-node")
