"""Whether an EventBridge pattern lets events of a kind through: all of them, some that it narrows down to, or none.

A kind is an event with what is the same in all of its events; any other field holds something that no pattern spells out.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html and eb-create-pattern-operators.html there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from cnamm_scan.providers.aws.policies.patterns import tidy
from cnamm_scan.providers.aws.policies.setting import Truth
from cnamm_scan.providers.wildcards import matches

Json = Any
OPEN = object()
"""A field that is there with a value that nobody spells out."""
MISSING = object()

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "=": float.__eq__,
    "<": float.__lt__,
    "<=": float.__le__,
    ">": float.__gt__,
    ">=": float.__ge__,
}


def lets_through(pattern: Json, event: Json) -> Truth:
    """Whether events of a kind match. UNKNOWN: those that also hold a value which the pattern spells out, or an operator that is new."""
    if not isinstance(pattern, Mapping):
        return Truth.UNKNOWN
    return _object(pattern, event)


def _object(pattern: Mapping[str, Json], event: Json) -> Truth:
    made = Truth.YES
    for key, asked in pattern.items():
        if key == "$or" and isinstance(asked, Sequence) and not isinstance(asked, str):
            made &= _any(_object(each, event) for each in asked if isinstance(each, Mapping))
            continue
        given = event.get(key, OPEN if event.get("...") else MISSING) if isinstance(event, Mapping) else event
        made &= _field(asked, given)
        if made is Truth.NO:
            break
    return made


def _any(found: Iterable[Truth]) -> Truth:
    made = Truth.NO
    for each in found:
        made |= each
    return made


def _field(asked: Json, given: Json) -> Truth:
    if isinstance(asked, Mapping):
        if isinstance(given, list):
            return _any(_object(asked, each) for each in given)
        return _object(asked, given) if isinstance(given, Mapping) or given in (OPEN, MISSING) else Truth.NO
    if not isinstance(asked, list):
        return Truth.UNKNOWN
    return _any(_leaf(each, given) for each in asked)


def _leaf(asked: Json, given: Json) -> Truth:
    """One entry of a list: a value, or one operator."""
    if isinstance(asked, Mapping):
        return _any(_operator(str(name), value, given) for name, value in asked.items())
    if given is OPEN:
        return Truth.UNKNOWN
    return Truth.of(any(_same(asked, each) for each in _values(given)))


def _same(asked: Json, given: Json) -> bool:
    """Numbers are equal as numbers, everything else as it is written."""
    if isinstance(asked, bool) or isinstance(given, bool) or asked is None or given is None:
        return asked is given
    if isinstance(asked, int | float) and isinstance(given, int | float):
        return float(asked) == float(given)
    return isinstance(asked, str) and isinstance(given, str) and asked == given


def _values(given: Json) -> list[Json]:
    if given is MISSING:
        return []
    return given if isinstance(given, list) else [given]


def _operator(name: str, asked: Json, given: Json) -> Truth:
    if name == "exists":
        return Truth.of(given is not MISSING) if asked is True else Truth.of(given is MISSING) if asked is False else Truth.UNKNOWN
    if name == "anything-but":
        return _but(asked, given)
    if name == "prefix" and asked == "" and given is not MISSING:
        return Truth.YES
    if name == "wildcard" and isinstance(asked, str) and tidy(asked) == "*" and given is not MISSING:
        return Truth.YES
    if given is OPEN:
        return Truth.UNKNOWN
    compare = _comparison(name)
    if compare is None:
        return Truth.UNKNOWN
    return Truth.of(any(compare(asked, each) for each in _values(given)))


def _but(asked: Json, given: Json) -> Truth:
    """A value that nobody spells out is none of those that are left out."""
    if given is MISSING:
        return Truth.NO
    if given is OPEN:
        whole = isinstance(asked, Mapping) and any(_operator(str(name), value, given) is Truth.YES for name, value in asked.items())
        return Truth.NO if whole else Truth.YES
    out = _any(_leaf(each, given) for each in (asked if isinstance(asked, list) else [asked]))
    return ~out


@lru_cache(maxsize=16)
def _comparison(name: str) -> Callable[[Json, Json], bool] | None:
    known: Mapping[str, Callable[[Json, Json], bool]] = {
        "prefix": lambda asked, given: _text(str.startswith, asked, given),
        "suffix": lambda asked, given: _text(str.endswith, asked, given),
        "equals-ignore-case": lambda asked, given: _text(str.__eq__, {"equals-ignore-case": asked}, given),
        "wildcard": lambda asked, given: _text(lambda text, shape: matches(shape.replace("?", "\ue03f"), text), asked, given),
        "numeric": _numeric,
        "cidr": _cidr,
    }
    return known.get(name)


def _text(compare: Callable[[str, str], bool], asked: Json, given: Json) -> bool:
    if isinstance(asked, Mapping):
        asked = asked.get("equals-ignore-case")
        given = given.lower() if isinstance(given, str) else given
        asked = asked.lower() if isinstance(asked, str) else asked
    if isinstance(asked, list):
        return any(_text(compare, each, given) for each in asked)
    return isinstance(asked, str) and isinstance(given, str) and compare(given, asked)


def _numeric(asked: Json, given: Json) -> bool:
    if not isinstance(asked, list) or isinstance(given, bool) or not isinstance(given, int | float):
        return False
    pairs = list(zip(asked[::2], asked[1::2], strict=False))
    return bool(pairs) and all(how in _COMPARE and _COMPARE[how](float(given), float(bound)) for how, bound in pairs)


def _cidr(asked: Json, given: Json) -> bool:
    try:
        return ipaddress.ip_address(given) in ipaddress.ip_network(asked, strict=False)
    except (ValueError, TypeError):
        return False


def _event(source: str, kind: str, detail: Mapping[str, Json]) -> dict[str, Json]:
    return {"source": source, "detail-type": kind, "detail": {"...": True, **detail}, "...": True}


def _finding(product: str, **more: Json) -> dict[str, Json]:
    label = {"Label": "HIGH", "Normalized": 70, "Original": OPEN, "Product": OPEN}
    return {
        "...": True,
        "ProductName": product,
        "RecordState": "ACTIVE",
        "Severity": label,
        "Workflow": {"Status": "NEW"},
        "WorkflowState": "NEW",
        **more,
    }


_IMPORTED = "Security Hub Findings - Imported"
_UNIFIED = _event("aws.securityhub", "Findings Imported V2", {})
"""What the newer Security Hub sends, whose findings have another form."""
THREATS = (
    _event("aws.guardduty", "GuardDuty Finding", {"severity": 8}),
    _event("aws.securityhub", _IMPORTED, {"findings": [_finding("GuardDuty")]}),
    _UNIFIED,
)
"""https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html"""
HUB = THREATS[1:]
POSTURE = (
    _event("aws.securityhub", _IMPORTED, {"findings": [_finding("Security Hub", Compliance={"...": True, "Status": "FAILED"})]}),
    _UNIFIED,
    _event(
        "aws.config",
        "Config Rules Compliance Change",
        {"messageType": "ComplianceChangeNotification", "newEvaluationResult": {"...": True, "complianceType": "NON_COMPLIANT"}},
    ),
)
"""https://docs.aws.amazon.com/config/latest/developerguide/monitor-config-with-cloudwatchevents.html"""
NOTICES = (_event("aws.health", "AWS Health Event", {}),)
"""https://docs.aws.amazon.com/health/latest/ug/aws-health-events-eventbridge-schema.html"""
ACCESS = (_event("aws.access-analyzer", "Unused Access Finding for IAM entities", {"status": "ACTIVE", "isDeleted": False}),)
ACCESS_HUB = (_event("aws.securityhub", _IMPORTED, {"findings": [_finding("IAM Access Analyzer")]}), _UNIFIED)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-eventbridge.html"""
BACKUPS = (_event("aws.backup", "Backup Job State Change", {"state": "FAILED"}),)
"""Who hears only of those that somebody aborted, or that began too late, does not hear of those that failed.

