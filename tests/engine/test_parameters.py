"""Thresholds that a person replaces: whose they are, and what type their values have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan import content as reader
from cnamm_scan.engine.parameters import replaced, typed
from cnamm_scan.engine.plan import Selection, make_plan
from cnamm_scan.errors import UsageError
from cnamm_scan.model import Content
from tests.packs import asked, content


def _content() -> Content:
    def own(name: str, default: Any) -> dict[str, Any]:
        return asked("size > $least", id=f"aws.lab.{name}", parameters={"least": {"default": default, "source": "x"}})

    return content(own("small", 1), own("large", 9), asked("size > 3", id="aws.lab.fixed"))


def _asked(said: dict[str, Any], rules: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    plan = make_plan(_content(), Selection(rules, parameters=said), ["aws"])
    return {each.rule.id: dict(each.parameters) for each in plan.rules}


def test_a_name_alone_is_of_every_rule_that_has_it() -> None:
    assert _asked({"least": 5}) == {"aws.lab.small": {"least": 5}, "aws.lab.large": {"least": 5}, "aws.lab.fixed": {}}


def test_a_rule_and_a_name_are_of_that_rule_alone() -> None:
    assert _asked({"aws.lab.large.least": 5}) == {"aws.lab.small": {"least": 1}, "aws.lab.large": {"least": 5}, "aws.lab.fixed": {}}


@pytest.mark.parametrize("turned", [False, True])
def test_what_is_said_of_one_rule_outranks_what_is_said_of_all(turned: bool) -> None:
    said = {"least": 5, "aws.lab.large.least": 7}
    made = _asked(dict(reversed(said.items())) if turned else said)
    assert (made["aws.lab.small"], made["aws.lab.large"]) == ({"least": 5}, {"least": 7})


@pytest.mark.parametrize(
    ("said", "rules", "what", "do"),
    [
        ("leest", (), "no parameter 'leest'", "did you mean 'least'?"),
        ("aws.lab.large.leest", (), "rule 'aws.lab.large' has no parameter 'leest'", "did you mean 'least'?"),
        ("aws.lab.lrge.least", (), "no parameter 'aws.lab.lrge.least'", "did you mean 'aws.lab.large.least'"),
        ("aws.lab.fixed.least", (), "rule 'aws.lab.fixed' has no parameter 'least'", "leave it out: its threshold is part of what it says"),
        (
            "least",
            ("aws.lab.fixed",),
            "--parameter least does nothing: no selected rule has it",
            "leave it out, or select what has it: aws.lab.large",
        ),
        ("aws.lab.large.least", ("aws.lab.small",), "--parameter aws.lab.large.least does nothing", "leave it out"),
    ],
)
def test_a_name_that_nothing_has_is_refused(said: str, rules: tuple[str, ...], what: str, do: str) -> None:
    with pytest.raises(UsageError) as error:
        _asked({said: 5}, rules)
    assert error.value.what.startswith(what)
    assert error.value.do.startswith(do)
    assert error.value.where == "--parameter"


@pytest.mark.parametrize(
    ("value", "default", "made"),
    [
        ("5", 1, 5), ("-5", 1, -5), ("+5", 1, 5), (5, 1, 5), (f"{2**63 - 1}", 1, 2**63 - 1),
        ("1.5", 0.5, 1.5), (".5", 0.25, 0.5), ("1e3", 0.5, 1000.0), ("2", 0.5, 2.0), (2, 0.5, 2.0),
        ("true", False, True), ("False", True, False), (True, False, True),
        ("1.30", "1.29", "1.30"), ("5", "x", "5"), ("", "x", ""), ("true", "x", "true"),
        ("a,b", ["x"], ["a", "b"]), ('["a,b", "c"]', ["x"], ["a,b", "c"]), (["a"], ["x"], ["a"]), ("", ["x"], []),
    ],
)  # fmt: skip
def test_a_value_has_the_type_of_its_default(value: Any, default: Any, made: Any) -> None:
    found = typed("r.n", value, default)
    assert (found, type(found)) == (made, type(default))


@pytest.mark.parametrize(
    ("value", "default", "kind"),
    [
        ("abc", 1, "a whole number"), ("1.5", 1, "a whole number"), ("", 1, "a whole number"), (" 5", 1, "a whole number"),
        ("٣", 1, "a whole number"),
        (True, 1, "a whole number"), (1.0, 1, "a whole number"), (None, 1, "a whole number"),
        ("nan", 0.5, "a number"), ("inf", 0.5, "a number"), ("1_000", 0.5, "a number"),
        ("yes", True, "true or false"), (1, True, "true or false"), (5, "x", "text"), ("[1]", ["x"], "a list of texts"),
        ("[", ["x"], "a list of texts"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_bad_usage(value: Any, default: Any, kind: str) -> None:
    with pytest.raises(UsageError) as error:
        typed("r.n", value, default)
    assert error.value.what.endswith(f" is not {kind}")
    assert error.value.where == "--parameter r.n"
    assert "the default is: " in error.value.do


@pytest.mark.parametrize(("value", "default"), [(f"{2**63}", 1), ("9" * 5000, 1), (2**70, 1), ("1e999", 0.5), (float("inf"), 0.5)])
def test_a_number_fits_into_64_bits(value: Any, default: Any) -> None:
    with pytest.raises(UsageError, match="too large"):
        typed("r.n", value, default)


@given(
    st.one_of(st.booleans(), st.integers(-(2**63) + 1, 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.lists(st.text()))
)
def test_a_default_said_again_is_itself(default: Any) -> None:
    assert typed("r.n", default, default) == default
    assert typed("r.n", json.dumps(default), default) == default


@given(st.text(), st.sampled_from([True, 1, 0.5, "x", ["x"]]))
def test_any_text_is_of_the_type_or_refused(text: str, default: Any) -> None:
    try:
        made = typed("r.n", text, default)
    except UsageError:
        return
    assert type(made) is type(default)


def test_every_parameter_that_ships_has_a_type_that_can_be_said() -> None:
    shipped = reader.load()
    for rule in shipped.rules.values():
        for name, spec in rule.parameters.items():
            assert replaced(shipped, [rule], {f"{rule.id}.{name}": spec.default}) == {rule.id: {name: spec.default}}
