"""What the seeds share: clients of the demo account, a count of what they make, the planted secrets."""

from __future__ import annotations

import io
import json
import zipfile
from importlib import import_module
from typing import Any

ACCOUNT = "123456789012"  # moto's
HOME = "us-east-1"
AWAY = "eu-west-1"
REGIONS = (HOME, AWAY)

# Each value stands in one place of the estate only, so that a leak tells where it came from.
PLANTED = {
    "ec2-user-data": "CANARY-ec2-user-data-5d1f0c7a",
    "launch-template": "CANARY-launch-template-user-data-9b2e4413",
    "lambda-environment": "CANARY-lambda-environment-c03a77d9",
    "ecs-environment": "CANARY-ecs-environment-18fe52b6",
    "codebuild-environment": "CANARY-codebuild-environment-e6640fd2",
    "stack-parameter": "CANARY-stack-parameter-72ab90c5",
    "stack-output": "CANARY-stack-output-3c58d1ee",
    "ssm-parameter": "CANARY-ssm-parameter-af1946b0",
    "bucket-tag": "CANARY-bucket-tag-64d07b28",
    "instance-tag": "CANARY-instance-tag-0e95f3c1",
}

OWNED = {"Owner": "shop-team", "Environment": "production", "CostCenter": "4711"}
DEV = {"Owner": "dev-team", "Environment": "development"}

_MAKERS = ("Create", "Register", "Request", "Import", "Allocate", "PutMetricAlarm", "PutRule")
_ALSO = {
    "PutParameter",
    "PutImage",
    "PutConfigRule",
    "PutConfigurationRecorder",
    "PutDashboard",
    "PutMetricFilter",
}


class Aws:
    """Hands out boto3 clients of one endpoint and counts the resources made through them."""

    def __init__(self, endpoint_url: str) -> None:
        """Make the one session that all clients share."""
        self.endpoint_url = endpoint_url
        self.made = 0
        self._session: Any = import_module("boto3").Session(
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name=HOME,
        )
        self._session.events.register("after-call", self._count)
        self._session.events.register("before-call.s3-control", self._keep_host)
        self._config = import_module("botocore.config").Config(
            retries={"total_max_attempts": 1},
            read_timeout=120,
            inject_host_prefix=False,
            s3={"addressing_style": "path"},
        )
        self._clients: dict[tuple[str, str], Any] = {}

    def __call__(self, service: str, region: str = HOME) -> Any:
        """The client of a service in a region."""
        key = (service, region)
        if key not in self._clients:
            self._clients[key] = self._session.client(service, region_name=region, endpoint_url=self.endpoint_url, config=self._config)
        return self._clients[key]

    def _keep_host(self, params: dict[str, Any], **_: Any) -> None:
        """S3 Control's endpoint rules ask <account>.127.0.0.1 whatever `inject_host_prefix` says."""
        path = params["url"].partition("://")[2].partition("/")[2]
        params["url"] = f"{self.endpoint_url}/{path}"

    def _count(self, http_response: Any, parsed: Any, model: Any, **_: Any) -> None:
        if http_response.status_code >= 300:
            return
        if model.name == "RunInstances":
            self.made += len(parsed["Instances"])
        elif model.name in _ALSO or (model.name.startswith(_MAKERS) and model.name != "CreateTags"):
            self.made += 1


def policy(*statements: dict[str, Any]) -> str:
    """A policy document as JSON; each statement allows unless it says otherwise."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **s} for s in statements]})


def trust(principal: dict[str, Any] | str, action: str = "sts:AssumeRole", **more: Any) -> str:
    """A trust policy for one principal."""
    return policy({"Principal": principal, "Action": action, **more})


def service_trust(name: str) -> str:
    """A trust policy for an AWS service, such as `ec2`."""
    return trust({"Service": f"{name}.amazonaws.com"})


def tags(pairs: dict[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags in the list form of most services."""
    return [{key: k, value: v} for k, v in pairs.items()]


def role_arn(name: str) -> str:
    """The ARN of a role of the demo account."""
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def code_zip() -> bytes:
    """A deployment package with one empty function."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", "def handler(event, context):\n    return event\n")
    return buffer.getvalue()
