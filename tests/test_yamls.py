"""YAML within bounds: what it says is what yaml's own loader says, and no text whatever ends in anything but a value or a YamlError."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan import yamls
from cnamm_scan.content import load
from cnamm_scan.yamls import CONTENT, MANIFESTS, YamlError
from tests.examples import drawn


def _refused(text: str | bytes, dialect: yamls.Dialect = CONTENT) -> YamlError:
    with pytest.raises(YamlError) as caught:
        list(yamls.documents(text, dialect))
    assert caught.value.do
    assert len(caught.value.what) < 300
    return caught.value


class _Theirs(yaml.CSafeLoader):
    """PyYAML's own reading, with dates as texts: what ours is held against."""


_Theirs.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: str(node.value))


def test_what_ships_reads_as_by_another_reader() -> None:
    for name, raw in load().files.items():
        assert yamls.document(raw, CONTENT) == yaml.load(raw, Loader=_Theirs), name


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=8)  # what PyYAML writes as it reads it
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_was_written_is_read(value: Any) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    for dialect in (CONTENT, MANIFESTS):
        assert yamls.document(text, dialect) == value


@settings(max_examples=drawn(300))
@given(st.text(st.sampled_from("ab:,{}[]&*!<>|-?#%'\"~ \n\t1_.0xe+"), max_size=60))
def test_any_text_is_a_value_or_a_refusal(text: str) -> None:
    for dialect in (CONTENT, MANIFESTS):
        try:
            found = list(yamls.documents(text, dialect))
        except YamlError:
            continue
        json.dumps(found, allow_nan=False)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_refusal(raw: bytes) -> None:
    with suppress(YamlError):
        json.dumps(list(yamls.documents(raw, CONTENT)), allow_nan=False)


@given(st.text(st.sampled_from("-+0123456789._xbefnaIN:"), min_size=1, max_size=8))
def test_a_number_is_one_only_where_others_see_one(text: str) -> None:
    """A number is that of PyYAML; a text is a text there too, or one of the traps: a date, a time of day, a number without digits."""
    try:
        ours = yamls.document(f"a: {text}", CONTENT)
    except YamlError:
        return
    if not isinstance(ours, dict) or "a" not in ours or not isinstance(ours["a"], int | float):
        return
    assert ours == yaml.load(f"a: {text}", Loader=_Theirs)


@pytest.mark.parametrize("text", ["12:30", "1:2.5", "2026-01-01", "2026-01-01T00:00:00Z", "=", "08", "0x_", "0b_", "1e5", "."])
def test_what_is_a_trap_elsewhere_is_a_text(text: str) -> None:
    assert yamls.document(f"a: {text}", CONTENT) == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!!int '7'", 7), ("!!int 0x1F", 31), ("!!float 3", 3.0), ("!!float -1.5", -1.5), ("!!bool Yes", True), ("!!null ''", None),
        ("!!str 5", "5"), ("!!timestamp then", "then"), ("! 5", 5), ("0b11", 3), ("-0o7", "-0o7"), ("0644", 420), ("1_000", 1000),
        ("'5'", "5"),
        ("!!map {a: 1}", {"a": 1}), ("!!seq [1]", [1]),
    ],
)  # fmt: skip
def test_tags_and_forms(text: str, value: Any) -> None:
    found = yamls.document(f"a: {text}", CONTENT)["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("!!int abc", "'abc' is not what its tag !!int says"),
        ("!!int 0x_", "'0x_' is not what its tag !!int says"),
        ("!!int 1.5", "'1.5' is not what its tag !!int says"),
        ("!!float much", "'much' is not what its tag !!float says"),
        ("!!float 0b_", "'0b_' is not what its tag !!float says"),
        ("!!bool maybe", "'maybe' is not what its tag !!bool says"),
        ("!!null here", "'here' is not what its tag !!null says"),
        ("!!binary aGk=", "the tag '!!binary' is not read"),
        ("!!set {a, b}", "the tag '!!set' is not read"),
        ("!!map [1]", "the tag '!!map' is not read"),
        ("!!seq {a: 1}", "the tag '!!seq' is not read"),
        ("!mine x", "the tag '!mine' is not read"),
        ("!!python/object/apply:os.system ['true']", "the tag '!!python/object/apply:os.system' is not read"),
        ("9" * 5000, "a number of 5000 digits; 100 at most are read"),
        ("0x" + "f" * 5000, "a number of 5002 digits; 100 at most are read"),
        ("1." + "1" * 5000, "a number of 5002 digits; 100 at most are read"),
        (".inf", "'.inf' is no number that JSON has"),
        ("-.INF", "'-.INF' is no number that JSON has"),
        (".nan", "'.nan' is no number that JSON has"),
        ("1.0e+999", "'1.0e+999' is no number that JSON has"),
    ],
)
@pytest.mark.parametrize("dialect", [CONTENT, MANIFESTS], ids=["content", "manifests"])
def test_a_scalar_that_is_not_what_it_says(dialect: yamls.Dialect, text: str, what: str) -> None:
    error = _refused(f"first: 1\na: {text}\n", dialect)
    assert (error.what, error.line) == (f"not well-formed YAML: {what}", 2)


