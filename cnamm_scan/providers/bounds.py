"""How large an answer may be, how long it may take and how often it may go on: the one place for these numbers.

Each bound has a reason of its own in the ledger: what is too large or goes on for ever is `truncated`, what takes too long is `timed_out`,
what nests deeper than can be followed or has a line without an end is `malformed`. They are far above what any API sends, and far below
what hurts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one answer may cost. Header lines end at 65,536 bytes and there are at most 100 of them: `http.client` holds those two."""

    body: int = 64 * 1024 * 1024
    """Bytes of one body, as it comes and unpacked. A page of 500 pods is 10 MB, one of 1,000 policies 5."""
    framing: int = 1024 * 1024
    """Bytes that status line, headers and the lines of chunks may take besides."""
    seconds: float = 60.0
    """From the first byte asked to the last byte read, where the request does not say by when it must have ended."""


BOUNDS = Bounds()
PAGES = 10_000
"""Pages of one listing, or of one part. At 500 to 1,000 items a page that is more than anything that is configured by people."""
LISTING_SECONDS = 3600.0
"""Seconds that the pages of one listing may take together, waits for other calls not counted."""
