"""What selectors keep, each kind of event tried; and the same with every selector asked by hand for random events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.aws.patterns.trails import Kept, advanced, basic, kept
from tests.examples import drawn

Json = Any


def fields(*tests: tuple[str, str, list[str]]) -> Json:
    return {"FieldSelectors": [{"Field": field, how: values} for field, how, values in tests]}


MANAGEMENT = ("eventCategory", "Equals", ["Management"])
READS, WRITES = ("readOnly", "Equals", ["true"]), ("readOnly", "Equals", ["false"])
WHOLE = Kept(changes=True, reads=True, writes=True, left_out=())
NONE = Kept(changes=False, reads=False, writes=False, left_out=("reads", "writes"))


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ([{"ReadWriteType": "All", "IncludeManagementEvents": True}], WHOLE),
        ([{}], WHOLE),
        ([{"ReadWriteType": "All", "IncludeManagementEvents": False}], NONE),
        ([], NONE),
        ([{"ReadWriteType": "ReadOnly"}], Kept(changes=False, reads=True, writes=False, left_out=("writes",))),
        ([{"ReadWriteType": "ReadOnly"}, {"ReadWriteType": "WriteOnly"}], WHOLE),
        (
            [{"ExcludeManagementEventSources": ["kms.amazonaws.com"]}],
            Kept(changes=True, reads=False, writes=False, left_out=("kms.amazonaws.com",)),
        ),
        ([{"ExcludeManagementEventSources": ["kms.amazonaws.com"]}, {"ExcludeManagementEventSources": ["rdsdata.amazonaws.com"]}], WHOLE),
    ],
)
def test_basic_selectors(selectors: list[Json], expected: Kept) -> None:
    assert kept(basic(selectors)) == expected


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ([fields(MANAGEMENT)], WHOLE),
        ([fields(MANAGEMENT, READS), fields(MANAGEMENT, WRITES)], WHOLE),
        ([fields(MANAGEMENT, ("readOnly", "NotEquals", ["false"])), fields(MANAGEMENT, ("readOnly", "NotEquals", ["true"]))], WHOLE),
        ([fields(MANAGEMENT, WRITES)], Kept(changes=True, reads=False, writes=True, left_out=("reads",))),
        ([fields(("eventCategory", "Equals", ["Data"]), ("resources.type", "Equals", ["AWS::S3::Object"]))], NONE),
        ([fields(("eventCategory", "Equals", ["ConfigurationItem"]))], NONE),
        ([fields(READS)], NONE),
        (
            [fields(MANAGEMENT, ("eventSource", "NotEquals", ["kms.amazonaws.com"]))],
            Kept(changes=True, reads=False, writes=False, left_out=("kms.amazonaws.com",)),
        ),
        (
            [
                fields(MANAGEMENT, ("eventSource", "NotEquals", ["kms.amazonaws.com"])),
                fields(MANAGEMENT, ("eventSource", "StartsWith", ["kms."])),
            ],
            WHOLE,
        ),
        (
            [
                fields(MANAGEMENT, ("eventSource", "NotStartsWith", ["kms"])),
                fields(MANAGEMENT, ("eventSource", "NotEndsWith", [".amazonaws.com"])),
            ],
            Kept(changes=True, reads=False, writes=False, left_out=("kms*.amazonaws.com",)),  # kms.amazonaws.com is in neither
        ),
        ([fields(MANAGEMENT, ("eventSource", "Equals", ["iam.amazonaws.com"]))], NONE),
        ([fields(MANAGEMENT, ("userIdentity.arn", "NotStartsWith", ["arn:aws:sts::1:assumed-role/robot"]))], None),
        ([fields(MANAGEMENT, ("eventSource", "Matches", ["*"]))], NONE),
    ],
)
def test_advanced_selectors(selectors: list[Json], expected: Kept | None) -> None:
    found = kept(advanced(selectors))
    if expected is None:
        assert (found.changes, found.reads, found.writes) == (True, False, False)
    else:
        assert found == expected


def test_selectors_of_two_trails_count_together() -> None:
    assert kept((*basic([{"ReadWriteType": "ReadOnly"}]), *advanced([fields(MANAGEMENT, WRITES)]))) == WHOLE


SOURCES = ["kms.amazonaws.com", "iam.amazonaws.com", "kms"]
TEST = st.one_of(
    st.tuples(st.just("readOnly"), st.sampled_from(["Equals", "NotEquals"]), st.sampled_from([["true"], ["false"]])),
    st.tuples(
        st.just("eventSource"),
        st.sampled_from(["Equals", "NotEquals", "StartsWith", "NotStartsWith", "EndsWith", "NotEndsWith"]),
        st.lists(st.sampled_from(SOURCES), min_size=1, max_size=2),
    ),
)
SELECTOR = st.lists(TEST, max_size=2).map(lambda tests: fields(MANAGEMENT, *tests))


def by_hand(selector: Json, read_only: str, source: str) -> bool:
    said = {"eventCategory": "Management", "readOnly": read_only, "eventSource": source}
    for field in selector["FieldSelectors"]:
        (how,) = field.keys() - {"Field"}
        value = said[field["Field"]]
        tests: dict[str, Callable[[str], bool]] = {"Equals": value.__eq__, "StartsWith": value.startswith, "EndsWith": value.endswith}
        if any(tests[how.removeprefix("Not")](each) for each in field[how]) is how.startswith("Not"):
            return False
    return True


@settings(max_examples=drawn(400), deadline=None)
@given(st.lists(SELECTOR, max_size=3))
def test_the_answer_is_that_of_every_event_asked_by_hand(selectors: list[Json]) -> None:
    found = kept(advanced(selectors))
    events = [*SOURCES, *(f"{first}x{last}" for first in ("", *SOURCES) for last in ("", *SOURCES))]
    for read_only, whole in (("true", found.reads), ("false", found.writes)):
        assert whole is all(any(by_hand(each, read_only, source) for each in selectors) for source in events)
    assert found.changes or not found.writes
