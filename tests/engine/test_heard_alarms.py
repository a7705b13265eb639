"""Whom an alarm reaches is a join of two tables that ship, and asked through the store: a rule's own cases cannot make a view of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import make_view
from cnamm_scan.model import Reason
from tests.engine.test_views_law import CONTENT

VIEW, BENEATH = "aws.cloudwatch.heard_alarm", "aws.cloudwatch.heard_composite"
PAGER = "arn:aws:sns:eu-west-1:111122223333:pager"
WHERE = {"target": "aws:1", "region": "eu-west-1", "scanned_account": "111122223333"}
TOPIC = {"target": "aws:1", "region": "eu-west-1", "key": PAGER, "arn": PAGER, "subscribers": "2"}
ALARM = {**WHERE, "key": "a", "name": "burn", "metric": "BurnRate", "namespace": "AWS/ApplicationSignals", "is_on": True, "actions": []}
MADE_OF_IT = {**WHERE, "key": "c", "name": "page", "rule": 'ALARM("burn") OR ALARM("other")', "is_on": True, "actions": [PAGER]}


def heard(
    alarm: dict[str, Any],
    *others: dict[str, Any],
    is_dark: bool = False,
    topic: dict[str, Any] | None = TOPIC,
    listeners: Sequence[str] = (),
) -> bool | None:
    """What the view says of one alarm beside others that are made of alarms."""
    with Store(CONTENT, {VIEW}, scan_time="2026-01-02T03:04:05") as store:
        store.places = {"aws:1": ("global", "eu-west-1")}
        store.add_rows("aws.cloudwatch.alarm", [alarm])
        store.add_rows("aws.cloudwatch.composite_alarm", others)
        store.add_rows("aws.sns.topic", [topic] if topic else [])
        store.add_rows("aws.sns.subscription", [{**WHERE, "key": each, "topic_arn": PAGER, "subscription_arn": each} for each in listeners])
        if is_dark:
            store.add_ghosts("aws.cloudwatch.composite_alarm", [("aws:1", "eu-west-1", Reason.DENIED, False)])
        make_view(store, "aws.sns.heard_topic")
        make_view(store, BENEATH)
        make_view(store, VIEW)
        rows = store.rows(f"SELECT key, reaches_someone OR through_another FROM {quoted(VIEW)}")
        said: bool | None = dict(rows)["a"]
        return said


@pytest.mark.parametrize("rule", ["ALARM(burn)", 'OK("up") AND ALARM("burn")', "ALARM(arn:aws:cloudwatch:eu-west-1:1:alarm:burn)"])
def test_an_alarm_is_heard_through_one_that_is_made_of_it(rule: str) -> None:
    assert heard(ALARM, {**MADE_OF_IT, "rule": rule}) is True


@pytest.mark.parametrize("more", [{"rule": "ALARM(burn-slow)"}, {"actions": []}, {"is_on": False}, {"region": "us-east-1"}])
def test_others_make_it_no_better(more: dict[str, Any]) -> None:
    assert heard(ALARM, {**MADE_OF_IT, **more}) is False


def test_an_alarm_is_heard_through_one_that_is_made_of_one_that_is_made_of_it() -> None:
    inner = {**MADE_OF_IT, "actions": []}
    outer = {**MADE_OF_IT, "key": "d", "name": "everything", "rule": 'ALARM("page")'}
    assert heard(ALARM, inner, outer) is True
    assert heard(ALARM, inner, {**outer, "actions": []}) is False
    assert heard(ALARM, inner, {**outer, "rule": 'ALARM("pages")'}) is False


def test_its_own_actions_are_enough() -> None:
    assert heard({**ALARM, "actions": [PAGER]}) is True
    assert heard(ALARM) is False


def test_a_topic_hears_where_somebody_listens_to_it() -> None:
    told = {**ALARM, "actions": [PAGER]}
    for alarm, others in ((told, ()), (ALARM, (MADE_OF_IT,))):
        assert heard(alarm, *others) is True
        assert heard(alarm, *others, topic={**TOPIC, "subscribers": "0"}) is False
        assert heard(alarm, *others, topic={**TOPIC, "subscribers": None}) is None
        assert heard(alarm, *others, topic=None) is False
        assert heard(alarm, *others, topic={**TOPIC, "subscribers": "0"}, listeners=["PendingConfirmation"]) is False
        assert heard(alarm, *others, topic={**TOPIC, "subscribers": "0"}, listeners=[f"{PAGER}:1"]) is True
    theirs = PAGER.replace("111122223333", "444455556666")
    elsewhere = {**ALARM, "actions": [theirs]}
    assert heard(elsewhere) is None
    assert heard({**elsewhere, "is_on": False}) is False
    assert heard({**elsewhere, "actions": [theirs, PAGER]}) is True
    assert heard({**ALARM, "actions": ["arn:aws:ssm-incidents::111122223333:response-plan/shop"]}, topic=None) is True


def test_what_could_not_be_read_is_no_answer() -> None:
    assert heard(ALARM, is_dark=True) is None
    assert heard({**ALARM, "actions": [PAGER]}, is_dark=True) is True
    assert heard({**ALARM, "actions": None}) is None
    assert heard(ALARM, {**MADE_OF_IT, "rule": None}) is None
