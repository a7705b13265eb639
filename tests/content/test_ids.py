"""The form of every id: an id becomes the name of a file, a link, a query and a line of a report, and means nothing else in any of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from cnamm_scan import content as reader
from cnamm_scan.errors import ContentError
from tests.packs import BOX, files, mapping, rule, table

ODD = [
    "", " ", "a/b", "../../x", "/etc/passwd", "a\\b", "a b", "a\nb", "a\n", "\na", "a\u2028b", "a\x00b", "a\x1b[31m", "{}", "a{b}c", "a'b",
    'a"b', "a`b", "a<b>", "a|b", "a;b", "a#b", "a%b", "a&b", "a:b", "$a", "@a", "ünï", "A/b", "a" * 500, "..", ".", "-", "--", "a..b",
]  # fmt: skip
RULE, LAB, SAFETY, MODEL = "rules/aws/lab/r.yaml", "collectors/aws/lab.yaml", "mappings/m/safety.yaml", "mappings/m.yaml"
FRAMEWORK = "mappings/frameworks/f.yaml"


def _framework() -> dict[str, Any]:
    controls = {"PR.DS-11": {"title": "Backups", "objectives": [{"id": "safety.boxes-are-on", "relation": "superset-of"}]}}
    return {"framework": "nist-csf", "version": "2.0", "title": "A framework", "controls": controls}


def _sound() -> dict[str, Any]:
    threshold = {"max_age": {"default": 3, "source": "ours"}}
    return {**files(rule(parameters=threshold, message="{name} {max_age}")), FRAMEWORK: _framework()}


def _at(name: str, *steps: Any) -> Callable[[dict[str, Any], str], None]:
    """Puts an odd id where the last step leads."""

    def change(documents: dict[str, Any], odd: str) -> None:
        *inner, last = steps
        node = documents[name]
        for step in inner:
            node = node[step]
        node[last] = odd

    return change


def _key(name: str, *steps: Any) -> Callable[[dict[str, Any], str], None]:
    """Renames the one key where the steps lead."""

    def change(documents: dict[str, Any], odd: str) -> None:
        node = documents[name]
        for step in steps:
            node = node[step]
        first = next(iter(node))
        node[odd] = node.pop(first)

    return change


KINDS: dict[str, Callable[[dict[str, Any], str], None]] = {
    "rule": _at(RULE, "id"),
    "objective of a rule": _at(RULE, "objective"),
    "table of a rule": _at(RULE, "for_each"),
    "parameter": _key(RULE, "parameters"),
    "service": _at(LAB, "service"),
    "client": _at(LAB, "client"),
    "table": _key(LAB, "facts"),
    "view": _key(LAB, "views"),
    "column": _key(LAB, "facts", BOX, "columns"),
    "column of a view": _key(LAB, "views", "aws.lab.seen", "columns"),
    "part": _key(LAB, "facts", BOX, "then"),
    "model": _at(MODEL, "model"),
    "version": _at(MODEL, "version"),
    "function of a model": _at(MODEL, "functions", 0),
    "function": _at(SAFETY, "function"),
    "practice": _at(SAFETY, "practices", 0, "id"),
    "objective": _at(SAFETY, "practices", 0, "objectives", 0, "id"),
    "objective asked for too": _at(SAFETY, "practices", 0, "also", 0, "id"),
    "objective merged away": _at(SAFETY, "practices", 0, "also", 0, "instead_of"),
    "framework": _at(FRAMEWORK, "framework"),
    "version of a framework": _at(FRAMEWORK, "version"),
    "control": _key(FRAMEWORK, "controls"),
    "objective of a control": _at(FRAMEWORK, "controls", "PR.DS-11", "objectives", 0, "id"),
    "relation": _at(FRAMEWORK, "controls", "PR.DS-11", "objectives", 0, "relation"),
}
MAY = {
    "client": {"A/b", "a/b", "a..b"},
    "version": {"a b", "a..b"},
    "version of a framework": {"a b", "a..b"},
    "control": {"a b", "a:b", "a..b"},
}
MAY["framework"] = {"a..b"}
"""What is an id all the same: it holds nothing that a file's name, a link or a query would read."""


def _documents() -> dict[str, Any]:
    made = copy.deepcopy(_sound())
    made[LAB]["views"] = {
        "aws.lab.seen": {"about": "x", "columns": {"name": {"type": "text"}}, "select": f"SELECT target, region, key, name FROM {BOX}"}
    }
    made[LAB]["client"] = "lab"
    made[SAFETY]["practices"][0]["also"] = [{"id": "safety.locks-are-strong", "level": 3, "stream": "A", "instead_of": "safety.old"}]
    return made


