"""Giving a written file its name, also where the file system has no hard links."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL, errno.EACCES})
"""What a file system says that has no hard links: FAT and exFAT, some shares, some folders that a phone or a container lends."""


def name_as_new(half: Path, file: Path) -> None:
    """Give a whole file its name, where nothing has it; `half` may stay. Raises FileExistsError, or another OSError."""
    try:
        os.link(half, file)  # unlike a rename it does not take the place of another
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with file.open("xb"):  # the name is taken first, and then what it stands for is put there
            pass
        try:
            half.replace(file)
        except OSError:
            file.unlink(missing_ok=True)
            raise
