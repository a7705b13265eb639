"""The templates of Gatekeeper's library by name, each as the CEL that says the same. Written from what their pages say that they refuse.

https://open-policy-agent.github.io/gatekeeper-library/website/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PODS = ("Pod",)
_ALL = "(object.spec.containers + object.spec.?initContainers.orValue([]) + object.spec.?ephemeralContainers.orValue([]))"
_JUDGED = f"{_ALL}.filter(c, !(c.image in params.exemptNames) && !params.exemptPrefixes.exists(p, c.image.startsWith(p)))"
_OWN = "c.?securityContext"
_POD = "object.spec.?securityContext"


@dataclass(frozen=True, slots=True)
class Template:
    """What a template allows, of which kinds, and the words without which it is another one."""

    allows: str
    kinds: Sequence[str] = _PODS
    words: Sequence[str] = ()

    def speaks(self, text: str) -> bool:
        """Whether the text of a template speaks of what this one is about."""
        found = set(re.findall(r"\w+", text))
        return all(found & set(each.split("|")) for each in self.words)


def _each(expression: str) -> str:
    return f"{_JUDGED}.all(c, {expression})"


_CONTAINERS = ("containers", "initContainers")
LIBRARY: Mapping[str, Template] = {
    "K8sPSPPrivilegedContainer": Template(_each(f"!{_OWN}.?privileged.orValue(false)"), words=(*_CONTAINERS, "privileged")),
    "K8sPSPHostNamespace": Template(
        "!object.spec.?hostPID.orValue(false) && !object.spec.?hostIPC.orValue(false)", words=("hostPID", "hostIPC")
    ),
    "K8sPSPHostNetworkingPorts": Template(
        "(params.?hostNetwork.orValue(false) || !object.spec.?hostNetwork.orValue(false)) && "
        + _each(
            "c.?ports.orValue([]).all(p, !has(p.hostPort)"
            " || ((!has(params.min) || p.hostPort >= params.min) && (!has(params.max) || p.hostPort <= params.max)))"
        ),
        words=("hostNetwork", "hostPort"),
    ),
    "K8sPSPHostFilesystem": Template(
        "object.spec.?volumes.orValue([]).all(v, !has(v.hostPath)"
        " || params.allowedPaths.exists(p, v.hostPath.path == p || v.hostPath.path.startsWith(p)))",
        words=("hostPath",),
    ),
    "K8sPSPCapabilities": Template(
        _each(
            f"('*' in params.allowedCapabilities || {_OWN}.?capabilities.?add.orValue([]).all(k, k in params.allowedCapabilities))"
            f" && params.requiredDropCapabilities.all(d, d in {_OWN}.?capabilities.?drop.orValue([])"
            f" || 'ALL' in {_OWN}.?capabilities.?drop.orValue([]) || 'all' in {_OWN}.?capabilities.?drop.orValue([]))"
        ),
        words=(*_CONTAINERS, "capabilities", "add", "drop"),
    ),
    "K8sPSPAllowPrivilegeEscalationContainer": Template(
        _each(f"{_OWN}.?allowPrivilegeEscalation.orValue(true) == false"), words=(*_CONTAINERS, "allowPrivilegeEscalation")
    ),
    "K8sPSPAllowedUsers": Template(
        "params.runAsUserRule == 'MustRunAsNonRoot' ? "
        + _each(
            f"{_OWN}.?runAsUser.hasValue() || {_POD}.?runAsUser.hasValue() ? {_OWN}.?runAsUser.orValue({_POD}.?runAsUser.orValue(0)) != 0"
            f" : {_OWN}.?runAsNonRoot.orValue({_POD}.?runAsNonRoot.orValue(false))"
        )
        + " : params.ranges",  # not there: an error, so that nothing is said of rules of other kinds
        words=(*_CONTAINERS, "runAsUser", "runAsNonRoot"),
    ),
    "K8sPSPProcMount": Template(
        _each(f"params.procMount == 'Unmasked' || {_OWN}.?procMount.orValue('Default') == 'Default'"), words=(*_CONTAINERS, "procMount")
    ),
    "K8sPSPSELinuxV2": Template(
        f"{_POD}.?seLinuxOptions.hasValue() == false && "
        + _each(
            f"{_OWN}.?seLinuxOptions.hasValue() == false || params.allowedSELinuxOptions.exists(o, o == c.securityContext.seLinuxOptions)"
        ),
        words=(*_CONTAINERS, "seLinuxOptions"),
    ),
    "K8sPSPVolumeTypes": Template(
        "'*' in params.volumes || object.spec.?volumes.orValue([]).all(v, v.all(k, k == 'name' || k in params.volumes))", words=("volumes",)
    ),
    "K8sAllowedRepos": Template(f"{_ALL}.all(c, params.repos.exists(r, c.image.startsWith(r)))", words=(*_CONTAINERS, "image", "repos")),
    "K8sDisallowedRepos": Template(
        f"!{_ALL}.exists(c, params.repos.exists(r, c.image.startsWith(r)))", words=(*_CONTAINERS, "image", "repos")
    ),
    "K8sDisallowedTags": Template(
        _each("c.image.contains(':') && !params.tags.exists(t, c.image.endsWith(':' + t))"), words=(*_CONTAINERS, "image", "tags")
    ),
    "K8sImageDigests": Template(_each("c.image.contains('@')"), words=(*_CONTAINERS, "image")),
    "K8sBlockNodePort": Template("object.spec.?type.orValue('ClusterIP') != 'NodePort'", ("Service",), ("NodePort",)),
    "K8sBlockLoadBalancer": Template("object.spec.?type.orValue('ClusterIP') != 'LoadBalancer'", ("Service",), ("LoadBalancer",)),
    "K8sExternalIPs": Template(
        "object.spec.?externalIPs.orValue([]).all(i, i in params.allowedIPs)", ("Service",), ("externalIPs", "allowedIPs")
    ),
    "K8sRequiredLabels": Template(
        "params.labelKeys.all(k, k in object.metadata.?labels.orValue({}))"
        " && params.labelRules.all(r, object.metadata.?labels[?r.key].orValue('').matches(r.allowedRegex))",
        ("Namespace",),
        ("labels",),
    ),
    "K8sRestrictRoleBindings": Template(
        "object.roleRef.kind != params.restrictedRole.kind || object.roleRef.name != params.restrictedRole.name"
        " || object.subjects.all(s, params.allowedSubjects.exists(a, a.?kind == s.?kind && a.name == s.name))",
        ("ClusterRoleBinding", "RoleBinding"),
        ("roleRef", "restrictedRole", "allowedSubjects"),
    ),
}
"""Kind of the constraint -> what its template allows."""

_LISTS = (
    "allowedCapabilities",
    "requiredDropCapabilities",
    "allowedSELinuxOptions",
    "volumes",
    "repos",
    "tags",
    "allowedIPs",
    "allowedSubjects",
)


def settings_of(parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A constraint's parameters in the shape that the expressions want; None where they have another one."""
    made: dict[str, Any] = {name: value for name, value in parameters.items() if value is not None}
    for name in _LISTS:
        made.setdefault(name, [])
    exempt = made.get("exemptImages") or []
    labels = made.get("labels") or []
    paths = made.get("allowedHostPaths") or []
    if any(not isinstance(each, list) for each in (*(made[name] for name in _LISTS), exempt, labels, paths)):
        return None
    if not all(isinstance(each, str) for each in exempt) or any(not isinstance(each, str | dict) for each in labels):
        return None
    made["exemptNames"] = [each for each in exempt if not each.endswith("*")]
    made["exemptPrefixes"] = [each[:-1] for each in exempt if each.endswith("*")]
    made["allowedPaths"] = [str(each.get("pathPrefix") or "/") for each in paths if isinstance(each, dict)]
    made["labelKeys"] = [each if isinstance(each, str) else str(each.get("key")) for each in labels]
    made["labelRules"] = [each for each in labels if isinstance(each, dict) and each.get("allowedRegex")]
    user = made.get("runAsUser")
    made["runAsUserRule"] = user.get("rule") if isinstance(user, dict) else None
    made.setdefault("procMount", "Default")
    made.setdefault("restrictedRole", {})
    return made
