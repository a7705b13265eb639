"""Files that a command writes: whole or not at all, with the right word and exit code where that fails."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.cli.files import put, unwritable
from cnamm_scan.cli.main import run
from tests.small_files import small_files


def test_of_a_file_that_does_not_fit_nothing_stays(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    program = "import sys\nfrom pathlib import Path\nfrom cnamm_scan.cli.files import put\n"
    program += "put(Path(sys.argv[1]), b'x' * 200, is_new=sys.argv[2] == 'new')"
    for name in ("there", "new"):
        ended = subprocess.run([*small_files(100, program), str(tmp_path / name), name], capture_output=True, text=True, check=False)
        assert "File too large" in ended.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "old"


def test_a_new_file_takes_no_others_place(tmp_path: Path) -> None:
    put(tmp_path / "a/b", b"first", is_new=True)
    with pytest.raises(FileExistsError):
        put(tmp_path / "a/b", b"second", is_new=True)
    assert [file.read_bytes() for file in (tmp_path / "a").iterdir()] == [b"first"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_a_new_file_where_there_are_no_links(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", without)
    put(tmp_path / "a/b", b"first", is_new=True)
    with pytest.raises(FileExistsError):
        put(tmp_path / "a/b", b"second", is_new=True)
    assert [file.read_bytes() for file in (tmp_path / "a").iterdir()] == [b"first"]
    monkeypatch.setattr(Path, "replace", without)
    with pytest.raises(OSError, match=os.strerror(number)):
        put(tmp_path / "c", b"third", is_new=True)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 1), (errno.EDQUOT, 1), (errno.EACCES, 2), (errno.ENOTDIR, 2)])
def test_a_full_disk_is_no_wrong_use(number: int, code: int) -> None:
    said = unwritable(OSError(number, "what the system says"), "/x", "choose another folder")
    assert said.exit_code == code
    assert ("free space" in str(said.do)) == (code == 1)


def test_a_policy_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    asked = ["plan", "azure", "--permissions", "--split-into", str(tmp_path / "out")]
    program = "import sys\nfrom cnamm_scan.cli.main import run\nsys.exit(run(sys.argv[1:]))"
    ended = subprocess.run([*small_files(1000, program), *asked], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "cannot be written: File too large" in ended.stderr
    assert list((tmp_path / "out").iterdir()) == []
    assert run(asked) == 0
    assert [bool(json.loads(file.read_text())) for file in (tmp_path / "out").iterdir()] == [True]


def test_what_is_said_after_a_new_rule_works_where_it_was_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["content", "new", "rule", "aws.s3.mine"]) == 0
    assert "cnamm-scan content test aws.s3.mine --content ." in capsys.readouterr().err
