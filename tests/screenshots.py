"""The pictures in `screenshots/`, from a seeded demo log that ends at a fixed moment: `python -m tests.screenshots`.

The same seed and clock give the same text, so `--check` fails where a picture is not what the screen shows now.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.retold import Overheard, Told
from textual.pilot import Pilot

from cost_top.demo.log import create_log
from cost_top.demo.traffic import Traffic
from cost_top.insight.levels import Rules
from cost_top.model import windows
from cost_top.model.snapshot import Load
from cost_top.model.view import View
from cost_top.monitor.feed import Monitor
from cost_top.monitor.log import hub as log_hub
from cost_top.monitor.watched import Watched
from cost_top.pricing.book import RateBook
from cost_top.sources.sql.log import open_log
from cost_top.tui.app import CostTopApp
from cost_top.tui.picture import tidy
from cost_top.tui.theme import DARK, LIGHT

FOLDER = Path(__file__).parents[1] / "screenshots"
NOW = datetime(2026, 11, 19, 14, 3, 22, tzinfo=UTC)
SEED, DAYS = 7, 30
TOLD = FOLDER / "told.json.gz"  # what the app was told, for `tests/test_screenshots.py`
WATCHED = Load(queries=34, database_ms=412.0, bytes_read=1_400_000, rows_read=4330)
LARGEST = 300_000  # bytes of a picture
_REST, _PATIENCE = 1.0, 240.0
WAIT = ""


@dataclass(frozen=True, slots=True)
class Shot:
    """A file, a terminal, and what is pressed before the picture is taken; `WAIT` is until the figures rest."""

    name: str
    size: tuple[int, int] = (120, 36)
    theme: str = DARK
    keys: tuple[str, ...] = ()


SHOTS = (
    Shot("overview"),
    Shot("overview-light", theme=LIGHT),
    Shot("overview-80x24", (80, 24)),
    Shot("overview-200x50", (200, 50)),
    Shot("drill", keys=("left_square_bracket", "left_square_bracket", WAIT, "3", "enter")),
    Shot("requests", keys=("down", "enter", "l", "down", "down")),
    Shot("filter", keys=("slash", *"tag:env:prod -model:claude*")),
    Shot("help", keys=("question_mark",)),
)


def make_log(path: Path) -> None:
    """The demo's month, ending at `NOW`."""
    create_log(path, Traffic(SEED).history(int(NOW.timestamp() * 1000), DAYS))


async def picture(shot: Shot, log: Path, cache: Path, told: Told) -> str:
    """The app on the log, as an SVG; what it was told is kept."""
    hub = log_hub.LogHub(lambda: open_log(str(log), None), lambda: RateBook.load(None), interval=2.0, cache=cache)
    feed = Overheard(Monitor(hub, UTC, Watched(Rules, tuple, tuple, UTC)), told)
    return await drawn(shot, feed, log.parent, _REST, told)


async def drawn(shot: Shot, feed: Any, folder: Path, rest: float, told: Told | None = None) -> str:
    """The app on a feed, as an SVG once no other snapshot came for `rest` seconds."""
    app = CostTopApp(
        feed, view=View(), zone=UTC, interval=2.0, source_label="", theme=shot.theme, export_folder=folder,
        clock=lambda: NOW,
    )  # fmt: skip
    async with app.run_test(size=shot.size) as pilot:
        for key in (WAIT, *shot.keys, WAIT):
            if key == WAIT:
                await settled(app, pilot, rest)
                app.load = WATCHED  # milliseconds are never twice the same
                if told is not None and app.shown is not None:
                    told.keep(app.shown)
            else:
                await pilot.press("space" if key == " " else "colon" if key == ":" else key)
        return tidy(app.export_screenshot(title="cost-top"))


def is_whole(app: CostTopApp) -> bool:
    """Whether every figure stands, and what is unusual was told."""
    shown = app.shown
    if shown is None or shown.filling or shown.incomplete or shown.view != app.view:
        return False
    return bool(app.incidents)


async def settled(app: CostTopApp, pilot: Pilot[int], rest: float) -> None:
    """Wait until the whole history is on the screen and no other snapshot comes."""
    end = time.monotonic() + _PATIENCE
    shown, since = app.shown, time.monotonic()
    while time.monotonic() < since + rest or not is_whole(app):
        assert time.monotonic() < end, "the history never came"
        await pilot.pause(0.05)
        if app.shown is not shown:
            shown, since = app.shown, time.monotonic()
    await pilot.pause()


def pin_the_clock() -> None:
    """Let it be `NOW` for everything, whether it is loaded by now or not."""
    for name, module in list(sys.modules.items()):
        if name.startswith("cost_top.") and hasattr(module, "utc_now"):
            module.utc_now = lambda: NOW  # type: ignore[attr-defined]
    windows.utc_now = lambda: NOW


def main(names: Sequence[str], *, check: bool) -> int:
    """Make those named, by default all, or `check` those that are there; the number of stale ones."""
    pin_the_clock()
    os.environ["COLORTERM"] = "truecolor"
    FOLDER.mkdir(exist_ok=True)
    stale, told = 0, Told()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "demo.db"
        make_log(log)
        for shot in (shot for shot in SHOTS if not names or shot.name in names):
            svg = asyncio.run(picture(shot, log, Path(folder) / "cache", told))
            assert len(svg.encode()) < LARGEST, f"{shot.name}: {len(svg.encode())} bytes"
            assert folder not in svg
            path = FOLDER / f"{shot.name}.svg"
            if not check:
                path.write_text(svg, encoding="utf-8")
                print(f"screenshots/{shot.name}.svg  {len(svg.encode()):,} bytes")
            elif not path.exists() or path.read_text(encoding="utf-8") != svg:
                stale += 1
                print(f"screenshots/{shot.name}.svg is stale: python -m tests.screenshots")
    if not check and not names:
        told.write(TOLD)
    return stale


if __name__ == "__main__":
    wanted = [word for word in sys.argv[1:] if word != "--check"]
    sys.exit(1 if main(wanted, check="--check" in sys.argv) else 0)
