"""How Google says no: a code, a message and its reasons, the same over gRPC and REST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any

STATUSES = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
"""google.rpc.Code -> its HTTP status."""
_OLD = frozenset("admin compute storage sqladmin bigquery dns".split())
"""Services whose errors have `errors` too, as all had once."""
_OLD_REASONS = {"SERVICE_DISABLED": "accessNotConfigured", "RATE_LIMIT_EXCEEDED": "rateLimitExceeded", "USER_PROJECT_DENIED": "forbidden"}


@dataclass(eq=False)
class Refusal(Exception):
    """An error as google.rpc.Status says it."""

    code: str
    message: str = ""
    reason: str = ""
    """Of its ErrorInfo; empty: it has none."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    """Seconds of its RetryInfo."""
    domain: str = "googleapis.com"
    status: int = 0
    """Its HTTP status where it is not the one of its code."""

    @property
    def http(self) -> int:
        """Its HTTP status."""
        return self.status or STATUSES[self.code]

    def details(self) -> list[Json]:
        """What it says for programs."""
        said: list[Json] = []
        if self.reason:
            kind = "type.googleapis.com/google.rpc.ErrorInfo"
            said.append({"@type": kind, "reason": self.reason, "domain": self.domain, "metadata": dict(self.metadata)})
        if self.retry_after is not None:
            said.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{self.retry_after:g}s"})
        return said

    def body(self, service: str = "") -> Json:
        """The body of an answer by REST of a service."""
        said: dict[str, Json] = {"code": self.http, "message": self.message, "status": self.code}
        if service in _OLD:
            reason = _OLD_REASONS.get(self.reason, {403: "forbidden", 404: "notFound"}.get(self.http, "invalid"))
            said["errors"] = [{"message": self.message, "domain": "global", "reason": reason}]
        if details := self.details():
            said["details"] = details
        return {"error": said}


def denied(permission: str, resource: str) -> Refusal:
    """The caller lacks a permission, or what it asks about is not there: Google does not say which."""
    return Refusal(
        "PERMISSION_DENIED",
        f"Permission '{permission}' denied on resource '//cloudresourcemanager.googleapis.com/{resource}' (or it may not exist).",
        "IAM_PERMISSION_DENIED",
        {"permission": permission, "resource": resource},
        domain="iam.googleapis.com",
    )


def switched_off(service: str, project: str) -> Refusal:
    """The API is not enabled in the project that pays."""
    title = service.partition(".")[0]
    return Refusal(
        "PERMISSION_DENIED",
        f"{title} API has not been used in project {project} before or it is disabled. Enable it by visiting the console, then retry.",
        "SERVICE_DISABLED",
        {"service": service, "serviceTitle": f"{title} API", "consumer": f"projects/{project}"},
    )


def exhausted(service: str, project: str, most: int) -> Refusal:
    """The quota of this minute is spent."""
    return Refusal(
        "RESOURCE_EXHAUSTED",
        f"Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service '{service}' for consumer '{project}'.",
        "RATE_LIMIT_EXCEEDED",
        {
            "service": service,
            "consumer": project,
            "quota_limit": "RequestsPerMinutePerProject",
            "quota_limit_value": str(most),
            "quota_unit": "1/min/{project}",
        },
    )


def not_ours(project: str) -> Refusal:
    """The caller may not let this project pay."""
    return Refusal(
        "PERMISSION_DENIED",
        f"Caller does not have required permission to use project {project}. Grant the caller roles/serviceusage.serviceUsageConsumer.",
        "USER_PROJECT_DENIED",
        {"service": "serviceusage.googleapis.com", "consumer": f"projects/{project}"},
    )


def unsigned(reason: str = "ACCESS_TOKEN_TYPE_UNSUPPORTED") -> Refusal:
    """The token is none, or none any more."""
    message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid credential."
    return Refusal("UNAUTHENTICATED", message, reason)
