"""Takes up what a killed scan has left (`….partial`): what it was about, and every fact that reached the disk.

A gzip member or a line that was torn at the end is dropped; an entry that stands in the journal and in a shard is taken once.
"""

from __future__ import annotations

import hashlib
import shutil
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec
from msgspec import Struct

from cnamm_scan.errors import BundleError
from cnamm_scan.evidence.canonical import canonical
from cnamm_scan.evidence.form import (
    BEGUN,
    BOUNDS,
    ENTRIES,
    FORMAT,
    JOURNAL,
    MANIFEST,
    METHOD,
    PARTIAL,
    ZIP,
    Count,
    KeptForm,
    MaxAge,
    Moment,
    NamedForm,
    RegionForm,
    TargetForm,
    Texts,
    decode_line,
    explained,
    is_too_deep,
    moment,
)
from cnamm_scan.evidence.lock import held, is_free
from cnamm_scan.evidence.reader import content_files, open_bundle
from cnamm_scan.evidence.room import FolderRoom, is_name
from cnamm_scan.evidence.seal import named
from cnamm_scan.evidence.writer import COLLECTED, BundleWriter
from cnamm_scan.model import Region, Target
from cnamm_scan.model.old import DEFAULT_MAX_AGE, STALE_PART

SEALING = ".sealing"
_STEP = 1 << 18
"""Bytes that are unpacked at a time."""
_LOAD = "<load>"
"""The operation of coverage lines that judging writes, and will write again, as it does those of what was too old."""


class _ScanBegun(Struct):
    id: str
    started_at: Moment
    targets: list[TargetForm]
    content: NamedForm
    method: str
    tool: NamedForm


class _PlanBegun(Struct):
    rules: Texts
    parameters: dict[str, Any] = {}
    opted: Texts = []
    owner_tags: Texts = []
    max_age: MaxAge | None = None
    tables: dict[str, KeptForm] = {}


class _Begun(Struct):
    format: int
    path: str
    scan: _ScanBegun
    plan: _PlanBegun


class _Ended(Struct):
    ended: str
    regions: list[RegionForm]
    calls: Count
    retries: Count


@dataclass(frozen=True, slots=True)
class Ended:
    """How a target's collection ended."""

    regions: tuple[Region, ...]
    calls: int
    retries: int


