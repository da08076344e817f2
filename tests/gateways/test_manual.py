"""What the manual says of mappings is so: every example is read and finds its figures, every key is there."""

from __future__ import annotations

import re
import sqlite3
from importlib.resources import files

import pytest

from cost_top.gateways.loader import builtin_presets
from cost_top.gateways.preset import TIME_UNITS
from cost_top.gateways.preset_beside import JoinEntry, LookupEntry
from cost_top.gateways.preset_file import DivisorTable, PresetFile, RowsTable, TagsTable, TimeTable
from cost_top.gateways.preset_source import Source
from cost_top.model.declared import declared
from cost_top.sources.sql.log import open_log
from support.gateway_shapes import SHAPES
from support.reading import records

MANUAL = (files("cost_top") / "docs" / "mapping.md").read_text("utf-8")
# Whole mappings; a block without a name shows a part of one.
EXAMPLES = {
    found[1]: text
    for text in re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL)
    if (found := re.search(r'name = "(.*?)"', text))
}
AT = 1_790_000_000
LOGS = {
    "in-house": (
        "CREATE TABLE llm_calls (call_id TEXT PRIMARY KEY, called_at TEXT, model TEXT, route TEXT, extra TEXT, "
        "labels TEXT, prompt_tokens INTEGER, completion_tokens INTEGER, final_cost REAL, estimated_cost REAL, "
        "source TEXT);"
        "INSERT INTO llm_calls VALUES ('a', '2026-10-07T09:00:00Z', 'm', '/r', '{\"customer\": {\"id\": \"ann\"}}', "
        "'[\"x\"]', 10, 2, NULL, 0.5, 'cache'), "
        "('b', '2026-10-07T09:00:01Z', 'm', '/r', '', 'null', 10, 2, 0.25, 9, NULL)",
        {"a": ("openai", "m", "ann", ["x"], 5 * 10**11, True), "b": ("openai", "m", None, None, 25 * 10**10, None)},
        ("provider", "model", "user", "tags", "reported_cost", "cache_hit"),
    ),
    "two-columns": (
        "CREATE TABLE calls (id TEXT PRIMARY KEY, started_ms INTEGER, offset_ms INTEGER, model TEXT);"
        f"INSERT INTO calls VALUES ('a', {AT}000, 250, 'm')",
        {"a": ("m", 250_000)},
        ("model", "microsecond"),
    ),
    "row-kinds": (
        "CREATE TABLE logs (id INTEGER PRIMARY KEY, created_at INTEGER, type INTEGER, quota INTEGER, model_name TEXT, "
        "ratio REAL, task_id TEXT); CREATE TABLE options (key TEXT, value TEXT);"
        "INSERT INTO options VALUES ('QuotaPerUnit', '1000');"
        f"INSERT INTO logs VALUES (1, {AT}, 2, 500, 'm', 1, NULL), (2, {AT}, 6, 200, 'm', 1, NULL), "
        f"(3, {AT}, 8, 100, 'm', 1, NULL), (4, {AT}, 1, 900, 'm', 1, NULL), (5, {AT}, 2, 0, 'm', 0, 't')",
        {
            "1": (5 * 10**11, True, False), "2": (-2 * 10**11, False, False), "3": (10**11, False, False),
            "5": (0, False, True),
        },
        ("reported_cost", "counted", "zero_is_price"),
    ),
    "named": (
        "CREATE TABLE calls (id TEXT PRIMARY KEY, at INTEGER, channel INTEGER, model TEXT, key_id TEXT, labels TEXT);"
        "CREATE TABLE keys (id TEXT, name TEXT, secret TEXT); INSERT INTO keys VALUES ('k', 'Key', 'sk-never');"
        "CREATE TABLE channels (id INTEGER, kind INTEGER, name TEXT);"
        "INSERT INTO channels VALUES (7, 14, 'x'), (8, 99, 'mine');"
        f"INSERT INTO calls VALUES ('a', {AT}000, 7, 'm', 'k', '[\"UA: sdk/1\", \"prod\"]')",
        {"a": ("7", "k", ["prod"], "sdk/1")},
        ("provider", "token", "tags", "user_agent"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
def test_every_example_reads_a_log_of_its_kind(name, tmp_path):
    sql, wanted, fields = LOGS[name]
    connection = sqlite3.connect(tmp_path / "own.db")
    connection.executescript(sql)
    connection.close()
    (tmp_path / "own.toml").write_text(EXAMPLES[name])
    source = open_log(str(tmp_path / "own.db"), tmp_path / "own.toml")
    found = {row["id"]: {**row, "microsecond": row["time"].microsecond} for row in records(source)}
    assert {key: tuple(row[field] for field in fields) for key, row in found.items()} == wanted
    if name == "named":
        with source.connect() as reader:
            names = {(item.field, item.by): dict(item.names) for item in reader.lookups()}
        assert names == {
            ("token_name", "token"): {"k": "Key"},
            ("provider", "provider"): {"7": "anthropic", "8": "mine"},
        }


def test_every_key_is_in_the_manual():
    tables = (PresetFile, Source, TimeTable, DivisorTable, JoinEntry, LookupEntry, RowsTable, TagsTable)
    keys = {key for table in tables for key in declared(table)}
    missing = sorted(key for key in {*keys, *TIME_UNITS} if not re.search(rf"\b{re.escape(key)}\b", MANUAL))
    assert not missing


GATEWAYS = (files("cost_top") / "docs" / "gateways.md").read_text("utf-8")
MARKS = {
    "cache tokens": "cached_input_tokens", "reasoning": "reasoning_tokens", "cost": "reported_cost",
    "endpoint": "endpoint", "key": "token", "user": "user", "team": "team", "tags": "tags", "failures": "status",
}  # fmt: skip
LINES = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in GATEWAYS.splitlines()]
ROWS = {
    cells[0]: cells[1:] for cells in LINES if len(cells) == len(MARKS) + 3 and not cells[0].startswith(("gate", "-"))
}


def test_the_table_of_gateways_is_the_presets_for_databases():
    presets = {preset.name: preset for preset in builtin_presets()}
    assert set(presets) == set(ROWS)
    for name, cells in ROWS.items():
        assert cells[0] == presets[name].table
        assert {word.strip().lower() for word in cells[1].split(",")} == set(presets[name].databases)


def test_every_pair_of_gateway_and_database_is_in_the_contract():
    tested = {(shape.preset, database) for shape in SHAPES for database in shape.databases}
    told = {(name, word.strip().lower()) for name, cells in ROWS.items() for word in cells[1].split(",")}
    elsewhere = {("litellm", "postgresql"), ("tensorzero", "postgresql")}  # on their own schemas
    assert told - elsewhere == tested


@pytest.mark.parametrize("name", ROWS)
def test_what_each_gateway_tells_is_what_its_preset_maps(name):
    preset = next(preset for preset in builtin_presets() if preset.name == name)
    told = dict(zip(MARKS, map(bool, ROWS[name][2:]), strict=True))
    assert told == {mark: field in preset.fields for mark, field in MARKS.items()}
