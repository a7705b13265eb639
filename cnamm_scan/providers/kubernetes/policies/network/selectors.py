"""What picks pods and namespaces: label selectors, and Calico's expressions. Yes, no, or None where that hangs on what is not known.

https://docs.tigera.io/calico/latest/reference/resources/networkpolicy#selectors
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from cnamm_scan.providers.kubernetes.policies.labels import Labels
from cnamm_scan.providers.truths import Truth


class Matcher(Protocol):
    """What picks pods or namespaces by their labels."""

    @property
    def is_all(self) -> bool:
        """Whether it picks whatever there is."""
        ...

    def matches(self, labels: Labels | None) -> Truth:
        """Whether it picks what has these labels; None for labels that are not known."""
        ...

    def named(self) -> Iterator[tuple[str, str]]:
        """Keys and values that it looks at, for trying what else there may be."""
        ...


# ---- Calico's expressions ------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:(?P<word>&&|\|\||!=|==|[!(){},])|(?P<text>"[^"]*"|'[^']*')|(?P<name>[A-Za-z0-9_./-]+))""",
)
Node = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression over labels. `root` is None where it could not be read."""

    root: Node | None

    @property
    def is_all(self) -> bool:
        """Whether it picks whatever there is."""
        return self.root == ("all",)

    def matches(self, labels: Labels | None) -> Truth:
        """Whether it picks what has these labels."""
        if self.root is None:
            return None
        if self.is_all:
            return True
        return None if labels is None else _holds(self.root, labels)

    def named(self) -> Iterator[tuple[str, str]]:
        """Keys and values that it looks at."""
        yield from _named(self.root) if self.root else ()


EVERYTHING = Expression(("all",))


def expression(text: Any) -> Expression:
    """An expression of Calico, such as `app == 'shop' && !has(role)`. Empty is all."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return EVERYTHING
    if not isinstance(text, str):
        return Expression(None)
    try:
        tokens = _tokens(text)
        root = _either(tokens)
        return Expression(None if tokens else root)
    except (IndexError, ValueError, RecursionError):
        return Expression(None)


def _tokens(text: str) -> list[str]:
    """In reverse: the next stands last."""
    made, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(text)
        made.append(found["word"] or found["text"] or found["name"])
        at = found.end()
    return made[::-1]


def _either(tokens: list[str]) -> Node:
    sides = [_both(tokens)]
    while tokens and tokens[-1] == "||":
        tokens.pop()
        sides.append(_both(tokens))
    return ("or", *sides) if len(sides) > 1 else sides[0]


def _both(tokens: list[str]) -> Node:
    sides = [_one(tokens)]
    while tokens and tokens[-1] == "&&":
        tokens.pop()
        sides.append(_one(tokens))
    return ("and", *sides) if len(sides) > 1 else sides[0]


def _expect(tokens: list[str], word: str) -> None:
    if tokens.pop() != word:
        raise ValueError(word)


def _text(token: str) -> str:
    if token[0] not in "\"'":
        raise ValueError(token)
    return token[1:-1]


def _one(tokens: list[str]) -> Node:
    token = tokens.pop()
    if token == "!":
        return ("not", _one(tokens))
    if token == "(":
        inner = _either(tokens)
        _expect(tokens, ")")
        return inner
    if token in ("all", "has", "global") and tokens and tokens[-1] == "(":
        tokens.pop()
        key = tokens.pop() if token == "has" else ""
        _expect(tokens, ")")
        return ("has", key) if token == "has" else (token,)
    return _compared(token, tokens)


def _compared(key: str, tokens: list[str]) -> Node:
    operator = tokens.pop()
    if operator == "not":
        _expect(tokens, "in")
        return ("not", ("in", key, _set(tokens)))
    if operator == "in":
        return ("in", key, _set(tokens))
    if operator in ("starts", "ends"):
        _expect(tokens, "with")
    if operator not in ("==", "!=", "contains", "starts", "ends"):
        raise ValueError(operator)
    value = _text(tokens.pop())
    return ("not", ("==", key, value)) if operator == "!=" else (operator, key, value)


def _set(tokens: list[str]) -> frozenset[str]:
    _expect(tokens, "{")
    found = set()
    while tokens[-1] != "}":
        found.add(_text(tokens.pop()))
        if tokens[-1] == ",":
            tokens.pop()
    tokens.pop()
    return frozenset(found)


def _holds(node: Node, labels: Labels) -> bool:
    kind = node[0]
    match kind:
        case "or":
            return any(_holds(each, labels) for each in node[1:])
        case "and":
            return all(_holds(each, labels) for each in node[1:])
        case "not":
            return not _holds(node[1], labels)
        case "all":
            return True
        case "global":  # what belongs to no namespace: no pod
            return False
        case "has":
            return node[1] in labels
    value = labels.get(node[1])
    if value is None:
        return False
    match kind:
        case "in":
            return value in node[2]
        case "==":
            return bool(value == node[2])
        case "contains":
            return node[2] in value
        case "starts":
            return value.startswith(node[2])
        case _:
            return value.endswith(node[2])


def _named(node: Node) -> Iterator[tuple[str, str]]:
    if node[0] in ("or", "and", "not"):
        for each in node[1:]:
            yield from _named(each)
    elif node[0] == "has":
        yield (node[1], "")
    elif node[0] == "in":
        yield from ((node[1], value) for value in sorted(node[2]))
    elif len(node) == 3:
        yield (node[1], node[2])
