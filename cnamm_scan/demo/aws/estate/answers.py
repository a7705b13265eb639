"""What the demo's account answers where moto has no answer, or a wrong one, and an empty list would not do.

Runs in moto's process and looks at moto's state, so that an answer fits what was seeded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, unquote

from cnamm_scan.demo.aws.bed.fill import Filled, empty, filled, is_read
from cnamm_scan.demo.aws.bed.identify import Identity, Request
from cnamm_scan.demo.aws.bed.refusals import Refusal, worded
from cnamm_scan.demo.aws.estate.account import ACCOUNT, HOME, REGIONS, role_arn

UNTAGGED_OWNER = "legacy"  # the instance that nobody looks after


@dataclass(frozen=True)
class Ask:
    """One request as the answers look at it."""

    region: str
    fields: dict[str, Any]  # of body and query, by their names on the wire
    path: tuple[str, ...]  # decoded segments

    @property
    def is_home(self) -> bool:
        """Whether the region is the one where things are kept well."""
        return self.region == HOME

    def arn(self, service: str, rest: str) -> str:
        """An ARN of this account and region."""
        return f"arn:aws:{service}:{self.region}:{ACCOUNT}:{rest}"


@dataclass(frozen=True)
class Told:
    """An error by which AWS says that there is none."""

    code: str
    message: str
    status: int = HTTPStatus.BAD_REQUEST


Given = dict[str, Any] | Told | None
"""Values by the names of the output shape; an error; or nothing, which leaves the answer to moto."""


def by_hand(request: Request, identity: Identity) -> Filled | Refusal | None:
    """The answer of the table below, None when moto is to answer; called before moto is asked."""
    given = ANSWERS.get((identity.service, identity.operation))
    if given is None:
        return None
    value = given(_ask(request, identity)) if callable(given) else given
    if value is None:
        return None
    if isinstance(value, Told):
        return worded(identity, value.status, value.code, value.message)
    return filled(identity, value)


def from_nothing(identity: Identity) -> Filled | None:
    """The answer of an account that has none of it, None when the operation does more than look."""
    return filled(identity, empty(identity)) if is_read(identity) else None


def corrected(identity: Identity, status: str, body: bytes) -> bytes:
    """Moto's answer, with what it cannot know put in."""
    correct = CORRECTIONS.get((identity.service, identity.operation))
    return correct(body, identity.region) if correct is not None and status.startswith("200") else body


def _ask(request: Request, identity: Identity) -> Ask:
    fields: dict[str, Any] = dict(request.query)
    if request.body[:1] == b"{":
        fields |= json.loads(request.body)
    elif identity.protocol in {"query", "ec2"}:
        fields |= dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    return Ask(identity.region, fields, tuple(unquote(part) for part in request.path.strip("/").split("/")))


def _ago(days: float = 0, hours: float = 0) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(days=days, hours=hours)


def _backend(service: str, region: str) -> Any:
    return import_module("moto.backends").get_backend(service)[ACCOUNT][region]


def _instances(region: str) -> Iterator[tuple[str, Any]]:
    """The name tag and moto's model of each instance that is not terminated."""
    for instance in _backend("ec2", region).all_instances():
        if instance.state != "terminated":
            yield next((tag["value"] for tag in instance.get_tags() if tag["key"] == "Name"), ""), instance


def _named(region: str, name: str) -> str:
    """The id of the instance of this name."""
    return next(str(instance.id) for found, instance in _instances(region) if found == name)


def _is_hub(ask: Ask) -> bool:
    return bool(_backend("securityhub", ask.region).enabled)


# --- who may do what


def _analyzers(ask: Ask) -> Given:
    return {"analyzers": [_analyzer(ask)] if ask.is_home else []}


def _analyzer(ask: Ask) -> dict[str, Any]:
    return {
        "arn": ask.arn("access-analyzer", "analyzer/account"),
        "name": "account",
        "type": "ACCOUNT",
        "createdAt": _ago(400),
        "status": "ACTIVE",
        "tags": {},
    }


OUTSIDE = (  # what the analyzer found: id, resource, its type, is public, days ago
    ("website", "arn:aws:s3:::shop-website", "AWS::S3::Bucket", True, 240),
    ("anyone", role_arn("anyone"), "AWS::IAM::Role", True, 12),
    ("vendor", role_arn("vendor-monitoring"), "AWS::IAM::Role", False, 3),
)


def _outside(ask: Ask) -> Given:
    only_public = "isPublic" in ask.fields.get("filter", {})
    findings = [
        {
            "id": name,
            "resource": resource,
            "resourceType": kind,
            "resourceOwnerAccount": ACCOUNT,
            "status": "ACTIVE",
            "findingType": "ExternalAccess",
            "createdAt": _ago(days),
            "updatedAt": _ago(days),
            "analyzedAt": _ago(hours=6),
        }
        for name, resource, kind, is_public, days in OUTSIDE
        if is_public or not only_public
    ]
    return {"findings": findings}


