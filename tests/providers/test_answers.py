"""Answers that no honest server gives, over real sockets, to both wings: each ends within its bounds, as a gap with its own reason."""

from __future__ import annotations

import gzip
import json
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.model import Reason
from cnamm_scan.providers.aws.provider import AwsProvider
from cnamm_scan.providers.aws.session import Options as AwsOptions
from cnamm_scan.providers.bounds import Bounds
from cnamm_scan.providers.interface import Answer, CallFailedError, Provider, Request
from cnamm_scan.providers.kubernetes.provider import Options, connect
from cnamm_scan.providers.reading import read_body
from tests.servers import Asked, BadServer, Counted, Wire, account, chunked, cluster, kubeconfig, said, slowly, whole

SMALL = Bounds(body=64 * 1024, framing=16 * 1024, seconds=30.0)
GOOD = {
    "aws": {"Keys": [{"KeyId": "a"}]},
    "kubernetes": {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": [{"metadata": {"name": "a"}}]},
}
ASK = {"aws": Request("kms", "ListKeys", "us-east-1"), "kubernetes": Request("v1", "pods", "global")}
ONE_PAGE = {**ASK, "kubernetes": Request("v1", "pods", "global", {"limit": 500})}
"""The same where no smaller page is asked for."""
WINGS = tuple(ASK)


@contextmanager
def reached(wing: str, folder: Path, answer: Callable[[Asked], Wire], bounds: Bounds = SMALL) -> Iterator[tuple[Provider, BadServer]]:
    """A provider connected to a server that answers so."""
    around = {"aws": account, "kubernetes": cluster}[wing]
    with BadServer(around(answer)) as server:
        if wing == "aws":
            provider: Provider = AwsProvider(AwsOptions(endpoint_url=server.url, bounds=bounds))
        else:
            provider = connect("", Options(kubeconfig=str(kubeconfig(server, folder)), bounds=bounds))
        try:
            yield provider, server
        finally:
            provider.close()


def fails(provider: Provider, request: Request, seconds: float | None = None) -> CallFailedError:
    ends = None if seconds is None else time.monotonic() + seconds
    asked = Request(request.client, request.operation, request.region, request.parameters, ends=ends)
    with pytest.raises(CallFailedError) as caught:
        provider.call(asked)
    return caught.value


def padded(wing: str, size: int) -> bytes:
    """A sound body of this size."""
    body = json.dumps(GOOD[wing]).encode()
    return body + b" " * (size - len(body))


def of(wing: str, answer: Answer) -> int:
    """How many items an answer holds."""
    return len(answer.data["Keys"] if wing == "aws" else answer.data["items"])


# ---- size ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wing", WINGS)
def test_a_body_may_be_as_large_as_the_bound(wing: str, tmp_path: Path) -> None:
    with reached(wing, tmp_path, lambda _: whole(padded(wing, SMALL.body))) as (provider, _):
        assert of(wing, provider.call(ASK[wing])) == 1


@pytest.mark.parametrize("wing", WINGS)
def test_and_no_larger(wing: str, tmp_path: Path) -> None:
    with reached(wing, tmp_path, lambda _: whole(padded(wing, SMALL.body + 1))) as (provider, _):
        failure = fails(provider, ONE_PAGE[wing])
        assert (failure.reason, failure.code, failure.retry) == (Reason.TRUNCATED, "TooLarge", False)


@pytest.mark.parametrize("wing", WINGS)
def test_a_body_that_says_that_it_is_too_large_is_not_read(wing: str, tmp_path: Path) -> None:
    def answer(asked: Asked) -> Wire:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n"
        server.done.wait(20)  # not a byte of it comes, nor is waited for

    with reached(wing, tmp_path, answer) as (provider, server):
        failure = fails(provider, ONE_PAGE[wing])
        assert (failure.reason, failure.code) == (Reason.TRUNCATED, "TooLarge")


@pytest.mark.parametrize("wing", WINGS)
@pytest.mark.parametrize("size", [1, 4096])
def test_chunks_without_end_end_at_the_bound(wing: str, tmp_path: Path, size: int) -> None:
    endless = Counted(size)
    with reached(wing, tmp_path, lambda _: chunked(endless)) as (provider, server):
        failure = fails(provider, ONE_PAGE[wing])
        assert (failure.reason, failure.code) == (Reason.TRUNCATED, "TooLarge")
        _until(lambda: server.left == 1)
        assert server.sent < 100 * SMALL.body  # what sockets hold on the way besides


@pytest.mark.parametrize("wing", WINGS)
def test_a_body_until_the_connection_ends_is_bounded_too(wing: str, tmp_path: Path) -> None:
    def answer(asked: Asked) -> Wire:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        yield from Counted(4096)

    with reached(wing, tmp_path, answer) as (provider, _):
        failure = fails(provider, ONE_PAGE[wing])
        assert (failure.reason, failure.code) == (Reason.TRUNCATED, "TooLarge")


def _packed(size: int) -> bytes:
    """That many spaces, packed: a thousandth of it."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS + 16)
    piece = b" " * 1_000_000
    return b"".join(packer.compress(piece) for _ in range(size // len(piece))) + packer.flush()


def test_what_unpacks_to_more_than_the_bound_is_not_held(tmp_path: Path) -> None:
    packed = _packed(40_000_000)
    assert len(packed) < SMALL.body
    with reached("kubernetes", tmp_path, lambda _: whole(packed, Content_Encoding="gzip")) as (provider, _):
        tracemalloc.start()
        failure = fails(provider, ONE_PAGE["kubernetes"])
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (failure.reason, failure.code) == (Reason.TRUNCATED, "TooLarge")
        assert most < 4_000_000


def test_what_is_packed_and_small_is_read(tmp_path: Path) -> None:
    body = json.dumps(GOOD["kubernetes"]).encode()
    twice = gzip.compress(body[:40]) + gzip.compress(body[40:])  # members may follow each other
    for packed, encoding in ((gzip.compress(body), "gzip"), (twice, "x-gzip"), (zlib.compress(body), "deflate")):
        with reached("kubernetes", tmp_path, _packed_as(packed, encoding)) as (provider, _):
            assert of("kubernetes", provider.call(ASK["kubernetes"])) == 1


@pytest.mark.parametrize("wing", WINGS)
@pytest.mark.parametrize("kind", ["cut", "no gzip", "unknown"])
def test_what_cannot_be_unpacked_is_malformed(wing: str, tmp_path: Path, kind: str) -> None:
    packed = gzip.compress(json.dumps(GOOD[wing]).encode())
    body = {"cut": packed[:-9], "no gzip": b"\x1f\x8b" + b"x" * 50, "unknown": packed}[kind]
    with reached(wing, tmp_path, lambda _: whole(body, Content_Encoding="br" if kind == "unknown" else "gzip")) as (provider, _):
        assert fails(provider, ASK[wing]).reason is Reason.MALFORMED


def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(tmp_path: Path) -> None:
    """500 objects of a kind may be more than is held at once, and each of them honest."""

    def answer(asked: Asked) -> Wire:
        limit = int(dict(part.split("=") for part in asked.path.partition("?")[2].split("&"))["limit"])
        pods = [{"metadata": {"name": f"{n}"}, "spec": "x" * 1000} for n in range(limit)]
        return said({"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": pods})

    with reached("kubernetes", tmp_path, answer) as (provider, server):
        first = provider.call(ASK["kubernetes"])
        assert (first.data, first.note) == ({"items": []}, "SmallerPages")
        second = provider.call(Request("v1", "pods", "global", page=first.next_page))
        assert len(second.data["items"]) == 50
        assert [asked.path.rpartition("limit=")[2] for asked in server.requests if "pods" in asked.path] == ["500", "50"]


# ---- time ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wing", WINGS)
@pytest.mark.parametrize("part", ["status line", "headers", "body", "chunks", "going on"])
def test_a_byte_now_and_then_is_no_answer(wing: str, tmp_path: Path, part: str) -> None:
    """Each byte comes long before the timeout of a read; together they would take a minute, and more."""
    body = padded(wing, 4000)

    def answer(asked: Asked) -> Wire:
        if part == "status line":
            return slowly([b"HTTP/1.1 200 " + b"O" * 4000])
        if part == "headers":
            return slowly([b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 4000])
        if part == "body":
            return slowly(whole(body))
        if part == "chunks":
            return slowly(chunked(body[at : at + 1] for at in range(len(body))))
        return slowly([b"HTTP/1.1 100 Continue\r\n\r\n" * 1000])

    with reached(wing, tmp_path, answer) as (provider, server):
        failure = fails(provider, ASK[wing], seconds=0.5)
        assert (failure.reason, failure.code) == (Reason.TIMED_OUT, "Deadline")
        assert server.sent < 3000


@pytest.mark.parametrize("wing", WINGS)
def test_silence_ends_at_the_deadline_too(wing: str, tmp_path: Path) -> None:
    def answer(asked: Asked) -> Wire:
        server.done.wait(20)
        return []

    with reached(wing, tmp_path, answer) as (provider, server):
        failure = fails(provider, ASK[wing], seconds=0.3)
        assert failure.reason is Reason.TIMED_OUT


@pytest.mark.parametrize("wing", WINGS)
def test_what_comes_slowly_but_in_time_is_read(wing: str, tmp_path: Path) -> None:
    with reached(wing, tmp_path, lambda _: slowly(whole(json.dumps(GOOD[wing]).encode()), 0.001)) as (provider, _):
        asked = Request(ASK[wing].client, ASK[wing].operation, ASK[wing].region, ends=time.monotonic() + 20)
        assert of(wing, provider.call(asked)) == 1


# ---- lines and depth -----------------------------------------------------------------------------------------------------

DEEP = 200_000
LINES = {
    "a header without end": b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n",
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(150)) + b"\r\n",
}


@pytest.mark.parametrize("wing", WINGS)
@pytest.mark.parametrize("name", LINES)
def test_lines_without_end_are_malformed(wing: str, tmp_path: Path, name: str) -> None:
    with reached(wing, tmp_path, lambda _: [LINES[name]], Bounds(body=SMALL.body, framing=SMALL.body)) as (provider, _):
        assert fails(provider, ASK[wing]).reason is Reason.MALFORMED


@pytest.mark.parametrize("wing", WINGS)
def test_the_line_of_a_chunk_has_an_end(wing: str, tmp_path: Path) -> None:
    """urllib3 reads it before it looks at it."""

    def answer(asked: Asked) -> Wire:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        yield from Counted(4096)

    with reached(wing, tmp_path, answer) as (provider, _):
        assert fails(provider, ONE_PAGE[wing]).reason in (Reason.MALFORMED, Reason.TRUNCATED)  # the first where urllib3 bounds it itself


NESTED: dict[str, tuple[str, Request, bytes, dict[str, str]]] = {
    "json lists": ("aws", ASK["aws"], b'{"Keys": ' + b"[" * DEEP + b"]" * DEEP + b"}", {}),
    "json objects": ("aws", ASK["aws"], b'{"a":' * DEEP + b"1" + b"}" * DEEP, {}),
    "json of an error": ("aws", ASK["aws"], b"[" * DEEP, {"status": "400 Bad Request"}),
    "rest-json": ("aws", Request("lambda", "ListFunctions", "us-east-1"), b'{"Functions": ' + b"[" * DEEP + b"]" * DEEP + b"}", {}),
    "cbor": ("aws", Request("cloudwatch", "DescribeAlarms", "us-east-1"), b"\x81" * DEEP, {"Smithy_Protocol": "rpc-v2-cbor"}),
    "an item": (
        "kubernetes",
        ASK["kubernetes"],
        b'{"apiVersion":"v1","kind":"PodList","items":[' + b"[" * DEEP + b"]" * DEEP + b"]}",
        {},
    ),
    "a list": ("kubernetes", ASK["kubernetes"], b'{"apiVersion":' * DEEP + b"1" + b"}" * DEEP, {}),
}


@pytest.mark.parametrize("name", NESTED)
def test_what_nests_without_end_is_malformed(tmp_path: Path, name: str) -> None:
    wing, request, body, headers = NESTED[name]
    answer = whole(body, headers.get("status", "200 OK"), **{k: v for k, v in headers.items() if k != "status"})
    with reached(wing, tmp_path, lambda _: answer, Bounds()) as (provider, _):
        assert fails(provider, request).reason is Reason.MALFORMED


@pytest.mark.parametrize("request_", [Request("iam", "ListUsers", "us-east-1"), Request("s3", "ListBuckets", "us-east-1")])
def test_xml_that_nests_without_end_holds_nothing(tmp_path: Path, request_: Request) -> None:
    """XML is read by shape, and this has none of it: refused, or without any of what was asked for."""
    with reached("aws", tmp_path, lambda _: whole(b"<a>" * DEEP + b"</a>" * DEEP), Bounds(body=DEEP * 8)) as (provider, _):
        try:
            told = provider.call(request_).data
        except CallFailedError as failure:
            assert failure.reason is Reason.MALFORMED
        else:
            assert not any(told.values())


# ---- somewhere else ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wing", WINGS)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_nobody_is_followed_to_another_host(wing: str, tmp_path: Path, status: str) -> None:
    with BadServer(lambda _: said(GOOD[wing])) as elsewhere:
        with reached(wing, tmp_path, lambda _: whole(b"", status, Location=f"{elsewhere.url}/api/v1/pods")) as (provider, server):
            failure = fails(provider, ASK[wing])
            assert failure.reason is Reason.UNSUPPORTED
            assert not failure.retry
            # of AWS it is signed, and the signature goes nowhere else; to a cluster in clear no token goes in the first place
            assert ("authorization" in server.requests[-1].headers) is (wing == "aws")
        assert elsewhere.requests == []


# ---- of another kind -----------------------------------------------------------------------------------------------------

OTHER: dict[str, dict[str, Any]] = {
    "secrets": {"apiVersion": "v1", "kind": "SecretList", "items": [{"metadata": {"name": "a"}}]},
    "no secrets": {"apiVersion": "v1", "kind": "SecretList", "items": []},
    "a list of anything": {"apiVersion": "v1", "kind": "List", "items": []},
    "of another version": {"apiVersion": "v2", "kind": "PodList", "items": []},
    "of another group": {"apiVersion": "metrics.k8s.io/v1", "kind": "PodList", "items": []},
    "of no version": {"kind": "PodList", "items": []},
    "an object": {"apiVersion": "v1", "kind": "Pod", "items": []},
    "metadata": {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "items": []},
}


@pytest.mark.parametrize("is_known", [True, False], ids=["discovered", "blind"])
@pytest.mark.parametrize("name", OTHER)
def test_a_list_of_another_kind_is_malformed(tmp_path: Path, name: str, is_known: bool) -> None:
    """With no items it would read as "none" of the kind that was asked for."""

    def answer(asked: Asked) -> Wire:
        return said(OTHER[name])

    with BadServer(lambda asked: _seen(asked, cluster(answer), is_known)) as server:
        provider = connect("", Options(kubeconfig=str(kubeconfig(server, tmp_path)), bounds=SMALL))
        failure = fails(provider, ASK["kubernetes"])
        assert failure.reason is Reason.MALFORMED
        provider.close()


def _seen(asked: Asked, answer: Callable[[Asked], Wire], is_known: bool) -> Wire:
    if not is_known and asked.path in ("/api", "/apis"):
        return said({"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}, "403 Forbidden")
    return answer(asked)


def test_an_honest_empty_list_is_one_where_nothing_can_be_discovered(tmp_path: Path) -> None:
    empty = {"apiVersion": "v1", "kind": "PodList", "items": []}
    with BadServer(lambda asked: _seen(asked, cluster(lambda _: said(empty)), False)) as server:
        provider = connect("", Options(kubeconfig=str(kubeconfig(server, tmp_path)), bounds=SMALL))
        assert provider.call(ASK["kubernetes"]).data == {"items": []}
        provider.close()


# ---- afterwards ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wing", WINGS)
def test_after_a_bad_answer_the_next_is_read(wing: str, tmp_path: Path) -> None:
    """A connection with bytes left on it is not used again, and one that was read to its end is."""
    turns = iter([whole(padded(wing, SMALL.body + 1)), whole(b"[" * DEEP), slowly(whole(padded(wing, 4000)))])
    wide = Bounds(body=SMALL.body, framing=SMALL.framing)
    with reached(wing, tmp_path, lambda _: next(turns, said(GOOD[wing])), wide) as (provider, _):
        limited = ONE_PAGE[wing]
        reasons = [fails(provider, limited, 5).reason, fails(provider, limited, 5).reason, fails(provider, limited, 0.3).reason]
        assert reasons == [Reason.TRUNCATED, Reason.TRUNCATED, Reason.TIMED_OUT]
        for _ in range(3):
            assert of(wing, provider.call(ASK[wing])) == 1


@pytest.mark.parametrize("wing", WINGS)
def test_one_slow_answer_delays_no_other(wing: str, tmp_path: Path) -> None:
    first = threading.Event()

    def answer(asked: Asked) -> Wire:
        if not first.is_set():
            first.set()
            return slowly(whole(padded(wing, 4000)))
        return said(GOOD[wing])

    with reached(wing, tmp_path, answer) as (provider, _):
        found: list[Reason] = []
        thread = threading.Thread(target=lambda: found.append(fails(provider, ASK[wing], 2.0).reason))
        thread.start()
        assert first.wait(10)
        assert of(wing, provider.call(ASK[wing])) == 1
        assert found == []
        thread.join()
        assert found == [Reason.TIMED_OUT]


# ---- reading by itself ---------------------------------------------------------------------------------------------------


class _Streamed:
    def __init__(self, body: bytes, encoding: str, piece: int) -> None:
        self.headers = {"Content-Encoding": encoding}
        self.body, self.piece = body, piece
        self.released = self.closed = 0

    def stream(self, amt: int, decode_content: bool) -> Iterator[bytes]:
        assert not decode_content
        for at in range(0, len(self.body), self.piece):
            yield self.body[at : at + self.piece]

    def release_conn(self) -> None:
        self.released += 1

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("piece", [1, 7, 1000, 100_000])
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000])
def test_packed_bodies_come_out_whole_however_they_are_cut(size: int, piece: int) -> None:
    body = b"ab" * (size // 2) + b"c" * (size % 2)
    if size and piece == 1 and size > 70_000:
        body = body[:70_000]
    for made, encoding in ((body, ""), (gzip.compress(body), "gzip"), (zlib.compress(body), "deflate")):
        response = _Streamed(made, encoding, piece)
        assert read_body(response, Bounds()) == body
        assert (response.released, response.closed) == (1, 0)
        if body:
            with pytest.raises(CallFailedError):
                read_body(refusing := _Streamed(made, encoding, piece), Bounds(body=len(body) - 1))
            assert (refusing.released, refusing.closed) == (0, 1)


# ---- small things --------------------------------------------------------------------------------------------------------


def _packed_as(packed: bytes, encoding: str) -> Callable[[Asked], Wire]:
    return lambda _: whole(packed, Content_Encoding=encoding)


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    pytest.fail("it never came")
