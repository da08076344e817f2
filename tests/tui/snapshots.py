"""A believable gateway as snapshots: the same seed gives the same figures."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cost_top.model.query import MEASURES, Measures, Report, ReportRow, figure
from cost_top.model.request_row import RequestRow
from cost_top.model.snapshot import Burn, Lens, Live, Load, Snapshot, Spend, TimeBar, Trust
from cost_top.model.view import View
from cost_top.model.windows import Period, window_period

USD = 10**12
NOW = datetime(2026, 11, 21, 14, 3, 22, tzinfo=UTC)

PROVIDERS = (
    "anthropic", "openai", "google", "mistral", "together", "groq", "cohere", "ollama",
)  # fmt: skip
MODELS = (
    "claude-sonnet-4.6", "gpt-5.2", "gemini-3-pro", "claude-opus-4.5", "gpt-5-mini", "mistral-large-3",
    "llama-4-maverick", "command-a", "qwen3-coder:30b",
)  # fmt: skip
ENDPOINTS = (
    "/summarise-ticket", "/agent-proxy-claude", "/chat/completions", "/embed-documents", "/translate",
    "/classify-intent", "/extract-invoice", "/code-review", "/search-rerank", "/voice-notes", "/alt-text",
    "/healthcheck",
)  # fmt: skip
TOKENS = (
    ("pg_live_xy7Qm2", "customer-A"), ("pg_live_qz3Lk9", "internal"), ("pg_live_ab1Tt0", "batch-night"),
    ("pg_live_k8Rr41", None), ("pg_test_m2Vv7a", "staging"), ("pg_live_p0Cc5e", "mobile app"), (None, None),
)  # fmt: skip
USERS = ("acme-corp", "globex", "initech", "umbrella", "hooli", None, "stark-industries", "wayne", "wonka", "tyrell")
TAGS = ("prod", "plan:pro", "feature:chat", "plan:free", "feature:search", "batch", "experiment-17")
TEAMS = ("support", "growth", "data-platform", None)
CREDENTIALS = ("system", "byok", None)
OWNERS = ("ann", "bob", None)
SESSIONS = ("s-1", "s-2", None)
VALUES: dict[str, tuple[object, ...]] = {
    "provider": PROVIDERS, "model": MODELS, "endpoint": ENDPOINTS, "token": TOKENS, "user": USERS, "tag": TAGS,
    "team": TEAMS, "credential_type": CREDENTIALS, "owner": OWNERS, "session": SESSIONS,
}  # fmt: skip
SHARES = (76, 17, 4, 1.2, 0.9, 0.5, 0.3, 0.08, 0.015, 0.004, 0.0009, 0.0002)


def measures(cost: int, random_: random.Random, unpriced: int = 0) -> Measures:
    """Measures that fit a cost."""
    requests = max(1, cost // (USD // 50) + random_.randrange(40))
    tokens = requests * random_.randrange(800, 2600)
    return Measures(
        total_cost=cost,
        market_cost=cost * 109 // 100,
        input_tokens=tokens,
        output_tokens=tokens // 5,
        cached_input_tokens=tokens // 3,
        cache_creation_input_tokens=tokens // 40,
        reasoning_tokens=tokens // 25,
        request_count=requests,
        saved_by_cache=cost // 10,
        prompt_cache_savings=cost // 19,
        cache_hit_count=requests // 11,
        error_count=requests // 250,
        unpriced_count=unpriced,
        latency_p50=random_.randrange(300, 900),
        latency_p95=random_.randrange(1200, 4200),
    )


def lens(dimension: str, total: int, view: View, seed: int, period: Period) -> Lens:
    """One panel's rows, sorted the way the view asks."""
    random_ = random.Random(f"{seed}{dimension}")
    columns = ("token", "token_name") if dimension == "token" else (dimension,)
    rows = []
    for value, share in zip(VALUES[dimension], SHARES, strict=False):
        key = value if isinstance(value, tuple) else (value,)
        cost = int(total * share / 100) + random_.randrange(10**9)
        rows.append(ReportRow(key, measures(cost, random_)))
    measure, descending = view.sort_of(dimension)
    figures = (*MEASURES, "tokens")
    rows.sort(key=lambda row: (figure(row.measures, measure) if measure in figures else 0) or 0, reverse=descending)
    report = Report(columns, tuple(rows), measures(total, random_), len(rows), NOW)
    trends = tuple(tuple(random_.randrange(1, 9) * USD for _ in range(30)) for _ in rows) * (dimension == "provider")
    previous = tuple(int(row.measures.total_cost * random_.uniform(0.7, 1.2)) for row in rows)
    marked = tuple(row.measures.total_cost // 400 for row in rows) if view.mark else ()
    return Lens(dimension, period, report, trends, previous, marked)


def bars(period: Period, random_: random.Random, measure: str = "") -> tuple[TimeBar, ...]:
    """Thirty days, the last one partial."""
    out = []
    for index in range(30):
        start = period.end.replace(hour=0, minute=0, second=0) - timedelta(days=29 - index)
        cost = int((38 + 30 * random_.random() + (-22 if start.weekday() > 4 else 8)) * USD)
        last = index == 29
        cost = cost * 6 // 10 if last else cost
        out.append(
            TimeBar(start, start + timedelta(days=1), f"{start:%a} {start.day} {start:%b}", cost, cost // (USD // 40),
                    cost // 10, partial=last, value=cost // 10**9 if measure else None)
        )  # fmt: skip
    return tuple(out)


def request_rows(count: int, order: str, seed: int) -> tuple[RequestRow, ...]:
    """Single requests, newest first or dearest first."""
    random_ = random.Random(f"{seed}requests")
    rows = []
    for index in range(count):
        token, name = random_.choice(TOKENS)
        cost = random_.randrange(10**8, 4 * 10**11)
        rows.append(
            RequestRow(
                id=f"req_{seed}_{index:05d}", time=NOW - timedelta(seconds=7 * index),
                provider=random_.choice(PROVIDERS),
                model=random_.choice(MODELS), endpoint=random_.choice(ENDPOINTS), token=token, token_name=name,
                user=random_.choice(USERS), owner=None, team=random_.choice(TEAMS), tags=("prod", "plan:pro"),
                credential_type="system", input_tokens=random_.randrange(90, 9000), cached_input_tokens=60,
                cache_creation_input_tokens=0, output_tokens=random_.randrange(9, 900), reasoning_tokens=None,
                cost=cost, market_cost=cost, saved_by_cache=0, prompt_cache_savings=10**7, price_status="priced",
                cache_hit=False,
                latency_ms=random_.randrange(200, 9000), status=200, streamed=True, client_ip="203.0.113.9",
                user_agent="litellm/1.80", matched_model="claude-sonnet-4-6 (dated name)",
            )
        )  # fmt: skip
    if order == "cost":
        rows.sort(key=lambda row: row.cost or 0, reverse=True)
    return tuple(rows)


def snapshot(view: View | None = None, seed: int = 7, *, scale: float = 1.0, now: datetime = NOW) -> Snapshot:
    """The whole overview for a view; `scale` multiplies the money (a later moment)."""
    view = view or View()
    random_ = random.Random(seed)
    end = view.end or now
    period = window_period(view.window_at(end), end, UTC)
    total = int(1847.2 * USD * scale * 0.4 ** len(view.where.terms))
    mark = measures(total // 400, random_) if view.mark else None
    spend = Spend(
        measures(total, random_, 312), total * 100 // 113, total // 25, total * 76 // 100, mark, total * 96 // 1000,
        total // 40,
    )  # fmt: skip
    minutes = tuple(int((20 + 60 * random_.random() + index) * USD / 1000) for index in range(60))
    burn = Burn(minutes, sum(minutes), sum(minutes) * 10 // 29, 41.2, 10, 2460, 1900)
    trust = Trust(
        reported_cost=total * 96 // 100, priced_cost=total * 4 // 100, unpriced_count=312, unpriced_models=1,
        zero_cost_count=41, no_usage_count=3, late_count=14, repeated_count=2, with_user=total * 88 // 100,
        with_tag=total * 71 // 100, with_token=total,
    )  # fmt: skip
    return Snapshot(
        view=view, source="litellm@prod-db", period=period, spend=spend, burn=burn,
        chart=bars(period, random_, view.measure),
        lenses=tuple(lens(name, total, view, seed, period) for name in view.lenses), trust=trust, state=Live(now),
        newest=now - timedelta(seconds=2), lateness=timedelta(seconds=4), log_rows=60123, rates_date=now.date(),
        load=Load(128, 341.5, 3_400_000, 60123),
    )  # fmt: skip


def empty(view: View | None = None) -> Snapshot:
    """A log without a row."""
    full = snapshot(view)
    return replace(
        full, spend=Spend(Measures()), burn=Burn(), chart=(), trust=Trust(), newest=None, lateness=None, log_rows=0,
        lenses=tuple(replace(each, report=replace(each.report, rows=(), totals=Measures(), row_count=0), trends=(),
                             previous=(), since_mark=()) for each in full.lenses),
    )  # fmt: skip
