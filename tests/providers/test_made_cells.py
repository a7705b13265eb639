"""What a wing's function makes of less is what it makes of everything, as far as it says anything: for every function that ships.

Rows of a known estate, and of small pools, lose cells and neighbours. Whatever the function then still says it says of every filling too,
and no row vanishes: what might be there is there, and unknown. Views written in SQL are held to the same in tests/engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module
from random import Random
from typing import Any

import pytest

from cnamm_scan.demo.cluster.bed.server import ClusterBed
from cnamm_scan.demo.cluster.shop import VERSION, shop
from cnamm_scan.engine.made import Makers
from cnamm_scan.model import Content, MadeRow, Target, View
from cnamm_scan.providers.interface import Maker, SeenRow
from tests.clusters import scan
from tests.providers.fillings import CONTENT, INSTEAD, ME, Tables, invented, may_be_none, without
from tests.providers.seen import Given

MADE = sorted((view for view in CONTENT.views.values() if view.made is not None), key=lambda view: view.id)
SUBSCRIPTION = "11111111-0000-4000-8000-000000000001"
CLUSTER = "kubernetes.cluster.cluster"
"""Every cluster is one."""
AT_LEAST = {
    "administers_beneath",
    "admits",
    "at_least",
    "exempted",
    "keys",
    "lists",
    "missed",
    "names",
    "namespaces",
    "pods",
    "policies",
    "open_lists",
    "sources",
    "target_ports",
    "ways",
    "whole_services",
    "wide_lists",
}
"""Columns of which everything may hold more than less does, as their words say."""
CERTAIN = {"none", "account", "namespace"}
"""The widest that a subject of a cluster certainly reaches."""
GROUPED = {"kubernetes.networking.pod_group"}
"""Views with one row for all that are alike."""
AT_MOST = {"at_most", "possible_ways", "unclear"}


@dataclass(kw_only=True)
class Seen(Given):
    """These rows, of one target."""

    tables: Tables = field(default_factory=dict)

    def rows(self, table: str) -> Sequence[SeenRow]:
        """What was seen of a table."""
        return self.tables[table]


def makers(provider: str) -> Mapping[str, Maker]:
    """The functions of a wing."""
    found: Mapping[str, Maker] = import_module(f"cnamm_scan.providers.{provider}.made.columns").MAKERS
    return found


def made(view: View, tables: Tables, unseen: frozenset[str] = frozenset()) -> list[MadeRow]:
    """What the view's function makes of these rows."""
    assert view.made is not None
    name = {"aws": ME, "azure": SUBSCRIPTION, "kubernetes": "demo"}[view.provider]
    target = Target(f"{view.provider}:{name}", view.provider, name)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    seen = Seen(tables=tables, unseen=unseen, targets=(target,), over=view.made.over, reads=view.made.reads, now=now)
    return list(makers(view.provider)[view.made.by].make(seen))


# ---- less, and everything ------------------------------------------------------------------------------------------------


def _holds(name: str, said: Any, whole: MadeRow) -> bool:
    """Whether what is said of less is so of everything: the same, or the bound or the part of it that the column says it is."""
    of_all = whole.values.get(name)
    if name == "namespaces" and whole.values.get("reach") == "administrator":
        return True  # who has the whole cluster has each of them, and none is listed
    words = name == "privileged_way_in" or (name == "ways" and isinstance(said, str)) or (name == "reach" and said in CERTAIN)
    if said == "unknown" or name in ("reach_at_least", "reach_at_most") or words:
        return True  # a word for what is not known, bounds that hold for either, and words for a person that are cut to a length
    if name in AT_LEAST or name in AT_MOST:
        if of_all is None:
            return True
        if said == 0 and name != "at_least":
            return bool(of_all == 0)  # rules ask whether there is none: that there is one may be a bound, that there is none is not
        small, large = (said, of_all) if name in AT_LEAST else (of_all, said)
        return small <= large if isinstance(small, int) else set(small or ()) <= set(large or ())
    return bool(said == of_all)


def _may_be(less: MadeRow, whole: MadeRow, columns: Sequence[str]) -> bool:
    """Whether a row that is not wholly known may be this one."""
    known = [name for name in columns if less.values.get(name) is not None]
    return len(known) < len(columns) and all(less.values[name] == whole.values.get(name) for name in known)


def denied(less: Sequence[MadeRow], whole: Sequence[MadeRow], columns: Sequence[str], *, others: bool, grouped: bool = False) -> str | None:
    """What of the one is not so in the other; None for nothing. `others` whether rows may be added that nothing here stands for.

    `grouped`: a row stands for all that are alike, under the key of the first. Of those of which less is known more are alike, and one row
    that is not wholly known stands for what turns out to be several.
    """
    there = {(row.target, row.region, row.key): row for row in whole}
    unsure: set[str] = set()
    for row in less:
        known = {name: row.values[name] for name in columns if row.values.get(name) is not None}
        if len(known) < len(columns):
            unsure |= set(row.rests_on)
        other = there.get((row.target, row.region, row.key))
        if other is None:
            alike = any(all(each.values.get(name) == value for name, value in known.items()) for each in whole)
            if len(known) == len(columns) and not alike:  # of what is alike one row may stand for all, under the key of any
                return f"is not there: {row}"
            continue
        for name, value in known.items():
            if not _holds(name, value, other):
                return f"{name} is another: {row}, {other}"
    named = {(row.target, row.region, row.key) for row in less}
    gone = [row for place, row in there.items() if place not in named and not others and not unsure & set(row.rests_on)]
    gone = [row for row in gone if not any(_may_be(each, row, columns) for each in less)] if grouped else gone
    return f"vanished: {gone}" if gone else None


