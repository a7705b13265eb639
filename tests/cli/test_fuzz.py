"""Command lines that nobody meant, by a seed: each ends with an exit code of ours and words, and none in a traceback."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cnamm_scan.cli.main import COMMANDS, cli, run
from tests.bundles import FIRST, write_bundle
from tests.packs import files, rule, write

SEED = int(os.environ.get("CNAMM_FUZZ_SEED", "7"))
WORDS = [
    *("", " ", "-", "--", "---", "-1", "0", "1", "1e9", "1e999", "nan", "inf", "-inf", "9" * 30, "9" * 5000, "0x10", "1_000", "true", "~"),
    *(
        "a",
        "aws",
        "kubernetes",
        "aws:",
        "kubernetes:",
        ":",
        "aws:x:y",
        "gcp",
        "azure",
        "AWS",
        "aws.lab",
        "aws.lab.r",
        "aws.lab.box",
        "data",
    ),
    *("../../x", "/", "/dev/null", "/dev/full", "/proc/self/mem", "/proc/nope", ".", "..", "~nobody/x", "a" * 300, "a/" * 200, "x.yaml"),
    *("\n", "\t", "\x1b[31m", "\u2028", "\udcff", "\U0001f600", "ünï", "{}", "{x}", "%s", "$HOME", "`x`", "'", '"', "\\", "*", "@x", "=x"),
    *(
        "n=nan",
        "n=inf",
        "n=1e999",
        "n=" + "9" * 5000,
        "n=-5",
        "n=" + "x" * 50,
        "max_age=[]",
        "n={}",
        "n=",
        "n=\udcff",
        "x=1",
        "a=b",
        "a=",
        "=",
    ),
    *(
        "SELECT 1",
        "SELECT",
        ";",
        "SELECT * FROM aws.lab.box",
        "DROP TABLE x",
        "SELECT 1; SELECT 2",
        "SELECT '\udcff'",
        "SELECT nope FROM a.b.c",
    ),
    *(
        "SELECT " + "(" * 500 + "1" + ")" * 500,
        "SELECT [1,2] AS a, {'b': 1} AS b, NULL AS c, 1::DECIMAL AS d",
        "WITH x AS (SELECT 1) FROM x",
    ),
    *(
        "text",
        "json",
        "jsonl",
        "csv",
        "markdown",
        "table",
        "pass",
        "fail",
        "unknown",
        "critical",
        "rules",
        "objectives",
        "rule",
        "pod.yaml",
    ),
    *("http://127.0.0.1:1", "notaurl", "http://user:hunter2@127.0.0.1:1", "arn:aws:iam::111122223333:role/x", "arn:", "eu-west-1", "shop"),
]
LEFT_OUT = {"demo"}
"""It starts an estate, whatever it is told."""


def _commands() -> Iterator[tuple[list[str], click.Command]]:
    """Every command that there is, by its words."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from (([name, each], command.commands[each]) for each in command.commands)
        elif name not in LEFT_OUT:
            yield [name], command


KNOWN = list(_commands())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a pack, a manifest and a bundle; nothing else is read, and nobody is asked."""
    pack = write(tmp_path / "pack", files(rule(parameters={"n": {"default": 3, "source": "ours"}}, message="{name} {n}")))
    (tmp_path / "pod.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a}]}\n")
    write_bundle(tmp_path, FIRST, scan_id="b")
    (tmp_path / "x.yaml").write_text("a: [\n")
    (tmp_path / "home").mkdir()
    monkeypatch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: pack)
    monkeypatch.chdir(tmp_path)
    settings = {"HOME": tmp_path / "home", "KUBECONFIG": tmp_path / "x.yaml", "TMPDIR": tmp_path}
    settings["GOOGLE_APPLICATION_CREDENTIALS"] = tmp_path / "x.yaml"
    for name, value in {**settings, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": 1}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path


def _line(chance: random.Random) -> list[str]:
    """A command with options of its own and values of anybody's."""
    words, command = chance.choice(KNOWN)
    made: list[str] = []
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            good = {
                "targets": "kubernetes:pod.yaml",
                "bundle": "b.cnamm",
                "sql": "SELECT 1",
                "kind": "rule",
                "folder": "docs",
                "name": "aws.lab.r",
            }
            made.append(good.get(parameter.name or "", "aws.lab") if chance.random() < 0.6 else chance.choice(WORDS))
        elif chance.random() < 0.25:
            option = chance.choice([*parameter.opts])
            made += [option] if getattr(parameter, "is_flag", False) else [option, _value(chance, parameter)]
    if chance.random() < 0.2:
        made.insert(chance.randrange(len(made) + 1), chance.choice(WORDS))
    if chance.random() < 0.1:
        chance.shuffle(made)
    return [*words, *made]


def _value(chance: random.Random, parameter: click.Parameter) -> str:
    if isinstance(parameter.type, click.Choice) and chance.random() < 0.7:
        return str(chance.choice(list(parameter.type.choices)))
    if "--content" in parameter.opts and chance.random() < 0.5:
        return chance.choice(["pack", "home", "b.cnamm"])
    if "--call-timeout" in parameter.opts:
        return chance.choice(["0.1", "1", "nan", "inf", "-1", "x"])
    return chance.choice(WORDS)


def _tried(seed: int, capsys: pytest.CaptureFixture[str]) -> int:
    line = _line(random.Random(seed))
    capsys.readouterr()
    try:
        code = run(line)
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException as error:
        raise AssertionError(f"seed {seed}, {line} ends in {error!r}") from error
    said = capsys.readouterr().err
    assert code in (0, 1, 2, 3, 10), f"seed {seed}, {line} ends with {code}"
    assert "Traceback" not in said, f"seed {seed}, {line}"
    assert "http://user:hunter2" not in said, f"seed {seed}, {line}"
    if code:
        assert said.strip(), f"seed {seed}, {line} says nothing"
    return code


def test_command_lines_that_nobody_meant(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115 (pytest gives the old one back)
    codes = {_tried(SEED * 1_000_000 + number, capsys) for number in range(250)}
    assert {0, 1, 2} <= codes


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_many_command_lines_that_nobody_meant(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """Twenty-four times the quick run, a hundredth of a second each: `CNAMM_FUZZ_SEED` gives others."""
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115
    for number in range(600):
        _tried(SEED * 1_000_000 + 100_000 + part * 600 + number, capsys)
