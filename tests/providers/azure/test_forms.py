"""The forms that Azure's collectors name: what they tell, what they leave out, and what they do with what is not theirs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.azure.forms import (
    NORMALISERS,
    activation,
    addresses,
    automation_value,
    count,
    log_queries,
    notifications,
    policy_outline,
    setting_name,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SECRET = "hunter2-sentinel"


def notification(**changes: Any) -> dict[str, Any]:
    return {"enabled": True, "operator": "GreaterThan", "threshold": 90, "thresholdType": "Actual", "contactEmails": [SECRET], **changes}


@given(JSON)
def test_no_form_breaks_on_whatever_stands_there(value: Any) -> None:
    for form in NORMALISERS.values():
        json.dumps(form(value))


@pytest.mark.parametrize(
    ("changes", "early", "ahead"),
    [
        ({}, True, False),
        ({"threshold": 99.9}, True, False),
        ({"threshold": 100}, False, False),
        ({"threshold": 110, "thresholdType": "Forecasted"}, True, True),
        ({"thresholdType": None}, True, False),
        ({"enabled": False}, False, False),
        ({"contactEmails": []}, False, False),
        ({"contactEmails": [], "contactGroups": ["/subscriptions/s/actiongroups/a"]}, True, False),
        ({"contactEmails": None, "contactRoles": ["Owner"]}, True, False),
    ],
)
def test_a_budget_warns_early_where_somebody_is_told_before_it_is_spent(changes: dict[str, Any], early: bool, ahead: bool) -> None:
    said = notifications({"one": notification(**changes)})
    assert (said["is_early"], said["looks_ahead"]) == (early, ahead)
    assert bool(said["says"]) == (early or changes.get("threshold") == 100)


@pytest.mark.parametrize(
    ("said", "many"), [("", 0), (" ; ", 0), ("a@x.example", 1), ("a@x.example;b@x.example, c@x.example;", 3), (None, None), (7, None)]
)
def test_addresses_are_counted_and_not_kept(said: Any, many: int | None) -> None:
    assert addresses(said) == many


def test_nobody_who_is_told_is_named() -> None:
    assert SECRET not in json.dumps(notifications({"one": notification(contactGroups=[SECRET], contactRoles=[SECRET])}))
    assert count([SECRET, SECRET]) == 2


@pytest.mark.parametrize("changes", [{"threshold": None}, {"threshold": "90"}, {"enabled": None}])
def test_a_notification_that_does_not_say_all_is_not_seen(changes: dict[str, Any]) -> None:
    assert notifications({"one": notification(), "two": notification(**changes)}) is None


def test_a_policy_is_told_by_its_elements_and_where_they_stand() -> None:
    said = policy_outline(
        f"""<policies>
          <!-- <inbound><validate-jwt /></inbound> -->
          <inbound>
            <base /><choose><when condition="@({SECRET})"><validate-jwt /></when></choose>
            <set-header name="k"><value>{SECRET}</value></set-header>
          </inbound>
          <backend><forward-request /></backend><outbound><cors /></outbound>
        </policies>"""
    )
    assert said["inbound"] == ["base", "choose", "set-header"]
    assert said["within"] == ["validate-jwt", "value", "when"]
    assert (said["backend"], said["outbound"], said["on-error"]) == (["forward-request"], ["cors"], [])
    assert SECRET not in json.dumps(said)


@given(st.text(alphabet="<>/&;\"'![]CDATA ab", max_size=60))
def test_what_is_no_xml_is_not_seen(text: str) -> None:
    said = policy_outline(text)
    assert said is None or set(said) == {"inbound", "backend", "outbound", "on-error", "within"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no policy",
        "<policies><inbound>",
        '<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><policies><inbound>&b;</inbound></policies>',
        '<!DOCTYPE p SYSTEM "http://localhost/x"><policies />',
    ],
)
def test_entities_and_types_are_refused(text: str) -> None:
    assert policy_outline(text) is None


def test_a_variable_is_judged_by_its_name_and_by_its_value_and_neither_value_is_kept() -> None:
    assert setting_name("DbPassword") == {"name": "DbPassword", "saysSecret": True}
    assert setting_name("Region") == {"name": "Region", "saysSecret": False}
    token = "ghp_" + "aB3dE5gH7jK9" * 3
    assert automation_value(json.dumps(token)) == automation_value(token) == "secret"
    assert automation_value('"westeurope"') == automation_value("12") == automation_value("[1, 2]") == "plain"


@pytest.mark.parametrize(
    ("query", "asks"), [('arg("").QuotaResources | where true', True), ("arg('').quotaresources", True), ("AppExceptions", False)]
)
def test_an_alert_asks_for_quotas_where_its_query_does(query: str, asks: bool) -> None:
    assert log_queries({"allOf": [{"query": f"{query} // {SECRET}"}]}) == {"asksQuotas": asks}
    assert log_queries({"allOf": [{"metricName": "x"}]}) == {"asksQuotas": False}
    assert log_queries({}) is None


def asked(*, length: Any = "PT8H", enabled: Any = (), context: Any = False, approval: Any = False) -> dict[str, Any]:
    """A role's policy; a rule that is None is not there."""
    rules = {
        "Expiration_EndUser_Assignment": {"maximumDuration": length},
        "Expiration_Admin_Eligibility": {"maximumDuration": "P365D"},
        "Enablement_EndUser_Assignment": {"enabledRules": list(enabled)} if enabled is not None else None,
        "Enablement_Admin_Assignment": {"enabledRules": ["MultiFactorAuthentication"]},
        "AuthenticationContext_EndUser_Assignment": {"isEnabled": context, "claimValue": "c1"},
        "Approval_EndUser_Assignment": {"setting": {"isApprovalRequired": approval, "approvalStages": [{"primaryApprovers": [SECRET]}]}},
    }
    return {"properties": {"effectiveRules": [{"id": id_, **rule} for id_, rule in rules.items() if rule is not None]}}


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ({}, {"hours": 8, "asksFactor": False, "asksApproval": False}),
        (
            {"enabled": ["Justification", "MultiFactorAuthentication"], "approval": True},
            {"hours": 8, "asksFactor": True, "asksApproval": True},
        ),
        ({"length": "PT30M", "context": True}, {"hours": 0.5, "asksApproval": False}),
        ({"length": "P1DT1H30M", "context": None}, {"hours": 25.5, "asksApproval": False}),
        ({"enabled": None, "length": "P", "approval": None}, {}),
        ({"length": "8 hours", "approval": "yes"}, {"asksFactor": False}),
        ({"length": "PT"}, {"asksFactor": False, "asksApproval": False}),
    ],
)
def test_what_a_role_asks_of_who_activates_it_is_told_where_its_policy_says_so(said: dict[str, Any], means: dict[str, Any]) -> None:
    assert activation([asked(**said)]) == means


def test_a_role_has_one_policy_and_its_approvers_are_not_kept() -> None:
    assert activation([]) is activation([asked(), asked()]) is activation([{"properties": {}}]) is activation({}) is None
    assert SECRET not in json.dumps(activation([asked(approval=True)]))
