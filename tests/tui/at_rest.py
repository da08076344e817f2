"""When an app has done all that it was told: no message waits, nothing is ready to run, nothing is left to draw.

Textual's own pilot waits until the process uses no CPU for 20 ms: that is long on a quiet machine, and on a busy one it
is also so while the process waits for its turn.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from textual._context import active_app
from textual.app import ScreenStackError
from textual.pilot import Pilot
from textual.screen import Screen

_ROUNDS = 3
# What is put off for less is part of what was begun, as a resize is.
_SOON = 0.05


async def at_rest(*_: float) -> None:
    """Wait until the running app is."""
    app = active_app.get(None)
    while True:
        await _nothing_to_do(app)
        try:
            screen = app.screen if app is not None else None
        except ScreenStackError:
            return
        if screen is None or not app.is_running:
            return
        if _comes_soon(app):
            await asyncio.sleep(0.002)
        elif app._batch_count or not _left_to_draw(screen):
            return
        else:
            screen._on_timer_update()


def use_at_rest(patch: pytest.MonkeyPatch) -> None:
    """From now on a pilot waits for this after each key and each pause."""
    paused = Pilot.pause

    async def pause(self: Pilot[Any], delay: float | None = None) -> None:
        await paused(self, delay)
        await at_rest()

    patch.setattr("textual.pilot.wait_for_idle", at_rest)
    patch.setattr("textual.app.wait_for_idle", at_rest)
    patch.setattr(Pilot, "pause", pause)


async def _nothing_to_do(app: Any) -> None:
    loop: Any = asyncio.get_running_loop()
    rounds = 0
    while rounds < _ROUNDS:
        await asyncio.sleep(0)
        waiting = app is not None and any(pump.message_queue_size for pump in _pumps(app))
        rounds = 0 if waiting or loop._ready else rounds + 1


def _pumps(app: Any) -> list[Any]:
    return [app, *app._registry]


def _comes_soon(app: Any) -> bool:
    return any(
        timer._repeat is not None and timer._interval <= _SOON and timer._task is not None and not timer._task.done()
        for pump in _pumps(app)
        for timer in list(pump._timers)
    )


def _left_to_draw(screen: Screen[Any]) -> bool:
    return bool(
        screen._layout_required or screen._scroll_required or screen._repaint_required or screen._dirty_widgets
        or screen._recompose_required or screen._callbacks
    )  # fmt: skip
