"""The tail by itself, on clocks of its own: what it reads again, and when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from cost_top.mirror import audit, few_rows, newest
from cost_top.mirror.hot import Hot, hour_of
from cost_top.mirror.rollup_tables import LENSES, TRUST_LENS
from cost_top.mirror.schema import WITNESSED
from cost_top.mirror.store import Mirror
from cost_top.mirror.tail import Arrivals, Tail
from cost_top.model.filter import Filter
from cost_top.model.query import ReportQuery
from cost_top.pricing.book import RateBook
from cost_top.sources.base import Evidence
from cost_top.sources.sql.log import open_log
from support.by_database import by_database
from support.scratch import scratch

NOW = datetime.now(UTC).replace(microsecond=0)
START = (NOW - timedelta(hours=3)).replace(tzinfo=None)
EVERYTHING = ReportQuery(NOW - timedelta(days=1), NOW + timedelta(days=1))


class Followed:
    """A log, its tail, and a clock that goes when it is told to."""

    def __init__(self, log: Any) -> None:
        source = open_log(str(log.path))
        self.log = log
        self.mirror = Mirror(source, RateBook.load(None), None)
        self.reader = source.connect()
        self.tail = Tail(self.mirror, self.reader, source.overlap)
        self.now, self.clock = NOW, 0.0

    def add(self, identity: str, ago: timedelta, cost: int = 1) -> None:
        self.log.add(id=identity, time_ms=int((self.now - ago).timestamp() * 1000), provider="openai", model="gpt-4o",
                     cost_pico_usd=cost, status=200)  # fmt: skip

    def poll(self, after: float = 0.0) -> bool:
        self.now += timedelta(seconds=after)
        self.clock += after
        self.tail.note(self.reader.evidence())
        return self.tail.poll(self.now, self.clock)

    def costs(self) -> dict[str, int]:
        rows = self.mirror.rows.requests(ReportQuery(NOW - timedelta(days=1), NOW + timedelta(days=1), limit=100))
        return {row.id: row.cost or 0 for row in rows}


@pytest.fixture
def followed(sqlite_log) -> Iterator[Followed]:
    log = sqlite_log()
    log.add(id="old", time_ms=int((NOW - timedelta(minutes=30)).timestamp() * 1000), provider="openai", model="gpt-4o",
            cost_pico_usd=1, status=200)  # fmt: skip
    tail = Followed(log)
    assert tail.tail.fill(START, None) == 1
    yield tail
    tail.reader.close()
    tail.mirror.close()


def test_a_poll_takes_what_came_and_says_so(followed):
    assert not followed.poll(1)
    followed.add("new", timedelta(seconds=1), 5)
    assert followed.poll(1)
    assert followed.costs() == {"old": 1, "new": 5}
    assert not followed.poll(1), "nothing more"


def test_a_row_stamped_in_the_future_hides_nothing_that_comes_before_it(followed):
    followed.add("ahead", -timedelta(hours=2), 7)
    assert followed.poll(1)
    followed.add("now", timedelta(0), 3)
    assert followed.poll(60)
    assert followed.costs() == {"old": 1, "ahead": 7, "now": 3}


def test_late_changed_and_deleted_rows_of_the_overlap_are_followed(followed):
    followed.add("new", timedelta(seconds=1), 5)
    followed.poll(1)
    followed.add("late", timedelta(minutes=4), 2)
    followed.log.run("UPDATE cost_top_requests SET cost_pico_usd = 9 WHERE id = 'new'")
    assert followed.poll(3600)
    assert followed.costs() == {"old": 1, "new": 9, "late": 2}
    assert (followed.tail.arrivals.late, followed.tail.arrivals.repeated) == (1, 1)
    followed.log.run("DELETE FROM cost_top_requests WHERE id = 'late'")
    assert followed.poll(3600)
    assert followed.costs() == {"old": 1, "new": 9}


def test_what_changes_in_a_large_overlap_is_seen_within_the_time_of_the_hot_end(followed):
    followed.tail._overlap_share = 1e-9  # looking at it takes long
    followed.add("early", timedelta(minutes=4), 5)
    for number in range(400):  # more than are looked at again with each poll
        followed.add(f"n{number}", timedelta(seconds=number / 10))
    followed.poll(1)
    followed.poll(3600)
    followed.log.run("UPDATE cost_top_requests SET cost_pico_usd = 9 WHERE id = 'early'")
    followed.poll(2)
    followed.poll(25)
    assert followed.mirror.report(EVERYTHING, NOW).totals.total_cost == 1 + 9 + 400


def test_two_rows_of_one_id_are_two(followed):
    followed.poll()
    for identity in ("same", b"same"):  # a text and a blob are two keys to SQLite
        followed.add(identity, timedelta(seconds=5))
    assert followed.poll()
    assert followed.mirror.hot.count() == 3


def test_what_comes_late_into_a_day_that_closed_is_not_taken_for_the_hot_end(followed):
    for identity, minutes in (("before", 5), ("after", 1)):
        followed.add(identity, timedelta(minutes=minutes))
        followed.poll(1)
    followed.mirror.hot_start = (NOW - timedelta(minutes=3)).replace(tzinfo=None)
    followed.mirror.hot.drop_before(followed.mirror.hot_start)
    followed.add("late", timedelta(minutes=4))
    followed.poll(1)
    assert followed.costs() == {"after": 1}


def test_a_commit_that_readers_see_long_after_it_was_written_is_seen(followed):
    """The end of a commit is a write to shared memory, which no time of a file tells: syncing before it may last."""
    path, written = str(followed.log.path), NOW.timestamp() - 60
    index = os.open(f"{path}-shm", os.O_RDWR)
    try:
        before = os.pread(index, 96, 0)
        followed.add("synced", timedelta(seconds=5))
        after = os.pread(index, 96, 0)
        os.pwrite(index, before, 0)
        os.utime(f"{path}-wal", (written, written))
        followed.poll(1)
        followed.poll(300)
        assert "synced" not in followed.costs()
        os.pwrite(index, after, 0)
        followed.poll(1)
        assert "synced" in followed.costs()
    finally:
        followed.reader.close()
        os.close(index)


def test_rows_that_cannot_be_handed_over_are_not_lost():
    row = dict.fromkeys(name for name, _ in WITNESSED)
    with scratch() as connection:
        hot = Hot(connection)
        hot.add([{**row, "key": "k", "time": START, "status": 2**40}], [])
        for _ in range(2):
            with pytest.raises(duckdb.Error):
                _ = hot.table


def test_lateness_is_the_95th_percentile_of_how_late_rows_came():
    arrivals = Arrivals()
    assert arrivals.lateness() is None
    arrivals.delays.extend(float(number) for number in range(100))
    assert arrivals.lateness() == timedelta(seconds=95)


def test_since_when_the_hot_end_is_known_to_be_the_logs_is_told(followed):
    followed.tail._evidence = None  # the log tells nothing of itself
    followed.reader.evidence = lambda: Evidence("", None, None)
    followed.add("new", timedelta(seconds=1))
    assert followed.tail.seen is None
    followed.poll(30)
    assert followed.tail.seen == followed.clock, "no row is older than what was looked at"
    for later in (0, 20):
        followed.tail.look_again(followed.now, followed.clock + later)
    assert followed.tail.seen == followed.clock == 30
    followed.poll(100)
    assert followed.tail.seen == 50, "the hours before the overlap were not looked at since"


def test_a_round_that_is_under_way_when_the_log_is_written_to_proves_nothing(followed, monkeypatch):
    monkeypatch.setattr(audit, "_ROWS", 0)  # an hour at a time
    said = "1"
    followed.reader.evidence = lambda: Evidence("", said, said)
    followed.add("early", timedelta(hours=2, minutes=30), 5)
    followed.tail.fill(START, None)
    followed.poll(100)
    followed.tail.look_again(followed.now, followed.clock)
    followed.log.run("UPDATE cost_top_requests SET cost_pico_usd = 9 WHERE id = 'early'")
    said = "2"
    while not followed.tail.is_proven:
        followed.poll(5)
        followed.tail.look_again(followed.now, followed.clock)
        assert followed.clock < 300
    assert followed.costs() == {"old": 1, "early": 9}


def test_hours_that_were_as_they_are_held_are_looked_at_by_how_their_rows_are_spelled(followed, monkeypatch):
    """Until one of them is another row, in the log or here."""
    monkeypatch.setattr(audit, "_ROWS", 0)  # an hour at a time
    asked: list[tuple[datetime, datetime | None]] = []
    digest = newest.Newest.digest
    monkeypatch.setattr(
        newest.Newest, "digest", lambda self, start, end: asked.append((start, end)) or digest(self, start, end)
    )
    followed.add("early", timedelta(hours=2), 5)
    followed.tail.fill(START, None)
    early = hour_of((NOW - timedelta(hours=2)).replace(tzinfo=None))
    whole = early, early + timedelta(hours=1)

    def looks() -> int:
        """How often that hour's fingerprints are asked for in a round."""
        before, rounds = asked.count(whole), followed.tail._again.rounds
        while followed.tail._again.rounds < rounds + 1:
            followed.tail._evidence = None
            followed.clock += 5
            followed.tail.look_again(followed.now, followed.clock)
        return asked.count(whole) - before

    assert [looks() for _ in range(3)] == [1, 0, 0]
    followed.log.run("UPDATE cost_top_requests SET user_id = 'another' WHERE id = 'early'")
    assert looks() == 1
    assert [looks() for _ in range(2)] == [1, 0], "of the row that was read instead"
    followed.mirror.hot.remove("SELECT 'early'")
    assert looks() == 1
    assert followed.costs() == {"old": 1, "early": 5}


