"""What the settings of a container say besides what Azure gives: whose image it runs, and which of its settings are secrets written out.

Imports nothing of Azure's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.providers.containers import like_a_pods

Json = Any


def container(value: Json) -> Json:
    """A container of a container app or group, as `providers.containers.read` gives it. None for what is no container."""
    return like_a_pods(value, "secretRef")


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {"container": container}
"""What collectors may name under `normalise:`."""