def _load(documents: dict[str, Any]) -> None:
    reader.load_files({name: yaml.safe_dump(document, allow_unicode=False).encode() for name, document in documents.items()})


def test_what_is_changed_is_sound() -> None:
    _load(_documents())


@pytest.mark.parametrize("kind", KINDS)
def test_an_id_has_its_form(kind: str) -> None:
    for odd in ODD:
        documents = _documents()
        KINDS[kind](documents, odd)
        if odd in MAY.get(kind, ()):
            continue
        with pytest.raises(ContentError) as caught:
            _load(documents)
        assert caught.value.problems, (kind, odd)
        for problem in caught.value.problems:
            assert problem.do, (kind, odd)
            assert problem.where, (kind, odd)
            assert len(problem.what) < 500, (kind, odd)


NAMES = [
    *("", "README", "README.md", "x.yaml", "../x.yaml", "/etc/x.yaml", "mappings", "mappings/.yaml", "other/aws/x.yaml"),
    *(
        "rules/x.yaml",
        "rules/aws/../../x.yaml",
        "rules/aws/lab/r.yml",
        "rules/aws/lab/.r.yaml",
        "rules/aws//r.yaml",
        "rules/aws/lab/r\n.yaml",
    ),
    *("rules/aws/LAB/r.yaml", "rules/aws/l\\b/r.yaml", "rules/aws/lab/" + "r" * 300 + ".yaml", "collectors/aws.yaml"),
    "mappings/a/b/c/d/e/f/g.yaml",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_file_of_a_pack_has_a_name(name: str) -> None:
    """A bundle keeps the files of a pack under these names."""
    with pytest.raises(ContentError) as caught:
        _load({**_documents(), name: {"a": 1}})
    assert any("is no content" in problem.what for problem in caught.value.problems)


def test_no_model_has_the_name_of_the_folder_of_frameworks() -> None:
    documents = _documents()
    documents["mappings/x.yaml"] = {**mapping()[MODEL], "model": "frameworks"}
    with pytest.raises(ContentError, match="already defined"):
        _load(documents)


@pytest.mark.parametrize("title", ["", "two\nlines", "tab\there", "bell\x07", "sep\u2028arated"])
@pytest.mark.parametrize("kind", ["rule", "model", "function", "practice", "objective", "control", "framework"])
def test_a_title_is_one_line(kind: str, title: str) -> None:
    places: dict[str, tuple[Any, ...]] = {
        "rule": (RULE, "title"),
        "model": (MODEL, "title"),
        "function": (SAFETY, "title"),
        "practice": (SAFETY, "practices", 0, "title"),
        "objective": (SAFETY, "practices", 0, "objectives", 0, "title"),
        "control": (FRAMEWORK, "controls", "PR.DS-11", "title"),
        "framework": (FRAMEWORK, "title"),
    }
    documents = _documents()
    _at(*places[kind])(documents, title)
    with pytest.raises(ContentError):
        _load(documents)


def test_a_framework_names_objectives_that_there_are() -> None:
    documents = _documents()
    documents[FRAMEWORK]["controls"]["PR.DS-11"]["objectives"][0]["id"] = "safety.boxes-are-of"
    with pytest.raises(ContentError) as caught:
        _load(documents)
    [problem] = caught.value.problems
    assert problem.what == "no objective 'safety.boxes-are-of'"
    assert "safety.boxes-are-on" in problem.do


def test_one_mistake_many_times_is_told_a_few_times() -> None:
    """And in no time: each line is found in a file that is parsed once."""
    documents = _documents()
    documents[RULE].update({f"key{number}": 1 for number in range(30_000)})
    with pytest.raises(ContentError) as caught:
        _load(documents)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1].what == "29980 more things are wrong"


def test_messages_are_short_and_safe() -> None:
    documents = _documents()
    documents[RULE]["severity"] = "x" * 100_000
    documents[RULE]["\x1b[2J" + "y" * 100_000] = 1
    documents[LAB]["facts"]["aws.lab.other"] = {**table({}), "about\n  do: run this": "x"}
    with pytest.raises(ContentError) as caught:
        _load(documents)
    for problem in caught.value.problems:
        assert problem.what.isprintable()
        assert len(problem.what) < 300
