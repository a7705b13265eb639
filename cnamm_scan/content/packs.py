"""Where packs lie and which files are theirs: the bundled one, installed ones and those that are named. Nothing is parsed here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

from cnamm_scan import yamls
from cnamm_scan.content.source import Source
from cnamm_scan.errors import ContentError

KINDS = ("collectors", "rules", "mappings")
"""The folders of a pack."""
PATH = re.compile(r"(?:(?:collectors|rules)/[a-z][a-z0-9_-]{0,63}|mappings)(?:/[a-z0-9][a-z0-9._-]{0,99}){1,4}\.yaml")
"""The name of a file inside a pack: it becomes the name of a file in bundles."""


def bundled_pack() -> Path:
    """The folder of the packs that ship: inside the wheel, or the checkout of an editable install."""
    package = Path(__file__).parent.parent
    inside = package / "_content"
    return inside if inside.is_dir() else package.parent


def installed_packs() -> Iterator[Path]:
    """Packs of other distributions: the entry point names a folder (a str or Path)."""
    for point in entry_points(group="cnamm_scan.content"):
        try:
            yield Path(point.load())
        except Exception as error:
            what = f"the installed pack '{point.name}' cannot be loaded: {type(error).__name__}"
            raise ContentError(what, where=point.value, do="mend or remove the distribution that brings it") from error


def sources_of(pack: Path, *, is_shipped: bool = False) -> Iterator[Source]:
    """The files of a pack, each read, in order. Raises ContentError for one that cannot be read."""
    shown = _shown(pack)
    for kind in KINDS:
        for file in _files(pack / kind):
            if file.suffix == ".yml":
                raise ContentError("content files end in .yaml", where=str(file), do=f"rename it to {file.stem}.yaml")
            if file.suffix == ".yaml":
                if not file.is_file():  # whoever opens a pipe waits for ever
                    raise ContentError("is no file, nor a link to one", where=str(file), do="put the file itself there")
                name = "/".join(file.parts[len(pack.parts) :])
                try:
                    with open(file, "rb") as opened:
                        raw = opened.read(yamls.CONTENT.limits.size + 1)  # one more than is read: then it is refused
                except OSError as error:
                    raise ContentError(f"cannot be read: {error.strerror}", where=str(file), do="check its permissions") from error
                yield Source(name, f"{shown}{name}", raw, is_shipped=is_shipped)


def _files(folder: Path) -> list[Path]:
    """All that lies in a folder of a pack, in order; none where there is no such folder.

    Raises ContentError for a folder that cannot be looked into: what it holds would be missing, and nobody told.
    """
    found = []
    try:
        for at, folders, files in os.walk(folder, onerror=_refuse):
            for name in folders:
                if (linked := Path(at, name)).is_symlink():
                    raise ContentError("is a link to a folder, which is not followed", where=str(linked), do="put the folder itself there")
            found += [Path(at, name) for name in files]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror}", where=str(error.filename), do="check its permissions") from error
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise error


def refuse_odd_name(source: Source) -> None:
    """Raise ContentError for a file that no bundle could hold under its name."""
    if not PATH.fullmatch(source.name):
        raise ContentError(
            "a file of this name is no content",
            where=source.shown,
            do="write collectors/PROVIDER/SERVICE.yaml, rules/PROVIDER/SERVICE/NAME.yaml or mappings/MODEL/FUNCTION.yaml, in small letters",
        )


def _shown(pack: Path) -> str:
    """How the files of a pack are shown, up to their names inside of it: from where one stands."""
    try:
        near = pack.relative_to(Path.cwd())
    except ValueError:
        near = pack
    return "" if near == Path() else f"{near.as_posix().rstrip('/')}/"
