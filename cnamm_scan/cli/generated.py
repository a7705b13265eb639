"""A folder that holds what we generate among what others wrote: ours bears a mark or a hash that fits, and nothing else is touched."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnamm_scan.cli.files import put, unwritable
from cnamm_scan.errors import UsageError

MADE_BY = "cnamm-scan content docs"
MARK = f"<!-- made by {MADE_BY}: what is written here by hand is lost -->\n"
"""The first line of every Markdown file that is ours."""
LISTING = "generated.json"
"""Names what is ours. JSON can bear no mark: it is ours while it has the hash that stands there."""
_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/){0,4}[A-Za-z0-9_][A-Za-z0-9_.-]*\.(?:md|json)")
_LARGEST = 16 << 20
"""Bytes of a file that could be ours."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What keeps a folder from being as it would be written."""

    stale: Mapping[str, bytes]
    """To be written: it is missing, or ours and not up to date."""
    gone: tuple[str, ...] = ()
    """Ours, and not made any more."""
    foreign: Mapping[str, str] = field(default_factory=dict)
    """What stands where we would write and is not ours -> why it is not."""

    @property
    def names(self) -> list[str]:
        """All of them, sorted."""
        return sorted({*self.stale, *self.gone, *self.foreign})


def difference(folder: Path, texts: Mapping[str, str]) -> Difference:
    """Compare a folder with what it should hold: name inside it -> text. Raises UsageError when it cannot be read."""
    wanted = _wanted(texts)
    try:
        known = _listed(folder)
        stale: dict[str, bytes] = {}
        foreign: dict[str, str] = {}
        for name, raw in wanted.items():
            there = _read(folder, name)
            if isinstance(there, str):
                foreign[name] = there
            elif there is None or (there != raw and _is_ours(name, there, known)):
                stale[name] = raw
            elif there != raw:
                foreign[name] = "is there already and was not made here, or was changed since"
        gone = []
        for name in sorted(known.keys() - wanted.keys()):
            there = _read(folder, name)
            if isinstance(there, bytes) and _is_ours(name, there, known):
                gone.append(name)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=error.filename or str(folder), do="check its permissions") from error
    return Difference(stale, tuple(gone), foreign)


def write(folder: Path, found: Difference) -> None:
    """Make a folder as it should be. Raises UsageError before anything is written when something of others' is in the way."""
    if found.foreign:
        name, why = next(iter(found.foreign.items()))
        more = f" ({len(found.foreign)} such files)" if len(found.foreign) > 1 else ""
        raise UsageError(f"the file {why}{more}", where=str(folder / name), do="move it away, or name another folder")
    try:
        for name, raw in found.stale.items():
            put(folder / name, raw)
        for name in found.gone:
            (folder / name).unlink()
            with suppress(OSError):  # it is not empty, or it is the folder itself
                if "/" in name:
                    (folder / name).parent.rmdir()
    except OSError as error:
        raise unwritable(error, error.filename or folder, "name another folder") from error


def _wanted(texts: Mapping[str, str]) -> dict[str, bytes]:
    made = {name: ((MARK + "\n" if name.endswith(".md") else "") + text).encode() for name, text in sorted(texts.items())}
    pages = [name for name in made if name.endswith(".md")]
    hashes = {name: hashlib.sha256(raw).hexdigest() for name, raw in made.items() if name not in pages}
    listing = {"made_by": MADE_BY, "pages": pages, "sha256": hashes}
    return {**made, LISTING: (json.dumps(listing, indent=2) + "\n").encode()}


def _listed(folder: Path) -> dict[str, str | None]:
    """What the listing in the folder names, with its hash where it has one; nothing where there is no listing of ours."""
    listing = _listing(_read(folder, LISTING))
    if listing is None:
        return {}
    return {LISTING: None, **dict(_names(listing))}


def _listing(raw: bytes | str | None) -> dict[str, Any] | None:
    if not isinstance(raw, bytes):
        return None
    try:
        listing = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return listing if isinstance(listing, dict) and listing.get("made_by") == MADE_BY else None


def _names(listing: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Names that lead nowhere but into the folder: whoever wrote the listing, it can make us touch nothing outside."""
    pages, hashes = listing.get("pages"), listing.get("sha256")
    for name in pages if isinstance(pages, list) else ():
        if isinstance(name, str) and _NAME.fullmatch(name) and name.endswith(".md"):
            yield name, None
    for name, digest in hashes.items() if isinstance(hashes, dict) else ():
        if _NAME.fullmatch(name) and isinstance(digest, str):
            yield name, digest


def _is_ours(name: str, raw: bytes, known: Mapping[str, str | None]) -> bool:
    if name.endswith(".md"):
        return raw.startswith(MARK.encode())
    if name == LISTING:
        return _listing(raw) is not None
    return known.get(name) == hashlib.sha256(raw).hexdigest()


def _read(folder: Path, name: str) -> bytes | str | None:
    """The bytes of a file; None where there is none; why it can be none of ours, for what is no file of this folder. Raises OSError."""
    *above, _ = name.split("/")
    place = folder
    for part in above:
        place /= part
        if place.is_symlink():
            return f"would go through a link: {place}"
        if place.exists() and not place.is_dir():
            return f"would go into {place}, which is no folder"
    file = folder / name
    try:
        mode = file.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(mode):
        return "would replace a link" if stat.S_ISLNK(mode) else "would replace what is no file"
    with file.open("rb") as opened:
        raw = opened.read(_LARGEST + 1)
    return raw if len(raw) <= _LARGEST else "is too large to be ours"
