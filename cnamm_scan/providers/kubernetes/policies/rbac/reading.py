"""Roles and bindings as the API writes them, read into what this room works with. What has another form is not seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnamm_scan.providers.kubernetes.policies.labels import UNREAD, Selector, selector
from cnamm_scan.providers.kubernetes.policies.rbac.asking import Rule
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import Subject

_PARTS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")


def rules(written: Any) -> tuple[Rule, ...] | None:
    """`rules` of a role; None where they were not read. An empty or missing list gives nothing."""
    if written is None:
        return None
    if not isinstance(written, list):
        return None
    found = []
    for each in written:
        parts = [each.get(part) or [] for part in _PARTS] if isinstance(each, Mapping) else []
        if not parts or not all(isinstance(part, list) and all(isinstance(text, str) for text in part) for part in parts):
            return None
        found.append(Rule(*(tuple(part) for part in parts)))
    return tuple(found)


def selectors(written: Any) -> tuple[Selector, ...] | None:
    """`aggregationRule` of a ClusterRole; None where nothing is aggregated into it."""
    if not written:
        return None
    listed = written.get("clusterRoleSelectors") if isinstance(written, Mapping) else None
    if listed is None:
        return ()
    return tuple(UNREAD if each is None else selector(each) for each in listed) if isinstance(listed, list) else (UNREAD,)


def subjects(written: Any, place: str) -> tuple[Subject, ...] | None:
    """`subjects` of a binding in a namespace, or with an empty `place` in the whole cluster; None where they were not read."""
    if not isinstance(written, list):
        return None
    found = []
    for each in written:
        if not isinstance(each, Mapping) or not all(isinstance(each.get(key), str) for key in ("kind", "name")):
            return None
        namespace = each.get("namespace") or ""
        if not isinstance(namespace, str):
            return None
        found.append(Subject.of(each["kind"], each["name"], namespace, place))
    return tuple(found)
