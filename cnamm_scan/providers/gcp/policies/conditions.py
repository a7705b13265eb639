"""Conditions of bindings, in CEL: whether one lets through what is asked, in three truths. What is not understood is not known.

https://docs.cloud.google.com/iam/docs/conditions-attribute-reference
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial

from cnamm_scan.providers.truths import Truth, both, either, negated

_TIME = re.compile(
    r"(?:request\.time\s*(?P<sign><=?|>=?)\s*timestamp\(\s*(?P<quote>['\"])(?P<moment>[^'\"]*)(?P=quote)\s*\))"
    r"|(?:timestamp\(\s*(?P<quote2>['\"])(?P<moment2>[^'\"]*)(?P=quote2)\s*\)\s*(?P<sign2><=?|>=?)\s*request\.time)"
)
_ROLES = re.compile(
    r"api\.getAttribute\(\s*(?P<quote>['\"])iam\.googleapis\.com/modifiedGrantsByRole(?P=quote)\s*,\s*\[\s*\]\s*\)"
    r"\.hasOnly\(\s*\[(?P<roles>[^\]]*)\]\s*\)"
)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody would do: when, and which role he would give by it, where he gives one."""

    at: datetime
    gives: str = ""


@lru_cache(maxsize=65536)
def allows(expression: str, ask: Ask) -> Truth:
    """Whether a condition lets it through; an empty one lets everything."""
    return holds(expression, partial(_asked, ask=ask), _DEPTH)


def holds(expression: str, asked: Callable[[str], Truth], depth: int) -> Truth:
    """Whether a condition holds, of which `asked` says whether one comparison does; an empty one does. None where it nests deeper."""
    if not expression.strip():
        return True
    try:
        return _either(expression, asked, depth)
    except ValueError:
        return None


def _either(text: str, asked: Callable[[str], Truth], left: int) -> Truth:
    found: Truth = False
    for each in split(text, "||"):
        part: Truth = True
        for one in split(each, "&&"):
            part = both(part, _one(one.strip(), asked, left))
        found = either(found, part)
    return found


def _one(text: str, asked: Callable[[str], Truth], left: int) -> Truth:
    if left < 0:
        raise ValueError("nested too deep")
    if not text:
        raise ValueError("nothing between two operators")
    if text.startswith("!") and not text.startswith("!="):
        return negated(_one(text[1:].strip(), asked, left - 1))
    if is_bracketed(text):
        return _either(text[1:-1], asked, left - 1)
    return asked(text)


def quoted_in(text: str) -> frozenset[str]:
    """The texts that stand in quotes in one."""
    return frozenset(one or other for one, other in _QUOTED.findall(text))


def _asked(text: str, ask: Ask) -> Truth:
    if text in ("true", "false"):
        return text == "true"
    if found := _TIME.fullmatch(text):
        at = moment(found["moment"] or found["moment2"] or "")
        return None if at is None else _compared(found["sign"] or _TURNED[found["sign2"]], ask.at, at)
    if ask.gives and (given := _ROLES.fullmatch(text)):
        return ask.gives in quoted_in(given["roles"])
    return None


def _compared(sign: str, at: datetime, other: datetime) -> bool:
    match sign:
        case "<":
            return at < other
        case "<=":
            return at <= other
        case ">":
            return at > other
        case _:
            return at >= other


def moment(text: str) -> datetime | None:
    """The moment that a text is, UTC's where it names no zone; None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def split(text: str, sign: str) -> Sequence[str]:
    """The text at each operator that stands in no brackets and no quotes."""
    cuts = [at for at in _outside(text) if text.startswith(sign, at)]
    ends = [*cuts, len(text)]
    starts = [0, *(at + len(sign) for at in cuts)]
    return [text[first:last] for first, last in zip(starts, ends, strict=True)]


def is_bracketed(text: str) -> bool:
    """Whether the whole of a text stands in brackets."""
    return text[0] == "(" and text[-1] == ")" and not any(True for _ in _outside(text))


def _outside(text: str) -> Iterator[int]:
    """Where signs stand that are in no brackets and no quotes. Raises ValueError where one is not closed."""
    depth, quote, skip = 0, "", False
    for at, sign in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip = sign == "\\"
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
            if depth < 0:
                raise ValueError("closed and not opened")
        elif depth == 0:
            yield at
    if depth or quote:
        raise ValueError("not closed")
