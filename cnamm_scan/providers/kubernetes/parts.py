"""Reading an object of the API part by part: what has another form than the API gives is said to be malformed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cnamm_scan.paths import MalformedError

Json = Any


def whole(document: Json) -> Mapping[str, Json]:
    """A document that is a mapping. Raises MalformedError for any other."""
    if not isinstance(document, dict):
        raise MalformedError("@")
    return document


def mapping(document: Json, field: str) -> Mapping[str, Json]:
    """The mapping in a field. Raises MalformedError where there is none."""
    value = document.get(field) if isinstance(document, dict) else None
    if not isinstance(value, dict):
        raise MalformedError(field)
    return value


def optional(document: Mapping[str, Json], field: str) -> Mapping[str, Json]:
    """The mapping in a field; empty where nothing stands there."""
    value = document.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedError(field)
    return value


def mappings(document: Mapping[str, Json], field: str) -> Iterator[Mapping[str, Json]]:
    """The mappings of a list in a field."""
    for each in listed(document, field):
        if not isinstance(each, dict):
            raise MalformedError(f"{field}[]")
        yield each


def text(document: Mapping[str, Json], field: str) -> str | None:
    """The text in a field; None where nothing stands there."""
    value = document.get(field)
    if value is None or isinstance(value, str):
        return value
    raise MalformedError(field)


def listed(document: Mapping[str, Json], field: str) -> list[Json]:
    """The list in a field; empty where nothing stands there."""
    value = document.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError(field)
    return value
