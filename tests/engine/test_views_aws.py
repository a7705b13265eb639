"""What counts in views that ship is a choice of rows, and asked through the store: a rule's own cases cannot make a view of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import make_view
from tests.engine.test_views_law import CONTENT

CLEANUP, MACHINES = "aws.accessanalyzer.cleanup", "aws.iam.machine_identity"
NOW = "2026-01-02T03:04:05"
HERE = {"target": "aws:1", "region": "eu-west-1", "scan_time": NOW}
ANALYZER = {**HERE, "key": "a", "arn": "a", "name": "unused", "type": "ACCOUNT_UNUSED_ACCESS", "status": "ACTIVE"}
FOUND = {**HERE, "analyzer_arn": "a", "finding_type": "UnusedIAMRole", "created_at": "2025-11-01", "updated_at": "2025-11-05"}
KEY = {**HERE, "password_enabled": False, "key_1_active": True, "key_1_is_used": True, "key_1_last_used_at": "2026-01-01"}


def told(view: str, ask: str, tables: Mapping[str, Sequence[Mapping[str, Any]]], beneath: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    """What a view says of rows."""
    with Store(CONTENT, {view}, scan_time=NOW) as store:
        store.places = {"aws:1": ("global", "eu-west-1")}
        for table, rows in tables.items():
            store.add_rows(table, rows)
        for each in (*beneath, view):
            make_view(store, each)
        return list(store.rows(f"SELECT {ask} FROM {quoted(view)} ORDER BY ALL"))


@pytest.mark.parametrize("status", ["RESOLVED", "ACTIVE", "ARCHIVED"])
def test_a_finding_that_was_archived_counts_neither_for_nor_against_the_speed_of_repair(status: str) -> None:
    findings = [{**FOUND, "key": "1", "status": "RESOLVED"}, {**FOUND, "key": "2", "status": status}]
    said = told(CLEANUP, "findings, share_in_time", {"aws.accessanalyzer.analyzer": [ANALYZER], "aws.accessanalyzer.finding": findings})
    assert said == [{"RESOLVED": (2, 1.0), "ACTIVE": (2, 0.5), "ARCHIVED": (1, 1.0)}[status]]


def test_the_key_of_the_root_user_is_no_machines() -> None:
    keys = [{**KEY, "key": "k", "user": "builder"}, {**KEY, "key": "r", "user": "<root_account>"}]
    assert told(MACHINES, "name, kind", {"aws.iam.role_trust": [], "aws.iam.credential_report": keys}) == [("builder", "user")]


COSTS = "arn:aws:sns:eu-west-1:111122223333:costs"
MONITOR = {**HERE, "region": "global", "key": "m", "arn": "m", "type": "DIMENSIONAL", "dimension": "SERVICE"}
SENT = {**HERE, "region": "global", "key": "s", "name": "s", "monitor_arns": ["m"], "subscriber_states": ["CONFIRMED"]}
AT_ONCE = {**SENT, "frequency": "IMMEDIATE", "addresses": [COSTS]}


@pytest.mark.parametrize(
    ("subscription", "subscribers", "expected"),
    [
        ({**SENT, "frequency": "DAILY", "addresses": [""]}, "0", True),
        ({**SENT, "frequency": "DAILY", "addresses": [""], "subscriber_states": ["DECLINED"]}, "0", False),
        ({**SENT, "frequency": "WEEKLY", "addresses": [""]}, "1", False),
        (AT_ONCE, "1", True),
        (AT_ONCE, "0", False),
        ({**AT_ONCE, "subscriber_states": []}, "1", False),
        ({**AT_ONCE, "addresses": ["arn:aws:sns:eu-west-1:444455556666:costs"]}, "1", None),
        ({**AT_ONCE, "addresses": [COSTS, "arn:aws:sns:eu-west-1:444455556666:costs"]}, "0", None),
        (AT_ONCE, None, None),
    ],
)
def test_costs_that_are_told_to_a_topic_reach_those_who_listen_to_it(
    subscription: dict[str, Any], subscribers: str | None, expected: bool | None
) -> None:
    topic = {**HERE, "key": COSTS, "arn": COSTS, "subscribers": subscribers}
    tables = {
        "aws.ce.anomaly_monitor": [MONITOR],
        "aws.ce.anomaly_subscription": [subscription],
        "aws.sns.topic": [topic],
        "aws.sns.subscription": [],
    }
    assert told("aws.ce.anomaly_watch", "reaches_somebody", tables, ["aws.sns.heard_topic"]) == [(expected,)]


ABOVE = {**HERE, "region": "global"}
TRUSTED = {**ABOVE, "key": "guardduty.amazonaws.com", "service": "guardduty.amazonaws.com", "is_security_service": True}
RUN = {**ABOVE, "account_id": "2", "service": "guardduty.amazonaws.com"}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["ACTIVE"], (True, 1.0)),
        (["SUSPENDED"], (False, 0.0)),
        (["CLOSED", "ACTIVE"], (True, 1.0)),
        ([None], (None, None)),
        ([], (False, 0.0)),
    ],
)
def test_an_account_that_is_suspended_runs_no_service_for_the_organisation(
    states: Sequence[str | None], expected: tuple[bool | None, float | None]
) -> None:
    run = [{**RUN, "key": str(number), "account_state": state} for number, state in enumerate(states)]
    tables: dict[str, list[dict[str, Any]]] = {"aws.organizations.trusted_service": [TRUSTED], "aws.organizations.delegated_service": run}
    ((delegated,),) = told("aws.organizations.duty", "is_delegated", tables)
    ((share,),) = told("aws.organizations.duties", "share_delegated", tables)
    assert (delegated, share) == expected


POLICY = "arn:aws:eks::aws:cluster-access-policy/"


def held(name: str, policy: str, scope: str = "cluster") -> dict[str, Any]:
    return {**HERE, "key": f"{name}:{policy}", "cluster": "main", "principal": name, "policy": f"{POLICY}{policy}", "scope": scope}


def test_who_has_the_admin_policy_in_all_of_a_cluster_may_be_its_administrator() -> None:
    names = ("all", "all-and-admin", "admin", "admin-here", "viewer", "grouped", "node")
    entry = {**HERE, "cluster": "main", "type": "STANDARD", "groups": []}
    entries = [{**entry, "key": name, "principal": name} for name in names]
    entries[-2] |= {"groups": ["platform"]}
    entries[-1] |= {"groups": ["system:nodes"], "type": "EC2_LINUX"}
    policies = [held(name, "AmazonEKSClusterAdminPolicy") for name in names[:2]]
    policies += [held(name, "AmazonEKSAdminPolicy") for name in names[1:3]]
    policies += [held("admin-here", "AmazonEKSAdminPolicy", "namespace"), held("viewer", "AmazonEKSAdminViewPolicy")]
    tables: dict[str, list[dict[str, Any]]] = {
        "aws.eks.cluster": [{**HERE, "key": "main", "name": "main"}],
        "aws.eks.access_entry": entries,
        "aws.eks.access_policy": policies,
    }
    assert told("aws.eks.cluster_administrators", "administrators, in_groups", tables) == [(2, 2)]


def test_a_cluster_of_a_database_has_two_names_for_its_backups() -> None:
    arn = "arn:aws:rds:eu-west-1:111122223333:cluster:"
    rows = [{**HERE, "key": f"{arn}shop", "arn": f"{arn}shop", "resource_id": "cluster-ABC1", "engine": "aurora-mysql", "created_at": NOW}]
    others = ("aws.rds.instance", "aws.dynamodb.table", "aws.efs.file_system", "aws.redshift.cluster", "aws.ec2.instance", "aws.ec2.volume")
    tables: dict[str, list[dict[str, Any]]] = {"aws.rds.cluster": rows, **{each: [] for each in others}}
    assert told("aws.backup.data_store", "key, other_arn", tables) == [(f"{arn}shop", f"{arn}cluster-abc1")]
    assert told("aws.backup.living", "arn", tables) == [(f"{arn}cluster-abc1",), (f"{arn}shop",)]


@pytest.mark.parametrize(
    ("state", "launched", "expected"),
    [
        ("stopped", "2025-10-01", True),
        ("stopped", "2025-12-01", False),
        ("running", "2025-10-01", False),
        ("stopped", None, None),
        (None, "2025-10-01", None),
    ],
)
def test_the_disk_of_a_machine_that_stands_still_since_its_snapshot_may_be_unchanged(
    state: str | None, launched: str | None, expected: bool | None
) -> None:
    machine: dict[str, Any] = {
        **HERE,
        "key": "i",
        "instance_id": "i-1",
        "state": state,
        "launched_at": launched,
        "tag_keys": [],
        "has_operator": False,
    }
    volume = {**HERE, "key": "v", "volume_id": "vol-1", "state": "in-use", "instance_id": "i-1", "is_operated": False}
    snapshot = {**HERE, "key": "s", "volume_id": "vol-1", "state": "completed", "started_at": "2025-11-01"}
    tables: dict[str, list[dict[str, Any]]] = {
        "aws.ec2.volume": [{**volume, "ends_with_machine": True}],
        "aws.ec2.instance": [machine],
        "aws.ec2.snapshot": [snapshot],
    }
    assert told("aws.ec2.volume_backup", "may_be_unchanged", tables) == [(expected,)]
    assert told("aws.ec2.volume_backup", "may_be_unchanged", {**tables, "aws.ec2.snapshot": []}) == [(False,)]


@pytest.mark.parametrize(
    ("modes", "expected"),
    [(["FAIL"], False), (["WARN"], True), (["FAIL", "WARN"], True), (["WARN", "FAIL"], False), (["FAIL", None], None)],
)
def test_a_hook_warns_now_where_its_newest_result_is_a_warning(modes: Sequence[str | None], expected: bool | None) -> None:
    rows = [{**HERE, "key": f"{day}", "hook": "h", "mode": mode, "invoked_at": f"2025-12-0{day}"} for day, mode in enumerate(modes, 1)]
    assert told("aws.cloudformation.hook_results_read", "warns_now", {"aws.cloudformation.hook_result": rows}) == [(expected,)]


def test_a_global_table_is_the_same_data_in_each_of_its_regions() -> None:
    arn = "arn:aws:dynamodb:{}:1:table/orders"
    table = {**HERE, "key": arn.format("eu-west-1"), "created_at": NOW, "replica_regions": ["us-east-1", "us-west-2"]}
    others = ("aws.rds.instance", "aws.rds.cluster", "aws.efs.file_system", "aws.redshift.cluster")
    tables: dict[str, list[dict[str, Any]]] = {"aws.dynamodb.table": [table], **{each: [] for each in others}}
    said = told("aws.backup.data_store", "is_replica, copies", tables)
    assert said == [(False, [arn.format("us-east-1"), arn.format("us-west-2")])]


@pytest.mark.parametrize("protection", ["ENABLED", "DISABLED", "REPLICATING"])
def test_a_file_system_that_another_is_replicated_to_is_a_replica(protection: str) -> None:
    others = ("aws.rds.instance", "aws.rds.cluster", "aws.dynamodb.table", "aws.redshift.cluster")
    tables: dict[str, list[dict[str, Any]]] = {each: [] for each in others}
    tables["aws.efs.file_system"] = [{**HERE, "key": "fs", "created_at": NOW, "protection": protection}]
    assert told("aws.backup.data_store", "is_replica", tables) == [(protection == "REPLICATING",)]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ({"bucket": "prompts", "log_group": ""}, True),
        ({"bucket": "", "log_group": "prompts"}, True),
        ({"bucket": "", "log_group": "gone"}, False),
        ({"bucket": "prompts", "log_group": "gone"}, True),
        ({"bucket": "prompts", "log_group": "", "keeps_text": False}, False),
        ({"bucket": "", "log_group": "", "keeps_text": None}, False),
    ],
)
def test_prompts_are_kept_where_the_log_group_that_is_named_is_there(kept: dict[str, Any], expected: bool) -> None:
    tables: dict[str, list[dict[str, Any]]] = {
        "aws.bedrock.invocation_log": [{**HERE, "key": "log", "keeps_text": True, **kept}],
        "aws.logs.log_group": [{**HERE, "key": "g", "name": "prompts"}, {**HERE, "region": "us-east-1", "key": "o", "name": "gone"}],
    }
    assert told("aws.bedrock.kept_invocation_log", "writes", tables) == [(expected,)]


@pytest.mark.parametrize(
    ("recorders", "expected"),
    [
        ([{"is_recording": True, "last_status": "SUCCESS"}], True),
        ([{"is_recording": False, "last_status": "SUCCESS"}], False),
        ([{"is_recording": True, "last_status": "FAILURE"}], False),
        ([{"is_recording": None, "last_status": "SUCCESS"}], None),
        ([{"is_recording": True, "last_status": "SUCCESS", "region": "us-east-1"}], False),
        ([], False),
    ],
)
def test_a_standard_measures_where_a_recorder_is_at_work(recorders: Sequence[dict[str, Any]], expected: bool | None) -> None:
    tables: dict[str, list[dict[str, Any]]] = {
        "aws.securityhub.standard": [{**HERE, "key": "s", "status": "READY"}],
        "aws.config.recorder": [{**HERE, "key": "r", **each} for each in recorders],
    }
    assert told("aws.config.recorded_standard", "status, is_recorded", tables) == [("READY", expected)]
