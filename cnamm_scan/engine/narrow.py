"""What of the content a scan of some providers needs: that much goes into its bundle, and says the same when it is read back."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from cnamm_scan.content import sha_of
from cnamm_scan.engine.plan import compile_rules
from cnamm_scan.engine.readings import share
from cnamm_scan.engine.select import read_view
from cnamm_scan.errors import CnammError
from cnamm_scan.model import Content, Rule

ESTATE = "estate"
"""What rules that judge every target call their provider."""
_DEFINED = re.compile(rb"(?<![a-z0-9_.])([a-z]+(?:\.[a-z0-9_]+){2})[\"']?\s*:")
"""The id of a table or view where it is defined; what only looks like one keeps a file too many, to no harm."""


def narrowed(content: Content, providers: Collection[str]) -> Content:
    """The content without the collectors and rules of other providers; those that a kept rule looks into stay, as do all mappings.

    Judging by it gives what judging by all of it gives, and so does reading its files again: `sha256` is theirs.
    """
    return _narrowed(content, frozenset(providers))


@lru_cache(maxsize=8)
def _narrowed(content: Content, providers: frozenset[str]) -> Content:
    near = frozenset({*providers, ESTATE})
    far = {name.split(".")[0] for name in (*content.tables, *content.views, *content.rules)} - near
    if not far:
        return content
    collectors = {file: _defined(raw) for file, raw in content.files.items() if file.startswith("collectors/")}
    rules = {name: rule for name, rule in content.rules.items() if rule.provider in near}
    named = {*rules, *(alias for rule in rules.values() for alias in rule.aliases)}  # a pack's file may bear the id that a rule had
    chosen = {file for file, names in collectors.items() if file.split("/")[1] in near or any(name.split(".")[0] in near for name in names)}
    reached: set[str] = set()
    todo = list(_looked_into(content, rules.values(), far))
    while True:
        todo += [name for file in chosen for name in collectors[file]]
        todo = [name for name in dict.fromkeys(todo) if name not in reached]
        if not todo:
            break
        reached.update(todo)
        chosen |= {file for file, names in collectors.items() if not names.isdisjoint(todo)}
        todo = [base for name in todo if name in content.views for base in _bases(content, name, far)]
    kept = {name for file in chosen for name in collectors[file]}
    files = {
        file: raw
        for file, raw in content.files.items()
        if (file in chosen if file.startswith("collectors/") else not file.startswith("rules/") or _rule_of(file) in named)
    }
    found = replace(
        content,
        rules=rules,
        tables={name: table for name, table in content.tables.items() if name in kept},
        views={name: view for name, view in content.views.items() if name in kept},
        files=files,
        sha256=sha_of(files),
    )
    share(found, content)
    return found


def _defined(raw: bytes) -> frozenset[str]:
    return frozenset(name.decode() for name in _DEFINED.findall(raw))


def _rule_of(file: str) -> str:
    return file.removeprefix("rules/").removesuffix(".yaml").replace("/", ".")


def _looked_into(content: Content, rules: Iterable[Rule], far: Collection[str]) -> Iterator[str]:
    """The tables and views that rules read, as far as they may be of other providers."""
    for rule in rules:
        if _names_any(" ".join(text for _, text in rule.asked), far):
            try:
                for compiled in compile_rules(content, [rule]):
                    yield from compiled.reads
            except CnammError:  # a rule that is wrong cannot run, now or later; where it is to run it is told
                continue


def _bases(content: Content, view: str, far: Collection[str]) -> Collection[str]:
    spec = content.views[view]
    if spec.made is not None:
        return spec.made.reads
    if not _names_any(spec.select, far):
        return ()
    try:
        return read_view(content, view).tables
    except CnammError:
        return ()


def _names_any(sql: str, providers: Collection[str]) -> bool:
    """Whether SQL has the name of a provider anywhere, in whatever case or quotes: only such SQL is worth parsing."""
    lowered = sql.lower()
    return any(name in lowered for name in providers)
