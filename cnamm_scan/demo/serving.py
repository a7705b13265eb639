"""A server on a free port of 127.0.0.1 that a bed answers from: a thread a connection, over TLS where it is given a context."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


class Server(ThreadingHTTPServer):
    """Knows its open connections, so that they can be closed with it."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None) -> None:
        """Listen. Without a context no TLS is spoken."""
        self._open: set[socket.socket] = set()
        self._thread: threading.Thread | None = None
        super().__init__(("127.0.0.1", 0), handler)
        if context is not None:
            # the handshake waits for the connection's own thread: a slow client must not hold up the others
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def start(self, name: str) -> None:
        """Serve from a thread of this name."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port and all connections; those that are kept alive too, or their threads would outlive the bed."""
        assert self._thread is not None
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget it."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong, unless the client hung up or refused the certificate, as clients please."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class JsonHandler(BaseHTTPRequestHandler):
    """Asks its server's bed for the answer to a GET or POST, and sends it: `bed.respond(method, target, headers, body)`.

    That gives the answer (`status`, `body`, `headers`), None to hang up, and the trouble it is in, of which `cut` sends half and closes.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet
    content_type: ClassVar[str]
    server: Any

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        self._respond()

    def do_POST(self) -> None:
        """Answer."""
        self._respond()

    def dress(self, answer: Any, headers: Mapping[str, str]) -> None:
        """Do to an answer what the service does last. Names of headers that came in are in small letters."""

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer, trouble = self.server.bed.respond(self.command, self.path, headers, body)
        if answer is None:
            self.close_connection = True
            return
        self.dress(answer, headers)
        sent = answer.body
        self.send_response(answer.status)
        self.send_header("Content-Type", self.content_type)
        self.send_header("Content-Length", str(len(sent)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if trouble is not None and trouble.cut:
            sent = sent[: len(sent) // 2]
            self.close_connection = True
        self.wfile.write(sent)
        self.wfile.flush()
