"""What event patterns let through: the operators one by one, the kinds of event that rules ask for, and a law."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.aws.patterns import events
from cnamm_scan.providers.aws.patterns.events import MISSING, OPEN, hears, lets_through, picks_calls
from cnamm_scan.providers.aws.policies.setting import Truth

Json = Any
ME, HERE = "111111111111", "eu-west-1"
YES, NO, DOUBT = Truth.YES, Truth.NO, Truth.UNKNOWN


@pytest.mark.parametrize(
    ("asked", "given_", "expected"),
    [
        ("a", "a", YES),
        ("a", "A", NO),
        ("a", OPEN, DOUBT),
        ("a", MISSING, NO),
        ("a", ["b", "a"], YES),
        (8, 8.0, YES),
        ("8", 8, NO),
        (True, True, YES),
        (1, True, NO),
        (None, None, YES),
        ({"prefix": "a"}, "ab", YES),
        ({"prefix": "a"}, "b", NO),
        ({"prefix": ""}, OPEN, YES),
        ({"prefix": "a"}, OPEN, DOUBT),
        ({"prefix": {"equals-ignore-case": "A"}}, "ab", YES),
        ({"suffix": "b"}, "ab", YES),
        ({"equals-ignore-case": "AB"}, "ab", YES),
        ({"wildcard": "a*c"}, "abbc", YES),
        ({"wildcard": "a?c"}, "abc", NO),
        ({"wildcard": "*"}, OPEN, YES),
        ({"numeric": [">=", 7]}, 8, YES),
        ({"numeric": [">", 0, "<", 8]}, 8, NO),
        ({"numeric": [">=", 7]}, OPEN, DOUBT),
        ({"anything-but": "a"}, "b", YES),
        ({"anything-but": ["a", "b"]}, "b", NO),
        ({"anything-but": {"prefix": "a"}}, "ab", NO),
        ({"anything-but": {"prefix": "a"}}, OPEN, YES),
        ({"anything-but": {"prefix": ""}}, OPEN, NO),
        ({"anything-but": "a"}, OPEN, YES),
        ({"anything-but": "a"}, MISSING, NO),
        ({"exists": True}, OPEN, YES),
        ({"exists": False}, OPEN, NO),
        ({"exists": False}, MISSING, YES),
        ({"cidr": "10.0.0.0/8"}, "10.1.2.3", YES),
        ({"cidr": "10.0.0.0/8"}, "no address", NO),
        ({"someday": 1}, "a", DOUBT),
    ],
)
def test_one_entry(asked: Json, given_: Json, expected: Truth) -> None:
    event = {} if given_ is MISSING else {"x": given_}
    assert lets_through({"x": [asked]}, event) is expected


def test_entries_are_alternatives_fields_are_not_and_or_is_or() -> None:
    event = {"x": "a", "y": "b"}
    assert lets_through({"x": ["z", "a"], "y": ["b"]}, event) is YES
    assert lets_through({"x": ["a"], "y": ["c"]}, event) is NO
    assert lets_through({"$or": [{"x": ["z"]}, {"y": ["b"]}]}, event) is YES
    assert lets_through({"x": ["a"], "$or": [{"x": ["z"]}, {"y": ["c"]}]}, event) is NO
    assert lets_through({}, event) is YES
    assert lets_through({"x": []}, event) is NO
    assert lets_through({"x": "a"}, event) is DOUBT
    assert lets_through("no pattern", event) is DOUBT
    assert lets_through({"x": {"deep": ["a"]}}, event) is NO


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.guardduty"]}, YES),
        ({"source": [{"prefix": "aws.guard"}]}, YES),
        ({"source": [{"anything-but": ["aws.ec2"]}]}, YES),
        ({"detail-type": ["GuardDuty Finding"]}, YES),
        ({"account": [ME]}, YES),
        ({"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": [">=", 7]}]}}, YES),
        ({"source": ["aws.guardduty"], "detail": {"severity": [7, 7.5, 8, 8.5]}}, YES),
        ({"source": ["aws.guardduty"], "detail": {"type": [{"anything-but": "Recon:EC2/Portscan"}]}}, YES),
        ({"source": ["aws.securityhub"], "detail": {"findings": {"Severity": {"Label": ["HIGH", "CRITICAL"]}}}}, YES),
        ({"source": ["aws.securityhub"], "detail": {"findings": {"ProductName": ["GuardDuty"]}}}, YES),
        ({"source": ["aws.guardduty"], "detail": {"type": [{"prefix": "CryptoCurrency:"}]}}, DOUBT),
        ({"source": ["aws.guardduty"], "resources": ["arn:aws:ec2:eu-west-1:1:instance/i-1"]}, DOUBT),
        ({"source": [{"anything-but": ["aws.guardduty", "aws.securityhub"]}]}, NO),
        ({"source": ["aws.guardduty"], "detail-type": ["Something Else"]}, NO),
        ({"source": ["aws.guardduty"], "detail": {"severity": [{"numeric": ["<", 4]}]}}, NO),
        ({"source": ["aws.guardduty"], "account": ["222222222222"]}, NO),
        ({"source": ["aws.guardduty"], "region": ["us-east-1"]}, NO),
        ({"source": ["aws.ec2"], "detail": {"note": ["aws.guardduty"]}}, NO),
        (
            {
                "source": ["aws.securityhub"],
                "detail": {"findings": {"Compliance": {"Status": ["FAILED"]}}},
                "detail-type": ["Security Hub Findings - Imported"],
            },
            DOUBT,
        ),
        ({"source": ["aws.securityhub"], "detail-type": ["Security Hub Insight Results"]}, NO),
    ],
)
def test_whether_serious_threats_are_heard(pattern: Json, expected: Truth) -> None:
    assert hears(pattern, events.THREATS, ME, HERE) is expected


@pytest.mark.parametrize(
    ("kind", "pattern", "expected"),
    [
        (events.POSTURE, {"source": ["aws.config"]}, YES),
        (events.POSTURE, {"source": ["aws.config"], "detail": {"newEvaluationResult": {"complianceType": ["NON_COMPLIANT"]}}}, YES),
        (events.POSTURE, {"source": ["aws.config"], "detail": {"configRuleName": ["only-this"]}}, DOUBT),
        (events.POSTURE, {"detail": {"findings": {"Compliance": {"Status": [{"anything-but": "PASSED"}]}}}}, YES),
        (events.POSTURE, {"source": ["aws.config"], "detail-type": ["Config Configuration Item Change"]}, NO),
        (events.NOTICES, {"source": ["aws.health"]}, YES),
        (events.NOTICES, {"source": ["aws.health"], "detail": {"service": ["EC2"]}}, DOUBT),
        (events.ACCESS, {"source": ["aws.access-analyzer"], "detail": {"status": ["ACTIVE"]}}, YES),
        (events.ACCESS, {"source": ["aws.access-analyzer"], "detail-type": [{"prefix": "Unused"}]}, YES),
        (events.ACCESS, {"source": ["aws.access-analyzer"], "detail": {"status": ["RESOLVED"]}}, NO),
        (events.ACCESS, {"source": ["aws.access-analyzer"], "detail-type": ["Access Analyzer Finding"]}, NO),
        (events.ACCESS_HUB, {"source": ["aws.securityhub"], "detail": {"findings": {"ProductName": ["IAM Access Analyzer"]}}}, YES),
        (events.ACCESS_HUB, {"source": ["aws.securityhub"], "detail": {"findings": {"ProductName": ["GuardDuty"]}}}, DOUBT),
        (events.BACKUPS, {"source": ["aws.backup"], "detail": {"state": ["FAILED", "ABORTED"]}}, YES),
        (events.BACKUPS, {"source": ["aws.backup"], "detail": {"state": ["COMPLETED"]}}, NO),
        (events.BACKUPS, {"source": ["aws.backup"], "detail": {"state": ["EXPIRED", "ABORTED"]}}, NO),
        (events.BACKUPS, {"source": ["aws.backup"], "detail-type": ["Copy Job State Change"]}, NO),
        (events.ALARMS, {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}, YES),
        (events.ALARMS, {"source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}}}, YES),
        (events.ALARMS, {"source": ["aws.cloudwatch"], "detail": {"state": {"value": ["OK"]}}}, NO),
        (events.ALARMS, {"source": ["aws.cloudwatch"], "detail": {"alarmName": ["checkout errors"]}}, DOUBT),
        (events.COSTS, {"source": ["aws.ce"], "detail-type": ["Anomaly Detected"]}, YES),
        (events.COSTS, {"source": ["aws.ce"], "detail": {"impact": {"totalImpact": [{"numeric": [">", 100]}]}}}, DOUBT),
        (events.COSTS, {"source": ["aws.budgets"]}, NO),
    ],
)
def test_what_else_is_heard(kind: Json, pattern: Json, expected: Truth) -> None:
    assert hears(pattern, kind, ME, HERE) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"detail-type": ["AWS API Call via CloudTrail"], "detail": {"eventName": ["DeleteTrail"]}}, True),
        ({"detail-type": ["AWS Console Sign In via CloudTrail"], "detail": {"userIdentity": {"type": ["Root"]}}}, True),
        ({"detail-type": [{"suffix": "via CloudTrail"}]}, True),
        ({"source": ["aws.guardduty"]}, False),
        ({"account": [ME]}, False),
        ({"source": ["aws.s3"], "detail": {"reason": ["via CloudTrail"]}}, False),
    ],
)
def test_whether_calls_are_picked(pattern: Json, expected: bool) -> None:
    assert picks_calls(pattern, ME, HERE) is expected


ENTRY = st.sampled_from(["a", "b", {"prefix": "a"}, {"anything-but": ["a"]}, {"exists": True}, {"exists": False}, {"wildcard": "*b"}])
PATTERN = st.dictionaries(st.sampled_from(["x", "y"]), st.lists(ENTRY, max_size=3), max_size=2)
EVENT = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["a", "b", "ab"]))


@given(PATTERN, PATTERN, EVENT)
def test_more_fields_never_widen_more_entries_never_narrow_and_or_is_the_union(one: Json, other: Json, event: Json) -> None:
    first, second = lets_through(one, event), lets_through(other, event)
    assert lets_through({"$or": [one, other]}, event) is (first | second)
    both = {**one, **{name: entries for name, entries in other.items() if name not in one}}
    assert first is YES or lets_through(both, event) is NO
    wider = {name: [*entries, *other.get(name, [])] for name, entries in one.items()}
    assert first is NO or lets_through(wider, event) is YES
    assert DOUBT not in (first, second)  # every field is known, every operator too
