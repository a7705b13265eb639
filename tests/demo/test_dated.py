"""Ages in the demo's data: what they become, what is no age, and that nothing fixed gets in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.demo import dated
from cnamm_scan.demo.dated import Clock, clock, documents
from cnamm_scan.errors import UsageError

NOW = datetime(2026, 3, 9, 11, 42, 7, tzinfo=UTC)
SPANS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
DATA = sorted(Path(dated.__file__).parent.rglob("*.yaml"))


def aged(value: Any) -> Any:
    return Clock(NOW).aged(value, "here", lambda time: time.isoformat())


@given(st.integers(0, 5000), st.sampled_from([*SPANS]), st.booleans())
def test_an_age_is_so_long_before_or_after_the_moment(count: int, unit: str, ahead: bool) -> None:
    span = SPANS[unit] * count
    assert Clock(NOW).at(f"in {count}{unit}" if ahead else f"{count}{unit} ago") == (NOW + span if ahead else NOW - span)


def test_ages_are_found_wherever_they_stand_and_nothing_else_is_touched() -> None:
    said = {
        "made": "90d ago",
        "list": [{"ends": "in 1.5h"}],
        "day": "date 70d ago",
        "later": "date in 60d",
        "timestamp": {"seconds": "1d ago", "nanos": 0},
        "text": "as it was long ago",
        "duration": "90d",
        "number": 7,
        "nothing": None,
        "demo/pods": "25d ago",
    }
    assert aged(said) == {
        "made": "2025-12-09T11:42:07+00:00",
        "list": [{"ends": "2026-03-09T13:12:07+00:00"}],
        "day": "2025-12-29",
        "later": "2026-05-08",
        "timestamp": {"seconds": int(NOW.timestamp()) - 86400, "nanos": 0},
        "text": "as it was long ago",
        "duration": "90d",
        "number": 7,
        "nothing": None,
        "demo/pods": "25d ago",
    }


@pytest.mark.parametrize("text", ["90 days ago", "90w ago", "in 3 weeks", "in 60days", "90D ago", "date 3 ago", "date 60d", "1.d ago"])
def test_what_was_meant_as_an_age_and_is_none_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"expected an age(.|\n)*at: here, made\n  do: write a number and s, m, h or d: 90d ago"):
        aged({"made": text})


@pytest.mark.parametrize("text", ["2026-03-09", "2026-03-09T11:42:07Z", "'2026-03-09'", "2026-03-09 11:42:07"])
def test_a_fixed_date_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="got the fixed date 2026-03-09"):
        aged({"made": yaml.safe_load(text)})


def test_what_is_no_yaml_says_where(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("a: [1\n---\n")
    with pytest.raises(UsageError, match=r"is no YAML(.|\n)*at: broken\.yaml"):
        list(documents(file))


def test_empty_documents_are_left_out_and_the_others_counted_as_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "some.yaml"
    file.write_text("# only words\n---\n---\na: 1\n---\nb: 2\n")
    assert [(each.where, each.data) for each in documents(file)] == [
        ("some.yaml, document 2", {"a": 1}),
        ("some.yaml, document 3", {"b": 2}),
    ]


@pytest.mark.parametrize("file", DATA, ids=lambda file: file.name)
def test_all_data_of_the_demo_is_read_and_holds_no_fixed_date(file: Path) -> None:
    read = [clock(NOW).aged(each.data, each.where, lambda time: time) for each in documents(file)]
    assert read
    assert "\t" not in file.read_text()
