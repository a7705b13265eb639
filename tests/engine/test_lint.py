from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan.engine.lint import CaseResult, lint, run_tests
from cnamm_scan.model import Content, Verdict
from tests.packs import ACCOUNT, BOX, LOCK, asked, collector, content, lab, part, rule, table

LOCKS = f"FROM {LOCK} t WHERE t.target = this.target AND t.region = this.region"
ANY = f"true = ANY (SELECT t.strong {LOCKS})"


def _whats(made: Content) -> list[str]:
    return [problem.what for problem in lint(made)]


def _cases(made: Content) -> list[CaseResult]:
    return list(run_tests(made, made.rules.values()))


def test_a_sound_pack_has_no_problem() -> None:
    assert lint(content(rule(), asked(ANY, id="aws.lab.s"))) == []


# ---- tables ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"x": {"type": "text", "from": "a[].b"}}, "column 'x': a path through [] gives many values"),
        ({"x": {"type": "text", "from": "A.b"}, "y": {"type": "text", "from": "a.c"}}, "paths 'A' and 'a.c' differ in case only"),
        ({"x": {"type": "boolean", "is": "nothing"}}, f"table '{BOX}' has no column 'nothing'"),
        ({"x": {"type": "boolean", "is": "coalesce(key, '') = 'a'"}}, "COALESCE turns 'not seen' into an answer"),
        ({"x": {"type": "boolean", "is": "key = now()"}}, "'now' gives another answer tomorrow"),
        ({"x": {"type": "boolean", "is": f"key = ANY (SELECT t.lock_id FROM {LOCK} t)"}}, "a column reads its own row only"),
    ],
)
def test_a_column(columns: dict[str, Any], what: str) -> None:
    [problem] = lint(content(collector=collector({BOX: table(columns)})))
    assert problem.what == what
    assert re.search(rf"lab\.yaml:\d+ \({BOX}(\.\w+)?\)", problem.where)
    assert problem.do


def test_a_derived_column_that_does_not_bind() -> None:
    columns = {"n": {"type": "integer", "from": "n"}, "x": {"type": "boolean", "is": "starts_with(n, 'a', 'b')"}}
    [problem] = lint(content(collector=collector({BOX: table(columns)})))
    assert "starts_with" in problem.what
    assert f"({BOX}.x)" in problem.where


def test_a_part_that_feeds_no_column() -> None:
    [problem] = lint(content(collector=collector({BOX: table({"a": {"type": "text", "from": "a"}}, then={"p": part()})})))
    assert problem.what == "part 'p' feeds no column"


def test_a_part_may_feed_a_later_part_a_child_or_each() -> None:
    own = {"a": {"type": "text", "from": "second.a"}}
    first = part("GetFirst")
    second = {"call": "GetSecond", "with": {"Id": "first.Id"}, "needs": "lab:GetSecond"}
    child = table(
        {"x": {"type": "text", "from": "x"}},
        list={"for": BOX, "call": "ListChildren", "with": {"I": "parent.third.Id"}, "items": "I", "needs": "lab:ListChildren"},
    )
    facts = {BOX: table(own, then={"first": first, "second": second, "third": part("GetThird")}), LOCK: child}
    assert lint(content(collector=collector(facts))) == []
    each = {ACCOUNT: table({"x": {"type": "text", "from": "x"}}, then={"rows": part("GetRows")}, each="rows.Items[]")}
    assert lint(content(collector=collector(each))) == []


# ---- rules -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"pass": "stat = 'On'"}, f"table '{BOX}' has no column 'stat'"),
        ({"pass": "length(state, 3) > 1"}, "length"),
        ({"pass": "size > $least"}, "parameter '$least' is not declared"),
        ({"message": "{nam}"}, "'{nam}' in message or fix"),
        ({"title": "Boxes are on."}, "a title has no full stop"),
        ({"why": " "}, "title, why, message and fix must say something"),
        ({"pass": "true", "message": "x", "fix": "y"}, "'pass' reads nothing, so nothing can turn it"),
        ({"pass": "true"}, "'pass' reads nothing, so nothing can turn it"),
        ({"pass": "[1] = [1] AND 1 = 1", "message": "x", "fix": "y"}, "'pass' reads nothing, so nothing can turn it"),
        ({"tests": {"pass": [{"stat": "On"}], "fail": [{}], "unknown": [{}]}}, f"test: '{BOX}' has no column 'stat'"),
        ({"tests": {"pass": [{LOCK: []}], "fail": [{}], "unknown": [{}]}}, f"test names table '{LOCK}', which the rule does not read"),
    ],
)
def test_a_rule(more: dict[str, Any], what: str) -> None:
    [problem] = lint(content(rule(**more)))
    assert what in problem.what
    assert re.search(r"rules/aws/lab/r\.yaml:\d+ \(aws\.lab\.r\)", problem.where)
    assert problem.do


