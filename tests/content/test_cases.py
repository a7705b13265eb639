"""Every case that stands in a shipped rule, as `cnamm-scan content test` runs them; here a service at a time, on all cores."""

from __future__ import annotations

import pytest

from cnamm_scan.content import reader
from cnamm_scan.engine.lint import run_tests

SHIPPED = reader.load()


def _service(name: str) -> str:
    return name.rpartition(".")[0]


@pytest.mark.parametrize("service", sorted({_service(name) for name in SHIPPED.rules}))
def test_a_rule_says_of_its_cases_what_they_expect(service: str) -> None:
    rules = [rule for name, rule in SHIPPED.rules.items() if _service(name) == service]
    ran = list(run_tests(SHIPPED, rules))
    assert {case.rule for case in ran} == {rule.id for rule in rules}, "no rule is without cases"
    assert [f"{case.rule} {case.case}: got {case.got}, expected {case.expected}" for case in ran if not case.passed] == []
