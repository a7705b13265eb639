"""The report as data, schema `cnamm-scan/report/1`: what every other form renders, and numbers that add up by hand."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from cnamm_scan.model import (
    ASSUME_WHOLE,
    LEVEL_NAMES,
    Content,
    Coverage,
    Drag,
    Fix,
    Function,
    FunctionScore,
    Interval,
    LevelScore,
    Model,
    ModelScore,
    ObjectiveScore,
    Practice,
    PracticeScore,
    Reason,
    Result,
    Roadmap,
    Step,
    Tally,
    Verdict,
)
from cnamm_scan.model.old import AGE_PART, STALE_PART, read_moment, told
from cnamm_scan.report.rows import RANK, by_owner, by_rule
from cnamm_scan.report.story import is_written, made, name_selection, selected_rules, short, story
from cnamm_scan.report.unseen import unseen
from cnamm_scan.text import command, fill

if TYPE_CHECKING:
    from cnamm_scan.judged.scan import Scan

SCHEMA = "cnamm-scan/report/1"
FINDINGS_A_STEP = 10
"""Resources named under each step of the roadmap."""
STEPS = 5
"""Steps of the roadmap besides its open criticals, of which there are as many as there are."""
_OF_A_STEP = ("rule", "title", "severity", "target", "region", "resource", "message", "fix", "commands", "file", "line", "owner")
FINDINGS_A_RULE = 250
"""Resources named for each rule and target; `cnamm-scan results` names them all."""


def number(value: Fraction) -> float:
    """A score as JSON shows it: six places."""
    return round(float(value), 6)


def bounds(interval: Interval | None) -> dict[str, float | None]:
    """`low`, `high` and `coverage`; all null for what does not apply."""
    if interval is None:
        return {"low": None, "high": None, "coverage": None}
    return {"low": number(interval.low), "high": number(interval.high), "coverage": number(interval.coverage)}


def critical(drag: Drag | None) -> dict[str, float | None]:
    """How much critical findings hold something down: what failed (`least`), and what failed or was not seen (`most`)."""
    if drag is None:
        return {"least": None, "most": None}
    return {"least": number(drag.least), "most": number(drag.most)}


def report(scan: Scan) -> dict[str, Any]:
    """The whole report of a judged scan. Findings, gaps and the roadmap are sorted; equal scans give equal reports."""
    findings, left_out = _findings(scan)
    findings.sort(key=lambda f: (RANK[f["severity"]], f["rule"], f["target"], f["region"], f["resource"]))
    rules = _rules(scan)
    about = {"max_age": None, **scan.scan, "interrupted": scan.interrupted}
    models = [_model(scan, model, score, rules) for model, score in zip(scan.content.models, scan.models, strict=True)]
    judged = selected_rules(scan)
    name_selection(scan, models, judged)
    counts, not_seen = _by_severity(scan), gaps(scan)
    return {
        "schema": SCHEMA,
        "scan": about,
        "story": story(models, about, counts),
        "models": models,
        "targets": _targets(scan),
        "roadmap": [
            {"model": model.id, **_roadmap(scan, model, scan.roadmaps[model.id], findings, judged, written=is_written(about))}
            for model in scan.content.models
        ],
        "findings_by_severity": counts,
        "findings_by_rule": by_rule(scan, findings),
        "findings": findings,
        "findings_left_out": left_out,
        "owners": by_owner(scan),
        "unseen": unseen(scan, not_seen, judged),
        "gaps": not_seen,
        "gone": gone(scan),
        "ages": ages(scan),
        "made": made(scan),
    }


def _findings(scan: Scan) -> tuple[list[dict[str, Any]], int]:
    """The findings, at most so many for each rule and target, and how many more there are."""
    found: list[dict[str, Any]] = []
    counts: Counter[tuple[str, str]] = Counter()
    left_out = 0
    for block in scan.blocks(Verdict.FAIL, named=False):
        room = max(0, FINDINGS_A_RULE - counts[block.rule, block.target]) if block.resources else 0
        counts[block.rule, block.target] += min(room, block.count)
        left_out += max(0, block.count - room)
        found += [_finding(scan.content, result) for result in itertools.islice(scan.expand(block), room)]
    return found, left_out


def _by_severity(scan: Scan) -> dict[str, int]:
    """How many findings there are of each severity, those left out too."""
    counts = dict.fromkeys(RANK, 0)
    for tally in scan.tallies:
        rule = scan.content.rules.get(tally.rule)
        if rule is not None:
            counts[rule.severity.value] += tally.fail
    return counts


def fixes_of(fix: Fix, values: Mapping[str, Any]) -> dict[str, list[str]]:
    """How to mend it, by where that is done, the shortest way first: commands that run as they stand, else sentences."""
    return {
        "cli": [command(text, values, fix.region_flag) for text in fix.cli],
        "kubernetes": [command(text, values) for text in fix.kubernetes],
        "console": [fill(fix.console, values)] if fix.console else [],
        "advice": [fill(fix.advice, values)] if fix.advice else [],
        "terraform": [fill(text, values) for text in fix.terraform],
    }


def _finding(content: Content, result: Result) -> dict[str, Any]:
    rule = content.rules.get(result.rule)
    fixes = fixes_of(rule.fix if rule else Fix(), result.known)
    return {
        "rule": result.rule,
        "title": rule.title if rule else result.rule,
        "severity": result.severity.value,
        "objective": result.objective,
        "target": result.target,
        "region": result.region,
        "resource": result.resource,
        "message": result.message,
        "fix": next((said[0] for said in fixes.values() if said), ""),
        "commands": fixes["cli"] or fixes["kubernetes"],
        "fixes": fixes,
        "fact": result.fact,
        "values": dict(result.values),
        "file": result.place.file if result.place is not None else "",
        "line": result.place.line if result.place is not None else None,
        "owner": result.owner,
    }


def _rules(scan: Scan) -> dict[str, list[dict[str, Any]]]:
    """Objective -> its rules with their counts, over all targets."""
    by_rule: dict[str, list[Tally]] = {}
    for tally in scan.tallies:
        by_rule.setdefault(tally.rule, []).append(tally)
    found: dict[str, list[dict[str, Any]]] = {}
    always = scan.standing()
    for name, tallies in sorted(by_rule.items()):
        rule = scan.content.rules.get(name)
        if rule is None:
            continue
        counts: dict[str, Any] = {"id": name, "severity": rule.severity.value, "standing": rule.for_each in always, **_counts(tallies)}
        if len(scan.targets) > 1:
            counts["targets"] = [{"target": tally.target, **_counts([tally])} for tally in sorted(tallies, key=lambda t: t.target)]
        found.setdefault(rule.objective, []).append(counts)
    return found


def _counts(tallies: list[Tally]) -> dict[str, int]:
    return {
        "pass": sum(tally.pass_ for tally in tallies),
        "fail": sum(tally.fail for tally in tallies),
        "unknown": sum(tally.unknown for tally in tallies),
        "not_applicable": sum(tally.not_applicable for tally in tallies),
        "error": sum(tally.error for tally in tallies),
    }


def _model(scan: Scan, model: Model, score: ModelScore, rules: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "id": model.id,
        "title": model.title,
        "version": model.version,
        "overall": bounds(score.interval),
        "mean": bounds(score.mean),
        "critical": critical(score.drag),
        "functions": [_function(scan, function, own, rules) for function, own in zip(model.functions, score.functions, strict=True)],
    }


def _function(scan: Scan, function: Function, score: FunctionScore, rules: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "id": function.id,
        "title": function.title,
        "short": short(function.id),
        **bounds(score.interval),
        "attained": score.attained,
        "attained_name": LEVEL_NAMES.get(score.attained, "not yet Foundation"),
        "practices": [_practice(scan, practice, own, rules) for practice, own in zip(function.practices, score.practices, strict=True)],
    }


def _practice(scan: Scan, practice: Practice, score: PracticeScore, rules: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "id": practice.id,
        "title": practice.title,
        **bounds(score.interval),
        "attained": score.attained,
        "levels": [_level(scan, level, rules) for level in score.levels],
    }


def _level(scan: Scan, level: LevelScore, rules: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    shown = bounds(level.interval)
    return {
        "level": level.level,
        "low": shown["low"],
        "high": shown["high"],
        "coverage": shown["coverage"],
        "state": "judged" if level.interval is not None else "not_applicable" if level.has_rule else "no_rule",
        "objectives": [_objective(scan, objective, rules) for objective in level.objectives],
    }


def _objective(scan: Scan, objective: ObjectiveScore, rules: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    spec = scan.content.objectives[objective.objective]
    body = {
        "id": objective.objective,
        "title": spec.title,
        "stream": objective.stream,
        "basis": spec.basis,
        **bounds(objective.interval),
        "weight": objective.weight,
        "critical": critical(objective.drag),
        "rules": rules.get(objective.objective, []),
    }
    if objective.unjudged:
        providers = ", ".join(sorted({target.provider for target in scan.targets}))
        body["unjudged"] = f"no rule yet for {providers}"
    elif objective.interval is None:
        body["not_applicable"] = "nothing that it concerns was found"
    return body


def _targets(scan: Scan) -> list[dict[str, Any]]:
    """Each target by itself: the same arithmetic over its own verdicts."""
    return [
        {
            "id": target.id,
            "provider": target.provider,
            "name": target.name,
            "label": scan.label(target),
            "identity": target.identity,
            "weight": scan.weights.get(target.id, 1),
            "models": [
                {
                    "id": model.id,
                    "overall": bounds(model.interval),
                    "functions": [{"id": each.id, **bounds(each.interval), "attained": each.attained} for each in model.functions],
                }
                for model in scan.models_of(target)
            ],
        }
        for target in scan.targets
    ]


def _roadmap(
    scan: Scan, model: Model, way: Roadmap, findings: list[dict[str, Any]], judged: Collection[str], *, written: bool
) -> dict[str, Any]:
    """The ways up, and what to do first: nothing for which no rule was selected, and of text nothing that no finding asks for."""
    content = scan.content
    failed: Counter[str] = Counter()
    looked_at: set[str] = set()
    for tally in scan.tallies:
        if tally.rule in content.rules:
            failed[content.rules[tally.rule].objective] += tally.fail
            looked_at |= {content.rules[tally.rule].objective} if tally.rule in judged else set()
    by_objective: dict[str, list[dict[str, Any]]] = {}
    for finding in findings:
        by_objective.setdefault(finding["objective"], []).append(finding)
    blocked: dict[str, list[dict[str, Any]]] = {}
    for each in way.functions:
        for one in each.steps:
            blocked.setdefault(one.objective, []).append({"function": each.function, "level": each.next_level})

    def step(each: Step) -> dict[str, Any]:
        open_ones = by_objective.get(each.objective, [])
        return {
            "objective": each.objective,
            "title": content.objectives[each.objective].title,
            "short": content.objectives[each.objective].short or content.objectives[each.objective].title,
            "level": each.level,
            "practice": each.practice,
            "because": each.because,
            "blocks": blocked.get(each.objective, []),
            "function_gain": number(each.function_gain),
            "overall_gain": number(each.overall_gain),
            "open": failed[each.objective],
            "findings": [{name: finding[name] for name in _OF_A_STEP} for finding in open_ones[:FINDINGS_A_STEP]],
        }

    worth = [each for each in way.best if failed[each.objective] or (each.objective in looked_at and not written)]
    criticals = [each for each in worth if each.because == "critical"]
    others = [each for each in worth if each.because != "critical"]
    return {
        "best": [step(each) for each in (*criticals, *others[:STEPS])],
        "functions": [
            {
                "function": each.function,
                "attained": each.attained,
                "next_level": each.next_level,
                "low_after": number(each.after),
                "steps": [step(one) for one in sorted(each.steps, key=lambda one: one.because != "critical")],
            }
            for each in way.functions
        ],
    }


def gaps(scan: Scan) -> list[dict[str, Any]]:
    """What could not be seen and why, by (reason, target, region, operation), with the rules that became unknown by it."""
    grouped: dict[tuple[str, str, str, str], list[Coverage]] = {}
    whole = {target.id for target in scan.targets if target.scope.get(ASSUME_WHOLE)}
    for line in scan.coverage:
        for reason in line.gaps:
            if line.target in whole and reason == Reason.NOT_IN_MANIFESTS.value:
                continue  # somebody said that it is not there at all
            grouped.setdefault((reason, line.target, line.region, line.operation), []).append(line)
    reading = scan.unknown_rules()
    found = []
    for (reason, target, region, operation), lines in sorted(grouped.items()):
        tables = sorted({line.table for line in lines})
        found.append(
            {
                "reason": reason,
                "code": next((line.code for line in lines if line.code), ""),
                "target": target,
                "region": region,
                "operation": operation,
                "tables": tables,
                "calls": max(line.gaps[reason] for line in lines),
                "rights": sorted({right for line in lines for right in scan.rights(line)}),
                "rules": sorted({rule for table in tables for rule in reading.get(table, ())}),
                "oldest_at": min((line.oldest_at for line in lines if line.oldest_at), default=""),
            }
        )
    nothing: dict[str, Any] = {"code": "", "operation": "", "tables": [], "calls": 0, "rights": [], "rules": [], "oldest_at": ""}
    found.extend({**nothing, **each} for each in (*_not_asked_for(scan, reading), *_not_said(scan)))
    found.extend(
        {"reason": "excluded", "target": target["id"], "region": region["name"], **nothing}
        for target in scan.scan.get("targets", [])
        for region in target.get("regions", [])
        if region["seen"] == "excluded"
    )
    return found


def gone(scan: Scan) -> list[dict[str, Any]]:
    """What was listed and had gone when it was asked about, by (target, region, operation). It is no gap: it is not there any more."""
    counts: dict[tuple[str, str, str], dict[str, int]] = {}
    for line in scan.coverage:
        if line.gone:
            counts.setdefault((line.target, line.region, line.operation), {})[line.table] = line.gone
    return [
        {"target": target, "region": region, "operation": operation, "tables": sorted(tables), "count": max(tables.values())}
        for (target, region, operation), tables in sorted(counts.items())
    ]


def ages(scan: Scan) -> list[dict[str, Any]]:
    """How old is what others evaluate at a time of their own, by (target, table), the oldest first. What was too old is a gap too."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for line in scan.coverage:
        if line.part not in (AGE_PART, STALE_PART):
            continue
        row = found.setdefault((line.target, line.table), {"rows": 0, "undated": 0, "stale": 0, "oldest_at": ""})
        row["oldest_at"] = min(filter(None, (row["oldest_at"], line.oldest_at)), default="")
        if line.part == AGE_PART:
            row["rows"] += line.items
            row["undated"] += line.undated
        else:
            row["stale"] += line.items
    made = [
        {"target": target, "table": table, **row, "age": told(scan.started_at - read_moment(row["oldest_at"])) if row["oldest_at"] else ""}
        for (target, table), row in found.items()
    ]
    return sorted(made, key=lambda row: (row["oldest_at"] or "~", row["target"], row["table"]))


