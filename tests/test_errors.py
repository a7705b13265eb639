"""What errors say: three parts, and nobody's password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.errors import CnammError, ContentError, did_you_mean, nameless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:hunter2@host:6443/x", "https://…@host:6443/x"),
        ("Could not connect to the endpoint URL: \"http://user:hunter2@127.0.0.1:1/\"", 'Could not connect to the endpoint URL: "http://…@127.0.0.1:1/"'),
        ("https://hunter2@host", "https://…@host"),
        ("https://user:hun@ter2@host/x and http://a:b@c", "https://…@host/x and http://…@c"),
        ("https://user:hun/ter2@host", "https://…@host"),
        ("https://host/x", "https://host/x"),
        ("mail ann@example.org about https://host", "mail ann@example.org about https://host"),
        ("postgres://user:hunter2@db/x", "postgres://…@db/x"),
        ("http://@host", "http://@host"),
        ("@ and :// apart", "@ and :// apart"),
    ],
)  # fmt: skip
def test_addresses_name_nobody(text: str, shown: str) -> None:
    assert nameless(text) == shown
    error = CnammError(text, where=text, do=text)
    assert (error.what, error.where, error.do) == (shown, shown, shown)
    assert "hunter2" not in f"{error} {error!r} {ContentError('x', problems=[ContentError(text)])}"


WORDS = st.text(st.characters(codec="ascii", exclude_categories=("C", "Z"), exclude_characters="\"'<>"), min_size=1, max_size=12)


@given(st.text(max_size=20), WORDS, WORDS, st.text(max_size=20))
def test_a_password_is_in_no_error(before: str, user: str, password: str, after: str) -> None:
    marked = f"hunter2{password}"
    said = str(CnammError(f"{before} https://{user}:{marked}@host {after}"))
    assert "hunter2" not in said


def test_long_texts_take_no_time() -> None:
    for text in ("://" * 100_000 + "@", "a://b@" * 50_000, "@" * 300_000 + "://"):
        nameless(text)


def test_where_nothing_is_known_advice_says_so() -> None:
    assert did_you_mean("x", []) == "there is none that could be named"
