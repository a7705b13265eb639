"""Content out of the user's cache is the content that its files hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cnamm_scan import cache
from cnamm_scan import content as reader
from cnamm_scan.content import reader as within
from cnamm_scan.content import source
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Content
from tests.packs import lab, rule, write


@pytest.fixture
def parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are parsed, with an empty cache."""
    monkeypatch.setenv(cache.SWITCH, str(tmp_path / "cache"))
    names: list[str] = []
    parse: Callable[..., object] = source.Source.parse

    def noted(self: source.Source, shape: type) -> object:
        names.append(self.name)
        return parse(self, shape)

    monkeypatch.setattr(source.Source, "parse", noted)
    return names


def _said(content: Content) -> list[str]:
    """All that a content holds, types and order too."""
    held = {name: getattr(content, name) for name in content.__slots__ if name not in ("__weakref__", "base")}
    return [repr(sorted(each) if isinstance(each, frozenset) else each) for each in held.values()]


def test_what_is_kept_says_the_same_in_the_same_order_and_types(parsed: list[str]) -> None:
    first = reader.load()
    assert parsed
    parsed.clear()
    again = reader.load()
    assert not parsed
    assert _said(again) == _said(first)
    assert first.shipped == {*first.rules, *first.tables, *first.views}
    method = reader.load_files(first.files)
    assert _said(reader.load_files(first.files)) == _said(method)
    assert method.shipped == first.shipped


def test_files_are_shown_from_where_one_stands(parsed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reader.bundled_pack())
    near = reader.load()
    monkeypatch.chdir(tmp_path)
    parsed.clear()
    far = reader.load()
    assert not parsed
    rule = next(iter(near.rules))
    assert far.rules[rule].source == str(reader.bundled_pack() / near.rules[rule].source)


def test_a_changed_file_is_read_anew_and_is_not_what_shipped(parsed: list[str]) -> None:
    whole = reader.load()
    rule = next(iter(whole.rules.values()))
    name = f"rules/{rule.id.replace('.', '/')}.yaml"
    changed = {**whole.files, name: whole.files[name] + b"\n"}
    parsed.clear()
    assert rule.id not in reader.load_files(changed).shipped
    assert name in parsed


def _pack(folder: Path, name: bytes, text: str) -> Path:
    (folder / "collectors" / "aws").mkdir(parents=True)
    (folder / "collectors" / "aws" / os.fsdecode(name)).write_text(text)
    return folder


def test_a_value_that_looks_like_no_value_is_none_the_second_time_either(parsed: list[str], tmp_path: Path) -> None:
    column = r'{type: text, from: Name, absent: "\0unset"}'
    listing = "list: {call: ListBoxes, items: Boxes, needs: lab:ListBoxes}"
    fact = f'{{about: Boxes., once_per: region, {listing}, key: "{{Name}}", columns: {{name: {column}}}}}'
    pack = _pack(tmp_path / "pack", b"lab.yaml", f"service: lab\nfacts: {{aws.lab.box: {fact}}}\n")
    first, again = reader.load([pack]), reader.load([pack])
    assert first.tables["aws.lab.box"].columns["name"].absent == cache.NO_VALUE
    assert _said(again) == _said(first)


def test_a_name_that_is_no_text_is_refused_by_its_name(parsed: list[str], tmp_path: Path) -> None:
    try:
        pack = _pack(tmp_path / "pack", b"\xff.yaml", "")
    except OSError:
        pytest.skip("this file system has no such names")
    with pytest.raises(ContentError, match="a file of this name is no content"):
        reader.load([pack])


def test_who_loads_what_is_in_use_is_given_that(parsed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader.load()
    one = reader.load()
    assert reader.load() is one
    monkeypatch.chdir(tmp_path)
    assert reader.load() is not one or one.rules[min(one.rules)].source.startswith("/")  # shown from elsewhere it is another
    monkeypatch.setenv(cache.SWITCH, str(tmp_path / "other"))
    assert reader.load() is not one


OBJECTIVE = min(reader.load().objectives)
SHIPPED_RULE = "aws.s3.bucket_versioning"
MINE = rule(id="aws.s3.mine", objective=OBJECTIVE, for_each="aws.s3.bucket", message="{name}", fix="{name}")
TAKEN = {**MINE, "id": SHIPPED_RULE, "overrides": SHIPPED_RULE}
TAKEN_FILE = f"rules/{SHIPPED_RULE.replace('.', '/')}.yaml"
PACKS = {
    "adds, in a file of a name that ships too": (
        {"collectors/aws/s3.yaml": lab(), "rules/aws/lab/r.yaml": rule(objective=OBJECTIVE), "rules/aws/s3/mine.yaml": MINE},
        True,
    ),
    "overrides": ({TAKEN_FILE: TAKEN}, False),
}


def test_a_pack_upon_what_ships_is_read_as_if_all_were_read_at_once(
    parsed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.load()
    for name, (files, is_addition) in PACKS.items():
        pack = write(tmp_path / name, files)
        parsed.clear()
        grown = reader.load([pack])
        assert set(parsed) == set(files)
        assert (grown.base is not None) is is_addition
        with monkeypatch.context() as patch:
            patch.setattr(within, "_base", lambda packs: None)
            whole = reader.load([pack])
        assert sorted(grown.files.items()) == sorted(whole.files.items())
        assert _said(replace(grown, files={})) == _said(replace(whole, files={}))
    mapped = {"mappings/own.yaml": {"model": "own", "title": "Own", "version": "1", "functions": []}}
    assert reader.load([write(tmp_path / "maps", mapped)]).base is None


def test_a_mistake_in_a_pack_is_said_the_same_whatever_was_read_before(
    parsed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"collectors/aws/lab.yaml": lab(), "rules/aws/lab/r.yaml": rule(objective="no.such"), "rules/aws/lab/q.yaml": rule()}
    taken = {key: value for key, value in TAKEN.items() if key != "overrides"}
    pack = write(tmp_path / "pack", {**wrong, TAKEN_FILE: taken})

    def problems() -> list[str]:
        with pytest.raises(ContentError) as caught:
            reader.load([pack])
        return [str(problem) for problem in caught.value.problems]

    found = problems()
    assert len(found) >= 3
    monkeypatch.setattr(within, "_base", lambda packs: None)
    assert problems() == found