@pytest.mark.parametrize("key", ["pass", "where"])
@pytest.mark.parametrize("text", ["state", "size", "tags", "doc", "made_at", "'true'", "1"])
def test_a_verdict_is_true_or_false(key: str, text: str) -> None:
    """DuckDB casts a text to a boolean when it must: a rule would break over the first odd value."""
    document = asked("sealed", where="sealed")
    document["tests"]["not_applicable"] = [{"sealed": False}]
    [problem] = lint(content({**document, key: text}))
    assert problem.what == "'where' or 'pass' is not true or false"


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ([{"weak": True}], f"test: '{LOCK}' has no column 'weak'"),
        ("denied", f"test: '{LOCK}' is not a list of rows"),
        ({"strong": True}, f"test: '{LOCK}' is not a list of rows"),
        (["strong"], f"test: '{LOCK}' is not a list of rows"),
    ],
)
def test_rows_of_other_tables_in_a_case(given: Any, what: str) -> None:
    made = content(asked(ANY, tests={"pass": [{LOCK: given}], "fail": [{LOCK: []}], "unknown": [{LOCK: "unreadable"}]}))
    assert _whats(made) == [what]


def test_nearest_names_are_told() -> None:
    [problem] = lint(content(rule(**{"pass": "stat = 'On'"})))
    assert "'state'" in problem.do


def test_several_problems_in_one_run() -> None:
    made = content(
        asked("stat = 'On'", id="aws.lab.a"), asked("now() > made_at", id="aws.lab.b"), asked("EXISTS (SELECT 1)", id="aws.lab.c")
    )
    assert len(lint(made)) == 3


def test_a_problem_of_sql_names_its_line() -> None:
    [problem] = lint(content(rule(**{"pass": "stat = 'On'"})))
    assert re.search(r"r\.yaml:\d+", problem.where)


# ---- a rule's own tests ------------------------------------------------------------------------------------------------------------


def test_cases_that_hold() -> None:
    found = _cases(content(rule()))
    assert [(case.rule, case.case, case.got, case.passed) for case in found] == [
        ("aws.lab.r", "pass[0]", "pass", True),
        ("aws.lab.r", "fail[0]", "fail", True),
        ("aws.lab.r", "unknown[0]", "unknown", True),
    ]


@pytest.mark.parametrize("got", ["pass", "fail", "unknown"])
@pytest.mark.parametrize("expected", ["pass", "fail", "unknown", "not_applicable"])
def test_a_wrong_expectation_fails(got: str, expected: str) -> None:
    rows: dict[str, dict[str, Any]] = {"pass": {"state": "On"}, "fail": {"state": "Off"}, "unknown": {"state": None}}
    tests: dict[str, list[dict[str, Any]]] = {name: [row] for name, row in rows.items()}
    tests.setdefault(expected, []).append(rows[got])
    failed = [case for case in _cases(content(rule(tests=tests))) if not case.passed]
    assert [(case.expected, case.got) for case in failed] == ([] if got == expected else [(Verdict(expected), got)])


def test_not_applicable_cases() -> None:
    document = rule(where="size > 0")
    document["tests"] = {
        "given": {"size": 1},
        "pass": [{"state": "On"}],
        "fail": [{"state": "Off"}],
        "unknown": [{"state": None}, {"state": "On", "size": None}],
        "not_applicable": [{"size": 0, "state": None}, {"size": 1, "state": "On"}],
    }
    assert [case.got for case in _cases(content(document)) if not case.passed] == ["pass"]


