"""`cnamm-scan content weights` and `content coverage`: what content can do to a score, for whoever writes more of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cnamm_scan.cli.asked import Command, Only, Option
from cnamm_scan.cli.common import PACKS, listed
from cnamm_scan.errors import UsageError, did_you_mean
from cnamm_scan.model import LEVELS, Content

_PROVIDERS = click.option("--provider", "providers", multiple=True, metavar="P", help="Only this one. May be repeated.  [default: each]")
_FORMAT = click.option("--format", "out_format", type=click.Choice(["table", "jsonl"]), default="table", show_default=True)


_SEVERAL = Only(lambda said: len(set(said["providers"])) != 1, "with one --provider", "leave it out, or name another")


@click.command("weights", cls=Command)
@_PROVIDERS
@click.option(
    "--together", cls=Option, only=_SEVERAL, is_flag=True, help="One estate with a target of each, instead of an estate for each."
)
@_FORMAT
@PACKS
@click.pass_context
def weights_command(context: click.Context, providers: tuple[str, ...], together: bool, out_format: str, packs: tuple[Path, ...]) -> None:
    """Say what each rule costs of the overall score when it fails and all else passes, the dearest first.

    `cost` is when all that it judges fails, `least` when one of a million does: more than nothing for a critical rule alone.

    \b
    Examples:
      cnamm-scan content weights
      cnamm-scan content weights --provider aws --format jsonl
      cnamm-scan content weights --together
    """
    from cnamm_scan import content as reader
    from cnamm_scan.aggregator.weights import all_criticals_failing, costs
    from cnamm_scan.judged.scoring import rules_of, standing

    content = reader.load(packs)
    always = standing(content)
    rows, said = [], []
    for names in _estates(content, providers, together=together):
        rules, estate = rules_of(content, names), "+".join(names)
        for model in content.models:
            rows += [
                {
                    "estate": estate,
                    "rule": each.rule.id,
                    "severity": each.rule.severity.value,
                    "objective": each.rule.objective,
                    "cost": f"{float(each.most):.3f}",
                    "least": f"{float(each.least):.3f}",
                }
                for each in costs(model, rules, always)
            ]
            left = all_criticals_failing(model, rules, always)
            said.append(f"{model.id} of {estate}: {float(left):.2f} of 5 when every critical rule fails and all else passes")
    listed(context, rows, out_format, uncut=("rule",))
    for line in said:
        click.echo(line, err=True)


@click.command("coverage", cls=Command)
@_PROVIDERS
@click.option(
    "--together", cls=Option, only=_SEVERAL, is_flag=True, help="Levels that no provider's rules judge, instead of those of each."
)
@_FORMAT
@PACKS
@click.pass_context
def coverage_command(context: click.Context, providers: tuple[str, ...], together: bool, out_format: str, packs: tuple[Path, ...]) -> None:
    """Name the levels of practices that no rule judges: each leaves a flawless estate short of 5 in its low bound.

    \b
    Examples:
      cnamm-scan content coverage
      cnamm-scan content coverage --provider kubernetes
    """
    from cnamm_scan import content as reader
    from cnamm_scan.aggregator.weights import gaps
    from cnamm_scan.judged.scoring import rules_of

    content = reader.load(packs)
    rows, said = [], []
    for names in _estates(content, providers, together=together):
        rules, estate = rules_of(content, names), "+".join(names)
        for model in content.models:
            missing = list(gaps(model, rules))
            rows += [
                {
                    "estate": estate,
                    "function": gap.function,
                    "practice": gap.practice,
                    "level": str(gap.level),
                    "objectives": ", ".join(gap.objectives),
                }
                for gap in missing
            ]
            levels = sum(len(function.practices) for function in model.functions) * len(LEVELS)
            said.append(f"{model.id} of {estate}: {levels} levels, {len(missing)} without a rule")
    listed(context, rows, out_format, uncut=("practice",))
    for line in said:
        click.echo(line, err=True)


def _estates(content: Content, providers: Sequence[str], *, together: bool) -> list[tuple[str, ...]]:
    """The providers of each estate that is measured."""
    known = sorted({rule.provider for rule in content.rules.values()} - {"estate"})
    for name in providers:
        if name not in known:
            raise UsageError(f"no rule is for '{name}'", where="--provider", do=did_you_mean(name, known))
    chosen = [name for name in known if not providers or name in providers]
    return [tuple(chosen)] if together else [(name,) for name in chosen]
