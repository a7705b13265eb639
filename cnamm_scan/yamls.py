"""YAML read within bounds: the one parser of content and of manifests, so that no file of anybody's ends a run or eats its memory."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(Exception):
    """A text that is not read: `what` is wrong, at which `line` (from 1; None where no line can be named), and what to `do`."""

    def __init__(self, what: str, line: int | None = None, do: str = "mend the line") -> None:
        super().__init__(what)
        self.what = what
        self.line = line
        self.do = do


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one text may hold. What an alias stands for counts as if it were written out."""

    size: int
    """Bytes of the text."""
    weight: int
    """Characters of all its values, and `NODE` more for each of them."""
    depth: int
    """Levels of mappings and lists."""
    documents: int


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a text may say, where content and manifests differ."""

    limits: Limits
    strict_keys: bool
    """Keys are the texts that stand there, each once. Otherwise they are what JSON would have, and the last of two wins, as for kubectl."""
    bits: int | None = None
    """What an integer fits into, with its sign."""


CONTENT = Dialect(Limits(size=1 << 20, weight=4 << 20, depth=50, documents=1), strict_keys=True, bits=64)
"""The largest file that ships has 36 kB and 8 levels."""
MANIFESTS = Dialect(Limits(size=64 << 20, weight=256 << 20, depth=200, documents=100_000), strict_keys=False)
"""The API server's own types have less than a fifth of these levels; a cluster of 10,000 pods is printed in 50 MB."""

NODE = 32
"""What a value weighs besides its characters: about what it costs in memory."""
DIGITS = 100
"""Digits that a number may have."""
PLACED_LEVELS = 6
"""Levels whose lines are kept: an object, and one in lists of lists of objects."""
_DIRECTIVES = 100
"""Lines with %YAML and %TAG: each is compared with every other."""


def documents(text: str | bytes, dialect: Dialect) -> Iterator[Any]:
    """Every document of a text as JSON values: dates, times and `=` stay texts. Raises YamlError."""
    yield from _guarded(text, dialect, _Reader.documents)


