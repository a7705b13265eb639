"""The report for a person at a terminal: where they stand, what to do next, what could not be seen."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cnamm_scan.model import ASSUME_WHOLE, LEVEL_NAMES, SCORING_MODEL
from cnamm_scan.text import safe

CELLS, FEW_CELLS = 25, 10
"""How wide a bar is, and how wide on a narrow terminal."""
NARROW = 112
"""Columns below which bars are short and titles wrap: a score must never be cut."""
SEVERITY_STYLE = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan"}
REASON_WORDS = {
    "denied": "denied",
    "throttled": "throttled beyond retries",
    "timed_out": "timed out",
    "unreachable": "unreachable",
    "server_error": "answered with server errors",
    "malformed": "answered with a malformed body",
    "unsupported": "not offered there",
    "api_disabled": "service not enabled for the account",
    "region_disabled": "region not enabled for these credentials",
    "credentials": "credentials ended during the scan",
    "truncated": "listing cut short",
    "excluded": "left out of this scan",
    "interrupted": "not asked: the scan was stopped",
    "not_collected": "not collected in this scan",
    "not_in_answer": "the answer did not say",
    "not_found": "not found when asked by its name, which proves nothing",
    "not_in_manifests": "not in the manifests",
    "only_in_cluster": "said by a running cluster only",
    "collector_bug": "a bug in our collector (please report it)",
}


def render(report: Mapping[str, Any], console: Console, *, functions: Sequence[str] = (), findings: int = 5, path: str = "") -> None:
    """Print the report. `functions` narrows what is shown, never what a score is; `findings` is how many of the worst to show."""
    cells = CELLS if console.width >= NARROW else FEW_CELLS
    for block in blocks(report, functions=functions, findings=findings, path=path, cells=cells):
        console.print(block)


def blocks(
    report: Mapping[str, Any], *, functions: Sequence[str] = (), findings: int = 5, path: str = "", cells: int = CELLS
) -> list[RenderableType]:
    """The report's parts in order."""
    made: list[RenderableType] = [_head(report)]
    made.extend(_model(model, functions, cells) for model in report["models"])
    made.append(_notes(report, whole=not functions))
    if len(report["targets"]) > 1:
        made.append(_targets(report))
    made.append(_steps(report, functions))
    made.append(_findings(report, findings))
    made.append(_gaps(report))
    made.append(_foot(report, path))
    return [block for block in made if block]


def _head(report: Mapping[str, Any]) -> RenderableType:
    scan = report["scan"]
    targets = ", ".join(target["id"] for target in scan["targets"])
    calls = sum(target.get("calls", 0) for target in scan["targets"])
    line = Text.assemble(("cnamm-scan", "bold"), f"  {safe(targets)}  {scan['started_at']}  {calls} calls")
    if scan.get("interrupted"):
        return Group(line, Text("stopped before its end: what was not asked is unknown", style="bold yellow"), "")
    return Group(line, "")


def bar(low: float, high: float, width: int = CELLS) -> Text:
    """A score on the 0 … 5 scale: solid to low, shaded to high."""
    solid = round(low / 5 * width)
    shaded = max(solid, round(high / 5 * width))
    style = "red" if low < 1 else "yellow" if low < 2 else "green"
    return Text.assemble(("█" * solid, style), ("▒" * (shaded - solid), "dim"), ("·" * (width - shaded), "dim"))


def interval(scored: Mapping[str, Any]) -> str:
    """`1.4 … 2.4`, one number where both meet, or N/A."""
    if scored["low"] is None or not scored["coverage"]:
        return "N/A"
    low, high = f"{_floor(scored['low']):.1f}", f"{_ceil(scored['high']):.1f}"
    return low if scored["low"] == scored["high"] else f"{low} … {high}"


def _floor(value: float) -> float:
    """Rounded down to a tenth: a shown score never claims more than the evidence."""
    return int(value * 10 + 1e-9) / 10


