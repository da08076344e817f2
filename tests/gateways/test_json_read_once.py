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


COUNTS = [("d", "a"), ("d", "b"), ("d", "deep", "c"), ("e",), ("D", "a")]
FIGURES = [
    "12", "12.7", "-5", "-0", "0", "1e3", "1e-7", "0.0000004", "-0.5", "0.99999999999999999999", "1e300", "true",
    "false", "null", '""', '"12"', '"+12"', '"1e3"', '"-0"', '"null"', '"0x10"', "[5]", "[]", "{}", '{"a": 5}', "007",
    "12 5", "123456789012345", "1234567890123456", "562949953421312", "9223372036854775808", "99999999999999999999999",
]  # fmt: skip
SHAPES = [
    '{"d":{"a":%s,"b":1,"deep":{"c":2}},"e":3,"D":{"a":4}}', '{"d": {"a": %s, "b": 1}, "e": 2}', '{"d":{"b":1},"a":%s}',
    '{"d":\n{"a":\n%s}}', '{"d":{"a":1,"a":%s}}', '{"d":{"a":%s},"d":{"a":1}}', '{"d":{"b":%s},"D":{"a":7}}',
    '{"d":{"\\u0061":%s,"b":2}}', '{"d":{"a":  %s}}', '{"d":{"a":%s', '{"d":{"c":%s,"deep":{"x":{"c":1}}},"e":5}',
    '{"e":%s,"name":"a"}', '{"x":[1],"e":%s}', '{"x":{"e":%s}}', '%s',
]  # fmt: skip


def test_counts_read_at_once_are_those_read_one_by_one(clickhouse_server):
    name = clickhouse_server.create_database()
    clickhouse_server.run("CREATE TABLE t (n Int64, j String) ENGINE = MergeTree ORDER BY n", name)
    texts = [*TEXTS, *(shape % figure for shape in SHAPES for figure in FIGURES)]
    lines = "\n".join(json.dumps({"n": number, "j": text}) for number, text in enumerate(texts))
    clickhouse_server.run(f"INSERT INTO t FORMAT JSONEachRow\n{lines}", name)
    relation, cells = DIALECT.read_once("t", {"n": "Int64", "j": "String"}, {"j": COUNTS}, {"j": COUNTS})
    single = [Cell(DIALECT.json(Cell(literal_column("j"), "String"), path)) for path in COUNTS]
    told = []
    at_once = f"({DIALECT.spell(relation)})"
    for source, read in (("t", single), (at_once, [cells["j", path] for path in COUNTS])):
        values = [DIALECT.spell(kind(cell)) for cell in read for kind in (DIALECT.count, DIALECT.integer)]
        rows = f"SELECT n, {', '.join(values)} FROM {source} ORDER BY n SETTINGS cast_keep_nullable = 1"
        told.append(clickhouse_server.run(rows, name).splitlines())
    assert [pair for pair in zip(*told, strict=True) if pair[0] != pair[1]] == []
    looked_at = DIALECT.spell(cells["j", ("d", "a")].value)
    plain = f"SELECT countIf(isNull({looked_at})) FROM {at_once} WHERE j LIKE '%:12,%'"
    assert int(clickhouse_server.run(plain, name)) > 2
    clickhouse_server.drop_database(name)


def test_texts_with_other_values_too_are_read_at_once(clickhouse_server):
    name = clickhouse_server.create_database()
    clickhouse_server.run("CREATE TABLE t (n Int64, j Nullable(String)) ENGINE = MergeTree ORDER BY n", name)
    texts = [None, "", *TEXTS, *(shape % figure for shape in SHAPES for figure in FIGURES)]
    lines = "\n".join(json.dumps({"n": number, "j": text}) for number, text in enumerate(texts))
    clickhouse_server.run(f"INSERT INTO t FORMAT JSONEachRow\n{lines}", name)
    relation, cells = DIALECT.read_once("t", {"n": "Int64", "j": "Nullable(String)"}, {}, {"j": [*COUNTS, ("d",)]})
    told = []
    single = [Cell(DIALECT.json(Cell(literal_column("j"), "String"), path)) for path in COUNTS]
    for source, read in (("t", single), (f"({DIALECT.spell(relation)})", [cells["j", path] for path in COUNTS])):
        values = [DIALECT.spell(cell.value) for cell in read]
        rows = f"SELECT n, {', '.join(values)} FROM {source} ORDER BY n SETTINGS cast_keep_nullable = 1"
        told.append(clickhouse_server.run(rows, name).splitlines())
    assert [pair for pair in zip(*told, strict=True) if pair[0] != pair[1]] == []
    # Each is named where it is wanted, however often.
    assert max(len(DIALECT.spell(cells["j", path].value)) for path in COUNTS) < 12
    assert ("j", ("d",)) not in cells
    clickhouse_server.drop_database(name)


def test_texts_are_read_at_once_where_several_paths_are_read():
    columns = {"n": "Int64", "j": "String"}
    for paths in ([("a",)], [("a",), ("odd key",)]):
        assert DIALECT.read_once("t", columns, {"j": paths}, {"j": paths}) is None
    both = {"j": [("a",), ("b",)]}
    assert DIALECT.read_once("t", {**columns, "j": "Map(String, String)"}, both, both) is None


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
