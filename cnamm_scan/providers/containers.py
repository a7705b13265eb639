"""What a container says of itself, judged while it is collected: whose image it runs, and which of its settings are secrets written out.

Of the settings themselves nothing stays but names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from cnamm_scan.providers.images import reference
from cnamm_scan.providers.secrets.found import of_settings, of_words

Json = Any


def read(container: Mapping[str, Json], pairs: Iterable[tuple[str, str]], words: Sequence[str], known: Collection[str] = ()) -> Json:
    """A container with `imageReference`, which is what its image's name says, and `found`, as of its variables and its commands.

    `found` is `{holding, named, unsure, shapes}`: names by what their values are. `known` are names of secrets kept elsewhere.
    """
    found = of_words(words, of_settings(pairs, known))
    return {**container, "found": found.document(), "imageReference": reference(container.get("image"))}


def like_a_pods(value: Json, elsewhere: str) -> Json:
    """`read` of a container that is written as Kubernetes writes it. None for what is no container.

    `elsewhere` is the member by which a variable says where its value is kept, in place of the value.
    """
    if not isinstance(value, Mapping):
        return None
    settings = [each for each in _listed(value, "env") if isinstance(each, Mapping)]
    pairs = [(str(each.get("name")), str(each.get("value") or "")) for each in settings if not each.get(elsewhere)]
    known = {each[elsewhere] for each in settings if isinstance(each.get(elsewhere), str)}
    words = [str(word) for field in ("command", "args") for word in _listed(value, field)]
    return read(value, pairs, words, known)


def _listed(value: Mapping[str, Json], field: str) -> list[Json]:
    said = value.get(field)
    return said if isinstance(said, list) else []
