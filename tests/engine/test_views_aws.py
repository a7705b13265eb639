"""What counts in two views that ship is a choice of rows, and asked through the store: a rule's own cases cannot make a view of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import make_view
from tests.engine.test_views_law import CONTENT

CLEANUP, MACHINES = "aws.accessanalyzer.cleanup", "aws.iam.machine_identity"
NOW = "2026-01-02T03:04:05"
HERE = {"target": "aws:1", "region": "eu-west-1", "scan_time": NOW}
ANALYZER = {**HERE, "key": "a", "arn": "a", "name": "unused", "type": "ACCOUNT_UNUSED_ACCESS", "status": "ACTIVE"}
FOUND = {**HERE, "analyzer_arn": "a", "finding_type": "UnusedIAMRole", "created_at": "2025-11-01", "updated_at": "2025-11-05"}
KEY = {**HERE, "password_enabled": False, "key_1_active": True, "key_1_is_used": True, "key_1_last_used_at": "2026-01-01"}


def told(view: str, ask: str, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[tuple[Any, ...]]:
    """What a view says of rows."""
    with Store(CONTENT, {view}, scan_time=NOW) as store:
        store.places = {"aws:1": ("global", "eu-west-1")}
        for table, rows in tables.items():
            store.add_rows(table, rows)
        make_view(store, view)
        return list(store.rows(f"SELECT {ask} FROM {quoted(view)} ORDER BY ALL"))


@pytest.mark.parametrize("status", ["RESOLVED", "ACTIVE", "ARCHIVED"])
def test_a_finding_that_was_archived_counts_neither_for_nor_against_the_speed_of_repair(status: str) -> None:
    findings = [{**FOUND, "key": "1", "status": "RESOLVED"}, {**FOUND, "key": "2", "status": status}]
    said = told(CLEANUP, "findings, share_in_time", {"aws.accessanalyzer.analyzer": [ANALYZER], "aws.accessanalyzer.finding": findings})
    assert said == [{"RESOLVED": (2, 1.0), "ACTIVE": (2, 0.5), "ARCHIVED": (1, 1.0)}[status]]


def test_the_key_of_the_root_user_is_no_machines() -> None:
    keys = [{**KEY, "key": "k", "user": "builder"}, {**KEY, "key": "r", "user": "<root_account>"}]
    assert told(MACHINES, "name, kind", {"aws.iam.role_trust": [], "aws.iam.credential_report": keys}) == [("builder", "user")]
