"""An HTTP proxy in front of moto that adds latency, injects faults and keeps a list of the calls."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import unquote_plus, urlsplit

from cnamm_scan.demo.aws.bed.identify import Identity, Request, has_page_token, identify
from cnamm_scan.demo.aws.bed.refusals import KINDS, Kind, Refusal, refusal

RST_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, 0 seconds
NO_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
LATER_PAGE = 2
_LOOKED_AT = re.compile(
    rb"(?im)^(content-length|transfer-encoding|authorization|x-amz-[\w-]+|expect|smithy-protocol"
    rb"|connection):[ \t]*([^\r\n]*)"
)
_EXPECT = re.compile(rb"(?im)^expect:[^\r\n]*\r\n")
_OF_THE_HOP = re.compile(rb"(?im)^(?:connection|keep-alive|transfer-encoding|content-length):[^\r\n]*\r\n")
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d+)")
_CHUNKED = re.compile(rb"(?im)^transfer-encoding:[^\r\n]*chunked")
_CLOSES = re.compile(rb"(?im)^connection:[ \t]*close")


@dataclass(frozen=True)
class Call:
    """One request that went through, or tried to.

    `params_sha256` covers method, path, sorted query and body: two calls of the same service, region and
    operation with the same hash ask the same question twice. `status` is 0 when nothing was answered;
    `at` is seconds since the proxy started, when the request had arrived.
    """

    service: str  # boto3's client name, "" for an unsigned request
    region: str
    operation: str
    params_sha256: str
    status: int
    at: float


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and for which calls; the patterns are those of fnmatch, and case counts.

    The first fault of the list that matches a call is the one it gets.
    """

    kind: Kind
    service: str = "*"
    region: str = "*"
    operation: str = "*"
    page: int | None = None  # 1: requests without a page token; 2: those with one
    times: int | None = None  # fire so often, then let pass
    param: str | None = None  # text that path, query or body must hold, such as a bucket's name
    hold: float = 60.0  # seconds that `timeout` keeps the connection open

    def __post_init__(self) -> None:
        """Refuse what could never fire."""
        if self.kind not in KINDS:
            message = f"got fault kind '{self.kind}', expected one of {', '.join(KINDS)}"
            raise ValueError(message)
        if self.page not in {None, 1, LATER_PAGE}:
            message = f"got page {self.page}, expected 1 or 2: a token does not tell its number"
            raise ValueError(message)

    def matches(self, request: Request, identity: Identity) -> bool:
        """Whether the patterns fit this request; `times` is the proxy's to count."""
        if not (
            fnmatchcase(identity.service, self.service)
            and fnmatchcase(identity.region, self.region)
            and fnmatchcase(identity.operation, self.operation)
        ):
            return False
        if self.param is not None:
            text = request.target + " " + request.body.decode("utf-8", "replace")
            if self.param not in text and self.param not in unquote_plus(text):
                return False
        return self.page is None or (self.page == LATER_PAGE) == has_page_token(request, identity)


Rewrite = Callable[[Call, int, bytes], bytes]
"""Gets the call, the answer's status and body; returns the body to send. Runs in the proxy's thread."""


