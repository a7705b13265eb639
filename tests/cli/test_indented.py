"""A report as JSON comes out in pieces, and as json itself would indent it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.cli.common import _json

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cf"]))  # what a terminal obeys is told otherwise
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
)


@given(st.dictionaries(TEXT, VALUES))
def test_pieces_are_the_whole(report: dict[str, Any]) -> None:
    assert "".join(_json(report)) == json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def test_a_long_list_is_no_piece_of_its_own() -> None:
    assert max(map(len, _json({"findings": [{"n": number} for number in range(1000)]}))) < 100
