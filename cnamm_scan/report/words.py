"""The words and numbers of a report, the same in every form: how a score, a share, a count, a place and a reason are said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cnamm_scan.model import ASSUME_WHOLE, LEVEL_NAMES, REASON_WORDS, SCORING_MODEL

NOT_SELECTED = "not_selected"
"""Beside the reasons why something could not be read: nobody asked for its rules."""
_NAMED_CALLS = 60
"""Letters up to which several calls are named on a line, which also says where, why and what to do."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 finding`, `2 findings`, `12 345 findings`."""
    return f"{thousands(number)} {noun if number == 1 else plural or f'{noun}s'}"


def thousands(number: int) -> str:
    """A whole number in groups of three: `12 345`."""
    return f"{number:,}".replace(",", " ")


def word(number: int) -> str:
    """A number in words, as far as people write them out."""
    return NUMBERS[number] if number < len(NUMBERS) else thousands(number)


def listed(names: Sequence[str], most: int, noun: str) -> str:
    """The first names, and how many more there are: `a, b and 3 more rules`."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {counted(len(names) - most, f'more {noun}')}"


def interval(scored: Mapping[str, Any]) -> str:
    """`1.4 … 2.4`, one number where both meet, or N/A."""
    if scored["low"] is None or not scored["coverage"]:
        return "N/A"
    low, high = f"{_floor(scored['low']):.1f}", f"{_ceil(scored['high']):.1f}"
    return low if scored["low"] == scored["high"] else f"{low} … {high}"


def least(scored: Mapping[str, Any]) -> str:
    """The low bound alone."""
    return f"{_floor(scored['low']):.1f}"


def most(scored: Mapping[str, Any]) -> str:
    """The high bound alone."""
    return f"{_ceil(scored['high']):.1f}"


def _floor(value: float) -> float:
    """Rounded down to a tenth: a shown score never claims more than the evidence."""
    return int(value * 10 + 1e-9) / 10


def _ceil(value: float) -> float:
    return -int(-(value * 10 - 1e-9) // 1) / 10


def percent(value: float | None) -> str:
    """A coverage, rounded down: 99.9 % is not all."""
    return "–" if value is None else f"{int(value * 100 + 1e-9)} %"


def unseen_share(value: float | None) -> str:
    """What is missing of a coverage: 100 less what is shown of it."""
    return "–" if value is None else f"{100 - int(value * 100 + 1e-9)} %"


def gain(value: float) -> str:
    """What a low bound gains: `+0.09`; a step that lifts nothing by itself may still be needed."""
    return "±0.00" if not value else "< 0.01" if value < 0.005 else f"+{value:.2f}"


def moment(text: str) -> str:
    """`29 Nov 2026, 15:27 UTC` of an ISO moment."""
    at = datetime.fromisoformat(text).astimezone(UTC)
    return f"{at.day} {_MONTHS[at.month - 1]} {at:%Y, %H:%M} UTC"


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def attained(function: Mapping[str, Any]) -> str:
    """The level that a function has attained, in words; N/A where its score is."""
    if function["low"] is None or not function["coverage"]:
        return "N/A"
    return f"{function['attained']} {LEVEL_NAMES[function['attained']]}" if function["attained"] else "none yet"


def verdicts(fail: int, judged: int, unseen: int) -> str:
    """`2 of 7 fail, 1 unseen`; what was not seen is of the seven."""
    said = f"{thousands(fail)} of {thousands(judged)} {'fails' if fail == 1 else 'fail'}"
    return f"{said}, {thousands(unseen)} unseen" if unseen else said


def place(finding: Mapping[str, Any]) -> str:
    """Where a finding's resource was written, as editors and compilers say it: `deploy/web.yaml:12`."""
    return f"{finding['file']}:{finding['line']}"


def where_found(finding: Mapping[str, Any]) -> str:
    """What stands before the message of a finding: file and line, or the regions that it does not name itself."""
    if finding["file"]:
        return f"{place(finding)}: "
    regions = finding["regions"] if "regions" in finding else [finding["region"]]
    named = [region for region in regions if region not in ("", "global") and (len(regions) > 1 or region not in finding["message"])]
    return f"{', '.join(named)}: " if named else ""


def message_of(finding: Mapping[str, Any]) -> str:
    """What a finding says, and who answers for it where that is known."""
    return f"{finding['message']} (owner: {finding['owner']})" if finding["owner"] else str(finding["message"])


