"""Machines, disks and images, as EC2 and Systems Manager see them."""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.demo.aws.bed.holes import Answer, Ask, Given
from cnamm_scan.demo.aws.estate.account import ACCOUNT, HOME, REGIONS
from cnamm_scan.demo.aws.estate.answers.held import ago, arn, backend, instances, is_home, named


def _instance_images(ask: Ask) -> Given:
    """Each instance runs the account's own image."""
    rows = []
    for _, instance in instances(ask.region):
        tags = [{"Key": tag["key"], "Value": tag["value"]} for tag in instance.get_tags()]
        image = {
            "ImageId": instance.image_id,
            "OwnerId": ACCOUNT,
            "State": "available",
            "IsPublic": False,
            "CreationDate": ago(40 if is_home(ask) else 200).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        rows.append(
            {"InstanceId": instance.id, "State": {"Name": instance.state}, "OwnerId": ACCOUNT, "Tags": tags, "ImageMetadata": image}
        )
    return {"InstanceImageMetadata": rows}


def _gateways(ask: Ask) -> Given:
    state = {"AwsAccountId": ACCOUNT, "AwsRegion": ask.region, "State": "default-state", "InternetGatewayBlockMode": "off"}
    return {"VpcBlockPublicAccessOptions": {**state, "ManagedBy": "account", "ExclusionsAllowed": "allowed"}}


def _snapshots(ask: Ask) -> Given:
    """Those that everybody may restore, when these are asked for; moto would list them all."""
    if ask.fields.get("RestorableBy.1") != "all":
        return None
    held = backend("ec2", ask.region).describe_snapshots()
    public = [one for one in held if one.owner_id == ACCOUNT and "all" in one.create_volume_permission_groups]
    rows = [
        {
            "SnapshotId": one.id,
            "VolumeId": one.volume.id,
            "OwnerId": one.owner_id,
            "State": "completed",
            "Encrypted": bool(one.encrypted),
            "Description": one.description or "",
            "VolumeSize": one.volume.size,
            "StartTime": ago(20),
            "Progress": "100%",
        }
        for one in public
    ]
    return {"Snapshots": rows}


def _managed(ask: Ask) -> Given:
    rows = [
        {
            "InstanceId": instance.id,
            "PingStatus": "Online",
            "LastPingDateTime": ago(hours=0.1),
            "PlatformType": "Linux",
            "PlatformName": "Amazon Linux",
        }
        for name, instance in instances(ask.region)
        if name == "orders"
    ]
    return {"InstanceInformationList": rows}


def _patched(ask: Ask) -> Given:
    if ask.region not in REGIONS:
        return {"ResourceComplianceSummaryItems": []}
    missing = 0 if is_home(ask) else 3
    row = {
        "ComplianceType": "Patch",
        "ResourceType": "ManagedInstance",
        "ResourceId": named(ask.region, "orders"),
        "Status": "NON_COMPLIANT" if missing else "COMPLIANT",
        "ExecutionSummary": {"ExecutionTime": ago(2), "ExecutionType": "Command"},
        "NonCompliantSummary": {"NonCompliantCount": missing, "SeveritySummary": {"CriticalCount": 0}},
    }
    return {"ResourceComplianceSummaryItems": [row]}


def _sessions(ask: Ask) -> Given:
    if not is_home(ask) or ask.fields.get("State") != "History":
        return {"Sessions": []}
    row = {"SessionId": "alice-0a1b2c3d", "Target": named(HOME, "orders"), "Status": "Terminated", "StartDate": ago(9), "Owner": "alice"}
    return {"Sessions": [row]}


def _idle(ask: Ask) -> Given:
    if not is_home(ask):
        return {"idleRecommendations": []}
    loose = [one for one in backend("ec2", ask.region).describe_volumes() if one.status == "available"]
    rows = [
        {
            "resourceArn": arn(ask, "ec2", f"volume/{one.id}"),
            "resourceId": one.id,
            "resourceType": "EBSVolume",
            "accountId": ACCOUNT,
            "finding": "Unattached",
            "savingsOpportunity": {"estimatedMonthlySavings": {"currency": "USD", "value": 10.0}},
        }
        for one in loose
    ]
    return {"idleRecommendations": rows}


ANSWERS: Mapping[tuple[str, str], Answer] = {
    ("compute-optimizer", "GetIdleRecommendations"): _idle,
    ("ec2", "DescribeInstanceImageMetadata"): _instance_images,
    ("ec2", "DescribeSnapshots"): _snapshots,
    ("ec2", "DescribeVpcBlockPublicAccessOptions"): _gateways,
    ("ssm", "DescribeInstanceInformation"): _managed,
    ("ssm", "DescribeSessions"): _sessions,
    ("ssm", "ListResourceComplianceSummaries"): _patched,
}
"""By boto3's client name and operation."""
