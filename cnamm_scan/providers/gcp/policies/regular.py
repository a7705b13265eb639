"""Regular expressions as Cloud Logging takes them (RE2, anywhere in a text), without going back: what somebody wrote cannot take long.

Each step looks at every state once for a sign of the text. What is not understood raises ValueError.
https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

Takes = Callable[[str], bool]
"""Whether a state goes on with a sign."""

_LENGTH, _DEPTH = 1000, 40
_CLASSES: dict[str, Takes] = {
    "d": lambda sign: "0" <= sign <= "9",
    "w": lambda sign: sign == "_" or (sign.isascii() and sign.isalnum()),
    "s": lambda sign: sign in "\t\n\f\r ",
}
_BEGIN, _END = "^", "$"
_REPEATS = "*+?"


@dataclass(slots=True)
class _State:
    """What is asked of the next sign (None: nothing), or of the place; and where to go on then."""

    takes: Takes | None = None
    at: str = ""
    after: list[int] = field(default_factory=list)


class Pattern:
    """A compiled expression."""

    def __init__(self, text: str) -> None:
        if len(text) > _LENGTH:
            raise ValueError("a long expression")
        self._text, self._at, self._folds = text, 0, False
        if text.startswith("(?i)"):
            self._at, self._folds = len("(?i)"), True
        self._states: list[_State] = []
        self._first, lasts = self._either(0)
        if self._at < len(text):
            raise ValueError("a bracket is closed that was not opened")
        self._done = self._add(_State())
        self._join(lasts, self._done)

    def found_in(self, text: str) -> bool:
        """Whether some part of a text is of this form."""
        found: set[int] = set()
        for at in range(len(text) + 1):
            found = self._reached([*found, self._first], at, len(text))
            if self._done in found:
                return True
            if at < len(text):
                sign = text[at].lower() if self._folds else text[at]
                found = {to for each in found if (takes := self._states[each].takes) and takes(sign) for to in self._states[each].after}
        return False

    def _reached(self, states: Sequence[int], at: int, end: int) -> set[int]:
        """These, and all that follow without a sign."""
        found, todo = set[int](), list(states)
        while todo:
            number = todo.pop()
            if number in found:
                continue
            found.add(number)
            state = self._states[number]
            if state.takes is None and (not state.at or (at == 0 if state.at == _BEGIN else at == end)):
                todo += state.after
        return found

    # ---- reading -------------------------------------------------------------------------------------------------------

    def _add(self, state: _State) -> int:
        self._states.append(state)
        return len(self._states) - 1

    def _join(self, lasts: Sequence[int], to: int) -> None:
        for each in lasts:
            self._states[each].after.append(to)

    def _next(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _take(self) -> str:
        if self._at >= len(self._text):
            raise ValueError("it ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _either(self, depth: int) -> tuple[int, list[int]]:
        """Alternatives: where they begin, and the states that nothing follows yet."""
        if depth > _DEPTH:
            raise ValueError("nested too deep")
        begins, lasts = self._add(_State()), list[int]()
        while True:
            first, ends = self._sequence(depth)
            self._states[begins].after.append(first)
            lasts += ends
            if self._next() != "|":
                return begins, lasts
            self._at += 1

    def _sequence(self, depth: int) -> tuple[int, list[int]]:
        first = self._add(_State())
        lasts = [first]
        while self._next() not in ("", "|", ")"):
            begins, ends = self._piece(depth)
            self._join(lasts, begins)
            lasts = ends
        return first, lasts

    def _piece(self, depth: int) -> tuple[int, list[int]]:
        begins, ends = self._one(depth)
        if self._next() and self._next() in _REPEATS:
            sign = self._take()
            if self._next() == "?":  # takes as little as it can: finds the same
                self._at += 1
            if self._next() and self._next() in _REPEATS:
                raise ValueError("a repetition of a repetition")
            enters, leaves = self._add(_State()), self._add(_State())
            self._states[enters].after.append(begins)
            self._join(ends, leaves)
            if sign != "+":
                self._states[enters].after.append(leaves)
            if sign != "?":
                self._states[leaves].after.append(begins)
            return enters, [leaves]
        return begins, ends

    def _one(self, depth: int) -> tuple[int, list[int]]:
        sign = self._take()
        if sign == "(":
            if self._next() == "?":
                if not self._text.startswith("?:", self._at):
                    raise ValueError("a group of another kind")
                self._at += len("?:")
            begins, ends = self._either(depth + 1)
            if self._take() != ")":
                raise ValueError("a bracket is not closed")
            return begins, ends
        if sign in (_BEGIN, _END):
            state = _State(at=sign)
        elif sign == ".":
            state = _State(lambda each: each != "\n")
        elif sign == "[":
            state = _State(self._members())
        elif sign == "\\":
            state = _State(self._escaped())
        elif sign in "*+?{":
            raise ValueError("a repetition of nothing, or a counted one")
        else:
            state = _State(self._literal(sign))
        number = self._add(state)
        return number, [number]

    def _literal(self, sign: str) -> Takes:
        own = sign.lower() if self._folds else sign
        return lambda each: each == own

    def _escaped(self) -> Takes:
        sign = self._take()
        if known := _CLASSES.get(sign):
            return known
        if other := _CLASSES.get(sign.lower()):
            return lambda each: not other(each)
        if sign.isalnum():
            raise ValueError("an escape that is not known")
        return self._literal(sign)

    def _members(self) -> Takes:
        is_none = self._next() == "^"
        self._at += is_none
        takes: list[Takes] = []
        while (sign := self._take()) != "]" or not takes:
            if sign == "[" and self._next() == ":":
                raise ValueError("a named class")
            if sign == "\\":
                takes.append(self._escaped())
            elif self._next() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                takes.append(self._range(sign, self._take()))
            else:
                takes.append(self._literal(sign))
        return lambda each: any(one(each) for one in takes) is not is_none

    def _range(self, first: str, last: str) -> Takes:
        if last == "\\":
            raise ValueError("a range to an escape")
        if self._folds:
            return lambda each: first <= each <= last or first <= each.upper() <= last
        return lambda each: first <= each <= last


@lru_cache(maxsize=4096)
def pattern(text: str) -> Pattern | None:
    """A compiled expression; None for one that is not understood."""
    try:
        return Pattern(text)
    except ValueError:
        return None
