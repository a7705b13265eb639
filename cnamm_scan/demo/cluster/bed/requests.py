"""A request to a Kubernetes API server taken apart, and the plainest answers: what the wire says before anyone looks into a cluster."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cnamm_scan.demo.cluster.bed.contents import dumps
from cnamm_scan.demo.cluster.bed.groups import split
from cnamm_scan.demo.cluster.bed.rights import Ask

VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
REVIEWS = ("selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews")
REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


@dataclass
class Answer:
    """What goes back: a status, the whole body, and headers besides those of the connection."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """Ends the handling of a request with a Status."""

    def __init__(self, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.answer = status(code, message, **more)


@dataclass(frozen=True)
class Request:
    """One request, its path taken apart as the server's RequestInfo does; no `resource` when it names none."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    group_version: str = ""
    resource: str = ""
    sub: str = ""
    namespace: str = ""
    name: str = ""

    @classmethod
    def of(cls, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
        """Read the request line's target."""
        url = urlsplit(target)
        path = unquote(url.path)
        query = parse_qs(url.query, keep_blank_values=True)
        parts = [part for part in path.split("/") if part]
        head = 2 if parts[:1] == ["api"] else 3
        if len(parts) <= head or parts[0] not in {"api", "apis"}:
            return cls(method, path, query, headers, body)
        rest, namespace = parts[head:], ""
        if rest[0] == "namespaces" and len(rest) > 1:
            namespace = rest[1]  # of the namespace itself too
            if len(rest) > 2 and rest[2] not in {"status", "finalize"}:
                rest = rest[2:]
        resource, name, sub = [*rest, "", ""][:3]
        return cls(method, path, query, headers, body, "/".join(parts[1:head]), resource, sub, namespace, name)

    def one(self, key: str) -> str:
        """The first value of a query parameter, or nothing."""
        return self.query.get(key, [""])[0]

    @property
    def group(self) -> str:
        """The API group; that of v1 is empty."""
        return split(self.group_version)[0]

    @property
    def full(self) -> str:
        """The resource with its subresource."""
        return f"{self.resource}/{self.sub}" if self.sub else self.resource

    @property
    def is_write(self) -> bool:
        """Whether a server would be changed by it; the reviews of oneself change nothing."""
        return self.method not in {"GET", "HEAD", "OPTIONS"} and not (self.method == "POST" and self.resource in REVIEWS)

    @property
    def page(self) -> int:
        """The number of the page that is asked for."""
        token = self.one("continue")
        try:
            return decode(token)[2] if token else 1
        except Refused:
            return 1

    @cached_property
    def ask(self) -> Ask:
        """What an authorizer decides on."""
        verb = VERBS.get(self.method, self.method.lower())
        if not self.resource:
            return Ask(verb, path=self.path)
        if not self.name and verb == "get":
            verb = "watch" if self.one("watch").lower() in {"1", "true"} else "list"
        elif not self.name and verb == "delete":
            verb = "deletecollection"
        return Ask(verb, self.group, self.full, self.namespace, self.name)

    @property
    def details(self) -> dict[str, str]:
        """The details of a Status about what is asked for."""
        said = {"name": self.name, "group": self.group, "kind": self.resource}
        return {name: value for name, value in said.items() if value}

    def accepts(self, can: Callable[[Mapping[str, str]], bool]) -> Mapping[str, str]:
        """The parameters of the first type in Accept that the server can give. Raises Refused, 406."""
        for clause in (self.headers.get("accept") or "*/*").split(","):
            media, *rest = [part.strip() for part in clause.split(";")]
            said = {name.strip(): value.strip() for name, _, value in (part.partition("=") for part in rest)}
            if media in {"application/json", "application/*", "*/*"} and can(said):
                return said
        raise Refused(406, f"only the following media types are accepted: {ACCEPTED}")


def status(code: int, message: str, *, reason: str = "", details: Mapping[str, Any] | None = None, token: str = "") -> Answer:
    """A Status of failure; `token` is the continue token in its metadata."""
    said: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {"continue": token} if token else {},
        "status": "Failure",
        "message": message,
        "reason": reason or REASONS.get(code, ""),
    }
    if details is not None:
        said["details"] = dict(details)
    answer = Answer(code, dumps(said | {"code": code}) + b"\n")
    if details and "retryAfterSeconds" in details:
        answer.headers["Retry-After"] = str(details["retryAfterSeconds"])
    return answer


def plain(code: int, text: str) -> Answer:
    """An answer in plain text."""
    return Answer(code, text.encode(), "text/plain; charset=utf-8", {"X-Content-Type-Options": "nosniff"})


def encode(version: int, start: str, page: int) -> str:
    """A continue token; version -1 means the newest state. The page's number is only for troubles."""
    token = dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start + "\0", "page": page})
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


def decode(token: str) -> tuple[int, str, int]:
    """Version, start and page of a token. Raises Refused for one that was not made here."""
    try:
        said = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(said["rv"]), str(said["start"]).removesuffix("\0"), int(said["page"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(400, f"invalid continue token: continue key is not valid: {error}") from error
