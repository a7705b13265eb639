"""The command line by real commands: exit codes, errors in three parts, data on stdout and words on stderr."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import click
import pytest

from cnamm_scan.cli.main import COMMANDS, cli, run
from cnamm_scan.providers.catalog import KINDS
from cnamm_scan.text import safe
from tests.bundles import ALL_GOOD, DARK, FIRST, NOTHING, RULES, SECOND, Found, write_bundle

ROOT = Path(__file__).parents[2]
ESCAPE = "\x1b"


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def parts(self) -> list[str]:
        """The lines of an error of ours: what, where, what to do."""
        return self.err.strip().split("\n")


class Cli(Protocol):
    def __call__(self, *arguments: object) -> Said: ...


@pytest.fixture
def cnamm(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line in this process."""

    def call(*arguments: object) -> Said:
        capsys.readouterr()
        try:
            code = run([str(each) for each in arguments])
        except SystemExit as ended:  # --help and --version
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    estates: dict[str, Sequence[Found]] = {
        "one": [FIRST],
        "several": [FIRST, SECOND],
        "good": [ALL_GOOD],
        "nothing": [NOTHING],
        "dark": [DARK],
    }
    return {name: write_bundle(tmp_path_factory.mktemp(name), *estate) for name, estate in estates.items()}


