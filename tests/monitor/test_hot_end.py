"""In which pieces the hot end of a log is read, and how often a log is asked of itself."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cost_top.monitor.log import inquiry as module
from cost_top.monitor.log.hot_end import HotEnd
from cost_top.monitor.log.inquiry import Inquiry
from cost_top.sources.base import Evidence

NOW = datetime.fromisoformat("2026-11-12T12:30:00+00:00")
GOAL = datetime(2026, 11, 11)
HOUR = timedelta(hours=1)


class Log:
    """A mirror, its tail and its hours at once; each piece that is read has so many rows."""

    def __init__(self, rows: int, kept_until: datetime = datetime.min) -> None:
        self.rows, self.kept_until = rows, kept_until
        self.hot_start = datetime.max
        self.read: list[tuple[datetime, datetime | None]] = []
        self.looked_from: datetime | None = None
        self.gives_kept, self.is_few = False, True

    def first_hot_day(self, now: datetime, newest: datetime | None) -> date:
        return GOAL.date()

    def fill(self, start: datetime, end: datetime | None) -> int:
        self.read.append((start, end))
        self.hot_start = start
        return self.rows

    def begin(self, start: datetime) -> int | None:
        return self.fill(start, None) if self.is_few else None

    def find(self, start: datetime) -> None:
        self.looked_from = start

    def until(self) -> datetime:
        return self.kept_until

    def take(self) -> bool:
        return self.gives_kept


def begun(log: Any, newest: datetime | None = None) -> HotEnd:
    hot_end = HotEnd(log, log, log)
    assert not hot_end.is_read
    hot_end.begin(NOW, newest)
    return hot_end


@pytest.mark.parametrize(
    ("newest", "start"),
    [
        (None, "2026-11-12T11:00"), ("2026-11-12T12:29:59+00:00", "2026-11-12T11:00"),
        ("2026-11-12T11:00:00+00:00", "2026-11-12T11:00"), ("2026-11-12T10:59:59+00:00", "2026-11-12T09:00"),
        ("2026-11-11T17:40:00+00:00", "2026-11-11T16:00"), ("2026-11-11T00:40:00+00:00", "2026-11-11T00:00"),
        ("2026-10-01T00:00:00+00:00", "2026-11-11T00:00"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_few", [True, False])
def test_first_is_read_the_last_hour_or_back_to_the_one_before_the_newest_row(
    newest: str | None, start: str, is_few: bool
) -> None:
    log = Log(1)
    log.is_few = is_few
    hot_end = begun(log, newest and datetime.fromisoformat(newest))
    assert log.read == [(datetime.fromisoformat(start), None)]
    assert log.looked_from == hot_end.goal == GOAL
    assert hot_end.is_read is (datetime.fromisoformat(start) == GOAL)
    assert hot_end.day_before(3) == date(2026, 11, 8)


@pytest.mark.parametrize(
    ("rows", "hours"),
    # Twice as long for half the rows of a piece; eight times at most; three hours at least.
    [(0, [12, 23]), (6_250, [12, 23]), (25_000, [3, 6, 12, 14]), (50_000, [3] * 11 + [2]), (10**6, [3] * 11 + [2])],
)
def test_pieces_are_as_long_as_the_rows_before_them_allow(rows: int, hours: list[int]) -> None:
    log = Log(rows)
    hot_end, expected = begun(log), []
    for length in hours:
        end = log.hot_start
        hot_end.read_more()
        expected.append((end - length * HOUR, end))
    assert log.read[1:] == expected
    assert hot_end.is_read


def test_what_is_kept_is_not_read_and_taken_over_where_the_pieces_reach_it() -> None:
    log = Log(0, kept_until=datetime(2026, 11, 12, 8))
    hot_end = begun(log)
    hot_end.read_more()
    assert log.read[1:] == [(datetime(2026, 11, 12, 8), datetime(2026, 11, 12, 11))]
    log.gives_kept = True
    hot_end.read_more()
    assert len(log.read) == 2
    assert not hot_end.is_read


class Asked:
    """A log and its tail: each question takes so many seconds, of which this process works a tenth."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, evidence: Evidence, seconds: float) -> None:
        self.said, self.seconds, self.now = evidence, seconds, 50.0
        self.noted: list[Evidence] = []
        self.statistics = SimpleNamespace(database_ms=7000.0)
        clocks = SimpleNamespace(perf_counter=lambda: self.now, thread_time=lambda: self.now / 10)
        monkeypatch.setattr(module, "time", clocks)

    def evidence(self) -> Evidence:
        self.now += self.seconds
        return self.said

    def note(self, evidence: Evidence) -> None:
        self.noted.append(evidence)

    def oldest(self) -> datetime:
        self.statistics.database_ms += self.seconds * 1000
        return GOAL


FILE, SERVER = Evidence("file", "1", "1", at_once=True), Evidence("table", "1", "1")


@pytest.mark.parametrize(
    ("evidence", "seconds", "pause"), [(FILE, 0.5, 10), (SERVER, 0.05, 10), (SERVER, 0.5, 30), (FILE, 9, 30)]
)
def test_a_log_is_asked_of_itself_for_a_small_share_of_its_time(
    monkeypatch: pytest.MonkeyPatch, evidence: Evidence, seconds: float, pause: float
) -> None:
    log: Any = Asked(monkeypatch, evidence, seconds)
    inquiry = Inquiry(log, log)
    inquiry.look(1000)
    assert log.noted == [evidence]
    inquiry.look(1000 + pause - 0.01)
    assert log.noted == [evidence]
    inquiry.look(1000 + pause + 0.01)
    assert log.noted == [evidence] * 2


@pytest.mark.parametrize(("seconds", "pause"), [(0.0, 20), (0.1, 20), (0.2, 40)])
@pytest.mark.parametrize(
    ("first", "then", "again"),
    [
        (FILE, FILE, False), (FILE, Evidence("file", "1", "2", at_once=True), True), (SERVER, SERVER, True),
        (Evidence("file", at_once=True), Evidence("file", at_once=True), True),
    ],
)  # fmt: skip
def test_the_first_row_is_looked_for_again_where_the_log_may_have_been_written_to(
    monkeypatch: pytest.MonkeyPatch, seconds: float, pause: float, first: Evidence, then: Evidence, again: bool
) -> None:
    log: Any = Asked(monkeypatch, first, seconds)
    inquiry = Inquiry(log, log)
    assert inquiry.may_have_older(1000)
    inquiry.look(1000)
    assert inquiry.oldest(1000) == GOAL
    log.said = then
    inquiry.look(1100)
    assert not inquiry.may_have_older(1000 + pause - 0.01)
    assert inquiry.may_have_older(1000 + pause) is again
