"""Fixtures of a finished bundle, which the tests of what is refused or read share: as it was written, and a copy to be broken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bundles import FIRST, SECOND, write_bundle


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of two targets: look, do not touch."""
    return write_bundle(tmp_path_factory.mktemp("whole"), FIRST, SECOND)


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    """A bundle of one's own, to be broken."""
    return Path(shutil.copytree(whole, tmp_path / whole.name))
