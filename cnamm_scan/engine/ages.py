"""How old a thing is and whether it is in use: said once, as functions that SQL calls, so that every rule counts days alike.

Time is the scan's own, never this machine's, so that a replay says the same. An age counts begun days of 24 hours: a thing of exactly
90 days is 90 days old, one second later it is 91. `days_since(x, scan_time) <= 90` is therefore "at most 90 days old", to the second,
and `> 90` its exact opposite. What lies ahead of the scan, as a clock that runs fast makes it, is 0 days old or less, and so young.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set

from cnamm_scan.content import columns_of
from cnamm_scan.engine import parser
from cnamm_scan.engine.parser import Node, nodes
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Content

AGES: Mapping[str, tuple[str, str]] = {
    "seconds_since": ("since, now", "CAST(ceil((CAST(epoch_us(now) AS HUGEINT) - epoch_us(since)) / 1000000) AS BIGINT)"),
    "hours_since": ("since, now", "CAST(ceil((CAST(epoch_us(now) AS HUGEINT) - epoch_us(since)) / 3600000000) AS BIGINT)"),
    "days_since": ("since, now", "CAST(ceil((CAST(epoch_us(now) AS HUGEINT) - epoch_us(since)) / 86400000000) AS BIGINT)"),
    "days_until": ("moment, now", "CAST(floor((CAST(epoch_us(moment) AS HUGEINT) - epoch_us(now)) / 86400000000) AS BIGINT)"),
    "day_before": ("days, now", "strftime(now - to_days(CAST(days AS INTEGER)), '%Y-%m-%d')"),
    "day_of": ("moment", "strftime(moment, '%Y-%m-%d')"),
    "was_used": ("is_used, used_at, days, now", "is_used AND days_since(used_at, now) <= days"),
    "is_used_or_new": (
        "is_used, used_at, made_at, days, now",
        "(is_used AND days_since(used_at, now) <= days) OR days_since(made_at, now) <= days",
    ),
}
"""Name -> parameters and what they come to. Each is NULL where what it hangs on was not seen.

- `seconds_since`, `hours_since`, `days_since`: how many have begun between two moments.
- `days_until`: how many whole days are left: `>= 30` is "at least 30 days", to the second.
- `day_before`: the day so many days ago, as 2026-01-31: for what is known by its day alone, which counts to that
  day's end. `day_of` is such a day of a moment.
- `was_used`: within so many days. What was never used was not, whatever stands for the moment.
- `is_used_or_new`: the same, or too young for anybody to have used it: made within as many days.
"""

_COUNTS = frozenset("date_diff datediff date_sub datesub age".split())
_MAKES = frozenset("+ - date_add strftime epoch epoch_ms epoch_us epoch_ns date_trunc datetrunc date_part datepart".split())

_MAY_COUNT = re.compile(r"scan_time|\binterval\b|\bto_\w+s\b|\bdate_?(?:diff|sub)\b|\bage\b", re.IGNORECASE)
"""What stands in every text that could count an age: the parser is slow, and nine texts in ten have none of it."""


def definitions() -> str:
    """The statements that make them known to a database."""
    return "; ".join(f"CREATE MACRO {name}({parameters}) AS ({text})" for name, (parameters, text) in AGES.items())


def problems(content: Content, known: Set[str] = frozenset()) -> Iterator[ContentError]:
    """Every age that content counts by itself, but for `known` names. Text that cannot be read is passed over here: others say so."""
    for where, text in _texts(content, known):
        if not _MAY_COUNT.search(text):
            continue
        try:
            read = parser.statements(text, where=where, do="")
        except ContentError:
            continue
        found = next((said for node in nodes(read) if (said := _home_made(node)) is not None), None)
        if found is not None:
            yield ContentError(
                f"'{found}' counts an age in a way of its own",
                where=where,
                do="write days_since(…, scan_time) <= days, or another function of 'Young and old' in docs/content.md",
            )


def _texts(content: Content, known: Set[str]) -> Iterator[tuple[str, str]]:
    for rule in (rule for rule in content.rules.values() if rule.id not in known):
        for key, text in rule.asked:
            yield f"{rule.source} ({rule.id}) {key}:", f"SELECT (\n{text}\n)"
    for table in (table for table in content.tables.values() if table.id not in known):
        for name, column in columns_of(content, table.id).items():
            if column.is_:
                yield f"{table.source} ({table.id}.{name})", f"SELECT (\n{column.is_}\n)"
    for view in content.views.values():
        if view.made is None and view.id not in known:
            yield f"{view.source} ({view.id})", view.select


def _home_made(node: Node) -> str | None:
    """What a call counts by itself: two moments set apart, or the scan's time made into another."""
    if node.get("class") != "FUNCTION":
        return None
    name = str(node["function_name"]).lower()
    if name in _COUNTS or (name.startswith("to_") and name.endswith("s")):
        return name
    within = [each["expression"] for each in node["arguments"]]
    asks = any(each.get("class") == "COLUMN_REF" and str(each["column_names"][-1]).lower() == "scan_time" for each in within)
    return f"{name} of scan_time" if asks and name in _MAKES else None
