"""Rows for people's other tools: results and scores as CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cnamm_scan.text import safe, safe_json

RESULT_COLUMNS = (
    "rule",
    "target",
    "region",
    "resource",
    "verdict",
    "severity",
    "objective",
    "message",
    "reason",
    "fact",
    "values",
    "parameters",
    "file",
    "line",
    "owner",
)
COUNTS = ("pass", "fail", "unknown", "not_applicable", "error")
SCORE_COLUMNS = (
    *("model", "function", "practice", "level", "objective", "low", "high", "coverage", "attained"),
    *("stream", "rule", "target", "severity", "standing", *COUNTS),
)
"""A score for each node of the tree, and beneath each objective what its rules counted in each target: from these the scores follow."""


def jsonl(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One JSON object a line."""
    for row in rows:
        yield safe_json(json.dumps(row, ensure_ascii=False, default=str))


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """CSV with a header. Cells that a spreadsheet would run as a formula are made text with an apostrophe."""
    yield _line([_cell(column) for column in columns])
    for row in rows:
        yield _line([_cell(value) for value in row])


def _line(cells: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    if isinstance(value, str):
        return "'" + safe(value) if _is_formula(value) else safe(value)
    return value


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet may run a cell: it looks past spaces and marks that nobody sees, and reads full-width signs as their like."""
    if text[:1] in ("\t", "\r", "\n"):
        return True
    first = next((char for char in text if char.isprintable() and not char.isspace()), "")
    return unicodedata.normalize("NFKC", first)[:1] in _SIGNS


_SIGNS = frozenset("=+-@") | {"\N{MINUS SIGN}"}


def scores(report: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Every node of the score tree, and every rule in every target, as one row of SCORE_COLUMNS."""
    alone = report["targets"][0]["id"] if len(report["targets"]) == 1 else ""
    for nodes, more in _nodes(report, alone):
        row = (*nodes, *more)
        yield (*row, *[""] * (len(SCORE_COLUMNS) - len(row)))


def _nodes(report: Mapping[str, Any], alone: str) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """(what every node has, what only objectives and their rules have)."""
    for model in report["models"]:
        yield (model["id"], "", "", "", "", *_bounds(model["overall"]), ""), ()
        for function in model["functions"]:
            yield (model["id"], function["id"], "", "", "", *_bounds(function), function["attained"]), ()
            for practice in function["practices"]:
                yield (model["id"], function["id"], practice["id"], "", "", *_bounds(practice), practice["attained"]), ()
                for level in practice["levels"]:
                    place = (model["id"], function["id"], practice["id"], level["level"])
                    yield (*place, "", *_bounds(level), ""), ()
                    for objective in level["objectives"]:
                        yield (*place, objective["id"], *_bounds(objective), ""), (objective["stream"],)
                        for rule in objective["rules"]:
                            for own in rule.get("targets", [{**rule, "target": alone}]):
                                counted = (own["target"], rule["severity"], rule["standing"], *(own[name] for name in COUNTS))
                                yield (*place, objective["id"], "", "", "", ""), (objective["stream"], rule["id"], *counted)


def _bounds(scored: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return scored["low"], scored["high"], scored["coverage"]
