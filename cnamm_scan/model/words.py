"""The words that all speak: verdicts, reasons, severities, and the names of methods and parts."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction

LEVELS: tuple[int, ...] = (1, 2, 3, 4, 5)
LEVEL_NAMES: Mapping[int, str] = {1: "Foundation", 2: "Standardized", 3: "Optimized", 4: "Leading", 5: "Transformative"}
STREAM_WEIGHTS: Mapping[str, Fraction] = {"A": Fraction(6, 10), "B": Fraction(4, 10)}
ATTAINED_AT = Fraction(8, 10)
SCORING_MODEL = "staged/2"
"""How verdicts become scores. Scores of different ids are never compared; a bundle is shown under the one that scored it."""
FIRST_SCORING = "staged/1"
JUDGING_MODEL = "judge/2"
"""How facts become verdicts. Those of different ids are not compared as if the world had changed; a bundle without one is of the first."""
FIRST_JUDGING = "judge/1"
ESTATE_TABLE = "estate.target"
GHOST_PART = "list"
"""The name under which a fact's gaps say that its whole listing could not be read."""
UNREAD = "unread"
"""The field of such a fact that says for how many it stands, where that is known."""
ROOM = "namespace"
"""The column that says where in a target a row is, in tables that have one: an unread row of which it is known darkens no other room."""
OUTSIDE_PART = "outside"
"""The coverage line, of no target, that counts the items of a listing for a whole connection which belong to none of its targets."""
OUTSIDE = "outside"
"""The field of such a fact that names the rooms in which what it stands for is known not to be, where no more is known of where it is."""
REST_PART = "rest"
"""The name under which they say that there may be more than was listed: then nothing may be taken to be absent."""
SILENCE_PART = "silence"
"""The name under which they say why the source does not speak of what it could not know."""


ASSUME_WHOLE = "assume_whole"
"""In the scope of a target: somebody said that what was given is all there is, so that what is not in it is known to be absent."""
WOULD_SHOW = "would_show"
"""In the scope of a target: what to do to see what was there and was not collected."""


class Verdict(StrEnum):
    """What a rule says about one resource."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"
    ERROR = "error"


class Reason(StrEnum):
    """Why something could not be read."""

    DENIED = "denied"
    THROTTLED = "throttled"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    SERVER_ERROR = "server_error"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    API_DISABLED = "api_disabled"
    REGION_DISABLED = "region_disabled"
    CREDENTIALS = "credentials"
    TRUNCATED = "truncated"
    EXCLUDED = "excluded"
    INTERRUPTED = "interrupted"
    NOT_COLLECTED = "not_collected"
    NOT_IN_ANSWER = "not_in_answer"
    NOT_FOUND = "not_found"
    NOT_IN_MANIFESTS = "not_in_manifests"
    ONLY_IN_CLUSTER = "only_in_cluster"
    STALE = "stale"
    COLLECTOR_BUG = "collector_bug"


REASON_WORDS: Mapping[str, str] = {
    "denied": "denied",
    "throttled": "throttled beyond retries",
    "timed_out": "timed out",
    "unreachable": "unreachable",
    "server_error": "answered with server errors",
    "malformed": "answered with a malformed body",
    "unsupported": "not offered there",
    "api_disabled": "refused: API or service not enabled",
    "region_disabled": "region not enabled for these credentials",
    "credentials": "credentials ended during the scan",
    "truncated": "listing cut short",
    "excluded": "left out of this scan",
    "interrupted": "not asked: the scan was stopped",
    "not_collected": "not collected in this scan",
    "not_in_answer": "what was read leaves it open",
    "not_found": "not found when asked by its name, which proves nothing",
    "not_in_manifests": "not in the manifests",
    "only_in_cluster": "said by a running cluster only",
    "stale": "last evaluated longer ago than --max-age",
    "collector_bug": "a bug in our collector (please report it)",
}
"""The reasons as a person is told them."""


class Severity(StrEnum):
    """How much a fail matters."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def weight(self) -> int:
        """The weight of a rule inside its objective (SCORING.md, step 2)."""
        return {"critical": 8, "high": 4, "medium": 2, "low": 1}[self.value]

    @property
    def rank(self) -> int:
        """0 for critical, rising as it matters less: a sort key."""
        return list(Severity).index(self)
