"""The pool of calls: every call ends exactly once, retries stop, rates hold, and what is hopeless is not asked."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.engine import schedule
from cnamm_scan.engine.schedule import DARK_AFTER, RETRY_BASE, RETRY_CAP, Limits, Outcome, Scheduler, _Bucket, pause_before
from cnamm_scan.errors import CredentialsError
from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import Answer, CallFailedError, NotYetError, Request

QUICK = Limits(concurrency=4, rate=10_000, burst=10_000, attempts=3, deadline=5)
Ask = Callable[[Request], Answer]


def request(number: int = 0, client: str = "s3", region: str = "us-east-1") -> Request:
    return Request(client, "GetThing", region, {"n": number})


def answered(asked: Request) -> Answer:
    return Answer(dict(asked.parameters))


class Failing:
    """Fails the first `times` calls of a request, then answers; `calls` counts what came in."""

    def __init__(self, reason: Reason, times: int = 1_000, *, retry: bool = True, after: float | None = 0.0) -> None:
        self.reason, self.times, self.retry, self.after = reason, times, retry, after
        self.calls = 0
        self.lock = threading.Lock()

    def __call__(self, asked: Request) -> Answer:
        with self.lock:
            self.calls += 1
            is_failing = self.calls <= self.times
        if is_failing:
            raise CallFailedError(self.reason, "Planted", retry=self.retry, after=self.after)
        return answered(asked)


def run(limits: Limits, *asks: tuple[Request, Ask]) -> tuple[Scheduler, list[Outcome]]:
    """All these calls through one scheduler; their outcomes in the order of the calls."""
    scheduler = Scheduler(limits)
    found: dict[int, Outcome] = {}

    def keep(number: int) -> Callable[[Outcome], None]:
        def then(outcome: Outcome) -> None:
            assert number not in found, "an outcome came twice"
            found[number] = outcome

        return then

    for number, (asked, ask) in enumerate(asks):
        scheduler.submit(asked, ask, keep(number), depth=0)
    scheduler.run()
    return scheduler, [found[number] for number in range(len(asks))]


# ---- every call ends once ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 16])
def test_every_call_ends_exactly_once(concurrency: int) -> None:
    limits = Limits(concurrency=concurrency, rate=10_000, burst=10_000)
    scheduler, outcomes = run(limits, *[(request(n), answered) for n in range(300)])
    assert [outcome.answer.data["n"] for outcome in outcomes if outcome.answer] == list(range(300))
    assert scheduler.retries_of.total() == 0
    assert all(outcome.failure is None and outcome.retries == 0 for outcome in outcomes)


def test_callbacks_may_ask_more_and_run_waits_for_it() -> None:
    scheduler = Scheduler(QUICK)
    seen: Counter[int] = Counter()
    lock = threading.Lock()

    def then(outcome: Outcome) -> None:
        assert outcome.answer is not None
        depth = outcome.answer.data["n"]
        with lock:
            seen[depth] += 1
        if depth < 4:
            for _ in range(3):
                scheduler.submit(request(depth + 1), answered, then, depth=depth + 1)

    scheduler.submit(request(0), answered, then, depth=0)
    scheduler.run()
    assert seen == {0: 1, 1: 3, 2: 9, 3: 27, 4: 81}


def test_deeper_calls_go_first() -> None:
    scheduler = Scheduler(Limits(concurrency=1, rate=10_000, burst=10_000))
    order: list[int] = []

    def ask(asked: Request) -> Answer:
        order.append(asked.parameters["n"])
        return Answer({})

    for depth in (0, 2, 1, 2, 0):
        scheduler.submit(request(depth), ask, lambda _: None, depth=depth)
    scheduler.run()
    assert order == [2, 2, 1, 0, 0]


def test_a_bug_in_a_callback_ends_the_run_and_is_raised() -> None:
    scheduler = Scheduler(QUICK)

    def then(outcome: Outcome) -> None:
        raise ZeroDivisionError("planted")

    asked: list[Request] = []

    def ask(request: Request) -> Answer:
        asked.append(request)
        return answered(request)

    for number in range(20):
        scheduler.submit(request(number), ask, then, depth=0)
    with pytest.raises(ZeroDivisionError, match="planted"):
        scheduler.run()
    assert len(asked) < 20  # and no more calls are made for nothing


RAISED: dict[str, tuple[BaseException, Reason, str]] = {
    "a bug": (KeyError("planted"), Reason.COLLECTOR_BUG, "KeyError"),
    "nested without end": (RecursionError(), Reason.MALFORMED, "NestedTooDeep"),
    "no memory": (MemoryError(), Reason.TRUNCATED, "OutOfMemory"),
    "not there": (NotImplementedError(), Reason.UNSUPPORTED, "NotImplementedError"),
    "nobody to ask as": (CredentialsError("gone"), Reason.CREDENTIALS, "CredentialsError"),
    "no Exception even": (GeneratorExit(), Reason.COLLECTOR_BUG, "GeneratorExit"),
}


@pytest.mark.parametrize("name", RAISED)
def test_whatever_a_call_raises_is_the_end_of_that_call_alone(name: str) -> None:
    error, reason, code = RAISED[name]

    def ask(asked: Request) -> Answer:
        raise error

    limits = Limits(concurrency=1, rate=10_000, burst=10_000)
    _, (good, bad) = run(limits, (request(0), answered), (request(1), ask))
    assert bad.failure is not None
    assert (bad.failure.reason, bad.failure.code) == (reason, code)
    assert good.answer is not None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_what_ends_the_process_is_no_answer(error: BaseException) -> None:
    def ask(asked: Request) -> Answer:
        raise error

    with pytest.raises(type(error)):
        run(QUICK, (request(), ask))


def test_nothing_to_do_is_done() -> None:
    scheduler, outcomes = run(QUICK)
    assert (scheduler.retries_of.total(), outcomes) == (0, [])


# ---- retries -------------------------------------------------------------------------------------------------------------


def test_a_retry_that_helps_is_counted() -> None:
    ask = Failing(Reason.THROTTLED, times=2)
    scheduler, (outcome,) = run(QUICK, (request(), ask))
    assert outcome.answer is not None
    assert outcome.failure is None
    assert (outcome.retries, scheduler.retries_of.total(), ask.calls) == (2, 2, 3)


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_retries_stop_after_so_many_attempts(attempts: int) -> None:
    ask = Failing(Reason.SERVER_ERROR)
    _, (outcome,) = run(Limits(rate=10_000, burst=10_000, attempts=attempts), (request(), ask))
    assert ask.calls == attempts
    assert outcome.retries == attempts - 1
    assert outcome.failure is not None
    assert (outcome.failure.reason, outcome.failure.code) == (Reason.SERVER_ERROR, "Planted")


def test_what_cannot_be_helped_is_not_asked_again() -> None:
    ask = Failing(Reason.DENIED, retry=False)
    _, (outcome,) = run(QUICK, (request(), ask))
    assert ask.calls == 1
    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.DENIED


def test_a_wait_beyond_the_deadline_is_not_waited() -> None:
    """The provider asks for an hour: the call ends now, not in an hour."""
    ask = Failing(Reason.THROTTLED, after=3600.0)
    _, (outcome,) = run(Limits(attempts=5, deadline=3), (request(), ask))
    assert ask.calls == 1
    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.THROTTLED


def test_without_a_word_from_the_provider_the_pause_is_drawn_by_chance() -> None:
    ask = Failing(Reason.THROTTLED, times=1, after=None)
    scheduler, (outcome,) = run(Limits(attempts=2, deadline=60), (request(), ask))
    assert outcome.answer is not None
    assert scheduler.retries_of.total() == 1


def test_a_waiting_retry_holds_no_thread() -> None:
    """With one thread, calls behind one that waits for its retry go through before it."""
    order: list[str] = []
    slow = Failing(Reason.THROTTLED, times=1, after=0.3)

    def ask_slow(asked: Request) -> Answer:
        order.append("slow")
        return slow(asked)

    def ask(asked: Request) -> Answer:
        order.append("quick")
        return Answer({})

    limits = Limits(concurrency=1, rate=10_000, burst=10_000)
    run(limits, (request(client="a"), ask_slow), *[(request(n, client="b"), ask) for n in range(5)])
    assert order == ["slow", *["quick"] * 5, "slow"]


@given(
    attempts=st.integers(1, 12),
    after=st.none() | st.floats(0, 120, exclude_min=True),
    left=st.floats(0, 200),
)
def test_nobody_comes_back_too_soon_or_too_late(attempts: int, after: float | None, left: float) -> None:
    pause = pause_before(attempts, after, left)
    if pause is None:
        assert after is None or after > left
    else:
        assert (after or 0.0) <= pause <= left


@pytest.mark.parametrize("after", [None, 0.5, 1.0, 30.0])
def test_who_were_turned_away_together_do_not_come_back_together(after: float | None) -> None:
    """All were told the same `Retry-After`: they share a while after it, and no tenth of it has more than a fair part of them twice."""
    pauses = [pause_before(1, after, 60.0) for _ in range(1000)]
    known = sorted(pause for pause in pauses if pause is not None)
    assert len(known) == 1000
    assert len(set(known)) > 990
    begin, width = (after, min(after, RETRY_CAP)) if after is not None else (0.0, RETRY_BASE * 2)
    tenths = Counter(min(9, int((pause - begin) / width * 10)) for pause in known)
    assert set(tenths) == set(range(10))
    assert max(tenths.values()) < 200


def test_a_retry_after_goes_through_the_schedule_with_its_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen calls that were told to wait as long ask again at sixteen moments, none before its time."""
    pauses: list[float | None] = []
    lock = threading.Lock()

    def noted(attempts: int, after: float | None, left: float) -> float | None:
        with lock:
            pauses.append(pause_before(attempts, after, left))
            return pauses[-1]

    monkeypatch.setattr(schedule, "pause_before", noted)
    asks = [Failing(Reason.THROTTLED, times=1, after=0.05) for _ in range(16)]
    _, outcomes = run(QUICK, *[(request(number), ask) for number, ask in enumerate(asks)])
    assert all(outcome.answer is not None and outcome.retries == 1 for outcome in outcomes)
    assert len(set(pauses)) == len(pauses) == 16
    assert all(pause is not None and 0.05 <= pause <= 0.1 for pause in pauses)


