"""Bundles of made-up facts that fit the shipped tables: what judging at scale is measured on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cnamm_scan import content as reader
from cnamm_scan import paths
from cnamm_scan.api import scan_id
from cnamm_scan.engine.plan import Plan, Selection, make_plan
from cnamm_scan.evidence.bundle import BundleWriter, tool
from cnamm_scan.evidence.canonical import utc
from cnamm_scan.model import SCORING_MODEL, Column, Content, Table


def bundle(folder: Path, facts: int, tables: Sequence[str], started: Any) -> Path:
    """Write a bundle of `facts` facts spread evenly over `tables`, of one account and two regions."""
    content = reader.load()
    plan = make_plan(content, Selection(), ["aws"])
    writer = BundleWriter(folder, scan_id(started), redaction_key=b"benchmark")
    chance = random.Random(42)
    target = "aws:123456789012"
    for number in range(facts):
        table = content.tables[tables[number % len(tables)]]
        region = ("us-east-1", "eu-west-1")[number % 2]
        writer.fact(
            table=table.id,
            target=target,
            region=region if table.once_per == "region" else "global",
            key=f"{table.id}/{number}",
            data=_document(table, chance, number),
            gaps={},
            calls=(),
            redact=(),
        )
    return writer.finish(content, _manifest(writer, content, plan, target, started))


def _manifest(writer: BundleWriter, content: Content, plan: Plan, target: str, started: Any) -> dict[str, Any]:
    regions = [{"name": name, "state": "enabled", "seen": "listed", "opt_in": None} for name in ("us-east-1", "eu-west-1")]
    account = {
        "id": target,
        "provider": "aws",
        "name": target.partition(":")[2],
        "identity": "",
        "regions": regions,
        "calls": 0,
        "retries": 0,
    }
    return {
        "scan": {
            "id": writer.scan_id,
            "started_at": utc(started),
            "finished_at": utc(started),
            "interrupted": False,
            "targets": [account],
            "content": {"version": content.version, "sha256": content.sha256},
            "method": SCORING_MODEL,
            "tool": tool(),
        },
        "plan": {"rules": [rule.rule.id for rule in plan.rules], "tables": plan.describe()},
    }


def _document(table: Table, chance: random.Random, number: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, column in table.columns.items():
        if column.path and not column.path.startswith("$") and chance.random() < 0.9:
            _put(document, paths.parse(column.path).steps, _value(name, column, chance, number))
    return document


def _put(document: dict[str, Any], steps: Sequence[paths.Step], value: Any) -> None:
    key, rest = str(steps[0]), list(steps[1:])
    lists = 0
    while rest and (rest[0] == paths.EACH or isinstance(rest[0], int)):
        lists, rest = lists + 1, rest[1:]
    if not rest:
        document.setdefault(key, [value] if lists else value)
        return
    if lists:
        held = document.setdefault(key, [{}])
        if isinstance(held, list) and isinstance(held[0], dict):
            _put(held[0], rest, value)
        return
    held = document.setdefault(key, {})
    if isinstance(held, dict):
        _put(held, rest, value)


def _value(name: str, column: Column, chance: random.Random, number: int) -> Any:
    if column.type == "boolean":
        return chance.random() < 0.5
    if column.type in ("integer", "number"):
        return chance.randrange(400)
    if column.type == "timestamp":
        return f"20{chance.randrange(20, 27)}-0{chance.randrange(1, 10)}-1{chance.randrange(10)}T00:00:00Z"
    if column.type == "list":
        return [f"{name}-{chance.randrange(9)}" for _ in range(chance.randrange(4))]
    if column.type == "json":
        return {"statement": []}
    return f"{name}-{number}"
