"""YAML -> model: the only reader of content. Refuses what does not validate and says file, line and what to do.

`packs` find the files, `shapes` are their forms, `source` reads one, `checks` hold what a form cannot say, `builder` gathers them, `reader`
makes packs one Content, `tables` answers what the engine asks of it, `starter` writes a new rule.
"""

from __future__ import annotations

from cnamm_scan.content.checks import VARIABLES, Problem
from cnamm_scan.content.packs import KINDS, bundled_pack
from cnamm_scan.content.reader import load, load_files, sha_of
from cnamm_scan.content.tables import (
    ENGINE_TABLES,
    ROW_COLUMNS,
    RULE_ID,
    TOLD_TABLES,
    columns_of,
    documents_of,
    key_paths,
    line_of,
    product_of,
    standing_of,
)

__all__ = [
    "ENGINE_TABLES",
    "KINDS",
    "ROW_COLUMNS",
    "RULE_ID",
    "TOLD_TABLES",
    "VARIABLES",
    "Problem",
    "bundled_pack",
    "columns_of",
    "documents_of",
    "key_paths",
    "line_of",
    "load",
    "load_files",
    "product_of",
    "sha_of",
    "standing_of",
]
