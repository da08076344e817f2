"""The monitor on a LiteLLM proxy's API: new, late and changed rows show once, through faults and on every version."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cost_top.model.snapshot import Live, Stale
from cost_top.monitor.feed import Monitor
from cost_top.monitor.log.hub import LogHub
from cost_top.pricing.book import RateBook
from cost_top.sources.litellm.log import LiteLLMApi, open_litellm_api
from support.litellm_server import KEY, OLD, UI, V2, LiteLLMServer, api_row, utc

sys.path.insert(0, str(Path(__file__).parent))

import test_monitor_live
from test_monitor_live import DOLLAR, Watcher, cost, settled


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The overlap is looked at again after twice the time of the last look, not a hundred times."""
    monkeypatch.setattr(LiteLLMApi, "overlap_share", 0.5)
    monkeypatch.setattr(test_monitor_live, "PATIENCE", 90.0)


@pytest.fixture(params=[(V2, UI, OLD), (UI, OLD), (OLD,)], ids=["v2", "ui", "old"])
def proxy(request: pytest.FixtureRequest) -> Iterator[LiteLLMServer]:
    server = LiteLLMServer(*request.param)
    server.sorts = V2 in request.param
    yield server
    server.close()


def watching(proxy: LiteLLMServer, cache: Path | None) -> Watcher:
    watcher = Watcher("", cache)
    hub = LogHub(lambda: open_litellm_api(proxy.url, KEY), lambda: RateBook.load(None), interval=0.1, cache=cache)
    watcher.monitor = Monitor(hub, UTC)
    watcher.monitor.on_failure = watcher.failures.append
    return watcher.start()


def test_rows_show_once_however_they_come(proxy: LiteLLMServer, tmp_path: Path) -> None:
    now = utc()
    proxy.add(*(api_row(f"r{number}", now - timedelta(hours=number)) for number in range(100)))
    watcher = watching(proxy, tmp_path)
    try:
        assert watcher.until(settled(100 * DOLLAR)).spend.measures.request_count == 100
        proxy.add(api_row("new", utc()))
        watcher.until(settled(101 * DOLLAR))
        # Stamped when the call began, written after its end.
        proxy.add(api_row("late", utc() - timedelta(minutes=5)))
        late = watcher.until(settled(102 * DOLLAR))
        assert late.trust.late_count == 1
        proxy.add({**proxy.rows["new"], "spend": 3.0})
        changed = watcher.until(settled(104 * DOLLAR))
        assert changed.trust.repeated_count == 1
        assert changed.spend.measures.request_count == 102
        assert not watcher.failures
        assert proxy.most_at_once == 1, "one question at a time, whoever asks"
    finally:
        watcher.monitor.stop()


def test_an_outage_keeps_the_figures_and_loses_nothing(tmp_path: Path) -> None:
    proxy = LiteLLMServer()
    now = utc()
    proxy.add(*(api_row(f"r{number}", now - timedelta(hours=number)) for number in range(50)))
    watcher = watching(proxy, tmp_path)
    try:
        watcher.until(settled(50 * DOLLAR))
        proxy.fault = (503, {"error": {"message": "Spend logs took longer than 25s"}})
        stale = watcher.until(lambda snapshot: isinstance(snapshot.state, Stale))
        assert isinstance(stale.state, Stale)
        assert "took longer" in stale.state.error
        assert cost(stale) == 50 * DOLLAR
        proxy.add(api_row("meanwhile", utc()), api_row("late", utc() - timedelta(minutes=3)))
        proxy.fault = None
        watcher.monitor.refresh()
        back = watcher.until(settled(52 * DOLLAR))
        assert isinstance(back.state, Live)
        assert KEY not in repr(watcher.snapshots)
    finally:
        watcher.monitor.stop()
        proxy.close()


def test_kept_days_are_not_read_again_but_checked(tmp_path: Path) -> None:
    proxy = LiteLLMServer()
    now = utc()
    proxy.add(*(api_row(f"r{number}", now - timedelta(hours=number)) for number in range(100)))
    try:
        first = watching(proxy, tmp_path)
        first.until(settled(100 * DOLLAR))
        first.monitor.stop()
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert KEY.encode() not in kept
        # A closed day that changed while nobody looked.
        day = (now - timedelta(hours=99)).date()
        proxy.add({**proxy.rows["r99"], "spend": 8.0}, api_row("another", proxy.rows["r99"]["startTime"]))
        proxy.asked.clear()
        second = watching(proxy, tmp_path)
        second.until(settled(108 * DOLLAR))
        second.monitor.stop()
        days = {asked["start_date"] for path, asked in proxy.asked if path == V2 and asked["page_size"] == "1000"}
        assert f"{day} 00:00:00" in days
        assert f"{day + timedelta(days=1)} 00:00:00" not in days, "a day that is as it was is not read again"
    finally:
        proxy.close()


def test_an_empty_proxy_and_its_first_row(tmp_path: Path) -> None:
    proxy = LiteLLMServer()
    watcher = watching(proxy, tmp_path)
    try:
        assert watcher.until(settled(0)).newest is None
        proxy.add(api_row("first", utc()))
        watcher.until(settled(DOLLAR))
        assert datetime.now(UTC) - timedelta(minutes=1) < (watcher.snapshots[-1].newest or datetime.min)
    finally:
        watcher.monitor.stop()
        proxy.close()
