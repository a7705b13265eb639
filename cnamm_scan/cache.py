"""What was read once, kept in the user's cache folder: data that can be made again, believed only where it is whole and one's own.

Nothing here is evidence. A file that is missing, torn, of another version or of somebody else is as if it were not there, and so is a
folder that cannot be written: then everything is read as if for the first time.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cnamm_scan import __version__
from cnamm_scan.model import UNSET

SWITCH = "CNAMM_SCAN_CACHE"
"""The environment variable that says where the cache is: a folder, or `off` for none."""
_OFF = frozenset({"off", "no", "0", "false"})
_MAGIC = b"cnamm-scan cache 1 "
_MOST_BYTES = 64 << 20
_MOST_FILES = 24
"""Files that are kept, those that were written or read last: each content that is scanned with has two."""

NO_VALUE = "\0unset"
"""How UNSET is written. What holds this as a text of its own could not be told from it, and is not kept."""

T = TypeVar("T")


def folder() -> Path | None:
    """Where the cache is; None where there is to be none."""
    said = os.environ.get(SWITCH, "")
    if said.lower() in _OFF:
        return None
    if said:
        return Path(said) if Path(said).is_absolute() else None
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        found = (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "cnamm-scan"
    except RuntimeError:  # nobody's home
        return None
    return found if found.is_absolute() else None  # a home beside the folder one stands in is whoever's wrote that folder


def read(kind: str, key: str, shape: type[T]) -> T | None:
    """What was kept under a key; None where nothing was, or nothing that can be believed."""
    place = folder()
    if place is None:
        return None
    try:
        if not _is_own(place.lstat(), stat.S_ISDIR):
            return None
        name = _name(kind, key)
        with os.fdopen(os.open(place / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as stream:
            told = os.fstat(stream.fileno())
            if not _is_own(told, stat.S_ISREG) or told.st_size > _MOST_BYTES:
                return None
            raw = stream.read()
    except OSError:
        return None
    head, _, body = raw.partition(b"\n")
    if head != _head(name, body):
        return None
    try:
        found = msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, RecursionError):
        return None
    # what is in use stays, however many drafts of others' packs come by; elsewhere than on our own disk it may not be told
    with suppress(OSError):
        os.utime(place / name, follow_symlinks=False)
    return found


def write(kind: str, key: str, value: Any) -> None:
    """Keep a value under a key, as far as that can be done. Who reads meanwhile sees the old one or the new one."""
    place = folder()
    if place is None:
        return
    name = _name(kind, key)
    body = msgspec.json.encode(value, enc_hook=_encoded)
    # a cache that cannot be written costs time and nothing else
    with suppress(OSError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_own(place.lstat(), stat.S_ISDIR):
            return
        handle, draft = tempfile.mkstemp(prefix=".", suffix=".new", dir=place)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(_head(name, body) + b"\n" + body)
            os.replace(draft, place / name)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        _prune(place)


def _encoded(value: Any) -> Any:
    if value is UNSET:
        return NO_VALUE
    raise TypeError(f"no data: {type(value).__name__}")


def _name(kind: str, key: str) -> str:
    return f"{kind}-{hashlib.sha256(f'{fingerprint()} {key}'.encode()).hexdigest()[:40]}.json"


def _head(name: str, body: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(name.encode() + b"\0" + body).hexdigest().encode()


def _is_own(told: os.stat_result, is_kind: Any) -> bool:
    """Whether it is ours alone: whoever could write there could say what rules mean."""
    if not is_kind(told.st_mode):
        return False
    return not hasattr(os, "getuid") or (told.st_uid == os.getuid() and not told.st_mode & 0o077)


def _prune(place: Path) -> None:
    files = sorted((file for file in place.iterdir() if file.suffix in (".json", ".new")), key=lambda file: -file.stat().st_mtime)
    for file in files[_MOST_FILES:]:
        file.unlink(missing_ok=True)


@cache
def fingerprint() -> str:
    """What the product is, down to the files of its code: another one may read the same content in another way."""
    digest = hashlib.sha256(f"{__version__} {sys.version} {Path(__file__).parent}".encode())
    for at, folders, files in os.walk(Path(__file__).parent):
        folders[:] = sorted(name for name in folders if name not in ("__pycache__", "_content"))
        for name in sorted(files):
            if name.endswith(".py"):
                told = os.stat(os.path.join(at, name))
                digest.update(f"{name} {told.st_size} {told.st_mtime_ns} {told.st_ino}\n".encode())
    return digest.hexdigest()
