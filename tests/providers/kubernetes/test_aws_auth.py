"""The config map aws-auth: what of it is kept, and that nothing else of any config map is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.paths import MalformedError
from cnamm_scan.providers.kubernetes.aws_auth import aws_auth

Json = Any
ADMIN = "arn:aws:iam::111122223333:role/admin"


def read(data: Json, name: str = "aws-auth", namespace: str = "kube-system") -> Json:
    return aws_auth({"metadata": {"name": name, "namespace": namespace}, "data": data})["awsAuth"]


def test_an_identity_its_user_and_its_groups_are_kept_and_nothing_else() -> None:
    text = f"- rolearn: {ADMIN}\n  username: admin\n  groups: [system:masters]\n  note: hunter2\n"
    assert read({"mapRoles": text, "other": "hunter2"}) == [
        {"part": "mapRoles[0]", "kind": "role", "principal": ADMIN, "username": "admin", "groups": ["system:masters"]}
    ]


def test_users_and_accounts_are_told_apart_and_numbers_are_texts() -> None:
    found = read({"mapUsers": "- {userarn: 'arn:aws:iam::111122223333:user/pat'}", "mapAccounts": "- 111122223333\n- '000000000001'\n"})
    assert [(each["kind"], each["principal"], each["groups"]) for each in found] == [
        ("user", "arn:aws:iam::111122223333:user/pat", []),
        ("account", "111122223333", []),
        ("account", "000000000001", []),
    ]


def test_names_of_fields_are_read_in_any_case_as_json_of_go_is() -> None:
    assert read({"mapRoles": f"- {{roleARN: '{ADMIN}', Groups: [a]}}"})[0]["groups"] == ["a"]


def test_of_an_identity_that_is_mapped_twice_the_last_entry_holds() -> None:
    text = f"- {{rolearn: '{ADMIN}', groups: [a]}}\n- {{rolearn: '{ADMIN.upper()}', groups: [b]}}\n"
    assert [each["groups"] for each in read({"mapRoles": text})] == [["b"]]


@pytest.mark.parametrize("text", ["- rolearn: [", "rolearn: x", "just words", "- &a [*a]", "a: b\n---\nc: d\n", "3", 7, ["a"], {"a": "b"}])
def test_a_key_that_is_no_list_of_entries_lets_in_somebody_unknown(text: Json) -> None:
    assert read({"mapRoles": text, "mapUsers": "- {userarn: u}"}) == [
        {"part": "mapRoles", "kind": "role"},
        {"part": "mapUsers[0]", "kind": "user", "principal": "u", "username": "", "groups": []},
    ]


@pytest.mark.parametrize(
    "entry", ["{groups: [a]}", "{rolearn: ''}", "{rolearn: r, groups: a}", "{rolearn: r, groups: [1]}", "{rolearn: r, username: 3}", "r"]
)
def test_an_entry_that_is_not_understood_leaves_the_others(entry: str) -> None:
    found = read({"mapRoles": f"- {entry}\n- {{rolearn: s}}\n"})
    assert [each.get("principal") for each in found] == [None, "s"]


@pytest.mark.parametrize(
    "data", [{}, None, {"mapRoles": ""}, {"mapRoles": " `` "}, {"mapRoles": '""'}, {"mapRoles": "null"}, {"mapRoles": "[]"}]
)
def test_an_empty_one_maps_nobody(data: Json) -> None:
    assert read(data) == []


def test_only_that_config_map_is_looked_into() -> None:
    data = {"mapRoles": f"- {{rolearn: '{ADMIN}'}}"}
    assert read(data, namespace="shop") == [] == read(data, name="aws-auth-old")
    with pytest.raises(MalformedError):
        aws_auth({"metadata": {"name": "aws-auth", "namespace": "kube-system"}, "data": ["a"]})


@given(
    st.text(max_size=60)
    | st.lists(st.dictionaries(st.sampled_from(["rolearn", "groups", "username"]), st.text(max_size=5)), max_size=3).map(str)
)
def test_whatever_stands_there_every_row_says_what_it_knows_or_that_it_knows_nothing(text: str) -> None:
    for each in read({"mapRoles": text, "mapAccounts": text}):
        assert each.keys() in ({"part", "kind"}, {"part", "kind", "principal", "username", "groups"})
