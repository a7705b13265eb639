"""The one check that every reader of a bundle stands on: each byte, line, field and count, and the tree over all of them.

Whoever opens a bundle has it checked first, so that nothing that comes after meets an entry it did not expect.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from cnamm_scan.doing import doing
from cnamm_scan.evidence import merkle
from cnamm_scan.evidence.canonical import BIGGEST, canonical
from cnamm_scan.evidence.form import ENTRIES, SALTS, Bounds, FileForm, ManifestForm, broken, decode_line, explained, is_too_deep
from cnamm_scan.evidence.parts import Part, lines, unpacked
from cnamm_scan.evidence.room import Room
from cnamm_scan.model import OUTSIDE_PART

_DIGITS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(" ") for byte in range(256))
_LONG_NUMBER = b"0" * 16
"""Sixteen digits in a row, once every digit is a nought: plain search is eight times as fast as an expression."""
Json = Any


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found to hold."""

    files: int
    counts: Mapping[str, int]
    root: str

    @property
    def size(self) -> int:
        """All entries."""
        return sum(self.counts.values())

    def told(self) -> Iterator[str]:
        """A line for each thing that holds."""
        yield f"{self.files} files match their hashes in the manifest"
        yield f"{self.size} entries tie out: " + ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.items()))
        yield f"the tree's root is {self.root}"


def check_files(room: Room, manifest: ManifestForm) -> None:
    """Every file has the size and hash that the manifest says. Raises BundleError."""
    for entry in manifest.files:
        if entry.path not in room.sizes:
            raise broken(room.where(entry.path), "is missing")
        if room.sizes[entry.path] != entry.size:
            raise broken(room.where(entry.path), f"has {room.sizes[entry.path]} bytes, expected {entry.size}")
        digest = hashlib.sha256()
        for block in room.read(entry.path):
            digest.update(block)
        if digest.hexdigest() != entry.sha256:
            raise broken(room.where(entry.path), "does not match its hash in the manifest")


def check_entries(room: Room, manifest: ManifestForm, where: str, bounds: Bounds) -> Checked:
    """Every line is a canonical entry with what its kind needs, counts tie out, and the tree is that of these lines. Raises BundleError."""
    doing(f"checking the bundle's {manifest.tree.size:,} entries")
    key = b"".join(room.read(SALTS))
    counts: Counter[str] = Counter()
    reader = _Reader(room, manifest, bounds, key, counts)
    root = merkle.root(reader.leaves()).hex()
    size = sum(counts.values())
    if size != manifest.tree.size or counts != manifest.counts:
        raise broken(where, f"counts {manifest.tree.size} entries, found {size}")
    if root != manifest.tree.root:
        raise broken(room.where("entries"), f"the tree's root is {root}, expected {manifest.tree.root}")
    return Checked(len(manifest.files), dict(counts), root)


def parts_of(entry: FileForm) -> Iterator[Part]:
    """The pieces of a file with entries; a file without an index is one."""
    at = 0
    for part in entry.parts or ():
        yield Part(entry.path, at, part.size, dict(sorted(part.tables.items())))
        at += part.size
    if entry.parts is None and entry.lines:
        yield Part(entry.path, 0, entry.size, {entry.table or "": entry.lines})


class _Reader:
    """Goes through all entries once."""

    def __init__(self, room: Room, manifest: ManifestForm, bounds: Bounds, key: bytes, counts: Counter[str]) -> None:
        self.room = room
        self.manifest = manifest
        self.bounds = bounds
        self.key = key
        self.counts = counts
        self.targets = {target.id for target in manifest.scan.targets}
        self.left = bounds.unpacked

    def leaves(self) -> Iterator[bytes]:
        """The hash of each line, in order."""
        for entry in self.manifest.files:
            if entry.kind is None:
                continue
            done = 0
            for part in parts_of(entry):
                for leaf in self._part(entry, part, done):
                    done += 1
                    yield leaf
            if done != entry.lines:
                raise broken(self.room.where(entry.path), f"has {done} lines, expected {entry.lines}")

    def _part(self, entry: FileForm, part: Part, before: int) -> Iterator[bytes]:
        where = self.room.where(entry.path)
        tables = (table for table, count in part.tables.items() for _ in range(count))
        number = before
        for line in lines(self._counted(unpacked(self.room.read(entry.path, part.at, part.size), where), where), where, self.bounds):
            number += 1
            table = next(tables, None)
            if table is None:
                if entry.parts is None:
                    break  # told by the number of lines
                raise broken(where, f"holds more lines than its index says, from line {number} on")
            yield self._leaf(entry.kind or "", table, line, where, number)
        if number - before != part.count:
            more = number - before > part.count
            raise broken(where, f"has {number} lines{' and more' if more else ''}, expected {entry.lines}")

    def _counted(self, blocks: Iterator[bytes], where: str) -> Iterator[bytes]:
        for block in blocks:
            self.left -= len(block)
            if self.left < 0:
                raise broken(where, f"unpacks, with the others, to more than {self.bounds.unpacked} bytes")
            yield block

    def _leaf(self, kind: str, table: str, line: bytes, where: str, number: int) -> bytes:
        entry = self._entry(line, where, number)
        try:
            found = msgspec.convert(entry, ENTRIES[kind])
        except (msgspec.ValidationError, ValueError) as error:
            raise broken(where, f"is no {kind}: {explained(error)}", line=number) from error
        if entry.get("kind") != kind:
            raise broken(where, f"is of kind {entry.get('kind')!r}, expected {kind!r}", line=number)
        if kind == "fact" and entry["table"] != table and table:
            raise broken(where, f"is of table '{entry['table']}', expected '{table}'", line=number)
        is_nobodys = kind == "coverage" and not entry["target"] and entry["part"] == OUTSIDE_PART
        if "target" in entry and getattr(found, "target", None) is not None and entry["target"] not in self.targets and not is_nobodys:
            raise broken(where, f"is of target '{entry['target']}', which the scan does not have", line=number)
        self.counts[kind] += 1
        return merkle.leaf(merkle.salt(self.key, kind, entry["id"]), line)

    def _entry(self, line: bytes, where: str, number: int) -> dict[str, Json]:
        if is_too_deep(line, self.bounds.depth):
            raise broken(where, f"nests deeper than {self.bounds.depth}", line=number)
        try:
            entry = decode_line(line)
            same = canonical(entry) == line
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError):
            same = False
        if not same or not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise broken(where, "is no canonical entry", line=number)
        if _LONG_NUMBER in line.translate(_DIGITS) and _is_too_big(entry):
            raise broken(where, "holds a number beyond 2^53", line=number)
        return entry


def _is_too_big(value: Json) -> bool:
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            todo += each.values()
        elif isinstance(each, list):
            todo += each
        elif isinstance(each, int) and not -BIGGEST <= each <= BIGGEST:
            return True
    return False