def _ceil(value: float) -> float:
    return -int(-(value * 10 - 1e-9) // 1) / 10


def percent(value: float | None) -> str:
    """A coverage, rounded down: 99.9 % is not all."""
    return "–" if value is None else f"{int(value * 100 + 1e-9)} %"


def _model(model: Mapping[str, Any], only: Sequence[str], cells: int) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=True, header_style="dim")
    table.add_column(Text(f"{model['title']} {model['version']}"), no_wrap=cells == CELLS)
    table.add_column("".join(str(level).ljust(cells // 5) for level in range(6)).rstrip(), no_wrap=True)
    table.add_column("score", no_wrap=True)
    table.add_column("attained", no_wrap=True)
    table.add_column("coverage", justify="right", no_wrap=True)
    for function in model["functions"]:
        if only and function["id"] not in only:
            continue
        table.add_row(
            Text(function["title"]), _bar_of(function, cells), interval(function), attained(function), percent(function["coverage"])
        )
    if not only:
        overall = model["overall"]
        table.add_row(
            Text("Overall", style="bold"), _bar_of(overall, cells), Text(interval(overall), style="bold"), "", percent(overall["coverage"])
        )
    return Group(table, "")


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
        found += [f"{target['id']}: {note}" if several else note for note in (*own, *scope.get("notes", ()))]
    return found


def held(report: Mapping[str, Any]) -> list[str]:
    """Why an overall score is less than the mean of its functions, a sentence for each model that critical findings hold down."""
    said = []
    for model in report["models"]:
        overall, mean, drag = model["overall"], model["mean"], model["critical"]
        if not drag["most"] or not overall["coverage"]:
            continue
        least, most = (f"{drag[name] * 100:.3g} %" for name in ("least", "most"))
        if not drag["least"]:
            why = f"what could not be seen may be critical, which takes {most} of the low bound"
        elif drag["least"] == drag["most"]:
            why = f"critical findings take {most} of it"
        else:
            why = f"critical findings take {least} of the high bound and, with what could not be seen, {most} of the low one"
        name = f"overall of {model['title']}" if len(report["models"]) > 1 else "overall"
        said.append(f"{name}: {why}; the mean of its functions is {interval(mean)}")
    return said


def _notes(report: Mapping[str, Any], *, whole: bool) -> RenderableType:
    found = [*(held(report) if whole else ()), *notes(report)]
    return Group(*(Padding(Text(safe(f"! {note}"), style="yellow"), (0, 0, 0, 0)) for note in found), "") if found else ""


def _bar_of(scored: Mapping[str, Any], cells: int) -> Text:
    if scored["low"] is None:
        return Text("nothing that it concerns was found" if cells == CELLS else "none found", style="dim")
    if not scored["coverage"]:
        return Text("nothing of it could be seen" if cells == CELLS else "not seen", style="dim")
    return bar(scored["low"], scored["high"], cells)


def attained(function: Mapping[str, Any]) -> str:
    """The level that a function has attained, in words; N/A where its score is."""
    if function["low"] is None or not function["coverage"]:
        return "N/A"
    return f"{function['attained']} {LEVEL_NAMES[function['attained']]}" if function["attained"] else "not yet Foundation"


def _targets(report: Mapping[str, Any]) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("By target")
    table.add_column("score")
    table.add_column("coverage", justify="right")
    for target in report["targets"]:
        for model in target["models"]:
            table.add_row(Text(safe(target["id"])), interval(model["overall"]), percent(model["overall"]["coverage"]))
    return Group(table, "")


def _steps(report: Mapping[str, Any], only: Sequence[str]) -> RenderableType:
    steps = [step for way in report["roadmap"] for step in way["best"]]
    if only:
        steps = [step for way in report["roadmap"] for own in way["functions"] if own["function"] in only for step in own["steps"]][:5]
    if not steps:
        return ""
    home = {p["id"]: function["id"] for model in report["models"] for function in model["functions"] for p in function["practices"]}
    made: list[RenderableType] = [Text("What to do next, most valuable first", style="bold")]
    for number, step in enumerate(steps, 1):
        gain = f"+{step['overall_gain']:.2f} overall, +{step['function_gain']:.2f} in {home[step['practice']]}"
        made.append(Text.assemble(f"{number}. ", (step["title"], "bold"), f"  (level {step['level']}, {gain})"))
        for finding in step["findings"][:2]:
            made.append(
                Padding(
                    Text.assemble((finding["severity"], SEVERITY_STYLE[finding["severity"]]), f"  {safe(finding['message'])}"), (0, 0, 0, 3)
                )
            )
            if finding["file"]:
                made.append(Padding(Text(f"at: {safe(place(finding))}", style="dim"), (0, 0, 0, 3)))
            made.append(Padding(Text(f"fix: {textwrap.shorten(safe(finding['fix']), 150)}", style="dim"), (0, 0, 0, 3)))
        more = step["open"] - min(2, len(step["findings"]))
        if more > 0:
            made.append(Padding(Text(f"and {more} more", style="dim"), (0, 0, 0, 3)))
        if not step["open"]:
            made.append(Padding(Text("nothing failed, but not all could be seen", style="dim"), (0, 0, 0, 3)))
    return Group(*made, "")


def _findings(report: Mapping[str, Any], most: int) -> RenderableType:
    found = report["findings"]
    counts = report["findings_by_severity"]
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    head = Text.assemble(("Findings", "bold"), f"  {len(found) + report['findings_left_out']}" + (f": {said}" if said else ""))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in found[:most]:
        text = Text.assemble((finding["rule"], "bold"), f"  {safe(finding['resource'])}\n{safe(finding['message'])}")
        if finding["file"]:
            text.append(f"\nat: {safe(place(finding))}", style="dim")
        text.append(f"\nfix: {textwrap.shorten(safe(finding['fix']), 150)}", style="dim")
        table.add_row(Text(finding["severity"], style=SEVERITY_STYLE[finding["severity"]]), text)
    total = len(found) + report["findings_left_out"]
    rest = Text(f"and {total - most} more: cnamm-scan results BUNDLE --verdict fail", style="dim") if total > most else ""
    return Group(head, Padding(table, (0, 0, 0, 0)), rest, "") if found else Group(head, "")


def place(finding: Mapping[str, Any]) -> str:
    """Where a finding's resource was written, as editors and compilers say it: `deploy/web.yaml:12`."""
    return f"{finding['file']}:{finding['line']}"


def _gaps(report: Mapping[str, Any]) -> RenderableType:
    several = len(report["scan"]["targets"]) > 1
    places: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for gap in report["gaps"]:
        region = "" if gap["region"] in ("", "global") else gap["region"]
        where = f"{gap['target']} {region}".strip() if several or not region else region
        operations, rules = places.setdefault((gap["reason"], where), (set(), set()))
        services = {table.split(".")[1] for table in gap["tables"] if table.count(".") == 2}
        operations.update(
            {gap["operation"]}
            if gap["operation"].startswith("--")
            else {f"{service}:{gap['operation']}" for service in services or ({""} if gap["operation"] else ())}
        )
        rules.update(gap["rules"])
    went = [Text(line, style="dim") for line in [gone_line(report)] if line]
    if not places:
        return Group(Text.assemble(("What could not be seen", "bold"), "  nothing: every planned call was answered"), *went, "")
    alike: dict[tuple[str, str], list[str]] = {}  # places that were refused the same way stand together
    for (reason, where), (operations, rules) in sorted(places.items()):
        alike.setdefault((reason, _what(operations, rules)), []).append(where)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for (reason, what), there in alike.items():
        where = ", ".join(there[:3]) + (f" and {len(there) - 3} more places" if len(there) > 3 else "")
        table.add_row(REASON_WORDS.get(reason, reason), Text(safe(f"{where}: {what}" if what else where)))
    return Group(Text("What could not be seen, and why", style="bold"), table, *went, "")


def gone_line(report: Mapping[str, Any]) -> str:
    """How many of the things that were listed had gone when they were asked about; empty for none."""
    number = sum(each["count"] for each in report["gone"])
    services = sorted({table.split(".")[1] for each in report["gone"] for table in each["tables"]})
    return f"{number} {'was' if number == 1 else 'were'} gone when asked: {', '.join(services)}" if number else ""


def _what(operations: set[str], rules: set[str]) -> str:
    """The calls of a gap in a few words: their names when they are few, else their services."""
    names = sorted(name.lstrip(":") for name in operations)
    if len(names) > 4:
        services = sorted({name.split(":")[0] for name in names})
        shown = ", ".join(services[:6]) + (f" and {len(services) - 6} more services" if len(services) > 6 else "")
        said = f"{len(names)} calls of {shown}"
    else:
        said = ", ".join(names)
    return "; ".join(part for part in (said, f"{_counted(len(rules), 'rule')} with unknowns" if rules else "") if part)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _foot(report: Mapping[str, Any], path: str) -> RenderableType:
    scan = report["scan"]
    how = f"verdicts: {scan['judging']}; scores: {scan['method']}, low … high of 0–5"
    line = Text(f"{how}; content {scan['content']['sha256'][:12]}", style="dim")
    return Group(line, Text.assemble("evidence bundle: ", (path, "bold"))) if path else line
