"""Servers that answer badly, over real sockets: byte by byte, without end, packed too well, or somewhere else."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

Wire = Iterable[bytes]
"""An answer as it goes over the wire, piece by piece."""


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class BadServer:
    """Listens on a free port of 127.0.0.1 for the length of a `with` block. `answer` makes each answer; a raw one may be anything.

    `requests` holds what was asked, `sent` the bytes that were taken from it, `left` how many answers were cut by who asked.
    """

    def __init__(self, answer: Callable[[Asked], Wire]) -> None:
        self.answer = answer
        self.requests: list[Asked] = []
        self.sent = 0
        self.left = 0
        self.done = threading.Event()

    def __enter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.url = f"http://{self.host}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes who waits: else it might take the number's next owner for it
        self._accepting.join()
        self._listening.close()

    def _accept(self) -> None:
        while not self.done.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while (asked := _request(stream)) is not None:
                self.requests.append(asked)
                try:
                    for piece in self.answer(asked):
                        if self.done.is_set():
                            return
                        connection.sendall(piece)
                        self.sent += len(piece)
                except OSError:
                    self.left += 1
                    return


def _request(stream: Any) -> Asked | None:
    try:
        first = stream.readline().split()
        if len(first) != 3:
            return None
        headers: dict[str, str] = {}
        while line := stream.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Asked(first[0].decode(), first[1].decode(), headers, stream.read(int(headers.get("content-length", 0))))
    except OSError:
        return None


# ---- answers -------------------------------------------------------------------------------------------------------------


def whole(body: bytes, status: str = "200 OK", **headers: str) -> Wire:
    """An honest answer."""
    said = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return [f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{said}\r\n".encode() + body]


def said(value: Any, status: str = "200 OK") -> Wire:
    """JSON."""
    return whole(json.dumps(value).encode(), status, Content_Type="application/json")


def chunked(pieces: Iterable[bytes], **headers: str) -> Wire:
    """A chunk for each piece."""
    said = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    yield f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{said}\r\n".encode()
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def slowly(answer: Wire, pause: float = 0.02) -> Iterator[bytes]:
    """The same, a byte at a time."""
    for piece in answer:
        for at in range(len(piece)):
            yield piece[at : at + 1]
            time.sleep(pause)


# ---- clouds that know who asks, and answer whatever else as they are told --------------------------------------------------

IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Arn>arn:aws:iam::123456789012:user/lab</Arn><UserId>AID</UserId><Account>123456789012</Account></GetCallerIdentityResult>"
    b"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
)
REGIONS = (
    b'<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId><regionInfo><item>'
    b"<regionName>us-east-1</regionName><regionEndpoint>e</regionEndpoint><optInStatus>opt-in-not-required</optInStatus></item>"
    b"</regionInfo></DescribeRegionsResponse>"
)


def account(answer: Callable[[Asked], Wire]) -> Callable[[Asked], Wire]:
    """An AWS account of which nothing but who asks and its one region is answered soundly."""

    def answers(asked: Asked) -> Wire:
        if b"Action=GetCallerIdentity" in asked.body:
            return whole(IDENTITY, Content_Type="text/xml")
        if b"Action=DescribeRegions" in asked.body:
            return whole(REGIONS, Content_Type="text/xml")
        return answer(asked)

    return answers


RESOURCES = [
    {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["list"]},
    {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": ["list"]},
]


def cluster(answer: Callable[[Asked], Wire]) -> Callable[[Asked], Wire]:
    """A cluster of which nothing but what it is and what it serves is answered soundly."""

    def answers(asked: Asked) -> Wire:
        told: dict[str, Any] = {
            "/version": {"major": "1", "minor": "31", "gitVersion": "v1.31.0"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "groups": []},
            "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": RESOURCES},
            "/apis/authentication.k8s.io/v1/selfsubjectreviews": {"status": {"userInfo": {"username": "lab"}}},
        }
        return said(told[asked.path]) if asked.path in told else answer(asked)

    return answers


def kubeconfig(server: BadServer, folder: Path, token: str = "a-token") -> Path:
    """How to reach it."""
    file = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": server.url}}],
        "users": [{"name": "lab", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
    }
    file.write_text(json.dumps(config))
    return file


@dataclass
class Counted:
    """Zeros without end, and how many were taken."""

    size: int = 1024
    taken: int = field(default=0)

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.taken += 1
            yield b" " * self.size
