"""What is said while nothing is printed: one line for each piece of work that takes long, and none for what is quick."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from cnamm_scan.cli.progress import SILENCE, Shown, Silence
from cnamm_scan.doing import doing, heard


class _Timers:
    """Timers that ring when the test says so: no clock is asked."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, tuple[str, ...]]] = []
        self.rung: list[str] = []

    def make(self, after: float, work: object, arguments: tuple[str, ...]) -> _Timer:
        return _Timer(self, after, arguments)

    def ring(self) -> None:
        """So much time passes that every timer that runs rings."""
        self.rung += [text for _, (text,) in self.waiting]
        self.waiting.clear()


class _Timer:
    daemon = False

    def __init__(self, timers: _Timers, after: float, arguments: tuple[str, ...]) -> None:
        self._timers, self._entry = timers, (after, arguments)

    def start(self) -> None:
        self._timers.waiting.append(self._entry)

    def cancel(self) -> None:
        if self._entry in self._timers.waiting:
            self._timers.waiting.remove(self._entry)


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> _Timers:
    made = _Timers()
    monkeypatch.setattr(threading, "Timer", made.make)
    return made


def test_only_what_takes_long_is_said(timers: _Timers) -> None:
    silence = Silence(2.0)
    with heard(silence.phase):
        doing("reading content")
        doing("judging 3 rules")
        timers.ring()
        doing("scoring")
        doing("")
        timers.ring()
        doing("sealing the bundle")
        silence.end()
        timers.ring()
    assert timers.rung == ["judging 3 rules …"]


def test_a_terminal_waits_two_seconds(timers: _Timers) -> None:
    Silence(SILENCE).phase("x")
    assert timers.waiting == [(2.0, ("x …",))]


def test_nobody_is_told_where_nobody_listens() -> None:
    told: list[str] = []
    doing("before")
    with heard(told.append):
        doing("first")
        with heard(lambda what: told.append(what.upper())):
            doing("inner")
        doing("last")
    doing("after")
    assert told == ["first", "INNER", "last"]


def test_a_scan_without_a_terminal_says_each_long_phase_once(timers: _Timers) -> None:
    out = Console(file=io.StringIO(), width=100, force_terminal=False)
    with Shown(out) as shown:
        for what in ("reading content", "planning", "planning", "collecting", "", "judging 812 rules", "sealing the bundle"):
            doing(what)
            if what in ("planning", "collecting", "judging 812 rules"):
                timers.ring()
        shown.queued("s3", "global")
        shown.done("s3", "global")
    timers.ring()
    assert timers.rung == ["planning …", "judging 812 rules …"]
    assert out.file.getvalue() == ""  # type: ignore[attr-defined]


def test_a_scan_on_a_terminal_says_it_beside_the_bar() -> None:
    out = Console(file=io.StringIO(), width=100, force_terminal=True)
    with Shown(out) as shown:
        doing("judging 812 rules")
        shown.queued("s3", "global")
        threading.Thread(target=shown.done, args=("s3", "global")).start()
    assert "judging 812 rules" in out.file.getvalue()  # type: ignore[attr-defined]
