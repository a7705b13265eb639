"""What is kept between processes is believed only where it is whole and one's own, and is missed by nobody."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from cnamm_scan import cache


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(cache.SWITCH, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cnamm-scan"


def _file(place: Path) -> Path:
    (found,) = place.glob("*.json")
    return found


def test_what_was_kept_is_read_again_by_its_key_and_kind_alone(place: Path) -> None:
    cache.write("words", "a", {"x": [1, 2]})
    assert cache.read("words", "a", dict[str, list[int]]) == {"x": [1, 2]}
    assert cache.read("words", "b", dict[str, list[int]]) is None
    assert cache.read("other", "a", dict[str, list[int]]) is None


def test_what_is_no_longer_of_the_shape_is_not_there(place: Path) -> None:
    cache.write("words", "a", {"x": [1, 2]})
    assert cache.read("words", "a", dict[str, str]) is None


def test_nobody_else_can_read_or_write_it(place: Path) -> None:
    cache.write("words", "a", {})
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE(_file(place).stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o755])
def test_a_folder_that_others_may_enter_is_neither_read_nor_written(place: Path, mode: int) -> None:
    cache.write("words", "a", {"x": 1})
    before = _file(place).read_bytes()
    place.chmod(mode)
    assert cache.read("words", "a", dict[str, int]) is None
    cache.write("words", "a", {"x": 2})
    assert _file(place).read_bytes() == before


def test_a_file_that_others_may_write_is_not_believed(place: Path) -> None:
    cache.write("words", "a", {"x": 1})
    _file(place).chmod(0o666)
    assert cache.read("words", "a", dict[str, int]) is None


def test_a_link_is_not_followed(place: Path, tmp_path: Path) -> None:
    cache.write("words", "a", {"x": 1})
    file = _file(place)
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert cache.read("words", "a", dict[str, int]) is None


def test_a_torn_or_changed_file_is_not_believed(place: Path) -> None:
    cache.write("words", "a", {"x": 100})
    file = _file(place)
    whole = file.read_bytes()
    for number in range(len(whole)):
        file.write_bytes(whole[:number])
        assert cache.read("words", "a", dict[str, int]) is None
    file.write_bytes(whole.replace(b"100", b"200"))
    assert cache.read("words", "a", dict[str, int]) is None
    file.write_bytes(whole)
    assert cache.read("words", "a", dict[str, int]) == {"x": 100}


def test_a_file_under_the_name_of_another_is_not_believed(place: Path) -> None:
    cache.write("words", "a", {"x": 1})
    first = _file(place)
    raw = first.read_bytes()
    first.unlink()
    cache.write("words", "b", {"x": 2})
    _file(place).write_bytes(raw)
    assert cache.read("words", "b", dict[str, int]) is None


def test_other_code_of_the_product_reads_nothing_of_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write("words", "a", {"x": 1})
    monkeypatch.setattr(cache, "fingerprint", lambda: "of another")
    assert cache.read("words", "a", dict[str, int]) is None


def test_where_nothing_can_be_written_nothing_is_missed(place: Path) -> None:
    place.parent.joinpath("cnamm-scan").write_text("a file where the folder would be")
    cache.write("words", "a", {"x": 1})
    assert cache.read("words", "a", dict[str, int]) is None


@pytest.mark.parametrize("said", ["off", "OFF", "0", "no", "false", "a/relative/folder"])
def test_it_can_be_turned_off(place: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(cache.SWITCH, said)
    cache.write("words", "a", {"x": 1})
    assert cache.read("words", "a", dict[str, int]) is None
    assert not place.exists()


def test_it_can_be_put_elsewhere(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.SWITCH, str(tmp_path / "mine"))
    cache.write("words", "a", {"x": 1})
    assert cache.read("words", "a", dict[str, int]) == {"x": 1}
    assert not place.exists()


def test_who_reads_while_two_write_sees_what_one_of_them_wrote(place: Path) -> None:
    several = [{str(number): [who] * 500 for number in range(50)} for who in (1, 2)]
    cache.write("words", "a", several[0])
    done = threading.Event()

    def write(value: dict[str, list[int]]) -> None:
        for _ in range(40):
            cache.write("words", "a", value)
        done.set()

    writers = [threading.Thread(target=write, args=(value,)) for value in several]
    for writer in writers:
        writer.start()
    while not done.is_set():
        assert cache.read("words", "a", dict[str, list[int]]) in several
    for writer in writers:
        writer.join()
    assert [file.suffix for file in place.iterdir()] == [".json"]


def _grow_older(place: Path) -> None:
    """By a second, so that what comes next is newer wherever times are told coarsely."""
    for file in place.iterdir():
        told = file.stat()
        os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns - 10**9))


def test_only_the_newest_files_stay(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MOST_FILES", 3)
    for number in range(5):
        cache.write("words", str(number), number)
        _grow_older(place)
    assert [cache.read("words", str(number), int) for number in range(5)] == [None, None, 2, 3, 4]


def test_what_is_in_use_stays_however_much_comes_by(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_MOST_FILES", 3)
    cache.write("words", "in use", 7)
    for number in range(9):
        _grow_older(place)
        cache.write("words", str(number), number)
        _grow_older(place)
        assert cache.read("words", "in use", int) == 7
    assert [cache.read("words", str(number), int) for number in range(9)] == [*[None] * 7, 7, 8]


def test_a_home_that_is_no_place_of_its_own_holds_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cache.SWITCH, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "near")
    monkeypatch.setenv("HOME", "near")
    assert cache.folder() is None
