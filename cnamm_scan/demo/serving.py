"""A server on a free port of 127.0.0.1 that a bed answers from: a thread a connection, over TLS where it is given a context."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


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