# ---- stopping ------------------------------------------------------------------------------------------------------------


def test_credentials_that_end_stop_everything_still_queued() -> None:
    scheduler = Scheduler(Limits(concurrency=1, rate=10_000, burst=10_000))
    outcomes: list[Outcome] = []
    ended = Failing(Reason.CREDENTIALS, retry=False)
    scheduler.submit(request(0), ended, outcomes.append, depth=1)
    for number in range(10):
        scheduler.submit(request(number), answered, outcomes.append, depth=0)
    scheduler.run()
    assert ended.calls == 1
    assert scheduler.stopped is Reason.CREDENTIALS
    failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    assert [(failure.reason, failure.code) for failure in failures] == [
        (Reason.CREDENTIALS, "Planted"),
        *[(Reason.CREDENTIALS, "NotAsked")] * 10,
    ]


def test_a_stop_also_ends_what_waits_for_a_retry() -> None:
    scheduler = Scheduler(Limits(concurrency=2, rate=10_000, burst=10_000, deadline=1_000))
    outcomes: list[Outcome] = []
    waiting = Failing(Reason.THROTTLED, after=900.0)
    scheduler.submit(request(0), waiting, outcomes.append, depth=1)

    def ask(asked: Request) -> Answer:
        scheduler.stop(Reason.INTERRUPTED)
        return Answer({})

    scheduler.submit(request(1), ask, lambda _: None, depth=0)
    scheduler.run()
    (outcome,) = outcomes
    assert outcome.failure is not None
    assert outcome.failure.reason in (Reason.INTERRUPTED, Reason.THROTTLED)  # the latter when the stop came first


