"""A report answers at once for what is proven, says since when the rest was compared, and compares it when asked to."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from cost_top.mirror import backfill, days
from cost_top.model import native
from cost_top.model.query import ReportQuery
from cost_top.monitor.log import once
from cost_top.monitor.log.answers import LogAnswers
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import SqlLog, SqlLogReader, open_log

DAYS = 12


@pytest.fixture
def log(sqlite_log):
    made = sqlite_log()
    now = datetime.now(UTC)
    for day in range(2, DAYS):
        made.add(time_ms=int((now - timedelta(days=day)).timestamp() * 1000), user_id=f"u{day}", cost_pico_usd=day)
    return made


class Asked:
    """Reports on a log, and what they asked of it."""

    def __init__(self, path: Path, cache: Path) -> None:
        self.path, self.cache = path, cache
        self.readers: list[SqlLogReader] = []

    def open(self) -> Any:
        source = open_log(str(self.path))
        assert isinstance(source, SqlLog)

        def connect() -> SqlLogReader:
            self.readers.append(SqlLogReader(source))
            return self.readers[-1]

        source.connect = connect  # type: ignore[method-assign]
        return source

    def report(self, verify: bool = False) -> tuple[set[str | None], tuple[str, ...]]:
        self.readers.clear()
        answers = LogAnswers(self.open, lambda: RateBook.load(None), self.cache, verify)
        now = datetime.now(UTC)
        report = answers.report(ReportQuery(now - timedelta(days=30), now, group_by=("user",)))
        return {row.key[0] for row in report.rows}, report.notes

    def report_twice(self, log: Any) -> None:
        """The log's sums of a day are known once it was held against them."""
        self.report()
        log.run("UPDATE cost_top_requests SET user_id = user_id")
        self.report()

    @property
    def statements(self) -> int:
        return sum(reader.statistics.queries for reader in self.readers)

    @property
    def rows_read(self) -> int:
        return sum(reader.statistics.rows_read for reader in self.readers)


USERS = {f"u{day}" for day in range(2, DAYS)}


def test_where_nothing_was_written_since_no_day_is_asked_about(log, tmp_path: Path) -> None:
    long_ago = datetime.now(UTC).timestamp() - 60
    for path in (log.path, Path(f"{log.path}-wal")):
        os.utime(path, (long_ago, long_ago))
    asked = Asked(log.path, tmp_path / "cache")
    assert asked.report()[0] == USERS
    assert asked.rows_read >= DAYS - 2, "each day, by however many readers"
    users, notes = asked.report()
    assert users == USERS
    assert asked.statements < 10, "the names, both ends and the hot end"
    assert asked.rows_read == 0
    assert not any("compared" in note for note in notes)


def test_changed_texts_are_seen_at_once_in_a_small_log(log, tmp_path: Path) -> None:
    asked = Asked(log.path, tmp_path / "cache")
    asked.report()
    log.run("UPDATE cost_top_requests SET user_id = 'anonymous' WHERE user_id = 'u5'")
    users, notes = asked.report()
    assert users == USERS - {"u5"} | {"anonymous"}
    assert not any("compared" in note for note in notes)


def test_what_there_was_no_time_to_compare_is_said_and_may_be_asked_for(
    log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(log.path, tmp_path / "cache")
    monkeypatch.setattr(once, "THOROUGH_SECONDS", -1.0)
    monkeypatch.setattr(backfill, "_ALWAYS_THOROUGH", 0)
    asked.report_twice(log)
    log.run("UPDATE cost_top_requests SET user_id = 'anonymous' WHERE user_id = 'u5'")
    log.run("UPDATE cost_top_requests SET cost_pico_usd = 70, user_id = 'dear' WHERE user_id = 'u7'")
    users, notes = asked.report()
    assert users == USERS - {"u7"} | {"dear"}, "another sum is seen, another name not yet"
    assert any(note.startswith("closed days compared ") for note in notes)
    users, notes = asked.report(verify=True)
    assert users == USERS - {"u5", "u7"} | {"anonymous", "dear"}
    assert not any("compared" in note for note in notes)


class Ahead(datetime):
    """The clock of another host that shares the cache."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(hours=5)


def test_what_a_clock_that_is_ahead_compared_is_not_said_to_be_compared(
    log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(log.path, tmp_path / "cache")
    monkeypatch.setattr(once, "THOROUGH_SECONDS", -1.0)
    monkeypatch.setattr(backfill, "_ALWAYS_THOROUGH", 0)
    with monkeypatch.context() as there:
        there.setattr(days, "datetime", Ahead)
        asked.report_twice(log)
    log.run("UPDATE cost_top_requests SET user_id = 'anonymous' WHERE user_id = 'u5'")
    users, notes = asked.report()
    assert users == USERS
    assert "closed days were compared by a clock that is ahead of this one" in notes


def test_what_postgresql_is_late_to_tell_is_seen_where_all_is_compared(postgres_url: str, tmp_path: Path) -> None:
    import psycopg

    now = datetime.now(UTC)
    with psycopg.connect(postgres_url, autocommit=True) as writer:
        writer.execute(native.DDL)
        for day in range(2, DAYS):
            milliseconds = int((now - timedelta(days=day)).timestamp() * 1000)
            writer.execute(
                "INSERT INTO cost_top_requests (id, time_ms, user_id) VALUES (%s, %s, %s)",
                (f"r{day}", milliseconds, f"u{day}"),
            )
        writer.execute("SELECT pg_stat_force_next_flush()")
        answers = [LogAnswers(lambda: open_log(postgres_url), lambda: RateBook.load(None), tmp_path / "cache", verify)
                   for verify in (False, True)]  # fmt: skip
        query = ReportQuery(now - timedelta(days=30), now, group_by=("user",))
        assert {row.key[0] for row in answers[0].report(query).rows} == USERS
        # A session that has just told what it wrote, and stays open, tells the next update only seconds later.
        writer.execute("CREATE TABLE other AS SELECT 1 AS one")
        writer.execute("SELECT pg_stat_force_next_flush()")
        writer.execute("UPDATE cost_top_requests SET user_id = 'anonymous' WHERE user_id = 'u5'")
        found = {row.key[0] for row in answers[1].report(query).rows}
        assert found == USERS - {"u5"} | {"anonymous"}


def test_another_file_under_the_name_is_read_by_an_asker_that_stays(log, sqlite_log, tmp_path: Path) -> None:
    answers = LogAnswers(lambda: open_log(str(log.path)), lambda: RateBook.load(None), tmp_path / "cache")
    now = datetime.now(UTC)
    query = ReportQuery(now - timedelta(days=30), now, group_by=("user",))
    assert answers.report(query).totals.request_count == DAYS - 2
    other = sqlite_log("other.db", wal=False)
    other.add(time_ms=int((now - timedelta(days=3)).timestamp() * 1000), user_id="other")
    other.close()
    log.close()
    other.path.replace(log.path)
    assert [row.key[0] for row in answers.report(query).rows] == ["other"]
