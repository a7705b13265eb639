"""How much a container asks for and may have at most, once defaults and its pod's own bounds are laid under it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Json = Any

_NOTHING = re.compile(r"[-+]?0*(?:\.0*)?(?:[eE][-+]?[0-9]+)?(?:[munkKMGTPE]|[KMGTPE]i)?")


def amounts(own: Mapping[str, Json], pod: Mapping[str, Json]) -> dict[str, str]:
    """`{memoryLimit, cpuLimit, memoryRequest, cpuRequest}` that hold, as they are written; what is none is left out.

    A limit of 0 is none. Where a container has a limit and no request, the API server takes the limit for it. What a pod has as a whole
    bounds each of its containers.
    """
    limits, requests = _map(own, "limits"), _map(own, "requests")
    above = {**_map(pod, "limits"), **_map(pod, "requests")}
    made = {}
    for name in ("memory", "cpu"):
        limit = limits.get(name) if limits.get(name) is not None else _map(pod, "limits").get(name)
        request = requests[name] if requests.get(name) is not None else limits.get(name)
        if request is None:
            request = above.get(name)
        for field, amount in (("Limit", limit), ("Request", request)):
            if amount is not None and not is_nothing(amount):
                made[f"{name}{field}"] = str(amount)
    return made


def is_nothing(amount: Json) -> bool:
    """Whether an amount is zero, in whatever unit."""
    return _NOTHING.fullmatch(str(amount).strip()) is not None


def _map(resources: Mapping[str, Json], field: str) -> Mapping[str, Json]:
    value = resources.get(field)
    return value if isinstance(value, Mapping) else {}