def test_the_first_reason_to_stop_is_the_one_told() -> None:
    scheduler = Scheduler(QUICK)
    scheduler.stop(Reason.CREDENTIALS)
    scheduler.stop(Reason.INTERRUPTED)
    assert scheduler.stopped is Reason.CREDENTIALS


# ---- Ctrl-C --------------------------------------------------------------------------------------------------------------


def test_nobody_who_interrupts_waits_for_an_answer_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads read for ever, one answers while it is interrupted, and the rest is not asked; an answer that comes late is nobody's."""
    monkeypatch.setattr(schedule, "GRACE", 0.2)
    scheduler = Scheduler(Limits(concurrency=3, rate=10_000, burst=10_000, deadline=1_000))
    come, late = threading.Event(), threading.Event()
    outcomes: dict[int, list[Outcome]] = {}
    stuck = threading.Barrier(3)

    def for_ever(asked: Request) -> Answer:
        stuck.wait(10)
        come.wait(60)
        late.set()
        return Answer({})

    def interrupting(asked: Request) -> Answer:
        stuck.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return Answer({})

    asks = [for_ever, for_ever, interrupting, *[answered] * 5]
    for number, ask in enumerate(asks):
        scheduler.submit(request(number), ask, lambda outcome, n=number: outcomes.setdefault(n, []).append(outcome), depth=-number)  # type: ignore[misc]
    with pytest.raises(KeyboardInterrupt):
        scheduler.run()
    assert scheduler.stopped is Reason.INTERRUPTED
    said = {number: [each.failure.code if each.failure else "answered" for each in found] for number, found in outcomes.items()}
    assert {number: said[number] for number in (0, 1)} == {0: ["NotWaitedFor"], 1: ["NotWaitedFor"]}
    assert all(len(found) == 1 for found in said.values())
    assert len(said) == len(asks)
    assert all(each.failure.reason is Reason.INTERRUPTED for number in (0, 1) for each in outcomes[number] if each.failure)
    come.set()
    assert late.wait(10)
    assert {number: len(found) for number, found in outcomes.items()} == dict.fromkeys(range(len(asks)), 1)


