"""Files of manifests read: objects with where they stand, and what is no object or cannot be read, each named.

Nothing is rendered: a chart's templates and a kustomization's patches are not yet objects, and judging them would judge what never runs.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from cnamm_scan import yamls
from cnamm_scan.errors import UsageError
from cnamm_scan.providers.kubernetes import kustomize

Json = Any
ENDINGS = (".yaml", ".yml", ".json")
LIMITS = yamls.MANIFESTS.limits
STDIN = "standard input"
HELM = "helm template {} | cnamm-scan scan kubernetes:-"
KUSTOMIZE = "kubectl kustomize {} | cnamm-scan scan kubernetes:-"


@dataclass(frozen=True, slots=True)
class Written:
    """One object and where it stands."""

    group: str
    version: str
    kind: str
    document: Mapping[str, Json]
    file: str
    """As a person finds it from where they are."""
    line: int
    within: str
    """The same file as seen from what was named: it says the same on another machine."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that was not read, why, and what to do about it."""

    file: str
    what: str
    do: str
    line: int | None = None

    @property
    def where(self) -> str:
        """The file, with its line where there is one."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(slots=True)
class Reading:
    """What was found."""

    objects: list[Written] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    kustomizations: list[str] = field(default_factory=list)
    """The folders of kustomizations."""
    changed: bool = False
    """Whether one of them does more than to name what was read: rendered, something else would be there."""
    patches: list[str] = field(default_factory=list)
    """Files that are parts of kustomizations, and no objects."""


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    name: str
    within: str
    text: str
    is_asked: bool = True
    """Whether it was named; else it stands beside what was, and may say that this is a patch."""


class _NotRead(Exception):
    """Why a file is not read: the caller knows which."""

    def __init__(self, what: str, do: str, line: int | None = None) -> None:
        super().__init__(what)
        self.what, self.do, self.line = what, do, line


def read(source: str) -> Reading:
    """Everything in a file, in a folder and beneath, or of standard input (`-`). Raises UsageError for what is not there."""
    found = Reading()
    files = list(_files(source, found))
    documents: list[tuple[_File, list[yamls.Placed]]] = []
    for file in files:
        try:
            documents.append((file, _documents(file)))
        except _NotRead as error:
            if file.is_asked:
                found.unread.append(Unread(file.name, error.what, error.do, error.line))
    parts = _kustomized(documents, found)
    for file, several in documents:
        if not file.is_asked:
            continue
        if source != "-" and file.path.resolve() in parts:
            found.patches.append(file.name)
            continue
        objects = [each for placed in several for each in _objects(file, placed, placed.value)]
        template = next((each for each in objects if _is_template(each)), None)
        if template is not None:
            found.unread.append(Unread(file.name, "a template, not yet a manifest", f"render it first: {HELM.format('…')}", template.line))
            continue
        for each in objects:
            if each.group == kustomize.GROUP:
                continue
            if "$patch" in each.document:  # kustomize's own word in a patch: delete, replace, merge
                found.patches.append(file.name)
            else:
                found.objects.append(each)
    return found


def refuse(source: str, unread: list[Unread]) -> UsageError:
    """The one error that names every file that was not read."""
    if len(unread) == 1:
        (only,) = unread
        return UsageError(only.what, where=only.where, do=f"{only.do}, or go on without the file: --skip-unreadable")
    lines = "\n".join(f"  {each.where}: {each.what}" for each in unread)
    ways = "; ".join(sorted({each.do for each in unread}))
    return UsageError(
        f"{len(unread)} files cannot be read as manifests:\n{lines}",
        where=f"kubernetes:{source}",
        do=f"{ways}; or go on without them: --skip-unreadable",
    )


# ---- files ---------------------------------------------------------------------------------------------------------------


def _files(source: str, found: Reading) -> Iterator[_File]:
    if source == "-":
        if sys.stdin is None:
            raise UsageError("standard input is closed", where="kubernetes:-", do="pipe manifests in: helm template … | …")
        try:
            yield _File(Path(), STDIN, STDIN, _text(sys.stdin.buffer, "pipe manifests in: helm template … | …"))
        except _NotRead as error:
            found.unread.append(Unread(STDIN, error.what, error.do))
        return
    path = _there(source)
    if path.is_dir():
        paths = [(file, file.relative_to(path)) for file in sorted(path.rglob("*")) if _is_wanted(file, file.relative_to(path))]
    else:
        paths = [(path, Path(path.name))]
        paths += [(path.with_name(name), Path(name)) for name in sorted(kustomize.NAMES - {path.name}) if path.with_name(name).is_file()]
    for file, within in paths:
        is_asked = path.is_dir() or file == path
        if not file.is_file():  # to open a pipe may wait for ever
            found.unread.append(Unread(str(file), _other(file), "leave it out, or put a file in its place"))
            continue
        try:
            with file.open("rb") as opened:
                text = _text(opened, "save the file as UTF-8, or name the others")
        except OSError as error:
            trouble = Unread(str(file), f"cannot be read: {error.strerror}", "check its permissions")
        except _NotRead as error:
            trouble = Unread(str(file), error.what, error.do)
        else:
            yield _File(file, str(file), within.as_posix(), text, is_asked)
            continue
        found.unread += [trouble] if is_asked else []


def _there(source: str) -> Path:
    """The file or folder that is named. Raises UsageError for what is none, and says what it is."""
    where = f"kubernetes:{source}"
    try:
        path = Path(source).expanduser()
        is_either = path.is_dir() or path.is_file()
        path.stat()
    except OSError as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise UsageError(f"cannot be read: {error.strerror}", where=where, do="check its permissions") from error
        what = "a link to what is not there" if os.path.islink(os.path.expanduser(source)) else "no such file or folder"
        raise UsageError(what, where=where, do="name manifests that are there, or a context") from error
    except (ValueError, RuntimeError) as error:  # a name with a NUL, and ~ of somebody who is not there
        raise UsageError("no such file or folder", where=where, do="name manifests that are there, or a context") from error
    if not is_either:
        raise UsageError(_other(path), where=where, do="pipe manifests in: helm template … | cnamm-scan scan kubernetes:-")
    return path


def _other(path: Path) -> str:
    """What stands somewhere that is neither a file nor a folder."""
    if path.is_fifo():
        return "a pipe, and no file or folder: it has another name each time, and gives what it holds only once"
    if path.is_symlink() and not path.exists():
        return "a link to what is not there"
    return "a device or a socket, and no file or folder"


def _is_wanted(file: Path, within: Path) -> bool:
    """Whether somebody would take it for a manifest, even where it is no file that can be read."""
    hidden = any(part.startswith(".") for part in within.parts)
    return not hidden and (file.suffix in ENDINGS or file.name in kustomize.NAMES) and not file.is_dir()


def _text(opened: IO[bytes], otherwise: str) -> str:
    try:
        raw = opened.read(LIMITS.size + 1)
        if len(raw) > LIMITS.size:
            raise _NotRead(f"larger than {LIMITS.size >> 20} MiB", "make it several files")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _NotRead("not UTF-8 text", otherwise) from error
    except OSError as error:
        raise _NotRead(f"cannot be read: {error.strerror}", "name a file, a folder or a pipe") from error


def _chart_of(path: Path) -> Path | None:
    """The chart whose templates hold a file; None for any other file."""
    above = (folder.parent for folder in path.parents if folder.name == "templates")
    return next((folder for folder in above if (folder / "Chart.yaml").is_file()), None)


def _kustomized(documents: list[tuple[_File, list[yamls.Placed]]], found: Reading) -> set[Path]:
    """The files that kustomizations among these lay over objects. Those that no other builds on are named first: those are rendered."""
    parts: set[Path] = set()
    resources: set[Path] = set()
    folders: list[tuple[Path, bool]] = []
    here = {file.path.resolve() for file, _ in documents}
    here |= {path.parent for path in here if path.name in kustomize.NAMES}
    for file, several in documents:
        for placed in several:
            if kustomize.is_kustomization(file.path, placed.value):
                folders.append((file.path.parent, placed.value.get("kind") == "Component"))
                parts |= kustomize.settings_of(file.path.parent, placed.value)
                named = kustomize.resources_of(file.path.parent, placed.value)
                resources |= named
                found.changed |= not kustomize.only_lists(placed.value) or (file.is_asked and not named <= here)
    folders.sort(key=lambda each: (each[1], each[0].resolve() in resources, each[0]))
    found.kustomizations = [str(folder) for folder, _ in folders]
    return parts - resources


# ---- documents -----------------------------------------------------------------------------------------------------------


def _documents(file: _File) -> list[yamls.Placed]:
    text = file.text
    chart = _chart_of(file.path) if file.name != STDIN and "{{" in text else None
    if chart is not None:
        raise _NotRead("a chart's template, not yet a manifest", f"render it first: {HELM.format(chart)}")
    try:
        if text.lstrip()[:1] in ("{", "["):
            try:
                return list(_json(text))
            except ValueError:
                pass  # YAML may begin so too, and several JSON documents with --- between them are YAML
        return list(yamls.placed(text, yamls.MANIFESTS))
    except RecursionError as error:
        raise _NotRead(f"nested more than {LIMITS.depth} levels deep", "leave the file out") from error
    except yamls.YamlError as error:
        if "{{" in text and error.what.startswith("not well-formed"):
            raise _NotRead("a template, not yet a manifest", f"render it first: {HELM.format('…')}", error.line) from error
        raise _NotRead(error.what, error.do, error.line) from error


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are Python's, not JSON's


_decoder = json.JSONDecoder(parse_constant=_refuse)
_SPACE = " \t\r\n"


def _json(text: str) -> Iterator[yamls.Placed]:
    """JSON values, one after the other, on lines of their own or not. Raises ValueError for what is none, YamlError for too much."""
    at, line, count = _skipped(text, 0), 1, 0
    line += text.count("\n", 0, at)
    while at < len(text):
        value, end = _decoder.raw_decode(text, at)
        yamls.within(value, LIMITS)
        count += 1
        if count > LIMITS.documents:
            raise yamls.YamlError(f"holds more than {LIMITS.documents} documents", line, "make it several files")
        lines: dict[int, int] = {}
        _note(text, at, line, value, lines)
        yield yamls.Placed(value, lines)
        following = _skipped(text, end)
        line += text.count("\n", at, following)
        at = following


def _note(text: str, at: int, line: int, value: Json, lines: dict[int, int]) -> None:
    """Write down the line of a value that was read from `at`, and of the items of lists of objects in it."""
    if isinstance(value, dict):
        lines[id(value)] = line
        if not isinstance(value.get("items"), list):
            return
        inner = _items_at(text, at)
    elif isinstance(value, list):
        inner = at
    else:
        return
    items = value if isinstance(value, list) else value["items"]
    position = _skipped(text, inner + 1)
    for item in items:
        line, at = line + text.count("\n", at, position), position
        _note(text, at, line, item, lines)
        position = _skipped(text, _decoder.raw_decode(text, position)[1])
        position = _skipped(text, position + 1) if text[position : position + 1] == "," else position


def _items_at(text: str, at: int) -> int:
    """Where the last `items` of the mapping that begins at `at` begins: of two the last counts."""
    found = at
    position = _skipped(text, at + 1)
    while text[position] != "}":
        key, position = _decoder.raw_decode(text, position)
        position = _skipped(text, _skipped(text, position) + 1)  # the colon
        if key == "items":
            found = position
        position = _skipped(text, _decoder.raw_decode(text, position)[1])
        if text[position] == ",":
            position = _skipped(text, position + 1)
    return found


def _skipped(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _objects(file: _File, placed: yamls.Placed, document: Json, line: int = 1) -> Iterator[Written]:
    """The objects of a document: itself, or those of a List. What has no apiVersion and kind is none, and is passed over."""
    if isinstance(document, list):
        for each in document:
            yield from _objects(file, placed, each, line)
        return
    if not isinstance(document, Mapping):
        return
    line = placed.lines.get(id(document), line)
    api, kind = document.get("apiVersion"), document.get("kind")
    if not isinstance(api, str) or not isinstance(kind, str):
        return
    items = document.get("items")
    if kind.endswith("List") and isinstance(items, list):
        for each in items:
            if not isinstance(each, Mapping):
                continue
            if kind == "List":
                yield from _objects(file, placed, each, line)
            else:  # items of the API server's own lists leave out what the list says already
                said = {"apiVersion": api, "kind": kind.removesuffix("List"), **each}
                yield from _objects(file, placed, said, placed.lines.get(id(each), line))
        return
    group, _, version = api.rpartition("/")
    yield Written(group, version, kind, document, file.name, line, file.within)


def _is_template(each: Written) -> bool:
    """Whether an object is still a template that happens to be YAML: no name has braces."""
    metadata = each.document.get("metadata")
    return isinstance(metadata, Mapping) and any("{{" in str(metadata.get(name) or "") for name in ("name", "generateName", "namespace"))
