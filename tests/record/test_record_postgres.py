"""The same promises on a real PostgreSQL."""

from __future__ import annotations

import json
import sys

import pytest

from cost_top.model.errors import UserError
from cost_top.record import Recorder

ANSWER = {
    "model": "gpt-4o",
    "choices": [],
    "usage": {"prompt_tokens": 10, "completion_tokens": 2, "cost": 0.25, "is_byok": False},
}


@pytest.fixture
def pg(postgres_url):
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS cost_top_requests")
        yield connection


def rows(pg, columns):
    return pg.execute(f"SELECT {columns} FROM cost_top_requests ORDER BY id").fetchall()


def test_a_row_has_every_value_in_its_type(pg, postgres_url):
    with Recorder(postgres_url) as recorder:
        recorder.record(
            id="a", response=ANSWER, tags=["prod", "plan:größe"], user="o'brien\x00\ud800", streamed=True, status=200,
            latency_ms=12.6, cache_hit=False, token="sk-proj-abcdefghijkl", started_at=1_700_000_000.5,
        )  # fmt: skip
        assert recorder.flush(20), recorder.last_error
    columns = (
        "id, time_ms, model, input_tokens, output_tokens, cost_pico_usd, tags, user_id, streamed, cache_hit, status"
    )
    (row,) = rows(pg, columns)
    assert row == (
        "a", 1_700_000_000_500, "gpt-4o", 10, 2, 250_000_000_000,
        json.dumps(["prod", "plan:größe"], ensure_ascii=False),
        "o'brien", True, False, 200,
    )  # fmt: skip
    assert rows(pg, "owner, latency_ms, mode") == [(None, 13, None)]
    assert "abcdefghijkl" not in repr(pg.execute("SELECT r::text FROM cost_top_requests r").fetchall())


def test_batches_and_repeated_ids(pg, postgres_url):
    with Recorder(postgres_url) as recorder:
        for number in range(5000):
            recorder.record(id=f"row-{number % 4000}", status=number // 4000)
        assert recorder.flush(60), recorder.last_error
        assert recorder.dropped == 0
    assert rows(pg, "count(*) OVER (), status")[0] == (4000, 1)


def test_rows_wait_while_the_connection_is_cut_and_the_table_locked(pg, postgres_url):
    with Recorder(postgres_url) as recorder:
        recorder.record(id="a")
        assert recorder.flush(20)
        pg.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cost-top recorder'"
        )
        recorder.record(id="b")
        assert recorder.flush(20)
        with pg.transaction():
            pg.execute("LOCK TABLE cost_top_requests IN ACCESS EXCLUSIVE MODE")
            recorder.record(id="c")
            assert not recorder.flush(0.3)
        assert recorder.flush(20)
        assert recorder.dropped == 0
    assert rows(pg, "id") == [("a",), ("b",), ("c",)]


def test_a_refused_row_goes_alone(pg, postgres_url):
    from cost_top.model.native import DDL

    pg.execute(DDL)
    pg.execute("ALTER TABLE cost_top_requests ADD CHECK (model <> 'bad')")
    with Recorder(postgres_url) as recorder:
        for name in ("good", "bad", "fine"):
            recorder.record(id=name, model=name)
        assert recorder.flush(20)
        assert (recorder.written, recorder.dropped) == (2, 1)
    assert rows(pg, "id") == [("fine",), ("good",)]


def test_a_writer_without_the_right_to_create_is_enough(pg, postgres_url):
    from cost_top.model.native import DDL

    pg.execute(DDL)
    pg.execute("DROP ROLE IF EXISTS appender; CREATE ROLE appender LOGIN")
    pg.execute("GRANT INSERT, UPDATE, SELECT ON cost_top_requests TO appender")
    with Recorder(postgres_url.replace("recorder@", "appender@")) as recorder:
        recorder.record(id="a")
        assert recorder.flush(20), recorder.last_error
    assert rows(pg, "id") == [("a",)]
    pg.execute("DROP OWNED BY appender; DROP ROLE appender")


def test_a_server_that_is_gone_costs_the_caller_nothing_and_shows_no_password():
    recorder = Recorder("postgresql://me:hunter2@127.0.0.1:1/db?connect_timeout=1")
    for _ in range(10):
        recorder.record(response=ANSWER)
    assert not recorder.flush(0.5)
    recorder.close(timeout=0.1)
    assert recorder.dropped == 10
    assert recorder.last_error
    for text in (repr(recorder), recorder.last_error, repr(vars(recorder._writer))):
        assert "hunter2" not in text


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r"cost-top\[record\]"):
        Recorder("postgresql://host/db")


@pytest.mark.parametrize("may_alter", [True, False])
def test_a_log_of_an_earlier_version_is_completed_or_written_as_it_is(pg, postgres_url, may_alter):
    writer = "cost_top_recorder_test"
    pg.execute("DROP TABLE IF EXISTS cost_top_requests")
    pg.execute("CREATE TABLE cost_top_requests (id VARCHAR(255) PRIMARY KEY, time_ms BIGINT NOT NULL, model TEXT)")
    url = postgres_url
    if not may_alter:
        pg.execute(f"DROP ROLE IF EXISTS {writer}")
        pg.execute(f"CREATE ROLE {writer} LOGIN PASSWORD 'writes'")
        pg.execute(f"GRANT SELECT, INSERT, UPDATE ON cost_top_requests TO {writer}")
        scheme, _, rest = url.partition("://")
        url = f"{scheme}://{writer}:writes@{rest.rpartition('@')[2]}"
    try:
        with Recorder(url) as recorder:
            recorder.record(response=ANSWER, id="a", session="s-1")
            assert recorder.flush(20), recorder.last_error
        (row,) = pg.execute("SELECT row_to_json(r) FROM cost_top_requests r").fetchone()
        assert (row["id"], row["model"], row.get("session")) == ("a", "gpt-4o", "s-1" if may_alter else None)
        assert ("input_tokens" in row) is may_alter
    finally:
        pg.execute("DROP TABLE cost_top_requests")
        if not may_alter:
            pg.execute(f"DROP ROLE {writer}")
