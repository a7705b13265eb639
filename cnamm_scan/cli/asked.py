"""Options that say when they do something: one that would do nothing is refused in words, by one mechanism for every command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from cnamm_scan.errors import UsageError

Said = Mapping[str, Any]
"""The values of a command's parameters, by their names."""


@dataclass(frozen=True, slots=True)
class Only:
    """When an option does something."""

    holds: Callable[[Said], bool]
    """Whether it does, beside what else was said."""
    otherwise: str
    """What it lacks, as it follows `--split-into does nothing`: `without --permissions`."""
    do: str = "leave it out"
    late: bool = False
    """Whether the command asks by itself, once it has looked at values: what is misspelt is said before that it does nothing."""


class Option(click.Option):
    """An option as click's, with the condition under which it does something."""

    def __init__(self, *arguments: Any, only: Only | None = None, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.only = only


class Command(click.Command):
    """A command that refuses options that do nothing beside what else was said."""

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, once every option is known to do something."""
        refuse_idle(ctx)
        return super().invoke(ctx)


class Group(click.Group):
    """A group whose commands are such commands."""

    command_class = Command


def refuse_idle(context: click.Context, *, late: bool = False) -> None:
    """Raise UsageError for an option of the command line that does nothing. What stands in the environment is for other commands too."""
    for option in context.command.params:
        only = getattr(option, "only", None)
        if only is None or only.late != late or context.get_parameter_source(option.name or "") is not ParameterSource.COMMANDLINE:
            continue
        if not only.holds(context.params):
            raise UsageError(f"{option.opts[0]} does nothing {only.otherwise}", where=option.opts[0], do=only.do)


def given(name: str) -> Callable[[Said], bool]:
    """Whether something was said of a parameter."""
    return lambda said: bool(said.get(name))


def one_of(name: str, *values: str) -> Callable[[Said], bool]:
    """Whether a parameter has one of these values."""
    return lambda said: said.get(name) in values
