"""What docs/azure-levels.md says: each level of each function is judged on Azure or named there, and nothing is said that is not so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from cnamm_scan import content as reader
from cnamm_scan.model import LEVEL_NAMES, Content

PAGE = Path(__file__).parent.parent.parent / "docs" / "azure-levels.md"
ROW = re.compile(r"^\| (\d) \w+ \| (.*?) \| (.*?) \|$", re.MULTILINE)
NAMED = re.compile(r"`([a-z-]+\.[a-z0-9-]+)`")


@cache
def content() -> Content:
    return reader.load()


@cache
def judged() -> dict[str, set[str]]:
    """Objective -> the rules of Azure that judge it."""
    found: dict[str, set[str]] = {}
    for rule in content().rules.values():
        if rule.provider == "azure":
            found.setdefault(rule.objective, set()).add(rule.id)
    return found


def placed() -> Iterator[tuple[str, int, str]]:
    """(function, level, objective) of all that is asked for somewhere, at home or also there."""
    for function in content().models[0].functions:
        for practice in function.practices:
            for use in practice.placements:
                yield function.id, use.level, use.objective


@cache
def rows() -> dict[tuple[str, int], tuple[str, str]]:
    """(function, level) -> the cells of its row: what is judged, and what is not."""
    text = PAGE.read_text()
    found = {}
    for function in content().models[0].functions:
        section = text.split(f"## {function.title}\n", 1)[1].split("\n## ", 1)[0]
        for level, yes, no in ROW.findall(section):
            found[function.id, int(level)] = (yes, no)
    return found


def reasons() -> set[str]:
    return set(re.findall(r"^\| `(.+?)` \| .+ \| .+\. \|$", PAGE.read_text().split("## Why not\n", 1)[1], re.MULTILINE))


def test_every_level_of_every_function_is_judged_on_azure_or_named_in_the_page() -> None:
    there = {(function, level) for function, level, objective in placed() if objective in judged()}
    every = {(function.id, level) for function in content().models[0].functions for level in LEVEL_NAMES}
    titles = {function.id: function.title for function in content().models[0].functions}
    assert rows().keys() == every
    text = PAGE.read_text()
    assert [one for one in every - there if f"level {one[1]} of {titles[one[0]]}" not in text] == []


def test_the_page_gives_no_objective_a_rule_that_does_not_judge_it() -> None:
    said = [
        (objective, f"azure.{name}")
        for yes, _ in rows().values()
        for objective, names in re.findall(r"`([a-z-]+\.[a-z0-9-]+)`(?: ↗)?: ([a-z0-9_., ]+)", yes)
        for name in names.split(", ")
    ]
    assert len(said) >= 150
    assert [(objective, rule) for objective, rule in said if rule not in judged().get(objective, ())] == []


def test_what_the_page_calls_not_judged_is_not_judged_and_has_a_reason() -> None:
    not_judged = {objective for _, no in rows().values() for objective in NAMED.findall(no)}
    assert not_judged
    assert not_judged & judged().keys() == set(), "a rule judges it by now: take it out of the page"
    assert not_judged == reasons()


def test_objectives_stand_in_the_page_where_the_model_has_them() -> None:
    so: dict[tuple[str, int], set[str]] = {}
    for function, level, objective in placed():
        so.setdefault((function, level), set()).add(objective)
    for place, cells in rows().items():
        assert set(NAMED.findall(" ".join(cells))) <= so[place], place
