"""Writes a bundle: beside its final name (`….partial`) while it grows, and under it when it is whole.

What a `….partial` holds at any moment can be sealed later: what the scan is about is written when it begins, and each entry is in a shard
or in the journal before its call returns.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnamm_scan.doing import doing
from cnamm_scan.errors import BundleError
from cnamm_scan.evidence import merkle
from cnamm_scan.evidence.canonical import BIGGEST, canonical, plain
from cnamm_scan.evidence.form import (
    BOUNDS,
    METHOD,
    PARTIAL,
    ZIP,
    is_too_deep,
)
from cnamm_scan.evidence.journal import Journal
from cnamm_scan.evidence.owners import OwnerTags
from cnamm_scan.evidence.parts import Facts
from cnamm_scan.evidence.redact import Redactor
from cnamm_scan.evidence.seal import named, seal, sync, write_method
from cnamm_scan.evidence.shards import Shards
from cnamm_scan.model import Content, Coverage, MadeRow, Place, Reason, Region, ResultBlock, fact_id
from cnamm_scan.paths import MalformedError, Tree

KEYS_A_LINE = 1000
REDACTION_KEY = "CNAMM_SCAN_REDACTION_KEY"
COLLECTED = frozenset({"fact", "coverage"})
"""The kinds that cannot be had again: the rest follows from them."""
_LONG_VALUE = 256
"""Characters of a value that stay in a result which would be too long with all of them."""


class BundleWriter:
    """Takes facts, coverage, results and scores as they come, from many threads. Raises BundleError when they cannot be stored."""

    def __init__(
        self,
        output: Path,
        scan_id: str,
        *,
        redaction_key: bytes | None = None,
        secret_keys: Iterable[str] = (),
        owner_tags: Iterable[str] = (),
        growing: tuple[Path, Path] | None = None,
    ) -> None:
        """`output` is a folder that will hold `<scan_id>.cnamm`, or the name of the bundle as a zip.

        `secret_keys` are the redactor's; `owner_tags` the keys of tags that say who answers for a resource. `growing`: where it grows and
        what it is then called, when that is neither.
        Raises BundleError when it cannot be written.
        """
        self.scan_id = scan_id
        self.path = output if output.suffix == ZIP else output / f"{scan_id}.cnamm"
        self.partial = self.path.with_name(self.path.name + PARTIAL)
        if growing is not None:
            self.partial, self.path = growing
        environment = os.environ.get(REDACTION_KEY)
        key = redaction_key or (environment.encode() if environment else secrets.token_bytes(32))
        self.redactor = Redactor(key, secret_keys)
        self.owner_tags = OwnerTags(owner_tags)
        self._key = secrets.token_bytes(32)
        self._shards: dict[str, Shards] = {}
        self._last_calls: tuple[Sequence[Mapping[str, Any]], list[Any]] = ((), [])
        self._lock = threading.Lock()
        self._journal = Journal(self.partial)
        self._written = 0
        self._failed = False
        self._made: list[Path] = []
        """The folder that was made for the bundle, to go with it."""
        self.counts: dict[str, int] = {}
        try:
            if os.path.lexists(self.path):
                raise BundleError("the bundle exists already", where=str(self.path), do="choose another --output")
            self._made += [] if self.partial.parent.is_dir() else [self.partial.parent]
            self.partial.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            do = "choose another folder with --output, or NAME.cnamm.zip for one file"
            what = "the bundle cannot be written: a file stands where its folder should be"
            raise BundleError(what, where=str(error.filename), do=do) from error
        except OSError as error:
            raise self._cannot_write(error) from error
        try:
            self.partial.mkdir(mode=0o700)
            (self.partial / "entries").mkdir(mode=0o700)
        except FileExistsError as error:
            raise BundleError(
                "another scan writes there, or was killed there",
                where=str(self.partial),
                do=f"choose another --output, or seal it: cnamm-scan evaluate {self.partial}",
            ) from error
        except OSError as error:
            raise self._cannot_write(error) from error

    def begin(self, content: Content, about: Mapping[str, Any]) -> None:
        """Write down what the scan is about, before anything is asked: with it, what a killed scan has left can be judged.

        `about` holds the manifest's `scan` and `plan` as far as they are known. Raises BundleError.
        """
        try:
            write_method(self.partial, content, self._key)
            self._journal.begin({"path": self.path.name, **about})
            for folder in (self.partial / "entries", self.partial, self.partial.parent):
                sync(folder)
        except OSError as error:
            raise self._cannot_write(error) from error

    def ended(self, target: str, regions: Sequence[Region], calls: int, retries: int) -> None:
        """Write down that a target has been asked everything. Raises BundleError."""
        told = [{"name": region.name, "state": region.state, "seen": region.seen, "opt_in": region.opt_in} for region in regions]
        try:
            self._journal.tell({"ended": target, "regions": told, "calls": calls, "retries": retries})
        except OSError as error:
            raise self._cannot_write(error) from error

    # ---- entries -----------------------------------------------------------------------------------------------------

    def fact(
        self,
        *,
        table: str,
        target: str,
        region: str,
        key: str,
        data: Any,
        gaps: Mapping[str, Reason],
        calls: Sequence[Mapping[str, Any]],
        redact: Sequence[str],
        keep: Tree | None = None,
        also: Mapping[str, Any] | None = None,
        place: Place | None = None,
        as_of: str = "",
    ) -> None:
        """Redact and store one fact: of `data` what `keep` names, and `also`. Raises MalformedError for data of another shape.

        `place` stands beside the data, as times do: what only moved in its file is the same. So do `as_of`, when the source found it so,
        and the owner, where tags were named that say who that is.
        """
        identifier = fact_id(table, target, region, key)
        cleaned = self.redactor.kept(data, keep, redact, key)
        if also:
            cleaned.update(also)
        line: dict[str, Any] = {
            "kind": "fact",
            "id": identifier,
            "table": table,
            "target": target,
            "region": region,
            "key": key,
            "data": cleaned,
            "gaps": {name: reason.value for name, reason in gaps.items()},
            "calls": self._asked(calls, key),
        }
        owner = self.owner_tags.of(data) if self.owner_tags.keys else ""
        if owner:
            line["owner"] = self.redactor.clean(owner, (), key)
        if place is not None:
            line["place"] = {"file": place.file, "line": place.line}
        if as_of:
            line["as_of"] = as_of
        self._write("fact", table, identifier, line)

    def _asked(self, calls: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
        """The calls with their parameters redacted. The facts of a page share theirs, and mostly hold nothing to redact."""
        last, cleaned = self._last_calls
        if last is not calls or len(cleaned) != len(calls):
            cleaned = [self.redactor.clean(call, (), key) for call in calls]
            if all(made == plain(call) for made, call in zip(cleaned, calls, strict=True)):
                self._last_calls = (calls, cleaned)  # one assignment: other threads see the pair or the one before
        return cleaned

    def coverage(self, line: Coverage) -> None:
        """Store how one planned call went."""
        identifier = "|".join((line.target, line.region, line.table, line.part))
        body = {name: plain(getattr(line, name)) for name in Coverage.__slots__}
        self._write("coverage", "", identifier, {"kind": "coverage", "id": identifier, **body})

    def result(self, block: ResultBlock, rule_sha256: str) -> None:
        """Store one rule's verdict on one or many resources."""
        identifier = "|".join((block.rule, block.target, block.region, block.verdict.value, block.reason, str(block.number)))
        line = {name: getattr(block, name) for name in ResultBlock.__slots__}
        values = [list(row) if _is_plain(row) else plain(row) for row in block.values]
        line.update(kind="result", id=identifier, parameters=plain(block.parameters), values=values, rule_sha256=rule_sha256)
        for name in ("resources", "facts", "columns"):
            line[name] = list(line[name])
        raw = canonical(line)
        if len(raw) > BOUNDS.line or is_too_deep(raw, BOUNDS.depth):  # what was seen stands in the facts too
            line["values"] = [[_shortened(value) for value in row] for row in values]
            raw = canonical(line)
        self._store("result", "", identifier, raw)

    def made(self, table: str, row: MadeRow) -> None:
        """Store a row that a wing's function made, with the facts that it rests on."""
        identifier = fact_id(table, row.target, row.region, row.key)
        body = {"table": table, "target": row.target, "region": row.region, "key": row.key, "data": plain(row.values)}
        self._write("made", "", identifier, {"kind": "made", "id": identifier, **body, "rests_on": list(row.rests_on)})

    def population(self, table: str, target: str, region: str, keys: Sequence[str]) -> None:
        """Store whom a view holds, in parts: for results that name only a few of them."""
        for start in range(0, len(keys), KEYS_A_LINE):
            part = list(keys[start : start + KEYS_A_LINE])
            identifier = f"{table}|{target}|{region}|{start}"
            body = {"kind": "population", "id": identifier, "table": table, "target": target, "region": region, "resources": part}
            self._write("population", "", identifier, body)

    def entry(self, kind: str, identifier: str, body: Mapping[str, Any]) -> None:
        """Store an entry of another kind: an objective, a score."""
        self._write(kind, "", identifier, {"kind": kind, "id": identifier, **plain(body)})

    def again(self, kind: str, table: str, identifier: str, raw: bytes) -> None:
        """Store a line that a writer made before."""
        self._store(kind, table, identifier, raw)

    def _write(self, kind: str, table: str, identifier: str, line: Mapping[str, Any]) -> None:
        raw = canonical(line)
        if len(raw) > BOUNDS.line or is_too_deep(raw, BOUNDS.depth):
            raise MalformedError(f"{kind} of {len(raw)} bytes, larger or deeper than a bundle holds")
        self._store(kind, table, identifier, raw)

    def _store(self, kind: str, table: str, identifier: str, raw: bytes) -> None:
        hashed = merkle.leaf(merkle.salt(self._key, kind, identifier), raw)
        with self._lock:
            if self._failed:  # what comes after a torn piece could not be found again
                raise BundleError("the bundle cannot be written any more", where=str(self.partial), do="see the first error")
            try:
                self._written += len(raw) + 1
                if self._written > BOUNDS.unpacked:
                    raise BundleError(
                        f"the evidence has more than {BOUNDS.unpacked} bytes", where=str(self.partial), do="scan fewer targets at once"
                    )
                shards = self._shards.get(kind)
                if shards is None:
                    shards = self._shards[kind] = Shards(self.partial, kind)
                if kind in COLLECTED:
                    if self._journal.is_full(raw):
                        self._settle()
                    self._journal.note(raw)
                shards.add(table, raw, hashed)
                self.counts[kind] = self.counts.get(kind, 0) + 1
            except OSError as error:
                raise self._cannot_write(error) from error

    def _settle(self) -> None:
        for shards in self._shards.values():
            shards.settle()
        self._journal.settled()

    def settle(self) -> Facts:
        """Write all that was kept back; the facts, ready to be read. Writing may go on. Raises BundleError."""
        with self._lock:
            try:
                self._settle()
                parts = list(self._shards["fact"].parts()) if "fact" in self._shards else []
                for shards in self._shards.values():
                    for file in shards.described():
                        (self.partial / file["path"]).stat()  # gone, should somebody have removed it meanwhile
            except OSError as error:
                raise self._cannot_write(error) from error
        return Facts(parts, self._read, lambda name: str(self.partial / name))

    def _read(self, name: str, at: int, size: int) -> Iterator[bytes]:
        try:
            with (self.partial / name).open("rb") as stream:
                stream.seek(at)
                while size > 0 and (block := stream.read(min(size, 1 << 18))):
                    size -= len(block)
                    yield block
        except OSError as error:
            raise self._cannot_write(error) from error

    # ---- the end -----------------------------------------------------------------------------------------------------

    def finish(self, content: Content, manifest: Mapping[str, Any]) -> Path:
        """Seal: write what is kept back and the manifest, and give the bundle its name. Raises BundleError."""
        doing("sealing the bundle")
        try:
            with self._lock:
                self._settle()
                for shards in self._shards.values():
                    shards.close()
                if not (self.partial / METHOD).exists():
                    write_method(self.partial, content, self._key)
                seal(self.partial, self._shards, self.counts, manifest)
                self._journal.remove()
                sync(self.partial)
                named(self.partial, self.path, self.scan_id)
        except OSError as error:
            raise self._cannot_write(error) from error
        return self.path

    def abandon(self, *, keep: bool = True) -> None:
        """Give up: close what was written. It is kept where something was collected that can be sealed, unless `keep` is false."""
        kept = keep and self._journal.is_begun and self.counts.get("fact", 0) > 0
        with suppress(OSError, ValueError):
            for shards in self._shards.values():
                shards.close()
        with suppress(OSError):
            self._journal.close()
        if not kept:
            shutil.rmtree(self.partial, ignore_errors=True)
            for folder in self._made:
                with suppress(OSError):  # somebody else's things are in it by now
                    folder.rmdir()

    def _cannot_write(self, error: OSError) -> BundleError:
        self._failed = True
        do = "free space or choose another folder with --output"
        if self._journal.is_begun and self.counts.get("fact", 0) > 0 and self.partial.is_dir():
            do = f"free space, and seal what was collected: cnamm-scan evaluate {self.partial}"
        return BundleError(f"the bundle cannot be written: {error.strerror or error}", where=str(self.partial), do=do)


def _is_plain(row: Sequence[Any]) -> bool:
    """Whether a row is canonical as it is: quicker to see than to make again, and most are."""
    return all(value is None or type(value) in (str, bool) or (type(value) is int and -BIGGEST <= value <= BIGGEST) for value in row)


def _shortened(value: Any) -> Any:
    """A value that may stand in a block of many: what is long is told by its length."""
    if value is None or isinstance(value, bool | int):
        return value
    text = value if isinstance(value, str) else f"<{len(canonical(value))} bytes>"
    return text if len(text) <= _LONG_VALUE else f"<{len(text)} characters>"
