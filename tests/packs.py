"""Small content packs and stores for the tests of the content language."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from cnamm_scan import content as reader
from cnamm_scan.engine.evaluate import compile_rule, results
from cnamm_scan.engine.extract import typed_literal
from cnamm_scan.engine.facts import Shards
from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import make_views
from cnamm_scan.model import Content, Result, Rule, Target, fact_id

NOW = "2026-01-01T00:00:00"
A = "aws:111111111111"
B = "aws:222222222222"
BOX = "aws.lab.box"
LOCK = "aws.lab.lock"
ACCOUNT = "aws.lab.account"

Document = dict[str, Any]


def part(call: str = "GetThing", **more: Any) -> Document:
    return {"call": call, "with": {"Name": "Name"}, "needs": f"lab:{call}", **more}


def table(columns: Mapping[str, Any], **more: Any) -> Document:
    """A fact table of the service `lab`, listed per region unless told otherwise."""
    return {
        "about": "One row for each thing.",
        "once_per": "region",
        "list": {"call": "ListThings", "items": "Things", "needs": "lab:ListThings"},
        "key": "{Name}",
        "columns": dict(columns),
        **more,
    }


def lab() -> Document:
    """Boxes with a part each, the locks that they may name, and the account: enough for most tests."""
    return {
        "service": "lab",
        "facts": {
            BOX: table(
                {
                    "name": {"type": "text", "from": "Name"},
                    "size": {"type": "integer", "from": "Size"},
                    "tags": {"type": "list", "from": "Tags[].Key", "absent": []},
                    "doc": {"type": "json", "from": "Doc"},
                    "made_at": {"type": "timestamp", "from": "Made"},
                    "lock_id": {"type": "text", "from": "detail.LockId", "absent": ""},
                    "state": {"type": "text", "from": "detail.State", "absent": "Never"},
                    "sealed": {"type": "boolean", "from": "seal.Sealed", "absent": False},
                    "is_on": {"type": "boolean", "is": "state = 'On'"},
                },
                then={"detail": part("GetDetail"), "seal": part("GetSeal")},
            ),
            LOCK: table(
                {
                    "lock_id": {"type": "text", "from": "LockId"},
                    "strong": {"type": "boolean", "from": "info.Strong"},
                },
                key="{LockId}",
                list={"call": "ListLocks", "items": "Locks", "needs": "lab:ListLocks"},
                then={"info": {"call": "GetInfo", "with": {"Id": "LockId"}, "needs": "lab:GetInfo"}},
            ),
            ACCOUNT: table(
                {"alias": {"type": "text", "from": "Alias"}},
                once_per="account",
                key="{Alias}",
                list={"call": "GetAccount", "items": "@", "needs": "lab:GetAccount"},
            ),
        },
    }


def rule(name: str = "r", **more: Any) -> Document:
    """A rule over boxes that is sound; `more` replaces its keys, and None removes one."""
    made: Document = {
        "id": f"aws.lab.{name}",
        "title": "Boxes are on",
        "objective": "safety.boxes-are-on",
        "severity": "medium",
        "status": "stable",
        "for_each": BOX,
        "pass": "state = 'On'",
        "message": "{name}: state is {state}",
        "why": "A box that is off guards nothing.",
        "fix": "turn {name} on",
        "references": ["https://example.org/boxes"],
        "tests": {"pass": [{"state": "On"}], "fail": [{"state": "Off"}], "unknown": [{"state": None}]},
        **more,
    }
    return {key: value for key, value in made.items() if value is not None}


def asked(expression: str, **more: Any) -> Document:
    """A rule whose `pass:` is the expression; its own tests are never run."""
    return rule(**{"pass": expression, "message": "{key}", "fix": "mend it", **more})


def mapping() -> dict[str, Document]:
    return {
        "mappings/m.yaml": {"model": "m", "title": "M", "version": "1", "functions": ["safety"]},
        "mappings/m/safety.yaml": {
            "function": "safety",
            "title": "Safety",
            "practices": [
                {
                    "id": "boxes",
                    "title": "Boxes",
                    "objectives": [
                        {"id": "safety.boxes-are-on", "level": 1, "stream": "A", "title": "Boxes are on"},
                        {"id": "safety.locks-are-strong", "level": 2, "stream": "B", "title": "Locks are strong"},
                    ],
                }
            ],
        },
    }


def files(*rules: Document, collector: Document | None = None, **more: Document) -> dict[str, Document]:
    """Every file of a pack: the lab, its model and these rules, by their paths."""
    made = {"collectors/aws/lab.yaml": collector or lab(), **mapping(), **more}
    return made | {f"rules/{each['id'].replace('.', '/')}.yaml": each for each in rules}


def write(folder: Path, documents: Mapping[str, Document | str]) -> Path:
    """Put a pack on disk: documents as YAML, texts as they are."""
    for name, document in documents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(document if isinstance(document, str) else yaml.safe_dump(document, sort_keys=False))
    return folder


def content(*rules: Document, collector: Document | None = None) -> Content:
    """The same pack without a disk."""
    return reader.load_files({name: yaml.safe_dump(document).encode() for name, document in files(*rules, collector=collector).items()})


def collector(facts: Mapping[str, Any], views: Mapping[str, Any] | None = None) -> Document:
    return {"service": "lab", "facts": dict(facts), **({"views": dict(views)} if views else {})}


def fact(
    table: str,
    data: Any,
    *,
    target: str = A,
    region: str = "r1",
    key: str = "k",
    gaps: Mapping[str, str] | None = None,
    as_of: str | None = None,
) -> Document:
    """One line of a bundle's shard."""
    return {
        "kind": "fact",
        "id": fact_id(table, target, region, key),
        "table": table,
        "target": target,
        "region": region,
        "key": key,
        "data": data,
        "gaps": dict(gaps or {}),
        **({} if as_of is None else {"as_of": as_of}),
    }


