"""How AWS words a refusal: the status, headers and body of an error in each of its protocols."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from xml.sax.saxutils import escape

from cnamm_scan.demo.aws.bed.identify import Identity

Kind = Literal[
    "denied",
    "denied_scp",
    "throttled",
    "server_error",
    "timeout",
    "reset",
    "malformed",
    "empty",
    "expired",
    "unsupported",
    "region_disabled",
    "gone",
]
KINDS: tuple[str, ...] = get_args(Kind)
REQUEST_ID = "00000000-demo-demo-demo-000000000000"
CALLER = "arn:aws:iam::123456789012:user/scanner"


@dataclass(frozen=True)
class Refusal:
    """An answer made by the proxy itself."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# kind -> protocol -> (status, error code); "s3" overrules rest-xml for S3 itself
_CODES: dict[str, dict[str, tuple[int, str]]] = {
    "denied": {
        "json": (400, "AccessDeniedException"),
        "rest-json": (403, "AccessDeniedException"),
        "query": (403, "AccessDenied"),
        "ec2": (403, "UnauthorizedOperation"),
        "rest-xml": (403, "AccessDenied"),
    },
    "throttled": {
        "json": (400, "ThrottlingException"),
        "rest-json": (429, "ThrottlingException"),
        "query": (400, "Throttling"),
        "ec2": (503, "RequestLimitExceeded"),
        "rest-xml": (400, "Throttling"),
        "s3": (503, "SlowDown"),
    },
    "server_error": {
        "json": (500, "InternalFailure"),
        "rest-json": (500, "InternalFailure"),
        "query": (500, "InternalFailure"),
        "ec2": (500, "InternalError"),
        "rest-xml": (500, "InternalFailure"),
        "s3": (500, "InternalError"),
    },
    "expired": {
        "json": (400, "ExpiredTokenException"),
        "rest-json": (403, "ExpiredTokenException"),
        "query": (403, "ExpiredToken"),
        "ec2": (400, "RequestExpired"),
        "rest-xml": (403, "ExpiredToken"),
        "s3": (400, "ExpiredToken"),
    },
    "unsupported": {
        "json": (400, "UnknownOperationException"),
        "rest-json": (404, "UnknownOperationException"),
        "query": (400, "InvalidAction"),
        "ec2": (400, "InvalidAction"),
        "rest-xml": (501, "NotImplemented"),
    },
    "region_disabled": {
        "json": (400, "UnrecognizedClientException"),
        "rest-json": (403, "UnrecognizedClientException"),
        "query": (403, "InvalidClientTokenId"),
        "ec2": (401, "AuthFailure"),
        "rest-xml": (403, "InvalidClientTokenId"),
        "s3": (403, "InvalidAccessKeyId"),
    },
    "gone": {
        "json": (400, "ResourceNotFoundException"),
        "rest-json": (404, "ResourceNotFoundException"),
        "query": (404, "ResourceNotFound"),
        "ec2": (400, "InvalidParameterValue"),
        "rest-xml": (404, "NoSuchResource"),
        "s3": (404, "NoSuchBucket"),
    },
}
_CODES["denied_scp"] = _CODES["denied"]

# services with words of their own: (kind, service) -> (status, error code)
_OWN_CODES: dict[tuple[str, str], tuple[int, str]] = {
    ("denied", "sns"): (403, "AuthorizationError"),
    ("denied_scp", "sns"): (403, "AuthorizationError"),
    ("throttled", "lambda"): (429, "TooManyRequestsException"),
    ("server_error", "lambda"): (500, "ServiceException"),
    ("server_error", "dynamodb"): (500, "InternalServerError"),
    ("server_error", "kms"): (500, "KMSInternalException"),
    ("gone", "iam"): (404, "NoSuchEntity"),
    ("gone", "kms"): (400, "NotFoundException"),
    ("gone", "rds"): (404, "DBInstanceNotFound"),
    ("gone", "sqs"): (400, "QueueDoesNotExist"),
}

_MESSAGES = {
    "denied": "User: {caller} is not authorized to perform: {action} because no identity-based policy allows the {action} action",
    "denied_scp": "User: {caller} is not authorized to perform: {action} with an explicit deny in a service control policy",
    "throttled": "Rate exceeded",
    "server_error": "An internal error occurred",
    "expired": "The security token included in the request is expired",
    "unsupported": "The action {operation} is not valid for this endpoint",
    "region_disabled": "The security token included in the request is invalid",
    "gone": "The requested resource was not found",
}


def refusal(kind: str, identity: Identity) -> Refusal:
    """The error answer of this kind, in the protocol that the request was made in."""
    status, code = _code(kind, identity.service, identity.protocol or "rest-xml")
    message = _MESSAGES[kind].format(caller=CALLER, action=f"{identity.signing_name}:{identity.operation}", operation=identity.operation)
    query_code = _query_code(kind, identity.service) if identity.query_compatible else ""
    return worded(identity, status, code, message, query_code)


def worded(identity: Identity, status: int, code: str, message: str, query_code: str = "") -> Refusal:
    """An error of these words, in the protocol that the request was made in; `query_code` is for services that keep such codes."""
    protocol = identity.protocol or "rest-xml"
    if protocol in {"query", "ec2", "rest-xml"}:
        body = _xml(identity.service, protocol, status, code, message)
        content = "application/xml" if protocol == "rest-xml" else "text/xml"
        return Refusal(status, {"Content-Type": content, "x-amzn-RequestId": REQUEST_ID}, body)
    headers = {"x-amzn-RequestId": REQUEST_ID}
    if query_code:  # SQS and CloudWatch keep the codes of their query days
        headers["x-amzn-query-error"] = f"{query_code};{_fault(status)}"
    if protocol == "smithy-rpc-v2-cbor":
        headers |= {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        return Refusal(status, headers, _cbor({"__type": f"com.amazonaws.demo#{code}", "message": message}))
    headers |= {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code}
    return Refusal(status, headers, json.dumps({"__type": code, "message": message}).encode())


def _code(kind: str, service: str, protocol: str) -> tuple[int, str]:
    own = _OWN_CODES.get((kind, service))
    if own is not None:
        return own
    by_protocol = _CODES[kind]
    if service == "s3" and "s3" in by_protocol:
        return by_protocol["s3"]
    return by_protocol["json" if protocol == "smithy-rpc-v2-cbor" else protocol]


def _query_code(kind: str, service: str) -> str:
    if (kind, service) == ("gone", "sqs"):
        return "AWS.SimpleQueueService.NonExistentQueue"
    return _CODES[kind]["query"][1]


def _fault(status: int) -> str:
    return "Receiver" if status >= 500 else "Sender"


def _xml(service: str, protocol: str, status: int, code: str, message: str) -> bytes:
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if protocol == "ec2":
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>{REQUEST_ID}</RequestID></Response>"
    elif service in {"s3", ""}:
        text = f"<Error>{error}<RequestId>{REQUEST_ID}</RequestId><HostId>demo</HostId></Error>"
    else:
        text = f"<ErrorResponse><Error><Type>{_fault(status)}</Type>{error}</Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + text.encode()


def _cbor(pairs: Mapping[str, str]) -> bytes:
    """A map of fewer than 24 short texts as CBOR."""
    parts = [bytes([0xA0 | len(pairs)])]
    for text in (text for pair in pairs.items() for text in pair):
        data = text.encode()
        parts += [b"\x79" + len(data).to_bytes(2, "big"), data]
    return b"".join(parts)