def first_of_each_rule(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first finding of each rule: a rule's others say the same of other things."""
    return list({finding["rule"]: finding for finding in reversed(findings)}.values())[::-1]


def by_severity(counts: Mapping[str, int]) -> str:
    """`1 critical, 12 high`; empty for none."""
    return ", ".join(f"{thousands(count)} {name}" for name, count in counts.items() if count)


def called(target: Mapping[str, Any]) -> str:
    """A scanned target by its id, and by what people call it where that is something else."""
    return f"{target['id']} ({target['label']})" if target.get("label") else str(target["id"])


def target_labels(report: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Target -> its label, whole and short: without an id beside the name that people gave, where no other target has that name."""
    names = {target["id"]: target.get("label", "") for target in report["scan"]["targets"]}
    whole = {target["id"]: target["label"] for target in report["targets"]}
    short = dict(whole)
    for target in report["targets"]:
        name = names.get(target["id"], "")
        if name and list(names.values()).count(name) == 1:
            short[target["id"]] = target["label"].replace(f"{target['name']} ({name})", name)
    return whole, short


def notes(report: Mapping[str, Any]) -> list[str]:
    """What a person should know beside the score: what was taken for granted, and what of the targets was passed over."""
    several = len(report["scan"]["targets"]) > 1
    found = []
    method = report["scan"]["method"]
    if method != SCORING_MODEL:
        found.append(f"scored by {method}, as on the day: not to be compared with scores of {SCORING_MODEL}, which evaluate gives")
    for target in report["scan"]["targets"]:
        scope = target.get("scope", {})
        own = ["what is given is taken to be all there is (--assume-whole)"] if scope.get(ASSUME_WHOLE) else []
        found += [f"{called(target)}: {note}" if several else note for note in (*own, *scope.get("notes", ()))]
    return found


def held(report: Mapping[str, Any]) -> list[str]:
    """Why an overall score is less than the mean of its functions, a sentence for each model that critical findings hold down."""
    said = []
    for model in report["models"]:
        overall, mean, drag = model["overall"], model["mean"], model["critical"]
        if not drag["most"] or not overall["coverage"]:
            continue
        failed, doubted = (f"{drag[name] * 100:.3g} %" for name in ("least", "most"))
        if not drag["least"]:
            why = f"what could not be seen may be critical, which takes {doubted} of the low bound"
        elif drag["least"] == drag["most"]:
            why = f"critical findings take {doubted} of it"
        else:
            why = f"critical findings take {failed} of the high bound and, with what could not be seen, {doubted} of the low one"
        name = f"overall of {model['title']}" if len(report["models"]) > 1 else "overall"
        said.append(f"{name}: {why}; the mean of its functions is {interval(mean)}")
    return said


def gone_line(report: Mapping[str, Any]) -> str:
    """How many of the things that were listed had gone when they were asked about; empty for none."""
    number = sum(each["count"] for each in report["gone"])
    services = sorted({table.split(".")[1] for each in report["gone"] for table in each["tables"]})
    return f"{number} {'was' if number == 1 else 'were'} gone when asked: {', '.join(services)}" if number else ""


def age_line(report: Mapping[str, Any]) -> str:
    """How old the oldest is of what others evaluated at a time of their own; empty where nothing says so."""
    oldest = next((each for each in report["ages"] if each["age"]), None)
    return f"oldest vendor evaluation: {oldest['age']} before the scan ({oldest['table']})" if oldest is not None else ""


def cause(row: Mapping[str, Any], labels: Mapping[str, str], *, several: bool) -> str:
    """A cause of blindness in a line: `ap-southeast-2: every call denied, 378 rules`."""
    where, what = where_of(row, labels, several=several) if row["reason"] != NOT_SELECTED else "", what_of(row)
    rules = f", {counted(len(row['rules']), 'rule')}" if row["rules"] else ""
    return f"{where}: {what}{rules}" if where else f"{what}{rules}"


def where_of(row: Mapping[str, Any], labels: Mapping[str, str], *, several: bool) -> str:
    """The places of a cause, a target once before its regions, and only where there are several."""
    regions: dict[str, list[str]] = {}
    for each in row["places"]:
        regions.setdefault(each["target"], []).extend([each["region"]] if each["region"] not in ("", "global") else [])
    named = {target: listed(own, 4, "region") for target, own in regions.items()}
    if not several:
        return ", ".join(filter(None, named.values()))
    return listed([f"{labels.get(target, target)} {own}".strip() for target, own in named.items()], 3, "target")


def what_of(row: Mapping[str, Any]) -> str:
    """What happened there: to which calls, and what it is about."""
    said = "not selected" if row["reason"] == NOT_SELECTED else REASON_WORDS[row["reason"]]
    if row.get("age"):
        said = f"last evaluated up to {row['age']} ago, longer than --max-age"
    what = f"every call {said}" if row["every_call"] else f"{_calls(row['calls'])} {said}" if row["calls"] else said
    more = f"; {row['about_more']} more" if row["about_more"] else ""
    return f"{what}: {'; '.join(row['about'])}{more}" if row["about"] else what


def _calls(calls: Sequence[str]) -> str:
    """Calls by name where they are few and short, else how many of which services, or of how many."""
    if len(calls) <= 4 and (len(calls) == 1 or len(", ".join(calls)) <= _NAMED_CALLS):
        return ", ".join(calls)
    services = sorted({name.split(":")[0] for name in calls})
    return f"{counted(len(calls), 'call')} of {', '.join(services) if len(services) <= 4 else counted(len(services), 'service')}"
