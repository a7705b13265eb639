"""Which calls stand behind an unknown: a message that says `denied` alone sends its reader through the whole ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cnamm_scan.model import REASON_WORDS, Coverage, Reason, ResultBlock

if TYPE_CHECKING:
    from cnamm_scan.judged.scan import Scan

_NAMED = 3
"""Calls that a message names; how many more there are, it counts."""
_FEW = 4
"""So many calls of a place may be refused alike without it being the place that is shut."""


class Refusals:
    """Why something is unknown, in words: the reason, and the rights or calls that it is of."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._compiled = {rule.rule.id: rule for rule in scan.compiled}
        self._tables: dict[str, frozenset[str]] = {}
        self._lines: dict[tuple[str, str], list[Coverage]] = {}
        calls: dict[tuple[str, str], int] = {}
        shut: dict[tuple[str, str, str], int] = {}
        for line in scan.coverage:
            place = (line.target, line.region)
            calls[place] = calls.get(place, 0) + 1
            for reason in line.gaps:
                self._lines.setdefault((line.target, reason), []).append(line)
                shut[reason, *place] = shut.get((reason, *place), 0) + 1
        self._shut = {key for key, count in shut.items() if count == calls[key[1:]] > _FEW}

    def of(self, block: ResultBlock) -> str:
        """`denied: secretsmanager:ListSecrets`; the reason alone where no call of the ledger bears it."""
        words = REASON_WORDS.get(block.reason, block.reason)
        if (block.reason, block.target, block.region) in self._shut:
            return f"{words}, as every call there"
        tables = self._tables_of(block.rule)
        lines = [line for line in self._lines.get((block.target, block.reason), ()) if line.table in tables]
        here = [line for line in lines if line.region in (block.region, "", "global")]
        if not here:
            regions = sorted({line.region for line in lines})
            if regions:
                where = ", ".join(regions)
                words = f"{words} in {where}" if block.region in ("", "global") else f"another region may decide, {where}: {words}"
            if regions and all((block.reason, block.target, region) in self._shut for region in regions):
                return f"{words}, as every call there"
        named = list(dict.fromkeys(name for line in here or lines for name in self._named(line)))
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        return f"{words}: {', '.join(named[:_NAMED])}{more}" if named else words

    def _tables_of(self, rule: str) -> frozenset[str]:
        """What a rule reads, straight or through views; nothing of one that nobody knows any more."""
        from cnamm_scan.engine.plan import compile_rules, tables_of

        known = self._tables.get(rule)
        if known is None:
            content = self._scan.content
            asked = [content.rules[rule]] if rule in content.rules else []
            found = self._compiled.get(rule) or next(compile_rules(content, asked), None)
            known = self._tables[rule] = frozenset(tables_of(content, found)) if found is not None else frozenset()
        return known

    def _named(self, line: Coverage) -> Iterable[str]:
        """What would have to be granted, of a refusal; else the call."""
        rights = self._scan.rights(line) if Reason.DENIED in line.gaps else ()
        return rights or self._operation(line)

    @staticmethod
    def _operation(line: Coverage) -> Iterator[str]:
        if line.operation and not line.operation.startswith(("<", "-")):
            yield f"{line.table.split('.')[1]}:{line.operation}"
