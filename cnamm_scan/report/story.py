"""What a report says before its tables: the score in a sentence, what each function's next level waits for, and how it was all made."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnamm_scan.model import LEVEL_NAMES
from cnamm_scan.report.words import counted, interval, least, most, percent, word

if TYPE_CHECKING:
    from cnamm_scan.judged.scan import Scan

CARRIES = 0.15
"""The coverage from which on a score says something of what was scanned, and not of what was not."""


def selected_rules(scan: Scan) -> frozenset[str]:
    """The rules that were judged; the others were not selected, or not reached when the scan was stopped."""
    if scan.judged_blocks is None and scan.bundle is not None:
        return frozenset(scan.bundle.manifest["plan"]["rules"])
    return frozenset(rule.rule.id for rule in scan.compiled)


def short(function: str) -> str:
    """A function's name where there is little room, from its id."""
    name = function.replace("-", " ")
    return name[:1].upper() + name[1:]


def name_selection(scan: Scan, models: Sequence[dict[str, Any]], selected: Collection[str]) -> None:
    """Say of each function of a report how many of its rules were judged: one of which none was is not selected, and no zero."""
    asked = scan.content.asked_in()
    named = {tally.rule for tally in scan.tallies}
    rules = [rule for rule in scan.content.rules.values() if rule.id in named]
    for model in models:
        for function in model["functions"]:
            own = {rule.id for rule in rules if function["id"] in asked.get(rule.objective, ())}
            function["rules_known"] = len(own)
            function["rules_judged"] = len(own.intersection(selected))


def is_selected(function: Mapping[str, Any]) -> bool:
    """Whether anything of a function was judged, or nothing could have been."""
    return bool(function["rules_judged"]) or not function["rules_known"]


def carries(scored: Mapping[str, Any]) -> bool:
    """Whether so much was seen that a score may be told."""
    return scored["coverage"] is not None and scored["coverage"] >= CARRIES


def is_written(scan: Mapping[str, Any]) -> bool:
    """Whether all that was scanned is text: then findings come first, with file and line."""
    return all("manifests" in target.get("scope", {}) for target in scan["targets"])


def story(models: Sequence[Mapping[str, Any]], scan: Mapping[str, Any], counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """For each model of a report: what its score means in a few sentences, or why there is none and what would give one."""
    return [{"model": model["id"], **_of_model(model, scan, counts)} for model in models]


def _of_model(model: Mapping[str, Any], scan: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    overall, chosen = model["overall"], [each for each in model["functions"] if is_selected(each)]
    has_score = carries(overall) and all(is_selected(each) for each in model["functions"])
    shown = [each for each in chosen if carries(each)]
    first = is_written(scan) or not (has_score or shown)
    if has_score:
        return {
            "has_score": True,
            "findings_first": first,
            "says": _score(overall, [each for each in chosen if each["low"] is not None]),
            "would_give_one": "",
        }
    found = sum(counts.values())
    says = f"{counted(found, 'finding')}." if found else "Nothing fails among what was seen."
    if overall["low"] is None:
        why, what = "No score: nothing that the model asks for was found.", ""
    elif not overall["coverage"]:
        why, what = "No score: nothing could be read.", "What could not be seen says what would show it."
    elif carries(overall):
        why = f"No overall score: {len(chosen)} of {len(model['functions'])} functions were judged."
        what = _what_would(scan, model["functions"])
    else:
        why = f"No overall score: {_share(overall['coverage'])} of what the model asks could be seen, which carries none."
        what = _what_would(scan, model["functions"])
    return {"has_score": False, "findings_first": first, "says": f"{says} {why}", "would_give_one": what}


def _share(coverage: float) -> str:
    """A share that is more than nothing, however little."""
    return percent(coverage) if coverage >= 0.01 else "less than 1 %"


def _what_would(scan: Mapping[str, Any], functions: Sequence[Mapping[str, Any]]) -> str:
    if scan["interrupted"]:
        return "A scan that runs to its end gives one."
    if is_written(scan):
        return "A scan of the running cluster gives one."
    if any(each["rules_judged"] < each["rules_known"] for each in functions):
        return "A scan without --function and --rule gives one."
    return "A scan that sees more gives one: what could not be seen says what would show it."


def _score(overall: Mapping[str, Any], functions: Sequence[Mapping[str, Any]]) -> str:
    if interval(overall) == least(overall):
        said = f"The evidence shows {least(overall)} of 5."
    else:
        said = f"The evidence shows at least {least(overall)}. Were everything unseen in order, it would be {most(overall)} at most."
    return f"{said} {_attained([each['attained'] for each in functions])}".strip()


def _attained(levels: Sequence[int]) -> str:
    """How many functions are how far: `One function of eight has attained Foundation.`"""
    reached = sum(level > 0 for level in levels)
    if not levels:
        return ""
    if reached == len(levels):
        said = "Its function has" if reached == 1 else f"All {word(reached)} functions have"
        return f"{said} attained {LEVEL_NAMES[min(levels)]}."
    if not reached:
        return f"None of its {word(len(levels))} functions has attained {LEVEL_NAMES[1]} yet." if len(levels) > 1 else ""
    some = f"{word(reached)} {'function' if reached == 1 else 'functions'} of {word(len(levels))}"
    return f"{some[0].upper()}{some[1:]} {'has' if reached == 1 else 'have'} attained {LEVEL_NAMES[1]}."


_COUNTS = ("rules", "pass", "fail", "unknown", "not_applicable", "error")


def made(scan: Scan) -> dict[str, Any]:
    """What an auditor checks first: the root over all evidence, and what each target's verdicts come to."""
    totals: dict[str, dict[str, int]] = {target.id: dict.fromkeys(_COUNTS, 0) for target in scan.targets}
    for tally in scan.tallies:
        own = totals.setdefault(tally.target, dict.fromkeys(_COUNTS, 0))
        own["rules"] += 1
        for name, count in (
            ("pass", tally.pass_),
            ("fail", tally.fail),
            ("unknown", tally.unknown),
            ("not_applicable", tally.not_applicable),
            ("error", tally.error),
        ):
            own[name] += count
    root = scan.bundle.manifest["tree"]["root"] if scan.bundle is not None else ""
    return {"root": root, "targets": [{"target": name, **counts} for name, counts in totals.items()]}
