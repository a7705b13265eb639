from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.text import fill, placeholders, safe


def test_placeholders_are_column_names_in_braces() -> None:
    template = "{name} {a_1} {Name} {1x} {} { name } {a.b} {{state}} ${days}"
    assert placeholders(template) == ("name", "a_1", "state", "days")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("text", "text"),
        (None, "unknown"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (2.5, "2.5"),
        ([], "none"),
        ("", ""),
        (["a", None, True], "a, unknown, true"),
        (("a", "b"), "a, b"),
    ],
)
def test_fill_shows_a_value(value: Any, shown: str) -> None:
    assert fill("got '{x}'", {"x": value}) == f"got '{shown}'"


@pytest.mark.parametrize(
    ("template", "value", "said"),
    [
        ("keeps {n} days only", 1, "keeps 1 day only"),
        ("keeps {n} days only", 2, "keeps 2 days only"),
        ("keeps {n} days only", 0, "keeps 0 days only"),
        ("keeps {n} days only", None, "keeps unknown days only"),
        ("keeps {n} days only", True, "keeps true days only"),
        ("keeps {n} days only", "1", "keeps 1 days only"),
        ("0 of {n} pods", 1, "0 of 1 pod"),
        (
            "has {n} policies, {n} access keys and {n} critical vulnerabilities",
            1,
            "has 1 policy, 1 access key and 1 critical vulnerability",
        ),
        ("version {n} has secrets", 1, "version 1 has secrets"),
        ("{n} of the nodes", 1, "1 of the nodes"),
        ("{n} addresses", 1, "1 address"),
    ],
)
def test_one_of_a_thing_is_told_as_one(template: str, value: Any, said: str) -> None:
    assert fill(template, {"n": value}) == said


def test_fill_reads_unknown_for_what_is_missing() -> None:
    assert fill("{a} {b}", {"a": 1}) == "1 unknown"


def test_fill_leaves_other_braces_alone() -> None:
    assert fill("--policy '{\"Version\": 1}' {Name} {}", {}) == "--policy '{\"Version\": 1}' {Name} {}"


def test_fill_does_not_fill_what_was_filled_in() -> None:
    assert fill("{a}", {"a": "{b}", "b": "secret"}) == "{b}"


@pytest.mark.parametrize("bad", ["\x1b[31m", "\r", "\n", "\x00", "\x7f", "\x9b", "\u202e", "\u200b", "\u2028"])
def test_a_terminal_obeys_nothing(bad: str) -> None:
    assert fill("{name}", {"name": f"a{bad}b"}) == safe(f"a{bad}b")
    assert bad[0] not in safe(f"a{bad}b")


def test_safe_keeps_letters_of_the_world() -> None:
    assert safe("Größe 東京 ✓") == "Größe 東京 ✓"


@given(st.text())
def test_safe_is_printable_and_as_long(text: str) -> None:
    assert safe(text).isprintable()
    assert len(safe(text)) == len(text)
    assert safe(safe(text)) == safe(text)
