"""What the rules of the default event bus listen to, out of their patterns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.patterns import events
from cnamm_scan.providers.interface import SeenTables

TARGET = "aws.events.target"
_CARRIED = ("rule", "arn", "is_on", "reaches_people", "acts")


def _of(source: str, *kinds: str, **detail: Sequence[str]) -> tuple[events.Event, ...]:
    """Events of a source, one for each kind and each value of its details."""
    made: list[dict[str, Any]] = [{"source": source, "detail-type": kind} for kind in kinds] or [{"source": source}]
    for name, values in detail.items():
        made = [{**each, "detail": {**each.get("detail", {}), name: value}} for each in made for value in values]
    return tuple(made)


_HUB = _of("aws.securityhub", "Security Hub Findings - Imported", "Findings Imported V2")
_CONFIG = _of("aws.config")
_TRAIL = ("AWS API Call via CloudTrail", "AWS Console Sign In via CloudTrail", "AWS Console Action via CloudTrail")
HEARS: Mapping[str, Sequence[events.Event]] = {
    # https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html
    "hears_threats": (*_of("aws.guardduty", "GuardDuty Finding"), *_HUB),
    # https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-cwe-integration-types.html: custom actions wait for a hand
    "hears_hub": _HUB,
    "hears_posture": (*_HUB, *_CONFIG),
    "hears_access": _of("aws.access-analyzer"),
    "hears_health": _of("aws.health"),
    # https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
    "hears_failed_backups": _of("aws.backup", "Backup Job State Change", state=("FAILED", "ABORTED", "EXPIRED", "PARTIAL")),
}
"""Column -> events, one of which has to be heard."""


def listeners(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each target of each rule. A rule without a pattern, one of a timetable, hears nothing."""
    for row in seen.rows(TARGET):
        text = row.values["pattern"]
        heard: dict[str, Any] = dict.fromkeys((*HEARS, "hears_trail"), False)
        if text is None:
            heard = {}
        elif text:
            pattern = events.read(text)
            heard = {} if pattern is None else _heard(pattern)
        carried = {name: row.values[name] for name in _CARRIED}
        yield MadeRow(row.target, row.region, row.key, {**carried, **heard}, (row.fact,))


def _heard(pattern: Mapping[str, Any]) -> dict[str, bool]:
    made = {column: any(events.can_match(pattern, each) for each in told) for column, told in HEARS.items()}
    # who takes in everything does not look for calls
    is_choosy = not events.can_match(pattern, {"detail-type": events.OTHER})
    return {**made, "hears_trail": is_choosy and any(events.can_match(pattern, {"detail-type": kind}) for kind in _TRAIL)}
