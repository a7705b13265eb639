from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.aws.policies.patterns import Names, arn_account, arn_matches, covers, literal_prefix, meets, tidy
from cnamm_scan.providers.wildcards import matches
from tests.examples import drawn
from tests.providers.aws.policies.naive import glob

TEXTS = ["".join(each) for length in range(6) for each in product("ab", repeat=length)]
patterns = st.text(alphabet="ab*?", max_size=4)
repeatable = settings(derandomize=True, deadline=None, max_examples=drawn(300))


@repeatable
@given(st.text(alphabet="ab*?", max_size=8))
def test_a_pattern_matches_what_the_plain_recursion_matches(pattern: str) -> None:
    assert [matches(pattern, each) for each in TEXTS] == [glob(pattern, each) for each in TEXTS]
    assert [matches(tidy(pattern), each) for each in TEXTS] == [glob(pattern, each) for each in TEXTS]


@repeatable
@given(patterns, patterns)
def test_a_pattern_that_covers_another_matches_all_of_it(wide: str, narrow: str) -> None:
    found = [(glob(wide, each), glob(narrow, each)) for each in TEXTS]
    if covers(wide, narrow):
        assert all(a for a, b in found if b)
    elif "*" not in narrow and narrow:  # no longer texts could tell otherwise
        assert any(b and not a for a, b in found) or "?" in narrow


@repeatable
@given(patterns, patterns)
def test_patterns_meet_where_a_text_is_in_both(one: str, other: str) -> None:
    if any(glob(one, each) and glob(other, each) for each in TEXTS):
        assert meets(one, other)
        assert meets(other, one)
    elif len(one) + len(other) <= 5:  # a text in both is no longer than both together
        assert not meets(one, other)


@repeatable
@given(st.lists(patterns, min_size=1, max_size=3))
def test_the_excepted_are_the_complement(listed: list[str]) -> None:
    named, rest = Names(tuple(listed)), Names(tuple(listed), but=True)
    assert all(named.has(each) is not rest.has(each) for each in TEXTS)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("arn:aws:sns:*:111111111111:*", "arn:aws:sns:eu-central-1:111111111111:news", True),
        ("arn:aws:*:*:111111111111:*", "arn:aws:lambda:eu-west-1:222222222222:function:111111111111:live", False),
        ("arn:aws:s3:::*", "arn:aws:s3:::b/key:with:colons", True),
        ("*", "arn:aws:s3:::b", True),
        ("arn:aws:s3", "arn:aws:s3:::b", False),
        ("arn:aws:iam::111111111111:role/app", "arn:aws:iam::111111111111:role/APP", False),
    ],
)
def test_arns_are_compared_part_by_part(pattern: str, text: str, expected: bool) -> None:
    assert arn_matches(pattern, text) is expected


def test_an_account_is_read_from_its_own_part() -> None:
    assert arn_account("arn:aws:iam::111111111111:role/export-222222222222") == "111111111111"
    assert arn_account("arn:aws:s3:::b-222222222222") == ""
    assert literal_prefix("repo:acme/*") == "repo:acme/"


ACTIONS = [f"{service}:{name}" for service in ("a", "ab", "b") for name in ("", "a", "ab", "ba")]
action_patterns = st.lists(st.text(alphabet="ab:*?", max_size=5), max_size=5)


@repeatable
@given(action_patterns, st.booleans())
def test_a_set_has_what_one_of_its_patterns_matches_and_its_heads_are_all_that_it_speaks_of(listed: list[str], but: bool) -> None:
    names = Names(tuple(listed), but)
    for action in ACTIONS:
        assert names.has(action) is (any(glob(each, action) for each in listed) is not but)
        if names.has(action) and names.heads is not None:
            assert action.partition(":")[0] in names.heads