def _hub_off(ask: Ask) -> Given:
    if _is_hub(ask):
        return None
    return Told("InvalidAccessException", f"Account {ACCOUNT} is not subscribed to AWS Security Hub", HTTPStatus.UNAUTHORIZED)


def _hub_organisation(ask: Ask) -> Given:
    said = f"Account {ACCOUNT} is not an administrator for this organization"
    return _hub_off(ask) or Told("InvalidAccessException", said, HTTPStatus.UNAUTHORIZED)


def _standards(ask: Ask) -> Given:
    if not _is_hub(ask):
        return _hub_off(ask)
    name = "aws-foundational-security-best-practices/v/1.0.0"
    subscribed = {
        "StandardsSubscriptionArn": ask.arn("securityhub", f"subscription/{name}"),
        "StandardsArn": f"arn:aws:securityhub:{ask.region}::standards/{name}",
        "StandardsInput": {},
        "StandardsStatus": "READY",
    }
    return {"StandardsSubscriptions": [subscribed]}


CONTROL_FAILURES = (  # title, resource, severity, days ago, workflow
    ("RDS DB Instances should prohibit public access", "rds:us-east-1:123456789012:db:legacy", "CRITICAL", 140, "NEW"),
    ("S3 general purpose buckets should block public read access", "s3:::shop-website", "CRITICAL", 3, "NOTIFIED"),
    ("EC2 instances should use IMDSv2", "ec2:us-east-1:123456789012:instance/legacy", "HIGH", 2, "NEW"),
)


def _hub_findings(ask: Ask) -> Given:
    """What failed Security Hub's controls; moto keeps no filter and gives every finding to each question."""
    if not _is_hub(ask):
        return _hub_off(ask)
    if "ComplianceStatus" not in ask.fields.get("Filters", {}):
        return {"Findings": []}
    return {"Findings": [_control_failure(ask, number, *failure) for number, failure in enumerate(CONTROL_FAILURES)]}


def _control_failure(ask: Ask, number: int, title: str, resource: str, severity: str, days: int, workflow: str) -> dict[str, Any]:
    return {
        "SchemaVersion": "2018-10-08",
        "Id": ask.arn("securityhub", f"security-control/{number}"),
        "ProductArn": f"arn:aws:securityhub:{ask.region}::product/aws/securityhub",
        "ProductName": "Security Hub",
        "GeneratorId": f"security-control/{number}",
        "AwsAccountId": ACCOUNT,
        "Region": ask.region,
        "Types": ["Software and Configuration Checks/Industry and Regulatory Standards"],
        "CreatedAt": _ago(days).isoformat(),
        "UpdatedAt": _ago(hours=8).isoformat(),
        "Severity": {"Label": severity},
        "Title": title,
        "Description": title,
        "Compliance": {"Status": "FAILED"},
        "Workflow": {"Status": workflow},
        "RecordState": "ACTIVE",
        "Resources": [{"Type": "Other", "Id": f"arn:aws:{resource}"}],
    }


def _macie(ask: Ask) -> Given:
    """Moto's Macie is on everywhere; ours is on, and paused, at home."""
    return None if ask.is_home else MACIE_OFF


def _listed_in_hub(name: str) -> Callable[[Ask], Given]:
    return lambda ask: _hub_off(ask) or {name: []}


# --- who watches


def _coverage(ask: Ask) -> Given:
    """GuardDuty's sensors: on the instance that is looked after, and not on the other."""
    states = {"orders": ("HEALTHY", None), UNTAGGED_OWNER: ("UNHEALTHY", "No Agent Reporting")}
    resources = []
    for name, instance in _instances(ask.region):
        if name in states:
            status, issue = states[name]
            details = {"ResourceType": "EC2", "Ec2InstanceDetails": {"InstanceId": instance.id}}
            told = {"Issue": issue} if issue else {}
            resources.append(
                {"ResourceId": instance.id, "AccountId": ACCOUNT, "ResourceDetails": details, "CoverageStatus": status, **told}
            )
    return {"Resources": resources}


GUARD_FINDING = "8ac1f1d3c0de4b5e9f2a7d6c5b4a3f21"


