"""An SDK that is older than the content: what it drops is unread, and the SDK is named; silence would be taken for "not configured"."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore
import pytest

from cnamm_scan import api
from cnamm_scan import content as reader
from cnamm_scan.engine.plan import Selection, make_plan
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.model import Coverage
from cnamm_scan.providers.aws import lint, loader
from cnamm_scan.providers.aws.provider import AwsProvider
from cnamm_scan.providers.aws.session import Options
from tests.servers import Asked, BadServer, Wire, account, said

FACTS = """
service: lab
facts:
  aws.lab.table:
    about: Tables.
    once_per: region
    list: {call: dynamodb:ListTables, items: TableNames, needs: dynamodb:ListTables}
    key: '{@}'
    then: {detail: {call: dynamodb:DescribeTable, with: {TableName: '@'}, needs: dynamodb:DescribeTable}}
    columns:
      name: {type: text, from: '@'}
      status: {type: text, from: detail.Table.TableStatus, absent: none}
      is_kept: {type: boolean, from: detail.Table.DeletionProtectionEnabled, absent: false}
      is_let_go: {type: boolean, is: NOT is_kept}
  aws.lab.index:
    about: The indexes of tables.
    once_per: region
    list: {call: dynamodb:ListTables, items: TableNames, needs: dynamodb:ListTables}
    key: '{parent.@}'
    each: detail.Table.GlobalSecondaryIndexes[]
    then: {detail: {call: dynamodb:DescribeTable, with: {TableName: '@'}, needs: dynamodb:DescribeTable}}
    columns: {name: {type: text, from: IndexName}}
  aws.lab.project:
    about: Described many at a time.
    once_per: region
    list: {call: codebuild:ListProjects, items: projects, needs: codebuild:ListProjects}
    key: '{@}'
    then:
      detail: {call: codebuild:BatchGetProjects, needs: codebuild:BatchGetProjects, many: {names: '@'}, size: 5, items: projects, by: name}
    columns: {name: {type: text, from: detail.description, absent: ''}}