def test_what_would_have_been_asked_next_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The callback of a call that nobody waits for may ask more: that ends at once too."""
    monkeypatch.setattr(schedule, "GRACE", 0.05)
    scheduler = Scheduler(Limits(concurrency=1, rate=10_000, burst=10_000))
    come = threading.Event()
    seen: list[str] = []

    def ask(asked: Request) -> Answer:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        come.wait(60)
        return Answer({})

    def then(outcome: Outcome) -> None:
        assert outcome.failure is not None
        seen.append(outcome.failure.code)
        if len(seen) < 3:
            scheduler.submit(request(len(seen)), answered, then, depth=1)

    scheduler.submit(request(0), ask, then, depth=0)
    with pytest.raises(KeyboardInterrupt):
        scheduler.run()
    come.set()
    assert seen == ["NotWaitedFor", "NotAsked", "NotAsked"]


def test_who_wants_it_to_end_waits_for_nobody_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that is remembered and not raised."""
    monkeypatch.setattr(schedule, "GRACE", 0.05)
    wanted, come = threading.Event(), threading.Event()
    scheduler = Scheduler(Limits(concurrency=2, rate=10_000, burst=10_000), wanted.is_set)
    seen: list[str] = []

    def ask(asked: Request) -> Answer:
        wanted.set()
        come.wait(60)
        return Answer({})

    for number in range(6):
        scheduler.submit(request(number), ask, lambda outcome: seen.append(outcome.failure.code if outcome.failure else ""), depth=0)
    scheduler.run()
    come.set()
    assert scheduler.stopped is Reason.INTERRUPTED
    assert sorted(seen) == [*["NotAsked"] * 4, *["NotWaitedFor"] * 2]


