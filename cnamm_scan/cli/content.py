"""`cnamm-scan content`: what ships, in plain words; and the tools of whoever writes more of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from pathlib import Path

import click

from cnamm_scan.cli import completion
from cnamm_scan.cli.asked import Group
from cnamm_scan.cli.common import PACKS
from cnamm_scan.cli.listing import list_command, named, search_command
from cnamm_scan.cli.measures import coverage_command, weights_command
from cnamm_scan.cli.starting import new_command, schema_command
from cnamm_scan.doing import doing
from cnamm_scan.errors import ContentError, UsageError, did_you_mean
from cnamm_scan.model import Content, Rule


@click.group("content", cls=Group)
def command() -> None:
    """List, explain, lint, test and start rules.

    \b
    Examples:
      cnamm-scan content list --function resilience
      cnamm-scan content search mfa
      cnamm-scan content show aws.s3.bucket_versioning
      cnamm-scan content new rule aws.s3.bucket_has_owner
      cnamm-scan content lint && cnamm-scan content test
    """


command.add_command(list_command)
command.add_command(search_command)
command.add_command(new_command)
command.add_command(schema_command)
command.add_command(weights_command)
command.add_command(coverage_command)


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
    from cnamm_scan.engine import sound

    problems: list[ContentError] = []
    content = reader.load(packs, problems=problems)
    is_whole = not problems
    doing(f"linting {len(content.rules)} rules")
    with nullcontext() if is_whole else suppress(ContentError):  # what was found already may be in the way of looking further
        problems += sound.problems(content)
    if is_whole:  # an SDK has nothing to say of half a collector
        doing("comparing calls with the installed SDKs")
        problems += _sdk_problems(content)
    if problems:
        raise ContentError(f"content does not lint: {len(problems)} problem(s)", problems=problems)
    click.echo(
        f"sound: {len(content.tables)} tables, {len(content.views)} views, {len(content.rules)} rules,"
        f" {len(content.objectives)} objectives",
        err=True,
    )


def _sdk_problems(content: Content) -> list[ContentError]:
    """What the installed SDKs know better: operations, parameters and fields. Of what ships it is asked where that is linted by itself."""
    from importlib.util import find_spec

    problems = []
    if find_spec("botocore"):
        from cnamm_scan.providers.aws.lint import check

        known = content.base.tables if content.base is not None else {}
        for table, what, do in check(content, known):
            problems.append(ContentError(f"{table}: {what}", where=content.tables[table].source, do=do))
    return problems


@command.command("test")
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=completion.rules)
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
    doing(f"testing {len(rules)} rules")
    results = list(run_tests(content, rules))
    failed = [result for result in results if not result.passed]
    for result in failed:
        click.echo(
            f"{content.rules[result.rule].source} ({result.rule}) tests: {result.case}: got '{result.got}', expected '{result.expected}'"
        )
    click.echo(f"{len(rules)} rules, {len(results)} cases, {len(failed)} failed", err=True)
    if failed:
        raise ContentError(f"{len(failed)} case(s) failed", do="mend the rule or its tests")


def _chosen(content: Content, ids: Iterable[str]) -> list[Rule]:
    ids = tuple(ids)
    chosen = named(ids, content.rules.keys(), "rule", content.now_called)
    return [rule for rule in content.rules.values() if not ids or rule.id in chosen]


@command.command("show")
@click.argument("name", metavar="ID", shell_complete=completion.anything)
@PACKS
def show_command(name: str, packs: tuple[Path, ...]) -> None:
    """Explain a rule, a fact table or an objective. The output is Markdown.

    \b
    Examples:
      cnamm-scan content show aws.s3.bucket_versioning
      cnamm-scan content show aws.s3.bucket
      cnamm-scan content show resilience.data-is-backed-up
    """
    from cnamm_scan import content as reader
    from cnamm_scan.report.reference import page

    content = reader.load(packs)
    text = page(content, name)
    if text is None:
        known = {*content.rules, *content.tables, *content.views, *content.objectives, *content.merged}
        raise UsageError(f"nothing is named '{name}'", do=did_you_mean(name, known))
    click.echo(text, nl=False)


def _rights(content: Content) -> dict[str, str]:
    """The least rights of a whole scan, as policies that fit."""
    from cnamm_scan.engine.plan import Selection, make_plan
    from cnamm_scan.providers.catalog import KINDS

    made = {}
    for provider, kind in KINDS.items():
        needs = make_plan(content, Selection(), [provider]).needs(provider)
        for number, part in enumerate(kind.rights.parts(needs), 1):
            made[f"permissions/cnamm-scan-{provider}-{number}.json"] = json.dumps(part, indent=2) + "\n"
    return made


@command.command("docs")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--check", is_flag=True, help="Write nothing; exit 2 when the folder is not what would be written.")
@PACKS
def docs_command(folder: Path, check: bool, packs: tuple[Path, ...]) -> None:
    """Write a page for each service with its tables and rules, one for each function, and their index.

    What is in the folder and was not made by this command stays as it is; where one of its files is in the way, nothing is written.

    \b
    Examples:
      cnamm-scan content docs docs/reference
      cnamm-scan content docs docs/reference --check
    """
    from cnamm_scan import content as reader
    from cnamm_scan.cli.generated import difference, write
    from cnamm_scan.engine import readings
    from cnamm_scan.report.pages import pages

    content = reader.load(packs)
    rights = _rights(content)
    readings.keep(content)
    made = {**pages(content, sorted(rights)), **rights}
    found = difference(folder, made)
    if check:
        if found.names:
            shown = ", ".join(found.names[:5]) + (" …" if len(found.names) > 5 else "")
            raise ContentError(
                f"{len(found.names)} page(s) are not up to date: {shown}", where=str(folder), do=f"cnamm-scan content docs {folder}"
            )
        click.echo(f"{len(made)} pages are up to date", err=True)
        return
    write(folder, found)
    gone = f", {len(found.gone)} removed" if found.gone else ""
    click.echo(f"{len(found.stale.keys() & made.keys())} of {len(made)} pages written{gone}", err=True)
