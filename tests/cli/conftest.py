"""What every test of the command line has: nothing is said of work that takes long, however slow the machine."""

from __future__ import annotations

import pytest

from cnamm_scan.cli import progress


@pytest.fixture(autouse=True)
def _no_line_about_slow_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SILENCE", 3600.0)
    monkeypatch.setattr(progress, "EVERY", 3600.0)
