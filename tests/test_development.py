"""The map for whoever carries on: what it names is there, and what its recipes ask for is complete."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import cost_top.serve.routes
from cost_top.gateways.loader import builtin_presets, builtin_tables
from cost_top.gateways.preset import DATABASES
from cost_top.serve import app
from cost_top.sources.credentials import KEY_VARIABLES
from cost_top.sources.locate import REPORT_APIS
from cost_top.sources.report_api import ReportApi
from readme import FOLDER, PACKAGE, README
from support.gateway_shapes import SHAPES

ROOT = README.parent
PAGE = (FOLDER / "development.md").read_text(encoding="utf-8")
# Presets whose gateway writes its own log in a test: the file that runs it.
ELSEWHERE = {"litellm": "tests/contracts/test_litellm_report.py", "tensorzero": "tests/sources/test_gateway_rules.py"}


@pytest.mark.parametrize("package", sorted(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_every_package_says_what_it_is_for(package):
    purpose = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
    assert re.fullmatch(r"\S.{18,118}[.:]", purpose.partition("\n")[0]), f"{package}: {purpose!r}"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:src|tests)/[\w./-]+)`", PAGE))))
def test_a_path_it_names_is_there(path):
    assert (ROOT / path).exists()


def test_it_has_a_recipe_for_what_is_added_most_and_each_names_a_test_that_fails():
    recipes = dict(re.findall(r"^### (.*)\n((?:.+\n)+)", PAGE, re.MULTILINE))
    assert set(recipes) == {
        "a preset", "a database", "a report API", "a dimension", "a panel", "an engine", "a key", "a route",
        "a setting",
    }  # fmt: skip
    for name, recipe in recipes.items():
        assert re.search(r"Forgotten[^`]*`tests/", recipe), name


def test_the_flow_is_told_in_a_few_lines():
    flow = PAGE.partition("## How a figure comes to the screen")[2].partition("## ")[0]
    assert 8 <= len(re.findall(r"^\d+\. ", flow, re.MULTILINE)) <= 15


def test_every_preset_is_held_to_the_same_requests():
    written = {shape.preset for shape in SHAPES} | set(ELSEWHERE)
    assert {preset.name for preset in builtin_presets()} == written
    assert {preset.table for preset in builtin_presets()} == builtin_tables()
    for name, path in ELSEWHERE.items():
        assert name in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("database", DATABASES)
def test_every_database_has_a_dialect_and_a_gateway_that_writes_into_it(database):
    assert importlib.import_module(f"cost_top.gateways.dialects.{database}")
    assert [shape.preset for shape in SHAPES if database in shape.databases]


@pytest.mark.parametrize("kind", REPORT_APIS)
def test_every_report_api_has_a_key_a_page_a_server_of_the_tests_and_all_members(kind):
    assert KEY_VARIABLES[kind]
    assert f"`{kind}`" in (FOLDER / "report-apis.md").read_text(encoding="utf-8")
    assert list((ROOT / "tests" / "support").glob(f"{kind}*_server.py"))
    module = importlib.import_module(f"cost_top.sources.apis.{kind}")
    members = [name for name in vars(ReportApi) if not name.startswith("_")]
    adapters = [value for value in vars(module).values() if isinstance(value, type) and hasattr(value, "drift")]
    assert [adapter for adapter in adapters if all(hasattr(adapter, name) for name in members)]


def test_every_route_is_served():
    modules = {found.name for found in pkgutil.iter_modules(cost_top.serve.routes.__path__)}
    assert modules == {Path(module.__file__ or "").stem for module in app._ROUTERS}


def test_a_snapshot_is_made_in_one_place():
    """Elsewhere it is changed field by field, or read off the wire."""
    makers = set()
    for path in PACKAGE.rglob("*.py"):
        calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))
        if any(isinstance(call.func, ast.Name) and call.func.id == "Snapshot" for call in calls):
            makers.add(str(path.relative_to(PACKAGE)))
    assert makers == {"overview/compose.py", "model/wire.py"}
