"""The calls that an API takes in a minute: kept, so that a scan waits where it would be refused."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Mapping

from cnamm_scan.model import Reason
from cnamm_scan.providers.gcp.answers import RefusedError
from cnamm_scan.providers.gcp.needs import A_MINUTE
from cnamm_scan.providers.interface import CallFailedError, NotYetError

CALLS = A_MINUTE
SECONDS = 61.0
"""A minute, and what calls may lie further apart here than they come in there."""
ROUNDS = 3
"""So often all are refused, and none is answered, before a refusal is taken for a call's end."""
_SPENT = "QuotaSpent"


class Quota:
    """Calls of the last minute, from many threads. The project's others spend the same quota: what it refuses is heard."""

    def __init__(self, calls: int | None = None) -> None:
        """`calls` in a minute; None: as many as come, until one of them is refused."""
        self._most = calls
        self._seconds = SECONDS
        self._lock = threading.Lock()
        self._sent: deque[float] = deque()
        self._closed_until = 0.0
        self._closed_at = 0.0
        self._rounds = 0

    def take(self) -> float:
        """When a call is sent. Raises NotYetError while there is none left: it would be refused."""
        with self._lock:
            now = time.monotonic()
            while self._sent and self._sent[0] <= now - self._seconds:
                self._sent.popleft()
            opens = self._closed_until
            if self._most is not None and len(self._sent) >= self._most:
                opens = max(opens, self._sent[-self._most] + self._seconds)
            if opens > now:
                raise NotYetError(_SPENT, opens - now)
            self._sent.append(now)
            return now

    def answered(self) -> None:
        """A call was let in."""
        with self._lock:
            self._rounds = 0

    def refused(self, failure: CallFailedError, sent: float) -> CallFailedError:
        """What is to be said of a call that the quota refused: as if it had not been sent, until that was so too often."""
        facts = failure.facts if isinstance(failure, RefusedError) else {}
        with self._lock:
            now = time.monotonic()
            if sent in self._sent:
                self._sent.remove(sent)  # what is refused is not counted
            if sent >= self._closed_at:  # else it went out beside one that was heard before
                self._rounds += 1
                self._closed_at = now
                self._closed_until = now + min(failure.after or self._seconds, self._seconds)
                self._most = min(filter(None, (self._most, _limit(facts))), default=None)
            if self._rounds > ROUNDS:
                return CallFailedError(failure.reason, failure.code, failure.message)
            return NotYetError(failure.code, max(0.05, self._closed_until - now))


def is_of_minutes(failure: CallFailedError) -> bool:
    """Whether a refusal says that it is of a quota that is whole again in a minute, and not of a moment."""
    return (
        isinstance(failure, RefusedError)
        and failure.reason is Reason.THROTTLED
        and failure.facts.get("quota_unit", "").startswith("1/min/")
    )


def _limit(facts: Mapping[str, str]) -> int | None:
    """How many calls a quota has, where a refusal says so."""
    said = facts.get("quota_limit_value", "")
    return max(1, int(said)) if re.fullmatch(r"[0-9]{1,8}", said) else None
