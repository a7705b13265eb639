"""Plain YAML in which a date is an age: the one reader of the demo's data, so that `90d ago` means the same in both estates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from cnamm_scan.errors import UsageError

FORM = "a number and s, m, h or d: 90d ago, 2.5h ago, in 60d; with `date ` before it for the day alone"
_AGE = re.compile(r"(?P<day>date )?(?:(?P<past>\d+(?:\.\d+)?)(?P<unit>[smhd]) ago|in (?P<ahead>\d+(?:\.\d+)?)(?P<of>[smhd]))")
_MEANT = re.compile(r"(?:date .*|(?:in )?\d[\w .]*) ago|(?:date )?in \d\S*(?: \S+)?|date \d\S*")
"""What was meant as an age, whether or not it is one."""
_FIXED = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C reads the estate in a fifth of the time, where PyYAML was built with it."""

Write = Callable[[datetime], Any]
"""How a time is written where an age stood."""


@dataclass(frozen=True)
class Document:
    """One document of a file, as it was written."""

    where: str  # file and number, for messages
    data: Any


@dataclass(frozen=True)
class Clock:
    """Turns ages into times, all seen from one moment."""

    now: datetime

    def at(self, age: str, where: str = "") -> datetime:
        """The time of an age such as `90d ago` or `in 60d`. Raises UsageError for anything else."""
        match = _AGE.fullmatch(age)
        if match is None:
            raise UsageError(f"got '{age}', expected an age", where=where, do=f"write {FORM}")
        past, ahead = match["past"], match["ahead"]
        span = timedelta(**{_UNITS[match["unit"] or match["of"]]: float(past or ahead)})
        return self.now - span if past else self.now + span

    def aged(self, value: Any, where: str, write: Write) -> Any:
        """A copy of a value with a time, or a day as text, for each age in it.

        Below the key `seconds` the time is a count since 1970. Keys that begin with `demo/` are left as they are: they are
        for who reads the document. Raises UsageError for an age that cannot be read, and for a fixed date: it would grow old.
        """
        if isinstance(value, dict):
            return {key: each if str(key).startswith("demo/") else self._one(key, each, where, write) for key, each in value.items()}
        if isinstance(value, list):
            return [self.aged(each, where, write) for each in value]
        if isinstance(value, date) or (isinstance(value, str) and _FIXED.fullmatch(value)):
            raise UsageError(f"got the fixed date {value}, which would grow old", where=where, do=f"write {FORM}")
        if not isinstance(value, str) or _MEANT.fullmatch(value) is None:
            return value
        time = self.at(value, where)
        return time.strftime("%Y-%m-%d") if value.startswith("date ") else write(time)

    def _one(self, key: Any, value: Any, where: str, write: Write) -> Any:
        if key == "seconds" and isinstance(value, str):
            return int(self.at(value, f"{where}, {key}").timestamp())
        return self.aged(value, f"{where}, {key}" if isinstance(value, str) else where, write)


def clock(now: datetime | None = None) -> Clock:
    """The clock of a moment, of this one unless told."""
    return Clock(now or datetime.now(UTC))


def documents(file: Path) -> Iterator[Document]:
    """Every document of a file, ages and all; empty ones are left out. Raises UsageError when it is no YAML."""
    try:
        for number, data in enumerate(yaml.load_all(file.read_bytes(), _LOADER), 1):
            if data is not None:
                yield Document(f"{file.name}, document {number}", data)
    except yaml.YAMLError as error:
        raise UsageError(f"is no YAML: {error}", where=file.name, do="mend the file") from error
