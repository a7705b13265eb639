"""Rows of listeners out of rows of targets of event rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cnamm_scan.model import Target
from cnamm_scan.providers.aws.made.columns import MAKERS
from cnamm_scan.providers.aws.made.events import KINDS, listeners
from cnamm_scan.providers.interface import SeenRow
from tests.providers.seen import Given

ME = "111111111111"


@dataclass
class Seen(Given):
    patterns: Sequence[str | None]
    arn: str = f"arn:aws:sns:eu-west-1:{ME}:t"
    heard: Sequence[bool | None] = (True,)
    unread: bool = False
    counted: Sequence[str | None] = ()
    targets: Sequence[Target] = field(default=(Target(f"aws:{ME}", "aws", ME),), kw_only=True)

    def dark(self, table: str, target: str, region: str | None = None) -> bool:
        return self.unread and table == "aws.sns.subscription"

    def rows(self, table: str) -> Sequence[SeenRow]:
        if table == "aws.sns.subscription":
            topic = f"arn:aws:sns:eu-west-1:{ME}:t"
            said = [{"topic_arn": topic, "is_confirmed": each} for each in self.heard]
            return [SeenRow(f"aws:{ME}", "eu-west-1", f"s{at}", f"s{at}", each) for at, each in enumerate(said)]
        if table == "aws.sns.topic":
            told = [{"arn": f"arn:aws:sns:eu-west-1:{ME}:t", "subscribers": each} for each in self.counted]
            return [SeenRow(f"aws:{ME}", "eu-west-1", f"t{at}", f"t{at}", each) for at, each in enumerate(told)]
        given = {"rule": "r", "arn": self.arn, "is_on": True, "reaches_people": True, "acts": False}
        return [
            SeenRow(f"aws:{ME}", "eu-west-1", f"k{at}", f"f{at}", {**given, "pattern": pattern}) for at, pattern in enumerate(self.patterns)
        ]


def heard(pattern: str | None) -> dict[str, Any]:
    (row,) = listeners(Seen([pattern]))
    assert set(row.values) <= set(MAKERS["event_listeners"].columns)
    assert row.rests_on == ("f0",)
    return {name: row.values.get(name) for name in (*KINDS, "picks_calls")}


def test_each_pattern_is_asked_for_each_kind_of_event() -> None:
    found = heard(json.dumps({"source": ["aws.guardduty", "aws.health"], "account": [ME]}))
    assert {name for name, value in found.items() if value} == {"hears_threats", "hears_notices"}
    assert None not in found.values()


def test_a_rule_by_the_clock_hears_nothing_and_of_what_was_not_seen_nothing_is_known() -> None:
    assert set(heard("").values()) == {False}
    assert set(heard(None).values()) == {None}
    assert set(heard("{no json").values()) == {None}


def reached(**seen: Any) -> bool | None:
    (row,) = listeners(Seen(["{}"], **seen))
    return row.values["reaches_people"]  # type: ignore[no-any-return]


def test_a_topic_reaches_people_where_somebody_has_subscribed_to_it() -> None:
    assert reached() is True
    assert reached(heard=[]) is False
    assert reached(heard=[False, None]) is False
    assert reached(heard=[], unread=True) is None


def test_a_subscriber_of_another_account_is_counted_by_the_topic_alone() -> None:
    assert reached(heard=[], counted=["1"]) is True
    assert reached(heard=[], counted=["0"]) is False
    assert reached(heard=[], counted=[None]) is None


def test_who_hears_a_topic_of_another_account_is_not_seen_and_a_web_address_needs_no_subscriber() -> None:
    assert reached(arn="arn:aws:sns:eu-west-1:222222222222:t") is None
    assert reached(arn=f"arn:aws:events:eu-west-1:{ME}:api-destination/pager/1", heard=[]) is True
