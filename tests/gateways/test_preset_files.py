"""Preset files: ours are sound, and a mistake in a user's is named with file, line and key."""

from __future__ import annotations

from importlib.resources import files

import pytest

from cost_top.gateways import loader
from cost_top.gateways.loader import builtin_presets, builtin_tables, load_preset, parse_preset
from cost_top.gateways.preset_file import PresetFile
from cost_top.model.declared import read_plainly
from cost_top.model.errors import UserError
from cost_top.model.toml_check import checked
from cost_top.model.toml_file import parse_toml
from cost_top.sources.sql.log import open_log
from support.native_log import NativeLog

GOOD = """\
name = "inhouse"
table = "calls"
id = "call_id"

[time]
column = "at"
unit = "epoch_s"

[fields]
model = "model"
input_tokens = "tokens_in"
"""


@pytest.mark.parametrize("path", sorted((files("cost_top.gateways") / "presets").iterdir()), ids=lambda path: path.name)
def test_ours_are_read_plainly_and_alike_by_pydantic(path):
    file = parse_toml(path.read_text("utf-8"), path.name)
    assert checked(file, PresetFile) == (read_plainly(PresetFile, file.document), [])


def test_ours_are_read_and_have_names_of_their_own():
    presets = builtin_presets()
    assert {"cost-top", "litellm"} <= {preset.name for preset in presets}
    assert len({preset.name for preset in presets}) == len(presets)
    assert all(preset.recognised_by for preset in presets), "a table's name alone recognises nothing"


def test_their_tables_are_known_before_they_are_parsed():
    presets = builtin_presets()
    assert builtin_tables() == {preset.table for preset in presets}
    for table in builtin_tables():
        assert builtin_presets({table}) == tuple(preset for preset in presets if preset.table == table)
    assert builtin_presets({"pages"}) == ()


def test_only_those_are_parsed_whose_tables_a_database_has(tmp_path):
    log = NativeLog(tmp_path / "gateway.db", True)
    loader._builtin.cache_clear()
    open_log(str(log.path))
    assert loader._builtin.cache_info().currsize == 1
    log.close()


def test_payload_columns_are_out_of_reach():
    litellm = next(preset for preset in builtin_presets() if preset.name == "litellm")
    read = {name for items in litellm.fields.values() for item in items for name in item.columns}
    assert not read & {"messages", "response", "proxy_server_request"}
    assert {"messages", "response", "proxy_server_request"} <= set(litellm.never)


def test_a_users_own_mapping():
    preset = parse_preset(GOOD, "mine.toml")
    assert (preset.table, preset.time_column, preset.time_unit) == ("calls", "at", "epoch_s")
    assert preset.fields["model"][0].column == "model"
    assert preset.pico_per_unit == (10**12, 1)


def test_the_version_follows_what_decides_a_figure():
    versions = {
        parse_preset(text, "mine.toml").digest()
        for text in (
            GOOD,
            GOOD.replace("epoch_s", "epoch_ms"),
            GOOD.replace('"tokens_in"', '"tokens"'),
            f"{GOOD}\n[cost]\nunit = 'nano_usd'\n",
            GOOD.replace('id = "call_id"', 'id = "call_id"\ninput_includes_cache = false'),
        )
    }
    assert len(versions) == 5
    assert parse_preset(GOOD, "a.toml").digest() == parse_preset(f"# a comment\n{GOOD}", "b.toml").digest()


@pytest.mark.parametrize(
    ("wrong", "line", "key"),
    [
        (GOOD.replace('table = "calls"\n', ""), None, "table"),
        (GOOD.replace('"epoch_s"', '"seconds"'), 7, "time.unit"),
        (GOOD.replace("model =", "modell ="), 10, "fields.modell: unknown key, did you mean 'model'?"),
        (GOOD.replace('"tokens_in"', "17"), 11, "fields.input_tokens"),
        (GOOD.replace('"tokens_in"', '{ json = "usage" }'), 11, "fields.input_tokens"),
        (GOOD.replace('"tokens_in"', '{ column = "a", value = "b" }'), 11, "fields.input_tokens"),
        (
            GOOD.replace('"tokens_in"', '{ colum = "a" }'),
            11,
            "fields.input_tokens.colum: unknown key, did you mean 'column'?",
        ),
        (GOOD.replace('"tokens_in"', "[]"), 11, "fields.input_tokens"),
        (GOOD.replace('"tokens_in"', '{ sql = { oracle = "1" } }'), 11, "fields.input_tokens"),
        (GOOD.replace('id = "call_id"', 'id = "call_id"\noverlap_seconds = "5"'), 4, "overlap_seconds"),
        (GOOD.replace('id = "call_id"', 'id = "call_id"\ndatabases = ["oracle"]'), 4, "databases"),
        (f"{GOOD}\n[cost]\nunit = 'euro'\n", 14, "cost.unit"),
        (f"{GOOD}\n[cost]\ndivisor = 5\n", 14, "cost.divisor"),
        (f"{GOOD}\n[[lookups]]\nfield = 'model'\n", None, "lookups"),
        (f"{GOOD}\n[fileds]\na = 1\n", 13, "fileds: unknown key, did you mean 'fields'?"),
        (GOOD.replace('id = "call_id"', 'id = "call_id"\nnever = ["model"]'), 11, "fields.model"),
        (
            GOOD.replace('id = "call_id"', 'id = "call_id"\nnever = ["secret"]').replace(
                '"tokens_in"', '{ sql = "length(secret)" }'
            ),
            12,
            "fields.input_tokens",
        ),
    ],
)
def test_a_mistake_is_one_line_with_file_line_and_key(wrong, line, key):
    with pytest.raises(UserError) as raised:
        parse_preset(wrong, "mine.toml")
    message = str(raised.value)
    assert message.startswith("mapping mine.toml")
    assert f"{key}" in message
    assert "\n" not in message
    if line is not None:
        assert message.startswith(f"mapping mine.toml:{line}: ")


def test_no_toml_at_all():
    with pytest.raises(UserError, match=r"mapping mine\.toml: .*line 1"):
        parse_preset("name = \n", "mine.toml")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"none\.toml: No such file"):
        load_preset(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        load_preset(tmp_path / "binary.toml")
