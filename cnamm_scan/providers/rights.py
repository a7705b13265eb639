"""Least-rights documents by provider, made without its SDK: a plan needs no cloud."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rights:
    """How a provider writes down what somebody may do."""

    base: tuple[str, ...]
    """What the provider asks before any collector does."""
    document: Callable[[Sequence[str]], Document]
    """The provider's own document that grants exactly these rights."""
    limit: int | None = None
    """Characters that one document may hold, white space not counted; None: no limit."""
    limit_of: str = ""
    """What the limit belongs to, in words."""

    def policy(self, needs: Sequence[str]) -> Document:
        """One document with these rights and the base."""
        return self.document(sorted({*needs, *self.base}))

    def parts(self, needs: Sequence[str]) -> list[Document]:
        """The same rights as as many documents as the limit asks for, in order."""
        rights = sorted({*needs, *self.base})
        made: list[Document] = []
        while rights:
            count = len(rights)
            while count > 1 and self.size(self.document(rights[:count])) > (self.limit or float("inf")):
                count -= 1
            made.append(self.document(rights[:count]))
            rights = rights[count:]
        return made

    @staticmethod
    def size(document: Document) -> int:
        """The characters of a document as a limit counts them."""
        return len(json.dumps(document, separators=(",", ":")))


def _iam(actions: Sequence[str]) -> Document:
    """An IAM policy that allows these actions on everything: listing has no narrower resource."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "CnammScanReads", "Effect": "Allow", "Action": list(actions), "Resource": "*"}],
    }


def _cluster_role(needs: Sequence[str]) -> Document:
    """A ClusterRole from rights as `kubectl auth can-i` writes them: `list pods`, `list deployments.apps`, `get /version`."""
    urls: list[str] = []
    by_group: dict[tuple[str, str], list[str]] = {}
    for need in needs:
        verb, _, what = need.partition(" ")
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


AWS = Rights(("ec2:DescribeRegions",), _iam, 6144, "a customer managed policy; ten of them go on a role")
"""GetCallerIdentity needs no right."""
KUBERNETES = Rights(
    ("create selfsubjectreviews.authentication.k8s.io", "get /api", "get /api/*", "get /apis", "get /apis/*", "get /version"), _cluster_role
)
"""Discovery, the version, and who is asking."""
