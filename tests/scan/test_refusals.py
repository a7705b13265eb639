"""What an unknown says besides its reason: the rights or calls that it is of, and where they were refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from cnamm_scan.judged.refusals import Refusals
from cnamm_scan.judged.scan import Scan
from cnamm_scan.model import Coverage, ResultBlock, Severity, Verdict, own_name
from tests.packs import BOX, content, rule

MADE = content(rule())
OTHER = "aws.lab.elsewhere"


def line(region: str = "r1", table: str = BOX, operation: str = "ListBoxes", reason: str = "denied") -> Coverage:
    gaps = {reason: 1} if reason else {}
    return Coverage(
        target="aws:1", region=region, table=table, part="list", operation=operation, status=reason or "ok", complete=not gaps, gaps=gaps
    )


def told(*coverage: Coverage, region: str = "r1", reason: str = "denied", rights: tuple[str, ...] = ("lab:ListBoxes",)) -> str:
    scan: Any = SimpleNamespace(content=MADE, compiled=(), coverage=coverage, rights=lambda line: rights)
    block = ResultBlock("aws.lab.r", BOX, "aws:1", region, Verdict.UNKNOWN, reason, Severity.HIGH, "safety.boxes-are-on")
    return Refusals(cast("Scan", scan)).of(block)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "denied: lab:ListBoxes"),
        ({"rights": ()}, "denied: lab:ListBoxes"),  # the call, where nothing says what it takes
        ({"rights": ("a:1", "a:2", "a:3", "a:4", "a:5")}, "denied: a:1, a:2, a:3 and 2 more"),
        ({"region": "global"}, "denied in r1: lab:ListBoxes"),  # of the whole account, and one region of it was refused
        ({"reason": "throttled"}, "throttled beyond retries"),  # no call of the ledger bears it
    ],
)
def test_it_names_what_was_refused(given: dict[str, Any], said: str) -> None:
    assert told(line(), line(table=OTHER, operation="ListOthers"), line("r2", reason=""), **given) == said


def test_what_was_no_refusal_is_told_by_its_call() -> None:
    assert told(line(reason="timed_out"), reason="timed_out") == "timed out: lab:ListBoxes"


def test_a_place_where_all_was_refused_is_told_as_one() -> None:
    shut = [line(operation=f"List{number}") for number in range(5)]
    assert told(*shut) == "denied, as every call there"
    assert told(*shut, region="global") == "denied in r1, as every call there"
    assert told(*shut, region="r2") == "another region may decide, r1: denied, as every call there"
    assert told(*shut, line(reason="")) == "denied: lab:ListBoxes"


def test_a_target_is_called_as_its_provider_calls_it() -> None:
    assert [own_name(each) for each in ("aws:1", "gcp:folders/5", "kubernetes:arn:aws:eks:x", "odd")] == [
        "1",
        "folders/5",
        "arn:aws:eks:x",
        "odd",
    ]
