"""SQL that turns a stored document into typed columns: paths become accesses, silence becomes `absent`, what was not read stays NULL.

Only text is made here. Names, keys and values of content packs are quoted; no SQL of theirs is put in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cnamm_scan import paths
from cnamm_scan.model import GHOST_PART, REST_PART, UNSET, Column, Table

SQL_TYPES: Mapping[str, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMP",
    "list": "VARCHAR[]",
    "json": "JSON",
}


def structure(columns: Iterable[Column]) -> tuple[str, dict[str, Any]]:
    """The json_transform structure that holds every path, as text and as it is: a document is read once for all of its columns.

    Leaves are VARCHAR (cast later, so that a bad value is NULL) or JSON.
    """
    root: dict[str, Any] = {}
    for column in columns:
        path = paths.parse(column.path or "")
        plain = column.exists is None and column.type not in ("json", "list")
        _graft(root, path.steps, "VARCHAR" if plain or path.is_many else "JSON")
    return json.dumps(root, sort_keys=True).replace("'", "''"), root


def _graft(node: dict[str, Any], steps: Sequence[paths.Step], leaf: Any) -> None:
    key, depth = str(steps[0]), 1
    while depth < len(steps) and (steps[depth] == paths.EACH or isinstance(steps[depth], int)):
        depth += 1
    lists, rest = depth - 1, steps[depth:]
    if rest:
        inner = node.get(key)
        for _ in range(lists):
            inner = inner[0] if isinstance(inner, list) else None
        child: Any = inner if isinstance(inner, dict) else {}
        _graft(child, rest, leaf)
        made: Any = child
    else:
        made = leaf
    for _ in range(lists):
        made = [made]
    if rest or not isinstance(node.get(key), dict | list):
        # a JSON leaf can be read as a plain one too
        node[key] = made if rest or node.get(key) != "JSON" else "JSON"


def _leaf(shape: dict[str, Any], path: paths.Path) -> Any:
    """What the structure has at the end of a path: "VARCHAR", "JSON", a structure or a list; None where it goes another way."""
    node: Any = shape
    for step in path.steps:
        if isinstance(step, str) and step != paths.EACH:
            node = node.get(step) if isinstance(node, dict) else None
        else:
            node = node[0] if isinstance(node, list) else None
    return node


def _access(value: str, steps: Sequence[paths.Step], depth: int = 0) -> str:
    """SQL that walks `steps` from `value`: struct fields, list elements, and one flat list for `[]`."""
    for position, step in enumerate(steps):
        if step == paths.EACH:
            rest = steps[position + 1 :]
            if not rest:
                return value
            name = f"x{depth}"
            walked = f"list_transform({value}, lambda {name}: {_access(name, rest, depth + 1)})"
            return f"flatten({walked})" if paths.EACH in rest else walked
        value = f"{value}[{step + 1}]" if isinstance(step, int) else f"{value}.{quoted_key(step)}"
    return value


def quoted_key(key: str) -> str:
    """One field name in quotes, dots and all."""
    return '"' + key.replace('"', '""') + '"'


def _json_path(path: paths.Path) -> str:
    text = "$"
    for step in path.steps:
        text += "[*]" if step == paths.EACH else f"[{step}]" if isinstance(step, int) else f'."{step}"'
    return text.replace("'", "''")


def gap_key(path: str) -> str:
    """The name under which a fact's gaps would tell that the path's part was not read: `part`, or `parent.part`."""
    keys = paths.parse(path).keys if not path.startswith("$") else (path,)
    depth = 0
    while depth < len(keys) - 1 and keys[depth] == "parent":
        depth += 1
    return ".".join(keys[: depth + 1])


def extract(column: Column, spec: Table | None, shape: dict[str, Any]) -> str:
    """SQL of one column: NULL where its part was not read, `absent` where the API said nothing, else the typed value."""
    path = paths.parse(column.path or "")
    kind = SQL_TYPES[column.type]
    unseen = [f"g['{GHOST_PART}'] IS NOT NULL", f"g['{REST_PART}'] IS NOT NULL"]
    if spec is not None:
        unseen.append(f"g[{typed_literal(gap_key(path.text), 'VARCHAR')}] IS NOT NULL")
    leaf = _leaf(shape, path)
    in_json = f"json_extract(data, '{_json_path(path)}')"
    whole = f"nullif({_access('d', path.steps) if leaf == 'JSON' else in_json}, 'null'::JSON)"
    if column.exists is not None:
        if path.is_many:
            found = f"len({in_json}) > 0"
        elif isinstance(leaf, dict):
            found = f"{_access('d', path.steps)} IS NOT NULL"
        else:
            found = f"{whole} IS NOT NULL"
        return f"CASE WHEN {' OR '.join(unseen)} THEN NULL ELSE {found} END"
    if column.type == "json" and path.is_many:
        there = _json_path(paths.Path("", path.steps[: path.steps.index(paths.EACH)]))
        raw = f"nullif(CASE WHEN json_type(data, '{there}') = 'ARRAY' THEN to_json({in_json}) END, 'null'::JSON)"
    elif column.type == "json" or (column.type == "list" and not path.is_many):
        raw = whole
    elif leaf == "JSON":  # another column wants the same value as it is
        raw = f"({whole} ->> '$')"
    elif path.is_many:  # an element that lacks the field gives no value, as a path has it everywhere else
        raw = f"list_filter({_access('d', path.steps)}, lambda found: found IS NOT NULL)"
    else:
        raw = _access("d", path.steps)
    if column.type in ("json", "text"):
        typed = raw
    elif column.type == "list" and not path.is_many:  # a value that is no list was not silence, and is none that was seen
        typed = (
            f"CASE json_type({raw}) WHEN 'ARRAY' THEN from_json({raw}, '[\"VARCHAR\"]') WHEN 'OBJECT' THEN list_sort(json_keys({raw})) END"
        )
    else:
        typed = f"TRY_CAST({raw} AS {kind})"
    if column.type == "integer":  # a cast would round: 1.5 is no integer that was seen
        typed = f"CASE WHEN regexp_full_match({raw}, '[+-]?[0-9]+([.]0*)?') THEN {typed} END"
    if column.type == "number":  # what is no number, or has no end, would be larger than any limit
        typed = f"CASE WHEN isfinite({typed}) THEN {typed} END"
    if column.type == "timestamp":  # a cast to TIMESTAMP would drop the offset
        typed = f"TRY_CAST({raw} AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    if column.absent is UNSET or column.absent is None:
        return typed
    # a ghost still knows whom it belongs to: its `parent.` values are read, its silence is not
    return f"CASE WHEN {raw} IS NOT NULL THEN {typed} WHEN {' OR '.join(unseen)} THEN NULL ELSE {typed_literal(column.absent, kind)} END"


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return typed_literal(text, "VARCHAR")


def typed_literal(value: Any, kind: str) -> str:
    """A value as SQL writes it, of one of the types above."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and kind.endswith("[]"):
        return f"[{', '.join(typed_literal(element, 'VARCHAR') for element in value)}]::{kind}"
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return "CAST('" + text.replace("'", "''") + f"' AS {kind})"
