"""The disk fills, or the output is taken away, at any write: one clear error, nothing looks whole, what was collected can be sealed."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from cnamm_scan import api
from cnamm_scan.errors import BundleError
from cnamm_scan.evidence import journal, seal, shards
from cnamm_scan.evidence.bundle import BundleWriter, open_bundle, verify
from tests.bundles import HOME, ONE, RULES, SCAN_ID, account, pocket
from tests.small_files import small_files

ABOUT = {
    "scan": {name: value for name, value in account(SCAN_ID).items() if name not in ("finished_at", "interrupted")},
    "plan": {"rules": [rule.id for rule in RULES], "tables": {}},
}
MANIFEST = {"scan": account(SCAN_ID), "plan": {"rules": [rule.id for rule in RULES], "tables": {}}}


def _whole(output: Path) -> Path:
    """What a scan does with a writer, from the beginning to the end."""
    made = BundleWriter(output, SCAN_ID, redaction_key=b"tests")
    try:
        made.begin(pocket(), ABOUT)
        for n in range(200):
            key = f"bucket-{n}"
            made.fact(table="aws.s3.bucket", target=ONE, region=HOME, key=key, data={"name": key}, gaps={}, calls=(), redact=())
        made.ended(ONE, (), 1, 0)
        made.settle()
        for n in range(50):
            made.entry("objective", f"o{n}", {"n": n})
        return made.finish(pocket(), MANIFEST)
    except BaseException:
        made.abandon()
        raise


def _failing(monkeypatch: pytest.MonkeyPatch, number: int, error: OSError) -> Callable[[], int]:
    """From the given write on the disk takes half of one more, and then nothing. How many writes there were."""
    count = 0
    real = shards.put

    def put(stream: IO[bytes], raw: bytes | bytearray) -> None:
        nonlocal count
        count += 1
        if count == number:
            real(stream, bytes(raw[: len(raw) // 2]))
        if count >= number:
            raise error
        real(stream, raw)

    for room in (shards, journal, seal):
        monkeypatch.setattr(room, "put", put)
    return lambda: count


FULL = OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_at_any_write_is_said_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        counted = _failing(patch, 10**9, FULL)
        _whole(tmp_path / "whole")
        writes = counted()
    assert writes > 205
    sealed = 0
    for number in [*range(1, 12), 100, *range(writes - 8, writes + 1)]:
        output = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch:
            _failing(patch, number, FULL)
            with pytest.raises(BundleError, match="the bundle cannot be written: No space left on device") as refused:
                _whole(output)
        left = list(output.iterdir()) if output.is_dir() else []  # a folder that was made for the bundle goes with it
        if not left:
            assert "free space or choose another folder" in refused.value.do
            assert number <= 6  # nothing was collected yet
            continue
        (partial,) = left
        assert partial.name == f"{SCAN_ID}.cnamm.partial"
        assert f"cnamm-scan evaluate {partial}" in refused.value.do
        with api.evaluate(partial) as done:
            assert done.bundle is not None
            keys = {fact["key"] for fact in done.bundle.entries("fact") if fact["table"] == "aws.s3.bucket"} - {"unread#end"}
            assert len(keys) >= min(number - 6, 200)
            assert done.path is not None
            assert list(verify(open_bundle(done.path)))
        sealed += 1
    assert sealed > 10


@pytest.mark.parametrize("error", [errno.EIO, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_whatever_else_a_disk_says_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    _failing(monkeypatch, 20, OSError(error, "what the system says"))
    with pytest.raises(BundleError, match="cannot be written: what the system says"):
        _whole(tmp_path)


def test_after_a_torn_write_nothing_more_is_written(tmp_path: Path) -> None:
    """Other threads come a moment later: what they would write could not be found behind the torn piece."""
    made = BundleWriter(tmp_path, SCAN_ID)
    made.begin(pocket(), ABOUT)
    with pytest.MonkeyPatch.context() as patch:
        _failing(patch, 1, FULL)
        with pytest.raises(BundleError, match="No space left"):
            made.entry("fact", "x", {"table": "t"})
    with pytest.raises(BundleError, match="cannot be written any more"):
        made.entry("fact", "y", {"table": "t"})


def test_a_file_limit_of_the_system_is_an_error_of_ours(tmp_path: Path) -> None:
    """The real thing: the system itself refuses to let a file grow."""
    import subprocess

    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from pathlib import Path\n"
        "from tests.evidence.test_full_disk import _whole\n"
        "from cnamm_scan.errors import BundleError\n"
        "try:\n"
        "    _whole(Path(sys.argv[1]))\n"
        "except BundleError as error:\n"
        "    print(error)\n"
        "    sys.exit(error.exit_code)\n"
    )
    done = subprocess.run([*small_files(9000, program), str(tmp_path)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stderr
    assert "the bundle cannot be written: File too large" in done.stdout
    (partial,) = tmp_path.iterdir()
    with api.evaluate(partial) as sealed:
        assert sealed.bundle is not None
        assert sum(1 for fact in sealed.bundle.entries("fact") if fact["table"] == "aws.s3.bucket") > 10


def test_an_output_that_is_taken_away_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each step of a scan, while judging too."""
    pods = tmp_path / "pod.yaml"
    pods.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: main, image: nginx}]}\n")
    for number, step in enumerate(["fact", "coverage", "settle", "result", "entry", "finish"]):
        output = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch:
            real = getattr(BundleWriter, step)

            def gone(self: BundleWriter, *args: Any, real: Any = real, output: Path = output, **more: Any) -> Any:
                shutil.rmtree(output, ignore_errors=True)
                return real(self, *args, **more)

            patch.setattr(BundleWriter, step, gone)
            with pytest.raises(BundleError, match="cannot be written: No such file or directory") as refused:
                api.scan([f"kubernetes:{pods}"], rules=["kubernetes.core.pod_is_replaced"], output=output)
        assert str(output) in refused.value.where
        assert "--output" in refused.value.do
        assert not output.exists()


def test_a_temporary_folder_that_is_full_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = BundleWriter(tmp_path, SCAN_ID)
    made.fact(table="aws.s3.bucket", target=ONE, region=HOME, key="a", data={}, gaps={}, calls=(), redact=())
    facts = open_bundle(made.finish(pocket(), MANIFEST)).facts()
    with pytest.raises(BundleError, match="facts cannot be laid out to be loaded: No such file or directory") as refused:
        list(facts.files("aws.s3.bucket", tmp_path / "no such folder"))
    assert "TMPDIR" in refused.value.do
