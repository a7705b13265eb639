"""Bundles of the forms before this one still open, verify and judge as they did."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.errors import BundleError
from cnamm_scan.evidence.bundle import open_bundle, verify
from cnamm_scan.model import SCORING_MODEL
from cnamm_scan.report.text import notes
from tests.bundles import FILES, FIRST, SCAN_ID, SECOND, pocket, write_bundle

STORED = Path(__file__).parent / "bundles"
"""A bundle of the pocket pack as each format wrote it. 1: 26 files, one a table and one a content file. 2: the plan in the manifest."""
FORMATS = (1, 2)


def _stored(number: int, folder: Path) -> Path:
    with zipfile.ZipFile(STORED / f"format-{number}.zip") as packed:
        packed.extractall(folder / "old")
    return folder / "old" / f"{SCAN_ID}.cnamm"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return _stored(1, tmp_path)


@pytest.mark.parametrize("number", FORMATS)
def test_an_old_bundle_is_checked_like_any(number: int, tmp_path: Path) -> None:
    old = _stored(number, tmp_path)
    opened = open_bundle(old)
    assert opened.form.format == number
    assert opened.method() == dict(FILES)
    assert len(list(verify(opened))) == 3
    assert opened.asked() == open_bundle(write_bundle(tmp_path, FIRST, SECOND)).asked()
    (old / "method").mkdir(exist_ok=True)
    (old / "method" / "extra.yaml").write_bytes(b"")
    with pytest.raises(BundleError, match="not named in the manifest"):
        open_bundle(old)


@pytest.mark.parametrize("number", FORMATS)
def test_an_old_bundle_says_what_a_new_one_of_the_same_facts_says(number: int, tmp_path: Path) -> None:
    old = _stored(number, tmp_path)
    new = write_bundle(tmp_path, FIRST, SECOND)
    for way in (api.load_bundle, api.evaluate):
        with way(old) as then, way(new) as now:
            assert list(then.results()) == list(now.results())
            assert _unscored(then.report()) == _unscored(now.report())
            assert then.scan["content"] == now.scan["content"] == {"version": pocket().version, "sha256": pocket().sha256}
            sql = "SELECT * FROM aws.s3.bucket ORDER BY ALL"
            assert then.query(sql) == now.query(sql)
            assert len(then.query(sql)) == 5


SCORES = ("scan", "story", "models", "targets", "roadmap", "made")


def _unscored(report: Mapping[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in report.items() if name not in SCORES}


def test_an_old_bundle_is_told_by_the_method_that_scored_it(old: Path) -> None:
    """What `staged/1` gave on the day; the same counts give another score by the method of today."""
    with api.load_bundle(old) as then:
        report = then.report()
        assert report["scan"]["method"] == then.method == "staged/1"
        assert report["models"][0]["overall"] == {"low": 1.416667, "high": 4.333333, "coverage": 0.351667}
        assert report["models"][0]["mean"] == {"low": None, "high": None, "coverage": None}
        alone = [target["models"][0]["overall"]["low"] for target in report["targets"]]
        assert alone == [0.833333, 2.0]
        assert {target["weight"] for target in report["targets"]} == {1}
        assert [step["because"] for step in report["roadmap"][0]["best"]][:2] == ["critical", "blocks"]
        assert max(step["overall_gain"] for step in report["roadmap"][0]["best"]) == 0.166667
        assert "scored by staged/1, as on the day" in notes(report)[0]


def test_judged_again_an_old_bundle_is_scored_as_a_new_one(old: Path, tmp_path: Path) -> None:
    with api.evaluate(old) as then, api.evaluate(write_bundle(tmp_path, FIRST, SECOND)) as now:
        assert then.report()["scan"]["method"] == SCORING_MODEL
        apart = {"scan": None, "made": None}
        assert {**then.report(), **apart} == {**now.report(), **apart}
        assert then.report()["made"]["targets"] == now.report()["made"]["targets"]


def test_evaluate_says_that_it_scores_anew(old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "scored anew by staged/2; the bundle itself by staged/1: their scores are not compared"
    assert run(["evaluate", str(old)]) == 0
    assert said in capsys.readouterr().err
    assert run(["evaluate", str(write_bundle(tmp_path, FIRST))]) == 0
    assert "scored anew" not in capsys.readouterr().err


def test_a_bundle_that_was_scored_by_a_newer_method_says_so(tmp_path: Path) -> None:
    """Its facts can still be judged here, its scores not told."""
    path = write_bundle(tmp_path, FIRST, method="staged/9")
    with pytest.raises(BundleError, match="scored by 'staged/9', which this version does not know"):
        api.load_bundle(path)
    with api.evaluate(path) as done:
        assert done.scan["method"] == SCORING_MODEL


@pytest.mark.parametrize("number", FORMATS)
@pytest.mark.parametrize("command", ["verify", "report", "results", "evaluate"])
def test_every_command_takes_an_old_bundle(number: int, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, str(_stored(number, tmp_path))]) == 0
    assert capsys.readouterr().out
