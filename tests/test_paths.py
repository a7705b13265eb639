from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan import paths
from cnamm_scan.errors import ContentError

NAMES = st.sampled_from(["a", "b", "c", "parent", "@", "odd key", "x.y", "$account", "é"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=25,
)


def _written(name: str) -> str:
    return f'"{name}"' if "." in name or " " in name else name


STEPS = st.tuples(NAMES.map(_written), st.lists(st.sampled_from(["[]", "[0]", "[1]", "[7]"]), max_size=2)).map(
    lambda step: step[0] + "".join(step[1])
)
PATHS = st.lists(STEPS, min_size=1, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        ("a[].b", ("a", "[]", "b")),
        ("a[0].b", ("a", 0, "b")),
        ("a[12]", ("a", 12)),
        ("a[].b[].c", ("a", "[]", "b", "[]", "c")),
        ("a[][]", ("a", "[]", "[]")),
        ('a."x-y".b', ("a", "x-y", "b")),
        ('"a.b"', ("a.b",)),
        ('"a[0]".c', ("a[0]", "c")),
        ("@", ("@",)),
        ("parent.parent.Name", ("parent", "parent", "Name")),
        ("$account", ("$account",)),
        ("x-y.b", ("x-y", "b")),
    ],
)
def test_parse(text: str, steps: tuple[str | int, ...]) -> None:
    assert paths.parse(text).steps == steps


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "[]", "[0].a", "a b", 'a"b"', '"a"b', 'a."', '""', "a[-1]", "a[x]", "a[", "a]", "a[0]b", ' "a"', '"[]"'],
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ContentError, match="not well formed") as caught:
        paths.parse(text)
    assert "a[].b" in caught.value.do


DOCUMENT: dict[str, Any] = {
    "a": {"b": 1, "x-y": {"b": "odd"}},
    "rows": [{"b": 1, "c": [{"d": "p"}, {"d": "q"}]}, {"b": None}, {"c": []}, "text", {"b": 2}],
    "x.y": True,
    "none": None,
    "zero": 0,
    "empty": "",
    "@": "url",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b", 1),
        ("a.missing", None),
        ("a.b.c", None),
        ('a."x-y".b', "odd"),
        ('"x.y"', True),
        ("x.y", None),
        ("rows[].b", [1, 2]),
        ("rows[0].b", 1),
        ("rows[1].b", None),
        ("rows[99].b", None),
        ("rows[].c[].d", ["p", "q"]),
        ("rows[3]", "text"),
        ("a[].b", []),
        ("a[0]", None),
        ("none", None),
        ("none[].b", []),
        ("zero", 0),
        ("empty", ""),
        ("@", "url"),
    ],
)
def test_get(text: str, expected: Any) -> None:
    assert paths.get(DOCUMENT, paths.parse(text)) == expected


def test_find_leaves_out_nulls_only() -> None:
    assert list(paths.find({"a": [0, None, False, "", []]}, paths.parse("a[]"))) == [0, False, "", []]


def test_head_and_keys() -> None:
    path = paths.parse("part.Items[].Name[0].x")
    assert (path.head, path.keys, path.is_many) == ("part", ("part", "Items", "Name", "x"), True)
    assert not paths.parse("a[0].b").is_many


def _tree(*texts: str) -> paths.Tree:
    return paths.tree([paths.parse(text) for text in texts])


def test_tree_keeps_the_shorter_of_two_paths() -> None:
    expected: paths.Tree = {"a": None}
    assert _tree("a.b", "a") == expected
    assert _tree("a", "a.b.c") == expected
    assert _tree("a[].b", "a[0].c.d", "e") == {"a": {"b": None, "c": {"d": None}}, "e": None}


def test_project_keeps_what_is_named_and_counts_of_lists() -> None:
    document = {"Name": "n", "Secret": "s", "Rows": [{"k": 1, "v": "s"}, {"v": "s"}], "Deep": {"a": {"b": 1}, "c": "s"}}
    assert paths.project(document, _tree("Name", "Rows[].k", "Deep.a")) == {"Name": "n", "Rows": [{"k": 1}, {}], "Deep": {"a": {"b": 1}}}


def test_project_drops_what_is_not_named() -> None:
    assert paths.project({"a": 1}, {}) == {}
    assert paths.project({"a": 1}, None) == {"a": 1}
    assert paths.project({"a": "text with a secret"}, _tree("a.b")) == {"a": None}


@given(st.text(max_size=12))
def test_parse_gives_a_path_or_a_content_error(text: str) -> None:
    try:
        path = paths.parse(text)
    except ContentError:
        return
    assert path.text == text
    assert isinstance(path.steps[0], str)
    assert path.steps[0] != paths.EACH
    assert path.keys[0] == path.head


@given(PATHS, JSON)
def test_get_never_raises(text: str, document: Any) -> None:
    path = paths.parse(text)
    before = copy.deepcopy(document)
    found = list(paths.find(document, path))
    assert None not in found
    assert paths.get(document, path) == (found if path.is_many else (found[0] if found else None))
    assert document == before


def _is_within(part: Any, whole: Any) -> bool:
    """Whether `part` is `whole` with some things left out: no key, element or value that was not there."""
    if part is None:
        return True
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and _is_within(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) == len(whole) and all(map(_is_within, part, whole))
    return type(part) is type(whole) and bool(part == whole)


@given(st.lists(PATHS, max_size=5), JSON)
def test_project_keeps_a_subset(texts: list[str], document: Any) -> None:
    kept = paths.project(document, _tree(*texts))
    assert _is_within(kept, document)
    if isinstance(kept, dict):
        assert set(kept) <= {paths.parse(text).head for text in texts}


@given(st.lists(PATHS, min_size=1, max_size=5), st.dictionaries(NAMES, JSON, max_size=5))
def test_project_keeps_what_every_path_finds(texts: list[str], document: dict[str, Any]) -> None:
    kept = paths.project(document, _tree(*texts))
    for text in texts:
        path = paths.parse(text)
        assert paths.get(kept, path) == paths.get(document, path)
