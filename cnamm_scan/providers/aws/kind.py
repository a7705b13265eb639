"""What AWS is to the rest of the house: an account with regions, reached through boto3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cnamm_scan.providers.aws import calls
from cnamm_scan.providers.aws.documents import NORMALISERS
from cnamm_scan.providers.aws.made.columns import MAKERS
from cnamm_scan.providers.kind import Kind, Option, Reached
from cnamm_scan.providers.rights import Document, Rights

if TYPE_CHECKING:
    from cnamm_scan.providers.interface import Provider


def _connect(name: str, reached: Reached) -> Provider:
    from cnamm_scan.providers.aws.provider import AwsProvider
    from cnamm_scan.providers.aws.session import Options

    return AwsProvider(
        Options(
            profile=name or None,
            call_timeout=reached.call_timeout,
            connections=reached.connections,
            operations=reached.operations,
            **reached.said,
        )
    )


def _policy(actions: Sequence[str]) -> Document:
    """An IAM policy that allows these actions on everything: listing has no narrower resource."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "CnammScanReads", "Effect": "Allow", "Action": list(actions), "Resource": "*"}],
    }


_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,600}", re.ASCII)


def _role_problem(role: str) -> tuple[str, str] | None:
    if _ROLE.fullmatch(role):
        return None
    return f"{role[:100]!r} is no ARN of a role", "write arn:aws:iam::ACCOUNT:role/NAME"


def _endpoint_problem(url: str) -> tuple[str, str] | None:
    """The URL itself is not repeated: it may hold a password."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if whole and url.isprintable() and " " not in url:
        return None
    return "the endpoint is no URL", "write http://HOST:PORT or https://HOST"


KIND = Kind(
    name="aws",
    label="AWS",
    noun="account",
    targets="aws (default credentials), aws:PROFILE",
    connect=_connect,
    # GetCallerIdentity needs no right
    rights=Rights(("ec2:DescribeRegions",), _policy, 6144, "a customer managed policy; ten of them go on a role"),
    options=(
        Option("role_arn", "--role-arn", "assume this role first.", "ARN", problem=_role_problem),
        Option("external_id", "--external-id", "with --role-arn: the external id that the role's trust asks for.", "ID", beside="role_arn"),
        Option(
            "endpoint_url",
            "--endpoint-url",
            "send every call there (also AWS_ENDPOINT_URL).",
            "URL",
            environment="AWS_ENDPOINT_URL",
            problem=_endpoint_problem,
        ),
    ),
    normalisers=NORMALISERS,
    documents=frozenset({"iam_policy", "iam_policies", "iam_default_version"}),
    document_keys=frozenset({"policy", "policydocument", "assumerolepolicydocument", "policycontent", "policytext", "resourcepolicy"}),
    makers=MAKERS,
    secret_keys=frozenset(
        {
            *("aws:Referer", "aws:UserAgent", "sts:ExternalId"),  # conditions that are used as shared secrets
            # what answers about a thing hold besides: the tunnel's key of a VPN, an app's secret at its pool of users
            *("AccountPassword", "basicAuthCredentials", "ClientSecret", "CustomerGatewayConfiguration", "FsxAdminPassword"),
            *("MasterUserPassword", "PreSharedKey", "SecretAccessKey", "SecretBinary", "SecretString", "SessionToken", "SharedSecret"),
        }
    ),
    readers=frozenset({"iam_credential_report"}),
    call_problem=calls.problem,
    region_table="aws.account.region",
    region_about="One row for each region of the account. Made by the engine from ec2:DescribeRegions and what the scan saw.",
    standing=frozenset({"aws.account.region"}),
    owners_named_by={"aws.tagging.resource": r"^(arn:.*?)(?:#[0-9]+)?$"},
    command_line="aws",
    region_flag="--region",
)
