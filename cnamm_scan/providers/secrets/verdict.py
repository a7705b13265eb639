"""The verdict about one setting, from its name and its value. What is found is told by names: nothing of a value is kept."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from cnamm_scan.providers.secrets.names import Says, is_password, says, words_of
from cnamm_scan.providers.secrets.values import Kind, is_name_of_secret, shaped_near, value_says


class Is(Enum):
    """What a setting is."""

    REFERENCE = "reference"
    """It says where the secret is."""
    EMPTY = "empty"
    PLACEHOLDER = "placeholder"
    """A secret by name, whose value everybody would try first."""
    HASH = "hash"
    """What a password is checked against: not the password, and worth guessing at."""
    SECRET = "secret"
    UNKNOWN = "unknown"
    """A secret by name, whose value is not seen yet or may be another secret's name."""
    PLAIN = "plain"
    """No secret."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a setting is, and by what it was told: nothing of its value, only how long it is and what it is shaped like."""

    is_: Is
    by_name: bool = False
    """Whether its name says that it is a secret."""
    shape: str = ""
    """The name of the shape that its value has."""
    length: str = ""
    """short (up to 8 signs), middle (up to 32) or long."""


_PIN = re.compile(r"[0-9]{3,5}")
"""A number that is a weak password under a password's name, and a port or a limit under any other."""
_NAMES_OF_OBJECTS = frozenset({"secret", "secrets", "credential", "credentials", "creds"})
"""Last words of names that also name the object in which the secret is."""


def judge(name: str, value: str | None, known: Collection[str] = ()) -> Verdict:
    """What the setting `name` = `value` is. `known`: names of the objects that hold secrets. None: the value cannot be seen."""
    if value is None:
        named = says(name) is Says.SECRET
        return Verdict(Is.UNKNOWN if named else Is.PLAIN, named)
    if known and value.strip() in known:
        return Verdict(Is.REFERENCE, says(name) is Says.SECRET)
    return _judge(name, value) if len(value) > 1024 else _remembered(name, value)


@lru_cache(maxsize=32768)
def _remembered(name: str, value: str) -> Verdict:
    return _judge(name, value)


def _judge(name: str, value: str) -> Verdict:
    said, found = says(name), value_says(value)
    named = said is Says.SECRET
    length = "short" if len(value) <= 8 else "middle" if len(value) <= 32 else "long"
    if found.kind is Kind.TOKEN:
        return Verdict(Is.SECRET, named, found.shape, length)
    if shape := shaped_near(name, value):
        return Verdict(Is.SECRET, named, shape, length)
    if found.kind is Kind.PLACEHOLDER and (named or found.shape):
        return Verdict(Is.PLACEHOLDER, named, found.shape, length)
    if not named:
        return Verdict(Is.HASH if said is Says.HASH and found.kind in (Kind.HASH, Kind.TEXT) else Is.PLAIN, said is Says.HASH, "", length)
    match found.kind:
        case Kind.EMPTY:
            return Verdict(Is.EMPTY, True)
        case Kind.REFERENCE:
            return Verdict(Is.REFERENCE, True)
        case Kind.TEMPLATE:
            return Verdict(Is.UNKNOWN, True)
        case Kind.HASH:
            return Verdict(Is.HASH, True, "", length)
        case Kind.TEXT:
            return _named_text(name, value, length)
        case _ if is_password(name) and _PIN.fullmatch(value.strip()):
            return Verdict(Is.PLACEHOLDER, True, "", length)
        case _:
            return Verdict(Is.PLAIN, True)


def _named_text(name: str, value: str, length: str) -> Verdict:
    words = words_of(name)
    if words == words_of(value):
        return Verdict(Is.PLACEHOLDER, True, "", length)
    if words and words[-1] in _NAMES_OF_OBJECTS:
        is_name = is_name_of_secret(value)
        if is_name is not False:
            return Verdict(Is.REFERENCE if is_name else Is.UNKNOWN, True, "", length)
    return Verdict(Is.SECRET, True, "", length)
