"""Packs into Content: what was read before is taken from the cache, and every problem of every file is told in one go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cnamm_scan import __version__
from cnamm_scan.content import kept
from cnamm_scan.content.builder import Builder, begun
from cnamm_scan.content.packs import KINDS, PATH, bundled_pack, installed_packs, sources_of
from cnamm_scan.content.source import Source
from cnamm_scan.doing import doing
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Content


def load(packs: Iterable[Path] = (), *, bundled: bool = True, problems: list[ContentError] | None = None) -> Content:
    """Read the bundled pack, the installed ones and `packs`, in that order.

    Raises ContentError that holds every problem of every file: one run names them all. With `problems` they go there, and what could be
    read is given back: for looking on, not for scanning with.
    """
    doing("reading content")
    sources: list[list[Source]] = []
    if bundled:
        sources.append(list(sources_of(bundled_pack(), is_shipped=True)))
        sources.extend(list(sources_of(pack)) for pack in installed_packs())
    for pack in packs:
        if not any((pack / kind).is_dir() for kind in KINDS):
            raise ContentError("is no content pack", where=str(pack), do="name a folder that holds collectors/, rules/ or mappings/")
        sources.append(list(sources_of(pack)))
    return _build(sources, problems)


def load_files(files: Mapping[str, bytes]) -> Content:
    """Content from files in memory, as `method/` of a bundle holds them: name inside the pack -> bytes."""
    doing("reading content")
    # what is overridden, or added to, comes first
    ordered = sorted(files.items(), key=lambda file: (any(word in b"\n" + file[1] for word in (b"\noverrides:", b"\nadds:")), file[0]))
    return _build([[Source(name, f"method/{name}", raw, is_shipped=_ships(name, raw)) for name, raw in ordered]])


def _ships(name: str, raw: bytes) -> bool:
    """Whether the product itself comes with this file, word for word."""
    if not PATH.fullmatch(name):
        return False
    try:
        return (bundled_pack() / name).read_bytes() == raw
    except OSError:
        return False


def sha_of(files: Mapping[str, bytes]) -> str:
    """The hash of content, as reading its files gives it."""
    digest = hashlib.sha256()
    for name, raw in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(raw).digest())
    return digest.hexdigest()


def _base(packs: Sequence[Sequence[Source]]) -> Content | None:
    """What ships, where the packs behind it add tables and rules alone: nothing that they say changes how its own files are read."""
    shipped, *added = packs
    if not any(added) or not shipped or not all(source.is_shipped for source in shipped):
        return None
    if any(source.name.startswith("mappings/") for sources in added for source in sources):
        return None
    try:
        return _build([shipped])
    except ContentError:  # it is read with the packs then, and said there
        return None


def _build(packs: Sequence[Sequence[Source]], problems: list[ContentError] | None = None) -> Content:
    everything = [source for sources in packs for source in sources]
    base = _base(packs)
    own = everything if base is None else [source for source in everything if not source.is_shipped]
    is_kept = problems is None and len(own) >= kept.FEWEST  # few files behind a base are read sooner than kept
    known = kept.take(everything) if is_kept else None
    if known is not None:
        return _upon(base, known)
    builder = Builder() if base is None else begun(base)
    for source in own:
        builder.read(source)
    for source in everything:  # model files are content too; they are read by a shape of their own
        builder.files.setdefault(source.name, source.raw)
    models = builder.made_models() if base is None else base.models
    builder.check_references()
    if problems is not None:
        problems += builder.problems
    elif builder.problems:
        raise ContentError(f"content does not validate: {len(builder.problems)} problem(s)", problems=builder.problems)
    found = Content(
        tables=builder.tables,
        views=builder.views,
        rules=builder.rules,
        objectives=builder.objectives,
        models=models,
        merged=builder.merged,
        version=__version__,
        sha256=sha_of(builder.files),
        files=builder.files,
        shipped=frozenset(builder.shipped),
    )
    if is_kept and not builder.problems:
        kept.put(everything, found)
    return _upon(base, found)


def _upon(base: Content | None, grown: Content) -> Content:
    """The content with its base, where none of that was overridden."""
    return replace(grown, base=base) if base is not None and base.shipped <= grown.shipped else grown
