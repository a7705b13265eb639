"""Completion in a shell: names that are there, by click's own mechanism, and silence where nothing can be said."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from cnamm_scan import content as reader
from cnamm_scan.cli.completion import MOST
from cnamm_scan.cli.main import cli
from tests.bundles import FIRST, write_bundle


def _offered(*arguments: str) -> list[str]:
    *before, incomplete = arguments
    return [item.value for item in ShellComplete(cli, {}, "cnamm-scan", "_CNAMM_SCAN_COMPLETE").get_completions(before, incomplete)]


def test_commands_are_completed_without_being_imported() -> None:
    assert _offered("re") == ["report", "results"]
    assert _offered("content", "se") == ["search"]


@pytest.mark.parametrize(
    "before",
    [["scan", "aws", "--rule"], ["plan", "aws", "--rule"], ["evaluate", "x", "--rule"], ["results", "x", "--rule"], ["content", "test"]],
)
def test_rules_are_completed_part_by_part(before: list[str]) -> None:
    assert {"aws.", "kubernetes."} <= set(_offered(*before, ""))
    services = _offered(*before, "aws.")
    assert "aws.s3." in services
    assert len(services) <= MOST
    rules = _offered(*before, "aws.kms.")
    assert set(rules) == {name for name in reader.load().rules if name.startswith("aws.kms.")}
    assert _offered(*before, "nothing.") == []


@pytest.mark.parametrize("before", [["scan", "aws"], ["evaluate", "x"], ["report", "x"], ["content", "list"]])
def test_functions_are_completed(before: list[str]) -> None:
    assert _offered(*before, "--function", "i") == ["identity"]


def test_parameters_targets_and_names_of_content_are_completed() -> None:
    assert "aws.kms.key_rotates.max_days=" in _offered("evaluate", "x", "--parameter", "aws.kms.")
    assert _offered("scan", "ku") == ["kubernetes"]
    assert "aws.s3.bucket" in _offered("content", "show", "aws.s3.")


def test_bundles_are_completed_and_folders_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = write_bundle(tmp_path / "bundles", FIRST)
    (tmp_path / "notes.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert _offered("report", "") == ["bundles/"]
    assert _offered("report", "bun") == ["bundles/"]
    assert _offered("report", "bundles/") == [f"bundles/{bundle.name}"]
    assert _offered("query", f"{tmp_path}/bundles/2026") == [str(bundle)]
    assert _offered("verify", "no/such/") == []


def test_a_pack_that_does_not_validate_fails_no_shell(tmp_path: Path) -> None:
    assert _offered("scan", "aws", "--content", str(tmp_path / "no-pack"), "--rule", "aws.") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str) -> None:
    environment = {**os.environ, "_CNAMM_SCAN_COMPLETE": f"{shell}_source"}
    done = subprocess.run([sys.executable, "-m", "cnamm_scan"], capture_output=True, text=True, env=environment, check=False, timeout=60)
    if shell == "bash" and "bash" in done.stderr.lower() and not done.stdout:
        pytest.skip("no bash that is new enough")
    assert "_CNAMM_SCAN_COMPLETE" in done.stdout
    assert done.returncode == 0
