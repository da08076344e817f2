"""The pictures in `screenshots/`, from a seeded demo log that ends at a fixed moment: `python -m tests.screenshots`."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from textual.pilot import Pilot

from cost_top.demo.log import create_log
from cost_top.demo.traffic import Traffic
from cost_top.model.snapshot import Watching
from cost_top.model.view import View
from cost_top.monitor import log_hub
from cost_top.monitor.monitor import Monitor
from cost_top.pricing.book import RateBook
from cost_top.sources.sql_log import open_log
from cost_top.tui.app import CostTopApp
from cost_top.tui.picture import tidy
from cost_top.tui.theme import DARK, LIGHT

FOLDER = Path(__file__).parents[1] / "screenshots"
NOW = datetime(2026, 11, 19, 14, 3, 22, tzinfo=UTC)
SEED, DAYS = 7, 30
WATCHED = Watching(queries=34, database_ms=412.0, bytes_read=1_400_000, rows_read=4330)
LARGEST = 300_000  # bytes of a picture
_REST, _PATIENCE = 1.5, 120.0


@dataclass(frozen=True, slots=True)
class Shot:
    """A file, a terminal, and what is pressed before the picture is taken; longer words are typed."""

    name: str
    size: tuple[int, int] = (120, 36)
    theme: str = DARK
    keys: tuple[str, ...] = ()


SHOTS = (
    Shot("overview"),
    Shot("overview-light", theme=LIGHT),
    Shot("overview-80x24", (80, 24)),
    Shot("overview-200x50", (200, 50)),
    Shot("requests", keys=("down", "enter", "l", "down", "down")),
    Shot("filter", keys=("slash", *"tag:env:prod -model:claude*")),
    Shot("help", keys=("question_mark",)),
)


def make_log(path: Path) -> None:
    """The demo's month, ending at `NOW`."""
    create_log(path, Traffic(SEED).history(int(NOW.timestamp() * 1000), DAYS))


async def picture(shot: Shot, log: Path, cache: Path) -> str:
    """The app on the log, as an SVG."""
    hub = log_hub.LogHub(lambda: open_log(str(log), None), lambda: RateBook.load(None), interval=2.0, cache=cache)
    feed = Monitor(hub, UTC)
    app = CostTopApp(
        feed, view=View(), zone=UTC, interval=2.0, source_label="", theme=shot.theme, export_folder=log.parent,
        clock=lambda: NOW,
    )  # fmt: skip
    async with app.run_test(size=shot.size) as pilot:
        await settled(app, pilot)
        app.watching = WATCHED  # milliseconds are never twice the same
        await pilot.press(*("space" if key == " " else "colon" if key == ":" else key for key in shot.keys))
        await settled(app, pilot)
        return tidy(app.export_screenshot(title="cost-top"))


async def settled(app: CostTopApp, pilot: Pilot[int]) -> None:
    """Wait until the whole history is on the screen and no other snapshot comes."""
    end = time.monotonic() + _PATIENCE
    shown, since = app.shown, time.monotonic()
    while time.monotonic() < since + _REST or app.shown is None or app.shown.filling or app.shown.view != app.view:
        assert time.monotonic() < end, "the history never came"
        await pilot.pause(0.05)
        if app.shown is not shown:
            shown, since = app.shown, time.monotonic()
    await pilot.pause()


def main() -> None:
    """Make all of them."""
    log_hub.utc_now = lambda: NOW
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "demo.db"
        make_log(log)
        for shot in SHOTS:
            svg = asyncio.run(picture(shot, log, Path(folder) / "cache"))
            assert len(svg.encode()) < LARGEST, f"{shot.name}: {len(svg.encode())} bytes"
            assert folder not in svg
            (FOLDER / f"{shot.name}.svg").write_text(svg, encoding="utf-8")
            print(f"screenshots/{shot.name}.svg  {len(svg.encode()):,} bytes")


if __name__ == "__main__":
    main()
