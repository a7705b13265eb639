"""What a `*` and a `?` reach: one place for the wildcards of actions, resources, ARNs and condition values.

Three questions are asked of a pattern: does it match this text, does it cover all of another pattern, can it meet another pattern at all.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from cnamm_scan.providers.wildcards import matches

WILD = re.compile(r"[*?]")
_RUN = re.compile(r"[*?]{2,}")
ARN_PARTS = 6


def is_wild(text: str) -> bool:
    """Whether a wildcard stands in the text."""
    return "*" in text or "?" in text


def literal_prefix(pattern: str) -> str:
    """What stands before the first wildcard: the only part that binds a name which somebody else may choose the rest of."""
    found = WILD.search(pattern)
    return pattern if found is None else pattern[: found.start()]


@lru_cache(maxsize=65536)
def tidy(pattern: str) -> str:
    """The same pattern with each run of wildcards in one form (`**` is `*`, `*?` is `?*`), so that equal ones look equal."""
    return _RUN.sub(lambda run: "?" * run.group().count("?") + ("*" if "*" in run.group() else ""), pattern)


@lru_cache(maxsize=65536)
def covers(wide: str, narrow: str) -> bool:
    """Whether every text that `narrow` matches is matched by `wide` too. True is proof; False may be a doubt for mixed runs of
    wildcards."""
    if wide in ("*", narrow):
        return True
    if not is_wild(narrow):
        return matches(wide, narrow)
    wide, narrow = tidy(wide), tidy(narrow)
    start, end = literal_prefix(wide), _literal_suffix(wide)
    if not narrow.startswith(start) or not narrow.endswith(end) or len(narrow) < len(start) + len(end):
        return False
    wide, narrow = _between(wide, len(start), len(end)), _between(narrow, len(start), len(end))
    if wide == "*":
        return True
    # bit n of a row: the signs so far cover the first n of the narrow one
    signs, every = _signs(narrow), (2 << len(narrow)) - 1
    single = every & ~1 & ~signs.get("*", 0)
    row = 1
    for sign in wide:
        row = _from_first(row, every) if sign == "*" else row << 1 & (single if sign == "?" else signs.get(sign, 0))
        if not row:
            return False
    return bool(row >> len(narrow) & 1)


@lru_cache(maxsize=65536)
def meets(one: str, other: str) -> bool:
    """Whether some text is matched by both patterns."""
    if "*" in (one, other):
        return True
    if not is_wild(other):
        return matches(one, other)
    if not is_wild(one):
        return matches(other, one)
    one, other = tidy(one), tidy(other)
    mine, theirs = literal_prefix(one), literal_prefix(other)
    if not mine.startswith(theirs) and not theirs.startswith(mine):
        return False
    my_end, their_end = _literal_suffix(one), _literal_suffix(other)
    if not my_end.endswith(their_end) and not their_end.endswith(my_end):
        return False
    start, end = min(len(mine), len(theirs)), min(len(my_end), len(their_end))
    one, other = _between(one, start, end), _between(other, start, end)
    if "*" in (one, other):
        return True
    # bit n of a row: the signs so far can meet the first n of the other
    signs, every = _signs(other), (2 << len(other)) - 1
    stars, single = signs.get("*", 0), signs.get("?", 0)
    row = 1 | 2 & stars
    for sign in one:
        if sign == "*":
            row = _from_first(row, every)
        else:
            above = row
            row = above << 1 & (every & ~1 & ~stars if sign == "?" else single | signs.get(sign, 0)) | above & stars
            row |= row << 1 & stars  # no star stands beside another
        if not row:
            return False
    return bool(row >> len(other) & 1)


def _literal_suffix(pattern: str) -> str:
    """What stands behind the last wildcard."""
    return pattern[max(pattern.rfind("*"), pattern.rfind("?")) + 1 :]


def _between(pattern: str, start: int, end: int) -> str:
    return pattern[start : len(pattern) - end]


def _from_first(row: int, every: int) -> int:
    """A row with every bit from the first that is set on: what a star makes of it."""
    return -(row & -row) & every


@lru_cache(maxsize=8192)
def _signs(pattern: str) -> Mapping[str, int]:
    """Sign -> the bits of the places behind it."""
    made: dict[str, int] = {}
    for at, sign in enumerate(pattern, 1):
        made[sign] = made.get(sign, 0) | 1 << at
    return made


@dataclass(frozen=True)
class Names:
    """A set of actions or of resources: the patterns listed, or with `but` everything except them (NotAction, NotResource).

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notaction.html
    """

    listed: tuple[str, ...]
    but: bool = False

    @cached_property
    def _written_out(self) -> frozenset[str]:
        return frozenset(each for each in self.listed if not is_wild(each))

    @cached_property
    def _wild(self) -> Mapping[str, tuple[str, ...]]:
        """The patterns with wildcards by what stands before their first colon, empty where a wildcard stands there: lists of a thousand
        actions are asked hundreds of questions, each about one service."""
        made: dict[str, tuple[str, ...]] = {}
        for each in filter(is_wild, self.listed):
            head, colon, _ = literal_prefix(each).partition(":")
            key = head if colon else ""
            made[key] = (*made.get(key, ()), each)
        return made

    @cached_property
    def heads(self) -> frozenset[str] | None:
        """What stands before the colons, which of actions is their services; None where anything may."""
        if self.but or "" in self._wild:
            return None
        return frozenset((*self._wild, *(each.partition(":")[0] for each in self._written_out)))

    def has(self, text: str) -> bool:
        """Whether this very name is in the set."""
        wild = self._wild
        found = text in self._written_out or any(matches(each, text) for key in {"", text.partition(":")[0]} for each in wild.get(key, ()))
        return found is not self.but

    def covers(self, pattern: str) -> bool:
        """Whether all that the pattern matches is in the set."""
        if self.but:
            return not any(meets(each, pattern) for each in self.listed)
        return any(covers(each, pattern) for each in self.listed)

    def meets(self, pattern: str) -> bool:
        """Whether something that the pattern matches is in the set."""
        if self.but:
            return not any(covers(each, pattern) for each in self.listed)
        return any(meets(each, pattern) for each in self.listed)

    @property
    def is_all(self) -> bool:
        """Whether it is everything, written in the usual way."""
        return not self.but and "*" in self.listed

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in the set."""
        return self.but and any(tidy(each) in ("*", "*:*") for each in self.listed)

    def covers_all_but(self, left_out: tuple[str, ...]) -> bool:
        """Whether everything except `left_out` is in the set."""
        if self.but:
            return all(any(covers(other, each) for other in left_out) for each in self.listed)
        return any(tidy(each) in ("*", "*:*") for each in self.listed)

    @property
    def pieces(self) -> tuple[str | None, ...]:
        """The set as patterns; None stands for a complement, which is one piece."""
        return (None,) if self.but else self.listed

    def covers_piece(self, piece: str | None, left_out: tuple[str, ...]) -> bool:
        """Whether a piece of another set, whose own list is `left_out` if it is a complement, is wholly in this one."""
        return self.covers_all_but(left_out) if piece is None else self.covers(piece)


EVERYTHING = Names(("*",))
"""What a document without Resource is about: the thing that it hangs on."""


def arn_parts(text: str) -> tuple[str, ...] | None:
    """The six parts of an ARN or of a pattern for ARNs, the last with its colons; None where it is none.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
    """
    parts = text.split(":", ARN_PARTS - 1)
    return tuple(parts) if len(parts) == ARN_PARTS and (parts[0] == "arn" or is_wild(parts[0])) else None


def arn_account(text: str) -> str:
    """The account in an ARN's fifth part; empty where there is none (buckets) or it is a pattern or the text is no ARN."""
    parts = arn_parts(text)
    return parts[4] if parts is not None and is_account(parts[4]) else ""


def is_account(text: str) -> bool:
    """Twelve digits."""
    return len(text) == 12 and text.isascii() and text.isdigit()


@lru_cache(maxsize=65536)
def arn_matches(pattern: str, text: str) -> bool:
    """`ArnLike`, and `ArnEquals`, which is the same: each of the six parts on its own, no star runs into the next part.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
    """
    if tidy(pattern) == "*":
        return True
    asked, given = arn_parts(pattern), arn_parts(text)
    return asked is not None and given is not None and all(map(matches, asked, given))
