"""The door: every command by name, imported when it is called; one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from importlib import import_module
from typing import Any, NoReturn

import click

from cnamm_scan import __version__
from cnamm_scan.errors import CnammError, UsageError, did_you_mean, nameless

_COLOR: ContextVar[bool | None] = ContextVar("color", default=None)
"""What was asked for, for the errors that are shown when the command's own context is gone."""

COMMANDS: dict[str, tuple[str, str]] = {
    "scan": ("scan", "Scan targets and say how mature they are."),
    "plan": ("plan", "Show what a scan would ask, and the least rights for it."),
    "evaluate": ("evaluate", "Judge and score the facts of a bundle again, offline."),
    "report": ("report", "Render the report of a bundle."),
    "results": ("results", "List what each rule said about each resource."),
    "query": ("query", "Ask the facts of a bundle in SQL."),
    "verify": ("verify", "Check that a bundle is whole and unchanged."),
    "content": ("content", "List, explain, lint, test and start rules."),
    "demo": ("demo", "Scan an embedded estate and show everything."),
}
"""Command -> (module in this package, one line of help)."""

EPILOG = """\b
Examples:
  cnamm-scan demo
  cnamm-scan plan aws --permissions > policy.json
  cnamm-scan scan aws --region eu-west-1 --output bundles/
  cnamm-scan report bundles/SCAN.cnamm --format json

\b
Exit codes:
  0 done   1 failed to run   2 bad usage or content
  3 not enough could be read (--min-coverage)   10 a gate was missed
"""


class Commands(click.Group):
    """A group that knows its commands' names and help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"cnamm_scan.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name for a typo."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            ctx.fail(f"no command '{name}': {did_you_mean(name, COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help of all commands, from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="cnamm-scan")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Colours on a terminal, always or never. NO_COLOR is honoured.",
)
@click.pass_context
def cli(ctx: click.Context, color: str) -> None:
    """Say how mature a cloud estate is, with the evidence and without a questionnaire."""
    ctx.obj = {"color": color}
    ctx.color = True if color == "always" else False if color == "never" or os.environ.get("NO_COLOR") else None
    _COLOR.set(ctx.color)
    _refuse_nowhere()


def _refuse_nowhere() -> None:
    """Raise UsageError where the current folder was removed: no path can be told from there, and DuckDB does not start."""
    try:
        os.getcwd()
    except OSError as error:
        raise UsageError(f"the current folder cannot be used: {error.strerror}", do="change to a folder that is there") from error


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code."""
    code = run(arguments)
    bounds = sys.modules.get("cnamm_scan.engine.bounds")
    if bounds is not None and bounds.is_something_left_behind():
        sys.stderr.flush()
        os._exit(code)  # a statement that nothing can stop still runs: an orderly end would wait for it, or crash into it
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code. Errors of ours become three lines on stderr; anything else is a bug."""
    from cnamm_scan.cli import streams
    from cnamm_scan.cli.progress import told_of_silence

    streams.settle()
    try:
        with told_of_silence():
            outcome: Any = cli.main(args=list(arguments) if arguments is not None else None, prog_name="cnamm-scan", standalone_mode=False)
        streams.flushed()
    except CnammError as error:
        return _told(error)
    except click.ClickException as error:
        streams.say(streams.harmless(nameless(_usage(error))))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        streams.say("interrupted")
        return 1
    except OSError as error:
        said = streams.lost(error)
        if said is None:
            raise
        return said.exit_code if isinstance(error, BrokenPipeError) else _told(said)  # a reader who left wants to hear no more
    return outcome if isinstance(outcome, int) else 0


def _told(error: CnammError) -> int:
    """Say what an error says, and give its exit code."""
    from cnamm_scan.cli.streams import harmless, say

    say(f"{click.style('error', fg='red', bold=True)}: {harmless(str(error))}", _COLOR.get())
    return error.exit_code


def _usage(error: click.ClickException) -> str:
    """What click shows of a command line that it cannot read."""
    context = getattr(error, "ctx", None)
    lines = [context.get_usage(), f"Try '{context.command_path} --help' for help.", ""] if context is not None else []
    return "\n".join([*lines, f"Error: {error.format_message()}"])
