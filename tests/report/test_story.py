"""The story of a report: what it says of a score, what it asks for first, what it saw least of; at a terminal of any kind and width."""

from __future__ import annotations

import copy
import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from cnamm_scan import api
from cnamm_scan.model import Reason
from cnamm_scan.report import markdown, text, words
from cnamm_scan.report.page import ASCII, UNICODE, Page
from cnamm_scan.report.story import CARRIES
from cnamm_scan.report.unseen import would_show
from tests.bundles import DARK, FIRST, HOME, TABLES, TWO, USERS, Found, write_bundle
from tests.report.test_report import ESTATES, VALIDATOR, _report, _text


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    return {name: _report(write_bundle(tmp_path_factory.mktemp(name), *estate)) for name, estate in ESTATES.items()}


# ---- what it says ----------------------------------------------------------------------------------------------------------


def test_a_score_is_said_in_a_sentence(reports: Mapping[str, Any]) -> None:
    (told,) = reports["several"]["story"]
    assert told == {
        "model": "cnamm",
        "has_score": True,
        "findings_first": False,
        "says": "The evidence shows at least 0.6. Were everything unseen in order, it would be 3.0 at most."
        " One function of four has attained Foundation.",
        "would_give_one": "",
    }
    assert "All four functions have attained Foundation." in reports["good"]["story"][0]["says"]
    assert "None of its three functions has attained Foundation yet." in reports["one"]["story"][0]["says"]


@pytest.mark.parametrize(("name", "why"), [("nothing", "nothing that the model asks for was found"), ("dark", "nothing could be read")])
def test_without_anything_seen_there_is_no_score_and_a_reason(reports: Mapping[str, Any], name: str, why: str) -> None:
    (told,) = reports[name]["story"]
    assert not told["has_score"]
    assert told["says"] == f"Nothing fails among what was seen. No score: {why}."
    for shown in (_text(reports[name]), markdown.render(reports[name])):
        assert "no overall score" in shown.split("\n")[0]
        assert shown.count("Nothing fails") <= 2
        assert not re.search(r"\d\.\d …", shown)


def test_a_score_that_so_little_cannot_carry_is_not_told(tmp_path: Path) -> None:
    """One table of four read: the JSON keeps the interval, people get what was found first and what would give a score."""
    little = Found(rows={"aws.iam.user": USERS}, refused={name: Reason.DENIED for name in TABLES if name != "aws.iam.user"})
    with api.load_bundle(write_bundle(tmp_path, little)) as done:
        (model,) = done.models
        assert model.interval is not None
        done.models = [replace(model, interval=replace(model.interval, coverage=Fraction(1, 20)))]
        told = done.report()
    VALIDATOR.validate(told)
    (story,) = told["story"]
    assert not story["has_score"]
    assert story["says"] == "2 findings. No overall score: 5 % of what the model asks could be seen, which carries none."
    assert told["models"][0]["overall"]["low"] is not None
    shown = _text(told, 80)
    assert "no overall score" in shown
    assert not any(line.startswith("Overall") for line in shown.split("\n"))
    assert "| **overall** |" not in markdown.render(told)


def test_what_was_not_selected_is_said_to_be(tmp_path: Path) -> None:
    path = write_bundle(tmp_path, FIRST)
    with api.evaluate(path, functions=["identity"]) as done:
        report = done.report()
    VALIDATOR.validate(report)
    functions = {each["id"]: each for each in report["models"][0]["functions"]}
    assert {name: (each["rules_judged"], each["rules_known"]) for name, each in functions.items()} == {
        "data": (1, 3),  # one of its objectives is asked for in identity too
        "identity": (3, 3),
        "runtime": (0, 1),
        "detection": (0, 1),
    }
    shown = _text(report, 80)
    rows = {line.split("  ")[0]: line for line in shown.split("\n")}
    assert "not selected" in rows["Runtime"]
    assert "not selected" in rows["Detection"]
    assert words.interval(functions["identity"]) in rows["Identity"]
    assert report["story"][0]["would_give_one"] == "A scan without --function and --rule gives one."
    assert {step["objective"] for step in report["roadmap"][0]["best"]} == {"identity.mfa", "data.logged"}
    (cause,) = [row for row in report["unseen"] if row["reason"] == "not_selected"]
    assert len(cause["rules"]) == 4
    assert "| Runtime | not selected |" in markdown.render(report)


