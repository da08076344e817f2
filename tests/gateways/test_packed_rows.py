"""Rows that came packed are what the normal form's SQL makes of the same rows; what could differ is told to be odd."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import duckdb
import pytest

from cost_top.gateways.made_counts import odd_counts_sql
from cost_top.gateways.normalise import normalise_select, odd_cost_sql
from cost_top.gateways.packed import PackedForm
from cost_top.gateways.shape import ROW_HASH, RawShape, field_kind
from cost_top.mirror.packed import packed_rows
from cost_top.model.record import FIELD_NAMES, PRICED_FIELDS
from cost_top.pricing.book import RateBook
from cost_top.pricing.rate_join import RateJoin, Within
from support.raw_rows import PRICED_HERE, SHAPE, SHAPES, raw_table
from support.scratch import scratch

ALL = {
    **SHAPES,
    "all cheap": replace(SHAPE, plain=PRICED_HERE),
}


INPUT = ("input_tokens", "cached_input_tokens", "cache_creation_input_tokens", "cache_creation_1h_tokens")


class Stream:
    """An Arrow stream, as a driver gives one."""

    def __init__(self, relation: duckdb.DuckDBPyRelation) -> None:
        self._relation = relation

    def __arrow_c_stream__(self, requested: object = None) -> object:
        return self._relation.__arrow_c_stream__(requested)


@pytest.fixture
def log() -> duckdb.DuckDBPyConnection:
    with scratch() as duck:
        yield duck


def made(log: duckdb.DuckDBPyConnection, shape: RawShape, named: str) -> None:
    """The table `raw`, as a database gives its texts and figures, and with nothing odd in it."""
    raw_table(log, shape, random.Random(named), odd_ids=False)
    for name in (name for pack in shape.packs for name in pack):
        if field_kind(name) != "text":
            log.execute(f'UPDATE raw SET "{name}" = coalesce("{name}", -1)')
        elif shape.text_is_blob:
            log.execute(f'DELETE FROM raw WHERE TRY(decode("{name}")) IS NULL')
    if "reported_cost" in shape.fields:
        log.execute(f"DELETE FROM raw WHERE {odd_cost_sql(shape)}")
    log.execute(f"DELETE FROM raw WHERE {odd_counts_sql(shape)}")


def sent(log: duckdb.DuckDBPyConnection, shape: RawShape) -> Any:
    """What a database sends of the table `raw`."""
    kind = "BLOB" if shape.text_is_blob else "VARCHAR"
    packs = []
    for place, pack in enumerate(shape.packs):
        parts = (f'"{name}"' if field_kind(name) == "text" else f'CAST("{name}" AS VARCHAR)::{kind}' for name in pack)
        packs.append(f" || '\x1f'::{kind} || ".join(parts) + f' AS "pack {place}"')
    packed = ", ".join(f'"{name}"' for pack in shape.packs for name in pack)
    return nullcontext(Stream(log.sql(f"SELECT * EXCLUDE ({packed}), {', '.join(packs)} FROM raw")))


def read(log: duckdb.DuckDBPyConnection, shape: RawShape) -> tuple[Counter[Any], set[Any], frozenset[str]] | None:
    """The rows that came packed, their hashes, the enumerated fields; None where something is odd."""
    with scratch() as duck, packed_rows(duck, PackedForm(shape), sent(log, shape)) as (_, incoming):
        if incoming is None:
            return None
        columns = ", ".join(f'CAST("{name}" AS VARCHAR) AS "{name}"' for name in FIELD_NAMES)
        rows = duck.execute(f"SELECT {columns} FROM {incoming.rows}").fetchall()
        hashes = duck.execute(f"SELECT time, fingerprint, content FROM {incoming.witnesses}").fetchall()
        pairs = duck.execute(f"SELECT DISTINCT provider, model FROM {incoming.pairs}").fetchall()
        assert {row[2:4] for row in rows} == set(pairs)
        return Counter(rows), set(hashes), incoming.enumerated


def right(log: duckdb.DuckDBPyConnection, shape: RawShape) -> tuple[Counter[Any], set[Any]]:
    """As `read`, by the normal form of the rows as they are."""
    columns = ", ".join(f'CAST("{name}" AS VARCHAR) AS "{name}"' for name in FIELD_NAMES)
    log.execute(f"CREATE OR REPLACE TEMP TABLE made AS {normalise_select(shape, 'raw', witnesses=True)}")
    rows = log.execute(f"SELECT {columns} FROM made").fetchall()
    return Counter(rows), set(log.execute("SELECT time, fingerprint, content FROM made").fetchall())


@pytest.mark.parametrize(("named", "copies"), [("pico", 1), *((named, 5) for named in ALL)])
def test_rows_that_came_packed_are_the_rows(log: duckdb.DuckDBPyConnection, named: str, copies: int) -> None:
    shape = ALL[named]
    made(log, shape, named)
    if copies > 1:
        further = "id || CAST('+' || n AS BLOB)" if shape.text_is_blob else "id || '+' || n"
        log.execute(f"INSERT INTO raw SELECT raw.* REPLACE ({further} AS id) FROM raw, range({copies - 1}) r(n)")
    found = read(log, shape)
    assert found is not None
    rows, hashes, enumerated = found
    assert (rows, hashes) == right(log, shape)
    if copies > 1:
        assert enumerated >= {"provider", *(["tags"] if "tags" in shape.fields else [])}
    assert enumerated >= set(PackedForm(shape).absent)


@pytest.mark.parametrize(
    ("column", "value"),
    [("id", b""), ("id", b"sk-ant-abc123def456ghi789"), ("id", b"\x1b[31m"), ("id", b"\xff"), ("id", b"x" * 600),
     ("model", b"a\x1fb"), ("user", b"\xff\xfe"), ("session", b"\x1f"), ("reported_cost", -(2**63))],
)  # fmt: skip
def test_what_cannot_be_taken_apart_is_odd(log: duckdb.DuckDBPyConnection, column: str, value: bytes | int) -> None:
    made(log, SHAPE, "pico")
    log.execute("DELETE FROM raw WHERE id <> (SELECT min(id) FROM raw)")
    tame = ", ".join(f"\"{name}\" = ''::BLOB" for name in SHAPE.fields if field_kind(name) in ("text", "tags"))
    log.execute(f"UPDATE raw SET {tame}")
    assert read(log, SHAPE) is not None
    log.execute(f'UPDATE raw SET "{column}" = ?', [value])
    assert read(log, SHAPE) is None


def test_a_field_that_differs_from_row_to_row_is_not_enumerated(log: duckdb.DuckDBPyConnection) -> None:
    made(log, SHAPE, "pico")
    log.execute("UPDATE raw SET client_ip = id")
    log.execute("""UPDATE raw SET "user" = 'one'::BLOB, user_name = ''::BLOB, session = ''::BLOB, prompt = ''::BLOB""")
    found = read(log, SHAPE)
    assert found is not None
    assert "user" in found[2]
    assert "client_ip" not in found[2]


def test_a_pack_holds_no_costly_text_beside_a_cheap_one() -> None:
    assert ("provider", "model") in {pack[:2] for pack in ALL["all cheap"].packs}
    costly = replace(SHAPE, plain=("model", "plain user"))
    assert ("model",) in costly.packs
    by_hash = replace(SHAPE, plain=(ROW_HASH,))
    assert by_hash.packs == ALL["all cheap"].packs


class Told(RateJoin):
    """Rates that note what they were asked for."""

    within: Within | None = None

    def constant(self, pair: Any, mode: int, region: int, within: Within) -> Any:
        self.within = within
        return super().constant(pair, mode, region, within)


@pytest.mark.parametrize("named", ALL)
def test_rows_that_came_packed_bring_their_rates_or_find_them(log: duckdb.DuckDBPyConnection, named: str) -> None:
    shape = ALL[named]
    made(log, shape, named)
    known = [("openai", "gpt-4o"), ("google", "gemini-2.5-pro"), ("", "claude-sonnet-4-5"), ("no", "such")]
    for name, place in (("provider", 0), ("model", 1)):
        if name in shape.fields:
            words = ", ".join(f"'{pair[place]}'" for pair in known)
            kind = "BLOB" if shape.text_is_blob else "VARCHAR"
            place_of = f"CAST(1 + hash(id) % {len(known)} AS BIGINT)"
            log.execute(f'UPDATE raw SET "{name}" = CAST([{words}][{place_of}] AS {kind})')
    join = Told(RateBook.load())
    with scratch() as duck, packed_rows(duck, PackedForm(shape), sent(log, shape), join=join) as (_, incoming):
        assert incoming is not None
        assert join.within is not None
        join.prepare(duck, duck.execute(f"SELECT DISTINCT provider, model FROM {incoming.pairs}").fetchall())
        columns = ", ".join(name for name, _ in PRICED_FIELDS)
        found = [
            duck.execute(f"SELECT id, {columns} FROM ({select(incoming.rows)}) ORDER BY ALL").fetchall()
            for select in (join.select, *([join.select_rated] if incoming.rated else []))
        ]
        assert found[0] == found[-1]
        tokens = ", ".join(f"greatest(coalesce({name}, 0), 0)" for name in INPUT)
        rows = duck.execute(f"SELECT time, {tokens} FROM {incoming.rows}").fetchall()
        assert (join.within.first, join.within.last) == (min(rows)[0], max(rows)[0])
        totals = []
        for _, said, cached, write, write_1h in rows:
            parts = cached + max(write, write_1h)
            totals.append(said + parts if parts > said else said)
        assert join.within.most_input >= max(totals)
