"""Cloud Asset Inventory over gRPC: assets of one type, page by page, within a quota and within bounds, one attempt a call."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cnamm_scan.model import Reason
from cnamm_scan.providers.bounds import Bounds
from cnamm_scan.providers.gcp.answers import NOT_THERE, TOO_LARGE, of_grpc, page_refused
from cnamm_scan.providers.gcp.assets import Documents, Whose, is_truncated
from cnamm_scan.providers.gcp.needs import ANY, CONTENTS, TOGETHER, Assets
from cnamm_scan.providers.gcp.quota import Quota
from cnamm_scan.providers.interface import Answer, CallFailedError, NotYetError

PAGE = 1000
"""Assets asked at once: as many as there may be."""
SMALLEST_PAGE = 10
"""So many are asked at once before a page that is too large is given up."""
METHOD = "/google.cloud.asset.v1.AssetService/ListAssets"
_RECONNECT = (("initial", 200), ("min", 200), ("max", 2000))
"""Milliseconds: the engine knows when to ask again, and grpc's own two minutes of silence would outlast every call."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where a listing goes on."""

    token: str = ""
    size: int = field(default_factory=lambda: PAGE)

    @property
    def asked(self) -> tuple[str, int]:
        """What tells the page apart."""
        return self.token, self.size


class Together:
    """Types that are asked for in one call, in the hope that there is little of each: most projects have nothing of most types.

    Where all of it fits on one page, that page answers for each of them. Where it does not, or is refused, each is asked by itself, as if
    nobody had hoped.
    """

    def __init__(self, types: Sequence[str]) -> None:
        self.types = tuple(types)
        self._lock = threading.Lock()
        self._is_open = True
        self._found: dict[str, list[Any]] = {}
        self._seen_at = ""

    def of(self, kind: str, ask: Callable[[Sequence[str]], Any]) -> tuple[list[Any], str] | None:
        """What there is of a type, once, and when it was read; None: it is to be asked by itself. Raises CallFailedError."""
        with self._lock:  # whoever comes meanwhile waits: the answer is for him too
            if self._is_open:
                try:
                    response = ask(self.types)
                except NotYetError:
                    raise
                except CallFailedError as failure:
                    if failure.reason is Reason.CREDENTIALS:
                        raise
                else:
                    self._take(response)
                self._is_open = False
            found = self._found.pop(kind, None)
            return None if found is None else (found, self._seen_at)

    def _take(self, response: Any) -> None:
        found: dict[str, list[Any]] = {kind: [] for kind in self.types}
        for asset in response.assets:
            if asset.asset_type not in found:  # spelled in another way than it was asked for: whose answer is this?
                return
            found[asset.asset_type].append(asset)
        if not response.next_page_token:
            self._found, self._seen_at = found, _seen_at(response)


def together(operations: Mapping[str, Iterable[str]]) -> dict[tuple[str, str], Together]:
    """Who is asked with whom, of what will be asked: client -> types."""
    made: dict[tuple[str, str], Together] = {}
    for client in operations.keys() & CONTENTS.keys():
        types = sorted({*operations[client]} - {ANY})
        for start in range(0, len(types), TOGETHER):
            those = types[start : start + TOGETHER]
            if len(those) > 1:
                made |= dict.fromkeys(((CONTENTS[client][0], kind) for kind in those), Together(those))
    return made


