"""A bundle as one file: the same scan gives the same bytes, every command takes it, and no other zip passes for one."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.errors import BundleError
from cnamm_scan.evidence.bundle import BundleWriter, open_bundle, verify
from cnamm_scan.evidence.form import BOUNDS
from cnamm_scan.evidence.room import FolderRoom, ZipRoom, names_of, zipped
from tests.bundles import SCAN_ID, account, pocket


@pytest.fixture(scope="module")
def packed(whole: Path) -> Path:
    return _zip(whole, whole.parent / "scan.cnamm.zip")


def _zip(folder: Path, to: Path) -> Path:
    room = FolderRoom(folder, BOUNDS)
    zipped(room, names_of(room), folder.name, to)
    return to


def test_two_zips_of_one_scan_are_the_same_bytes(whole: Path, packed: Path, tmp_path: Path) -> None:
    for file in whole.rglob("*"):
        os.utime(file, (0, 0))
    assert _zip(whole, tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_a_zip_is_what_others_call_one(whole: Path, packed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed) as opened:
        assert opened.testzip() is None
        names = opened.namelist()
        assert names == sorted(names)
        assert {info.date_time for info in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        opened.extractall(tmp_path)
    for file in whole.rglob("*"):
        if file.is_file():
            assert (tmp_path / whole.name / file.relative_to(whole)).read_bytes() == file.read_bytes()
    assert list(verify(open_bundle(tmp_path / whole.name)))


def test_a_zip_says_what_its_folder_says(whole: Path, packed: Path) -> None:
    for way in (api.load_bundle, api.evaluate):
        with way(whole) as one, way(packed) as other:
            assert one.report() == other.report()
            assert list(one.results()) == list(other.results())
            sql = "SELECT * FROM aws.s3.bucket ORDER BY ALL"
            assert one.query(sql) == other.query(sql)
    assert list(verify(open_bundle(whole))) == list(verify(open_bundle(packed)))


def test_every_command_takes_a_zip(whole: Path, packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["verify"], ["report", "--format", "json"], ["results"], ["evaluate", "--format", "csv"]):
        said = []
        for path in (whole, packed):
            assert run([command[0], str(path), *command[1:]]) == 0
            said.append(capsys.readouterr().out)
        assert said[0] == said[1]
    assert run(["query", str(packed), "SELECT name FROM aws.s3.bucket", "--format", "csv"]) == 0
    assert "invoices" in capsys.readouterr().out


def test_a_writer_that_is_named_a_zip_writes_one(tmp_path: Path) -> None:
    path = tmp_path / "below" / "scan.cnamm.zip"
    writer = BundleWriter(path, SCAN_ID, redaction_key=b"tests")
    assert writer.finish(pocket(), {"scan": account(SCAN_ID), "plan": {"rules": [], "tables": {}}}) == path
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(verify(open_bundle(path)))
    with pytest.raises(BundleError, match="exists already"):
        BundleWriter(path, SCAN_ID)


def test_two_scans_into_one_zip_leave_one_and_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "scan.cnamm.zip"
    first = BundleWriter(path, SCAN_ID)
    with pytest.raises(BundleError, match="another scan writes there") as refused:
        BundleWriter(path, SCAN_ID)
    assert "evaluate" in refused.value.do
    path.write_bytes(b"somebody else's")
    with pytest.raises(BundleError, match="exists already"):
        first.finish(pocket(), {"scan": account(SCAN_ID), "plan": {"rules": [], "tables": {}}})
    assert path.read_bytes() == b"somebody else's"


def test_a_zip_gets_its_name_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*_: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", without)
    path = tmp_path / "scan.cnamm.zip"
    first = BundleWriter(path, SCAN_ID)
    made = {"scan": account(SCAN_ID), "plan": {"rules": [], "tables": {}}}
    assert first.finish(pocket(), made) == path
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert list(verify(open_bundle(path)))
    second = BundleWriter(tmp_path / "taken.cnamm.zip", SCAN_ID)
    (tmp_path / "taken.cnamm.zip").write_bytes(b"somebody else's")
    with pytest.raises(BundleError, match="exists already"):
        second.finish(pocket(), made)
    assert (tmp_path / "taken.cnamm.zip").read_bytes() == b"somebody else's"


# ---- zips that are none of ours --------------------------------------------------------------------------------------------


def _rewritten(packed: Path, change: Callable[[zipfile.ZipInfo, bytes], Any] | None = None, **more: Any) -> bytes:
    """The zip as a library writes it, each entry as `change` wants it."""
    made = io.BytesIO()
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            other = zipfile.ZipInfo(info.filename, info.date_time)
            other.create_system, other.external_attr = info.create_system, info.external_attr
            body = old.read(info)
            if change is not None:
                body = change(other, body) or body
            new.writestr(other, body)
        for name, body in more.get("extra", {}).items():
            new.writestr(name, body)
        new.comment = more.get("comment", b"")
    return made.getvalue()


def _renamed(name: str) -> Callable[[zipfile.ZipInfo, bytes], None]:
    def change(info: zipfile.ZipInfo, body: bytes) -> None:
        if info.filename.endswith("salts.bin"):
            info.filename = name

    return change


def _is_a_link(info: zipfile.ZipInfo, body: bytes) -> None:
    if info.filename.endswith("salts.bin"):
        info.external_attr = (stat.S_IFLNK | 0o777) << 16


def _is_packed(info: zipfile.ZipInfo, body: bytes) -> None:
    info.compress_type = zipfile.ZIP_DEFLATED


def _bomb(info: zipfile.ZipInfo, body: bytes) -> bytes | None:
    info.compress_type = zipfile.ZIP_DEFLATED
    return bytes(10 * 2**20) if info.filename.endswith("salts.bin") else None


OTHERS: dict[str, Callable[[Path], bytes]] = {
    "packed entries": lambda zip: _rewritten(zip, _is_packed),
    "a bomb": lambda zip: _rewritten(zip, _bomb),
    "a link": lambda zip: _rewritten(zip, _is_a_link),
    "a name above": lambda zip: _rewritten(zip, _renamed(f"{SCAN_ID}.cnamm/../salts.bin")),
    "a name elsewhere": lambda zip: _rewritten(zip, _renamed("/etc/passwd")),
    "another folder": lambda zip: _rewritten(zip, _renamed("other/salts.bin")),
    "no folder": lambda zip: _rewritten(zip, _renamed("salts.bin")),
    "a backslash": lambda zip: _rewritten(zip, _renamed(f"{SCAN_ID}.cnamm/a\\salts.bin")),
    "a file more": lambda zip: _rewritten(zip, extra={f"{SCAN_ID}.cnamm/extra": b"x"}),
    "a folder more": lambda zip: _rewritten(zip, extra={f"{SCAN_ID}.cnamm/extra/": b""}),
    "a comment": lambda zip: _rewritten(zip, comment=b"hello"),
    "something before": lambda zip: b"#!/bin/sh\n" + zip.read_bytes(),
    "something behind": lambda zip: zip.read_bytes() + b"x",
    "cut": lambda zip: zip.read_bytes()[:-30],
    "half": lambda zip: zip.read_bytes()[: zip.stat().st_size // 2],
    "nothing": lambda zip: b"",
    "only an end": lambda zip: zip.read_bytes()[-22:],
    "two ends": lambda zip: zip.read_bytes() + zip.read_bytes()[-22:],
    "an empty zip": lambda zip: b"PK\5\6" + bytes(18),
    "a count too large": lambda zip: zip.read_bytes()[:-14] + struct.pack("<2H", 60000, 60000) + zip.read_bytes()[-10:],
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_zip_is_refused_by_every_command(packed: Path, tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.cnamm.zip"
    path.write_bytes(OTHERS[what](packed))
    heard = set()
    for command in (["verify"], ["report"], ["results"], ["evaluate"]):
        assert run([command[0], str(path)]) == 1, what
        heard.add(capsys.readouterr().err)
    assert len(heard) == 1
    assert "  do: " in heard.pop()


def test_every_byte_of_a_zip_matters(packed: Path, tmp_path: Path) -> None:
    """One changed anywhere is refused: but for the CRCs and dates, which nothing of ours reads."""
    raw = packed.read_bytes()
    path = tmp_path / "other.cnamm.zip"
    passed = []
    for at in range(0, len(raw), max(1, len(raw) // 400)):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x10]) + raw[at + 1 :])
        try:
            open_bundle(path)
        except BundleError:
            continue
        passed.append(at)
    assert len(passed) <= 4, passed


def test_a_pipe_that_is_named_as_a_zip_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.cnamm.zip")
    with pytest.raises(BundleError, match="there is no bundle"):
        open_bundle(tmp_path / "x.cnamm.zip")


def test_pieces_are_read_without_what_stands_before(packed: Path, whole: Path) -> None:
    room, plain = ZipRoom(packed, BOUNDS), FolderRoom(whole, BOUNDS)
    assert room.sizes == plain.sizes
    for name, size in room.sizes.items():
        every = b"".join(plain.read(name))
        for at, much in ((0, None), (1, 5), (size - 1, None), (size // 2, size)):
            expected = every[at:] if much is None else every[at : at + much]
            assert b"".join(room.read(name, at, much)) == b"".join(plain.read(name, at, much)) == expected
