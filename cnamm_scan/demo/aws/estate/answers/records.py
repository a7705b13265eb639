"""What was written down: who changed what, and what Config judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cnamm_scan.demo.aws.bed.holes import Answer, Ask, Given
from cnamm_scan.demo.aws.estate.account import ACCOUNT
from cnamm_scan.demo.aws.estate.answers.held import ago, backend, is_home


def _selectors(ask: Ask) -> Given:
    """A trail for all regions is seen from each; moto knows its selectors at home only."""
    trail: str = ask.fields["TrailName"]
    if not trail.startswith("arn:") or trail.split(":")[3] == ask.region:
        return None
    selectors, advanced = backend("cloudtrail", trail.split(":")[3]).get_trail(trail).get_event_selectors()
    return {"TrailARN": trail, "EventSelectors": selectors, "AdvancedEventSelectors": advanced}


# name, source, days ago, user agent, kind of caller, role
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
            seen = CHANGES if is_home(ask) else ()
        case "EventSource", "organizations.amazonaws.com":
            seen = (ATTACHED,) if is_home(ask) else ()
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
        "EventTime": ago(days),
        "ReadOnly": "false",
        "Username": role or "alice",
        "CloudTrailEvent": json.dumps(record),
    }


COMPLIANCE = {"s3-bucket-versioning-enabled": "NON_COMPLIANT", "encrypted-volumes": "NON_COMPLIANT"}


def _compliance(ask: Ask) -> Given:
    asked = ask.fields.get("ConfigRuleNames") or list(COMPLIANCE)
    judged = [{"ConfigRuleName": name, "Compliance": {"ComplianceType": COMPLIANCE.get(name, "COMPLIANT")}} for name in asked]
    return {"ComplianceByConfigRules": judged}


ANSWERS: Mapping[tuple[str, str], Answer] = {
    ("cloudtrail", "LookupEvents"): _events,
    ("cloudtrail", "GetEventSelectors"): _selectors,
    ("config", "DescribeComplianceByConfigRule"): _compliance,
}
"""By boto3's client name and operation."""
