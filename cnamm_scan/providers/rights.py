"""Least-rights documents by provider, made without its SDK: a plan needs no cloud."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rights:
    """How a provider writes down what somebody may do."""

    base: tuple[str, ...]
    """What the provider asks before any collector does."""
    document: Callable[[Sequence[str]], Document]
    """The provider's own document that grants exactly these rights."""
    limit: int | None = None
    """Characters that one document may hold, white space not counted; None: no limit."""
    limit_of: str = ""
    """What the limit belongs to, in words."""
    by_code: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Codes of refusals that are of these rights, whatever was asked for: what the call itself takes would change nothing."""

    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Rights that no such document gives -> how they are granted, in the words of a command to a person."""

    def policy(self, needs: Sequence[str]) -> Document:
        """One document with these rights and the base."""
        return self.document(self._held(needs))

    def beside(self, needs: Sequence[str]) -> list[str]:
        """How those of these rights are granted that the document does not give."""
        return [self.elsewhere[each] for each in sorted({*needs}) if each in self.elsewhere]

    def _held(self, needs: Sequence[str]) -> list[str]:
        return sorted({*needs, *self.base} - self.elsewhere.keys())

    def parts(self, needs: Sequence[str]) -> list[Document]:
        """The same rights as as many documents as the limit asks for, in order."""
        rights = self._held(needs)
        made: list[Document] = []
        while rights:
            count = len(rights)
            while count > 1 and self.size(self.document(rights[:count])) > (self.limit or float("inf")):
                count -= 1
            made.append(self.document(rights[:count]))
            rights = rights[count:]
        return made

    @staticmethod
    def size(document: Document) -> int:
        """The characters of a document as a limit counts them."""
        return len(json.dumps(document, separators=(",", ":")))
