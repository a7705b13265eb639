"""JSON Schemas of content files, for editors: made of the shapes that the reader holds files to, with the names that content knows."""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from cnamm_scan.model import Content

KINDS = ("rule", "collector", "function", "model", "framework")
FOLDER = ".schemas"
"""Where a pack keeps them, so that its files name them wherever the pack lies."""
DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def schema(kind: str, content: Content | None = None) -> Schema:
    """The schema of one kind of file. With `content` it names the tables, columns and objectives that there are."""
    from cnamm_scan.content import shapes

    by_kind: Mapping[str, Any] = {
        "rule": shapes.RuleFile,
        "collector": shapes.CollectorFile,
        "function": shapes.FunctionFile,
        "model": shapes.ModelFile,
        "framework": shapes.FrameworkFile,
    }
    with warnings.catch_warnings():  # that nothing was written is a default that JSON cannot say
        warnings.simplefilter("ignore")
        made = by_kind[kind].model_json_schema(by_alias=True)
    found: Schema = {"$schema": DRAFT, **made, "title": f"cnamm-scan {kind}"}
    for each in list(_objects(found)):
        if each is not found and isinstance(each.get("title"), str):
            del each["title"]  # made of the key's own name
        _one_or_many(each)
    if content is not None and kind == "rule":
        _name_rule(found, content)
    return found


def _objects(value: Any) -> Iterator[Schema]:
    """Every schema within, itself first."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


def _one_or_many(spec: Schema) -> None:
    """A list of texts may be one text: the reader takes both."""
    if spec.get("type") == "array" and spec.get("items") == {"type": "string"}:
        listed = {name: spec.pop(name) for name in ("type", "items", "minItems") if name in spec}
        spec["anyOf"] = [{"type": "string"}, listed]


def _name_rule(found: Schema, content: Content) -> None:
    """Tables, objectives and, by table, columns: what an editor completes. Names of one's own stay allowed."""
    tables = {table.id: table.columns.keys() for table in content.tables.values()}
    tables |= {view.id: view.columns.keys() for view in content.views.values()}
    properties = found["properties"]
    properties["for_each"] = {"anyOf": [{"enum": sorted(tables)}, properties["for_each"]]}
    properties["objective"] = {"anyOf": [{"enum": sorted(content.objectives)}, properties["objective"]]}
    found["$defs"]["row"] = {"type": "object"}
    for name in ("given", "pass", "fail", "unknown", "not_applicable"):
        rows = found["$defs"]["TestsFile"]["properties"][name]
        rows["description"] = "A row by column; what is not named is NULL, which is 'not seen'."
    found["allOf"] = [_rows_of(table, columns) for table, columns in sorted(tables.items())]


def _rows_of(table: str, columns: Collection[str]) -> Schema:
    row = {"properties": dict.fromkeys(sorted(columns), True)}
    rows = {"items": row}
    groups = dict.fromkeys(("pass", "fail", "unknown", "not_applicable"), rows)
    return {
        "if": {"properties": {"for_each": {"const": table}}, "required": ["for_each"]},
        "then": {"properties": {"tests": {"properties": {"given": row, **groups}}}},
    }


def files(content: Content | None = None) -> dict[str, str]:
    """Name -> text of every schema, as a pack keeps them."""
    return {f"{kind}.schema.json": json.dumps(schema(kind, content), indent=1, sort_keys=True) + "\n" for kind in KINDS}


def line(kind: str, name: str) -> str:
    """The first line of a file of a pack, by its name there: what tells an editor its schema."""
    up = "../" * (len(PurePosixPath(name).parts) - 1)
    return f"# yaml-language-server: $schema={up}{FOLDER}/{kind}.schema.json\n"


def kind_of(name: str) -> str:
    """The kind of a file, by its name inside a pack."""
    first, *rest = name.split("/")
    by_folder: Mapping[str, str] = {"rules": "rule", "collectors": "collector"}
    if first in by_folder:
        return by_folder[first]
    return "framework" if rest[0] == "frameworks" else "model" if len(rest) == 1 else "function"
