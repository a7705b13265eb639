"""Pod Security: which standard refuses which offence, and what the labels of a namespace ask for.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ and …/pod-security-admission/. Stated here once: defaults and
exemptions of the API server's own plug-in stand in a file that no API shows. Exemptions are not counted, since somebody wrote them on
purpose, for a name, a runtime class or a namespace. A default makes the answer unknown for a namespace without a label, unless it is
known that there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cnamm_scan.providers.kubernetes.policies.admission.matching import listed, mapped
from cnamm_scan.providers.kubernetes.policies.admission.requests import ADMITS, EITHER, REFUSES, Request, Twist

LABEL = "pod-security.kubernetes.io/enforce"
VERSION = "pod-security.kubernetes.io/enforce-version"
BASELINE: Mapping[str, str] = {
    "host_process": "HostProcess",
    "host_namespaces": "Host Namespaces",
    "privileged": "Privileged Containers",
    "capabilities": "Capabilities",
    "host_path": "HostPath Volumes",
    "host_ports": "Host Ports",
    "host_probes": "Host Probes / Lifecycle Hooks",
    "apparmor": "AppArmor",
    "selinux": "SELinux",
    "proc_mount": "/proc Mount Type",
    "seccomp": "Seccomp",
    "sysctls": "Sysctls",
}
"""Offence -> the control of the baseline standard that refuses it."""
RESTRICTED: Mapping[str, str] = {
    "volume_types": "Volume Types",
    "privilege_escalation": "Privilege Escalation",
    "run_as_non_root": "Running as Non-root",
    "root_user": "Running as Non-root user",
    "no_seccomp": "Seccomp",
    "kept_capabilities": "Capabilities",
}
"""Offence -> the control that the restricted standard adds."""
PROBES_SINCE = 34
"""The minor version whose baseline is the first to look at the hosts of probes."""


@dataclass(frozen=True, slots=True)
class Levels:
    """One standard of one version, and what of it is left out."""

    level: str
    version: str = "latest"
    server: int | None = None
    """The minor version of the API server, which "latest" stands for."""
    excluded: Mapping[str, bool] = field(default_factory=dict, hash=False)
    """Control -> whether it is left out whatever the image and the field; else it may be."""

    @classmethod
    def of_kyverno(cls, asked: Mapping[str, Any]) -> Levels:
        """`validate.podSecurity` of a rule."""
        found: dict[str, bool] = {}
        for each in listed(asked.get("exclude")):
            control = str(mapped(each).get("controlName"))
            found[control] = found.get(control, False) or not (mapped(each).get("images") or mapped(each).get("restrictedField"))
        return cls(str(asked.get("level")), str(asked.get("version") or "latest"), None, found)

    def says(self, request: Request) -> int:
        """ADMITS, REFUSES or EITHER, by the one control that is broken."""
        control = BASELINE.get(request.offence) if self.level in ("baseline", "restricted") else None
        if self.level == "restricted":
            control = control or RESTRICTED.get(request.offence)
        if self.level not in ("privileged", "baseline", "restricted"):
            return EITHER
        if control is None:
            return ADMITS
        if control in self.excluded:
            return ADMITS if self.excluded[control] else EITHER
        return self._probes() if request.offence == "host_probes" else REFUSES

    def _probes(self) -> int:
        match = re.fullmatch(r"v1\.(\d+)", self.version)
        minor = int(match[1]) if match else self.server
        return EITHER if minor is None else REFUSES if minor >= PROBES_SINCE else ADMITS


class PodSecurity:
    """The plug-in of the API server."""

    place_matters = True
    by_metadata = True

    def __init__(self, *, default_is_hidden: bool | None = False, server: int | None = None) -> None:
        self._hidden = default_is_hidden
        self._server = server

    def applies(self, request: Request) -> bool | None:
        """Pods, and the ephemeral containers that are added to one. What makes pods is warned about alone."""
        if (request.group, request.resource) != ("", "pods") or request.subresource not in ("", "ephemeralcontainers"):
            return False
        if request.place is None or request.place.labels is None:
            return None
        if not request.place.labels.get(LABEL):
            return False if self._hidden is False else None
        return True

    def says(self, request: Request) -> int:
        """As Guard says."""
        labels = request.place.labels if request.place is not None else None
        if labels is None or not labels.get(LABEL):
            return EITHER
        return Levels(str(labels[LABEL]), str(labels.get(VERSION) or "latest"), self._server).says(request)

    def twists(self) -> Iterable[Twist]:
        """None."""
        return ()
