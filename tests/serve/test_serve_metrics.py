"""What Prometheus reads: valid, bounded, cheap, and the figures of the report."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cost_top.model.answers import Health
from cost_top.model.errors import SourceError
from cost_top.model.query import Measures, Report, ReportQuery, ReportRow, known_measures
from cost_top.model.snapshot import Stale
from cost_top.serve.counters import Counters
from support.native_log import NativeLog
from support.served import served, write_traffic
from support.served_double import NOW, HubDouble, app_of

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in ("gauge", "counter")
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def named(found: Samples, name: str, **labels: str) -> float:
    return sum(value for (of, pairs), value in found.items() if of == name and labels.items() <= dict(pairs).items())


def test_the_figures_are_those_of_the_report(tmp_path):
    log = NativeLog(tmp_path / "gateway.db")
    write_traffic(log)
    with served(tmp_path, log.path) as server:
        response = server.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        found = samples(response.text)
        for window, period in (("1h", {"since": "1h"}), ("30d", {"since": "30d"}), ("today", {"since": "today"})):
            report = server.get("/v1/report", group_by="provider,model", **period).json()
            if not report["results"]:
                continue
            for name, measure in (("cost_usd", "total_cost"), ("requests", "request_count"), ("errors", "error_count"),
                                  ("unpriced_requests", "unpriced_count")):  # fmt: skip
                total = named(found, f"cost_top_window_{name}", window=window)
                assert total == pytest.approx(report["totals"][measure], rel=1e-12), (window, measure)
            for kind in ("input", "output", "cached_input"):
                total = named(found, "cost_top_window_tokens", window=window, kind=kind)
                assert total == report["totals"][f"{kind}_tokens"]
            for row in report["results"]:
                labels = {"provider": row.get("provider", ""), "model": row.get("model", "")}
                value = named(found, "cost_top_window_requests", window=window, **labels)
                assert value == row["request_count"]
        assert named(found, "cost_top_source_up") == named(found, "cost_top_ready") == 1
        assert named(found, "cost_top_build_info") == 1
        assert 0 <= named(found, "cost_top_lag_seconds") < 60
        assert named(found, "cost_top_requests_total") == 0
    log.close()


def test_requests_since_the_start_are_counted(tmp_path):
    log = NativeLog(tmp_path / "gateway.db")
    write_traffic(log, 20)
    with served(tmp_path, log.path, "--rate-limit", 100_000) as server:
        now = int(datetime.now(UTC).timestamp() * 1000)
        for number in range(3):
            time = now + number
            log.add(id=f"new{number}", time_ms=time, provider="acme", model="x", cost_pico_usd=10**11, status=500)
        deadline = monotonic() + 180
        while server.get("/v1/report", since="1h", provider="acme").json()["totals"]["request_count"] < 3:
            assert monotonic() < deadline
            sleep(0.05)
        found = samples(server.get("/metrics").text)
        assert named(found, "cost_top_requests_total", provider="acme") == 3
        assert named(found, "cost_top_errors_total", provider="acme") == 3
        assert named(found, "cost_top_cost_usd_total") == pytest.approx(0.3)
    log.close()


def report_of(rows: list[tuple[tuple[str | None, ...], Measures]]) -> Report:
    return Report(("provider", "model"), tuple(ReportRow(*row) for row in rows), Measures(), len(rows), NOW)


async def scraped(app: Any) -> str:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        response = await client.get("/metrics")
    assert response.status_code == 200
    return response.text


async def test_series_are_bounded_and_their_names_clean():
    hostile = 'a"\\\n\x1b[31m{}\u202e' + "x" * 500
    rows = [((f"p{number % 7}", f"m{number}"), Measures(total_cost=10**12, request_count=1)) for number in range(500)]
    hub = HubDouble(answer=lambda _: report_of([((hostile, None), Measures(request_count=1)), *rows]))
    found = samples(await scraped(app_of(hub)))
    series = {pairs for name, pairs in found if name == "cost_top_window_requests"}
    assert len(series) == 3 * 101
    assert named(found, "cost_top_window_requests", window="1h") == 501
    assert named(found, "cost_top_window_requests", window="1h", provider="other", model="other") == 401
    labels = {value for pairs in series for _, value in pairs}
    assert max(map(len, labels)) <= 100
    assert all(value.isprintable() for value in labels)
    # Who came first stays, whatever comes later.
    hub.answer = lambda _: report_of(list(reversed(rows)))
    again = samples(await scraped(app_of(hub)))
    assert len(again) <= len(found)


async def test_many_scrapes_ask_the_source_once():
    hub = HubDouble()
    app = app_of(hub)
    texts = await asyncio.gather(*(scraped(app) for _ in range(10)))
    assert len({tuple(sorted(samples(text))) for text in texts}) == 1
    assert len(hub.asked) == 4


async def test_what_is_not_known_has_no_series():
    hub = HubDouble(answer=lambda _: report_of([(("a", "b"), known_measures(10**12))]))
    found = samples(await scraped(app_of(hub)))
    assert named(found, "cost_top_window_cost_usd", window="1h") == 1
    assert not [name for name, _ in found if name in ("cost_top_window_requests", "cost_top_window_tokens")]


async def test_a_source_that_does_not_answer_leaves_its_state_to_read():
    def fail(_: ReportQuery) -> Report:
        raise SourceError("/srv/secret/gateway.db: is locked")

    stale = Health(False, Stale(NOW, "gone", NOW), None, None)
    text = await scraped(app_of(HubDouble(answer=fail, state=stale)))
    found = samples(text)
    assert named(found, "cost_top_source_up") == named(found, "cost_top_ready") == 0
    assert named(found, "cost_top_lag_seconds") > 0
    assert "secret" not in text
    assert not [name for name, _ in found if name.startswith("cost_top_window")]


async def test_counters_never_fall_and_their_question_stays_short():
    asked: list[ReportQuery] = []
    costs = {"a": 5, "b": 7}

    async def ask(query: ReportQuery) -> Report:
        asked.append(query)
        rows = [ReportRow((name,), Measures(total_cost=cost * 10**12)) for name, cost in costs.items()]
        return Report(("provider",), tuple(rows), Measures(), len(rows), NOW)

    def told() -> dict[str, float]:
        families = {family.name: family for family in counters.families()}
        return {sample.labels["provider"]: sample.value for sample in families["cost_top_cost_usd"].samples}

    counters = Counters(NOW)
    await counters.renew(ask, NOW + timedelta(minutes=1))
    assert told() == {"a": 5, "b": 7}
    costs.update(a=3, c=1)  # corrected downwards
    await counters.renew(ask, NOW + timedelta(hours=2))
    assert told() == {"a": 5, "b": 7, "c": 1}
    day_later = NOW + timedelta(hours=25)
    await counters.renew(ask, day_later)
    closed, opened = asked[-2:]
    assert (closed.start, closed.end, opened.start) == (NOW, opened.start, day_later - timedelta(hours=1))
    assert told() == {"a": 6, "b": 14, "c": 2}
    costs.update({f"p{number}": 1 for number in range(200)})
    await counters.renew(ask, day_later)
    assert len(told()) <= 51


async def test_windows_are_the_last_hour_today_and_thirty_days():
    hub = HubDouble()
    app = app_of(hub)
    await scraped(app)
    hour, today, month, _ = hub.asked
    now = hub.asked[0].start + timedelta(hours=1)
    assert month.start == now - timedelta(days=30)
    assert today.start == now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert {query.group_by for query in (hour, today, month)} == {("provider", "model")}
