"""Writes and reads evidence bundles: canonical lines in shards, a manifest that names every byte, a Merkle root over all lines.

A bundle is written beside its final name (`….partial`) and renamed when it is whole: what bears the name is complete.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
import secrets
import shutil
import threading
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from cnamm_scan import __version__
from cnamm_scan.errors import BundleError
from cnamm_scan.evidence import merkle
from cnamm_scan.evidence.canonical import BIGGEST, canonical, plain
from cnamm_scan.evidence.redact import Redactor
from cnamm_scan.model import (
    GHOST_PART,
    REST_PART,
    Content,
    Coverage,
    MadeRow,
    Reason,
    Region,
    ResultBlock,
    Severity,
    Target,
    Verdict,
    fact_id,
)
from cnamm_scan.paths import Tree

SCHEMA = "cnamm-scan/bundle/1"
SHARD_LINES = 5000
KEYS_A_LINE = 1000
MANIFEST, MANIFEST_HASH, SALTS = "manifest.json", "manifest.sha256", "salts.bin"
REDACTION_KEY = "CNAMM_SCAN_REDACTION_KEY"
_BUFFER = 64 * 1024


@dataclass
class _Shard:
    """One open file of lines of one kind (and table)."""

    path: Path
    name: str
    kind: str
    table: str
    stream: IO[bytes]
    lines: int = 0
    buffer: bytearray = field(default_factory=bytearray)
    leaves: bytearray = field(default_factory=bytearray)
    """Leaf hashes one after the other: 32 bytes a line is all the memory that a line costs."""

    def flush(self) -> None:
        # each flush is a gzip member of its own: an open compressor for each of a hundred tables would cost 35 MB
        if self.buffer:
            self.stream.write(gzip.compress(self.buffer, compresslevel=2, mtime=0))
            self.buffer.clear()

    def close(self) -> None:
        self.flush()
        self.stream.close()


class BundleWriter:
    """Takes facts, coverage, results and scores as they come, from many threads. Raises BundleError when they cannot be stored."""

    def __init__(self, folder: Path, scan_id: str, *, redaction_key: bytes | None = None) -> None:
        """`folder` will hold `<scan_id>.cnamm`. Raises BundleError when it cannot be written."""
        self.scan_id = scan_id
        self.path = folder / f"{scan_id}.cnamm"
        self.partial = folder / f"{scan_id}.cnamm.partial"
        environment = os.environ.get(REDACTION_KEY)
        self.redactor = Redactor(redaction_key or (environment.encode() if environment else secrets.token_bytes(32)))
        self._key = secrets.token_bytes(32)
        self._open: dict[tuple[str, str], _Shard] = {}
        self._closed: list[_Shard] = []
        self._numbers = 0
        self._last_calls: tuple[Sequence[Mapping[str, Any]], list[Any]] = ((), [])
        self._lock = threading.Lock()
        self.counts: dict[str, int] = {}
        try:
            if self.path.exists():
                raise BundleError("the bundle exists already", where=str(self.path), do="choose another --output")
            (self.partial / "entries").mkdir(parents=True)
        except OSError as error:
            raise _cannot_write(self.partial, error) from error

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
    ) -> None:
        """Redact and store one fact: of `data` what `keep` names, and `also`. Raises MalformedError for data of another shape."""
        identifier = fact_id(table, target, region, key)
        cleaned = self.redactor.kept(data, keep, redact, key)
        if also:
            cleaned.update(also)
        line = {
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
        values = [row if _is_plain(row) else plain(row) for row in block.values]
        line.update(kind="result", id=identifier, parameters=plain(block.parameters), values=values, rule_sha256=rule_sha256)
        self._write("result", "", identifier, line)

    def made(self, table: str, row: MadeRow) -> None:
        """Store a row that a wing's function made, with the facts that it rests on."""
        identifier = fact_id(table, row.target, row.region, row.key)
        body = {"table": table, "target": row.target, "region": row.region, "key": row.key, "data": plain(row.values)}
        self._write("made", "", identifier, {"kind": "made", "id": identifier, **body, "rests_on": list(row.rests_on)})

    def population(self, table: str, target: str, region: str, keys: Sequence[str]) -> None:
        """Store whom a view holds, in parts: for results that name only a few of them."""
        for start in range(0, len(keys), KEYS_A_LINE):
            part = keys[start : start + KEYS_A_LINE]
            identifier = f"{table}|{target}|{region}|{start}"
            body = {"kind": "population", "id": identifier, "table": table, "target": target, "region": region, "resources": part}
            self._write("population", "", identifier, body)

    def entry(self, kind: str, identifier: str, body: Mapping[str, Any]) -> None:
        """Store an entry of another kind: an objective, a score."""
        self._write(kind, "", identifier, {"kind": kind, "id": identifier, **plain(body)})

    def _write(self, kind: str, table: str, identifier: str, line: Mapping[str, Any]) -> None:
        raw = canonical(line)
        hashed = merkle.leaf(merkle.salt(self._key, kind, identifier), raw)
        with self._lock:
            try:
                shard = self._shard(kind, table)
                shard.buffer += raw
                shard.buffer += b"\n"
                shard.leaves += hashed
                shard.lines += 1
                self.counts[kind] = self.counts.get(kind, 0) + 1
                if len(shard.buffer) >= _BUFFER:
                    shard.flush()
                if shard.lines >= SHARD_LINES:
                    self._close(shard)
            except OSError as error:
                raise _cannot_write(self.partial, error) from error

    def _shard(self, kind: str, table: str) -> _Shard:
        shard = self._open.get((kind, table))
        if shard is None:
            name = f"entries/{self._numbers:05d}.jsonl.gz"
            self._numbers += 1
            path = self.partial / name
            shard = self._open[kind, table] = _Shard(path, name, kind, table, path.open("wb"))
        return shard

    def _close(self, shard: _Shard) -> None:
        shard.close()
        self._closed.append(shard)
        del self._open[shard.kind, shard.table]

    def settle(self) -> dict[str, list[Path]]:
        """Close every open shard; the files of facts by table, ready to be read."""
        with self._lock:
            try:
                for shard in list(self._open.values()):
                    self._close(shard)
            except OSError as error:
                raise _cannot_write(self.partial, error) from error
        files: dict[str, list[Path]] = {}
        for shard in self._closed:
            if shard.kind == "fact":
                files.setdefault(shard.table, []).append(shard.path)
        return files

    # ---- the end -----------------------------------------------------------------------------------------------------

    def finish(self, content: Content, manifest: Mapping[str, Any]) -> Path:
        """Seal: write the method, the salts and the manifest, and give the bundle its name. Raises BundleError."""
        self.settle()
        try:
            return self._seal(content, manifest)
        except OSError as error:
            raise _cannot_write(self.partial, error) from error

    def _seal(self, content: Content, manifest: Mapping[str, Any]) -> Path:
        for name, raw in content.files.items():
            file = self.partial / "method" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(raw)
        (self.partial / SALTS).write_bytes(self._key)
        shards = sorted(self._closed, key=lambda shard: shard.name)
        files = [
            {"path": shard.name, **_measure(shard.path), "kind": shard.kind, "table": shard.table, "lines": shard.lines} for shard in shards
        ]
        files.append({"path": SALTS, **_measure(self.partial / SALTS)})
        files += [{"path": f"method/{name}", **_measure(self.partial / "method" / name)} for name in sorted(content.files)]
        hashes = (bytes(shard.leaves[at : at + 32]) for shard in shards for at in range(0, len(shard.leaves), 32))
        body = {
            "schema": SCHEMA,
            **manifest,
            "tree": {"alg": merkle.ALGORITHM, "size": sum(shard.lines for shard in shards), "root": merkle.root(hashes).hex()},
            "counts": self.counts,
            "files": files,
            "previous": None,
        }
        raw = canonical(plain(body)) + b"\n"
        (self.partial / MANIFEST).write_bytes(raw)
        (self.partial / MANIFEST_HASH).write_bytes(_hash_file(raw))
        for file in (self.partial / MANIFEST, self.partial / MANIFEST_HASH):
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        self.partial.rename(self.path)
        return self.path

    def abandon(self) -> None:
        """Give up: close and remove what was written."""
        with suppress(OSError, ValueError):
            for shard in list(self._open.values()):
                shard.stream.close()
        self._open.clear()
        shutil.rmtree(self.partial, ignore_errors=True)


