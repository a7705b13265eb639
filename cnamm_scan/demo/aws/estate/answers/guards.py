"""Who guards and what they found: Access Analyzer, Security Hub, GuardDuty, Inspector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from cnamm_scan.demo.aws.bed.holes import Answer, Ask, Given, Told
from cnamm_scan.demo.aws.estate.account import ACCOUNT, HOME, role_arn
from cnamm_scan.demo.aws.estate.answers.held import UNTAGGED_OWNER, ago, arn, backend, instances, is_home, named

OUTSIDE = (  # what the analyzer found: id, resource, its type, is public, days ago
    ("website", "arn:aws:s3:::shop-website", "AWS::S3::Bucket", True, 240),
    ("anyone", role_arn("anyone"), "AWS::IAM::Role", True, 12),
    ("vendor", role_arn("vendor-monitoring"), "AWS::IAM::Role", False, 3),
)


def _outside(ask: Ask) -> Given:
    wanted = ask.fields.get("filter", {})
    if "error" in wanted:
        return {"findings": []}  # the analyzer could look at everything
    only_public = "isPublic" in wanted
    findings = [
        {
            "id": name,
            "resource": resource,
            "resourceType": kind,
            "resourceOwnerAccount": ACCOUNT,
            "status": "ACTIVE",
            "findingType": "ExternalAccess",
            "createdAt": ago(days),
            "updatedAt": ago(days),
            "analyzedAt": ago(hours=6),
        }
        for name, resource, kind, is_public, days in OUTSIDE
        if is_public or not only_public
    ]
    return {"findings": findings}


def _is_hub(ask: Ask) -> bool:
    return bool(backend("securityhub", ask.region).enabled)


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
        "StandardsSubscriptionArn": arn(ask, "securityhub", f"subscription/{name}"),
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
        "Id": arn(ask, "securityhub", f"security-control/{number}"),
        "ProductArn": f"arn:aws:securityhub:{ask.region}::product/aws/securityhub",
        "ProductName": "Security Hub",
        "GeneratorId": f"security-control/{number}",
        "AwsAccountId": ACCOUNT,
        "Region": ask.region,
        "Types": ["Software and Configuration Checks/Industry and Regulatory Standards"],
        "CreatedAt": ago(days).isoformat(),
        "UpdatedAt": ago(hours=8).isoformat(),
        "Severity": {"Label": severity},
        "Title": title,
        "Description": title,
        "Compliance": {"Status": "FAILED"},
        "Workflow": {"Status": workflow},
        "RecordState": "ACTIVE",
        "Resources": [{"Type": "Other", "Id": f"arn:aws:{resource}"}],
    }


def _listed_in_hub(name: str) -> Callable[[Ask], Given]:
    return lambda ask: _hub_off(ask) or {name: []}


def _coverage(ask: Ask) -> Given:
    """GuardDuty's sensors: on the instance that is looked after, and not on the other."""
    states = {"orders": ("HEALTHY", None), UNTAGGED_OWNER: ("UNHEALTHY", "No Agent Reporting")}
    resources = []
    for name, instance in instances(ask.region):
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
    instance = named(HOME, UNTAGGED_OWNER)
    finding = {
        "Id": GUARD_FINDING,
        "Arn": arn(ask, "guardduty", f"detector/{ask.path[1]}/finding/{GUARD_FINDING}"),
        "AccountId": ACCOUNT,
        "Region": ask.region,
        "SchemaVersion": "2.0",
        "Type": "UnauthorizedAccess:EC2/SSHBruteForce",
        "Title": f"{instance} is under an SSH brute force attack.",
        "Severity": 8.0,
        "CreatedAt": ago(11).isoformat(),
        "UpdatedAt": ago(2).isoformat(),
        "Resource": {"ResourceType": "Instance", "InstanceDetails": {"InstanceId": instance}},
        "Service": {"Archived": False, "DetectorId": ask.path[1]},
    }
    return {"Findings": [finding]}


