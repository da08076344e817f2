"""A filter's figures from closed days held as integers are those from their rows, to the pico-dollar."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

from cost_top.mirror import fact_values, runs
from cost_top.mirror.fact_maker import FactMaker
from cost_top.mirror.fact_pairs import PAIRS, Paired, kept_pairs, write_pairs
from cost_top.mirror.kept import first_of_run
from cost_top.mirror.measures import ADDITIVE_NAMES
from cost_top.mirror.slices import Cuts, Slice, quarters_of
from cost_top.mirror.store import Mirror
from cost_top.model.engine import Need, Replies
from cost_top.model.filter import parse_filter
from cost_top.model.native import TABLE
from cost_top.model.query import ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.native_log import NativeLog

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
START = NOW - timedelta(days=3, hours=5, minutes=7)
LENSES = ("provider", "token", "user", "tag", "status")
FILTERS = (
    "provider:openai -user:u1", "-model:gpt*,nothing", "token:k1", "-token_name:first", "-tag:prod,dev", "tag:* u1",
    "-größ", "status:>=400 cost:>0.1", "-cost:<=0", "-zero_cost:yes cache_hit:no", "latency:<4000 nobody",
    "-nobody credential_type:byok", "streamed:yes -team:t1 owner:*", "input_tokens:>2000",
)  # fmt: skip


def request(draw: random.Random, time: datetime) -> dict[str, Any]:
    return {
        "time_ms": int(time.timestamp() * 1000), "provider": draw.choice(["openai", "anthropic", None]),
        "model": draw.choice(["gpt-4o", "gpt-4o-mini", "unheard-of", None]),
        "endpoint": draw.choice(["/chat", "/größe", None]), "token": (token := draw.choice(["k1", "k2", None])),
        "token_name": draw.choice(["first", "second"]) if token == "k1" else None,
        "user_id": draw.choice(["u1", "u2", "u3", None]),
        "owner": draw.choice(["o", None]), "team": draw.choice(["t1", "t2"]),
        "tags": draw.choice([None, "[]", '["prod"]', '["dev", "prod", "dev"]', '["a\\u0007b", ""]', "loose, text"]),
        "credential_type": draw.choice(["system", "byok", None]),
        "input_tokens": (tokens := draw.choice([None, 0, draw.randrange(400, 9000)])),
        "cached_input_tokens": draw.choice([None, 100]) if tokens else None,
        "output_tokens": draw.choice([None, draw.randrange(900)]),
        "cost_pico_usd": draw.choice([None, 0, draw.randrange(10**12), draw.randrange(10**18), -5 * 10**9]),
        "cache_hit": draw.choice([False, False, True, None]), "latency_ms": draw.choice([None, draw.randrange(9000)]),
        "status": draw.choice([200, 200, 429, 500, None]), "streamed": draw.choice([True, False, None]),
    }  # fmt: skip


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeLog]:
    log = filled(tmp_path_factory.mktemp("log"))
    yield log
    log.close()


def filled(folder: Path) -> NativeLog:
    log, draw = NativeLog(folder / "gateway.db", True), random.Random(3)
    for number in range(400):
        # No two at once: of those a key's newest name could be either.
        ago = timedelta(minutes=draw.randrange(4 * 1440), milliseconds=number)
        log.add(id=f"r{number}", **request(draw, NOW - ago))
    return log


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def rows(log: NativeLog, folder: Path) -> Iterator[Mirror]:
    """A mirror that answers from rows."""
    yield from opened(log, folder)


@pytest.fixture(scope="module")
def integers(log: NativeLog, folder: Path) -> Iterator[Mirror]:
    """One over the same kept days, held as integers as well."""
    for mirror in opened(log, folder):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cost_top.mirror.fact_maker._ROWS_OF_PART", 60)  # of a day's hundred
            hold(mirror)
        yield mirror


def opened(log: NativeLog, folder: Path) -> Iterator[Mirror]:
    mirror = read_period(open_log(str(log.path)), RateBook.load(None), folder, Period(NOW - timedelta(days=14), NOW))
    yield mirror
    mirror.close()


def hold(mirror: Mirror) -> None:
    while mirror.keep_facts(wait=0.1):
        pass


def told(mirror: Mirror, text: str, named: str = "Asia/Kathmandu", span: timedelta = NOW - START) -> Replies:
    """What a screen asks, and every lens by its newest and its dearest."""
    where = parse_filter(text)
    query = ReportQuery(NOW - span, NOW, (), where)
    zone, days = ZoneInfo(named), span.days + 3
    midnight = datetime.combine((NOW - span).astimezone(zone).date(), datetime.min.time(), zone)
    edges = tuple((midnight + timedelta(days=day)).astimezone(UTC) for day in range(days))
    hour = edges[2] + timedelta(hours=3)
    uneven = tuple(sorted({*edges, hour, hour + timedelta(hours=1)}))
    needs = [
        Need("total", query, open_end=True, trust=True),
        Need("days", replace(query, start=edges[0], end=edges[-1]), open_end=True, edges=uneven),
        Need("chart", replace(query, start=edges[0], end=edges[-1], group_by=("provider",)), open_end=True,
             edges=edges),
        *(Need(lens, replace(query, group_by=(lens,)), open_end=True) for lens in LENSES),
        Need("newest", replace(query, group_by=("token",), sort="newest", limit=2), open_end=True),
        Need("newest then", replace(query, end=edges[-4], group_by=("token",), sort="newest", limit=2)),
        Need("before", replace(query, start=query.start - timedelta(days=1), end=query.start), comparison=True),
        Need("before:token", replace(query, end=NOW - timedelta(days=2), group_by=("token",)), beside="token"),
    ]  # fmt: skip
    replies = mirror.reports(needs, float("inf"), NOW)
    assert all(reply.is_whole or reply.report is None for reply in replies.values())
    return {name: without_ties(name, reply) for name, reply in replies.items()}


def without_ties(name: str, reply: Any) -> Any:
    """Groups in an order of their own: of groups that are equal in what they are sorted by either may come first."""
    if name not in ("chart", "days") or reply.report is None:
        return reply
    return replace(reply, report=replace(reply.report, rows=tuple(sorted(reply.report.rows, key=str))))


@pytest.mark.parametrize("text", FILTERS)
def test_integers_say_what_rows_say(integers: Mirror, rows: Mirror, text: str) -> None:
    asked = integers.facts.asked
    assert told(integers, text) == told(rows, text)
    is_numbered = fact_values.units_of(parse_filter(text)) is not None
    assert (integers.facts.asked > asked) is is_numbered
    assert rows.facts.asked == 0


@pytest.fixture(scope="module", params=["large", "small"])
def pairs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mirror, Mirror]]:
    """Mirrors that answer from sums of pairs and from rows; of costs that add up to more than 64 bits, and others."""
    folder, draw = tmp_path_factory.mktemp("pairs"), random.Random(4)
    log = NativeLog(folder / "gateway.db", True)
    for number in range(400):
        row = request_of_pairs(draw, number)
        if row["cost_pico_usd"]:
            row["cost_pico_usd"] = (
                row["cost_pico_usd"] % 10**9 if request.param == "small" else row["cost_pico_usd"] * 9
            )
        log.add(id=f"r{number}", **row)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cost_top.mirror.fact_pairs._FEWEST_ROWS", 0)
        patch.setattr("cost_top.mirror.fact_pairs._SUMS_AT_ONCE", 150)
        for summed in opened(log, folder):
            hold(summed)
            for rows in opened(log, folder):
                yield summed, rows
    log.close()


def request_of_pairs(draw: random.Random, number: int) -> dict[str, Any]:
    return request(draw, NOW - timedelta(minutes=draw.randrange(12 * 1440), milliseconds=number))


@pytest.mark.parametrize(
    ("zone", "text"),
    [("UTC", "-model:gpt*,nothing"), ("Asia/Kathmandu", "tag:prod"), ("UTC", "-größ"), ("Asia/Kathmandu", "-nobody"),
     ("Asia/Kathmandu", "status:>=400"), ("UTC", "-team:t1"), ("UTC", "tag:* -user:u1")],
)  # fmt: skip
def test_sums_of_pairs_say_what_rows_say(
    pairs: tuple[Mirror, Mirror], text: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    summed, rows = pairs
    asked: list[set[str]] = []
    paired = Paired.rows
    monkeypatch.setattr(
        Paired, "rows", lambda self, *given: asked.append({*self.units.values()}) or paired(self, *given)
    )
    assert told(summed, text, zone, timedelta(days=11)) == told(rows, text, zone, timedelta(days=11))
    assert any("provider" in units for units in asked) == ("user" not in text)


def test_sums_of_pairs_are_fewer_than_the_rows(log: NativeLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cost_top.mirror.fact_pairs._FEWEST_ROWS", 2)
    for mirror in opened(log, tmp_path):
        hold(mirror)
        for made in mirror.facts.held.values():
            assert made.path is not None
            with duckdb.connect(made.path, read_only=True) as file:
                rows, sums = file.execute(
                    "SELECT (SELECT count(*) FROM facts), (SELECT count(*) FROM pairs)"
                ).fetchall()[0]
            assert sums < rows


def test_pairs_that_are_many_are_kept_by_what_has_fewer_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cost_top.mirror.fact_pairs._FEWEST_ROWS", 2)
    units = sorted({unit for pair in PAIRS for unit in pair})
    ids = {"token": "n % 40", "provider": "n % 80 // 40"}
    with duckdb.connect() as file:
        file.execute(
            "CREATE TABLE facts AS SELECT TIMESTAMP '2026-11-30' + to_minutes(n) AS time, n // 15 AS quarter, "
            + ", ".join(f"{ids.get(unit, '0')} AS {unit}_id" for unit in units)
            + ", "
            + ", ".join(f"1 AS sum_{name}" for name in ADDITIVE_NAMES)
            + " FROM range(500) r(n)"
        )
        write_pairs(file, "main")
        kept = {PAIRS[number] for number in kept_pairs(file, "main")}
    assert {("token", "token"), ("provider", "token"), ("provider", "model"), ("model", "provider")} <= kept
    assert ("token", "provider") not in kept


def test_an_answer_in_haste_has_the_hours_of_the_hot_end_and_nothing_to_compare_with(integers: Mirror) -> None:
    query = ReportQuery(NOW - timedelta(days=2), NOW, (), parse_filter("provider:openai -user:u4"))
    needs = [
        Need("total", query, open_end=True, trust=True),
        Need("model", replace(query, group_by=("model",)), open_end=True),
        Need("before", replace(query, start=query.start - timedelta(days=1), end=query.start), comparison=True),
    ]
    found = [{name for name, reply in integers.reports(needs, 0.0, NOW).items() if reply.is_whole} for _ in range(2)]
    assert found == [{"total", "model"}, {"total", "model", "before"}]
    assert integers.facts.reader is not None
    assert integers.facts.reader.execute("SELECT current_setting('threads')").fetchall() == [(1,)]


def test_an_edge_that_goes_on_with_the_clock_is_summed_once_for_many_minutes(integers: Mirror, rows: Mirror) -> None:
    where, asked = parse_filter("tag:prod -user:u3"), []
    first = (NOW - timedelta(days=2)).replace(hour=10, minute=7)
    for minute in range(12):
        start = first + timedelta(minutes=minute)
        needs = [
            Need("total", ReportQuery(start, NOW, (), where), open_end=True, trust=True),
            Need("token", ReportQuery(start, NOW, ("token",), where), open_end=True),
            Need("before", ReportQuery(start - timedelta(days=1), start, (), where), comparison=True),
        ]
        before = integers.facts.asked
        assert integers.reports(needs, float("inf"), NOW) == rows.reports(needs, float("inf"), NOW)
        integers.forget_all_but(needs)
        asked.append(integers.facts.asked - before)
    # Once whole, then cut into minutes; where a quarter of an hour is over, and where the next is cut.
    assert [minute for minute, times in enumerate(asked) if times] == [0, 1, 8, 9]
    assert sum(asked) <= 10


def test_times_that_no_screen_asked_for_come_from_the_rows(log: NativeLog, folder: Path, rows: Mirror) -> None:
    total = ReportQuery(NOW - timedelta(days=3, hours=4), NOW, (), parse_filter("provider:openai -user:u2"))
    for mirror in opened(log, folder):
        hold(mirror)
        mirror.reports([Need("total", total, trust=True)], float("inf"), NOW)
        assert mirror.facts.asked
        for group_by in (("hour",), ("day",), ("minute",), ("provider", "hour")):
            for zone in ("UTC", "Asia/Kathmandu"):
                query = replace(total, group_by=group_by, zone=ZoneInfo(zone))
                assert mirror.report(query, NOW) == rows.report(query, NOW), query


def test_who_asks_never_waits_for_integers_and_is_told_right_without_them(
    log: NativeLog, tmp_path: Path, rows: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, make = threading.Event(), FactMaker._made
    monkeypatch.setattr(FactMaker, "_made", lambda *given: go_on.wait(60) and make(*given))
    for mirror in opened(log, tmp_path):
        assert mirror.keep_facts()
        assert told(mirror, "model:gpt-4o") == told(rows, "model:gpt-4o")
        assert not mirror.facts.asked
        go_on.set()
        hold(mirror)
        assert told(mirror, "model:gpt-4o-mini") == told(rows, "model:gpt-4o-mini")
        assert mirror.facts.asked


def test_days_with_too_many_values_are_answered_from_their_rows(
    log: NativeLog, tmp_path: Path, rows: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fact_values, "MOST_VALUES", 3)
    monkeypatch.setattr("cost_top.mirror.fact_maker._ROWS_OF_PART", 20)  # the first have few values
    for mirror in opened(log, tmp_path):
        hold(mirror)
        day, held = next(iter(mirror.facts.held.items()))
        assert {"model", "tag"} <= held.without[day]
        assert "owner" not in held.without[day]
        for text in ("user:u1", "owner:o", "tag:prod"):
            assert told(mirror, text) == told(rows, text)


def test_many_groups_are_kept_in_tables(integers: Mirror, rows: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_FEW_VALUES", 3)
    assert told(integers, "-provider:openai") == told(rows, "-provider:openai")


def test_files_whose_numbers_mean_other_values_are_made_anew(log: NativeLog, folder: Path, rows: Mirror) -> None:
    for mirror in opened(log, folder):
        connection, values = mirror.database.connection, mirror.facts.values
        values.make_tables(connection)
        values.agree(connection, {"model": [(0, "of another instance"), (1, "gpt-4o")]})
        hold(mirror)
        assert all(mirror.facts.has(day) for day in mirror.closed.values() if day.row_count)
        assert told(mirror, "model:gpt-4o") == told(rows, "model:gpt-4o")


def test_a_damaged_file_is_made_anew(log: NativeLog, tmp_path: Path, rows: Mirror) -> None:
    for mirror in opened(log, tmp_path):
        hold(mirror)
        assert mirror.days.files is not None
        paths = list(mirror.days.files.folder.glob("*.facts"))
        assert paths
    for path in paths:
        path.write_bytes(path.read_bytes()[:5000])
    for mirror in opened(log, tmp_path):
        hold(mirror)
        assert all(mirror.facts.has(day) for day in mirror.closed.values() if day.row_count)
        assert told(mirror, "tag:prod") == told(rows, "tag:prod")


@pytest.mark.parametrize("asked", ["before", "not yet"])
def test_what_cannot_be_read_any_more_is_answered_from_rows(
    log: NativeLog, tmp_path: Path, rows: Mirror, asked: str
) -> None:
    for mirror in opened(log, tmp_path):
        hold(mirror)
        if asked == "before":
            told(mirror, "model:gpt-4o")
            assert mirror.facts.reader is not None
            mirror.facts.reader.close()
        else:
            for made in mirror.facts.held.values():
                assert made.path is not None
                made.path.write_bytes(made.path.read_bytes()[:5000])
        assert told(mirror, "tag:dev") == told(rows, "tag:dev")
        assert not any(mirror.facts.has(day) for day in mirror.closed.values())


def test_memory_is_let_go_of_when_no_filter_is_asked_for(
    integers: Mirror, rows: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(integers, "model:gpt-4o")
    monkeypatch.setattr("cost_top.mirror.facts._REST_SECONDS", -1.0)
    assert not integers.keep_facts()
    assert integers.facts.reader is None
    assert told(integers, "tag:dev") == told(rows, "tag:dev")


def test_a_day_that_changed_is_summed_as_it_is_now(tmp_path: Path) -> None:
    log, draw, folder = filled(tmp_path), random.Random(5), tmp_path / "cache"
    for mirror in opened(log, folder):
        hold(mirror)
        before = told(mirror, "provider:openai")
        day = (NOW - timedelta(days=2)).date()
        noon = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=12)
        since = int(noon.timestamp() * 1000)
        log.add(id="late", **{**request(draw, noon), "provider": "openai", "cost_pico_usd": 7 * 10**12})
        log.run(f"UPDATE {TABLE} SET cost_pico_usd = 3, model = 'new' WHERE id IN "
                f"(SELECT id FROM {TABLE} WHERE time_ms < ? AND provider = 'openai' ORDER BY time_ms DESC LIMIT 2)",
                (since,))  # fmt: skip
        log.run(f"DELETE FROM {TABLE} WHERE id IN (SELECT id FROM {TABLE} WHERE time_ms > ? AND provider = 'openai' "
                "ORDER BY time_ms LIMIT 1)", (since,))  # fmt: skip
        reader = open_log(str(log.path)).connect()
        for each in mirror.days.read(mirror.database.connection, reader, [day], True):
            mirror.adopt(each)
        reader.close()
        for again in opened(log, folder):
            right = told(again, "provider:openai")
        assert told(mirror, "provider:openai") == right != before
        hold(mirror)
        assert told(mirror, "provider:openai") == right
    log.close()


def test_one_day_of_a_file_that_is_read_again_leaves_the_others(tmp_path: Path, rows: Mirror) -> None:
    log, draw, folder = filled(tmp_path), random.Random(6), tmp_path / "cache"
    for mirror in opened(log, folder):
        hold(mirror)
        assert mirror.days.files is not None
        runs: dict[Path, list[date]] = {}
        for day, made in mirror.facts.held.items():
            assert made.path is not None
            runs.setdefault(made.path, []).append(day)
        path, days = max(runs.items(), key=lambda run: len(run[1]))
        noon = datetime.combine(days[0], datetime.min.time(), UTC) + timedelta(hours=12)
        log.add(id="late", **{**request(draw, noon), "provider": "openai", "cost_pico_usd": 7 * 10**12})
        kept = set(mirror.days.files.folder.glob("*.facts"))
        reader = open_log(str(log.path)).connect()
        for each in mirror.days.read(mirror.database.connection, reader, days[:1], True):
            mirror.adopt(each)
        reader.close()
        # What the log no longer says is on no disk under its own name; what is held of it is not asked.
        gone = kept - set(mirror.days.files.folder.glob("*.facts"))
        assert [file.name.partition(".")[0] for file in gone] == [str(first_of_run(days[0]))]
        assert [mirror.facts.has(mirror.closed[day]) for day in days] == [False, *[True] * (len(days) - 1)]
        for again in opened(log, folder):
            right = [told(again, text) for text in ("provider:openai", "-user:u1")]
        assert told(mirror, "provider:openai") == right[0]
        hold(mirror)
        assert all(mirror.facts.has(mirror.closed[day]) for day in days)
        assert not path.exists()
        assert told(mirror, "-user:u1") == right[1]
    log.close()


def test_a_file_of_more_days_than_are_asked_for_is_taken(log: NativeLog, tmp_path: Path, rows: Mirror) -> None:
    for mirror in opened(log, tmp_path):
        hold(mirror)
        assert mirror.days.files is not None
        kept = {path: path.stat().st_mtime_ns for path in mirror.days.files.folder.glob("*.facts")}
    for mirror in opened(log, tmp_path):
        mirror.lose(min(mirror.closed))
        hold(mirror)
        assert all(mirror.facts.has(day) for day in mirror.closed.values() if day.row_count)
        assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_no_cut_lies_between_a_quarter_and_what_tells_its_stretch() -> None:
    draw, connection = random.Random(8), duckdb.connect()
    for _ in range(60):
        start = datetime(2026, 3, 1) + draw.randrange(9000) * timedelta(minutes=draw.choice([1, 15]))
        part = Slice(start, start + draw.choice([timedelta(minutes=7), timedelta(hours=1), timedelta(days=8)]))
        first, last = quarters_of((part,))
        step = draw.choice([1, 4, 24, 96])
        cuts = {first - draw.randrange(99) + step * number for number in range(draw.randrange(99))}
        cuts |= {first + draw.randrange(-9, 800) for _ in range(draw.choice([0, 0, 3]))}
        sql = f"SELECT quarter, {Cuts(cuts).bar_sql(part)} FROM range({first}, {last + 1}) t(quarter)"
        for quarter, told_by in connection.execute(sql).fetchall():
            if quarter < last or part.end.minute % 15:
                assert first <= told_by <= quarter
                assert not any(told_by < cut <= quarter for cut in cuts)


def test_what_is_numbered_meanwhile_is_no_value_of_the_days_that_are_asked(log: NativeLog, tmp_path: Path) -> None:
    for mirror in opened(log, tmp_path):
        hold(mirror)
        values, where = mirror.facts.values, parse_filter("user:*")
        right = values.condition(where)
        # As the other thread leaves it for a moment: in the table, not yet known.
        nobody = sum(value == (None,) for value in values.of["user"].values())
        assert nobody
        mirror.database.connection.execute(f"INSERT INTO {values.table('user')} SELECT 999, 'new' FROM range({nobody})")
        assert values.condition(where) == right


def test_a_day_that_is_read_again_on_a_full_disk_is_answered_from_its_rows(log: NativeLog, tmp_path: Path) -> None:
    for mirror in opened(log, tmp_path):
        hold(mirror)
        before = told(mirror, "provider:openai")
        day = next(day for day in mirror.closed.values() if day.row_count)
        mirror.days.files = None
        reader = open_log(str(log.path)).connect()
        for again in mirror.days.read(mirror.database.connection, reader, [day.day], True):
            mirror.adopt(again)
        reader.close()
        assert day.day not in mirror.facts.held
        hold(mirror)
        assert told(mirror, "provider:openai") == before


def test_a_thread_that_has_ended_by_itself_is_ended_like_any(log: NativeLog, tmp_path: Path) -> None:
    for mirror in opened(log, tmp_path):
        hold(mirror)
        maker = mirror.facts._maker
        maker._wanted.put(None)
        assert maker._thread is not None
        maker._thread.join(60)
        maker.stop()
        assert maker._connection is not None
        with pytest.raises(duckdb.ConnectionException):
            maker._connection.execute("SELECT 1")


def test_sums_of_a_filter_are_dropped_where_it_is_forgotten_how_they_are_cut(rows: Mirror) -> None:
    one, other = (Need("", ReportQuery(START, NOW, where=parse_filter(text))) for text in ("model:a", "model:b"))
    cut = runs.Runs(rows)
    cut.filters = 0
    assert cut.follow([one]) == []
    assert cut.follow([other]) == [one.query.where]
    assert cut.follow([other]) == []