"""
RULES = {
    "table_kept": ("table", "is_kept", {"is_kept": True}, {"is_kept": False}, {"is_kept": None}),
    "table_let_go": ("table", "NOT is_let_go", {"is_let_go": False}, {"is_let_go": True}, {"is_let_go": None}),
    "table_active": ("table", "status = 'ACTIVE'", {"status": "ACTIVE"}, {"status": "none"}, {"status": None}),
    "index": ("index", "name = 'by-name'", {"name": "by-name"}, {"name": "x"}, {"name": None}),
    "project": ("project", "name = 'good'", {"name": "good"}, {"name": "x"}, {"name": None}),
}


def told(asked: Asked) -> Wire:
    operation = asked.headers["x-amz-target"].rpartition(".")[2]
    index = {"IndexName": "by-name"}
    table = {"TableName": "t", "TableStatus": "ACTIVE", "DeletionProtectionEnabled": True, "GlobalSecondaryIndexes": [index]}
    answers: dict[str, Any] = {
        "ListTables": {"TableNames": ["t"]},
        "DescribeTable": {"Table": table},
        "ListProjects": {"projects": ["p"]},
        "BatchGetProjects": {"projects": [{"name": "p", "description": "good"}]},
    }
    return said(answers[operation])


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    (folder / "collectors/aws").mkdir(parents=True)
    (folder / "rules/aws/lab").mkdir(parents=True)
    (folder / "collectors/aws/lab.yaml").write_text(FACTS)
    for name, (table, passes, good, bad, unknown) in RULES.items():
        (folder / f"rules/aws/lab/{name}.yaml").write_text(
            textwrap.dedent(f"""
                id: aws.lab.{name}
                title: It is well
                objective: resilience.data-is-backed-up
                severity: low
                status: stable
                for_each: aws.lab.{table}
                pass: {passes}
                message: "{{key}}"
                why: It is.
                fix: Do it.
                references: [https://example.com]
                tests: {json.dumps({"pass": [good], "fail": [bad], "unknown": [unknown]})}
                """)
        )
    return folder


Forget = tuple[str, str]
"""Shape and member."""


def older(monkeypatch: pytest.MonkeyPatch, *forgets: Forget) -> None:
    """A botocore whose descriptions lack these."""

    def forgetful(model: dict[str, Any], keep: frozenset[str], known: Callable[..., dict[str, Any]] = loader.pruned) -> dict[str, Any]:
        made = known(model, keep)
        for shape, member in forgets:
            if shape in made["shapes"]:
                del made["shapes"][shape]["members"][member]
        return made

    monkeypatch.setattr(loader, "pruned", forgetful)


@contextmanager
def scanned(pack: Path) -> Iterator[tuple[api.Scan, BadServer]]:
    with (
        BadServer(account(told)) as server,
        api.scan(
            ["aws"],
            rules=["aws.lab"],
            content=[pack],
            options=api.TargetOptions(endpoint_url=server.url),
            limits=Limits(attempts=1),
        ) as done,
    ):
        yield done, server


def verdicts(done: api.Scan) -> dict[str, tuple[str, str]]:
    return {result.rule.rpartition(".")[2]: (result.verdict.value, result.reason) for result in done.results()}


def lines(done: api.Scan) -> list[Coverage]:
    return [line for line in done.coverage if "unsupported" in line.gaps]


WELL = dict.fromkeys(RULES, ("pass", ""))
UNSUPPORTED = ("unknown", "unsupported")


def test_an_sdk_that_knows_all_leaves_nothing_unread(pack: Path) -> None:
    with scanned(pack) as (done, _):
        assert verdicts(done) == {**WELL}
        assert lines(done) == []


CASES: dict[str, tuple[Forget, tuple[str, ...], tuple[tuple[str, str], ...]]] = {
    "a column": (
        ("TableDescription", "DeletionProtectionEnabled"),
        ("table_kept", "table_let_go"),
        (("aws.lab.table", "detail.Table.DeletionProtectionEnabled"),),
    ),
    "what columns stand in": (
        ("DescribeTableOutput", "Table"),
        ("table_kept", "table_let_go", "table_active", "index"),
        (
            ("aws.lab.index", "list"),
            ("aws.lab.table", "detail.Table.DeletionProtectionEnabled"),
            ("aws.lab.table", "detail.Table.TableStatus"),
        ),
    ),
    "the items": (
        ("ListTablesOutput", "TableNames"),
        ("table_kept", "table_let_go", "table_active", "index"),
        (("aws.lab.index", "list"), ("aws.lab.table", "list")),
    ),
    "the elements": (("TableDescription", "GlobalSecondaryIndexes"), ("index",), (("aws.lab.index", "list"),)),
    "a parameter": (
        ("DescribeTableInput", "TableName"),
        ("table_kept", "table_let_go", "table_active", "index"),
        (("aws.lab.index", "detail"), ("aws.lab.table", "detail")),
    ),
    "what many answers are told apart by": (("Project", "name"), ("project",), (("aws.lab.project", "detail"),)),
    "the answers of many": (("BatchGetProjectsOutput", "projects"), ("project",), (("aws.lab.project", "detail"),)),
}


@pytest.mark.parametrize("name", CASES)
def test_what_an_older_sdk_drops_is_unread_and_the_sdk_is_named(monkeypatch: pytest.MonkeyPatch, pack: Path, name: str) -> None:
    """Answered in full, and dropped on the way: `absent:` must not speak for it, and rows that are not seen are not none."""
    forgotten, rules, parts = CASES[name]
    older(monkeypatch, forgotten)
    with scanned(pack) as (done, server):
        assert verdicts(done) == {**WELL, **dict.fromkeys(rules, UNSUPPORTED)}
        assert {(line.table, line.part) for line in lines(done)} >= set(parts)
        assert {line.code for line in lines(done)} == {f"botocore {botocore.__version__} does not have it"}
        assert not any(line.complete for line in lines(done))
        assert {gap["reason"] for gap in done.report()["gaps"]} == {"unsupported"}
        if name == "a parameter":  # without it something else would have been asked
            assert not any("DescribeTable" in asked.headers.get("x-amz-target", "") for asked in server.requests)
        path = done.path
        assert path is not None
        with api.evaluate(path) as again:  # the bundle says so itself, whatever SDK there is by then
            assert verdicts(again) == {**WELL, **dict.fromkeys(rules, UNSUPPORTED)}


def test_what_ships_is_known_to_the_sdk_that_is_installed() -> None:
    """As the bound in pyproject promises: `content lint` holds it against the whole description, this against what a scan loads."""
    content = reader.load()
    plan = make_plan(content, Selection(), ["aws"])
    with BadServer(account(told)) as server:
        provider = AwsProvider(Options(endpoint_url=server.url, operations=plan.operations("aws")))
        assert provider.unread(content, plan.tables) == {}
        provider.close()
    assert list(lint.check(content)) == []
