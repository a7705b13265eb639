"""What an API server sends, read: lists of the kind that was asked for, errors and the transport's troubles as our reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.kubernetes.names import plural
from cnamm_scan.providers.transport import seconds_of

Json = Any


METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""What Accept says for names, labels and dates alone."""


class ServerSaidError(CallFailedError):
    """A call that the server answered with an error."""

    is_status = False
    """Whether the answer was a Status, as an API server gives, and not another program's page."""
    token = ""
    """With an expired page: where the listing goes on."""


class _List(msgspec.Struct):
    """A List of the API, its objects still as they came."""

    items: list[msgspec.Raw] | None
    apiVersion: str = ""
    kind: str = ""
    metadata: Any = None


_decoder = msgspec.json.Decoder()
_list_decoder = msgspec.json.Decoder(_List)


def decode(body: bytes | msgspec.Raw) -> Json:
    """What the JSON says. Raises ValueError for what is none, or nests without end."""
    try:
        return _decoder.decode(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def object_of(raw: msgspec.Raw) -> Json:
    """One item of a list; None, which is no object, for one that cannot be read: it costs itself."""
    try:
        return decode(raw)
    except ValueError:
        return None


def name_of(item: Json) -> str | None:
    """The name of an object; None where it has none, as an odd one has not."""
    metadata = item.get("metadata") if isinstance(item, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else None


def items_of(body: bytes, metadata_only: bool, api: str, kind: str, name: str) -> tuple[list[msgspec.Raw], str]:
    """(objects, continue token) of a List of the kind that was asked for; where discovery did not tell it, of one with that plural name.

    Raises CallFailedError for anything else: silence there would read as "none".
    """
    try:
        found = _list_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise CallFailedError(Reason.MALFORMED, "NoList", retry=True) from error
    except (ValueError, RecursionError) as error:
        raise CallFailedError(Reason.MALFORMED, "MalformedBody", retry=True) from error
    if not found.kind.endswith("List"):
        raise CallFailedError(Reason.MALFORMED, "NoList", retry=True)
    if metadata_only and found.kind != "PartialObjectMetadataList":
        # the server gave whole objects for metadata: what must not be read is dropped unread
        raise CallFailedError(Reason.UNSUPPORTED, "NoPartialMetadata")
    listed = found.kind.removesuffix("List")
    if not metadata_only and (found.apiVersion != api or (listed != kind if kind else plural(listed) != name)):
        raise CallFailedError(Reason.MALFORMED, "OtherKind", retry=True)
    token = str(found.metadata.get("continue") or "") if isinstance(found.metadata, dict) else ""
    return found.items or [], token  # an empty list of a Go server may be null


def failure_of(status: int, headers: Mapping[str, str], data: bytes) -> ServerSaidError:
    """An HTTP error as a reason. A `Status` object says more than the number; a plain 404 is a path that nobody serves."""
    try:
        said = decode(data)
    except ValueError:
        said = None
    if not (isinstance(said, dict) and said.get("kind") == "Status"):
        said = {}
    failure = _meant(status, headers, said)
    failure.is_status = bool(said)
    return failure


def _meant(status: int, headers: Mapping[str, str], said: Mapping[str, Json]) -> ServerSaidError:
    code, message = str(said.get("reason") or status), str(said.get("message") or "")
    told = said.get("details")
    details: dict[str, Any] = told if isinstance(told, dict) else {}
    after = seconds_of(headers.get("Retry-After")) or seconds_of(details.get("retryAfterSeconds"))
    causes = details.get("causes")
    why = [cause.get("reason") for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []
    if status == 401:
        return ServerSaidError(Reason.CREDENTIALS, code, message)
    if status == 403:
        return ServerSaidError(Reason.DENIED, code, message)
    if status == 404:
        # beneath an object the object is gone; a listing is of something that is not there
        code = "NotFound" if details.get("name") else "NotServed"
        return ServerSaidError(Reason.UNSUPPORTED, code, message or "this path is not served")
    if status == 410:
        failure = ServerSaidError(Reason.TRUNCATED, "Expired", message)
        metadata = said.get("metadata")
        failure.token = str(metadata.get("continue") or "") if isinstance(metadata, dict) else ""
        return failure
    if status == 429:
        return ServerSaidError(Reason.THROTTLED, code, message, retry=True, after=after)
    if "ResourceVersionTooLarge" in why:
        # the server's cache is behind what it has promised: it asks for a moment
        return ServerSaidError(Reason.SERVER_ERROR, "ResourceVersionTooLarge", message, retry=True, after=after)
    if status == 504 or code == "Timeout":
        return ServerSaidError(Reason.TIMED_OUT, code, message, retry=True, after=after)
    if status >= 500:
        return ServerSaidError(Reason.SERVER_ERROR, code, message, retry=True, after=after)
    if status in (405, 406) or status < 400:  # nobody is followed to another host: who asks is told to this one alone
        return ServerSaidError(Reason.UNSUPPORTED, code, message)
    return ServerSaidError(Reason.COLLECTOR_BUG, code, message)
