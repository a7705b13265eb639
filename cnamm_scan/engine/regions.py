"""Holds that what is of a region is asked for in its region: else one region out of sight darkens rows in all others.

Rows of a table that is listed region by region are joined by region to rows that stand in one. Who means those of every region says so,
with a reason, under `across_regions:` of the rule or view. Tables that are listed once for a target have nothing to be joined by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from functools import lru_cache

from cnamm_scan.engine.doubt import NOTHING, Tables
from cnamm_scan.engine.evaluate import compile_rule
from cnamm_scan.engine.terms import CannotTellError
from cnamm_scan.engine.worth import read_worth
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Content, Rule, View

_DO = "join it by region, or say why under across_regions:"


def problems(content: Content, known: Set[str] = frozenset()) -> Iterator[ContentError]:
    """Each join without its region, and each reason that nothing asks for, but for `known` names. Content has to bind."""
    for view in content.views.values():
        if view.id in known:
            continue
        if view.made is None:
            yield from _told(view, f"{view.source} ({view.id})", _joined_across(content, view))
        elif view.across_regions:
            yield ContentError("a view of a function joins nothing", where=f"{view.source} ({view.id})", do="remove across_regions:")
    for rule in (rule for rule in content.rules.values() if rule.id not in known):
        yield from _told(rule, f"{rule.source} ({rule.id})", _looked_up_across(content, rule))


def _told(said: Rule | View, where: str, across: Iterable[str]) -> Iterator[ContentError]:
    found = set(across)
    for table in sorted(found - said.across_regions.keys()):
        yield ContentError(f"'{table}' is joined without its region: one region out of sight would darken all others", where=where, do=_DO)
    for table in sorted(said.across_regions.keys() - found):
        yield ContentError(f"'{table}' is not joined across regions here", where=where, do="remove it from across_regions:")


def _looked_up_across(content: Content, rule: Rule) -> Iterator[str]:
    if stands_in_region(content, rule.for_each):
        for each in compile_rule(content, rule).subqueries:
            is_joined = each.by_region or each.asks_region or any(inner == "region" for inner, _ in each.joins)
            if not is_joined and is_listed_by_region(content, each.table):
                yield each.table


def _joined_across(content: Content, view: View) -> Iterator[str]:
    try:
        parts = read_worth(content, view.id).parts
    except CannotTellError:
        return  # where a table beneath is dark none of its rows is certain, whatever it is joined by
    for part in parts:
        tied = part.made.tied.get("region", NOTHING)
        if any(stands_in_region(content, table) for table in tied):
            yield from (table for table in part.made.tables - tied if is_listed_by_region(content, table))


@lru_cache(maxsize=4096)
def stands_in_region(content: Content, name: str) -> bool:
    """Whether rows of a table or view say a region that they are in: asked there, or told by the listing."""
    table = content.tables.get(name)
    if table is not None:
        by_parent = table.list.for_ is not None and stands_in_region(content, table.list.for_)
        return table.once_per == "region" or bool(table.list.in_region) or by_parent
    return any(stands_in_region(content, base) for base in _bases(content, name))


@lru_cache(maxsize=4096)
def is_listed_by_region(content: Content, name: str) -> bool:
    """Whether a table, or what the rows of a view come from, is listed region by region, so that one of these may be out of sight."""
    table = content.tables.get(name)
    if table is not None:
        return table.once_per == "region"
    return any(is_listed_by_region(content, base) for base in _bases(content, name))


def _bases(content: Content, name: str) -> Tables:
    """The tables in whose region a view's rows are."""
    view = content.views.get(name)
    if view is None:
        return NOTHING
    if view.made is not None:
        return frozenset(view.made.over)
    try:
        return NOTHING.union(*(part.made.tied.get("region", NOTHING) for part in read_worth(content, name).parts))
    except CannotTellError:
        return NOTHING
