"""What others ask of the tables in content: every column of one, those that the engine makes, and the line at which they stand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from cnamm_scan import yamls
from cnamm_scan.model import ESTATE_TABLE, Column, Content
from cnamm_scan.providers.catalog import KINDS as PROVIDERS
from cnamm_scan.providers.catalog import REGION_COLUMNS

RULE_ID = r"^[a-z]{1,32}(\.[a-z0-9][a-z0-9_-]{0,99}){2,3}$"
"""A rule: its path, with dots."""
ROW_COLUMNS: Mapping[str, Column] = {
    "target": Column("text", about="The target that the row belongs to, as `provider:name`."),
    "region": Column("text", about="The region that the row was read in or lives in."),
    "key": Column("text", about="The resource's own id, unique in its target and region."),
    "scan_time": Column("timestamp", about="When the scan began: the only clock a rule has."),
}
"""Columns that every table has."""

ENGINE_TABLES: Mapping[str, tuple[str, Mapping[str, Column]]] = {
    ESTATE_TABLE: (
        "One row for each target of the scan. Made by the engine.",
        {"name": Column("text", "name"), "provider": Column("text", "provider")},
    ),
    **{kind.region_table: (kind.region_about, REGION_COLUMNS) for kind in PROVIDERS.values() if kind.region_table},
}


def _of(columns: str) -> dict[str, Column]:
    return {name: Column(kind) for name, kind in (each.split(":") for each in columns.split())}  # type: ignore[arg-type]


TOLD_TABLES: Mapping[str, tuple[str, Mapping[str, Column]]] = {
    "results": (
        "What each rule said about each resource.",
        _of(
            "rule:text title:text target:text region:text resource:text verdict:text severity:text objective:text function:text"
            " message:text reason:text fact:text file:text line:integer values:json"
        ),
    ),
    "scores": (
        "Every score, from models to objectives; `target` is empty for the whole.",
        _of(
            "target:text model:text function:text practice:text level:integer objective:text"
            " low:number high:number coverage:number attained:integer"
        ),
    ),
    "coverage": (
        "How each planned call went, by table, target and region.",
        _of(
            "target:text region:text fact_table:text part:text operation:text status:text complete:boolean code:text"
            " calls:integer pages:integer items:integer retries:integer gone:integer gaps:json oldest_at:timestamp undated:integer"
        ),
    ),
}
"""Tables that only who asks a judged scan may name: no rule and no view reads what rules have said."""


@cache
def key_paths(template: str) -> tuple[str, ...]:
    """The paths inside the braces of a key template."""
    return tuple(piece.split("}", 1)[0] for piece in template.split("{")[1:] if "}" in piece)


def line_of(content: Content, name: str, key: str = "") -> int | None:
    """The line at which a rule, table or view stands, or one of its keys or columns; None when its file is not at hand."""
    if name in content.rules:
        raw = content.files.get(f"rules/{name.replace('.', '/')}.yaml")
        return None if raw is None else yamls.line_of(raw, (key,) if key else ())
    for file, raw in content.files.items():
        kind = "facts" if name in content.tables else "views"
        if file.startswith("collectors/") and f"  {name}:".encode() in raw:
            return yamls.line_of(raw, (kind, name, "columns", key) if key else (kind, name))
    return None


def documents_of(provider: str) -> tuple[frozenset[str], frozenset[str]]:
    """(forms under `normalise:` that make a document, names of fields under which one stands) of a provider."""
    kind = PROVIDERS.get(provider)
    return (frozenset(), frozenset()) if kind is None else (kind.documents, kind.document_keys)


def standing_of(provider: str) -> frozenset[str]:
    """Tables and views with a row in every target of a provider that tells products apart; none where it does not."""
    kind = PROVIDERS.get(provider)
    return frozenset() if kind is None or kind.product is None else kind.standing


def product_of(content: Content, name: str) -> str | None:
    """Whose objects a table or view holds by itself; empty for the platform's own. None where what it is made of has to be asked."""
    kind = PROVIDERS.get(name.split(".", 1)[0])
    if kind is None or kind.product is None:
        return ""
    if name in kind.recognisers:
        return name
    if name in content.tables:
        return kind.product(content.tables[name])
    return None if name in content.views else ""


@lru_cache(maxsize=2048)
def columns_of(content: Content, table: str) -> Mapping[str, Column]:
    """The columns of a table, view or engine-made table, with those that every row has. KeyError for an unknown one."""
    if table in content.tables:
        own = content.tables[table].columns
    elif table in content.views:
        own = content.views[table].columns
    else:
        own = ENGINE_TABLES[table][1]
    return {**ROW_COLUMNS, **own}