https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html"""
ALARMS = (_event("aws.cloudwatch", "CloudWatch Alarm State Change", {"state": {"...": True, "value": "ALARM"}}),)
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html"""
COSTS = (_event("aws.ce", "Anomaly Detected", {}),)
"""https://docs.aws.amazon.com/cost-management/latest/userguide/cad-eventbridge.html"""
CALLS = tuple(
    {"source": OPEN, "detail-type": kind, "detail": {"...": True}, "...": True}
    for kind in ("AWS API Call via CloudTrail", "AWS Console Sign In via CloudTrail", "AWS Service Event via CloudTrail")
)
"""https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html"""
ANYTHING = {"source": OPEN, "detail-type": "\ue0f1", "detail": {"...": True}, "...": True}


def hears(pattern: Json, kinds: Iterable[Mapping[str, Json]], account: str, region: str) -> Truth:
    """Whether events of one of these kinds, of this account and region, are let through."""
    return _any(lets_through(pattern, {**each, "account": account, "region": region}) for each in kinds)


def picks_calls(pattern: Json, account: str, region: str) -> bool:
    """Whether it is about API calls or sign-ins: some of them get through, and what is none does not."""
    here = {"account": account, "region": region}
    return hears(pattern, CALLS, account, region) is not Truth.NO and lets_through(pattern, {**ANYTHING, **here}) is Truth.NO
