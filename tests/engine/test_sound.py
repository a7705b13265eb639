"""What was found sound is not linted again, and a pack upon it is linted as if all were."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import cache
from cnamm_scan import content as reader
from cnamm_scan.content import reader as within
from cnamm_scan.engine import lint as linting
from cnamm_scan.engine import sound
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Rule
from tests.packs import BOX, lab, rule, table, write

OBJECTIVE = min(reader.load().objectives)
BUCKET = {"objective": OBJECTIVE, "for_each": "aws.s3.bucket", "message": "{name}", "fix": "mend {name}"}
SEEN = {"pass": [{"versioning": "Enabled"}], "fail": [{"versioning": "Never"}], "unknown": [{}]}


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rules that are linted."""
    names: list[str] = []
    lint_rule = linting._rule

    def noted(content: Any, store: Any, rule: Rule) -> Any:
        names.append(rule.id)
        return lint_rule(content, store, rule)

    monkeypatch.setattr(linting, "_rule", noted)
    return names


def _own(**more: Any) -> dict[str, Any]:
    return {"rules/aws/s3/mine.yaml": rule(id="aws.s3.mine", tests=SEEN, **{**BUCKET, **more})}


def _view(select: str) -> dict[str, Any]:
    views = {"aws.lab.v": {"about": "A view.", "columns": {"name": {"type": "text"}}, "select": select}}
    return {"collectors/aws/lab.yaml": {**lab(), "views": views}}


PACKS = {
    "a sound rule": _own(**{"pass": "versioning = 'Enabled'"}),
    "a rule that turns NULL into an answer": _own(**{"pass": "EXISTS (SELECT 1 FROM aws.s3.bucket)"}),
    "a rule that does not bind": _own(**{"pass": "versioning + 1 = 2"}),
    "a rule that counts an age": _own(**{"pass": "made_at > scan_time - INTERVAL 3 DAY"}, for_each=BOX)
    | {"collectors/aws/lab.yaml": lab()},
    "a view that does not bind": _view("SELECT target, region, key, nothing AS name FROM aws.s3.bucket"),
    "a sound view": _view("SELECT target, region, key, name FROM aws.s3.bucket"),
    "a join without its region": _view(f"SELECT b.target, b.region, b.key, b.name FROM {BOX} b JOIN aws.ec2.instance i USING (target)"),
    "columns made from each other": {
        "collectors/aws/lab.yaml": {
            "service": "lab",
            "facts": {BOX: table({"a": {"type": "boolean", "is": "b"}, "b": {"type": "boolean", "is": "a"}})},
        }
    },
}


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_is_linted_as_if_all_were(name: str, tmp_path: Path, judged: list[str]) -> None:
    content = reader.load([write(tmp_path, PACKS[name])])
    assert content.base is not None
    assert sound.problems(content.base) == []
    judged.clear()
    found = sound.problems(content)
    assert set(judged) <= content.rules.keys() - content.base.rules.keys()
    if "sound" not in name:
        assert found
    part = content.base.shipped  # linted whole, what ships has nothing to say: so the rest is what the pack has
    assert [str(each) for each in found] == [str(each) for each in linting.lint(content, part)]
    assert bool(found) is ("sound" not in name)


def test_what_was_found_sound_is_known_to_be(judged: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = reader.load()
    monkeypatch.setenv(cache.SWITCH, str(tmp_path / "cache"))
    monkeypatch.setattr(sound, "lint", lambda content: [])
    assert sound.problems(content) == []
    monkeypatch.setattr(sound, "lint", lambda content: [ContentError("x")])
    assert sound.problems(content) == []
    monkeypatch.setattr(cache, "fingerprint", lambda: "other code")
    assert len(sound.problems(content)) == 1
    assert len(sound.problems(content)) == 1, "problems are not kept"


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if one service's rules and the tables beside them were all that ships."""
    part = tmp_path / "shipped"
    for folder in ("mappings", "collectors/aws", "rules/aws/s3"):
        shutil.copytree(reader.bundled_pack() / folder, part / folder)
    monkeypatch.setattr(within, "bundled_pack", lambda: part)


@pytest.mark.usefixtures("few")
def test_a_pack_that_overrides_is_linted_with_all_else(tmp_path: Path, judged: list[str]) -> None:
    taken = "aws.s3.bucket_versioning"
    own = rule(id=taken, tests=SEEN, overrides=taken, **BUCKET, **{"pass": "versioning = 'Enabled'"})
    content = reader.load([write(tmp_path / "pack", {f"rules/{taken.replace('.', '/')}.yaml": own})])
    assert content.base is None
    assert len(content.rules) > 5
    assert sound.problems(content) == []
    assert set(judged) == content.rules.keys()
