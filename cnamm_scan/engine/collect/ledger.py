"""The coverage ledger: how every planned call went, folded while it goes on, one line for each (target, region, table, part)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cnamm_scan.engine.schedule import Outcome
from cnamm_scan.model import Coverage, Reason
from cnamm_scan.model.old import AGE_PART
from cnamm_scan.providers.interface import CallFailedError

SPARED_PART = "spared"
"""The line of a listing that was not needed, since another table told all of it."""
_NOT_ASKED = frozenset({"NotAsked", "RegionIsDark"})


@dataclass(slots=True)
class _Line:
    """One line while it grows."""

    operation: str
    calls: int = 0
    pages: int = 0
    items: int = 0
    retries: int = 0
    ok: int = 0
    complete: bool = True
    gaps: Counter[str] = field(default_factory=Counter)
    code: str = ""
    gone: int = 0


@dataclass(slots=True)
class _Ages:
    """How old the rows of a table are in one place, while they come."""

    operation: str
    oldest: str = ""
    dated: int = 0
    undated: int = 0


class Ledger:
    """Takes the end of every call, from many threads.

    A call that fills several tables, or the tables of several targets, is told in the line of each: a line says what its rows rest on.
    """

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str, str, str], _Line] = {}
        self._ages: dict[tuple[str, str, str], _Ages] = {}
        self._lock = threading.Lock()

    def note(
        self,
        target: str,
        region: str,
        table: str,
        part: str,
        operation: str,
        *,
        outcome: Outcome | None,
        items: int = 0,
        failure: CallFailedError | None = None,
        code: str = "",
    ) -> None:
        """Add one call's end. `failure` is None when it counts as answered (also when its error meant "not configured").

        `code` is what the provider called something that is no gap: an error that means "none", a snapshot that moved.
        """
        with self._lock:
            line = self._lines.setdefault((target, region, table, part), _Line(operation))
            if outcome is not None:
                line.calls += outcome.failure is None or outcome.failure.code not in _NOT_ASKED
                line.retries += outcome.retries
            line.items += items
            line.code = line.code or code
            if failure is None:
                line.pages += outcome is not None
                line.ok += 1
            else:
                line.gaps[failure.reason.value] += 1
                line.code = failure.code if line.complete else line.code  # the first gap's, before any note
                line.complete = False

    def gone(self, target: str, region: str, table: str, part: str, operation: str) -> None:
        """Count an item that went away since it was listed: proven, and so no gap."""
        with self._lock:
            self._lines.setdefault((target, region, table, part), _Line(operation)).gone += 1

    def aged(self, target: str, region: str, table: str, operation: str, as_of: str) -> None:
        """Add a row of a table whose source says when it was true. `as_of` is empty where it does not say so of this row."""
        with self._lock:
            ages = self._ages.setdefault((target, region, table), _Ages(operation))
            if not as_of:
                ages.undated += 1
                return
            ages.dated += 1
            ages.oldest = min(ages.oldest or as_of, as_of)

    def whole(self, target: str, region: str, table: str) -> bool:
        """Whether a table was read whole there, with all its parts."""
        with self._lock:
            own = [line for place, line in self._lines.items() if place[:3] == (target, region, table)]
        return bool(own) and all(line.complete for line in own)

    def spare(self, target: str, region: str, table: str, operation: str) -> None:
        """Note that a listing was not needed: another table told all of it."""
        with self._lock:
            self._lines.setdefault((target, region, table, SPARED_PART), _Line(operation))

    def lines(self) -> Iterator[Coverage]:
        """The ledger, sorted."""
        for (target, region, table, part), line in sorted(self._lines.items()):
            yield Coverage(
                target=target,
                region=region,
                table=table,
                part=part,
                operation=line.operation,
                status="ok" if not line.gaps else line.gaps.most_common(1)[0][0],
                complete=line.complete,
                calls=line.calls,
                pages=line.pages,
                items=line.items,
                retries=line.retries,
                gaps=dict(sorted(line.gaps.items())),
                code=line.code,
                gone=line.gone,
            )
        for (target, region, table), ages in sorted(self._ages.items()):
            yield Coverage(
                target=target,
                region=region,
                table=table,
                part=AGE_PART,
                operation=ages.operation,
                status="ok",
                complete=True,
                items=ages.dated,
                oldest_at=ages.oldest,
                undated=ages.undated,
            )

    def seen(self) -> Mapping[tuple[str, str], str]:
        """How each (target, region) was seen: listed when anything there answered, else by what stood in the way."""
        with self._lock:
            lines = list(self._lines.items())
        reasons: dict[tuple[str, str], set[str]] = {}
        for (target, region, _, _), line in lines:
            reasons.setdefault((target, region), set()).update(["" for _ in range(bool(line.ok))], line.gaps)
        return {place: _seen(found) for place, found in reasons.items()}


def _seen(reasons: set[str]) -> str:
    """`reasons` are those of a region's gaps; an empty one says that something was answered."""
    if "" in reasons:
        return "listed"
    if reasons <= {Reason.REGION_DISABLED.value}:
        return "off"
    if reasons <= {Reason.UNREACHABLE.value, Reason.TIMED_OUT.value}:
        return "unreachable"
    return "denied" if Reason.DENIED.value in reasons else "listed"
