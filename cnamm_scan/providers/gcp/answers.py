"""What Google's refusals mean, over gRPC and REST alike: google.rpc's status, the reason behind it, and when to ask again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.transport import seconds_of

Json = Any

DISABLED = frozenset({"SERVICE_DISABLED", "BILLING_DISABLED", "accessNotConfigured"})
"""Reasons that say that the API is off, or unpaid, in the project that pays for the call. They say nothing of what was asked for."""
PAYER = frozenset({"USER_PROJECT_DENIED", "CONSUMER_INVALID", "CONSUMER_SUSPENDED"})
"""Reasons that are of the project that pays for the call, and not of what was asked for."""
NO_SCOPE = frozenset({"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"})
MOVED = "Redirected"
"""The code of an answer that sends elsewhere."""
TOO_LARGE = "TooLarge"
NOT_THERE = frozenset({Reason.NOT_FOUND, Reason.UNSUPPORTED, Reason.COLLECTOR_BUG})
"""Reasons that say that there is no such thing to ask for."""
_THROTTLED = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "RATE_LIMIT_EXCEEDED"})
_NEVER_USED = re.compile(r"has not been used in project|requires a quota project|it is disabled", re.IGNORECASE)
_NO_METHOD = re.compile(r"method not found", re.IGNORECASE)
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_KNOWN = frozenset({*_STATUS.values(), "INTERNAL", "UNKNOWN", "DATA_LOSS", "ALREADY_EXISTS", "OUT_OF_RANGE"})
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,62}", re.ASCII)
_LOCAL = re.compile(
    r"failed to connect|connection (?:refused|reset|timed out)|dns resolution|name resolution|socket closed|broken pipe|endpoint closing"
    r"|GOAWAY|RST_STREAM|stream removed|transport closed|ping timeout|recvmsg|endpoint is closing|missing :?status|tcp",
    re.IGNORECASE,
)
"""What gRPC's own library says where nobody answered, or not to the end: it has the statuses of servers for it."""
_FOREIGN = re.compile(
    r"http2? (?:header with )?status[: ]|unexpected content-type|invalid content-type|http2 frame|Trying to connect an http1", re.I
)
"""And where who answers speaks no gRPC."""


@dataclass(frozen=True, slots=True)
class Said:
    """A refusal as google.rpc has it."""

    status: str
    reason: str = ""
    message: str = ""
    after: float | None = None
    facts: Mapping[str, str] | None = None
    """What it says besides: the quota and its limit, the project that pays."""


class RefusedError(CallFailedError):
    """A refusal with the facts that came with it."""

    def __init__(self, said: Said, reason: Reason, code: str, *, retry: bool = False) -> None:
        super().__init__(reason, code, said.message, retry=retry, after=said.after if retry else None)
        self.facts = said.facts or {}

    @property
    def payer(self) -> str:
        """The project that pays for the call, where it was said: by its number, mostly."""
        found = re.search(r"projects?[/ ]([a-z0-9][a-z0-9:.-]{1,80})", f"{self.facts.get('consumer', '')} {self.message}")
        return found[1].rstrip(".") if found else ""


def refusal(said: Said) -> RefusedError:
    """A refusal as one of our reasons. Its code is the reason that Google names where rights, quotas and tokens are, else the status."""
    status, reason = said.status, said.reason
    named = reason if _WORD.fullmatch(reason) else ""
    if reason in DISABLED or (status == "PERMISSION_DENIED" and not named and _NEVER_USED.search(said.message)):
        return RefusedError(said, Reason.API_DISABLED, named or "SERVICE_DISABLED")
    if status == "RESOURCE_EXHAUSTED" or reason in _THROTTLED:
        return RefusedError(said, Reason.THROTTLED, named or status, retry=True)
    if status == "UNAUTHENTICATED":
        return RefusedError(said, Reason.CREDENTIALS, named or status)
    if status == "PERMISSION_DENIED":
        return RefusedError(said, Reason.DENIED, named or status)
    if status == "DEADLINE_EXCEEDED":
        return RefusedError(said, Reason.TIMED_OUT, status, retry=True)
    if status in ("UNAVAILABLE", "INTERNAL", "UNKNOWN", "DATA_LOSS", "ABORTED", "CANCELLED"):
        return RefusedError(said, Reason.SERVER_ERROR, status, retry=True)
    if status == "NOT_FOUND" and _NO_METHOD.match(said.message):  # the path is none of the API: nothing is said of what was asked for
        return RefusedError(said, Reason.COLLECTOR_BUG, "NoSuchMethod")
    if status == "NOT_FOUND":
        return RefusedError(said, Reason.NOT_FOUND, status)
    if status in ("UNIMPLEMENTED", "FAILED_PRECONDITION"):
        return RefusedError(said, Reason.UNSUPPORTED, status)
    return RefusedError(said, Reason.COLLECTOR_BUG, status)


def page_refused(failure: CallFailedError) -> CallFailedError:
    """What `NOT_THERE` means of a page after the first: what came before has been read, and the listing is neither whole nor empty."""
    return CallFailedError(Reason.TRUNCATED, "PageRefused", failure.message)


# ---- REST ------------------------------------------------------------------------------------------------------------

_decoder = msgspec.json.Decoder()


