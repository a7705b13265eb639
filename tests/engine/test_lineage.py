"""A pattern over a document's text is refused however far from the document it stands; what reads its structure is not."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan.engine import lineage
from cnamm_scan.engine.lint import lint
from cnamm_scan.model import Content
from tests.packs import BOX, LOCK, asked, collector, content, table

Document = dict[str, Any]
BOXES: Document = {
    "name": {"type": "text", "from": "Name"},
    "policy": {"type": "json", "from": "Deep.Doc"},
    "principals": {"type": "list", "from": "Deep.Doc.statement[].principal.aws[]"},
    "raw": {"type": "text", "from": "AssumeRolePolicyDocument"},
    "sids": {"type": "list", "from": "Deep.Doc.statement[].sid"},
    "whole": {"type": "json", "from": "Deep"},
    "lock_id": {"type": "text", "from": "LockId"},
}
STATEMENTS: Document = {
    "lock_id": {"type": "text", "from": "parent.LockId"},
    "effect": {"type": "text", "from": "effect"},
    "condition": {"type": "json", "from": "condition"},
    "actions": {"type": "list", "from": "action"},
    "is_anyone": {"type": "boolean", "from": "principal.any"},
    "around": {"type": "json", "from": "parent.Doc"},
}


def pack(*rules: Document, views: Document | None = None, **derived: str | tuple[str, str]) -> Content:
    """Boxes with a policy each, locks with a row for each statement; `derived` are columns of boxes, in text unless told."""
    columns = dict(BOXES)
    for name, text in derived.items():
        kind, expression = ("text", text) if isinstance(text, str) else text
        columns[name] = {"type": kind, "is": expression}
    facts = {
        BOX: table(columns, normalise={"Deep.Doc": "iam_policy"}),
        LOCK: table(STATEMENTS, normalise={"Doc": "iam_policy"}, each="Doc.statement[]", key="{parent.LockId}"),
    }
    bare = [{**rule, "tests": {"pass": [{}], "fail": [{}], "unknown": [{}]}} for rule in rules]
    return content(*bare, collector=collector(facts, views or {}))


def places(made: Content) -> dict[str, str]:
    """Table, view or rule -> what is said of it."""
    problems = [problem for problem in lint(made) if not problem.what.endswith("would darken all others")]  # of regions
    assert all(problem.what.startswith("looks at the text of a document: ") and problem.do for problem in problems), problems
    return {problem.where.split("(")[1].split(")")[0]: problem.what.partition(": ")[2] for problem in problems}


@pytest.mark.parametrize(
    "expression",
    [
        "regexp_matches(CAST(policy AS VARCHAR), 'x')",
        "CAST(policy AS VARCHAR) LIKE '%x%'",
        "CAST(policy AS VARCHAR) NOT ILIKE '%x%'",
        "policy::VARCHAR ~ 'x'",
        "policy::VARCHAR GLOB '*x*'",
        "CAST(policy AS VARCHAR) SIMILAR TO '.*x'",
        "contains(lower(CAST(policy AS VARCHAR)), 'x')",
        "starts_with(trim(CAST(whole AS VARCHAR)), 'x')",
        "position('x' IN CAST(policy AS VARCHAR)) > 0",
        "instr(raw, 'x') > 0",
        "prefix(raw, 'x')",
        "substring(raw, 1, 3) = 'abc'",
        "replace(raw, 'a', 'b') = 'c'",
        "split_part(raw, ':', 5) = '1'",
        "len(split(raw, 'x')) > 1",
        "len(list_filter(principals, lambda p: regexp_matches(p, 'x'))) > 0",
        "list_contains(list_transform(principals, lambda p: split_part(p, ':', 5)), '1')",
        "regexp_matches(principals[1], 'x')",
        "json_extract_string(policy, '$.statement[0].condition') LIKE '%x%'",
        "policy ->> '$.statement[0].action[0]' LIKE 's3:%'",
        "CAST(policy -> '$.statement' AS VARCHAR) LIKE '%x%'",
        "regexp_matches(name || raw, 'x')",
        "NOT (name = 'a' AND raw LIKE 'x%')",
        "(raw LIKE 'x%') IN (true, false)",
    ],
)
def test_what_looks_at_text_is_refused(expression: str) -> None:
    assert list(places(pack(asked(expression, id="aws.lab.r")))) == ["aws.lab.r"]
    assert list(places(pack(x=("boolean", expression)))) == [f"{BOX}.x"]
    view = {
        "about": "Rows.",
        "columns": {"x": {"type": "boolean"}},
        "select": f"SELECT target, region, key, ({expression}) AS x FROM {BOX}",
    }
    assert list(places(pack(views={"aws.lab.v": view}))) == ["aws.lab.v"]


@pytest.mark.parametrize(
    "expression",
    [
        "regexp_matches(name, 'x')",
        "name LIKE 'x%'",
        "list_contains(principals, '*')",
        "len(principals) > 0",
        "json_extract_string(policy, '$.statement[0].effect') = 'Allow'",
        "json_array_length(policy, '$.statement') > 1",
        "regexp_matches(sids[1], 'x')",
        "regexp_matches(name, CAST(len(principals) AS VARCHAR))",
        "starts_with(CAST(list_contains(principals, '*') AS VARCHAR), 't')",
        "raw = ''",
    ],
)
def test_what_reads_structure_or_plain_names_is_not(expression: str) -> None:
    assert places(pack(asked(expression, id="aws.lab.r"), x=("boolean", expression))) == {}


def test_a_document_is_followed_through_columns_of_every_order() -> None:
    found = places(pack(z=("boolean", "y LIKE 'x%'"), y="lower(x)", x="CAST(policy AS VARCHAR)", n=("integer", "len(x)")))
    assert found == {f"{BOX}.z": f"~~ over y of {BOX}"}


def test_elements_of_a_document_are_the_document_and_what_stands_beside_it_is_not() -> None:
    def said(column: str) -> list[str]:
        return list(places(pack(asked(f"regexp_matches(CAST({column} AS VARCHAR), 'x')", id="aws.lab.r", for_each=LOCK))))

    assert {name: said(name) != [] for name in STATEMENTS} == {
        "lock_id": False,
        "effect": False,
        "condition": True,
        "actions": True,
        "is_anyone": False,
        "around": True,
    }


SELECTS = [
    f"SELECT target, region, key, CAST(condition AS VARCHAR) AS said FROM {LOCK}",
    f"SELECT l.target, l.region, l.key, b.raw AS said FROM {LOCK} l JOIN {BOX} b ON b.target = l.target",
    f"SELECT target, region, key, raw AS said FROM (SELECT * FROM {BOX})",
    f"WITH a AS (SELECT target, region, key, raw AS t FROM {BOX}), b AS (SELECT target, region, key, t AS said FROM a) SELECT * FROM b",
    f"WITH a(x, y, z, said) AS (SELECT target, region, key, raw FROM {BOX}) SELECT x AS target, y AS region, z AS key, said FROM a",
    f"SELECT target, region, key, name AS said FROM {BOX} UNION ALL SELECT target, region, key, raw FROM {BOX}",
    f"SELECT target, region, key, CASE WHEN name = 'a' THEN raw ELSE '' END AS said FROM {BOX}",
    f"SELECT target, region, key, max(raw) AS said FROM {BOX} GROUP BY ALL",
    f"SELECT target, region, key, unnest(principals) AS said FROM {BOX}",
    f"SELECT target, region, key, COALESCE(principals[1], '') AS said FROM {BOX}",
    f"SELECT a.target, a.region, a.key, a.t AS said FROM (SELECT target, region, key, raw FROM {BOX}) AS a(target, region, key, t)",
]


@pytest.mark.parametrize("select", SELECTS)
def test_a_document_is_followed_through_views(select: str) -> None:
    view = {"about": "Rows.", "columns": {"said": {"type": "text"}}, "select": select}
    over = {"about": "Rows.", "columns": {"also": {"type": "text"}}, "select": "SELECT target, region, key, said AS also FROM aws.lab.v"}
    views = {"aws.lab.v": view, "aws.lab.w": over}
    alone = asked("regexp_matches(also, 'x')", id="aws.lab.r", for_each="aws.lab.w")
    within = asked("true = ANY (SELECT w.also LIKE this.name FROM aws.lab.w w WHERE w.target = this.target)", id="aws.lab.s")
    this = asked(
        f"true = ANY (SELECT t.lock_id LIKE this.also FROM {LOCK} t WHERE t.target = this.target)", id="aws.lab.t", for_each="aws.lab.w"
    )
    fine = asked("also = 'x'", id="aws.lab.u", for_each="aws.lab.w")
    assert set(places(pack(alone, within, this, fine, views=views))) == {"aws.lab.r", "aws.lab.s", "aws.lab.t"}


@pytest.mark.parametrize(
    "select",
    [
        f"SELECT target, region, key, name AS said FROM {BOX} WHERE raw LIKE 'x%'",
        f"SELECT b.target, b.region, b.key, b.name AS said FROM {BOX} b JOIN {LOCK} l ON contains(b.raw, l.lock_id)",
        f"SELECT target, region, key, max(name) FILTER (WHERE raw LIKE 'x%') AS said FROM {BOX} GROUP BY ALL",
        f"SELECT target, region, key, max(name) AS said FROM {BOX} GROUP BY ALL HAVING max(raw) LIKE 'x%'",
        f"WITH a AS (SELECT raw FROM {BOX}) SELECT target, region, key, name AS said FROM {BOX} WHERE name IN (SELECT left(raw, 3) FROM a)",
    ],
)
def test_a_view_may_not_look_either(select: str) -> None:
    view = {"about": "Rows.", "columns": {"said": {"type": "text"}}, "select": select}
    assert list(places(pack(views={"aws.lab.v": view}))) == ["aws.lab.v"]


def test_the_problem_names_file_line_column_and_what_to_do() -> None:
    [problem] = lint(pack(x=("boolean", "raw LIKE 'x%' OR regexp_matches(CAST(policy AS VARCHAR), 'x')")))
    assert problem.what == f"looks at the text of a document: ~~ over raw of {BOX}, regexp_matches over policy of {BOX}"
    assert "collectors/aws/lab.yaml:" in problem.where
    assert f"({BOX}.x)" in problem.where
    assert "made:" in problem.do


def test_shipped_content_looks_at_no_document() -> None:
    assert [problem.where for problem in lineage.problems(reader.load())] == []
