"""A provider without a network, for what no server says: it answers as it is told, and says what it could not show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cnamm_scan.model import Reason, Region, Target
from cnamm_scan.providers.interface import Answer, CallFailedError, Request, code_matches

Told = Answer | CallFailedError
OWN = Target("aws:lab", "aws", "lab")


@dataclass
class Teller:
    """One target. `answers` are pages by operation, or by operation and its parameters: `ListPieces a`."""

    answers: Mapping[str, Told | Sequence[Told]]
    name: str = "aws"
    target: Target = OWN
    region_table: str | None = None
    normalisers: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    closed: bool = False

    def regions(self) -> Sequence[Region]:
        return ()

    def default_regions(self) -> Sequence[str]:
        return ()

    def home_region(self) -> str:
        return "here"

    def variables(self, region: str) -> Mapping[str, str]:
        return {"$account": self.target.name, "$region": region}

    def call(self, request: Request) -> Answer:
        asked = " ".join([request.operation, *map(str, request.parameters.values())])
        return self._told(asked if asked in self.answers else request.operation, request.page or 0)

    def read(self, name: str, region: str) -> Answer:
        return self._told(name, 0)

    def _told(self, name: str, page: int) -> Answer:
        told = self.answers[name]
        pages = told if isinstance(told, Sequence) else [told]
        answer = pages[page]
        if isinstance(answer, CallFailedError):
            raise answer
        return replace(answer, next_page=page + 1) if page + 1 < len(pages) else answer

    def matches(self, failure: CallFailedError, codes: Sequence[str]) -> bool:
        return code_matches(failure, codes)

    def close(self) -> None:
        self.closed = True


def listed(name: str, *items: Any, **more: Any) -> Answer:
    """An answer whose items stand under a name."""
    return Answer({name: list(items)}, **more)


def refused(reason: Reason = Reason.DENIED, code: str = "Refused") -> CallFailedError:
    return CallFailedError(reason, code)
