"""The set-based prices against the Python engine, row by row, and what a log may throw at them."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cost_top.model.record import PRICED_FIELDS
from cost_top.pricing.amount import Request
from cost_top.pricing.book import RateBook
from cost_top.pricing.cost import price
from cost_top.pricing.pack_rates import RATED_BY, rated_select
from cost_top.pricing.rate_join import RateJoin, Within
from support.scratch import scratch

COLUMNS = {
    "id": "VARCHAR",
    "time": "TIMESTAMP",
    "provider": "VARCHAR",
    "model": "VARCHAR",
    "input_tokens": "BIGINT",
    "cached_input_tokens": "BIGINT",
    "cache_creation_input_tokens": "BIGINT",
    "cache_creation_1h_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "reasoning_tokens": "BIGINT",
    "reported_cost": "BIGINT",
    "mode": "VARCHAR",
    "cache_hit": "BOOLEAN",
    "credential_type": "VARCHAR",
    "status": "INTEGER",
    "region": "VARCHAR",
    "audio_input_tokens": "BIGINT",
    "audio_output_tokens": "BIGINT",
    "image_output_tokens": "BIGINT",
    "web_search_count": "BIGINT",
    "zero_is_price": "BOOLEAN",
    "reported_market_cost": "BIGINT",
}
OVERRIDES = """
[alias]
"azure/my-gpt4o-prod" = "azure/gpt-4o"
[[paid]]
provider = "anthropic"
factor = "0.855"
from = 2025-06-01
[[paid]]
provider = "aws"
factor = "0.3333"
[[price]]
provider = "acme-llm"
model = "acme-1"
from = 2025-03-01
input = "0.5"
output = "1.0"
[[price]]
provider = "openai"
model = "gpt-4o-m*"
from = 2025-03-01
to = 2025-09-01T12:00:00Z
input = "123456789"
[[free]]
provider = "corp"
models = ["llama*"]
"""
PAIRS: list[tuple[str | None, str | None]] = [
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-3-5-haiku-20241022"),
    ("deepseek", "deepseek-chat"),
    ("deepseek", "deepseek-reasoner"),
    ("deepseek", "deepseek-v4-flash"),
    ("deepseek", "deepseek-v4-pro"),
    ("openai", "o3"),
    ("openai", "gpt-5.6-luna"),
    ("openai", "gpt-4o-mini"),
    ("google", "gemini-2.5-pro"),
    ("mistral", "mistral-large-latest"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("perplexity", "sonar-deep-research"),
    ("perplexity", "sonar-reasoning-pro"),
    ("x-ai", "grok-4.20"),
    ("acme-llm", "acme-1"),
    ("corp", "llama-9"),
    ("azure", "my-gpt4o-prod"),
    ("ollama", "x"),
    (None, "gpt-4o"),
    ("", "claude-sonnet-4"),
    ("openai", None),
    (None, None),
    ("", "no'such\x00\"model"),
]
Row = tuple[object, ...]


@pytest.fixture(scope="module", params=["released", "overridden"])
def book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RateBook:
    if request.param == "released":
        return RateBook.load()
    path = tmp_path_factory.mktemp("overrides") / "own.toml"
    path.write_text(OVERRIDES)
    return RateBook.load(path)


def load(connection: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> None:
    listed = ", ".join(f"unnest(${n}::{kind}[]) AS {name}" for n, (name, kind) in enumerate(COLUMNS.items(), 1))
    connection.execute(
        f"CREATE OR REPLACE TABLE log AS SELECT {listed}", [list(column) for column in zip(*rows, strict=True)]
    )


def priced(connection: duckdb.DuckDBPyConnection, join: RateJoin) -> list[Row]:
    names = ", ".join(name for name, _ in PRICED_FIELDS)
    return connection.execute(f"SELECT id, {names} FROM ({join.select('log')}) ORDER BY id::INTEGER").fetchall()


def expected(book: RateBook, row: Row) -> Row:
    moment = row[1].replace(tzinfo=UTC) if isinstance(row[1], datetime) else None
    answer = price(book, Request(row[2], row[3], moment, *row[4:]))  # type: ignore[arg-type]
    return (
        row[0],
        answer.cost,
        answer.market_cost,
        answer.saved_by_cache,
        answer.prompt_cache_savings,
        answer.status,
        answer.doubt,
    )


def assert_equal(book: RateBook, rows: Sequence[Row]) -> None:
    with scratch() as connection:
        load(connection, rows)
        join = RateJoin(book)
        join.prepare(connection, [(row[2], row[3]) for row in rows])  # type: ignore[misc]
        found = priced(connection, join)
    assert len(found) == len(rows)
    for row, answer in zip(rows, found, strict=True):
        assert answer == expected(book, row), row


class Dice(random.Random):
    """Usage as logs have it, and as they should not."""

    def tokens(self) -> int | None:
        kind = self.random()
        if kind < 0.12:
            return None
        if kind < 0.2:
            return 0
        if kind < 0.25:
            return self.choice((-5, -(2**63), 10**12, 10**15, 10**18, 2**63 - 1, 9_223_372_036_854))
        if kind < 0.4:
            return self.choice((199_998, 199_999, 200_000, 200_001, 272_000, 272_001, 128_000, 100_000, 100_001))
        return self.randrange(300_000)

    def time(self, edges: list[int]) -> datetime | None:
        if self.random() < 0.02:
            return None
        if self.random() < 0.4:
            near = timedelta(microseconds=self.choice((-1, 0, 1, -(10**6), 10**6, 3600 * 10**6)))
            return datetime.fromtimestamp(self.choice(edges), UTC).replace(tzinfo=None) + near
        return datetime(2024, 1, 1) + timedelta(seconds=self.randrange(3 * 365 * 86400))

    def row(self, number: int, pair: tuple[str | None, str | None], edges: list[int]) -> Row:
        return (
            str(number),
            self.time(edges),
            *pair,
            self.tokens(),
            self.tokens(),
            self.tokens(),
            self.choice((None, 0, self.tokens())),
            self.tokens(),
            self.choice((None, 0, self.tokens())),
            self.choice((None, None, None, 0, 0, -5, 10**9, 2**63 - 1, -(2**63))),
            self.choice(
                (
                    None,
                    None,
                    "standard",
                    "batch",
                    "flex",
                    "priority",
                    "fast",
                    "BATCH ",
                    "odd",
                    "",
                    "rounds",
                    " Interrupted",
                    "Batch+rounds",
                    "fast+interrupted",
                    "priority+rounds+interrupted ",
                    "odd+rounds",
                    "unreadable_count",
                )
            ),
            self.choice((None, False, False, True)),
            self.choice((None, "system", "BYOK", " byok", "x")),
            self.choice((None, 200, 399, 400, 500)),
            self.choice((None, None, None, "us", " US", "global", "eu", "")),
            *(self.choice((None, None, None, None, 0, self.tokens())) for _ in range(4)),
            self.choice((None, None, True, False)),
            self.choice((None, None, None, 0, -7, 10**9, 2**63 - 1, -(2**63))),
        )


def test_every_row_equals_the_python_engine(book: RateBook) -> None:
    dice = Dice(20261121)
    every: list[tuple[str | None, str | None]] = [(provider, model) for provider, model, _ in book.models()]
    edges = [edge for pair in PAIRS if (entry := book.entry(*pair)) for edge in entry.timeline.edges]
    rows = [dice.row(n, dice.choice(PAIRS if dice.random() < 0.7 else every), edges) for n in range(8_000)]
    answers = [expected(book, row) for row in rows]
    assert {answer[-2] for answer in answers} >= {"reported", "priced", "free", "cache_hit", "unpriced"}
    assert {answer[-1] for answer in answers} >= {
        None, "model", "time", "mode", "region", "zero", "cost", "audio_output", "image_output", "web_search", "input",
        "rounds", "output", "list_price", "count",
    }  # fmt: skip
    assert_equal(book, rows)


count = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(0, 500_000))
row = st.tuples(
    st.one_of(st.none(), st.datetimes(datetime(2023, 1, 1), datetime(2028, 1, 1))),
    st.sampled_from(PAIRS),
    *[count] * 7,
    st.one_of(st.none(), st.sampled_from(["batch", "flex", "priority", "fast", " Batch"]), st.text(max_size=5)),
    st.one_of(st.none(), st.booleans()),
    st.one_of(st.none(), st.just("byok"), st.text(max_size=5)),
    st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)),
    st.one_of(st.none(), st.sampled_from(["us", "Global "]), st.text(max_size=3)),
    *[st.one_of(st.none(), count)] * 4,
    st.one_of(st.none(), st.booleans()),
    st.one_of(st.none(), count),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(row, min_size=1, max_size=30))
def test_any_row_equals_the_python_engine(book: RateBook, rows: list[tuple[object, ...]]) -> None:
    flat = [(str(n), item[0], *item[1], *item[2:]) for n, item in enumerate(rows)]  # type: ignore[misc]
    assert_equal(book, flat)


def plain(number: int, provider: str | None, model: str | None) -> Row:
    moment = datetime(2026, 1, 1)
    return (str(number), moment, provider, model, 1000, 0, 0, 0, 100, *[None] * 13)


@pytest.mark.parametrize("output", [None, 0, 9])
def test_a_given_zero_of_an_interrupted_request_lacks_a_part_only_where_something_was_used(output: int | None) -> None:
    book = RateBook.load()
    usage = (0, None, None, None, output, None, 0, "interrupted")
    asked = ("0", datetime(2026, 1, 1), "openai", "gpt-4o", *usage, *[None] * 8, True, None)
    assert expected(book, asked)[-2:] == ("reported", "list_price" if output else None)
    assert_equal(book, [asked])


def test_columns_come_out_as_they_are_named_and_typed() -> None:
    join = RateJoin(RateBook.load())
    with scratch() as connection:
        load(connection, [plain(0, "openai", "gpt-4o")])
        join.prepare(connection, [])
        relation = "(SELECT *, 'x' AS market, 1 AS slot, 2 AS first, 3 AS input FROM log)"
        described = connection.execute(f"DESCRIBE {join.select(relation)}").fetchall()
    names = [(item[0], item[1]) for item in described]
    assert names[: len(COLUMNS)] == list(COLUMNS.items())
    assert [name for name, _ in names[len(COLUMNS) : -6]] == ["market", "slot", "first", "input"]
    assert names[-6:] == list(PRICED_FIELDS)


def test_a_pair_that_was_not_prepared_is_unpriced_and_prepare_adds_to_what_is_there() -> None:
    join = RateJoin(RateBook.load())
    with scratch() as connection:
        load(connection, [plain(0, "openai", "gpt-4o"), plain(1, "openai", "o3")])
        join.prepare(connection, [("openai", "gpt-4o")])
        assert [item[-2] for item in priced(connection, join)] == ["priced", "unpriced"]
        for _ in range(2):
            join.prepare(connection, [("openai", "o3"), ("openai", "o3"), ("openai", "gpt-4o")])
        assert [item[-2] for item in priced(connection, join)] == ["priced", "priced"]


def test_two_books_stand_side_by_side(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[[price]]\nmodel = "gpt-4o"\ninput = "1"\n')
    with scratch() as connection:
        load(connection, [plain(0, "openai", "gpt-4o")])
        old, new = RateJoin(RateBook.load()), RateJoin(RateBook.load(own))
        for join in (old, new):
            join.prepare(connection, [("openai", "gpt-4o")])
        assert [priced(connection, join)[0][1] for join in (old, new)] == [3_500_000_000, 1_000_000_000]
        old.drop(connection)
        assert priced(connection, new)[0][1] == 1_000_000_000


def test_threads_with_cursors_neither_lose_nor_double_a_row() -> None:
    book = RateBook.load()
    pairs: list[tuple[str | None, str | None]] = [(provider, model) for provider, model, _ in book.models()][:400]
    failures: list[str] = []
    with duckdb.connect() as connection:
        load(connection, [plain(n, *pair) for n, pair in enumerate(pairs)])

        def work(part: int) -> None:
            cursor, join = connection.cursor(), RateJoin(book)
            for start in range(0, len(pairs), 40):
                join.prepare(cursor, pairs[start : start + 40 + part])
                if len(priced(cursor, join)) != len(pairs):
                    failures.append(f"{part}: {start}")

        threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        final = priced(connection, RateJoin(book))
    assert failures == []
    assert final == [expected(book, plain(n, *pair)) for n, pair in enumerate(pairs)]


def test_totals_are_exact_sums() -> None:
    book = RateBook.load()
    with scratch() as connection:
        connection.execute(
            "CREATE TABLE log AS SELECT i::VARCHAR AS id, TIMESTAMP '2025-08-01' + INTERVAL (i) MINUTE AS time, "
            "CASE i % 3 WHEN 0 THEN 'openai' WHEN 1 THEN 'anthropic' ELSE 'deepseek' END AS provider, "
            "CASE i % 3 WHEN 0 THEN 'gpt-4o' WHEN 1 THEN 'claude-sonnet-4-5' ELSE 'deepseek-chat' END AS model, "
            "(i * 7919) % 250000 AS input_tokens, (i * 31) % 1000 AS cached_input_tokens, "
            "0::BIGINT AS cache_creation_input_tokens, 0::BIGINT AS cache_creation_1h_tokens, "
            "i % 777 AS output_tokens, NULL::BIGINT AS reasoning_tokens, NULL::BIGINT AS reported_cost, "
            "NULL::VARCHAR AS mode, false AS cache_hit, NULL::VARCHAR AS credential_type, 200 AS status, "
            "NULL::VARCHAR AS region, NULL::BIGINT AS audio_input_tokens, NULL::BIGINT AS audio_output_tokens, "
            "NULL::BIGINT AS image_output_tokens, NULL::BIGINT AS web_search_count, NULL::BOOLEAN AS zero_is_price, "
            "NULL::BIGINT AS reported_market_cost "
            "FROM range(100000) t(i)"
        )
        join = RateJoin(book)
        join.prepare(connection, connection.execute("SELECT DISTINCT provider, model FROM log").fetchall())
        found = connection.execute(f"SELECT sum(cost) FROM ({join.select('log')})").fetchone()
        rows = connection.execute("SELECT * FROM log").fetchall()
    total = 0
    for item in rows:
        cost = expected(book, item)[1]
        assert isinstance(cost, int)
        total += cost
    assert found == (total,)


def rated(connection: duckdb.DuckDBPyConnection, join: RateJoin) -> list[Row] | None:
    """As `priced`, by the rates of what rows share; None where those differ from row to row."""
    total = (
        "greatest(coalesce(input_tokens, 0), 0) + 2 * greatest(coalesce(cached_input_tokens, 0), 0) + "
        "2 * greatest(coalesce(cache_creation_input_tokens, 0), coalesce(cache_creation_1h_tokens, 0), 0)"
    )
    within = connection.execute(f"SELECT min(time), max(time), max(CAST({total} AS HUGEINT)) FROM log").fetchall()[0]
    shared = ", ".join(RATED_BY)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE shared AS SELECT DISTINCT {shared} FROM log")
    found = rated_select(join, connection, "shared", RATED_BY, Within(*within))
    if found is None:
        return None
    same = " AND ".join(f"l.{name} IS NOT DISTINCT FROM s.{name}" for name in RATED_BY)
    columns = ", ".join(f"s.{name}" for name in found[1])
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE brings AS SELECT l.*, {columns} FROM log l JOIN ({found[0]}) s ON {same}"
    )
    names = ", ".join(name for name, _ in PRICED_FIELDS)
    return connection.execute(
        f"SELECT id, {names} FROM ({join.select_rated('brings')}) ORDER BY id::INTEGER"
    ).fetchall()


def test_rates_of_what_rows_share_give_the_prices_of_each_row(book: RateBook) -> None:
    dice = Dice(7)
    kinds = {True: 0, False: 0}
    with scratch() as connection:
        join = RateJoin(book)
        for _ in range(60):
            pairs = dice.sample(PAIRS, 3)
            edges = [edge for pair in pairs if (entry := book.entry(*pair)) for edge in entry.timeline.edges] or [10**9]
            first, most = dice.time(edges) or datetime(2026, 1, 1), dice.choice((1000, 70_000, 300_000))
            length = dice.choice((1, 3600, 86400, 8 * 86400))
            rows = []
            for each in range(20):
                row = list(dice.row(each, dice.choice(pairs), edges))
                row[1] = first + timedelta(seconds=dice.randrange(length))
                row[4:8] = [None if count is None else abs(count) % most for count in row[4:8]]
                rows.append(tuple(row))
            load(connection, rows)
            join.prepare(connection, pairs)
            found = rated(connection, join)
            kinds[found is None] += 1
            if found is not None:
                assert found == priced(connection, join)
    assert min(kinds.values()) > 10


@pytest.mark.parametrize(
    ("pair", "rows", "is_one"),
    [
        (("deepseek", "deepseek-chat"), [("2025-03-01 01:00", 9), ("2025-03-01 17:00", 9)], False),  # by the hour
        (("google", "gemini-2.5-pro"), [("2026-01-01", 9), ("2026-01-01", 200_001)], False),  # by size
        (("google", "gemini-2.5-pro"), [("2026-01-01", 9), ("2026-01-01", 200_000)], True),
        (("openai", "o3"), [("2025-06-09", 9), ("2025-06-12", 9)], False),  # a new price
        (("openai", "o3"), [("2026-06-09", 9), ("2026-06-12", 9)], True),
        (("no such", "model"), [("2025-06-09", 9), ("2026-06-12", 10**15)], True),
    ],
)  # fmt: skip
def test_what_rows_share_has_rates_where_each_row_has_the_same(
    pair: tuple[str, str], rows: list[tuple[str, int]], is_one: bool
) -> None:
    join = RateJoin(RateBook.load())
    usage = [(str(n), datetime.fromisoformat(time), *pair, count, 0, 0, 0, 5, *[None] * 13)
             for n, (time, count) in enumerate(rows)]  # fmt: skip
    with scratch() as connection:
        load(connection, usage)
        join.prepare(connection, [pair])
        found = rated(connection, join)
        assert (found is not None) == is_one
        assert found in (None, priced(connection, join))
