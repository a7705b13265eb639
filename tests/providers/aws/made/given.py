"""Tables as a maker sees them, given row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.aws.documents import iam_policy
from cnamm_scan.providers.aws.made.columns import MAKERS
from cnamm_scan.providers.interface import SeenRow, SeenTables
from tests.providers.seen import Given

Json = Any
ME, PARTNER, OURS, PLACE = "111111111111", "222222222222", "o-ours", "eu-central-1"
TARGET = f"aws:{ME}"
ACCOUNT = "aws.account.account"
OWN = {"organization_id": OURS, "ignores_public_acls": False, "restricts_public_buckets": False}


@dataclass
class Seen(Given):
    """`tables` holds rows by their keys; all are in one account and one region."""

    tables: Mapping[str, Mapping[str, Mapping[str, Any]]]
    targets: Sequence[Target] = field(default=(Target(TARGET, "aws", ME),), kw_only=True)

    def __post_init__(self) -> None:
        self.reads = {table: sorted({name for row in rows.values() for name in row}) for table, rows in self.tables.items()}

    def rows(self, table: str) -> Sequence[SeenRow]:
        """What was seen of a table."""
        return [SeenRow(TARGET, PLACE, key, f"{table}/{key}", values) for key, values in self.tables.get(table, {}).items()]


def made_by(
    name: str, table: str, rows: Mapping[str, Mapping[str, Any]], *, unread: Iterable[str] = (), **others: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Key -> values of what a maker makes. Every column that it fills is declared, and every row rests on what it was made of."""
    tables = {table: rows, ACCOUNT: {"me": OWN}, **{each.replace("__", "."): given for each, given in others.items()}}
    make: Callable[[SeenTables], Iterable[MadeRow]] = MAKERS[name].make
    made = {}
    for row in make(Seen(tables, over=(table,), unseen=frozenset(unread))):
        assert set(row.values) <= set(MAKERS[name].columns)
        assert row.rests_on
        made[row.key] = dict(row.values)
    return made


def allow(principal: Json = "*", condition: Json = None, action: Json = "a:Use", resource: Json = "*", **more: Json) -> Json:
    """A statement that allows."""
    made = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource, **more}
    return made if condition is None else {**made, "Condition": condition}


def deny(condition: Json = None, action: Json = "*", resource: Json = "*", principal: Json = "*") -> Json:
    """A statement that refuses."""
    made = {"Effect": "Deny", "Principal": principal, "Action": action, "Resource": resource}
    return made if condition is None else {**made, "Condition": condition}


def policy(*statements: Json) -> Json:
    """A policy in the form that facts keep."""
    return iam_policy({"Version": "2012-10-17", "Statement": list(statements)})
