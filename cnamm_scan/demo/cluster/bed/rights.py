"""What a token may do on the fake API server, and the reviews that tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Grant = tuple[str, str, str, str | None]
"""Verb, API group, resource (`pods`, `pods/log`, `*`) and namespace; each may be `*`.

Namespace None grants it in the whole cluster, as a ClusterRoleBinding does; `*` in each namespace, but not across them.
"""

BASIC_PATHS = (
    "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/",
)  # fmt: skip
"""What the roles system:discovery and system:public-info-viewer give to all who are authenticated."""
BASIC_REVIEWS = (
    ("authorization.k8s.io", ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
    ("authentication.k8s.io", ("selfsubjectreviews",)),
)


@dataclass(frozen=True)
class Ask:
    """What one request wants: the attributes that a Kubernetes authorizer sees."""

    verb: str
    group: str = ""
    resource: str = ""  # with the subresource: pods/log
    namespace: str = ""  # "": the whole cluster
    name: str = ""
    path: str = ""  # of a request for no resource

    def refusal(self, user: str) -> str:
        """The message of the 403, word for word."""
        if not self.resource:
            return f'forbidden: User "{user}" cannot {self.verb} path "{self.path}"'
        plural = self.resource.partition("/")[0]
        what = f"{plural}.{self.group}" if self.group else plural
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        named = f' "{self.name}"' if self.name else ""
        return (
            f'{what}{named} is forbidden: User "{user}" cannot {self.verb} resource "{self.resource}" in API group "{self.group}" {where}'
        )


@dataclass(frozen=True)
class Rights:
    """The user behind a token and the grants it has; None grants everything.

    Discovery, health, version and the three reviews of oneself are allowed to all, as on a cluster with
    the default bindings, unless `basic` is off. `paths` are further ones that name no resource (`/metrics`;
    a `*` at the end is a prefix).
    """

    grants: tuple[Grant, ...] | None = None
    user: str = "system:serviceaccount:cnamm:scanner"
    groups: tuple[str, ...] = ("system:serviceaccounts", "system:serviceaccounts:cnamm", "system:authenticated")
    paths: tuple[str, ...] = ()
    basic: bool = True

    def allows(self, ask: Ask) -> bool:
        """Whether the grants cover the request."""
        if self.grants is None:
            return True
        if not ask.resource:
            paths = self.paths + (BASIC_PATHS if self.basic else ())
            return ask.verb in {"get", "*"} and any(_fits_path(pattern, ask.path) for pattern in paths)
        if self.basic and ask.verb == "create" and any(ask.group == g and ask.resource in names for g, names in BASIC_REVIEWS):
            return True
        return any(_fits(grant, ask) for grant in self.grants)

    def review_self(self) -> dict[str, Any]:
        """The status of a SelfSubjectReview."""
        return {"userInfo": {"username": self.user, "uid": "7a1f4c3e-0000-4000-8000-000000000001", "groups": list(self.groups)}}

    def review_access(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The status of a SelfSubjectAccessReview with this spec."""
        about = spec.get("resourceAttributes")
        if about is not None:
            sub = about.get("subresource", "")
            ask = Ask(
                verb=about.get("verb", ""),
                group=about.get("group", ""),
                resource=about.get("resource", "") + (f"/{sub}" if sub else ""),
                namespace=about.get("namespace", ""),
                name=about.get("name", ""),
            )
        else:
            about = spec["nonResourceAttributes"]
            ask = Ask(verb=about.get("verb", ""), path=about.get("path", ""))
        if not self.allows(ask):
            return {"allowed": False}
        return {"allowed": True, "reason": f'RBAC: allowed by ClusterRoleBinding "scanner" of ClusterRole "scanner" to User "{self.user}"'}

    def review_rules(self, namespace: str) -> dict[str, Any]:
        """The status of a SelfSubjectRulesReview for the namespace."""
        if self.grants is None:
            rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
            others = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
        else:
            rules = [
                {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
                for verb, group, resource, where in self.grants
                if where in {None, "*", namespace}
            ]
            others = [{"verbs": ["get"], "nonResourceURLs": list(self.paths)}] if self.paths else []
        if self.basic:
            rules += [{"verbs": ["create"], "apiGroups": [group], "resources": list(names)} for group, names in BASIC_REVIEWS]
            others.append({"verbs": ["get"], "nonResourceURLs": list(BASIC_PATHS)})
        return {"resourceRules": rules, "nonResourceRules": others, "incomplete": False}


ADMIN = Rights(user="kubernetes-admin", groups=("kubeadm:cluster-admins", "system:authenticated"))
"""Who asks when the bed knows no tokens."""


PUBLIC_PATHS = ("/healthz", "/livez", "/readyz", "/version", "/version/")
ANONYMOUS = Rights((), "system:anonymous", ("system:unauthenticated",), PUBLIC_PATHS, basic=False)
"""Who asks without a token, on a cluster that lets them; for the token "" of a bed."""


def _fits(grant: Grant, ask: Ask) -> bool:
    verb, group, resource, where = grant
    if verb not in {"*", ask.verb} or group not in {"*", ask.group} or where not in {None, "*", ask.namespace}:
        return False
    if where == "*" and not ask.namespace:
        return False  # each namespace, but not the cluster
    sub = ask.resource.partition("/")[2]
    return resource in {"*", ask.resource} or (bool(sub) and resource == f"*/{sub}")


def _fits_path(pattern: str, path: str) -> bool:
    return path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1]))
