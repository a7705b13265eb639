"""Three truths: yes, no, and not known."""

from __future__ import annotations

from collections.abc import Iterable

Truth = bool | None
"""None: not known."""


def both(one: Truth, other: Truth) -> Truth:
    """AND."""
    return False if one is False or other is False else None if one is None or other is None else True


def either(one: Truth, other: Truth) -> Truth:
    """OR."""
    return True if one is True or other is True else None if one is None or other is None else False


def negated(one: Truth) -> Truth:
    """NOT."""
    return None if one is None else not one


def any_of(truths: Iterable[Truth]) -> Truth:
    """OR over as many as there are; of none: no."""
    found: Truth = False
    for each in truths:
        if each is True:
            return True
        found = either(found, each)
    return found
