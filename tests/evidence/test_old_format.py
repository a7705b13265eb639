"""Bundles of the form before this one still open, verify and judge as they did."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.errors import BundleError
from cnamm_scan.evidence.bundle import open_bundle, verify
from tests.bundles import FILES, FIRST, SCAN_ID, SECOND, pocket, write_bundle

STORED = Path(__file__).parent / "bundles" / "format-1.zip"
"""A bundle of the pocket pack as format 1 wrote it: 26 files, one a table and one a content file."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with zipfile.ZipFile(STORED) as packed:
        packed.extractall(tmp_path / "old")
    return tmp_path / "old" / f"{SCAN_ID}.cnamm"


def test_an_old_bundle_is_checked_like_any(old: Path) -> None:
    opened = open_bundle(old)
    assert opened.form.format == 1
    assert opened.method() == dict(FILES)
    assert len(list(verify(opened))) == 3
    (old / "method" / "extra.yaml").write_bytes(b"")
    with pytest.raises(BundleError, match="not named in the manifest"):
        open_bundle(old)


def test_an_old_bundle_says_what_a_new_one_of_the_same_facts_says(old: Path, tmp_path: Path) -> None:
    new = write_bundle(tmp_path, FIRST, SECOND)
    for way in (api.load_bundle, api.evaluate):
        with way(old) as then, way(new) as now:
            assert list(then.results()) == list(now.results())
            assert {**then.report(), "scan": None} == {**now.report(), "scan": None}
            assert then.scan["content"] == now.scan["content"] == {"version": pocket().version, "sha256": pocket().sha256}
            sql = "SELECT * FROM aws.s3.bucket ORDER BY ALL"
            assert then.query(sql) == now.query(sql)
            assert len(then.query(sql)) == 5


@pytest.mark.parametrize("command", ["verify", "report", "results", "evaluate"])
def test_every_command_takes_an_old_bundle(old: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, str(old)]) == 0
    assert capsys.readouterr().out
