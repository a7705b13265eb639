"""Standard output that is full, gone or cannot spell: every command says so in three lines or ends quietly, and none in a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest

from cnamm_scan.cli.main import COMMANDS, cli, run
from tests.bundles import ALL_GOOD, FIRST, write_bundle
from tests.packs import files, rule, write

ODD = "ünï – \u4e2d \U0001f600"
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: a, image: nginx}]}
"""


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A command line of every command that prints on stdout, over small things whose names hold odd letters."""
    pack = write(tmp_path / "pack", files(rule(title=f"Boxes {ODD}", objective="safety.boxes-are-on")))
    (tmp_path / "pod.yaml").write_text(POD)
    bundle = str(write_bundle(tmp_path / "bundles", FIRST))
    monkeypatch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: pack)
    monkeypatch.chdir(tmp_path)
    return {
        "scan": ["scan", "kubernetes:pod.yaml", "--output", "out", "--format", "json"],
        "plan": ["plan", "aws"],
        "plan as JSON": ["plan", "aws", "--format", "json"],
        "plan permissions": ["plan", "aws", "--permissions"],
        "evaluate": ["evaluate", bundle],
        "report": ["report", bundle],
        "report as JSON": ["report", bundle, "--format", "json"],
        "report as CSV": ["report", bundle, "--format", "csv"],
        "report as Markdown": ["report", bundle, "--format", "markdown"],
        "results": ["results", bundle],
        "results as CSV": ["results", bundle, "--format", "csv"],
        "results as a table": ["results", bundle, "--format", "table"],
        "query": ["query", bundle, f"SELECT '{ODD}' AS odd"],
        "query as JSON": ["query", bundle, f"SELECT '{ODD}' AS odd", "--format", "jsonl"],
        "query as CSV": ["query", bundle, f"SELECT '{ODD}' AS odd", "--format", "csv"],
        "verify": ["verify", bundle],
        "content": ["content", "--help"],
        "content list": ["content", "list"],
        "content search": ["content", "search", "boxes"],
        "content list as JSON": ["content", "list", "--format", "jsonl"],
        "content show": ["content", "show", "aws.lab.r"],
        "content weights": ["content", "weights"],
        "content weights as JSON": ["content", "weights", "--format", "jsonl"],
        "content coverage": ["content", "coverage"],
        "content schema": ["content", "schema", "rule"],
        "content new": ["content", "new", "rule", "aws.lab.fresh", "--into", "fresh"],
        "help": ["--help"],
        "version": ["--version"],
        "demo": ["demo", "--help"],
    }


def test_every_command_is_tried(commands: dict[str, list[str]]) -> None:
    """But those that print on stderr alone."""
    assert {arguments[0] for arguments in commands.values()} >= set(COMMANDS)
    group = cli.get_command(click.Context(cli), "content")
    assert isinstance(group, click.Group)
    assert {arguments[1] for arguments in commands.values() if arguments[0] == "content"} >= set(group.commands) - {"lint", "test", "docs"}


NAMES = [
    "scan", "plan", "plan as JSON", "plan permissions", "evaluate", "report", "report as JSON", "report as CSV", "report as Markdown",
    "results", "results as CSV", "results as a table", "query", "query as JSON", "query as CSV", "verify", "content", "content list",
    "content list as JSON", "content show", "content weights", "content weights as JSON", "content coverage", "content new",
    "content search", "content schema", "help", "version", "demo",
]  # fmt: skip


def test_no_command_is_left_out(commands: dict[str, list[str]]) -> None:
    assert sorted(NAMES) == sorted(commands)


def _ran(arguments: list[str]) -> int:
    try:
        return run(arguments)
    except SystemExit as ended:  # click's own way of ending --help, and rich's of ending at a closed pipe
        return int(ended.code or 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
@pytest.mark.parametrize("name", NAMES)
def test_a_full_output(
    commands: dict[str, list[str]], name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert _ran(commands[name]) == 1
        monkeypatch.undo()
        said = capsys.readouterr().err.splitlines()
        assert said[-3:] == [
            "error: the output cannot be written: No space left on device",
            "  at: standard output",
            "  do: free space, or send it elsewhere",
        ]
        if name == "scan":  # what it cost to collect is kept, and named
            (bundle,) = (tmp_path / "out").glob("*.cnamm*")
            assert f"evidence bundle: out/{bundle.name}" in said


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_who_left(
    commands: dict[str, list[str]], name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    code = None
    with suppress(BrokenPipeError), open(theirs, "w") as pipe:  # closing it: what nobody read is still in it
        monkeypatch.setattr(sys, "stdout", pipe)
        code = _ran(commands[name])
    monkeypatch.undo()
    assert code == 1
    assert "error" not in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8"])
def test_an_output_that_cannot_spell(
    commands: dict[str, list[str]], name: str, encoding: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    assert _ran(commands[name]) == 0, capsys.readouterr().err
    stream.flush()
    monkeypatch.undo()
    text = raw.getvalue().decode(encoding)
    assert text
    if encoding == "ascii":
        assert text.isascii()
    if "JSON" in name or name == "scan":
        parsed = [json.loads(line) for line in text.splitlines()] if "list" in name or "query" in name else json.loads(text)
        if name == "query as JSON":
            assert parsed == [{"odd": ODD}]  # escaped it is still the same JSON
        if name == "content list as JSON":
            assert f"Boxes {ODD}" in {row["title"] for row in parsed}


def test_half_a_letter_in_a_name_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "no\udcffsuch"]) == 1
    assert "error: there is no bundle" in capsys.readouterr().err
    assert run(["content", "no\udcffsuch"]) == 2
    assert "no\\udcffsuch" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
def test_streams_that_are_closed_or_full(tmp_path: Path, where: str) -> None:
    """In a process of its own: nothing that Python would say at its end is said, and the exit code is the command's."""
    bundle = write_bundle(tmp_path, ALL_GOOD)
    good = 1 if ">/dev/full 2" in where else 0
    for arguments, code in (("verify {}", good), ("results {}", good), ("verify {}x", 1), ("nonsense", 2)):
        line = f"exec {sys.executable} -m cnamm_scan {arguments.format(bundle)} {where}"
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == code, (line, done.stderr)
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """What a library or a child writes to stdout would land in it."""
    script = "import sys; from cnamm_scan.cli import streams; streams.settle(); sys.exit(open(sys.argv[1], 'w').fileno())"
    line = f'exec {sys.executable} -c "{script}" {tmp_path / "made"} <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", line], check=False, timeout=60).returncode > 2


def test_a_current_folder_that_is_gone(tmp_path: Path) -> None:
    """A job whose workspace was cleaned away beneath it."""
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m cnamm_scan content list"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == [
        "error: the current folder cannot be used: No such file or directory",
        "  do: change to a folder that is there",
    ]


@pytest.fixture(autouse=True)
def streams_as_they_were() -> Iterator[None]:
    before = sys.stdout, sys.stderr
    yield
    sys.stdout, sys.stderr = before
