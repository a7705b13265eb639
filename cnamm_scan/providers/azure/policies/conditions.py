"""Conditions of role assignments (ABAC): what a holder may still do, in three truths. What is not understood is not known."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cnamm_scan.providers.azure.granted import covers
from cnamm_scan.providers.truths import Truth, both, either

_TOKEN = re.compile(
    r"\s*(?P<word>&&|\|\||!|\(|\)|"
    r"(?:ActionMatches|SubOperationMatches)\s*\{\s*'[^']*'\s*\}|"
    r"@\w+\[[^\]]*\](?:<\$[^>]*\$>)?|"
    r"\{[^{}]*\}|'[^']*'|[A-Za-z][\w:]*|-?\d+(?:\.\d+)?)\s*"
)
_ATTRIBUTE = re.compile(r"@(?P<source>\w+)\[(?P<name>[^\]]*)\]")
_LIST = re.compile(r"'(?P<quoted>[^']*)'|(?P<bare>[^\s,{}']+)")
_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody would do: an operation, and the values that the request would have."""

    operation: str
    values: Mapping[str, str]
    """Attribute of the request, in small letters -> its value. What is not here may be anything: it is not known."""


Test = Callable[[Ask], Truth]


@lru_cache(maxsize=1024)
def parsed(text: str) -> Test:
    """The condition as a question. One that cannot be read is not known, whatever is asked."""
    words: list[str] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            return _unknown
        words.append(found["word"])
        at = found.end()
    try:
        test, rest = _either(words, 0)
    except (IndexError, ValueError):
        return _unknown
    return test if rest == len(words) else _unknown


def _unknown(ask: Ask) -> Truth:
    return None


def _either(words: Sequence[str], at: int, depth: int = 0) -> tuple[Test, int]:
    test, at = _both(words, at, depth)
    while at < len(words) and words[at].upper() in ("OR", "||"):
        other, at = _both(words, at + 1, depth)
        test = _joined(either, test, other)
    return test, at


def _both(words: Sequence[str], at: int, depth: int) -> tuple[Test, int]:
    test, at = _one(words, at, depth)
    while at < len(words) and words[at].upper() in ("AND", "&&"):
        other, at = _one(words, at + 1, depth)
        test = _joined(both, test, other)
    return test, at


def _joined(how: Callable[[Truth, Truth], Truth], one: Test, other: Test) -> Test:
    return lambda ask: how(one(ask), other(ask))


def _one(words: Sequence[str], at: int, depth: int) -> tuple[Test, int]:
    if depth > _DEPTH:
        raise ValueError("nested too deep")
    word = words[at]
    if word == "!" or word.upper() == "NOT":
        inner, at = _one(words, at + 1, depth + 1)
        return lambda ask: None if (held := inner(ask)) is None else not held, at
    if word == "(":
        inner, at = _either(words, at + 1, depth + 1)
        if words[at] != ")":
            raise ValueError("not closed")
        return inner, at + 1
    if word.startswith("ActionMatches"):
        pattern = word.partition("'")[2].rpartition("'")[0]
        return lambda ask: covers(pattern, ask.operation), at + 1
    if word.startswith("SubOperationMatches"):
        return _unknown, at + 1
    if word.upper() in ("EXISTS", "NOTEXISTS"):
        return _unknown, at + 2
    return _compared(word, words[at + 1], words[at + 2]), at + 3


def _compared(left: str, operator: str, right: str) -> Test:
    found = _ATTRIBUTE.fullmatch(left)
    if found is None or found["source"].lower() not in ("request", "resource"):
        return _unknown
    name = found["name"].rpartition(":")[2].lower()
    wanted = [(each["quoted"] or each["bare"]).lower() for each in _LIST.finditer(right)]
    quantifier, _, plain = operator.rpartition(":")
    is_not = "Not" in plain
    plain = plain.replace("Not", "")
    if plain not in ("GuidEquals", "StringEquals", "StringEqualsIgnoreCase") or quantifier.endswith("OfAllValues") is not (
        is_not and bool(quantifier)
    ):
        return _unknown  # what no assistant of Azure's writes: any of them unequal, or equal to all

    def test(ask: Ask) -> Truth:
        value = ask.values.get(name)
        return None if value is None else (value.lower() in wanted) is not is_not

    return test
