"""What a message names besides columns of the row: the cause that was found, and rows of another table. No verdict hangs on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.engine.evaluate import compile_rule
from cnamm_scan.engine.lint import lint, run_tests
from cnamm_scan.errors import ContentError
from cnamm_scan.report.reference import page
from tests.packs import BOX, LOCK, content, fact, filled, ghost, judged, rule

LOCKED = f"true = ANY (SELECT t.lock_id = this.name FROM {LOCK} t WHERE t.target = this.target AND t.region = this.region)"
LOCKS = {"of": LOCK, "say": "{lock_id}", "if": "strong AND this.state = 'Off'"}
CAUSES = [{"if": "state = 'Gone'", "say": "is gone"}, {"if": LOCKED, "say": "has lock {name}"}, {"say": "is {state} without a lock"}]
MESSAGE = {"fail": "Box {name} {cause}", "pass": "Box {key} is on", "unknown": "Whether box {name} is on could not be read"}


def said(says: Any, **more: Any) -> dict[str, Any]:
    cases = {"given": {"name": "b"}, "pass": [{"state": "On"}], "fail": [{"state": "Off"}], "unknown": [{"state": None}]}
    wording = {"message": MESSAGE, "fix": {"cli": "aws lab turn-on --name {name}"}, "tags": ["encryption-at-rest"]}
    return rule(**{"tests": cases, **wording, "says": says, **more})


def box(name: str, state: str | None = "Off", **more: Any) -> dict[str, Any]:
    return fact(BOX, {"Name": name, **({"detail": {"State": state}} if state else {})}, key=name, **more)


def lock(name: str, strong: bool = True, **more: Any) -> dict[str, Any]:
    return fact(LOCK, {"LockId": name, "info": {"Strong": strong}}, key=name, **more)


def messages(folder: Path, document: dict[str, Any], *rows: dict[str, Any]) -> dict[str, str]:
    made = content(document)
    with filled(made, folder, rows) as store:
        return {result.resource: result.message for result in judged(store, made.rules["aws.lab.r"])}


def test_the_first_cause_that_is_true_is_said_with_its_columns(tmp_path: Path) -> None:
    found = messages(tmp_path, said({"cause": CAUSES}), box("a", "Gone"), box("b"), box("c"), box("d", "On"), lock("b"), lock("a"))
    assert found == {"a": "Box a is gone", "b": "Box b has lock b", "c": "Box c is Off without a lock", "d": "Box d is on"}


EVERY = [
    {"if": "state = 'Gone'", "say": "is gone"},
    {"if": "size > $most", "say": "holds {size} things"},
    {"if": LOCKED, "say": "has a lock"},
]
MOST = {"parameters": {"most": {"default": 9, "source": "ours"}}}


def test_every_cause_that_is_true_is_said(tmp_path: Path) -> None:
    document = said({"cause": {"every": [*EVERY, {"say": "is {state}"}]}}, **MOST)
    rows = [fact(BOX, {"Name": name, "Size": size, "detail": {"State": state}}, key=name) for name, size, state in BOXES]
    assert messages(tmp_path, document, *rows, lock("two"), lock("three")) == {
        "none": "Box none is Off",
        "one": "Box one holds 10 things",
        "two": "Box two is gone and has a lock",
        "three": "Box three is gone, holds 10 things and has a lock",
        "{size}": "Box {size} is gone and holds 10 things",
    }


BOXES = [("none", 1, "Off"), ("one", 10, "Off"), ("two", 1, "Gone"), ("three", 10, "Gone"), ("{size}", 10, "Gone")]


def test_where_no_cause_holds_every_one_of_them_is_nothing_and_no_test_passes_that(tmp_path: Path) -> None:
    document = said({"cause": {"every": EVERY}}, **MOST)
    assert messages(tmp_path, document, box("a"), box("b", "Gone")) == {"a": "Box a unknown", "b": "Box b is gone"}
    made = content(document)
    assert [case.got for case in run_tests(made, made.rules.values()) if not case.passed] == ["fail, of which the message has no {cause}"]


def test_what_was_seen_is_kept_as_it_is_said_and_names_are_no_templates(tmp_path: Path) -> None:
    made = content(said({"cause": CAUSES}))
    with filled(made, tmp_path, [box("{state}", "Gone"), box("{name}"), box("c", "On")]) as store:
        kept = {each.resource: each.values.get("cause") for each in judged(store, made.rules["aws.lab.r"])}
    assert kept == {"{state}": "is gone", "{name}": "is Off without a lock", "c": None}


def test_a_cause_with_a_column_that_is_not_known_is_a_hole() -> None:
    made = content(said({"cause": [{"say": "holds {size} things"}]}))
    assert [case.got for case in run_tests(made, made.rules.values()) if not case.passed] == ["fail, of which the message has no {size}"]


def test_a_row_is_named_by_a_sentence_of_its_columns(tmp_path: Path) -> None:
    others = {"of": BOX, "say": "{name} ({state}, {tags}, {made_at}) of {size}", "if": "size < this.size"}
    document = said({"others": others}, message={**MESSAGE, "fail": "Box {name} is beside {others}"})
    small = {"Name": "{name}", "Size": 1, "Tags": [{"Key": "x"}, {"Key": "y"}], "Made": "2026-03-01T10:00:00Z", "detail": {"State": "On"}}
    unread = fact(BOX, {"Name": "u", "Size": 2}, key="u", gaps={"detail": "denied"})
    big = fact(BOX, {"Name": "b", "Size": 3, "detail": {"State": "Off"}}, key="b")
    found = messages(tmp_path, document, fact(BOX, small, key="a"), unread, big)
    assert found["b"] == "Box b is beside {name} (On, x, y, 2026-03-01) of 1"


def test_where_no_row_is_found_what_holds_else_is_said(tmp_path: Path) -> None:
    document = said({"locks": {**LOCKS, "else": "no lock"}}, message={**MESSAGE, "fail": "Box {name} is beside {locks}"})
    assert messages(tmp_path, document, box("b"), lock("far", region="r2")) == {"b": "Box b is beside no lock"}


def test_a_cause_that_was_not_seen_is_not_said(tmp_path: Path) -> None:
    assert messages(tmp_path, said({"cause": CAUSES}), box("b"), ghost(LOCK)) == {"b": "Box b is Off without a lock"}


def test_rows_of_the_same_place_are_named_once_and_in_order(tmp_path: Path) -> None:
    document = said({"locks": LOCKS}, message={**MESSAGE, "fail": "Box {name} is beside {locks}"})
    rows = [lock("z"), lock("y"), lock("weak", strong=False), lock("far", region="r2"), ghost(LOCK)]
    assert messages(tmp_path, document, box("b"), *rows) == {"b": "Box b is beside y, z"}


@pytest.mark.parametrize("rows", [[], [lock("b")], [ghost(LOCK)]])
def test_no_verdict_and_no_reason_hangs_on_what_is_said(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    boxes = [box("a"), box("b", "On"), fact(BOX, {"Name": "c"}, key="c", gaps={"detail": "denied"}), ghost(BOX, region="r2")]
    bare = {**said({}, message={**MESSAGE, "fail": "Box {name} is off"})}
    found = []
    for number, document in enumerate((said({"cause": CAUSES}), bare)):
        made = content(document)
        (tmp_path / str(number)).mkdir()
        with filled(made, tmp_path / str(number), [*boxes, *rows]) as store:
            found.append([(each.resource, each.verdict, each.reason) for each in judged(store, made.rules["aws.lab.r"])])
    assert found[0] == found[1]


def test_what_is_said_is_read_and_lint_is_content() -> None:
    made = content(said({"cause": CAUSES}))
    assert lint(made) == []
    assert compile_rule(made, made.rules["aws.lab.r"]).reads[LOCK] >= {"lock_id"}


@pytest.mark.parametrize(
    ("says", "what"),
    [
        ({"cause": [{"if": "state = 'Off'", "say": "is off"}]}, "the last cause"),
        ({"cause": [{"say": "is off"}, {"say": "is gone"}]}, "the last cause"),
        ({"cause": [{"say": "is {colour}"}]}, "'{colour}' in message or fix is no column"),
        ({"cause": CAUSES, "locks": LOCKS}, "'locks' is said nowhere"),
        ({"cause": {**LOCKS, "of": "aws.lab.nothing"}}, "no table"),
        ({"cause": {**LOCKS, "say": "{colour}"}}, "has no column 'colour'"),
        ({"cause": {**LOCKS, "say": "a lock"}}, "'say' names no column"),
        ({"cause": {"every": [{"say": "is off"}, {"if": "state = 'Off'", "say": "is gone"}]}}, "the last cause"),
        ({"cause": [{"say": "is off with {other}"}], "other": [{"say": "nothing"}]}, "a cause names 'other', which are causes too"),
        ({"cause": {**LOCKS, "if": "lock_id IS NULL"}}, "IS NULL"),
        ({"cause": {**LOCKS, "if": "true) OR (true"}}, ""),
        ({"cause": {**LOCKS, "if": f"true = ANY (SELECT t.strong FROM {LOCK} t)"}}, "a subquery inside a subquery"),
        ({"cause": [{"if": "now() > scan_time", "say": "is late"}, {"say": "is off"}]}, "gives another answer tomorrow"),
        ({"state": [{"say": "is off"}]}, "'state' is a column or a parameter already"),
    ],
)
def test_what_a_rule_may_not_ask_its_sayings_may_not_either(says: Any, what: str) -> None:
    made = content(said(says))
    with pytest.raises(ContentError) as raised:
        compile_rule(made, made.rules["aws.lab.r"])
    assert what in raised.value.what


@pytest.mark.parametrize(
    ("said_of_it", "what"),
    [
        ([{"say": "is off."}], "says.cause asks or ends with a full stop: 'is off.'"),
        ({"every": [{"say": "is off?"}]}, "says.cause asks or ends with a full stop: 'is off?'"),
        ([{"say": "has sealed {sealed}"}], "says.cause shows {sealed}, which is true or false"),
        ({**LOCKS, "say": "{lock_id}: {strong}"}, "says.cause shows {strong}, which is true or false"),
        ({**LOCKS, "else": "is there none?"}, "says.cause asks or ends with a full stop: 'is there none?'"),
        ({**LOCKS, "else": "no lock."}, "says.cause asks or ends with a full stop: 'no lock.'"),
        ({**LOCKS, "else": "no lock of {name}"}, "says.cause shows {name} in its 'else', which is said as it is"),
    ],
)
def test_lint_holds_what_is_said_to_the_form_of_messages(said_of_it: Any, what: str) -> None:
    assert what in [problem.what for problem in lint(content(said({"cause": said_of_it})))]


def test_the_page_of_a_rule_shows_what_its_finding_says() -> None:
    every = {"every": [{"if": "state = 'Gone'", "say": "is gone"}, {"if": "size > 9", "say": "is full"}]}
    says = {"cause": CAUSES, "every": every, "locks": {**LOCKS, "else": "no lock"}}
    made = content(said(says, message={**MESSAGE, "fail": "Box {name} {cause} {every} {locks}"}))
    [shown] = [part for part in str(page(made, "aws.lab.r")).split("## ") if part.startswith("Finding")]
    assert [line for line in shown.splitlines() if line][1:] == [
        "Box {name} {cause} {every} {locks}",
        "`{cause}`: the first of these that holds",
        "- is gone: `state = 'Gone'`",
        f"- has lock {{name}}: `{LOCKED}`",
        "- is {state} without a lock: else",
        "`{every}`: every one of these that holds",
        "- is gone: `state = 'Gone'`",
        "- is full: `size > 9`",
        f"`{{locks}}`: {{lock_id}} of each row of `{LOCK}` where `strong AND this.state = 'Off'`; where there is none: no lock",
    ]
