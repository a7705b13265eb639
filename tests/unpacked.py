"""What a scan wrote, unpacked, for the tests that look for what must not be in it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path


def written(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder, unpacked."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            data = file.read_bytes()
            yield file, gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
