"""The app in a pilot, on a fake feed and a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

from fake_feed import FakeFeed
from snapshots import NOW, snapshot
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from cost_top.model.snapshot import Snapshot
from cost_top.model.view import View
from cost_top.tui.app import CostTopApp
from cost_top.tui.terminal import counting

Answer = Callable[[View], Snapshot | None]


class RecordingDriver(HeadlessDriver):
    """A terminal that remembers what was written to it."""

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        self._app.recorded.append(data)  # type: ignore[attr-defined]


class RecordedApp(CostTopApp):
    """The app on a recording terminal."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.recorded: list[str] = []
        super().__init__(*arguments, **options)

    def get_driver_class(self) -> type[Any]:
        return counting(RecordingDriver, self.written)

    @property
    def output(self) -> str:
        return "".join(self.recorded)


def make_app(
    feed: FakeFeed, kind: type[CostTopApp] = CostTopApp, *, folder: Path = Path("/nonexistent"),
    view: View | None = None, theme: str = "cost-top-dark", **options: Any,
) -> Any:  # fmt: skip
    return kind(
        feed, view=view or View(), zone=UTC, interval=2.0, source_label="litellm@prod-db", theme=theme,
        export_folder=folder, clock=lambda: NOW, **options,
    )  # fmt: skip


@asynccontextmanager
async def running(
    *, size: tuple[int, int] = (120, 36), answer: Answer = snapshot, shows_toasts: bool = False, **options: Any
) -> AsyncIterator[tuple[Any, FakeFeed, Pilot[int]]]:
    feed = FakeFeed(answer)
    app = make_app(feed, **options)
    async with app.run_test(size=size, notifications=shows_toasts) as pilot:
        await pilot.pause()
        await pilot.pause()  # what the first snapshot made is drawn as well
        yield app, feed, pilot


async def recorded(
    script: Callable[[Any, FakeFeed, Pilot[int]], Any], *, size: tuple[int, int] = (120, 36), answer: Answer = snapshot,
    **options: Any,
) -> Any:  # fmt: skip
    """Run a script against the app on a recording terminal."""
    feed = FakeFeed(answer)
    app = make_app(feed, RecordedApp, **options)
    failures: list[BaseException] = []
    finished: list[bool] = []

    async def pilot_script(pilot: Pilot[int]) -> None:
        try:
            painted = -1
            while painted != app.written.bytes:  # until the first painting is over
                painted = app.written.bytes
                await pilot.pause(0.15)
            await script(app, feed, pilot)
            finished.append(True)
        except BaseException as error:  # the app would swallow it
            failures.append(error)
        finally:
            app.exit()

    await app.run_async(headless=False, size=size, auto_pilot=pilot_script)
    if failures:
        raise failures[0]
    if app._exception is not None:
        raise app._exception
    assert finished, "the app ended before its script"
    return app


def screen_text(app: Any) -> str:
    """What is on the screen, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def toasts(app: Any) -> str:
    """What the app told its user."""
    return "\n".join(notification.message for notification in app._notifications)
