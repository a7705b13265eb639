"""What the targets of event rules are told of: each rule's pattern asked with the kinds of event that matter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.patterns import events
from cnamm_scan.providers.interface import SeenTables

TARGET = "aws.events.target"
KINDS = {
    "hears_threats": events.THREATS,
    "hears_hub": events.HUB,
    "hears_posture": events.POSTURE,
    "hears_notices": events.NOTICES,
    "hears_access": events.ACCESS,
    "hears_backups": events.BACKUPS,
    "hears_alarms": events.ALARMS,
}


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def listeners(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each target of a rule. A rule without a pattern runs by the clock and hears nothing."""
    accounts = {target.id: target.name for target in seen.targets}
    for row in seen.rows(TARGET):
        made = {name: row.values.get(name) for name in ("rule", "arn", "is_on", "reaches_people", "acts")}
        text, account = row.values.get("pattern"), accounts.get(row.target, "")
        if text == "":
            made |= {**dict.fromkeys(KINDS, False), "picks_calls": False}
        elif text is not None:
            pattern = _read(text)
            made |= {name: events.hears(pattern, kinds, account, row.region).as_bool for name, kinds in KINDS.items()}
            made["picks_calls"] = None if pattern is None else events.picks_calls(pattern, account, row.region)
        yield MadeRow(row.target, row.region, row.key, made, (row.fact,))