def _guard_finding(ask: Ask) -> Given:
    instance = _named(HOME, UNTAGGED_OWNER)
    finding = {
        "Id": GUARD_FINDING,
        "Arn": ask.arn("guardduty", f"detector/{ask.path[1]}/finding/{GUARD_FINDING}"),
        "AccountId": ACCOUNT,
        "Region": ask.region,
        "SchemaVersion": "2.0",
        "Type": "UnauthorizedAccess:EC2/SSHBruteForce",
        "Title": f"{instance} is under an SSH brute force attack.",
        "Severity": 8.0,
        "CreatedAt": _ago(11).isoformat(),
        "UpdatedAt": _ago(2).isoformat(),
        "Resource": {"ResourceType": "Instance", "InstanceDetails": {"InstanceId": instance}},
        "Service": {"Archived": False, "DetectorId": ask.path[1]},
    }
    return {"Findings": [finding]}


def _inspector_states(ask: Ask) -> Given:
    """What moto holds; it answers 500 when it is not told for which account."""
    held = _backend("inspector2", ask.region).account_status.get(ACCOUNT)
    states = {"ec2": getattr(held, "ec2", "DISABLED"), "ecr": getattr(held, "ecr", "DISABLED")}
    rest = {"lambda": getattr(held, "_lambda", "DISABLED"), "lambdaCode": getattr(held, "lambda_code", "DISABLED")}

    def state(status: str) -> dict[str, str]:
        return {"status": status, "errorCode": "", "errorMessage": ""}

    overall = "ENABLED" if "ENABLED" in states.values() else "DISABLED"
    found = {name: state(status) for name, status in (states | rest).items()}
    return {"accounts": [{"accountId": ACCOUNT, "state": state(overall), "resourceState": found}], "failedAccounts": []}


def _scanned(ask: Ask) -> Given:
    """Inspector sees what has an agent, and the images."""
    if not ask.is_home:
        return {"coveredResources": []}
    reasons = {"orders": ("ACTIVE", "SUCCESSFUL"), UNTAGGED_OWNER: ("INACTIVE", "UNMANAGED_EC2_INSTANCE")}
    found = []
    for name, instance in _instances(ask.region):
        status, reason = reasons.get(name, ("INACTIVE", "EC2_INSTANCE_STOPPED"))
        scanned = {"lastScannedAt": _ago(hours=5)} if status == "ACTIVE" else {}
        found.append(_covered("AWS_EC2_INSTANCE", instance.id, status, reason, scanned))
    for name, digest in _images(ask.region):
        image = {"lastScannedAt": _ago(1), "resourceMetadata": {"ecrImage": {"inUseCount": int(name == "shop/api")}}}
        arn = ask.arn("ecr", f"repository/{name}/{digest}")
        found.append(_covered("AWS_ECR_CONTAINER_IMAGE", arn, "ACTIVE", "SUCCESSFUL", image))
    return {"coveredResources": found}


def _covered(kind: str, resource: str, status: str, reason: str, more: dict[str, Any]) -> dict[str, Any]:
    state = {"statusCode": status, "reason": reason}
    return {"resourceType": kind, "resourceId": resource, "accountId": ACCOUNT, "scanType": "PACKAGE", "scanStatus": state, **more}


def _images(region: str) -> Iterator[tuple[str, str]]:
    for repository in _backend("ecr", region).repositories.values():
        for image in repository.images:
            yield repository.name, image.get_image_digest()


FLAWS = (  # CVE, severity, is exploited, days since first seen, closed after days or None
    ("CVE-2026-21870", "CRITICAL", "YES", 41, None),
    ("CVE-2026-30114", "HIGH", "NO", 6, None),
    ("CVE-2026-11806", "HIGH", "NO", 90, 9),
    ("CVE-2026-12001", "CRITICAL", "YES", 80, 4),
)


def _flaws(ask: Ask) -> Given:
    wanted = ask.fields.get("filterCriteria", {}).get("findingStatus", [{"value": "ACTIVE"}])[0]["value"]
    if not ask.is_home or wanted not in {"ACTIVE", "CLOSED"}:
        return {"findings": []}
    machine = _named(HOME, "orders")
    return {"findings": [_flaw(ask, machine, *flaw) for flaw in FLAWS if (flaw[-1] is None) == (wanted == "ACTIVE")]}


def _flaw(ask: Ask, machine: str, name: str, severity: str, exploited: str, days: int, closed_after: int | None) -> dict[str, Any]:
    is_open = closed_after is None
    at = _ago(hours=5) if is_open else _ago(days - (closed_after or 0))
    return {
        "findingArn": ask.arn("inspector2", f"finding/{name.lower()}"),
        "awsAccountId": ACCOUNT,
        "type": "PACKAGE_VULNERABILITY",
        "description": name,
        "severity": severity,
        "firstObservedAt": _ago(days),
        "lastObservedAt": at,
        "updatedAt": at,
        "status": "ACTIVE" if is_open else "CLOSED",
        "remediation": {"recommendation": {"text": "Update the package."}},
        "resources": [{"type": "AWS_EC2_INSTANCE", "id": machine}],
        "packageVulnerabilityDetails": {"vulnerabilityId": name, "source": "NVD"},
        "fixAvailable": "YES",
        "exploitAvailable": exploited,
    }


