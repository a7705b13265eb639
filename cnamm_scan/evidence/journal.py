"""What a scan that is killed leaves beside its shards: what it is about, and each entry that no shard holds yet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from cnamm_scan.evidence.canonical import canonical, plain
from cnamm_scan.evidence.form import BEGUN, FORMAT, JOURNAL, SINCE
from cnamm_scan.evidence.lock import held
from cnamm_scan.evidence.shards import created, put

SIZE = 32 * 2**20
"""Bytes of the journal from which on everything kept back is written, and the journal begun anew."""


class Journal:
    """Beside the shards of a bundle that grows. Raises OSError when it cannot be written."""

    def __init__(self, folder: Path) -> None:
        """In this folder, once `begin` is called."""
        self._folder = folder
        self._told: IO[bytes] | None = None
        self._lines: IO[bytes] | None = None
        self._size = 0

    @property
    def is_begun(self) -> bool:
        """Whether what a kill leaves can be sealed."""
        return self._told is not None

    def begin(self, about: Mapping[str, Any]) -> None:
        """Write down what the scan is about, and hold the folder."""
        self._told = created(self._folder / BEGUN)
        held(self._told)
        self.tell({"format": FORMAT, "since": SINCE, **about})
        self._lines = created(self._folder / JOURNAL)

    def tell(self, body: Mapping[str, Any]) -> None:
        """Add to what the scan is about, at once; nothing before it has begun."""
        if self._told is not None:
            put(self._told, canonical(plain(body)) + b"\n")
            os.fsync(self._told.fileno())

    def is_full(self, raw: bytes) -> bool:
        """Whether the shards must be settled before this line can be noted."""
        return self._lines is not None and self._size + len(raw) > SIZE

    def note(self, raw: bytes) -> None:
        """Keep a line that must not be lost with the process."""
        if self._lines is not None:
            put(self._lines, raw + b"\n")
            self._size += len(raw) + 1

    def settled(self) -> None:
        """Begin anew: the shards hold every line now."""
        if self._lines is not None:
            os.ftruncate(self._lines.fileno(), 0)
            os.lseek(self._lines.fileno(), 0, os.SEEK_SET)
            self._size = 0

    def close(self) -> None:
        """Let go of the folder."""
        for stream in (self._lines, self._told):
            if stream is not None:
                stream.close()
        self._lines = self._told = None

    def remove(self) -> None:
        """Take both files away: the bundle is whole without them."""
        self.close()
        for name in (JOURNAL, BEGUN):
            (self._folder / name).unlink(missing_ok=True)
