"""How many examples a law is tried with: a quarter in `make test`, which everyone waits for, all in `make test-all`."""

from __future__ import annotations

is_whole = False
"""Whether the slow tests run too; `conftest.py` says it before any test is read."""


def drawn(whole: int) -> int:
    """Of so many examples those that this run draws."""
    return whole if is_whole else max(min(whole, 3), whole // 4)