def test_an_integer_of_content_fits_into_64_bits() -> None:
    assert yamls.document(f"a: {2**63 - 1}", CONTENT) == {"a": 2**63 - 1}
    assert _refused(f"a: {2**63}").what == f"'{2**63}' does not fit into 64 bits"
    assert yamls.document(f"a: {2**80}", MANIFESTS) == {"a": 2**80}


# ---- keys ----------------------------------------------------------------------------------------------------------------


def test_keys_of_content_are_the_texts_that_stand_there() -> None:
    assert yamls.document("on: 1\n80: 2\n~: 3\n1.50: 4\n", CONTENT) == {"on": 1, "80": 2, "~": 3, "1.50": 4}
    assert _refused("a: 1\nb: 2\na: 3\n").line == 3


def test_keys_of_manifests_are_those_of_json() -> None:
    found = yamls.document("on: 1\n80: 2\n~: 3\n1.50: 4\na: 5\na: 6\n", MANIFESTS)
    assert found == {"true": 1, "80": 2, "null": 3, "1.5": 4, "a": 6}


@pytest.mark.parametrize("text", ["? [a]\n: b\n", "? {a: 1}\n: b\n", "a: &x [1]\n*x : 2\n"])
def test_a_key_is_a_text(text: str) -> None:
    for dialect in (CONTENT, MANIFESTS):
        assert _refused(text, dialect).what == "not well-formed YAML: a key is no text"


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9), max_size=3), min_size=1, max_size=4))
def test_merging_is_that_of_others(parts: list[dict[str, int]]) -> None:
    anchors = "".join(f"m{n}: &m{n} {json.dumps(part)}\n" for n, part in enumerate(parts))
    names = [f"*m{n}" for n in range(len(parts))]
    for text in (f"{anchors}z: {{<<: {names[0]}, b: 7}}", f"{anchors}z: {{b: 7, <<: [{', '.join(names)}]}}"):
        assert yamls.document(text, CONTENT) == yaml.safe_load(text)
        assert yamls.document(text, MANIFESTS) == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["<<: 3", "<<: [3]", "a: &a {<<: *a}"])
def test_what_cannot_be_merged(text: str) -> None:
    _refused(text)
    _refused(text, MANIFESTS)


def test_a_quoted_merge_is_a_text_and_stays_one_behind_an_alias() -> None:
    assert yamls.document("'<<': 1", MANIFESTS) == {"<<": 1}
    assert yamls.document("&x <<: {a: 1}\nb: *x", CONTENT) == {"a": 1, "b": "<<"}


# ---- bounds --------------------------------------------------------------------------------------------------------------


def _bomb(levels: int, width: int = 10) -> str:
    first = f"a0: &a0 [{', '.join('x' * width)}]\n"
    return first + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]\n" for n in range(1, levels))


@pytest.mark.parametrize("dialect", [CONTENT, MANIFESTS], ids=["content", "manifests"])
@pytest.mark.parametrize(
    "text",
    [
        _bomb(9),
        _bomb(9).replace("[", "{k: [").replace("]", "]}"),
        "s: &s " + "y" * 900_000 + "\nt: [" + ", ".join(["*s"] * 1000) + "]\n",
        "m: &m {" + ", ".join(f"k{n}: v" for n in range(9000)) + "}\nt: [" + ", ".join(["{<<: *m}"] * 2000) + "]\n",
    ],
    ids=["lists", "mappings", "texts", "merges"],
)
def test_aliases_that_multiply(text: str, dialect: yamls.Dialect) -> None:
    error = _refused(text, dialect)
    assert re.fullmatch(r"holds more than \d+ MiB of values, its aliases written out", error.what)
    assert error.line is not None


