"""Every Python example of the documents is run, in order, over a small embedded account."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

import cnamm_scan
from cnamm_scan import Scan, Verdict, api, scan
from cnamm_scan import content as reader
from cnamm_scan.errors import UsageError
from cnamm_scan.evidence.bundle import BundleWriter
from tests.bundles import FIRST, ONE, SECOND, account, pocket, write_bundle
from tests.packs import rule, write

ROOT = Path(__file__).parent.parent
GUIDES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
EXAMPLES = [(guide, code) for guide in GUIDES for code in re.findall(r"```python\n(.*?)```", guide.read_text(), re.DOTALL)]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with what the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "testing")
        patch.delenv("AWS_PROFILE", raising=False)
        patch.chdir(folder)
        own = rule(id="aws.s3.mine", for_each="aws.s3.bucket", message="{name}", fix="mend {name}")
        _pack(folder / "my-pack", own)
        chosen = ["aws.s3.bucket_versioning", "aws.kms.key_rotates"]
        with _account(), scan("aws", rules=chosen, regions="eu-west-1", output=folder) as done:
            assert done.path is not None
            done.path.rename(folder / "SCAN.cnamm")
        _killed(folder / "KILLED.cnamm.partial", folder)
        yield folder


@contextmanager
def _account() -> Iterator[None]:
    """An account with a bucket and a key."""
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="letters")
        boto3.client("kms", region_name="eu-west-1").create_key()
        yield


def _pack(folder: Path, own: dict[str, Any]) -> None:
    objective = min(reader.load().objectives)
    tests = {"pass": [{"versioning": "Enabled"}], "fail": [{"versioning": "Never"}], "unknown": [{}]}
    write(folder, {"rules/aws/s3/mine.yaml": {**own, "objective": objective, "pass": "versioning = 'Enabled'", "tests": tests}})


def _killed(path: Path, folder: Path) -> None:
    """What a scan leaves that is killed as soon as it has begun."""
    content = pocket()
    writer = BundleWriter(folder, "20260102T030405Z-00000000")
    told = account("20260102T030405Z-00000000", FIRST)
    target = {name: told["targets"][0][name] for name in ("id", "provider", "name", "identity")} | {"scope": {}}
    about = {name: told[name] for name in ("id", "started_at", "content", "judging", "method", "tool")} | {"targets": [target]}
    writer.begin(content, {"scan": about, "plan": {"rules": ["aws.iam.user_mfa"], "tables": {}, "parameters": {}, "opted": []}})
    writer.fact(table="aws.iam.user", target=ONE, region="global", key="ann", data={"name": "ann"}, gaps={}, calls=(), redact=())
    writer.abandon()
    (left,) = folder.glob("*.partial")
    left.rename(path)


@pytest.mark.parametrize(
    ("guide", "code"),
    [
        pytest.param(guide, code, id=f"{guide.name}-{number}", marks=[pytest.mark.slow] if "functions=" in code else [])
        for number, (guide, code) in enumerate(EXAMPLES)
    ],
)
def test_an_example_runs(guide: Path, code: str, room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "example"}
    with nullcontext() if "mock_aws" in code else _account(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        exec(compile(code, str(guide), "exec"), names)
        for name, made in list(names.items()):
            if name.startswith("test_"):
                made()
    said = capsys.readouterr().out
    assert "print(" not in code or said
    if "score" in names:
        assert names["score"][2] > 0, "an example that shows a score has one"
    if "open_buckets" in names:
        assert names["open_buckets"] == [{"name": "letters", "versioning": "Never"}]
        assert names["worst"][0]["n"] >= 1


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


# ---- manners ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scan]:
    with api.load_bundle(write_bundle(tmp_path_factory.mktemp("manners"), FIRST, SECOND)) as made:
        yield made


def test_a_scan_shows_itself_on_one_line(done: Scan) -> None:
    low, high, _ = done.score() or (0.0, 0.0, 0.0)
    targets = "aws:111111111111, aws:222222222222"
    assert repr(done) == f"<Scan 20260102T030405Z-0a1b2c3d of {targets}: {low:.2f} … {high:.2f} of 5, 6 rules, 4 findings>"


@pytest.mark.parametrize(("verdict", "near"), [("failed", "'fail'"), ("FAIL", "known: "), ("passed", "'pass'"), ("", "known: ")])
def test_a_verdict_that_is_none_is_refused_when_it_is_said(done: Scan, verdict: Any, near: str) -> None:
    for ask in (done.results, done.blocks):
        with pytest.raises(UsageError) as error:
            ask(verdict)
        assert error.value.what == f"no verdict '{verdict}'"
        assert near in error.value.do


def test_a_rule_that_is_none_is_refused_when_it_is_said(done: Scan) -> None:
    with pytest.raises(UsageError, match="no rule") as error:
        done.results(rule="aws.iam.user_mfaa")
    assert "'aws.iam.user_mfa'" in error.value.do


def test_verdicts_are_typed_and_are_text(done: Scan) -> None:
    (result, *_) = done.results("fail")
    assert isinstance(result.verdict, Verdict)
    assert result.verdict == "fail" == f"{result.verdict}"
    assert list(done.results("fail")) == list(done.results(Verdict.FAIL))


def test_times_know_their_zone(done: Scan) -> None:
    assert done.started_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert done.finished_at - done.started_at == timedelta(seconds=61)
    (row,) = done.query("SELECT DISTINCT scan_time FROM aws.s3.bucket")
    assert row["scan_time"] == done.started_at
    assert row["scan_time"].tzinfo is UTC


def test_one_name_may_stand_for_a_list_of_one(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path, FIRST)
    with api.evaluate(bundle, rules="aws.iam", functions="identity") as one, api.evaluate(bundle, rules=["aws.iam"]) as listed:
        assert list(one.results()) == list(listed.results())
        assert list(one.results())
    with pytest.raises(UsageError, match="no provider 'azurre'"):
        scan("azurre")
    with pytest.raises(UsageError, match="no rule 'nothing'"):
        scan("aws", rules="nothing")


def test_what_the_package_promises_is_there() -> None:
    for name in cnamm_scan.__all__:
        assert getattr(cnamm_scan, name) is not None
