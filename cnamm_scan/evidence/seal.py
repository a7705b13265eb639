"""The end of a bundle that grows: its method, its manifest with the root of its entries, and its name."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from cnamm_scan.errors import BundleError
from cnamm_scan.evidence import merkle
from cnamm_scan.evidence import method as archive
from cnamm_scan.evidence.canonical import canonical, plain
from cnamm_scan.evidence.form import BOUNDS, FORMAT, MANIFEST, MANIFEST_HASH, METHOD, SALTS, SCHEMA, SINCE, ZIP
from cnamm_scan.evidence.reader import hash_file
from cnamm_scan.evidence.room import FolderRoom, names_of, zipped
from cnamm_scan.evidence.shards import Shards, created, put
from cnamm_scan.model import Content
from cnamm_scan.writing import name_as_new


@lru_cache(maxsize=4)
def _method(content: Content) -> bytes:
    """The archive of a content's files: a process that scans again packs the same."""
    return archive.packed(content.files)


def write_method(folder: Path, content: Content, key: bytes) -> None:
    """Write what judges, and what the entries' salts are made from. Raises OSError."""
    _whole(folder / METHOD, _method(content))
    _whole(folder / SALTS, key)


def _whole(file: Path, raw: bytes) -> None:
    with created(file) as stream:
        put(stream, raw)
        os.fsync(stream.fileno())


def seal(folder: Path, shards: Mapping[str, Shards], counts: Mapping[str, int], manifest: Mapping[str, Any]) -> None:
    """Write the manifest and its hash: what the closed `shards` hold, by kind, and all that is told of the scan. Raises OSError."""
    kinds = [shards[kind] for kind in sorted(shards) if shards[kind].lines]
    files = [{**file, **_measure(folder / file["path"])} for kind in kinds for file in kind.described()]
    files += [{"path": name, **_measure(folder / name)} for name in (METHOD, SALTS)]
    body = {
        "schema": f"{SCHEMA}{FORMAT}",
        "format": FORMAT,
        "since": SINCE,
        **manifest,
        "tree": {
            "alg": merkle.ALGORITHM,
            "size": sum(kind.lines for kind in kinds),
            "root": merkle.root(leaf for kind in kinds for leaf in kind.leaves()).hex(),
        },
        "counts": counts,
        "files": files,
        "previous": None,
    }
    raw = canonical(plain(body)) + b"\n"
    _whole(folder / MANIFEST, raw)
    _whole(folder / MANIFEST_HASH, hash_file(raw))
    sync(folder / "entries")
    if not kinds:
        (folder / "entries").rmdir()


def named(partial: Path, path: Path, scan_id: str) -> None:
    """Give a whole bundle its name; as a zip, when the name says so. Raises BundleError or OSError."""
    if path.suffix != ZIP:
        partial.rename(path)
        sync(path.parent)
        return
    packing = partial / f"packed{ZIP}"
    packing.unlink(missing_ok=True)
    room = FolderRoom(partial, BOUNDS)
    zipped(room, names_of(room), f"{scan_id}.cnamm", packing)
    try:
        name_as_new(packing, path)
    except FileExistsError as error:
        raise BundleError("the bundle exists already", where=str(path), do="choose another --output") from error
    sync(path.parent)
    shutil.rmtree(partial, ignore_errors=True)


def sync(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _measure(file: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    size = 0
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            size += len(block)
    return {"sha256": digest.hexdigest(), "size": size}
