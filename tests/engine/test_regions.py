"""What is of a region is asked for in its region, or says why not: in rules, in views, and in views of views."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan.engine.lint import lint
from cnamm_scan.engine.regions import problems
from tests.packs import ACCOUNT, BOX, LOCK, asked, collector, content, lab, table

SEEN = "aws.lab.seen"
WHY = {LOCK: "A lock of any region will do."}
ACROSS = f"true = ANY (SELECT t.strong FROM {LOCK} t WHERE t.target = this.target AND t.lock_id = this.lock_id)"


def said(*rules: Any, views: Any = None, **facts: Any) -> list[str]:
    own = {**lab()["facts"], **{name.replace("__", "."): each for name, each in facts.items()}}
    made = content(*rules, collector=collector(own, views))
    return [f"{problem.where.split(':')[0]} {problem.what}" for problem in problems(made)]


def view(select: str, **more: Any) -> dict[str, Any]:
    return {SEEN: {"about": "Seen.", "columns": {"strong": {"type": "boolean"}}, "select": select, **more}}


def joined(on: str, *, of: str = BOX, region: str = "b.region", name: str = "key") -> str:
    return (
        f"SELECT b.target, {region} AS region, b.{name} AS key, bool_or(t.strong) AS strong FROM {of} b"
        f" LEFT JOIN {LOCK} t ON t.target = b.target{on} GROUP BY ALL"
    )


def test_what_ships_joins_by_region_or_says_why() -> None:
    assert [str(problem) for problem in problems(reader.load())] == []


@pytest.mark.parametrize(
    ("expression", "more", "found"),
    [
        (ACROSS, {}, 1),
        (ACROSS, {"across_regions": WHY}, 0),
        (ACROSS.replace("AND t.lock", "AND t.region = this.region AND t.lock"), {}, 0),
        (ACROSS.replace("AND t.lock", "AND t.region = this.region AND t.lock"), {"across_regions": WHY}, 1),
        (ACROSS.replace("AND t.lock", "AND t.region = this.name AND t.lock"), {}, 0),
        (ACROSS.replace("SELECT t.strong", "SELECT t.strong AND t.region = this.name"), {}, 0),
        ("state = 'On'", {"across_regions": WHY}, 1),
    ],
)
def test_a_look_up_is_joined_by_region(expression: str, more: Any, found: int) -> None:
    assert len(said(asked(expression, **more))) == found


def test_who_stands_in_no_region_asks_all_of_them() -> None:
    expression = f"true = ANY (SELECT t.strong FROM {LOCK} t WHERE t.target = this.target)"
    assert said(asked(expression, for_each=ACCOUNT)) == []
    placed = table({"alias": {"type": "text", "from": "Alias"}}, once_per="account", key="{Alias}")
    placed["list"] = {**placed["list"], "in_region": "Region"}
    assert len(said(asked(expression, for_each="aws.lab.placed"), aws__lab__placed=placed)) == 1
    # and what is listed once for an account is dark as a whole, whatever it is joined by
    assert (
        said(asked("true = ANY (SELECT t.alias = 'x' FROM aws.lab.placed t WHERE t.target = this.target)"), aws__lab__placed=placed) == []
    )


@pytest.mark.parametrize(
    ("select", "more", "found"),
    [
        (joined(" AND t.lock_id = b.lock_id"), {}, 1),
        (joined(" AND t.lock_id = b.lock_id"), {"across_regions": WHY}, 0),
        (joined(" AND t.region = b.region"), {}, 0),
        (joined(" AND t.region = b.region"), {"across_regions": WHY}, 1),
        (joined("", region="'global'"), {}, 0),
        (joined("", of=ACCOUNT), {}, 0),
        (f"WITH l AS (SELECT * FROM {LOCK}) " + joined("").replace(LOCK, "l"), {}, 1),
        (f"WITH l AS (SELECT * FROM {LOCK}) " + joined(" AND t.region = b.region").replace(LOCK, "l"), {}, 0),
    ],
)
def test_a_view_joins_by_region(select: str, more: Any, found: int) -> None:
    assert len(said(views=view(select, **more))) == found


def test_a_view_of_a_region_is_asked_in_it_too() -> None:
    views = view(joined(" AND t.region = b.region"))
    asks = f"true = ANY (SELECT t.strong FROM {SEEN} t WHERE t.target = this.target)"
    assert len(said(asked(asks), views=views)) == 1
    assert said(asked(asks.replace("this.target)", "this.target AND t.region = this.region)")), views=views) == []
    of_account = view(joined("", of=ACCOUNT))
    assert said(asked(asks), views=of_account) == []


def test_the_lint_of_content_says_it() -> None:
    [problem] = lint(content(asked(ACROSS)))
    assert problem.what == f"'{LOCK}' is joined without its region: one region out of sight would darken all others"
    assert problem.do == "join it by region, or say why under across_regions:"
