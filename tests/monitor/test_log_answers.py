"""A log read on demand: pages neither skip nor repeat, reports carry their notes, threads wait for each other."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.model.engine import Position
from cost_top.model.errors import SourceError, UserError
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.query import ReportQuery
from cost_top.monitor.log.answers import LogAnswers
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

DAYS = 10


def answers_of(log, cache=None) -> LogAnswers:
    return LogAnswers(lambda: open_log(str(log.path), None), lambda: RateBook.load(None), cache)


def fill(log, newest: datetime, count: int = 400) -> None:
    """Requests that crowd on few instants, midnights UTC and the newest among them, with ids in no order."""
    draw = random.Random(11)
    last = int(newest.timestamp() * 1000)
    midnight = last - last % 86_400_000
    instants = [last, *(midnight - day * 86_400_000 for day in range(DAYS))]
    instants += [midnight - day * 86_400_000 - 1 for day in range(DAYS)]
    instants += [last - draw.randrange(DAYS * 86_400_000) for _ in range(20)]
    names = [f"{draw.randrange(16**8):08x}" for _ in range(count - 2)] + ["été", "Z'; --"]
    log.connection.executemany(
        "INSERT INTO cost_top_requests (id, time_ms, provider, model, cost_pico_usd, tags) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (name, draw.choice(instants), "acme", draw.choice(["a", "b"]), draw.randrange(10**9), '["x", "y"]')
            for name in dict.fromkeys(names)
        ],
    )
    log.connection.commit()


def listed(log, query: ReportQuery, extra: str = "TRUE") -> list[str]:
    """The ids in the order they are to be listed, from the database itself."""
    start, end = (int(instant.timestamp() * 1000) for instant in (query.start, query.end))
    found = log.connection.execute(
        f"SELECT id FROM cost_top_requests WHERE time_ms >= ? AND time_ms < ? AND {extra} "
        "ORDER BY time_ms DESC, id COLLATE BINARY",
        (start, end),
    )
    return [identity for (identity,) in found]


def paged(answers: LogAnswers, query: ReportQuery, between=lambda page: None) -> list[str]:
    ids: list[str] = []
    after: Position | None = None
    while True:
        page = answers.requests(query, after)
        assert 0 < len(page.rows) <= query.limit or (not ids and not page.rows)
        ids += [row.id for row in page.rows]
        after = page.following
        if after is None:
            return ids
        assert len(page.rows) == query.limit
        between(page)


@pytest.mark.parametrize("limit", [83, 5000])
@pytest.mark.parametrize("cached", [True, False])
def test_pages_are_the_whole_list_in_order(sqlite_log, tmp_path, limit, cached):
    log, now = sqlite_log(), datetime.now(UTC).replace(microsecond=0)
    fill(log, now)
    query = ReportQuery(now - timedelta(days=DAYS + 2), now + timedelta(seconds=1), limit=limit)
    expected = listed(log, query)
    assert len(expected) > 350
    assert paged(answers_of(log, tmp_path / "cache" if cached else None), query) == expected


def test_a_page_may_end_between_requests_of_one_instant(sqlite_log):
    log, now = sqlite_log(), datetime.now(UTC).replace(microsecond=0)
    for number in (3, 1, 2, 5, 4):
        log.add(id=f"r{number}", time_ms=int(now.timestamp() * 1000), provider="acme", model="a")
    query = ReportQuery(now - timedelta(days=1), now + timedelta(seconds=1), limit=2)
    answers = answers_of(log)
    first = answers.requests(query)
    assert [row.id for row in first.rows] == ["r1", "r2"]
    assert first.following == Position(now, "r2")
    assert paged(answers, query) == ["r1", "r2", "r3", "r4", "r5"]
    assert answers.requests(query, Position(now, "r5")).rows == ()
    assert answers.requests(query, Position(now - timedelta(days=2), "r1")).rows == ()


def test_the_last_full_page_has_none_behind_it(sqlite_log):
    log, now = sqlite_log(), datetime.now(UTC)
    for _ in range(4):
        log.add(time_ms=int(now.timestamp() * 1000) - 5, provider="acme", model="a")
    page = answers_of(log).requests(ReportQuery(now - timedelta(days=1), now, limit=4))
    assert len(page.rows) == 4
    assert page.following is None


def test_a_filter_and_a_period_inside_days_hold_for_every_page(sqlite_log):
    log, now = sqlite_log(), datetime.now(UTC).replace(microsecond=0)
    fill(log, now)
    query = ReportQuery(now - timedelta(days=9, hours=7), now - timedelta(days=1, hours=3),
                        where=parse_filter("model:a"), limit=41)  # fmt: skip
    expected = listed(log, query, "model = 'a'")
    assert len(expected) > 82
    assert paged(answers_of(log), query) == expected


def test_requests_that_come_while_paging_move_nothing(sqlite_log):
    log, now = sqlite_log(), datetime.now(UTC).replace(microsecond=0)
    fill(log, now)
    query = ReportQuery(now - timedelta(days=DAYS + 2), now + timedelta(hours=1), limit=150)
    expected = listed(log, query)
    ids = paged(answers_of(log), query, lambda page: log.add(
        time_ms=int(now.timestamp() * 1000) + 500, provider="acme", model="a"))  # fmt: skip
    assert ids == expected
    assert len(listed(log, query)) > len(expected)


def test_without_a_limit_a_page_has_two_hundred(sqlite_log):
    log, now = sqlite_log(), datetime.now(UTC).replace(microsecond=0)
    fill(log, now)
    query = ReportQuery(now - timedelta(days=DAYS + 2), now + timedelta(seconds=1))
    page = answers_of(log).requests(query)
    assert [row.id for row in page.rows] == listed(log, query)[:200]
    assert page.following == Position(page.rows[-1].time, page.rows[-1].id)


def test_a_report_carries_its_notes(sqlite_log):
    log, now = sqlite_log(), datetime.now(UTC).replace(microsecond=0)
    fill(log, now, 60)
    log.add(time_ms=int(now.timestamp() * 1000) - 10, provider="acme", model="unheard-of", input_tokens=5)
    query = ReportQuery(now - timedelta(days=DAYS + 2), now, ("tag",), limit=1)
    source, book = open_log(str(log.path), None), RateBook.load(None)
    with_notes = answers_of(log).report(query)
    mirror = read_period(source, book, None, query)  # a query has a start and an end as a period has
    try:
        plain = mirror.report(query, now)
    finally:
        mirror.close()
    assert (with_notes.rows, with_notes.totals, with_notes.row_count) == (plain.rows, plain.totals, plain.row_count)
    assert with_notes.totals.unpriced_count == 1
    said = " · ".join(with_notes.notes)
    assert "1 request unpriced (unheard-of)" in said
    assert "tags overlap" in said
    assert "1 of 3 rows shown" in said


def test_unpriced_models_are_told_with_their_override(sqlite_log):
    log, now = sqlite_log(), datetime.now(UTC).replace(microsecond=0)
    for tokens in (5, 7):
        log.add(time_ms=int(now.timestamp() * 1000) - 10, provider="acme", model="unheard-of", input_tokens=tokens)
    (model,) = answers_of(log).unpriced(ReportQuery(now - timedelta(days=2), now))
    assert (model.provider, model.model, model.request_count, model.input_tokens) == ("acme", "unheard-of", 2, 12)
    assert "unheard-of" in model.override


def test_threads_are_answered_one_by_one_from_one_opening(sqlite_log):
    log, now = sqlite_log(), datetime.now(UTC).replace(microsecond=0)
    fill(log, now, 300)
    opened, loaded = [], []

    def source():
        opened.append(1)
        return open_log(str(log.path), None)

    def book():
        loaded.append(1)
        return RateBook.load(None)

    answers = LogAnswers(source, book, None)
    query = ReportQuery(now - timedelta(days=DAYS + 2), now, ("model",))
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: answers.report(query), range(4)))
        pages = list(pool.map(lambda _: answers.requests(query).rows, range(4)))
    assert all(report == reports[0] for report in reports)
    assert all(page == pages[0] for page in pages)
    assert answers.label
    assert answers.credits() is None
    answers.close()
    assert (len(opened), len(loaded)) == (1, 1)


def test_a_log_that_goes_away_is_a_source_error_and_may_come_back(sqlite_log):
    log, now = sqlite_log(wal=False), datetime.now(UTC).replace(microsecond=0)
    log.add(time_ms=int(now.timestamp() * 1000) - 10, provider="acme", model="a")
    answers = answers_of(log)
    query = ReportQuery(now - timedelta(days=1), now)
    assert answers.report(query).totals.request_count == 1
    log.run("ALTER TABLE cost_top_requests RENAME TO away")
    with pytest.raises((SourceError, UserError)):
        answers.report(query)
    log.run("ALTER TABLE away RENAME TO cost_top_requests")
    assert answers.report(query).totals.request_count == 1


def test_a_log_that_cannot_be_opened_is_a_user_error(tmp_path):
    missing = LogAnswers(lambda: open_log(str(tmp_path / "none.db"), None), lambda: RateBook.load(None), None)
    with pytest.raises(UserError):
        missing.report(ReportQuery(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), where=Filter()))
    with pytest.raises(UserError):
        _ = missing.label
