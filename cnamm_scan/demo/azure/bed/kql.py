"""As much of Resource Graph's language as readers use: where, project and order by over the rows of one table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

Json = Any
Row = Mapping[str, Json]

_PART = re.compile(r"\s*\|\s*(?=(?:where|project|order by|extend|summarize|join|take|limit|mv-expand)\b)")
_TERM = re.compile(r"(?P<path>[\w.\[\]']+)\s*(?P<op>==|=~|!=|!~|>=|<=|>|<|in~|in)\s*(?P<value>.+)", re.DOTALL)
_COLUMN = re.compile(r"(?:(?P<name>\w+)\s*=\s*)?(?P<path>[\w.]+(?:\['(?:[^'\\]|\\.)*'\])?)")
_AGO = re.compile(r"ago\((\d+)([dhm])\)")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


class QueryError(Exception):
    """What Resource Graph would call InvalidQuery, and what this one does not speak."""


def run(query: str, tables: Mapping[str, Sequence[Row]], now: datetime | None = None) -> list[dict[str, Json]]:
    """The rows that a query gives. Raises QueryError."""
    table, *steps = _PART.split(query.strip())
    if not re.fullmatch(r"[a-z]+", table):
        raise QueryError(f"no table '{table}'")
    rows: list[dict[str, Json]] = [dict(row) for row in tables.get(table, ())]
    for step in steps:
        word, _, rest = step.partition(" ")
        if word == "where":
            test = _condition(rest.strip(), now or datetime.now(UTC))
            rows = [row for row in rows if test(row)]
        elif word == "project":
            rows = _project(rest, rows)
        elif step.startswith("order by "):
            column, _, way = step.removeprefix("order by ").strip().partition(" ")
            rows.sort(key=lambda row: str(row.get(column)).lower(), reverse=way.strip() == "desc")
        else:
            raise QueryError(f"'{word}' is not spoken here")
    return rows


def _condition(text: str, now: datetime) -> Callable[[Row], bool]:
    while (
        text.startswith("(") and text.endswith(")") and "(" not in text[1:-1].replace("ago(", "").replace("in (", "").replace("in~ (", "")
    ):
        text = text[1:-1].strip()
    if re.search(r"\sor\s", text):
        either = [_condition(part.strip(), now) for part in re.split(r"\s+or\s+", text)]
        return lambda row: any(test(row) for test in either)
    tests = [_term(part.strip(), now) for part in re.split(r"\s+and\s+", text)]
    return lambda row: all(test(row) for test in tests)


def _term(text: str, now: datetime) -> Callable[[Row], bool]:
    found = _TERM.fullmatch(text)
    if found is None:
        raise QueryError(f"'{text}' is not spoken here")
    wanted, op, path = _value(found["value"].strip(), now), found["op"], found["path"]

    def test(row: Row) -> bool:
        is_, want = _at(row, path), wanted
        if op in ("=~", "!~", "in~"):
            is_, want = str(is_ or "").lower(), [each.lower() for each in want] if isinstance(want, list) else str(want).lower()
        if op in ("in", "in~"):
            return is_ in want
        if op in ("==", "=~"):
            return bool(is_ == want)
        if op in ("!=", "!~"):
            return bool(is_ != want)
        if is_ is None or not isinstance(is_, type(want)):
            return False
        return bool({">": is_ > want, ">=": is_ >= want, "<": is_ < want, "<=": is_ <= want}[op])

    return test


def _value(text: str, now: datetime) -> Any:
    if text.startswith("("):
        return [_value(each.strip(), now) for each in text.strip("()").split(",")]
    if text[:1] in "'\"" and text[-1:] == text[:1]:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if text in ("true", "false"):
        return text == "true"
    if text == "null":
        return None
    found = _AGO.fullmatch(text)
    if found is not None:
        return (now - timedelta(**{_UNITS[found[2]]: int(found[1])})).strftime("%Y-%m-%dT%H:%M:%S")
    try:
        return int(text)
    except ValueError as error:
        raise QueryError(f"'{text}' is not spoken here") from error


def _project(text: str, rows: Sequence[Row]) -> list[dict[str, Json]]:
    shown: list[tuple[str, str]] = []
    for each in re.split(r",\s*(?![^\[]*\])", text):
        found = _COLUMN.fullmatch(each.strip())
        if found is None:
            raise QueryError(f"'{each}' is not spoken here")
        shown.append((found["name"] or found["path"].replace(".", "_"), found["path"]))
    for _, path in shown:
        head = re.split(r"[.\[]", path)[0]
        if rows and head not in rows[0]:
            raise QueryError(f"'project' operator: Failed to resolve scalar expression named '{head}'")
    return [{name: _at(row, path) for name, path in shown} for row in rows]


def _at(row: Row, path: str) -> Any:
    head, _, rest = path.partition("['")
    steps = head.split(".") + ([re.sub(r"\\(.)", r"\1", rest.removesuffix("']"))] if rest else [])
    value: Any = row
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
