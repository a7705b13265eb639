"""Three truths: yes, no, and not known. What was not seen decides nothing that what was seen decides already."""

from __future__ import annotations

from collections.abc import Iterable

Truth = bool | None
"""None: not known."""


def both(*truths: Truth) -> Truth:
    """AND."""
    return False if False in truths else None if None in truths else True


def either(*truths: Truth) -> Truth:
    """OR."""
    return True if True in truths else None if None in truths else False


def negated(truth: Truth) -> Truth:
    """NOT."""
    return None if truth is None else not truth


def all_of(truths: Iterable[Truth]) -> Truth:
    """AND over as many as there are, asked until one decides; of none: yes."""
    found: Truth = True
    for each in truths:
        if each is False:
            return False
        if each is None:
            found = None
    return found


def any_of(truths: Iterable[Truth]) -> Truth:
    """OR over as many as there are, asked until one decides; of none: no."""
    found: Truth = False
    for each in truths:
        if each is True:
            return True
        if each is None:
            found = None
    return found
