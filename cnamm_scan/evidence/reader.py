"""Opens bundles, of folders and zips, of this form and the one before it, and gives back what is in them."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from cnamm_scan.errors import BundleError
from cnamm_scan.evidence import method as archive
from cnamm_scan.evidence.canonical import canonical
from cnamm_scan.evidence.form import (
    BEGUN,
    BOUNDS,
    CONTENT,
    ENTRIES,
    FORMAT,
    LOOSE_METHOD,
    MANIFEST,
    MANIFEST_HASH,
    METHOD,
    PARTIAL,
    SALTS,
    SCHEMA,
    Bounds,
    ManifestForm,
    broken,
    decode_line,
    explained,
    is_too_deep,
    moment,
)
from cnamm_scan.evidence.parts import Facts, Part, lines, unpacked
from cnamm_scan.evidence.room import FolderRoom, Room, ZipRoom, is_name
from cnamm_scan.evidence.verify import Checked, check_entries, check_files, parts_of
from cnamm_scan.model import GHOST_PART, REST_PART, Region, ResultBlock, Severity, Target, Verdict


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle, checked against its manifest."""

    path: Path
    manifest: Mapping[str, Any]
    room: Room
    form: ManifestForm
    checked: Checked | None = None
    """What opening found to hold of its entries; None where they were not looked at."""
    bounds: Bounds = BOUNDS

    @property
    def scan(self) -> Mapping[str, Any]:
        """The manifest's account of the scan."""
        scan: Mapping[str, Any] = self.manifest["scan"]
        return scan

    def targets(self) -> list[Target]:
        """The targets of the scan."""
        return [each.target for each in self.form.scan.targets]

    def regions(self) -> dict[str, list[Region]]:
        """Target id -> its regions."""
        return {each.id: [Region(r.name, r.state, r.seen, r.opt_in) for r in each.regions] for each in self.form.scan.targets}

    def asked(self) -> dict[str, Any]:
        """Table -> the parts that the plan asked of it, the paths that it kept, and those that an SDK could not show."""
        found = {line.pop("id"): line for line in self.entries("asked")}
        for line in found.values():
            del line["kind"]
        return {**self.manifest["plan"].get("tables", {}), **found}

    def facts(self) -> Facts:
        """The facts, by table."""
        return Facts(self._parts("fact"), self.room.read, self.room.where)

    def _parts(self, kind: str) -> Iterator[Part]:
        for entry in self.form.files:
            if entry.kind == kind:
                yield from parts_of(entry)

    def entries(self, kind: str) -> Iterator[dict[str, Any]]:
        """Every entry of a kind, in order."""
        for entry in self.form.files:
            if entry.kind == kind:
                where = self.room.where(entry.path)
                for line in lines(unpacked(self.room.read(entry.path), where), where, self.bounds):
                    yield decode_line(line)

    def results(self, verdicts: Collection[Verdict] = (), rule: str | None = None, *, named: bool = True) -> Iterator[ResultBlock]:
        """What each rule said, as it was stored; all of it, or some verdicts, or one rule.

        With `named` the resources of a rest are looked up, so that every block names its own; without, it only says how many there are.
        """
        known: dict[str, dict[tuple[str, str], list[str]]] = {}
        for name, told_lines in itertools.groupby(self.entries("result"), key=lambda line: line["rule"]):
            if rule is not None and name != rule:
                continue
            found = [_block(line) for line in told_lines]
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
        for line in map(decode_line, self.facts().lines(table)):
            if not line["gaps"].keys() & {GHOST_PART, REST_PART}:
                found.setdefault((line["target"], line["region"]), []).append(line["key"])
        return {place: sorted(keys) for place, keys in found.items()}

    def method(self) -> dict[str, bytes]:
        """The content as it was run: name inside the packs -> bytes. Raises BundleError."""
        if METHOD in self.room.sizes:
            where = self.room.where(METHOD)
            return content_files(b"".join(self.room.read(METHOD)), self.bounds, where)
        names = [entry.path for entry in self.form.files if entry.path.startswith(LOOSE_METHOD)]
        if sum(self.room.sizes[name] for name in names) > self.bounds.method:
            raise broken(self.room.where(LOOSE_METHOD.rstrip("/")), f"has more than {self.bounds.method} bytes")
        return _named({name.removeprefix(LOOSE_METHOD): b"".join(self.room.read(name)) for name in names}, self.room.where(LOOSE_METHOD))


def content_files(raw: bytes, bounds: Bounds, where: str) -> dict[str, bytes]:
    """The content of a packed method. Raises BundleError."""
    try:
        return _named(archive.unpacked(raw, bounds.method), where)
    except ValueError as error:
        raise broken(where, str(error)) from error


def _named(files: dict[str, bytes], where: str) -> dict[str, bytes]:
    for name in files:
        if not is_name(name) or not name.startswith(CONTENT) or not name.endswith(".yaml"):
            raise broken(where, f"holds {name!r}, which is no content")
    return files


def open_bundle(path: Path, *, bounds: Bounds = BOUNDS, trusted: bool = False, partial: bool = False) -> Bundle:
    """Open a bundle, a folder or a zip, and check everything in it. Raises BundleError that names what does not fit.

    `trusted`: the entries are not gone through, for who has written them a moment ago. `partial`: a folder without its final name will do.
    """
    room = FolderRoom(path, bounds) if partial else _room(path, bounds)
    raw = _whole(room, MANIFEST, bounds.manifest)
    if _whole(room, MANIFEST_HASH, 1024) != hash_file(raw):
        raise broken(room.where(MANIFEST), f"does not match its hash in {MANIFEST_HASH}")
    manifest, form = _manifest(room, raw, bounds)
    check_files(room, form)
    _check_listed(room, form)
    if form.format > 1 and METHOD not in room.sizes:
        raise broken(room.where(METHOD), "is missing")
    checked = None if trusted else check_entries(room, form, room.where(MANIFEST), bounds)
    return Bundle(path, manifest, room, form, checked, bounds)