def _hash_file(manifest: bytes) -> bytes:
    """What stands beside the manifest: the form that `sha256sum --check` reads."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def _is_plain(row: Sequence[Any]) -> bool:
    """Whether a row is canonical as it is: quicker to see than to make again, and most are."""
    return all(value is None or type(value) in (str, bool) or (type(value) is int and -BIGGEST <= value <= BIGGEST) for value in row)


def _block(line: Mapping[str, Any]) -> ResultBlock:
    given = {name: line[name] for name in ResultBlock.__slots__}
    lists = {name: tuple(line[name]) for name in ("resources", "facts", "columns", "values")}
    return ResultBlock(**{**given, **lists, "verdict": Verdict(line["verdict"]), "severity": Severity(line["severity"])})


def _without(keys: Iterable[str], named: Counter[str]) -> Iterator[str]:
    for key in keys:
        if named[key]:
            named[key] -= 1
        else:
            yield key


def _measure(file: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    size = 0
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            size += len(block)
    return {"sha256": digest.hexdigest(), "size": size}


def _cannot_write(path: Path, error: OSError) -> BundleError:
    return BundleError(
        f"the bundle cannot be written: {error.strerror or error}", where=str(path), do="free space or choose another folder with --output"
    )


# ---- reading -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle, its bytes checked against its manifest."""

    path: Path
    manifest: Mapping[str, Any]

    @property
    def scan(self) -> Mapping[str, Any]:
        """The manifest's account of the scan."""
        scan: Mapping[str, Any] = self.manifest["scan"]
        return scan

    def targets(self) -> list[Target]:
        """The targets of the scan."""
        return [
            Target(**{name: target.get(name, "") for name in ("id", "provider", "name", "identity")}, scope=target.get("scope", {}))
            for target in self.scan["targets"]
        ]

    def regions(self) -> dict[str, list[Region]]:
        """Target id -> its regions."""
        return {
            target["id"]: [Region(r["name"], r.get("state"), r["seen"], r.get("opt_in")) for r in target.get("regions", [])]
            for target in self.scan["targets"]
        }

    def files(self, kind: str) -> list[tuple[str, Path]]:
        """(table, file) of every shard of a kind, in leaf order."""
        return [(entry.get("table", ""), self.path / entry["path"]) for entry in self.manifest["files"] if entry.get("kind") == kind]

    def entries(self, kind: str) -> Iterator[dict[str, Any]]:
        """Every entry of a kind, in order."""
        for _, file in self.files(kind):
            for line in _lines(file):
                yield json.loads(line)

    def results(self, verdicts: Collection[Verdict] = (), rule: str | None = None, *, named: bool = True) -> Iterator[ResultBlock]:
        """What each rule said, as it was stored; all of it, or some verdicts, or one rule.

        With `named` the resources of a rest are looked up, so that every block names its own; without, it only says how many there are.
        """
        known: dict[str, dict[tuple[str, str], list[str]]] = {}
        for name, lines in itertools.groupby(self.entries("result"), key=lambda line: line["rule"]):
            if rule is not None and name != rule:
                continue
            found = [_block(line) for line in lines]
            for block in found:
                if verdicts and block.verdict not in verdicts:
                    continue
                if block.resources or not named:
                    yield block
                    continue
                if block.table not in known:
                    known = {block.table: self._population(block.table)}  # rules over a table mostly stand together
                told = Counter(
                    key for other in found if (other.target, other.region) == (block.target, block.region) for key in other.resources
                )
                there = known[block.table].get((block.target, block.region), [])
                yield replace(block, resources=tuple(_without(there, told)))

    def _population(self, table: str) -> dict[tuple[str, str], list[str]]:
        """(target, region) -> the keys of a table's facts, or of a view's rows, sorted. Rows for what was not read have none."""
        found: dict[tuple[str, str], list[str]] = {}
        for line in self.entries("population"):
            if line["table"] == table:
                found.setdefault((line["target"], line["region"]), []).extend(line["resources"])
        for name, file in self.files("fact"):
            if name == table:
                for line in map(json.loads, _lines(file)):
                    if not line["gaps"].keys() & {GHOST_PART, REST_PART}:
                        found.setdefault((line["target"], line["region"]), []).append(line["key"])
        return {place: sorted(keys) for place, keys in found.items()}

    def method(self) -> dict[str, bytes]:
        """The content as it was run: name inside the packs -> bytes."""
        names = [entry["path"] for entry in self.manifest["files"] if entry["path"].startswith("method/")]
        return {name.removeprefix("method/"): (self.path / name).read_bytes() for name in names}


