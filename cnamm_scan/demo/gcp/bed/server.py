"""Asset Inventory, the services' APIs and the signing in on one free port of 127.0.0.1, over TLS, and what may go wrong with them."""

from __future__ import annotations

import json
import re
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from cnamm_scan.demo.certificate import certificate
from cnamm_scan.demo.gcp.bed import directory
from cnamm_scan.demo.gcp.bed.contents import Cloud, decoded
from cnamm_scan.demo.gcp.bed.front import Relay, offers_http2
from cnamm_scan.demo.gcp.bed.inventory import MOST, Inventory, content_of
from cnamm_scan.demo.gcp.bed.refusals import Refusal, exhausted, not_ours, switched_off
from cnamm_scan.demo.gcp.bed.services import ENTRIES, Services
from cnamm_scan.demo.gcp.bed.signing import NotSignedInError, Signing
from cnamm_scan.demo.serving import JsonHandler, Server

__all__ = ["LIST_ASSETS", "GcpBed", "Seen", "Trouble"]

LIST_ASSETS = "ListAssets"
_INVENTORY = "cloudasset.googleapis.com"
_WORKERS = 16
_TOKEN = "token"
_BORROWING = "iamcredentials/v1/"


class Seen(NamedTuple):
    """One request that came in."""

    method: str
    """ListAssets, GET or POST."""
    path: str
    """The parent of ListAssets, or the path of a service: logging/v2/projects/shop-prod/sinks."""
    query: str
    """Content and types of ListAssets, and ` page` where a token came with them; the query of a path."""
    code: str
    """OK, what it was refused with, or empty when it was hung up on."""
    caller: str
    payer: str
    """The project of x-goog-user-project; empty: none was named."""
    body: str = ""


@dataclass
class Trouble:
    """What goes wrong, and for which requests; the first of the list that matches is the one. Without a code the true answer is given."""

    code: str = ""
    """Of google.rpc.Code: UNAVAILABLE."""
    reason: str = ""
    message: str = "injected"
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None
    status: int = 0
    """The HTTP status where it is not the one of the code; without a code: an answer of this status and `body`."""
    where: str = f"^(?!POST {_TOKEN})"
    """A regular expression, searched for in `METHOD PATH?QUERY` without regard to case; unless told: all but the signing in."""
    skip: int = 0
    """How many requests go well first."""
    times: int | None = None
    delay: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    """More of them in an answer by REST."""
    body: bytes | None = None
    """The whole answer by REST."""
    change: Mapping[str, Any] = field(default_factory=dict)
    """Members of the true answer, in JSON, that are put in its place: `{"assets": []}` is an empty page."""
    repeats: bool = False
    """The next page's token is the one that was asked for."""
    cut: bool = False
    """Send half of the answer, then close."""
    hang_up: bool = False
    fired: int = 0
    met: int = 0

    def matches(self, asked: str) -> bool:
        """Whether it is for this request, and not used up."""
        if (self.times is not None and self.fired >= self.times) or re.search(self.where, asked, re.IGNORECASE) is None:
            return False
        self.met += 1
        return self.met > self.skip

    def refuse(self) -> None:
        """Raise what is answered in place of the truth, if anything is."""
        if self.code:
            raise Refusal(self.code, self.message, self.reason, self.metadata, self.retry_after, status=self.status)