def _guarded(text: str | bytes, dialect: Dialect, read: Callable[[_Reader], Iterator[Any]]) -> Iterator[Any]:
    """What is read of a text; every error of the parser as a YamlError with its line."""
    limits = dialect.limits
    if len(text) > limits.size:
        raise YamlError(f"larger than {_amount(limits.size)}", None, "make it several files")
    directives = text.count("\n%") if isinstance(text, str) else text.count(b"\n%")
    if directives > _DIRECTIVES:
        raise YamlError(f"has more than {_DIRECTIVES} directives", None, "leave lines that begin with % out")
    try:
        yield from read(_Reader(text, dialect))
    except yaml.reader.ReaderError as error:
        raise YamlError(f"not well-formed YAML: {error.reason}", _line_at(text, error.position)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "cannot be read"
        line = mark.line + 1 if mark else None
        if "nesting depth" in problem:  # libyaml's own bound, on brackets that it has not yet told of
            _too_deep(limits, line)
        raise YamlError(f"not well-formed YAML: {problem}", line) from error
    except UnicodeError as error:
        raise YamlError("not UTF-8 text", None, "save the file as UTF-8") from error


@dataclass(frozen=True, slots=True)
class Placed:
    """One document, and where its upper mappings stand."""

    value: Any
    lines: Mapping[int, int]
    """The id of a mapping -> the line at which it begins, down to `PLACED_LEVELS`. Good while `value` lives."""


def placed(text: str | bytes, dialect: Dialect) -> Iterator[Placed]:
    """As `documents`, with the lines of what stands in the upper levels: objects, and the items of lists of objects."""
    yield from _guarded(text, dialect, _Reader.placed)


def document(text: str | bytes, dialect: Dialect) -> Any:
    """The one document of a text; None when it is empty. Raises YamlError."""
    found = list(documents(text, dialect))
    return found[0] if found else None


def within(value: Any, limits: Limits) -> None:
    """Hold a value that was not read here (JSON, say) against the same bounds. Raises YamlError."""
    weight = 0
    level: list[Any] = [value]
    for _ in range(limits.depth + 1):
        below: list[Any] = []
        for each in level:
            weight += NODE + (len(each) if isinstance(each, str) else 0)
            if isinstance(each, dict):
                weight += sum(map(len, each))
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
        if weight > limits.weight:
            _too_much(limits, None)
        if not below:
            return
        level = below
    _too_deep(limits, None)


def _line(found: yaml.Event | yaml.Node) -> int:
    mark = found.start_mark
    return mark.line + 1 if mark else 1


def _line_at(text: str | bytes, position: int) -> int:
    raw = text.encode() if isinstance(text, str) else text
    return raw[:position].count(b"\n") + 1


def _too_deep(limits: Limits, line: int | None) -> NoReturn:
    raise YamlError(f"nested more than {limits.depth} levels deep", line, "leave it out, or make it flatter")


def _too_much(limits: Limits, line: int | None) -> NoReturn:
    what = f"holds more than {_amount(limits.weight)} of values, its aliases written out"
    raise YamlError(what, line, "use fewer aliases, or make it several files")


def _amount(size: int) -> str:
    return f"{size >> 20} MiB"


# ---- scalars -------------------------------------------------------------------------------------------------------------

_CORE = "tag:yaml.org,2002:"
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **{form: True for word in ("yes", "true", "on") for form in (word, word.capitalize(), word.upper())},
    **{form: False for word in ("no", "false", "off") for form in (word, word.capitalize(), word.upper())},
}
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*)")
_NUMBER = re.compile(r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_FIRST = frozenset("-+.0123456789")


class _Bad(Exception):
    """A scalar that is not what it says; the caller knows the line."""


def _plain(value: str) -> Any:
    """What an unquoted text without a tag is, by YAML 1.1 less what is a trap in it: dates and 12:30 are texts."""
    if len(value) <= 5 and value in _WORDS:
        return _WORDS[value]
    if value[0] not in _FIRST:
        return value
    if _INTEGER.fullmatch(value):
        return _integer(value)
    if _NUMBER.fullmatch(value):
        return _number(value)
    if _NOT_FINITE.fullmatch(value):
        raise _Bad(f"'{value}' is no number that JSON has")
    return value


_short = lru_cache(maxsize=1 << 14)(_plain)


def _integer(text: str) -> int | str:
    digits = text.replace("_", "").lstrip("+-").lower()
    if len(digits) > DIGITS:
        raise _Bad(f"a number of {len(digits)} digits; {DIGITS} at most are read")
    base = 2 if digits.startswith("0b") else 16 if digits.startswith("0x") else 8 if digits.startswith("0") and digits != "0" else 10
    if digits in ("", "0b", "0x"):
        return text  # 0x_ has the form of a number, and no digit
    number = int(digits, base)
    return -number if text.startswith("-") else number


def _number(text: str) -> float:
    if len(text) > DIGITS:
        raise _Bad(f"a number of {len(text)} digits; {DIGITS} at most are read")
    number = float(text.replace("_", ""))
    if not math.isfinite(number):
        raise _Bad(f"'{text}' is no number that JSON has")
    return number


def _tagged(tag: str, value: str) -> Any:
    """What a text is by the tag that stands before it."""
    name = tag.removeprefix(_CORE)
    if name in ("str", "timestamp"):
        return value
    number = _integer(value) if name in ("int", "float") and _INTEGER.fullmatch(value) else None
    if type(number) is int:
        return number if name == "int" else float(number)
    if name == "float" and _NUMBER.fullmatch(value):
        return _number(value)
    if name == "bool" and isinstance(_WORDS.get(value.lower()), bool):
        return _WORDS[value.lower()]
    if name == "null" and _WORDS.get(value, value) is None:
        return None
    shown = _shown(value)
    if tag.startswith(_CORE) and name in ("int", "float", "bool", "null"):
        raise _Bad(f"'{shown}' is not what its tag !!{name} says")
    raise _Bad(f"the tag '{_said(tag)}' is not read")


def _said(tag: str) -> str:
    return _shown("!!" + tag.removeprefix(_CORE) if tag.startswith(_CORE) else tag)


def _shown(text: str) -> str:
    """A text in a message: whatever it is, one short line."""
    return text if len(text) <= 60 else text[:60] + "…"


# ---- collections ---------------------------------------------------------------------------------------------------------

_MAP, _SEQ = (f"{_CORE}map", "!"), (f"{_CORE}seq", "!")
_WAITING: Any = object()
"""Stands where a mapping's next key is not yet there."""
_OPEN: Any = object()
"""What an anchor names while it is being read."""


class _Frame:
    """A mapping or list that is being read."""

    __slots__ = ("anchor", "height", "key", "made", "merged", "weight")

    def __init__(self, made: dict[str, Any] | list[Any], anchor: str | None, weight: int) -> None:
        self.made = made
        self.anchor = anchor
        self.weight = weight
        """What had been weighed before it."""
        self.height = 1
        """Levels that it has, itself among them."""
        self.key: Any = _WAITING
        self.merged: list[Any] | None = None
        """What stands at `<<`."""


_MERGE: Any = object()
"""Stands for the key `<<`."""


class _Reader:
    """Builds values from the parser's events, on a stack of its own: nothing here grows with depth but that stack."""

    def __init__(self, text: str | bytes, dialect: Dialect) -> None:
        self._loader = _Loader(text)
        self._dialect = dialect
        self._limits = dialect.limits
        self._weight = 0
        self._lines: dict[int, int] | None = None
        """Where mappings begin, by their ids, where somebody asks."""

    def placed(self) -> Iterator[Placed]:
        """As `documents`, each with the lines of its upper mappings."""
        self._lines = {}
        for value in self.documents():
            yield Placed(value, self._lines)
            self._lines = {}

    def documents(self) -> Iterator[Any]:
        """Each in turn. Raises YamlError, and yaml's own errors."""
        next_event = self._loader.get_event
        try:
            next_event()  # the stream's start
            count = 0
            while True:
                event = next_event()
                if not isinstance(event, yaml.DocumentStartEvent):
                    return
                count += 1
                if count > self._limits.documents:
                    what = (
                        "holds another document" if self._limits.documents == 1 else f"holds more than {self._limits.documents} documents"
                    )
                    raise YamlError(what, _line(event), "make it several files")
                yield self._document(next_event)
        finally:
            self._loader.dispose()

    def _document(self, next_event: Any) -> Any:  # one loop over all: a call for each event would double its time
        stack: list[_Frame] = []
        top: _Frame | None = None
        anchors: dict[str, tuple[Any, int, int]] = {}
        limits = self._limits
        strict = self._dialect.strict_keys
        lines = self._lines
        root: Any = None
        while True:
            event = next_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                text = event.value
                self._weight += NODE + len(text)
                if self._weight > limits.weight:
                    _too_much(limits, _line(event))
                is_key = top is not None and top.key is _WAITING and type(top.made) is dict
                if is_key and strict and event.tag is None:
                    value: Any = _MERGE if text == "<<" and event.implicit[0] else text
                else:
                    value = self._scalar(event)
                    if is_key and text == "<<" and event.implicit[0]:
                        value = _MERGE
                height = 0
                if event.anchor is not None:
                    anchors[event.anchor] = (text if value is _MERGE else value, NODE + len(text), 0)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._weight += NODE
                if len(stack) >= limits.depth:
                    _too_deep(limits, _line(event))
                if top is not None and top.key is _WAITING and type(top.made) is dict:
                    raise YamlError("not well-formed YAML: a key is no text", _line(event))
                if event.tag is not None and event.tag not in (_MAP if kind is yaml.MappingStartEvent else _SEQ):
                    raise YamlError(f"not well-formed YAML: the tag '{_said(event.tag)}' is not read", _line(event))
                top = _Frame({} if kind is yaml.MappingStartEvent else [], event.anchor, self._weight)
                if lines is not None and len(stack) < PLACED_LEVELS:
                    lines[id(top.made)] = event.start_mark.line + 1
                stack.append(top)
                if event.anchor is not None:
                    anchors[event.anchor] = (_OPEN, 0, 0)
                continue
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                done = stack.pop()
                value, height = done.made, done.height
                if done.merged is not None:
                    value = _merged(done.merged, done.made, _line(event))
                    if lines is not None and id(done.made) in lines:
                        lines[id(value)] = lines.pop(id(done.made))
                if done.anchor is not None:
                    anchors[done.anchor] = (value, self._weight - done.weight + NODE, height)
                top = stack[-1] if stack else None
            elif kind is yaml.AliasEvent:
                line = _line(event)
                if event.anchor not in anchors:
                    raise YamlError(f"not well-formed YAML: undefined alias '{_shown(event.anchor)}'", line)
                value, weight, height = anchors[event.anchor]
                if value is _OPEN:
                    raise YamlError(f"the alias '{_shown(event.anchor)}' stands within what it names", line, "leave it out")
                self._weight += weight
                if self._weight > limits.weight:
                    _too_much(limits, line)
                if len(stack) + height > limits.depth:
                    _too_deep(limits, line)
            else:  # the document's end
                return root
            if top is None:
                root = value
                continue
            if height >= top.height:
                top.height = height + 1
            if type(top.made) is list:
                top.made.append(value)
            elif top.key is _WAITING:
                top.key = self._key(top, value, event)
            else:
                if top.key is _MERGE:
                    top.merged = [*value, *(top.merged or ())] if type(value) is list else [value, *(top.merged or ())]
                else:
                    top.made[top.key] = value
                top.key = _WAITING

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text, tag = event.value, event.tag
        try:
            if tag is None or tag == "!":
                if not event.implicit[0]:
                    return text
                value = _short(text) if len(text) <= 40 else _plain(text)
            else:
                value = _tagged(tag, text)
        except _Bad as error:
            raise YamlError(f"not well-formed YAML: {error}", _line(event)) from None
        bits = self._dialect.bits
        if bits is not None and type(value) is int and value.bit_length() >= bits:
            raise YamlError(f"'{text}' does not fit into {bits} bits", _line(event))
        return value

    def _key(self, frame: _Frame, value: Any, event: Any) -> Any:
        """The key as it stands in the mapping."""
        if value is _MERGE:
            if self._dialect.strict_keys and frame.merged is not None:
                raise YamlError("'<<' stands twice", _line(event))
            return value
        if isinstance(value, dict | list):
            raise YamlError("not well-formed YAML: a key is no text", _line(event))
        if not self._dialect.strict_keys:
            return value if type(value) is str else _json_key(value)
        key = str(value)
        if key in frame.made:
            raise YamlError(f"'{_shown(key)}' stands twice", _line(event))
        return key


def _json_key(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _merged(merged: Sequence[Any], own: dict[str, Any] | list[Any], line: int) -> dict[str, Any]:
    """A mapping with what its `<<` names laid under it: the first that names a key wins."""
    assert isinstance(own, dict)
    made: dict[str, Any] = {}
    for each in reversed(merged):
        if not isinstance(each, dict):
            raise YamlError("'<<' names no mapping", line, "name one by its alias: <<: *name")
        made.update(each)
    made.update(own)
    return made


# ---- where things stand --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _composed(text: bytes) -> yaml.Node | None:
    node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    return node


def line_of(text: bytes, location: Sequence[str | int]) -> int:
    """The line (from 1) at which something stands in a text that was read, or the nearest thing above it."""
    node = _composed(text)
    line = 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                return line
            line, node = _line(found[0]), found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = _line(node)
        else:
            return line
    return line
