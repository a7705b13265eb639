"""What is said to be gone: proven by its listing asked again, counted, and unread wherever the proof fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.errors import ContentError
from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import Answer, CallFailedError
from tests.answers import Teller, Told, listed, refused
from tests.engine.test_collect import MANY, Done, left_by, packed

THINGS = """
    aws.lab.thing:
      about: Things.
      once_per: account
      list: {call: ListThings, items: Things, needs: lab:ListThings, absent_on: [NoThings]}
      key: '{Name}'
      then:
        detail: {call: GetThing, with: {Name: Name}, needs: lab:GetThing, gone_on: [NotFound]}
        policy: {call: GetPolicy, with: {Name: Name}, fixed: {PolicyName: default}, needs: lab:GetPolicy, gone_on: [NotFound]}
        marks: {call: GetMarks, with: {Id: detail.Id}, needs: lab:GetMarks}
      columns:
        name: {type: text, is: state || policy || mark}
        state: {type: text, from: detail.State, absent: none}
        policy: {type: text, from: policy.Policy, absent: none}
        mark: {type: text, from: marks.Mark, absent: none}
    aws.lab.piece:
      about: Pieces.
      once_per: account
      list: {for: aws.lab.thing, call: ListPieces, with: {Thing: parent.Name}, items: Pieces, needs: lab:ListPieces, gone_on: [NotFound]}
      key: '{parent.Name}/{Name}'
      columns: {name: {type: text, from: Name}, of: {type: text, from: parent.Name}}
