"""Filters of Cloud Logging, as its query language means them: whether an entry of the log matches one, in three truths.

OR binds closer than AND, terms side by side are joined by AND, and texts are compared without regard to case. What is not understood
here, and fields of which an entry does not say what stands in them, leave it open.
https://docs.cloud.google.com/logging/docs/view/logging-query-language, https://google.aip.dev/160
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from cnamm_scan.providers.gcp.policies.regular import pattern
from cnamm_scan.providers.truths import Truth, all_of, any_of, negated

_LENGTH, _DEPTH = 20_000, 60
"""Google takes no filter that is longer."""
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<comment>--[^\n]*)|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<sign>>=|<=|!=|=~|!~|[=:<>])|(?P<bracket>[(),])|(?P<word>[^\s()\"'=:<>!,~]+)",
    re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_NOT_PLAIN = re.compile(r"\\[abfvxuU0-7?]")
_UNREAD = "\0"
"""Stands for a text with an escape that is not unfolded here."""
_ANY = "*"
_GRADES = {name: grade for grade, name in enumerate("DEFAULT DEBUG INFO NOTICE WARNING ERROR CRITICAL ALERT EMERGENCY".lower().split())}
SEVERITY = ("severity",)


class Says(Enum):
    """How much an entry says of a field."""

    ALL = "all"
    """These are its values, in each entry of the kind."""
    SOME = "some"
    """It has these values; another entry of the kind may have more."""
    EXAMPLE = "example"
    """One entry of the kind has these; what others have is not known."""


class Field(NamedTuple):
    """What stands in a field: several values where what it stands in is repeated; none where it is not there."""

    values: tuple[str, ...]
    says: Says = Says.ALL


@dataclass(frozen=True)
class Entry:
    """A kind of entry of the log: its path in small letters -> what stands there."""

    fields: Mapping[tuple[str, ...], Field]
    log_id: str = "cloudaudit.googleapis.com/activity"

    def at(self, path: tuple[str, ...], *, as_example: bool) -> tuple[tuple[str, ...], bool] | None:
        """The values at a path, and whether there are no others; None where nothing is known."""
        for length in range(1, len(path)):
            above = self.fields.get(path[:length])
            if above is not None and not above.values and (as_example or above.says is Says.ALL):
                return (), True  # it stands in what is not there
        known = self.fields.get(path)
        if known is None or (known.says is Says.EXAMPLE and not as_example):
            return None
        return known.values, as_example or known.says is Says.ALL

    def has(self, path: tuple[str, ...], *, as_example: bool) -> Truth:
        """Whether there is anything at a path."""
        told = self.at(path, as_example=as_example)
        if told is not None:
            return bool(told[0])
        beneath = [each for own, each in self.fields.items() if len(own) > len(path) and own[: len(path)] == path and each.values]
        return True if any(as_example or each.says is not Says.EXAMPLE for each in beneath) else None


class _Odd(ValueError):
    """Not of the language as it is known here."""


class _Token(NamedTuple):
    kind: str
    text: str
    is_glued: bool
    """No space stands before it."""


@dataclass(frozen=True, slots=True)
class _Value:
    text: str
    raw: str
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class _Many:
    """AND or OR of what stands in it, or its opposite."""

    parts: Sequence[_Node]
    is_all: bool
    is_not: bool = False


@dataclass(frozen=True, slots=True)
class _Compared:
    """A field, a sign, and what it is compared with: values joined by AND, OR and NOT."""

    path: tuple[str, ...]
    sign: str
    with_: _Node


@dataclass(frozen=True, slots=True)
class _Called:
    name: str
    arguments: tuple[str, ...]


_Node = _Value | _Many | _Compared | _Called
_Reads = Callable[[int], _Node]
"""Reads what stands between AND and OR, at a depth."""


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, is_glued = 0, False
    while at < len(text):
        seen = _TOKEN.match(text, at)
        if seen is None:
            raise _Odd(f"a sign at {at} that begins nothing")
        kind, at = seen.lastgroup or "", seen.end()
        if kind in ("space", "comment"):
            is_glued = False
            continue
        if kind == "word" and "--" in seen.group():
            raise _Odd("a comment within a word, or none")
        found.append(_Token(kind, seen.group(), is_glued))
        is_glued = True
    return found


class _Reader:
    """Tokens into a tree. Raises _Odd."""

    def __init__(self, text: str) -> None:
        self._all = _tokens(text)
        self._at = 0

    def whole(self) -> _Node:
        found = self._every(0, self._term) if self._all else _Many((), is_all=True)
        if self._at < len(self._all):
            raise _Odd("a bracket is closed that was not opened")
        return found

    def _next(self, ahead: int = 0) -> _Token | None:
        return self._all[self._at + ahead] if self._at + ahead < len(self._all) else None

    def _is(self, text: str, kind: str = "word") -> bool:
        token = self._next()
        return token is not None and token.kind == kind and token.text == text

    def _take(self) -> _Token:
        token = self._next()
        if token is None:
            raise _Odd("it ends too early")
        self._at += 1
        return token

    def _every(self, depth: int, one: _Reads) -> _Node:
        """Terms joined by AND, or side by side."""
        if depth > _DEPTH:
            raise _Odd("nested too deep")
        parts = [self._some(depth, one)]
        while (token := self._next()) is not None and not (token.kind == "bracket" and token.text in "),"):
            if self._is("AND"):
                self._at += 1
            parts.append(self._some(depth, one))
        return parts[0] if len(parts) == 1 else _Many(tuple(parts), is_all=True)

    def _some(self, depth: int, one: _Reads) -> _Node:
        parts = [self._negated(depth, one)]
        while self._is("OR"):
            self._at += 1
            parts.append(self._negated(depth, one))
        return parts[0] if len(parts) == 1 else _Many(tuple(parts), is_all=False)

    def _negated(self, depth: int, one: _Reads) -> _Node:
        is_not = False
        while True:
            token = self._next()
            if token is None or token.kind != "word":
                break
            if token.text == "NOT":
                self._at += 1
            elif token.text.startswith("-"):
                self._shorten(token)
            else:
                break
            is_not = not is_not
        token = self._next()
        if token is not None and token.kind == "word" and token.text in ("AND", "OR"):
            raise _Odd("nothing between two operators")
        found = one(depth)
        return _Many((found,), is_all=True, is_not=True) if is_not else found

    def _shorten(self, token: _Token) -> None:
        """What is left of a word without the sign that negates it."""
        if len(token.text) > 1:
            self._all[self._at] = token._replace(text=token.text[1:])
        else:
            self._at += 1

    def _bracketed(self, depth: int, one: _Reads) -> _Node | None:
        if not self._is("(", "bracket"):
            return None
        self._at += 1
        found = self._every(depth + 1, one)
        if self._take().text != ")":
            raise _Odd("a bracket is not closed")
        return found

    def _term(self, depth: int) -> _Node:
        if (found := self._bracketed(depth, self._term)) is not None:
            return found
        names = self._names()
        if (called := self._called(names)) is not None:
            return called
        token = self._next()
        if token is None or token.kind != "sign":
            if len(names) > 1:
                raise _Odd("a text that is quoted in part")
            return _value(names[0])
        self._at += 1
        return _Compared(_path(names), token.text, self._argument(depth))

    def _argument(self, depth: int) -> _Node:
        if (found := self._bracketed(depth, self._argument)) is not None:
            return found
        names = self._names()
        if (called := self._called(names)) is not None:
            return called
        token = self._next()
        if len(names) > 1 or (token is not None and token.kind == "sign"):
            raise _Odd("a value of another kind")
        return _value(names[0])

    def _names(self) -> list[_Token]:
        """Words and texts that follow each other without a space: a field, or one value."""
        token = self._take()
        if token.kind not in ("word", "text"):
            raise _Odd("no name and no value")
        found = [token]
        while (more := self._next()) is not None and more.is_glued and more.kind in ("word", "text"):
            found.append(self._take())
        return found

    def _called(self, names: Sequence[_Token]) -> _Node | None:
        """A function, whose arguments are values; what else stands there is not kept. None where no bracket follows its name."""
        token = self._next()
        if token is None or (token.kind, token.text, token.is_glued) != ("bracket", "(", True) or names[0].kind != "word":
            return None
        self._at += 1
        depth, arguments = 1, list[str]()
        while depth:
            token = self._take()
            if token.kind == "bracket":
                depth += {"(": 1, ")": -1}.get(token.text, 0)
            else:
                arguments.append(_value(token).text if token.kind in ("word", "text") else token.text)
        return _Called("".join(each.text for each in names).lower(), tuple(arguments))


def _value(token: _Token) -> _Value:
    if token.kind == "word":
        return _Value(token.text, token.text)
    raw = token.text[1:-1]
    text = _UNREAD if _NOT_PLAIN.search(raw) else _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), raw)
    return _Value(text, raw, is_quoted=True)


def _path(names: Sequence[_Token]) -> tuple[str, ...]:
    """A field's names, from the outermost in, in small letters."""
    found: list[str] = []
    for at, each in enumerate(names):
        if each.kind == "text":
            found.append(_value(each).text.lower())
            continue
        text = each.text
        if at > 0 and not text.startswith("."):
            raise _Odd("a name that follows another without a dot")
        if at + 1 < len(names) and not text.endswith("."):
            raise _Odd("a name that follows another without a dot")
        inner = text[at > 0 : len(text) - (at + 1 < len(names))]
        if inner or at == 0:
            found += inner.lower().split(".")
    if "" in found:
        raise _Odd("a field without a name")
    return tuple(found)


