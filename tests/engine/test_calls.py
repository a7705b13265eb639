"""Parameters of a call: by name, and by a dot a member of one that is a structure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cnamm_scan.engine.collect.calls import Values
from cnamm_scan.model import Call
from tests.answers import Teller

FINDING = {"Id": "f-1", "ProductArn": "arn:p", "Parts": []}


def _asked(call: Call) -> tuple[dict[str, Any], str | None]:
    return Values(Teller({}), datetime(2026, 1, 1, tzinfo=UTC)).parameters(call, FINDING, None, "a")


def test_a_dot_reaches_into_a_structure_and_leaves_what_is_fixed_alone() -> None:
    fixed = {"FindingIdentifier": {"Kind": "a"}, "MaxResults": 5}
    call = Call("GetFindingHistory", with_={"FindingIdentifier.Id": "Id", "FindingIdentifier.ProductArn": "ProductArn"}, fixed=fixed)
    parameters, missing = _asked(call)
    assert missing is None
    assert parameters == {"FindingIdentifier": {"Kind": "a", "Id": "f-1", "ProductArn": "arn:p"}, "MaxResults": 5}
    assert fixed == {"FindingIdentifier": {"Kind": "a"}, "MaxResults": 5}


@pytest.mark.parametrize("path", ["Name", "Parts"])
def test_a_member_that_the_item_does_not_give_is_named(path: str) -> None:
    assert _asked(Call("GetFindingHistory", with_={"FindingIdentifier.Id": "Id", "FindingIdentifier.ProductArn": path})) == ({}, path)
