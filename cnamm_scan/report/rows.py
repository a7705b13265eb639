"""The findings told by rule: how many of what it judged fail, where, and which; one thing that several regions answer for stands once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cnamm_scan.model import Severity, Tally, Verdict

if TYPE_CHECKING:
    from cnamm_scan.judged.scan import Scan

RANK = {severity.value: severity.rank for severity in Severity}
"""Severities by how much they matter: a sort key."""
RESOURCES_A_ROW = 10
"""Resources that a row names; `findings` and `cnamm-scan results` name more."""
_TOLD = ("target", "resource", "message", "fix", "commands", "file", "line", "owner")


def by_rule(scan: Scan, findings: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each rule that something fails, worst first and the basics before what builds on them.

    `findings` are a report's, in order; what they leave out counts all the same.
    """
    found: dict[str, dict[tuple[str, str, str], dict[str, Any]]] = {}
    named: Counter[str] = Counter()
    for finding in findings:
        named[finding["rule"]] += 1
        own = found.setdefault(finding["rule"], {})
        key = (finding["target"], finding["resource"], finding["message"])
        told = own.setdefault(key, {**{name: finding[name] for name in _TOLD}, "regions": []})
        if finding["region"] not in ("", "global", *told["regions"]):
            told["regions"].append(finding["region"])
    counts: dict[str, list[Tally]] = {}
    for tally in scan.tallies:
        counts.setdefault(tally.rule, []).append(tally)
    asked = scan.content.asked_in()
    rows = []
    for name, tallies in counts.items():
        rule, fail = scan.content.rules.get(name), sum(tally.fail for tally in tallies)
        if rule is None or not fail:
            continue
        resources = list(found.get(name, {}).values())
        level = scan.content.objectives[rule.objective].level
        row = {
            "rule": name,
            "title": rule.title,
            "severity": rule.severity.value,
            "objective": rule.objective,
            "level": level,
            "functions": asked.get(rule.objective, []),
            "fail": fail,
            "judged": sum(tally.judged for tally in tallies),
            "unseen": sum(tally.unknown + tally.error for tally in tallies),
            "targets": sorted({tally.target for tally in tallies if tally.fail}),
            "regions": sorted({region for each in resources for region in each["regions"]}),
            "resources": resources[:RESOURCES_A_ROW],
            "more": max(0, len(resources) - RESOURCES_A_ROW) + fail - named[name],
        }
        rows.append(row)
    return sorted(rows, key=lambda row: (RANK[row["severity"]], row["level"], row["rule"]))


def by_owner(scan: Scan) -> list[dict[str, Any]]:
    """Every owner with the findings of each severity and the rules that they fail, most of the worst first; none without owner tags.

    The empty owner stands for whatever names nobody.
    """
    if not scan.scan.get("owner_tags"):
        return []
    counts: dict[str, Counter[str]] = {}
    rules: dict[str, set[str]] = {}
    for result in scan.results(Verdict.FAIL):
        counts.setdefault(result.owner, Counter())[result.severity.value] += 1
        rules.setdefault(result.owner, set()).add(result.rule)
    told = [
        {"owner": owner, "findings": {severity: found[severity] for severity in RANK}, "rules": sorted(rules[owner])}
        for owner, found in counts.items()
    ]
    return sorted(told, key=lambda row: ([-row["findings"][severity] for severity in RANK], row["owner"]))