def _selectors(ask: Ask) -> Given:
    """A trail for all regions is seen from each; moto knows its selectors at home only."""
    trail: str = ask.fields["TrailName"]
    if not trail.startswith("arn:") or trail.split(":")[3] == ask.region:
        return None
    selectors, advanced = _backend("cloudtrail", trail.split(":")[3]).get_trail(trail).get_event_selectors()
    return {"TrailARN": trail, "EventSelectors": selectors, "AdvancedEventSelectors": advanced}


# --- who changed what: name, source, days ago, user agent, kind of caller, role
CHANGES = (
    ("RunInstances", "ec2", 0.5, "APN/1.0 HashiCorp/1.0 Terraform/1.9.0", "AssumedRole", "github-deploy"),
    ("UpdateFunctionCode20150331v2", "lambda", 1.1, "APN/1.0 HashiCorp/1.0 Terraform/1.9.0", "AssumedRole", "github-deploy"),
    ("ModifyDBInstance", "rds", 2.0, "APN/1.0 HashiCorp/1.0 Terraform/1.9.0", "AssumedRole", "github-deploy"),
    ("CreateSecurityGroup", "ec2", 2.1, "APN/1.0 HashiCorp/1.0 Terraform/1.9.0", "AssumedRole", "github-deploy"),
    ("UpdateService", "ecs", 3.2, "APN/1.0 HashiCorp/1.0 Terraform/1.9.0", "AssumedRole", "github-deploy"),
    ("PutRolePolicy", "iam", 4.0, "Mozilla/5.0", "IAMUser", ""),
    ("AuthorizeSecurityGroupIngress", "ec2", 4.1, "Mozilla/5.0", "IAMUser", ""),
)
ATTACHED = ("AttachPolicy", "organizations", 36.0, "Mozilla/5.0", "IAMUser", "")


def _events(ask: Ask) -> Given:
    looked_for = ask.fields.get("LookupAttributes", [{}])[0]
    seen: tuple[tuple[str, str, float, str, str, str], ...]
    match looked_for.get("AttributeKey"), looked_for.get("AttributeValue"):
        case "ReadOnly", "false":
            seen = CHANGES if ask.is_home else ()
        case "EventSource", "organizations.amazonaws.com":
            seen = (ATTACHED,) if ask.is_home else ()
        case _:
            seen = ()
    return {"Events": [_event(ask, number, *change) for number, change in enumerate(seen)]}


def _event(ask: Ask, number: int, name: str, source: str, days: float, agent: str, kind: str, role: str) -> dict[str, Any]:
    caller: dict[str, Any] = {"type": kind, "accountId": ACCOUNT}
    if role:
        caller["sessionContext"] = {"sessionIssuer": {"type": "Role", "userName": role}}
    else:
        caller["userName"] = "alice"
    record: dict[str, Any] = {"eventName": name, "awsRegion": ask.region, "userIdentity": caller, "userAgent": agent}
    if agent.startswith("Mozilla"):
        record["sessionCredentialFromConsole"] = "true"
    return {
        "EventId": f"{name.lower()}-{number}",
        "EventName": name,
        "EventSource": f"{source}.amazonaws.com",
        "EventTime": _ago(days),
        "ReadOnly": "false",
        "Username": role or "alice",
        "CloudTrailEvent": json.dumps(record),
    }


def _deliveries(ask: Ask) -> Given:
    done = {"lastStatus": "SUCCESS", "lastSuccessfulTime": _ago(hours=3)}
    return {"DeliveryChannelsStatus": [{"name": "default", "configHistoryDeliveryInfo": done, "configSnapshotDeliveryInfo": done}]}


COMPLIANCE = {"s3-bucket-versioning-enabled": "NON_COMPLIANT", "encrypted-volumes": "NON_COMPLIANT"}


def _compliance(ask: Ask) -> Given:
    asked = ask.fields.get("ConfigRuleNames") or list(COMPLIANCE)
    judged = [{"ConfigRuleName": name, "Compliance": {"ComplianceType": COMPLIANCE.get(name, "COMPLIANT")}} for name in asked]
    return {"ComplianceByConfigRules": judged}


# --- machines, disks and images


def _instance_images(ask: Ask) -> Given:
    """Each instance runs the account's own image."""
    rows = []
    for _, instance in _instances(ask.region):
        tags = [{"Key": tag["key"], "Value": tag["value"]} for tag in instance.get_tags()]
        image = {
            "ImageId": instance.image_id,
            "OwnerId": ACCOUNT,
            "State": "available",
            "IsPublic": False,
            "CreationDate": _ago(40 if ask.is_home else 200).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        }
        rows.append(
            {"InstanceId": instance.id, "State": {"Name": instance.state}, "OwnerId": ACCOUNT, "Tags": tags, "ImageMetadata": image}
        )
    return {"InstanceImageMetadata": rows}


