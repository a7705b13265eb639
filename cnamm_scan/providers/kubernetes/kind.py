"""What Kubernetes is to the rest of the house: a cluster without regions, or manifests that stand for one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnamm_scan.providers.kind import Kind, Option, Reached
from cnamm_scan.providers.kubernetes import needs
from cnamm_scan.providers.kubernetes.made.columns import MAKERS
from cnamm_scan.providers.kubernetes.pods import NORMALISERS
from cnamm_scan.providers.rights import Document, Rights

if TYPE_CHECKING:
    from cnamm_scan.providers.interface import Provider


def _connect(name: str, reached: Reached) -> Provider:
    from cnamm_scan.providers.kubernetes.provider import Options, connect

    asked = {option.name for option in KIND.options if option.opts_in}
    said = {name: value for name, value in reached.said.items() if name not in asked}
    return connect(name, Options(call_timeout=reached.call_timeout, connections=reached.connections, **said))


def _cluster_role(rights: Sequence[str]) -> Document:
    """A ClusterRole from rights as `kubectl auth can-i` writes them: `list pods`, `list deployments.apps`, `get /version`."""
    urls: list[str] = []
    by_group: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        verb, _, what = right.partition(" ")
        if what.startswith("/"):
            urls.append(what)
            continue
        resource, slash, subresource = what.partition("/")
        name, _, group = resource.partition(".")
        by_group.setdefault((group, verb), []).append(name + slash + subresource)
    rules: list[Document] = [
        {"apiGroups": [group], "resources": sorted(resources), "verbs": [verb]} for (group, verb), resources in sorted(by_group.items())
    ]
    if urls:
        rules.append({"nonResourceURLs": sorted(urls), "verbs": ["get"]})
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "cnamm-scan"},
        "rules": rules,
    }


_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def _namespace_problem(name: str) -> tuple[str, str] | None:
    if _LABEL.fullmatch(name):
        return None
    return f"{name[:100]!r} is no namespace", "write its name: small letters, digits and dashes"


def is_path(name: str) -> bool:
    """Whether a name can only be a file's: contexts of EKS are ARNs, and hold slashes and colons too."""
    return name.startswith(("./", "../", "/", "~")) or name.endswith((".yaml", ".yml", ".json")) or name in (".", "..")


def _is_cluster(name: str) -> bool:
    """Whether a name may be a cluster's: what can only be manifests is none."""
    return name != "-" and not is_path(name)


KIND = Kind(
    name="kubernetes",
    label="Kubernetes",
    noun="cluster",
    targets="kubernetes (current context, or the cluster around this pod), kubernetes:CONTEXT, or manifests: kubernetes:FILE,"
    " kubernetes:FOLDER, kubernetes:- for standard input",
    connect=_connect,
    # discovery, the version, and who is asking
    rights=Rights(
        ("create selfsubjectreviews.authentication.k8s.io", "get /api", "get /api/*", "get /apis", "get /apis/*", "get /version"),
        _cluster_role,
    ),
    options=(
        Option("kubeconfig", "--kubeconfig", "this kubeconfig instead of KUBECONFIG or ~/.kube/config.", "FILE", means=_is_cluster),
        Option(
            "namespaces",
            "--namespace",
            "only this namespace; the others show as excluded. May be repeated.",
            "NS",
            many=True,
            problem=_namespace_problem,
        ),
        Option(
            "excluded_namespaces",
            "--exclude-namespace",
            "leave this namespace out; it shows as excluded. May be repeated.",
            "NS",
            many=True,
            problem=_namespace_problem,
        ),
        Option(
            "system_namespaces",
            "--system-namespace",
            "this namespace holds the platform itself. May be repeated.",
            "NS",
            many=True,
            problem=_namespace_problem,
        ),
        Option(
            "assume_whole",
            "--assume-whole",
            "manifests only: what is given is all there is, so that what is not in it is known to be absent.",
        ),
        Option("skip_unreadable", "--skip-unreadable", "manifests only: go on without files that cannot be read; they are named."),
        Option(
            "with_secret_metadata",
            "--with-secret-metadata",
            "list secrets, names and dates only. Needs the right to list secrets, which is the right to read them.",
            opts_in="secret_metadata",
        ),
        Option(
            "with_kubelet_config",
            "--with-kubelet-config",
            "ask each kubelet for its configuration. Needs nodes/proxy, which allows more than reading.",
            opts_in="kubelet_config",
            means=_is_cluster,
        ),
    ),
    fields=frozenset({"apiVersion", "kind", "metadata", "spec", "status"}),
    is_asked=_is_cluster,
    normalisers=NORMALISERS,
    makers=MAKERS,
    readers=frozenset({"cluster", "api_resources"}),
    needs=needs.needs,
    call_problem=needs.problem,
    product=needs.product,
    lacking="not installed",
    owners_named_by={"kubernetes.core.namespace": r"(?<![\w.-])([a-z0-9][a-z0-9-]*)/"},
    recognisers=frozenset({"kubernetes.apps.sensor", "kubernetes.apps.controller"}),
    standing=frozenset({"kubernetes.cluster.cluster", "kubernetes.cluster.version_compared"}),
)
