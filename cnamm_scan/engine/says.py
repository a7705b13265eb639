"""What a rule's messages name besides columns of the row: the cause that was found, and rows of another table. It decides no verdict.

A room of its own, since this SQL may leave out what was not seen, which SQL that judges must never do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cnamm_scan.content import columns_of
from cnamm_scan.engine.extract import literal
from cnamm_scan.engine.select import known_tables
from cnamm_scan.engine.sql import Expression, one_expression, quoted, read_expression
from cnamm_scan.engine.worth import is_by_region
from cnamm_scan.errors import ContentError, did_you_mean
from cnamm_scan.model import Cause, Content, Named, Rule


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
        found[name] = _names(content, rule, said, place) if isinstance(said, Named) else _cause(content, rule, said, place)
    return found


def _cause(content: Content, rule: Rule, causes: tuple[Cause, ...], where: str) -> Saying:
    """The first cause whose condition is true; the last has none, so that there always is one."""
    if [cause for cause in causes if cause.if_ is None] != [*causes[-1:]]:
        raise ContentError("the last cause, and no other, has no 'if'", where=where, do="say last what holds where no other does")
    estate = rule.scope == "estate"
    read = [read_expression(content, rule.for_each, cause.if_, where=where, estate=estate) for cause in causes if cause.if_ is not None]
    cases = "".join(f" WHEN (\n{each.text}\n) THEN {literal(cause.say)}" for each, cause in zip(read, causes, strict=False))
    last = literal(causes[-1].say)
    return Saying(f"CASE{cases} ELSE {last} END" if cases else last, tuple(read))


def _names(content: Content, rule: Rule, named: Named, where: str) -> Saying:
    """What was seen of the rows that meet the condition. NULL where there is none."""
    if named.of not in known_tables(content):
        raise ContentError(f"no table '{named.of}'", where=where, do=did_you_mean(named.of, known_tables(content)))
    columns = columns_of(content, named.of)
    if named.column not in columns:
        raise ContentError(f"table '{named.of}' has no column '{named.column}'", where=where, do=did_you_mean(named.column, columns))
    estate = rule.scope == "estate"
    one_expression(named.if_, where)  # by itself, so that it means the same within any brackets
    read = read_expression(content, rule.for_each, named.asked(estate=estate), where=where, estate=estate)
    place = [] if estate else ["one.target = this.target"]
    if not estate and is_by_region(content, named.of) and is_by_region(content, rule.for_each):
        place.append("one.region = this.region")
    met = " AND ".join(["one._ghost IS NULL", *place, f"(\n{named.if_}\n)"])
    column = f"CAST(one.{quoted(named.column)} AS VARCHAR)"
    return Saying(f"(SELECT list_sort(list_distinct(list({column}))) FROM {quoted(named.of)} AS one WHERE {met})", (read,))