# ---- by target -----------------------------------------------------------------------------------------------------------


def test_retries_are_counted_and_slowed_by_target() -> None:
    one, two = (replace(request(number), target=f"aws:{number}") for number in (1, 2))
    scheduler, _ = run(QUICK, (one, Failing(Reason.THROTTLED, times=1)), (two, answered), (request(3), answered))
    assert scheduler.retries_of == {"aws:1": 1}
    slowed = {place for (place, _), bucket in scheduler._buckets.items() if bucket.rate < bucket.ceiling}
    assert slowed == {("aws:1", "us-east-1")}


def test_a_region_that_is_dark_in_one_target_is_not_in_another() -> None:
    limits = Limits(concurrency=1, rate=10_000, burst=10_000, attempts=1)
    ask = Failing(Reason.UNREACHABLE, retry=False)
    dark = [(replace(request(n, client=f"service-{n}"), target="aws:1"), ask) for n in range(10)]
    _, outcomes = run(limits, *dark, (replace(request(11), target="aws:2"), answered))
    assert ask.calls == DARK_AFTER
    assert outcomes[-1].answer is not None


def test_a_call_is_told_by_when_it_must_have_ended() -> None:
    told: list[Request] = []

    def ask(asked: Request) -> Answer:
        told.append(asked)
        if len(told) < 3:
            raise CallFailedError(Reason.SERVER_ERROR, "Planted", retry=True, after=0.0)
        return Answer({})

    before = time.monotonic()
    run(Limits(attempts=5, deadline=50, rate=10_000, burst=10_000), (request(), ask))
    assert len({asked.ends for asked in told}) == 1  # all attempts together
    assert told[0].ends is not None
    assert before + 50 <= told[0].ends <= time.monotonic() + 50


# ---- dark regions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [Reason.UNREACHABLE, Reason.TIMED_OUT])
def test_a_region_that_nobody_reaches_is_left_alone(reason: Reason) -> None:
    ask = Failing(reason, retry=False)
    limits = Limits(concurrency=1, rate=10_000, burst=10_000, attempts=1)
    _, outcomes = run(limits, *[(request(n, client=f"service-{n}", region="dark"), ask) for n in range(40)])
    assert ask.calls == DARK_AFTER
    codes = Counter(outcome.failure.code for outcome in outcomes if outcome.failure is not None)
    assert codes == {"Planted": DARK_AFTER, "RegionIsDark": 40 - DARK_AFTER}
    assert all(outcome.failure is not None and outcome.failure.reason in (reason, Reason.UNREACHABLE) for outcome in outcomes)


def test_a_region_where_something_answers_is_not_dark() -> None:
    """One service is down, the others answer, if only with a refusal."""
    down, refused = Failing(Reason.UNREACHABLE, retry=False), Failing(Reason.DENIED, retry=False)
    limits = Limits(concurrency=1, rate=10_000, burst=10_000, attempts=1)
    asks: list[tuple[Request, Ask]] = [(request(0, client="up"), refused)]
    asks += [(request(n, client=f"down-{n}"), down) for n in range(10)]
    run(limits, *asks)
    assert down.calls == 10


def test_a_dark_region_leaves_the_others_alone() -> None:
    down = Failing(Reason.UNREACHABLE, retry=False)
    asks: list[tuple[Request, Ask]] = [(request(n, client=f"s{n}", region="dark"), down) for n in range(10)]
    asks += [(request(n, client=f"s{n}", region="light"), answered) for n in range(10)]
    _, outcomes = run(Limits(concurrency=1, attempts=1), *asks)
    assert [outcome.failure for outcome in outcomes[10:]] == [None] * 10


# ---- rates ---------------------------------------------------------------------------------------------------------------


def taken(bucket: _Bucket, start: float, seconds: float, step: float = 0.01) -> int:
    """Tokens that a bucket gives away when it is asked every `step` of a clock of ours."""
    bucket.at = start
    return sum(bucket.take(start + tick * step) == 0.0 for tick in range(round(seconds / step) + 1))