def test_no_function_is_called_unselected_when_a_scan_was_stopped(tmp_path: Path) -> None:
    with api.evaluate(write_bundle(tmp_path, FIRST, interrupted=True), functions=["identity"]) as done:
        report = done.report()
    assert "stopped before it" in _text(report)
    assert "not selected" not in _text(report) + markdown.render(report)


# ---- what to do ------------------------------------------------------------------------------------------------------------


def test_a_critical_finding_is_the_first_step_however_little_it_gains(reports: Mapping[str, Any]) -> None:
    steps = reports["several"]["roadmap"][0]["best"]
    assert [step["because"] for step in steps] == ["critical", "blocks", "blocks", "gain", "gain"]
    assert steps[0]["findings"][0]["severity"] == "critical"
    assert steps[0]["blocks"] == [{"function": "identity", "level": 3}]
    shown = _text(reports["several"], 80).split("\n")
    (first,) = [line for line in shown if line.startswith("  1  ")]
    assert re.fullmatch(r"  1  Everyone signs in with a second factor +critical +\+0\.64", first)


@pytest.mark.parametrize("name", ESTATES)
def test_each_function_says_what_its_next_level_waits_for(reports: Mapping[str, Any], name: str) -> None:
    report = reports[name]
    if not report["story"][0]["has_score"]:
        return
    shown, made = _text(report, 112), markdown.render(report)
    for way in report["roadmap"][0]["functions"]:
        (function,) = [each for each in report["models"][0]["functions"] if each["id"] == way["function"]]
        assert any(line.startswith(f"  {function['short']} ") and way["steps"][0]["title"] in line for line in shown.split("\n"))
        (row,) = [line for line in made.split("\n") if line.startswith(f"| {markdown.cell(function['title'])} |")]
        for step in way["steps"]:
            assert step["title"] in row


def test_manifests_come_with_their_findings_first_and_no_step_without_one(reports: Mapping[str, Any], tmp_path: Path) -> None:
    """The same scan, had it been of text: with `manifests` in the scope of its target."""
    with api.load_bundle(write_bundle(tmp_path, FIRST)) as done:
        done.scan = {**done.scan, "targets": [{**each, "scope": {"manifests": "deploy"}} for each in done.scan["targets"]]}
        report = done.report()
    assert report["story"][0]["findings_first"]
    steps = report["roadmap"][0]["best"]
    assert steps
    assert all(step["open"] for step in steps)
    assert any(not step["open"] for step in reports["one"]["roadmap"][0]["best"])
    for finding in (each for row in report["findings_by_rule"] for each in row["resources"]):
        finding |= {"file": "deploy/a.yaml", "line": 7}
    shown, made = _text(report, 80), markdown.render(report)
    for said, found, scores in ((shown, "Findings ", "Overall "), (made, "## Findings", "| **overall** |")):
        assert said.index(found) < said.index(scores)
    assert "            deploy/a.yaml:7: bob: second factor false\n" in shown
    assert "| `deploy/a.yaml:7` bob: second factor false |" in made
    assert "Do first" not in shown + made


# ---- findings by rule --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ESTATES)
def test_rows_by_rule_hold_all_findings(reports: Mapping[str, Any], name: str) -> None:
    report = reports[name]
    rows = report["findings_by_rule"]
    assert {row["rule"]: row["fail"] for row in rows} == Counter(each["rule"] for each in report["findings"])
    assert sum(row["fail"] for row in rows) == sum(report["findings_by_severity"].values())
    rules = {rule["id"]: rule for m in report["models"] for f in m["functions"] for rule in text._judged(f)}
    for row in rows:
        counts = rules[row["rule"]]
        unseen = counts["unknown"] + counts["error"]
        assert (row["unseen"], row["judged"]) == (unseen, counts["pass"] + counts["fail"] + unseen)
    order = ["critical", "high", "medium", "low"]
    assert [(order.index(row["severity"]), row["level"]) for row in rows] == sorted(
        (order.index(row["severity"]), row["level"]) for row in rows
    )


