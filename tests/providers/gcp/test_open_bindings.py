"""Forms that leave out whom and what nobody needs to store: members of IAM policies, expressions of Cloud Armor."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.gcp.forms import address_ranges, dataset_access, members, open_bindings, open_entities, waf_expression

WORKFORCE = "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/"


def test_of_members_only_everybody_is_told() -> None:
    bindings = [
        {"role": "roles/compute.imageUser", "members": ["user:a@shop.example", "allAuthenticatedUsers"]},
        {"role": "roles/viewer", "members": ["allUsers"], "condition": {"expression": "true"}},
        {"role": "roles/owner", "members": ["user:a@shop.example"]},
        {"role": "roles/empty"},
    ]
    assert open_bindings(bindings) == [
        {"role": "roles/compute.imageUser", "who": "allAuthenticatedUsers", "isConditional": False},
        {"role": "roles/viewer", "who": "allUsers", "isConditional": True},
    ]


def test_of_access_controls_only_everybody_is_told() -> None:
    listed = [{"entity": "user-a@shop.example", "role": "OWNER"}, {"entity": "allUsers", "role": "READER"}, {"role": "OWNER"}]
    assert open_entities(listed) == ["allUsers"]
    assert open_entities([]) == open_entities([{"entity": {"odd": 1}}]) == []


@pytest.mark.parametrize("odd", [None, {}, "x", ["allUsers"]])
def test_bindings_of_another_shape_are_none(odd: Any) -> None:
    assert open_bindings(odd) is None
    assert open_entities(odd) is None


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("evaluatePreconfiguredWaf('sqli-v33-stable', {'sensitivity': 1})", True),
        ("inIpRange(origin.ip, '10.0.0.0/8') && !evaluatePreconfiguredExpr ('xss-stable')", True),
        ("request.headers['x-key'] == 'hunter2'", False),
        ("!evaluatePreconfiguredExpr( 'sourceiplist-fastly')", False),
        ("evaluatePreconfiguredExpr('sourceiplist-fastly') && evaluatePreconfiguredWaf('xss-v33-stable')", True),
    ],
)
def test_an_expression_is_told_by_what_it_asks(expression: str, told: bool) -> None:
    assert waf_expression(expression) == {"isPreconfigured": told, "isEverything": False}
    assert waf_expression(None) is None


def test_an_expression_that_asks_nothing_is_met_by_everything() -> None:
    assert waf_expression(" true ") == {"isPreconfigured": False, "isEverything": True}


@pytest.mark.parametrize(
    ("ranges", "told"),
    [
        (["*"], True),
        (["0.0.0.0/0"], True),
        (["0.0.0.0/1", "128.0.0.0/1"], True),
        (["203.0.113.0/24"], False),
        (["10.0.0.0/8", "::1/128"], False),
    ],
)
def test_ranges_come_to_everybody_or_not(ranges: list[str], told: bool) -> None:
    assert address_ranges(ranges) == {"ranges": ranges, "isEverybody": told}


@pytest.mark.parametrize("odd", [None, "*", [1], ["everywhere"]])
def test_ranges_of_another_shape_are_none(odd: Any) -> None:
    assert address_ranges(odd) is None


def test_members_are_told_without_the_addresses_of_people_and_groups() -> None:
    kept = [
        "serviceAccount:ci@shop-prod.iam.gserviceaccount.com",
        "deleted:serviceAccount:ci@shop-prod.iam.gserviceaccount.com?uid=1",
        "domain:shop.example",
        "allUsers",
        "projectOwner:shop-prod",
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/*",
    ]
    assert members(kept) == kept
    kim, also_kim, deleted, group = members(
        ["user:kim@shop.example", "user:Kim@Shop.example", "deleted:user:kim@shop.example?uid=1", "group:kim@x.example"]
    )
    assert kim.split(":")[1].split("@")[0] == also_kim.split(":")[1].split("@")[0]
    assert (kim[:5], kim[-13:], deleted[:13], deleted[-13:], group[-10:]) == (
        "user:",
        "@shop.example",
        "deleted:user:",
        "@shop.example",
        "@x.example",
    )
    denied, denied_group = members(["principal://goog/subject/kim@shop.example", "principalSet://goog/group/kim@x.example"])
    assert (denied, denied_group) == (
        kim.replace("user:", "principal://goog/subject/"),
        group.replace("group:", "principalSet://goog/group/"),
    )
    (worker,) = members([f"{WORKFORCE}kim@shop.example"])
    assert worker.startswith(WORKFORCE)
    assert "kim" not in f"{kim}{also_kim}{deleted}{group}{worker}".lower()
    assert [members(odd) for odd in ("x", [1], None)] == [None, None, None]


def test_the_list_of_a_dataset_is_told_without_the_addresses_of_people() -> None:
    kept = [
        {"role": "READER", "specialGroup": "projectReaders"},
        {"iamMember": "allUsers"},
        {"userByEmail": "a@p.iam.gserviceaccount.com"},
        {"view": {"tableId": "t"}},
    ]
    assert dataset_access(kept) == kept
    (told,) = dataset_access([{"role": "OWNER", "userByEmail": "kim@shop.example"}])
    assert told["role"] == "OWNER"
    assert told["userByEmail"].endswith("@shop.example")
    assert "kim" not in told["userByEmail"]
    assert [dataset_access(odd) for odd in ("x", ["x"], None)] == [None, None, None]
