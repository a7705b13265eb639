"""Tells a scan that is running from one that was killed: whoever writes a bundle holds a lock that ends with its process."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import IO, Any


def held(stream: IO[bytes]) -> bool:
    """Take the lock of an open file without waiting. False: somebody else has it."""
    system = _system()
    if system is None:
        return True
    try:
        system.flock(stream.fileno(), system.LOCK_EX | system.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that knows no locks
        return True
    return True


def is_free(file: Path) -> bool:
    """Whether nobody holds the lock of a file. Raises OSError for one that cannot be opened."""
    with file.open("rb") as stream:
        return held(stream)


def _system() -> Any:
    try:
        return importlib.import_module("fcntl")
    except ImportError:  # where there is none, every scan looks killed
        return None