def test_what_several_regions_answer_for_stands_once(tmp_path: Path) -> None:
    with api.load_bundle(write_bundle(tmp_path, FIRST)) as done:
        blocks = list(done.blocks("fail"))
        (block,) = [each for each in blocks if each.rule == "aws.iam.user_mfa"]
        twice = [*blocks, replace(block, region="eu-west-1"), replace(block, region="us-east-1")]
        done.judged_blocks = lambda verdicts, rule, named: iter(twice)
        done.tallies = [replace(each, fail=each.fail + 2 * (each.rule == block.rule)) for each in done.tallies]
        report = done.report()
    (row,) = [row for row in report["findings_by_rule"] if row["rule"] == block.rule]
    (resource,) = row["resources"]
    assert (row["fail"], row["more"], resource["regions"]) == (3, 0, ["eu-west-1", "us-east-1"])
    assert "eu-west-1, us-east-1: bob: second factor false" in _text(report, findings=9)
    assert markdown.render(report).count("bob: second factor false |") == 1


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 3))
def test_numbers_agree_with_their_nouns(fail: int, passed: int, unseen: int) -> None:
    said = words.verdicts(fail, fail + passed + unseen, unseen).replace(" ", "")
    assert said == f"{fail}of{fail + passed + unseen}{'fails' if fail == 1 else 'fail'}" + (f",{unseen}unseen" if unseen else "")
    assert words.counted(fail, "finding").endswith("finding" if fail == 1 else "findings")


@pytest.mark.parametrize("name", ESTATES)
def test_no_plural_of_one(reports: Mapping[str, Any], name: str) -> None:
    for shown in (_text(reports[name], 80, findings=9), _text(reports[name], 200, findings=9), markdown.render(reports[name])):
        assert not re.search(r"\b1 (?:more )?(?:findings|rules|calls|causes|targets|regions|services|rights)\b", shown)


# ---- what could not be seen ----------------------------------------------------------------------------------------------------


def test_one_cause_in_one_place_is_one_row(reports: Mapping[str, Any]) -> None:
    rows = reports["dark"]["unseen"]
    assert [(row["reason"], [each["region"] for each in row["places"]], row["calls"]) for row in rows] == [
        ("denied", ["global"], ["iam:ListUsers", "s3:ListBuckets"]),
        ("denied", [HOME], ["eks:ListClusters", "logs:DescribeLogGroups"]),
    ]
    assert rows[1]["rights"] == ["eks:ListClusters", "logs:DescribeLogGroups"]
    assert rows[1]["would_show"] == "grant eks:ListClusters, logs:DescribeLogGroups"
    assert sum(len(row["rules"]) for row in rows) == 7


def test_targets_that_were_refused_alike_share_a_row(tmp_path: Path) -> None:
    report = _report(write_bundle(tmp_path, DARK, replace(DARK, target=TWO)))
    VALIDATOR.validate(report)
    assert [[each["target"] for each in row["places"]] for row in report["unseen"]] == [[DARK.target, TWO]] * 2
    assert "AWS 111111111111 eu-west-1, AWS 222222222222 eu-west-1: eks:ListClusters, logs:DescribeLogGroups denied" in _text(report, 200)


def test_what_the_answer_left_open_is_named(reports: Mapping[str, Any]) -> None:
    (row,) = [row for row in reports["one"]["unseen"] if row["reason"] == "not_in_answer"]
    assert row["about"] == ["Rule aws.s3.bucket_encrypted"]
    assert "what was read leaves it open: Rule aws.s3.bucket_encrypted, 1 rule" in _text(reports["one"], 80)


def test_who_has_no_score_reads_the_causes_whole_with_what_to_do(reports: Mapping[str, Any]) -> None:
    report = copy.deepcopy(dict(reports["one"]))
    for told in report["story"]:
        told["has_score"] = False
    said = " ".join(_text(report, 60).split())
    for row in report["unseen"][:2]:
        assert f"{words.what_of(row)}, " in said
        assert row["would_show"] in said


