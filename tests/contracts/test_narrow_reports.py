"""A report that reads only what it is made of says what one of whole rows says: whatever is asked, of any rows."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cost_top.mirror import database as mirror_database
from cost_top.mirror.needed import NOTED, needed
from cost_top.model.dimensions import SOURCE
from cost_top.model.filter import parse_filter
from cost_top.model.native import COLUMNS, DDL, TABLE
from cost_top.model.query import DIMENSIONS, MEASURES, SUMMED_MEASURES, Report, ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.narrow import days_of
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.pricing.rate_join import RateJoin
from cost_top.sources.base import Lookup
from cost_top.sources.sql.log import open_log
from support.raw_rows import NUMBERS, TAGS, TEXTS

NOW = datetime.now(UTC).replace(microsecond=0)
ROWS, DAYS = 1_500, 5
MODELS = [("openai", "gpt-5"), ("OpenAI", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-6"), ("nowhere", "unheard-of"),
          ("google", "gemini-2.5-pro"), (None, None), ("groq", "openai/gpt-oss-120b")]  # fmt: skip
KINDS = {
    "cost_pico_usd": [None, 0, 10**9, 7 * 10**12, -5 * 10**9, "abc", 2**62, 9.5, -(2**63)],
    "mode": [None, "batch", "priority", "flex", "strange"], "region": [None, "us", "eu", "Mars"],
    "credential_type": ["system", "byok", None, "BYOK"], "cache_hit": [None, 0, 1, 2, "true"],
    "status": [200, 200, 200, 429, 500, 408, None, 2000, "x"], "latency_ms": [None, 0, 5, 900, 12_000, -3],
    "tags": TAGS, "streamed": [None, 0, 1],
}  # fmt: skip
TOKENS = ("input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens",
          "output_tokens", "reasoning_tokens")  # fmt: skip
FILTERS = (
    "tag:prod", "-tag:a user:*", "model:gpt* provider:openai", "plain", "-UPPER", "status:>=400", "cost:>0.001",
    "unpriced:yes", "cache_hit:yes", "error:no", "streamed:yes", "late:yes", "zero_cost:yes", "latency:>100",
    "token_name:*", "team:plain,two", "mode:batch", "region:us", "price_status:reported", "doubt:*", "client_ip:*",
    "user_agent:plain", "input_tokens:>100", "session:*", "prompt:-", "owner:plain", "credential_type:byok",
)  # fmt: skip
ZONES = (UTC, ZoneInfo("Asia/Kathmandu"), ZoneInfo("America/New_York"))

# The source is told at its face.
OF_ROWS = [name for name in DIMENSIONS if name != SOURCE]


def value(draw: random.Random, name: str, number: int, tame: bool) -> Any:
    if name == "id":
        return f"r{number}" if tame or draw.random() < 0.9 else draw.choice(["", "a\x07b", None])
    if name in KINDS:
        return draw.choice(KINDS[name][:3] if tame else KINDS[name])
    if name in TOKENS:
        return draw.choice([None, 10, 250, 90_000, 300_000]) if tame else draw.choice([None, *NUMBERS])
    if name.endswith(("_tokens", "_count")):
        return draw.choice([None] * 9 + [3]) if tame else draw.choice([None, *NUMBERS])
    text = draw.choice(["plain", "two", None]) if tame else draw.choice([*TEXTS, None, "a\x1fb"])
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace") if text else text


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "gateway.db"
    draw = random.Random(5)
    with closing(sqlite3.connect(path)) as log:
        log.executescript(DDL.replace("PRIMARY KEY", "").replace("NOT NULL", ""))
        for number in range(ROWS):
            tame, odd = draw.random() < 0.6, draw.randrange(len(COLUMNS))
            row = {name: value(draw, name, number, tame or place != odd) for place, name in enumerate(COLUMNS)}
            row["provider"], row["model"] = draw.choice(MODELS)
            row["time_ms"] = int((NOW - timedelta(days=DAYS) * draw.random()).timestamp() * 1000)
            log.execute(f"INSERT INTO {TABLE} VALUES ({', '.join('?' * len(row))})", list(row.values()))
        log.commit()
    return path


class Asked:
    """The same question, answered from narrow and from whole rows."""

    def __init__(self, path: Path, cache: Path | None) -> None:
        self.source, self.book, self.cache = open_log(str(path)), RateBook.load(None), cache
        self.whole = read_period(self.source, self.book, None, Period(NOW - timedelta(days=DAYS), NOW))

    def both(self, query: ReportQuery) -> tuple[Any, Any]:
        narrow = read_period(self.source, self.book, self.cache, Period(query.start, query.end), query=query)
        try:
            assert narrow.told is not None, "it was read narrowly"
            return told(narrow, query), told(self.whole, query)
        finally:
            narrow.close()


def told(mirror: Any, query: ReportQuery) -> Any:
    report: Report = mirror.report(query, NOW)
    caveats = mirror.rows.caveats(query, report.totals)
    trust = {name: getattr(caveats.trust, name) for name in NOTED}
    rows = report.rows if query.limit is None else ()
    costs = sorted(mirror.rows.quarter_costs(query))
    return report.columns, rows, report.totals, report.row_count, trust, replace(caveats, trust=None), costs


@pytest.fixture(scope="module")
def asked(hostile: Path) -> Iterator[Asked]:
    asking = Asked(hostile, None)
    yield asking
    asking.whole.close()


def query(**given: Any) -> ReportQuery:
    return ReportQuery(NOW - timedelta(days=DAYS, hours=-5, minutes=-7), NOW - timedelta(minutes=13), **given)


@pytest.mark.parametrize("dimension", [None, *OF_ROWS])
def test_every_dimension(asked: Asked, dimension: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    group_by = (dimension,) if dimension else ()
    # Packed, and row by row.
    for packed, measures in ((0, MEASURES), (10**9, SUMMED_MEASURES)):
        monkeypatch.setattr(mirror_database, "_PACKED", packed)
        narrow, whole = asked.both(query(group_by=group_by, measures=measures))
        assert narrow == whole


def test_every_measure(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    for packed, measures in ((0, SUMMED_MEASURES), (10**9, MEASURES)):
        monkeypatch.setattr(mirror_database, "_PACKED", packed)
        narrow, whole = asked.both(query(group_by=("model",), measures=measures))
        assert narrow == whole


@pytest.mark.parametrize("text", FILTERS)
def test_every_filter(asked: Asked, text: str) -> None:
    narrow, whole = asked.both(query(group_by=("model",), where=parse_filter(text), measures=MEASURES))
    assert narrow == whole


def test_any_question(asked: Asked) -> None:
    draw = random.Random(11)
    for _ in range(25):
        group_by = tuple(draw.sample(OF_ROWS, draw.randrange(4)))
        sort = draw.choice([*MEASURES, *group_by, "tokens"])
        question = query(
            group_by=group_by, where=parse_filter(" ".join(draw.sample(FILTERS, draw.randrange(3)))), sort=sort,
            measures=draw.choice([MEASURES, SUMMED_MEASURES]), zone=draw.choice(ZONES),
        )  # fmt: skip
        narrow, whole = asked.both(question)
        assert narrow == whole, question


def test_no_more_is_read_than_the_question_needs(asked: Asked) -> None:
    join = RateJoin(asked.book)
    by_model = needed(query(group_by=("model",)), join)
    beside = {"user", "token", "tags", "endpoint", "session", "client_ip", "user_agent", "id"}
    assert not beside & by_model.read
    assert {"user", "user_name"} == needed(query(group_by=("user",)), join).read - by_model.read
    assert "reported_market_cost" in by_model.read - by_model.held, "a price is made of it, a report is not"
    by_key = [Lookup("team", "token", {})]
    assert {"token"} == needed(query(group_by=("team",)), join, by_key).held - needed(
        query(group_by=("team",)), join
    ).held
    assert needed(query(group_by=("model",)), join, by_key) == by_model
    assert len(days_of(NOW - timedelta(days=2), NOW)) == 3
