"""Pages about content, made from it: a rule, a fact table, an objective in plain words; and the file a new rule starts from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from cnamm_scan import content as reader
from cnamm_scan.errors import UsageError, did_you_mean
from cnamm_scan.model import LEVEL_NAMES, UNSET, Call, Column, Content, Objective, Rule, Table, View

HOW_OFTEN: Mapping[str, str] = {
    "account": "once for each account",
    "region": "in every region",
    "target": "once for each target",
    "connection": "once for all targets of a connection",
}


def page(content: Content, name: str) -> str | None:
    """The page of a rule, table, view or objective; None when nothing has that name."""
    if name in content.rules:
        return rule_page(content, content.rules[name])
    if name in content.tables:
        return table_page(content, content.tables[name])
    if name in content.views:
        return view_page(content, content.views[name])
    name = content.merged.get(name, name)
    if name in content.objectives:
        return objective_page(content, content.objectives[name])
    if name in reader.ENGINE_TABLES:
        about, columns = reader.ENGINE_TABLES[name]
        return _text([f"# {name}", "", about, "", *_columns(columns)])
    return None


def pages(content: Content) -> dict[str, str]:
    """Every page of the reference: path inside the folder -> text."""
    made = {"README.md": _index(content)}
    for rule in content.rules.values():
        made[f"rules/{rule.id}.md"] = rule_page(content, rule)
    for table in content.tables.values():
        made[f"tables/{table.id}.md"] = table_page(content, table)
    for view in content.views.values():
        made[f"tables/{view.id}.md"] = view_page(content, view)
    for model in content.models:
        for function in model.functions:
            made[f"objectives/{function.id}.md"] = _function_page(content, model.id, function.id)
    if cited := benchmarks(content):
        made["benchmarks.md"] = _benchmarks_page(content, cited)
    return made


def _text(lines: list[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def rule_page(content: Content, rule: Rule) -> str:
    """What the rule says, of what, why, and how to mend it."""
    objective = content.objectives.get(rule.objective)
    level = f", level {objective.level} {LEVEL_NAMES[objective.level]}" if objective else ""
    lines = [f"# {rule.id}", "", f"**{rule.title}.**", "", rule.why, ""]
    lines += [
        "| | |",
        "|---|---|",
        f"| severity | {rule.severity.value} |",
        f"| status | {rule.status} |",
        f"| objective | `{rule.objective}`{level}: {_cell(objective.title if objective else '')} |",
        f"| judges each row of | `{rule.for_each}` |",
    ]
    if rule.where:
        lines.append(f"| concerns those where | `{_cell(rule.where)}` |")
    lines.append(f"| passes when | `{_cell(rule.pass_)}` |")
    for name, parameter in rule.parameters.items():
        lines.append(f"| parameter `{name}` | {_cell(parameter.default)} ({_cell(parameter.source)}) |")
    lines += ["", "## Fix", "", *_fix(rule.fix), "", "## References", "", *(f"- {reference}" for reference in rule.references)]
    return _text(lines)


def _fix(fix: str) -> list[str]:
    return ["```sh", fix.strip(), "```"] if fix.split(" ", 1)[0] in ("aws", "kubectl", "az", "gcloud") else [fix.strip()]


def table_page(content: Content, table: Table) -> str:
    """What a row is, how it is read, and what each column means."""
    how = HOW_OFTEN[table.once_per]
    lines = [f"# {table.id}", "", table.about, "", f"Read {how}. Key: `{table.key}`.", "", "## Calls", ""]
    lines += ["| part | operation | rights | means nothing is configured |", "|---|---|---|---|", _call_row("(list)", table.list)]
    lines += [_call_row(name, call) for name, call in table.then.items()]
    lines += ["", *_columns(table.columns)]
    lines += _used_by(content, table.id)
    return _text(lines)


def _call_row(name: str, call: Call) -> str:
    each = f" for each `{call.for_}`" if call.for_ else ""
    return f"| {name} | {call.operation}{each} | {', '.join(call.needs)} | {_cell(', '.join(call.absent_on)) or '–'} |"


def view_page(content: Content, view: View) -> str:
    """What a row is and the SELECT that makes it."""
    lines = [
        f"# {view.id}",
        "",
        view.about,
        "",
        *_made(view),
        "",
        *_columns(view.columns),
        *_used_by(content, view.id),
    ]
    return _text(lines)


def _made(view: View) -> list[str]:
    """The SELECT that makes a view, or what its function reads."""
    if view.made is None:
        return ["```sql", view.select.strip(), "```"]
    lines = [
        f"Made by `{view.made.by}` of the provider, a row or more for each of {', '.join(f'`{t}`' for t in view.made.over)}. It reads:",
        "",
    ]
    return [*lines, *(f"- `{table}`: {', '.join(columns)}" for table, columns in view.made.reads.items())]


def _columns(columns: Mapping[str, Column]) -> list[str]:
    lines = ["## Columns", "", "| column | type | from | when the API says nothing |", "|---|---|---|---|"]
    for name, column in columns.items():
        source = (
            f"`{_cell(column.is_)}`"
            if column.is_
            else f"`{_cell(column.path)}`" + (" exists" if column.exists else "")
            if column.path
            else ""
        )
        lines.append(f"| {name} | {column.type} | {source}{_about(column)} | {_silence(column)} |")
    lines += ["", "Every row also has `target`, `region`, `key` and `scan_time`. NULL means: could not be seen.", ""]
    return lines


def _about(column: Column) -> str:
    return f" {_cell(column.about)}" if column.about else ""


def _silence(column: Column) -> str:
    if column.exists:
        return "false"
    if column.is_ or not column.from_:
        return "–"
    if column.absent is UNSET:
        return "unknown"
    return "never happened" if column.absent is None else f"`{_cell(json.dumps(column.absent, ensure_ascii=False))}`"


def _used_by(content: Content, table: str) -> list[str]:
    rules = sorted(
        rule.id for rule in content.rules.values() if rule.for_each == table or f"{table} " in f"{rule.where or ''} {rule.pass_} "
    )
    return ["## Rules", "", *(f"- [{rule}](../rules/{rule}.md): {content.rules[rule].title}" for rule in rules)] if rules else []


def objective_page(content: Content, objective: Objective) -> str:
    """What is wanted, at which level, and the rules that tell."""
    basis = "stated by CNAMM" if objective.basis == "cnamm" else "ours: CNAMM states nothing in these words"
    lines = [f"# {objective.id}", "", f"**{objective.title}.**", ""]
    lines.append(f"Level {objective.level} {LEVEL_NAMES[objective.level]}, stream {objective.stream}; {basis}.")
    also = [
        f"{model.id} / {function.title} / {practice.title} at level {placed.level}, stream {placed.stream}"
        for model in content.models
        for function in model.functions
        for practice in function.practices
        for placed in practice.placements
        if placed.objective == objective.id
    ]
    lines += ["", "Asked for in:", "", *(f"- {each}" for each in also), "", "Rules:", ""]
    rules = sorted(rule.id for rule in content.rules.values() if rule.objective == objective.id)
    lines += [f"- {rule}: {content.rules[rule].title}" for rule in rules] or ["- no rule yet: unjudged"]
    return _text(lines)


def _function_page(content: Content, model: str, function_id: str) -> str:
    function = next(each for m in content.models if m.id == model for each in m.functions if each.id == function_id)
    by_objective: dict[str, list[str]] = {}
    for rule in content.rules.values():
        by_objective.setdefault(rule.objective, []).append(rule.id)
    lines = [f"# {function.title}", ""]
    for practice in function.practices:
        lines += [f"## {practice.title}", "", "| level | stream | objective | rules |", "|---|---|---|---|"]
        for placed in practice.placements:
            objective = content.objectives[placed.objective]
            rules = ", ".join(f"[{rule}](../rules/{rule}.md)" for rule in sorted(by_objective.get(placed.objective, [])))
            title = f"{_cell(objective.title)} (`{objective.id}`)"
            lines.append(f"| {placed.level} {LEVEL_NAMES[placed.level]} | {placed.stream} | {title} | {rules or 'no rule yet'} |")
        lines.append("")
    lines.append("CNAMM (CC BY-SA 4.0) gives functions, practices and levels; the wording of objectives is ours.")
    return _text(lines)


def benchmarks(content: Content) -> dict[str, dict[str, list[Rule]]]:
    """Public benchmark -> item -> the rules that cite it. A reference that is no address is `NAME: ITEM`, or `NAME 1.2.3`."""
    found: dict[str, dict[str, list[Rule]]] = {}
    for rule in sorted(content.rules.values(), key=lambda rule: rule.id):
        for reference in rule.references:
            if "://" in reference:
                continue
            name, colon, item = reference.partition(": ")
            if not colon:
                name, _, item = reference.rpartition(" ")
            found.setdefault(name, {}).setdefault(item, []).append(rule)
    return {name: dict(sorted(items.items(), key=lambda each: _numbered(each[0]))) for name, items in sorted(found.items())}


def _numbered(item: str) -> tuple[tuple[int, str], ...]:
    """So that 5.1.10 comes after 5.1.9, and words after numbers."""
    return tuple((int(part), "") if part.isdigit() else (10**6, part.casefold()) for part in item.split("."))


def _benchmarks_page(content: Content, cited: Mapping[str, Mapping[str, list[Rule]]]) -> str:
    lines = ["# Benchmarks", "", "Which rules look at which item of a public benchmark, as the rules' `references:` say.", ""]
    lines.append(
        "A rule may ask for more or less than the item that it cites. No score is given for a benchmark; what no rule cites is not judged."
    )
    lines += ["", *(f"- [{name}](#{_anchor(name)}): {_counted(len(items), 'item')}" for name, items in cited.items())]
    opted = {table.id for table in content.tables.values() if table.opt_in}
    for name, items in cited.items():
        lines += ["", f"## {name}", "", "| item | rule | says |", "|---|---|---|"]
        for item, rules in items.items():
            for rule in rules:
                how = rule.severity.value + (", read only when asked for" if opted & _tables_in(rule) else "")
                lines.append(f"| {_cell(item)} | [{rule.id}](rules/{rule.id}.md) | {_cell(rule.title)} ({how}) |")
    return _text(lines)


def _tables_in(rule: Rule) -> set[str]:
    """What the rule reads, as it names it: `provider.service.table`."""
    return {rule.for_each, *re.findall(r"[a-z0-9_]+\.[a-z0-9_]+\.[a-z0-9_]+", f"{rule.where or ''} {rule.pass_}")}


def _anchor(heading: str) -> str:
    """The link that a heading gets where Markdown is shown."""
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _index(content: Content) -> str:
    judged = {rule.objective for rule in content.rules.values()}
    lines = ["# Reference", "", "Made from content by `cnamm-scan content docs docs/reference`; do not edit.", ""]
    lines.append(
        f"{len(content.rules)} rules over {len(content.tables)} fact tables and {len(content.views)} views judge"
        f" {len(judged)} of {len(content.objectives)} objectives."
    )
    lines += ["", "## Functions", ""]
    lines += [f"- [{function.title}](objectives/{function.id}.md)" for model in content.models for function in model.functions]
    if benchmarks(content):
        lines += ["", "Items of public benchmarks, with the rules that cite them: [benchmarks.md](benchmarks.md)."]
    lines += ["", "## Rules", "", "| rule | severity | says |", "|---|---|---|"]
    lines += [
        f"| [{rule.id}](rules/{rule.id}.md) | {rule.severity.value} | {_cell(rule.title)} |"
        for rule in sorted(content.rules.values(), key=lambda rule: rule.id)
    ]
    lines += ["", "## Fact tables", "", "| table | a row is |", "|---|---|"]
    tables: list[Any] = sorted((*content.tables.values(), *content.views.values()), key=lambda table: str(table.id))
    lines += [f"| [{table.id}](tables/{table.id}.md) | {_cell(table.about)} |" for table in tables]
    return _text(lines)


# ---- a new rule --------------------------------------------------------------------------------------------------------

_SAMPLES = {
    "boolean": ("{0}", "true", "false"),
    "text": ("{0} = 'wanted'", "wanted", "other"),
    "integer": ("{0} >= 1", "1", "0"),
    "number": ("{0} >= 1", "1", "0"),
    "list": ("list_contains({0}, 'wanted')", "[wanted]", "[other]"),
    "timestamp": ("{0} <= scan_time", "2025-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
}


def new_rule(content: Content, name: str) -> str:
    """The text of a rule file for a new id that lints and passes its tests. Raises UsageError for an id that fits no service."""
    parts = name.split(".")
    if len(parts) != 3 or not all(parts):
        raise UsageError(f"'{name}' is no rule id", do="write PROVIDER.SERVICE.NAME, such as aws.s3.bucket_has_owner")
    prefix = ".".join(parts[:2]) + "."
    every: list[Table | View] = [*content.tables.values(), *content.views.values()]
    tables = [table for table in every if table.id.startswith(prefix)]
    if not tables:
        services = {".".join(table.split(".")[:2]) for table in content.tables}
        raise UsageError(f"no fact table of '{prefix[:-1]}'", where=name, do=did_you_mean(prefix[:-1], services))
    table = max(tables, key=lambda table: _likeness(table.id.rsplit(".", 1)[-1], parts[2]))
    column, spec = next(
        (
            (own, column)
            for kind in ("boolean", "text", "integer", "list", "timestamp", "number")
            for own, column in table.columns.items()
            if column.type == kind
        ),
        (None, None),
    )
    if column is None or spec is None:
        raise UsageError(f"'{table.id}' has no column that a rule could judge", where=name, do="add a column to its collector")
    expression, good, bad = _SAMPLES[spec.type]
    objective = next(iter(sorted(content.objectives)), "function.objective")
    same = [rule.objective for rule in content.rules.values() if rule.for_each == table.id]
    return f"""\
id: {name}
title: Say here what is true when the rule passes
objective: {same[0] if same else objective}    # cnamm-scan content list --kind objectives
severity: medium                            # critical · high · medium · low
status: experimental                        # then stable
for_each: {table.id}    # cnamm-scan content show {table.id}
pass: {expression.format(column)}
message: "{{key}}: {column} is {{{column}}}"
why: Say in a sentence what goes wrong without it.
fix: Say in a sentence, or with a command, how to mend {{key}}.
references: [Name the vendor's page about it]
tests:
  pass: [{{{column}: {good}}}]
  fail: [{{{column}: {bad}}}]
  unknown: [{{{column}: null}}]
"""


def _likeness(table: str, rule: str) -> tuple[int, int]:
    return (len(table) if rule.startswith(table) else 0, -len(table))
