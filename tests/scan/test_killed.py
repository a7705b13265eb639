"""Scans that are killed (SIGKILL: nothing runs after it) at any write, and what becomes of what they leave."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from cnamm_scan import api, content
from cnamm_scan.cli.main import run
from cnamm_scan.errors import BundleError
from cnamm_scan.evidence import journal, recover, seal, shards, writer
from cnamm_scan.evidence.bundle import open_bundle, verify
from cnamm_scan.model import Content

POD = """---
apiVersion: v1
kind: Pod
metadata: {name: web-%d, namespace: shop}
spec: {containers: [{name: main, image: 'nginx:1.%d'}]}
"""
PODS = "".join(POD % (n, n) for n in range(6))
RULES = ("kubernetes.core.pod",)


@pytest.fixture(scope="module")
def small() -> Content:
    """The shipped content with few rules: what is read, packed and judged is little."""
    whole = content.load()
    rules = {name: rule for name, rule in whole.rules.items() if name.startswith(RULES)}
    assert len(rules) > 10
    files = {
        name: raw
        for name, raw in whole.files.items()
        if name.startswith(("mappings/", "collectors/kubernetes/"))
        or (name.startswith("rules/") and name.removeprefix("rules/").removesuffix(".yaml").replace("/", ".") in rules)
    }
    return content.load_files(files)


@pytest.fixture(autouse=True)
def _content(small: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "load", lambda packs=(), **_: small)


@pytest.fixture
def pods(tmp_path: Path) -> str:
    (tmp_path / "pods.yaml").write_text(PODS)
    return f"kubernetes:{tmp_path / 'pods.yaml'}"


def _in_a_child(work: Callable[[], Any]) -> int:
    """Do it in a process of its own; how that ended, as `waitpid` tells it."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 (nothing of the child may come back into the tests)
            os._exit(9)
    return os.waitpid(child, 0)[1]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _killed_at(number: int, pods: str, output: Path, *, torn: bool) -> bool:
    """Scan, and be killed at one of the writes, before it or in its middle. False: there were not so many."""

    def work() -> None:
        count = 0
        real = shards.put

        def put(stream: IO[bytes], raw: bytes | bytearray) -> None:
            nonlocal count
            count += 1
            if count == number:
                if torn:
                    real(stream, bytes(raw[: len(raw) // 2]))
                _die()
            real(stream, raw)

        shards.put = journal.put = seal.put = put  # type: ignore[attr-defined]
        api.scan([pods], output=output).close()

    ended = _in_a_child(work)
    assert ended in (0, signal.SIGKILL), ended
    return ended != 0


def _writes(pods: str, output: Path) -> int:
    """How often an unharmed scan writes."""
    counted = output.parent / "counted"

    def work() -> None:
        count = 0
        real = shards.put

        def put(stream: IO[bytes], raw: bytes | bytearray) -> None:
            nonlocal count
            count += 1
            real(stream, raw)

        shards.put = journal.put = seal.put = put  # type: ignore[attr-defined]
        api.scan([pods], output=output).close()
        counted.write_text(str(count))

    assert _in_a_child(work) == 0
    return int(counted.read_text())


@pytest.fixture
def whole(pods: str, tmp_path: Path) -> tuple[dict[str, Any], int]:
    """The report of the scan that nobody kills, and how often it writes."""
    writes = _writes(pods, tmp_path / "whole")
    (path,) = (tmp_path / "whole").iterdir()
    with api.load_bundle(path) as done:
        return done.report(), writes


def _sealed(partial: Path, whole: dict[str, Any]) -> bool:
    """Seal it, and see that what it says can be true of the whole. False: there was nothing to seal."""
    folder = partial.parent
    for reader in (api.load_bundle, open_bundle):
        with pytest.raises(BundleError):
            reader(partial)
    try:
        with api.evaluate(partial) as done:
            path, report = done.path, done.report()
            assert done.interrupted
    except BundleError as refused:
        assert "cannot be sealed" in refused.what
        assert list(folder.iterdir()) == [partial]
        return False
    assert path is not None
    assert list(folder.iterdir()) == [path]
    assert len(list(verify(open_bundle(path)))) == 3
    assert stat.S_IMODE(path.stat().st_mode) in (0o700, 0o600)
    for mine, theirs in zip(report["models"], whole["models"], strict=True):
        assert mine["overall"]["low"] <= theirs["overall"]["low"]
        assert mine["overall"]["high"] >= theirs["overall"]["high"]
    seen = {(finding["rule"], finding["resource"]) for finding in report["findings"]}
    assert seen <= {(finding["rule"], finding["resource"]) for finding in whole["findings"]}
    return True


def _kill_and_seal(number: int, pods: str, folder: Path, whole: dict[str, Any], *, torn: bool, zipped: bool = False) -> bool:
    folder.mkdir()
    output = folder / "scan.cnamm.zip" if zipped else folder
    assert _killed_at(number, pods, output, torn=torn)
    (partial,) = folder.iterdir()
    assert recover.left_behind(folder) in ([partial], [])
    return _sealed(partial, whole)


BEGINNING = 4
"""The writes of the content, the salts, and what the scan is about."""


def test_a_scan_killed_at_any_write_can_be_sealed_once_it_has_begun(pods: str, whole: tuple[dict[str, Any], int], tmp_path: Path) -> None:
    report, writes = whole
    assert writes > 40
    points = [1, 2, BEGINNING, BEGINNING + 1, 20, writes // 2, writes - 4, writes - 1, writes]
    for turn, number in enumerate(points):
        sealed = _kill_and_seal(number, pods, tmp_path / str(number), report, torn=turn % 2 == 0, zipped=turn % 3 == 0)
        assert sealed or number <= BEGINNING, number


@pytest.mark.slow
def test_a_scan_killed_fifty_times(pods: str, whole: tuple[dict[str, Any], int], tmp_path: Path) -> None:
    """Before a write or in its middle, into a folder or a zip: each of the four in its turn, as each kill takes a second or more."""
    report, writes = whole
    for turn, number in enumerate(sorted(random.Random(7).sample(range(1, writes + 1), min(50, writes)))):
        sealed = _kill_and_seal(number, pods, tmp_path / str(number), report, torn=turn % 2 == 0, zipped=turn % 4 < 2)
        assert sealed or number <= BEGINNING, number


@pytest.mark.slow
def test_a_scan_killed_at_fifty_moments(pods: str, whole: tuple[dict[str, Any], int], tmp_path: Path) -> None:
    """Not at writes of ours but whenever it happens: a process that is killed from outside."""
    chance = random.Random(7)
    for turn in range(50):
        folder = tmp_path / str(turn)
        folder.mkdir()
        child = os.fork()
        if child == 0:
            try:
                api.scan([pods], output=folder).close()
            finally:
                os._exit(0)
        time = chance.uniform(0, 1.5)
        signal.sigtimedwait([signal.SIGUSR2], time)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for path in folder.iterdir():
            if path.name.endswith(".partial"):
                _sealed(path, whole[0])


def _die_at(name: str, module: Any) -> Callable[[], Any]:
    def work() -> None:
        setattr(module, name, lambda *_, **__: _die())

    return work


def test_a_scan_killed_when_only_its_name_is_left_gets_it(pods: str, whole: tuple[dict[str, Any], int], tmp_path: Path) -> None:
    for number, output in enumerate([tmp_path / "1", tmp_path / "2" / "scan.cnamm.zip"]):
        folder = tmp_path / str(number + 1)
        folder.mkdir()

        def work(output: Path = output) -> None:
            writer.named = lambda *_: _die()  # type: ignore[attr-defined]
            api.scan([pods], output=output).close()

        assert _in_a_child(work) == signal.SIGKILL
        (partial,) = folder.iterdir()
        assert not (partial / "begun.jsonl").exists()
        with api.evaluate(partial) as done:
            assert not done.interrupted  # nothing was lost but the name
            assert done.report()["models"] == whole[0]["models"]
            (path,) = folder.iterdir()
            assert done.path == path
        assert list(verify(open_bundle(path)))


def test_a_killed_sealing_is_sealed_by_the_next(pods: str, whole: tuple[dict[str, Any], int], tmp_path: Path) -> None:
    folder = tmp_path / "twice"
    folder.mkdir()
    assert _killed_at(30, pods, folder, torn=True)
    (partial,) = folder.iterdir()

    def work() -> None:
        writer.seal = lambda *_: _die()  # type: ignore[attr-defined]
        api.evaluate(partial)

    assert _in_a_child(work) == signal.SIGKILL
    assert sorted(path.name for path in folder.iterdir()) == [partial.name, partial.name.replace(".partial", ".sealing")]
    assert _sealed_after(partial, whole[0])


def _sealed_after(partial: Path, whole: dict[str, Any]) -> bool:
    with api.evaluate(partial) as done:
        assert done.path is not None
        return list(partial.parent.iterdir()) == [done.path] and len(list(verify(open_bundle(done.path)))) == 3


def test_facts_of_a_journal_and_of_shards_are_taken_once(pods: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after a piece was written and before the journal was emptied, an entry stands in both."""

    def work() -> None:
        os.ftruncate = lambda *_: _die()
        api.scan([pods], output=tmp_path / "out").close()

    assert _in_a_child(work) == signal.SIGKILL
    (partial,) = (tmp_path / "out").iterdir()
    journal = (partial / "journal.jsonl").read_bytes().splitlines()
    assert len(journal) > 20
    assert list((partial / "entries").iterdir())
    with api.evaluate(partial) as done:
        assert done.bundle is not None
        facts = [json.loads(line)["id"] for line in journal if json.loads(line)["kind"] == "fact"]
        stored = [fact["id"] for fact in done.bundle.entries("fact")]
    assert len(stored) == len(set(stored))
    assert set(facts) <= set(stored)


# ---- who may seal, and who says so -----------------------------------------------------------------------------------------


@pytest.fixture
def partial(pods: str, tmp_path: Path) -> Path:
    folder = tmp_path / "killed"
    folder.mkdir()
    assert _killed_at(30, pods, folder, torn=False)
    (found,) = folder.iterdir()
    return found


def test_a_scan_that_is_running_is_not_sealed(partial: Path) -> None:
    """Whoever holds the lock is alive; two scans into one folder are none of each other's business."""
    program = "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); sys.stdin.read()"
    begun = str(partial / "begun.jsonl")
    with subprocess.Popen([sys.executable, "-c", program, begun], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert recover.left_behind(partial.parent) == []
        with pytest.raises(BundleError, match="still running"):
            api.evaluate(partial)
        other.communicate()
    assert recover.left_behind(partial.parent) == [partial]


def test_the_next_scan_names_what_was_left(partial: Path, pods: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", pods, "--output", str(partial.parent), "--format", "csv"]) == 0
    said = capsys.readouterr()
    (line,) = (line for line in said.err.splitlines() if "unfinished scan" in line)
    assert f"cnamm-scan evaluate {partial}" in line
    assert "unfinished" not in said.out
    assert run(["evaluate", str(partial), "--format", "csv"]) == 0
    said = capsys.readouterr()
    assert f"sealed: {partial.with_suffix('')}" in said.err
    assert run(["scan", pods, "--output", str(partial.parent), "--format", "csv"]) == 0
    assert "unfinished" not in capsys.readouterr().err


def test_a_sealed_bundle_may_be_judged_by_others_at_once(partial: Path) -> None:
    with api.evaluate(partial, rules=["kubernetes.core"]) as done:
        assert {tally.rule for tally in done.tallies if tally.judged or tally.not_applicable}
        assert done.path == partial.with_suffix("")


def test_what_an_sdk_could_not_show_stays_unread_when_it_is_sealed(partial: Path) -> None:
    """The plan is made again from content, which says nothing of the SDK that was there on the day."""
    told = json.loads((partial / "begun.jsonl").read_bytes().splitlines()[0])["plan"]
    table = told["tables"]["kubernetes.core.pod"]
    unread = "metadata.labels"
    assert unread in table["paths"]
    table["paths"].remove(unread)
    table["unsupported"] = [unread]
    _rewrite(partial, {"plan": told})
    with api.evaluate(partial) as done:
        assert done.bundle is not None
        kept = done.bundle.asked()["kubernetes.core.pod"]
        assert kept["unsupported"] == [unread]
        assert unread not in kept["paths"]


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "no beginning": lambda path: (path / "begun.jsonl").unlink(),
    "an empty beginning": lambda path: (path / "begun.jsonl").write_bytes(b""),
    "half a beginning": lambda path: (path / "begun.jsonl").write_bytes((path / "begun.jsonl").read_bytes()[:100]),
    "a beginning that is a link": lambda path: _made_a_link(path / "begun.jsonl"),
    "a deep beginning": lambda path: (path / "begun.jsonl").write_bytes(b"[" * 100_000 + b"\n"),
    "a newer beginning": lambda path: _rewrite(path, {"format": 9}),
    "another path": lambda path: _rewrite(path, {"path": "../x.cnamm"}),
    "no method": lambda path: (path / "method.tar.bz2").unlink(),
    "another method": lambda path: (path / "method.tar.bz2").write_bytes(b"x"),
    "a pipe": lambda path: os.mkfifo(path / "entries" / "fact-00009.jsonl.gz"),
}


def _made_a_link(file: Path) -> None:
    file.symlink_to(file.rename(file.parent.parent / "elsewhere"))


def _rewrite(path: Path, change: dict[str, Any]) -> None:
    first, *rest = (path / "begun.jsonl").read_bytes().splitlines(keepends=True)
    (path / "begun.jsonl").write_bytes(json.dumps({**json.loads(first), **change}).encode() + b"\n" + b"".join(rest))


@pytest.mark.parametrize("what", DAMAGE)
def test_what_cannot_be_sealed_is_said_and_left_alone(partial: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    DAMAGE[what](partial)
    before = sorted(path.name for path in partial.rglob("*"))
    assert run(["evaluate", str(partial)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "  do: " in said.err
    assert sorted(path.name for path in partial.rglob("*")) == before


def test_odd_lines_among_what_was_collected_are_left_out(partial: Path) -> None:
    journal = partial / "journal.jsonl"
    odd = [b"", b"[1]", b"{}", b'{"kind":"fact"}', b'{"id":"x","kind":"score"}', b"\xff", b"[" * 100_000, b'{"a":1.5}']
    raw = journal.read_bytes()
    whole = raw[: raw.rindex(b"\n") + 1]
    foreign = json.loads(whole.splitlines()[-1])
    foreign["target"] = "kubernetes:another"
    odd.append(json.dumps(foreign, separators=(",", ":"), sort_keys=True).encode())
    journal.write_bytes(b"\n".join(odd) + b"\n" + whole + b'{"torn')
    with api.evaluate(partial) as done:
        assert done.bundle is not None
        ids = {fact["id"] for fact in done.bundle.entries("fact")}
        assert {json.loads(line)["id"] for line in whole.splitlines() if json.loads(line)["kind"] == "fact"} - ids <= {foreign["id"]}


def _modes(path: Path) -> Iterator[int]:
    for each in (path, *path.rglob("*")):
        yield stat.S_IMODE(each.stat().st_mode)


def test_nobody_else_may_read_a_bundle_nor_what_is_left_of_one(partial: Path, pods: str, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert set(_modes(partial)) == {0o700, 0o600}
        with api.scan([pods], output=tmp_path / "open") as done:
            assert done.path is not None
            assert set(_modes(done.path)) == {0o700, 0o600}
        with api.evaluate(partial) as sealed:
            assert sealed.path is not None
            assert set(_modes(sealed.path)) == {0o700, 0o600}
    finally:
        os.umask(before)


def test_two_scans_into_one_folder_at_once(pods: str, tmp_path: Path) -> None:
    output = tmp_path / "both"
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                api.scan([pods], output=output).close()
                os._exit(0)
            finally:
                os._exit(9)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    one, other = sorted(output.iterdir())
    for path in (one, other):
        assert list(verify(open_bundle(path)))
    with api.load_bundle(one) as first, api.load_bundle(other) as second:
        assert first.report()["models"] == second.report()["models"]
