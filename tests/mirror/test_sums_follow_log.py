"""What is summed while a log is followed equals a sum over the log, made here, after every change to it."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from cost_top.mirror import lenses as lenses_module
from cost_top.model.engine import Need
from cost_top.model.filter import Filter, parse_filter
from cost_top.model.native import COLUMNS, TABLE
from cost_top.model.query import MEASURES, SUMMED_MEASURES, ReportQuery
from cost_top.pricing.amount import Request
from cost_top.pricing.cost import Priced, price
from cost_top.sources.sql.log import open_log
from support.followed import Followed
from support.native_log import NativeLog

LENSES = ("provider", "model", "endpoint", "token", "user", "owner", "team", "tag", "credential_type", "status")
TOKENS = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_creation_input_tokens", "reasoning_tokens")
FOREVER = float("inf")


@dataclass
class Row:
    """A request of the log as the test understands it."""

    time: datetime
    told: dict[str, Any]
    priced: Priced
    tags: tuple[str, ...]

    @property
    def unpriced(self) -> bool:
        return self.priced.status == "unpriced" and not self.told["cache_hit"]


WHERE: dict[str, Callable[[Row], bool]] = {
    "": lambda row: True,
    "provider:openai": lambda row: row.told["provider"] == "openai",
    "tag:prod -user:u1": lambda row: "prod" in row.tags and row.told["user_id"] != "u1",
    "unpriced:yes": lambda row: row.unpriced,
}


def rows_of(log: NativeLog, book: Any) -> list[Row]:
    """Every row of the log, priced one by one."""
    found = []
    with sqlite3.connect(f"file:{log.path}?mode=ro", uri=True) as connection:
        for values in connection.execute(f"SELECT {', '.join(COLUMNS)} FROM {TABLE}"):
            told = dict(zip(COLUMNS, values, strict=True))
            time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=told["time_ms"])
            names = [name for name in Request._fields if name in told]
            request = Request(**{**{name: told[name] for name in names}, "time": time,
                                 "reported_cost": told["cost_pico_usd"]})  # fmt: skip
            found.append(Row(time, told, price(book, request), TAGS[told["tags"]]))
    connection.close()
    return found


TAGS: dict[str | None, tuple[str, ...]] = {
    None: (), '["prod"]': ("prod",), '["dev", "prod", "dev"]': ("dev", "prod"), '["a\\u0007b", ""]': ("ab",),
    "[]": (), "loose, text": ("loose", "text"),
}  # fmt: skip


def measures(rows: Iterable[Row]) -> dict[str, int]:
    """Every measure that adds up."""
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        told, priced = row.told, row.priced
        counted = not ((told["cost_pico_usd"] or 0) < 0 and not told["latency_ms"])
        sums["total_cost"] += priced.cost or 0
        sums["saved_by_cache"] += priced.saved_by_cache or 0
        sums["prompt_cache_savings"] += priced.prompt_cache_savings or 0
        sums["request_count"] += counted
        sums["cache_hit_count"] += counted and bool(told["cache_hit"])
        sums["error_count"] += counted and (told["status"] or 0) >= 400
        sums["unpriced_count"] += row.unpriced
        if not told["cache_hit"]:
            sums["market_cost"] += priced.market_cost or 0
            for name in TOKENS:
                sums[name] += told[name] or 0
    return sums


def trust(rows: Iterable[Row]) -> dict[str, int]:
    """The sums of the trust line that follow from costs alone."""
    sums: dict[str, int] = defaultdict(int)
    for row in rows:
        cost = row.priced.cost or 0
        sums["reported_cost" if row.priced.status in ("reported", "cache_hit") else "priced_cost"] += cost
        sums["no_usage_count"] += row.priced.status == "no_usage"
        sums["zero_cost_count"] += row.unpriced and row.told["cost_pico_usd"] == 0
        sums["unrated_count"] += row.unpriced and row.priced.doubt not in (None, "model", "zero")
        sums["doubtful_count"] += row.priced.doubt in ("cost", "timeout", "list_price")
        sums["refund_count"] += cost < 0
        sums["refunded_cost"] += max(0, -cost)
        sums["with_user"] += cost if row.told["user_id"] else 0
        sums["with_tag"] += cost if row.tags else 0
        sums["with_token"] += cost if row.told["token"] else 0
    return sums


def keys(row: Row, lens: str) -> list[Any]:
    if lens == "tag":
        return list(row.tags) or [None]
    if lens == "status":
        return [str(row.told["status"]) if row.told["status"] is not None else None]
    return [row.told["user_id" if lens == "user" else lens]]


def compare(watched: Followed, log: NativeLog, filters: int = len(WHERE)) -> None:
    """Hold the mirror's answers for a live window with a cut edge against the log, for some of the filters."""
    mirror, now = watched.history.mirror, watched.now
    while mirror.keep_facts(wait=0.1):
        pass
    start = (now - timedelta(days=2, minutes=7)).replace(second=0, microsecond=0)
    minutes = tuple(now.replace(second=0, microsecond=0) + timedelta(minutes=n) for n in range(-59, 2))
    hours = tuple(now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=n) for n in range(-30, 2))
    every = rows_of(log, watched.book)
    for text, matches in islice(WHERE.items(), filters):
        where = parse_filter(text) if text else Filter()
        query = ReportQuery(start, now, (), where)
        if not text:
            asked = replace(query, group_by=("hour", "provider"))
            summed, read = (mirror.report(replace(asked, measures=told), now) for told in (SUMMED_MEASURES, MEASURES))
            costs, exact = ([(row.key, row.measures.total_cost) for row in told.rows] for told in (summed, read))
            assert costs == exact
        lenses = LENSES if not text else ("provider", "token", "tag")
        replies = mirror.reports(
            [
                Need("total", query, open_end=True, trust=True),
                Need("lately", ReportQuery(minutes[0], minutes[-1], (), where, measures=MEASURES), edges=minutes),
                Need("chart", ReportQuery(hours[0], hours[-1], (), where), edges=hours, open_end=True),
                *(Need(lens, ReportQuery(start, now, (lens,), where), open_end=True) for lens in lenses),
                *(Need(f"top {lens}", ReportQuery(start, now, (lens,), where, limit=2), open_end=True)
                  for lens in lenses),
            ],
            FOREVER, now,
        )  # fmt: skip
        rows = [row for row in every if row.time >= start and matches(row)]
        total = replies["total"].report
        assert equal(total.totals, measures(rows)), text
        assert {name: getattr(total.trust, name) for name in trust(rows)} == dict(trust(rows)) or not rows
        for lens in lenses:
            groups = defaultdict(list)
            for row in rows:
                for key in keys(row, lens):
                    groups[key].append(row)
            told = {row.key[0]: row.measures for row in replies[lens].report.rows}
            assert told.keys() == groups.keys(), (text, lens)
            assert replies[lens].report.row_count == len(groups)
            for key, group in groups.items():
                assert equal(told[key], measures(group)), (text, lens, key)
            costs = {key: measures(group)["total_cost"] for key, group in groups.items()}
            dearest = sorted(costs, key=lambda key: (-costs[key], key is None, key or ""))
            assert [row.key[0] for row in replies[f"top {lens}"].report.rows] == dearest[:2]
            if lens == "token":
                for row in replies[lens].report.rows:
                    named = [each for each in groups[row.key[0]] if each.told["token_name"] is not None]
                    newest = max((each.time for each in named), default=None)
                    names = {each.told["token_name"] for each in named if each.time == newest}
                    assert row.key[1] in (names or {None}), text
        lately = [row for row in every if minutes[0] <= row.time < minutes[-1] and matches(row)]
        sums = measures(lately)
        latencies = sorted(row.told["latency_ms"] for row in lately if row.told["latency_ms"] is not None)
        found = replies["lately"].report.totals
        assert (found.total_cost, found.request_count, found.error_count) == (
            sums["total_cost"], sums["request_count"], sums["error_count"],
        )  # fmt: skip
        assert found.latency_p95 == (latencies[max(0, -(-len(latencies) * 95 // 100) - 1)] if latencies else None)
        for stretch in replies["chart"].report.rows:
            place = int(stretch.key[-1])
            inside = [row for row in every if hours[place] <= row.time < hours[place + 1] and matches(row)]
            assert stretch.measures.total_cost == measures(inside)["total_cost"], (text, place)


def equal(told: Any, sums: dict[str, int]) -> bool:
    return all(getattr(told, name) == value for name, value in sums.items())


def made(draw: random.Random, time: datetime) -> dict[str, Any]:
    """A request like those of a gateway, odd ones among them."""
    return {
        "time_ms": int(time.timestamp() * 1000), "provider": draw.choice(["openai", "anthropic", None]),
        "model": draw.choice(["gpt-4o", "gpt-4o-mini", "unheard-of", None]),
        "endpoint": draw.choice(["/chat", "/größe", None]), "token": draw.choice(["k1", "k2", None]),
        "token_name": draw.choice([("first", None), ("second", None)])[int(time.timestamp()) % 2],
        "user_id": draw.choice(["u1", "u2", None]),
        "owner": draw.choice(["o", None]), "team": draw.choice(["t1", "t2"]),
        "tags": draw.choice([*TAGS, *[None, '["prod"]'] * 12]),
        "credential_type": draw.choice(["system", "byok", None]),
        "input_tokens": (tokens := draw.choice([None, 0, draw.randrange(400, 9000)])),
        "cached_input_tokens": draw.choice([None, 100]) if tokens else None,
        "output_tokens": draw.choice([None, draw.randrange(900)]),
        "cost_pico_usd": draw.choice([None, 0, draw.randrange(10**12), draw.randrange(10**12), -5 * 10**9]),
        "cache_hit": draw.choice([False, False, True, None]), "latency_ms": draw.choice([None, draw.randrange(9000)]),
        "status": draw.choice([200, 200, 429, 500, None]), "streamed": draw.choice([True, False, None]),
    }  # fmt: skip


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Followed, NativeLog, random.Random]]:
    log, draw = NativeLog(tmp_path_factory.mktemp("log") / "gateway.db"), random.Random(8)
    now = datetime.now(UTC)
    for number in range(120):
        log.add(**made(draw, now - timedelta(hours=draw.randrange(96), seconds=number)))
    followed = Followed(open_log(str(log.path)), tmp_path_factory.mktemp("cache"))
    yield followed, log, draw
    followed.close()
    log.close()


def test_every_figure_follows_the_log(
    watched: tuple[Followed, NativeLog, random.Random], monkeypatch: pytest.MonkeyPatch
) -> None:
    followed, log, draw = watched
    compare(followed, log, 2)

    def lately() -> timedelta:
        """How far back the hot end is changed: what closed days hold is looked at again less often."""
        return min(timedelta(hours=3), followed.now - followed.history.mirror.hot_start.replace(tzinfo=UTC))

    def recent() -> str:
        since = int((followed.now - lately()).timestamp() * 1000)
        (one,) = log.connection.execute(
            f"SELECT id FROM {TABLE} WHERE time_ms > ? ORDER BY id LIMIT 1 OFFSET ?", (since, draw.randrange(3))
        ).fetchone()
        return str(one)

    def insert(count: int, age: float) -> None:
        for _ in range(count):
            log.add(**made(draw, followed.now - timedelta(seconds=draw.random() * age)))

    def change(*names: str) -> None:
        values = made(draw, followed.now - draw.random() * min(timedelta(minutes=50), lately()))
        columns = ", ".join(f"{name} = ?" for name in names)
        log.run(f"UPDATE {TABLE} SET {columns} WHERE id = ?", [*(values[name] for name in names), recent()])

    def settle() -> None:
        """Until all of the hot end was looked at since the last write; how long that takes is told by its own cost."""
        before = time.time_ns() - 10 * 10**9  # a file that was written just now tells nothing of itself
        for path in log.path.parent.glob(f"{log.path.name}*"):
            os.utime(path, ns=(before, before))
        for _ in range(200):
            if followed.history.tail.is_proven:
                return
            followed.run(8.0, every=8.0)
        pytest.fail("the hot end was never looked at whole")

    insert(3, 0)
    for step in range(6):
        # Rows that come in order are there with the next poll, and figures of rows that are made whole.
        insert(draw.randrange(1, 6), 0)
        if step % 3 == 1:
            change("cost_pico_usd", "output_tokens", "status", "latency_ms", "cache_hit")
        if step % 3 == 2:
            insert(2, lately().total_seconds())
            change(*draw.choice([("time_ms",), ("user_id", "tags"), ("token_name", "model"), ("time_ms", "team")]))
            log.run(f"DELETE FROM {TABLE} WHERE id = ?", (recent(),))
        followed.run(2.0)
        if step == 2:  # from here on as with groups that are too many to hold
            monkeypatch.setattr(lenses_module, "_FEW_GROUPS", 1)
        if step % 3:
            settle()
        compare(followed, log, 1 if step != 5 else len(WHERE))


def test_the_edge_of_a_window_moves_and_its_hour_is_summed_a_few_times_not_every_minute(
    watched: tuple[Followed, NativeLog, random.Random], monkeypatch: pytest.MonkeyPatch
) -> None:
    followed, log, _ = watched
    mirror, every = followed.history.mirror, rows_of(log, followed.book)
    midnight = datetime.combine((followed.now - timedelta(days=2)).date(), datetime.min.time(), UTC)
    hours = [row.time.replace(minute=0, second=0, microsecond=0) for row in every if row.tags]
    edge = max((hour for hour in hours if midnight <= hour < midnight + timedelta(days=1)), key=hours.count)
    summed: list[int] = []
    build = mirror.rollups.build

    def spy(where: Any, lenses: Any, slices: Any) -> None:
        summed.append(minute)
        build(where, lenses, slices)

    monkeypatch.setattr(mirror.rollups, "build", spy)
    for minute in range(30):
        start = edge + timedelta(minutes=minute)
        before = ReportQuery(start - timedelta(hours=7), start)
        needs = [
            Need("total", ReportQuery(start, followed.now), open_end=True, trust=True),
            *(Need(lens, ReportQuery(start, followed.now, (lens,)), open_end=True) for lens in ("token", "tag")),
            Need("before", before, comparison=True),
            Need("before:token", replace(before, group_by=("token",)), comparison=True, beside="token"),
        ]
        replies = mirror.reports(needs, FOREVER, followed.now)
        mirror.forget_all_but(needs)
        rows = [row for row in every if row.time >= start]
        total = replies["total"].report
        assert equal(total.totals, measures(rows))
        assert {name: getattr(total.trust, name) for name in trust(rows)} == dict(trust(rows))
        for lens in ("token", "tag"):
            for row in replies[lens].report.rows:
                assert equal(row.measures, measures(each for each in rows if row.key[0] in keys(each, lens)))
        earlier = [row for row in every if before.start <= row.time < before.end]
        assert equal(replies["before"].report.totals, measures(earlier))
        costs = {row.key[0]: row.measures.total_cost for row in replies["before:token"].report.rows}
        assert costs == {
            key: measures(row for row in earlier if row.told["token"] == key)["total_cost"] for key in costs
        }
    # Whole hours; cut once; cut into minutes; where a quarter of an hour is over, and where the next is cut.
    assert sorted(set(summed)) == [0, 1, 2, 15, 16]
    assert len(summed) <= 12


class Counted:
    """A connection that notes its statements."""

    def __init__(self, connection: Any, statements: list[str]) -> None:
        self._connection = connection
        self._statements = statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *given: Any) -> Any:
        self._statements.append(sql)
        return self._connection.execute(sql, *given)


@pytest.fixture
def statements(watched: tuple[Followed, NativeLog, random.Random], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    history, said = watched[0].history, list[str]()
    counted = Counted(history.mirror.database.connection, said)
    monkeypatch.setattr(history.mirror.database, "connection", counted)
    monkeypatch.setattr(history.mirror.rollups.tables, "connection", counted)
    for owner in (history.mirror.hot, history.tail):
        monkeypatch.setattr(owner, "_connection", counted)
    return said


def test_a_tick_costs_what_came_and_its_figures_no_statement(
    watched: tuple[Followed, NativeLog, random.Random], statements: list[str]
) -> None:
    followed, log, draw = watched
    mirror = followed.history.mirror
    start = (followed.now - timedelta(days=2)).replace(second=0, microsecond=0)
    minutes = tuple(followed.now.replace(second=0, microsecond=0) + timedelta(minutes=n) for n in range(-59, 2))
    hours = tuple(followed.now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=n) for n in range(-30, 2))

    def needs(end: datetime, text: str = "") -> list[Need]:
        query = ReportQuery(start, end, (), parse_filter(text))
        return [
            Need("total", query, open_end=True, trust=True),
            *(Need(lens, replace(query, group_by=(lens,)), open_end=True) for lens in LENSES),
            Need("lately", replace(query, start=minutes[0], end=minutes[-1], measures=MEASURES), edges=minutes),
            Need("until now", replace(query, start=hours[0]), edges=hours),
        ]

    def told(seconds: int) -> list[Any]:
        end = followed.now + timedelta(seconds=seconds)
        asked = [mirror.reports(needs(end, text), FOREVER, followed.now, len(filters)) for text in filters]
        return [replies["total"].report.totals for replies in asked]

    filters = ("", "provider:openai", "prod -user:*", "model:gpt* status:>0", "user:*", "unpriced:yes")

    plain = {"provider": "openai", "model": "gpt-4o", "token": "k1", "tags": '["prod"]', "cost_pico_usd": 5}
    log.add(**plain, time_ms=int(followed.now.timestamp() * 1000))
    followed.run(4)
    before = told(1)
    for _ in range(20):
        log.add(**plain, time_ms=int(followed.now.timestamp() * 1000) + draw.randrange(1000))
    asked = replace(followed.reader.statistics)
    statements.clear()
    followed.history.step(followed.now, followed.clock)
    # The rows, which of them are known, and a sum over the last minutes, here and there.
    assert len(statements) <= 4, statements
    # That many again: of the newest rows some are seen twice; and those of the sum.
    assert followed.reader.statistics.queries - asked.queries <= 3
    assert followed.reader.statistics.rows_read - asked.rows_read <= 2 * (20 + 100)
    statements.clear()
    after = told(2)
    came = [after[n].request_count - before[n].request_count for n in range(len(filters))]
    assert came == [20, 20, 20, 0, 0, 0]
    assert [after[n].total_cost - before[n].total_cost for n in range(3)] == [100, 100, 100]
    assert statements == []
