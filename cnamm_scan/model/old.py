"""What is old, said once for all providers: how a moment and an age are written, and how old a fact may be that is still judged.

A room of its own, since who collects, judges, tells and takes options must mean the same by it. Ages are counted from the scan's own begin.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

DEFAULT_MAX_AGE = timedelta(days=8)
"""The slowest cycle on which a vendor evaluates by itself is a week (vulnerability assessments of Azure SQL); Azure Policy, AWS Config and
Trivy Operator take a day, the credential report of IAM four hours. What is more than a week and a day old has missed its turn."""
LONGEST = timedelta(days=36_500)
"""The highest bound that can be said: whatever the age, judge it."""
AGE_PART = "age"
"""The line of the ledger that tells how old a table's rows are, by their source's own word."""
STALE_PART = "stale"
"""The line that tells how many of them were too old to be judged."""
AGES = ("as_of", "age", "max_age")
"""What a result shows of what is too old: when it was true, how long before the scan that was, and how long it might have been."""

_SAID = re.compile(r"([0-9]{1,6})([dh])")
_HOUR, _DAY = 3600, 86_400
_HOURS_UP_TO = 2 * _DAY
"""Ages below are told in hours."""


def read_age(text: str) -> timedelta | None:
    """An age as people write it, `8d` or `36h`: at least an hour, at most a hundred years. None for anything else."""
    said = _SAID.fullmatch(text.strip())
    if said is None:
        return None
    age = timedelta(days=int(said[1])) if said[2] == "d" else timedelta(hours=int(said[1]))
    return age if timedelta(0) < age <= LONGEST else None


def written(age: timedelta) -> str:
    """An age as `read_age` reads it, in the largest unit that says it; what is no whole hour is told as the next."""
    seconds = math.ceil(age.total_seconds())
    return f"{seconds // _DAY}d" if seconds % _DAY == 0 else f"{-(-seconds // _HOUR)}h"


def enough(age: timedelta) -> str:
    """The bound, in whole days, under which a fact of this age is still judged."""
    return f"{max(1, math.ceil(age / timedelta(days=1)))}d"


def told(age: timedelta) -> str:
    """An age in words: the hours or days that have begun. What lies ahead of the scan, as a clock that runs fast makes it, is no age."""
    seconds = max(0, math.ceil(age.total_seconds()))
    number, unit = (-(-seconds // _HOUR), "hour") if seconds < _HOURS_UP_TO else (-(-seconds // _DAY), "day")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def too_old(age: str, max_age: str) -> str:
    """Why a fact was not judged, with the bound that left it out."""
    return f"last evaluated {age} ago, older than --max-age {max_age}"


def moment_of(value: Any) -> str:
    """A moment as facts keep it: `2026-01-31T09:30:00Z`, to the second begun. Empty for what is none."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            value = datetime.fromtimestamp(value, UTC)
        if not isinstance(value, datetime):
            return ""
        at = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return f"{at.replace(microsecond=0, tzinfo=None).isoformat()}Z"


def seconds(age: timedelta) -> int:
    """An age as a bundle keeps it."""
    return math.ceil(age.total_seconds())


def read_moment(text: str) -> datetime:
    """A moment out of a fact, a ledger or a manifest. Raises ValueError for what is none."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def oldest_judged(started: datetime, max_age: timedelta) -> str:
    """The earliest moment that is not too old. Moments are written alike, so that texts compare as they do."""
    return moment_of(started.astimezone(UTC).replace(microsecond=0) - max_age)
