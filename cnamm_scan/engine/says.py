"""What a rule's messages name besides columns of the row: the cause that was found, and rows of another table. It decides no verdict.

A room of its own, since this SQL may leave out what was not seen, which SQL that judges must never do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from cnamm_scan.content import columns_of
from cnamm_scan.engine.extract import literal
from cnamm_scan.engine.select import known_tables
from cnamm_scan.engine.sql import Expression, one_expression, quoted, read_expression
from cnamm_scan.engine.worth import is_by_region
from cnamm_scan.errors import ContentError, did_you_mean
from cnamm_scan.model import Column, Content, Named, ResultBlock, Rule, Said, own_name
from cnamm_scan.text import fill, placeholders


@dataclass(frozen=True, slots=True)
class Saying:
    """One name of a message: the SQL of what it says of the row `this`, and what it reads."""

    sql: str
    read: tuple[Expression, ...]


def sayings(content: Content, rule: Rule, *, where: str) -> Mapping[str, Saying]:
    """What a rule says, by name and in their order. Raises ContentError for what is not allowed or not known."""
    found = {}
    for name, said in sorted(rule.says.items()):
        place = f"{where} says.{name}:"
        if name in columns_of(content, rule.for_each) or name in rule.parameters:
            raise ContentError(f"'{name}' is a column or a parameter already", where=place, do="choose another name")
        found[name] = _names(content, rule, said, said.named, place) if said.named is not None else _causes(content, rule, said, place)
    return found


def spoken(block: ResultBlock, keys: Sequence[str], seen: Iterable[Sequence[Any]], causes: Set[str]) -> Iterator[Sequence[Any]]:
    """What was seen of each resource of a block, with what is known of it filled into the causes that were found."""
    if not causes:
        yield from seen
        return
    place = {**block.parameters, "region": block.region, "target": own_name(block.target)}
    for key, row in zip(keys, seen, strict=True):
        known = {**place, **dict(zip(block.columns, row, strict=True)), "key": key or None}
        yield [fill(said, known) if name in causes and said is not None else said for name, said in zip(block.columns, row, strict=True)]


def _causes(content: Content, rule: Rule, said: Said, where: str) -> Saying:
    """The first cause whose condition is true, or every one of them; one without a condition is said where no other is."""
    rest = said.causes[-1] if said.causes[-1].if_ is None else None
    causes = said.causes if rest is None else said.causes[:-1]
    if any(cause.if_ is None for cause in causes) or (rest is None and not said.every):
        raise ContentError("the last cause, and no other, has no 'if'", where=where, do="say last what holds where no other does")
    listed = {name for name, other in rule.says.items() if other.named is not None}
    if nested := [name for cause in said.causes for name in placeholders(cause.say) if name in rule.says.keys() - listed]:
        raise ContentError(f"a cause names '{nested[0]}', which are causes too", where=where, do="put both into the message")
    read = [read_expression(content, rule.for_each, text, where=where, estate=rule.scope == "estate") for text in said.asked(estate=False)]
    last = literal(rest.say) if rest is not None else "NULL"
    cases = [f"WHEN (\n{each.text}\n) THEN {literal(cause.say)}" for each, cause in zip(read, causes, strict=True)]
    if not cases:
        return Saying(last, ())
    if not said.every:
        return Saying(f"CASE {' '.join(cases)} ELSE {last} END", tuple(read))
    found = f"list_filter([{', '.join(f'CASE {case} END' for case in cases)}], lambda said: said IS NOT NULL)"
    several = "array_to_string(all_said[:-2], ', ') || ' and ' || all_said[-1]"
    text = f"CASE len(all_said) WHEN 0 THEN {last} WHEN 1 THEN all_said[1] ELSE {several} END"
    return Saying(f"list_transform([{found}], lambda all_said: {text})[1]", tuple(read))


def _names(content: Content, rule: Rule, said: Said, named: Named, where: str) -> Saying:
    """What was seen of the rows that meet the condition. NULL where there is none."""
    if named.of not in known_tables(content):
        raise ContentError(f"no table '{named.of}'", where=where, do=did_you_mean(named.of, known_tables(content)))
    columns = columns_of(content, named.of)
    if not named.columns:
        raise ContentError("'say' names no column", where=where, do=f"name the row: {{{next(iter(columns))}}}")
    if unknown := [name for name in named.columns if name not in columns]:
        raise ContentError(f"table '{named.of}' has no column '{unknown[0]}'", where=where, do=did_you_mean(unknown[0], columns))
    estate = rule.scope == "estate"
    one_expression(named.if_, where)  # by itself, so that it means the same within any brackets
    read = [read_expression(content, rule.for_each, text, where=where, estate=estate) for text in said.asked(estate=estate)]
    place = [] if estate else ["one.target = this.target"]
    if not estate and is_by_region(content, named.of) and is_by_region(content, rule.for_each):
        place.append("one.region = this.region")
    met = " AND ".join(["one._ghost IS NULL", *place, f"(\n{named.if_}\n)"])
    parts = re.split(r"\{(" + "|".join(map(re.escape, named.columns)) + r")\}", named.say)
    told = " || ".join(_shown(part, columns[part]) if at % 2 else literal(part) for at, part in enumerate(parts) if part)
    rows = f"(SELECT list_sort(list_distinct(list({told}))) FROM {quoted(named.of)} AS one WHERE {met})"
    return Saying(rows if named.else_ is None else f"coalesce({rows}, [{literal(named.else_)}])", tuple(read))


def _shown(name: str, column: Column) -> str:
    """A column of a row as a part of a text, as `text.fill` shows one."""
    read = f"one.{quoted(name)}"
    if column.type == "list":
        return f"array_to_string({read}, ', ')"
    return f"strftime({read}, '%Y-%m-%d')" if column.type == "timestamp" else f"CAST({read} AS VARCHAR)"
