"""Reports: the JSON validates and adds up by hand; text, Markdown and CSV show it whole and safely; equal scans give equal bytes."""

from __future__ import annotations

import copy
import csv
import html
import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction as F
from importlib.resources import files
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from rich.console import Console

from cnamm_scan import api
from cnamm_scan.model import Verdict
from cnamm_scan.report import markdown, tabular, text, words
from cnamm_scan.text import safe
from tests.bundles import ALL_GOOD, BUCKETS, DARK, FIRST, HOME, NOTHING, SECOND, TWO, Found, pocket, write_bundle

SCHEMA: dict[str, Any] = json.loads((files("cnamm_scan.report") / "report-1.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
THIRD = replace(ALL_GOOD, target="aws:333333333333", excluded=("us-east-1", "us-west-2"))
ESTATES: Mapping[str, tuple[Found, ...]] = {
    "one": (FIRST,),
    "several": (FIRST, SECOND, THIRD),
    "good": (ALL_GOOD,),
    "nothing": (NOTHING,),
    "dark": (DARK,),
}
WIDTH = 112
SEVERITIES = ("critical", "high", "medium", "low")


def _report(path: Path) -> Any:
    """The report as a reader of the JSON gets it."""
    with api.load_bundle(path) as done:
        return json.loads(json.dumps(done.report()))


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    return {name: _report(write_bundle(tmp_path_factory.mktemp(name), *estate)) for name, estate in ESTATES.items()}


def _text(report: Mapping[str, Any], width: int = WIDTH, **more: Any) -> str:
    out = io.StringIO()
    text.render(report, Console(file=out, width=width, no_color=True, highlight=False), **more)
    return "\n".join(line.rstrip() for line in out.getvalue().split("\n"))


@pytest.mark.parametrize("name", ESTATES)
@pytest.mark.parametrize("width", [72, 80, 100, 111, 112, 200])
def test_no_name_and_no_score_is_cut_on_a_narrow_terminal(reports: Mapping[str, Any], name: str, width: int) -> None:
    said = _text(reports[name], width)
    assert max(map(len, said.splitlines())) <= width
    if reports[name]["story"][0]["has_score"]:
        for function in reports[name]["models"][0]["functions"]:
            (row,) = [line for line in said.splitlines() if line.startswith(f"{function['short']} ") and "%" in line + "%"][:1]
            assert text.interval(function) in row


# ---- the schema ----------------------------------------------------------------------------------------------------------


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    open_ones = [node for node in _objects(SCHEMA) if node.get("type") == "object" and node.get("additionalProperties") is not False]
    assert [node["description"] for node in open_ones] == ["The columns that were read."]


@pytest.mark.parametrize("name", ESTATES)
def test_every_report_validates(reports: Mapping[str, Any], name: str) -> None:
    VALIDATOR.validate(reports[name])


def test_the_report_of_a_real_scan_validates(fresh_moto: str, tmp_path: Path) -> None:
    boto3.client("s3", endpoint_url=fresh_moto, region_name="us-east-1").create_bucket(Bucket="invoices")
    rules = ["aws.s3.bucket_versioning", "aws.account.root_mfa"]
    options = api.TargetOptions(endpoint_url=fresh_moto)
    with api.scan(["aws"], rules=rules, regions=["us-east-1"], output=tmp_path, options=options) as done:
        made = json.loads(json.dumps(done.report()))
        assert done.path is not None
        stored = _report(done.path)
        judged = {result.resource for result in done.results(rule="aws.s3.bucket_versioning")}
    VALIDATOR.validate(made)
    assert stored == made
    assert "arn:aws:s3:::invoices" in judged
    _adds_up(made)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)


def test_the_schema_is_strict(reports: Mapping[str, Any]) -> None:
    report = copy.deepcopy(reports["one"])
    free = {id(finding[name]) for finding in report["findings"] for name in ("values", "fixes")}
    optional = {"unjudged", "not_applicable"}
    seen = set()
    for node in _objects(report):
        if id(node) in free or frozenset(node) in seen:
            continue
        seen.add(frozenset(node))
        node["unheard_of"] = 1
        assert not VALIDATOR.is_valid(report), f"{sorted(node)} may hold anything"
        del node["unheard_of"]
        for key in set(node) - (optional if "stream" in node else set()):
            kept = node.pop(key)
            assert not VALIDATOR.is_valid(report), f"'{key}' may be missing"
            node[key] = kept
    assert len(seen) > 15
    VALIDATOR.validate(report)


@pytest.mark.parametrize(
    ("where", "value"),
    [("low", -0.1), ("low", 5.1), ("low", "1.0"), ("coverage", 1.1), ("attained", 6), ("attained_name", "Gold"), ("id", "")],
)
def test_the_schema_knows_ranges(reports: Mapping[str, Any], where: str, value: Any) -> None:
    report = copy.deepcopy(reports["one"])
    report["models"][0]["functions"][0][where] = value
    assert not VALIDATOR.is_valid(report)


# ---- the numbers ---------------------------------------------------------------------------------------------------------

Bounds = tuple[F, F, F]
WEIGHT = {"critical": 8, "high": 4, "medium": 2, "low": 1}


def _mean(parts: Sequence[tuple[F | int, Bounds]]) -> Bounds | None:
    total = sum(weight for weight, _ in parts)
    if not parts:
        return None
    low, high, coverage = (sum(weight * part[n] for weight, part in parts) / F(total) for n in range(3))
    return low, high, coverage


def _of_rule(counts: Mapping[str, int]) -> Bounds | None:
    unseen = counts["unknown"] + counts["error"]
    n = counts["pass"] + counts["fail"] + unseen
    return (F(counts["pass"], n), F(counts["pass"] + unseen, n), F(counts["pass"] + counts["fail"], n)) if n else None


Drag = tuple[F, F]
"""(least, most)."""


@dataclass(frozen=True)
class Redone:
    """An objective as its counts tell it."""

    bounds: Bounds
    weight: int
    drag: Drag | None


def _in_target(rule: Mapping[str, Any], target: str) -> Mapping[str, int] | None:
    return next((own for own in rule.get("targets", [{**rule, "target": target}]) if own["target"] == target), None)


def _weights(report: Mapping[str, Any]) -> dict[str, int]:
    """What each target weighs: the severities of the rules that apply to what is in it."""
    rules = {rule["id"]: rule for objective in _objects(report["models"]) if "rules" in objective for rule in objective["rules"]}
    found = {}
    for target in (each["id"] for each in report["targets"]):
        applying = [rule for rule in rules.values() if not rule["standing"] and (own := _in_target(rule, target)) and _of_rule(own)]
        found[target] = max(1, sum(WEIGHT[rule["severity"]] for rule in applying))
    return found


def _of_objective(objective: Mapping[str, Any], weights: Mapping[str, int]) -> Redone | None:
    parts, drags, heaviest = [], [], 0
    for target, weight in weights.items():
        judged = [(rule, own, made) for rule in objective["rules"] if (own := _in_target(rule, target)) and (made := _of_rule(own))]
        mean = _mean([(WEIGHT[rule["severity"]], made) for rule, _, made in judged])
        if mean is None:
            continue
        heaviest = max(heaviest, *(WEIGHT[rule["severity"]] for rule, _, _ in judged))
        parts.append((weight, mean))
        critical = [(1 - made[1], 1 - made[0], F(0)) for rule, _, made in judged if rule["severity"] == "critical"]
        share = _mean([(1, each) for each in critical])
        drags += [(weight, share)] if share else []
    bounds, shares = _mean(parts), _mean(drags)
    if bounds is None:
        return None
    least, most = [(1 + share) / 2 if share else F(0) for share in shares[:2]] if shares else (F(0), F(0))
    return Redone(bounds, heaviest, (least, most) if shares else None)


def _of_level(level: Mapping[str, Any], weights: Mapping[str, int]) -> Bounds | None:
    stream = {"A": 6, "B": 4}
    made = [(each, _of_objective(each, weights)) for each in level["objectives"]]
    judged = [(stream[each["stream"]] * own.weight, own) for each, own in made if own is not None]
    whole = _mean([(weight, own.bounds) for weight, own in judged])
    if whole is None:
        return None
    seen = [(weight, own.bounds) for weight, own in judged]
    coverage = _mean([*seen, *((stream[each["stream"]] * 2, (F(0), F(1), F(0))) for each, _ in made if "unjudged" in each)])
    drags = [own.drag for _, own in judged if own.drag]
    assert coverage
    return (min([whole[0], *(1 - most for _, most in drags)]), min([whole[1], *(1 - least for least, _ in drags)]), coverage[2])


def _of_practice(practice: Mapping[str, Any], weights: Mapping[str, int]) -> Bounds | None:
    levels = [_of_level(level, weights) for level in practice["levels"]]
    judged = [level for level in levels if level is not None]
    if not judged:
        return None
    low, high, coverage, counted = F(0), F(0), F(0), 0
    for number, (made, level) in enumerate(zip(levels, practice["levels"], strict=True), 1):
        beneath = [each for each in levels[:number] if each is not None]
        has_rule = any("unjudged" not in each for each in level["objectives"])
        assert level["state"] == ("judged" if made else "not_applicable" if has_rule else "no_rule")
        counted += bool(made) or not has_rule
        coverage += made[2] if made else 0
        if made or has_rule:
            low += min(each[0] for each in beneath or judged[:1])
            high += min(each[1] for each in beneath or judged[:1])
        else:
            high += min([F(1), *(each[1] for each in beneath)])
    return low, high, coverage / counted


def _is(shown: Mapping[str, Any], expected: Bounds | None) -> bool:
    """The same to six places, of which each division of ours may have rounded the last down."""
    got = [shown[name] for name in ("low", "high", "coverage")]
    if expected is None:
        return got == [None] * 3
    return all(value is not None and abs(F(value) - bound) <= F(1, 10**6) for value, bound in zip(got, expected, strict=True))


def _drags(shown: Mapping[str, Any], expected: Drag | None) -> bool:
    if expected is None:
        return shown == {"least": None, "most": None}
    return all(abs(F(shown[name]) - own) <= F(1, 10**6) for name, own in zip(("least", "most"), expected, strict=True))


def _adds_up(report: Mapping[str, Any]) -> int:
    """Everything in the tree follows from the counts at its leaves; how many nodes that were."""
    count = 0
    weights = _weights(report)
    assert {target["id"]: target["weight"] for target in report["targets"]} == weights
    for model in report["models"]:
        functions, drags = [], {}
        for function in model["functions"]:
            practices = []
            for practice in function["practices"]:
                for level in practice["levels"]:
                    assert _is(level, _of_level(level, weights)), (practice["id"], level["level"])
                    for objective in level["objectives"]:
                        redone = _of_objective(objective, weights)
                        assert _is(objective, redone.bounds if redone else None), objective["id"]
                        assert objective["weight"] == (redone.weight if redone else 0)
                        assert _drags(objective["critical"], redone.drag if redone else None)
                        assert ("unjudged" in objective or "not_applicable" in objective) == (objective["low"] is None)
                        if redone and redone.drag:
                            drags[objective["id"]] = redone.drag
                        count += 1
                made = _of_practice(practice, weights)
                assert _is(practice, made), practice["id"]
                practices += [(1, made)] if made else []
            mean = _mean(practices)
            assert _is(function, mean), function["id"]
            functions += [(1, mean)] if mean else []
        whole = _mean(functions)
        assert _is(model["mean"], whole)
        if whole is not None:
            least, most = (sum(each) / F(2 * len(drags)) for each in zip(*drags.values(), strict=True)) if drags else (F(0), F(0))
            assert _drags(model["critical"], (least, most) if drags else None)
            whole = (whole[0] * (1 - most), whole[1] * (1 - least), whole[2])
        assert _is(model["overall"], whole)
    return count


@pytest.mark.parametrize("name", ESTATES)
def test_the_numbers_add_up(reports: Mapping[str, Any], name: str) -> None:
    assert _adds_up(reports[name]) == 10


def test_the_numbers_by_hand(reports: Mapping[str, Any]) -> None:
    data, identity, runtime, detection = reports["one"]["models"][0]["functions"]
    storage, retention = data["practices"]
    # level 1: a medium rule in A weighs 6 · 2 (1 of 3, one unseen), a low one in B 4 · 1 (3 of 4); level 2: 3 of 4, one unseen
    # levels 3 … 5 have no rule: nothing in the low bound, what stands beneath in the high one
    first, second = storage["levels"][:2]
    assert (first["low"], first["high"], first["coverage"]) == (0.4375, 0.6875, 0.75)
    assert (second["low"], second["high"], second["coverage"]) == (0.75, 1.0, 0.75)
    assert (storage["low"], storage["high"], storage["coverage"]) == (0.875, 3.4375, 0.3)
    assert retention["low"] is None
    assert retention["levels"][0]["objectives"][0]["unjudged"] == "no rule yet for aws"
    # people: of ann and bob one fails critically, a drag of ½ + ½ · ½, so that no more than ¼ is left; ½ and ¾ are capped by it
    assert (identity["low"], identity["high"], identity["coverage"]) == (0.75, 1.25, 0.6)
    assert (runtime["low"], runtime["attained_name"]) == (None, "not yet Foundation")
    assert (detection["low"], detection["high"], detection["coverage"]) == (0.0, 5.0, 0.0)
    # that one critical objective takes half its drag of the mean
    assert reports["one"]["models"][0]["mean"] == {"low": 0.541667, "high": 3.229167, "coverage": 0.3}
    assert reports["one"]["models"][0]["critical"] == {"least": 0.375, "most": 0.375}
    assert reports["one"]["models"][0]["overall"] == {"low": 0.338542, "high": 2.018229, "coverage": 0.3}


def test_counts_are_those_of_the_results(tmp_path: Path) -> None:
    with api.load_bundle(write_bundle(tmp_path, FIRST, SECOND)) as done:
        report = done.report()
        counts = {rule["id"]: rule for m in report["models"] for node in _objects(m) for rule in node.get("rules", [])}
        for name, rule in counts.items():
            for verdict in Verdict:
                assert rule[verdict.value] == sum(1 for _ in done.results(verdict, rule=name)), (name, verdict)
        assert len(report["findings"]) == sum(1 for _ in done.results("fail"))
    assert set(counts) == set(pocket().rules)


def test_each_target_has_the_score_that_it_would_have_alone(reports: Mapping[str, Any], tmp_path: Path) -> None:
    for target, alone in zip(reports["several"]["targets"], (FIRST, SECOND, THIRD), strict=True):
        own = _report(write_bundle(tmp_path / target["name"], alone))
        assert target["models"][0]["overall"] == own["models"][0]["overall"]
        shown = [{name: each[name] for name in ("id", "low", "high", "coverage", "attained")} for each in own["models"][0]["functions"]]
        assert target["models"][0]["functions"] == shown


@pytest.mark.parametrize("name", ESTATES)
def test_judging_again_gives_the_same_report(name: str, tmp_path: Path) -> None:
    """The bundle's verdicts were written by hand: the package's own rules must come to the same."""
    path = write_bundle(tmp_path, *ESTATES[name])
    with api.evaluate(path) as done:
        assert json.loads(json.dumps(done.report())) == _report(path)
        judged = list(done.results())
    with api.load_bundle(path) as done:
        assert judged == list(done.results())


def test_gaps_say_what_was_not_seen_and_which_rules_suffer(reports: Mapping[str, Any]) -> None:
    denied, throttled, silent = reports["one"]["gaps"]
    assert denied == {
        "reason": "denied",
        "code": "AccessDenied",
        "target": FIRST.target,
        "region": HOME,
        "operation": "DescribeLogGroups",
        "tables": ["aws.logs.group"],
        "calls": 1,
        "rights": ["logs:DescribeLogGroups"],
        "rules": ["aws.logs.group_kept"],
        "oldest_at": "",
    }
    assert (throttled["reason"], throttled["operation"], throttled["calls"]) == ("throttled", "GetBucketVersioning", 1)
    assert "aws.s3.bucket_versioned" in throttled["rules"]
    assert (silent["reason"], silent["operation"], silent["tables"]) == ("not_in_answer", "", [])
    assert len(silent["rules"]) == 1
    excluded = [gap["region"] for gap in reports["several"]["gaps"] if gap["reason"] == "excluded"]
    assert excluded == ["us-east-1", "us-west-2"]


def test_findings_come_worst_first_with_what_was_seen_and_what_to_do(reports: Mapping[str, Any]) -> None:
    findings = reports["one"]["findings"]
    assert [(each["severity"], each["resource"]) for each in findings] == [
        ("critical", "bob"),
        ("medium", "bob"),
        ("medium", "arn:aws:s3:::letters"),
        ("low", "arn:aws:s3:::letters"),
    ]
    assert findings[1]["message"] == "bob: the key is 400 days old, at most 90"
    assert findings[1]["fix"] == "rotate the key of bob"
    assert findings[1]["values"] == {"key_age": 400, "name": "bob"}


# ---- text ----------------------------------------------------------------------------------------------------------------


def test_findings_that_are_left_out_are_counted_wherever_findings_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report of a large estate names some of each rule and target; every number in it is of all of them."""
    many = [
        {"key": f"arn:aws:s3:::b{n:02}", "name": f"b{n:02}", "versioning": "Never", "encrypted": n > 3, "logged": n != 3} for n in range(30)
    ]
    path = write_bundle(tmp_path, replace(FIRST, rows={**FIRST.rows, "aws.s3.bucket": many}), SECOND)
    whole = _report(path)
    assert whole["findings_left_out"] == 0
    monkeypatch.setattr("cnamm_scan.report.data.FINDINGS_A_RULE", 3)
    short = _report(path)
    VALIDATOR.validate(short)
    assert [finding for finding in short["findings"] if finding["rule"] == "aws.s3.bucket_versioned"] == [
        finding for finding in whole["findings"] if finding["rule"] == "aws.s3.bucket_versioned"
    ][:3]
    assert Counter(finding["rule"] for finding in short["findings"]) == Counter(
        {rule: min(3, count) for rule, count in Counter(finding["rule"] for finding in whole["findings"]).items()}
    )
    assert short["findings_left_out"] == len(whole["findings"]) - len(short["findings"]) == 27 + 1
    by_severity = Counter(finding["severity"] for finding in whole["findings"])
    assert short["findings_by_severity"] == whole["findings_by_severity"] == {name: by_severity[name] for name in SEVERITIES}
    opened = [[(node["objective"], node["open"]) for node in _objects(each["roadmap"]) if "open" in node] for each in (short, whole)]
    assert opened[0] == opened[1]
    assert dict(opened[0])["data.versioned"] == 30
    assert {name: value for name, value in short.items() if "findings" not in name and name != "roadmap"} == {
        name: value for name, value in whole.items() if "findings" not in name and name != "roadmap"
    }
    for told, retold in zip(short["findings_by_rule"], whole["findings_by_rule"], strict=True):
        named = min(3, len(told["resources"]))
        assert told == {**retold, "resources": retold["resources"][:named], "more": retold["more"] + len(retold["resources"]) - named}
    versioned = next(row for row in short["findings_by_rule"] if row["rule"] == "aws.s3.bucket_versioned")
    assert (versioned["fail"], len(versioned["resources"]), versioned["more"]) == (30, 3, 27)
    head = re.compile(r"^Do first .*$|^Findings .*$|^## Findings .*$", re.MULTILINE)
    rules = len(whole["findings_by_rule"])
    for few in (_text(short, findings=2), markdown.render(short, 2)):
        assert f"{rules - 2} more rules: cnamm-scan results BUNDLE --verdict fail" in few
    for render in (_text, markdown.render):
        assert head.findall(render(short)) == head.findall(render(whole)) != []


def test_the_text_report_whole(reports: Mapping[str, Any]) -> None:
    got = _text(reports["one"], path="SCAN.cnamm")
    assert got == _expected("one.txt", reports["one"])


def test_the_text_report_of_several_targets_whole(reports: Mapping[str, Any]) -> None:
    got = _text(reports["several"], 80, findings=2)
    assert got == _expected("several.txt", reports["several"])


def _expected(file: str, report: Mapping[str, Any]) -> str:
    """A report as it was looked at, with what differs from scan to scan and version to version put in."""
    root = report["made"]["root"]
    shown = {
        "{content}": pocket().sha256,
        "{version}": report["scan"]["tool"]["version"],
        "{root}": root,
        "{short}": f"{root[:8]}…{root[-4:]}",
    }
    said = (Path(__file__).parent / file).read_text()
    for name, value in shown.items():
        said = said.replace(name, value)
    return said


@pytest.mark.parametrize("name", ESTATES)
def test_text_fits_and_has_no_colour_where_none_is_wanted(reports: Mapping[str, Any], name: str) -> None:
    got = _text(reports[name], path="SCAN.cnamm")
    assert max(map(len, got.split("\n"))) <= WIDTH
    assert "\x1b" not in got


def test_not_applicable_is_written_out_and_never_a_number(reports: Mapping[str, Any]) -> None:
    nothing, dark = _text(reports["nothing"]), _text(reports["dark"])
    for got, why in ((nothing, "nothing that the model asks for was found"), (dark, "nothing could be read")):
        assert got.startswith("Cloud maturity  no overall score ")
        assert why in got
        assert not re.search(r"\d\.\d", got)
    one = _text(reports["one"])
    for name, why in (("Runtime", "nothing here applies"), ("Detection", "nothing could be read")):
        (row,) = [line for line in one.split("\n") if line.startswith(f"{name} ")]
        assert why in row
        assert "N/A" in row
        assert not re.search(r"\d\.\d", row)
    assert "Could not be seen  nothing: every planned call was answered" in nothing
    assert "denied" in dark


def test_an_interrupted_scan_says_so(tmp_path: Path) -> None:
    report = _report(write_bundle(tmp_path, FIRST, interrupted=True))
    VALIDATOR.validate(report)
    assert "stopped before its end: what was not asked is unknown" in _text(report)
    assert "**The scan was stopped before its end**" in markdown.render(report)


def test_a_filter_changes_what_is_shown_and_no_score(reports: Mapping[str, Any]) -> None:
    whole, part = _text(reports["one"]), _text(reports["one"], functions=["identity"])
    (row,) = [line for line in part.split("\n") if "…" in line and line.startswith("Identity")]
    assert row.split() == next(line for line in whole.split("\n") if line.startswith("Identity")).split()
    assert "Overall" not in part
    assert not re.search(r"^Data", part, re.MULTILINE)


@given(st.integers(0, 5_000_000), st.integers(0, 5_000_000), st.integers(1, 1_000_000))
def test_low_is_rounded_down_and_high_up(one: int, other: int, coverage: int) -> None:
    low, high = sorted((one, other))
    shown = text.interval({"low": low / 10**6, "high": high / 10**6, "coverage": coverage / 10**6})
    said = [F(part) for part in shown.split(" … ")]
    assert said[0] == F(low * 10 // 10**6, 10)
    if low == high:
        assert len(said) == 1
    else:
        assert said[1] == -F(-high * 10 // 10**6, 10)
    assert text.percent(coverage / 10**6) == f"{coverage * 100 // 10**6} %"


@pytest.mark.parametrize("scored", [{"low": None, "high": None, "coverage": None}, {"low": 0.0, "high": 5.0, "coverage": 0.0}])
def test_no_evidence_is_never_a_number(scored: Mapping[str, Any]) -> None:
    assert text.interval(scored) == "N/A"


# ---- what names may hold -------------------------------------------------------------------------------------------------

NASTY = (
    "=cmd|' /C calc'!A0",
    "a|b|c",
    "<script>alert(1)</script>",
    "\x1b[31mred\x1b[0m \x9b2J \u202eevil",
    "[link](http://example.com) [/red] [bold]",
    "back\\[slash]\\",
    "*stars* _lines_ `ticks` ~~gone~~ &lt;",
    "two\nlines\r\n# head\t.",
    "+1", "-1", "@a", "'quoted', \"too\"",
    " =1+1", "  +1", "\uff1d1+1", " \uff0b1", "\uff0d1", "\uff20a", "\u200b=1", "\u22121", "\t=1", "\r@a", "\ufeff=1",
    "ping @octocat and @org/team or a@example.com", "https://evil.example/x www.evil.example HTTP://EVIL", "see #12 and GH-7",
    "one\u2028two\u2029three",
)  # fmt: skip


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = tuple({"key": name, "name": name, "versioning": "Never", "encrypted": True, "logged": True} for name in NASTY)
    found = replace(ALL_GOOD, rows={**ALL_GOOD.rows, "aws.s3.bucket": rows})
    return write_bundle(tmp_path_factory.mktemp("nasty"), found)


def test_markdown_cells_hold_what_they_are_given(nasty: Path) -> None:
    made = markdown.render(_report(nasty))
    assert all(char == "\n" or char.isprintable() for char in made)
    lines = made.split("\n")
    head = lines.index("| severity | what should hold | fails | what was found | fix |")
    row = lines[head + 2]
    cells = re.split(r"(?<!\\)(?:\\\\)*\|", row)
    assert len(cells) == 7, row
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>`*_~&]", "".join(cells[4:6]).replace(markdown.NOTHING, "").replace("<br>", "")), row
    assert "and 10 more" not in row
    assert made.count("\n#") == len(re.findall(r"^#+ ", made, re.MULTILINE)) - 1
    with api.load_bundle(nasty) as done:
        by_rule = done.report()["findings_by_rule"]
    named = [each["message"] for each in by_rule[0]["resources"][: markdown.RESOURCES]]
    assert len(named) == markdown.RESOURCES
    for message in named:
        assert markdown.cell(message) in row


@given(st.text())
def test_a_markdown_cell_shows_itself(name: str) -> None:
    shown = markdown.cell(name).replace(markdown.NOTHING, "")
    assert re.sub(r"\\(.)", r"\1", shown) == safe(name)
    assert not re.search(r"(?<!\\)(?:\\\\)*[|<>`*_\[\]~&]", shown)
    assert "\n" not in shown


@given(st.text(st.sampled_from("a@#1:/w.gGhHWws- _&"), max_size=30))
def test_a_markdown_cell_calls_nobody(name: str) -> None:
    """What a reader of text would take for a name, a number of an issue or an address: none is left whole."""
    shown = html.unescape(markdown.cell(name))
    assert not re.search(r"@\w|#\d|[A-Za-z]:/|(?<![A-Za-z0-9])(?:www\.|gh-\d)", shown, re.IGNORECASE), shown


def _is_formula(text: str) -> bool:
    """What a spreadsheet runs: it passes over what is not seen, and reads signs of any width."""
    if text[:1] in ("\t", "\r", "\n"):
        return True
    seen = "".join(char for char in text if unicodedata.category(char)[0] not in "CZ")
    return bool(seen) and unicodedata.normalize("NFKC", seen[0])[:1] in ("=", "+", "-", "@", "\u2212")


def test_csv_holds_no_formula_and_no_escape(nasty: Path) -> None:
    with api.load_bundle(nasty) as done:
        lines = list(tabular.csv_lines(tabular.RESULT_COLUMNS, (list(r.row().values()) for r in done.results("fail"))))
    assert all(line.isprintable() for line in lines)
    head, *rows = csv.reader(lines)
    assert tuple(head) == tabular.RESULT_COLUMNS
    resources = {row[3] for row in rows}
    assert resources == {("'" if _is_formula(name) else "") + safe(name) for name in NASTY}
    assert sum(map(_is_formula, NASTY)) == 15
    assert not any(_is_formula(cell) for row in rows for cell in row)
    assert all(len(row) == len(head) for row in rows)


@given(st.lists(st.text() | st.integers() | st.booleans() | st.none() | st.lists(st.text()), min_size=2, max_size=4))
def test_any_row_is_one_line_of_csv(cells: list[Any]) -> None:
    head, line = tabular.csv_lines([str(n) for n in range(len(cells))], [cells])
    assert line.isprintable()
    (row,) = csv.reader([line])
    assert len(row) == len(cells) == len(head.split(","))
    for given_cell, shown in zip(cells, row, strict=True):
        if isinstance(given_cell, str):
            assert shown == ("'" if _is_formula(given_cell) else "") + safe(given_cell)


def test_the_names_of_columns_are_no_formula_either() -> None:
    """`SELECT 1 AS "=1+1"`."""
    assert list(tabular.csv_lines(["=1+1", "a\x1bb"], [[1, 2]])) == ["'=1+1,a\ufffdb", "1,2"]


def test_jsonl_gives_back_what_it_was_given(nasty: Path) -> None:
    with api.load_bundle(nasty) as done:
        results = list(done.results("fail"))
        lines = list(tabular.jsonl(result.row() for result in results))
    assert {json.loads(line)["resource"] for line in lines} == set(NASTY)
    assert all(line.splitlines() == [line] and "\x1b" not in line for line in lines)


def test_the_text_report_obeys_no_name(nasty: Path) -> None:
    report = _report(nasty)
    shown = _text(report, 400, findings=99)
    assert all(char == "\n" or char.isprintable() for char in shown)
    named = [each["resource"] for row in report["findings_by_rule"] for each in row["resources"][: text.RESOURCES]]
    assert named
    for name in named:
        assert safe(name) in shown


def _said(overall: Mapping[str, Any], least: float | None, most: float | None) -> list[str]:
    model = {
        "title": "M",
        "overall": overall,
        "mean": {"low": 2.0, "high": 4.0, "coverage": 0.5},
        "critical": {"least": least, "most": most},
    }
    return words.held({"models": [model]})


def test_a_report_says_why_the_overall_is_less_than_the_mean_of_its_functions(reports: Mapping[str, Any]) -> None:
    shown = {"low": 1.0, "high": 3.0, "coverage": 0.5}
    mean = "the mean of its functions is 2.0 … 4.0"
    assert _said(shown, 0.25, 0.25) == [f"overall: critical findings take 25 % of it; {mean}"]
    assert _said(shown, 0.0, 0.3333) == [f"overall: what could not be seen may be critical, which takes 33.3 % of the low bound; {mean}"]
    both = f"overall: critical findings take 25 % of the high bound and, with what could not be seen, 50 % of the low one; {mean}"
    assert _said(shown, 0.25, 0.5) == [both]
    assert _said(shown, 0.0, 0.0) == _said(shown, None, None) == []
    assert words.held(reports["good"]) == []


# ---- the score tree as rows, and the same twice ----------------------------------------------------------------------------


def test_the_score_tree_as_csv(reports: Mapping[str, Any]) -> None:
    rows = list(csv.DictReader(tabular.csv_lines(tabular.SCORE_COLUMNS, tabular.scores(reports["one"]))))
    counts = [row for row in rows if row["rule"]]
    rows = [row for row in rows if not row["rule"]]
    by_node = {tuple(row[name] for name in ("function", "practice", "level", "objective")): row for row in rows}
    assert by_node["", "", "", ""]["low"] == "0.338542"
    assert (by_node["data", "storage", "1", ""]["low"], by_node["data", "storage", "1", ""]["high"]) == ("0.4375", "0.6875")
    assert by_node["runtime", "", "", ""]["low"] == ""
    assert by_node["data", "storage", "1", "data.logged"]["coverage"] == "1.0"
    assert len(by_node) == len(rows) == 1 + 4 + 5 + 5 * 5 + 10
    assert {row["rule"] for row in counts} == set(pocket().rules)
    mfa = next(row for row in counts if row["rule"] == "aws.iam.user_mfa")
    assert [mfa[name] for name in ("target", "severity", "standing", "pass", "fail")] == ["aws:111111111111", "critical", "false", "1", "1"]


@pytest.mark.parametrize("name", ESTATES)
def test_the_csv_has_every_count_that_the_json_has(reports: Mapping[str, Any], name: str) -> None:
    rows = list(csv.DictReader(tabular.csv_lines(tabular.SCORE_COLUMNS, tabular.scores(reports[name]))))
    told = {
        (objective["id"], rule["id"], own["target"], *(str(own[verdict]) for verdict in tabular.COUNTS))
        for objective in _objects(reports[name]["models"])
        for rule in objective.get("rules", ())
        for own in rule.get("targets", [{**rule, "target": FIRST.target}])
    }
    assert {tuple(row[each] for each in ("objective", "rule", "target", *tabular.COUNTS)) for row in rows if row["rule"]} == told


def _forms(path: Path) -> Iterator[str]:
    with api.load_bundle(path) as done:
        report = done.report()
        report["made"]["root"] = ""  # of salted lines: it differs where nothing else does
        yield json.dumps(report)
        yield _text(report)
        yield markdown.render(report)
        yield "\n".join(tabular.csv_lines(tabular.SCORE_COLUMNS, tabular.scores(report)))
        yield "\n".join(tabular.jsonl(result.row() for result in done.results()))


def test_the_same_bundle_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = write_bundle(tmp_path / "1", FIRST, SECOND), write_bundle(tmp_path / "2", FIRST, SECOND)
    assert list(_forms(one)) == list(_forms(one)) == list(_forms(other))


def test_markdown_whole(reports: Mapping[str, Any]) -> None:
    assert markdown.render(reports["one"]) == _expected("one.md", reports["one"])


def test_a_target_without_findings_or_gaps(tmp_path: Path) -> None:
    good = replace(SECOND, rows={**SECOND.rows, "aws.s3.bucket": BUCKETS[:1]}, target=TWO)
    made = markdown.render(_report(write_bundle(tmp_path, good)))
    assert "## Findings (0)\n\nNothing fails among what was seen." in made
    assert "Nothing: every planned call was answered." in made
    assert "Do first" not in made
