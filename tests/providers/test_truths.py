"""Three truths: an answer is known exactly where every way in which the unknown may turn out gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import pytest

from cnamm_scan.providers.truths import Truth, all_of, any_of, both, either, negated

EVERY = [list(each) for length in range(4) for each in product((True, False, None), repeat=length)]


def turned_out(truths: Sequence[Truth]) -> Iterator[tuple[bool, ...]]:
    """Every way in which they may turn out."""
    return product(*((True, False) if each is None else (each,) for each in truths))


@pytest.mark.parametrize("truths", EVERY, ids=str)
@pytest.mark.parametrize(
    ("ours", "theirs"), [(all_of, all), (any_of, any), (lambda each: both(*each), all), (lambda each: either(*each), any)]
)
def test_what_is_known_is_so_however_the_rest_turns_out(
    truths: list[Truth], ours: Callable[[Sequence[Truth]], Truth], theirs: Callable[[Sequence[bool]], bool]
) -> None:
    answers = {theirs(each) for each in turned_out(truths)}
    assert ours(truths) == (answers.pop() if len(answers) == 1 else None)


def test_not_turns_what_is_known() -> None:
    assert [negated(each) for each in (True, False, None)] == [False, True, None]


@pytest.mark.parametrize(("ours", "decides"), [(all_of, False), (any_of, True)])
def test_nobody_is_asked_after_one_decides(ours: Callable[[Iterator[Truth]], Truth], decides: bool) -> None:
    asked = iter([None, decides, None])
    assert ours(asked) is decides
    assert len(list(asked)) == 1
