from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.aws import settings
from cnamm_scan.providers.aws.documents import (
    NORMALISERS,
    experiment_actions,
    filter_pattern,
    iam_default_version,
    iam_policies,
    iam_policy,
)
from cnamm_scan.providers.embedded import parse_json

NOBODY = {"aws": [], "service": [], "federated": [], "canonicaluser": [], "any": False}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        (" [1] ", [1]),
        ("null", None),
        ("not json", None),
        ("", None),
        (quote('{"a": "b c"}'), {"a": "b c"}),
        ({"a": 1}, {"a": 1}),
        (3, 3),
        (None, None),
    ],
)
def test_parse_json(value: Any, expected: Any) -> None:
    assert parse_json(value) == expected


def test_a_policy_in_one_form() -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Sid": "One",
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "NotResource": ["arn:aws:s3:::A", "arn:aws:s3:::b"],
            "Principal": {"AWS": "111111111111", "Service": ["a.amazonaws.com"]},
            "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}, "Bool": {"aws:SecureTransport": ["true"]}},
        },
    }
    expected = {
        "version": "2012-10-17",
        "statement": [
            {
                "sid": "One",
                "effect": "Allow",
                "action": ["s3:GetObject"],
                "notaction": [],
                "resource": [],
                "notresource": ["arn:aws:s3:::A", "arn:aws:s3:::b"],
                "principal": {**NOBODY, "aws": ["111111111111"], "service": ["a.amazonaws.com"]},
                "notprincipal": NOBODY,
                "condition": {"stringequals": {"aws:sourcevpc": ["vpc-1"]}, "bool": {"aws:securetransport": ["true"]}},
            }
        ],
    }
    assert iam_policy(policy) == expected
    assert iam_policy(json.dumps(policy)) == expected
    assert iam_policy(quote(json.dumps(policy))) == expected


@pytest.mark.parametrize("key", ["Principal", "principal", "PRINCIPAL"])
@pytest.mark.parametrize("value", ["*", {"AWS": "*"}, {"aws": ["*"]}, {"AWS": ["111111111111", "*"]}])
def test_everybody(key: str, value: Any) -> None:
    assert iam_policy({"Statement": [{key: value}]})["statement"][0]["principal"]["any"] is True


@pytest.mark.parametrize("value", [None, {}, {"Service": "*"}, {"AWS": "arn:aws:iam::1:role/*"}, {"Federated": "*"}])
def test_not_everybody(value: Any) -> None:
    assert iam_policy({"Statement": [{"Principal": value}]})["statement"][0]["principal"]["any"] is False


@pytest.mark.parametrize("value", [None, "not json", "[]", "3", [], 3, {"Statement": None}, {"Statement": "text"}])
def test_what_is_no_policy_is_not_seen(value: Any) -> None:
    assert iam_policy(value) is None


def test_a_policy_without_statements() -> None:
    assert iam_policy({}) == iam_policy("") == {"version": "2008-10-17", "statement": []}
    assert iam_policy({"Statement": ["text", None]})["statement"] == []


def test_the_names_that_collectors_use() -> None:
    forms = {
        "json": parse_json,
        "iam_policy": iam_policy,
        "iam_policies": iam_policies,
        "iam_default_version": iam_default_version,
        "filter_pattern": filter_pattern,
        "experiment_actions": experiment_actions,
    }
    assert dict(NORMALISERS) == {**forms, **settings.NORMALISERS}


def test_of_versions_the_default_counts_and_nothing_else_is_kept() -> None:
    def version(name: str, action: str, **more: object) -> dict[str, object]:
        document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}
        return {"VersionId": name, "Document": document, **more}

    told = [version("v1", "a:A", IsDefaultVersion=False), version("v2", "b:B", IsDefaultVersion=True), version("v3", "c:C")]
    assert [each["action"] for each in iam_default_version(told)["statement"]] == [["b:B"]]
    for none in ([], told[:1], None, "v1", [1]):
        assert iam_default_version(none) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Statement", "statement", "Principal", "AWS", "Action", "Condition", "StringLike", "Effect"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(ANYTHING)
def test_anything_is_a_policy_or_nothing(value: Any) -> None:
    made = iam_policy(value)
    if made is None:
        return
    assert set(made) == {"version", "statement"}
    for statement in made["statement"]:
        for name in ("action", "notaction", "resource", "notresource"):
            assert all(isinstance(each, str) for each in statement[name])
        assert isinstance(statement["principal"]["any"], bool)


@given(st.text(max_size=20))
def test_any_text_is_json_or_nothing(text: str) -> None:
    value = parse_json(text)
    assert json.dumps(parse_json(json.dumps(value))) == json.dumps(value)


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ('{ $.userIdentity.type = "Root" }', "{ $.userIdentity.type = * }"),
        ('{ ($.errorCode = "*canary") || ($.a[0].b != 5) && $.x IS NULL }', "{ ($.errorCode = *) || ($.a[0].b != *) && $.x IS NULL }"),
        ("[ip, user=canary, ..., status=5*]", "[*, *=*, *, *=*]"),
        ('ERROR "canary canary" -canary ?canary', "* * * *"),
        ("%canary[0-9]+%", "*"),
        ('"canary', "*"),
        ("", ""),
        (None, None),
    ],
)
def test_a_filters_pattern_keeps_its_fields_and_none_of_its_values(pattern: Any, kept: Any) -> None:
    assert filter_pattern(pattern) == kept
    assert filter_pattern(kept) == kept


def test_of_an_experiments_actions_what_they_were_given_is_left_out() -> None:
    told = {
        "stop": {
            "actionId": "aws:ec2:stop-instances",
            "parameters": {"duration": "PT5M"},
            "state": {"status": "completed", "reason": "done"},
        },
        "run": {"actionId": "aws:ssm:send-command", "parameters": {"documentParameters": "hunter2"}, "state": {"status": "skipped"}},
    }
    assert experiment_actions(told) == ["aws:ec2:stop-instances completed", "aws:ssm:send-command skipped"]
    assert experiment_actions({}) == []


@pytest.mark.parametrize(
    "told", [{"stop": "completed"}, {"stop": {"actionId": "aws:fis:wait"}}, {"stop": {"state": {"status": "completed"}}}, ["stop"], "stop"]
)
def test_what_is_no_map_of_actions_is_unread(told: object) -> None:
    assert experiment_actions(told) is None
