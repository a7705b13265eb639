"""The report as Markdown: for a pull request, a wiki, a ticket."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cnamm_scan.report.text import REASON_WORDS, attained, gone_line, held, interval, notes, percent, place
from cnamm_scan.text import safe


def render(report: Mapping[str, Any], findings: int = 50) -> str:
    """The report as one Markdown text, ending with a newline."""
    return "\n".join(_lines(report, findings)) + "\n"


def cell(text: object) -> str:
    """Text that stays inside its table cell and shows itself, whatever it holds."""
    shown = safe(str(text))
    for char in "\\`*_<>|[]~&":
        shown = shown.replace(char, "\\" + char)
    return _CALLS.sub(lambda found: found.group() + NOTHING, shown)


def code(text: object) -> str:
    """Text as code, whatever it holds."""
    return f"`{safe(str(text)).replace('`', chr(39))}`"


NOTHING = "&#8203;"
"""A space of no width: whatever reads names and addresses out of a text ends there."""
_CALLS = re.compile(r"@|#(?=[0-9])|(?<=[A-Za-z]):(?=/)|(?<![A-Za-z0-9])(?:www|gh)(?=[.-])", re.IGNORECASE)
"""Where a name would ping somebody, a number would refer to an issue, and an address would become a link, though nobody wrote one."""


def _lines(report: Mapping[str, Any], most: int) -> Iterator[str]:
    scan = report["scan"]
    yield "# Cloud maturity"
    yield ""
    targets = cell(", ".join(target["id"] for target in scan["targets"]))
    yield f"Scan {code(scan['id'])} of {targets}, {cell(scan['started_at'])} to {cell(scan['finished_at'])}."
    if scan["interrupted"]:
        yield ""
        yield "**The scan was stopped before its end**: what was not asked is unknown."
    for model in report["models"]:
        yield ""
        yield f"## {cell(model['title'])} {cell(model['version'])}"
        yield ""
        yield "| function | score | attained | coverage |"
        yield "|---|---|---|---|"
        for function in model["functions"]:
            yield f"| {cell(function['title'])} | {interval(function)} | {attained(function)} | {percent(function['coverage'])} |"
        overall = model["overall"]
        yield f"| **overall** | **{interval(overall)}** | | {percent(overall['coverage'])} |"
    said = [*held(report), *notes(report)]
    if said:
        yield ""
        yield from (f"- {cell(note)}" for note in said)
    if len(report["targets"]) > 1:
        yield from _targets(report)
    yield from _steps(report)
    yield from _findings(report, most)
    yield from _gaps(report)
    yield ""
    yield (
        f"A score is an interval on 0 to 5 ({code(scan['method'])}): low is what the evidence supports, high what it cannot rule out;"
        f" content {code(scan['content']['sha256'][:12])}, {cell(scan['tool']['name'])} {cell(scan['tool']['version'])}."
    )


def _targets(report: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## By target"
    yield ""
    yield "| target | score | coverage |"
    yield "|---|---|---|"
    for target in report["targets"]:
        for model in target["models"]:
            yield f"| {cell(target['id'])} | {interval(model['overall'])} | {percent(model['overall']['coverage'])} |"


def _steps(report: Mapping[str, Any]) -> Iterator[str]:
    steps = [step for way in report["roadmap"] for step in way["best"]]
    if not steps:
        return
    yield ""
    yield "## What to do next"
    yield ""
    for number, step in enumerate(steps, 1):
        yield f"{number}. **{cell(step['title'])}** (level {step['level']}, +{step['overall_gain']:.2f} overall, {step['open']} findings)"
        for finding in step["findings"][:3]:
            where = f" ({code(place(finding))})" if finding["file"] else ""
            yield f"   - {cell(finding['message'])}{where}: {cell(finding['fix'])}"


def _findings(report: Mapping[str, Any], most: int) -> Iterator[str]:
    found = report["findings"]
    yield ""
    total = len(found) + report["findings_left_out"]
    yield f"## Findings ({total})"
    yield ""
    if not found:
        yield "None."
        return
    written = any(finding["file"] for finding in found)
    yield f"| severity | rule | resource | what was seen |{' where |' if written else ''}"
    yield f"|---|---|---|---|{'---|' if written else ''}"
    for finding in found[:most]:
        where = f" {cell(place(finding)) if finding['file'] else ''} |" if written else ""
        yield f"| {finding['severity']} | {cell(finding['rule'])} | {cell(finding['resource'])} | {cell(finding['message'])} |{where}"
    if total > most:
        yield ""
        yield f"{total - most} more: cnamm-scan results BUNDLE --verdict fail"


def _gaps(report: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"## What could not be seen ({len(report['gaps'])})"
    yield ""
    if report["gaps"]:
        yield "| where | call | why | rules with unknowns |"
        yield "|---|---|---|---|"
        for gap in report["gaps"]:
            why = REASON_WORDS.get(gap["reason"], gap["reason"])
            yield f"| {cell(gap['target'])} {cell(gap['region'])} | {cell(gap['operation'])} | {cell(why)} | {len(gap['rules'])} |"
    else:
        yield "Nothing: every planned call was answered."
    line = gone_line(report)
    if line:
        yield ""
        yield f"{line}."