def open_bundle(path: Path) -> Bundle:
    """Open a bundle and check every file of it against the manifest. Raises BundleError that names what does not fit."""
    if path.name.endswith(".partial"):
        raise BundleError("the bundle was never finished", where=str(path), do="scan again; a finished bundle is named ….cnamm")
    if not path.is_dir():
        raise BundleError("there is no bundle", where=str(path), do="name the ….cnamm folder that a scan has written")
    raw = _read(path, MANIFEST)
    if _read(path, MANIFEST_HASH) != _hash_file(raw):
        raise _broken(path / MANIFEST, f"does not match its hash in {MANIFEST_HASH}")
    try:
        manifest = json.loads(raw)
    except ValueError as error:
        raise _broken(path / MANIFEST, "is not JSON") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        got = manifest.get("schema") if isinstance(manifest, dict) else None
        raise BundleError(
            f"the bundle's schema is '{got}', expected '{SCHEMA}'", where=str(path), do="read it with the version that wrote it"
        )
    if not _is_whole(manifest):
        raise _broken(path / MANIFEST, "lacks something that every manifest has")
    listed = {MANIFEST, MANIFEST_HASH}
    for entry in manifest["files"]:
        name = entry["path"]
        file = path / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise _broken(path / MANIFEST, f"names a file outside the bundle: '{name}'")
        if not file.is_file():
            raise _broken(file, "is missing")
        try:
            measured = _measure(file)
        except OSError as error:
            raise BundleError(f"cannot be read: {error.strerror}", where=str(file), do="check its permissions") from error
        if measured["size"] != entry["size"]:
            raise _broken(file, f"has {measured['size']} bytes, expected {entry['size']}")
        if measured["sha256"] != entry["sha256"]:
            raise _broken(file, "does not match its hash in the manifest")
        listed.add(name)
    for file in sorted((path / "entries").iterdir()):
        if f"entries/{file.name}" not in listed:
            raise _broken(file, "is not named in the manifest")
    return Bundle(path, manifest)


