"""The report for a person at a terminal, as a story: where they stand, what blocks them, what to do first, what was not seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from cnamm_scan.model import LEVEL_NAMES
from cnamm_scan.report.page import Page
from cnamm_scan.report.story import carries, is_selected
from cnamm_scan.report.words import (
    age_line,
    attained,
    by_severity,
    cause,
    counted,
    gain,
    gone_line,
    interval,
    listed,
    message_of,
    notes,
    percent,
    target_labels,
    thousands,
    unseen_share,
    verdicts,
    where_found,
)

__all__ = ["SEVERITY_STYLE", "interval", "notes", "percent", "render"]

BARS = (50, 25, 20, 15, 10)
"""How wide a bar may be where there is room for one: whole cells a level."""
SEVERITY_STYLE = {"critical": "bold red", "high": "red", "medium": "", "low": "dim"}
STEPS, CAUSES, TARGETS, OWNERS = 3, 3, 5, 8
"""How many steps, causes of blindness, targets and owners a summary names: with eight functions it fits forty-one lines."""
RULES_FIRST = 8
"""Rules of which findings are shown where they come first."""
RESOURCES = 3
"""Resources named under each of them."""
_INDENT = 2

Lines = Iterator[Text]


def render(
    report: Mapping[str, Any], console: Console, *, functions: Sequence[str] = (), findings: int | None = None, path: str = ""
) -> None:
    """Print the report, no line wider than the console.

    `functions` narrows what is shown, never what a score is. `findings` is of how many rules to show what fails: None shows those of a
    scan that has no score to show, and otherwise leaves it at what to do first.
    """
    page = Page(console)
    for line in _lines(report, page, frozenset(functions), findings, path):
        console.print(line, no_wrap=True, overflow="crop", crop=True, highlight=False)


def _lines(report: Mapping[str, Any], page: Page, only: Collection[str], findings: int | None, path: str) -> Lines:
    first = any(each["findings_first"] for each in report["story"]) and not only
    shown = findings if findings is not None else RULES_FIRST if first else 0
    sections = [_head(report, page)]
    tables = [_scores(report, page, only), _waits(report, page, only)]
    if first:
        sections += [_findings(report, page, only, shown), *(tables if _any_carries(report) else ())]
    else:
        sections += [*tables, _steps(report, page, only, is_all=not shown), _findings(report, page, only, shown) if shown else iter(())]
    sections.append(_owners(report, page) if not only else iter(()))
    sections.append(_unseen(report, page, only))
    is_first = True
    for section in sections:
        lines = list(section)
        if lines and not is_first:
            yield Text()
        yield from lines
        is_first = is_first and not lines
    yield from _foot(report, page, path)


# ---- where they stand ----------------------------------------------------------------------------------------------------


def _head(report: Mapping[str, Any], page: Page) -> Lines:
    scan, several = report["scan"], len(report["models"]) > 1
    whole, short = (", ".join(labels.values()) for labels in target_labels(report))
    where = whole if cell_len(page.said(whole)) <= page.width else short
    if len(report["targets"]) > 3:
        where = counted(len(report["targets"]), "target")
    for model, told in zip(report["models"], report["story"], strict=True):
        title = model["title"] if several else "Cloud maturity"
        said = f"{interval(model['overall'])} of 5" if told["has_score"] else "no overall score"
        yield from page.sides(Text.assemble((page.said(title), "bold"), "  ", (page.said(said), "bold")), where, "dim")
        where = ""
        yield from page.wrapped(" ".join(filter(None, (told["says"], told["would_give_one"]))))
    if scan["interrupted"]:
        yield from page.wrapped("! stopped before its end: what was not asked is unknown", style="bold")
    for note in notes(report):
        yield from page.wrapped(f"! {note}", hang=2)


def _any_carries(report: Mapping[str, Any]) -> bool:
    return any(carries(function) for model in report["models"] for function in model["functions"])


def _scores(report: Mapping[str, Any], page: Page, only: Collection[str]) -> Lines:
    names = [function["short"] for model in report["models"] for function in model["functions"]]
    room = max(map(cell_len, [*names, "Overall"])) + 2
    tails = (("score", "seen", "attained"), ("score", "seen"), ("score",))
    fitting = ((tail, bar) for tail in tails for bar in BARS if room + bar + 1 + sum(2 + _WIDE[name] for name in tail) <= page.width)
    columns, cells = next(fitting, (("score",), 5))
    axis = "".join(str(level).ljust(cells // 5) for level in range(5)) + "5"
    yield _row(page, " " * room, Text(axis), {name: name for name in columns}, columns, "dim")
    for model, told in zip(report["models"], report["story"], strict=True):
        for function in model["functions"]:
            if not only or function["id"] in only:
                yield _function(report, page, function, told, room, cells, columns)
        if told["has_score"] and not only:
            overall = model["overall"]
            tail = {"score": interval(overall), "seen": percent(overall["coverage"]), "attained": _cost(model)}
            yield _row(page, "Overall".ljust(room), page.bar(overall["low"], overall["high"], cells), tail, columns, "bold")
    key = zip(page.ink, ("shown by evidence", "could not be seen", "known to be missing"), strict=True)
    said = "   ".join(f"{ink} {what}" for ink, what in key)
    yield from page.wrapped(said, indent=room if room + len(said) <= page.width else 0, style="dim")
    if len(report["targets"]) > 1 and not only:
        yield from _targets(report, page)


def _cost(model: Mapping[str, Any]) -> str:
    """What critical findings take of the low bound: why the whole is less than the mean of its functions."""
    cost = (model["mean"]["low"] or 0) - model["overall"]["low"]
    return f"criticals \N{MINUS SIGN}{cost:.2f}" if cost >= 0.005 else ""


_WIDE = {"score": 10, "seen": 5, "attained": 16}


def _row(page: Page, name: str, bar: Text, tail: Mapping[str, str], columns: Sequence[str], style: str) -> Text:
    cells = [page.said(tail[name]).rjust(5) if name == "seen" else page.filled(tail[name], _WIDE[name]) for name in columns]
    line = Text.assemble((name, style), bar, " ", *("  " + cell for cell in cells), style="dim" if style == "dim" else "")
    line.rstrip()
    return line


def _function(
    report: Mapping[str, Any],
    page: Page,
    function: Mapping[str, Any],
    told: Mapping[str, Any],
    room: int,
    cells: int,
    columns: Sequence[str],
) -> Text:
    said, seen = "", percent(function["coverage"])
    if not is_selected(function):
        said, seen = "stopped before it" if report["scan"]["interrupted"] else "not selected", ""
    elif function["low"] is None:
        said = "nothing here applies"
    elif not function["coverage"]:
        said = "nothing could be read"
    elif not told["has_score"] and not carries(function):
        said = "too little seen"
    name = page.filled(function["short"], room)
    if not said:
        bar = page.bar(function["low"], function["high"], cells)
        return _row(page, name, bar, {"score": interval(function), "seen": seen, "attained": attained(function)}, columns, "")
    bar = Text(page.filled(said, cells), "dim")
    return _row(page, name, bar, {"score": "" if not is_selected(function) else "N/A", "seen": seen, "attained": ""}, columns, "")


def _targets(report: Mapping[str, Any], page: Page) -> Lines:
    """The targets with the lowest scores, on one line where they fit, and how many more there are."""
    rows = [(target, model["overall"]) for target in report["targets"] for model in target["models"]]
    rows.sort(key=lambda row: (row[1]["low"] is None, row[1]["low"] or 0))
    whole, short = target_labels(report)
    named = [f"{whole[target['id']]} {interval(overall)}" for target, overall in rows]
    line = page.said(f"By target: {listed(named, TARGETS, 'target')}")
    if cell_len(line) <= page.width:
        yield Text(line)
        return
    yield Text("By target, the lowest first")
    for (target, overall), each in zip(rows[:TARGETS], named, strict=False):
        fits = cell_len(page.said(each)) <= page.width - 2
        yield Text("  " + page.cut(each if fits else f"{short[target['id']]} {interval(overall)}", page.width - 2))
    if len(named) > TARGETS:
        yield Text(f"  and {counted(len(named) - TARGETS, 'more target')}")


# ---- what blocks them, and what to do ------------------------------------------------------------------------------------


def _waits(report: Mapping[str, Any], page: Page, only: Collection[str]) -> Lines:
    """What each function's next level waits for: the smallest set of objectives that reaches it."""
    functions = {function["id"]: function for model in report["models"] for function in model["functions"]}
    ways = [way for each in report["roadmap"] for way in each["functions"]]
    ways = [way for way in ways if way["steps"] and is_selected(functions[way["function"]]) and (not only or way["function"] in only)]
    if not ways:
        return
    yield Text("What the next level waits for", "bold")
    names = max(cell_len(functions[way["function"]]["short"]) for way in ways) + 2
    levels = max(len(LEVEL_NAMES[way["next_level"]]) for way in ways) + 2
    for way in ways:
        head = f"  {functions[way['function']]['short']:{names}}{LEVEL_NAMES[way['next_level']]:{levels}}"
        room = page.width - len(head)
        yield Text(
            page.said(head) + (_as_many_as_fit(page, way["steps"], "title", room) or _as_many_as_fit(page, way["steps"], "short", room))
        )


