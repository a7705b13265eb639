"""Content is narrowed to what the scanned providers need, and says the same afterwards."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cnamm_scan import content
from cnamm_scan.engine.narrow import narrowed
from cnamm_scan.engine.plan import Selection, make_plan, tables_of
from cnamm_scan.model import Content
from cnamm_scan.providers.catalog import KINDS


@pytest.fixture(scope="module")
def whole() -> Content:
    return content.load_files(content.load().files)


@pytest.mark.parametrize("providers", [("aws",), ("kubernetes",), ("aws", "kubernetes"), ()])
def test_what_is_left_reads_back_as_the_same(whole: Content, providers: tuple[str, ...]) -> None:
    """Its files say exactly what it says, hash and all: whoever opens the bundle has what the scan had."""
    made = narrowed(whole, providers)
    again = content.load_files(made.files)
    assert again.sha256 == made.sha256
    assert set(again.tables) == set(made.tables)
    assert set(again.views) == set(made.views)
    assert {name: rule.sha256 for name, rule in again.rules.items()} == {name: rule.sha256 for name, rule in made.rules.items()}
    assert again.models == made.models
    assert again.objectives == made.objectives
    assert again.merged == made.merged


@pytest.mark.parametrize("providers", [("aws",), ("kubernetes",), ("aws", "kubernetes")])
def test_what_is_left_asks_and_judges_the_same(whole: Content, providers: tuple[str, ...]) -> None:
    made = narrowed(whole, providers)
    before, after = (make_plan(each, Selection(), providers) for each in (whole, made))
    assert after.describe() == before.describe()
    assert [rule.rule for rule in after.rules] == [rule.rule for rule in before.rules]
    assert [rule.reads for rule in after.rules] == [rule.reads for rule in before.rules]
    for mine, theirs in zip(after.rules, before.rules, strict=True):
        assert tables_of(made, mine) == tables_of(whole, theirs)


def test_one_provider_is_about_half_of_two(whole: Content) -> None:
    own = narrowed(whole, ("kubernetes",))
    assert not [name for name in own.files if name.startswith("rules/aws/")]
    assert [name for name in own.files if name.startswith("collectors/aws/")] == ["collectors/aws/eks.yaml"]  # clusters are joined with it
    assert [name for name in own.files if name.startswith("mappings/")] == [name for name in whole.files if name.startswith("mappings/")]
    assert len(own.files) < 0.6 * len(whole.files)
    assert narrowed(whole, tuple(KINDS)).sha256 == whole.sha256


# ---- packs whose rules look further than their provider --------------------------------------------------------------------

MODEL = {
    "mappings/m.yaml": "model: m\ntitle: M\nversion: '1'\nfunctions: [f]\n",
    "mappings/m/f.yaml": "function: f\ntitle: F\npractices:\n- id: p\n  title: P\n  objectives:\n"
    "  - {id: f.o, level: 1, stream: A, title: It is so}\n",
}
TABLE = """{id}:
    about: One row for each.
    once_per: account
    list: {{call: ListThings, items: Items, needs: "s3:List"}}
    key: "{{Name}}"
    columns: {{name: {{type: text, from: Name}}}}
"""
RULE = """id: {id}
title: T
objective: f.o
severity: low
status: stable
for_each: {table}
scope: estate
pass: {sql}
message: "{{name}}"
why: W.
fix: "{{name}}"
references: [https://example.com/]
tests:
  pass: [{{name: a}}]
  fail: [{{name: b}}]
  unknown: [{{name: null}}]
"""
VIEW = """  {id}:
    about: Derived.
    columns: {{name: {{type: text}}}}
    select: {sql}
"""


def _pack(rules: Mapping[str, tuple[str, str]], views: Mapping[str, str]) -> Content:
    """A table in each of three AWS files and in one of Kubernetes; views in files of their own; rules by (table, SQL)."""
    files = dict(MODEL)
    for service in ("one", "two", "three"):
        files[f"collectors/aws/{service}.yaml"] = f"service: {service}\nfacts:\n  " + TABLE.format(id=f"aws.{service}.thing")
    files["collectors/kubernetes/core.yaml"] = "service: core\nclient: v1\nfacts:\n  " + TABLE.format(id="kubernetes.core.thing").replace(
        "ListThings", "things"
    )
    for name, sql in views.items():
        provider, service, _ = name.split(".")
        files[f"collectors/{provider}/{service}_views.yaml"] = f"service: {service}\nviews:\n" + VIEW.format(id=name, sql=sql)
    for name, (table, sql) in rules.items():
        files[f"rules/{name.replace('.', '/')}.yaml"] = RULE.format(id=name, table=table, sql=sql)
    return content.load_files({name: text.encode() for name, text in files.items()})


def _collectors(made: Content) -> set[str]:
    return {name for name in made.files if name.startswith("collectors/")}


OWN = {"collectors/kubernetes/core.yaml"}
ONE, TWO, THREE = ({f"collectors/aws/{name}.yaml"} for name in ("one", "two", "three"))
MINE = "kubernetes.core.thing"


@pytest.mark.parametrize(
    ("sql", "views", "kept"),
    [
        ("name = 'a'", {}, OWN),
        ("name = ANY (SELECT name FROM aws.one.thing)", {}, OWN | ONE),
        ('name = ANY (SELECT name FROM "aws"."one"."thing")', {}, OWN | ONE),
        ("name <> 'aws.one.thing'", {}, OWN),
        (
            "name = ANY (SELECT name FROM aws.far.view)",
            {"aws.far.view": "SELECT * FROM aws.two.thing"},
            OWN | TWO | {"collectors/aws/far_views.yaml"},
        ),
        (
            "name = ANY (SELECT name FROM kubernetes.near.view)",
            {"kubernetes.near.view": "SELECT * FROM aws.far.view", "aws.far.view": "SELECT * FROM aws.three.thing"},
            OWN | THREE | {"collectors/aws/far_views.yaml", "collectors/kubernetes/near_views.yaml"},
        ),
    ],
)
def test_what_a_kept_rule_looks_into_is_kept(sql: str, views: Mapping[str, str], kept: set[str]) -> None:
    whole = _pack({"kubernetes.core.r": (MINE, sql), "aws.one.r": ("aws.one.thing", "name = 'a'")}, views)
    made = narrowed(whole, ("kubernetes",))
    assert _collectors(made) == kept
    assert set(made.rules) == {"kubernetes.core.r"}
    again = content.load_files(made.files)
    assert again.sha256 == made.sha256
    assert set(again.tables) == set(made.tables)
    plans = [make_plan(each, Selection(), ("kubernetes",)) for each in (whole, made, again)]
    assert plans[0].describe() == plans[1].describe() == plans[2].describe()


def test_rules_that_judge_every_target_stay_with_what_they_look_into() -> None:
    rules = {"estate.all.r": ("estate.target", "name = ANY (SELECT name FROM aws.two.thing)")}
    made = narrowed(_pack(rules, {}), ("kubernetes",))
    assert _collectors(made) == OWN | TWO
    assert set(made.rules) == {"estate.all.r"}


def test_a_rule_that_is_wrong_costs_nothing_here() -> None:
    """It is told where it is to be run."""
    whole = _pack({"kubernetes.core.r": (MINE, "name = (aws"), "kubernetes.core.s": (MINE, "name = 'a'")}, {})
    assert set(narrowed(whole, ("kubernetes",)).rules) == {"kubernetes.core.r", "kubernetes.core.s"}
