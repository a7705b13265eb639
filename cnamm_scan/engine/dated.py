"""Rows whose source says when it last found them so, and what is left of one that is too old: which it is, and nothing of what it said.

Such a row is one that was not read, for the reason `stale`: it stands for itself alone, decides no verdict, and turns into unknown what it
could turn. Its columns are NULL but for those that name it; its key and moment stand beside its gaps, for who is told of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from datetime import timedelta
from functools import lru_cache

from cnamm_scan.content import key_paths
from cnamm_scan.engine.extract import literal
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import read_expression
from cnamm_scan.errors import ContentError, UsageError
from cnamm_scan.model import GHOST_PART, REST_PART, Content, Reason, Rule, Table
from cnamm_scan.model.old import LONGEST, read_age, read_moment, told, written

_NAMED, _MOMENT = "@key", "@as_of"
"""Names beside a row's gaps that no part of an answer can have."""
KEY = f"_gaps['{_NAMED}']"
"""SQL of the key of a row that is too old; NULL of all others."""
AS_OF = f"_gaps['{_MOMENT}']"
"""SQL of when it was true."""
IS_STALE = f"g['{_NAMED}'] IS NOT NULL"
"""SQL of whether a row is too old, while it is loaded."""
SHORTEST = timedelta(hours=1)
"""The least bound on ages: nothing is told in less than hours."""


def as_age(said: timedelta | str) -> timedelta:
    """A bound on ages as somebody said it. Raises UsageError for what is none."""
    age = read_age(said) if isinstance(said, str) else said
    if not isinstance(age, timedelta) or not SHORTEST <= age <= LONGEST:
        raise UsageError(f"'{said}' is no age", where="--max-age", do="write days or hours, from 1h to 36500d, such as 8d")
    return age


def gaps_by_age(gaps: str, oldest: str) -> str:
    """SQL of a fact's gaps, with the gap that it is itself where it is older than that moment. What was not read has no age."""
    stale = ", ".join((literal(Reason.STALE.value), "key", "as_of"))
    names = ", ".join(map(literal, (GHOST_PART, _NAMED, _MOMENT)))
    unread = f"COALESCE({gaps}['{GHOST_PART}'], {gaps}['{REST_PART}'])"
    return f"CASE WHEN as_of < {literal(oldest)} AND {unread} IS NULL THEN MAP([{names}], [{stale}]) ELSE {gaps} END"


def when_young(table: Table, values: Mapping[str, str]) -> dict[str, str]:
    """The SQL of a table's columns by name, such that of a row that is too old only those stay that say which it is."""
    naming = naming_columns(table)
    return {name: value if name in naming else f"CASE WHEN {IS_STALE} THEN NULL ELSE {value} END" for name, value in values.items()}


def naming_columns(table: Table) -> frozenset[str]:
    """Columns that are the same as long as the row is: parts of its key, what it was listed for, and where it was asked."""
    keys, above = set(key_paths(table.key)), "parent." * (1 + (table.each.count("[]") if table.each else 0))
    return frozenset(
        name
        for name, column in table.columns.items()
        if column.path and (column.path in keys or column.path.startswith("$") or (table.list.for_ and column.path.startswith(above)))
    )


@lru_cache(maxsize=4096)
def is_dated(content: Content, table: str) -> bool:
    """Whether the rows of a table say how old they are."""
    return table in content.tables and content.tables[table].as_of is not None


def age_of(as_of: str, scan_time: str, max_age: timedelta) -> tuple[str, str, str]:
    """What a result shows of a row that is too old, in the order of AGES."""
    return as_of, told(read_moment(scan_time) - read_moment(as_of)), written(max_age)


def problems(content: Content, known: Set[str] = frozenset()) -> Iterator[ContentError]:
    """Verdicts that rest on the very moment by which rows are found too old: those that are old would never be told to be."""
    moments = {name: frozenset(_moments(table)) for name, table in content.tables.items() if table.as_of is not None}
    if not any(moments.values()):
        return
    for view in (view for view in content.views.values() if view.id not in known):
        for table, columns in read_view(content, view.id).columns.items():
            yield from _refused(f"{view.source} ({view.id})", table, moments.get(table, frozenset()) & columns)
    for rule in (rule for rule in content.rules.values() if rule.id not in known):
        for table, columns in _decisive(content, rule):
            yield from _refused(f"{rule.source} ({rule.id})", table, moments.get(table, frozenset()) & columns)


def _moments(table: Table) -> Iterator[str]:
    return (name for name, column in table.columns.items() if column.path == table.as_of)


def _decisive(content: Content, rule: Rule) -> Iterator[tuple[str, frozenset[str]]]:
    """The columns that turn a rule's verdict; what its messages say besides may be any."""
    for text in filter(None, (rule.where, rule.pass_)):
        read = read_expression(content, rule.for_each, text, where=rule.source, estate=rule.scope == "estate").reads
        yield from ((table, frozenset(columns)) for table, columns in read.items())


def _refused(where: str, table: str, columns: frozenset[str]) -> Iterator[ContentError]:
    for name in sorted(columns):
        yield ContentError(
            f"'{table}.{name}' is the moment of 'as_of', and what is too old by it is not judged",
            where=where,
            do="leave the age to --max-age, or remove as_of: where rules judge it themselves",
        )
