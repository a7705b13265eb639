"""`cnamm-scan content list` and `content search`: what ships, by id, function and word."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cnamm_scan.cli import completion
from cnamm_scan.cli.asked import Command, Only, Option, one_of
from cnamm_scan.cli.common import PACKS, listed
from cnamm_scan.errors import UsageError, did_you_mean
from cnamm_scan.model import Content, Rule, Table, View

KINDS = ("rules", "tables", "objectives", "parameters", "functions")
_FORMAT = click.option("--format", "out_format", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)
MOST = 20
"""What a search shows when nobody says how much."""


@click.command("list", cls=Command)
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=completion.anything)
@click.option(
    "--function",
    "functions",
    cls=Option,
    only=Only(one_of("kind", "rules", "objectives", "parameters", "functions"), "with --kind tables: a table belongs to no function"),
    multiple=True,
    metavar="F",
    shell_complete=completion.functions,
    help="Only what belongs to this business function. May be repeated.",
)
@click.option("--kind", type=click.Choice(KINDS), default="rules", show_default=True)
@_FORMAT
@PACKS
@click.pass_context
def list_command(
    context: click.Context, ids: tuple[str, ...], functions: tuple[str, ...], kind: str, out_format: str, packs: tuple[Path, ...]
) -> None:
    """List what ships, in plain words. ID is an id, the beginning of one, or a word to search for.

    \b
    Examples:
      cnamm-scan content list --function identity
      cnamm-scan content list aws.s3
      cnamm-scan content list mfa
      cnamm-scan content list --kind tables aws.s3
      cnamm-scan content list --kind parameters aws.kms
      cnamm-scan content list --kind objectives --format jsonl
    """
    from cnamm_scan import content as reader

    content = reader.load(packs)
    rows = _ROWS[kind](content, ids, functions)
    listed(context, rows, out_format, uncut=("id",))
    if out_format != "jsonl":
        click.echo(f"{len(rows)} {kind if len(rows) != 1 else kind.rstrip('s')}", err=True)


@click.command("search", cls=Command)
@click.argument("asked", nargs=-1, required=True, metavar="WORD...")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS[:3]), help="Only these. May be repeated.")
@click.option("--most", type=click.IntRange(1), metavar="N", help=f"How many to show.  [default: {MOST} in a table, else all]")
@_FORMAT
@PACKS
@click.pass_context
def search_command(
    context: click.Context, asked: tuple[str, ...], kinds: tuple[str, ...], most: int | None, out_format: str, packs: tuple[Path, ...]
) -> None:
    """Find rules, tables and objectives by words: in ids, titles, tags, benchmarks, objectives and reasons. All words must be there.

    \b
    Examples:
      cnamm-scan content search mfa root
      cnamm-scan content search encryption at rest --kind rules
      cnamm-scan content search "CIS 3.6" --format jsonl
    """
    from cnamm_scan import content as reader
    from cnamm_scan.content.search import search, vocabulary, words

    content = reader.load(packs)
    found = search(content, asked, kinds or KINDS[:3])
    if not found:
        known = vocabulary(content)
        missing = [word for text in asked for word in words(text) if word not in known]
        do = did_you_mean(missing[0], known) if missing else "take a word away"
        raise UsageError(f"nothing has {'the word' if len(asked) == 1 else 'all the words'} '{' '.join(asked)}'", where="WORD", do=do)
    shown = found[: most or (MOST if out_format == "table" else len(found))]
    listed(context, [{"id": hit.id, "kind": hit.kind.rstrip("s"), "title": hit.title} for hit in shown], out_format, uncut=("id",))
    if out_format == "table":
        more = f", the best {len(shown)} shown: --most N shows more" if len(shown) < len(found) else ""
        click.echo(f"{len(found)} found{more}", err=True)


def named(ids: Iterable[str], known: Collection[str], noun: str, now: Callable[[str], str] = str) -> set[str]:
    """The ids that a person named: by id, by one of before (`now` gives the one of today), by its first parts, or by how they begin.

    Raises UsageError for one that is none of these.
    """
    chosen: set[str] = set()
    for prefix in map(now, ids):
        found = {name for name in known if name == prefix or name.startswith(prefix.rstrip(".*") + ".")}
        found = found or {name for name in known if name.startswith(prefix)}
        if not found:
            raise UsageError(f"no {noun} '{prefix}'", do=did_you_mean(prefix, known))
        chosen |= found
    return chosen


def _found(content: Content, kind: str, ids: Sequence[str], known: Collection[str]) -> set[str]:
    """As `named`; a word that begins no id is searched for."""
    from cnamm_scan.content.search import search

    if not ids:
        return set(known)
    chosen: set[str] = set()
    for each in ids:
        begins = any(name.startswith(each) for name in known)
        hits = {hit.id for hit in search(content, [each], [kind])} & set(known) if not begins and "." not in each else set()
        chosen |= hits or named([each], known, kind.rstrip("s"), content.now_called)
    return chosen


def _rules(content: Content, functions: Sequence[str]) -> dict[str, Rule]:
    from cnamm_scan.engine.plan import Selection, select

    chosen = select(content, Selection((), tuple(functions))) if functions else content.rules.values()
    return {rule.id: rule for rule in chosen}


def _rule_rows(content: Content, ids: Sequence[str], functions: Sequence[str]) -> list[dict[str, str]]:
    of_functions = _rules(content, functions)
    return [
        {"id": rule.id, "severity": rule.severity.value, "objective": rule.objective, "title": rule.title}
        for name in sorted(_found(content, "rules", ids, content.rules) & of_functions.keys())
        for rule in [of_functions[name]]
    ]


def _table_rows(content: Content, ids: Sequence[str], functions: Sequence[str]) -> list[dict[str, str]]:
    every: Mapping[str, Table | View] = {**content.tables, **content.views}
    return [
        {"id": name, "rows": every[name].about.split(". ")[0].rstrip(".")} for name in sorted(_found(content, "tables", ids, every.keys()))
    ]


def _objective_rows(content: Content, ids: Sequence[str], functions: Sequence[str]) -> list[dict[str, str]]:
    from cnamm_scan.engine.plan import functions_named

    judged: dict[str, int] = {}
    for rule in content.rules.values():
        judged[rule.objective] = judged.get(rule.objective, 0) + 1
    chosen = _found(content, "objectives", ids, content.objectives.keys())
    if functions:
        chosen &= {objective for function in functions_named(content, functions) for objective in function.asks}
    return [
        {"id": each.id, "level": str(each.level), "stream": each.stream, "rules": str(judged.get(each.id, 0)), "title": each.title}
        for each in sorted(content.objectives.values(), key=lambda each: (each.id.split(".")[0], each.level, each.id))
        if each.id in chosen
    ]


def _parameter_rows(content: Content, ids: Sequence[str], functions: Sequence[str]) -> list[dict[str, str]]:
    from cnamm_scan.engine.parameters import kind_of

    rules = _rules(content, functions)
    every = {f"{rule.id}.{name}": (rule, name) for rule in content.rules.values() for name in rule.parameters}
    chosen: set[str] = set()
    for each in ids or ("",):
        alike = {name for name, (_, own) in every.items() if own == each}
        chosen |= alike or (named([each], every.keys(), "parameter") if each else set(every))
    rows = []
    for id_ in sorted(chosen):
        rule, name = every[id_]
        if rule.id in rules:
            spec = rule.parameters[name]
            default = spec.default if isinstance(spec.default, str) else json.dumps(spec.default, ensure_ascii=False)
            rows.append({"id": id_, "default": default, "type": kind_of(spec.default), "source": spec.source})
    return rows


def _function_rows(content: Content, ids: Sequence[str], functions: Sequence[str]) -> list[dict[str, str]]:
    from cnamm_scan.engine.plan import functions_named

    known = {function.id: (model, function) for model in content.models for function in model.functions}
    chosen = named([*ids], known.keys(), "function") if ids else set(known)
    if functions:
        chosen &= {function.id for function in functions_named(content, functions)}
    return [
        {"id": name, "model": model.id, "practices": str(len(function.practices)), "title": function.title}
        for name, (model, function) in known.items()
        if name in chosen
    ]


_ROWS: Mapping[str, Callable[[Content, Sequence[str], Sequence[str]], list[dict[str, Any]]]] = {
    "rules": _rule_rows,
    "tables": _table_rows,
    "objectives": _objective_rows,
    "parameters": _parameter_rows,
    "functions": _function_rows,
}
