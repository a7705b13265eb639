"""The report as Markdown, for a pull request, a wiki, a ticket: the same story in the same order as at a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnamm_scan.model import LEVEL_NAMES
from cnamm_scan.report.story import carries, is_selected
from cnamm_scan.report.words import (
    age_line,
    attained,
    by_severity,
    called,
    counted,
    first_of_each_rule,
    gain,
    gone_line,
    held,
    interval,
    message_of,
    moment,
    notes,
    percent,
    place,
    thousands,
    unseen_share,
    verdicts,
    what_of,
    where_found,
    where_of,
)
from cnamm_scan.text import safe

RESOURCES = 3
"""Resources that a step or a row of findings names; where findings come first, twice that."""


def render(report: Mapping[str, Any], findings: int = 50) -> str:
    """The report as one Markdown text, ending with a newline. `findings`: of how many rules to show what fails, the worst first."""
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
    first = any(each["findings_first"] for each in report["story"])
    yield from _head(report)
    if first:
        yield from _findings(report, most, 2 * RESOURCES)
    if not first or any(carries(function) for model in report["models"] for function in model["functions"]):
        yield from _scores(report)
    if not first:
        yield from _steps(report)
        yield from _findings(report, most, RESOURCES)
    yield from _owners(report)
    yield from _unseen(report)
    yield from _made(report)


def _head(report: Mapping[str, Any]) -> Iterator[str]:
    scan, several = report["scan"], len(report["models"]) > 1
    for number, (model, told) in enumerate(zip(report["models"], report["story"], strict=True)):
        if number:
            yield ""
        said = f"{interval(model['overall'])} of 5" if told["has_score"] else "no overall score"
        yield f"{'##' if number else '#'} {cell(model['title']) if several else 'Cloud maturity'}: {said}"
        yield ""
        yield " ".join(filter(None, (told["says"], told["would_give_one"])))
    yield ""
    yield f"{cell(', '.join(target['label'] for target in report['targets']))}, {moment(scan['started_at'])}"
    if scan["interrupted"]:
        yield ""
        yield "**The scan was stopped before its end**: what was not asked is unknown."
    said_too = notes(report)
    if said_too:
        yield ""
        yield from (f"- {cell(note)}" for note in said_too)


def _scores(report: Mapping[str, Any]) -> Iterator[str]:
    ways = {way["function"]: way for each in report["roadmap"] for way in each["functions"]}
    for model, told in zip(report["models"], report["story"], strict=True):
        yield ""
        yield f"## {cell(model['title'])} {cell(model['version'])}"
        yield ""
        yield "| function | score | seen | attained | the next level waits for |"
        yield "|---|---|---|---|---|"
        for function in model["functions"]:
            name = cell(function["title"])
            if not is_selected(function):
                yield f"| {name} | {'not judged' if report['scan']['interrupted'] else 'not selected'} | | | |"
            elif not told["has_score"] and function["coverage"] and not carries(function):
                yield f"| {name} | too little seen | {percent(function['coverage'])} | | |"
            else:
                score = f"{interval(function)} | {percent(function['coverage'])} | {attained(function)}"
                yield f"| {name} | {score} | {_waits(ways.get(function['id']))} |"
        if told["has_score"]:
            overall = model["overall"]
            yield f"| **overall** | **{interval(overall)}** | {percent(overall['coverage'])} | | |"
    said = held(report) if all(told["has_score"] for told in report["story"]) else []
    if said:
        yield ""
        yield from (f"- {cell(note)}" for note in said)
    if len(report["targets"]) > 1:
        yield from _targets(report)


def _waits(way: Mapping[str, Any] | None) -> str:
    """The level, and the smallest set of objectives that reaches it."""
    if way is None or not way["steps"]:
        return ""
    steps = [f"{step['title']} ({counted(step['open'], 'finding') if step['open'] else 'not seen'})" for step in way["steps"]]
    return cell(f"{LEVEL_NAMES[way['next_level']]}: {'; '.join(steps)}")


def _targets(report: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "### By target"
    yield ""
    yield "| target | score | seen |"
    yield "|---|---|---|"
    for target in report["targets"]:
        for model in target["models"]:
            yield f"| {cell(target['label'])} | {interval(model['overall'])} | {percent(model['overall']['coverage'])} |"


def _steps(report: Mapping[str, Any]) -> Iterator[str]:
    steps = [step for way in report["roadmap"] for step in way["best"]]
    if not steps:
        return
    functions = {function["id"]: function["short"] for model in report["models"] for function in model["functions"]}
    yield ""
    yield "## Do first"
    yield ""
    for number, step in enumerate(steps, 1):
        why = "critical" if step["because"] == "critical" else f"level {step['level']}"
        blocked = [f"{LEVEL_NAMES[each['level']]} of {functions[each['function']]}" for each in step["blocks"]]
        parts = [why, *([f"blocks {', '.join(blocked)}"] if blocked else []), f"{gain(step['overall_gain'])} overall"]
        parts.append(counted(step["open"], "finding") if step["open"] else "nothing failed, but not all could be seen")
        yield f"{number}. **{cell(step['title'])}** ({'; '.join(parts)})"
        for finding in first_of_each_rule(step["findings"])[:RESOURCES]:
            yield f"   - {_found(finding)}" + (f"<br>fix: {_fix(finding)}" if finding["fix"] else "")


def _found(finding: Mapping[str, Any]) -> str:
    """What was found, after its file and line or its region."""
    if finding["file"]:
        return f"{code(place(finding))} {cell(message_of(finding))}"
    return cell(where_found(finding) + message_of(finding))


def _findings(report: Mapping[str, Any], most: int, resources: int) -> Iterator[str]:
    rows = report["findings_by_rule"]
    yield ""
    yield f"## Findings ({thousands(sum(report['findings_by_severity'].values()))})"
    yield ""
    if not rows:
        yield "Nothing fails among what was seen."
        return
    yield f"{by_severity(report['findings_by_severity'])}, a row for each of {counted(len(rows), 'rule')}, the worst first."
    yield ""
    yield "| severity | what should hold | fails | what was found | fix |"
    yield "|---|---|---|---|---|"
    for row in rows[:most]:
        yield f"| {row['severity']} | {_rule(row)} | {_verdicts(row)} | {_resources(row, resources)} | {_first_fix(row)} |"
    if len(rows) > most:
        yield ""
        yield f"{counted(len(rows) - most, 'more rule')}: cnamm-scan results BUNDLE --verdict fail"


def _rule(row: Mapping[str, Any]) -> str:
    return f"{cell(row['title'])}<br>{cell(row['rule'])}"


def _verdicts(row: Mapping[str, Any]) -> str:
    return verdicts(row["fail"], row["judged"], row["unseen"])


def _resources(row: Mapping[str, Any], most: int) -> str:
    named: Sequence[Mapping[str, Any]] = row["resources"][:most]
    more = row["more"] + len(row["resources"]) - len(named)
    return "<br>".join([*map(_found, named), *([f"and {thousands(more)} more"] if more else [])])


def _first_fix(row: Mapping[str, Any]) -> str:
    """How to mend the first of them. A bar would end the cell, in code too."""
    return re.sub(r"(?<!\\)\|", r"\\|", _fix(row["resources"][0])) if row["resources"] else ""


def _fix(finding: Mapping[str, Any]) -> str:
    """Commands as code, one after another, or a sentence."""
    return "<br>".join(map(code, finding["commands"])) or cell(finding["fix"])


def _owners(report: Mapping[str, Any]) -> Iterator[str]:
    rows = report["owners"]
    if not rows:
        return
    yield ""
    yield f"## Who answers for it (by {cell(', '.join(report['scan']['owner_tags']))})"
    yield ""
    yield "| owner | critical | high | medium | low | rules |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        counts = " | ".join(thousands(row["findings"][severity]) for severity in ("critical", "high", "medium", "low"))
        yield f"| {cell(row['owner']) or '*nobody named*'} | {counts} | {len(row['rules'])} |"


def _unseen(report: Mapping[str, Any]) -> Iterator[str]:
    rows = report["unseen"]
    labels = {target["id"]: target["label"] for target in report["targets"]}
    coverage = report["models"][0]["overall"]["coverage"] if report["models"] else None
    yield ""
    yield f"## Could not be seen{f' ({unseen_share(coverage)})' if coverage is not None else ''}"
    yield ""
    if rows:
        yield "| where | what | rules with unknowns | what would show it |"
        yield "|---|---|---|---|"
        for row in rows:
            where = cell(where_of(row, labels, several=True))
            yield f"| {where} | {cell(what_of(row))} | {len(row['rules'])} | {cell(row['would_show'])} |"
    else:
        yield "Nothing: every planned call was answered."
    for line in filter(None, (gone_line(report), age_line(report))):
        yield ""
        yield f"{line}."


def _made(report: Mapping[str, Any]) -> Iterator[str]:
    scan, asked = report["scan"], {target["id"]: target for target in report["scan"]["targets"]}
    weights = {target["id"]: target["weight"] for target in report["targets"]}
    yield ""
    yield "## How it was made"
    yield ""
    yield "| target | asked as | calls | weight | rules | pass | fail | unknown | error | not applicable |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for own in report["made"]["targets"]:
        about = asked.get(own["target"], {})
        counts = " | ".join(thousands(own[name]) for name in ("rules", "pass", "fail", "unknown", "error", "not_applicable"))
        calls = thousands(about.get("calls", 0))
        named, identity = called({"id": own["target"], **about}), about.get("identity", "")
        yield f"| {cell(named)} | {cell(identity)} | {calls} | {weights.get(own['target'], 1)} | {counts} |"
    yield ""
    yield f"- scan {code(scan['id'])}, {cell(scan['started_at'])} to {cell(scan['finished_at'])}"
    if report["made"]["root"]:
        yield f"- root over all evidence {code(report['made']['root'])}"
    how = "low is what the evidence supports, high what it cannot rule out"
    yield f"- verdicts by {code(scan['judging'])}, scores of 0 to 5 by {code(scan['method'])}: {how}"
    yield f"- content {code(scan['content']['sha256'])}, {cell(scan['tool']['name'])} {cell(scan['tool']['version'])}"
    yield "- counts of every rule in every target, from which the scores can be redone: cnamm-scan report BUNDLE --format json, or csv"
