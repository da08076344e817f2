"""The monitor on real logs: what is written shows, once, with its newest figures, through faults and restarts."""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cost_top.model.engine import RequestPage
from cost_top.model.errors import UserError
from cost_top.model.filter import parse_filter
from cost_top.model.native import COLUMNS, DDL
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Live, Snapshot, Stale
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.monitor.feed import Monitor
from cost_top.monitor.log import screens
from cost_top.monitor.log.history import History
from cost_top.monitor.log.hub import LogHub
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log

PATIENCE = 120.0
DOLLAR = 10**12


def request(number: int, time_: datetime, cost: int = DOLLAR, **fields: Any) -> dict[str, Any]:
    """A row of the native log."""
    row = dict.fromkeys(COLUMNS)
    row.update(
        id=f"r{number}", time_ms=int(time_.timestamp() * 1000), provider="openai", model="gpt-4o", endpoint="/chat",
        token="k1", token_name="first key", user_id=f"u{number % 3}", tags='["prod"]', input_tokens=10,
        output_tokens=5, cost_pico_usd=cost, cache_hit=False, latency_ms=900, status=200,
    )  # fmt: skip
    row.update(fields)
    return row


class NativeLog:
    """A native log in SQLite that a gateway writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript("PRAGMA journal_mode=WAL;" + DDL)

    def write(self, *rows: dict[str, Any]) -> None:
        places = ", ".join(f":{name}" for name in COLUMNS)
        self.connection.execute("BEGIN")
        self.connection.executemany(f"INSERT OR REPLACE INTO cost_top_requests VALUES ({places})", rows)
        self.connection.execute("COMMIT")


class Watcher:
    """A face that keeps the newest snapshot."""

    def __init__(self, source: str, cache: Path | None, interval: float = 0.1) -> None:
        self.snapshots: list[Snapshot] = []
        self.failures: list[UserError] = []
        self.cache = cache
        hub = LogHub(lambda: open_log(source, None), lambda: RateBook.load(None), interval=interval, cache=cache)
        self.monitor = Monitor(hub, UTC)
        self.monitor.on_failure = self.failures.append
        self.view = View(tab="user", lenses=("provider", "endpoint", "token", "user"))

    def start(self) -> Watcher:
        self.monitor.start(self.snapshots.append, self.view)
        return self

    def look(self, **changes: Any) -> None:
        self.view = replace(self.view, **changes)
        self.monitor.look(self.view)

    def until(self, is_right: Callable[[Snapshot], bool]) -> Snapshot:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.snapshots and is_right(self.snapshots[-1]) and self.snapshots[-1].view == self.view:
                return self.snapshots[-1]
            time.sleep(0.02)
        last = [(one.spend.measures, one.trust, one.filling, one.state) for one in self.snapshots[-1:]]
        raise AssertionError(f"never came right; last: {last}, {self.failures}")


@pytest.fixture
def native(tmp_path: Path) -> Iterator[NativeLog]:
    log = NativeLog(tmp_path / "gateway.db")
    yield log
    log.connection.close()


@pytest.fixture
def watcher(native: NativeLog, tmp_path: Path) -> Iterator[Watcher]:
    watcher = Watcher(str(native.path), tmp_path / "cache")
    yield watcher
    watcher.monitor.stop()


def cost(snapshot: Snapshot) -> int:
    return snapshot.spend.measures.total_cost


def settled(amount: int) -> Callable[[Snapshot], bool]:
    return lambda snapshot: cost(snapshot) == amount and snapshot.filling is None and not snapshot.incomplete


def test_rows_show_however_they_come(native: NativeLog, watcher: Watcher) -> None:
    now = datetime.now(UTC)
    native.write(*(request(number, now - timedelta(hours=number)) for number in range(100)))
    watcher.start()
    watcher.until(settled(100 * DOLLAR))
    native.write(request(100, datetime.now(UTC)))
    watcher.until(settled(101 * DOLLAR))
    # Late by five minutes: inside the overlap of the native log.
    native.write(request(101, datetime.now(UTC) - timedelta(minutes=5)))
    late = watcher.until(settled(102 * DOLLAR))
    assert late.trust.late_count == 1
    # The same row again with another cost: counted once, with its newest figure.
    native.write(request(100, now, cost=3 * DOLLAR))
    changed = watcher.until(settled(104 * DOLLAR))
    assert changed.trust.repeated_count == 1
    assert changed.spend.measures.request_count == 102
    # A row the gateway took back.
    native.connection.execute("DELETE FROM cost_top_requests WHERE id = 'r101'")
    watcher.until(settled(103 * DOLLAR))
    assert not watcher.failures


def test_older_hours_and_closed_days_are_looked_at_again(native: NativeLog, watcher: Watcher) -> None:
    now = datetime.now(UTC)
    native.write(*(request(number, now - timedelta(hours=number)) for number in range(100)))
    watcher.start()
    watcher.until(settled(100 * DOLLAR))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if now - midnight > timedelta(minutes=40):
        native.write(request(200, midnight + (now - timedelta(minutes=30) - midnight) / 2, cost=5 * DOLLAR))
        watcher.until(settled(105 * DOLLAR))
    watcher.monitor.stop()
    before = 105 if now - midnight > timedelta(minutes=40) else 100
    native.write(request(99, now - timedelta(hours=99), cost=8 * DOLLAR))
    again = Watcher(str(native.path), watcher.cache).start()
    try:
        again.until(settled((before + 7) * DOLLAR))
    finally:
        again.monitor.stop()


def test_what_was_kept_whole_is_shown_whole_at_first(
    native: NativeLog, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screens, "_PATIENCE_AT_FIRST", PATIENCE)  # whatever else the machine does
    now = datetime.now(UTC)
    native.write(*(request(number, now - timedelta(hours=number, seconds=9)) for number in range(100)))
    watcher.start()
    watcher.until(settled(100 * DOLLAR))
    assert watcher.snapshots[0].filling is not None
    assert watcher.cache is not None
    while now.hour != 1 and not [*watcher.cache.glob("*/[!.]*.hours")]:  # just after one o'clock there is none to keep
        time.sleep(0.02)
    watcher.monitor.stop()
    again = Watcher(str(native.path), watcher.cache).start()
    try:
        again.until(settled(100 * DOLLAR))
    finally:
        again.monitor.stop()
    assert {cost(one) for one in again.snapshots} == {100 * DOLLAR}
    assert all(one.filling is None for one in again.snapshots)


def test_the_past_is_not_called_whole_before_it_is_read(native: NativeLog, watcher: Watcher) -> None:
    now = datetime.now(UTC)
    native.write(*(request(number, now - timedelta(hours=number)) for number in range(24 * 58)))
    # Its days are first asked for as the period before the window, for comparison.
    watcher.view = replace(watcher.view, end=(now - timedelta(days=20)).replace(microsecond=0))
    watcher.start()
    watcher.until(settled(30 * 24 * DOLLAR))
    whole = [one for one in watcher.snapshots if one.state is not None and one.filling is None]
    assert {cost(one) for one in whole} == {30 * 24 * DOLLAR}


def test_a_filter_a_drill_and_a_mark(native: NativeLog, watcher: Watcher) -> None:
    now = datetime.now(UTC)
    native.write(*(request(number, now - timedelta(hours=number), model=f"m{number % 2}") for number in range(60)))
    watcher.start()
    watcher.until(settled(60 * DOLLAR))
    watcher.look(filter=parse_filter("model:m1"))
    watcher.until(settled(30 * DOLLAR))
    watcher.look(filter=parse_filter("user:u0 -model:m1"), mark=datetime.now(UTC))
    watcher.until(settled(10 * DOLLAR))
    native.write(request(6000, datetime.now(UTC), model="m0", cost=2 * DOLLAR))
    snapshot = watcher.until(settled(12 * DOLLAR))
    assert snapshot.spend.since_mark is not None
    assert snapshot.spend.since_mark.total_cost == 2 * DOLLAR
    users = snapshot.lens("user")
    assert users is not None
    assert [row.key for row in users.report.rows] == [("u0",)]
    assert users.since_mark == (2 * DOLLAR,)


def test_the_log_goes_and_comes_back(native: NativeLog, watcher: Watcher) -> None:
    now = datetime.now(UTC)
    native.write(*(request(number, now - timedelta(minutes=number)) for number in range(50)))
    watcher.start()
    watcher.until(settled(50 * DOLLAR))
    native.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    native.connection.close()
    hidden = native.path.with_suffix(".away")
    native.path.rename(hidden)
    stale = watcher.until(lambda snapshot: isinstance(snapshot.state, Stale))
    assert cost(stale) == 50 * DOLLAR, "the last figures stay"
    assert isinstance(stale.state, Stale)
    assert "gone" in stale.state.error
    hidden.rename(native.path)
    back = NativeLog(native.path)
    back.write(request(500, datetime.now(UTC)), request(501, now - timedelta(minutes=3)))
    watcher.monitor.refresh()
    snapshot = watcher.until(settled(52 * DOLLAR))
    assert isinstance(snapshot.state, Live)
    back.connection.close()


def test_an_empty_log_and_its_first_row(native: NativeLog, watcher: Watcher) -> None:
    watcher.start()
    empty = watcher.until(settled(0))
    assert empty.newest is None
    native.write(request(1, datetime.now(UTC)))
    watcher.until(settled(DOLLAR))


def test_two_instances_share_a_cache_and_agree(native: NativeLog, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    native.write(*(request(number, now - timedelta(minutes=20 * number)) for number in range(3_000)))
    both = [Watcher(str(native.path), tmp_path / "cache").start() for _ in range(2)]
    try:
        inside = sum(timedelta(minutes=20 * number) < timedelta(days=30) for number in range(3_000))
        for watcher in both:
            assert abs(cost(watcher.until(lambda snapshot: snapshot.filling is None)) - inside * DOLLAR) <= DOLLAR
        native.write(request(9999, datetime.now(UTC), cost=1000 * DOLLAR))
        for watcher in both:
            watcher.until(lambda snapshot: cost(snapshot) > (inside + 900) * DOLLAR)
    finally:
        for watcher in both:
            watcher.monitor.stop()


def test_nothing_on_disk_without_a_cache(native: NativeLog, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    native.write(*(request(number, now - timedelta(hours=number)) for number in range(80)))
    before = {path for path in tmp_path.rglob("*") if "-wal" not in path.name and "-shm" not in path.name}
    watcher = Watcher(str(native.path), None).start()
    try:
        watcher.until(settled(80 * DOLLAR))
    finally:
        watcher.monitor.stop()
    assert {path for path in tmp_path.rglob("*") if "-wal" not in path.name and "-shm" not in path.name} == before


def test_requests_pickers_and_unpriced_models(native: NativeLog, watcher: Watcher) -> None:
    now = datetime.now(UTC)
    native.write(
        *(
            request(number, now - timedelta(minutes=number), cost=number * DOLLAR, session=f"run {number}")
            for number in range(1, 20)
        )
    )
    native.write(request(50, now, cost=None, provider="acme", model="unheard-of"))
    watcher.start()
    watcher.until(settled(190 * DOLLAR))
    pages: queue.SimpleQueue[RequestPage] = queue.SimpleQueue()
    query = ReportQuery(now - timedelta(days=1), now + timedelta(minutes=1), sort="cost", limit=8)
    costs: list[int | None] = []
    after = None
    for _ in range(3):
        watcher.monitor.requests(query, after, pages.put)
        page = pages.get(timeout=PATIENCE)
        costs += [row.cost for row in page.rows]
        after = page.following
    assert costs == [*(number * DOLLAR for number in range(19, 0, -1)), None]
    assert after is None
    found: list[Any] = []
    watcher.monitor.find("user", "U1", found.extend)
    watcher.monitor.unpriced(found.extend)
    deadline = time.monotonic() + PATIENCE
    while len(found) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found[0].value == "u1"
    assert (found[1].provider, found[1].model, found[1].request_count) == ("acme", "unheard-of", 1)
    assert 'model = "unheard-of"' in found[1].override
    sessions: queue.SimpleQueue[Any] = queue.SimpleQueue()
    watcher.monitor.find("session", "RUN 1", sessions.put)
    assert [(each.value, each.cost) for each in sessions.get(timeout=PATIENCE)] == [
        (f"run {number}", number * DOLLAR) for number in (*range(19, 9, -1), 1)
    ]
    watcher.look(lenses=("provider", "session"), tab="session")
    whole = watcher.until(lambda one: one.lens("session") is not None and one.is_settled("panel:session"))
    lens = whole.lens("session")
    assert lens is not None
    told = {row.key[0]: row.measures.total_cost for row in lens.report.rows}
    assert told == {None: 0} | {f"run {number}": number * DOLLAR for number in range(1, 20)}
    assert (lens.report.totals.total_cost, lens.report.row_count) == (190 * DOLLAR, 20)


def test_a_source_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    watcher = Watcher(str(tmp_path / "nothing.db"), None).start()
    deadline = time.monotonic() + PATIENCE
    while not watcher.failures and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "nothing.db" in str(watcher.failures[0])
    watcher.monitor.stop()


def test_a_report_lives_through_a_cache_that_was_emptied(native: NativeLog, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    native.write(*(request(number, now - timedelta(hours=number)) for number in range(24 * 6)))
    hub = LogHub(
        lambda: open_log(str(native.path), None), lambda: RateBook.load(None), interval=0.2, cache=tmp_path / "cache"
    )
    hub.start()
    try:
        query = ReportQuery(now - timedelta(days=10), now + timedelta(minutes=1), ("model",))
        assert hub.report(query).totals.total_cost == 24 * 6 * DOLLAR
        for path in (tmp_path / "cache").rglob("*.parquet"):
            path.unlink(missing_ok=True)  # a name that a reader held may just have been released
        assert hub.report(query).totals.total_cost == 24 * 6 * DOLLAR
    finally:
        hub.close()


def test_a_far_report_does_not_make_the_window_unready(native: NativeLog, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    native.write(*(request(number, now - timedelta(days=number)) for number in range(200)))
    hub = LogHub(lambda: open_log(str(native.path), None), lambda: RateBook.load(None), interval=0.2, cache=None)
    hub.start()
    try:
        near = ReportQuery(now - timedelta(days=30), now + timedelta(minutes=1))
        hub.report(near)
        deadline = time.monotonic() + PATIENCE
        while not hub.health().ready and time.monotonic() < deadline:
            time.sleep(0.02)
        answers: list[int] = []
        far = ReportQuery(now - timedelta(days=400), now + timedelta(minutes=1))
        asking = threading.Thread(target=lambda: answers.append(hub.report(far).totals.total_cost))
        asking.start()
        seen = set[bool]()
        while asking.is_alive():
            seen.add(hub.health().ready)
            time.sleep(0.01)
        asking.join()
        assert answers == [200 * DOLLAR]
        assert seen == {True}
    finally:
        hub.close()


@pytest.mark.parametrize("hour", [0, 1, 2, 13, 23])
def test_history_is_read_whatever_the_hour_of_the_start(native: NativeLog, hour: int) -> None:
    now = datetime(2026, 11, 20, hour, 30, tzinfo=UTC)
    native.write(*(request(number, now - timedelta(hours=number)) for number in range(60)))
    source = open_log(str(native.path), None)
    with source.connect() as reader:
        history = History(source, reader, RateBook.load(None), None)
        try:
            deadline = time.monotonic() + PATIENCE
            whole = Period(now - timedelta(days=3), now)
            while not history.covers(whole) and time.monotonic() < deadline:
                history.step(now, time.monotonic())
                history.collect()
                time.sleep(0.02)
            assert history.mirror.row_count() == 60
        finally:
            history.close()


@pytest.mark.parametrize("hour", [0, 1, 2, 13, 23])
def test_an_empty_log_is_known_to_be_empty_whatever_the_hour_of_the_start(native: NativeLog, hour: int) -> None:
    now = datetime(2026, 11, 20, hour, 30, tzinfo=UTC)
    source = open_log(str(native.path), None)
    with source.connect() as reader:
        history = History(source, reader, RateBook.load(None), None)
        try:
            shown = history.filling((0, 0))
            for _ in range(20):
                history.step(now, time.monotonic())
                if history.changed:
                    shown = history.filling((0, 0))
                history.changed = False
            assert shown is None
        finally:
            history.close()
