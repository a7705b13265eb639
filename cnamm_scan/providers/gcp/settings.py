"""What the settings of a container or a function say besides what Google gives: whose image it runs, which settings are secrets.

Of the settings themselves nothing stays but names. Imports nothing of Google's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.providers.containers import like_a_pods
from cnamm_scan.providers.secrets.found import of_settings

Json = Any


def container(value: Json) -> Json:
    """A container of a Cloud Run service or job, as `providers.containers.read` gives it. None for what is no container."""
    return like_a_pods(value, "valueFrom")


def variables(value: Json) -> Json:
    """Of a function's variables, by name, which hold secrets: `{holding, named, unsure, shapes}`. None for what is no object."""
    if not isinstance(value, Mapping):
        return None
    return of_settings((str(name), None if text is None else str(text)) for name, text in value.items()).document()


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {"container": container, "variables": variables}
"""What collectors may name under `normalise:`."""