def verify(bundle: Bundle) -> Iterator[str]:
    """A line for each thing that was found to hold. Raises BundleError at the first that does not."""
    checked = bundle.checked or check_entries(bundle.room, bundle.form, bundle.room.where(MANIFEST), bundle.bounds)
    yield from checked.told()


def _room(path: Path, bounds: Bounds) -> Room:
    do = "name the ….cnamm folder or ….cnamm.zip that a scan has written"
    if path.is_dir():
        if path.name.endswith(PARTIAL) or (path / BEGUN).exists():
            raise BundleError("the bundle was never finished", where=str(path), do=f"seal what is there: cnamm-scan evaluate {path}")
        if not (path / MANIFEST).is_file():
            raise BundleError(f"there is no bundle: the folder holds no {MANIFEST}", where=str(path), do=do)
        return FolderRoom(path, bounds)
    if not path.is_file():
        raise BundleError("there is no bundle", where=str(path), do=do)
    return ZipRoom(path, bounds)


def _whole(room: Room, name: str, most: int) -> bytes:
    if name not in room.sizes:
        raise broken(room.where(name), "is missing")
    if room.sizes[name] > most:
        raise broken(room.where(name), f"has more than {most} bytes")
    return b"".join(room.read(name, 0, room.sizes[name]))


def _manifest(room: Room, raw: bytes, bounds: Bounds) -> tuple[Mapping[str, Any], ManifestForm]:
    where = room.where(MANIFEST)
    if is_too_deep(raw, bounds.depth):
        raise broken(where, f"nests deeper than {bounds.depth}")
    try:
        manifest = decode_line(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise broken(where, "is not JSON") from error
    if canonical(manifest) + b"\n" != raw:
        raise broken(where, "is not canonical JSON")
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or not isinstance(schema, str) or not schema.startswith(SCHEMA):
        raise BundleError(f"the bundle's schema is '{schema}', expected '{SCHEMA}{FORMAT}'", where=where, do="name a bundle of cnamm-scan")
    version = schema.removeprefix(SCHEMA)
    if not version.isdecimal() or len(version) > 6 or int(version) < 1 or manifest.get("format", 1) != int(version):
        raise broken(where, f"is of format '{version}' and says {manifest.get('format')!r}")
    if int(version) > FORMAT:
        since = manifest.get("since")
        needed = f"install cnamm-scan >= {since}" if _is_version(since) else "install a newer cnamm-scan"
        raise BundleError(f"written by format {version}; this version reads up to {FORMAT}", where=where, do=needed)
    try:
        form = msgspec.convert(manifest, ManifestForm)
        for told in (form.scan.started_at, form.scan.finished_at):
            moment(told)
    except (msgspec.ValidationError, ValueError) as error:
        raise broken(where, f"lacks something that every manifest has: {explained(error)}") from error
    _check_form(form, where)
    return manifest, form


def _is_version(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= 32 and text.isascii() and text[:1].isdigit() and text.replace(".", "").isalnum()


def _check_form(form: ManifestForm, where: str) -> None:
    """What the manifest's shape cannot say."""
    if len({target.id for target in form.scan.targets}) != len(form.scan.targets):
        raise broken(where, "names a target twice")
    seen: set[str] = set()
    for entry in form.files:
        if not is_name(entry.path):
            raise broken(where, f"names a file outside the bundle: {entry.path!r}")
        if entry.path in seen or entry.path in (MANIFEST, MANIFEST_HASH):
            raise broken(where, f"names '{entry.path}' twice")
        seen.add(entry.path)
        if entry.kind is None:
            continue
        if entry.kind not in ENTRIES:
            raise broken(where, f"names '{entry.path}' of kind '{entry.kind}', which this format does not know")
        if entry.lines is None:
            raise broken(where, f"lacks the lines of '{entry.path}'")
        if form.format > 1 and (entry.kind == "fact") != (entry.parts is not None):
            raise broken(where, f"lacks the parts of '{entry.path}', or has some too many")
        if entry.parts is not None and sum(part.size for part in entry.parts) != entry.size:
            raise broken(where, f"lacks a part of '{entry.path}'")
    if SALTS not in seen:
        raise broken(where, f"does not name {SALTS}")


def _check_listed(room: Room, form: ManifestForm) -> None:
    listed = {MANIFEST, MANIFEST_HASH, *(entry.path for entry in form.files)}
    for name in room.sizes:
        if name not in listed:
            raise broken(room.where(name), "is not named in the manifest")


def hash_file(manifest: bytes) -> bytes:
    """What stands beside the manifest: the form that `sha256sum --check` reads."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def _block(line: Mapping[str, Any]) -> ResultBlock:
    given = {name: line[name] for name in ResultBlock.__slots__}
    listed = {name: tuple(line[name]) for name in ("resources", "facts", "columns", "values")}
    return ResultBlock(**{**given, **listed, "verdict": Verdict(line["verdict"]), "severity": Severity(line["severity"])})


def _without(keys: Iterable[str], named: Counter[str]) -> Iterator[str]:
    for key in keys:
        if named[key]:
            named[key] -= 1
        else:
            yield key


__all__ = ["Bundle", "hash_file", "open_bundle", "verify"]
