"""Options that would do nothing are refused in words; every other one changes what is said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan import api
from cnamm_scan.cli.asked import Command
from cnamm_scan.cli.main import COMMANDS, cli, run
from cnamm_scan.judged.narrowed import share_seen
from cnamm_scan.model import Reason
from cnamm_scan.providers.catalog import options, owners
from tests.bundles import FIRST, ONE, RULES, SECOND, Found, write_bundle

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("asked"), FIRST, SECOND)


def _commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", each) for inner, each in command.commands.items())
        else:
            yield name, command


ROLE = "arn:aws:iam::111122223333:role/audit"
VALUES = {
    "--role-arn": ROLE,
    "--external-id": "42",
    "--endpoint-url": "http://127.0.0.1:1",
    "--kubeconfig": "no-such-file",
    "--namespace": "shop",
    "--exclude-namespace": "shop",
    "--system-namespace": "shop",
    "--tenant": "contoso.example",
    "--cloud": "china",
    "--arm-endpoint": "https://arm.example",
    "--authority": "https://login.example",
    "--audience": "https://aud.example",
    "--ca-bundle": "no-such-file",
    "--quota-project": "shop-pays",
    "--impersonate-service-account": "scanner@shop-pays.iam.gserviceaccount.com",
    "--api-endpoint": "https://apis.example",
    "--directory-admin": "admin@shop.example",
}
TARGETS = {"--directory-admin": "gcp:organizations/9"}
"""Options that say something about some targets of their kind alone."""
IDLE: Mapping[tuple[str, str], tuple[list[str], str]] = {
    ("report", "--findings"): (["report", "x", "--format", "csv", "--findings", "3"], "outside --format text and markdown"),
    ("results", "--each"): (["results", "x", "--format", "csv", "--each"], "outside --format table"),
    ("results", "--record"): (["results", "x", "--format", "jsonl", "--record"], "outside --format table"),
    ("query", "--record"): (["query", "x", "SELECT 1", "--format", "csv", "--record"], "outside --format table"),
    ("plan", "--split-into"): (["plan", "aws", "--split-into", "x"], "without --permissions"),
    ("plan", "--format"): (["plan", "aws", "--permissions", "--format", "text"], "with --permissions"),
    ("plan", "--region"): (["plan", "aws", "--permissions", "--region", "eu-west-1"], "with --permissions or --preflight"),
    ("plan", "--call-timeout"): (["plan", "aws", "--call-timeout", "5"], "without --preflight"),
    ("scan", "--call-timeout"): (["scan", "kubernetes:./x.yaml", "--call-timeout", "5"], "for manifests"),
    ("scan", "--concurrency"): (["scan", "kubernetes:-", "--concurrency", "5"], "for manifests"),
    ("scan", "--api-budget"): (["scan", "kubernetes:./x.yaml", "--api-budget", "5"], "for manifests"),
    ("content list", "--function"): (["content", "list", "--kind", "tables", "--function", "identity"], "with --kind tables"),
    ("content weights", "--together"): (["content", "weights", "--provider", "aws", "--together"], "with one --provider"),
    ("content coverage", "--together"): (["content", "coverage", "--provider", "aws", "--together"], "with one --provider"),
    **{
        ("plan", option.flag): (
            [
                "plan",
                TARGETS.get(option.flag, owners(option.flag)[0]),
                option.flag,
                VALUES[option.flag],
            ]
            + (["--role-arn", ROLE] if option.beside else []),
            "without --preflight",
        )
        for option in options()
        if option.flag in VALUES
    },
    **{("plan", flag): (["plan", "kubernetes", flag], "without --preflight") for flag in ("--assume-whole", "--skip-unreadable")},
    ("plan", "--disable-instance-discovery"): (["plan", "azure", "--disable-instance-discovery"], "without --preflight"),
}
"""(command, option) -> a command line in which it does nothing, and what is said of it."""


def test_every_command_refuses_what_does_nothing() -> None:
    assert [name for name, command in _commands() if not isinstance(command, Command)] == []


def test_every_condition_is_tried_below() -> None:
    conditional = {(name, each.opts[0]) for name, command in _commands() for each in command.params if getattr(each, "only", None)}
    assert conditional == set(IDLE)


@pytest.mark.parametrize(("line", "why"), list(IDLE.values()), ids=lambda each: " ".join(each) if isinstance(each, list) else "")
def test_an_option_that_does_nothing_says_so(
    line: list[str], why: str, capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(line) == 2
    said = capsys.readouterr()
    assert said.out == ""
    what, where, do = said.err.strip().split("\n")
    option = where.removeprefix("  at: ")
    assert what.startswith(f"error: {option} does nothing {why}")
    assert do.startswith("  do: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (["scan", "aws", "--external-id", "42"], "--external-id does nothing without --role-arn"),
        (["scan", "aws", "--namespace", "shop"], "--namespace says nothing about aws"),
        (["scan", "kubernetes:./x.yaml", "--kubeconfig", "k"], "--kubeconfig says nothing about kubernetes:./x.yaml"),
        (["scan", "kubernetes:-", "--with-kubelet-config"], "--with-kubelet-config says nothing about kubernetes:-"),
        (
            ["evaluate", "{}", "--rule", "aws.s3", "--parameter", "max_age_days=5"],
            "--parameter max_age_days does nothing: no selected rule has it",
        ),
    ],
)
def test_an_option_that_says_nothing_of_the_targets_says_so(line: list[str], what: str, bundle: Path, capsys: Capsys) -> None:
    assert run([each.format(bundle) for each in line]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {what}\n  at: --")
    assert said.out == ""


def test_what_stands_in_the_environment_is_never_idle(monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert run(["plan", "aws", "--rule", "aws.s3.bucket_versioning"]) == 0
    assert run(["plan", "kubernetes", "--rule", "kubernetes.core.namespace_in_use"]) in (0, 2)
    assert "AWS_ENDPOINT_URL" not in capsys.readouterr().err


# ---- what is left does something -------------------------------------------------------------------------------------------

FORMATS = ("text", "json", "csv", "markdown")
EVERY = [
    *(["report", "{}", "--format", form, "--function", "identity"] for form in FORMATS),
    *(["report", "{}", "--format", form, "--findings", "1"] for form in ("text", "markdown")),
    *(["evaluate", "{}", "--format", form, "--function", "identity"] for form in FORMATS),
    *(["evaluate", "{}", "--format", form, "--rule", "aws.s3"] for form in FORMATS),
    *(["evaluate", "{}", "--format", form, "--parameter", "max_age_days=1000"] for form in FORMATS),
    *(
        ["results", "{}", "--format", form, *more]
        for form in ("jsonl", "csv", "table")
        for more in (["--verdict", "fail"], ["--rule", "aws.iam"])
    ),
    ["results", "{}", "--format", "table", "--record"],
    *(["content", "list", "--kind", kind, "aws.s3"] for kind in ("rules", "tables", "parameters")),
    *(["content", "list", "--kind", kind, "identity"] for kind in ("objectives", "functions")),
    *(["content", "list", "--kind", kind, "--function", "identity"] for kind in ("rules", "objectives", "parameters", "functions")),
    ["content", "search", "mfa", "--kind", "rules"],
    ["content", "search", "mfa", "--most", "1"],
    ["plan", "aws", "--rule", "aws.s3"],
    ["plan", "aws", "--function", "identity"],
    ["plan", "aws", "--region", "eu-west-1"],
    ["plan", "aws", "--permissions"],
    ["plan", "kubernetes", "--with-secret-metadata"],
]


@pytest.mark.parametrize("line", EVERY, ids=" ".join)
def test_an_option_changes_what_is_said(line: list[str], bundle: Path, capsys: Capsys) -> None:
    """Each line without its last option is another answer."""
    whole = [each.format(bundle) for each in line]
    at = max(
        [number for number, each in enumerate(whole) if each.startswith("--") and each not in ("--format", "--kind")],
        default=len(whole) - 1,
    )
    if whole[:2] == ["content", "list"] and not whole[-1].startswith("--") and whole[-2] != "--function":
        at = len(whole) - 1
    if whole[:2] == ["content", "search"]:
        at = len(whole) - 2
    answers = []
    for arguments in (whole, whole[:at]):
        assert run(arguments) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] != answers[1]
    assert all(answers)


def _report(capsys: Capsys, *arguments: str) -> dict[str, list[dict[str, object]]]:
    assert run(list(arguments)) == 0
    made: dict[str, list[dict[str, object]]] = json.loads(capsys.readouterr().out)
    return made


def test_a_narrowed_report_holds_nothing_of_other_functions(bundle: Path, capsys: Capsys) -> None:
    whole = _report(capsys, "report", str(bundle), "--format", "json")
    part = _report(capsys, "report", str(bundle), "--format", "json", "--function", "identity")
    (model,) = part["models"]
    own = next(each for each in whole["models"][0]["functions"] if each["id"] == "identity")  # type: ignore[attr-defined]
    assert model["functions"] == [own], "what is shown is narrowed, what a score is never is"
    assert model["overall"] == whole["models"][0]["overall"]
    asked = {"identity.mfa", "identity.keys-are-young", "data.logged"}
    assert {each["objective"] for each in part["findings"]} == {each["objective"] for each in whole["findings"]} & asked
    assert sum(part["findings_by_severity"].values()) == len(part["findings"])  # type: ignore[attr-defined]
    assert {each["id"] for target in part["targets"] for made in target["models"] for each in made["functions"]} == {"identity"}  # type: ignore[attr-defined]
    assert {each["function"] for each in part["roadmap"][0]["functions"]} <= {"identity"}  # type: ignore[attr-defined]
    reading = {rule for gap in part["gaps"] for rule in gap["rules"]}  # type: ignore[attr-defined]
    assert "aws.logs.group_kept" not in reading
    assert "aws.logs.group_kept" in {rule for gap in whole["gaps"] for rule in gap["rules"]}  # type: ignore[attr-defined]


def test_all_functions_together_are_the_whole_report(bundle: Path, capsys: Capsys) -> None:
    every = [part for name in ("data", "identity", "runtime", "detection") for part in ("--function", name)]
    whole = _report(capsys, "report", str(bundle), "--format", "json")
    part = _report(capsys, "report", str(bundle), "--format", "json", *every)
    for name in ("models", "targets", "findings", "findings_by_severity", "findings_left_out", "gone"):
        assert part[name] == whole[name], name


# ---- gates look at what was selected ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half seen: users are known, and nothing else is."""
    rows = {"aws.iam.user": FIRST.rows["aws.iam.user"]}
    refused = dict.fromkeys(("aws.s3.bucket", "aws.eks.cluster", "aws.logs.group"), Reason.DENIED)
    return write_bundle(tmp_path_factory.mktemp("dim"), Found(ONE, rows, refused))


