"""Providers without a network, for what no server says: they answer as they are told, and say what they could not show."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cnamm_scan.model import Content, Reason, Region, Target
from cnamm_scan.providers.interface import Absent, Answer, CallFailedError, Request, Unread, code_matches

Told = Answer | CallFailedError
OWN = Target("aws:lab", "aws", "lab")


@dataclass
class Teller:
    """One target, or several. `answers` are pages by operation, or operation and parameters: `ListPieces a`, `ListPieces a @ aws:lab`."""

    answers: Mapping[str, Told | Sequence[Told]]
    name: str = "aws"
    targets: Sequence[Target] = (OWN,)
    region_table: str | None = None
    normalisers: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    closed: bool = False
    places: Mapping[str, Sequence[Region] | CallFailedError] = field(default_factory=dict)
    """The regions of targets, by their names."""
    hidden: Mapping[str, Unread] = field(default_factory=dict)
    later: Mapping[str, Told | Sequence[Told]] = field(default_factory=dict)
    """What the same question is answered when it is asked again."""
    asked: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def regions(self, target: Target) -> Sequence[Region]:
        found = self.places.get(target.name, ())
        if isinstance(found, CallFailedError):
            raise found
        return found

    def default_regions(self) -> Sequence[str]:
        return ()

    def home_region(self) -> str:
        return "here"

    def variables(self, target: Target, region: str) -> Mapping[str, str]:
        return {"$account": target.name, "$region": region, "$target": target.id}

    def hear(self, content: Content) -> None:
        pass

    def unread(self, content: Content, tables: Iterable[str]) -> Mapping[str, Unread]:
        return {name: each for name, each in self.hidden.items() if name in tables}

    def call(self, request: Request) -> Answer:
        with self._lock:
            is_again = request in self.asked or (request.page is not None and self.asked.count(replace(request, page=None)) > 1)
            self.asked.append(request)
        answers = {**self.answers, **self.later} if is_again else self.answers
        asked = " ".join([request.operation, *map(str, request.parameters.values())])
        names = (f"{asked} @ {request.target}", f"{request.operation} @ {request.target}", asked, request.operation)
        return self._told(answers, next(name for name in names if name in answers), request.page or 0)

    def read(self, name: str, request: Request) -> Answer:
        return self._told(self.answers, name, 0)

    def _told(self, answers: Mapping[str, Told | Sequence[Told]], name: str, page: int) -> Answer:
        told = answers[name]
        pages = told if isinstance(told, Sequence) else [told]
        answer = pages[page]
        if isinstance(answer, CallFailedError):
            raise answer
        return replace(answer, next_page=page + 1) if page + 1 < len(pages) else answer

    def trials(self, request: Request) -> None:
        return None

    def absentees(self) -> Sequence[Absent]:
        return ()

    def files(self) -> Mapping[str, str]:
        return {}

    def sent(self) -> Mapping[str, int]:
        return Counter(request.target for request in self.asked)

    def matches(self, failure: CallFailedError, codes: Sequence[str]) -> bool:
        return code_matches(failure, codes)

    def close(self) -> None:
        self.closed = True


def listed(name: str, *items: Any, **more: Any) -> Answer:
    """An answer whose items stand under a name."""
    return Answer({name: list(items)}, **more)


def refused(reason: Reason = Reason.DENIED, code: str = "Refused") -> CallFailedError:
    return CallFailedError(reason, code)
