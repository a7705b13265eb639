"""Files that a command writes: whole or not at all, and a full disk is no wrong use."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from cnamm_scan.errors import CnammError, OutputError, UsageError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What a disk says though nobody chose wrongly."""
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL, errno.EACCES})
"""What a file system says that has no hard links: FAT and exFAT, some shares, some folders that a phone or a container lends."""


def put(file: Path, raw: bytes, *, is_new: bool = False) -> None:
    """Write a file whole or not at all, and the folders above it. `is_new`: FileExistsError where it is there. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with half.open("xb") as opened:
            opened.write(raw)
        if is_new:
            _named(half, file)
        else:
            half.replace(file)
    finally:
        half.unlink(missing_ok=True)


def _named(half: Path, file: Path) -> None:
    """Give a file its name, where nothing has it. Raises FileExistsError, or another OSError."""
    try:
        os.link(half, file)  # unlike a rename it does not take the place of another
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with file.open("xb"):  # a file system without links: the name is taken first, and then what it stands for is put there
            pass
        try:
            half.replace(file)
        except OSError:
            file.unlink(missing_ok=True)
            raise


def unwritable(error: OSError, where: Path | str, do: str) -> CnammError:
    """What to say of a file that cannot be written; `do` names what else may be chosen."""
    if error.errno in _FULL:
        return OutputError(f"cannot be written: {error.strerror}", where=str(where), do=f"free space, or {do}")
    return UsageError(f"cannot be written: {error.strerror}", where=str(where), do=do)
