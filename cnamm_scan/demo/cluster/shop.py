"""The demo's Kubernetes cluster: the shop's, partly well kept, partly not, and partly closed to us. What is in it is data: `estate/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cnamm_scan.demo.cluster.bed.contents import Cluster
from cnamm_scan.demo.cluster.bed.manifests import load
from cnamm_scan.demo.cluster.bed.rights import Grant, Rights
from cnamm_scan.demo.cluster.bed.server import ClusterBed

ESTATE = Path(__file__).with_name("estate")
"""The manifests; its README says how they are written."""

VERSION: Mapping[str, str] = {
    "major": "1",
    "minor": "30+",
    "gitVersion": "v1.30.14-eks-3025e55",
    "gitCommit": "9f1b4c2de07a5e63d8c4b0f7a1e2938475d6c0ab",
    "gitTreeState": "clean",
    "buildDate": "2025-06-30T05:12:44Z",
    "goVersion": "go1.23.10",
    "compiler": "gc",
    "platform": "linux/amd64",
}
"""What the server says of itself: an EKS cluster that nobody upgraded in time."""

CONTEXT = "shop"
"""The one context of the demo's kubeconfig."""
AUDITOR = "arn:aws:sts::123456789012:assumed-role/audit/cnamm-scan"
"""Who asks: without a token, since none is ever sent to a server that does not speak TLS. The bed takes whoever comes for the auditor,
as `kubectl proxy` does."""

_PARTLY = {
    "": "configmaps endpoints events limitranges namespaces nodes nodes/proxy persistentvolumeclaims persistentvolumes pods podtemplates"
    " replicationcontrollers resourcequotas serviceaccounts services",
    "admissionregistration.k8s.io": "validatingwebhookconfigurations validatingadmissionpolicies validatingadmissionpolicybindings"
    " mutatingadmissionpolicies mutatingadmissionpolicybindings",
}
"""API groups of which the auditor reads these kinds only; of all others it reads everything."""


def auditor(cluster: Cluster) -> Rights:
    """The rights of the demo's auditor: to read, but neither secrets nor what changes objects on their way in."""
    whole = [group for group in cluster.groups() if group not in _PARTLY]
    grants: list[Grant] = [(verb, group, "*", None) for group in whole for verb in ("get", "list")]
    grants += [(verb, group, name, None) for group, names in _PARTLY.items() for name in names.split() for verb in ("get", "list")]
    return Rights(tuple(grants), user=AUDITOR, groups=("shop-auditors", "system:authenticated"))


def shop(now: datetime | None = None) -> Cluster:
    """Some 400 objects of one cluster, at a moment; the same for the same one. All dates are relative to it, so they never age."""
    return load(ESTATE, now)


@contextmanager
def served(cluster: Cluster, folder: Path) -> Iterator[Path]:
    """Serve the cluster on a free port of 127.0.0.1, and write a kubeconfig for it into the folder: its path."""
    with ClusterBed(cluster, tokens={"": auditor(cluster)}, version=VERSION) as bed:
        yield bed.kubeconfig(folder, context=CONTEXT)
