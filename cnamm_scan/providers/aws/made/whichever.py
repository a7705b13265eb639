"""An account whose organisation was not read may be in any that its policies name: what is made is what all of these agree on.

Policies are evaluated where the own organisation is known, or is none that they name. Whoever may not ask for it (DescribeOrganization)
does not know that: a condition on `o-…` may let in the own people or strangers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.aws.made.places import ACCOUNT
from cnamm_scan.providers.interface import SeenGroup, SeenRow, SeenTables
from cnamm_scan.providers.makers import later

_NAMED = re.compile(rb"o-[a-z0-9]{4,32}\b")
MOST = 6
"""Organisations that are tried; of policies that name more than these none is made out by trying."""


@dataclass
class Assuming:
    """The tables as they are, with an organisation assumed where none was read."""

    seen: SeenTables
    organisation: str

    def __post_init__(self) -> None:
        self.targets: Sequence[Target] = self.seen.targets
        self.over: Sequence[str] = self.seen.over
        self.reads: Mapping[str, Sequence[str]] = self.seen.reads
        self.now = self.seen.now

    def rows(self, table: str) -> Sequence[SeenRow]:
        """As they are; of accounts those of which nothing was read too."""
        rows = self.seen.rows(table)
        if table != ACCOUNT or ACCOUNT in self.over:
            return rows
        made = [
            row
            if row.values.get("organization_id") is not None
            else SeenRow(row.target, row.region, row.key, row.fact, {**row.values, "organization_id": self.organisation})
            for row in rows
        ]
        there = {row.target for row in rows}
        blank = dict.fromkeys(self.seen.reads[ACCOUNT])
        return [
            *made,
            *(
                SeenRow(each.id, "global", each.name, "", {**blank, "organization_id": self.organisation})
                for each in self.targets
                if each.id not in there
            ),
        ]

    def groups(self, table: str) -> Sequence[SeenGroup]:
        """As they are."""
        return self.seen.groups(table)

    def dark(self, table: str, target: str, region: str | None = None) -> bool:
        """As it is."""
        return self.seen.dark(table, target, region)

    def why(self, table: str, target: str) -> frozenset[str]:
        """As it is."""
        return self.seen.why(table, target)


def in_whichever_organisation(seen: SeenTables, module: str, function: str, *more: Any) -> Iterable[MadeRow]:
    """What a function of this folder makes, without what hangs on an organisation that was not read; `more` follows the tables."""
    make = later("aws", module, function, *more)
    if "organization_id" not in seen.reads.get(ACCOUNT, ()):
        return make(seen)
    known = {row.target: row.values.get("organization_id") for row in seen.rows(ACCOUNT)}
    named = set() if all(known.get(target.id) is not None for target in seen.targets) else _named(seen) - {*known.values()}
    if not named:
        return make(seen)
    return _agreed([list(make(Assuming(seen, each))) for each in ("none", *sorted(named)[:MOST])], whole=len(named) <= MOST)


def _named(seen: SeenTables) -> set[str]:
    """The organisations that documents of the tables name."""
    found: set[str] = set()
    for table in seen.reads:
        for row in seen.rows(table) if table != ACCOUNT else ():
            texts = [value for value in row.values.values() if isinstance(value, dict | list)]
            found |= {each.decode() for each in _NAMED.findall(msgspec.json.encode(texts))} if texts else set()
    return found


def _agreed(several: Sequence[Sequence[MadeRow]], *, whole: bool) -> Iterator[MadeRow]:
    """The rows of the first, with what all others say too."""
    others = [{(row.target, row.region, row.key): row.values for row in rows} for rows in several[1:]]
    for row in several[0]:
        place = (row.target, row.region, row.key)
        values = {
            name: value if whole and all(place in each and each[place].get(name) == value for each in others) else None
            for name, value in row.values.items()
        }
        yield MadeRow(row.target, row.region, row.key, values, row.rests_on)
