"""Where the facts of a table stand: many tables share a file, each in pieces that can be unpacked by themselves.

What writes a bundle and what reads one find facts in the same way, so that a scan judges exactly what its bundle will show.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cnamm_scan.errors import BundleError
from cnamm_scan.evidence.form import BOUNDS, Bounds, broken

FILES_AT_ONCE = 4
"""Files of one table that are laid out together: memory and disk then hold what these say, not the whole table."""
LINES_A_FILE = 5000
_BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One piece: gzip members that hold the lines of `tables`, one table after the other by name."""

    file: str
    at: int
    size: int
    tables: Mapping[str, int]
    """Table -> how many lines."""

    @property
    def count(self) -> int:
        """All lines."""
        return sum(self.tables.values())


def unpacked(blocks: Iterable[bytes], where: str) -> Iterator[bytes]:
    """What gzip members unpack to, never more than a block at a time. Raises BundleError for anything that is not whole members."""
    reader = zlib.decompressobj(wbits=31)
    started = False
    for block in blocks:
        rest = block
        while rest:
            if reader.eof:
                reader, started = zlib.decompressobj(wbits=31), False
            started = True
            try:
                made = reader.decompress(rest, _BLOCK)
            except zlib.error as error:
                raise broken(where, "is cut or damaged") from error
            if made:
                yield made
            rest = reader.unused_data if reader.eof else reader.unconsumed_tail
    while started and not reader.eof:
        made = reader.decompress(b"", _BLOCK)
        if not made:
            raise broken(where, "is cut or damaged")
        yield made


def lines(blocks: Iterable[bytes], where: str, bounds: Bounds = BOUNDS) -> Iterator[bytes]:
    """The lines, without their ends. Raises BundleError for one that is too long or has no end."""
    rest = b""
    for block in blocks:
        first, *more = block.split(b"\n")
        rest += first
        if more:
            if len(rest) > bounds.line:
                raise broken(where, f"holds a line of more than {bounds.line} bytes")
            yield rest
            rest = more.pop()
            yield from more
        if len(rest) > bounds.line:
            raise broken(where, f"holds a line of more than {bounds.line} bytes")
    if rest:
        raise broken(where, "ends in the middle of a line")


class Facts:
    """The stored facts, by table."""

    def __init__(
        self,
        parts: Iterable[Part],
        read: Callable[[str, int, int], Iterator[bytes]],
        where: Callable[[str], str],
    ) -> None:
        """`read` gives the bytes of a file from a place on, so many."""
        self._parts: dict[str, list[Part]] = {}
        self._read = read
        self._where = where
        self.size = 0
        """Bytes of all, as they are stored."""
        for part in parts:
            self.size += part.size
            for table in part.tables:
                self._parts.setdefault(table, []).append(part)

    def lines(self, table: str) -> Iterator[bytes]:
        """Every line of a table, in order."""
        for part in self._parts.get(table, ()):
            yield from self._lines(part, table)

    def _lines(self, part: Part, table: str) -> Iterator[bytes]:
        before = sum(count for name, count in part.tables.items() if name < table)
        where = self._where(part.file)
        found = lines(unpacked(self._read(part.file, part.at, part.size), where), where)
        for number, line in enumerate(found):
            if number >= before + part.tables[table]:
                return
            if number >= before:
                yield line

    def files(self, table: str, folder: Path) -> Generator[list[Path]]:
        """The facts of a table as files of lines in `folder`, a few at a time: each turn, and closing, removes the last.

        Raises BundleError.
        """
        for group in _groups(self._parts.get(table, ())):
            made: list[Path] = []
            try:
                for parts in group:
                    made.append(self._laid_out(parts, table, folder / f"{len(made)}.jsonl"))
            except OSError as error:
                what = f"facts cannot be laid out to be loaded: {error.strerror or error}"
                raise BundleError(what, where=str(folder), do="free space there, or set TMPDIR to another folder") from error
            else:
                yield made
            finally:
                for file in made:
                    file.unlink(missing_ok=True)

    def _laid_out(self, parts: list[Part], table: str, file: Path) -> Path:
        alone = all(len(part.tables) == 1 for part in parts)
        to = file.with_suffix(".jsonl.gz") if alone else file
        with to.open("wb") as stream:
            for part in parts:
                if alone:
                    for block in self._read(part.file, part.at, part.size):
                        stream.write(block)
                else:
                    for line in self._lines(part, table):
                        stream.write(line + b"\n")
        return to


def _groups(parts: Iterable[Part]) -> Iterator[list[list[Part]]]:
    """Parts by file to be made, files by turn."""
    group: list[list[Part]] = []
    count = LINES_A_FILE
    for part in parts:
        if count + part.count > LINES_A_FILE:
            if len(group) == FILES_AT_ONCE:
                yield group
                group = []
            group.append([])
            count = 0
        group[-1].append(part)
        count += part.count
    if group:
        yield group
