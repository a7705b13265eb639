"""A quick run tries a part of the examples, a whole run all of them; small numbers are never cut to none."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests import examples
from tests.small_files import small_files


@pytest.mark.parametrize(("whole", "part"), [(300, 75), (100, 25), (8, 3), (3, 3), (2, 2), (1, 1)])
def test_a_quick_run_draws_a_quarter(monkeypatch: pytest.MonkeyPatch, whole: int, part: int) -> None:
    monkeypatch.setattr(examples, "is_whole", False)
    assert examples.drawn(whole) == part
    monkeypatch.setattr(examples, "is_whole", True)
    assert examples.drawn(whole) == whole


def test_laws_that_say_no_number_follow(request: pytest.FixtureRequest) -> None:
    assert examples.is_whole == (request.config.option.markexpr != "not slow")
    assert settings().max_examples == examples.drawn(100)


def test_a_program_of_small_files_compiles_nothing_to_disk() -> None:
    """What it compiled would be cut short, and broken for every run after it."""
    command = small_files(0, "import sys; assert sys.dont_write_bytecode")
    assert os.spawnv(os.P_WAIT, command[0], command) == 0
