"""DuckDB's own parser, held to bounds: a text goes in, the tree of its one statement comes out. What is judged is what will run.

Content packs and queries come from strangers, so a text may be long, deep or no SQL at all: each of these is an error with a place, before
anything walks the tree.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import duckdb

from cnamm_scan.errors import ContentError

MAX_TEXT = 20_000
"""Characters of one expression, view or query: more than twice the longest that ships."""
MAX_NESTING = 100
"""Levels of brackets and of expressions within expressions: four times the deepest that ships."""
_MAX_LEVELS = 450
"""Levels of a serialised tree: an expression within an expression takes up to four. Whoever walks a tree recurses no deeper."""
_SHALLOW = 9_000
"""A serialised tree of fewer characters cannot be too deep: each level takes twenty at the least."""
_WORD = re.compile(r"\b[A-Za-z_]+\b")
_BRACKET = re.compile(r"[(\[{]|[)\]}]")

Node = dict[str, Any]
VERSION = str(duckdb.__version__)
"""Of the parser: another one may make another tree of the same text."""


class _Parser(threading.local):
    """One connection a thread, without files, network or settings that can be changed."""

    def __init__(self) -> None:
        self.ahead: dict[str, str] = {}
        self.connection = duckdb.connect(":memory:", config={"enable_external_access": "false", "python_enable_replacements": "false"})
        self.connection.execute(f"SET max_expression_depth = {MAX_NESTING}; SET lock_configuration = true")

    def __call__(self, sql: str) -> str:
        read = self.ahead.pop(sql, None)
        return read if read is not None else str(self.connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0][0])

    def text(self, tree: str) -> str:
        """SQL of a serialised statement."""
        return str(self.connection.execute("SELECT json_deserialize_sql(?::JSON)", [tree]).fetchall()[0][0])

    def read_ahead(self, texts: list[str]) -> None:
        """Read many at once: a third of the time of one by one. What is read waits as text, which is a tenth of a parsed tree."""
        rows = self.connection.execute("SELECT x, json_serialize_sql(x) FROM (SELECT unnest(?) AS x)", [texts]).fetchall()
        self.ahead.update(rows)


_parser: _Parser | None = None


def _the_parser() -> _Parser:
    global _parser  # noqa: PLW0603 (made when first used: importing does no work)
    if _parser is None:
        _parser = _Parser()
    return _parser


def read_ahead(texts: Iterable[str]) -> None:
    """Have the parser read these in one go; reading each of them afterwards costs next to nothing."""
    sound = sorted({text for text in texts if _unfit(text) is None})
    if sound:
        try:
            _the_parser().read_ahead(sound)
        except RuntimeError as error:
            raise KeyboardInterrupt from error


def statements(text: str, *, where: str, do: str) -> list[Node]:
    """The query node of each statement in a text. Raises ContentError for what is too long, too deep or no SQL that only asks."""
    unfit = _unfit(text)
    if unfit is not None:
        raise ContentError(unfit, where=where, do="write it in fewer and flatter steps")
    try:
        read = _the_parser()(text)
    except duckdb.Error as error:
        raise ContentError(f"not valid SQL: {str(error).splitlines()[0]}", where=where, do=do) from error
    except RuntimeError as error:  # what DuckDB makes of Ctrl-C
        raise KeyboardInterrupt from error
    try:
        parsed = json.loads(read)
    except RecursionError:
        raise _too_deep(where) from None
    if len(read) > _SHALLOW and _levels(parsed) > _MAX_LEVELS:
        raise _too_deep(where)
    if parsed.get("error"):
        said = parsed.get("error_message", "it cannot be read")
        if "expression depth" in said:
            raise _too_deep(where)
        if parsed.get("error_type") == "not implemented":  # SQL it is, but not of the asking kind
            raise ContentError("not one SELECT", where=where, do=do)
        word = _unquoted(text, parsed.get("position"))
        if word:
            raise ContentError(f"not valid SQL: {word} is a word of SQL itself", where=where, do=f'write it in double quotes: "{word}"')
        raise ContentError(f"not valid SQL: {said}", where=where, do=do)
    return [statement["node"] for statement in parsed["statements"]]


def _unquoted(text: str, position: str | None) -> str | None:
    """A column's name that is SQL's too, as `group`: the word at which the parser stopped, or the one before it, if quotes mend it."""
    if position is None:
        return None
    at = len(text.encode()[: int(position)].decode(errors="ignore"))  # the parser counts bytes
    for word in (_WORD.match(text, at), *list(_WORD.finditer(text, 0, at))[-1:]):
        if word is None:
            continue
        quoted = f'{text[: word.start()]}"{word[0]}"{text[word.end() :]}'
        if not json.loads(_the_parser()(quoted)).get("error"):
            return word[0]
    return None


@lru_cache(maxsize=1)
def _a_query() -> Node:
    (node,) = statements("SELECT 1", where="engine", do="report it")
    return node


def selecting(expression: object) -> Node:
    """The query node that selects one expression: its SQL is the expression's, as far as what stands around it goes."""
    return {**_a_query(), "select_list": [expression]}


