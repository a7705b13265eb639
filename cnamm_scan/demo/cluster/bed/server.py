"""A fake Kubernetes API server for the demo and the tests; one of release 1.36 to those who read it."""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import ssl
import struct
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from cnamm_scan.demo.cluster.bed.answers import EXPIRED_LIST, TOO_LARGE, VERSION, Api, Pages, expired, forbidden
from cnamm_scan.demo.cluster.bed.contents import Cluster
from cnamm_scan.demo.cluster.bed.groups import Resource
from cnamm_scan.demo.cluster.bed.requests import Answer, Request, plain, status
from cnamm_scan.demo.cluster.bed.rights import ADMIN, ANONYMOUS, Ask, Grant, Rights
from cnamm_scan.demo.serving import Server

__all__ = ["ADMIN", "ANONYMOUS", "Cluster", "ClusterBed", "Grant", "Resource", "Rights", "Seen", "Trouble", "stale_read"]

GZIP_ABOVE = 128 * 1024
"""A real server compresses no smaller body."""
CHUNKED_ABOVE = 2048
"""Go sends what is larger in chunks, without a Content-Length."""
CHUNK = 4096
IMPERSONATE = "impersonate-"
"""How the headers begin that say as whom somebody asks."""
RST_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, 0 seconds
MESSAGES = {
    401: "Unauthorized",
    410: EXPIRED_LIST,
    429: "the server has received too many requests and has asked us to try again later",
    500: "Internal error occurred: etcdserver: request timed out",
    503: "the server is currently unable to handle the request",
    504: "Timeout: request did not complete within the allotted timeout",
}


class Seen(NamedTuple):
    """One request that came in; `status` is 0 when it was hung up on."""

    method: str
    path: str
    query: str  # as it was sent, without the ?
    status: int
    agent: str
    who: Mapping[str, str] = {}
    """The headers that say who asks, names in lower case; those that came several times a line each."""


@dataclass
class Trouble:
    """What goes wrong, and for which requests; the first of the list that matches is the one.

    `status` 0 lets the true answer through, after `delay`, and then `body`, `content_type` and `cut` change
    it. Another status is answered with a Status object that reads like the server's own: a 403 names the user, a
    410 of a later page has a token to carry on with, a 429 without `reason` is the plain text of priority and
    fairness.
    """

    status: int = 0
    reason: str = ""
    message: str = ""
    method: str = ""  # "": all
    path: str = ""  # a regular expression, searched for in the path
    resource: str = ""  # pods, nodes/proxy, or deployments.apps for one group's
    page: int | None = None  # 1: requests without a continue token; 2: the second page …
    times: int | None = None  # so often, then no more
    retry_after: int | None = None  # seconds: the header and details.retryAfterSeconds
    details: Mapping[str, Any] = field(default_factory=dict)
    delay: float = 0.0  # seconds before the answer
    body: bytes | None = None
    content_type: str = ""
    location: str = ""  # where a redirect points
    cut: bool = False  # send half of the answer, then close
    hang_up: bool = False  # close without an answer
    fired: int = 0  # counts itself

    def matches(self, request: Request) -> bool:
        """Whether it is for this request, and not used up."""
        return (
            self.method in {"", request.method}
            and self.resource in {"", request.full, f"{request.full}.{request.group}"}
            and self.page in {None, request.page}
            and (self.times is None or self.fired < self.times)
            and re.search(self.path, request.path) is not None
        )

    def refusal(self, rights: Rights, request: Request) -> Answer:
        """The answer that it puts in place of the true one."""
        if self.status == HTTPStatus.TOO_MANY_REQUESTS and not self.reason:
            answer = plain(429, "Too many requests, please try again later.\n")
            answer.headers["Retry-After"] = str(self.retry_after or 1)
            return answer
        if self.status == HTTPStatus.GONE and request.one("continue"):
            return expired(request)
        if self.status == HTTPStatus.FORBIDDEN and not self.message:
            return forbidden(rights, request)
        details = dict(self.details) | ({} if self.retry_after is None else {"retryAfterSeconds": self.retry_after})
        message = self.message or MESSAGES.get(self.status, "injected")
        return status(self.status, message, reason=self.reason, details=details or None)


