"""How long a source that failed is left alone, and when a report API is asked again: by a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.model.credits import Credits
from cost_top.model.errors import SourceDenied, SourceError, SourceThrottled
from cost_top.model.snapshot import Stale
from cost_top.monitor import patience
from cost_top.monitor.api import meter, pace
from cost_top.monitor.api.meter import Meter
from cost_top.monitor.api.pace import LONG_BACKOFF, Pace
from cost_top.monitor.api.questions import Wanted
from cost_top.monitor.patience import BACKOFF, FINAL_SECONDS
from cost_top.monitor.thread import HubThread
from cost_top.sources.report_api import ApiQuery, Capabilities

NOW = datetime(2026, 11, 25, 14, tzinfo=UTC)
HOUR = 3600.0


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch):
    for module in (patience, pace):
        monkeypatch.setattr(module.random, "uniform", lambda low, high: (low + high) / 2)


class Clock:
    """Monotonic seconds that pass when the test says so."""

    def __init__(self, monkeypatch):
        self.seconds = 1000.0
        for module in (pace, meter):
            monkeypatch.setattr(module, "clock", lambda: self.seconds)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


# A hub


class Failing(HubThread):
    """Fails at once, or while it is closed."""

    def __init__(self, at_once: bool) -> None:
        super().__init__(1.0)
        self.at_once, self.failures = at_once, []
        self.on_failure = self.failures.append

    def run(self) -> None:
        if not self.at_once:
            self.stopping.wait()
        raise RuntimeError("the connection is closed")


def test_what_fails_because_it_is_closed_is_told_to_nobody():
    for at_once, told in ((True, ["cost-top failed: RuntimeError: the connection is closed"]), (False, [])):
        hub = Failing(at_once)
        hub.start()
        if at_once:
            hub._thread.join()
        hub.close()
        assert [str(error) for error in hub.failures] == told


def waits(hub: HubThread, errors: list[Exception]) -> list[float]:
    found = []
    for number, error in enumerate(errors):
        hub.failed(error, NOW + timedelta(seconds=number), 100.0)
        found.append(hub.next_poll - 100.0)
    return found


def test_a_source_that_fails_is_left_alone_longer_each_time_up_to_the_longest():
    hub = HubThread(2.0)
    assert waits(hub, [SourceError("gone")] * 8) == [*BACKOFF, BACKOFF[-1], BACKOFF[-1]]
    assert sorted(set(BACKOFF)) == list(BACKOFF)
    assert isinstance(hub.state, Stale)
    assert hub.state.since == NOW, "since the first failure, not the last"
    assert hub.state.retry_at == NOW + timedelta(seconds=7 + BACKOFF[-1])


def test_an_answer_ends_the_waiting():
    hub = HubThread(2.0)
    waits(hub, [SourceError("gone")] * 4)
    hub.answered(NOW)
    assert waits(hub, [SourceError("gone")] * 2) == [BACKOFF[0], BACKOFF[1]]


def test_a_source_that_asks_for_patience_gets_it_and_a_key_that_is_refused_is_not_tried_again():
    hub = HubThread(2.0)
    assert waits(hub, [SourceThrottled("slow down", 77.0)]) == [77.0]
    hub.hurry()
    assert hub.next_poll == 177.0, "by hand not sooner either"
    assert waits(hub, [SourceDenied("no", final=True)]) == [FINAL_SECONDS]
    assert hub.state.denied


# A report API


class Kept:
    def __init__(self):
        self.asked: dict[str, float] = {}

    def answer(self, one):
        return object() if one.key in self.asked else None

    def asked_at(self, one):
        return self.asked.get(one.key)


class Api:
    def __init__(self, price=5 * 10**9, interval=60.0, lag=timedelta(minutes=5)):
        self.capabilities = Capabilities(
            totals="hour", dimensions={}, joint=False, filters=frozenset(), measures=frozenset(), lag=lag,
            interval=interval, shortest_interval=30.0, settles=timedelta(days=1), price=price,
        )  # fmt: skip
        self.balance: Credits | None = None
        self.refused: str | None = None

    def refuses(self, question):
        return self.refused

    def credits(self):
        return self.balance


def wanted(key, closed=False):
    return Wanted(key, ApiQuery(NOW - timedelta(days=1), NOW), closed)


@pytest.fixture
def paced(clock):
    api, kept, counted = Api(), Kept(), Meter()
    return api, kept, counted, Pace(api, kept, counted)


def seconds_until_due(pacing, clock, questions):
    assert pacing.due(questions) is None
    waited = pacing.next_due(questions) - clock.seconds
    clock.seconds += waited - 0.001
    assert pacing.due(questions) is None
    clock.seconds += 0.002
    assert pacing.due(questions) is questions[0]
    return round(waited)


def test_a_question_without_an_answer_is_due_at_once_and_an_open_one_each_interval(paced, clock):
    _, kept, _, pacing = paced
    one = wanted("recent")
    assert pacing.due([one]) is one
    kept.asked["recent"] = clock.seconds
    assert seconds_until_due(pacing, clock, [one]) == 60


def test_a_closed_question_is_asked_once(paced, clock):
    _, kept, _, pacing = paced
    one = wanted("days", closed=True)
    assert pacing.due([one]) is one
    kept.asked["days"] = clock.seconds
    clock.seconds += 10 * HOUR
    assert pacing.due([one]) is None


def test_a_billed_question_is_repeated_six_times_less_often_while_the_meter_stands_still(paced, clock):
    api, kept, counted, pacing = paced
    api.balance = Credits(10**12, 10**12, NOW)
    counted.read(api)
    clock.seconds += HOUR  # nothing was spent for longer than reports lag
    kept.asked["recent"] = clock.seconds
    assert seconds_until_due(pacing, clock, [wanted("recent")]) == 6 * 60


def test_spending_makes_it_due_at_its_interval_again(paced, clock):
    api, kept, counted, pacing = paced
    api.balance = Credits(10**12, 10**12, NOW)
    counted.read(api)
    clock.seconds += HOUR
    kept.asked["recent"] = clock.seconds
    api.balance = replace(api.balance, total_used=10**12 + 1)
    counted.read(api)
    assert seconds_until_due(pacing, clock, [wanted("recent")]) == 60


def test_a_free_question_is_repeated_each_interval_whatever_the_meter_says(clock):
    api, kept, counted = Api(price=0), Kept(), Meter()
    pacing = Pace(api, kept, counted)
    api.balance = Credits(10**12, 10**12, NOW)
    counted.read(api)
    clock.seconds += HOUR
    kept.asked["recent"] = clock.seconds
    assert seconds_until_due(pacing, clock, [wanted("recent")]) == 60


def test_a_question_that_fails_waits_longer_each_time_and_an_answer_ends_that(paced, clock):
    _, _, _, pacing = paced
    one, found = wanted("recent"), []
    for _ in range(len(LONG_BACKOFF) + 1):
        assert pacing.due([one]) is one
        pacing.failed(one, SourceError("gone"), final=False)
        assert pacing.reasons == {"recent": "gone"}
        waited = pacing.next_due([one]) - clock.seconds
        clock.seconds += waited - 0.001
        assert pacing.is_waiting(one)
        clock.seconds += 0.001
        assert not pacing.is_waiting(one)
        found.append(waited)
    assert found == pytest.approx([*LONG_BACKOFF, LONG_BACKOFF[-1]])
    pacing.answered(one)
    pacing.failed(one, SourceError("gone"), final=False)
    assert pacing.next_due([one]) - clock.seconds == LONG_BACKOFF[0]


def test_what_the_api_refuses_is_not_asked_until_it_is_asked_for_by_hand(paced, clock):
    api, _, _, pacing = paced
    one = wanted("users")
    api.refused = "knows no users"
    assert pacing.due([one]) is None
    assert pacing.reasons == {"users": "knows no users"}
    api.refused = None
    clock.seconds += FINAL_SECONDS - 1
    assert pacing.due([one]) is None
    pacing.hurry()
    assert pacing.due([one]) is one


def test_asking_by_hand_keeps_to_the_shortest_interval_of_the_api(paced, clock):
    _, kept, _, pacing = paced
    one = wanted("recent")
    kept.asked["recent"] = clock.seconds
    clock.seconds += 1
    pacing.hurry()
    assert pacing.due([one]) is None
    clock.seconds += 28
    assert pacing.due([one]) is None
    clock.seconds += 2
    assert pacing.due([one]) is one
