"""The part of JMESPath that Kyverno's own examples use, over values that are known in part. What is not known here is open.

https://kyverno.io/docs/policy-types/cluster-policy/jmespath/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cnamm_scan.providers.kubernetes.policies.admission.values import (
    ABSENT,
    Partial,
    Some,
    Unknown,
    Value,
    is_list,
    is_object,
    is_open,
    items_of,
    joined,
    look,
    same,
)
from cnamm_scan.providers.truths import negated

OPEN = Unknown()
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<json>`(?:[^`\\]|\\.)*`)|(?P<raw>'(?:[^'\\]|\\.)*')|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>\|\||&&|==|!=|<=|>=|\[\?|\[\]|[|.*\[\](),@!<>{}:&])""",
    re.VERBOSE,
)
_DEEPEST = 60


class UnreadableError(ValueError):
    """An expression of a form that is not known here."""


@dataclass(frozen=True, slots=True)
class Step:
    """A node: field, index, project, flatten, filter, several, literal, or, and, not, compare, call, pipe, chain, here."""

    kind: str
    value: Any = None
    parts: tuple[Step, ...] = ()


def search(text: str, root: Value) -> Value:
    """What an expression finds; null where it finds nothing, an Unknown where that is open."""
    try:
        return _find(_parsed(text), root)
    except (UnreadableError, RecursionError):
        return OPEN


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Step:
    return _Reader(text).whole()


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._place = self._depth = 0
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise UnreadableError(text)
            place = match.end()
            if match.lastgroup != "space":
                self._tokens.append((str(match.lastgroup), match.group()))
        self._tokens.append(("end", ""))

    def whole(self) -> Step:
        made = self._piped()
        if self._tokens[self._place][0] != "end":
            raise UnreadableError
        return made

    def _took(self, *signs: str) -> str:
        kind, text = self._tokens[self._place]
        if kind == "sign" and text in signs:
            self._place += 1
            return text
        return ""

    def _eat(self, sign: str) -> None:
        if not self._took(sign):
            raise UnreadableError(sign)

    def _piped(self) -> Step:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnreadableError
        made = self._or()
        while self._took("|"):
            made = Step("pipe", None, (made, self._or()))
        self._depth -= 1
        return made

    def _or(self) -> Step:
        made = self._and()
        while self._took("||"):
            made = Step("or", None, (made, self._and()))
        return made

    def _and(self) -> Step:
        made = self._compared()
        while self._took("&&"):
            made = Step("and", None, (made, self._compared()))
        return made

    def _compared(self) -> Step:
        made = self._not()
        sign = self._took("==", "!=", "<", "<=", ">", ">=")
        return Step("compare", sign, (made, self._not())) if sign else made

    def _not(self) -> Step:
        return Step("not", None, (self._not(),)) if self._took("!") else self._chain()

    def _chain(self) -> Step:
        steps = [self._first()]
        while True:
            if self._took("."):
                steps.append(self._after_dot())
            elif self._took("[]"):
                steps.append(Step("flatten"))
            elif self._took("[?"):
                asked = self._piped()
                self._eat("]")
                steps.append(Step("filter", None, (asked,)))
            elif self._tokens[self._place] == ("sign", "["):
                steps.append(self._bracket())
            else:
                return steps[0] if len(steps) == 1 else Step("chain", None, tuple(steps))

    def _bracket(self) -> Step:
        self._eat("[")
        if self._took("*"):
            self._eat("]")
            return Step("project")
        kind, text = self._tokens[self._place]
        if kind != "number":
            raise UnreadableError
        self._place += 1
        self._eat("]")
        return Step("index", int(text))

    def _after_dot(self) -> Step:
        if self._took("["):
            return self._several()
        kind, text = self._tokens[self._place]
        self._place += 1
        if kind == "name":
            return self._call(text) if self._took("(") else Step("field", text)
        if kind == "quoted":
            return Step("field", _json(text))
        raise UnreadableError

    def _several(self) -> Step:
        found = [self._piped()]
        while self._took(","):
            found.append(self._piped())
        self._eat("]")
        return Step("several", None, tuple(found))

    def _first(self) -> Step:
        kind, text = self._tokens[self._place]
        if kind == "sign" and text == "[":
            following = self._tokens[self._place + 1]
            if following[0] == "number" or following == ("sign", "*"):
                return Step("chain", None, (Step("here"), self._bracket()))
            self._place += 1
            return self._several()
        self._place += 1
        match kind, text:
            case "name", _:
                return self._call(text) if self._took("(") else Step("field", text)
            case "quoted", _:
                return Step("field", _json(text))
            case "json", _:
                return Step("literal", _json(text[1:-1].replace("\\`", "`")))
            case "raw", _:
                return Step("literal", text[1:-1].replace("\\'", "'"))
            case "sign", "@":
                return Step("here")
            case "sign", "[]":
                return Step("chain", None, (Step("here"), Step("flatten")))
            case "sign", "(":
                made = self._piped()
                self._eat(")")
                return made
        raise UnreadableError(text)

    def _call(self, name: str) -> Step:
        given: list[Step] = []
        while not self._took(")"):
            if given:
                self._eat(",")
            given.append(self._piped())
        return Step("call", name, tuple(given))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # an older form: `word`


