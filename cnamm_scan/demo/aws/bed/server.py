"""Moto's server as a child process on loopback, for `cnamm-scan demo`, the tests and the benchmark."""

from __future__ import annotations

import http.client
import io
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cnamm_scan.demo.aws.bed.fill import Filled
from cnamm_scan.demo.aws.bed.holes import Answers, from_nothing
from cnamm_scan.demo.aws.bed.identify import Request, identify
from cnamm_scan.demo.aws.bed.refusals import Refusal, refusal

MOTO_ENV = {
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",  # they bring about 1,300 snapshots a region
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
}
MISSING = "moto[server] is not installed: pip install '.[demo]' in the clone of cnamm-scan"
STDERR_TAIL = 2_000
CHILD = """
import sys
from importlib import import_module
sys.path.append(sys.argv[1])
from cnamm_scan.demo.aws.bed.server import serve
serve(int(sys.argv[2]), import_module(sys.argv[3]).answers() if sys.argv[3] else None)
"""
NOT_FOUND_PAGE = b"<!doctype html"  # werkzeug's, for a path that moto does not know


class BedError(RuntimeError):
    """The test bed did not come up; the message says why and what to do."""


class MotoServer:
    """Runs moto on a free port of 127.0.0.1 for the length of a `with` block.

    A child process and not a thread, so that its CPU and memory never count as the scanner's.
    The child also ends when this process dies, because it watches its standard input.
    Raises BedError on entering when moto is missing or does not answer within `start_timeout` seconds.

    What moto lacks, it answers as AWS answers an operation that it does not know. With `answers`, the name
    of a module whose `answers()` gives an account's own, it answers with these, and else as an account that
    has none of it. That is for show: a test or a benchmark keeps the holes, so that what was not looked at
    is seen to be unknown.
    """

    def __init__(self, start_timeout: float = 60.0, *, answers: str = "") -> None:
        """Nothing starts before the `with`."""
        self.start_timeout = start_timeout
        self.answers = answers
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: Any = None

    @property
    def pid(self) -> int:
        """The process id of the child, 0 when there is none."""
        return self._process.pid if self._process else 0

    def __enter__(self) -> Self:
        """Start the child and wait until it answers."""
        if find_spec("moto") is None or find_spec("flask") is None:
            raise BedError(MISSING)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._stderr = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-c",
                CHILD,
                str(Path(__file__).resolve().parents[4]),
                str(port),
                self.answers,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
            env={**os.environ, **MOTO_ENV},
        )
        try:
            self._wait(port)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the child."""
        self._stop()

    def stderr_tail(self) -> str:
        """The last of what the child wrote to standard error: moto's tracebacks."""
        if self._stderr is None:
            return ""
        # pread and not seek: the child writes at the same file position
        handle = self._stderr.fileno()
        tail = os.pread(handle, STDERR_TAIL, max(0, os.fstat(handle).st_size - STDERR_TAIL))
        return tail.decode(errors="replace").strip()

    def _wait(self, port: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self.start_timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BedError(self._told(f"moto ended with code {self._process.returncode}"))
            if _answers(port):
                return
            time.sleep(0.05)
        raise BedError(self._told(f"moto did not answer on {self.url} within {self.start_timeout:g} s"))

    def _told(self, what: str) -> str:
        return f"{what}: {self.stderr_tail() or 'it wrote nothing to stderr'}"

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/moto-api/data.json")
        return connection.getresponse().status < http.client.BAD_REQUEST
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def serve(port: int, answers: Answers | None = None) -> None:
    """Run moto in this process until standard input closes; what the child does.

    Moto's own handler closes the connection after each answer, logs each call and lingers 10 ms in a
    thread; this one keeps connections alive and is silent, which doubles the calls a second. It also
    answers operations that moto lacks as AWS answers ones that it lacks, not with a 500; or with `answers`.
    """
    serving = import_module("werkzeug.serving")
    app_module = import_module("moto.moto_server.werkzeug_app")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _load_policies_once()
    _tell_policies_in_use()
    _date_reports()
    app = _dispatcher(app_module)(app_module.create_backend_app)
    server = serving.make_server("127.0.0.1", port, app, threaded=True, request_handler=_handler(app_module, answers))
    server.daemon_threads = True
    server.serve_forever()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _load_policies_once() -> None:
    """Moto loads the 1,500 managed policies for seven partitions of each account, 0.14 s each; one will do."""
    backend = import_module("moto.iam.models").IAMBackend
    load = backend._init_aws_policies
    backend._init_aws_policies = lambda self: load(self) if self.region_name == "aws" else []


def _tell_policies_in_use() -> None:
    """Of AWS's own policies the bulk call tells those that somebody has; moto tells all of them."""
    backend = import_module("moto.iam.models").IAMBackend
    tell = backend.get_account_authorization_details

    def told(self: Any, policy_filter: list[str]) -> dict[str, Any]:
        said: dict[str, Any] = tell(self, policy_filter)
        own = [each for each in said["managed_policies"] if each.attachment_count or ":iam::aws:" not in each.arn]
        return {**said, "managed_policies": own}

    backend.get_account_authorization_details = told


def _date_reports() -> None:
    """Moto says of each credential report that it was made in 2015; here it is made whenever it is asked for."""
    responses = import_module("moto.iam.responses").IamResponse
    give = responses.get_credential_report

    def dated(self: Any) -> Any:
        answer = give(self)
        answer.result["GeneratedTime"] = datetime.now(UTC)
        return answer

    responses.get_credential_report = dated


def _dispatcher(app_module: Any) -> Any:
    """Moto's dispatcher; one that says so when moto lacks the whole service, instead of breaking."""

    class Dispatcher(app_module.DomainDispatcherApplication):  # type: ignore[misc]
        def get_backend_for_host(self, host: str | None) -> Any:
            backend = super().get_backend_for_host(host)
            if host is not None and backend is None:
                raise NotImplementedError(host)
            return backend

    return Dispatcher


def _handler(app_module: Any, answers: Answers | None) -> Any:
    """The request handler class; made here because its base comes from moto."""

    class Handler(app_module.MotoRequestHandler):  # type: ignore[misc]
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        close_connection: bool

        def run_wsgi(self) -> None:
            environ = self.make_environ()
            if self.headers.get("Expect", "").strip().lower() == "100-continue":
                self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            # read the body whole, so that nothing of it is left in front of the next request
            stream = environ["wsgi.input"]
            length = int(self.headers.get("Content-Length") or 0)
            chunked = "wsgi.input_terminated" in environ
            body = stream.read() if chunked else stream.read(length)
            environ["wsgi.input"] = io.BytesIO(body)
            answer = _Answer()
            try:
                if answers is not None:
                    answer.fill(answers, self._request(body), self.server.app, environ)
                else:
                    answer.run(self.server.app, environ)
            except NotImplementedError:
                answer.refuse(self._request(body))
            finally:  # another exception is moto's bug: answer 500, let the server print the trace
                if answer.is_hole:
                    answer.refuse(self._request(body))
                self.connection.sendall(answer.wire(self.command == "HEAD"))
                self.close_connection = answer.failed or self.close_connection

        def _request(self, body: bytes) -> Request:
            headers = {name.lower(): value for name, value in self.headers.items()}
            return Request(self.command, self.path, headers, body)

    return Handler


class _Answer:
    """One WSGI answer, gathered whole so that it leaves in one packet."""

    def __init__(self) -> None:
        self.status = "500 Internal Server Error"
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.failed = True

    def run(self, app: Any, environ: dict[str, Any]) -> None:
        written: list[bytes] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
            self.status, self.headers = status, headers
            return written.append

        chunks: Iterable[bytes] = app(environ, start)
        self.body = b"".join([*written, *chunks])
        self.failed = False
        if hasattr(chunks, "close"):
            chunks.close()

    @property
    def is_hole(self) -> bool:
        """Whether moto did not know the path."""
        return self.status.startswith("404") and self.body[:20].lower().startswith(NOT_FOUND_PAGE)

    def fill(self, answers: Answers, request: Request, app: Any, environ: dict[str, Any]) -> None:
        """Answer as the account does: by hand, else by moto, else from nothing."""
        identity = identify(request)
        given = answers.by_hand(request, identity)
        if given is not None:
            self._say(given)
            return
        try:
            self.run(app, environ)
        except Exception:  # a hole, or moto's bug
            made = from_nothing(identity)
            if made is None:
                raise
            self._say(made)
        if self.is_hole:
            made = from_nothing(identity)
            if made is not None:
                self._say(made)
        body = answers.corrected(identity, self.status, self.body)
        if body is not self.body:
            self.body = body
            self.headers = [(name, value) for name, value in self.headers if name.lower() != "content-length"]

    def refuse(self, request: Request) -> None:
        """Say that the operation is not known."""
        self._say(refusal("unsupported", identify(request)))

    def _say(self, said: Filled | Refusal) -> None:
        status = said.status if isinstance(said, Refusal) else HTTPStatus.OK
        self.status = f"{int(status)} {HTTPStatus(status).phrase}"
        self.headers = list(said.headers.items())
        self.body = said.body
        self.failed = False

    def wire(self, is_head: bool) -> bytes:
        if self.failed:
            self.status, self.headers, self.body = "500 Internal Server Error", [("Connection", "close")], b""
        lines = [f"HTTP/1.1 {self.status}"]
        named = {name.lower() for name, _ in self.headers}
        lines += [f"{name}: {value}" for name, value in self.headers]
        if "content-length" not in named and "transfer-encoding" not in named:
            lines.append(f"Content-Length: {len(self.body)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return head if is_head else head + self.body
