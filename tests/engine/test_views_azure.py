"""What counts in Azure's views that ship is a choice of rows, and asked through the store: a rule's cases cannot make a view of rows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.test_views_aws import told

HERE = {"target": "azure:s", "region": "global"}
SUBSCRIPTION = "/subscriptions/s"
GROUPS = f"{SUBSCRIPTION}/resourcegroups/ops/providers/microsoft.insights/actiongroups"
MAILED = {**HERE, "is_enabled": True, "mails": ["oncall"], "mail_states": ["Enabled"]}
NOBODY: dict[str, list[str]] = {
    name: [] for name in "texts text_states calls roles apps hooks service_managers flows programs runbooks hubs".split()
}
ALERT: dict[str, Any] = {
    **HERE,
    "key": f"{SUBSCRIPTION}/resourcegroups/ops/providers/microsoft.insights/activitylogalerts/a",
    "id": f"{SUBSCRIPTION}/resourcegroups/ops/providers/microsoft.insights/activitylogalerts/a",
    "name": "a",
    "is_enabled": True,
    "scopes": [SUBSCRIPTION],
    "fields": ["category", "resourceType"],
    "values": ["Administrative", "microsoft.network/networksecuritygroups"],
    "conditions": [{}, {}],
}
LOG_ALERT = {**HERE, "key": f"{SUBSCRIPTION}/q", "id": f"{SUBSCRIPTION}/q", "name": "q", "is_enabled": True, "asks_quotas": True}


def _group(name: str, **said: Any) -> dict[str, Any]:
    return {**MAILED, **NOBODY, "key": f"{GROUPS}/{name}", "id": f"{GROUPS}/{name}", "name": name, **said}


@pytest.mark.parametrize(
    ("called", "expected"),
    [
        ([f"{GROUPS}/oncall"], True),
        ([f"{GROUPS}/off"], False),
        ([f"{GROUPS}/empty"], False),
        ([f"{GROUPS}/unsubscribed"], False),
        ([f"{GROUPS}/deleted"], False),
        ([], False),
        ([f"{GROUPS}/off", f"{GROUPS}/oncall"], True),
        ([f"{GROUPS}/unread"], None),
        ([f"{GROUPS}/off", "/subscriptions/other/resourcegroups/ops/providers/microsoft.insights/actiongroups/central"], None),
    ],
)
def test_an_alert_is_heard_where_a_group_of_it_is_on_and_has_a_receiver(called: list[str], expected: bool | None) -> None:
    groups = [
        _group("oncall"),
        _group("off", is_enabled=False),
        _group("empty", mails=[], mail_states=[]),
        _group("unsubscribed", mail_states=["Disabled"]),
        _group("unread", is_enabled=None),
    ]
    tables = {"azure.monitor.activity_log_alert": [{**ALERT, "groups": called}], "azure.monitor.action_group": groups}
    assert told("azure.monitor.heard_alert", "is_heard, asks", tables) == [(expected, ["microsoft.network/networksecuritygroups"])]
    tables = {"azure.quotas.log_alert": [{**LOG_ALERT, "groups": called}], "azure.monitor.action_group": groups}
    assert told("azure.quotas.heard_alert", "is_heard", tables) == [(expected,)]


@pytest.mark.parametrize(
    ("fields", "values", "heard", "asks"),
    [
        (["category", "operationName"], ["Administrative", "A/Write"], True, ["a/write"]),
        (["category", "resourceType", "caller"], ["Administrative", "A", "x"], False, ["a"]),
        (["category", "resourceType", "status"], ["Administrative", "A", "Failed"], False, ["a"]),
        (["category", "resourceType", "status"], ["Administrative", "A", "Succeeded"], True, ["a"]),
        (["category", "resourceType"], ["ServiceHealth", "A"], True, []),
        (["category"], ["Administrative"], True, ["*"]),
        (["category", "operationName", "OperationName"], ["Administrative", "A/Write", "A/Delete"], False, ["a/write", "a/delete"]),
    ],
)
def test_an_alert_is_heard_of_what_it_asks_for_without_more(fields: list[str], values: list[str], heard: bool, asks: list[str]) -> None:
    alert = {**ALERT, "groups": [f"{GROUPS}/oncall"], "fields": fields, "values": values, "conditions": [{}] * len(fields)}
    tables = {"azure.monitor.activity_log_alert": [alert], "azure.monitor.action_group": [_group("oncall")]}
    assert told("azure.monitor.heard_alert", "is_heard, asks", tables) == [(heard, asks)]


def _rule(name: str, priority: int, **said: Any) -> dict[str, Any]:
    of_all = dict.fromkeys(("protocol", "source", "destination", "ports", "from_ports"), "*")
    return {
        **HERE,
        "key": f"/g/securityrules/{name}",
        "name": name,
        "nsg_id": "/g",
        "direction": "Inbound",
        "priority": priority,
        **of_all,
        **said,
    }


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], True),
        ([_rule("web", 100, access="Allow", ports="443")], True),
        ([_rule("all", 100, access="Allow", source="VirtualNetwork")], False),
        ([_rule("tcp", 100, access="Allow", protocol="Tcp", source="0.0.0.0/0", ports="0-65535")], False),
        ([_rule("late", 4096, access="Allow")], True),
        ([_rule("out", 100, access="Allow", direction="Outbound")], True),
        ([_rule("other", 100, access="Allow", nsg_id="/h")], True),
        ([_rule("unread", 100, access="Allow", ports=None)], None),
    ],
)
def test_a_refusal_counts_where_no_rule_before_it_lets_the_network_in(before: list[dict[str, Any]], expected: bool | None) -> None:
    rules = [_rule("deny", 4000, access="Deny"), *before]
    said = told("azure.network.refusal", "key, refuses", {"azure.network.security_rule": rules})
    assert dict(said)["/g/securityrules/deny"] is expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, True),
        ({"protocol": "Tcp"}, False),
        ({"source": "Internet"}, False),
        ({"ports": ""}, None),
        ({"source": "VirtualNetwork"}, True),
    ],
)
def test_a_refusal_is_of_whatever_the_network_sends(said: dict[str, Any], expected: bool | None) -> None:
    rule = _rule("deny", 4000, access="Deny")
    assert told("azure.network.refusal", "refuses", {"azure.network.security_rule": [{**rule, **said}]}) == [(expected,)]


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ([{"ruleSetType": "Microsoft_DefaultRuleSet", "ruleSetVersion": "2.1", "ruleSetAction": "Block"}], ["Microsoft_DefaultRuleSet"]),
        ([{"ruleSetType": "DefaultRuleSet", "ruleSetVersion": "1.0"}], ["DefaultRuleSet"]),
        ([{"ruleSetType": "DefaultRuleSet", "ruleSetAction": "Log"}, {"ruleSetType": "BotManagerRuleSet"}], ["BotManagerRuleSet"]),
        ([], []),
    ],
)
def test_a_rule_set_that_only_writes_down_is_none(sets: list[dict[str, str]], expected: list[str]) -> None:
    policy = {
        **HERE,
        "key": "p",
        "id": "p",
        "name": "p",
        "sets": sets,
        "frontends": [],
        "links": ["l"],
        "state": "Enabled",
        "mode": "Prevention",
    }
    tables = {"azure.waf.front_door_policy": [policy], "azure.waf.gateway_policy": []}
    assert told("azure.waf.policy", "rule_sets, stands_before", tables) == [(expected, 1)]


def _pool(name: str, zones: list[str], **said: Any) -> dict[str, Any]:
    cluster = {"cluster": "shop", "cluster_id": "/c", "group": "g", "group_id": "/g", "mode": "User", "power": "Running"}
    return {**HERE, "key": f"/c/agentpools/{name}", "name": name, "zones": zones, **cluster, **said}


@pytest.mark.parametrize(
    ("pools", "expected"),
    [
        ([_pool("web", ["1", "2", "3"])], [(3, 0)]),
        ([_pool("web1", ["1"]), _pool("web2", ["2"])], [(2, 0)]),
        ([_pool("web", ["1", "2", "3"]), _pool("batch", [])], [(3, 1)]),  # its nodes stand in a zone that nobody chose
        ([_pool("web", ["1"]), _pool("old", ["2"], power="Stopped")], [(1, 0)]),
        ([_pool("web", ["1", "2"]), _pool("old", [], power="Stopped")], [(2, 0)]),
        ([_pool("old", [], power="Stopped")], []),
    ],
)
def test_pools_span_zones_where_each_that_runs_has_some(pools: list[dict[str, Any]], expected: list[tuple[int, int]]) -> None:
    assert told("azure.containerservice.pools_of_a_mode", "zones, unzoned", {"azure.containerservice.agent_pool": pools}) == expected


def test_an_address_is_held_by_what_it_leads_to() -> None:
    addresses = [
        {**HERE, "key": name, "id": name, "name": name, "protection": said}
        for name, said in (("a", "Disabled"), ("b", "Enabled"), ("c", ""))
    ]
    tables: dict[str, list[dict[str, Any]]] = {
        "azure.virtualnetwork.public_ip": addresses,
        "azure.network.interface": [{**HERE, "key": "i", "public_ips": ["a"], "subnets": ["/n/subnets/web"]}],
        "azure.applicationgateway.gateway": [{**HERE, "key": "g", "public_ips": ["b"], "subnets": ["/n/subnets/edge"]}],
    }
    held = told("azure.virtualnetwork.held_ip", "name, subnets, is_left_out", tables)
    assert held == [("a", ["/n/subnets/web"], True), ("b", ["/n/subnets/edge"], False)]


WORKSPACE = f"{SUBSCRIPTION}/resourcegroups/ops/providers/microsoft.operationalinsights/workspaces/logs"
ACCOUNT = f"{SUBSCRIPTION}/resourcegroups/ops/providers/microsoft.storage/storageaccounts/logs"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"workspace_id": WORKSPACE}, True),
        ({"workspace_id": f"{WORKSPACE}2"}, False),
        ({"workspace_id": WORKSPACE.replace("/s/", "/other/")}, True),
        ({"storage_id": ACCOUNT}, True),
        ({"storage_id": f"{ACCOUNT}2"}, False),
        ({"storage_id": ACCOUNT.replace("microsoft.storage", "microsoft.classicstorage")}, True),
        ({"storage_id": f"{ACCOUNT}2", "workspace_id": WORKSPACE}, True),
        ({"storage_id": f"{ACCOUNT}2", "hub_rule_id": "h"}, True),
        ({"workspace_id": WORKSPACE, "is_enabled": False}, False),
        ({"workspace_id": f"{WORKSPACE}2", "is_enabled": None}, False),
        ({"workspace_id": None}, None),
    ],
)
def test_a_log_is_kept_where_what_it_is_sent_to_is_there(said: dict[str, Any], kept: bool | None) -> None:
    setting = {
        **HERE,
        "key": f"{SUBSCRIPTION}/providers/microsoft.insights/diagnosticsettings/d/0",
        "category": "Policy",
        "is_enabled": True,
    }
    nowhere = dict.fromkeys(("workspace_id", "storage_id", "hub_rule_id", "partner_id", "category_group"), "")
    tables = {
        "azure.monitor.activity_log_setting": [{**setting, **nowhere, **said}],
        "azure.loganalytics.workspace": [{**HERE, "key": WORKSPACE, "id": WORKSPACE}],
        "azure.storage.account": [{**HERE, "key": ACCOUNT, "id": ACCOUNT}],
    }
    assert told("azure.monitor.kept_category", "is_kept", tables) == [(kept,)]


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ({}, False),
        ({"is_enabled": False}, True),
        ({"actions": ["AddActionGroups"]}, True),
        ({"scopes": [f"{SUBSCRIPTION}/resourcegroups/web"]}, True),
        ({"filters": ["TargetResourceType"]}, True),
        ({"is_scheduled": True}, None),
        ({"is_enabled": None}, None),
    ],
)
def test_nobody_hears_an_alert_where_a_processing_rule_silences_the_subscription(said: dict[str, Any], heard: bool | None) -> None:
    rule = {"is_enabled": True, "scopes": [SUBSCRIPTION], "actions": ["RemoveAllActionGroups"], "filters": [], "is_scheduled": False}
    tables = {
        "azure.monitor.activity_log_alert": [{**ALERT, "groups": [f"{GROUPS}/oncall"]}],
        "azure.monitor.action_group": [_group("oncall")],
        "azure.monitor.processing_rule": [{**HERE, "key": "p", **rule, **said}],
    }
    assert told("azure.monitor.heard_alert", "is_heard", tables) == [(heard,)]
    del tables["azure.monitor.activity_log_alert"]
    tables["azure.quotas.log_alert"] = [{**LOG_ALERT, "groups": [f"{GROUPS}/oncall"]}]
    assert told("azure.quotas.heard_alert", "is_heard", tables) == [(heard,)]