def _not_asked_for(scan: Scan, reading: Mapping[str, set[str]]) -> Iterator[dict[str, Any]]:
    """What is read only when somebody asks for it, and was not: an entry for each opt-in and target."""
    asked = {line.table for line in scan.coverage}  # what one target was asked all were, where they have such a thing
    for target in scan.targets:
        tables: dict[str, list[str]] = {}
        for table in scan.content.tables.values():
            if table.opt_in and table.provider == target.provider and table.id in reading and table.id not in asked:
                tables.setdefault(table.opt_in, []).append(table.id)
        for opt_in, names in sorted(tables.items()):
            yield {
                "reason": Reason.EXCLUDED.value,
                "code": "NotAskedFor",
                "target": target.id,
                "region": "global",
                "operation": f"--with-{opt_in.replace('_', '-')}",
                "tables": sorted(names),
                "rules": sorted({rule for name in names for rule in reading[name]}),
            }


def _not_said(scan: Scan) -> Iterator[dict[str, Any]]:
    """Rules that could not tell from what was answered: nothing was refused, and still the answer does not settle it."""
    rules: dict[str, set[str]] = {}
    for block in scan.blocks(Verdict.UNKNOWN, named=False):
        if block.reason == Reason.NOT_IN_ANSWER:
            rules.setdefault(block.target, set()).add(block.rule)
    for target, names in sorted(rules.items()):
        yield {"reason": Reason.NOT_IN_ANSWER.value, "target": target, "region": "global", "rules": sorted(names)}