def document_of(body: bytes) -> dict[str, Json]:
    """The object that a body is. Raises CallFailedError for an empty one, a cut one, a page of something in between."""
    try:
        made = _decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise CallFailedError(Reason.MALFORMED, "MalformedBody" if body.strip() else "EmptyBody", retry=True) from error
    if not isinstance(made, dict):
        raise CallFailedError(Reason.MALFORMED, "MalformedBody", retry=True)
    return made


def of_rest(number: int, headers: Mapping[str, str], body: bytes) -> CallFailedError:
    """An answer that is no 200. One that is not written as Google writes errors is somebody else's, and has its number for a code."""
    if 300 <= number < 400:  # nobody is followed to another host: who asks is told to this one alone
        return CallFailedError(Reason.UNREACHABLE, MOVED)
    said = _said(number, headers, body)
    if said is not None:
        return refusal(said)
    if number < 400:
        return CallFailedError(Reason.UNSUPPORTED, str(number))
    after = seconds_of(headers.get("Retry-After"))
    made = refusal(Said(_STATUS.get(number, "INTERNAL" if number >= 500 else "OUT_OF_RANGE"), after=after))
    return CallFailedError(made.reason, str(number), retry=made.retry, after=made.after)


def _said(number: int, headers: Mapping[str, str], body: bytes) -> Said | None:
    try:
        made = _decoder.decode(body)
    except (ValueError, RecursionError):
        return None
    made = made[0] if isinstance(made, list) and made else made
    error = made.get("error") if isinstance(made, dict) else None
    if not isinstance(error, dict) or number < 400:
        return None
    status = error.get("status")
    if not isinstance(status, str) or status not in _KNOWN:  # older services give none
        status = _STATUS.get(number, "INTERNAL" if number >= 500 else "OUT_OF_RANGE")
    details = [*_objects(error.get("details"))]
    info: Mapping[str, Json] = next((each for each in details if _is(each, "ErrorInfo")), {})
    wait: Mapping[str, Json] = next((each for each in details if _is(each, "RetryInfo")), {})
    reasons = [str(each.get("reason") or "") for each in _objects(error.get("errors"))]
    known = next((each for each in reasons if each in DISABLED | _THROTTLED | NO_SCOPE), "")
    facts = info.get("metadata")
    return Said(
        status,
        str(info.get("reason") or known),
        str(error.get("message") or ""),
        seconds_of(str(wait.get("retryDelay") or "").removesuffix("s")) or seconds_of(headers.get("Retry-After")),
        {str(name): str(value) for name, value in facts.items()} if isinstance(facts, dict) else None,
    )


def _objects(value: Json) -> Iterator[Mapping[str, Json]]:
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())


def _is(detail: Mapping[str, Json], kind: str) -> bool:
    return str(detail.get("@type") or "").endswith(f"google.rpc.{kind}")


# ---- gRPC ------------------------------------------------------------------------------------------------------------


def of_grpc(error: Any) -> CallFailedError:
    """What grpc raises, as one of our reasons: a server's word, or its own where no server said anything."""
    status, message = str(error.code().name), str(error.details() or "")
    said = _rich(status, message, error.trailing_metadata() or ())
    if said is None:
        own = _own(status, message)
        if own is not None:
            return own
        said = Said(status, message=message)
    return refusal(said)


def _own(status: str, message: str) -> CallFailedError | None:
    """What grpc itself has to say, where no server did."""
    if status == "RESOURCE_EXHAUSTED" and ("larger than max" in message or "message too large" in message.lower()):
        return CallFailedError(Reason.TRUNCATED, TOO_LARGE, message)
    if status not in ("UNAVAILABLE", "UNKNOWN", "INTERNAL", "CANCELLED", "UNIMPLEMENTED", "PERMISSION_DENIED", "UNAUTHENTICATED"):
        return None
    if re.search(r"handshake|SSL|certificate|TSI_", message):
        words = "its certificate cannot be trusted" if "CERTIFICATE_VERIFY_FAILED" in message else "TLS failed"
        return CallFailedError(Reason.UNREACHABLE, "TLS", words, retry="CERTIFICATE" not in message)
    if re.search(r"proxy", message, re.IGNORECASE):
        return CallFailedError(Reason.UNREACHABLE, "Proxy", "the proxy does not answer", retry=True)
    if _FOREIGN.search(message):
        return CallFailedError(Reason.MALFORMED, "NoGrpc", message, retry=True)
    if status in ("UNAVAILABLE", "UNKNOWN", "INTERNAL", "CANCELLED") and _LOCAL.search(message):
        return CallFailedError(Reason.UNREACHABLE, "NoConnection", "no connection", retry=True)
    return None


def _rich(status: str, message: str, trailing: Sequence[tuple[str, Any]]) -> Said | None:
    """A refusal with its details, where it came with any; they stand beside the status, in messages of google.rpc."""
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2

    info, wait = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    found = False
    for key, value in trailing:
        try:
            if key == "grpc-status-details-bin":
                for detail in status_pb2.Status.FromString(value).details:
                    found |= detail.Unpack(info) if detail.Is(info.DESCRIPTOR) else detail.Is(wait.DESCRIPTOR) and detail.Unpack(wait)
            elif key == "google.rpc.errorinfo-bin":
                info.MergeFromString(value)
                found = True
        except (DecodeError, TypeError):
            continue
    if not found:
        return None
    seconds = wait.retry_delay.seconds + wait.retry_delay.nanos / 1e9
    return Said(status, str(info.reason), message, seconds if 0 < seconds < 86_400 else None, dict(info.metadata))
