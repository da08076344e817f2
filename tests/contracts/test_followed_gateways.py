"""A gateway's log while it is followed: late, changed, repeated and removed rows leave the sums as the log has them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.mirror.store import Mirror
from cost_top.mirror.tail import Tail
from cost_top.model.query import ReportQuery
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.gateway_shapes import BIFROST, NATIVE, NEW_API
from support.log_writers import mysql_writer, postgres_writer, sqlite_writer
from support.logical import expected, requests, told

PAIRS = [
    (NATIVE, "sqlite"), (NATIVE, "postgresql"), (NATIVE, "mysql"), (NEW_API, "mysql"), (BIFROST, "postgresql"),
]  # fmt: skip
MONEY = {"cost-top": "cost_pico_usd", "new-api": "quota", "bifrost": "cost"}
POINT = {"cost-top": 2_000_000, "new-api": 1, "bifrost": 0.000002}


@pytest.mark.parametrize(("shape", "database"), PAIRS, ids=lambda part: getattr(part, "preset", part))
def test_what_happens_to_rows_is_seen(shape, database, request, tmp_path):
    now = datetime.now(UTC).replace(microsecond=0)
    first = [
        replace(item, number=number, time=now - timedelta(seconds=20 + number))
        for number, item in enumerate(requests(60, now))
    ]
    with ExitStack() as stack:
        if database == "sqlite":
            writer = stack.enter_context(sqlite_writer(tmp_path))
        else:
            server = request.getfixturevalue("postgres_server" if database == "postgresql" else "mariadb_server")
            writer = stack.enter_context((postgres_writer if database == "postgresql" else mysql_writer)(server))
        written = dict(enumerate(writer.write(shape, first)))
        source = open_log(writer.location)
        mirror = Mirror(source, RateBook.load(None), None)
        with source.connect() as reader:
            mirror.database.set_lookups(reader.lookups())
            start = datetime(now.year, now.month, now.day) - timedelta(days=1)
            tail = Tail(mirror, reader, source.overlap, 1.0)
            tail.fill(start, None)

            def agrees(clock):
                tail.poll(datetime.now(UTC), clock)
                query = ReportQuery(now - timedelta(hours=23), now + timedelta(hours=1), group_by=("model",))
                found = told(mirror.report(query, datetime.now(UTC)))
                wanted = expected(written.values(), "model")
                assert {key: row for key, row in found.items() if row["request_count"]} == wanted

            agrees(0.0)
            late = replace(first[0], number=900, time=now - timedelta(seconds=190), points=77, status=200, hit=False)
            written[900] = writer.add(shape, [late])[0]
            agrees(1000.0)
            agrees(2000.0)
            changed = next(item for item in first[1:] if item.points)
            name = f"{changed.number + 1}" if shape is NEW_API else f"'{changed.id}'"
            table, column = writer.quoted(shape.table), MONEY[shape.preset]
            writer.run(f"UPDATE {table} SET {column} = {(changed.points + 5) * POINT[shape.preset]} WHERE id = {name}")
            written[changed.number] = (replace(changed, points=changed.points + 5), written[changed.number][1])
            agrees(3000.0)
            writer.run(f"DELETE FROM {table} WHERE id = {name}")
            del written[changed.number]
            agrees(4000.0)
        mirror.close()
