"""A report API on the screen: real questions over HTTP to a gateway that computes its answers from requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cost_top.model.errors import CannotAnswer, SourceThrottled, UserError
from cost_top.model.filter import parse_filter
from cost_top.model.money import pico
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Snapshot, Stale
from cost_top.model.view import View
from cost_top.monitor.api import hub as api_hub
from cost_top.monitor.api import meter
from cost_top.monitor.api.hub import ApiHub
from cost_top.monitor.feed import Monitor
from cost_top.sources.apis.vercel import VercelApi
from support.vercel_server import Failure, SpentRequest, VercelServer

PATIENCE = 120.0
NOW = datetime(2026, 11, 25, 14, 3, 22, tzinfo=UTC)


def requests() -> list[SpentRequest]:
    """A request every seven hours over sixty days, prices that no double holds."""
    found = []
    for number in range(206):
        found.append(
            SpentRequest(
                datetime.now(UTC) - timedelta(hours=7 * number),
                Decimal("0.000123456789") * (number + 1),
                provider=("openai", "anthropic")[number % 2],
                model=("openai/gpt-5", "anthropic/claude")[number % 2],
                user=("acme", "globex", None)[number % 3],
                tags=(("prod",), ("prod", "pro"), ())[number % 3],
                credential_type="byok" if number % 5 == 0 else "system",
                api_key_name=("web", "batch")[number % 2],
            )
        )
    return found


@pytest.fixture
def server() -> Iterator[VercelServer]:
    with VercelServer(requests()) as running:
        yield running


class Watcher:
    def __init__(self, server: VercelServer, cache: Path | None, interval: float | None = None) -> None:
        self.snapshots: list[Snapshot] = []
        self.failures: list[UserError] = []
        self.hub = ApiHub(lambda: VercelApi(server.url, server.key), interval=interval, cache=cache)
        self.monitor = Monitor(self.hub, UTC)
        self.monitor.on_failure = self.failures.append
        self.view = View(lenses=("provider", "endpoint", "token", "model"))

    def start(self) -> Watcher:
        self.monitor.start(self.snapshots.append, self.view)
        return self

    def look(self, **changes: Any) -> None:
        self.view = replace(self.view, **changes)
        self.monitor.look(self.view)

    def until(self, is_right: Callable[[Snapshot], bool]) -> Snapshot:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.snapshots and self.snapshots[-1].view == self.view and is_right(self.snapshots[-1]):
                return self.snapshots[-1]
            time.sleep(0.01)
        raise AssertionError(f"never came right: {self.snapshots[-1:]} {self.failures}")

    def fails(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while not self.failures and time.monotonic() < deadline:
            time.sleep(0.01)
        return str(self.failures[0])


@pytest.fixture
def watcher(server: VercelServer, tmp_path: Path) -> Iterator[Watcher]:
    watcher = Watcher(server, tmp_path / "cache")
    yield watcher
    watcher.monitor.stop()


def whole(snapshot: Snapshot) -> bool:
    return snapshot.state is not None and snapshot.filling is None


def first_day(days: int) -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)


def spent(server: VercelServer, since: datetime, **wanted: Any) -> int:
    """The exact sum, from the requests themselves."""
    return sum(
        pico(one.total_cost)
        for one in server.requests
        if one.time >= since and all(getattr(one, name) == value for name, value in wanted.items())
    )


def test_the_screen_tells_what_was_spent(server: VercelServer, watcher: Watcher) -> None:
    snapshot = watcher.start().until(whole)
    assert snapshot.spend.measures.total_cost == spent(server, first_day(30))
    assert snapshot.spend.today == spent(server, first_day(1))
    assert sum(bar.cost for bar in snapshot.chart) == snapshot.spend.measures.total_cost
    assert len(snapshot.chart) == 30
    providers = snapshot.lens("provider")
    assert providers is not None
    assert {row.key[0]: row.measures.total_cost for row in providers.report.rows} == {
        name: spent(server, first_day(30), provider=name) for name in ("openai", "anthropic")
    }
    # What the API does not tell is not nothing.
    assert snapshot.spend.measures.saved_by_cache is None
    # The thirty days before come with the days that are asked for anyway.
    assert snapshot.spend.previous_cost == spent(server, first_day(60)) - spent(server, first_day(30))
    assert snapshot.lens("endpoint") is None
    assert "endpoints" in (snapshot.limit("endpoint") or "")
    assert snapshot.balance is not None
    assert snapshot.balance.credits is not None
    assert snapshot.balance.credits.balance == pico("95.50")
    assert snapshot.balance.runway is not None


def test_watching_tells_its_price(server: VercelServer, watcher: Watcher) -> None:
    snapshot = watcher.start().until(whole)
    asking = snapshot.asking
    assert asking is not None
    assert asking.questions == server.queries
    assert asking.cost == server.queries * pico("0.005")
    assert 0 < asking.cost_per_month <= 15 * 10**12
    # Slower is cheaper, and said so.
    watcher.monitor.set_interval(7200)
    slower = watcher.until(lambda one: one.asking is not None and one.asking.interval == 7200)
    assert slower.asking is not None
    # Four open questions, and what is closed twice a day: three panels and the days.
    assert slower.asking.cost_per_month == round(4 * pico("0.005") * 30 * 86400 / 7200) + 60 * 4 * pico("0.005")


def test_closed_days_are_asked_once_whatever_is_restarted(server: VercelServer, tmp_path: Path) -> None:
    first = Watcher(server, tmp_path / "cache").start()
    before = first.until(whole)
    first.monitor.stop()
    asked = [parameters for path, parameters in server.asked if path == "/v1/report"]
    again = Watcher(server, tmp_path / "cache").start()
    after = again.until(whole)
    again.monitor.stop()
    repeated = [parameters for path, parameters in server.asked if path == "/v1/report"][len(asked) :]
    today = first_day(1).date().isoformat()
    # Until two hours after midnight yesterday is not closed either.
    assert repeated
    assert all(parameters["end_date"] == today for parameters in repeated)
    assert all(parameters["start_date"] >= first_day(2).date().isoformat() for parameters in repeated)
    assert before.spend == after.spend


def test_only_what_is_on_the_screen_is_asked(server: VercelServer, watcher: Watcher) -> None:
    watcher.start().until(whole)
    grouped = {parameters.get("group_by", "day") for _, parameters in server.asked if "start_date" in parameters}
    assert grouped == {"day", "provider", "api_key_name", "model"}
    queries = server.queries
    watcher.look(tab="user", lenses=("provider", "endpoint", "token", "user"))
    users = watcher.until(lambda one: whole(one) and one.lens("user") is not None).lens("user")
    assert server.queries == queries + 2  # the closed days, and today
    assert users is not None
    assert {row.key[0] for row in users.report.rows} == {"acme", "globex", None}
    # Sorting and coming back ask nothing.
    watcher.look(sort=(("user", "request_count", False),))
    watcher.until(lambda one: whole(one) and one.lens("user") is not None)
    watcher.look(tab="model", lenses=("provider", "endpoint", "token", "model"))
    watcher.until(lambda one: whole(one) and one.lens("model") is not None)
    assert server.queries == queries + 2


def test_a_drill_is_the_apis_own_filter(server: VercelServer, watcher: Watcher) -> None:
    watcher.start().until(whole)
    watcher.look(filter=parse_filter("user:acme provider:openai"))
    snapshot = watcher.until(whole)
    assert snapshot.spend.measures.total_cost == spent(server, first_day(30), user="acme", provider="openai")
    assert all(
        parameters.get("user_id") == "acme" and parameters.get("provider") == "openai"
        for _, parameters in server.asked[-3:]
        if "start_date" in parameters
    )
    # The balance is everybody's.
    assert snapshot.balance is not None
    assert snapshot.balance.runway is None
    refused = watcher.monitor.refuses(replace(watcher.view, filter=parse_filter("endpoint:/chat")))
    assert refused is not None
    assert "endpoint" in refused
    assert snapshot.limit("requests") is not None


def test_own_keys_are_told_apart_when_they_are_asked_for(server: VercelServer, watcher: Watcher) -> None:
    watcher.view = View(lenses=("provider", "credential_type"))
    snapshot = watcher.start().until(lambda one: whole(one) and one.lens("credential_type") is not None)
    own = sum(
        pico(one.market_cost) for one in server.requests if one.time >= first_day(30) and one.credential_type == "byok"
    )
    assert snapshot.spend.byok_market_cost == own
    assert snapshot.spend.below_market == 0


@pytest.mark.parametrize("window", ["1h", "24h", "7d", "mtd"])
def test_other_windows(server: VercelServer, watcher: Watcher, window: str) -> None:
    watcher.view = View(window=window, lenses=("provider",))
    snapshot = watcher.start().until(whole)
    assert snapshot.spend.measures.total_cost == spent(server, snapshot.period.start)
    assert sum(bar.cost for bar in snapshot.chart) == snapshot.spend.measures.total_cost


def test_time_travel(server: VercelServer, watcher: Watcher) -> None:
    end = first_day(10)
    watcher.view = View(window="7d", end=end, lenses=("provider",))
    snapshot = watcher.start().until(whole)
    expected = sum(pico(one.total_cost) for one in server.requests if end - timedelta(days=7) <= one.time < end)
    assert snapshot.spend.measures.total_cost == expected
    assert snapshot.period.end == end


def test_figures_stay_while_the_api_fails(server: VercelServer, tmp_path: Path) -> None:
    watcher = Watcher(server, None, interval=0.2)
    before = watcher.start().until(whole)
    # Enough for the total's question to be among those that fail.
    server.failures.extend([Failure(500), Failure(502, b"<html>bad gateway</html>")] * 2 + [Failure(503)])
    stale = watcher.until(lambda one: isinstance(one.state, Stale))
    assert stale.spend == before.spend
    server.requests.append(SpentRequest(datetime.now(UTC), Decimal("5")))
    watcher.until(
        lambda one: whole(one) and one.spend.measures.total_cost == before.spend.measures.total_cost + pico(5)
    )
    watcher.monitor.stop()
    assert not watcher.failures


def test_patience_is_kept(server: VercelServer) -> None:
    watcher = Watcher(server, None, interval=0.2)
    watcher.start().until(whole)
    server.failures.append(Failure(429, headers={"Retry-After": "3600"}, message="slow down"))
    stale = watcher.until(lambda one: isinstance(one.state, Stale))
    assert isinstance(stale.state, Stale)
    assert stale.state.retry_at - stale.state.since > timedelta(minutes=59)
    queries = server.queries
    time.sleep(1)
    assert server.queries == queries
    watcher.monitor.stop()


def test_a_wrong_key_ends_with_one_line(server: VercelServer) -> None:
    watcher = Watcher(server, None)
    watcher.hub = ApiHub(lambda: VercelApi(server.url, "vck_wrong_key_000000"), interval=None, cache=None)
    watcher.monitor = Monitor(watcher.hub, UTC)
    watcher.monitor.on_failure = watcher.failures.append
    watcher.start()
    told = watcher.fails()
    assert "vercel" in told
    assert "\n" not in told
    assert "vck_wrong" not in told
    watcher.monitor.stop()


def test_a_filter_that_it_cannot_apply_ends_with_its_reason(server: VercelServer) -> None:
    watcher = Watcher(server, None)
    watcher.view = View(filter=parse_filter("endpoint:/chat"))
    watcher.start()
    assert "endpoint" in watcher.fails()
    assert server.queries == 0
    watcher.monitor.stop()


def test_a_plan_without_reports_ends_with_its_reason(server: VercelServer) -> None:
    server.has_reports = False
    watcher = Watcher(server, None).start()
    assert "vercel" in watcher.fails()
    watcher.monitor.stop()


def test_nothing_is_asked_again_while_the_meter_stands_still(
    server: VercelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "METER_SECONDS", 0.05)
    watcher = Watcher(server, None, interval=0.3)
    lag = VercelApi(server.url, server.key).capabilities
    monkeypatch.setattr(VercelApi, "capabilities", property(lambda self: replace(lag, lag=timedelta(0))))
    watcher.start().until(whole)
    time.sleep(1.0)
    quiet = server.queries
    time.sleep(0.6)
    assert server.queries - quiet <= 4  # one round in six
    server.requests.append(SpentRequest(datetime.now(UTC), Decimal("2")))
    assert server.credits is not None
    server.credits["total_used"] = "6.50"
    moved = watcher.until(lambda one: whole(one) and one.balance is not None and one.balance.metered == pico(2))
    assert moved is not None
    watcher.until(lambda one: one.spend.measures.total_cost == spent(server, first_day(30)))
    watcher.monitor.stop()


def test_a_report_over_the_api(server: VercelServer, watcher: Watcher) -> None:
    watcher.start().until(whole)
    end = first_day(1) + timedelta(days=1)
    report = watcher.hub.report(ReportQuery(first_day(7), end, ("model",)))
    assert report.totals.total_cost == spent(server, first_day(7))
    tags = watcher.hub.report(ReportQuery(first_day(7), end, ("tag",)))
    assert tags.totals.total_cost == spent(server, first_day(7))
    assert sum(row.measures.total_cost for row in tags.rows) > tags.totals.total_cost
    days = watcher.hub.report(ReportQuery(first_day(7), end, ("day",), sort="day", descending=False))
    assert [row.key[0] for row in days.rows] == sorted(row.key[0] or "" for row in days.rows)
    queries = server.queries
    watcher.hub.report(ReportQuery(first_day(7), end, ("model",)))
    assert server.queries == queries  # a fresh answer is not bought twice
    with pytest.raises(CannotAnswer, match="one dimension"):
        watcher.hub.report(ReportQuery(first_day(7), end, ("model", "user")))
    with pytest.raises(CannotAnswer, match="endpoint"):
        watcher.hub.report(ReportQuery(first_day(7), end, ("endpoint",)))
    with pytest.raises(CannotAnswer):
        watcher.hub.requests(ReportQuery(first_day(7), end))


def test_the_last_figures_stay_over_midnight(
    server: VercelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher(server, tmp_path / "cache")
    before = watcher.start().until(whole)
    server.failures.extend(Failure(503) for _ in range(1000))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    monkeypatch.setattr(api_hub, "utc_now", lambda: tomorrow)
    watcher.monitor.refresh()
    stale = watcher.until(lambda one: isinstance(one.state, Stale))
    watcher.monitor.stop()
    assert stale.spend == before.spend
    assert stale.lenses == before.lenses


def test_a_refused_total_ends_the_watch_that_asked_for_it_alone(server: VercelServer, tmp_path: Path) -> None:
    watcher = Watcher(server, tmp_path / "cache").start()
    told: list[Exception] = []
    other = replace(watcher.view, filter=parse_filter("model:zzz"))
    watcher.until(whole)
    server.failures.append(Failure(400, message="no such model"))
    watcher.hub.subscribe(other, UTC, lambda _: None, told.append)
    deadline = time.monotonic() + PATIENCE
    while not told and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "no such model" in str(told[0])
    watcher.look(window="7d")
    watcher.until(lambda one: whole(one) and one.spend.measures.total_cost == spent(server, first_day(7)))
    assert not watcher.failures
    watcher.monitor.stop()


def test_a_panel_that_fails_keeps_nothing_else_waiting(server: VercelServer, tmp_path: Path) -> None:
    watcher = Watcher(server, tmp_path / "cache", interval=0.3)
    watcher.view = View(lenses=("provider", "tag"))
    right = server.answer

    def answer(path: str, pairs: list[tuple[str, str]], authorization: str) -> Any:
        if ("group_by", "tag") in pairs:
            server.failures.append(Failure(500))
        return right(path, pairs, authorization)

    server.answer = answer  # type: ignore[method-assign]
    watcher.start()
    watcher.until(lambda one: one.state is not None and one.lens("provider") is not None)
    server.requests.append(SpentRequest(datetime.now(UTC), Decimal("7")))
    snapshot = watcher.until(lambda one: one.spend.measures.total_cost == spent(server, first_day(30)))
    watcher.monitor.stop()
    assert snapshot.lens("tag") is None
    assert not isinstance(snapshot.state, Stale)


def test_patience_holds_for_r_and_for_reports(server: VercelServer) -> None:
    watcher = Watcher(server, None, interval=0.2)
    watcher.start().until(whole)
    server.failures.append(Failure(429, headers={"Retry-After": "3600"}))
    watcher.until(lambda one: isinstance(one.state, Stale))
    queries = len(server.asked)
    for _ in range(3):
        watcher.monitor.refresh()
    with pytest.raises(SourceThrottled) as caught:
        watcher.hub.report(ReportQuery(first_day(3), first_day(1), ("user",)))
    assert caught.value.wait is not None
    assert caught.value.wait > 3500
    time.sleep(0.5)
    assert len(server.asked) == queries
    watcher.monitor.stop()


def test_pickers_ask_what_their_panel_would(server: VercelServer, watcher: Watcher) -> None:
    watcher.start().until(whole)
    found: list[Any] = []
    queries = server.queries
    watcher.monitor.find("model", "claude", found.append)
    watcher.monitor.find("user", "", found.append)
    watcher.monitor.find("user", "glo", found.append)
    deadline = time.monotonic() + PATIENCE
    while len(found) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [one.value for one in found[0]] == ["anthropic/claude"]
    assert {one.value for one in found[1]} == {"acme", "globex", None}
    assert [one.value for one in found[2]] == ["globex"]
    assert server.queries == queries + 2  # users: the closed days and today, once


def test_burn_ends_where_the_answer_does(server: VercelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.requests.clear()
    now = datetime.now(UTC)
    hour = now.replace(minute=0, second=0, microsecond=0)
    server.requests += [
        SpentRequest(hour - timedelta(hours=1, minutes=-5), Decimal("2")),
        SpentRequest(hour - timedelta(hours=2, minutes=-5), Decimal("1")),
    ]
    watcher = Watcher(server, tmp_path / "cache")
    before = watcher.start().until(whole)
    # Two hours later nothing was asked again: what is unknown is not nothing.
    monkeypatch.setattr(api_hub, "utc_now", lambda: now + timedelta(hours=2))
    watcher.look(sort=(("model", "request_count", True),))
    later = watcher.until(whole)
    watcher.monitor.stop()
    if (now + timedelta(hours=2)).date() == now.date():
        assert later.burn.hours == before.burn.hours
        assert later.burn.until == before.burn.until
    assert before.burn.until is not None
    assert before.burn.cost_per_hour == pico(2) if now - hour > timedelta(minutes=4) else pico(1)


def test_the_source_is_a_dimension_that_the_api_is_not_asked_for(server: VercelServer, watcher: Watcher) -> None:
    watcher.hub.own_name = "bill"
    watcher.look(filter=parse_filter("source:bill"))
    snapshot = watcher.start().until(whole)
    assert snapshot.spend.measures.total_cost == spent(server, first_day(30))
    query = ReportQuery(first_day(7), datetime.now(UTC), ("source", "provider"), parse_filter("source:b*"))
    report = watcher.hub.report(query)
    assert {row.key: row.measures.total_cost for row in report.rows} == {
        ("bill", name): spent(server, first_day(7), provider=name) for name in ("openai", "anthropic")
    }
    assert watcher.hub.report(replace(query, where=parse_filter("-source:bill"))).rows == ()
    assert watcher.hub.refuses(View(filter=parse_filter("source:vercel"))) == "the source is called bill"
    assert watcher.hub.refuses(View(filter=parse_filter("source:bill"))) is None
    # Before it is open nothing is known of it, and nobody waits for that.
    closed = ApiHub(lambda: VercelApi(server.url, server.key), interval=None, cache=None)
    assert closed.refuses(View(filter=parse_filter("source:vercel"))) is None
