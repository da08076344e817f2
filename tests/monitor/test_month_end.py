"""The month's forecast beside a report, over a real log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from zoneinfo import ZoneInfo

import pytest
from tests.support.native_log import NativeLog

from cost_top.insight.month_end import days_need, days_of, month_end
from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.model.windows import month_start
from cost_top.monitor.log.answers import LogAnswers
from cost_top.monitor.log.hub import LogHub
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

DOLLAR = 10**12


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[LogAnswers]:
    """Ninety days of a dollar an hour on one route and nothing on another."""
    log = NativeLog(tmp_path / "gateway.db")
    now = datetime.now(UTC)
    log.connection.executemany(
        "INSERT INTO cost_top_requests (id, time_ms, endpoint, model, cost_pico_usd) VALUES (?, ?, '/a', 'm', ?)",
        [
            (f"r{hour}", int((now - timedelta(hours=hour, minutes=1)).timestamp() * 1000), DOLLAR)
            for hour in range(90 * 24)
        ],
    )
    log.connection.commit()
    yield LogAnswers(lambda: open_log(str(log.path), None), lambda: RateBook.load(None), None)
    log.close()


def notes(answers: LogAnswers | LogHub, days: int, where: str = "", end: datetime | None = None) -> list[str]:
    now = end or datetime.now(UTC)
    report = answers.report(ReportQuery(now - timedelta(days=days), now, ("model",), parse_filter(where)))
    return [note for note in report.notes if note.startswith("month end")]


def test_a_report_that_reaches_back_before_the_month_until_now_says_what_it_will_come_to(answers: LogAnswers) -> None:
    now = datetime.now(UTC)
    first = month_start(now, UTC)
    hours = ((first + timedelta(days=32)).replace(day=1) - first) // timedelta(hours=1)
    (note,) = notes(answers, 80)
    assert note.startswith("month end ≈ $")
    assert "4 of 5 times within" in note
    said = float(note.partition("$")[2].split(", 4")[0].replace(",", ""))
    assert abs(said - hours) <= 4


def test_what_few_days_say_is_said_to_be_of_few(answers: LogAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a month's first day two days are a question for its end."""

    class First(datetime):
        @classmethod
        def now(cls, tz=None):  # type: ignore[no-untyped-def]
            return end

    end = month_start(datetime.now(UTC), UTC) + timedelta(minutes=30)
    for module in ("answers", "once"):
        monkeypatch.setattr(f"cost_top.monitor.log.{module}.datetime", First)
    (few,) = notes(answers, 2, end=end)
    assert few.startswith("month end ≈ $")
    assert few.endswith(", by the 4 days before today that were read")
    (many,) = notes(answers, 70, end=end)
    assert many.partition(",")[0] == few.partition(",")[0]
    assert "that were read" not in many


def test_a_report_of_the_past_or_of_too_little_or_of_nothing_does_not(answers: LogAnswers) -> None:
    assert notes(answers, 80, end=datetime.now(UTC) - timedelta(days=2)) == []
    assert notes(answers, 80, where="endpoint:/none") == []


def test_one_question_has_one_answer_whenever_it_is_asked(answers: LogAnswers, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = datetime.now(UTC) + timedelta(minutes=2)
    first = notes(answers, 80, end=asked)
    assert first

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):  # type: ignore[no-untyped-def]
            return asked + timedelta(minutes=4)

    monkeypatch.setattr("cost_top.monitor.log.answers.datetime", Later)
    assert notes(answers, 80, end=asked) == first


