"""Plain rows in Python are what the normal form's SQL makes of them; what could differ is told to be odd."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from cost_top.gateways.normalise import normalise_select
from cost_top.gateways.plain_rows import PlainRows
from cost_top.model.record import FIELD_NAMES, WITNESSES
from support.raw_rows import SHAPES, pack_table, raw_table
from support.scratch import scratch

COLUMNS = (*FIELD_NAMES, *(name for name, _ in WITNESSES))
# Tags that tell the user agent, of rows with little else.
AGENTS = replace(SHAPES["keys"], fields=("input_tokens", "tags", "user_agent"), plain=("input_tokens",), keys=())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("named", [*SHAPES, "agents"])
def test_a_plain_row_is_what_sql_makes_of_it(named: str, packed: bool) -> None:
    shape = SHAPES.get(named, AGENTS)
    plain = PlainRows.of(shape)
    assert plain is not None
    with scratch() as duck:
        count = raw_table(duck, shape, random.Random(named))
        pack_table(duck, shape)
        right = duck.execute(f"SELECT * FROM ({normalise_select(shape, 'raw', witnesses=True)})").fetchall()
        given = duck.execute(plain.packed_select("packed") if packed else plain.select("raw")).fetchall()
    expected = {row[COLUMNS.index("content")]: dict(zip(COLUMNS, row, strict=True)) for row in right}
    one_by_one = [plain.read([values], packed) for values in given]
    read = [row for rows in one_by_one for row in rows or ()]
    assert len(expected) == count
    for row in read:
        assert row == expected[row["content"]]
    assert len(read) > count / 3
    if named == "agents":
        assert any(row["user_agent"] in ("curl", "curl/8 x") for row in read)
        assert any(row["tags"] == ["k:v"] for row in read)
    # A key where one is expected is told as SQL tells it.
    assert bool(shape.keys) == any("…" in (row["token"] or "") for row in read)
    plain_ones = [values for values, rows in zip(given, one_by_one, strict=True) if rows]
    assert plain.read(plain_ones, packed) == read
    assert [*map(plain.fingerprint, plain_ones)] == [row["fingerprint"] for row in read]
    assert plain.read(given, packed) is None
    assert plain.read([], packed) == []


def test_fingerprints_are_made_of_packed_rows_where_no_column_is_costly() -> None:
    costly = PlainRows.of(SHAPES["pico"])
    cheap_shape = replace(SHAPES["pico"], plain=SHAPES["pico"].fields)
    cheap = PlainRows.of(cheap_shape)
    assert costly is not None
    assert cheap is not None
    assert costly.packed_fingerprints("packed") is None
    with scratch() as duck:
        raw_table(duck, cheap_shape, random.Random(1))
        pack_table(duck, cheap_shape)
        packed = duck.execute(cheap.packed_fingerprints("packed") or "").fetchall()
        assert packed == duck.execute(cheap.fingerprints("raw")).fetchall()
        read = duck.execute(cheap.packed_select("packed")).fetchall()
    assert [*map(cheap.fingerprint, read)] == [fingerprint for _, _, fingerprint in packed]
