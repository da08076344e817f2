"""The manual's example of every key of a mapping is read, and names every key there is."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib.resources import files

import pytest

from cost_top.gateways.loader import parse_preset
from cost_top.gateways.preset_beside import LookupEntry
from cost_top.gateways.preset_file import CostTable, PresetFile, TagsTable
from cost_top.model.errors import UserError

PAGE = (files("cost_top") / "docs" / "mapping.md").read_text("utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
EVERY_KEY = EXAMPLES[-1]
WHEN = '{ column = "at", unit = "epoch_s" }'


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_manual_is_read(example):
    if "[fields]" not in example:  # a part of a mapping
        example = f'name = "x"\ntable = "t"\nid = "i"\nfields.model = "m"\ntime = {WHEN}\n{example}'
    assert parse_preset(example, "example.toml").fields


def test_points_per_dollar_have_two_words_and_one_meaning():
    by_word = parse_preset(EVERY_KEY, "example.toml")
    by_divisor = parse_preset(EVERY_KEY.replace("per_usd", "divisor", 1), "example.toml")
    assert by_word.pico_per_unit == by_divisor.pico_per_unit == (10**12, 500_000)


def test_two_numbers_of_points_are_refused():
    with pytest.raises(UserError, match=r"per_usd: says another number than divisor"):
        parse_preset(EVERY_KEY.replace("per_usd = 500000", "per_usd = 5\ndivisor = 6"), "example.toml")


def test_every_key_stands_in_the_manual():
    keys = {item.name for table in (PresetFile, CostTable, TagsTable, LookupEntry) for item in fields(table)}
    # Ends of the mapping that only presets of the package use.
    keys -= {"hints", "advice", "cannot_tell", "otherwise", "values", "rows"}
    assert {key for key in keys if not re.search(rf"\b{key}\b", PAGE)} == set()


def test_a_joined_table_is_for_clickhouse_and_reads_nothing_that_is_never_read():
    joined = next(example for example in EXAMPLES if "[[joins]]" in example)
    whole = f'name = "x"\ntable = "t"\nid = "i"\nfields.model = "m"\ntime = {WHEN}\n{joined}'
    assert parse_preset(whole, "example.toml").also_reads == {"traces": ("id", "project_id", "event_ts", "user_id")}
    with pytest.raises(UserError, match=r"joins: are for databases"):
        parse_preset(whole.replace('["clickhouse"]', '["sqlite"]'), "example.toml")
    with pytest.raises(UserError, match=r"joins: reads the column 'user_id', which is listed under never"):
        parse_preset(f'never = ["user_id"]\n{whole}', "example.toml")
    with pytest.raises(UserError, match=r"name: must be a word"):
        parse_preset(whole.replace('name = "trace"', 'name = "t; x"'), "example.toml")