@dataclass(frozen=True)
class Case:
    """Rows of which something was not seen, and fillings: rows that may be what is there."""

    view: View
    less: Tables
    unseen: frozenset[str]
    fillings: Sequence[Tables]
    others: bool
    """Whether more rows may be made of everything that nothing made of less stands for."""

    @property
    def problem(self) -> str | None:
        """What is said of less and is not so."""
        said = made(self.view, self.less, self.unseen)
        found = (
            denied(said, made(self.view, every), list(self.view.columns), others=self.others, grouped=self.view.id in GROUPED)
            for every in self.fillings
        )
        return next((each for each in found if each is not None), None)

    def smaller(self) -> Iterator[Case]:
        """The same with one filling, and then without a row."""
        if len(self.fillings) > 1:
            yield from (replace(self, fillings=(every,)) for every in self.fillings)
        for table, row in [(table, row) for table, rows in self.fillings[0].items() for row in rows if table != CLUSTER]:
            less, *fillings = (
                {**rows, table: [each for each in rows[table] if each.key != row.key]} for rows in (self.less, *self.fillings)
            )
            yield replace(self, less=less, fillings=fillings)

    def smallest(self) -> Case:
        """With nothing that takes no part in the problem."""
        return next((each.smallest() for each in self.smaller() if each.problem is not None), self)

    def __str__(self) -> str:
        """As one wants to read it."""
        rows = (f"seen: {self.less}", *(f"may be: {every}" for every in self.fillings))
        return "\n".join((f"{self.view.id}: {self.problem}", *rows, f"dark: {sorted(self.unseen)}"))


def cases(view: View, random: Random, whole: Tables, counts: Counter[str]) -> Iterator[Case]:
    """Lose cells, which may be what they were or something else; then rows, with their table dark."""
    assert view.made is not None
    holes = [
        (table, number, name)
        for table, rows in whole.items()
        for number, row in enumerate(rows)
        for name in row.values
        if name in may_be_none(table) and row.values[name] is not None
    ]
    if holes:
        cells = random.sample(holes, min(len(holes), random.choice([1, 1, 2, 4])))
        fillings = (whole, *(without(whole, cells, random) for _ in range(2)))
        yield Case(view, without(whole, cells), frozenset(), fillings, others=False)
        counts["cells"] += 1
    table = random.choice(sorted(whole.keys() - {CLUSTER}))
    kept = [row for row in whole[table] if random.random() < 0.5 or (table.endswith(".cluster_role") and row.values.get("is_builtin"))]
    unseen = frozenset(
        {table, *(each for pair in INSTEAD if table in pair for each in pair)}
    )  # what is asked instead would have shown them
    # one row, "Cloud", stands for whomever a cloud lets in by ways that were not seen
    yield Case(view, {**whole, table: kept}, unseen, (whole,), table in view.made.over or table == "kubernetes.core.aws_mapping")
    counts["tables"] += 1


def check(view: View, random: Random, whole: Tables, counts: Counter[str]) -> None:
    """Hold what is made of less to what is made of everything."""
    for case in cases(view, random, whole, counts):
        assert case.problem is None, str(case.smallest())


@pytest.mark.parametrize("tries", [15, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("view", [view for view in MADE if view.provider == "aws"], ids=lambda view: view.id)
def test_what_is_made_of_an_account_says_nothing_that_the_unseen_could_deny(view: View, tries: int) -> None:
    random, counts = Random(f"{view.id} {tries}"), Counter[str]()
    for _ in range(tries):
        check(view, random, invented(random, view), counts)
    assert counts["tables"] == tries


# ---- a cluster -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Tables]:
    """View -> the rows that its function is given of the demo's cluster."""
    found: dict[str, Tables] = {}
    given = Makers._made

    def spy(self: Makers, content: Content, view: View, seen: Any, columns: Mapping[str, str]) -> Iterator[tuple[MadeRow, str]]:
        assert view.made is not None
        found[view.id] = {table: [*seen.rows(table)] for table in view.made.reads}
        return given(self, content, view, seen, columns)

    with pytest.MonkeyPatch.context() as patch, ClusterBed(shop(), version=VERSION) as bed:
        patch.setattr(Makers, "_made", spy)
        with scan(bed, tmp_path_factory.mktemp("estate")):
            return found


def some_of(random: Random, tables: Tables) -> dict[str, list[SeenRow]]:
    """A few rows of each table, of few namespaces: so they meet."""
    spaces = {str(row.values["namespace"]) for rows in tables.values() for row in rows if row.values.get("namespace")}
    few = {None, "", *random.sample(sorted(spaces), min(len(spaces), 3))}
    found = {}
    for table, rows in tables.items():
        near = [row for row in rows if row.values.get("namespace") in few]
        found[table] = random.sample(near, min(len(near), random.choice([1, 2, 3])))
        if table in (CLUSTER, "kubernetes.rbac.cluster_role"):
            found[table] = list(rows)  # no cluster is without those that every server makes
    return found


@pytest.mark.parametrize("tries", [6, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("view", [view for view in MADE if view.provider == "kubernetes"], ids=lambda view: view.id)
def test_what_is_made_of_a_cluster_says_nothing_that_the_unseen_could_deny(view: View, tries: int, estate: Mapping[str, Tables]) -> None:
    random, counts = Random(f"{view.id} {tries}"), Counter[str]()
    for _ in range(tries):
        check(view, random, some_of(random, estate[view.id]), counts)
    assert counts["tables"] == tries
