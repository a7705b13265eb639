"""What the targets of event rules are told of: each rule's pattern asked with the kinds of event that matter; and who listens there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.patterns import events
from cnamm_scan.providers.interface import SeenRow, SeenTables

TARGET = "aws.events.target"
SUBSCRIPTION = "aws.sns.subscription"
TOPIC = "aws.sns.topic"
"""Counts who has confirmed, subscribers of other accounts too, which are on no list of this one."""
KINDS = {
    "hears_threats": events.THREATS,
    "hears_hub": events.HUB,
    "hears_posture": events.POSTURE,
    "hears_notices": events.NOTICES,
    "hears_access": events.ACCESS,
    "hears_access_hub": events.ACCESS_HUB,
    "hears_backups": events.BACKUPS,
    "hears_alarms": events.ALARMS,
    "hears_costs": events.COSTS,
}


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _people(seen: SeenTables, row: SeenRow, account: str, heard: Set[str], uncounted: Set[str]) -> bool | None:
    """Whether people are reached: by a topic only where it has a subscriber, which of another account's topic nobody sees here.

    `heard` are the topics that have one, `uncounted` those of which nobody could count them.
    """
    reaches: bool | None = row.values.get("reaches_people")
    arn = str(row.values.get("arn") or "")
    if reaches is not True or ":sns:" not in arn or arn in heard:
        return reaches
    is_dark = any(seen.dark(table, row.target, row.region) for table in (SUBSCRIPTION, TOPIC))
    is_seen = arn.split(":")[4:5] == [account] and not is_dark and arn not in uncounted
    return False if is_seen else None


def listeners(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each target of a rule. A rule without a pattern runs by the clock and hears nothing."""
    accounts = {target.id: target.name for target in seen.targets}
    heard = {str(row.values["topic_arn"]) for row in seen.rows(SUBSCRIPTION) if row.values.get("is_confirmed")}
    topics = [(str(row.values.get("arn")), row.values.get("subscribers")) for row in seen.rows(TOPIC)]
    heard |= {arn for arn, count in topics if count not in (None, "0")}
    uncounted = {arn for arn, count in topics if count is None}
    for row in seen.rows(TARGET):
        made = {name: row.values.get(name) for name in ("rule", "arn", "is_on", "reaches_people", "acts")}
        text, account = row.values.get("pattern"), accounts.get(row.target, "")
        made["reaches_people"] = _people(seen, row, account, heard, uncounted)
        if text == "":
            made |= {**dict.fromkeys(KINDS, False), "picks_calls": False}
        elif text is not None:
            pattern = _read(text)
            made |= {name: events.hears(pattern, kinds, account, row.region).as_bool for name, kinds in KINDS.items()}
            made["picks_calls"] = None if pattern is None else events.picks_calls(pattern, account, row.region)
        yield MadeRow(row.target, row.region, row.key, made, (row.fact,))
