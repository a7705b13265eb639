"""Runs a regular expression step by step and counts: whether it is linear is a matter of steps, not of time.

A small backtracking matcher over what `re` itself has parsed. It knows what our expressions use, and refuses the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

Items = list[tuple[Any, Any]]
_CLASSES: dict[Any, str] = {op.CATEGORY_SPACE: r"\s", op.CATEGORY_NOT_SPACE: r"\S", op.CATEGORY_WORD: r"\w", op.CATEGORY_DIGIT: r"\d"}


class Counted:
    """A pattern whose searches are counted."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.items: Items = list(_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))
        self.steps = 0
        self._fitting: dict[int, Callable[[str], bool]] = {}
        self._lists: dict[int, Items] = {}
        self._of_branches: dict[tuple[int, bool], list[tuple[Items, Callable[[str], bool] | None]]] = {}
        """By the ids of parts of the pattern, which lives as long as this does."""

    def _list(self, part: Any) -> Items:
        """The items of a part of a pattern, which `re` gives one by one."""
        found = self._lists.get(id(part))
        if found is None:
            found = self._lists[id(part)] = list(part)
        return found

    def _branches(self, parts: list[Any], fold: bool) -> list[tuple[Items, Callable[[str], bool] | None]]:
        """Each branch with how its first character is tested; None where it begins with no single one."""
        found = self._of_branches.get((id(parts), fold))
        if found is None:
            several = [self._list(part) for part in parts]
            found = [(items, self._test(*items[0], fold) if items else None) for items in several]
            self._of_branches[id(parts), fold] = found
        return found

    def search(self, text: str, start: int = 0) -> tuple[int, int] | None:
        """The span of the first match from `start` on."""
        for at in range(start, len(text) + 1):
            for end in self._match(self.items, 0, text, at, False):
                return at, end
        return None

    def match(self, text: str) -> bool:
        """Whether the whole text fits, as `fullmatch` tries it: every way to an end before the text's is tried too."""
        return any(end == len(text) for end in self._match(self.items, 0, text, 0, False))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The spans of all matches, one after the other, as `sub` goes through them."""
        found: list[tuple[int, int]] = []
        at = 0
        while at <= len(text) and (span := self.search(text, at)) is not None:
            found.append(span)
            at = max(span[1], span[0] + 1)
        return found

    def _match(self, items: Items, number: int, text: str, at: int, fold: bool) -> Iterator[int]:
        if number == len(items):
            yield at
            return
        kind, what = items[number]
        for end in self._one(kind, what, text, at, fold):
            yield from self._match(items, number + 1, text, end, fold)

    def _one(self, kind: Any, what: Any, text: str, at: int, fold: bool) -> Iterator[int]:
        self.steps += 1
        test = self._test(kind, what, fold)
        if test is not None:
            if at < len(text) and test(text[at]):
                yield at + 1
        elif kind is op.AT:
            if _is_at(what, text, at):
                yield at
        elif kind is op.BRANCH:
            for items, test in self._branches(what[1], fold):
                if test is not None and not (at < len(text) and test(text[at])):
                    self.steps += 1  # as if it had been tried: most of many end with their first character
                else:
                    yield from self._match(items, 0, text, at, fold)
        elif kind is op.SUBPATTERN:
            _, on, _, inner = what
            yield from self._match(self._list(inner), 0, text, at, fold or bool(on & re.IGNORECASE))
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            direction, inner = what
            start = at if direction > 0 else at - inner.getwidth()[0]
            there = start >= 0 and any(direction > 0 or end == at for end in self._match(self._list(inner), 0, text, start, fold))
            if there is (kind is op.ASSERT):
                yield at
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            yield from self._repeat(kind, what, text, at, fold)
        else:
            raise NotImplementedError(str(kind))

    def _repeat(self, kind: Any, what: Any, text: str, at: int, fold: bool) -> Iterator[int]:
        least, most, inner = what
        items = self._list(inner)
        test = self._test(items[0][0], items[0][1], fold) if len(items) == 1 else None
        if test is None:
            if kind is op.MIN_REPEAT:
                raise NotImplementedError("a group that is repeated as seldom as can be")
            for end in self._again(items, least, most, text, at, fold):
                yield end
                if kind is op.POSSESSIVE_REPEAT:
                    return
            return
        count = 0
        if kind is op.MIN_REPEAT:
            while True:
                if count >= least:
                    yield at + count
                self.steps += 1
                if count == most or at + count >= len(text) or not test(text[at + count]):
                    return
                count += 1
        while count < most and at + count < len(text) and test(text[at + count]):
            self.steps += 1
            count += 1
        for taken in range(count, least - 1, -1):
            self.steps += 1
            yield at + taken
            if kind is op.POSSESSIVE_REPEAT:
                return

    def _again(self, items: Items, least: int, most: int, text: str, at: int, fold: bool) -> Iterator[int]:
        """The ends of a group that is repeated, as often as can be first."""
        waiting = [(at, self._match(items, 0, text, at, fold) if most else iter(()))]
        while waiting:
            self.steps += 1
            here, ends = waiting[-1]
            end = next(ends, None)
            if end is None:
                waiting.pop()
                if len(waiting) >= least:
                    yield here
            elif end > here:
                done = len(waiting)
                waiting.append((end, self._match(items, 0, text, end, fold) if done < most else iter(())))

    def _test(self, kind: Any, what: Any, fold: bool) -> Callable[[str], bool] | None:
        """Whether one character fits; None for what is no single character."""
        if kind is op.LITERAL:
            wanted = chr(what)
            return (lambda char: char.lower() == wanted.lower()) if fold else wanted.__eq__
        if kind is op.NOT_LITERAL:
            return lambda char: char != chr(what)
        if kind is op.IN:
            key = id(what)
            if key not in self._fitting:
                self._fitting[key] = cache(partial(_fits, what))
            return self._fitting[key]
        if kind is op.ANY:
            return lambda char: char != "\n"
        return None


def _fits(choices: Items, char: str) -> bool:
    wanted = True
    for kind, what in choices:
        if kind is op.NEGATE:
            wanted = False
        elif (
            (kind is op.LITERAL and ord(char) == what)
            or (kind is op.RANGE and what[0] <= ord(char) <= what[1])
            or (kind is op.CATEGORY and re.match(_CLASSES[what], char))
        ):
            return wanted
    return not wanted


def _is_at(what: Any, text: str, at: int) -> bool:
    if what in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
        return at == 0
    if what in (op.AT_END, op.AT_END_STRING):
        return at == len(text)
    if what is op.AT_BOUNDARY:
        before, after = (bool(re.match(r"\w", char)) for char in (text[at - 1 : at] or " ", text[at : at + 1] or " "))
        return before is not after
    raise NotImplementedError(str(what))
