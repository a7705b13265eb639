"""Completion of names in a shell, by click's own mechanism: rule ids, functions, objectives, tables, bundles. It never fails a shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from cnamm_scan.errors import CnammError
from cnamm_scan.model import Content

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
MOST = 200
"""Names that a shell is offered at once."""


def _of_content(names: Callable[[Content], Iterable[tuple[str, str]]], *, by_parts: bool = False) -> Complete:
    """Names out of what ships and of the packs that were named, with a word about each."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from cnamm_scan import content as reader

        try:
            content = reader.load(context.params.get("packs") or ())
        except CnammError:
            return []
        found = dict(each for each in names(content) if each[0].startswith(incomplete))
        return [CompletionItem(name, help=about) for name, about in (_stems(found, incomplete) if by_parts else found).items()][:MOST]

    return complete


def _stems(found: dict[str, str], incomplete: str) -> dict[str, str]:
    """As a shell completes folders: of many ids their next part, and the ids themselves once they are few."""
    if len(found) <= MOST // 4:
        return found
    depth = incomplete.count(".")
    return {".".join(name.split(".")[: depth + 1]) + ("." if name.count(".") > depth else ""): "" for name in found}


def _rules(content: Content) -> Iterable[tuple[str, str]]:
    return ((rule.id, rule.title) for rule in content.rules.values())


def _functions(content: Content) -> Iterable[tuple[str, str]]:
    return ((function.id, function.title) for model in content.models for function in model.functions)


def _everything(content: Content) -> Iterable[tuple[str, str]]:
    yield from _rules(content)
    yield from ((each.id, each.title) for each in content.objectives.values())
    yield from ((name, "") for name in (*content.tables, *content.views))


def _parameters(content: Content) -> Iterable[tuple[str, str]]:
    return ((f"{rule.id}.{name}=", f"{spec.default}"[:40]) for rule in content.rules.values() for name, spec in rule.parameters.items())


rules = _of_content(_rules, by_parts=True)
functions = _of_content(_functions)
anything = _of_content(_everything, by_parts=True)
parameters = _of_content(_parameters, by_parts=True)


def targets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The kinds of target that there are; what follows the colon is for files."""
    from cnamm_scan.providers.catalog import names

    return [CompletionItem(name) for name in names() if name.startswith(incomplete)]


def bundles(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Bundles in the folder that is being written, and folders on the way to them."""
    typed = Path(incomplete or ".")
    folder = typed if incomplete.endswith("/") or not incomplete else typed.parent
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return []
    items = []
    for each in found:
        shown = each.name if str(folder) == "." and not incomplete.startswith("./") else f"{folder}/{each.name}"
        if shown.startswith(incomplete) and not each.name.startswith("."):
            if each.name.endswith((".cnamm", ".cnamm.zip", ".cnamm.partial")):
                items.append(CompletionItem(shown))
            elif each.is_dir():
                items.append(CompletionItem(f"{shown}/"))
    return items[:MOST]
