"""The files of a bundle while they grow: lines of many tables come mixed and leave sorted into pieces, an index says where each stands."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cnamm_scan.evidence.parts import LINES_A_FILE, Part

FILE_SIZE = 32 * 2**20
"""Bytes of a file from which on the next one is begun."""
BUFFER = 256 * 1024
"""Bytes of lines of one table that are kept back: smaller pieces pack badly."""
_LEVEL = 4


def created(path: Path) -> IO[bytes]:
    """A new file that only its owner may read. Every byte that is written is the system's at once: a killed process loses none."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


def put(stream: IO[bytes], raw: bytes | bytearray) -> None:
    """Write all of it: an unbuffered file may take less at a time. Raises OSError."""
    view = memoryview(raw)
    while view:
        view = view[stream.write(view) :]


@dataclass
class _Buffer:
    """Lines of one table that no file holds yet."""

    raw: bytearray = field(default_factory=bytearray)
    leaves: bytearray = field(default_factory=bytearray)
    lines: int = 0


@dataclass
class _File:
    """One file, written or being written."""

    name: str
    size: int = 0
    lines: int = 0
    parts: list[Part] = field(default_factory=list)
    leaves: bytearray = field(default_factory=bytearray)
    """Leaf hashes one after the other: 32 bytes a line is all the memory that a line costs."""


class Shards:
    """All files of entries of one kind."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Files are named `entries/KIND-00000.jsonl.gz` and so on beneath `folder`."""
        self.kind = kind
        self._folder = folder
        self._buffers: dict[str, _Buffer] = {}
        self._files: list[_File] = []
        self._stream: IO[bytes] | None = None

    def add(self, table: str, line: bytes, leaf: bytes) -> None:
        """Take a line in. Raises OSError when a piece had to be written and was not."""
        buffer = self._buffers.get(table)
        if buffer is None:
            buffer = self._buffers[table] = _Buffer()
        buffer.raw += line
        buffer.raw += b"\n"
        buffer.leaves += leaf
        buffer.lines += 1
        if len(buffer.raw) >= BUFFER:
            self._write([table])

    def settle(self) -> None:
        """Write all that was kept back: small tables together, in the order of their names."""
        group: list[str] = []
        size = 0
        for table in sorted(self._buffers):
            group.append(table)
            size += len(self._buffers[table].raw)
            if size >= BUFFER:
                self._write(group)
                group, size = [], 0
        if group:
            self._write(group)

    def _write(self, tables: list[str]) -> None:
        buffers = [self._buffers.pop(table) for table in tables]
        file, stream = self._current()
        raw = gzip.compress(b"".join(buffer.raw for buffer in buffers), compresslevel=_LEVEL, mtime=0)
        put(stream, raw)
        part = Part(file.name, file.size, len(raw), {table: buffer.lines for table, buffer in zip(tables, buffers, strict=True)})
        last = file.parts[-1] if file.parts else None
        if last is not None and len(tables) == 1 and list(last.tables) == tables and last.count + part.count <= LINES_A_FILE:
            file.parts[-1] = Part(file.name, last.at, last.size + part.size, {tables[0]: last.count + part.count})
        else:
            file.parts.append(part)
        file.size += len(raw)
        for buffer in buffers:
            file.lines += buffer.lines
            file.leaves += buffer.leaves

    def _current(self) -> tuple[_File, IO[bytes]]:
        if self._stream is not None and self._files[-1].size < FILE_SIZE:
            return self._files[-1], self._stream
        self.close()
        file = _File(f"entries/{self.kind}-{len(self._files):05d}.jsonl.gz")
        self._stream = created(self._folder / file.name)
        self._files.append(file)
        return file, self._stream

    def close(self) -> None:
        """Let go of the open file, once it is on the disk. Raises OSError."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            try:
                os.fsync(stream.fileno())
            finally:
                stream.close()

    def parts(self) -> Iterator[Part]:
        """All pieces that are written."""
        for file in self._files:
            yield from file.parts

    def leaves(self) -> Iterator[bytes]:
        """The hashes of all lines, in the order of the files."""
        for file in self._files:
            yield from (bytes(file.leaves[at : at + 32]) for at in range(0, len(file.leaves), 32))

    @property
    def lines(self) -> int:
        """How many lines are written."""
        return sum(file.lines for file in self._files)

    def described(self) -> Iterator[dict[str, Any]]:
        """What the manifest says of each file, without sizes and hashes."""
        for file in self._files:
            body: dict[str, Any] = {"path": file.name, "kind": self.kind, "lines": file.lines}
            if self.kind == "fact":
                body["parts"] = [{"size": part.size, "tables": dict(part.tables)} for part in file.parts]
            yield body
