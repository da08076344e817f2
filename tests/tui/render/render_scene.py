"""A snapshot as the monitor would publish it, with the figures of the design's screen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from cost_top.model.money import pico
from cost_top.model.query import Measures, Report, ReportRow
from cost_top.model.request_row import RequestRow
from cost_top.model.snapshot import Burn, Lens, Live, Snapshot, Spend, TimeBar, Trust
from cost_top.model.view import View
from cost_top.model.windows import Period

NOW = datetime(2026, 11, 14, 14, 3, 22, tzinfo=UTC)
WEEK = Period(NOW - timedelta(days=7), NOW)
MONTH = Period(NOW - timedelta(days=30), NOW)


def daily(count=31, cost=None):
    """Bars of local days that end now; first and last are cut."""
    start = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=count - 1)
    bars = []
    for number in range(count):
        day = start + timedelta(days=number)
        amount = cost(number) if cost else pico(52 + (number * 37) % 29 - (22 if day.weekday() >= 5 else 0))
        bars.append(
            TimeBar(day, day + timedelta(days=1), f"{day:%m-%d}", amount, 500 + number, pico("5.1"), 0,
                    partial=number in (0, count - 1))
        )  # fmt: skip
    return tuple(bars)


def lens(dimension, rows, period=MONTH, trends=(), previous=(), since_mark=(), total="1847.20"):
    """Rows are (key, cost, requests, unpriced)."""
    columns = ("token", "token_name") if dimension == "token" else (dimension,)
    made = tuple(
        ReportRow(key if isinstance(key, tuple) else (key,),
                  Measures(total_cost=pico(cost), request_count=requests, unpriced_count=unpriced))
        for key, cost, requests, unpriced in rows
    )  # fmt: skip
    report = Report(columns, made, Measures(total_cost=pico(total), request_count=60_000), len(made), NOW)
    return Lens(dimension, period, report, trends, previous, since_mark)


def trend(seed):
    return tuple(pico((seed * 7 + n * (seed + 3)) % 13) for n in range(31))


def providers():
    return lens(
        "provider",
        [("anthropic", "1402.10", 18_240, 0), ("openai", "312.60", 31_000, 0), ("google", "98.1234", 6_200, 0),
         ("mistral", "30.0266", 2_100, 12), ("groq", "4.30", 900, 0), ("cohere", "0.0526", 80, 0),
         ("ollama", "0", 1_200, 0), (None, "0", 312, 312)],
        trends=tuple(trend(n) for n in range(8)),
        previous=(pico("1200"), pico("310"), pico("120"), 0, pico("4.3"), None, 0, None),
    )  # fmt: skip


def endpoints():
    return lens(
        "endpoint",
        [("/summarise-ticket", "412.30", 9_999, 0), ("/agent-proxy-claude", "287.60", 4_100, 0),
         ("/search-rerank", "31.20", 12_500, 0), ("/日本語/要約", "2.10", 320, 0), (None, "0.4400", 12, 1)],
        WEEK, previous=(pico("300"), pico("290"), pico("80"), 0, None), total="733.64",
    )  # fmt: skip


def key_lens():
    return lens(
        "token",
        [(("pg_live_xy7Qk2mm0a", "customer-A"), "312.40", 8_000, 0), (("pg_live_qz3", "internal"), "187.20", 910, 0),
         (("pg_live_noname_1234567", None), "12.00", 44, 0), ((None, None), "0", 312, 312)],
        WEEK, previous=(pico("300"), None, pico("80"), None), total="511.60",
    )  # fmt: skip


def models():
    return lens(
        "model",
        [("claude-sonnet-4.6", "902.11", 18_240, 0), ("gpt-5.2", "300.00", 9_100, 0),
         ("our-own-model", "0", 312, 312)],
        previous=(pico("900"), pico("100"), None),
    )  # fmt: skip


def scene(**changes):
    """The design's screen; `changes` replace fields of the snapshot."""
    total = Measures(
        total_cost=pico("1847.20"), market_cost=pico("2035.45"), input_tokens=48_000_000, output_tokens=13_300_000,
        request_count=60_312, saved_by_cache=pico("182.40"), prompt_cache_savings=pico("96.10"),
        cache_hit_count=5_100, error_count=241, unpriced_count=312, latency_p95=1_900,
    )  # fmt: skip
    spend = Spend(total, pico("1632.90"), pico("74.11"), pico("1402.66"), None, pico("178.00"), pico("10.25"))
    minutes = tuple(
        pico(str(round(0.02 + 0.001 * ((n * n) % 53) + (0.08 if 44 < n < 54 else 0), 4))) for n in range(60)
    )
    burn = Burn(minutes, pico("3.12"), pico("1.07"), 41.0, 10, 2_460, 1_900)
    trust = Trust(
        reported_cost=pico("1777.00"), priced_cost=pico("70.20"), unpriced_count=312, unpriced_models=1,
        late_count=14, repeated_count=2, with_user=pico("1625"), with_tag=pico("1311"), with_token=pico("1847.20"),
    )  # fmt: skip
    snapshot = Snapshot(
        View(), "litellm@prod-db", MONTH, spend, burn, daily(),
        lenses=(providers(), endpoints(), key_lens(), models()), trust=trust, state=Live(NOW),
        newest=NOW - timedelta(seconds=24), lateness=timedelta(seconds=4), log_rows=60_312,
        rates_date=date(2026, 11, 1),
    )  # fmt: skip
    return replace(snapshot, **changes)


def request(**changes):
    row = RequestRow(
        "req_1", NOW, "anthropic", "claude-sonnet-4.6", "/summarise-ticket", "pg_live_xy7Qk2mm0a", "customer-A",
        "user-17", "ann@example.com", "support", ("prod", "plan:pro"), "system", 12_400, 9_000, 0, 812, None,
        52_590_000_000, 52_590_000_000, 0, 20_000_000_000, "reported", False, 1_940, 200, True, "10.0.0.1", "sdk/1.0",
        "claude-sonnet-4-6",
    )  # fmt: skip
    return replace(row, **changes)
