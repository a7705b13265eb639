"""Functions of CEL over values that are known in part. One that is not here is not known, and its expression is open."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from cnamm_scan.providers.kubernetes.policies.admission.values import (
    AtLeast,
    Partial,
    Some,
    Text,
    Unknown,
    Value,
    is_list,
    is_object,
    is_open,
    is_text,
    joined,
    plus,
)

Made = TypeVar("Made")
LONGEST_PATTERN = 300
"""Letters of a regular expression that is still tried."""


class WrongError(Exception):
    """The function ends in an error for certain."""


@dataclass(frozen=True, slots=True)
class MayFail:
    """A value, or an error."""

    value: Value


@dataclass(frozen=True, slots=True)
class Optional:
    """What `a.?b` gives: a value, and whether it is there."""

    value: Value
    there: bool | None

    def __hash__(self) -> int:
        return id(self)


def compared(sign: str, first: Value, second: Value, error: bool | None, made: Callable[[Value, bool | None], Made]) -> Made:
    """`<` and its kin."""
    if isinstance(first, AtLeast) and isinstance(second, int):
        answer = {
            ">": True if first.least > second else None,
            ">=": True if first.least >= second else None,
            "<": False if first.least >= second else None,
            "<=": False if first.least > second else None,
        }[sign]
        return made(Unknown() if answer is None else answer, error)
    if is_open(first) or is_open(second):
        return made(Unknown(), None)
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (first, second))
    if not numbers and not (isinstance(first, str) and isinstance(second, str)):
        return made(None, True)
    return made({"<": first < second, "<=": first <= second, ">": first > second, ">=": first >= second}[sign], error)


def _plus(first: Value, second: Value) -> Value:
    if isinstance(first, str) and isinstance(second, str):
        return first + second
    if is_list(first) or is_list(second):
        if all(is_list(each) or isinstance(each, Unknown) for each in (first, second)):
            return plus(first, second)
        raise WrongError
    return _arithmetic(first, second, lambda one, other: one + other)


def _arithmetic(first: Value, second: Value, work: Callable[[Value, Value], Value]) -> Value:
    if is_open(first) or is_open(second):
        return MayFail(Unknown())
    if isinstance(first, bool) or isinstance(second, bool) or type(first) is not type(second) or not isinstance(first, int | float):
        raise WrongError
    return work(first, second)


def _minus(first: Value, second: Value) -> Value:
    return _arithmetic(first, second, lambda one, other: one - other)


def _size(value: Value) -> Value:
    if isinstance(value, Some | Partial):
        return AtLeast(len(value.items) if isinstance(value, Some) else 0)
    if isinstance(value, Unknown | Text):
        return AtLeast(len(value.suffix) if isinstance(value, Text) else 0)
    if isinstance(value, str) or is_list(value) or is_object(value):
        return len(value)
    raise WrongError


def _open_text(first: Value, second: Value) -> bool:
    """Whether nothing can be said, of two that are to be texts."""
    for each in (first, second):
        if not is_text(each) and not isinstance(each, Unknown):
            raise WrongError
    return isinstance(first, Unknown) or isinstance(second, Unknown | Text)


def _starts_with(text: Value, start: Value) -> Value:
    if _open_text(text, start):
        return Unknown()
    if isinstance(text, Text):
        ruled_out = start.startswith(text.never or "\ue000") or any(each in start for each in text.lacks)
        return True if not start else False if ruled_out else Unknown()
    return text.startswith(start)


def _ends_with(text: Value, end: Value) -> Value:
    if _open_text(text, end):
        return Unknown()
    if isinstance(text, Text):
        if text.suffix.endswith(end):
            return True
        return Unknown() if end.endswith(text.suffix) and not any(each in end for each in text.lacks) else False
    return text.endswith(end)


def _contains(text: Value, part: Value) -> Value:
    if _open_text(text, part):
        return Unknown()
    if isinstance(text, Text):
        return True if part in text.suffix else False if any(each in part for each in text.lacks) else Unknown()
    return part in text


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """None for what is long, repeats what repeats (which may take for ever here), or is written otherwise than Python's."""
    if len(pattern) > LONGEST_PATTERN or re.search(r"[*+}]\)*[*+{]|\([^)]*[*+}][^)]*\)[*+{]|\\[pPCzQEA]|\(\?[^:]", pattern):
        return None
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


def _matches(text: Value, pattern: Value) -> Value:
    if _open_text(text, pattern) or isinstance(text, Text):
        return Unknown()
    made = _compiled(pattern)
    return Unknown() if made is None or len(text) > LONGEST_PATTERN else made.search(text) is not None


def _lower(text: Value) -> Value:
    return text.lower() if isinstance(text, str) else Unknown()


def _upper(text: Value) -> Value:
    return text.upper() if isinstance(text, str) else Unknown()


def _split(text: Value, sign: Value) -> Value:
    return text.split(sign) if isinstance(text, str) and isinstance(sign, str) and sign else Unknown()


def _string(value: Value) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | str) else value if isinstance(value, Text) else MayFail(Unknown())


def _int(value: Value) -> Value:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        if re.fullmatch(r"-?\d+", value):
            return int(value)
        raise WrongError
    return MayFail(Unknown())


def _or_value(target: Value, otherwise: Value) -> Value:
    if isinstance(target, Unknown):
        return MayFail(Unknown())
    if not isinstance(target, Optional):
        raise WrongError
    if target.there is None:
        return joined(target.value, otherwise)
    return target.value if target.there else otherwise


def _has_value(target: Value) -> Value:
    if not isinstance(target, Optional):
        return MayFail(Unknown())
    return Unknown() if target.there is None else target.there


def _value(target: Value) -> Value:
    if not isinstance(target, Optional):
        return MayFail(Unknown())
    if target.there is False:
        raise WrongError
    return target.value if target.there else MayFail(target.value)


def _either(target: Value, other: Value) -> Value:
    if not isinstance(target, Optional) or not isinstance(other, Optional):
        return MayFail(Unknown())
    if target.there is None:
        return Optional(joined(target.value, other.value), True if other.there else None)
    return target if target.there else other


def _joined_texts(items: Value, sign: Value = "") -> Value:
    if isinstance(items, list) and all(isinstance(each, str) for each in items) and isinstance(sign, str):
        return sign.join(items)
    return MayFail(Unknown())


def _trim(text: Value) -> Value:
    return text.strip() if isinstance(text, str) else Unknown()


def _dyn(value: Value) -> Value:
    return value


CALLS: Mapping[str, Callable[..., Value]] = {
    "+": _plus,
    "-": _minus,
    "size": _size,
    "string": _string,
    "int": _int,
    "dyn": _dyn,
}
METHODS: Mapping[str, Callable[..., Value]] = {
    "size": _size,
    "startsWith": _starts_with,
    "endsWith": _ends_with,
    "contains": _contains,
    "matches": _matches,
    "lowerAscii": _lower,
    "upperAscii": _upper,
    "split": _split,
    "trim": _trim,
    "join": _joined_texts,
    "orValue": _or_value,
    "hasValue": _has_value,
    "value": _value,
    "or": _either,
}