def test_other_tables_in_a_case() -> None:
    """Not named: listed and empty. `unreadable`: a ghost. Cases do not see each other's rows."""
    tests = {
        "pass": [{LOCK: [{"strong": True}, {"strong": None}]}],
        "fail": [{}, {LOCK: []}, {LOCK: [{"strong": False}]}],
        "unknown": [{LOCK: "unreadable"}, {LOCK: [{"strong": None}]}, {LOCK: [{"strong": False}, {"lock_id": "x"}]}],
    }
    for target in (ACCOUNT, BOX, "aws.account.region"):
        assert all(case.passed for case in _cases(content(asked(ANY, for_each=target, tests=tests))))


def test_cases_of_an_estate_rule_are_estates_of_their_own() -> None:
    document = asked(
        f"true = ANY (SELECT t.strong FROM {LOCK} t)",
        for_each="estate.target",
        scope="estate",
        tests={"pass": [{LOCK: [{"strong": True}]}], "fail": [{}], "unknown": [{LOCK: "unreadable"}]},
    )
    assert all(case.passed for case in _cases(content(document)))


def test_rows_have_a_target_a_region_and_the_fixed_time() -> None:
    document = asked(
        "target <> '' AND region <> '' AND scan_time = TIMESTAMP '2026-01-01 00:00:00' AND made_at < scan_time"
        f" AND true = ANY (SELECT t.region = this.region AND t.key = t.key {LOCKS})",
        tests={
            "pass": [{"made_at": "2025-12-31T23:59:59Z", LOCK: [{}]}],
            "fail": [{"made_at": "2026-01-01T00:00:00Z", LOCK: [{}]}],
            "unknown": [{LOCK: [{}]}],
        },
    )
    assert [case.got for case in _cases(content(document))] == ["pass", "fail", "unknown"]


def test_derived_columns_are_computed_in_cases() -> None:
    tests = {"pass": [{"state": "On"}, {"is_on": True}], "fail": [{"state": "Off"}, {"state": "On", "is_on": False}], "unknown": [{}]}
    assert all(case.passed for case in _cases(content(asked("is_on", tests=tests))))


def test_json_and_lists_in_cases() -> None:
    tests = {
        "pass": [{"doc": {"a": [1]}, "tags": ["x"]}],
        "fail": [{"doc": {"a": []}, "tags": ["x"]}],
        "unknown": [{"tags": ["x"]}, {"doc": {}}],
    }
    made = content(asked("json_array_length(doc, '$.a') > 0 AND list_contains(tags, 'x')", tests=tests))
    assert [case.got for case in _cases(made) if not case.passed] == []


def test_a_row_that_does_not_fit_is_told_and_the_others_run() -> None:
    tests = {"pass": [{"size": "many"}, {"size": 3}], "fail": [{"size": 0}], "unknown": [{}]}
    found = _cases(content(asked("size > 1", tests=tests)))
    assert [case.got for case in found[1:]] == ["pass", "fail", "unknown"]
    assert found[0].got.startswith("a row that does not fit")
    assert "many" in found[0].got
    assert not found[0].passed


def test_a_rule_that_breaks_is_no_pass() -> None:
    tests = {"pass": [{"name": "1"}], "fail": [{"name": "word"}], "unknown": [{}]}
    found = _cases(content(asked("CAST(name AS INTEGER) = 1", tests=tests)))
    assert not any(case.passed for case in found)
    assert all("the rule broke" in case.got for case in found)


def test_rules_do_not_see_each_other_s_rows() -> None:
    one = asked("state = 'On'", id="aws.lab.a")
    two = asked(f"NOT (true = ANY (SELECT b.state = 'On' FROM {BOX} b WHERE b.target = this.target))", id="aws.lab.b", for_each=ACCOUNT)
    two["tests"] = {"pass": [{}, {BOX: [{"state": "Off"}]}], "fail": [{BOX: [{"state": "On"}]}], "unknown": [{BOX: "unreadable"}]}
    assert all(case.passed for case in _cases(content(one, two)))


def test_a_rule_over_a_view_is_tested_with_its_rows() -> None:
    view = {"about": "x.", "columns": {"n": {"type": "integer"}}, "select": f"SELECT target, region, key, size AS n FROM {BOX}"}
    document = asked("n > 0", for_each="aws.lab.pile", tests={"pass": [{"n": 1}], "fail": [{"n": 0}], "unknown": [{"n": None}]})
    assert all(case.passed for case in _cases(content(document, collector=collector(lab()["facts"], {"aws.lab.pile": view}))))


