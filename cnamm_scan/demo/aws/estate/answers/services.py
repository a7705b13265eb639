"""Buckets, functions, containers, backups and money."""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.demo.aws.bed.holes import Answer, Ask, Given
from cnamm_scan.demo.aws.estate.account import role_arn
from cnamm_scan.demo.aws.estate.answers.held import ago, arn, backend, is_home

BUCKETS_WITH_ACLS = ("shop-legacy", "shop-logs")  # the others were made after ACLs went off by default


def _ownership(ask: Ask) -> Given:
    if ask.path[0] in BUCKETS_WITH_ACLS:
        return None
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}


def _function_urls(ask: Ask) -> Given:
    function = backend("lambda", ask.region).get_function(ask.path[2])
    url = function.url_config
    if url is None:
        return {"FunctionUrlConfigs": []}
    changed = ago(70).isoformat()
    row = {"FunctionUrl": url.url, "FunctionArn": function.function_arn, "AuthType": url.config["AuthType"]}
    return {"FunctionUrlConfigs": [{**row, "CreationTime": changed, "LastModifiedTime": changed}]}


def _service_deployments(ask: Ask) -> Given:
    service: str = ask.fields["service"]
    row = {
        "serviceDeploymentArn": service.replace(":service/", ":service-deployment/") + "/first",
        "serviceArn": service,
        "status": "SUCCESSFUL",
        "createdAt": ago(5),
        "finishedAt": ago(5),
    }
    return {"serviceDeployments": [row]}


def _addon(ask: Ask) -> Given:
    addon = {"addonName": ask.path[3], "clusterName": ask.path[1], "status": "ACTIVE", "addonVersion": "v1.18.1-eksbuild.3"}
    return {"addon": addon}


def _protected(ask: Ask) -> Given:
    if not is_home(ask):
        return {"Results": []}
    file_systems = [one.file_system_id for one in backend("efs", ask.region).file_systems_by_id.values() if one.encrypted]
    resources = [
        (arn(ask, "rds", "db:orders"), "RDS"),
        (arn(ask, "rds", "cluster:catalogue"), "Aurora"),
        (arn(ask, "dynamodb", "table/orders"), "DynamoDB"),
        *((arn(ask, "elasticfilesystem", f"file-system/{one}"), "EFS") for one in file_systems),
    ]
    return {"Results": [{"ResourceArn": arn, "ResourceType": kind, "LastBackupTime": ago(hours=9)} for arn, kind in resources]}


SELECTION = {"SelectionId": "by-tag", "SelectionName": "production"}


def _selections(ask: Ask) -> Given:
    return {"BackupSelectionsList": [{**SELECTION, "BackupPlanId": ask.path[2], "IamRoleArn": role_arn("backup")}]}


def _selection(ask: Ask) -> Given:
    by_tag = {"ConditionType": "STRINGEQUALS", "ConditionKey": "Environment", "ConditionValue": "production"}
    chosen = {"SelectionName": SELECTION["SelectionName"], "IamRoleArn": role_arn("backup"), "ListOfTags": [by_tag]}
    return {"BackupSelection": chosen, "BackupPlanId": ask.path[2], "SelectionId": SELECTION["SelectionId"]}


def _cost_categories(ask: Ask) -> Given:
    held = backend("ce", "aws").cost_categories
    rows = [
        {"CostCategoryArn": arn, "Name": one.name, "NumberOfRules": len(one.rules), "EffectiveStart": "2026-01-01T00:00:00Z"}
        for arn, one in held.items()
    ]
    return {"CostCategoryReferences": rows}


ANSWERS: Mapping[tuple[str, str], Answer] = {
    ("backup", "ListProtectedResources"): _protected,
    ("backup", "ListBackupSelections"): _selections,
    ("backup", "GetBackupSelection"): _selection,
    ("ce", "ListCostCategoryDefinitions"): _cost_categories,
    ("ecs", "ListServiceDeployments"): _service_deployments,
    ("eks", "DescribeAddon"): _addon,
    ("lambda", "ListFunctionUrlConfigs"): _function_urls,
    ("s3", "GetBucketOwnershipControls"): _ownership,
}
"""By boto3's client name and operation."""
