"""One port for gRPC and REST, as Google's front ends have: who offers HTTP/2 is passed on to the server of gRPC."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress

_HELLO = 5
"""Bytes before the record that a client says hello with; the last two are its length."""
_H2 = b"\x02h2"
_PATIENCE = 5.0
_CHUNK = 256 * 1024


def offers_http2(connection: ssl.SSLSocket) -> bool:
    """Whether the client's hello names HTTP/2 among its protocols; nothing is taken from the connection."""
    ends = time.monotonic() + _PATIENCE
    seen, want = b"", _HELLO
    while len(seen) < want and time.monotonic() < ends:
        before = len(seen)
        seen = socket.socket.recv(connection, want, socket.MSG_PEEK)  # beneath TLS, which has not begun
        if not seen:
            return False
        if len(seen) >= _HELLO:
            want = _HELLO + int.from_bytes(seen[3:5])
        if len(seen) == before:
            time.sleep(0.001)
    return _H2 in seen


class Relay:
    """Pipes connections to a port of 127.0.0.1, and cuts them when it is asked to."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._left: int | None = None
        """How many bytes still go to the clients before all connections are cut; None: as many as come."""

    def pipe(self, client: socket.socket) -> None:
        """Pass bytes both ways until one side has enough."""
        with client, socket.create_connection(("127.0.0.1", self.port)) as server:
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            back = threading.Thread(target=self._pass, args=(server, client, True), daemon=True)
            back.start()
            self._pass(client, server, False)
            back.join()
            with self._lock:
                self._open -= {client, server}

    def cut(self, after: int = 0) -> None:
        """Break all connections, once so many bytes more went to the clients."""
        if after:
            self._left = after
            return
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _pass(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                if is_answer and self._left is not None:
                    data, self._left = data[: self._left], self._left - len(data)
                    target.sendall(data)
                    if self._left <= 0:
                        self._left = None
                        self.cut()
                    continue
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