def _as_many_as_fit(page: Page, steps: Sequence[Mapping[str, Any]], name: str, room: int) -> str:
    """As many names of steps as fit whole, then how many more. Where even the first is too long: nothing of its title, else cut."""
    titles = [step[name] for step in steps]
    for count in range(len(titles), 0, -1):
        more = f"; {len(titles) - count} more" if count < len(titles) else ""
        said = page.said("; ".join(titles[:count]))
        if cell_len(said) + len(more) <= room:
            return said + more
        if count == 1 and name == "short":
            return page.cut(titles[0], room - len(more)) + more
    return ""


def _steps(report: Mapping[str, Any], page: Page, only: Collection[str], *, is_all: bool) -> Lines:
    """What to do first; where this is all that is shown of findings, how to see each with its fix."""
    counts = report["findings_by_severity"] if not only else _counts(_rules(report, only))
    total = sum(counts.values())
    said = f"{counted(total, 'finding')}: {by_severity(counts)}" if total else "nothing fails among what was seen"
    steps = _best(report, only)
    yield from page.sides(Text("Do first" if steps else "Findings", "bold"), said, "dim")
    functions = {function["id"]: function["short"] for model in report["models"] for function in model["functions"]}
    of_functions = bool(only) or not _has_scores(report)
    for number, step in enumerate(steps[:STEPS], 1):
        why = step["because"]
        if why == "blocks":
            blocked = step["blocks"][0]
            why = f"blocks {functions[blocked['function']]}" + (f" and {len(step['blocks']) - 1} more" if len(step["blocks"]) > 1 else "")
        gained = f"  {gain(step['function_gain'] if of_functions else step['overall_gain']):>6}"
        why = f"  {why}" if why != "gain" else ""
        room = page.width - 5 - len(page.said(why + gained))
        left = page.filled(step["title"] if cell_len(step["title"]) <= room else step["short"], room)
        signal = SEVERITY_STYLE["critical"] if step["because"] == "critical" else ""
        yield Text.assemble(f"  {number}  ", (left, "bold"), (page.said(why), signal), page.said(gained))
        said, more = _why(step)
        yield Text("     " + page.cut(said, page.width - 5 - len(more)) + more)
    if total and is_all:
        yield from page.wrapped("each with its fix: cnamm-scan results BUNDLE --verdict fail --record", 2, "dim", 2)


