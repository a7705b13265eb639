"""Bundles that somebody has changed and hashed again: what the hashes cannot show must be seen all the same."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnamm_scan.evidence import merkle
from cnamm_scan.evidence.canonical import canonical

Manifest = dict[str, Any]


def manifest_of(bundle: Path) -> Manifest:
    found: Manifest = json.loads((bundle / "manifest.json").read_bytes())
    return found


def shard(bundle: Path, kind: str) -> Path:
    """The one file with entries of a kind."""
    (entry,) = (entry for entry in manifest_of(bundle)["files"] if entry.get("kind") == kind)
    return bundle / str(entry["path"])


def lines(bundle: Path, kind: str) -> list[bytes]:
    return gzip.decompress(shard(bundle, kind).read_bytes()).splitlines()


def write_manifest(bundle: Path, raw: bytes) -> None:
    """The manifest, and the hash beside it."""
    (bundle / "manifest.json").write_bytes(raw)
    (bundle / "manifest.sha256").write_text(f"{hashlib.sha256(raw).hexdigest()}  manifest.json\n")


def forge(bundle: Path, change: Callable[[Manifest], Any]) -> None:
    """Change the manifest and hash it again."""
    manifest = manifest_of(bundle)
    changed = change(manifest)
    write_manifest(bundle, canonical(manifest if changed is None else changed) + b"\n")


def of_file(name: str, raw: bytes, **more: Any) -> Callable[[Manifest], None]:
    """The change that makes a manifest say what is now in a file."""

    def change(manifest: Manifest) -> None:
        for entry in manifest["files"]:
            if entry["path"] == name:
                entry.update(sha256=hashlib.sha256(raw).hexdigest(), size=len(raw), **more)

    return change


def put(bundle: Path, name: str, raw: bytes) -> None:
    """Write a file, and into the manifest its size and hash."""
    (bundle / name).write_bytes(raw)
    forge(bundle, of_file(name, raw))


def put_lines(bundle: Path, kind: str, made: Sequence[bytes], *, counted: bool = True, tables: Sequence[str] | None = None) -> None:
    """Other lines for a kind, in one piece and with its hash; `counted`: with the right counts too, never with the right tree."""
    file = shard(bundle, kind)
    raw = gzip.compress(b"".join(line + b"\n" for line in made), mtime=0)
    file.write_bytes(raw)
    name = file.relative_to(bundle).as_posix()

    def change(manifest: Manifest) -> None:
        (entry,) = (entry for entry in manifest["files"] if entry["path"] == name)
        before = entry["lines"]
        of_file(name, raw)(manifest)
        if kind == "fact":
            entry["parts"] = _parts(made, raw, tables)
        if counted:
            entry["lines"] = len(made)
            manifest["counts"][kind] += len(made) - before
            manifest["tree"]["size"] += len(made) - before

    forge(bundle, change)


def _parts(made: Sequence[bytes], raw: bytes, tables: Sequence[str] | None) -> list[dict[str, Any]]:
    named = tables if tables is not None else [_table(line) for line in made]
    return [{"size": len(raw), "tables": {table: len(list(group)) for table, group in itertools.groupby(sorted(named))}}]


def _table(line: bytes) -> str:
    try:
        return str(json.loads(line)["table"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return "aws.s3.bucket"


def reseal(bundle: Path, change: Callable[[Manifest], Any] = lambda manifest: None) -> None:
    """Make everything tie out with the lines that are there: sizes, hashes, parts, counts and the tree. Then change the manifest."""
    manifest = manifest_of(bundle)
    key = (bundle / "salts.bin").read_bytes()
    counts: dict[str, int] = {}
    leaves: list[bytes] = []
    for entry in manifest["files"]:
        raw = (bundle / entry["path"]).read_bytes()
        entry.update(sha256=hashlib.sha256(raw).hexdigest(), size=len(raw))
        if "kind" not in entry:
            continue
        made = gzip.decompress(raw).splitlines()
        entry["lines"] = len(made)
        if entry["kind"] == "fact":
            entry["parts"] = _parts(made, raw, None)
        counts[entry["kind"]] = counts.get(entry["kind"], 0) + len(made)
        leaves += [merkle.leaf(merkle.salt(key, entry["kind"], _id(line)), line) for line in made]
    manifest["counts"] = counts
    manifest["tree"].update(size=len(leaves), root=merkle.root(leaves).hex())
    changed = change(manifest)
    write_manifest(bundle, canonical(manifest if changed is None else changed) + b"\n")


def _id(line: bytes) -> str:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return ""
    return str(found["id"]).encode(errors="replace").decode() if isinstance(found, Mapping) and isinstance(found.get("id"), str) else ""


def replace_lines(bundle: Path, kind: str, made: Sequence[bytes]) -> None:
    """Other lines for a kind, and everything else made to fit: only their content can be wrong now."""
    shard(bundle, kind).write_bytes(gzip.compress(b"".join(line + b"\n" for line in made), mtime=0))
    reseal(bundle)
