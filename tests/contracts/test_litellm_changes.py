"""LiteLLM's log under its operators' hands: partitions whose rows share ids, clean-ups by SQL, corrected metadata."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from cost_top.model.query import ReportQuery
from cost_top.monitor.log.answers import LogAnswers
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from support.followed import Followed
from support.litellm_log import spend_row, write_spend

NOW = datetime.now(UTC).replace(microsecond=0)
TABLE = '"LiteLLM_SpendLogs"'


@pytest.fixture
def url(postgres_server, litellm_template):
    name = postgres_server.create_database(litellm_template)
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


def at(**ago: float) -> datetime:
    return (NOW - timedelta(**ago)).replace(tzinfo=None)


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for sql in statements:
            connection.execute(sql)


def users(url: str, cache: Path | None) -> dict[str | None, tuple[int, int]]:
    answers = LogAnswers(lambda: open_log(url), lambda: RateBook.load(None), cache)
    query = ReportQuery(NOW - timedelta(days=20), NOW + timedelta(hours=1), group_by=("user",))
    rows = answers.report(query).rows
    return {row.key[0]: (row.measures.request_count, row.measures.total_cost // 10**9) for row in rows}


def test_rows_of_a_partitioned_log_that_share_an_id_are_calls_of_their_own(url: str, tmp_path: Path) -> None:
    first, last = (NOW - timedelta(days=30)).date(), (NOW + timedelta(days=30)).date()
    execute(
        url,
        f"ALTER TABLE {TABLE} RENAME TO flat",
        f'CREATE TABLE {TABLE} (LIKE flat INCLUDING DEFAULTS) PARTITION BY RANGE ("startTime")',
        f'ALTER TABLE {TABLE} ADD PRIMARY KEY (request_id, "startTime")',
        f'CREATE INDEX by_time ON {TABLE} ("startTime", request_id)',
        f"CREATE TABLE part PARTITION OF {TABLE} FOR VALUES FROM ('{first}') TO ('{last}')",
        "DROP TABLE flat",
    )
    rows = [
        spend_row("None", startTime=at(days=days, hours=hours), spend=spend, end_user=user)
        for days, hours, spend, user in (
            (4, 1, 1.25, "fern"), (4, 2, 2.5, "moss"), (3, 0, 4.0, "moss"),
            (0, 0.2, 1.0, "fern"), (0, 0.1, 0.5, "fern"),
        )
    ]  # fmt: skip
    write_spend(url, *rows)
    assert users(url, tmp_path / "cache") == {"fern": (3, 2750), "moss": (2, 6500)}
    watched = Followed(open_log(url), tmp_path / "live")
    try:
        write_spend(url, spend_row("None", startTime=at(minutes=1), spend=0.1, end_user="fern"))
        watched.until_right(10.0)
        execute(url, f"UPDATE {TABLE} SET end_user = 'reed' WHERE end_user = 'moss'")
        watched.until_right(300.0)
    finally:
        watched.close()
    assert users(url, tmp_path / "cache") == users(url, None) == {"fern": (4, 2850), "reed": (2, 6500)}


def test_end_users_cleaned_up_by_sql_are_gone_from_reports_and_files(url: str, tmp_path: Path) -> None:
    write_spend(url, *(spend_row(f"r{day}", startTime=at(days=day), end_user=f"person {day}") for day in range(2, 9)))
    before = users(url, tmp_path / "cache")
    assert "person 4" in before
    execute(url, f"UPDATE {TABLE} SET end_user = 'laptops' WHERE end_user LIKE 'person%'")
    after = users(url, tmp_path / "cache")
    assert after == users(url, None) == {"laptops": (7, 7)}
    import duckdb

    kept = list((tmp_path / "cache").rglob("*.parquet"))
    assert len(kept) >= 7
    found = {name for path in kept for (name,) in duckdb.sql(f"SELECT DISTINCT \"user\" FROM '{path}'").fetchall()}
    assert found == {"laptops"}


@pytest.mark.parametrize("place", ["hot", "closed"])
def test_metadata_that_is_corrected_is_followed(url: str, tmp_path: Path, place: str) -> None:
    ago = at(hours=0.7) if place == "hot" else at(days=3)
    rows = (spend_row(f"r{day}", startTime=at(days=day, hours=0.5)) for day in range(6))
    write_spend(url, *rows, spend_row("it", startTime=ago))
    watched = Followed(open_log(url), tmp_path / "cache")
    try:
        assert watched.differences() == []
        changed = '{"usage_object": {"prompt_tokens_details": {"cached_tokens": 77}}}'
        execute(url, f"UPDATE {TABLE} SET metadata = '{changed}' WHERE request_id = 'it'")
        assert not watched.is_right()
        watched.until_right(900.0)
    finally:
        watched.close()


def test_a_kept_day_that_is_lost_is_read_again_with_all_its_columns(url: str, tmp_path: Path) -> None:
    write_spend(url, *(spend_row(f"r{day}", startTime=at(days=day)) for day in range(2, 5)))
    watched = Followed(open_log(url), tmp_path / "cache")
    try:
        assert watched.history.details_known()
        for path in (tmp_path / "cache").glob("*/*.parquet"):
            path.unlink()
        assert watched.history.forget_lost_days()
        watched.run(0)
        assert watched.differences() == []
        assert watched.history.details_known()
    finally:
        watched.close()
