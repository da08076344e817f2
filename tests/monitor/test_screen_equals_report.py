"""What the screen sums step by step equals the exact report over the rows, lens by lens, filter by filter."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cost_top.model.filter import parse_filter
from cost_top.model.query import ReportQuery
from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.composed import composed

BERLIN = ZoneInfo("Europe/Berlin")
LENSES = ("provider", "model", "endpoint", "token", "user", "owner", "team", "tag", "credential_type", "status")


def fill(log, count: int, newest: datetime, days: float) -> None:
    draw = random.Random(3)
    rows = []
    for number in range(count):
        status = draw.choice([200, 200, 200, 429, 500])
        rows.append((
            f"q{number}", int((newest - timedelta(days=draw.random() * days)).timestamp() * 1000),
            draw.choice(["openai", "anthropic", None]), draw.choice(["gpt-4o", "claude-sonnet-4-6", "unheard-of"]),
            draw.choice(["/a", "/b"]), token := draw.choice(["k1", "k2", None]), token and f"name {token}",
            draw.choice(["u1", "u2", "u3", None]), draw.choice(["ann", None]), draw.choice(["red", None]),
            json.dumps(draw.sample(["prod", "dev"], draw.randrange(3))), draw.choice(["byok", "system"]),
            draw.randrange(5_000), draw.randrange(500), draw.choice([None, draw.randrange(10**11)]),
            draw.random() < 0.1, draw.randrange(9_000), status,
        ))  # fmt: skip
    names = (
        "id, time_ms, provider, model, endpoint, token, token_name, user_id, owner, team, tags, credential_type, "
        "input_tokens, output_tokens, cost_pico_usd, cache_hit, latency_ms, status"
    )
    log.connection.executemany(f"INSERT INTO cost_top_requests ({names}) VALUES ({', '.join('?' * 18)})", rows)
    log.connection.commit()


@pytest.mark.parametrize(
    ("window", "where"),
    [
        ("30d", ""),
        ("7d", "tag:prod"),
        ("24h", "-user:*"),
        ("1h", ""),
        ("mtd", "model:claude* status:<400"),
        ("30d", "name"),
    ],
)
def test_every_lens_of_the_screen(sqlite_log, tmp_path: Path, window: str, where: str) -> None:
    log = sqlite_log()
    now = datetime.now(UTC)
    fill(log, 4_000, now, 40)
    fill_recent = now - timedelta(minutes=2)
    log.run("UPDATE cost_top_requests SET time_ms = ? - (rowid % 50) * 60000 WHERE rowid % 40 = 0",
            [int(fill_recent.timestamp() * 1000)])  # fmt: skip
    mirror = read_period(open_log(str(log.path)), RateBook.load(None), tmp_path, Period(now - timedelta(days=90), now))
    view = View(window=window, filter=parse_filter(where), lenses=LENSES)
    snapshot = composed(mirror, view, now, BERLIN)
    assert not snapshot.incomplete
    latest = now + timedelta(days=1)
    for lens in snapshot.lenses:
        query = ReportQuery(lens.period.start, latest, (lens.dimension,), view.filter, BERLIN)
        exact = mirror.report(query, now)
        without_latency = [(row.key, replace(row.measures, latency_p50=None, latency_p95=None)) for row in exact.rows]
        assert sorted(map(repr, ((row.key, row.measures) for row in lens.report.rows))) == sorted(
            map(repr, without_latency)
        ), lens.dimension
        assert lens.report.totals == replace(exact.totals, latency_p50=None, latency_p95=None)
    whole = mirror.report(ReportQuery(snapshot.period.start, latest, (), view.filter, BERLIN), now).totals
    assert sum(bar.cost for bar in snapshot.chart) == whole.total_cost
    assert sum(bar.request_count for bar in snapshot.chart) == whole.request_count
    trust = snapshot.trust
    assert trust.reported_cost + trust.priced_cost == whole.total_cost
    mirror.close()


def settled(snapshot: Snapshot) -> dict[str, object]:
    """Every figure of a snapshot by the name under which it may be incomplete."""
    spend = snapshot.spend
    return {
        "total": spend.measures, "today": spend.today, "month": spend.month, "before": spend.previous_cost,
        "usual": snapshot.burn.usual_per_hour, "chart": snapshot.chart, "lately": snapshot.burn.minutes,
        **{f"panel:{lens.dimension}": lens.report for lens in snapshot.lenses},
        **{f"before:{lens.dimension}": lens.previous for lens in snapshot.lenses},
    }  # fmt: skip


@pytest.mark.parametrize("where", ["", "tag:prod"])
def test_a_figure_is_whole_or_named_as_incomplete_in_every_state_of_filling(
    sqlite_log, tmp_path: Path, where: str
) -> None:
    log, now = sqlite_log(), datetime.now(UTC)
    fill(log, 3_000, now, 70)
    view = View(filter=parse_filter(where), lenses=LENSES)
    period = Period(now - timedelta(days=63), now)
    mirror = read_period(open_log(str(log.path)), RateBook.load(None), tmp_path, period)
    whole = settled(composed(mirror, view, now, BERLIN))
    mirror.close()
    mirror = read_period(open_log(str(log.path)), RateBook.load(None), tmp_path, period)
    days, mirror.closed = sorted(mirror.closed.values(), key=lambda day: day.day, reverse=True), {}
    seen: set[str] = set()
    states = 0
    while True:
        # Nothing is built beyond one piece: the sums lag behind the days.
        snapshot = composed(mirror, view, now, BERLIN, until=0.0)
        states += 1
        for name, figure in settled(snapshot).items():
            if snapshot.is_settled(name):
                assert figure == whole[name], name
                seen.add(name)
        if days:
            together = 2 if len(days) > 20 else 4  # they come together where there are few rows
            for day in days[:together]:
                mirror.adopt(day)
            del days[:together]
        elif not snapshot.incomplete:
            break
    assert seen == set(whole)
    assert states > 25, states
    mirror.close()


def test_days_and_hours_of_a_zone_across_a_change_of_the_clocks(sqlite_log, tmp_path: Path) -> None:
    log = sqlite_log()
    end = datetime(2026, 10, 27, tzinfo=UTC)
    fill(log, 3_000, end, 4)
    mirror = read_period(open_log(str(log.path)), RateBook.load(None), tmp_path, Period(end - timedelta(days=5), end))
    times = [time for (time,) in log.connection.execute("SELECT time_ms FROM cost_top_requests")]
    for dimension, spelled in (
        ("day", lambda t: str(t.date())),
        ("hour", lambda t: t.replace(minute=0, second=0, microsecond=0).isoformat()),
        ("minute", lambda t: t.replace(second=0, microsecond=0).isoformat()),
    ):
        for zone in (BERLIN, ZoneInfo("Asia/Kathmandu"), UTC):
            expected = Counter(spelled(datetime.fromtimestamp(time / 1000, UTC).astimezone(zone)) for time in times)
            query = ReportQuery(end - timedelta(days=5), end + timedelta(days=1), (dimension,), zone=zone)
            found = {row.key[0]: row.measures.request_count for row in mirror.report(query, end).rows}
            assert found == expected
    mirror.close()