def _inspector_states(ask: Ask) -> Given:
    """What moto holds; it answers 500 when it is not told for which account."""
    held = backend("inspector2", ask.region).account_status.get(ACCOUNT)
    states = {"ec2": getattr(held, "ec2", "DISABLED"), "ecr": getattr(held, "ecr", "DISABLED")}
    rest = {"lambda": getattr(held, "_lambda", "DISABLED"), "lambdaCode": getattr(held, "lambda_code", "DISABLED")}

    def state(status: str) -> dict[str, str]:
        return {"status": status, "errorCode": "", "errorMessage": ""}

    overall = "ENABLED" if "ENABLED" in states.values() else "DISABLED"
    found = {name: state(status) for name, status in (states | rest).items()}
    return {"accounts": [{"accountId": ACCOUNT, "state": state(overall), "resourceState": found}], "failedAccounts": []}


def _scanned(ask: Ask) -> Given:
    """Inspector sees what has an agent, and the images."""
    if not is_home(ask):
        return {"coveredResources": []}
    reasons = {"orders": ("ACTIVE", "SUCCESSFUL"), UNTAGGED_OWNER: ("INACTIVE", "UNMANAGED_EC2_INSTANCE")}
    found = []
    for name, instance in instances(ask.region):
        status, reason = reasons.get(name, ("INACTIVE", "EC2_INSTANCE_STOPPED"))
        scanned = {"lastScannedAt": ago(hours=5)} if status == "ACTIVE" else {}
        found.append(_covered("AWS_EC2_INSTANCE", instance.id, status, reason, scanned))
    for name, digest in _images(ask.region):
        image = {"lastScannedAt": ago(1), "resourceMetadata": {"ecrImage": {"inUseCount": int(name == "shop/api")}}}
        stored = arn(ask, "ecr", f"repository/{name}/{digest}")
        found.append(_covered("AWS_ECR_CONTAINER_IMAGE", stored, "ACTIVE", "SUCCESSFUL", image))
    return {"coveredResources": found}


def _covered(kind: str, resource: str, status: str, reason: str, more: dict[str, Any]) -> dict[str, Any]:
    state = {"statusCode": status, "reason": reason}
    return {"resourceType": kind, "resourceId": resource, "accountId": ACCOUNT, "scanType": "PACKAGE", "scanStatus": state, **more}


def _images(region: str) -> Iterator[tuple[str, str]]:
    for repository in backend("ecr", region).repositories.values():
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
    if not is_home(ask) or wanted not in {"ACTIVE", "CLOSED"}:
        return {"findings": []}
    machine = named(HOME, "orders")
    return {"findings": [_flaw(ask, machine, *flaw) for flaw in FLAWS if (flaw[-1] is None) == (wanted == "ACTIVE")]}


def _flaw(ask: Ask, machine: str, name: str, severity: str, exploited: str, days: int, closed_after: int | None) -> dict[str, Any]:
    is_open = closed_after is None
    at = ago(hours=5) if is_open else ago(days - (closed_after or 0))
    return {
        "findingArn": arn(ask, "inspector2", f"finding/{name.lower()}"),
        "awsAccountId": ACCOUNT,
        "type": "PACKAGE_VULNERABILITY",
        "description": name,
        "severity": severity,
        "firstObservedAt": ago(days),
        "lastObservedAt": at,
        "updatedAt": at,
        "status": "ACTIVE" if is_open else "CLOSED",
        "remediation": {"recommendation": {"text": "Update the package."}},
        "resources": [{"type": "AWS_EC2_INSTANCE", "id": machine}],
        "packageVulnerabilityDetails": {"vulnerabilityId": name, "source": "NVD"},
        "fixAvailable": "YES",
        "exploitAvailable": exploited,
    }


ANSWERS: Mapping[tuple[str, str], Answer] = {
    ("accessanalyzer", "ListFindingsV2"): _outside,
    ("guardduty", "GetFindings"): _guard_finding,
    ("guardduty", "ListCoverage"): _coverage,
    ("guardduty", "ListFindings"): {"FindingIds": [GUARD_FINDING]},
    ("inspector2", "BatchGetAccountStatus"): _inspector_states,
    ("inspector2", "ListCoverage"): _scanned,
    ("inspector2", "ListFindings"): _flaws,
    ("securityhub", "DescribeOrganizationConfiguration"): _hub_organisation,
    ("securityhub", "GetEnabledStandards"): _standards,
    ("securityhub", "GetFindings"): _hub_findings,
    ("securityhub", "GetInsights"): _listed_in_hub("Insights"),
    ("securityhub", "ListAutomationRules"): _listed_in_hub("AutomationRulesMetadata"),
    ("securityhub", "ListFindingAggregators"): _listed_in_hub("FindingAggregators"),
}
"""By boto3's client name and operation."""
