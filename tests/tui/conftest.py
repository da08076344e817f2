"""Lets the tests of this folder import `running`, `fake_feed` and `snapshots`; each draws in its own colours."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from rich.color import ColorSystem
from rich.style import Style
from textual.strip import Strip

sys.path.insert(0, str(Path(__file__).parent))

from at_rest import use_at_rest


@pytest.fixture(autouse=True)
def pilots_wait_for_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    use_at_rest(monkeypatch)


@pytest.fixture(autouse=True)
def no_codes_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Styles are shared by all apps of a process and keep the codes of the colours that they were first drawn in."""
    codes_of = Strip.render_ansi

    def render_style(style: Style, text: str, color_system: ColorSystem) -> str:
        style._ansi = codes_of(style, color_system)
        return drawn(style, text, color_system)

    drawn = Strip.render_style
    monkeypatch.setattr(Strip, "render_style", staticmethod(render_style))
