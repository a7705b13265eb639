"""Files that a command writes: whole or not at all, and a full disk is no wrong use."""

from __future__ import annotations

import errno
import secrets
from pathlib import Path

from cnamm_scan.errors import CnammError, OutputError, UsageError
from cnamm_scan.writing import name_as_new

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What a disk says though nobody chose wrongly."""


def put(file: Path, raw: bytes, *, is_new: bool = False) -> None:
    """Write a file whole or not at all, and the folders above it. `is_new`: FileExistsError where it is there. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with half.open("xb") as opened:
            opened.write(raw)
        if is_new:
            name_as_new(half, file)
        else:
            half.replace(file)
    finally:
        half.unlink(missing_ok=True)


def unwritable(error: OSError, where: Path | str, do: str) -> CnammError:
    """What to say of a file that cannot be written; `do` names what else may be chosen."""
    if error.errno in _FULL:
        return OutputError(f"cannot be written: {error.strerror}", where=str(where), do=f"free space, or {do}")
    return UsageError(f"cannot be written: {error.strerror}", where=str(where), do=do)
