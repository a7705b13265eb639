"""A Python that the system lets write small files only: what a full disk is to a bundle, without a disk."""

from __future__ import annotations

import sys


def small_files(limit: int, program: str) -> list[str]:
    """The command line of a program no file of which may grow beyond `limit` bytes; its arguments come after it.

    It compiles nothing to disk: Python does not see that its own file was cut short, and every later run would read that.
    """
    return [sys.executable, "-B", "-c", f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n{program}"]
