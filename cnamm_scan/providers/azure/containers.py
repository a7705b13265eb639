"""What the settings of a container say besides what Azure gives: whose image it runs, and which of its settings are secrets written out.

Of the settings themselves nothing stays but names. Imports nothing of Azure's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.providers.images import reference
from cnamm_scan.providers.secrets.found import of_settings, of_words

Json = Any


def container(value: Json) -> Json:
    """A container with `imageReference`, which is what its image's name says, and `found`, as of its variables and commands.

    `found` is `{holding, named, unsure, shapes}`: names by what their values are. None for what is no container.
    """
    if not isinstance(value, Mapping):
        return None
    settings = [each for each in _listed(value, "env") if isinstance(each, Mapping)]
    pairs = [(str(each.get("name")), str(each.get("value") or "")) for each in settings if not each.get("secretRef")]
    found = of_settings(pairs, {str(each["secretRef"]) for each in settings if each.get("secretRef")})
    words = [str(word) for field in ("command", "args") for word in _listed(value, field)]
    found = of_words(words, found) if words else found
    return {**value, "found": found.document(), "imageReference": reference(value.get("image"))}


def _listed(value: Mapping[str, Json], field: str) -> list[Json]:
    said = value.get(field)
    return said if isinstance(said, list) else []


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {"container": container}
"""What collectors may name under `normalise:`."""