"""
NOT_FOUND = refused(Reason.COLLECTOR_BUG, "NotFound")
BOTH, ONE = listed("Things", {"Name": "a"}, {"Name": "b"}), listed("Things", {"Name": "a"})
FOUND: Mapping[str, Told] = {
    "ListThings": BOTH,
    "GetThing": Answer({"State": "On", "Id": "1"}),
    "GetPolicy": Answer({"Policy": "p"}),
    "GetMarks": Answer({"Mark": "m"}),
    "ListPieces": listed("Pieces", {"Name": "x"}),
}


def asked(folder: Path, answers: Mapping[str, Any], later: Mapping[str, Told | Sequence[Told]], facts: str = THINGS) -> tuple[Done, Teller]:
    teller = Teller({**FOUND, **answers}, later=later)
    return left_by(folder, facts, teller, *(name for name in ("thing", "piece") if f"aws.lab.{name}" in facts)), teller


def relisted(teller: Teller) -> int:
    return sum(request.operation == "ListThings" and request.page is None for request in teller.asked) - 1


@pytest.mark.parametrize("operation", ["GetThing", "GetPolicy"])
def test_what_its_listing_does_not_name_any_more_is_gone_and_counted(tmp_path: Path, operation: str) -> None:
    done, teller = asked(tmp_path, {f"{operation} b": NOT_FOUND, "GetPolicy default b": NOT_FOUND}, {"ListThings": ONE})
    assert [fact["key"] for fact in done.of("thing")] == ["a"]
    assert [fact["key"] for fact in done.of("piece")] == ["a/x"]
    assert sum(line.gone for line in done.kept.lines) == 1
    assert all(line.complete for line in done.kept.lines)
    assert relisted(teller) == 1


def test_a_name_that_nobody_listed_proves_nothing(tmp_path: Path) -> None:
    """A policy is asked for by a name that was made up: that there is none of this name says nothing of the thing."""
    done, teller = asked(tmp_path, {"GetPolicy default b": NOT_FOUND}, {})
    assert {fact["key"]: fact["gaps"] for fact in done.of("thing")} == {"a": {}, "b": {"policy": Reason.NOT_FOUND}}
    assert [fact["key"] for fact in done.of("piece")] == ["a/x", "b/x"]
    line = done.line("thing", "policy", "global")
    assert (line.complete, line.gaps, line.code, line.gone) == (False, {"not_found": 1}, "NotFound", 0)
    assert relisted(teller) == 1


def test_what_would_follow_from_what_is_not_gone_is_unread_with_it(tmp_path: Path) -> None:
    done, _ = asked(tmp_path, {"GetThing b": NOT_FOUND}, {})
    gaps = {fact["key"]: fact["gaps"] for fact in done.of("thing")}
    assert gaps["b"] == {"detail": Reason.NOT_FOUND, "marks": Reason.NOT_FOUND}


UNPROVEN: Mapping[str, Told | Sequence[Told]] = {
    "denied": refused(),
    "cut short": listed("Things", {"Name": "a"}, rest=Reason.TRUNCATED),
    "a page that is denied": [ONE, refused()],
    "there on the second page": [ONE, listed("Things", {"Name": "b"})],
    "cut short on the first page": [listed("Things", {"Name": "a"}, rest=Reason.TRUNCATED), listed("Things", {"Name": "c"})],
    "one left out": listed("Things", {"Name": "a"}, left_out=Reason.MALFORMED),
    "one left out of the first page": [listed("Things", {"Name": "a"}, left_out=Reason.MALFORMED), listed("Things", {"Name": "c"})],
    "one that is no item": Answer({"Things": [{"Name": "a"}, None]}),
    "one without a name": listed("Things", {"Name": "a"}, {"Color": "red"}),
    "one without a name on the first page": [listed("Things", {"Name": "a"}, {"Color": "red"}), listed("Things", {"Name": "c"})],
}


@pytest.mark.parametrize("case", UNPROVEN)
def test_a_listing_that_ends_badly_proves_nothing(tmp_path: Path, case: str) -> None:
    done, _ = asked(tmp_path, {"GetThing b": NOT_FOUND}, {"ListThings": UNPROVEN[case]})
    assert [fact["key"] for fact in done.of("thing")] == ["a", "b"]
    assert sum(line.gone for line in done.kept.lines) == 0


@pytest.mark.parametrize("later", [listed("Things"), refused(Reason.COLLECTOR_BUG, "NoThings")])
def test_none_at_all_is_a_proof(tmp_path: Path, later: Told) -> None:
    done, _ = asked(tmp_path, {"GetThing": NOT_FOUND}, {"ListThings": later})
    assert done.of("thing") == []
    assert done.line("thing", "detail", "global").gone == 2


def test_of_a_sample_nobody_is_proven_to_be_gone(tmp_path: Path) -> None:
    facts = THINGS.replace("items: Things,", "items: Things, at_most: 2,")
    done, _ = asked(tmp_path, {"GetThing b": NOT_FOUND}, {"ListThings": listed("Things", {"Name": "c"}, {"Name": "d"})}, facts)
    assert [fact["key"] for fact in done.of("thing")] == ["a", "b"]


@pytest.mark.parametrize(("later", "ghosts", "gone"), [({"ListThings": ONE}, [], 1), ({}, [("global", Reason.NOT_FOUND)], 0)])
def test_what_lives_beneath_what_is_gone_is_none_and_unread_beneath_what_is_not(
    tmp_path: Path, later: Mapping[str, Told], ghosts: list[Any], gone: int
) -> None:
    done, _ = asked(tmp_path, {"ListPieces b": NOT_FOUND}, later)
    assert [fact["key"] for fact in done.whole("piece")] == ["a/x"]
    assert done.ghosts("piece") == ghosts
    assert [fact["data"] for fact in done.of("piece") if "list" in fact["gaps"]] == [{"parent": {"Name": "b"}} for _ in ghosts]
    assert done.line("piece", region="global").gone == gone


@pytest.mark.parametrize(
    ("facts", "later", "there"),
    [
        (MANY, {"ListThings": ONE}, {"a": {}}),
        (MANY, {}, {"a": {}, "b": {"status": Reason.NOT_FOUND}}),
        (MANY.replace("by: Name", "by: Name, left_out: no_row"), {}, {"a": {}}),
    ],
)
def test_whom_an_answer_for_many_leaves_out_is_gone_unread_or_has_none(
    tmp_path: Path, facts: str, later: Mapping[str, Told], there: Mapping[str, Any]
) -> None:
    done, _ = asked(tmp_path, {"GetAll": listed("All", {"Name": "a"})}, later, facts)
    assert {fact["key"]: fact["gaps"] for fact in done.of("thing")} == there


def test_nothing_is_listed_again_where_nothing_is_said_to_be_gone(tmp_path: Path) -> None:
    _, teller = asked(tmp_path, {"GetThing b": CallFailedError(Reason.DENIED, "Refused")}, {})
    assert relisted(teller) == 0


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (THINGS.replace("absent_on: [NoThings]", "gone_on: [NoThings]"), "nothing was listed before"),
        (
            THINGS.replace("gone_on: [NotFound]}\n        policy", "gone_on: [NotFound], absent_on: [NotFound]}\n        policy"),
            "cannot mean both",
        ),
        (MANY.replace("by: Name", "by: Name, gone_on: [NotFound]"), "says of none of them"),
        (THINGS.replace("with: {Name: Name}, needs", "with: {Name: Name}, left_out: no_row, needs", 1), "belongs to a part with 'many'"),
    ],
)
def test_what_could_prove_nothing_is_refused(tmp_path: Path, facts: str, said: str) -> None:
    with pytest.raises(ContentError, match=said):
        packed(tmp_path, facts)
