"""Values that are worked out when they are first asked for: what `cached_property` does, without its lock.

That lock costs a tenth of all evaluation, and two threads would only work out the same twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")


class once(Generic[Value]):
    """A method whose answer is kept in the object's `__dict__`, where it is found first from then on."""

    def __init__(self, make: Callable[[Any], Value]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, it: None, owner: type) -> once[Value]: ...
    @overload
    def __get__(self, it: object, owner: type) -> Value: ...
    def __get__(self, it: object | None, owner: type) -> once[Value] | Value:
        if it is None:
            return self
        made = it.__dict__[self._name] = self._make(it)
        return made