class GcpBed:
    """A cloud, served. The caller is a service account of `project`, the first that there is unless told.

    `quota` is how many requests a project may pay for in how many seconds; None: as many as come.
    """

    def __init__(
        self,
        cloud: Cloud,
        *,
        troubles: Sequence[Trouble] = (),
        project: str = "",
        page: int = MOST,
        rest_page: int = 100,
        quota: tuple[int, float] | None = None,
    ) -> None:
        self.cloud = cloud
        self.troubles = list(troubles)
        own = project or next((name.partition("/")[2] for name in cloud.places if name.startswith("projects/")), "scanner-home")
        self.signing = Signing(own)
        self.signing.administrators, self.signing.delegated = cloud.administrators, cloud.delegated
        self.requests: list[Seen] = []
        self.closing = threading.Event()
        self.inventory = Inventory(cloud, page)
        self.services = Services(cloud, rest_page)
        self.quota = quota
        self._spent: dict[str, list[float]] = {}
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        """Open the port and serve it from threads."""
        import grpc

        self._folder = tempfile.TemporaryDirectory(prefix="gcp-bed-")
        self.ca, key = certificate(Path(self._folder.name), "gcp-bed")
        self._calls = grpc.server(ThreadPoolExecutor(_WORKERS, "gcp-bed-assets"), options=(("grpc.so_reuseport", 0),))
        made = self.inventory
        method = grpc.unary_unary_rpc_method_handler(self._list_assets, made.request.FromString, made.response.SerializeToString)
        service = grpc.method_handlers_generic_handler("google.cloud.asset.v1.AssetService", {LIST_ASSETS: method})
        self._calls.add_generic_rpc_handlers((service,))
        pair = [(key.read_bytes(), self.ca.read_bytes())]
        self.assets_port = self._calls.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(pair))
        """Of gRPC alone, for who wants nothing between."""
        self._calls.start()
        self.relay = Relay(self.assets_port)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self._server = _Server(self, context)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self.key_file = self.signing.write(Path(self._folder.name, "key.json"), self.url)
        self._server.start("gcp-bed")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the port and all connections."""
        assert self._folder is not None
        self.closing.set()
        self.relay.cut()
        self._server.stop()
        self._calls.stop(None).wait()
        self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        """The variables with which google-auth signs in here, and tries nothing else."""
        return {
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.key_file),
            "GOOGLE_CLOUD_PROJECT": self.signing.project,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    def options(self) -> dict[str, Any]:
        """The options with which the wing reaches it."""
        return {"api_endpoint": self.url, "ca_bundle": str(self.ca)}

    def directory_options(self) -> dict[str, Any]:
        """The options with which it reads the directory too, which stands beside an organization alone."""
        return {"directory_admin": min(self.cloud.administrators), "with_directory_users": True}

    def _list_assets(self, asked: Any, context: Any) -> Any:
        said = {str(name): str(value) for name, value in context.invocation_metadata()}
        query = " ".join([content_of(asked), *asked.asset_types, *(["page"] if asked.page_token else [])])
        trouble = self._trouble(f"{LIST_ASSETS} {asked.parent}?{query}")
        caller, code = "", "OK"
        try:
            caller = self._admit(said, _INVENTORY)
            if trouble is not None:
                self.closing.wait(trouble.delay)
                trouble.refuse()
            if trouble is not None and trouble.hang_up:
                code = ""
                self.relay.cut()
            response = self.inventory.answer(asked)
            if trouble is not None:
                response = _changed(response, trouble, asked)
                if trouble.cut:
                    self.relay.cut(response.ByteSize() // 2)
        except Refusal as error:
            code = error.code
            context.set_trailing_metadata((("grpc-status-details-bin", _status(error).SerializeToString()),))
            context.set_code(_code(error))
            context.set_details(error.message)
            response = self.inventory.response()
        finally:
            self._note(Seen(LIST_ASSETS, asked.parent, query, code, caller, said.get("x-goog-user-project", "")))
        return response

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: str) -> tuple[_Answer | None, Trouble | None]:
        """The answer by REST, None to hang up, and the trouble it is in; notes the request."""
        parts = urlsplit(target)
        path = decoded(parts.path).strip("/")
        trouble = self._trouble(f"{method} {path}?{unquote(parts.query)}")
        caller, code, answer = "", "OK", None
        try:
            if trouble is not None:
                self.closing.wait(trouble.delay)
                trouble.refuse()
            if path == _TOKEN and method == "POST":
                answer = self._sign_in(body)
            else:
                caller = self._admit(headers, f"{path.partition('/')[0]}.googleapis.com")
                answer = _Answer(200, self._said(method, path, dict(parse_qsl(parts.query)), body))
        except Refusal as error:
            code = error.code
            answer = _Answer(error.http, error.body(path.partition("/")[0]))
            if error.retry_after is not None:
                answer.headers["Retry-After"] = str(round(error.retry_after))
        if trouble is not None:
            answer = _troubled(answer, trouble, dict(parse_qsl(parts.query)))
            code = code if answer else ""
        self._note(Seen(method, path, parts.query, code, caller, headers.get("x-goog-user-project", ""), "" if path == _TOKEN else body))
        return answer, trouble

    def _said(self, method: str, path: str, query: Mapping[str, str], body: str) -> Any:
        if method == "POST" and path.startswith(_BORROWING):
            return self.signing.borrow(path, frozenset(json.loads(body).get("scope", ())))
        if method != "GET" and path != ENTRIES:
            raise Refusal("PERMISSION_DENIED", "This bed is only read.")
        if "/" not in path:
            raise Refusal("NOT_FOUND", "Requested entity was not found.")
        return self.services.answer(path, query, json.loads(body) if body else None)

    def _sign_in(self, body: str) -> _Answer:
        try:
            return _Answer(200, self.signing.sign_in(parse_qs(body)))
        except NotSignedInError as error:
            return _Answer(400, {"error": error.args[0], "error_description": error.args[1]})

    def _admit(self, headers: Mapping[str, str], service: str) -> str:
        """Who calls, if it may call this API and somebody pays. Raises Refusal."""
        token = headers.get("authorization", "").removeprefix("Bearer ")
        caller = self.signing.check(token)
        directory.admit(service.partition(".")[0], *self.signing.granted[token])
        named = headers.get("x-goog-user-project", "")
        place = self.cloud.place(f"projects/{named or self.signing.project}")
        if named and (place is None or not self.cloud.may("serviceusage.services.use", place.name)):
            raise not_ours(named)
        if place is not None and service in self.cloud.disabled.get(place.name, ()):
            raise switched_off(service, place.number)
        if self.quota is not None:
            most, seconds = self.quota
            with self._lock:
                now = time.monotonic()
                spent = self._spent.setdefault(f"{service} {named}", [])
                spent[:] = [each for each in spent if each > now - seconds]
                if len(spent) >= most:
                    raise exhausted(service, place.numbered if place else f"projects/{named}", most)
                spent.append(now)
        return caller

    def _note(self, seen: Seen) -> None:
        with self._lock:
            self.requests.append(seen)

    def _trouble(self, asked: str) -> Trouble | None:
        with self._lock:
            for one in self.troubles:
                if one.matches(asked):
                    one.fired += 1
                    return one
        return None


class _Answer:
    """One answer by REST: its status, its body as JSON, and headers."""

    def __init__(self, status: int, said: Any) -> None:
        self.status = status
        self.body = json.dumps(said).encode()
        self.headers: dict[str, str] = {}


def _code(error: Refusal) -> Any:
    from grpc import StatusCode

    return StatusCode[error.code]


def _status(error: Refusal) -> Any:
    from google.protobuf.json_format import ParseDict
    from google.rpc import error_details_pb2, status_pb2  # noqa: F401 - the first so that the details are known by their names

    return ParseDict({"code": _code(error).value[0], "message": error.message, "details": error.details()}, status_pb2.Status())


def _changed(response: Any, trouble: Trouble, asked: Any) -> Any:
    from google.protobuf.json_format import MessageToDict, ParseDict

    if trouble.change:
        response = ParseDict({**MessageToDict(response), **trouble.change}, type(response)())
    if trouble.repeats and asked.page_token:
        response.next_page_token = asked.page_token
    return response


def _troubled(answer: _Answer | None, trouble: Trouble, query: Mapping[str, str]) -> _Answer | None:
    if trouble.hang_up or answer is None:
        return None
    if trouble.status and not trouble.code:
        answer.status = trouble.status
    answer.headers.update(trouble.headers)
    said = dict(trouble.change)
    if trouble.repeats and query.get("pageToken"):
        said["nextPageToken"] = query["pageToken"]
    if said:
        answer.body = json.dumps({**json.loads(answer.body), **said}).encode()
    if trouble.body is not None:
        answer.body = trouble.body
    return answer


class _Server(Server):
    def __init__(self, bed: GcpBed, context: ssl.SSLContext) -> None:
        self.bed = bed
        super().__init__(_Handler, context)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer, or pass on who speaks HTTP/2."""
        if offers_http2(request):
            self.bed.relay.pipe(socket.socket(fileno=request.detach()))
        else:
            super().finish_request(request, client_address)


class _Handler(JsonHandler):
    content_type = "application/json; charset=UTF-8"