def ghost(table: str, reason: str = "denied", *, target: str = A, region: str = "r1", key: str = "unread#1") -> Document:
    return fact(table, {}, target=target, region=region, key=key, gaps={"list": reason})


def rest(table: str, reason: str = "not_in_manifests", *, target: str = A, region: str = "r1", key: str = "unread#9") -> Document:
    """The line that says that there may be more than was listed."""
    return fact(table, {}, target=target, region=region, key=key, gaps={"rest": reason})


def dark_room(store: Store, table: str, namespace: str, **said: Any) -> None:
    """Let a table not have been read in one namespace of A, though this is known of what is there."""
    known = {"target": A, "region": "global", "namespace": namespace, **said}
    told = ", ".join(f"{typed_literal(value, 'VARCHAR')} AS {quoted(name)}" for name, value in known.items())
    gone = "'' AS _fact, 'excluded' AS _ghost, MAP(['list'], ['excluded']) AS _gaps, false AS _shadow"
    store.run(f"INSERT INTO {quoted(table)} BY NAME SELECT {told}, {gone}")


def shard(folder: Path, facts: Iterable[Document], parts: Iterable[str] | None = None, paths: Iterable[str] | None = None) -> Shards:
    """The facts as a file of a bundle."""
    file = folder / f"shard{len(list(folder.glob('shard*')))}.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in facts))
    return Shards(((file,),), None if parts is None else frozenset(parts), None if paths is None else frozenset(paths))


def filled(
    made: Content, folder: Path, facts: Iterable[Document], tables: Iterable[str] | None = None, *, max_age: timedelta | None = None
) -> Store:
    """A locked store that holds the facts, its views computed."""
    store = Store(made, tables or {*made.tables, *made.views}, scan_time=NOW, threads=1)
    store.max_age = max_age
    by_table: dict[str, list[Document]] = {}
    for each in facts:
        by_table.setdefault(each["table"], []).append(each)
    for name, lines in by_table.items():
        store.load(name, shard(folder, lines))
    make_views(store)
    store.lock()
    return store


def judged(store: Store, rule: Rule, *, targets: Iterable[str] = (A,), parameters: Mapping[str, Any] | None = None) -> list[Result]:
    places = [Target(each, "aws", each.split(":")[1]) for each in targets]
    return list(results(store, compile_rule(store.content, rule, parameters), places))


def verdicts(store: Store, rule: Rule, **more: Any) -> list[tuple[str, str]]:
    """(verdict, reason) of each result."""
    return [(result.verdict.value, result.reason) for result in judged(store, rule, **more)]