def _metadata_defaults(ask: Ask) -> Given:
    return {"AccountLevel": {} if ask.is_home else {"HttpTokens": "required", "HttpEndpoint": "enabled", "ManagedBy": "account"}}


def _gateways(ask: Ask) -> Given:
    state = {"AwsAccountId": ACCOUNT, "AwsRegion": ask.region, "State": "default-state", "InternetGatewayBlockMode": "off"}
    return {"VpcBlockPublicAccessOptions": {**state, "ManagedBy": "account", "ExclusionsAllowed": "allowed"}}


def _snapshots(ask: Ask) -> Given:
    """Those that everybody may restore, when these are asked for; moto would list them all."""
    if ask.fields.get("RestorableBy.1") != "all":
        return None
    held = _backend("ec2", ask.region).describe_snapshots()
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
            "StartTime": _ago(20),
            "Progress": "100%",
        }
        for one in public
    ]
    return {"Snapshots": rows}


def _managed(ask: Ask) -> Given:
    rows = [
        {"InstanceId": instance.id, "PingStatus": "Online", "LastPingDateTime": _ago(hours=0.1), "PlatformType": "Linux"}
        for name, instance in _instances(ask.region)
        if name == "orders"
    ]
    return {"InstanceInformationList": rows}


def _patched(ask: Ask) -> Given:
    if ask.region not in REGIONS:
        return {"ResourceComplianceSummaryItems": []}
    missing = 0 if ask.is_home else 3
    row = {
        "ComplianceType": "Patch",
        "ResourceType": "ManagedInstance",
        "ResourceId": _named(ask.region, "orders"),
        "Status": "NON_COMPLIANT" if missing else "COMPLIANT",
        "ExecutionSummary": {"ExecutionTime": _ago(2), "ExecutionType": "Command"},
        "NonCompliantSummary": {"NonCompliantCount": missing, "SeveritySummary": {"CriticalCount": 0}},
    }
    return {"ResourceComplianceSummaryItems": [row]}


def _associations(ask: Ask) -> Given:
    if ask.region not in REGIONS:
        return {"Associations": []}
    row = {
        "AssociationId": f"0d1e2f3a-{ask.region}",
        "Name": "AWS-RunPatchBaseline",
        "AssociationName": "patch-weekly",
        "ScheduleExpression": "cron(0 4 ? * SUN *)",
        "LastExecutionDate": _ago(2),
        "Overview": {"Status": "Success"},
    }
    return {"Associations": [row]}


def _sessions(ask: Ask) -> Given:
    if not ask.is_home:
        return {"Sessions": []}
    row = {"SessionId": "alice-0a1b2c3d", "Target": _named(HOME, "orders"), "Status": "Terminated", "StartDate": _ago(9), "Owner": "alice"}
    return {"Sessions": [row]}


def _sharing(ask: Ask) -> Given:
    setting = {"SettingId": "/ssm/documents/console/public-sharing-permission", "SettingValue": "Disable" if ask.is_home else "Enable"}
    return {"ServiceSetting": {**setting, "Status": "Customized" if ask.is_home else "Default"}}


# --- buckets, functions and containers


BUCKETS_WITH_ACLS = ("shop-legacy", "shop-logs")  # the others were made after ACLs went off by default


def _ownership(ask: Ask) -> Given:
    if ask.path[0] in BUCKETS_WITH_ACLS:
        return None
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}


def _function_urls(ask: Ask) -> Given:
    function = _backend("lambda", ask.region).get_function(ask.path[2])
    url = function.url_config
    if url is None:
        return {"FunctionUrlConfigs": []}
    changed = _ago(70).isoformat()
    row = {"FunctionUrl": url.url, "FunctionArn": function.function_arn, "AuthType": url.config["AuthType"]}
    return {"FunctionUrlConfigs": [{**row, "CreationTime": changed, "LastModifiedTime": changed}]}


def _service_deployments(ask: Ask) -> Given:
    service: str = ask.fields["service"]
    row = {
        "serviceDeploymentArn": service.replace(":service/", ":service-deployment/") + "/first",
        "serviceArn": service,
        "status": "SUCCESSFUL",
        "createdAt": _ago(5),
        "finishedAt": _ago(5),
    }
    return {"serviceDeployments": [row]}


VERSIONS = {"1.35": "STANDARD_SUPPORT", "1.34": "STANDARD_SUPPORT", "1.33": "STANDARD_SUPPORT"} | dict.fromkeys(
    ("1.32", "1.31", "1.30", "1.29"), "EXTENDED_SUPPORT"
)
ENGINES = (  # engine, major version, days until standard and extended support end
    ("postgres", "13", -260, 830),
    ("postgres", "16", 800, 1_900),
    ("aurora-postgresql", "13", -260, 830),
    ("aurora-postgresql", "16", 800, 1_900),
)