def stale_read(**where: Any) -> Trouble:
    """The 504 of a server that is behind the resourceVersion it is asked for; `where` are fields of Trouble."""
    message = "Timeout: Too large resource version: 9999, current: 1000"
    return Trouble(status=504, message=message, details=TOO_LARGE, **where)


class ClusterBed:
    """Serves a cluster on a free port of 127.0.0.1 for the length of a `with` block.

    `tokens` maps bearer tokens to what they may do; without it all requests are an administrator's. The
    token "" is for requests that send none (`ANONYMOUS`); without that entry they get 401. `users` are those who may
    be impersonated, by name, by whoever has the right to. `certificate` is a
    certificate and its key in PEM, for TLS. All pages of a list come from one state of the cluster, for
    `page_snapshot_seconds`; after that their tokens are expired. Without `aggregated_discovery` /api and
    /apis give the legacy documents only. `troubles` may be changed at any time; `requests` grows by one for
    each request, `writes` by method and path of each that would have changed something.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        tokens: Mapping[str, Rights] | None = None,
        users: Mapping[str, Rights] | None = None,
        certificate: tuple[Path, Path] | None = None,
        page_snapshot_seconds: float = 300.0,
        aggregated_discovery: bool = True,
        troubles: Sequence[Trouble] = (),
        version: Mapping[str, str] = VERSION,
    ) -> None:
        """Nothing starts before the `with`."""
        self.cluster = cluster
        self.tokens = tokens
        self.users = users or {}
        self.certificate = certificate
        self.api = Api(cluster, Pages(page_snapshot_seconds), aggregated_discovery, version)
        self.url = ""
        self.requests: list[Seen] = []
        self.writes: list[tuple[str, str]] = []
        self.troubles = list(troubles)
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        """Open the port and serve it from a thread. Raises OSError for a certificate that cannot be read."""
        context = None
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            context.set_alpn_protocols(["http/1.1"])
        self._server = _Server(self, context)
        self.api.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{'http' if context is None else 'https'}://{self.api.address}"
        self._server.start("cluster-bed")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the port and all connections."""
        assert self._server is not None
        self.closing.set()
        self._server.stop()

    def compact(self) -> None:
        """Expire the continue tokens that are out, as etcd does every five minutes."""
        self.api.pages.clear()

    def kubeconfig(
        self,
        folder: Path,
        *,
        context: str = "demo",
        token: str | None = None,
        ca: Path | None = None,
        exec_command: Sequence[str] | None = None,
        insecure: bool = False,
        namespace: str | None = None,
        name: str = "config",
    ) -> Path:
        """Write a kubeconfig with this one context, readable by its owner only, and return its path.

        `exec_command` is a credential plugin: its program and arguments. `ca` is the file with the
        certificate to trust.
        """
        cluster: dict[str, Any] = {"server": self.url}
        if ca is not None:
            cluster["certificate-authority"] = str(ca)
        if insecure:
            cluster["insecure-skip-tls-verify"] = True
        user: dict[str, Any] = {}
        if token is not None:
            user["token"] = token
        if exec_command is not None:
            user["exec"] = {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": exec_command[0],
                "args": list(exec_command[1:]),
                "interactiveMode": "Never",
            }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": context, "user": user}],
            "contexts": [
                {"name": context, "context": {"cluster": context, "user": context} | ({"namespace": namespace} if namespace else {})}
            ],
        }
        path = folder / name
        # JSON is YAML too, and needs no library
        with open(path, "w", encoding="utf-8", opener=lambda file, flags: os.open(file, flags, 0o600)) as out:
            out.write(json.dumps(config, indent=2) + "\n")
        return path

    def respond(self, request: Request, query: str) -> tuple[Answer | None, Trouble | None]:
        """The answer, None to hang up, and the trouble it is in; notes the request."""
        rights = self._who(request.headers.get("authorization", ""))
        trouble = self._trouble(request)
        if trouble is not None and trouble.delay:
            self.closing.wait(trouble.delay)
        answer: Answer | None = None
        if trouble is None or not (trouble.hang_up or trouble.status):
            answer = self._answer(rights, request)
        elif not trouble.hang_up:
            answer = trouble.refusal(rights or ANONYMOUS, request)
        if trouble is not None and answer is not None:
            if trouble.retry_after is not None:
                answer.headers["Retry-After"] = str(trouble.retry_after)
            answer.body = answer.body if trouble.body is None else trouble.body
            answer.content_type = trouble.content_type or answer.content_type
            if trouble.location:
                answer.headers["Location"] = trouble.location
        who = {name: value for name, value in request.headers.items() if name == "authorization" or name.startswith(IMPERSONATE)}
        seen = Seen(request.method, request.path, query, answer.status if answer else 0, request.headers.get("user-agent", ""), who)
        with self._lock:
            self.requests.append(seen)
            if request.is_write:
                self.writes.append((request.method, request.path))
        return answer, trouble

    def _answer(self, rights: Rights | None, request: Request) -> Answer:
        """The true answer: to who asks, or to whom they ask as, if they may."""
        user = request.headers.get("impersonate-user", "")
        groups = request.headers.get("impersonate-group", "").splitlines()
        if rights is not None and (user or groups):
            for resource, names in (("users", [user]), ("groups", groups)):
                for name in names:
                    ask = Ask("impersonate", resource=resource, name=name)
                    if not rights.allows(ask):
                        return status(403, ask.refusal(rights.user))
            known = self.users.get(user, Rights((), user))
            rights = replace(known, user=user, groups=(*(groups or known.groups), "system:authenticated"))
        return self.api.answer(rights, request)

    def _who(self, authorization: str) -> Rights | None:
        """The rights behind an Authorization header; None: unauthorized."""
        if self.tokens is None:
            return ADMIN
        if not authorization:
            return self.tokens.get("")
        scheme, _, token = authorization.partition(" ")
        return self.tokens.get(token.strip()) if scheme.lower() == "bearer" and token.strip() else None

    def _trouble(self, request: Request) -> Trouble | None:
        with self._lock:
            for one in self.troubles:
                if one.matches(request):
                    one.fired += 1
                    return one
        return None