def _find(step: Step, root: Value) -> Value:
    match step.kind:
        case "chain":
            return _along(step.parts, root)
        case "pipe":
            return _find(step.parts[1], _find(step.parts[0], root))
        case "or":
            first = _find(step.parts[0], root)
            truth = is_true(first)
            other = _find(step.parts[1], root) if truth is not True else None
            return first if truth else other if truth is False else joined(first, other)
        case "and":
            first = _find(step.parts[0], root)
            truth = is_true(first)
            return first if truth is False else _find(step.parts[1], root) if truth else OPEN
        case "not":
            answer = negated(is_true(_find(step.parts[0], root)))
            return OPEN if answer is None else answer
        case "compare":
            return _compare(step.value, *(_find(each, root) for each in step.parts))
        case "literal":
            return step.value
        case "call":
            return _called(step.value, [_find(each, root) for each in step.parts])
        case _:
            return _along((step,), root)


def _along(steps: Sequence[Step], value: Value) -> Value:
    """The value at the end of a chain. From a projection on the rest of the chain holds of each element."""
    for number, step in enumerate(steps):
        rest = steps[number + 1 :]
        match step.kind:
            case "field":
                value = _field(value, step.value)
            case "index":
                if not is_list(value) or isinstance(value, Some):
                    return OPEN if is_open(value) else None
                value = value[step.value] if -len(value) <= step.value < len(value) else None
            case "here":
                continue
            case "several":
                value = None if value is None else [_find(each, value) for each in step.parts]
            case "project" | "flatten" | "filter":
                return _projected(step, value, rest)
            case _:
                value = _find(step, value)
        if value is None and not rest:
            return None
    return value


def _field(value: Value, name: str) -> Value:
    if not is_object(value) and not isinstance(value, Unknown):
        return None
    found, there = look(value, name)
    return None if there is False else found if there else _Maybe(found)


@dataclass(frozen=True, slots=True)
class _MaybeValue(Unknown):
    """A value that may be null."""


def _Maybe(found: Value) -> Value:
    return _MaybeValue(found.path) if isinstance(found, Unknown) else OPEN


def _projected(step: Step, value: Value, rest: Sequence[Step]) -> Value:
    if value is None or value is ABSENT:
        return None
    if not is_list(value) and not isinstance(value, Unknown):
        return None
    known, more = items_of(value)
    if step.kind == "flatten":
        known, more = _flat(known, more)
    found: list[Value] = []
    for each in known:
        if step.kind == "filter":
            chosen = is_true(_find(step.parts[0], each))
            if chosen is not True:
                more = more or chosen is None
                continue
        made = _along(rest, each) if rest else each
        if isinstance(made, Unknown):
            more = True
        elif made is not None:
            found.append(made)
    splits = next((number for number, each in enumerate(rest) if each.kind in ("flatten",)), None)
    if splits is not None:
        flat, more = _flat(found, more)  # `a[].b[]`: the second one flattens what the first one gave
        found = list(flat)
    return Some(found) if more else found


def _flat(items: Sequence[Value], more: bool) -> tuple[list[Value], bool]:
    found: list[Value] = []
    for each in items:
        if is_list(each):
            known, others = items_of(each)
            found.extend(known)
            more = more or others
        elif isinstance(each, Unknown):
            more = True
        elif each is not None:
            found.append(each)
    return found, more


def is_true(value: Value) -> bool | None:
    """Whether a value counts as true: null, false and whatever is empty do not."""
    if isinstance(value, Unknown):
        return None
    if isinstance(value, Some):
        return True if value.items else None
    if is_open(value):
        return True if getattr(value, "fields", None) or getattr(value, "suffix", "") else None
    return not (value is None or value is False or value in ("", [], {}))


def _compare(sign: str, first: Value, second: Value) -> Value:
    if sign in ("==", "!="):
        answer = same(first, second)
        answer = negated(answer) if sign == "!=" else answer
        return OPEN if answer is None else answer
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (first, second))
    if not numbers:
        return OPEN if is_open(first) or is_open(second) else None
    return {"<": first < second, "<=": first <= second, ">": first > second, ">=": first >= second}[sign]


def _called(name: str, given: Sequence[Value]) -> Value:
    match name, given:
        case "length", [value] if not is_open(value) and (isinstance(value, str | Mapping) or is_list(value)):
            return len(value)
        case "to_string", [str() as value]:
            return value
        case "keys", [value] if isinstance(value, Mapping):
            return [each for each in value if value[each] is not ABSENT]
        case "keys", [Partial() as value]:
            return Some([each for each in value.fields if value.fields[each] is not ABSENT])
        case (("to_upper" | "to_lower"), [str() as value]):
            return value.upper() if name == "to_upper" else value.lower()
        case "not_null", [*values] if values and not any(is_open(each) for each in values):
            return next((each for each in values if each is not None), None)
        case "starts_with", [str() as text, str() as start]:
            return text.startswith(start)
        case "ends_with", [str() as text, str() as end]:
            return text.endswith(end)
        case "contains", [value, wanted] if not is_open(value):
            return wanted in value if isinstance(value, str) and isinstance(wanted, str) else OPEN
    return OPEN