@pytest.mark.parametrize(("rate", "burst"), [(5.0, 1.0), (20.0, 10.0), (2.5, 5.0)])
def test_a_bucket_keeps_to_its_rate(rate: float, burst: float) -> None:
    given = taken(_Bucket(rate, burst), start=100.0, seconds=30)
    assert 0.9 * rate * 30 <= given <= burst + rate * 30


def test_a_bucket_says_how_long_to_wait() -> None:
    bucket = _Bucket(rate=4.0, burst=1.0)
    bucket.at = 10.0
    assert bucket.take(10.0) == 0.0
    assert bucket.take(10.0) == pytest.approx(0.25)
    assert bucket.take(10.25) == 0.0


def test_idle_time_saves_no_more_than_a_burst() -> None:
    bucket = _Bucket(rate=10.0, burst=3.0)
    bucket.at = 0.0
    assert [bucket.take(1_000.0) == 0.0 for _ in range(5)] == [True, True, True, False, False]


def test_throttling_halves_the_rate_and_it_comes_back_by_and_by() -> None:
    bucket = _Bucket(rate=100.0, burst=50.0)
    bucket.slow_down()
    assert bucket.rate == 50.0
    bucket.slow_down()
    assert bucket.rate == 25.0
    assert taken(bucket, start=0.0, seconds=10) <= 250  # the saved burst is gone too
    bucket.recover()
    assert 25.0 < bucket.rate < 50.0
    for _ in range(200):
        bucket.recover()
    assert bucket.rate == 100.0


def test_a_rate_never_falls_to_nothing() -> None:
    bucket = _Bucket(rate=100.0, burst=50.0)
    for _ in range(40):
        bucket.slow_down()
    assert bucket.rate == 0.5


def test_throttling_slows_only_that_service_in_that_region() -> None:
    throttled = Failing(Reason.THROTTLED, times=1)
    scheduler, _ = run(
        Limits(concurrency=1, rate=64, burst=64),
        (request(0, client="iam", region="here"), throttled),
        (request(1, client="iam", region="there"), answered),
        (request(2, client="s3", region="here"), answered),
    )
    rates = {key: bucket.rate for key, bucket in scheduler._buckets.items()}
    slowed = pytest.approx(32 * 1.05)
    assert rates == {(("", "here"), "iam"): slowed, (("", "there"), "iam"): 64, (("", "here"), "s3"): 64}


# ---- what was not sent ---------------------------------------------------------------------------------------------------


class Waiting:
    """Says so often that it is too early, then answers; `ends` are the deadlines that came with the calls."""

    def __init__(self, times: int) -> None:
        self.times, self.calls = times, 0
        self.ends: list[float | None] = []

    def __call__(self, asked: Request) -> Answer:
        self.calls += 1
        self.ends.append(asked.ends)
        if self.calls <= self.times:
            raise NotYetError("QuotaSpent", 0.01)
        return answered(asked)


def test_a_call_that_was_not_sent_is_no_attempt_and_its_time_has_not_begun() -> None:
    waiting = Waiting(QUICK.attempts * 3)
    scheduler, (outcome,) = run(QUICK, (request(), waiting))
    assert outcome.failure is None
    assert (outcome.retries, scheduler.retries_of.total()) == (0, 0)
    assert waiting.calls == QUICK.attempts * 3 + 1
    assert len({*waiting.ends}) == waiting.calls, "each is given its whole time"


def test_who_waits_for_a_moment_ends_when_the_scan_does() -> None:
    scheduler = Scheduler(QUICK)
    found: list[Outcome] = []

    def too_early(asked: Request) -> Answer:
        scheduler.stop(Reason.INTERRUPTED)
        raise NotYetError("QuotaSpent", 60.0)

    scheduler.submit(request(), too_early, found.append, depth=0)
    scheduler.run()
    assert [outcome.failure is not None for outcome in found] == [True]
