"""What docs/PROVIDER-levels.md say: each level of each function is judged or named there, and nothing is said that is not so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from cnamm_scan import content as reader
from cnamm_scan.model import LEVEL_NAMES, Content

DOCS = Path(__file__).parent.parent.parent / "docs"
ROW = re.compile(r"^\| (\d) \w+ \| (.*?) \| (.*?) \|$", re.MULTILINE)
NAMED = re.compile(r"`([a-z-]+\.[a-z0-9-]+)`")
JUDGED = re.compile(r"`([a-z-]+\.[a-z0-9-]+)`(?: ↗)?: ([a-z0-9_., ]+)")


@dataclass(frozen=True)
class Page:
    """The page of one provider."""

    provider: str
    label: str
    least: int
    """How many rules it names at the least."""
    forms: frozenset[str]
    """What an objective that is not judged may be called."""

    def __str__(self) -> str:
        return self.provider


PAGES = [
    Page("azure", "Azure", 310, frozenset({"not there", "not to be seen", "in the directory"})),
    Page("gcp", "Google Cloud", 280, frozenset({"not there", "not to be seen", "in the directory", "in the cluster", "not judged yet"})),
]
each_page = pytest.mark.parametrize("page", PAGES, ids=str)


@cache
def content() -> Content:
    return reader.load()


@cache
def judged(page: Page) -> dict[str, set[str]]:
    """Objective -> the rules of the provider that judge it."""
    found: dict[str, set[str]] = {}
    for rule in content().rules.values():
        if rule.provider == page.provider and rule.status != "deprecated":
            found.setdefault(rule.objective, set()).add(rule.id)
    return found


def placed() -> Iterator[tuple[str, int, str]]:
    """(function, level, objective) of all that is asked for somewhere, at home or also there."""
    for function in content().models[0].functions:
        for practice in function.practices:
            for use in practice.placements:
                yield function.id, use.level, use.objective


@cache
def text(page: Page) -> str:
    return (DOCS / f"{page.provider}-levels.md").read_text()


@cache
def rows(page: Page) -> dict[tuple[str, int], tuple[str, str]]:
    """(function, level) -> the cells of its row: what is judged, and what is not."""
    found = {}
    for function in content().models[0].functions:
        section = text(page).split(f"## {function.title}\n", 1)[1].split("\n## ", 1)[0]
        assert f"| level | judged on {page.label}, by | not judged there |" in section
        for level, yes, no in ROW.findall(section):
            found[function.id, int(level)] = (yes, no)
    return found


def reasons(page: Page) -> dict[str, tuple[str, str]]:
    """Objective -> (the form of why it is not judged, the reason)."""
    found = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+\.) \|$", text(page).split("## Why not\n", 1)[1], re.MULTILINE)
    assert len(found) == len({name for name, _, _ in found}), "an objective has one reason"
    return {name: (form, why) for name, form, why in found}


@each_page
def test_every_level_of_every_function_is_judged_or_named_in_the_page(page: Page) -> None:
    there = {(function, level) for function, level, objective in placed() if objective in judged(page)}
    every = {(function.id, level) for function in content().models[0].functions for level in LEVEL_NAMES}
    titles = {function.id: function.title for function in content().models[0].functions}
    assert rows(page).keys() == every
    assert [one for one in every - there if f"level {one[1]} of {titles[one[0]]}" not in text(page)] == []


@each_page
def test_the_page_gives_no_objective_a_rule_that_does_not_judge_it(page: Page) -> None:
    said = [
        (objective, f"{page.provider}.{name}")
        for yes, _ in rows(page).values()
        for objective, names in JUDGED.findall(yes)
        for name in names.split(", ")
    ]
    assert [(objective, rule) for objective, rule in said if rule not in judged(page).get(objective, ())] == []
    rules = {rule for _, rule in said}
    assert len(rules) >= page.least, "fewer rules than the page is known to name: is the table still read?"
    assert len(rules) >= 0.9 * len({rule for found in judged(page).values() for rule in found}), "write the page's tables anew"


@each_page
def test_what_the_page_calls_not_judged_is_not_judged_and_has_a_reason(page: Page) -> None:
    not_judged = {objective for _, no in rows(page).values() for objective in NAMED.findall(no)}
    assert not_judged
    assert not_judged & judged(page).keys() == set(), "a rule judges it by now: take it out of the page"
    assert not_judged == reasons(page).keys()
    assert {form for form, _ in reasons(page).values()} <= page.forms


@each_page
def test_what_is_said_to_judge_it_instead_judges_something(page: Page) -> None:
    said = [(name, other) for name, (_, why) in reasons(page).items() for other in NAMED.findall(why)]
    assert said
    assert [(name, other) for name, other in said if other not in judged(page)] == []


@each_page
def test_objectives_stand_in_the_page_where_the_model_has_them(page: Page) -> None:
    so: dict[tuple[str, int], set[str]] = {}
    for function, level, objective in placed():
        so.setdefault((function, level), set()).add(objective)
    assert {place: set(NAMED.findall(" ".join(cells))) for place, cells in rows(page).items()} == so