@lru_cache(maxsize=4096)
def _read(text: str) -> _Node | None:
    """The tree of a filter; None for one that is not understood."""
    if len(text) > _LENGTH:
        return None
    try:
        return _Reader(text).whole()
    except _Odd:
        return None


def matches(text: str, entry: Entry) -> Truth:
    """Whether a filter matches every entry of a kind: no, where it is known of one that it does not."""
    tree = _read(text)
    if tree is None:
        return None
    found = _holds(tree, entry, as_example=False)
    return False if found is None and _holds(tree, entry, as_example=True) is False else found


def is_known(text: str) -> bool:
    """Whether a filter is understood as a whole."""
    return _read(text) is not None


def has_alternatives(text: str) -> bool:
    """Whether OR stands in it, or it is not understood."""
    tree = _read(text)
    return tree is None or _has_alternatives(tree)


def _has_alternatives(node: _Node) -> bool:
    if isinstance(node, _Many):
        return (not node.is_all and len(node.parts) > 1) or any(map(_has_alternatives, node.parts))
    return isinstance(node, _Compared) and _has_alternatives(node.with_)


def _holds(node: _Node, entry: Entry, *, as_example: bool) -> Truth:
    match node:
        case _Many():
            truths = (_holds(each, entry, as_example=as_example) for each in node.parts)
            found = all_of(truths) if node.is_all else any_of(truths)
            return negated(found) if node.is_not else found
        case _Compared():
            return _compared(node, node.with_, entry, as_example=as_example)
        case _Value():
            return _anywhere(node, entry)
        case _:
            return _called(node, entry)


