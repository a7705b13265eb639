"""What we generate among what others wrote: nothing of theirs is touched, whatever stands there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cnamm_scan.cli.generated import LISTING, MARK, difference, write
from cnamm_scan.errors import UsageError

MADE = {"README.md": "# Index\n", "aws/s3.md": "# S3\n", "aws/iam.md": "# IAM\n", "rights/one.json": "[1]\n"}
OTHERS = {
    "notes/plan.md": "# The plan\n",
    "package.json": "{}\n",
    "aws/mine.md": "# Mine\n",
    "rights/mine.json": "[]\n",
    "generated/x.md": "x\n",
    "deep/er/still.json": "{}",
    "data.yaml": "a: 1\n",
}


def _laid(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def _held(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _made(folder: Path, texts: dict[str, str] = MADE) -> Path:
    write(folder, difference(folder, texts))
    assert difference(folder, texts).names == []
    return folder


def _refused(folder: Path, texts: dict[str, str] = MADE) -> UsageError:
    before = _held(folder)
    found = difference(folder, texts)
    assert found.foreign
    with pytest.raises(UsageError) as caught:
        write(folder, found)
    assert caught.value.do == "move it away, or name another folder"
    assert _held(folder) == before
    return caught.value


def test_what_is_written_bears_a_mark_or_stands_in_the_listing(tmp_path: Path) -> None:
    held = _held(_made(tmp_path / "docs"))
    assert held.keys() == {*MADE, LISTING}
    assert all(held[name] == f"{MARK}\n{text}".encode() for name, text in MADE.items() if name.endswith(".md"))
    assert held["rights/one.json"] == b"[1]\n"
    assert json.loads(held[LISTING])["pages"] == ["README.md", "aws/iam.md", "aws/s3.md"]
    assert json.loads(held[LISTING])["sha256"].keys() == {"rights/one.json"}


def test_what_is_ours_is_brought_up_to_date(tmp_path: Path) -> None:
    folder = _made(tmp_path)
    before = _held(folder)
    (folder / "aws/s3.md").write_text(MARK + "changed\n")
    (folder / "aws/iam.md").unlink()
    assert difference(folder, MADE).names == ["aws/iam.md", "aws/s3.md"]
    _made(folder)
    assert _held(folder) == before
    newer = {**MADE, "README.md": "# New\n", "rights/one.json": "[2]\n", "gcp/x.md": "# X\n"}
    assert difference(folder, newer).names == ["README.md", "gcp/x.md", LISTING, "rights/one.json"]
    assert _held(_made(folder, newer))["rights/one.json"] == b"[2]\n"


def test_what_is_not_made_any_more_is_removed(tmp_path: Path) -> None:
    folder = _made(tmp_path, {**MADE, "gcp/x.md": "# X\n", "rights/two.json": "[2]\n"})
    found = difference(folder, MADE)
    assert found.gone == ("gcp/x.md", "rights/two.json")
    _made(folder)
    assert _held(folder).keys() == {*MADE, LISTING}
    assert not (folder / "gcp").exists()


def test_what_others_wrote_stays(tmp_path: Path) -> None:
    folder = _laid(tmp_path, OTHERS)
    for texts in ({**MADE, "gcp/x.md": "# X\n"}, MADE, {"README.md": "# Index\n"}, MADE):
        _made(folder, texts)
        assert {name: (folder / name).read_text() for name in OTHERS} == OTHERS
    (folder / "aws/copied.md").write_bytes((folder / "aws/s3.md").read_bytes())  # a page of ours that somebody copied is theirs
    _made(folder, {})
    assert _held(folder).keys() == {*OTHERS, "aws/copied.md", LISTING}


@pytest.mark.parametrize("name", [*MADE, LISTING])
@pytest.mark.parametrize("text", ["theirs\n", "{}\n", "", '{"made_by": 5}', "[" * 100_000, "\0", MARK[:-5]])
def test_nothing_of_others_is_overwritten(tmp_path: Path, name: str, text: str) -> None:
    error = _refused(_laid(tmp_path, {name: text, "other.md": "x"}))
    assert error.where == str(tmp_path / name)


def test_ours_that_bears_no_mark_any_more_is_theirs(tmp_path: Path) -> None:
    folder = _laid(_made(tmp_path), {"rights/one.json": "[3]\n", "aws/s3.md": "# Ours now\n"})
    assert "(2 such files)" in _refused(folder).what
    found = difference(folder, {})
    assert "rights/one.json" not in found.gone
    assert "aws/s3.md" not in found.gone


def test_the_same_bytes_are_nobody_s(tmp_path: Path) -> None:
    """A file that is as it would be written needs no writing, whoever wrote it."""
    _made(_laid(tmp_path, {"rights/one.json": "[1]\n"}))


@pytest.mark.parametrize("name", ["aws", "README.md", "rights/one.json", LISTING])
@pytest.mark.parametrize("leads", ["to a file", "to a folder", "nowhere", "home"])
def test_no_link_is_followed(tmp_path: Path, name: str, leads: str) -> None:
    outside = _laid(tmp_path / "outside", {"s3.md": MARK + "theirs\n"})
    folder = tmp_path / "docs"
    (folder / name).parent.mkdir(parents=True)
    place = {"to a file": outside / "s3.md", "to a folder": outside, "nowhere": outside / "nothing", "home": folder}[leads]
    (folder / name).symlink_to(place)
    assert "link" in _refused(folder).what
    assert _held(outside) == {"s3.md": (MARK + "theirs\n").encode()}
    assert (folder / name).is_symlink()


def test_where_a_folder_and_a_file_change_places(tmp_path: Path) -> None:
    (tmp_path / "README.md").mkdir()
    assert "no file" in _refused(tmp_path).what
    _laid(tmp_path / "b", {"aws": "a file\n"})
    assert "no folder" in _refused(tmp_path / "b").what


def test_a_listing_that_names_files_elsewhere_removes_nothing(tmp_path: Path) -> None:
    """Whoever wrote the listing: it can make us remove nothing but what is ours, inside the folder."""
    folder = _made(tmp_path / "docs")
    outside = tmp_path / "outside.md"
    outside.write_text(MARK)
    _laid(folder, {"plain.md": "# Plain\n", "plain.json": "{}\n"})
    (folder / "linked.md").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    listing = json.loads((folder / LISTING).read_text())
    listing["pages"] += [
        "../outside.md",
        str(outside),
        "plain.md",
        "linked.md",
        "up/outside.md",
        "aws/../../outside.md",
        5,
        None,
        "x" * 5000,
    ]
    listing["sha256"].update({"plain.json": "0" * 64, "../outside.json": "0" * 64, "x": 1, "y.json": 1})
    (folder / LISTING).write_text(json.dumps(listing))
    before = _held(folder)
    found = difference(folder, MADE)
    assert found.gone == ()
    write(folder, found)
    assert outside.read_text() == MARK
    assert _held(folder).keys() == before.keys()
    assert (folder / "linked.md").is_symlink()


@pytest.mark.parametrize("pages", [{}, None, 5, "x", [[]]])
@pytest.mark.parametrize("hashes", [[], None, 5, "x", {"x.json": None}])
def test_a_listing_of_another_shape(tmp_path: Path, pages: object, hashes: object) -> None:
    (tmp_path / LISTING).write_text(json.dumps({"made_by": "cnamm-scan content docs", "pages": pages, "sha256": hashes}))
    _made(tmp_path)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    folder = tmp_path / "file/docs"
    with pytest.raises(UsageError) as caught:
        write(folder, difference(folder, MADE))
    assert caught.value.where
    assert caught.value.do
    assert (tmp_path / "file").read_text() == "x"