class FaultProxy:
    """Listens on a free port of 127.0.0.1 for the length of a `with` block and forwards to `upstream`.

    Runs an event loop in a thread of its own. `faults` may be changed at any time; `calls` grows by one
    for each request. `latency` is in seconds and is added to every call, faults included.
    """

    def __init__(
        self,
        upstream: str,
        latency: float = 0.0,
        faults: Sequence[Fault] = (),
        rewrite: Rewrite | None = None,
    ) -> None:
        """Nothing starts before the `with`. Raises ValueError unless `upstream` is plain http."""
        parts = urlsplit(upstream)
        if parts.scheme != "http" or parts.hostname is None:
            message = f"got upstream '{upstream}', expected http://host:port"
            raise ValueError(message)
        self.upstream = (parts.hostname, parts.port or 80)
        self.latency = latency
        self.faults = list(faults)
        self.rewrite = rewrite
        self.calls: list[Call] = []
        self.url = ""
        self._fired: dict[int, tuple[Fault, int]] = {}
        self._idle: list[_Upstream] = []
        self._clients: set[_Client] = set()
        self._started = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start the thread and wait until the port is open."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="fault-proxy", daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close all connections and end the thread."""
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, ready: threading.Event) -> None:
        self._loop = loop = asyncio.new_event_loop()
        server = loop.run_until_complete(loop.create_server(lambda: _Client(self, loop), "127.0.0.1", 0, backlog=512))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._started = time.monotonic()
        ready.set()
        loop.run_forever()
        server.close()
        for transport in [c.transport for c in self._clients] + [u.transport for u in self._idle]:
            transport.abort()
        loop.run_until_complete(_cancel_all())
        loop.close()

    async def answer(self, client: _Client, request: Request) -> None:
        """Serve one request: wait, look for a fault, forward, write the answer, note the call."""
        at = time.monotonic() - self._started
        identity = identify(request)
        fault = self._fault(request, identity)
        if self.latency:
            await asyncio.sleep(self.latency)
        if fault is not None and fault.kind in {"timeout", "reset"}:
            self._note(identity, request, 0, at)
            if fault.kind == "timeout":
                await client.gone(fault.hold)
            client.reset()
            return
        if fault is not None and fault.kind == "empty":
            answer = _Answer(b"HTTP/1.1 200 OK", b"", b"", 200)
        elif fault is not None and fault.kind != "malformed":
            answer = _Answer.of(refusal(fault.kind, identity))
        else:
            try:
                answer = await self._ask(request)
            except OSError as error:
                answer = _Answer(b"HTTP/1.1 502 Bad Gateway", b"", str(error).encode(), 502)
            if fault is not None:
                answer.body = answer.body[: len(answer.body) // 2]
        call = self._note(identity, request, answer.status, at)
        if self.rewrite is not None:
            answer.body = self.rewrite(call, answer.status, answer.body)
        client.send(answer.wire(request.method == "HEAD"))

    def _note(self, identity: Identity, request: Request, status: int, at: float) -> Call:
        path, _, query = request.target.partition("?")
        digest = hashlib.sha256(f"{request.method} {path}\n".encode("latin-1"))
        digest.update("&".join(sorted(query.split("&"))).encode("latin-1"))
        digest.update(b"\n" + request.body)
        call = Call(identity.service, identity.region, identity.operation, digest.hexdigest(), status, at)
        self.calls.append(call)
        return call

    def _fault(self, request: Request, identity: Identity) -> Fault | None:
        for fault in tuple(self.faults):
            if not fault.matches(request, identity):
                continue
            if fault.times is None:
                return fault
            # counted by identity: two equal faults in the list each have their own count
            known, fired = self._fired.get(id(fault), (fault, 0))
            if known is fault and fired >= fault.times:
                continue
            self._fired[id(fault)] = (fault, fired + 1)
            return fault
        return None

    async def _ask(self, request: Request) -> _Answer:
        """Forward over an idle connection when there is one; one that died idle is replaced once."""
        while self._idle:
            upstream = self._idle.pop()
            if upstream.is_dead:
                continue
            try:
                return self._kept(upstream, await upstream.ask(request))
            except ConnectionError:
                break
        assert self._loop is not None
        _, upstream = await self._loop.create_connection(_Upstream, *self.upstream)
        return self._kept(upstream, await upstream.ask(request))

    def _kept(self, upstream: _Upstream, answer: _Answer) -> _Answer:
        if not upstream.is_dead:
            self._idle.append(upstream)
        return answer


@dataclass
class _Answer:
    """One answer: `headers` are raw lines without those of the hop."""

    status_line: bytes
    headers: bytes
    body: bytes
    status: int
    length: bytes = b""  # a HEAD answer's content-length, which has no body to count

    @classmethod
    def of(cls, refused: Refusal) -> _Answer:
        reason = HTTPStatus(refused.status).phrase
        headers = "".join(f"{name}: {value}\r\n" for name, value in refused.headers.items())
        status_line = f"HTTP/1.1 {refused.status} {reason}".encode()
        return cls(status_line, headers.encode(), refused.body, refused.status)

    def wire(self, is_head: bool) -> bytes:
        if self.status in NO_BODY:
            return b"%b\r\n%b\r\n" % (self.status_line, self.headers)
        length = self.length if is_head and self.length else b"%d" % len(self.body)
        body = b"" if is_head else self.body
        return b"%b\r\n%bContent-Length: %b\r\n\r\n%b" % (self.status_line, self.headers, length, body)


class _Client(asyncio.Protocol):
    """The side of the scanner: one connection, one request at a time."""

    transport: asyncio.Transport

    def __init__(self, proxy: FaultProxy, loop: asyncio.AbstractEventLoop) -> None:
        self.proxy = proxy
        self.loop = loop
        self.buffer = bytearray()
        self.task: asyncio.Task[None] | None = None
        self.closed = loop.create_future()
        self.has_continued = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.proxy._clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.proxy._clients.discard(self)
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.task is None:
            self._next()

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def reset(self) -> None:
        """Close at once with RST instead of FIN."""
        raw: socket.socket | None = self.transport.get_extra_info("socket")
        if raw is not None and raw.fileno() >= 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        self.transport.abort()

    async def gone(self, seconds: float) -> None:
        """Wait until the client gives up, or so long."""
        await asyncio.wait({self.closed}, timeout=seconds)

    def _next(self) -> None:
        request = self._take()
        if request is not None:
            self.has_continued = False
            self.task = self.loop.create_task(self.proxy.answer(self, request))
            self.task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.task = None
        if not task.cancelled() and task.exception() is not None:
            self.loop.call_exception_handler({"message": "fault proxy", "exception": task.exception()})
            self.transport.abort()
        elif self.buffer:
            self._next()

    def _take(self) -> Request | None:
        """Cut one whole request off the buffer; None while it is still coming in."""
        end = self.buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return None
        head = bytes(self.buffer[:end])
        headers = {k.lower().decode(): v.decode("latin-1") for k, v in _LOOKED_AT.findall(head)}
        if "expect" in headers:
            if not self.has_continued:
                self.has_continued = True
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = _EXPECT.sub(b"", head)
        if "chunked" in headers.get("transfer-encoding", ""):
            stop = _end_of_chunks(self.buffer, end)
        else:
            stop = end + int(headers.get("content-length", 0))
        if stop < end or len(self.buffer) < stop:
            return None
        body = bytes(self.buffer[end:stop])
        del self.buffer[:stop]
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
        return Request(method, target, headers, body, head + body)


class _Upstream(asyncio.Protocol):
    """The side of the service: a connection that is asked one thing at a time."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.is_dead = False
        self.waiting: asyncio.Future[_Answer] | None = None
        self.is_head = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def ask(self, request: Request) -> asyncio.Future[_Answer]:
        self.is_head = request.method == "HEAD"
        self.waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request.raw)
        return self.waiting

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self._try(at_end=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_dead = True
        self._try(at_end=True)
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_exception(ConnectionResetError("the upstream closed without a whole answer"))

    def _try(self, at_end: bool) -> None:
        end = self.buffer.find(b"\r\n\r\n") + 4
        if end < 4 or self.waiting is None or self.waiting.done():
            return
        head = bytes(self.buffer[:end])
        status = int(head[9:12])
        if status < HTTPStatus.OK:  # an interim answer: the real one follows
            del self.buffer[:end]
            self._try(at_end)
            return
        length = _LENGTH.search(head)
        if self.is_head or status in NO_BODY:
            stop = end
        elif _CHUNKED.search(head):
            stop = _end_of_chunks(self.buffer, end)
        elif length is not None:
            stop = end + int(length[1])
        else:
            stop = len(self.buffer) if at_end else -1
        if stop < end or len(self.buffer) < stop:
            return
        body = bytes(self.buffer[end:stop])
        if not self.is_head and _CHUNKED.search(head):
            body = _unchunked(body)
        line, _, lines = head[:-2].partition(b"\r\n")
        if _CLOSES.search(head) or line.startswith(b"HTTP/1.0"):
            self.is_dead = True
            self.transport.close()
        self.buffer.clear()
        found = length[1] if length else b""
        headers = _OF_THE_HOP.sub(b"", lines)
        self.waiting.set_result(_Answer(b"HTTP/1.1" + line[8:], headers, body, status, found))


async def _cancel_all() -> None:
    """End the calls under way; the turn of the loop also lets aborted transports close their sockets."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, asyncio.sleep(0), return_exceptions=True)


def _end_of_chunks(buffer: bytearray, start: int) -> int:
    """Where a chunked body ends, trailers included; -1 when it has not come in whole."""
    at = start
    while (line := buffer.find(b"\r\n", at)) >= 0:
        size = int(bytes(buffer[at:line]).partition(b";")[0], 16)
        if size == 0:
            end = buffer.find(b"\r\n\r\n", line)
            return end + 4 if end >= 0 else -1
        at = line + 2 + size + 2
    return -1


def _unchunked(body: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        line = body.index(b"\r\n", at)
        size = int(body[at:line].partition(b";")[0], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[line + 2 : line + 2 + size])
        at = line + 2 + size + 2
