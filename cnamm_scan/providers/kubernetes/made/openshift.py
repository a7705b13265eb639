"""Whether a cluster is an OpenShift: asked by what judges at its door and by what counts who owns it, which share no other room."""

from __future__ import annotations

from cnamm_scan.providers.interface import SeenTables, rows_if_read

_KIND = "kubernetes.cluster.api_resource"


def is_openshift(seen: SeenTables, target: str) -> bool:
    """Whether it serves SecurityContextConstraints, which OpenShift alone does. A view that does not read the kinds takes it to be none."""
    return any(row.values["resource"] == "securitycontextconstraints" for row in rows_if_read(seen, _KIND, target))
