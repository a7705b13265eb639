"""What the settings of a container or a function say besides what Google gives: whose image it runs, which settings are secrets.

Of the settings themselves nothing stays but names. Imports nothing of Google's.
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
    pairs = [(str(each.get("name")), str(each.get("value") or "")) for each in settings if not each.get("valueFrom")]
    found = of_settings(pairs)
    words = [str(word) for field in ("command", "args") for word in _listed(value, field)]
    found = of_words(words, found) if words else found
    return {**value, "found": found.document(), "imageReference": reference(value.get("image"))}


def variables(value: Json) -> Json:
    """Of a function's variables, by name, which hold secrets: `{holding, named, unsure, shapes}`. None for what is no object."""
    if not isinstance(value, Mapping):
        return None
    return of_settings((str(name), None if text is None else str(text)) for name, text in value.items()).document()


def _listed(value: Mapping[str, Json], field: str) -> list[Json]:
    said = value.get(field)
    return said if isinstance(said, list) else []


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {"container": container, "variables": variables}
"""What collectors may name under `normalise:`."""
