"""What the settings of a container say besides what Azure gives: whose image it runs, pinned or moving. Imports nothing of Azure's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.providers.images import reference

Json = Any


def container(value: Json) -> Json:
    """A container with `imageReference`, which is what its image's name says; None for what is none."""
    if not isinstance(value, Mapping):
        return None
    return {**value, "imageReference": reference(value.get("image"))}


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {"container": container}
"""What collectors may name under `normalise:`."""
