"""Where a bundle's files lie, a folder or a zip: names, sizes, and bytes from any place on. Nothing but plain files is opened.

The zip holds every file as it is, since what is large in a bundle is packed already: nothing in it could unpack to more, and a piece of
a file can be read without reading what stands before it.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from cnamm_scan.errors import BundleError
from cnamm_scan.evidence.form import Bounds, broken, cannot_read

STEP = 256 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LOCAL, _CENTRAL, _END = 30, 46, 22
"""Bytes of a zip's headers besides names."""
_LARGEST_ZIP = 2**32 - 2**20
"""What fits without the extensions of zip64, which not everything reads."""


class Room(Protocol):
    """The files of one bundle."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Name -> bytes, of every file that is there."""
        ...

    def where(self, name: str) -> str:
        """How an error names a file."""
        ...

    def read(self, name: str, at: int = 0, size: int | None = None) -> Iterator[bytes]:
        """The bytes of a file, or of a piece of it, in steps. Raises BundleError."""
        ...


class FolderRoom:
    """A folder."""

    def __init__(self, path: Path, bounds: Bounds, *, growing: bool = False) -> None:
        """Look at all that is in there. Raises BundleError for a link, a device, anything but plain files and their folders.

        In one that is `growing` a folder may be empty.
        """
        self.path = path
        self._growing = growing
        self.sizes: dict[str, int] = {}
        try:
            self._look("", bounds, 0)
        except OSError as error:
            raise cannot_read(str(path), error) from error

    def _look(self, below: str, bounds: Bounds, depth: int) -> None:
        with os.scandir(self.path / below) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        if below and not entries and not self._growing:
            raise broken(self.where(below), "is an empty folder, and not named in the manifest")
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            if not name.isprintable():  # surrogates stand for bytes that are no text
                raise broken(self.where(below or "."), f"holds the odd name {name!r}")
            if entry.is_dir(follow_symlinks=False):
                if depth >= bounds.folders:
                    raise broken(self.where(name), f"lies deeper than {bounds.folders} folders")
                self._look(name, bounds, depth + 1)
                continue
            told = entry.stat(follow_symlinks=False)
            if not stat.S_ISREG(told.st_mode):
                raise broken(self.where(name), f"is {_kind(told.st_mode)}, expected a plain file")
            self.sizes[name] = told.st_size
            if len(self.sizes) > bounds.files:
                raise broken(str(self.path), f"holds more than {bounds.files} files")

    def where(self, name: str) -> str:
        """Its path."""
        return str(self.path / name)

    def read(self, name: str, at: int = 0, size: int | None = None) -> Iterator[bytes]:
        """The bytes; a link that took a file's place meanwhile is not followed, a pipe is not waited for."""
        try:
            descriptor = self._opened(name)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise broken(self.where(name), "is no plain file any more")
                yield from _steps(descriptor, at, size)
            finally:
                os.close(descriptor)
        except FileNotFoundError as error:
            raise broken(self.where(name), "is missing") from error
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise broken(self.where(name), "is a link, expected a plain file") from error
            raise cannot_read(self.where(name), error) from error

    def _opened(self, name: str) -> int:
        """Step by step beneath the bundle's own folder: no link on the way is followed either."""
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        if os.open not in os.supports_dir_fd:
            return os.open(self.path / name, flags)
        here = os.open(self.path, flags | os.O_DIRECTORY)
        for step in name.split("/"):
            try:
                below = os.open(step, flags | os.O_NOFOLLOW, dir_fd=here)
            finally:
                os.close(here)
            here = below
        return here