class Inventory:
    """Everything beneath one scope."""

    def __init__(
        self, address: str, scope: str, *, trusted: str | None, agent: str, call_timeout: float, bounds: Bounds, quota: Quota
    ) -> None:
        # what grpc's core has to say of a connection it says to stderr, past whoever reports
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        import grpc
        from google.cloud.asset_v1.types import ContentType, ListAssetsRequest, ListAssetsResponse
        from google.protobuf.message import DecodeError
        from google.protobuf.unknown_fields import UnknownFieldSet

        self.scope = scope
        self.whose = Whose(scope, {})
        self.together: Mapping[tuple[str, str], Together] = {}
        """(content, type) -> with which others it is asked first."""
        self.members: Mapping[str, Sequence[str] | None] = {}
        """Type -> what is unpacked of its objects; of others all."""
        self._request: Any = ListAssetsRequest.pb()
        self._response: Any = ListAssetsResponse.pb()
        self._contents: Any = ContentType
        self._broken = DecodeError
        self._unknown: Any = UnknownFieldSet
        self._error: Any = grpc.RpcError
        self._call_timeout = call_timeout
        self._quota = quota
        options: list[tuple[str, Any]] = [
            ("grpc.enable_retries", 0),
            ("grpc.max_receive_message_length", bounds.body),
            ("grpc.primary_user_agent", agent),
            ("grpc.service_config_disable_resolution", 1),
            *((f"grpc.{name}_reconnect_backoff_ms", pause) for name, pause in _RECONNECT),
        ]
        self._channel: Any = grpc.secure_channel(address, grpc.ssl_channel_credentials(_authorities(trusted)), options)
        # an answer stays bytes here: one that is none must fail as an answer, not as a call
        self._list: Any = self._channel.unary_unary(METHOD, request_serializer=self._request.SerializeToString)

    def page(
        self, assets: Assets, page: Page, metadata: Callable[[], list[tuple[str, str]]], count: Callable[[], None], ends: float | None
    ) -> Answer:
        """One page of assets of a type; `count` hears of the request. Raises CallFailedError."""
        together = self.together.get((assets.content, assets.type)) if page == Page() else None
        if together is not None:
            found = together.of(assets.type, lambda types: self._asked(self._question(assets.content, types, page), metadata, count, ends))
            if found is not None:
                return self._answer(assets, page, *found, "")
        request = self._question(assets.content, [] if assets.type == ANY else [assets.type], page)
        try:
            response = self._asked(request, metadata, count, ends)
        except CallFailedError as failure:
            if failure.code == TOO_LARGE and page.size > SMALLEST_PAGE:
                smaller = replace(page, size=page.size // 10)
                return Answer({"assets": []}, next_page=smaller, token=smaller.asked, note="SmallerPages")
            if page.token and failure.reason in NOT_THERE:
                raise page_refused(failure) from failure
            if failure.code == "INVALID_ARGUMENT":  # a question is the same for every type but for its name
                raise CallFailedError(Reason.UNSUPPORTED, failure.code, failure.message) from failure
            raise
        return self._answer(assets, page, response.assets, _seen_at(response), response.next_page_token)

    def _question(self, content: str, types: Sequence[str], page: Page) -> Any:
        return self._request(
            parent=self.scope,
            content_type=self._contents[content].value,
            asset_types=types,
            page_size=page.size,
            page_token=page.token,
        )

    def _asked(self, request: Any, metadata: Callable[[], list[tuple[str, str]]], count: Callable[[], None], ends: float | None) -> Any:
        said = [*metadata(), ("x-goog-request-params", f"parent={quote(self.scope, safe='')}")]
        sent = self._quota.take()
        left = self._call_timeout if ends is None else min(self._call_timeout, ends - time.monotonic())
        if left <= 0:
            raise CallFailedError(Reason.TIMED_OUT, "Deadline", retry=True)
        count()
        try:
            body = self._list(request, timeout=left, metadata=said)
        except self._error as error:
            failure = of_grpc(error)
            if failure.reason is Reason.THROTTLED:
                raise self._quota.refused(failure, sent) from error
            raise failure from error
        self._quota.answered()
        try:
            return self._response.FromString(body)
        except self._broken as error:
            raise CallFailedError(Reason.MALFORMED, "MalformedBody", retry=True) from error

    def _answer(self, assets: Assets, page: Page, those: Iterable[Any], seen_at: str, token: str) -> Answer:
        """Those assets of a response, and how the listing goes on."""
        documents = Documents(self.whose, assets.content, seen_at, self.members.get(assets.type))
        found, dark, is_anybodys = [], {}, False
        cut = CallFailedError(Reason.TRUNCATED, "AssetTruncated")
        for asset in those:
            if not is_truncated(asset, self._unknown):
                found.append(asset)
            elif (target := documents.target_of(asset)) is not None:
                dark[target] = cut
            else:
                is_anybodys = True
        following = Page(token, page.size) if token else None
        return Answer(
            {"assets": found},
            next_page=following,
            token=following.asked if following is not None else None,
            decode=documents.of,
            dark=dark,
            left_out=Reason.TRUNCATED if is_anybodys else None,
        )

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def _seen_at(response: Any) -> str:
    return response.read_time.ToJsonString() if response.HasField("read_time") else ""


def _authorities(trusted: str | None) -> bytes | None:
    """The certificates that are trusted; None: those of grpc, or of GRPC_DEFAULT_SSL_ROOTS_FILE_PATH."""
    if trusted is None:
        return None
    path = Path(trusted)
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return b"\n".join(file.read_bytes() for file in files if file.is_file())
