"""Policies as some services answer them: inside a text, or several by their names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.aws.documents import iam_policies, iam_policy
from cnamm_scan.providers.aws.policies.documents import read
from cnamm_scan.providers.aws.policies.facts import document_row
from cnamm_scan.providers.aws.policies.setting import Setting

POLICIES = st.sampled_from(
    [
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "a:*", "Resource": "*"}},
        {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "a:b", "Resource": 'x\\y"z/\n'}]},
        {"Statement": []},
        {},
    ]
)


@given(POLICIES, st.booleans())
def test_the_inside_of_a_json_text_is_the_policy_too(policy: Any, escapes_slashes: bool) -> None:
    """As API Gateway answers."""
    text = json.dumps(json.dumps(policy))[1:-1]
    assert iam_policy(text.replace("/", "\\/") if escapes_slashes else text) == iam_policy(policy)


@pytest.mark.parametrize("text", ['{\\"Statement\\": [', '{"Statement": ', "\\", '\\"', '{\\"Statement\\": []} trailing', "\\u00"])
def test_half_of_it_is_none(text: str) -> None:
    assert iam_policy(text) is None


def test_policies_of_one_resource_come_to_one() -> None:
    one = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "a:b", "Resource": "${aws:username}"}}
    other = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "a:b"}]}
    made = iam_policies({"one": json.dumps(one), "other": json.dumps(other)})
    assert made == {
        "version": "2012-10-17",
        "statement": [*iam_policy(one)["statement"], *iam_policy(other)["statement"]],
    }
    assert iam_policies({}) == {"version": "2012-10-17", "statement": []}
    assert iam_policies({"one": json.dumps(one), "other": "not json"}) is None
    nothing: list[Any] = [None, [], "text", 3]
    assert [iam_policies(each) for each in nothing] == [None] * 4


@pytest.mark.parametrize("version", ["2008-10-17", None])
@pytest.mark.parametrize("operator", ["StringEquals", "StringLike", "StringNotEquals"])
@pytest.mark.parametrize("text", ["${aws:ResourceOrgID}", "o-1", "${*}", "${$}{aws:ResourceOrgID}", "*", "$"])
def test_what_was_text_in_an_older_policy_stays_text_beside_a_newer(version: str | None, operator: str, text: str) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "a:b", "Condition": {operator: {"aws:PrincipalOrgID": text}}}
    old = {"Statement": statement} | ({"Version": version} if version else {})
    setting = Setting("111111111111", organisation="o-mine")
    assert document_row(read(iam_policies({"old": old, "new": {"Version": "2012-10-17", "Statement": []}})), setting) == document_row(
        read(iam_policy(old)), setting
    )
