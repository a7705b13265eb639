"""Label selectors as Kubernetes writes them, for policies of every theme. Yes, no, or None where that hangs on what was not read.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnamm_scan.providers.truths import Truth

Json = Any
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Term:
    """One requirement: In, NotIn, Exists or DoesNotExist. NotIn holds where the key is not there."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Labels) -> bool:
        """Whether these labels meet it."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case _:
                return value is None


OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True)
class Selector:
    """All of its terms must hold; without one it picks everything."""

    terms: tuple[Term, ...] = ()
    is_whole: bool = True
    """Whether it was read whole: an unread part can only narrow it."""

    @property
    def is_all(self) -> bool:
        """Whether it picks whatever there is."""
        return not self.terms and self.is_whole

    def matches(self, labels: Labels | None) -> Truth:
        """Whether it picks what has these labels."""
        if not self.terms:
            return True if self.is_whole else None
        if labels is None:
            return None
        if not all(term.matches(labels) for term in self.terms):
            return False
        return True if self.is_whole else None

    def named(self) -> Iterator[tuple[str, str]]:
        """Keys and values that it looks at."""
        for term in self.terms:
            yield from ((term.key, value) for value in sorted(term.values) or [""])


ALL = Selector()
UNREAD = Selector((), is_whole=False)


def selector(document: Json) -> Selector:
    """A LabelSelector. What has no such form is one that was not read."""
    if document is None:
        return ALL
    if not isinstance(document, Mapping) or not document.keys() <= {"matchLabels", "matchExpressions"}:
        return UNREAD
    pairs, asked = document.get("matchLabels"), document.get("matchExpressions")
    if not isinstance(pairs or {}, Mapping) or not isinstance(asked or [], Sequence):
        return UNREAD
    terms, whole = [Term(str(key), "In", frozenset({str(value)})) for key, value in (pairs or {}).items()], True
    for each in asked or ():
        values = (each.get("values") or []) if isinstance(each, Mapping) else None
        if not isinstance(values, list) or each.get("operator") not in OPERATORS or not isinstance(each.get("key"), str):
            whole = False
        elif (each["operator"] in ("In", "NotIn")) != bool(values):
            whole = False  # the server refuses lists that are missing, and lists that mean nothing
        else:
            terms.append(Term(each["key"], each["operator"], frozenset(map(str, values))))
    return Selector(tuple(terms), whole)