def test_an_alias_that_is_used_a_few_times_is_fine() -> None:
    found = yamls.document("a: &a [1, {b: 2}]\n" + "".join(f"k{n}: *a\n" for n in range(50)), CONTENT)
    assert all(found[f"k{n}"] == [1, {"b": 2}] for n in range(50))


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a {b: [{c: *a}]}"])
def test_an_alias_within_what_it_names(text: str) -> None:
    assert "stands within what it names" in _refused(text).what


@pytest.mark.parametrize("dialect", [CONTENT, MANIFESTS], ids=["content", "manifests"])
@pytest.mark.parametrize("make", ["[{}]", "{{a: {}}}", "- {}", "? {}", "nested"], ids=["list", "mapping", "block", "key", "aliases"])
def test_depth_is_bounded_exactly(make: str, dialect: yamls.Dialect) -> None:
    most = dialect.limits.depth

    def nested(levels: int) -> str:
        if make == "nested":  # each line one level above the last, the whole in one mapping
            return "a0: &a0 []\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, levels - 1))
        text = "x"
        for _ in range(levels):
            text = make.format(text)
        return text

    if make != "? {}":  # a mapping that is a key is refused whatever its depth
        list(yamls.documents(nested(most), dialect))
        assert _refused(nested(most + 1), dialect).what == f"nested more than {most} levels deep"
    _refused(nested(100_000 if make != "nested" else 1000), dialect)


def test_the_bounds_of_other_values_are_the_same() -> None:
    value: Any = "x"
    for _ in range(MANIFESTS.limits.depth):
        value = [value]
    yamls.within(value, MANIFESTS.limits)
    with pytest.raises(YamlError, match="levels deep"):
        yamls.within([value], MANIFESTS.limits)
    with pytest.raises(YamlError, match="MiB of values"):
        yamls.within(["x" * (5 << 20)], CONTENT.limits)
    with pytest.raises(YamlError, match="MiB of values"):
        yamls.within({"x" * (5 << 20): 1}, CONTENT.limits)


def test_sizes_and_numbers_are_bounded() -> None:
    assert _refused("#" * ((1 << 20) + 1)).what == "larger than 1 MiB"
    assert _refused("--- a\n--- b\n").what == "holds another document"
    assert _refused("---\n" * 100_001, MANIFESTS).what == "holds more than 100000 documents"
    assert _refused("%TAG !a! b\n" * 102 + "--- a").what == "has more than 100 directives"
    assert _refused("[" + "a," * 500_000 + "]").what.startswith("holds more than 4 MiB of values")


def test_weight_is_of_all_documents_together() -> None:
    part = "---\n- &a " + "x" * 1000 + "\n" + "- *a\n" * 1000
    dialect = yamls.Dialect(yamls.Limits(1 << 20, 4 << 20, 50, 100), strict_keys=True)
    assert len(list(yamls.documents(part * 3, dialect))) == 3
    assert "MiB of values" in _refused(part * 5, dialect).what


def test_bytes_that_are_no_text() -> None:
    assert _refused(b"a: 1\nb: \xff\n").line == 2
    assert _refused("a: \ud800").what == "not UTF-8 text"
    assert _refused("a: 1\nb: \x07\n").line == 2


def test_numbers_are_finite() -> None:
    for text in ("1.0e+308", "-1.0e+308"):
        assert math.isfinite(yamls.document(f"a: {text}", CONTENT)["a"])


# ---- where things stand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "line"),
    [
        ((), 1),
        (("a",), 1),
        (("a", "b"), 2),
        (("a", "b", 1), 4),
        (("a", "b", 1, "c"), 4),
        (("a", "nothing"), 1),
        (("d",), 5),
        (("d", "x"), 5),
    ],
)
def test_lines(location: tuple[str | int, ...], line: int) -> None:
    assert yamls.line_of(b"a:\n  b:\n    - one\n    - {c: 2}\nd: text\n", location) == line
