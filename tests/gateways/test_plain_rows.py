"""Plain rows in Python are what the normal form's SQL makes of them; what could differ is told to be odd."""

from __future__ import annotations

import random

import pytest

from cost_top.gateways.normalise import normalise_select
from cost_top.gateways.plain_rows import PlainRows
from cost_top.model.record import FIELD_NAMES, WITNESSES
from support.raw_rows import SHAPES, raw_table
from support.scratch import scratch

COLUMNS = (*FIELD_NAMES, *(name for name, _ in WITNESSES))


@pytest.mark.parametrize("named", SHAPES)
def test_a_plain_row_is_what_sql_makes_of_it(named: str) -> None:
    shape = SHAPES[named]
    plain = PlainRows.of(shape)
    assert plain is not None
    with scratch() as duck:
        count = raw_table(duck, shape, random.Random(named))
        right = duck.execute(f"SELECT * FROM ({normalise_select(shape, 'raw', witnesses=True)})").fetchall()
        given = duck.execute(plain.select("raw")).fetchall()
    expected = {row[COLUMNS.index("content")]: dict(zip(COLUMNS, row, strict=True)) for row in right}
    read = [row for values in given if (row := plain.read(values)) is not None]
    assert len(expected) == count
    for row in read:
        assert row == expected[row["content"]]
    assert len(read) > count / 3
