from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from cnamm_scan.text import DETECTORS, fill, looks_secret, may_be_secret, placeholders, safe
from tests.steps import Counted


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


# ---- what looks like a secret --------------------------------------------------------------------------------------------


@given(st.from_regex(DETECTORS))
@example("AKIAIOSFODNN7EXAMPLE")
@example("postgres://u:hunter22@db")
@example("ApiKey = hunter22")
@example("Client_Secret: hunter22")
@example('"password" : "hunter22"')
@example("-----BEGIN PRIVATE KEY-----")
def test_the_quick_look_misses_no_secret(text: str) -> None:
    assume(len(text) >= 12)
    assert may_be_secret(text)
    assert looks_secret(text)


@given(st.text())
def test_what_the_quick_look_lets_pass_is_none(text: str) -> None:
    assert looks_secret(text) == (len(text) >= 12 and DETECTORS.search(text) is not None)


@pytest.mark.parametrize("text", ["", "AKIA", "a" * 100, "arn:aws:s3:::bucket", "2026-01-02T03:04:05Z", "image:v1", "a=b,c=d,e=f,g=h"])
def test_most_values_need_no_closer_look(text: str) -> None:
    assert not may_be_secret(text)


@given(st.text())
def test_safe_is_printable_and_as_long(text: str) -> None:
    assert safe(text).isprintable()
    assert len(safe(text)) == len(text)
    assert safe(safe(text)) == safe(text)


# ---- detectors are linear --------------------------------------------------------------------------------------------------

PIECES = (
    "-eyJ",
    "eyJ",
    ".eyJ",
    "eyJabcdefgh.",
    "-eyJabcdefgh",
    "eyJabcdefgh.eyJabcdefgh",
    "AKIA",
    "AKIAAAAAAAAAAAAAAAA",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "-----END ",
    "PRIVATE KEY",
    "://",
    "://a:b",
    ":",
    "@",
    "a:b@",
    "a@b",
    "/",
    "password",
    "password ",
    "password=",
    "password='",
    "secret_key \t",
    "ghp_",
    "ghp_a",
    "xoxb-",
    "-xoxb-",
    "sk_live_",
    "a",
    "-",
    "_",
    ".",
    " ",
    "A ",
    "é",
)
"""What the detectors look for, whole and in halves."""


def _steps(text: str) -> int:
    counted = Counted(DETECTORS)
    counted.spans(text)
    return counted.steps


def _is_linear(first: str, second: str, prefix: str, suffix: str) -> bool:
    """Twice the text takes twice the steps; what was faulty took four times as many for "-eyJ" * n."""
    texts = [prefix + (first + second) * n + suffix for n in (15, 30)]
    short, long = map(_steps, texts)
    return long <= 2.3 * short + 300 and long <= 60 * (len(texts[1]) + 10)


@pytest.mark.parametrize("first", PIECES)
def test_no_text_makes_a_detector_go_over_it_again_and_again(first: str) -> None:
    for prefix, suffix in (("", ""), ("user:", ""), ("-----BEGIN PRIVATE KEY-----", ""), ("", "@")):
        assert _is_linear(first, "", prefix, suffix), (first, prefix, suffix)


@pytest.mark.slow
@pytest.mark.parametrize("first", PIECES)
def test_no_text_of_two_pieces_does_either(first: str) -> None:
    for second in PIECES:
        for prefix, suffix in (("", ""), ("user:", ""), ("-----BEGIN PRIVATE KEY-----", ""), ("", "@")):
            assert _is_linear(first, second, prefix, suffix), (first, second, prefix, suffix)


def test_the_counter_sees_what_is_quadratic() -> None:
    faulty = Counted(re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ"))
    counts = []
    for n in (100, 200):
        faulty.steps = 0
        assert faulty.spans("-eyJ" * n) == []
        counts.append(faulty.steps)
    assert counts[1] > 3.5 * counts[0]


@given(st.lists(st.sampled_from(PIECES) | st.text("aA1-_.:@/= \"'", max_size=4), max_size=12).map("".join))
@settings(max_examples=100, deadline=None)
def test_the_counter_finds_what_the_expression_finds(text: str) -> None:
    assert Counted(DETECTORS).spans(text) == [match.span() for match in DETECTORS.finditer(text)]


JWT = "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl"


@pytest.mark.parametrize("before", ["", " ", "token=", "Bearer ", "a.b.", "x-", "-", "eyJ-", "-eyJ-eyJ-", "(", "é"])
@pytest.mark.parametrize("behind", ["", " ", ".more", ",", "é"])
def test_a_token_is_found_wherever_it_begins(before: str, behind: str) -> None:
    hidden = DETECTORS.sub("#", before + JWT + behind)
    assert "eyJzdWIi" not in hidden
    assert "c2lnbmF0" not in hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("user:hunter2@registry.example.com/team/app:1.0", "#@registry.example.com/team/app:1.0"),
        ("user:hunter2@registry:5000/app", "#@registry:5000/app"),
        ("registry.example.com/team/app:1.0@sha256:" + "0" * 64, None),
        ("nginx:1.27@sha256:" + "0" * 64, None),
        ("nginx:1.27", None),
        ("arn:aws:iam::111122223333:user/bob@example.com/x", None),
        ("bob@example.com", None),
    ],
)
def test_a_password_in_an_images_name_is_one(text: str, hidden: str | None) -> None:
    assert DETECTORS.sub("#", text) == (hidden or text)
    assert looks_secret(text) is (hidden is not None)
