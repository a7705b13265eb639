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
    targets: Sequence[Target] = field(default=(Target(f"aws:{ME}", "aws", ME),), kw_only=True)

    def rows(self, table: str) -> Sequence[SeenRow]:
        given = {"rule": "r", "arn": "arn:aws:sns:eu-west-1:1:t", "is_on": True, "reaches_people": True, "acts": False}
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
