"""What several commands share: options, consoles, gates."""

from __future__ import annotations

import functools
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from cnamm_scan.errors import CoverageError, GateError, UsageError
from cnamm_scan.model import Severity

if TYPE_CHECKING:
    from rich.console import Console

    from cnamm_scan.api import Scan
    from cnamm_scan.providers.catalog import TargetOptions

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Number(click.FloatRange):
    """A number within bounds. `nan` is within none: a gate on it would never be missed."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click does, without what is no number."""
        made = super().convert(value, param, ctx)
        if not math.isfinite(made):
            self.fail(f"'{value}' is no number", param, ctx)
        return made


BUNDLE = click.argument("bundle", type=click.Path(path_type=Path))
PACKS = click.option(
    "--content",
    "packs",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Another content pack: a folder with collectors/, rules/ or mappings/. May be repeated.",
)


def selection(command: Decorated) -> Decorated:
    """--function, --rule, --content and --parameter."""
    for option in (
        click.option("--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Replace a rule's threshold. May be repeated."),
        PACKS,
        click.option("--rule", "rules", multiple=True, metavar="ID", help="Only this rule, or all whose id begins so. May be repeated."),
        click.option("--function", "functions", multiple=True, metavar="F", help="Only this business function. May be repeated."),
    ):
        command = option(command)
    return command


def reach(command: Decorated) -> Decorated:
    """Which part of a target is scanned, and how it is reached: every provider's own options, and those that all have."""

    @functools.wraps(command)
    def gathered(*arguments: Any, **said: Any) -> Any:
        from cnamm_scan.providers.catalog import options

        named = {option.name: said.pop(option.name) for option in options()}
        reached = Reach(tuple(said.pop("regions")), said.pop("call_timeout"), named)
        return command(*arguments, reached=reached, **said)

    return cast(Decorated, _with_options(gathered))


@dataclass(frozen=True, slots=True)
class Reach:
    """What a person said about reaching targets."""

    regions: tuple[str, ...]
    call_timeout: float
    named: Mapping[str, Any]
    """The providers' own options, by their names."""

    def options(self, concurrency: int = 16) -> TargetOptions:
        """The same as the providers take it."""
        from cnamm_scan.providers.catalog import TargetOptions

        return TargetOptions(call_timeout=self.call_timeout, connections=concurrency, **self.named)


def _with_options(command: Any) -> Any:
    from cnamm_scan.providers.catalog import KINDS, options, owners

    made = [
        click.option(
            "--region",
            "regions",
            multiple=True,
            metavar="R",
            help=f"{_named(kind.name for kind in KINDS.values() if kind.region_table)}: only this region; the others show as excluded."
            " May be repeated.",
        )
    ]
    for option in options():
        how: dict[str, Any] = {"metavar": option.metavar} if option.metavar else {"is_flag": True}
        if option.many:
            how["multiple"] = True
        if option.environment:
            how["envvar"] = option.environment
        made.append(click.option(option.flag, option.name, help=f"{_named(owners(option.flag))}: {option.help}", **how))
    made.append(
        click.option(
            "--call-timeout",
            type=Number(min=0.1),
            default=20.0,
            show_default=True,
            metavar="SECONDS",
            help="Wait so long for one answer.",
        )
    )
    for each in reversed(made):
        command = each(command)
    return command


def _named(providers: Iterable[str]) -> str:
    """Providers as a person writes them: `AWS`, `Kubernetes`."""
    from cnamm_scan.providers.catalog import KINDS

    return ", ".join(KINDS[name].label for name in providers)


def gates(command: Decorated) -> Decorated:
    """--fail-under, --fail-on, --min-coverage."""
    for option in (
        click.option("--min-coverage", type=Number(0, 100), metavar="PERCENT", help="Exit 3 when less than this could be seen."),
        click.option(
            "--fail-on",
            type=click.Choice([severity.value for severity in Severity]),
            help="Exit 10 on a finding of this severity or worse.",
        ),
        click.option("--fail-under", type=Number(0, 5), metavar="SCORE", help="Exit 10 when the low bound of the overall score is below."),
    ):
        command = option(command)
    return command


def as_text(said: str, where: str) -> str:
    """What was said on the command line, as text. Raises UsageError for bytes that are none: SQL and values are, unlike names of files."""
    try:
        said.encode()
    except UnicodeEncodeError as error:
        raise UsageError("not UTF-8 text", where=where, do="write it in UTF-8") from error
    return said


def parsed_parameters(texts: Iterable[str]) -> dict[str, Any]:
    """NAME=VALUE pairs; what is written as a number or a truth value is one. Raises UsageError."""
    found: dict[str, Any] = {}
    for text in texts:
        name, separator, value = as_text(text, "--parameter").partition("=")
        if not separator or not name:
            raise UsageError(f"'{text}' is not NAME=VALUE", where="--parameter", do="write for example --parameter max_age_days=60")
        found[name] = _parameter(name, value)
    return found


_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)


def _parameter(name: str, value: str) -> Any:
    if _INTEGER.fullmatch(value):
        if len(value) <= 20 and int(value).bit_length() < 64:
            return int(value)
    elif _NUMBER.fullmatch(value):
        if math.isfinite(float(value)):
            return float(value)
    else:
        return {"true": True, "false": False}.get(value.lower(), value)
    raise UsageError(f"the value of '{name}' is too large a number", where="--parameter", do="write one that fits into 64 bits")


