"""Whom resource policies admit: a row a policy, and a row a statement that allows.

A view names tables under `over:` whose rows hold `arn` (what the policy hangs on) and `policy` (the whole document as it is normalised;
`{}` where there is none). A column `name` is carried along.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.made.places import Places
from cnamm_scan.providers.aws.policies import facts
from cnamm_scan.providers.aws.policies.documents import Document, read
from cnamm_scan.providers.aws.policies.setting import Setting
from cnamm_scan.providers.interface import SeenRow, SeenTables


def policies(seen: SeenTables) -> Iterator[tuple[SeenRow, Document | None, Setting]]:
    """Each policy of the tables that a view is made over, with where it stands. A document of None was not seen."""
    places = Places.of(seen)
    for table in seen.over:
        for row in seen.rows(table):
            document = row.values["policy"]
            yield row, None if document is None else read(document), places.at(row, str(row.values.get("arn") or ""))


def _named(row: SeenRow) -> dict[str, Any]:
    return {"arn": row.values.get("arn"), "name": row.values.get("name")}


def statements(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each statement that allows, and one without values where a policy was not seen."""
    for row, document, setting in policies(seen):
        if document is None or not document.readable:  # one row for what its statements might say
            yield MadeRow(row.target, row.region, row.key, _named(row), (row.fact,))
            continue
        for number, made in enumerate(facts.statement_rows(document, setting)):
            yield MadeRow(row.target, row.region, f"{row.key}#{number}", {**_named(row), **made}, (row.fact,))


def documents(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each policy."""
    for row, document, setting in policies(seen):
        made: dict[str, Any] = {}
        if document is not None:
            made = {**facts.document_row(document, setting), "has_policy": bool(document.statements) or not document.readable}
        yield MadeRow(row.target, row.region, row.key, {**_named(row), **made}, (row.fact,))