@dataclass
class Partial:
    """An unfinished bundle. A context manager: while it is open nobody else can take it up."""

    path: Path
    begun: _Begun
    ended: dict[str, Ended]
    _stream: Any = field(repr=False, default=None)

    @property
    def final(self) -> Path:
        """The name that the bundle will have."""
        return self.path.with_name(self.begun.path)

    @property
    def started_at(self) -> str:
        """When the scan began."""
        return self.begun.scan.started_at

    @property
    def plan(self) -> tuple[Sequence[str], Mapping[str, Any], frozenset[str]]:
        """The rules that were to be run, their parameters, and what was opted into."""
        return self.begun.plan.rules, self.begun.plan.parameters, frozenset(self.begun.plan.opted)

    @property
    def max_age(self) -> timedelta:
        """How old a fact might be, to be judged."""
        said = self.begun.plan.max_age
        return DEFAULT_MAX_AGE if said is None else timedelta(seconds=said)

    @property
    def unsupported(self) -> Mapping[str, frozenset[str]]:
        """Table -> the paths that could not be read for want of an SDK that knows them: their silence says nothing."""
        return {name: frozenset(told.unsupported) for name, told in self.begun.plan.tables.items() if told.unsupported}

    def targets(self) -> list[Target]:
        """The targets of the scan, those that it did not come to as well."""
        return [each.target for each in self.begun.scan.targets]

    def method(self) -> dict[str, bytes]:
        """The content that the scan was to be judged by. Raises BundleError."""
        return content_files(self._read(METHOD, BOUNDS.method), BOUNDS, str(self.path / METHOD))

    def writer(self) -> BundleWriter:
        """A writer of the bundle to be. What an earlier try has left is removed. Raises BundleError."""
        beside = self.path.with_name(self.final.name + SEALING)
        shutil.rmtree(beside, ignore_errors=True)
        tags = self.begun.plan.owner_tags
        return BundleWriter(self.path.parent, self.begun.scan.id, owner_tags=tags, growing=(beside, self.final))

    def pour(self, writer: BundleWriter, ends: Collection[str]) -> dict[str, set[str]]:
        """Store again what was collected, each entry once: target -> the regions of which there are facts. Raises BundleError.

        `ends` are the tables that the end of a collection makes; of a target that did not end they are left out, as its ledger is.
        """
        waiting = {hashlib.sha256(line).digest(): line for line in self._journal()}
        seen: dict[str, set[str]] = {}
        for line in self._shards():
            waiting.pop(hashlib.sha256(line).digest(), None)
            self._pour(writer, ends, line, seen)
        for line in waiting.values():
            self._pour(writer, ends, line, seen)
        return seen

    def _pour(self, writer: BundleWriter, ends: Collection[str], line: bytes, seen: dict[str, set[str]]) -> None:
        entry = _entry(line)
        if entry is None or entry["target"] not in self._known:
            return
        kind, target, table = entry["kind"], entry["target"], entry["table"]
        if target not in self.ended and (kind == "coverage" or table in ends):
            return
        if entry.get("operation") == _LOAD or (kind == "coverage" and entry["part"] == STALE_PART):
            return
        if kind == "fact":
            seen.setdefault(target, set()).add(entry["region"])
        writer.again(kind, table if kind == "fact" else "", entry["id"], line)

    @property
    def _known(self) -> set[str]:
        return {each.id for each in self.begun.scan.targets}

    def _shards(self) -> Iterator[bytes]:
        room = FolderRoom(self.path / "entries", BOUNDS, growing=True)
        for name in sorted(room.sizes):
            if name.rpartition("-")[0] in COLLECTED:
                yield from _whole_lines(_members(room.read(name)))

    def _journal(self) -> Iterator[bytes]:
        if (self.path / JOURNAL).exists():
            yield from _whole_lines(FolderRoom(self.path, BOUNDS, growing=True).read(JOURNAL))

    def _read(self, name: str, most: int) -> bytes:
        room = FolderRoom(self.path, BOUNDS, growing=True)
        if room.sizes.get(name, most + 1) > most:
            raise _lost(self.path, f"{name} is missing")
        return b"".join(room.read(name))

    def remove(self) -> None:
        """Remove it: the bundle bears its name now."""
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Let go of it."""
        if self._stream is not None:
            self._stream.close()


def is_partial(path: Path) -> bool:
    """Whether a path names an unfinished bundle."""
    return path.name.endswith(PARTIAL) and path.is_dir()


def finished(path: Path) -> Path | None:
    """Give a `….partial` its name that was killed when only that was left to do; None for any other. Raises BundleError."""
    if (path / BEGUN).exists() or not (path / MANIFEST).exists():
        return None
    packing = path / "packed.zip"
    packing.unlink(missing_ok=True)
    whole = open_bundle(path, partial=True)
    final = path.with_name(path.name.removesuffix(PARTIAL))
    try:
        named(path, final, str(whole.scan["id"]))
    except OSError as error:
        raise BundleError(
            f"the bundle cannot be named: {error.strerror or error}", where=str(final), do="check the folder's permissions"
        ) from error
    return final


def take_up(path: Path) -> Partial:
    """Open what a killed scan has left. Raises BundleError when it is still running, or left nothing that can be sealed."""
    try:
        stream = (path / BEGUN).open("rb") if not (path / BEGUN).is_symlink() else None
    except OSError:
        stream = None
    if stream is None:
        raise _lost(path, "it was killed before it began")
    try:
        _take(stream, path)
        told = list(_whole_lines([stream.read(BOUNDS.manifest)]))
        begun = _read_begun(path, told[:1])
        ended = {each.ended: Ended(_regions(each), each.calls, each.retries) for each in map(_read_ended, told[1:]) if each}
    except BaseException:
        stream.close()
        raise
    return Partial(path, begun, ended, stream)


def _take(stream: IO[bytes], path: Path) -> None:
    if not held(stream):
        raise BundleError("the scan that writes this bundle is still running", where=str(path), do="wait for its end, or stop it")


def left_behind(folder: Path) -> list[Path]:
    """What killed scans have left in a folder: unfinished bundles that nobody writes any more."""
    try:
        return [path for path in sorted(folder.glob(f"*{PARTIAL}")) if (path / BEGUN).is_file() and is_free(path / BEGUN)]
    except OSError:  # a folder that may not be read: the scan itself will say so
        return []


def _read_begun(path: Path, told: Sequence[bytes]) -> _Begun:
    if not told:
        raise _lost(path, "it was killed before it began")
    if is_too_deep(told[0], BOUNDS.depth):
        raise _lost(path, f"{BEGUN} is damaged: too deep")
    try:
        begun = msgspec.convert(decode_line(told[0]), _Begun)
        moment(begun.scan.started_at)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _lost(path, f"{BEGUN} is damaged: {explained(error)}") from error
    if begun.format != FORMAT:
        raise BundleError(
            f"begun by format {begun.format}; this version seals format {FORMAT}",
            where=str(path),
            do="seal it with the version that began it",
        )
    if not is_name(begun.path) or "/" in begun.path or not begun.path.endswith((".cnamm", ZIP)):
        raise _lost(path, f"{BEGUN} names no bundle")
    return begun


def _read_ended(line: bytes) -> _Ended | None:
    try:
        return msgspec.convert(decode_line(line), _Ended)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _regions(told: _Ended) -> tuple[Region, ...]:
    return tuple(Region(each.name, each.state, each.seen, each.opt_in) for each in told.regions)


def _members(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """What the whole members at the beginning unpack to, one at a time; what comes after a torn one was never sure."""
    reader, made = zlib.decompressobj(wbits=31), bytearray()
    for block in blocks:
        rest = block
        while rest:
            try:
                made += reader.decompress(rest, _STEP)
            except zlib.error:
                return
            if len(made) > 2 * BOUNDS.line:
                return
            rest = reader.unused_data if reader.eof else reader.unconsumed_tail
            if reader.eof:
                yield bytes(made)
                reader, made = zlib.decompressobj(wbits=31), bytearray()


def _whole_lines(blocks: Iterator[bytes] | Sequence[bytes]) -> Iterator[bytes]:
    """The lines that have an end."""
    rest = b""
    for block in blocks:
        first, *more = block.split(b"\n")
        rest += first
        if more:
            yield rest
            rest = more.pop()
            yield from more
        if len(rest) > BOUNDS.line:
            return


def _entry(line: bytes) -> dict[str, Any] | None:
    """An entry that was collected; None for a line that is none."""
    if len(line) > BOUNDS.line or is_too_deep(line, BOUNDS.depth):
        return None
    try:
        entry = decode_line(line)
        if canonical(entry) != line or entry.get("kind") not in COLLECTED:
            return None
        msgspec.convert(entry, ENTRIES[entry["kind"]])
    except (msgspec.MsgspecError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    found: dict[str, Any] = entry
    return found


def _lost(path: Path, why: str) -> BundleError:
    return BundleError(f"the bundle was never finished, and cannot be sealed: {why}", where=str(path), do="remove it and scan again")
