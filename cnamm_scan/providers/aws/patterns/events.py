"""Whether a pattern of an EventBridge rule can match an event of which some fields are known.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

Json = Any
Event = Mapping[str, Any]
"""Field -> a text, or the fields beneath it. What is not in it may hold anything."""
_ANY = object()
OTHER = "\ue0f2"
"""A value that no pattern spells out."""


def read(text: str) -> Mapping[str, Json] | None:
    """A pattern from its JSON text; None for what is none."""
    try:
        made = json.loads(text)
    except ValueError:
        return None
    return made if isinstance(made, Mapping) and made else None


def can_match(pattern: Mapping[str, Json], event: Event) -> bool:
    """Whether an event with these fields, and any others, can match: every field of the pattern, or one of each `$or`."""
    return all(_field(name, asked, event) for name, asked in pattern.items())


def _field(name: str, asked: Json, event: Event) -> bool:
    if name == "$or" and isinstance(asked, list):
        return any(isinstance(each, Mapping) and can_match(each, event) for each in asked)
    said = event.get(name, _ANY)
    if isinstance(asked, Mapping):
        return can_match(asked, {} if said is _ANY else said if isinstance(said, Mapping) else {})
    if not isinstance(asked, list):
        return False  # no pattern: its fields hold lists
    return bool(asked) if said is _ANY else any(_fits(each, said) for each in asked)


def _fits(asked: Json, said: Json) -> bool:
    if not isinstance(asked, Mapping):
        return bool(asked == said)
    return any(name in _OPERATORS and _OPERATORS[name](value, str(said)) for name, value in asked.items())


def _each(values: Json) -> Iterable[Json]:
    return values if isinstance(values, list) else [values]


def _start(asked: Json, said: str) -> bool:
    if isinstance(asked, Mapping):  # {"equals-ignore-case": …}
        return said.lower().startswith(str(asked.get("equals-ignore-case", OTHER)).lower())
    return said.startswith(str(asked))


def _end(asked: Json, said: str) -> bool:
    if isinstance(asked, Mapping):
        return said.lower().endswith(str(asked.get("equals-ignore-case", OTHER)).lower())
    return said.endswith(str(asked))


def _alike(asked: Json, said: str) -> bool:
    return said.lower() == str(asked).lower()


@lru_cache(maxsize=1024)
def _wild(asked: str) -> re.Pattern[str]:
    pieces = re.findall(r"\\.|\*|[^\\*]+|\\", asked, re.DOTALL)  # a backslash makes the next sign a sign
    return re.compile(
        "".join(".*" if each == "*" else re.escape(each[1:] if each[0] == "\\" and each[1:] else each) for each in pieces), re.DOTALL
    )


def _wildcard(asked: Json, said: str) -> bool:
    return _wild(str(asked)).fullmatch(said) is not None


def _but(asked: Json, said: str) -> bool:
    if not isinstance(asked, Mapping):
        return said not in map(str, _each(asked))
    return not any(_OPERATORS[name](each, said) for name, values in asked.items() if name in _OPERATORS for each in _each(values))


_OPERATORS: Mapping[str, Callable[[Json, str], bool]] = {
    "prefix": _start,
    "suffix": _end,
    "equals-ignore-case": _alike,
    "wildcard": _wildcard,
    "anything-but": _but,
    "exists": lambda asked, said: asked is True,
}
"""Those that a text can meet; numbers and addresses are none."""
