"""What Azure sends, read: bodies in one spelling of ids, errors and the transport's troubles as our reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.transport import not_connected, seconds_of, timed_out, tls_failed

Json = Any

UNREGISTERED = frozenset({"MissingSubscriptionRegistration"})
"""Codes that say that a subscription never used a service: nothing of it exists there."""
_IDS = re.compile(rb'"/(?:subscriptions|providers)/[^"\\]*"', re.IGNORECASE)
_AGES = re.compile(r"(\d+):(\d\d):(\d\d)(?:\.\d+)?")
_UNSUPPORTED = frozenset(
    "InvalidApiVersionParameter InvalidResourceType NoRegisteredProviderFound UnsupportedApiVersion ResourceTypeNotSupported"
    " FeatureNotSupportedForAccount NotSupported UnsupportedOperation OperationNotSupported ApiVersionNotSupported".split()
)
_THROTTLED = frozenset("TooManyRequests RateLimiting OperationNotAllowed.Throttled SubscriptionRequestsThrottled".split())
_EXPIRED = frozenset("ExpiredAuthenticationToken InvalidAuthenticationToken InvalidAuthenticationTokenTenant".split())
MOVED = "Redirected"
"""The code of an answer that sends elsewhere."""
TOO_LARGE = frozenset({"ResponsePayloadTooLarge", "TooLarge"})
"""Codes that say that fewer must be asked at once."""


class _Rows(msgspec.Struct):
    """An answer of Resource Graph, its rows still as they came."""

    data: list[msgspec.Raw]
    totalRecords: int
    resultTruncated: Any = None
    skip_token: str | None = msgspec.field(default=None, name="$skipToken")


_decoder = msgspec.json.Decoder()
_rows_decoder = msgspec.json.Decoder(_Rows)


def one_spelling(body: bytes) -> bytes:
    """A body in which every id is in small letters: Azure takes an id in any case and gives it in several, and joins are by the letter."""
    return _IDS.sub(lambda found: found.group().lower(), body)


def decode(body: bytes | msgspec.Raw) -> Json:
    """What the JSON says. Raises ValueError for what is none, or nests without end."""
    try:
        return _decoder.decode(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def tidy(item: Json) -> Json:
    """An object whose place is written in one way: westeurope, never West Europe."""
    if isinstance(item, dict) and isinstance(item.get("location"), str):
        item["location"] = item["location"].replace(" ", "").lower()
    return item


def document_of(body: bytes) -> dict[str, Json]:
    """The object that a body is. Raises CallFailedError for an empty one, a cut one, a page of something in between."""
    try:
        made = decode(one_spelling(body))
    except ValueError as error:
        raise CallFailedError(Reason.MALFORMED, "MalformedBody" if body.strip() else "EmptyBody", retry=True) from error
    if isinstance(made, list):  # a few services give the bare list
        return {"value": made}
    if not isinstance(made, dict):
        raise CallFailedError(Reason.MALFORMED, "MalformedBody", retry=True)
    return made


def rows_of(body: bytes) -> _Rows:
    """An answer of Resource Graph. Raises CallFailedError for what is none."""
    try:
        return _rows_decoder.decode(one_spelling(body))
    except msgspec.ValidationError as error:
        raise CallFailedError(Reason.MALFORMED, "NoRows", retry=True) from error
    except (ValueError, RecursionError) as error:
        raise CallFailedError(Reason.MALFORMED, "MalformedBody" if body.strip() else "EmptyBody", retry=True) from error


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> CallFailedError:
    """An HTTP error as a reason. The code in the body says more than the number."""
    code, message = _said(body)
    code = code or str(status)
    after = _after(headers)
    if status == 401 or code in _EXPIRED:
        return CallFailedError(Reason.CREDENTIALS, code, message)
    if status == 429 or code in _THROTTLED:
        return CallFailedError(Reason.THROTTLED, code, message, retry=True, after=after)
    if code in TOO_LARGE:
        return CallFailedError(Reason.TRUNCATED, code, message)
    if code in UNREGISTERED:
        return CallFailedError(Reason.API_DISABLED, code, message)
    if status == 403:
        return CallFailedError(Reason.DENIED, code, message)
    if status in (408, 504):
        return CallFailedError(Reason.TIMED_OUT, code, message, retry=True, after=after)
    if status >= 500 and status != 501:
        return CallFailedError(Reason.SERVER_ERROR, code, message, retry=True, after=after)
    if code in _UNSUPPORTED or status in (405, 406, 410, 501):
        return CallFailedError(Reason.UNSUPPORTED, code, message)
    if status == 404:
        return CallFailedError(Reason.NOT_FOUND, code, message)
    if status == 204:
        return CallFailedError(Reason.NOT_FOUND, "NoContent", message)
    if 300 <= status < 400:  # nobody is followed to another host: who asks is told to this one alone
        return CallFailedError(Reason.UNREACHABLE, MOVED, message)
    if status < 400:  # nothing is waited for
        return CallFailedError(Reason.UNSUPPORTED, code, message)
    return CallFailedError(Reason.SERVER_ERROR if status == 409 else Reason.COLLECTOR_BUG, code, message)


def _said(body: bytes) -> tuple[str, str]:
    """(code, message) of an error; Resource Graph puts what it means beneath a general one."""
    try:
        said = decode(body)
    except ValueError:
        return "", ""
    error = said.get("error", said) if isinstance(said, dict) else None
    if not isinstance(error, dict):
        return str(error or ""), ""
    code, message = str(error.get("code") or ""), str(error.get("message") or "")
    details = error.get("details")
    inner = [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    message = " ".join([message, *(f"{each.get('code') or ''} {each.get('message') or ''}" for each in inner)])
    if code in ("BadRequest", ""):
        code = next((str(each["code"]) for each in inner if each.get("code")), code)
    return code, message.strip()


def _after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server wants; Resource Graph says when its quota is whole again."""
    return seconds_of(headers.get("Retry-After")) or resets_after(headers)


def resets_after(headers: Mapping[str, str]) -> float | None:
    """In how many seconds Resource Graph's quota is whole again; None where it does not say."""
    found = _AGES.fullmatch(headers.get("x-ms-user-quota-resets-after", ""))
    if found is None:
        return None
    hours, minutes, seconds = map(int, found.groups())
    return float(hours * 3600 + minutes * 60 + seconds) or None


def of_azure_core(error: BaseException) -> CallFailedError | None:
    """An error of the pipeline, or of signing in, as one of our reasons."""
    from azure.core import exceptions as core

    if isinstance(error, core.ClientAuthenticationError):
        return CallFailedError(Reason.CREDENTIALS, type(error).__name__, str(error.message or ""))
    if isinstance(error, core.ServiceRequestTimeoutError | core.ServiceResponseTimeoutError):
        return timed_out(error)
    if isinstance(error, core.ServiceRequestError) and "SSL" in str(error):
        return tls_failed(error)
    if isinstance(error, core.AzureError) or type(error).__module__.partition(".")[0] == "requests":
        return not_connected(error)
    return None
