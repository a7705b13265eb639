"""Queries of Resource Graph, made from what content reads: which columns and properties are asked, and rows made whole again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cnamm_scan import paths
from cnamm_scan.model import Content
from cnamm_scan.providers.azure.needs import GRAPH, WHERE, Rows
from cnamm_scan.providers.reads import read_of

Json = Any

ALWAYS = ("id", "subscriptionId", "type")
"""What is asked of every row: Resource Graph goes on to a next page only where it sees the id."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEEP = "properties"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a query shows of each row."""

    columns: tuple[str, ...] = ()
    """Columns as they are; none: all of them, whole."""
    properties: Mapping[str, str] | None = None
    """Name in the answer -> the property that it is; None where no query was made of content."""

    def project(self) -> str:
        """The line of the query; empty for all."""
        if self.properties is None:
            return ""
        said = [*self.columns, *(f"{name} = {_DEEP}[{_text(key)}]" for name, key in self.properties.items())]
        return f"| project {', '.join(said)}"

    def whole(self, row: dict[str, Json]) -> dict[str, Json]:
        """A row as the resource is written: its properties where they belong."""
        if self.properties:
            inner = {key: value for name, key in self.properties.items() if (value := row.pop(name, None)) is not None}
            row[_DEEP] = inner
        return row


WHOLE = Shown()


def text_of(rows: Rows, shown: Shown, parameters: Mapping[str, Any]) -> str:
    """The query, in an order that does not change between pages."""
    lines = [rows.table, f"| where type =~ {_text(rows.type.lower())}"]
    if parameters.get(WHERE):
        lines.append(f"| where ({parameters[WHERE]})")
    lines += [line for line in (shown.project(), "| order by id asc") if line]
    return "\n".join(lines)


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def shown_by(content: Content) -> dict[tuple[str, str], Shown]:
    """What each query must show for the tables that there are: by the operation and its condition."""
    read: dict[tuple[str, str], set[str]] = {}
    for table in content.tables.values():
        if table.provider != "azure" or table.list.call is None:
            continue
        client, operation = table.list.of(table.client)
        if client != GRAPH:
            continue
        read.setdefault((operation, str(table.list.fixed.get(WHERE, ""))), set()).update(read_of(content, table))
    return {key: _shown(found) for key, found in read.items()}


def _shown(texts: Iterable[str]) -> Shown:
    columns: set[str] = set(ALWAYS)
    deep: set[str] = set()
    for text in texts:
        if text == paths.SELF:
            return WHOLE
        steps = paths.parse(text).steps
        if steps[0] == _DEEP and len(steps) > 1 and isinstance(steps[1], str) and steps[1] != paths.EACH:
            deep.add(steps[1])
        elif isinstance(steps[0], str) and _WORD.fullmatch(steps[0]):
            columns.add(steps[0])
    if _DEEP in columns:
        return Shown(tuple(sorted(columns)), {})
    names = {key: f"{_DEEP}_{key}" if _WORD.fullmatch(key) else f"{_DEEP}_{number}" for number, key in enumerate(sorted(deep))}
    return Shown(tuple(sorted(columns)), {name: key for key, name in names.items()})