def _engine_versions(ask: Ask) -> Given:
    kinds = ("open-source-rds-standard-support", "open-source-rds-extended-support")
    rows = []
    for engine, version, *ends in ENGINES:
        spans = zip(kinds, (_ago(1_500), _ago(-ends[0])), ends, strict=True)
        named = ("LifecycleSupportName", "LifecycleSupportStartDate", "LifecycleSupportEndDate")
        cycles = [dict(zip(named, (kind, start, _ago(-end)), strict=True)) for kind, start, end in spans]
        rows.append({"Engine": engine, "MajorEngineVersion": version, "SupportedEngineLifecycles": cycles})
    return {"DBMajorEngineVersions": rows}


# --- backups and money


def _protected(ask: Ask) -> Given:
    if not ask.is_home:
        return {"Results": []}
    file_systems = [one.file_system_id for one in _backend("efs", ask.region).file_systems_by_id.values() if one.encrypted]
    resources = [
        (ask.arn("rds", "db:orders"), "RDS"),
        (ask.arn("rds", "cluster:catalogue"), "Aurora"),
        (ask.arn("dynamodb", "table/orders"), "DynamoDB"),
        *((ask.arn("elasticfilesystem", f"file-system/{one}"), "EFS") for one in file_systems),
    ]
    return {"Results": [{"ResourceArn": arn, "ResourceType": kind, "LastBackupTime": _ago(hours=9)} for arn, kind in resources]}


SELECTION = {"SelectionId": "by-tag", "SelectionName": "production"}


def _selections(ask: Ask) -> Given:
    return {"BackupSelectionsList": [{**SELECTION, "BackupPlanId": ask.path[2], "IamRoleArn": role_arn("backup")}]}


def _selection(ask: Ask) -> Given:
    by_tag = {"ConditionType": "STRINGEQUALS", "ConditionKey": "Environment", "ConditionValue": "production"}
    chosen = {"SelectionName": SELECTION["SelectionName"], "IamRoleArn": role_arn("backup"), "ListOfTags": [by_tag]}
    return {"BackupSelection": chosen, "BackupPlanId": ask.path[2], "SelectionId": SELECTION["SelectionId"]}


def _cost_categories(ask: Ask) -> Given:
    held = _backend("ce", "aws").cost_categories
    rows = [
        {"CostCategoryArn": arn, "Name": one.name, "NumberOfRules": len(one.rules), "EffectiveStart": "2026-01-01T00:00:00Z"}
        for arn, one in held.items()
    ]
    return {"CostCategoryReferences": rows}


def _idle(ask: Ask) -> Given:
    if not ask.is_home:
        return {"idleRecommendations": []}
    loose = [one for one in _backend("ec2", ask.region).describe_volumes() if one.status == "available"]
    rows = [
        {
            "resourceArn": ask.arn("ec2", f"volume/{one.id}"),
            "resourceId": one.id,
            "resourceType": "EBSVolume",
            "accountId": ACCOUNT,
            "finding": "Unattached",
            "savingsOpportunity": {"estimatedMonthlySavings": {"currency": "USD", "value": 10.0}},
        }
        for one in loose
    ]
    return {"idleRecommendations": rows}


NO_VAULT_PART = Told("ResourceNotFoundException", "The vault has none")
MACIE_OFF = Told("AccessDeniedException", "Macie is not enabled", HTTPStatus.FORBIDDEN)
NO_POLICY = Told("EffectivePolicyNotFoundException", "There is no effective policy of this type")
NOT_FOUND = HTTPStatus.NOT_FOUND

