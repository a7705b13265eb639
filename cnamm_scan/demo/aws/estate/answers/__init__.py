"""What the account answers where moto has no answer, or a wrong one, and an empty list would not do: data, or code by theme."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cnamm_scan.demo.aws.bed.holes import Answer, Answers, Ask, Given, Told
from cnamm_scan.demo.aws.estate.answers import guards, machines, records, services
from cnamm_scan.demo.aws.estate.answers.corrections import CORRECTIONS
from cnamm_scan.demo.dated import clock, documents

PLAIN = Path(__file__).with_name("plain.yaml")
ELSEWHERE, MOTO = "elsewhere", "leave to moto"


@dataclass(frozen=True)
class Plain:
    """An answer as the file has it, which is made anew for each request: its ages are seen from then."""

    where: str
    data: Any

    def __call__(self, ask: Ask) -> Given:
        """The answer in a region. Raises UsageError for an age that cannot be read."""
        said = self.data.get(ask.region, self.data[ELSEWHERE]) if ELSEWHERE in self.data else self.data
        if said == MOTO:
            return None
        if "error" in said:
            return Told(said["error"], said["message"], said.get("status", HTTPStatus.BAD_REQUEST))
        given: dict[str, Any] = clock().aged(said, self.where, lambda time: time.replace(microsecond=0))
        return given


@cache
def answers() -> Answers:
    """All of it. No operation is answered in two places: then this raises ValueError."""
    found: dict[tuple[str, str], Answer] = {}
    tables = [plain(), *(module.ANSWERS for module in (guards, machines, records, services))]
    for table in tables:
        twice = found.keys() & table.keys()
        if twice:
            message = f"{', '.join('.'.join(each) for each in sorted(twice))} are answered in two places, expected one"
            raise ValueError(message)
        found |= table
    return Answers(found, CORRECTIONS)


def plain() -> dict[tuple[str, str], Plain]:
    """The answers of the file."""
    [document] = documents(PLAIN)
    return {
        (service, operation): Plain(f"{PLAIN.name}, {service} {operation}", given)
        for service, operations in document.data.items()
        for operation, given in operations.items()
    }
