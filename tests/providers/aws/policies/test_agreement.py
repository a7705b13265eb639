"""The evaluator and a second, plain one: whatever request the plain one lets in, the first has to have counted in."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings

from cnamm_scan.providers.aws.documents import iam_policy
from cnamm_scan.providers.aws.policies.documents import read
from cnamm_scan.providers.aws.policies.evaluate import reach
from cnamm_scan.providers.aws.policies.setting import Setting
from tests.examples import drawn
from tests.providers.aws.policies import naive
from tests.providers.aws.policies.strategies import documents, statements

Json = Any
SETTING = Setting(naive.ME, organisation=naive.OURS, now=naive.NOW)
repeatable = settings(derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


def _rank(word: str) -> int:
    return naive.RANKS.index(word)


@settings(repeatable, max_examples=drawn(500))
@given(documents())
def test_nobody_gets_in_who_was_not_counted_in(document: Json) -> None:
    found, plain = reach(read(document), SETTING), naive.reach(document)
    assert _rank(found.may_reach.value) >= _rank(plain)


@settings(repeatable, max_examples=drawn(250))
@given(statements("Allow"))
def test_a_single_statement_is_told_exactly(statement: Json) -> None:
    document = {"Version": "2012-10-17", "Statement": [statement]}
    found = reach(read(document), SETTING)
    assert (found.reach.value, found.may_reach.value) == (naive.reach(document),) * 2


@settings(repeatable, max_examples=drawn(300))
@given(statements("Allow", most=1), statements("Deny", most=1))
def test_a_statement_and_a_denial_are_told_exactly(allow: Json, deny: Json) -> None:
    document = {"Version": "2012-10-17", "Statement": [allow, deny]}
    found = reach(read(document), SETTING)
    assert (found.reach.value, found.may_reach.value) == (naive.reach(document),) * 2


@settings(repeatable, max_examples=drawn(250))
@given(documents())
def test_the_stored_form_means_what_the_document_means(document: Json) -> None:
    assert read(iam_policy(document)) == read(document)