ANSWERS: dict[tuple[str, str], dict[str, Any] | Told | Callable[[Ask], Given]] = {
    ("accessanalyzer", "ListAnalyzers"): _analyzers,
    ("accessanalyzer", "GetAnalyzer"): lambda ask: {"analyzer": _analyzer(ask)},
    ("accessanalyzer", "ListFindingsV2"): _outside,
    ("auditmanager", "ListAssessments"): Told(
        "AccessDeniedException", "Please complete AWS Audit Manager setup from home page to enable this action in this account.", 403
    ),
    ("backup", "GetBackupVaultAccessPolicy"): NO_VAULT_PART,
    ("backup", "GetBackupVaultNotifications"): NO_VAULT_PART,
    ("backup", "ListProtectedResources"): _protected,
    ("backup", "ListBackupSelections"): _selections,
    ("backup", "GetBackupSelection"): _selection,
    ("ce", "ListCostAllocationTags"): {
        "CostAllocationTags": [{"TagKey": "Owner", "Type": "UserDefined", "Status": "Active"}],
    },
    ("ce", "ListCostCategoryDefinitions"): _cost_categories,
    ("cloudtrail", "LookupEvents"): _events,
    ("cloudtrail", "GetEventSelectors"): _selectors,
    ("compute-optimizer", "GetEnrollmentStatus"): {"status": "Active", "memberAccountsEnrolled": False},
    ("compute-optimizer", "GetIdleRecommendations"): _idle,
    ("config", "DescribeComplianceByConfigRule"): _compliance,
    ("config", "DescribeDeliveryChannelStatus"): _deliveries,
    ("ec2", "DescribeInstanceImageMetadata"): _instance_images,
    ("ec2", "DescribeSnapshots"): _snapshots,
    ("ec2", "DescribeVpcBlockPublicAccessOptions"): _gateways,
    ("ec2", "GetAllowedImagesSettings"): {"State": "disabled", "ImageCriteria": [], "ManagedBy": "account"},
    ("ec2", "GetImageBlockPublicAccessState"): {"ImageBlockPublicAccessState": "block-new-sharing", "ManagedBy": "account"},
    ("ec2", "GetInstanceMetadataDefaults"): _metadata_defaults,
    ("ec2", "GetSerialConsoleAccessStatus"): {"SerialConsoleAccessEnabled": False},
    ("ec2", "GetSnapshotBlockPublicAccessState"): lambda ask: {
        "State": "unblocked" if ask.is_home else "block-all-sharing",
        "ManagedBy": "account",
    },
    ("ecr", "GetSigningConfiguration"): Told("SigningConfigurationNotFoundException", "The registry has no signing configuration"),
    ("ecs", "ListServiceDeployments"): _service_deployments,
    ("eks", "DescribeAddon"): lambda ask: {
        "addon": {"addonName": ask.path[3], "clusterName": ask.path[1], "status": "ACTIVE", "addonVersion": "v1.18.1-eksbuild.3"},
    },
    ("eks", "DescribeClusterVersions"): {
        "clusterVersions": [{"clusterVersion": version, "versionStatus": support} for version, support in VERSIONS.items()],
    },
    ("eks", "ListAccessEntries"): Told(
        "InvalidRequestException", "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP]"
    ),
    ("eks", "ListAddons"): {"addons": ["vpc-cni", "coredns"]},
    ("guardduty", "DescribeOrganizationConfiguration"): Told(
        "BadRequestException", "The request is rejected because the caller is not the delegated administrator of the organization."
    ),
    ("guardduty", "GetFindings"): _guard_finding,
    ("guardduty", "ListCoverage"): _coverage,
    ("guardduty", "ListFindings"): {"FindingIds": [GUARD_FINDING]},
    ("iam", "ListOrganizationsFeatures"): Told("ServiceAccessNotEnabledException", "Trusted access for IAM is not enabled"),
    ("inspector2", "BatchGetAccountStatus"): _inspector_states,
    ("inspector2", "GetEc2DeepInspectionConfiguration"): {"status": "DEACTIVATED", "errorMessage": ""},
    ("inspector2", "ListCoverage"): _scanned,
    ("inspector2", "ListFindings"): _flaws,
    ("lambda", "GetFunctionRecursionConfig"): {"RecursiveLoop": "Terminate"},
    ("lambda", "GetRuntimeManagementConfig"): {"UpdateRuntimeOn": "Auto"},
    ("lambda", "ListFunctionUrlConfigs"): _function_urls,
    ("macie2", "DescribeBuckets"): lambda ask: _macie(ask) or {"buckets": []},
    ("macie2", "GetMacieSession"): _macie,
    ("macie2", "ListFindings"): lambda ask: _macie(ask) or {"findingIds": []},
    ("macie2", "GetAutomatedDiscoveryConfiguration"): {"status": "DISABLED"},
    ("organizations", "DescribeEffectivePolicy"): NO_POLICY,
    ("rds", "DescribeDBMajorEngineVersions"): _engine_versions,
    ("s3", "GetBucketOwnershipControls"): _ownership,
    ("security-ir", "ListCases"): Told("SecurityIncidentResponseNotActiveException", "Security Incident Response is not active"),
    ("securityhub", "DescribeOrganizationConfiguration"): _hub_organisation,
    ("securityhub", "DescribeSecurityHubV2"): Told("ResourceNotFoundException", "There is no Security Hub V2", NOT_FOUND),
    ("securityhub", "GetEnabledStandards"): _standards,
    ("securityhub", "GetFindings"): _hub_findings,
    ("securityhub", "GetInsights"): _listed_in_hub("Insights"),
    ("securityhub", "ListAutomationRules"): _listed_in_hub("AutomationRulesMetadata"),
    ("securityhub", "ListFindingAggregators"): _listed_in_hub("FindingAggregators"),
    ("securitylake", "ListLogSources"): Told("ResourceNotFoundException", "There is no data lake", NOT_FOUND),
    ("service-quotas", "GetAutoManagementConfiguration"): {"OptInLevel": "ACCOUNT", "OptInStatus": "DISABLED"},
    ("sso-admin", "ListInstances"): {"Instances": []},  # moto makes one in each region
    ("ssm", "DescribeInstanceInformation"): _managed,
    ("ssm", "DescribeSessions"): _sessions,
    ("ssm", "GetServiceSetting"): _sharing,
    ("ssm", "ListAssociations"): _associations,
    ("ssm", "ListResourceComplianceSummaries"): _patched,
}
"""By boto3's client name and operation."""

