"""Credentials that end while many ask with them: how often they are renewed, and when nothing more is tried."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.renewing import NOT_RENEWED, Renewing


class Door:
    """Takes some tokens; a renewal gives out the next."""

    def __init__(self) -> None:
        self.token = 0
        self.taken = {0}
        self.renewing = Renewing(self.renew)

    def renew(self) -> bool:
        self.token += 1
        return True

    def call(self) -> int:
        if self.token not in self.taken:
            raise CallFailedError(Reason.CREDENTIALS, "Expired")
        return self.token

    def ask(self, before: Callable[[], object] = lambda: None) -> int:
        """One question; `before` happens between sending the token and the answer."""

        def call() -> int:
            sent = self.call()
            before()
            return sent

        return self.renewing.ask(call)


def test_what_was_never_taken_is_not_renewed() -> None:
    door = Door()
    door.taken = set()
    with pytest.raises(CallFailedError):
        door.ask()
    assert door.token == 0


def test_what_was_taken_is_renewed_each_time_that_it_ends() -> None:
    door = Door()
    assert door.ask() == 0
    for number in (1, 2, 3):
        door.taken = {number}
        assert door.ask() == number


def test_many_that_are_refused_at_once_renew_once() -> None:
    door, together = Door(), Barrier(8)
    door.ask()
    door.taken = {1}

    def refused_together() -> int:
        def call() -> int:
            sent = door.token
            if sent == 0:
                together.wait()
                raise CallFailedError(Reason.CREDENTIALS, "Expired")
            return sent

        return door.renewing.ask(call)

    with ThreadPoolExecutor(8) as pool:
        assert [each.result() for each in [pool.submit(refused_together) for _ in range(8)]] == [1] * 8


def test_an_answer_to_the_old_ones_says_nothing_of_the_new() -> None:
    door = Door()
    door.ask()

    def ended() -> None:
        door.taken = {1}
        assert door.ask(door.taken.clear) == 1  # the new ones were taken, once
        with pytest.raises(CallFailedError):
            door.ask()

    assert door.ask(ended) == 0  # an answer that was long on its way
    with pytest.raises(CallFailedError):
        door.ask()
    assert door.token == 2, "renewed for the one that ended, and once more, and then given up"


def test_a_refusal_of_something_else_shows_that_the_credentials_are_taken() -> None:
    door = Door()

    def forbidden() -> int:
        door.call()
        raise CallFailedError(Reason.DENIED, "Forbidden")

    with pytest.raises(CallFailedError):
        door.renewing.ask(forbidden)
    door.taken = {1}
    assert door.ask() == 1


def test_what_could_not_be_renewed_is_not_tried_again() -> None:
    door = Door()
    door.ask()

    def broken() -> int:
        raise CallFailedError(Reason.CREDENTIALS, NOT_RENEWED)

    with pytest.raises(CallFailedError):
        door.renewing.ask(broken)
    assert door.token == 0
