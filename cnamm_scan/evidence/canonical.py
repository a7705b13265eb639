"""Canonical JSON (the form of RFC 8785) and what may stand in it: no floats, no integer beyond 2^53 - 1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec

BIGGEST = 2**53 - 1
_encode = msgspec.json.Encoder(order="sorted").encode
_unsorted_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(value: Any) -> bytes:
    """The one byte form of a JSON value that `plain` has made. Raises TypeError or ValueError for what JSON cannot hold."""
    raw = _encode(value)
    if not raw.isascii() and _has_astral_key(value):
        return _unsorted_dumps(_sorted(value)).encode()  # RFC 8785 sorts by UTF-16, msgspec by code point: they part beyond U+D7FF
    return raw


def _has_astral_key(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(max(key, default="a") > "\ud7ff" or _has_astral_key(part) for key, part in value.items())
    return isinstance(value, list) and any(_has_astral_key(part) for part in value)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value, key=lambda key: str(key).encode("utf-16-be"))}
    return [_sorted(part) for part in value] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """A value as canonical JSON may hold it: times as UTC text, decimals and floats as text, big integers as text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if -BIGGEST <= value <= BIGGEST else str(value)
    if isinstance(value, float | Decimal):
        return str(value)
    if isinstance(value, Fraction):
        return six_places(value)
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return str(value)


def utc(moment: datetime) -> str:
    """A moment as `2026-01-01T00:00:00Z`; one without a zone is taken as UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.strftime("%Y-%m-%dT%H:%M:%SZ")


def six_places(number: Fraction) -> str:
    """A fraction as decimal text with six places, rounded half to even as Decimal does."""
    return str((Decimal(number.numerator) / Decimal(number.denominator)).quantize(Decimal("0.000001")))