def test_what_was_not_looked_at_in_time_is_made_up_for():
    rolling, clock = audit.Audit(20.0, 0.02), 0.0
    while rolling.rounds < 3:
        clock += 5.0  # ten hours in 20 seconds: two or three at once
        while (period := rolling.due(START, START + timedelta(hours=10), clock, 10**6)) is not None:
            rolling.looked(period, START + timedelta(hours=10), clock, 0.0)
    assert 60 <= clock <= 70


class TestTheFirstOfAll:
    """What few rows say is summed row by row, as the database would."""

    @pytest.fixture
    def both(self, sqlite_log) -> Iterator[tuple[Followed, Followed]]:
        log = sqlite_log()
        for number in range(24):
            minutes = timedelta(minutes=7 * number)
            log.add(time_ms=int((NOW - minutes).timestamp() * 1000), provider=("openai", None)[number % 2],
                    model=("gpt-4o", "unheard-of")[number % 3 % 2], token="k", token_name=f"name {number % 5}",
                    tags=(None, '["a", "b"]')[number % 2], cost_pico_usd=(None, -3, 10**9)[number % 3],
                    input_tokens=number * 50, output_tokens=7, status=(200, 500)[number % 2], latency_ms=number,
                    cache_hit=number % 7 == 0)  # fmt: skip
        pair = Followed(log), Followed(log)
        yield pair
        for each in pair:
            each.reader.close()
            each.mirror.close()

    def test_is_what_the_database_makes_of_it(self, both) -> None:
        few, many = both
        start = START.replace(minute=0, second=0)
        with by_database():
            assert many.tail.fill(start, None) == 24
        assert few.tail.fill(start, None) == 24
        assert few.mirror.hot_start == many.mirror.hot_start == start
        assert few.mirror.rollups.missing(Filter(), LENSES, few.mirror.slices(start, None)) == []
        for lens in ((), *((lens,) for lens in LENSES if lens != TRUST_LENS)):
            query = ReportQuery(NOW - timedelta(days=1), NOW + timedelta(days=1), lens)
            assert few.mirror.report(query, NOW) == many.mirror.report(query, NOW)
            assert few.mirror.trust(query) == many.mirror.trust(query) is not None
        few.mirror.rollups.settle(NOW.replace(tzinfo=None, minute=0, second=0) - timedelta(hours=1))
        assert few.mirror.rollups.missing(
            Filter(), LENSES, few.mirror.slices(start, None)
        )  # summed once more, together
        assert few.mirror.report(EVERYTHING, NOW) == many.mirror.report(EVERYTHING, NOW)
        few.add("next", timedelta(0), 5)
        assert few.poll(60)
        assert few.mirror.report(EVERYTHING, NOW).totals.request_count == 25
        rows = [sorted(map(repr, each.mirror.rows.requests(EVERYTHING))) for each in both]
        assert set(rows[0]) > set(rows[1])

    @pytest.mark.parametrize("why", ["too many", "an odd one"])
    def test_is_left_to_the_database(self, both, why, monkeypatch) -> None:
        few, _ = both
        if why == "too many":
            monkeypatch.setattr(few_rows, "MOST_AT_ONCE", 20)
        else:
            few.log.add(id="odd", time_ms=int(NOW.timestamp() * 1000), model="gpt\x074o", cost_pico_usd=1)
        assert few.tail.fill(START, None) == few.mirror.hot.count() > 20
        assert few.mirror.rollups.missing(Filter(), LENSES, few.mirror.slices(START, None))

    def test_is_followed_by_what_came_before_it(self, both) -> None:
        few, many = both
        start = START.replace(minute=0, second=0)
        for each, reading in ((few, nullcontext()), (many, by_database())):
            with reading:
                each.tail.fill(start + timedelta(hours=2), None)
                each.mirror.report(EVERYTHING, NOW)
                each.tail.fill(start, start + timedelta(hours=2))
                each.tail.fill(start, start + timedelta(hours=1))  # once more: all of it is held
        assert few.mirror.rollups.missing(Filter(), LENSES, few.mirror.slices(start + timedelta(hours=1), None)) == []
        assert few.mirror.report(EVERYTHING, NOW) == many.mirror.report(EVERYTHING, NOW)
        assert few.mirror.hot.count() == many.mirror.hot.count() == 24
