"""What a message names besides columns of the row: the cause that was found, and rows of another table. No verdict hangs on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.engine.evaluate import compile_rule
from cnamm_scan.engine.lint import lint
from cnamm_scan.errors import ContentError
from tests.packs import BOX, LOCK, content, fact, filled, ghost, judged, rule

LOCKED = f"true = ANY (SELECT t.lock_id = this.name FROM {LOCK} t WHERE t.target = this.target AND t.region = this.region)"
LOCKS = {"of": LOCK, "column": "lock_id", "if": "strong AND this.state = 'Off'"}
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
        ({"cause": {**LOCKS, "column": "colour"}}, "has no column 'colour'"),
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


def test_lint_holds_a_cause_to_the_form_of_messages() -> None:
    problems = lint(content(said({"cause": [{"say": "is off."}]})))
    assert [problem.what for problem in problems] == ["a cause under says.cause asks or ends with a full stop: 'is off.'"]
