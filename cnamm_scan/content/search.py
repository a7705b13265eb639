"""Finds content by words: rules, tables, objectives and parameters by what people call them, the best match first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cnamm_scan.model import Content, Table, View

KINDS = ("rules", "objectives", "tables")
_WEIGHTS: Mapping[str, float] = {"id": 8, "title": 6, "tags": 6, "objective": 3, "text": 1}
"""How much a word counts, by where it stands."""
_ENDINGS = ("ations", "ation", "ions", "ion", "ings", "ing", "ies", "ed", "es", "e", "y", "s")
PREFIX = 3
"""Letters from which on the beginning of a word finds it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that the words found."""

    kind: str
    id: str
    title: str
    score: float


def words(text: str) -> list[str]:
    """The words of a text, in lower case; those of an id too. A number with its dots is one: CIS 3.6."""
    return re.findall(r"[0-9]+(?:\.[0-9]+)+|[a-z0-9]+", text.lower())


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """A word without its ending, so that `rotates`, `rotation` and `rotate` are one."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= (3 if ending == "s" else 4):
            return word[: -len(ending)]
    return word


def search(content: Content, asked: Iterable[str], kinds: Sequence[str] = KINDS) -> list[Hit]:
    """What has every word that was asked for, in its id, title, tags, objective or text; the best first, equal ones by id."""
    wanted = [word for text in asked for word in words(text)]
    if not wanted:
        return []
    phrase = " ".join(wanted)
    found = []
    for kind, name, title, fields in _things(content):
        if kind not in kinds:
            continue
        parts = _parts(wanted, fields)
        if parts:
            together = 4.0 if len(wanted) > 1 and phrase in " ".join(words(title)) else 0.0
            found.append(Hit(kind, name, title, round(sum(parts) + together, 3)))
    return sorted(found, key=lambda hit: (-hit.score, KINDS.index(hit.kind), hit.id))


def vocabulary(content: Content) -> frozenset[str]:
    """Every word of ids, titles and tags: what a misspelt one may have meant."""
    return frozenset(word for _, _, _, fields in _things(content) for name in ("id", "title", "tags") for word in fields.get(name, ()))


def _parts(wanted: Sequence[str], fields: Mapping[str, Sequence[str]]) -> list[float]:
    """What each word counts; nothing where one of them does not stand in any field."""
    parts = []
    for word in wanted:
        parts.append(max(_fit(word, text) * _WEIGHTS[field] for field, text in fields.items()))
        if not parts[-1]:
            return []
    return parts


def _fit(word: str, text: Sequence[str]) -> float:
    """How well a word stands in a text: 1 as it is, less in another form, less still as a beginning, 0 not at all."""
    if word in text:
        return 1.0
    root = stem(word)
    alike = [each for each in text if each.startswith(root)]  # whatever form a word has, it begins so
    if any(stem(each) == root for each in alike):
        return 0.9
    return 0.6 if len(word) >= PREFIX and any(each.startswith(word) for each in alike) else 0.0


def _things(content: Content) -> Iterator[tuple[str, str, str, Mapping[str, Sequence[str]]]]:
    """(kind, id, title, words by where they stand) of all that can be found."""
    for rule in content.rules.values():
        objective = content.objectives.get(rule.objective)
        fields = {
            "id": words(rule.id),
            "title": words(rule.title),
            "tags": words(" ".join((*rule.tags, *rule.aliases, *rule.references))),
            "objective": words(f"{rule.objective} {objective.title if objective else ''}"),
            "text": words(" ".join((rule.why, rule.note, *rule.templates))),
        }
        yield "rules", rule.id, rule.title, fields
    for each in content.objectives.values():
        yield (
            "objectives",
            each.id,
            each.title,
            {"id": words(each.id), "title": words(f"{each.title} {each.short}"), "tags": words(" ".join(each.aliases))},
        )
    every: list[Table | View] = [*content.tables.values(), *content.views.values()]
    for table in every:
        title = table.about.split(". ")[0].rstrip(".")
        columns = " ".join((table.about, *table.columns))
        yield "tables", table.id, title, {"id": words(table.id), "title": words(title), "text": words(columns)}