class ZipRoom:
    """A zip as `zipped` writes it; anything else that may be called one is refused."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        """Read its directory. Raises BundleError."""
        self.path = path
        self.sizes: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        try:
            with path.open("rb") as stream:
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    raise broken(str(path), "is no plain file")
                self._look(stream.fileno(), os.fstat(stream.fileno()).st_size, bounds)
        except OSError as error:
            raise cannot_read(str(path), error) from error

    def _look(self, descriptor: int, size: int, bounds: Bounds) -> None:
        """Headers must lie end to end, each naming a plain file that is not packed: so none hides, overlaps or unpacks to more."""
        end = os.pread(descriptor, _END, max(0, size - _END))
        if len(end) != _END or end[:4] != b"PK\5\6":
            raise BundleError(
                "there is no bundle: no zip that cnamm-scan has written", where=str(self.path), do="name a ….cnamm folder or zip"
            )
        disk, start, here, count, length, at, comment = struct.unpack("<4x4H2LH", end)
        if (disk, start, comment) != (0, 0, 0) or here != count or at + length + _END != size or count > bounds.files:
            raise self._odd("its directory")
        if length > count * (_CENTRAL + 4096):
            raise self._odd("its directory")
        directory = os.pread(descriptor, length, at)
        position = expected = 0
        top = ""
        for _ in range(count):
            header = directory[position : position + _CENTRAL]
            if len(header) != _CENTRAL or header[:4] != b"PK\1\2":
                raise self._odd("its directory")
            flags, method = struct.unpack("<8x2H", header[:12])
            packed, plain, long, extra, remark, on = struct.unpack("<20x2L4H", header[:36])
            mode, offset = struct.unpack("<38xLL", header)
            raw = directory[position + _CENTRAL : position + _CENTRAL + long]
            position += _CENTRAL + long + extra + remark
            try:
                name = raw.decode()
            except UnicodeDecodeError as error:
                raise self._odd("a name that is no text") from error
            if flags & ~0x800 or method or packed != plain or extra or remark or on or not stat.S_ISREG(mode >> 16):
                raise self._odd(f"'{name}' as no plain file, or packed")
            local = os.pread(descriptor, _LOCAL + long, offset)
            if offset != expected or local[:4] != b"PK\3\4" or local[_LOCAL:] != raw or local[4:_LOCAL] != header[6:32]:
                raise self._odd(f"'{name}' where it should not be")
            expected = offset + _LOCAL + long + plain
            top, below = self._below(name, top)
            self.sizes[below] = plain
            self._starts[below] = offset + _LOCAL + long
        if position != length or expected != at or len(self.sizes) != count:
            raise self._odd("something between its files, or one twice")

    def _below(self, name: str, top: str) -> tuple[str, str]:
        """The folder in which all files stand, and the name beneath it."""
        folder, _, below = name.partition("/")
        if not below or (top and folder != top) or not is_name(name):
            raise self._odd(f"the name {name!r}")
        return folder, below

    def _odd(self, what: str) -> BundleError:
        return broken(str(self.path), f"holds {what}")

    def where(self, name: str) -> str:
        """The zip's path and the name in it."""
        return f"{self.path}/{name}"

    def read(self, name: str, at: int = 0, size: int | None = None) -> Iterator[bytes]:
        """The bytes, from the zip itself."""
        if name not in self.sizes:
            raise broken(self.where(name), "is missing")
        rest = self.sizes[name] - at
        try:
            with self.path.open("rb") as stream:
                yield from _steps(stream.fileno(), self._starts[name] + at, rest if size is None else min(size, rest))
        except OSError as error:
            raise cannot_read(str(self.path), error) from error


def is_name(name: str) -> bool:
    """Whether a name in a manifest or a zip stays beneath its bundle, and means the same everywhere."""
    return name.isprintable() and "\\" not in name and ":" not in name and all(step not in ("", ".", "..") for step in name.split("/"))


def zipped(room: Room, names: list[str], folder: str, to: Path) -> None:
    """Write the files as a zip beneath `folder`: the same files give the same bytes. Raises BundleError or OSError."""
    if sum(room.sizes[name] + 4096 for name in names) > _LARGEST_ZIP:
        raise BundleError("the bundle is larger than a zip may be", where=str(to), do="name a folder with --output")
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=False) as made:
            for name in sorted(names):
                info = zipfile.ZipInfo(f"{folder}/{name}", _EPOCH)
                info.create_system, info.external_attr, info.file_size = 3, (stat.S_IFREG | 0o600) << 16, room.sizes[name]
                with made.open(info, "w") as entry:
                    for block in room.read(name):
                        entry.write(block)
        stream.flush()
        os.fsync(stream.fileno())


def _steps(descriptor: int, at: int, size: int | None) -> Iterator[bytes]:
    while size is None or size > 0:
        block = os.pread(descriptor, STEP if size is None else min(STEP, size), at)
        if not block:
            return
        yield block
        at += len(block)
        size = None if size is None else size - len(block)


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "a link"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISDIR, "a folder"))
    return next((name for test, name in kinds if test(mode)), "a device")


def names_of(room: Room) -> list[str]:
    """Every file, sorted."""
    return sorted(room.sizes)