def test_the_example_of_the_docs_lints_and_passes() -> None:
    """The collector, the rule and the mapping that docs/content.md shows."""
    text = (Path(__file__).parents[2] / "docs/content.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    one = next(block for block in blocks if block.startswith("service: s3"))
    two = next(block for block in blocks if "id: aws.s3.bucket_versioning" in block)
    three = next(block for block in blocks if block.startswith("function: resilience"))
    kept = "{id: detection.forensics, level: 4, stream: B, title: T}"
    elsewhere = f"function: detection\ntitle: D\npractices: [{{id: p, title: P, objectives: [{kept}]}}]\n"
    made = reader.load_files(
        {
            "collectors/aws/s3.yaml": one.encode(),
            "rules/aws/s3/bucket_versioning.yaml": two.encode(),
            "mappings/m/resilience.yaml": three.encode(),
            "mappings/m/detection.yaml": elsewhere.encode(),
            "mappings/m.yaml": b"model: m\ntitle: M\nversion: '1'\nfunctions: [resilience, detection]\n",
        }
    )
    assert lint(made) == []
    found = _cases(made)
    assert len(found) == 5
    assert all(case.passed for case in found)


# ---- what nothing can turn, and what is younger than its date ---------------------------------------------------------------------


def test_a_where_does_not_hide_a_pass_that_reads_nothing() -> None:
    document = asked("true", where="sealed")
    document["tests"]["not_applicable"] = [{"sealed": False}]
    assert _whats(content(document)) == ["'pass' reads nothing, so nothing can turn it"]


@pytest.mark.parametrize("text", ["sealed OR true", "sealed OR 1 = 1", f"{ANY} OR true"])
def test_a_rule_that_nothing_can_fail_is_found_though_its_pass_reads_columns(text: str) -> None:
    made = content(asked(text))
    assert [result.case for result in _cases(made) if result.got == "pass" and not result.passed][-1] == "a row of which nothing was seen"


def test_a_rule_that_values_turn_has_no_such_case() -> None:
    assert "a row of which nothing was seen" not in {result.case for result in _cases(content(rule()))}


DATES = {
    "failed_at": {"type": "timestamp", "from": "failedAt", "renewed_by": "is_back"},
    "is_back": {"type": "boolean", "from": "isBack"},
}
YOUNG = "days_since(failed_at, scan_time) <= 7"


def _aged(pass_: str, where: str | None = None) -> Content:
    document = rule(message="x", fix="y", **{"pass": pass_}, **({} if where is None else {"where": where}))
    given = {"failed_at": "2025-12-31T00:00:00", "is_back": False}
    document["tests"] = {"pass": [given], "fail": [{**given, "failed_at": "2020-01-01T00:00:00"}], "unknown": [{}], "not_applicable": [{}]}
    return content(document, collector=collector({BOX: table(DATES)}))


def test_an_age_of_what_may_have_begun_anew_asks_whether_it_has() -> None:
    [problem] = lint(_aged(YOUNG))
    assert problem.what == f"'{BOX}.failed_at' may be older than what it dates, and 'is_back' is not asked"
    assert "OR (is_back AND NULL)" in problem.do


@pytest.mark.parametrize(("pass_", "where"), [(f"{YOUNG} OR (is_back AND NULL)", None), (YOUNG, "NOT is_back"), ("is_back", None)])
def test_an_age_that_asks_or_is_not_read_is_sound(pass_: str, where: str | None) -> None:
    assert _whats(_aged(pass_, where)) == []


@pytest.mark.parametrize(
    ("column", "what"),
    [
        ({"type": "timestamp", "from": "failedAt", "renewed_by": "is_bak"}, "no column 'is_bak'"),
        ({"type": "boolean", "from": "failedAt", "renewed_by": "is_back"}, "column 'failed_at': 'renewed_by' is for dates"),
    ],
)
def test_what_renews_a_date_is_a_column_of_its_table(column: dict[str, Any], what: str) -> None:
    with pytest.raises(Exception, match=re.escape(what)):
        content(rule(), collector=collector({BOX: table({**DATES, "failed_at": column})}))
