"""The same requests, written in each gateway's own shape in each of its databases, give the same report in every lens.

500 requests a pair; all 5,000 with COST_TOP_FULL_CONTRACT=1.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, closing, nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from cost_top.gateways.dialects.postgresql import PostgresSpelling
from cost_top.mirror import database as mirror_database
from cost_top.mirror.database import Database
from cost_top.mirror.days import Days
from cost_top.mirror.looks import Looks
from cost_top.model.dimensions import SOURCE
from cost_top.model.engine import Need
from cost_top.model.filter import parse_filter
from cost_top.model.query import DIMENSIONS, MEASURES, ReportQuery
from cost_top.model.windows import Period
from cost_top.monitor.cluster.cluster import Cluster
from cost_top.monitor.cluster.engine import ClusterEngine
from cost_top.monitor.cluster.reports import asked_report
from cost_top.monitor.log.once import read_period
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from cost_top.sources.sql.postgres import PostgresDatabase
from support.by_database import by_database
from support.gateway_shapes import AIPROXY, BIFROST, NEW_API, SECRET, SHAPES
from support.log_writers import clickhouse_writer, mysql_writer, postgres_writer, sqlite_writer
from support.logical import LENSES, expected, requests, told
from support.scratch import scratch

COUNT = 5000 if os.environ.get("COST_TOP_FULL_CONTRACT") == "1" else 500
END = datetime(2026, 10, 8, tzinfo=UTC)
START = END - timedelta(days=4)
WRITERS = {
    "postgresql": ("postgres_server", postgres_writer), "mysql": ("mariadb_server", mysql_writer),
    "clickhouse": ("clickhouse_server", clickhouse_writer),
}  # fmt: skip
PAIRS = [
    pytest.param(shape, database, id=f"{shape.preset}-{database}") for shape in SHAPES for database in shape.databases
]


@pytest.fixture(scope="module")
def book():
    return RateBook.load(None)


@pytest.fixture
def writer_of(request, tmp_path):
    """Opens a database to write into."""
    with ExitStack() as stack:

        def open_writer(database):
            if database == "sqlite":
                return stack.enter_context(sqlite_writer(tmp_path))
            fixture, writer = WRITERS[database]
            return stack.enter_context(writer(request.getfixturevalue(fixture)))

        yield open_writer


@pytest.mark.parametrize("shape", [NEW_API, BIFROST, AIPROXY], ids=lambda shape: shape.preset)
def test_every_lens_where_postgresql_has_no_safe_parser_of_json_text(shape, writer_of, book, monkeypatch):
    monkeypatch.setattr(PostgresDatabase, "spelling", lambda *_: PostgresSpelling(version=150000))
    source, written, _ = _written(shape, writer_of("postgresql"))
    _every_lens_is_right(source, book, written).close()
    _compare_where_it_lives(source, book, written)


@pytest.mark.parametrize(("shape", "database"), PAIRS)
def test_every_lens_of_every_gateway(shape, database, writer_of, book):
    source, written, statements = _written(shape, writer_of(database))
    with closing(_every_lens_is_right(source, book, written)) as mirror:
        _narrow_reports_are_the_same(source, book, mirror)
    if database in ("clickhouse", "postgresql"):
        statements += _compare_where_it_lives(source, book, written)
    assert not [sql for sql in statements for column in shape_secrets(shape) if column in sql]
    assert SECRET not in repr(source)
    if database == "clickhouse":
        # To take a statement apart takes as long as it is; what a JSON text holds is read once for all fields.
        assert max(map(len, statements)) < 60_000
    _plain_rows_are_the_same(source)
    _days_are_the_same(source, book)
    _kept_statements_are_the_same(source.statements)


def _written(shape, writer):
    """The log, what was written, and every statement the log will be asked."""
    written = writer.write(shape, requests(COUNT, END))
    source = open_log(writer.location)
    assert source.preset.name == shape.preset
    return source, written, _recorded(source)


def _every_lens_is_right(source, book, written):
    mirror = read_period(source, book, None, Period(START, END))
    for lens in LENSES:
        report = mirror.report(ReportQuery(START, END, group_by=(lens,)), datetime.now(UTC))
        _compare(told(report), expected(written, lens), lens)
    return mirror


def _narrow_reports_are_the_same(source, book, whole):
    """A report that reads only what it is made of is that of whole rows, by any dimension; row by row and packed."""
    period, now = Period(START, END), datetime.now(UTC)
    alone = tuple(name for name in DIMENSIONS if name not in ("tag", "minute", SOURCE))
    questions = [
        ReportQuery(START, END, alone, measures=MEASURES),
        ReportQuery(START, END, ("tag",), parse_filter("-team:x -model:x a")),
    ]
    for packed, question in [(10**9, questions[0]), *((0, each) for each in questions)]:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(mirror_database, "_PACKED", packed)
            narrow = read_period(source, book, None, period, query=question)
        try:
            assert narrow.told is not None
            found, right = narrow.report(question, now), whole.report(question, now)
            assert (found.rows, found.totals) == (right.rows, right.totals), question.group_by
        finally:
            narrow.close()


def _days_are_the_same(source, book):
    """Days that are read as few rows are, in Python, as more are, and packed, are the same days."""
    database = Database(book)
    days = Days(None, source, database)
    found = []
    try:
        with source.connect() as reader:
            database.set_lookups(reader.lookups())
            wanted = [START.date() + timedelta(days=n) for n in range(4)]
            for count, reading in ((0, nullcontext()), (0, by_database()), (10**9, nullcontext())):
                days.rows_a_day = count
                with reading:
                    read = days.read(database.connection, reader, wanted, True)
                held = [database.connection.execute(f"FROM {day.relation} ORDER BY ALL").fetchall() for day in read]
                found.append([(day.plain, day.content, rows) for day, rows in zip(read, held, strict=True)])
                assert any(held)
            for day in read:
                _looks_are_those_of_reading(database.connection, reader, day)
        assert found[0] == found[1] == found[2]
    finally:
        database.close()


def _looks_are_those_of_reading(connection, reader, day):
    """What a day is compared by is what it was read with, packed or not; where rows are spelled, all of them are."""
    looks = Looks(connection, reader, day.day)
    assert looks.plain() == day.plain
    spelled = looks.spelled()
    assert bool(spelled) == (reader.source.database.name == "sqlite")
    if spelled:
        assert (looks.spelled(), spelled.split()[0]) == (spelled, str(day.row_count))
    reader.packed, packed = None, reader.packed
    assert looks.plain() == day.plain
    reader.packed = packed


def _plain_rows_are_the_same(source):
    """The rows that are read without SQL are what SQL makes of them."""
    with source.connect() as reader, scratch() as duck:
        if reader.plain is None:
            return
        with reader.rows(START, None, True) as stream:
            duck.execute("CREATE TABLE raw AS SELECT * FROM stream")
        with reader.packed_rows(START, None, True) as stream:
            duck.execute("CREATE TABLE packed AS SELECT * FROM stream")
        assert stream is not None
        found = duck.execute(f"SELECT * FROM ({reader.taken_sql('raw')})")
        names = [column[0] for column in found.description]
        right = {row[names.index("key")]: dict(zip(names, row, strict=True)) for row in found.fetchall()}
        for packed, select in enumerate((reader.plain.select("raw"), reader.plain.packed_select("packed"))):
            read = [reader.plain.read([values], bool(packed)) for values in duck.execute(select).fetchall()]
            assert len(read) == len(right)
            for row in (row for rows in read for row in rows or ()):
                assert row == right[row["key"]]
        if (fingerprints := reader.plain.packed_fingerprints("packed")) is not None:
            with reader.fingerprints(START, None) as stream:
                bare = duck.execute(reader.plain.fingerprints("stream")).fetchall()
            assert sorted(duck.execute(fingerprints).fetchall()) == sorted(bare)


def _kept_statements_are_the_same(compiled):
    """What another run would read the log with, where it is kept."""
    kept = compiled.kept()
    if kept is None:
        assert compiled.columns.dialect.name == "clickhouse"
        return
    times = [END - timedelta(hours=3), END - timedelta(hours=1, microseconds=1)]
    for each in (kept, compiled):
        each.told = [
            *(each.rows(times[0], end, details) for end in (None, END) for details in (True, False)),
            *(each.packed_rows(times[0], None, details) for details in (True, False)),
            *(each.rows_at(times, details) for details in (True, False)), each.fingerprints(times[1], END),
            each.digest(times[1], None), each.spelled(times[1], END),
            each.day_count(END.date()), each.newest(), each.oldest(), each.sample(7),
        ]  # fmt: skip
    assert kept.told == compiled.told


def _compare_where_it_lives(source, book, written):
    """The same of the log that is not copied: every lens in one reading, times of day in reports."""
    cluster, asked = Cluster(source, book), []
    ask = cluster.ask
    cluster.ask = lambda sql, parameters=None: asked.append(sql) or ask(sql, parameters)
    try:
        cluster.learn(END)
        engine = ClusterEngine(cluster)
        engine.tick(END + timedelta(days=1))
        named = [lens for lens in LENSES if lens not in ("day", "hour", "token_name")]
        needs = [Need(lens, ReportQuery(START, END, group_by=(lens,))) for lens in named]
        replies = engine.answers(needs, float("inf"))
        for lens in named:
            _compare(told(replies[lens].report), expected(written, lens), lens)
        report = asked_report(cluster, ReportQuery(START, END, group_by=("hour", "token_name")), END)
        for place, lens in enumerate(("hour", "token_name")):
            _compare(told(report, place), expected(written, lens), lens)
    finally:
        cluster.close()
    assert asked
    return asked


def shape_secrets(shape):
    """Columns of the shape that hold secrets and payloads, spelled as no other column is."""
    secret = {
        "refresh_token",
        "password_hash",
        "credentials",
        "oauth_sub",
        "input_history",
        "raw_request",
        "request_body",
        "hashed_key",
    }
    return {name for columns in (shape.columns, *shape.beside.values()) for name in columns if name in secret}


def _recorded(source):
    """Every statement the source is asked from now on."""
    from cost_top.sources.sql import session

    seen = []
    connect = source.database.connect

    def recording():
        connection, opened_on = connect()
        run = connection.run

        def noted(sql, query=True):
            seen.append(sql)
            return run(sql, query)

        connection.run = noted
        return connection, opened_on

    source.database.connect = recording
    assert session
    return seen


def _compare(found, wanted, lens):
    assert found.keys() == wanted.keys(), lens
    wrong = {
        (lens, key, name): (found[key][name], value)
        for key, figures in wanted.items()
        for name, value in figures.items()
        if (found[key][name] or 0) != value
    }
    assert not wrong, dict(list(wrong.items())[:8])