def text(node: Node) -> str:
    """SQL of a query node, as `statements` gives them."""
    try:
        return _the_parser().text(json.dumps({"error": False, "statements": [{"node": node, "named_param_map": []}]}))
    except RuntimeError as error:
        raise KeyboardInterrupt from error


@lru_cache(maxsize=256)
def expression(sql: str) -> Node:
    """The node of an expression of our own; not to be changed."""
    (node,) = statements(f"SELECT ({sql})", where="engine", do="report it")
    return dict(node["select_list"][0])


def source(sql: str) -> Node:
    """The node of what stands in a FROM of our own."""
    (node,) = statements(f"SELECT 1 FROM {sql}", where="engine", do="report it")
    return dict(node["from_table"])


def _too_deep(where: str) -> ContentError:
    return ContentError(f"SQL nested more than {MAX_NESTING} deep", where=where, do="write it in fewer and flatter steps")


def _unfit(text: str) -> str | None:
    """Why a text is not even shown to the parser: its time grows with the square of both."""
    if len(text) > MAX_TEXT:
        return f"SQL of {len(text):,} characters, expected at most {MAX_TEXT:,}"
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return "SQL with half a character"
    if "\0" in text:
        return "SQL with a NUL in it"
    depth = deepest = 0
    if sum(map(text.count, "([{")) > MAX_NESTING:
        for bracket in _BRACKET.finditer(text):  # in a string too: no honest one opens a hundred and closes none
            depth = depth + 1 if bracket[0] in "([{" else max(depth - 1, 0)
            deepest = max(deepest, depth)
    return f"SQL nested more than {MAX_NESTING} deep" if deepest > MAX_NESTING else None


def _levels(tree: Any) -> int:
    deepest, todo = 0, [(tree, 1)]
    while todo:
        value, level = todo.pop()
        deepest = max(deepest, level)
        within = value.values() if isinstance(value, dict) else value
        todo += [(each, level + 1) for each in within if isinstance(each, dict | list)]
    return deepest


def nodes(value: Any) -> Iterator[Node]:
    """Every object of a tree, itself first."""
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            yield each
            todo += [inner for inner in reversed(each.values()) if isinstance(inner, dict | list)]
        elif isinstance(each, list):
            todo += reversed(each)


def changed(value: Any, change: Callable[[Node], Any]) -> Any:
    """A copy of a tree: where `change` gives something for a node it stands there instead, and nothing beneath it is looked at."""
    if isinstance(value, dict):
        instead = change(value)
        return instead if instead is not None else {name: changed(each, change) for name, each in value.items()}
    return [changed(each, change) for each in value] if isinstance(value, list) else value


def conjuncts(node: Node | None) -> Iterator[Node]:
    """The conditions that all have to hold for one to hold: those that AND joins, however deep; none of None."""
    if node is None:
        return
    if node["type"] == "CONJUNCTION_AND":
        for child in node["children"]:
            yield from conjuncts(child)
    else:
        yield node


def children(node: Any) -> Iterator[Node]:
    """The expressions directly beneath a node, wherever the serialised form keeps them."""
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, dict):
            if "class" in value:
                yield value
            else:
                yield from children(value)
        elif isinstance(value, list):
            yield from children(value)