def _shell(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command line in a process of its own, without a terminal."""
    own = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-m", "cnamm_scan", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**own, **environment}, check=False, timeout=120)


def _on_a_terminal(*arguments: object, **environment: str) -> str:
    """What a command line shows on a terminal of 110 columns, stdout and stderr."""
    ours, theirs = pty.openpty()
    own = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment = {**own, "TERM": "xterm-256color", "COLUMNS": "110", **environment}
    command = [sys.executable, "-m", "cnamm_scan", *map(str, arguments)]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    seen = b""
    try:
        while block := os.read(ours, 65536):
            seen += block
    except OSError:  # how Linux says that the other end was closed
        pass
    os.close(ours)
    child.wait(timeout=120)
    return seen.decode()


def _colours(shown: str) -> bool:
    """Whether there is a foreground colour; bold and dim are none."""
    codes = [int(code or 0) for sequence in re.findall(r"\x1b\[([0-9;]*)m", shown) for code in sequence.split(";")]
    return any(30 <= code <= 38 or 90 <= code <= 97 for code in codes)


# ---- exit codes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["report", "evaluate"])
@pytest.mark.parametrize(
    ("bundle", "gate", "code"),
    [
        ("one", [], 0),
        ("one", ["--fail-under", "0.33"], 0),
        ("one", ["--fail-under", "0.34"], 10),
        ("good", ["--fail-under", "1.3"], 0),
        ("good", ["--fail-under", "5"], 10),
        ("nothing", ["--fail-under", "0"], 10),
        ("dark", ["--fail-under", "0"], 0),
        ("dark", ["--fail-under", "0.01"], 10),
        ("one", ["--fail-on", "critical"], 10),
        ("one", ["--fail-on", "low"], 10),
        ("good", ["--fail-on", "low"], 0),
        ("dark", ["--fail-on", "low"], 0),
        ("dark", ["--fail-on", "low", "--min-coverage", "0"], 3),
        ("dark", ["--fail-under", "0", "--min-coverage", "0"], 3),
        ("one", ["--min-coverage", "30"], 0),
        ("one", ["--min-coverage", "31"], 3),
        ("dark", ["--min-coverage", "0"], 0),
        ("dark", ["--min-coverage", "0.1"], 3),
        ("nothing", ["--min-coverage", "1"], 3),
        ("one", ["--min-coverage", "99", "--fail-under", "5", "--fail-on", "low"], 3),
        ("good", ["--min-coverage", "10", "--fail-under", "1", "--fail-on", "low"], 0),
    ],
)
def test_gates(cnamm: Cli, bundles: Mapping[str, Path], command: str, bundle: str, gate: Sequence[str], code: int) -> None:
    said = cnamm(command, bundles[bundle], "--format", "json", *gate)
    assert said.code == code, said.err
    assert json.loads(said.out)["schema"] == "cnamm-scan/report/1"  # a missed gate takes no report away
    if code:
        assert len(said.parts) == 3
        assert said.parts[0].startswith("error: ")
        assert said.parts[1].startswith("  at: ")
        assert said.parts[2].startswith("  do: ")
    elif bundle == "dark" and "--min-coverage" not in gate:
        assert said.err == f"nothing was judged under the gate {' '.join(gate)}: it is met because nothing could be seen\n"
    else:
        assert said.err == ""


def test_fail_on_counts_only_what_is_as_bad(cnamm: Cli, bundles: Mapping[str, Path], tmp_path: Path) -> None:
    said = cnamm("report", bundles["one"], "--fail-on", "medium")
    assert "3 finding(s) of severity medium or worse" in said.err
    assert "aws.iam.user_mfa" in said.parts[1]
    users = ({"key": "ann", "name": "ann", "has_mfa": True, "key_age": 91},)
    medium = write_bundle(tmp_path, replace(ALL_GOOD, rows={**ALL_GOOD.rows, "aws.iam.user": users}))
    assert cnamm("report", medium, "--fail-on", "high").code == 0
    assert cnamm("report", medium, "--fail-on", "medium").code == 10


@pytest.mark.parametrize("command", [["report"], ["evaluate"], ["verify"], ["results"], ["query"]])
def test_a_bundle_that_is_not_there_or_not_whole_is_refused(
    cnamm: Cli, bundles: Mapping[str, Path], tmp_path: Path, command: list[str]
) -> None:
    sql = ["SELECT 1"] if command == ["query"] else []
    said = cnamm(*command, tmp_path / "no-such.cnamm", *sql)
    assert (said.code, said.out) == (1, "")
    assert said.parts[0] == "error: there is no bundle"
    assert said.parts[1] == f"  at: {tmp_path / 'no-such.cnamm'}"
    assert said.parts[2].startswith("  do: ")
    broken = write_bundle(tmp_path, ALL_GOOD)
    (broken / "salts.bin").unlink()
    said = cnamm(*command, broken, *sql)
    assert (said.code, said.out) == (1, "")
    assert "salts.bin is missing" in said.parts[0]


def test_verify_says_what_it_checked(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    said = cnamm("verify", bundles["several"])
    assert (said.code, said.err) == (0, "")
    assert [line.split()[1:3] for line in said.out.splitlines()] == [["files", "match"], ["entries", "tie"], ["tree's", "root"]]


# ---- names that are not known --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "what", "advice"),
    [
        (["report", "{}", "--function", "identiy"], "no function 'identiy'", "did you mean 'identity'"),
        (["evaluate", "{}", "--function", "identiy"], "no function 'identiy'", "did you mean 'identity'"),
        (["evaluate", "{}", "--rule", "aws.iam.user_mfaa"], "no rule 'aws.iam.user_mfaa'", "did you mean 'aws.iam.user_mfa'"),
        (["results", "{}", "--rule", "aws.iam.user_mfaa"], "no rule 'aws.iam.user_mfaa'", "did you mean 'aws.iam.user_mfa'"),
        (["evaluate", "{}", "--parameter", "max_age_day=3"], "no parameter 'max_age_day'", "did you mean 'max_age_days'?"),
        (["evaluate", "{}", "--parameter", "max_age_days=abc"], "'abc' is not a whole number", "write digits; the default is: 90"),
        (
            ["evaluate", "{}", "--parameter", "aws.iam.user_key_age.max_age=5"],
            "rule 'aws.iam.user_key_age' has no parameter",
            "did you mean 'max_age_days'",
        ),
        (["evaluate", "{}", "--parameter", "max_age_days"], "'max_age_days' is not NAME=VALUE", "write for example"),
        (["evaluate", "{}", "--content", "/no/such/pack"], "is no content pack", "name a folder"),
        (["plan", "asw"], "no provider 'asw'", "did you mean 'aws'?"),
        (["scan", "azur"], "no provider 'azur'", "did you mean 'azure'"),
        (["scan", "oracle"], "no provider 'oracle'", "known: "),
        (["plan", "aws", "--function", "identiy"], "no function 'identiy'", "did you mean 'identity'"),
        (
            ["plan", "aws", "--rule", "aws.s3.bucket_versionin"],
            "no rule 'aws.s3.bucket_versionin'",
            "did you mean 'aws.s3.bucket_versioning'",
        ),
        (["content", "show", "aws.s3.bukket"], "nothing is named 'aws.s3.bukket'", "did you mean 'aws.s3.bucket'"),
        (["content", "list", "aws.s4"], "no rule 'aws.s4'", ""),
        (["content", "new", "rule", "aws.s3.bucket_versioning"], "rule 'aws.s3.bucket_versioning' exists already", "choose another id"),
        (["query", "{}", "DROP TABLE x"], "not one SELECT", "write a single SELECT"),
    ],
)
def test_a_typo_is_refused_with_the_nearest_name(
    cnamm: Cli, bundles: Mapping[str, Path], arguments: Sequence[str], what: str, advice: str
) -> None:
    said = cnamm(*(argument.format(bundles["one"]) for argument in arguments))
    assert (said.code, said.out) == (2, "")
    assert said.parts[0].startswith(f"error: {what}")
    assert said.parts[-1].startswith("  do: ")
    assert advice in said.parts[-1]
    assert len(said.parts) <= 3


def test_a_table_that_is_not_there_is_refused_with_the_nearest_name(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    said = cnamm("query", bundles["one"], "SELECT * FROM aws.s3.bukket")
    assert said.code in (1, 2)
    assert said.out == ""
    assert "did you mean" in said.err
    assert "aws.s3.bucket" in said.err


def test_an_unknown_command_or_option_is_bad_usage(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    said = cnamm("reprot")
    assert (said.code, said.out) == (2, "")
    assert "no command 'reprot': did you mean 'report'" in said.err
    assert cnamm("report", bundles["one"], "--fail-undr", "1").code == 2
    assert cnamm("report", bundles["one"], "--fail-under", "6").code == 2
    assert cnamm("report", bundles["one"], "--fail-on", "terrible").code == 2
    assert cnamm("report").code == 2
    assert cnamm("content", "lnit").code == 2


def test_an_unknown_profile_is_refused_before_anything_is_asked(cnamm: Cli, tmp_path: Path) -> None:
    said = cnamm("scan", "aws:no-such-profile", "--output", tmp_path)
    assert said.code in (1, 2)
    assert said.out == ""
    assert "no-such-profile" in said.err
    assert said.parts[-1].startswith("  do: ")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_region_is_refused_with_the_nearest_name(cnamm: Cli, moto_url: str, tmp_path: Path) -> None:
    said = cnamm(
        "scan", "aws", "--region", "eu-wst-1", "--endpoint-url", moto_url, "--rule", "aws.s3.bucket_versioning", "--output", tmp_path
    )
    assert (said.code, said.out) == (2, "")
    assert said.parts[0] == "error: no region 'eu-wst-1'"
    assert said.parts[1] == "  at: --region"
    assert "did you mean 'eu-west-1'" in said.parts[2]
    assert list(tmp_path.iterdir()) == []


# ---- stdout is data --------------------------------------------------------------------------------------------------------


def test_a_scan_prints_data_on_stdout_and_the_bundle_on_stderr(cnamm: Cli, moto_url: str, tmp_path: Path) -> None:
    said = cnamm(
        "scan", "aws", "--region", "us-east-1", "--endpoint-url", moto_url, "--rule", "aws.account.root_mfa", "--output", tmp_path,
        "--format", "json",
    )  # fmt: skip
    assert said.code == 0, said.err
    (bundle,) = tmp_path.iterdir()
    report = json.loads(said.out)
    assert report["scan"]["id"] == bundle.name.removesuffix(".cnamm")
    assert f"evidence bundle: {bundle}" in said.err
    assert json.loads(cnamm("report", bundle, "--format", "json").out) == report
    assert json.loads(cnamm("evaluate", bundle, "--format", "json").out) == report
    assert cnamm("verify", bundle).code == 0


def test_each_format_of_a_report(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    for bundle in bundles.values():
        made = {name: cnamm("report", bundle, "--format", name) for name in ("text", "json", "csv", "markdown")}
        assert all((said.code, said.err) == (0, "") for said in made.values())
        assert all(ESCAPE not in said.out for said in made.values())
        assert json.loads(made["json"].out)["models"][0]["id"] == "cnamm"
        rows = list(csv.DictReader(made["csv"].out.splitlines()))
        assert rows[0]["model"] == "cnamm"
        assert made["markdown"].out.startswith("# Cloud maturity: ")
        assert made["markdown"].out.endswith("\n")
        assert str(bundle) in made["text"].out.replace("\n", "")
        assert max(map(len, made["text"].out.splitlines())) <= 112


def test_each_format_of_the_results(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    said = cnamm("results", bundles["one"])
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert {row["rule"] for row in rows} == {rule.id for rule in RULES if rule.table != "aws.eks.cluster"}
    assert said.err == ""
    table = list(csv.DictReader(cnamm("results", bundles["one"], "--format", "csv").out.splitlines()))
    assert [(row["rule"], row["resource"], row["verdict"]) for row in table] == [
        (row["rule"], row["resource"], row["verdict"]) for row in rows
    ]
    for more in ([], ["--each"], ["--record"]):
        shown = cnamm("results", bundles["one"], "--format", "table", *more)
        assert shown.code == 0
        assert ESCAPE not in shown.out
        assert shown.err == f"{len(rows)} results\n"


def test_results_come_the_severest_first(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    rank = ["critical", "high", "medium", "low"]
    for form in ("jsonl", "csv"):
        out = cnamm("results", bundles["several"], "--format", form).out.splitlines()
        rows = [json.loads(line) for line in out] if form == "jsonl" else list(csv.DictReader(out))
        keys = [(rank.index(row["severity"]), row["rule"]) for row in rows]
        assert keys == sorted(keys)
        assert len(rows) > 10


def test_many_results_of_a_rule_are_one_row_with_their_number(cnamm: Cli, tmp_path: Path) -> None:
    rows = tuple({"key": f"b{n}", "name": f"b{n}", "versioning": "Never", "encrypted": True, "logged": True} for n in range(40))
    clusters = tuple({"key": f"c{n}", "private": False} for n in range(2))
    bundle = write_bundle(tmp_path, replace(ALL_GOOD, rows={**ALL_GOOD.rows, "aws.s3.bucket": rows, "aws.eks.cluster": clusters}))
    said = cnamm("results", bundle, "--verdict", "fail", "--format", "table")
    heads = [line for line in said.out.splitlines() if line.startswith("fail")]
    assert heads == ["fail  high  aws.eks.cluster_private  2 results in eu-west-1", "fail  medium  aws.s3.bucket_versioned  40 results"]
    assert "Rule aws.s3.bucket_versioned" in said.out
    assert "    and 37 more: --rule aws.s3.bucket_versioned --each" in said.out
    assert re.search(r"^    c0: is it private[?] false *\n      eu-west-1 *$", said.out, re.M), "a place is shown where there is one"
    each = cnamm("results", bundle, "--verdict", "fail", "--rule", "aws.s3.bucket_versioned", "--each")
    assert len(each.out.splitlines()) == 41


def test_results_of_a_severity_are_those_alone(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    def rows(*options: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in cnamm("results", bundles["one"], *options, "--format", "jsonl").out.splitlines()]

    whole = rows()
    there = {row["severity"] for row in whole}
    assert len(there) > 1
    for severity in there:
        assert rows("--severity", severity) == [row for row in whole if row["severity"] == severity]
    assert rows(*(part for severity in sorted(there) for part in ("--severity", severity))) == whole
    assert cnamm("results", bundles["one"], "--severity", "severe").code == 2


def test_a_record_says_all_that_is_known(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    said = cnamm("results", bundles["one"], "--rule", "aws.iam.user_key_age", "--resource", "bob", "--record")
    told = dict(line.split(None, 1) for line in said.out.splitlines())
    assert told["resource"].strip() == "bob"
    assert told["values.key_age"].strip() == "400"
    assert told["parameters.max_age_days"].strip() == "90"
    assert told["fix.advice"].strip() == "rotate the key of bob"
    assert said.err == "1 result\n"


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize(
    "command",
    [["results", "{}", "--each"], ["results", "{}"], ["results", "{}", "--record"], ["query", "{}", "SELECT * FROM aws.s3.bucket"]],
)
def test_no_terminal_is_so_narrow_that_words_become_letters(bundles: Mapping[str, Path], columns: int, command: list[str]) -> None:
    shown = _on_a_terminal(*(each.format(bundles["several"]) for each in command), COLUMNS=str(columns))
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown).replace("\r", "")
    pieces = [piece for line in plain.splitlines() for piece in re.split(r"  +", line.strip()) if piece]
    slivers = [piece for piece in pieces if len(piece) <= 2 and piece not in ("",)]
    assert len(slivers) <= len(pieces) // 10, slivers
    assert max(map(len, plain.splitlines())) <= columns
    assert "invoices" in plain


def test_results_may_be_narrowed(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    def rows(*arguments: str) -> list[dict[str, Any]]:
        said = cnamm("results", bundles["one"], *arguments)
        assert said.code == 0
        return [json.loads(line) for line in said.out.splitlines()]

    assert {row["verdict"] for row in rows("--verdict", "fail", "--verdict", "unknown")} == {"fail", "unknown"}
    assert {row["rule"] for row in rows("--rule", "aws.iam")} == {"aws.iam.user_mfa", "aws.iam.user_key_age"}
    assert [row["resource"] for row in rows("--rule", "aws.iam.user_mfa", "--verdict", "fail")] == ["bob"]
    assert rows("--verdict", "error") == []


def test_results_of_nasty_names(cnamm: Cli, tmp_path: Path) -> None:
    names = ["a\\[/b]", "[/red]", "[bold]x", "\x1b[31mred", "=cmd|calc", "two\nlines"]
    rows = tuple({"key": name, "name": name, "versioning": "Never", "encrypted": True, "logged": True} for name in names)
    bundle = write_bundle(tmp_path, replace(ALL_GOOD, rows={**ALL_GOOD.rows, "aws.s3.bucket": rows}))
    said = cnamm("results", bundle, "--verdict", "fail", "--format", "table", "--each")
    assert said.code == 0
    assert all(char == "\n" or char.isprintable() for char in said.out)
    assert all(safe(name) in said.out for name in names)
    table = list(csv.DictReader(cnamm("results", bundle, "--verdict", "fail", "--format", "csv").out.splitlines()))
    assert {row["resource"] for row in table} == {"'=cmd|calc", *map(safe, names)} - {"=cmd|calc"}
    lines = cnamm("results", bundle, "--verdict", "fail").out.splitlines()
    assert {json.loads(line)["resource"] for line in lines} == set(names)


def test_each_format_of_a_query(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    sql = "SELECT name, versioning FROM aws.s3.bucket WHERE versioning IS NULL OR name = 'letters' ORDER BY name"
    said = cnamm("query", bundles["one"], sql)
    assert [line.split() for line in said.out.splitlines()] == [["name", "versioning"], ["dim", "NULL"], ["letters", "Never"]]
    assert said.err == "2 rows\n"
    lines = cnamm("query", bundles["one"], sql, "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == [{"name": "dim", "versioning": None}, {"name": "letters", "versioning": "Never"}]
    assert cnamm("query", bundles["one"], sql, "--format", "csv").out == "name,versioning\ndim,\nletters,Never\n"


def test_a_query_reaches_no_file(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    said = cnamm("query", bundles["one"], "SELECT * FROM read_csv('/etc/passwd')")
    assert said.code in (1, 2)
    assert "root:" not in said.out + said.err


def test_evaluate_takes_another_threshold(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    def low(*more: str) -> float:
        report = json.loads(cnamm("evaluate", bundles["one"], "--format", "json", *more).out)
        level = report["models"][0]["functions"][1]["practices"][0]["levels"][1]
        return float(level["low"])

    assert low() == 0.5
    assert low("--parameter", "max_age_days=500") == 1.0
    assert low("--parameter", "max_age_days=5") == 0.0


def test_a_selection_never_lifts_a_score(cnamm: Cli, bundles: Mapping[str, Path]) -> None:
    whole = json.loads(cnamm("evaluate", bundles["one"], "--format", "json").out)["models"][0]["overall"]
    part = json.loads(cnamm("evaluate", bundles["one"], "--format", "json", "--rule", "aws.s3").out)["models"][0]["overall"]
    assert part["low"] <= whole["low"]
    assert part["high"] >= whole["high"]
    assert part["coverage"] < whole["coverage"]


def test_the_least_rights_are_json(cnamm: Cli) -> None:
    said = cnamm("plan", "aws", "--rule", "aws.s3.bucket_versioning", "--permissions")
    assert said.code == 0
    assert "s3:ListAllMyBuckets" in json.dumps(json.loads(said.out))
    described = json.loads(cnamm("plan", "aws", "--rule", "aws.s3.bucket_versioning", "--format", "json").out)
    assert described[0]["rules"] == 1


# ---- colours ---------------------------------------------------------------------------------------------------------------


def test_a_pipe_gets_no_colour_unless_it_is_asked_for(bundles: Mapping[str, Path]) -> None:
    plain, never, always = (_shell(*colour, "report", bundles["one"]) for colour in ([], ["--color", "never"], ["--color", "always"]))
    assert ESCAPE not in plain.stdout
    assert never.stdout == plain.stdout
    assert _colours(always.stdout)
    assert re.sub(r"\x1b\[[0-9;]*m", "", always.stdout) == plain.stdout


def test_no_color_is_honoured_on_a_terminal(bundles: Mapping[str, Path]) -> None:
    assert _colours(_on_a_terminal("report", bundles["one"]))
    assert not _colours(_on_a_terminal("report", bundles["one"], NO_COLOR="1"))
    assert not _colours(_on_a_terminal("--color", "never", "report", bundles["one"]))


def test_an_option_outranks_the_environment(bundles: Mapping[str, Path]) -> None:
    assert _colours(_shell("--color", "always", "report", bundles["one"], NO_COLOR="1").stdout)


def test_an_error_has_the_colours_that_were_asked_for(tmp_path: Path) -> None:
    missing = tmp_path / "no-such.cnamm"
    assert _colours(_on_a_terminal("report", missing))
    assert not _colours(_on_a_terminal("report", missing, NO_COLOR="1"))
    assert not _colours(_on_a_terminal("--color", "never", "report", missing))


# ---- help ------------------------------------------------------------------------------------------------------------------


def _commands() -> Iterator[tuple[str, ...]]:
    context = click.Context(cli)
    for name in COMMANDS:
        yield (name,)
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            for inner in command.commands:
                yield name, inner


@pytest.mark.parametrize("command", list(_commands()), ids=" ".join)
def test_every_command_has_examples(cnamm: Cli, command: tuple[str, ...]) -> None:
    said = cnamm(*command, "--help")
    assert said.code == 0
    assert "Examples:" in said.out
    assert f"cnamm-scan {' '.join(command)}" in said.out.partition("Examples:")[2]


def test_the_help_of_all_names_each_command_and_exit_code(cnamm: Cli) -> None:
    said = cnamm("--help")
    assert said.code == 0
    assert all(re.search(rf"^  {name} ", said.out, re.MULTILINE) for name in COMMANDS)
    assert "Examples:" in said.out
    assert all(
        f"{code} {what}" in said.out for code, what in ((0, "done"), (1, "failed"), (2, "bad usage"), (3, "not enough"), (10, "a gate"))
    )


@pytest.mark.parametrize("command", ["scan", "plan"])
def test_the_help_names_the_targets_of_every_provider(cnamm: Cli, command: str) -> None:
    said = " ".join(cnamm(command, "--help").out.split())
    for kind in KINDS.values():
        assert kind.targets.startswith(kind.name)
        assert kind.targets in said
    assert "{" not in said.partition("Examples:")[0]


def test_the_readme_names_each_command_and_exit_code() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [" ".join(command) for command in _commands() if f"cnamm-scan {' '.join(command)}" not in readme] == []
    assert all(re.search(rf"\b{code}\b", readme) for code in (0, 1, 2, 3, 10))


def test_the_examples_of_every_help_can_be_parsed() -> None:
    for command in _commands():
        context: click.Context = click.Context(cli, info_name="cnamm-scan")
        found: click.Command | None = cli
        for name in command:
            assert isinstance(found, click.Group)
            found = found.get_command(context, name)
        assert found is not None
        for line in (found.help or "").partition("Examples:")[2].splitlines():
            for name in re.findall(r"(--[a-z][a-z-]+)", line):
                known = {option for each in _all_parameters(found) for option in each.opts}
                assert name in known, (command, line)


def _all_parameters(command: click.Command) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _all_parameters(inner)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from cnamm_scan.cli.main import COMMANDS, run\n"
        "for name in ['--help', *(f'{each} --help' for each in COMMANDS)]:\n"
        "    try: run(name.split())\n"
        "    except SystemExit: pass\n"
        "    heavy = {'duckdb', 'pydantic', 'yaml', 'rich', 'boto3', 'botocore', 'moto'} & set(sys.modules)\n"
        "    print('HEAVY', name, sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    said = [line for line in done.stdout.splitlines() if line.startswith("HEAVY ")]
    assert said == [f"HEAVY {name} []" for name in ["--help", *(f"{each} --help" for each in COMMANDS)]]


def test_the_base_install_needs_no_cloud_sdk(bundles: Mapping[str, Path]) -> None:
    script = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['boto3', 'botocore', 'moto', 'kubernetes']))\n"
        "from cnamm_scan.cli.main import run\n"
        "bundle = sys.argv[1]\n"
        "codes = [run([*each, bundle]) for each in (['report'], ['evaluate'], ['results'], ['verify'])]\n"
        "codes += [run(['query', bundle, 'SELECT 1']), run(['content', 'show', 'aws.s3.bucket'])]\n"
        "sys.exit(0 if codes == [0] * 6 else f'{codes}')\n"
    )
    done = subprocess.run([sys.executable, "-c", script, bundles["one"]], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


# ---- at the door -----------------------------------------------------------------------------------------------------------


def test_a_broken_connection_cannot_kill_a_scan(cnamm: Cli) -> None:
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python starts
    try:
        cnamm("content", "show", "aws.s3.bucket")
        after = signal.getsignal(signal.SIGPIPE)
    finally:
        signal.signal(signal.SIGPIPE, before)
    assert after is signal.SIG_IGN  # SIG_DFL would end the process at the first reset socket


@pytest.mark.parametrize("command", [["content", "list", "--format", "jsonl"], ["content", "list"]])
def test_a_reader_that_leaves_early_gets_no_traceback(command: Sequence[str]) -> None:
    child = subprocess.Popen([sys.executable, "-m", "cnamm_scan", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.read(10)
    child.stdout.close()
    said = child.stderr.read()
    child.stderr.close()
    child.wait(timeout=120)
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_the_version_is_that_of_the_package(cnamm: Cli) -> None:
    from cnamm_scan import __version__

    assert cnamm("--version").out == f"cnamm-scan, version {__version__}\n"
