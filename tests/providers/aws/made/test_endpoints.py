"""Rows of VPC endpoints: which take a policy, and how far it narrows."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.aws.made.endpoints import ENDPOINT, SERVICE
from tests.providers.aws.made.given import ME, OURS, allow, deny, made_by, policy

S3 = "com.amazonaws.eu-central-1.s3"
DEFAULT = policy(allow(action="*"))
OF_OURS = {"StringEquals": {"aws:ResourceOrgID": OURS}}


def _endpoint(
    service: str | None = S3, written: Any = DEFAULT, kind: str | None = "Interface", known: Any = None, unread: tuple[str, ...] = ()
) -> dict[str, Any]:
    rows = {
        f"arn:aws:ec2:eu-central-1:{ME}:vpc-endpoint/vpce-1": {
            "endpoint_id": "vpce-1",
            "service": service,
            "state": "available",
            "kind": kind,
            "policy": written,
        }
    }
    services = {name: {"name": name, "takes_policy": takes} for name, takes in (known or {}).items()}
    (made,) = made_by("vpc_endpoints", ENDPOINT, rows, unread=unread, aws__ec2__vpc_endpoint_service=services).values()
    return made


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"known": {S3: True}}, True),
        ({"known": {S3: False}}, False),
        ({}, True),
        ({"unread": (SERVICE,)}, None),
        ({"unread": (SERVICE,), "kind": "Gateway"}, True),
        ({"unread": (SERVICE,), "written": policy(allow(action="s3:GetObject"))}, True),
        ({"service": "com.amazonaws.eu-central-1.email-smtp"}, False),
        ({"service": "com.amazonaws.eu-central-1.transfer.server", "unread": (SERVICE,)}, False),
        ({"service": "com.amazonaws.eu-central-1.transfer"}, True),
        ({"service": "com.amazonaws.vpce.eu-central-1.vpce-svc-0123456789abcdef0"}, False),
        ({"service": "cn.com.amazonaws.cn-north-1.sts"}, True),
        ({"service": "aws.sagemaker.eu-central-1.notebook", "known": {"aws.sagemaker.eu-central-1.notebook": True}}, True),
        ({"service": "none", "kind": "Resource"}, False),
        ({"kind": "GatewayLoadBalancer"}, False),
        ({"service": None}, None),
    ],
)
def test_which_endpoints_take_a_policy(given: dict[str, Any], expected: bool | None) -> None:
    made = _endpoint(**given)
    if given.get("service", S3) is None:
        assert made["takes_policy"] in (None, True)
    else:
        assert made["takes_policy"] is expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (DEFAULT, False),
        ({}, False),
        (policy(allow(action="S3:*")), False),
        (policy(allow(action="*", condition={"StringNotEquals": {"aws:ResourceOrgID": OURS}})), False),
        (policy(allow(action="*", condition={"StringEqualsIfExists": {"aws:PrincipalOrgID": OURS}})), False),
        (policy(allow(action="*", condition={"Bool": {"aws:SecureTransport": "true"}})), False),
        (policy(allow(action="*", condition=OF_OURS)), True),
        (policy(allow(action="*", condition={"StringEquals": {"aws:PrincipalOrgID": OURS}})), True),
        (policy(allow(action="*", resource=["arn:aws:s3:::ours", "arn:aws:s3:::ours/*"])), True),
        (policy(allow(action="*"), deny({"StringNotEquals": {"aws:ResourceOrgID": OURS}})), True),
        (policy(allow(action=["s3:GetObject", "s3:PutObject"])), True),
        (policy(allow(action="*", condition=OF_OURS), allow(action="*")), False),
        (None, None),
    ],
)
def test_how_far_a_policy_narrows(written: Any, expected: bool | None) -> None:
    made = _endpoint(written=written)
    assert made.get("is_narrow") is expected
