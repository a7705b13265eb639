"""Content is found by words: those of its ids, titles, tags, benchmarks and reasons, the best match first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan import content as reader
from cnamm_scan.content.search import KINDS, search, stem, words
from cnamm_scan.model import Content
from tests.packs import content, rule


@pytest.fixture(scope="module")
def pocket() -> Content:
    return content(
        rule(
            "key_rotation",
            title="Keys turn",
            why="An old key opens more.",
            references=["https://example.org/", "CIS AWS Foundations 5.0.0 3.6"],
        ),
        rule("mfa", title="Key holders have a second factor", why="Rotation is no help."),
        rule("egress", title="Boxes may not call out", why="Keys leak that way."),
    )


def _ids(found: Content, *asked: str, kinds: tuple[str, ...] = ("rules",)) -> list[str]:
    return [hit.id.removeprefix("aws.lab.") for hit in search(found, asked, kinds)]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["egress"], ["egress"]),
        (["EGRESS"], ["egress"]),
        (["rotates"], ["key_rotation", "mfa"]),
        (["key"], ["key_rotation", "mfa", "egress"]),
        (["second", "factor"], ["mfa"]),
        (["second factor"], ["mfa"]),
        (["rotation", "second"], ["mfa"]),
        (["egr"], ["egress"]),
        (["eg"], []),
        (["egress", "rotation"], []),
        (["3.6"], ["key_rotation"]),
        (["cis"], ["key_rotation"]),
        (["..."], []),
        ([], []),
    ],
)
def test_words_find_rules_the_best_first(pocket: Content, asked: list[str], found: list[str]) -> None:
    assert _ids(pocket, *asked) == found


def test_every_kind_can_be_found(pocket: Content) -> None:
    (table,) = search(pocket, ["aws.lab.box"], ["tables"])[:1]
    assert (table.kind, table.id) == ("tables", "aws.lab.box")
    objective = next(iter(pocket.objectives.values()))
    assert objective.id in {hit.id for hit in search(pocket, [objective.title], ["objectives"])}


@pytest.mark.parametrize(
    "family", [("rotates", "rotation", "rotate", "rotated", "rotating"), ("encrypted", "encryption", "encrypts"), ("policy", "policies")]
)
def test_the_forms_of_a_word_are_one(family: tuple[str, ...]) -> None:
    assert len({stem(word) for word in family}) == 1


def test_what_ships_is_found_by_its_own_name() -> None:
    shipped = reader.load()
    for each in list(shipped.rules.values())[::150]:
        assert search(shipped, [each.id], ["rules"])[0].score > 0
        assert each.id in {hit.id for hit in search(shipped, [each.title])}


@given(st.lists(st.text(max_size=20), max_size=4))
def test_any_words_give_a_sorted_answer_and_more_words_no_more_hits(pocket: Content, asked: list[str]) -> None:
    found = search(pocket, asked)
    assert found == sorted(found, key=lambda hit: (-hit.score, KINDS.index(hit.kind), hit.id))
    if words(" ".join(asked[:-1])):
        assert {hit.id for hit in found} <= {hit.id for hit in search(pocket, asked[:-1])}
