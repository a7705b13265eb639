"""Whom resource policies admit: a row a policy, and a row a statement that allows.

A view names tables under `over:` whose rows hold `policy`, the whole document as it is normalised (`{}` where there is none). Their `arn`,
where they have none their key, is what it hangs on; a column `name` is carried along, and others that a view's function names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.made.places import Places
from cnamm_scan.providers.aws.policies.documents import read
from cnamm_scan.providers.aws.policies.facts import Judged, Memo
from cnamm_scan.providers.interface import SeenRow, SeenTables


def policies(seen: SeenTables) -> Iterator[tuple[SeenRow, Judged | None]]:
    """Each policy of the tables that a view is made over, in its place. None: it was not seen."""
    places, memo = Places.of(seen), Memo()
    for table in seen.over:
        for row in seen.rows(table):
            document = row.values["policy"]
            yield row, None if document is None else memo.of(read(document), places.at(row, arn_of(row)))


def arn_of(row: SeenRow) -> str:
    """What a row's policy hangs on."""
    return str(row.values.get("arn") or row.key)


def carried(row: SeenRow, more: Sequence[str] = ()) -> dict[str, Any]:
    """The columns that a made row takes over from the row that it is made of."""
    arn = row.values.get("arn", row.key)
    return {"arn": arn, "name": row.values.get("name"), **{name: row.values.get(name) for name in more}}


def statements(seen: SeenTables, more: Sequence[str] = ()) -> Iterable[MadeRow]:
    """A row for each statement that allows, numbered by its place in the policy; one without values where a policy was not seen."""
    for row, judged in policies(seen):
        named = carried(row, more)
        if judged is None or not judged.document.readable:  # one row for what its statements might say
            yield MadeRow(row.target, row.region, row.key, named, (row.fact,))
            continue
        numbers = (number for number, each in enumerate(judged.document.statements) if each.allows)
        for number, made in zip(numbers, judged.statement_rows(), strict=True):
            yield MadeRow(row.target, row.region, f"{row.key}#{number}", {**named, **made}, (row.fact,))


def documents(seen: SeenTables, more: Sequence[str] = ()) -> Iterable[MadeRow]:
    """A row for each policy."""
    for row, judged in policies(seen):
        made: dict[str, Any] = {}
        if judged is not None:
            made = {**judged.document_row(), "has_policy": bool(judged.document.statements) or not judged.document.readable}
        yield MadeRow(row.target, row.region, row.key, {**carried(row, more), **made}, (row.fact,))
