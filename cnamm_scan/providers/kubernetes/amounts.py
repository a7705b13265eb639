"""How much a container asks for and may have at most, once defaults and its pod's own bounds are laid under it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Json = Any

_NOTHING = re.compile(r"[-+]?0*(?:\.0*)?(?:[eE][-+]?[0-9]+)?(?:[munkKMGTPE]|[KMGTPE]i)?")


def amounts(own: Mapping[str, Json], pod: Mapping[str, Json]) -> dict[str, str]:
    """`{memoryLimit, cpuLimit, memoryRequest, cpuRequest}` that hold, as they are written; what is none is left out.

    A limit of 0 is none. Where a container has a limit and no request, the API server takes the limit for it. What a pod has as a whole
    bounds each of its containers.
    """
    if not own and not pod:
        return {}
    limits, requests = _map(own, "limits"), _map(own, "requests")
    above_limits, above = (_map(pod, "limits"), {**_map(pod, "limits"), **_map(pod, "requests")}) if pod else ({}, {})
    made = {}
    for name in ("memory", "cpu"):
        limit = limits.get(name)
        request = requests.get(name)
        if request is None:
            request = limit if limit is not None else above.get(name)
        if limit is None:
            limit = above_limits.get(name)
        if limit is not None and not is_nothing(str(limit)):
            made[f"{name}Limit"] = str(limit)
        if request is not None and not is_nothing(str(request)):
            made[f"{name}Request"] = str(request)
    return made


@lru_cache(maxsize=4096)
def is_nothing(amount: str) -> bool:
    """Whether an amount is zero, in whatever unit."""
    return _NOTHING.fullmatch(amount.strip()) is not None


def _map(resources: Mapping[str, Json], field: str) -> Mapping[str, Json]:
    value = resources.get(field)
    return value if isinstance(value, dict) else {}