def test_several_calls_with_long_names_are_counted() -> None:
    row = {"reason": "denied", "every_call": False, "about": [], "about_more": 0}
    long = [f"network:Microsoft.Network/{name}" for name in ("applicationGateways", "azureFirewalls", "bastionHosts")]
    assert words.what_of({**row, "calls": long}) == "3 calls of network denied"
    assert words.what_of({**row, "calls": long[:1]}) == f"{long[0]} denied"
    assert words.what_of({**row, "calls": ["s3:GetBucketAcl", "s3:ListBuckets"]}) == "s3:GetBucketAcl, s3:ListBuckets denied"


def test_a_whole_region_that_refuses_is_told_as_one(tmp_path: Path) -> None:
    """Of hundreds of calls each was denied: nobody reads their names, and the policy that does it is one."""
    with api.load_bundle(write_bundle(tmp_path, FIRST)) as done:
        (line,) = [each for each in done.coverage if each.region == HOME and each.gaps]
        more = [replace(line, operation=f"Describe{n}", part=f"p{n}") for n in range(300)]
        done.coverage = [each for each in done.coverage if each.region != HOME or each.gaps] + more
        report = done.report()
    row = report["unseen"][0] if report["unseen"][0]["every_call"] else report["unseen"][1]
    assert row["every_call"]
    assert [each["region"] for each in row["places"]] == [HOME]
    assert f"  {HOME}: every call denied, 1 rule" in _text(report, 80)
    assert row["would_show"].startswith(f"allow reading in {HOME}")
    assert len([line for line in markdown.render(report).split("\n") if "every call denied" in line]) == 1


@pytest.mark.parametrize("reason", [*Reason, "not_selected"])
def test_every_cause_says_what_would_show_it(reason: str) -> None:
    for calls, rights in (([], []), (["s3:ListBuckets"], ["s3:ListAllMyBuckets"]), (["a:B"] * 9, [f"a:B{n}" for n in range(9)])):
        for region in ("global", HOME):
            for whole in (False, True):
                said = would_show(reason, [("aws:1", region)], calls, rights, whole=whole)
                assert said
                assert said == said.strip()
                assert not said.endswith(".")
    if reason == Reason.DENIED:
        assert "plan aws --permissions" in would_show(reason, [("aws:1", HOME)], [], [f"a:B{n}" for n in range(9)], whole=False)


def test_a_quota_that_no_pace_keeps_is_not_blamed_on_ours() -> None:
    def said(*codes: str) -> str:
        return would_show(Reason.THROTTLED, [("azure:1", "global")], [], [], whole=False, codes=codes)

    assert said("RateLimiting") == said("QuotaSpent", "RateLimiting") == "scan again later: what is asked there has a quota of its own"
    assert "--api-budget" in said("TooManyRequests")
    assert "--api-budget" in said("RateLimiting", "TooManyRequests")


# ---- terminals -----------------------------------------------------------------------------------------------------------------


def _at(report: Mapping[str, Any], width: int, **more: Any) -> list[str]:
    return _text(report, width, **more).rstrip("\n").split("\n")