def _best(report: Mapping[str, Any], only: Collection[str]) -> list[Mapping[str, Any]]:
    """What to do first: of all, or of the functions that are shown."""
    best = [step for way in report["roadmap"] for step in way["best"]]
    if not only:
        return best
    found = {
        step["objective"]: step for way in report["roadmap"] for own in way["functions"] if own["function"] in only for step in own["steps"]
    }
    ours = {practice["id"] for m in report["models"] for f in m["functions"] if f["id"] in only for practice in f["practices"]}
    chosen = {step["objective"]: step for step in best if step["practice"] in ours} | found
    order = ("critical", "blocks", "gain")
    return sorted(chosen.values(), key=lambda step: (order.index(step["because"]), -step["overall_gain"]))


def _why(step: Mapping[str, Any]) -> tuple[str, str]:
    """What stands against an objective: its worst finding with where it is, and how many more there are."""
    if not step["findings"]:
        return "nothing failed, but not all could be seen", ""
    worst, more = step["findings"][0], step["open"] - 1
    return f"{where_found(worst)}{message_of(worst)}", f"; {thousands(more)} more" if more > 0 else ""


# ---- findings ------------------------------------------------------------------------------------------------------------


def _rules(report: Mapping[str, Any], only: Collection[str]) -> list[Mapping[str, Any]]:
    return [row for row in report["findings_by_rule"] if not only or not only.isdisjoint(row["functions"])]  # type: ignore[attr-defined]


def _counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    found = dict.fromkeys(SEVERITY_STYLE, 0)
    for row in rows:
        found[row["severity"]] += row["fail"]
    return found


def _findings(report: Mapping[str, Any], page: Page, only: Collection[str], most: int) -> Lines:
    rows = _rules(report, only)
    if not rows and not _has_scores(report):
        return  # that nothing fails was said first
    counts = _counts(rows)
    said = (
        f"{thousands(sum(counts.values()))} of {counted(len(rows), 'rule')}: {by_severity(counts)}"
        if rows
        else "nothing fails among what was seen"
    )
    yield from page.sides(Text("Findings", "bold"), said, "dim", 2)
    for row in rows[:most]:
        yield from _finding(page, row)
    if len(rows) > most:
        yield from page.wrapped(f"{counted(len(rows) - most, 'more rule')}: cnamm-scan results BUNDLE --verdict fail", 2, "dim", 2)


