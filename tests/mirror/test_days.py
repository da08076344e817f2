"""Days are the same rows whether each is priced by itself or several together, kept in files or in memory."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cost_top.mirror import days as module
from cost_top.mirror.database import Database
from cost_top.mirror.days import ClosedDay, Days, Rung
from cost_top.mirror.kept import KeptFiles
from cost_top.mirror.store import Mirror
from cost_top.model.native import TABLE
from cost_top.model.query import ReportQuery
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.by_database import by_database

FIRST = date(2026, 3, 1)
DAYS = [FIRST + timedelta(days=day) for day in range(4)]  # the last one is empty


@pytest.fixture
def log(sqlite_log) -> Path:
    made = sqlite_log()
    midnight = int(datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC).timestamp() * 1000)
    for place, model in enumerate(("gpt-4o", "claude-sonnet-4-5", "unheard-of", "gpt-4o", None, "gpt-4o-mini")):
        made.add(
            time_ms=midnight + place * 12 * 3_600_000, provider="openai", model=model, input_tokens=1000 + place,
            output_tokens=10, tags='["a", "b\\u001b"]', user_id="\x1b[31mred", cost_pico_usd=7 if place == 3 else None,
        )  # fmt: skip
    return made.path


def read(log: Path, folder: Path | None, packed: bool = False) -> list[tuple[Any, ...]]:
    """Every row of each day, with what proves the day."""
    source, database = open_log(str(log)), Database(RateBook.load(None))
    days = Days(folder, source, database)
    if packed:
        days.rows_a_day = 10**9  # as if so many came before
    try:
        connection = database.cursor()
        with source.connect() as reader:
            found = days.read(connection, reader, DAYS, True)
        assert all((day.path is not None) == (folder is not None) for day in found)
        return [
            (day.day, day.row_count, day.check, day.plain, day.content, rows(connection, day.relation)) for day in found
        ]
    finally:
        days.close()
        database.close()


def rows(connection: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"FROM {relation} ORDER BY time").fetchall()


def test_days_of_few_rows_share_a_table_until_one_is_another(sqlite_log) -> None:
    made = sqlite_log()
    for place, day in enumerate(DAYS):
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        made.add(id=f"r{place}", time_ms=int(noon.timestamp() * 1000), cost_pico_usd=10**place, status=200)
    source = open_log(str(made.path))
    mirror = Mirror(source, RateBook.load(None), None)
    query = ReportQuery(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC), ("day",))
    try:
        with source.connect() as reader:
            mirror.hot_start = datetime(2026, 3, 5)

            def read(*days: date) -> None:
                for day in mirror.days.read(mirror.database.connection, reader, days, True):
                    mirror.adopt(day)

            def costs() -> list[int]:
                return sorted(row.measures.total_cost for row in mirror.report(query, datetime.now(UTC)).rows)

            read(*DAYS)
            (table,) = {day.table for day in mirror.closed.values()}
            assert costs() == [1, 10, 100, 1000]
            assert mirror.relation(query.start.replace(tzinfo=None), mirror.hot_start).count(table) == 1
            made.run(f"UPDATE {TABLE} SET cost_pico_usd = 7 WHERE id = 'r1'")
            read(DAYS[1])
            assert costs() == [1, 7, 100, 1000]
            before = {day: mirror.closed[day].relation for day in DAYS}
            read(DAYS[1])
            read(DAYS[1])
            assert costs() == [1, 7, 100, 1000]
            with pytest.raises(duckdb.CatalogException):  # of a reading that is gone nothing is told as nothing
                rows(mirror.database.connection, before[DAYS[1]])
            assert len(rows(mirror.database.connection, before[DAYS[0]])) == 1
            tables = mirror.database.connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
            assert {name for (name,) in tables if name.startswith("days_")} == {table, mirror.closed[DAYS[1]].table}
            with by_database():
                made.run(f"UPDATE {TABLE} SET cost_pico_usd = 8 WHERE id = 'r2'")
                read(DAYS[2])
            assert costs() == [1, 7, 8, 1000]
            assert [day.table for day in mirror.closed.values()].count("") == 1
    finally:
        mirror.close()


def test_days_are_the_same_however_they_are_priced_and_kept(log: Path, tmp_path: Path, monkeypatch) -> None:
    together = read(log, tmp_path / "together")
    assert [count for _, count, *_ in together] == [2, 2, 2, 0]
    monkeypatch.setattr(module, "_PRICED_BY_THEMSELVES", 0)
    assert read(log, tmp_path / "each") == together
    assert read(log, None) == together
    monkeypatch.undo()
    assert read(log, None) == together
    with closing(sqlite3.connect(log)) as connection, connection:
        connection.execute(f"UPDATE {TABLE} SET tags = '[\"b\"]', user_id = 'red'")  # nothing is odd any more
    few = read(log, tmp_path / "few")
    assert read(log, None) == few
    with by_database():
        assert read(log, None) == few


@pytest.mark.parametrize("odd", [None, "separ\x1fated", b"\xff\xfe"])
def test_days_are_the_same_whether_their_texts_came_packed(log: Path, tmp_path: Path, odd: object) -> None:
    if odd is not None:
        with closing(sqlite3.connect(log)) as connection:
            connection.execute("UPDATE cost_top_requests SET endpoint = ? WHERE model = 'gpt-4o'", [odd])
            connection.commit()
    alone = read(log, tmp_path / "alone")
    assert read(log, tmp_path / "packed", packed=True) == alone
    assert read(log, None, packed=True) == alone


RARE = {"session": "s", "prompt": "p", "cache_creation_1h_tokens": 4, "audio_input_tokens": 5,
        "audio_output_tokens": 6, "image_output_tokens": 7, "web_search_count": 8}  # fmt: skip


@pytest.mark.parametrize(
    "given", [(), ("",), ("session",), ("image_output_tokens",), ("web_search_count",), tuple(RARE)]
)
def test_what_few_rows_have_comes_packed_or_not(log: Path, tmp_path: Path, given: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(log)) as connection:
        for name in given:
            column, value = (name, RARE[name]) if name else ("session", "")
            connection.execute(f"UPDATE cost_top_requests SET {column} = ? WHERE model = 'gpt-4o'", [value])
        connection.commit()
    alone = read(log, tmp_path / "alone")
    assert read(log, tmp_path / "packed", packed=True) == alone
    source = open_log(str(log))
    together = {"session", "prompt", "web_search_count"}
    with source.connect() as reader:
        assert [pack for pack in reader.packed.packs if together & {*pack}] == [tuple(RARE)]


@pytest.mark.parametrize("writes", ["mirror.kept.replace_sealed", "model.files.private_folder"])
def test_a_disk_that_is_full_from_the_start_keeps_nothing(log: Path, tmp_path: Path, monkeypatch, writes: str) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"cost_top.{writes}", full)
    source, database = open_log(str(log)), Database(RateBook.load(None))
    days = Days(tmp_path, source, database)
    try:
        with source.connect() as reader:
            assert [day.path for day in days.read(database.cursor(), reader, DAYS, True)] == [None] * 4
    finally:
        days.close()
        database.close()


def test_a_disk_that_fills_under_one_reader_stops_no_other(log: Path, tmp_path: Path, monkeypatch) -> None:
    source, database = open_log(str(log)), Database(RateBook.load(None))
    days = Days(tmp_path, source, database)
    write = KeptFiles.write

    def written(files: KeptFiles, *arguments: Any) -> Path:
        path = write(files, *arguments)
        days.files = None  # by another reader, that found the disk full
        return path

    monkeypatch.setattr(KeptFiles, "write", written)
    try:
        with source.connect() as reader:
            assert [day.row_count for day in days.read(database.cursor(), reader, DAYS, True)] == [2, 2, 2, 0]
    finally:
        days.close()
        database.close()


def test_a_day_that_was_just_read_is_held_against_sums_once_they_are_known(log: Path, tmp_path: Path) -> None:
    source, database = open_log(str(log)), Database(RateBook.load(None))
    days = Days(tmp_path, source, database)
    try:
        connection = database.cursor()
        with source.connect() as reader:

            def held_against(day: ClosedDay, rung: Rung) -> tuple[ClosedDay, bool, int]:
                before = reader.statistics.rows_read
                found, anew = days.compare(connection, reader, replace(day, evidence=None), rung, doubting=False)
                return found, anew, reader.statistics.rows_read - before

            (day,) = days.read(connection, reader, [FIRST], True)
            assert day.check == ""
            first, anew, rows_read = held_against(day, Rung.SUMS)
            assert (anew, rows_read) == (False, 4), "each row is compared, as it is spelled and by its fingerprint"
            assert first.check.startswith("2 /")
            assert first.relation == day.relation
            assert [each.check for each in days.known(connection, [FIRST])] == [first.check]
            _, anew, rows_read = held_against(first, Rung.SUMS)
            assert (anew, rows_read) == (False, 0), "sums are enough"
            with closing(sqlite3.connect(log)) as writer:
                writer.execute("UPDATE cost_top_requests SET output_tokens = 11")
                writer.commit()
            for each in (day, first):
                found, anew, _ = held_against(each, Rung.SUMS)
                assert anew
                assert found.plain != day.plain
    finally:
        days.close()
        database.close()


CHANGES = [
    *(f"{column} = coalesce({column}, '') || 'x'" for column in ("model", "user_id", "tags", "endpoint", "client_ip")),
    *(f"{column} = coalesce({column}, 0) + 1" for column in ("time_ms", "input_tokens", "output_tokens")),
    "cost_pico_usd = 9", "cached_input_tokens = 0", "cache_hit = 0", "status = 500", "session = 's'",
    "output_tokens = input_tokens, input_tokens = output_tokens", "token = provider, provider = token",
    "owner = 'a', team = 'bc'", "owner = 'ab', team = 'c'", "token_name = user_id, user_id = token_name",
    "latency_ms = 12", "reasoning_tokens = 12", "model = 'gpt' || char(0) || 'a'", "model = 'gpt' || char(0) || 'b'",
]  # fmt: skip


def test_a_day_that_was_compared_is_held_against_how_its_rows_are_spelled(log: Path) -> None:
    """Whatever a fingerprint shows, and whatever moves from one column to the next; copies of a row count."""
    source, database = open_log(str(log)), Database(RateBook.load(None))
    days, connection = Days(None, source, database), database.cursor()
    seen = set()
    try:
        with closing(sqlite3.connect(log)) as writer, source.connect() as reader:

            def compared(day: ClosedDay) -> tuple[ClosedDay, bool]:
                before = reader.statistics.queries
                found = days.compare(connection, reader, replace(day, evidence=None), Rung.PLAIN, doubting=False)
                asked.append(reader.statistics.queries - before)
                return found

            asked: list[int] = []
            day = days.read(connection, reader, [FIRST], True)[0]
            for change in CHANGES:
                day, anew = compared(day)
                assert not anew
                assert day.spelled not in seen, change
                seen.add(day.spelled)
                again, anew = compared(day)
                assert (again.spelled, anew) == (day.spelled, False)
                assert asked[-1] < asked[-2], "no fingerprint is asked for"
                where = f"WHERE time_ms = (SELECT min(time_ms) FROM {TABLE})"
                writer.execute(f"UPDATE {TABLE} SET {change} {where}")
                writer.commit()
                day, anew = compared(day)
                assert anew, change
                assert day.spelled == "", "it was not compared yet"
    finally:
        days.close()
        database.close()
