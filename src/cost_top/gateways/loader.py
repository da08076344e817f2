"""Preset files, ours and the user's own mappings."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from pathlib import Path

from cost_top.gateways.preset import Preset
from cost_top.gateways.preset_file import PresetFile
from cost_top.model.toml_file import parse_toml, read_toml

_TABLE = re.compile(r'^table *= *"([^"]+)"', re.MULTILINE)


def builtin_presets(tables: Collection[str] | None = None) -> tuple[Preset, ...]:
    """The presets that come with cost-top, in the order of their names; those for some `tables` are parsed alone."""
    return tuple(_builtin(origin) for origin, (table, _) in _texts().items() if tables is None or table in tables)


def builtin_tables() -> frozenset[str]:
    """The tables of their logs; parses none of them."""
    return frozenset(table for table, _ in _texts().values())


@cache
def _texts() -> dict[str, tuple[str, str]]:
    """The table and the text of each preset file that comes with cost-top."""
    folder = files("cost_top.gateways") / "presets"
    found = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    texts = {item.name: item.read_text("utf-8") for item in found}
    return {origin: (_TABLE.findall(text.partition("\n[")[0])[0], text) for origin, text in texts.items()}


@cache
def _builtin(origin: str) -> Preset:
    return parse_preset(_texts()[origin][1], origin)


def load_preset(path: Path) -> Preset:
    """A user's own mapping file; `UserError` names the file, and line and key of a mistake."""
    return read_toml(path, "mapping").read_as(PresetFile).preset(str(path))


def parse_preset(text: str, origin: str) -> Preset:
    """The preset a file's text describes; `UserError` names `origin`, line and key."""
    return parse_toml(text, f"mapping {origin}").read_as(PresetFile).preset(origin)
