"""What several commands share: options, consoles, gates."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from cnamm_scan.cli import completion
from cnamm_scan.cli.asked import Only, Option
from cnamm_scan.cli.gates import Gates
from cnamm_scan.doing import doing
from cnamm_scan.errors import UsageError
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


def as_age(_: click.Context, __: click.Parameter, said: str | None) -> timedelta | None:
    """An age out of an option; None where nothing was said. Raises UsageError."""
    from cnamm_scan.engine import dated

    return None if said is None else dated.as_age(said)


BUNDLE = click.argument("bundle", type=click.Path(path_type=Path), shell_complete=completion.bundles)
PACKS = click.option(
    "--content",
    "packs",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Another content pack: a folder with collectors/, rules/ or mappings/. May be repeated.",
)


PARAMETERS = click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=completion.parameters,
    help="Replace a threshold: of one rule (RULE.NAME=VALUE) or wherever it is so called. May be repeated.",
)


RULES = click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="ID",
    shell_complete=completion.rules,
    help="Only this rule, or all whose id begins so. May be repeated.",
)


def selection(command: Decorated) -> Decorated:
    """--function, --rule and --content."""
    for option in (
        PACKS,
        RULES,
        click.option(
            "--function",
            "functions",
            multiple=True,
            metavar="F",
            shell_complete=completion.functions,
            help="Only this business function. May be repeated.",
        ),
    ):
        command = option(command)
    return command


def reach(*, regions: Only | None = None, calls: Only | None = None) -> Callable[[Decorated], Decorated]:
    """Which part of a target is scanned, and how it is reached: every provider's own options, and those that all have.

    `{targets}` in the command's docstring becomes how targets are named.
    `regions` and `calls` say when --region, and what only matters to who calls, do something; None: always.
    """

    def decorate(command: Decorated) -> Decorated:
        @functools.wraps(command)
        def gathered(*arguments: Any, **said: Any) -> Any:
            from cnamm_scan.providers.catalog import options

            named = {option.name: said.pop(option.name) for option in options()}
            source = click.get_current_context().get_parameter_source
            by_environment = frozenset(name for name in named if source(name) is ParameterSource.ENVIRONMENT)
            reached = Reach(tuple(said.pop("regions")), said.pop("call_timeout"), named, by_environment)
            return command(*arguments, reached=reached, **said)

        gathered.__doc__ = (command.__doc__ or "").replace("{targets}", _targets())
        return cast(Decorated, _with_options(gathered, regions, calls))

    return decorate


def _targets() -> str:
    """How targets are named, as every provider says it of its own."""
    from cnamm_scan.providers.catalog import KINDS

    return f"TARGET is {'; or '.join(kind.targets for kind in KINDS.values())}."


NETWORK = Only(
    lambda said: _is_asked(said["targets"]), "for manifests: nothing is called", "leave it out, or name a target that is called", late=True
)
"""When an option about calls does something: not where every target is read from files."""


def _is_asked(targets: Iterable[str]) -> bool:
    from cnamm_scan.providers.catalog import is_asked

    return any(map(is_asked, targets))


@dataclass(frozen=True, slots=True)
class Reach:
    """What a person said about reaching targets."""

    regions: tuple[str, ...]
    call_timeout: float
    named: Mapping[str, Any]
    """The providers' own options, by their names."""
    by_environment: frozenset[str] = frozenset()
    """Which of them the environment says."""

    def options(self, concurrency: int = 16) -> TargetOptions:
        """The same as the providers take it."""
        from cnamm_scan.providers.catalog import TargetOptions

        return TargetOptions(call_timeout=self.call_timeout, connections=concurrency, by_environment=self.by_environment, **self.named)


