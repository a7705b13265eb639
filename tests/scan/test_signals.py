"""Signals in every phase of a scan: what was collected is kept and sealed, and said; a second one ends at once and loses nothing either."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.engine import judge, load
from cnamm_scan.engine.store import Store
from cnamm_scan.evidence.bundle import open_bundle, verify
from cnamm_scan.evidence.writer import BundleWriter
from cnamm_scan.providers.kubernetes.manifests import ManifestProvider
from cnamm_scan.stopping import SIGNALS

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: web, image: 'nginx:1.27'}]}\n"
PHASES: dict[str, tuple[Any, str]] = {
    "beginning": (BundleWriter, "begin"),
    "collecting": (ManifestProvider, "close"),
    "loading": (Store, "load"),
    "making views": (load, "make_views"),
    "judging": (judge, "count"),
    "sealing": (BundleWriter, "finish"),
}
"""Phase -> what is called in it."""
RULES = ["--rule", "kubernetes.core"]
EACH = [pytest.param(each, marks=() if each == signal.SIGTERM else pytest.mark.slow) for each in SIGNALS]


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    (tmp_path / "pod.yaml").write_text(POD)
    return tmp_path / "pod.yaml"


def _signalled(monkeypatch: pytest.MonkeyPatch, phase: str, number: int, *, times: int = 1, at: int = 1) -> None:
    """Have signals come when a phase has called its function so many times."""
    owner, name = PHASES[phase]
    real: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def called(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            for _ in range(times):
                signal.raise_signal(number)
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, called)


def _bundle(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


@pytest.mark.parametrize("number", SIGNALS)
def test_before_anything_was_asked_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pod: Path, tmp_path: Path, number: int
) -> None:
    monkeypatch.setattr(ManifestProvider, "__init__", lambda *_, **__: signal.raise_signal(number))
    assert run(["scan", f"kubernetes:{pod}", "--output", str(tmp_path / "out"), *RULES]) == 1
    assert capsys.readouterr().err.strip().endswith("interrupted")
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("number", EACH)
def test_a_signal_keeps_and_seals_what_was_collected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pod: Path, tmp_path: Path, phase: str, number: int
) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    _signalled(monkeypatch, phase, number)
    assert run(["scan", f"kubernetes:{pod}", "--output", str(tmp_path / "out"), *RULES]) == 1
    path = _bundle(tmp_path / "out")
    said = capsys.readouterr().err
    assert path.suffix == ".cnamm"
    assert path.name in said.replace("\n", "")
    assert "once more ends at once" in said
    assert list(verify(open_bundle(path)))
    with api.load_bundle(path) as done:
        assert done.scan["interrupted"] is (phase != "sealing")  # what was judged whole is whole
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_rules_that_were_not_judged_any_more_are_unknown(monkeypatch: pytest.MonkeyPatch, pod: Path, tmp_path: Path) -> None:
    _signalled(monkeypatch, "judging", signal.SIGTERM, at=3)
    assert run(["scan", f"kubernetes:{pod}", "--output", str(tmp_path / "out"), *RULES]) == 1
    with api.load_bundle(_bundle(tmp_path / "out")) as done:
        assert done.bundle is not None
        judged = done.bundle.manifest["plan"]["rules"]
        assert len(judged) == 3
        assert {result.rule for result in done.results()} == set(judged)
        low = done.score()
        assert low is not None
    with api.evaluate(_bundle(tmp_path / "out"), content=()) as again:  # all that was collected can be judged later
        assert len({result.rule for result in again.results()}) > 100


@pytest.mark.parametrize("phase", ["loading", "judging", "sealing"])
def test_a_second_signal_ends_at_once_and_leaves_what_can_be_sealed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pod: Path, tmp_path: Path, phase: str
) -> None:
    with monkeypatch.context() as patch:
        _signalled(patch, phase, signal.SIGINT, times=2)
        assert run(["scan", f"kubernetes:{pod}", "--output", str(tmp_path / "out"), *RULES]) == 1
    partial = _bundle(tmp_path / "out")
    assert partial.name.endswith(".cnamm.partial")
    assert "interrupted" in capsys.readouterr().err
    assert run(["scan", f"kubernetes:{pod}", "--output", str(tmp_path / "out"), *RULES]) == 0
    assert str(partial) in capsys.readouterr().err.replace("\n", "")
    with api.evaluate(partial) as sealed:
        assert sealed.interrupted
        assert {result.verdict.value for result in sealed.results("pass", "fail")} == {"pass", "fail"}
    assert not partial.exists()