def _called(node: _Called, entry: Entry) -> Truth:
    if node.name != "log_id" or len(node.arguments) != 1 or "%" in node.arguments[0]:
        return None
    return node.arguments[0].lower() == entry.log_id


def _anywhere(value: _Value, entry: Entry) -> Truth:
    """Whether a text stands in any field: not known where it is in none of those that are."""
    own = value.text.lower()
    if not own or "*" in own or _UNREAD in own:
        return None
    told = (each for known in entry.fields.values() if known.says is not Says.EXAMPLE for each in known.values)
    return True if any(own in each.lower() for each in told) else None


def _compared(node: _Compared, with_: _Node, entry: Entry, *, as_example: bool) -> Truth:
    if isinstance(with_, _Many):
        if node.sign in ("!=", "!~"):
            return None  # it is not said whether each of them must differ
        truths = (_compared(node, each, entry, as_example=as_example) for each in with_.parts)
        found = all_of(truths) if with_.is_all else any_of(truths)
        return negated(found) if with_.is_not else found
    if not isinstance(with_, _Value):
        return None
    if node.sign == ":" and with_.text == _ANY and not with_.is_quoted:
        return entry.has(node.path, as_example=as_example)
    told = entry.at(node.path, as_example=as_example)
    if told is None:
        return None
    values, are_all = told
    if node.sign in ("!=", "!~"):
        if len(values) != 1 or not are_all:
            return None  # of what is not there, and of what is repeated, it is not said
        return negated(_one(values[0], node.sign, with_, node.path))
    found = any_of(_one(each, node.sign, with_, node.path) for each in values)
    return None if found is False and not are_all else found


def _one(own: str, sign: str, value: _Value, path: tuple[str, ...]) -> Truth:
    """Whether one value of a field compares so; of != and !~ whether it would with = and =~."""
    if sign in ("=~", "!~"):
        return _regular(own, value)
    if _UNREAD in value.text:
        return None
    there, here = own.lower(), value.text.lower()
    if path == SEVERITY and here in _GRADES and there in _GRADES:
        return _graded(_GRADES[there], sign, _GRADES[here])
    if sign in ("=", "!="):
        return there == here
    if sign == ":":
        return None if _ANY in here else here in there
    return None


def _graded(own: int, sign: str, other: int) -> Truth:
    match sign:
        case "=" | "!=" | ":":
            return own == other
        case ">":
            return own > other
        case ">=":
            return own >= other
        case "<":
            return own < other
        case _:
            return own <= other


def _regular(own: str, value: _Value) -> Truth:
    """A text is an expression as it stands, or without its escapes: known where both say the same."""
    said = set[bool]()
    for text in {value.raw, value.text} if value.is_quoted else {value.raw}:
        if _UNREAD in text or (compiled := pattern(text)) is None:
            return None
        said.add(compiled.found_in(own))
    return said.pop() if len(said) == 1 else None
