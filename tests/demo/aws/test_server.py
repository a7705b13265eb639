"""The moto server as a child: it comes up, stays silent, keeps connections, and always ends."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from cnamm_scan.demo.aws.bed import server as bed
from cnamm_scan.demo.aws.bed.server import BedError, MotoServer

Client = Callable[..., Any]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_answers_and_ends_with_the_block(client: Client) -> None:
    with MotoServer() as server:
        pid = server.pid
        assert is_running(pid)
        assert client("sts", server.url).get_caller_identity()["Account"] == "123456789012"
        assert client("ec2", server.url).describe_snapshots()["Snapshots"] == []
        assert client("iam", server.url).list_policies(Scope="AWS", MaxItems=1)["Policies"]
        assert server.stderr_tail() == ""
    assert not is_running(pid)
    assert server.pid == 0


def test_it_keeps_connections_alive(moto_url: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(moto_url).port or 0, timeout=10)
    sockets = []
    for _ in range(3):
        connection.request("GET", "/moto-api/data.json")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        sockets.append(connection.sock)
    connection.close()
    assert sockets[0] is not None
    assert sockets == [sockets[0]] * 3


HOLES: list[tuple[str, str, dict[str, Any], str]] = [
    ("iam", "get_context_keys_for_custom_policy", {"PolicyInputList": ["{}"]}, "InvalidAction"),
    ("ssm", "describe_sessions", {"State": "Active"}, "UnknownOperationException"),
    ("guardduty", "list_members", {"DetectorId": "d"}, "UnknownOperationException"),  # moto: 404 with a page
    ("accessanalyzer", "list_analyzers", {}, "UnknownOperationException"),  # moto: no such service
]


@pytest.mark.parametrize("hole", HOLES, ids=lambda hole: f"{hole[0]}-{hole[1]}")
def test_a_hole_in_moto_looks_like_one_in_aws(moto_url: str, client: Client, hole: tuple[str, str, dict[str, Any], str]) -> None:
    service, method, parameters, code = hole
    with pytest.raises(ClientError) as caught:
        getattr(client(service, moto_url), method)(**parameters)
    assert caught.value.response["Error"]["Code"] == code


def test_a_bug_in_moto_is_a_500_and_no_more(moto_url: str, client: Client) -> None:
    inspector = client("inspector2", moto_url)
    with pytest.raises(ClientError) as caught:
        inspector.enable(resourceTypes=["EC2"])  # moto wants account ids
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert inspector.list_filters()["filters"] == []


def test_a_server_that_is_too_slow_says_so_and_is_ended() -> None:
    server = MotoServer(start_timeout=0.0)
    with pytest.raises(BedError, match=r"moto did not answer on http://127\.0\.0\.1:\d+ within 0 s: it wrote nothing"), server:
        pass
    assert server.pid == 0


def test_a_server_that_breaks_shows_its_stderr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "werkzeug.py").write_text("raise RuntimeError('planted fault')\n")
    with pytest.raises(BedError, match=r"moto ended with code 1: (.|\n)*planted fault"), MotoServer():
        pass


def test_without_moto_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bed, "find_spec", lambda name: None)
    with pytest.raises(BedError, match=r"pip install '\.\[demo\]' in the clone"), MotoServer():
        pass


def test_it_ends_when_its_parent_dies() -> None:
    script = "\n".join(
        [
            "import os",
            "from cnamm_scan.demo.aws.bed.server import MotoServer",
            "server = MotoServer().__enter__()",
            "print(server.pid, flush=True)",
            "os._exit(1)",
        ]
    )
    root = str(Path(bed.__file__).parents[4])
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": root}
    )
    pid = int(ended.stdout)
    deadline = time.monotonic() + 10
    while is_running(pid) and _state(pid) != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid) or _state(pid) == "Z"  # an orphan may wait for whoever reaps it


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "gone"
