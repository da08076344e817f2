"""Several paths of one JSON text in ClickHouse: the text is taken apart once, and says what it says path by path."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import literal_column

from cost_top.gateways.dialects.base import Cell
from cost_top.gateways.dialects.clickhouse import ClickhouseSpelling

DIALECT = ClickhouseSpelling()
PATHS = [("d", "a"), ("d", "b"), ("d", "deep", "c"), ("e",), ("d", "deep"), ("odd key", "x"), ("1st",), ("D", "a")]
TEXTS = [
    '{"d": {"a": 1, "b": "2", "deep": {"c": 3.5}}, "e": true, "odd key": {"x": 4}, "1st": 5, "D": {"a": 6}}',
    '{"d": {"a": null, "b": {"x": 1}, "deep": 7}, "e": "null"}',
    '{"d": [8, 9, [10]], "e": 1}', '[[8, 9], 1]', '{"d": {"a": [1, 2], "b": 2}}', '{"d": {"a": 1, "a": 2}, "d": 3}',
    '{"d": {"a": "x[", "b": 1e3}, "e": -0}', '{"e": "\\u0000\\u202e\\\\"}', '{"d": "text"}', "{}", "null", "",
    "{broken", '{"d": {"a": 123456789012345678901234567890, "b": 1.10}}', "\x1b[31m", '"d"',
]  # fmt: skip


@pytest.mark.parametrize("declared", ["String", "Nullable(String)", "LowCardinality(String)"])
def test_it_says_the_same(clickhouse_server, declared):
    name = clickhouse_server.create_database()
    clickhouse_server.run(f"CREATE TABLE t (n Int64, j {declared}) ENGINE = MergeTree ORDER BY n", name)
    rows = [*TEXTS, *([None] if "Nullable" in declared else [])]
    lines = "\n".join(json.dumps({"n": number, "j": text}) for number, text in enumerate(rows))
    clickhouse_server.run(f"INSERT INTO t FORMAT JSONEachRow\n{lines}", name)
    cell = Cell(literal_column("j"), declared)
    single = [DIALECT.spell(DIALECT.json(cell, path)) for path in PATHS]
    together = [DIALECT.spell(DIALECT.json(cell, path, PATHS)) for path in PATHS]
    asked = [f"SELECT {', '.join(each)} FROM t SETTINGS cast_keep_nullable = 1" for each in (single, together)]
    told = [clickhouse_server.run(each, name) for each in asked]
    assert told[0] == told[1]
    assert "123456789012345678901234567890" in told[0]
    clickhouse_server.drop_database(name)


def test_all_ask_for_the_same_reading():
    # An expression that stands twice in a SELECT is worked out once.
    cell = Cell(literal_column("j"), "String")
    found = [DIALECT.spell(DIALECT.json(cell, path, PATHS)) for path in (("d", "a"), ("d", "deep", "c"), ("e",))]
    assert len({re.search(r"JSONExtract\(if\(.*?, 'Tuple\([^']*'\)", text)[0] for text in found}) == 1


def test_one_path_is_read_by_itself():
    cell = Cell(literal_column("j"), "String")
    assert "Tuple" not in DIALECT.spell(DIALECT.json(cell, ("d", "a"), [("d", "a")]))
    # What leads to others, or is no word, has no place in a tuple.
    assert "Tuple" not in DIALECT.spell(DIALECT.json(cell, ("d",), PATHS))
    assert "Tuple" not in DIALECT.spell(DIALECT.json(cell, ("odd key", "x"), PATHS))
