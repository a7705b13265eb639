"""`cnamm-scan content`: what ships, in plain words; and the tools of whoever writes more of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import click

from cnamm_scan.errors import ContentError, UsageError, did_you_mean
from cnamm_scan.model import Content, Rule

PACKS = click.option(
    "--content",
    "packs",
    multiple=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Another content pack: a folder with collectors/, rules/ or mappings/. May be repeated.",
)


@click.group("content")
def command() -> None:
    """List, explain, lint, test and start rules.

    \b
    Examples:
      cnamm-scan content list --function resilience
      cnamm-scan content show aws.s3.bucket_versioning
      cnamm-scan content new rule aws.s3.bucket_has_owner
      cnamm-scan content lint && cnamm-scan content test
    """


@command.command("lint")
@PACKS
def lint_command(packs: tuple[Path, ...]) -> None:
    """Check every collector, rule and mapping: shape, names, SQL, honesty about NULL.

    \b
    Examples:
      cnamm-scan content lint
      cnamm-scan content lint --content my-pack/
    """
    from cnamm_scan import content as reader
    from cnamm_scan.engine.lint import lint

    content = reader.load(packs)
    problems = lint(content)
    if problems:
        raise ContentError(f"content does not lint: {len(problems)} problem(s)", problems=problems)
    click.echo(
        f"sound: {len(content.tables)} tables, {len(content.views)} views, {len(content.rules)} rules, {len(content.objectives)} objectives",
        err=True,
    )


@command.command("test")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@PACKS
def test_command(ids: tuple[str, ...], packs: tuple[Path, ...]) -> None:
    """Run the tests that stand in the rules. ID is a rule or the beginning of one.

    \b
    Examples:
      cnamm-scan content test
      cnamm-scan content test aws.s3
    """
    from cnamm_scan import content as reader
    from cnamm_scan.engine.lint import run_tests

    content = reader.load(packs)
    rules = _chosen(content, ids)
    results = list(run_tests(content, rules))
    failed = [result for result in results if not result.passed]
    for result in failed:
        click.echo(f"{result.rule} {result.case}: got '{result.got}', expected '{result.expected}'")
    click.echo(f"{len(rules)} rules, {len(results)} cases, {len(failed)} failed", err=True)
    if failed:
        raise ContentError(f"{len(failed)} case(s) failed", do="mend the rule or its tests")


def _chosen(content: Content, ids: Iterable[str]) -> list[Rule]:
    ids = tuple(ids)
    if not ids:
        return list(content.rules.values())
    chosen: dict[str, Rule] = {}
    for prefix in ids:
        found = {name: rule for name, rule in content.rules.items() if name == prefix or name.startswith(prefix.rstrip(".") + ".")}
        found = found or {name: rule for name, rule in content.rules.items() if name.startswith(prefix)}
        if not found:
            raise UsageError(f"no rule '{prefix}'", do=did_you_mean(prefix, content.rules))
        chosen.update(found)
    return list(chosen.values())


assert json  # used below