SPENT = {"monthly": "3920.18", "quarterly": "9310.40"}


def _spending(said: dict[str, Any], region: str) -> None:
    """In moto nothing costs anything."""
    for budget in said["Budgets"]:
        amount = SPENT.get(budget["BudgetName"], "0")
        budget["CalculatedSpend"] = {"ActualSpend": {"Amount": amount, "Unit": "USD"}}


def _signing_in(said: dict[str, Any], region: str) -> None:
    """Moto does not say how people sign in, and makes an address up: the demo's cluster answers on this machine."""
    said["cluster"].setdefault("accessConfig", {"authenticationMode": "CONFIG_MAP"})
    said["cluster"]["endpoint"] = "https://127.0.0.1"


def _nodes(said: dict[str, Any], region: str) -> None:
    """Moto's machines are of 2021 and have an SSH key that nobody asked for."""
    said["nodegroup"]["releaseVersion"] = "1.30.14-20260214"
    said["nodegroup"].pop("remoteAccess", None)


def _dated(said: dict[str, Any], region: str) -> None:
    """Moto does not say when a stage was made."""
    for stage in said["item"]:
        stage.setdefault("createdDate", _ago(120).timestamp())


def _delivered(said: dict[str, Any], region: str) -> None:
    """Moto's trails deliver no digests."""
    if said["IsLogging"]:
        said["LatestDeliveryTime"] = _ago(hours=0.2).timestamp()
        said["LatestDigestDeliveryTime"] = _ago(hours=0.7).timestamp()


def _issued(said: dict[str, Any], region: str) -> None:
    """Moto's certificates stay pending for a minute, whoever validates them."""
    if "DNS" in [each.get("ValidationMethod") for each in said["Certificate"].get("DomainValidationOptions", ())]:
        said["Certificate"]["Status"] = "ISSUED"


def _of_the_region(said: dict[str, Any], region: str) -> None:
    """Moto lists all buckets in each region."""
    rows = said["ResourceTagMappingList"]
    regions = _bucket_regions()
    said["ResourceTagMappingList"] = [
        row for row in rows if regions.get(row["ResourceARN"].removeprefix("arn:aws:s3:::"), region) == region
    ]


def _as_json(correct: Callable[[dict[str, Any], str], None]) -> Callable[[bytes, str], bytes]:
    def change(body: bytes, region: str) -> bytes:
        said = json.loads(body)
        correct(said, region)
        return json.dumps(said).encode()

    return change


def _bucket_regions() -> dict[str, str]:
    return {name: bucket.region_name for name, bucket in _backend("s3", "aws").buckets.items()}


def _with_regions(body: bytes, region: str) -> bytes:
    """Moto does not say where a bucket is."""
    for name, where in _bucket_regions().items():
        named = f"<Name>{name}</Name>"
        body = body.replace(named.encode(), f"{named}<BucketRegion>{where}</BucketRegion>".encode())
    return body


def _root_password(body: bytes, region: str) -> bytes:
    """Root has a password, as the credential report says."""
    return body.replace(b"</SummaryMap>", b"<entry><key>AccountPasswordPresent</key><value>1</value></entry></SummaryMap>")


CORRECTIONS: dict[tuple[str, str], Callable[[bytes, str], bytes]] = {
    ("acm", "DescribeCertificate"): _as_json(_issued),
    ("apigateway", "GetStages"): _as_json(_dated),
    ("budgets", "DescribeBudgets"): _as_json(_spending),
    ("cloudtrail", "GetTrailStatus"): _as_json(_delivered),
    ("eks", "DescribeCluster"): _as_json(_signing_in),
    ("eks", "DescribeNodegroup"): _as_json(_nodes),
    ("iam", "GetAccountSummary"): _root_password,
    ("resourcegroupstaggingapi", "GetResources"): _as_json(_of_the_region),
    ("s3", "ListBuckets"): _with_regions,
}
"""What to put into moto's answers, by body and region."""
