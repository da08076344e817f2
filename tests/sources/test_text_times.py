"""Times in texts with an offset: read as the instants they are in every database, or counted as none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cost_top.sources.sql.log import open_log
from support.reading import records, records_at

MAPPING = """\
name = "n"
table = "calls"
id = "id"
time = { column = "at", unit = "timestamptz" }
[fields]
model = "model"
"""
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SPELLED = [
    "2026-11-30 12:00:00", "2026-11-30T12:00:00Z", "2026-11-30 12:00:00+00:00", "2026-11-30 20:00:00+0800",
    "2026-11-30T20:00:00+08:00", "2026-11-30 20:00:00+08", "2026-11-30 20:00:00 +0800", "2026-11-30T07:30:00-04:30",
    "2026-12-01 02:00:00+1400", "2026-11-30 00:00:00-12:00",
]  # fmt: skip
PARTS = ["2026-11-30T12:00:00.25Z", "2026-11-30T20:00:00.250+08:00", "2026-11-30 03:00:00.25-0900"]
NONE = ["2026-11-30", "yesterday", "2026-11-30 12:00:00 PST", "", "2026-11-30 12:00:00+8"]


@pytest.mark.parametrize("database", ["sqlite", "postgres", "mysql", "clickhouse"])
def test_a_text_with_an_offset_is_its_instant(request, tmp_path, database):
    writer = request.getfixturevalue(database)
    writer.create("calls", {"id": "key", "at": "key", "model": "key"})
    times = [*SPELLED, *PARTS, *NONE]
    writer.insert("calls", [{"id": f"r{n:02}", "at": at, "model": "m"} for n, at in enumerate(times)])
    path = tmp_path / "map.toml"
    path.write_text(MAPPING)
    source = open_log(writer.location, path)
    expected = {at: NOON.replace(tzinfo=None) for at in SPELLED}
    expected |= {at: NOON.replace(microsecond=250_000, tzinfo=None) for at in PARTS}
    told = {times[int(row["id"][1:])]: row["time"] for row in records(source)}
    assert told == expected
    assert len(records(source, NOON, NOON + timedelta(microseconds=1))) == len(SPELLED)
    assert len(records(source, NOON + timedelta(microseconds=1), NOON + timedelta(milliseconds=251))) == len(PARTS)
    assert {row["time"] for row in records_at(source, [NOON])} >= {NOON.replace(tzinfo=None)}
    with source.connect() as reader:
        assert reader.untimed() == len(NONE)


# By their texts the others are the first and the last.
MIXED = [
    "2026-11-01T00:10:00-11:00", "2026-11-01T01:00:00Z", "2026-11-30T23:59:00.5+08:00", "2026-11-30 22:00:00.25 -0500",
    "2026-11-30 20:00:00+00:00",
]  # fmt: skip


# And by these the last one alone has an offset.
IN_UTC = ["2026-11-01 01:00:00", "2026-11-30T23:59:00+08:00", "2026-11-30 20:00:00Z"]


def test_rows_in_utc_are_not_hidden_by_a_text_behind_them(sqlite, tmp_path):
    sqlite.create("calls", {"id": "key", "at": "key", "model": "key"}, index="at")
    path = tmp_path / "map.toml"
    path.write_text(MAPPING)
    with open_log(sqlite.location, path).connect() as reader:
        assert (reader.oldest(), reader.newest()) == (None, None)
        sqlite.insert("calls", [{"id": f"r{n}", "at": at, "model": "m"} for n, at in enumerate(IN_UTC)])
        assert reader.oldest() == datetime(2026, 11, 1, 1, tzinfo=UTC)
        assert reader.newest() == datetime(2026, 11, 30, 20, tzinfo=UTC)


@pytest.mark.parametrize("database", ["sqlite", "postgres", "mysql", "clickhouse"])
def test_the_first_and_the_last_row_are_those_by_their_instants(request, tmp_path, database):
    writer = request.getfixturevalue(database)
    writer.create("calls", {"id": "key", "at": "key", "model": "key"}, index="at")
    writer.insert("calls", [{"id": f"r{n}", "at": at, "model": "m"} for n, at in enumerate([*MIXED, *NONE])])
    path = tmp_path / "map.toml"
    path.write_text(MAPPING)
    with open_log(writer.location, path).connect() as reader:
        assert reader.oldest() == datetime(2026, 11, 1, 1, tzinfo=UTC)
        assert reader.newest() == datetime(2026, 12, 1, 3, 0, 0, 250_000, tzinfo=UTC)
