"""The Common Expression Language as the API server reads it: text to a tree. What it cannot read it refuses, and guesses nothing.

Grammar and macros: https://github.com/google/cel-spec/blob/master/doc/langdef.md; optional fields (`a.?b`, `a[?0]`):
https://kubernetes.io/docs/reference/using-api/cel/.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

LONGEST = 50_000
DEEPEST = 150
MACROS = {"all": 2, "exists": 2, "exists_one": 2, "existsOne": 2, "filter": 2, "map": 2}
_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>[rRbB]{0,2}(?:\"\"\"(?:[^\\]|\\.)*?\"\"\"|'''(?:[^\\]|\\.)*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<number>0x[0-9a-fA-F]+[uU]?|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+[uU]?)
    |(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|\.\?|\[\?|[-+*/%!?:.,()\[\]{}<>])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_RELATIONS = ("==", "!=", "<", "<=", ">", ">=", "in")


class UnreadableError(ValueError):
    """An expression that this reader does not know: what it says is unknown."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree: literal, name, select, has, index, call, method, list, map, and, or, not, negate, choose, relate or macro."""

    kind: str
    value: Any = None
    """The literal, name, field, operator or function."""
    parts: tuple[Node, ...] = ()
    optional: bool = False
    bound: str = ""
    """The name that a macro gives to each element."""


@lru_cache(maxsize=2048)
def parse(text: str) -> Node:
    """The tree of an expression. Raises UnreadableError."""
    if len(text) > LONGEST:
        raise UnreadableError("too long")
    reader = _Reader(_tokens(text))
    tree = reader.expression()
    if reader.here[0] != "end":
        raise UnreadableError(f"{reader.here[1]!r}")
    return tree


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise UnreadableError(text[place : place + 10])
        place = match.end()
        if match.lastgroup != "space":
            found.append((str(match.lastgroup), match.group()))
    return [*found, ("end", "")]


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: Sequence[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    @property
    def here(self) -> tuple[str, str]:
        return self._tokens[self._place]

    def _next(self) -> tuple[str, str]:
        token = self.here
        self._place += 1
        return token

    def _is(self, *signs: str) -> bool:
        kind, text = self.here
        return kind in ("sign", "name") and text in signs

    def _eat(self, sign: str) -> None:
        if not self._is(sign):
            raise UnreadableError(f"{sign} expected, got {self.here[1]!r}")
        self._place += 1

    def _took(self, sign: str) -> bool:
        if self._is(sign):
            self._place += 1
            return True
        return False

    def expression(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise UnreadableError("nested too deep")
        made = self._either()
        if self._took("?"):
            chosen = self._either()
            self._eat(":")
            made = Node("choose", None, (made, chosen, self.expression()))
        self._depth -= 1
        return made

    def _either(self) -> Node:
        made = [self._both()]
        while self._took("||"):
            made.append(self._both())
        return made[0] if len(made) == 1 else Node("or", None, tuple(made))

    def _both(self) -> Node:
        made = [self._relation()]
        while self._took("&&"):
            made.append(self._relation())
        return made[0] if len(made) == 1 else Node("and", None, tuple(made))

    def _relation(self) -> Node:
        made = self._sum()
        while self._is(*_RELATIONS):
            made = Node("relate", self._next()[1], (made, self._sum()))
        return made

    def _sum(self) -> Node:
        made = self._product()
        while self._is("+", "-"):
            made = Node("call", self._next()[1], (made, self._product()))
        return made

    def _product(self) -> Node:
        made = self._unary()
        while self._is("*", "/", "%"):
            made = Node("call", self._next()[1], (made, self._unary()))
        return made

    def _unary(self) -> Node:
        signs = ""
        while self._is("!", "-"):
            signs += self._next()[1]
        made = self._member()
        for sign in reversed(signs):
            made = Node("not" if sign == "!" else "negate", None, (made,))
        return made

    def _member(self) -> Node:
        made = self._primary()
        while self._is(".", ".?", "[", "[?"):
            sign = self._next()[1]
            if sign.startswith("["):
                made = Node("index", None, (made, self.expression()), optional=sign == "[?")
                self._eat("]")
                continue
            kind, name = self._next()
            if kind != "name":
                raise UnreadableError(f"a field expected, got {name!r}")
            called = sign == "." and self._is("(")
            made = self._called(name, made) if called else Node("select", name, (made,), optional=sign == ".?")
        return made

    def _called(self, name: str, target: Node) -> Node:
        self._eat("(")
        given = self._listed(")")
        if name in MACROS and len(given) >= MACROS[name]:
            if given[0].kind != "name" or len(given) > MACROS[name] + (name == "map"):
                raise UnreadableError(f"a form of {name}")
            kind = "exists_one" if name == "existsOne" else name
            return Node("macro", kind, (target, *given[1:]), bound=given[0].value)
        return Node("method", name, (target, *given))

    def _primary(self) -> Node:
        kind, text = self._next()
        if kind == "text":
            return Node("literal", _text(text))
        if kind == "number":
            return Node("literal", _number(text))
        if kind == "name":
            if text in ("true", "false", "null"):
                return Node("literal", {"true": True, "false": False}.get(text))
            if text == "in":
                raise UnreadableError("in")
            if not self._took("("):
                return Node("name", text)
            given = self._listed(")")
            if text == "has":
                if len(given) != 1 or given[0].kind != "select":
                    raise UnreadableError("a form of has")
                return Node("has", given[0].value, given[0].parts, optional=given[0].optional)
            return Node("call", text, given)
        if text == "(":
            made = self.expression()
            self._eat(")")
            return made
        if text == "[":
            return Node("list", None, self._listed("]"))
        if text == "{":
            return self._map()
        raise UnreadableError(f"{text!r}")

    def _listed(self, end: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._took(end):
            if found:
                self._eat(",")
                if self._took(end):
                    break
            found.append(self.expression())
        return tuple(found)

    def _map(self) -> Node:
        found: list[Node] = []
        while not self._took("}"):
            if found:
                self._eat(",")
                if self._took("}"):
                    break
            found.append(self.expression())
            self._eat(":")
            found.append(self.expression())
        return Node("map", None, tuple(found))


def _number(text: str) -> int | float:
    text = text.rstrip("uU")
    if text.startswith("0x"):
        return int(text, 16)
    return int(text) if text.isdigit() else float(text)


def _text(written: str) -> str:
    prefix = written[: len(written) - len(written.lstrip("rRbB"))].lower()
    body = written[len(prefix) :]
    body = body[3:-3] if body.startswith(('"""', "'''")) else body[1:-1]
    if "b" in prefix:
        raise UnreadableError("bytes")
    if "r" in prefix:
        return body
    return re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", _unescaped, body, flags=re.DOTALL)


def _unescaped(match: re.Match[str]) -> str:
    text = match.group(1)
    if text[0] in "xuU" and len(text) > 1:
        code = int(text[1:], 16)
        return chr(code) if code < 0x110000 else ""
    if len(text) == 3:
        return chr(int(text, 8))
    return _ESCAPES.get(text, text)


def literals(tree: Node) -> list[str]:
    """Every text that stands in an expression."""
    found = [tree.value] if tree.kind == "literal" and isinstance(tree.value, str) else []
    for each in tree.parts:
        found.extend(literals(each))
    return found
