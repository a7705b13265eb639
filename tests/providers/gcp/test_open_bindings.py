"""Forms that leave out whom and what nobody needs to store: members of IAM policies, expressions of Cloud Armor."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.gcp.forms import open_bindings, waf_expression


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


@pytest.mark.parametrize("odd", [None, {}, "x", ["allUsers"]])
def test_bindings_of_another_shape_are_none(odd: Any) -> None:
    assert open_bindings(odd) is None


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
    assert waf_expression(expression) == {"isPreconfigured": told}
    assert waf_expression(None) is None
