"""Reads HTTP answers within bounds, for every wing whose transport stands on http.client: from the status line to the last byte.

A client's own timeout is for one read: a server that sends a byte a second never meets it. Here each read is given what is left of the
time of the whole call, and what came in is counted, before anything is made of it.
"""

from __future__ import annotations

import io
import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from http.client import HTTPException, HTTPResponse, LineTooLong
from typing import Any, Protocol, Self

from cnamm_scan.model import Reason
from cnamm_scan.providers.bounds import BOUNDS, Bounds
from cnamm_scan.providers.interface import CallFailedError

PIECE = 64 * 1024
_here = threading.local()


class Within:
    """A `with` block whose answers keep to the bounds and have ended by `ends` (time.monotonic), in this thread."""

    __slots__ = ("_before", "bounds", "ends")

    def __init__(self, bounds: Bounds, ends: float | None) -> None:
        self.bounds = bounds
        self.ends = ends if ends is not None else time.monotonic() + bounds.seconds

    def __enter__(self) -> Self:
        """Itself."""
        self._before = getattr(_here, "within", None)
        _here.within = self
        return self

    def __exit__(self, *_: object) -> None:
        """Give the bounds around it back."""
        _here.within = self._before


def _too_late() -> CallFailedError:
    return CallFailedError(Reason.TIMED_OUT, "Deadline", "the answer took too long as a whole", retry=True)


def _too_large() -> CallFailedError:
    return CallFailedError(Reason.TRUNCATED, "TooLarge", "the answer is larger than can be held")


class _Metered(io.RawIOBase):
    """What comes from a socket, counted in bytes and in time. Raises CallFailedError."""

    def __init__(self, raw: Any, sock: Any, within: Within) -> None:
        self._raw, self._sock = raw, sock
        self._room = within.bounds.body + within.bounds.framing
        self._ends = within.ends
        self._patience = sock.gettimeout()

    def readable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """The socket's."""
        return int(self._raw.fileno())

    def readinto(self, buffer: Any) -> int | None:
        """As a socket's; waits no longer than the call has left."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise _too_late()
        if self._patience is None or left < self._patience:
            self._sock.settimeout(left)
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError as error:
            if time.monotonic() >= self._ends:
                raise _too_late() from error
            raise
        self._room -= count or 0
        if self._room < 0:
            raise _too_large()
        return count

    def close(self) -> None:
        """Let go of the socket."""
        if not self.closed:
            self._raw.close()
        super().close()


class BoundedResponse(HTTPResponse):
    """http.client's response, whose bytes are metered. Raises CallFailedError while it is read."""

    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        within: Within = getattr(_here, "within", None) or Within(BOUNDS, None)
        self._most = within.bounds.body
        self.fp: Any = io.BufferedReader(_Metered(self.fp.detach(), sock, within))

    def begin(self) -> None:
        """Read the headers; a body that says that it is too large is not read at all."""
        super().begin()
        if self.length is not None and self.length > self._most:
            raise _too_large()


def bounded(pools: Mapping[str, type]) -> dict[str, type]:
    """urllib3's classes of connection pools by scheme, whose connections read within bounds and follow nobody to another place."""
    return {scheme: _bounded(pool) for scheme, pool in pools.items()}


@cache
def _bounded(pool: type) -> type:
    connection: Any = pool.ConnectionCls  # type: ignore[attr-defined]
    own = type(connection.__name__, (connection,), {"response_class": BoundedResponse})

    def urlopen(self: Any, *arguments: Any, **named: Any) -> Any:
        # who asks is told to the host that was named, and to no other
        return pool.urlopen(self, *arguments, **{**named, "redirect": False})  # type: ignore[attr-defined]

    return type(pool.__name__, (pool,), {"ConnectionCls": own, "urlopen": urlopen})


def refused(error: BaseException) -> CallFailedError | None:
    """Our own word in an error that a transport has wrapped; `malformed` for a line or headers without end; else None."""
    seen: set[int] = set()
    todo: list[Any] = [error]
    while todo:
        each = todo.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, CallFailedError):
            return each
        if _is_malformed(each):
            return CallFailedError(Reason.MALFORMED, type(each).__name__, retry=True)
        todo += [*each.args, each.__cause__, each.__context__, getattr(each, "reason", None)]
        todo += getattr(each, "kwargs", {}).values()
    return None


def _is_malformed(error: BaseException) -> bool:
    if isinstance(error, LineTooLong) or (type(error) is HTTPException and "headers" in str(error)):
        return True
    # urllib3 has errors of its own for the line before a chunk; with nothing on that line the connection was only cut
    name = type(error).__name__
    return (name == "InvalidChunkLength" and bool(getattr(error, "length", b""))) or (name == "ProtocolError" and "size line" in str(error))


class Streamed(Protocol):
    """What is asked of urllib3's response: its headers, and its body piece by piece."""

    @property
    def headers(self) -> Mapping[str, str]:
        """As they came; case does not count."""
        ...

    def stream(self, amt: int, decode_content: bool) -> Iterator[bytes]:
        """The body as it comes."""
        ...

    def release_conn(self) -> None:
        """Give a connection that was read to its end back."""
        ...

    def close(self) -> None:
        """Close a connection that was not."""
        ...


def read_body(response: Streamed, bounds: Bounds) -> bytes:
    """The body, unpacked as its Content-Encoding says. Raises CallFailedError where it is larger than the bounds, or not what it says."""
    try:
        body = b"".join(_held(_unpacked(response), bounds.body))
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return body


def _held(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    for piece in pieces:
        most -= len(piece)
        if most < 0:
            raise _too_large()
        yield piece


def _unpacked(response: Streamed) -> Iterator[bytes]:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from response.stream(PIECE, decode_content=False)
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise CallFailedError(Reason.MALFORMED, "UnknownEncoding", encoding)
    window = zlib.MAX_WBITS if encoding == "deflate" else zlib.MAX_WBITS + 16
    unpack, is_begun = zlib.decompressobj(window), False
    try:
        for piece in response.stream(PIECE, decode_content=False):
            rest, is_begun, full = piece, is_begun or bool(piece), True
            while rest or full:
                if rest and unpack.eof:  # members of one stream may follow each other
                    unpack = zlib.decompressobj(window)
                made = unpack.decompress(rest, PIECE)
                yield made
                rest, full = unpack.unconsumed_tail or unpack.unused_data, len(made) == PIECE
    except zlib.error as error:
        raise CallFailedError(Reason.MALFORMED, "MalformedEncoding", retry=True) from error
    if is_begun and not unpack.eof:
        raise CallFailedError(Reason.MALFORMED, "CutEncoding", retry=True)