@pytest.mark.parametrize(
    ("command", "arguments", "code", "said"),
    [
        ("report", ["--min-coverage", "60"], 3, "at: Pocket Model"),
        ("report", ["--function", "identity", "--min-coverage", "40"], 0, ""),
        ("report", ["--function", "identity", "--function", "data", "--min-coverage", "40"], 3, "at: Data [all of it]"),
        ("report", ["--function", "detection", "--min-coverage", "0", "--fail-on", "low"], 3, "nothing was judged under the gate"),
        ("report", ["--fail-on", "critical"], 10, "aws.iam.user_mfa"),
        ("report", ["--function", "data", "--fail-on", "low"], 0, "it is met because nothing could be seen"),
        ("report", ["--function", "identity", "--fail-on", "critical"], 10, "1 finding(s) of severity critical or worse"),
        ("report", ["--function", "identity", "--fail-under", "0.4"], 0, ""),
        ("report", ["--function", "identity", "--fail-under", "4"], 10, "at: Identity"),
        ("report", ["--function", "runtime", "--fail-under", "1"], 10, "the score's low bound is N/A, expected at least 1"),
        ("evaluate", ["--function", "identity", "--min-coverage", "40"], 0, ""),
        ("evaluate", ["--rule", "aws.iam", "--min-coverage", "100"], 0, ""),
        (
            "evaluate",
            ["--rule", "aws.s3", "--min-coverage", "0.1"],
            3,
            "coverage is 0.0 %, expected at least 0.1 %\n  at: the selected rules",
        ),
        ("evaluate", ["--rule", "aws.iam", "--rule", "aws.s3", "--min-coverage", "99"], 3, "at: the selected rules"),
        ("evaluate", ["--rule", "aws.s3", "--fail-under", "1"], 10, "low bound is N/A, expected at least 1"),
        ("evaluate", ["--rule", "aws.iam.user_key_age", "--fail-on", "critical"], 0, ""),
        ("evaluate", ["--rule", "aws.iam.user_key_age", "--fail-on", "medium"], 10, "1 finding(s)"),
    ],
)
def test_a_gate_looks_at_what_was_selected(command: str, arguments: list[str], code: int, said: str, dim: Path, capsys: Capsys) -> None:
    assert run([command, str(dim), *arguments]) == code, capsys.readouterr().err
    err = capsys.readouterr().err
    assert said in err
    assert (err == "") == (said == "")


def test_the_number_of_a_missed_gate_is_the_one_that_is_shown(dim: Path, capsys: Capsys) -> None:
    for function in ("data", "identity", "runtime", "detection"):
        assert run(["report", str(dim), "--format", "json", "--function", function, "--fail-under", "5"]) == 10
        told = capsys.readouterr()
        (shown,) = json.loads(told.out)["models"][0]["functions"]
        got = f"{int(shown['low'] * 100) / 100:.2f}" if shown["coverage"] else "N/A"
        assert f"the score's low bound is {got}, expected at least 5" in told.err


@given(st.sets(st.sampled_from([rule.id for rule in RULES])), st.integers(0, 100))
def test_the_coverage_of_some_rules_is_between_those_of_each(bundle: Path, chosen: set[str], least: int) -> None:
    with api.load_bundle(bundle) as done:
        each = [share for name in chosen if (share := share_seen(done, [name])) is not None]
        whole = share_seen(done, chosen)
        assert (whole is None) == (not each)
        assert whole is None or min(each) - 1e-9 <= whole <= max(each) + 1e-9