def _eight(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """A report with as many functions as the model that is shipped, each blocked by a handful."""
    made: dict[str, Any] = copy.deepcopy(dict(report))
    (model,), (way,) = made["models"], made["roadmap"]
    functions = [each for each in model["functions"] if each["coverage"]] * 4
    model["functions"] = [{**each, "id": f"f{n}", "short": f"Supply chain {n}"[-12:]} for n, each in enumerate(functions[:8])]
    way["functions"] = [{**way["functions"][0], "function": f"f{n}", "steps": way["best"] * 2} for n in range(8)]
    for step in way["best"]:
        step["blocks"] = [{"function": "f0", "level": 1}] if step["blocks"] else []
    made["unseen"] = made["unseen"] * 4
    return made


@pytest.mark.parametrize("width", [80, 120])
def test_a_summary_of_eight_functions_fits_a_screen(reports: Mapping[str, Any], width: int) -> None:
    for name in ("one", "several"):
        shown = _at(_eight(reports[name]), width, path="bundles/20260102T030405Z-0a1b2c3d.cnamm")
        assert len(shown) <= (41 if name == "one" else 41 + len(ESTATES[name]) + 1)  # several targets may need a line each
        assert max(map(cell_len, shown)) <= width


@given(width=st.integers(20, 200), findings=st.integers(0, 9))
def test_no_line_leaves_its_terminal(reports: Mapping[str, Any], width: int, findings: int) -> None:
    for name in ESTATES:
        report = copy.deepcopy(reports[name])
        for row in report["findings_by_rule"]:
            for each in row["resources"]:
                each["message"] = "\u7f51\u7edc" * 30 + " " + each["message"]
        for shown in _at(report, width, findings=findings, path="a/very/long/path/to/some/folder/of/bundles/SCAN.cnamm"):
            assert cell_len(shown) <= width


class Stream(io.StringIO):
    """A terminal that says what it can spell."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.mark.parametrize(
    ("encoding", "ink"), [("utf-8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII), ("cp437", ASCII), ("no-such", ASCII)]
)
def test_bars_are_drawn_with_what_a_terminal_can_spell(reports: Mapping[str, Any], encoding: str, ink: object) -> None:
    out = Stream(encoding)
    console = Console(file=out, width=80, no_color=True)
    assert Page(console).ink == ink
    text.render(reports["one"], console, findings=9)
    if ink == ASCII:
        out.getvalue().encode("ascii")
        assert "0.3 .. 2.1 of 5" in out.getvalue()
        assert re.search(r"^Data +#+/+\.+ +0\.8 \.\. 3\.5", out.getvalue(), re.MULTILINE)


def test_a_dumb_terminal_gets_plain_letters_and_no_escapes(reports: Mapping[str, Any]) -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, _environ={"TERM": "dumb"})
    text.render(reports["one"], console)
    out.getvalue().encode("ascii")
    assert "\x1b" not in out.getvalue()


def test_colour_is_for_criticals_and_says_nothing_that_words_do_not(reports: Mapping[str, Any]) -> None:
    out = io.StringIO()
    text.render(reports["one"], Console(file=out, width=80, force_terminal=True, color_system="standard", highlight=False), findings=9)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert "\n".join(line.rstrip() for line in plain.split("\n")) == _text(reports["one"], 80, findings=9)
    red = re.findall(r"\x1b\[[0-9;]*31m([^\x1b]*)", out.getvalue())
    assert red
    assert {word for part in red for word in part.split()} <= {"critical", "high"}


@given(st.integers(0, 5 * 10**6), st.integers(0, 5 * 10**6), st.sampled_from(text.BARS))
def test_a_bar_claims_no_more_than_its_score(one: int, other: int, cells: int) -> None:
    low, high = sorted((one / 10**6, other / 10**6))
    bar = Page(Console(file=io.StringIO(), width=80)).bar(low, high, cells).plain
    assert re.fullmatch("█*▒*·*", bar)
    assert len(bar) == cells
    assert bar.count("█") * 5 / cells <= low + 1e-6
    assert bar.count("·") * 5 / cells <= 5 - high + 1e-6


def test_the_bar_of_what_carries_a_score_is_named() -> None:
    assert 0.1 < CARRIES < 0.3  # a few percent carry none; an account of which half is seen does


def test_commands_are_code_one_after_another_and_sentences_are_not(reports: Mapping[str, Any]) -> None:
    report = copy.deepcopy(reports["one"])
    for finding in (*report["findings_by_rule"][0]["resources"], *report["roadmap"][0]["best"][0]["findings"]):
        finding["commands"] = ["aws iam list-users | grep bob", "aws iam `x` --user-name bob"]
    made = markdown.render(report).split("\n")
    (step,) = [line for line in made if line.startswith("   - bob: second factor false")]
    assert step.endswith("<br>fix: `aws iam list-users | grep bob`<br>`aws iam 'x' --user-name bob`")
    (row,) = [line for line in made if line.startswith("| critical |")]
    assert row.endswith("| `aws iam list-users \\| grep bob`<br>`aws iam 'x' --user-name bob` |")
    assert any(line.endswith("| version letters |") for line in made)
    shown = _text(report, 80, findings=1)
    assert "            fix: aws iam list-users | grep bob\n            then: aws iam `x` --user-name bob\n" in shown
