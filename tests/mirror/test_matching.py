"""Whether a row matches a filter is the same in Python and in SQL."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import duckdb
import pytest

from cost_top.mirror.added import COLUMNS_SQL, SummedRow, rows_of
from cost_top.mirror.matching import Matching
from cost_top.mirror.names import Names
from cost_top.mirror.schema import create_table
from cost_top.mirror.where import condition
from cost_top.model.filter import FILTER_FIELDS, MONEY, NUMBER, TEXT, Filter, parse_filter
from cost_top.model.secret import key_forms
from cost_top.sources.base import Lookup
from support.scratch import scratch

TEXTS = [None, "", "openai", "OpenAI", "open%ai", "a_b", "a*b", "größe", "GRÖSSE", "İstanbul", "ΣΑΣ", "Kelvin",
         "two\nlines", "back\\slash", "x" * 300, "u1", "u2", "Ada", "*"]  # fmt: skip
COLUMNS = ("provider", "model", "endpoint", "token", "token_name", "user", "owner", "team", "credential_type",
           "session", "prompt", "mode", "region", "price_status", "doubt")  # fmt: skip
NUMBERS = ("cost", "market_cost", "input_tokens", "output_tokens", "cached_input_tokens", "latency_ms", "reported_cost",
           "cache_creation_input_tokens", "reasoning_tokens")  # fmt: skip
VALUES: dict[str, list[Any]] = {
    **dict.fromkeys(COLUMNS, TEXTS),
    "token": [*TEXTS, *key_forms("sk-secret-1")],
    "price_status": ["reported", "unpriced", "priced", None],
    "tags": [None, [], ["prod"], ["a*b", "größe"], ["openai", "u1"]],
    **{name: [None, 0, 1, 10**12, -5, 2**62] for name in NUMBERS},
    "status": [None, 0, 200, 399, 400, 529],
    **{name: [None, True, False] for name in ("cache_hit", "streamed")},
}  # fmt: skip
NAMES = [
    Lookup("user", "user", {"u1": "Ada", "u2": "Größe", "openai": "u1"}), Lookup("team", "team", {"u1": "OpenAI"}),
    Lookup("token_name", "token", {"a_b": "Ada", "u1": "open%ai"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def given() -> Iterator[tuple[duckdb.DuckDBPyConnection, Matching, list[SummedRow]]]:
    draw = random.Random(8)
    with scratch() as duck:
        names = Names(duck)
        names.set_lookups(duck, NAMES)
        duck.execute(create_table("given"))
        rows = [{name: draw.choice(values) for name, values in VALUES.items()} for _ in range(500)]
        unnested = ", ".join(f'unnest(${place}) AS "{name}"' for place, name in enumerate(VALUES, 1))
        duck.execute(
            f"INSERT INTO given BY NAME SELECT *, TIMESTAMP '{datetime(2026, 1, 1)}' AS time FROM (SELECT {unnested})",
            [[row[name] for row in rows] for name in VALUES],
        )
        found = rows_of(duck.execute(f"SELECT {COLUMNS_SQL} FROM given ORDER BY rowid").fetchall())
        yield duck, Matching(duck, names), found


def filters() -> Iterator[str]:
    draw = random.Random(9)
    words = [*(f'"{text}"' if "\\" not in text else '"back\\\\slash"' for text in TEXTS if text and "\n" not in text),
             "*", "op*", "*ai", "*ö*", "a?b", "sk-secret-1", "open*ai", "**"]  # fmt: skip
    for name, kind in FILTER_FIELDS.items():
        for minus in ("", "-"):
            if kind == TEXT:
                yield f"{minus}{name}:{draw.choice(words)},{draw.choice(words)}"
                yield f"{minus}{name}:{draw.choice(words)}"
            elif kind in (NUMBER, MONEY):
                compared = draw.choice([">", "<", ">=", "<=", ""]) + draw.choice(["0", "1", "399.5", "1e6"])
                yield f"{minus}{name}:{compared}"
                yield f"{minus}{name}:0,400"
            else:
                yield f"{minus}{name}:{draw.choice(['yes', 'no'])}"
    for word in words:
        yield f"{draw.choice(['', '-'])}{word}"
    yield "ada -größe status:>=400"


UNTOLD = {"id", "client_ip", "user_agent", "late", "source"}


@pytest.mark.parametrize("text", sorted(set(filters())))
def test_a_row_matches_in_python_what_it_matches_in_sql(
    given: tuple[duckdb.DuckDBPyConnection, Matching, list[SummedRow]], text: str
) -> None:
    duck, matching, rows = given
    where = parse_filter(text)
    matches = matching.of(where)
    if UNTOLD & {term.field for term in where.terms}:
        assert matches is None
        return
    assert matches is not None
    sql, values = condition(where)
    told = duck.execute(f"SELECT {sql} FROM given ORDER BY rowid", values).fetchall()
    assert [matches(row) for row in rows] == [is_right for (is_right,) in told]


def test_names_are_those_of_now() -> None:
    with scratch() as duck:
        names = Names(duck)
        matching, where = Matching(duck, names), parse_filter("user:Ada")
        duck.execute(create_table("given"))
        duck.execute(f"INSERT INTO given BY NAME SELECT TIMESTAMP '{datetime(2026, 1, 1)}' AS time, 'u1' AS \"user\"")
        (row,) = rows_of(duck.execute(f"SELECT {COLUMNS_SQL} FROM given").fetchall())
        for held in (True, False):
            names.set_lookups(duck, NAMES if held else [])
            matches = matching.of(where)
            assert matches is not None
            assert matches(row) is held


def test_no_filter_is_followed_twice_over(given: tuple[Any, Matching, list[SummedRow]]) -> None:
    assert given[1].of(parse_filter("provider:openai")) is given[1].of(parse_filter("provider:openai"))
    assert Filter() == parse_filter("")
