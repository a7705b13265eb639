"""Columns of shipped tables that decide what counts as protection, computed from answers as AWS gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.content import reader
from tests.packs import fact, filled

CONTENT = reader.load([])


def _value(folder: Path, table: str, data: Any, column: str) -> Any:
    with filled(CONTENT, folder, [fact(table, data)], [table]) as store:
        ((value,),) = store.rows(f"SELECT {column} FROM {table}")
    return value


def _rule(name: str, counting: int, instead: str = "Count", **more: Any) -> Any:
    overrides = [{"Name": f"rule-{number}", "ActionToUse": {instead: {}}} for number in range(counting)]
    overrides.append({"Name": "Count", "ActionToUse": {"Block": {}}})
    return {
        "Name": "r",
        "Statement": {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": name, "RuleActionOverrides": overrides}},
        **more,
    }


@pytest.mark.parametrize(
    ("rule", "acts"),
    [
        (_rule("AWSManagedRulesLinuxRuleSet", 0), True),
        (_rule("AWSManagedRulesLinuxRuleSet", 1), None),
        (_rule("AWSManagedRulesCommonRuleSet", 9), True),
        (_rule("AWSManagedRulesCommonRuleSet", 23), None),
        (_rule("AWSManagedRulesSQLiRuleSet", 2), True),
        (_rule("AWSManagedRulesSQLiRuleSet", 5), None),
        (_rule("AWSManagedRulesCommonRuleSet", 23, "Allow"), None),
        (_rule("AWSManagedRulesCommonRuleSet", 23, "Block"), True),
        (_rule("AWSManagedRulesCommonRuleSet", 0, OverrideAction={"Count": {}}), False),
    ],
)
def test_a_managed_group_acts_unless_all_of_its_rules_may_only_count(tmp_path: Path, rule: Any, acts: bool | None) -> None:
    assert _value(tmp_path, "aws.wafv2.rule", rule, "acts") is acts


@pytest.mark.parametrize(
    ("document", "parameters", "installs"),
    [
        ("AWS-RunPatchBaseline", {"Operation": ["Install"]}, True),
        ("AWS-RunPatchBaseline", {"Operation": ["Scan"]}, False),
        ("AWS-RunPatchBaselineAssociation", {}, False),
        ("AWS-RunPatchBaselineWithHooks", {}, True),
        ("AWS-RunPatchBaselineWithHooks", {"Operation": ["Scan"]}, False),
        ("AWS-PatchAsgInstance", {}, True),
        ("AWS-GatherSoftwareInventory", {"Operation": ["Install"]}, False),
    ],
)
def test_an_association_patches_only_where_it_installs(tmp_path: Path, document: str, parameters: Any, installs: bool) -> None:
    data = {"Name": document, "AssociationId": "a", "detail": {"AssociationDescription": {"Parameters": parameters}}}
    assert _value(tmp_path, "aws.ssm.association", data, "installs_patches") is installs


@pytest.mark.parametrize(
    ("options", "knows"),
    [
        ({"Enabled": True}, True),
        ({"Enabled": True, "AnonymousAuthEnabled": True}, False),
        ({"Enabled": False}, False),
        (None, False),
    ],
)
def test_a_search_domain_that_lets_anonymous_callers_in_does_not_know_its_users(tmp_path: Path, options: Any, knows: bool) -> None:
    data = {"DomainName": "logs", "detail": {"AdvancedSecurityOptions": options} if options else {}}
    assert _value(tmp_path, "aws.opensearch.domain", data, "knows_its_users") is knows


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["Owner"], True),
        (["ProductOwner"], True),
        (["OwnerEmail"], True),
        (["cost_centre"], True),
        (["TeamName"], True),
        (["steam"], False),
        (["kubernetes.io/cluster/owner-x"], False),
        (["kubernetes.io/cluster/owner"], False),
        (["kubernetes.io/cluster/shop", "acme.com/owner"], True),
        ([], False),
    ],
)
def test_a_tag_names_an_owner_by_its_words(tmp_path: Path, keys: list[str], names: bool) -> None:
    data = {"ResourceARN": "arn:aws:rds:eu-west-1:111111111111:db:x", "Tags": [{"Key": each, "Value": "v"} for each in keys]}
    assert _value(tmp_path, "aws.tagging.resource", data, "names_owner") is names
