"""Signals: the first is remembered, the second does what it always did; nobody's handler is kept."""

from __future__ import annotations

import signal
import threading

import pytest

from cnamm_scan.stopping import SIGNALS, Stopping


def _handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_remembered_and_told_once(number: int) -> None:
    told: list[int] = []
    before = _handlers()
    with Stopping(every=True, told=lambda: told.append(1)) as stopping:
        stopping.hold()
        assert not stopping.wanted
        signal.raise_signal(number)
        assert stopping.wanted
    assert told == [1]
    assert _handlers() == before


@pytest.mark.parametrize("number", SIGNALS)
def test_before_there_is_something_to_lose_a_signal_interrupts(number: int) -> None:
    before = _handlers()
    with pytest.raises(KeyboardInterrupt), Stopping(every=True):
        signal.raise_signal(number)
    assert _handlers() == before


def test_the_second_signal_does_what_it_would_have_done() -> None:
    before = _handlers()
    with Stopping() as stopping:
        stopping.hold()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert stopping.wanted
    assert _handlers() == before


def test_a_library_leaves_to_its_host_what_would_end_the_process() -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with Stopping():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler


def test_who_ignores_hang_ups_goes_on_ignoring_them() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stopping(every=True) as stopping:
            signal.raise_signal(signal.SIGHUP)
            assert not stopping.wanted
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_handler_of_the_host_is_heard_too_and_given_back() -> None:
    heard: list[int] = []

    def own(number: int, frame: object) -> None:
        heard.append(number)

    before = signal.signal(signal.SIGTERM, own)
    try:
        with Stopping() as stopping:
            stopping.hold()
            signal.raise_signal(signal.SIGTERM)
            assert (stopping.wanted, heard) == (True, [])
            signal.raise_signal(signal.SIGTERM)
            assert heard == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_in_another_thread_nothing_is_heard() -> None:
    seen: list[object] = []

    def work() -> None:
        with Stopping(every=True) as stopping:
            seen.append(stopping.wanted)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
