"""Values that are known in part: what a policy's expressions are worked out over when only the offence of an object is settled.

Plain JSON is what it is: a dict has no other fields, a list no other elements. The classes here leave something open. What can be said of a
value holds for every completion of it; None stands for "that depends".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnamm_scan.providers.truths import all_of, any_of

Value = Any
"""JSON, or one of the classes below."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value of which nothing is known. Two with one path are the same value."""

    path: str = ""


@dataclass(frozen=True, slots=True)
class Partial:
    """An object that has these fields, lacks those that are ABSENT, and may have others."""

    fields: Mapping[str, Value]
    path: str = ""

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True, slots=True)
class Some:
    """A list that holds these elements, may hold others anywhere between them, but none of `lacks`."""

    items: Sequence[Value]
    path: str = ""
    lacks: frozenset[str] = frozenset()

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True, slots=True)
class Text:
    """A text that ends so, has none of these letters in it, and begins with none of these words."""

    suffix: str = ""
    lacks: str = ""
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A whole number that is this or more."""

    least: int


class _Absent:
    """A field that is known not to be there."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
Facts = Mapping[str, bool]
"""Paths -> whether something is there, as long as a branch lasts that was taken because of it."""


def is_open(value: Value) -> bool:
    """Whether the value itself leaves something open. What it holds is not looked at."""
    return isinstance(value, Unknown | Partial | Some | Text | AtLeast)


def is_object(value: Value) -> bool:
    """Whether it is an object for certain."""
    return isinstance(value, Mapping | Partial)


def is_list(value: Value) -> bool:
    """Whether it is a list for certain."""
    return isinstance(value, Some) or (isinstance(value, Sequence) and not isinstance(value, str))


def is_text(value: Value) -> bool:
    """Whether it is a text for certain."""
    return isinstance(value, str | Text)


def look(value: Value, name: str, facts: Facts | None = None) -> tuple[Value, bool | None]:
    """(the field, whether it is there) of an object; what is null is not there. Of what is no object nothing is there."""
    if isinstance(value, Mapping):
        found = value.get(name)
        return (None, False) if found is None or found is ABSENT else (found, True)
    if isinstance(value, Partial) and name in value.fields:
        found = value.fields[name]
        return (None, False) if found is None or found is ABSENT else (found, True)
    if isinstance(value, Partial | Unknown):
        path = f"{value.path}.{name}" if value.path else ""  # of what has no path it is not known which it is
        there = facts.get(path) if facts and path else None
        return (None, False) if there is False else (Unknown(path), there)
    return None, False


def items_of(value: Value) -> tuple[Sequence[Value], bool]:
    """(elements that are there for certain, whether others may be) of a list, or of what may be one."""
    if isinstance(value, Some):
        return value.items, True
    if is_list(value):
        return value, False
    return (), isinstance(value, Unknown)


def plus(first: Value, second: Value) -> Value:
    """Two lists, one after the other."""
    mine, more = items_of(first)
    theirs, others = items_of(second)
    return Some([*mine, *theirs]) if more or others else [*mine, *theirs]


def same(first: Value, second: Value) -> bool | None:
    """Whether two values are equal. Of different types they are not; whole and broken numbers compare by size."""
    if isinstance(first, Unknown) or isinstance(second, Unknown):
        return True if first == second and isinstance(first, Unknown) and first.path else None
    for one, other in ((first, second), (second, first)):
        if isinstance(one, Text):
            return _same_text(one, other)
        if isinstance(one, AtLeast):
            if isinstance(other, AtLeast):
                return None
            return False if not _is_number(other) or other < one.least else None
        if isinstance(one, Partial):
            return _same_object(one, other)
        if isinstance(one, Some):
            return None if is_list(other) else False
    if isinstance(first, bool) or isinstance(second, bool) or first is None or second is None:
        return first is second
    if _is_number(first) and _is_number(second):
        return bool(first == second)
    if isinstance(first, str) or isinstance(second, str):
        return isinstance(first, str) and isinstance(second, str) and first == second
    if is_list(first) and is_list(second):
        return len(first) == len(second) and all_of(same(mine, theirs) for mine, theirs in zip(first, second, strict=True))
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all_of(same(first[name], second[name]) for name in first)
    return False


def _same_text(text: Text, other: Value) -> bool | None:
    if isinstance(other, Text):
        return None
    if not isinstance(other, str):
        return False
    fits = other.endswith(text.suffix) and not any(each in other for each in text.lacks) and not other.startswith(text.never or "\ue000")
    return None if fits else False


def _same_object(mine: Partial, other: Value) -> bool | None:
    if isinstance(other, Partial):
        return None
    if not isinstance(other, Mapping):
        return False
    for name, value in mine.fields.items():
        theirs, there = look(other, name)
        if (value is ABSENT) is bool(there) or (there and same(value, theirs) is False):
            return False
    return None


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def joined(first: Value, second: Value) -> Value:
    """What holds whichever of the two it is."""
    if first is second or (type(first) is type(second) and not is_open(first) and same(first, second)):
        return first
    return Unknown()


def holds(items: Value, wanted: Value) -> bool | None:
    """Whether a list has an element."""
    known, more = items_of(items)
    found = any_of(same(each, wanted) for each in known)
    if found or not more:
        return found
    if isinstance(items, Some) and isinstance(wanted, str) and wanted in items.lacks:
        return found
    return None


def texts_in(value: Value, keep: Callable[[str], object]) -> None:
    """Give every text of a document, keys too, to a function."""
    if isinstance(value, str):
        keep(value)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            keep(str(name))
            texts_in(each, keep)
    elif is_list(value) and not isinstance(value, Some):
        for each in value:
            texts_in(each, keep)
