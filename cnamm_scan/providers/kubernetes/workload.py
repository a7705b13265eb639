"""What a person edits to change a pod: the object whose template it comes from, past the replica sets and jobs that controllers write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cnamm_scan.providers.kubernetes.parts import mappings, optional, text

Json = Any

_KNATIVE = "serving.knative.dev/service"
_HASHES = (("pod-template-hash", "Deployment"), ("rollouts-pod-template-hash", "Rollout"))
"""The label that names the revision of a replica set, by what made this: its name is theirs and the label's value.
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label"""
_SCHEDULED = re.compile(r"(?P<name>.+)-(?P<minute>\d{8})")
"""A job of a cron job: its name ends with the minute that it was due in, counted from 1970."""
_FIRST_MINUTE = 26_000_000
"""In 2019; what is less is a date or another number that somebody wrote."""


def workload(metadata: Mapping[str, Json]) -> str:
    """`Deployment web`, `CronJob nightly`, and `Pod toolbox` where nothing makes it, by the names that controllers give."""
    owners = list(mappings(metadata, "ownerReferences"))
    owner = next((each for each in owners if each.get("controller") is True), owners[0] if owners else {})
    kind, name = text(owner, "kind") or "", text(owner, "name") or ""
    labels = optional(metadata, "labels")
    if kind == "ReplicaSet":
        if labels.get(_KNATIVE):
            return f"Knative Service {labels[_KNATIVE]}"
        for label, above in _HASHES:
            if labels.get(label) and name.endswith(f"-{labels[label]}"):
                return f"{above} {name.removesuffix(f'-{labels[label]}')}"
    if kind == "Job" and (due := _SCHEDULED.fullmatch(name)) and _FIRST_MINUTE < int(due["minute"]) <= _minute(metadata):
        return f"CronJob {due['name']}"
    return f"{kind} {name}" if kind not in ("", "Node") else f"Pod {text(metadata, 'name') or ''}"


def _minute(metadata: Mapping[str, Json]) -> float:
    """The minute that it was made in, and an hour for clocks that differ; 0 where it does not say."""
    made = text(metadata, "creationTimestamp")
    try:
        return datetime.fromisoformat(made).timestamp() / 60 + 60 if made else 0
    except ValueError:
        return 0
