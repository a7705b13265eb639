"""By what a statement is narrowed: the kinds of condition that hold for some and fail for strangers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cnamm_scan.providers.aws.policies.callers import Caller, Cast, Kind
from cnamm_scan.providers.aws.policies.conditions import FALSE, Look, Test, judge
from cnamm_scan.providers.aws.policies.documents import Document, Statement
from cnamm_scan.providers.aws.policies.evaluate import Case, forced, requests
from cnamm_scan.providers.aws.policies.keys import (
    ACCOUNT_KEYS,
    ARN_KEYS,
    EVENT_TOKEN,
    MOUNT_TARGET,
    NETWORK_KEYS,
    ORG_KEYS,
    PATH_KEYS,
    Bound,
    bound_of,
)
from cnamm_scan.providers.aws.policies.patterns import tidy
from cnamm_scan.providers.aws.policies.setting import Truth
from cnamm_scan.providers.aws.policies.tokens import CLUSTER, STRANGER, token_callers

_WHO = ACCOUNT_KEYS | ORG_KEYS | PATH_KEYS | ARN_KEYS | NETWORK_KEYS | {EVENT_TOKEN, MOUNT_TARGET, "aws:userid"}


def _is_stranger(caller: Caller) -> bool:
    named = caller.account or caller.arn or caller.source or caller.organisation
    return caller.kind is not Kind.CANONICAL and not named


def _looks(cast: Cast, callers: Iterable[Caller]) -> list[Look]:
    networks = [each for each in cast.networks if each.is_open] or cast.networks
    return requests(callers, networks, cast)


def _token_strangers(document: Document, statement: Statement) -> Iterator[Caller]:
    for provider in statement.principals.federated:
        yield from (each for each in token_callers(provider, document.tests) if each.guest in (STRANGER, CLUSTER))


def binds(test: Test, looks: list[Look]) -> bool:
    """Whether the test shuts somebody out: every stranger, if it speaks of who asks; else whoever lacks the key."""
    if test.key in _WHO or "." in test.key:
        return bool(looks) and all(judge(test, look) == FALSE for look in looks)
    if not test.known or test.when_missing or test.kind == "null":
        return False
    return bool(test.values) and not any(test.how == "like" and tidy(value) == "*" for value in test.values)


def narrowed_by(case: Case, cast: Cast) -> frozenset[Bound]:
    """The kinds of narrowing of one statement that allows: its own conditions', and those of what refuses everybody else."""
    statement = case.statement
    if not cast.tests:
        return frozenset()
    looks = _looks(cast, [*filter(_is_stranger, cast.callers), *_token_strangers(cast.document, statement)])
    made = {bound_of(test.key) for test in statement.tests if binds(test, looks)}
    whole = (1 << len(statement.pieces)) - 1
    for deny, mask in case.denies:
        if deny.tests and mask == whole and any(forced(deny.tests, look) is Truth.YES for look in looks):
            made |= {bound_of(test.key) for test in deny.tests}
    return frozenset(made)