def _finding(page: Page, row: Mapping[str, Any]) -> Lines:
    """A rule, what it found and where, and how to mend the first; of the others where they are."""
    count = "" if row["judged"] == 1 else verdicts(row["fail"], row["judged"], row["unseen"])
    head = f"  {row['severity']:10}"
    title = page.cut(row["title"], page.width - len(head))
    yield from page.sides(Text.assemble((head, SEVERITY_STYLE[row["severity"]]), (title, "bold")), count, "dim", len(head))
    for number, each in enumerate(row["resources"][:RESOURCES]):
        where = where_found(each)
        if number:
            yield from page.wrapped(f"{where}{each['resource'] or each['message']}", indent=len(head), hang=2)
        elif each["file"] and cell_len(page.said(where + message_of(each))) > page.width - len(head):
            yield from page.wrapped(where.strip(), indent=len(head))
            yield from page.wrapped(message_of(each), indent=len(head) + 2)
        else:
            yield from page.wrapped(f"{where}{message_of(each)}", indent=len(head), hang=2)
    more = row["more"] + max(0, len(row["resources"]) - RESOURCES)
    if more:
        yield from page.wrapped(f"and {thousands(more)} more: cnamm-scan results BUNDLE --rule {row['rule']}", len(head), "dim", 2)
    fixes = row["resources"][0]["commands"] or [row["resources"][0]["fix"]] if row["resources"] else []
    for number, fix in enumerate(filter(None, fixes)):
        yield from page.wrapped(f"{'then' if number else 'fix'}: {fix}", indent=len(head), hang=2, style="dim")


def _owners(report: Mapping[str, Any], page: Page) -> Lines:
    """Who answers for what fails, where tags were named that say so."""
    rows = report["owners"]
    if not rows:
        return
    yield Text("Who answers for it", "bold")
    names = [row["owner"] or "nobody named" for row in rows[:OWNERS]]
    room = min(max(map(cell_len, names)) + 2, page.width // 2)
    for name, row in zip(names, rows, strict=False):
        yield Text("  " + page.filled(name, room) + page.cut(by_severity(row["findings"]), page.width - room - 2))
    if len(rows) > OWNERS:
        yield Text(f"  {counted(len(rows) - OWNERS, 'more owner')}: --format markdown", "dim")


# ---- what was not seen, and how it was made ----------------------------------------------------------------------------------


def _unseen(report: Mapping[str, Any], page: Page, only: Collection[str]) -> Lines:
    rows = report["unseen"]
    if only:
        own = {rule["id"] for m in report["models"] for f in m["functions"] if f["id"] in only for rule in _judged(f)}
        rows = [{**row, "rules": sorted(own.intersection(row["rules"]))} for row in rows]
        rows = [row for row in rows if row["rules"]]
    overall = report["models"][0]["overall"] if report["models"] else {"coverage": None}
    share = f"  {unseen_share(overall['coverage'])}" if overall["coverage"] is not None and not only else ""
    what = page.said(share) if rows else "  nothing: every planned call was answered"
    yield from page.sides(Text.assemble(("Could not be seen", "bold"), what), age_line(report), "dim", _INDENT)
    several = len(report["scan"]["targets"]) > 1
    full, short = target_labels(report)
    room = CAUSES if len(rows) <= CAUSES else CAUSES - 1
    for row in rows[:room]:
        said, how = cause(row, full, several=several), f"; {row['would_show']}"
        if not _has_scores(report):
            # who has no score reads this to get one
            yield from page.wrapped(said + how, indent=_INDENT, hang=2)
            continue
        if cell_len(page.said(said)) > page.width - _INDENT:
            said = cause(row, short, several=several)
        fits = cell_len(page.said(said + how)) <= page.width - _INDENT
        yield Text("  " + page.cut(said + how if fits else said, page.width - _INDENT))
    if len(rows) > room:
        yield Text(f"  {counted(len(rows) - room, 'more cause')}: --format markdown", "dim")
    line = gone_line(report)
    if line:
        yield from page.wrapped(line, indent=_INDENT, style="dim")


def _has_scores(report: Mapping[str, Any]) -> bool:
    return all(told["has_score"] for told in report["story"])


def _judged(function: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for practice in function["practices"]:
        for level in practice["levels"]:
            for objective in level["objectives"]:
                yield from objective["rules"]


def _foot(report: Mapping[str, Any], page: Page, path: str) -> Lines:
    scan, root = report["scan"], report["made"]["root"]
    short_root = f", root {root[:8]}{page.more}{root[-4:]}" if root else ""
    how = f"{scan['method']}, {scan['judging']}{short_root}"
    named = path or f"Scan {scan['id']}"
    line = f"{named}, {how}"
    if cell_len(page.said(line)) <= page.width:
        yield Text(page.said(line), "dim")
    else:
        yield Text(page.said(named), "dim", overflow="fold")
        yield from page.wrapped(how, style="dim")
