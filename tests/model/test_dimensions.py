"""A dimension is one row: the row is added in a process of its own, and everything made from the rows knows it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time

import pytest

from cost_top.mirror.measures import ADDITIVE, LATENCY
from cost_top.mirror.rollup_tables import LENSES, TRUST_LENS
from cost_top.model.dimensions import EVERY_DIMENSION, EVERY_MEASURE, PANELS, READ_TABS, TABS, dimension_named
from cost_top.model.query import Measures
from cost_top.model.record import FIELD_NAMES
from cost_top.model.wire import LENS_NAMES

# What a process runs first: the module with one more row in it.
ADD_A_ROW = """
import importlib.util, sys
spec = importlib.util.find_spec("cost_top.model.dimensions")
source = open(spec.origin, encoding="utf-8").read()
row = '    Dimension("feature", "what the request was for", place="tab", key="F"),\\n    Dimension("status"'
assert source.count('    Dimension("status"') == 1
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
exec(compile(source.replace('    Dimension("status"', row), spec.origin, "exec"), module.__dict__)
"""
MAPPING = """
name = "mine"
table = "calls"
id = "id"
time = {column = "at", unit = "epoch_s"}
[fields]
provider = "provider"
reported_cost = "cost"
feature = "purpose"
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "calls.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE calls (id TEXT, at INTEGER, provider TEXT, cost REAL, purpose TEXT)")
        now = int(time.time())
        rows = [("a", now - 60, "openai", 0.25, "chat"), ("b", now - 50, "openai", 0.5, "search"),
                ("c", now - 40, "openai", 1.0, None), ("d", now - 30, "openai", 2.0, "search")]  # fmt: skip
        database.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?)", rows)
    database.close()
    (tmp_path / "mine.toml").write_text(MAPPING)
    return path


def with_a_row(code, *arguments, cwd):
    ran = subprocess.run(
        [sys.executable, "-c", ADD_A_ROW + code, *arguments],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


COMMAND = "from cost_top.cli import main\nmain()\n"


def report(log, *options):
    arguments = ("report", str(log), "--mapping", "mine.toml", "--no-cache", "--format", "json", *options)
    return json.loads(with_a_row(COMMAND, *arguments, cwd=log.parent))


def test_a_row_is_reported_by(log):
    told = report(log, "--group-by", "feature")
    assert [(row["feature"], row["total_cost"]) for row in told["results"]] == [
        ("search", "2.5"), (None, "1"), ("chat", "0.25"),
    ]  # fmt: skip


def test_a_row_is_filtered_by_and_found_by_a_bare_word(log):
    assert report(log, "--where", "feature:search")["totals"]["total_cost"] == "2.5"
    assert report(log, "--where", "-feature:*")["totals"]["total_cost"] == "1"
    assert report(log, "--where", "hat")["totals"]["total_cost"] == "0.25"


FACES = """
import sys
sys.path.insert(0, sys.argv[1])
import json
from cost_top.mirror.rollup_tables import LENSES
from cost_top.model.filter import FILTER_FIELDS
from cost_top.model.query import GROUPINGS
from cost_top.model.wire import LENS_NAMES
from cost_top.serve.shapes import FindBody, ReportRow
from cost_top.serve import mcp_tools
from cost_top.tui.keys import told
from cost_top.tui.layout import EVERY_LENS
from cost_top.tui.render.columns import columns_for
import readme
print(json.dumps({
    "sums": LENSES["feature"],
    "filter": FILTER_FIELDS["feature"],
    "wire": ["feature" in LENS_NAMES, "feature" in GROUPINGS, "feature" in ReportRow.model_fields],
    "picker": "feature" in FindBody.model_json_schema()["properties"]["dimension"]["enum"],
    "screen": "feature" in EVERY_LENS,
    "keys": [line for _, lines in told() for line in lines if "features" in line[1]],
    "column": columns_for("feature", 80, False)[0].title,
    "readme": [name for name in ("fields", "dimensions", "options") if "feature" in readme.MADE[name]()],
}))
"""


def test_a_row_is_known_to_every_face(tmp_path, request):
    told = json.loads(with_a_row(FACES, str(request.config.rootpath / "tests"), cwd=tmp_path))
    assert told == {
        "sums": ['"feature"'], "filter": "text", "wire": [True, True, True], "picker": True, "screen": True,
        "keys": [["F", "features"]],
        "column": "feature", "readme": ["fields", "dimensions", "options"],
    }  # fmt: skip


def test_every_dimension_is_a_field_that_the_mirror_sums():
    for each in EVERY_DIMENSION:
        assert (each.field in FIELD_NAMES) == (each.kind != "source")
        assert each.name_field is None or each.name_field in FIELD_NAMES
    assert {*LENS_NAMES, TRUST_LENS} == {*LENSES, *(each.name for each in READ_TABS)}


def test_every_measure_is_a_field_of_the_figures_and_computed_by_the_mirror():
    names = [each.name for each in EVERY_MEASURE]
    assert names == list(Measures.__dataclass_fields__)
    assert set(names) == {*ADDITIVE, *LATENCY}


def test_places_and_keys_belong_together():
    placed = [each for each in EVERY_DIMENSION if each.place]
    assert {*PANELS, *TABS} == set(placed)
    keys = [each.key for each in placed]
    assert all(keys)
    assert len(set(keys)) == len(keys)
    assert not any(each.key for each in EVERY_DIMENSION if not each.place)


def test_a_dimension_of_a_newer_version_is_called_by_its_name():
    assert (dimension_named("colour").title, dimension_named("colour").none) == ("Colours", "no colour")
