from __future__ import annotations

import copy
from collections.abc import Sequence
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


def _tree(*texts: str, names: Sequence[str] = (), there: Sequence[str] = ()) -> paths.Tree:
    return paths.tree(map(paths.parse, texts), map(paths.parse, names), map(paths.parse, there))


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


MAP = {"z": "secret", "a": "secret", "n": None}


@pytest.mark.parametrize(
    ("document", "keep", "expected"),
    [
        ({"m": MAP}, _tree(names=["m"]), {"m": ["a", "n", "z"]}),
        ({"m": {}}, _tree(names=["m"]), {"m": []}),
        ({"m": {"b": 1, 2: 3}}, _tree(names=["m"]), {"m": ["2", "b"]}),
        ({"m": ["z", "a"]}, _tree(names=["m"]), {"m": ["z", "a"]}),
        ({"m": "text"}, _tree(names=["m"]), {"m": "text"}),
        ({"m": None}, _tree(names=["m"]), {}),
        ({}, _tree(names=["m"]), {}),
        ({"rows": [{"m": MAP}, {"m": []}, {}]}, _tree(names=["rows[].m"]), {"rows": [{"m": ["a", "n", "z"]}, {"m": []}, {}]}),
        ({"m": MAP}, _tree("m", names=["m"]), {"m": MAP}),
        ({"x": {"m": MAP}}, _tree("x", names=["x.m"]), {"x": {"m": MAP}}),
        ({"m": {"z": MAP, "y": 1}}, _tree(names=["m", "m.z"]), {"m": {"z": ["a", "n", "z"], "y": True}}),
        ({"m": {"z": MAP, "y": 1}}, _tree(names=["m.z", "m"]), {"m": {"z": ["a", "n", "z"], "y": True}}),
        ({"m": MAP}, _tree("m.a", names=["m"]), {"m": {"z": True, "a": "secret", "n": None}}),
        ({"m": MAP}, _tree("m.n", "m.q", names=["m"]), {"m": {"z": True, "a": True, "n": None}}),
        ({"m": {}}, _tree("m.a", names=["m"]), {"m": {}}),
        ({"m": [{"a": 1, "b": 2}]}, _tree("m.a", names=["m"]), {"m": [{"a": 1, "b": True}]}),
        ({"m": {1: 2, "a": 3}}, _tree("m.a", names=["m"]), {"m": {"1": True, "a": 3}}),
    ],
)
def test_of_a_map_the_names_may_be_kept_alone(document: Any, keep: paths.Tree, expected: Any) -> None:
    assert paths.project(document, keep) == expected


@pytest.mark.parametrize(
    ("document", "keep", "expected"),
    [
        ({"m": MAP, "n": MAP}, _tree(there=["m"]), {"m": True}),
        ({"m": False}, _tree(there=["m"]), {"m": True}),
        ({"m": {}}, _tree(there=["m"]), {"m": True}),
        ({"m": "text"}, _tree(there=["m"]), {"m": True}),
        ({"m": None}, _tree(there=["m"]), {}),
        ({}, _tree(there=["m"]), {}),
        ({"rows": [{"m": MAP}, {}]}, _tree(there=["rows[0].m"]), {"rows": [{"m": True}, {}]}),
        ({"m": MAP}, _tree("m", there=["m"]), {"m": MAP}),
        ({"m": MAP}, _tree("m.a", there=["m"]), {"m": {"a": "secret"}}),
        ({"m": {"other": 1}}, _tree("m.a", there=["m"]), {"m": {}}),
        ({"m": MAP}, _tree(there=["m", "m.a"]), {"m": {"a": True}}),
        ({"m": MAP}, _tree(there=["m.a", "m"]), {"m": {"a": True}}),
        ({"m": MAP}, _tree(names=["m"], there=["m"]), {"m": ["a", "n", "z"]}),
        ({"m": MAP}, _tree(names=["m"], there=["m.a", "m.n", "m.q"]), {"m": {"z": True, "a": True, "n": None}}),
        ({"m": MAP}, _tree("m.a", names=["m"], there=["m.z"]), {"m": {"z": True, "a": "secret", "n": None}}),
    ],
)
def test_of_what_is_only_asked_whether_it_is_there_nothing_more_is_kept(document: Any, keep: paths.Tree, expected: Any) -> None:
    assert paths.project(document, keep) == expected


@pytest.mark.parametrize(
    ("document", "texts"),
    [
        ({"a": "text with a secret"}, ["a.b"]),
        ({"a": ""}, ["a.b"]),
        ({"a": 0}, ["a.b"]),
        ({"a": False}, ["a.b.c"]),
        ({"a": {"b": "text"}}, ["a.b.c", "a.d"]),
        ({"rows": [{"b": 1}, "text"]}, ["rows[].b"]),
        ({"rows": [[{"b": 1}], [5]]}, ["rows[].b"]),
        ("text", ["a"]),
    ],
)
def test_a_plain_value_in_the_way_is_not_silence(document: Any, texts: list[str]) -> None:
    """It would read as "not configured"."""
    for keep in (_tree(*texts), _tree(names=texts), _tree(there=texts)):
        with pytest.raises(paths.MalformedError) as caught:
            paths.project(document, keep)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("document", [{"a": None}, {}, {"a": []}, {"a": [None]}, {"a": {}}, {"a": [[]]}])
def test_nothing_in_the_way_is_silence(document: Any) -> None:
    made = paths.project(document, _tree("a.b"))
    assert made == {name: value for name, value in document.items() if value is not None}


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


def _in_the_way(value: Any, keys: Sequence[str]) -> bool:
    """Whether these keys, followed through every list, meet a value that can have none."""
    if value is None or not keys:
        return False
    if isinstance(value, list):
        return any(_in_the_way(element, keys) for element in value)
    return _in_the_way(value.get(keys[0]), keys[1:]) if isinstance(value, dict) else True


def _is_malformed(document: Any, texts: list[str]) -> bool:
    wanted = [paths.parse(text).keys for text in texts]
    shortest = [keys for keys in wanted if not any(keys[: len(other)] == other and keys != other for other in wanted)]
    return any(_in_the_way(document, keys) for keys in shortest)


@given(st.lists(PATHS, min_size=1, max_size=5), JSON)
def test_project_keeps_a_subset_or_says_what_is_malformed(texts: list[str], document: Any) -> None:
    if _is_malformed(document, texts):
        with pytest.raises(paths.MalformedError):
            paths.project(document, _tree(*texts))
        return
    kept = paths.project(document, _tree(*texts))
    assert _is_within(kept, document)
    if isinstance(kept, dict):
        assert set(kept) <= {paths.parse(text).head for text in texts}


@given(st.lists(PATHS, min_size=1, max_size=5), st.dictionaries(NAMES, JSON, max_size=5))
def test_project_keeps_what_every_path_finds(texts: list[str], document: dict[str, Any]) -> None:
    texts = [text for text in texts if not _is_malformed(document, [text])]
    kept = paths.project(document, _tree(*texts))
    for text in texts:
        path = paths.parse(text)
        assert paths.get(kept, path) == paths.get(document, path)