def _with_options(command: Any, regions: Only | None, calls: Only | None) -> Any:
    from cnamm_scan.providers.catalog import KINDS, options, owners

    made = [
        click.option(
            "--region",
            "regions",
            cls=Option,
            only=regions,
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
        how["only"] = None if option.opts_in else calls
        made.append(click.option(option.flag, option.name, cls=Option, help=f"{_named(owners(option.flag))}: {option.help}", **how))
    made.append(
        click.option(
            "--call-timeout",
            cls=Option,
            only=calls or NETWORK,
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
    """--fail-under, --fail-on, --min-coverage: the command gets them together, as `asked`."""

    @functools.wraps(command)
    def gathered(*arguments: Any, **said: Any) -> Any:
        asked = Gates(*(said.pop(name) for name in Gates._fields))
        return command(*arguments, asked=asked, **said)

    made: Any = gathered
    for option in (
        click.option(
            "--min-coverage", type=Number(0, 100), metavar="PERCENT", help="Exit 3 when less than this of what was selected could be seen."
        ),
        click.option(
            "--fail-on",
            type=click.Choice([severity.value for severity in Severity]),
            help="Exit 10 on a finding of this severity or worse among what was selected.",
        ),
        click.option(
            "--fail-under",
            type=Number(0, 5),
            metavar="SCORE",
            help="Exit 10 when the low bound of the overall score is below; with --function, of one selected function.",
        ),
    ):
        made = option(made)
    return cast(Decorated, made)


def as_text(said: str, where: str) -> str:
    """What was said on the command line, as text. Raises UsageError for bytes that are none: SQL and values are, unlike names of files."""
    try:
        said.encode()
    except UnicodeEncodeError as error:
        raise UsageError("not UTF-8 text", where=where, do="write it in UTF-8") from error
    return said


def parsed_parameters(texts: Iterable[str]) -> dict[str, str]:
    """NAME=VALUE pairs as text: what type a value has is for the rule to say. Raises UsageError."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = as_text(text, "--parameter").partition("=")
        if not separator or not name:
            raise UsageError(f"'{text}' is not NAME=VALUE", where="--parameter", do="write for example --parameter max_age_days=60")
        if name in found:
            raise UsageError(f"'{name}' is given twice", where="--parameter", do="give it once")
        found[name] = value
    return found


def console(context: click.Context, *, err: bool = False) -> Console:
    """A rich console that honours --color and NO_COLOR; 112 wide where there is no terminal."""
    if not err:
        doing("")  # what is printed now is no silence
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


def _json(report: Mapping[str, Any]) -> Iterator[str]:
    """A report as JSON, a piece after the other: of 100,000 resources the whole text would be the largest thing that a scan ever holds."""
    before = "{"
    for name, value in report.items():
        yield f"{before}\n  {_indented(name, 0)}: "
        before = ","
        if isinstance(value, list) and value:
            for number, each in enumerate(value):
                yield f"{',' if number else '['}\n    {_indented(each, 4)}"
            yield "\n  ]"
        else:
            yield _indented(value, 2)
    yield "{}\n" if before == "{" else "\n}\n"


def _indented(value: Any, by: int) -> str:
    """JSON that stands so far to the right. json itself indents in Python, at ten times the cost."""
    import json

    import msgspec

    from cnamm_scan.text import safe_json

    # what stands for bytes that are no text goes through as it is
    raw = json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
    text = msgspec.json.format(raw, indent=2).decode("utf-8", "surrogatepass")
    return safe_json(text.replace("\n", "\n" + " " * by))


def show(scan: Scan, out_format: str, context: click.Context, *, functions: Sequence[str] = (), findings: int | None = None) -> None:
    """Print a report on stdout in a format, of all functions or of some."""
    from cnamm_scan.judged.narrowed import only

    doing("writing the report")
    report = only(scan, functions).report()
    doing("")
    if out_format == "json":
        for text in _json(report):
            click.echo(text, nl=False)
    elif out_format == "csv":
        from cnamm_scan.report.tabular import SCORE_COLUMNS, csv_lines, scores

        for line in csv_lines(SCORE_COLUMNS, scores(report)):
            click.echo(line)
    elif out_format == "markdown":
        from cnamm_scan.report.markdown import render

        click.echo(render(report) if findings is None else render(report, findings), nl=False)
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
    doing("")
    from cnamm_scan.report.tabular import jsonl

    for line in jsonl(rows):
        click.echo(line)


def listed(context: click.Context, rows: Sequence[Mapping[str, str]], out_format: str, *, uncut: Collection[str]) -> None:
    """Print rows that have the same names as a table, or as JSON lines. Columns that are `uncut` are never folded.

    Where the table would be slivers each row stands on two lines, its last column beneath.
    """
    if out_format == "jsonl":
        written(rows)
        return
    from cnamm_scan.cli.tables import fits, show_rows, show_stacked

    if not rows:
        return
    out, names, cells = console(context), list(rows[0]), [list(row.values()) for row in rows]
    if fits(out, names, cells, uncut) is None:
        show_stacked(out, rows)
    else:
        show_rows(out, names, cells, uncut=uncut)
