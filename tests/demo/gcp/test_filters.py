"""The filters that the bed speaks."""

from __future__ import annotations

import pytest

from cnamm_scan.demo.gcp.bed.filters import passing

ITEM = {"state": "ACTIVE", "mute": "MUTED", "deep": {"kind": "BUILD"}, "findingClass": "THREAT"}


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("", True),
        ('state="ACTIVE"', True),
        ('state = "INACTIVE"', False),
        ('NOT state="INACTIVE"', True),
        ('state="ACTIVE" AND NOT mute="MUTED"', False),
        ('state="INACTIVE" OR deep.kind="BUILD"', True),
        ('state="ACTIVE" AND (mute="UNMUTED" OR deep.kind="VULNERABILITY")', False),
        ('state="INACTIVE" AND mute="MUTED" OR mute="MUTED"', True),
        ('finding_class="THREAT"', True),
        ("severity>=ERROR", True),
        ('state="INACTIVE" AND when>3', True),
        ('(state="INACTIVE"', True),
    ],
)
def test_what_passes(text: str, does: bool) -> None:
    assert passing(text)(ITEM) is does
    assert passing(text)({"finding": ITEM, "resource": {}}) is does