class _Server(Server):
    def __init__(self, bed: ClusterBed, context: ssl.SSLContext | None) -> None:
        self.bed = bed
        super().__init__(_Handler, context)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_one_request(self) -> None:
        """Take one request of whatever method, and send its answer in one go."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        headers = {name.lower(): "\n".join(self.headers.get_all(name, [])) for name in self.headers}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        self.close_connection |= "transfer-encoding" in headers  # a body in chunks stays unread
        request = Request.of(self.command, self.path, headers, body)
        answer, trouble = self.server.bed.respond(request, self.path.partition("?")[2])
        if answer is None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
            self.close_connection = True
            return
        wire = self._wire(answer)
        if trouble is not None and trouble.cut:
            wire = wire[: max(len(wire) // 2, len(wire) - len(answer.body) // 2)]
            self.close_connection = True
        try:
            self.connection.sendall(wire)
        except OSError:  # the client did not wait
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _wire(self, answer: Answer) -> bytes:
        if len(answer.body) > GZIP_ABOVE and "gzip" in self.headers.get("Accept-Encoding", ""):
            answer.body = gzip.compress(answer.body, compresslevel=1, mtime=0)
            answer.headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        is_chunked = len(answer.body) > CHUNKED_ABOVE and self.request_version == "HTTP/1.1"
        try:
            phrase = HTTPStatus(answer.status).phrase
        except ValueError:  # a trouble with a code of its own
            phrase = "Unknown"
        lines = [
            f"HTTP/1.1 {answer.status} {phrase}",
            f"Audit-Id: {uuid.uuid4()}",
            "Cache-Control: no-cache, private",
            f"Content-Type: {answer.content_type}",
            *(f"{name}: {value}" for name, value in answer.headers.items()),
            f"Date: {self.date_time_string()}",
            "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(answer.body)}",
            "\r\n",
        ]
        head = "\r\n".join(lines).encode("latin-1")
        if self.command == "HEAD" or answer.status == HTTPStatus.NOT_MODIFIED:
            return head
        return head + (_chunks(answer.body) if is_chunked else answer.body)


def _chunks(body: bytes) -> bytes:
    parts: list[bytes] = []
    for start in range(0, len(body), CHUNK):
        piece = body[start : start + CHUNK]
        parts += (b"%x\r\n" % len(piece), piece, b"\r\n")
    return b"".join([*parts, b"0\r\n\r\n"])
