"""`cnamm-scan content new` and `content schema`: files to start from, and what tells an editor what they may hold."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import click

from cnamm_scan.cli.asked import Command
from cnamm_scan.cli.common import PACKS
from cnamm_scan.cli.files import put, unwritable
from cnamm_scan.errors import UsageError
from cnamm_scan.model import Content, Table, View

_KINDS = ("rule", "table", "objective", "pack")


@click.command("new", cls=Command)
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("name", metavar="ID")
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), default=Path(), metavar="DIR", help="The pack.  [default: this folder]"
)
@PACKS
def new_command(kind: str, name: str, into: Path, packs: tuple[Path, ...]) -> None:
    """Write a rule, a table, an objective or a whole pack to start from. Its tests pass; lint names the words to be replaced.

    ID is what it shall be called; of a pack, its folder. An editor with a YAML language server completes keys, tables and columns.

    \b
    Examples:
      cnamm-scan content new pack my-pack
      cnamm-scan content new rule aws.s3.bucket_has_owner
      cnamm-scan content new rule aws.sqs.queue_is_mine --into my-pack/
      cnamm-scan content new table aws.sqs.dead_letter --into my-pack/
      cnamm-scan content new objective identity.badges-expire --into my-pack/
    """
    from cnamm_scan import content as reader
    from cnamm_scan.content.schemas import FOLDER, files, kind_of, line

    content = reader.load(packs)
    if kind == "pack":
        if not name:
            raise UsageError("the pack's folder is ''", do="name one, such as my-pack; this folder is .")
        into = into / name
    made = _made(content, kind, name)
    for file in made:
        _refuse_there(into / file, kind)
    for file, text in made.items():
        headed = f"{line(kind_of(file), file)}{text}" if file.endswith(".yaml") else text
        _write(into / file, headed, kind)
        click.echo(str(into / file))
    if not (into / FOLDER).exists():
        for file, text in files(content).items():
            _write(into / FOLDER / file, text, kind)
        click.echo(f"{into / FOLDER}  (what an editor needs to complete and check these files)", err=True)
    own = "" if into.resolve() == reader.bundled_pack() else f" --content {shlex.quote(str(into))}"
    rule = name if kind == "rule" else FIRST if kind == "pack" else ""
    click.echo(
        f"now say it in your own words, then: cnamm-scan content lint{own} && cnamm-scan content test{f' {rule}' if rule else ''}{own}",
        err=True,
    )


FIRST = "aws.s3.our_first_rule"
"""The rule that a new pack begins with."""


def _made(content: Content, kind: str, name: str) -> dict[str, str]:
    """Name inside the pack -> text of what is to be written."""
    from cnamm_scan.content import starter

    if kind == "objective":
        _refuse_known(content, kind, name)
        return dict([starter.new_objective(content, name)])
    if kind == "table":
        every: dict[str, Table | View] = {**content.tables, **content.views}
        if name in every:
            raise UsageError(f"table '{name}' exists already", where=every[name].source, do="choose another id")
        provider, service, _ = (*name.split("."), "", "")[:3]
        return {f"collectors/{provider}/{service}.yaml": starter.new_table(content, name)}
    rule = FIRST if kind == "pack" else name
    if kind == "rule":
        _refuse_known(content, kind, name)
    file = {f"rules/{rule.replace('.', '/')}.yaml": starter.new_rule(content, rule)}
    return {"README.md": starter.README, **file} if kind == "pack" else file


def _refuse_known(content: Content, kind: str, name: str) -> None:
    """Raise UsageError for the id of a rule or an objective, or one that it had before: people still ask for it by that."""
    there = content.now_called(name)
    if there in content.rules or there in content.objectives:
        where = content.rules[there].source if there in content.rules else ""
        what = f"{kind} '{name}' exists already" if there == name else f"{kind} '{there}' was called '{name}'"
        raise UsageError(what, where=where, do="choose another id")


_IN_THE_WAY = {
    "rule": "choose another id, or another --into",
    "table": "add the table to it, or choose another --into",
    "objective": "add the objective to it, or choose another --into",
    "pack": "choose another folder",
}


def _refuse_there(file: Path, kind: str) -> None:
    """Raise UsageError for a file that is there: nothing is written where one of several is in the way."""
    if os.path.lexists(file):
        raise UsageError("the file exists already", where=str(file), do=_IN_THE_WAY[kind])


def _write(file: Path, text: str, kind: str) -> None:
    """Write a file that was not there. Raises UsageError or OutputError."""
    try:
        put(file, text.encode(), is_new=True)
    except FileExistsError as error:
        raise UsageError("the file exists already", where=str(error.filename2 or error.filename), do=_IN_THE_WAY[kind]) from error
    except OSError as error:
        raise unwritable(error, file, "choose another --into") from error


@click.command("schema", cls=Command)
@click.argument("kind", required=False, type=click.Choice(["rule", "collector", "function", "model", "framework"]))
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Write all of them there instead.")
@PACKS
def schema_command(kind: str | None, into: Path | None, packs: tuple[Path, ...]) -> None:
    """Print the JSON Schema of a kind of content file, with the tables, columns and objectives that there are.

    \b
    Examples:
      cnamm-scan content schema rule > rule.schema.json
      cnamm-scan content schema --into my-pack/.schemas --content my-pack/
    """
    from cnamm_scan import content as reader
    from cnamm_scan.content.schemas import files, schema

    if (kind is None) == (into is None):
        raise UsageError(
            "name a kind to print, or a folder to write all of them to", where="KIND", do="content schema rule, or: --into DIR"
        )
    content = reader.load(packs)
    if kind is not None:
        click.echo(json.dumps(schema(kind, content), indent=1, sort_keys=True))
        return
    assert into is not None  # one of both was given
    try:
        for name, text in files(content).items():
            put(into / name, text.encode())
            click.echo(str(into / name))
    except OSError as error:
        raise unwritable(error, into, "choose another --into") from error
