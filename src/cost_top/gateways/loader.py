"""Preset files, ours and the user's own mappings."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from cost_top.gateways.preset import Preset
from cost_top.gateways.preset_file import PresetFile
from cost_top.model.toml_file import parse_toml, read_toml


@cache
def builtin_presets() -> tuple[Preset, ...]:
    """The presets that come with cost-top, in the order of their names."""
    folder = files("cost_top.gateways") / "presets"
    found = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    return tuple(parse_preset(item.read_text("utf-8"), item.name) for item in found)


def load_preset(path: Path) -> Preset:
    """A user's own mapping file; `UserError` names the file, and line and key of a mistake."""
    return read_toml(path, "mapping").read_as(PresetFile).preset(str(path))


def parse_preset(text: str, origin: str) -> Preset:
    """The preset a file's text describes; `UserError` names `origin`, line and key."""
    return parse_toml(text, f"mapping {origin}").read_as(PresetFile).preset(origin)
