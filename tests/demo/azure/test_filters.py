"""A listing of the demo's bed is narrowed by its filter, as Azure's is."""

from __future__ import annotations

import json

import pytest

from cnamm_scan.demo.azure.bed.contents import Subscription, Tenant
from cnamm_scan.demo.azure.bed.manager import Manager

SUB = "00000000-0000-4000-8000-000000000001"
PATH = f"/subscriptions/{SUB}/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v/backupJobs"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["a", "b", "c"]),
        ("operation eq 'Restore'", ["a", "b"]),
        ("properties/operation eq 'Restore' and properties/status eq 'Failed'", ["b"]),
        ("operation eq 'Nothing'", []),
        ("atScope()", ["a", "b", "c"]),
        ("createdTimeUtc ge 2026-01-01", ["a", "b", "c"]),
    ],
)
def test_equalities_narrow_and_other_words_do_not(text: str, names: list[str]) -> None:
    tenant = Tenant(subscriptions={SUB: Subscription(SUB)})
    for name, operation, status in (("a", "Restore", "Completed"), ("b", "Restore", "Failed"), ("c", "Backup", "Completed")):
        tenant.add({"id": f"{PATH}/{name}", "properties": {"operation": operation, "status": status}})
    answer = Manager(tenant, page=100, quota=None).answer("GET", PATH, {"api-version": ["2023-06-01"], "$filter": [text]}, "")
    assert answer.status == 200
    assert [thing["name"] for thing in json.loads(answer.body)["value"]] == names