def console(context: click.Context, *, err: bool = False) -> Console:
    """A rich console that honours --color and NO_COLOR; 112 wide where there is no terminal."""
    from rich.console import Console

    color = context.find_root().obj["color"] if context.find_root().obj else "auto"
    made = Console(
        stderr=err,
        force_terminal=True if color == "always" else None,
        no_color={"never": True, "always": False}.get(color),
        highlight=False,
        soft_wrap=False,
    )
    if not made.is_terminal or color == "always":
        made.width = max(made.width, 112) if made.is_terminal else 112
    return made


def check_gates(
    scan: Scan, *, fail_under: float | None, fail_on: str | None, min_coverage: float | None, functions: Iterable[str] = ()
) -> None:
    """Raise CoverageError or GateError when a gate is missed. Too little seen comes first: a gate on it would mean nothing.

    A gate that nothing was judged under is said to be one; where a coverage is asked for as well, it is missed.
    """
    empty = _nothing_under(scan, fail_under=fail_under, fail_on=fail_on)
    if empty and min_coverage is not None:
        raise CoverageError(empty, where="--min-coverage", do="see 'Could not be seen', or take the gate away")
    for model in scan.models:
        interval = model.interval
        coverage = float(interval.coverage) * 100 if interval else 0.0
        if min_coverage is not None and coverage < min_coverage:
            raise CoverageError(
                f"coverage is {coverage:.1f} %, expected at least {min_coverage:g} %",
                where=model.title,
                do="see 'Could not be seen', or run: cnamm-scan plan TARGET --preflight",
            )
        if fail_under is not None and (interval is None or float(interval.low) < fail_under):
            # rounded down: a gate is not missed by what it asks for
            got = "N/A" if interval is None else f"{int(interval.low * 100) / 100:.2f}"
            raise GateError(f"the score's low bound is {got}, expected at least {fail_under:g}", where=model.title, do="see 'Do first'")
    if fail_on is not None:
        worst = Severity(fail_on).rank
        rules = scan.content.rules
        found = {t.rule: t.fail for t in scan.tallies if t.fail and t.rule in rules and rules[t.rule].severity.rank <= worst}
        if found:
            raise GateError(
                f"{sum(found.values())} finding(s) of severity {fail_on} or worse",
                where=", ".join(sorted(found)[:3]) + (" …" if len(found) > 3 else ""),
                do="see the findings",
            )
    if empty:
        click.echo(f"{empty}: it is met because nothing could be seen", err=True)


def _nothing_under(scan: Scan, *, fail_under: float | None, fail_on: str | None) -> str:
    """What to say of a gate under which there are rules and none has given a verdict; empty where each has one, or nothing concerns it."""
    rules = scan.content.rules
    worst = Severity(fail_on).rank if fail_on is not None else 0
    asked = [(f"--fail-under {fail_under:g}", list(scan.tallies))] if fail_under is not None else []
    if fail_on is not None:
        under = [each for each in scan.tallies if each.rule in rules and rules[each.rule].severity.rank <= worst]
        asked.append((f"--fail-on {fail_on}", under))
    for gate, tallies in asked:
        if any(each.unknown or each.error for each in tallies) and not any(each.pass_ or each.fail for each in tallies):
            return f"nothing was judged under the gate {gate}"
    return ""


def show(scan: Scan, out_format: str, context: click.Context, *, functions: Iterable[str] = (), findings: int | None = None) -> None:
    """Print a report on stdout in a format."""
    report = scan.report()
    if out_format == "json":
        import json

        from cnamm_scan.text import safe_json

        click.echo(safe_json(json.dumps(report, indent=2, ensure_ascii=False, default=str)))
    elif out_format == "csv":
        from cnamm_scan.report.tabular import SCORE_COLUMNS, csv_lines, scores

        for line in csv_lines(SCORE_COLUMNS, scores(report)):
            click.echo(line)
    elif out_format == "markdown":
        from cnamm_scan.report.markdown import render

        click.echo(render(report), nl=False)
    else:
        from cnamm_scan.report.text import render as render_text

        render_text(report, console(context), functions=tuple(functions), findings=findings, path=str(scan.path or ""))


FORMAT = click.option(
    "--format",
    "out_format",
    type=click.Choice(["text", "json", "csv", "markdown"]),
    default="text",
    show_default=True,
    help="How to print the report.",
)


M_ARENA_MAX = -8
"""glibc's number for mallopt: how many heaps threads may open."""


def tune_process() -> None:
    """Set this process up for a scan. Only the command line does it: the library leaves its host's settings alone.

    Cycles are collected less often: a scan makes few, and walking an SDK's million objects costs an eighth of its CPU. And malloc keeps one
    heap: sixteen threads that take turns on the interpreter's lock gain nothing from sixteen, and leave 30 MB of holes in them.
    """
    import ctypes
    import gc

    gc.set_threshold(50_000, 20, 100)
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(M_ARENA_MAX, 1)


def written(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows as JSON lines."""
    from cnamm_scan.report.tabular import jsonl

    for line in jsonl(rows):
        click.echo(line)


def listed(context: click.Context, rows: Sequence[Mapping[str, str]], out_format: str, *, uncut: Collection[str]) -> None:
    """Print rows that have the same names as a table, or as JSON lines. Columns that are `uncut` are never folded."""
    if out_format == "jsonl":
        written(rows)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in rows[0] if rows else ():
        table.add_column(name, overflow="fold", no_wrap=name in uncut)
    for row in rows:
        table.add_row(*row.values())
    console(context).print(table)
