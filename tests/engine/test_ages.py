"""Young and old, used and not: one arithmetic, the same in SQL as by hand, and content has no other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan import content as reader
from cnamm_scan.engine import ages
from cnamm_scan.engine.database import Database
from cnamm_scan.engine.functions import ALLOWED_FUNCTIONS
from cnamm_scan.engine.lint import lint
from tests.packs import asked, content

NOW = datetime(2026, 1, 1, 9, 30)
DAY = timedelta(days=1)
MOMENTS = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2060, 1, 1))


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with Database() as made:
        yield made


def said(database: Database, sql: str, **values: object) -> object:
    [(value,)] = database.rows(f"SELECT {sql}", values)
    return value


@given(since=MOMENTS, now=MOMENTS)
def test_begun_days_hours_and_seconds_are_counted_as_by_hand(database: Database, since: datetime, now: datetime) -> None:
    seconds = (now - since) / timedelta(seconds=1)
    for unit, length in (("seconds", 1), ("hours", 3600), ("days", 86400)):
        counted = said(database, f"{unit}_since($since::TIMESTAMP, $now::TIMESTAMP)", since=since, now=now)
        assert counted == math.ceil(seconds / length)


@given(since=MOMENTS, days=st.integers(0, 4000), off=st.sampled_from([-86400, -1, 0, 1, 86400]))
def test_a_bound_is_met_to_the_second_and_old_is_the_opposite_of_young(database: Database, since: datetime, days: int, off: int) -> None:
    now = since + days * DAY + timedelta(seconds=off)
    young = said(database, "days_since($since::TIMESTAMP, $now::TIMESTAMP) <= $days", since=since, now=now, days=days)
    old = said(database, "days_since($since::TIMESTAMP, $now::TIMESTAMP) > $days", since=since, now=now, days=days)
    assert young is (off <= 0)
    assert old is not young
    left = said(database, "days_until($now::TIMESTAMP, $since::TIMESTAMP) >= $days", since=since, now=now, days=days)
    assert left is (off >= 0)


@pytest.mark.parametrize(
    ("is_used", "used", "made", "used_lately", "in_use"),
    [
        (True, 90, 400, True, True),  # the bound belongs to it
        (True, 91, 400, False, False),
        (True, 91, 90, False, True),  # used once, then made anew: a password that was changed
        (False, None, 1, False, True),  # made yesterday, never used: nobody had time to
        (False, None, 91, False, False),
        (False, 1, 91, False, False),  # whatever stands for a moment that never was
        (False, None, None, False, None),
        (None, None, 91, None, None),  # nobody looked
        (None, 91, 400, False, False),  # used or not: not lately
        (True, None, 400, None, None),
        (True, None, 1, None, True),
        (True, -1, 400, True, True),  # a clock that runs fast
    ],
)
def test_what_is_in_use(
    database: Database, is_used: bool | None, used: int | None, made: int | None, used_lately: bool | None, in_use: bool | None
) -> None:
    moments = [None if days is None else NOW - days * DAY for days in (used, made)]
    given_ = {"u": is_used, "at": moments[0], "now": NOW}
    assert said(database, "was_used($u::BOOLEAN, $at::TIMESTAMP, 90, $now::TIMESTAMP)", **given_) is used_lately
    asked_ = "is_used_or_new($u::BOOLEAN, $at::TIMESTAMP, $made::TIMESTAMP, 90, $now::TIMESTAMP)"
    assert said(database, asked_, **given_, made=moments[1]) is in_use


def test_what_is_known_by_its_day_alone_counts_to_the_end_of_that_day(database: Database) -> None:
    """Scanned at half past nine: what was used some time on the day 90 days ago was used within 90 days."""
    assert said(database, "day_before(90, $now::TIMESTAMP)", now=NOW) == "2025-10-03"
    assert said(database, "day_of($at::TIMESTAMP) >= day_before(90, $now::TIMESTAMP)", at=datetime(2025, 10, 3), now=NOW) is True
    assert said(database, "day_of($at::TIMESTAMP) >= day_before(90, $now::TIMESTAMP)", at=datetime(2025, 10, 2), now=NOW) is False


@pytest.mark.parametrize("name", sorted(ages.AGES))
def test_every_one_is_null_where_its_moments_are_and_may_be_called(database: Database, name: str) -> None:
    parameters = [word.strip() for word in ages.AGES[name][0].split(",")]
    kinds = {"is_used": "BOOLEAN", "days": "INTEGER"}
    nothing = ", ".join(f"NULL::{kinds.get(each, 'TIMESTAMP')}" for each in parameters)
    assert said(database, f"{name}({nothing})") is None
    assert name in ALLOWED_FUNCTIONS


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "0001-01-01", "9999-12-31 23:59:59"])
def test_a_moment_out_of_this_world_is_no_error(database: Database, moment: str) -> None:
    said(database, "days_since(CAST($at AS TIMESTAMP), $now::TIMESTAMP) <= 90", at=moment, now=NOW)


HOME_MADE = [
    "date_diff('day', made_at, scan_time) <= 90",
    "datediff('hour', made_at, scan_time) < 9",
    "date_sub('day', made_at, this.scan_time) <= 90",
    "made_at >= scan_time - INTERVAL 90 DAY",
    "made_at + INTERVAL 3 MONTH > scan_time",
    "made_at >= scan_time - to_hours(7)",
    "epoch(scan_time) - epoch(made_at) < 86400",
    "name >= strftime(scan_time, '%Y')",
    "date_trunc('day', scan_time) = made_at",
    "scan_time - made_at < '90 days'",
]


@pytest.mark.parametrize("expression", HOME_MADE)
def test_lint_refuses_an_age_of_ones_own(expression: str) -> None:
    [problem] = lint(content(asked(expression)))
    assert "counts an age in a way of its own" in problem.what


@pytest.mark.parametrize("expression", ["days_since(made_at, scan_time) <= 90", "made_at > scan_time", "name >= day_before(3, scan_time)"])
def test_lint_accepts_the_one_meaning(expression: str) -> None:
    assert lint(content(asked(expression))) == []


def test_the_content_that_ships_counts_in_no_other_way() -> None:
    assert list(ages.problems(reader.load())) == []
