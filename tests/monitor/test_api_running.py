"""An API that tells running totals only, and one whose panels are in other dollars than the bill."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from cost_top.model.money import pico
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.monitor.api.hub import ApiHub
from cost_top.monitor.feed import Monitor
from cost_top.pricing.book import RateBook
from cost_top.sources.apis.openai import OpenAiApi
from cost_top.sources.apis.openrouter import OpenRouterApi
from support.admin_server import invent
from support.openai_admin_server import OpenAiAdminServer
from support.openrouter_server import ORDINARY, Call, OpenRouterServer

PATIENCE = 120.0


def until(snapshots: list[Snapshot], is_right: Callable[[Snapshot], bool]) -> Snapshot:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if snapshots and is_right(snapshots[-1]):
            return snapshots[-1]
        time.sleep(0.02)
    raise AssertionError("never came right")


def watched(hub: ApiHub, view: View) -> tuple[Monitor, list[Snapshot]]:
    snapshots: list[Snapshot] = []
    monitor = Monitor(hub, UTC)
    monitor.start(snapshots.append, view)
    return monitor, snapshots


def whole(snapshot: Snapshot) -> bool:
    return snapshot.state is not None and snapshot.filling is None


def test_an_ordinary_key_shows_the_running_month():
    now = datetime.now(UTC)
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    calls = [Call(now - timedelta(hours=6 * number), usage=Decimal("0.01")) for number in range(200)]
    server = OpenRouterServer(calls)
    try:
        monitor, snapshots = watched(
            ApiHub(lambda: OpenRouterApi(server.url, ORDINARY), interval=None, cache=None), View()
        )
        snapshot = until(snapshots, whole)
        monitor.stop()
    finally:
        server.close()
    spent = sum(pico(call.usage) for call in calls if call.time >= month)
    today = sum(pico(call.usage) for call in calls if call.time.date() == now.date())
    assert snapshot.spend.measures.total_cost == snapshot.spend.month == spent
    assert snapshot.spend.today == today
    assert snapshot.period.start == month
    assert snapshot.limit("window") == "this month (UTC)"
    assert "management key" in (snapshot.limit("provider") or "")
    # Nothing that was not told is shown as nothing.
    assert snapshot.chart == ()
    assert snapshot.burn.cost_per_hour is None
    assert snapshot.lenses == ()


def test_a_bill_and_dollars_by_rates_are_told_apart():
    now = datetime.now(UTC)
    key = "sk-admin-invented-0123456789"
    calls = invent(7, now - timedelta(days=35), now, 400, ["gpt-4o-2024-08-06", "o3"], ["default"], writes_1h=False,
                   most_cached=9000)  # fmt: skip
    with OpenAiAdminServer(key, now + timedelta(hours=1), calls, []) as server:
        hub = ApiHub(lambda: OpenAiApi(f"{server.url}/v1", key, RateBook.load), interval=None, cache=None)
        monitor, snapshots = watched(hub, View(lenses=("provider", "model")))
        snapshot = until(snapshots, lambda one: whole(one) and one.lens("model") is not None)
        monitor.stop()
    models = snapshot.lens("model")
    assert models is not None
    # Shares are of the panel's own dollars.
    assert models.report.totals.total_cost == sum(row.measures.total_cost for row in models.report.rows)
    assert any("rates" in note for note in models.report.notes)
    start = snapshot.period.start
    billed = sum(pico(cost) for call in calls if call.time >= start for cost in call.costs.values())
    assert snapshot.spend.measures.total_cost == billed
    assert len(snapshot.burn.minutes) == 60
