"""Rows whose time is no time: each row of a log is read at some instant or counted, whatever its time is made of."""

from __future__ import annotations

import pytest

from cost_top.gateways.instants import USABLE_FROM
from cost_top.sources.sql.log import open_log
from support.reading import records

TEXTS = [
    "2026-11-30 12:00:00", "2026-11-30T12:00:00.123456789Z", "2026-11-30T12:00:00+00:00", "2000-01-01 00:00:00",
    "2199-12-31 23:59:59.999", "1999-12-31 23:59:59", "2200-01-01 00:00:00", "0001-01-01 00:00:00",
    "2026-11-30T12:00:00+02:00", "2026-12-01 01:00:00 -0330", "1999-12-31T20:00:00-05:00", "2026-02-31 10:00:00",
    "2026-02-30T10:00:00+01:00", "2026-13-01 10:00:00", "2026-11-31 00:00:00Z", "2026-11-30 24:00:00",
    "2026-11-30 23:59:60", "2026/11/30 12:00:00", "30.11.2026 12:00", "2026-11-30", "", "null", "now", "1796040000",
    "2026-11-30 12:00:00 PST", "2026-11-30 12:00:00;", "9999-12-31 23:59:59", "2199-12-31T23:00:00-05:00", None,
]  # fmt: skip
SECONDS = [
    1796040000,
    946684800,
    946684799,
    7258118399,
    7258118400,
    0,
    -1,
    1796040000000,
    1796040000000000,
    None,
    10**15,
]
MILLIS = [
    1796040000000,
    946684800000,
    946684799999,
    7258118399999,
    7258118400000,
    0,
    -1,
    1796040000,
    None,
    4 * 10**15,
]
MICROS = [1796040000000000, 946684799999999, 7258118400000000, 1796040000000, -5, None, 9 * 10**18]
ANY = [
    1796040000, 1796040000000, 1796040000000000, 946684799, 946684800, 7258118400, 946684799999, 7258118399999,
    7258118400000, 946684799999999, 7258118400000000, 0, -1, None, 9 * 10**18,
]  # fmt: skip
KINDS = [
    ('column = "at", unit = "iso_utc"', "key", TEXTS), ('column = "at", unit = "timestamptz"', "key", TEXTS),
    ('column = "at", unit = "epoch_s"', "BIGINT", SECONDS), ('column = "at", unit = "epoch_ms"', "BIGINT", MILLIS),
    ('column = "at", unit = "epoch_us"', "BIGINT", MICROS), ('column = "at", unit = "epoch_any"', "BIGINT", ANY),
    ('unit = "epoch_ms", sql = { sqlite = "at * 1000", postgresql = "at * 1000", mysql = "at * 1000", '
     'clickhouse = "at * 1000" }', "BIGINT", [*SECONDS[:7], None]),
]  # fmt: skip


@pytest.mark.parametrize("database", ["sqlite", "postgres", "mysql", "clickhouse"])
@pytest.mark.parametrize(("time", "kind", "told"), KINDS, ids=["iso", "zoned", "s", "ms", "us", "any", "sql"])
@pytest.mark.parametrize("index", ["at", ""], ids=["indexed", "bare"])
def test_each_row_is_read_at_some_instant_or_counted(request, tmp_path, database, time, kind, told, index):
    writer = request.getfixturevalue(database)
    kind = f"Nullable({'Int64' if kind == 'BIGINT' else 'String'})" if database == "clickhouse" else kind
    writer.create("calls", {"id": "BIGINT", "at": kind, "model": "key"}, index=index)
    writer.insert("calls", [{"id": n, "at": at, "model": "m"} for n, at in enumerate(told)])
    path = tmp_path / "map.toml"
    path.write_text(f'name = "n"\ntable = "calls"\nid = "id"\ntime = {{ {time} }}\n[fields]\nmodel = "model"\n')
    source = open_log(writer.location, path)
    read = records(source, USABLE_FROM)
    assert [row["id"] for row in read if row["time"] is None] == []
    with source.connect() as reader:
        assert len(read) + reader.untimed() == len(told), sorted(told[int(row["id"])] for row in read)
    assert 0 < len(read) < len(told)
