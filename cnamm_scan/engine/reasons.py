"""What results say besides their verdict: why something is unknown, and the values that were seen, of what was too old its age.

Apart from the judging, which asks neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from cnamm_scan.engine.dated import age_of
from cnamm_scan.engine.extract import gap_key, literal
from cnamm_scan.engine.says import spoken
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import expand, quoted
from cnamm_scan.engine.store import Store
from cnamm_scan.model import SILENCE_PART, Content, Reason, ResultBlock, Verdict
from cnamm_scan.model.old import AGES

if TYPE_CHECKING:
    from cnamm_scan.engine.evaluate import CompiledRule

SPOKEN = (Verdict.FAIL, Verdict.UNKNOWN)
"""Verdicts whose results keep the values that were seen. What passed can be looked up: its fact is in the same bundle."""


class Values:
    """What the results of a block show: columns as they were seen, and of what was too old its age."""

    def __init__(self, store: Store, compiled: CompiledRule, reasons: Reasons, block: ResultBlock) -> None:
        self.store, self.compiled, self.reasons, self.block = store, compiled, reasons, block
        self.ages = AGES if block.reason == Reason.STALE and store.max_age is not None else ()
        self.is_spoken = block.verdict in SPOKEN

    def of(self, keys: Sequence[str], seen: Sequence[str]) -> tuple[Sequence[Any], ...]:
        """A row for each of these resources; none where the facts say it all. `seen` are rows as `_judged_sql` gives them."""
        if not self.block.columns and not self.ages:
            return ()
        dated = self.compiled.is_dated
        rows = _decoded(f"[{','.join(seen)}]") if self.is_spoken and (self.compiled.shown or dated) else [[] for _ in keys]
        moments = [row.pop() for row in rows] if dated else [None] * len(rows)
        found = [list(row) for row in spoken(self.block, keys, rows, self.compiled.causes)]
        return tuple([*row, *self._age(moment)] for row, moment in zip(found, moments, strict=True)) if self.ages else tuple(found)

    def _age(self, moment: str | None) -> Sequence[str | None]:
        """Its own age, or that of the oldest that the rule looked into."""
        as_of = moment or self.reasons.oldest(self.block.target)
        if as_of is None or self.store.max_age is None:
            return (None,) * len(AGES)
        return age_of(as_of, self.store.scan_time, self.store.max_age)


class Reasons:
    """Why a row of a rule is unknown: its own gaps first, then those of the tables that the rule looked into."""

    def __init__(self, store: Store, compiled: CompiledRule) -> None:
        self.store = store
        content, rule = store.content, compiled.rule
        self.for_each = rule.for_each
        own = compiled.reads[rule.for_each]
        self.own_parts = _heads(content, rule.for_each, own)
        self.own_values = compiled.values
        self.own_uncollected = self._uncollected(rule.for_each, own)
        looked_into = [(subquery.table, subquery.by_region) for subquery in compiled.subqueries]
        for table in (rule.for_each, *(subquery.table for subquery in compiled.subqueries)):
            looked_into += [(base, False) for base in _bases(content, table)]
        self.looked_into = [(table, by_region, compiled.reads.get(table, frozenset())) for table, by_region in looked_into]

    def own(self, verdict: str) -> str:
        """SQL of the reason that a row bears itself; NULL where it lies with what the rule looked into, or where nothing was unread."""
        found = ["_ghost", *(f"_gaps[{literal(part)}]" for part in self.own_parts)]
        if self.own_values:  # a source is silent about something only where a column has no value
            unsaid = " OR ".join(f"{quoted(name)} IS NULL" for name in self.own_values)
            found.append(f"CASE WHEN {unsaid} THEN _gaps[{literal(SILENCE_PART)}] END")
        return f"CASE WHEN {verdict} = 'unknown' THEN COALESCE({', '.join(found)}, NULL) END"

    def around(self, target: str, region: str | None) -> str:
        """The reason of a row that bears none; `not_in_answer` when everything was read and the answer was silent."""
        if self.own_uncollected is not None:
            return self.own_uncollected
        for table, by_region, columns in self.looked_into:
            found = self.store.dark(table, _parts(self.store.content, table, columns))
            reason = found.get((target, region if by_region else None)) or found.get(("", None))
            if reason is not None:
                return reason
            missing = self._uncollected(table, columns)
            if missing is not None:
                return missing
        return Reason.NOT_IN_ANSWER.value

    def oldest(self, target: str) -> str | None:
        """When the oldest of what was too old was true, of all that the rule looked into."""
        tables = dict.fromkeys((self.for_each, *(table for table, _, _ in self.looked_into)))
        found = [(place, oldest) for table in tables for place, (_, oldest) in self.store.stale(table).items()]
        return min((oldest for (own, _), oldest in found if own == target), default=min((oldest for _, oldest in found), default=None))

    def _uncollected(self, table: str, columns: frozenset[str]) -> str | None:
        """Why columns are in no fact of the bundle; None when all are."""
        if self.store.unsupported.get(table, frozenset()) & columns:
            return Reason.UNSUPPORTED.value
        return Reason.NOT_COLLECTED.value if self.store.uncollected.get(table, frozenset()) & columns else None


@lru_cache(maxsize=1024)
def _bases(content: Content, view: str) -> tuple[str, ...]:
    """What a view is made of, through all views between; nothing for a table."""
    if view not in content.views:
        return ()
    near = sorted(read_view(content, view).tables)
    return tuple(dict.fromkeys([*near, *(base for table in near for base in _bases(content, table))]))


def _heads(content: Content, table: str, columns: Iterable[str]) -> tuple[str, ...]:
    """The names under which a fact's gaps would tell that one of the columns was not read."""
    spec = content.tables.get(table)
    if spec is None:
        return ()
    named = (spec.columns.get(name) for name in expand(content, table, columns))
    return tuple(sorted({gap_key(column.path) for column in named if column is not None and column.path}))


def _parts(content: Content, table: str, columns: Iterable[str]) -> tuple[str, ...]:
    """Those of them that a whole table is searched for: the calls that its rows are made of, and what the source never says."""
    spec = content.tables.get(table)
    if spec is None:
        return ()
    return (*(key for key in _heads(content, table, columns) if key in spec.then or key.startswith("parent.")), SILENCE_PART)


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # what is no number, or has no end: JSON knows neither, DuckDB writes them
        return json.loads(text)