def verify(bundle: Bundle) -> Iterator[str]:
    """Check what opening did not: every line is canonical, counts tie out, and the Merkle root is that of these lines.

    Yields a line for each thing that was checked. Raises BundleError at the first that does not hold.
    """
    yield f"{len(bundle.manifest['files'])} files match their hashes in the manifest"
    key = _read(bundle.path, SALTS)
    counts: dict[str, int] = {}
    tree = bundle.manifest["tree"]
    found = merkle.root(_leaves(bundle, key, counts)).hex()
    size = sum(counts.values())
    if size != tree["size"] or counts != bundle.manifest["counts"]:
        raise _broken(bundle.path / MANIFEST, f"counts {tree['size']} entries, found {size}")
    yield f"{size} entries tie out: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    if found != tree["root"]:
        raise _broken(bundle.path / "entries", f"the tree's root is {found}, expected {tree['root']}")
    yield f"the tree's root is {found}"


def _leaves(bundle: Bundle, key: bytes, counts: dict[str, int]) -> Iterator[bytes]:
    for entry in bundle.manifest["files"]:
        if "kind" not in entry:
            continue
        lines = 0
        for line in _lines(bundle.path / entry["path"]):
            parsed = _parsed(line)
            if parsed is None or canonical(parsed) != line:
                raise _broken(bundle.path / entry["path"], f"line {lines + 1} is no canonical entry")
            lines += 1
            counts[entry["kind"]] = counts.get(entry["kind"], 0) + 1
            yield merkle.leaf(merkle.salt(key, entry["kind"], parsed["id"]), line)
        if lines != entry["lines"]:
            raise _broken(bundle.path / entry["path"], f"has {lines} lines, expected {entry['lines']}")


def _is_whole(manifest: Mapping[str, Any]) -> bool:
    files = manifest.get("files")
    return (
        all(isinstance(manifest.get(name), dict) for name in ("scan", "plan", "tree", "counts"))
        and isinstance(files, list)
        and all(isinstance(file, dict) and isinstance(file.get("path"), str) and {"size", "sha256"} <= file.keys() for file in files)
        and all(isinstance(file.get("lines"), int) for file in files if "kind" in file)
    )


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The entry of a line, or None for what can be none."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("id"), str) else None


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with gzip.open(file, "rb") as stream:
            for line in stream:
                yield line.rstrip(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        raise _broken(file, "is cut or damaged") from error


def _read(path: Path, name: str) -> bytes:
    try:
        return (path / name).read_bytes()
    except FileNotFoundError as error:
        raise _broken(path / name, "is missing") from error
    except OSError as error:
        raise BundleError(f"cannot be read: {error.strerror}", where=str(path / name), do="check its permissions") from error


def _broken(file: Path, what: str) -> BundleError:
    return BundleError(f"the bundle is not as it was written: {file.name} {what}", where=str(file), do="do not trust it; take another copy")


def tool() -> dict[str, str]:
    """What wrote a bundle."""
    return {"name": "cnamm-scan", "version": __version__}


def merged_files(groups: Iterable[tuple[str, Path]]) -> dict[str, list[Path]]:
    """(table, file) pairs by table."""
    found: dict[str, list[Path]] = {}
    for table, file in groups:
        found.setdefault(table, []).append(file)
    return found
