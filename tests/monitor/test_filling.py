"""While a log is read for the first time, answers are composed as often as a reader of the screen can do with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cost_top.mirror.database import Database
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Live
from cost_top.model.view import View
from cost_top.monitor.log import hub as hub_module
from cost_top.monitor.log.history import History
from cost_top.monitor.log.hub import LogHub
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.followed import Followed

NOW = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)


def test_while_the_window_is_read_nobody_is_answered_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(hub_module, "clock", lambda: clock.now)
    hub = LogHub(lambda: pytest.fail("is not opened"), lambda: pytest.fail("is not loaded"), interval=2.0, cache=None)
    composed: list[float] = []

    def compose(watch: Any, *_: object) -> tuple[Any, bool]:
        composed.append(clock.now)
        clock.now += 0.1
        return SimpleNamespace(view=watch.view, incomplete=False, number=len(composed)), False

    is_read = SimpleNamespace(now=False)
    hub.history = SimpleNamespace(  # type: ignore[assignment]
        changed=False, window_is_read=lambda: is_read.now, covers=lambda _: True
    )
    hub._screens = SimpleNamespace(compose=compose, forget_all_but=lambda _: None)  # type: ignore[assignment]
    hub.state = Live(NOW)
    watch = hub.subscribe(View(), UTC, lambda _: None)
    hub.obey()

    def days_came() -> float | None:
        hub.history.changed = True
        return hub._show("log")

    assert days_came() is None
    assert days_came() == pytest.approx(0.6)
    assert watch.due
    assert len(composed) == 1
    watch.asked = View(window="7d")  # another view waits for nothing
    days_came()
    assert len(composed) == 2
    clock.now += 0.61
    days_came()
    assert len(composed) == 3
    is_read.now = True
    days_came()
    assert len(composed) == 4


def test_kept_days_of_the_window_are_shown_before_older_ones_are_taken_over(sqlite_log: Any, tmp_path: Path) -> None:
    log, now = sqlite_log(), datetime.now(UTC)
    for days in (0, 3, 40):
        at = now - timedelta(days=days)
        log.add(id=f"r{days}", time_ms=int(at.timestamp() * 1000), provider="a", model="m", cost_pico_usd=1)
    Followed(open_log(str(log.path)), tmp_path).close()
    source = open_log(str(log.path))
    with source.connect() as reader:
        history = History(source, reader, RateBook.load(None), tmp_path)
        try:
            held = {(now - timedelta(days=days)).date(): days for days in (3, 40)}

            def steps(count: int) -> list[int]:
                for number in range(count):
                    history.step(now, 1000.0 + number)
                return sorted(held[day] for day in history.mirror.closed if day in held)

            history.is_summing = True
            assert steps(10) == [3]
            history.is_summing = False
            assert steps(1) == [3, 40]
        finally:
            history.close()


def test_how_many_days_incidents_are_looked_for_in_is_told_while_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = LogHub(lambda: pytest.fail("is not opened"), lambda: pytest.fail("is not loaded"), interval=2.0, cache=None)
    told = []

    def day() -> None:
        told.append(hub.reading(incidents=True))

    answers: Iterator[Any] = iter(((None, [day] * 3), "features"))

    def held(*_: object) -> Any:
        day()
        return next(answers)

    monkeypatch.setattr(hub, "_when_held", held)
    assert hub.features(ReportQuery(NOW, NOW), ()) == "features"
    assert [one and (one.done, one.total) for one in told] == [None, (1, 3), (2, 3), (3, 3), (3, 3)]
    assert hub.reading(incidents=True) is None, "all is looked through"


def test_rows_of_the_hot_end_are_packed_before_its_history_is_read_and_once_it_is(
    sqlite_log: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, now = sqlite_log(), datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    for number in range(3000):
        log.add(id=f"r{number}", time_ms=int(now.timestamp() * 1000) - number * 9_600_000, provider="a", model="m" * 99)
        log.add(id=f"s{number}", time_ms=int(now.timestamp() * 1000) - number, provider="a", model="m" * 99)
    monkeypatch.setattr("cost_top.monitor.log.history._MANY_ROWS", 1000)
    packed: list[tuple[int, bool, bool]] = []
    tidy = Database.tidy

    def watched(database: Database) -> bool:
        before = held_bytes(database)
        done = tidy(database)
        packed.append((before - held_bytes(database), done, bool(history.backfill._threads)))
        return done

    monkeypatch.setattr(Database, "tidy", watched)
    source = open_log(str(log.path))
    with source.connect() as reader:
        history = History(source, reader, RateBook.load(None), tmp_path)
        try:
            while history.step(now, 1000.0):
                history.tidy(1000.0)
            ((saved, done, is_reading),) = packed
            assert saved > 3000 * 99
            assert done
            assert not is_reading
            history.backfill.wait()
            history.collect()
            history.tidy(1001.0)
            assert len(packed) == 2, "once all is read"
            history.tidy(1002.0)
            assert len(packed) == 2
            with history.mirror.database.cursor() as other:
                other.execute("BEGIN; CREATE TABLE by_another (n INTEGER)")
                history.tidy(1400.0)
                history.tidy(1401.0)
                assert [done for _, done, _ in packed[2:]] == [False]
                other.execute("ROLLBACK")
            history.tidy(1406.0)
            assert [done for _, done, _ in packed[2:]] == [False, True], "soon again where others were at work"
        finally:
            history.close()


def held_bytes(database: Database) -> int:
    (found,) = database.connection.execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchall()
    return int(found[0])
