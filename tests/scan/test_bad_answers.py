"""One bad answer in a whole scan: it is a gap of its call, everything else is judged, and nobody waits for it who wants to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.engine.schedule import Limits
from tests.clusters import rule, write_pack
from tests.servers import Asked, BadServer, Counted, Wire, account, chunked, cluster, kubeconfig, said, slowly, whole

COMMAND = [sys.executable, "-c", "from cnamm_scan.cli.main import main; main()"]
RULES = ["aws.kms.key_rotates", "aws.dynamodb.table_labelled"]
DEEP = 200_000
BAD: Mapping[str, tuple[Callable[[], Wire], str]] = {
    "nested without end": (lambda: whole(b'{"Keys": ' + b"[" * DEEP + b"]" * DEEP + b"}"), "malformed"),
    "a byte now and then": (lambda: slowly(whole(b'{"Keys": []}' + b" " * 10_000)), "timed_out"),
    "chunks without end": (lambda: chunked(Counted(65_536)), "truncated"),
    "larger than can be held": (lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n"], "truncated"),
    "somewhere else": (lambda: whole(b"", "302 Found", Location="http://127.0.0.1:9/"), "unsupported"),
}


def told(asked: Asked, keys: Callable[[], Wire]) -> Wire:
    operation = asked.headers.get("x-amz-target", "").rpartition(".")[2]
    answers: dict[str, Any] = {"ListTables": {"TableNames": []}}
    return keys() if operation == "ListKeys" else said(answers.get(operation, {}))


def scan(server: BadServer, **limits: Any) -> api.Scan:
    settings: dict[str, Any] = {"attempts": 1, "deadline": 2.0} | limits
    options = api.TargetOptions(endpoint_url=server.url)
    return api.scan(["aws"], rules=RULES, regions=["us-east-1"], options=options, limits=Limits(**settings))


@pytest.mark.parametrize("name", BAD)
def test_one_bad_answer_costs_its_call_and_nothing_else(name: str) -> None:
    keys, reason = BAD[name]
    with BadServer(account(lambda asked: told(asked, keys))) as server, scan(server) as done:
        seen = {(result.rule, result.verdict.value, result.reason) for result in done.results()}
        assert ("aws.kms.key_rotates", "unknown", reason) in seen
        assert {each for each in seen if each[0] == "aws.kms.key_rotates"} == {("aws.kms.key_rotates", "unknown", reason)}
        tables = [line for line in done.coverage if line.table == "aws.dynamodb.table"]
        assert {(line.status, line.complete) for line in tables if line.part == "list"} == {("ok", True)}
        assert done.path is not None
        assert run(["verify", str(done.path)]) == 0


PODS = """
service: probe
client: v1
facts:
  kubernetes.probe.pod:
    about: Pods.
    once_per: target
    list: {call: pods, items: items}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
"""
CIRCLES: Mapping[str, Callable[[int], str]] = {
    "the same for ever": lambda turn: "A",
    "two in turns": lambda turn: "AB"[turn % 2],
    "always new": lambda turn: f"token-{turn}",
}


@pytest.mark.parametrize("name", CIRCLES)
def test_pages_without_end_are_truncated(tmp_path: Path, name: str) -> None:
    """What was read is judged, and whether there is more is unknown."""
    turns = 0

    def answer(asked: Asked) -> Wire:
        nonlocal turns
        turns += 1
        pod = {"metadata": {"name": f"pod-{turns}"}}
        metadata = {"continue": CIRCLES[name](turns)}
        return said({"apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": [pod]})

    pack = write_pack(tmp_path / "pack", {"kubernetes/probe": PODS}, [rule("named", "kubernetes.probe.pod", "name LIKE 'pod-%'")])
    for file in (pack / "mappings").rglob("*.yaml"):
        file.unlink()
    named = pack / "rules/kubernetes/probe/named.yaml"
    named.write_text(named.read_text().replace("safety.all-is-well", "resilience.data-is-backed-up"))
    with BadServer(cluster(answer)) as server:
        options = api.TargetOptions(kubeconfig=str(kubeconfig(server, tmp_path)))
        limits = Limits(attempts=1, pages=9, rate=1000, burst=1000)
        with api.scan(["kubernetes"], rules=["kubernetes.probe"], content=[pack], options=options, limits=limits) as done:
            seen = sorted((result.verdict.value, result.reason) for result in done.results())
            assert seen == [*[("pass", "")] * turns, ("unknown", "truncated")]
            assert turns == {"the same for ever": 2, "two in turns": 3, "always new": 9}[name]


def test_ctrl_c_does_not_wait_for_a_byte_now_and_then(tmp_path: Path) -> None:
    """The answer would take ten minutes, and has an hour."""
    with BadServer(account(lambda asked: told(asked, lambda: slowly(whole(b'{"Keys": []}' + b" " * 60_000), 0.01)))) as server:
        arguments = ["scan", "aws", "--endpoint-url", server.url, "--region", "us-east-1", "--output", str(tmp_path / "out")]
        arguments += ["--call-timeout", "3600", "--format", "json", *(part for name in RULES for part in ("--rule", name))]
        process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
        try:
            for _ in range(600):
                if any("ListKeys" in asked.headers.get("x-amz-target", "") for asked in server.requests):
                    break
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 1, err
        assert "Traceback" not in err
        (bundle,) = (tmp_path / "out").glob("*.cnamm")
        assert str(bundle) in err
        assert json.loads(out)["scan"]["interrupted"] is True
        with api.load_bundle(bundle) as done:
            keys = {(line.status, line.code) for line in done.coverage if line.table.startswith("aws.kms.") and line.part == "list"}
            assert keys == {("interrupted", "NotWaitedFor")}
    assert run(["verify", str(bundle)]) == 0
