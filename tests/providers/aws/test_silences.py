"""What AWS leaves out though it is there is no answer: a closed list, and a lint that refuses columns that rest on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan.model import Column, Content
from cnamm_scan.providers.aws import silences
from cnamm_scan.providers.aws.lint import check

CONTENT = reader.load()


def with_column(table: str, column: Column, **call: Any) -> Content:
    """The content with one more column, and a listing that asks otherwise."""
    spec = CONTENT.tables[table]
    made = replace(spec, columns={**spec.columns, "more": column}, list=replace(spec.list, **call))
    return replace(CONTENT, tables={**CONTENT.tables, table: made})


def told(content: Content, table: str) -> list[str]:
    return [what for name, what, _ in check(content, known=CONTENT.tables.keys() - {table}) if name == table and "says nothing" in what]


def test_every_entry_is_a_path_that_the_operation_has_and_says_how_we_know() -> None:
    from botocore.session import get_session

    for operation, entries in silences.KNOWN.items():
        client, _, name = operation.partition(":")
        model = get_session().get_service_model(client).operation_model(name)
        for path, silence in entries.items():
            assert len(silence.why) > 10
            assert _has(model.output_shape, path.split(".")), (operation, path)
            assert silence.asked_by is None or silence.asked_by[0] in model.input_shape.members


def _has(shape: Any, keys: list[str]) -> bool:
    """Whether the keys lead somewhere from some structure beneath: an entry is a path within one item."""
    if shape.type_name in ("list", "map"):
        return _has(shape.member if shape.type_name == "list" else shape.value, keys[shape.type_name == "map" :])
    if shape.type_name != "structure":
        return not keys
    if not keys:
        return True
    if keys[0] in shape.members:
        return _has(shape.members[keys[0]], keys[1:])
    return any(_has(each, keys) for each in shape.members.values() if each.type_name in ("list", "structure"))


def test_no_column_that_ships_rests_on_silence() -> None:
    for table in CONTENT.tables.values():
        if table.provider == "aws":
            assert not list(silences.taken_for_an_answer(CONTENT, table))


@pytest.mark.parametrize(
    ("table", "column", "call"),
    [
        ("aws.ecr.image", Column("text", from_="imageScanStatus.status", absent="never scanned"), {}),
        ("aws.ecr.image", Column("boolean", exists="imageScanFindingsSummary.imageScanCompletedAt"), {}),
        ("aws.ec2.volume", Column("text", from_="Attachments[0].InstanceId", absent="none"), {}),
        ("aws.iam.role_single", Column("boolean", exists="RoleLastUsed.LastUsedDate"), {}),
        ("aws.lambda.function", Column("text", from_="State", absent="Active"), {}),
        ("aws.budgets.budget", Column("json", from_="FilterExpression", absent={}), {"fixed": {}}),
        (
            "aws.apigateway.resource",
            Column("text", from_="resourceMethods.GET.authorizationType", absent="NONE"),
            {"fixed": {"limit": 500}},
        ),
    ],
)
def test_silence_that_may_hide_something_is_refused(table: str, column: Column, call: dict[str, Any]) -> None:
    assert told(with_column(table, column, **call), table)


def test_what_is_asked_for_is_an_answer_and_so_is_silence_that_nobody_interprets() -> None:
    asked = with_column("aws.budgets.budget", Column("json", from_="FilterExpression", absent={}))
    assert not told(asked, "aws.budgets.budget")
    assert not told(with_column("aws.ecr.image", Column("text", from_="imageScanStatus.status")), "aws.ecr.image")


def test_what_a_child_says_of_its_parent_is_traced_to_the_parents_listing() -> None:
    content = with_column("aws.budgets.budget", Column("text", from_="BudgetName"), fixed={})
    assert any("ShowFilterExpression" in what or "FilterExpression" in what for what in told(content, "aws.budgets.notification"))
