"""One rule, table, view or objective in plain words: what `content show` prints, and what the pages of the reference are made of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from cnamm_scan import content as reader
from cnamm_scan.model import LEVEL_NAMES, UNSET, Call, Column, Content, Fix, Objective, Rule, Table, View

Link = Callable[[str, str], str]
"""(kind: rule, table or objective; id) -> how it is named where it is mentioned: a link, or the id alone."""

HOW_OFTEN: Mapping[str, str] = {
    "account": "once for each account",
    "region": "in every region",
    "target": "once for each target",
    "connection": "once for all targets of a connection",
}


def page(content: Content, name: str) -> str | None:
    """What there is to say of a rule, table, view or objective; None when nothing has that name."""
    name = content.now_called(name)
    if name in content.rules:
        return text(rule_lines(content, content.rules[name]))
    if name in content.tables or name in content.views or name in reader.ENGINE_TABLES:
        return text(table_lines(content, name))
    return text(_objective_lines(content, content.objectives[name])) if name in content.objectives else None


def text(lines: list[str]) -> str:
    """Lines as one text that ends with a newline."""
    return "\n".join(lines).rstrip("\n") + "\n"


def cell(said: object) -> str:
    """A text that stays inside its table cell."""
    return str(said).replace("|", "\\|").replace("\n", " ")


def _by_id(kind: str, name: str) -> str:
    return f"`{name}`"


def _heading(depth: int, name: str) -> list[str]:
    return [f"{'#' * depth} {name}", ""]


def _part(depth: int, name: str) -> list[str]:
    """A heading beneath: on a page of many things it is none, so that only their ids are."""
    return [f"## {name}" if depth == 1 else f"**{name}**", ""]


def rule_lines(content: Content, rule: Rule, depth: int = 1, link: Link = _by_id) -> list[str]:
    """What the rule says, of what, why, and how to mend it."""
    objective = content.objectives.get(rule.objective)
    level = f", level {objective.level} {LEVEL_NAMES[objective.level]}" if objective else ""
    lines = [*_heading(depth, rule.id), f"**{rule.title}.**", "", rule.why, "", *((f"*{rule.note}*", "") if rule.note else ())]
    lines += [
        "| | |",
        "|---|---|",
        f"| severity | {rule.severity.value} |",
        f"| status | {rule.status} |",
        f"| objective | {link('objective', rule.objective)}{level}: {cell(objective.title if objective else '')} |",
        f"| judges each row of | {link('table', rule.for_each)} |",
    ]
    if rule.where:
        lines.append(f"| concerns those where | `{cell(rule.where)}` |")
    lines.append(f"| passes when | `{cell(rule.pass_)}` |")
    for name, parameter in rule.parameters.items():
        lines.append(f"| parameter `{name}` | `{cell(parameter.default)}` ({cell(parameter.source)}) |")
    lines += [*_said(rule, depth), "", *_part(depth, "Fix"), *fix_lines(rule.fix)]
    lines += ["", *_part(depth, "References"), *(f"- {each}" for each in rule.references)]
    return lines


def _said(rule: Rule, depth: int) -> list[str]:
    """What a finding says, and what its names in braces stand for."""
    lines = ["", *_part(depth, "Finding"), cell(rule.message.fail)]
    for name, said in rule.says.items():
        if said.named is not None:
            none = f"; where there is none: {said.named.else_}" if said.named.else_ is not None else ""
            told = f"{cell(said.named.say)} of each row of `{said.named.of}` where `{cell(said.named.if_)}`{none}"
            lines += ["", f"`{{{name}}}`: {told}"]
            continue
        lines += ["", f"`{{{name}}}`: {'every one' if said.every else 'the first'} of these that holds", ""]
        lines += [f"- {cell(cause.say)}: " + (f"`{cell(cause.if_)}`" if cause.if_ is not None else "else") for cause in said.causes]
    return lines


_COMMANDS = frozenset({"aws", "kubectl", "az", "gcloud"})
_REGISTRY = "https://registry.terraform.io/providers/hashicorp/{}/latest/docs/resources/{}"


def fix_lines(fix: Fix) -> list[str]:
    """How to mend it, by where it is done; each attribute of Terraform with the page that defines it."""
    parts = [["```sh", *commands, "```"] for commands in (fix.cli, fix.kubernetes) if commands]
    if fix.console:
        parts.append([f"Console: {fix.console}"])
    if fix.advice:
        said = fix.advice.strip()
        parts.append(["```sh", said, "```"] if said.split(" ", 1)[0] in _COMMANDS else [said])
    for text in fix.terraform:
        resource, _, attribute = text.partition(": ")
        provider, _, name = resource.partition("_")
        parts.append([f"Terraform: [{resource}]({_REGISTRY.format(provider, name)}) `{attribute}`"])
    return [line for part in parts for line in ("", *part)][1:]


def table_lines(content: Content, name: str, depth: int = 1, link: Link = _by_id) -> list[str]:
    """What a row of a table, a view or a table of the engine is, how it is read, what each column means, and who asks it."""
    if name in content.tables:
        own = content.tables[name]
        lines = [*_heading(depth, name), own.about, "", *_reading(own, depth), *_columns(own.columns, depth)]
    elif name in content.views:
        view = content.views[name]
        lines = [*_heading(depth, name), view.about, "", *_made(view), "", *_columns(view.columns, depth)]
    else:
        about, columns = reader.ENGINE_TABLES[name]
        lines = [*_heading(depth, name), about, "", *_columns(columns, depth)]
    asking = readers(content).get(name, ())
    if asking:
        lines += [*_part(depth, "Rules"), *(f"- {link('rule', rule)}: {content.rules[rule].title}" for rule in asking)]
    return lines


def _reading(table: Table, depth: int) -> list[str]:
    dated = f" As of `{table.as_of}`: what is older than `--max-age` is not judged." if table.as_of else ""
    lines = [f"Read {HOW_OFTEN[table.once_per]}. Key: `{table.key}`.{dated}", "", *_part(depth, "Calls")]
    lines += ["| part | operation | rights | means nothing is configured |", "|---|---|---|---|", _call_row("(list)", table.list)]
    return [*lines, *(_call_row(name, call) for name, call in table.then.items()), ""]


def _call_row(name: str, call: Call) -> str:
    each = f" for each `{call.for_}`" if call.for_ else ""
    return f"| {name} | {call.operation}{each} | {', '.join(call.needs)} | {cell(', '.join(call.absent_on)) or '–'} |"


def _made(view: View) -> list[str]:
    """The SELECT that makes a view, or what its function reads."""
    if view.made is None:
        return ["```sql", view.select.strip(), "```"]
    over = ", ".join(f"`{table}`" for table in view.made.over)
    lines = [f"Made by the provider's function `{view.made.by}`, a row or more for each of {over}. It reads:", ""]
    return [*lines, *(f"- `{table}`: {', '.join(columns)}" for table, columns in view.made.reads.items())]


def _columns(columns: Mapping[str, Column], depth: int) -> list[str]:
    lines = [*_part(depth, "Columns"), "| column | type | from | when the API says nothing |", "|---|---|---|---|"]
    for name, column in columns.items():
        source = (
            f"`{cell(column.is_)}`"
            if column.is_
            else f"`{cell(column.path)}`" + (" exists" if column.exists else "")
            if column.path
            else ""
        )
        about = f" {cell(column.about)}" if column.about else ""
        lines.append(f"| {name} | {column.type} | {source}{about} | {_silence(column)} |")
    if depth == 1:  # a page says it once
        lines += ["", EVERY_ROW]
    return [*lines, ""]


EVERY_ROW = "Every row also has `target`, `region`, `key` and `scan_time`. NULL means: could not be seen."


def _silence(column: Column) -> str:
    if column.exists:
        return "false"
    if column.is_ or not column.from_:
        return "–"
    if column.absent is UNSET:
        return "unknown"
    return "never happened" if column.absent is None else f"`{cell(json.dumps(column.absent, ensure_ascii=False))}`"


@lru_cache(maxsize=8)
def readers(content: Content) -> Mapping[str, tuple[str, ...]]:
    """Table or view -> the rules that read it, sorted."""
    found: dict[str, list[str]] = {}
    for name in sorted(content.rules):
        for table in tables_in(content.rules[name]):
            found.setdefault(table, []).append(name)
    return {table: tuple(names) for table, names in found.items()}


def tables_in(rule: Rule) -> set[str]:
    """What the rule reads, as it names it: `provider.service.table`."""
    return {rule.for_each, *re.findall(r"[a-z0-9_]+\.[a-z0-9_]+\.[a-z0-9_]+", " ".join(text for _, text in rule.asked))}


def _objective_lines(content: Content, objective: Objective) -> list[str]:
    """What is wanted, at which level, and the rules that tell."""
    basis = "stated by CNAMM" if objective.basis == "cnamm" else "ours: CNAMM states nothing in these words"
    lines = [*_heading(1, objective.id), f"**{objective.title}.**", ""]
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
    return lines
