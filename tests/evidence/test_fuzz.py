"""Bundles changed at random, some of them hashed again: whatever comes, a reader refuses or reads, and never breaks.

The seeds are fixed, so what fails once fails again. `-m slow` runs thousands of them.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.errors import BundleError, UsageError
from cnamm_scan.evidence import method
from cnamm_scan.evidence.bundle import open_bundle, verify
from cnamm_scan.evidence.canonical import canonical
from cnamm_scan.evidence.room import FolderRoom, names_of, zipped
from tests.bundles import FILES
from tests.evidence import forge

Json = Any
ODD: tuple[Json, ...] = (
    None,
    True,
    0,
    -1,
    7,
    2**53,
    2**64,
    10**400,
    "",
    "text",
    "\ud800",
    "a\0b",
    "'; DROP",
    [],
    [[]],
    {},
    {"a": {}},
)


def _ways(value: Json, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way] if way else []
    pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    for name, part in pairs:
        found += _ways(part, (*way, name))
    return found


def _changed(document: Json, chance: random.Random) -> Json:
    """The document with one thing in it replaced, left out, doubled or moved."""
    made = json.loads(json.dumps(document))
    ways = _ways(made)
    if not ways:
        return chance.choice(ODD)
    way = chance.choice(ways)
    into = made
    for step in way[:-1]:
        into = into[step]
    last = way[-1]
    what = chance.randrange(5)
    if what == 0:
        into[last] = chance.choice(ODD)
    elif what == 1:
        del into[last]
    elif what == 2 and isinstance(into, list):
        into.insert(last, into[last])
    elif what == 2:
        into[f"{last}x"] = into[last]
    elif what == 3 and isinstance(into[last], str):
        into[last] = into[last][: chance.randrange(len(into[last]) + 1)] + chance.choice(("", "\u202e", "é", "\x1b[2J", "|"))
    elif what == 3 and isinstance(into[last], int):
        into[last] += chance.choice((-1, 1))
    else:
        for _ in range(chance.choice((1, 200))):
            into[last] = [into[last]]
    return made


def _raw(value: Json) -> bytes:
    try:
        return canonical(value)
    except (TypeError, ValueError, RecursionError):
        return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _bytes(bundle: Path, chance: random.Random) -> None:
    file = chance.choice([file for file in bundle.rglob("*") if file.is_file()])
    raw = bytearray(file.read_bytes())
    for _ in range(chance.choice((1, 1, 3, 20))):
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(4):
            case 0 if at < len(raw):
                raw[at] = chance.randrange(256)
            case 1:
                del raw[at : at + chance.randrange(1, 40)]
            case 2:
                raw[at:at] = chance.randbytes(chance.randrange(1, 40))
            case _:
                raw[at:at] = raw[at : at + chance.randrange(1, 40)]
    file.write_bytes(raw)
    if chance.random() < 0.5 and file.name != "manifest.sha256":
        name = file.relative_to(bundle).as_posix()
        if name == "manifest.json":
            forge.write_manifest(bundle, bytes(raw))
        else:
            forge.forge(bundle, forge.of_file(name, bytes(raw)))


def _manifest(bundle: Path, chance: random.Random) -> None:
    manifest = forge.manifest_of(bundle)
    for _ in range(chance.choice((1, 1, 2, 5))):
        manifest = _changed(manifest, chance)
    forge.write_manifest(bundle, _raw(manifest) + b"\n")


def _line(bundle: Path, chance: random.Random) -> None:
    """One entry is another; everything else, the tree too, is made to fit."""
    kind = chance.choice(("fact", "coverage", "result", "tally", "score"))
    lines = forge.lines(bundle, kind)
    at = chance.randrange(len(lines))
    lines[at] = _raw(_changed(json.loads(lines[at]), chance)).replace(b"\n", b" ")
    forge.replace_lines(bundle, kind, lines)


def _lines(bundle: Path, chance: random.Random) -> None:
    kind = chance.choice(("fact", "coverage", "result", "tally", "score"))
    lines = forge.lines(bundle, kind)
    chance.shuffle(lines)
    forge.replace_lines(bundle, kind, (lines * 2)[: chance.randrange(1, 2 * len(lines))])


def _content(bundle: Path, chance: random.Random) -> None:
    files = dict(FILES)
    name = chance.choice(sorted(files))
    raw = bytearray(files[name])
    at = chance.randrange(len(raw))
    match chance.randrange(3):
        case 0:
            del files[name]
        case 1:
            raw[at:at] = chance.choice((b"\n", b"{", b"&a [*a]", b"\xff", b": ", b"'", b"  x: 1\n", b"- "))
            files[name] = bytes(raw)
        case _:
            del raw[at : at + chance.randrange(1, 30)]
            files[name] = bytes(raw)
    forge.put(bundle, "method.tar.bz2", method.packed(files))


CHANGES: tuple[Callable[[Path, random.Random], None], ...] = (_bytes, _manifest, _line, _line, _lines, _content)


def _read(path: Path, deep: bool = True) -> bool:
    """Read it in every way, the slow ones only when `deep`. True: it was taken as whole."""
    try:
        said = list(verify(open_bundle(path)))
    except BundleError as refused:
        assert refused.what
        assert refused.where
        assert refused.do
        return False
    assert len(said) == 3
    try:
        if deep:
            with api.evaluate(path) as again:
                again.report()
                for _ in again.results():
                    pass
        with api.load_bundle(path) as done:
            done.report()
            for _ in done.results():
                pass
            if deep:
                with suppress(UsageError):  # its content may have no such table any more
                    list(done.query("SELECT * FROM aws.s3.bucket"))
    except BundleError as refused:
        assert refused.do  # what only its content shows
    return True


def _run(whole: Path, folder: Path, seed: int, deep: bool = True) -> bool:
    chance = random.Random(seed)
    bundle = folder / whole.name
    shutil.copytree(whole, bundle)
    try:
        before = (bundle / "manifest.json").read_bytes()
        chance.choice(CHANGES)(bundle, chance)
        same = all((bundle / file.relative_to(whole)).read_bytes() == file.read_bytes() for file in whole.rglob("*") if file.is_file())
        taken = _read(bundle, deep)
        if taken and not same:  # then somebody has hashed it again: the manifest is another, and so is the hash that an auditor keeps
            assert (bundle / "manifest.json").read_bytes() != before, seed
        return taken
    finally:
        shutil.rmtree(bundle)


def test_whatever_is_changed_is_refused_or_read(whole: Path, tmp_path: Path) -> None:
    taken = sum(_run(whole, tmp_path, seed, deep=seed % 5 == 0) for seed in range(150))
    assert 25 < taken < 125  # some changes are well hashed and fit, and show how far reading goes


@pytest.mark.slow
@pytest.mark.parametrize("block", range(6))
def test_whatever_is_changed_three_thousand_times(whole: Path, tmp_path: Path, block: int) -> None:
    """Judging one that was taken again takes most of the time, a tenth of a second: every fifth is."""
    for seed in range(1000 + block * 500, 1500 + block * 500):
        _run(whole, tmp_path, seed, deep=seed % 5 == 0)


def test_zips_changed_at_random_are_refused(whole: Path, tmp_path: Path) -> None:
    room = FolderRoom(whole, open_bundle(whole).bounds)
    zipped(room, names_of(room), whole.name, tmp_path / "whole.zip")
    raw = (tmp_path / "whole.zip").read_bytes()
    path = tmp_path / "other.cnamm.zip"
    for seed in range(200):
        chance = random.Random(seed)
        made = bytearray(raw)
        for _ in range(chance.choice((1, 2, 10))):
            at = chance.choice((chance.randrange(len(made)), len(made) - 1 - chance.randrange(min(1200, len(made)))))
            made[at] = chance.randrange(256)
        path.write_bytes(made)
        _read(path, deep=False)
