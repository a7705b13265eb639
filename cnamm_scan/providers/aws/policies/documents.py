"""A policy document as frozen statements, read from what AWS answers or from what a bundle keeps of it.

The elements: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html. Both forms are taken: the document itself
(a mapping or its JSON text) and the form that facts keep, whose keys are in lower case and whose lists are always lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnamm_scan.providers.aws.documents import VARIABLES_SINCE, iam_policy
from cnamm_scan.providers.aws.policies.conditions import Test, read_tests, written
from cnamm_scan.providers.aws.policies.once import once
from cnamm_scan.providers.aws.policies.patterns import EVERYTHING, Names

Json = Any


@dataclass(frozen=True, slots=True)
class Principals:
    """Who is named by Principal or NotPrincipal.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """

    aws: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    federated: tuple[str, ...] = ()
    canonical: tuple[str, ...] = ()
    anybody: bool = False
    """`"*"` or `{"AWS": "*"}`, which mean the same."""

    def __bool__(self) -> bool:
        return bool(self.anybody or self.aws or self.services or self.federated or self.canonical)


NO_PRINCIPALS = Principals()


@dataclass(frozen=True)
class Statement:
    """One statement: what it grants or refuses, to whom, and when."""

    allows: bool
    actions: Names
    """In lower case, since actions are compared so."""
    resources: Names
    principals: Principals
    excepted: Principals
    """NotPrincipal."""
    tests: tuple[Test, ...]
    sid: str = ""
    readable: bool = True
    """False where an element could not be understood; it may then mean more than is seen here."""
    spelled: tuple[str, ...] = field(default=(), compare=False)
    """The actions as they were written, in the order of `actions`: for people."""

    @once
    def pieces(self) -> tuple[tuple[str | None, str | None], ...]:
        """Each action with each resource: what may be granted or taken away on its own; none for "everything but everything"."""
        if self.actions.is_empty or self.resources.is_empty:
            return ()
        return tuple((action, resource) for action in self.actions.pieces for resource in self.resources.pieces)

    def covers(self, other: Statement) -> int:
        """Which of the other's pieces are wholly within this statement's actions and resources, as a bit mask."""
        if self.actions.is_all and self.resources.is_all:
            return (1 << len(other.pieces)) - 1
        made = 0
        for at, (action, resource) in enumerate(other.pieces):
            if self.actions.covers_piece(action, other.actions.listed) and self.resources.covers_piece(resource, other.resources.listed):
                made |= 1 << at
        return made


@dataclass(frozen=True)
class Document:
    """A policy: its statements in the order written, which decides nothing."""

    statements: tuple[Statement, ...]
    readable: bool = True
    """False for what is no policy, or holds something that is no statement: nothing is proven by it."""

    @once
    def allows(self) -> tuple[Statement, ...]:
        """The statements that grant."""
        return tuple(each for each in self.statements if each.allows)

    @once
    def denies(self) -> tuple[Statement, ...]:
        """The statements that refuse."""
        return tuple(each for each in self.statements if not each.allows)

    @once
    def _by_service(self) -> dict[str, tuple[Statement, ...]]:
        return {}

    def about_service(self, service: str) -> tuple[Statement, ...]:
        """The statements that may speak of a service's actions, those that are not understood among them."""
        found = self._by_service.get(service)
        if found is None:
            found = tuple(
                each for each in self.statements if not each.readable or (heads := each.actions.heads) is None or service in heads
            )
            self._by_service[service] = found
        return found

    @once
    def tests(self) -> tuple[Test, ...]:
        """Every test of every statement."""
        return tuple(test for each in self.statements for test in each.tests)


NOTHING = Document(())
"""No policy at all, and a policy without statements."""
UNREADABLE = Document((), readable=False)


def _stored(value: Mapping[str, Json]) -> bool:
    """Whether it is already the form that facts keep; reading that twice would turn its principals inside out."""
    statements = value.get("statement")
    return (
        "version" in value
        and isinstance(statements, list)
        and all(isinstance(each, Mapping) and "notaction" in each for each in statements)
    )


def _readable(raw: Json) -> bool:
    if not isinstance(raw, Mapping):
        return True  # text: the normaliser has parsed it
    statements: Json = next((part for key, part in raw.items() if str(key).lower() == "statement"), [])
    return isinstance(statements, Mapping) or (isinstance(statements, list) and all(isinstance(each, Mapping) for each in statements))


def read(value: Json) -> Document:
    """A document from a mapping, its JSON text, or its stored form; None (no policy) is a document that says nothing.

    Never raises: what is no policy comes back as one that is not `readable`, of which every question is answered with unknown.
    """
    if value is None:
        return NOTHING
    if isinstance(value, list):  # statements on their own, as some facts keep them
        value = {"version": VARIABLES_SINCE, "statement": value}
    stored = value if isinstance(value, Mapping) and _stored(value) else iam_policy(value)
    if not isinstance(stored, Mapping):
        return UNREADABLE
    variables = str(stored["version"]) >= VARIABLES_SINCE
    return Document(tuple(_statement(each, variables) for each in stored["statement"]), readable=_readable(value))


def _statement(stored: Mapping[str, Json], variables: bool) -> Statement:
    effect = stored.get("effect")
    tests = read_tests(stored.get("condition") or {}, variables)
    actions = _names(stored, "action", "notaction", str.lower)
    spelled = {each.lower(): each for each in reversed(stored.get("action") or stored.get("notaction") or [])}
    resources = _names(stored, "resource", "notresource", lambda each: written(each, variables))
    return Statement(
        allows=effect == "Allow",
        actions=actions or Names(()),
        resources=resources or EVERYTHING,
        principals=_principals(stored.get("principal")),
        excepted=_principals(stored.get("notprincipal")),
        tests=tests,
        sid=str(stored.get("sid") or ""),
        readable=effect in ("Allow", "Deny") and actions is not None and not (stored.get("action") and stored.get("notaction")),
        spelled=tuple(spelled.get(each, each) for each in actions.listed) if actions is not None else (),
    )


def _names(stored: Mapping[str, Json], listed: str, but: str, made: Callable[[str], str]) -> Names | None:
    positive, negative = stored.get(listed) or [], stored.get(but) or []
    if not positive and not negative:
        return None
    chosen: Sequence[str] = positive or negative
    return Names(tuple(dict.fromkeys(map(made, chosen))), but=not positive)


def _principals(stored: Json) -> Principals:
    if not isinstance(stored, Mapping) or not any(stored.values()):
        return NO_PRINCIPALS
    aws = tuple(stored.get("aws") or ())
    return Principals(
        aws=tuple(each for each in aws if each != "*"),
        services=tuple(each.lower() for each in stored.get("service") or ()),
        federated=tuple(stored.get("federated") or ()),
        canonical=tuple(stored.get("canonicaluser") or ()),
        anybody=bool(stored.get("any")) or "*" in aws,
    )
