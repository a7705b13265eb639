"""What is being done just now, for whoever wants to know: long work names itself as it begins, and says nothing where nobody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str], None]
"""Is told in a few words what begins now (`judging 812 rules`); nothing: what was being done has ended."""
_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


def doing(what: str) -> None:
    """Say what begins now."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(what)


@contextmanager
def heard(listener: Listener) -> Iterator[None]:
    """Have somebody told meanwhile; whoever was told before is told again after."""
    before = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(before)