def test_a_server_says_it_too_reckons_once_an_hour_and_the_screen_says_the_same(
    answers: LogAnswers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reckoned = []
    monkeypatch.setattr(
        "cost_top.monitor.log.month_end.month_end",
        lambda *arguments: reckoned.append(arguments[2]) or month_end(*arguments),
    )
    hub = LogHub(lambda: open_log(str(tmp_path / "gateway.db"), None), lambda: RateBook.load(None), interval=60.0,
                 cache=None)  # fmt: skip
    hub.start()
    try:
        now = datetime.now(UTC).replace(minute=59, second=0, microsecond=0)
        monkeypatch.setattr("cost_top.monitor.log.hub.utc_now", lambda: now)
        monkeypatch.setattr("cost_top.monitor.log.screens.utc_now", lambda: now)
        (first,) = notes(hub, 80, end=now)
        assert first.startswith("month end ≈ $")
        reckoned.clear()
        assert notes(hub, 80, end=now + timedelta(seconds=40)) == [first]
        assert reckoned == []
        assert notes(hub, 80, where="endpoint:/none", end=now) == []
        assert notes(hub, 1, end=now - timedelta(days=40)) == []
        whole: Queue[Snapshot] = Queue()
        hub.subscribe(View("24h"), UTC, lambda told: None if told.incomplete else whole.put(told), lambda _: None)
        shown = whole.get(timeout=180)
        assert shown.days is not None
        assert shown.spend.month is not None
        on_the_card = month_end(shown.days, shown.spend.month, shown.period.end, UTC)
        assert on_the_card is not None
        assert first == f"month end {on_the_card.text()}"
        later = now + timedelta(hours=1)
        monkeypatch.setattr("cost_top.monitor.log.hub.utc_now", lambda: later)
        reckoned.clear()
        assert len(notes(hub, 80, end=later)) == 1
        assert reckoned == [later]
    finally:
        hub.close()


def test_days_that_an_earlier_run_kept_count_though_nobody_asks_for_them(answers: LogAnswers, tmp_path: Path) -> None:
    path, now = tmp_path / "gateway.db", datetime.now(UTC)
    with sqlite3.connect(path) as log:
        long_ago = int((now - timedelta(days=40)).timestamp() * 1000)
        log.execute("UPDATE cost_top_requests SET cost_pico_usd = 3 * cost_pico_usd WHERE time_ms < ?", (long_ago,))
    log.close()
    kept = LogAnswers(lambda: open_log(str(path), None), lambda: RateBook.load(None), tmp_path / "cache")
    days = (now - month_start(now, UTC)) // timedelta(days=1) + 1
    alone = notes(kept, days, end=now)
    of_all = notes(kept, 70, end=now)
    assert len(of_all) == 1
    assert alone != of_all
    assert notes(kept, days, end=now) == of_all


def test_a_day_of_25_hours_is_one_day() -> None:
    zone = ZoneInfo("Europe/Berlin")
    start, now = datetime(2026, 9, 1, tzinfo=zone).astimezone(UTC), datetime(2026, 10, 31, tzinfo=zone).astimezone(UTC)
    hours = [start + timedelta(hours=hour) for hour in range((now - start) // timedelta(hours=1))]
    days = days_of([(hour, DOLLAR) for hour in hours], now, zone)
    assert days is not None
    assert days.costs[:7] == (24 * DOLLAR,) * 5 + (25 * DOLLAR, 24 * DOLLAR)
    found = month_end(days, sum(DOLLAR for hour in hours if hour >= month_start(now, zone)), now, zone)
    assert found is not None
    assert abs(found.total - (31 * 24 + 1) * DOLLAR) <= DOLLAR // 5


def test_what_is_left_of_today_is_what_the_same_weekdays_had_after_this_time() -> None:
    now = datetime(2026, 11, 18, 15, 30, tzinfo=UTC)
    cheap = [(now.replace(hour=hour, minute=0) - timedelta(days=7 * week), DOLLAR) for week in range(1, 5)
             for hour in range(15)]  # fmt: skip
    dear = [(now.replace(hour=15, minute=0) - timedelta(days=7 * week), 20 * DOLLAR) for week in range(1, 5)]
    evening = [(now.replace(hour=20, minute=0) - timedelta(days=7 * week), 25 * DOLLAR) for week in range(1, 5)]
    days = days_of([*cheap, *dear, *evening], now, UTC)
    assert days is not None
    assert days.left_of_today == pytest.approx((10 + 25) / 60)
    need = days_need(ReportQuery(now, now, zone=UTC), now)
    assert now.replace(minute=0) - timedelta(days=21) in need.edges
    assert days_of([], now, UTC) is None


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
def test_of_a_log_without_a_row_nothing_is_said_and_nothing_fails(tmp_path: Path, zone: str) -> None:
    log = NativeLog(tmp_path / "empty.db")
    now = datetime.now(UTC)
    answers = LogAnswers(lambda: open_log(str(log.path), None), lambda: RateBook.load(None), tmp_path / "cache")
    report = answers.report(ReportQuery(now - timedelta(days=40), now, ("token",), zone=ZoneInfo(zone)))
    assert (report.rows, report.totals.total_cost, report.totals.request_count) == ((), 0, 0)
    assert not [note for note in report.notes if note.startswith("month end")]
    log.close()
