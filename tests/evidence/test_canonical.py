"""Canonical JSON against `rfc8785`, and what `plain` makes of everything else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from cnamm_scan.evidence.canonical import BIGGEST, canonical, plain, six_places, utc
from cnamm_scan.model import Verdict

scalars = st.none() | st.booleans() | st.integers(-BIGGEST, BIGGEST) | st.text()
documents = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5), max_leaves=25)
anything = st.recursive(
    scalars
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.uuids()
    | st.binary()
    | st.fractions(0, 5)
    | st.sets(st.text())
    | st.frozensets(st.integers()),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@given(documents)
@example({"\U00010000": 1, "\ue000": 2, "a": [{"\U0001f600": 3, "\uffff": 4}]})  # UTF-16 sorts these otherwise than code points
@example({"\x00\x1f\x7f\x80\u2028": '\b\t\n\f\r"\\/'})
@example([BIGGEST, -BIGGEST, 0, True, None, ""])
def test_the_bytes_are_those_of_rfc_8785(document: Any) -> None:
    assert canonical(document) == rfc8785.dumps(document)


@given(documents)
def test_reading_and_writing_again_changes_no_byte(document: Any) -> None:
    raw = canonical(document)
    assert json.loads(raw) == document
    assert canonical(json.loads(raw)) == raw
    assert b"\n" not in raw


@given(st.dictionaries(st.text(), scalars), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(document: dict[str, Any], random: Any) -> None:
    keys = random.sample(list(document), len(document))
    assert canonical({key: document[key] for key in keys}) == canonical(document)


@pytest.mark.parametrize("value", [object(), {1: "a"}, "\ud800", {"\ud800": 1}])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical([value])


def _parts(value: Any) -> Iterator[Any]:
    """Everything that a value holds, keys and itself included."""
    yield value
    for part in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(part)


@given(anything)
@example(float("nan"))
@example({"a": [float("inf"), (-float("inf"), {"b": -0.0})]})
@example({1: {"b", "a"}, 2: b"bytes", "c": [2**64, {True: BIGGEST + 1}]})
def test_plain_makes_anything_canonical_and_leaves_no_float(value: Any) -> None:
    """A float would be written down without a word, as null where it is not a number; a set in no order, bytes as another text."""
    made = plain(value)
    parts = list(_parts(made))
    assert {type(part) for part in parts} <= {dict, list, str, int, bool, type(None)}
    assert all(-BIGGEST <= part <= BIGGEST for part in parts if isinstance(part, int))
    assert all(type(key) is str for part in parts if isinstance(part, dict) for key in part)
    assert canonical(made) == rfc8785.dumps(made)
    assert json.loads(canonical(made)) == made
    assert plain(made) == made


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (BIGGEST, BIGGEST),
        (BIGGEST + 1, "9007199254740992"),
        (-BIGGEST, -BIGGEST),
        (-BIGGEST - 1, "-9007199254740992"),
        (True, True),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (-float("inf"), "-inf"),
        (1e300, "1e+300"),
        (Decimal("1.10"), "1.10"),
        (Fraction(1, 3), "0.333333"),
        (b"secret", "<6 bytes>"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5, 678), "2026-01-02T03:04:05Z"),
        (("a", ["b"]), ["a", ["b"]]),
        ({"b", "a"}, ["a", "b"]),
        ({1: {2: 3.0}}, {"1": {"2": "3.0"}}),
        (Verdict.PASS, "pass"),
    ],
)
def test_plain_by_hand(value: Any, expected: Any) -> None:
    made = plain(value)
    assert made == expected
    assert type(made) is type(expected) or isinstance(value, Verdict)


def test_a_moment_is_utc_whatever_zone_it_came_in() -> None:
    assert utc(datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31T23:30:00Z"
    assert utc(datetime(2026, 1, 1, tzinfo=UTC)) == utc(datetime(2026, 1, 1)) == "2026-01-01T00:00:00Z"


@given(st.fractions(0, 5, max_denominator=10**9))
@example(Fraction(1, 2_000_000))
@example(Fraction(3, 2_000_000))
@example(Fraction(5))
def test_six_places_round_half_to_even(number: Fraction) -> None:
    shown = six_places(number)
    assert Fraction(shown) == round(number, 6)
    assert len(shown.partition(".")[2]) == 6
