"""Fills the holes of moto with an account's own answers: what a request asks for, a table in, the bytes that go back out.

Runs in moto's process. The table is the estate's; see `MotoServer`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

from cnamm_scan.demo.aws.bed.fill import Filled, empty, filled, is_read
from cnamm_scan.demo.aws.bed.identify import Identity, Request
from cnamm_scan.demo.aws.bed.refusals import Refusal, worded


@dataclass(frozen=True)
class Ask:
    """One request as the answers look at it."""

    region: str
    fields: dict[str, Any]  # of body and query, by their names on the wire
    path: tuple[str, ...] = ()  # decoded segments


@dataclass(frozen=True)
class Told:
    """An error by which AWS says that there is none."""

    code: str
    message: str
    status: int = HTTPStatus.BAD_REQUEST


Given = dict[str, Any] | Told | None
"""Values by the names of the output shape; an error; or nothing, which leaves the answer to moto."""
Answer = dict[str, Any] | Told | Callable[[Ask], Given]
"""One entry of the table: what is given, or what makes it of the request."""
Correct = Callable[[bytes, str], bytes]
"""Puts into moto's body what moto cannot know; also gets the region."""


@dataclass(frozen=True)
class Answers:
    """What an account answers in place of moto, and what is put into moto's answers; by boto3's client name and operation."""

    given: Mapping[tuple[str, str], Answer]
    corrections: Mapping[tuple[str, str], Correct]

    def by_hand(self, request: Request, identity: Identity) -> Filled | Refusal | None:
        """The answer of the table, None when moto is to answer; called before moto is asked."""
        given = self.given.get((identity.service, identity.operation))
        if given is None:
            return None
        value = given(_ask(request, identity)) if callable(given) else given
        if value is None:
            return None
        if isinstance(value, Told):
            return worded(identity, value.status, value.code, value.message)
        return filled(identity, value)

    def corrected(self, identity: Identity, status: str, body: bytes) -> bytes:
        """Moto's answer, with what it cannot know put in."""
        correct = self.corrections.get((identity.service, identity.operation))
        return correct(body, identity.region) if correct is not None and status.startswith("200") else body


def from_nothing(identity: Identity) -> Filled | None:
    """The answer of an account that has none of it, None when the operation does more than look."""
    return filled(identity, empty(identity)) if is_read(identity) else None


def _ask(request: Request, identity: Identity) -> Ask:
    fields: dict[str, Any] = dict(request.query)
    if request.body[:1] == b"{":
        fields |= json.loads(request.body)
    elif identity.protocol in {"query", "ec2"}:
        fields |= dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    return Ask(identity.region, fields, tuple(unquote(part) for part in request.path.strip("/").split("/")))
